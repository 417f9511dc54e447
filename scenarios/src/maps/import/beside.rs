//! Addresses that a list has twice, as hexadecimal and decimal: held against each other.

use std::collections::BTreeMap;

use bess_devices::finding::Finding;
use bess_types::Table;

use super::super::cells::Style;
use super::super::columns::{Beside, Key};
use super::super::habits::{self, Habit};
use super::Reader;
use super::draft::Draft;

type Pair<'a> = (&'a Draft, &'a Beside);

/// A row's address in a column that is not read, and both as numbers.
struct Twice<'a> {
    draft: &'a Draft,
    beside: &'a Beside,
    own: u32,
    other: u32,
}

impl Twice<'_> {
    /// By how much the address that is read is more.
    fn difference(&self) -> i64 {
        i64::from(self.own) - i64::from(self.other)
    }
}

impl Reader<'_> {
    /// Warns of rows whose addresses differ in another way than those of most rows: in most lists not at all, in some by
    /// what is between register numbers and addresses on the wire.
    pub(super) fn addresses_beside(&mut self, drafts: &[&Draft], habit: Habit) {
        // 30001 and 40001 may both be 0 on the wire
        let mut columns: BTreeMap<(&str, Option<Table>), Vec<Pair<'_>>> = BTreeMap::new();
        for draft in drafts {
            let table = habit.wire(draft.written).and_then(|(table, _)| table);
            for beside in &draft.beside {
                let rows = columns.entry((&beside.head, table)).or_default();
                rows.push((draft, beside));
            }
        }
        for ((head, _), rows) in columns {
            let bare_hex = rows
                .iter()
                .any(|(_, beside)| beside.written.style == Style::BareHex);
            let twice = rows.into_iter().filter_map(|(draft, beside)| {
                Some(Twice {
                    draft,
                    beside,
                    own: habit.number(draft.written)?,
                    other: habits::number(beside.written, bare_hex)?,
                })
            });
            self.held_against(head, &twice.collect::<Vec<_>>());
        }
    }

    fn held_against(&mut self, head: &str, rows: &[Twice<'_>]) {
        let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
        for row in rows {
            *counts.entry(row.difference()).or_default() += 1;
        }
        let usual = counts
            .iter()
            .max_by_key(|(difference, count)| (**count, **difference == 0));
        let Some((&usual, &count)) = usual else { return };
        // without a rule none is the odd one
        let usual = if 2 * count > rows.len() { usual } else { 0 };
        let taken = self.columns.head(Key::Address).replace('\n', " ");
        if usual != 0 {
            self.import.said.push(format!(
                "addresses in \"{head}\" are {} {} than those in \"{taken}\", which are taken",
                usual.abs(),
                if usual > 0 { "less" } else { "more" }
            ));
        }
        for row in rows.iter().filter(|row| row.difference() != usual) {
            let (text, other) = (&row.beside.text, row.other);
            let number = if *text == other.to_string() {
                String::new()
            } else {
                format!(" ({other})")
            };
            let usually = if usual == 0 {
                String::new()
            } else {
                format!("; in other rows they are {} apart", usual.abs())
            };
            self.import.findings.push(Finding::warning(
                &row.draft.register.place,
                format!(
                    "\"{head}\" says {text}{number}, \"{taken}\" {} ({}), which is taken{usually}",
                    row.draft.address, row.own
                ),
                "correct one of the two",
            ));
        }
    }
}
