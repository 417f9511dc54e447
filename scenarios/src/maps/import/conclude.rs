//! What is concluded from a whole list: columns, table, form of addresses, lengths, order of words; and what is doubtful
//! about it as a whole.

use std::collections::{BTreeMap, BTreeSet};

use bess_devices::finding::Finding;
use bess_devices::product::Place;

use super::super::cells;
use super::super::columns::Key;
use super::super::habits::Habit;
use super::super::table_in_words;
use super::super::types::{self, Form};
use super::super::word_order::{Doubt, word_order};
use super::draft::Draft;
use super::{Reader, one_line, short};

impl Reader<'_> {
    pub(super) fn say_columns(&mut self) {
        let line = self.sheet.rows[self.header].number;
        let unit = self.sheet.unit_of_place();
        let heads: Vec<_> = self
            .columns
            .known()
            .filter(|(key, _)| *key != Key::Number)
            .map(|(key, head)| format!("{} is \"{}\"", key.name(), head.replace('\n', " ")))
            .collect();
        self.import
            .said
            .push(format!("the head is in {unit} {line}: {}", heads.join(", ")));
        let in_line = |head: &str| head.replace('\n', " ");
        let second: BTreeMap<usize, Key> = self.columns.second().map(|(at, _, key)| (at, key)).collect();
        let unknown: Vec<_> = (self.columns.unknown())
            .map(|(at, head)| match second.get(&at) {
                None => format!("\"{}\"", in_line(head)),
                Some(key) => format!(
                    "\"{}\" ({} is \"{}\" already)",
                    in_line(head),
                    key.name(),
                    in_line(self.columns.head(*key))
                ),
            })
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

    /// Which table the sheet's name or what stands above the list is about.
    pub(super) fn say_table(&mut self) {
        let by_name = self.sheet.name.as_deref().and_then(|name| {
            let table = cells::table_of_title(name)?;
            Some((table, format!("the sheet's name is \"{name}\"")))
        });
        let titles: Vec<_> = (self.sheet.rows[..self.header].iter())
            .map(one_line)
            .filter_map(|line| Some((cells::table_of_title(&line)?, line)))
            .collect();
        let by_title = titles
            .first()
            .filter(|(first, _)| titles.iter().all(|(table, _)| table == first))
            .map(|(table, line)| (*table, format!("\"{}\" stands above the list", short(line))));
        let Some((table, why)) = by_name.or(by_title) else {
            return;
        };
        self.table = Some(table);
        let words = table_in_words(table);
        self.import
            .said
            .push(format!("{why}: rows that do not say their table are {words}s"));
        if let Some(wanted) = self.wishes.table.filter(|wanted| *wanted != table) {
            let place = self.place(&self.sheet.rows[self.header]);
            self.import.findings.push(Finding::warning(
                &place,
                format!(
                    "--table wants {}s, but {why}: {words}s are taken",
                    table_in_words(wanted)
                ),
                "--table is for lists that do not say it; correct the title or the name if it is wrong",
            ));
        }
    }

    /// `1.001` and `1,002` are 1001 and 1002 where all addresses with such a mark look so.
    pub(super) fn find_thousands(&mut self) {
        let addresses = self.sheet.rows[self.header + 1..]
            .iter()
            .map(|row| self.columns.cell(row, Key::Address))
            .filter(|cell| {
                cell.contains(['.', ',']) && cells::address(cell, false).is_some() || like_thousands(cell)
            });
        let marked: Vec<&str> = addresses.collect();
        let padded = marked
            .iter()
            .any(|cell| cell.contains('.') || cell.contains(",0"));
        self.thousands = marked.len() > 1 && padded && marked.iter().all(|cell| like_thousands(cell));
        if self.thousands {
            let example = marked[0];
            self.import.said.push(format!(
                "{} addresses have a mark between thousands: {example} is {}",
                marked.len(),
                without_marks(example)
            ));
        }
    }

    /// How many of the length column's units make a word: lengths in bytes or bits give themselves away.
    pub(super) fn lengths(&mut self, drafts: &[&Draft]) -> u32 {
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

    /// Whether the lengths in types of texts, as in `STRING[8]`, count registers: the addresses that follow tell.
    pub(super) fn texts_in_registers(&mut self, drafts: &[&Draft], habit: Habit) -> bool {
        let place = |draft: &Draft| {
            let (table, address) = habit.wire(draft.written)?;
            Some((draft.table.map(|(table, _)| table).or(table), address))
        };
        let taken: BTreeSet<_> = drafts.iter().filter_map(|draft| place(draft)).collect();
        let mut all = Vec::new();
        for &draft in drafts {
            if let Some((length, at)) = draft.length_of_text().zip(place(draft)) {
                let next = taken.range((at.0, at.1 + 1)..).next();
                let gap = next.filter(|next| next.0 == at.0).map(|next| next.1 - at.1);
                all.push((draft, length, gap));
            }
        }
        let Some(&first) = all.first() else {
            return false;
        };
        // a text of one register or two bytes shows nothing
        let fits = |of: fn(u32) -> u32| {
            move |(_, length, gap): &&(&Draft, u32, Option<u32>)| *length > 1 && *gap == Some(of(*length))
        };
        let in_registers = all.iter().find(fits(|length| length));
        let in_bytes = all.iter().find(fits(|length| length.div_ceil(2)));
        let too_short = all
            .iter()
            .any(|(_, length, gap)| gap.is_some_and(|gap| gap < *length));
        let example = |(draft, length, gap): &(&Draft, u32, Option<u32>)| {
            let name = draft.register.label();
            let gap = gap.unwrap_or(0);
            format!("`{name}` has {length}, and the next address is {gap} registers on")
        };
        let is_registers = in_registers.is_some() && !too_short;
        self.import.said.push(match (in_registers, in_bytes) {
            (Some(one), _) if is_registers => format!("lengths in types of texts count registers: {}", example(one)),
            (_, Some(one)) => format!("lengths in types of texts count bytes: {}", example(one)),
            _ => format!(
                "no address shows what lengths in types of texts count: ASSUMED are bytes, so `{}` of {} has {} registers; \
                 a column of lengths in registers says it",
                first.0.register.label(),
                first.1,
                first.1.div_ceil(2)
            ),
        });
        if !is_registers {
            for one in all.iter().filter(fits(|length| length)) {
                self.import.findings.push(Finding::warning(
                    &one.0.register.place,
                    format!("bytes or registers? {}; bytes are taken", example(one)),
                    "other texts of the list have bytes; ask the vendor, and give a column of lengths in registers",
                ));
            }
        }
        is_registers
    }

    pub(super) fn say_untold(&mut self, untold: usize) {
        if untold == 0 || self.columns.has(Key::Constant) {
            return;
        }
        self.import.said.push(match self.wishes.table {
            Some(table) => format!(
                "{untold} rows do not say their table: {}s (--table)",
                table_in_words(table)
            ),
            None => format!(
                "{untold} rows do not say their table: holding registers are taken; give --table for another"
            ),
        });
    }

    /// A type nobody gave is a guess.
    pub(super) fn say_untyped(&mut self, untyped: &[usize], header: &Place) {
        if untyped.is_empty() {
            return;
        }
        let mut rows: Vec<_> = untyped.iter().take(8).map(usize::to_string).collect();
        if untyped.len() > rows.len() {
            rows.push("...".into());
        }
        let like_types = |at: usize| {
            let cells = self.sheet.rows[self.header + 1..].iter();
            let cells = cells.filter_map(|row| row.cells.get(at).filter(|cell| !cell.is_empty()));
            let (types, others): (Vec<&String>, Vec<&String>) =
                cells.partition(|cell| types::kind(cell).is_ok());
            types.len() > others.len()
        };
        let column = self.columns.unknown().find(|(at, _)| like_types(*at));
        let help = match column {
            Some((_, head)) => format!("column \"{head}\" looks like types: give --column type=\"{head}\""),
            None if self.columns.has(Key::Type) => "fill in their types".into(),
            None => "name the column of types with --column type=HEAD, or add one".into(),
        };
        self.import.findings.push(Finding::warning(
            header,
            format!(
                "{} without a type: u16 is taken, or u32 and u64 by length: {} {}",
                match untyped {
                    [_] => "1 row".to_owned(),
                    more => format!("{} rows", more.len()),
                },
                self.sheet.unit_of_place(),
                rows.join(", ")
            ),
            help,
        ));
    }

    pub(super) fn word_order(&mut self, drafts: &[&Draft], told: &[(String, String)]) -> bool {
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
        // what its own sheet says, or else another one
        let (own, others): (Vec<_>, Vec<_>) = told.iter().partition(|(file, _)| *file == self.file);
        let mut open = Vec::new();
        let mut of_bytes = Vec::new();
        for sheets in [own, others] {
            let mut said: Vec<(&str, bool)> = Vec::new();
            for line in sheets.iter().flat_map(|(_, told)| told.lines()) {
                match word_order(line) {
                    Ok(Some(low)) => said.push((line, low)),
                    Ok(None) => {}
                    // nothing is open if another line is about words
                    Err(doubt @ Doubt::OnlyBytes) => of_bytes.push(format!("\"{}\": {doubt}", short(line))),
                    Err(doubt) => open.push(format!("\"{}\": {doubt}", short(line))),
                }
            }
            let Some(&(line, low)) = said.first() else {
                continue;
            };
            if let Some((other, _)) = said.iter().find(|(_, other)| *other != low) {
                let (line, other) = (short(line), short(other));
                open.push(format!("\"{line}\" says another one than \"{other}\""));
            }
            if open.is_empty() {
                self.import.said.push(format!(
                    "the list says \"{}\": values of several words have the {}",
                    short(line),
                    in_words(low)
                ));
                return low;
            }
        }
        open.append(&mut of_bytes);
        let header = self.place(&self.sheet.rows[self.header]);
        self.import.said.push(format!(
            "{} which word of a long value comes first: ASSUMED is the high one; give --word-order low-first if it is the \
             low one",
            if open.is_empty() {
                "the list does not say"
            } else {
                "it is not known"
            }
        ));
        for doubt in open {
            self.import.findings.push(Finding::warning(
                &header,
                format!("order of words not known: {doubt}"),
                "high word first is assumed; ask the vendor, and give --word-order",
            ));
        }
        false
    }

    /// A scale of 10 may mean that a raw 10 is 1.
    pub(super) fn suspect_factors(&mut self, drafts: &[&Draft], header: &Place) {
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
}

/// `1.001`, `40,001`: three digits behind a mark.
pub(super) fn like_thousands(cell: &str) -> bool {
    cell.trim().split_once(['.', ',']).is_some_and(|(thousands, rest)| {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_comma = !cell.contains('.');
        (1..=3).contains(&thousands.len())
            && rest.len() == 3
            && digits(thousands)
            && digits(rest)
            // "100,101" are two registers
            && !(is_comma && thousands.parse::<u32>().ok().map(|n| n + 1) == rest.parse().ok() && !rest.starts_with('0'))
    })
}

pub(super) fn without_marks(address: &str) -> String {
    address.replace(['.', ','], "")
}
