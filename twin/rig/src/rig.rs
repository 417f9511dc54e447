//! The rig: one clock, one order of things, no socket.
//!
//! [`Rig::advance_to`] is the main flow; everything else is what it calls, in the order given in [`crate::schedule`].

use core::cmp::Reverse;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use bess_devices::codec::can::CanRouter;
use bess_devices::codec::modbus::ModbusSettings;
use bess_devices::hmi::{Hmi, HmiTarget};
use bess_devices::library::Library;
use bess_devices::product::DeviceKind;
use bess_devices::{Device, DeviceFault, Input, Output, PointId, Points, Token};
use bess_plant::{Place, Plant};
use bess_types::{
    Actuation, Channel, Event, Line, ModbusClient, ModbusRequest, Reading, SimTime, Source, Tag,
};

use crate::bus::can::CanBus;
use crate::bus::modbus::{Asker, OpenRequests, ServerFault};
use crate::bus::rules::Active;
use crate::bus::timed::TimedBus;
use crate::checker::{self, Blame, Violation};
use crate::config::line::{LineAttach, ModbusAddress, RtuLineConfig};
use crate::config::tls::TlsFiles;
use crate::config::{ClockMode, ModbusPort, RigConfig, RigConfigError};
use crate::fault::LinkFault;
use crate::interface::{
    CanWire, CommandError, Counters, LineEnd, ModbusServerWire, Outsider, RigCommand, Role, RtuLineWire,
    WireInput, WireOutput, Wires,
};
use crate::noise::Noise;
use crate::observe::{self, PointInfo, PointKey};
use crate::recorder::modbus::{Asked, ModbusTrace};
use crate::recorder::{ModbusMessage, Recorder};
use crate::schedule::{Delivery, LINE_LATENCY, MODBUS_LATENCY, Schedule};
use crate::wiring;

mod can;
mod links;
mod record;

/// An emulated device; the operator station is known by its own type because steps speak through it.
pub(crate) enum Emulator {
    Device(Box<dyn Device>),
    Hmi(Box<Hmi>),
}

impl Emulator {
    fn device(&mut self) -> &mut dyn Device {
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

/// A controller seen on a bus: its frames decoded into an image of its points.
pub(crate) struct Observer {
    pub bus: usize,
    pub router: CanRouter,
    /// Slot of each node of the router.
    pub slots: Vec<usize>,
    states: Vec<Vec<(PointId, f64)>>,
    /// The checker already spoke about this node's life counter.
    pub counter_reported: Vec<bool>,
}

struct Sensing {
    device: usize,
    channel: Channel,
    period_ticks: u64,
    phase_ticks: u64,
}

/// Plant, devices and buses on one clock.
pub struct Rig {
    now: SimTime,
    paced: bool,
    plant: Option<Plant>,
    grid_step: Duration,
    tick: u64,
    next_tick: SimTime,
    pub(crate) slots: Vec<Slot>,
    sensing: Vec<Sensing>,
    pub(crate) buses: Vec<CanBus>,
    requests: OpenRequests,
    pub(crate) rtu_lines: Vec<RtuLineConfig>,
    line_listeners: BTreeMap<Line, Vec<usize>>,
    next_in_chain: BTreeMap<usize, usize>,
    chain_heads: Vec<usize>,
    schedule: Schedule,
    pub(crate) observers: Vec<Observer>,
    hmi: Option<usize>,
    hmi_states: Vec<(HmiTarget, Vec<(PointId, f64)>)>,
    actuations: Vec<(Place, Actuation)>,
    readings: Vec<Reading>,
    wire_out: VecDeque<WireOutput>,
    recorder: Recorder,
    violations: Vec<Violation>,
    link_faults: Vec<Active>,
    server_faults: Vec<ServerFault>,
    /// Of the rig file, latest first.
    faults_to_come: Vec<(SimTime, LinkFault)>,
    fault_number: u64,
    noise: Noise,
    counters: Counters,
    /// Requests to servers outside that wait for a reply: who asks, its token, the server asked.
    awaited: Vec<(usize, Token, usize)>,
    finished: bool,
}

impl Rig {
    /// Builds the rig, or the hosted part of it, that `config` describes.
    pub fn new(config: &RigConfig, library: &Library, role: Role<'_>) -> Result<Self, RigConfigError> {
        let built = wiring::build(config, library, role)?;
        let devices = built.slots.len();
        let mut rig = Self {
            now: SimTime::ZERO,
            paced: config.clock.mode == ClockMode::Paced,
            next_tick: if built.plant.is_some() {
                SimTime::ZERO + config.plant.grid_step
            } else {
                SimTime::NEVER
            },
            plant: built.plant,
            grid_step: config.plant.grid_step,
            tick: 0,
            slots: built.slots,
            sensing: vec![],
            recorder: Recorder::new(built.buses.len()),
            buses: built.buses,
            requests: OpenRequests::default(),
            rtu_lines: config.rtu_lines.clone(),
            line_listeners: built.line_listeners,
            next_in_chain: built.next_in_chain,
            chain_heads: built.chain_heads,
            schedule: Schedule::new(devices),
            observers: built
                .observers
                .into_iter()
                .map(|(bus, nodes)| {
                    let (slots, nodes): (Vec<_>, Vec<_>) = nodes.into_iter().unzip();
                    let states = nodes.iter().map(|node| state_points(&node.points)).collect();
                    let counter_reported = vec![false; slots.len()];
                    Observer {
                        bus,
                        router: CanRouter::new(nodes),
                        slots,
                        states,
                        counter_reported,
                    }
                })
                .collect(),
            hmi: None,
            hmi_states: vec![],
            actuations: vec![],
            readings: vec![],
            wire_out: VecDeque::new(),
            violations: vec![],
            link_faults: vec![],
            server_faults: vec![],
            faults_to_come: vec![],
            fault_number: 0,
            noise: Noise::new(config.seed, LINK_FAULTS),
            counters: Counters::default(),
            awaited: vec![],
            finished: false,
        };
        if let Role::Rig = role {
            for planned in &config.faults {
                rig.check_fault(&planned.fault).map_err(|error| {
                    planned
                        .origin
                        .error(error.to_string(), "correct the fault's target")
                })?;
                rig.faults_to_come.push((planned.at, planned.fault.clone()));
            }
            rig.faults_to_come.sort_by_key(|(at, _)| Reverse(*at));
        }
        rig.start();
        Ok(rig)
    }

    /// Rig time.
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// Whether this rig keeps the wall clock and its wires are real.
    pub fn is_paced(&self) -> bool {
        self.paced
    }

    /// When something falls due next, if nothing arrives.
    pub fn next_due(&self) -> SimTime {
        let timed = self.buses.iter().filter_map(|bus| bus.timed.as_ref());
        let bus = timed.map(TimedBus::next_event).min().unwrap_or(SimTime::NEVER);
        self.next_tick
            .min(self.schedule.next_due())
            .min(bus)
            .min(self.next_fault())
    }

    /// The next plant tick; [`SimTime::NEVER`] in a hosted part.
    pub fn next_tick(&self) -> SimTime {
        self.next_tick
    }

    /// Lets everything happen that falls due up to and including `t`.
    pub fn advance_to(&mut self, t: SimTime) {
        loop {
            let due = self.next_due();
            if due > t {
                break;
            }
            self.now = due.max(self.now);
            self.instant();
        }
        self.now = self.now.max(t);
    }

    /// Takes something from a wire at `t`, or now if `t` has passed.
    pub fn offer(&mut self, t: SimTime, input: WireInput) {
        self.advance_to(t);
        match input {
            WireInput::Can { bus, frame } => self.frame_from_wire(bus, frame),
            WireInput::CanError { bus, class, data } => self.error_frame(bus, class, data),
            WireInput::ModbusRequest {
                server,
                unit,
                client,
                request,
                wire_token,
            } => {
                self.counters.modbus_requests += 1;
                let asker = Asker::Wire { token: wire_token };
                self.request(asker, server, unit, &client, &request);
            }
            WireInput::ModbusReply { client, token, reply } => {
                self.counters.modbus_silent += u64::from(reply.is_none());
                if let Some(trace) = &mut self.recorder.modbus {
                    let asked = Asked::Outside(client, token.0);
                    trace.reply(asked, self.now, reply.as_ref(), &[], vec![]);
                }
                let mut waiting = self.awaited.iter();
                if let Some(at) = waiting.position(|open| (open.0, open.1) == (client, token)) {
                    let (.., server) = self.awaited.swap_remove(at);
                    self.slots[server].heard |= reply.is_some();
                }
                self.give(
                    client,
                    Input::ModbusReply {
                        token,
                        reply: reply.as_ref(),
                    },
                );
            }
        }
        self.apply_actuations();
    }

    /// The next thing for a wire. Drain after every [`Rig::advance_to`] and [`Rig::offer`].
    pub fn poll_wire(&mut self) -> Option<WireOutput> {
        self.wire_out.pop_front()
    }

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

    /// Carries out a command at this instant.
    pub fn command(&mut self, command: RigCommand) -> Result<(), CommandError> {
        let (tag, point, value, text) = match command {
            RigCommand::Fault(fault) => {
                let plant = self.plant.as_mut().ok_or(CommandError::NoPlant)?;
                plant
                    .inject(&fault)
                    .map_err(|error| CommandError::Plant(error.to_string()))?;
                (wiring::site_tag(), "fault", 1.0, format!("{fault:?}"))
            }
            RigCommand::ClearFault(fault) => {
                let plant = self.plant.as_mut().ok_or(CommandError::NoPlant)?;
                plant
                    .clear(&fault)
                    .map_err(|error| CommandError::Plant(error.to_string()))?;
                (wiring::site_tag(), "fault", 0.0, format!("{fault:?}"))
            }
            RigCommand::DeviceFault { tag, fault } => {
                let i = self
                    .slot_of(&tag)
                    .ok_or_else(|| CommandError::NotEmulated(tag.clone()))?;
                self.device_fault(i, fault)?;
                (tag, "device-fault", 1.0, format!("{fault:?}"))
            }
            RigCommand::LinkFault(fault) => return self.begin(&fault),
            RigCommand::EndLinkFault { name, target } => return self.end(&name, &target),
            RigCommand::Contact { line, level } => {
                self.drive_line(line, level);
                (
                    wiring::site_tag(),
                    "contact",
                    f64::from(u8::from(level)),
                    format!("{line:?}"),
                )
            }
            RigCommand::Operator { target, point, value } => {
                let i = self.hmi.ok_or_else(|| {
                    CommandError::Operator("this rig has no operator station ([[hmi]])".into())
                })?;
                let tag = self.slots[i].tag.clone();
                if let Some(Emulator::Hmi(hmi)) = &mut self.slots[i].emulator {
                    hmi.command(target, &point, value)
                        .map_err(|error| CommandError::Operator(error.to_string()))?;
                }
                self.drain(i);
                (tag, "operator", value, format!("{target:?} {point}"))
            }
        };
        self.recorder.event(Event {
            at: self.now,
            tag,
            point: point.into(),
            value,
            text,
            source: Source::Rig,
        });
        self.apply_actuations();
        Ok(())
    }

    fn device_fault(&mut self, i: usize, fault: DeviceFault) -> Result<(), CommandError> {
        let Slot { emulator, tag, .. } = &mut self.slots[i];
        let emulator = emulator
            .as_mut()
            .ok_or_else(|| CommandError::NotEmulated(tag.clone()))?;
        emulator
            .device()
            .inject(&fault)
            .map_err(|error| CommandError::Device {
                tag: tag.clone(),
                why: error.to_string(),
            })?;
        if let DeviceFault::PowerOff | DeviceFault::PowerOn = fault {
            self.slots[i].silenced = fault == DeviceFault::PowerOff;
            for bus in &mut self.buses {
                if let (Some(node), Some(timed)) = (bus.node_of(i), &mut bus.timed) {
                    timed.set_powered(node, fault == DeviceFault::PowerOn);
                }
            }
        }
        self.drain(i);
        Ok(())
    }

    /// Adds a line to the event log in the rig's own name.
    pub fn note(&mut self, point: &str, text: String) {
        let event = Event {
            at: self.now,
            tag: wiring::site_tag(),
            point: point.into(),
            value: 1.0,
            text,
            source: Source::Rig,
        };
        self.recorder.event(event);
    }

    /// Whether a link fault can hit its target in this rig.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn accepts(&self, fault: &LinkFault) -> Result<(), CommandError> {
        self.check_fault(fault).map(drop)
    }

    /// Finds a point: `plant:container-01/cluster-03` for plant truth, a device's tag for what it says on the wire
    /// (controllers) or of itself (emulators).
    pub fn resolve(&self, tag: &str, point: &str) -> Option<PointKey> {
        observe::resolve(self, tag, point)
    }

    /// The present value behind a key.
    pub fn observe(&self, key: &PointKey) -> Option<Reading> {
        observe::observe(self, key)
    }

    /// Every point that can be observed.
    pub fn points(&self) -> Vec<PointInfo> {
        observe::list(self)
    }

    /// The event log so far.
    pub fn events(&self) -> &[Event] {
        self.recorder.events()
    }

    /// Events that came into the log after the first `seen` of them, in order of time: one may lie before others that were
    /// known earlier.
    pub fn events_after(&self, seen: usize) -> Vec<&Event> {
        self.recorder.events_after(seen)
    }

    /// What checkers found so far.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Hands over the candump text written since the last call, bus by bus.
    pub fn drain_candump(&mut self, sink: &mut dyn FnMut(&str, &[u8])) {
        for (i, bus) in self.buses.iter().enumerate() {
            self.recorder.drain_trace(i, &mut |bytes| sink(&bus.name, bytes));
        }
    }

    /// Keeps Modbus messages from now on, for [`Rig::drain_modbus`].
    pub fn record_modbus(&mut self) {
        self.recorder.modbus.get_or_insert_default();
    }

    /// Hands over the Modbus messages since the last call, if they are kept. They are in order of time but for replies that
    /// a link fault delays.
    pub fn drain_modbus(&mut self) -> Vec<ModbusMessage> {
        self.recorder
            .modbus
            .as_mut()
            .map(ModbusTrace::drain)
            .unwrap_or_default()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Plant truth, if this process has a plant.
    pub fn plant(&self) -> Option<&Plant> {
        self.plant.as_ref()
    }

    /// End-of-run checks. Call once, when the run is over.
    pub fn finish(&mut self) {
        if !core::mem::replace(&mut self.finished, true) {
            checker::cycles(
                &mut self.buses,
                &self.slots,
                self.now,
                self.paced,
                &mut self.violations,
            );
            if let Some(plant) = &self.plant {
                checker::energy(&plant.ledger(), self.now, &mut self.violations);
            }
        }
    }

    // ---- one instant -------------------------------------------------------------------------------------------

    fn instant(&mut self) {
        if self.now == self.next_tick {
            self.tick += 1;
            self.counters.ticks += 1;
            self.next_tick = self.now + self.grid_step;
            self.advance_plant();
            self.sense();
        }
        self.move_faults();
        for bus in 0..self.buses.len() {
            self.advance_bus(bus);
        }
        while let Some(delivery) = self.schedule.take_delivery(self.now) {
            self.deliver(delivery);
        }
        while let Some(device) = self.schedule.take_wake(self.now) {
            self.give(device, Input::Wake);
        }
        self.apply_actuations();
        if self.tick.is_multiple_of(CHECK_EVERY_TICKS) && self.next_tick == self.now + self.grid_step {
            checker::cycles(
                &mut self.buses,
                &self.slots,
                self.now,
                self.paced,
                &mut self.violations,
            );
            checker::counters(
                &mut self.observers,
                &self.slots,
                self.now,
                self.paced,
                &mut self.violations,
            );
        }
    }

    fn advance_plant(&mut self) {
        let Some(plant) = self.plant.as_mut() else { return };
        plant.advance(self.now);
        let mut found = Vec::new();
        for event in plant.drain_events() {
            let tag = wiring::plant_tag(&event.part);
            match event.point {
                checker::CLOSING_GAP if event.value.abs() > checker::MAX_CLOSING_GAP_V => {
                    found.push(Violation {
                        at: event.at,
                        checker: checker::CLOSING_GAP,
                        tag: tag.clone(),
                        text: format!(
                            "a main contactor closed with {:.0} V across it; {:.0} V are allowed",
                            event.value,
                            checker::MAX_CLOSING_GAP_V
                        ),
                        blames: Blame::Controller,
                    });
                }
                checker::OPEN_CONTACTOR_CURRENT => found.push(Violation {
                    at: event.at,
                    checker: checker::OPEN_CONTACTOR_CURRENT,
                    tag: tag.clone(),
                    text: format!("{:.1} A flow although the cluster's path is open", event.value),
                    blames: Blame::Plant,
                }),
                _ => {}
            }
            self.recorder.event(Event {
                at: event.at,
                tag,
                point: event.point.into(),
                value: event.value,
                text: event.text,
                source: Source::Plant,
            });
        }
        self.violations.append(&mut found);
    }

    fn sense(&mut self) {
        for i in 0..self.sensing.len() {
            let Sensing {
                device,
                channel,
                period_ticks,
                phase_ticks,
            } = self.sensing[i];
            if self.tick % period_ticks != phase_ticks {
                continue;
            }
            let mut readings = core::mem::take(&mut self.readings);
            if let Some(plant) = self.plant.as_mut() {
                plant.sample(self.slots[device].place, channel, &mut readings);
            }
            self.give(
                device,
                Input::Sensed {
                    channel,
                    readings: &readings,
                },
            );
            self.readings = readings;
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Can {
                bus,
                id_index,
                frame,
                sender,
            } => {
                for i in 0..self.buses[bus].ids[id_index].listeners.len() {
                    let (device, port) = self.buses[bus].ids[id_index].listeners[i];
                    if Some(device) != sender && self.hears_bus(bus, device) {
                        self.give(device, Input::Can { port, frame: &frame });
                    }
                }
            }
            Delivery::Transmit { bus, sender, frame } => self.put_on_bus(bus, sender, frame, true),
            Delivery::Babble { bus, number } => self.babble(bus, number),
            Delivery::Request {
                asker,
                server,
                unit,
                request,
            } => self.request(asker, server, unit, &ModbusClient::default(), &request),
            Delivery::WireReply {
                wire_token,
                reply,
                faults,
            } => self.wire_out.push_back(WireOutput::ModbusReply {
                wire_token,
                reply,
                faults,
            }),
            Delivery::Reply { client, token, reply } => {
                self.give(
                    client,
                    Input::ModbusReply {
                        token,
                        reply: reply.as_ref(),
                    },
                );
            }
            Delivery::Line { device, line, level } => self.give(device, Input::Line { line, level }),
        }
    }

    /// Gives a device one input, then drains it.
    fn give(&mut self, device: usize, input: Input<'_>) {
        let Some(emulator) = self.slots[device].emulator.as_mut() else {
            return;
        };
        emulator.device().accept(self.now, input);
        self.drain(device);
        if Some(device) == self.hmi && matches!(input, Input::ModbusReply { .. }) {
            self.watch_images();
        }
    }

    fn drain(&mut self, device: usize) {
        loop {
            let Some(emulator) = self.slots[device].emulator.as_mut() else {
                return;
            };
            let Some(output) = emulator.device().poll_output() else {
                let addressed = emulator.is_addressed();
                if core::mem::replace(&mut self.slots[device].addressed, addressed) != addressed {
                    self.expect_anew(device);
                }
                let Some(emulator) = self.slots[device].emulator.as_mut() else {
                    return;
                };
                // A wake in the past would never let this instant end.
                let wake = emulator.device().next_wake().max(self.now + MIN_WAKE_AHEAD);
                self.schedule.set_wake(device, wake);
                return;
            };
            self.put(device, output);
        }
    }

    /// Carries one output of a device to where it belongs.
    fn put(&mut self, device: usize, output: Output) {
        match output {
            Output::Can { port, frame } => {
                if let Some(&Some(bus)) = self.slots[device].ports.get(usize::from(port)) {
                    self.frame_from_device(bus, device, frame);
                }
            }
            Output::ModbusReply { token, reply } => self.reply(token, reply),
            Output::ModbusRequest { peer, request, token } => self.ask(device, peer, request, token),
            Output::Line {
                line: Line::EnableOut,
                level,
            } => {
                if let Some(&next) = self.next_in_chain.get(&device) {
                    self.enable(next, level);
                }
            }
            Output::Line { line, level } => self.drive_line(line, level),
            Output::Actuate(action) => self.actuations.push((self.slots[device].place, action)),
            // What a device says before time begins is its initial state, not news.
            Output::Note { .. } if self.now == SimTime::ZERO => {}
            Output::Note { point, value, text } => self.recorder.event(Event {
                at: self.now,
                tag: self.slots[device].tag.clone(),
                point: point.into(),
                value,
                text,
                source: Source::Device,
            }),
        }
    }

    fn ask(&mut self, client: usize, peer: u8, request: ModbusRequest, token: Token) {
        self.counters.modbus_requests += 1;
        match self.slots[client]
            .peers
            .get(usize::from(peer))
            .copied()
            .unwrap_or(Peer::Nobody)
        {
            Peer::Local { server, unit } => {
                self.schedule.deliver(
                    self.now + MODBUS_LATENCY,
                    Delivery::Request {
                        asker: Asker::Device { client, token },
                        server,
                        unit,
                        request,
                    },
                );
            }
            Peer::Wire {
                server,
                address,
                unit,
            } => {
                self.slots[server].asked = true;
                // a request that was lost on its way must not stay for ever
                self.awaited.retain(|open| (open.0, open.2) != (client, server));
                self.awaited.push((client, token, server));
                self.record_asked_outside(client, token, address, unit, &request);
                self.wire_out.push_back(WireOutput::ModbusRequest {
                    client,
                    token,
                    address,
                    unit,
                    request,
                });
            }
            Peer::Nobody => {
                self.counters.modbus_silent += 1;
            }
        }
    }

    fn drive_line(&mut self, line: Line, level: bool) {
        let Some(listeners) = self.line_listeners.get(&line) else {
            return;
        };
        for &device in listeners {
            self.schedule
                .deliver(self.now + LINE_LATENCY, Delivery::Line { device, line, level });
        }
    }

    /// Gives a device's cyclic frames the time they have after power-up.
    pub(crate) fn expect_anew(&mut self, device: usize) {
        let ids = self.buses.iter_mut().flat_map(|bus| &mut bus.ids);
        ids.filter(|state| state.owner == Some(device))
            .for_each(|state| state.expect_anew(self.now));
    }

    /// Drives the enable input of one device.
    fn enable(&mut self, device: usize, level: bool) {
        let line = Line::EnableIn;
        self.schedule
            .deliver(self.now + LINE_LATENCY, Delivery::Line { device, line, level });
    }

    fn apply_actuations(&mut self) {
        let Some(plant) = self.plant.as_mut() else {
            self.actuations.clear();
            return;
        };
        for (place, action) in self.actuations.drain(..) {
            plant.actuate(self.now, place, &action);
        }
    }

    fn watch_images(&mut self) {
        let Some(i) = self.hmi else { return };
        let Some(Emulator::Hmi(hmi)) = &self.slots[i].emulator else {
            return;
        };
        for (target, states) in &mut self.hmi_states {
            let Some(tag) = hmi_target_tag(&self.slots, *target) else {
                continue;
            };
            record_changes(&mut self.recorder, self.now, &tag, hmi.image(*target), states);
        }
    }

    // ---- start --------------------------------------------------------------------------------------

    fn start(&mut self) {
        let step = self.grid_step.as_nanos();
        for device in 0..self.slots.len() {
            let Some(emulator) = self.slots[device].emulator.as_mut() else {
                continue;
            };
            for sense in emulator.device().senses() {
                let period_ticks = u64::try_from((sense.period.as_nanos() / step).max(1)).unwrap_or(1);
                // Spread over the period, so that 81 BMUs do not all sample in one tick.
                let phase_ticks = device as u64 % period_ticks;
                self.sensing.push(Sensing {
                    device,
                    channel: sense.channel,
                    period_ticks,
                    phase_ticks,
                });
            }
            if let Some(Emulator::Hmi(hmi)) = &self.slots[device].emulator {
                self.hmi_states = HmiTarget::SEEN
                    .into_iter()
                    .map(|target| (target, state_points(hmi.image(target))))
                    .collect();
                self.hmi = Some(device);
            }
        }
        for (line, level) in wiring::FIELD_LEVELS_AT_START {
            self.drive_line(line, level);
        }
        for i in 0..self.chain_heads.len() {
            self.enable(self.chain_heads[i], true);
        }
        for device in 0..self.slots.len() {
            self.give(device, Input::Wake);
        }
        self.apply_actuations();
    }

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

/// Place of link faults in the rig's seed.
const LINK_FAULTS: u64 = u64::MAX;
/// Checkers that look at the whole rig do so once a second at a 10 ms grid.
const CHECK_EVERY_TICKS: u64 = 100;
/// A device asking for a wake in the past gets it this much later.
const MIN_WAKE_AHEAD: Duration = Duration::from_micros(100);
fn state_points(points: &Points) -> Vec<(PointId, f64)> {
    let table = points.table();
    table
        .iter()
        .filter(|(_, def)| !def.states.is_empty())
        .map(|(id, _)| (id, f64::NAN))
        .collect()
}

fn record_changes(
    recorder: &mut Recorder,
    at: SimTime,
    tag: &Tag,
    points: &Points,
    states: &mut [(PointId, f64)],
) {
    for (id, last) in states {
        let Some(value) = points.get(*id) else { continue };
        if value == *last {
            continue;
        }
        *last = value;
        let def = points.table().def(*id);
        // States are small whole numbers; anything else has no name.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "looked up with get"
        )]
        let name = def.states.get(value as usize).copied().unwrap_or("?");
        recorder.event(Event {
            at,
            tag: tag.clone(),
            point: def.name.clone(),
            value,
            text: name.into(),
            source: Source::Wire,
        });
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
