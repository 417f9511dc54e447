//! A message compiled to bits: encoding from points, decoding into points.

use bess_types::can::CLASSIC_BYTES;
use bess_types::{CanFrame, CanId, FdFlags, Reading};

use super::bits::{BUFFER, BitField};
use super::checksum::Checksum;
use super::{MAX_STANDARD, MessageRef, key};
use crate::points::{PointId, Points};
use crate::product::NodeIn;

/// One message of one node; of a multiplexed message one page.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub name: String,
    pub id: CanId,
    /// Where the identifier has the node's address.
    pub node_in: NodeIn,
    pub fd: Option<FdFlags>,
    pub len: u8,
    /// Bits of constant signals, multiplexors among them.
    pub constant: [u8; BUFFER],
    pub signals: Vec<Signal>,
    /// What tells this page, or this kind of request, from others of the same identifier.
    pub select: Vec<(BitField, u64)>,
    pub checksum: Option<Checksum>,
}

/// A signal bound to a point.
#[derive(Clone, Debug)]
pub(super) struct Signal {
    pub point: PointId,
    pub bits: BitField,
    /// What stands between the point's value and the signal's.
    pub change: Option<Box<Change>>,
}

/// A value that is not the point's own.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::codec) enum Change {
    /// Pairs of the point's value and the signal's.
    Table(Vec<(f64, f64)>),
    /// One while the point compares so with the number, else zero; nothing is read back.
    Test(Comparison, f64),
}

/// How a point compares with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codec) enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
    Is,
    IsNot,
}

impl Comparison {
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Is => value == limit,
            Self::IsNot => value != limit,
        }
    }
}

impl Change {
    /// From the point to the signal.
    pub(in crate::codec) fn out(&self, reading: Reading) -> Reading {
        if reading.ok().is_none() {
            return match self {
                Self::Table(_) => reading,
                Self::Test(..) => Reading::valid(0.0),
            };
        }
        match self {
            Self::Table(pairs) => {
                let found = pairs.iter().find(|(point, _)| *point == reading.value);
                found.map_or(Reading::invalid(), |(_, signal)| Reading::valid(*signal))
            }
            Self::Test(comparison, limit) => {
                Reading::valid(f64::from(u8::from(comparison.holds(reading.value, *limit))))
            }
        }
    }

    /// From the signal to the point; nothing for a test.
    pub(in crate::codec) fn back(&self, reading: Reading) -> Option<Reading> {
        match self {
            Self::Table(pairs) if reading.ok().is_some() => {
                let found = pairs.iter().find(|(_, signal)| *signal == reading.value);
                Some(found.map_or(Reading::invalid(), |(point, _)| Reading::valid(*point)))
            }
            Self::Table(_) => Some(reading),
            Self::Test(..) => None,
        }
    }
}

/// Why a frame of a known identifier is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It has fewer bytes than its message.
    Short,
    /// Its checksum is wrong.
    Checksum,
}

impl Layout {
    pub(super) fn encode(&self, points: &Points) -> CanFrame {
        if usize::from(self.len) <= CLASSIC_BYTES {
            let mut little = u64::from_le_bytes(self.constant[..8].try_into().expect("eight bytes"));
            let mut big = 0;
            for signal in &self.signals {
                let bits = signal.raw(points) << signal.bits.shift;
                if signal.bits.big_endian {
                    big |= bits;
                } else {
                    little |= bits;
                }
            }
            return self.frame(&(little | big.swap_bytes()).to_le_bytes());
        }
        let mut payload = self.constant;
        for signal in &self.signals {
            signal.bits.write(&mut payload, signal.raw(points));
        }
        self.frame(&payload)
    }

    fn frame(&self, payload: &[u8]) -> CanFrame {
        let data = &payload[..usize::from(self.len)];
        let frame = match self.fd {
            None => CanFrame::new(self.id, data),
            Some(flags) => CanFrame::new_fd(self.id, flags, data),
        };
        frame.expect("a layout has a length its format has")
    }

    /// Takes a frame of this message into the points.
    pub(super) fn decode(&self, frame: &CanFrame, points: &mut Points) -> Result<(), Refused> {
        let data = frame.data();
        let len = usize::from(self.len);
        if data.len() < len {
            return Err(Refused::Short);
        }
        if let Some(checksum) = &self.checksum
            && !checksum.holds(self.id, &data[..len])
        {
            return Err(Refused::Checksum);
        }
        if len <= CLASSIC_BYTES {
            let mut payload = [0; 8];
            payload[..len].copy_from_slice(&data[..len]);
            let little = u64::from_le_bytes(payload);
            let big = little.swap_bytes();
            for signal in &self.signals {
                signal.take(signal.bits.narrow(little, big), points);
            }
        } else {
            let payload = buffer(&data[..len]);
            for signal in &self.signals {
                signal.take(signal.bits.read(&payload), points);
            }
        }
        Ok(())
    }

    /// Puts another node's address into the identifier.
    pub(super) fn readdress(&mut self, before: u8, node: u8) {
        let in_byte = |id: CanId, shift: u32| match id {
            CanId::Extended(raw) => CanId::Extended(raw & !(0xFF << shift) | u32::from(node) << shift),
            CanId::Standard(_) => id,
        };
        self.id = match (self.node_in, self.id) {
            (NodeIn::None, id) => id,
            (NodeIn::Source, id) => in_byte(id, 0),
            (NodeIn::Destination, id) => in_byte(id, 8),
            (NodeIn::Added, CanId::Standard(raw)) => {
                CanId::Standard((raw - u16::from(before) + u16::from(node)).min(MAX_STANDARD))
            }
            (NodeIn::Added, CanId::Extended(raw)) => {
                CanId::Extended(raw - u32::from(before) + u32::from(node))
            }
        };
    }

    /// Whether a signal of it is this point.
    pub(super) fn carries(&self, point: PointId) -> bool {
        self.signals.iter().any(|signal| signal.point == point)
    }

    /// Whether this is the page on which its last multiplexor has that value.
    pub(super) fn is_page_of(&self, value: u64) -> bool {
        self.select.last().is_some_and(|(_, own)| *own == value)
    }

    /// Whether a payload under this identifier is this page.
    fn is_page(&self, payload: &[u8; BUFFER]) -> bool {
        self.select
            .iter()
            .all(|(bits, value)| bits.read(payload) == *value)
    }
}

impl Signal {
    fn raw(&self, points: &Points) -> u64 {
        let reading = points.reading(self.point);
        match &self.change {
            None => self.bits.raw_of(reading),
            Some(change) => self.bits.raw_of(change.out(reading)),
        }
    }

    fn take(&self, raw: u64, points: &mut Points) {
        let reading = self.bits.reading_of(raw);
        match &self.change {
            None => points.put(self.point, reading),
            Some(change) => {
                if let Some(reading) = change.back(reading) {
                    points.put(self.point, reading);
                }
            }
        }
    }
}

/// A payload with zeros behind it.
pub(super) fn buffer(data: &[u8]) -> [u8; BUFFER] {
    let mut payload = [0; BUFFER];
    payload[..data.len()].copy_from_slice(data);
    payload
}

/// Layouts in list order, found by identifier and page.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub layouts: Vec<Layout>,
    sorted: Vec<(u32, u16)>,
}

impl Index {
    pub(super) fn new(layouts: Vec<Layout>) -> Self {
        let mut sorted: Vec<(u32, u16)> = layouts
            .iter()
            .enumerate()
            .map(|(i, layout)| (key(layout.id), MessageRef::new(i).0))
            .collect();
        sorted.sort_unstable();
        Self { layouts, sorted }
    }

    /// Whether a message has this identifier.
    pub(super) fn has(&self, id: CanId) -> bool {
        self.sorted
            .binary_search_by_key(&key(id), |entry| entry.0)
            .is_ok()
    }

    /// The message, and the page of it, that a frame is.
    pub(super) fn find(&self, frame: &CanFrame) -> Option<usize> {
        let wanted = key(frame.id);
        let first = self.sorted.partition_point(|entry| entry.0 < wanted);
        let same = self.sorted[first..].iter().take_while(|entry| entry.0 == wanted);
        let mut same = same.map(|entry| usize::from(entry.1)).peekable();
        if self.layouts[*same.peek()?].select.is_empty() {
            return same.next();
        }
        let payload = buffer(frame.data());
        same.find(|&at| self.layouts[at].is_page(&payload))
    }
}
