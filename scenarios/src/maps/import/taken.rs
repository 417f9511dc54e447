//! Registers of a list that have their place.

use std::collections::{BTreeMap, BTreeSet};

use bess_devices::codec::modbus::listing::{Meaning, Register};
use bess_devices::finding::Finding;
use bess_types::Table;

use super::super::table_in_words;
use super::Item;

/// What was taken in, in the order of the list.
#[derive(Default)]
pub(super) struct Accepted {
    pub(super) items: Vec<Item>,
    /// First address, then end and position in the items, for each table.
    taken: BTreeMap<Table, BTreeMap<u32, (u32, usize)>>,
    names: BTreeSet<String>,
    /// What numbers of rows count.
    pub(super) unit: &'static str,
}

impl Accepted {
    pub(super) fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    fn overlapping(&self, register: &Register) -> Option<usize> {
        let taken = self.taken.get(&register.table)?;
        let (_, (end, at)) = taken.range(..register.end()).next_back()?;
        (*end > register.address).then_some(*at)
    }

    /// Takes a register in, unless another has its place; `kept` is the comment its row becomes then. One of a table of
    /// this rig (`has_raw`) may do without a name.
    pub(super) fn take(
        &mut self,
        mut register: Register,
        has_raw: bool,
        note: &str,
        kept: &str,
        findings: &mut Vec<Finding>,
    ) {
        if let Some(at) = self.overlapping(&register)
            && let Item::Register(other, _) = &mut self.items[at]
        {
            findings.push(clash(other, &register, self.unit));
            self.items.push(Item::Remark(kept.to_owned()));
            return;
        }
        if register.end() > 0x1_0000 {
            findings.push(Finding::warning(
                &register.place,
                format!("row not used: {} ends after address 65535", register.label()),
                "correct its address or its length",
            ));
            self.items.push(Item::Remark(kept.to_owned()));
            return;
        }
        if register.name.is_empty() && !has_raw {
            register.name = format!("register {}", register.address);
        }
        if !register.name.is_empty() && !self.names.insert(register.name.clone()) {
            let unique = format!(
                "{} ({} {})",
                register.name,
                table_in_words(register.table),
                register.address
            );
            findings.push(Finding::note(
                &register.place,
                format!(
                    "the name `{}` is taken: this one is called `{unique}`",
                    register.name
                ),
                "",
            ));
            self.names.insert(unique.clone());
            register.name = unique;
        }
        let taken = self.taken.entry(register.table).or_default();
        taken.insert(register.address, (register.end(), self.items.len()));
        self.items
            .push(Item::Register(Box::new(register), note.to_owned()));
    }

    pub(super) fn say_holes(&self, said: &mut Vec<String>) {
        for (table, taken) in &self.taken {
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
                said.push(format!(
                    "holes between {}s, where a read is refused with exception 02: {}{more} on the wire",
                    table_in_words(*table),
                    holes.join(", ")
                ));
            }
        }
    }
}

/// A register has the place of another, or part of it. The same one listed once to read and once to write is both.
fn clash(other: &mut Register, register: &Register, unit: &str) -> Finding {
    let same =
        other.address == register.address && other.words == register.words && other.kind == register.kind;
    let line = if other.place.file == register.place.file {
        format!("{unit} {}", other.place.line)
    } else {
        other.place.to_string()
    };
    if same && other.writable != register.writable {
        other.writable = true;
        if let Meaning::Constant(start) = other.meaning {
            other.meaning = Meaning::Held(start);
        }
        return Finding::note(
            &register.place,
            format!("listed in {line} too, once to read and once to write: taken as one register"),
            "",
        );
    }
    let what = format!(
        "{} at {} {} {} `{}` of {line}, which is at {}",
        register.label(),
        table_in_words(register.table),
        register.address,
        if same { "has the place of" } else { "overlaps" },
        other.label(),
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
    Finding::warning(&register.place, format!("row not used: {what}"), help)
}
