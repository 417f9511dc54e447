//! A register map as a list, for documents, checks and imports. Points are names here: nothing is compiled.

use core::fmt;
use std::collections::BTreeMap;

use bess_types::Table;
use toml::Spanned;

use super::expand::expand;
use super::file::{
    Access, BlockSpec, Constant, Fallback, MapFile, OutOfRangeWrite, ReadOnlyWrite, RegisterSpec, RevertSpec,
    WordOrder,
};
use super::number::RegisterType;
use super::pdu::is_bits;
use super::server::table_name;
use crate::codec::pattern;
use crate::points::PointTable;
use crate::product::{Place, ProductError, Source};

/// A register map file, register by register.
#[derive(Clone, Debug)]
pub struct Listing {
    /// For people.
    pub title: String,
    /// What a write to a read-only register gets.
    pub read_only_write: ReadOnlyWrite,
    /// What a write of a value outside its range gets.
    pub out_of_range_write: OutOfRangeWrite,
    /// Its registers in the order of the file; a row of equal ones one by one, and holes that a block fills.
    pub registers: Vec<Register>,
    /// Set points that fall back.
    pub reverts: Vec<Revert>,
}

/// Set points that fall back unless one of them is written in time. Each text is a number, or the name of a point or
/// register that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revert {
    /// Point, and what it falls back to.
    pub back: Vec<(String, String)>,
    /// After this time, s.
    pub after: String,
    /// Where the seconds left are counted.
    pub remaining: Option<String>,
}

/// What a read or a write of a register does besides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Bits stay as seen on until a client writes 1 to them.
    pub write_clears: bool,
    /// Bits stay as seen on until a client reads them.
    pub read_clears: bool,
    /// The value it takes by itself, and so many ms after a write.
    pub returns: Option<(f64, u64)>,
    /// The map says that it cannot say all its point can be.
    pub lossy: bool,
}

/// One value, text, constant or filler.
#[derive(Clone, Debug)]
pub struct Register {
    /// Name of its block.
    pub block: String,
    /// Modbus table.
    pub table: Table,
    /// Read in the table's read-only twin too.
    pub mirror: bool,
    /// First address on the wire, 0-based.
    pub address: u32,
    /// Registers, or bits of a bit table, that it takes.
    pub words: u32,
    /// What its maker calls it; empty if the file does not say.
    pub name: String,
    /// Any words on it; may be empty.
    pub description: String,
    /// What it stands for.
    pub meaning: Meaning,
    /// How the value stands in its registers; of no meaning for bits, texts and fillers.
    pub kind: RegisterType,
    /// The word with the lowest bits comes first.
    pub low_word_first: bool,
    /// Value = raw · scale + offset, in `unit`.
    pub scale: f64,
    /// See `scale`.
    pub offset: f64,
    /// Unit; empty if the file does not say.
    pub unit: String,
    /// Raw value that stands for "no value"; without one, SunSpec's for the type.
    pub invalid: Option<u64>,
    /// It may be written.
    pub writable: bool,
    /// Roles that may write; everybody if the file does not say.
    pub roles: Option<Vec<String>>,
    /// What a read or a write does besides.
    pub effects: Effects,
    /// What its maker calls its raw values.
    pub names: BTreeMap<i64, String>,
    /// What its maker calls its bits: first and last bit, name.
    pub bit_names: BTreeMap<(u8, u8), String>,
    /// Values that are others than the point's, by the name of the point's state or its value.
    pub values: BTreeMap<String, f64>,
    /// Where it stands.
    pub place: Place,
}

/// What a register stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// A point.
    Point(String),
    /// Points, or comparisons of points, in its bits.
    Bits(BTreeMap<u8, String>),
    /// A text.
    Text(String),
    /// A raw value.
    Constant(i64),
    /// A register of the server's own, with this raw value at the start.
    Held(i64),
    /// The same word in each register.
    Fill(u16),
    /// The code for "no value".
    Nothing,
}

impl Listing {
    /// Reads a register map file. Whether its points are there and its registers apart is not looked at. Blocks that stand
    /// once for each point are left out, and fitted scale factors are 1: [`Listing::of`] knows the points.
    ///
    /// # Errors
    /// If the text does not read as a register map.
    pub fn read(source: &Source) -> Result<Self, ProductError> {
        Self::of(source, &PointTable::default())
    }

    /// Likewise, for a device with these points.
    ///
    /// # Errors
    /// If the text does not read as a register map.
    pub fn of(source: &Source, points: &PointTable) -> Result<Self, ProductError> {
        let file = expand(source.read::<MapFile>()?, source, points)?;
        let mut registers = Vec::new();
        for block in &file.block {
            let first = registers.len();
            for spec in &block.register {
                let place = source.place(spec.span());
                Register::push_of(block, spec.get_ref(), points, &place, &mut registers);
            }
            if let (Some(length), Some(word)) = (block.length, block.fill) {
                let start = u32::from(block.base);
                let taken = registers[first..].iter().map(|one| (one.address, one.end()));
                for (at, until) in holes(taken.collect(), start, start + u32::from(length)) {
                    let place = source.place(block.name.span());
                    registers.push(Register {
                        address: at,
                        words: until - at,
                        meaning: Meaning::Fill(word),
                        writable: false,
                        ..Register::in_block(block, place)
                    });
                }
            }
        }
        Ok(Self {
            title: file.title,
            read_only_write: file.read_only_write,
            out_of_range_write: file.out_of_range_write,
            registers,
            reverts: file.revert.iter().map(|spec| spec.get_ref().into()).collect(),
        })
    }
}

impl From<&RevertSpec> for Revert {
    fn from(spec: &RevertSpec) -> Self {
        let name = |name: &Spanned<String>| name.get_ref().clone();
        let back = spec.back.iter().map(|(point, to)| {
            let to = match to {
                Fallback::Value(value) => value.to_string(),
                Fallback::Name(name) => name.clone(),
            };
            (name(point), to)
        });
        let after = spec.after_s.map(|seconds| seconds.to_string());
        Self {
            back: back.collect(),
            after: after.or(spec.after.as_ref().map(name)).unwrap_or_default(),
            remaining: spec.remaining.as_ref().map(name),
        }
    }
}

impl Register {
    /// An empty register of a table: one word, nothing in it.
    pub fn at(table: Table, address: u32, place: Place) -> Self {
        Self {
            block: String::new(),
            table,
            mirror: false,
            address,
            words: 1,
            name: String::new(),
            description: String::new(),
            meaning: Meaning::Nothing,
            kind: RegisterType::U16,
            low_word_first: false,
            scale: 1.0,
            offset: 0.0,
            unit: String::new(),
            invalid: None,
            writable: false,
            roles: None,
            effects: Effects::default(),
            names: BTreeMap::new(),
            bit_names: BTreeMap::new(),
            values: BTreeMap::new(),
            place,
        }
    }

    /// First address after it.
    pub fn end(&self) -> u32 {
        self.address + self.words
    }

    /// Its table is one of bits.
    pub fn is_bit(&self) -> bool {
        is_bits(self.table)
    }

    /// What to call it: its maker's name, or what is bound to it, or its address.
    pub fn label(&self) -> String {
        match &self.meaning {
            _ if !self.name.is_empty() => self.name.clone(),
            Meaning::Point(point) => point.clone(),
            _ => format!("{} {}", table_name(self.table), self.address),
        }
    }

    /// Lowest and highest value it can say.
    pub fn range(&self) -> (f64, f64) {
        let (low, high) = self.kind.range();
        let (a, b) = (low * self.scale + self.offset, high * self.scale + self.offset);
        (a.min(b), a.max(b))
    }

    fn in_block(block: &BlockSpec, place: Place) -> Self {
        Self {
            block: block.name.get_ref().clone(),
            mirror: block.mirror,
            low_word_first: block.word_order == WordOrder::LowFirst,
            ..Self::at(block.table, u32::from(block.base), place)
        }
    }

    fn push_of(
        block: &BlockSpec,
        spec: &RegisterSpec,
        points: &PointTable,
        place: &Place,
        registers: &mut Vec<Self>,
    ) {
        let bits = is_bits(block.table);
        let words_of_type = if bits { 1 } else { spec.kind.words() };
        let own = Self::in_block(block, place.clone());
        let one = Self {
            address: u32::from(block.base) + u32::from(spec.at),
            words: words_of_type,
            name: spec
                .name
                .as_ref()
                .map_or_else(String::new, |name| name.get_ref().clone()),
            description: spec.description.clone().unwrap_or_default(),
            kind: spec.kind,
            low_word_first: spec
                .word_order
                .map_or(own.low_word_first, |order| order == WordOrder::LowFirst),
            scale: spec.scale.unwrap_or(1.0),
            offset: spec.offset,
            unit: spec
                .unit
                .as_ref()
                .map_or_else(String::new, |unit| unit.get_ref().clone()),
            invalid: spec.invalid,
            writable: spec.access.unwrap_or(block.access) == Access::ReadWrite,
            roles: spec.role.clone().or_else(|| block.role.clone()),
            effects: Effects {
                write_clears: spec.on_write.is_some(),
                read_clears: spec.on_read.is_some(),
                returns: spec.returns_to.zip(spec.after_ms),
                lossy: spec.lossy,
            },
            names: (spec.names.iter())
                .filter_map(|(value, name)| Some((whole_number(value.get_ref())?, name.clone())))
                .collect(),
            bit_names: (spec.bit_names.iter())
                .filter_map(|(bits, name)| Some((bits_of(bits.get_ref())?, name.clone())))
                .collect(),
            values: (spec.values.iter())
                .map(|(state, value)| (state.get_ref().clone(), *value))
                .collect(),
            ..own
        };
        if let Some(point) = &spec.point {
            for i in 0..spec.row_length().unwrap_or(1) {
                let name = pattern::Captures::one("i", usize::from(i)).fill(point.get_ref());
                // What the end of a row has too much of reads as not available.
                let missing = i > 0 && !points.is_empty() && points.find(&name).is_none();
                registers.push(Self {
                    address: one.address + u32::from(i) * words_of_type,
                    meaning: if missing {
                        Meaning::Nothing
                    } else {
                        Meaning::Point(name)
                    },
                    ..one.clone()
                });
            }
            return;
        }
        if let Some(raw) = spec.hold {
            registers.push(Self {
                meaning: Meaning::Held(raw),
                ..one
            });
            return;
        }
        let constant = spec.constant.as_ref().and_then(Constant::number);
        let (meaning, words) = match (&spec.bits, &spec.text, spec.words, constant) {
            (Some(flags), ..) => {
                let flags = flags.iter();
                let flags = flags
                    .filter_map(|(bit, point)| Some((bit.get_ref().parse().ok()?, point.get_ref().clone())));
                (Meaning::Bits(flags.collect()), words_of_type)
            }
            (None, Some(text), words, _) => {
                let needed = u16::try_from(text.len().div_ceil(2)).unwrap_or(u16::MAX);
                (Meaning::Text(text.clone()), u32::from(words.unwrap_or(needed)))
            }
            (None, None, Some(words), constant) => {
                let word = u16::try_from(constant.unwrap_or(0) & 0xFFFF).unwrap_or(0);
                (Meaning::Fill(word), u32::from(words))
            }
            (None, None, None, Some(constant)) => (Meaning::Constant(constant), words_of_type),
            (None, None, None, None) => (Meaning::Nothing, words_of_type),
        };
        registers.push(Self {
            words,
            meaning,
            ..one
        });
    }
}

impl RegisterType {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::U64,
        Self::I64,
        Self::F32,
        Self::Acc32,
        Self::Acc64,
    ];

    /// Name as in register map files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::Acc32 => "acc32",
            Self::Acc64 => "acc64",
        }
    }
}

impl fmt::Display for RegisterType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl ReadOnlyWrite {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::IllegalDataAddress, Self::IllegalDataValue, Self::Ignore];

    /// Name as in register map files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IllegalDataAddress => "illegal-data-address",
            Self::IllegalDataValue => "illegal-data-value",
            Self::Ignore => "ignore",
        }
    }
}

impl OutOfRangeWrite {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::IllegalDataValue, Self::Clamp];

    /// Name as in register map files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IllegalDataValue => "illegal-data-value",
            Self::Clamp => "clamp",
        }
    }
}

/// Name of a table as in register map files.
pub fn name_of_table(table: Table) -> &'static str {
    table_name(table)
}

/// What of `start..end` none of these ranges takes.
pub(super) fn holes(mut taken: Vec<(u32, u32)>, start: u32, end: u32) -> Vec<(u32, u32)> {
    taken.sort_unstable();
    let mut found = Vec::new();
    let mut at = start;
    for (next, after) in taken.into_iter().chain([(end, end)]) {
        if next > at {
            found.push((at, next));
        }
        at = at.max(after);
    }
    found
}

/// A whole number, decimal or, after `0x`, hexadecimal.
pub fn whole_number(text: &str) -> Option<i64> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match hex {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// First and last bit of `3` or `4-7`.
pub(super) fn bits_of(text: &str) -> Option<(u8, u8)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then_some((first, last))
}
