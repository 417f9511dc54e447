//! How long a frame is on the wire, in bits, stuff bits counted one by one.
//!
//! ISO 11898-1: a classic frame is stuffed from its start up to the end of the checksum: after five equal bits, stuff
//! bits among them, the opposite bit is put in. CAN FD stuffs so up to the end of the payload; its checksum field has
//! fixed stuff bits instead.

use bess_types::{CanFrame, CanId};

/// Bits between two frames.
pub const INTERMISSION: u32 = 3;
/// Delimiters, acknowledgement and end of frame: not stuffed.
const TAIL: u32 = 1 + 1 + 1 + 7;

/// Length of a frame in bits, without the intermission after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameBits {
    /// At the arbitration bit rate.
    pub nominal: u32,
    /// At the data bit rate: none in a classic frame, or without the bit rate switch.
    pub fast: u32,
}

impl FrameBits {
    /// Counts a frame's bits.
    pub fn of(frame: &CanFrame) -> Self {
        match frame.fd {
            None => Self {
                nominal: classic(frame),
                fast: 0,
            },
            Some(flags) => {
                let (nominal, fast) = fd(frame, flags.bit_rate_switch, flags.error_passive);
                if flags.bit_rate_switch {
                    Self { nominal, fast }
                } else {
                    Self {
                        nominal: nominal + fast,
                        fast: 0,
                    }
                }
            }
        }
    }
}

fn classic(frame: &CanFrame) -> u32 {
    let mut line = Line::default();
    match frame.id {
        CanId::Standard(id) => {
            line.put(0, 1);
            line.put(u32::from(id), 11);
            line.put(0, 3); // RTR, IDE, reserved
        }
        CanId::Extended(id) => {
            line.put(0, 1);
            line.put(id >> 18, 11);
            line.put(0b11, 2); // SRR, IDE
            line.put(id & 0x3_FFFF, 18);
            line.put(0, 3); // RTR, two reserved
        }
    }
    line.put(length_code(frame.data().len()), 4);
    for &byte in frame.data() {
        line.put(u32::from(byte), 8);
    }
    line.put(u32::from(line.checksum), 15);
    // five equal bits at the very end are followed by a stuff bit as well; in CAN FD a fixed one stands there
    line.bits + u32::from(line.run == 5) + TAIL
}

/// Bits at the arbitration rate and at the data rate, which holds from the bit rate switch to the checksum's delimiter.
fn fd(frame: &CanFrame, bit_rate_switch: bool, error_passive: bool) -> (u32, u32) {
    let mut line = Line::default();
    match frame.id {
        CanId::Standard(id) => {
            line.put(0, 1);
            line.put(u32::from(id), 11);
            line.put(0, 2); // RRS, IDE
        }
        CanId::Extended(id) => {
            line.put(0, 1);
            line.put(id >> 18, 11);
            line.put(0b11, 2); // SRR, IDE
            line.put(id & 0x3_FFFF, 18);
            line.put(0, 1); // RRS
        }
    }
    line.put(0b10, 2); // FDF, reserved
    line.put(u32::from(bit_rate_switch), 1);
    let before = line.bits;
    line.put(u32::from(error_passive), 1);
    line.put(length_code(frame.data().len()), 4);
    for &byte in frame.data() {
        line.put(u32::from(byte), 8);
    }
    // Four bits count the stuff bits; one fixed stuff bit stands before them and one after every four bits.
    let checked = 4 + if frame.data().len() <= 16 { 17 } else { 21 };
    let checksum = checked + 1 + checked / 4;
    (before + TAIL, line.bits - before + checksum)
}

/// Data length code of a payload.
fn length_code(bytes: usize) -> u32 {
    match bytes {
        0..=8 => u32::try_from(bytes).unwrap_or(8),
        9..=12 => 9,
        13..=16 => 10,
        17..=20 => 11,
        21..=24 => 12,
        25..=32 => 13,
        33..=48 => 14,
        _ => 15,
    }
}

/// Counts bits as they go out, stuffing them.
#[derive(Debug, Default)]
struct Line {
    bits: u32,
    last: Option<u32>,
    run: u32,
    /// CRC-15 of the bits before stuffing, polynomial 0x4599.
    checksum: u16,
}

impl Line {
    fn put(&mut self, value: u32, bits: u32) {
        for at in (0..bits).rev() {
            self.bit(value >> at & 1);
        }
    }

    fn bit(&mut self, bit: u32) {
        let carry = u32::from(self.checksum >> 14) & 1;
        self.checksum = self.checksum << 1 & 0x7FFF;
        if carry ^ bit == 1 {
            self.checksum ^= 0x4599;
        }
        if self.run == 5 {
            self.bits += 1;
            self.last = self.last.map(|last| 1 - last);
            self.run = 1;
        }
        self.bits += 1;
        if self.last == Some(bit) {
            self.run += 1;
        } else {
            self.last = Some(bit);
            self.run = 1;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use bess_types::FdFlags;
    use proptest::prelude::*;

    use super::*;

    fn nominal(id: CanId, data: &[u8]) -> u32 {
        let bits = FrameBits::of(&CanFrame::new(id, data).unwrap());
        assert_eq!(bits.fast, 0);
        bits.nominal
    }

    #[test]
    fn frames_counted_by_hand() {
        // all 34 bits up to the end of the checksum are 0, so a 1 is put in after each five
        assert_eq!(nominal(CanId::Standard(0), &[]), 34 + 6 + 10);
    }

    /// The bits from the start up to the payload's end, one by one.
    fn plain(frame: &CanFrame) -> Vec<u8> {
        let mut text = match frame.id {
            CanId::Standard(id) => format!("0{id:011b}000"),
            CanId::Extended(id) => format!("0{:011b}11{:018b}000", id >> 18, id & 0x3_FFFF),
        };
        let payload = frame.data().iter().map(|byte| format!("{byte:08b}"));
        text.extend([format!("{:04b}", frame.data().len())].into_iter().chain(payload));
        text.bytes().map(|digit| digit - b'0').collect()
    }

    /// Remainder of the division by x^15+x^14+x^10+x^8+x^7+x^4+x^3+1, written out as on paper.
    fn division(bits: &[u8]) -> u16 {
        let divisor: Vec<u8> = "1100010110011001".bytes().map(|digit| digit - b'0').collect();
        let mut rest = bits.to_vec();
        rest.extend([0; 15]);
        for at in 0..bits.len() {
            if rest[at] == 1 {
                for (bit, with) in rest[at..].iter_mut().zip(&divisor) {
                    *bit ^= with;
                }
            }
        }
        rest[bits.len()..]
            .iter()
            .fold(0, |value, &bit| value << 1 | u16::from(bit))
    }

    fn any_id() -> impl Strategy<Value = CanId> {
        prop_oneof![
            (0_u16..0x800).prop_map(CanId::Standard),
            (0_u32..0x2000_0000).prop_map(CanId::Extended),
        ]
    }

    proptest! {
        #[test]
        fn classic_frames_are_stuffed_as_on_paper(
            id in any_id(),
            data in prop::collection::vec(prop_oneof![Just(0_u8), Just(0xFF), any::<u8>()], 0..=8),
        ) {
            let mut bits = plain(&CanFrame::new(id, &data).unwrap());
            let crc = division(&bits);
            bits.extend((0..15).rev().map(|at| u8::try_from(crc >> at & 1).unwrap()));
            let mut stuffed: Vec<u8> = Vec::new();
            for bit in bits.iter().copied() {
                stuffed.push(bit);
                if let Some(last) = stuffed.last_chunk::<5>() && last.iter().all(|other| *other == bit) {
                    stuffed.push(1 - bit);
                }
            }
            let expected = u32::try_from(stuffed.len()).unwrap() + TAIL;
            prop_assert_eq!(nominal(id, &data), expected);
            let most = bits.len() + (bits.len() - 1) / 4;
            prop_assert!(stuffed.len() <= most);
        }

        #[test]
        fn fd_frames_keep_within_their_bounds(
            id in any_id(),
            code in 0_usize..16,
            byte in any::<u8>(),
            bit_rate_switch in any::<bool>(),
        ) {
            let len = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64][code];
            let flags = FdFlags { bit_rate_switch, error_passive: false };
            let frame = CanFrame::new_fd(id, flags, &vec![byte; len]).unwrap();
            let bits = FrameBits::of(&frame);
            let total = bits.nominal + bits.fast;
            let head = if matches!(id, CanId::Standard(_)) { 22 } else { 41 };
            let payload = head + 8 * u32::try_from(len).unwrap();
            let checksum = if len <= 16 { 27 } else { 32 };
            prop_assert!(total >= payload + checksum + TAIL);
            prop_assert!(total <= payload + payload / 4 + checksum + TAIL);
            prop_assert_eq!(bits.fast > 0, bit_rate_switch);
            prop_assert_eq!(length_code(len), u32::try_from(code).unwrap());
        }
    }
}
