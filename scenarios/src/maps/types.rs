//! What stands in the type cells of a vendor's list, in English, German and Chinese: read word by word, and not at all
//! if some word means nothing here.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use bess_devices::codec::modbus::RegisterType;
use regex::Regex;

use super::cells::{is_known, regex, unit};
use super::word_order::{Doubt, short, word_order};

/// What a type cell says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kind {
    pub(super) form: Form,
    /// The order of words, where the type says it; a doubt where it is about that and leaves it open.
    pub(super) low_word_first: Result<Option<bool>, Doubt>,
}

/// A type that cannot be read, or that no register map has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unread {
    pub(super) why: String,
    /// Registers it takes, where its name says so.
    pub(super) words: Option<u32>,
    /// It is understood, but no register map has it.
    pub(super) is_foreign: bool,
}

/// Why words of a type make none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum No {
    /// No register map has it.
    Foreign(&'static str),
    Unknown(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Number(RegisterType),
    /// Signed or not; how wide is for the length to say.
    Whole {
        signed: bool,
    },
    /// A text of so many bytes or registers, which of the two is for the list to say.
    Text(Option<u32>),
    /// A text of so many registers.
    TextOf(u32),
    /// A single bit.
    Bit,
    /// Registers that mean nothing.
    Fill,
}

/// A word of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Number(u32),
    Signed,
    Unsigned,
    /// `Vorzeichen`, which may be missing.
    Sign,
    Without,
    /// Whole and signed, unless it says otherwise; how wide is said beside it.
    Int,
    Short,
    Long,
    /// Whole and signed, unless it says otherwise, of so many bits: `DINT`.
    IntOf(u32),
    /// 16 bits, or what makes others of the word beside it: `low word`, `2 words`.
    Word,
    /// Whole and unsigned, unless it says otherwise, of so many bits: `DWORD`.
    WordOf(u32),
    /// Whole and unsigned, unless it says otherwise: `enum`, `hex`.
    Coded,
    Double,
    Quad,
    Float,
    /// A number with the number of a norm behind it.
    Ieee,
    Text,
    Utf,
    Bit,
    Bits,
    Bool,
    /// What makes many of a bit: `bit field`.
    Field,
    Byte,
    Register,
    Fill,
    /// A point in time, which a whole number may be.
    Time,
    /// No register of a map has it.
    Foreign,
    /// `low`, `high` and the like, of a word.
    Half,
    /// What follows `word` where it is about an order.
    Sequel,
    /// Another word about an order.
    Order,
    /// Says nothing more.
    Filler,
}

/// What a word by itself is.
fn token(word: &str) -> Option<Token> {
    Some(match word {
        "signed"
        | "sgn"
        | "s"
        | "vorzeichenbehaftet"
        | "vorzeichenbehaftete"
        | "vorzeichenbehafteter"
        | "有符号"
        | "带符号"
        | "zweierkomplement"
        | "补码" => Token::Signed,
        "unsigned" | "uns" | "usgn" | "u" | "vorzeichenlos" | "vorzeichenlose" | "vorzeichenloser"
        | "无符号" => Token::Unsigned,
        "vorzeichen" => Token::Sign,
        "ohne" => Token::Without,
        "int" | "integer" | "i" | "ganzzahl" | "整数" | "整型" | "整形" | "整" => Token::Int,
        "short" | "短" => Token::Short,
        "long" | "长" => Token::Long,
        "dint" => Token::IntOf(32),
        "lint" => Token::IntOf(64),
        "word" | "words" | "wort" | "worte" | "wörter" | "字" => Token::Word,
        "dword" | "doubleword" | "doppelwort" | "双字" => Token::WordOf(32),
        "qword" | "lword" | "quadword" => Token::WordOf(64),
        "enum" | "enumeration" | "enumerated" | "aufzählung" | "枚举" | "hex" | "hexadecimal" | "acc"
        | "count" | "counter" | "zähler" | "raw" | "bitfield" | "bitmap" | "bitmask" | "bitfeld"
        | "bitleiste" | "bitmaske" | "flags" => Token::Coded,
        "double" | "lreal" | "双精度" => Token::Double,
        "quad" => Token::Quad,
        "float" | "floating" | "real" | "single" | "f" | "gleitkomma" | "fließkomma" | "fliesskomma"
        | "浮点" | "单精度" => Token::Float,
        "ieee" => Token::Ieee,
        "str" | "string" | "strings" | "ascii" | "char" | "chars" | "character" | "characters"
        | "varchar" | "text" | "zeichenkette" | "zeichen" | "字符串" | "字符" => Token::Text,
        "utf" => Token::Utf,
        "bit" | "位" => Token::Bit,
        "bits" => Token::Bits,
        "bool" | "boolean" | "coil" | "binary" | "flag" | "布尔" => Token::Bool,
        "field" | "map" | "mask" => Token::Field,
        "byte" | "bytes" | "octet" | "octets" | "字节" => Token::Byte,
        "register" | "registers" | "reg" | "regs" | "寄存器" => Token::Register,
        "fill" => Token::Fill,
        "date" | "time" | "datetime" | "timestamp" | "epoch" | "unix" | "unixtime" | "datum" | "zeit"
        | "uhrzeit" | "zeitstempel" => Token::Time,
        "bcd" | "ip" | "ipaddr" | "ipaddress" | "eui" | "mac" => Token::Foreign,
        "low" | "lower" | "lowest" | "lo" | "high" | "higher" | "highest" | "hi" | "least" | "less"
        | "most" | "more" | "significant" | "lsw" | "msw" | "lsb" | "msb" | "低" | "高" => Token::Half,
        "first" | "last" | "second" | "order" | "swap" | "swapped" | "before" | "then" | "zuerst"
        | "zuletzt" | "dann" | "vor" | "folge" | "reihenfolge" | "vertauschte" | "在前" | "在后" => {
            Token::Sequel
        }
        "endian" | "little" | "big" | "is" | "comes" | "the" | "大端" | "小端" => Token::Order,
        "t" | "type" | "typ" | "value" | "wert" | "number" | "zahl" | "format" | "data" | "mit" | "with"
        | "as" | "als" | "und" | "and" | "wide" | "point" | "precision" | "genauigkeit" | "型" | "类型"
        | "数" | "数据" => Token::Filler,
        _ if [
            "nieder",
            "niedrig",
            "höher",
            "hoeher",
            "höchst",
            "hoechst",
            "hochwertig",
        ]
        .iter()
        .any(|half| word.starts_with(half)) =>
        {
            Token::Half
        }
        _ => return None,
    })
}

/// The words a run of letters is made of, as `uint` and `dwordsigned` are; the longest first.
fn pieces(run: &str) -> Option<Vec<Token>> {
    if let Some(whole) = token(run) {
        return Some(vec![whole]);
    }
    match run {
        "usint" | "ui" => return Some(vec![Token::Unsigned, Token::Int]),
        "si" => return Some(vec![Token::Signed, Token::Int]),
        _ => {}
    }
    // `uint`, `sint`, `ulong`, `udint`
    let (first, rest) = (run.get(..1), run.get(1..));
    if let (Some(sign @ ("u" | "s")), Some(rest)) = (first, rest)
        && let Some(
            whole @ (Token::Int
            | Token::Short
            | Token::Long
            | Token::IntOf(_)
            | Token::Word
            | Token::WordOf(_)),
        ) = token(rest)
        && rest.len() > 1
    {
        return Some(vec![token(sign)?, whole]);
    }
    let ends: Vec<usize> = run.char_indices().map(|(at, _)| at).skip(1).collect();
    for end in ends.into_iter().rev() {
        let (head, tail) = run.split_at(end);
        // single letters are words by themselves alone
        if head.len() < 2 || tail.len() < 2 {
            continue;
        }
        if let Some(one) = token(head)
            && let Some(more) = pieces(tail)
        {
            let mut all = vec![one];
            all.extend(more);
            return Some(all);
        }
    }
    None
}

/// The words of a type; else the one that means nothing here. A unit says nothing of the type.
fn tokens<'a>(text: &'a str, cell: &str) -> Result<Vec<Token>, &'a str> {
    let is_unit = |word: &str| {
        let mut parts = cell.split(|c: char| c.is_whitespace() || "()[],;".contains(c));
        parts.any(|part| {
            let letters: String = part
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric())
                .collect();
            letters == word && is_known(&unit(part))
        })
    };
    let words = text.split(|c: char| !c.is_alphanumeric());
    let mut all = Vec::new();
    for word in words.filter(|word| !word.is_empty()) {
        match runs(word) {
            Some(more) => all.extend(more),
            None if is_unit(word) => {}
            None => return Err(word),
        }
    }
    Ok(all)
}

/// What a word is made of, as in `uint16`, `int32u`.
fn runs(word: &str) -> Option<Vec<Token>> {
    /// No type has a longer word.
    const LONGEST: usize = 60;
    static RUN: LazyLock<Regex> = LazyLock::new(|| regex(r"[0-9]+|[^0-9]+"));
    let mut all = Vec::new();
    for run in RUN.find_iter(word).map(|run| run.as_str()) {
        if run.starts_with(|c: char| c.is_ascii_digit()) {
            all.push(Token::Number(run.parse().ok()?));
        } else {
            all.extend(pieces(run)?);
        }
    }
    (word.len() <= LONGEST).then_some(all)
}

/// One thing a type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Is {
    Signed,
    Unsigned,
    /// Whole and signed, unless it says otherwise.
    Int,
    /// Whole and unsigned, unless it says otherwise.
    Coded,
    Float,
    Double,
    Text,
    OneBit,
    ManyBits,
    Fill,
    Time,
}

/// What the words of a type say, put together.
#[derive(Default)]
struct Said {
    is: BTreeSet<Is>,
    /// Bits unless numbers say others.
    usual: Option<u32>,
    bits: BTreeSet<u32>,
    lengths_of_text: Vec<Form>,
}

impl Said {
    /// Puts words together; why not, if one of them is out of place.
    fn of(tokens: &[Token], about_order: bool) -> Result<Self, No> {
        let mut said = Self::default();
        if tokens.contains(&Token::Text) || tokens.contains(&Token::Utf) {
            said.is.insert(Is::Text);
        }
        let mut at = 0;
        while let Some(&token) = tokens.get(at) {
            let next = tokens.get(at + 1).copied();
            let before = at.checked_sub(1).map(|at| tokens[at]);
            let mut taken = 1;
            match token {
                Token::Number(number) => taken += usize::from(said.number(number, next)),
                Token::Without if next == Some(Token::Sign) => {
                    said.is.insert(Is::Unsigned);
                    taken = 2;
                }
                Token::Unsigned => said.say(Is::Unsigned, None),
                Token::Signed | Token::Sign => said.say(Is::Signed, None),
                Token::Int => said.say(Is::Int, None),
                Token::Short => said.say(Is::Int, Some(16)),
                Token::Long if next == Some(Token::Long) => said.say(Is::Int, Some(64)),
                Token::Long => said.say(Is::Int, Some(32)),
                Token::IntOf(bits) => {
                    said.say(Is::Int, None);
                    said.bits.insert(bits);
                }
                Token::WordOf(bits) => {
                    said.say(Is::Coded, None);
                    said.bits.insert(bits);
                }
                // `low word first`, `word order`, `swapped words`
                Token::Word
                    if about_order
                        && (matches!(before, Some(Token::Half | Token::Sequel | Token::Order))
                            || next == Some(Token::Sequel)) => {}
                Token::Double | Token::Quad if next == Some(Token::Word) => {
                    said.say(Is::Coded, None);
                    said.bits.insert(if token == Token::Double { 32 } else { 64 });
                    taken = 2;
                }
                Token::Bit if next == Some(Token::Field) => {
                    said.say(Is::Coded, Some(16));
                    taken = 2;
                }
                Token::Word | Token::Coded => said.say(Is::Coded, Some(16)),
                Token::Double => said.say(Is::Double, None),
                Token::Float => said.say(Is::Float, None),
                Token::Ieee => {
                    said.say(Is::Float, None);
                    taken += usize::from(next == Some(Token::Number(754)));
                }
                Token::Utf => taken += usize::from(matches!(next, Some(Token::Number(8 | 16)))),
                Token::Bit | Token::Bool => said.say(Is::OneBit, None),
                Token::Bits => said.say(Is::ManyBits, None),
                Token::Time => said.say(Is::Time, None),
                Token::Fill => said.say(Is::Fill, None),
                Token::Half | Token::Sequel | Token::Order | Token::Byte if about_order => {}
                Token::Text | Token::Filler | Token::Register => {}
                Token::Byte => {
                    said.say(Is::Coded, None);
                    said.bits.insert(8);
                }
                Token::Foreign => return Err(No::Foreign("is no type of a register map")),
                Token::Without | Token::Quad | Token::Field | Token::Half | Token::Sequel | Token::Order => {
                    return Err(No::Unknown("is no known type"));
                }
            }
            at += taken;
        }
        Ok(said)
    }

    fn say(&mut self, what: Is, usual: Option<u32>) {
        self.is.insert(what);
        self.usual = self.usual.max(usual);
    }

    /// A number, with the word behind it: whether that is its unit.
    fn number(&mut self, number: u32, next: Option<Token>) -> bool {
        let is_text = self.is.contains(&Is::Text);
        let bits = match next {
            Some(Token::Bit | Token::Bits) => Some(number),
            Some(Token::Byte) => number.checked_mul(8),
            // `16 word` is a word of 16 bits
            Some(Token::Word | Token::Register) if is_text || number <= 4 => number.checked_mul(16),
            _ => None,
        };
        if is_text {
            let words = bits.map(|bits| Form::TextOf(bits.div_ceil(16)));
            self.lengths_of_text
                .push(words.unwrap_or(Form::Text(Some(number))));
        } else {
            self.bits.insert(bits.unwrap_or(number));
        }
        match next {
            // `16 bits` and no more are many
            Some(Token::Bits) => self.say(Is::ManyBits, None),
            Some(Token::Bit) if number == 1 => self.say(Is::OneBit, None),
            _ => {}
        }
        bits.is_some()
    }

    fn form(&self) -> Result<Form, No> {
        let is = |what| self.is.contains(&what);
        let width = self.bits.first().copied();
        if self.bits.len() > 1 {
            return Err(No::Unknown("has two widths"));
        }
        if is(Is::Signed) && is(Is::Unsigned) {
            return Err(No::Unknown("is signed and unsigned"));
        }
        let is_whole = is(Is::Int) || is(Is::Coded) || is(Is::Signed) || is(Is::Unsigned);
        match (is_whole, is(Is::Float) || is(Is::Double), is(Is::Text)) {
            (true, false, false) => {
                let signed = is(Is::Signed) || is(Is::Int) && !is(Is::Unsigned);
                let bits = width.or(self.usual);
                bits.map_or(Ok(Form::Whole { signed }), |bits| whole(signed, bits))
            }
            (false, true, false) if is(Is::Double) || width.is_some_and(|width| width != 32) => Err(
                No::Foreign("is a float of other than 32 bits, which no register map has"),
            ),
            (false, true, false) => Ok(Form::Number(RegisterType::F32)),
            (false, false, true) => match self.lengths_of_text[..] {
                [] => Ok(Form::Text(None)),
                [length] => Ok(length),
                _ => Err(No::Unknown("has two lengths")),
            },
            (false, false, false) if is(Is::Time) => Err(No::Foreign("is no type of a register map")),
            (false, false, false) if is(Is::ManyBits) => whole(false, width.unwrap_or(16)),
            (false, false, false) if is(Is::OneBit) && width.is_none_or(|width| width == 1) => Ok(Form::Bit),
            (false, false, false) if is(Is::Fill) && width.is_none() => Ok(Form::Fill),
            (false, false, false) => Err(No::Unknown("is no known type")),
            _ => Err(No::Unknown("names several types")),
        }
    }
}

fn whole(signed: bool, bits: u32) -> Result<Form, No> {
    Ok(Form::Number(match (signed, bits) {
        (false, 16) => RegisterType::U16,
        (true, 16) => RegisterType::I16,
        (false, 32) => RegisterType::U32,
        (true, 32) => RegisterType::I32,
        (false, 64) => RegisterType::U64,
        (true, 64) => RegisterType::I64,
        _ => {
            return Err(No::Foreign(
                "is wider or narrower than the 16, 32 or 64 bits a number takes in registers",
            ));
        }
    }))
}

/// Reads a type; why not, if it cannot be read.
pub(super) fn kind(cell: &str) -> Result<Kind, Unread> {
    // `INT32_LE`, `S32 (BE)`, `INT32SW`, `U32 lo-hi`, `INT32 HL`; not the end of `single`
    static ORDER: LazyLock<Regex> = LazyLock::new(|| {
        regex(
            r"^(.*(?:\d|[^\w\s]|[_\s]))[\s_(\[/-]*(le|be|lsw|msw|sw|swap|lh|hl|lo[ _/-]?hi|hi[ _/-]?lo|l[_/-]h|h[_/-]l)[)\]]?$",
        )
    });
    static LETTERS: LazyLock<Regex> = LazyLock::new(|| regex(r"\b(?:[abcd][ -]?){4}\b"));
    static COMPLEMENT: LazyLock<Regex> = LazyLock::new(|| regex(r"\b(?:2|two)['’]?s?[ -]complement\b"));
    let unread = |why: String, is_foreign| Unread {
        why,
        words: words_named(cell),
        is_foreign,
    };
    let lower = cell.trim().to_lowercase();
    let (bare, low_word_first) = match (word_order(cell), ORDER.captures(&lower)) {
        (Ok(None), Some(found)) => {
            let (_, [bare, order]) = found.extract();
            // in a line of its own this may be the software
            let low = matches!(order, "sw" | "swap").then_some(true);
            (bare, Ok(low.or_else(|| short(order))))
        }
        (said, _) => (lower.as_str(), said),
    };
    if let Err(doubt @ Doubt::Bytes) = low_word_first {
        return Err(unread(doubt.to_string(), true));
    }
    let about_order = low_word_first != Ok(None);
    let bare = COMPLEMENT.replace(bare, "signed");
    let bare = if about_order {
        LETTERS.replace(&bare, " ")
    } else {
        Cow::Borrowed(&*bare)
    };
    let letters: String = bare.chars().filter(|c| c.is_alphanumeric()).collect();
    let form = if let Some(exact) = RegisterType::ALL.into_iter().find(|kind| kind.name() == letters) {
        Form::Number(exact)
    } else if letters == "sunssf" {
        Form::Number(RegisterType::I16)
    } else if matches!(letters.as_str(), "s" | "i" | "f") {
        return Err(unread(format!("`{cell}` is no known type"), false));
    } else {
        let tokens = tokens(&bare, cell).map_err(|word| {
            let why = if word == letters {
                format!("`{cell}` is no known type")
            } else {
                format!("`{word}` of `{cell}` means nothing here")
            };
            unread(why, false)
        })?;
        Said::of(&tokens, about_order)
            .and_then(|said| said.form())
            .map_err(|no| match no {
                No::Foreign(why) => unread(format!("`{cell}` {why}"), true),
                No::Unknown(why) => unread(format!("`{cell}` {why}"), false),
            })?
    };
    Ok(Kind { form, low_word_first })
}

/// Registers a type takes by its name, where it cannot be read or served: `FLOAT64`, `UINT24`, `BCD32`, `6 bytes`, `double`.
fn words_named(cell: &str) -> Option<u32> {
    const MOST_BITS: u32 = 1024;
    static SIZE: LazyLock<Regex> = LazyLock::new(|| {
        regex(r"(\d+)[\s_-]*(?:(bytes?|octets?|字节)|(registers?|regs?|words?|寄存器|字))?")
    });
    static DOUBLE: LazyLock<Regex> = LazyLock::new(|| regex(r"double[\s_-]*word|dword|doppelwort"));
    static QUAD: LazyLock<Regex> = LazyLock::new(|| regex(r"double|lreal|双精度|qword|quad"));
    let lower = cell.to_lowercase();
    let sizes = SIZE.captures_iter(&lower).filter_map(|found| {
        let number: u32 = found[1].parse().ok()?;
        let bits = match (found.get(2), found.get(3)) {
            (Some(_), _) => number.checked_mul(8)?,
            (_, Some(_)) => number.checked_mul(16)?,
            // the number of a norm is no width
            _ => Some(number).filter(|bits| bits.is_multiple_of(8))?,
        };
        (8..=MOST_BITS).contains(&bits).then(|| bits.div_ceil(16))
    });
    let sizes: Vec<u32> = sizes.collect();
    match sizes.first() {
        Some(words) => Some(*words),
        None if DOUBLE.is_match(&lower) => Some(2),
        None => QUAD.is_match(&lower).then_some(4),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

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
    fn words_of_a_type_are_read_whole() {
        use RegisterType::{F32, I16, I32, I64, U16, U32, U64};
        for (text, expected) in [
            ("signed word", Form::Number(I16)),
            ("unsigned word", Form::Number(U16)),
            ("Word signed", Form::Number(I16)),
            ("Word (signed)", Form::Number(I16)),
            ("DWORD, signed", Form::Number(I32)),
            ("signed DWORD", Form::Number(I32)),
            ("Double word unsigned", Form::Number(U32)),
            ("QWORD", Form::Number(U64)),
            ("INT16U", Form::Number(U16)),
            ("INT32U", Form::Number(U32)),
            ("Int16u", Form::Number(U16)),
            ("INT16S", Form::Number(I16)),
            ("sint16", Form::Number(I16)),
            ("SINT32", Form::Number(I32)),
            ("usint", Form::Whole { signed: false }),
            ("USINT16", Form::Number(U16)),
            ("UI16", Form::Number(U16)),
            ("DINT", Form::Number(I32)),
            ("UDINT", Form::Number(U32)),
            ("long long", Form::Number(I64)),
            ("unsigned short int", Form::Number(U16)),
            ("U 16", Form::Number(U16)),
            ("s32", Form::Number(I32)),
            ("f32", Form::Number(F32)),
            ("Floating point 32 bit (IEEE 754)", Form::Number(F32)),
            ("REAL", Form::Number(F32)),
            ("single precision", Form::Number(F32)),
            ("2 byte unsigned", Form::Number(U16)),
            ("signed, 2 registers", Form::Number(I32)),
            ("Signed 16 (2's complement)", Form::Number(I16)),
            ("32-bit word", Form::Number(U32)),
            ("int (16 bits)", Form::Number(I16)),
            ("16 bits", Form::Number(U16)),
            ("bit field 32", Form::Number(U32)),
            ("UINT16 enum", Form::Number(U16)),
            ("int16 [V]", Form::Number(I16)),
            ("U16 (°C)", Form::Number(U16)),
            ("UINT32 timestamp", Form::Number(U32)),
            ("Ganzzahl ohne Vorzeichen, 32 Bit", Form::Number(U32)),
            ("Wort mit Vorzeichen", Form::Number(I16)),
            ("长整型", Form::Number(I32)),
            ("无符号整数 (16位)", Form::Number(U16)),
            ("1 bit", Form::Bit),
            ("bool (U16)", Form::Number(U16)),
            ("STRING[8]", Form::Text(Some(8))),
            ("CHAR(8)", Form::Text(Some(8))),
            ("String 16", Form::Text(Some(16))),
            ("UTF-8 string", Form::Text(None)),
            ("string 16 bytes", Form::TextOf(8)),
            ("string, 5 registers", Form::TextOf(5)),
        ] {
            assert_eq!(kind(text).map(|kind| kind.form), Ok(expected), "{text}");
        }
        for (text, why) in [
            ("QWORDX", "`QWORDX` is no known type"),
            ("u16x", "`u16x` is no known type"),
            ("U16 packed", "`packed` of `U16 packed` means nothing here"),
            ("U16[10]", "`U16[10]` has two widths"),
            ("U16 x 0.1", "`x` of `U16 x 0.1` means nothing here"),
            ("DWORD 16", "`DWORD 16` has two widths"),
            ("signed uint16", "`signed uint16` is signed and unsigned"),
            ("unsigned char", "`unsigned char` names several types"),
            ("float int", "`float int` names several types"),
            ("fixed point", "`fixed` of `fixed point` means nothing here"),
            ("16 bit", "`16 bit` is no known type"),
            ("U16 low", "`U16 low` is no known type"),
            (
                "U24",
                "`U24` is wider or narrower than the 16, 32 or 64 bits a number takes in registers",
            ),
        ] {
            assert_eq!(kind(text).unwrap_err().why, why, "{text}");
        }
    }

    #[test]
    fn types_no_map_has_take_their_registers() {
        for (text, words, is_foreign) in [
            ("DOUBLE", Some(4), true),
            ("FLOAT64", Some(4), true),
            ("float 64 bit", Some(4), true),
            ("IEEE 754 double", Some(4), true),
            ("LREAL", Some(4), true),
            ("UINT24", Some(2), true),
            ("INT48", Some(3), true),
            ("UINT128", Some(8), true),
            ("U8", Some(1), true),
            ("BCD32", Some(2), true),
            ("BCD, 3 registers", Some(3), true),
            ("MAC (6 bytes)", Some(3), true),
            ("DateTime", None, true),
            ("U32 BADC", Some(2), true),
            ("packed double word", Some(2), false),
            ("banana", None, false),
        ] {
            let unread = kind(text).unwrap_err();
            assert_eq!(
                (unread.words, unread.is_foreign),
                (words, is_foreign),
                "{text}: {unread:?}"
            );
        }
    }

    #[test]
    fn order_of_words_behind_a_type() {
        use RegisterType::{F32, I32, U32};
        for (text, form, low) in [
            ("U32 lo-hi", U32, true),
            ("U32 hi-lo", U32, false),
            ("U32 L-H", U32, true),
            ("U32 (H-L)", U32, false),
            ("INT32 LH", I32, true),
            ("INT32HL", I32, false),
            ("U32 low word first", U32, true),
            ("Float, little endian", F32, true),
            ("S32 word swap", I32, true),
            ("U32, 2 words, high word first", U32, false),
            ("DINT CD AB", I32, true),
            ("U32 niederwertiges Wort zuerst", U32, true),
            ("浮点 低字在前", F32, true),
        ] {
            let expected = Kind {
                form: Form::Number(form),
                low_word_first: Ok(Some(low)),
            };
            assert_eq!(kind(text), Ok(expected), "{text}");
        }
    }
}
