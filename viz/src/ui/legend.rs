//! Over the scene: its camera, what its colours mean, and what cells are coloured by.

use bevy_egui::egui::{self, Align, Color32, Rect, StrokeKind, Ui, pos2, vec2};

use super::Scope;
use super::paint::{self, FIGURE, LABEL, WORD, hatch, outline, rgb, text};
use crate::model::colour::{self, Scale, of_level, of_share};
use crate::model::{Level, Quantity};

/// Size of the legend, points.
const SIZE: egui::Vec2 = vec2(232.0, 84.0);

pub(super) fn show(ui: &mut Ui, scope: &mut Scope) {
    let viewport = ui.max_rect();
    let name = if scope.view.cell_map {
        "flat cell map"
    } else {
        scope.view.camera_name.as_str()
    };
    if !name.is_empty() {
        let width = paint::width(ui.painter(), name, WORD) + 12.0;
        let place = Rect::from_min_size(viewport.min + vec2(8.0, 6.0), vec2(width, 20.0));
        ui.painter().rect_filled(place, 2.0, pale());
        text(ui.painter(), place, Align::Center, name, WORD);
    }
    choose(ui, viewport, scope);
    let place = Rect::from_min_size(
        pos2(viewport.left() + 8.0, viewport.bottom() - SIZE.y - 8.0),
        SIZE,
    );
    ui.painter().rect_filled(place, 3.0, pale());
    match scope.view.quantity {
        Quantity::Balancing | Quantity::Alarm => states(ui, place, scope.view.quantity),
        quantity => colours(ui, place, scope, quantity),
    }
}

fn pale() -> Color32 {
    rgb(colour::PANEL)
}

/// Buttons for what cells are coloured by.
fn choose(ui: &mut Ui, viewport: Rect, scope: &mut Scope) {
    let place = Rect::from_min_size(viewport.right_top() + vec2(-254.0, 6.0), vec2(246.0, 22.0));
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

fn colours(ui: &Ui, place: Rect, scope: &Scope, quantity: Quantity) {
    let painter = ui.painter();
    let scale = scale(scope);
    let inner = place.shrink2(vec2(8.0, 4.0));
    let (head, rest) = inner.split_top_bottom_at_y(inner.top() + 17.0);
    text(
        painter,
        head,
        Align::Min,
        &format!("{} {}", scale.name, scale.unit),
        WORD,
    );
    let range = if scope.view.automatic_range {
        "auto"
    } else {
        "fixed"
    };
    text(painter, head, Align::Max, &format!("T · {range}"), LABEL);
    let bar = Rect::from_min_size(rest.min + vec2(10.0, 2.0), vec2(rest.width() - 20.0, 12.0));
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
    let ticks = Rect::from_min_max(
        pos2(rest.left(), bar.bottom() + 1.0),
        pos2(rest.right(), bar.bottom() + 16.0),
    );
    let decimals = if scale.high - scale.low >= 10.0 {
        0
    } else {
        scale.decimals
    };
    let figure = |value: f32| format!("{value:.decimals$}").replace('-', "−");
    for (share, align) in [(0.0, Align::Min), (0.5, Align::Center), (1.0, Align::Max)] {
        let value = scale.low + (scale.high - scale.low) * share;
        text(painter, ticks, align, &figure(value), FIGURE.sized(12.0));
    }
    let foot = Rect::from_min_max(pos2(rest.left(), ticks.bottom() + 1.0), rest.max);
    let extremes = extremes(values, scale.decimals);
    text(painter, foot, Align::Min, &extremes, LABEL);
    let mark = Rect::from_min_size(pos2(foot.right() - 66.0, foot.center().y - 5.0), vec2(14.0, 10.0));
    hatch(painter, mark);
    text(
        painter,
        foot.with_min_x(mark.right() + 3.0),
        Align::Min,
        "not told",
        LABEL,
    );
}

fn extremes(values: &[f32], decimals: usize) -> String {
    let (low, high) = values
        .iter()
        .filter(|value| value.is_finite())
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| {
            (low.min(*value), high.max(*value))
        });
    if low > high {
        return "no cells told".into();
    }
    format!("now {low:.decimals$} to {high:.decimals$}").replace('-', "−")
}

fn states(ui: &Ui, place: Rect, quantity: Quantity) {
    let painter = ui.painter();
    let inner = place.shrink2(vec2(8.0, 4.0));
    let (head, rest) = inner.split_top_bottom_at_y(inner.top() + 17.0);
    text(painter, head, Align::Min, Scale::fixed(quantity).name, WORD);
    text(
        painter,
        head,
        Align::Max,
        if quantity == Quantity::Alarm { "S C" } else { "T" },
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
    for (n, (fill, words)) in entries.into_iter().enumerate() {
        let column = (n % 2) as f32;
        let line = (n / 2) as f32;
        let part = Rect::from_min_size(
            rest.min + vec2(column * 108.0, 4.0 + line * 22.0),
            vec2(104.0, 20.0),
        );
        let mark = Rect::from_min_size(part.min + vec2(0.0, 3.0), vec2(18.0, 13.0));
        painter.rect(mark, 0.0, rgb(fill), outline(1.0), StrokeKind::Inside);
        text(
            painter,
            part.with_min_x(mark.right() + 5.0),
            Align::Min,
            words,
            LABEL,
        );
    }
}
