//! One hot cell: five slices through its thickness, what reacts in them, what leaves it.
//!
//! Modelled, after the stages of cell-and-thermal §10: self-heating that grows with temperature and uses up
//! reactants; separators that fail where a slice is too hot, so that a short grows in it and the cell's own
//! charge heats that slice (the short is not predicted: it grows just so that the voltage falls at the prescribed
//! `separator_mv_per_min`, down to the least resistance `separator_ohm`);
//! venting with evaporation; a reaction that runs from slice to slice; gas, and vapour of the solvents with it; collapse of
//! the voltage. Released heat, self-heating, gas and vapour depend on charge. A front crossing the cell, not the whole cell at once, is what gives
//! the measured minutes per cell.
//! Not modelled: a second venting, mass loss, pressure, kinetics of single reactions.

use crate::cell::{Cells, interpolate};
use crate::spec::RunawaySpec;

pub(crate) const SLICES: usize = 5;
/// Gas of venting flows for, s.
const VENT_S: f64 = 60.0;
/// Gas of runaway flows for, s; highest after [`PEAK_S`]. CT §10: 250 s, peak of a 280 Ah cell 1.5 L/s.
const RUNAWAY_GAS_S: f64 = 250.0;
const PEAK_S: f64 = 80.0;
/// Smouldering gas flows for, s.
const SMOULDER_S: f64 = 600.0;
/// Voltage is half of it after, s, and gone after.
const COLLAPSE_S: [f64; 2] = [10.0, 60.0];
/// A runaway that has lit no further slice for this long has burnt out, s.
const QUIET_S: f64 = 120.0;
/// Strongest heater, W, and time constant of its regulation, s.
const HEATER_MAX_W: f64 = 3000.0;
const HEATER_REGULATION_S: f64 = 30.0;
/// Share of a full cell's heat at a state of charge.
const ENERGY_SOC: [f64; 4] = [0.0, 0.5, 0.8, 1.0];
const ENERGY_SHARE: [f64; 4] = [0.2, 0.5, 0.8, 1.0];
/// Reactants used up beyond this share are not forgotten when the cell cools.
const USED_SHARE: f64 = 1e-3;

/// Stage of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Normal,
    SelfHeating,
    Vented,
    Runaway,
    BurntOut,
}

impl Stage {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::SelfHeating => "self-heating",
            Self::Vented => "vented",
            Self::Runaway => "runaway",
            Self::BurntOut => "burnt-out",
        }
    }
}

/// What all cells of a kind have in common.
#[derive(Clone, Debug)]
pub(crate) struct Kinetics {
    pub(crate) spec: RunawaySpec,
    /// Heat capacity of a slice, J/K.
    pub(crate) slice_j_per_k: f64,
    ln_k_per_min: [f64; 3],
}

impl Kinetics {
    pub(crate) fn new(spec: &RunawaySpec, cell_j_per_k: f64) -> Self {
        Self {
            spec: spec.clone(),
            slice_j_per_k: cell_j_per_k / SLICES as f64,
            ln_k_per_min: spec.self_heating_k_per_min.map(libm::log),
        }
    }

    /// Self-heating of a slice of a full cell, W.
    fn self_heating_w(&self, celsius: f64) -> f64 {
        let ln = interpolate(&self.spec.self_heating_c, &self.ln_k_per_min, celsius);
        libm::exp(ln) / 60.0 * self.slice_j_per_k
    }

    /// Temperature at which a slice reacts, °C.
    fn onset_c(&self, soc: f64) -> f64 {
        self.spec.onset_c[if soc >= 0.9 {
            0
        } else if soc >= 0.6 {
            1
        } else {
            2
        }]
    }

    /// Heat of one slice, J.
    fn slice_j(&self, soc: f64) -> f64 {
        self.spec.energy_full_j * energy_share(soc) / SLICES as f64
    }
}

/// Share of a full cell's reaction heat that is left at a state of charge.
fn energy_share(soc: f64) -> f64 {
    interpolate(&ENERGY_SOC, &ENERGY_SHARE, soc)
}

/// Heat that does not come from the electrical model, J since the start, all positive except `heater_j`.
#[allow(clippy::struct_field_names, reason = "the unit")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AbuseHeat {
    /// Of reactions, as far as it stayed in the cells.
    pub(crate) reaction_j: f64,
    /// Of reactions, gone with ejecta and hot gas.
    pub(crate) ejecta_j: f64,
    /// Given by test heaters; less what was taken to hold a temperature.
    pub(crate) heater_j: f64,
    /// Taken by evaporation at venting.
    pub(crate) vapour_j: f64,
    /// Taken by the agent.
    pub(crate) agent_j: f64,
}

impl AbuseHeat {
    /// What hot cells gained by all this, J.
    pub(crate) fn gained_j(&self) -> f64 {
        self.reaction_j + self.heater_j - self.vapour_j - self.agent_j
    }
}

#[derive(Clone, Debug)]
pub(crate) struct HotCell {
    pub(crate) cell: usize,
    pub(crate) slices_c: [f64; SLICES],
    /// Heat into each slice in this cycle, J.
    pub(crate) flow_j: [f64; SLICES],
    pub(crate) stage: Stage,
    stage_s: f64,
    /// Time since a slice was lit, s.
    lit_s: [Option<f64>; SLICES],
    /// Share of each slice's reactants that self-heating has used up.
    used: [f64; SLICES],
    /// Heat each slice releases once lit, J.
    slice_j: [f64; SLICES],
    onset_c: f64,
    /// Gas and vapour it holds at full charge, L and g; gas it has given off, L.
    gas_l: f64,
    vapour_g: f64,
    pub(crate) given_off_l: f64,
    pub(crate) heater: Option<Heater>,
    pub(crate) nail: bool,
    /// A short from outside the model keeps its slices.
    pub(crate) shorted: bool,
    /// Short through the failed separator, S.
    short_s: f64,
    /// Source voltage left when the runaway began.
    scale_at_onset: f64,
    /// Hottest slice at venting and at runaway, °C; 0 until then.
    pub(crate) vent_c: f64,
    pub(crate) runaway_c: f64,
    /// Heat flow to the next cell of the row, W.
    pub(crate) to_next_w: f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Heater {
    pub(crate) k_per_s: f64,
    pub(crate) wanted_c: f64,
}

/// What a cell did in a cycle.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Vent gas, L.
    pub(crate) gas_l: f64,
    /// Vapour and mist of solvents with it, g.
    pub(crate) vapour_g: f64,
    /// It is that of the first venting.
    pub(crate) first_vent: bool,
    /// H2 and CO before venting, L.
    pub(crate) trace_l: f64,
    /// Heat of ejecta and hot gas, J.
    pub(crate) heat_j: f64,
    /// New stage.
    pub(crate) entered: Option<Stage>,
    /// Charge and electrical energy that burnt with it, C and J.
    pub(crate) burnt: [f64; 2],
}

impl HotCell {
    pub(crate) fn new(cell: usize, celsius: f64, gas_l: f64, vapour_g: f64) -> Self {
        Self {
            cell,
            slices_c: [celsius; SLICES],
            flow_j: [0.0; SLICES],
            stage: Stage::Normal,
            stage_s: 0.0,
            lit_s: [None; SLICES],
            used: [0.0; SLICES],
            slice_j: [0.0; SLICES],
            onset_c: f64::MAX,
            gas_l,
            vapour_g,
            given_off_l: 0.0,
            heater: None,
            nail: false,
            shorted: false,
            short_s: 0.0,
            scale_at_onset: 1.0,
            vent_c: 0.0,
            runaway_c: 0.0,
            to_next_w: 0.0,
        }
    }

    pub(crate) fn hottest_c(&self) -> f64 {
        self.slices_c.iter().copied().fold(-273.15, f64::max)
    }

    pub(crate) fn mean_c(&self) -> f64 {
        self.slices_c.iter().sum::<f64>() / SLICES as f64
    }

    /// Nothing would be lost if it were a cell like any other.
    pub(crate) fn idle(&self) -> bool {
        self.stage == Stage::Normal
            && self.heater.is_none()
            && !self.nail
            && !self.shorted
            && self.short_s == 0.0
            && self.used.iter().all(|&used| used < USED_SHARE)
    }

    /// Slice in which a short heats: where the separator fails first, or amid the cell.
    pub(crate) fn spot(&self) -> usize {
        let mut spot = SLICES / 2;
        for (s, &celsius) in self.slices_c.iter().enumerate() {
            if celsius > self.slices_c[spot] {
                spot = s;
            }
        }
        spot
    }

    /// One medium cycle, with the heat flows of the network in `flow_j`.
    pub(crate) fn step(
        &mut self,
        dt_s: f64,
        kinetics: &Kinetics,
        cells: &mut Cells,
        heat: &mut AbuseHeat,
    ) -> Outcome {
        self.stage_s += dt_s;
        let mut outcome = Outcome::default();
        self.step_heater(dt_s, kinetics, heat);
        let soc = cells.soc[self.cell];
        let released_j = self.react(dt_s, soc, kinetics, heat);
        outcome.heat_j = released_j * kinetics.spec.ejecta_share;
        heat.ejecta_j += outcome.heat_j;
        if self.stage == Stage::Vented && self.stage_s <= VENT_S {
            let latent_j = kinetics.spec.vent_latent_j * dt_s / VENT_S;
            heat.vapour_j += latent_j;
            for flow in &mut self.flow_j {
                *flow -= latent_j / SLICES as f64;
            }
        }
        for (slice, flow) in self.slices_c.iter_mut().zip(self.flow_j) {
            *slice += flow / kinetics.slice_j_per_k;
        }
        self.give_off(dt_s, soc, &kinetics.spec, &mut outcome);
        self.fail(dt_s, &kinetics.spec, cells);
        self.follow_stage(kinetics, cells, &mut outcome);
        self.light(kinetics.spec.slice_release_s);
        outcome
    }

    fn step_heater(&mut self, dt_s: f64, kinetics: &Kinetics, heat: &mut AbuseHeat) {
        if let Some(heater) = &mut self.heater
            && self.stage < Stage::Runaway
        {
            heater.wanted_c += heater.k_per_s * dt_s;
            let lag_k = heater.wanted_c - self.slices_c[0];
            let cell_j_per_k = kinetics.slice_j_per_k * SLICES as f64;
            let power_w = cell_j_per_k * (heater.k_per_s + lag_k / HEATER_REGULATION_S);
            let heater_j = power_w.clamp(0.0, HEATER_MAX_W) * dt_s;
            self.flow_j[0] += heater_j;
            heat.heater_j += heater_j;
        }
    }

    /// Heat of reactions into the slices; what lit slices released, J.
    fn react(&mut self, dt_s: f64, soc: f64, kinetics: &Kinetics, heat: &mut AbuseHeat) -> f64 {
        let spec = &kinetics.spec;
        let mut released_j = 0.0;
        for s in 0..SLICES {
            let reaction_j = if let Some(lit_s) = &mut self.lit_s[s] {
                let part_s = (spec.slice_release_s - *lit_s).clamp(0.0, dt_s);
                *lit_s += dt_s;
                let part_j = self.slice_j[s] * part_s / spec.slice_release_s;
                released_j += part_j;
                part_j
            } else if self.slices_c[s] >= spec.self_heating_c[0] && self.stage < Stage::BurntOut {
                let whole_j = kinetics.slice_j(soc);
                let left = 1.0 - self.used[s];
                let part_j = (kinetics.self_heating_w(self.slices_c[s]) * energy_share(soc) * left * dt_s)
                    .min(whole_j * left);
                if whole_j > 0.0 {
                    self.used[s] += part_j / whole_j;
                }
                part_j
            } else {
                0.0
            };
            self.flow_j[s] += reaction_j;
            heat.reaction_j += reaction_j;
        }
        released_j
    }

    /// Gas and vapour of the stage the cell is in.
    fn give_off(&mut self, dt_s: f64, soc: f64, spec: &RunawaySpec, outcome: &mut Outcome) {
        let share_per_s = match self.stage {
            Stage::Vented if self.stage_s <= VENT_S => 0.1 / VENT_S,
            Stage::Runaway if self.stage_s <= RUNAWAY_GAS_S => 0.9 * surge(self.stage_s),
            Stage::BurntOut if self.stage_s <= SMOULDER_S => 0.01 / SMOULDER_S,
            _ => 0.0,
        };
        let gas_share = interpolate(&spec.gas_soc, &spec.gas_share, soc);
        outcome.gas_l = share_per_s * self.gas_l * gas_share * dt_s;
        let vapour_share = interpolate(&spec.vapour_soc, &spec.vapour_share, soc);
        outcome.vapour_g = share_per_s * self.vapour_g * vapour_share * dt_s;
        outcome.first_vent = self.stage == Stage::Vented;
        if self.hottest_c() >= spec.trace_c && self.stage <= Stage::SelfHeating {
            outcome.trace_l = spec.trace_ml_per_s * 1e-3 * dt_s;
        }
        self.given_off_l += outcome.gas_l + outcome.trace_l;
    }

    /// Separator and voltage.
    fn fail(&mut self, dt_s: f64, spec: &RunawaySpec, cells: &mut Cells) {
        match self.stage {
            Stage::Runaway => {
                let left = self.scale_at_onset * collapse(self.stage_s);
                cells.set_source_scale(self.cell, left);
            }
            Stage::BurntOut => cells.set_source_scale(self.cell, 0.0),
            _ if self.hottest_c() >= spec.separator_c || self.mean_c() >= spec.vent_mean_c => {
                let fall_v = spec.separator_mv_per_min * 1e-3 / 60.0 * dt_s;
                let more_a = fall_v / cells.resistance_ohm[self.cell];
                let more_s = more_a / cells.ocv_v(self.cell).max(1.0);
                self.short_s = (self.short_s + more_s).min(1.0 / spec.separator_ohm);
                cells.set_separator_short(self.cell, self.short_s);
            }
            _ => {}
        }
    }

    fn follow_stage(&mut self, kinetics: &Kinetics, cells: &mut Cells, outcome: &mut Outcome) {
        let spec = &kinetics.spec;
        let soc = cells.soc[self.cell];
        if self.stage < Stage::Runaway {
            self.onset_c = kinetics.onset_c(soc);
        }
        let (mean_c, hottest_c) = (self.mean_c(), self.hottest_c());
        let next = match self.stage {
            _ if self.nail && self.stage < Stage::Runaway => Stage::Runaway,
            stage if stage < Stage::Runaway && hottest_c >= self.onset_c => Stage::Runaway,
            stage
                if stage < Stage::Vented
                    && (mean_c >= spec.vent_mean_c || hottest_c >= spec.vent_slice_c) =>
            {
                Stage::Vented
            }
            Stage::Normal if hottest_c >= spec.self_heating_c[0] => Stage::SelfHeating,
            Stage::SelfHeating if hottest_c < spec.self_heating_c[0] - 5.0 => Stage::Normal,
            Stage::Runaway if self.exhausted(spec.slice_release_s) => Stage::BurntOut,
            stage => stage,
        };
        if next == self.stage {
            return;
        }
        if next == Stage::Runaway {
            if self.stage < Stage::Vented {
                // the venting it skipped comes with the runaway
                self.gas_l /= 0.9;
                self.vapour_g /= 0.9;
            }
            self.slice_j = self.used.map(|used| kinetics.slice_j(soc) * (1.0 - used));
            self.scale_at_onset = cells.loaded_scale(self.cell);
            cells.set_separator_short(self.cell, 0.0);
            let charge_c = cells.stored_c(self.cell..self.cell + 1);
            outcome.burnt = [charge_c, cells.kill(self.cell)];
            if self.nail {
                self.lit_s[SLICES / 2] = Some(0.0);
            }
            self.runaway_c = hottest_c;
        }
        if next >= Stage::Vented && self.stage < Stage::Vented {
            self.vent_c = hottest_c;
        }
        self.stage = next;
        self.stage_s = 0.0;
        outcome.entered = Some(next);
    }

    /// All slices have released their heat, or no further one will.
    fn exhausted(&self, release_s: f64) -> bool {
        self.stage_s > RUNAWAY_GAS_S
            && self
                .lit_s
                .iter()
                .all(|lit| lit.map_or(self.stage_s > RUNAWAY_GAS_S + QUIET_S, |lit_s| lit_s >= release_s))
    }

    /// A slice reacts when it is hot enough itself, or when the one beside it has burnt through.
    fn light(&mut self, release_s: f64) {
        if self.stage != Stage::Runaway {
            return;
        }
        let burnt = self.lit_s;
        let through = |s: usize| burnt[s].is_some_and(|lit_s| lit_s >= release_s);
        for (s, lit_s) in self.lit_s.iter_mut().enumerate() {
            let reached = (s > 0 && through(s - 1)) || (s + 1 < SLICES && through(s + 1));
            if lit_s.is_none() && (reached || self.slices_c[s] >= self.onset_c) {
                *lit_s = Some(0.0);
            }
        }
    }
}

/// Gas flow as a share of the runaway gas per second: rises in a straight line to its peak, falls along a parabola to nothing.
fn surge(t_s: f64) -> f64 {
    let fall_s = RUNAWAY_GAS_S - PEAK_S;
    let height = 1.0 / (PEAK_S / 2.0 + fall_s / 3.0);
    if t_s < PEAK_S {
        height * t_s / PEAK_S
    } else {
        let left = (RUNAWAY_GAS_S - t_s) / fall_s;
        height * left * left
    }
}

/// What is left of the voltage this long after onset.
fn collapse(t_s: f64) -> f64 {
    let [half_s, gone_s] = COLLAPSE_S;
    if t_s < half_s {
        1.0 - 0.5 * t_s / half_s
    } else {
        (0.5 * (gone_s - t_s) / (gone_s - half_s)).max(0.0)
    }
}
