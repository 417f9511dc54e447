//! Modbus TCP over loopback: servers and clients of the driver, and strangers on either side.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test of keeping the wall clock needs one of its own"
)]
#![allow(
    clippy::print_stdout,
    reason = "measurements and reasons for not running, for people"
)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use bess_devices::Token;
use bess_fieldbus::{FieldbusError, Limits, PacedDriver};
use bess_rig::{ModbusAddress, WireInput, WireOutput};
use bess_types::{
    ModbusData, ModbusException, ModbusIdentification, ModbusReply, ModbusRequest, SimTime, Table,
};
use common::{Bench, free_address, meanwhile, open, run_for};

/// A device of four holding registers at 100 and eight coils at 0; unit 9 is switched off.
fn device(registers: &mut [u16; 4], unit: u8, request: &ModbusRequest) -> Option<ModbusReply> {
    if unit == 9 {
        return None;
    }
    Some(match request {
        ModbusRequest::Read { count: 0, .. } | ModbusRequest::Malformed { .. } => {
            Err(ModbusException::IllegalDataValue)
        }
        ModbusRequest::Read {
            table: Table::Holding,
            address,
            count,
        } => {
            let first = usize::from(*address).wrapping_sub(100);
            registers
                .get(first..first.wrapping_add(usize::from(*count)))
                .map(|found| ModbusData::Registers(found.to_vec()))
                .ok_or(ModbusException::IllegalDataAddress)
        }
        ModbusRequest::Read {
            table: Table::Coil | Table::DiscreteInput,
            count,
            ..
        } => Ok(ModbusData::Bits((0..*count).map(|i| i % 3 == 0).collect())),
        ModbusRequest::Read {
            table: Table::Input, ..
        } => Err(ModbusException::ServerDeviceBusy),
        ModbusRequest::WriteRegisters { values, .. } if values.is_empty() => {
            Err(ModbusException::IllegalDataValue)
        }
        ModbusRequest::WriteRegisters { address, values } => {
            let first = usize::from(*address).wrapping_sub(100);
            match registers.get_mut(first..first.wrapping_add(values.len())) {
                Some(place) => {
                    place.copy_from_slice(values);
                    Ok(ModbusData::Written)
                }
                None => Err(ModbusException::IllegalDataAddress),
            }
        }
        ModbusRequest::WriteCoils { values, .. } if values.is_empty() => {
            Err(ModbusException::IllegalDataValue)
        }
        ModbusRequest::WriteCoils { .. } | ModbusRequest::WriteCoil { .. } => Ok(ModbusData::Written),
        ModbusRequest::WriteRegister { address, value } => {
            match registers.get_mut(usize::from(*address).wrapping_sub(100)) {
                Some(place) => {
                    *place = *value;
                    Ok(ModbusData::Written)
                }
                None => Err(ModbusException::IllegalDataAddress),
            }
        }
        _ => Err(ModbusException::IllegalFunction),
    })
}

fn serving(listen: SocketAddr) -> Bench {
    let mut registers = [1, 2, 3, 4];
    Bench::new()
        .with_server(listen)
        .reacting(move |_, input| match input {
            WireInput::ModbusRequest {
                unit,
                request,
                wire_token,
                ..
            } => vec![WireOutput::ModbusReply {
                wire_token: *wire_token,
                reply: device(&mut registers, *unit, request),
                faults: vec![],
            }],
            _ => Vec::new(),
        })
}

/// One request of the bench's client device 7.
fn ask(token: u64, address: SocketAddr, unit: u8, request: ModbusRequest) -> WireOutput {
    WireOutput::ModbusRequest {
        client: 7,
        token: Token(token),
        address: ModbusAddress::Tcp(address),
        unit,
        request,
    }
}

fn read(table: Table, address: u16, count: u16) -> ModbusRequest {
    ModbusRequest::Read {
        table,
        address,
        count,
    }
}

/// Makes the bench put out `requests` at its first tick.
fn asking(bench: Bench, requests: Vec<WireOutput>) -> Bench {
    let mut requests = Some(requests);
    bench.ticking(move |_| requests.take().unwrap_or_default())
}

#[test]
fn client_and_server_round_trip() {
    let listen = free_address();
    let requests = [
        read(Table::Holding, 100, 4),
        ModbusRequest::WriteRegisters {
            address: 101,
            values: vec![20, 30],
        },
        ModbusRequest::WriteRegisters {
            address: 103,
            values: vec![40],
        },
        read(Table::Holding, 100, 4),
        read(Table::Holding, 103, 2),
        read(Table::Coil, 0, 10),
        read(Table::DiscreteInput, 0, 3),
        read(Table::Input, 0, 1),
        ModbusRequest::WriteCoils {
            address: 0,
            values: vec![true],
        },
        ModbusRequest::WriteCoils {
            address: 0,
            values: vec![true; 9],
        },
        ModbusRequest::Unsupported { function: 0x41 },
        read(Table::Holding, 100, 0),
    ];
    let asks = requests
        .into_iter()
        .zip(0..)
        .map(|(request, token)| ask(token, listen, 1, request))
        .collect();
    let mut driver = open(asking(serving(listen), asks));
    driver.run(SimTime::from_millis(2000), &mut |bench| {
        bench.replies().len() == 12
    });
    let replies: Vec<_> = driver.rig().replies();
    let expected = [
        Ok(ModbusData::Registers(vec![1, 2, 3, 4])),
        Ok(ModbusData::Written),
        Ok(ModbusData::Written),
        Ok(ModbusData::Registers(vec![1, 20, 30, 40])),
        Err(ModbusException::IllegalDataAddress),
        Ok(ModbusData::Bits((0..10).map(|i| i % 3 == 0).collect())),
        Ok(ModbusData::Bits(vec![true, false, false])),
        Err(ModbusException::ServerDeviceBusy),
        Ok(ModbusData::Written),
        Ok(ModbusData::Written),
        Err(ModbusException::IllegalFunction),
        Err(ModbusException::IllegalDataValue),
    ];
    assert_eq!(replies.len(), expected.len());
    for ((token, reply), (want, n)) in replies.into_iter().zip(expected.into_iter().zip(0..)) {
        assert_eq!((token, reply), (n, Some(want)));
    }
    // All twelve in two ticks' time: nothing waits for a poll or a timer.
    println!(
        "twelve round trips ended at {}",
        driver.rig().seen.last().unwrap().0
    );
}

#[test]
fn functions_22_23_and_43_go_both_ways() {
    let listen = free_address();
    let requests = [
        ModbusRequest::MaskWrite {
            address: 4,
            and_mask: 0xF2,
            or_mask: 0x25,
        },
        ModbusRequest::ReadWrite {
            read_address: 3,
            read_count: 2,
            write_address: 14,
            values: vec![0xFF; 3],
        },
        ModbusRequest::Identify { access: 1, object: 0 },
    ];
    let answers = [
        ModbusData::Written,
        ModbusData::Registers(vec![0xFE, 0x0ACD]),
        ModbusData::Identification(ModbusIdentification {
            conformity: 0x81,
            next_object: Some(2),
            objects: vec![(0, "Company".into()), (1, "Product".into())],
        }),
    ];
    let known: Vec<_> = requests.iter().cloned().zip(answers.clone()).collect();
    let bench = Bench::new()
        .with_server(listen)
        .reacting(move |_, input| match input {
            WireInput::ModbusRequest {
                request, wire_token, ..
            } => {
                let found = known.iter().find(|(known, _)| known == request);
                vec![WireOutput::ModbusReply {
                    wire_token: *wire_token,
                    reply: found.map(|(_, answer)| Ok(answer.clone())),
                    faults: vec![],
                }]
            }
            _ => Vec::new(),
        });
    let asks = requests.into_iter().zip(0..);
    let asks = asks
        .map(|(request, token)| ask(token, listen, 1, request))
        .collect();
    let mut driver = open(asking(bench, asks));
    driver.run(SimTime::from_millis(2000), &mut |bench| {
        bench.replies().len() == 3
    });
    let replies: Vec<_> = driver
        .rig()
        .replies()
        .into_iter()
        .map(|(_, reply)| reply)
        .collect();
    assert_eq!(replies, answers.map(|answer| Some(Ok(answer))));
}

#[test]
fn silence_ends_in_a_timeout_and_the_next_request_reconnects() {
    let listen = free_address();
    let asks = vec![
        ask(0, listen, 9, read(Table::Holding, 100, 1)),
        ask(1, listen, 1, read(Table::Holding, 100, 1)),
    ];
    let limits = Limits {
        modbus_timeout: Duration::from_millis(150),
        ..Limits::default()
    };
    let mut driver = PacedDriver::new(asking(serving(listen), asks), limits).unwrap();
    driver.run(SimTime::from_millis(2000), &mut |bench| {
        bench.replies().len() == 2
    });
    let rig = driver.rig();
    assert_eq!(rig.replies()[0], (0, None));
    assert_eq!(rig.replies()[1], (1, Some(Ok(ModbusData::Registers(vec![1])))));
    let silent_at = rig
        .seen
        .iter()
        .find(|(_, input)| matches!(input, WireInput::ModbusReply { .. }))
        .unwrap()
        .0;
    assert!(
        (155..260).contains(&(silent_at.as_nanos() / 1_000_000)),
        "{silent_at}"
    );
}

#[test]
fn nobody_listening_is_no_reply() {
    let nobody = free_address();
    let mut driver = open(asking(
        Bench::new(),
        vec![ask(0, nobody, 1, read(Table::Holding, 0, 1))],
    ));
    driver.run(SimTime::from_millis(1000), &mut |bench| {
        !bench.replies().is_empty()
    });
    assert_eq!(driver.rig().replies(), [(0, None)]);
}

#[test]
fn a_client_reconnects_after_the_server_hung_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let mut request = [0; 12];
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut request).unwrap();
        drop(stream);
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut request).unwrap();
        stream
            .write_all(&[request[0], request[1], 0, 0, 0, 5, request[6], 3, 2, 0x12, 0x34])
            .unwrap();
        // Answers the third with a register too many.
        stream.read_exact(&mut request).unwrap();
        stream
            .write_all(&[request[0], request[1], 0, 0, 0, 7, request[6], 3, 4, 0, 0, 0, 0])
            .unwrap();
    });
    let asks = (0..3)
        .map(|token| ask(token, address, 1, read(Table::Holding, 0, 1)))
        .collect();
    let mut driver = open(asking(Bench::new(), asks));
    driver.run(SimTime::from_millis(2000), &mut |bench| {
        bench.replies().len() == 3
    });
    server.join().unwrap();
    assert_eq!(
        driver.rig().replies(),
        [
            (0, None),
            (1, Some(Ok(ModbusData::Registers(vec![0x1234])))),
            (2, None)
        ]
    );
}

#[test]
fn replies_of_another_transaction_or_unit_are_dropped_and_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 12];
        for _ in 0..2 {
            stream.read_exact(&mut request).unwrap();
            let [t1, t0, .., unit, _, _, _, _, _] = request;
            let reply = |t0: u8, unit: u8, value| [t1, t0, 0, 0, 0, 5, unit, 3, 2, 0, value];
            // Two that are not asked for, the answer, and one more that is read with the next request.
            let all = [
                reply(t0.wrapping_sub(1), unit, 1),
                reply(t0, unit + 1, 2),
                reply(t0, unit, 3),
                reply(t0, unit, 4),
            ];
            stream.write_all(&all.concat()).unwrap();
        }
    });
    let asks = (0..2)
        .map(|token| ask(token, address, 1, read(Table::Holding, 0, 1)))
        .collect();
    let mut driver = open(asking(Bench::new(), asks));
    driver.run(SimTime::from_millis(2000), &mut |bench| {
        bench.replies().len() == 2
    });
    server.join().unwrap();
    let three = Some(Ok(ModbusData::Registers(vec![3])));
    assert_eq!(driver.rig().replies(), [(0, three.clone()), (1, three)]);
    assert_eq!(driver.health().undecoded, 5);
    assert_eq!(driver.health().inconclusive, None);
}

#[test]
fn a_client_finds_its_server_again_after_it_was_away() {
    let address = free_address();
    // Asks every 100 ms.
    let mut bench = Bench::new();
    let mut next = 0;
    bench = bench.ticking(move |at| {
        if !at.as_nanos().is_multiple_of(100_000_000) {
            return Vec::new();
        }
        next += 1;
        vec![ask(next, address, 1, read(Table::Holding, 0, 1))]
    });
    let server = thread::spawn(move || {
        let serve = |replies: usize| {
            let listener = TcpListener::bind(address).unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 12];
            for _ in 0..replies {
                stream.read_exact(&mut request).unwrap();
                let reply = [request[0], request[1], 0, 0, 0, 5, request[6], 3, 2, 0, 1];
                stream.write_all(&reply).unwrap();
            }
        };
        serve(3);
        thread::sleep(Duration::from_millis(700));
        serve(3);
    });
    let good = |bench: &Bench| {
        bench
            .replies()
            .iter()
            .filter(|(_, reply)| reply.is_some())
            .count()
    };
    driver_until(bench, |bench| good(bench) == 6);
    server.join().unwrap();
}

/// Runs a bench of clients until `done`, for five seconds at most.
fn driver_until(bench: Bench, done: impl Fn(&Bench) -> bool) {
    let mut driver = open(bench);
    let stopped = driver.run(SimTime::from_millis(5000), &mut |bench| done(bench));
    assert!(stopped, "{:?}", driver.rig().replies());
}

fn say(stream: &mut TcpStream, pdu: &[u8]) {
    let mut adu = vec![0xAB, 0xCD, 0, 0, 0, u8::try_from(pdu.len() + 1).unwrap(), 1];
    adu.extend_from_slice(pdu);
    stream.write_all(&adu).unwrap();
}

fn hear(stream: &mut TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut header = [0; 7];
    stream.read_exact(&mut header).unwrap();
    assert_eq!(header[..5], [0xAB, 0xCD, 0, 0, 0]);
    let mut pdu = vec![0; usize::from(header[5]) - 1];
    stream.read_exact(&mut pdu).unwrap();
    pdu
}

#[test]
fn malformed_requests_get_exception_03_on_a_connection_that_lives_on() {
    let listen = free_address();
    let mut driver = open(serving(listen));
    meanwhile(&mut driver, move || {
        let mut stream = TcpStream::connect(listen).unwrap();
        for (request, answer) in [
            (&[16, 0, 100, 0x80, 0, 0][..], &[0x90, 3][..]),
            (&[15, 0, 0, 0xFF, 0xFF, 1, 0], &[0x8F, 3]),
            (&[5, 0, 0, 0x12, 0x34], &[0x85, 3]),
            (&[3, 0], &[0x83, 3]),
            (&[3, 0, 100, 0, 1], &[3, 2, 0, 1]),
            (&[0x17, 0, 0, 0xFF, 0xFF], &[0x97, 3]),
            (&[0x2B, 0x0D], &[0xAB, 1]),
            (&[0x41, 1, 2, 3], &[0xC1, 1]),
            (&[6, 0, 100, 0, 77], &[6, 0, 100, 0, 77]),
        ] {
            say(&mut stream, request);
            assert_eq!(hear(&mut stream), answer, "{request:?}");
        }
        // Two at once are answered in order.
        say(&mut stream, &[3, 0, 100, 0, 1]);
        say(&mut stream, &[3, 0, 103, 0, 1]);
        assert_eq!(hear(&mut stream), [3, 2, 0, 77]);
        assert_eq!(hear(&mut stream), [3, 2, 0, 4]);
        // No Modbus at all: the connection ends, others do not.
        let mut vandal = TcpStream::connect(listen).unwrap();
        vandal.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        vandal.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        assert!(matches!(vandal.read(&mut [0; 8]), Ok(0) | Err(_)));
        let mut high = TcpStream::connect(listen).unwrap();
        say(&mut high, &[0x83, 1]);
        high.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        assert_eq!(high.read(&mut [0; 8]).unwrap(), 0);
        say(&mut stream, &[3, 0, 100, 0, 1]);
        assert_eq!(hear(&mut stream), [3, 2, 0, 77]);
    });
}

#[test]
fn clients_that_leave_while_waiting_are_forgotten() {
    let listen = free_address();
    // A device that never answers, not even with silence.
    let mut driver = open(Bench::new().with_server(listen));
    meanwhile(&mut driver, move || {
        // More than the server takes at once: each must have left its place before the next.
        for _ in 0..40 {
            let mut stream = TcpStream::connect(listen).unwrap();
            say(&mut stream, &[3, 0, 100, 0, 1]);
            thread::sleep(Duration::from_millis(5));
        }
    });
    let asked = driver
        .rig()
        .seen
        .iter()
        .filter(|(_, input)| matches!(input, WireInput::ModbusRequest { .. }))
        .count();
    assert_eq!(asked, 40);
    assert_eq!(driver.health().inconclusive, None);
}

#[test]
fn devices_at_one_address_are_told_apart_by_unit_id() {
    let listen: SocketAddr = "[::1]:0".parse().unwrap();
    let Ok(listener) = TcpListener::bind(listen) else {
        println!("not run: this machine has no IPv6 loopback");
        return;
    };
    let listen = listener.local_addr().unwrap();
    drop(listener);
    let bench = Bench::new()
        .with_unit(listen, 1)
        .with_unit(listen, 2)
        .with_unit(listen, 255);
    let mut driver = open(bench.reacting(|_, input| match input {
        WireInput::ModbusRequest {
            server, wire_token, ..
        } => vec![WireOutput::ModbusReply {
            wire_token: *wire_token,
            // The second device is off.
            reply: (*server != 1).then(|| Ok(ModbusData::Registers(vec![u16::try_from(*server).unwrap()]))),
            faults: vec![],
        }],
        _ => Vec::new(),
    }));
    meanwhile(&mut driver, move || {
        let mut stream = TcpStream::connect(listen).unwrap();
        for (unit, answer) in [
            (1, &[3, 2, 0, 0][..]),
            (2, &[0x83, 0x0B]),
            (3, &[0x83, 0x0B]),
            (255, &[3, 2, 0, 2]),
            (0, &[3, 2, 0, 2]),
        ] {
            stream
                .write_all(&[0xAB, 0xCD, 0, 0, 0, 6, unit, 3, 0, 0, 0, 1])
                .unwrap();
            assert_eq!(hear(&mut stream), answer, "unit {unit}");
        }
    });
}

#[test]
fn more_clients_than_the_product_takes_are_closed() {
    let listen = free_address();
    let mut driver = open(serving(listen).with_clients(2));
    meanwhile(&mut driver, move || {
        let served = || {
            let mut stream = TcpStream::connect(listen).unwrap();
            say(&mut stream, &[3, 0, 100, 0, 1]);
            assert_eq!(hear(&mut stream), [3, 2, 0, 1]);
            stream
        };
        let first = served();
        let _second = served();
        let mut third = TcpStream::connect(listen).unwrap();
        third.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        assert!(matches!(third.read(&mut [0]), Ok(0) | Err(_)));
        drop(first);
        thread::sleep(Duration::from_millis(100));
        served();
    });
}

#[test]
fn an_address_in_use_is_named_with_its_device() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let error = PacedDriver::new(Bench::new().with_server(address), Limits::default())
        .err()
        .unwrap();
    assert!(matches!(error, FieldbusError::AddressInUse { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("container-01/server-00") && text.contains(&address.to_string()),
        "{text}"
    );
}

#[test]
fn thirteen_servers_close_at_once_and_their_ports_are_free() {
    let addresses: Vec<_> = (0..13).map(|_| free_address()).collect();
    for _ in 0..3 {
        let bench = addresses
            .iter()
            .fold(Bench::new(), |bench, address| bench.with_server(*address));
        let mut driver = open(bench);
        let clients: Vec<_> = addresses
            .iter()
            .map(|address| TcpStream::connect(address).unwrap())
            .collect();
        run_for(&mut driver, Duration::from_millis(30));
        let closing = Instant::now();
        drop(driver);
        assert!(
            closing.elapsed() < Duration::from_millis(200),
            "{:?}",
            closing.elapsed()
        );
        for mut client in clients {
            client.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
        }
    }
}

/// Prints what an idle rig of this size costs: 100 ticks a second, 13 servers with a connection each.
#[test]
fn thirteen_idle_servers_cost_little() {
    let addresses: Vec<_> = (0..13).map(|_| free_address()).collect();
    let bench = addresses
        .iter()
        .fold(Bench::new(), |bench, address| bench.with_server(*address));
    let mut driver = open(bench);
    let _clients: Vec<_> = addresses
        .iter()
        .map(|address| TcpStream::connect(address).unwrap())
        .collect();
    let before = common::cpu_seconds();
    run_for(&mut driver, Duration::from_secs(2));
    println!(
        "idle CPU: {:.2} %",
        (common::cpu_seconds() - before) / 2.0 * 100.0
    );
    println!("lateness: {:?} us", driver.health().lateness_us);
}
