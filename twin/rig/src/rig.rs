//! The rig: one clock, one order of things, no socket.
//!
//! [`Rig::advance_to`] is the main flow; everything else is what it calls, in the order given in [`crate::schedule`].

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use bess_devices::hmi::HmiTarget;
use bess_devices::{Input, Output, PointId, Token};
use bess_plant::{Place, Plant};
use bess_types::{Actuation, Event, Line, ModbusClient, ModbusRequest, Reading, SimTime, Source};

pub(crate) use self::images::Observer;
use self::plant::Sensing;
pub(crate) use self::slot::{Emulator, Peer, Slot, hmi_target_tag};
use crate::bus::can::CanBus;
use crate::bus::modbus::{Asker, OpenRequests, ServerFault};
use crate::bus::rules::Active;
use crate::bus::timed::TimedBus;
use crate::checker::{self, Violation};
use crate::config::line::RtuLineConfig;
use crate::fault::LinkFault;
use crate::interface::{CommandError, Counters, WireInput, WireOutput};
use crate::noise::Noise;
use crate::observe::{self, PointInfo, PointKey};
use crate::recorder::modbus::{Asked, ModbusTrace};
use crate::recorder::{ModbusMessage, Recorder};
use crate::schedule::{Delivery, LINE_LATENCY, MODBUS_LATENCY, Schedule};
use crate::wiring;

mod can;
mod command;
mod images;
mod links;
mod plant;
mod record;
mod slot;
mod startup;
mod wires;

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

/// Checkers that look at the whole rig do so once a second at a 10 ms grid.
const CHECK_EVERY_TICKS: u64 = 100;
/// A device asking for a wake in the past gets it this much later.
const MIN_WAKE_AHEAD: Duration = Duration::from_micros(100);

impl Rig {
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

    /// Drives the enable input of one device.
    fn enable(&mut self, device: usize, level: bool) {
        let line = Line::EnableIn;
        self.schedule
            .deliver(self.now + LINE_LATENCY, Delivery::Line { device, line, level });
    }

    /// Gives a device's cyclic frames the time they have after power-up.
    pub(crate) fn expect_anew(&mut self, device: usize) {
        let ids = self.buses.iter_mut().flat_map(|bus| &mut bus.ids);
        ids.filter(|state| state.owner == Some(device))
            .for_each(|state| state.expect_anew(self.now));
    }
}

/// What can be seen of it.
impl Rig {
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
}
