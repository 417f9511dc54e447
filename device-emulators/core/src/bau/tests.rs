#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use core::fmt::Write as _;

use bess_types::SimTime;

use super::*;
use crate::bcu::sequence::State;
use crate::codec::modbus::ModbusAccess;
use crate::kinds;
use crate::library::Library;
use crate::protection::AlarmId;

/// A BAU with scripted servers and BCUs that do as they are asked at once.
struct Bench {
    bau: Bau,
    ms: u64,
    bcus: Vec<(CanPort, Points)>,
    servers: Vec<(u8, ModbusServer, Points)>,
    /// The server that does not answer.
    silent: Option<u8>,
    /// What it said to the PCS on CAN.
    to_pcs: String,
}

impl Bench {
    fn new(defect: Option<Defect>, voltages: &[f64]) -> Self {
        Self::of("bau", defect, voltages)
    }

    fn of(bau: &str, defect: Option<Defect>, voltages: &[f64]) -> Self {
        let library = Library::shipped();
        let product = |id| library.product(id).unwrap();
        let numbers = 1..=u8::try_from(voltages.len()).unwrap();
        let config = BauConfig {
            product: product(bau),
            bcus: numbers
                .clone()
                .map(|number| (number, product("bcu-396s")))
                .collect(),
            io: product("rig-container-io"),
            pcs: product("sjpcs-1725-m"),
            fire_panel: None,
            chiller: Some(product("chiller")),
            hvac: Some(product("hvac")),
            defect,
        };
        let bau = Bau::new(&config, &library).unwrap();
        let server = |peer, product: &Arc<Product>| {
            let table = kinds::point_table(product).unwrap();
            let server = ModbusServer::of_product(product, &library, &table).unwrap();
            (peer, server, Points::new(table.into()))
        };
        let servers = vec![
            server(IO_PEER, &config.io),
            server(PCS_PEER, &config.pcs),
            server(CHILLER_PEER, config.chiller.as_ref().unwrap()),
            server(HVAC_PEER, config.hvac.as_ref().unwrap()),
        ];
        let bcu_table = Arc::new(kinds::point_table(&product("bcu-396s")).unwrap());
        let bcus = numbers
            .map(|number| {
                let address = STACK_ADDRESS_BASE + number;
                let product = product("bcu-396s");
                let mut port = CanPort::compile(&product, "stack", &library, &bcu_table, address).unwrap();
                port.start(SimTime::ZERO);
                (port, Points::new(bcu_table.clone()))
            })
            .collect();
        let mut bench = Self {
            bau,
            ms: 0,
            bcus,
            servers,
            silent: None,
            to_pcs: String::new(),
        };
        for line in ["estop-a", "estop-b", "safety-ok", "door-closed"] {
            bench.io(line, 1.0);
        }
        for line in ["fire-prewarning", "fire-level-1", "fire-level-2", "fire-released"] {
            bench.io(line, 0.0);
        }
        for (i, volts) in voltages.iter().enumerate() {
            for (name, value) in [
                ("state", f64::from(State::Open as u8)),
                ("alarm-level", 0.0),
                ("alarms-warn", 0.0),
                ("alarms-alarm", 0.0),
                ("alarms-fault", 0.0),
                ("ready", 1.0),
                ("cluster-voltage", *volts),
                ("bus-voltage", 0.0),
                ("current", 0.0),
                ("soc", 50.0),
                ("soh", 100.0),
                ("cell-voltage-max", 3.31),
                ("cell-voltage-min", 3.29),
                ("temperature-max", 26.0),
                ("temperature-min", 24.0),
                ("charge-limit", 100.0 + i as f64),
                ("discharge-limit", 150.0 + i as f64),
            ] {
                bench.bcu(i, name, value);
            }
        }
        bench.run(3_000);
        assert_eq!(bench.state(), "standby");
        bench
    }

    fn connected(defect: Option<Defect>) -> Self {
        let mut bench = Self::new(defect, &[1300.0, 1301.0, 1302.0]);
        bench.command(1);
        bench.run(3_000);
        assert_eq!(bench.state(), "connected");
        bench
    }

    fn io(&mut self, name: &str, value: f64) {
        self.serve(IO_PEER, name, value);
    }

    /// A server has this value from now on.
    fn serve(&mut self, peer: u8, name: &str, value: f64) {
        let server = self.servers.iter_mut().find(|server| server.0 == peer);
        let points = &mut server.unwrap().2;
        let id = points.table().find(name).unwrap();
        points.set(id, value);
    }

    /// 802 `Evt1` and `EvtVnd1`, as on the wire.
    fn events(&mut self) -> (u32, u32) {
        let request = bess_types::ModbusRequest::Read {
            table: bess_types::Table::Holding,
            address: 40_096,
            count: 6,
        };
        let now = SimTime::from_millis(self.ms);
        let Bau { server, points, .. } = &mut self.bau;
        let reply = server.serve(now, ModbusAccess::default(), &request, points, &mut Vec::new());
        let Ok(bess_types::ModbusData::Registers(words)) = reply else {
            panic!("{reply:?}")
        };
        let long = |at: usize| u32::from(words[at]) << 16 | u32::from(words[at + 1]);
        assert_eq!(long(2), 0, "Evt2");
        (long(0), long(4))
    }

    fn bcu(&mut self, i: usize, name: &str, value: f64) {
        let points = &mut self.bcus[i].1;
        let id = points.table().find(name).unwrap();
        points.set(id, value);
    }

    fn server(&self, i: usize, name: &str) -> f64 {
        let points = &self.servers[i].2;
        points.get(points.table().find(name).unwrap()).unwrap_or(f64::NAN)
    }

    fn get(&self, name: &str) -> f64 {
        let points = self.bau.points();
        points.get(points.table().find(name).unwrap()).unwrap_or(f64::NAN)
    }

    fn state(&self) -> &'static str {
        points::STACK_STATES[self.bau.state as usize]
    }

    fn command(&mut self, command: u16) {
        let request = bess_types::ModbusRequest::WriteRegisters {
            address: 30_000,
            values: vec![command],
        };
        let now = SimTime::from_millis(self.ms);
        let input = Input::ModbusRequest {
            unit: 1,
            access: ModbusAccess::default(),
            request: &request,
            token: crate::Token(1),
        };
        self.bau.accept(now, input);
        self.drain(now);
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.ms += 10;
            let now = SimTime::from_millis(self.ms);
            self.bcus_follow();
            let mut frames = Vec::new();
            for (port, points) in &mut self.bcus {
                port.transmit_due(now, points, &mut |frame| frames.push(frame));
            }
            for frame in frames {
                self.bau.accept(
                    now,
                    Input::Can {
                        port: STACK_PORT,
                        frame: &frame,
                    },
                );
                self.drain(now);
            }
            if self.bau.next_wake() <= now {
                self.bau.accept(now, Input::Wake);
                self.drain(now);
            }
        }
    }

    fn drain(&mut self, now: SimTime) {
        while let Some(output) = self.bau.poll_output() {
            if let Output::Can {
                port: PCS_PORT,
                frame,
            } = output
            {
                writeln!(self.to_pcs, "{now} {frame}").unwrap();
            } else if let Output::ModbusRequest { peer, request, token } = output {
                if self.silent == Some(peer) {
                    continue;
                }
                let (_, server, points) = self.servers.iter_mut().find(|server| server.0 == peer).unwrap();
                let reply = server.serve(now, ModbusAccess::default(), &request, points, &mut Vec::new());
                self.bau.accept(
                    now,
                    Input::ModbusReply {
                        token,
                        reply: Some(&reply),
                    },
                );
            }
        }
    }

    fn bcus_follow(&mut self) {
        let requests: Vec<f64> = (0..self.bcus.len())
            .map(|i| self.get(&format!("cluster[{i}].request")))
            .collect();
        let mut bus = None;
        for (i, request) in requests.iter().enumerate() {
            let level = self.bcus[i]
                .1
                .get(self.bcus[i].1.table().find("alarm-level").unwrap());
            let closed = *request >= 2.0 && level != Some(3.0);
            let state = if closed { State::Closed } else { State::Open };
            let volts = self.bcus[i].1.table().find("cluster-voltage").unwrap();
            bus = bus.or(self.bcus[i].1.get(volts).filter(|_| closed));
            for (name, value) in [
                ("state", f64::from(state as u8)),
                ("ready", f64::from(u8::from(!closed))),
                ("main-positive-closed", f64::from(u8::from(closed))),
                ("main-negative-closed", f64::from(u8::from(closed))),
            ] {
                self.bcu(i, name, value);
            }
        }
        for i in 0..self.bcus.len() {
            self.bcu(i, "bus-voltage", bus.unwrap_or(0.0));
        }
    }
}

/// A frame of the PCS, every second.
struct FromPcs(CanFrame);

impl FromPcs {
    fn new(id: CanId, first: u8) -> Self {
        Self(CanFrame::new(id, &[first, 0, 0, 0, 0, 0, 0, 0]).unwrap())
    }

    fn for_seconds(&self, bench: &mut Bench, seconds: u64) {
        for _ in 0..seconds {
            let now = SimTime::from_millis(bench.ms);
            bench.bau.accept(
                now,
                Input::Can {
                    port: PCS_PORT,
                    frame: &self.0,
                },
            );
            bench.drain(now);
            bench.run(1_000);
        }
    }
}

/// Two seconds of a connected stack, in every profile, and what the PCS was told over Modbus in it.
#[test]
fn frames_of_a_running_stack_to_the_pcs() {
    let mut text = String::new();
    let alive = FromPcs::new(CanId::Standard(0x305), 0);
    let identify = FromPcs::new(CanId::Standard(0x151), 1);
    let poll = FromPcs::new(CanId::Extended(0x4200), 0);
    for (product, pcs) in [
        ("bau-pylontech-lv", &alive),
        ("bau-pylontech-lv-13", &alive),
        ("bau-sma-lv", &alive),
        ("bau-byd-hv", &identify),
        ("bau-pylontech-hv", &poll),
    ] {
        let mut bench = Bench::of(product, None, &[700.0]);
        bench.command(1);
        pcs.for_seconds(&mut bench, 4);
        assert_eq!(bench.state(), "connected", "{product}");
        bench.to_pcs.clear();
        let seconds = if product == "bau-sma-lv" { 0 } else { 2 };
        pcs.for_seconds(&mut bench, seconds);
        bench.run(100);
        write!(text, "{product}\n{}", bench.to_pcs).unwrap();
        assert!(
            bench.server(1, "bms-charge-limit").is_nan(),
            "{product}: not over Modbus"
        );
        assert_eq!(bench.get("pcs-keep-alive-lost"), 0.0, "{product}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_silent_pcs_is_alarmed_then_the_stack_stops() {
    let mut bench = Bench::of("bau-pylontech-lv", None, &[700.0]);
    bench.command(1);
    let alive = FromPcs::new(CanId::Standard(0x305), 0);
    alive.for_seconds(&mut bench, 4);
    assert_eq!((bench.state(), bench.get("alarm-level")), ("connected", 0.0));
    assert_eq!((bench.get("charge-enable"), bench.get("pcs-online")), (1.0, 1.0));
    bench.run(3_100);
    assert_eq!((bench.state(), bench.get("alarm-level")), ("connected", 2.0));
    assert_eq!(
        (bench.get("pcs-keep-alive-lost"), bench.get("pcs-online")),
        (1.0, 0.0)
    );
    alive.for_seconds(&mut bench, 1);
    assert_eq!(
        (bench.get("alarm-level"), bench.get("pcs-keep-alive-lost")),
        (0.0, 0.0)
    );
    bench.run(11_000);
    assert_ne!(bench.state(), "connected");
}

#[test]
fn a_forbidden_direction_is_on_the_bus_and_a_quick_stop_opens() {
    let mut bench = Bench::of("bau-sma-lv", None, &[700.0]);
    bench.command(1);
    let alive = FromPcs::new(CanId::Standard(0x305), 0);
    alive.for_seconds(&mut bench, 4);
    bench.bcu(0, "charge-limit", 0.0);
    alive.for_seconds(&mut bench, 1);
    assert_eq!(
        (bench.get("charge-enable"), bench.get("discharge-enable")),
        (0.0, 1.0)
    );
    assert!(bench.to_pcs.contains(" 351#"), "{}", bench.to_pcs);
    let last = bench.to_pcs.lines().rfind(|line| line.contains(" 351#")).unwrap();
    assert_eq!(
        &last[last.len() - 12..last.len() - 8],
        "0000",
        "no charge current in {last}"
    );
    FromPcs::new(CanId::Standard(0x00F), 0).for_seconds(&mut bench, 1);
    assert_eq!(bench.state(), "standby");
}

#[test]
fn keeps_the_device_contract_with_a_bus_to_the_pcs() {
    let bau = |id: &'static str| {
        move || -> Box<dyn Device> {
            let library = Library::shipped();
            let product = |id| library.product(id).unwrap();
            let config = BauConfig {
                product: product(id),
                bcus: vec![(1, product("bcu-396s"))],
                io: product("rig-container-io"),
                pcs: product("pcs-100-380"),
                fire_panel: None,
                chiller: None,
                hvac: None,
                defect: None,
            };
            Box::new(Bau::new(&config, &library).unwrap())
        }
    };
    for id in ["bau-byd-hv", "bau-pylontech-hv"] {
        crate::contract::device_contract(bau(id));
    }
}

const STACK_ADDRESS_BASE: u8 = crate::bcu::STACK_ADDRESS;

#[test]
fn starts_with_the_common_voltage_and_leaves_the_odd_one_out() {
    for (defect, odd, connected) in [
        (None, 1340.0, 3.0),
        (None, 1320.0, 3.0),
        (Some(Defect::ClosesOntoVoltageGap), 1340.0, 4.0),
    ] {
        let mut bench = Bench::new(defect, &[odd, 1300.0, 1301.0, 1302.0]);
        bench.command(1);
        bench.run(3_000);
        assert_eq!(bench.state(), "connected");
        assert_eq!(bench.get("clusters-connected"), connected);
        assert_eq!(
            bench.get("cluster[1].request"),
            3.0,
            "the first of the common ones precharges"
        );
    }
}

#[test]
fn limits_are_the_weakest_times_the_number_on_the_bus() {
    let mut bench = Bench::connected(None);
    bench.run(1_000);
    assert_eq!(bench.server(1, "bms-charge-limit"), 300.0);
    assert_eq!(bench.server(1, "bms-discharge-limit"), 450.0);
    assert_eq!(bench.server(1, "bms-permit"), 1.0);
    assert_eq!(bench.server(0, "bms-permit"), 1.0);
}

#[test]
fn an_emergency_stop_latches_until_released_reset_and_started() {
    let mut bench = Bench::connected(None);
    bench.io("estop-a", 0.0);
    bench.io("safety-ok", 0.0);
    bench.run(200);
    assert_eq!(bench.state(), "emergency-stop");
    assert_eq!(bench.server(1, "bms-discharge-limit"), 0.0);
    assert_eq!(bench.server(0, "bms-permit"), 0.0);
    bench.run(500);
    assert_eq!(bench.get("clusters-connected"), 0.0);
    bench.command(3);
    bench.run(500);
    assert_eq!(bench.state(), "emergency-stop", "not released yet");
    bench.io("estop-a", 1.0);
    bench.io("safety-ok", 1.0);
    bench.command(1);
    bench.run(5_000);
    assert_eq!(bench.state(), "emergency-stop", "release and start do not do");
    bench.command(3);
    bench.run(5_000);
    assert_eq!(bench.state(), "standby", "a reset starts nothing");
    bench.command(1);
    bench.run(3_000);
    assert_eq!(bench.state(), "connected");
}

#[test]
fn fire_opens_everything_and_needs_a_reset() {
    for line in ["fire-prewarning", "fire-level-1"] {
        let mut bench = Bench::connected(None);
        bench.io(line, 1.0);
        bench.run(1_000);
        assert_eq!(bench.state(), "fire");
        assert_eq!(bench.get("clusters-connected"), 0.0);
        bench.io(line, 0.0);
        bench.run(1_000);
        assert_eq!(bench.state(), "fire");
        bench.command(3);
        bench.run(500);
        assert_eq!(bench.state(), "standby");
    }
}

#[test]
fn one_faulty_cluster_leaves_and_two_stop_the_stack() {
    let mut bench = Bench::connected(None);
    bench.bcu(0, "alarm-level", 3.0);
    bench.run(500);
    assert_eq!(
        (bench.state(), bench.get("clusters-connected")),
        ("connected", 2.0)
    );
    bench.bcu(1, "alarm-level", 3.0);
    bench.run(500);
    assert_eq!((bench.state(), bench.get("clusters-connected")), ("fault", 0.0));
    assert_eq!(bench.server(0, "bms-permit"), 0.0);
}

#[test]
fn a_silent_bcu_is_a_fault_whatever_the_stack_was_doing() {
    let com = AlarmId::Com.number() as f64;
    // in standby, while closing, connected, and stopped meanwhile by another
    for commands in [&[][..], &[1], &[1, 0], &[1, 0, 2]] {
        let mut bench = Bench::new(None, &[1300.0]);
        for command in commands {
            match command {
                0 => bench.run(3_000),
                command => bench.command(*command),
            }
        }
        assert_eq!(bench.get("alarm-level"), 0.0, "{commands:?}");
        let mut silent = core::mem::take(&mut bench.bcus);
        bench.run(2_800);
        assert_eq!(bench.get("alarm-level"), 0.0, "{commands:?}: within the limit");
        bench.run(500);
        let seen = |bench: &Bench| {
            (
                bench.state(),
                bench.get("alarm-level"),
                bench.get("first-alarm"),
                bench.get("cluster[0].alarm-level"),
            )
        };
        assert_eq!(seen(&bench), ("fault", 3.0, com, 3.0), "{commands:?}");
        assert_eq!(bench.events(), (1, 1 << 7), "{commands:?}");
        assert_eq!(bench.get("first-alarm-cluster"), 1.0);
        assert_eq!(bench.get("cluster[0].online"), 0.0);
        assert!(bench.get("cluster[0].state").is_nan(), "not known");
        assert_eq!(bench.server(0, "bms-permit"), 0.0);
        bench.command(3);
        bench.run(200);
        assert_eq!(
            seen(&bench),
            ("fault", 3.0, com, 3.0),
            "a reset does not bring it back"
        );
        bench.bcus.append(&mut silent);
        bench.run(1_000);
        assert_eq!(seen(&bench), ("fault", 3.0, com, 3.0), "latched");
        bench.command(3);
        bench.run(200);
        assert_eq!(seen(&bench), ("standby", 0.0, 0.0, 0.0), "{commands:?}");
        assert_eq!(bench.events(), (0, 0), "{commands:?}");
        bench.command(1);
        bench.run(3_000);
        assert_eq!(bench.state(), "connected");
    }
}

#[test]
fn what_stops_the_stack_stands_in_its_events_until_the_reset() {
    type Change = fn(&mut Bench, bool);
    let estop: Change = |bench, on| {
        bench.io("estop-a", f64::from(u8::from(!on)));
        bench.io("safety-ok", f64::from(u8::from(!on)));
    };
    let chain: Change = |bench, on| bench.io("safety-ok", f64::from(u8::from(!on)));
    let fire: Change = |bench, on| bench.io("fire-level-1", f64::from(u8::from(on)));
    let clusters: Change = |bench, on| {
        for cluster in [0, 1] {
            bench.bcu(cluster, "alarm-level", if on { 3.0 } else { 0.0 });
        }
    };
    let stuck: Change = |bench, on| {
        let bits = f64::from(u32::from(on) << AlarmId::Ctf.bit());
        bench.bcu(0, "alarms-fault", bits);
    };
    let io: Change = |bench, on| bench.silent = on.then_some(IO_PEER);
    for (state, change, expected) in [
        ("emergency-stop", estop, (1 << 25, 0b1100)),
        ("emergency-stop", chain, (1 << 25, 0b1000)),
        ("fire", fire, (1 << 25, 0b1)),
        ("fault", clusters, (1 << 25, 1 << 4)),
        ("fault", stuck, (1 << 20, 1 << 5)),
        ("fault", io, (1, 1 << 8)),
    ] {
        let mut bench = Bench::connected(None);
        assert_eq!(bench.events(), (0, 0));
        change(&mut bench, true);
        bench.run(2_000);
        assert_eq!(bench.state(), state);
        assert_eq!(bench.get("battery-state"), 99.0);
        assert_eq!(bench.events(), expected, "{state}");
        change(&mut bench, false);
        bench.run(1_000);
        assert_eq!(bench.events(), expected, "{state}: latched");
        bench.command(3);
        bench.run(200);
        assert_eq!(bench.state(), "standby");
        assert_eq!(bench.events(), (0, 0), "{state}: reset");
        assert_eq!(bench.get("alarm-level"), 0.0);
    }
}

#[test]
fn faults_of_the_auxiliaries_and_their_silence_are_reported() {
    let mut bench = Bench::connected(None);
    let reported = |bench: &mut Bench| (bench.events(), bench.get("alarm-level"));
    let well = ((0, 0), 0.0);
    for (peer, faults, expected) in [
        (PCS_PEER, &[("pcs-state", 5.0)][..], ((1 << 26, 1 << 14), 1.0)),
        (
            CHILLER_PEER,
            &[("fault", 4.0), ("fault-level", 1.0)],
            ((1 << 26, 1 << 15), 1.0),
        ),
        (
            CHILLER_PEER,
            &[("fault", 1.0), ("fault-level", 2.0)],
            ((1 << 25, 1 << 16), 2.0),
        ),
        (
            HVAC_PEER,
            &[("fault", 3.0), ("fault-level", 1.0)],
            ((1 << 26, 1 << 17), 1.0),
        ),
        (
            HVAC_PEER,
            &[("fault", 2.0), ("fault-level", 2.0)],
            ((1 << 25, 1 << 18), 2.0),
        ),
        (
            HVAC_PEER,
            &[("fault", 1.0), ("fault-level", 2.0)],
            ((1 << 21, 1 << 19), 2.0),
        ),
    ] {
        for (name, value) in faults {
            bench.serve(peer, name, *value);
        }
        bench.run(1_100);
        assert_eq!(reported(&mut bench), expected, "{faults:?}");
        for (name, _) in faults {
            bench.serve(peer, name, 0.0);
        }
        bench.run(1_100);
        assert_eq!(reported(&mut bench), well, "it does not latch");
    }
    for (peer, after_ms, expected) in [
        (PCS_PEER, 2_600, ((1, 1 << 10), 2.0)),
        (CHILLER_PEER, 31_000, ((1, 1 << 12), 1.0)),
        (HVAC_PEER, 31_000, ((1, 1 << 13), 1.0)),
    ] {
        bench.silent = Some(peer);
        bench.run(after_ms - 2_000);
        assert_eq!(reported(&mut bench), well, "within the limit");
        bench.run(2_000);
        assert_eq!(reported(&mut bench), expected);
        let online = [bench.get("chiller-online"), bench.get("hvac-online")];
        let answers = |other: u8| f64::from(u8::from(other != peer));
        assert_eq!(online, [answers(CHILLER_PEER), answers(HVAC_PEER)]);
        bench.silent = None;
        bench.run(1_100);
        assert_eq!(reported(&mut bench), well);
    }
    assert_eq!(bench.state(), "connected");
}

#[test]
fn what_a_cluster_reports_without_a_bit_of_its_own_is_in_the_vendors_events() {
    for (id, bit) in [
        (AlarmId::Fire, 0),
        (AlarmId::Sen, 20),
        (AlarmId::Aux, 21),
        (AlarmId::Ilk, 22),
        (AlarmId::Prc, 23),
    ] {
        for (set, other) in [("alarms-warn", 26), ("alarms-alarm", 25)] {
            let mut bench = Bench::connected(None);
            bench.bcu(1, set, f64::from(1_u32 << id.bit()));
            bench.run(1_500);
            assert_eq!(bench.events(), (1 << other, 1 << bit), "{id:?}");
            assert_eq!(bench.get("cluster[1].vendor-events"), f64::from(1_u32 << bit));
            assert_eq!(bench.get("cluster[0].vendor-events"), 0.0);
        }
    }
}

#[test]
fn one_silent_bcu_is_alarmed_and_its_cluster_left_out() {
    let mut bench = Bench::connected(None);
    let last = bench.bcus.pop().unwrap();
    bench.run(3_500);
    assert_eq!(
        (bench.state(), bench.get("clusters-connected")),
        ("connected", 2.0)
    );
    assert_eq!(
        (bench.get("alarm-level"), bench.get("first-alarm-cluster")),
        (3.0, 3.0)
    );
    assert_eq!(bench.get("cluster[2].request"), 1.0);
    bench.bcus.push(last);
    bench.run(500);
    assert_eq!(bench.get("alarm-level"), 3.0);
    bench.command(3);
    bench.run(500);
    assert_eq!((bench.state(), bench.get("alarm-level")), ("connected", 0.0));
    assert_eq!(bench.get("clusters-connected"), 2.0, "a reset starts nothing");
}

#[test]
fn defects_do_what_they_claim() {
    let after_estop = |defect, reset: bool| {
        let mut bench = Bench::connected(defect);
        bench.io("safety-ok", 0.0);
        bench.run(500);
        let during = bench.state();
        bench.io("safety-ok", 1.0);
        bench.run(500);
        if reset {
            bench.command(3);
        }
        bench.run(3_000);
        (during, bench.state())
    };
    let stopped = "emergency-stop";
    assert_eq!(after_estop(None, true), (stopped, "standby"));
    assert_eq!(
        after_estop(Some(Defect::IgnoredEstop), false),
        ("connected", "connected")
    );
    assert_eq!(
        after_estop(Some(Defect::NoResetNeeded), false),
        (stopped, "standby")
    );
    assert_eq!(
        after_estop(Some(Defect::RestartsAfterEstopRelease), false),
        (stopped, "connected")
    );

    let mut bench = Bench::connected(Some(Defect::IgnoresFirePrewarning));
    bench.io("fire-prewarning", 1.0);
    bench.run(1_000);
    assert_eq!(bench.state(), "connected");
    bench.io("fire-level-1", 1.0);
    bench.run(1_000);
    assert_eq!(bench.state(), "fire");

    for (defect, moves) in [(None, true), (Some(Defect::FrozenHeartbeat), false)] {
        let mut bench = Bench::connected(defect);
        let before = [
            bench.get("heartbeat"),
            bench.get("life-counter"),
            bench.server(1, "bms-heartbeat"),
        ];
        bench.run(3_000);
        let after = [
            bench.get("heartbeat"),
            bench.get("life-counter"),
            bench.server(1, "bms-heartbeat"),
        ];
        let moved = before
            .iter()
            .zip(after)
            .all(|(before, after)| !before.is_nan() && *before != after);
        assert_eq!(moved, moves);
    }
}

#[test]
fn cells_come_in_pages_and_are_forgotten_with_their_cluster() {
    let mut bench = Bench::new(None, &[1300.0, 1301.0]);
    for cell in 0..396 {
        let voltage = 3.2 + 0.001 * f64::from(cell % 44);
        bench.bcu(1, &format!("cell[{cell}].voltage"), voltage);
    }
    for sensor in 0..198 {
        bench.bcu(1, &format!("temperature[{sensor}]"), f64::from(20 + sensor % 22));
    }
    bench.bcu(1, "pack[2].voltage", 142.3);
    bench.bcu(1, "pack[2].balance-map", f64::from(0b1001));
    bench.run(7_000);
    let expected = [
        ("cells", 44.0),
        ("voltage", 142.3),
        ("cell-voltage-max", 3.243),
        ("cell-voltage-max-cell", 44.0),
        ("cell-voltage-min", 3.2),
        ("cell-voltage-min-cell", 1.0),
        ("cell-voltage-mean", 3.2215),
        ("temperature-max", 41.0),
        ("temperature-max-cell", 43.0),
        ("temperature-min", 20.0),
        ("temperature-min-cell", 1.0),
        ("temperature-mean", 30.5),
        ("balancing-cells", 2.0),
        ("cell[3].voltage", 3.203),
        ("cell[3].temperature", 21.0),
        ("cell[3].status", 1.0),
        ("cell[4].status", 0.0),
        ("cell[43].voltage", 3.243),
        ("cell[43].temperature", 41.0),
    ];
    for (name, value) in expected {
        let got = bench.get(&format!("cluster[1].pack[2].{name}"));
        assert!((got - value).abs() < 1e-9, "{name}: {got}, expected {value}");
    }
    // the other packs do not say which cells bleed
    assert_eq!(bench.get("cluster[1].balancing-cells"), 2.0);
    assert_eq!(bench.get("balancing-cells"), 2.0);
    assert!(bench.get("cluster[1].pack[3].cell[0].status").is_nan());
    assert!(bench.get("cluster[0].pack[2].cell[3].voltage").is_nan());
    assert!(bench.get("cluster[0].balancing-cells").is_nan());

    bench.bcus.truncate(1);
    bench.run(5_000);
    for (name, _) in &expected[1..] {
        assert!(
            bench.get(&format!("cluster[1].pack[2].{name}")).is_nan(),
            "{name}"
        );
    }
    assert!(bench.get("balancing-cells").is_nan());
}

#[test]
fn a_stack_of_other_packs_is_refused_with_a_remedy() {
    let library = Library::shipped();
    let product = |id| library.product(id).unwrap();
    let config = BauConfig {
        product: product("bau"),
        bcus: vec![(1, product("bcu-396s")), (2, product("bcu-220s"))],
        io: product("rig-container-io"),
        pcs: product("sjpcs-1725-m"),
        fire_panel: None,
        chiller: None,
        hvac: None,
        defect: None,
    };
    let error = Bau::new(&config, &library).unwrap_err().to_string();
    assert!(
        error.contains("packs_per_cluster") && error.contains("bcu-220s"),
        "{error}"
    );
}

#[test]
fn holds_to_the_device_contract() {
    let library = Library::shipped();
    let product = |id| library.product(id).unwrap();
    let config = BauConfig {
        product: product("bau"),
        bcus: (1..=9).map(|number| (number, product("bcu-396s"))).collect(),
        io: product("rig-container-io"),
        pcs: product("sjpcs-1725-m"),
        fire_panel: Some(product("fire-panel")),
        chiller: Some(product("chiller")),
        hvac: Some(product("hvac")),
        defect: None,
    };
    crate::contract::device_contract(|| Box::new(Bau::new(&config, &library).unwrap()));
}
