//! Where Modbus requests go: which servers a device asks, and where each is.

use bess_devices::product::DeviceKind;

use crate::config::line::ModbusAddress;
use crate::config::{Backing, RigConfig, RigConfigError};
use crate::rig::{Peer, Slot};

/// Peers a device may be without: a container has a chiller or an HVAC of its own.
const OPTIONAL_PEERS: [&str; 2] = ["chiller", "hvac"];

/// Modbus servers a kind of device asks, by peer number.
fn peers_of(kind: DeviceKind) -> &'static [&'static str] {
    match kind {
        DeviceKind::Bcu => &["io"],
        DeviceKind::Bau => &["io", "pcs", "fire-panel", "chiller", "hvac"],
        DeviceKind::Ems => &["bau", "pcs", "meter"],
        DeviceKind::Hmi => &["bau", "ems", "pcs"],
        _ => &[],
    }
}

/// Where the requests of slot `i` go, by peer number.
pub(super) fn peers(config: &RigConfig, slots: &[Slot], i: usize) -> Result<Vec<Peer>, RigConfigError> {
    let device = &config.devices[i];
    let mut peers = Vec::new();
    for name in peers_of(device.kind) {
        if OPTIONAL_PEERS.contains(name) && !device.peers.contains_key(*name) {
            peers.push(Peer::Nobody);
            continue;
        }
        let tag = device.peers.get(*name).ok_or_else(|| {
            device.origin.error(
                format!("{} names no peer `{name}`", device.tag),
                format!("add peers = {{ {name} = \"<tag>\" }}"),
            )
        })?;
        let Some(server) = slots.iter().position(|slot| slot.tag == *tag) else {
            continue;
        };
        let peer = if slots[server].emulator.is_some() {
            Peer::Local {
                server,
                unit: slots[server].unit,
            }
        } else if config.devices[server].backing == Backing::Absent {
            Peer::Nobody
        } else if let Some(address) = slots[server].address {
            if matches!(address, ModbusAddress::Tls(_)) && device.tls.is_none() {
                return Err(device.origin.error(
                    format!(
                        "{} asks {tag} over TLS, but has no certificate of its own",
                        device.tag
                    ),
                    "add tls = { certificate = \"...\", key = \"...\", ca = \"...\" }",
                ));
            }
            Peer::Wire {
                server,
                address,
                unit: slots[server].unit,
            }
        } else {
            return Err(config.devices[server].origin.error(
                format!(
                    "{} asks {tag} over a wire, but {tag} does not say where it listens",
                    device.tag
                ),
                "add listen = \"127.0.0.1:<port>\", or line = \"<name of an [[rtu_line]]>\"",
            ));
        };
        peers.push(peer);
    }
    Ok(peers)
}
