#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use bess_types::SimTime;

use super::sequence::Blocking;
use super::*;
use crate::codec::modbus::{ModbusAccess, ModbusServer};
use crate::library::Library;
use crate::{PointId, kinds};

mod dialects;

/// A BCU with a cluster that does what it is told: contacts follow coils, the bus follows contacts.
struct Bench {
    bcu: Bcu,
    ms: u64,
    bmus: Vec<Node>,
    hv: Node,
    bau: Node,
    io: Points,
    io_server: ModbusServer,
    precharge_works: bool,
    negative_stuck_closed: bool,
    bau_silent: bool,
    /// Frames of the cluster bus that do not arrive.
    lost: Vec<CanId>,
    /// On the stack bus.
    sent: Vec<CanFrame>,
    notes: Vec<(u64, String)>,
}

struct Node {
    port: CanPort,
    points: Points,
    silent: bool,
}

impl Node {
    fn new(library: &Library, product: &str, port: &str, address: u8) -> Self {
        let product = library.product(product).unwrap();
        let table = kinds::point_table(&product).unwrap();
        let mut port = CanPort::compile(&product, port, library, &table, address).unwrap();
        port.start(SimTime::ZERO);
        Self {
            port,
            points: Points::new(table.into()),
            silent: false,
        }
    }

    fn set(&mut self, name: &str, value: f64) {
        let id = self
            .points
            .table()
            .find(name)
            .unwrap_or_else(|| panic!("no point {name}"));
        self.points.set(id, value);
    }
}

const OPEN: f64 = 1.0;
const JOIN: f64 = 2.0;
const PRECHARGE: f64 = 3.0;

fn config(library: &Library, defect: Option<Defect>) -> BcuConfig {
    config_with("rig-bmu-44", library, defect)
}

/// With BMUs of this product.
fn config_with(bmu: &str, library: &Library, defect: Option<Defect>) -> BcuConfig {
    let product = |id: &str| library.product(id).unwrap();
    let node = |id, address| CanNode {
        product: product(id),
        address,
    };
    BcuConfig {
        product: product("bcu-396s"),
        cluster: 1,
        bmus: (1..=9).map(|address| node(bmu, address)).collect(),
        serials: (1..=9).collect(),
        hv_units: vec![node("rig-hv-unit", 0xB0)],
        io: product("rig-hv-box-io"),
        stored_soc_pct: Some(50.0),
        defect,
    }
}

impl Bench {
    fn new(defect: Option<Defect>) -> Self {
        Self::with("rig-bmu-44", &Library::shipped(), defect)
    }

    /// With BMUs of this product.
    fn with(bmu: &str, library: &Library, defect: Option<Defect>) -> Self {
        let product = |id| library.product(id).unwrap();
        let config = config_with(bmu, library, defect);
        let bcu = Bcu::new(&config, library).unwrap();
        let io_product = product("rig-hv-box-io");
        let table = kinds::point_table(&io_product).unwrap();
        let io_server = ModbusServer::of_product(&io_product, library, &table).unwrap();
        let mut bench = Self {
            bcu,
            ms: 0,
            bmus: (1..=9).map(|k| Node::new(library, bmu, "cluster", k)).collect(),
            hv: Node::new(library, "rig-hv-unit", "cluster", 0xB0),
            bau: Node::new(library, "bau", "stack", 0xC0),
            io: Points::new(table.into()),
            io_server,
            precharge_works: true,
            negative_stuck_closed: false,
            bau_silent: false,
            lost: Vec::new(),
            sent: Vec::new(),
            notes: Vec::new(),
        };
        for bmu in &mut bench.bmus {
            for i in 0..44 {
                bmu.set(&format!("cell[{i}].voltage"), 3.300);
            }
            for i in 0..22 {
                bmu.set(&format!("temperature[{i}]"), 25.0);
            }
            bmu.set("pack-voltage", 145.2);
        }
        bench.cell_max(3.300);
        bench.cell_min(3.300);
        bench.temperatures(25.0, 25.0);
        for (name, value) in [
            ("cluster-voltage", 1306.8),
            ("bus-voltage", 0.0),
            ("current", 0.0),
            ("insulation-resistance", 5e6),
            ("box-temperature", 30.0),
        ] {
            bench.hv.set(name, value);
        }
        for name in ["aux-main-positive", "aux-main-negative", "aux-precharge"] {
            bench.io_set(name, 0.0);
        }
        for (name, value) in [
            ("fuse-intact", 1.0),
            ("breaker-closed", 1.0),
            ("coil-supply", 24.0),
        ] {
            bench.io_set(name, value);
        }
        for name in [
            "coil-main-positive",
            "coil-main-negative",
            "coil-precharge",
            "breaker-trip",
        ] {
            bench.io_set(name, 0.0);
        }
        for (name, value) in [("estop-seen", 0.0), ("fire-seen", 0.0), ("reset-counter", 0.0)] {
            bench.bau.set(name, value);
        }
        bench.request(OPEN);
        bench
    }

    fn closed(defect: Option<Defect>) -> Self {
        let mut bench = Self::new(defect);
        bench.run(3_000);
        bench.request(PRECHARGE);
        bench.run(3_000);
        assert_eq!(bench.state(), "closed");
        bench
    }

    fn cell_max(&mut self, v: f64) {
        for bmu in &mut self.bmus {
            bmu.set("cell-voltage-max", v);
        }
    }

    fn cell_min(&mut self, v: f64) {
        for bmu in &mut self.bmus {
            bmu.set("cell-voltage-min", v);
        }
    }

    fn temperatures(&mut self, max: f64, min: f64) {
        for bmu in &mut self.bmus {
            bmu.set("temperature-max", max);
            bmu.set("temperature-min", min);
        }
    }

    /// Frames of this message of a pack no longer arrive.
    fn lose(&mut self, pack: usize, message: &str) {
        let Node { port, points, .. } = &self.bmus[pack];
        let message = port.message(message).unwrap();
        self.lost.push(port.encode(message, points).id);
    }

    fn io_id(&self, name: &str) -> PointId {
        self.io
            .table()
            .find(name)
            .unwrap_or_else(|| panic!("no point {name}"))
    }

    fn io_set(&mut self, name: &str, value: f64) {
        let id = self.io_id(name);
        self.io.set(id, value);
    }

    fn coil(&self, name: &str) -> bool {
        self.io.is_on(self.io_id(name))
    }

    fn request(&mut self, request: f64) {
        for i in 0..9 {
            self.bau.set(&format!("cluster[{i}].request"), request);
        }
    }

    fn reset(&mut self) {
        let id = self.bau.points.table().find("reset-counter").unwrap();
        let next = self.bau.points.get(id).unwrap() + 1.0;
        self.bau.points.set(id, next);
        self.run(200);
    }

    fn get(&self, name: &str) -> f64 {
        let points = self.bcu.points();
        points.get(points.table().find(name).unwrap()).unwrap_or(f64::NAN)
    }

    fn state(&self) -> &'static str {
        sequence::STATES[self.bcu.sequence.state() as usize]
    }

    fn severity(&self, id: AlarmId) -> usize {
        self.bcu.alarms.severity(id).number()
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.ms += 10;
            self.step();
        }
    }

    /// Runs until the state is entered; how long that took, ms.
    fn run_until(&mut self, state: &str, limit_ms: u64) -> u64 {
        let start = self.ms;
        while self.state() != state {
            assert!(
                self.ms - start < limit_ms,
                "no {state} within {limit_ms} ms, but {}",
                self.state()
            );
            self.run(10);
        }
        self.ms - start
    }

    fn step(&mut self) {
        let now = SimTime::from_millis(self.ms);
        self.cluster_follows();
        let mut frames = Vec::new();
        for node in self
            .bmus
            .iter_mut()
            .chain([&mut self.hv])
            .filter(|node| !node.silent)
        {
            node.port.transmit_due(now, &mut node.points, &mut |frame| {
                frames.push((CLUSTER_PORT, frame));
            });
        }
        if !self.bau_silent {
            let bau = &mut self.bau;
            bau.port.transmit_due(now, &mut bau.points, &mut |frame| {
                frames.push((STACK_PORT, frame));
            });
        }
        for (port, frame) in frames {
            if self.bcu.hears(port, frame.id) && !self.lost.contains(&frame.id) {
                self.bcu.accept(now, Input::Can { port, frame: &frame });
                self.drain(now);
            }
        }
        if self.bcu.next_wake() <= now {
            self.bcu.accept(now, Input::Wake);
            self.drain(now);
        }
    }

    fn drain(&mut self, now: SimTime) {
        while let Some(output) = self.bcu.poll_output() {
            match output {
                Output::ModbusRequest { request, token, .. } => {
                    let reply = self.io_server.serve(
                        now,
                        ModbusAccess::default(),
                        &request,
                        &mut self.io,
                        &mut Vec::new(),
                    );
                    self.bcu.accept(
                        now,
                        Input::ModbusReply {
                            token,
                            reply: Some(&reply),
                        },
                    );
                }
                Output::Can {
                    port: STACK_PORT,
                    frame,
                } => self.sent.push(frame),
                Output::Note { point, text, .. } => self.notes.push((self.ms, format!("{point} {text}"))),
                _ => {}
            }
        }
    }

    fn cluster_follows(&mut self) {
        let supplied = self.io.get(self.io_id("coil-supply")).unwrap() > 15.0;
        let [positive, negative, precharge] = ["coil-main-positive", "coil-main-negative", "coil-precharge"]
            .map(|coil| self.coil(coil) && supplied);
        let negative = negative || self.negative_stuck_closed;
        let value = |on: bool| f64::from(u8::from(on));
        self.io_set("aux-main-positive", value(positive));
        self.io_set("aux-main-negative", value(negative));
        self.io_set("aux-precharge", value(precharge));
        let bus = self.hv.points.table().find("bus-voltage").unwrap();
        if negative && (positive || (precharge && self.precharge_works)) {
            let v = self.hv.points.get(bus).unwrap();
            let v = if positive { 1306.8 } else { v + (1306.8 - v) * 0.02 };
            self.hv.points.set(bus, v);
        }
    }
}

#[test]
fn lost_cells_or_temperatures_count_as_a_lost_bmu_although_the_rest_still_comes() {
    // a message rests for its period
    for (message, period_ms) in [("BMU_CELLV_03", 200), ("BMU_TEMP_1", 1_000)] {
        let mut bench = Bench::closed(None);
        bench.run(2_000);
        assert_eq!(bench.severity(AlarmId::Com), 0);
        bench.lose(2, message);
        // the last one may have come up to one period ago
        let mut level_after = |ms: u64| {
            bench.run(ms);
            (
                bench.severity(AlarmId::Com),
                bench.get("packs-online"),
                bench.get("discharge-limit") > 0.0,
            )
        };
        assert_eq!(level_after(900), (0, 9.0, true), "{message}");
        assert_eq!(level_after(200 + period_ms), (1, 8.0, true), "{message}");
        assert_eq!(level_after(2_000), (2, 8.0, false), "{message}");
        assert_eq!(level_after(2_000), (3, 8.0, false), "{message}");
        assert_eq!(bench.severity(AlarmId::Sen), 0, "another alarm's business");
        bench.run_until("fault", 1_500);
        bench.lost.clear();
        bench.run(2_500);
        bench.reset();
        assert_ne!(bench.severity(AlarmId::Com), 3, "{message}");
        assert_eq!(bench.get("packs-online"), 9.0);
    }
}

#[test]
fn closes_with_precharge_in_order() {
    let mut bench = Bench::new(None);
    bench.run(1_000);
    assert_eq!(bench.state(), "initialising");
    bench.run(2_000);
    assert_eq!(bench.state(), "open");
    assert_eq!(bench.get("ready"), 1.0);
    bench.request(PRECHARGE);
    bench.run_until("closed", 5_000);
    let order: Vec<&str> = bench
        .notes
        .iter()
        .filter_map(|(_, note)| note.strip_prefix("coil-"))
        .filter(|note| note.ends_with("on") || note.starts_with("precharge"))
        .collect();
    assert_eq!(
        order,
        [
            "precharge off",
            "main-negative on",
            "precharge on",
            "main-positive on",
            "precharge off"
        ]
    );
    bench.run(30_000);
    assert_eq!(bench.get("charge-limit"), 175.0);
    assert_eq!(bench.get("alarm-level"), 0.0);
}

#[test]
fn gives_up_after_three_precharges() {
    let mut bench = Bench::new(None);
    bench.precharge_works = false;
    bench.run(3_000);
    bench.request(PRECHARGE);
    let took = bench.run_until("fault", 40_000);
    assert!(
        (20_000..24_000).contains(&took),
        "three times 5 s and two pauses of 3 s, not {took} ms"
    );
    let pauses = bench
        .notes
        .iter()
        .filter(|(_, note)| note == "state precharge-pause")
        .count();
    assert_eq!(pauses, 2);
    assert_eq!(bench.severity(AlarmId::Prc), 3);
    bench.precharge_works = true;
    bench.reset();
    bench.run(2_000);
    assert_eq!(bench.state(), "open", "the old request does not count");
    assert_eq!(bench.get("blocking"), f64::from(Blocking::StaleRequest as u8));
    bench.request(OPEN);
    bench.run(200);
    bench.request(PRECHARGE);
    bench.run_until("closed", 5_000);
}

#[test]
fn joins_only_within_the_gap() {
    for (bus, closes) in [(1301.7, false), (1301.9, true), (1311.7, true), (1311.9, false)] {
        let mut bench = Bench::new(None);
        bench.run(3_000);
        bench.hv.set("bus-voltage", bus);
        bench.request(JOIN);
        bench.run(2_000);
        assert_eq!(bench.state() == "closed", closes, "bus at {bus} V");
    }
    let mut bench = Bench::new(Some(Defect::ClosesOntoVoltageGap));
    bench.run(3_000);
    bench.hv.set("bus-voltage", 1250.0);
    bench.request(JOIN);
    bench.run(2_000);
    assert_eq!(bench.state(), "closed");
}

type Stimulus = fn(&mut Bench, f64);

/// Alarm, level, last harmless value, first harmful value, delay in ms, not yet recovered, recovered.
type Row = (AlarmId, usize, Stimulus, f64, f64, u64, f64, f64);

#[test]
fn alarms_have_their_edges_delays_and_recovery() {
    let max: Stimulus = Bench::cell_max;
    let min: Stimulus = Bench::cell_min;
    let hot: Stimulus = |bench, t| bench.temperatures(t, t);
    let insulation: Stimulus = |bench, ohm_per_v| bench.hv.set("insulation-resistance", ohm_per_v * 1306.8);
    let tov: Stimulus = |bench, v| bench.hv.set("cluster-voltage", v * 396.0);
    let hv_box: Stimulus = |bench, t| bench.hv.set("box-temperature", t);
    use AlarmId as Id;
    let rows: [Row; 15] = [
        (Id::Cov, 1, max, 3.549, 3.551, 2_000, 3.451, 3.449),
        (Id::Cov, 2, max, 3.599, 3.601, 1_000, 3.451, 3.449),
        (Id::Cuv, 1, min, 2.901, 2.899, 2_000, 3.049, 3.051),
        (Id::Cuv, 2, min, 2.801, 2.799, 1_000, 2.999, 3.001),
        (Id::Tov, 1, tov, 3.519, 3.521, 2_000, 3.452, 3.448),
        (Id::Tuv, 2, tov, 2.822, 2.818, 2_000, 2.998, 3.002),
        (Id::Cht, 1, hot, 44.0, 46.0, 5_000, 43.0, 41.0),
        (Id::Cht, 2, hot, 49.0, 51.0, 5_000, 46.0, 44.0),
        (Id::Dht, 1, hot, 49.0, 51.0, 5_000, 48.0, 46.0),
        (Id::Dht, 2, hot, 54.0, 56.0, 5_000, 51.0, 49.0),
        (Id::Clt, 1, hot, 6.0, 4.0, 5_000, 7.0, 9.0),
        (Id::Clt, 2, hot, 1.0, -1.0, 5_000, 4.0, 6.0),
        (Id::Dlt, 1, hot, -9.0, -11.0, 5_000, -6.0, -4.0),
        (Id::Ins, 2, insulation, 251.0, 249.0, 30_000, 299.0, 301.0),
        (Id::Hvb, 1, hv_box, 64.0, 66.0, 5_000, 61.0, 59.0),
    ];
    check_edges(&rows, 3_000);
}

#[test]
fn alarms_of_supply_spread_charge_and_current_have_their_edges() {
    let supply: Stimulus = |bench, v| bench.io_set("coil-supply", v);
    // Around a mean that is neither full nor empty.
    let spread: Stimulus = |bench, v| {
        bench.cell_max(3.34);
        bench.cell_min(3.34 - v);
    };
    let soc: Stimulus = |bench, pct| {
        let settings = &bench.bcu.settings;
        bench.bcu.soc = SocCounter::new(settings.soc.clone(), settings.capacity_ah, Some(pct));
    };
    let charge: Stimulus = |bench, a| bench.hv.set("current", -a);
    let discharge: Stimulus = |bench, a| bench.hv.set("current", a);
    use AlarmId as Id;
    let rows: [Row; 14] = [
        (Id::Aux, 1, supply, 22.01, 21.99, 1_000, 22.49, 22.51),
        (Id::Aux, 1, supply, 25.99, 26.01, 1_000, 25.51, 25.49),
        (Id::Aux, 2, supply, 20.01, 19.99, 500, 20.99, 21.01),
        (Id::Aux, 2, supply, 27.99, 28.01, 500, 27.01, 26.99),
        (Id::Dv, 1, spread, 0.099, 0.101, 30_000, 0.081, 0.079),
        (Id::Dv, 2, spread, 0.299, 0.301, 10_000, 0.201, 0.199),
        (Id::Scl, 1, soc, 10.1, 9.9, 0, 11.9, 12.1),
        (Id::Scl, 2, soc, 5.1, 4.9, 0, 6.9, 7.1),
        (Id::Sch, 1, soc, 91.9, 92.1, 0, 90.1, 89.9),
        (Id::Sch, 2, soc, 94.9, 95.1, 0, 93.1, 92.9),
        // Against the limit published, 175 A; once level 2 has taken that away, against the floor of 20 A.
        (Id::Occ, 1, charge, 183.7, 183.8, 10_000, 175.1, 174.9),
        (Id::Occ, 2, charge, 192.4, 192.6, 5_000, 20.1, 19.9),
        (Id::Ocd, 1, discharge, 183.7, 183.8, 10_000, 175.1, 174.9),
        (Id::Ocd, 2, discharge, 192.4, 192.6, 5_000, 20.1, 19.9),
    ];
    check_edges(&rows, 25_000);
}

/// Neither the last harmless value nor a glitch raises the alarm; the first harmful one does after its delay,
/// and it stays until the recovery limit is kept for 10 s.
fn check_edges(rows: &[Row], settle_ms: u64) {
    for (id, level, stimulus, harmless, harmful, delay, held, recovered) in rows.iter().copied() {
        let what = format!("{} level {level}", id.name());
        let mut bench = Bench::new(None);
        bench.run(settle_ms);
        let active = |bench: &Bench| bench.severity(id) >= level;
        stimulus(&mut bench, harmless);
        bench.run(delay + 3_000);
        assert!(!active(&bench), "{what} at {harmless}");
        stimulus(&mut bench, harmful);
        bench.run(delay.saturating_sub(300));
        assert!(!active(&bench), "{what}: before its delay");
        stimulus(&mut bench, harmless);
        bench.run(2_000);
        stimulus(&mut bench, harmful);
        bench.run(delay.saturating_sub(300));
        assert!(!active(&bench), "{what}: a glitch");
        bench.run(1_500);
        assert!(active(&bench), "{what} at {harmful}");
        stimulus(&mut bench, held);
        bench.run(15_000);
        assert!(active(&bench), "{what} held at {held}");
        stimulus(&mut bench, recovered);
        bench.run(9_500);
        assert!(active(&bench), "{what}: held for 10 s");
        bench.run(2_000);
        assert!(!active(&bench), "{what} recovered at {recovered}");
    }
}

#[test]
fn faults_have_their_edges_and_delays() {
    let hot: Stimulus = |bench, t| bench.temperatures(t, t);
    let charging_at: Stimulus = |bench, t| {
        bench.hv.set("current", -10.0);
        bench.temperatures(t, t);
    };
    let max: Stimulus = Bench::cell_max;
    let min: Stimulus = Bench::cell_min;
    let spread: Stimulus = |bench, v| {
        bench.cell_max(3.54);
        bench.cell_min(3.54 - v);
    };
    let volts: Stimulus = |bench, v| bench.hv.set("cluster-voltage", v);
    let insulation: Stimulus = |bench, kilohm| bench.hv.set("insulation-resistance", kilohm * 1e3);
    let hv_box: Stimulus = |bench, t| bench.hv.set("box-temperature", t);
    let supply: Stimulus = |bench, v| bench.io_set("coil-supply", v);
    let charge: Stimulus = |bench, a| bench.hv.set("current", -a);
    let discharge: Stimulus = |bench, a| bench.hv.set("current", a);
    use AlarmId as Id;
    // id, last harmless value, first harmful value, delay ms, good value, whether a reset command is enough
    type Row = (AlarmId, Stimulus, f64, f64, u64, f64, bool);
    let rows: [Row; 15] = [
        (Id::Cov, max, 3.649, 3.651, 700, 3.3, true),
        (Id::Cuv, min, 2.501, 2.499, 700, 3.3, true),
        (Id::Cht, hot, 54.0, 56.0, 6_000, 25.0, true),
        (Id::Dht, hot, 59.0, 61.0, 6_000, 25.0, true),
        (Id::Clt, charging_at, -4.0, -6.0, 6_000, 25.0, true),
        (Id::Dlt, hot, -24.0, -26.0, 6_000, 25.0, true),
        (Id::Dv, spread, 0.499, 0.501, 10_000, 0.0, true),
        // 3.63 V and 2.60 V for each of 396 cells: 1437.48 V and 1029.6 V; 100 Ω/V of 1306.8 V: 130.68 kΩ
        (Id::Tov, volts, 1437.4, 1437.5, 2_000, 1306.8, true),
        (Id::Tuv, volts, 1029.7, 1029.5, 2_000, 1306.8, true),
        (Id::Ins, insulation, 131.0, 130.0, 10_000, 5_000.0, false),
        (Id::Hvb, hv_box, 84.0, 86.0, 5_000, 30.0, true),
        (Id::Aux, supply, 18.01, 17.99, 200, 24.0, true),
        (Id::Aux, supply, 29.99, 30.01, 200, 24.0, true),
        // 1.25 of the rating, 218.75 A
        (Id::Occ, charge, 218.7, 218.8, 200, 0.0, true),
        (Id::Ocd, discharge, 218.7, 218.8, 200, 0.0, true),
    ];
    for (id, stimulus, harmless, harmful, delay, good, by_command) in rows {
        let what = format!("{} level 3", id.name());
        let mut bench = Bench::new(None);
        bench.run(3_000);
        let active = |bench: &Bench| bench.severity(id) == 3;
        stimulus(&mut bench, harmless);
        bench.run(delay + 3_000);
        assert!(!active(&bench), "{what} at {harmless}");
        stimulus(&mut bench, harmful);
        // The slowest message comes once a second.
        bench.run(delay.saturating_sub(100));
        assert!(!active(&bench), "{what}: before its delay");
        bench.run(1_300);
        assert!(active(&bench), "{what} at {harmful}");
        assert_eq!(bench.state(), "fault", "{what}");
        bench.reset();
        assert!(active(&bench), "{what}: no reset while the cause stands");
        stimulus(&mut bench, good);
        bench.run(15_000);
        assert!(active(&bench), "{what} is latched");
        bench.reset();
        assert_eq!(active(&bench), !by_command, "{what} after a reset");
    }
}

#[test]
fn cold_is_a_fault_only_while_charging() {
    for (amperes, level) in [(-0.9, 2), (0.0, 2), (10.0, 2), (-1.1, 3)] {
        let mut bench = Bench::new(None);
        bench.hv.set("current", amperes);
        bench.temperatures(-6.0, -6.0);
        bench.run(12_000);
        assert_eq!(bench.severity(AlarmId::Clt), level, "at {amperes} A");
    }
}

#[test]
fn faults_open_and_stay_until_reset() {
    let rows: [(AlarmId, Stimulus, f64, f64, u64); 6] = [
        (AlarmId::Cov, Bench::cell_max, 3.651, 3.3, 700),
        (AlarmId::Cuv, Bench::cell_min, 2.499, 3.3, 700),
        (
            AlarmId::Dht,
            |bench, t| bench.temperatures(t, 25.0 + t / 2.0),
            61.0,
            25.0,
            6_000,
        ),
        (
            AlarmId::Dt,
            |bench, spread| bench.temperatures(25.0 + spread, 25.0),
            13.0,
            0.0,
            10_000,
        ),
        (
            AlarmId::Tov,
            |bench, v| bench.hv.set("cluster-voltage", v * 396.0),
            3.635,
            3.3,
            2_000,
        ),
        (
            AlarmId::Ocd,
            |bench, a| bench.hv.set("current", a),
            220.0,
            0.0,
            200,
        ),
    ];
    for (id, stimulus, bad, good, delay) in rows {
        let mut bench = Bench::closed(None);
        bench.hv.set("current", 50.0);
        bench.run(25_000);
        stimulus(&mut bench, bad);
        let took = bench.run_until("unloading", delay + 1_300);
        assert!(took >= delay, "{} after {took} ms", id.name());
        assert_eq!(bench.get("charge-limit"), 0.0);
        assert_eq!(bench.get("discharge-limit"), 0.0);
        let opening = bench.run_until("fault", 1_500);
        assert!(
            (500..=1_000).contains(&opening),
            "{}: opened after {opening} ms",
            id.name()
        );
        stimulus(&mut bench, good);
        bench.hv.set("current", 0.0);
        bench.request(OPEN);
        bench.run(2_000);
        assert_eq!(bench.state(), "fault", "{} is latched", id.name());
        bench.reset();
        assert_eq!(bench.severity(id), bench.severity(id).min(2));
    }
}

#[test]
fn opens_at_once_when_the_current_is_small() {
    let mut bench = Bench::closed(None);
    bench.cell_max(3.66);
    let took = bench.run_until("fault", 1_500);
    assert!(
        (700..=1_000).contains(&took),
        "delay of the alarm and no wait for 0 A: {took} ms"
    );
}

#[test]
fn a_normal_open_waits_for_the_current() {
    let mut bench = Bench::closed(None);
    bench.hv.set("current", 50.0);
    bench.request(OPEN);
    bench.run(3_000);
    assert_eq!(bench.state(), "unloading");
    bench.hv.set("current", 4.0);
    bench.run_until("open", 1_000);
    assert_eq!(bench.get("alarm-level"), 0.0);
}

#[test]
fn loss_of_coil_supply_drops_commands_and_needs_reset_and_a_new_request() {
    let mut bench = Bench::closed(None);
    bench.io_set("coil-supply", 0.0);
    let took = bench.run_until("interlocked", 500);
    assert!(took <= 110, "{took} ms");
    bench.run(20);
    assert!(!bench.coil("coil-main-positive") && !bench.coil("coil-main-negative"));
    assert_eq!(bench.severity(AlarmId::Ctf), 0);
    bench.run(1_000);
    assert_eq!(bench.severity(AlarmId::Ilk), 3);
    bench.io_set("coil-supply", 24.0);
    bench.run(2_000);
    assert_eq!(bench.state(), "interlocked", "release alone restores nothing");
    bench.reset();
    bench.run(2_000);
    assert_eq!(bench.state(), "open", "reset alone closes nothing");
    bench.request(OPEN);
    bench.run(200);
    bench.hv.set("bus-voltage", 0.0);
    bench.request(PRECHARGE);
    bench.run_until("closed", 5_000);
}

#[test]
fn loss_of_the_bau_opens_after_three_seconds() {
    let mut bench = Bench::closed(None);
    bench.bau_silent = true;
    let took = bench.run_until("open", 5_000);
    assert!((3_000..3_500).contains(&took), "{took} ms");
    let mut bench = Bench::closed(None);
    bench.bau.port.freeze_counters(true);
    let took = bench.run_until("open", 5_000);
    assert!(
        (2_900..3_500).contains(&took),
        "a still counter is as good as silence: {took} ms"
    );
}

#[test]
fn silence_of_a_bmu_escalates() {
    let mut bench = Bench::closed(None);
    bench.bmus[3].silent = true;
    for (ms, level) in [(800, 0), (600, 1), (2_000, 2), (2_000, 3)] {
        bench.run(ms);
        assert_eq!(bench.severity(AlarmId::Com), level, "after {ms} more ms");
    }
}

#[test]
fn cells_and_sensors_are_passed_on_but_not_those_of_a_silent_bmu() {
    let mut bench = Bench::new(None);
    for (pack, bmu) in bench.bmus.iter_mut().enumerate() {
        let pack = pack as f64;
        bmu.set("cell[17].voltage", 3.301 + 0.001 * pack);
        bmu.set("temperature[8]", 26.0 + pack);
        bmu.set("balance-map", 2.0 + pack);
    }
    bench.run(4_000);
    bench.bmus[3].silent = true;
    bench.run(3_000);
    for (pack, known) in [(0, true), (2, true), (3, false), (8, true)] {
        let shift = f64::from(pack);
        for (name, value) in [
            (format!("cell[{}].voltage", 44 * pack + 17), 3.301 + 0.001 * shift),
            (format!("temperature[{}]", 22 * pack + 8), 26.0 + shift),
            (format!("pack[{pack}].voltage"), 145.2),
            (format!("pack[{pack}].balance-map"), 2.0 + shift),
        ] {
            let got = bench.get(&name);
            assert!(
                if known {
                    (got - value).abs() < 1e-9
                } else {
                    got.is_nan()
                },
                "{name}: {got}"
            );
        }
    }
}

/// All pages of a cluster go out in their cycle, and no identifier more often than its period.
#[test]
fn every_page_has_its_turn() {
    let mut bench = Bench::new(None);
    bench.run(3_000);
    bench.sent.clear();
    bench.run(5_000);
    for (message, pages, frames) in [(0x88, 99, 100), (0x89, 29, 33), (0x8A, 3, 10), (0x8B, 9, 25)] {
        let own: Vec<u8> = bench
            .sent
            .iter()
            .filter(|frame| frame.id.raw() >> 16 & 0xFF == message)
            .map(|frame| frame.data()[0])
            .collect();
        assert!(
            own.len().abs_diff(frames) <= 1,
            "{message:X}: {} frames",
            own.len()
        );
        let seen: std::collections::BTreeSet<u8> = own.iter().copied().collect();
        assert_eq!(seen, (0..pages).collect(), "{message:X}");
    }
}

#[test]
fn a_bcu_for_other_packs_is_refused_with_a_remedy() {
    let library = Library::shipped();
    let mut config = config(&library, None);
    config.bmus[4].product = library.product("rig-bmu-16").unwrap();
    let error = Bcu::new(&config, &library).unwrap_err().to_string();
    assert!(
        error.contains("cells_per_pack") && error.contains("16"),
        "{error}"
    );
}

#[test]
fn a_stuck_main_is_a_mismatch_and_trips_the_breaker() {
    let mut bench = Bench::closed(None);
    bench.negative_stuck_closed = true;
    bench.request(OPEN);
    bench.run(400);
    assert!(!bench.coil("breaker-trip"));
    bench.run(600);
    assert!(bench.coil("breaker-trip"));
    assert_eq!(bench.severity(AlarmId::Ctf), 3);
}

#[test]
fn unusable_sensors_are_counted_per_pack() {
    for (cells, level) in [
        (vec![5], 1),
        (vec![5, 6], 2),
        (vec![1, 3, 5, 7], 2),
        (vec![1, 3, 5, 7, 9, 11, 13], 3),
    ] {
        let mut bench = Bench::new(None);
        bench.run(3_000);
        for cell in &cells {
            let id = bench.bmus[2]
                .points
                .table()
                .find(&format!("cell[{cell}].voltage"))
                .unwrap();
            bench.bmus[2].points.invalidate(id);
        }
        bench.run(6_000);
        assert_eq!(bench.severity(AlarmId::Sen), level, "{cells:?}");
    }
}

#[test]
fn a_fast_rise_is_seen_on_one_pack() {
    let mut bench = Bench::closed(None);
    for second in 0..40 {
        bench.bmus[4].set("temperature-max", 25.0 + f64::from(second) / 4.0);
        bench.run(1_000);
    }
    assert!(bench.get("temperature-rise") >= 9.0);
    assert!(bench.severity(AlarmId::Dtr) >= 1);
}

#[test]
fn defects_do_what_they_claim() {
    let trip = |defect| {
        let mut bench = Bench::closed(defect);
        bench.hv.set("current", 50.0);
        bench.cell_max(3.66);
        let mut took = 0;
        while bench.coil("coil-main-positive") && took < 10_000 {
            bench.run(10);
            took += 10;
        }
        (took, bench)
    };
    let (right, _) = trip(None);
    let (late, _) = trip(Some(Defect::LateTrip));
    assert_eq!(late - right, 3_000);
    let (never, _) = trip(Some(Defect::WrongThreshold));
    assert_eq!(never, 10_000);
    let (silent, bench) = trip(Some(Defect::SilentAlarm));
    assert_eq!((silent, bench.get("alarm-level")), (right, 0.0));

    let mut bench = Bench::closed(Some(Defect::IgnoredEstop));
    bench.io_set("coil-supply", 0.0);
    bench.bau.set("estop-seen", 1.0);
    bench.run(5_000);
    assert!(bench.coil("coil-main-positive") && bench.coil("coil-main-negative"));

    let mut bench = Bench::new(Some(Defect::NoPrecharge));
    bench.run(3_000);
    bench.request(PRECHARGE);
    bench.run_until("closed", 2_000);
    assert!(!bench.notes.iter().any(|(_, note)| note == "coil-precharge on"));

    for (defect, level) in [(None, 3), (Some(Defect::IgnoresOneSensor), 0)] {
        let mut bench = Bench::closed(defect);
        bench.bmus[0].set("temperature-max", 62.0);
        bench.run(8_000);
        assert_eq!(bench.severity(AlarmId::Dht), level);
    }

    let mut bench = Bench::closed(Some(Defect::StuckLimits));
    bench.run(30_000);
    bench.cell_max(3.61);
    bench.run(5_000);
    assert_eq!(bench.get("charge-limit"), 175.0);
}

#[test]
fn power_cycling_forgets_latches_but_not_the_charge() {
    let mut bench = Bench::closed(None);
    bench.cell_max(3.66);
    bench.run(3_000);
    assert_eq!(bench.state(), "fault");
    let soc = bench.get("soc");
    bench.bcu.inject(&DeviceFault::PowerOff).unwrap();
    assert_eq!(bench.bcu.next_wake(), SimTime::NEVER);
    bench.cell_max(3.3);
    bench.run(1_000);
    bench.bcu.inject(&DeviceFault::PowerOn).unwrap();
    bench.run(3_000);
    assert_eq!(bench.state(), "open");
    assert!((bench.get("soc") - soc).abs() < 0.1);
}

#[test]
fn holds_to_the_device_contract() {
    let library = Library::shipped();
    let config = config(&library, None);
    crate::contract::device_contract(|| Box::new(Bcu::new(&config, &library).unwrap()));
}

#[test]
fn holds_to_the_device_contract_however_it_gives_addresses() {
    let library = Library::shipped();
    for way in ["enable-chain", "lss", "j1939"] {
        let mut settings = toml::Table::new();
        settings.insert("addressing".into(), way.into());
        let mut config = config(&library, None);
        config.product = Arc::new(config.product.with_settings(&settings));
        crate::contract::device_contract(|| Box::new(Bcu::new(&config, &library).unwrap()));
    }
}
