//! Mouse and keys in the scene: drag turns, right or middle drag moves, the wheel comes nearer, a click selects, a double click
//! goes there, 1 to 9 and Home are saved views.

use bevy::input::mouse::{AccumulatedMouseMotion, AccumulatedMouseScroll, MouseScrollUnit};
use bevy::prelude::*;
use bevy::window::PrimaryWindow;
use bevy_egui::input::EguiWantsInput;

use super::{Stage, aspect, pick};
use crate::model::View;

/// Farther than this between press and release is a drag, logical pixels.
const STILL: f32 = 4.0;
/// Two clicks within this are a double click, s.
const DOUBLE_S: f64 = 0.4;
const DIGITS: [KeyCode; 9] = [
    KeyCode::Digit1,
    KeyCode::Digit2,
    KeyCode::Digit3,
    KeyCode::Digit4,
    KeyCode::Digit5,
    KeyCode::Digit6,
    KeyCode::Digit7,
    KeyCode::Digit8,
    KeyCode::Digit9,
];

/// What the hand is doing.
#[derive(Default)]
pub(super) struct Hand {
    /// Where a button went down in the scene.
    pressed: Option<Vec2>,
    is_drag: bool,
    last_click: f64,
}

#[expect(
    clippy::too_many_arguments,
    reason = "a system that listens to everything a hand can do"
)]
pub(super) fn steer(
    windows: Query<&Window, With<PrimaryWindow>>,
    buttons: Res<ButtonInput<MouseButton>>,
    keys: Res<ButtonInput<KeyCode>>,
    motion: Res<AccumulatedMouseMotion>,
    scroll: Res<AccumulatedMouseScroll>,
    egui: Res<EguiWantsInput>,
    time: Res<Time<Real>>,
    mut view: ResMut<View>,
    mut stage: ResMut<Stage>,
    mut hand: Local<Hand>,
) {
    let Ok(window) = windows.single() else { return };
    if !egui.wants_keyboard_input() {
        keyboard(&keys, &mut view);
    }
    let area = view.viewport;
    let pointer = window.cursor_position().filter(|at| {
        let inside =
            at.x >= area.x && at.y >= area.y && at.x < area.x + area.width && at.y < area.y + area.height;
        inside && !view.cell_map && !egui.is_using_pointer() && !egui.is_popup_open()
    });
    let any = [MouseButton::Left, MouseButton::Right, MouseButton::Middle];
    if buttons.any_just_pressed(any) {
        hand.pressed = pointer;
        hand.is_drag = false;
    }
    if let (Some(from), Some(at)) = (hand.pressed, window.cursor_position()) {
        hand.is_drag |= from.distance(at) > STILL;
        if hand.is_drag && buttons.any_pressed(any) && motion.delta != Vec2::ZERO {
            let drag = motion.delta / area.height.max(1.0);
            let moves = !buttons.pressed(MouseButton::Left) || keys.pressed(KeyCode::ShiftLeft);
            let orbit = if moves {
                stage.orbit.moved(drag)
            } else {
                stage.orbit.turned(drag)
            };
            stage.steer(orbit);
            view.follow = false;
        }
    }
    let hovered = pointer
        .filter(|_| !hand.is_drag || hand.pressed.is_none())
        .and_then(|at| {
            let place = Vec2::new(
                (at.x - area.x) / area.width * 2.0 - 1.0,
                1.0 - (at.y - area.y) / area.height * 2.0,
            );
            let (from, along) = stage.orbit.ray(place, aspect(&view));
            pick::pick(&stage.plan, stage.detailed, stage.is_closed, from, along)
        });
    if view.hovered != hovered {
        view.hovered.clone_from(&hovered);
    }
    if pointer.is_some() && scroll.delta.y != 0.0 {
        let step = if scroll.unit == MouseScrollUnit::Line {
            1.0
        } else {
            0.02
        };
        let orbit = stage.orbit.nearer(scroll.delta.y * step);
        stage.steer(orbit);
    }
    if buttons.just_released(MouseButton::Left) && hand.pressed.take().is_some() && !hand.is_drag {
        let now = time.elapsed_secs_f64();
        if now - hand.last_click < DOUBLE_S {
            view.fly_to.clone_from(&hovered);
        }
        hand.last_click = now;
        view.selected = hovered;
    }
    if !buttons.any_pressed(any) {
        hand.pressed = None;
    }
}

fn keyboard(keys: &ButtonInput<KeyCode>, view: &mut View) {
    for (number, key) in (1..).zip(DIGITS) {
        if keys.just_pressed(key) {
            view.wanted_camera = Some(number);
        }
    }
    if keys.just_pressed(KeyCode::Home) {
        view.wanted_camera = Some(1);
    }
}
