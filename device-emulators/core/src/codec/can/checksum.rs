//! Checksums in payloads, by the name of their profile.
//!
//! A checksum is made over the bytes of the payload in order, without those that hold the checksum itself, and where
//! the product says so over a data id or the identifier before them (as AUTOSAR's end-to-end profiles and many
//! battery makers do). Parameters are those of the catalogue of parametrised CRC algorithms by Greg Cook; each is tested
//! with the catalogue's check value, the checksum of the digits 1 to 9.

use bess_types::CanId;
use serde::Deserialize;

use super::bits::{BUFFER, BitField};
use super::layout::buffer;

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
            Self::Crc8J1850 => crc8(0x1D, 0xFF, bytes) ^ 0xFF,
            Self::Crc8H2f => crc8(0x2F, 0xFF, bytes) ^ 0xFF,
            Self::Crc8 => crc8(0x07, 0, bytes),
            Self::Crc16Ccitt => bytes.fold(0xFFFF, |crc, byte| {
                (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
                    crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
                })
            }),
            Self::Crc16Modbus => bytes.fold(0xFFFF, |crc, byte| {
                (0..8).fold(crc ^ u16::from(byte), |crc, _| {
                    crc >> 1 ^ if crc & 1 == 0 { 0 } else { 0xA001 }
                })
            }),
            Self::Xor => u16::from(bytes.fold(0, |all, byte| all ^ byte)),
            Self::Sum => u16::from(bytes.fold(0_u8, u8::wrapping_add)),
            Self::SumInverted => u16::from(!bytes.fold(0_u8, u8::wrapping_add)),
        }
    }
}

fn crc8(polynomial: u8, start: u8, bytes: impl Iterator<Item = u8>) -> u16 {
    let crc = bytes.fold(start, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| {
            crc << 1 ^ if crc & 0x80 == 0 { 0 } else { polynomial }
        })
    });
    u16::from(crc)
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
    /// Bytes the field has a part of.
    pub own: [bool; BUFFER],
}

impl Checksum {
    pub(super) fn new(profile: Profile, field: BitField, before: Before) -> Self {
        Self {
            profile,
            field,
            before,
            own: field.claimed().map(|bits| bits != 0),
        }
    }

    /// Puts the checksum into a payload, or a wrong one.
    pub(super) fn put(&self, id: CanId, data: &mut [u8], broken: bool) {
        let mut payload = buffer(data);
        let right = u64::from(self.of(id, data));
        self.field
            .write(&mut payload, if broken { !right } else { right });
        data.copy_from_slice(&payload[..data.len()]);
    }

    pub(super) fn holds(&self, id: CanId, data: &[u8]) -> bool {
        let mut mine = buffer(data);
        self.field.write(&mut mine, u64::from(self.of(id, data)));
        mine[..data.len()] == *data
    }

    fn of(&self, id: CanId, data: &[u8]) -> u16 {
        let identifier = id.raw().to_be_bytes();
        let before: &[u8] = match (&self.before, id) {
            (Before::Nothing, _) => &[],
            (Before::Data(bytes, len), _) => &bytes[..*len],
            (Before::Identifier, CanId::Standard(_)) => &identifier[2..],
            (Before::Identifier, CanId::Extended(_)) => &identifier,
        };
        let payload = data.iter().zip(&self.own).filter(|(_, own)| !**own);
        self.profile
            .of(before.iter().chain(payload.map(|(byte, _)| byte)).copied())
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
