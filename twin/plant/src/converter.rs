//! The power conversion system between DC bus and grid.
//!
//! Modelled: gate, AC contactor, first-order active and reactive power, apparent-power limit falling with
//! grid voltage (constant current), DC current limit, DC voltage window, losses P0 + K·p² with the brochure's
//! best efficiency, cabinet temperature. Without gate, AC contactor, grid or DC voltage its power is zero at once.
//! Not modelled: switching ripple, protection inside the PCS (that is the device emulator's), grid forming,
//! precharge of the DC link from the AC side, time and temperature limits of an overload (`overload_pu` holds without
//! end). Constants: plant.md §5.3, §5.5, protection §8.

use core::time::Duration;

use bess_types::SimTime;

use crate::grid::Grid;
use crate::spec::ConverterSpec;
use crate::topology::PlantEvent;

#[derive(Clone, Debug)]
pub(crate) struct Converter {
    spec: ConverterSpec,
    pub(crate) gate: bool,
    ac_driven: bool,
    pub(crate) ac_closed: bool,
    ac_pending: Option<(SimTime, bool)>,
    demand_w: f64,
    demand_var: f64,
    /// Power stage transfers power.
    pub(crate) running: bool,
    /// Active power at the AC terminals at the end of the step, W.
    pub(crate) active_w: f64,
    /// Reactive power at the end of the step, var.
    pub(crate) reactive_var: f64,
    /// Mean active power over the step.
    mean_w: f64,
    /// Loss over the step, W.
    pub(crate) loss_w: f64,
    /// DC current, A.
    pub(crate) dc_a: f64,
    /// Cabinet rise over ambient, K.
    pub(crate) rise_k: f64,
    power_present: bool,
    /// Energy given to the grid, J.
    pub(crate) ac_j: f64,
    /// Energy lost, J.
    pub(crate) loss_j: f64,
}

impl Converter {
    pub(crate) fn new(spec: &ConverterSpec) -> Self {
        Self {
            spec: spec.clone(),
            gate: false,
            ac_driven: false,
            ac_closed: false,
            ac_pending: None,
            demand_w: 0.0,
            demand_var: 0.0,
            running: false,
            active_w: 0.0,
            reactive_var: 0.0,
            mean_w: 0.0,
            loss_w: 0.0,
            dc_a: 0.0,
            rise_k: 0.0,
            power_present: false,
            ac_j: 0.0,
            loss_j: 0.0,
        }
    }

    pub(crate) fn actuate(
        &mut self,
        now: SimTime,
        gate: bool,
        ac_contactor: bool,
        demand_w: f64,
        demand_var: f64,
        events: &mut Vec<PlantEvent>,
    ) {
        if gate != self.gate {
            self.gate = gate;
            events.push(event(
                now,
                "gate",
                f64::from(gate),
                if gate {
                    "gate pulses on"
                } else {
                    "gate pulses blocked"
                },
            ));
            if !gate {
                self.stop(now, events);
            }
        }
        if ac_contactor != self.ac_driven {
            self.ac_driven = ac_contactor;
            let delay = Duration::from_nanos(nanos(self.spec.ac_contactor_ms / 1e3));
            self.ac_pending = (ac_contactor != self.ac_closed).then(|| (now + delay, ac_contactor));
        }
        let finite = |x: f64| if x.is_finite() { x } else { 0.0 };
        self.demand_w = finite(demand_w);
        self.demand_var = finite(demand_var);
    }

    /// AC contactor and running state for the step from `start` to `end`, and the mean powers over it.
    pub(crate) fn begin_step(
        &mut self,
        end: SimTime,
        dt_s: f64,
        bus_v: f64,
        grid: &Grid,
        events: &mut Vec<PlantEvent>,
    ) {
        if let Some((at, closed)) = self.ac_pending.filter(|&(at, _)| at <= end) {
            self.ac_pending = None;
            self.ac_closed = closed;
            events.push(event(
                at,
                "ac-contactor",
                f64::from(closed),
                if closed { "closed" } else { "open" },
            ));
        }
        let [low, high] = self.spec.dc_range_v;
        // a little above the lower limit before starting, so that it does not hunt there
        let start_v = if self.running { low } else { 1.01 * low };
        let able = self.gate && self.ac_closed && grid.energised && (start_v..=high).contains(&bus_v);
        if able != self.running {
            if able {
                self.running = true;
                events.push(event(end, "running", 1.0, "power stage running"));
            } else {
                self.stop(end, events);
            }
        }
        if !self.running {
            self.loss_w = 0.0;
            return;
        }
        let limit_va = self.spec.overload_pu * self.spec.rated_va * grid.voltage_pu().clamp(0.0, 1.0);
        let dc_limit_w = self.spec.dc_max_a * bus_v;
        let target_w = self
            .demand_w
            .clamp(-limit_va, limit_va)
            .clamp(-dc_limit_w, dc_limit_w);
        let left_var = libm::sqrt(limit_va * limit_va - target_w * target_w);
        let target_var = self.demand_var.clamp(-left_var, left_var);
        let tau_s = self.spec.active_power_ms / 1e3;
        let left = libm::exp(-dt_s / tau_s);
        self.mean_w = target_w + (self.active_w - target_w) * tau_s / dt_s * (1.0 - left);
        self.active_w = target_w + (self.active_w - target_w) * left;
        let left = libm::exp(-dt_s / (self.spec.reactive_power_ms / 1e3));
        self.reactive_var = target_var + (self.reactive_var - target_var) * left;
        // the current limit acts at once, not with the control's time constant
        self.active_w = self.active_w.clamp(-limit_va, limit_va);
        self.mean_w = self.mean_w.clamp(-limit_va, limit_va);
        self.loss_w = self.loss_at(self.mean_w, self.reactive_var);
        self.note_power(end, events);
    }

    /// Power taken from the DC bus, W.
    pub(crate) fn dc_power_w(&self) -> f64 {
        if self.running {
            self.mean_w + self.loss_w
        } else {
            0.0
        }
    }

    /// DC current limit, A.
    pub(crate) fn dc_limit_a(&self) -> f64 {
        self.spec.dc_max_a
    }

    /// DC voltage below and above which it cannot run, V.
    pub(crate) fn dc_range_v(&self) -> [f64; 2] {
        self.spec.dc_range_v
    }

    /// Books a part of the step in which the bus delivered `dc_j`.
    pub(crate) fn book(&mut self, dt_s: f64, dc_j: f64) {
        if self.running {
            // the DC current limit, or a bus that falls away within the step, shows at the AC side
            self.ac_j += dc_j - self.loss_w * dt_s;
            self.loss_j += self.loss_w * dt_s;
        }
    }

    /// Power stage off: no power from here on.
    pub(crate) fn stop(&mut self, at: SimTime, events: &mut Vec<PlantEvent>) {
        if self.running {
            self.running = false;
            events.push(event(at, "running", 0.0, "power stage stopped"));
        }
        self.active_w = 0.0;
        self.reactive_var = 0.0;
        self.mean_w = 0.0;
        self.loss_w = 0.0;
        self.dc_a = 0.0;
        self.note_power(at, events);
    }

    /// Cabinet temperature, in the slow cycle.
    pub(crate) fn warm(&mut self, dt_s: f64) {
        let target = self.loss_w * self.spec.rise_k_per_w;
        self.rise_k += (target - self.rise_k) * (1.0 - libm::exp(-dt_s / self.spec.rise_s));
    }

    /// Rated apparent power, VA.
    pub(crate) fn rated_va(&self) -> f64 {
        self.spec.rated_va
    }

    fn loss_at(&self, active_w: f64, reactive_var: f64) -> f64 {
        let [constant, quadratic] = if active_w >= 0.0 {
            self.spec.loss_discharge_pu
        } else {
            self.spec.loss_charge_pu
        };
        let s2 =
            (active_w * active_w + reactive_var * reactive_var) / (self.spec.rated_va * self.spec.rated_va);
        (constant + quadratic * s2) * self.spec.rated_va
    }

    fn note_power(&mut self, at: SimTime, events: &mut Vec<PlantEvent>) {
        let present = self.active_w.abs() > 0.01 * self.spec.rated_va;
        if present != self.power_present {
            self.power_present = present;
            events.push(event(
                at,
                "power-present",
                f64::from(present),
                if present {
                    "above 1 % of rated"
                } else {
                    "below 1 % of rated"
                },
            ));
        }
    }
}

fn event(at: SimTime, point: &'static str, value: f64, text: &str) -> PlantEvent {
    PlantEvent {
        at,
        part: "pcs".into(),
        point,
        value,
        text: text.into(),
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times from checked data, far below 2^64 ns"
)]
pub(crate) fn nanos(seconds: f64) -> u64 {
    libm::round(seconds.max(0.0) * 1e9) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_efficiency_is_the_brochures() {
        let converter = Converter::new(&crate::testing::spec().container.converter);
        for sign in [1.0, -1.0] {
            let best = (1..=110)
                .map(|percent| {
                    let ac_w = 1.725e6 * f64::from(percent) / 100.0;
                    let loss_w = converter.loss_at(sign * ac_w, 0.0);
                    if sign > 0.0 {
                        ac_w / (ac_w + loss_w)
                    } else {
                        (ac_w - loss_w) / ac_w
                    }
                })
                .fold(0.0, f64::max);
            assert!((best - 0.99).abs() < 0.001, "{best}");
        }
    }
}
