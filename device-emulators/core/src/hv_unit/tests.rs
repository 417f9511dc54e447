#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use core::fmt::Write as _;

use bess_types::Quality;

use super::*;
use crate::contract::device_contract;

fn unit() -> HvUnit {
    of("rig-hv-unit")
}

fn of(product: &str) -> HvUnit {
    let library = Library::shipped();
    HvUnit::new(&library.product(product).unwrap(), &library, 0xB0).unwrap()
}

fn hear(unit: &mut HvUnit, ms: u64, id: u16, data: [u8; 8]) {
    let frame = CanFrame::new(CanId::Standard(id), &data).unwrap();
    unit.accept(
        SimTime::from_millis(ms),
        Input::Can {
            port: CLUSTER_PORT,
            frame: &frame,
        },
    );
}

fn sense(unit: &mut HvUnit, channel: Channel, reading: Reading) {
    unit.accept(
        SimTime::ZERO,
        Input::Sensed {
            channel,
            readings: &[reading],
        },
    );
}

fn frames_until(unit: &mut HvUnit, until_ms: u64) -> String {
    let mut text = String::new();
    while unit.next_wake() <= SimTime::from_millis(until_ms) {
        let now = unit.next_wake();
        unit.accept(now, Input::Wake);
        while let Some(output) = unit.poll_output() {
            if let Output::Can { frame, .. } = output {
                writeln!(text, "{now} {frame}").unwrap();
            }
        }
    }
    text
}

#[test]
fn frames_with_values_and_with_codes() {
    let mut good = unit();
    sense(&mut good, Channel::ClusterVoltage, Reading::valid(1_320.04));
    sense(&mut good, Channel::BusVoltage, Reading::valid(0.26));
    sense(&mut good, Channel::ClusterCurrent, Reading::valid(-150.0));
    sense(
        &mut good,
        Channel::InsulationResistance,
        Reading::valid(2_500_400.0),
    );
    sense(&mut good, Channel::HvBoxTemperature, Reading::valid(31.4));
    let mut text = frames_until(&mut good, 300);
    text += "current beyond the range, no cluster voltage\n";
    sense(&mut good, Channel::ClusterCurrent, Reading::valid(900.0));
    let lost = Reading {
        value: 0.0,
        quality: Quality::Invalid,
    };
    sense(&mut good, Channel::ClusterVoltage, lost);
    text += &frames_until(&mut good, 320);
    text += "nothing sampled\n";
    text += &frames_until(&mut unit(), 245);
    insta::assert_snapshot!(text);
}

#[test]
fn power_off_is_silence() {
    let mut unit = unit();
    assert_ne!(frames_until(&mut unit, 600), "");
    unit.inject(&DeviceFault::PowerOff).unwrap();
    assert_eq!(frames_until(&mut unit, 2_000), "");
    unit.inject(&DeviceFault::PowerOn).unwrap();
    assert_ne!(frames_until(&mut unit, 3_000), "");
}

#[test]
fn an_ivt_s_runs_stops_and_answers() {
    let mut ivt = of("ivt-s");
    let wired: Vec<Channel> = ivt.senses().iter().map(|sense| sense.channel).collect();
    assert!(!wired.contains(&Channel::InsulationResistance), "{wired:?}");
    for (channel, value) in [
        (Channel::ClusterVoltage, 745.92),
        (Channel::BusVoltage, 745.8),
        (Channel::ClusterCurrent, -150.0),
        (Channel::HvBoxTemperature, 31.4),
    ] {
        sense(&mut ivt, channel, Reading::valid(value));
    }
    // an hour at 150 A, as far as it sees
    ivt.accept(
        SimTime::from_millis(210),
        Input::Sensed {
            channel: Channel::ClusterCurrent,
            readings: &[Reading::valid(-150.0)],
        },
    );
    let mut text = frames_until(&mut ivt, 320);
    text += "stop\n";
    hear(&mut ivt, 321, 0x411, [0x34, 0, 1, 0, 0, 0, 0, 0]);
    text += &frames_until(&mut ivt, 400);
    text += "mode?\n";
    hear(&mut ivt, 401, 0x411, [0x74, 0, 0, 0, 0, 0, 0, 0]);
    text += &frames_until(&mut ivt, 410);
    text += "start, and stay silent after the next power-up\n";
    hear(&mut ivt, 411, 0x411, [0x34, 1, 0, 0, 0, 0, 0, 0]);
    text += &frames_until(&mut ivt, 440);
    ivt.inject(&DeviceFault::PowerOff).unwrap();
    ivt.inject(&DeviceFault::PowerOn).unwrap();
    text += &frames_until(&mut ivt, 2_000);
    insta::assert_snapshot!(text);
}

#[test]
fn an_iso165c_reports_and_is_asked() {
    let mut monitor = of("iso165c");
    assert_eq!(monitor.senses().len(), 1);
    let mut text = frames_until(&mut monitor, 1_500);
    sense(&mut monitor, Channel::InsulationResistance, Reading::valid(4.2e5));
    text += &frames_until(&mut monitor, 2_500);
    hear(&mut monitor, 2_600, 0x22, [0x4C, 0, 0, 0, 0, 0, 0, 0]);
    text += &frames_until(&mut monitor, 2_700);
    insta::assert_snapshot!(text);
}

#[test]
fn keeps_the_device_contract() {
    for product in ["rig-hv-unit", "ivt-s", "iso165c"] {
        device_contract(|| Box::new(of(product)));
    }
}

#[test]
fn one_on_a_j1939_network_claims_its_address_before_it_speaks() {
    let library = Library::shipped();
    let with = |way: &str| {
        let mut settings = toml::Table::new();
        settings.insert("addressing".into(), way.into());
        let product = library.product("rig-hv-unit").unwrap().with_settings(&settings);
        HvUnit::new(&product, &library, 0xB0)
    };
    assert!(with("lss").is_err());
    device_contract(|| Box::new(with("j1939").unwrap()));
    let mut unit = with("j1939").unwrap();
    let mut sent = Vec::new();
    while unit.next_wake() <= SimTime::from_millis(600) {
        let now = unit.next_wake();
        unit.accept(now, Input::Wake);
        while let Some(output) = unit.poll_output() {
            if let Output::Can { frame, .. } = output {
                sent.push(((now - SimTime::ZERO).as_millis(), frame));
            }
        }
    }
    assert_eq!(
        (sent[0].0, sent[0].1.to_string()),
        (200, "18EEFFB0#0000000010040050".to_owned())
    );
    assert!(sent.len() > 5 && sent[1].0 >= 450, "{sent:?}");
    // a lower NAME takes the address: it falls silent
    let lower = CanFrame::new(CanId::Extended(0x18EE_FFB0), &[1, 0, 0, 0, 0, 4, 0, 0x50]).unwrap();
    assert!(unit.hears(0, lower.id));
    let now = SimTime::from_millis(600);
    unit.accept(
        now,
        Input::Can {
            port: 0,
            frame: &lower,
        },
    );
    assert!(!unit.is_addressed());
    let mut said = Vec::new();
    while unit.next_wake() < SimTime::NEVER {
        unit.accept(unit.next_wake(), Input::Wake);
        while let Some(Output::Can { frame, .. }) = unit.poll_output() {
            said.push(frame.to_string());
        }
    }
    assert_eq!(said, ["18EEFFFE#0000000010040050"]);
}
