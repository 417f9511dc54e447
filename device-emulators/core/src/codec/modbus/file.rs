//! How a register map file is written: TOML, strict. `device-emulators/data/modbus` has examples, `docs/registers.md` a table
//! of the keys.

use std::collections::BTreeMap;

use bess_types::Table;
use serde::Deserialize;
use toml::Spanned;

use super::number::RegisterType;
use crate::codec::pattern::Captures;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MapFile {
    pub(super) title: String,
    #[serde(default)]
    pub(super) read_only_write: ReadOnlyWrite,
    #[serde(default)]
    pub(super) out_of_range_write: OutOfRangeWrite,
    /// Powers of ten that registers count in, by name.
    #[serde(default)]
    pub(super) scale_factors: BTreeMap<String, ScaleFactor>,
    pub(super) block: Vec<BlockSpec>,
    #[serde(default)]
    pub(super) revert: Vec<Spanned<RevertSpec>>,
}

/// What a write to a read-only register gets; devices differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadOnlyWrite {
    /// Exception 02.
    #[default]
    IllegalDataAddress,
    /// Exception 03.
    IllegalDataValue,
    /// It is answered as done, and nothing changes.
    Ignore,
}

/// What a write of a value outside the point's range gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutOfRangeWrite {
    /// Exception 03.
    #[default]
    IllegalDataValue,
    /// The nearest value inside is taken.
    Clamp,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BlockSpec {
    pub(super) name: Spanned<String>,
    pub(super) table: Table,
    #[serde(default)]
    pub(super) mirror: bool,
    #[serde(default)]
    pub(super) base: u16,
    /// It begins `base` registers behind the block before it.
    #[serde(default)]
    pub(super) follows: bool,
    /// Once for each point of this name.
    pub(super) each: Option<Spanned<String>>,
    /// Of these, leave out the first ones.
    #[serde(default)]
    pub(super) from: u16,
    /// From one to the next.
    pub(super) stride: Option<u16>,
    /// It is left out, with those of `each` that come after it, if it would end behind this address.
    pub(super) up_to: Option<u16>,
    /// `{n}` is how many points of this name there are.
    pub(super) number: Option<Spanned<String>>,
    pub(super) length: Option<u16>,
    pub(super) fill: Option<u16>,
    #[serde(default)]
    pub(super) access: Access,
    /// Roles that may write; everybody if left out.
    pub(super) role: Option<Vec<String>>,
    #[serde(default)]
    pub(super) word_order: WordOrder,
    pub(super) register: Vec<Spanned<RegisterSpec>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Access {
    #[default]
    Read,
    ReadWrite,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum WordOrder {
    #[default]
    HighFirst,
    LowFirst,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterSpec {
    pub(super) at: u16,
    pub(super) point: Option<Spanned<String>>,
    pub(super) constant: Option<Constant>,
    pub(super) text: Option<String>,
    pub(super) words: Option<u16>,
    pub(super) bits: Option<BTreeMap<Spanned<String>, Spanned<String>>>,
    /// A register of the server's own, with this raw value at start-up: keeps what is written.
    pub(super) hold: Option<i64>,
    /// What its maker calls it, and `[[revert]]` one that holds.
    pub(super) name: Option<Spanned<String>>,
    /// Any words on it.
    pub(super) description: Option<String>,
    /// What its maker calls its bits and fields of bits, as in `3` and `4-7`.
    #[serde(default)]
    pub(super) bit_names: BTreeMap<Spanned<String>, String>,
    /// What its maker calls its raw values.
    #[serde(default, rename = "enum")]
    pub(super) names: BTreeMap<Spanned<String>, String>,
    /// Values that are others than the point's: by name of the point's state, or its value.
    #[serde(default)]
    pub(super) values: BTreeMap<Spanned<String>, f64>,
    #[serde(default, rename = "type")]
    pub(super) kind: RegisterType,
    pub(super) scale: Option<f64>,
    /// Counted in the power of ten of this name.
    pub(super) sf: Option<Spanned<String>>,
    /// The register that says the power of ten of this name.
    pub(super) scale_factor: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) offset: f64,
    pub(super) unit: Option<Spanned<String>>,
    pub(super) invalid: Option<u64>,
    /// Length of a row.
    pub(super) count: Option<Constant>,
    /// Registers from one of a row to the next, if they do not follow one another.
    pub(super) stride: Option<u16>,
    pub(super) access: Option<Access>,
    /// Overrides the block's.
    pub(super) role: Option<Vec<String>>,
    pub(super) word_order: Option<WordOrder>,
    /// Bits stay as seen on until written 1.
    pub(super) on_write: Option<SideEffect>,
    /// Bits stay as seen on until read.
    pub(super) on_read: Option<SideEffect>,
    /// By its maker's map it cannot say all its point can be: no check warns of it.
    #[serde(default)]
    pub(super) lossy: bool,
    /// The value it takes by itself ...
    pub(super) returns_to: Option<f64>,
    /// ... this long after another was written.
    pub(super) after_ms: Option<u64>,
}

impl RegisterSpec {
    /// Registers in the row, if it is one of known length.
    pub(super) fn row_length(&self) -> Option<u16> {
        self.count.as_ref()?.number()?.try_into().ok()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SideEffect {
    Clear,
}

/// Set points that fall back if none of them is written for some time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RevertSpec {
    /// Point, to the value or the point or register that holds the value it falls back to.
    pub(super) back: BTreeMap<Spanned<String>, Fallback>,
    pub(super) after_s: Option<f64>,
    /// Point or register with the time, s; 0 is for ever.
    pub(super) after: Option<Spanned<String>>,
    /// Point or register that counts the seconds left.
    pub(super) remaining: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Fallback {
    Value(f64),
    Name(String),
}

/// A fixed raw value.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Constant {
    Number(i64),
    /// With the block's placeholders in it, as `{26+32n}`.
    Reckoned(String),
}

impl Constant {
    /// With its placeholders filled.
    pub(super) fn filled(&self, known: &Captures) -> Self {
        match self {
            Self::Reckoned(sum) => Self::Reckoned(known.fill(sum)),
            Self::Number(number) => Self::Number(*number),
        }
    }

    /// Its value, if it is one without a placeholder left in it.
    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Reckoned(sum) => sum.parse().ok(),
        }
    }
}

/// A power of ten.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ScaleFactor {
    Number(i8),
    Fit(Fit),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fit {
    Fit,
}
