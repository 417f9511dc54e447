//! Vent gas and smoke from cell to pack to ceiling layer to room to outside, flame and deflagration, detectors.
//!
//! Modelled: five gas species and smoke in each pack, in the ceiling layer where the detectors are, and in
//! the rest of the room; composition by the charge of the cell; hot vent gas rises into the ceiling layer first;
//! mixing by HVAC or fan; ventilation from the ceiling; a flame that burns what is vented, gas and vapour of solvents, where
//! it is vented;
//! deflagration of the room's gas when its combustibles are lit between the explosive limits at the ceiling; both as
//! far as the room's oxygen goes, which outside air replaces; heat of both; detector lag and saturation; an agent's own
//! smoke, which blinds smoke detectors.
//! An agent puts the flame out and, in an amount of its own each, keeps flames and explosions from being lit; it does not
//! stop gas, so a room that is opened or leaks while cells still vent can deflagrate.
//! Not modelled: vapour that does not burn as it leaves (it would make lean gas explosive, CT §9 S19, and is left out
//! there), burning ejecta, flow field, pressure, steam, limits by composition and agent, arcs of contacts as a source
//! of ignition (inject a spark), filters.
//! Constants: cell-and-thermal §9 to §11; fuels by textbook enthalpies.

use bess_types::SimTime;

use crate::air::Air;
use crate::spec::{AirSpec, GasSpec, SensorsSpec};
use crate::topology::PlantEvent;

/// H2, CO, CO2, CH4, others (L at 25 °C), and smoke (g).
type Mix = [f64; 6];
const H2: usize = 0;
const CO: usize = 1;
const CO2: usize = 2;
const CH4: usize = 3;
const OTHERS: usize = 4;
const SMOKE: usize = 5;
/// 10·log10(e): from nepers to decibel.
const DECIBEL: f64 = 4.342_944_819_032_518;
/// Combustibles among the gases: H2, CO, CH4, others (half C2H4, half C2H6).
const FUELS: [usize; 4] = [H2, CO, CH4, OTHERS];
/// Lower heat of combustion at 25 °C and 1 atm, J/L (textbook enthalpies over 24.47 L/mol).
const HEAT_J_PER_L: [f64; 4] = [9_880.0, 11_560.0, 32_800.0, 56_200.0];
/// Oxygen they need and CO2 they become, L/L.
const OXYGEN: [f64; 4] = [0.5, 0.5, 2.0, 3.25];
const BECOMES_CO2: [f64; 4] = [0.0, 1.0, 1.0, 2.0];
/// Solvents, ethylene, dimethyl and ethyl methyl carbonate in equal masses: lower heat of combustion, J/g (pool fires of
/// electrolytes gave 11 to 16 kJ/g: Eshetu et al. 2014, recalled), oxygen they need and CO2 they become, L/g.
const VAPOUR_J_PER_G: f64 = 14_600.0;
const VAPOUR_OXYGEN_L_PER_G: f64 = 0.856;
const VAPOUR_CO2_L_PER_G: f64 = 0.863;
/// Oxygen in air.
const AIR_OXYGEN: f64 = 0.2095;
/// Least share of oxygen that keeps a flame (with nitrogen H2 and CO need 5 %, hydrocarbons 11 %).
const LEAST_OXYGEN: f64 = 0.10;
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
    /// Oxygen that the room lacks because it burnt, L.
    spent_oxygen_l: f64,
    /// Vent flow into packs over the last cycle, L/s.
    pub(crate) vent_l_per_s: f64,
    pub(crate) flame: bool,
    burnt_before: bool,
    pub(crate) deflagrated: bool,
    above_percent: [bool; 2],
    /// Convective heat in the room, W.
    pub(crate) convective_w: f64,
    /// Heat of a deflagration in this cycle, J.
    pub(crate) burst_j: f64,
    /// Heat of burnt gas and vapour since the start, J.
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
    /// The agent keeps flames from being lit.
    pub(crate) inhibited: bool,
    /// It keeps the room's gas from exploding.
    pub(crate) inerted: bool,
    /// It puts out what burns.
    pub(crate) quenched: bool,
    /// Its own smoke, dB/m.
    pub(crate) agent_db_per_m: f64,
}

/// What a cell gave off in a cycle.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Vented {
    /// Pack it sits in.
    pub(crate) pack: usize,
    /// Vent gas, L.
    pub(crate) gas_l: f64,
    /// Vapour and mist of solvents with it, g.
    pub(crate) vapour_g: f64,
    /// State of charge of the cell, or what it was when it burnt.
    pub(crate) soc: f64,
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
            spent_oxygen_l: 0.0,
            vent_l_per_s: 0.0,
            flame: false,
            burnt_before: false,
            deflagrated: false,
            above_percent: [false; 2],
            convective_w: 0.0,
            burst_j: 0.0,
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
        self.vent_l_per_s = vented.iter().map(|source| source.gas_l).sum::<f64>() / dt_s;
        self.burst_j = 0.0;
        self.burn(now, ignition, air, events);
        let (mut ejecta_j, mut flame_j) = (0.0, 0.0);
        for source in vented {
            ejecta_j += source.heat_j;
            let mut mix = self.vent_mix(source);
            if self.flame {
                let need_l = oxygen_need_l(&mix) + source.vapour_g * VAPOUR_OXYGEN_L_PER_G;
                let share = (self.oxygen_l() / need_l.max(1e-9)).min(1.0);
                flame_j +=
                    self.burn_share(&mut mix, share) + self.burn_vapour(&mut mix, source.vapour_g * share);
            }
            mix[H2] += 0.5 * source.trace_l;
            mix[CO] += 0.5 * source.trace_l;
            for (held, more) in self.packs[source.pack].iter_mut().zip(mix) {
                *held += more;
            }
        }
        self.convective_w = (ejecta_j + flame_j) / dt_s;
        self.combustion_j += flame_j + self.burst_j;
        self.move_gas(dt_s, air);
        self.note_limits(now, events);

        let gas_follow = -libm::expm1(-dt_s * core::f64::consts::LN_10 / self.t90_s);
        let smoke_follow = -libm::expm1(-dt_s / self.smoke_lag_s);
        let at_ceiling = [
            self.hydrogen_ppm(),
            self.carbon_monoxide_ppm(),
            self.smoke_db_per_m() + ignition.agent_db_per_m,
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
        let gas_l = self.explosive_l(&self.ceiling) + self.explosive_l(&self.lower);
        gas_l / self.room_l() * 1e4 / self.spec.explosive_percent[0]
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
        let kindled = ignition.spark
            || self.flame
            || (venting && ignition.hottest_c > self.spec.autoignition_c)
            || (self.burnt_before && venting && ignition.hottest_c > self.spec.reignition_c);
        let suppressed = if self.flame {
            ignition.quenched
        } else {
            ignition.inhibited
        };
        let kindled = kindled && self.oxygen_l() > LEAST_OXYGEN * self.room_l();
        let [low, high] = self.spec.explosive_percent;
        let ceiling_percent = self.explosive_l(&self.ceiling) / self.ceiling_l * 100.0;
        if kindled && !self.flame && !ignition.inerted && (low..=high).contains(&ceiling_percent) {
            self.deflagrate(now, air, events);
        }
        let flame = venting && kindled && !suppressed;
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

    /// The room's gas burns as far as its oxygen goes.
    fn deflagrate(&mut self, now: SimTime, air: &mut Air, events: &mut Vec<PlantEvent>) {
        self.deflagrated = true;
        air.panels_open = true;
        let (mut ceiling, mut lower) = (self.ceiling, self.lower);
        let need_l = oxygen_need_l(&ceiling) + oxygen_need_l(&lower);
        let share = (self.oxygen_l() / need_l.max(1e-9)).min(1.0);
        self.burst_j = self.burn_share(&mut ceiling, share) + self.burn_share(&mut lower, share);
        (self.ceiling, self.lower) = (ceiling, lower);
        events.push(event(
            now,
            "deflagration",
            1.0,
            format!("{:.1} MJ, vent panels open", self.burst_j / 1e6),
        ));
    }

    /// Burns this share of the combustibles with oxygen of the room; their heat, J.
    fn burn_share(&mut self, mix: &mut Mix, share: f64) -> f64 {
        self.spent_oxygen_l += oxygen_need_l(mix) * share;
        let mut heat_j = 0.0;
        for (i, &k) in FUELS.iter().enumerate() {
            let burnt_l = mix[k] * share;
            mix[k] -= burnt_l;
            mix[CO2] += burnt_l * BECOMES_CO2[i];
            heat_j += burnt_l * HEAT_J_PER_L[i];
        }
        heat_j
    }

    /// Burns vapour with oxygen of the room; its heat, J.
    fn burn_vapour(&mut self, mix: &mut Mix, vapour_g: f64) -> f64 {
        self.spent_oxygen_l += vapour_g * VAPOUR_OXYGEN_L_PER_G;
        mix[CO2] += vapour_g * VAPOUR_CO2_L_PER_G;
        vapour_g * VAPOUR_J_PER_G
    }

    fn room_l(&self) -> f64 {
        self.ceiling_l + self.lower_l
    }

    /// Oxygen in the room, L.
    fn oxygen_l(&self) -> f64 {
        let gas_l: f64 = self.ceiling[..SMOKE].iter().chain(&self.lower[..SMOKE]).sum();
        ((self.room_l() - gas_l) * AIR_OXYGEN - self.spent_oxygen_l).max(0.0)
    }

    /// Gas of a full cell that has as much combustibles, L; the explosive limits are those of that gas.
    fn explosive_l(&self, mix: &Mix) -> f64 {
        let fuel_l: f64 = FUELS.iter().map(|&k| mix[k]).sum();
        fuel_l / (1.0 - self.spec.composition[CO2])
    }

    /// What a cell has vented; the composition follows its charge.
    fn vent_mix(&self, source: &Vented) -> Mix {
        let full = ((source.soc - 0.5) / 0.5).clamp(0.0, 1.0);
        let smoke_g_per_l = if source.first_vent {
            self.spec.mist_g_per_l
        } else {
            self.spec.smoke_g_per_l
        };
        let mut mix = [0.0; 6];
        for (k, share) in mix[..SMOKE].iter_mut().enumerate() {
            let (at_half, at_full) = (self.spec.composition_half[k], self.spec.composition[k]);
            *share = (at_half + (at_full - at_half) * full) * source.gas_l;
        }
        mix[SMOKE] = smoke_g_per_l * source.gas_l;
        mix
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
        let mixed = -libm::expm1(-dt_s / air.mixing_s());
        let room_l = self.ceiling_l + self.lower_l;
        // outside air enters below, pushes room air up, leaves from the ceiling
        let replaced_l = room_l * air.changes_per_s() * dt_s;
        self.spent_oxygen_l *= 1.0 - (replaced_l / room_l).min(1.0);
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

/// Oxygen that the combustibles need, L.
fn oxygen_need_l(mix: &Mix) -> f64 {
    FUELS.iter().zip(OXYGEN).map(|(&k, need)| mix[k] * need).sum()
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

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAR: Ignition = Ignition {
        spark: false,
        hottest_c: 25.0,
        inhibited: false,
        inerted: false,
        quenched: false,
        agent_db_per_m: 0.0,
    };
    const SPARK: Ignition = Ignition { spark: true, ..CLEAR };

    struct Room {
        gas: Gas,
        air: Air,
        events: Vec<PlantEvent>,
        cycles: u64,
    }

    impl Room {
        fn new() -> Self {
            let spec = crate::testing::spec();
            let container = &spec.container;
            Self {
                gas: Gas::new(&container.gas, &container.air, &container.sensors, 2),
                air: Air::new(&container.air, &crate::InitialState::default()),
                events: Vec::new(),
                cycles: 0,
            }
        }

        fn step(&mut self, vented: &[Vented], ignition: Ignition) {
            self.cycles += 1;
            let now = SimTime::from_millis(100 * self.cycles);
            self.gas
                .step(now, 0.1, vented, ignition, &mut self.air, &mut self.events);
            let all = self.gas.packs.iter().chain([&self.gas.ceiling, &self.gas.lower]);
            for amount in all.flatten().chain(&self.gas.detected) {
                assert!(*amount >= 0.0, "{amount}");
            }
        }

        /// Carbon atoms in the gas of packs and room, L of CO2.
        fn carbon_l(&self) -> f64 {
            let all = self.gas.packs.iter().chain([&self.gas.ceiling, &self.gas.lower]);
            all.map(|mix| mix[CO] + mix[CO2] + mix[CH4] + 2.0 * mix[OTHERS])
                .sum()
        }
    }

    fn litres(gas_l: f64) -> Vented {
        Vented {
            gas_l,
            soc: 1.0,
            ..Vented::default()
        }
    }

    #[test]
    fn a_burnt_litre_gives_the_heat_of_the_mixture_once() {
        let mut room = Room::new();
        for _ in 0..600 {
            room.step(&[litres(0.1)], SPARK);
        }
        let lit_l = 60.0;
        let per_l = room.gas.combustion_j / lit_l;
        assert!((11_000.0..16_000.0).contains(&per_l), "{per_l}");
        assert!(
            room.gas.ceiling[H2] + room.gas.lower[H2] < 1e-9,
            "nothing left to burn again"
        );
    }

    /// 14.6 kJ/g while there is oxygen; then no more than the oxygen allows, 13.1 kJ per gram of it.
    #[test]
    fn vapour_burns_as_far_as_the_oxygen_goes() {
        let burnt_j = |steps: u32| {
            let mut room = Room::new();
            for _ in 0..steps {
                let vapour = Vented {
                    vapour_g: 0.5,
                    ..litres(0.01)
                };
                room.step(&[vapour], SPARK);
            }
            room.gas.combustion_j
        };
        let gas_j = |steps: u32| 0.01 * f64::from(steps) * 13_360.0;
        let little_j = burnt_j(1000) - gas_j(1000);
        assert!((little_j / (500.0 * 14_600.0) - 1.0).abs() < 1e-3, "{little_j}");
        let (much_j, more_j) = (burnt_j(10_000), burnt_j(20_000));
        // the flame goes out at 10 of 21 % oxygen, of which new gas pushes some out
        let oxygen_g = 13_000.0 * (AIR_OXYGEN - LEAST_OXYGEN) / 24.47 * 32.0;
        let share = much_j / (oxygen_g * 13_100.0);
        assert!((0.85..1.02).contains(&share), "{share}");
        assert!(more_j < 1.15 * much_j, "a leak lets in little air: {more_j}");
    }

    /// An agent that stops flames does not stop the room's gas from exploding.
    #[test]
    fn gas_explodes_in_what_only_stops_flames() {
        let mut room = Room::new();
        let no_flame = Ignition {
            inhibited: true,
            quenched: true,
            ..CLEAR
        };
        for _ in 0..3000 {
            room.step(&[litres(0.5)], no_flame);
        }
        let spark = Ignition {
            spark: true,
            inerted: true,
            ..no_flame
        };
        room.step(&[], spark);
        assert!(!room.gas.deflagrated);
        let spark = Ignition {
            inerted: false,
            ..spark
        };
        room.step(&[], spark);
        assert!(room.gas.deflagrated && !room.gas.flame);
    }

    #[test]
    fn burning_keeps_carbon() {
        let (mut lit, mut unlit) = (Room::new(), Room::new());
        for _ in 0..600 {
            lit.step(&[litres(0.1)], SPARK);
            unlit.step(&[litres(0.1)], CLEAR);
        }
        // a closed room loses a little with its leak
        assert!((lit.carbon_l() / unlit.carbon_l() - 1.0).abs() < 0.01);
    }

    #[test]
    fn a_deflagration_burns_no_more_than_the_oxygen_allows() {
        let burst_j = |litres_vented: f64| {
            let mut room = Room::new();
            let steps = 12_000;
            for _ in 0..steps {
                room.step(&[litres(litres_vented / f64::from(steps))], CLEAR);
            }
            room.step(&[], SPARK);
            assert!(room.gas.deflagrated && room.air.panels_open);
            room.gas.burst_j
        };
        // 13 m³ of air hold 2.7 m³ of oxygen, enough for some 3.5 m³ of gas
        let (lean, rich) = (burst_j(1000.0), burst_j(4500.0));
        assert!((9e6..15e6).contains(&lean), "{lean}");
        assert!(rich < 13_000.0 * AIR_OXYGEN / 0.5 * 56_200.0 / 3.25);
        assert!(rich > 1.5 * lean && rich < 4.5 * lean * 0.75, "{rich} of {lean}");
    }

    #[test]
    fn a_flame_goes_out_when_the_room_has_no_oxygen_and_comes_back_with_air() {
        let mut room = Room::new();
        let mut lit_s = 0.0;
        for _ in 0..30_000 {
            room.step(&[litres(0.2)], SPARK);
            lit_s += if room.gas.flame { 0.1 } else { 0.0 };
        }
        // half of 2.7 m³ of oxygen at 0.73 L per litre of gas, 2 L/s
        assert!((600.0..1300.0).contains(&lit_s), "{lit_s}");
        assert!(!room.gas.flame);
        room.air.door_open = true;
        for _ in 0..6000 {
            room.step(&[], CLEAR);
        }
        room.step(&[litres(0.2)], SPARK);
        room.step(&[litres(0.2)], SPARK);
        assert!(room.gas.flame);
    }

    #[test]
    fn hydrogen_rises_and_carbon_dioxide_falls_with_charge() {
        let share = |soc: f64| {
            let mix = Room::new().gas.vent_mix(&Vented {
                gas_l: 1.0,
                soc,
                ..Vented::default()
            });
            assert!((mix[..SMOKE].iter().sum::<f64>() - 1.0).abs() < 1e-9);
            (mix[H2], mix[CO2])
        };
        assert!(share(1.0).0 > share(0.7).0 && share(0.7).0 > share(0.5).0);
        assert!(share(1.0).1 < share(0.7).1 && share(0.7).1 < share(0.5).1);
        assert_eq!(share(0.1), share(0.5));
    }

    #[test]
    fn an_inerted_room_deflagrates_when_it_is_opened() {
        let mut room = Room::new();
        let inert = Ignition {
            inhibited: true,
            inerted: true,
            quenched: true,
            ..SPARK
        };
        for _ in 0..3000 {
            room.step(&[litres(0.5)], inert);
        }
        assert!(!room.gas.deflagrated && !room.gas.flame);
        room.step(&[], SPARK);
        assert!(room.gas.deflagrated);
    }
}
