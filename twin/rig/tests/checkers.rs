//! Each checker fires on a rig that breaks its rule. (Periods, life counters and energy: beside the code.)

#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use std::time::Duration;

use bess_catalogue::Catalogue;
use bess_devices::Library;
use bess_devices::defects::Defect;
use bess_devices::hmi::HmiTarget;
use bess_plant::PlantFault;
use bess_rig::{Driver, Rig, RigCommand, RigConfig, Role, VirtualDriver, WireInput};
use bess_types::{CanFrame, CanId};

const CONTAINER: &str = include_str!("../../../scenarios/rigs/base/container.toml");
const RIG: &str = include_str!("../../../scenarios/rigs/liquid-20ft.toml");

fn driver(defect: Option<Defect>) -> VirtualDriver {
    let container = "container = \"liq-20ft-1267\"";
    assert!(RIG.contains(container));
    let text = RIG.replace(container, &format!("{container}\nclusters = 3"));
    let read = |path: &str| match path {
        "rig.toml" => Ok(text.clone()),
        "base/container.toml" => Ok(CONTAINER.to_owned()),
        _ => Err("no such file".to_owned()),
    };
    let config = RigConfig::load("rig.toml", &Catalogue::shipped(), &read).unwrap();
    let config = match defect {
        Some(defect) => config.with_defect(defect),
        None => config,
    };
    VirtualDriver::new(Rig::new(&config, &Library::shipped(), Role::Rig).unwrap())
}

fn run(driver: &mut VirtualDriver, seconds: u64) {
    driver
        .run(driver.rig().now() + Duration::from_secs(seconds), &mut |_| false)
        .unwrap();
}

fn start(driver: &mut VirtualDriver) {
    run(driver, 3);
    for (point, value) in [("mode", 1.0), ("command", 1.0)] {
        let command = RigCommand::Operator {
            target: HmiTarget::Ems,
            point: point.into(),
            value,
        };
        driver.rig_mut().command(command).unwrap();
    }
    run(driver, 15);
}

fn found(driver: &VirtualDriver) -> Vec<&'static str> {
    let mut found: Vec<_> = driver
        .rig()
        .violations()
        .iter()
        .map(|violation| violation.checker)
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn a_sound_start_breaks_no_rule() {
    let mut driver = driver(None);
    start(&mut driver);
    driver.rig_mut().finish();
    assert_eq!(driver.rig().violations(), []);
}

#[test]
fn closing_without_precharge_is_a_closing_gap() {
    let mut driver = driver(Some(Defect::NoPrecharge));
    start(&mut driver);
    assert!(
        found(&driver).contains(&"closing-gap"),
        "{:?}",
        driver.rig().violations()
    );
}

#[test]
fn joining_a_live_bus_across_a_gap_is_a_closing_gap() {
    let mut driver = driver(Some(Defect::ClosesOntoVoltageGap));
    driver
        .rig_mut()
        .command(RigCommand::Fault(PlantFault::ClusterSoc {
            cluster: 2,
            soc: 0.05,
        }))
        .unwrap();
    start(&mut driver);
    assert!(
        found(&driver).contains(&"closing-gap"),
        "{:?}",
        driver.rig().violations()
    );
}

#[test]
fn a_foreign_frame_with_an_owned_id_is_a_duplicate() {
    let mut driver = driver(None);
    run(&mut driver, 1);
    // BMU_SUM of pack 1, which the rig's own BMU sends on cluster bus 1.
    let frame = CanFrame::new(CanId::Extended(0x1810_A001), &[0; 8]).unwrap();
    let now = driver.rig().now();
    driver.rig_mut().offer(now, WireInput::Can { bus: 0, frame });
    assert_eq!(found(&driver), ["duplicate-can-id"]);
}

#[test]
fn a_frozen_heartbeat_is_a_standing_life_counter() {
    let mut driver = driver(Some(Defect::FrozenHeartbeat));
    run(&mut driver, 5);
    assert!(
        found(&driver).contains(&"life-counter"),
        "{:?}",
        driver.rig().violations()
    );
}

#[test]
fn events_are_in_order_of_time() {
    let mut driver = driver(None);
    start(&mut driver);
    let events = driver.rig().events();
    assert!(events.len() > 100);
    assert!(events.is_sorted_by_key(|event| event.at));
}
