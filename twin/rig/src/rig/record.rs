//! What the rig keeps of Modbus traffic, seen at its servers, and at its clients where the server is outside.

use core::time::Duration;

use bess_devices::Token;
use bess_types::{ModbusClient, ModbusRequest};

use super::{Rig, Slot};
use crate::bus::modbus::{Asker, Outgoing};
use crate::config::ModbusAddress;
use crate::recorder::MessageLine;
use crate::recorder::modbus::{Asked, Parties};

impl Rig {
    /// Keeps a request that reached a server of the rig.
    pub(super) fn record_asked(
        &mut self,
        token: Token,
        asker: Asker,
        server: usize,
        unit: u8,
        client: &ModbusClient,
        request: &ModbusRequest,
    ) {
        if self.recorder.modbus.is_none() {
            return;
        }
        let address = self.slots[server].address;
        let line = self.line_of(address);
        // On a line each device has a broadcast of its own, which is one frame.
        let first = || {
            let of_this_line = |slot: &Slot| slot.emulator.is_some() && slot.address == address;
            self.slots.iter().position(of_this_line)
        };
        if line.is_some() && unit == 0 && first() != Some(server) {
            return;
        }
        let client = match (asker, client.from) {
            (Asker::Device { client, .. }, _) => self.slots[client].tag.to_string(),
            (Asker::Wire { .. }, Some(from)) => from.to_string(),
            (Asker::Wire { .. }, None) => "master".into(),
        };
        let parties = Parties {
            client,
            server: self.slots[server].tag.to_string(),
            line,
            unit,
            under: self.faults_of(server),
        };
        if let Some(trace) = &mut self.recorder.modbus {
            trace.request(Asked::Inside(token.0), self.now, parties, request);
        }
    }

    /// Keeps what left a server of the rig, or that nothing did.
    pub(super) fn record_reply(
        &mut self,
        token: Token,
        server: usize,
        later: Duration,
        outgoing: Option<&Outgoing>,
    ) {
        let under = self.faults_of(server);
        if let Some(trace) = &mut self.recorder.modbus {
            let faults = outgoing.map_or(&[][..], |outgoing| &outgoing.faults);
            let reply = outgoing.map(|outgoing| &outgoing.reply);
            trace.reply(Asked::Inside(token.0), self.now + later, reply, faults, under);
        }
    }

    /// Keeps a request that leaves for a server outside.
    pub(super) fn record_asked_outside(
        &mut self,
        client: usize,
        token: Token,
        address: ModbusAddress,
        unit: u8,
        request: &ModbusRequest,
    ) {
        if self.recorder.modbus.is_none() {
            return;
        }
        let at_address = |slot: &&Slot| slot.address == Some(address);
        let mut there = self.slots.iter().filter(at_address);
        let server = match (
            there.clone().find(|slot| slot.unit == unit),
            there.next(),
            address,
        ) {
            (Some(slot), ..) | (None, Some(slot), _) => slot.tag.to_string(),
            (None, None, ModbusAddress::Tcp(address) | ModbusAddress::Tls(address)) => address.to_string(),
            (None, None, ModbusAddress::Line(_)) => format!("unit {unit}"),
        };
        let parties = Parties {
            client: self.slots[client].tag.to_string(),
            server,
            line: self.line_of(Some(address)),
            unit,
            under: vec![],
        };
        if let Some(trace) = &mut self.recorder.modbus {
            trace.request(Asked::Outside(client, token.0), self.now, parties, request);
        }
    }

    /// Names of the link faults at work on a server.
    fn faults_of(&self, server: usize) -> Vec<String> {
        let faults = self.server_faults.iter().filter(|fault| fault.server == server);
        faults.map(|fault| fault.fault.kind.name.to_owned()).collect()
    }

    fn line_of(&self, address: Option<ModbusAddress>) -> Option<MessageLine> {
        let Some(ModbusAddress::Line(line)) = address else {
            return None;
        };
        let line = &self.rtu_lines[line];
        Some(MessageLine {
            name: line.name.clone(),
            crc: line.format.crc,
        })
    }
}
