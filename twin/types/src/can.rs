//! A CAN frame as it stands on the bus, classic or FD.

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

/// Longest payload of a classic frame, bytes.
pub const CLASSIC_BYTES: usize = 8;
/// Longest payload of a CAN FD frame, bytes.
pub const FD_BYTES: usize = 64;

/// What a CAN FD frame says of itself beside its payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FdFlags {
    /// Payload and checksum at the faster bit rate.
    pub bit_rate_switch: bool,
    /// Its sender is error-passive.
    pub error_passive: bool,
}

/// A data frame: classic with 0 to 8 bytes, or CAN FD with a length FD has a code for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CanFrame {
    /// Identifier.
    pub id: CanId,
    /// Flags of a CAN FD frame; none for a classic one.
    pub fd: Option<FdFlags>,
    len: u8,
    data: [u8; FD_BYTES],
}

impl CanFrame {
    /// A classic frame with `data`; `None` if there are more than 8 bytes.
    pub fn new(id: CanId, data: &[u8]) -> Option<Self> {
        (data.len() <= CLASSIC_BYTES).then(|| Self::with(id, None, data))
    }

    /// A CAN FD frame with `data`; `None` if FD has no code for this length (0 to 8, 12, 16, 20, 24, 32, 48, 64).
    pub fn new_fd(id: CanId, flags: FdFlags, data: &[u8]) -> Option<Self> {
        fd_length(data.len())
            .is_some_and(|len| len == data.len())
            .then(|| Self::with(id, Some(flags), data))
    }

    /// A frame of `len` bytes, 8 at most, that hold `word`, lowest byte first; what does not fit is dropped.
    #[inline]
    pub fn from_word(id: CanId, fd: Option<FdFlags>, len: u8, word: u64) -> Self {
        let mut frame = Self {
            id,
            fd,
            len: len.min(8),
            data: [0; FD_BYTES],
        };
        frame.set_word(word);
        frame
    }

    /// The first eight bytes of the payload, lowest byte first; those it does not have are zero.
    #[inline]
    pub fn word(&self) -> u64 {
        // behind the payload stand zeros
        self.data
            .first_chunk()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// Puts a number, lowest byte first, in place of the first eight bytes of the payload, or of as many as it has.
    #[inline]
    pub fn set_word(&mut self, word: u64) {
        let beyond = 8_u32.saturating_sub(u32::from(self.len)) * 8;
        let kept = u64::MAX.checked_shr(beyond).unwrap_or(0);
        if let Some(bytes) = self.data.first_chunk_mut() {
            *bytes = (word & kept).to_le_bytes();
        }
    }

    fn with(id: CanId, fd: Option<FdFlags>, data: &[u8]) -> Self {
        let mut bytes = [0; FD_BYTES];
        bytes[..data.len()].copy_from_slice(data);
        Self {
            id,
            fd,
            #[allow(clippy::cast_possible_truncation, reason = "at most 64")]
            len: data.len() as u8,
            data: bytes,
        }
    }

    /// The payload.
    #[inline]
    pub fn data(&self) -> &[u8] {
        &self.data[..usize::from(self.len)]
    }

    /// The payload, to be changed in place.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data[..usize::from(self.len)]
    }
}

/// The shortest CAN FD payload that holds `bytes`; `None` above 64.
pub fn fd_length(bytes: usize) -> Option<usize> {
    const LENGTHS: [usize; 7] = [12, 16, 20, 24, 32, 48, FD_BYTES];
    if bytes <= CLASSIC_BYTES {
        return Some(bytes);
    }
    LENGTHS.into_iter().find(|&len| len >= bytes)
}

impl fmt::Display for CanFrame {
    /// As `candump -L` prints it: `18A0FF01#1122334455667788`, and with two marks and the flags `123##1...` for CAN FD.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#", self.id)?;
        if let Some(flags) = self.fd {
            write!(f, "#{:X}", flags.nibble())?;
        }
        self.data().iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl FdFlags {
    /// The digit candump prints: 1 for the bit rate switch, 2 for an error-passive sender.
    pub const fn nibble(self) -> u8 {
        self.bit_rate_switch as u8 | (self.error_passive as u8) << 1
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
    fn refuses_lengths_that_are_none() {
        let id = CanId::Standard(1);
        assert!(CanFrame::new(id, &[0; 9]).is_none());
        assert!(CanFrame::new_fd(id, FdFlags::default(), &[0; 9]).is_none());
        assert!(CanFrame::new_fd(id, FdFlags::default(), &[0; 65]).is_none());
        assert_eq!(
            [0, 8, 9, 33, 64, 65].map(fd_length),
            [Some(0), Some(8), Some(12), Some(48), Some(64), None]
        );
    }

    #[test]
    fn the_first_eight_bytes_are_a_word() {
        let id = CanId::Standard(1);
        let frame = CanFrame::new(id, &[1, 2, 3]).unwrap();
        assert_eq!(frame.word(), 0x03_02_01);
        assert_eq!(CanFrame::from_word(id, None, 3, 0xFF_03_02_01), frame);
        assert_eq!(
            CanFrame::from_word(id, None, 0, u64::MAX),
            CanFrame::new(id, &[]).unwrap()
        );
        let mut frame = CanFrame::new_fd(id, FdFlags::default(), &[9; 12]).unwrap();
        frame.set_word(0x08_07_06_05_04_03_02_01);
        assert_eq!(frame.data(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9]);
    }

    #[test]
    fn an_fd_frame_prints_its_flags() {
        let flags = FdFlags {
            bit_rate_switch: true,
            error_passive: false,
        };
        let frame = CanFrame::new_fd(CanId::Standard(0x123), flags, &[0xAB; 12]).unwrap();
        assert_eq!(frame.to_string(), format!("123##1{}", "AB".repeat(12)));
    }
}
