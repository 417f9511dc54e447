//! Devices of a rig file: each where it may be, on buses and at addresses that are there, with peers that are there.

use std::collections::BTreeMap;

use bess_devices::product::DeviceKind;
use bess_types::Tag;

use super::merge::{Entry, Merged};
use super::patterns::everywhere;
use crate::config::line::{self, ModbusAddress, RtuLineConfig};
use crate::config::{
    Attach, Backing, CanBusConfig, ClockMode, DeviceConfig, PlantSection, RigConfigError, places,
};

/// Every device, by tag.
pub(super) fn devices(
    merged: &Merged,
    plant: &PlantSection,
    buses: &[CanBusConfig],
    lines: &[RtuLineConfig],
) -> Result<Vec<DeviceConfig>, RigConfigError> {
    let mut devices: BTreeMap<Tag, DeviceConfig> = BTreeMap::new();
    let known: Vec<(DeviceKind, Tag)> = merged
        .devices
        .iter()
        .flat_map(|(kind, entry)| {
            let tag = &entry.value.tag;
            let filled = everywhere(tag, plant).into_iter().map(|at| at.fill(tag));
            filled.filter_map(|tag| Some((*kind, tag.parse().ok()?)))
        })
        .collect();
    for (kind, Entry { value: file, origin }) in &merged.devices {
        for at in everywhere(&file.tag, plant) {
            let tag: Tag = at
                .fill(&file.tag)
                .parse()
                .map_err(|error: bess_types::tag::TagError| {
                    origin.error(error.to_string(), "correct the tag")
                })?;
            places::check((&tag, *kind), plant, &known, origin)?;
            let unit = file.unit.unwrap_or(1);
            let (listen, on_line) = (file.listen.as_deref(), file.line.as_deref());
            let (listen, on_line) = (
                listen.map(|text| at.fill(text)),
                on_line.map(|text| at.fill(text)),
            );
            let mut address =
                line::served_at((&tag, unit), listen.as_deref(), on_line.as_deref(), lines, origin)?;
            if let (Some(served), Some(_)) = (&mut address, &file.tls) {
                *served = match *served {
                    ModbusAddress::Tcp(address) | ModbusAddress::Tls(address) => ModbusAddress::Tls(address),
                    ModbusAddress::Line(_) => {
                        return Err(origin.error(
                            format!("{tag} has tls, but is on an RTU line"),
                            "TLS is for TCP: say listen instead of line, or leave tls out",
                        ));
                    }
                };
            }
            let peers = file
                .peers
                .iter()
                .map(|(name, peer)| match at.fill(peer).parse() {
                    Ok(peer) => Ok((name.clone(), peer)),
                    Err(error) => {
                        Err(origin.error(format!("{tag}: peer {name}: {error}"), "correct the tag"))
                    }
                })
                .collect::<Result<_, _>>()?;
            let can: BTreeMap<_, _> = file
                .can
                .iter()
                .map(|(port, bus)| (port.clone(), at.fill(bus)))
                .collect();
            if let Some((port, bus)) = can.iter().find(|(_, bus)| buses.iter().all(|b| b.name != **bus)) {
                let known: Vec<_> = buses.iter().map(|bus| bus.name.as_str()).collect();
                return Err(origin.error(
                    format!("{tag}: port `{port}` is on bus `{bus}`, which does not exist"),
                    format!(
                        "add a [[can_bus]] with that name, or use one of: {}",
                        known.join(", ")
                    ),
                ));
            }
            let device = DeviceConfig {
                tag: tag.clone(),
                pattern: file.tag.clone(),
                kind: *kind,
                product: file.product.clone(),
                backing: file.backing.unwrap_or(Backing::Emulated),
                can,
                peers,
                address,
                tls: file.tls.as_ref().map(|files| files.map(|path| at.fill(path))),
                unit,
                modbus: file.modbus.clone().unwrap_or_default(),
                defect: file.defect,
                settings: file.settings.clone(),
                origin: origin.clone(),
            };
            if let Some(first) = devices.get(&tag) {
                return Err(origin.error(
                    format!("tag {tag} is given twice; first at {}", first.origin.line()),
                    "every device has a tag of its own",
                ));
            }
            devices.insert(tag, device);
        }
    }
    let order: Vec<Tag> = known.into_iter().map(|(_, tag)| tag).collect();
    places::check_alone(&order, &devices)?;
    let devices: Vec<DeviceConfig> = devices.into_values().collect();
    check_peers(&devices)?;
    check_wire_owners(&devices, buses, lines)?;
    let virtual_time = merged.rig.clock.as_ref().and_then(|clock| clock.mode) != Some(ClockMode::Paced);
    if let (true, Some(real)) = (
        virtual_time,
        devices.iter().find(|device| device.backing == Backing::Real),
    ) {
        return Err(real.origin.error(
            format!(
                "{} is real, but this rig runs in virtual time, which nothing outside can follow",
                real.tag
            ),
            "say [clock] mode = \"paced\"",
        ));
    }
    Ok(devices)
}

fn check_peers(devices: &[DeviceConfig]) -> Result<(), RigConfigError> {
    for device in devices {
        for (name, peer) in &device.peers {
            if devices.iter().all(|other| other.tag != *peer) {
                return Err(device.origin.error(
                    format!("{}: peer {name} is {peer}, which is not in the rig", device.tag),
                    "add that device, or correct the tag",
                ));
            }
        }
    }
    Ok(())
}

/// A real device needs wires; one address and unit id has one owner.
fn check_wire_owners(
    devices: &[DeviceConfig],
    buses: &[CanBusConfig],
    lines: &[RtuLineConfig],
) -> Result<(), RigConfigError> {
    for (i, device) in devices.iter().enumerate() {
        if device.backing == Backing::Real {
            for (port, name) in &device.can {
                if buses
                    .iter()
                    .any(|bus| bus.name == *name && bus.attach.is_inside())
                {
                    return Err(device.origin.error(
                        format!(
                            "{} is real, but its port `{port}` is on bus `{name}`, which is inside the rig",
                            device.tag
                        ),
                        "attach that bus to a wire: attach = \"socketcan\" and interface = \"vcan0\", or attach = \
                         \"socketcand\" and listen = \"127.0.0.1:29536\"",
                    ));
                }
            }
        }
        let listen = device.address.and_then(ModbusAddress::socket);
        let beside = devices[..i].iter().find(|other| {
            let shared = listen.is_some() && other.address.and_then(ModbusAddress::socket) == listen;
            shared && other.tls != device.tls
        });
        if let Some(other) = beside {
            return Err(device.origin.error(
                format!(
                    "{} and {} ({}) are at one address with different tls",
                    device.tag,
                    other.tag,
                    other.origin.line()
                ),
                "give one of them another port, or both the same tls",
            ));
        }
        let served = |bus: &&CanBusConfig| bus.attach == Attach::Socketcand && bus.listen == listen;
        if let (Some(address), Some(bus)) = (listen, buses.iter().find(served)) {
            return Err(device.origin.error(
                format!(
                    "{} and bus `{}` ({}) both listen on {address}",
                    device.tag,
                    bus.name,
                    bus.origin.line()
                ),
                "give one of them another port: Modbus and socketcand cannot share one",
            ));
        }
        let clash = devices[..i].iter().find(|other| {
            device.address.is_some() && other.address == device.address && other.unit == device.unit
        });
        if let Some(other) = clash {
            return Err(device.origin.error(
                format!(
                    "{} and {} ({}) both answer unit {} at {}",
                    device.tag,
                    other.tag,
                    other.origin.line(),
                    device.unit,
                    match device.address {
                        Some(ModbusAddress::Tcp(address) | ModbusAddress::Tls(address)) =>
                            address.to_string(),
                        Some(ModbusAddress::Line(line)) => format!("RTU line `{}`", lines[line].name),
                        None => String::new(),
                    }
                ),
                "give one of them another port or unit id",
            ));
        }
    }
    Ok(())
}
