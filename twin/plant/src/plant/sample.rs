//! What the plant's sensors see.

use bess_types::{Channel, Coil, Reading};

use super::Plant;
use crate::cluster::Cluster;
use crate::sensor::values_at;
use crate::topology::Place;

impl Plant {
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
}
