//! The plant as a whole: builds it and advances it by one grid step. Beside it: what controllers do to it (`actuate.rs`),
//! faults (`faults.rs`), what sensors see (`sample.rs`), accounts (`account.rs`).
//!
//! Four fixed cycles of one clock: every grid step the electrical side (`stack.rs`, `cell.rs`); every 100 ms
//! what is hot, gas, air, suppression; every second resistances, heat, coolant (`climate.rs`); every minute ageing. Within a cycle
//! all flows are computed from the old state.

use core::time::Duration;

use bess_types::{Coil, SimTime};

use crate::ageing::Ageing;
use crate::air::Air;
use crate::airflow::PackFans;
use crate::auxiliary::Auxiliary;
use crate::cell::{Cells, SlowDecay};
use crate::cluster::Cluster;
use crate::cooling::Cooling;
use crate::gas::{Gas, Ignition};
use crate::grid::Grid;
use crate::insulation::Insulation;
use crate::rng;
use crate::runaway::{Runaway, Surroundings};
use crate::sensor::Sensors;
use crate::spec::{AGEING_CLOCK_MAX, ContainerSpec, InitialState, PlantConfigError, PlantSpec, range};
use crate::stack::Stack;
use crate::suppression::Suppression;
use crate::thermal::Thermal;
use crate::topology::{PlantEvent, Topology};

mod account;
mod actuate;
mod faults;
mod sample;

const MEDIUM: Duration = Duration::from_millis(100);
const MEDIUM_S: f64 = 0.1;
pub(crate) const MEDIUM_PER_SLOW: u32 = 10;
pub(crate) const SLOW_S: f64 = 1.0;
const SLOW_PER_AGEING: u32 = 60;
const AGEING_S: f64 = 60.0;
/// Resistance factor from self-heating on (cell-and-thermal §10).
const DEGRADED: f64 = 1.5;

/// A container of cells, its power path, heat, gas and suppression.
#[derive(Clone, Debug)]
pub struct Plant {
    pub(crate) topology: Topology,
    pub(crate) spec: ContainerSpec,
    slow_decay: SlowDecay,
    grid_step: Duration,
    step_s: f64,
    pub(crate) now: SimTime,
    /// Instant of the last act, for its events.
    stamp: SimTime,
    steps_per_medium: u32,
    step_in_medium: u32,
    pub(crate) medium_in_slow: u32,
    slow_in_ageing: u32,
    /// Coil supply present.
    pub(crate) coil_supply: bool,
    /// Its voltage while it is on, V.
    supply_v: f64,
    /// Coil supply commanded.
    coil_command: bool,
    spark: bool,
    pub(crate) cells: Cells,
    pub(crate) ageing: Ageing,
    pub(crate) stack: Stack,
    pub(crate) grid: Grid,
    pub(crate) thermal: Thermal,
    pub(crate) runaway: Runaway,
    pub(crate) cooling: Option<Cooling>,
    pub(crate) fans: Option<PackFans>,
    pub(crate) air: Air,
    pub(crate) auxiliary: Auxiliary,
    pub(crate) gas: Gas,
    pub(crate) suppression: Suppression,
    pub(crate) insulation: Insulation,
    pub(crate) sensors: Sensors,
    pub(crate) events: Vec<PlantEvent>,
    /// Heat of packs and pack fans that goes to the container air until the next slow cycle, W.
    pub(crate) packs_to_air_w: f64,
    aired_j: f64,
    /// Heat of boxes, cables, loads of single cells and controls given to the racks, J.
    pub(crate) equipment_j: f64,
    pub(crate) start_heat_j: f64,
    start_stored_j: f64,
    start_stored_c: f64,
    throughput_j: f64,
}

impl Plant {
    /// A plant at rest: contactors open, bus empty, breakers closed, coil supply present, grid present.
    /// `grid_step` must divide 100 ms. The same spec, state and seed give the same plant bit for bit.
    pub fn new(
        spec: &PlantSpec,
        initial: &InitialState,
        seed: u64,
        grid_step: Duration,
    ) -> Result<Self, PlantConfigError> {
        spec.check()?;
        let container = &spec.container;
        initial.check(container.clusters)?;
        let steps_per_medium = steps_per_medium(grid_step)?;
        let step_s = grid_step.as_secs_f64();
        let topology = Topology {
            clusters: container.clusters,
            packs_per_cluster: container.packs_per_cluster,
            cells_per_pack: container.cells_per_pack,
        };
        let start_c = initial.cell_temperature_c;
        let (mut cells, ageing) = spread_cells(spec, initial, topology, seed, step_s);
        let of_packs = |mohm: f64| mohm * 1e-3 * topology.packs_per_cluster as f64;
        let joints_ohm = of_packs(container.pack.interconnect_mohm);
        let cables_ohm = of_packs(container.pack.cable_mohm);
        cells.set_joint(joints_ohm / topology.cells_per_cluster() as f64);
        let clusters = (0..topology.clusters)
            .map(|c| {
                Cluster::new(
                    topology.cluster_cells(c),
                    &container.hv_box,
                    [joints_ohm, cables_ohm],
                    &mut rng::stream(seed, 0x4856_0000 + c as u64),
                )
            })
            .collect();
        let thermal = Thermal::new(spec, topology, start_c);
        let mut insulation_rng = rng::stream(seed, 0x494D_4400);
        let cooling =
            container
                .cooling
                .as_ref()
                .zip(container.pack.plate.as_ref())
                .map(|(cooling, plate)| {
                    let plates_l = plate.coolant_l * topology.packs() as f64;
                    Cooling::new(cooling, topology.packs(), plates_l, start_c, initial.ambient_c)
                });
        let mut plant = Self {
            topology,
            slow_decay: SlowDecay::new(&spec.cell, SLOW_S),
            grid_step,
            step_s,
            now: SimTime::ZERO,
            stamp: SimTime::ZERO,
            steps_per_medium,
            step_in_medium: 0,
            medium_in_slow: 0,
            slow_in_ageing: 0,
            coil_supply: true,
            supply_v: container.hv_box.coil_supply_v,
            coil_command: true,
            spark: false,
            cells,
            ageing,
            stack: Stack::new(container, clusters, step_s),
            grid: Grid::new(&container.grid),
            runaway: Runaway::new(&spec.cell.runaway, topology, thermal.cell_j_per_k),
            thermal,
            cooling,
            fans: container
                .pack
                .airflow
                .as_ref()
                .map(|airflow| PackFans::new(airflow, topology.packs())),
            air: Air::new(&container.air, initial),
            auxiliary: Auxiliary::new(&container.auxiliary),
            gas: Gas::new(
                &container.gas,
                &container.air,
                &container.sensors,
                topology.packs(),
            ),
            suppression: Suppression::new(&container.suppression, &container.agent),
            insulation: Insulation::new(&container.insulation, topology.clusters, || {
                rng::uniform(&mut insulation_rng)
            }),
            sensors: Sensors::new(&container.sensors, container.hv_box.rated_a, seed),
            events: Vec::with_capacity(64),
            packs_to_air_w: 0.0,
            aired_j: 0.0,
            equipment_j: 0.0,
            start_heat_j: 0.0,
            start_stored_j: 0.0,
            start_stored_c: 0.0,
            throughput_j: 0.0,
            spec: container.clone(),
        };
        plant.start_stored_j = plant.stored_j();
        plant.start_stored_c = plant.cells.stored_c(0..topology.cells());
        plant.start_heat_j = plant.heat_stored_j();
        // discharges cells a little by themselves, which counts
        plant.refresh_resistances();
        Ok(plant)
    }

    /// Exactly one grid step, ending at `now`, with actuators held.
    ///
    /// # Panics
    /// If `now` is not one grid step after the last one.
    pub fn advance(&mut self, now: SimTime) {
        assert!(
            now == self.now + self.grid_step,
            "container: plant stands at {} and is asked for {now}, one step is {:?}",
            self.now,
            self.grid_step
        );
        let start = self.now;
        self.grid.step(self.step_s);
        for (c, cluster) in self.stack.clusters.iter_mut().enumerate() {
            if self.cells.changed(c) {
                cluster.sums = self.cells.sums(c);
            }
        }
        self.stack.step(start, now, &self.grid, &mut self.events);
        let (clusters, step_s) = (&self.stack.clusters, self.step_s);
        let per_cluster = self.topology.cells_per_cluster();
        self.cells.step_taps(|cell| {
            let cluster = &clusters[cell / per_cluster];
            [cluster.mean_a, cluster.square_a2s / step_s]
        });
        for (c, cluster) in self.stack.clusters.iter_mut().enumerate() {
            self.throughput_j += cluster.charge_c.abs() * cluster.sums.emf_v;
            let sums = self
                .cells
                .step(c, cluster.mean_a, cluster.square_a2s / self.step_s);
            cluster.stepped(sums);
        }
        self.now = now;
        self.step_in_medium += 1;
        if self.step_in_medium == self.steps_per_medium {
            self.step_in_medium = 0;
            self.medium_cycle();
            self.medium_in_slow += 1;
            if self.medium_in_slow == MEDIUM_PER_SLOW {
                self.medium_in_slow = 0;
                self.slow_cycle();
            }
        }
    }

    /// Discrete changes since the last call, in the order of their time.
    pub fn drain_events(&mut self) -> impl Iterator<Item = PlantEvent> {
        self.events.sort_by_key(|event| event.at);
        self.events.drain(..)
    }

    /// How much faster than electrics and heat the cells age, 0 to 1,000,000; 1 is real. 0 stops ageing.
    ///
    /// # Errors
    /// If the factor is outside that range or not a number.
    pub fn set_ageing_clock(&mut self, factor: f64) -> Result<(), PlantConfigError> {
        range("ageing_clock", factor, 0.0, AGEING_CLOCK_MAX)?;
        self.ageing.clock = factor;
        Ok(())
    }

    /// Counts of clusters, packs and cells.
    pub fn topology(&self) -> Topology {
        self.topology
    }

    /// Power at the point of interconnection, W; the container's own supply is taken from the same grid.
    pub(crate) fn poi_w(&self) -> f64 {
        if self.grid.energised {
            self.stack.converter.active_w - self.auxiliary_w()
        } else {
            0.0
        }
    }

    /// Rated current of the high-voltage boxes, A.
    pub(crate) fn hv_box_rated_a(&self) -> f64 {
        self.spec.hv_box.rated_a
    }

    /// Temperature in a cluster's high-voltage box, °C.
    pub(crate) fn hv_box_c(&self, cluster: usize) -> f64 {
        self.air.mean_c + self.stack.clusters[cluster].box_rise_k
    }

    fn medium_cycle(&mut self) {
        let now = self.now;
        let clusters = &self.stack.clusters;
        self.insulation.wet_s = self.suppression.wet_s();
        self.insulation.step(MEDIUM_S, |c| {
            Coil::ALL.iter().any(|&coil| clusters[c].contactor(coil).closed())
        });
        let around = Surroundings {
            cooling_w: self.suppression.cooling_w(),
            air_c: self.air.mean_c,
        };
        self.start_stored_c -= self.runaway.step(
            now,
            MEDIUM_S,
            &mut self.cells,
            &mut self.thermal,
            around,
            &mut self.events,
        );
        let ignition = Ignition {
            spark: self.spark,
            hottest_c: self.runaway.hottest_c(),
            inhibited: self.suppression.inhibits(),
            inerted: self.suppression.inerts(),
            quenched: self.suppression.quenches(),
            agent_db_per_m: self.suppression.smoke_db_per_m(),
        };
        self.gas.step(
            now,
            MEDIUM_S,
            self.runaway.vented(),
            ignition,
            &mut self.air,
            &mut self.events,
        );
        let equipment_j =
            self.stack.clusters.iter().map(|c| c.path_heat_j).sum::<f64>() + self.cells.tap_heat_j();
        let equipment_j = equipment_j - core::mem::replace(&mut self.aired_j, equipment_j)
            + self.auxiliary.controls_w() * MEDIUM_S;
        self.equipment_j += equipment_j;
        self.air.step(
            MEDIUM_S,
            self.packs_to_air_w * MEDIUM_S,
            equipment_j,
            self.gas.burst_j,
            self.gas.convective_w,
            self.spec.sensors.air_lag_s,
        );
        let vented =
            self.air.damper_open() || self.air.fan_runs() || self.air.door_open || self.air.panels_open;
        self.suppression.step(now, MEDIUM_S, vented, &mut self.events);
    }

    fn slow_cycle(&mut self) {
        self.step_climate();
        self.stack.converter.warm(SLOW_S);
        let follow = -libm::expm1(-SLOW_S / self.spec.hv_box.rise_s);
        let rated_a2 = self.spec.hv_box.rated_a * self.spec.hv_box.rated_a;
        for cluster in &mut self.stack.clusters {
            // capped: a short is over before the box has warmed
            let load = (cluster.slow_square_a2s / SLOW_S / rated_a2).min(4.0);
            cluster.box_rise_k += (load * self.spec.hv_box.rise_at_rated_k - cluster.box_rise_k) * follow;
            cluster.slow_square_a2s = 0.0;
        }
        self.refresh_resistances();
        self.runaway.sort(&mut self.cells, &mut self.thermal);
        self.slow_in_ageing += 1;
        if self.slow_in_ageing == SLOW_PER_AGEING {
            self.slow_in_ageing = 0;
            self.ageing.step(
                self.now,
                AGEING_S,
                &mut self.cells,
                &self.thermal.cell_c,
                self.topology,
                &mut self.events,
            );
        }
    }

    /// Resistances for the present temperatures and directions.
    fn refresh_resistances(&mut self) {
        for cluster in &mut self.stack.clusters {
            let mean_a = core::mem::take(&mut cluster.slow_charge_c) / SLOW_S;
            let idle = mean_a.abs() < 0.5;
            if !idle {
                cluster.charging = mean_a < 0.0;
            }
            self.cells.refresh(
                cluster.cells.clone(),
                &self.thermal.cell_c,
                cluster.charging,
                idle,
                &self.slow_decay,
            );
        }
        for cell in self.runaway.degraded() {
            self.cells.degrade(cell, DEGRADED);
        }
        for (c, cluster) in self.stack.clusters.iter_mut().enumerate() {
            cluster.sums = self.cells.sums(c);
        }
    }

    pub(crate) fn note(&mut self, part: &str, point: &'static str, value: f64, text: &str) {
        self.events.push(PlantEvent {
            at: self.stamp.max(self.now),
            part: part.into(),
            point,
            value,
            text: text.into(),
        });
    }
}

fn steps_per_medium(grid_step: Duration) -> Result<u32, PlantConfigError> {
    let (step, medium) = (grid_step.as_nanos(), MEDIUM.as_nanos());
    if step > 0
        && medium.is_multiple_of(step)
        && let Ok(steps) = u32::try_from(medium / step)
    {
        return Ok(steps);
    }
    Err(PlantConfigError::GridStep { nanos: step })
}

/// Cells with their spread.
fn spread_cells(
    spec: &PlantSpec,
    initial: &InitialState,
    topology: Topology,
    seed: u64,
    step_s: f64,
) -> (Cells, Ageing) {
    let n = topology.cells();
    let mut rng = rng::stream(seed, 0x4345_4C4C);
    let aged = initial.sigma_factor();
    let (mut soc, mut capacity_ah, mut soh, mut resistance) = (
        Vec::with_capacity(n),
        Vec::with_capacity(n),
        Vec::with_capacity(n),
        Vec::with_capacity(n),
    );
    for i in 0..n {
        let cluster = i / topology.cells_per_cluster();
        let mean = initial
            .soc_by_cluster
            .iter()
            .rev()
            .find(|&&(c, _)| c == cluster)
            .map_or(initial.soc, |&(_, soc)| soc);
        soc.push((mean + initial.soc_sigma * rng::normal(&mut rng)).clamp(0.0, 1.0));
        let draw = rng::normal(&mut rng);
        capacity_ah.push(spec.cell.capacity_ah * (1.0 + initial.capacity_sigma * draw));
        soh.push(
            initial.soh * (1.0 + initial.capacity_sigma * aged * draw)
                / (1.0 + initial.capacity_sigma * draw),
        );
        resistance.push(1.0 + initial.resistance_sigma * aged * rng::normal(&mut rng));
    }
    let mut cells = Cells::new(
        &spec.cell,
        soc,
        &capacity_ah,
        resistance,
        topology.cells_per_cluster(),
        step_s,
    );
    let mut rng = rng::stream(seed, 0x4C45_414B);
    for i in 0..n {
        let drawn =
            spec.cell.self_discharge_per_month + spec.cell.self_discharge_sigma * rng::normal(&mut rng);
        cells.set_self_discharge(i, drawn.max(0.0));
    }
    let ageing = Ageing::new(&spec.cell.ageing, initial.ageing_clock, &soh, &mut cells);
    (cells, ageing)
}

#[cfg(test)]
mod tests;
