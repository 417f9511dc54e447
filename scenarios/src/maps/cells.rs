//! What stands in the cells of a vendor's list: addresses, tables, access, factors, units.

use std::sync::LazyLock;

use bess_devices::codec::modbus::listing::whole_number;
use bess_types::Table;
use regex::Regex;

/// An address as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) number: u32,
    pub(super) style: Style,
    /// Last address of a range.
    pub(super) last: Option<u32>,
    /// Bit of the register, as in `40010.3`.
    pub(super) bit: Option<u8>,
}

/// How an address is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Digits, so many of them.
    Decimal(usize),
    /// With a mark that says so: `0x1000`, `1000h`.
    Hex,
    /// Hexadecimal digits without a mark, such as `10A0`.
    BareHex,
    /// With the table before an x: `4x0001`.
    Reference(Table),
}

/// Reads an address; `hex` where the column's head says that all are hexadecimal.
pub(super) fn address(cell: &str, hex: bool) -> Option<Written> {
    static REFERENCE: LazyLock<Regex> = LazyLock::new(|| regex(r"^([134])[xX](\d{1,5})$"));
    let cell = cell.trim().trim_end_matches(['*', ',']);
    let (first, rest) = match cell
        .split_once(|c: char| "-~–…/,".contains(c))
        .or_else(|| cell.split_once(".."))
    {
        Some((first, rest)) => (first.trim(), Some(rest.trim().trim_start_matches('.'))),
        None => (cell, None),
    };
    let (first, bit) = match first.split_once(['.', ':']) {
        Some((first, bit)) => (
            first,
            Some(bit.trim().parse::<u8>().ok().filter(|bit| *bit < 64)?),
        ),
        None => (first, None),
    };
    let first = first.replace(char::is_whitespace, "");
    let (number, style) = if let Some(found) = REFERENCE.captures(&first) {
        let table = table_of_digit(found[1].chars().next()?)?;
        (found[2].parse().ok()?, Style::Reference(table))
    } else {
        one_address(&first, hex)?
    };
    let last = match rest {
        None | Some("") => None,
        Some(rest) => Some(one_address(rest, hex || style == Style::BareHex)?.0),
    };
    // `40001-2` goes on to 40002
    let last = last.map(|last| {
        if last < number && last < 100 {
            number - number % 100 + last
        } else {
            last
        }
    });
    if last.is_some_and(|last| last < number || last - number > 0xFFFF) {
        return None;
    }
    Some(Written {
        number,
        style,
        last,
        bit,
    })
}

fn one_address(text: &str, hex: bool) -> Option<(u32, Style)> {
    let lower = text.to_ascii_lowercase();
    let marked = lower
        .strip_prefix("0x")
        .or_else(|| lower.strip_prefix("16#"))
        .or_else(|| lower.strip_prefix('$'))
        .or_else(|| lower.strip_suffix('h'));
    let digits =
        |text: &str| !text.is_empty() && text.len() <= 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some(number) = marked.filter(|text| digits(text)) {
        return Some((u32::from_str_radix(number, 16).ok()?, Style::Hex));
    }
    if !digits(&lower) {
        return None;
    }
    if hex {
        return Some((u32::from_str_radix(&lower, 16).ok()?, Style::Hex));
    }
    match lower.parse() {
        Ok(number) => Some((number, Style::Decimal(lower.len()))),
        // A word such as "face" is hardly an address: some digit must be in it.
        Err(_) if lower.len() <= 4 && lower.bytes().any(|b| b.is_ascii_digit()) => {
            Some((u32::from_str_radix(&lower, 16).ok()?, Style::BareHex))
        }
        Err(_) => None,
    }
}

/// The table of the first digit of a reference number.
pub(super) fn table_of_digit(digit: char) -> Option<Table> {
    match digit {
        '0' => Some(Table::Coil),
        '1' => Some(Table::DiscreteInput),
        '3' => Some(Table::Input),
        '4' => Some(Table::Holding),
        _ => None,
    }
}

/// Table that a cell or a title names, and whether a writing function is among those named.
pub(super) fn table(text: &str) -> Option<(Table, bool)> {
    static CODE: LazyLock<Regex> = LazyLock::new(|| regex(r"(?:0x|fc|\b)0*([1-6]|15|16|0f|10)h?\b"));
    let text = text.to_lowercase();
    let text = text.trim();
    let words = [
        ("discrete", Table::DiscreteInput),
        ("input status", Table::DiscreteInput),
        ("coil", Table::Coil),
        ("holding", Table::Holding),
        ("input reg", Table::Input),
        ("4x", Table::Holding),
        ("3x", Table::Input),
        ("1x", Table::DiscreteInput),
        ("0x", Table::Coil),
    ];
    let whole = match text {
        "hr" | "hold" | "holding" => Some(Table::Holding),
        "ir" | "input" | "inputs" => Some(Table::Input),
        "di" => Some(Table::DiscreteInput),
        "do" => Some(Table::Coil),
        _ => None,
    };
    let named = words.iter().find(|(word, table)| {
        // "0x03" is a function code, not table 0
        text.contains(word) && !(*table == Table::Coil && *word == "0x" && text.len() > 2)
    });
    if let Some(table) = whole.or(named.map(|(_, table)| *table)) {
        return Some((table, text.contains("write") || text.contains("r/w")));
    }
    let mut found: Option<Table> = None;
    let mut writes = false;
    for code in CODE.captures_iter(text) {
        let (table, write) = match &code[1] {
            "1" => (Table::Coil, false),
            "2" => (Table::DiscreteInput, false),
            "3" => (Table::Holding, false),
            "4" => (Table::Input, false),
            "5" | "15" | "0f" => (Table::Coil, true),
            // 10 is hexadecimal
            _ => (Table::Holding, true),
        };
        // 3 beside 6 and 16, 4 beside none: the reading one says which table
        if found.is_none() || !write {
            found = Some(table);
        }
        writes |= write;
    }
    Some((found?, writes))
}

/// The one table a title or the name of a sheet is about; nothing if it names none, or several.
pub(super) fn table_of_title(title: &str) -> Option<Table> {
    static WORDS: LazyLock<[(Regex, Table); 4]> = LazyLock::new(|| {
        [
            (
                r"input[ _-]*reg|\binputs?\b.*holding|holding.*\binputs?\b|eingangsregister|eingaberegister|输入寄存器|\b3x\b",
                Table::Input,
            ),
            (r"holding|halteregister|保持寄存器|\b4x\b", Table::Holding),
            (r"\bcoils?\b|线圈", Table::Coil),
            (r"discrete|diskrete|input status|离散", Table::DiscreteInput),
        ]
        .map(|(pattern, table)| (regex(pattern), table))
    });
    static CODES: LazyLock<Regex> =
        LazyLock::new(|| regex(r"\b(?:fc|function(?: codes?)?|funktions?codes?|功能码)\s*[:=]?\s*(.*)$"));
    static CODE: LazyLock<Regex> = LazyLock::new(|| regex(r"\d+"));
    let title = title.trim().to_lowercase();
    match title.as_str() {
        "input" | "inputs" | "ir" => return Some(Table::Input),
        "hr" => return Some(Table::Holding),
        "di" => return Some(Table::DiscreteInput),
        "do" => return Some(Table::Coil),
        _ => {}
    }
    let mut found: Vec<Table> = (WORDS.iter())
        .filter(|(pattern, _)| pattern.is_match(&title))
        .map(|(_, table)| *table)
        .collect();
    if let Some(codes) = CODES.captures(&title).and_then(|codes| codes.get(1)) {
        let codes = CODE
            .find_iter(codes.as_str())
            .filter_map(|code| code.as_str().parse().ok());
        found.extend(codes.filter_map(|code: u32| match code {
            1 | 5 | 15 => Some(Table::Coil),
            2 => Some(Table::DiscreteInput),
            3 | 6 | 16 => Some(Table::Holding),
            4 => Some(Table::Input),
            _ => None,
        }));
    }
    let first = *found.first()?;
    found.iter().all(|table| *table == first).then_some(first)
}

/// Whether a cell says that the register may be written; `None` if it does not say.
pub(super) fn access(cell: &str) -> Option<(bool, bool)> {
    let text: String = cell
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect();
    let (read, write) = match text.as_str() {
        "r" | "ro" | "read" | "readonly" | "get" | "只读" | "读" | "l" | "lesen" | "nurlesen" => {
            (true, false)
        }
        "rw" | "wr" | "readwrite" | "readandwrite" | "writeread" | "getset" | "读写" | "可读写" | "ls"
        | "lesenschreiben" | "lesenundschreiben" => (true, true),
        "w" | "wo" | "write" | "writeonly" | "set" | "只写" | "写" | "schreiben" | "nurschreiben" => {
            (false, true)
        }
        _ => return None,
    };
    Some((read, write))
}

/// A number with what stands behind it: `0.1 V`, `1/10`, `x0.01`, `0,1`.
pub(super) fn factor(cell: &str) -> Option<(f64, String)> {
    static NUMBER: LazyLock<Regex> =
        LazyLock::new(|| regex(r"^[x×*·]?\s*([+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?)\s*(.*)$"));
    let text = plain_signs(cell);
    let text = text.trim();
    let (text, below) = match text.strip_prefix(['/', '÷']) {
        Some(rest) => (rest.trim(), true),
        None => (text, false),
    };
    let found = NUMBER.captures(text)?;
    let number: f64 = found[1].replace(',', ".").parse().ok()?;
    let rest = found[2].trim();
    if below {
        return finite(1.0 / number, rest);
    }
    if let Some(under) = rest
        .strip_prefix('/')
        .filter(|_| !rest[1..].trim_start().starts_with(char::is_alphabetic))
    {
        let found = NUMBER.captures(under.trim())?;
        let divisor: f64 = found[1].replace(',', ".").parse().ok()?;
        return finite(number / divisor, &found[2]);
    }
    // "10^-1"
    if let Some(power) = rest.strip_prefix('^').filter(|_| number == 10.0) {
        return finite(
            10_f64.powi(power.trim().parse().ok().filter(|p: &i32| p.abs() < 20)?),
            "",
        );
    }
    // "1W/bit", "0.1 V/LSB"
    let unit = rest
        .split_once("/bit")
        .or_else(|| rest.split_once("/LSB"))
        .map_or(rest, |(unit, _)| unit);
    finite(number, unit)
}

/// A text with the signs of ASCII: `−400` is `-400`, `10⁻¹` is `10^-1`.
pub(super) fn plain_signs(text: &str) -> String {
    let mut plain = String::new();
    let mut is_raised = false;
    for c in text.chars() {
        let raised = match c {
            '⁻' => Some('-'),
            '⁰' => Some('0'),
            '¹' => Some('1'),
            '²' => Some('2'),
            '³' => Some('3'),
            '⁴'..='⁹' => char::from_digit(u32::from(c) - u32::from('⁰'), 10),
            _ => None,
        };
        // what is raised behind a letter is of a unit
        let raised = raised.filter(|_| is_raised || plain.ends_with(|c: char| c.is_ascii_digit()));
        if raised.is_some() && !is_raised {
            plain.push('^');
        }
        is_raised = raised.is_some();
        plain.push(match c {
            '−' | '－' | '﹣' | '–' => '-',
            '＋' => '+',
            _ => raised.unwrap_or(c),
        });
    }
    plain
}

fn finite(number: f64, unit: &str) -> Option<(f64, String)> {
    number.is_finite().then(|| (number, unit.trim().to_owned()))
}

/// A whole number in the form lists have.
pub(super) fn integer(cell: &str) -> Option<i64> {
    let text = cell.trim();
    let hex = text.strip_suffix(['h', 'H']).filter(|digits| !digits.is_empty());
    match hex {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => whole_number(text),
    }
}

/// A unit with the scale in front of it, as in `0.1kW`: the scale, if there is one, and the unit.
pub(super) fn scaled_unit(cell: &str) -> (Option<f64>, String) {
    match factor(cell) {
        // "1/min" is a unit
        Some((number, rest))
            if number > 0.0 && !rest.starts_with('/') && !(number == 1.0 && rest.is_empty()) =>
        {
            (Some(number), unit(&rest))
        }
        _ => (None, unit(cell)),
    }
}

/// The scale, if any, and the unit in the brackets a name ends with, as in `Leistung [kW]`, `Spannung (0,1 V)`, `电压（V）`.
/// A number that is no step of a register, as in `Nennspannung (400 V)` or `Mean power (15 min)`, makes it none.
pub(super) fn unit_of_name(name: &str) -> Option<(Option<f64>, String)> {
    let (_, inside) = split_bracket(name)?;
    let (scale, unit) = scaled_unit(inside);
    let of_time = ["s", "ms", "min", "h"].contains(&unit.as_str());
    let is_step = |scale: f64| scale < 1.0 || !of_time && [1.0, 10.0, 100.0, 1000.0].contains(&scale);
    (is_known(&unit) && scale.is_none_or(is_step)).then_some((scale, unit))
}

/// A name without the unit in brackets at its end.
pub(super) fn without_unit(name: &str) -> &str {
    match split_bracket(name) {
        Some((before, _)) if unit_of_name(name).is_some() => before,
        _ => name,
    }
}

fn split_bracket(name: &str) -> Option<(&str, &str)> {
    let name = name.trim_end();
    [('[', ']'), ('(', ')'), ('（', '）'), ('【', '】')]
        .into_iter()
        .find_map(|(open, close)| name.strip_suffix(close)?.rsplit_once(open))
        .map(|(before, inside)| (before.trim_end(), inside.trim()))
        .filter(|(before, _)| !before.is_empty())
}

/// Whether points have a unit of that quantity.
pub(super) fn is_known(unit: &str) -> bool {
    let quantities = [
        "V", "A", "W", "VA", "var", "Wh", "As", "Ω", "Hz", "s", "°C", "%", "Pa", "L/min", "rpm",
    ];
    quantities
        .iter()
        .any(|quantity| bess_devices::codec::unit::factor(unit, quantity).is_some())
}

/// A unit as this rig writes it; nothing for signs that mean "none".
pub(super) fn unit(cell: &str) -> String {
    bess_devices::codec::unit::spelled(cell).to_owned()
}

pub(super) fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of this file")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_every_form() {
        let plain = |number, style| {
            Some(Written {
                number,
                style,
                last: None,
                bit: None,
            })
        };
        for (text, expected) in [
            ("40001", plain(40001, Style::Decimal(5))),
            ("00017", plain(17, Style::Decimal(5))),
            ("0x1F40", plain(0x1F40, Style::Hex)),
            ("1000H", plain(0x1000, Style::Hex)),
            ("$10", plain(0x10, Style::Hex)),
            ("10A0", plain(0x10A0, Style::BareHex)),
            ("4x0001", plain(1, Style::Reference(Table::Holding))),
            ("3X00012", plain(12, Style::Reference(Table::Input))),
            ("face", None),
            ("Voltage", None),
            ("", None),
        ] {
            assert_eq!(address(text, false), expected, "{text}");
        }
        assert_eq!(address("1000", true), plain(0x1000, Style::Hex));
        let range = address("40001-40004", false).unwrap();
        assert_eq!((range.number, range.last), (40001, Some(40004)));
        assert_eq!(address("100 ~ 101", false).unwrap().last, Some(101));
        assert_eq!(address("40101/02", false).unwrap().last, Some(40102));
        assert_eq!(address("40010.3", false).unwrap().bit, Some(3));
        assert_eq!(address("40010-40001", false), None);
    }

    #[test]
    fn tables_by_function_code_or_name() {
        for (text, expected) in [
            ("03", Some((Table::Holding, false))),
            ("0x04", Some((Table::Input, false))),
            ("FC3/6/16", Some((Table::Holding, true))),
            ("03H, 10H", Some((Table::Holding, true))),
            ("1, 5, 15", Some((Table::Coil, true))),
            ("Holding register", Some((Table::Holding, false))),
            ("Input Registers (3x)", Some((Table::Input, false))),
            ("discrete-input", Some((Table::DiscreteInput, false))),
            ("coil", Some((Table::Coil, false))),
            ("4x", Some((Table::Holding, false))),
            ("float", None),
        ] {
            assert_eq!(table(text), expected, "{text}");
        }
    }

    #[test]
    fn titles_that_are_about_one_table() {
        for (title, expected) in [
            ("PCS map Input registers", Some(Table::Input)),
            ("Input", Some(Table::Input)),
            ("HR", Some(Table::Holding)),
            ("Halteregister (FC 3/6/16)", Some(Table::Holding)),
            ("Function code: 04", Some(Table::Input)),
            ("输入寄存器", Some(Table::Input)),
            ("Coils", Some(Table::Coil)),
            ("Discrete inputs", Some(Table::DiscreteInput)),
            ("Input and holding registers", None),
            ("Functions 03, 04, 06", None),
            ("DC input", None),
            ("Registers", None),
        ] {
            assert_eq!(table_of_title(title), expected, "{title}");
        }
    }

    #[test]
    fn access_in_every_form() {
        for (cell, expected) in [
            ("RO", Some((true, false))),
            ("R", Some((true, false))),
            ("R/W", Some((true, true))),
            ("RW", Some((true, true))),
            ("WO", Some((false, true))),
            ("L/S", Some((true, true))),
            ("读写", Some((true, true))),
            ("yes", None),
        ] {
            assert_eq!(access(cell), expected, "{cell}");
        }
    }

    #[test]
    fn factors_and_units() {
        for (text, number, rest) in [
            ("0.1", 0.1, ""),
            ("0,01", 0.01, ""),
            ("1/10", 0.1, ""),
            ("/100", 0.01, ""),
            ("x0.1", 0.1, ""),
            ("0.1V", 0.1, "V"),
            ("1 W/bit", 1.0, "W"),
            ("10^-2", 0.01, ""),
            ("-1", -1.0, ""),
            ("1 L/min", 1.0, "L/min"),
            ("−400", -400.0, ""),
            ("10⁻²", 0.01, ""),
            ("2 m³", 2.0, "m³"),
        ] {
            let (found, unit) = factor(text).unwrap();
            assert!(
                (found - number).abs() < 1e-12 && unit == rest,
                "{text}: {found} {unit}"
            );
        }
        assert_eq!(factor("see note"), None);
        assert_eq!(factor("1/0"), None);
        assert_eq!(unit("℃"), "°C");
        assert_eq!(unit("--"), "");
        for (cell, scale, name) in [
            ("0.1kW", Some(0.1), "kW"),
            ("0.1 V", Some(0.1), "V"),
            ("0,01Hz", Some(0.01), "Hz"),
            ("0.1℃", Some(0.1), "°C"),
            ("0.1%", Some(0.1), "%"),
            ("0.1", Some(0.1), ""),
            ("kW", None, "kW"),
            ("1/min", None, "rpm"),
            ("1", None, ""),
            ("", None, ""),
        ] {
            assert_eq!(scaled_unit(cell), (scale, name.to_owned()), "{cell}");
        }
    }
}
