//! What can be made to go wrong in the plant. Indices are 0-based; names in TOML and JSON are kebab-case.

use core::fmt;

use bess_types::{Channel, Coil, SimTime};
use serde::{Deserialize, Serialize};

use crate::sensor::SensorFault;
use crate::topology::{Place, Topology};

/// A fault or test stimulus. Inject starts it; clear ends it where that is physical.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum PlantFault {
    /// A heater warms the cell's front face at this rate until runaway or clear (UL 9540A). The mean of
    /// the cell, and so its sensor, lags behind the face.
    HeatCell {
        /// Cluster.
        cluster: usize,
        /// Pack.
        pack: usize,
        /// Cell.
        cell: usize,
        /// Rate, K/min (UL 9540A: 4 to 7).
        kelvin_per_min: f64,
    },
    /// Test stimulus: the cell is driven to a temperature within seconds and held there, until it goes into
    /// runaway. Its sensor lies between two cells and shows their mean, late.
    HoldCellTemperature {
        /// Cluster.
        cluster: usize,
        /// Pack.
        pack: usize,
        /// Cell.
        cell: usize,
        /// Temperature, °C.
        celsius: f64,
    },
    /// Internal short circuit: the heat stays in the cell.
    CellShort {
        /// Cluster.
        cluster: usize,
        /// Pack.
        pack: usize,
        /// Cell.
        cell: usize,
        /// Resistance, Ω (5 to 50 mΩ are typical).
        ohm: f64,
    },
    /// Short across one cell's terminals: the heat is outside, except that of the cell's resistance.
    CellExternalShort {
        /// Cluster.
        cluster: usize,
        /// Pack.
        pack: usize,
        /// Cell.
        cell: usize,
        /// Resistance, Ω.
        ohm: f64,
    },
    /// A nail: the cell goes into runaway at once.
    Nail {
        /// Cluster.
        cluster: usize,
        /// Pack.
        pack: usize,
        /// Cell.
        cell: usize,
    },
    /// A contact that no longer opens (closed or not until now: it sticks when next closed).
    ContactorWelded {
        /// Cluster.
        cluster: usize,
        /// Contactor.
        coil: Coil,
    },
    /// A contact that no longer closes; opens if closed.
    ContactorStuckOpen {
        /// Cluster.
        cluster: usize,
        /// Contactor.
        coil: Coil,
    },
    /// A contactor that operates and releases slower.
    ContactorSlow {
        /// Cluster.
        cluster: usize,
        /// Contactor.
        coil: Coil,
        /// Factor on its times (3: coil diode without zener).
        factor: f64,
    },
    /// A loose coil wire: the contactor chatters while it is energised.
    ContactorChatter {
        /// Cluster.
        cluster: usize,
        /// Contactor.
        coil: Coil,
    },
    /// An auxiliary contact wired the wrong way round.
    AuxInverted {
        /// Cluster.
        cluster: usize,
        /// Contactor.
        coil: Coil,
    },
    /// Voltage of the coil supply while it is on; clear returns to nominal.
    CoilSupplyVoltage {
        /// V.
        volts: f64,
    },
    /// An auxiliary contact that no longer follows.
    AuxStuck {
        /// Cluster.
        cluster: usize,
        /// Contactor.
        coil: Coil,
        /// Shown position.
        closed: bool,
    },
    /// Fuse open; clear replaces it.
    FuseBlown {
        /// Cluster.
        cluster: usize,
    },
    /// DC breaker opened by hand; clear closes it, also after a shunt trip.
    BreakerOpen {
        /// Cluster.
        cluster: usize,
    },
    /// Leakage from one pole to earth.
    Insulation {
        /// Cluster.
        cluster: usize,
        /// Pole it comes from.
        #[serde(default)]
        pole: Pole,
        /// Resistance, Ω.
        ohm: f64,
    },
    /// The line that lets one insulation monitor of joined clusters measure at a time is broken: they disturb each other.
    MonitorLockBroken,
    /// Short across the stack's DC bus.
    BusShort {
        /// Resistance, Ω.
        ohm: f64,
    },
    /// A sensor that keeps saying the same.
    SensorStuck {
        /// Where the device sits.
        place: Place,
        /// Channel.
        channel: Channel,
        /// Which value of the channel.
        index: usize,
        /// What it says.
        value: f64,
    },
    /// A sensor with an extra error.
    SensorOffset {
        /// Where the device sits.
        place: Place,
        /// Channel.
        channel: Channel,
        /// Which value of the channel.
        index: usize,
        /// Error in the channel's unit.
        value: f64,
    },
    /// A sensor with more noise.
    SensorNoise {
        /// Where the device sits.
        place: Place,
        /// Channel.
        channel: Channel,
        /// Which value of the channel.
        index: usize,
        /// One sigma in the channel's unit, bounded at 3.5 sigma.
        value: f64,
    },
    /// A sensor whose error grows.
    SensorDrift {
        /// Where the device sits.
        place: Place,
        /// Channel.
        channel: Channel,
        /// Which value of the channel.
        index: usize,
        /// Per hour in the channel's unit.
        per_hour: f64,
    },
    /// A sensor that says itself that it has no value.
    SensorInvalid {
        /// Where the device sits.
        place: Place,
        /// Channel.
        channel: Channel,
        /// Which value of the channel.
        index: usize,
    },
    /// A broken sense wire: of a cell, the one at its positive end, which is also the negative one of the next cell.
    SensorOpenWire {
        /// Where the device sits.
        place: Place,
        /// Channel.
        channel: Channel,
        /// Which value of the channel.
        index: usize,
        /// The reader does not notice: two cells show their mean, a thermistor its coldest reading, others zero.
        #[serde(default)]
        silent: bool,
    },
    /// A shorted sensor: a thermistor shows its hottest reading, others zero.
    SensorShort {
        /// Where the device sits.
        place: Place,
        /// Channel.
        channel: Channel,
        /// Which value of the channel.
        index: usize,
    },
    /// Coolant pump stands.
    CoolantPumpFailed,
    /// Compressor and heater stand, the pump runs.
    ChillerFailed,
    /// Dirt or a standing fan keep air from the chiller's condenser.
    CondenserBlocked {
        /// Share of the air that does not pass, 0 to 1.
        share: f64,
    },
    /// Refrigerant has leaked; clear fills it up.
    RefrigerantLoss {
        /// Share that is gone, 0 to 1.
        share: f64,
    },
    /// Coolant leaks out; clear closes the leak and fills up.
    CoolantLeak {
        /// L/min.
        l_per_min: f64,
    },
    /// Compressor, heater and fan of an HVAC unit stand.
    HvacFailed {
        /// Unit, counted from 0.
        unit: usize,
    },
    /// The fan of an air-cooled pack is held.
    PackFanBlocked {
        /// Cluster.
        cluster: usize,
        /// Pack.
        pack: usize,
    },
    /// Suppression cylinder empty.
    AgentEmpty,
    /// Suppression valve does not open.
    AgentValveStuck,
    /// Re-seats every cell of an open cluster at one state of charge, keeping their spread.
    ClusterSoc {
        /// Cluster.
        cluster: usize,
        /// Mean state of charge, 0 to 1.
        soc: f64,
    },
    /// Re-seats one cell of an open cluster: one that is ahead of the others is overcharged with them.
    CellSoc {
        /// Cluster.
        cluster: usize,
        /// Pack.
        pack: usize,
        /// Cell.
        cell: usize,
        /// State of charge, 0 to 1.
        soc: f64,
    },
    /// Grid voltage; clear returns to 1.
    GridVoltage {
        /// Per unit.
        pu: f64,
        /// Linear ramp, s; 0 is a step.
        ramp_s: f64,
    },
    /// Grid frequency; clear returns to nominal.
    GridFrequency {
        /// Hz.
        hz: f64,
    },
    /// Grid gone.
    GridLost,
    /// Container door.
    Door {
        /// Open; clear closes it.
        open: bool,
    },
    /// A spark in the room, as long as injected.
    Spark,
    /// Outside air; clear returns to the initial value, or to the hour's.
    Ambient {
        /// °C.
        celsius: f64,
    },
}

/// A pole of a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pole {
    /// Positive.
    #[default]
    Positive,
    /// Negative.
    Negative,
}

/// Why a fault was refused.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultError {
    /// No such part.
    OutOfRange {
        /// Kind of part.
        part: &'static str,
        /// Index asked for, 0-based.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A figure is outside its range or not a number.
    Value {
        /// Which.
        field: &'static str,
        /// Its value.
        value: f64,
        /// Lowest allowed.
        min: f64,
        /// Highest allowed.
        max: f64,
    },
    /// No sensor of this channel at this place.
    NoSensor {
        /// Place.
        place: Place,
        /// Channel.
        channel: Channel,
    },
    /// The container has no such part.
    NotFitted {
        /// Part.
        part: &'static str,
    },
    /// Only possible while the cluster's path is open.
    ClusterConnected {
        /// Cluster, 0-based.
        cluster: usize,
    },
    /// Cannot be undone.
    Permanent,
}

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { part, index, count } => {
                // as tags count
                write!(f, "no {part} {}: there are {count}", index + 1)
            }
            Self::Value {
                field,
                value,
                min,
                max,
            } => {
                write!(f, "`{field}` is {value}, must be {min} to {max}")
            }
            Self::NoSensor { place, channel } => {
                write!(f, "no sensor {channel:?} at {place}")
            }
            Self::NotFitted { part } => write!(f, "this container has no {part}"),
            Self::ClusterConnected { cluster } => {
                write!(
                    f,
                    "cluster {} is connected to the bus; open it first",
                    cluster + 1
                )
            }
            Self::Permanent => f.write_str("this cannot be undone"),
        }
    }
}

impl core::error::Error for FaultError {}

impl PlantFault {
    /// Refuses parts that do not exist and figures that make no sense.
    pub(crate) fn check(&self, topology: Topology) -> Result<(), FaultError> {
        match *self {
            Self::HeatCell {
                cluster,
                pack,
                cell,
                kelvin_per_min,
            } => {
                at_cell(topology, cluster, pack, cell)?;
                within("kelvin-per-min", kelvin_per_min, 0.0, 60.0)
            }
            Self::HoldCellTemperature {
                cluster,
                pack,
                cell,
                celsius,
            } => {
                at_cell(topology, cluster, pack, cell)?;
                within("celsius", celsius, -40.0, 300.0)
            }
            Self::CellShort {
                cluster,
                pack,
                cell,
                ohm,
            }
            | Self::CellExternalShort {
                cluster,
                pack,
                cell,
                ohm,
            } => {
                at_cell(topology, cluster, pack, cell)?;
                within("ohm", ohm, 1e-4, 1e6)
            }
            Self::Nail { cluster, pack, cell } => at_cell(topology, cluster, pack, cell),
            Self::ContactorWelded { cluster, .. }
            | Self::ContactorStuckOpen { cluster, .. }
            | Self::ContactorChatter { cluster, .. }
            | Self::AuxInverted { cluster, .. }
            | Self::AuxStuck { cluster, .. }
            | Self::FuseBlown { cluster }
            | Self::BreakerOpen { cluster } => index("cluster", cluster, topology.clusters),
            Self::ContactorSlow { cluster, factor, .. } => {
                index("cluster", cluster, topology.clusters)?;
                within("factor", factor, 0.1, 100.0)
            }
            Self::CoilSupplyVoltage { volts } => within("volts", volts, 0.0, 60.0),
            Self::Insulation { cluster, ohm, .. } => {
                index("cluster", cluster, topology.clusters)?;
                within("ohm", ohm, 1.0, 1e9)
            }
            Self::BusShort { ohm } => within("ohm", ohm, 1e-3, 1e9),
            Self::SensorStuck {
                place,
                channel,
                index: i,
                value,
            }
            | Self::SensorOffset {
                place,
                channel,
                index: i,
                value,
            }
            | Self::SensorDrift {
                place,
                channel,
                index: i,
                per_hour: value,
            } => {
                at_sensor(topology, place, channel, i)?;
                within("value", value, -1e9, 1e9)
            }
            Self::SensorNoise {
                place,
                channel,
                index: i,
                value,
            } => {
                at_sensor(topology, place, channel, i)?;
                within("value", value, 0.0, 1e9)
            }
            Self::SensorInvalid {
                place,
                channel,
                index: i,
            }
            | Self::SensorOpenWire {
                place,
                channel,
                index: i,
                ..
            }
            | Self::SensorShort {
                place,
                channel,
                index: i,
            } => at_sensor(topology, place, channel, i),
            Self::ClusterSoc { cluster, soc } => {
                index("cluster", cluster, topology.clusters)?;
                within("soc", soc, 0.0, 1.0)
            }
            Self::CellSoc {
                cluster,
                pack,
                cell,
                soc,
            } => {
                at_cell(topology, cluster, pack, cell)?;
                within("soc", soc, 0.0, 1.0)
            }
            Self::GridVoltage { pu, ramp_s } => {
                within("pu", pu, 0.0, 1.5)?;
                within("ramp-s", ramp_s, 0.0, 86_400.0)
            }
            Self::GridFrequency { hz } => within("hz", hz, 40.0, 70.0),
            Self::Ambient { celsius } => within("celsius", celsius, -50.0, 70.0),
            Self::CondenserBlocked { share } | Self::RefrigerantLoss { share } => {
                within("share", share, 0.0, 1.0)
            }
            Self::CoolantLeak { l_per_min } => within("l-per-min", l_per_min, 0.0, 1e4),
            Self::PackFanBlocked { cluster, pack } => {
                index("cluster", cluster, topology.clusters)?;
                index("pack", pack, topology.packs_per_cluster)
            }
            // how many units there are the plant knows
            Self::HvacFailed { .. }
            | Self::MonitorLockBroken
            | Self::CoolantPumpFailed
            | Self::ChillerFailed
            | Self::AgentEmpty
            | Self::AgentValveStuck
            | Self::GridLost
            | Self::Door { .. }
            | Self::Spark => Ok(()),
        }
    }
}

impl PlantFault {
    /// The sensor it is about, and what is wrong with it from `now` on.
    pub(crate) fn of_sensor(&self, now: SimTime) -> Option<(Place, Channel, usize, SensorFault)> {
        Some(match *self {
            Self::SensorStuck {
                place,
                channel,
                index,
                value,
            } => (place, channel, index, SensorFault::Stuck(value)),
            Self::SensorOffset {
                place,
                channel,
                index,
                value,
            } => (place, channel, index, SensorFault::Offset(value)),
            Self::SensorNoise {
                place,
                channel,
                index,
                value,
            } => (place, channel, index, SensorFault::Noise(value)),
            Self::SensorDrift {
                place,
                channel,
                index,
                per_hour,
            } => {
                let since_nanos = now.as_nanos();
                let drift = SensorFault::Drift {
                    per_hour,
                    since_nanos,
                };
                (place, channel, index, drift)
            }
            Self::SensorInvalid {
                place,
                channel,
                index,
            } => (place, channel, index, SensorFault::Invalid),
            Self::SensorOpenWire {
                place,
                channel,
                index,
                silent,
            } => (place, channel, index, SensorFault::OpenWire { silent }),
            Self::SensorShort {
                place,
                channel,
                index,
            } => (place, channel, index, SensorFault::Short),
            _ => return None,
        })
    }
}

fn at_cell(topology: Topology, cluster: usize, pack: usize, cell: usize) -> Result<(), FaultError> {
    index("cluster", cluster, topology.clusters)?;
    index("pack", pack, topology.packs_per_cluster)?;
    index("cell", cell, topology.cells_per_pack)
}

fn at_sensor(topology: Topology, place: Place, channel: Channel, i: usize) -> Result<(), FaultError> {
    if let Some(cluster) = place.cluster {
        index("cluster", cluster, topology.clusters)?;
    }
    if let Some(pack) = place.pack {
        index("pack", pack, topology.packs_per_cluster)?;
    }
    let count = crate::sensor::values_at(topology, place, channel);
    if count == 0 {
        return Err(FaultError::NoSensor { place, channel });
    }
    index("value of the channel", i, count)
}

fn index(part: &'static str, index: usize, count: usize) -> Result<(), FaultError> {
    if index < count {
        Ok(())
    } else {
        Err(FaultError::OutOfRange { part, index, count })
    }
}

fn within(field: &'static str, value: f64, min: f64, max: f64) -> Result<(), FaultError> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(FaultError::Value {
            field,
            value,
            min,
            max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPOLOGY: Topology = Topology {
        clusters: 9,
        packs_per_cluster: 9,
        cells_per_pack: 44,
    };

    #[test]
    fn parts_that_do_not_exist_are_refused() {
        let fault = PlantFault::Nail {
            cluster: 9,
            pack: 0,
            cell: 0,
        };
        let error = FaultError::OutOfRange {
            part: "cluster",
            index: 9,
            count: 9,
        };
        assert_eq!(error.to_string(), "no cluster 10: there are 9");
        assert_eq!(fault.check(TOPOLOGY), Err(error));
    }

    #[test]
    fn sensors_that_do_not_exist_are_refused() {
        let place = Place::cluster(0);
        let fault = PlantFault::SensorOpenWire {
            place,
            channel: Channel::Hydrogen,
            index: 0,
            silent: false,
        };
        assert_eq!(
            fault.check(TOPOLOGY),
            Err(FaultError::NoSensor {
                place,
                channel: Channel::Hydrogen
            })
        );
        let fault = PlantFault::SensorOpenWire {
            place: Place::pack(0, 0),
            channel: Channel::CellTemperatures,
            index: 22,
            silent: false,
        };
        assert!(matches!(
            fault.check(TOPOLOGY),
            Err(FaultError::OutOfRange {
                index: 22,
                count: 22,
                ..
            })
        ));
    }

    #[test]
    fn nonsense_figures_are_refused() {
        let fault = PlantFault::GridVoltage {
            pu: f64::NAN,
            ramp_s: 0.0,
        };
        assert!(matches!(
            fault.check(TOPOLOGY),
            Err(FaultError::Value { field: "pu", .. })
        ));
    }
}
