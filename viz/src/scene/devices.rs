//! Devices with state. Form tells the state first: a bar across or a gap, a leaf open or shut, blades that turn, a button sunk.
//! Colour only says how bad it is.

use std::f32::consts::TAU;

use bevy::math::{Quat, Vec2, Vec3};

use super::colour::{self, CABINET, Colour, DARK, FRAME, L2, L3, OFF, ON, PALE, UNKNOWN};
use super::fire;
use super::geometry::{Block, Geometry, Side};
use super::layout::Place;
use super::sign::{Look, Sign};
use super::state::{Cluster, Known, Pcs, State};

/// Coolant towards the packs, and back.
const SUPPLY: Colour = Colour::rgb(0x5f_7a_8c);
const RETURN: Colour = Colour::rgb(0x8c_77_70);
/// A mushroom button at rest: calm, but still a mushroom button.
const BUTTON: Colour = Colour::rgb(0x7d_4a_4e);
/// Blades of a fan that stands, and of one that turns.
const STILL: Colour = Colour::rgb(0x9a_9f_a3);

/// Draws devices of a container. `seconds` is rig time: it moves what moves.
pub fn draw(place: &Place, state: &State, seconds: f64) -> Geometry {
    let mut geometry = Geometry::default();
    let g = &mut geometry;
    for (hv_box, cluster) in place.hv_boxes.iter().zip(&state.clusters) {
        draw_hv_box(g, &hv_box.block, hv_box.is_turned, cluster);
    }
    pcs(g, place, &state.pcs);
    power_arrow(g, place, state);
    grid(g, place, state.grid.energised);
    cooling(g, place, state, seconds);
    ventilation(g, place, state, seconds);
    fire::draw(g, place, state);
    estop(g, place, state);
    door(g, place, state.door_open);
    geometry
}

fn draw_hv_box(g: &mut Geometry, block: &Block, is_turned: bool, cluster: &Cluster) {
    let size = block.size();
    let mut sign = Sign::on(g, block, if is_turned { Side::Back } else { Side::Front });
    let plate = Vec2::new(size.x * 0.94, size.y * 0.72);
    sign.rectangle(Vec2::ZERO, plate, 0.0, PALE);
    let pole = (plate.x / 6.2).min(plate.y * 0.75);
    let place = |n: f32| Vec2::new((n - 1.5) * plate.x / 4.1, 0.0);
    let welded = [cluster.welded & 1 != 0, cluster.welded & 2 != 0, false];
    sign.switch(place(0.0), pole, Look::of(cluster.breaker, None, false));
    sign.hollow(
        place(0.0),
        Vec2::new(pole * 1.42, plate.y * 0.72),
        0.012,
        1.0,
        OFF,
    );
    for (n, slot) in [(0, 1.0), (1, 2.0), (2, 3.0)] {
        let scale = if n == 2 { 0.7 } else { 1.0 };
        sign.switch(
            place(slot),
            pole * scale,
            Look::of(cluster.closed[n], cluster.driven[n], welded[n]),
        );
    }
    if cluster.fuse == Some(false) {
        sign.cross(place(0.0), pole * 1.3, 4.0, L3);
    }
}

fn pcs(g: &mut Geometry, place: &Place, state: &Pcs) {
    for body in &place.equipment.pcs {
        let size = body.size();
        let unit = size.y.min(size.x * 1.2).min(1.2);
        let mut sign = Sign::on(g, body, Side::Front);
        let middle = Vec2::new(0.0, if place.is_cabinet { 0.0 } else { size.y * 0.22 });
        let screen = Vec2::new((unit * 0.72).min(size.x * 0.8), (unit * 0.26).min(size.y * 0.7));
        sign.rectangle(middle, screen, 0.0, PALE);
        let pole = screen.y * 0.62;
        let of = |x: f32| middle + Vec2::new(screen.x * x, 0.0);
        // DC switch, bridge, AC contactor, as current goes
        sign.switch(of(-0.33), pole, Look::of(state.dc, None, false));
        sign.switch(of(0.33), pole, Look::of(state.ac, None, false));
        let bridge = Vec2::splat(pole * 1.0);
        match state.gate {
            Some(true) => sign.rectangle(middle, bridge, 1.0, ON),
            Some(false) => {
                sign.hollow(middle, bridge * 0.9, 0.016, 1.0, OFF);
                sign.turned(middle, Vec2::new(bridge.x * 1.2, 0.016), 0.785, 1.0, OFF);
            }
            None => sign.rectangle(middle, bridge, 1.0, UNKNOWN.hatched()),
        }
        if state.fault == Some(true) {
            sign.cross(middle, pole * 1.3, 3.0, L3);
        }
    }
}

/// On the ground before PCS and grid: as wide as there is power, pointing where it goes.
fn power_arrow(g: &mut Geometry, place: &Place, state: &State) {
    let equipment = &place.equipment;
    let front = place.extent().max.z + 0.45;
    let (left, right) = (place.shell.max.x - 0.3, equipment.grid.max.x);
    let at = |x: f32| Vec3::new(x, 0.012, front);
    let strip = |width: f32| {
        Side::Top.corners(&Block::around(
            at(f32::midpoint(left, right)),
            Vec3::new(right - left, 0.0, width),
        ))
    };
    let Some(power) = state.pcs.power else {
        g.plain_quad(strip(0.16), UNKNOWN.hatched());
        return;
    };
    let rated = state.pcs.rated.filter(|&rated| rated > 0.0).unwrap_or(1e6);
    let share = (power.abs() / rated).min(1.0);
    if share < 0.002 {
        g.plain_quad(strip(0.02), OFF);
        if state.pcs.gate == Some(false) {
            for x in [0.45, 0.55] {
                let bar = Block::around(at(left + (right - left) * x), Vec3::new(0.07, 0.0, 0.5));
                g.plain_quad(Side::Top.corners(&bar).map(|corner| corner + Vec3::Y * 0.004), ON);
            }
        }
        return;
    }
    let width = 0.10 + 0.36 * share;
    let (from, to) = if power > 0.0 { (left, right) } else { (right, left) };
    g.arrow(at(from), at(to), width, Vec3::Y, ON);
}

/// Three phases: filled with voltage, hollow without.
fn grid(g: &mut Geometry, place: &Place, energised: Known) {
    let kiosk = place.equipment.grid;
    let size = kiosk.size();
    for n in [-1.0, 0.0, 1.0] {
        let foot = Vec3::new(
            kiosk.centre().x,
            kiosk.max.y + 0.06,
            kiosk.centre().z + n * size.z * 0.3,
        );
        let tip = foot + Vec3::Y * 0.42;
        g.tube(foot, tip, [0.05, 0.035], 12, FRAME);
        for ring in [0.10, 0.19, 0.28] {
            g.tube(
                foot + Vec3::Y * ring,
                foot + Vec3::Y * (ring + 0.03),
                [0.075; 2],
                12,
                FRAME.times(0.9),
            );
        }
        let colour = match energised {
            Some(true) => ON,
            Some(false) => PALE,
            None => UNKNOWN.hatched(),
        };
        let far = Vec3::new(2.2, 0.5, 0.0);
        let radius = if energised == Some(true) { 0.03 } else { 0.012 };
        g.tube(tip, tip + far, [radius; 2], 8, colour);
        g.dome(tip, 0.05, Vec3::Y, 1.0, colour);
    }
    let mut sign = Sign::on(g, &kiosk, Side::Front);
    let plate = Vec2::new(size.x * 0.6, size.x * 0.6);
    let middle = Vec2::new(0.0, size.y * 0.14);
    sign.rectangle(middle, plate, 0.0, PALE);
    match energised {
        Some(true) => wave(&mut sign, middle, plate.x * 0.8, ON, 0.05),
        Some(false) => {
            wave(&mut sign, middle, plate.x * 0.8, OFF, 0.016);
            sign.cross(middle, plate.x * 0.7, 2.0, L3);
        }
        None => sign.rectangle(middle, plate * 0.7, 1.0, UNKNOWN.hatched()),
    }
}

/// A period of a sine.
fn wave(sign: &mut Sign, centre: Vec2, width: f32, colour: Colour, line: f32) {
    const STEPS: u8 = 12;
    let point = |n: u8| {
        let share = f32::from(n) / f32::from(STEPS);
        centre + Vec2::new((share - 0.5) * width, (share * TAU).sin() * width * 0.28)
    };
    for n in 0..STEPS {
        let (from, to) = (point(n), point(n + 1));
        let along = to - from;
        let size = Vec2::new(along.length() + line * 0.6, line);
        sign.turned((from + to) / 2.0, size, along.to_angle(), 1.0, colour);
    }
}

/// A fan on a face: ring, hub, blades.
fn fan(g: &mut Geometry, centre: Vec3, radius: f32, out: Vec3, running: Known, turn: f32) {
    let colour = match running {
        Some(true) => ON,
        Some(false) => STILL,
        None => UNKNOWN.hatched(),
    };
    g.disc(
        centre,
        radius,
        out,
        if running == Some(true) {
            PALE
        } else {
            CABINET.times(1.1)
        },
    );
    g.ring(centre + out * 0.004, [radius * 0.93, radius * 1.08], out, DARK);
    let right = out.any_orthonormal_vector();
    let up = out.cross(right);
    for blade in 0..5u8 {
        let angle = turn + TAU * f32::from(blade) / 5.0;
        let at = |share: f32, lean: f32| {
            let (sin, cos) = (angle + lean).sin_cos();
            centre + (right * cos + up * sin) * (radius * share) + out * 0.008
        };
        g.plain_quad(
            [at(0.15, -0.2), at(0.86, -0.16), at(0.86, 0.34), at(0.15, 0.6)],
            colour,
        );
    }
    g.disc(centre + out * 0.012, radius * 0.2, out, DARK);
}

/// How far something has turned after so many seconds, rad.
#[expect(clippy::cast_possible_truncation, reason = "an angle within one turn")]
fn turned(seconds: f64, per_second: f64) -> f32 {
    ((seconds * per_second).fract() * f64::from(TAU)) as f32
}

fn cooling(g: &mut Geometry, place: &Place, state: &State, seconds: f64) {
    let body = place.equipment.cooling;
    let size = body.size();
    let runs = if place.is_liquid_cooled {
        state.coolant.compressor
    } else {
        state.air.hvac
    };
    let radius = (size.x * 0.36).min(size.y * 0.36);
    let middle = Vec3::new(body.centre().x, body.max.y - radius * 1.35, body.max.z + 0.006);
    let turn = if runs == Some(true) {
        turned(seconds, 0.7)
    } else {
        0.0
    };
    fan(g, middle, radius, Vec3::Z, runs, turn);
    if state.coolant.fault == Some(true) {
        let mut sign = Sign::on(g, &body, Side::Front);
        sign.cross(Vec2::new(0.0, -size.y * 0.25), radius, 2.0, L3);
    }
    if place.is_liquid_cooled && !place.is_cabinet {
        pipes(g, place, state, seconds);
    }
}

/// Pipes along the feet of the racks, with marks that move with the coolant.
fn pipes(g: &mut Geometry, place: &Place, state: &State, seconds: f64) {
    let room = place.room;
    let body = place.equipment.cooling;
    let racks = |front: bool| {
        place
            .packs
            .iter()
            .filter(move |pack| pack.is_turned != front)
            .map(|pack| pack.block)
            .reduce(|all, block| all.union(&block))
    };
    let flows = state.coolant.flow.map(|flow| flow > 1.0);
    let unwell = flows == Some(false) && state.coolant.pump == Some(true);
    for front in [true, false] {
        let Some(row) = racks(front) else { continue };
        let z = if front { row.max.z + 0.04 } else { row.min.z - 0.04 };
        let out = if front { Vec3::Z } else { Vec3::NEG_Z };
        for (height, colour, direction) in [(0.05, SUPPLY, -1.0), (0.105, RETURN, 1.0)] {
            let y = room.min.y + height;
            let end = body.min.x + 0.15 - height;
            let colour = if flows.is_none() {
                UNKNOWN.hatched()
            } else {
                colour
            };
            let radius = if flows == Some(false) { 0.012 } else { 0.022 };
            let from = Vec3::new(row.min.x + 0.05, y, z);
            let knee = Vec3::new(end, y, z);
            let into = Vec3::new(end, y, body.centre().z);
            g.pipe(&[from, knee, into], radius, colour);
            if flows == Some(true) {
                let speed = f64::from(state.coolant.flow.unwrap_or(0.0)) / 300.0 * 0.8;
                marks(g, from, knee, direction, out, turned(seconds, speed) / TAU);
            } else if unwell {
                gaps(g, from, knee, out);
            }
        }
    }
}

/// Arrowheads along a pipe, every 0.4 m, moved by a share of that.
fn marks(g: &mut Geometry, from: Vec3, to: Vec3, direction: f32, out: Vec3, share: f32) {
    const PITCH: f32 = 0.4;
    let along = (to - from).normalize_or_zero() * direction;
    let length = (to - from).length();
    let start = if direction > 0.0 { from } else { to };
    let mut at = PITCH * share;
    while at + 0.1 < length {
        let tail = start + along * at + out * 0.026;
        let half = Vec3::Y * 0.021;
        let tip = tail + along * 0.06;
        let corners = if (along.cross(Vec3::Y)).dot(out) > 0.0 {
            [tail - half, tip, tail + half]
        } else {
            [tail + half, tip, tail - half]
        };
        g.triangle(corners, PALE);
        at += PITCH;
    }
}

/// A pipe whose pump is told to run and in which nothing flows: dashed, with crosses in the colour of an alarm.
fn gaps(g: &mut Geometry, from: Vec3, to: Vec3, out: Vec3) {
    let block = Block::around((from + to) / 2.0, Vec3::new((to - from).length(), 0.05, 0.05));
    let side = if out.z > 0.0 { Side::Front } else { Side::Back };
    let mut sign = Sign::on(g, &block, side);
    for n in -3..=3i8 {
        sign.cross(Vec2::new(f32::from(n) * block.size().x / 8.0, 0.0), 0.09, 1.0, L2);
    }
}

fn ventilation(g: &mut Geometry, place: &Place, state: &State, seconds: f64) {
    let radius = if place.is_cabinet { 0.09 } else { 0.24 };
    let vent = place.equipment.vent;
    let turn = if state.air.vent == Some(true) {
        turned(seconds, 1.3)
    } else {
        0.0
    };
    // on both sides of the back wall
    fan(g, vent + Vec3::Z * 0.012, radius, Vec3::Z, state.air.vent, turn);
    fan(
        g,
        vent - Vec3::Z * 0.075,
        radius,
        Vec3::NEG_Z,
        state.air.vent,
        turn,
    );
    let unproven =
        matches!((state.air.vent, state.air.vent_driven), (Some(runs), Some(driven)) if runs != driven);
    let unwise = state.air.vent == Some(true) && state.fire.flowing == Some(true);
    if unproven || unwise {
        let colour = if unwise { L3 } else { L2 };
        g.ring(
            vent + Vec3::Z * 0.02,
            [radius * 1.12, radius * 1.3],
            Vec3::Z,
            colour,
        );
    }
    damper(g, &place.equipment.damper, state.air.damper_open);
}

/// Slats: flat when closed, edge-on when open.
fn damper(g: &mut Geometry, block: &Block, open: Known) {
    let size = block.size();
    let mut sign = Sign::on(g, block, Side::Front);
    sign.rectangle(Vec2::ZERO, Vec2::new(size.x, size.y), 0.0, DARK);
    sign.hollow(Vec2::ZERO, Vec2::new(size.x, size.y), 0.02, 1.0, FRAME);
    let slats = 5u8;
    let pitch = size.y / f32::from(slats);
    for n in 0..slats {
        let y = (f32::from(n) + 0.5) * pitch - size.y / 2.0;
        match open {
            Some(true) => {
                let slat = Block::around(
                    sign.at(Vec2::new(0.0, y), 1.0) + Vec3::Z * 0.04,
                    Vec3::new(size.x * 0.94, 0.012, 0.09),
                );
                sign.geometry.block(&slat, CABINET);
            }
            Some(false) => sign.rectangle(
                Vec2::new(0.0, y),
                Vec2::new(size.x * 0.94, pitch * 0.88),
                2.0,
                CABINET,
            ),
            None => {
                sign.rectangle(
                    Vec2::new(0.0, y),
                    Vec2::new(size.x * 0.94, pitch * 0.88),
                    2.0,
                    UNKNOWN.hatched(),
                );
            }
        }
    }
}

fn estop(g: &mut Geometry, place: &Place, state: &State) {
    let at = place.equipment.estop;
    let scale = if place.is_cabinet { 0.6 } else { 1.0 };
    let plate = Block::around(at, Vec3::new(0.26, 0.26, 0.06) * scale);
    g.block(&plate, PALE);
    let face = at + Vec3::Z * 0.03 * scale;
    let (reach, colour) = match state.estop.is_pressed() {
        Some(false) => (0.10, BUTTON),
        Some(true) => (0.035, L3),
        None => (0.07, UNKNOWN.hatched()),
    };
    let head = face + Vec3::Z * reach * scale;
    g.tube(face, head, [0.05 * scale; 2], 16, DARK);
    g.tube(head - Vec3::Z * 0.02 * scale, head, [0.09 * scale; 2], 24, colour);
    g.dome(head, 0.09 * scale, Vec3::Z, 0.45, colour);
    if state.estop.is_pressed() == Some(true) {
        g.ring(
            face + Vec3::Z * 0.004,
            [0.105 * scale, 0.125 * scale],
            Vec3::Z,
            L3,
        );
    }
    // the two contacts behind it
    let mut sign = Sign::on(g, &plate, Side::Front);
    for (closed, x) in state.estop.closed.into_iter().zip([-0.07, 0.07]) {
        sign.switch(
            Vec2::new(x, -0.105) * scale,
            0.055 * scale,
            Look::of(closed, None, false),
        );
    }
    if state.estop.lockout == Some(true) {
        sign.hollow(
            Vec2::new(0.0, 0.115) * scale,
            Vec2::new(0.2, 0.02) * scale,
            0.008,
            1.0,
            L2,
        );
    }
}

/// The leaf turns about its far edge.
fn door(g: &mut Geometry, place: &Place, open: Known) {
    let leaf = place.equipment.door;
    let size = leaf.size();
    let colour = match open {
        Some(true) => colour::SHELL.times(0.96),
        Some(false) => colour::SHELL.times(0.94),
        None => UNKNOWN.hatched(),
    };
    let mut drawn = Geometry::default();
    drawn.block(&Block::new(Vec3::new(-size.x / 2.0, 0.0, 0.0), size), colour);
    let grip = Vec3::new(size.x / 2.0, size.y * 0.5, size.z * 0.88);
    drawn.block(&Block::around(grip, Vec3::new(0.05, 0.22, 0.03)), DARK);
    let hinge = Vec3::new(leaf.centre().x, leaf.min.y, leaf.min.z);
    let angle = if open == Some(true) { 1.75 } else { 0.0 };
    g.add(&drawn, Quat::from_rotation_y(angle), hinge);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::layout::{Plan, Wanted};
    use crate::scene::sample;

    fn drawn(change: impl FnOnce(&mut State)) -> Geometry {
        let plan = Plan::of(&sample::liquid(), Wanted::default());
        let mut state = State {
            clusters: vec![Cluster::default(); 9],
            ..State::default()
        };
        change(&mut state);
        draw(&plan.containers[0], &state, 0.0)
    }

    #[test]
    fn every_state_looks_different_from_unknown_and_from_its_opposite() {
        let unknown = drawn(|_| {});
        let changes: [fn(&mut State, bool); 12] = [
            |s, on| s.clusters[0].closed[0] = Some(on),
            |s, on| s.clusters[3].breaker = Some(on),
            |s, on| s.pcs.gate = Some(on),
            |s, on| s.pcs.ac = Some(on),
            |s, on| s.pcs.power = Some(if on { 1e6 } else { -1e6 }),
            |s, on| s.grid.energised = Some(on),
            |s, on| s.coolant.flow = Some(if on { 200.0 } else { 0.0 }),
            |s, on| s.air.vent = Some(on),
            |s, on| s.air.damper_open = Some(on),
            |s, on| s.fire.detectors[1] = Some(on),
            |s, on| s.fire.sounder = Some(on),
            |s, on| s.estop.closed = [Some(on); 2],
        ];
        for (n, change) in changes.iter().enumerate() {
            let (on, off) = (drawn(|s| change(s, true)), drawn(|s| change(s, false)));
            assert_ne!(on, off, "{n}");
            assert_ne!(on, unknown, "{n}");
            assert_ne!(off, unknown, "{n}");
        }
    }

    #[test]
    fn what_stands_still_does_not_move_with_time() {
        let plan = Plan::of(&sample::liquid(), Wanted::default());
        let still = State {
            clusters: vec![Cluster::default(); 9],
            air: crate::scene::state::Air {
                vent: Some(false),
                ..Default::default()
            },
            ..State::default()
        };
        assert_eq!(
            draw(&plan.containers[0], &still, 0.0),
            draw(&plan.containers[0], &still, 7.3)
        );
    }
}
