//! Entries of a register map: what stands at consecutive addresses.

use core::ops::Range;
use std::sync::Arc;

use bess_types::Reading;

use super::number::NumberFormat;
use super::state::State;
use crate::codec::can::Change;
use crate::points::{PointId, Points};

/// A value, constant or filler at consecutive addresses.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) address: u32,
    pub(super) width: u32,
    pub(super) name: String,
    pub(super) content: Content,
    pub(super) writable: bool,
    /// Roles that may write; everybody if none are named.
    pub(super) roles: Option<Arc<[String]>>,
    pub(super) latch: Option<Latch>,
    /// A client finds the same elsewhere in the map.
    pub(super) mirrored: bool,
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// The same word at each address.
    Fill(u16),
    /// Fixed words.
    Words(Vec<u16>),
    /// One bit of a bit table.
    Bit(PointId),
    /// A number.
    Number(PointId, NumberFormat),
    /// A number whose values are others than the point's.
    State(PointId, NumberFormat, Change),
    /// Flags in a number's bits.
    Flags(Vec<Flag>, NumberFormat),
    /// A register of the server's own, by number.
    Held(usize, NumberFormat),
}

/// A bit of a register.
#[derive(Clone, Debug)]
pub(super) struct Flag {
    pub(super) bit: u8,
    pub(super) point: PointId,
    /// It says how the point compares with a number; nothing is read back.
    pub(super) test: Option<Change>,
}

impl Flag {
    fn is_on(&self, points: &Points) -> bool {
        match &self.test {
            None => points.is_on(self.point),
            Some(test) => test.out(points.reading(self.point)).value != 0.0,
        }
    }
}

/// Bits that stay as seen on until a client clears them. Their points are not changed by that: what is still on is on
/// again at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Latch {
    /// Number among the map's latches.
    pub(super) number: usize,
    /// Cleared by a read of the whole register.
    pub(super) on_read: bool,
    /// Cleared bit by bit by writing 1.
    pub(super) on_write: bool,
}

impl Content {
    /// What is on now, as bits of the register.
    pub(super) fn bits(&self, points: &Points) -> u64 {
        match self {
            Self::Fill(_) | Self::Words(_) | Self::Held(..) => 0,
            Self::Bit(point) => u64::from(points.is_on(*point)),
            Self::Number(point, format) => {
                let reading = points.reading(*point);
                reading.ok().map_or(0, |_| format.bits_of(reading))
            }
            Self::State(point, format, change) => {
                let reading = change.out(points.reading(*point));
                reading.ok().map_or(0, |_| format.bits_of(reading))
            }
            Self::Flags(flags, _) => {
                let on = flags.iter().filter(|flag| flag.is_on(points));
                on.fold(0, |bits, flag| bits | 1 << flag.bit)
            }
        }
    }

    fn push_bits(&self, bits: u64, words: &mut Vec<u16>) {
        match self {
            Self::Fill(_) | Self::Words(_) => {}
            Self::Bit(_) => words.push(u16::from(bits != 0)),
            Self::Number(_, format)
            | Self::State(_, format, _)
            | Self::Flags(_, format)
            | Self::Held(_, format) => format.push_words(bits, words),
        }
    }

    pub(super) fn bits_in(&self, words: &[u16]) -> u64 {
        match self {
            Self::Fill(_) | Self::Words(_) => 0,
            Self::Bit(_) => u64::from(words[0] != 0),
            Self::Number(_, format)
            | Self::State(_, format, _)
            | Self::Flags(_, format)
            | Self::Held(_, format) => format.bits_from(words),
        }
    }
}

impl Entry {
    pub(super) fn end(&self) -> u32 {
        self.address + self.width
    }

    pub(super) fn start(&self) -> u16 {
        u16::try_from(self.address).unwrap_or(u16::MAX)
    }

    /// Whether part of it may be written on its own.
    pub(super) fn is_loose(&self) -> bool {
        matches!(self.content, Content::Fill(_) | Content::Words(_))
    }

    pub(super) fn points(&self) -> impl Iterator<Item = PointId> {
        let (one, many): (Option<PointId>, &[Flag]) = match &self.content {
            Content::Fill(_) | Content::Words(_) | Content::Held(..) => (None, &[]),
            Content::Bit(point) | Content::Number(point, _) | Content::State(point, ..) => {
                (Some(*point), &[])
            }
            Content::Flags(flags, _) => (None, flags),
        };
        let read_back = many.iter().filter(|flag| flag.test.is_none());
        one.into_iter().chain(read_back.map(|flag| flag.point))
    }

    pub(super) fn may_write(&self, role: Option<&str>) -> bool {
        let named = |roles: &Arc<[String]>| role.is_some_and(|role| roles.iter().any(|named| named == role));
        self.roles.as_ref().is_none_or(named)
    }

    pub(super) fn read_into(&self, points: &Points, state: &State, words: &mut Vec<u16>) {
        if let Some(latch) = self.latch {
            let bits = state.latched(latch.number) | self.content.bits(points);
            self.content.push_bits(bits, words);
            return;
        }
        match &self.content {
            Content::Fill(word) => words.extend((0..self.width).map(|_| *word)),
            Content::Words(fixed) => words.extend_from_slice(fixed),
            Content::Number(point, format) => {
                format.push_words(format.bits_of(points.reading(*point)), words);
            }
            Content::State(point, format, change) => {
                format.push_words(format.bits_of(change.out(points.reading(*point))), words);
            }
            Content::Bit(_) | Content::Flags(..) => self.content.push_bits(self.content.bits(points), words),
            Content::Held(number, format) => format.push_words(state.held(*number), words),
        }
    }

    /// Gives each point of the entry what `words` say.
    pub(super) fn decode(&self, words: &[u16], put: &mut impl FnMut(PointId, Reading)) {
        match &self.content {
            Content::Fill(_) | Content::Words(_) | Content::Held(..) => {}
            Content::Bit(point) => put(*point, Reading::valid(f64::from(words[0]))),
            Content::Number(point, format) => {
                put(*point, format.reading_of(format.bits_from(words)));
            }
            Content::State(point, format, change) => {
                let reading = change.back(format.reading_of(format.bits_from(words)));
                put(*point, reading.unwrap_or(Reading::invalid()));
            }
            Content::Flags(flags, format) => {
                let bits = format.bits_from(words);
                for flag in flags.iter().filter(|flag| flag.test.is_none()) {
                    put(flag.point, Reading::valid((bits >> flag.bit & 1) as f64));
                }
            }
        }
    }

    /// The words that give `point` this value. Other flags of the same register keep their present value, unless
    /// writing 1 would clear them.
    pub(super) fn encode_value(&self, point: PointId, value: f64, points: &Points) -> Vec<u16> {
        let mut words = Vec::new();
        match &self.content {
            Content::Fill(_) | Content::Words(_) | Content::Held(..) => {}
            Content::Bit(_) => words.push(u16::from(value != 0.0)),
            Content::Number(_, format) => {
                format.push_words(format.bits_of(Reading::valid(value)), &mut words);
            }
            Content::State(_, format, change) => {
                format.push_words(format.bits_of(change.out(Reading::valid(value))), &mut words);
            }
            Content::Flags(flags, format) => {
                let clears = self.latch.is_some_and(|latch| latch.on_write);
                let bits = flags.iter().fold(0, |bits, flag| {
                    let on = if flag.point == point && flag.test.is_none() {
                        value != 0.0
                    } else {
                        !clears && flag.is_on(points)
                    };
                    bits | u64::from(on) << flag.bit
                });
                format.push_words(bits, &mut words);
            }
        }
        words
    }
}

/// The entries that cover `start..end` without a hole.
pub(super) fn covering(entries: &[Entry], start: u32, end: u32) -> Option<&[Entry]> {
    Some(&entries[places(entries, start, end)?])
}

/// The places of [`covering`] entries.
pub(super) fn places(entries: &[Entry], start: u32, end: u32) -> Option<Range<usize>> {
    let first = entries.partition_point(|entry| entry.end() <= start);
    let mut at = start;
    let mut last = first;
    while at < end {
        let entry = entries.get(last)?;
        if entry.address > at {
            return None;
        }
        at = entry.end();
        last += 1;
    }
    Some(first..last)
}
