//! Every link fault is seen on the wire, ends cleanly, and leaves a mark in the event log and in the trace.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use std::collections::BTreeMap;
use std::time::Duration;

use bess_catalogue::Catalogue;
use bess_devices::Library;
use bess_devices::codec::can::Profile;
use bess_rig::fault::{CATALOGUE, FaultKind, Layer, LinkFault};
use bess_rig::{
    CommandError, Driver, MessageKind, ModbusMessage, Rig, RigCommand, RigConfig, Role, VirtualDriver,
    WireFault, WireInput, WireOutput,
};
use bess_types::{ModbusData, ModbusException, ModbusReply, ModbusRequest, SimTime, Table};

const CONTAINER: &str = include_str!("../../../scenarios/rigs/base/container.toml");
const RIG: &str = include_str!("../../../scenarios/rigs/liquid-20ft.toml");
const BUS: &str = "cluster-can-01";
const BMU: &str = "container-01/cluster-01/pack-03/bmu";
/// What the BMU of pack 3 sends, and the cell frame among it.
const NODE: u32 = 0x03;
const CELLS: u32 = 0x1820_A003;

fn load(overlay: &str) -> Result<RigConfig, String> {
    let top = format!("inherits = \"rig.toml\"\n[plant]\nclusters = 1\n{overlay}");
    let read = |path: &str| match path {
        "top.toml" => Ok(top.clone()),
        "rig.toml" => Ok(RIG.to_owned()),
        "base/container.toml" => Ok(CONTAINER.to_owned()),
        _ => Err("no such file".to_owned()),
    };
    RigConfig::load("top.toml", &Catalogue::shipped(), &read).map_err(|error| error.to_string())
}

const TIMED: &str = "[[can_bus]]\nname = \"cluster-can-{cluster}\"\nattach = \"timed\"\n";

/// The shipped files, but the last byte of BMU_BALMAP is a checksum.
fn library() -> Library {
    let mut library = Library::shipped();
    for (file, from, to) in [
        (
            "dbc/rig-cluster.dbc",
            "BalmapReserved : 44|20@1+ (1,0) [0|1048575] \"\" BCU",
            "BalmapReserved : 44|12@1+ (1,0) [0|4095] \"\" BCU\n SG_ Crc : 56|8@1+ (1,0) [0|255] \"\" BCU",
        ),
        (
            "products/bmu.toml",
            "constant = { BalmapReserved = 0 }",
            "constant = { BalmapReserved = 0 }\nchecksum = { signal = \"Crc\", profile = \"crc8\" }",
        ),
    ] {
        let text = library.text_of(&format!("device-emulators/data/{file}")).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        let text = text.replace(from, to);
        library.overlay("own", file, &text);
    }
    library
}

fn driver(overlay: &str) -> VirtualDriver {
    let config = load(overlay).unwrap();
    VirtualDriver::new(Rig::new(&config, &library(), Role::Rig).unwrap())
}

fn run(driver: &mut VirtualDriver, millis: u64) {
    let until = driver.rig().now() + Duration::from_millis(millis);
    driver.run(until, &mut |_| false).unwrap();
}

#[derive(Clone, Debug, PartialEq)]
struct Line {
    at_s: f64,
    id: u32,
    data: String,
}

/// The trace of the cluster's bus since the last call.
fn trace(driver: &mut VirtualDriver) -> Vec<Line> {
    let mut text = Vec::new();
    driver.rig_mut().drain_candump(&mut |bus, bytes| {
        if bus == BUS {
            text.extend_from_slice(bytes);
        }
    });
    let text = String::from_utf8(text).unwrap();
    let line = |line: &str| {
        let (time, rest) = line.strip_prefix('(').unwrap().split_once(')').unwrap();
        let (id, data) = rest.rsplit_once(' ').unwrap().1.split_once('#').unwrap();
        Line {
            at_s: time.parse().unwrap(),
            id: u32::from_str_radix(id, 16).unwrap(),
            data: data.into(),
        }
    };
    text.lines().map(line).collect()
}

fn of_node(lines: &[Line]) -> Vec<&Line> {
    let own = |line: &&Line| line.id & 0xFF == NODE && line.id < 0x2000_0000;
    lines.iter().filter(own).collect()
}

fn marks(lines: &[Line]) -> Vec<String> {
    let marks = lines.iter().filter(|line| line.id == 0x2000_0000);
    marks
        .map(|line| {
            let bytes = (0..8).map(|i| u8::from_str_radix(&line.data[2 * i..2 * i + 2], 16).unwrap());
            String::from_utf8(bytes.collect()).unwrap().trim_end().to_owned()
        })
        .collect()
}

fn errors(lines: &[Line]) -> usize {
    lines.iter().filter(|line| line.id > 0x2000_0000).count()
}

/// Two seconds before, during and after a fault.
struct Seen {
    before: Vec<Line>,
    during: Vec<Line>,
    after: Vec<Line>,
    load: f64,
    off: f64,
}

fn with_fault(overlay: &str, name: &str, target: &str, given: &[(&str, f64)]) -> Seen {
    let mut driver = driver(overlay);
    run(&mut driver, 2_000);
    trace(&mut driver);
    run(&mut driver, 2_000);
    let before = trace(&mut driver);
    let given: Vec<_> = given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect();
    let fault = LinkFault::new(name, target, &given).unwrap();
    driver.rig_mut().command(RigCommand::LinkFault(fault)).unwrap();
    run(&mut driver, 2_500);
    let during = trace(&mut driver);
    let figure = |driver: &VirtualDriver, figure: &str| {
        let key = driver.rig().resolve(&format!("bus:{BUS}"), figure);
        key.and_then(|key| driver.rig().observe(&key))
            .map_or(f64::NAN, |reading| reading.value)
    };
    let (load, off) = (figure(&driver, "load"), figure(&driver, "nodes-off"));
    let end = RigCommand::EndLinkFault {
        name: name.into(),
        target: target.into(),
    };
    // a reset ends by itself
    let ended = driver.rig_mut().command(end);
    assert_eq!(ended.is_ok(), name != "can-reset", "{name}: {ended:?}");
    let mut after = trace(&mut driver);
    assert_eq!(
        marks(&[during.clone(), after.clone()].concat()),
        ["+", "-"].map(|sign| format!("{sign}{}", &name["can-".len()..][..(name.len() - 4).min(7)])),
        "{name}"
    );
    run(&mut driver, 1_000);
    trace(&mut driver);
    run(&mut driver, 2_000);
    after = trace(&mut driver);
    let told: Vec<f64> = driver
        .rig()
        .events()
        .iter()
        .filter(|event| event.point == "link-fault")
        .map(|event| event.value)
        .collect();
    assert_eq!(told, [1.0, 0.0], "{name}");
    let words: Vec<&str> = driver
        .rig()
        .events()
        .iter()
        .filter(|event| event.point == "link-fault")
        .map(|event| event.text.as_str())
        .collect();
    assert!(words[0].starts_with(&format!("begins: {name}")), "{words:?}");
    assert!(words[1].starts_with(&format!("ends: {name}")), "{words:?}");
    driver.rig_mut().finish();
    assert_eq!(
        driver.rig().violations(),
        [],
        "{name}: the rig's own doing is held against nobody"
    );
    Seen {
        before,
        during,
        after,
        load,
        off,
    }
}

fn payloads(lines: &[Line], id: u32) -> Vec<&str> {
    lines
        .iter()
        .filter(|line| line.id == id)
        .map(|line| line.data.as_str())
        .collect()
}

/// What a fault does on the wire.
type Witness = fn(&Seen);
/// Whether the bus is a timed one, the target, the numbers, and what is seen.
type Case = (bool, &'static str, Vec<(&'static str, f64)>, Witness);

fn witnesses() -> BTreeMap<&'static str, Case> {
    let gone: Witness = |seen| assert_eq!(of_node(&seen.during).len(), 0);
    let mut all: BTreeMap<_, Case> = BTreeMap::new();
    all.insert("can-drop", (false, BMU, vec![], gone));
    all.insert(
        "can-bus-off",
        (true, BMU, vec![], |seen| {
            assert!(of_node(&seen.during).is_empty() && seen.off == 1.0);
        }),
    );
    all.insert("can-disconnect", (true, BMU, vec![], gone));
    all.insert(
        "can-short",
        (true, BUS, vec![], |seen| {
            assert!(of_node(&seen.during).is_empty());
            // of nine BMUs at least, each up to bus-off
            assert!(errors(&seen.during) >= 32 * 9 && seen.off >= 1.0, "{}", seen.off);
        }),
    );
    all.insert(
        "can-disturb",
        (true, BMU, vec![("share", 0.5)], |seen| {
            assert_eq!(errors(&seen.before), 0);
            assert!(errors(&seen.during) > 30);
        }),
    );
    all.insert(
        "can-twin",
        (true, BMU, vec![], |seen| assert!(errors(&seen.during) > 10)),
    );
    all.insert(
        "can-babble",
        (true, BMU, vec![], |seen| {
            assert!(seen.load > 99.0, "{}", seen.load);
            assert_eq!(
                of_node(&seen.during).len(),
                0,
                "identifier 0 leaves nothing to others"
            );
        }),
    );
    all.insert(
        "can-delay",
        (false, BMU, vec![("by", 30.0)], |seen| {
            // 200 ms apart before and during, and once 230
            let times: Vec<f64> = [&seen.before[..], &seen.during]
                .concat()
                .iter()
                .filter(|line| line.id == CELLS)
                .map(|line| line.at_s)
                .collect();
            let gaps: Vec<f64> = times.windows(2).map(|t| t[1] - t[0]).collect();
            assert_eq!(
                gaps.iter().filter(|gap| (**gap - 0.23).abs() < 1e-3).count(),
                1,
                "{gaps:?}"
            );
            assert!(
                gaps.iter()
                    .all(|gap| (gap - 0.2).abs() < 1e-3 || (gap - 0.23).abs() < 1e-3)
            );
        }),
    );
    all.insert(
        "can-jitter",
        (false, BMU, vec![("up-to", 30.0)], |seen| {
            let times: Vec<f64> = seen
                .during
                .iter()
                .filter(|l| l.id == CELLS)
                .map(|l| l.at_s)
                .collect();
            let gaps = times.windows(2).map(|t| t[1] - t[0]);
            let (low, high) = gaps.fold((9.0_f64, 0.0_f64), |(low, high), gap| {
                (low.min(gap), high.max(gap))
            });
            assert!(
                low < 0.198 && high > 0.202 && low > 0.17 && high < 0.23,
                "{low} {high}"
            );
        }),
    );
    all.insert(
        "can-duplicate",
        (false, BMU, vec![], |seen| {
            let (before, during) = (of_node(&seen.before).len(), of_node(&seen.during).len());
            assert!(
                (during as f64 / before as f64 - 2.5).abs() < 0.1,
                "{before} {during}"
            );
        }),
    );
    all.insert(
        "can-reorder",
        (false, BMU, vec![("id", f64::from(CELLS))], |seen| {
            let order = |lines: &[Line]| {
                let lines = of_node(lines);
                let at = lines.iter().position(|line| line.id == CELLS).unwrap();
                lines[at + 1].id
            };
            assert_eq!(order(&seen.before), CELLS + 0x1_0000);
            let lines = of_node(&seen.during);
            let at = lines.iter().position(|line| line.id == CELLS).unwrap();
            assert_eq!(lines[at - 1].id, CELLS + 0x1_0000, "the next one went first");
        }),
    );
    all.insert(
        "can-corrupt",
        (
            false,
            BMU,
            vec![("id", f64::from(CELLS)), ("bits", 3.0)],
            |seen| {
                let normal = u64::from_str_radix(payloads(&seen.before, CELLS)[0], 16).unwrap();
                for payload in payloads(&seen.during, CELLS) {
                    let bits = (u64::from_str_radix(payload, 16).unwrap() ^ normal).count_ones();
                    // noise of the sensors turns over low bits as well
                    assert!((1..=24).contains(&bits), "{bits}");
                }
                let high = |payload: &str| (0..4).any(|i| !payload[4 * i + 2..4 * i + 4].starts_with('0'));
                assert!(
                    payloads(&seen.during, CELLS)
                        .into_iter()
                        .filter(|p| high(p))
                        .count()
                        > 3
                );
                assert_eq!(
                    payloads(&seen.before, CELLS)
                        .into_iter()
                        .filter(|p| high(p))
                        .count(),
                    0
                );
            },
        ),
    );
    all.insert(
        "can-length",
        (false, BMU, vec![("bytes", 3.0)], |seen| {
            assert!(of_node(&seen.during).iter().all(|line| line.data.len() == 6));
        }),
    );
    all.insert(
        "can-id",
        (false, BMU, vec![("add", 64.0)], |seen| {
            assert_eq!(of_node(&seen.during).len(), 0);
            assert!(!payloads(&seen.during, CELLS + 64).is_empty());
        }),
    );
    all.insert(
        "can-stale",
        (false, BMU, vec![], |seen| {
            let during = payloads(&seen.during, CELLS);
            assert!(during.len() > 8 && during.windows(2).all(|two| two[0] == two[1]));
            let before = payloads(&seen.before, CELLS);
            assert!(before.windows(2).any(|two| two[0] != two[1]));
        }),
    );
    all.insert(
        "can-counter",
        (false, BMU, vec![], |seen| {
            let counts = |lines: &[Line]| {
                let stat = of_node(lines).into_iter().filter(|line| line.id >> 16 == 0x1840);
                let mut counts: Vec<_> = stat.map(|line| line.data[14..].to_owned()).collect();
                counts.dedup();
                counts.len()
            };
            assert!(counts(&seen.before) > 2 && counts(&seen.during) == 1 && counts(&seen.after) > 2);
        }),
    );
    all.insert(
        "can-checksum",
        (false, BMU, vec![], |seen| {
            let right = |lines: &[Line]| {
                let balmap = payloads(lines, 0x1841_A003);
                assert!(balmap.len() >= 2);
                let bytes = |payload: &str| -> Vec<u8> {
                    let byte = |i: usize| u8::from_str_radix(&payload[2 * i..2 * i + 2], 16).unwrap();
                    (0..8).map(byte).collect()
                };
                let holds = |payload: &&str| {
                    let bytes = bytes(payload);
                    Profile::Crc8.of(bytes[..7].iter().copied()) == u16::from(bytes[7])
                };
                balmap.iter().filter(|payload| holds(payload)).count() as f64 / balmap.len() as f64
            };
            let shares = [&seen.before, &seen.during, &seen.after].map(|lines| right(lines));
            assert_eq!(shares, [1.0, 0.0, 1.0], "share of right checksums");
        }),
    );
    all.insert(
        "can-reset",
        (false, BMU, vec![("off", 800.0)], |seen| {
            let times: Vec<f64> = of_node(&seen.during).iter().map(|line| line.at_s).collect();
            let begin = seen.during[0].at_s;
            // without supply, and then in its self-test
            assert!(times.iter().all(|at| at - begin > 0.79), "{times:?} {begin}");
        }),
    );
    all
}

#[test]
fn every_can_fault_is_seen_on_the_wire_and_ends() {
    let witnesses = witnesses();
    let known: Vec<&str> = CATALOGUE
        .iter()
        .filter(|kind| kind.layer == Layer::Can)
        .map(|kind| kind.name)
        .collect();
    for (name, (timed, target, given, witness)) in &witnesses {
        let seen = with_fault(if *timed { TIMED } else { "" }, name, target, given);
        witness(&seen);
        let (before, after) = (of_node(&seen.before).len(), of_node(&seen.after).len());
        assert!(
            before.abs_diff(after) <= before / 20 + 2,
            "{name}: {before} frames before, {after} after"
        );
    }
    let missing: Vec<_> = known
        .iter()
        .filter(|name| !witnesses.contains_key(*name))
        .collect();
    assert!(missing.is_empty(), "no witness for {missing:?}");
}

/// Faults of devices themselves that this rig's devices cannot have, and why.
#[test]
fn a_fault_its_device_cannot_have_is_refused_in_steps_and_when_the_rig_file_is_read() {
    const HV: &str = "container-01/cluster-01/hv-unit";
    let mut driver = driver("");
    for (name, target, numbers, why) in [
        (
            "can-checksum",
            HV,
            "",
            "none of the messages it sends has a checksum",
        ),
        (
            "bmu-chain",
            BMU,
            "",
            "its address does not come by an enable line (setting `addressing`)",
        ),
        (
            "bmu-same-id",
            BMU,
            "id = 3.0",
            "its address is fixed (setting `addressing`)",
        ),
        (
            "bmu-swapped",
            BMU,
            "pack = 2.0",
            "its address is fixed (setting `addressing`)",
        ),
    ] {
        let given: Vec<_> = numbers
            .split_once(" = ")
            .map(|(key, value)| (key.to_owned(), value.parse().unwrap()))
            .into_iter()
            .collect();
        let fault = LinkFault::new(name, target, &given).unwrap();
        let error = driver
            .rig_mut()
            .command(RigCommand::LinkFault(fault))
            .unwrap_err();
        let told = format!("fault {name} cannot hit `{target}`: {why}");
        assert_eq!(error.to_string(), told);
        let planned = format!(
            "[[fault]]\nname = \"{name}\"\ntarget = \"{target}\"\nat_ms = 1000\nwith = {{ {numbers} }}\n"
        );
        let Err(error) = Rig::new(&load(&planned).unwrap(), &library(), Role::Rig) else {
            panic!("{name} is taken");
        };
        assert!(error.to_string().contains(&told), "{error}");
    }
}

#[test]
fn faults_work_without_a_timed_bus_too() {
    for (name, target) in [("can-bus-off", BMU), ("can-disconnect", BMU), ("can-short", BUS)] {
        let seen = with_fault("", name, target, &[]);
        assert_eq!(of_node(&seen.during).len(), 0, "{name}");
    }
    let seen = with_fault("", "can-babble", BMU, &[("id", 5.0), ("every", 10.0)]);
    assert_eq!(payloads(&seen.during, 5).len(), 251);
    let seen = with_fault("", "can-twin", BMU, &[]);
    assert!(of_node(&seen.during).len() > 2 * of_node(&seen.before).len());
}

#[test]
fn a_timed_cluster_bus_has_the_load_of_its_frames_and_breaks_no_rule() {
    let mut driver = driver(TIMED);
    run(&mut driver, 5_000);
    let rig = driver.rig();
    let key = rig.resolve("bus:cluster-can-01", "load").unwrap();
    let load = rig.observe(&key).unwrap().value;
    // nine BMUs of 44 cells at 500 kbit/s: 22 % if all their frames came at 200 ms, but temperatures come at 1 s
    assert!((16.0..22.0).contains(&load), "{load} %");
    assert_eq!(rig.counters().frames_lost, 0);
    driver.rig_mut().finish();
    assert_eq!(driver.rig().violations(), []);
}

#[test]
fn a_slow_bus_loses_frames_and_the_rig_says_so() {
    let slow = format!("{TIMED}bit_rate = 50000\nqueue = 8\n");
    let mut driver = driver(&slow);
    run(&mut driver, 5_000);
    assert!(driver.rig().counters().frames_lost > 100);
    driver.rig_mut().finish();
    assert!(
        driver
            .rig()
            .violations()
            .iter()
            .any(|violation| violation.checker == "cyclic-period")
    );
}

#[test]
fn a_timed_run_is_the_same_again() {
    let trace_of = || {
        let mut driver = driver(TIMED);
        let fault = LinkFault::new("can-disturb", BMU, &[("share".into(), 0.3)]).unwrap();
        driver.rig_mut().command(RigCommand::LinkFault(fault)).unwrap();
        run(&mut driver, 3_000);
        trace(&mut driver)
    };
    let (first, second) = (trace_of(), trace_of());
    assert!(errors(&first) > 10);
    assert!(first == second);
}

#[test]
fn wrong_targets_are_refused() {
    let mut driver = driver("");
    let mut told = |name: &str, target: &str| {
        let fault = LinkFault::new(name, target, &[]).unwrap();
        driver
            .rig_mut()
            .command(RigCommand::LinkFault(fault))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        told("can-drop", "nobody"),
        "fault can-drop cannot hit `nobody`: it is neither a device's tag nor one of the buses cluster-can-01, stack-can"
    );
    assert!(told("can-short", BMU).ends_with("it hits a bus, not a device"));
    assert!(told("can-twin", BUS).ends_with("it hits a device, not a bus"));
    assert!(told("can-drop", &format!("{BMU}@stack-can")).ends_with("it is on no such CAN bus"));
    assert!(told("can-disturb", BMU).contains("keeps no time"));
    let end = RigCommand::EndLinkFault {
        name: "can-drop".into(),
        target: BMU.into(),
    };
    let error = driver.rig_mut().command(end).unwrap_err();
    assert!(matches!(error, CommandError::NoSuchFault { .. }));
}

#[test]
fn timing_belongs_to_timed_buses_and_has_limits() {
    let wrong = |overlay: &str| load(overlay).unwrap_err();
    assert!(
        wrong("[[can_bus]]\nname = \"stack-can\"\nbit_rate = 250000\n")
            .contains("keeps no time on its wires")
    );
    let timed = "[[can_bus]]\nname = \"stack-can\"\nattach = \"timed\"\n";
    assert!(wrong(&format!("{timed}bit_rate = 2000000\n")).contains("10000 to 1000000"));
    assert!(wrong(&format!("{timed}queue = 0\n")).contains("1 to 4096"));
    assert!(wrong(&format!("{timed}restart_ms = 60001\n")).contains("0 to 60000"));
    assert!(load(&format!("{timed}bit_rate = 250000\nqueue = 16\n")).is_ok());
}

#[test]
fn a_rig_file_can_have_faults_of_its_own() {
    let fault = format!(
        "[[fault]]\nname = \"can-drop\"\ntarget = \"{BMU}\"\nat_ms = 3000\nfor_ms = 1000\nwith = {{ share = 1.0 }}\n"
    );
    let mut driver = driver(&fault);
    run(&mut driver, 6_000);
    let lines = trace(&mut driver);
    let of_second = |second: f64| {
        let lines = of_node(&lines);
        lines.iter().filter(|line| line.at_s.floor() == second).count()
    };
    assert!(of_second(2.0) > 50 && of_second(5.0) > 50);
    assert_eq!(of_second(3.0), 0);
    assert_eq!(marks(&lines), ["+drop", "-drop"]);

    assert!(
        load(&fault.replace("share", "shear"))
            .unwrap_err()
            .contains("has no parameter `shear`")
    );
    let nobody = load(&fault.replace("pack-03", "pack-33")).unwrap();
    let error = Rig::new(&nobody, &Library::shipped(), Role::Rig).err().unwrap();
    assert!(
        error
            .to_string()
            .contains("neither a device's tag nor one of the buses"),
        "{error}"
    );
}

const CHILLER: &str = "container-01/chiller";

/// What a client on the wire reads of the chiller's first eight state registers, and after how long.
fn read_chiller(driver: &mut VirtualDriver, config: &RigConfig) -> Option<(ModbusReply, Duration)> {
    let tag = |device: &&bess_rig::config::DeviceConfig| device.tag.to_string() == CHILLER;
    let server = config.devices.iter().position(|device| tag(&device)).unwrap();
    let asked = driver.rig().now();
    let request = ModbusRequest::Read {
        table: Table::Holding,
        address: 100,
        count: 8,
    };
    let input = WireInput::ModbusRequest {
        client: bess_types::ModbusClient::default(),
        server,
        unit: config.devices[server].unit,
        request,
        wire_token: 7,
    };
    driver.rig_mut().offer(asked, input);
    for _ in 0..200 {
        while let Some(output) = driver.rig_mut().poll_wire() {
            if let WireOutput::ModbusReply {
                wire_token: 7, reply, ..
            } = output
            {
                let took = driver.rig().now().since(asked);
                return reply.map(|reply| (reply, took));
            }
        }
        let next = driver.rig().now() + Duration::from_millis(10);
        driver.rig_mut().advance_to(next);
    }
    None
}

fn registers(read: Option<(ModbusReply, Duration)>) -> Vec<u16> {
    match read {
        Some((Ok(ModbusData::Registers(registers)), _)) => registers,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_modbus_fault_is_seen_by_a_client_and_ends() {
    let config = load("").unwrap();
    let mut seen = Vec::new();
    let of_requests = |kind: &&FaultKind| {
        kind.layer == Layer::Modbus && !LinkFault::new(kind.name, CHILLER, &[]).unwrap().is_of_bytes()
    };
    for kind in CATALOGUE.iter().filter(of_requests) {
        let mut driver = driver("");
        run(&mut driver, 5_000);
        let before = registers(read_chiller(&mut driver, &config));
        let fault = LinkFault::new(kind.name, CHILLER, &[]).unwrap();
        driver.rig_mut().command(RigCommand::LinkFault(fault)).unwrap();
        let during = read_chiller(&mut driver, &config);
        match kind.name {
            "modbus-silence" => assert!(during.is_none()),
            "modbus-restart" => {
                assert!(during.is_none(), "off, then starting");
                run(&mut driver, 11_000);
            }
            "modbus-delay" => {
                let (reply, took) = during.unwrap();
                assert!(reply.is_ok() && took >= Duration::from_millis(200), "{took:?}");
            }
            "modbus-exception" => {
                assert_eq!(during.unwrap().0, Err(ModbusException::ServerDeviceFailure));
            }
            "modbus-frozen" => {
                let first = registers(during);
                run(&mut driver, 120_000);
                assert_eq!(registers(read_chiller(&mut driver, &config)), first);
            }
            "modbus-byte-swap" => {
                let swapped: Vec<u16> = registers(during).into_iter().map(u16::swap_bytes).collect();
                assert_eq!(swapped[0], before[0]);
                assert!(swapped[2].abs_diff(before[2]) < 20);
            }
            "modbus-word-swap" => {
                let swapped = registers(during);
                assert_eq!((swapped[0], swapped[1]), (before[1], before[0]));
            }
            "modbus-not-available" => assert_eq!(registers(during), [0x8000; 8]),
            other => panic!("no witness for {other}"),
        }
        let end = RigCommand::EndLinkFault {
            name: kind.name.into(),
            target: CHILLER.into(),
        };
        if kind.name != "modbus-restart" {
            driver.rig_mut().command(end).unwrap();
        }
        let after = registers(read_chiller(&mut driver, &config));
        assert!(
            after[2].abs_diff(before[2]) < 100,
            "{}: {before:?} {after:?}",
            kind.name
        );
        seen.push(kind.name);
    }
    assert_eq!(seen.len(), 8);
}

#[test]
fn modbus_messages_are_kept_with_what_faults_do_to_them() {
    let trace = || {
        let mut driver = driver("");
        driver.rig_mut().record_modbus();
        run(&mut driver, 5_000);
        for name in ["modbus-delay", "modbus-truncate"] {
            let fault = LinkFault::new(name, CHILLER, &[]).unwrap();
            driver.rig_mut().command(RigCommand::LinkFault(fault)).unwrap();
        }
        run(&mut driver, 10_000);
        driver.rig_mut().drain_modbus()
    };
    let messages = trace();
    assert_eq!(messages, trace());
    let (mut well, mut hit) = (0, 0);
    for reply in messages.iter().filter(|one| one.kind == MessageKind::Reply) {
        let asks = |one: &&ModbusMessage| one.kind == MessageKind::Request && one.number == reply.number;
        let request = messages.iter().find(asks).unwrap();
        assert_eq!((&request.client, &request.server), (&reply.client, &reply.server));
        assert_eq!(request.pdu[0], reply.pdu[0] & 0x7F);
        let took = reply.at.since(request.at);
        if reply.server == CHILLER && request.at > SimTime::from_millis(5_000) {
            assert!(took >= Duration::from_millis(200), "{took:?}");
            assert!(
                matches!(reply.faults[..], [WireFault::Truncate { .. }]),
                "{:?}",
                reply.faults
            );
            assert_eq!(request.under, ["modbus-delay", "modbus-truncate"]);
            assert_eq!(reply.under, request.under);
            hit += 1;
        } else {
            // What a device takes itself; 20 ms are the slowest one's.
            assert!(took <= Duration::from_millis(20), "{took:?}");
            assert_eq!(reply.faults, []);
            assert!(reply.under.is_empty());
            well += 1;
        }
    }
    assert!(well > 100 && hit > 3, "{well} {hit}");
}

/// Silence, and every fault of bytes after which nothing of a reply is left that a client could take.
#[test]
fn a_controller_notices_a_server_that_does_not_answer() {
    for name in [
        "silence",
        "truncate",
        "merge",
        "reset",
        "half-open",
        "refuse",
        "wrong-transaction",
        "wrong-unit",
    ] {
        let mut driver = driver("");
        run(&mut driver, 10_000);
        let fault = LinkFault::new(&format!("modbus-{name}"), "container-01/pcs", &[]).unwrap();
        driver.rig_mut().command(RigCommand::LinkFault(fault)).unwrap();
        let before = driver.rig().counters().modbus_requests;
        run(&mut driver, 10_000);
        assert!(
            driver.rig().counters().modbus_requests > before + 10,
            "it keeps asking"
        );
        let noticed = driver.rig().events().iter().any(|event| {
            event.tag.to_string() == "container-01/bau" && event.point == "pcs-online" && event.value == 0.0
        });
        assert!(noticed, "the BAU has lost the PCS under {name}");
    }
}

#[test]
fn who_cannot_connect_cannot_in_part() {
    let error = LinkFault::new("modbus-refuse", CHILLER, &[("share".into(), 0.5)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "share of fault modbus-refuse is 0.5, outside 1 to 1"
    );
}

#[test]
fn can_fd_is_refused_where_the_wire_has_classic_frames_only() {
    let mut library = Library::shipped();
    let dbc = "VERSION \"\"\n\nBS_:\n\nBU_: A B\n\nBO_ 803 LONG: 12 A\n \
               SG_ Sync : 0|8@1+ (1,0) [0|255] \"\" B\n \
               SG_ Cell : 8|16@1+ (0.001,0) [0|65.535] \"V\" B\n SG_ Temp : 24|8@1+ (1,-40) [-40|215] \"degC\" B\n";
    library.overlay("own", "dbc/fd.dbc", dbc);
    let product = "id = \"fd\"\ninherits = \"rig-bmu-44\"\ntitle = \"FD\"\n[[can]]\nport = \"cluster\"\ndbc = \"fd.dbc\"\n\
                   node_in = \"added\"\n[[can.transmit]]\nmessage = \"LONG\"\nbind = { Sync = \"sync-counter\", Cell = \"cell[0].voltage\", Temp = \"temperature[0]\" }\n";
    library.overlay("own", "products/fd.toml", product);
    let bmu = "[[bmu]]\ntag = \"container-01/cluster-{cluster}/pack-{pack}/bmu\"\nproduct = \"fd\"\n";
    let built = |bus: &str| {
        let config = load(&format!("{bmu}{bus}")).unwrap();
        Rig::new(&config, &library, Role::Rig)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let bus = "[[can_bus]]\nname = \"cluster-can-{cluster}\"\nattach = ";
    let served = format!("{bus}\"socketcand\"\nlisten = \"127.0.0.1:29536\"\n");
    assert!(
        built(&served)
            .unwrap_err()
            .contains("in CAN FD format on cluster-can-01")
    );
    assert!(built(TIMED).is_ok());
    // An interface has to carry it: whether it does shows when it is opened.
    let interface = format!("{bus}\"socketcan\"\ninterface = \"vcan{{cluster}}\"\n");
    let config = load(&format!("{bmu}{interface}")).unwrap();
    let wires = Rig::new(&config, &library, Role::Rig).unwrap().wires();
    assert!(!wires.can.is_empty() && wires.can.iter().all(|wire| wire.fd));
}

#[test]
fn an_error_frame_of_a_wire_is_counted_and_recorded() {
    let wire = "[[can_bus]]\nname = \"cluster-can-{cluster}\"\nattach = \"socketcan\"\ninterface = \"vcan{cluster}\"\n";
    let config = load(wire).unwrap();
    let mut rig = Rig::new(&config, &Library::shipped(), Role::Rig).unwrap();
    let figure = |rig: &Rig, point| rig.observe(&rig.resolve(&format!("bus:{BUS}"), point)?)?.ok();
    assert_eq!(figure(&rig, "error-frames"), Some(0.0));
    assert_eq!(figure(&rig, "load"), None, "nobody measures it");
    let bus = rig.wires().can[0].bus;
    let error = WireInput::CanError {
        bus,
        class: 0x88,
        data: [0, 0, 4, 0, 0, 0, 0, 0],
    };
    rig.offer(rig.now() + Duration::from_millis(5), error);
    assert_eq!(figure(&rig, "error-frames"), Some(1.0));
    assert_eq!(rig.counters().error_frames, 1);
    let mut driver = VirtualDriver::new(rig);
    let lines = trace(&mut driver);
    assert!(
        lines
            .iter()
            .any(|line| line.id == 0x2000_0088 && line.data == "0000040000000000"),
        "{lines:?}"
    );
}
