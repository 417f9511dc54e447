//! One row of a list: what it says by itself, and the registers it is once the habits of the list are known.

use std::collections::BTreeMap;

use bess_devices::codec::modbus::RegisterType;
use bess_devices::codec::modbus::listing::{Effects, Meaning, Register};
use bess_devices::finding::Finding;
use bess_types::Table;

use super::super::cells::{self, Written};
use super::super::columns::{Beside, Columns, Key};
use super::super::habits::Evidence;
use super::super::naming::{Bits, Values, bit_names, named};
use super::super::sheet::Row;
use super::super::table_in_words;
use super::super::types;
use super::super::types::{Form, Unread};
use super::{Reader, collapse, name_of_row, only_bits};

/// Registers one row may stand for.
pub(super) const MOST_EQUAL: u32 = 125;

/// A row that is a register, as far as it can be read by itself.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// As in the list.
    pub(super) address: String,
    pub(super) written: Written,
    /// Table that the row or its section names, and whether a writing function is named.
    pub(super) table: Option<(Table, bool)>,
    pub(super) form: Option<Result<Form, Unread>>,
    pub(super) low_word_first: Option<bool>,
    /// What its length cell says.
    pub(super) length: Option<u32>,
    pub(super) scale: f64,
    pub(super) access: Option<(bool, bool)>,
    pub(super) constant: String,
    pub(super) start: Option<f64>,
    /// What the row says already: name, unit and all that needs no other row.
    pub(super) register: Register,
    pub(super) notes: Vec<String>,
    /// What other columns of addresses say.
    pub(super) beside: Vec<Beside>,
}

impl Reader<'_> {
    /// What a row says by itself.
    pub(super) fn draft(&mut self, row: &Row, written: Written) -> Draft {
        let columns = self.columns.clone();
        let cell = |key| columns.cell(row, key);
        let place = self.place(row);
        let mut findings = Vec::new();
        let mut notes = Vec::new();
        let doubt = |message: String, help: &str| Finding::warning(&place, message, help);

        let function = cell(Key::Function);
        let mut table = cells::table(function);
        if table.is_none() && !function.is_empty() {
            findings.push(doubt(
                format!("`{function}` names no table"),
                "write a function code (1 to 4) or coil, discrete input, input, holding",
            ));
        }
        table = table.or(self.section_table.map(|table| (table, false)));

        let type_cell = cell(Key::Type);
        let (form, of_type) = match type_cell {
            "" | "-" | "/" => (None, Ok(None)),
            text => match types::kind(text) {
                Ok(kind) => (Some(Ok(kind.form)), kind.low_word_first),
                Err(why) => (Some(Err(why)), Ok(None)),
            },
        };

        let length_cell = cell(Key::Words);
        let length = cells::integer(length_cell)
            .and_then(|words| u32::try_from(words).ok())
            .filter(|words| (1..=0x2_0000).contains(words));
        if length.is_none() && !matches!(length_cell, "" | "-" | "/") {
            findings.push(doubt(
                format!("`{length_cell}` is no length"),
                "give the number of registers",
            ));
        }
        let head = columns.head(Key::Words).to_lowercase();
        let per_word = if head.contains("byte") {
            2
        } else if head.contains("bit") {
            16
        } else {
            1
        };
        let length = length.map(|length| length.div_ceil(per_word));

        let mut register = Register::at(Table::Holding, 0, place.clone());
        let scale = self.scaling(row, &mut register, &mut findings, &mut notes);

        let access_cell = cell(Key::Access);
        let access = cells::access(access_cell);
        if access.is_none() && !matches!(access_cell, "" | "-" | "/") {
            findings.push(doubt(
                format!("the access `{access_cell}` could not be read"),
                "write R, W or RW",
            ));
        }

        register.block = match cell(Key::Block) {
            "" => self.block(),
            block => block.to_owned(),
        };
        register.mirror = matches!(cell(Key::Mirror), "yes" | "y" | "1");
        register.name = collapse(cell(Key::Name));
        let mut descriptions: Vec<String> = (columns.texts(row, Key::Description).into_iter())
            .map(collapse)
            .collect();
        if register.name.is_empty() && !columns.has(Key::Name) && !descriptions.is_empty() {
            // lists without a column of names have them in the description
            register.name = descriptions.remove(0);
        }
        register.description = descriptions.join("; ");
        for values in columns.texts(row, Key::Values) {
            names_of(&mut register, values, Key::Values, &columns, &mut notes);
        }
        let bits = cell(Key::Bits);
        register.bit_names.extend(bit_names(bits));
        let one_bit = written.bit.map(|bit| (bit, bit)).or_else(|| only_bits(bits));
        if let Some(bit) = one_bit {
            let name = name_of_row(&columns, row);
            register
                .bit_names
                .insert(bit, if name.is_empty() { "bit".into() } else { name });
        } else if register.bit_names.is_empty() && !matches!(bits, "" | "-" | "/") {
            notes.push(format!("{}: {}", columns.head(Key::Bits), collapse(bits)));
        }
        let has_names = |register: &Register| !register.names.is_empty() || !register.bit_names.is_empty();
        let is_named = has_names(&register);
        for range in columns.texts(row, Key::Range) {
            if is_named {
                notes.push(format!("{}: {}", columns.head(Key::Range), collapse(range)));
            } else {
                names_of(&mut register, range, Key::Range, &columns, &mut notes);
            }
        }
        // A table of this rig has its names in columns of their own.
        if !has_names(&register) && !columns.has(Key::Constant) {
            let (mut values, mut all_bits) = (Values::new(), Bits::new());
            for text in columns.texts(row, Key::Description) {
                let (names, bits) = named(text);
                values.extend(names);
                all_bits.extend(bits);
            }
            // one number in a remark names nothing
            if values.len() >= 2 {
                register.names = values;
            }
            register.bit_names = all_bits;
        }
        let low_word_first = self.order_of_row(
            row,
            of_type,
            is_wide(form.as_ref(), length.or(written.last)),
            &register,
            &mut findings,
        );
        register.invalid = cells::integer(cell(Key::Invalid)).map(i64::cast_unsigned);
        register.values = pairs(cell(Key::PointValues))
            .into_iter()
            .filter_map(|(state, value)| Some((state, value.parse().ok()?)))
            .collect();
        register.roles = match cell(Key::Role) {
            "" => None,
            "nobody" => Some(vec![]),
            roles => Some(roles.split(',').map(|role| role.trim().to_owned()).collect()),
        };
        register.effects = effects(cell(Key::Effects));
        let point = cell(Key::Point);
        let point_bits = pairs(cell(Key::PointBits)).into_iter();
        let point_bits: BTreeMap<u8, String> = point_bits
            .filter_map(|(bit, point)| Some((bit.parse().ok()?, point)))
            .collect();
        if !point.is_empty() {
            register.meaning = Meaning::Point(point.to_owned());
        } else if !point_bits.is_empty() {
            register.meaning = Meaning::Bits(point_bits);
        }
        for (at, head) in columns.unknown() {
            let text = row.cells.get(at).map_or("", String::as_str);
            if !text.is_empty() {
                notes.push(format!("{}: {}", collapse(head), collapse(text)));
            }
        }
        for (at, text) in row.cells.iter().enumerate().skip(columns.heads.len()) {
            if !text.is_empty() {
                notes.push(format!("column {}: {}", at + 1, collapse(text)));
            }
        }
        let start = cells::factor(cell(Key::Default)).map(|(value, _)| value);
        if start.is_none() && !matches!(cell(Key::Default), "" | "-" | "--" | "/" | "N/A") {
            notes.push(format!(
                "{}: {}",
                columns.head(Key::Default),
                collapse(cell(Key::Default))
            ));
        }
        self.import.findings.extend(findings);
        Draft {
            address: collapse(cell(Key::Address)),
            written,
            table,
            form,
            low_word_first,
            length,
            scale,
            access,
            constant: cell(Key::Constant).to_owned(),
            start,
            register,
            notes,
            beside: self.columns.addresses_beside(row),
        }
    }
}

/// Whether a row has a number of several words, as far as it says so by itself; `None` of one that has bits alone, or none.
fn is_wide(form: Option<&Result<Form, Unread>>, more: Option<u32>) -> Option<bool> {
    match form {
        Some(Ok(Form::Number(kind))) => Some(kind.words() > 1),
        Some(Ok(Form::Whole { .. })) | None => Some(more.is_some_and(|more| more > 1)),
        Some(Ok(Form::Text(_) | Form::TextOf(_))) => Some(false),
        Some(Ok(Form::Bit | Form::Fill) | Err(_)) => None,
    }
}

/// Puts the names of values or bits that a cell has into a register; a text that has none is noted.
fn names_of(register: &mut Register, text: &str, key: Key, columns: &Columns, notes: &mut Vec<String>) {
    let (names, bits) = named(text);
    if names.is_empty() && bits.is_empty() {
        notes.push(format!("{}: {}", columns.head(key), collapse(text)));
    }
    register.names.extend(names);
    register.bit_names.extend(bits);
}

impl Draft {
    pub(super) fn evidence(&self) -> Evidence {
        Evidence {
            written: self.written,
            table: self.table.map(|(table, _)| table),
            wide: match &self.form {
                Some(Ok(Form::Bit)) => false,
                Some(_) => true,
                None => self.length.is_some_and(|length| length > 1),
            },
        }
    }

    /// Length of a text in its type, in bytes or registers, where nothing else of the row says how long it is.
    pub(super) fn length_of_text(&self) -> Option<u32> {
        match self.form {
            Some(Ok(Form::Text(length))) if self.length.is_none() && self.written.last.is_none() => length,
            _ => None,
        }
    }

    /// It says by its name that it means nothing.
    pub(super) fn is_reserved(&self) -> bool {
        is_reserved(&self.register.name)
    }

    pub(super) fn in_words(&self) -> String {
        let form = match &self.form {
            Some(Ok(Form::Number(kind))) => kind.name().to_owned(),
            Some(Err(unread)) => unread.why.clone(),
            _ => String::new(),
        };
        let parts = [
            self.address.as_str(),
            &self.register.name,
            &form,
            &self.register.unit,
            &self.register.description,
        ];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(" | ")
    }

    /// The register or registers of the row.
    pub(super) fn registers(
        self,
        table: Table,
        address: u32,
        low_word_first: bool,
        findings: &mut Vec<Finding>,
    ) -> Result<Vec<Register>, Box<Finding>> {
        let mut registers = self.by_type(table, address, low_word_first, findings)?;
        let mut told = false;
        for register in &mut registers {
            let bits = 16 * register.kind.words();
            let (place, name) = (&register.place, &register.name);
            register.bit_names.retain(|(first, last), bit| {
                let fits = u32::from(*last) < bits;
                if !fits && !told {
                    findings.push(Finding::warning(
                        place,
                        format!("bit {first} `{bit}` is not in the {bits} bits of `{name}`"),
                        "correct the bit, or the register's type",
                    ));
                }
                fits
            });
            // several values of one row have the same bits
            told = true;
        }
        Ok(registers)
    }

    /// Its registers, with all names of bits the row has.
    fn by_type(
        self,
        table: Table,
        address: u32,
        low_word_first: bool,
        findings: &mut Vec<Finding>,
    ) -> Result<Vec<Register>, Box<Finding>> {
        let place = self.register.place.clone();
        let mut register = self.register;
        register.table = table;
        register.address = address;
        register.low_word_first = low_word_first;
        let may_write = matches!(table, Table::Coil | Table::Holding);
        let (reads, writes) = self
            .access
            .unwrap_or((true, self.table.is_some_and(|(_, writes)| writes)));
        register.writable = writes && may_write;
        if writes && !may_write {
            findings.push(Finding::warning(
                &place,
                format!(
                    "`{}` is to be written, but {}s are read-only",
                    register.label(),
                    table_in_words(table)
                ),
                "it is taken as read-only; correct its function code or its access",
            ));
        }
        if writes && !reads {
            findings.push(Finding::note(
                &place,
                format!(
                    "`{}` is write-only in the list; here it can be read too",
                    register.label()
                ),
                "",
            ));
        }
        let bound = matches!(register.meaning, Meaning::Point(_) | Meaning::Bits(_));
        if register.is_bit() {
            if !bound {
                let start = self.start.map_or(0, |value| i64::from(value != 0.0));
                register.meaning = unbound(&self.constant, start, register.writable);
            }
            return Ok(vec![register]);
        }
        let ranged = self.written.last.map(|last| last - self.written.number + 1);
        let length = self.length.or(ranged);
        let is_reserved = is_reserved(&register.name);
        let filler = |register: &Register, words: u32, word: u16| Register {
            words,
            meaning: Meaning::Fill(word),
            writable: false,
            ..register.clone()
        };
        let kind = match &self.form {
            Some(Ok(form @ (Form::Text(_) | Form::TextOf(_)))) => {
                let of_type = match form {
                    Form::Text(bytes) => bytes.map(|bytes| bytes.div_ceil(2)),
                    Form::TextOf(words) => Some(*words),
                    _ => None,
                };
                let Some(words) = length.or(of_type).filter(|words| (1..0x1_0000).contains(words)) else {
                    return Err(Box::new(Finding::warning(
                        &place,
                        format!("row not used: `{}` is a text of unknown length", register.label()),
                        "give it a length in registers",
                    )));
                };
                let mut text = self.constant;
                while text.len() > 2 * words as usize {
                    text.pop();
                }
                register.words = words;
                register.meaning = Meaning::Text(text);
                register.writable = false;
                return Ok(vec![register]);
            }
            Some(Ok(Form::Fill)) => {
                let word = cells::integer(&self.constant).and_then(|word| u16::try_from(word & 0xFFFF).ok());
                return Ok(vec![filler(&register, length.unwrap_or(1), word.unwrap_or(0))]);
            }
            _ if is_reserved
                && !bound
                && !register.writable
                && self.constant.is_empty()
                && self.start.is_none() =>
            {
                let words = match &self.form {
                    Some(Ok(Form::Number(kind))) => kind.words(),
                    _ => 1,
                };
                return Ok(vec![filler(&register, length.unwrap_or(words), 0)]);
            }
            Some(Err(unread)) => {
                let words = length.or(unread.words).unwrap_or(1);
                let (why, name) = (&unread.why, register.label());
                findings.push(if unread.is_foreign {
                    Finding::warning(
                        &place,
                        format!("type not served: {why}; `{name}` is {words} x 0 and can carry no point"),
                        "take a register of 16, 32 or 64 bits or a 32-bit float that says the same, and correct the length \
                         if it is another one",
                    )
                } else {
                    Finding::warning(
                        &place,
                        format!("type not read: {why}; `{name}` is served as {words} x 0"),
                        "write a type such as u16, i32, f32 or string, and correct the length",
                    )
                });
                return Ok(vec![filler(&register, words, 0)]);
            }
            Some(Ok(Form::Number(kind))) => Some(*kind),
            Some(Ok(Form::Whole { signed })) => match (length.unwrap_or(1), signed) {
                (1, false) => Some(RegisterType::U16),
                (1, true) => Some(RegisterType::I16),
                (2, false) => Some(RegisterType::U32),
                (2, true) => Some(RegisterType::I32),
                (4, false) => Some(RegisterType::U64),
                (4, true) => Some(RegisterType::I64),
                _ => None,
            },
            Some(Ok(Form::Bit)) => Some(RegisterType::U16),
            None => match length.unwrap_or(1) {
                1 => Some(RegisterType::U16),
                2 => Some(RegisterType::U32),
                4 => Some(RegisterType::U64),
                _ => None,
            },
        };
        let words = length.unwrap_or_else(|| kind.map_or(1, RegisterType::words));
        let count = kind.map_or(0, |kind| {
            if words.is_multiple_of(kind.words()) {
                words / kind.words()
            } else {
                0
            }
        });
        let Some(kind) = kind.filter(|_| (1..=MOST_EQUAL).contains(&count)) else {
            let of_type = kind.map_or_else(|| "its type".to_owned(), |kind| format!("{kind}"));
            findings.push(Finding::warning(
                &place,
                format!(
                    "{words} registers do not fit {of_type}; `{}` is served as {words} x 0",
                    register.label()
                ),
                "correct its type or its length",
            ));
            return Ok(vec![filler(&register, words, 0)]);
        };
        register.kind = kind;
        register.words = kind.words();
        register.scale = self.scale;
        if !bound {
            let start = self
                .start
                .map(|value| raw(kind, (value - register.offset) / register.scale));
            register.meaning = unbound(&self.constant, start.unwrap_or(0), register.writable);
        }
        if count == 1 {
            return Ok(vec![register]);
        }
        findings.push(Finding::note(
            &place,
            format!(
                "`{}` has {words} registers of {kind}: taken as {count} values",
                register.label()
            ),
            "give it a type of that length if it is one value",
        ));
        let all = (0..count).map(|i| Register {
            address: register.address + i * kind.words(),
            name: format!("{} [{}]", register.name, i + 1),
            ..register.clone()
        });
        Ok(all.filter(|register| register.end() <= 0x1_0000).collect())
    }
}

fn is_reserved(name: &str) -> bool {
    let words = [
        "reserved",
        "reserve",
        "spare",
        "not used",
        "unused",
        "保留",
        "预留",
        "reserviert",
    ];
    words.contains(&name.to_lowercase().as_str())
}

/// What a register without a point says: what its list has as a raw constant, or its start value; one that may be written
/// keeps what is written, unless it is fixed.
fn unbound(constant: &str, start: i64, writable: bool) -> Meaning {
    if constant == "not implemented" {
        return Meaning::Nothing;
    }
    if let Some(value) = constant.strip_prefix("fixed ").and_then(cells::integer) {
        return Meaning::Constant(value);
    }
    let value = cells::integer(constant).unwrap_or(start);
    if writable {
        Meaning::Held(value)
    } else {
        Meaning::Constant(value)
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "a start value, cut to what its type holds"
)]
fn raw(kind: RegisterType, value: f64) -> i64 {
    if kind == RegisterType::F32 {
        return i64::from((value as f32).to_bits());
    }
    let (low, high) = kind.range();
    value.round().clamp(low, high) as i64
}

/// What `map doc` writes of effects.
fn effects(cell: &str) -> Effects {
    let mut effects = Effects::default();
    let (mut to, mut after) = (None, None);
    for (key, text) in pairs(cell) {
        match key.as_str() {
            "on_write" => effects.write_clears = true,
            "on_read" => effects.read_clears = true,
            "lossy" => effects.lossy = true,
            "returns_to" => to = text.parse().ok(),
            "after_ms" => after = text.parse().ok(),
            _ => {}
        }
    }
    effects.returns = to.zip(after);
    effects
}

/// `key: text` pairs, one a line or parted by semicolons.
pub(super) fn pairs(cell: &str) -> Vec<(String, String)> {
    let parts = cell.split(['\n', ';']);
    let pairs = parts.filter_map(|part| part.split_once(':'));
    pairs
        .map(|(key, text)| (key.trim().to_owned(), text.trim().to_owned()))
        .collect()
}
