//! The shape of one rig file, before anything is merged.

use std::collections::BTreeMap;

use bess_devices::defects::Defect;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::line::{CrcOrder, LineAttach, Parity};
use super::tls::TlsFiles;
use super::{Attach, Backing, ClockMode, ModbusPort};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RigFile {
    #[serde(skip_serializing)]
    pub inherits: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<ControlFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plant: Option<Spanned<PlantFile>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub can_bus: Vec<Spanned<CanBusFile>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rtu_line: Vec<Spanned<RtuLineFile>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bmu: Vec<Spanned<DeviceFile>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hv_unit: Vec<Spanned<DeviceFile>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remote_io: Vec<Spanned<DeviceFile>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub safety_relay: Vec<Spanned<DeviceFile>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pcs: Vec<Spanned<DeviceFile>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fire_panel: Vec<Spanned<DeviceFile>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chiller: Vec<Spanned<DeviceFile>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hvac: Vec<Spanned<DeviceFile>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meter: Vec<Spanned<DeviceFile>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bcu: Vec<Spanned<DeviceFile>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bau: Vec<Spanned<DeviceFile>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ems: Vec<Spanned<DeviceFile>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hmi: Vec<Spanned<DeviceFile>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<Spanned<CutFile>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fault: Vec<Spanned<FaultFile>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultFile {
    pub name: String,
    pub target: String,
    #[serde(default)]
    pub at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, f64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClockFile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<ClockMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soft_limit_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hard_limit_ms: Option<u64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ControlFile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faults: Option<bool>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlantFile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid_step_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub initial: toml::Table,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CanBusFile {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attach: Option<Attach>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bit_rate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_bit_rate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovers: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_ms: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RtuLineFile {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attach: Option<LineAttach>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baud: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parity: Option<Parity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_bits: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crc: Option<CrcOrder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turnaround_ms: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeviceFile {
    pub tag: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backing: Option<Backing>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub can: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub peers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modbus: Option<ModbusPort>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defect: Option<Defect>,
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub settings: toml::Table,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CutFile {
    pub name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Vec<String>>,
}
