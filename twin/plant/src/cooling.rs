//! Coolant loop and chiller.
//!
//! Modelled: one supply node holding half of the coolant (the other half is in the plates), a modulating
//! compressor with proportional band, first-order response, least on and off times, a heater, a pump.
//! Not modelled: refrigerant cycle, capacity over ambient temperature, pressure. Constants: cell-and-thermal §6.

use bess_types::CoolingMode;

use crate::spec::CoolingSpec;
use crate::thermal::Coolant;

#[derive(Clone, Debug)]
pub(crate) struct Cooling {
    spec: CoolingSpec,
    packs: f64,
    pub(crate) mode: CoolingMode,
    pub(crate) setpoint_c: f64,
    pub(crate) pump_failed: bool,
    pub(crate) chiller_failed: bool,
    /// Supply temperature, °C.
    pub(crate) supply_c: f64,
    /// Return temperature, °C.
    pub(crate) return_c: f64,
    /// Heat taken out (positive) or put in, W.
    pub(crate) thermal_w: f64,
    pub(crate) compressor_on: bool,
    since_s: f64,
}

impl Cooling {
    pub(crate) fn new(spec: &CoolingSpec, packs: usize, start_c: f64) -> Self {
        Self {
            spec: spec.clone(),
            packs: packs as f64,
            mode: CoolingMode::Off,
            setpoint_c: 22.0,
            pump_failed: false,
            chiller_failed: false,
            supply_c: start_c,
            return_c: start_c,
            thermal_w: 0.0,
            compressor_on: false,
            since_s: spec.min_off_s,
        }
    }

    /// Flow now, L/min.
    pub(crate) fn flow_l_per_min(&self) -> f64 {
        if self.mode == CoolingMode::Off || self.pump_failed {
            0.0
        } else {
            self.spec.flow_l_per_min
        }
    }

    /// The loop as the plates see it.
    pub(crate) fn coolant(&self) -> Coolant {
        Coolant {
            supply_c: self.supply_c,
            flow_l_per_min: self.flow_l_per_min(),
            pack_w_per_k: self.heat_flow_w_per_k() / self.packs,
        }
    }

    /// Electrical power, W.
    pub(crate) fn electrical_w(&self) -> f64 {
        let pump_w = if self.flow_l_per_min() > 0.0 {
            self.spec.pump_w
        } else {
            0.0
        };
        let heat_w = if self.thermal_w >= 0.0 {
            self.thermal_w / self.spec.cop
        } else {
            -self.thermal_w
        };
        pump_w + heat_w
    }

    /// One slow cycle; `plate_mean_c` is what comes back.
    pub(crate) fn step(&mut self, dt_s: f64, plate_mean_c: f64) {
        let flow_w_per_k = self.heat_flow_w_per_k();
        let warm_j = (plate_mean_c - self.supply_c) * flow_w_per_k * dt_s;
        if flow_w_per_k > 0.0 {
            self.return_c = plate_mean_c;
        }
        self.step_compressor(dt_s);
        let over_k = self.supply_c - self.setpoint_c;
        let target_w = if self.compressor_on {
            self.spec.capacity_w * ((over_k + self.spec.band_k) / (2.0 * self.spec.band_k)).clamp(0.0, 1.0)
        } else if self.mode == CoolingMode::Heat && self.able() && over_k < 0.0 {
            -self.spec.heater_w * (-over_k).min(1.0)
        } else {
            0.0
        };
        // heater and a stopped compressor act at once, cooling comes with the refrigerant's lag
        let follow = if target_w > 0.0 {
            1.0 - libm::exp(-dt_s / self.spec.response_s)
        } else {
            1.0
        };
        self.thermal_w = (self.thermal_w.max(target_w.min(0.0)) - target_w) * (1.0 - follow) + target_w;
        let half_j_per_k =
            0.5 * self.spec.volume_l * self.spec.density_kg_per_l * self.spec.specific_heat_j_per_kg_k;
        self.supply_c += (warm_j - self.thermal_w * dt_s) / half_j_per_k;
    }

    fn step_compressor(&mut self, dt_s: f64) {
        self.since_s += dt_s;
        let over_k = self.supply_c - self.setpoint_c;
        let able = self.mode == CoolingMode::Cool && self.able();
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
        // switching off for lack of flow or by failure does not wait
        if wanted != self.compressor_on && (self.since_s >= least_s || (self.compressor_on && !able)) {
            self.compressor_on = wanted;
            self.since_s = 0.0;
        }
    }

    fn able(&self) -> bool {
        !self.chiller_failed && self.flow_l_per_min() > 0.0
    }

    fn heat_flow_w_per_k(&self) -> f64 {
        self.flow_l_per_min() / 60.0 * self.spec.density_kg_per_l * self.spec.specific_heat_j_per_kg_k
    }
}
