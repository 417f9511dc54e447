//! From a register map file to entries and effects.

use core::ops::Range;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use bess_types::{Reading, Table};
use toml::Spanned;

use super::entry::{Content, Entry, Flag, Latch};
use super::expand::expand;
use super::file::{Access, BlockSpec, Constant, Fallback, MapFile, RegisterSpec, RevertSpec, WordOrder};
use super::number::NumberFormat;
use super::pdu::is_bits;
use super::state::{Effects, Operand, Return, Returned, Revert};
use super::{RegisterMap, listing, slot};
use crate::codec::can::{Change, decimal, reduced, test_of};
use crate::codec::{pattern, unit};
use crate::points::{PointId, PointTable};
use crate::product::{ProductError, Source};

/// Compiles the text of a map file; see [`RegisterMap::compile`].
pub(super) fn compile(
    file: &str,
    text: &str,
    table: &PointTable,
    model: &str,
) -> Result<RegisterMap, ProductError> {
    let source = Source::new(file, text);
    let file = expand(source.read::<MapFile>()?, &source, table)?;
    let mut compiler = Compiler {
        source: &source,
        points: table,
        model,
        effects: Effects::default(),
        names: BTreeMap::new(),
    };
    let mut tables: [Vec<Entry>; 4] = Default::default();
    for block in &file.block {
        let entries = compiler.block(block)?;
        if block.mirror {
            let other = match block.table {
                Table::Holding => Table::Input,
                Table::Coil => Table::DiscreteInput,
                Table::Input | Table::DiscreteInput => {
                    return Err(compiler.bad(
                        block.name.span(),
                        block.name.get_ref(),
                        "only holding registers and coils can be mirrored",
                    ));
                }
            };
            let mirrored = entries.iter().map(|entry| Entry {
                writable: false,
                mirrored: true,
                ..entry.clone()
            });
            tables[slot(other)].extend(mirrored);
        }
        tables[slot(block.table)].extend(entries);
    }
    for revert in &file.revert {
        let revert = compiler.revert(revert.span(), revert.get_ref())?;
        compiler.effects.reverts.push(revert);
    }
    for entries in &mut tables {
        entries.sort_by_key(|entry| entry.address);
        for pair in entries.windows(2) {
            if pair[0].end() > pair[1].address {
                return Err(ProductError::Overlap {
                    place: source.place(pair[1].span.clone()),
                    what: format!("register {} at {}", pair[1].name, pair[1].address),
                    other: format!("{} at {}", pair[0].name, pair[0].address),
                });
            }
        }
    }
    prefer_live_registers(&mut tables);
    Ok(RegisterMap {
        tables,
        effects: compiler.effects,
        read_only_write: file.read_only_write,
        out_of_range_write: file.out_of_range_write,
    })
}

/// A client takes points from registers that show them as they are, where there are any, not from latches.
fn prefer_live_registers(tables: &mut [Vec<Entry>; 4]) {
    let all = tables.iter().flatten();
    let live = all.filter(|entry| entry.latch.is_none() && !entry.mirrored);
    let live: Vec<PointId> = live.flat_map(Entry::points).collect();
    for entry in tables.iter_mut().flatten() {
        entry.mirrored |= entry.latch.is_some() && entry.points().all(|point| live.contains(&point));
    }
}

/// Turns a map file's blocks into entries.
struct Compiler<'a> {
    source: &'a Source,
    points: &'a PointTable,
    model: &'a str,
    effects: Effects,
    /// Registers that hold, by name.
    names: BTreeMap<String, Operand>,
}

impl Compiler<'_> {
    fn block(&mut self, block: &BlockSpec) -> Result<Vec<Entry>, ProductError> {
        let mut entries = Vec::new();
        for register in &block.register {
            self.register(block, register, &mut entries)?;
        }
        let span = block.name.span();
        let name = block.name.get_ref();
        if let Some(length) = block.length {
            let start = u32::from(block.base);
            let end = start + u32::from(length);
            if let Some(outside) = entries.iter().find(|entry| entry.end() > end) {
                let reason = format!("it is outside the block's length of {length}");
                return Err(self.bad(outside.span.clone(), &outside.name, &reason));
            }
            if let Some(word) = block.fill {
                let taken = entries.iter().map(|entry| (entry.address, entry.end()));
                let holes = listing::holes(taken.collect(), start, end);
                entries.extend(holes.into_iter().map(|(at, until)| Entry {
                    address: at,
                    width: until - at,
                    name: format!("{name}: not used"),
                    content: Content::Fill(word),
                    writable: false,
                    roles: None,
                    latch: None,
                    mirrored: false,
                    span: span.clone(),
                }));
            }
        } else if block.fill.is_some() {
            return Err(self.bad(span, name, "`fill` needs the block's `length`"));
        }
        if let Some(outside) = entries.iter().find(|entry| entry.end() > 0x1_0000) {
            let reason = "it ends after address 65535";
            return Err(self.bad(outside.span.clone(), &outside.name, reason));
        }
        Ok(entries)
    }

    fn register(
        &mut self,
        block: &BlockSpec,
        register: &Spanned<RegisterSpec>,
        entries: &mut Vec<Entry>,
    ) -> Result<(), ProductError> {
        let spec = register.get_ref();
        let span = register.span();
        let address = u32::from(block.base) + u32::from(spec.at);
        let label = match &spec.name {
            Some(name) => name.get_ref().clone(),
            None => format!("{} offset {}", block.name.get_ref(), spec.at),
        };
        let access = spec.access.unwrap_or(block.access);
        let bits = is_bits(block.table);
        let writable = access == Access::ReadWrite && matches!(block.table, Table::Coil | Table::Holding);
        self.check_keys(spec, &span, &label)?;
        if access == Access::ReadWrite && !writable {
            return Err(self.bad(span, &label, "this table is read-only in Modbus"));
        }
        let (multiply, divide) = decimal(spec.scale.unwrap_or(1.0));
        let format = NumberFormat {
            kind: spec.kind,
            low_word_first: spec.word_order.unwrap_or(block.word_order) == WordOrder::LowFirst,
            multiply,
            divide,
            offset: spec.offset,
            invalid: spec
                .invalid
                .map_or(spec.kind.not_implemented(), |code| code & spec.kind.mask()),
            rolls: spec.kind == super::RegisterType::Acc32,
        };
        let first = entries.len();
        let roles: Option<Arc<[String]>> = spec
            .role
            .as_ref()
            .or(block.role.as_ref())
            .map(|roles| roles.clone().into());
        let mut push = |address: u32, width: u32, name: String, content: Content| {
            entries.push(Entry {
                address,
                width,
                name,
                content,
                writable,
                roles: roles.clone(),
                latch: None,
                mirrored: false,
                span: span.clone(),
            });
        };
        let width = if bits { 1 } else { spec.kind.words() };
        if let Some(point) = &spec.point {
            for i in 0..spec.row_length().unwrap_or(1) {
                let name = pattern::Captures::one("i", usize::from(i)).fill(point.get_ref());
                let id = match self.points.find(&name) {
                    Some(id) => id,
                    None if i == 0 => self.find(point, &name)?,
                    // A map serves all sizes: what the end of a row has too much of reads as not available.
                    None => {
                        let mut words = Vec::new();
                        format.push_words(if bits { 0 } else { format.invalid }, &mut words);
                        words.truncate(width as usize);
                        push(address + u32::from(i) * width, width, name, Content::Words(words));
                        continue;
                    }
                };
                let content = if bits {
                    Content::Bit(id)
                } else if spec.values.is_empty() {
                    Content::Number(id, self.with_unit(format, spec, id)?)
                } else {
                    Content::State(id, format, self.states(spec, &format, id)?)
                };
                push(address + u32::from(i) * width, width, name, content);
            }
        } else if let Some(flags) = &spec.bits {
            let mut list = Vec::new();
            for (bit, point) in flags {
                let number = bit.get_ref().parse().ok();
                let number: u8 = number
                    .filter(|&bit: &u8| !bits && u32::from(bit) < 16 * spec.kind.words())
                    .ok_or_else(|| self.bad(bit.span(), &label, "there is no such bit"))?;
                let (named, test) = test_of(point.get_ref());
                let id = self.find(point, named)?;
                let test = match test {
                    None => None,
                    Some((comparison, limit)) => {
                        Some(Change::Test(comparison, self.value_of(point.span(), id, limit)?))
                    }
                };
                list.push(Flag {
                    bit: number,
                    point: id,
                    test,
                });
            }
            push(address, width, label.clone(), Content::Flags(list, format));
        } else if let Some(text) = &spec.text {
            let text = text.replace("{model}", self.model);
            let words = spec
                .words
                .unwrap_or(u16::try_from(text.len().div_ceil(2)).unwrap_or(u16::MAX));
            if bits || text.len() > usize::from(words) * 2 || words == 0 {
                return Err(self.bad(span, &label, "the text does not fit"));
            }
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(usize::from(words) * 2, 0);
            let fixed = bytes
                .chunks(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                .collect();
            push(
                address,
                u32::from(words),
                format!("\"{text}\""),
                Content::Words(fixed),
            );
        } else if let Some(raw) = spec.hold {
            let number = self.effects.held.len();
            let mask = if bits { 1 } else { spec.kind.mask() };
            self.effects.held.push(raw.cast_unsigned() & mask);
            push(address, width, label.clone(), Content::Held(number, format));
            if let Some(name) = &spec.name
                && self
                    .names
                    .insert(name.get_ref().clone(), Operand::Held(number, format))
                    .is_some()
            {
                return Err(self.bad(name.span(), name.get_ref(), "another register has this name"));
            }
        } else if let Some(words) = spec.words {
            let constant = self.constant(spec, &span, &label)?.unwrap_or(0);
            let word = u16::try_from(constant & 0xFFFF).unwrap_or(0);
            push(address, u32::from(words), label.clone(), Content::Fill(word));
        } else if bits {
            let word = u16::from(self.constant(spec, &span, &label)?.unwrap_or(0) != 0);
            push(address, 1, label.clone(), Content::Words(vec![word]));
        } else {
            let raw = match self.constant(spec, &span, &label)? {
                Some(constant) => constant.cast_unsigned() & spec.kind.mask(),
                None => format.invalid,
            };
            let mut words = Vec::new();
            format.push_words(raw, &mut words);
            push(address, spec.kind.words(), label.clone(), Content::Words(words));
        }
        self.side_effects(spec, &label, &mut entries[first..])
    }

    fn constant(
        &self,
        spec: &RegisterSpec,
        span: &Range<usize>,
        label: &str,
    ) -> Result<Option<i64>, ProductError> {
        let number = spec.constant.as_ref().map(Constant::number);
        match number {
            Some(None) => Err(self.bad(span.clone(), label, "the constant is not a number")),
            number => Ok(number.flatten()),
        }
    }

    /// Keys that go, or do not go, with one another.
    fn check_keys(&self, spec: &RegisterSpec, span: &Range<usize>, label: &str) -> Result<(), ProductError> {
        let meanings = [
            spec.point.is_some(),
            spec.constant.is_some(),
            spec.text.is_some(),
            spec.bits.is_some(),
            spec.hold.is_some(),
        ];
        let row = spec
            .point
            .as_ref()
            .is_some_and(|point| pattern::is_pattern(point.get_ref()));
        let reason = if meanings.iter().filter(|&&given| given).count() > 1 {
            "give only one of point, constant, text, bits and hold"
        } else if spec.count.is_some() && spec.row_length().is_none() {
            "the count is not a number"
        } else if spec.count.is_some() && !row {
            "`count` needs a point with {i}, or a `stride`"
        } else if spec.words.is_some() && (spec.point.is_some() || spec.bits.is_some() || spec.hold.is_some())
        {
            "`words` is for texts and for registers not used"
        } else if spec.words == Some(0) && spec.text.is_none() {
            "it has 0 words"
        } else if !spec.values.is_empty() && spec.point.is_none() {
            "`values` is for a point"
        } else if spec.scale == Some(0.0) {
            "the scale is 0"
        } else {
            return self.check_names(spec, label);
        };
        Err(self.bad(span.clone(), label, reason))
    }

    /// Names of values and of bits must be of values and bits the register has.
    fn check_names(&self, spec: &RegisterSpec, label: &str) -> Result<(), ProductError> {
        for value in spec.names.keys() {
            if listing::whole_number(value.get_ref()).is_none() {
                let reason = "the keys of `enum` are whole numbers, the register's raw values";
                return Err(self.bad(value.span(), label, reason));
            }
        }
        for bits in spec.bit_names.keys() {
            let last = listing::bits_of(bits.get_ref()).map(|(_, last)| u32::from(last));
            if last.is_none_or(|last| last >= 16 * spec.kind.words()) {
                let reason = "the keys of `bit_names` are bits of the register, as in 3 or 4-7";
                return Err(self.bad(bits.span(), label, reason));
            }
        }
        Ok(())
    }

    /// The numbers a register has for the states of a point.
    fn states(
        &self,
        spec: &RegisterSpec,
        format: &NumberFormat,
        point: PointId,
    ) -> Result<Change, ProductError> {
        let mut pairs = Vec::new();
        for (state, value) in &spec.values {
            let said = Reading::valid(*value);
            if format.reading_of(format.bits_of(said)) != said {
                let reason = format!(
                    "its {} at {} cannot say {value}",
                    spec.kind,
                    spec.scale.unwrap_or(1.0)
                );
                return Err(self.bad(state.span(), state.get_ref(), &reason));
            }
            pairs.push((self.value_of(state.span(), point, state.get_ref())?, *value));
        }
        Ok(Change::Table(pairs))
    }

    /// A number, or the value of a state's name.
    fn value_of(&self, span: Range<usize>, point: PointId, text: &str) -> Result<f64, ProductError> {
        let def = self.points.def(point);
        def.value_of(text).ok_or_else(|| ProductError::Setting {
            place: self.source.place(span),
            key: def.name.clone(),
            message: format!("`{text}` is neither a number nor a state of `{}`", def.name),
            help: def.states_in_words(),
        })
    }

    /// What happens to the register besides being read and written.
    fn side_effects(
        &mut self,
        spec: &RegisterSpec,
        label: &str,
        entries: &mut [Entry],
    ) -> Result<(), ProductError> {
        let on_write = spec.on_write.is_some();
        let on_read = spec.on_read.is_some();
        for entry in entries {
            let (source, span) = (self.source, entry.span.clone());
            let bad = |reason: &str| Err(refusal(source, span.clone(), label, reason));
            if on_write && !entry.writable {
                return bad("`on_write` needs access = \"read-write\"");
            }
            if on_write || on_read {
                let bits = match &entry.content {
                    Content::Bit(_) | Content::Flags(..) => true,
                    Content::Number(_, format) => !format.kind.is_signed() && format.kind.is_integer(),
                    Content::State(..) | Content::Fill(_) | Content::Words(_) | Content::Held(..) => false,
                };
                if !bits {
                    return bad("only bits, or a point of an unsigned type, can be cleared");
                }
                if entry.writable && !on_write {
                    return bad(
                        "a register that is cleared by reading can be written only with on_write = \"clear\"",
                    );
                }
                entry.latch = Some(Latch {
                    number: self.effects.latches.len(),
                    on_read,
                    on_write,
                });
                self.effects.latches.push(entry.content.clone());
            }
            match (spec.returns_to, spec.after_ms) {
                (None, None) => {}
                (Some(to), Some(after @ 1..)) => {
                    let to = match entry.content {
                        Content::Bit(point) | Content::Number(point, _) | Content::State(point, ..) => {
                            Returned::Point(point, to)
                        }
                        // in its own scale, as a client would write it
                        Content::Held(number, format) => {
                            Returned::Held(number, format.bits_of(Reading::valid(to)))
                        }
                        Content::Fill(_) | Content::Words(_) | Content::Flags(..) => {
                            return bad("`returns_to` needs a point or `hold`");
                        }
                    };
                    if !entry.writable || entry.latch.is_some() {
                        return bad("`returns_to` is for a register that is written");
                    }
                    self.effects.returns.push(Return {
                        to,
                        after: Duration::from_millis(after),
                    });
                }
                _ => return bad("`returns_to` and `after_ms` (1 or more) go together"),
            }
        }
        Ok(())
    }

    fn revert(&self, span: Range<usize>, spec: &RevertSpec) -> Result<Revert, ProductError> {
        let label = "[[revert]]";
        let after = match (spec.after_s, &spec.after) {
            (Some(seconds), None) if seconds.is_finite() && seconds > 0.0 => Operand::Value(seconds),
            (None, Some(name)) => self.operand(name, name.get_ref())?,
            _ => return Err(self.bad(span, label, "give one of `after_s`, above 0, and `after`")),
        };
        if spec.back.is_empty() {
            return Err(self.bad(span, label, "`back` names no set point"));
        }
        let mut back = Vec::new();
        for (point, to) in &spec.back {
            let to = match to {
                Fallback::Value(value) => Operand::Value(*value),
                Fallback::Name(name) => self.operand(point, name)?,
            };
            back.push((self.find(point, point.get_ref())?, to));
        }
        let remaining = spec.remaining.as_ref();
        Ok(Revert {
            back,
            after,
            remaining: remaining
                .map(|name| self.operand(name, name.get_ref()))
                .transpose()?,
        })
    }

    /// The register that holds, or the point, of this name.
    fn operand(&self, named: &Spanned<String>, name: &str) -> Result<Operand, ProductError> {
        match self.names.get(name) {
            Some(held) => Ok(*held),
            None => self.find(named, name).map(Operand::Point),
        }
    }

    fn with_unit(
        &self,
        mut format: NumberFormat,
        spec: &RegisterSpec,
        point: PointId,
    ) -> Result<NumberFormat, ProductError> {
        let def = self.points.def(point);
        format.rolls |= def.rolls;
        if let Some(given) = &spec.unit {
            let factor = unit::factor(given.get_ref(), def.unit).ok_or_else(|| ProductError::Unit {
                place: self.source.place(given.span()),
                name: format!("offset {}", spec.at).into(),
                unit: given.get_ref().as_str().into(),
                point: def.name.as_str().into(),
                point_unit: def.unit,
            })?;
            let (multiply, divide) = decimal(factor);
            (format.multiply, format.divide) = reduced(format.multiply * multiply, format.divide * divide);
            format.offset *= factor;
        }
        Ok(format)
    }

    fn find(&self, named: &Spanned<String>, name: &str) -> Result<PointId, ProductError> {
        self.points.find(name).ok_or_else(|| ProductError::UnknownPoint {
            place: self.source.place(named.span()),
            point: name.into(),
            nearest: pattern::nearest(name, self.points.iter().map(|(_, def)| def.name.as_str())),
        })
    }

    fn bad(&self, span: Range<usize>, name: &str, reason: &str) -> ProductError {
        refusal(self.source, span, name, reason)
    }
}

fn refusal(source: &Source, span: Range<usize>, name: &str, reason: &str) -> ProductError {
    ProductError::Register {
        place: source.place(span),
        name: name.into(),
        reason: reason.into(),
    }
}
