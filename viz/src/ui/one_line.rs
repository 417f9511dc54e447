//! The one-line diagram: grid, PCS, DC bus, clusters, safety chain, with the flow of power.

use std::collections::BTreeSet;

use bess_telemetry::Truth;
use bevy_egui::egui::{self, Align, Painter, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};

use super::Scope;
use super::paint::{self, FIGURE, LABEL, WORD, arrow, badge, contact, hatch, outline, rgb, text};
use crate::model::colour::{DEAD, ENERGISED, SECONDARY, SELECTION, TEXT};
use crate::model::{AlarmState, Level, Model, Reading, shown};

/// Power below this share of the scale is no flow, W.
const NO_FLOW_W: f64 = 500.0;
/// Power of the widest arrow if the PCS does not say its range, W.
const FULL_W: f64 = 1_725_000.0;

/// A value with whose word it is.
struct Told {
    reading: Reading,
    truth: Option<Truth>,
    shown: String,
}

/// Share of a point's range by which words of two sources may differ and still say the same.
const SAME: f64 = 0.01;

/// The first of several points that is told; or a later one that was told since and says otherwise: what a device says is
/// recorded more rarely than what is true.
fn first(model: &Model, points: &[(&str, &str)]) -> Told {
    let told = points.iter().filter_map(|(tag, point)| {
        let index = model.find(tag, point)?;
        let (_, _, def) = model.definition(index)?;
        Some((index, model.told_ns(index)?, model.read(index), def))
    });
    let chosen = told.reduce(|first, other| {
        let same = match (first.2.value(), other.2.value()) {
            (Some(a), Some(b)) => (a - b).abs() <= SAME * (first.3.max - first.3.min),
            _ => true,
        };
        if other.1 > first.1 && !same { other } else { first }
    });
    match chosen.and_then(|(index, _, reading, def)| Some((model.definition(index)?.1, reading, def))) {
        Some((truth, reading, def)) => Told {
            reading,
            truth: Some(truth),
            shown: shown(def, reading),
        },
        None => Told {
            reading: Reading::Never,
            truth: None,
            shown: "—".into(),
        },
    }
}

impl Told {
    fn is_on(&self) -> Option<bool> {
        self.reading.is_on()
    }

    /// With the letter of who says it.
    fn with_letter(&self) -> String {
        self.truth
            .map_or_else(|| self.shown.clone(), |truth| format!("{} {truth:?}", self.shown))
    }
}

pub(super) fn show(ui: &mut Ui, scope: &mut Scope) {
    let place = ui.max_rect();
    let Some(container) = scope.container().map(|(_, container)| container.clone()) else {
        text(ui.painter(), place, Align::Center, "no rig described yet", LABEL);
        return;
    };
    let mut clicked = None;
    let mut y = place.top();
    let mut row = |height: f32| {
        let part = Rect::from_min_size(pos2(place.left(), y), vec2(place.width(), height));
        y += height;
        part
    };
    let painter = ui.painter().clone();
    let model = &*scope.model;
    let tag = container.tag.as_str();
    let pcs = format!("{tag}/pcs");

    text(
        &painter,
        row(15.0),
        Align::Min,
        &format!("one-line · {tag}"),
        LABEL,
    );
    let spine = place.left() + 24.0;
    let grid_box = row(44.0);
    grid(&painter, grid_box, spine, model, tag);
    let ac = row(22.0);
    ac_contactor(&painter, ac, spine, model, &pcs);
    let pcs_box = row(56.0);
    converter(&painter, pcs_box, spine, model, &pcs);
    let bus = row(22.0);
    dc_bus(&painter, bus, spine, model, tag);
    for (rect, tag) in [
        (grid_box, "site-01/meter".to_owned()),
        (ac.union(pcs_box), pcs.clone()),
        (bus, tag.to_owned()),
    ] {
        click(ui, rect, &tag, scope.view.selected.as_deref(), &mut clicked);
    }
    let heads = row(14.0);
    let left = place.bottom() - 62.0 - row(0.0).top();
    let count = container.clusters.max(1);
    let height = (left / count as f32).clamp(19.0, 26.0);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "few rows, and at least one"
    )]
    let fitting = (left / height).floor().max(1.0) as u32;
    let mut letters = [const { BTreeSet::new() }; 3];
    for cluster in 1..=count.min(fitting) {
        let part = row(height);
        let of = format!("{tag}/cluster-{cluster:02}");
        let figures = figures(model, &of);
        for (letters, told) in letters.iter_mut().zip(&figures) {
            letters.extend(told.truth);
        }
        branch(&painter, part, scope, &of, cluster, &figures);
        click(ui, part, &of, scope.view.selected.as_deref(), &mut clicked);
    }
    head(&painter, heads, &letters);
    if count > fitting {
        let words = format!("and {} more clusters", count - fitting);
        text(&painter, row(14.0), Align::Min, &words, LABEL);
    }
    let foot = Rect::from_min_max(pos2(place.left(), place.bottom() - 58.0), place.max);
    safety(&painter, foot, scope.model, tag);
    let relay = format!("{tag}/safety-relay");
    click(ui, foot, &relay, scope.view.selected.as_deref(), &mut clicked);
    if let Some(tag) = clicked {
        scope.view.selected = Some(tag);
    }
}

/// Selects a part when it is clicked, and outlines the one that is.
fn click(ui: &Ui, place: Rect, tag: &str, selected: Option<&str>, clicked: &mut Option<String>) {
    let response = ui.interact(place, ui.id().with(("one-line", tag)), Sense::click());
    if response.clicked() {
        *clicked = Some(tag.to_owned());
    }
    if selected == Some(tag) || response.hovered() {
        let width = if selected == Some(tag) { 2.0 } else { 1.0 };
        let stroke = Stroke::new(width, rgb(SELECTION));
        ui.painter()
            .rect_stroke(place.shrink(1.0), 2.0, stroke, StrokeKind::Inside);
    }
}

/// A line with or without energy.
fn line(painter: &Painter, from: egui::Pos2, to: egui::Pos2, energised: Option<bool>) {
    let stroke = match energised {
        Some(true) => Stroke::new(3.0, rgb(ENERGISED)),
        Some(false) => Stroke::new(1.0, rgb(DEAD)),
        None => {
            let way = to - from;
            let steps = (way.length() / 6.0).max(1.0);
            let mut at = 0.0;
            while at < steps {
                let a = from + way * (at / steps);
                let b = from + way * ((at + 0.5) / steps);
                painter.line_segment([a, b], Stroke::new(1.0, rgb(SECONDARY)));
                at += 1.0;
            }
            return;
        }
    };
    painter.line_segment([from, to], stroke);
}

fn grid(painter: &Painter, place: Rect, spine: f32, model: &Model, tag: &str) {
    let plant = format!("plant:{tag}/grid");
    let live = first(model, &[(&plant, "energised")]);
    let symbol = Rect::from_center_size(pos2(spine, place.top() + 15.0), vec2(30.0, 26.0));
    painter.rect(
        symbol,
        1.0,
        rgb([0xF0, 0xF1, 0xF1]),
        if live.is_on() == Some(true) {
            outline(2.0)
        } else {
            Stroke::new(1.0, rgb(DEAD))
        },
        StrokeKind::Inside,
    );
    // three strokes for three phases
    for n in [-6.0, 0.0, 6.0] {
        let at = symbol.center() + vec2(n, 0.0);
        painter.line_segment([at + vec2(-2.5, 5.0), at + vec2(2.5, -5.0)], outline(1.2));
    }
    line(
        painter,
        pos2(spine, symbol.bottom()),
        pos2(spine, place.bottom()),
        live.is_on(),
    );
    let word = match live.is_on() {
        Some(true) => "grid",
        Some(false) => "grid DEAD",
        None => "grid ?",
    };
    let right = Rect::from_min_max(pos2(spine + 22.0, place.top()), place.max);
    let (top, bottom) = right.split_top_bottom_at_fraction(0.5);
    text(painter, top, Align::Min, word, WORD);
    let hz = first(model, &[("site-01/meter", "frequency"), (&plant, "frequency")]);
    text(painter, top, Align::Max, &hz.with_letter(), FIGURE);
    let p = first(
        model,
        &[("site-01/meter", "active-power"), (&plant, "poi-active-power")],
    );
    let q = first(
        model,
        &[
            ("site-01/meter", "reactive-power"),
            (&plant, "poi-reactive-power"),
        ],
    );
    text(
        painter,
        bottom,
        Align::Min,
        &format!("P {}", p.with_letter()),
        FIGURE.sized(12.0),
    );
    text(
        painter,
        bottom,
        Align::Max,
        &format!("Q {}", q.with_letter()),
        FIGURE.sized(12.0),
    );
}

fn ac_contactor(painter: &Painter, place: Rect, spine: f32, model: &Model, pcs: &str) {
    let plant = format!("plant:{pcs}");
    let closed = first(model, &[(pcs, "ac-contactor-closed"), (&plant, "ac-contactor")]);
    upright(
        painter,
        pos2(spine, place.center().y),
        place.height(),
        closed.is_on(),
    );
    let words = match closed.is_on() {
        Some(true) => "AC contactor closed",
        Some(false) => "AC contactor open",
        None => "AC contactor: not told",
    };
    let right = Rect::from_min_max(pos2(spine + 22.0, place.top()), place.max);
    text(painter, right, Align::Min, words, LABEL.coloured(TEXT));
}

/// A contact in a line from top to bottom.
fn upright(painter: &Painter, centre: egui::Pos2, height: f32, closed: Option<bool>) {
    let half = height / 2.0;
    let body = Rect::from_center_size(centre, vec2(9.0, height - 6.0));
    line(
        painter,
        centre - vec2(0.0, half),
        centre - vec2(0.0, half - 3.0),
        closed,
    );
    line(
        painter,
        centre + vec2(0.0, half),
        centre + vec2(0.0, half - 3.0),
        closed,
    );
    match closed {
        Some(true) => {
            painter.rect_filled(body, 0.0, rgb(ENERGISED));
        }
        Some(false) => {
            let stroke = Stroke::new(1.5, rgb(DEAD));
            let (a, b) = body.split_top_bottom_at_fraction(0.5);
            painter.rect_stroke(a.with_max_y(a.bottom() - 2.5), 0.0, stroke, StrokeKind::Inside);
            painter.rect_stroke(b.with_min_y(b.top() + 2.5), 0.0, stroke, StrokeKind::Inside);
        }
        None => hatch(painter, body),
    }
}

fn converter(painter: &Painter, place: Rect, spine: f32, model: &Model, pcs: &str) {
    let plant = format!("plant:{pcs}");
    let symbol = Rect::from_center_size(pos2(spine, place.center().y), vec2(38.0, 46.0));
    let (words, tripped) = model.pcs_says(pcs);
    let gate = first(model, &[(pcs, "gate-enabled"), (&plant, "gate")]);
    let power = first(model, &[(pcs, "active-power"), (&plant, "active-power")]);
    let runs = gate.is_on();
    painter.rect(
        symbol,
        1.0,
        rgb([0xF0, 0xF1, 0xF1]),
        if runs == Some(true) {
            outline(2.0)
        } else {
            Stroke::new(1.0, rgb(DEAD))
        },
        StrokeKind::Inside,
    );
    painter.line_segment(
        [symbol.left_bottom(), symbol.right_top()],
        Stroke::new(1.0, rgb(SECONDARY)),
    );
    line(painter, pos2(spine, place.top()), pos2(spine, symbol.top()), runs);
    line(
        painter,
        pos2(spine, symbol.bottom()),
        pos2(spine, place.bottom()),
        runs,
    );
    let watts = power.reading.value();
    let right = Rect::from_min_max(pos2(spine + 26.0, place.top() + 2.0), place.max - vec2(0.0, 2.0));
    let third = right.height() / 3.0;
    let line_at = |n: f32| Rect::from_min_size(right.min + vec2(0.0, third * n), vec2(right.width(), third));
    text(painter, line_at(0.0), Align::Min, &words, WORD);
    let way = match watts {
        Some(watts) if watts > NO_FLOW_W => "discharging",
        Some(watts) if watts < -NO_FLOW_W => "charging",
        Some(_) => "no power",
        None => "power not told",
    };
    text(painter, line_at(1.0), Align::Min, way, LABEL.coloured(TEXT));
    text(painter, line_at(1.0), Align::Max, &power.with_letter(), FIGURE);
    let volts = first(model, &[(pcs, "dc-voltage"), (&plant, "dc-voltage")]);
    let amps = first(model, &[(pcs, "dc-current"), (&plant, "dc-current")]);
    let dc = format!("DC {}  {}", volts.shown, amps.with_letter());
    text(painter, line_at(2.0), Align::Min, &dc, FIGURE.sized(12.0));
    // the flow: width by power, upward to the grid when discharging
    if let Some(watts) = watts.filter(|watts| watts.abs() > NO_FLOW_W) {
        #[allow(clippy::cast_possible_truncation, reason = "a width of a few points")]
        let width = (2.0 + 6.0 * (watts.abs() / FULL_W).min(1.0)) as f32;
        let (from, to) = (
            symbol.center() + vec2(0.0, 17.0),
            symbol.center() - vec2(0.0, 17.0),
        );
        let (from, to) = if watts > 0.0 { (from, to) } else { (to, from) };
        arrow(painter, from, to, Stroke::new(width, rgb(TEXT)));
    }
    if runs == Some(false) {
        let bar = Rect::from_center_size(symbol.center(), vec2(30.0, 5.0));
        painter.rect_filled(bar, 0.0, rgb(TEXT));
        if tripped {
            paint::cross(painter, symbol.center(), 9.0, outline(2.0));
        }
    }
}

fn dc_bus(painter: &Painter, place: Rect, spine: f32, model: &Model, tag: &str) {
    let volts = first(
        model,
        &[
            (&format!("{tag}/bau"), "bus-voltage"),
            (&format!("plant:{tag}"), "bus-voltage"),
        ],
    );
    let live = volts.reading.value().map(|volts| volts > 60.0);
    let y = place.center().y;
    line(painter, pos2(spine, place.top()), pos2(spine, y), live);
    line(
        painter,
        pos2(place.left() + 4.0, y + 7.0),
        pos2(place.right(), y + 7.0),
        live,
    );
    line(painter, pos2(spine, y), pos2(spine, y + 7.0), live);
    let right = Rect::from_min_max(pos2(spine + 26.0, place.top()), pos2(place.right(), y + 5.0));
    text(painter, right, Align::Min, "DC bus", LABEL.coloured(TEXT));
    text(painter, right, Align::Max, &volts.with_letter(), FIGURE);
}

/// Columns of a branch: name, breaker, K+, K−, precharge, then figures.
const COLUMNS: [f32; 4] = [22.0, 43.0, 64.0, 85.0];

/// Right edges of a branch's figures.
const FIGURES: [(&str, f32); 3] = [("A", 152.0), ("V", 187.0), ("SOC", 229.0)];

/// Heads of the columns; figures with the letters of those who tell them.
fn head(painter: &Painter, place: Rect, letters: &[BTreeSet<Truth>; 3]) {
    for (x, words) in COLUMNS.into_iter().zip(["QF", "K+", "K−", "Kp"]) {
        let part = Rect::from_min_size(place.min + vec2(x, 0.0), vec2(20.0, place.height()));
        text(painter, part, Align::Center, words, LABEL);
    }
    for ((words, x), letters) in FIGURES.into_iter().zip(letters) {
        let who: Vec<String> = letters.iter().map(|truth| format!("{truth:?}")).collect();
        let words = format!("{words} {}", who.concat());
        let right = pos2(place.left() + x, place.bottom());
        let part = Rect::from_min_max(pos2(right.x - 40.0, place.top()), right);
        text(painter, part, Align::Max, words.trim_end(), LABEL);
    }
}

/// Current, voltage and state of charge of a branch.
fn figures(model: &Model, tag: &str) -> [Told; 3] {
    let (bcu, unit, plant) = (
        format!("{tag}/bcu"),
        format!("{tag}/hv-unit"),
        format!("plant:{tag}"),
    );
    let current = [(unit.as_str(), "current"), (&bcu, "current"), (&plant, "current")];
    let voltage = [
        (unit.as_str(), "cluster-voltage"),
        (&bcu, "cluster-voltage"),
        (&plant, "voltage"),
    ];
    [
        first(model, &current),
        first(model, &voltage),
        first(model, &[(&bcu, "soc")]),
    ]
}

fn branch(painter: &Painter, place: Rect, scope: &Scope, tag: &str, number: u32, figures: &[Told; 3]) {
    let model = &*scope.model;
    let (bcu, io) = (format!("{tag}/bcu"), format!("{tag}/io"));
    let plant = format!("plant:{tag}");
    let name = Rect::from_min_size(place.min, vec2(26.0, place.height()));
    text(painter, name, Align::Min, &format!("C{number}"), WORD);
    let contacts = [
        (
            None,
            first(
                model,
                &[
                    (&io, "breaker-closed"),
                    (&bcu, "breaker-closed"),
                    (&plant, "breaker"),
                ],
            ),
        ),
        (
            Some("coil-main-positive"),
            first(
                model,
                &[
                    (&io, "aux-main-positive"),
                    (&bcu, "main-positive-closed"),
                    (&plant, "main-positive"),
                ],
            ),
        ),
        (
            Some("coil-main-negative"),
            first(
                model,
                &[
                    (&io, "aux-main-negative"),
                    (&bcu, "main-negative-closed"),
                    (&plant, "main-negative"),
                ],
            ),
        ),
        (
            Some("coil-precharge"),
            first(
                model,
                &[
                    (&io, "aux-precharge"),
                    (&bcu, "precharge-closed"),
                    (&plant, "precharge"),
                ],
            ),
        ),
    ];
    for (x, (coil, feedback)) in COLUMNS.into_iter().zip(contacts) {
        let part = Rect::from_center_size(pos2(place.left() + x + 10.0, place.center().y), vec2(17.0, 12.0));
        let command = coil.and_then(|coil| first(model, &[(&io, coil), (&bcu, coil)]).is_on());
        match (command, feedback.is_on()) {
            (Some(command), Some(feedback)) if command != feedback => {
                paint::split_contact(painter, part, command, feedback);
            }
            (_, feedback) => contact(painter, part, feedback),
        }
    }
    let figure = |right: f32, width: f32, told: &Told, decimals: usize| {
        let place = Rect::from_min_max(
            pos2(place.left() + right - width, place.top()),
            pos2(place.left() + right, place.bottom()),
        );
        let words = told.reading.value().map_or_else(
            || "—".to_owned(),
            |value| format!("{value:+.decimals$}").replace('-', "−"),
        );
        let words = if decimals == 0 {
            words.trim_start_matches('+').to_owned()
        } else {
            words
        };
        text(painter, place, Align::Max, &words, FIGURE.sized(12.0));
    };
    let columns = FIGURES.into_iter().zip(figures);
    for (((_, right), told), (width, decimals)) in columns.zip([(46.0, 1), (34.0, 0), (28.0, 0)]) {
        figure(right, width, told, decimals);
    }
    let word = model.state(&bcu, "state").unwrap_or("?");
    let odd = !matches!(word, "closed" | "open");
    if let Some((level, _)) = model.alarms().worst_within(tag) {
        let centre = pos2(place.left() + 239.0, place.center().y);
        badge(painter, centre, 6.5, level, state_within(scope, tag), scope.flash);
    } else if odd {
        let mark = Rect::from_center_size(pos2(place.left() + 239.0, place.center().y), vec2(16.0, 14.0));
        text(painter, mark, Align::Center, "…", WORD);
    }
}

/// Unacknowledged, if one of the alarms in there is.
fn state_within(scope: &Scope, tag: &str) -> AlarmState {
    let alarms = scope.model.alarms();
    let unseen = alarms.list().into_iter().any(|alarm| {
        crate::model::index::is_within(&alarm.tag, tag) && alarms.state(alarm) == AlarmState::Unacknowledged
    });
    if unseen {
        AlarmState::Unacknowledged
    } else {
        AlarmState::Acknowledged
    }
}

fn safety(painter: &Painter, place: Rect, model: &Model, tag: &str) {
    let relay = format!("{tag}/safety-relay");
    let third = place.height() / 3.0;
    let row = |n: f32| Rect::from_min_size(place.min + vec2(0.0, third * n), vec2(place.width(), third));
    painter.hline(place.x_range(), place.top(), Stroke::new(1.0, rgb(DEAD)));
    let state = first(model, &[(&relay, "state")]);
    let ok = model.state(&relay, "state").map(|word| word == "ok");
    let words = match ok {
        Some(true) => "E-stop chain closed".to_owned(),
        Some(false) if state.shown == "safe" => "E-stop chain open (safe state)".to_owned(),
        Some(false) => format!("E-stop chain: {}", state.shown),
        None => "E-stop chain: not told".to_owned(),
    };
    let left = row(0.0).with_max_x(place.right() - 78.0);
    text(painter, left, Align::Min, &words, WORD.sized(12.0));
    for (n, (letter, point)) in [("A", "estop-a"), ("B", "estop-b")].into_iter().enumerate() {
        let x = place.right() - 76.0 + 38.0 * n as f32;
        let part = Rect::from_min_size(pos2(x, row(0.0).top()), vec2(36.0, third));
        text(
            painter,
            part.with_max_x(part.left() + 12.0),
            Align::Min,
            letter,
            LABEL,
        );
        let closed = first(model, &[(&relay, point)]).is_on();
        contact(
            painter,
            Rect::from_center_size(part.center() + vec2(5.0, 0.0), vec2(20.0, 10.0)),
            closed,
        );
    }
    let permit = first(model, &[(&format!("{tag}/bau"), "permit")]);
    let supply = first(
        model,
        &[
            (&format!("plant:{tag}"), "coil-supply-voltage"),
            (&format!("{tag}/cluster-01/bcu"), "coil-supply"),
        ],
    );
    let word = |told: &Told, on: &str, off: &str| match told.is_on() {
        Some(true) => on.to_owned(),
        Some(false) => off.to_owned(),
        None => "not told".to_owned(),
    };
    text(
        painter,
        row(1.0),
        Align::Min,
        &format!("permit {}", word(&permit, "given", "not given")),
        LABEL.coloured(TEXT),
    );
    text(
        painter,
        row(1.0),
        Align::Max,
        &format!("coils {}", supply.with_letter()),
        FIGURE.sized(12.0),
    );
    let stack = first(model, &[(&format!("{tag}/bau"), "stack-state")]);
    let fire = first(model, &[(&format!("{tag}/fire-panel"), "level")]);
    text(
        painter,
        row(2.0),
        Align::Min,
        &format!("stack {}", stack.shown),
        LABEL.coloured(TEXT),
    );
    text(
        painter,
        row(2.0),
        Align::Max,
        &format!("fire {}", fire.shown),
        LABEL.coloured(TEXT),
    );
    let worst = model.alarms().worst_within(&relay).map(|(level, _)| level);
    if worst == Some(Level::L3) {
        let at = pos2(place.right() - 88.0, row(0.0).center().y);
        badge(painter, at, 6.0, Level::L3, AlarmState::Acknowledged, true);
    }
}
