//! From a vendor's list of registers to a register map. Everything concluded is said, and every row that cannot be used
//! is reported and kept as a comment.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use bess_devices::codec::modbus::listing::{Register, Revert};
use bess_devices::codec::modbus::{OutOfRangeWrite, ReadOnlyWrite};
use bess_devices::codec::pattern;
use bess_devices::finding::Finding;
use bess_devices::product::Place;
use bess_types::Table;
use regex::Regex;

use super::bindings::{Against, Bindings};
use super::cells::{self, Written};
use super::columns::{Columns, Key, Picked, is_hexadecimal};
use super::habits::{self, Base, Evidence};
use super::naming::{Bits, bit_range, named};
use super::quotes::Quote;
use super::sheet::{Row, Sheet};
use super::table_in_words;
use crate::mistake::Mistake;
use conclude::{like_thousands, without_marks};
use draft::{Draft, pairs};
use taken::Accepted;

mod beside;
mod conclude;
mod draft;
mod order;
mod scaling;
mod series;
mod taken;

/// The head of a list stands within so many rows.
pub(super) const HEADER_WITHIN: usize = 200;

/// What the user says about a list.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) columns: Vec<Picked>,
    pub(crate) base: Option<Base>,
    pub(crate) low_word_first: Option<bool>,
    /// Of rows whose list does not say it.
    pub(crate) table: Option<Table>,
    pub(crate) title: Option<String>,
}

/// A list that was read.
#[derive(Debug, Default)]
pub(crate) struct Import {
    pub(crate) title: String,
    pub(crate) read_only_write: ReadOnlyWrite,
    pub(crate) out_of_range_write: OutOfRangeWrite,
    pub(crate) items: Vec<Item>,
    pub(crate) reverts: Vec<Revert>,
    /// What was concluded, and why.
    pub(crate) said: Vec<String>,
    pub(crate) findings: Vec<Finding>,
}

/// What a row became, in the order of the list.
#[derive(Debug)]
pub(crate) enum Item {
    /// A register, and what else its row says.
    Register(Box<Register>, String),
    /// Kept as a comment.
    Remark(String),
}

impl Import {
    /// Reads a list of one sheet or several; `file` is what messages call it.
    pub(crate) fn of(file: &str, sheets: &[Sheet], wishes: &Wishes) -> Result<Self, Mistake> {
        let mut readers = Vec::new();
        for sheet in sheets {
            let mut reader = Reader::new(file, sheet, wishes)?;
            if sheets.len() > 1
                && let Some(name) = &sheet.name
            {
                reader.sheet_block.clone_from(name);
            }
            reader.read();
            readers.push(reader);
        }
        every_column_is_there(&readers, wishes)?;
        let told: Vec<(String, String)> = readers
            .iter()
            .map(|reader| (reader.file.clone(), reader.told.clone()))
            .collect();
        let mut import = Self::default();
        let mut accepted = Accepted::default();
        for reader in readers {
            let (file, name) = (reader.file.clone(), reader.sheet_block.clone());
            let before = accepted.items.len();
            let mut own = reader.resolve(&told, &mut accepted);
            let is_register = |item: &Item| matches!(item, Item::Register(..));
            let count = accepted.items[before..]
                .iter()
                .filter(|item| is_register(item))
                .count();
            if count == 0 {
                own.said
                    .push("no row could be read as a register of its own".into());
            }
            if !name.is_empty() {
                for said in &mut own.said {
                    *said = format!("sheet {name}: {said}");
                }
            }
            if import.title.is_empty() {
                import.title = own.title;
            }
            if own.read_only_write != ReadOnlyWrite::default() {
                import.read_only_write = own.read_only_write;
            }
            if own.out_of_range_write != OutOfRangeWrite::default() {
                import.out_of_range_write = own.out_of_range_write;
            }
            import.said.extend(own.said);
            import.findings.extend(own.findings);
            import.reverts.extend(own.reverts);
            if accepted.is_empty() && sheets.len() == 1 {
                return Err(no_register(&file, &import.findings));
            }
        }
        if accepted.is_empty() {
            return Err(no_register(file, &import.findings));
        }
        accepted.say_holes(&mut import.said);
        import.items = accepted.items;
        if let Some(title) = &wishes.title {
            import.title.clone_from(title);
        } else if import.title.is_empty() {
            import.title = match sheets {
                [Sheet { name: Some(name), .. }] => format!("Imported from {file}[{name}]"),
                _ => format!("Imported from {file}"),
            };
        }
        Ok(import)
    }

    pub(crate) fn registers(&self) -> impl Iterator<Item = &Register> {
        self.items.iter().filter_map(|item| match item {
            Item::Register(register, _) => Some(&**register),
            Item::Remark(_) => None,
        })
    }

    /// Puts the points of a binding table into the registers it names, held against those of a device if one is given.
    pub(crate) fn bind(
        &mut self,
        bindings: &Bindings,
        against: Option<&Against>,
    ) -> Result<(), Vec<Mistake>> {
        let registers = self.items.iter_mut().filter_map(|item| match item {
            Item::Register(register, _) => Some(&mut **register),
            Item::Remark(_) => None,
        });
        let findings = bindings.apply(registers.collect(), against)?;
        self.findings.extend(findings);
        Ok(())
    }
}

fn no_register(file: &str, findings: &[Finding]) -> Mistake {
    Mistake::new(
        format!("{file}: no row could be read as a register"),
        findings.first().map_or_else(
            || "name columns with --column".to_owned(),
            |first| {
                format!(
                    "the first row that could not: {}",
                    first.to_string().replace("\n    ", "; ")
                )
            },
        ),
    )
}

/// Every column picked by hand must be in some head.
fn every_column_is_there(readers: &[Reader<'_>], wishes: &Wishes) -> Result<(), Mistake> {
    let heads: BTreeSet<&str> = readers
        .iter()
        .flat_map(|reader| &reader.heads)
        .map(String::as_str)
        .filter(|head| !head.is_empty())
        .collect();
    let place = readers.first().map_or_else(String::new, |reader| {
        reader.place(&reader.sheet.rows[reader.header]).to_string()
    });
    match wishes
        .columns
        .iter()
        .find(|picked| !heads.iter().any(|head| picked.is(head)))
    {
        Some(picked) => Err(no_column(&place, picked, &heads)),
        None => Ok(()),
    }
}

fn no_column(place: &str, picked: &Picked, heads: &BTreeSet<&str>) -> Mistake {
    let all: Vec<_> = heads.iter().map(|head| head.replace('\n', " ")).collect();
    let help = match pattern::nearest(&picked.name, heads.iter().copied()) {
        Some(nearest) => format!("did you mean `{nearest}`? Heads are {}", all.join(", ")),
        None => format!("heads are {}", all.join(", ")),
    };
    let (key, name) = (picked.key.name(), &picked.name);
    Mistake::new(
        format!("{place}: no column has the head `{name}`, for --column {key}={name}"),
        help,
    )
}

enum Line {
    Register(Box<Draft>),
    Remark(String),
    /// Stands for rows that are left out, such as `...`: its number and text.
    Gap(usize, String),
}

struct Reader<'a> {
    file: String,
    sheet: &'a Sheet,
    wishes: &'a Wishes,
    columns: Columns,
    /// All heads that were met.
    heads: Vec<String>,
    header: usize,
    /// Name of its blocks, where there are several sheets.
    sheet_block: String,
    /// Table of the sheet's name or of its title.
    table: Option<Table>,
    /// Dots and commas in addresses part thousands.
    thousands: bool,
    /// Unit cells with a scale in them.
    scaled_units: Vec<String>,
    /// Names whose unit in brackets was taken.
    units_of_names: Vec<String>,
    /// Cells of scales or units with an offset in them, and that.
    offsets_beside: Vec<(String, f64)>,
    /// Rows whose remark says the order of words, and that.
    orders_of_remarks: Vec<(usize, String)>,
    /// Rows that named bits of the register above.
    bit_rows: usize,
    /// What is said about the whole list: the text above it and the titles in it.
    told: String,
    import: Import,
    section: String,
    section_table: Option<Table>,
    lines: Vec<Line>,
}

impl<'a> Reader<'a> {
    fn new(file: &str, sheet: &'a Sheet, wishes: &'a Wishes) -> Result<Self, Mistake> {
        let file = match &sheet.name {
            Some(name) => format!("{file}[{name}]"),
            None => file.to_owned(),
        };
        let heads = sheet.rows.iter().enumerate().take(HEADER_WITHIN);
        let found = heads.filter_map(|(at, row)| {
            let columns = Columns::of(row, &wishes.columns)?;
            Some((columns.known().count(), core::cmp::Reverse(at), columns))
        });
        let Some((_, core::cmp::Reverse(header), columns)) = found.max_by_key(|(count, at, _)| (*count, *at))
        else {
            if let Some(quote) = sheet.quotes.first() {
                return Err(Mistake::new(
                    format!("{file}:{}: {}", quote.line, quote.in_words()),
                    Quote::REMEDY,
                ));
            }
            let is_word = |cell: &&str| {
                cell.contains(char::is_alphabetic) && !cell.contains(|c: char| c.is_ascii_digit())
            };
            let rows = sheet.rows.iter().enumerate().take(HEADER_WITHIN);
            let likest = rows
                .max_by_key(|(at, row)| {
                    let words = row.filled().filter(is_word).count();
                    (words, row.filled().count(), core::cmp::Reverse(*at))
                })
                .map(|(_, row)| row);
            let cells: BTreeSet<&str> = likest.iter().flat_map(|row| row.filled()).collect();
            let missing = wishes.columns.iter().find(|picked| {
                let mut rows = sheet.rows.iter().take(HEADER_WITHIN);
                !rows.any(|row| row.filled().any(|cell| picked.is(cell)))
            });
            if let Some(picked) = missing {
                return Err(no_column(&file, picked, &cells));
            }
            let seen = match likest {
                Some(row) => format!(
                    "the row most like one is {} {}: {}",
                    sheet.unit_of_place(),
                    row.number,
                    short(&one_line(row))
                ),
                None => "it has no rows".into(),
            };
            return Err(Mistake::new(
                format!("{file}: no row names a column of addresses and one of anything else"),
                format!("{seen}; name columns with --column, as in --column address=HEAD --column name=HEAD"),
            ));
        };
        Ok(Self {
            file,
            sheet,
            wishes,
            heads: columns.heads.clone(),
            columns,
            header,
            sheet_block: String::new(),
            table: None,
            thousands: false,
            scaled_units: Vec::new(),
            units_of_names: Vec::new(),
            offsets_beside: Vec::new(),
            orders_of_remarks: Vec::new(),
            bit_rows: 0,
            told: String::new(),
            import: Import {
                said: sheet.said.clone(),
                ..Import::default()
            },
            section: String::new(),
            section_table: None,
            lines: Vec::new(),
        })
    }

    /// Reads the rows, each by itself.
    fn read(&mut self) {
        if !self.sheet_block.is_empty() {
            self.lines
                .push(Line::Remark(format!("sheet {}", self.sheet_block)));
        }
        for row in &self.sheet.rows[..self.header] {
            self.preamble(row);
        }
        for quote in &self.sheet.quotes {
            let finding = Finding::warning(&self.place_of(quote.line), quote.in_words(), Quote::REMEDY);
            self.import.findings.push(finding);
        }
        self.say_columns();
        self.say_table();
        self.find_thousands();
        let sheet = self.sheet;
        for row in &sheet.rows[self.header + 1..] {
            let cells: Vec<_> = row.filled().collect();
            if cells.first() == Some(&"message") && cells.contains(&"signal") {
                self.import.said.push(format!(
                    "from {} {} on there are CAN signals, which are no registers",
                    self.sheet.unit_of_place(),
                    row.number
                ));
                break;
            }
            self.row(row);
        }
        if let Some(first) = self.scaled_units.first() {
            let (scale, unit) = cells::scaled_unit(first);
            self.import.said.push(format!(
                "{} units have a scale in front, which is taken: \"{first}\" is scale {} and unit {}",
                self.scaled_units.len(),
                scale.unwrap_or(1.0),
                if unit.is_empty() { "none" } else { &unit },
            ));
        }
        if let Some(first) = self.units_of_names.first() {
            self.import.said.push(format!(
                "{} names have their unit in brackets, which is taken, as in \"{first}\"",
                self.units_of_names.len()
            ));
        }
        if let Some((cell, offset)) = self.offsets_beside.first() {
            self.import.said.push(format!(
                "{} cells have an offset beside the scale or the unit, which is taken: that of \"{cell}\" is {offset}",
                self.offsets_beside.len()
            ));
        }
        if let Some((number, told)) = self.orders_of_remarks.first() {
            self.import.said.push(format!(
                "{} rows say their order of words in a remark, which is taken, as {} {number}: \"{told}\"",
                self.orders_of_remarks.len(),
                self.sheet.unit_of_place()
            ));
        }
        if self.bit_rows > 0 {
            self.import.said.push(format!(
                "{} rows name bits of the register above them",
                self.bit_rows
            ));
        }
    }

    /// What registers of no block of their own belong to.
    fn block(&self) -> String {
        match (self.sheet_block.as_str(), self.section.as_str()) {
            (sheet, "") => sheet.to_owned(),
            ("", section) => section.to_owned(),
            (sheet, section) => format!("{sheet}: {section}"),
        }
    }

    fn place(&self, row: &Row) -> Place {
        self.place_of(row.number)
    }

    fn place_of(&self, line: usize) -> Place {
        Place {
            file: self.file.as_str().into(),
            line,
            span: 0..0,
        }
    }

    /// A row above the list.
    fn preamble(&mut self, row: &Row) {
        let text = one_line(row);
        if text.is_empty() {
            return;
        }
        let second = row.cells.get(1).map_or("", String::as_str);
        let known = |names: &[&'static str]| names.iter().position(|name| *name == second);
        match row.cells[0].as_str() {
            "title" if !second.is_empty() => {
                second.clone_into(&mut self.import.title);
                return;
            }
            "revert" if self.columns.has(Key::Constant) => {
                let cell = |at| row.cells.get(at).map_or("", String::as_str);
                self.import.reverts.push(Revert {
                    back: pairs(second),
                    after: cell(2).to_owned(),
                    remaining: Some(cell(3).to_owned()).filter(|name| !name.is_empty()),
                });
                return;
            }
            "read_only_write" => {
                if let Some(at) = known(&ReadOnlyWrite::ALL.map(ReadOnlyWrite::name)) {
                    self.import.read_only_write = ReadOnlyWrite::ALL[at];
                    return;
                }
            }
            "out_of_range_write" => {
                if let Some(at) = known(&OutOfRangeWrite::ALL.map(OutOfRangeWrite::name)) {
                    self.import.out_of_range_write = OutOfRangeWrite::ALL[at];
                    return;
                }
            }
            _ => {}
        }
        self.told += &text;
        self.told.push('\n');
        self.lines.push(Line::Remark(text));
    }

    /// A row of the list or between its parts.
    fn row(&mut self, row: &Row) {
        let columns = self.columns.clone();
        let cell = |key| columns.cell(row, key);
        let address = cell(Key::Address);
        let filled = row.filled().count();
        if filled == 0 {
            return;
        }
        let hex = is_hexadecimal(columns.head(Key::Address));
        let is_doubtful = like_thousands(address) && !self.thousands;
        let written = if is_doubtful {
            None
        } else if self.thousands && like_thousands(address) {
            cells::address(&without_marks(address), hex)
        } else {
            cells::address(address, hex)
        };
        if let Some(written) = written {
            if !self.adds_bit(row, written) {
                let draft = self.draft(row, written);
                self.lines.push(Line::Register(Box::new(draft)));
            }
            if series::goes_on_behind(address) {
                self.lines.push(Line::Gap(row.number, collapse(address)));
            }
        } else if let Some(next) = Columns::of(row, &self.wishes.columns) {
            // the head once more, maybe with other columns
            self.heads.extend(next.heads.iter().cloned());
            self.columns = next;
        } else if is_doubtful {
            let message = format!(
                "row not used: is `{address}` register {}, or a bit of a register?: {}",
                without_marks(address),
                short(&one_line(row))
            );
            let help = "it is kept as a comment; write the address without a mark, or a bit as in 40001.3";
            self.not_used(row, message, help);
        } else if series::is_gap(row, &columns) {
            self.lines.push(Line::Gap(row.number, one_line(row)));
        } else if let Some(bits) = bits_of_row(row, address) {
            self.names_bits(row, bits);
        } else if filled == 1 {
            self.title(row);
        } else if address.is_empty() && self.continues(row) {
        } else {
            let what = if address.is_empty() {
                "it has no address".to_owned()
            } else {
                format!("`{address}` is no address")
            };
            let message = format!("row not used: {what}: {}", short(&one_line(row)));
            let help = "it is kept as a comment; give it an address if it is a register";
            self.not_used(row, message, help);
        }
    }

    /// A row that is kept as a comment.
    fn not_used(&mut self, row: &Row, message: String, help: &str) {
        let finding = Finding::warning(&self.place(row), message, help);
        self.import.findings.push(finding);
        self.lines.push(Line::Remark(format!(
            "{} {}, not used: {}",
            self.sheet.unit_of_place(),
            row.number,
            one_line(row)
        )));
    }

    /// A line of its own between registers: what follows belongs to it.
    fn title(&mut self, row: &Row) {
        let text = one_line(row);
        let lower = text.to_lowercase();
        let tells_table = ["function", "fc", "holding", "input reg", "coil", "discrete"];
        let tells_table = tells_table.iter().any(|word| lower.contains(word));
        let of_words = || {
            cells::table(&text)
                .filter(|_| tells_table)
                .map(|(table, _)| table)
        };
        if let Some(table) = cells::table_of_title(&text).or_else(of_words) {
            self.section_table = Some(table);
            self.import.said.push(format!(
                "\"{text}\" in {} {}: what follows are {}s",
                self.sheet.unit_of_place(),
                row.number,
                table_in_words(table)
            ));
        }
        self.told += &text;
        self.told.push('\n');
        self.lines.push(Line::Remark(text.clone()));
        self.section = text;
    }

    fn last_draft(&mut self) -> Option<&mut Draft> {
        match self.lines.iter_mut().rfind(|line| !matches!(line, Line::Gap(..))) {
            Some(Line::Register(draft)) => Some(draft),
            _ => None,
        }
    }

    /// A row about one bit of the register above.
    fn adds_bit(&mut self, row: &Row, written: Written) -> bool {
        let columns = self.columns.clone();
        let bits = columns.cell(row, Key::Bits);
        let bit = written.bit.map(|bit| (bit, bit)).or_else(|| only_bits(bits));
        let text = name_of_row(&columns, row);
        let Some(bit) = bit.filter(|_| !text.is_empty()) else {
            return false;
        };
        let Some(last) = self.last_draft() else {
            return false;
        };
        if last.written.number != written.number {
            return false;
        }
        self.name_bit(row, bit, &text);
        true
    }

    /// A row of its own about bits of the register above.
    fn names_bits(&mut self, row: &Row, bits: Bits) {
        if self.last_draft().is_none() {
            let message = format!(
                "row not used: no register is above these bits: {}",
                short(&one_line(row))
            );
            let help = "it is kept as a comment; put it right below its register, or give it the address";
            self.not_used(row, message, help);
            return;
        }
        self.bit_rows += 1;
        for (bit, text) in bits {
            self.name_bit(row, bit, &text);
        }
    }

    /// Names bits of the register read last.
    fn name_bit(&mut self, row: &Row, bit: (u8, u8), text: &str) {
        let Some(last) = self.last_draft() else {
            return;
        };
        let before = last.register.bit_names.insert(bit, text.to_owned());
        if let Some(before) = before.filter(|before| *before != text) {
            let place = self.place(row);
            self.import.findings.push(Finding::warning(
                &place,
                format!(
                    "bit {} is `{before}` already, and `{text}` here, which is taken",
                    bit.0
                ),
                "correct one of the two; a workbook shows bit 10 as 40001.1 if its cell is a number",
            ));
        }
    }

    /// A row without an address that says more about the register above.
    fn continues(&mut self, row: &Row) -> bool {
        let columns = self.columns.clone();
        let bits = columns.cell(row, Key::Bits);
        let text = name_of_row(&columns, row);
        let Some(last) = self.last_draft() else {
            return false;
        };
        let register = &mut last.register;
        if let Some(bit) = only_bits(bits).filter(|_| !text.is_empty()) {
            register.bit_names.insert(bit, text);
            return true;
        }
        let more = row.cells.join("\n");
        let (names, bits) = named(&more);
        let found = !names.is_empty() || !bits.is_empty();
        register.names.extend(names);
        register.bit_names.extend(bits);
        found
    }

    /// Everything that needs more than one row: habits of addresses and lengths, word order, overlaps.
    fn resolve(mut self, told: &[(String, String)], accepted: &mut Accepted) -> Import {
        let lines = core::mem::take(&mut self.lines);
        let evidence: Vec<Evidence> = drafts_of(&lines).iter().map(|draft| draft.evidence()).collect();
        let header = self.place(&self.sheet.rows[self.header]);
        let (habit, said) = habits::of(&evidence, self.wishes.base, &self.told);
        for (text, is_guess) in said {
            if is_guess && !evidence.is_empty() {
                let help = "the vendor's manual says whether the first register is 0 or 1";
                self.import
                    .findings
                    .push(Finding::warning(&header, format!("off by one? {text}"), help));
            } else {
                self.import.said.push(text);
            }
        }
        let lines = self.fill_gaps(lines, habit);
        let drafts = drafts_of(&lines);
        self.addresses_beside(&drafts, habit);
        let per_word = self.lengths(&drafts);
        let of_texts = self.texts_in_registers(&drafts, habit);
        let low_word_first = self.word_order(&drafts, told);
        self.suspect_factors(&drafts, &header);
        let unit = self.sheet.unit_of_place();
        accepted.unit = unit;
        let mut untyped = Vec::new();
        let mut untold = 0;
        for line in lines {
            let mut draft = match line {
                Line::Remark(text) | Line::Gap(_, text) => {
                    accepted.items.push(Item::Remark(text));
                    continue;
                }
                Line::Register(draft) => draft,
            };
            draft.length = draft.length.map(|length| length.div_ceil(per_word));
            if of_texts {
                draft.length = draft.length.or(draft.length_of_text());
            }
            let number = draft.register.place.line;
            let kept = format!("{unit} {number}, not used: {}", draft.in_words());
            let Some((table, wire)) = habit.wire(draft.written) else {
                self.import.findings.push(Finding::warning(
                    &draft.register.place,
                    format!(
                        "row not used: {} is no address between 0 and 65535 on the wire",
                        draft.address
                    ),
                    "correct the address, or give --base",
                ));
                accepted.items.push(Item::Remark(kept));
                continue;
            };
            let of_row = draft.table.map(|(table, _)| table).or(table).or(self.table);
            untold += usize::from(of_row.is_none());
            let table = of_row.or(self.wishes.table).unwrap_or(Table::Holding);
            let is_wide = matches!(table, Table::Holding | Table::Input);
            if draft.form.is_none() && is_wide && !draft.is_reserved() {
                untyped.push(number);
            }
            let order = draft.low_word_first.unwrap_or(low_word_first);
            let mut note = format!("{unit} {number}, {}", draft.address);
            for text in &draft.notes {
                note += "; ";
                note += text;
            }
            match draft.registers(table, wire, order, &mut self.import.findings) {
                Ok(registers) => {
                    for register in registers {
                        let has_raw = self.columns.has(Key::Constant);
                        accepted.take(register, has_raw, &note, &kept, &mut self.import.findings);
                    }
                }
                Err(finding) => {
                    self.import.findings.push(*finding);
                    accepted.items.push(Item::Remark(kept));
                }
            }
        }
        self.say_untold(untold);
        self.say_untyped(&untyped, &header);
        self.import.findings.sort_by_key(|finding| finding.place.line);
        self.import
    }
}

fn drafts_of(lines: &[Line]) -> Vec<&Draft> {
    let drafts = lines.iter().filter_map(|line| match line {
        Line::Register(draft) => Some(&**draft),
        Line::Remark(_) | Line::Gap(..) => None,
    });
    drafts.collect()
}

/// Bits a row without an address names and nothing else: `Bit 0: Fan`, `b0: Fan`, or `Bit 0` and its name in the next cell.
fn bits_of_row(row: &Row, address: &str) -> Option<Bits> {
    static BIT: LazyLock<Regex> =
        LazyLock::new(|| cells::regex(r"(?i)^(?:bits?|[bd]|第?位|第)\s*[.#_\[-]?\s*\d"));
    static ALONE: LazyLock<Regex> =
        LazyLock::new(|| cells::regex(r"(?i)^(?:bits?|第?位|第)\s*[.#_\[-]?\s*\d[\s\d.~～-]*\]?位?$"));
    let cells: Vec<&str> = row.filled().collect();
    let first = *cells.first().filter(|first| BIT.is_match(first))?;
    if cells.len() > 1 && ALONE.is_match(first) {
        return Some(Bits::from([(bit_range(first)?, collapse(cells[1]))]));
    }
    let has_no_address = address.is_empty() || address == first;
    let (_, bits) = named(first);
    (has_no_address && !bits.is_empty()).then_some(bits)
}

/// A row's cells in one line.
fn one_line(row: &Row) -> String {
    let cells: Vec<_> = row.filled().map(collapse).collect();
    cells.join(" | ")
}

/// A line of a list in a message: not more than a line of it, and nothing that moves a cursor.
fn short(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    match text.char_indices().nth(120) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

/// Without line breaks and double spaces.
fn collapse(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ")
}

fn name_of_row(columns: &Columns, row: &Row) -> String {
    let name = columns.cell(row, Key::Name);
    let name = if name.is_empty() {
        columns.cell(row, Key::Description)
    } else {
        name
    };
    collapse(name)
}

/// The bits of a cell that has nothing else in it.
fn only_bits(cell: &str) -> Option<(u8, u8)> {
    let rest = cell
        .to_lowercase()
        .replace("bit", "")
        .replace(['b', 'd', '-', '~', '.', ' ', '位'], "");
    if rest.is_empty() || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    bit_range(cell)
}

#[cfg(test)]
mod tests;
