//! The contract between a device emulator and whoever drives it.

use core::time::Duration;

use bess_types::{Actuation, CanFrame, CanId, Channel, Line, ModbusReply, ModbusRequest, Reading, SimTime};
use serde::{Deserialize, Serialize};

use crate::Points;
use crate::codec::modbus::ModbusAccess;

/// Ties a reply to its request; unique among the open requests of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// A sensor the device is wired to, and how often it samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sense {
    /// What is measured.
    pub channel: Channel,
    /// Sampling period.
    pub period: Duration,
}

/// One emulated device: a state machine with no clock and no socket of its own.
///
/// Give it one input, then drain [`Device::poll_output`] before giving the next one. It never panics on
/// a peer's traffic: bad traffic is counted and answered as the real part would.
pub trait Device: Send {
    /// The sensors it is wired to. Constant over its life.
    fn senses(&self) -> &[Sense];

    /// Acceptance filter: whether a frame with this id on this port is of interest. Constant over its life,
    /// so a bus asks once for each id.
    fn hears(&self, _port: u8, _id: CanId) -> bool {
        true
    }

    /// Takes one input.
    fn accept(&mut self, now: SimTime, input: Input<'_>);

    /// The next thing it wants to put out at this instant, oldest first.
    fn poll_output(&mut self) -> Option<Output>;

    /// When it wants [`Input::Wake`] even if nothing arrives; [`SimTime::NEVER`] if not at all.
    fn next_wake(&self) -> SimTime;

    /// Whether it can have that fault.
    fn supports(&self, fault: &DeviceFault) -> bool {
        fault.is_of_supply()
    }

    /// Starts or ends a fault of the device itself (not of its plant, sensor or link).
    ///
    /// # Errors
    /// If it cannot have that fault ([`Device::supports`]).
    fn inject(&mut self, fault: &DeviceFault) -> Result<(), UnsupportedFault>;

    /// Whether it has the address its cyclic frames need. One that has none yet is silent and breaks no rule by it.
    fn is_addressed(&self) -> bool {
        true
    }

    /// Its points with their present values: what `bessrig points` lists and what reports show.
    fn points(&self) -> &Points;
}

/// What a device can be given.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The instant asked for by [`Device::next_wake`], or later.
    Wake,
    /// A sensor was sampled.
    Sensed {
        /// What was measured.
        channel: Channel,
        /// One reading, or one for each cell or sensor position.
        readings: &'a [Reading],
    },
    /// A frame arrived on one of its CAN ports.
    Can {
        /// Port number, as named by the device kind.
        port: u8,
        /// The frame.
        frame: &'a CanFrame,
    },
    /// A Modbus client asks. Answer with [`Output::ModbusReply`] and the same token, now or later.
    ModbusRequest {
        /// Unit id addressed.
        unit: u8,
        /// What is known of the client, and of the port it came by.
        access: ModbusAccess<'a>,
        /// What is asked.
        request: &'a ModbusRequest,
        /// To be given back with the reply.
        token: Token,
    },
    /// The answer to a request this device made; `None` if none came in time or there is no connection.
    ModbusReply {
        /// The token given with the request.
        token: Token,
        /// The reply.
        reply: Option<&'a ModbusReply>,
    },
    /// A hard-wired input has this level.
    Line {
        /// Which terminal.
        line: Line,
        /// `true` is the energised or healthy level.
        level: bool,
    },
}

/// What a device can put out.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A frame for one of its CAN ports.
    Can {
        /// Port number, as named by the device kind.
        port: u8,
        /// The frame.
        frame: CanFrame,
    },
    /// The answer to a request; `None` stays silent, so the client runs into its timeout.
    ModbusReply {
        /// The request's token.
        token: Token,
        /// The answer.
        reply: Option<ModbusReply>,
    },
    /// A request to one of the servers this device is a client of.
    ModbusRequest {
        /// Peer number, as named by the device kind.
        peer: u8,
        /// What is asked. The unit id is the wiring's business.
        request: ModbusRequest,
        /// To come back with the reply.
        token: Token,
    },
    /// A hard-wired output takes this level; sent on change only.
    Line {
        /// Which terminal.
        line: Line,
        /// `true` is the energised or healthy level.
        level: bool,
    },
    /// An act on the plant.
    Actuate(Actuation),
    /// Something worth a line in the event log: a point took a value.
    Note {
        /// Point name, as in the device's [`Points`].
        point: &'static str,
        /// New value.
        value: f64,
        /// For people: the state's name, or more detail.
        text: String,
    },
}

/// A fault of the device itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceFault {
    /// No traffic at all, as with its supply off; ends as a cold start.
    PowerOff,
    /// Ends [`DeviceFault::PowerOff`].
    PowerOn,
    /// Life counters and heartbeats stop advancing while data still flows.
    FreezeCounters,
    /// Ends [`DeviceFault::FreezeCounters`].
    UnfreezeCounters,
    /// Every checksum in its frames is wrong.
    BreakChecksums,
    /// Ends [`DeviceFault::BreakChecksums`].
    MendChecksums,
    /// A BMU's output of the enable chain stays low.
    OpenEnable,
    /// Ends [`DeviceFault::OpenEnable`].
    CloseEnable,
    /// A BMU has this address whatever it is told, at once and after every start.
    KeepAddress(u8),
    /// Ends [`DeviceFault::KeepAddress`]: the BMU asks for an address anew.
    FollowAddress,
    /// Another BMU, with this serial number, is in this one's place; seen when addresses are given next.
    Serial(u64),
}

impl DeviceFault {
    /// Whether it takes the supply, or gives it back.
    pub const fn is_of_supply(&self) -> bool {
        matches!(self, Self::PowerOff | Self::PowerOn)
    }

    /// Whether it stops life counters, or lets them go on.
    pub const fn is_of_counters(&self) -> bool {
        matches!(self, Self::FreezeCounters | Self::UnfreezeCounters)
    }
}

/// This kind of device cannot have that fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this device has no fault {fault:?}")]
pub struct UnsupportedFault {
    /// What was asked.
    pub fault: DeviceFault,
}
