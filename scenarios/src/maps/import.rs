//! From a vendor's list of registers to a register map. Everything concluded is said, and every row that cannot be used
//! is reported and kept as a comment.

use std::collections::{BTreeMap, BTreeSet};

use bess_devices::codec::modbus::listing::{Meaning, Register};
use bess_devices::codec::modbus::{OutOfRangeWrite, ReadOnlyWrite};
use bess_devices::finding::Finding;
use bess_devices::product::Place;
use bess_types::Table;

use super::bindings::Bindings;
use super::cells::{self, Form, Written};
use super::columns::{Columns, Key, Picked};
use super::habits::{self, Base, Evidence};
use super::sheet::{Row, Sheet};
use super::table_in_words;
use crate::mistake::Mistake;
use draft::Draft;

mod draft;

/// The head of a list stands within so many rows.
pub(super) const HEADER_WITHIN: usize = 200;

/// What the user says about a list.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) columns: Vec<Picked>,
    pub(crate) base: Option<Base>,
    pub(crate) low_word_first: Option<bool>,
    pub(crate) title: Option<String>,
}

/// A list that was read.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) title: String,
    pub(crate) read_only_write: ReadOnlyWrite,
    pub(crate) out_of_range_write: OutOfRangeWrite,
    pub(crate) items: Vec<Item>,
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
    /// Reads a list; `file` is what messages call it.
    pub(crate) fn of(file: &str, sheet: &Sheet, wishes: &Wishes) -> Result<Self, Mistake> {
        Reader::new(file, sheet, wishes)?.read()
    }

    pub(crate) fn registers(&self) -> impl Iterator<Item = &Register> {
        self.items.iter().filter_map(|item| match item {
            Item::Register(register, _) => Some(&**register),
            Item::Remark(_) => None,
        })
    }

    /// Puts the points of a binding table into the registers it names.
    pub(crate) fn bind(&mut self, bindings: &Bindings) -> Result<(), Mistake> {
        let registers = self.items.iter_mut().filter_map(|item| match item {
            Item::Register(register, _) => Some(&mut **register),
            Item::Remark(_) => None,
        });
        bindings.apply(registers.collect())
    }
}

enum Line {
    Register(Box<Draft>),
    Remark(String),
}

struct Reader<'a> {
    file: String,
    sheet: &'a Sheet,
    wishes: &'a Wishes,
    columns: Columns,
    header: usize,
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
            let widest = sheet
                .rows
                .iter()
                .take(HEADER_WITHIN)
                .max_by_key(|row| row.filled().count());
            let seen = match widest {
                Some(row) => format!("the row most like one is {}: {}", row.number, one_line(row)),
                None => "it has no rows".into(),
            };
            return Err(Mistake::new(
                format!("{file}: no row names a column of addresses and one of anything else"),
                format!("{seen}; name columns with --column, as in --column address=HEAD --column name=HEAD"),
            ));
        };
        for picked in &wishes.columns {
            if !columns.known().any(|(key, _)| key == picked.key) {
                let heads: Vec<_> = columns
                    .heads
                    .iter()
                    .filter(|head| !head.is_empty())
                    .cloned()
                    .collect();
                return Err(Mistake::new(
                    format!(
                        "{file}:{}: there is no column `{}` for --column {}",
                        sheet.rows[header].number,
                        picked.name,
                        picked.key.name()
                    ),
                    format!("columns are {}", heads.join(", ")),
                ));
            }
        }
        let title = wishes
            .title
            .clone()
            .unwrap_or_else(|| format!("Imported from {file}"));
        Ok(Self {
            file,
            sheet,
            wishes,
            columns,
            header,
            told: String::new(),
            import: Import {
                title,
                read_only_write: ReadOnlyWrite::default(),
                out_of_range_write: OutOfRangeWrite::default(),
                items: Vec::new(),
                said: sheet.said.clone(),
                findings: Vec::new(),
            },
            section: String::new(),
            section_table: None,
            lines: Vec::new(),
        })
    }

    fn read(mut self) -> Result<Import, Mistake> {
        for row in &self.sheet.rows[..self.header] {
            self.preamble(row);
        }
        self.say_columns();
        let sheet = self.sheet;
        for row in &sheet.rows[self.header + 1..] {
            let cells: Vec<_> = row.filled().collect();
            if cells.first() == Some(&"message") && cells.contains(&"signal") {
                self.import.said.push(format!(
                    "from {} on there are CAN signals, which are no registers",
                    row.number
                ));
                break;
            }
            self.row(row);
        }
        let file = self.file.clone();
        let import = self.resolve();
        if import.registers().next().is_none() {
            return Err(Mistake::new(
                format!("{file}: no row could be read as a register"),
                import.findings.first().map_or_else(
                    || "name columns with --column".to_owned(),
                    |first| {
                        format!(
                            "the first row that could not: {}",
                            first.to_string().replace("\n    ", "; ")
                        )
                    },
                ),
            ));
        }
        Ok(import)
    }

    fn place(&self, row: &Row) -> Place {
        Place {
            file: self.file.as_str().into(),
            line: row.number,
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
                if self.wishes.title.is_none() {
                    second.clone_into(&mut self.import.title);
                }
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

    fn say_columns(&mut self) {
        let row = self.sheet.rows[self.header].number;
        let heads: Vec<_> = self
            .columns
            .known()
            .filter(|(key, _)| *key != Key::Number)
            .map(|(key, head)| format!("{} is \"{}\"", key.name(), head.replace('\n', " ")))
            .collect();
        self.import
            .said
            .push(format!("the head is in row {row}: {}", heads.join(", ")));
        let unknown: Vec<_> = self
            .columns
            .unknown()
            .map(|(_, head)| format!("\"{}\"", head.replace('\n', " ")))
            .collect();
        if !unknown.is_empty() {
            self.import.said.push(format!(
                "columns kept as comments: {}; --column KEY=NAME gives one a meaning",
                unknown.join(", ")
            ));
        }
        self.told += self.columns.head(Key::Address);
        self.told.push('\n');
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
        let hex = columns.head(Key::Address).to_lowercase().contains("hex");
        if let Some(written) = cells::address(address, hex) {
            if !self.adds_bit(row, written) {
                let draft = self.draft(row, written);
                self.lines.push(Line::Register(Box::new(draft)));
            }
        } else if let Some(next) = Columns::of(row, &self.wishes.columns) {
            // the head once more, maybe with other columns
            self.columns = next;
        } else if filled == 1 {
            self.title(row);
        } else if address.is_empty() && self.continues(row) {
        } else {
            let what = if address.is_empty() {
                "it has no address".to_owned()
            } else {
                format!("`{address}` is no address")
            };
            let finding = Finding::warning(
                &self.place(row),
                format!("row not used: {what}: {}", one_line(row)),
                "it is kept as a comment; give it an address if it is a register",
            );
            self.import.findings.push(finding);
            self.lines.push(Line::Remark(format!(
                "{} {}, not used: {}",
                self.unit_of_place(),
                row.number,
                one_line(row)
            )));
        }
    }

    fn unit_of_place(&self) -> &'static str {
        if self.sheet.name.is_some() { "row" } else { "line" }
    }

    /// A line of its own between registers: what follows belongs to it.
    fn title(&mut self, row: &Row) {
        let text = one_line(row);
        let lower = text.to_lowercase();
        let tells_table = ["function", "fc", "holding", "input reg", "coil", "discrete"];
        if tells_table.iter().any(|word| lower.contains(word)) {
            self.section_table = cells::table(&text).map(|(table, _)| table);
            if let Some(table) = self.section_table {
                let said = format!(
                    "\"{text}\" in {}: what follows are {}s",
                    row.number,
                    table_in_words(table)
                );
                self.import.said.push(said);
            }
        }
        self.told += &text;
        self.told.push('\n');
        self.lines.push(Line::Remark(text.clone()));
        self.section = text;
    }

    fn last_draft(&mut self) -> Option<&mut Draft> {
        match self.lines.last_mut() {
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
        last.register.bit_names.insert(bit, text);
        true
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
        let names = cells::names(&more);
        let bits = cells::bit_names(&more, false);
        let found = !names.is_empty() || !bits.is_empty();
        register.names.extend(names);
        register.bit_names.extend(bits);
        found
    }

    /// Everything that needs more than one row: habits of addresses and lengths, word order, overlaps.
    fn resolve(mut self) -> Import {
        let lines = core::mem::take(&mut self.lines);
        let drafts: Vec<&Draft> = lines
            .iter()
            .filter_map(|line| match line {
                Line::Register(draft) => Some(&**draft),
                Line::Remark(_) => None,
            })
            .collect();
        let evidence: Vec<Evidence> = drafts.iter().map(|draft| draft.evidence()).collect();
        let header = self.place(&self.sheet.rows[self.header]);
        let (habit, said) = habits::of(&evidence, self.wishes.base, &self.told);
        for (text, is_guess) in said {
            if is_guess && !drafts.is_empty() {
                let help = "the vendor's manual says whether the first register is 0 or 1";
                self.import
                    .findings
                    .push(Finding::warning(&header, format!("off by one? {text}"), help));
            } else {
                self.import.said.push(text);
            }
        }
        let per_word = self.lengths(&drafts);
        let low_word_first = self.word_order(&drafts);
        self.suspect_factors(&drafts, &header);
        let untyped = drafts.iter().filter(|draft| draft.form.is_none()).count();
        if untyped > 0 {
            self.import.said.push(format!(
                "{untyped} rows have no type: u16, or u32 and u64 by their length, is taken"
            ));
        }
        let unit = self.unit_of_place();
        let mut accepted = Accepted::default();
        for line in lines {
            let mut draft = match line {
                Line::Remark(text) => {
                    self.import.items.push(Item::Remark(text));
                    continue;
                }
                Line::Register(draft) => draft,
            };
            draft.length = draft.length.map(|length| length.div_ceil(per_word));
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
                self.import.items.push(Item::Remark(kept));
                continue;
            };
            let table = draft
                .table
                .map(|(table, _)| table)
                .or(table)
                .unwrap_or(Table::Holding);
            let order = draft.low_word_first.unwrap_or(low_word_first);
            let mut note = format!("{unit} {number}, {}", draft.address);
            for text in &draft.notes {
                note += "; ";
                note += text;
            }
            match draft.registers(table, wire, order, &mut self.import.findings) {
                Ok(registers) => {
                    for register in registers {
                        self.accept(&mut accepted, register, &note, &kept);
                    }
                }
                Err(finding) => {
                    self.import.findings.push(*finding);
                    self.import.items.push(Item::Remark(kept));
                }
            }
        }
        self.say_holes(&accepted);
        self.import.findings.sort_by_key(|finding| finding.place.line);
        self.import
    }

    /// How many of the length column's units make a word: lengths in bytes or bits give themselves away.
    fn lengths(&mut self, drafts: &[&Draft]) -> u32 {
        let sized: Vec<(u32, u32)> = drafts
            .iter()
            .filter_map(|draft| match draft.form {
                Some(Ok(Form::Number(kind))) => Some((draft.length?, kind.words())),
                _ => None,
            })
            .collect();
        for (per_word, unit) in [(2, "bytes"), (16, "bits")] {
            // rows of several equal values may have more
            let exact = sized.iter().filter(|(length, words)| *length == words * per_word);
            let in_words = sized.iter().any(|(length, words)| length == words);
            if sized.len() >= 2 && !in_words && exact.count() * 5 >= sized.len() * 4 {
                self.import.said.push(format!(
                    "lengths count {unit}: they are {per_word} times the words of their types"
                ));
                return per_word;
            }
        }
        1
    }

    fn word_order(&mut self, drafts: &[&Draft]) -> bool {
        let wide = |draft: &&Draft| {
            draft.low_word_first.is_none()
                && match draft.form {
                    Some(Ok(Form::Number(kind))) => kind.words() > 1,
                    Some(Ok(Form::Whole { .. })) | None => draft.length.is_some_and(|length| length > 1),
                    _ => false,
                }
        };
        if !drafts.iter().any(wide) {
            return false;
        }
        let in_words = |low: bool| if low { "low word first" } else { "high word first" };
        if let Some(low) = self.wishes.low_word_first {
            self.import.said.push(format!(
                "values of several words have the {} (--word-order)",
                in_words(low)
            ));
            return low;
        }
        for line in self.told.lines() {
            match cells::word_order(line) {
                Ok(Some(low)) => {
                    self.import.said.push(format!(
                        "the list says \"{line}\": values of several words have the {}",
                        in_words(low)
                    ));
                    return low;
                }
                Ok(None) => {}
                Err(why) => {
                    let place = self.place(&self.sheet.rows[self.header]);
                    let help = "ask the vendor; high word first is taken";
                    self.import
                        .findings
                        .push(Finding::warning(&place, format!("\"{line}\": {why}"), help));
                }
            }
        }
        self.import.said.push(
            "the list does not say which word of a long value comes first: the high one is taken; give --word-order \
             low-first if it is the low one"
                .into(),
        );
        false
    }

    /// A scale of 10 may mean that a raw 10 is 1.
    fn suspect_factors(&mut self, drafts: &[&Draft], header: &Place) {
        if !self.columns.has(Key::Scale) {
            return;
        }
        let fractions = drafts.iter().any(|draft| draft.scale.abs() < 1.0);
        let above = drafts.iter().filter(|draft| draft.scale.abs() > 1.0).count();
        if above > 0 && !fractions {
            let head = self.columns.head(Key::Scale).replace('\n', " ");
            self.import.findings.push(Finding::warning(
                header,
                format!("all factors in \"{head}\" are 1 or more; value = raw x factor is taken"),
                format!("give --column gain=\"{head}\" if value = raw / factor"),
            ));
        }
    }

    /// Takes a register in, unless another has its place.
    fn accept(&mut self, accepted: &mut Accepted, mut register: Register, note: &str, kept: &str) {
        if let Some(at) = accepted.overlapping(&register)
            && let Item::Register(other, _) = &mut self.import.items[at]
        {
            let same = other.address == register.address
                && other.words == register.words
                && other.kind == register.kind;
            if same && other.writable != register.writable {
                other.writable = true;
                if let Meaning::Constant(start) = other.meaning {
                    other.meaning = Meaning::Held(start);
                }
                let line = other.place.line;
                self.import.findings.push(Finding::note(
                    &register.place,
                    format!("listed in {line} too, once to read and once to write: taken as one register"),
                    "",
                ));
                self.import.items.push(Item::Remark(kept.to_owned()));
                return;
            }
            let what = format!(
                "{} at {} {} {} `{}` of {}, which is at {}",
                register.label(),
                table_in_words(register.table),
                register.address,
                if same { "has the place of" } else { "overlaps" },
                other.label(),
                other.place.line,
                other.address,
            );
            let help = if other.end() == register.address + 1 && other.words > 1 {
                format!(
                    "one of the two is off by one, or {} is a type of fewer words than {}",
                    other.label(),
                    other.words
                )
            } else {
                "correct one of the two; this row is kept as a comment".to_owned()
            };
            self.import.findings.push(Finding::warning(
                &register.place,
                format!("row not used: {what}"),
                help,
            ));
            self.import.items.push(Item::Remark(kept.to_owned()));
            return;
        }
        if register.end() > 0x1_0000 {
            self.import.findings.push(Finding::warning(
                &register.place,
                format!("row not used: {} ends after address 65535", register.label()),
                "correct its address or its length",
            ));
            self.import.items.push(Item::Remark(kept.to_owned()));
            return;
        }
        // A list with raw constants is one of this rig, where a register may do without a name.
        if register.name.is_empty() && !self.columns.has(Key::Constant) {
            register.name = format!("register {}", register.address);
        }
        if !register.name.is_empty() && !accepted.names.insert(register.name.clone()) {
            let unique = format!(
                "{} ({} {})",
                register.name,
                table_in_words(register.table),
                register.address
            );
            self.import.findings.push(Finding::note(
                &register.place,
                format!(
                    "the name `{}` is taken: this one is called `{unique}`",
                    register.name
                ),
                "",
            ));
            accepted.names.insert(unique.clone());
            register.name = unique;
        }
        accepted.insert(&register, self.import.items.len());
        self.import
            .items
            .push(Item::Register(Box::new(register), note.to_owned()));
    }

    fn say_holes(&mut self, accepted: &Accepted) {
        for (table, taken) in &accepted.taken {
            let mut holes = Vec::new();
            let mut at: Option<u32> = None;
            for (address, (end, _)) in taken {
                if let Some(at) = at.filter(|at| at < address) {
                    holes.push(if at + 1 == *address {
                        format!("{at}")
                    } else {
                        format!("{at}-{}", address - 1)
                    });
                }
                at = Some(*end);
            }
            if !holes.is_empty() {
                let more = holes.len().saturating_sub(8);
                holes.truncate(8);
                let more = if more > 0 {
                    format!(" and {more} more")
                } else {
                    String::new()
                };
                self.import.said.push(format!(
                    "holes between {}s, where a read is refused with exception 02: {}{more} on the wire",
                    table_in_words(*table),
                    holes.join(", ")
                ));
            }
        }
    }
}

/// Registers that were taken in.
#[derive(Default)]
struct Accepted {
    /// First address, then end and position in the items, for each table.
    taken: BTreeMap<Table, BTreeMap<u32, (u32, usize)>>,
    names: BTreeSet<String>,
}

impl Accepted {
    fn overlapping(&self, register: &Register) -> Option<usize> {
        let taken = self.taken.get(&register.table)?;
        let (_, (end, at)) = taken.range(..register.end()).next_back()?;
        (*end > register.address).then_some(*at)
    }

    fn insert(&mut self, register: &Register, item: usize) {
        let taken = self.taken.entry(register.table).or_default();
        taken.insert(register.address, (register.end(), item));
    }
}

/// A row's cells in one line.
fn one_line(row: &Row) -> String {
    let cells: Vec<_> = row.filled().map(collapse).collect();
    cells.join(" | ")
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
        .replace(['b', '-', '~', '.', ' '], "");
    if rest.is_empty() || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    cells::bit_range(cell)
}

#[cfg(test)]
mod tests;
