//! Faults injected into the plant and cleared from it.

use core::ops::Range;

use super::Plant;
use crate::cluster::Path;
use crate::contactor::AuxFault;
use crate::cooling::Cooling;
use crate::fault::{FaultError, PlantFault};
use crate::topology::cluster_name;

impl Plant {
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

    fn set_sensor(&mut self, fault: &PlantFault, broken: bool) {
        if let Some((place, channel, index, fault)) = fault.of_sensor(self.now) {
            self.sensors
                .set_fault(place, channel, index, broken.then_some(fault));
        }
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
}
