#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use core::fmt::Write as _;
use core::time::Duration;

use bess_types::{ModbusData, ModbusException, ModbusReply, ModbusRequest, SimTime};
use proptest::prelude::*;

use super::identification::Identification;
use super::number::{NumberFormat, RegisterType};
use super::*;
use crate::device::Output;
use crate::points::Points;

const MAP: &str = r#"
title = "Test"
[[block]]
name = "head"
table = "holding"
base = 100
length = 12
fill = 0xFFFF
register = [
    { at = 0, text = "SunS" },
    { at = 2, constant = 802 },
    { at = 3, point = "voltage", scale = 0.1, unit = "V" },
    { at = 4, point = "power", type = "i32", scale = 1, unit = "kW" },
    { at = 6, type = "i16" },
    { at = 7, constant = -2, type = "i16" },
    { at = 9, type = "u16", bits = { 0 = "alarm-a", 3 = "alarm-b" } },
]
[[block]]
name = "commands"
table = "holding"
base = 112
access = "read-write"
register = [
    { at = 0, point = "mode" },
    { at = 1, point = "setpoint", type = "i32", scale = 0.1 },
    { at = 3, point = "limit", type = "f32", word_order = "low-first" },
    { at = 5, point = "pair[{i}]", count = 2, type = "i16" },
    { at = 9, point = "lone" },
]
[[block]]
name = "mirrored"
table = "holding"
mirror = true
base = 200
register = [{ at = 0, point = "temperature", type = "i16", scale = 0.1, unit = "degC" }]
"#;

fn table() -> PointTable {
    let mut table = PointTable::default();
    table.value("voltage", "V", 0.0, 2000.0);
    table.value("power", "W", -1e9, 1e9);
    table.flag("alarm-a");
    table.flag("alarm-b");
    table.state("mode", &["off", "on", "auto"]);
    table.value("setpoint", "W", -1000.0, 1000.0);
    table.value("limit", "A", 0.0, 400.0);
    table.row("pair[{}]", 2, "1", -100.0, 100.0);
    table.value("lone", "1", 0.0, 10.0);
    table.value("temperature", "°C", -50.0, 100.0);
    table
}

pub(super) fn map() -> RegisterMap {
    RegisterMap::compile("test.toml", MAP, &table(), "M").unwrap()
}

pub(super) fn served(map: RegisterMap, settings: ModbusSettings) -> (ModbusServer, Points) {
    let server = ModbusServer::new(map, settings, Identification::default());
    (server, Points::new(table().into()))
}

pub(super) fn server() -> (ModbusServer, Points) {
    served(map(), ModbusSettings::default())
}

pub(super) fn set(points: &mut Points, name: &str, value: f64) {
    let id = points.table().find(name).unwrap();
    points.set(id, value);
}

fn get(points: &Points, name: &str) -> Option<f64> {
    points.get(points.table().find(name).unwrap())
}

fn read(address: u16, count: u16) -> ModbusRequest {
    ModbusRequest::Read {
        table: Table::Holding,
        address,
        count,
    }
}

fn write(address: u16, values: &[u16]) -> ModbusRequest {
    ModbusRequest::WriteRegisters {
        address,
        values: values.to_vec(),
    }
}

fn serve(server: &mut ModbusServer, points: &mut Points, request: &ModbusRequest) -> ModbusReply {
    let access = ModbusAccess::default();
    server.serve(SimTime::ZERO, access, request, points, &mut Vec::new())
}

#[test]
fn image_of_all_registers() {
    let (server, mut points) = server();
    let empty = server.image(&points);
    for (name, value) in [
        ("voltage", 1320.04),
        ("power", -2_500_000.0),
        ("alarm-b", 1.0),
        ("mode", 2.0),
        ("setpoint", -70.0),
        ("limit", 1.5),
        ("pair[1]", -3.0),
        ("temperature", -12.34),
    ] {
        set(&mut points, name, value);
    }
    insta::assert_snapshot!(format!("{empty}\n{}", server.image(&points)));
}

#[test]
fn exceptions_of_reads() {
    let (mut server, mut points) = server();
    let mut refusal = |request| serve(&mut server, &mut points, &request).unwrap_err();
    use ModbusException::{IllegalDataAddress, IllegalDataValue, IllegalFunction};
    assert_eq!(refusal(read(99, 1)), IllegalDataAddress, "before the map");
    assert_eq!(refusal(read(110, 10)), IllegalDataAddress, "into a hole");
    assert_eq!(refusal(read(120, 1)), IllegalDataAddress, "in a hole");
    assert_eq!(refusal(read(121, 2)), IllegalDataAddress, "over the end");
    assert_eq!(refusal(read(65_535, 125)), IllegalDataAddress, "over 65535");
    assert_eq!(refusal(read(0, 0)), IllegalDataValue, "count before address");
    assert_eq!(refusal(read(100, 126)), IllegalDataValue);
    let coils = ModbusRequest::Read {
        table: Table::Coil,
        address: 0,
        count: 1,
    };
    assert_eq!(refusal(coils), IllegalFunction, "no coils at all");
    let mirrored = ModbusRequest::Read {
        table: Table::Input,
        address: 200,
        count: 1,
    };
    assert_eq!(
        serve(&mut server, &mut points, &mirrored),
        Ok(ModbusData::Registers(vec![0x8000]))
    );
    assert_eq!(
        serve(&mut server, &mut points, &read(105, 3)),
        Ok(ModbusData::Registers(vec![0, 0x8000, 0xFFFE])),
        "a read may begin inside a value"
    );
}

#[test]
fn refused_writes_change_nothing() {
    let (mut server, mut points) = server();
    use ModbusException::{IllegalDataAddress, IllegalDataValue};
    for (request, exception) in [
        (write(103, &[5]), IllegalDataAddress),
        (write(111, &[0, 1]), IllegalDataAddress),
        (write(112, &[1, 0]), IllegalDataAddress),
        (write(113, &[0]), IllegalDataAddress),
        (write(112, &[3]), IllegalDataValue),
        (write(112, &[1, 1, 0]), IllegalDataValue),
        (write(112, &[0xFFFF]), IllegalDataValue),
        (write(115, &[0, 0x7FC0]), IllegalDataValue),
        (write(112, &[]), IllegalDataValue),
        (write(0, &[0; 124]), IllegalDataValue),
        (write(118, &[1, 1]), IllegalDataAddress),
    ] {
        let reply = serve(&mut server, &mut points, &request);
        assert_eq!(reply, Err(exception), "{request:?}");
        for name in ["mode", "setpoint", "limit", "pair[1]", "lone"] {
            assert_eq!(get(&points, name), None, "{request:?} {name}");
        }
    }
}

#[test]
fn writes_are_taken_whole() {
    let (mut server, mut points) = server();
    let mut written = Vec::new();
    let request = write(112, &[1, 0xFFFF, 0xFD44, 0, 0x3FC0, 7, 0xFFFE]);
    assert_eq!(
        server.serve(
            SimTime::ZERO,
            ModbusAccess::default(),
            &request,
            &mut points,
            &mut written
        ),
        Ok(ModbusData::Written)
    );
    assert_eq!(written.len(), 5);
    let values = ["mode", "setpoint", "limit", "pair[0]", "pair[1]"].map(|name| get(&points, name).unwrap());
    assert_eq!(values, [1.0, -70.0, 1.5, 7.0, -2.0]);
}

fn peer() -> (ModbusPeer, ModbusServer, Points) {
    peer_of(map(), &ModbusSettings::default())
}

fn peer_of(map: RegisterMap, settings: &ModbusSettings) -> (ModbusPeer, ModbusServer, Points) {
    let second = Duration::from_secs(1);
    let timeout = Duration::from_millis(300);
    let client = ModbusPeer::with_map(3, map.clone(), settings.clone(), table(), second, timeout);
    let (server, points) = served(map, settings.clone());
    (client, server, points)
}

/// Answers every request there is from a server's points; the requests.
fn answer(
    client: &mut ModbusPeer,
    server: &mut ModbusServer,
    points: &mut Points,
    now: SimTime,
) -> Vec<ModbusRequest> {
    let mut asked = Vec::new();
    while let Some(output) = client.poll_output(now) {
        let Output::ModbusRequest {
            peer: 3,
            request,
            token,
        } = output
        else {
            panic!("{output:?}");
        };
        let reply = serve(server, points, &request);
        assert!(client.on_reply(now, token, Some(&reply)));
        asked.push(request);
    }
    asked
}

#[test]
fn a_client_reads_all_points_in_few_requests() {
    let (mut client, mut server, mut points) = peer();
    set(&mut points, "voltage", 800.0);
    set(&mut points, "lone", 4.0);
    set(&mut points, "alarm-b", 1.0);
    let asked = answer(&mut client, &mut server, &mut points, SimTime::ZERO);
    assert_eq!(asked, [read(103, 16), read(121, 1), read(200, 1)]);
    assert_eq!(get(&client.points, "voltage"), Some(800.0));
    assert_eq!(get(&client.points, "lone"), Some(4.0));
    assert_eq!(get(&client.points, "alarm-a"), Some(0.0));
    assert_eq!(get(&client.points, "alarm-b"), Some(1.0));
    assert_eq!(get(&client.points, "power"), None);
    assert!(client.is_complete());
    assert_eq!(client.last_seen(), Some(SimTime::ZERO));
    assert_eq!(client.next_due(), SimTime::from_millis(1_000));
    client.limit_to(&["power", "pair[0]"]);
    let asked = answer(&mut client, &mut server, &mut points, SimTime::from_millis(1_000));
    assert_eq!(asked, [read(104, 14)]);
}

#[test]
fn writes_go_first_and_the_newest_value_wins() {
    let (mut client, mut server, mut points) = peer();
    let [mode, setpoint, pair, voltage] =
        ["mode", "setpoint", "pair[1]", "voltage"].map(|name| client.point(name));
    assert!(client.write(mode, 1.0));
    assert!(client.write(mode, 2.0));
    assert!(client.write_many(&[(setpoint, -70.0), (pair, 3.0)]));
    assert!(!client.write(voltage, 1.0), "read-only");
    assert_eq!(client.next_due(), SimTime::ZERO);
    let asked = answer(&mut client, &mut server, &mut points, SimTime::ZERO);
    assert_eq!(
        asked[..3],
        [write(112, &[2]), write(113, &[0xFFFF, 0xFD44]), write(118, &[3])]
    );
    assert!(client.write_many(&[(setpoint, 1.0), (mode, 1.0)]));
    let asked = answer(&mut client, &mut server, &mut points, SimTime::from_millis(1));
    assert_eq!(asked, [write(112, &[1, 0, 10])], "neighbours go in one request");
}

#[test]
fn silence_fails_after_the_timeout_and_is_asked_again() {
    let (mut client, mut server, mut points) = peer();
    let Some(Output::ModbusRequest { token, .. }) = client.poll_output(SimTime::ZERO) else {
        panic!("no request");
    };
    assert_eq!(client.next_due(), SimTime::from_millis(300));
    assert_eq!(client.poll_output(SimTime::from_millis(299)), None);
    assert_eq!(
        client.poll_output(SimTime::from_millis(300)),
        None,
        "waits for the next round"
    );
    assert_eq!(client.failures(), 1);
    assert!(
        !client.on_reply(SimTime::from_millis(310), token, Some(&Ok(ModbusData::Written))),
        "too late"
    );
    answer(&mut client, &mut server, &mut points, SimTime::from_millis(1_000));
    assert_eq!((client.failures(), client.is_complete()), (0, true));
    let Some(Output::ModbusRequest { token, .. }) = client.poll_output(SimTime::from_millis(2_000)) else {
        panic!("no request");
    };
    let short = Ok(ModbusData::Registers(vec![0; 3]));
    assert!(client.on_reply(SimTime::from_millis(2_000), token, Some(&short)));
    assert_eq!(client.failures(), 1, "an answer of the wrong length");
}

#[test]
fn errors_name_the_line_and_the_remedy() {
    let mut text = String::new();
    for (what, from, to) in [
        (
            "overlap",
            "{ at = 3, point = \"voltage\"",
            "{ at = 2, point = \"voltage\"",
        ),
        ("overlap of a wide value", "{ at = 6, type", "{ at = 5, type"),
        ("unknown point", "\"lone\"", "\"alone\""),
        (
            "unknown key",
            "scale = 0.1, unit = \"V\"",
            "scaling = 0.1, unit = \"V\"",
        ),
        ("wrong unit", "unit = \"V\"", "unit = \"A\""),
        ("two meanings", "constant = 802", "constant = 802, text = \"x\""),
        (
            "outside the block",
            "{ at = 9, type = \"u16\"",
            "{ at = 12, type = \"u16\"",
        ),
        ("no such bit", "3 = \"alarm-b\"", "16 = \"alarm-b\""),
        ("count without row", "\"pair[{i}]\", count", "\"pair[0]\", count"),
        ("unknown type", "type = \"f32\"", "type = \"float\""),
        (
            "scale 0",
            "scale = 0.1, unit = \"V\"",
            "scale = 0.0, unit = \"V\"",
        ),
    ] {
        assert!(MAP.contains(from), "{from}");
        let error = RegisterMap::compile("test.toml", &MAP.replacen(from, to, 1), &table(), "M").unwrap_err();
        writeln!(text, "{what}:\n  {error}\n  help: {}", error.help()).unwrap();
    }
    insta::assert_snapshot!(text);
}

const VENDOR: &str = r#"
title = "As a vendor writes it"
[[block]]
name = "state"
table = "holding"
register = [
    { at = 0, name = "Run state", point = "mode", values = { off = 3, on = 7 }, enum = { 3 = "Halt", 7 = "Run" } },
    { at = 1, name = "Status", bits = { 0 = "mode == on", 3 = "alarm-a" }, bit_names = { 0 = "Running", 4-7 = "Zone" } },
    { at = 2, name = "Current", point = "pair[0]", type = "i16", scale = -0.1 },
    { at = 3, words = 3, constant = 7, description = "reserved" },
    { at = 6, name = "Serial", constant = 5 },
]
"#;

#[test]
fn states_bits_and_signs_of_a_vendor_are_put_right() {
    let map = RegisterMap::compile("test.toml", VENDOR, &table(), "M").unwrap();
    let (mut client, mut server, mut points) = peer_of(map, &ModbusSettings::default());
    for (name, value) in [("mode", 1.0), ("alarm-a", 1.0), ("pair[0]", 12.5)] {
        set(&mut points, name, value);
    }
    assert_eq!(
        serve(&mut server, &mut points, &read(0, 7)),
        Ok(ModbusData::Registers(vec![7, 9, 0xFF83, 7, 7, 7, 5]))
    );
    answer(&mut client, &mut server, &mut points, SimTime::ZERO);
    assert_eq!(get(&client.points, "mode"), Some(1.0));
    assert_eq!(get(&client.points, "alarm-a"), Some(1.0));
    assert_eq!(get(&client.points, "pair[0]"), Some(12.5));
    set(&mut points, "mode", 2.0);
    assert_eq!(
        serve(&mut server, &mut points, &read(0, 2)),
        Ok(ModbusData::Registers(vec![0xFFFF, 8])),
        "a state the vendor has no number for is no value"
    );
}

#[test]
fn a_count_goes_on_in_a_register_too_narrow_for_it() {
    let mut table = PointTable::default();
    let beat = table.counter("beat", 4_294_967_295.0);
    let text = "title = \"X\"\n[[block]]\nname = \"x\"\ntable = \"holding\"\nregister = [\n\
                { at = 0, point = \"beat\" },\n{ at = 1, point = \"beat\", type = \"u32\" }]\n";
    let map = RegisterMap::compile("test.toml", text, &table, "M").unwrap();
    let mut server = ModbusServer::new(map, ModbusSettings::default(), Identification::default());
    let mut points = Points::new(table.into());
    points.set(beat, 65_538.0);
    assert_eq!(
        serve(&mut server, &mut points, &read(0, 3)),
        Ok(ModbusData::Registers(vec![2, 1, 2]))
    );
}

#[test]
fn mistakes_in_names_of_values_and_bits_are_explained() {
    let mut text = String::new();
    for (from, to) in [
        ("off = 3, on = 7 }", "of = 3, on = 7 }"),
        ("off = 3, on = 7 }", "off = 3, on = 70000 }"),
        ("3 = \"Halt\"", "three = \"Halt\""),
        ("4-7 = ", "4-17 = "),
        ("\"mode == on\"", "\"mode == onn\""),
        ("\"mode == on\"", "\"mood == on\""),
        ("words = 3", "words = 0"),
        ("words = 3, constant = 7", "words = 3, hold = 7"),
        ("constant = 5 }", "constant = 5, values = { on = 1 } }"),
    ] {
        assert!(VENDOR.contains(from), "{from}");
        let error =
            RegisterMap::compile("test.toml", &VENDOR.replacen(from, to, 1), &table(), "M").unwrap_err();
        writeln!(text, "{error}\n  help: {}", error.help()).unwrap();
    }
    insta::assert_snapshot!(text);
}

fn any_type() -> impl Strategy<Value = RegisterType> {
    use RegisterType::{I16, I32, I64, U16, U32, U64};
    prop::sample::select(vec![U16, I16, U32, I32, U64, I64])
}

proptest! {
    #[test]
    fn words_come_back(kind in any_type(), bits in any::<u64>(), low_word_first in any::<bool>()) {
        let format = NumberFormat {
            kind,
            low_word_first,
            multiply: 1.0,
            divide: 10.0,
            offset: 0.0,
            invalid: kind.not_implemented(),
            rolls: false,
        };
        // Whole numbers up to 2^50 survive the way through a double.
        let bits = bits & kind.mask() & 0x3_FFFF_FFFF_FFFF;
        prop_assume!(bits != format.invalid);
        let mut words = Vec::new();
        format.push_words(bits, &mut words);
        prop_assert_eq!(words.len(), kind.words() as usize);
        prop_assert_eq!(format.bits_from(&words), bits);
        prop_assert_eq!(format.bits_of(format.reading_of(bits)), bits);
    }

    #[test]
    fn no_request_panics_or_half_applies(address in any::<u16>(), near in 95_u16..205, pick in any::<bool>(), values in prop::collection::vec(any::<u16>(), 0..130), count in any::<u16>()) {
        let (mut server, mut points) = server();
        let address = if pick { near } else { address };
        let before = server.image(&points);
        let mut written = Vec::new();
        let access = ModbusAccess::default();
        let reply = server.serve(SimTime::ZERO, access, &write(address, &values), &mut points, &mut written);
        if reply.is_err() {
            prop_assert_eq!(server.image(&points), before);
            prop_assert!(written.is_empty());
        }
        let _ = server.serve(SimTime::ZERO, access, &read(address, count), &mut points, &mut written);
    }
}
