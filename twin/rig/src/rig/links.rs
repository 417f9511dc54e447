//! Link faults at work in a rig: how they begin and end, and the way of a frame through them onto its bus.

use core::time::Duration;

use bess_devices::codec::pattern::nearest;
use bess_devices::product::DeviceKind;
use bess_devices::{DeviceFault, Input, Token};
use bess_plant::Place;
use bess_types::{CanFrame, CanId, Event, ModbusClient, ModbusReply, ModbusRequest, SimTime, Source};

use super::{Peer, Rig};
use crate::bus::can::CanBus;
use crate::bus::modbus::{self, Asker, Fate, ServerFault};
use crate::bus::rules::{self, Active, Outgoing};
use crate::config::ModbusAddress;
use crate::fault::{Effect, FaultError, Layer, LinkFault, Target, Wire};
use crate::interface::{CommandError, WireFault, WireOutput};
use crate::schedule::{CAN_LATENCY, Delivery, MODBUS_LATENCY};
use crate::wiring;

/// What a fault is aimed at, found in the rig.
#[derive(Clone, Debug)]
pub(super) struct Aim {
    /// Of a device; none for a whole bus.
    device: Option<usize>,
    buses: Vec<usize>,
}

impl Rig {
    /// Begins a fault of a link.
    pub(super) fn begin(&mut self, fault: &LinkFault) -> Result<(), CommandError> {
        let aim = self.check_fault(fault)?;
        let effect = fault.effect();
        if let Some(device) = aim.device {
            for (device, begins, _) in self.device_faults(effect, device) {
                self.device_fault(device, begins)?;
            }
        }
        let until = match effect {
            Effect::Reset { off } => self.now + off,
            _ => fault
                .duration
                .map_or(SimTime::NEVER, |duration| self.now + duration),
        };
        if fault.kind.layer == Layer::Modbus {
            self.mark(fault, &aim, true);
            let server = aim.device.expect("a Modbus fault hits a device");
            let at_work = ServerFault::new(fault.clone(), server, until);
            let about_connections = at_work.is_about_connections();
            self.server_faults.push(at_work);
            if about_connections {
                self.tell_server(server);
            }
            return Ok(());
        }
        self.mark(fault, &aim, true);
        for &bus in &aim.buses {
            self.fault_number += 1;
            let number = self.fault_number;
            let by_bus = self.tell_bus(bus, aim.device, fault, true);
            if let (Effect::Babble { .. }, false) = (effect, by_bus) {
                self.schedule.deliver(self.now, Delivery::Babble { bus, number });
            }
            let active = Active::new(fault.clone(), (bus, aim.device), until, number, by_bus);
            self.link_faults.push(active);
        }
        self.excuse();
        Ok(())
    }

    /// What an effect is to devices themselves: which, its beginning and its end.
    fn device_faults(&self, effect: Effect, device: usize) -> Vec<(usize, DeviceFault, DeviceFault)> {
        use DeviceFault as Fault;
        let serial = |device: usize| Fault::Serial(wiring::serial(&self.slots[device].tag));
        match effect {
            Effect::FreezeCounters => vec![(device, Fault::FreezeCounters, Fault::UnfreezeCounters)],
            Effect::BreakChecksums => vec![(device, Fault::BreakChecksums, Fault::MendChecksums)],
            Effect::Reset { .. } => vec![(device, Fault::PowerOff, Fault::PowerOn)],
            Effect::OpenEnable => vec![(device, Fault::OpenEnable, Fault::CloseEnable)],
            Effect::KeepAddress(id) => vec![(device, Fault::KeepAddress(id), Fault::FollowAddress)],
            Effect::Swap { pack } => match self.bmu_beside(device, pack) {
                Some(other) => vec![
                    (device, serial(other), serial(device)),
                    (other, serial(device), serial(other)),
                ],
                None => vec![],
            },
            _ => vec![],
        }
    }

    /// The BMU of a pack of the same cluster.
    fn bmu_beside(&self, device: usize, pack: usize) -> Option<usize> {
        let place = Place {
            pack: pack.checked_sub(1),
            ..self.slots[device].place
        };
        self.slots
            .iter()
            .position(|slot| slot.kind == DeviceKind::Bmu && slot.place == place)
    }

    /// Ends the faults of this name and target.
    pub(super) fn end(&mut self, name: &str, target: &str) -> Result<(), CommandError> {
        let now = self.now;
        let mut found = false;
        let of_buses = self
            .link_faults
            .iter_mut()
            .map(|active| (&active.fault, &mut active.until));
        let of_servers = self
            .server_faults
            .iter_mut()
            .map(|active| (&active.fault, &mut active.until));
        for (fault, until) in of_buses.chain(of_servers) {
            if fault.kind.name == name && fault.target == target {
                *until = now;
                found = true;
            }
        }
        if !found {
            return Err(CommandError::NoSuchFault {
                name: name.into(),
                target: target.into(),
            });
        }
        self.end_due_faults();
        Ok(())
    }

    /// When the next fault begins or ends by itself.
    pub(super) fn next_fault(&self) -> SimTime {
        let of_buses = self.link_faults.iter().map(|active| active.until);
        let of_servers = self.server_faults.iter().map(|active| active.until);
        let starts = self.faults_to_come.last().map(|(at, _)| *at);
        of_buses
            .chain(of_servers)
            .chain(starts)
            .min()
            .unwrap_or(SimTime::NEVER)
    }

    /// Ends and begins what is due.
    pub(super) fn move_faults(&mut self) {
        if self.next_fault() > self.now {
            return;
        }
        self.end_due_faults();
        while let Some((_, fault)) = self.faults_to_come.pop_if(|(at, _)| *at <= self.now) {
            if let Err(error) = self.begin(&fault) {
                // its target was checked when the rig was built; a device may still refuse
                self.note("link-fault", error.to_string());
            }
        }
    }

    pub(super) fn end_due_faults(&mut self) {
        while let Some(at) = self
            .server_faults
            .iter()
            .position(|active| active.until <= self.now)
        {
            let active = self.server_faults.remove(at);
            for (device, _, ends) in self.device_faults(active.effect, active.server) {
                // it took the beginning of this fault, so it takes its end
                let _ = self.device_fault(device, ends);
            }
            let aim = Aim {
                device: Some(active.server),
                buses: vec![],
            };
            self.mark(&active.fault, &aim, false);
            if active.is_about_connections() {
                self.tell_server(active.server);
            }
        }
        while let Some(at) = self
            .link_faults
            .iter()
            .position(|active| active.until <= self.now)
        {
            let active = self.link_faults.remove(at);
            let same = |other: &Active| {
                other.fault.kind.name == active.fault.kind.name && other.fault.target == active.fault.target
            };
            self.tell_bus(active.bus, active.device, &active.fault, false);
            if self
                .link_faults
                .iter()
                .any(|other| same(other) && other.until <= self.now)
            {
                continue; // told once, with its last bus
            }
            if let Some(device) = active.device {
                for (device, _, ends) in self.device_faults(active.effect, device) {
                    // it took the beginning of this fault, so it takes its end
                    let _ = self.device_fault(device, ends);
                }
            }
            if let Ok(aim) = self.aim(&active.fault) {
                self.mark(&active.fault, &aim, false);
            }
        }
        self.excuse();
    }

    /// Carries one frame of a device through the faults onto its bus.
    pub(super) fn frame_from_device(&mut self, bus: usize, sender: usize, frame: CanFrame) {
        if self.link_faults.is_empty() {
            self.put_on_bus(bus, Some(sender), frame, false);
            return;
        }
        let outgoing = rules::apply(&mut self.link_faults, &mut self.noise, bus, sender, frame);
        let touched = self.link_faults.iter().any(|fault| fault.is_about(bus, sender));
        for Outgoing {
            after,
            frame,
            stranger,
        } in outgoing
        {
            let sender = (!stranger).then_some(sender);
            if after == Duration::ZERO {
                self.put_on_bus(bus, sender, frame, touched);
            } else {
                let transmit = Delivery::Transmit { bus, sender, frame };
                self.schedule.deliver(self.now + after, transmit);
            }
        }
    }

    /// Sends a frame, or queues it where the bus keeps time. `injected` frames are the rig's own doing, whoever owns
    /// their identifier; without a sender they come from a node that is none of the rig's.
    pub(super) fn put_on_bus(&mut self, bus: usize, sender: Option<usize>, frame: CanFrame, injected: bool) {
        let CanBus { members, timed, .. } = &mut self.buses[bus];
        if let Some(timed) = timed {
            let node = match sender {
                Some(sender) => members.iter().position(|(member, _)| *member == sender),
                None => Some(members.len()),
            };
            let taken = node.is_some_and(|node| timed.send(node, frame));
            self.counters.frames_lost += u64::from(!taken);
            return;
        }
        self.counters.frames_sent += 1;
        let id_index = self.see(bus, sender, &frame, injected);
        if self.buses[bus].wire.is_some() {
            self.wire_out.push_back(WireOutput::Can { bus, frame });
        }
        self.schedule.deliver(
            self.now + CAN_LATENCY,
            Delivery::Can {
                bus,
                id_index,
                frame,
                sender,
            },
        );
    }

    /// Sends a babbling device's frame on a bus that keeps no time, and plans the next one.
    pub(super) fn babble(&mut self, bus: usize, number: u64) {
        let found = self.link_faults.iter().find(|active| active.number == number);
        let Some(Active {
            effect: Effect::Babble { id, every },
            device,
            ..
        }) = found
        else {
            return;
        };
        let (id, every, device) = (*id, *every, *device);
        self.put_on_bus(bus, device, babbled(id), true);
        self.schedule
            .deliver(self.now + every, Delivery::Babble { bus, number });
    }

    /// Gives a request to a server, if faults let it through.
    pub(super) fn request(
        &mut self,
        asker: Asker,
        server: usize,
        unit: u8,
        client: &ModbusClient,
        request: &ModbusRequest,
    ) {
        let token = self.requests.open(asker, server, unit, request);
        self.record_asked(token, asker, server, unit, client, request);
        match modbus::fate(&self.server_faults, &mut self.noise, server) {
            Fate::Reaches => {
                let port = self.slots[server].port.clone();
                let access = port.access(client);
                self.give(
                    server,
                    Input::ModbusRequest {
                        unit,
                        access,
                        request,
                        token,
                    },
                );
            }
            Fate::Lost => self.reply(token, None),
            Fate::LostForGood => {
                self.record_reply(token, server, Duration::ZERO, None);
                if let Some(Asker::Wire { token }) = self.requests.close(token).map(|open| open.asker) {
                    self.reply_to_wire(token, None, vec![WireFault::HalfOpen]);
                }
            }
            Fate::Refused(exception) => self.reply(token, Some(Err(exception))),
        }
    }

    /// Carries a reply to whoever asked. Without one nothing comes: a device's own timeout ends it, and a wire client's.
    pub(super) fn reply(&mut self, token: Token, reply: Option<ModbusReply>) {
        let Some(open) = self.requests.close(token) else {
            return;
        };
        let outgoing =
            reply.map(|reply| modbus::touch(&mut self.server_faults, &mut self.noise, &open, reply));
        let later = outgoing
            .as_ref()
            .map_or(Duration::ZERO, |outgoing| outgoing.later);
        self.record_reply(token, open.server, later, outgoing.as_ref());
        match (open.asker, outgoing) {
            (Asker::Device { client, token }, Some(outgoing)) => {
                if let Some(later) = outgoing.felt() {
                    let reply = Some(outgoing.reply);
                    let at = self.now + MODBUS_LATENCY + later;
                    self.schedule
                        .deliver(at, Delivery::Reply { client, token, reply });
                }
            }
            (Asker::Device { .. }, None) => {}
            (Asker::Wire { token }, None) => self.reply_to_wire(token, None, vec![]),
            (Asker::Wire { token }, Some(outgoing)) if outgoing.later == Duration::ZERO => {
                self.reply_to_wire(token, Some(outgoing.reply), outgoing.faults);
            }
            (Asker::Wire { token: wire_token }, Some(outgoing)) => {
                let delivery = Delivery::WireReply {
                    wire_token,
                    reply: Some(outgoing.reply),
                    faults: outgoing.faults,
                };
                self.schedule.deliver(self.now + outgoing.later, delivery);
            }
        }
    }

    fn reply_to_wire(&mut self, wire_token: u64, reply: Option<ModbusReply>, faults: Vec<WireFault>) {
        self.wire_out.push_back(WireOutput::ModbusReply {
            wire_token,
            reply,
            faults,
        });
    }

    /// Tells the wire how a server now treats connections.
    fn tell_server(&mut self, server: usize) {
        let mut faults = self.server_faults.iter().filter(|fault| fault.server == server);
        let refuses = faults.any(ServerFault::refuses);
        self.wire_out
            .push_back(WireOutput::ModbusLink { server, refuses });
    }

    /// Whether a device hears a bus now.
    pub(super) fn hears_bus(&self, bus: usize, device: usize) -> bool {
        let own = &self.buses[bus];
        let off = own
            .timed
            .as_ref()
            .is_some_and(|timed| own.node_of(device).is_some_and(|node| !timed.listens(node)));
        !off && !rules::deaf(&self.link_faults, bus, device)
    }

    /// Lets a timed bus do its part of a fault; false if the bus keeps no time, or it has no part in it.
    fn tell_bus(&mut self, bus: usize, device: Option<usize>, fault: &LinkFault, begins: bool) -> bool {
        let own = &mut self.buses[bus];
        let node = device.and_then(|device| own.node_of(device));
        let Some(timed) = own.timed.as_mut() else {
            return false;
        };
        match (fault.effect(), node) {
            (Effect::Short, _) => timed.set_short(begins),
            (Effect::BusOff, Some(node)) => timed.set_held_off(node, begins),
            (Effect::Disconnect, Some(node)) => timed.set_connected(node, !begins),
            (Effect::Babble { id, .. }, Some(node)) => timed.set_babble(node, begins.then(|| babbled(id))),
            (Effect::Disturb, Some(node)) => {
                timed.set_disturbed(node, if begins { fault.share } else { 0.0 });
            }
            _ => return false,
        }
        true
    }

    /// What a fault is aimed at, if it can hit that.
    pub(super) fn check_fault(&self, fault: &LinkFault) -> Result<Aim, CommandError> {
        let aim = self.aim(fault)?;
        let untimed = aim.buses.iter().any(|&bus| self.buses[bus].timed.is_none());
        if fault.effect() == Effect::Disturb && untimed {
            return Err(CommandError::Fault(FaultError::Target {
                fault: fault.kind.name,
                target: fault.target.clone(),
                why: "its bus keeps no time; give the bus attach = \"timed\" in the rig file".into(),
            }));
        }
        if let (Effect::Swap { pack }, Some(device)) = (fault.effect(), aim.device)
            && self.bmu_beside(device, pack).is_none_or(|other| other == device)
        {
            return Err(CommandError::Fault(FaultError::Target {
                fault: fault.kind.name,
                target: fault.target.clone(),
                why: format!("its cluster has no other BMU of pack {pack}"),
            }));
        }
        if let Some(device) = aim.device {
            let can_have = |(device, begins, _): &(usize, DeviceFault, DeviceFault)| {
                let emulator = self.slots[*device].emulator.as_ref();
                emulator.is_some_and(|emulator| emulator.supports(begins))
            };
            if !self.device_faults(fault.effect(), device).iter().all(can_have) {
                return Err(CommandError::Fault(FaultError::Target {
                    fault: fault.kind.name,
                    target: fault.target.clone(),
                    why: cannot_have(fault.effect()).into(),
                }));
            }
        }
        Ok(aim)
    }

    fn aim(&self, fault: &LinkFault) -> Result<Aim, CommandError> {
        let refused = |why: String| {
            CommandError::Fault(FaultError::Target {
                fault: fault.kind.name,
                target: fault.target.clone(),
                why,
            })
        };
        let bus_called = |name: &str| self.buses.iter().position(|bus| bus.name == name);
        if let Some(bus) = bus_called(&fault.target) {
            if fault.kind.target == Target::Device {
                return Err(refused("it hits a device, not a bus".into()));
            }
            return Ok(Aim {
                device: None,
                buses: vec![bus],
            });
        }
        let (tag, on) = match fault.target.split_once('@') {
            Some((tag, bus)) => (tag, Some(bus)),
            None => (fault.target.as_str(), None),
        };
        let slot = tag
            .parse()
            .ok()
            .and_then(|tag| self.slot_of(&tag))
            .ok_or_else(|| {
                let buses: Vec<_> = self.buses.iter().map(|bus| bus.name.as_str()).collect();
                let tags = self.slots.iter().map(|slot| slot.tag.as_str());
                let near = nearest(tag, tags.chain(buses.iter().copied()))
                    .map_or_else(String::new, |near| format!("; did you mean {near}?"));
                refused(format!(
                    "it is neither a device's tag nor one of the buses {}{near}",
                    buses.join(", ")
                ))
            })?;
        if fault.kind.target == Target::Bus {
            return Err(refused("it hits a bus, not a device".into()));
        }
        if self.slots[slot].emulator.is_none() {
            return Err(refused(
                "the device is not emulated here, so its frames cannot be touched".into(),
            ));
        }
        if fault.kind.layer == Layer::Modbus {
            let peers = self.slots.iter().flat_map(|slot| &slot.peers);
            let mut servers = peers.filter_map(|peer| match peer {
                Peer::Local { server, .. } => Some(*server),
                _ => None,
            });
            if self.slots[slot].address.is_none() && !servers.any(|server| server == slot) {
                return Err(refused("it is no Modbus server, or nobody asks it".into()));
            }
            let line = match self.slots[slot].address {
                Some(ModbusAddress::Line(line)) => Some(&self.rtu_lines[line].name),
                _ => None,
            };
            match (fault.kind.wire, line) {
                (Some(Wire::Tcp), Some(line)) => {
                    let why =
                        format!("it is on RTU line `{line}`, which has neither connections nor transactions");
                    return Err(refused(why));
                }
                (Some(Wire::RtuLine), None) => {
                    let why = "it is on no RTU line; give it a line = \"...\" in the rig file";
                    return Err(refused(why.into()));
                }
                _ => {}
            }
            return Ok(Aim {
                device: Some(slot),
                buses: vec![],
            });
        }
        let mut buses: Vec<usize> = self.slots[slot].ports.iter().copied().flatten().collect();
        if let Some(on) = on {
            buses.retain(|&bus| self.buses[bus].name == on);
        }
        if buses.is_empty() {
            return Err(refused("it is on no such CAN bus".into()));
        }
        Ok(Aim {
            device: Some(slot),
            buses,
        })
    }

    /// A line in the event log, and in the trace of each bus a frame that says so: an error frame of no class whose
    /// eight bytes are `+` or `-` and the beginning of the fault's name.
    fn mark(&mut self, fault: &LinkFault, aim: &Aim, begins: bool) {
        let tag = match aim.device {
            Some(device) => self.slots[device].tag.clone(),
            None => wiring::site_tag(),
        };
        self.recorder.event(Event {
            at: self.now,
            tag,
            point: "link-fault".into(),
            value: f64::from(u8::from(begins)),
            text: if begins {
                let length = fault
                    .duration
                    .map_or_else(String::new, |length| format!(" for {} s", length.as_secs_f64()));
                format!("begins: {fault}{length}")
            } else {
                format!("ends: {fault}")
            },
            source: Source::Rig,
        });
        let mut text = [b' '; 8];
        text[0] = if begins { b'+' } else { b'-' };
        let name = fault.kind.name.trim_start_matches("can-").bytes();
        for (slot, byte) in text[1..].iter_mut().zip(name) {
            *slot = byte;
        }
        for &bus in &aim.buses {
            self.recorder
                .error_frame(bus, &self.buses[bus].name, self.now, 0, text);
        }
    }

    /// Frames that are missing or late because of a fault are no news to the checkers.
    fn excuse(&mut self) {
        let mut over = Vec::new();
        for (i, slot) in self.slots.iter_mut().enumerate() {
            let touched = |fault: &Active| {
                let mut ports = slot.ports.iter().flatten();
                ports.any(|&bus| fault.is_about(bus, i) || fault.is_felt_by_all_of(bus))
            };
            let excused = self.link_faults.iter().any(touched);
            if core::mem::replace(&mut slot.excused, excused) && !excused {
                over.push(i);
            }
        }
        for device in over {
            self.expect_anew(device);
        }
    }
}

/// Why a device refuses a fault of its own.
fn cannot_have(effect: Effect) -> &'static str {
    match effect {
        Effect::BreakChecksums => "none of the messages it sends has a checksum",
        Effect::FreezeCounters => "it has no life counter",
        Effect::OpenEnable => "its address does not come by an enable line (setting `addressing`)",
        Effect::KeepAddress(_) | Effect::Swap { .. } => "its address is fixed (setting `addressing`)",
        _ => "it cannot have this fault",
    }
}

/// What a babbling device sends: eight zeros, the most dominant frame there is.
fn babbled(id: u32) -> CanFrame {
    let id = match u16::try_from(id) {
        Ok(short @ ..=0x7FF) => CanId::Standard(short),
        _ => CanId::Extended(id),
    };
    CanFrame::new(id, &[0; 8]).expect("eight bytes")
}
