//! Modbus ADUs: how a PDU is wrapped on TCP (Modbus Messaging on TCP/IP V1.0b [R]), and what link faults make of one.

use std::io;
use std::time::Duration;

use bess_devices::codec::modbus::pdu::MAX_PDU;
use bess_rig::WireFault;

/// Header on TCP: transaction, protocol, length, unit.
pub(crate) const HEADER: usize = 7;
/// Longest ADU on TCP.
pub(crate) const MAX_ADU: usize = HEADER + MAX_PDU;

/// What a message is about, and who is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adu {
    /// To be given back with the reply.
    pub transaction: u16,
    /// Unit id.
    pub unit: u8,
    /// Function code first; never empty.
    pub pdu: Vec<u8>,
}

impl Adu {
    /// Takes the first complete ADU off `raw`, if there is one.
    ///
    /// # Errors
    /// If the header is none of Modbus TCP, as there is no telling where the next ADU begins.
    pub(crate) fn take(raw: &mut Vec<u8>) -> io::Result<Option<Self>> {
        let Some(&[t1, t0, p1, p0, l1, l0, unit]) = raw.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let protocol = u16::from_be_bytes([p1, p0]);
        let length = usize::from(u16::from_be_bytes([l1, l0]));
        // The length counts the unit id and at least a function code.
        if protocol != 0 || !(2..=MAX_PDU + 1).contains(&length) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("no Modbus TCP header: protocol {protocol}, length {length}"),
            ));
        }
        let end = HEADER - 1 + length;
        let Some(pdu) = raw.get(HEADER..end) else {
            return Ok(None);
        };
        let adu = Self {
            transaction: u16::from_be_bytes([t1, t0]),
            unit,
            pdu: pdu.to_vec(),
        };
        raw.drain(..end);
        Ok(Some(adu))
    }

    /// The bytes on TCP.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.pdu.len());
        bytes.extend(self.transaction.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(
            u16::try_from(self.pdu.len() + 1)
                .unwrap_or(u16::MAX)
                .to_be_bytes(),
        );
        bytes.push(self.unit);
        bytes.extend_from_slice(&self.pdu);
        bytes
    }
}

/// A reply as link faults would have it on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faulty {
    /// What is sent, with the pause before each piece.
    pub pieces: Vec<(Duration, Vec<u8>)>,
    /// Kept back until the connection's next reply.
    pub kept: Vec<u8>,
    /// What becomes of the connection then.
    pub end: End,
}

/// What becomes of a connection after a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// It stays as it is.
    #[default]
    Open,
    /// It is reset.
    Reset,
    /// It is dead, and the peer is not told.
    HalfOpen,
}

impl Faulty {
    /// What becomes of a reply in the order the faults began. `kept` are the bytes an earlier reply left; `wrap` makes
    /// the bytes of an ADU. Without a reply only the connection's end is told.
    pub fn new(
        reply: Option<Adu>,
        kept: Vec<u8>,
        faults: &[WireFault],
        wrap: impl FnOnce(&Adu) -> Vec<u8>,
    ) -> Self {
        let mut faulty = Self::default();
        for fault in faults {
            match fault {
                WireFault::Reset => faulty.end = End::Reset,
                WireFault::HalfOpen => faulty.end = End::HalfOpen,
                _ => {}
            }
        }
        let Some(mut reply) = reply.filter(|_| faulty.end == End::Open) else {
            faulty.kept = kept;
            return faulty;
        };
        for fault in faults {
            match *fault {
                WireFault::Transaction { add } => reply.transaction = reply.transaction.wrapping_add(add),
                WireFault::Unit { add } => reply.unit = reply.unit.wrapping_add(add),
                _ => {}
            }
        }
        let mut bytes = wrap(&reply);
        for fault in faults {
            match *fault {
                WireFault::Truncate { bytes: at_most } => bytes.truncate(at_most),
                WireFault::Crc => bytes.iter_mut().rev().take(2).for_each(|byte| *byte = !*byte),
                WireFault::Noise { bytes: count, bits } => {
                    bytes.splice(0..0, bits.to_be_bytes().into_iter().take(count));
                }
                _ => {}
            }
        }
        if faults.contains(&WireFault::Merge) && kept.is_empty() {
            faulty.kept = bytes;
            return faulty;
        }
        if !kept.is_empty() {
            bytes.splice(0..0, kept);
        }
        faulty.pieces = vec![(Duration::ZERO, bytes)];
        for fault in faults {
            match *fault {
                WireFault::Split { at, gap } => faulty.cut(at, gap),
                WireFault::Trickle { gap } => {
                    let whole = faulty.pieces.iter().map(|(_, piece)| piece.len()).sum();
                    (1..whole).for_each(|at| faulty.cut(at, gap));
                }
                _ => {}
            }
        }
        faulty
    }

    /// Pauses for `gap` before byte `at`, counted over all pieces; where there is a pause already, the longer one stays.
    fn cut(&mut self, at: usize, gap: Duration) {
        let mut before = 0;
        for i in 0..self.pieces.len() {
            let (pause, piece) = &mut self.pieces[i];
            if at == before && at > 0 {
                *pause = gap.max(*pause);
                return;
            }
            if (before + 1..before + piece.len()).contains(&at) {
                let rest = piece.split_off(at - before);
                self.pieces.insert(i + 1, (gap, rest));
                return;
            }
            before += piece.len();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    fn adu(transaction: u16, pdu: &[u8]) -> Adu {
        Adu {
            transaction,
            unit: 1,
            pdu: pdu.to_vec(),
        }
    }

    #[test]
    fn adus_are_taken_one_by_one() {
        let first = adu(7, &[3, 0, 1, 0, 2]);
        let second = adu(8, &[16, 0, 1, 0, 1, 2, 0xAB, 0xCD]);
        let mut raw = [first.bytes(), second.bytes(), vec![0, 9]].concat();
        assert_eq!(Adu::take(&mut raw).unwrap(), Some(first));
        assert_eq!(Adu::take(&mut raw).unwrap(), Some(second));
        assert_eq!(Adu::take(&mut raw).unwrap(), None);
        assert_eq!(raw, [0, 9]);
    }

    #[test]
    fn a_broken_header_is_an_error() {
        for header in [
            [0, 0, 0, 1, 0, 6, 1],
            [0, 0, 0, 0, 0, 0, 1],
            [0, 0, 0, 0, 0, 1, 1],
            [0, 0, 0, 0, 1, 0, 1],
        ] {
            assert!(Adu::take(&mut header.to_vec()).is_err(), "{header:?}");
        }
    }

    fn with(kept: &[u8], faults: &[WireFault]) -> Faulty {
        Faulty::new(Some(adu(1, &[3, 2, 0, 5])), kept.to_vec(), faults, Adu::bytes)
    }

    fn pieces(faulty: &Faulty) -> Vec<(u128, usize)> {
        let piece = |(pause, bytes): &(Duration, Vec<u8>)| (pause.as_millis(), bytes.len());
        faulty.pieces.iter().map(piece).collect()
    }

    #[test]
    fn each_fault_does_what_its_name_says() {
        let gap = Duration::from_millis(9);
        let whole = [0, 1, 0, 0, 0, 5, 1, 3, 2, 0, 5];
        assert_eq!(with(&[], &[]).pieces, [(Duration::ZERO, whole.to_vec())]);
        let cut = with(&[], &[WireFault::Truncate { bytes: 8 }]);
        assert_eq!(cut.pieces[0].1, whole[..8]);
        assert_eq!(
            pieces(&with(&[], &[WireFault::Split { at: 6, gap }])),
            [(0, 6), (9, 5)]
        );
        assert_eq!(pieces(&with(&[], &[WireFault::Split { at: 11, gap }])), [(0, 11)]);
        let trickle = pieces(&with(&[], &[WireFault::Trickle { gap }]));
        assert_eq!(trickle[0], (0, 1));
        assert_eq!(trickle[1..], [(9, 1); 10]);
        let kept = with(&[], &[WireFault::Merge]);
        assert_eq!((kept.pieces.len(), &kept.kept[..]), (0, &whole[..]));
        for next in [&[][..], &[WireFault::Merge]] {
            assert_eq!(with(&whole, next).pieces[0].1, [whole, whole].concat());
        }
        let other = with(
            &[],
            &[
                WireFault::Transaction { add: 0xFFFF },
                WireFault::Unit { add: 255 },
            ],
        );
        assert_eq!(other.pieces[0].1[..7], [0, 0, 0, 0, 0, 5, 0]);
        let noise = WireFault::Noise {
            bytes: 2,
            bits: 0xABCD_0000_0000_0000,
        };
        let noisy = &with(&[], &[WireFault::Crc, noise]).pieces[0].1;
        assert_eq!(noisy[..2], [0xAB, 0xCD]);
        assert_eq!(noisy[2..], [0, 1, 0, 0, 0, 5, 1, 3, 2, 0xFF, 0xFA]);
        for (fault, end) in [
            (WireFault::Reset, End::Reset),
            (WireFault::HalfOpen, End::HalfOpen),
        ] {
            let ended = with(&[], &[WireFault::Split { at: 3, gap }, fault]);
            assert_eq!((ended.pieces.len(), ended.end), (0, end));
        }
    }

    #[test]
    fn faults_work_together() {
        let gap = Duration::from_millis(9);
        let long = Duration::from_millis(30);
        let both = with(
            &[],
            &[WireFault::Trickle { gap }, WireFault::Split { at: 4, gap: long }],
        );
        assert_eq!(pieces(&both)[3..6], [(9, 1), (30, 1), (9, 1)]);
        let both = with(
            &[],
            &[WireFault::Split { at: 4, gap: long }, WireFault::Trickle { gap }],
        );
        assert_eq!(pieces(&both)[3..6], [(9, 1), (30, 1), (9, 1)]);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_split_or_refused(mut raw: Vec<u8>) {
            let before = raw.len();
            let taken = matches!(Adu::take(&mut raw), Ok(Some(_)));
            proptest::prop_assert_eq!(taken, raw.len() < before);
        }

        #[test]
        fn what_was_wrapped_is_found(transaction: u16, unit: u8, pdu in proptest::collection::vec(proptest::num::u8::ANY, 1..=MAX_PDU)) {
            let adu = Adu { transaction, unit, pdu };
            let mut raw = adu.bytes();
            proptest::prop_assert_eq!(Adu::take(&mut raw).unwrap(), Some(adu));
            proptest::prop_assert!(raw.is_empty());
        }
    }

    /// Whatever a peer sends as requests or as replies: whole ADUs are taken off, a reply fits into one, and a client
    /// understands what a server says to the same request.
    #[test]
    fn fuzz_modbus() {
        use bess_devices::codec::modbus::pdu;
        use bess_types::{ModbusData, ModbusRequest, Table};

        let seeds: [&[&[u8]]; 6] = [
            &[&[3, 0x9C, 0x40, 0, 100], &[4, 0, 0, 0, 125], &[3, 0, 0, 0, 126]],
            &[
                &[1, 0, 0, 7, 0xD0],
                &[2, 0, 0, 0, 9],
                &[5, 0, 1, 0xFF, 0],
                &[5, 0, 1, 1, 0],
            ],
            &[
                &[6, 0, 1, 0xAB, 0xCD],
                &[16, 0, 1, 0, 2, 4, 0, 1, 0, 2],
                &[15, 0, 1, 0, 9, 2, 0xFF, 1],
            ],
            &[
                &[0x17, 0, 1, 0, 2, 0, 3, 0, 1, 2, 0, 1],
                &[0x16, 0, 4, 0, 0xF2, 0, 0x25],
                &[0x11],
            ],
            &[
                &[0x2B, 0x0E, 1, 0],
                &[7],
                &[20, 7, 6, 0, 4, 0, 1, 0, 2],
                &[22],
                &[24, 0, 1],
            ],
            &[&[3, 4, 0, 1, 0, 2], &[0x83, 2], &[1, 1, 5], &[16, 0, 1, 0, 2]],
        ];
        let stream = |pdus: &&[&[u8]]| {
            pdus.iter()
                .flat_map(|pdu| adu(7, pdu).bytes())
                .collect::<Vec<u8>>()
        };
        let target = bess_fuzz::Target::new(env!("CARGO_MANIFEST_DIR"), "modbus");
        target
            .seeds(seeds.iter().map(stream))
            .runs(10_000)
            .check(|input| {
                let mut raw = input.to_vec();
                while let Ok(Some(adu)) = Adu::take(&mut raw) {
                    assert!(!adu.pdu.is_empty() && adu.pdu.len() <= MAX_PDU);
                    let request = pdu::decode_request(&adu.pdu);
                    let data = match request {
                        ModbusRequest::Read {
                            table: Table::Holding | Table::Input,
                            count,
                            ..
                        } => ModbusData::Registers((0..count).collect()),
                        ModbusRequest::Read { count, .. } => {
                            ModbusData::Bits((0..count).map(|i| i % 3 == 0).collect())
                        }
                        ModbusRequest::ReadWrite { read_count, .. } => {
                            ModbusData::Registers((0..read_count).collect())
                        }
                        _ => ModbusData::Written,
                    };
                    let answer = pdu::encode_reply(&adu.pdu, &Ok(data.clone()));
                    assert!(answer.len() <= MAX_PDU, "{answer:?}");
                    if let Some(Ok(heard)) = pdu::decode_reply(&request, &answer) {
                        assert_eq!(heard, data, "{request:?}");
                    }
                    if !matches!(
                        request,
                        ModbusRequest::Malformed { .. } | ModbusRequest::Unsupported { .. }
                    ) {
                        assert_eq!(pdu::decode_request(&pdu::encode_request(&request)), request);
                    }
                    let _ = pdu::decode_reply(&request, &adu.pdu);
                }
            });
    }
}
