//! Fire detection and fire fighting: detectors, panel, beacon, cylinder with its pipe.

use std::f32::consts::TAU;

use bevy::math::{Quat, Vec2, Vec3};

use super::colour::{self, CABINET, Colour, DARK, FRAME, L2, L3, OFF, ON, PALE, UNKNOWN};
use super::geometry::{Block, Geometry, Side};
use super::layout::Place;
use super::sign::Sign;
use super::state::State;

pub(super) fn draw(g: &mut Geometry, place: &Place, state: &State) {
    let equipment = &place.equipment;
    panel(g, place, state);
    for (&at, tripped) in equipment.detectors.iter().zip(state.fire.detectors) {
        let size = if place.is_cabinet { 0.05 } else { 0.11 };
        g.tube(
            at,
            at - Vec3::Y * size * 0.35,
            [size, size * 0.9],
            20,
            PALE.times(0.95),
        );
        let colour = match tripped {
            Some(true) => L3.glowing(),
            Some(false) => CABINET,
            None => UNKNOWN.hatched(),
        };
        g.dome(at - Vec3::Y * size * 0.35, size * 0.62, Vec3::NEG_Y, 0.7, colour);
        if tripped == Some(true) {
            g.ring(
                at - Vec3::Y * size * 0.36,
                [size * 1.1, size * 1.45],
                Vec3::NEG_Y,
                L3.glowing(),
            );
            g.ring(
                at + Vec3::Y * 0.01,
                [size * 0.2, size * 1.45],
                Vec3::Y,
                L3.glowing(),
            );
        }
    }
    cylinder(g, place, state);
    let foot = equipment.beacon;
    let scale = if place.is_cabinet { 0.6 } else { 1.0 };
    g.tube(foot, foot + Vec3::Y * 0.06 * scale, [0.1 * scale; 2], 20, FRAME);
    let lamp = match state.fire.sounder {
        Some(true) => L3.glowing(),
        Some(false) => Colour::rgb(0xc9_bc_bd),
        None => UNKNOWN.hatched(),
    };
    let base = foot + Vec3::Y * 0.06 * scale;
    g.tube(base, base + Vec3::Y * 0.14 * scale, [0.085 * scale; 2], 20, lamp);
    g.dome(base + Vec3::Y * 0.14 * scale, 0.085 * scale, Vec3::Y, 0.8, lamp);
    if state.fire.sounder == Some(true) {
        for ray in 0..8u8 {
            let turn = Quat::from_rotation_y(TAU * f32::from(ray) / 8.0);
            let out = turn * Vec3::X;
            let from = base + Vec3::Y * 0.1 * scale + out * 0.16 * scale;
            g.tube(
                from,
                from + out * 0.16 * scale,
                [0.016 * scale; 2],
                6,
                L3.glowing(),
            );
        }
    }
}

/// Lamps of the fire panel: one more for each level, and what it is about to do.
fn panel(g: &mut Geometry, place: &Place, state: &State) {
    let body = place.equipment.controls;
    let size = body.size();
    let mut sign = Sign::on(g, &body, Side::Front);
    let wide = size.x * 0.72;
    let middle = Vec2::new(0.0, if place.is_cabinet { 0.0 } else { size.y * 0.18 });
    let high = (size.y * 0.8).min(wide * 0.9);
    sign.rectangle(middle, Vec2::new(wide, high), 0.0, DARK);
    let lamps = [colour::L1, L2, L3, L3, L3];
    let lit = state.fire.level;
    for (n, lamp) in (1u8..).zip(lamps) {
        let at = middle + Vec2::new((f32::from(n) - 3.0) * wide / 5.6, high * 0.18);
        let radius = wide * 0.065;
        match lit {
            Some(level) if level >= n => sign.disc(at, radius, 1.0, lamp.glowing()),
            Some(_) => sign.disc(at, radius, 1.0, OFF.times(0.7)),
            None => sign.disc(at, radius, 1.0, UNKNOWN.hatched()),
        }
    }
    let bar = Vec2::new(wide * 0.82, high * 0.14);
    let below = middle - Vec2::new(0.0, high * 0.22);
    match state.fire.countdown {
        Some(left) => {
            sign.rectangle(below, bar, 1.0, PALE.times(0.6));
            let share = (left / 30.0).clamp(0.0, 1.0);
            let part = Vec2::new(bar.x * share, bar.y);
            sign.rectangle(
                below - Vec2::new((bar.x - part.x) / 2.0, 0.0),
                part,
                2.0,
                L3.glowing(),
            );
        }
        None => sign.hollow(below, bar, 0.008, 1.0, OFF),
    }
}

fn cylinder(g: &mut Geometry, place: &Place, state: &State) {
    let equipment = &place.equipment;
    let (foot, height) = equipment.cylinder;
    let radius = height * 0.1;
    let shoulder = foot + Vec3::Y * height * 0.82;
    let released = state.fire.released;
    let body = if released == Some(true) {
        PALE.times(0.92)
    } else {
        Colour::rgb(0x86_8b_90)
    };
    g.tube(foot, shoulder, [radius; 2], 24, body);
    g.dome(shoulder, radius, Vec3::Y, 0.7, body);
    let neck = shoulder + Vec3::Y * height * 0.06;
    let valve = neck + Vec3::Y * height * 0.1;
    g.tube(neck, valve, [radius * 0.3; 2], 12, DARK);
    // pressure on the range of its point
    let gauge = Block::around(
        foot + Vec3::new(0.0, height * 0.42, 0.0),
        Vec3::new(radius * 0.7, height * 0.6, radius * 2.1),
    );
    for side in [Side::Front, Side::Back] {
        let mut sign = Sign::on(g, &gauge, side);
        let slot = Vec2::new(radius * 0.6, height * 0.6);
        sign.rectangle(Vec2::ZERO, slot, 0.0, DARK);
        match state.fire.pressure {
            Some(pressure) => {
                let share = (pressure / 3e6).clamp(0.0, 1.0);
                let part = Vec2::new(slot.x * 0.7, slot.y * share);
                sign.rectangle(Vec2::new(0.0, (part.y - slot.y) / 2.0), part, 1.0, PALE);
            }
            None => sign.rectangle(Vec2::ZERO, slot * 0.8, 1.0, UNKNOWN.hatched()),
        }
    }
    let Some(&last) = equipment.nozzles.last() else {
        return;
    };
    let up = Vec3::new(valve.x, last.y + 0.04, valve.z);
    let mut way = vec![valve, up, Vec3::new(last.x.max(up.x), up.y, last.z)];
    way.extend(
        equipment
            .nozzles
            .iter()
            .rev()
            .map(|nozzle| *nozzle + Vec3::Y * 0.04),
    );
    let flows = state.fire.flowing == Some(true);
    g.pipe(
        &way,
        if flows { 0.03 } else { 0.018 },
        if flows { ON } else { FRAME },
    );
    for &nozzle in &equipment.nozzles {
        g.tube(
            nozzle + Vec3::Y * 0.03,
            nozzle - Vec3::Y * 0.05,
            [0.02, 0.055],
            12,
            DARK,
        );
    }
}
