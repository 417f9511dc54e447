//! Where a figure comes from.

use core::fmt;
use core::str::FromStr;

use serde::{Serialize, Serializer};

/// Kind of a source, as everywhere in this project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tag {
    /// The product brochure.
    Brochure,
    /// Derived by arithmetic from other sourced figures.
    Derived,
    /// Recalled from a standard or paper, text not re-read.
    Recalled,
    /// Engineering choice.
    Assumption,
    /// Paper, data sheet or public repository of the notes on cells and heat, by number.
    S(u8),
    /// Public project of the notes on protection and sequences, by number.
    P(u8),
}

impl Tag {
    /// In a word or two.
    pub fn word(self) -> String {
        match self {
            Self::Brochure => "brochure".into(),
            Self::Derived => "derived".into(),
            Self::Recalled => "recalled".into(),
            Self::Assumption => "assumption".into(),
            Self::S(n) => format!("source S{n}"),
            Self::P(n) => format!("source P{n}"),
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Brochure => f.write_str("[B]"),
            Self::Derived => f.write_str("[D]"),
            Self::Recalled => f.write_str("[R]"),
            Self::Assumption => f.write_str("[A]"),
            Self::S(n) => write!(f, "[S{n}]"),
            Self::P(n) => write!(f, "[P{n}]"),
        }
    }
}

/// Text that is no tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoTag;

impl FromStr for Tag {
    type Err = NoTag;

    /// What stands between the brackets.
    fn from_str(text: &str) -> Result<Self, NoTag> {
        let number = |digits: &str| digits.parse().map_err(|_| NoTag);
        match (text, text.split_at_checked(1)) {
            ("B", _) => Ok(Self::Brochure),
            ("D", _) => Ok(Self::Derived),
            ("R", _) => Ok(Self::Recalled),
            ("A", _) => Ok(Self::Assumption),
            (_, Some(("S", digits))) => Ok(Self::S(number(digits)?)),
            (_, Some(("P", digits))) => Ok(Self::P(number(digits)?)),
            _ => Err(NoTag),
        }
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
