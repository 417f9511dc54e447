//! Conformance points of a server that have nothing to do with what carries its PDUs, a test for each, in PDU bytes. The
//! table of all points is a snapshot of bess-fieldbus (`tests/modbus_conformance.rs`), where those of TCP are.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use bess_types::SimTime;

use super::server::tests::answer;
use super::tests::{server, set};
use crate::codec::modbus::ModbusAccess;
use crate::codec::modbus::pdu::decode_request;
use crate::device::{Device, Input, Output, Token};
use crate::library::Library;
use crate::remote_io::RemoteIo;

/// Asks a server of the test map one PDU after the other.
fn each(exchanges: &[(&[u8], &[u8])]) {
    let (mut server, mut points) = server();
    for (request, reply) in exchanges {
        assert_eq!(answer(&mut server, &mut points, request), *reply, "{request:?}");
    }
}

#[test]
fn read_across_map_end() {
    each(&[
        (&[3, 0, 200, 0, 2], &[0x83, 2]),
        (&[3, 0, 118, 0, 2], &[0x83, 2]),
        (&[3, 0, 99, 0, 2], &[0x83, 2]),
        (&[3, 0xFF, 0xFF, 0, 2], &[0x83, 2]),
        (&[4, 0, 200, 0, 2], &[0x84, 2]),
    ]);
}

#[test]
fn quantity_0_or_too_large() {
    each(&[
        (&[3, 0, 100, 0, 0], &[0x83, 3]),
        (&[3, 0, 100, 0, 126], &[0x83, 3]),
        (&[3, 0, 0, 0xFF, 0xFF], &[0x83, 3]),
        (&[16, 0, 112, 0, 0, 0], &[0x90, 3]),
        (&[23, 0, 100, 0, 126, 0, 112, 0, 1, 2, 0, 1], &[0x97, 3]),
        (&[23, 0, 100, 0, 1, 0, 112, 0, 0, 0], &[0x97, 3]),
    ]);
    let mut write = vec![16, 0, 112, 0, 124, 248];
    write.extend([0; 247]);
    each(&[(&write, &[0x90, 3])]);
}

#[test]
fn byte_count_mismatch() {
    each(&[
        (&[16, 0, 112, 0, 1, 4, 0, 1], &[0x90, 3]),
        (&[16, 0, 112, 0, 2, 2, 0, 1], &[0x90, 3]),
        (&[16, 0, 112, 0, 1, 2, 0, 1, 0], &[0x90, 3]),
        (&[23, 0, 100, 0, 1, 0, 112, 0, 1, 4, 0, 1], &[0x97, 3]),
        (&[3, 0, 100, 0], &[0x83, 3]),
        (&[22, 0, 112, 0, 0, 0], &[0x96, 3]),
    ]);
}

#[test]
fn unknown_function() {
    each(&[
        (&[0x41], &[0xC1, 1]),
        (&[8, 0, 0, 0, 0], &[0x88, 1]),
        (&[43, 0x0D, 0, 0], &[0xAB, 1]),
        // A function whose table is not there, whatever its content.
        (&[1, 0, 0, 0, 1], &[0x81, 1]),
        (&[5, 0, 0, 0x12, 0x34], &[0x85, 1]),
    ]);
}

#[test]
fn write_of_read_only() {
    each(&[
        (&[6, 0, 103, 0, 1], &[0x86, 2]),
        (&[16, 0, 103, 0, 1, 2, 0, 1], &[0x90, 2]),
        (&[22, 0, 103, 0, 0, 0, 1], &[0x96, 2]),
        (&[23, 0, 112, 0, 1, 0, 103, 0, 1, 2, 0, 1], &[0x97, 2]),
    ]);
}

#[test]
fn partial_write_is_not_half_applied() {
    let before: (&[u8], &[u8]) = (&[3, 0, 112, 0, 1], &[3, 2, 0, 1]);
    each(&[
        (&[6, 0, 112, 0, 1], &[6, 0, 112, 0, 1]),
        (&[16, 0, 111, 0, 2, 4, 0, 0, 0, 2], &[0x90, 2]),
        before,
        (&[16, 0, 112, 0, 2, 4, 0, 2, 0, 0], &[0x90, 2]),
        before,
        (&[16, 0, 112, 0, 3, 6, 0, 2, 0x7F, 0xFF, 0, 0], &[0x90, 3]),
        before,
        (&[23, 0, 119, 0, 1, 0, 112, 0, 1, 2, 0, 2], &[0x97, 2]),
        before,
        // Writes before it reads.
        (&[23, 0, 112, 0, 1, 0, 112, 0, 1, 2, 0, 2], &[23, 2, 0, 2]),
    ]);
}

#[test]
fn request_during_reboot() {
    let library = Library::shipped();
    let mut io = RemoteIo::new(&library.product("rig-hv-box-io").unwrap(), &library).unwrap();
    let request = decode_request(&[1, 0, 0, 0, 1]);
    let mut ask = |ms: u64| {
        let input = Input::ModbusRequest {
            unit: 1,
            access: ModbusAccess::default(),
            request: &request,
            token: Token(ms),
        };
        io.accept(SimTime::from_millis(ms), Input::Wake);
        io.accept(SimTime::from_millis(ms), input);
        core::iter::from_fn(|| io.poll_output()).find_map(|output| match output {
            Output::ModbusReply { reply, .. } => Some(reply),
            _ => None,
        })
    };
    assert_eq!(ask(0), Some(None), "silence");
    assert!(ask(10_000).unwrap().is_some(), "running");
}

#[test]
fn addresses_count_from_0() {
    let (mut server, mut points) = server();
    set(&mut points, "voltage", 800.0);
    // "40104" of a manual that counts from 1 is address 103.
    assert_eq!(
        answer(&mut server, &mut points, &[3, 0, 103, 0, 1]),
        [3, 2, 0x1F, 0x40]
    );
    assert_eq!(
        answer(&mut server, &mut points, &[3, 0, 104, 0, 1]),
        [3, 2, 0x80, 0]
    );
}

#[test]
fn word_order() {
    let (mut server, mut points) = server();
    set(&mut points, "setpoint", -70.0);
    set(&mut points, "limit", 1.5);
    let high_first = answer(&mut server, &mut points, &[3, 0, 113, 0, 2]);
    assert_eq!(high_first, [3, 4, 0xFF, 0xFF, 0xFD, 0x44]);
    let low_first = answer(&mut server, &mut points, &[3, 0, 115, 0, 2]);
    assert_eq!(low_first, [3, 4, 0, 0, 0x3F, 0xC0]);
}

#[test]
fn a_value_is_whole_in_one_request_and_may_be_torn_by_two() {
    let (mut server, mut points) = server();
    let mut read = |power: f64, request: &[u8]| {
        set(&mut points, "power", power);
        answer(&mut server, &mut points, request)
    };
    assert_eq!(read(65_535_000.0, &[3, 0, 104, 0, 2]), [3, 4, 0, 0, 0xFF, 0xFF]);
    assert_eq!(read(65_536_000.0, &[3, 0, 104, 0, 2]), [3, 4, 0, 1, 0, 0]);
    assert_eq!(read(65_535_000.0, &[3, 0, 104, 0, 1]), [3, 2, 0, 0]);
    assert_eq!(
        read(65_536_000.0, &[3, 0, 105, 0, 1]),
        [3, 2, 0, 0],
        "0, which it never was"
    );
}

#[test]
fn function_3_and_function_4() {
    let (mut server, mut points) = server();
    set(&mut points, "temperature", 25.0);
    assert_eq!(
        answer(&mut server, &mut points, &[3, 0, 200, 0, 1]),
        [3, 2, 0, 250]
    );
    assert_eq!(
        answer(&mut server, &mut points, &[4, 0, 200, 0, 1]),
        [4, 2, 0, 250],
        "mirrored"
    );
    assert_eq!(
        answer(&mut server, &mut points, &[4, 0, 103, 0, 1]),
        [0x84, 2],
        "not mirrored"
    );
}
