//! Alarms: first-out on top, then the worst, the unseen, the newest; consequences below their cause, a flood folded.

use bevy_egui::egui::{Align, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};

use super::Scope;
use super::paint::{self, FIGURE, LABEL, WORD, badge, padlock, rgb, text};
use crate::model::alarms::subject;
use crate::model::colour::{SECONDARY, SELECTION};
use crate::model::index::leaf;
use crate::model::{AlarmRow, AlarmState, Alarms, Model, Showing, whole_clock};

const ROW: f32 = 22.0;
/// How far a consequence stands in.
const INDENT: f32 = 12.0;

/// What is clicked.
enum Click {
    Select(String, u64),
    Acknowledge(Vec<u64>),
    AcknowledgeAll,
    Fold(String),
}

pub(super) fn show(ui: &mut Ui, scope: &mut Scope) {
    let place = ui.max_rect();
    let (head, body) = place.split_top_bottom_at_y(place.top() + 22.0);
    let alarms = scope.model.alarms();
    let rows = alarms.rows(&scope.panels.unfolded);
    let showing = scope.model.showing();
    let face = if matches!(showing, Showing::NoData | Showing::Stale) {
        WORD.coloured(SECONDARY)
    } else {
        WORD
    };
    let words = heading(alarms, showing, scope.model.now_ns());
    text(ui.painter(), head, Align::Min, &words, face);
    let mut click = None;
    if !rows.is_empty() {
        let button = Rect::from_min_max(
            pos2(head.right() - 58.0, head.top() + 1.0),
            head.max - vec2(0.0, 2.0),
        );
        let response = ui.put(button, bevy_egui::egui::Button::new("ack all"));
        if response
            .on_hover_text("marks all as seen, in this viewer only: no controller is told")
            .clicked()
        {
            click = Some(Click::AcknowledgeAll);
        }
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "some eight rows"
    )]
    let fitting = (body.height() / ROW).floor() as usize;
    let shown = if rows.len() > fitting {
        fitting.saturating_sub(1)
    } else {
        rows.len()
    };
    for (n, row) in rows.iter().take(shown).enumerate() {
        let part = Rect::from_min_size(body.min + vec2(0.0, ROW * n as f32), vec2(body.width(), ROW));
        if let Some(what) = line(ui, part, scope, row) {
            click = Some(what);
        }
    }
    if rows.len() > shown {
        let part = Rect::from_min_size(body.min + vec2(0.0, ROW * shown as f32), vec2(body.width(), ROW));
        let words = format!("and {} more, of lower rank or older", rows.len() - shown);
        text(ui.painter(), part, Align::Min, &words, LABEL);
    }
    match click {
        Some(Click::Select(tag, at_ns)) => {
            scope.view.fly_to = Some(tag.clone());
            scope.view.selected = Some(tag);
            scope.panels.timeline.cursor_ns = Some(at_ns);
        }
        Some(Click::Acknowledge(events)) => {
            for event in events {
                scope.model.alarms_mut().acknowledge(event);
            }
        }
        Some(Click::AcknowledgeAll) => scope.model.alarms_mut().acknowledge_all(),
        Some(Click::Fold(point)) => {
            let unfolded = &mut scope.panels.unfolded;
            let _ = unfolded.remove(&point) || unfolded.insert(point);
        }
        None => {}
    }
}

/// How many there are, and whether they are too many; of a rig that is silent with when that was.
fn heading(alarms: &Alarms, showing: Showing, now_ns: u64) -> String {
    let list = alarms.list();
    let what = match showing {
        Showing::NoData if list.is_empty() => return "alarms: not known".into(),
        Showing::NoData | Showing::Stale => format!("alarms as of {}", whole_clock(now_ns)),
        Showing::Live | Showing::Paused | Showing::Replay => "alarms".into(),
    };
    if list.is_empty() {
        return format!("{what}: none");
    }
    let active = list.iter().filter(|alarm| alarm.is_active()).count();
    let mut words = format!("{what}: {active} active");
    let unseen = alarms.unseen();
    if unseen > 0 {
        words = format!("{words}, {unseen} unseen");
    }
    if alarms.is_flood() {
        words.push_str(" · FLOOD");
    }
    words
}

fn line(ui: &Ui, place: Rect, scope: &Scope, row: &AlarmRow) -> Option<Click> {
    let alarm = row.alarm;
    let alarms = scope.model.alarms();
    let t0 = scope.model.chronicle().now().t0_ns.unwrap_or(0);
    let all = || std::iter::once(alarm).chain(row.folded.iter().copied());
    // the state of a folded row is that of who needs most attention
    let state = all()
        .map(|alarm| alarms.state(alarm))
        .find(|state| *state != AlarmState::Acknowledged)
        .unwrap_or(AlarmState::Acknowledged);
    let painter = ui.painter();
    let indent = if row.is_consequence { INDENT } else { 0.0 };
    let mark = Rect::from_min_size(place.min + vec2(indent, 0.0), vec2(22.0, ROW));
    if row.is_consequence {
        let corner = pos2(place.left() + 5.0, place.center().y);
        painter.line_segment([corner - vec2(0.0, 9.0), corner], paint::outline(1.0));
        painter.line_segment([corner, corner + vec2(7.0, 0.0)], paint::outline(1.0));
    }
    badge(painter, mark.center(), 7.5, alarm.level, state, scope.flash);
    let time = Rect::from_min_max(
        pos2(mark.right(), place.top()),
        pos2(place.left() + 82.0, place.bottom()),
    );
    text(
        painter,
        time,
        Align::Max,
        &since(alarm.raised_ns, t0),
        FIGURE.sized(12.0),
    );
    let mut rest = Rect::from_min_max(pos2(time.right() + 6.0, place.top()), place.max);
    let tab = |words: &str, left: f32| {
        let width = paint::width(painter, words, WORD.sized(12.0)) + 8.0;
        let tab = Rect::from_min_size(pos2(left, place.center().y - 7.5), vec2(width, 15.0));
        painter.rect_stroke(tab, 2.0, paint::outline(1.0), StrokeKind::Inside);
        text(painter, tab, Align::Center, words, WORD.sized(12.0));
        tab
    };
    if all().any(|alarm| alarms.is_first_out(alarm)) {
        rest = rest.with_min_x(tab("1st", rest.left()).right() + 4.0);
    }
    let mut fold = None;
    // a cluster's controller is all that alarms for it
    let whose = scope.model.named(&alarm.tag);
    let whose = whose.strip_suffix(" bcu").unwrap_or(&whose);
    let mut words = format!("{whose} {}", subject(&alarm.point));
    let more = row.folded.len() + 1;
    if more > 1 {
        let sign = tab(&format!("{more}×"), rest.left());
        fold = Some(sign);
        rest = rest.with_min_x(sign.right() + 4.0);
        words = format!("{} {}", leaf(&alarm.tag), subject(&alarm.point));
    }
    if !alarm.is_active() {
        words.push_str(" (gone)");
    }
    let letter = Rect::from_min_max(pos2(rest.right() - 14.0, place.top()), place.max - vec2(3.0, 0.0));
    text(painter, letter, Align::Max, &format!("{:?}", alarm.truth), LABEL);
    let mut end = letter.left() - 2.0;
    let latch = scope.model.latch_of(alarm);
    if latch.is_some() {
        padlock(painter, pos2(end - 5.0, place.center().y));
        end -= 13.0;
    }
    text(
        painter,
        rest.with_max_x(end),
        Align::Min,
        &words,
        WORD.sized(12.5),
    );
    let response = ui.interact(place, ui.id().with(("alarm", alarm.event)), Sense::click());
    if response.hovered() || scope.view.selected.as_deref() == Some(alarm.tag.as_str()) {
        painter.rect_stroke(place, 2.0, Stroke::new(1.0, rgb(SELECTION)), StrokeKind::Inside);
    }
    let at = response.interact_pointer_pos();
    let on = |part: Rect| at.is_some_and(|at| part.contains(at));
    let seen = || Click::Acknowledge(all().map(|alarm| alarm.event).collect());
    let click = if response.secondary_clicked() {
        Some(seen())
    } else if !response.clicked() {
        None
    } else if on(mark) {
        Some(seen())
    } else if fold.is_some_and(on) {
        Some(Click::Fold(alarm.point.clone()))
    } else {
        Some(Click::Select(alarm.tag.clone(), alarm.raised_ns))
    };
    response.on_hover_ui(|ui| {
        ui.label(explained(scope.model, row));
    });
    click
}

/// All that is known of a row.
fn explained(model: &Model, row: &AlarmRow) -> String {
    let alarm = row.alarm;
    let state = match model.alarms().state(alarm) {
        AlarmState::Unacknowledged => "nobody has seen it",
        AlarmState::Acknowledged => "seen, in this viewer only",
        AlarmState::Returned => "gone before anybody saw it",
    };
    let mut told = vec![
        format!("{} {}", alarm.tag, alarm.point),
        format!("{} · {state}", alarm.text),
        format!("raised at {}", crate::model::clock(alarm.raised_ns)),
    ];
    if let Some(at) = alarm.ended_ns {
        told.push(format!("ended at {}", crate::model::clock(at)));
    }
    told.extend(model.measured_against(alarm));
    if let Some(latch) = model.latch_of(alarm) {
        told.push(latch.to_owned());
    }
    let cause = alarm.cause.and_then(|id| model.chronicle().get(id));
    if let Some(cause) = cause {
        told.push(format!("because of {} {}", model.named(&cause.tag), cause.text));
    }
    if !row.folded.is_empty() {
        let others: Vec<_> = row
            .folded
            .iter()
            .take(12)
            .map(|alarm| model.named(&alarm.tag))
            .collect();
        told.push(format!("also of {}", others.join(", ")));
        told.push("click the number: one by one, or folded".into());
    }
    told.push("click: go there; click the badge: seen".into());
    told.join("\n")
}

/// Time from the beginning of what is looked at, s.
pub(super) fn since(at_ns: u64, t0: u64) -> String {
    let seconds = (at_ns as f64 - t0 as f64) / 1e9;
    let sign = if seconds < 0.0 { '−' } else { '+' };
    let seconds = seconds.abs();
    if seconds < 1000.0 {
        format!("{sign}{seconds:.3}")
    } else {
        format!("{sign}{seconds:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_that_are_not_known_are_not_none() {
        let none = Alarms::default();
        let at = 74_500_000_000;
        assert_eq!(heading(&none, Showing::NoData, 0), "alarms: not known");
        assert_eq!(heading(&none, Showing::Stale, at), "alarms as of 0:01:14: none");
        assert_eq!(heading(&none, Showing::Live, at), "alarms: none");
    }
}
