//! CAN: a product's messages compiled against a DBC, for senders and for listeners.
//!
//! A [`CanPort`] is a device's own side: its transmit schedule and what it listens to. A [`RemoteNode`] is
//! another node seen from here: that node's transmit list, decoded into an image of its points. A
//! [`CanRouter`] finds the node by identifier when there are many.
//!
//! Identifiers are J1939-like, the byte that carries a node address being 0xFE in the DBC and replaced at
//! compile time, or CANopen-like, the node address being added. Physical values convert as
//! raw = round((value − offset) / factor), clamped to the signal's range; raw codes for "no value" come from the product
//! file. A multiplexed message is a list of pages, each a layout of its own ([`dbc`]); a page and a request with a
//! certain command are told from others by what stands in the frame ([`layout`]). Checksums are made and checked here
//! ([`checksum`]); which bits a signal has and what they mean is in [`bits`].
//!
#![doc = include_str!("../../docs/can.md")]

use core::time::Duration;

use bess_types::{CanFrame, CanId, SimTime};

use crate::DeviceFault;
use crate::kinds;
use crate::library::Library;
use crate::points::{PointId, PointTable, Points};
use crate::product::{Product, ProductError};

mod bits;
mod checksum;
mod compile;
mod dbc;
mod index;
mod layout;
pub mod lint;
pub mod listing;

use bits::BitField;
pub(super) use bits::{decimal, reduced, rounded};
pub use checksum::Profile;
use compile::Compiler;
pub(super) use compile::test_of;
pub use dbc::DbcFile;
use index::{IdTable, Index};
pub(super) use layout::Change;
use layout::Layout;
pub use layout::Refused;

/// The address byte of a DBC identifier that stands for "the node's own".
const NODE_PLACEHOLDER: u32 = 0xFE;

/// Highest 11-bit identifier.
const MAX_STANDARD: u16 = 0x7FF;

/// First transmissions are spread by this much for each step of the node address (its low five bits), so
/// that nodes started together do not burst.
const NODE_SPREAD: Duration = Duration::from_millis(2);
const NODE_SPREAD_STEPS: u8 = 32;

/// A message of a [`CanPort`]'s or [`RemoteNode`]'s list, resolved from its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageRef(u16);

impl MessageRef {
    fn new(index: usize) -> Self {
        Self(u16::try_from(index).unwrap_or(u16::MAX))
    }

    /// Position in its list, in the order of the product file, then of the DBC.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A device's own side of one CAN port.
#[derive(Clone, Debug)]
pub struct CanPort {
    node: u8,
    transmit: Vec<Transmit>,
    receive: Index,
    /// To each message of the receive list.
    answers: Vec<Answer>,
    /// Of counters that are no points.
    counts: Vec<u64>,
    next_due: SimTime,
    counters_frozen: bool,
    checksums_broken: bool,
    refused: u64,
}

impl CanPort {
    /// Compiles what `product` says and hears on `port`, for a node of this address.
    ///
    /// # Errors
    /// If the product, the DBC and the points do not fit together.
    pub fn compile(
        product: &Product,
        port: &str,
        library: &Library,
        table: &PointTable,
        node: u8,
    ) -> Result<Self, ProductError> {
        let compiler = Compiler::new(product, port, library, table, node)?;
        let transmit = compiler.transmit()?;
        let (receive, answers) = compiler.receive(&transmit)?;
        Ok(Self {
            node,
            counts: vec![0; transmit.len()],
            transmit,
            receive: Index::new(receive),
            answers,
            next_due: SimTime::NEVER,
            counters_frozen: false,
            checksums_broken: false,
            refused: 0,
        })
    }

    /// Starts the schedule, or starts it again, with each message's phase.
    pub fn start(&mut self, now: SimTime) {
        for message in &mut self.transmit {
            message.sent = None;
            message.sent_at = None;
            if let Some(Counter::Signal { bits, place }) = message.counter {
                // the first one sent is the lowest
                self.counts[place] = bits.counts().1;
            }
            message.due = if message.goes_by_itself() {
                now + message.phase
            } else {
                SimTime::NEVER
            };
        }
        self.find_next_due();
    }

    /// Stops the schedule: nothing is due until [`CanPort::start`].
    pub fn stop(&mut self) {
        for message in &mut self.transmit {
            message.due = SimTime::NEVER;
        }
        self.next_due = SimTime::NEVER;
    }

    /// Gives the node another address: its identifiers, and its place in the spread of first transmissions.
    pub fn set_node(&mut self, node: u8) {
        let before = core::mem::replace(&mut self.node, node);
        for message in &mut self.transmit {
            message.layout.readdress(before, node);
            message.phase = message.phase.saturating_sub(spread(before)) + spread(node);
        }
        for layout in &mut self.receive.layouts {
            layout.readdress(before, node);
        }
        self.receive = Index::new(core::mem::take(&mut self.receive.layouts));
    }

    /// Holds back what is sent by itself, or begins it again with each message's phase; answers go on.
    pub fn set_cyclic(&mut self, now: SimTime, on: bool) {
        for message in self
            .transmit
            .iter_mut()
            .filter(|message| message.goes_by_itself())
        {
            message.due = if on { now + message.phase } else { SimTime::NEVER };
        }
        self.find_next_due();
    }

    /// When the next cyclic message is due.
    pub fn next_due(&self) -> SimTime {
        self.next_due
    }

    /// Emits the messages that are due, in list order, and plans the next ones after `now`. A message that is late by
    /// whole periods is sent once; one sent on change only if it differs from the last one, or its period is over. A
    /// message's counter is advanced first, unless counters are frozen.
    pub fn transmit_due(&mut self, now: SimTime, points: &mut Points, emit: &mut impl FnMut(CanFrame)) {
        if now < self.next_due {
            return;
        }
        for message in &mut self.transmit {
            if message.due > now {
                continue;
            }
            if message.is_wanted(now, points) {
                if !self.counters_frozen {
                    message.advance_counter(points, &mut self.counts);
                }
                let plain = message.layout.encode(points);
                message.sent = message.on_change.map(|_| plain);
                emit(message.finished(plain, &self.counts, self.checksums_broken));
                message.sent_at = Some(now);
            }
            message.plan_after(now);
        }
        self.find_next_due();
    }

    /// Holds all rolling counters while data still flows, or lets them run again.
    pub fn freeze_counters(&mut self, frozen: bool) {
        self.counters_frozen = frozen;
    }

    /// Whether it can have that fault: only what it sends with a checksum can have a wrong one.
    pub fn supports(&self, fault: &DeviceFault) -> bool {
        let mut layouts = self.transmit.iter().map(|message| &message.layout);
        matches!(fault, DeviceFault::BreakChecksums | DeviceFault::MendChecksums)
            && layouts.any(|layout| layout.checksum.is_some())
    }

    /// Begins or ends [`DeviceFault::BreakChecksums`]; false for any other fault, and if no message it sends has a
    /// checksum.
    pub fn inject(&mut self, fault: &DeviceFault) -> bool {
        let taken = self.supports(fault);
        if taken {
            self.checksums_broken = *fault == DeviceFault::BreakChecksums;
        }
        taken
    }

    /// Frames of messages it listens to that it did not take: too short, or with a wrong checksum.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Whether frames of this identifier are listened to.
    pub fn listens_to(&self, id: CanId) -> bool {
        self.receive.has(id)
    }

    /// Whether a message it sends carries this point.
    pub fn transmits(&self, point: PointId) -> bool {
        self.transmit.iter().any(|message| message.layout.carries(point))
    }

    /// Whether a message it listens to carries this point.
    ///
    /// # Panics
    /// If `message` is of another port.
    pub fn brings(&self, message: MessageRef, point: PointId) -> bool {
        self.receive.layouts[message.index()].carries(point)
    }

    /// A transmitted message by DBC name.
    pub fn message(&self, name: &str) -> Option<MessageRef> {
        let found = self.transmit.iter().position(|m| m.layout.name == name);
        found.map(MessageRef::new)
    }

    /// The first transmitted message that carries this point.
    pub fn message_with(&self, point: PointId) -> Option<MessageRef> {
        let found = self.transmit.iter().position(|m| m.layout.carries(point));
        found.map(MessageRef::new)
    }

    /// The first received message that carries this point.
    pub fn received_with(&self, point: PointId) -> Option<MessageRef> {
        let found = self.receive.layouts.iter().position(|l| l.carries(point));
        found.map(MessageRef::new)
    }

    /// A received message by DBC name.
    pub fn received(&self, name: &str) -> Option<MessageRef> {
        let found = self.receive.layouts.iter().position(|l| l.name == name);
        found.map(MessageRef::new)
    }

    /// A transmitted message with present values; its counter does not move.
    ///
    /// # Panics
    /// If `message` is of another port.
    pub fn encode(&self, message: MessageRef, points: &Points) -> CanFrame {
        let message = &self.transmit[message.index()];
        message.finished(message.layout.encode(points), &self.counts, self.checksums_broken)
    }

    /// As [`CanPort::encode`], with the destination in the identifier: its second byte, or added to an 11-bit one.
    ///
    /// # Panics
    /// If `message` is of another port.
    pub fn encode_to(&self, message: MessageRef, points: &Points, destination: u8) -> CanFrame {
        let mut frame = self.encode(message, points);
        frame.id = match frame.id {
            CanId::Extended(id) => CanId::Extended(id & !0xFF00 | u32::from(destination) << 8),
            CanId::Standard(id) => CanId::Standard(id + u16::from(destination)),
        };
        frame
    }

    /// Decodes a frame this node listens to into its points, and plans the answers to it. `None` for any other frame,
    /// and for one that is shorter than its message or has a wrong checksum.
    pub fn receive(&mut self, now: SimTime, frame: &CanFrame, points: &mut Points) -> Option<MessageRef> {
        let index = self.receive.find(frame)?;
        if self.receive.layouts[index].decode(frame, points).is_err() {
            self.refused += 1;
            return None;
        }
        let answer = &self.answers[index];
        if !answer.messages.is_empty() {
            let mut due = now + answer.after;
            for &message in &answer.messages {
                self.transmit[message].due = due;
                due += answer.gap;
            }
            self.find_next_due();
        }
        Some(MessageRef::new(index))
    }

    fn find_next_due(&mut self) {
        let due = self.transmit.iter().map(|message| message.due).min();
        self.next_due = due.unwrap_or(SimTime::NEVER);
    }
}

/// Another node: what it sends, decoded into an image of its points.
#[derive(Clone, Debug)]
pub struct RemoteNode {
    /// The node's points as last heard.
    pub points: Points,
    index: Index,
    counters: Vec<Option<PointId>>,
    /// Of each message; none if it is not sent in turn.
    periods: Vec<Option<Duration>>,
    /// When each message last came.
    heard: Vec<Option<SimTime>>,
    refused: u64,
    last_seen: Option<SimTime>,
    last_counter_change: Option<SimTime>,
}

impl RemoteNode {
    /// Compiles the transmit list of another node of this product and address.
    ///
    /// # Errors
    /// If the product, the DBC and the points do not fit together.
    pub fn compile(product: &Product, port: &str, library: &Library, node: u8) -> Result<Self, ProductError> {
        let table = kinds::point_table(product)?;
        Self::compile_with(product, port, library, table, node)
    }

    fn compile_with(
        product: &Product,
        port: &str,
        library: &Library,
        table: PointTable,
        node: u8,
    ) -> Result<Self, ProductError> {
        let transmit = Compiler::new(product, port, library, &table, node)?.transmit()?;
        let counters = transmit
            .iter()
            .map(|message| match message.counter {
                Some(Counter::Point { point, .. }) => Some(point),
                _ => None,
            })
            .collect();
        let periods = transmit.iter().map(|message| message.period).collect();
        let heard = vec![None; transmit.len()];
        let layouts = transmit.into_iter().map(|message| message.layout).collect();
        Ok(Self {
            points: Points::new(table.into()),
            index: Index::new(layouts),
            counters,
            periods,
            heard,
            refused: 0,
            last_seen: None,
            last_counter_change: None,
        })
    }

    /// Takes a frame; which message it was, or `None` if it is not this node's or too short.
    pub fn receive(&mut self, now: SimTime, frame: &CanFrame) -> Option<MessageRef> {
        let index = self.index.find(frame)?;
        self.take(now, index, frame)
    }

    /// Frames of this node that were too short or had a wrong checksum.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// When a frame of this node last came.
    pub fn last_seen(&self) -> Option<SimTime> {
        self.last_seen
    }

    /// The messages, pages of multiplexed ones each by itself, that carry any of these points and are sent in turn, with
    /// their periods.
    pub fn cyclic_with(&self, points: &[PointId]) -> Vec<(MessageRef, Duration)> {
        let messages = self.index.layouts.iter().zip(&self.periods).enumerate();
        messages
            .filter(|(_, (layout, _))| points.iter().any(|point| layout.carries(*point)))
            .filter_map(|(i, (_, period))| Some((MessageRef::new(i), (*period)?)))
            .collect()
    }

    /// When that message last came.
    ///
    /// # Panics
    /// If `message` is of another node.
    pub fn last_heard(&self, message: MessageRef) -> Option<SimTime> {
        self.heard[message.index()]
    }

    /// When a life counter of this node last had a new value; the first value counts as new.
    pub fn last_change_of_counter(&self) -> Option<SimTime> {
        self.last_counter_change
    }

    /// A message of the node by DBC name.
    pub fn message(&self, name: &str) -> Option<MessageRef> {
        let found = self.index.layouts.iter().position(|l| l.name == name);
        found.map(MessageRef::new)
    }

    /// Whether a message of the node carries this point.
    pub fn transmits(&self, point: PointId) -> bool {
        self.index.layouts.iter().any(|layout| layout.carries(point))
    }

    /// Whether a message of the node has a life counter.
    pub fn has_counter(&self) -> bool {
        self.counters.iter().any(Option::is_some)
    }

    /// Forgets all it heard, as at power-up.
    pub fn forget(&mut self) {
        self.points = Points::new(self.points.table().clone());
        self.heard.fill(None);
        self.last_seen = None;
        self.last_counter_change = None;
    }

    #[inline]
    fn take(&mut self, now: SimTime, index: usize, frame: &CanFrame) -> Option<MessageRef> {
        let counter = self.counters[index];
        let before = counter.map(|point| self.points.reading(point));
        if self.index.layouts[index].decode(frame, &mut self.points).is_err() {
            self.refused += 1;
            return None;
        }
        self.last_seen = Some(now);
        self.heard[index] = self.last_seen;
        if let Some(point) = counter
            && before != Some(self.points.reading(point))
        {
            self.last_counter_change = Some(now);
        }
        Some(MessageRef::new(index))
    }
}

/// Finds the remote node a frame is from.
#[derive(Clone, Debug)]
pub struct CanRouter {
    nodes: Vec<RemoteNode>,
    /// Ascending.
    keys: Vec<u32>,
    /// The node of an identifier, and where the identifier's pages begin there.
    ids: IdTable<(u32, u32)>,
}

impl CanRouter {
    /// A router over these nodes, in this order.
    pub fn new(nodes: Vec<RemoteNode>) -> Self {
        let mut routes: Vec<(u32, (u32, u32))> = (0..)
            .zip(&nodes)
            .flat_map(|(n, node)| {
                let firsts = node.index.firsts().iter();
                firsts.map(move |&(key, first)| (key, (n, first)))
            })
            .collect();
        routes.sort_unstable();
        routes.dedup_by_key(|route| route.0);
        Self {
            nodes,
            ids: IdTable::new(&routes),
            keys: routes.iter().map(|route| route.0).collect(),
        }
    }

    /// Takes a frame; the position of the node it is from, or `None` if it is no node's or too short.
    pub fn receive(&mut self, now: SimTime, frame: &CanFrame) -> Option<usize> {
        self.receive_message(now, frame).map(|(node, _)| node)
    }

    /// As [`CanRouter::receive`], with the message.
    #[inline]
    pub fn receive_message(&mut self, now: SimTime, frame: &CanFrame) -> Option<(usize, MessageRef)> {
        let (node, first) = self.ids.get(frame.id)?;
        let node = node as usize;
        let remote = &mut self.nodes[node];
        let index = remote.index.page_from(first, frame)?;
        Some((node, remote.take(now, index, frame)?))
    }

    /// The node at this position.
    pub fn node(&self, i: usize) -> &RemoteNode {
        &self.nodes[i]
    }

    /// The node at this position, to be changed.
    pub fn node_mut(&mut self, i: usize) -> &mut RemoteNode {
        &mut self.nodes[i]
    }

    /// All nodes in order.
    pub fn nodes(&self) -> &[RemoteNode] {
        &self.nodes
    }

    /// Identifiers the nodes send, ascending.
    pub fn owned_ids(&self) -> impl Iterator<Item = CanId> {
        self.keys.iter().map(|&key| id_of(key))
    }
}

/// A message a node sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmitted {
    /// Its identifier; of an event message to a chosen node with the destination byte as in the DBC.
    pub id: CanId,
    /// None if it is sent on an event.
    pub period: Option<Duration>,
    /// It goes out in CAN FD format.
    pub is_fd: bool,
}

/// What a node of this product and address sends on a port.
///
/// # Errors
/// If the product, the DBC and the points do not fit together.
pub fn transmitted_ids(
    product: &Product,
    port: &str,
    library: &Library,
    node: u8,
) -> Result<Vec<Transmitted>, ProductError> {
    let table = kinds::point_table(product)?;
    let transmit = Compiler::new(product, port, library, &table, node)?.transmit()?;
    let mut ids: Vec<_> = transmit
        .iter()
        .map(|message| Transmitted {
            id: message.layout.id,
            period: message.cycle,
            is_fd: message.layout.fd.is_some(),
        })
        .collect();
    // pages of one message
    ids.dedup_by_key(|message| message.id);
    Ok(ids)
}

/// One sent message with its schedule; of a multiplexed message one page.
#[derive(Clone, Debug)]
struct Transmit {
    layout: Layout,
    /// From one of it to the next.
    period: Option<Duration>,
    /// From one page of the message to the next.
    cycle: Option<Duration>,
    phase: Duration,
    /// Looked at this often.
    on_change: Option<Duration>,
    at_start: bool,
    due: SimTime,
    sent_at: Option<SimTime>,
    /// Payload as last sent, counter and checksum left out; kept for messages sent on change.
    sent: Option<CanFrame>,
    counter: Option<Counter>,
}

/// What is sent in answer to a message.
#[derive(Clone, Debug, Default)]
struct Answer {
    /// Positions in the transmit list.
    messages: Vec<usize>,
    after: Duration,
    gap: Duration,
}

/// A rolling counter.
#[derive(Clone, Copy, Debug)]
enum Counter {
    /// A point, its first value, and the value after which it has the first one again.
    Point { point: PointId, first: f64, last: f64 },
    /// A signal of its own; pages of one message count together, in this place of the port's counts.
    Signal { bits: BitField, place: usize },
}

impl Transmit {
    /// Whether it is sent without being asked for.
    fn goes_by_itself(&self) -> bool {
        self.at_start || self.period.or(self.on_change).is_some()
    }

    fn advance_counter(&self, points: &mut Points, counts: &mut [u64]) {
        match self.counter {
            Some(Counter::Point { point, first, last }) => {
                let next = points.get(point).map_or(first, |value| value + 1.0);
                points.set(
                    point,
                    if (first..=last).contains(&next) {
                        next
                    } else {
                        first
                    },
                );
            }
            Some(Counter::Signal { bits, place }) => {
                let (first, last) = bits.counts();
                let count = counts[place];
                counts[place] = if (first..last).contains(&count) {
                    count + 1
                } else {
                    first
                };
            }
            None => {}
        }
    }

    /// The frame as it goes out: count and checksum put in.
    #[inline]
    fn finished(&self, mut frame: CanFrame, counts: &[u64], broken: bool) -> CanFrame {
        if let Some(Counter::Signal { bits, place }) = self.counter {
            bits.put(&mut frame, counts[place]);
        }
        if let Some(checksum) = &self.layout.checksum {
            checksum.put(&mut frame, broken);
        }
        frame
    }

    fn is_wanted(&self, now: SimTime, points: &Points) -> bool {
        let Some(sent) = self.sent.filter(|_| self.on_change.is_some()) else {
            return true;
        };
        let over = |period: Duration| self.sent_at.is_none_or(|at| now >= at + period);
        self.period.is_some_and(over) || self.layout.encode(points) != sent
    }

    fn plan_after(&mut self, now: SimTime) {
        self.due = match self.on_change.or(self.period) {
            Some(period) => {
                (now + Duration::from_nanos(1)).next_multiple(period, self.due.since(SimTime::ZERO))
            }
            None => SimTime::NEVER,
        };
    }
}

/// How much later than its phase a node of this address first sends.
fn spread(node: u8) -> Duration {
    NODE_SPREAD * u32::from(node % NODE_SPREAD_STEPS)
}

/// Marks the key of a 29-bit identifier.
const EXTENDED: u32 = 1 << 31;

/// An identifier with its format as one number.
#[inline]
const fn key(id: CanId) -> u32 {
    match id {
        CanId::Standard(id) => id as u32,
        CanId::Extended(id) => id | EXTENDED,
    }
}

fn id_of(key: u32) -> CanId {
    if key & EXTENDED == 0 {
        CanId::Standard(u16::try_from(key).unwrap_or(u16::MAX))
    } else {
        CanId::Extended(key & !EXTENDED)
    }
}

#[cfg(test)]
mod tests;
