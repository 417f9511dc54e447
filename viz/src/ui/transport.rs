//! Time: play, pause, step, speed, events before and behind, the scrub bar; and what the lower region shows.

use bess_telemetry::Kind;
use bevy_egui::egui::{self, Align, Rect, Sense, Shape, Stroke, StrokeKind, Ui, UiBuilder, pos2, vec2};

use super::Scope;
use super::paint::{self, FIGURE, LABEL, outline, rgb, text};
use crate::feed::Transport;
use crate::model::colour::{INJECTED, PANEL, SECONDARY, TEXT, of_level};
use crate::model::{Layout, Level, Showing, Tab, clock};

/// Speeds that are offered.
const RATES: [f64; 8] = [0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 20.0, 60.0];

pub(super) fn show(ui: &mut Ui, scope: &mut Scope) {
    let place = ui.max_rect();
    // a picture that is compared has no use for it
    let choices = if scope.view.layout == Layout::Ci {
        0.0
    } else {
        104.0
    };
    let tabs = if scope.view.layout == Layout::Demo {
        choices
    } else {
        212.0 + choices
    };
    let follow = if choices > 0.0 { 50.0 } else { 0.0 };
    let buttons = if scope.feed.is_replay() { 292.0 } else { 224.0 } + follow;
    let (left, rest) = place.split_left_right_at_x(place.left() + buttons);
    let (scrub_at, right) = rest.split_left_right_at_x(place.right() - tabs);
    let mut child = ui.new_child(
        UiBuilder::new()
            .max_rect(left)
            .layout(egui::Layout::left_to_right(Align::Center)),
    );
    controls(&mut child, scope);
    if scope.feed.is_replay() {
        scrub(ui, scrub_at.shrink2(vec2(8.0, 0.0)), scope);
    } else {
        news(ui, scrub_at.shrink2(vec2(8.0, 0.0)), scope);
    }
    if tabs > 0.0 {
        let mut child = ui.new_child(
            UiBuilder::new()
                .max_rect(right)
                .layout(egui::Layout::right_to_left(Align::Center)),
        );
        if choices > 0.0 {
            egui::ComboBox::from_id_salt("layout")
                .width(84.0)
                .selected_text(scope.view.layout.key())
                .show_ui(&mut child, |ui| {
                    for layout in [Layout::Operator, Layout::Instructor, Layout::Demo] {
                        ui.selectable_value(&mut scope.view.layout, layout, layout.key());
                    }
                });
        }
        if scope.view.layout != Layout::Demo {
            for tab in Tab::ALL.into_iter().rev() {
                child.selectable_value(&mut scope.view.tab, tab, tab.key());
            }
        }
    }
}

/// What a button shows.
#[derive(Clone, Copy)]
enum Sign {
    Back,
    Play,
    Pause,
    Step,
    Previous,
    Next,
}

/// A button with a painted sign.
fn button(ui: &mut Ui, sign: Sign, enabled: bool, told: &str) -> bool {
    let (place, response) = ui.allocate_exact_size(vec2(28.0, 22.0), Sense::click());
    let visuals = *ui.style().interact(&response);
    let fill = if enabled {
        visuals.weak_bg_fill
    } else {
        rgb([0xDD, 0xDF, 0xE1])
    };
    ui.painter()
        .rect(place, 2.0, fill, visuals.bg_stroke, StrokeKind::Inside);
    let ink = if enabled {
        rgb(TEXT)
    } else {
        rgb([0xA6, 0xAB, 0xB0])
    };
    let c = place.center();
    let triangle = |x: f32, to: f32| {
        let points = vec![c + vec2(x, -6.0), c + vec2(x, 6.0), c + vec2(x + to, 0.0)];
        Shape::convex_polygon(points, ink, Stroke::NONE)
    };
    let stroke = Stroke::new(2.0, ink);
    let painter = ui.painter();
    let post = |x: f32| {
        painter.line_segment([c + vec2(x, -6.0), c + vec2(x, 6.0)], stroke);
    };
    match sign {
        Sign::Play => {
            painter.add(triangle(-4.0, 10.0));
        }
        Sign::Pause => {
            post(-3.0);
            post(3.0);
        }
        Sign::Step => {
            painter.add(triangle(-5.0, 7.0));
            post(5.0);
        }
        Sign::Back => {
            painter.add(triangle(5.0, -7.0));
            post(-5.0);
        }
        Sign::Previous => {
            painter.add(triangle(0.0, -7.0));
            painter.add(triangle(8.0, -7.0));
        }
        Sign::Next => {
            painter.add(triangle(0.0, 7.0));
            painter.add(triangle(-8.0, 7.0));
        }
    }
    let clicked = response.clicked();
    response.on_hover_text(told);
    enabled && clicked
}

fn controls(ui: &mut Ui, scope: &mut Scope) {
    let replay = scope.feed.is_replay();
    let link = scope.model.link().clone();
    let showing = scope.model.showing();
    let playing = if replay {
        link.is_playing
    } else {
        showing == Showing::Live
    };
    // a rig on the wall clock cannot stand still
    let virtual_time = scope
        .model
        .description()
        .is_some_and(|description| description.mode == bess_telemetry::Mode::Virtual);
    let can = replay || (virtual_time && matches!(showing, Showing::Live | Showing::Paused));
    let why = if can {
        ""
    } else {
        "only in a recording, or a rig in virtual time"
    };
    let told = |words: &str| if can { words.to_owned() } else { why.to_owned() };
    let now = scope.model.now_ns();
    if button(
        ui,
        Sign::Previous,
        replay,
        "the event before (alarms, trips, faults, hands, steps)",
    ) && let Some(at) = neighbour(scope, now, false)
    {
        scope.feed.transport(Transport::Seek(at));
    }
    if button(ui, Sign::Back, replay, "a second back (left arrow)") {
        scope.feed.transport(Transport::Step(-1000));
    }
    let sign = if playing { Sign::Pause } else { Sign::Play };
    if button(
        ui,
        sign,
        can,
        &told(if playing { "pause (space)" } else { "play (space)" }),
    ) {
        scope.feed.transport(if playing {
            Transport::Pause
        } else {
            Transport::Play
        });
    }
    if button(ui, Sign::Step, can, &told("a second on (right arrow)")) {
        scope.feed.transport(Transport::Step(1000));
    }
    if button(
        ui,
        Sign::Next,
        replay,
        "the next event (alarms, trips, faults, hands, steps)",
    ) && let Some(at) = neighbour(scope, now, true)
    {
        scope.feed.transport(Transport::Seek(at));
    }
    let rate = if replay {
        link.rate
    } else {
        scope.model.status().and_then(|status| status.rate).unwrap_or(1.0)
    };
    ui.add_enabled_ui(can, |ui| {
        egui::ComboBox::from_id_salt("rate")
            .width(58.0)
            .selected_text(format!("× {rate}"))
            .show_ui(ui, |ui| {
                for offered in RATES {
                    if ui
                        .selectable_label(offered == rate, format!("× {offered}"))
                        .clicked()
                    {
                        scope.feed.transport(Transport::Rate(offered));
                    }
                }
            });
    });
    if replay {
        if ui
            .selectable_label(scope.panels.looped, "loop")
            .on_hover_text("begins anew at the end")
            .clicked()
        {
            scope.panels.looped = !scope.panels.looped;
            scope.feed.transport(Transport::Loop(scope.panels.looped));
        }
        let begins = begins(scope);
        if ui
            .add_enabled(begins.is_some(), egui::Button::new("t0"))
            .on_hover_text("to the first fault or hand")
            .clicked()
            && let Some(at) = begins
        {
            scope.feed.transport(Transport::Seek(at));
        }
    }
    if scope.view.layout != Layout::Ci {
        ui.toggle_value(&mut scope.view.follow, "follow")
            .on_hover_text("the camera goes where something happens, until it is moved by hand");
    }
}

/// When what is looked at begins, also if that is still to come.
fn begins(scope: &Scope) -> Option<u64> {
    let chronicle = scope.model.chronicle();
    let mut begins = chronicle
        .all()
        .iter()
        .filter(|event| chronicle.is_stimulus(event));
    begins.next().map(|event| event.at_ns)
}

/// The instant of the next event that matters, or of the one before.
fn neighbour(scope: &Scope, now: u64, on: bool) -> Option<u64> {
    let matters = |kind: Kind| {
        matches!(
            kind,
            Kind::Fault | Kind::Hand | Kind::Alarm | Kind::Trip | Kind::Step | Kind::Verdict
        )
    };
    let instants = scope
        .model
        .chronicle()
        .all()
        .iter()
        .filter(|event| matters(event.kind))
        .map(|event| event.at_ns);
    if on {
        instants.filter(|at| *at > now).min()
    } else {
        instants.filter(|at| *at < now).max()
    }
}

/// The whole of a recording, with its alarms, and the instant that is shown.
fn scrub(ui: &Ui, place: Rect, scope: &mut Scope) {
    let painter = ui.painter();
    let (first, last) = scope.model.link().span_ns;
    let now = scope.model.now_ns();
    let end = paint::width(painter, &clock(last), FIGURE.sized(12.0)) + 12.0;
    let bar = Rect::from_min_max(
        pos2(place.left(), place.center().y - 7.0),
        pos2(place.right() - end, place.center().y + 7.0),
    );
    let words = place.with_min_x(bar.right() + 4.0);
    text(painter, words, Align::Max, &clock(last), FIGURE.sized(12.0));
    painter.rect(
        bar,
        2.0,
        rgb([0xF4, 0xF5, 0xF5]),
        Stroke::new(1.0, rgb([0x9A, 0x9F, 0xA4])),
        StrokeKind::Inside,
    );
    let span = last.saturating_sub(first).max(1) as f64;
    #[allow(clippy::cast_possible_truncation, reason = "a place on the screen")]
    let x = |at: u64| bar.left() + (at.saturating_sub(first) as f64 / span) as f32 * bar.width();
    let passed = bar.with_max_x(x(now)).shrink2(vec2(0.0, 1.0));
    painter.rect_filled(passed, 1.0, rgb([0xC4, 0xC9, 0xCD]));
    for event in scope.model.chronicle().all() {
        let (colour, height) = match event.kind {
            Kind::Trip if event.at_ns > 0 => (of_level(Level::L3), 14.0),
            Kind::Alarm if event.value >= 3.0 => (of_level(Level::L3), 9.0),
            Kind::Alarm if event.value >= 2.0 => (of_level(Level::L2), 7.0),
            Kind::Alarm if event.value >= 1.0 => (of_level(Level::L1), 5.0),
            Kind::Fault | Kind::Hand if scope.model.chronicle().is_stimulus(event) => (INJECTED, 14.0),
            _ => continue,
        };
        let at = x(event.at_ns);
        painter.line_segment(
            [pos2(at, bar.bottom() - 1.0), pos2(at, bar.bottom() - height)],
            Stroke::new(1.5, rgb(colour)),
        );
    }
    if scope.model.link().is_fresh && scope.view.layout != Layout::Ci {
        let words = "press space to play";
        let hint = Rect::from_center_size(
            bar.center(),
            vec2(paint::width(painter, words, LABEL) + 12.0, 16.0),
        );
        painter.rect(hint, 2.0, rgb(PANEL), outline(1.0), StrokeKind::Inside);
        text(painter, hint, Align::Center, words, LABEL.coloured(TEXT));
    }
    let knob = Rect::from_center_size(pos2(x(now), bar.center().y), vec2(5.0, 20.0));
    painter.rect(knob, 1.0, rgb(TEXT), outline(1.0), StrokeKind::Middle);
    let response = ui.interact(
        bar.expand2(vec2(2.0, 6.0)),
        ui.id().with("scrub"),
        Sense::click_and_drag(),
    );
    let wish = |at: egui::Pos2| {
        let share = f64::from(((at.x - bar.left()) / bar.width()).clamp(0.0, 1.0));
        first + crate::model::effects::nanoseconds(share * span / 1e9)
    };
    if let Some(at) = response.interact_pointer_pos() {
        scope.feed.transport(Transport::Seek(wish(at)));
    }
    if let Some(at) = response.hover_pos() {
        response.on_hover_text(clock(wish(at)));
    }
}

/// Of a live rig: the newest notice.
fn news(ui: &Ui, place: Rect, scope: &Scope) {
    let painter = ui.painter();
    let Some(notice) = scope.model.notices().next_back() else {
        return;
    };
    let face = if notice.is_trouble {
        LABEL.coloured(of_level(Level::R))
    } else {
        LABEL.coloured(SECONDARY)
    };
    text(painter, place, Align::Min, &notice.text, face);
    let all: Vec<_> = scope.model.notices().map(|notice| notice.text.as_str()).collect();
    let response = ui.interact(place, ui.id().with("news"), Sense::hover());
    response.on_hover_text(all[all.len().saturating_sub(12)..].join("\n"));
}
