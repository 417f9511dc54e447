//! Any PDU at all, against a second opinion on what it must get, made from the protocol's document and not from the
//! server; and what products leave out.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use proptest::prelude::*;

use super::*;
use crate::codec::modbus::pdu::{MAX_PDU, decode_reply, decode_request, encode_reply};
use crate::codec::modbus::tests::{map, served, server};

/// A value of the test map as its text gives it: first register, registers, range of the raw value if it can be written.
type Value = (u16, u16, Range);
/// Whether words can be written; none if the value is read-only.
type Range = Option<fn(&[u16]) -> bool>;

/// Holding registers of the test map; what lies between them is not there.
const HOLDING: &[Value] = &[
    (100, 2, None),
    (102, 1, None),
    (103, 1, None),
    (104, 2, None),
    (106, 1, None),
    (107, 1, None),
    (108, 1, None),
    (109, 1, None),
    (110, 2, None),
    (112, 1, Some(|words| words[0] <= 2)),
    (
        113,
        2,
        Some(|words| int32(words) != i32::MIN && (-10_000..=10_000).contains(&int32(words))),
    ),
    (
        115,
        2,
        Some(|words| {
            (0.0..=400.0).contains(&f32::from_bits(u32::from(words[1]) << 16 | u32::from(words[0])))
        }),
    ),
    (117, 1, Some(small)),
    (118, 1, Some(small)),
    (121, 1, Some(|words| words[0] <= 10)),
    (200, 1, None),
];

fn int32(words: &[u16]) -> i32 {
    (u32::from(words[0]) << 16 | u32::from(words[1])).cast_signed()
}

fn small(words: &[u16]) -> bool {
    (-100..=100).contains(&words[0].cast_signed())
}

/// Whether every register from `start` is there.
fn all_there(values: &[Value], start: usize, count: usize) -> bool {
    (start..start + count).all(|at| {
        values
            .iter()
            .any(|(first, width, _)| (usize::from(*first)..usize::from(first + width)).contains(&at))
    })
}

/// The exception a write of these words gets.
fn write_exception(start: usize, words: &[u16]) -> u8 {
    let end = start + words.len();
    if !all_there(HOLDING, start, words.len()) {
        return 2;
    }
    let touched = HOLDING
        .iter()
        .map(|(first, width, range)| (usize::from(*first), usize::from(first + width), range))
        .filter(|(first, after, _)| *first < end && *after > start);
    // Constants may be touched in part, but then they are read-only all the same.
    let halved = |(first, after, range): &(usize, usize, &Range)| {
        (*first < start || *after > end) && (range.is_some() || *first == 104)
    };
    if touched.clone().any(|value| halved(&value)) {
        return 2;
    }
    for (first, after, range) in touched {
        match range {
            None => return 2,
            Some(fits) if !fits(&words[first - start..after - start]) => return 3,
            Some(_) => {}
        }
    }
    0
}

/// What the protocol's state diagrams make of a PDU for the test map, which has holding registers and one input register;
/// 0 is success. `present` are the registers before it.
fn expected(pdu: &[u8], present: impl Fn(usize) -> u16) -> u8 {
    let word = |at: usize| usize::from(pdu[at]) << 8 | usize::from(pdu[at + 1]);
    let words = |from: usize| -> Vec<u16> {
        pdu[from..]
            .chunks(2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
            .collect()
    };
    let read = |values, start, count| match count {
        1..=125 if all_there(values, start, count) => 0,
        1..=125 => 2,
        _ => 3,
    };
    let input: &[Value] = &[(200, 1, None)];
    match (pdu[0], pdu.len()) {
        (3, 5) => read(HOLDING, word(1), word(3)),
        (4, 5) => read(input, word(1), word(3)),
        (6, 5) => write_exception(word(1), &words(3)),
        (16, 6..) => {
            let count = word(3);
            let agrees = usize::from(pdu[5]) == 2 * count && pdu.len() == 6 + 2 * count;
            match count {
                1..=123 if agrees => write_exception(word(1), &words(6)),
                _ => 3,
            }
        }
        (22, 7) if !all_there(HOLDING, word(1), 1) => 2,
        (22, 7) => {
            let (and, or) = (words(3)[0], words(5)[0]);
            write_exception(word(1), &[(present(word(1)) & and) | (or & !and)])
        }
        (23, 10..) => {
            let count = word(7);
            let agrees = usize::from(pdu[9]) == 2 * count && pdu.len() == 10 + 2 * count;
            match count {
                1..=121 if agrees => match read(HOLDING, word(1), word(3)) {
                    0 => write_exception(word(5), &words(10)),
                    refused => refused,
                },
                _ => 3,
            }
        }
        (43, 2..) if pdu[1] != 0x0E => 1,
        // The test server's identification has no objects: an empty stream, and no single object.
        (43, 4) if (1..=3).contains(&pdu[2]) => 0,
        (3 | 4 | 6 | 16 | 22 | 23 | 43, _) => 3,
        _ => 1,
    }
}

/// PDUs that are nearly right: known functions, addresses about the map, byte counts that mostly agree.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let address = prop_oneof![8 => 98_u16..125, 2 => 198_u16..203, 1 => any::<u16>()];
    let count = prop_oneof![8 => 0_u16..12, 1 => 120_u16..128, 1 => any::<u16>()];
    let function = prop::sample::select(vec![
        1_u8, 2, 3, 3, 4, 5, 6, 6, 15, 16, 16, 16, 22, 22, 23, 23, 23, 43, 8,
    ]);
    let register = prop_oneof![4 => 0_u16..4, 1 => any::<u16>()];
    let data = prop::collection::vec(register, 0..124);
    (function, address.clone(), address, count, data, 0_u8..10).prop_map(
        |(function, first, second, count, data, slip)| {
            let bytes = |words: &[u16]| {
                words
                    .iter()
                    .flat_map(|word| word.to_be_bytes())
                    .collect::<Vec<u8>>()
            };
            let some = usize::from(count).min(data.len());
            let length = u8::try_from(2 * some + usize::from(slip == 0)).unwrap();
            let announced = u16::try_from(some).unwrap();
            let mut pdu = vec![function];
            match function {
                16 => {
                    pdu.extend(bytes(&[first, announced]));
                    pdu.push(length);
                    pdu.extend(bytes(&data[..some]));
                }
                22 => pdu.extend(bytes(&[first, second, count])),
                23 => {
                    pdu.extend(bytes(&[first, count % 200, second, announced]));
                    pdu.push(length);
                    pdu.extend(bytes(&data[..some]));
                }
                43 => pdu.extend([0x0E, slip, 0]),
                _ => pdu.extend(bytes(&[first, count])),
            }
            if slip == 1 {
                pdu.pop();
            }
            pdu.truncate(MAX_PDU);
            pdu
        },
    )
}

fn any_pdu() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => likely(), 1 => prop::collection::vec(any::<u8>(), 1..=MAX_PDU)]
}

/// The bytes that answer, and what is in the registers then.
pub(crate) fn answer(server: &mut ModbusServer, points: &mut Points, pdu: &[u8]) -> Vec<u8> {
    let request = decode_request(pdu);
    let access = ModbusAccess::default();
    let reply = server.serve(SimTime::ZERO, access, &request, points, &mut Vec::new());
    let bytes = encode_reply(pdu, &reply);
    assert!(decode_reply(&request, &bytes).is_some(), "{pdu:?} gets {bytes:?}");
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_pdu_gets_the_exact_exception_or_a_well_formed_answer(pdus in prop::collection::vec(any_pdu(), 1..6)) {
        let (mut server, mut points) = server();
        for pdu in pdus {
            let before = server.image(&points);
            let present = |at: usize| {
                let (mut server, mut points) = (server.clone(), points.clone());
                let [high, low] = u16::try_from(at).unwrap().to_be_bytes();
                let bytes = answer(&mut server, &mut points, &[3, high, low, 0, 1]);
                u16::from_be_bytes([bytes[2], bytes[3]])
            };
            let wanted = expected(&pdu, present);
            let bytes = answer(&mut server, &mut points, &pdu);
            if wanted == 0 {
                prop_assert_eq!(bytes[0], pdu[0], "{:?}", pdu);
            } else {
                prop_assert_eq!(bytes, vec![pdu[0] | 0x80, wanted], "{:?}", pdu);
                prop_assert_eq!(server.image(&points), before, "nothing half-applied: {:?}", pdu);
            }
        }
    }
}

#[test]
fn limits_and_functions_are_those_of_the_product() {
    let settings = |text: &str| -> ModbusSettings {
        let product = format!("id = \"p\"\nkind = \"chiller\"\ntitle = \"P\"\n[modbus]\n{text}");
        Product::parse("p.toml", &product, |_| unreachable!())
            .unwrap()
            .modbus()
    };
    let ask = |settings: &ModbusSettings, pdu: &[u8]| {
        let (mut server, mut points) = served(map(), settings.clone());
        let bytes = answer(&mut server, &mut points, pdu);
        if bytes[0] & 0x80 == 0 { 0 } else { bytes[1] }
    };
    let small = settings("registers_per_read = 8\nregisters_per_write = 1");
    assert_eq!(ask(&small, &[3, 0, 100, 0, 8]), 0);
    assert_eq!(ask(&small, &[3, 0, 100, 0, 9]), 3);
    assert_eq!(ask(&small, &[16, 0, 112, 0, 1, 2, 0, 1]), 0);
    assert_eq!(ask(&small, &[16, 0, 117, 0, 2, 4, 0, 1, 0, 1]), 3);
    assert_eq!(ask(&small, &[23, 0, 100, 0, 9, 0, 112, 0, 1, 2, 0, 1]), 3);
    assert_eq!(ask(&small, &[23, 0, 100, 0, 8, 0, 112, 0, 1, 2, 0, 1]), 0);
    assert_eq!(ask(&small, &[23, 0, 100, 0, 8, 0, 117, 0, 2, 4, 0, 1, 0, 1]), 3);
    let old = settings("functions = [3, 6]");
    assert_eq!(ask(&old, &[6, 0, 112, 0, 1]), 0);
    for pdu in [
        &[16, 0, 112, 0, 1, 2, 0, 1][..],
        &[22, 0, 112, 0, 1, 0, 1],
        &[43, 14, 1, 0],
        &[16, 0, 112],
    ] {
        assert_eq!(ask(&old, pdu), 1, "{pdu:?}");
    }
}

#[test]
fn what_no_server_can_do_is_refused_in_the_product_file() {
    use core::fmt::Write as _;
    let mut text = String::new();
    for wrong in [
        "[modbus]\nclients = 0",
        "[modbus]\nregisters_per_read = 126",
        "[modbus]\nfunctions = [3, 7]",
        "[modbus]\nunknown_unit = \"shrug\"",
        "[modbus]\nclient = 3",
        "[identification]\nvendor = \"Müller\"",
        "[identification.objects]\n0x7F = \"x\"",
    ] {
        let product = format!("id = \"p\"\nkind = \"chiller\"\ntitle = \"P\"\n{wrong}");
        let error = Product::parse("p.toml", &product, |_| unreachable!()).unwrap_err();
        writeln!(text, "{wrong}:\n  {error}\n  help: {}", error.help()).unwrap();
    }
    insta::assert_snapshot!(text);
}
