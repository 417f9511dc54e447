//! Rig files: what is in the rig, on which buses, and who is real.
//!
//! A rig file is TOML. `inherits` names a base file, relative to the file that says so; tables are merged key by
//! key, and a device or bus entry with the same `tag` or `name` is merged field by field, so an overlay says only
//! what differs. Unknown keys are refused. In texts, `{cluster}` and `{pack}` run over the container's clusters
//! and packs (two digits), `{c}` is the cluster number without leading zero.

mod file;
pub mod line;
mod load;
mod places;
pub mod tls;

use core::fmt;
use core::net::SocketAddr;
use core::ops::Range;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use bess_catalogue::{Catalogue, CatalogueError};
use bess_devices::codec::modbus::ModbusAccess;
use bess_devices::defects::Defect;
use bess_devices::product::DeviceKind;
use bess_plant::{InitialState, PlantSpec};
use bess_types::{ModbusClient, ModbusException, SimTime, Tag};
use serde::{Deserialize, Serialize};

use crate::fault::LinkFault;
pub use line::{ModbusAddress, RtuLineConfig};
pub use tls::TlsFiles;

/// A rig as its files describe it, patterns expanded, not yet built.
#[derive(Clone, Debug)]
pub struct RigConfig {
    /// Path of the top rig file, as given.
    pub path: String,
    /// Its beginning, for messages about what no file says.
    pub top: Origin,
    /// One line for reports.
    pub title: String,
    /// Seed of every random number in the run.
    pub seed: u64,
    /// Virtual or paced, and how late a paced rig may be.
    pub clock: Clock,
    /// Whether those who command a live rig may inject faults.
    pub faults_enabled: bool,
    /// The container.
    pub plant: PlantSection,
    /// CAN buses, in file order.
    pub can_buses: Vec<CanBusConfig>,
    /// Modbus RTU lines, in file order.
    pub rtu_lines: Vec<RtuLineConfig>,
    /// Devices, by tag.
    pub devices: Vec<DeviceConfig>,
    /// Controller processes the rig starts and watches.
    pub cuts: Vec<CutConfig>,
    /// Faults of links that begin by themselves.
    pub faults: Vec<FaultConfig>,
    effective: String,
}

/// Which driver runs the rig.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockMode {
    /// Jumps to the next event; everything is in process.
    Virtual,
    /// Waits for the wall clock; frames and requests are on real wires.
    Paced,
}

/// Clock section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Which driver.
    pub mode: ClockMode,
    /// Lateness of a plant tick that is counted, ms.
    pub soft_limit_ms: u64,
    /// Lateness of a plant tick past which nothing is proven about the controller, ms.
    pub hard_limit_ms: u64,
}

/// Plant section.
#[derive(Clone, Debug)]
pub struct PlantSection {
    /// What the plant is built from, with as many clusters as the rig has.
    pub spec: PlantSpec,
    /// Clusters built, at most the container's.
    pub clusters: usize,
    /// Packs in each cluster.
    pub packs: usize,
    /// Plant grid.
    pub grid_step: Duration,
    /// State at time zero.
    pub initial: InitialState,
    /// Where the section stands, for messages.
    pub origin: Origin,
}

/// How a CAN bus is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attach {
    /// Inside the rig, with a fixed latency.
    Instant,
    /// Inside the rig, bit by bit in time.
    Timed,
    /// On a SocketCAN interface as well.
    Socketcan,
    /// On TCP as well, in the protocol of the socketcand daemon.
    Socketcand,
}

impl Attach {
    /// Whether nobody outside the rig process can be on it.
    pub const fn is_inside(self) -> bool {
        matches!(self, Self::Instant | Self::Timed)
    }
}

/// How a timed bus runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Bits a second in arbitration, and throughout a classic frame.
    pub bit_rate: u32,
    /// Bits a second in the payload of a CAN FD frame that switches.
    pub data_bit_rate: u32,
    /// Frames a node can hold back; one more is lost.
    pub queue: usize,
    /// Whether a node that is bus-off comes back by itself.
    pub recovers: bool,
    /// How long its driver waits before it asks for that, as `restart-ms` of the Linux kernel's.
    pub restart: Duration,
}

impl Default for Timing {
    /// 500 kbit/s, 2 Mbit/s in FD payloads, 64 frames, automatic recovery.
    fn default() -> Self {
        Self {
            bit_rate: 500_000,
            data_bit_rate: 2_000_000,
            queue: 64,
            recovers: true,
            restart: Duration::from_millis(100), // [A]
        }
    }
}

/// One CAN bus.
#[derive(Clone, Debug)]
pub struct CanBusConfig {
    /// Name in devices' `can` tables and in traces.
    pub name: String,
    /// How it is carried.
    pub attach: Attach,
    /// SocketCAN interface, if attached to one.
    pub interface: Option<String>,
    /// Where the rig listens for socketcand clients, if they carry it. Buses may share an address.
    pub listen: Option<SocketAddr>,
    /// Of a timed bus.
    pub timing: Timing,
    /// Where the entry stands.
    pub origin: Origin,
}

/// A link fault that begins by itself.
#[derive(Clone, Debug)]
pub struct FaultConfig {
    /// Rig time of its start.
    pub at: SimTime,
    /// The fault, with its length.
    pub fault: LinkFault,
    /// Where the entry stands.
    pub origin: Origin,
}

/// Who stands behind a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backing {
    /// An emulator in the rig process.
    Emulated,
    /// Something outside, reached over wires only.
    Real,
    /// Nobody: its traffic is missing.
    Absent,
}

/// One device.
#[derive(Clone, Debug)]
pub struct DeviceConfig {
    /// Address.
    pub tag: Tag,
    /// The tag as the rig file writes it, which may stand for several devices.
    pub pattern: String,
    /// Kind, from the table the entry stands in.
    pub kind: DeviceKind,
    /// Product id; none if no file of the rig names one.
    pub product: Option<String>,
    /// Emulated, real or absent.
    pub backing: Backing,
    /// CAN bus by port name.
    pub can: BTreeMap<String, String>,
    /// Modbus server it asks, by the device kind's peer name.
    pub peers: BTreeMap<String, Tag>,
    /// Where its Modbus server is reached on a wire rig.
    pub address: Option<ModbusAddress>,
    /// Its certificates: its server, and the servers it asks that have some, speak TLS.
    pub tls: Option<TlsFiles>,
    /// Modbus unit id it answers to (any, if it is the only one at its TCP address).
    pub unit: u8,
    /// What clients of its Modbus server may do.
    pub modbus: ModbusPort,
    /// A known bug to build in, for the self-test.
    pub defect: Option<Defect>,
    /// Product settings this rig overrides.
    pub settings: toml::Table,
    /// Where the entry stands.
    pub origin: Origin,
}

/// What clients of a device's Modbus server may do, where the site decides that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModbusPort {
    /// Whether it takes no writes.
    #[serde(default)]
    pub read_only: bool,
    /// What a write gets then.
    #[serde(default = "illegal_function")]
    pub refusal: ModbusException,
    /// Role of clients without a certificate: on plain TCP, on a serial line, and in the rig itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain_role: Option<String>,
    /// Time from power-on until its server answers, ms, in place of the product's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_up_ms: Option<u16>,
    /// Time from a request to its reply, ms, in place of the product's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turnaround_ms: Option<u16>,
}

const fn illegal_function() -> ModbusException {
    ModbusException::IllegalFunction
}

impl Default for ModbusPort {
    fn default() -> Self {
        Self {
            read_only: false,
            refusal: illegal_function(),
            plain_role: None,
            start_up_ms: None,
            turnaround_ms: None,
        }
    }
}

impl ModbusPort {
    /// Start-up time and turnaround, where the rig file gives them.
    pub(crate) fn times(&self) -> (Option<Duration>, Option<Duration>) {
        let time = |ms: Option<u16>| ms.map(|ms| Duration::from_millis(u64::from(ms)));
        (time(self.start_up_ms), time(self.turnaround_ms))
    }

    /// What a client may do here.
    pub(crate) fn access<'a>(&'a self, client: &'a ModbusClient) -> ModbusAccess<'a> {
        let role = match &client.certificate {
            None => &self.plain_role,
            Some(certificate) => &certificate.role,
        };
        ModbusAccess {
            role: role.as_deref(),
            read_only: self.read_only.then_some(self.refusal),
        }
    }
}

/// One controller process.
#[derive(Clone, Debug)]
pub struct CutConfig {
    /// Name in reports.
    pub name: String,
    /// Command line; `{bessrig}` is the running binary, `{rig}` the rig file.
    pub start: Vec<String>,
    /// Devices of the rig file it stands for.
    pub devices: Vec<Tag>,
    /// Where the entry stands.
    pub origin: Origin,
}

impl RigConfig {
    /// Reads a rig file and everything it inherits. `read` returns a file's text, or why it cannot; the plant is made
    /// of products of the `catalogue`.
    pub fn load(
        path: &str,
        catalogue: &Catalogue,
        read: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<Self, RigConfigError> {
        load::load(path, catalogue, read)
    }

    /// The merged rig file, as TOML, for the evidence folder.
    pub fn effective_toml(&self) -> &str {
        &self.effective
    }

    /// The device with this tag.
    pub fn device(&self, tag: &Tag) -> Option<&DeviceConfig> {
        self.devices.iter().find(|device| &device.tag == tag)
    }

    /// Builds a known bug into every device of the kind it belongs to; for the self-test.
    #[must_use]
    pub fn with_defect(mut self, defect: Defect) -> Self {
        for device in &mut self.devices {
            if defect.kinds().contains(&device.kind) {
                device.defect = Some(defect);
            }
        }
        self
    }
}

/// What is forgotten most where a product is not found.
pub(crate) const OWN_PRODUCTS: &str = "products of your own need --data FOLDER";

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, with its text for showing the line.
    pub file: Arc<SourceFile>,
    /// Byte range in the file.
    pub span: Range<usize>,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Path as named.
    pub path: String,
    /// Whole text.
    pub text: String,
}

impl Origin {
    /// A problem at this place.
    pub fn error(&self, message: impl Into<String>, help: impl Into<String>) -> RigConfigError {
        RigConfigError(Box::new(Problem {
            file: self.file.path.clone(),
            text: self.file.text.clone(),
            span: Some(self.span.clone()),
            message: message.into(),
            help: help.into(),
        }))
    }

    /// A problem with the products this place asks for: theirs if one of their files is wrong, else this place's.
    fn product_error(&self, error: &CatalogueError) -> RigConfigError {
        match error.file() {
            Some(file) => RigConfigError::at(
                file.path(),
                file.text(),
                error.span(),
                error.to_string(),
                error.help(),
            ),
            None => self.error(error.to_string(), format!("{}; {OWN_PRODUCTS}", error.help())),
        }
    }

    /// `path:line`, for messages that name a second place.
    pub fn line(&self) -> String {
        let line = self.file.text[..self.span.start.min(self.file.text.len())]
            .matches('\n')
            .count()
            + 1;
        format!("{}:{line}", self.file.path)
    }
}

/// What is wrong with a rig file, where, and how to mend it.
#[derive(Clone, Debug)]
pub struct RigConfigError(Box<Problem>);

#[derive(Clone, Debug)]
struct Problem {
    file: String,
    text: String,
    span: Option<Range<usize>>,
    message: String,
    help: String,
}

impl RigConfigError {
    /// A problem with a whole file.
    pub fn in_file(file: &str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::at(file, "", None, message, help)
    }

    /// A problem at a byte range of a file.
    pub fn at(
        file: &str,
        text: &str,
        span: Option<Range<usize>>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self(Box::new(Problem {
            file: file.into(),
            text: text.into(),
            span,
            message: message.into(),
            help: help.into(),
        }))
    }

    /// The file it is in.
    pub fn file(&self) -> &str {
        &self.0.file
    }

    /// That file's text; empty if it could not be read.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The bytes it is about.
    pub fn span(&self) -> Option<Range<usize>> {
        self.0.span.clone()
    }

    /// How to mend it.
    pub fn help(&self) -> &str {
        &self.0.help
    }
}

impl fmt::Display for RigConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl core::error::Error for RigConfigError {}
