//! Alarms: first-out on top, then the worst, the unseen, the newest.

use bevy_egui::egui::{Align, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};

use super::Scope;
use super::paint::{self, FIGURE, LABEL, WORD, badge, rgb, text};
use crate::model::alarms::subject;
use crate::model::colour::SELECTION;
use crate::model::index::short;
use crate::model::{Alarm, AlarmState};

const ROW: f32 = 22.0;

/// What is clicked.
enum Click {
    Select(String, u64),
    Acknowledge(u64),
    AcknowledgeAll,
}

pub(super) fn show(ui: &mut Ui, scope: &mut Scope) {
    let place = ui.max_rect();
    let (head, body) = place.split_top_bottom_at_y(place.top() + 22.0);
    let alarms = scope.model.alarms();
    let list = alarms.list();
    let active = list.iter().filter(|alarm| alarm.is_active()).count();
    let words = match (list.len(), alarms.is_flood()) {
        (0, _) => "alarms: none".to_owned(),
        (n, true) => format!("alarms: {active} active, {n} listed · FLOOD"),
        (n, false) => format!("alarms: {active} active, {n} listed"),
    };
    text(ui.painter(), head, Align::Min, &words, WORD);
    let mut click = None;
    if !list.is_empty() {
        let button = Rect::from_min_max(
            pos2(head.right() - 62.0, head.top() + 1.0),
            head.max - vec2(0.0, 2.0),
        );
        let response = ui.put(button, bevy_egui::egui::Button::new("ack all"));
        if response
            .on_hover_text("marks all as seen, in this viewer only")
            .clicked()
        {
            click = Some(Click::AcknowledgeAll);
        }
    }
    let t0 = scope.model.chronicle().now().t0_ns.unwrap_or(0);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "some eight rows"
    )]
    let rows = (body.height() / ROW).floor() as usize;
    let shown = if list.len() > rows {
        rows.saturating_sub(1)
    } else {
        list.len()
    };
    for (n, alarm) in list.iter().take(shown).enumerate() {
        let part = Rect::from_min_size(body.min + vec2(0.0, ROW * n as f32), vec2(body.width(), ROW));
        if let Some(what) = row(ui, part, scope, alarm, t0) {
            click = Some(what);
        }
    }
    if list.len() > shown {
        let part = Rect::from_min_size(body.min + vec2(0.0, ROW * shown as f32), vec2(body.width(), ROW));
        let words = format!("and {} more, of lower rank or older", list.len() - shown);
        text(ui.painter(), part, Align::Min, &words, LABEL);
    }
    match click {
        Some(Click::Select(tag, at_ns)) => {
            scope.view.fly_to = Some(tag.clone());
            scope.view.selected = Some(tag);
            scope.panels.timeline.cursor_ns = Some(at_ns);
        }
        Some(Click::Acknowledge(event)) => scope.model.alarms_mut().acknowledge(event),
        Some(Click::AcknowledgeAll) => scope.model.alarms_mut().acknowledge_all(),
        None => {}
    }
}

fn row(ui: &Ui, place: Rect, scope: &Scope, alarm: &Alarm, t0: u64) -> Option<Click> {
    let alarms = scope.model.alarms();
    let state = alarms.state(alarm);
    let painter = ui.painter();
    let first = alarms.is_first_out(alarm);
    let mark = Rect::from_min_size(place.min, vec2(22.0, ROW));
    badge(painter, mark.center(), 7.5, alarm.level, state, scope.flash);
    let time = Rect::from_min_size(pos2(mark.right(), place.top()), vec2(60.0, ROW));
    text(
        painter,
        time,
        Align::Max,
        &since(alarm.raised_ns, t0),
        FIGURE.sized(12.0),
    );
    let mut rest = Rect::from_min_max(pos2(time.right() + 6.0, place.top()), place.max);
    if first {
        let width = paint::width(painter, "1st", WORD.sized(12.0)) + 8.0;
        let tab = Rect::from_min_size(pos2(rest.left(), place.center().y - 7.5), vec2(width, 15.0));
        painter.rect_stroke(tab, 2.0, paint::outline(1.0), StrokeKind::Inside);
        text(painter, tab, Align::Center, "1st", WORD.sized(12.0));
        rest = rest.with_min_x(tab.right() + 4.0);
    }
    let mut words = format!("{} {}", short(&alarm.tag), subject(&alarm.point));
    if state == AlarmState::Returned {
        words.push_str(" (gone)");
    }
    let letter = Rect::from_min_max(pos2(rest.right() - 14.0, place.top()), place.max - vec2(3.0, 0.0));
    text(painter, letter, Align::Max, &format!("{:?}", alarm.truth), LABEL);
    let body = rest.with_max_x(letter.left() - 2.0);
    text(painter, body, Align::Min, &words, WORD.sized(12.5));
    let response = ui.interact(place, ui.id().with(("alarm", alarm.event)), Sense::click());
    if response.hovered() || scope.view.selected.as_deref() == Some(alarm.tag.as_str()) {
        painter.rect_stroke(place, 2.0, Stroke::new(1.0, rgb(SELECTION)), StrokeKind::Inside);
    }
    let clicked = response.clicked();
    let second = response.secondary_clicked();
    response.on_hover_text(format!(
        "{} {}\n{}\nraised at {}{}\nclick: select; right click: acknowledge",
        alarm.tag,
        alarm.point,
        alarm.text,
        crate::model::clock(alarm.raised_ns),
        alarm.ended_ns.map_or_else(String::new, |at| format!(
            ", ended at {}",
            crate::model::clock(at)
        )),
    ));
    if second {
        Some(Click::Acknowledge(alarm.event))
    } else {
        clicked.then(|| Click::Select(alarm.tag.clone(), alarm.raised_ns))
    }
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
