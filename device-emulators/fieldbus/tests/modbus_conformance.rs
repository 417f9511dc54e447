//! Conformance points of a Modbus server: those of TCP, and the table that says where each point is tested.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
#![allow(clippy::disallowed_methods, reason = "a client on the wall clock waits on it")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use bess_rig::{WireInput, WireOutput};
use bess_types::{ModbusData, ModbusRequest};
use common::{Bench, free_address, meanwhile, open};

/// Reads of any table give their address in every register; all else is taken.
fn serving(listen: SocketAddr) -> Bench {
    Bench::new().with_server(listen).reacting(|_, input| match input {
        WireInput::ModbusRequest {
            request, wire_token, ..
        } => {
            let data = match request {
                ModbusRequest::Read { address, count, .. } => {
                    ModbusData::Registers(vec![*address; usize::from(*count)])
                }
                _ => ModbusData::Written,
            };
            vec![WireOutput::ModbusReply {
                wire_token: *wire_token,
                reply: Some(Ok(data)),
                faults: vec![],
            }]
        }
        _ => Vec::new(),
    })
}

/// Runs a server while a client talks to it from another thread.
fn with_client(client: impl FnOnce(TcpStream) + Send + 'static) {
    let listen = free_address();
    let mut driver = open(serving(listen));
    meanwhile(&mut driver, move || {
        let stream = TcpStream::connect(listen).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        client(stream);
    });
}

/// A read of one register, and its answer.
fn exchange(transaction: u8, address: u8) -> ([u8; 12], [u8; 11]) {
    (
        [0, transaction, 0, 0, 0, 6, 1, 3, 0, address, 0, 1],
        [0, transaction, 0, 0, 0, 5, 1, 3, 2, 0, address],
    )
}

fn hear(stream: &mut TcpStream) -> [u8; 11] {
    let mut reply = [0; 11];
    stream.read_exact(&mut reply).unwrap();
    reply
}

#[test]
fn wrong_protocol_id() {
    with_client(|mut stream| {
        stream.write_all(&[0, 1, 0, 1, 0, 6, 1, 3, 0, 0, 0, 1]).unwrap();
        assert!(
            matches!(stream.read(&mut [0; 16]), Ok(0) | Err(_)),
            "the connection ends"
        );
    });
}

#[test]
fn split_and_merged_segments() {
    with_client(|mut stream| {
        let (request, reply) = exchange(7, 9);
        for byte in request {
            stream.write_all(&[byte]).unwrap();
            thread::sleep(Duration::from_millis(3));
        }
        assert_eq!(hear(&mut stream), reply);
        let all: Vec<_> = (1..=5).map(|n| exchange(n, n)).collect();
        let merged: Vec<u8> = all.iter().flat_map(|(request, _)| *request).collect();
        stream.write_all(&merged).unwrap();
        for (_, reply) in all {
            assert_eq!(hear(&mut stream), reply, "in order");
        }
    });
}

#[test]
fn fragments_of_a_pdu() {
    with_client(|mut stream| {
        let (request, reply) = exchange(1, 2);
        let (next, next_reply) = exchange(2, 3);
        // The header with part of the PDU; then its rest with part of the next one.
        stream.write_all(&request[..9]).unwrap();
        thread::sleep(Duration::from_millis(50));
        stream.set_nonblocking(true).unwrap();
        assert_eq!(
            stream.read(&mut [0; 1]).unwrap_err().kind(),
            ErrorKind::WouldBlock,
            "no answer to a part"
        );
        stream.set_nonblocking(false).unwrap();
        stream.write_all(&[&request[9..], &next[..5]].concat()).unwrap();
        assert_eq!(hear(&mut stream), reply);
        stream.write_all(&next[5..]).unwrap();
        assert_eq!(hear(&mut stream), next_reply);
    });
}

#[test]
fn idle_connections_are_kept() {
    with_client(|mut stream| {
        for n in 1..3 {
            thread::sleep(Duration::from_millis(1_500));
            let (request, reply) = exchange(n, n);
            stream.write_all(&request).unwrap();
            assert_eq!(hear(&mut stream), reply);
        }
    });
}

#[test]
fn transaction_ids_used_again() {
    with_client(|mut stream| {
        let (request, reply) = exchange(9, 1);
        let (other, other_reply) = exchange(9, 2);
        stream.write_all(&[request, other, request].concat()).unwrap();
        for expected in [reply, other_reply, reply] {
            assert_eq!(hear(&mut stream), expected);
        }
    });
}

/// Sources of the tests the table names.
const SOURCES: &[(&str, &str)] = &[
    (
        "tests/modbus_conformance.rs",
        include_str!("modbus_conformance.rs"),
    ),
    ("tests/modbus_rtu.rs", include_str!("modbus_rtu.rs")),
    (
        "codec/modbus/conformance.rs",
        include_str!("../../core/src/codec/modbus/conformance.rs"),
    ),
];

/// Conformance points, in the order of the domain notes, and the test of each. Wear of registers in EEPROM is not among
/// them: no emulated device has any.
const POINTS: &[(&str, &str, &str)] = &[
    ("read across map end", "exception 02", "read_across_map_end"),
    (
        "quantity 0 or over the limit",
        "exception 03",
        "quantity_0_or_too_large",
    ),
    ("byte count mismatch", "exception 03", "byte_count_mismatch"),
    ("unknown function", "exception 01", "unknown_function"),
    (
        "write of read-only registers",
        "exception 02, or as the map says",
        "write_of_read_only",
    ),
    (
        "partial write",
        "not half-applied",
        "partial_write_is_not_half_applied",
    ),
    ("wrong protocol id", "connection ends", "wrong_protocol_id"),
    (
        "split and merged TCP segments",
        "answered in order",
        "split_and_merged_segments",
    ),
    ("fragments of a PDU", "waited for", "fragments_of_a_pdu"),
    ("idle connection", "kept", "idle_connections_are_kept"),
    (
        "transaction id used again",
        "echoed",
        "transaction_ids_used_again",
    ),
    (
        "wrong checksum on a line",
        "silence, counted",
        "what_is_no_frame_is_met_with_silence_and_counted",
    ),
    (
        "pause inside a frame on a line",
        "silence, counted",
        "what_is_no_frame_is_met_with_silence_and_counted",
    ),
    (
        "broadcast write",
        "done, not answered",
        "devices_on_a_pseudo_terminal_answer_as_on_a_line",
    ),
    (
        "unit ids 248 to 255 on a line",
        "silence",
        "devices_on_a_pseudo_terminal_answer_as_on_a_line",
    ),
    ("request during reboot", "silence", "request_during_reboot"),
    (
        "0-based and 1-based addresses",
        "0-based on the wire",
        "addresses_count_from_0",
    ),
    ("word order", "as the map says", "word_order"),
    (
        "value over two requests",
        "may be torn",
        "a_value_is_whole_in_one_request_and_may_be_torn_by_two",
    ),
    (
        "functions 3 and 4",
        "mirrored where the map says",
        "function_3_and_function_4",
    ),
];

/// Every point has a test of its name; the snapshot is the table for people.
#[test]
fn table_of_conformance_points() {
    use std::fmt::Write as _;
    let mut table = String::new();
    for (point, behaviour, test) in POINTS {
        let signature = format!("#[test]\nfn {test}(");
        let (file, _) = SOURCES
            .iter()
            .find(|(_, source)| source.contains(&signature))
            .unwrap_or_else(|| panic!("no test {test}"));
        writeln!(table, "{point:<32} {behaviour:<34} {test} in {file}").unwrap();
    }
    insta::assert_snapshot!(table);
}
