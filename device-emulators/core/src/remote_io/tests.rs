#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use bess_types::{Coil, ModbusData, ModbusException, ModbusReply, Table};

use super::*;
use crate::contract::device_contract;

fn io(id: &str) -> RemoteIo {
    let library = Library::shipped();
    let mut io = RemoteIo::new(&library.product(id).unwrap(), &library).unwrap();
    io.accept(SimTime::ZERO, Input::Wake);
    io.accept(at(500), Input::Wake);
    io
}

const fn at(ms: u64) -> SimTime {
    SimTime::from_millis(ms)
}

/// Asks and gives the reply with everything else put out.
fn ask(io: &mut RemoteIo, now: SimTime, request: &ModbusRequest) -> (Option<ModbusReply>, Vec<Output>) {
    io.accept(
        now,
        Input::ModbusRequest {
            unit: 1,
            access: ModbusAccess::default(),
            request,
            token: Token(9),
        },
    );
    let mut reply = None;
    let mut rest = Vec::new();
    while let Some(output) = io.poll_output() {
        match output {
            Output::ModbusReply { reply: given, .. } => reply = given,
            other => rest.push(other),
        }
    }
    (reply, rest)
}

fn write(address: u16, values: &[bool]) -> ModbusRequest {
    ModbusRequest::WriteCoils {
        address,
        values: values.to_vec(),
    }
}

fn read(table: Table, address: u16, count: u16) -> ModbusRequest {
    ModbusRequest::Read {
        table,
        address,
        count,
    }
}

fn drain(io: &mut RemoteIo) -> Vec<Output> {
    core::iter::from_fn(|| io.poll_output()).collect()
}

fn coil(coil: Coil, energised: bool) -> Output {
    Output::Actuate(Actuation::Coil { coil, energised })
}

#[test]
fn outputs_drive_their_loads_on_change() {
    let mut io = io("rig-hv-box-io");
    let (reply, acts) = ask(&mut io, at(600), &write(0, &[true, false, true, true]));
    assert_eq!(reply, Some(Ok(ModbusData::Written)));
    assert_eq!(
        acts,
        [
            coil(Coil::MainPositive, true),
            coil(Coil::Precharge, true),
            Output::Actuate(Actuation::BreakerTrip)
        ]
    );
    let (_, acts) = ask(&mut io, at(700), &write(0, &[true, false, true, true]));
    assert_eq!(acts, [], "nothing changed");
    let (reply, _) = ask(&mut io, at(700), &read(Table::Coil, 0, 4));
    assert_eq!(reply, Some(Ok(ModbusData::Bits(vec![true, false, true, true]))));
}

#[test]
fn watchdog_drops_all_outputs_and_says_so_until_written_again() {
    let mut io = io("rig-container-io");
    ask(&mut io, at(1_000), &write(0, &[true, true, false]));
    // A read keeps it alive, a refused request does not.
    ask(&mut io, at(2_000), &read(Table::DiscreteInput, 0, 11));
    ask(&mut io, at(3_500), &read(Table::DiscreteInput, 0, 12));
    assert_eq!(io.next_wake(), at(4_000));
    io.accept(at(4_000), Input::Wake);
    let acts = drain(&mut io);
    let off = |line| Output::Line { line, level: false };
    assert!(matches!(
        acts[0],
        Output::Note {
            point: "watchdog-tripped",
            ..
        }
    ));
    assert_eq!(acts[1..], [off(Line::BmsPermit), off(Line::VentRequest)]);
    let tripped = |io: &mut RemoteIo, now| match ask(io, now, &read(Table::Coil, FLAG, 1)).0 {
        Some(Ok(ModbusData::Bits(bits))) => bits[0],
        other => panic!("{other:?}"),
    };
    assert!(tripped(&mut io, at(4_100)));
    let (_, acts) = ask(&mut io, at(4_200), &write(0, &[true]));
    assert!(acts.contains(&Output::Line {
        line: Line::BmsPermit,
        level: true
    }));
    assert!(!tripped(&mut io, at(4_300)));
    // The flag alone can be cleared too, and only cleared; the outputs stay as they are.
    io.accept(at(6_300), Input::Wake);
    assert_eq!(drain(&mut io).len(), 2, "a note, and the permit goes");
    for (now, written, expected) in [(6_400, true, true), (6_500, false, false), (6_600, true, false)] {
        let (reply, acts) = ask(&mut io, at(now), &write(FLAG, &[written]));
        assert_eq!(reply, Some(Ok(ModbusData::Written)));
        assert!(
            !acts.iter().any(|act| matches!(act, Output::Line { .. })),
            "{acts:?}"
        );
        assert_eq!(tripped(&mut io, at(now + 10)), expected, "{written} at {now}");
    }
}

/// Coil of the watchdog alarm flag.
const FLAG: u16 = 4_144;

#[test]
fn the_watchdog_gives_every_output_its_fail_safe_value() {
    let mut io = io("rig-container-io-adam");
    io.accept(at(2_000), Input::Wake);
    ask(&mut io, at(3_000), &write(16, &[true, true, false, true]));
    io.accept(at(5_000), Input::Wake);
    let line = |line, level| Output::Line { line, level };
    let acts = drain(&mut io);
    assert_eq!(
        acts[1..],
        [line(Line::BmsPermit, false), line(Line::Sounder, true)]
    );
    let reply = ask(&mut io, at(5_100), &read(Table::Coil, 16, 6)).0;
    let outputs = vec![false, true, true, false, false, false];
    assert_eq!(reply, Some(Ok(ModbusData::Bits(outputs))), "held, and on");
    // The word is another door to the same outputs.
    let word = ModbusRequest::WriteRegister {
        address: 302,
        value: 0b001,
    };
    let (reply, acts) = ask(&mut io, at(5_200), &word);
    assert_eq!(reply, Some(Ok(ModbusData::Written)));
    assert_eq!(
        acts[1..],
        [
            line(Line::BmsPermit, true),
            line(Line::VentRequest, false),
            line(Line::Sounder, false)
        ]
    );
    // And to those that drive nothing; the register between the words reads 0.
    let all = ModbusRequest::WriteRegister {
        address: 302,
        value: 0xFFFF,
    };
    for (now, request, coils, word) in [
        (5_210, all, [true; 6], 0b11_1111),
        (
            5_220,
            write(16, &[false; 4]),
            [false, false, false, false, true, true],
            0b11_0000,
        ),
    ] {
        assert_eq!(ask(&mut io, at(now), &request).0, Some(Ok(ModbusData::Written)));
        let reply = ask(&mut io, at(now), &read(Table::Coil, 16, 6)).0;
        assert_eq!(reply, Some(Ok(ModbusData::Bits(coils.to_vec()))));
        let reply = ask(&mut io, at(now), &read(Table::Holding, 300, 3)).0;
        assert_eq!(reply, Some(Ok(ModbusData::Registers(vec![0, 0, word]))));
    }
    let identify = ModbusRequest::Identify { access: 1, object: 0 };
    let refused = ask(&mut io, at(5_300), &identify).0;
    assert_eq!(refused, Some(Err(ModbusException::IllegalFunction)));
}

#[test]
fn the_watchdog_runs_from_power_up() {
    let mut io = io("rig-hv-box-io");
    assert_eq!(io.next_wake(), at(2_500));
    io.accept(at(2_500), Input::Wake);
    assert!(io.points().is_on(io.watchdog_tripped));
    assert_eq!(io.next_wake(), SimTime::NEVER);
}

#[test]
fn refuses_what_it_does_not_have() {
    let mut io = io("rig-hv-box-io");
    let mut refusal = |request| ask(&mut io, at(600), &request).0.unwrap().unwrap_err();
    use ModbusException::{IllegalDataAddress, IllegalDataValue, IllegalFunction};
    assert_eq!(refusal(read(Table::DiscreteInput, 0, 6)), IllegalDataAddress);
    assert_eq!(refusal(read(Table::DiscreteInput, 65_535, 2)), IllegalDataAddress);
    assert_eq!(refusal(read(Table::DiscreteInput, 0, 0)), IllegalDataValue);
    assert_eq!(refusal(read(Table::Coil, 0, 2_001)), IllegalDataValue);
    assert_eq!(refusal(read(Table::Input, 0, 126)), IllegalDataValue);
    assert_eq!(refusal(read(Table::Holding, 0, 1)), IllegalFunction);
    assert_eq!(refusal(write(3, &[true, true])), IllegalDataAddress);
    assert_eq!(refusal(write(0, &[])), IllegalDataValue);
    let registers = ModbusRequest::WriteRegisters {
        address: 0,
        values: vec![1],
    };
    assert_eq!(refusal(registers), IllegalFunction);
    assert_eq!(
        refusal(ModbusRequest::Unsupported { function: 43 }),
        IllegalFunction
    );
    assert!(
        !io.points().is_on(io.loads[3].point),
        "a refused write changes nothing"
    );
}

#[test]
fn lines_and_contacts_read_as_the_wire_is() {
    let mut io = io("rig-container-io");
    let bits = |io: &mut RemoteIo| match ask(io, at(600), &read(Table::DiscreteInput, 0, 11)).0 {
        Some(Ok(ModbusData::Bits(bits))) => bits,
        other => panic!("{other:?}"),
    };
    assert_eq!(bits(&mut io), [false; 11], "nothing heard is a broken wire");
    io.accept(
        at(600),
        Input::Line {
            line: Line::EstopA,
            level: true,
        },
    );
    let closed = [Reading::valid(1.0)];
    let channel = Channel::DoorClosed;
    io.accept(
        at(600),
        Input::Sensed {
            channel,
            readings: &closed,
        },
    );
    let now = bits(&mut io);
    assert!(now[0] && now[4] && !now[5]);
    io.accept(
        at(600),
        Input::Sensed {
            channel,
            readings: &[Reading::invalid()],
        },
    );
    assert!(!bits(&mut io)[0]);
}

#[test]
fn power_off_drops_outputs_and_is_silent() {
    let mut io = io("rig-hv-box-io");
    ask(&mut io, at(600), &write(0, &[true]));
    io.inject(&DeviceFault::PowerOff).unwrap();
    assert_eq!(drain(&mut io), [coil(Coil::MainPositive, false)]);
    assert_eq!(ask(&mut io, at(700), &read(Table::Coil, 0, 1)).0, None);
    assert!(io.inject(&DeviceFault::FreezeCounters).is_err());
    io.inject(&DeviceFault::PowerOn).unwrap();
    io.accept(at(1_000), Input::Wake);
    io.accept(at(1_500), Input::Wake);
    assert!(ask(&mut io, at(1_600), &read(Table::Coil, 0, 1)).0.is_some());
}

#[test]
fn register_images() {
    let mut io_box = io("rig-hv-box-io");
    let volts = [Reading::valid(24.12)];
    io_box.accept(
        at(600),
        Input::Sensed {
            channel: Channel::CoilSupply,
            readings: &volts,
        },
    );
    ask(&mut io_box, at(600), &write(1, &[true]));
    let container = io("rig-container-io");
    let adam = io("rig-container-io-adam");
    insta::assert_snapshot!(format!(
        "{}\n{}\n{}",
        io_box.server.image(&io_box.points),
        container.server.image(&container.points),
        adam.server.image(&adam.points)
    ));
}

#[test]
fn keeps_the_device_contract() {
    device_contract(|| Box::new(io("rig-hv-box-io")));
    device_contract(|| Box::new(io("rig-container-io")));
    device_contract(|| Box::new(io("rig-container-io-adam")));
}
