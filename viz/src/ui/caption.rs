//! Captions for people who watch: the step that is carried out, and what each cause has led to.

use bevy_egui::egui::{Align, Rect, Stroke, Ui, pos2, vec2};

use super::Scope;
use super::alarm_list::since;
use super::paint::{FIGURE, LABEL, WORD, arrow, cross, outline, rgb, text};
use super::status_bar::verdict_box;
use crate::model::colour::{SECONDARY, TEXT};
use crate::model::{Hop, run};

/// The step that is carried out, in large letters, with its verdict.
pub(super) fn show(ui: &mut Ui, scope: &mut Scope) {
    let place = ui.max_rect().shrink2(vec2(10.0, 6.0));
    let painter = ui.painter();
    let Some(run) = scope.model.run() else {
        let words = scope
            .model
            .description()
            .map_or("", |description| description.title.as_str());
        text(painter, place, Align::Center, words, WORD.sized(20.0));
        return;
    };
    let third = place.height() / 3.0;
    let (before, rest) = place.split_top_bottom_at_y(place.top() + third * 0.85);
    let (now, after) = rest.split_top_bottom_at_y(rest.top() + third * 1.3);
    let at = run.steps.len().saturating_sub(1);
    if let Some(step) = at.checked_sub(1).and_then(|n| run.steps.get(n)) {
        let words = step.decided.map_or("", |(_, verdict)| run::word(verdict));
        text(
            painter,
            before,
            Align::Min,
            &format!("{words}  {}", step.text),
            WORD.sized(14.0).coloured(SECONDARY),
        );
    }
    if let Some(step) = run.steps.get(at) {
        let verdict = step.decided.map(|(_, verdict)| verdict);
        let words = verdict.map_or("running", run::word);
        let mark = Rect::from_min_size(
            pos2(now.right() - 110.0, now.top() + 2.0),
            vec2(110.0, now.height() - 4.0),
        );
        let body = now.with_max_x(mark.left() - 10.0);
        text(painter, body, Align::Min, &step.text, WORD.sized(20.0));
        verdict_box(painter, mark, words, verdict);
    }
    let words = match run.verdict {
        Some((_, verdict)) if run.reason.is_empty() => format!("{}: {}", run.name, run::word(verdict)),
        Some((_, verdict)) => format!("{}: {}", run::word(verdict), run.reason),
        None => format!("{} · step {} of {}", run.name, at + 1, run.total),
    };
    text(
        painter,
        after,
        Align::Min,
        &words,
        WORD.sized(13.0).coloured(SECONDARY),
    );
}

/// The last causes and effects, newest at the bottom.
pub(super) fn hops(ui: &mut Ui, scope: &mut Scope) {
    let place = ui.max_rect();
    let painter = ui.painter();
    let (head, body) = place.split_top_bottom_at_y(place.top() + 20.0);
    text(painter, head, Align::Min, "cause → effect", WORD);
    let t0 = scope.model.chronicle().now().t0_ns.unwrap_or(0);
    let hops: Vec<&Hop> = scope
        .model
        .chronicle()
        .now()
        .hops
        .iter()
        .filter(|hop| hop.is_latency() && !hop.is_hold())
        .collect();
    let height = 36.0;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few rows"
    )]
    let rows = (body.height() / height).floor() as usize;
    if hops.is_empty() {
        text(painter, body, Align::Center, "nothing was measured yet", LABEL);
    }
    let first = hops.len().saturating_sub(rows);
    for (n, hop) in hops[first..].iter().enumerate() {
        let part = Rect::from_min_size(
            body.min + vec2(0.0, height * n as f32),
            vec2(body.width(), height - 2.0),
        );
        let (top, bottom) = part.split_top_bottom_at_fraction(0.5);
        let mark = pos2(part.left() + 8.0, top.center().y);
        if hop.judged.seen_ns.is_some() {
            arrow(
                painter,
                mark - vec2(6.0, 0.0),
                mark + vec2(6.0, 0.0),
                outline(1.5),
            );
        } else {
            cross(painter, mark, 5.0, outline(2.0));
        }
        let seen = hop
            .judged
            .seen_ns
            .map_or_else(|| "never".into(), |at| since(at, t0));
        text(
            painter,
            top.with_min_x(part.left() + 20.0),
            Align::Min,
            &hop.text,
            WORD,
        );
        text(
            painter,
            bottom.with_min_x(part.left() + 20.0),
            Align::Min,
            &hop.label(),
            FIGURE.sized(12.0).coloured(TEXT),
        );
        text(
            painter,
            bottom,
            Align::Max,
            &seen,
            FIGURE.sized(12.0).coloured(SECONDARY),
        );
        painter.hline(
            part.x_range(),
            part.bottom(),
            Stroke::new(1.0, rgb([0xC6, 0xC9, 0xCC])),
        );
    }
}
