//! Over the scene: its camera, what its colours mean, and what cells are coloured by.

use bevy_egui::egui::{self, Align, Rect, StrokeKind, Ui, pos2, vec2};

use super::Scope;
use super::paint::{self, FIGURE, LABEL, WORD, hatch, outline, rgb, text};
use crate::model::colour::{self, Scale, of_level, of_share};
use crate::model::{Level, Quantity, Showing};

/// Heights of the bar above the scene and of the legend below it, points.
const HEAD: f32 = 30.0;
const FOOT: f32 = 38.0;

/// Bar and legend; returns what is left for the scene between them. Neither covers it.
pub(super) fn show(ui: &mut Ui, scope: &mut Scope) -> Rect {
    let viewport = ui.max_rect();
    let (head, rest) = viewport.split_top_bottom_at_y(viewport.top() + HEAD);
    let (scene, foot) = rest.split_top_bottom_at_y(rest.bottom() - FOOT);
    for bar in [head, foot] {
        ui.painter().rect_filled(bar, 0.0, rgb(colour::PANEL));
    }
    let mut name = if scope.view.cell_map {
        let several = scope
            .model
            .index()
            .is_some_and(|index| index.description().containers.len() > 1);
        let of = scope.container().filter(|_| several);
        of.map_or_else(
            || "flat cell map".to_owned(),
            |(_, of)| format!("flat cell map · {}", of.tag),
        )
    } else {
        scope.view.camera_name.clone()
    };
    if let Some(when) = scope.model.old_cells() {
        name = format!("{name} · cells of {when}");
    }
    let place = head.shrink2(vec2(8.0, 0.0)).with_max_x(head.right() - 262.0);
    let named = text(ui.painter(), place, Align::Min, &name, WORD);
    if let Some(assumed) = assumed(scope).filter(|_| !scope.view.cell_map) {
        let place = Rect::from_min_max(
            pos2(named.right() + 12.0, head.top()),
            pos2(head.right() - 262.0, head.bottom()),
        );
        text(ui.painter(), place, Align::Min, &assumed, LABEL);
    }
    choose(ui, head, scope);
    let foot = foot.shrink2(vec2(8.0, 2.0));
    match scope.view.quantity {
        Quantity::Balancing | Quantity::Alarm => states(ui, foot, scope.view.quantity),
        quantity => colours(ui, foot, scope, quantity),
    }
    stages(ui, foot);
    scene
}

/// Which sizes of the container that is looked at are not in its catalogue: all else is to scale.
fn assumed(scope: &Scope) -> Option<String> {
    let (_, of) = scope.container()?;
    let shell = if of.is_cabinet { "cabinet" } else { "container" };
    let unknown: Vec<&str> = [
        (of.product.size, shell),
        (of.pack.size, "packs"),
        (of.pcs.size, "PCS"),
        (of.hv_box.size, "HV boxes"),
    ]
    .into_iter()
    .filter_map(|(size, name)| size.is_none().then_some(name))
    .collect();
    (!unknown.is_empty()).then(|| format!("size assumed: {}", unknown.join(", ")))
}

/// Buttons for what cells are coloured by.
fn choose(ui: &mut Ui, head: Rect, scope: &mut Scope) {
    let place = Rect::from_min_size(head.right_top() + vec2(-254.0, 4.0), vec2(246.0, 22.0));
    let mut child = ui.new_child(
        egui::UiBuilder::new()
            .max_rect(place)
            .layout(egui::Layout::right_to_left(Align::Center)),
    );
    let map = if scope.view.cell_map { "3D" } else { "cell map" };
    if child.button(map).on_hover_text("key M").clicked() {
        scope.view.cell_map = !scope.view.cell_map;
    }
    let auto = if scope.view.automatic_range {
        "auto"
    } else {
        "fixed"
    };
    let told = "range of the colours: fixed, or around the present values";
    if child.button(auto).on_hover_text(told).clicked() {
        scope.view.automatic_range = !scope.view.automatic_range;
    }
    egui::ComboBox::from_id_salt("quantity")
        .width(120.0)
        .selected_text(scope.view.quantity.key())
        .show_ui(&mut child, |ui| {
            for quantity in Quantity::ALL {
                ui.selectable_value(&mut scope.view.quantity, quantity, quantity.key());
            }
        });
}

/// The scale that is in use.
pub(super) fn scale(scope: &Scope) -> Scale {
    let fixed = Scale::fixed(scope.view.quantity);
    if !scope.view.automatic_range {
        return fixed;
    }
    let Some(cells) = scope.model.cells() else {
        return fixed;
    };
    let index = scope.model.index();
    let values = colour::values(scope.view.quantity, cells, |cell| index?.cluster_of_cell(cell));
    fixed.around(values.into_iter())
}

/// Left edges and widths of the legend's parts: what, the colours, the values, the stages of cells.
const WHAT: [f32; 2] = [0.0, 158.0];
const BAR: [f32; 2] = [172.0, 196.0];
const NOW: [f32; 2] = [388.0, 128.0];
const STAGES: [f32; 2] = [524.0, 188.0];

/// A part of the legend: its upper and lower line.
fn part(foot: Rect, [left, width]: [f32; 2]) -> (Rect, Rect) {
    let all = Rect::from_min_size(foot.min + vec2(left, 0.0), vec2(width, foot.height()));
    all.split_top_bottom_at_fraction(0.5)
}

fn colours(ui: &Ui, foot: Rect, scope: &Scope, quantity: Quantity) {
    let painter = ui.painter();
    let scale = scale(scope);
    let (head, below) = part(foot, WHAT);
    text(
        painter,
        head,
        Align::Min,
        &format!("{} {}", scale.name, scale.unit),
        WORD,
    );
    let range = if scope.view.automatic_range {
        "range around the values"
    } else {
        "fixed range"
    };
    let old = scope.model.old_cells();
    let told = old
        .as_ref()
        .map_or_else(|| format!("T · {range}"), |when| format!("T · of {when}"));
    text(painter, below, Align::Min, &told, LABEL);
    let (above, below) = part(foot, BAR);
    let bar = Rect::from_min_max(above.min + vec2(0.0, 4.0), above.max - vec2(0.0, 2.0));
    let steps = 48_u8;
    for n in 0..steps {
        let share = f32::from(n) / f32::from(steps - 1);
        let left = bar.left() + bar.width() * f32::from(n) / f32::from(steps);
        let part = Rect::from_min_size(
            pos2(left, bar.top()),
            vec2(bar.width() / f32::from(steps) + 0.6, bar.height()),
        );
        painter.rect_filled(part, 0.0, rgb(of_share(quantity, share)));
    }
    painter.rect_stroke(bar, 0.0, outline(1.0), StrokeKind::Outside);
    // beyond the ends
    let values = scope.model.cells().map(|cells| {
        let index = scope.model.index();
        colour::values(quantity, cells, |cell| index?.cluster_of_cell(cell))
    });
    let values = values.as_deref().unwrap_or_default();
    let middle = bar.center().y;
    if values.iter().any(|value| *value < scale.low) {
        paint::arrow(
            painter,
            pos2(bar.left() - 1.0, middle),
            pos2(bar.left() - 10.0, middle),
            outline(1.5),
        );
    }
    if values.iter().any(|value| *value > scale.high) {
        paint::arrow(
            painter,
            pos2(bar.right() + 1.0, middle),
            pos2(bar.right() + 10.0, middle),
            outline(1.5),
        );
    }
    let decimals = if scale.high - scale.low >= 10.0 {
        0
    } else {
        scale.decimals
    };
    let figure = |value: f32| format!("{value:.decimals$}").replace('-', "−");
    for (share, align) in [(0.0, Align::Min), (0.5, Align::Center), (1.0, Align::Max)] {
        let value = scale.low + (scale.high - scale.low) * share;
        text(painter, below, align, &figure(value), FIGURE.sized(12.0));
    }
    let (above, below) = part(foot, NOW);
    let is_now = old.is_none() && scope.model.showing() != Showing::Stale;
    let when = if is_now { "now" } else { "then" };
    let extremes = extremes(values, when, scale.decimals);
    text(painter, above, Align::Min, &extremes, LABEL);
    let mark = Rect::from_min_size(pos2(below.left(), below.center().y - 5.0), vec2(14.0, 10.0));
    hatch(painter, mark);
    text(
        painter,
        below.with_min_x(mark.right() + 5.0),
        Align::Min,
        "not told",
        LABEL,
    );
}

/// What cells look like that have left the scale.
fn stages(ui: &Ui, foot: Rect) {
    let painter = ui.painter();
    let (above, below) = part(foot, STAGES);
    let entries = [
        (above, 0.0, of_level(Level::L1), false, "heats itself"),
        (above, 0.54, of_level(Level::L2), true, "vented"),
        (below, 0.0, of_level(Level::L3), false, "runaway"),
        (below, 0.54, colour::TEXT, true, "burnt out"),
    ];
    for (line, share, fill, crossed, words) in entries {
        let left = line.left() + line.width() * share;
        let mark = Rect::from_min_size(pos2(left, line.center().y - 5.0), vec2(14.0, 10.0));
        painter.rect(mark, 0.0, rgb(fill), outline(1.0), StrokeKind::Inside);
        if crossed {
            let ink = if fill == colour::TEXT {
                colour::PANEL
            } else {
                colour::TEXT
            };
            let stroke = egui::Stroke::new(1.2, rgb(ink));
            painter.line_segment([mark.left_top(), mark.right_bottom()], stroke);
            painter.line_segment([mark.left_bottom(), mark.right_top()], stroke);
        }
        text(
            painter,
            line.with_min_x(mark.right() + 5.0),
            Align::Min,
            words,
            LABEL,
        );
    }
}

fn extremes(values: &[f32], when: &str, decimals: usize) -> String {
    let (low, high) = values
        .iter()
        .filter(|value| value.is_finite())
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| {
            (low.min(*value), high.max(*value))
        });
    if low > high {
        return "no cells told".into();
    }
    format!("{when} {low:.decimals$} to {high:.decimals$}").replace('-', "−")
}

fn states(ui: &Ui, foot: Rect, quantity: Quantity) {
    let painter = ui.painter();
    let (above, below) = part(foot, WHAT);
    text(painter, above, Align::Min, Scale::fixed(quantity).name, WORD);
    text(
        painter,
        below,
        Align::Min,
        if quantity == Quantity::Alarm {
            "S C · of pack or cluster"
        } else {
            "T"
        },
        LABEL,
    );
    let entries: Vec<(colour::Rgb, &str)> = if quantity == Quantity::Alarm {
        vec![
            (of_share(quantity, 0.0), "none"),
            (of_level(Level::L1), "L1 warning"),
            (of_level(Level::L2), "L2 alarm"),
            (of_level(Level::L3), "L3 fault"),
        ]
    } else {
        vec![
            (of_share(quantity, 0.0), "at rest"),
            (of_share(quantity, 1.0), "balancing"),
        ]
    };
    let (above, below) = part(foot, [BAR[0], BAR[1] + NOW[1]]);
    for (n, (fill, words)) in entries.into_iter().enumerate() {
        let line = if n < 2 { above } else { below };
        let left = line.left() + (n % 2) as f32 * 130.0;
        let mark = Rect::from_min_size(pos2(left, line.center().y - 6.0), vec2(18.0, 12.0));
        painter.rect(mark, 0.0, rgb(fill), outline(1.0), StrokeKind::Inside);
        text(
            painter,
            line.with_min_x(mark.right() + 5.0),
            Align::Min,
            words,
            LABEL,
        );
    }
}
