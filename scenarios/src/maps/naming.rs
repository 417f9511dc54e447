//! Names of raw values and of bits, as remarks of lists have them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bess_devices::codec::modbus::listing::whole_number;
use regex::Regex;

use super::cells::regex;

/// Names of raw values.
pub(super) type Values = BTreeMap<i64, String>;
/// Names of bits, by the first and the last one.
pub(super) type Bits = BTreeMap<(u8, u8), String>;

/// A key in a text, and where its name begins.
struct Mark {
    key: String,
    start: usize,
    name: usize,
}

/// What a text names: values (`0: stop; 1: run`, `0=stop 1=run`, one a line) or bits (`Bit 0: fan, Bit 1-2: mode`); of a text
/// with both, what comes first.
pub(super) fn named(text: &str) -> (Values, Bits) {
    if let Some(pairs) = one_a_line(text) {
        return (values_of(pairs), Bits::new());
    }
    let of_bits = bit_marks(text);
    let of_values = value_marks(text, &of_bits);
    let first = |marks: &[Mark]| marks.first().map_or(usize::MAX, |mark| mark.start);
    let values_first = first(&of_values) < first(&of_bits);
    let (values, bits) = (values_of(pairs(text, &of_values)), bits_of(pairs(text, &of_bits)));
    if values_first && !(values.len() == 1 && bits.len() > 1) {
        (values, Bits::new())
    } else {
        (Values::new(), bits)
    }
}

/// Names of bits in a cell that has nothing else, where numbers alone are bits too.
pub(super) fn bit_names(text: &str) -> Bits {
    static PLAIN: LazyLock<Regex> = LazyLock::new(|| {
        regex(r"(?:^|[\s,;/|(（，；、])(\d{1,2}(?:\s*(?:-|~|～|\.\.)\s*\d{1,2})?)(?:\s*[:=：]|\s+[-–—]\s)\s*")
    });
    let marks = bit_marks(text);
    if !marks.is_empty() {
        return bits_of(pairs(text, &marks));
    }
    bits_of(one_a_line(text).unwrap_or_else(|| {
        let marks: Vec<_> = PLAIN
            .captures_iter(text)
            .filter_map(|found| mark(&found))
            .collect();
        pairs(text, &marks)
    }))
}

/// First and last bit of `3`, `bit3`, `4-7`, `Bit4~Bit7`.
pub(super) fn bit_range(text: &str) -> Option<(u8, u8)> {
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(|digits| digits.parse::<u8>().ok().filter(|bit| *bit < 64));
    let first = numbers.next()??;
    let last = numbers.next().unwrap_or(Some(first))?;
    Some((first.min(last), first.max(last)))
}

fn values_of(pairs: Vec<(String, String)>) -> Values {
    let pairs = pairs.into_iter();
    pairs
        .filter_map(|(key, name)| Some((whole_number(&key)?, name)))
        .collect()
}

fn bits_of(pairs: Vec<(String, String)>) -> Bits {
    let pairs = pairs.into_iter();
    pairs
        .filter_map(|(bits, name)| Some((bit_range(&bits)?, name)))
        .collect()
}

fn mark(found: &regex::Captures<'_>) -> Option<Mark> {
    let whole = found.get(0)?;
    Some(Mark {
        key: found[1].to_owned(),
        start: whole.start(),
        name: whole.end(),
    })
}

/// `Bit0:`, `Bit 0 -`, `bit00 =`, `Bits 4 bis 7:`, `Bit[3]`, `D0:`, `位0：`.
fn bit_marks(text: &str) -> Vec<Mark> {
    static BIT: LazyLock<Regex> = LazyLock::new(|| {
        regex(
            r"(?i)(?:^|[\s,;/|(（，；、。])(?:(?:bits?\s*[.#_-]?\s*\[?\s*|第?位\s*|第)(\d{1,2}(?:\s*(?:-|~|～|\.\.|to|bis)\s*(?:bit|b)?\s*\d{1,2}\b)?)\s*(?:\]|位)?\s*([:=：]|[-–—](?:\s|>)|[-–—]\b)?|[bd](\d{1,2}(?:\s*(?:-|~|～|\.\.)\s*[bd]?\d{1,2}\b)?)\s*(?:[:=：]|[-–—]\s))\s*",
        )
    });
    let mut marks = Vec::new();
    for found in BIT.captures_iter(text) {
        let (Some(whole), Some(key)) = (found.get(0), found.get(1).or(found.get(3))) else {
            continue;
        };
        let mut mark = Mark {
            key: key.as_str().to_owned(),
            start: whole.start(),
            name: whole.end(),
        };
        if found.get(1).is_some() && found.get(2).is_none() {
            // "32 bit 2 words" names no bit 2
            let before = text[..whole.start()].chars().next_back();
            if before.is_some_and(|c| c.is_ascii_digit()) && whole.as_str().starts_with(' ') {
                continue;
            }
            // "Bit 0 - 24 V there" is no range
            if let Some((first, _)) = key.as_str().split_once(" - ")
                && !key.as_str().to_lowercase().contains('b')
            {
                first.clone_into(&mut mark.key);
                mark.name = key.start() + first.len() + 3;
            }
        }
        marks.push(mark);
    }
    marks
}

/// Numbers that are named and are not those of bits.
fn value_marks(text: &str, bits: &[Mark]) -> Vec<Mark> {
    static MARK: LazyLock<Regex> =
        LazyLock::new(|| regex(r"(?:^|[\s,;/|(（，；、])(-?(?:0[xX][0-9a-fA-F]+|\d+))\s*[:=：]\s*"));
    static DASH: LazyLock<Regex> =
        LazyLock::new(|| regex(r"(?:^|[\n,;，；、])\s*(0[xX][0-9a-fA-F]+|\d+)\s*[-–—]\s*(?:[^\d\s.])"));
    let of_bit = |mark: &Mark| {
        bits.iter()
            .any(|bit| bit.start < mark.name && mark.start < bit.name)
    };
    let found = MARK.captures_iter(text).filter_map(|found| mark(&found));
    let found: Vec<_> = found.filter(|mark| !of_bit(mark)).collect();
    if !found.is_empty() {
        return found;
    }
    let found = DASH.captures_iter(text).filter_map(|found| {
        // the name's first character is in the pattern
        let last = found
            .get(0)?
            .as_str()
            .chars()
            .next_back()
            .map_or(0, char::len_utf8);
        let mark = mark(&found)?;
        Some(Mark {
            name: mark.name - last,
            ..mark
        })
    });
    found.filter(|mark| !of_bit(mark)).collect()
}

/// Pairs of a text that has one in each of its lines.
fn one_a_line(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |line: &str| {
        let (key, name) = line.split_once([':', '=', '：'])?;
        let (key, name) = (key.trim(), name.trim());
        let is_key = key.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        (is_key && !name.is_empty()).then(|| (key.to_owned(), name.to_owned()))
    };
    text.contains('\n').then(|| text.lines().map(pair).collect())?
}

/// Keys and the names behind them, each up to the next mark.
fn pairs(text: &str, marks: &[Mark]) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for (k, mark) in marks.iter().enumerate() {
        let end = marks.get(k + 1).map_or(text.len(), |next| next.start);
        let name = text.get(mark.name..end).unwrap_or_default();
        let name = name.trim_matches(|c: char| c.is_whitespace() || ",;/|，；、。".contains(c));
        let words: Vec<_> = name.split_whitespace().collect();
        let name = words.join(" ");
        // "(0: off, 1: on)"
        let name = if name.contains(['(', '（']) {
            name.as_str()
        } else {
            name.trim_end_matches([')', '）'])
        };
        if !name.is_empty() {
            pairs.push((mark.key.clone(), name.to_owned()));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_values() {
        let expected = [(0, "Stop"), (1, "Grid run"), (2, "Fault")];
        let expected: Values = expected.map(|(value, name)| (value, name.to_owned())).into();
        for text in [
            "0: Stop; 1: Grid run; 2: Fault",
            "0=Stop, 1=Grid run, 2=Fault",
            "0:Stop 1:Grid run 2:Fault",
            "0 - Stop, 1 - Grid run, 2 - Fault",
            "0x00: Stop\n0x01: Grid run\n0x02: Fault",
            "Running state (0: Stop, 1: Grid run, 2: Fault)",
            "0：Stop；1：Grid run；2：Fault",
        ] {
            assert_eq!(named(text), (expected.clone(), Bits::new()), "{text}");
        }
        for text in [
            "0~100",
            "-100 to 100",
            "0-65535",
            "see note 3",
            "12.5 V",
            "32 bit 2 words",
        ] {
            assert_eq!(named(text), (Values::new(), Bits::new()), "{text}");
        }
        assert_eq!(named("0: Stop (bit 3 of 40002 set), 1: Run").0.len(), 2);
    }

    #[test]
    fn names_of_bits() {
        let expected = [
            ((0, 0), "AC-Schütz zu"),
            ((1, 1), "DC-Schalter zu"),
            ((4, 7), "Modus"),
        ];
        let expected: Bits = expected.map(|(bits, name)| (bits, name.to_owned())).into();
        for text in [
            "Bit 0: AC-Schütz zu, Bit 1: DC-Schalter zu, Bit 4-7: Modus",
            "Bit0=AC-Schütz zu; Bit1=DC-Schalter zu; Bit4-7=Modus",
            "Bit 0 - AC-Schütz zu, Bit 1 - DC-Schalter zu, Bits 4 bis 7 - Modus",
            "Bit 0 AC-Schütz zu\nBit 1 DC-Schalter zu\nBit 4..7 Modus",
            "D0: AC-Schütz zu, D1: DC-Schalter zu, D4-D7: Modus",
            "b0: AC-Schütz zu; b1: DC-Schalter zu; b4~b7: Modus",
            "bit00: AC-Schütz zu bit01: DC-Schalter zu bit04-07: Modus",
            "BIT[0] AC-Schütz zu, BIT[1] DC-Schalter zu, BIT 4 ~ 7 Modus",
            "Bit 0：AC-Schütz zu；Bit 1：DC-Schalter zu；Bit 4～Bit 7：Modus",
            "位0：AC-Schütz zu，位1：DC-Schalter zu，位4-7：Modus",
            "Statuswort (Bit 0: AC-Schütz zu, Bit 1: DC-Schalter zu, Bit 4 - Bit 7: Modus)",
        ] {
            assert_eq!(named(text), (Values::new(), expected.clone()), "{text}");
        }
        assert_eq!(
            named("Bit 0: 24 V ok, Bit 1 - 12 V ok").1,
            Bits::from([((0, 0), "24 V ok".to_owned()), ((1, 1), "12 V ok".to_owned())])
        );
        let of_one = named("Bit 0 = 1: closed, 0: open");
        assert!(of_one.0.is_empty() && of_one.1.len() == 1, "{of_one:?}");
        for text in [
            "0: Fan fault; 3: Door",
            "0 - Fan fault, 3 - Door",
            "Bit 0: Fan fault, Bit 3: Door",
        ] {
            assert_eq!(bit_names(text).len(), 2, "{text}");
        }
        assert_eq!(bit_range("Bit4~Bit7"), Some((4, 7)));
        assert_eq!(bit_range("none"), None);
    }
}
