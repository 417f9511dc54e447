//! Coolant loop and chiller.
//!
//! Modelled: one supply node with the coolant that is not in the packs' plates; manifolds that give the near packs more
//! flow than the far ones; a pump whose power warms the coolant; a modulating compressor with proportional band,
//! first-order response, least on and off times; capacity and coefficient of performance over the temperature of the air
//! that its condenser draws; condensing temperature with a high-pressure switch that stays tripped until the compressor is
//! switched off; compressor and heater blocked by low flow; an electric heater. It regulates on its supply sensor as that
//! sensor reads, on the return sensor if the wire is open. Faults: pump, compressor, blocked condenser, lost refrigerant,
//! leaking coolant (the pump draws air once the level is low), sensors, mains.
//! Not modelled: the refrigerant cycle itself, part-load efficiency, pressure drop, freezing of the coolant, viscosity in
//! the cold. Constants: cell-and-thermal §6.

use bess_types::CoolingMode;

use crate::spec::CoolingSpec;

/// Outside temperature for which capacity and efficiency are stated, °C.
const STATED_AT_C: f64 = 35.0;
/// Capacity and efficiency stay within these shares of what is stated, however cold or hot the air (assumption).
const SHARE: [f64; 2] = [0.2, 1.5];
/// A condenser without fan still gives off this share (assumption).
const CONDENSER_LEAST: f64 = 0.02;
/// Efficiency lost per share of the refrigerant lost: the compressor works on at a lower suction pressure (assumption).
const COP_PER_REFRIGERANT: f64 = 0.5;
/// Shares of the fill between which the pump draws more and more air: full flow above, none below (assumption).
const LEVEL: [f64; 2] = [0.5, 0.8];
/// What a leak leaves of the coolant outside the plates.
const DREGS: f64 = 0.05;

/// What a compressor gives of the stated capacity, or efficiency, when its condenser draws air at a temperature, °C.
pub(crate) fn over_ambient(slope_per_k: f64, celsius: f64) -> f64 {
    (1.0 + slope_per_k * (celsius - STATED_AT_C)).clamp(SHARE[0], SHARE[1])
}

#[derive(Clone, Debug)]
pub(crate) struct Cooling {
    spec: CoolingSpec,
    packs: usize,
    /// Coolant in all plates, L.
    plates_l: f64,
    pub(crate) mode: CoolingMode,
    pub(crate) setpoint_c: f64,
    /// Mains present.
    pub(crate) powered: bool,
    pub(crate) pump_failed: bool,
    pub(crate) chiller_failed: bool,
    /// Share of the condenser's air that does not pass, 0 to 1.
    pub(crate) condenser_blocked: f64,
    /// Share of the refrigerant that is gone, 0 to 1.
    pub(crate) refrigerant_lost: f64,
    /// Coolant lost, L/min.
    pub(crate) leak_l_per_min: f64,
    level_l: f64,
    /// Supply temperature, °C.
    pub(crate) supply_c: f64,
    /// Return temperature, °C.
    pub(crate) return_c: f64,
    /// Heat taken out (positive) or put in, W.
    pub(crate) thermal_w: f64,
    /// Electrical power of compressor and heater, W.
    drive_w: f64,
    pub(crate) condensing_c: f64,
    pub(crate) compressor_on: bool,
    /// The high-pressure switch has tripped.
    pub(crate) high_pressure: bool,
    since_s: f64,
    /// Heat taken out by the compressor, J.
    pub(crate) cooled_j: f64,
    /// Heat put in by the heater, J.
    pub(crate) heated_j: f64,
    /// Heat put in by the pump, J.
    pub(crate) pump_j: f64,
    /// Heat that left with leaked coolant, J over 0 °C.
    pub(crate) leaked_j: f64,
}

/// What the chiller's controller reads, °C; none of a broken wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sensed {
    pub(crate) supply_c: Option<f64>,
    pub(crate) return_c: Option<f64>,
}

impl Cooling {
    pub(crate) fn new(spec: &CoolingSpec, packs: usize, plates_l: f64, start_c: f64, ambient_c: f64) -> Self {
        Self {
            spec: spec.clone(),
            packs,
            plates_l,
            mode: CoolingMode::Off,
            setpoint_c: 22.0,
            powered: true,
            pump_failed: false,
            chiller_failed: false,
            condenser_blocked: 0.0,
            refrigerant_lost: 0.0,
            leak_l_per_min: 0.0,
            level_l: spec.volume_l,
            supply_c: start_c,
            return_c: start_c,
            thermal_w: 0.0,
            drive_w: 0.0,
            condensing_c: ambient_c,
            compressor_on: false,
            high_pressure: false,
            since_s: spec.min_off_s,
            cooled_j: 0.0,
            heated_j: 0.0,
            pump_j: 0.0,
            leaked_j: 0.0,
        }
    }

    /// Flow now, L/min.
    pub(crate) fn flow_l_per_min(&self) -> f64 {
        self.flow() * self.spec.flow_l_per_min
    }

    /// Flow now, share of nominal.
    fn flow(&self) -> f64 {
        if self.mode == CoolingMode::Off || self.pump_failed || !self.powered {
            return 0.0;
        }
        ((self.level() - LEVEL[0]) / (LEVEL[1] - LEVEL[0])).clamp(0.0, 1.0)
    }

    /// Coolant outside the plates, share of its fill.
    pub(crate) fn level(&self) -> f64 {
        (self.level_l - self.plates_l) / (self.spec.volume_l - self.plates_l)
    }

    /// Flow through a pack, share of the mean at nominal flow; packs lie along the manifolds in their order.
    pub(crate) fn pack_flow(&self, pack: usize) -> f64 {
        let last = self.packs.saturating_sub(1).max(1) as f64;
        let nearness = if self.packs > 1 {
            1.0 - 2.0 * pack as f64 / last
        } else {
            0.0
        };
        self.flow() * (1.0 + self.spec.flow_spread * nearness)
    }

    /// Electrical power, W.
    pub(crate) fn electrical_w(&self) -> f64 {
        self.pump_w() + self.drive_w
    }

    /// Heat in the coolant outside the plates, J over 0 °C.
    pub(crate) fn stored_j(&self) -> f64 {
        self.loop_j_per_k() * self.supply_c
    }

    /// Coolant filled up again, at the temperature of the supply.
    pub(crate) fn refill(&mut self) {
        self.leak_l_per_min = 0.0;
        self.drain(self.level_l - self.spec.volume_l);
    }

    /// One slow cycle: `carried_j` comes back from the packs with `return_c`. Returns whether the high-pressure switch
    /// has just tripped.
    pub(crate) fn step(
        &mut self,
        dt_s: f64,
        carried_j: f64,
        return_c: Option<f64>,
        ambient_c: f64,
        sensed: Sensed,
    ) -> bool {
        self.return_c = return_c.unwrap_or(self.return_c);
        let least_l = self.plates_l + DREGS * (self.spec.volume_l - self.plates_l);
        self.drain((self.leak_l_per_min / 60.0 * dt_s).min(self.level_l - least_l));

        // without any sensor it does not know and does nothing
        let regulated_c = sensed.supply_c.or(sensed.return_c).unwrap_or(self.setpoint_c);
        let over_k = regulated_c - self.setpoint_c;
        // the condenser is as hot as if the air outside were warmer
        let clear_k = self.spec.condenser_k_per_kw * (self.thermal_w.max(0.0) + self.drive_w) / 1e3;
        let open = (1.0 - self.condenser_blocked).max(CONDENSER_LEAST);
        let condenser_air_c = ambient_c + clear_k / open - clear_k;
        let able = self.able();
        self.step_compressor(dt_s, over_k, able);
        let capacity_w = self.spec.capacity_w
            * over_ambient(self.spec.capacity_slope_per_k, condenser_air_c)
            * (1.0 - self.refrigerant_lost);
        let target_w = if self.compressor_on {
            capacity_w * ((over_k + self.spec.band_k) / (2.0 * self.spec.band_k)).clamp(0.0, 1.0)
        } else if self.mode == CoolingMode::Heat && able && over_k < 0.0 {
            -self.spec.heater_w * (-over_k).min(1.0)
        } else {
            0.0
        };
        // heater and a stopped compressor act at once, cooling comes with the refrigerant's lag
        let follow = if target_w > 0.0 {
            -libm::expm1(-dt_s / self.spec.response_s)
        } else {
            1.0
        };
        self.thermal_w = (self.thermal_w.max(target_w.min(0.0)) - target_w) * (1.0 - follow) + target_w;
        let tripped = self.condense(ambient_c, condenser_air_c, open);

        let pump_j = self.pump_w() * dt_s;
        self.pump_j += pump_j;
        self.cooled_j += self.thermal_w.max(0.0) * dt_s;
        self.heated_j += (-self.thermal_w).max(0.0) * dt_s;
        self.supply_c += (carried_j + pump_j - self.thermal_w * dt_s) / self.loop_j_per_k();
        tripped
    }

    /// Compressor power and condensing temperature for the heat taken out now, and what the pressure switch does.
    fn condense(&mut self, ambient_c: f64, condenser_air_c: f64, open: f64) -> bool {
        if self.thermal_w <= 0.0 {
            self.drive_w = -self.thermal_w;
            self.condensing_c = ambient_c;
        } else {
            let cop = self.spec.cop
                * over_ambient(self.spec.cop_slope_per_k, condenser_air_c)
                * (1.0 - COP_PER_REFRIGERANT * self.refrigerant_lost);
            self.drive_w = self.thermal_w / cop;
            let rejected_kw = (self.thermal_w + self.drive_w) / 1e3;
            self.condensing_c = ambient_c + self.spec.condenser_k_per_kw / open * rejected_kw;
        }
        let tripped = self.condensing_c >= self.spec.high_pressure_c && !self.high_pressure;
        if tripped {
            self.high_pressure = true;
        } else if self.mode != CoolingMode::Cool {
            self.high_pressure = false;
        }
        tripped
    }

    fn step_compressor(&mut self, dt_s: f64, over_k: f64, able: bool) {
        self.since_s += dt_s;
        let able = able && self.mode == CoolingMode::Cool && !self.high_pressure;
        let wanted = able
            && if self.compressor_on {
                over_k > -self.spec.band_k
            } else {
                over_k > 0.0
            };
        let least_s = if self.compressor_on {
            self.spec.min_on_s
        } else {
            self.spec.min_off_s
        };
        // switching off by command, for lack of flow or by failure does not wait
        if wanted != self.compressor_on && (self.since_s >= least_s || (self.compressor_on && !able)) {
            self.compressor_on = wanted;
            self.since_s = 0.0;
        }
    }

    /// Compressor and heater may run.
    fn able(&self) -> bool {
        !self.chiller_failed && self.flow() > 0.0 && self.flow() >= self.spec.low_flow_share
    }

    fn pump_w(&self) -> f64 {
        if self.mode == CoolingMode::Off || self.pump_failed || !self.powered {
            0.0
        } else {
            self.spec.pump_w
        }
    }

    fn drain(&mut self, litres: f64) {
        let before_j = self.stored_j();
        self.level_l -= litres;
        self.leaked_j += before_j - self.stored_j();
    }

    fn loop_j_per_k(&self) -> f64 {
        (self.level_l - self.plates_l) * self.spec.density_kg_per_l * self.spec.specific_heat_j_per_kg_k
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed unwrap is the test failing; measured figures show with --nocapture"
)]
mod tests {
    use super::*;

    /// The shipped loop with a heat load instead of packs.
    struct Bench {
        cooling: Cooling,
        load_w: f64,
        ambient_c: f64,
        sensed: fn(&Cooling) -> Sensed,
        /// When the compressor came on and went off, s.
        switched: Vec<f64>,
        seconds: f64,
    }

    fn bench(load_w: f64, ambient_c: f64) -> Bench {
        let container = crate::testing::spec().container;
        let plates_l = 81.0 * container.pack.plate.unwrap().coolant_l;
        let mut cooling = Cooling::new(&container.cooling.unwrap(), 81, plates_l, 25.0, ambient_c);
        cooling.mode = CoolingMode::Cool;
        Bench {
            cooling,
            load_w,
            ambient_c,
            sensed: |cooling| Sensed {
                supply_c: Some(cooling.supply_c),
                return_c: Some(cooling.return_c),
            },
            switched: Vec::new(),
            seconds: 0.0,
        }
    }

    impl Bench {
        /// Returns whether the high-pressure switch tripped.
        fn run(&mut self, seconds: usize) -> bool {
            let mut tripped = false;
            for _ in 0..seconds {
                let before = self.cooling.compressor_on;
                let sensed = (self.sensed)(&self.cooling);
                let flow_w_per_k = self.cooling.flow_l_per_min() / 60.0 * 1.05 * 3500.0;
                let return_c =
                    (flow_w_per_k > 0.0).then(|| self.cooling.supply_c + self.load_w / flow_w_per_k);
                tripped |= self
                    .cooling
                    .step(1.0, self.load_w, return_c, self.ambient_c, sensed);
                self.seconds += 1.0;
                if before != self.cooling.compressor_on {
                    self.switched.push(self.seconds);
                }
            }
            tripped
        }
    }

    #[test]
    fn it_holds_the_load_with_the_stated_efficiency() {
        let mut bench = bench(36_000.0, 35.0);
        bench.run(3600);
        let cooling = &bench.cooling;
        // load and pump come out
        assert!(
            (cooling.thermal_w - 37_500.0).abs() < 50.0,
            "{}",
            cooling.thermal_w
        );
        assert!((cooling.supply_c - 22.0).abs() < 2.5, "{}", cooling.supply_c);
        let cop = cooling.thermal_w / (cooling.electrical_w() - 1500.0);
        assert!((cop - 2.8).abs() < 1e-9, "{cop}");
    }

    #[test]
    fn heat_outside_costs_capacity_and_efficiency() {
        let most = |ambient_c: f64| {
            let mut bench = bench(70_000.0, ambient_c);
            bench.run(1200);
            let cooling = &bench.cooling;
            (cooling.thermal_w, cooling.thermal_w / cooling.drive_w)
        };
        let (stated_w, stated) = most(35.0);
        let (hot_w, hot) = most(45.0);
        println!("35 °C: {stated_w:.0} W, COP {stated:.2}; 45 °C: {hot_w:.0} W, COP {hot:.2}");
        assert!((stated_w - 50_000.0).abs() < 1.0 && (stated - 2.8).abs() < 1e-9);
        assert!((hot_w - 45_000.0).abs() < 1.0 && (hot - 2.24).abs() < 1e-9);
    }

    #[test]
    fn the_compressor_keeps_its_least_times() {
        let mut bench = bench(1000.0, 30.0);
        bench.run(20_000);
        let times: Vec<f64> = bench.switched.windows(2).map(|t| t[1] - t[0]).collect();
        assert!(times.len() > 4, "{times:?}");
        for (k, &time) in times.iter().enumerate() {
            let least_s = if k % 2 == 0 { 120.0 } else { 180.0 };
            assert!(time >= least_s, "{time} of {times:?}");
        }
        // by command it stops at once, and rests all the same
        while !bench.cooling.compressor_on {
            bench.run(1);
        }
        bench.cooling.mode = CoolingMode::Off;
        bench.run(1);
        assert!(!bench.cooling.compressor_on);
        bench.cooling.mode = CoolingMode::Cool;
        bench.cooling.supply_c = 40.0;
        bench.run(178);
        assert!(!bench.cooling.compressor_on);
        bench.run(3);
        assert!(bench.cooling.compressor_on);
    }

    #[test]
    fn a_blocked_condenser_trips_until_the_compressor_is_switched_off() {
        let mut bench = bench(45_000.0, 40.0);
        assert!(!bench.run(1800), "{} °C when clean", bench.cooling.condensing_c);
        bench.cooling.condenser_blocked = 0.7;
        assert!(bench.run(600));
        bench.cooling.condenser_blocked = 0.0;
        assert!(!bench.run(600) && !bench.cooling.compressor_on, "latched");
        bench.cooling.mode = CoolingMode::Circulate;
        bench.run(1);
        bench.cooling.mode = CoolingMode::Cool;
        bench.run(300);
        assert!(bench.cooling.compressor_on);
    }

    #[test]
    fn lost_refrigerant_is_lost_capacity() {
        let mut bench = bench(70_000.0, 35.0);
        bench.cooling.refrigerant_lost = 0.4;
        bench.run(1200);
        let cooling = &bench.cooling;
        assert!(
            (cooling.thermal_w - 30_000.0).abs() < 1.0,
            "{}",
            cooling.thermal_w
        );
        assert!((cooling.thermal_w / cooling.drive_w - 2.24).abs() < 1e-9);
    }

    #[test]
    fn leaking_coolant_takes_flow_and_then_the_compressor() {
        let mut bench = bench(20_000.0, 30.0);
        bench.run(600);
        let before_j = bench.cooling.stored_j() + bench.cooling.cooled_j - bench.cooling.pump_j;
        bench.cooling.leak_l_per_min = 2.0;
        bench.run(300);
        assert_eq!(bench.cooling.flow_l_per_min(), 250.0);
        bench.run(1200);
        assert!(bench.cooling.level() < 0.6 && bench.cooling.flow_l_per_min() < 100.0);
        assert!(!bench.cooling.compressor_on, "blocked by low flow");
        let now_j = bench.cooling.stored_j() + bench.cooling.cooled_j - bench.cooling.pump_j;
        let balance_j = now_j + bench.cooling.leaked_j - before_j - 1500.0 * 20_000.0;
        assert!(balance_j.abs() < 1.0, "{balance_j}");
        bench.run(100_000);
        assert!(bench.cooling.level() > 0.04);
        bench.cooling.refill();
        assert_eq!(bench.cooling.flow_l_per_min(), 250.0);
    }

    #[test]
    fn it_regulates_on_what_its_sensors_say() {
        let mut high = bench(36_000.0, 30.0);
        high.run(3600);
        let right_c = high.cooling.supply_c;
        high.sensed = |cooling| Sensed {
            supply_c: Some(cooling.supply_c + 4.0),
            return_c: Some(cooling.return_c),
        };
        high.run(3600);
        assert!((high.cooling.supply_c - (right_c - 4.0)).abs() < 0.1);
        high.sensed = |cooling| Sensed {
            supply_c: None,
            return_c: Some(cooling.return_c),
        };
        high.run(3600);
        assert!(
            (high.cooling.return_c - right_c).abs() < 0.1,
            "{}",
            high.cooling.return_c
        );
    }

    #[test]
    fn near_packs_get_more_than_far_ones() {
        let bench = bench(0.0, 30.0);
        let flows: Vec<f64> = (0..81).map(|pack| bench.cooling.pack_flow(pack)).collect();
        assert!((flows[0] - 1.05).abs() < 1e-12 && (flows[80] - 0.95).abs() < 1e-12);
        assert!((flows.iter().sum::<f64>() - 81.0).abs() < 1e-9);
    }

    #[test]
    fn without_mains_nothing_runs() {
        let mut bench = bench(36_000.0, 30.0);
        bench.run(600);
        bench.cooling.powered = false;
        bench.run(1);
        assert_eq!(bench.cooling.electrical_w(), 0.0);
        assert_eq!(bench.cooling.flow_l_per_min(), 0.0);
    }
}
