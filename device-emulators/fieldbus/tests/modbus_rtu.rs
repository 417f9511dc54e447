//! Modbus RTU: devices on a pseudo-terminal and on TCP, and a master of ours, against strangers with raw bytes.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test of what happens on the wall clock needs one of its own"
)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use bess_devices::Token;
use bess_fieldbus::{FieldbusError, Limits, PacedDriver};
use bess_rig::config::line::{CrcOrder, LineFormat, Parity};
use bess_rig::{LineEnd, ModbusAddress, WireFault, WireInput, WireOutput};
use bess_types::{ModbusData, ModbusException, ModbusReply, ModbusRequest, SimTime, Table};
use common::{Bench, Serial, frame, free_address, meanwhile};

/// Slow enough that its time shows: 1.15 ms a character.
const FORMAT: LineFormat = LineFormat {
    baud: 9600,
    parity: Parity::Even,
    stop_bits: 1,
    crc: CrcOrder::LowFirst,
    turnaround: Duration::from_millis(5),
};

/// A device of eight holding registers; reads of input registers are its exception.
fn device(registers: &mut [u16; 8], request: &ModbusRequest) -> ModbusReply {
    match request {
        ModbusRequest::Read {
            table: Table::Holding,
            address,
            count,
        } => {
            let first = usize::from(*address);
            let found = registers.get(first..first + usize::from(*count));
            found
                .map(|found| ModbusData::Registers(found.to_vec()))
                .ok_or(ModbusException::IllegalDataAddress)
        }
        ModbusRequest::WriteRegisters { address, values } => {
            registers[usize::from(*address)] = values[0];
            Ok(ModbusData::Written)
        }
        ModbusRequest::Unsupported { .. } => Err(ModbusException::IllegalFunction),
        _ => Err(ModbusException::ServerDeviceBusy),
    }
}

/// Units 1 and 2 on one line.
fn serving(end: LineEnd, format: LineFormat, faults: &[WireFault]) -> PacedDriver<Bench> {
    let mut registers = [[0x1234, 1, 2, 3, 4, 5, 6, 7], [0x5678, 0, 0, 0, 0, 0, 0, 0]];
    let faults = faults.to_vec();
    let bench = Bench::new()
        .with_line(end, format, false)
        .with_server_at(ModbusAddress::Line(0), 1)
        .with_server_at(ModbusAddress::Line(0), 2)
        .reacting(move |_, input| match input {
            WireInput::ModbusRequest {
                server,
                request,
                wire_token,
                ..
            } => vec![WireOutput::ModbusReply {
                wire_token: *wire_token,
                reply: Some(device(&mut registers[*server], request)),
                faults: faults.clone(),
            }],
            _ => Vec::new(),
        });
    common::open(bench)
}

fn pty(format: LineFormat, faults: &[WireFault]) -> (PacedDriver<Bench>, Serial) {
    let driver = serving(LineEnd::NewPty { link: None }, format, faults);
    let line = Serial::open(&driver.lines()[0].1);
    (driver, line)
}

fn with_high_byte_first(mut frame: Vec<u8>) -> Vec<u8> {
    let length = frame.len();
    frame.swap(length - 2, length - 1);
    frame
}

#[test]
fn devices_on_a_pseudo_terminal_answer_as_on_a_line() {
    let (mut driver, mut line) = pty(FORMAT, &[]);
    meanwhile(&mut driver, move || {
        // The frame every tool prints, to unit 1; its reply takes 7 characters, the request 8, with silence between.
        let asked = Instant::now();
        line.say(&[1, 3, 0, 0, 0, 1, 0x84, 0x0A]);
        assert_eq!(
            line.hear(7, Duration::from_secs(2)),
            frame(&[1, 3, 2, 0x12, 0x34])
        );
        let least = FORMAT.character() * 15 + FORMAT.silence() + FORMAT.turnaround;
        assert!(asked.elapsed() >= least, "{:?} < {least:?}", asked.elapsed());
        // Its neighbour, a device that is not there, reserved unit ids.
        assert_eq!(
            line.answer(&frame(&[2, 3, 0, 0, 0, 1])),
            frame(&[2, 3, 2, 0x56, 0x78])
        );
        for unit in [3, 247, 248, 255] {
            assert_eq!(line.answer(&frame(&[unit, 3, 0, 0, 0, 1])), [], "unit {unit}");
        }
        // A write to everybody is done and not answered; a read of everybody is nothing.
        assert_eq!(line.answer(&frame(&[0, 16, 0, 1, 0, 1, 2, 0xAB, 0xCD])), []);
        assert_eq!(line.answer(&frame(&[0, 3, 0, 1, 0, 1])), []);
        for unit in [1, 2] {
            assert_eq!(
                line.answer(&frame(&[unit, 3, 0, 1, 0, 1])),
                frame(&[unit, 3, 2, 0xAB, 0xCD])
            );
        }
        // Exceptions; a function whose length nobody knows ends with silence.
        assert_eq!(line.answer(&frame(&[1, 3, 0, 9, 0, 1])), frame(&[1, 0x83, 2]));
        assert_eq!(line.answer(&frame(&[1, 0x41, 7, 7, 7])), frame(&[1, 0xC1, 1]));
        // A reply of another device on the line is no request.
        assert_eq!(line.answer(&frame(&[1, 0x83, 2])), []);
    });
    assert_eq!(driver.health().undecoded, 0);
}

#[test]
fn what_is_no_frame_is_met_with_silence_and_counted() {
    let (mut driver, mut line) = pty(FORMAT, &[]);
    meanwhile(&mut driver, move || {
        let good = frame(&[1, 3, 0, 0, 0, 1]);
        let mut wrong = good.clone();
        wrong[7] ^= 1;
        assert_eq!(line.answer(&wrong), []);
        // Noise in front.
        assert_eq!(line.answer(&[&[0xFF][..], &good].concat()), []);
        // A pause inside.
        line.say(&good[..4]);
        sleep(Duration::from_millis(60));
        assert_eq!(line.answer(&good[4..]), []);
        // Far too long.
        assert_eq!(line.answer(&[0x55; 1000]), []);
        // Byte by byte without pauses is a frame.
        for byte in &good {
            line.say(&[*byte]);
        }
        assert_eq!(
            line.hear(7, Duration::from_secs(2)),
            frame(&[1, 3, 2, 0x12, 0x34])
        );
    });
    assert_eq!(driver.health().undecoded, 5);
}

#[test]
fn the_checksum_may_have_its_high_byte_first() {
    let format = LineFormat {
        crc: CrcOrder::HighFirst,
        baud: 115_200,
        ..FORMAT
    };
    let (mut driver, mut line) = pty(format, &[]);
    meanwhile(&mut driver, move || {
        let request = frame(&[1, 3, 0, 0, 0, 1]);
        assert_eq!(line.answer(&request), []);
        let reply = with_high_byte_first(frame(&[1, 3, 2, 0x12, 0x34]));
        assert_eq!(line.answer(&with_high_byte_first(request)), reply);
    });
}

#[test]
fn link_faults_show_on_the_line() {
    let request = frame(&[1, 3, 0, 0, 0, 1]);
    let reply = frame(&[1, 3, 2, 0x12, 0x34]);
    let gap = Duration::from_millis(30);
    let mut wrong = reply.clone();
    wrong[5] = !wrong[5];
    wrong[6] = !wrong[6];
    let noisy = [&[0xA1, 0xB2, 0xC3][..], &reply].concat();
    let noise = WireFault::Noise {
        bytes: 3,
        bits: 0xA1B2_C3D4_E5F6_0708,
    };
    for (fault, seen) in [
        (WireFault::Crc, wrong),
        (noise, noisy),
        (WireFault::Truncate { bytes: 4 }, reply[..4].to_vec()),
        (WireFault::Unit { add: 4 }, frame(&[5, 3, 2, 0x12, 0x34])),
        (WireFault::Merge, vec![]),
        (WireFault::Split { at: 3, gap }, reply.clone()),
    ] {
        let (mut driver, mut line) = pty(FORMAT, &[fault]);
        let request = request.clone();
        meanwhile(&mut driver, move || {
            assert_eq!(line.answer(&request), seen, "{fault:?}");
            if let WireFault::Split { .. } = fault {
                line.say(&request);
                assert_eq!(line.hear(3, Duration::from_secs(2)), seen[..3]);
                let first = Instant::now();
                assert_eq!(line.hear(4, Duration::from_secs(2)), seen[3..]);
                assert!(first.elapsed() > gap, "{:?}", first.elapsed());
            }
        });
    }
}

#[test]
fn rtu_goes_over_tcp_one_connection_at_a_time() {
    let address = free_address();
    let mut driver = serving(LineEnd::Listen(address), FORMAT, &[]);
    meanwhile(&mut driver, move || {
        let ask = |stream: &mut TcpStream| {
            stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            stream.write_all(&frame(&[2, 3, 0, 0, 0, 1])).unwrap();
            let mut reply = [0; 7];
            stream.read_exact(&mut reply).map(|()| reply.to_vec())
        };
        let good = frame(&[2, 3, 2, 0x56, 0x78]);
        let mut first = TcpStream::connect(address).unwrap();
        assert_eq!(ask(&mut first).unwrap(), good);
        let mut second = TcpStream::connect(address).unwrap();
        assert!(ask(&mut second).is_err(), "the line is in use");
        assert_eq!(ask(&mut first).unwrap(), good);
        drop(first);
        sleep(Duration::from_millis(50));
        let mut third = TcpStream::connect(address).unwrap();
        assert_eq!(ask(&mut third).unwrap(), good);
    });
}

fn read(address: u16) -> ModbusRequest {
    ModbusRequest::Read {
        table: Table::Holding,
        address,
        count: 1,
    }
}

/// A master that asks each unit for register 0 at its first tick.
fn asking(end: LineEnd, units: &'static [u8]) -> PacedDriver<Bench> {
    let mut units = Some(units);
    let bench = Bench::new().with_line(end, FORMAT, true).ticking(move |_| {
        let units = units.take().unwrap_or_default();
        let ask = |(token, unit): (u64, &u8)| WireOutput::ModbusRequest {
            client: 7,
            token: Token(token),
            address: ModbusAddress::Line(0),
            unit: *unit,
            request: read(0),
        };
        (0..).zip(units).map(ask).collect()
    });
    let limits = Limits {
        modbus_timeout: Duration::from_millis(100),
        ..Limits::default()
    };
    PacedDriver::new(bench, limits).unwrap()
}

#[test]
fn a_master_of_ours_asks_on_a_pseudo_terminal() {
    let mut driver = asking(LineEnd::NewPty { link: None }, &[1, 2, 3, 4, 5, 6]);
    let mut line = Serial::open(&driver.lines()[0].1);
    let slave = thread::spawn(move || {
        let mut next = |replies: &[&[u8]]| {
            let request = line.hear(8, Duration::from_secs(2));
            assert_eq!(request, frame(&[request[0], 3, 0, 0, 0, 1]));
            for reply in replies {
                line.say(reply);
                // Each a frame of its own.
                sleep(Duration::from_millis(20));
            }
        };
        let good = |unit| frame(&[unit, 3, 2, 0, unit]);
        next(&[&good(1)]);
        next(&[&frame(&[2, 0x83, 2])]);
        let mut wrong = good(3);
        wrong[3] ^= 0x80;
        next(&[&wrong]);
        next(&[&good(9), &good(4)]);
        next(&[]);
        next(&[&good(6)]);
    });
    driver.run(SimTime::from_millis(5000), &mut |bench| {
        bench.replies().len() == 6
    });
    slave.join().unwrap();
    let good = |value| Some(Ok(ModbusData::Registers(vec![value])));
    assert_eq!(
        driver.rig().replies(),
        [
            (0, good(1)),
            (1, Some(Err(ModbusException::IllegalDataAddress))),
            (2, None),
            (3, good(4)),
            (4, None),
            (5, good(6)),
        ]
    );
    assert_eq!(driver.health().undecoded, 2);
    // What the first answer took on the line, although the slave answered at once.
    let first = driver.rig().seen[0].0;
    let least = FORMAT.character() * 15 + FORMAT.silence();
    assert!(first - SimTime::from_millis(10) >= least, "{first}");
}

#[test]
fn a_master_of_ours_and_devices_of_ours_meet_over_tcp() {
    let address = free_address();
    let mut slaves = serving(LineEnd::Listen(address), FORMAT, &[]);
    let handle = slaves.interrupt_handle();
    let master = thread::spawn(move || {
        let mut master = asking(LineEnd::Connect(address), &[1, 2, 9]);
        master.run(SimTime::from_millis(5000), &mut |bench| {
            bench.replies().len() == 3
        });
        handle.store(true, std::sync::atomic::Ordering::Relaxed);
        master.rig().replies()
    });
    slaves.run(SimTime::from_millis(10_000), &mut |_| false);
    let good = |value| Some(Ok(ModbusData::Registers(vec![value])));
    assert_eq!(
        master.join().unwrap(),
        [(0, good(0x1234)), (1, good(0x5678)), (2, None)]
    );
}

/// The Modbus library as master: another reading of the standard.
#[test]
fn the_modbus_library_is_answered_over_tcp() {
    use tokio_modbus::client::{Reader as _, Writer as _, rtu};

    async fn ask(address: SocketAddr) -> (Vec<u16>, Vec<u16>) {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let mut master = rtu::attach_slave(stream, tokio_modbus::Slave(1));
        let before = master.read_holding_registers(0, 8).await.unwrap().unwrap();
        master
            .write_multiple_registers(2, &[0xBEEF])
            .await
            .unwrap()
            .unwrap();
        let after = master.read_holding_registers(2, 1).await.unwrap().unwrap();
        (before, after)
    }
    let address = free_address();
    let mut driver = serving(LineEnd::Listen(address), FORMAT, &[]);
    let seen = meanwhile(&mut driver, move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(ask(address))
    });
    assert_eq!(seen, (vec![0x1234, 1, 2, 3, 4, 5, 6, 7], vec![0xBEEF]));
}

#[test]
fn a_link_leads_to_the_pseudo_terminal_and_goes_with_it() {
    let link = std::env::temp_dir().join(format!("bessrig-test-{}", std::process::id()));
    let path = link.to_string_lossy().into_owned();
    let end = || LineEnd::NewPty {
        link: Some(path.clone()),
    };
    // One that a killed rig left behind.
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    let driver = serving(end(), FORMAT, &[]);
    assert_eq!(driver.lines(), [("line-0".to_owned(), path.clone())]);
    assert!(std::fs::read_link(&link).unwrap().starts_with("/dev/pts"));
    drop(driver);
    assert!(!link.exists());
    // A file is somebody's.
    std::fs::write(&link, "").unwrap();
    let bench = Bench::new().with_line(end(), FORMAT, true);
    let error = PacedDriver::new(bench, Limits::default()).err().unwrap();
    assert!(matches!(error, FieldbusError::Line { .. }), "{error:?}");
    assert!(error.to_string().contains("line-0"), "{error}");
    std::fs::remove_file(&link).unwrap();
}

/// A master that asks unit 1 for register 0 five times a second.
fn asking_on(end: LineEnd) -> PacedDriver<Bench> {
    let mut ticks = 0;
    let bench = Bench::new().with_line(end, FORMAT, true).ticking(move |_| {
        ticks += 1;
        let ask = WireOutput::ModbusRequest {
            client: 7,
            token: Token(ticks),
            address: ModbusAddress::Line(0),
            unit: 1,
            request: read(0),
        };
        (ticks % 20 == 1).then_some(ask).into_iter().collect()
    });
    let limits = Limits {
        modbus_timeout: Duration::from_millis(100),
        ..Limits::default()
    };
    PacedDriver::new(bench, limits).unwrap()
}

fn is_answered(replies: &[(u64, Option<ModbusReply>)]) -> bool {
    let good = Some(Ok(ModbusData::Registers(vec![0x1234])));
    replies.last().is_some_and(|(_, reply)| *reply == good)
}

#[test]
fn a_terminal_that_is_made_anew_is_found_again_on_both_sides() {
    let link = std::env::temp_dir().join(format!("bessrig-test-again-{}", std::process::id()));
    let path = link.to_string_lossy().into_owned();
    let made = LineEnd::NewPty {
        link: Some(path.clone()),
    };
    // the master stays
    let end = made.clone();
    let mut first = serving(end.clone(), FORMAT, &[]);
    let mut master = asking_on(LineEnd::Pty(path.clone()));
    let slaves = thread::spawn(move || {
        first.run(SimTime::from_millis(1000), &mut |_| false);
        drop(first);
        sleep(Duration::from_millis(500));
        serving(end, FORMAT, &[]).run(SimTime::from_millis(6000), &mut |_| false);
    });
    let mut seen = 0;
    for is_there in [true, false, true] {
        let from = seen;
        master.run(SimTime::from_millis(6000), &mut |bench| {
            let replies = bench.replies();
            seen = replies.len();
            seen > from && is_answered(&replies) == is_there
        });
        assert_eq!(
            is_answered(&master.rig().replies()),
            is_there,
            "after {from} replies"
        );
    }
    drop(master);
    slaves.join().unwrap();
    // the slaves stay
    let mut first = asking_on(made.clone());
    let slaves = thread::spawn(move || {
        serving(LineEnd::Pty(path), FORMAT, &[]).run(SimTime::from_millis(6000), &mut |_| false);
    });
    let answered = |bench: &Bench| is_answered(&bench.replies());
    first.run(SimTime::from_millis(3000), &mut |bench| answered(bench));
    assert!(answered(first.rig()));
    drop(first);
    sleep(Duration::from_millis(300));
    let mut second = asking_on(made);
    second.run(SimTime::from_millis(3000), &mut |bench| answered(bench));
    assert!(answered(second.rig()));
    drop(second);
    slaves.join().unwrap();
}

#[test]
fn a_serial_device_that_is_not_there_is_named() {
    let bench = Bench::new().with_line(LineEnd::Serial("/dev/ttyNONE9".into()), FORMAT, true);
    let error = PacedDriver::new(bench, Limits::default()).err().unwrap();
    assert!(error.to_string().contains("/dev/ttyNONE9"), "{error}");
}

/// A pseudo-terminal stands for the serial device: everything but the bits.
#[test]
fn a_serial_device_carries_a_line() {
    let mut master = asking(LineEnd::NewPty { link: None }, &[1, 2, 9]);
    let path = master.lines()[0].1.clone();
    let slaves = thread::spawn(move || {
        serving(LineEnd::Pty(path), FORMAT, &[]).run(SimTime::from_millis(2500), &mut |_| false);
    });
    sleep(Duration::from_millis(200));
    master.run(SimTime::from_millis(2000), &mut |bench| {
        bench.replies().len() == 3
    });
    slaves.join().unwrap();
    let good = |value| Some(Ok(ModbusData::Registers(vec![value])));
    assert_eq!(
        master.rig().replies(),
        [(0, good(0x1234)), (1, good(0x5678)), (2, None)]
    );
}
