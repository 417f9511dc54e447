//! What is translucent: vent gas, smoke, flames, agent, the zones of detectors that have tripped. Everything hangs from values of
//! the recording; where puffs float is a function of rig time alone, so that the same instant is the same picture.

use std::f32::consts::TAU;

use bevy::math::Vec3;

use super::colour::{Colour, L2, L3, PALE};
use super::geometry::{Geometry, Side, whole};
use super::layout::Place;
use super::state::State;

/// Vent gas.
const GAS: Colour = Colour::rgb(0x6a_5c_96);
/// Smoke.
const SMOKE: Colour = Colour::rgb(0x3c_3d_3f);
/// What comes out of a vent.
const JET: Colour = Colour::rgb(0xd8_d4_e2);
/// Extinguishing agent.
const AGENT: Colour = Colour::rgb(0xe9_f4_fb);
/// What comes out of a cell in thermal runaway: gas with soot.
const SOOT: Colour = Colour::rgb(0x33_33_35);
/// A hot cell: dull red, so that it is no flame.
const GLOW: Colour = Colour::rgb(0xb2_2a_1e);
/// The hot core of a flame.
const CORE: Colour = Colour::rgb(0xff_e9_9a);

/// Cells of a container that do something to be seen, as the middle of the front of their packs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sources {
    /// Have vented and are not in thermal runaway.
    pub venting: Vec<Vec3>,
    /// In thermal runaway: hot; whether anything burns is another thing.
    pub runaway: Vec<Vec3>,
}

/// Draws it. `right` and `up` are the camera's: puffs face it.
pub fn draw(
    place: &Place,
    state: &State,
    sources: &Sources,
    seconds: f64,
    [right, up]: [Vec3; 2],
) -> Geometry {
    let mut geometry = Geometry::default();
    let mut haze = Haze {
        geometry: &mut geometry,
        right,
        up,
    };
    haze.gas(place, state);
    haze.smoke(place, state, sources, seconds);
    let flows = state.air.vent_flow.is_some_and(|flow| flow > 0.01);
    for &source in &sources.runaway {
        haze.glow(source);
    }
    if flows {
        for &source in &sources.venting {
            haze.jet(source, seconds, JET);
        }
        for &source in &sources.runaway {
            haze.jet(source, seconds, SOOT);
        }
    }
    // only where the rig says that gas burns
    if state.air.flame == Some(true) {
        let alight = [&sources.runaway, &sources.venting];
        for &source in alight
            .into_iter()
            .find(|list| !list.is_empty())
            .into_iter()
            .flatten()
        {
            haze.flame(source, seconds);
        }
    }
    haze.agent(place, state, seconds);
    haze.zones(place, state);
    geometry
}

struct Haze<'a> {
    geometry: &'a mut Geometry,
    right: Vec3,
    up: Vec3,
}

impl Haze<'_> {
    fn puff(&mut self, centre: Vec3, radius: f32, stretch: f32, colour: Colour) {
        self.geometry
            .puff(centre, self.right * radius, self.up * (radius * stretch), colour);
    }

    /// Slices under the ceiling: the highest by what is measured there, lower ones towards the mean of the room.
    fn gas(&mut self, place: &Place, state: &State) {
        let (ceiling, mean) = (
            state.air.gas_ceiling.unwrap_or(0.0),
            state.air.gas_lel.unwrap_or(0.0),
        );
        if ceiling < 0.02 && mean < 0.2 {
            return;
        }
        // evenly by its logarithm, so that a trace is seen and more is always denser: three decades up to the explosive limit, for
        // the ceiling up to 10 % of volume
        let dense = |share: f32| ((share.max(1e-4).log10() + 3.0) / 3.0).clamp(0.0, 1.0);
        let (high, low) = (dense(ceiling / 10.0), dense(mean / 100.0));
        self.layer(place, GAS, 0.22, [0.07 + 0.30 * high, 0.04 + 0.26 * low]);
    }

    /// Slices from under the ceiling down to a share of the room's height, with the opacity of the highest and the lowest.
    fn layer(&mut self, place: &Place, colour: Colour, share: f32, [high, low]: [f32; 2]) {
        const SLICES: u8 = 5;
        let room = place.room;
        let (top, deep) = (room.max.y - 0.06, room.size().y * share);
        for n in 0..SLICES {
            let down = f32::from(n) / f32::from(SLICES - 1);
            let mut slice = room;
            slice.max.y = top - deep * down;
            let alpha = (high + (low - high) * down) * 0.6;
            self.geometry
                .plain_quad(Side::Top.corners(&slice), colour.with_alpha(alpha));
        }
        // seen from aside, it hangs over the open sides down to the packs, of which it hides nothing
        let packs = place.packs.iter().map(|pack| pack.block.max.y);
        let foot = packs.fold(room.min.y, f32::max).min(top - 0.1);
        for side in [Side::Front, Side::Back] {
            let [a, b, c, d] = side.corners(&room);
            let (clear, full) = (colour.with_alpha(0.0), colour.with_alpha(high * 1.6));
            self.geometry
                .blend_quad([a.with_y(foot), b.with_y(foot), c, d], [clear, clear, full, full]);
        }
    }

    /// Rises where it comes from, if that is known, and fills the space under the ceiling.
    fn smoke(&mut self, place: &Place, state: &State, sources: &Sources, seconds: f64) {
        let Some(density) = state.air.smoke.filter(|&smoke| smoke > 0.02) else {
            return;
        };
        // at 1 dB/m a hand is still seen across the room, at 10 dB/m hardly at arm's length
        let strength = (density / 10.0).clamp(0.0, 1.0).sqrt();
        self.layer(
            place,
            SMOKE,
            0.08 + 0.24 * strength,
            [0.06 + 0.40 * strength, 0.03 + 0.16 * strength],
        );
        let room = place.room;
        let size = room.size();
        let count = whole(10.0 + 50.0 * strength);
        for n in 0..count {
            let drift = phase(seconds, 0.05, n);
            let x = room.min.x + size.x * (0.04 + 0.92 * scatter(n, 1));
            let z = room.min.z + size.z * (0.1 + 0.8 * scatter(n, 2));
            let deep = size.y * (0.06 + 0.30 * strength);
            let y = room.max.y - 0.12 - deep * scatter(n, 3);
            let sway = Vec3::new((drift * TAU).cos() * 0.1, (drift * TAU).sin() * 0.03, 0.0);
            let radius = (0.28 + 0.22 * scatter(n, 4)) * size.y / 2.66;
            self.puff(
                Vec3::new(x, y, z) + sway,
                radius,
                0.6,
                SMOKE.with_alpha(0.10 + 0.30 * strength),
            );
        }
        let columns = sources.runaway.iter().chain(&sources.venting);
        for (k, &source) in (0u32..).zip(columns) {
            let rise = (room.max.y - source.y).max(0.2);
            for n in 0..9u32 {
                let age = phase(seconds, 0.25, n * 7 + k);
                let at = source + Vec3::new((scatter(n, 5) - 0.5) * 0.3 * age, rise * age, 0.06 + 0.12 * age);
                self.puff(
                    at,
                    0.08 + 0.20 * age,
                    1.0,
                    SMOKE.with_alpha((0.2 + 0.5 * strength) * (1.0 - age * 0.6)),
                );
            }
        }
    }

    /// Heat of a cell: it stands still.
    fn glow(&mut self, source: Vec3) {
        let at = source + self.right.cross(self.up) * 0.015;
        self.puff(at, 0.11, 1.0, GLOW.with_alpha(0.55));
        self.puff(at, 0.055, 1.0, GLOW.with_alpha(0.85));
    }

    /// Gas leaving a cell.
    fn jet(&mut self, source: Vec3, seconds: f64, colour: Colour) {
        let to_eye = self.right.cross(self.up);
        for n in 0..18u32 {
            let age = phase(seconds, 0.9, n * 5);
            let aside = (scatter(n, 6) - 0.5) * 0.26 * age;
            let at = source + to_eye * (0.02 + 0.06 * age) + Vec3::new(aside, 0.46 * age, 0.0);
            self.puff(at, 0.035 + 0.11 * age, 1.2, colour.with_alpha(0.85 * (1.0 - age)));
        }
    }

    /// Tongues that rise, sway, narrow and redden; the hottest in front.
    fn flame(&mut self, source: Vec3, seconds: f64) {
        const SMOKY: Colour = Colour::rgb(0x8b_1d_18);
        let to_eye = self.right.cross(self.up);
        let tongues = [
            (26u32, 0.54, 0.100, L3, SMOKY, 0.55),
            (24, 0.42, 0.072, L2, L3, 0.70),
            (18, 0.27, 0.048, CORE, L2, 0.85),
        ];
        for (layer, (count, height, radius, from, to, alpha)) in (0u8..).zip(tongues) {
            let ahead = to_eye * (0.03 + 0.025 * f32::from(layer));
            for n in 0..count {
                let salt = u32::from(layer) * 64 + n;
                let age = phase(seconds, 1.1 + 0.5 * f64::from(scatter(salt, 13)), salt * 11);
                let narrow = (1.0 - age).sqrt();
                let sway = (phase(seconds, 0.9, 0) * TAU + age * 5.0 + f32::from(layer)).sin() * 0.05 * age;
                let aside = sway + (scatter(salt, 7) - 0.5) * radius * 1.7 * narrow;
                let at = source + ahead + self.right * aside + Vec3::Y * (height * age - 0.01);
                let colour = from
                    .towards(to, (age * 1.3).min(1.0))
                    .with_alpha(alpha * (1.0 - age).powf(0.6));
                self.puff(at, radius * (0.25 + 0.75 * narrow), 1.6, colour);
            }
        }
    }

    /// Cones under the nozzles while it flows, then a thin mist.
    fn agent(&mut self, place: &Place, state: &State, seconds: f64) {
        let room = place.room;
        let size = room.size();
        if state.fire.flowing == Some(true) {
            for (k, &nozzle) in (0u32..).zip(&place.equipment.nozzles) {
                // out under the ceiling to both sides, then down before the racks
                for n in 0..24u32 {
                    let age = phase(seconds, 0.8, n * 3 + k);
                    let (out, fall) = ((age / 0.6).min(1.0), ((age - 0.6) / 0.4).max(0.0));
                    let side = if n % 2 == 0 { 1.0 } else { -1.0 };
                    let at = nozzle
                        + Vec3::new(
                            (scatter(n + 24 * k, 9) - 0.5) * 1.1 * age,
                            -0.04 - 0.10 * out - 0.45 * fall,
                            side * out * (size.z * 0.5 - 0.03),
                        );
                    self.puff(
                        at,
                        0.06 + 0.15 * age,
                        0.9,
                        AGENT.with_alpha(0.9 * (1.0 - age * 0.75)),
                    );
                }
            }
        }
        let share = (state.fire.agent.unwrap_or(0.0) / 8.0).clamp(0.0, 1.0);
        if share < 0.02 {
            return;
        }
        self.layer(place, AGENT, 0.34, [0.06 + 0.22 * share; 2]);
        for n in 0..28u32 {
            let drift = phase(seconds, 0.03, n * 17);
            let at = room.min
                + size
                    * Vec3::new(
                        scatter(n, 10),
                        0.62 + 0.36 * scatter(n, 11),
                        0.1 + 0.8 * scatter(n, 12),
                    )
                + Vec3::X * ((drift * TAU).sin() * 0.12);
            self.puff(
                at,
                0.36 * size.y / 2.66,
                0.6,
                AGENT.with_alpha(0.10 + 0.26 * share),
            );
        }
    }

    /// A pale cone under each detector that has tripped.
    fn zones(&mut self, place: &Place, state: &State) {
        for (&at, tripped) in place.equipment.detectors.iter().zip(state.fire.detectors) {
            if tripped == Some(true) {
                for n in 0..3u8 {
                    let down = f32::from(n) * 0.12;
                    self.puff(
                        at - Vec3::Y * (0.12 + down),
                        0.16 + down * 0.6,
                        0.5,
                        L3.towards(PALE, 0.35).with_alpha(0.28),
                    );
                }
            }
        }
    }
}

/// Between 0 and 1, the same for the same numbers, different for neighbours.
fn scatter(n: u32, salt: u32) -> f32 {
    let mut x = n.wrapping_mul(0x9e37_79b9) ^ salt.wrapping_mul(0x85eb_ca6b);
    x ^= x >> 15;
    x = x.wrapping_mul(0x2c1b_3c6d);
    x ^= x >> 12;
    x = x.wrapping_mul(0x297a_2d39);
    x ^= x >> 15;
    (x & 0xffff) as f32 / 65536.0
}

/// Age of a puff between 0 and 1 at a time, with so many lives a second.
#[expect(clippy::cast_possible_truncation, reason = "between 0 and 1")]
fn phase(seconds: f64, per_second: f64, n: u32) -> f32 {
    (seconds * per_second + f64::from(scatter(n, 0))).rem_euclid(1.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::layout::{Plan, Wanted};
    use crate::scene::sample;
    use crate::scene::state::{Air, Fire};

    fn triangles(state: &State, sources: &Sources) -> usize {
        let plan = Plan::of(&sample::liquid(), Wanted::default());
        draw(&plan.containers[0], state, sources, 12.0, [Vec3::X, Vec3::Y]).triangles()
    }

    #[test]
    fn clean_air_and_unknown_air_hold_nothing() {
        assert_eq!(triangles(&State::default(), &Sources::default()), 0);
        let clean = State {
            air: Air {
                gas_lel: Some(0.0),
                gas_ceiling: Some(0.0),
                smoke: Some(0.0),
                ..Air::default()
            },
            ..State::default()
        };
        assert_eq!(triangles(&clean, &Sources::default()), 0);
    }

    #[test]
    fn more_gas_is_denser_up_to_the_explosive_limit() {
        let plan = Plan::of(&sample::liquid(), Wanted::default());
        let opacity = |lel: f32| {
            let air = Air {
                gas_lel: Some(lel),
                gas_ceiling: Some(lel / 12.0),
                ..Air::default()
            };
            let state = State {
                air,
                ..State::default()
            };
            let eyes = [Vec3::X, Vec3::Y];
            let haze = draw(&plan.containers[0], &state, &Sources::default(), 0.0, eyes);
            haze.opacity()
        };
        let steps = [0.3, 2.0, 10.0, 25.0, 100.0].map(opacity);
        assert!(steps.is_sorted_by(|less, more| less < more), "{steps:?}");
    }

    #[test]
    fn gas_smoke_and_agent_are_there_when_the_rig_says_so() {
        let gas = State {
            air: Air {
                gas_lel: Some(20.0),
                ..Air::default()
            },
            ..State::default()
        };
        let smoke = State {
            air: Air {
                smoke: Some(3.0),
                ..Air::default()
            },
            ..State::default()
        };
        let agent = State {
            fire: Fire {
                flowing: Some(true),
                ..Fire::default()
            },
            ..State::default()
        };
        for state in [gas, smoke, agent] {
            assert!(triangles(&state, &Sources::default()) > 0);
        }
    }

    #[test]
    fn a_cell_in_runaway_glows_and_burns_only_if_the_rig_says_so() {
        let sources = Sources {
            runaway: vec![Vec3::ZERO],
            ..Sources::default()
        };
        let of = |flame, vent_flow| {
            let air = Air {
                vent_flow,
                flame,
                ..Air::default()
            };
            let state = State {
                air,
                ..State::default()
            };
            triangles(&state, &sources)
        };
        let glow = of(Some(false), Some(0.0));
        assert!(glow > 0, "hot");
        assert_eq!(of(None, None), glow, "nobody tells of a flame or of gas");
        let jet = of(Some(false), Some(2.0));
        assert!(jet > glow, "gas leaves it");
        assert!(of(Some(true), Some(2.0)) > jet, "a flame");
    }

    #[test]
    fn the_same_instant_is_the_same_picture() {
        let plan = Plan::of(&sample::liquid(), Wanted::default());
        let state = State {
            air: Air {
                smoke: Some(3.0),
                ..Air::default()
            },
            ..State::default()
        };
        let at = |seconds| {
            draw(
                &plan.containers[0],
                &state,
                &Sources::default(),
                seconds,
                [Vec3::X, Vec3::Y],
            )
        };
        assert_eq!(at(5.0), at(5.0));
        assert_ne!(at(5.0), at(6.0));
    }
}
