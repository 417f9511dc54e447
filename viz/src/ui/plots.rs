//! Chosen points over time, with one cursor for all panels.

use bevy_egui::egui::{self, Align, Rect, Ui, UiBuilder, vec2};
use egui_plot::{Corner, HoverPosition, Legend, Line, Plot, PlotPoints, VLine};

use super::Scope;
use super::paint::{LABEL, rgb, text};
use super::timeline::nice;
use crate::feed::Transport;
use crate::model::colour::{Rgb, SELECTION, TEXT};
use crate::model::index::short;
use crate::model::{Reading, Sample, shown};

/// Line colours that stay apart for all eyes (after Okabe and Ito, without the alarm hues).
const COLOURS: [Rgb; 5] = [
    TEXT,
    [0x00, 0x72, 0xB2],
    [0x00, 0x9E, 0x73],
    [0x7F, 0x5A, 0x2E],
    [0x6A, 0x8F, 0xB5],
];
/// Room that an axis gives each value it tells, points.
const VALUE_ROOM: f32 = 36.0;
/// Columns a line is thinned to.
const COLUMNS: usize = 1200;

pub(super) fn show(ui: &mut Ui, scope: &mut Scope) {
    let place = ui.max_rect();
    let list = place.with_max_x(place.left() + 250.0);
    let field = place.with_min_x(list.right() + 6.0);
    choose(ui, list, scope);
    if scope.view.plotted.is_empty() {
        let words = "choose points on the left, or double click a value in the inspector";
        text(ui.painter(), field, Align::Center, words, LABEL);
        return;
    }
    let now = scope.model.now_ns();
    // one plot for each unit, all with the same time
    let mut units: Vec<(String, Vec<Curve>)> = Vec::new();
    let mut absent = Vec::new();
    for (n, (tag, point)) in scope.view.plotted.iter().enumerate() {
        let Some(index) = scope.model.find(tag, point) else {
            absent.push(format!("{tag} {point}"));
            continue;
        };
        scope.model.history_mut().watch(index);
        let Some((_, truth, def)) = scope.model.definition(index) else {
            continue;
        };
        let unit = if def.unit == "1" {
            String::new()
        } else {
            def.unit.clone()
        };
        let samples = scope
            .model
            .history()
            .samples(index)
            .filter(|sample| sample.at_ns <= now);
        let curve = Curve {
            name: format!("{} {point} {truth:?}", scope.model.named(tag)),
            colour: COLOURS[n % COLOURS.len()],
            points: steps(samples, now),
        };
        match units.iter_mut().find(|(of, _)| *of == unit) {
            Some((_, curves)) => curves.push(curve),
            None => units.push((unit, vec![curve])),
        }
    }
    let mut field = field;
    if !absent.is_empty() && scope.model.index().is_some() {
        let words = format!("no such point: {}", absent.join(", "));
        if units.is_empty() {
            text(ui.painter(), field, Align::Center, &words, LABEL);
            return;
        }
        let (line, rest) = field.split_top_bottom_at_y(field.top() + 16.0);
        text(ui.painter(), line, Align::Min, &words, LABEL);
        field = rest;
    }
    let height = field.height() / units.len().max(1) as f32;
    let last = units.len().saturating_sub(1);
    let mut wish = None;
    for (n, (unit, curves)) in units.into_iter().enumerate() {
        let place = Rect::from_min_size(
            field.min + vec2(0.0, height * n as f32),
            vec2(field.width(), height - 2.0),
        );
        wish = wish.or(plot(ui, place, &unit, curves, now, n == last));
    }
    if let Some(at) = wish
        && scope.feed.is_replay()
    {
        scope
            .feed
            .transport(Transport::Seek(crate::model::effects::nanoseconds(at)));
    }
}

/// A line of a plot.
struct Curve {
    name: String,
    colour: Rgb,
    points: Vec<[f64; 2]>,
}

/// Curves of one unit; the instant that was clicked, s.
fn plot(ui: &mut Ui, place: Rect, unit: &str, curves: Vec<Curve>, now: u64, times: bool) -> Option<f64> {
    let mut child = ui.new_child(UiBuilder::new().max_rect(place).id_salt(("plot", unit)));
    child.set_clip_rect(place);
    let seconds = now as f64 / 1e9;
    let of_unit = unit.to_owned();
    let values = f64::from((place.height() / VALUE_ROOM).max(1.0));
    Plot::new(("plot", unit))
        .height(place.height())
        .width(place.width())
        .legend(Legend::default().background_alpha(0.8).position(Corner::LeftTop))
        .link_axis("plots", [true, false])
        .link_cursor("plots", [true, false])
        .allow_scroll(false)
        .show_axes([times, true])
        .y_axis_min_width(64.0)
        .grid_spacing(10.0..=60.0)
        .y_grid_spacer(egui_plot::uniform_grid_spacer(move |input| {
            let step = nice((input.bounds.1 - input.bounds.0) / values);
            [step, step * 5.0, step * 25.0]
        }))
        .x_axis_formatter(|mark, _| format!("{} s", crate::model::effects::figure(mark.value)))
        .y_axis_formatter(move |mark, _| scaled(mark.value, &of_unit))
        .label_formatter(|at| match at {
            HoverPosition::NearDataPoint {
                plot_name, position, ..
            } => Some(format!(
                "{plot_name}\n{} at {} s",
                crate::model::effects::figure(position.y),
                crate::model::effects::figure(position.x)
            )),
            HoverPosition::Elsewhere { .. } => None,
        })
        .show(&mut child, |plot| {
            for curve in curves {
                let points = PlotPoints::new(curve.points);
                plot.line(Line::new(curve.name, points).color(rgb(curve.colour)).width(1.5));
            }
            plot.vline(VLine::new("", seconds).color(rgb(SELECTION)).width(1.5));
            plot.pointer_coordinate().filter(|_| plot.response().clicked())
        })
        .inner
        .map(|at| at.x)
}

/// A figure of an axis, large ones in kilo and mega.
fn scaled(value: f64, unit: &str) -> String {
    let (value, front) = match value.abs() {
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    format!("{} {front}{unit}", crate::model::effects::figure(value)).replace('-', "−")
}

/// Samples as steps: each holds until the next. Long ones are thinned to the highest and lowest of each column.
fn steps(samples: impl Iterator<Item = Sample>, now: u64) -> Vec<[f64; 2]> {
    let all: Vec<Sample> = samples.collect();
    let mut points: Vec<[f64; 2]> = Vec::with_capacity(2 * all.len().min(4 * COLUMNS));
    let mut put = |at_ns: u64, value: f32| {
        let x = at_ns as f64 / 1e9;
        if let Some([_, y]) = points.last().copied() {
            points.push([x, y]);
        }
        points.push([x, f64::from(value)]);
    };
    if all.len() <= 2 * COLUMNS {
        for sample in &all {
            put(sample.at_ns, sample.value);
        }
    } else {
        for part in all.chunks(all.len().div_ceil(COLUMNS)) {
            let by = |a: &&Sample, b: &&Sample| a.value.total_cmp(&b.value);
            let low = part.iter().min_by(by);
            let high = part.iter().max_by(by);
            let mut both: Vec<&Sample> = low.into_iter().chain(high).collect();
            both.sort_by_key(|sample| sample.at_ns);
            for sample in both {
                put(sample.at_ns, sample.value);
            }
        }
    }
    if let Some(last) = all.last() {
        put(now.max(last.at_ns), last.value);
    }
    points
}

/// What is plotted, with a cross to take it off; and points of the selection to add.
fn choose(ui: &mut Ui, place: Rect, scope: &mut Scope) {
    let mut child = ui.new_child(UiBuilder::new().max_rect(place));
    child.set_clip_rect(place);
    let mut gone = None;
    let mut added = None;
    egui::ScrollArea::vertical()
        .id_salt("plotted")
        .auto_shrink(false)
        .show(&mut child, |ui| {
            ui.spacing_mut().item_spacing = vec2(4.0, 1.0);
            for (n, (tag, point)) in scope.view.plotted.iter().enumerate() {
                ui.horizontal(|ui| {
                    if ui.small_button("×").on_hover_text("takes it off").clicked() {
                        gone = Some(n);
                    }
                    ui.add(egui::Label::new(format!("{} {point}", short(tag))).truncate());
                });
            }
            let Some(selected) = scope.view.selected.clone() else {
                ui.label("select a part to choose from its points");
                return;
            };
            ui.separator();
            ui.label(format!("of {}:", short(&selected)));
            let Some(index) = scope.model.index().cloned() else {
                return;
            };
            let tags = super::inspector::tags_of(&index, &selected);
            for (point, truth, def) in tags.iter().flat_map(|tag| index.points_of(tag)) {
                let Some((tag, ..)) = scope.model.definition(point) else {
                    continue;
                };
                let entry = (tag.to_owned(), def.name.clone());
                if scope.model.read(point) == Reading::Never || scope.view.plotted.contains(&entry) {
                    continue;
                }
                ui.horizontal(|ui| {
                    if ui.small_button("+").clicked() {
                        added = Some(entry);
                    }
                    let now = shown(def, scope.model.read(point));
                    ui.add(egui::Label::new(format!("{} {truth:?}  {now}", def.name)).truncate());
                });
            }
        });
    if let Some(n) = gone {
        scope.view.plotted.remove(n);
    }
    scope.view.plotted.extend(added);
}
