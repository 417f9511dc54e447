//! Noise on live sockets: whatever a client sends, in whatever pieces, the server ends it or bears it, and others are served.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

mod common;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use bess_rig::{CanMedium, WireInput, WireOutput};
use bess_types::{CanFrame, CanId, ModbusData, ModbusException, ModbusRequest, Table};
use common::{Bench, free_address, meanwhile, open};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is written at once, one after the other: any bytes, and words of the protocol, whole or cut.
fn segments(words: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let bytes = prop::collection::vec(any::<u8>(), 1..300);
    let word = prop::sample::select(words).prop_map(<[u8]>::to_vec);
    let cut = (prop::sample::select(words), any::<prop::sample::Index>())
        .prop_map(|(word, at)| word[..at.index(word.len())].to_vec());
    prop::collection::vec(prop_oneof![1 => bytes, 3 => word, 1 => cut], 1..12)
}

/// Connects a noisy client for each case, and asks after it whether others are still served.
fn make_noise(listen: SocketAddr, words: &'static [&'static [u8]], mut is_served: impl FnMut() -> bool) {
    let config = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 20,
        ..ProptestConfig::with_cases(500)
    };
    let served = std::cell::RefCell::new(&mut is_served);
    let outcome = TestRunner::new(config).run(&(segments(words), any::<bool>()), |(segments, stays)| {
        let mut client = connect(listen);
        client.set_nodelay(true).unwrap();
        // The server may end it at any of them.
        let _ = segments.iter().try_for_each(|segment| client.write_all(segment));
        if stays {
            let _ = client.shutdown(Shutdown::Write);
            prop_assert!(ends(&mut client), "the connection stays open for ever");
        }
        drop(client);
        prop_assert!((served.borrow_mut())(), "others are not served any more");
        Ok(())
    });
    outcome.unwrap();
}

fn connect(listen: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(listen).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Whether a connection ends, whatever is said before.
fn ends(stream: &mut TcpStream) -> bool {
    let mut some = [0; 4096];
    loop {
        match stream.read(&mut some) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}

#[test]
fn a_modbus_server_outlives_noise() {
    const WORDS: &[&[u8]] = &[
        &[0, 1, 0, 0, 0, 6, 1, 3, 0, 100, 0, 2],
        &[0, 2, 0, 0, 0, 6, 9, 4, 0, 0, 0, 125],
        &[0, 3, 0, 0, 0, 11, 1, 16, 0, 100, 0, 2, 4, 0, 1, 0, 2],
        &[0, 4, 0, 0, 0, 5, 1, 0x2B, 0x0E, 1, 0],
        &[0, 5, 0, 0, 0, 2, 1, 0x63],
        &[0, 6, 0, 0, 0, 254, 1, 15, 0, 0, 7, 0xB0, 0xF6],
        &[0, 7, 0, 0, 0, 0],
        &[0, 8, 0, 0, 0xFF, 0xFF, 1, 3],
        &[0, 9, 0, 1, 0, 6, 1, 3, 0, 0, 0, 1],
        b"GET / HTTP/1.1\r\n\r\n",
        &[22, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3],
    ];
    let listen = free_address();
    let bench = Bench::new().with_server(listen).reacting(|_, input| match input {
        WireInput::ModbusRequest {
            request, wire_token, ..
        } => vec![WireOutput::ModbusReply {
            wire_token: *wire_token,
            reply: Some(match request {
                ModbusRequest::Read {
                    table: Table::Holding,
                    count: count @ 1..=125,
                    ..
                } => Ok(ModbusData::Registers(vec![7; usize::from(*count)])),
                _ => Err(ModbusException::IllegalFunction),
            }),
            faults: vec![],
        }],
        _ => Vec::new(),
    });
    let answers = |stream: &mut TcpStream| {
        let mut reply = [0; 11];
        stream.write_all(&[1, 2, 0, 0, 0, 6, 1, 3, 0, 100, 0, 1]).is_ok()
            && stream.read_exact(&mut reply).is_ok()
            && reply == [1, 2, 0, 0, 0, 5, 1, 3, 2, 0, 7]
    };
    meanwhile(&mut open(bench), move || {
        let mut other = connect(listen);
        assert!(answers(&mut other));
        make_noise(listen, WORDS, || {
            answers(&mut other) && answers(&mut connect(listen))
        });
    });
}

#[test]
fn a_socketcand_server_outlives_noise() {
    const WORDS: &[&[u8]] = &[
        b"< open bus-0 >",
        b"< rawmode >",
        b"< bcmmode >",
        b"< controlmode >",
        b"< send 123 2 1 ff >",
        b"< send 1FFFFFFF 8 1 2 3 4 5 6 7 8 >",
        b"< add 0 1000 123 8 1 2 3 4 5 6 7 8 >",
        b"< add 18446744073709551615 0 1 0 >",
        b"< subscribe 0 0 123 >",
        b"< filter 0 5000 123 1 FF >",
        b"< delete 123 >",
        b"< statistics 1 >",
        b"< echo >",
        b"<<>>< >",
    ];
    let listen = free_address();
    let frame = CanFrame::new(CanId::Standard(0x123), &[1, 2, 3]).unwrap();
    let bench = Bench::new()
        .with_bus(CanMedium::Listen(listen))
        .ticking(move |_| vec![WireOutput::Can { bus: 0, frame }]);
    // Frames of the rig and of the noisy client come in between.
    let answers = |stream: &mut TcpStream| {
        let mut heard = String::new();
        let mut some = [0; 4096];
        if stream.write_all(b"< echo >").is_err() {
            return false;
        }
        while !heard.contains("< echo >") {
            match stream.read(&mut some) {
                Ok(n @ 1..) => heard += &String::from_utf8_lossy(&some[..n]),
                _ => return false,
            }
        }
        true
    };
    let join = move || {
        let mut stream = connect(listen);
        stream.write_all(b"< open bus-0 >< rawmode >").unwrap();
        stream
    };
    meanwhile(&mut open(bench), move || {
        let mut other = join();
        assert!(answers(&mut other));
        make_noise(listen, WORDS, || answers(&mut other) && answers(&mut join()));
    });
}
