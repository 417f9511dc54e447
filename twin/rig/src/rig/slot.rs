//! Devices of a rig, emulated here or not, and the operator station among them.

use bess_devices::codec::modbus::ModbusSettings;
use bess_devices::hmi::{Hmi, HmiTarget};
use bess_devices::product::DeviceKind;
use bess_devices::{Device, DeviceFault, Points};
use bess_plant::Place;
use bess_types::Tag;

use super::Rig;
use crate::config::ModbusPort;
use crate::config::line::ModbusAddress;
use crate::config::tls::TlsFiles;

/// An emulated device; the operator station is known by its own type because steps speak through it.
pub(crate) enum Emulator {
    Device(Box<dyn Device>),
    Hmi(Box<Hmi>),
}

impl Emulator {
    pub(super) fn device(&mut self) -> &mut dyn Device {
        match self {
            Self::Device(device) => device.as_mut(),
            Self::Hmi(hmi) => hmi.as_mut(),
        }
    }

    /// Whether its device can have that fault.
    pub(crate) fn supports(&self, fault: &DeviceFault) -> bool {
        match self {
            Self::Device(device) => device.supports(fault),
            Self::Hmi(hmi) => hmi.supports(fault),
        }
    }

    /// Whether it has the address its cyclic frames need.
    pub(crate) fn is_addressed(&self) -> bool {
        match self {
            Self::Device(device) => device.is_addressed(),
            Self::Hmi(_) => true,
        }
    }

    pub(crate) fn points(&self) -> &Points {
        match self {
            Self::Device(device) => device.points(),
            Self::Hmi(hmi) => hmi.points(),
        }
    }
}

/// Where a device's request goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    Local {
        server: usize,
        unit: u8,
    },
    Wire {
        server: usize,
        address: ModbusAddress,
        unit: u8,
    },
    Nobody,
}

/// One device of the rig file, emulated here or not.
pub(crate) struct Slot {
    pub tag: Tag,
    pub kind: DeviceKind,
    pub emulator: Option<Emulator>,
    pub place: Place,
    /// Bus by port number.
    pub ports: Vec<Option<usize>>,
    /// Server by peer number.
    pub peers: Vec<Peer>,
    /// Of its Modbus server.
    pub address: Option<ModbusAddress>,
    pub tls: Option<TlsFiles>,
    pub unit: u8,
    /// What of its Modbus server is a property of the product, and what of the site.
    pub server: ModbusSettings,
    pub port: ModbusPort,
    /// A fault silences it, so its missing frames are no news.
    pub silenced: bool,
    /// A link fault touches its frames, so what is missing or late is no news.
    pub excused: bool,
    /// It has the address its cyclic frames need.
    pub addressed: bool,
    /// Outside: a device of this process has asked it.
    pub asked: bool,
    /// Outside: a frame or a reply of its has come.
    pub heard: bool,
}

impl Rig {
    pub(crate) fn slot_of(&self, tag: &Tag) -> Option<usize> {
        self.slots.binary_search_by(|slot| slot.tag.cmp(tag)).ok()
    }

    pub(crate) fn hmi(&self) -> Option<&Hmi> {
        match &self.slots[self.hmi?].emulator {
            Some(Emulator::Hmi(hmi)) => Some(hmi),
            _ => None,
        }
    }
}

/// The controller behind an operator station's target.
pub(crate) fn hmi_target_tag(slots: &[Slot], target: HmiTarget) -> Option<Tag> {
    let kind = match target {
        HmiTarget::Bau => DeviceKind::Bau,
        HmiTarget::Ems => DeviceKind::Ems,
        HmiTarget::Pcs => DeviceKind::Pcs,
    };
    slots
        .iter()
        .find(|slot| slot.kind == kind)
        .map(|slot| slot.tag.clone())
}
