//! The selected part: its values with unit, whose word they are and their range, and how one of them went.

use bess_telemetry::{Limit, PointDef};
use bevy_egui::egui::{self, Align, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};

use super::Scope;
use super::paint::{self, FIGURE, LABEL, WORD, rgb, text};
use crate::model::colour::{SECONDARY, SELECTION, TEXT};
use crate::model::effects::figure;
use crate::model::index::{bare, short};
use crate::model::{Index, Level, Model, Reading, Sample, shown};

const ROW: f32 = 18.0;
/// Heights of the trend and of a line of what is known of the chosen value.
const TREND: f32 = 52.0;
const FACT: f32 = 14.0;
/// Span of the trend, ns.
const TREND_NS: u64 = 60_000_000_000;
/// Values that tell most of a part, where nothing was chosen.
const TELLING: [&str; 12] = [
    "temperature",
    "active-power",
    "current",
    "gas-percent-lel",
    "cell-voltage-max",
    "temperature-max",
    "supply-temperature",
    "pressure",
    "frequency",
    "soc",
    "bus-voltage",
    "countdown",
];
/// Tags that a search offers.
const OFFERED: usize = 8;

/// A line of the inspector.
struct Line {
    /// Unique within the selection.
    key: String,
    name: String,
    letter: String,
    unit: String,
    shown: String,
    known: bool,
    /// Value and range of its bar.
    bar: Option<(f64, f64, f64)>,
    /// Limits that a device holds against it, in the unit of the value.
    limits: Vec<Limit>,
    /// The command that it follows or the feedback that it awaits, and its state: name, value.
    partner: Option<Partner>,
    source: Source,
}

/// The other half of a command and its feedback.
struct Partner {
    /// What the other is.
    word: &'static str,
    name: String,
    shown: String,
    /// Both are told and are not the same.
    differs: bool,
}

/// Where the trend of a line comes from.
#[derive(Clone)]
enum Source {
    Point(u32),
    Cell(usize, CellRow),
}

#[derive(Clone, Copy)]
enum CellRow {
    Voltage,
    Temperature,
    Soc,
}

pub(super) fn show(ui: &mut Ui, scope: &mut Scope) {
    let place = ui.max_rect();
    let (head, rest) = place.split_top_bottom_at_y(place.top() + 22.0);
    search(ui, head, scope);
    let Some(tag) = scope.view.selected.clone() else {
        let words = "nothing selected: click a part, an alarm or a branch, or search its tag";
        paint::lines(ui.painter(), rest.shrink(8.0), Align::Center, words, LABEL, 3);
        return;
    };
    let (title, rest) = rest.split_top_bottom_at_y(rest.top() + 20.0);
    let lines = lines(scope.model, &tag);
    let of_cells = lines.iter().any(|line| matches!(line.source, Source::Cell(..)));
    let old = scope.model.old_cells().filter(|_| of_cells);
    let right = old.map_or_else(|| kind(scope.model, &tag), |when| format!("cells of {when}"));
    let named = text(
        ui.painter(),
        title,
        Align::Min,
        &scope.model.named(&tag),
        WORD.sized(14.0),
    );
    let right_of = title.with_min_x(named.right() + 6.0);
    text(ui.painter(), right_of, Align::Max, &right, LABEL);
    if lines.is_empty() {
        let known = scope.model.index().is_some_and(|index| index.has_tag(&tag));
        let words = if known {
            "nothing is told of it"
        } else {
            "there is no such tag"
        };
        text(ui.painter(), rest, Align::Center, words, LABEL);
        return;
    }
    let chosen = lines
        .iter()
        .find(|line| scope.panels.trend.as_ref() == Some(&line.key))
        .or_else(|| {
            let told = |name: &&str| lines.iter().find(|line| line.name == *name && line.known);
            TELLING.iter().find_map(told)
        })
        .or_else(|| lines.iter().find(|line| line.bar.is_some()))
        .unwrap_or(&lines[0]);
    let chosen_key = chosen.key.clone();
    let facts = facts(scope.model, chosen);
    let below = TREND + FACT * facts.len() as f32;
    let (body, below) = rest.split_top_bottom_at_y(rest.bottom() - below);
    // whole rows only
    let body = body.with_max_y(body.top() + (body.height() / ROW).floor() * ROW);
    let mut clicked = None;
    let mut child = ui.new_child(egui::UiBuilder::new().max_rect(body));
    child.set_clip_rect(body);
    child.spacing_mut().item_spacing.y = 0.0;
    egui::ScrollArea::vertical()
        .id_salt(("inspector", &tag))
        .auto_shrink(false)
        .show_rows(&mut child, ROW, lines.len(), |ui, range| {
            for line in &lines[range] {
                let (place, response) =
                    ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
                row(
                    ui,
                    place.with_max_x(place.right() - 8.0),
                    line,
                    line.key == chosen_key,
                );
                if response.clicked() {
                    clicked = Some((line.key.clone(), false));
                }
                if response.double_clicked() {
                    clicked = Some((line.key.clone(), true));
                }
                response.on_hover_text(format!("{}\nclick: trend; double click: plot", line.key));
            }
        });
    let (told, trend) = below.split_top_bottom_at_y(below.bottom() - TREND);
    for (n, fact) in facts.iter().enumerate() {
        let part = Rect::from_min_size(told.min + vec2(0.0, FACT * n as f32), vec2(told.width(), FACT));
        text(ui.painter(), part, Align::Min, fact, LABEL.coloured(TEXT));
        ui.interact(part, ui.id().with(("fact", n)), Sense::hover())
            .on_hover_text(fact.as_str());
    }
    graph(ui, trend, scope.model, chosen);
    if let Some((key, plot)) = clicked {
        if plot && let Some((tag, point)) = key.rsplit_once(' ') {
            let entry = (tag.to_owned(), point.to_owned());
            if !scope.view.plotted.contains(&entry) {
                scope.view.plotted.push(entry);
            }
            scope.view.tab = crate::model::Tab::Plots;
        }
        scope.panels.trend = Some(key);
    }
}

fn search(ui: &mut Ui, place: Rect, scope: &mut Scope) {
    let field = egui::TextEdit::singleline(&mut scope.panels.search)
        .hint_text("search tag, e.g. C3 P5 or bcu")
        .font(egui::FontId::proportional(13.0))
        .margin(vec2(4.0, 1.0));
    let response = ui.put(place.shrink2(vec2(0.0, 1.0)), field);
    let wanted = scope.panels.search.trim().to_lowercase();
    if wanted.is_empty() {
        return;
    }
    let offers = offers(scope.model, &wanted);
    let entered = response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
    let mut taken = offers.first().filter(|_| entered).cloned();
    if response.has_focus() || entered {
        let popup = Rect::from_min_size(
            place.left_bottom(),
            vec2(place.width(), 20.0 * offers.len().max(1) as f32 + 6.0),
        );
        egui::Area::new(ui.id().with("offers"))
            .order(egui::Order::Foreground)
            .fixed_pos(popup.min)
            .show(ui.ctx(), |ui| {
                egui::Frame::popup(ui.style()).show(ui, |ui| {
                    ui.set_width(popup.width() - 16.0);
                    if offers.is_empty() {
                        ui.label("no tag has this in it");
                    }
                    for tag in &offers {
                        if ui.selectable_label(false, tag).is_pointer_button_down_on() {
                            taken = Some(tag.clone());
                        }
                    }
                });
            });
    }
    if let Some(tag) = taken {
        scope.view.fly_to = Some(tag.clone());
        scope.view.selected = Some(tag);
        scope.panels.search.clear();
    }
}

/// Tags that have every word in them, in full or as people say it; a cell is found by its whole tag.
fn offers(model: &Model, wanted: &str) -> Vec<String> {
    let Some(index) = model.index() else {
        return Vec::new();
    };
    if index.cell_index(wanted).is_some() {
        return vec![wanted.to_owned()];
    }
    let words: Vec<&str> = wanted.split_whitespace().collect();
    let fits = |tag: &&str| {
        let said = short(tag).to_lowercase();
        words
            .iter()
            .all(|word| tag.contains(word) || said.split(' ').any(|part| part == *word))
    };
    index
        .tags()
        .filter(fits)
        .take(OFFERED)
        .map(str::to_owned)
        .collect()
}

fn kind(model: &Model, tag: &str) -> String {
    let Some(description) = model.description() else {
        return String::new();
    };
    if let Some(device) = description.devices.iter().find(|device| device.tag == tag) {
        let backing = match device.backing {
            bess_telemetry::Backing::Emulated => "",
            bess_telemetry::Backing::Real => " · real",
            bess_telemetry::Backing::Absent => " · absent",
        };
        return format!("{}{backing}", device.product.as_deref().unwrap_or(&device.kind));
    }
    let Some(container) = description.containers.iter().find(|of| tag.starts_with(&of.tag)) else {
        return String::new();
    };
    match tag
        .strip_prefix(&container.tag)
        .map(|rest| rest.matches('/').count())
    {
        Some(0) => container.product.id.clone(),
        Some(2) => container.pack.id.clone(),
        Some(3) => container.cell.id.clone(),
        _ => String::new(),
    }
}

/// Everything that is told of a tag; of a cluster or pack also by its own devices.
fn lines(model: &Model, tag: &str) -> Vec<Line> {
    let Some(index) = model.index() else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    if let Some(cell) = index.cell_index(tag) {
        lines.extend(cell_lines(model, cell));
    } else if let Some(range) = index.cells_of(tag) {
        lines.extend(extremes(model, range));
    }
    for of in &tags_of(index, tag) {
        let front = if of == tag {
            String::new()
        } else {
            format!("{} · ", crate::model::index::leaf(of))
        };
        for (point, truth, def) in index.points_of(of) {
            // rows that only say that they are not looked at come on request
            let reading = model.read(point);
            if def.recorded_every_ms == 0 && reading == Reading::Never {
                continue;
            }
            let limits = index.description().limits_of(def).to_vec();
            let bounded = def.states.is_empty()
                && def.max > def.min
                && def.max < 1e12
                && (def.unit != "1" || !limits.is_empty());
            let range = range(&limits, (def.min, def.max));
            let (group, ..) = model.definition(point).unwrap_or((of.as_str(), truth, def));
            lines.push(Line {
                key: format!("{group} {}", def.name),
                name: format!("{front}{}", def.name),
                letter: format!("{truth:?}"),
                unit: def.unit.clone(),
                shown: shown(def, reading),
                known: reading.value().is_some(),
                bar: reading
                    .value()
                    .filter(|_| bounded)
                    .map(|value| (value, range.0, range.1)),
                partner: partner(model, index, of, def, reading),
                limits,
                source: Source::Point(point),
            });
        }
    }
    lines
}

/// A part and its own devices, whose values are told with it.
pub(super) fn tags_of(index: &Index, tag: &str) -> Vec<String> {
    let mut tags = vec![tag.to_owned()];
    for device in ["bcu", "bmu", "hv-unit", "io"] {
        let inner = format!("{tag}/{device}");
        if index.description().devices.iter().any(|of| of.tag == inner) {
            tags.push(inner);
        }
    }
    tags
}

/// Range of a bar: that of its limits with a quarter around, as far as the value can be there; all it can be without.
fn range(limits: &[Limit], (min, max): (f64, f64)) -> (f64, f64) {
    let sets = limits.iter().map(|limit| limit.set);
    let (low, high) = sets.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), set| {
        (low.min(set), high.max(set))
    });
    if low > high {
        return (min, max);
    }
    let lower = limits.iter().any(|limit| !limit.is_upper);
    let upper = limits.iter().any(|limit| limit.is_upper);
    let room = (high - low).max(high.abs() * 0.1).max(1e-3) * 0.25;
    let from = if lower { low - room } else { min.min(low - room) };
    let to = if upper { high + room } else { max.max(high + room) };
    (from.max(min), to.min(max.max(high)))
}

/// The feedback of a command, or the command of a feedback, of the same device.
fn partner(model: &Model, index: &Index, tag: &str, def: &PointDef, own: Reading) -> Option<Partner> {
    let other = |word, name: &str| {
        let (point, _, def) = index.points_of(tag).find(|(_, _, other)| other.name == name)?;
        let reading = model.read(point);
        Some(Partner {
            word,
            name: name.to_owned(),
            shown: shown(def, reading),
            differs: matches!((own.value(), reading.value()), (Some(a), Some(b)) if a != b),
        })
    };
    if let Some(feedback) = &def.feedback {
        return other("feedback", feedback);
    }
    let mut all = index.points_of(tag);
    let (_, _, command) = all.find(|(_, _, command)| command.feedback.as_ref() == Some(&def.name))?;
    other("command", &command.name)
}

/// What is known of a value besides it: limits, command against feedback, where it is seen, when it was told.
fn facts(model: &Model, line: &Line) -> Vec<String> {
    let mut facts = Vec::new();
    if !line.limits.is_empty() {
        facts.push(limits_in_words(&line.limits, &line.unit));
    }
    if let Some(partner) = &line.partner {
        let sign = if partner.differs { '≠' } else { '=' };
        let (own, other) = (&line.shown, &partner.shown);
        facts.push(format!("{own} {sign} {} {} {other}", partner.word, partner.name));
    }
    if let (Source::Cell(..), Some(cells)) = (&line.source, model.cells()) {
        facts.push(told_at(model, cells.at_ns));
    }
    if let Source::Point(index) = line.source {
        let seen = model
            .description()
            .map_or_else(Vec::new, |description| description.seen_at(index));
        if !seen.is_empty() {
            facts.push(format!("on {}", seen.join(" · ")));
        }
        if let Some(at) = model.told_ns(index) {
            facts.push(told_at(model, at));
        }
    }
    facts
}

/// When something was told, and how long ago that is.
fn told_at(model: &Model, at_ns: u64) -> String {
    let age = model.now_ns().saturating_sub(at_ns) as f64 / 1e9;
    format!("told at {}, {age:.1} s ago", crate::model::clock(at_ns))
}

/// Limits as people read them: `L1 ≥ 50, L2 ≥ 55 °C`; the strictest level first.
fn limits_in_words(limits: &[Limit], unit: &str) -> String {
    let mut sorted: Vec<&Limit> = limits.iter().collect();
    sorted.sort_by_key(|limit| (limit.is_upper, limit.level));
    let words: Vec<String> = sorted
        .into_iter()
        .map(|limit| {
            let who = limit
                .level
                .map_or_else(|| limit.alarm.clone(), |level| format!("L{level}"));
            let sign = if limit.is_upper { '≥' } else { '≤' };
            let delay = if limit.delay_s > 0.0 {
                format!(" for {} s", figure(limit.delay_s))
            } else {
                String::new()
            };
            let trips = if limit.trips { ", trips" } else { "" };
            let set = figure(limit.set).replace('-', "−");
            format!("{who} {sign} {set} {unit}{delay}{trips}").replace(" ,", ",")
        })
        .collect();
    words.join(" · ")
}

/// The highest and lowest of the cells of a part.
fn extremes(model: &Model, range: std::ops::Range<usize>) -> Vec<Line> {
    let (Some(cells), Some(index)) = (model.cells(), model.index()) else {
        return Vec::new();
    };
    let extreme = |row: &[f32], highest: bool| {
        let known = range
            .clone()
            .filter(|cell| row.get(*cell).is_some_and(|value| value.is_finite()));
        known.max_by(|a, b| {
            let order = row[*a].total_cmp(&row[*b]);
            if highest { order } else { order.reverse() }
        })
    };
    [
        ("hottest", &cells.temperature, true, 0),
        ("highest", &cells.voltage, true, 1),
        ("lowest", &cells.voltage, false, 1),
    ]
    .into_iter()
    .filter_map(|(word, row, highest, which)| {
        let cell = extreme(row, highest)?;
        let mut line = cell_lines(model, cell).into_iter().nth(which)?;
        let tag = index.cell_tag(cell).unwrap_or_default();
        line.key = format!("{word} {}", line.key);
        line.name = format!("{word} {}", short(&tag));
        Some(line)
    })
    .collect()
}

/// Limits of what the controllers sense of cells.
fn cell_limits(model: &Model, quantity: &str) -> Vec<Limit> {
    let Some(description) = model.description() else {
        return Vec::new();
    };
    let all = &description.cells.quantities;
    let set = all.iter().find(|of| of.name == quantity).and_then(|of| of.limits);
    let limits = set.and_then(|set| description.limits.get(set as usize));
    limits.cloned().unwrap_or_default()
}

fn cell_lines(model: &Model, cell: usize) -> Vec<Line> {
    let Some(cells) = model.cells() else {
        return Vec::new();
    };
    let is_now = model.old_cells_ns().is_none();
    let key = |name: &str| format!("cell {name}");
    let line = |name: &str, unit: &str, value: Option<f32>, text: &dyn Fn(f32) -> String, whole, row| {
        let limits = cell_limits(model, name);
        let (low, high) = range(&limits, whole);
        Line {
            key: key(name),
            name: name.to_owned(),
            letter: "T".into(),
            unit: unit.into(),
            shown: value.map_or_else(|| "—".into(), text),
            known: value.is_some() && is_now,
            bar: value.map(|value| (f64::from(value), low, high)),
            limits,
            partner: None,
            source: Source::Cell(cell, row),
        }
    };
    let number = u32::try_from(cell).unwrap_or(u32::MAX);
    let stage = [
        (&cells.burning, "in thermal runaway"),
        (&cells.burnt_out, "burnt out"),
        (&cells.vented, "vented"),
        (&cells.self_heating, "self-heating"),
        (&cells.balancing, "balancing"),
    ]
    .into_iter()
    .find(|(list, _)| list.contains(&number))
    .map_or("normal", |(_, word)| word);
    vec![
        line(
            "temperature",
            "°C",
            cells.temperature.get(cell).copied(),
            &|value| format!("{value:.1} °C").replace('-', "−"),
            (-20.0, 100.0),
            CellRow::Temperature,
        ),
        line(
            "voltage",
            "V",
            cells.voltage.get(cell).copied(),
            &|value| format!("{value:.3} V"),
            (0.0, 5.0),
            CellRow::Voltage,
        ),
        line(
            "soc",
            "%",
            cells.soc.get(cell).map(|soc| soc * 100.0),
            &|value| format!("{value:.1} %"),
            (0.0, 100.0),
            CellRow::Soc,
        ),
        Line {
            key: key("stage"),
            name: "stage".into(),
            letter: "T".into(),
            shown: stage.into(),
            unit: String::new(),
            known: is_now,
            bar: None,
            limits: Vec::new(),
            partner: None,
            source: Source::Cell(cell, CellRow::Temperature),
        },
    ]
}

fn row(ui: &Ui, place: Rect, line: &Line, chosen: bool) {
    let painter = ui.painter();
    if chosen {
        painter.rect_filled(place, 2.0, rgb(SELECTION).gamma_multiply(0.14));
    }
    let letter = Rect::from_min_size(place.min, vec2(12.0, ROW));
    text(painter, letter, Align::Min, &line.letter, LABEL);
    let bar = Rect::from_min_max(
        pos2(place.right() - 44.0, place.center().y - 3.0),
        pos2(place.right(), place.center().y + 3.0),
    );
    if let Some((value, low, high)) = line.bar {
        paint::bar(painter, bar, value, low, high);
        for limit in &line.limits {
            paint::limit(painter, bar, limit.set, (low, high), level_of(limit));
        }
    }
    let value = Rect::from_min_max(
        pos2(place.left() + 140.0, place.top()),
        pos2(
            if line.bar.is_some() {
                bar.left() - 6.0
            } else {
                place.right()
            },
            place.bottom(),
        ),
    );
    let face = if line.known {
        FIGURE.sized(12.5)
    } else {
        FIGURE.sized(12.5).coloured(SECONDARY)
    };
    let written = text(painter, value, Align::Max, &line.shown, face);
    let name = Rect::from_min_max(
        pos2(letter.right() + 2.0, place.top()),
        pos2(written.left().max(value.left()) - 4.0, place.bottom()),
    );
    let differs = line.partner.as_ref().is_some_and(|partner| partner.differs);
    let words = if differs {
        format!("{} ≠", line.name)
    } else {
        line.name.clone()
    };
    text(painter, name, Align::Min, &words, LABEL.coloured(TEXT));
}

/// A limit without levels trips or not.
fn level_of(limit: &Limit) -> Level {
    match limit.level {
        Some(1) => Level::L1,
        Some(2) => Level::L2,
        Some(_) => Level::L3,
        None if limit.trips => Level::L3,
        None => Level::L2,
    }
}

/// The last minute of a value.
fn graph(ui: &Ui, place: Rect, model: &Model, line: &Line) {
    let painter = ui.painter();
    let (head, body) = place.split_top_bottom_at_y(place.top() + 15.0);
    painter.hline(
        place.x_range(),
        place.top(),
        Stroke::new(1.0, rgb([0xB9, 0xBC, 0xBF])),
    );
    let now = model.now_ns();
    let from = now.saturating_sub(TREND_NS);
    let samples: Vec<Sample> = match line.source {
        Source::Point(index) => model.history().between(index, from, now).collect(),
        Source::Cell(cell, of) => model
            .history()
            .of_cells(move |cells| {
                let value = match of {
                    CellRow::Voltage => cells.voltage.get(cell),
                    CellRow::Temperature => cells.temperature.get(cell),
                    CellRow::Soc => cells.soc.get(cell),
                };
                value.map(|value| {
                    if matches!(of, CellRow::Soc) {
                        value * 100.0
                    } else {
                        *value
                    }
                })
            })
            .filter(|sample| sample.at_ns <= now)
            .collect(),
    };
    let (low, high) = samples
        .iter()
        .filter(|sample| sample.value.is_finite())
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), sample| {
            (low.min(sample.value), high.max(sample.value))
        });
    text(
        painter,
        head,
        Align::Min,
        &format!("{} · 60 s", bare(&line.name)),
        LABEL,
    );
    if low > high {
        text(
            painter,
            body,
            Align::Center,
            "no values in the last minute",
            LABEL,
        );
        return;
    }
    let said = |value: f32| match line.source {
        Source::Point(index) => model.definition(index).map_or_else(String::new, |(_, _, def)| {
            shown(def, Reading::Value(f64::from(value)))
        }),
        Source::Cell(..) => format!("{} {}", short_figure(value), line.unit),
    };
    let range = if low == high {
        said(low)
    } else {
        format!("{} to {}", said(low), said(high))
    };
    text(
        painter,
        head,
        Align::Max,
        &range,
        FIGURE.sized(12.0).coloured(SECONDARY),
    );
    painter.rect_stroke(
        body,
        0.0,
        Stroke::new(1.0, rgb([0xC6, 0xC9, 0xCC])),
        StrokeKind::Inside,
    );
    let span = (high - low).max(1e-6);
    let at = |ns: u64, value: f32| {
        let x = (ns.clamp(from, now) - from) as f32 / TREND_NS as f32;
        let y = if high > low { (value - low) / span } else { 0.5 };
        pos2(
            body.left() + x * body.width(),
            body.bottom() - 3.0 - y * (body.height() - 6.0),
        )
    };
    // a value of a cell that is not told any more ends with its last frame
    let ends = matches!(line.source, Source::Cell(..)) && model.old_cells_ns().is_some();
    let mut points = Vec::new();
    for (n, sample) in samples.iter().enumerate() {
        if !sample.value.is_finite() {
            paint::sparkline(painter, std::mem::take(&mut points), TEXT);
            continue;
        }
        points.push(at(sample.at_ns, sample.value));
        // it holds until the next
        let last = if ends { sample.at_ns } else { now };
        let until = samples.get(n + 1).map_or(last, |next| next.at_ns);
        points.push(at(until, sample.value));
    }
    paint::sparkline(painter, points, TEXT);
}

fn short_figure(value: f32) -> String {
    let decimals = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        3
    };
    format!("{value:.decimals$}").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(level: Option<u8>, is_upper: bool, set: f64) -> Limit {
        Limit {
            alarm: "tov".into(),
            level,
            is_upper,
            set,
            delay_s: 0.0,
            recover: None,
            trips: false,
        }
    }

    #[test]
    fn limits_are_told_in_words_with_sign_and_unit() {
        let limits = [
            Limit {
                delay_s: 2.0,
                trips: true,
                ..limit(Some(3), true, 60.0)
            },
            limit(Some(1), true, 50.0),
            limit(None, false, -20.0),
        ];
        assert_eq!(
            limits_in_words(&limits, "°C"),
            "tov ≤ −20 °C · L1 ≥ 50 °C · L3 ≥ 60 °C for 2 s, trips"
        );
    }

    #[test]
    fn a_bar_shows_its_limits_with_room_around() {
        assert_eq!(range(&[], (0.0, 5.0)), (0.0, 5.0));
        let both = [limit(Some(1), true, 3.6), limit(Some(1), false, 2.8)];
        let (low, high) = range(&both, (0.0, 5.0));
        assert!(low > 2.0 && low < 2.8 && high > 3.6 && high < 4.0, "{low} {high}");
        let upper = [limit(Some(1), true, 50.0), limit(Some(2), true, 55.0)];
        let (low, high) = range(&upper, (-40.0, 120.0));
        assert!(low == -40.0 && high > 55.0 && high < 60.0, "{low} {high}");
    }
}
