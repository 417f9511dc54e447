//! Chosen points over time, with one cursor for all panels.

use bevy_egui::egui::{self, Align, Rect, Ui, UiBuilder, vec2};
use egui_plot::{HoverPosition, Legend, Line, Plot, PlotPoints, VLine};

use super::Scope;
use super::paint::{LABEL, rgb, text};
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
/// Columns a line is thinned to.
const COLUMNS: usize = 1200;

pub(super) fn show(ui: &mut Ui, scope: &mut Scope) {
    let place = ui.max_rect();
    let list = place.with_max_x(place.left() + 250.0);
    let field = place.with_min_x(list.right() + 6.0);
    choose(ui, list, scope);
    if scope.panels.plotted.is_empty() {
        let words = "choose points on the left, or double click a value in the inspector";
        text(ui.painter(), field, Align::Center, words, LABEL);
        return;
    }
    let now = scope.model.now_ns();
    let mut lines = Vec::new();
    for (n, (tag, point)) in scope.panels.plotted.iter().enumerate() {
        let Some(index) = scope.model.find(tag, point) else {
            continue;
        };
        scope.model.history_mut().watch(index);
        let Some((_, truth, def)) = scope.model.definition(index) else {
            continue;
        };
        let unit = if def.unit == "1" { "" } else { def.unit.as_str() };
        let name = format!("{} {point} {unit} {truth:?}", short(tag));
        let samples = scope
            .model
            .history()
            .samples(index)
            .filter(|sample| sample.at_ns <= now);
        let colour = COLOURS[n % COLOURS.len()];
        lines.push((name, colour, steps(samples, now)));
    }
    let mut child = ui.new_child(UiBuilder::new().max_rect(field));
    child.set_clip_rect(field);
    let seconds = now as f64 / 1e9;
    let response = Plot::new("plots")
        .height(field.height())
        .width(field.width())
        .legend(Legend::default().background_alpha(0.8))
        .allow_scroll(false)
        .x_axis_formatter(|mark, _| format!("{} s", crate::model::effects::figure(mark.value)))
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
            for (name, colour, points) in lines {
                plot.line(
                    Line::new(name, PlotPoints::new(points))
                        .color(rgb(colour))
                        .width(1.5),
                );
            }
            plot.vline(VLine::new("now", seconds).color(rgb(SELECTION)).width(1.5));
            plot.pointer_coordinate().filter(|_| plot.response().clicked())
        });
    if let Some(at) = response.inner
        && scope.feed.is_replay()
    {
        scope
            .feed
            .transport(Transport::Seek(crate::model::effects::nanoseconds(at.x)));
    }
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
            for (n, (tag, point)) in scope.panels.plotted.iter().enumerate() {
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
            for (point, truth, def) in index.points_of(&selected) {
                let Some((tag, ..)) = scope.model.definition(point) else {
                    continue;
                };
                let entry = (tag.to_owned(), def.name.clone());
                if scope.model.read(point) == Reading::Never || scope.panels.plotted.contains(&entry) {
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
        scope.panels.plotted.remove(n);
    }
    scope.panels.plotted.extend(added);
}
