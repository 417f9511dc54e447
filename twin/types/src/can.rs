//! A classic CAN frame as it stands on the bus.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Identifier of a CAN frame. Ordered as arbitration would for equal formats: lower wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CanId {
    /// 11-bit identifier.
    Standard(u16),
    /// 29-bit identifier.
    Extended(u32),
}

impl CanId {
    /// The bare number, without the format bit.
    pub const fn raw(self) -> u32 {
        match self {
            Self::Standard(id) => id as u32,
            Self::Extended(id) => id,
        }
    }
}

impl fmt::Display for CanId {
    /// As candump prints it: three or eight hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(id) => write!(f, "{id:03X}"),
            Self::Extended(id) => write!(f, "{id:08X}"),
        }
    }
}

/// A classic data frame of 0 to 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanFrame {
    /// Identifier.
    pub id: CanId,
    len: u8,
    data: [u8; 8],
}

impl CanFrame {
    /// A frame with `data`; `None` if there are more than 8 bytes.
    pub fn new(id: CanId, data: &[u8]) -> Option<Self> {
        let mut bytes = [0; 8];
        bytes.get_mut(..data.len())?.copy_from_slice(data);
        Some(Self {
            id,
            len: u8::try_from(data.len()).ok()?,
            data: bytes,
        })
    }

    /// The payload.
    pub fn data(&self) -> &[u8] {
        &self.data[..usize::from(self.len)]
    }

    /// The payload, to be changed in place.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data[..usize::from(self.len)]
    }
}

impl fmt::Display for CanFrame {
    /// As `candump -L` prints it: `18A0FF01#1122334455667788`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#", self.id)?;
        self.data().iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for CanFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    #[test]
    fn prints_like_candump() {
        let frame = CanFrame::new(CanId::Extended(0x18_A0_FF_01), &[0x11, 0x22]).unwrap();
        assert_eq!(frame.to_string(), "18A0FF01#1122");
        let frame = CanFrame::new(CanId::Standard(0x35), &[]).unwrap();
        assert_eq!(frame.to_string(), "035#");
    }

    #[test]
    fn refuses_nine_bytes() {
        assert!(CanFrame::new(CanId::Standard(1), &[0; 9]).is_none());
    }
}
