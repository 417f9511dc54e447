//! Container air, structure, ceiling and HVAC.
//!
//! Modelled: one air node, one node for racks and walls, the ceiling sensor's place as air plus a plume rise
//! in proportion to convective heat, on-off HVAC cooling, air changed with outside. Not modelled: flow, humidity.
//! Constants: cell-and-thermal §6 and §10, mostly assumptions.

use crate::spec::AirSpec;

/// Heat capacity of air per volume, J/(m³ K).
pub(crate) const AIR_J_PER_M3_K: f64 = 1206.0;

#[derive(Clone, Debug)]
pub(crate) struct Air {
    spec: AirSpec,
    pub(crate) ambient_c: f64,
    /// Mean air, °C.
    pub(crate) mean_c: f64,
    /// Racks and walls, °C.
    pub(crate) structure_c: f64,
    /// Rise at the ceiling over mean air, K.
    plume_k: f64,
    hvac_cooling: bool,
    pub(crate) hvac: bool,
    pub(crate) fan: bool,
    pub(crate) damper_open: bool,
    pub(crate) door_open: bool,
    /// Explosion panels have opened.
    pub(crate) panels_open: bool,
    /// Sensors' lag: ceiling, air, ambient, °C.
    pub(crate) sensed_c: [f64; 3],
}

impl Air {
    pub(crate) fn new(spec: &AirSpec, start_c: f64, ambient_c: f64) -> Self {
        Self {
            spec: spec.clone(),
            ambient_c,
            mean_c: start_c,
            structure_c: start_c,
            plume_k: 0.0,
            hvac_cooling: false,
            hvac: false,
            fan: false,
            damper_open: false,
            door_open: false,
            panels_open: false,
            sensed_c: [start_c, start_c, ambient_c],
        }
    }

    /// Ceiling temperature, °C.
    pub(crate) fn ceiling_c(&self) -> f64 {
        self.mean_c + self.plume_k
    }

    /// Electrical power of HVAC, W.
    pub(crate) fn electrical_w(&self) -> f64 {
        let hvac = &self.spec.hvac;
        let fan_w = if self.hvac {
            hvac.fan_w * hvac.units as f64
        } else {
            0.0
        };
        fan_w
            + if self.hvac_cooling {
                hvac.capacity_w * hvac.units as f64 / hvac.cop
            } else {
                0.0
            }
    }

    /// Air changes with outside, 1/s.
    pub(crate) fn changes_per_s(&self) -> f64 {
        let [closed, damper, fan, door] = self.spec.changes_per_h;
        let through_vent = match (self.fan, self.damper_open) {
            (true, true) => fan,
            (false, true) => damper,
            (_, false) => closed,
        };
        let through_openings = if self.panels_open || self.door_open {
            door
        } else {
            closed
        };
        through_vent.max(through_openings) / 3600.0
    }

    /// One medium cycle: `heat_j` from equipment, `convective_w` from vent gas and flame.
    pub(crate) fn step(&mut self, dt_s: f64, heat_j: f64, convective_w: f64, sensor_lag_s: f64) {
        self.hvac_cooling = self.hvac
            && if self.hvac_cooling {
                self.mean_c > self.spec.hvac.setpoint_c - 1.0
            } else {
                self.mean_c > self.spec.hvac.setpoint_c + 1.0
            };
        let hvac_w = if self.hvac_cooling {
            self.spec.hvac.capacity_w * self.spec.hvac.units as f64
        } else {
            0.0
        };
        let air_j_per_k = self.spec.volume_m3 * AIR_J_PER_M3_K;
        let to_structure_w = (self.mean_c - self.structure_c) * self.spec.air_to_structure_w_per_k;
        let exchanged =
            (self.mean_c - self.ambient_c) * air_j_per_k * -libm::expm1(-self.changes_per_s() * dt_s);
        let out_w = (self.structure_c - self.ambient_c) * self.spec.envelope_w_per_k;
        self.mean_c += (heat_j + (convective_w - hvac_w - to_structure_w) * dt_s - exchanged) / air_j_per_k;
        self.structure_c += (to_structure_w - out_w) * dt_s / self.spec.structure_j_per_k;
        let plume_k = convective_w / 1e3 * self.spec.plume_k_per_kw[usize::from(self.hvac)];
        self.plume_k += (plume_k - self.plume_k) * -libm::expm1(-dt_s / self.spec.plume_s);
        let follow = -libm::expm1(-dt_s / sensor_lag_s);
        for (sensed, now_c) in
            self.sensed_c
                .iter_mut()
                .zip([self.mean_c + self.plume_k, self.mean_c, self.ambient_c])
        {
            *sensed += (now_c - *sensed) * follow;
        }
    }

    /// Ceiling layer and room mix with this time constant, s.
    pub(crate) fn mixing_s(&self) -> f64 {
        self.spec.mixing_s[usize::from(self.hvac || self.fan)]
    }
}
