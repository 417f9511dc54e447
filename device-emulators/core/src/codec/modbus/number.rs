//! Numbers in registers: types, word order, scale and the code for no value.
//!
//! A value of two or four registers is whole within one request. A client that reads or writes its halves in two
//! requests has to bring them together itself, as with any Modbus device: between the two the value may have changed.

use bess_types::{Quality, Reading};
use serde::Deserialize;

use crate::codec::can::rounded;

/// How a number stands in registers.
#[derive(Clone, Copy, Debug)]
pub(super) struct NumberFormat {
    pub(super) kind: RegisterType,
    pub(super) low_word_first: bool,
    /// value = raw · multiply / divide + offset
    pub(super) multiply: f64,
    pub(super) divide: f64,
    pub(super) offset: f64,
    pub(super) invalid: u64,
    /// What counts beyond the type's range begins again, in place of staying at its end.
    pub(super) rolls: bool,
}

impl NumberFormat {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "casts from float saturate, and the value is clamped to the type's range first"
    )]
    pub(super) fn bits_of(&self, reading: Reading) -> u64 {
        let Some(value) = reading.ok().filter(|value| !value.is_nan()) else {
            return self.invalid;
        };
        let raw = (value - self.offset) * self.divide / self.multiply;
        if self.kind == RegisterType::F32 {
            return u64::from((raw as f32).to_bits());
        }
        let (low, high) = self.kind.range();
        let rounded = match self.kind {
            _ if self.rolls => raw.max(0.0).round() % (high + 1.0),
            RegisterType::U64 | RegisterType::Acc64 => raw.clamp(low, high).round(),
            _ => rounded(raw.clamp(low, high)) as f64,
        };
        let bits = if self.kind.is_signed() {
            (rounded as i64) as u64 & self.kind.mask()
        } else {
            rounded as u64 & self.kind.mask()
        };
        if bits != self.invalid {
            return bits;
        }
        // A good value must not read as "no value": the next one towards zero.
        if rounded < 0.0 {
            bits + 1
        } else {
            bits.saturating_sub(1)
        }
    }

    #[allow(
        clippy::cast_possible_wrap,
        clippy::cast_possible_truncation,
        reason = "reading the same bits as another type is meant"
    )]
    pub(super) fn reading_of(&self, bits: u64) -> Reading {
        if bits == self.invalid {
            return Reading::invalid();
        }
        let raw = match self.kind {
            RegisterType::F32 => f64::from(f32::from_bits(bits as u32)),
            kind if kind.is_signed() => {
                let spare = 64 - 16 * kind.words();
                ((bits << spare) as i64 >> spare) as f64
            }
            _ => bits as f64,
        };
        if !raw.is_finite() {
            return Reading::invalid();
        }
        Reading {
            value: raw * self.multiply / self.divide + self.offset,
            quality: Quality::Valid,
        }
    }

    pub(super) fn push_words(&self, bits: u64, words: &mut Vec<u16>) {
        let count = self.kind.words();
        for i in 0..count {
            let place = if self.low_word_first { i } else { count - 1 - i };
            words.push((bits >> (16 * place) & 0xFFFF) as u16);
        }
    }

    pub(super) fn bits_from(&self, words: &[u16]) -> u64 {
        let join = |bits: u64, word: &u16| bits << 16 | u64::from(*word);
        if self.low_word_first {
            words.iter().rev().fold(0, join)
        } else {
            words.iter().fold(0, join)
        }
    }
}

/// How a value stands in its registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegisterType {
    /// 16 bits, unsigned.
    #[default]
    U16,
    /// 16 bits, two's complement.
    I16,
    /// 32 bits, unsigned.
    U32,
    /// 32 bits, two's complement.
    I32,
    /// 64 bits, unsigned.
    U64,
    /// 64 bits, two's complement.
    I64,
    /// IEEE 754, 32 bits.
    F32,
    /// Two registers; counts up and begins again at 0, which is also SunSpec's "not implemented".
    Acc32,
    /// Likewise, four registers.
    Acc64,
}

impl RegisterType {
    /// Registers it takes.
    pub const fn words(self) -> u32 {
        match self {
            Self::U16 | Self::I16 => 1,
            Self::U32 | Self::I32 | Self::F32 | Self::Acc32 => 2,
            Self::U64 | Self::I64 | Self::Acc64 => 4,
        }
    }

    /// It begins again at 0 after its highest value.
    pub(super) const fn counts_on(self) -> bool {
        matches!(self, Self::Acc32 | Self::Acc64)
    }

    pub(super) const fn is_signed(self) -> bool {
        matches!(self, Self::I16 | Self::I32 | Self::I64)
    }

    pub(super) const fn is_integer(self) -> bool {
        !matches!(self, Self::F32)
    }

    pub(super) const fn mask(self) -> u64 {
        u64::MAX >> (64 - 16 * self.words())
    }

    /// Lowest and highest raw value; 64-bit types are cut to what a double holds without rounding up.
    pub const fn range(self) -> (f64, f64) {
        match self {
            Self::U16 => (0.0, 65_535.0),
            Self::I16 => (-32_768.0, 32_767.0),
            Self::U32 | Self::Acc32 => (0.0, 4_294_967_295.0),
            Self::I32 => (-2_147_483_648.0, 2_147_483_647.0),
            Self::U64 | Self::Acc64 => (0.0, 18_446_744_073_709_549_568.0),
            Self::I64 => (-9_223_372_036_854_774_784.0, 9_223_372_036_854_774_784.0),
            Self::F32 => (f64::MIN, f64::MAX),
        }
    }

    /// SunSpec's code for a value that is not implemented.
    pub const fn not_implemented(self) -> u64 {
        match self {
            Self::U16 | Self::U32 | Self::U64 => self.mask(),
            Self::I16 | Self::I32 | Self::I64 => self.mask() ^ (self.mask() >> 1),
            Self::F32 => 0x7FC0_0000,
            Self::Acc32 | Self::Acc64 => 0,
        }
    }
}
