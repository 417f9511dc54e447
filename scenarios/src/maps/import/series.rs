//! Rows such as `...`, which stand for those of a series that are left out: filled in where the rows before and after make
//! plain which they are, else told.

use std::collections::VecDeque;
use std::sync::LazyLock;

use bess_devices::finding::Finding;
use bess_devices::product::Place;
use regex::Regex;

use super::super::cells::{self, Style, Written};
use super::super::columns::{Columns, Key};
use super::super::habits::Habit;
use super::super::sheet::Row;
use super::super::types::Form;
use super::draft::Draft;
use super::{Line, Reader, short};

/// Rows that gaps of one list stand for.
const MOST: usize = 0x1_0000;

/// Whether a row says that the rows above go on.
pub(super) fn is_gap(row: &Row, columns: &Columns) -> bool {
    let (address, name) = (columns.cell(row, Key::Address), columns.cell(row, Key::Name));
    if address.is_empty() {
        goes_on(name) || row.filled().count() > 0 && row.filled().all(goes_on)
    } else {
        goes_on(address)
    }
}

/// `...`, `⋮`, `etc.`
fn goes_on(cell: &str) -> bool {
    let text: String = cell.chars().filter(|c| !c.is_whitespace()).collect();
    let is_word = |text: &str| {
        [
            "etc",
            "etc.",
            "usw",
            "usw.",
            "bis",
            "to",
            "until",
            "andsoon",
            "undsoweiter",
            "~",
            "～",
            "等等",
        ]
        .contains(&text)
    };
    !text.is_empty() && text.chars().all(|c| ".…⋮⋯︙⁝·:：。".contains(c)) || is_word(&text.to_lowercase())
}

/// Whether an address has such a sign behind it.
pub(super) fn goes_on_behind(address: &str) -> bool {
    let address = address.trim_end();
    address.ends_with("..") || address.ends_with(['…', '⋮', '⋯'])
}

/// A text and the same with a higher number in it.
struct Counted<'a> {
    before: &'a str,
    behind: &'a str,
    first: u32,
    last: u32,
    /// Digits, where zeros stand in front.
    width: usize,
}

impl<'a> Counted<'a> {
    fn of(first: &'a str, last: &'a str) -> Option<Self> {
        static RUN: LazyLock<Regex> = LazyLock::new(|| cells::regex(r"[0-9]+|[^0-9]+"));
        let (one, two): (Vec<_>, Vec<_>) = (RUN.find_iter(first).collect(), RUN.find_iter(last).collect());
        let mut others = (one.iter().zip(&two)).filter(|(one, two)| one.as_str() != two.as_str());
        let (from, to) = others.next()?;
        if one.len() != two.len() || others.next().is_some() {
            return None;
        }
        let counted = Self {
            before: &first[..from.start()],
            behind: &first[from.end()..],
            first: from.as_str().parse().ok()?,
            last: to.as_str().parse().ok()?,
            width: if from.as_str().starts_with('0') {
                from.len()
            } else {
                0
            },
        };
        (counted.first < counted.last).then_some(counted)
    }

    fn text(&self, number: u32) -> String {
        let Self {
            before,
            behind,
            width,
            ..
        } = self;
        format!("{before}{number:0width$}{behind}")
    }

    fn between(&self) -> core::ops::Range<u32> {
        self.first + 1..self.last
    }
}

/// The rows about a gap: the two before and the two after it.
struct Rows<'a> {
    earlier: Option<&'a Draft>,
    before: &'a Draft,
    after: &'a Draft,
    later: Option<&'a Draft>,
}

impl Rows<'_> {
    /// What the gap stands for; else why that is not plain.
    fn filled(&self, habit: Habit, place: &Place, room: usize) -> Result<Vec<Draft>, String> {
        let (before, after) = (self.before, self.after);
        let (one, two) = (before.register.label(), after.register.label());
        let named = Counted::of(&before.register.name, &after.register.name)
            .ok_or_else(|| format!("the names `{one}` and `{two}` do not count on"))?;
        let first_missing = named.text(named.first + 1);
        if named.between().is_empty() {
            return Err(format!("nothing is between `{one}` and `{two}`"));
        }
        let missing = format!(
            "`{first_missing}` to `{}` are missing: ",
            named.text(named.last - 1)
        );
        let why_not = |why: String| Err(format!("{missing}{why}"));
        if let Some(what) = differ(before, after) {
            return why_not(format!("`{one}` and `{two}` differ in {what}"));
        }
        let steps = named.last - named.first;
        let Some(step) = step(habit, before, after, steps) else {
            return why_not(format!(
                "{} and {} are not a whole number of equal steps apart",
                before.address, after.address
            ));
        };
        let beside = [(self.earlier, Some(before)), (Some(after), self.later)];
        let beside = beside.into_iter().filter_map(|(one, two)| {
            let (one, two) = (one?, two?);
            let counted = Counted::of(&one.register.name, &two.register.name)?;
            let is_same = (counted.before, counted.behind) == (named.before, named.behind);
            is_same.then(|| self::step(habit, one, two, counted.last - counted.first))
        });
        let beside: Vec<_> = beside.collect();
        if beside.iter().any(|other| *other != Some(step)) {
            return why_not("the rows before and after have other steps of addresses".into());
        }
        if beside.is_empty() && !takes(before, step) {
            return why_not(format!(
                "addresses would go in steps of {step}, and `{one}` does not take as many"
            ));
        }
        if named.between().len() > room {
            return why_not("they are too many".into());
        }
        let number = habit.number(before.written).unwrap_or(0);
        let texts = Counted::of(&before.register.description, &after.register.description)
            .filter(|texts| (texts.first, texts.last) == (named.first, named.last));
        let all = named.between().map(|n| {
            let mut filled = before.clone();
            let at = number + step * (n - named.first);
            filled.written = habit.like(before.written, at);
            filled.written.last = before.written.last.map(|last| last - before.written.number + at);
            filled.address = in_words(filled.written);
            filled.register.place = place.clone();
            filled.register.name = named.text(n);
            if before.register.description != after.register.description {
                filled.register.description = texts.as_ref().map_or_else(String::new, |texts| texts.text(n));
            }
            filled.notes.retain(|note| after.notes.contains(note));
            filled.beside.clear();
            filled
        });
        Ok(all.collect())
    }
}

/// The step of addresses between two rows that are so many steps apart.
fn step(habit: Habit, one: &Draft, two: &Draft, steps: u32) -> Option<u32> {
    let table = |draft: &Draft| habit.wire(draft.written).map(|(table, _)| table);
    let apart = habit
        .number(two.written)?
        .checked_sub(habit.number(one.written)?)?;
    let is_series = table(one)? == table(two)? && apart > 0 && apart.is_multiple_of(steps);
    is_series.then_some(apart / steps)
}

/// Whether a row takes so many addresses, in whatever unit its length is.
fn takes(draft: &Draft, words: u32) -> bool {
    let ranged = draft.written.last.map(|last| last - draft.written.number + 1);
    match (&draft.form, ranged) {
        (_, Some(ranged)) => ranged == words,
        (Some(Ok(Form::Number(kind))), _) if draft.length.is_none() => kind.words() == words,
        (Some(Ok(Form::TextOf(length))), _) => *length == words,
        (Some(Ok(Form::Bit)), _) => words == 1,
        _ => draft.length.map_or(words == 1, |length| {
            [1, 2, 16].iter().any(|per_word| length == words * per_word)
        }),
    }
}

/// What two rows of a series should have in common and do not.
fn differ(a: &Draft, b: &Draft) -> Option<&'static str> {
    let span = |draft: &Draft| draft.written.last.map(|last| last - draft.written.number);
    let (one, two) = (&a.register, &b.register);
    let alike = [
        (a.form == b.form && a.length == b.length, "their types"),
        (a.table == b.table, "their tables"),
        (span(a) == span(b), "their lengths"),
        (a.written.bit.is_none() && b.written.bit.is_none(), "bits"),
        (a.scale == b.scale && one.offset == two.offset, "scale or offset"),
        (one.unit == two.unit, "their units"),
        (a.access == b.access, "access"),
        (a.low_word_first == b.low_word_first, "their orders of words"),
        (
            one.names == two.names && one.bit_names == two.bit_names,
            "names of values or bits",
        ),
        (
            a.start == b.start && a.constant == b.constant && one.invalid == two.invalid,
            "start or invalid values",
        ),
        (one.block == two.block, "their blocks"),
    ];
    alike.into_iter().find(|(alike, _)| !alike).map(|(_, what)| what)
}

/// An address as the rows about it are written.
fn in_words(written: Written) -> String {
    let one = |number: u32| match written.style {
        Style::Decimal(digits) => format!("{number:0digits$}"),
        Style::Hex => format!("0x{number:04X}"),
        Style::BareHex => format!("{number:04X}"),
        Style::Reference(table) => {
            let digit = (0..10)
                .find(|digit| char::from_digit(*digit, 10).and_then(cells::table_of_digit) == Some(table));
            format!("{}x{number:04}", digit.unwrap_or(0))
        }
    };
    match written.last {
        Some(last) => format!("{}-{}", one(written.number), one(last)),
        None => one(written.number),
    }
}

fn register(line: Option<&Line>) -> Option<&Draft> {
    match line {
        Some(Line::Register(draft)) => Some(draft),
        _ => None,
    }
}

impl Reader<'_> {
    /// Puts rows in place of gaps, as far as it is plain which.
    pub(super) fn fill_gaps(&mut self, lines: Vec<Line>, habit: Habit) -> Vec<Line> {
        let mut rest = VecDeque::from(lines);
        let mut all: Vec<Line> = Vec::new();
        let mut room = MOST;
        while let Some(line) = rest.pop_front() {
            let Line::Gap(number, text) = line else {
                all.push(line);
                continue;
            };
            // dots may stand below each other
            while matches!(rest.front(), Some(Line::Gap(..))) {
                rest.pop_front();
            }
            let place = self.place_of(number);
            let last = all.len();
            let before = register(all.last());
            let filled = match (before, register(rest.front())) {
                (Some(before), Some(after)) => Rows {
                    earlier: last.checked_sub(2).and_then(|at| register(all.get(at))),
                    before,
                    after,
                    later: register(rest.get(1)),
                }
                .filled(habit, &place, room),
                (Some(before), None) => Err(format!(
                    "what follows `{}` is missing: no register is below",
                    before.register.label()
                )),
                (None, _) => Err("what stands here is missing: no register is right above".into()),
            };
            let unit = self.sheet.unit_of_place();
            match filled {
                Ok(drafts) => {
                    room -= drafts.len();
                    if let [first, .., last] | [first @ last] = &drafts[..] {
                        self.import.said.push(format!(
                            "\"{}\" in {unit} {number} stands for {} rows, which are filled in: `{}` at {} to `{}` at {}",
                            short(&text),
                            drafts.len(),
                            first.register.name,
                            first.address,
                            last.register.name,
                            last.address
                        ));
                    }
                    all.extend(drafts.into_iter().map(|draft| Line::Register(Box::new(draft))));
                }
                Err(why) => {
                    self.import.findings.push(Finding::warning(
                        &place,
                        format!("registers are left out at \"{}\": {why}", short(&text)),
                        "write each of them in a row of its own",
                    ));
                    all.push(Line::Remark(format!("{unit} {number}, not used: {text}")));
                }
            }
        }
        all
    }
}
