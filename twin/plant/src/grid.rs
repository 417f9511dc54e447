//! The grid at the PCS terminals: a stiff source whose voltage and frequency follow the scenario.
//!
//! Modelled: voltage per unit with linear ramps, frequency, loss and return. Not modelled: impedance,
//! imbalance, harmonics, islands formed by the PCS.

use crate::spec::GridSpec;

#[derive(Clone, Debug)]
pub(crate) struct Grid {
    nominal_v: f64,
    pub(crate) nominal_hz: f64,
    /// Voltage present.
    pub(crate) energised: bool,
    /// Voltage the source stands at, per unit, also while gone.
    pu: f64,
    target_pu: f64,
    slope_per_s: f64,
    /// Frequency the source stands at.
    pub(crate) frequency_hz: f64,
}

impl Grid {
    pub(crate) fn new(spec: &GridSpec) -> Self {
        Self {
            nominal_v: spec.nominal_v,
            nominal_hz: spec.nominal_hz,
            energised: true,
            pu: 1.0,
            target_pu: 1.0,
            slope_per_s: 0.0,
            frequency_hz: spec.nominal_hz,
        }
    }

    pub(crate) fn set_voltage(&mut self, pu: f64, ramp_s: f64) {
        self.target_pu = pu;
        if ramp_s > 0.0 {
            self.slope_per_s = (pu - self.pu).abs() / ramp_s;
        } else {
            self.pu = pu;
        }
    }

    pub(crate) fn step(&mut self, dt_s: f64) {
        let reach = self.slope_per_s * dt_s;
        self.pu += (self.target_pu - self.pu).clamp(-reach, reach);
    }

    /// Voltage at the terminals, per unit.
    pub(crate) fn voltage_pu(&self) -> f64 {
        if self.energised { self.pu } else { 0.0 }
    }

    /// Line to neutral, V.
    pub(crate) fn phase_v(&self) -> f64 {
        self.voltage_pu() * self.nominal_v / libm::sqrt(3.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ramps_end_at_their_target() {
        let mut grid = Grid::new(&GridSpec {
            nominal_v: 690.0,
            nominal_hz: 50.0,
        });
        grid.set_voltage(0.2, 2.0);
        for _ in 0..100 {
            grid.step(0.01);
        }
        assert!((grid.voltage_pu() - 0.6).abs() < 1e-9);
        for _ in 0..200 {
            grid.step(0.01);
        }
        assert_eq!(grid.voltage_pu(), 0.2);
        grid.energised = false;
        assert_eq!(grid.phase_v(), 0.0);
    }
}
