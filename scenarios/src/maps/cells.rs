//! What stands in the cells of a vendor's list: addresses, tables, types, factors, units.

use std::sync::LazyLock;

use bess_devices::codec::modbus::RegisterType;
use bess_devices::codec::modbus::listing::whole_number;
use bess_types::Table;
use regex::Regex;

use super::word_order::{Doubt, word_order};

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

/// What a type cell says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kind {
    pub(super) form: Form,
    /// The order of words, where the type says it; a doubt where it is about that and leaves it open.
    pub(super) low_word_first: Result<Option<bool>, Doubt>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Number(RegisterType),
    /// Signed or not; how wide is for the length to say.
    Whole {
        signed: bool,
    },
    /// A text of so many bytes.
    Text(Option<u32>),
    /// A single bit.
    Bit,
    /// Registers that mean nothing.
    Fill,
}

/// Reads a type; why not, if it cannot be read.
pub(super) fn kind(cell: &str) -> Result<Kind, String> {
    static WIDTH: LazyLock<Regex> = LazyLock::new(|| regex(r"\d+"));
    // `INT32_LE`, `S32 (BE)`, `INT32SW`; not the end of `single`
    static ORDER: LazyLock<Regex> =
        LazyLock::new(|| regex(r"^(.*(?:\d|[^\w\s]|[_\s]))[\s_(\[/-]*(le|be|lsw|msw|sw|swap)[)\]]?$"));
    let lower = cell.trim().to_lowercase();
    let (bare, low_word_first) = match (word_order(cell), ORDER.captures(&lower)) {
        (Ok(None), Some(found)) => {
            let (_, [bare, order]) = found.extract();
            (bare, Ok(Some(matches!(order, "le" | "lsw" | "sw" | "swap"))))
        }
        (said, _) => (lower.as_str(), said),
    };
    let text: String = bare
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect();
    if let Err(doubt @ Doubt::Bytes) = low_word_first {
        return Err(doubt.to_string());
    }
    let letters: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let width: Option<u32> = WIDTH.find(&text).and_then(|found| found.as_str().parse().ok());
    let has = |word: &str| letters.contains(word);
    let has_any = |words: &[&str]| words.iter().any(|word| has(word));
    let unsigned = has_any(&["uint", "unsigned", "vorzeichenlos", "ohnevorzeichen", "无符号"])
        || letters.starts_with('u') && !has("utf");
    let signed = has_any(&["int", "signed", "vorzeichen", "ganzzahl", "有符号", "整"]);
    let sized = |signed: bool, bits: u32| match (signed, bits) {
        (false, 16) => Ok(Form::Number(RegisterType::U16)),
        (true, 16) => Ok(Form::Number(RegisterType::I16)),
        (false, 32) => Ok(Form::Number(RegisterType::U32)),
        (true, 32) => Ok(Form::Number(RegisterType::I32)),
        (false, 64) => Ok(Form::Number(RegisterType::U64)),
        (true, 64) => Ok(Form::Number(RegisterType::I64)),
        _ => Err(format!("`{cell}`: a number takes 16, 32 or 64 bits in registers")),
    };
    if let Some(exact) = RegisterType::ALL.into_iter().find(|kind| kind.name() == letters) {
        return Ok(Kind {
            form: Form::Number(exact),
            low_word_first,
        });
    }
    let form = if text.split(' ').any(|word| word.starts_with("bcd"))
        || (has("date") || has("time")) && !has("int")
        || has("ipaddr")
        || has("eui")
        || has("mac")
    {
        return Err(format!("`{cell}` is no type of a register map"));
    } else if letters == "fill" {
        Form::Fill
    } else if has_any(&["str", "ascii", "char", "text", "utf8", "zeichenkette", "字符"]) {
        let bytes = width.filter(|_| !has("utf8"));
        Form::Text(bytes)
    } else if has_any(&["float", "real", "ieee", "gleitkomma", "fließkomma", "浮点"])
        || letters == "single"
        || letters.starts_with("f32")
    {
        if width.is_some_and(|width| width != 32 && width != 754) || has("lreal") || has("double") {
            return Err(format!(
                "`{cell}`: only floats of 32 bits can be in a register map"
            ));
        }
        Form::Number(RegisterType::F32)
    } else if has("double") && !has("word") || letters == "f64" {
        return Err(format!(
            "`{cell}`: only floats of 32 bits can be in a register map"
        ));
    } else if has("bitfield")
        || has("bitmap")
        || has("bitmask")
        || text.split(' ').any(|word| word == "bits")
        || has("flags")
    {
        sized(false, width.unwrap_or(16))?
    } else if ["bit", "bool", "boolean", "coil", "binary", "1bit", "flag"].contains(&letters.as_str()) {
        Form::Bit
    } else if has_any(&["dword", "doubleword", "doppelwort", "ulong"]) {
        sized(false, width.unwrap_or(32))?
    } else if has("qword") || has("quadword") {
        sized(false, width.unwrap_or(64))?
    } else if has("sunssf") {
        sized(true, 16)?
    } else if has("short") {
        sized(!unsigned, width.unwrap_or(16))?
    } else if has("long") {
        sized(!unsigned, width.unwrap_or(32))?
    } else if has_any(&["word", "wort", "ushort", "hex", "enum", "acc", "count", "raw"]) {
        sized(false, width.unwrap_or(16))?
    } else if unsigned {
        match width {
            Some(width) => sized(false, width)?,
            None => Form::Whole { signed: false },
        }
    } else if signed || ["s", "i"].iter().any(|c| letters.starts_with(c)) {
        match width {
            Some(width) => sized(true, width)?,
            None if signed => Form::Whole { signed: true },
            None => return Err(format!("`{cell}` is no known type")),
        }
    } else {
        return Err(format!("`{cell}` is no known type"));
    };
    Ok(Kind { form, low_word_first })
}

/// Words of a type that cannot be read but has its bits in its name, as in `BCD32`.
pub(super) fn words_named(text: &str) -> Option<u32> {
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok());
    numbers
        .find(|bits: &u32| [16, 32, 48, 64].contains(bits))
        .map(|bits| bits / 16)
}

/// A number with what stands behind it: `0.1 V`, `1/10`, `x0.01`, `0,1`.
pub(super) fn factor(cell: &str) -> Option<(f64, String)> {
    static NUMBER: LazyLock<Regex> =
        LazyLock::new(|| regex(r"^[x×*]?\s*([+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?)\s*(.*)$"));
    let text = cell.trim();
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
fn is_known(unit: &str) -> bool {
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
    fn types_in_every_form() {
        use RegisterType::{Acc64, F32, I16, I32, I64, U16, U32};
        for (text, expected) in [
            ("U16", Form::Number(U16)),
            ("UINT 16", Form::Number(U16)),
            ("uint16_t", Form::Number(U16)),
            ("Unsigned 32-bit", Form::Number(U32)),
            ("16-bit signed", Form::Number(I16)),
            ("S16", Form::Number(I16)),
            ("INT32", Form::Number(I32)),
            ("long", Form::Number(I32)),
            ("unsigned long", Form::Number(U32)),
            ("WORD", Form::Number(U16)),
            ("DWORD", Form::Number(U32)),
            ("short", Form::Number(I16)),
            ("unsigned short", Form::Number(U16)),
            ("I64", Form::Number(I64)),
            ("acc64", Form::Number(Acc64)),
            ("Float", Form::Number(F32)),
            ("IEEE754 float32", Form::Number(F32)),
            ("enum16", Form::Number(U16)),
            ("Bitfield32", Form::Number(U32)),
            ("sunssf", Form::Number(I16)),
            ("uint", Form::Whole { signed: false }),
            ("Int", Form::Whole { signed: true }),
            ("STR32", Form::Text(Some(32))),
            ("ASCII", Form::Text(None)),
            ("BOOL", Form::Bit),
            ("Ganzzahl 16 Bit mit Vorzeichen", Form::Number(I16)),
            ("vorzeichenlos 32 Bit", Form::Number(U32)),
            ("Gleitkomma", Form::Number(F32)),
            ("Doppelwort", Form::Number(U32)),
            ("无符号16位", Form::Number(U16)),
            ("有符号32位整数", Form::Number(I32)),
            ("浮点", Form::Number(F32)),
        ] {
            assert_eq!(kind(text).map(|kind| kind.form), Ok(expected), "{text}");
        }
        for text in [
            "BCD16",
            "double",
            "U8",
            "DateTime",
            "banana",
            "S",
            "U32 byte swap",
        ] {
            assert!(kind(text).is_err(), "{text}");
        }
        assert_eq!(kind("U32 (CDAB)").unwrap().low_word_first, Ok(Some(true)));
        assert_eq!(kind("Float ABCD").unwrap().low_word_first, Ok(Some(false)));
        for (text, form, low) in [
            ("INT32_LE", I32, Some(true)),
            ("S32 (LE)", I32, Some(true)),
            ("INT32SW", I32, Some(true)),
            ("uint32-be", U32, Some(false)),
            ("FLOAT_SWAP", F32, Some(true)),
            ("U32 [MSW]", U32, Some(false)),
            ("single", F32, None),
        ] {
            let expected = Kind {
                form: Form::Number(form),
                low_word_first: Ok(low),
            };
            assert_eq!(kind(text), Ok(expected), "{text}");
        }
        assert!(kind("U32 BADC").is_err());
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
