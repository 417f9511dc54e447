//! Suppression: cylinder, discharge, concentration in the room, and what each agent does (CT §11).
//!
//! Modelled: rise to slightly above design, first-order loss (faster through an open damper or with the fan on),
//! cylinder pressure, discharge pressure switch; by agent the time from design concentration to flame out,
//! cooling of hot cells and for how long, its own smoke, which blinds smoke detectors, and wet insulation. Half of
//! design keeps gas from being lit, all of it for a while puts flame out. An agent does not stop gas: the room is
//! inerted and explosive when it is reopened (`gas.rs`).
//! Not modelled: nozzle distribution, decomposition, the small first dose of C6F12O that raises temperature,
//! fractional dose per Wh of cells.

use bess_types::SimTime;

use crate::spec::{Agent, SuppressionSpec};
use crate::topology::PlantEvent;

#[derive(Clone, Debug)]
pub(crate) struct Suppression {
    spec: SuppressionSpec,
    /// Valve told to open since, s.
    open_s: Option<f64>,
    effect: Effect,
    pub(crate) valve_stuck: bool,
    /// Share of the charge still in the cylinder.
    charge: f64,
    /// Concentration relative to design.
    pub(crate) concentration: f64,
    reached: bool,
    below_hold: bool,
    /// Agent flows through the pipe.
    pub(crate) flowing: bool,
    /// Concentration at design or above for, s.
    at_design_s: f64,
}

/// Share of design that keeps gas from being lit.
const INHIBITS: f64 = 0.5;

/// What an agent does.
#[derive(Clone, Copy, Debug)]
struct Effect {
    /// To design concentration, s.
    reach_s: f64,
    /// Flows for, s.
    flow_s: f64,
    /// Design concentration to flame out, s.
    flame_out_s: f64,
    /// Heat it can take from hot cells, W.
    cooling_w: f64,
    /// For how long after the release, s.
    cooling_s: f64,
    /// Settles or falls out, 1/h.
    settling_per_h: f64,
    /// Its smoke at design, dB/m.
    smoke_db_per_m: f64,
    /// Insulation of each cluster while it flows, Ω.
    wet_ohm: Option<f64>,
}

impl Agent {
    /// CT §11; what that does not say is assumed.
    const fn effect(self) -> Effect {
        // flame out in about 1 s (S24, S25), 0.2 to 0.5 kW for 30 s, design in 10 s
        let clean = Effect {
            reach_s: 10.0,
            flow_s: 10.0,
            flame_out_s: 1.0,
            cooling_w: 350.0,
            cooling_s: 30.0,
            settling_per_h: 0.0,
            smoke_db_per_m: 0.0,
            wet_ohm: None,
        };
        match self {
            Self::C6f12o => clean,
            // flame out 2 to 5 s [R], cooling weaker than C6F12O
            Self::Hfc227ea => Effect {
                flame_out_s: 3.5,
                cooling_w: 200.0,
                ..clean
            },
            // flame inhibition 10 to 30 s, no cooling, dark smoke; settles within an hour (assumption)
            Self::Aerosol => Effect {
                flame_out_s: 20.0,
                cooling_w: 0.0,
                settling_per_h: 1.0,
                smoke_db_per_m: 30.0,
                ..clean
            },
            // −5 kW as long as it flows; half an hour of water, flame out in 30 s, 50 kΩ when wet (assumptions)
            Self::WaterMist => Effect {
                flow_s: 1800.0,
                flame_out_s: 30.0,
                cooling_w: 5000.0,
                cooling_s: 1800.0,
                settling_per_h: 120.0,
                smoke_db_per_m: 3.0,
                wet_ohm: Some(50e3),
                ..clean
            },
        }
    }
}

impl Suppression {
    pub(crate) fn new(spec: &SuppressionSpec) -> Self {
        Self {
            effect: spec.agent.effect(),
            spec: spec.clone(),
            open_s: None,
            valve_stuck: false,
            charge: 1.0,
            concentration: 0.0,
            reached: false,
            below_hold: false,
            flowing: false,
            at_design_s: 0.0,
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

    /// Heat it can take from hot cells, W.
    pub(crate) fn cooling_w(&self) -> f64 {
        let cools = self.open_s.is_some_and(|s| s < self.effect.cooling_s) && self.concentration > 0.1;
        if cools { self.effect.cooling_w } else { 0.0 }
    }

    /// It keeps gas from being lit.
    pub(crate) fn inhibits(&self) -> bool {
        self.concentration >= INHIBITS
    }

    /// It puts out what burns.
    pub(crate) fn quenches(&self) -> bool {
        self.at_design_s >= self.effect.flame_out_s
    }

    /// Its own smoke, dB/m.
    pub(crate) fn smoke_db_per_m(&self) -> f64 {
        self.effect.smoke_db_per_m * self.concentration
    }

    /// What it does to the insulation of each cluster now, S.
    pub(crate) fn wet_s(&self) -> f64 {
        match self.effect.wet_ohm {
            Some(ohm) if self.flowing => 1.0 / ohm,
            _ => 0.0,
        }
    }

    /// One medium cycle.
    pub(crate) fn step(&mut self, now: SimTime, dt_s: f64, vented: bool, events: &mut Vec<PlantEvent>) {
        self.flowing = false;
        if let Some(open_s) = &mut self.open_s {
            *open_s += dt_s;
            let out = (dt_s / self.effect.flow_s).min(self.charge);
            self.flowing = out > 0.0;
            self.charge = if self.charge - out < 1e-9 {
                0.0
            } else {
                self.charge - out
            };
            let more = out * self.effect.flow_s / self.effect.reach_s * self.spec.charge_ratio;
            // what flows on after design only keeps it up
            self.concentration = (self.concentration + more).min(self.spec.charge_ratio);
        }
        let loss_per_h = self.spec.leak_per_h[usize::from(vented)] + self.effect.settling_per_h;
        self.concentration *= libm::exp(-loss_per_h / 3600.0 * dt_s);
        self.at_design_s = if self.concentration >= 1.0 {
            self.at_design_s + dt_s
        } else {
            0.0
        };
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

    fn released(agent: Agent, seconds: u64) -> Suppression {
        let mut spec = crate::testing::spec().container.suppression;
        spec.agent = agent;
        let mut suppression = Suppression::new(&spec);
        let mut events = Vec::new();
        suppression.release(SimTime::ZERO, &mut events);
        for k in 1..=10 * seconds {
            suppression.step(SimTime::from_millis(100 * k), 0.1, false, &mut events);
        }
        suppression
    }

    #[test]
    fn agents_differ_as_in_the_literature() {
        // flame out after design within 9 to 10 s: C6F12O first, then HFC-227ea, aerosol last
        let out_at = |agent| {
            (0..120)
                .find(|&s| released(agent, s).quenches())
                .unwrap_or(u64::MAX)
        };
        let times = [Agent::C6f12o, Agent::Hfc227ea, Agent::Aerosol].map(out_at);
        assert!(
            times[0] <= 11 && times[0] < times[1] && times[1] < times[2] && times[2] <= 40,
            "{times:?}"
        );
        // only water cools for long
        let cools = |agent, seconds| released(agent, seconds).cooling_w();
        assert!(cools(Agent::C6f12o, 15) > cools(Agent::Hfc227ea, 15));
        assert_eq!(cools(Agent::Aerosol, 15), 0.0);
        assert_eq!(cools(Agent::C6f12o, 60), 0.0);
        assert_eq!(cools(Agent::WaterMist, 600), 5000.0);
        // aerosol blinds smoke detectors of 20 dB/m, water wets
        assert!(released(Agent::Aerosol, 20).smoke_db_per_m() > 20.0);
        assert_eq!(released(Agent::C6f12o, 20).smoke_db_per_m(), 0.0);
        assert!(released(Agent::WaterMist, 20).wet_s() > 0.0 && released(Agent::Aerosol, 5).wet_s() == 0.0);
    }
}
