//! Devices built from a rig file, and who is connected to whom.

mod can;
mod checks;
mod emulators;
mod lines;
mod products;
mod requests;
mod tags;

use std::collections::BTreeMap;

use bess_devices::library::Library;
use bess_plant::Plant;
use bess_types::Line;

use self::can::{Decoders, announce_ids, is_optional, observers, ports_of};
use self::checks::check_hosted;
pub use self::checks::out_of_reach;
pub(crate) use self::lines::FIELD_LEVELS_AT_START;
use self::lines::{chains, lines_of};
use self::products::Products;
pub use self::products::products;
use self::requests::peers;
use self::tags::place_of;
pub(crate) use self::tags::{CONTAINER, SITE, plant_part, plant_tag, plant_tag_text, serial, site_tag};
use crate::bus::can::CanBus;
use crate::bus::timed::TimedBus;
use crate::config::{Attach, Backing, DeviceConfig, RigConfig, RigConfigError};
use crate::interface::{CanMedium, Role};
use crate::noise::Noise;
use crate::rig::Slot;

/// Everything [`crate::Rig`] is made of.
pub(crate) struct Built {
    pub plant: Option<Plant>,
    pub slots: Vec<Slot>,
    pub buses: Vec<CanBus>,
    pub line_listeners: BTreeMap<Line, Vec<usize>>,
    /// Enable chains: whose input a device's enable output is wired to.
    pub next_in_chain: BTreeMap<usize, usize>,
    /// First BMUs of chains whose BCU is not emulated here; their enable is held high.
    pub chain_heads: Vec<usize>,
    /// For each bus with controllers on it: their slots and decoders.
    pub observers: Vec<(usize, Decoders)>,
}

pub(crate) fn build(config: &RigConfig, library: &Library, role: Role<'_>) -> Result<Built, RigConfigError> {
    let here = |device: &DeviceConfig| match role {
        Role::Rig => device.backing == Backing::Emulated,
        Role::Host(tags) => tags.contains(&device.tag),
    };
    if let Role::Host(tags) = role {
        check_hosted(config, tags)?;
    }
    let plant = match role {
        Role::Rig => Some(plant(config)?),
        Role::Host(_) => None,
    };
    let products = Products { config, library };
    let mut buses: Vec<CanBus> = config
        .can_buses
        .iter()
        .map(|bus| {
            let wire = match bus.attach {
                Attach::Instant | Attach::Timed => None,
                Attach::Socketcan => bus.interface.clone().map(CanMedium::Interface),
                // the process with the bus's emulators serves it, as with the Modbus servers
                Attach::Socketcand => bus.listen.map(match role {
                    Role::Rig => CanMedium::Listen,
                    Role::Host(_) => CanMedium::Connect,
                }),
            };
            CanBus::new(&bus.name, wire)
        })
        .collect();
    products.check_cells()?;
    products.check_packs()?;
    products.check_voltage_classes()?;
    announce_ids(config, &products, &mut buses)?;
    products.check_settings()?;
    let mut slots = Vec::new();
    let mut line_listeners: BTreeMap<Line, Vec<usize>> = BTreeMap::new();
    for (i, device) in config.devices.iter().enumerate() {
        let product = products.of(device)?;
        let emulator = if here(device) {
            Some(products.emulator(device, &product)?)
        } else {
            None
        };
        let mut ports = Vec::new();
        for (number, port) in ports_of(device.kind).enumerate() {
            let bus = device
                .can
                .get(port)
                .and_then(|name| buses.iter().position(|bus| bus.name == *name));
            let has_port = product.can_port(port).is_ok() || !is_optional(port);
            if bus.is_none() && has_port {
                return Err(device.origin.error(
                    format!("{} has no bus for its CAN port `{port}`", device.tag),
                    format!("add can = {{ {port} = \"<bus name>\" }}"),
                ));
            }
            if bus.is_some() && !has_port {
                return Err(device.origin.error(
                    format!(
                        "{}: product `{}` has no CAN port `{port}`",
                        device.tag, product.id
                    ),
                    format!("{}; or leave the bus out", products.with_port(device.kind, port)),
                ));
            }
            if let (Some(bus), Some(_)) = (bus, &emulator) {
                buses[bus]
                    .members
                    .push((i, u8::try_from(number).unwrap_or(u8::MAX)));
            }
            ports.push(bus);
        }
        if emulator.is_some() {
            for line in lines_of(device) {
                line_listeners.entry(line).or_default().push(i);
            }
        }
        slots.push(Slot {
            tag: device.tag.clone(),
            kind: device.kind,
            emulator,
            place: place_of(&device.tag),
            ports,
            peers: vec![],
            address: device.address,
            tls: device.tls.clone(),
            unit: device.unit,
            server: product.modbus(),
            port: device.modbus.clone(),
            silenced: false,
            excused: false,
            addressed: true,
            asked: false,
            heard: false,
        });
    }
    for i in 0..slots.len() {
        if slots[i].emulator.is_some() {
            slots[i].peers = peers(config, &slots, i)?;
        }
    }
    let (next_in_chain, chain_heads) = chains(&products, &slots);
    let observers = match role {
        Role::Rig => observers(config, &products, &buses)?,
        Role::Host(_) => vec![],
    };
    for (i, (bus, config_of)) in buses.iter_mut().zip(&config.can_buses).enumerate() {
        if config_of.attach == Attach::Timed {
            bus.timed = Some(TimedBus::new(
                config_of.timing,
                // and one for a node that is none of the rig's
                bus.members.len() + 1,
                Noise::new(config.seed, i as u64),
            ));
        }
    }
    Ok(Built {
        plant,
        slots,
        buses,
        line_listeners,
        next_in_chain,
        chain_heads,
        observers,
    })
}

fn plant(config: &RigConfig) -> Result<Plant, RigConfigError> {
    let section = &config.plant;
    Plant::new(&section.spec, &section.initial, config.seed, section.grid_step).map_err(|error| {
        section.origin.error(
            error.to_string(),
            "correct the [plant] section or the data it names",
        )
    })
}
