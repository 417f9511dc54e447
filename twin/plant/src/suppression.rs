//! Suppression: cylinder, discharge, concentration in the room, and what each agent does (CT §11).
//!
//! Modelled: rise to slightly above design, first-order loss (faster through an open damper or with the fan on),
//! cylinder pressure, discharge pressure switch; by the agent's figures the time from design concentration to flame
//! out, cooling of hot cells and for how long, its own smoke, which blinds smoke detectors, and insulation that it wets
//! and that dries again. Each agent has three concentrations of its own: design, which puts flame out when it is there
//! for a while; a lower one, from which on no flame is lit again; and mostly a higher one, which keeps gas that fills the room
//! from exploding. What is dosed for flames does not inert. No agent stops gas, so a room that was inerted is explosive when
//! it is reopened (`gas.rs`).
//! Not modelled: nozzle distribution, decomposition, the small first dose of C6F12O that raises temperature,
//! fractional dose per Wh of cells.

use bess_types::SimTime;

use crate::spec::{AgentSpec, SuppressionSpec};
use crate::topology::PlantEvent;

#[derive(Clone, Debug)]
pub(crate) struct Suppression {
    spec: SuppressionSpec,
    agent: AgentSpec,
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
    /// Concentration at design or above for, s.
    at_design_s: f64,
    /// Wetness of insulation, 0 to 1.
    wetness: f64,
}

impl Suppression {
    pub(crate) fn new(spec: &SuppressionSpec, agent: &AgentSpec) -> Self {
        Self {
            spec: spec.clone(),
            agent: agent.clone(),
            open_s: None,
            valve_stuck: false,
            charge: 1.0,
            concentration: 0.0,
            reached: false,
            below_hold: false,
            flowing: false,
            at_design_s: 0.0,
            wetness: 0.0,
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
        self.concentration * self.agent.design_percent
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
        let cools = self.open_s.is_some_and(|s| s < self.agent.cooling_s) && self.concentration > 0.1;
        if cools { self.agent.cooling_w } else { 0.0 }
    }

    /// No flame is lit in it.
    pub(crate) fn inhibits(&self) -> bool {
        self.percent() >= self.agent.relights_percent
    }

    /// The room's gas does not explode in it.
    pub(crate) fn inerts(&self) -> bool {
        let percent = self.percent();
        self.agent.inerts_percent.is_some_and(|inerts| percent >= inerts)
    }

    /// It puts out what burns.
    pub(crate) fn quenches(&self) -> bool {
        // a sum of cycles may miss its whole by rounding
        self.at_design_s + 1e-6 >= self.agent.flame_out_s
    }

    /// Its own smoke, dB/m.
    pub(crate) fn smoke_db_per_m(&self) -> f64 {
        self.agent.smoke_db_per_m * self.concentration
    }

    /// Leakage of each leg of every cluster through its water now, S.
    pub(crate) fn wet_s(&self) -> f64 {
        self.agent
            .wet
            .map_or(0.0, |wet| self.wetness / (wet.leg_kohm * 1e3))
    }

    /// One medium cycle.
    pub(crate) fn step(&mut self, now: SimTime, dt_s: f64, vented: bool, events: &mut Vec<PlantEvent>) {
        self.flowing = false;
        if let Some(open_s) = &mut self.open_s {
            *open_s += dt_s;
            let out = (dt_s / self.agent.flow_s).min(self.charge);
            self.flowing = out > 0.0;
            self.charge = if self.charge - out < 1e-9 {
                0.0
            } else {
                self.charge - out
            };
            let more = out * self.agent.flow_s / self.agent.reach_s * self.spec.charge_ratio;
            // what flows on after design only keeps it up
            self.concentration = (self.concentration + more).min(self.spec.charge_ratio);
        }
        let loss_per_h = self.spec.leak_per_h[usize::from(vented)] + self.agent.settling_per_h;
        self.concentration *= libm::exp(-loss_per_h / 3600.0 * dt_s);
        if let Some(wet) = self.agent.wet {
            self.wetness *= libm::exp(-dt_s / wet.dries_s);
            self.wetness = self.wetness.max(self.concentration.min(1.0));
        }
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

    fn suppression(agent: &str) -> Suppression {
        Suppression::new(
            &crate::testing::spec().container.suppression,
            &crate::testing::agent(agent),
        )
    }

    fn hold_s(vented: bool) -> f64 {
        let mut suppression = suppression("C6F12O");
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
        let mut suppression = suppression("C6F12O");
        let mut events = Vec::new();
        suppression.empty();
        suppression.release(SimTime::ZERO, &mut events);
        suppression.step(SimTime::from_millis(2000), 2.0, false, &mut events);
        assert!(events.is_empty() && !suppression.flow_switch() && suppression.concentration == 0.0);
    }

    fn released(agent: &str, seconds: u64) -> Suppression {
        let mut suppression = suppression(agent);
        let mut events = Vec::new();
        suppression.release(SimTime::ZERO, &mut events);
        for k in 1..=10 * seconds {
            suppression.step(SimTime::from_millis(100 * k), 0.1, false, &mut events);
        }
        suppression
    }

    /// CT §11: about 1 s, 2 to 5 s, 10 to 30 s after design concentration, which all reach within 10 s.
    #[test]
    fn flame_goes_out_as_fast_as_the_agent_is() {
        let out_s = |agent| {
            (0..60)
                .find(|&s| released(agent, s).quenches())
                .unwrap_or(u64::MAX)
        };
        assert!((9..=11).contains(&out_s("C6F12O")));
        assert!((11..=15).contains(&out_s("HFC-227ea")));
        assert!((19..=40).contains(&out_s("aerosol")));
        assert!((30..=45).contains(&out_s("water-mist")));
    }

    /// CT §11: relit below half of design; NFPA 2001 asks for more than design to inert.
    #[test]
    fn each_agent_inhibits_by_its_own_concentrations() {
        for (agent, inert_ratio) in [
            ("C6F12O", Some(1.7)),
            ("HFC-227ea", Some(1.5)),
            ("aerosol", None),
            ("water-mist", None),
        ] {
            let mut suppression = suppression(agent);
            let mut at = |share| {
                suppression.concentration = share;
                [suppression.inhibits(), suppression.inerts()]
            };
            assert_eq!(at(0.49), [false, false], "{agent}");
            assert_eq!(at(0.51), [true, false], "{agent}");
            assert_eq!(at(1.05), [true, false], "{agent}");
            assert_eq!(
                at(inert_ratio.unwrap_or(10.0)),
                [true, inert_ratio.is_some()],
                "{agent}"
            );
        }
    }

    #[test]
    fn only_water_cools_for_long() {
        let cools = |agent, seconds| released(agent, seconds).cooling_w();
        assert!(cools("C6F12O", 15) > cools("HFC-227ea", 15) && cools("HFC-227ea", 15) > 0.0);
        assert_eq!(cools("aerosol", 15), 0.0);
        assert_eq!(cools("C6F12O", 60), 0.0);
        assert_eq!(cools("water-mist", 600), 5000.0);
        assert_eq!(cools("water-mist", 1900), 0.0);
    }

    #[test]
    fn aerosol_blinds_smoke_detectors_until_it_has_settled() {
        let highest_db_per_m = crate::testing::spec().container.sensors.smoke.range[1];
        assert!(released("aerosol", 20).smoke_db_per_m() > highest_db_per_m);
        assert!(released("aerosol", 7200).smoke_db_per_m() < 1.0);
        assert_eq!(released("C6F12O", 20).smoke_db_per_m(), 0.0);
    }

    #[test]
    fn water_wets_insulation_and_dries_for_hours() {
        let leg_kohm = |seconds| 1e-3 / released("water-mist", seconds).wet_s();
        assert!((49.0..51.0).contains(&leg_kohm(20)), "{}", leg_kohm(20));
        let dried = leg_kohm(1800 + 4 * 3600);
        assert!((130.0..140.0).contains(&dried), "{dried}");
        assert_eq!(released("aerosol", 20).wet_s(), 0.0);
    }
}
