//! What is said over the scene when there is nothing to see, or nothing new.

use bevy_egui::egui::{Align, Id, LayerId, Order, Painter, Rect, StrokeKind, Ui, pos2, vec2};

use super::Scope;
use super::paint::{self, LABEL, WORD, lines, outline, rgb, text};
use crate::model::colour::{PANEL, SECONDARY, of_level};
use crate::model::{Level, Link, Model, Showing};

/// Of the word that the last is old.
const HEIGHT: f32 = 24.0;

/// Over the scene: where data is waited for and why it does not come, or how old the last is.
pub(super) fn show(ui: &Ui, viewport: Rect, scope: &Scope) {
    // over all that is said in the scene
    let layer = LayerId::new(Order::Middle, Id::new("banner"));
    let painter = ui.ctx().layer_painter(layer).with_clip_rect(viewport);
    let link = scope.model.link();
    match scope.model.showing() {
        Showing::NoData => waiting(&painter, viewport, link),
        Showing::Stale => stale(&painter, viewport, link),
        Showing::Live | Showing::Paused | Showing::Replay => {}
    }
}

fn waiting(painter: &Painter, viewport: Rect, link: &Link) {
    let (why, remedy) = told(link.trouble.as_deref().unwrap_or("connecting"));
    let place = Rect::from_center_size(viewport.center(), vec2(viewport.width().min(560.0) - 24.0, 132.0));
    painter.rect(place, 3.0, rgb(PANEL), outline(1.0), StrokeKind::Inside);
    let place = place.shrink2(vec2(14.0, 8.0));
    let row = |from: f32, to: f32| {
        Rect::from_min_max(
            pos2(place.left(), place.top() + from),
            pos2(place.right(), place.top() + to),
        )
    };
    let title = format!("no data from {}", link.source);
    text(painter, row(0.0, 22.0), Align::Min, &title, WORD.sized(16.0));
    lines(painter, row(24.0, 60.0), Align::Min, why, WORD, 2);
    lines(painter, row(60.0, 96.0), Align::Min, remedy, LABEL, 2);
    if link.trouble.as_deref().is_some_and(is_tried_again) {
        let words = "it is tried again every few seconds";
        text(painter, row(98.0, 116.0), Align::Min, words, LABEL);
    }
}

fn stale(painter: &Painter, viewport: Rect, link: &Link) {
    let age = link.age.unwrap_or_default().as_secs_f32();
    let (why, _) = told(link.trouble.as_deref().unwrap_or("silent"));
    let words = format!("not live: last word {age:.0} s ago · {why}");
    let face = WORD.sized(14.0).coloured([0xFF; 3]);
    let width = (paint::width(painter, &words, face) + 20.0).min(viewport.width() - 24.0);
    let place = Rect::from_center_size(strip(viewport).center(), vec2(width, HEIGHT));
    painter.rect(
        place,
        2.0,
        rgb(of_level(Level::R)),
        outline(1.5),
        StrokeKind::Inside,
    );
    text(painter, place.shrink2(vec2(10.0, 0.0)), Align::Min, &words, face);
}

/// Where it is said how old the last is: what is written in the scene keeps clear of it.
pub(crate) fn strip(viewport: Rect) -> Rect {
    let top = viewport.top() + 36.0;
    Rect::from_x_y_ranges(viewport.x_range(), top..=top + HEIGHT)
}

/// A trouble and what to do about it.
fn told(trouble: &str) -> (&str, &str) {
    trouble.split_once(" — ").unwrap_or((trouble, ""))
}

/// A rig that was started here and ended does not come back by itself.
fn is_tried_again(trouble: &str) -> bool {
    !trouble.starts_with("bessrig has ended") && trouble != "starting"
}

/// Values of a rig that is silent fade, and wear a clock.
pub(super) fn fade(ui: &Ui, place: Rect, model: &Model) {
    if model.showing() != Showing::Stale {
        return;
    }
    let painter = ui.painter();
    painter.rect_filled(place.shrink(1.0), 0.0, rgb(PANEL).gamma_multiply(0.55));
    let centre = place.right_top() + vec2(-12.0, 10.0);
    let stroke = bevy_egui::egui::Stroke::new(1.5, rgb(SECONDARY));
    painter.circle(centre, 6.0, rgb(PANEL), stroke);
    painter.line_segment([centre, centre + vec2(0.0, -4.0)], stroke);
    painter.line_segment([centre, centre + vec2(3.0, 1.5)], stroke);
}

#[cfg(test)]
mod tests {
    use super::{is_tried_again, told};

    #[test]
    fn a_trouble_is_told_with_its_remedy() {
        let (why, remedy) = told("connection refused — is it there?");
        assert_eq!((why, remedy), ("connection refused", "is it there?"));
        assert_eq!(told("silent for 10 s"), ("silent for 10 s", ""));
        assert!(is_tried_again("silent for 10 s"));
        assert!(!is_tried_again(
            "bessrig has ended (exit status: 3): no such product"
        ));
    }
}
