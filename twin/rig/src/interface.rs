//! What goes into a rig and comes out of it: roles, wire traffic, commands, counts.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use bess_devices::codec::modbus::UnknownUnit;
use bess_devices::hmi::HmiTarget;
use bess_devices::{DeviceFault, Token};
use bess_plant::PlantFault;
use bess_types::{CanFrame, Line, ModbusClient, ModbusReply, ModbusRequest, Tag};
use serde::{Deserialize, Serialize};

use crate::config::line::{LineFormat, ModbusAddress};
use crate::config::tls::TlsFiles;
use crate::fault::{FaultError, LinkFault};

/// Which part of a rig file this process is.
#[derive(Clone, Copy, Debug)]
pub enum Role<'a> {
    /// The rig: plant, emulated devices, operator station.
    Rig,
    /// Only these devices, over wires only: no plant, no shared memory.
    Host(&'a [Tag]),
}

/// What comes in from a wire.
#[derive(Clone, Debug)]
pub enum WireInput {
    /// A frame on a bus.
    Can {
        /// Bus, as numbered in [`Wires`].
        bus: usize,
        /// The frame.
        frame: CanFrame,
    },
    /// An error frame on a bus, or another note of its controller, as the Linux kernel reports them (linux/can/error.h).
    CanError {
        /// Bus, as numbered in [`Wires`].
        bus: usize,
        /// Class of error, without the error flag.
        class: u32,
        /// What is known beyond the class.
        data: [u8; 8],
    },
    /// A client asks one of the rig's servers.
    ModbusRequest {
        /// Server device, as numbered in [`Wires`].
        server: usize,
        /// Unit id addressed.
        unit: u8,
        /// What is known of the client.
        client: ModbusClient,
        /// What is asked.
        request: ModbusRequest,
        /// To be given back with the reply.
        wire_token: u64,
    },
    /// The answer to a request the rig made; `None` if none came in time.
    ModbusReply {
        /// Client device, as given with the request.
        client: usize,
        /// The request's token.
        token: Token,
        /// The answer.
        reply: Option<ModbusReply>,
    },
}

/// What goes out to a wire.
#[derive(Clone, Debug)]
pub enum WireOutput {
    /// A frame for a bus.
    Can {
        /// Bus, as numbered in [`Wires`].
        bus: usize,
        /// The frame.
        frame: CanFrame,
    },
    /// The answer to a wire client; `None` stays silent.
    ModbusReply {
        /// The request's token.
        wire_token: u64,
        /// The answer.
        reply: Option<ModbusReply>,
        /// What link faults do to its bytes, in this order.
        faults: Vec<WireFault>,
    },
    /// A link fault of a server's connections has begun or ended. Connections left half open by an earlier one are reset.
    ModbusLink {
        /// Server device, as numbered in [`Wires`].
        server: usize,
        /// Whether connections are refused and open ones reset, until told otherwise.
        refuses: bool,
    },
    /// A request to a server outside.
    ModbusRequest {
        /// Asking device; one connection for each (client, TCP address).
        client: usize,
        /// To be given back with the reply.
        token: Token,
        /// Where the server is reached; a line by its number in [`Wires`].
        address: ModbusAddress,
        /// Unit id.
        unit: u8,
        /// What is asked.
        request: ModbusRequest,
    },
}

/// What a link fault does to the bytes of one reply. The server on the wire carries it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireFault {
    /// Only the first bytes are sent.
    Truncate {
        /// How many.
        bytes: usize,
    },
    /// Sent in two pieces.
    Split {
        /// Length of the first, bytes.
        at: usize,
        /// Time between them.
        gap: Duration,
    },
    /// Sent byte by byte.
    Trickle {
        /// Time between two bytes.
        gap: Duration,
    },
    /// Kept back until the connection's next reply, and sent in one piece with it.
    Merge,
    /// The connection is reset instead.
    Reset,
    /// The connection is dead from now on, and nobody is told.
    HalfOpen,
    /// Another transaction id, by this much.
    Transaction {
        /// Is added to it.
        add: u16,
    },
    /// Another unit id, by this much.
    Unit {
        /// Is added to it.
        add: u8,
    },
    /// Both bytes of the CRC turned over. On RTU lines only.
    Crc,
    /// Bytes in front. On RTU lines only.
    Noise {
        /// How many, at most eight.
        bytes: usize,
        /// Which: the first of these, highest first.
        bits: u64,
    },
}

impl WireFault {
    /// How much later a client has a reply of so many bytes where there is no wire: `None` if it never has one it can
    /// take. A client that asks one request at a time is thought of.
    pub fn felt(self, reply_bytes: usize) -> Option<Duration> {
        match self {
            Self::Truncate { bytes } => (bytes >= reply_bytes).then_some(Duration::ZERO),
            Self::Split { at, gap } => Some(if (1..reply_bytes).contains(&at) {
                gap
            } else {
                Duration::ZERO
            }),
            Self::Trickle { gap } => {
                let gaps = u32::try_from(reply_bytes.saturating_sub(1)).unwrap_or(u32::MAX);
                Some(gap.saturating_mul(gaps))
            }
            Self::Merge
            | Self::Reset
            | Self::HalfOpen
            | Self::Transaction { .. }
            | Self::Unit { .. }
            | Self::Crc
            | Self::Noise { .. } => None,
        }
    }
}

/// The wires this rig needs.
#[derive(Clone, Debug, Default)]
pub struct Wires {
    /// CAN buses that are carried outside the process.
    pub can: Vec<CanWire>,
    /// Modbus servers to listen for.
    pub servers: Vec<ModbusServerWire>,
    /// Certificates of devices that speak TLS, by device.
    pub certificates: BTreeMap<usize, TlsFiles>,
    /// Modbus RTU lines to open.
    pub lines: Vec<RtuLineWire>,
}

/// A CAN bus that is carried outside the process.
#[derive(Clone, Debug)]
pub struct CanWire {
    /// Number in [`WireInput::Can`].
    pub bus: usize,
    /// Name in the rig file.
    pub name: String,
    /// What carries it.
    pub medium: CanMedium,
    /// Whether devices of the rig speak CAN FD on it.
    pub fd: bool,
}

/// What carries a CAN bus outside the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CanMedium {
    /// A SocketCAN network interface.
    Interface(String),
    /// TCP in the socketcand protocol, served here: the bus has its emulators in this process.
    Listen(SocketAddr),
    /// The same, served by the process that has the bus.
    Connect(SocketAddr),
}

impl fmt::Display for CanMedium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(name) => f.write_str(name),
            Self::Listen(address) => write!(f, "socketcand {address}"),
            Self::Connect(address) => write!(f, "socketcand at {address}"),
        }
    }
}

/// A Modbus server of the rig.
#[derive(Clone, Debug)]
pub struct ModbusServerWire {
    /// Number in [`WireInput::ModbusRequest`].
    pub device: usize,
    /// Its tag.
    pub tag: Tag,
    /// Where it is reached; a line by its number in [`RtuLineWire`].
    pub address: ModbusAddress,
    /// Its unit id.
    pub unit: u8,
    /// Clients connected at the same time; more are refused.
    pub clients: u16,
    /// What a request to a unit id that is nobody's gets; by default an answer where the device has the address for itself,
    /// and exception 0B where several have.
    pub unknown_unit: Option<UnknownUnit>,
}

/// A Modbus RTU line this process takes part in. Either its devices are masters there, which ask, or servers.
#[derive(Clone, Debug)]
pub struct RtuLineWire {
    /// Number in [`ModbusAddress::Line`].
    pub line: usize,
    /// Name in the rig file.
    pub name: String,
    /// What this process opens.
    pub end: LineEnd,
    /// Characters and timing.
    pub format: LineFormat,
    /// Whether this process asks.
    pub asks: bool,
}

/// One end of an RTU line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// A pseudo-terminal to make, with a path that is to lead to it.
    NewPty {
        /// The path.
        link: Option<String>,
    },
    /// The far end of a pseudo-terminal that another process has made.
    Pty(String),
    /// A serial device.
    Serial(String),
    /// Connections that come in here.
    Listen(SocketAddr),
    /// A connection to there.
    Connect(SocketAddr),
}

/// A device outside this process that is asked or listened for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outsider {
    /// Its tag.
    pub tag: Tag,
    /// Where its Modbus server is asked, in words, if it is.
    pub modbus: Option<String>,
    /// Devices of this process that ask it.
    pub asked_by: Vec<Tag>,
    /// CAN buses its frames are expected on.
    pub buses: Vec<String>,
    /// It was asked at least once.
    pub asked: bool,
    /// A reply or a frame of its has come.
    pub heard: bool,
}

impl Outsider {
    /// Nobody seems to be there: what was due from it never came, not once. In words, or none.
    pub fn missing(&self) -> Option<String> {
        if self.heard {
            return None;
        }
        let asked = self.modbus.as_ref().filter(|_| self.asked);
        let answers = asked.map(|place| format!("nobody answers at {place} for {}", self.tag));
        let sends = || format!("nobody sends on {} as {}", self.buses.join(", "), self.tag);
        match (answers, self.buses.is_empty()) {
            (Some(answers), true) => Some(answers),
            (Some(answers), false) => Some(format!("{answers}, and {}", sends())),
            (None, false) => Some(sends()),
            (None, true) => None,
        }
    }
}

/// Something done to the rig from outside the buses.
#[derive(Clone, Debug)]
pub enum RigCommand {
    /// Start a fault of the plant or of a sensor.
    Fault(PlantFault),
    /// End it.
    ClearFault(PlantFault),
    /// Start or end a fault of an emulated device.
    DeviceFault {
        /// Whose.
        tag: Tag,
        /// Which.
        fault: DeviceFault,
    },
    /// Start a fault of a link.
    LinkFault(LinkFault),
    /// End the link faults of this name and target.
    EndLinkFault {
        /// The fault's name.
        name: String,
        /// Its target, as given at its start.
        target: String,
    },
    /// A hand on a hard-wired button, or a cut wire.
    Contact {
        /// Which line.
        line: Line,
        /// Its new level.
        level: bool,
    },
    /// The operator writes a point at the operator station.
    Operator {
        /// Of which controller.
        target: HmiTarget,
        /// Which point.
        point: String,
        /// New value.
        value: f64,
    },
}

/// Why a command cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The plant refuses the fault.
    #[error("{0}")]
    Plant(String),
    /// No such device, or it is not emulated here.
    #[error("{0} is not emulated in this rig")]
    NotEmulated(Tag),
    /// The device cannot have that fault.
    #[error("{tag}: {why}")]
    Device {
        /// Whose.
        tag: Tag,
        /// Why not.
        why: String,
    },
    /// The link fault cannot be.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// There is nothing to end.
    #[error("no fault {name} of {target} is at work")]
    NoSuchFault {
        /// The fault's name.
        name: String,
        /// Its target.
        target: String,
    },
    /// The operator station has no such point, or there is no operator station.
    #[error("{0}")]
    Operator(String),
    /// A hosted part of a rig has no plant.
    #[error("this process has no plant")]
    NoPlant,
}

/// What the rig counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Plant ticks.
    pub ticks: u64,
    /// Frames sent by emulated devices.
    pub frames_sent: u64,
    /// Frames lost before they were on a bus: a queue was full, or its node was bus-off.
    pub frames_lost: u64,
    /// Error frames: each ended a frame of a timed bus, or was reported by a wire.
    pub error_frames: u64,
    /// Frames that came in from wires.
    pub frames_received: u64,
    /// Modbus requests served or made.
    pub modbus_requests: u64,
    /// Modbus requests that got no answer.
    pub modbus_silent: u64,
}
