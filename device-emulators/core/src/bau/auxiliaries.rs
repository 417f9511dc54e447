//! Fire panel, chiller and HVAC as Modbus servers, where the container has them.

use super::points;
use crate::codec::modbus::ModbusPeer;
use crate::controller::{need, needed};
use crate::product::{Product, ProductError};
use crate::{PointId, hvac};

/// The fire panel: its level is read, its reset written.
#[derive(Debug)]
pub(super) struct FirePanel {
    pub(super) peer: ModbusPeer,
    level: PointId,
    reset: PointId,
}

impl FirePanel {
    pub(super) fn new(product: &Product, mut peer: ModbusPeer) -> Result<Self, ProductError> {
        let level = need(product, peer.points.table(), "level")?;
        let reset = need(product, peer.points.table(), "reset")?;
        peer.limit_to(&["level"]);
        Ok(Self { peer, level, reset })
    }

    pub(super) fn level(&self) -> usize {
        let level = self.peer.points.get(self.level).unwrap_or(0.0);
        (1..points::FIRE_LEVELS.len())
            .find(|i| *i as f64 == level)
            .unwrap_or(0)
    }

    pub(super) fn reset(&mut self) {
        self.peer.write(self.reset, 1.0);
    }
}

/// The chiller: its fault is read, mode and set-point are written.
#[derive(Debug)]
pub(super) struct Chiller {
    pub(super) peer: ModbusPeer,
    fault: FaultPoints,
    mode: PointId,
    setpoint: PointId,
    temperatures: [PointId; 3],
}

/// What a BAU uses of a chiller.
pub(crate) const USED_OF_CHILLER: [&str; 7] = [
    "fault",
    "fault-level",
    "mode",
    "setpoint",
    "battery-temperature-max",
    "battery-temperature-min",
    "battery-temperature-mean",
];

impl Chiller {
    pub(super) fn new(product: &Product, peer: ModbusPeer) -> Result<Self, ProductError> {
        let [fault, level, mode, setpoint, temperatures @ ..] =
            needed(product, peer.points.table(), USED_OF_CHILLER)?;
        Ok(Self {
            peer,
            fault: FaultPoints { fault, level },
            mode,
            setpoint,
            temperatures,
        })
    }

    /// Its fault as last read.
    pub(super) fn fault(&self) -> Fault {
        self.fault.read(&self.peer)
    }

    /// Mode, set-point, and highest, lowest and mean temperature of the battery as far as they are known.
    pub(super) fn tell(&mut self, mode: f64, setpoint: f64, temperatures: [Option<f64>; 3]) {
        self.peer
            .write_many(&[(self.mode, mode), (self.setpoint, setpoint)]);
        let known = self.temperatures.into_iter().zip(temperatures);
        let known: Vec<(PointId, f64)> = known.filter_map(|(id, t)| Some((id, t?))).collect();
        self.peer.write_many(&known);
    }
}

/// The HVAC: its fault is read.
#[derive(Debug)]
pub(super) struct Hvac {
    pub(super) peer: ModbusPeer,
    fault: FaultPoints,
}

/// What a BAU uses of an HVAC.
pub(crate) const USED_OF_HVAC: [&str; 2] = ["fault", "fault-level"];

impl Hvac {
    pub(super) fn new(product: &Product, mut peer: ModbusPeer) -> Result<Self, ProductError> {
        let [fault, level] = needed(product, peer.points.table(), USED_OF_HVAC)?;
        peer.limit_to(&USED_OF_HVAC);
        Ok(Self {
            peer,
            fault: FaultPoints { fault, level },
        })
    }

    /// Its fault as last read.
    pub(super) fn fault(&self) -> Fault {
        self.fault.read(&self.peer)
    }
}

/// Fault code, and its level: 1 goes on, 2 has stopped.
#[derive(Clone, Copy, Debug)]
struct FaultPoints {
    fault: PointId,
    level: PointId,
}

impl FaultPoints {
    fn read(self, peer: &ModbusPeer) -> Fault {
        Fault {
            code: peer.points.get(self.fault),
            level: peer.points.get(self.level),
        }
    }
}

/// Fault of a chiller or HVAC as last read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fault {
    code: Option<f64>,
    level: Option<f64>,
}

impl Fault {
    /// It goes on.
    pub(super) fn is_alarm(self) -> bool {
        self.level == Some(1.0)
    }

    /// It has stopped.
    pub(super) fn is_stop(self) -> bool {
        self.level == Some(2.0)
    }

    /// It is the fan of an HVAC.
    pub(super) fn is_fan(self) -> bool {
        self.code == Some(f64::from(hvac::Fault::Fan as u8))
    }
}
