//! Who sends what on which CAN bus: ports, addresses, identifiers, and what decodes the frames of controllers.

use std::collections::BTreeMap;

use bess_devices::codec::can::{RemoteNode, Transmitted, transmitted_ids};
use bess_devices::kinds::can_ports;
use bess_devices::product::DeviceKind;

use super::products::{Products, product_error};
use crate::bus::can::CanBus;
use crate::config::{Backing, DeviceConfig, RigConfig, RigConfigError};
use crate::interface::CanMedium;

/// CAN source address of a high-voltage box measuring unit on its cluster bus.
const HV_UNIT_ADDRESS: u8 = 0xB0;
/// CAN source address of a BCU on its cluster bus.
const BCU_CLUSTER_ADDRESS: u8 = 0xA0;
/// CAN source address of a BCU on the stack bus: this plus the cluster's number.
const BCU_STACK_BASE: u8 = 0x10;
/// CAN source address of the BAU on the stack bus.
const BAU_ADDRESS: u8 = 0xC0;

/// CAN ports of a kind of device that have a bus of their own, by port number.
pub(super) fn ports_of(kind: DeviceKind) -> impl Iterator<Item = &'static str> {
    let all = can_ports(kind).iter().copied();
    all.filter(|port| *port != bess_devices::addressing::PORT)
}

/// Whether a product may be without this CAN port: BAU and PCS may speak over Modbus alone.
pub(super) fn is_optional(port: &str) -> bool {
    matches!(port, "pcs" | "bms")
}

/// CAN source address of a device on its own bus (a BCU: on the stack bus).
pub(super) fn address(device: &DeviceConfig) -> u8 {
    let number = |name| {
        device
            .tag
            .index_of(name)
            .and_then(|n| u8::try_from(n).ok())
            .unwrap_or(1)
    };
    match device.kind {
        DeviceKind::Bmu => number("pack"),
        DeviceKind::HvUnit => HV_UNIT_ADDRESS,
        DeviceKind::Bcu => BCU_STACK_BASE + number("cluster"),
        DeviceKind::Bau => BAU_ADDRESS,
        _ => 0,
    }
}

/// CAN source address of a device on one of its ports.
fn address_on(device: &DeviceConfig, port: &str) -> u8 {
    match (device.kind, port) {
        (DeviceKind::Bcu, "cluster") => BCU_CLUSTER_ADDRESS,
        // one battery and one inverter have no addresses, or count from 0
        (DeviceKind::Bau, "pcs") => 0,
        _ => address(device),
    }
}

/// Tells each bus who sends what; one CAN id has one owner.
pub(super) fn announce_ids(
    config: &RigConfig,
    products: &Products<'_>,
    buses: &mut [CanBus],
) -> Result<(), RigConfigError> {
    for (i, device) in config.devices.iter().enumerate() {
        if device.backing == Backing::Absent {
            continue;
        }
        let product = products.of(device)?;
        for port in ports_of(device.kind) {
            let Some(bus) = device
                .can
                .get(port)
                .and_then(|name| buses.iter().position(|bus| bus.name == *name))
            else {
                continue;
            };
            if is_optional(port) && product.can_port(port).is_err() {
                // said where devices are built
                continue;
            }
            let ids = transmitted_ids(&product, port, products.library, address_on(device, port))
                .map_err(|error| product_error(products.library, device, &error))?;
            for Transmitted { id, period, is_fd } in ids {
                buses[bus].fd |= is_fd;
                if is_fd
                    && matches!(
                        buses[bus].wire,
                        Some(CanMedium::Listen(_) | CanMedium::Connect(_))
                    )
                {
                    return Err(device.origin.error(
                        format!(
                            "{} sends CAN id {id} in CAN FD format on {}, but the socketcand protocol has classic frames only",
                            device.tag, buses[bus].name
                        ),
                        "attach the bus to a SocketCAN interface that carries CAN FD, or inside the rig (instant or timed), \
                         or take a product of classic frames",
                    ));
                }
                buses[bus].announce(id, i, period).map_err(|other| {
                    let other = &config.devices[other];
                    device.origin.error(
                        format!(
                            "{} and {} ({}) both send CAN id {id} on {}",
                            device.tag,
                            other.tag,
                            other.origin.line(),
                            buses[bus].name
                        ),
                        "put one of them on another bus, or give it another place so that its node address differs",
                    )
                })?;
            }
        }
    }
    Ok(())
}

/// Slots of devices with what decodes their frames.
pub(crate) type Decoders = Vec<(usize, RemoteNode)>;

/// Decoders for what controllers say on their stack bus, so that steps read real and emulated ones alike.
pub(super) fn observers(
    config: &RigConfig,
    products: &Products<'_>,
    buses: &[CanBus],
) -> Result<Vec<(usize, Decoders)>, RigConfigError> {
    let mut observers: BTreeMap<usize, Decoders> = BTreeMap::new();
    for (i, device) in config.devices.iter().enumerate() {
        if !matches!(device.kind, DeviceKind::Bcu | DeviceKind::Bau) || device.backing == Backing::Absent {
            continue;
        }
        let Some(bus) = device
            .can
            .get("stack")
            .and_then(|name| buses.iter().position(|bus| bus.name == *name))
        else {
            continue;
        };
        let product = products.of(device)?;
        let node = RemoteNode::compile(&product, "stack", products.library, address(device))
            .map_err(|error| product_error(products.library, device, &error))?;
        observers.entry(bus).or_default().push((i, node));
    }
    Ok(observers.into_iter().collect())
}
