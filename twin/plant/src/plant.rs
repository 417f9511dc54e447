//! The plant as a whole: builds it, advances it by one grid step, takes actuations and faults, gives samples.
//!
//! Four fixed cycles of one clock: every grid step the electrical side (`stack.rs`, `cell.rs`); every 100 ms
//! what is hot, gas, air, suppression; every second resistances, heat, coolant (`climate.rs`); every minute ageing. Within a cycle
//! all flows are computed from the old state.

use core::ops::Range;
use core::time::Duration;

use bess_types::{Actuation, Channel, Coil, Reading, SimTime};

use crate::ageing::Ageing;
use crate::air::Air;
use crate::airflow::PackFans;
use crate::auxiliary::Auxiliary;
use crate::cell::{Cells, SlowDecay};
use crate::cluster::{Cluster, Path};
use crate::contactor::AuxFault;
use crate::cooling::Cooling;
use crate::fault::{FaultError, PlantFault};
use crate::gas::{Gas, Ignition};
use crate::grid::Grid;
use crate::insulation::Insulation;
use crate::ledger::Ledger;
use crate::rng;
use crate::runaway::{Runaway, Surroundings};
use crate::sensor::{Sensors, values_at};
use crate::spec::{AGEING_CLOCK_MAX, ContainerSpec, InitialState, PlantConfigError, PlantSpec, range};
use crate::stack::Stack;
use crate::suppression::Suppression;
use crate::thermal::Thermal;
use crate::topology::{Place, PlantEvent, Topology, cluster_name};

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

    /// A device's act at `at`, in force from then on; `at` lies between the last step and the next. Acts at a place
    /// that has no such actuator do nothing.
    pub fn actuate(&mut self, at: SimTime, place: Place, action: &Actuation) {
        let now = at.max(self.now);
        self.stamp = now;
        let cluster = place.cluster.filter(|&c| c < self.topology.clusters);
        match *action {
            Actuation::Coil { coil, energised } => {
                let supply_v = self.coil_supply_v();
                if let Some(c) = cluster {
                    self.stack.clusters[c].command(now, coil, energised, supply_v);
                }
            }
            Actuation::BreakerTrip => {
                if let Some(c) = cluster {
                    let cluster = &mut self.stack.clusters[c];
                    if cluster.breaker_closed && cluster.breaker_due.is_none() {
                        let delay =
                            Duration::from_nanos(crate::converter::nanos(self.spec.hv_box.breaker_ms / 1e3));
                        cluster.breaker_due = Some(now + delay);
                    }
                }
            }
            Actuation::CoilSupply { on } => {
                self.coil_command = on;
                self.follow_supply();
            }
            Actuation::ActiveBalancing { sources, sinks } => {
                if let (Some(c), Some(p), Some(spec)) = (
                    cluster,
                    place.pack.filter(|&p| p < self.topology.packs_per_cluster),
                    self.spec.pack.active_balancing,
                ) {
                    let cells = self.topology.pack_cells(self.topology.pack_index(c, p));
                    self.cells.set_transfer(cells, sources, sinks, spec);
                }
            }
            Actuation::Balancing { cells } => {
                if let (Some(c), Some(p)) = (
                    cluster,
                    place.pack.filter(|&p| p < self.topology.packs_per_cluster),
                ) {
                    for k in 0..self.topology.cells_per_pack {
                        let on = cells >> k & 1 == 1;
                        let conductance_s = if on { 1.0 / self.spec.pack.bleed_ohm } else { 0.0 };
                        self.cells
                            .set_bleed(self.topology.cell_index(c, p, k), conductance_s);
                    }
                }
            }
            Actuation::Converter {
                gate,
                ac_contactor,
                active_power_w,
                reactive_power_var,
            } => {
                self.stack.converter.actuate(
                    now,
                    gate,
                    ac_contactor,
                    active_power_w,
                    reactive_power_var,
                    &mut self.events,
                );
            }
            Actuation::Cooling { mode, setpoint_c } => {
                if let Some(cooling) = &mut self.cooling {
                    cooling.mode = mode;
                    if setpoint_c.is_finite() {
                        cooling.setpoint_c = setpoint_c.clamp(-20.0, 60.0);
                    }
                }
            }
            Actuation::Ventilation { fan, damper_open } => {
                if core::mem::replace(&mut self.air.fan, fan) != fan {
                    self.note(
                        "air",
                        "vent-fan",
                        f64::from(fan),
                        if fan { "vent fan on" } else { "vent fan off" },
                    );
                }
                if core::mem::replace(&mut self.air.damper, damper_open) != damper_open {
                    self.note(
                        "air",
                        "damper-open",
                        f64::from(damper_open),
                        if damper_open {
                            "damper open"
                        } else {
                            "damper closed"
                        },
                    );
                }
            }
            Actuation::PackFan { duty } => {
                if let (Some(fans), Some(c), Some(p)) = (
                    &mut self.fans,
                    cluster,
                    place.pack.filter(|&p| p < self.topology.packs_per_cluster),
                ) && duty.is_finite()
                {
                    fans.duty[self.topology.pack_index(c, p)] = duty.clamp(0.0, 1.0);
                }
            }
            Actuation::Hvac { on } => {
                if core::mem::replace(&mut self.air.hvac, on) != on {
                    self.note(
                        "air",
                        "hvac",
                        f64::from(on),
                        if on { "HVAC on" } else { "HVAC off" },
                    );
                }
            }
            Actuation::ReleaseAgent => self.suppression.release(now, &mut self.events),
        }
    }

    /// What the sensors of `channel` at `place` say now, in place of what `out` held; nothing where there is
    /// no such sensor.
    pub fn sample(&mut self, place: Place, channel: Channel, out: &mut Vec<Reading>) {
        out.clear();
        let exists = place.cluster.is_none_or(|c| c < self.topology.clusters)
            && place.pack.is_none_or(|p| p < self.topology.packs_per_cluster);
        if !exists || values_at(self.topology, place, channel) == 0 {
            return;
        }
        self.push_truth(place, channel, out);
        let around_c = match place {
            Place {
                cluster: Some(c),
                pack: None,
            } => self.hv_box_c(c),
            _ => self.air.mean_c,
        };
        self.sensors
            .read(self.now.as_nanos(), place, channel, around_c, out);
    }

    /// Starts a fault.
    pub fn inject(&mut self, fault: &PlantFault) -> Result<(), FaultError> {
        fault.check(self.topology)?;
        let now = self.now;
        match *fault {
            PlantFault::HeatCell {
                cluster,
                pack,
                cell,
                kelvin_per_min,
            } => {
                let cell = self.topology.cell_index(cluster, pack, cell);
                self.runaway
                    .heat(cell, kelvin_per_min, &mut self.cells, &mut self.thermal);
            }
            PlantFault::HoldCellTemperature {
                cluster,
                pack,
                cell,
                celsius,
            } => {
                self.runaway
                    .hold(self.topology.cell_index(cluster, pack, cell), celsius);
            }
            PlantFault::CellShort {
                cluster,
                pack,
                cell,
                ohm,
            } => {
                let cell = self.topology.cell_index(cluster, pack, cell);
                self.cells.set_internal_short(cell, 1.0 / ohm);
                self.runaway.short(cell, true, &mut self.cells, &mut self.thermal);
            }
            PlantFault::CellExternalShort {
                cluster,
                pack,
                cell,
                ohm,
            } => {
                self.cells
                    .set_external_short(self.topology.cell_index(cluster, pack, cell), 1.0 / ohm);
            }
            PlantFault::Nail { cluster, pack, cell } => {
                let cell = self.topology.cell_index(cluster, pack, cell);
                self.runaway.nail(cell, &mut self.cells, &mut self.thermal);
            }
            PlantFault::ContactorWelded { cluster, coil } => {
                let contactor = self.stack.clusters[cluster].contactor_mut(coil);
                contactor.weld();
                contactor.stuck_open = false;
                if !contactor.closed() {
                    self.stack.make(cluster, coil, now, &mut self.events);
                }
            }
            PlantFault::ContactorStuckOpen { cluster, coil } => {
                let contactor = self.stack.clusters[cluster].contactor_mut(coil);
                contactor.stuck_open = true;
                contactor.welded = false;
                if contactor.closed() {
                    self.stack.break_contact(cluster, coil, now, &mut self.events);
                }
            }
            PlantFault::AuxStuck {
                cluster,
                coil,
                closed,
            } => {
                self.stack.clusters[cluster].contactor_mut(coil).aux_fault = Some(AuxFault::Stuck(closed));
            }
            PlantFault::AuxInverted { cluster, coil } => {
                self.stack.clusters[cluster].contactor_mut(coil).aux_fault = Some(AuxFault::Inverted);
            }
            PlantFault::ContactorSlow {
                cluster,
                coil,
                factor,
            } => self.stack.clusters[cluster].contactor_mut(coil).set_slow(factor),
            PlantFault::ContactorChatter { cluster, coil } => {
                self.stack.clusters[cluster]
                    .contactor_mut(coil)
                    .set_loose(now, true);
            }
            PlantFault::CoilSupplyVoltage { volts } => {
                self.supply_v = volts;
                self.supply_coils(now);
            }
            PlantFault::FuseBlown { cluster } => {
                let cluster_ref = &mut self.stack.clusters[cluster];
                if cluster_ref.fuse_intact {
                    cluster_ref.fuse_intact = false;
                    cluster_ref.current_a = 0.0;
                    self.note(&cluster_name(cluster), "fuse", 0.0, "open");
                }
            }
            PlantFault::BreakerOpen { cluster } => self.stack.open_breaker(cluster, now, &mut self.events),
            PlantFault::Insulation { cluster, pole, ohm } => {
                self.insulation.set_fault(cluster, pole as usize, 1.0 / ohm);
            }
            PlantFault::MonitorLockBroken => self.insulation.unlocked = true,
            PlantFault::BusShort { ohm } => self.stack.bus.short_s = 1.0 / ohm,
            PlantFault::SensorStuck { .. }
            | PlantFault::SensorOffset { .. }
            | PlantFault::SensorNoise { .. }
            | PlantFault::SensorDrift { .. }
            | PlantFault::SensorInvalid { .. }
            | PlantFault::SensorOpenWire { .. }
            | PlantFault::SensorShort { .. } => self.set_sensor(fault, true),
            PlantFault::CoolantPumpFailed => self.loop_fault(|cooling| cooling.pump_failed = true)?,
            PlantFault::ChillerFailed => self.loop_fault(|cooling| cooling.chiller_failed = true)?,
            PlantFault::CondenserBlocked { share } => {
                self.loop_fault(|cooling| cooling.condenser_blocked = share)?;
            }
            PlantFault::RefrigerantLoss { share } => {
                self.loop_fault(|cooling| cooling.refrigerant_lost = share)?;
            }
            PlantFault::CoolantLeak { l_per_min } => {
                self.loop_fault(|cooling| cooling.leak_l_per_min = l_per_min)?;
            }
            PlantFault::HvacFailed { unit } => self.hvac_fault(unit, true)?,
            PlantFault::PackFanBlocked { cluster, pack } => self.fan_fault(cluster, pack, true)?,
            PlantFault::AgentEmpty => self.suppression.empty(),
            PlantFault::AgentValveStuck => self.suppression.valve_stuck = true,
            PlantFault::ClusterSoc { cluster, soc } => {
                self.reseat(cluster, self.topology.cluster_cells(cluster), soc)?;
            }
            PlantFault::CellSoc {
                cluster,
                pack,
                cell,
                soc,
            } => {
                let cell = self.topology.cell_index(cluster, pack, cell);
                self.reseat(cluster, cell..cell + 1, soc)?;
            }
            PlantFault::GridVoltage { pu, ramp_s } => {
                self.grid.set_voltage(pu, ramp_s);
                self.note("grid", "voltage-pu", pu, "commanded");
            }
            PlantFault::GridFrequency { hz } => self.grid.frequency_hz = hz,
            PlantFault::GridLost => self.set_grid(false),
            PlantFault::Door { open } => self.set_door(open),
            PlantFault::Spark => self.spark = true,
            PlantFault::Ambient { celsius } => self.air.hold_ambient(Some(celsius)),
        }
        Ok(())
    }

    /// Ends a fault where that is physical; figures of the fault other than its place do not matter.
    pub fn clear(&mut self, fault: &PlantFault) -> Result<(), FaultError> {
        fault.check(self.topology)?;
        let now = self.now;
        match *fault {
            PlantFault::HeatCell {
                cluster, pack, cell, ..
            } => {
                let cell = self.topology.cell_index(cluster, pack, cell);
                self.runaway.heat(cell, 0.0, &mut self.cells, &mut self.thermal);
            }
            PlantFault::HoldCellTemperature {
                cluster, pack, cell, ..
            } => {
                self.runaway
                    .release_hold(self.topology.cell_index(cluster, pack, cell));
            }
            PlantFault::CellShort {
                cluster, pack, cell, ..
            } => {
                let cell = self.topology.cell_index(cluster, pack, cell);
                self.cells.set_internal_short(cell, 0.0);
                self.runaway
                    .short(cell, false, &mut self.cells, &mut self.thermal);
            }
            PlantFault::CellExternalShort {
                cluster, pack, cell, ..
            } => self
                .cells
                .set_external_short(self.topology.cell_index(cluster, pack, cell), 0.0),
            PlantFault::Nail { .. } | PlantFault::ClusterSoc { .. } | PlantFault::CellSoc { .. } => {
                return Err(FaultError::Permanent);
            }
            PlantFault::ContactorWelded { cluster, coil } => {
                let contactor = self.stack.clusters[cluster].contactor_mut(coil);
                contactor.welded = false;
                contactor.resume(now);
            }
            PlantFault::ContactorStuckOpen { cluster, coil } => {
                let contactor = self.stack.clusters[cluster].contactor_mut(coil);
                contactor.stuck_open = false;
                contactor.resume(now);
            }
            PlantFault::AuxStuck { cluster, coil, .. } | PlantFault::AuxInverted { cluster, coil } => {
                self.stack.clusters[cluster].contactor_mut(coil).aux_fault = None;
            }
            PlantFault::ContactorSlow { cluster, coil, .. } => {
                self.stack.clusters[cluster].contactor_mut(coil).set_slow(1.0);
            }
            PlantFault::ContactorChatter { cluster, coil } => {
                self.stack.clusters[cluster]
                    .contactor_mut(coil)
                    .set_loose(now, false);
            }
            PlantFault::CoilSupplyVoltage { .. } => {
                self.supply_v = self.spec.hv_box.coil_supply_v;
                self.supply_coils(now);
            }
            PlantFault::FuseBlown { cluster } => {
                let cluster_ref = &mut self.stack.clusters[cluster];
                cluster_ref.fuse_rise = [0.0; 2];
                if !cluster_ref.fuse_intact {
                    cluster_ref.fuse_intact = true;
                    self.note(&cluster_name(cluster), "fuse", 1.0, "replaced");
                }
            }
            PlantFault::BreakerOpen { cluster } => {
                let cluster_ref = &mut self.stack.clusters[cluster];
                if !cluster_ref.breaker_closed {
                    cluster_ref.breaker_closed = true;
                    self.note(&cluster_name(cluster), "breaker", 1.0, "closed by hand");
                }
            }
            PlantFault::Insulation { cluster, pole, .. } => {
                self.insulation.set_fault(cluster, pole as usize, 0.0);
            }
            PlantFault::MonitorLockBroken => self.insulation.unlocked = false,
            PlantFault::BusShort { .. } => self.stack.bus.short_s = 0.0,
            PlantFault::SensorStuck { .. }
            | PlantFault::SensorOffset { .. }
            | PlantFault::SensorNoise { .. }
            | PlantFault::SensorDrift { .. }
            | PlantFault::SensorInvalid { .. }
            | PlantFault::SensorOpenWire { .. }
            | PlantFault::SensorShort { .. } => self.set_sensor(fault, false),
            PlantFault::CoolantPumpFailed => self.loop_fault(|cooling| cooling.pump_failed = false)?,
            PlantFault::ChillerFailed => self.loop_fault(|cooling| cooling.chiller_failed = false)?,
            PlantFault::CondenserBlocked { .. } => {
                self.loop_fault(|cooling| cooling.condenser_blocked = 0.0)?;
            }
            PlantFault::RefrigerantLoss { .. } => {
                self.loop_fault(|cooling| cooling.refrigerant_lost = 0.0)?;
            }
            PlantFault::CoolantLeak { .. } => self.loop_fault(Cooling::refill)?,
            PlantFault::HvacFailed { unit } => self.hvac_fault(unit, false)?,
            PlantFault::PackFanBlocked { cluster, pack } => self.fan_fault(cluster, pack, false)?,
            PlantFault::AgentEmpty => self.suppression.replace_cylinder(),
            PlantFault::AgentValveStuck => self.suppression.valve_stuck = false,
            PlantFault::GridVoltage { ramp_s, .. } => {
                self.grid.set_voltage(1.0, ramp_s);
                self.note("grid", "voltage-pu", 1.0, "commanded");
            }
            PlantFault::GridFrequency { .. } => self.grid.frequency_hz = self.grid.nominal_hz,
            PlantFault::GridLost => self.set_grid(true),
            PlantFault::Door { .. } => self.set_door(false),
            PlantFault::Spark => self.spark = false,
            PlantFault::Ambient { .. } => self.air.hold_ambient(None),
        }
        Ok(())
    }

    /// Discrete changes since the last call, in the order of their time.
    pub fn drain_events(&mut self) -> impl Iterator<Item = PlantEvent> {
        self.events.sort_by_key(|event| event.at);
        self.events.drain(..)
    }

    /// Energy and charge accounts since the start.
    pub fn ledger(&self) -> Ledger {
        let all = 0..self.topology.cells();
        let stored_j = self.stored_j();
        let released_j = self.start_stored_j - self.runaway.lost_j - self.ageing.lost_j - stored_j;
        let clusters = &self.stack.clusters;
        let joint_heat_j = clusters.iter().map(|c| c.joint_heat_j).sum();
        let path_heat_j = clusters.iter().map(|c| c.path_heat_j).sum();
        let in_cells_j = self.thermal.taken_j + self.runaway.taken_j + self.cells.heat_j.iter().sum::<f64>();
        let cell_heat_j = in_cells_j - joint_heat_j;
        let tap_heat_j = self.cells.tap_heat_j();
        let bus_heat_j = self.stack.bus_heat_j;
        let heat_j = cell_heat_j + joint_heat_j + path_heat_j + tap_heat_j + bus_heat_j;
        let capacitor_j = self.stack.bus.stored_j();
        let delivered_dc_j = self.stack.converter_dc_j;
        let converter = &self.stack.converter;
        let per_cluster = self.topology.cells_per_cluster() as f64;
        let charge_released_c = self.start_stored_c - self.ageing.lost_c - self.cells.stored_c(all);
        let delivered_c: f64 = self
            .stack
            .clusters
            .iter()
            .map(|c| c.delivered_c * per_cluster)
            .sum();
        let charge_passed_c = delivered_c + self.cells.tap_c + self.cells.lost_c;
        Ledger {
            stored_j,
            released_j,
            burnt_j: self.runaway.lost_j,
            aged_j: self.ageing.lost_j,
            capacitor_j,
            reaction_j: self.runaway.heat.reaction_j,
            ejecta_j: self.runaway.heat.ejecta_j,
            combustion_j: self.gas.combustion_j,
            heater_j: self.runaway.heat.heater_j,
            cooled_j: self.runaway.heat.vapour_j + self.runaway.heat.agent_j,
            delivered_dc_j,
            heat_j,
            cell_heat_j,
            joint_heat_j,
            path_heat_j,
            tap_heat_j,
            bus_heat_j,
            delivered_ac_j: converter.ac_j,
            converter_loss_j: converter.loss_j,
            throughput_j: self.throughput_j + self.cells.tap_moved_j,
            residual_j: released_j - delivered_dc_j - heat_j - capacitor_j,
            converter_residual_j: delivered_dc_j - converter.ac_j - converter.loss_j,
            charge_released_c,
            charge_passed_c,
            charge_throughput_c: self
                .stack
                .clusters
                .iter()
                .map(|c| c.moved_c * per_cluster)
                .sum::<f64>()
                + self.cells.tap_c,
            charge_residual_c: charge_released_c - charge_passed_c,
        }
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

    /// Voltage at the contactor coils' supply, V.
    pub(crate) fn coil_supply_v(&self) -> f64 {
        if self.coil_supply { self.supply_v } else { 0.0 }
    }

    fn supply_coils(&mut self, now: SimTime) {
        let supply_v = self.coil_supply_v();
        for cluster in &mut self.stack.clusters {
            cluster.supply(now, supply_v);
        }
    }

    fn set_sensor(&mut self, fault: &PlantFault, broken: bool) {
        if let Some((place, channel, index, fault)) = fault.of_sensor(self.now) {
            self.sensors
                .set_fault(place, channel, index, broken.then_some(fault));
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

    fn push_truth(&self, place: Place, channel: Channel, out: &mut Vec<Reading>) {
        let cluster = place.cluster.map(|c| &self.stack.clusters[c]);
        if let (Some(c), Some(p)) = (place.cluster, place.pack) {
            let pack = self.topology.pack_index(c, p);
            if channel == Channel::FanSpeed {
                out.extend(self.fans.iter().map(|fans| Reading::valid(fans.rpm(pack))));
            } else if channel == Channel::CellVoltages {
                let current_a = self.stack.clusters[c].sensed_a[1];
                out.extend(
                    self.topology
                        .pack_cells(pack)
                        .map(|i| Reading::valid(self.cells.voltage_v(i, current_a))),
                );
            } else {
                let n = self.topology.sensors_per_pack();
                out.extend(
                    self.thermal.sensor_c[pack * n..(pack + 1) * n]
                        .iter()
                        .map(|&c| Reading::valid(c)),
                );
            }
            return;
        }
        let aux = |coil| cluster.is_some_and(|c| c.contactor(coil).aux(self.now));
        let contact = |closed: bool| f64::from(closed);
        let value = match channel {
            Channel::CellVoltages | Channel::CellTemperatures | Channel::FanSpeed => return,
            Channel::ClusterVoltage => cluster.map_or(0.0, Cluster::voltage_v),
            Channel::BusVoltage | Channel::ConverterDcVoltage => self.stack.bus.voltage_v,
            Channel::ClusterCurrent => cluster.map_or(0.0, |c| c.sensed_a[0]),
            Channel::InsulationResistance => {
                let ohm = place.cluster.and_then(|c| self.insulation.measured_ohm(c));
                out.push(ohm.map_or(Reading::invalid(), Reading::valid));
                return;
            }
            Channel::AuxMainPositive => contact(aux(Coil::MainPositive)),
            Channel::AuxMainNegative => contact(aux(Coil::MainNegative)),
            Channel::AuxPrecharge => contact(aux(Coil::Precharge)),
            Channel::FuseIntact => contact(cluster.is_some_and(|c| c.fuse_intact)),
            Channel::BreakerClosed => contact(cluster.is_some_and(|c| c.breaker_closed)),
            Channel::CoilSupply => self.coil_supply_v(),
            Channel::HvBoxTemperature => place.cluster.map_or(0.0, |c| self.hv_box_c(c)),
            Channel::GridVoltages => {
                out.extend([Reading::valid(self.grid.phase_v()); 3]);
                return;
            }
            Channel::GridFrequency => {
                // without voltage there is nothing to measure
                if self.grid.voltage_pu() < 0.05 {
                    out.push(Reading::invalid());
                    return;
                }
                self.grid.frequency_hz
            }
            Channel::ActivePower => self.stack.converter.active_w,
            Channel::ReactivePower | Channel::PoiReactivePower => self.stack.converter.reactive_var,
            Channel::ConverterDcCurrent => self.stack.converter.dc_a,
            Channel::AcContactorClosed => contact(self.stack.converter.ac_closed),
            Channel::ConverterTemperature => self.air.ambient_c + self.stack.converter.rise_k,
            Channel::PoiActivePower => self.poi_w(),
            Channel::Hydrogen => self.gas.detected[0],
            Channel::CarbonMonoxide => self.gas.detected[1],
            Channel::Smoke => self.gas.detected[2],
            Channel::CeilingTemperature => self.air.sensed_c[0],
            Channel::AirTemperature => self.air.sensed_c[1],
            Channel::AmbientTemperature => self.air.sensed_c[2],
            Channel::AgentPressure => self.suppression.pressure_pa(),
            Channel::AgentFlow => contact(self.suppression.flow_switch()),
            Channel::CoolantSupply | Channel::CoolantReturn | Channel::CoolantFlow => {
                let Some(cooling) = &self.cooling else { return };
                match channel {
                    Channel::CoolantSupply => cooling.supply_c,
                    Channel::CoolantReturn => cooling.return_c,
                    _ => cooling.flow_l_per_min(),
                }
            }
            Channel::DoorClosed => contact(!self.air.door_open),
            Channel::VentFanRunning => contact(self.air.fan_runs()),
            Channel::DamperClosed => contact(!self.air.damper_open()),
            Channel::HvacRunning => contact(self.air.circulates()),
        };
        out.push(Reading::valid(value));
    }

    /// Puts cells of an open cluster around a state of charge.
    fn reseat(&mut self, cluster: usize, range: Range<usize>, soc: f64) -> Result<(), FaultError> {
        if self.stack.clusters[cluster].path() != Path::Open {
            return Err(FaultError::ClusterConnected { cluster });
        }
        let (before_j, before_c) = (self.stored_j(), self.cells.stored_c(range.clone()));
        self.cells.reseat(range.clone(), soc);
        self.ageing.reseat(range.clone(), &self.cells.soc);
        self.start_stored_j += self.stored_j() - before_j;
        self.start_stored_c += self.cells.stored_c(range) - before_c;
        self.stack.clusters[cluster].sums = self.cells.sums(cluster);
        Ok(())
    }

    fn stored_j(&self) -> f64 {
        self.cells.stored_j(0..self.topology.cells()) + self.cells.polarisation_j()
    }

    fn set_grid(&mut self, energised: bool) {
        if energised == self.grid.energised {
            return;
        }
        self.grid.energised = energised;
        self.air.powered = energised;
        if let Some(cooling) = &mut self.cooling {
            cooling.powered = energised;
        }
        self.note(
            "grid",
            "energised",
            f64::from(energised),
            if energised { "grid back" } else { "grid lost" },
        );
        if !energised {
            self.stack.converter.stop(self.now, &mut self.events);
        }
    }

    /// Coils have their supply if it is commanded and there is one.
    pub(crate) fn follow_supply(&mut self) {
        let on = self.coil_command && self.auxiliary.supplied;
        if on != self.coil_supply {
            self.coil_supply = on;
            self.supply_coils(self.stamp.max(self.now));
            self.note(
                "",
                "coil-supply",
                f64::from(on),
                if on { "coil supply on" } else { "coil supply off" },
            );
        }
    }

    fn set_door(&mut self, open: bool) {
        if open != self.air.door_open {
            self.air.door_open = open;
            self.note(
                "",
                "door-open",
                f64::from(open),
                if open { "door open" } else { "door closed" },
            );
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
