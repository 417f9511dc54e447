//! Modbus RTU frames (Serial Line V1.02 [R]): checksum, where a frame ends, and how long one takes.

use bess_devices::codec::can::Profile;
use std::time::Duration;

use bess_devices::codec::modbus::pdu::MAX_PDU;
use bess_rig::config::line::{CrcOrder, LineFormat};

/// Longest frame: unit id, PDU, checksum.
pub(crate) const MAX_FRAME: usize = 1 + MAX_PDU + CRC;
/// Bytes of the checksum.
const CRC: usize = 2;
/// Shortest frame: unit id, function, checksum.
const MIN_FRAME: usize = 2 + CRC;

/// The checksum.
fn crc(bytes: &[u8]) -> u16 {
    Profile::Crc16Modbus.of(bytes.iter().copied())
}

fn crc_bytes(bytes: &[u8], order: CrcOrder) -> [u8; CRC] {
    match order {
        CrcOrder::LowFirst => crc(bytes).to_le_bytes(),
        CrcOrder::HighFirst => crc(bytes).to_be_bytes(),
    }
}

/// A frame as bytes.
pub fn bytes(unit: u8, pdu: &[u8], order: CrcOrder) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + pdu.len() + CRC);
    bytes.push(unit);
    bytes.extend_from_slice(pdu);
    bytes.extend(crc_bytes(&bytes, order));
    bytes
}

/// A frame that was received with its checksum right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) unit: u8,
    /// Function code first; never empty.
    pub(crate) pdu: Vec<u8>,
}

impl Frame {
    fn of(raw: &[u8], order: CrcOrder) -> Option<Self> {
        if !(MIN_FRAME..=MAX_FRAME).contains(&raw.len()) {
            return None;
        }
        let (content, crc) = raw.split_at(raw.len() - CRC);
        (crc == crc_bytes(content, order)).then(|| Self {
            unit: content[0],
            pdu: content[1..].to_vec(),
        })
    }

    /// Bytes on the line.
    pub(crate) fn length(&self) -> usize {
        1 + self.pdu.len() + CRC
    }
}

/// Which way a frame goes: lengths differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Reply,
}

impl Direction {
    /// Length of the PDU that begins like this, as far as its function tells it.
    fn pdu_length(self, pdu: &[u8]) -> Option<usize> {
        let byte = |at: usize| pdu.get(at).map(|byte| usize::from(*byte));
        match (self, *pdu.first()?) {
            (Self::Request, 1..=6) | (Self::Reply, 5 | 6 | 15 | 16) => Some(5),
            (Self::Request, 7 | 11 | 12 | 17) => Some(1),
            (Self::Request, 15 | 16) => Some(6 + byte(5)?),
            (Self::Request, 23) => Some(10 + byte(9)?),
            (_, 22) => Some(7),
            (Self::Request, 43) if byte(1)? == 14 => Some(4),
            (Self::Reply, 1..=4 | 12 | 17 | 23) => Some(2 + byte(1)?),
            (Self::Reply, 7 | 128..) => Some(2),
            (Self::Reply, 43) if byte(1)? == 14 => {
                (0..byte(6)?).try_fold(7, |at, _| Some(at + 2 + byte(at + 1)?))
            }
            _ => None,
        }
    }
}

/// Bytes from a line, put together to frames. A frame ends where its function says so and the checksum is right; any
/// other ends with the silence behind it.
#[derive(Debug)]
pub(crate) struct Receiver {
    raw: Vec<u8>,
    direction: Direction,
    order: CrcOrder,
}

impl Receiver {
    pub(crate) fn new(direction: Direction, order: CrcOrder) -> Self {
        Self {
            raw: Vec::with_capacity(MAX_FRAME),
            direction,
            order,
        }
    }

    /// Whether nothing waits for its end.
    pub(crate) fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Takes what was received.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        // Too long for a frame: it has to fall silent first, and its beginning is enough to remember that.
        self.raw.truncate(2 * MAX_FRAME);
    }

    /// A frame that ends where its function says.
    pub(crate) fn frame(&mut self) -> Option<Frame> {
        let length = 1 + self.direction.pdu_length(self.raw.get(1..)?)? + CRC;
        let frame = Frame::of(self.raw.get(..length)?, self.order)?;
        self.raw.drain(..length);
        Some(frame)
    }

    /// What silence ends: a frame, or bytes that are none; nothing if nothing was there.
    pub(crate) fn silence(&mut self) -> Option<Result<Frame, usize>> {
        let raw = std::mem::take(&mut self.raw);
        (!raw.is_empty()).then(|| Frame::of(&raw, self.order).ok_or(raw.len()))
    }
}

/// Timing of a line as this process has to keep it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// Time of a byte; nothing where the hardware keeps it.
    character: Duration,
    /// Silence between frames.
    pub(crate) silence: Duration,
    /// Silence after which a frame that is not complete is given up.
    pub(crate) patience: Duration,
    /// From the end of a request's silence to the beginning of a reply, at least.
    pub(crate) turnaround: Duration,
}

impl Timing {
    /// On a serial device the hardware keeps the time of characters. It hands them over in bunches, as does TCP: so a
    /// silence must be longer than their pauses to be one.
    pub(crate) fn new(format: &LineFormat, is_serial: bool, in_bunches: bool) -> Self {
        const BUNCHES: Duration = Duration::from_millis(20);
        // Below the resolution of timers.
        const SHORTEST: Duration = Duration::from_millis(2);
        let silence = format.silence();
        Self {
            character: if is_serial {
                Duration::ZERO
            } else {
                format.character()
            },
            silence,
            patience: silence.max(if in_bunches { BUNCHES } else { SHORTEST }),
            turnaround: format.turnaround,
        }
    }

    /// What so many bytes take.
    pub(crate) fn of(&self, bytes: usize) -> Duration {
        self.character * u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_protocol() {
        // Read ten registers of unit 1: the frame every tool prints.
        let frame = [1, 3, 0, 0, 0, 10, 0xC5, 0xCD];
        assert_eq!(bytes(1, &[3, 0, 0, 0, 10], CrcOrder::LowFirst), frame);
        assert_eq!(
            bytes(1, &[3, 0, 0, 0, 10], CrcOrder::HighFirst)[6..],
            [0xCD, 0xC5]
        );
        assert_eq!(crc(b"123456789"), 0x4B37);
    }

    fn received(direction: Direction, pieces: &[&[u8]]) -> (Vec<Frame>, Option<Result<Frame, usize>>) {
        let mut receiver = Receiver::new(direction, CrcOrder::LowFirst);
        let mut frames = Vec::new();
        for piece in pieces {
            receiver.take(piece);
            frames.extend(std::iter::from_fn(|| receiver.frame()));
        }
        (frames, receiver.silence())
    }

    #[test]
    fn frames_end_by_length_or_by_silence() {
        let good = bytes(1, &[3, 0, 0, 0, 10], CrcOrder::LowFirst);
        let (frames, rest) = received(Direction::Request, &[&good[..3], &good[3..], &good]);
        assert_eq!((frames.len(), rest), (2, None));
        // A function whose length is not known, and a request that is too long.
        for pdu in [&[0x41, 1, 2][..], &[3, 0, 0, 0, 10, 0]] {
            let (frames, rest) = received(Direction::Request, &[&bytes(1, pdu, CrcOrder::LowFirst)]);
            assert_eq!(frames, []);
            assert_eq!(rest.unwrap().unwrap().pdu, pdu);
        }
        // Noise in front, a wrong checksum, half a frame, a line that never stops.
        let noisy = [&[0xFF][..], &good].concat();
        let mut wrong = good.clone();
        wrong[7] ^= 1;
        for raw in [&noisy[..], &wrong, &good[..5], &[0x55; 9000]] {
            let (frames, rest) = received(Direction::Request, &[raw]);
            assert_eq!(frames, []);
            assert!(rest.unwrap().is_err());
        }
    }

    proptest! {
        #[test]
        fn every_message_is_found(unit: u8, pdu in proptest::collection::vec(any::<u8>(), 1..=MAX_PDU), order: bool, reply: bool) {
            let order = if order { CrcOrder::LowFirst } else { CrcOrder::HighFirst };
            let direction = if reply { Direction::Reply } else { Direction::Request };
            let mut receiver = Receiver::new(direction, order);
            receiver.take(&bytes(unit, &pdu, order));
            // By its length, or by the silence behind it; a random checksum may be right too early.
            let found = receiver.frame().or_else(|| receiver.silence()?.ok());
            prop_assert!(found.is_some_and(|found| found.unit == unit && pdu.starts_with(&found.pdu)));
        }

        #[test]
        fn any_bytes_are_taken(raw: Vec<u8>, reply: bool) {
            let direction = if reply { Direction::Reply } else { Direction::Request };
            let mut receiver = Receiver::new(direction, CrcOrder::LowFirst);
            receiver.take(&raw);
            while receiver.frame().is_some() {}
            prop_assert_eq!(receiver.silence().is_some(), !raw.is_empty());
        }

        /// The length a function tells is that of the PDU the codec makes.
        #[test]
        fn lengths_are_those_of_the_codec(address: u16, count in 1..=100_u16, value: u16) {
            use bess_types::{ModbusData, ModbusRequest, Table};
            let bits = vec![true; usize::from(count)];
            let words = vec![value; usize::from(count)];
            let all = [
                (ModbusRequest::Read { table: Table::Coil, address, count }, ModbusData::Bits(bits.clone())),
                (ModbusRequest::Read { table: Table::Input, address, count }, ModbusData::Registers(words.clone())),
                (ModbusRequest::WriteCoils { address, values: bits }, ModbusData::Written),
                (ModbusRequest::WriteRegisters { address, values: words }, ModbusData::Written),
            ];
            for (request, data) in all {
                let asked = bess_devices::codec::modbus::pdu::encode_request(&request);
                let answered = bess_devices::codec::modbus::pdu::encode_reply(&asked, &Ok(data));
                prop_assert_eq!(Direction::Request.pdu_length(&asked), Some(asked.len()));
                prop_assert_eq!(Direction::Reply.pdu_length(&answered), Some(answered.len()));
            }
        }
    }

    /// Whatever is on a line, in pieces: what comes out was there with its checksum right, and little is remembered.
    #[test]
    fn fuzz_rtu() {
        let order = CrcOrder::LowFirst;
        let seeds = [
            [bytes(1, &[3, 0, 0, 0, 10], order), bytes(1, &[3, 2, 0, 5], order)].concat(),
            bytes(17, &[16, 0, 1, 0, 1, 2, 0xAB, 0xCD], order),
            bytes(2, &[23, 0, 0, 0, 1, 0, 1, 0, 1, 2, 0, 7], CrcOrder::HighFirst),
            bytes(9, &[43, 14, 1, 1, 0, 0, 1, 0, 3, b'a', b'b', b'c'], order),
            [
                bytes(1, &[0x83, 2], order),
                bytes(1, &[15, 0, 0, 0, 9, 2, 1, 0], order),
            ]
            .concat(),
        ];
        let target = bess_fuzz::Target::new(env!("CARGO_MANIFEST_DIR"), "rtu").seeds(seeds);
        target.runs(5000).check(|input| {
            for (direction, order) in [
                (Direction::Request, CrcOrder::LowFirst),
                (Direction::Reply, CrcOrder::LowFirst),
                (Direction::Reply, CrcOrder::HighFirst),
            ] {
                let mut receiver = Receiver::new(direction, order);
                let was_there = |frame: &Frame| {
                    let raw = bytes(frame.unit, &frame.pdu, order);
                    assert!(raw.len() <= MAX_FRAME && input.windows(raw.len()).any(|part| part == raw));
                };
                for piece in input.chunks(61) {
                    receiver.take(piece);
                    while let Some(frame) = receiver.frame() {
                        was_there(&frame);
                    }
                    assert!(receiver.raw.len() <= 2 * MAX_FRAME);
                }
                if let Some(Ok(frame)) = receiver.silence() {
                    was_there(&frame);
                }
                assert!(receiver.is_empty());
            }
        });
    }
}
