//! Checksums in payloads, by the name of their profile.
//!
//! A checksum is made over the bytes of the payload in order, without those that hold the checksum itself, and where
//! the product says so over a data id or the identifier before them (as AUTOSAR's end-to-end profiles and many
//! battery makers do). Parameters are those of the catalogue of parametrised CRC algorithms by Greg Cook; each is tested
//! with the catalogue's check value, the checksum of the digits 1 to 9.

use bess_types::{CanFrame, CanId};
use serde::Deserialize;

use super::bits::BitField;

/// A way to make a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// CRC-8/SAE-J1850: polynomial 1D, begins with FF, ends inverted.
    #[serde(rename = "crc8-j1850")]
    Crc8J1850,
    /// CRC-8/AUTOSAR: polynomial 2F, begins with FF, ends inverted.
    #[serde(rename = "crc8-8h2f")]
    Crc8H2f,
    /// CRC-8/SMBUS: polynomial 07, begins with 0.
    #[serde(rename = "crc8")]
    Crc8,
    /// CRC-16/IBM-3740 ("CCITT"): polynomial 1021, begins with FFFF.
    #[serde(rename = "crc16-ccitt")]
    Crc16Ccitt,
    /// CRC-16/MODBUS: polynomial 8005 reflected, begins with FFFF.
    #[serde(rename = "crc16-modbus")]
    Crc16Modbus,
    /// All bytes exclusive-ored.
    Xor,
    /// All bytes added.
    Sum,
    /// All bytes added, every bit of the sum turned over.
    SumInverted,
}

impl Profile {
    /// Name as in product files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc8J1850 => "crc8-j1850",
            Self::Crc8H2f => "crc8-8h2f",
            Self::Crc8 => "crc8",
            Self::Crc16Ccitt => "crc16-ccitt",
            Self::Crc16Modbus => "crc16-modbus",
            Self::Xor => "xor",
            Self::Sum => "sum",
            Self::SumInverted => "sum-inverted",
        }
    }

    /// The checksum of these bytes.
    pub fn of(self, bytes: impl Iterator<Item = u8>) -> u16 {
        match self {
            Self::Crc8J1850 => crc8(&J1850, 0xFF, bytes) ^ 0xFF,
            Self::Crc8H2f => crc8(&H2F, 0xFF, bytes) ^ 0xFF,
            Self::Crc8 => crc8(&SMBUS, 0, bytes),
            Self::Crc16Ccitt => bytes.fold(0xFFFF_u16, |crc, byte| {
                crc << 8 ^ CCITT[usize::from(crc.to_be_bytes()[0] ^ byte)]
            }),
            Self::Crc16Modbus => bytes.fold(0xFFFF_u16, |crc, byte| {
                crc >> 8 ^ MODBUS[usize::from(crc.to_le_bytes()[0] ^ byte)]
            }),
            Self::Xor => u16::from(bytes.fold(0, |all, byte| all ^ byte)),
            Self::Sum => u16::from(bytes.fold(0_u8, u8::wrapping_add)),
            Self::SumInverted => u16::from(!bytes.fold(0_u8, u8::wrapping_add)),
        }
    }
}

fn crc8(table: &[u8; 256], start: u8, bytes: impl Iterator<Item = u8>) -> u16 {
    u16::from(bytes.fold(start, |crc, byte| table[usize::from(crc ^ byte)]))
}

/// What eight steps make of each byte.
static J1850: [u8; 256] = table8(0x1D);
static H2F: [u8; 256] = table8(0x2F);
static SMBUS: [u8; 256] = table8(0x07);
static CCITT: [u16; 256] = table16(0x1021);
static MODBUS: [u16; 256] = table16_reflected(0xA001);

#[allow(clippy::cast_possible_truncation, reason = "bytes count to 255")]
const fn table8(polynomial: u8) -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u8, 0);
        while bit < 8 {
            crc = crc << 1 ^ if crc & 0x80 == 0 { 0 } else { polynomial };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[allow(clippy::cast_possible_truncation, reason = "bytes count to 255")]
const fn table16(polynomial: u16) -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = ((byte as u16) << 8, 0);
        while bit < 8 {
            crc = crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { polynomial };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[allow(clippy::cast_possible_truncation, reason = "bytes count to 255")]
const fn table16_reflected(polynomial: u16) -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u16, 0);
        while bit < 8 {
            crc = crc >> 1 ^ if crc & 1 == 0 { 0 } else { polynomial };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// What a checksum is made over before the payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Before {
    #[default]
    Nothing,
    /// These bytes.
    Data([u8; 2], usize),
    /// The identifier, highest byte first: two bytes of an 11-bit one, four of a 29-bit one.
    Identifier,
}

/// A message's checksum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checksum {
    pub profile: Profile,
    pub field: BitField,
    pub before: Before,
    /// Bytes the field has a part of: the first, and the one behind the last.
    own: (usize, usize),
}

impl Checksum {
    pub(super) fn new(profile: Profile, field: BitField, before: Before) -> Self {
        let claimed = field.claimed();
        let first = claimed.iter().position(|bits| *bits != 0);
        let last = claimed.iter().rposition(|bits| *bits != 0);
        Self {
            profile,
            field,
            before,
            own: (first.unwrap_or(0), last.map_or(0, |last| last + 1)),
        }
    }

    /// Puts the checksum into a frame, or a wrong one.
    pub(super) fn put(&self, frame: &mut CanFrame, broken: bool) {
        let right = u64::from(self.of(frame.id, frame.data()));
        self.field.put(frame, if broken { !right } else { right });
    }

    /// Whether the checksum of the first `len` bytes of a frame of this message is right.
    pub(super) fn is_right(&self, id: CanId, frame: &CanFrame, len: usize) -> bool {
        let right = u64::from(self.of(id, &frame.data()[..len]));
        self.field.of_frame(frame) == self.field.cut(right)
    }

    fn of(&self, id: CanId, data: &[u8]) -> u16 {
        let identifier = id.raw().to_be_bytes();
        let before: &[u8] = match (&self.before, id) {
            (Before::Nothing, _) => &[],
            (Before::Data(bytes, len), _) => &bytes[..*len],
            (Before::Identifier, CanId::Standard(_)) => &identifier[2..],
            (Before::Identifier, CanId::Extended(_)) => &identifier,
        };
        let (head, tail) = (&data[..self.own.0], &data[self.own.1..]);
        self.profile.of(before.iter().chain(head).chain(tail).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_give_their_check_values() {
        for (profile, check) in [
            (Profile::Crc8J1850, 0x4B),
            (Profile::Crc8H2f, 0xDF),
            (Profile::Crc8, 0xF4),
            (Profile::Crc16Ccitt, 0x29B1),
            (Profile::Crc16Modbus, 0x4B37),
            (Profile::Xor, 0x31),
            (Profile::Sum, 0xDD),
            (Profile::SumInverted, 0x22),
        ] {
            assert_eq!(profile.of(b"123456789".iter().copied()), check, "{profile:?}");
        }
    }
}
