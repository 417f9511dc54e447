//! CAN: a product's messages compiled against a DBC, for senders and for listeners.
//!
//! A [`CanPort`] is a device's own side: its transmit schedule and what it listens to. A [`RemoteNode`] is
//! another node seen from here: that node's transmit list, decoded into an image of its points. A
//! [`CanRouter`] finds the node by identifier when there are many.
//!
//! Identifiers are J1939-like, the byte that carries a node address being 0xFE in the DBC and replaced at
//! compile time, or CANopen-like, the node address being added. Physical values convert as raw = round((value − offset) / factor), clamped to the
//! signal's range; raw codes for "no value" come from the product file. Not done: multiplexed signals,
//! float signals, CAN FD.

use core::time::Duration;

use bess_types::{CanFrame, CanId, Quality, Reading, SimTime};
use can_dbc::{ByteOrder, Dbc, Message, MessageId, MultiplexIndicator, NumericValue, ValueType};
use toml::Spanned;

use super::{pattern, unit};
use crate::kinds;
use crate::library::Library;
use crate::points::{PointId, PointTable, Points};
use crate::product::{CanSpec, InvalidCodes, NodeIn, Place, Product, ProductError, Source};

/// The address byte of a DBC identifier that stands for "the node's own".
const NODE_PLACEHOLDER: u32 = 0xFE;

/// Highest 11-bit identifier.
const MAX_STANDARD: u16 = 0x7FF;

/// First transmissions are spread by this much for each step of the node address (its low five bits), so
/// that nodes started together do not burst.
const NODE_SPREAD: Duration = Duration::from_millis(2);
const NODE_SPREAD_STEPS: u8 = 32;

/// A parsed DBC with its file name.
#[derive(Clone, Debug)]
pub struct DbcFile {
    /// Path it was read from.
    pub file: String,
    /// Its content.
    pub dbc: Dbc,
}

impl DbcFile {
    /// Parses a DBC text.
    ///
    /// # Errors
    /// If it does not parse.
    pub fn parse(file: &str, text: &str) -> Result<Self, ProductError> {
        let dbc = Dbc::try_from(text).map_err(|error| {
            let source = Source::new(file, text);
            let (line, message) = told_by_parser(&error.to_string());
            ProductError::Dbc {
                place: source.place(source.line(line)),
                message,
            }
        })?;
        Ok(Self {
            file: file.into(),
            dbc,
        })
    }
}

/// Line and essence of the parser's drawing: ` --> 14:1 … = expected …`.
fn told_by_parser(text: &str) -> (usize, String) {
    let line = text
        .split_once("--> ")
        .and_then(|(_, rest)| rest.split_once(':')?.0.parse().ok());
    let essence = match text.rsplit_once('\n') {
        Some((_, last)) => last.trim_start_matches([' ', '=']),
        None => text,
    };
    (line.unwrap_or(1), essence.to_owned())
}

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
    transmit: Vec<Transmit>,
    receive: Index,
    next_due: SimTime,
    counters_frozen: bool,
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
        Ok(Self {
            transmit: compiler.transmit()?,
            receive: Index::new(compiler.receive()?),
            next_due: SimTime::NEVER,
            counters_frozen: false,
        })
    }

    /// Starts the schedule, or starts it again, with each message's phase.
    pub fn start(&mut self, now: SimTime) {
        for message in &mut self.transmit {
            message.due = match message.period {
                Some(_) => now + message.phase,
                None => SimTime::NEVER,
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

    /// When the next cyclic message is due.
    pub fn next_due(&self) -> SimTime {
        self.next_due
    }

    /// Emits the cyclic messages that are due, in list order, and plans the next ones after `now`. A
    /// message that is late by whole periods is sent once. A message's counter point is advanced first,
    /// unless counters are frozen.
    pub fn transmit_due(&mut self, now: SimTime, points: &mut Points, emit: &mut impl FnMut(CanFrame)) {
        if now < self.next_due {
            return;
        }
        for message in &mut self.transmit {
            if message.due > now {
                continue;
            }
            if !self.counters_frozen {
                message.advance_counter(points);
            }
            emit(message.layout.encode(points));
            message.plan_after(now);
        }
        self.find_next_due();
    }

    /// Holds all rolling counters while data still flows, or lets them run again.
    pub fn freeze_counters(&mut self, frozen: bool) {
        self.counters_frozen = frozen;
    }

    /// A transmitted message by DBC name.
    pub fn message(&self, name: &str) -> Option<MessageRef> {
        let found = self.transmit.iter().position(|m| m.layout.name == name);
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
        self.transmit[message.index()].layout.encode(points)
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

    /// Decodes a frame this node listens to into its points. `None` for any other frame, and for one that
    /// is shorter than its message.
    pub fn receive(&self, frame: &CanFrame, points: &mut Points) -> Option<MessageRef> {
        let index = self.receive.find(frame.id)?;
        self.receive.layouts[index]
            .decode(frame, points)
            .then(|| MessageRef::new(index))
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
            .map(|message| message.counter.map(|counter| counter.point))
            .collect();
        let layouts = transmit.into_iter().map(|message| message.layout).collect();
        Ok(Self {
            points: Points::new(table.into()),
            index: Index::new(layouts),
            counters,
            last_seen: None,
            last_counter_change: None,
        })
    }

    /// Takes a frame; which message it was, or `None` if it is not this node's or too short.
    pub fn receive(&mut self, now: SimTime, frame: &CanFrame) -> Option<MessageRef> {
        let index = self.index.find(frame.id)?;
        self.take(now, index, frame)
    }

    /// When a frame of this node last came.
    pub fn last_seen(&self) -> Option<SimTime> {
        self.last_seen
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
        let mut signals = self.index.layouts.iter().flat_map(|layout| &layout.signals);
        signals.any(|signal| signal.point == point)
    }

    /// Forgets all it heard, as at power-up.
    pub fn forget(&mut self) {
        self.points = Points::new(self.points.table().clone());
        self.last_seen = None;
        self.last_counter_change = None;
    }

    fn take(&mut self, now: SimTime, index: usize, frame: &CanFrame) -> Option<MessageRef> {
        let counter = self.counters[index];
        let before = counter.map(|point| self.points.reading(point));
        if !self.index.layouts[index].decode(frame, &mut self.points) {
            return None;
        }
        self.last_seen = Some(now);
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
    keys: Vec<u32>,
    targets: Vec<(u16, u16)>,
}

impl CanRouter {
    /// A router over these nodes, in this order.
    pub fn new(nodes: Vec<RemoteNode>) -> Self {
        let mut routes: Vec<(u32, (u16, u16))> = nodes
            .iter()
            .enumerate()
            .flat_map(|(n, node)| {
                let layouts = node.index.layouts.iter().enumerate();
                layouts.map(move |(m, layout)| {
                    let target = (MessageRef::new(n).0, MessageRef::new(m).0);
                    (key(layout.id), target)
                })
            })
            .collect();
        routes.sort_unstable();
        Self {
            nodes,
            keys: routes.iter().map(|route| route.0).collect(),
            targets: routes.iter().map(|route| route.1).collect(),
        }
    }

    /// Takes a frame; the position of the node it is from, or `None` if it is no node's or too short.
    pub fn receive(&mut self, now: SimTime, frame: &CanFrame) -> Option<usize> {
        self.receive_message(now, frame).map(|(node, _)| node)
    }

    /// As [`CanRouter::receive`], with the message.
    pub fn receive_message(&mut self, now: SimTime, frame: &CanFrame) -> Option<(usize, MessageRef)> {
        let found = self.keys.binary_search(&key(frame.id)).ok()?;
        let (node, message) = self.targets[found];
        let node = usize::from(node);
        let message = self.nodes[node].take(now, usize::from(message), frame)?;
        Some((node, message))
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

/// Identifiers a node of this product and address sends on a port, with their periods (none for messages
/// sent on an event). An event message to a chosen node has its destination byte as in the DBC.
///
/// # Errors
/// If the product, the DBC and the points do not fit together.
pub fn transmitted_ids(
    product: &Product,
    port: &str,
    library: &Library,
    node: u8,
) -> Result<Vec<(CanId, Option<Duration>)>, ProductError> {
    let table = kinds::point_table(product)?;
    let transmit = Compiler::new(product, port, library, &table, node)?.transmit()?;
    Ok(transmit
        .iter()
        .map(|message| (message.layout.id, message.period))
        .collect())
}

/// One sent message with its schedule.
#[derive(Clone, Debug)]
struct Transmit {
    layout: Layout,
    period: Option<Duration>,
    phase: Duration,
    due: SimTime,
    counter: Option<Counter>,
}

/// A rolling counter: the point, and the value after which it is 0 again.
#[derive(Clone, Copy, Debug)]
struct Counter {
    point: PointId,
    last: f64,
}

impl Transmit {
    fn advance_counter(&self, points: &mut Points) {
        if let Some(counter) = self.counter {
            let next = points.get(counter.point).map_or(0.0, |value| value + 1.0);
            points.set(counter.point, if next > counter.last { 0.0 } else { next });
        }
    }

    fn plan_after(&mut self, now: SimTime) {
        self.due = match self.period {
            Some(period) => {
                (now + Duration::from_nanos(1)).next_multiple(period, self.due.since(SimTime::ZERO))
            }
            None => SimTime::NEVER,
        };
    }
}

/// A message compiled to bit positions.
#[derive(Clone, Debug)]
struct Layout {
    name: String,
    id: CanId,
    len: u8,
    /// Bits of constant signals, as little-endian payload.
    constant: u64,
    signals: Vec<Signal>,
}

impl Layout {
    fn encode(&self, points: &Points) -> CanFrame {
        let mut little = self.constant;
        let mut big = 0;
        for signal in &self.signals {
            let bits = signal.bits.raw_of(points.reading(signal.point)) << signal.bits.shift;
            if signal.bits.big_endian {
                big |= bits;
            } else {
                little |= bits;
            }
        }
        let payload = (little | big.swap_bytes()).to_le_bytes();
        CanFrame::new(self.id, &payload[..usize::from(self.len)]).expect("a layout has at most 8 bytes")
    }

    fn decode(&self, frame: &CanFrame, points: &mut Points) -> bool {
        let data = frame.data();
        let len = usize::from(self.len);
        if data.len() < len {
            return false;
        }
        let mut payload = [0; 8];
        payload[..len].copy_from_slice(&data[..len]);
        let little = u64::from_le_bytes(payload);
        let big = little.swap_bytes();
        for signal in &self.signals {
            let word = if signal.bits.big_endian { big } else { little };
            points.put(signal.point, signal.bits.reading_of(word >> signal.bits.shift));
        }
        true
    }
}

#[derive(Clone, Copy, Debug)]
struct Signal {
    point: PointId,
    bits: BitField,
}

/// Where a signal's bits are and what they mean.
#[derive(Clone, Copy, Debug)]
struct BitField {
    /// Of the lowest bit, in the payload read as one little-endian or big-endian word.
    shift: u8,
    big_endian: bool,
    signed: bool,
    /// Bits to shift left and right again to extend the sign.
    spare: u8,
    mask: u64,
    /// value = raw · multiply / divide + offset. Decimal factors divide by a power of ten, so that raw
    /// 2900 at factor 0.001 is exactly 2.9.
    multiply: f64,
    divide: f64,
    offset: f64,
    min_raw: f64,
    max_raw: f64,
    invalid: Option<u64>,
    open_wire: Option<u64>,
}

impl BitField {
    fn raw_of(&self, reading: Reading) -> u64 {
        let code = match reading.quality {
            Quality::Valid if !reading.value.is_nan() => {
                return self.raw_of_value(reading.value);
            }
            Quality::Valid | Quality::Invalid => self.invalid,
            Quality::OpenWire => self.open_wire.or(self.invalid),
        };
        code.unwrap_or(0)
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value is clamped to the signal's range first"
    )]
    fn raw_of_value(&self, value: f64) -> u64 {
        let raw = ((value - self.offset) * self.divide / self.multiply).clamp(self.min_raw, self.max_raw);
        let rounded = raw.round();
        let bits = if self.signed {
            (rounded as i64) as u64
        } else {
            rounded as u64
        };
        bits & self.mask
    }

    #[allow(
        clippy::cast_possible_wrap,
        reason = "reading the same bits as signed is meant"
    )]
    fn reading_of(&self, word: u64) -> Reading {
        let bits = word & self.mask;
        if self.invalid == Some(bits) {
            return Reading::invalid();
        }
        if self.open_wire == Some(bits) {
            return Reading {
                value: 0.0,
                quality: Quality::OpenWire,
            };
        }
        let raw = if self.signed {
            ((bits << self.spare) as i64 >> self.spare) as f64
        } else {
            bits as f64
        };
        Reading::valid(raw * self.multiply / self.divide + self.offset)
    }
}

/// Layouts in list order, found by identifier.
#[derive(Clone, Debug)]
struct Index {
    layouts: Vec<Layout>,
    sorted: Vec<(u32, u16)>,
}

impl Index {
    fn new(layouts: Vec<Layout>) -> Self {
        let mut sorted: Vec<(u32, u16)> = layouts
            .iter()
            .enumerate()
            .map(|(i, layout)| (key(layout.id), MessageRef::new(i).0))
            .collect();
        sorted.sort_unstable();
        Self { layouts, sorted }
    }

    fn find(&self, id: CanId) -> Option<usize> {
        let wanted = key(id);
        let found = self.sorted.binary_search_by_key(&wanted, |entry| entry.0);
        found.ok().map(|at| usize::from(self.sorted[at].1))
    }
}

const EXTENDED: u32 = 1 << 31;

/// An identifier with its format as one number.
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

/// Turns a product's port into layouts.
struct Compiler<'a> {
    source: &'a Source,
    spec: &'a CanSpec,
    file: DbcFile,
    table: &'a PointTable,
    node: u8,
}

/// What transmit and receive entries have in common.
struct Entry<'a> {
    message: &'a Spanned<String>,
    node_in: NodeIn,
    bind: &'a std::collections::BTreeMap<Spanned<String>, Spanned<String>>,
    constant: Option<&'a std::collections::BTreeMap<Spanned<String>, f64>>,
    invalid: InvalidCodes,
    flip: &'a [Spanned<String>],
    /// Point of the rolling counter: it uses every raw value, so no code of it means "no value".
    counter: Option<&'a str>,
}

impl<'a> Compiler<'a> {
    fn new(
        product: &'a Product,
        port: &str,
        library: &Library,
        table: &'a PointTable,
        node: u8,
    ) -> Result<Self, ProductError> {
        let (spec, source) = product.can_port(port)?;
        let file = library.dbc(spec.dbc.get_ref()).map_err(|error| match error {
            ProductError::UnknownFile { path, known, .. } => ProductError::UnknownFile {
                place: source.place(spec.dbc.span()),
                path,
                known,
            },
            other => other,
        })?;
        Ok(Self {
            source,
            spec,
            file: DbcFile::clone(&file),
            table,
            node,
        })
    }

    fn transmit(&self) -> Result<Vec<Transmit>, ProductError> {
        let mut all: Vec<Transmit> = Vec::new();
        for spec in &self.spec.transmit {
            let entry = Entry {
                message: &spec.message,
                node_in: spec.node_in.unwrap_or(self.spec.node_in),
                bind: &spec.bind,
                constant: Some(&spec.constant),
                invalid: spec.invalid,
                flip: &spec.flip,
                counter: spec.counter.as_ref().map(|name| name.get_ref().as_str()),
            };
            let period = match &spec.period_ms {
                Some(ms) if *ms.get_ref() == 0 => {
                    return Err(ProductError::Setting {
                        place: self.source.place(ms.span()),
                        key: "period_ms".into(),
                        message: "a period cannot be 0".into(),
                        help: "give a period of 1 ms or more, or leave it out for a message sent on an event"
                            .into(),
                    });
                }
                Some(ms) => Some(Duration::from_millis(*ms.get_ref())),
                None => None,
            };
            let phase =
                Duration::from_millis(spec.phase_ms) + NODE_SPREAD * u32::from(self.node % NODE_SPREAD_STEPS);
            for layout in self.layouts(&entry)? {
                if let Some(other) = all.iter().find(|other| other.layout.id == layout.id) {
                    return Err(ProductError::Overlap {
                        place: self.source.place(spec.message.span()),
                        what: format!("message {} ({})", layout.name, layout.id),
                        other: format!("message {}", other.layout.name),
                    });
                }
                let counter = match &spec.counter {
                    Some(name) => Some(self.counter(name, &layout)?),
                    None => None,
                };
                all.push(Transmit {
                    layout,
                    period,
                    phase,
                    due: SimTime::NEVER,
                    counter,
                });
            }
        }
        Ok(all)
    }

    fn receive(&self) -> Result<Vec<Layout>, ProductError> {
        let mut all = Vec::new();
        for spec in &self.spec.receive {
            let entry = Entry {
                message: &spec.message,
                node_in: spec.node_in,
                bind: &spec.bind,
                constant: None,
                invalid: spec.invalid,
                flip: &spec.flip,
                counter: None,
            };
            all.extend(self.layouts(&entry)?);
        }
        Ok(all)
    }

    fn counter(&self, name: &Spanned<String>, layout: &Layout) -> Result<Counter, ProductError> {
        let point = self
            .table
            .find(name.get_ref())
            .ok_or_else(|| self.unknown_point(name, name.get_ref()))?;
        let signal = layout.signals.iter().find(|signal| signal.point == point);
        let signal = signal.ok_or_else(|| ProductError::Setting {
            place: self.source.place(name.span()),
            key: "counter".into(),
            message: format!("no signal of {} is bound to `{}`", layout.name, name.get_ref()),
            help: "bind the message's counter signal to this point".into(),
        })?;
        Ok(Counter {
            point,
            last: signal.bits.max_raw * signal.bits.multiply / signal.bits.divide + signal.bits.offset,
        })
    }

    /// The layouts of every message an entry matches. A message of a `{k}` pattern none of whose bound
    /// points exist is left out, so that one DBC serves packs of several sizes.
    fn layouts(&self, entry: &Entry<'_>) -> Result<Vec<Layout>, ProductError> {
        let wanted = entry.message.get_ref();
        let matching: Vec<(&Message, pattern::Captures)> = self
            .file
            .dbc
            .messages
            .iter()
            .filter_map(|message| Some((message, pattern::matches(wanted, &message.name)?)))
            .collect();
        if matching.is_empty() {
            let names = self.file.dbc.messages.iter().map(|m| m.name.as_str());
            return Err(ProductError::UnknownMessage {
                place: self.source.place(entry.message.span()),
                dbc: self.file.file.clone(),
                message: wanted.clone(),
                nearest: pattern::nearest(wanted, names),
            });
        }
        for (signal, point) in entry.bind {
            self.check_binding(&matching, signal, point)?;
        }
        let constants = entry.constant.into_iter().flatten();
        for signal in constants.map(|(name, _)| name).chain(entry.flip) {
            self.check_signal_name(&matching, signal)?;
        }
        let mut layouts = Vec::new();
        for (message, captures) in &matching {
            let layout = self.layout(entry, message, captures)?;
            if pattern::is_pattern(wanted) && layout.signals.is_empty() && !entry.bind.is_empty() {
                continue;
            }
            layouts.push(layout);
        }
        Ok(layouts)
    }

    /// A bound signal must be in one of the messages, and its point must exist for one of them.
    fn check_binding(
        &self,
        matching: &[(&Message, pattern::Captures)],
        signal: &Spanned<String>,
        point: &Spanned<String>,
    ) -> Result<(), ProductError> {
        self.check_signal_name(matching, signal)?;
        let found = matching.iter().any(|(message, outer)| {
            message.signals.iter().any(|candidate| {
                pattern::matches(signal.get_ref(), &candidate.name)
                    .and_then(|inner| outer.merged(&inner))
                    .is_some_and(|all| self.table.find(&all.fill(point.get_ref())).is_some())
            })
        });
        if found {
            Ok(())
        } else {
            Err(self.unknown_point(point, point.get_ref()))
        }
    }

    fn check_signal_name(
        &self,
        matching: &[(&Message, pattern::Captures)],
        signal: &Spanned<String>,
    ) -> Result<(), ProductError> {
        let mut names = matching
            .iter()
            .flat_map(|(message, _)| message.signals.iter().map(|s| s.name.as_str()));
        if names
            .clone()
            .any(|name| pattern::matches(signal.get_ref(), name).is_some())
        {
            return Ok(());
        }
        Err(ProductError::UnknownSignal {
            place: self.source.place(signal.span()),
            message: matching[0].0.name.clone(),
            signal: signal.get_ref().clone(),
            nearest: pattern::nearest(signal.get_ref(), names.by_ref()),
        })
    }

    fn layout(
        &self,
        entry: &Entry<'_>,
        message: &Message,
        captures: &pattern::Captures,
    ) -> Result<Layout, ProductError> {
        let place = self.source.place(entry.message.span());
        let mut layout = Layout {
            name: message.name.clone(),
            id: self.identifier(entry.node_in, message, &place)?,
            len: u8::try_from(message.size)
                .ok()
                .filter(|&size| size <= 8)
                .ok_or_else(|| ProductError::UnsupportedSignal {
                    place: place.clone(),
                    message: message.name.clone(),
                    signal: "(all)".into(),
                    reason: "the message is longer than 8 bytes",
                })?,
            constant: 0,
            signals: Vec::new(),
        };
        let mut taken: Vec<(u64, &str)> = Vec::new();
        for signal in &message.signals {
            let bound = entry.bind.iter().find_map(|(name, point)| {
                let inner = pattern::matches(name.get_ref(), &signal.name)?;
                Some((captures.merged(&inner)?.fill(point.get_ref()), point))
            });
            let is_counter =
                entry.counter.is_some() && bound.as_ref().map(|(name, _)| name.as_str()) == entry.counter;
            let invalid = if is_counter {
                InvalidCodes::default()
            } else {
                entry.invalid
            };
            let mut bits = BitField::compile(signal, message.size, invalid).map_err(|reason| {
                ProductError::UnsupportedSignal {
                    place: place.clone(),
                    message: message.name.clone(),
                    signal: signal.name.clone(),
                    reason,
                }
            })?;
            let claimed = bits.payload_mask();
            if let Some((_, other)) = taken.iter().find(|(mask, _)| mask & claimed != 0) {
                return Err(ProductError::Overlap {
                    place,
                    what: format!("signal {} of {}", signal.name, message.name),
                    other: format!("signal {other}"),
                });
            }
            taken.push((claimed, &signal.name));
            if entry.flip.iter().any(|name| name.get_ref() == &signal.name) {
                bits.multiply = -bits.multiply;
            }
            if let Some((point_name, point)) = bound {
                match self.table.find(&point_name) {
                    Some(id) => {
                        self.convert_unit(&mut bits, signal, id, point)?;
                        layout.signals.push(Signal { point: id, bits });
                    }
                    None if pattern::is_pattern(point.get_ref()) => {
                        layout.constant |= bits.in_payload(bits.invalid.unwrap_or(0));
                    }
                    None => return Err(self.unknown_point(point, &point_name)),
                }
            } else if let Some(constants) = entry.constant {
                let constant = constants
                    .iter()
                    .find(|(name, _)| pattern::matches(name.get_ref(), &signal.name).is_some());
                let Some((_, value)) = constant else {
                    return Err(ProductError::UnmappedSignal {
                        place,
                        message: message.name.clone(),
                        signal: signal.name.clone(),
                    });
                };
                layout.constant |= bits.in_payload(bits.raw_of_value(*value));
            }
        }
        Ok(layout)
    }

    fn convert_unit(
        &self,
        bits: &mut BitField,
        signal: &can_dbc::Signal,
        point: PointId,
        named: &Spanned<String>,
    ) -> Result<(), ProductError> {
        let def = self.table.def(point);
        let factor = unit::factor(&signal.unit, def.unit).ok_or_else(|| ProductError::Unit {
            place: self.source.place(named.span()),
            name: signal.name.as_str().into(),
            unit: signal.unit.as_str().into(),
            point: def.name.as_str().into(),
            point_unit: def.unit,
        })?;
        let (multiply, divide) = decimal(factor);
        (bits.multiply, bits.divide) = reduced(bits.multiply * multiply, bits.divide * divide);
        bits.offset *= factor;
        Ok(())
    }

    fn identifier(&self, node_in: NodeIn, message: &Message, place: &Place) -> Result<CanId, ProductError> {
        let refused = |byte| ProductError::NodeByte {
            place: place.clone(),
            message: message.name.clone(),
            id: message.id.raw() & !EXTENDED,
            byte,
        };
        let in_byte = |shift: u32, byte| match message.id {
            MessageId::Extended(id) if id >> shift & 0xFF == NODE_PLACEHOLDER => Ok(CanId::Extended(
                id & !(0xFF << shift) | u32::from(self.node) << shift,
            )),
            MessageId::Standard(_) | MessageId::Extended(_) => Err(refused(byte)),
        };
        match (node_in, message.id) {
            (NodeIn::None, MessageId::Standard(id)) => Ok(CanId::Standard(id)),
            (NodeIn::None, MessageId::Extended(id)) => Ok(CanId::Extended(id)),
            (NodeIn::Source, _) => in_byte(0, "source"),
            (NodeIn::Destination, _) => in_byte(8, "destination"),
            (NodeIn::Added, MessageId::Standard(id)) => match id + u16::from(self.node) {
                id @ ..=MAX_STANDARD => Ok(CanId::Standard(id)),
                _ => Err(ProductError::Setting {
                    place: place.clone(),
                    key: "node_in".into(),
                    message: format!(
                        "node {} of {} has no 11-bit identifier left",
                        self.node, message.name
                    ),
                    help: "give the message a lower identifier in the DBC".into(),
                }),
            },
            (NodeIn::Added, MessageId::Extended(id)) => Ok(CanId::Extended(id + u32::from(self.node))),
        }
    }

    fn unknown_point(&self, named: &Spanned<String>, point: &str) -> ProductError {
        let names = self.table.iter().map(|(_, def)| def.name.as_str());
        ProductError::UnknownPoint {
            place: self.source.place(named.span()),
            point: point.into(),
            nearest: pattern::nearest(point, names),
        }
    }
}

impl BitField {
    fn compile(
        signal: &can_dbc::Signal,
        message_bytes: u64,
        codes: InvalidCodes,
    ) -> Result<Self, &'static str> {
        if signal.multiplexer_indicator != MultiplexIndicator::Plain {
            return Err("multiplexed signals are not supported");
        }
        let size = u8::try_from(signal.size)
            .ok()
            .filter(|size| (1..=64).contains(size));
        let size = size.ok_or("a signal has 1 to 64 bits")?;
        if signal.factor == 0.0 || !signal.factor.is_finite() {
            return Err("the factor is 0");
        }
        let big_endian = signal.byte_order == ByteOrder::BigEndian;
        let outside = "it does not fit into the message";
        let shift = if big_endian {
            // The DBC gives the highest bit, counted 7..0 in each byte; count from the payload's first bit.
            let from_top = signal.start_bit / 8 * 8 + (7 - signal.start_bit % 8);
            if from_top + signal.size > message_bytes * 8 {
                return Err(outside);
            }
            64 - from_top - signal.size
        } else {
            if signal.start_bit + signal.size > message_bytes * 8 {
                return Err(outside);
            }
            signal.start_bit
        };
        let mask = u64::MAX >> (64 - size);
        let signed = signal.value_type == ValueType::Signed;
        let cut = |code: Option<u64>| code.map(|code| code & mask).filter(|_| size >= 8);
        let (invalid, open_wire) = if signed {
            (cut(codes.signed), None)
        } else {
            (cut(codes.raw), cut(codes.open_wire))
        };
        let (multiply, divide) = decimal(signal.factor);
        let mut bits = Self {
            shift: u8::try_from(shift).map_err(|_| outside)?,
            big_endian,
            signed,
            spare: 64 - size,
            mask,
            multiply,
            divide,
            offset: signal.offset,
            min_raw: 0.0,
            max_raw: 0.0,
            invalid,
            open_wire,
        };
        (bits.min_raw, bits.max_raw) = bits.raw_range(signal);
        Ok(bits)
    }

    /// Raw values a valid reading may take: the DBC's range within the signal's bits, without the codes
    /// at its ends.
    #[allow(clippy::cast_possible_wrap, reason = "a mask of at most 63 bits")]
    fn raw_range(&self, signal: &can_dbc::Signal) -> (f64, f64) {
        // Largest values that are exact in f64 and stay inside the bits after adding a half.
        let exact = |bits: u8| -> f64 {
            if bits > 53 {
                (u64::MAX >> (64 - bits) & !0x7FF) as f64
            } else {
                (u64::MAX >> (64 - bits)) as f64
            }
        };
        let size = 64 - self.spare;
        let (mut low, mut high) = match (self.signed, size) {
            (true, 1) => (-1.0, 0.0),
            (true, _) => (-exact(size - 1) - 1.0, exact(size - 1)),
            (false, _) => (0.0, exact(size)),
        };
        let number = |value: NumericValue| match value {
            NumericValue::Uint(value) => value as f64,
            NumericValue::Int(value) => value as f64,
            NumericValue::Double(value) => value,
        };
        let (min, max) = (number(signal.min), number(signal.max));
        if min < max {
            let raw = |value: f64| ((value - self.offset) * self.divide / self.multiply).round();
            let (a, b) = (raw(min), raw(max));
            low = low.max(a.min(b));
            high = high.min(a.max(b));
        }
        let is_code = |raw: f64| {
            let codes = [self.invalid, self.open_wire];
            codes.into_iter().flatten().any(|code| {
                let code = if self.signed {
                    ((code << self.spare) as i64 >> self.spare) as f64
                } else {
                    code as f64
                };
                code == raw
            })
        };
        while low < high && is_code(low) {
            low += 1.0;
        }
        while low < high && is_code(high) {
            high -= 1.0;
        }
        (low, high)
    }

    /// Raw bits at their place in the payload read as a little-endian word.
    fn in_payload(&self, raw: u64) -> u64 {
        let placed = (raw & self.mask) << self.shift;
        if self.big_endian {
            placed.swap_bytes()
        } else {
            placed
        }
    }

    fn payload_mask(&self) -> u64 {
        self.in_payload(self.mask)
    }
}

/// A factor as a fraction of whole numbers with a power of ten below, if it is one; else over 1.
pub(super) fn decimal(factor: f64) -> (f64, f64) {
    let mut power = 1.0;
    for _ in 0..=9 {
        let scaled = factor * power;
        let whole = scaled.round();
        if whole != 0.0 && (scaled - whole).abs() <= whole.abs() * 1e-12 {
            return (whole, power);
        }
        power *= 10.0;
    }
    (factor, 1.0)
}

/// The same fraction without common factors of ten.
pub(super) fn reduced(mut multiply: f64, mut divide: f64) -> (f64, f64) {
    while divide >= 10.0 && multiply % 10.0 == 0.0 {
        multiply /= 10.0;
        divide /= 10.0;
    }
    (multiply, divide)
}

#[cfg(test)]
mod tests;
