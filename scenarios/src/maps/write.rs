//! A register map in the form of the shipped ones.

use std::fmt::Write as _;

use bess_devices::codec::modbus::listing::{Meaning, Register, Revert, name_of_table};
use bess_devices::codec::modbus::{OutOfRangeWrite, ReadOnlyWrite, RegisterType};

use super::import::{Import, Item};

/// The text of a map file with everything an import found.
pub(super) fn map(import: &Import, head: &[String]) -> String {
    let mut text = String::new();
    for line in head {
        let _ = writeln!(text, "# {}", comment(line));
    }
    let _ = writeln!(text, "title = {}", quoted(&import.title));
    if import.read_only_write != ReadOnlyWrite::default() {
        let _ = writeln!(text, "read_only_write = \"{}\"", import.read_only_write.name());
    }
    if import.out_of_range_write != OutOfRangeWrite::default() {
        let _ = writeln!(
            text,
            "out_of_range_write = \"{}\"",
            import.out_of_range_write.name()
        );
    }
    let mut open: Option<(&Register, bool)> = None;
    for (at, item) in import.items.iter().enumerate() {
        match item {
            Item::Remark(remark) => {
                let indent = if open.is_some() { "  " } else { "" };
                let _ = writeln!(text, "{indent}# {}", comment(remark));
            }
            Item::Register(register, note) => {
                let goes_on = open.is_some_and(|(first, _)| same_block(first, register));
                if !goes_on {
                    if open.is_some() {
                        text += "]\n";
                    }
                    let low = low_word_first_in(&import.items[at..], register);
                    open = Some((register, low));
                    head_of_block(&mut text, register, low);
                }
                let low = open.is_some_and(|(_, low)| low);
                let _ = writeln!(text, "  {{ {} }}, # {}", entry(register, low), comment(note));
            }
        }
    }
    if open.is_some() {
        text += "]\n";
    }
    for spec in &import.reverts {
        revert(&mut text, spec);
    }
    text
}

/// A map with one register.
pub(super) fn one(register: &Register) -> String {
    let mut text = "title = \"\"\n".to_owned();
    head_of_block(&mut text, register, register.low_word_first);
    let _ = writeln!(text, "  {{ {} }},\n]", entry(register, register.low_word_first));
    text
}

fn revert(text: &mut String, revert: &Revert) {
    let value = |name: &String| match name.parse::<f64>() {
        Ok(number) => format!("{number:?}"),
        Err(_) => quoted(name),
    };
    let back = revert.back.iter();
    let back: Vec<_> = back
        .map(|(point, to)| format!("{} = {}", quoted(point), value(to)))
        .collect();
    let after = if revert.after.parse::<f64>().is_ok() {
        "after_s"
    } else {
        "after"
    };
    let _ = writeln!(
        text,
        "\n[[revert]]\nback = {{ {} }}\n{after} = {}",
        back.join(", "),
        value(&revert.after)
    );
    if let Some(remaining) = &revert.remaining {
        let _ = writeln!(text, "remaining = {}", quoted(remaining));
    }
}

fn same_block(a: &Register, b: &Register) -> bool {
    (&a.block, a.table, a.mirror) == (&b.block, b.table, b.mirror)
}

/// Whether every long value of the block that begins here has its low word first.
fn low_word_first_in(items: &[Item], first: &Register) -> bool {
    let registers = items.iter().filter_map(|item| match item {
        Item::Register(register, _) => Some(register),
        Item::Remark(_) => None,
    });
    let block = registers.take_while(|register| same_block(first, register));
    let mut long = block.filter(|register| is_long(register)).peekable();
    long.peek().is_some() && long.all(|register| register.low_word_first)
}

/// A value whose words have an order.
fn is_long(register: &Register) -> bool {
    let has_words = !matches!(register.meaning, Meaning::Text(_) | Meaning::Fill(_));
    has_words && !register.is_bit() && register.words > 1
}

fn head_of_block(text: &mut String, register: &Register, low_word_first: bool) {
    let table = name_of_table(register.table);
    let name = if register.block.is_empty() {
        table
    } else {
        &register.block
    };
    let _ = writeln!(text, "\n[[block]]\nname = {}\ntable = \"{table}\"", quoted(name));
    if register.mirror {
        text.push_str("mirror = true\n");
    }
    if low_word_first {
        text.push_str("word_order = \"low-first\"\n");
    }
    text.push_str("register = [\n");
}

fn entry(register: &Register, low_word_first: bool) -> String {
    let mut keys = vec![format!("at = {}", register.address)];
    let mut put = |key: &str, value: String| keys.push(format!("{key} = {value}"));
    if !register.name.is_empty() {
        put("name", quoted(&register.name));
    }
    let is_number = !register.is_bit() && !matches!(register.meaning, Meaning::Text(_) | Meaning::Fill(_));
    match &register.meaning {
        Meaning::Point(point) => put("point", quoted(point)),
        Meaning::Bits(bits) => {
            let bits: Vec<_> = bits
                .iter()
                .map(|(bit, point)| format!("{bit} = {}", quoted(point)))
                .collect();
            put("bits", format!("{{ {} }}", bits.join(", ")));
        }
        Meaning::Text(words) => {
            put("words", register.words.to_string());
            put("text", quoted(words));
        }
        Meaning::Constant(value) => put("constant", value.to_string()),
        Meaning::Held(value) => put("hold", value.to_string()),
        Meaning::Fill(word) => {
            put("words", register.words.to_string());
            put("constant", word.to_string());
        }
        Meaning::Nothing => {}
    }
    if is_number {
        if register.kind != RegisterType::U16 {
            put("type", format!("\"{}\"", register.kind));
        }
        if is_long(register) && register.low_word_first != low_word_first {
            let order = if register.low_word_first {
                "low-first"
            } else {
                "high-first"
            };
            put("word_order", format!("\"{order}\""));
        }
        if register.scale != 1.0 {
            put("scale", format!("{:?}", register.scale));
        }
        if register.offset != 0.0 {
            put("offset", format!("{:?}", register.offset));
        }
        if let Some(invalid) = register.invalid {
            put("invalid", invalid.to_string());
        }
    }
    if !register.unit.is_empty() {
        put("unit", quoted(&register.unit));
    }
    if register.writable {
        put("access", "\"read-write\"".into());
    }
    if let Some(roles) = &register.roles {
        let roles: Vec<_> = roles.iter().map(|role| quoted(role)).collect();
        put("role", format!("[{}]", roles.join(", ")));
    }
    if register.effects.write_clears {
        put("on_write", "\"clear\"".into());
    }
    if register.effects.read_clears {
        put("on_read", "\"clear\"".into());
    }
    if let Some((value, ms)) = register.effects.returns {
        put("returns_to", format!("{value:?}"));
        put("after_ms", ms.to_string());
    }
    if register.effects.lossy {
        put("lossy", "true".into());
    }
    if !register.values.is_empty() {
        let values = register.values.iter();
        let values: Vec<_> = values
            .map(|(state, value)| format!("{} = {value:?}", quoted(state)))
            .collect();
        put("values", format!("{{ {} }}", values.join(", ")));
    }
    if !register.names.is_empty() {
        let names = register.names.iter();
        let names: Vec<_> = names
            .map(|(value, name)| format!("{value} = {}", quoted(name)))
            .collect();
        put("enum", format!("{{ {} }}", names.join(", ")));
    }
    if !register.bit_names.is_empty() {
        let names = register.bit_names.iter();
        let names: Vec<_> = names
            .map(|(bits, name)| format!("{} = {}", bits_in_words(*bits), quoted(name)))
            .collect();
        put("bit_names", format!("{{ {} }}", names.join(", ")));
    }
    if !register.description.is_empty() {
        put("description", quoted(&register.description));
    }
    keys.join(", ")
}

/// `3`, or `4-7`.
pub(super) fn bits_in_words((first, last): (u8, u8)) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}

/// A string of TOML in one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A comment of TOML has no control characters.
fn comment(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
