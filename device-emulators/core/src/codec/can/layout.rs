//! A message compiled to bits: encoding from points, decoding into points.

use bess_types::can::CLASSIC_BYTES;
use bess_types::{CanFrame, CanId, FdFlags, Reading};

use super::MAX_STANDARD;
use super::bits::{BUFFER, BitField, buffer};
use super::checksum::Checksum;
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
    pub checksum: Option<Box<Checksum>>,
    /// A rolling counter that is no point, where this page has it.
    pub counter: Option<Box<BitField>>,
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
    /// A count that goes on at `low` after `span` numbers, where the signal has no more.
    Roll { low: f64, span: f64 },
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
                Self::Table(_) | Self::Roll { .. } => reading,
                Self::Test(..) => Reading::valid(0.0),
            };
        }
        match self {
            Self::Roll { low, span } => Reading::valid(low + reading.value.rem_euclid(*span)),
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
    #[inline(never)]
    pub(in crate::codec) fn back(&self, reading: Reading) -> Option<Reading> {
        match self {
            Self::Table(pairs) if reading.ok().is_some() => {
                let found = pairs.iter().find(|(_, signal)| *signal == reading.value);
                Some(found.map_or(Reading::invalid(), |(point, _)| Reading::valid(*point)))
            }
            Self::Table(_) | Self::Roll { .. } => Some(reading),
            Self::Test(..) => None,
        }
    }
}

/// What tells a page from others of its identifier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// The first eight bytes of its frames where the mask has ones.
    pub mask: u64,
    pub value: u64,
    /// That is all there is; else [`Layout::is_page`] has the last word.
    pub is_all: bool,
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
    #[inline]
    pub(super) fn encode(&self, points: &Points) -> CanFrame {
        if usize::from(self.len) <= CLASSIC_BYTES {
            let mut little = first_word(&self.constant);
            let mut big = 0;
            for signal in &self.signals {
                let bits = signal.raw(points) << signal.bits.shift;
                if signal.bits.big_endian {
                    big |= bits;
                } else {
                    little |= bits;
                }
            }
            return CanFrame::from_word(self.id, self.fd, self.len, little | big.swap_bytes());
        }
        let mut payload = self.constant;
        for signal in &self.signals {
            signal.bits.write(&mut payload, signal.raw(points));
        }
        let data = &payload[..usize::from(self.len)];
        let frame = match self.fd {
            None => CanFrame::new(self.id, data),
            Some(flags) => CanFrame::new_fd(self.id, flags, data),
        };
        frame.expect("a layout has a length its format has")
    }

    /// Takes a frame of this message into the points.
    #[inline]
    pub(super) fn decode(&self, frame: &CanFrame, points: &mut Points) -> Result<(), Refused> {
        let data = frame.data();
        let len = usize::from(self.len);
        if data.len() < len {
            return Err(Refused::Short);
        }
        if let Some(checksum) = &self.checksum
            && !checksum.is_right(self.id, frame, len)
        {
            return Err(Refused::Checksum);
        }
        if len <= CLASSIC_BYTES {
            let little = frame.word();
            let big = little.swap_bytes();
            for signal in &self.signals {
                signal.take(signal.bits.narrow(little, big), points);
            }
        } else {
            self.decode_wide(&data[..len], points);
        }
        Ok(())
    }

    /// Apart, so that the way of classic frames is short.
    #[inline(never)]
    fn decode_wide(&self, data: &[u8], points: &mut Points) {
        let payload = buffer(data);
        for signal in &self.signals {
            signal.take(signal.bits.read(&payload), points);
        }
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

    /// What tells this page.
    pub(super) fn mark(&self) -> Mark {
        let (mut mask, mut value) = ([0; BUFFER], [0; BUFFER]);
        for (bits, own) in &self.select {
            bits.write(&mut mask, u64::MAX);
            bits.write(&mut value, *own);
        }
        let fits = |(bits, own): &(BitField, u64)| bits.cut(*own) == *own;
        Mark {
            mask: first_word(&mask),
            value: first_word(&value),
            is_all: mask[8..].iter().all(|bits| *bits == 0) && self.select.iter().all(fits),
        }
    }

    /// Whether this is the page on which its last multiplexor has that value.
    pub(super) fn is_page_of(&self, value: u64) -> bool {
        self.select.last().is_some_and(|(_, own)| *own == value)
    }

    /// Whether a frame under this identifier is this page.
    pub(super) fn is_page(&self, frame: &CanFrame) -> bool {
        self.select
            .iter()
            .all(|(bits, value)| bits.of_frame(frame) == *value)
    }
}

impl Signal {
    #[inline]
    fn raw(&self, points: &Points) -> u64 {
        let reading = points.reading(self.point);
        match &self.change {
            None => self.bits.raw_of(reading),
            Some(change) => self.bits.raw_of(change.out(reading)),
        }
    }

    #[inline]
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

/// The first eight bytes, lowest first.
#[inline]
fn first_word(payload: &[u8; BUFFER]) -> u64 {
    payload
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
