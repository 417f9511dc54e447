//! Captions for people who watch: the step that is carried out, and what each cause has led to.

use bess_telemetry::Kind;
use bevy_egui::egui::{Align, Rect, Stroke, Ui, pos2, vec2};

use super::Scope;
use super::alarm_list::since;
use super::paint::{FIGURE, LABEL, WORD, arrow, cross, outline, rgb, text};
use super::status_bar::verdict_box;
use crate::model::colour::{SECONDARY, TEXT};
use crate::model::lanes::plain;
use crate::model::{Hop, Model, run};

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

/// Heights of a cause, of an effect and of a line of words below each other.
const CAUSE: f32 = 20.0;
const EFFECT: f32 = 36.0;

/// What each cause led to in the order in which it came, the cause once above: as much of the newest as there is room for.
pub(super) fn hops(ui: &mut Ui, scope: &mut Scope) {
    let place = ui.max_rect();
    let painter = ui.painter();
    let (head, body) = place.split_top_bottom_at_y(place.top() + 20.0);
    text(painter, head, Align::Min, "cause → effect", WORD);
    let t0 = scope.model.chronicle().now().t0_ns.unwrap_or(0);
    let hops = ordered(&scope.model.chronicle().now().hops);
    if hops.is_empty() {
        text(painter, body, Align::Center, "nothing was measured yet", LABEL);
    }
    let first = first_fitting(&hops, body.height());
    if first > 0 {
        let words = format!("and {first} more before");
        text(painter, head, Align::Max, &words, LABEL);
    }
    let mut y = body.top();
    let mut row = |height: f32| {
        let part = Rect::from_min_size(pos2(body.left(), y), vec2(body.width(), height - 2.0));
        y += height;
        part
    };
    let mut cause = None;
    for hop in &hops[first..] {
        if cause != Some(cause_of(hop)) {
            cause = Some(cause_of(hop));
            let part = row(CAUSE);
            let (words, at) = cause_in_words(scope.model, hop, t0);
            let at = text(
                painter,
                part,
                Align::Max,
                &at,
                FIGURE.sized(12.0).coloured(SECONDARY),
            );
            let words_at = part.with_max_x(at.left() - 6.0);
            text(painter, words_at, Align::Min, &words, WORD.coloured(SECONDARY));
        }
        let part = row(EFFECT);
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
        let seen = text(
            painter,
            bottom,
            Align::Max,
            &seen,
            FIGURE.sized(12.0).coloured(SECONDARY),
        );
        let margin = hop
            .margin()
            .map_or_else(String::new, |margin| format!(", margin {margin} {}", hop.unit()));
        text(
            painter,
            Rect::from_min_max(
                pos2(part.left() + 20.0, bottom.top()),
                pos2(seen.left() - 6.0, bottom.bottom()),
            ),
            Align::Min,
            format!("{}{margin}", hop.measured()).trim_end(),
            FIGURE.sized(11.0).coloured(TEXT),
        );
        painter.hline(
            part.x_range(),
            part.bottom(),
            Stroke::new(1.0, rgb([0xC6, 0xC9, 0xCC])),
        );
    }
}

/// Which cause an effect has, and when that was.
fn cause_of(hop: &Hop) -> (u64, Option<u64>) {
    (hop.judged.cause_ns, hop.cause)
}

/// By cause, and below each by when the effect came or should have come.
fn ordered(hops: &[Hop]) -> Vec<&Hop> {
    let latencies = hops.iter().filter(|hop| hop.is_latency() && !hop.is_hold());
    let mut hops: Vec<&Hop> = latencies.collect();
    let came = |hop: &Hop| hop.judged.seen_ns.or_else(|| hop.due_ns()).unwrap_or(hop.told_ns);
    hops.sort_by_key(|hop| (cause_of(hop), came(hop)));
    hops
}

/// The first of the newest that fit into a height, with their causes.
fn first_fitting(hops: &[&Hop], height: f32) -> usize {
    let needed = |from: usize| {
        let causes = hops[from..].chunk_by(|a, b| cause_of(a) == cause_of(b)).count();
        causes as f32 * CAUSE + (hops.len() - from) as f32 * EFFECT
    };
    (0..hops.len())
        .find(|from| needed(*from) <= height)
        .unwrap_or(hops.len())
}

/// What a cause is, and when it was.
fn cause_in_words(model: &Model, hop: &Hop, t0: u64) -> (String, String) {
    let event = hop.cause.and_then(|id| model.chronicle().get(id));
    let words = event.map_or_else(
        || "no cause is linked".to_owned(),
        |event| {
            if event.kind == Kind::Fault {
                return plain(&event.text);
            }
            let said = event.text.as_str();
            said.strip_prefix("When ").unwrap_or(said).to_owned()
        },
    );
    let at = match hop.judged.cause_ns {
        at if at == t0 => "at t0".to_owned(),
        at => format!("at {}", since(at, t0)),
    };
    (words, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::{S, judged};

    fn hop(id: u64, cause: u64, cause_ns: u64, measured: f64) -> Hop {
        Hop {
            event: id,
            told_ns: cause_ns,
            cause: Some(cause),
            text: String::new(),
            verdict: None,
            judged: judged(cause_ns, Some(measured), 60.0),
        }
    }

    #[test]
    fn effects_stand_below_their_cause_in_time_and_the_newest_fit() {
        let hops = [
            hop(5, 1, S, 30.0),
            hop(6, 2, 2 * S, 1.0),
            hop(7, 1, S, 3.0),
            hop(8, 1, S, 18.0),
        ];
        let hops = ordered(&hops);
        let order: Vec<u64> = hops.iter().map(|hop| hop.event).collect();
        assert_eq!(order, [7, 8, 5, 6]);
        assert_eq!(first_fitting(&hops, 4.0 * EFFECT + 2.0 * CAUSE), 0);
        assert_eq!(first_fitting(&hops, 4.0 * EFFECT), 2, "each cause has a line too");
        assert_eq!(first_fitting(&hops, 10.0), 4);
    }
}
