//! Cause and effect over time: a lane for each part of the chain, arrows where the log links cause and effect, one trend.

use bess_telemetry::Verdict;
use bevy_egui::egui::{self, Align, Color32, Painter, Rect, Sense, Shape, Stroke, Ui, pos2, vec2};

use super::Scope;
use super::alarm_list::since;
use super::paint::{self, FIGURE, LABEL, WORD, arrow, bolt, cross, hatch, outline, rgb, text};
use crate::feed::Transport;
use crate::model::colour::{INJECTED, SECONDARY, SELECTION, TEXT, UNKNOWN, of_level};
use crate::model::{Band, Hop, Lane, Level, Model, run};

mod axis;
mod trend;

use axis::Axis;
pub(super) use axis::nice;
use trend::{strip, trend_of};

/// Width of the lanes' names, points.
const NAMES: f32 = 84.0;
/// Heights of the axis and of the trend.
const AXIS: f32 = 15.0;
const TREND: f32 = 26.0;
/// Narrower than this a band has no room for a word.
const WORD_ROOM: f32 = 40.0;
/// Narrower than this a stretch that was not told is not seen.
const UNTOLD_ROOM: f32 = 3.0;
const NOT_TOLD: &str = "not told";
/// How far from its effect a label may stand.
const LABEL_REACH: f32 = 160.0;

/// What the timeline remembers.
#[derive(Debug, Default)]
pub(super) struct State {
    /// An instant that was pointed at in another panel, ns.
    pub(super) cursor_ns: Option<u64>,
    /// Span that is shown, s from the start; all of it if none.
    zoom: Option<(f64, f64)>,
    /// Linear seconds or equal gaps; as fits if none.
    events: Option<bool>,
}

pub(super) fn show(ui: &mut Ui, scope: &mut Scope) {
    let (of, point) = trend_of(scope);
    if let Some(index) = scope.model.find(&of, &point) {
        // every sample: a thinned one would stand at another instant
        scope.model.history_mut().watch(index);
    }
    let place = ui.max_rect();
    let names = place.with_max_x(place.left() + NAMES);
    let field = place.with_min_x(names.right());
    let (top, rest) = field.split_top_bottom_at_y(field.top() + AXIS);
    let (lanes, trend) = rest.split_top_bottom_at_y(rest.bottom() - TREND);
    let axis = Axis::of(
        scope.model,
        scope.panels.timeline.zoom,
        scope.panels.timeline.events,
        field.x_range(),
    );
    let steps = step_bands(scope.model);
    let first = usize::from(!steps.is_empty());
    let height = lanes.height() / (Lane::ALL.len() + first) as f32;
    let row = |n: usize| {
        Rect::from_min_size(
            lanes.min + vec2(0.0, height * n as f32),
            vec2(lanes.width(), height),
        )
    };
    let lane_at = |lane: Lane| row(first + Lane::ALL.iter().position(|one| *one == lane).unwrap_or(0));
    switch(ui, names.with_max_y(top.bottom()), scope, &axis);
    axis.draw(ui.painter(), top, lanes.bottom());
    let mut written = Vec::new();
    let gas = gas_bands(scope);
    let rows = (!steps.is_empty()).then_some(("step", row(0), steps.as_slice()));
    let rows = rows.into_iter().chain(Lane::ALL.into_iter().map(|lane| {
        let bands = match lane {
            Lane::Gas => gas.as_deref().unwrap_or_default(),
            lane => scope.model.chronicle().now().lanes.bands(lane),
        };
        (lane.name(), lane_at(lane), bands)
    }));
    for (name, part, of) in rows {
        let at = Rect::from_x_y_ranges(names.x_range(), part.y_range());
        text(ui.painter(), at, Align::Min, name, LABEL.coloured(TEXT));
        // what is sampled is not told before its first sample; what has events is as it was before the first
        let sampled = name == Lane::Gas.name() && gas.is_some();
        bands(ui, part, scope.model, of, sampled, &axis, &mut written);
        ui.painter().hline(
            place.x_range(),
            part.bottom(),
            Stroke::new(1.0, rgb([0xD0, 0xD3, 0xD5])),
        );
    }
    marks(ui, &lane_at, scope.model, &axis);
    hops(ui, &lane_at, scope.model, &axis, written);
    strip(ui, names, trend, scope, &axis);
    let now = axis.x(scope.model.now_ns());
    let painter = ui.painter();
    if field.x_range().contains(now) {
        let future = Rect::from_min_max(pos2(now, lanes.top()), lanes.max);
        painter.rect_filled(future, 0.0, Color32::from_white_alpha(40));
        painter.vline(
            now,
            place.top() + AXIS..=place.bottom(),
            Stroke::new(1.5, rgb(TEXT)),
        );
    }
    if let Some(at) = scope.panels.timeline.cursor_ns {
        let x = axis.x(at);
        painter.vline(
            x,
            place.top() + AXIS..=place.bottom(),
            Stroke::new(1.5, rgb(SELECTION)),
        );
    }
    hands(ui, field, scope, &axis);
}

/// Which kind of axis it is, and the other on a click.
fn switch(ui: &mut Ui, place: Rect, scope: &mut Scope, axis: &Axis) {
    let words = if axis.is_by_events() {
        "by events"
    } else {
        "linear s"
    };
    let response = ui.interact(place, ui.id().with("axis"), Sense::click());
    text(
        ui.painter(),
        place,
        Align::Min,
        &format!("↔ {words}"),
        LABEL.coloured(SELECTION),
    );
    if response.clicked() {
        scope.panels.timeline.events = Some(!axis.is_by_events());
        scope.panels.timeline.zoom = None;
    }
    response.on_hover_text("equal gaps between events, or seconds");
}

/// Steps of the scenario as bands: what is decided badly has the colour of it.
fn step_bands(model: &Model) -> Vec<Band> {
    let Some(run) = model.run() else { return Vec::new() };
    let mut bands: Vec<Band> = run
        .steps
        .iter()
        .map(|step| Band {
            from_ns: step.began_ns,
            word: format!("{} {}", step.number + 1, step.text),
            level: step.decided.and_then(|(_, verdict)| level_of(verdict)),
        })
        .collect();
    if let Some((at, verdict)) = run.verdict {
        bands.push(Band {
            from_ns: at,
            word: run::word(verdict).to_owned(),
            level: level_of(verdict),
        });
    }
    bands
}

fn level_of(verdict: Verdict) -> Option<Level> {
    match verdict {
        Verdict::Pass => None,
        Verdict::Inconclusive => Some(Level::R),
        Verdict::Fail | Verdict::Error => Some(Level::L3),
    }
}

/// States of a lane.
fn bands(
    ui: &Ui,
    place: Rect,
    model: &Model,
    bands: &[Band],
    sampled: bool,
    axis: &Axis,
    written: &mut Vec<Rect>,
) {
    let painter = ui.painter();
    let end = axis.x(model.now_ns());
    if sampled {
        let first = bands.first().map_or(end, |band| axis.x(band.from_ns)).min(end);
        untold(painter, place.with_max_y(place.bottom() - 2.5), first);
    }
    for (n, band) in bands.iter().enumerate() {
        let from = axis.x(band.from_ns).max(place.left());
        let to = bands
            .get(n + 1)
            .map_or(end, |next| axis.x(next.from_ns))
            .min(place.right())
            .min(end);
        if to <= from {
            continue;
        }
        let part = Rect::from_min_max(pos2(from, place.top() + 0.5), pos2(to, place.bottom() - 3.0));
        let (fill, ink) = match band.level {
            Some(level) => {
                let light = matches!(level, Level::L3 | Level::R);
                (rgb(of_level(level)), if light { [0xFF; 3] } else { TEXT })
            }
            None if is_calm(&band.word) => (rgb([0xDA, 0xDC, 0xDE]), SECONDARY),
            None => (rgb([0xBC, 0xC1, 0xC5]), TEXT),
        };
        if band.word == NOT_TOLD {
            hatch(painter, part);
            continue;
        }
        painter.rect_filled(part, 0.0, fill);
        // the first sample is when it began to be told, and no event
        if n > 0 || !sampled {
            painter.vline(part.left(), part.y_range(), outline(1.0));
        }
        let face = WORD.sized(11.5);
        let wanted = paint::width(painter, &band.word, face) + 8.0;
        let is_last = n + 1 == bands.len();
        if wanted > part.width() && is_last && end < place.right() {
            // what has just begun is told in what is still to come
            let room = Rect::from_x_y_ranges(end + 2.0..=place.right(), part.y_range());
            let words = text(painter, room, Align::Min, &band.word, face);
            written.push(words.expand2(vec2(3.0, 0.0)));
        } else if wanted <= part.width() || part.width() > WORD_ROOM {
            let inner = part.shrink2(vec2(4.0, 0.0));
            let words = text(painter, inner, Align::Min, &band.word, face.coloured(ink));
            written.push(words.expand2(vec2(3.0, 0.0)));
        }
        if band.level.is_some() && part.width() < WORD_ROOM {
            // its colour is all it has
            written.push(part);
        }
    }
}

/// What was before there was a sample: not told.
fn untold(painter: &Painter, place: Rect, first: f32) {
    let before = place.with_max_x(first.min(place.right()));
    if before.width() > UNTOLD_ROOM {
        hatch(painter, before);
        if before.width() > 2.0 * WORD_ROOM {
            let words = Rect::from_center_size(before.center(), vec2(48.0, before.height() - 2.0));
            painter.rect_filled(words, 2.0, rgb(UNKNOWN));
            text(painter, words, Align::Center, NOT_TOLD, LABEL.sized(11.0));
        }
    }
}

/// Whether a state is how things are when nothing happens.
fn is_calm(word: &str) -> bool {
    matches!(
        word,
        "normal" | "none" | "ready" | "closed" | "all off" | "HVAC on" | "off"
    )
}

/// Gas has no events of its own: its states in the container that is looked at are from its share of the lower explosive limit.
fn gas_bands(scope: &Scope) -> Option<Vec<Band>> {
    let model = &*scope.model;
    let (_, of) = scope.container()?;
    let index = model.find(&format!("plant:{}/air", of.tag), "gas-percent-lel")?;
    let mut bands: Vec<Band> = Vec::new();
    let now = model.now_ns();
    for sample in model
        .history()
        .samples(index)
        .take_while(|sample| sample.at_ns <= now)
    {
        let word = match sample.value {
            value if value.is_nan() => NOT_TOLD,
            value if value >= 25.0 => "above 25 % LFL",
            value if value >= 10.0 => "above 10 % LFL",
            value if value >= 0.1 => "gas",
            _ => "none",
        };
        if bands.last().is_none_or(|last| last.word != word) {
            bands.push(Band {
                from_ns: sample.at_ns,
                word: word.into(),
                level: None,
            });
        }
    }
    Some(bands)
}

/// Faults, hands and trips as signs in their lanes.
fn marks(ui: &Ui, lane_at: &dyn Fn(Lane) -> Rect, model: &Model, axis: &Axis) {
    let painter = ui.painter();
    for event in model.chronicle().past() {
        if model.chronicle().is_stimulus(event) {
            let part = lane_at(Lane::Injected);
            let x = axis.x(event.at_ns);
            if part.x_range().contains(x) {
                bolt(painter, pos2(x, part.center().y), 14.0);
            }
        }
    }
    if let Some(t0) = model.chronicle().now().t0_ns {
        let x = axis.x(t0);
        let lanes = lane_at(Lane::Injected).top()..=lane_at(Lane::Estop).bottom();
        let mut y = *lanes.start();
        while y < *lanes.end() {
            painter.vline(x, y..=(y + 4.0), Stroke::new(1.0, rgb(INJECTED)));
            y += 8.0;
        }
    }
}

/// Arrows from cause to effect with latency, limit and margin, and the limit as a pale bar.
fn hops(ui: &Ui, lane_at: &dyn Fn(Lane) -> Rect, model: &Model, axis: &Axis, mut written: Vec<Rect>) {
    let painter = ui.painter();
    let hops = &model.chronicle().now().hops;
    let mut labels = Vec::new();
    for hop in hops.iter().filter(|hop| hop.is_latency() && !hop.is_hold()) {
        let Some(lane) = lane_of(model, hop) else { continue };
        let part = lane_at(lane);
        let cause = axis.x(hop.judged.cause_ns);
        let y = part.bottom() - 2.0;
        if let Some(due) = hop.due_ns() {
            let to = axis.x(due).min(part.right());
            let limit = Rect::from_min_max(pos2(cause.max(part.left()), y - 1.5), pos2(to, y + 1.5));
            painter.rect_filled(limit, 0.0, rgb([0xA9, 0xC3, 0xC7]));
        }
        // only a linked cause has an arrow
        if hop.cause.is_some() {
            let from = lane_at(Lane::Injected).center().y;
            painter.vline(cause, from.min(y)..=from.max(y), Stroke::new(1.0, rgb(TEXT)));
        }
        let end = match hop.judged.seen_ns {
            Some(seen) => {
                let x = axis.x(seen);
                let met = hop.judged.margin.is_none_or(|margin| margin >= 0.0);
                if hop.cause.is_some() {
                    arrow(painter, pos2(cause, y), pos2(x, y), Stroke::new(1.2, rgb(TEXT)));
                }
                if met {
                    // short where it would cross words
                    let long = Rect::from_x_y_ranges(x - 1.0..=x + 1.0, part.y_range());
                    let crosses = written.iter().any(|words| words.intersects(long));
                    let top = if crosses {
                        part.bottom() - 5.0
                    } else {
                        part.top() + 1.0
                    };
                    painter.vline(x, top..=part.bottom(), Stroke::new(2.0, rgb(TEXT)));
                } else {
                    cross(
                        painter,
                        pos2(x, part.center().y),
                        5.0,
                        Stroke::new(2.5, rgb(of_level(Level::L3))),
                    );
                }
                x
            }
            None => {
                let x = hop
                    .due_ns()
                    .map_or(cause, |due| axis.x(due))
                    .min(part.right() - 6.0);
                never(painter, pos2(x, part.center().y));
                x
            }
        };
        labels.push((part, cause, end, hop));
    }
    let mut said: Vec<(f32, &str, String)> = Vec::new();
    for (part, cause, end, hop) in labels {
        // what two steps measured alike is said once
        let what = (part.top(), hop.text.as_str(), hop.label());
        if said.contains(&what) {
            continue;
        }
        said.push(what);
        label(painter, part, cause, end, hop, &mut written);
    }
}

/// Where the effect is: the lane of the points that were looked at.
fn lane_of(model: &Model, hop: &Hop) -> Option<Lane> {
    let of_event = hop
        .judged
        .effect
        .and_then(|id| model.chronicle().get(id))
        .and_then(Lane::of);
    of_event.or_else(|| Lane::of_points(&hop.judged.points))
}

/// A dashed hollow mark: what never happened.
fn never(painter: &Painter, centre: egui::Pos2) {
    let ring: Vec<_> = (0..=12_u8)
        .map(|n| {
            let angle = f32::from(n) / 12.0 * std::f32::consts::TAU;
            centre + 5.0 * vec2(angle.cos(), angle.sin())
        })
        .collect();
    painter.extend(Shape::dashed_line(
        &ring,
        Stroke::new(1.5, rgb(of_level(Level::L3))),
        2.5,
        2.0,
    ));
}

/// Writes what came and when, or at least when, where it covers no other: before the effect, or behind it; else it is in the
/// table alone.
fn label(painter: &Painter, part: Rect, cause: f32, end: f32, hop: &Hop, written: &mut Vec<Rect>) {
    let effect = hop.text.strip_prefix("the ").unwrap_or(&hop.text);
    for effect in [effect, ""] {
        if put_label(painter, part, cause, end, (effect, &hop.label()), written) {
            return;
        }
    }
}

/// Writes a label of words and figures; whether there was room for it.
fn put_label(
    painter: &Painter,
    part: Rect,
    cause: f32,
    end: f32,
    (effect, figures): (&str, &str),
    written: &mut Vec<Rect>,
) -> bool {
    let (word, face) = (WORD.sized(11.5), FIGURE.sized(11.0));
    let wide = match effect {
        "" => 0.0,
        effect => paint::width(painter, effect, word) + 5.0,
    };
    let width = wide + paint::width(painter, figures, face) + 6.0;
    let rows = part.top() + 1.0..=part.bottom() - 3.5;
    let before = Rect::from_x_y_ranges(end - width - 3.0..=end - 3.0, rows.clone());
    let covered = |place: &Rect| written.iter().find(|other| other.intersects(*place)).copied();
    // behind the effect, but not over what is written there
    let mut behind = Rect::from_x_y_ranges(end + 4.0..=end + 4.0 + width, rows);
    while let Some(other) = covered(&behind).filter(|_| behind.right() < part.right()) {
        behind = behind.translate(vec2(other.right() + 2.0 - behind.left(), 0.0));
    }
    let fits_before = before.left() > cause + 6.0;
    let place = [(before, fits_before), (behind, behind.left() < end + LABEL_REACH)]
        .into_iter()
        .filter(|(place, _)| place.left() >= part.left() && place.right() <= part.right())
        .find_map(|(place, fits)| (fits && covered(&place).is_none()).then_some(place));
    let Some(place) = place else { return false };
    painter.rect_filled(place, 2.0, rgb([0xF4, 0xF5, 0xF5]));
    let inner = place.shrink2(vec2(3.0, 0.0));
    text(
        painter,
        inner.with_max_x(inner.left() + wide),
        Align::Min,
        effect,
        word,
    );
    text(
        painter,
        inner.with_min_x(inner.left() + wide),
        Align::Min,
        figures,
        face,
    );
    written.push(place);
    true
}

/// What hands do: click to go there, drag and scroll to look closer, double click for all of it.
fn hands(ui: &Ui, field: Rect, scope: &mut Scope, axis: &Axis) {
    let response = ui.interact(field, ui.id().with("timeline"), Sense::click_and_drag());
    let span = axis.span();
    if response.double_clicked() {
        scope.panels.timeline.zoom = None;
        scope.panels.timeline.cursor_ns = None;
    } else if response.clicked()
        && let Some(at) = response.interact_pointer_pos()
    {
        let at = axis.ns(at.x);
        if scope.feed.is_replay() {
            scope.feed.transport(Transport::Seek(at));
        } else {
            scope.panels.timeline.cursor_ns = Some(at);
        }
    }
    if axis.is_by_events() {
        // equal gaps have nothing to look closer at
    } else if response.dragged() {
        let by = f64::from(response.drag_delta().x / field.width()) * (span.1 - span.0);
        scope.panels.timeline.zoom = Some((span.0 - by, span.1 - by));
    } else if let Some(at) = response.hover_pos() {
        let scrolled = ui.input(|input| input.smooth_scroll_delta().y);
        if scrolled != 0.0 {
            let factor = f64::from((-scrolled / 300.0).exp());
            let centre = axis.ns(at.x) as f64 / 1e9;
            let zoom = (
                centre - (centre - span.0) * factor,
                centre + (span.1 - centre) * factor,
            );
            if (0.01..1e6).contains(&(zoom.1 - zoom.0)) {
                scope.panels.timeline.zoom = Some(zoom);
            }
        }
    }
    if let Some(at) = response.hover_pos() {
        let told = near(scope.model, axis, at.x);
        response.on_hover_text(told);
    }
}

/// Events near a place, for a tooltip.
fn near(model: &Model, axis: &Axis, x: f32) -> String {
    let t0 = model.chronicle().now().t0_ns.unwrap_or(0);
    let mut lines = vec![format!("t−t0 {} s", since(axis.ns(x), t0))];
    let close = model
        .chronicle()
        .past()
        .iter()
        .filter(|event| (axis.x(event.at_ns) - x).abs() < 3.0);
    for event in close.take(8) {
        lines.push(format!(
            "{} {} {} {} ({:?})",
            since(event.at_ns, t0),
            model.named(&event.tag),
            event.point,
            event.text,
            event.truth
        ));
    }
    lines.join("\n")
}
