#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use core::fmt::Write as _;

use bess_types::{CanFrame, CanId};

use super::*;
use crate::codec::can::RemoteNode;
use crate::contract::device_contract;

const NODE: u8 = 5;

fn bmu() -> Bmu {
    let library = Library::shipped();
    Bmu::new(&library.product("rig-bmu-44").unwrap(), &library, NODE, 1).unwrap()
}

/// Cell i at 3.200 + 0.001 i V, sensor i at 20 + i °C.
fn cells() -> Vec<Reading> {
    (0..44)
        .map(|i| Reading::valid(3.2 + 0.001 * f64::from(i)))
        .collect()
}

fn temperatures() -> Vec<Reading> {
    (0..22).map(|i| Reading::valid(20.0 + f64::from(i))).collect()
}

fn sense(bmu: &mut Bmu, now: SimTime, cells: &[Reading]) {
    bmu.accept(
        now,
        Input::Sensed {
            channel: Channel::CellVoltages,
            readings: cells,
        },
    );
    let temperatures = temperatures();
    let channel = Channel::CellTemperatures;
    bmu.accept(
        now,
        Input::Sensed {
            channel,
            readings: &temperatures,
        },
    );
}

/// Wakes the device up to `until`; what it put out, with the instants.
fn run(bmu: &mut Bmu, until: SimTime) -> Vec<(SimTime, Output)> {
    let mut all = Vec::new();
    let mut now = SimTime::ZERO;
    loop {
        while let Some(output) = bmu.poll_output() {
            all.push((now, output));
        }
        let due = bmu.next_wake();
        if due > until {
            return all;
        }
        now = now.max(due);
        bmu.accept(now, Input::Wake);
    }
}

fn frames(outputs: &[(SimTime, Output)]) -> Vec<(SimTime, CanFrame)> {
    let frame = |(at, output): &(SimTime, Output)| match output {
        Output::Can { frame, .. } => Some((*at, *frame)),
        _ => None,
    };
    outputs.iter().filter_map(frame).collect()
}

fn last_stat(outputs: &[(SimTime, Output)]) -> Option<Vec<u8>> {
    let id = CanId::Extended(0x1840_A005);
    let all = frames(outputs);
    all.iter()
        .rev()
        .find(|(_, frame)| frame.id == id)
        .map(|(_, frame)| frame.data().to_vec())
}

fn sync(bmu: &mut Bmu, now: SimTime, enable: bool) {
    let data = [1, u8::from(enable), 0, 0];
    let frame = CanFrame::new(CanId::Extended(0x1850_FFA0), &data).unwrap();
    bmu.accept(
        now,
        Input::Can {
            port: 0,
            frame: &frame,
        },
    );
}

/// All cells above `millivolts` asked for in `mask`.
fn balance(bmu: &mut Bmu, now: SimTime, node: u8, millivolts: u16, mask: u64) {
    let data = (u64::from(millivolts) | mask << 16).to_le_bytes();
    let id = CanId::Extended(0x1851_00A0 | u32::from(node) << 8);
    let frame = CanFrame::new(id, &data).unwrap();
    bmu.accept(
        now,
        Input::Can {
            port: 0,
            frame: &frame,
        },
    );
}

fn bled(bmu: &mut Bmu) -> Option<u64> {
    let mut last = None;
    while let Some(output) = bmu.poll_output() {
        if let Output::Actuate(Actuation::Balancing { cells }) = output {
            last = Some(cells);
        }
    }
    last
}

#[test]
fn frames_of_the_first_seconds() {
    let mut bmu = bmu();
    sense(&mut bmu, SimTime::ZERO, &cells());
    let mut text = String::new();
    for (at, frame) in frames(&run(&mut bmu, SimTime::from_millis(1_450))) {
        writeln!(text, "{at} {frame}").unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn open_wire_and_missing_values_go_out_as_codes() {
    let mut bmu = bmu();
    let mut readings = cells();
    readings[0].quality = Quality::OpenWire;
    readings[1].quality = Quality::Invalid;
    sense(&mut bmu, SimTime::ZERO, &readings);
    let outputs = run(&mut bmu, SimTime::from_millis(1_450));
    let first_cells = CanId::Extended(0x1820_A005);
    let summary = CanId::Extended(0x1810_A005);
    let all = frames(&outputs);
    let of = |id| all.iter().find(|(_, frame)| frame.id == id).unwrap().1;
    assert_eq!(of(first_cells).to_string(), "1820A005#FEFFFFFF820C830C");
    assert_eq!(
        &of(summary).data()[..2],
        &[0xFF, 0xFF],
        "no sum with a cell missing"
    );
    let stat = last_stat(&outputs).unwrap();
    assert_eq!(stat[0], 2, "fault");
    assert_eq!(stat[1], 0b1000_0011, "open wire, invalid, and no sync heard");
}

#[test]
fn too_few_readings_leave_the_rest_invalid() {
    let mut bmu = bmu();
    sense(&mut bmu, SimTime::ZERO, &cells()[..43]);
    assert_eq!(bmu.points().get(bmu.ids.cell_voltages.at(43)), None);
    assert!(bmu.points().is_on(bmu.ids.cell_invalid));
}

#[test]
fn life_counter_counts_freezes_and_wraps() {
    let mut bmu = bmu();
    let counters = |outputs: &[(SimTime, Output)]| -> Vec<u8> {
        let id = CanId::Extended(0x1840_A005);
        let all = frames(outputs);
        all.iter()
            .filter(|(_, f)| f.id == id)
            .map(|(_, f)| f.data()[7])
            .collect()
    };
    assert_eq!(
        counters(&run(&mut bmu, SimTime::from_millis(2_000))),
        [0, 1, 2, 3]
    );
    bmu.inject(&DeviceFault::FreezeCounters).unwrap();
    assert_eq!(counters(&run(&mut bmu, SimTime::from_millis(3_000))), [3, 3]);
    bmu.inject(&DeviceFault::UnfreezeCounters).unwrap();
    let rest = counters(&run(&mut bmu, SimTime::from_millis(200_000)));
    assert_eq!(rest[0], 4);
    let top = rest.iter().position(|&counter| counter == 255).unwrap();
    assert_eq!(rest[top + 1], 0);
}

#[test]
fn power_off_is_silence_and_power_on_a_cold_start() {
    let mut bmu = bmu();
    sense(&mut bmu, SimTime::ZERO, &cells());
    run(&mut bmu, SimTime::from_millis(5_000));
    bmu.inject(&DeviceFault::PowerOff).unwrap();
    assert_eq!(bmu.next_wake(), SimTime::NEVER);
    sense(&mut bmu, SimTime::from_millis(6_000), &cells());
    bmu.accept(SimTime::from_millis(6_000), Input::Wake);
    assert_eq!(bmu.poll_output(), None);
    bmu.inject(&DeviceFault::PowerOn).unwrap();
    assert!(bmu.next_wake() <= SimTime::from_millis(7_000));
    bmu.accept(SimTime::from_millis(7_000), Input::Wake);
    assert_eq!(bmu.poll_output(), None, "self-test first");
    assert_eq!(bmu.next_wake(), SimTime::from_millis(7_300));
    let outputs = run(&mut bmu, SimTime::from_millis(7_500));
    assert_eq!(last_stat(&outputs).unwrap()[7], 0, "the counter starts anew");
    let cells = frames(&outputs)
        .iter()
        .find(|(_, f)| f.id == CanId::Extended(0x1820_A005))
        .unwrap()
        .1;
    assert_eq!(cells.data(), [0xFF; 8], "nothing measured since");
}

#[test]
fn bleeds_what_the_bcu_asks_for_while_it_is_heard() {
    let mut bmu = bmu();
    sense(&mut bmu, SimTime::ZERO, &cells());
    run(&mut bmu, SimTime::from_millis(400));
    let now = SimTime::from_millis(400);
    // Cells 41 to 44 read 3.240 to 3.243 V.
    balance(&mut bmu, now, NODE, 3_241, 0xFFF_FFFF_FFFF);
    assert_eq!(bled(&mut bmu), None, "not enabled");
    sync(&mut bmu, now, true);
    assert_eq!(bled(&mut bmu), Some(0b11 << 42));
    balance(&mut bmu, now, NODE + 1, 3_241, 0);
    assert_eq!(bled(&mut bmu), None, "meant for another pack");
    let mut readings = cells();
    readings[43].quality = Quality::OpenWire;
    sense(&mut bmu, now, &readings);
    assert_eq!(bled(&mut bmu), Some(1 << 42), "an open wire never bleeds");
    bmu.accept(SimTime::from_millis(1_399), Input::Wake);
    assert_eq!(bled(&mut bmu), None);
    bmu.accept(SimTime::from_millis(1_400), Input::Wake);
    assert_eq!(bled(&mut bmu), Some(0), "no sync for 1 s");
}

#[test]
fn an_active_bmu_moves_charge_to_the_cells_that_lack_it() {
    let library = Library::shipped();
    let overrides = toml::from_str("balancing = \"active\"").unwrap();
    let product = library.product("rig-bmu-44").unwrap().with_settings(&overrides);
    let mut bmu = Bmu::new(&product, &library, NODE, 1).unwrap();
    let moved = |bmu: &mut Bmu| {
        let mut last = None;
        while let Some(output) = bmu.poll_output() {
            if let Output::Actuate(action) = output {
                last = Some(action);
            }
        }
        last
    };
    sense(&mut bmu, SimTime::ZERO, &cells());
    run(&mut bmu, SimTime::from_millis(400));
    let now = SimTime::from_millis(400);
    sync(&mut bmu, now, true);
    balance(&mut bmu, now, NODE, 3_241, 0xFFF_FFFF_FFFF);
    let (sources, sinks) = (0b11 << 42, (1 << 42) - 1);
    assert_eq!(
        moved(&mut bmu),
        Some(Actuation::ActiveBalancing { sources, sinks })
    );
    // Every cell above the target: the lower half of the pack takes.
    balance(&mut bmu, now, NODE, 3_100, 0xFFF_FFFF_FFFF);
    let (sources, sinks) = (0x3F_FFFF << 22, 0x3F_FFFF);
    assert_eq!(
        moved(&mut bmu),
        Some(Actuation::ActiveBalancing { sources, sinks })
    );
    bmu.accept(SimTime::from_millis(1_400), Input::Wake);
    let (sources, sinks) = (0, 0);
    assert_eq!(
        moved(&mut bmu),
        Some(Actuation::ActiveBalancing { sources, sinks })
    );
}

/// A BMU of a pack with fan, and what it did since the last look.
fn fan_bmu() -> Bmu {
    let library = Library::shipped();
    let product = library.product("rig-bmu-16").unwrap();
    let mut bmu = Bmu::new(&product, &library, NODE, 1).unwrap();
    run(&mut bmu, SimTime::from_millis(400));
    bmu
}

fn warm(bmu: &mut Bmu, now: SimTime, celsius: f64) {
    let channel = Channel::CellTemperatures;
    let readings = &[Reading::valid(celsius); 8];
    bmu.accept(now, Input::Sensed { channel, readings });
}

fn turned(bmu: &mut Bmu) -> Vec<f64> {
    core::iter::from_fn(|| bmu.poll_output())
        .filter_map(|output| match output {
            Output::Actuate(Actuation::PackFan { duty }) => Some(duty),
            _ => None,
        })
        .collect()
}

#[test]
fn a_pack_fan_follows_the_temperature_and_its_tacho_is_watched() {
    let mut bmu = fan_bmu();
    assert!(
        bmu.senses()
            .iter()
            .any(|sense| sense.channel == Channel::FanSpeed)
    );
    assert!(
        !self::bmu()
            .senses()
            .iter()
            .any(|sense| sense.channel == Channel::FanSpeed)
    );
    let second = |s: u64| SimTime::from_millis(1000 * s);
    warm(&mut bmu, second(1), 24.0);
    turned(&mut bmu);
    warm(&mut bmu, second(2), 26.0);
    assert_eq!(turned(&mut bmu), [0.4], "30 % at 25 °C, all at 32 °C");
    warm(&mut bmu, second(3), 33.0);
    assert_eq!(turned(&mut bmu), [1.0]);
    let tacho = |bmu: &mut Bmu, now, reading| {
        let channel = Channel::FanSpeed;
        let readings = &[reading];
        bmu.accept(now, Input::Sensed { channel, readings });
        bmu.points().is_on(bmu.ids.fan_fault)
    };
    assert!(!tacho(&mut bmu, second(4), Reading::valid(2950.0)));
    for at in 5..15 {
        assert!(!tacho(&mut bmu, second(at), Reading::valid(1000.0)), "{at} s");
    }
    assert!(
        tacho(&mut bmu, second(15), Reading::valid(1000.0)),
        "slow for 10 s"
    );
    assert_eq!(bmu.points().get(bmu.ids.state), Some(2.0));
    assert!(!tacho(&mut bmu, second(16), Reading::valid(2950.0)));
    for at in 17..27 {
        assert!(!tacho(&mut bmu, second(at), Reading::invalid()));
    }
    assert!(tacho(&mut bmu, second(27), Reading::invalid()), "says nothing");
    warm(&mut bmu, second(28), 22.0);
    assert_eq!(turned(&mut bmu), [0.0]);
    assert!(!tacho(&mut bmu, second(29), Reading::valid(0.0)));
    warm(&mut bmu, second(30), 40.0);
    turned(&mut bmu);
    bmu.inject(&DeviceFault::PowerOff).unwrap();
    assert_eq!(turned(&mut bmu), [0.0], "no BMU, no PWM");
}

#[test]
fn a_remote_image_reads_what_was_measured() {
    let library = Library::shipped();
    let product = library.product("rig-bmu-44").unwrap();
    let mut image = RemoteNode::compile(&product, "cluster", &library, NODE).unwrap();
    let mut bmu = bmu();
    sense(&mut bmu, SimTime::ZERO, &cells());
    for (at, frame) in frames(&run(&mut bmu, SimTime::from_millis(1_500))) {
        assert!(image.receive(at, &frame).is_some(), "{frame}");
    }
    let ids = bmu.ids;
    for i in 0..44 {
        let volts = image.points.get(ids.cell_voltages.at(i)).unwrap();
        assert!((volts - cells()[i].value).abs() <= 0.000_5, "cell {i}: {volts}");
    }
    assert_eq!(image.points.get(ids.temperatures.at(21)), Some(41.0));
    assert_eq!(image.last_change_of_counter(), Some(SimTime::from_millis(1_390)));
    assert!(image.transmits(ids.pack_voltage));
    assert!(!image.transmits(ids.balance_target));
    let foreign = CanFrame::new(CanId::Extended(0x1810_A006), &[0; 8]).unwrap();
    assert!(image.receive(SimTime::ZERO, &foreign).is_none());
    let short = CanFrame::new(CanId::Extended(0x1810_A005), &[0; 7]).unwrap();
    assert!(image.receive(SimTime::ZERO, &short).is_none());
}

#[test]
fn keeps_the_device_contract() {
    device_contract(|| Box::new(bmu()));
}

#[test]
fn keeps_the_device_contract_however_it_gets_its_address() {
    let library = Library::shipped();
    for way in ["enable-chain", "lss", "j1939"] {
        let mut settings = toml::Table::new();
        settings.insert("addressing".into(), way.into());
        let product = library.product("rig-bmu-44").unwrap().with_settings(&settings);
        device_contract(|| Box::new(Bmu::new(&product, &library, NODE, 1_001_005).unwrap()));
    }
}

#[test]
fn without_an_address_it_is_silent_and_with_one_it_speaks_under_it() {
    let library = Library::shipped();
    let mut settings = toml::Table::new();
    settings.insert("addressing".into(), "enable-chain".into());
    let product = library.product("rig-bmu-44").unwrap().with_settings(&settings);
    let mut bmu = Bmu::new(&product, &library, NODE, 1_001_005).unwrap();
    let ids = |bmu: &mut Bmu, until_ms: u64| {
        let mut ids = Vec::new();
        while bmu.next_wake() <= SimTime::from_millis(until_ms) {
            bmu.accept(bmu.next_wake(), Input::Wake);
            while let Some(output) = bmu.poll_output() {
                if let Output::Can { frame, .. } = output {
                    ids.push(frame.id.raw());
                }
            }
        }
        ids
    };
    assert_eq!(ids(&mut bmu, 1_000), []);
    assert!(!bmu.is_addressed());
    let now = SimTime::from_millis(1_000);
    let high = Input::Line {
        line: Line::EnableIn,
        level: true,
    };
    bmu.accept(now, high);
    assert_eq!(
        ids(&mut bmu, 1_300),
        [0x1861_A0FE; 2],
        "it says who it is, every 200 ms"
    );
    let assign = CanFrame::new(CanId::Extended(0x1860_FFA0), &[0x2D, 0x46, 0x0F, 0, 0, 0, 7, 0]);
    bmu.accept(
        SimTime::from_millis(1_300),
        Input::Can {
            port: CLUSTER_PORT,
            frame: &assign.unwrap(),
        },
    );
    let said: Vec<Output> = core::iter::from_fn(|| bmu.poll_output()).collect();
    assert!(said.contains(&Output::Line {
        line: Line::EnableOut,
        level: true
    }));
    let heard = ids(&mut bmu, 1_500);
    assert!(
        heard.len() > 10 && heard.iter().all(|id| id & 0xFF == 7),
        "{heard:X?}"
    );
    assert!(bmu.is_addressed());
}
