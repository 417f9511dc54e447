//! Hot cells and the heat between them: self-heating, venting, runaway, propagation.
//!
//! A cell leaves the lumped network of `thermal.rs` when it or a neighbour's face passes the self-heating
//! temperature, or when it is heated, shorted or nailed. Slice 0 faces the cell before, slice 4 the cell after.
//! Modelled: what happens in a cell (`hot_cell.rs`), heat to neighbours through the large faces, which conduct
//! worse once a cell has burnt and its layers have parted from the can, to the rows beside and to the plate from
//! every slice, and to an agent that cools. Triggers: heater on a face, held temperature, overcharge (the electrical model heats a
//! cell that takes no more charge), internal short (heats the middle slice; 5 mΩ run away within minutes, 50 mΩ
//! only where nothing cools), external short (heats the cell as a whole by its resistance only), nail.
//! Not modelled: jets onto other packs, heat of burning gas onto cells.

use bess_types::SimTime;

use crate::cell::Cells;
use crate::gas::Vented;
use crate::hot_cell::{AbuseHeat, Heater, HotCell, Kinetics, SLICES, Stage};
use crate::spec::RunawaySpec;
use crate::thermal::Thermal;
use crate::topology::{PlantEvent, Topology};

/// A held cell reaches its temperature with this time constant, s.
const HOLD_S: f64 = 1.0;
/// An agent cools no faster than with this time constant, s.
const COOLING_S: f64 = 5.0;
/// A cooled cell returns to the lumped network below this, °C.
const RELEASE_C: f64 = 60.0;

#[derive(Clone, Debug)]
pub(crate) struct Runaway {
    kinetics: Kinetics,
    topology: Topology,
    gas_l_per_c: f64,
    vapour_g_per_c: f64,
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
    pub(crate) heat: AbuseHeat,
}

/// What surrounds the hot cells in a cycle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings {
    /// Heat the agent can take from all hot cells together, W.
    pub(crate) cooling_w: f64,
    /// Container air, °C; the agent cools nothing below it.
    pub(crate) air_c: f64,
}

impl Runaway {
    pub(crate) fn new(spec: &RunawaySpec, topology: Topology, cell_j_per_k: f64) -> Self {
        Self {
            kinetics: Kinetics::new(spec, cell_j_per_k),
            topology,
            gas_l_per_c: spec.gas_l_per_ah / 3600.0,
            vapour_g_per_c: spec.vapour_g_per_ah / 3600.0,
            hot: Vec::new(),
            slot: vec![None; topology.cells()],
            holds: Vec::new(),
            vented: Vec::new(),
            lost_j: 0.0,
            burnt_c: 0.0,
            taken_j: 0.0,
            heat: AbuseHeat::default(),
        }
    }

    /// Stage of a cell as a number, 0 to 4.
    pub(crate) fn stage(&self, cell: usize) -> f64 {
        self.of(cell).map_or(0.0, |hot| f64::from(hot.stage as u8))
    }

    /// Hottest slice of a cell, °C, or its temperature.
    pub(crate) fn hottest_slice_c(&self, cell: usize, thermal: &Thermal) -> f64 {
        self.of(cell).map_or(thermal.cell_c[cell], HotCell::hottest_c)
    }

    /// Hottest slice of a cell when it vented, °C; 0 if it has not.
    pub(crate) fn vent_c(&self, cell: usize) -> f64 {
        self.of(cell).map_or(0.0, |hot| hot.vent_c)
    }

    /// Hottest slice of a cell when it ran away, °C; 0 if it has not.
    pub(crate) fn runaway_c(&self, cell: usize) -> f64 {
        self.of(cell).map_or(0.0, |hot| hot.runaway_c)
    }

    /// Gas a cell has given off, L.
    pub(crate) fn given_off_l(&self, cell: usize) -> f64 {
        self.of(cell).map_or(0.0, |hot| hot.given_off_l)
    }

    /// Heat flow through the large face of a hot cell to the next in its row, W; 0 from other cells.
    pub(crate) fn to_next_w(&self, cell: usize) -> f64 {
        self.of(cell).map_or(0.0, |hot| hot.to_next_w)
    }

    /// Hottest slice anywhere, °C.
    pub(crate) fn hottest_c(&self) -> f64 {
        self.hot.iter().map(HotCell::hottest_c).fold(-273.15, f64::max)
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
    pub(crate) fn heat(&mut self, cell: usize, k_per_min: f64, cells: &mut Cells, thermal: &mut Thermal) {
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
    pub(crate) fn nail(&mut self, cell: usize, cells: &mut Cells, thermal: &mut Thermal) {
        let slot = self.promote(cell, cells, thermal);
        self.hot[slot].nail = true;
    }

    /// A short inside a cell heats one place of it as long as it is there.
    pub(crate) fn short(&mut self, cell: usize, there: bool, cells: &mut Cells, thermal: &mut Thermal) {
        let slot = self.promote(cell, cells, thermal);
        self.hot[slot].shorted = there;
    }

    /// One medium cycle. Returns the charge held by cells that burnt in it, C.
    pub(crate) fn step(
        &mut self,
        now: SimTime,
        dt_s: f64,
        cells: &mut Cells,
        thermal: &mut Thermal,
        around: Surroundings,
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
        self.collect_flows(dt_s, cells, thermal);
        self.cool(dt_s, around);
        for k in 0..self.hot.len() {
            self.step_cell(k, now, dt_s, cells, thermal, events);
        }
        let mut k = 0;
        while k < self.hot.len() {
            if self.hot[k].hottest_c() >= self.kinetics.spec.self_heating_c[0] {
                for neighbour in thermal.neighbours(self.hot[k].cell).into_iter().flatten() {
                    self.promote(neighbour, cells, thermal);
                }
            }
            k += 1;
        }
        self.burnt_c
    }

    /// In the slow cycle: takes in cells that have become hot, lets go of cells that have cooled.
    pub(crate) fn sort(&mut self, cells: &mut Cells, thermal: &mut Thermal) {
        for i in 0..thermal.cell_c.len() {
            if thermal.cell_c[i] >= self.kinetics.spec.self_heating_c[0] && self.slot[i].is_none() {
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
            if hot.idle() && !beside_heat && hot.hottest_c() < RELEASE_C {
                let cell = hot.cell;
                thermal.cell_c[cell] = hot.mean_c();
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

    fn promote(&mut self, cell: usize, cells: &mut Cells, thermal: &mut Thermal) -> usize {
        if let Some(slot) = self.slot[cell] {
            return slot as usize;
        }
        let slot = self.hot.len();
        self.slot[cell] = slot_of(slot);
        let capacity_c = cells.capacity_c[cell];
        let (gas_l, vapour_g) = (self.gas_l_per_c * capacity_c, self.vapour_g_per_c * capacity_c);
        self.hot
            .push(HotCell::new(cell, thermal.cell_c[cell], gas_l, vapour_g));
        // what a short made before was spread over the cell
        cells.take_short_j(cell);
        thermal.set_whole(cell, false);
        slot
    }

    fn step_holds(&mut self, dt_s: f64, thermal: &mut Thermal) {
        let follow = -libm::expm1(-dt_s / HOLD_S);
        for &(cell, celsius) in &self.holds {
            if let Some(slot) = self.slot[cell] {
                for slice in &mut self.hot[slot as usize].slices_c {
                    let change_k = (celsius - *slice) * follow;
                    *slice += change_k;
                    self.heat.heater_j += change_k * self.kinetics.slice_j_per_k;
                }
            } else {
                self.heat.heater_j += (celsius - thermal.cell_c[cell]) * follow * thermal.cell_j_per_k;
            }
            thermal.cell_c[cell] += (celsius - thermal.cell_c[cell]) * follow;
        }
    }

    /// All heat flows of the cycle, before any temperature changes.
    fn collect_flows(&mut self, dt_s: f64, cells: &mut Cells, thermal: &mut Thermal) {
        let slice_k_per_w = self.kinetics.spec.slice_k_per_w;
        // cell to cell is from middle to middle; four slices of it are resolved here
        let face_k_per_w =
            (1.0 / thermal.neighbour_w_per_k() - (SLICES - 1) as f64 * slice_k_per_w).max(slice_k_per_w);
        let between = 1.0 / slice_k_per_w;
        let beside = thermal.beside_w_per_k() / SLICES as f64;
        for k in 0..self.hot.len() {
            let hot = &self.hot[k];
            let cell = hot.cell;
            let node = thermal.node(cell);
            let to_node = thermal.contact_w_per_k(cell) / SLICES as f64;
            let slices_c = hot.slices_c;
            let electrical_j = core::mem::take(&mut cells.heat_j[cell]);
            self.taken_j += electrical_j;
            let spot_j = cells.take_short_j(cell);
            let spread_j = electrical_j - spot_j + core::mem::take(&mut thermal.inflow_j[cell]);
            let mut flow_j = [spread_j / SLICES as f64; SLICES];
            flow_j[hot.spot()] += spot_j;
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
            let mut to_next_w = 0.0;
            for (neighbour, mine, theirs) in [
                (thermal.neighbours(cell)[0], 0, SLICES - 1),
                (thermal.neighbours(cell)[1], SLICES - 1, 0),
            ] {
                let Some(neighbour) = neighbour else { continue };
                let other = self.of(neighbour);
                let burnt =
                    hot.stage >= Stage::Runaway || other.is_some_and(|other| other.stage >= Stage::Runaway);
                let face_k_per_w = face_k_per_w
                    + if burnt {
                        self.kinetics.spec.burnt_face_k_per_w
                    } else {
                        0.0
                    };
                let in_w = if let Some(other) = other {
                    (other.slices_c[theirs] - slices_c[mine]) / face_k_per_w
                } else {
                    // to the middle of a cell without slices
                    let in_w =
                        (thermal.cell_c[neighbour] - slices_c[mine]) / (face_k_per_w + 2.0 * slice_k_per_w);
                    thermal.inflow_j[neighbour] -= in_w * dt_s;
                    in_w
                };
                flow_j[mine] += in_w * dt_s;
                if mine == SLICES - 1 {
                    to_next_w = -in_w;
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
            self.hot[k].to_next_w = to_next_w;
        }
    }

    /// The agent takes heat from all that is hotter than the air, in proportion.
    fn cool(&mut self, dt_s: f64, around: Surroundings) {
        let over_k = |slice: f64| (slice - around.air_c).max(0.0);
        let total_k: f64 = self.hot.iter().flat_map(|hot| hot.slices_c).map(over_k).sum();
        if around.cooling_w <= 0.0 || total_k <= 0.0 {
            return;
        }
        // at most down to the air's temperature within seconds
        let per_k = (around.cooling_w / total_k).min(self.kinetics.slice_j_per_k / COOLING_S) * dt_s;
        for hot in &mut self.hot {
            for (flow, slice) in hot.flow_j.iter_mut().zip(hot.slices_c) {
                *flow -= per_k * over_k(slice);
                self.heat.agent_j += per_k * over_k(slice);
            }
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
        let hot = &mut self.hot[k];
        let outcome = hot.step(dt_s, &self.kinetics, cells, &mut self.heat);
        thermal.cell_c[hot.cell] = hot.mean_c();
        if outcome.gas_l > 0.0 || outcome.trace_l > 0.0 || outcome.heat_j > 0.0 {
            self.vented.push(Vented {
                pack: hot.cell / self.topology.cells_per_pack,
                gas_l: outcome.gas_l,
                vapour_g: outcome.vapour_g,
                soc: cells.soc[hot.cell],
                first_vent: outcome.first_vent,
                trace_l: outcome.trace_l,
                heat_j: outcome.heat_j,
            });
        }
        let [burnt_c, burnt_j] = outcome.burnt;
        self.burnt_c += burnt_c;
        self.lost_j += burnt_j;
        if let Some(stage) = outcome.entered {
            events.push(PlantEvent {
                at: now,
                part: self.topology.cell_name(hot.cell),
                point: "runaway-stage",
                value: f64::from(stage as u8),
                text: stage.name().into(),
            });
        }
    }
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
    use crate::testing::{build, close_all, power, run, small, truth, uniform};
    use crate::{Plant, PlantSpec};

    const CELL: &str = "cluster-01/pack-01/cell-06";

    /// A pack whose plate takes no heat.
    fn uncooled(clusters: usize, packs: usize) -> PlantSpec {
        let mut spec = small(clusters, packs);
        spec.container.pack.row_to_row_k_per_w = 1e9;
        spec.container.pack.plate.as_mut().unwrap().cell_to_plate_k_per_w = 1e9;
        spec
    }

    /// When the cell under test entered each stage, s.
    fn stages(plant: &mut Plant, seconds: f64) -> [Option<f64>; 5] {
        let mut at = [None; 5];
        let events = run(plant, seconds);
        for (stage, at) in [0.0, 1.0, 2.0, 3.0, 4.0].into_iter().zip(&mut at) {
            let first = events
                .iter()
                .find(|e| e.part == CELL && e.point == "runaway-stage" && e.value == stage);
            *at = first.map(|e| e.at.as_secs_f64());
        }
        at
    }

    /// All heat that cells of an isolated plant hold above 25 °C is accounted for: what the electrical model made,
    /// reactions and heaters, less evaporation and agent. Returns the sum of all and what is missing, J.
    fn heat_balance(plant: &Plant) -> (f64, f64) {
        let held_j: f64 =
            plant.thermal.cell_c.iter().map(|c| c - 25.0).sum::<f64>() * plant.thermal.cell_j_per_k;
        let ledger = plant.ledger();
        let given_j = ledger.cell_heat_j + plant.thermal.reversible_j + ledger.reaction_j + ledger.heater_j
            - ledger.cooled_j;
        let turned_j = ledger.reaction_j + ledger.heater_j.abs() + ledger.cell_heat_j.abs();
        (turned_j, held_j - given_j)
    }

    /// Times at which the cells of a row go into runaway after the first is heated, as in S17 and UL 9540A, s.
    fn front(soc: f64, k_per_w: f64, cooled: bool, seconds: f64) -> Vec<f64> {
        let mut spec = if cooled { small(1, 1) } else { uncooled(1, 1) };
        spec.container.pack.cell_to_cell_k_per_w = k_per_w;
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

    #[test]
    fn every_trigger_keeps_its_accounts() {
        let at = |pack| (0, pack, 5);
        let (cluster, pack, cell) = at(0);
        for (name, fault) in [
            (
                "heater",
                PlantFault::HeatCell {
                    cluster,
                    pack,
                    cell,
                    kelvin_per_min: 30.0,
                },
            ),
            (
                "hold",
                PlantFault::HoldCellTemperature {
                    cluster,
                    pack,
                    cell,
                    celsius: 210.0,
                },
            ),
            (
                "short",
                PlantFault::CellShort {
                    cluster,
                    pack,
                    cell,
                    ohm: 0.005,
                },
            ),
            (
                "outside",
                PlantFault::CellExternalShort {
                    cluster,
                    pack,
                    cell,
                    ohm: 0.002,
                },
            ),
            ("nail", PlantFault::Nail { cluster, pack, cell }),
        ] {
            let mut plant = build(&uncooled(1, 2), &uniform(1.0));
            plant.inject(&fault).unwrap();
            run(&mut plant, 900.0);
            let (turned_j, missing_j) = heat_balance(&plant);
            println!(
                "{name}: {:.0} kJ turned over, {missing_j:.0} J missing",
                turned_j / 1e3
            );
            assert!(turned_j > 1e5, "{name}");
            assert!(
                missing_j.abs() < 2e-3 * turned_j,
                "{name}: {missing_j} J of {turned_j}"
            );
            let ledger = plant.ledger();
            let moved_j = turned_j + ledger.heat_j;
            assert!(
                ledger.residual_j.abs() < 1e-3 * moved_j,
                "{name}: {} J of {moved_j}",
                ledger.residual_j
            );
        }
    }

    /// Self-heating takes its heat from what the runaway would release.
    #[test]
    fn a_cell_releases_its_heat_once() {
        let mut spec = uncooled(1, 1);
        spec.container.pack.cell_to_cell_k_per_w = 1e9;
        let mut plant = build(&spec, &uniform(1.0));
        let (cluster, pack, cell) = (0, 0, 5);
        plant
            .inject(&PlantFault::HoldCellTemperature {
                cluster,
                pack,
                cell,
                celsius: 118.0,
            })
            .unwrap();
        run(&mut plant, 14_400.0);
        let slow_j = plant.ledger().reaction_j;
        plant.inject(&PlantFault::Nail { cluster, pack, cell }).unwrap();
        run(&mut plant, 1800.0);
        let all_j = plant.ledger().reaction_j;
        println!("self-heating {slow_j:.0} J, all {all_j:.0} J");
        assert!(slow_j > 5e4 && slow_j < 0.5 * all_j);
        assert!(all_j < 1.001 * spec.cell.runaway.energy_full_j, "{all_j}");
    }

    /// A flame that burns all a cell gives off gets the heat of its gas and of its vapour once; both depend on charge.
    #[test]
    fn a_cell_gives_its_gas_and_vapour_once() {
        for (soc, gas_share, vapour_share) in [
            (1.0, 1.0, 1.0),
            (0.73, 0.948, 0.85),
            (0.53, 0.9, 0.0),
            (0.34, 0.4, 0.0),
        ] {
            let mut spec = uncooled(1, 1);
            spec.container.pack.cell_to_cell_k_per_w = 1e9;
            let mut plant = build(&spec, &uniform(soc));
            plant
                .inject(&PlantFault::Nail {
                    cluster: 0,
                    pack: 0,
                    cell: 5,
                })
                .unwrap();
            plant.inject(&PlantFault::Spark).unwrap();
            run(&mut plant, 2400.0);
            let gas_l = truth(&plant, CELL, "vented-gas");
            let full_l = spec.cell.runaway.gas_l_per_ah * spec.cell.capacity_ah;
            // and a hundredth that smoulders out
            let share = gas_l / (1.01 * full_l);
            assert!(
                (share - gas_share).abs() < 0.01 * gas_share,
                "{soc}: {gas_l} of {full_l} L"
            );
            let vapour_j =
                spec.cell.runaway.vapour_g_per_ah * spec.cell.capacity_ah * 14_600.0 * vapour_share;
            let gas_j = plant.ledger().combustion_j - vapour_j;
            println!(
                "{soc}: {gas_l:.0} L, vapour {vapour_j:.0} J, gas {:.0} J/L",
                gas_j / gas_l
            );
            assert!(
                (11_000.0..14_500.0).contains(&(gas_j / gas_l)),
                "{soc}: {gas_j} of {gas_l} L"
            );
        }
    }

    /// CT §10: more than 4.5 to 5 V for more than 20 min at 0.5C.
    #[test]
    fn an_overcharged_cell_vents_and_runs_away_after_tens_of_minutes() {
        let mut plant = build(&small(1, 9), &uniform(0.5));
        plant
            .inject(&PlantFault::CellSoc {
                cluster: 0,
                pack: 0,
                cell: 5,
                soc: 1.0,
            })
            .unwrap();
        close_all(&mut plant);
        power(&mut plant, -195e3);
        let mut above_s = None;
        let mut peak_v = f64::MIN;
        for k in 0..400 {
            run(&mut plant, 1.0);
            let volts = truth(&plant, CELL, "voltage");
            peak_v = peak_v.max(volts);
            if above_s.is_none() && volts > 4.5 {
                above_s = Some(f64::from(k));
            }
        }
        let start_s = plant.now.as_secs_f64();
        let at = stages(&mut plant, 3600.0);
        let current_a = truth(&plant, "cluster-01", "current");
        println!("4.5 V after {above_s:?} s, {peak_v:.2} V, {at:?} s, {current_a:.0} A");
        let from_s = start_s - 400.0 + above_s.unwrap();
        let minutes = |stage: usize| (at[stage].unwrap() - from_s) / 60.0;
        assert!((4.5..5.2).contains(&peak_v));
        assert!(minutes(2) < minutes(3));
        assert!((15.0..60.0).contains(&minutes(3)), "{}", minutes(3));
        let ledger = plant.ledger();
        assert!(ledger.residual_j.abs() < 1e-3 * ledger.throughput_j, "{ledger:?}");
    }

    #[test]
    fn a_hard_short_inside_runs_away_a_soft_one_beside_a_running_plate_does_not() {
        let short = |ohm: f64, spec: &PlantSpec, seconds: f64| {
            let mut plant = build(spec, &uniform(1.0));
            plant
                .inject(&PlantFault::CellShort {
                    cluster: 0,
                    pack: 0,
                    cell: 5,
                    ohm,
                })
                .unwrap();
            plant.actuate(
                plant.now,
                crate::Place::CONTAINER,
                &bess_types::Actuation::Cooling {
                    mode: bess_types::CoolingMode::Cool,
                    setpoint_c: 20.0,
                },
            );
            let at = stages(&mut plant, seconds);
            (at, truth(&plant, CELL, "hottest-slice"))
        };
        let (hard, _) = short(0.005, &small(1, 1), 1800.0);
        let (soft, soft_c) = short(0.05, &small(1, 1), 7200.0);
        println!("5 mΩ: {hard:?}, 50 mΩ: {soft:?} {soft_c:.0} °C");
        assert!((60.0..900.0).contains(&hard[3].unwrap()));
        assert!(soft[3].is_none() && soft_c > 60.0);
    }

    #[test]
    fn a_short_outside_heats_the_cell_but_it_does_not_run_away() {
        let mut plant = build(&uncooled(1, 1), &uniform(1.0));
        plant
            .inject(&PlantFault::CellExternalShort {
                cluster: 0,
                pack: 0,
                cell: 5,
                ohm: 0.001,
            })
            .unwrap();
        run(&mut plant, 10.0);
        let share = plant.ledger().cell_heat_j / (plant.ledger().cell_heat_j + plant.ledger().tap_heat_j);
        let at = stages(&mut plant, 3600.0);
        let hottest_c = truth(&plant, CELL, "hottest-slice");
        println!(
            "{:.0} % of the heat in the cell, {at:?}, {hottest_c:.0} °C",
            share * 100.0
        );
        assert!((0.1..0.35).contains(&share), "{share}");
        assert!(at[3].is_none());
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

    /// S16: 534 °C on a face. Here neighbours take heat, so the mean stays somewhat below the 450 to 530 °C of CT §10.
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
        let mut peak_c = [f64::MIN; 2];
        for _ in 0..900 {
            run(&mut plant, 5.0);
            for (peak, point) in peak_c.iter_mut().zip(["hottest-slice", "temperature"]) {
                *peak = peak.max(truth(&plant, CELL, point));
            }
        }
        println!("peak {peak_c:.0?} °C");
        assert!((480.0..588.0).contains(&peak_c[0]), "{peak_c:?}");
        assert!((420.0..530.0).contains(&peak_c[1]), "{peak_c:?}");
    }
}
