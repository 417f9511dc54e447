#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use core::fmt::Write as _;

use bess_types::Quality;

use super::*;
use crate::contract::device_contract;

fn unit() -> HvUnit {
    let library = Library::shipped();
    HvUnit::new(&library.product("rig-hv-unit").unwrap(), &library, 0xB0).unwrap()
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
fn keeps_the_device_contract() {
    device_contract(|| Box::new(unit()));
}
