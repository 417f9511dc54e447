//! Value = raw · factor + offset, as cells of scales have it: a number, and maybe an offset and a unit behind it.

use std::sync::LazyLock;

use regex::Regex;

use super::cells::{factor, plain_signs, regex};

/// What a cell of scales says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Linear {
    pub(super) factor: f64,
    pub(super) offset: Option<Offset>,
    /// What stands behind: a unit, or what is not understood.
    pub(super) behind: String,
}

/// What is added to raw · factor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Offset {
    pub(super) value: f64,
    /// Its own, if it has one.
    pub(super) unit: String,
}

/// Reads a factor with what stands beside it: `0.1 V`, `0.1, offset -400`, `×0.1 −400`, `raw * 0.1 - 40`.
pub(super) fn linear(cell: &str) -> Option<Linear> {
    static RAW: LazyLock<Regex> = LazyLock::new(|| {
        regex(r"(?i)^(?:\w+\s*=\s*)?(?:raw(?:[ _-]?value)?|rohwert|wert|value|x|n)\s*([*×·/÷].*)$")
    });
    static RAW_BEHIND: LazyLock<Regex> =
        LazyLock::new(|| regex(r"(?i)^(?:[*×·]\s*)?(?:raw(?:[ _-]?value)?|rohwert|wert|value|x|n|[*×·])$"));
    let text = plain_signs(cell);
    let text = RAW
        .captures(text.trim())
        .map_or(text.trim(), |found| found.extract::<1>().1[0]);
    let (before, offset) = match with_offset(text) {
        Some((before, offset)) => (before, Some(offset)),
        None => (text, None),
    };
    let (factor, behind) = match before {
        "" => (1.0, String::new()),
        before => factor(before)?,
    };
    let behind = if RAW_BEHIND.is_match(&behind) {
        String::new()
    } else {
        behind
    };
    Some(Linear {
        factor,
        offset,
        behind,
    })
}

/// An offset that is called so at the end of a text, and what stands before it: `°C, offset -40`.
pub(super) fn offset_in_words(text: &str) -> Option<(&str, Offset)> {
    static WORD: LazyLock<Regex> = LazyLock::new(|| {
        regex(
            r"(?i)^(.*?)[\s,;/|+&(（，；]*(?:(?:with|mit|and|und|an)\s+)*(?:\b(?:offset|versatz|bias)|偏移量?)\s*(?:(?:of|von|is|ist)\s+|[=:：]\s*)?([+-]?\s*\d+(?:[.,]\d+)?)\s*([^\d\s()（）]*)\s*[)）]?$",
        )
    });
    let found = WORD.captures(text)?;
    let (_, [before, value, unit]) = found.extract();
    Some((text.get(..before.len())?, offset(value, unit)?))
}

/// A text that ends with what is plainly an offset, and what stands before it.
fn with_offset(text: &str) -> Option<(&str, Offset)> {
    // a number with its sign, apart from what stands before
    static SIGNED: LazyLock<Regex> = LazyLock::new(|| {
        regex(r"^(.*?[^\s,;(])(?:\s*[,;]\s*|\s+)\(?([+-]\d+(?:[.,]\d+)?)\s*([^\d\s()]*)\)?$")
    });
    // a factor that is marked as one needs no gap
    static MARKED: LazyLock<Regex> = LazyLock::new(|| {
        regex(
            r"(?i)^([x×*·/÷]\s*\d+(?:[.,]\d+)?|\d+(?:[.,]\d+)?\s*(?:[x×*·]\s*)?(?:raw|x|n|wert)|\d+(?:[.,]\d+)?\s*[×*])\s*([+-]\s*\d+(?:[.,]\d+)?)\s*([^\d\s()]*)$",
        )
    });
    if let Some(found) = offset_in_words(text) {
        return Some(found);
    }
    let found = SIGNED.captures(text).or_else(|| MARKED.captures(text))?;
    let (_, [before, value, unit]) = found.extract();
    let offset = offset(value, unit)?;
    // "10 -1" may have been a power, as "10^ -1" is one
    let is_ten = before.trim_start_matches(['x', '×', '*', '·', ' ']) == "10";
    let is_power = before.ends_with(['^', 'e', 'E']) || is_ten && offset.value.abs() < 10.0;
    (!is_power).then(|| (&text[..before.len()], offset))
}

fn offset(value: &str, unit: &str) -> Option<Offset> {
    let value: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    let value: f64 = value.replace(',', ".").parse().ok()?;
    value.is_finite().then(|| Offset {
        value,
        unit: unit.to_owned(),
    })
}

/// Whether a text, such as a remark, speaks of an offset and a number.
pub(super) fn speaks_of_offset(text: &str) -> bool {
    static SPEAKS: LazyLock<Regex> = LazyLock::new(|| {
        regex(
            r"(?i)\b(?:offset|versatz)\s*(?:(?:of|von|is|ist)\s+[+-]?|[=:：]\s*[+-]?|[+-])\s*\d|偏移量?\s*[=:：]?\s*[+-]?\d",
        )
    });
    SPEAKS.is_match(&plain_signs(text))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    #[test]
    fn offsets_beside_factors() {
        for (text, factor, offset, behind) in [
            ("0.1", 0.1, None, ""),
            ("0.1 V", 0.1, None, "V"),
            ("0.1, offset -400", 0.1, Some(-400.0), ""),
            ("0.1 (offset -400)", 0.1, Some(-400.0), ""),
            ("0,1; Versatz: -40", 0.1, Some(-40.0), ""),
            ("0.1 A, offset = -1600 A", 0.1, Some(-1600.0), "A"),
            ("offset 40", 1.0, Some(40.0), ""),
            ("0.1，偏移量-400", 0.1, Some(-400.0), ""),
            ("x / 10 - 5", 0.1, Some(-5.0), ""),
            ("×0.1 −400", 0.1, Some(-400.0), ""),
            ("×0.1−400", 0.1, Some(-400.0), ""),
            ("*0.1 - 400", 0.1, Some(-400.0), ""),
            ("0.1 -400", 0.1, Some(-400.0), ""),
            ("0,1, -400", 0.1, Some(-400.0), ""),
            ("0.1 °C -40", 0.1, Some(-40.0), "°C"),
            ("raw * 0.1 - 40", 0.1, Some(-40.0), ""),
            ("y = x*0.1 + 5", 0.1, Some(5.0), ""),
            ("0.1x - 40", 0.1, Some(-40.0), ""),
            ("x / 10 - 40", 0.1, Some(-40.0), ""),
            ("1/10 -40", 0.1, Some(-40.0), ""),
            ("10⁻¹", 0.1, None, ""),
            // a range, or a power
            ("0.1 - 400", 0.1, None, "- 400"),
            ("10-1", 10.0, None, "-1"),
            ("10 -1", 10.0, None, "-1"),
            ("0.1 (see note 3)", 0.1, None, "(see note 3)"),
        ] {
            let found = linear(text).unwrap_or_else(|| panic!("{text}"));
            assert!((found.factor - factor).abs() < 1e-12, "{text}: {found:?}");
            assert_eq!(found.offset.map(|offset| offset.value), offset, "{text}");
            assert_eq!(found.behind, behind, "{text}");
        }
        for text in ["see note", "(x - 400) * 0.1", "x1e", ""] {
            assert!(
                linear(text).is_none_or(|linear| linear.offset.is_none()),
                "{text}"
            );
        }
        for (text, expected) in [
            ("offset -40", true),
            ("Offset: 400", true),
            ("with an offset of 40", true),
            ("偏移400", true),
            ("Offset correction 1", false),
            ("no offset", false),
        ] {
            assert_eq!(speaks_of_offset(text), expected, "{text}");
        }
    }
}
