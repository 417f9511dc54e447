//! Hot cells: five slices through the thickness, self-heating, venting, runaway, propagation.
//!
//! A cell leaves the lumped network of `thermal.rs` when it or a neighbour's face passes the self-heating
//! temperature, or when it is heated. Slice 0 faces the cell before, slice 4 the cell after. Modelled: the
//! stages of cell-and-thermal §10 (self-heating growing with temperature, venting with evaporation, a
//! reaction that runs from slice to slice, gas, voltage collapse), heat to neighbours through the large
//! faces and to the rows beside, to the plate from every slice. A front crossing the cell, not the whole cell at once, is what gives
//! the measured minutes per cell. Not modelled: pressure, jets onto other packs.

use bess_types::SimTime;

use crate::cell::{Cells, interpolate};
use crate::gas::Vented;
use crate::spec::RunawaySpec;
use crate::thermal::Thermal;
use crate::topology::{PlantEvent, Topology};

const SLICES: usize = 5;
/// Gas of venting flows for, s.
const VENT_S: f64 = 60.0;
/// Gas of runaway flows for, s; highest after [`PEAK_S`].
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
/// A held cell reaches its temperature with this time constant, s.
const HOLD_S: f64 = 1.0;
/// A cooled cell returns to the lumped network below this, °C.
const RELEASE_C: f64 = 60.0;

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
    const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::SelfHeating => "self-heating",
            Self::Vented => "vented",
            Self::Runaway => "runaway",
            Self::BurntOut => "burnt-out",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Runaway {
    spec: RunawaySpec,
    topology: Topology,
    slice_j_per_k: f64,
    gas_l_per_c: f64,
    hot: Vec<HotCell>,
    /// Place in `hot` by cell.
    slot: Vec<Option<u32>>,
    holds: Vec<(usize, f64)>,
    vented: Vec<Vented>,
    /// Stored electrical energy lost with burnt cells, J.
    pub(crate) lost_j: f64,
    /// Charge held by cells that burnt in this cycle, C.
    burnt_c: f64,
    /// Electrical heat taken over from hot cells, J.
    pub(crate) taken_j: f64,
    /// Heat of reactions and heaters less that of evaporation and suppression, J.
    pub(crate) heat_j: f64,
}

#[derive(Clone, Debug)]
struct HotCell {
    cell: usize,
    slices_c: [f64; SLICES],
    flow_j: [f64; SLICES],
    stage: Stage,
    stage_s: f64,
    /// Time since a slice was lit, s.
    lit_s: [Option<f64>; SLICES],
    /// Heat of each slice's release, J.
    slice_j: f64,
    onset_c: f64,
    gas_l: f64,
    heater: Option<Heater>,
    nail: bool,
}

#[derive(Clone, Copy, Debug)]
struct Heater {
    k_per_s: f64,
    wanted_c: f64,
}

impl Runaway {
    pub(crate) fn new(spec: &RunawaySpec, topology: Topology, cell_j_per_k: f64) -> Self {
        Self {
            spec: spec.clone(),
            topology,
            slice_j_per_k: cell_j_per_k / SLICES as f64,
            gas_l_per_c: spec.gas_l_per_ah / 3600.0,
            hot: Vec::new(),
            slot: vec![None; topology.cells()],
            holds: Vec::new(),
            vented: Vec::new(),
            lost_j: 0.0,
            burnt_c: 0.0,
            taken_j: 0.0,
            heat_j: 0.0,
        }
    }

    /// Stage of a cell as a number, 0 to 4.
    pub(crate) fn stage(&self, cell: usize) -> f64 {
        self.of(cell).map_or(0.0, |hot| f64::from(hot.stage as u8))
    }

    /// Hottest slice of a cell, °C, or its temperature.
    pub(crate) fn hottest_slice_c(&self, cell: usize, thermal: &Thermal) -> f64 {
        self.of(cell)
            .map_or(thermal.cell_c[cell], |hot| hottest(&hot.slices_c))
    }

    /// Hottest slice anywhere, °C.
    pub(crate) fn hottest_c(&self) -> f64 {
        self.hot
            .iter()
            .map(|hot| hottest(&hot.slices_c))
            .fold(-273.15, f64::max)
    }

    /// Cells in runaway now.
    pub(crate) fn burning(&self) -> usize {
        self.hot.iter().filter(|hot| hot.stage == Stage::Runaway).count()
    }

    /// Cells in runaway or burnt out.
    #[cfg(test)]
    pub(crate) fn count_at_least_runaway(&self) -> usize {
        self.hot.iter().filter(|hot| hot.stage >= Stage::Runaway).count()
    }

    /// Cells with 50 % more resistance.
    pub(crate) fn degraded(&self) -> impl Iterator<Item = usize> {
        self.hot
            .iter()
            .filter(|hot| hot.stage >= Stage::SelfHeating)
            .map(|hot| hot.cell)
    }

    /// What hot cells gave off in the last cycle.
    pub(crate) fn vented(&self) -> &[Vented] {
        &self.vented
    }

    /// Heats a cell's front face so that it warms at a rate, as in UL 9540A; 0 removes the heater.
    pub(crate) fn heat(&mut self, cell: usize, k_per_min: f64, cells: &Cells, thermal: &mut Thermal) {
        let slot = self.promote(cell, cells, thermal);
        let wanted_c = self.hot[slot].slices_c[0];
        self.hot[slot].heater = (k_per_min > 0.0).then_some(Heater {
            k_per_s: k_per_min / 60.0,
            wanted_c,
        });
    }

    /// Drives a cell to a temperature and holds it.
    pub(crate) fn hold(&mut self, cell: usize, celsius: f64) {
        self.release_hold(cell);
        self.holds.push((cell, celsius));
    }

    /// Lets a held cell go.
    pub(crate) fn release_hold(&mut self, cell: usize) {
        self.holds.retain(|&(held, _)| held != cell);
    }

    /// Runaway at the next cycle.
    pub(crate) fn nail(&mut self, cell: usize, cells: &Cells, thermal: &mut Thermal) {
        let slot = self.promote(cell, cells, thermal);
        self.hot[slot].nail = true;
    }

    /// One medium cycle. Returns the charge held by cells that burnt in it, C.
    pub(crate) fn step(
        &mut self,
        now: SimTime,
        dt_s: f64,
        cells: &mut Cells,
        thermal: &mut Thermal,
        cooling_w: f64,
        events: &mut Vec<PlantEvent>,
    ) -> f64 {
        self.vented.clear();
        self.burnt_c = 0.0;
        let burning = |cell: usize| self.of(cell).is_some_and(|hot| hot.stage >= Stage::Runaway);
        let out_of_hand: Vec<usize> = self
            .holds
            .iter()
            .map(|&(cell, _)| cell)
            .filter(|&cell| burning(cell))
            .collect();
        for cell in out_of_hand {
            self.release_hold(cell);
        }
        self.step_holds(dt_s, thermal);
        self.collect_flows(dt_s, cells, thermal, cooling_w);
        for k in 0..self.hot.len() {
            self.step_cell(k, now, dt_s, cells, thermal, events);
        }
        let mut k = 0;
        while k < self.hot.len() {
            if hottest(&self.hot[k].slices_c) >= self.spec.self_heating_c {
                for neighbour in thermal.neighbours(self.hot[k].cell).into_iter().flatten() {
                    self.promote(neighbour, cells, thermal);
                }
            }
            k += 1;
        }
        self.burnt_c
    }

    /// In the slow cycle: takes in cells that have become hot, lets go of cells that have cooled.
    pub(crate) fn sort(&mut self, cells: &Cells, thermal: &mut Thermal) {
        for i in 0..thermal.cell_c.len() {
            if thermal.cell_c[i] >= self.spec.self_heating_c && self.slot[i].is_none() {
                self.promote(i, cells, thermal);
            }
        }
        let mut k = 0;
        while k < self.hot.len() {
            let hot = &self.hot[k];
            let beside_heat = thermal
                .neighbours(hot.cell)
                .into_iter()
                .flatten()
                .any(|n| self.hottest_slice_c(n, thermal) > RELEASE_C);
            let idle = hot.stage == Stage::Normal && hot.heater.is_none() && !hot.nail;
            if idle && !beside_heat && hottest(&hot.slices_c) < RELEASE_C {
                let cell = hot.cell;
                thermal.cell_c[cell] = mean(&hot.slices_c);
                self.slot[cell] = None;
                self.hot.swap_remove(k);
                if let Some(moved) = self.hot.get(k) {
                    self.slot[moved.cell] = slot_of(k);
                }
                thermal.set_whole(cell, true);
            } else {
                k += 1;
            }
        }
    }

    fn of(&self, cell: usize) -> Option<&HotCell> {
        self.slot[cell].map(|slot| &self.hot[slot as usize])
    }

    fn promote(&mut self, cell: usize, cells: &Cells, thermal: &mut Thermal) -> usize {
        if let Some(slot) = self.slot[cell] {
            return slot as usize;
        }
        let slot = self.hot.len();
        self.slot[cell] = slot_of(slot);
        self.hot.push(HotCell {
            cell,
            slices_c: [thermal.cell_c[cell]; SLICES],
            flow_j: [0.0; SLICES],
            stage: Stage::Normal,
            stage_s: 0.0,
            lit_s: [None; SLICES],
            slice_j: 0.0,
            onset_c: f64::MAX,
            gas_l: self.gas_l_per_c * cells.capacity_c[cell],
            heater: None,
            nail: false,
        });
        thermal.set_whole(cell, false);
        slot
    }

    fn step_holds(&mut self, dt_s: f64, thermal: &mut Thermal) {
        let follow = -libm::expm1(-dt_s / HOLD_S);
        for &(cell, celsius) in &self.holds {
            if let Some(slot) = self.slot[cell] {
                for slice in &mut self.hot[slot as usize].slices_c {
                    *slice += (celsius - *slice) * follow;
                }
            }
            let rise_k = (celsius - thermal.cell_c[cell]) * follow;
            thermal.cell_c[cell] += rise_k;
            self.heat_j += thermal.cell_j_per_k * rise_k;
        }
    }

    /// All heat flows of the cycle, before any temperature changes.
    fn collect_flows(&mut self, dt_s: f64, cells: &mut Cells, thermal: &mut Thermal, cooling_w: f64) {
        // cell to cell is from middle to middle; four slices of it are resolved here
        let face_k_per_w = (1.0 / thermal.neighbour_w_per_k()
            - (SLICES - 1) as f64 * self.spec.slice_k_per_w)
            .max(self.spec.slice_k_per_w);
        let faces = 1.0 / face_k_per_w;
        let face_to_middle = 1.0 / (face_k_per_w + 2.0 * self.spec.slice_k_per_w);
        let between = 1.0 / self.spec.slice_k_per_w;
        let beside = thermal.beside_w_per_k() / SLICES as f64;
        let cooled = self
            .hot
            .iter()
            .filter(|hot| hottest(&hot.slices_c) > self.spec.trace_c)
            .count();
        let cooling_j = cooling_w * dt_s / (cooled.max(1) * SLICES) as f64;
        for k in 0..self.hot.len() {
            let hot = &self.hot[k];
            let cell = hot.cell;
            let node = thermal.node(cell);
            let to_node = thermal.contact_w_per_k(cell) / SLICES as f64;
            let slices_c = hot.slices_c;
            let electrical_j = core::mem::take(&mut cells.heat_j[cell]);
            self.taken_j += electrical_j;
            let shared_j = electrical_j + core::mem::take(&mut thermal.inflow_j[cell]);
            let mut flow_j = [shared_j / SLICES as f64; SLICES];
            for s in 0..SLICES - 1 {
                let along_j = (slices_c[s] - slices_c[s + 1]) * between * dt_s;
                flow_j[s] -= along_j;
                flow_j[s + 1] += along_j;
            }
            for (s, flow) in flow_j.iter_mut().enumerate() {
                let down_j = (slices_c[s] - thermal.node_c[node]) * to_node * dt_s;
                *flow -= down_j;
                thermal.node_inflow_j[node] += down_j;
            }
            if hottest(&slices_c) > self.spec.trace_c {
                for flow in &mut flow_j {
                    *flow -= cooling_j;
                }
                self.heat_j -= cooling_j * SLICES as f64;
            }
            for (neighbour, mine, theirs) in [
                (thermal.neighbours(cell)[0], 0, SLICES - 1),
                (thermal.neighbours(cell)[1], SLICES - 1, 0),
            ] {
                let Some(neighbour) = neighbour else { continue };
                if let Some(other) = self.of(neighbour) {
                    flow_j[mine] += (other.slices_c[theirs] - slices_c[mine]) * faces * dt_s;
                } else {
                    let in_j = (thermal.cell_c[neighbour] - slices_c[mine]) * face_to_middle * dt_s;
                    flow_j[mine] += in_j;
                    thermal.inflow_j[neighbour] -= in_j;
                }
            }
            for neighbour in thermal.beside(cell).into_iter().flatten() {
                for (s, flow) in flow_j.iter_mut().enumerate() {
                    let theirs_c = self
                        .of(neighbour)
                        .map_or(thermal.cell_c[neighbour], |other| other.slices_c[s]);
                    let in_j = (theirs_c - slices_c[s]) * beside * dt_s;
                    *flow += in_j;
                    if self.slot[neighbour].is_none() {
                        thermal.inflow_j[neighbour] -= in_j;
                    }
                }
            }
            self.hot[k].flow_j = flow_j;
        }
    }

    fn step_cell(
        &mut self,
        k: usize,
        now: SimTime,
        dt_s: f64,
        cells: &mut Cells,
        thermal: &mut Thermal,
        events: &mut Vec<PlantEvent>,
    ) {
        let spec = &self.spec;
        let hot = &mut self.hot[k];
        hot.stage_s += dt_s;
        let slice_j_per_k = self.slice_j_per_k;

        if let Some(heater) = &mut hot.heater
            && hot.stage < Stage::Runaway
        {
            heater.wanted_c += heater.k_per_s * dt_s;
            let lag_k = heater.wanted_c - hot.slices_c[0];
            let cell_j_per_k = slice_j_per_k * SLICES as f64;
            let power_w = cell_j_per_k * (heater.k_per_s + lag_k / HEATER_REGULATION_S);
            let heater_j = power_w.clamp(0.0, HEATER_MAX_W) * dt_s;
            hot.flow_j[0] += heater_j;
            self.heat_j += heater_j;
        }

        let mut released_j = 0.0;
        for s in 0..SLICES {
            if let Some(lit_s) = &mut hot.lit_s[s] {
                if *lit_s < spec.slice_release_s {
                    let part_s = dt_s.min(spec.slice_release_s - *lit_s);
                    hot.flow_j[s] += hot.slice_j * part_s / spec.slice_release_s;
                    released_j += hot.slice_j * part_s / spec.slice_release_s;
                }
                *lit_s += dt_s;
            } else if hot.slices_c[s] >= spec.self_heating_c && hot.stage < Stage::BurntOut {
                let rate = spec.self_heating_k_per_min / 60.0
                    * libm::pow(
                        spec.self_heating_growth_per_80k,
                        (hot.slices_c[s].min(300.0) - spec.self_heating_c) / 80.0,
                    );
                let self_heating_j = rate * slice_j_per_k * dt_s;
                hot.flow_j[s] += self_heating_j;
                self.heat_j += self_heating_j;
            }
        }
        self.heat_j += released_j;
        if hot.stage == Stage::Vented && hot.stage_s <= VENT_S {
            let latent_j = spec.vent_latent_j * dt_s / VENT_S;
            for flow in &mut hot.flow_j {
                *flow -= latent_j / SLICES as f64;
            }
            self.heat_j -= latent_j;
        }
        for (slice, flow) in hot.slices_c.iter_mut().zip(hot.flow_j) {
            *slice += flow / slice_j_per_k;
        }
        let mean_c = mean(&hot.slices_c);
        let hottest_c = hottest(&hot.slices_c);
        thermal.cell_c[hot.cell] = mean_c;

        // gas of the stage the cell was in
        let share_per_s = match hot.stage {
            Stage::Vented if hot.stage_s <= VENT_S => 0.1 / VENT_S,
            Stage::Runaway if hot.stage_s <= RUNAWAY_GAS_S => 0.9 * triangle(hot.stage_s),
            Stage::BurntOut if hot.stage_s <= SMOULDER_S => 0.01 / SMOULDER_S,
            _ => 0.0,
        };
        let trace_l = if hottest_c >= spec.trace_c && hot.stage <= Stage::SelfHeating {
            spec.trace_ml_per_s * 1e-3 * dt_s
        } else {
            0.0
        };
        let heat_j = released_j * spec.ejecta_share;
        if share_per_s > 0.0 || trace_l > 0.0 || heat_j > 0.0 {
            self.vented.push(Vented {
                pack: hot.cell / self.topology.cells_per_pack,
                gas_l: share_per_s * hot.gas_l * dt_s,
                first_vent: hot.stage == Stage::Vented,
                trace_l,
                heat_j,
            });
        }

        // voltage
        let scale = cells.source_scale(hot.cell);
        let next_scale = match hot.stage {
            Stage::Vented => (scale - spec.vented_mv_per_min * 1e-3 / 60.0 / 3.3 * dt_s).max(0.0),
            Stage::Runaway => scale.min(collapse(hot.stage_s)),
            Stage::BurntOut => scale.min(collapse(f64::MAX)),
            Stage::Normal | Stage::SelfHeating => scale,
        };
        if next_scale != scale {
            cells.set_source_scale(hot.cell, next_scale);
        }

        // next stage
        let soc = cells.soc[hot.cell];
        if hot.stage < Stage::Runaway {
            hot.onset_c = spec.onset_c[if soc >= 0.9 {
                0
            } else if soc >= 0.6 {
                1
            } else {
                2
            }];
        }
        let next = match hot.stage {
            _ if hot.nail && hot.stage < Stage::Runaway => Stage::Runaway,
            stage if stage < Stage::Runaway && hottest_c >= hot.onset_c => Stage::Runaway,
            stage
                if stage < Stage::Vented
                    && (mean_c >= spec.vent_mean_c || hottest_c >= spec.vent_slice_c) =>
            {
                Stage::Vented
            }
            Stage::Normal if hottest_c >= spec.self_heating_c => Stage::SelfHeating,
            Stage::SelfHeating if hottest_c < spec.self_heating_c - 5.0 => Stage::Normal,
            Stage::Runaway
                if hot.lit_s.iter().all(|lit| {
                    lit.map_or(hot.stage_s > RUNAWAY_GAS_S + QUIET_S, |s| {
                        s >= spec.slice_release_s
                    })
                }) && hot.stage_s > RUNAWAY_GAS_S =>
            {
                Stage::BurntOut
            }
            stage => stage,
        };
        if next != hot.stage {
            if next == Stage::Runaway {
                if hot.stage < Stage::Vented {
                    // the venting it skipped comes with the runaway
                    hot.gas_l *= 1.0 / 0.9;
                }
                let energy_share = interpolate(&[0.0, 0.5, 0.8, 1.0], &[0.2, 0.5, 0.8, 1.0], soc);
                hot.slice_j = spec.energy_full_j * energy_share / SLICES as f64;
                self.burnt_c += cells.stored_c(hot.cell..hot.cell + 1);
                self.lost_j += cells.kill(hot.cell);
                if hot.nail {
                    hot.lit_s[SLICES / 2] = Some(0.0);
                }
            }
            hot.stage = next;
            hot.stage_s = 0.0;
            events.push(PlantEvent {
                at: now,
                part: self.topology.cell_name(hot.cell),
                point: "runaway-stage",
                value: f64::from(next as u8),
                text: next.name().into(),
            });
        }
        if hot.stage == Stage::Runaway {
            // a slice reacts when it is hot enough itself, or when the one beside it has burnt through
            let lit_s = hot.lit_s;
            let through = |s: usize| lit_s[s].is_some_and(|t| t >= spec.slice_release_s);
            for (s, lit) in hot.lit_s.iter_mut().enumerate() {
                let reached = (s > 0 && through(s - 1)) || (s + 1 < SLICES && through(s + 1));
                if lit.is_none() && (reached || hot.slices_c[s] >= hot.onset_c) {
                    *lit = Some(0.0);
                }
            }
        }
    }
}

/// Gas flow as a share of the runaway gas per second: rises to its peak, falls to nothing.
fn triangle(t_s: f64) -> f64 {
    let height = 2.0 / RUNAWAY_GAS_S;
    if t_s < PEAK_S {
        height * t_s / PEAK_S
    } else {
        height * (RUNAWAY_GAS_S - t_s) / (RUNAWAY_GAS_S - PEAK_S)
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

fn mean(slices_c: &[f64; SLICES]) -> f64 {
    slices_c.iter().sum::<f64>() / SLICES as f64
}

fn hottest(slices_c: &[f64; SLICES]) -> f64 {
    slices_c.iter().copied().fold(-273.15, f64::max)
}

fn slot_of(k: usize) -> Option<u32> {
    u32::try_from(k).ok()
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed unwrap is the test failing; measured figures show with --nocapture"
)]
mod tests {
    use crate::PlantFault;
    use crate::testing::{build, run, small, truth, uniform};

    /// Times at which the cells of a row go into runaway after the first is heated, as in S17 and UL 9540A, s.
    fn front(soc: f64, k_per_w: f64, cooled: bool, seconds: f64) -> Vec<f64> {
        let mut spec = small(1, 1);
        spec.container.pack.cell_to_cell_k_per_w = k_per_w;
        if !cooled {
            // the cells of S17 stood in one row
            spec.container.pack.row_to_row_k_per_w = 1e9;
            spec.container.pack.plate.as_mut().unwrap().cell_to_plate_k_per_w = 1e6;
        }
        let mut plant = build(&spec, &uniform(soc));
        let heater = PlantFault::HeatCell {
            cluster: 0,
            pack: 0,
            cell: 0,
            kelvin_per_min: 5.0,
        };
        plant.inject(&heater).unwrap();
        let events = run(&mut plant, seconds);
        (1..=11)
            .filter_map(|cell| {
                let part = format!("cluster-01/pack-01/cell-{cell:02}");
                events
                    .iter()
                    .find(|e| e.part == part && e.point == "runaway-stage" && e.value == 3.0)
                    .map(|e| e.at.as_secs_f64())
            })
            .collect()
    }

    /// Acceptance check 4: 667–1305 s per cell (S17), bare, nothing cooling the hot cell.
    #[test]
    fn propagation_takes_11_to_22_minutes_per_cell() {
        let times = front(1.0, 1.4, false, 15_000.0);
        let intervals: Vec<f64> = times.windows(2).map(|t| t[1] - t[0]).collect();
        println!("runaway at {times:.0?} s, intervals {intervals:.0?} s");
        assert_eq!(intervals.len(), 10, "the front runs through the whole row");
        let mean = intervals.iter().sum::<f64>() / 10.0;
        assert!((660.0..1320.0).contains(&mean), "mean {mean}");
        assert!(
            (660.0..1320.0).contains(&intervals[9]),
            "settled {}",
            intervals[9]
        );
    }

    #[test]
    fn low_charge_does_not_propagate() {
        assert_eq!(front(0.4, 1.4, true, 9000.0).len(), 1);
    }

    #[test]
    fn aerogel_stops_or_slows_propagation_beyond_two_hours() {
        let times = front(1.0, 3.5, true, 9000.0);
        println!("with barrier and plate: {times:.0?}");
        assert!(times.len() == 1 || times[1] > 7200.0);
    }

    #[test]
    fn stages_follow_one_another_under_a_heater_and_voltage_collapses() {
        let mut plant = build(&small(1, 1), &uniform(1.0));
        plant
            .inject(&PlantFault::HeatCell {
                cluster: 0,
                pack: 0,
                cell: 5,
                kelvin_per_min: 5.0,
            })
            .unwrap();
        let events = run(&mut plant, 3600.0);
        let at = |stage: f64| {
            events
                .iter()
                .find(|e| e.part.ends_with("cell-06") && e.value == stage)
                .map(|e| e.at.as_secs_f64())
        };
        println!(
            "heated 5 K/min: self-heating {:?}, vented {:?}, runaway {:?}, burnt out {:?}",
            at(1.0),
            at(2.0),
            at(3.0),
            at(4.0)
        );
        assert!(at(1.0) < at(2.0) && at(2.0) < at(3.0) && at(3.0) < at(4.0) && at(1.0).is_some());
        assert!(truth(&plant, "cluster-01/pack-01/cell-06", "voltage").abs() < 0.05);
        let minutes = at(3.0).unwrap_or(f64::NAN) / 60.0;
        assert!(
            (15.0..60.0).contains(&minutes),
            "runaway after {minutes} min at 5 K/min"
        );
    }

    #[test]
    fn peak_temperature_is_that_of_the_literature() {
        let mut spec = small(1, 1);
        spec.container.pack.plate.as_mut().unwrap().cell_to_plate_k_per_w = 1e6;
        let mut plant = build(&spec, &uniform(1.0));
        let heater = PlantFault::HeatCell {
            cluster: 0,
            pack: 0,
            cell: 5,
            kelvin_per_min: 5.0,
        };
        plant.inject(&heater).unwrap();
        let mut peak_c = f64::MIN;
        for _ in 0..900 {
            run(&mut plant, 5.0);
            peak_c = peak_c.max(truth(&plant, "cluster-01/pack-01/cell-06", "hottest-slice"));
        }
        println!("peak {peak_c:.0} °C");
        assert!((430.0..560.0).contains(&peak_c), "{peak_c}");
    }
}
