//! Scale, offset and unit of a row, wherever its cells have them. What two cells say is held against each other.

use bess_devices::codec::modbus::listing::Register;
use bess_devices::codec::unit;
use bess_devices::finding::Finding;

use super::super::cells;
use super::super::columns::Key;
use super::super::factors::{self, Offset};
use super::super::sheet::Row;
use super::{Reader, collapse, name_of_row};

const WHICH: &str = "ask the vendor which of the two it is, and correct the other";
const WRITE_OFFSET: &str =
    "write the offset in a column of its own, or behind the factor as in `0.1, offset -400`";

/// What the cells of scale and gain say.
#[derive(Default)]
struct Given {
    /// With the column that has it.
    scale: Option<(f64, Key)>,
    /// Offsets in cells that are for something else, with the cell.
    offsets: Vec<(Offset, String)>,
}

impl Reader<'_> {
    /// Puts unit and offset of a row into its register, and gives its scale.
    pub(super) fn scaling(
        &mut self,
        row: &Row,
        register: &mut Register,
        findings: &mut Vec<Finding>,
        notes: &mut Vec<String>,
    ) -> f64 {
        let unit_cell = self.columns.cell(row, Key::Unit).to_owned();
        let mut given = Given::default();
        let unit_text = match factors::offset_in_words(&cells::plain_signs(&unit_cell)) {
            Some((before, offset)) => {
                given.offsets.push((offset, unit_cell.clone()));
                before.to_owned()
            }
            None => unit_cell.clone(),
        };
        let (of_unit, unit) = cells::scaled_unit(&unit_text);
        register.unit = unit;
        self.factors(row, register, &mut given, findings, notes);
        let (of_unit, said_by) = self.unit_of_name(row, register, (of_unit, &unit_cell), findings);
        let of_unit = of_unit.map(rounded);
        if let (Some(of_unit), Some((scale, key))) = (of_unit, given.scale)
            && !alike(of_unit, scale)
        {
            findings.push(Finding::warning(
                &register.place,
                format!(
                    "the unit `{said_by}` says a scale of {of_unit}, the column \"{}\" one of {scale}, which is taken",
                    self.head(key)
                ),
                WHICH,
            ));
        }
        if given.scale.is_none() && of_unit.is_some() && said_by == unit_cell {
            self.scaled_units.push(unit_text);
        }
        self.offset(row, register, &given.offsets, findings, notes);
        given.scale.map(|(scale, _)| scale).or(of_unit).unwrap_or(1.0)
    }

    fn head(&self, key: Key) -> String {
        self.columns.head(key).replace('\n', " ")
    }

    /// What the columns of scales and gains have.
    fn factors(
        &self,
        row: &Row,
        register: &mut Register,
        given: &mut Given,
        findings: &mut Vec<Finding>,
        notes: &mut Vec<String>,
    ) {
        for (key, is_gain) in [(Key::Scale, false), (Key::Gain, true)] {
            let text = self.columns.cell(row, key);
            if says_nothing(text) {
                continue;
            }
            let Some(linear) = factors::linear(text).filter(|linear| linear.factor != 0.0) else {
                findings.push(Finding::warning(
                    &register.place,
                    format!("the {} `{text}` could not be read, 1 is taken", key.name()),
                    "write a number such as 0.1, 1/10 or 10",
                ));
                continue;
            };
            let scale = if is_gain {
                rounded(1.0 / linear.factor)
            } else {
                rounded(linear.factor)
            };
            match given.scale {
                Some((other, of)) if !alike(other, scale) => findings.push(Finding::warning(
                    &register.place,
                    format!(
                        "the column \"{}\" says a scale of {other}, \"{}\" one of {scale}: the first is taken",
                        self.head(of),
                        self.head(key)
                    ),
                    WHICH,
                )),
                Some(_) => {}
                None => given.scale = Some((scale, key)),
            }
            if let Some(offset) = linear.offset {
                given.offsets.push((offset, text.to_owned()));
            }
            self.behind(key, text, &linear.behind, register, findings, notes);
        }
    }

    /// What stands behind the number of a cell: a unit, or something that is lost if nobody says so.
    fn behind(
        &self,
        key: Key,
        text: &str,
        behind: &str,
        register: &mut Register,
        findings: &mut Vec<Finding>,
        notes: &mut Vec<String>,
    ) {
        let unit = cells::unit(behind);
        if unit.is_empty() || unit == register.unit {
            return;
        }
        let place = &register.place;
        if cells::is_known(&unit) {
            let times = unit::factor(&unit, &register.unit);
            if register.unit.is_empty() {
                register.unit = unit;
            } else if !times.is_some_and(|times| alike(times, 1.0)) {
                findings.push(Finding::warning(
                    place,
                    format!(
                        "the {} `{text}` says {unit}, the unit of the row is {}, which is taken",
                        key.name(),
                        register.unit
                    ),
                    WHICH,
                ));
            }
        } else if behind.contains(|c: char| c.is_ascii_digit() || c == '+') || behind.starts_with('-') {
            findings.push(Finding::warning(
                place,
                format!(
                    "`{behind}` of the {} `{text}` is not understood and left out",
                    key.name()
                ),
                WRITE_OFFSET,
            ));
        } else if register.unit.is_empty() && !unit.contains(char::is_whitespace) {
            register.unit = unit;
        } else {
            notes.push(format!("{}: {}", self.head(key), collapse(text)));
        }
    }

    /// The unit in the brackets of a name, where the row has none: the scale of the row's unit, and the text that has it.
    fn unit_of_name(
        &mut self,
        row: &Row,
        register: &mut Register,
        (of_unit, unit_cell): (Option<f64>, &str),
        findings: &mut Vec<Finding>,
    ) -> (Option<f64>, String) {
        let name = name_of_row(&self.columns, row);
        // a table of this rig has a unit where there is one
        let of_name = cells::unit_of_name(&name).filter(|_| !self.columns.has(Key::Constant));
        match of_name {
            Some((of_name, unit)) if of_unit.is_none() && register.unit.is_empty() => {
                if says_nothing(unit_cell) {
                    self.units_of_names.push(name.clone());
                    register.unit = unit;
                    return (of_name, name);
                }
                return (None, unit_cell.to_owned());
            }
            Some((_, unit))
                if unit::factor(&unit, &register.unit).is_some_and(|times| !alike(times, 1.0)) =>
            {
                findings.push(Finding::warning(
                    &register.place,
                    format!(
                        "the name `{name}` says {unit}, its row {}, which is taken",
                        register.unit
                    ),
                    WHICH,
                ));
            }
            _ => {}
        }
        (of_unit, unit_cell.to_owned())
    }

    /// The offset of a row: that of its column, or else one beside a scale or a unit.
    fn offset(
        &mut self,
        row: &Row,
        register: &mut Register,
        others: &[(Offset, String)],
        findings: &mut Vec<Finding>,
        notes: &mut Vec<String>,
    ) {
        let text = self.columns.cell(row, Key::Offset);
        let mut taken: Option<(f64, String)> = None;
        match cells::factor(text) {
            _ if says_nothing(text) => {}
            Some((value, behind)) => {
                taken = Some((value, text.to_owned()));
                self.behind(Key::Offset, text, &behind, register, findings, notes);
            }
            None => findings.push(Finding::warning(
                &register.place,
                format!("the offset `{text}` could not be read, 0 is taken"),
                "write a number",
            )),
        }
        for (offset, cell) in others {
            let unit = cells::unit(&offset.unit);
            let of_row = unit::factor(&unit, &register.unit).is_some_and(|times| alike(times, 1.0));
            if !unit.is_empty() && !of_row {
                findings.push(Finding::warning(
                    &register.place,
                    format!(
                        "the offset of `{cell}` is in {unit}, the row in {}: it is left out",
                        in_words(&register.unit)
                    ),
                    "write the offset in the unit of the row, in a column of its own",
                ));
                continue;
            }
            match &taken {
                Some((other, by)) if !alike(*other, offset.value) => findings.push(Finding::warning(
                    &register.place,
                    format!(
                        "`{by}` says an offset of {other}, which is taken, and `{cell}` one of {}",
                        offset.value
                    ),
                    WHICH,
                )),
                Some(_) => {}
                None => {
                    taken = Some((offset.value, cell.clone()));
                    self.offsets_beside.push((cell.clone(), offset.value));
                }
            }
        }
        if let Some((value, _)) = taken {
            register.offset = value;
            return;
        }
        let mut told = self.columns.texts(row, Key::Description);
        told.push(self.columns.cell(row, Key::Name));
        if let Some(text) = told.into_iter().find(|text| factors::speaks_of_offset(text))
            && !self.columns.has(Key::Constant)
        {
            findings.push(Finding::warning(
                &register.place,
                format!("`{}` speaks of an offset, and 0 is taken", collapse(text)),
                WRITE_OFFSET,
            ));
        }
    }
}

fn says_nothing(cell: &str) -> bool {
    matches!(cell, "" | "-" | "--" | "—" | "/" | "N/A" | "NA")
}

fn in_words(unit: &str) -> &str {
    if unit.is_empty() { "no unit" } else { unit }
}

fn alike(a: f64, b: f64) -> bool {
    (a - b).abs() <= b.abs() * 1e-6
}

/// Nearest number that is short in decimal: 1/10 of a vendor is 0.1.
fn rounded(factor: f64) -> f64 {
    format!("{factor:.9e}").parse().unwrap_or(factor)
}
