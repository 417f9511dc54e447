//! Vent gas and smoke from cell to pack to ceiling layer to room to outside, flame and deflagration, detectors.
//!
//! Modelled: five gas species and smoke in each pack, in the ceiling layer where the detectors are, and in
//! the rest of the room; hot vent gas rises into the ceiling layer first; mixing by HVAC or fan; ventilation
//! from the ceiling; a flame that burns what is vented; deflagration when a mixed room is lit between its
//! limits; detector lag and saturation. Not modelled: flow field, pressure, inerting of the mixture, filters.
//! Constants: cell-and-thermal §9 and §10.

use bess_types::SimTime;

use crate::air::Air;
use crate::spec::{AirSpec, GasSpec, SensorsSpec};
use crate::topology::PlantEvent;

/// H2, CO, CO2, CH4, others (L at 25 °C), and smoke (g).
type Mix = [f64; 6];
const H2: usize = 0;
const CO: usize = 1;
const CO2: usize = 2;
const SMOKE: usize = 5;
/// 10·log10(e): from nepers to decibel.
const DECIBEL: f64 = 4.342_944_819_032_518;
/// Least vent flow that keeps a flame, L/s.
const FLAME_L_PER_S: f64 = 0.05;

#[derive(Clone, Debug)]
pub(crate) struct Gas {
    spec: GasSpec,
    t90_s: f64,
    smoke_lag_s: f64,
    ceiling_l: f64,
    lower_l: f64,
    packs: Vec<Mix>,
    ceiling: Mix,
    lower: Mix,
    /// Vent flow into packs over the last cycle, L/s.
    pub(crate) vent_l_per_s: f64,
    pub(crate) flame: bool,
    burnt_before: bool,
    pub(crate) deflagrated: bool,
    above_percent: [bool; 2],
    /// Convective heat in the room, W.
    pub(crate) convective_w: f64,
    /// Heat of burnt gas since the start, J.
    pub(crate) combustion_j: f64,
    /// Detectors: H2 ppm, CO ppm, smoke dB/m.
    pub(crate) detected: [f64; 3],
}

/// What sets gas alight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ignition {
    /// A spark in the room.
    pub(crate) spark: bool,
    /// Hottest slice of any cell, °C.
    pub(crate) hottest_c: f64,
    /// Agent concentration relative to design.
    pub(crate) agent: f64,
}

/// What a cell gave off in a cycle.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Vented {
    /// Pack it sits in.
    pub(crate) pack: usize,
    /// Vent gas, L.
    pub(crate) gas_l: f64,
    /// First venting: gas and solvent mist, little of which is left as smoke.
    pub(crate) first_vent: bool,
    /// H2 and CO before venting, L.
    pub(crate) trace_l: f64,
    /// Heat of ejecta and hot gas, J.
    pub(crate) heat_j: f64,
}

impl Gas {
    pub(crate) fn new(spec: &GasSpec, air: &AirSpec, sensors: &SensorsSpec, packs: usize) -> Self {
        Self {
            spec: spec.clone(),
            t90_s: sensors.gas_t90_s,
            smoke_lag_s: sensors.smoke_lag_s,
            ceiling_l: air.ceiling_m3 * 1e3,
            lower_l: (air.volume_m3 - air.ceiling_m3) * 1e3,
            packs: vec![[0.0; 6]; packs],
            ceiling: [0.0; 6],
            lower: [0.0; 6],
            vent_l_per_s: 0.0,
            flame: false,
            burnt_before: false,
            deflagrated: false,
            above_percent: [false; 2],
            convective_w: 0.0,
            combustion_j: 0.0,
            detected: [0.0; 3],
        }
    }

    /// One medium cycle.
    pub(crate) fn step(
        &mut self,
        now: SimTime,
        dt_s: f64,
        vented: &[Vented],
        ignition: Ignition,
        air: &mut Air,
        events: &mut Vec<PlantEvent>,
    ) {
        let mut gas_l = 0.0;
        let mut heat_j = 0.0;
        for source in vented {
            gas_l += source.gas_l;
            heat_j += source.heat_j;
            let pack = &mut self.packs[source.pack];
            for (amount, share) in pack.iter_mut().zip(self.spec.composition) {
                *amount += share * source.gas_l;
            }
            pack[H2] += 0.5 * source.trace_l;
            pack[CO] += 0.5 * source.trace_l;
            let smoke_g_per_l = if source.first_vent {
                self.spec.mist_g_per_l
            } else {
                self.spec.smoke_g_per_l
            };
            pack[SMOKE] += smoke_g_per_l * source.gas_l;
        }
        self.vent_l_per_s = gas_l / dt_s;
        self.burn(now, ignition, air, events);
        self.convective_w = heat_j / dt_s
            + if self.flame {
                self.vent_l_per_s * self.spec.combustion_j_per_l
            } else {
                0.0
            };
        self.move_gas(dt_s, air);
        self.note_limits(now, events);

        let gas_follow = -libm::expm1(-dt_s * core::f64::consts::LN_10 / self.t90_s);
        let smoke_follow = -libm::expm1(-dt_s / self.smoke_lag_s);
        let at_ceiling = [
            self.hydrogen_ppm(),
            self.carbon_monoxide_ppm(),
            self.smoke_db_per_m(),
        ];
        for ((detected, now), follow) in
            self.detected
                .iter_mut()
                .zip(at_ceiling)
                .zip([gas_follow, gas_follow, smoke_follow])
        {
            *detected += (now - *detected) * follow;
        }
    }

    /// Hydrogen at the ceiling, ppm.
    pub(crate) fn hydrogen_ppm(&self) -> f64 {
        self.ceiling[H2] / self.ceiling_l * 1e6
    }

    /// Carbon monoxide at the ceiling, ppm.
    pub(crate) fn carbon_monoxide_ppm(&self) -> f64 {
        self.ceiling[CO] / self.ceiling_l * 1e6
    }

    /// Hydrogen, mean of the room, ppm.
    pub(crate) fn mean_hydrogen_ppm(&self) -> f64 {
        (self.ceiling[H2] + self.lower[H2]) / (self.ceiling_l + self.lower_l) * 1e6
    }

    /// Smoke at the ceiling, dB/m.
    pub(crate) fn smoke_db_per_m(&self) -> f64 {
        DECIBEL * self.spec.smoke_m2_per_g * self.ceiling[SMOKE] / self.ceiling_l * 1e3
    }

    /// Gas in the room, mean, as % of the lower explosive limit.
    pub(crate) fn lel_percent(&self) -> f64 {
        let gas_l: f64 = self.ceiling[..SMOKE].iter().chain(&self.lower[..SMOKE]).sum();
        gas_l / (self.ceiling_l + self.lower_l) * 1e4 / self.spec.explosive_percent[0]
    }

    /// Gas at the ceiling, % by volume.
    pub(crate) fn ceiling_percent(&self) -> f64 {
        self.ceiling[..SMOKE].iter().sum::<f64>() / self.ceiling_l * 100.0
    }

    /// Gas in a pack, L.
    pub(crate) fn pack_gas_l(&self, pack: usize) -> f64 {
        self.packs[pack][..SMOKE].iter().sum()
    }

    fn burn(&mut self, now: SimTime, ignition: Ignition, air: &mut Air, events: &mut Vec<PlantEvent>) {
        let venting = self.vent_l_per_s > FLAME_L_PER_S;
        let lit = ignition.spark
            || self.flame
            || (venting && ignition.hottest_c > self.spec.autoignition_c)
            || (self.burnt_before && venting && ignition.hottest_c > self.spec.reignition_c);
        // a flame needs less than half of the design concentration to come back, more than all of it to go out
        let suppressed = ignition.agent >= if self.flame { 1.0 } else { 0.5 };
        let [low, high] = self.spec.explosive_percent;
        if lit && !suppressed && (low..=high).contains(&self.ceiling_percent()) && !self.flame {
            self.deflagrated = true;
            air.panels_open = true;
            let burnt_l: f64 = [H2, CO, 3].iter().map(|&k| self.ceiling[k] + self.lower[k]).sum();
            for zone in [&mut self.ceiling, &mut self.lower] {
                zone[CO2] += zone[CO] + zone[3];
                zone[H2] = 0.0;
                zone[CO] = 0.0;
                zone[3] = 0.0;
            }
            events.push(event(
                now,
                "deflagration",
                1.0,
                format!("{burnt_l:.0} L burnt, vent panels open"),
            ));
        }
        let flame = venting && lit && !suppressed;
        if flame != self.flame {
            self.flame = flame;
            self.burnt_before |= flame;
            events.push(event(
                now,
                "flame",
                f64::from(flame),
                if flame { "vent gas burns" } else { "flame out" }.into(),
            ));
        }
    }

    fn move_gas(&mut self, dt_s: f64, air: &Air) {
        let seep = -libm::expm1(-dt_s / self.spec.pack_to_room_s);
        for pack in &mut self.packs {
            let held_l: f64 = pack[..SMOKE].iter().sum();
            if held_l == 0.0 {
                continue;
            }
            // what does not fit is pushed out at once
            let pushed = (1.0 - self.spec.pack_l / held_l).max(0.0);
            let share = pushed + (1.0 - pushed) * seep;
            for (inside, ceiling) in pack.iter_mut().zip(&mut self.ceiling) {
                *ceiling += *inside * share;
                *inside *= 1.0 - share;
            }
        }
        if self.flame {
            // a flame eats the combustible part of what reaches the room
            let eaten_l = self.vent_l_per_s * dt_s;
            for k in [H2, CO, 3] {
                self.ceiling[k] = (self.ceiling[k] - self.spec.composition[k] * eaten_l).max(0.0);
            }
        }
        let mixed = -libm::expm1(-dt_s / air.mixing_s());
        let room_l = self.ceiling_l + self.lower_l;
        // outside air enters below, pushes room air up, leaves from the ceiling
        let replaced_l = room_l * air.changes_per_s() * dt_s;
        let (out, up) = (
            (replaced_l / self.ceiling_l).min(1.0),
            (replaced_l / self.lower_l).min(1.0),
        );
        let settle = libm::exp(-dt_s / self.spec.smoke_settling_s);
        for (ceiling, lower) in self.ceiling.iter_mut().zip(&mut self.lower) {
            let total = *ceiling + *lower;
            let to_lower = (*ceiling - total * self.ceiling_l / room_l) * mixed;
            *ceiling -= to_lower;
            *lower += to_lower;
            let (leaves, rises) = (*ceiling * out, *lower * up);
            *ceiling += rises - leaves;
            *lower -= rises;
        }
        self.ceiling[SMOKE] *= settle;
        self.lower[SMOKE] *= settle;
    }

    fn note_limits(&mut self, now: SimTime, events: &mut Vec<PlantEvent>) {
        let percent = self.lel_percent();
        for (above, (limit, point)) in self
            .above_percent
            .iter_mut()
            .zip([(10.0, "gas-10-percent-lel"), (25.0, "gas-25-percent-lel")])
        {
            if *above != (percent > limit) {
                *above = percent > limit;
                events.push(event(
                    now,
                    point,
                    f64::from(*above),
                    format!("room mean {percent:.1} % of LEL"),
                ));
            }
        }
    }
}

fn event(at: SimTime, point: &'static str, value: f64, text: String) -> PlantEvent {
    PlantEvent {
        at,
        part: "air".into(),
        point,
        value,
        text,
    }
}
