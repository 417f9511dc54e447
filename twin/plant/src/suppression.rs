//! Gaseous suppression: cylinder, discharge, concentration in the room.
//!
//! Modelled: linear rise to slightly above design within the discharge time, first-order loss (faster through
//! an open damper or with the fan on), cylinder pressure, discharge pressure switch, brief cooling of hot
//! cells. It puts flame out (`gas.rs`) and does not stop gas. Not modelled: nozzle distribution, decomposition.
//! Constants: cell-and-thermal §11.

use bess_types::SimTime;

use crate::spec::SuppressionSpec;
use crate::topology::PlantEvent;

#[derive(Clone, Debug)]
pub(crate) struct Suppression {
    spec: SuppressionSpec,
    /// Valve told to open since, s.
    open_s: Option<f64>,
    pub(crate) valve_stuck: bool,
    /// Share of the charge still in the cylinder.
    charge: f64,
    /// Concentration relative to design.
    pub(crate) concentration: f64,
    reached: bool,
    below_hold: bool,
    /// Agent flows through the pipe.
    pub(crate) flowing: bool,
}

impl Suppression {
    pub(crate) fn new(spec: &SuppressionSpec) -> Self {
        Self {
            spec: spec.clone(),
            open_s: None,
            valve_stuck: false,
            charge: 1.0,
            concentration: 0.0,
            reached: false,
            below_hold: false,
            flowing: false,
        }
    }

    /// Opens the valve, once.
    pub(crate) fn release(&mut self, now: SimTime, events: &mut Vec<PlantEvent>) {
        if self.open_s.is_some() || self.valve_stuck {
            return;
        }
        self.open_s = Some(0.0);
        if self.charge > 0.0 {
            events.push(event(now, "agent-released", 1.0, "cylinder valve open"));
        }
    }

    /// The cylinder has leaked empty.
    pub(crate) fn empty(&mut self) {
        self.charge = 0.0;
    }

    /// A new full cylinder, valve closed.
    pub(crate) fn replace_cylinder(&mut self) {
        self.charge = 1.0;
        self.open_s = None;
    }

    /// Whether agent has been let out.
    pub(crate) fn released(&self) -> bool {
        self.open_s.is_some()
    }

    /// Concentration, % by volume.
    pub(crate) fn percent(&self) -> f64 {
        self.concentration * self.spec.design_percent
    }

    /// Cylinder pressure, Pa.
    pub(crate) fn pressure_pa(&self) -> f64 {
        101_325.0 + (self.spec.pressure_pa - 101_325.0) * self.charge
    }

    /// Discharge pressure switch.
    pub(crate) fn flow_switch(&self) -> bool {
        self.flowing && self.open_s.is_some_and(|s| s >= self.spec.flow_switch_s)
    }

    /// Heat taken from hot cells, W.
    pub(crate) fn cooling_w(&self) -> f64 {
        let cools = self.open_s.is_some_and(|s| s < self.spec.cooling_s) && self.concentration > 0.1;
        if cools { self.spec.cooling_w } else { 0.0 }
    }

    /// One medium cycle.
    pub(crate) fn step(&mut self, now: SimTime, dt_s: f64, vented: bool, events: &mut Vec<PlantEvent>) {
        self.flowing = false;
        if let Some(open_s) = &mut self.open_s {
            *open_s += dt_s;
            let out = (dt_s / self.spec.discharge_s).min(self.charge);
            self.flowing = out > 0.0;
            self.charge = if self.charge - out < 1e-9 {
                0.0
            } else {
                self.charge - out
            };
            self.concentration += out * self.spec.charge_ratio;
        }
        self.concentration *= libm::exp(-self.spec.leak_per_h[usize::from(vented)] / 3600.0 * dt_s);
        if !self.reached && self.concentration >= 1.0 {
            self.reached = true;
            events.push(event(now, "agent-design-reached", 1.0, "design concentration"));
        }
        if self.reached && !self.below_hold && self.concentration < self.spec.hold_share {
            self.below_hold = true;
            events.push(event(now, "agent-below-hold", 1.0, "agent has thinned out"));
        }
    }
}

fn event(at: SimTime, point: &'static str, value: f64, text: &str) -> PlantEvent {
    PlantEvent {
        at,
        part: "suppression".into(),
        point,
        value,
        text: text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold_s(vented: bool) -> f64 {
        let mut suppression = Suppression::new(&crate::testing::spec().container.suppression);
        let mut events = Vec::new();
        suppression.release(SimTime::ZERO, &mut events);
        for k in 1..20_000 {
            suppression.step(SimTime::from_millis(100 * k), 0.1, vented, &mut events);
        }
        let at = |point| {
            events
                .iter()
                .find(|e| e.point == point)
                .map_or(f64::NAN, |e| e.at.as_secs_f64())
        };
        assert!(at("agent-design-reached") <= 10.0);
        at("agent-below-hold") - at("agent-design-reached")
    }

    #[test]
    fn design_in_ten_seconds_then_held_ten_minutes_closed_two_vented() {
        assert!((600.0..700.0).contains(&hold_s(false)), "{}", hold_s(false));
        assert!((100.0..140.0).contains(&hold_s(true)), "{}", hold_s(true));
    }

    #[test]
    fn an_empty_cylinder_gives_nothing() {
        let mut suppression = Suppression::new(&crate::testing::spec().container.suppression);
        let mut events = Vec::new();
        suppression.empty();
        suppression.release(SimTime::ZERO, &mut events);
        suppression.step(SimTime::from_millis(2000), 2.0, false, &mut events);
        assert!(events.is_empty() && !suppression.flow_switch() && suppression.concentration == 0.0);
    }
}
