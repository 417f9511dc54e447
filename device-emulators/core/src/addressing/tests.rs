#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use core::time::Duration;

use super::chain::{ChainMaster, ChainNode};
use super::j1939::{ClaimMaster, ClaimNode, name_of_bcu, name_of_bmu};
use super::lss::{LssMaster, LssNode};
use super::*;
use crate::kinds::point_table;
use crate::library::Library;

const BMUS: usize = 9;

fn serial(position: usize) -> u64 {
    1_001_000 + position as u64
}

/// A BCU and its BMUs on one bus and one enable line, at a resolution of 1 ms.
struct Bench {
    now: SimTime,
    master: Box<dyn Master>,
    points: Points,
    nodes: Vec<(Box<dyn Node>, Points)>,
    /// Frames on their way, with who sent them; the BCU is the last.
    frames: Vec<(usize, CanFrame)>,
    /// Levels on their way, by whose input.
    levels: Vec<(usize, bool)>,
    addresses: Vec<Option<u8>>,
    /// The BCU's, where it claims one.
    own: Option<u8>,
    log: Vec<String>,
}

impl Bench {
    fn new(way: Addressing) -> Self {
        Self::named(way, NameSettings::default())
    }

    /// BMUs with NAMEs of these settings.
    fn named(way: Addressing, names: NameSettings) -> Self {
        let library = Library::shipped();
        let bmu = library.product("rig-bmu-44").unwrap();
        let bcu = library.product("bcu-396s").unwrap();
        let commissioned: Vec<u64> = (1..=BMUS).map(serial).collect();
        let (points, ids) = MasterPoints::table();
        let mut bench = Self {
            now: SimTime::ZERO,
            master: match way {
                Addressing::EnableChain => {
                    Box::new(ChainMaster::new(&bcu, &library, points.table(), ids, &commissioned).unwrap())
                }
                Addressing::Lss => Box::new(LssMaster::new(ids, &commissioned)),
                _ => {
                    let bcu = name_of_bcu(&NameSettings::default());
                    let names: Vec<u64> = commissioned
                        .iter()
                        .map(|serial| name_of_bmu(&names, *serial))
                        .collect();
                    Box::new(ClaimMaster::new(ids, bcu, &names))
                }
            },
            points,
            nodes: (1..=BMUS)
                .map(|position| {
                    let table = point_table(&bmu).unwrap();
                    let number = u8::try_from(position).unwrap();
                    let serial = serial(position);
                    let node: Box<dyn Node> = match way {
                        Addressing::EnableChain => {
                            Box::new(ChainNode::new(&bmu, &library, &table, serial).unwrap())
                        }
                        Addressing::Lss => {
                            let identity = IdentitySettings::default();
                            Box::new(LssNode::new(&bmu, &table, identity, serial).unwrap())
                        }
                        _ => Box::new(ClaimNode::new(&bmu, &table, names, serial, number).unwrap()),
                    };
                    (node, Points::new(table.into()))
                })
                .collect(),
            frames: vec![],
            levels: vec![],
            addresses: vec![None; BMUS],
            own: None,
            log: vec![],
        };
        let now = bench.now;
        for (node, points) in &mut bench.nodes {
            node.begin(now, points);
        }
        bench
    }

    /// All begin, and faults are there from the start.
    fn started(way: Addressing, faults: &[(usize, DeviceFault)]) -> Self {
        let mut bench = Self::new(way);
        for (position, fault) in faults {
            assert!(bench.nodes[position - 1].0.inject(fault), "{fault:?}");
        }
        bench.master.start(bench.now, &mut bench.points);
        bench
    }

    fn run(&mut self, millis: u64) {
        for _ in 0..millis {
            self.drain();
            self.now += Duration::from_millis(1);
            let now = self.now;
            for (to, level) in core::mem::take(&mut self.levels) {
                if let Some((node, _)) = self.nodes.get_mut(to) {
                    node.enable(now, level);
                }
            }
            // equal frames at one instant are one on the bus
            let mut frames = core::mem::take(&mut self.frames);
            frames.dedup_by_key(|(_, frame)| *frame);
            for (from, frame) in frames {
                self.log.push(format!("{now} {frame}"));
                for (i, (node, points)) in self.nodes.iter_mut().enumerate() {
                    if i != from {
                        node.receive(now, &frame, points);
                    }
                }
                if from != BMUS && self.master.hears(frame.id) {
                    self.master.receive(now, &frame, &mut self.points);
                }
            }
            for (node, points) in &mut self.nodes {
                if node.next_due() <= now {
                    node.wake(now, points);
                }
            }
            if self.master.next_due() <= now {
                self.master.wake(now, &mut self.points);
            }
        }
        self.drain();
    }

    fn drain(&mut self) {
        for (i, (node, _)) in self.nodes.iter_mut().enumerate() {
            while let Some(step) = node.steps().pop_front() {
                match step {
                    Step::Frame(frame) => self.frames.push((i, frame)),
                    Step::Enable(level) => self.levels.push((i + 1, level)),
                    Step::Address(address) => self.addresses[i] = address,
                }
            }
        }
        while let Some(step) = self.master.steps().pop_front() {
            match step {
                Step::Frame(frame) => self.frames.push((BMUS, frame)),
                Step::Enable(level) => self.levels.push((0, level)),
                Step::Address(address) => self.own = address,
            }
        }
    }

    fn restart(&mut self, position: usize, after_ms: u64) {
        self.nodes[position - 1].0.stop();
        self.run(after_ms);
        let now = self.now;
        let (node, points) = &mut self.nodes[position - 1];
        node.begin(now, points);
    }

    fn get(&self, name: &str) -> f64 {
        let id = self.points.table().find(name).unwrap();
        self.points.get(id).unwrap_or(f64::NAN)
    }

    /// State, addressed, failed, swapped, duplicate.
    fn result(&self) -> (&'static str, [f64; 4]) {
        let state = usize::try_from(whole(Some(self.get("addressing-state")))).unwrap();
        let names = [
            "addressed-bmus",
            "addressing-failed-position",
            "addressing-swapped-position",
            "addressing-duplicate-id",
        ];
        (STATES[state], names.map(|name| self.get(name)))
    }

    fn in_order(&self) -> bool {
        (1..).zip(&self.addresses).all(|(n, address)| *address == Some(n))
    }
}

/// How long a cluster needs with this way, and one more BMU, ms.
fn takes(way: Addressing) -> (u64, u64) {
    match way {
        // 2.7 s for each
        Addressing::Lss => (30_000, 6_000),
        _ => (9_000, 3_000),
    }
}

const WAYS: [Addressing; 3] = [Addressing::EnableChain, Addressing::Lss, Addressing::J1939];

#[test]
fn a_full_string_is_addressed() {
    for way in WAYS {
        let mut bench = Bench::started(way, &[]);
        bench.run(takes(way).0);
        assert!(bench.in_order(), "{way:?}: {:?}", bench.addresses);
        assert_eq!(bench.result(), ("assigned", [9.0, 0.0, 0.0, 0.0]), "{way:?}");
    }
}

#[test]
fn a_bcu_that_begins_anew_addresses_all_anew() {
    for way in WAYS {
        let mut bench = Bench::started(way, &[]);
        bench.run(takes(way).0);
        bench.master.start(bench.now, &mut bench.points);
        bench.run(50);
        let none = bench.addresses.iter().all(Option::is_none);
        assert_eq!(none, way != Addressing::J1939, "a claim is nobody's to take back");
        bench.run(takes(way).0);
        assert!(bench.in_order(), "{way:?}: {:?}", bench.addresses);
        assert_eq!(bench.result().0, "assigned", "{way:?}");
    }
}

#[test]
fn a_reset_in_service_gets_its_address_back() {
    for way in WAYS {
        let mut bench = Bench::started(way, &[]);
        bench.run(takes(way).0);
        bench.restart(4, 500);
        assert_eq!(bench.addresses[3], None, "{way:?}");
        bench.run(takes(way).1);
        assert!(bench.in_order(), "{way:?}: {:?}", bench.addresses);
        assert_eq!(bench.result(), ("assigned", [9.0, 0.0, 0.0, 0.0]), "{way:?}");
    }
}

#[test]
fn a_late_bmu_is_missed_and_then_taken() {
    for way in WAYS {
        let mut bench = Bench::new(way);
        bench.nodes[6].0.stop();
        bench.master.start(bench.now, &mut bench.points);
        bench.run(takes(way).0 + 3_000);
        let (state, [addressed, failed, ..]) = bench.result();
        assert_eq!((state, failed), ("failed", 7.0), "{way:?}");
        // the enable line ends at it; the others need none
        assert_eq!(addressed, if way == Addressing::EnableChain { 6.0 } else { 8.0 });
        let now = bench.now;
        let (node, points) = &mut bench.nodes[6];
        node.begin(now, points);
        bench.run(takes(way).1 + 1_000);
        assert!(bench.in_order(), "{way:?}: {:?}", bench.addresses);
        assert_eq!(bench.result(), ("assigned", [9.0, 0.0, 0.0, 0.0]), "{way:?}");
    }
}

#[test]
fn a_chain_that_is_broken_ends_there() {
    let mut bench = Bench::started(Addressing::EnableChain, &[(3, DeviceFault::OpenEnable)]);
    bench.run(9_000);
    assert_eq!(bench.addresses[..4], [Some(1), Some(2), Some(3), None]);
    assert_eq!(bench.result(), ("failed", [3.0, 4.0, 0.0, 0.0]));
    assert!(bench.nodes[2].0.inject(&DeviceFault::CloseEnable));
    bench.run(3_000);
    assert!(
        bench.in_order(),
        "it goes on where it stopped: {:?}",
        bench.addresses
    );
    assert_eq!(bench.result().0, "assigned");
    let mut lss = Bench::new(Addressing::Lss);
    assert!(
        !lss.nodes[2].0.inject(&DeviceFault::OpenEnable),
        "there is no line"
    );
}

#[test]
fn two_with_one_address_are_noticed() {
    let keeps = DeviceFault::KeepAddress(2);
    let mut bench = Bench::started(Addressing::EnableChain, &[(5, keeps)]);
    bench.run(9_000);
    assert_eq!(bench.addresses[4], Some(2));
    assert_eq!(bench.addresses[5..], [Some(6), Some(7), Some(8), Some(9)]);
    assert_eq!(bench.result(), ("failed", [8.0, 5.0, 0.0, 2.0]));
    // node-IDs are not spoken of in LSS: the master misses one
    let mut bench = Bench::started(Addressing::Lss, &[(5, keeps)]);
    bench.run(33_000);
    assert_eq!(bench.addresses[4], Some(2));
    assert_eq!(bench.result(), ("failed", [8.0, 5.0, 0.0, 0.0]));
    // the lower NAME keeps the address, the other one falls silent
    let mut bench = Bench::started(Addressing::J1939, &[(5, keeps)]);
    bench.run(9_000);
    assert_eq!((bench.addresses[1], bench.addresses[4]), (Some(2), None));
    assert_eq!(bench.result().1, [8.0, 5.0, 0.0, 2.0]);
    let mut bench = Bench::started(Addressing::J1939, &[(2, DeviceFault::KeepAddress(5))]);
    bench.run(9_000);
    assert_eq!((bench.addresses[1], bench.addresses[4]), (Some(5), None));
}

#[test]
fn bmus_that_have_changed_places_are_named() {
    let swap = [
        (3, DeviceFault::Serial(serial(8))),
        (8, DeviceFault::Serial(serial(3))),
    ];
    let mut bench = Bench::started(Addressing::EnableChain, &swap);
    bench.run(9_000);
    assert!(bench.in_order(), "addresses follow positions");
    assert_eq!(bench.result(), ("assigned", [9.0, 0.0, 3.0, 0.0]));
    let mut bench = Bench::started(Addressing::Lss, &swap);
    bench.run(30_000);
    assert_eq!(
        (bench.addresses[2], bench.addresses[7]),
        (Some(8), Some(3)),
        "they follow serial numbers"
    );
    let mut bench = Bench::started(Addressing::J1939, &swap);
    bench.run(9_000);
    assert!(bench.in_order());
    assert_eq!(bench.result().1[2], 3.0);
}

/// The frames of a chain of nine, to be looked at.
#[test]
fn frames_of_a_chain() {
    let mut bench = Bench::started(Addressing::EnableChain, &[]);
    bench.run(1_000);
    insta::assert_snapshot!(bench.log.join("\n"));
}

/// Fastscan of the first BMU: search and answers, exactly as CiA 305 has them.
#[test]
fn frames_of_a_fastscan() {
    let mut bench = Bench::started(Addressing::Lss, &[]);
    bench.run(3_800);
    insta::assert_snapshot!(bench.log.join("\n"));
}

#[test]
fn frames_of_address_claims() {
    let mut bench = Bench::started(Addressing::J1939, &[(5, DeviceFault::KeepAddress(2))]);
    bench.run(1_100);
    insta::assert_snapshot!(bench.log.join("\n"));
}

fn heard(node: &mut LssNode, points: &mut Points, data: [u8; 8]) -> Vec<String> {
    let frame = CanFrame::new(CanId::Standard(0x7E5), &data).unwrap();
    node.receive(SimTime::ZERO, &frame, points);
    node.steps().drain(..).map(|step| format!("{step:?}")).collect()
}

#[test]
fn a_slave_answers_as_cia_305_has_it() {
    let product = Library::shipped().product("rig-bmu-44").unwrap();
    let table = point_table(&product).unwrap();
    let mut node = LssNode::new(&product, &table, IdentitySettings::default(), 0x1234_5678).unwrap();
    let mut points = Points::new(table.into());
    node.begin(SimTime::ZERO, &mut points);
    let answer = |text: &str| {
        let bytes: Vec<u8> = (0..8)
            .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        let frame = CanFrame::new(CanId::Standard(0x7E4), &bytes).unwrap();
        vec![format!("{:?}", Step::Frame(frame))]
    };
    let mut say = |data| heard(&mut node, &mut points, data);
    // anybody?; the part asked for must be the one it is at
    assert_eq!(say([0x51, 0, 0, 0, 0, 0x80, 0, 0]), answer("4F00000000000000"));
    assert!(say([0x51, 0x78, 0x56, 0x34, 0x12, 0, 3, 0]).is_empty());
    // not in the configuration state: no node-ID, no inquiry
    assert!(say([0x11, 5, 0, 0, 0, 0, 0, 0]).is_empty());
    assert!(say([0x5D, 0, 0, 0, 0, 0, 0, 0]).is_empty());
    for (part, bytes) in [(0, [0, 0, 0, 0]), (1, [0x55, 0x4D, 0x42, 0]), (2, [0, 0, 1, 0])] {
        let [a, b, c, d] = bytes;
        assert_eq!(
            say([0x51, a, b, c, d, 0, part, part + 1]),
            answer("4F00000000000000")
        );
    }
    // bits above the one checked must agree, those below are not looked at
    assert_eq!(say([0x51, 0, 0, 0, 0x10, 28, 3, 3]), answer("4F00000000000000"));
    assert!(say([0x51, 0, 0, 0, 0x20, 28, 3, 3]).is_empty());
    assert_eq!(
        say([0x51, 0x78, 0x56, 0x34, 0x12, 0, 3, 0]),
        answer("4F00000000000000")
    );
    // now it is in the configuration state
    assert_eq!(say([0x5D, 0, 0, 0, 0, 0, 0, 0]), answer("5D78563412000000"));
    assert_eq!(say([0x5E, 0, 0, 0, 0, 0, 0, 0]), answer("5EFF000000000000"));
    assert_eq!(say([0x11, 0, 0, 0, 0, 0, 0, 0]), answer("1101000000000000"));
    assert_eq!(say([0x11, 128, 0, 0, 0, 0, 0, 0]), answer("1101000000000000"));
    assert_eq!(say([0x13, 0, 4, 0, 0, 0, 0, 0]), answer("1301000000000000"));
    assert_eq!(say([0x17, 0, 0, 0, 0, 0, 0, 0]), answer("1701000000000000"));
    assert_eq!(say([0x11, 5, 0, 0, 0, 0, 0, 0]), answer("1100000000000000"));
    assert_eq!(say([0x04, 0, 0, 0, 0, 0, 0, 0]), ["Address(Some(5))"]);
    // with a node-ID it takes no part in fastscan, and is switched by its identity
    assert!(say([0x51, 0, 0, 0, 0, 0x80, 0, 0]).is_empty());
    assert!(say([0x40, 0, 0, 0, 0, 0, 0, 0]).is_empty());
    assert!(say([0x41, 0x55, 0x4D, 0x42, 0, 0, 0, 0]).is_empty());
    assert!(say([0x42, 0, 0, 1, 0, 0, 0, 0]).is_empty());
    assert_eq!(
        say([0x43, 0x78, 0x56, 0x34, 0x12, 0, 0, 0]),
        answer("4400000000000000")
    );
    assert_eq!(say([0x5E, 0, 0, 0, 0, 0, 0, 0]), answer("5E05000000000000"));
}

fn frame(raw: u32, data: &[u8]) -> CanFrame {
    CanFrame::new(CanId::Extended(raw), data).unwrap()
}

fn said(steps: &mut Steps) -> Vec<String> {
    let text = |step| match step {
        Step::Frame(frame) => frame.to_string(),
        other => format!("{other:?}"),
    };
    steps.drain(..).map(text).collect()
}

/// A BMU with the serial number 500 that wants address 4.
fn claim_node(settings: NameSettings) -> (ClaimNode, Points) {
    let product = Library::shipped().product("rig-bmu-44").unwrap();
    let table = point_table(&product).unwrap();
    let node = ClaimNode::new(&product, &table, settings, 500, 4).unwrap();
    (node, Points::new(table.into()))
}

#[test]
fn a_claim_is_contested_by_name() {
    let (mut node, mut points) = claim_node(NameSettings::default());
    let said = |node: &mut ClaimNode| said(node.steps());
    node.begin(SimTime::ZERO, &mut points);
    assert_eq!(said(&mut node), ["18EEFF04#F401000000040050"]);
    // a higher NAME has no claim
    let at = SimTime::from_millis(100);
    node.receive(
        at,
        &frame(0x18EE_FF04, &[0xF5, 1, 0, 0, 0, 4, 0, 0x50]),
        &mut points,
    );
    assert_eq!(said(&mut node), ["18EEFF04#F401000000040050"]);
    assert_eq!(node.next_due(), SimTime::from_millis(250));
    node.wake(SimTime::from_millis(250), &mut points);
    assert_eq!(said(&mut node), ["Address(Some(4))"]);
    // asked, all or itself, but nobody else
    for (raw, answers) in [(0x18EA_FFA0, 1), (0x18EA_04A0, 1), (0x18EA_05A0, 0)] {
        node.receive(at, &frame(raw, &[0, 0xEE, 0]), &mut points);
        assert_eq!(said(&mut node).len(), answers, "{raw:08X}");
    }
    node.receive(at, &frame(0x18EA_FFA0, &[0xEB, 0xFE, 0]), &mut points);
    assert!(said(&mut node).is_empty(), "asked for something else");
    // a lower NAME takes the address; it says so after a while of its own
    let at = SimTime::from_millis(1_000);
    node.receive(
        at,
        &frame(0x18EE_FF04, &[0xF3, 1, 0, 0, 0, 4, 0, 0x50]),
        &mut points,
    );
    assert_eq!(said(&mut node), ["Address(None)"]);
    let due = node.next_due();
    assert!(due - at <= Duration::from_millis(153));
    node.wake(due, &mut points);
    assert_eq!(said(&mut node), ["18EEFFFE#F401000000040050"]);
}

#[test]
fn one_that_may_claims_the_next_free_address() {
    let settings = NameSettings {
        arbitrary_address: true,
        manufacturer: 0x123,
        ..NameSettings::default()
    };
    let (mut node, mut points) = claim_node(settings);
    let said = |node: &mut ClaimNode| said(node.steps());
    node.begin(SimTime::ZERO, &mut points);
    assert_eq!(said(&mut node), ["18EEFF04#F4016024000400D0"]);
    // two others have 128 and 129
    let at = SimTime::from_millis(300);
    for (address, serial) in [(0x80, 7), (0x81, 8)] {
        node.receive(
            at,
            &frame(0x18EE_FF00 | address, &[serial, 0, 0, 0, 0, 4, 0, 0x50]),
            &mut points,
        );
    }
    node.wake(at, &mut points);
    assert_eq!(said(&mut node), ["Address(Some(4))"]);
    // any NAME that may not choose is lower than one that may
    node.receive(
        at,
        &frame(0x18EE_FF04, &[0xFF; 8].map(|byte: u8| byte >> 1)),
        &mut points,
    );
    assert_eq!(said(&mut node), ["Address(None)", "18EEFF82#F4016024000400D0"]);
    let id = points.table().find("node-id").unwrap();
    assert_eq!(points.get(id), Some(0.0));
    node.wake(SimTime::from_millis(550), &mut points);
    assert_eq!(said(&mut node), ["Address(Some(130))"]);
    assert_eq!(points.get(id), Some(130.0));
    // asked under its new address, no longer under the old one
    for (raw, answers) in [(0x18EA_82A0, 1), (0x18EA_04A0, 0)] {
        node.receive(at, &frame(raw, &[0, 0xEE, 0]), &mut points);
        assert_eq!(said(&mut node).len(), answers, "{raw:08X}");
    }
    // where all are taken it cannot claim one
    for address in 128..=247 {
        node.receive(
            at,
            &frame(
                0x18EE_FF00 | address,
                &[address.to_le_bytes()[0], 1, 0, 0, 0, 4, 0, 0x50],
            ),
            &mut points,
        );
    }
    let steps = said(&mut node);
    assert_eq!(steps.first().map(String::as_str), Some("Address(None)"));
    node.wake(node.next_due(), &mut points);
    assert_eq!(said(&mut node), ["18EEFFFE#F4016024000400D0"]);
}

#[test]
fn bmus_that_may_choose_are_all_heard_of() {
    let names = NameSettings {
        arbitrary_address: true,
        ..NameSettings::default()
    };
    let mut bench = Bench::named(Addressing::J1939, names);
    assert!(bench.nodes[4].0.inject(&DeviceFault::KeepAddress(2)));
    bench.master.start(bench.now, &mut bench.points);
    bench.run(9_000);
    assert_eq!((bench.addresses[1], bench.addresses[4]), (Some(2), Some(128)));
    assert_eq!(
        bench.result(),
        ("failed", [8.0, 5.0, 0.0, 2.0]),
        "128 is no position"
    );
}

#[test]
fn a_bcu_claims_its_own_address_and_can_lose_it() {
    let mut bench = Bench::started(Addressing::J1939, &[]);
    bench.run(200);
    assert_eq!(bench.own, None);
    bench.run(100);
    assert_eq!(bench.own, Some(0xA0));
    // asked for by anybody
    let now = bench.now;
    bench
        .master
        .receive(now, &frame(0x18EA_A001, &[0, 0xEE, 0]), &mut bench.points);
    assert_eq!(said(bench.master.steps()), ["18EEFFA0#0000000008040050"]);
    // a lower NAME
    bench.master.receive(
        now,
        &frame(0x18EE_FFA0, &[1, 0, 0, 0, 0, 4, 0, 0x50]),
        &mut bench.points,
    );
    bench.run(200);
    assert_eq!(bench.own, None);
    assert!(bench.log.last().unwrap().contains("18EEFFFE#0000000008040050"));
    assert_eq!(bench.get("addressing-duplicate-id"), 160.0);
}

/// A slave with an identity of all kinds of bits is found by what it answers alone.
#[test]
fn fastscan_finds_all_128_bits() {
    let product = Library::shipped().product("rig-bmu-44").unwrap();
    let table = point_table(&product).unwrap();
    let settings = IdentitySettings {
        vendor: 0x8000_0001,
        product: 0xDEAD_BEEF,
        revision: 0xFFFF_FFFF,
    };
    let mut node = LssNode::new(&product, &table, settings, 0x0F0F_1234).unwrap();
    let mut points = Points::new(table.into());
    node.begin(SimTime::ZERO, &mut points);
    let (mut known, ids) = MasterPoints::table();
    let mut master = LssMaster::new(ids, &[0x0F0F_1234]);
    master.start(SimTime::ZERO, &mut known);
    let mut scans = Vec::new();
    while known.get(ids.addressed) != Some(1.0) {
        let now = master.next_due();
        assert!(now < SimTime::from_millis(10_000));
        for step in master.steps().drain(..).collect::<Vec<_>>() {
            let Step::Frame(request) = step else { continue };
            if request.data()[0] == 0x51 {
                scans.push(request);
            }
            node.receive(now, &request, &mut points);
            for answer in node.steps().drain(..) {
                if let Step::Frame(answer) = answer {
                    master.receive(now, &answer, &mut known);
                }
            }
        }
        master.wake(now, &mut known);
    }
    assert_eq!(scans.len(), 1 + 4 * 33);
    assert_eq!(scans[0].data(), [0x51, 0, 0, 0, 0, 0x80, 0, 0]);
    for (part, value) in [0x8000_0001_u32, 0xDEAD_BEEF, 0xFFFF_FFFF, 0x0F0F_1234]
        .into_iter()
        .enumerate()
    {
        let of_part = &scans[1 + 33 * part..][..33];
        let number = u8::try_from(part).unwrap();
        for (request, bit) in of_part.iter().zip((0..32).rev()) {
            let asked = value & !(u32::MAX >> (31 - bit));
            let [a, b, c, d] = asked.to_le_bytes();
            assert_eq!(
                request.data(),
                [0x51, a, b, c, d, bit, number, number],
                "bit {bit} of {part}"
            );
        }
        let [a, b, c, d] = value.to_le_bytes();
        assert_eq!(
            of_part[32].data(),
            [0x51, a, b, c, d, 0, number, (number + 1) % 4]
        );
    }
}
