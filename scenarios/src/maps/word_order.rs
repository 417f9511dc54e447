//! Which word of a long value comes first, as lists say it: in English, German and Chinese.

use core::fmt;
use std::sync::LazyLock;

use regex::Regex;

use super::cells::regex;

/// Why a text about the order of words or bytes leaves it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// No map can have such bytes.
    Bytes,
    /// It says both.
    Both,
    /// It names both words, but not which of them is first.
    Listed,
    /// It is about bytes alone.
    OnlyBytes,
    /// It is about an order, but says it in words that are not known here.
    NotUnderstood,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "bytes within a word are the other way round, which no register map can say",
            Self::Both => "it says that the low word is first and that the high one is",
            Self::Listed => "it names both words, but does not say clearly which is first",
            Self::OnlyBytes => "it says how bytes stand within a word, but not words",
            Self::NotUnderstood => "it is about an order, but says it in words that are not known here",
        })
    }
}

/// A phrase about the low word, and the same about the high one.
struct Pair {
    low: Regex,
    high: Regex,
}

impl Pair {
    /// `pattern` with `@` for the word it is about, and `&` for the other one.
    fn of(pattern: &str) -> Self {
        const LOW: &str = r"(?:\blsw\b|\b(?:low(?:er|est)?|lo|le(?:a|s)s?t?[ -]significant|nieder\w*|niedrig\w*)[ -]*(?:order[ -]*)?(?:16[ -]*bits?|words?|wort\w*|wörter|registers?|half)\b(?:\s*\((?:lsw|low)\))?|低位?字|低16位)";
        const HIGH: &str = r"(?:\bmsw\b|\b(?:high(?:er|est)?|hi|mo(?:re|st)[ -]significant|höher\w*|hoeher\w*|höchst\w*|hoechst\w*|hochwertig\w*)[ -]*(?:order[ -]*)?(?:16[ -]*bits?|words?|wort\w*|wörter|registers?|half)\b(?:\s*\((?:msw|high)\))?|高位?字|高16位)";
        Self {
            low: regex(&pattern.replace('@', LOW).replace('&', HIGH)),
            high: regex(&pattern.replace('@', HIGH).replace('&', LOW)),
        }
    }

    fn says(&self, text: &str) -> (bool, bool) {
        (self.low.is_match(text), self.high.is_match(text))
    }
}

/// What is said of words: which is first, last, before the other, at the lower address.
static FIRST: LazyLock<[Pair; 4]> = LazyLock::new(|| {
    const FIRST: &str = r"(?:first|zuerst|vorn\w*|zunächst|zunaechst|leading|an erster stelle|在前)";
    const VERBS: &str =
        r"(?:(?:comes?|is|are|goes|sent|transmitted|stored|kommt|steht|wird|werden|ist|liegt)\s+)*";
    [
        Pair::of(&format!(r"@[\s:=-]*{VERBS}{FIRST}")),
        Pair::of(r"(?:first|zuerst)\s+(?:(?:the|das|comes?|kommt)\s+)*@"),
        Pair::of(r"@\s*,?\s*(?:then|dann|before|vor|followed by|->|→)\s*(?:(?:the|dem|das)\s+)?&"),
        Pair::of(
            r"@\s+(?:(?:is|steht|liegt|at|in|im|on|auf|der|dem|the)\s+)*(?:low(?:er|est)?|first|niedrig\w*|klein\w*|erste\w*)\s+(?:address|register|adresse)",
        ),
    ]
});
static LAST: LazyLock<Pair> = LazyLock::new(|| {
    Pair::of(r"@\s*(?:(?:comes?|is|goes|kommt|steht|wird|ist)\s+)*(?:last|second|zuletzt|hinten)\b")
});
static LISTED: LazyLock<Pair> = LazyLock::new(|| Pair::of(r"@\s*[/,|+–-]\s*&"));
/// The same in one word.
static SHORT_LOW: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"\bc[ -]?d[ -]?a[ -]?b\b|\blow[ -]first|\bword[ -]*swap|swapped|\bvertauschte wörter|低字在前|低位在前|(?:word|wort|register)[ -]*(?:order|reihenfolge|folge)[\s:=]*(?:is\s+|ist\s+)?(?:low\b|little|reversed)|little[ -]endian words?|words? little[ -]endian",
    )
});
static SHORT_HIGH: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"\ba[ -]?b[ -]?c[ -]?d\b|\bhigh[ -]first|高字在前|高位在前|(?:word|wort|register)[ -]*(?:order|reihenfolge|folge)[\s:=]*(?:is\s+|ist\s+)?(?:high\b|big|normal)|big[ -]endian words?|words? big[ -]endian",
    )
});
/// Bytes the other way round than Modbus has them, and as it has them.
static BYTES_LOW: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"\bb[ -]?a[ -]?d[ -]?c\b|\bd[ -]?c[ -]?b[ -]?a\b|byte[ -]?swap|swapped bytes|bytes? (?:are )?swapped|\b(?:low(?:er)?|nieder\w*|niedrig\w*)[ -]byte[ -](?:is |wird |kommt )*(?:first|zuerst)|\blsb[ -]*(?:first|zuerst)|低字节在前",
    )
});
static BYTES_HIGH: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"\b(?:high(?:er)?|höher\w*)[ -]byte[ -](?:is |wird |kommt )*(?:first|zuerst)|\bmsb[ -]*(?:first|zuerst)|高字节在前",
    )
});
static ENDIAN: LazyLock<Regex> = LazyLock::new(|| regex(r"(big|little)[ -]?endian|(大端)|(小端)"));
/// It is about an order.
static ABOUT: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"endian|(?:byte|word|wort|register)[ -]*(?:order|reihenfolge|folge)\b|字节序|字序|字节顺序|\b(?:lsw|msw)\b.*(?:first|zuerst)",
    )
});

/// Whether the low word comes first by an abbreviation alone, in small letters: `le`, `msw`, `lo-hi`, `hl`.
pub(super) fn short(text: &str) -> Option<bool> {
    let letters: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
    match letters.as_str() {
        "le" | "little" | "lsw" | "low" | "lh" | "lohi" => Some(true),
        "be" | "big" | "msw" | "high" | "hl" | "hilo" => Some(false),
        _ => None,
    }
}

/// Whether the low word comes first, where a text says so; why one cannot tell if it is about that.
pub(super) fn word_order(text: &str) -> Result<Option<bool>, Doubt> {
    let text = text.to_lowercase();
    match short(&text) {
        Some(low) => Ok(Some(low)),
        None => in_words(&text),
    }
}

/// The same of a remark, which may be about anything else: `low` alone, or phases that are swapped, are no order.
pub(super) fn word_order_of_remark(text: &str) -> Result<Option<bool>, Doubt> {
    let text = text.to_lowercase();
    let of_words = ["word", "wort", "register", "byte"]
        .iter()
        .any(|word| text.contains(word));
    if of_words {
        in_words(&text)
    } else {
        in_words(&text.replace("swapped", ""))
    }
}

/// Of a text in small letters.
fn in_words(text: &str) -> Result<Option<bool>, Doubt> {
    if BYTES_LOW.is_match(text) {
        return Err(Doubt::Bytes);
    }
    let mut low = SHORT_LOW.is_match(text);
    let mut high = SHORT_HIGH.is_match(text);
    for pair in &*FIRST {
        let (of_low, of_high) = pair.says(text);
        low |= of_low;
        high |= of_high;
    }
    let (low_last, high_last) = LAST.says(text);
    low |= high_last;
    high |= low_last;
    // "big endian" by itself is of the whole value; beside "byte" it is of bytes, beside "word" of words
    let (mut whole_low, mut whole_high, mut of_bytes) = (false, false, BYTES_HIGH.is_match(text));
    for clause in text.split([',', ';', '.', '|', '(', ')', '，', '；', '。']) {
        for found in ENDIAN.captures_iter(clause) {
            let is_low = found.get(1).is_some_and(|word| word.as_str() == "little") || found.get(3).is_some();
            let about_words = ["word", "wort", "register"]
                .iter()
                .any(|word| clause.contains(word));
            let about_bytes = clause.contains("byte") || clause.contains("字节");
            match (about_words, about_bytes) {
                (true, _) if is_low => low = true,
                (true, _) => high = true,
                (false, true) => of_bytes = true,
                (false, false) if is_low => whole_low = true,
                (false, false) => whole_high = true,
            }
        }
    }
    match (low, high) {
        (true, true) => return Err(Doubt::Both),
        (false, true) if whole_low => return Err(Doubt::Both),
        // "big endian, low word first": what is said of words counts
        (true, false) => return Ok(Some(true)),
        (false, true) => return Ok(Some(false)),
        (false, false) => {}
    }
    let (low_high, high_low) = LISTED.says(text);
    if low_high || high_low {
        return Err(Doubt::Listed);
    }
    match (whole_low, whole_high) {
        (true, true) => Err(Doubt::Both),
        (true, false) => Ok(Some(true)),
        (false, true) => Ok(Some(false)),
        (false, false) if of_bytes => Err(Doubt::OnlyBytes),
        (false, false) if ABOUT.is_match(text) => Err(Doubt::NotUnderstood),
        (false, false) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_as_lists_say_them() {
        for (text, expected) in [
            ("low word first", Ok(Some(true))),
            (
                "Values of 32 bits: low-word first. Power: charging positive",
                Ok(Some(true)),
            ),
            (
                "Byte order: Big Endian, Wortfolge: niederwertiges Wort zuerst",
                Ok(Some(true)),
            ),
            ("Das niederwertige Wort wird zuerst übertragen", Ok(Some(true))),
            ("Low-Word zuerst", Ok(Some(true))),
            ("Wortreihenfolge: höherwertiges Wort zuerst", Ok(Some(false))),
            ("32 Bit: höherwertiges Wort (MSW) zuerst", Ok(Some(false))),
            ("32-Bit-Werte: zuerst das niederwertige Wort", Ok(Some(true))),
            ("High-Word zuerst, Low-Word danach", Ok(Some(false))),
            ("LSW first", Ok(Some(true))),
            ("least significant word first", Ok(Some(true))),
            ("most-significant word first", Ok(Some(false))),
            ("high word before low word", Ok(Some(false))),
            ("low word, then high word", Ok(Some(true))),
            ("low word at the lower address", Ok(Some(true))),
            ("high word last", Ok(Some(true))),
            ("big-endian bytes, little-endian words", Ok(Some(true))),
            ("Byte order big endian, word order little endian", Ok(Some(true))),
            ("word order: low", Ok(Some(true))),
            ("U32 (CDAB)", Ok(Some(true))),
            ("Float ABCD", Ok(Some(false))),
            ("Big endian", Ok(Some(false))),
            ("MSB first, low word first", Ok(Some(true))),
            ("低字在前", Ok(Some(true))),
            ("高字在前，低字在后", Ok(Some(false))),
            ("le", Ok(Some(true))),
            ("L-H", Ok(Some(true))),
            ("hi/lo", Ok(Some(false))),
            ("MSB first. 32 bit: Low Word / High Word", Err(Doubt::Listed)),
            ("Low word, high word", Err(Doubt::Listed)),
            ("low word first; high word first for floats", Err(Doubt::Both)),
            ("little endian, high word first", Err(Doubt::Both)),
            ("Byte order: big endian", Err(Doubt::OnlyBytes)),
            ("MSB first", Err(Doubt::OnlyBytes)),
            ("Word order: see annex B", Err(Doubt::NotUnderstood)),
            ("Wortreihenfolge nach Norm", Err(Doubt::NotUnderstood)),
            ("BADC", Err(Doubt::Bytes)),
            ("LSB first", Err(Doubt::Bytes)),
            ("低字节在前", Err(Doubt::Bytes)),
            ("Register list of the PCS, issue 1.4", Ok(None)),
            ("Fault code, low word", Ok(None)),
            ("", Ok(None)),
        ] {
            assert_eq!(word_order(text), expected, "{text}");
        }
    }

    #[test]
    fn remarks_may_be_about_something_else() {
        for (text, expected) in [
            ("low word first", Ok(Some(true))),
            ("Since 1.2; little endian", Ok(Some(true))),
            ("words swapped", Ok(Some(true))),
            ("phases are swapped", Ok(None)),
            ("low", Ok(None)),
            ("High", Ok(None)),
            ("LSB first", Err(Doubt::Bytes)),
        ] {
            assert_eq!(word_order_of_remark(text), expected, "{text}");
        }
    }
}
