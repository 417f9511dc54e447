//! From addresses as a list writes them to addresses on the wire: what the list's habit is, and why one thinks so.

use std::sync::LazyLock;

use bess_types::Table;
use regex::Regex;

use super::cells::{Style, Written, regex, table_of_digit};

/// What the user says of the addresses, with `--base`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Base {
    /// They stand on the wire as they are.
    #[value(name = "0")]
    Zero,
    /// They count from 1; a first digit that says the table, as in 40001, is taken off.
    #[value(name = "1")]
    One,
}

/// One address of a list, and what its row says beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    pub(super) written: Written,
    /// Table of the function column or section, if any.
    pub(super) table: Option<Table>,
    /// The row's type takes registers, not single bits.
    pub(super) wide: bool,
}

/// How a list writes addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Habit {
    /// Decimal numbers begin with the table's digit, which stands before so many digits.
    reference: Option<u32>,
    /// The first register is 1.
    counts_from_one: bool,
    /// Digits without a mark are hexadecimal.
    bare_hex: bool,
}

/// Finds the habit of a list; in words what was found, and whether that is only a guess.
pub(super) fn of(all: &[Evidence], base: Option<Base>, told: &str) -> (Habit, Vec<(String, bool)>) {
    let mut said = Vec::new();
    let bare_hex = all.iter().any(|one| one.written.style == Style::BareHex);
    if bare_hex {
        said.push((
            "addresses are hexadecimal, for some have letters".to_owned(),
            false,
        ));
    }
    let hex = all.iter().filter(|one| one.written.style == Style::Hex).count();
    if hex > 0 {
        let written = if hex == all.len() {
            "addresses are"
        } else {
            "some addresses are"
        };
        said.push((format!("{written} written hexadecimal"), false));
    }
    let decimal: Vec<&Evidence> = if bare_hex {
        vec![]
    } else {
        let digits = |one: &&Evidence| matches!(one.written.style, Style::Decimal(_));
        all.iter().filter(digits).collect()
    };
    let marked = all
        .iter()
        .any(|one| matches!(one.written.style, Style::Reference(_)));
    if marked {
        said.push((
            "addresses such as 4x0001 name the table and count from 1: 4x0001 is holding register 0"
                .to_owned(),
            false,
        ));
    }
    let reference = match (base, references(&decimal)) {
        (Some(Base::Zero), _) => None,
        (_, Ok(below)) => Some(below),
        (_, Err(why)) => {
            if let Some(why) = why {
                said.push((why, false));
            }
            None
        }
    };
    let counts_from_one = match base {
        Some(Base::Zero) => {
            said.push((
                "addresses stand on the wire as they are (--base 0)".to_owned(),
                false,
            ));
            false
        }
        Some(Base::One) => {
            said.push(("addresses count from 1 (--base 1)".to_owned(), false));
            true
        }
        None => {
            reference.is_some() || guessed_base(all, &decimal, hex > 0 || bare_hex, marked, told, &mut said)
        }
    };
    let habit = Habit {
        reference,
        counts_from_one,
        bare_hex,
    };
    if reference.is_some() {
        let example = decimal.iter().min_by_key(|one| one.written.number);
        if let Some(example) = example
            && let Some((table, wire)) = habit.wire(example.written)
        {
            let table = table.map_or("", super::table_in_words);
            said.push((
                format!(
                    "the first digit of an address is the table and the rest counts from 1: {} is {table} {wire} on the \
                     wire; give --base 0 if addresses stand on the wire as they are",
                    example.written.number
                ),
                false,
            ));
        }
    }
    (habit, said)
}

/// Digits behind the table's digit, if all decimal addresses are reference numbers; else why they are not although
/// they look so. Numbers that are no address either way do not count.
fn references(decimal: &[&Evidence]) -> Result<u32, Option<String>> {
    if decimal.is_empty() {
        return Err(None);
    }
    if decimal
        .iter()
        .all(|one| one.written.number >= 100_000 || one.written.style == Style::Decimal(6))
    {
        return Ok(100_000);
    }
    let decimal: Vec<&Evidence> = (decimal.iter().copied())
        .filter(|one| one.written.number <= 0xFFFF)
        .collect();
    let Some(first) = decimal.first() else {
        return Err(None);
    };
    let five = |one: &&Evidence| one.written.style == Style::Decimal(5);
    if !decimal.iter().all(five) {
        return Err(None);
    }
    let table = |number: u32| table_of_digit(char::from_digit(number / 10_000, 10)?);
    if decimal.iter().any(|one| table(one.written.number).is_none()) {
        return Err(None);
    }
    let plainly = |why: String| {
        Err(Some(format!(
            "{why}, so addresses such as {} stand on the wire as they are",
            first.written.number
        )))
    };
    for one in decimal {
        let number = one.written.number;
        let Some(named) = table(number) else { continue };
        if number % 10_000 == 0 {
            return plainly(format!(
                "there is an address {number}, which is no register counted from 1"
            ));
        }
        if one.table.is_some_and(|other| other != named) {
            return plainly(format!(
                "the first digit of {number} is not that of its function code"
            ));
        }
        if one.wide && matches!(named, Table::Coil | Table::DiscreteInput) {
            return plainly(format!(
                "{number} has the first digit of bits but a type of registers"
            ));
        }
    }
    Ok(10_000)
}

/// Whether plain numbers count from 1.
fn guessed_base(
    all: &[Evidence],
    decimal: &[&Evidence],
    hex: bool,
    marked: bool,
    told: &str,
    said: &mut Vec<(String, bool)>,
) -> bool {
    match base_told(told) {
        (Some(zero), None) => {
            said.push((
                format!("the list says \"{zero}\": addresses stand on the wire as they are"),
                false,
            ));
            return false;
        }
        (None, Some(one)) => {
            said.push((format!("the list says \"{one}\": addresses count from 1"), false));
            return true;
        }
        (Some(zero), Some(one)) => {
            said.push((
                format!(
                    "the list says \"{zero}\" and \"{one}\": addresses are taken to stand on the wire as they are; give \
                     --base 1 if they count from 1"
                ),
                true,
            ));
            return false;
        }
        (None, None) => {}
    }
    if marked || decimal.is_empty() && !hex {
        return false;
    }
    let lowest = |table: Option<Table>| {
        let same = all.iter().filter(move |one| one.table == table);
        same.map(|one| one.written.number).min()
    };
    let mut tables: Vec<_> = all.iter().map(|one| one.table).collect();
    tables.sort_unstable();
    tables.dedup();
    if tables.iter().any(|table| lowest(*table) == Some(0)) {
        said.push((
            "there is an address 0: addresses stand on the wire as they are".to_owned(),
            false,
        ));
        return false;
    }
    if !hex && all.len() >= 3 && tables.iter().all(|table| lowest(*table) == Some(1)) {
        said.push((
            "no address is below 1, so they are taken to count from 1: give --base 0 if they stand on the wire as they are".to_owned(),
            true,
        ));
        return true;
    }
    said.push((
        "addresses are taken to stand on the wire as they are: give --base 1 if they count from 1".to_owned(),
        !hex,
    ));
    false
}

/// What a list says of its addresses: that they are those on the wire, that they count from 1.
fn base_told(told: &str) -> (Option<String>, Option<String>) {
    /// `@` is the number counted from, `&` the same as a word.
    const BASED: &str = r"\b(?:@|&)[ -]based|\b@-basiert\w*|\bbase @|\b(?:count|start|begin|number)\w*(?: (?:counts?|counting))? (?:from|at|with) (?:@|&)|\b(?:zähl|beginn|start|nummer)\w*(?: (?:ab|bei|mit|von))+ @|从 ?@ ?开始";
    /// No further digit: 1.5 and 1000 begin with 1 too.
    const END: &str = r"(?:[^0-9a-z.,]|[.,](?:[^0-9]|$)|$)";
    static ZERO: LazyLock<Regex> = LazyLock::new(|| {
        let based = BASED.replace('@', "0").replace('&', "zero");
        regex(&format!(r"({based}|\b(?:wire|protocol|pdu) address\w*){END}"))
    });
    static ONE: LazyLock<Regex> = LazyLock::new(|| {
        let based = BASED.replace('@', "1").replace('&', "one");
        regex(&format!(r"({based}){END}"))
    });
    let (mut zero, mut one) = (None, None);
    for line in told.to_lowercase().lines() {
        let says = |pattern: &Regex| Some(pattern.captures(line)?[1].to_owned());
        // "numbers count from 1; the PDU address is one less"
        match says(&ONE) {
            Some(words) => one = one.or(Some(words)),
            None => zero = zero.or_else(|| says(&ZERO)),
        }
    }
    (zero, one)
}

/// The number an address is, where digits without a mark may all be hexadecimal.
pub(super) fn number(written: Written, bare_hex: bool) -> Option<u32> {
    match written.style {
        // read again with the other base
        Style::Decimal(digits) if bare_hex => {
            u32::from_str_radix(&format!("{:0digits$}", written.number), 16).ok()
        }
        _ => Some(written.number),
    }
}

impl Habit {
    /// The number an address is.
    pub(super) fn number(self, written: Written) -> Option<u32> {
        number(written, self.bare_hex)
    }

    /// An address of this number, written as another one is.
    pub(super) fn like(self, written: Written, number: u32) -> Written {
        let style = match written.style {
            Style::Decimal(_) if self.bare_hex => Style::BareHex,
            style => style,
        };
        Written {
            number,
            style,
            ..written
        }
    }

    /// Table, if the address says it, and address on the wire; nothing for one that cannot be.
    pub(super) fn wire(self, written: Written) -> Option<(Option<Table>, u32)> {
        let one = u32::from(self.counts_from_one);
        let (table, number) = match (written.style, self.reference) {
            (Style::Reference(table), _) => (Some(table), written.number.checked_sub(1)?),
            (Style::Decimal(_), _) if self.bare_hex => (None, self.number(written)?.checked_sub(one)?),
            (Style::Decimal(_), Some(below)) => {
                let table = table_of_digit(char::from_digit(written.number / below, 10)?)?;
                (Some(table), (written.number % below).checked_sub(1)?)
            }
            (Style::Decimal(_) | Style::Hex | Style::BareHex, _) => (None, written.number.checked_sub(one)?),
        };
        (number < 0x1_0000).then_some((table, number))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::super::cells::address;
    use super::*;

    fn evidence(text: &str) -> Evidence {
        Evidence {
            written: address(text, false).unwrap(),
            table: None,
            wide: true,
        }
    }

    fn wire(addresses: &[&str], base: Option<Base>, told: &str) -> Vec<(Option<Table>, u32)> {
        let all: Vec<_> = addresses.iter().map(|text| evidence(text)).collect();
        let (habit, said) = of(&all, base, told);
        assert!(!said.is_empty(), "never silently");
        all.iter().map(|one| habit.wire(one.written).unwrap()).collect()
    }

    #[test]
    fn habits_are_found() {
        let holding = |at| (Some(Table::Holding), at);
        let plain = |at| (None, at);
        assert_eq!(wire(&["40001", "40013"], None, ""), [holding(0), holding(12)]);
        assert_eq!(
            wire(&["400001", "365536"], None, ""),
            [holding(0), (Some(Table::Input), 65535)]
        );
        assert_eq!(wire(&["4x0001", "4x0002"], None, ""), [holding(0), holding(1)]);
        assert_eq!(
            wire(&["40000", "40069"], None, ""),
            [plain(40000), plain(40069)],
            "SunSpec"
        );
        assert_eq!(wire(&["40001", "50001"], None, ""), [plain(40001), plain(50001)]);
        assert_eq!(
            wire(&["10001", "10002"], None, ""),
            [plain(10001), plain(10002)],
            "types of registers"
        );
        assert_eq!(wire(&["40001"], Some(Base::Zero), ""), [plain(40001)]);
        let slip: Vec<_> = ["40001", "40002", "400010"].map(evidence).into();
        let (habit, _) = of(&slip, None, "");
        let wires: Vec<_> = slip.iter().map(|one| habit.wire(one.written)).collect();
        assert_eq!(
            wires,
            [Some(holding(0)), Some(holding(1)), None],
            "a slip is no address"
        );
        assert_eq!(wire(&["1", "2", "3"], None, ""), [plain(0), plain(1), plain(2)]);
        assert_eq!(
            wire(&["1", "2", "3"], None, "PDU address"),
            [plain(1), plain(2), plain(3)]
        );
        assert_eq!(wire(&["0", "2"], None, ""), [plain(0), plain(2)]);
        assert_eq!(
            wire(&["100", "102"], None, "registers are 1-based"),
            [plain(99), plain(101)]
        );
        for (told, from) in [
            ("Register numbers count from 1", 99),
            ("Note: numbers count from 1.", 99),
            ("Numbering starts at 1", 99),
            ("Counting from one", 99),
            ("Numbers count from 1; PDU address = number - 1", 99),
            ("Zählung ab 1", 99),
            ("Registernummern beginnen mit 1", 99),
            ("地址从 1 开始", 99),
            ("Numbering starts at 100", 100),
            ("10-based scale", 100),
            ("starts at 1.5 kV", 100),
            ("addresses start at 0", 100),
            ("Adressen: Zählung ab 0", 100),
        ] {
            assert_eq!(
                wire(&["100", "102"], None, told),
                [plain(from), plain(from + 2)],
                "{told}"
            );
        }
        let all: Vec<_> = ["100", "102"].map(evidence).into();
        let guesses = |told| {
            of(&all, None, told)
                .1
                .iter()
                .filter(|(_, is_guess)| *is_guess)
                .count()
        };
        assert_eq!(guesses("Register numbers count from 1"), 0);
        assert_eq!(guesses("Register numbers count from 1\nPDU address"), 1);
        assert_eq!(
            wire(&["0x0001", "0x0002", "0x0003"], None, ""),
            [plain(1), plain(2), plain(3)]
        );
        assert_eq!(wire(&["1000", "100A"], None, ""), [plain(0x1000), plain(0x100A)]);
    }
}
