//! The table of what was measured: cause, effect, latency, limit, margin, source.

use bess_telemetry::Verdict;
use bevy_egui::egui::{self, Align, Rect, Sense, Stroke, Ui, UiBuilder, pos2, vec2};

use super::Scope;
use super::alarm_list::since;
use super::paint::{FIGURE, Face, LABEL, WORD, rgb, text};
use super::status_bar::verdict_box;
use crate::model::effects::figure;
use crate::model::index::bare;
use crate::model::{Hop, Model, run};

const ROW: f32 = 16.0;
/// Left edges of the columns as shares of the width.
const COLUMNS: [f32; 8] = [0.0, 0.055, 0.285, 0.525, 0.595, 0.67, 0.73, 0.93];
const HEADS: [&str; 8] = [
    "t−t0 s",
    "cause",
    "effect",
    "measured",
    "limit",
    "margin",
    "source of the limit",
    "verdict",
];

pub(super) fn show(ui: &mut Ui, scope: &mut Scope) {
    let place = ui.max_rect();
    let (head, body) = place.split_top_bottom_at_y(place.top() + 16.0);
    for (n, words) in HEADS.into_iter().enumerate() {
        let right = matches!(n, 0 | 3 | 5);
        let align = if right { Align::Max } else { Align::Min };
        text(ui.painter(), column(head, n), align, words, LABEL);
    }
    ui.painter().hline(
        head.x_range(),
        head.bottom(),
        Stroke::new(1.0, rgb([0x9A, 0x9F, 0xA4])),
    );
    let folded = scope.model.chronicle().now();
    if folded.hops.is_empty() {
        text(
            ui.painter(),
            body,
            Align::Center,
            "nothing was measured yet: steps of a scenario do that",
            LABEL,
        );
        return;
    }
    let t0 = folded.t0_ns.unwrap_or(0);
    // whole rows only
    let body = body.with_max_y(body.top() + (body.height() / ROW).floor() * ROW);
    if folded.hops.len() as f32 * ROW > body.height() {
        let words = format!("{} in all: scroll", folded.hops.len());
        let at = column(head, 2);
        text(ui.painter(), at, Align::Max, &words, LABEL);
    }
    let mut jump = None;
    let mut child = ui.new_child(UiBuilder::new().max_rect(body));
    child.set_clip_rect(body);
    child.spacing_mut().item_spacing.y = 0.0;
    egui::ScrollArea::vertical()
        .id_salt("effects")
        .auto_shrink(false)
        .stick_to_bottom(true)
        .show_rows(&mut child, ROW, folded.hops.len(), |ui, range| {
            for hop in &folded.hops[range] {
                let (place, response) =
                    ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
                row(ui, place, scope.model, hop, t0);
                if response.clicked() {
                    jump = hop.judged.seen_ns.or(Some(hop.judged.cause_ns));
                }
                response.on_hover_text(words(hop));
            }
        });
    if let Some(at) = jump {
        scope.panels.timeline.cursor_ns = Some(at);
    }
}

fn column(place: Rect, n: usize) -> Rect {
    let x = |n: usize| place.left() + place.width() * COLUMNS.get(n).copied().unwrap_or(1.0);
    Rect::from_min_max(pos2(x(n), place.top()), pos2(x(n + 1) - 8.0, place.bottom()))
}

fn row(ui: &Ui, place: Rect, model: &Model, hop: &Hop, t0: u64) {
    let painter = ui.painter();
    let judged = &hop.judged;
    let put = |n: usize, align: Align, words: &str, face: Face| {
        text(painter, column(place, n), align, words, face);
    };
    let small = FIGURE.sized(12.0);
    put(
        0,
        Align::Max,
        &judged.seen_ns.map_or_else(|| "—".into(), |at| since(at, t0)),
        small,
    );
    let cause = hop.cause.and_then(|id| model.chronicle().get(id));
    put(
        1,
        Align::Min,
        cause.map_or("not linked", |event| {
            let text = event.text.as_str();
            text.strip_prefix("When ").unwrap_or(text)
        }),
        WORD.sized(12.5),
    );
    put(2, Align::Min, &hop.text, WORD.sized(12.5));
    let unit = &judged.unit;
    let measured = judged
        .measured
        .map_or_else(|| "never".to_owned(), |value| format!("{} {unit}", figure(value)));
    put(3, Align::Max, &measured, small);
    put(4, Align::Min, &limit(hop), small);
    put(5, Align::Max, &hop.margin().unwrap_or_default(), small);
    put(6, Align::Min, judged.source.as_deref().unwrap_or(""), LABEL);
    let mark = column(place, 7)
        .with_max_x(place.right() - 10.0)
        .shrink2(vec2(0.0, 1.0));
    if let Some(verdict) = hop.verdict {
        let short = match verdict {
            Verdict::Inconclusive => "INCONCL.",
            other => run::word(other),
        };
        verdict_box(painter, mark, short, Some(verdict));
    }
}

fn limit(hop: &Hop) -> String {
    let unit = &hop.judged.unit;
    match (hop.judged.low, hop.judged.high) {
        (None, Some(high)) => format!("≤ {} {unit}", figure(high)),
        (Some(low), None) => format!("≥ {} {unit}", figure(low)),
        (Some(low), Some(high)) => format!("{} to {} {unit}", figure(low), figure(high)),
        (None, None) => String::new(),
    }
}

fn words(hop: &Hop) -> String {
    let points: Vec<String> = hop
        .judged
        .points
        .iter()
        .take(6)
        .map(|name| format!("{} {}", bare(&name.tag), name.point))
        .collect();
    let more = hop.judged.points.len().saturating_sub(points.len());
    let more = if more > 0 {
        format!("\nand {more} more points")
    } else {
        String::new()
    };
    format!("{}\n{}\n{}{more}", hop.text, hop.label(), points.join("\n"))
}
