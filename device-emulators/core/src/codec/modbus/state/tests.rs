#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use bess_types::{ModbusData, ModbusException, ModbusReply, ModbusRequest, SimTime, Table};

use super::super::identification::Identification;
use super::super::{ModbusAccess, ModbusServer, ModbusSettings, RegisterMap};
use crate::points::{PointTable, Points};

const MAP: &str = r#"
title = "Side effects"

[[block]]
name = "alarms as they are"
table = "holding"
register = [{ at = 0, bits = { 0 = "fan", 3 = "door" } }]

[[block]]
name = "alarms latched"
table = "holding"
base = 10
register = [
    { at = 0, bits = { 0 = "fan", 3 = "door" }, on_write = "clear", access = "read-write" },
    { at = 1, bits = { 0 = "fan", 3 = "door" }, on_read = "clear" },
    { at = 2, point = "fault-word", type = "u32", on_write = "clear", on_read = "clear", access = "read-write" },
]

[[block]]
name = "alarm bit"
table = "coil"
access = "read-write"
register = [
    { at = 0, point = "fan", on_write = "clear" },
    { at = 1, point = "start", returns_to = 0, after_ms = 200 },
]

[[block]]
name = "commands"
table = "holding"
base = 20
access = "read-write"
register = [
    { at = 0, point = "command", returns_to = 0, after_ms = 500 },
    { at = 1, point = "limit" },
    { at = 2, point = "setpoint", type = "i16" },
    { at = 3, hold = 30, name = "timeout" },
    { at = 4, hold = -7, name = "fallback", type = "i16" },
    { at = 5, hold = 0, name = "left", access = "read" },
    { at = 6, hold = 0xCAFE },
    { at = 7, hold = 10, scale = 0.1, returns_to = 1, after_ms = 300 },
]

[[block]]
name = "parameters"
table = "holding"
base = 40
access = "read-write"
role = ["service", "maker"]
register = [
    { at = 0, point = "capacity" },
    { at = 1, point = "name-plate", role = ["maker"] },
]

[[revert]]
after = "timeout"
remaining = "left"
back = { setpoint = "fallback", limit = 100 }
"#;

struct Bench {
    server: ModbusServer,
    points: Points,
    now: SimTime,
    written: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let mut table = PointTable::default();
        table.flag("fan");
        table.flag("door");
        table.value("fault-word", "1", 0.0, 4_294_967_295.0);
        table.flag("start");
        table.state("command", &["none", "start", "stop"]);
        table.value("limit", "A", 0.0, 400.0);
        table.value("setpoint", "W", -1000.0, 1000.0);
        table.value("capacity", "Ah", 0.0, 1000.0);
        table.value("name-plate", "1", 0.0, 1000.0);
        let map = RegisterMap::compile("test.toml", MAP, &table, "M").unwrap();
        Self {
            server: ModbusServer::new(map, ModbusSettings::default(), Identification::default()),
            points: Points::new(table.into()),
            now: SimTime::ZERO,
            written: Vec::new(),
        }
    }

    fn set(&mut self, name: &str, value: f64) {
        let id = self.points.table().find(name).unwrap();
        self.points.set(id, value);
        self.at(self.now);
    }

    fn get(&self, name: &str) -> f64 {
        self.points.get(self.points.table().find(name).unwrap()).unwrap()
    }

    fn ask_as(&mut self, access: ModbusAccess<'_>, request: &ModbusRequest) -> ModbusReply {
        let mut written = Vec::new();
        let reply = self
            .server
            .serve(self.now, access, request, &mut self.points, &mut written);
        self.note(&written);
        reply
    }

    fn ask(&mut self, request: &ModbusRequest) -> ModbusReply {
        self.ask_as(ModbusAccess::default(), request)
    }

    fn note(&mut self, written: &[crate::points::PointId]) {
        let names = written.iter().map(|id| self.points.table().def(*id).name.clone());
        self.written.extend(names);
    }

    fn read(&mut self, address: u16, count: u16) -> Vec<u16> {
        let request = ModbusRequest::Read {
            table: Table::Holding,
            address,
            count,
        };
        match self.ask(&request) {
            Ok(ModbusData::Registers(words)) => words,
            other => panic!("{other:?}"),
        }
    }

    fn write(&mut self, address: u16, values: &[u16]) -> ModbusReply {
        self.ask(&ModbusRequest::WriteRegisters {
            address,
            values: values.to_vec(),
        })
    }

    fn coil(&mut self, address: u16) -> bool {
        let request = ModbusRequest::Read {
            table: Table::Coil,
            address,
            count: 1,
        };
        self.ask(&request) == Ok(ModbusData::Bits(vec![true]))
    }

    /// Lets time pass, as a device does.
    fn at(&mut self, now: SimTime) {
        self.now = now;
        let mut written = Vec::new();
        self.server.tick(now, &mut self.points, &mut written);
        self.note(&written);
    }

    fn at_ms(&mut self, ms: u64) {
        self.at(SimTime::from_millis(ms));
    }
}

const WRITTEN: ModbusReply = Ok(ModbusData::Written);

#[test]
fn a_latch_shows_what_was_on_until_it_is_written_1() {
    let mut bench = Bench::new();
    bench.set("fan", 1.0);
    bench.set("fan", 0.0);
    bench.set("door", 1.0);
    assert_eq!(bench.read(0, 1), [0b1000], "as they are");
    assert_eq!(bench.read(10, 1), [0b1001], "latched");
    assert_eq!(bench.write(10, &[0b0001]), WRITTEN);
    assert_eq!(bench.read(10, 1), [0b1000], "the fan's is cleared");
    assert_eq!(bench.write(10, &[0b1000]), WRITTEN);
    assert_eq!(bench.read(10, 1), [0b1000], "the door is still open");
    bench.set("door", 0.0);
    assert_eq!(bench.write(10, &[0b0001]), WRITTEN);
    assert_eq!(bench.read(10, 1), [0b1000], "0 clears nothing");
    assert_eq!(bench.write(10, &[0b1000]), WRITTEN);
    assert_eq!(bench.read(10, 1), [0]);
    assert!(bench.written.is_empty(), "no point was written");
    bench.set("fan", 1.0);
    bench.set("fan", 0.0);
    assert!(bench.coil(0), "a coil latches too, by itself");
    let clear = ModbusRequest::WriteCoil {
        address: 0,
        value: true,
    };
    assert_eq!(bench.ask(&clear), WRITTEN);
    assert!(!bench.coil(0));
    assert_eq!(bench.read(10, 1), [0b0001], "and the register by itself");
}

#[test]
fn a_latch_is_cleared_by_reading_all_of_it() {
    let mut bench = Bench::new();
    bench.set("fan", 1.0);
    bench.set("fan", 0.0);
    assert_eq!(bench.read(11, 1), [1]);
    assert_eq!(bench.read(11, 1), [0], "read to clear");
    assert_eq!(bench.read(10, 1), [1], "the other latch is its own");
    bench.set("fault-word", f64::from(0x0002_0001));
    bench.set("fault-word", 0.0);
    assert_eq!(bench.read(12, 1), [2], "half of it");
    assert_eq!(bench.read(12, 2), [2, 1], "so nothing was cleared");
    assert_eq!(bench.read(12, 2), [0, 0]);
}

#[test]
fn a_command_clears_itself() {
    let mut bench = Bench::new();
    bench.set("command", 0.0);
    assert_eq!(bench.write(20, &[1]), WRITTEN);
    assert_eq!(bench.written, ["command"]);
    assert_eq!(bench.server.next_due(), SimTime::from_millis(500));
    bench.at_ms(499);
    assert_eq!(bench.read(20, 1), [1]);
    assert_eq!(bench.write(20, &[2]), WRITTEN, "another one begins anew");
    bench.at_ms(998);
    assert_eq!(bench.get("command"), 2.0);
    bench.at_ms(999);
    assert_eq!(bench.get("command"), 0.0);
    assert_eq!(
        bench.written,
        ["command", "command"],
        "the device is not told again"
    );
    assert_eq!(bench.server.next_due(), SimTime::NEVER);
    let start = |value| ModbusRequest::WriteCoil { address: 1, value };
    assert_eq!(bench.ask(&start(true)), WRITTEN);
    assert!(bench.coil(1));
    assert_eq!(bench.ask(&start(false)), WRITTEN);
    assert_eq!(bench.server.next_due(), SimTime::NEVER, "it is back already");
}

#[test]
fn a_register_of_the_servers_own_clears_itself() {
    let mut bench = Bench::new();
    assert_eq!(bench.read(27, 1), [10]);
    assert_eq!(bench.write(27, &[500]), WRITTEN);
    bench.at_ms(299);
    assert_eq!(bench.read(27, 1), [500]);
    bench.at_ms(300);
    assert_eq!(bench.read(27, 1), [10], "1 in steps of 0.1");
    assert_eq!(bench.write(27, &[10]), WRITTEN);
    assert_eq!(bench.server.next_due(), SimTime::NEVER, "it is back already");
    assert!(bench.written.is_empty(), "no point stands behind it");
}

/// What `docs/registers.md` shows does what it says there.
#[test]
fn the_examples_of_the_document_act() {
    let mut table = PointTable::default();
    table.value("active-power-setpoint", "W", -100_000.0, 100_000.0);
    table.flag("charge-enable");
    let table = std::sync::Arc::new(table);
    let document = include_str!("../../../../docs/registers.md");
    let mut blocks = document.split("```toml\n").skip(1);
    let examples: Vec<&str> = blocks
        .by_ref()
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert_eq!(examples.len(), 2);
    let server = |example: &str| {
        let text = format!("title = \"Example\"\n{example}");
        let map = RegisterMap::compile("registers.md", &text, &table, "M").unwrap();
        Bench {
            server: ModbusServer::new(map, ModbusSettings::default(), Identification::default()),
            points: Points::new(table.clone()),
            now: SimTime::ZERO,
            written: Vec::new(),
        }
    };

    let mut reset = server(examples[0]);
    assert_eq!(reset.write(0x0500, &[0x5A5A]), WRITTEN);
    reset.at_ms(499);
    assert_eq!(reset.read(0x0500, 1), [0x5A5A]);
    reset.at_ms(500);
    assert_eq!(reset.read(0x0500, 1), [0]);

    let mut revert = server(examples[1]);
    revert.set("charge-enable", 1.0);
    assert_eq!(revert.write(0x0601, &[5000]), WRITTEN);
    assert_eq!(revert.write(0x0600, &[800]), WRITTEN);
    revert.at_ms(20_000);
    assert_eq!(revert.read(0x0603, 1), [10]);
    revert.at_ms(30_000);
    assert_eq!(revert.get("active-power-setpoint"), 5_000.0);
    assert_eq!(revert.get("charge-enable"), 0.0);
}

#[test]
fn set_points_fall_back_unless_refreshed() {
    let mut bench = Bench::new();
    assert_eq!(bench.read(23, 3), [30, 0xFFF9, 0]);
    assert_eq!(bench.write(21, &[50, 200]), WRITTEN);
    bench.at_ms(29_999);
    assert_eq!(bench.read(25, 1), [1], "seconds left, begun ones count");
    assert_eq!(bench.write(22, &[300]), WRITTEN, "one of them is enough");
    bench.at_ms(59_998);
    assert_eq!((bench.get("limit"), bench.get("setpoint")), (50.0, 300.0));
    bench.written.clear();
    bench.at_ms(59_999);
    assert_eq!((bench.get("limit"), bench.get("setpoint")), (100.0, -7.0));
    assert_eq!(bench.written, ["limit", "setpoint"], "the device is told");
    assert_eq!(bench.read(25, 1), [0]);
    assert_eq!(bench.write(23, &[2]), WRITTEN, "the time itself starts it");
    assert_eq!(bench.write(22, &[300]), WRITTEN);
    assert_eq!(bench.server.next_due(), SimTime::from_millis(61_999));
    assert_eq!(bench.write(23, &[0]), WRITTEN, "0 is for ever");
    assert_eq!(bench.server.next_due(), SimTime::NEVER);
}

#[test]
fn a_refused_write_starts_no_timer_and_holds_nothing() {
    let mut bench = Bench::new();
    let refused = bench.write(21, &[50, 200, 60, 0, 1]);
    assert_eq!(
        refused,
        Err(ModbusException::IllegalDataAddress),
        "the last one is read-only"
    );
    assert_eq!(bench.read(23, 1), [30]);
    assert_eq!(bench.server.next_due(), SimTime::NEVER);
    assert_eq!(bench.write(26, &[0xBEEF]), WRITTEN);
    assert_eq!(bench.read(26, 1), [0xBEEF]);
    bench.server.restart();
    assert_eq!(bench.read(26, 1), [0xCAFE], "as after power-up");
}

#[test]
fn a_role_opens_a_block() {
    let mut bench = Bench::new();
    let write = |address| ModbusRequest::WriteRegister { address, value: 9 };
    for (role, address, expected) in [
        (None, 40, Err(ModbusException::IllegalFunction)),
        (Some("operator"), 40, Err(ModbusException::IllegalFunction)),
        (Some("service"), 40, WRITTEN),
        (Some("service"), 41, Err(ModbusException::IllegalFunction)),
        (Some("maker"), 41, WRITTEN),
        (None, 21, WRITTEN),
    ] {
        let access = ModbusAccess {
            role,
            read_only: None,
        };
        assert_eq!(
            bench.ask_as(access, &write(address)),
            expected,
            "{role:?} {address}"
        );
    }
    let both = ModbusRequest::WriteRegisters {
        address: 40,
        values: vec![5, 5],
    };
    let access = ModbusAccess {
        role: Some("service"),
        read_only: None,
    };
    assert_eq!(bench.ask_as(access, &both), Err(ModbusException::IllegalFunction));
    assert_eq!(bench.get("capacity"), 9.0, "refused as a whole");
    assert_eq!(bench.read(40, 1), [9], "everybody reads");
}

#[test]
fn a_read_only_port_takes_no_write_of_any_kind() {
    let mut bench = Bench::new();
    let access = ModbusAccess {
        role: Some("maker"),
        read_only: Some(ModbusException::IllegalFunction),
    };
    for request in [
        ModbusRequest::WriteCoil {
            address: 0,
            value: true,
        },
        ModbusRequest::WriteRegister {
            address: 21,
            value: 1,
        },
        ModbusRequest::WriteCoils {
            address: 0,
            values: vec![true],
        },
        ModbusRequest::WriteRegisters {
            address: 21,
            values: vec![1],
        },
        ModbusRequest::MaskWrite {
            address: 21,
            and_mask: 0,
            or_mask: 1,
        },
        ModbusRequest::ReadWrite {
            read_address: 21,
            read_count: 1,
            write_address: 21,
            values: vec![1],
        },
    ] {
        let reply = bench.ask_as(access, &request);
        assert_eq!(reply, Err(ModbusException::IllegalFunction), "{request:?}");
    }
    assert!(bench.written.is_empty());
    let read = ModbusRequest::Read {
        table: Table::Holding,
        address: 21,
        count: 1,
    };
    assert!(bench.ask_as(access, &read).is_ok());
}

#[test]
fn mistakes_in_side_effects_name_line_and_remedy() {
    let mut text = String::new();
    let mut table = PointTable::default();
    for name in ["fan", "door", "start"] {
        table.flag(name);
    }
    table.state("command", &["none", "start", "stop"]);
    for (name, unit) in [
        ("fault-word", "1"),
        ("limit", "A"),
        ("setpoint", "W"),
        ("capacity", "Ah"),
        ("name-plate", "1"),
    ] {
        table.value(name, unit, -1e9, 1e9);
    }
    for (what, from, to) in [
        (
            "clear without write",
            ", on_write = \"clear\", access = \"read-write\" },\n    { at = 1,",
            ", on_write = \"clear\" },\n    { at = 1,",
        ),
        (
            "clear of a signed number",
            "type = \"u32\", on_write",
            "type = \"i32\", on_write",
        ),
        (
            "cleared by reading, written otherwise",
            "on_read = \"clear\" },\n    { at = 2",
            "on_read = \"clear\", access = \"read-write\" },\n    { at = 2",
        ),
        (
            "an effect there is not",
            "on_read = \"clear\" },\n    { at = 2",
            "on_read = \"set\" },\n    { at = 2",
        ),
        (
            "return without time",
            "returns_to = 0, after_ms = 500",
            "returns_to = 0",
        ),
        ("return at once", "after_ms = 500", "after_ms = 0"),
        (
            "return of what is fixed",
            "hold = 10, scale = 0.1, returns_to",
            "constant = 10, scale = 0.1, returns_to",
        ),
        ("two of a name", "name = \"fallback\"", "name = \"timeout\""),
        ("revert without time", "after = \"timeout\"\n", ""),
        (
            "revert to what is not there",
            "setpoint = \"fallback\"",
            "setpoint = \"fallbak\"",
        ),
        ("revert of what is not there", "limit = 100", "limits = 100"),
        (
            "revert of nothing",
            "back = { setpoint = \"fallback\", limit = 100 }",
            "back = {}",
        ),
        ("hold and point", "hold = 0xCAFE", "hold = 1, point = \"limit\""),
    ] {
        use core::fmt::Write as _;
        assert!(MAP.contains(from), "{from}");
        let error = RegisterMap::compile("test.toml", &MAP.replacen(from, to, 1), &table, "M").unwrap_err();
        writeln!(text, "{what}:\n  {error}\n  help: {}", error.help()).unwrap();
    }
    insta::assert_snapshot!(text);
}
