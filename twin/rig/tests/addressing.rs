//! BMUs of a rig get their addresses by enable chain, LSS and J1939 on the wires of the rig, and each fault of it is seen
//! there.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use std::time::Duration;

use bess_catalogue::Catalogue;
use bess_devices::Library;
use bess_rig::fault::{CATALOGUE, Layer, LinkFault};
use bess_rig::{Driver, Rig, RigCommand, RigConfig, Role, VirtualDriver};

const CONTAINER: &str = include_str!("../../../scenarios/rigs/base/container.toml");
const RIG: &str = include_str!("../../../scenarios/rigs/liquid-20ft.toml");
const CHAIN: &str = include_str!("../../../scenarios/rigs/liquid-20ft-enable-chain.toml");
const BUS: &str = "cluster-can-01";
const BCU: &str = "container-01/cluster-01/bcu";

fn load(overlay: &str) -> Result<RigConfig, String> {
    let read = |path: &str| match path {
        "top.toml" => Ok(overlay.to_owned()),
        "chain.toml" => Ok(CHAIN.to_owned()),
        "liquid-20ft.toml" => Ok(RIG.to_owned()),
        "base/container.toml" => Ok(CONTAINER.to_owned()),
        _ => Err("no such file".to_owned()),
    };
    RigConfig::load("top.toml", &Catalogue::shipped(), &read).map_err(|error| error.to_string())
}

fn rig(overlay: &str) -> VirtualDriver {
    let config = load(&format!(
        "inherits = \"chain.toml\"\n[plant]\nclusters = 1\n{overlay}"
    ))
    .unwrap();
    VirtualDriver::new(Rig::new(&config, &Library::shipped(), Role::Rig).unwrap())
}

fn by(way: &str) -> String {
    let unit = if way == "j1939" {
        "[[hv_unit]]\ntag = \"container-01/cluster-{cluster}/hv-unit\"\nsettings = { addressing = \"j1939\" }\n"
    } else {
        ""
    };
    format!(
        "[[bmu]]\ntag = \"container-01/cluster-{{cluster}}/pack-{{pack}}/bmu\"\nsettings = {{ addressing = \"{way}\" }}\n\
         [[bcu]]\ntag = \"container-01/cluster-{{cluster}}/bcu\"\nsettings = {{ addressing = \"{way}\" }}\n{unit}"
    )
}

fn run(driver: &mut VirtualDriver, millis: u64) {
    let until = driver.rig().now() + Duration::from_millis(millis);
    driver.run(until, &mut |_| false).unwrap();
}

fn get(driver: &VirtualDriver, tag: &str, point: &str) -> f64 {
    let key = driver.rig().resolve(tag, point).unwrap();
    let reading = driver.rig().observe(&key).unwrap();
    reading.ok().unwrap_or(f64::NAN)
}

/// State, addressed, failed, swapped, duplicate.
fn result(driver: &VirtualDriver) -> [f64; 5] {
    [
        "addressing-state",
        "addressed-bmus",
        "addressing-failed-position",
        "addressing-swapped-position",
        "addressing-duplicate-id",
    ]
    .map(|point| get(driver, BCU, point))
}

const ASSIGNED: f64 = 2.0;
const FAILED: f64 = 3.0;

/// Frames of the cluster's bus since the last call: identifier and payload.
fn trace(driver: &mut VirtualDriver) -> Vec<(u32, String)> {
    let mut text = Vec::new();
    driver.rig_mut().drain_candump(&mut |bus, bytes| {
        if bus == BUS {
            text.extend_from_slice(bytes);
        }
    });
    let text = String::from_utf8(text).unwrap();
    let frame = |line: &str| {
        let (id, data) = line.rsplit_once(' ').unwrap().1.split_once('#').unwrap();
        (u32::from_str_radix(id, 16).unwrap(), data.to_owned())
    };
    text.lines().map(frame).collect()
}

/// How often the BMU at each address sent its sum frame.
fn sums(trace: &[(u32, String)]) -> [usize; 9] {
    let of = |node: u32| trace.iter().filter(|(id, _)| *id == 0x1810_A000 | node).count();
    [1, 2, 3, 4, 5, 6, 7, 8, 9].map(of)
}

fn begin(driver: &mut VirtualDriver, name: &str, target: &str, given: &[(&str, f64)]) {
    let given: Vec<_> = given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect();
    let fault = LinkFault::new(name, target, &given).unwrap();
    driver.rig_mut().command(RigCommand::LinkFault(fault)).unwrap();
}

fn end(driver: &mut VirtualDriver, name: &str, target: &str) {
    let end = RigCommand::EndLinkFault {
        name: name.into(),
        target: target.into(),
    };
    driver.rig_mut().command(end).unwrap();
}

fn pack(number: usize) -> String {
    format!("container-01/cluster-01/pack-{number:02}/bmu")
}

#[test]
fn nine_bmus_are_addressed_and_heard_in_every_way_and_no_rule_is_broken() {
    for (way, within_ms) in [("enable-chain", 2_000), ("lss", 30_000), ("j1939", 2_000)] {
        let mut driver = rig(&by(way));
        run(&mut driver, 300);
        let first = trace(&mut driver);
        assert_eq!(sums(&first), [0; 9], "{way}: nobody speaks without an address");
        let claimed = |address: u32| first.iter().any(|(id, _)| *id == 0x18EE_FF00 | address);
        for address in [0xA0, 0xB0] {
            assert_eq!(
                claimed(address),
                way == "j1939",
                "{way}: BCU and measuring unit, {address:X}"
            );
        }
        run(&mut driver, within_ms - 300);
        assert_eq!(result(&driver), [ASSIGNED, 9.0, 0.0, 0.0, 0.0], "{way}");
        trace(&mut driver);
        run(&mut driver, 2_000);
        assert_eq!(sums(&trace(&mut driver)), [20; 9], "{way}");
        run(&mut driver, 3_000);
        assert_eq!(get(&driver, BCU, "packs-online"), 9.0, "{way}");
        assert_eq!(get(&driver, BCU, "alarm-level"), 0.0, "{way}");
        driver.rig_mut().finish();
        assert_eq!(driver.rig().violations(), [], "{way}");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let run_once = || {
        let mut driver = rig("");
        run(&mut driver, 3_000);
        trace(&mut driver)
    };
    let first = run_once();
    assert!(first.len() > 1_000);
    assert!(first == run_once());
}

#[test]
fn every_addressing_fault_is_seen_on_the_wire() {
    let mut seen = Vec::new();
    for kind in CATALOGUE.iter().filter(|kind| kind.layer == Layer::Addressing) {
        let mut driver = rig("");
        run(&mut driver, 2_000);
        assert_eq!(result(&driver)[0], ASSIGNED);
        let (target, given): (String, &[(&str, f64)]) = match kind.name {
            "bmu-chain" => (pack(3), &[]),
            "bmu-same-id" => (pack(5), &[("id", 2.0)]),
            "bmu-swapped" => (pack(3), &[("pack", 7.0)]),
            other => panic!("no witness for {other}"),
        };
        begin(&mut driver, kind.name, &target, given);
        // all are addressed anew
        begin(&mut driver, "can-reset", BCU, &[("off", 500.0)]);
        run(&mut driver, 6_000);
        trace(&mut driver);
        run(&mut driver, 2_000);
        let on_the_wire = sums(&trace(&mut driver));
        let (wire, results) = match kind.name {
            "bmu-chain" => ([20, 20, 20, 0, 0, 0, 0, 0, 0], [FAILED, 3.0, 4.0, 0.0, 0.0]),
            "bmu-same-id" => ([20, 40, 20, 20, 0, 20, 20, 20, 20], [FAILED, 8.0, 5.0, 0.0, 2.0]),
            _ => ([20; 9], [ASSIGNED, 9.0, 0.0, 3.0, 0.0]),
        };
        assert_eq!(on_the_wire, wire, "{}", kind.name);
        assert_eq!(result(&driver), results, "{}", kind.name);
        let serial = get(&driver, &pack(3), "serial-number");
        let other = kind.name == "bmu-swapped";
        assert_eq!(serial, if other { 1_001_007.0 } else { 1_001_003.0 });
        end(&mut driver, kind.name, &target);
        begin(&mut driver, "can-reset", BCU, &[("off", 500.0)]);
        run(&mut driver, 3_000);
        trace(&mut driver);
        run(&mut driver, 2_000);
        assert_eq!(sums(&trace(&mut driver)), [20; 9], "{} has ended", kind.name);
        assert_eq!(result(&driver), [ASSIGNED, 9.0, 0.0, 0.0, 0.0], "{}", kind.name);
        driver.rig_mut().finish();
        assert_eq!(
            driver.rig().violations(),
            [],
            "{}: the rig's own doing",
            kind.name
        );
        seen.push(kind.name);
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn a_bmu_that_comes_late_is_missed_and_then_taken() {
    let late = format!(
        "[[fault]]\nname = \"can-reset\"\ntarget = \"{}\"\nat_ms = 0\nwith = {{ off = 12000 }}\n",
        pack(6)
    );
    let mut driver = rig(&late);
    run(&mut driver, 8_000);
    assert_eq!(result(&driver), [FAILED, 5.0, 6.0, 0.0, 0.0]);
    assert_eq!(sums(&trace(&mut driver))[5..], [0; 4]);
    run(&mut driver, 6_000);
    assert_eq!(result(&driver), [ASSIGNED, 9.0, 0.0, 0.0, 0.0]);
}

#[test]
fn a_reset_in_service_gets_the_address_back_and_the_others_keep_theirs() {
    let mut driver = rig("");
    run(&mut driver, 5_000);
    trace(&mut driver);
    begin(&mut driver, "can-reset", &pack(4), &[("off", 500.0)]);
    run(&mut driver, 2_000);
    let sums = sums(&trace(&mut driver));
    assert!(sums[3] > 5 && sums[3] < 15, "{sums:?}");
    assert!(
        sums.iter().enumerate().all(|(i, count)| i == 3 || *count == 20),
        "{sums:?}"
    );
    assert_eq!(get(&driver, &pack(4), "node-id"), 4.0);
    assert_eq!(result(&driver), [ASSIGNED, 9.0, 0.0, 0.0, 0.0]);
}

#[test]
fn faults_of_the_chain_are_refused_where_there_is_none() {
    let config = load("inherits = \"liquid-20ft.toml\"\n[plant]\nclusters = 1\n").unwrap();
    let mut fixed = VirtualDriver::new(Rig::new(&config, &Library::shipped(), Role::Rig).unwrap());
    let mut command = |name: &str, target: &str, given: &[(String, f64)]| {
        let fault = LinkFault::new(name, target, given).unwrap();
        fixed
            .rig_mut()
            .command(RigCommand::LinkFault(fault))
            .map_err(|error| error.to_string())
    };
    assert!(command("bmu-chain", &pack(3), &[]).is_err());
    assert!(command("bmu-same-id", BCU, &[]).is_err());
    let nobody = command("bmu-swapped", &pack(3), &[("pack".to_owned(), 12.0)]).unwrap_err();
    assert!(
        nobody.contains("its cluster has no other BMU of pack 12"),
        "{nobody}"
    );
}

#[test]
fn bcu_and_bmus_must_go_about_it_in_the_same_way() {
    let bcu = "inherits = \"chain.toml\"\n[[bcu]]\ntag = \"container-01/cluster-{cluster}/bcu\"\n\
               settings = { addressing = \"lss\" }\n";
    let error = Rig::new(&load(bcu).unwrap(), &Library::shipped(), Role::Rig)
        .map(drop)
        .unwrap_err();
    assert!(
        error.to_string().contains("addressing = \"enable-chain\", but"),
        "{error}"
    );
}
