//! A cell on a test bench: the plant's own electrical model under a prescribed current, with one heat node.
//!
//! For comparing the model with measurements and other models without building a container. The cell is
//! nominal: no spread, no neighbours. Not a copy: every volt and joule comes from `cell.rs`.
//! The heat node stands for the whole cell; its cooling is one conductance to a constant ambient, solved
//! exactly for constant heat, so any conductance is stable.

use crate::cell::{Cells, SlowDecay, interpolate};
use crate::spec::{CellSpec, PlantConfigError};

/// Step of the bench, s: the plant's slow cycle. For a current constant over it charge and RC links are exact.
pub const STEP_S: f64 = 1.0;

/// One cell under a prescribed current.
#[derive(Clone, Debug)]
pub struct CellBench {
    cells: Cells,
    spec: CellSpec,
    slow: SlowDecay,
    cell_j_per_k: f64,
    cooling_w_per_k: f64,
    ambient_c: f64,
    temperature_c: [f64; 1],
    current_a: f64,
    heat_w: f64,
    reversible_w: f64,
}

impl CellBench {
    /// A rested cell at a state of charge (0 to 1) and temperature, °C, cooled through a conductance, W/K
    /// (0: adiabatic), to a constant ambient, °C.
    pub fn new(
        spec: &CellSpec,
        soc: f64,
        temperature_c: f64,
        cooling_w_per_k: f64,
        ambient_c: f64,
    ) -> Result<Self, PlantConfigError> {
        spec.check()?;
        for (field, value, min, max) in [
            ("soc", soc, 0.0, 1.0),
            ("temperature_c", temperature_c, -40.0, 70.0),
            ("cooling_w_per_k", cooling_w_per_k, 0.0, 1e9),
            ("ambient_c", ambient_c, -50.0, 70.0),
        ] {
            crate::spec::range(field, value, min, max)?;
        }
        Ok(Self {
            cells: Cells::new(spec, vec![soc], &[spec.capacity_ah], vec![1.0], 1, STEP_S),
            slow: SlowDecay::new(spec, STEP_S),
            cell_j_per_k: spec.mass_kg * spec.specific_heat_j_per_kg_k,
            spec: spec.clone(),
            cooling_w_per_k,
            ambient_c,
            temperature_c: [temperature_c],
            current_a: 0.0,
            heat_w: 0.0,
            reversible_w: 0.0,
        })
    }

    /// One second at a current, A, positive discharging.
    pub fn step(&mut self, current_a: f64) {
        self.current_a = current_a;
        self.cells.refresh(
            0..1,
            &self.temperature_c,
            current_a < 0.0,
            current_a == 0.0,
            &self.slow,
        );
        self.cells.step(0, current_a, current_a * current_a);
        self.heat_w = core::mem::take(&mut self.cells.heat_j[0]) / STEP_S;
        let kelvin = self.temperature_c[0] + 273.15;
        let entropy = &self.spec.entropy;
        self.reversible_w =
            -current_a * kelvin * interpolate(&entropy.soc, &entropy.mv_per_k, self.cells.soc[0]) * 1e-3;
        self.warm(self.heat_w + self.reversible_w);
    }

    /// Whole seconds at a current, A.
    pub fn run(&mut self, current_a: f64, seconds: u32) {
        for _ in 0..seconds {
            self.step(current_a);
        }
    }

    /// At a current, A, until the voltage falls to (discharging) or reaches (charging) a limit, V; the
    /// seconds it took, at most `seconds_max`. `None` if the limit was not met by then.
    pub fn run_to(&mut self, current_a: f64, limit_v: f64, seconds_max: u32) -> Option<u32> {
        for second in 1..=seconds_max {
            self.step(current_a);
            let met = if current_a > 0.0 {
                self.voltage_v() <= limit_v
            } else {
                self.voltage_v() >= limit_v
            };
            if met {
                return Some(second);
            }
        }
        None
    }

    /// Terminal voltage at the end of the last step under its current, V.
    pub fn voltage_v(&self) -> f64 {
        self.cells.voltage_v(0, self.current_a)
    }

    /// Cell temperature, °C.
    pub fn temperature_c(&self) -> f64 {
        self.temperature_c[0]
    }

    /// State of charge, 0 to 1.
    pub fn soc(&self) -> f64 {
        self.cells.soc[0]
    }

    /// Charge stored, Ah.
    pub fn stored_ah(&self) -> f64 {
        self.cells.stored_c(0..1) / 3600.0
    }

    /// Total DC resistance at the last refresh, Ω.
    pub fn resistance_ohm(&self) -> f64 {
        self.cells.resistance_ohm[0]
    }

    /// Irreversible heat of the last step (ohmic, RC, hysteresis, coulombic), W.
    pub fn heat_w(&self) -> f64 {
        self.heat_w
    }

    /// Reversible (entropic) heat of the last step, W; negative cools.
    pub fn reversible_w(&self) -> f64 {
        self.reversible_w
    }

    /// Changes the surroundings, °C.
    pub fn set_ambient_c(&mut self, celsius: f64) {
        self.ambient_c = celsius;
    }

    /// Puts the cell at a temperature at once, °C.
    pub fn set_temperature_c(&mut self, celsius: f64) {
        self.temperature_c[0] = celsius;
    }

    /// One step of the heat node, exact for constant power.
    fn warm(&mut self, power_w: f64) {
        let ua = self.cooling_w_per_k;
        if ua > 0.0 {
            let end_c = self.ambient_c + power_w / ua;
            let follow = -libm::expm1(-ua * STEP_S / self.cell_j_per_k);
            self.temperature_c[0] += (end_c - self.temperature_c[0]) * follow;
        } else {
            self.temperature_c[0] += power_w * STEP_S / self.cell_j_per_k;
        }
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

    #[test]
    fn the_bench_is_the_plant_cell() {
        let spec = crate::testing::spec().cell;
        let mut bench = CellBench::new(&spec, 0.9, 25.0, 1e6, 25.0).unwrap();
        let mut plant = crate::testing::build(&crate::testing::small(1, 9), &crate::testing::uniform(0.9));
        crate::testing::close_all(&mut plant);
        crate::testing::power(&mut plant, 1.8e5);
        for _ in 0..30 {
            crate::testing::run(&mut plant, 1.0);
            bench.step(crate::testing::truth(&plant, "cluster-01", "current"));
        }
        let cell_v = crate::testing::truth(&plant, "cluster-01/pack-01/cell-01", "voltage");
        assert!(
            (bench.voltage_v() - cell_v).abs() < 5e-4,
            "{} against {cell_v}",
            bench.voltage_v()
        );
    }

    #[test]
    fn heat_ends_where_conductance_says() {
        let spec = crate::testing::spec().cell;
        let mut bench = CellBench::new(&spec, 0.5, 25.0, 0.0, 25.0).unwrap();
        bench.run(150.0, 60);
        let adiabatic_k = bench.temperature_c() - 25.0;
        assert!(adiabatic_k > 0.0);
        let mut bench = CellBench::new(&spec, 0.5, 25.0, 1e6, 10.0).unwrap();
        bench.run(0.0, 1);
        assert!(
            (bench.temperature_c() - 10.0).abs() < 0.01,
            "any conductance is stable"
        );
    }

    /// Full at 25 °C, then at a temperature down to 2.5 V at 0.5C; charge given and the bench.
    fn discharged_at(temperature_c: f64) -> (f64, CellBench) {
        let spec = crate::testing::spec().cell;
        let mut bench = CellBench::new(&spec, 1.0, temperature_c, 1e6, temperature_c).unwrap();
        let seconds = bench.run_to(150.0, 2.5, 10_000).unwrap();
        (f64::from(seconds) * 150.0 / 3600.0, bench)
    }

    /// cell-and-thermal §4, on top of what resistance costs.
    #[test]
    fn the_cold_keeps_charge_out_of_reach() {
        let (warm_ah, _) = discharged_at(25.0);
        for (temperature_c, share) in [(10.0, 0.98), (0.0, 0.94), (-10.0, 0.85), (-20.0, 0.72)] {
            let (ah, _) = discharged_at(temperature_c);
            println!("{temperature_c} °C: {:.1} Ah, {:.3} of 25 °C", ah, ah / warm_ah);
            let given = ah / warm_ah;
            assert!(
                given < share + 0.005 && given > share - 0.04,
                "{temperature_c} °C: {given}"
            );
        }
    }

    /// It is out of reach, not gone: the warm cell gives the rest, and so does a small current.
    #[test]
    fn charge_comes_back_with_warmth_or_patience() {
        let (warm_ah, _) = discharged_at(25.0);
        let (cold_ah, cold) = discharged_at(-10.0);
        let mut warmed = cold.clone();
        warmed.set_ambient_c(25.0);
        warmed.set_temperature_c(25.0);
        let seconds = warmed.run_to(150.0, 2.5, 10_000).unwrap();
        let both_ah = cold_ah + f64::from(seconds) * 150.0 / 3600.0;
        assert!(
            (both_ah / warm_ah - 1.0).abs() < 0.005,
            "{both_ah} against {warm_ah}"
        );
        let mut patient = cold;
        let seconds = patient.run_to(15.0, 2.5, 20_000).unwrap();
        assert!(f64::from(seconds) * 15.0 / 3600.0 > 0.05 * warm_ah);
    }

    /// A cycle in the cold costs more energy than a warm one, and never gives any.
    #[test]
    fn a_cold_cycle_only_loses() {
        let spec = crate::testing::spec().cell;
        let cycle_loss_wh = |temperature_c: f64| {
            let mut bench = CellBench::new(&spec, 0.6, temperature_c, 1e6, temperature_c).unwrap();
            let mut loss_wh = 0.0;
            for current_a in [100.0, -100.0] {
                for _ in 0..3600 {
                    bench.step(current_a);
                    loss_wh += bench.voltage_v() * current_a / -3600.0;
                    assert!(bench.heat_w() > -1e-9, "{}", bench.heat_w());
                }
            }
            loss_wh
        };
        let (warm, cold) = (cycle_loss_wh(25.0), cycle_loss_wh(-5.0));
        assert!(warm > 0.0 && cold > 1.5 * warm, "{cold} against {warm}");
    }

    #[test]
    fn nonsense_is_refused() {
        let spec = crate::testing::spec().cell;
        assert!(CellBench::new(&spec, 1.2, 25.0, 1.0, 25.0).is_err());
        assert!(CellBench::new(&spec, 0.5, f64::NAN, 1.0, 25.0).is_err());
    }
}
