//! What of a rig is outside this process: the wires it needs, and the devices it asks or listens for there.

use super::Rig;
use super::slot::Peer;
use crate::bus::can::CanBus;
use crate::config::line::{LineAttach, ModbusAddress, RtuLineConfig};
use crate::interface::{CanWire, LineEnd, ModbusServerWire, Outsider, RtuLineWire, Wires};

impl Rig {
    /// The wires this rig needs; none if everything is in process.
    pub fn wires(&self) -> Wires {
        let can = self
            .buses
            .iter()
            .enumerate()
            .filter_map(|(bus, b)| {
                Some(CanWire {
                    bus,
                    name: b.name.clone(),
                    medium: b.wire.clone()?,
                    fd: b.fd,
                })
            })
            .collect();
        if !self.paced {
            return Wires {
                can,
                ..Wires::default()
            };
        }
        let emulated = || {
            let slots = self.slots.iter().enumerate();
            slots.filter(|(_, slot)| slot.emulator.is_some())
        };
        let mut servers: Vec<_> = emulated()
            .filter_map(|(device, slot)| {
                Some(ModbusServerWire {
                    device,
                    tag: slot.tag.clone(),
                    address: slot.address?,
                    unit: slot.unit,
                    clients: slot.server.clients,
                    unknown_unit: slot.server.unknown_unit,
                })
            })
            .collect();
        let asked: Vec<ModbusAddress> = emulated()
            .flat_map(|(_, slot)| &slot.peers)
            .filter_map(|peer| match peer {
                Peer::Wire { address, .. } => Some(*address),
                _ => None,
            })
            .collect();
        // A line has one master. Where a device of this process asks, nobody outside does.
        servers.retain(|server| {
            !matches!(server.address, ModbusAddress::Line(_)) || !asked.contains(&server.address)
        });
        let lines = self.rtu_lines.iter().enumerate().filter_map(|(line, config)| {
            let address = ModbusAddress::Line(line);
            let asks = asked.contains(&address);
            let serves = servers.iter().any(|server| server.address == address);
            (asks || serves).then(|| RtuLineWire {
                line,
                name: config.name.clone(),
                end: self.line_end(config, asks),
                format: config.format,
                asks,
            })
        });
        let lines = lines.collect();
        let certificates = emulated()
            .filter_map(|(device, slot)| Some((device, slot.tls.clone()?)))
            .collect();
        Wires {
            can,
            servers,
            certificates,
            lines,
        }
    }

    /// What this process opens of a line: a hosted part of a rig comes to what the rig has made.
    fn line_end(&self, line: &RtuLineConfig, asks: bool) -> LineEnd {
        let text = |path: &Option<String>| path.clone().unwrap_or_default();
        match (line.attach, line.listen) {
            (LineAttach::Pty, _) if self.plant.is_some() => LineEnd::NewPty {
                link: line.link.clone(),
            },
            (LineAttach::Pty, _) => LineEnd::Pty(text(&line.link)),
            (LineAttach::Tcp, Some(address)) if asks => LineEnd::Connect(address),
            (LineAttach::Tcp, Some(address)) => LineEnd::Listen(address),
            (LineAttach::Serial | LineAttach::Tcp, _) => LineEnd::Serial(text(&line.device)),
        }
    }

    /// Devices outside this process that it asks or listens for, and what was heard of them so far.
    pub fn outsiders(&self) -> Vec<Outsider> {
        let outside = self.slots.iter().enumerate();
        let outside = outside.filter(|(_, slot)| slot.emulator.is_none());
        outside
            .filter_map(|(i, slot)| {
                let asks = |peer: &Peer| matches!(peer, Peer::Wire { server, .. } if *server == i);
                let asked_by: Vec<_> = self
                    .slots
                    .iter()
                    .filter(|slot| slot.peers.iter().any(asks))
                    .map(|slot| slot.tag.clone())
                    .collect();
                let modbus = slot
                    .address
                    .filter(|_| !asked_by.is_empty())
                    .map(|address| match address {
                        ModbusAddress::Tcp(address) => address.to_string(),
                        ModbusAddress::Tls(address) => format!("{address}, TLS"),
                        ModbusAddress::Line(line) => {
                            format!("unit {} of RTU line {}", slot.unit, self.rtu_lines[line].name)
                        }
                    });
                let sends = |bus: &&CanBus| bus.ids.iter().any(|id| id.owner == Some(i));
                let buses: Vec<_> = self
                    .buses
                    .iter()
                    .filter(sends)
                    .map(|bus| bus.name.clone())
                    .collect();
                (modbus.is_some() || !buses.is_empty()).then(|| Outsider {
                    tag: slot.tag.clone(),
                    modbus,
                    asked_by,
                    buses,
                    asked: slot.asked,
                    heard: slot.heard,
                })
            })
            .collect()
    }
}
