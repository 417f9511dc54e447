#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use core::fmt::Write as _;

use bess_types::{Quality, Reading};
use can_dbc::{
    ByteOrder, MultiplexIndicator, NumericValue, Signal as DbcSignal, SignalExtendedValueType, ValueType,
};
use proptest::prelude::*;

use super::bits::BUFFER;
use super::layout::Signal;
use super::*;
use crate::hv_unit;
use crate::product::{InvalidCodes, NodeIn};

mod dialects;

/// A signal anywhere in 8 bytes.
#[derive(Clone, Debug)]
struct Place8 {
    start_bit: u64,
    size: u64,
    big_endian: bool,
    signed: bool,
}

fn any_place() -> impl Strategy<Value = Place8> {
    (1_u64..=64)
        .prop_flat_map(|size| (Just(size), 0..=64 - size, any::<bool>(), any::<bool>()))
        .prop_map(|(size, from, big_endian, signed)| Place8 {
            start_bit: if big_endian {
                from / 8 * 8 + 7 - from % 8
            } else {
                from
            },
            size,
            big_endian,
            signed,
        })
}

fn dbc_signal(place: &Place8, factor: f64, offset: f64) -> DbcSignal {
    DbcSignal {
        name: "S".into(),
        multiplexer_indicator: MultiplexIndicator::Plain,
        start_bit: place.start_bit,
        size: place.size,
        byte_order: if place.big_endian {
            ByteOrder::BigEndian
        } else {
            ByteOrder::LittleEndian
        },
        value_type: if place.signed {
            ValueType::Signed
        } else {
            ValueType::Unsigned
        },
        factor,
        offset,
        min: NumericValue::Uint(0),
        max: NumericValue::Uint(0),
        unit: String::new(),
        receivers: Vec::new(),
    }
}

/// The signal's bit numbers as a DBC counts them (8 · byte + bit), highest bit first.
fn bit_numbers(place: &Place8) -> Vec<usize> {
    let start = usize::try_from(place.start_bit).unwrap();
    let size = usize::try_from(place.size).unwrap();
    if !place.big_endian {
        return (start..start + size).rev().collect();
    }
    let mut bit = start;
    let mut all = Vec::new();
    for _ in 0..size {
        all.push(bit);
        bit = if bit % 8 == 0 { bit + 15 } else { bit - 1 };
    }
    all
}

/// Reads the raw value bit by bit.
fn slow_read(place: &Place8, payload: [u8; 8]) -> i128 {
    let bits = bit_numbers(place);
    let raw = bits.iter().fold(0_i128, |raw, bit| {
        raw << 1 | i128::from(payload[bit / 8] >> (bit % 8) & 1)
    });
    if place.signed && raw >> (place.size - 1) & 1 == 1 {
        raw - (1 << place.size)
    } else {
        raw
    }
}

/// Writes the raw value bit by bit.
fn slow_write(place: &Place8, raw: i128) -> [u8; 8] {
    let mut payload = [0; 8];
    for (i, bit) in bit_numbers(place).iter().rev().enumerate() {
        payload[bit / 8] |= u8::from(raw >> i & 1 == 1) << (bit % 8);
    }
    payload
}

fn compiled(place: &Place8, factor: f64, offset: f64, codes: InvalidCodes) -> Result<BitField, &'static str> {
    let whole = SignalExtendedValueType::SignedOrUnsignedInteger;
    BitField::compile(&dbc_signal(place, factor, offset), whole, 8, codes)
}

fn layout(bits: BitField, point: PointId) -> Layout {
    Layout {
        name: "M".into(),
        id: CanId::Standard(1),
        node_in: NodeIn::None,
        fd: None,
        len: 8,
        constant: [0; BUFFER],
        signals: vec![Signal {
            point,
            bits,
            change: None,
        }],
        select: vec![],
        checksum: None,
        counter: None,
    }
}

fn one_point() -> (Points, PointId) {
    let mut table = PointTable::default();
    let id = table.value("x", "1", f64::MIN, f64::MAX);
    (Points::new(table.into()), id)
}

proptest! {
    #[test]
    fn decodes_like_the_slow_way(place in any_place(), payload in any::<[u8; 8]>()) {
        let bits = compiled(&place, 1.0, 0.0, InvalidCodes::default()).unwrap();
        let (mut points, id) = one_point();
        let frame = CanFrame::new(CanId::Standard(1), &payload).unwrap();
        prop_assert!(layout(bits, id).decode(&frame, &mut points).is_ok());
        prop_assert_eq!(points.get(id), Some(slow_read(&place, payload) as f64));
    }

    #[test]
    fn encodes_like_the_slow_way(place in any_place(), payload in any::<[u8; 8]>()) {
        // Whole numbers up to 2^53 are exact in a double.
        let place = Place8 { size: place.size.min(53), ..place };
        let raw = slow_read(&place, payload);
        let bits = compiled(&place, 1.0, 0.0, InvalidCodes::default()).unwrap();
        let (mut points, id) = one_point();
        points.set(id, raw as f64);
        let frame = layout(bits, id).encode(&points);
        prop_assert_eq!(frame.data(), slow_write(&place, raw));
    }

    #[test]
    fn values_come_back_within_half_a_step(
        place in any_place(),
        factor in prop::sample::select(vec![0.001, 0.1, 0.5, 1.0, 50.0, -0.1, 0.031_25]),
        offset in prop::sample::select(vec![0.0, -40.0, 12.5]),
        part in 0.0..=1.0_f64,
    ) {
        let place = Place8 { size: place.size.min(32), ..place };
        let bits = compiled(&place, factor, offset, InvalidCodes::default()).unwrap();
        let raw = bits.min_raw + part * (bits.max_raw - bits.min_raw);
        let value = raw * factor + offset;
        let (mut points, id) = one_point();
        points.set(id, value);
        let frame = layout(bits, id).encode(&points);
        layout(bits, id).decode(&frame, &mut points).unwrap();
        let back = points.get(id).unwrap();
        prop_assert!((back - value).abs() <= factor.abs() * 0.5 + value.abs() * 1e-12, "{value} came back as {back}");
        // A value that is a whole number of steps stays what it is.
        let again = layout(bits, id).encode(&points);
        prop_assert_eq!(again, frame);
    }

    #[test]
    fn out_of_range_values_stop_at_the_ends(place in any_place(), value in any::<f64>()) {
        let bits = compiled(&place, 1.0, 0.0, InvalidCodes::default()).unwrap();
        let (mut points, id) = one_point();
        points.set(id, value);
        let frame = layout(bits, id).encode(&points);
        layout(bits, id).decode(&frame, &mut points).unwrap();
        let back = points.get(id).unwrap();
        if value > bits.max_raw {
            prop_assert_eq!(back, bits.max_raw);
        } else if value < bits.min_raw {
            prop_assert_eq!(back, bits.min_raw);
        }
    }
}

#[test]
fn decimal_factors_give_the_decimal_value() {
    let place = Place8 {
        start_bit: 0,
        size: 16,
        big_endian: false,
        signed: false,
    };
    let bits = compiled(&place, 0.001, 0.0, InvalidCodes::default()).unwrap();
    for (raw, value) in [(2_900, 2.9), (3_550, 3.55), (3_650, 3.65), (2_500, 2.5)] {
        assert_eq!(bits.reading_of(raw), Reading::valid(value));
    }
}

#[test]
fn good_values_never_read_as_codes() {
    let place = Place8 {
        start_bit: 0,
        size: 16,
        big_endian: false,
        signed: false,
    };
    let codes = InvalidCodes {
        raw: Some(0xFFFF),
        open_wire: Some(0xFFFE),
        signed: Some(0x8000),
    };
    let bits = compiled(&place, 0.001, 0.0, codes).unwrap();
    assert_eq!(bits.raw_of(Reading::valid(1e9)), 0xFFFD);
    assert_eq!(bits.raw_of(Reading::valid(f64::NAN)), 0xFFFF);
    let signed = Place8 {
        signed: true,
        ..place
    };
    let bits = compiled(&signed, 0.1, 0.0, codes).unwrap();
    assert_eq!(bits.raw_of(Reading::valid(-1e9)), 0x8001);
    assert_eq!(bits.raw_of(Reading::invalid()), 0x8000);
}

#[test]
fn router_finds_the_node() {
    let library = Library::shipped();
    let product = library.product("rig-bmu-44").unwrap();
    let nodes = (1..=9).map(|node| RemoteNode::compile(&product, "cluster", &library, node).unwrap());
    let mut router = CanRouter::new(nodes.collect());
    let now = SimTime::from_millis(5);
    let frame = CanFrame::new(
        CanId::Extended(0x1824_A007),
        &[0x80, 0x0C, 0xFF, 0xFF, 0xFE, 0xFF, 0, 0],
    )
    .unwrap();
    assert_eq!(router.receive(now, &frame), Some(6));
    let points = &router.node(6).points;
    let cell = |i: usize| points.reading(points.table().find(&format!("cell[{i}].voltage")).unwrap());
    assert_eq!(cell(16), Reading::valid(3.2));
    assert_eq!(cell(17).quality, Quality::Invalid);
    assert_eq!(cell(18).quality, Quality::OpenWire);
    assert_eq!(router.node(6).last_seen(), Some(now));
    assert_eq!(router.node(5).last_seen(), None);
    let foreign = CanFrame::new(CanId::Extended(0x1824_A00A), &[0; 8]).unwrap();
    assert_eq!(router.receive(now, &foreign), None);
    let standard = CanFrame::new(CanId::Standard(0x7), &[0; 8]).unwrap();
    assert_eq!(router.receive(now, &standard), None);
    assert_eq!(router.owned_ids().count(), 9 * 17);
}

#[test]
fn a_port_that_gets_another_address_is_as_if_compiled_with_it() {
    let library = Library::shipped();
    let product = library.product("rig-bmu-16").unwrap();
    let table = kinds::point_table(&product).unwrap();
    let compiled = |node| CanPort::compile(&product, "cluster", &library, &table, node).unwrap();
    let all = |port: &mut CanPort| {
        let mut points = Points::new(table.clone().into());
        port.start(SimTime::ZERO);
        sent(port, &mut points, 1_500)
    };
    for node in [1, 5, 40] {
        let mut moved = compiled(9);
        moved.set_node(node);
        assert_eq!(all(&mut moved), all(&mut compiled(node)));
        let order = CanId::Extended(0x1851_00A0 | u32::from(node) << 8);
        assert!(moved.listens_to(order) && !moved.listens_to(CanId::Extended(0x1851_09A0)));
    }
}

#[test]
fn transmitted_ids_have_their_periods() {
    let library = Library::shipped();
    let product = library.product("rig-bmu-44").unwrap();
    let ids = transmitted_ids(&product, "cluster", &library, 3).unwrap();
    assert_eq!(ids.len(), 17);
    assert_eq!(
        (ids[0].id, ids[0].period),
        (CanId::Extended(0x1810_A003), Some(Duration::from_millis(100)))
    );
}

#[test]
fn late_messages_go_out_once_and_keep_their_phase() {
    let library = Library::shipped();
    let product = library.product("rig-hv-unit").unwrap();
    let table = hv_unit::point_table(&product).unwrap();
    let mut port = CanPort::compile(&product, "cluster", &library, &table, 0).unwrap();
    let mut points = Points::new(table.into());
    port.start(SimTime::ZERO);
    let mut count = 0;
    port.transmit_due(SimTime::from_millis(70), &mut points, &mut |_| count += 1);
    assert_eq!(count, 2, "HVU_VI once, HVU_ISO once");
    assert_eq!(port.next_due(), SimTime::from_millis(80));
}

/// The error of a product made from a shipped one by replacing text.
fn error_of(id: &str, file: &str, from: &str, to: &str) -> String {
    let mut library = Library::shipped();
    let text = library.text_of(&format!("device-emulators/data/{file}")).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    let text = text.replacen(from, to, 1);
    library.overlay("own", file, &text);
    let error = library
        .product(id)
        .and_then(|product| {
            let table = kinds::point_table(&product)?;
            CanPort::compile(&product, "cluster", &library, &table, 1).map(drop)
        })
        .unwrap_err();
    format!("{error}\n  help: {}", error.help())
}

#[test]
fn errors_name_the_line_and_the_remedy() {
    let bmu = "products/bmu.toml";
    let dbc = "dbc/rig-cluster.dbc";
    let mut text = String::new();
    for (what, file, from, to) in [
        ("unknown key", bmu, "period_ms = 100", "periodms = 100"),
        ("bad type", bmu, "period_ms = 100", "period_ms = \"fast\""),
        ("missing key", bmu, "dbc = \"rig-cluster.dbc\"\n", ""),
        ("not TOML", bmu, "[[can]]", "[[can"),
        ("unknown setting", bmu, "cells = 44", "cells = 44\ncels = 44"),
        ("senseless setting", bmu, "cells = 44", "cells = 45"),
        ("unknown kind", bmu, "kind = \"bmu\"", "kind = \"bms\""),
        ("unknown DBC", bmu, "\"rig-cluster.dbc\"", "\"rig.dbc\""),
        ("unknown port", bmu, "port = \"cluster\"", "port = \"can0\""),
        ("unknown message", bmu, "\"BMU_STAT\"", "\"BMU_STATE\""),
        ("unknown signal", bmu, "PackVoltage =", "PackVolts ="),
        ("unknown signal row", bmu, "\"CellV_{i}\"", "\"CellVoltage_{i}\""),
        ("unknown point", bmu, "\"pack-voltage\"", "\"pack_voltage\""),
        (
            "unknown point row",
            bmu,
            "\"cell[{i}].voltage\"",
            "\"cells[{i}].voltage\"",
        ),
        ("signal not bound", bmu, "LifeCounter = \"life-counter\"\n", ""),
        (
            "counter not bound",
            bmu,
            "counter = \"life-counter\"",
            "counter = \"sync-counter\"",
        ),
        (
            "wrong unit",
            bmu,
            "TemperatureMax = \"temperature-max\"",
            "TemperatureMax = \"cell-voltage-max\"",
        ),
        ("period 0", bmu, "period_ms = 100", "period_ms = 0"),
        (
            "message twice",
            bmu,
            "[[can.receive]]",
            "[[can.transmit]]\nmessage = \"BMU_CELLV_03\"\nbind = { \"CellV_{i}\" = \"cell[{i}].voltage\" }\n\n[[can.receive]]",
        ),
        (
            "no node byte",
            dbc,
            "BO_ 2551226622 BMU_SUM",
            "BO_ 2551226623 BMU_SUM",
        ),
        (
            "overlapping signals",
            dbc,
            "CellVoltageMax : 16|16",
            "CellVoltageMax : 15|16",
        ),
        (
            "signal outside",
            dbc,
            "TemperatureMin : 56|8",
            "TemperatureMin : 57|8",
        ),
        ("not a DBC", dbc, "BO_ ", "BO "),
    ] {
        writeln!(text, "{what}:\n  {}", error_of("rig-bmu-44", file, from, to)).unwrap();
    }
    let library = Library::shipped();
    writeln!(
        text,
        "unknown product:\n  {}",
        library.product("rig-bmu-45").unwrap_err()
    )
    .unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn a_smaller_pack_uses_the_same_dbc() {
    let library = Library::shipped();
    let product = library.product("rig-bmu-44").unwrap();
    let mut settings = toml::Table::new();
    settings.insert("cells".into(), 14.into());
    settings.insert("temperatures".into(), 7.into());
    let small = product.with_settings(&settings);
    let ids = transmitted_ids(&small, "cluster", &library, 1).unwrap();
    // 4 of 11 cell frames, 1 of 3 temperature frames; cells 15 and 16 go out as "no value".
    assert_eq!(ids.len(), 17 - 7 - 2);
    let table = kinds::point_table(&small).unwrap();
    let port = CanPort::compile(&small, "cluster", &library, &table, 1).unwrap();
    let mut points = Points::new(table.into());
    for i in 0..14 {
        let id = points.table().find(&format!("cell[{i}].voltage")).unwrap();
        points.set(id, 3.3);
    }
    let last = port.message("BMU_CELLV_03").unwrap();
    assert_eq!(
        port.encode(last, &points).to_string(),
        "1823A001#E40CE40CFFFFFFFF"
    );
    settings.insert("cell".into(), 14.into());
    let error = kinds::point_table(&product.with_settings(&settings)).unwrap_err();
    assert!(matches!(error, ProductError::UnknownKey { .. }), "{error}");
}

/// An 11-bit BMS: identifiers are a base of the DBC plus the node, as CANopen numbers its nodes.
#[test]
fn nodes_are_added_to_11_bit_identifiers() {
    let mut library = Library::shipped();
    let dbc = "VERSION \"\"\n\nBS_:\n\nBU_: A B\n\nBO_ 384 STAT: 8 A\n \
               SG_ Sync : 0|8@1+ (1,0) [0|255] \"\" B\n\nBO_ 2000 LAST: 8 A\n \
               SG_ Sync : 0|8@1+ (1,0) [0|255] \"\" B\n";
    library.overlay("own", "dbc/eleven.dbc", dbc);
    let mut product = |last: &str| {
        let text = format!(
            "id = \"x\"\ninherits = \"rig-bmu-16\"\ntitle = \"X\"\n[[can]]\nport = \"cluster\"\ndbc = \"eleven.dbc\"\n\
             node_in = \"added\"\n[[can.transmit]]\nmessage = \"STAT\"\nbind = {{ Sync = \"sync-counter\" }}\n{last}"
        );
        library.overlay("own", "products/x.toml", &text);
        (library.product("x").unwrap(), library.clone())
    };
    let (bmu, with) = product("");
    let table = kinds::point_table(&bmu).unwrap();
    let port = CanPort::compile(&bmu, "cluster", &with, &table, 5).unwrap();
    let points = Points::new(table.into());
    let message = port.message("STAT").unwrap();
    assert_eq!(port.encode(message, &points).id, CanId::Standard(384 + 5));
    // A controller whose list has node 0 sends to a chosen node.
    let table = points.table();
    let zero = CanPort::compile(&bmu, "cluster", &with, table, 0).unwrap();
    assert_eq!(zero.encode_to(message, &points, 7).id, CanId::Standard(384 + 7));
    let (bmu, with) = product("[[can.transmit]]\nmessage = \"LAST\"\nbind = { Sync = \"sync-counter\" }\n");
    assert!(CanPort::compile(&bmu, "cluster", &with, table, 47).is_ok());
    let error = CanPort::compile(&bmu, "cluster", &with, table, 48).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("node 48 of LAST has no 11-bit identifier left"),
        "{error}"
    );
}

#[test]
fn a_turned_sign_turns_the_offset_too() {
    let dbc = "VERSION \"\"\n\nBS_:\n\nBU_: A B\n\nBO_ 384 AMPS: 4 A\n \
               SG_ Plain : 0|16@1+ (0.1,-400) [-400|400] \"A\" B\n \
               SG_ Turned : 16|16@1+ (0.1,-400) [-400|400] \"A\" B\n";
    let product = "id = \"own\"\ninherits = \"rig-hv-unit\"\ntitle = \"X\"\n[[can]]\nport = \"cluster\"\ndbc = \"own.dbc\"\n\
                   [[can.transmit]]\nmessage = \"AMPS\"\nperiod_ms = 10\nflip = [\"Turned\"]\n\
                   bind = { Plain = \"current\", Turned = \"current\" }\n";
    let mut library = Library::shipped();
    library.overlay("own", "dbc/own.dbc", dbc);
    library.overlay("own", "products/own.toml", product);
    let product = library.product("own").unwrap();
    let table = kinds::point_table(&product).unwrap();
    let port = CanPort::compile(&product, "cluster", &library, &table, 0).unwrap();
    let mut node = RemoteNode::compile(&product, "cluster", &library, 0).unwrap();
    let mut points = Points::new(table.into());
    let current = points.table().find("current").unwrap();
    points.set(current, 100.0);
    let frame = port.encode(port.message("AMPS").unwrap(), &points);
    assert_eq!(
        frame.data(),
        [5000_u16.to_le_bytes(), 3000_u16.to_le_bytes()].concat()
    );
    node.receive(SimTime::ZERO, &frame).unwrap();
    assert_eq!(
        node.points.get(current),
        Some(100.0),
        "the turned one is read last"
    );
}

/// What a vendor's DBC may have: pages in pages, floats, both byte orders in CAN FD, names of values, start values,
/// cycle times, a counter and a checksum.
const VENDOR: &str = r#"VERSION ""

NS_ :
	BA_DEF_
	BA_
	VAL_
	SIG_VALTYPE_
	SG_MUL_VAL_

BS_:

BU_: BMS RIG

BO_ 800 CELLS: 8 BMS
 SG_ Page M : 0|8@1+ (1,0) [0|255] "" RIG
 SG_ CellA m0 : 8|16@1+ (0.001,0) [0|5] "V" RIG
 SG_ CellB m0 : 24|16@1+ (0.001,0) [0|5] "V" RIG
 SG_ Count : 40|4@1+ (1,0) [0|15] "" RIG
 SG_ Kind m3M : 44|4@1+ (1,0) [0|15] "" RIG
 SG_ Highest m0 : 8|16@1+ (0.001,0) [0|5] "V" RIG
 SG_ Warmest m1 : 8|16@1- (0.1,0) [-100|200] "degC" RIG
 SG_ Crc : 56|8@1+ (1,0) [0|255] "" RIG

BO_ 801 ASK: 8 RIG
 SG_ Command : 0|8@1+ (1,0) [0|255] "" BMS

BO_ 802 ANSWER_0: 8 BMS
 SG_ Volts : 7|32@0- (1,0) [0|0] "V" RIG
 SG_ State : 32|8@1+ (1,0) [0|255] "" RIG
 SG_ Version : 40|8@1+ (1,0) [0|255] "" RIG
 SG_ Permit : 48|1@1+ (1,0) [0|1] "" RIG
 SG_ Mode : 49|2@1+ (1,0) [0|3] "" RIG

BO_ 803 LONG: 24 BMS
 SG_ First : 0|16@1+ (0.001,0) [0|5] "V" RIG
 SG_ Across : 60|16@1+ (0.001,0) [0|5] "V" RIG
 SG_ Motorola : 151|16@0+ (0.001,0) [0|5] "V" RIG
 SG_ Exact : 112|32@1- (1,0) [0|0] "V" RIG

BA_DEF_ BO_ "GenMsgCycleTime" INT 0 65535;
BA_DEF_ SG_ "GenSigStartValue" INT 0 255;
BA_DEF_DEF_ "GenMsgCycleTime" 0;
BA_ "GenMsgCycleTime" BO_ 800 50;
BA_ "GenSigStartValue" SG_ 802 Version 42;
VAL_ 802 Mode 0 "Off" 2 "Discharge" ;
SIG_VALTYPE_ 802 Volts : 1;
SIG_VALTYPE_ 803 Exact : 1;
SG_MUL_VAL_ 800 CellA Page 0-2;
SG_MUL_VAL_ 800 CellB Page 0-2;
SG_MUL_VAL_ 800 Kind Page 9-9;
SG_MUL_VAL_ 800 Highest Kind 0-0;
SG_MUL_VAL_ 800 Warmest Kind 1-1;
"#;

/// A BMU of six cells that speaks it.
const VENDOR_PRODUCT: &str = r#"id = "vendor"
inherits = "rig-bmu-16"
title = "Vendor"

[settings]
cells = 6
temperatures = 4

[[can]]
port = "cluster"
dbc = "vendor.dbc"

[[can.transmit]]
message = "CELLS"
counter = "Count"
checksum = { signal = "Crc", profile = "crc8-j1850", data_id = 0x5A }
bind = { CellA = "cell[{2*page}].voltage", CellB = "cell[{2*page+1}].voltage", Highest = "cell-voltage-max", Warmest = "temperature-max" }
invalid = { raw = 0xFFFF }

[[can.transmit]]
message = "ANSWER_{k}"
bind = { Volts = "pack-voltage", State = "state", Permit = "pack-voltage > 10" }
values = { State = { idle = 7, balancing = 1, fault = 9 } }
constant = { Mode = "Discharge" }

[[can.transmit]]
message = "LONG"
on_change_ms = 20
period_ms = 100
[can.transmit.bind]
First = "cell[0].voltage"
Across = "cell[1].voltage"
Motorola = "cell[2].voltage"
Exact = "pack-voltage"

[[can.receive]]
message = "ASK"
when = { Command = 2 }
answer = ["ANSWER_{k}"]
answer_after_ms = 7
"#;

fn vendor(product: &str) -> Result<(Library, std::sync::Arc<Product>, PointTable), ProductError> {
    let mut library = Library::shipped();
    library.overlay("own", "dbc/vendor.dbc", VENDOR);
    library.overlay("own", "products/vendor.toml", product);
    let product = library.product("vendor")?;
    let table = kinds::point_table(&product)?;
    Ok((library, product, table))
}

fn vendor_port() -> (CanPort, Points, RemoteNode) {
    let (library, product, table) = vendor(VENDOR_PRODUCT).unwrap();
    let port = CanPort::compile(&product, "cluster", &library, &table, 0).unwrap();
    let node = RemoteNode::compile(&product, "cluster", &library, 0).unwrap();
    let mut points = Points::new(table.into());
    let mut set = |name: &str, value: f64| {
        let id = points.table().find(name).unwrap();
        points.set(id, value);
    };
    for cell in 0..6 {
        set(&format!("cell[{cell}].voltage"), 3.3 + 0.001 * f64::from(cell));
    }
    set("cell-voltage-max", 3.305);
    set("temperature-max", -7.5);
    set("pack-voltage", 19.815);
    set("state", 1.0);
    (port, points, node)
}

/// Frames up to `until_ms`, each with its time in ms.
fn sent(port: &mut CanPort, points: &mut Points, until_ms: u64) -> Vec<(u64, CanFrame)> {
    let mut all = Vec::new();
    while port.next_due() <= SimTime::from_millis(until_ms) {
        let now = port.next_due();
        port.transmit_due(now, points, &mut |frame| {
            all.push((now.as_nanos() / 1_000_000, frame));
        });
    }
    all
}

#[test]
fn pages_take_turns_and_are_read_back() {
    let (mut port, mut points, mut node) = vendor_port();
    port.start(SimTime::ZERO);
    let frames = sent(&mut port, &mut points, 249);
    let cells: Vec<_> = frames.iter().filter(|(_, frame)| frame.id.raw() == 800).collect();
    // pages 0, 1, 2, 9 with kind 0, 9 with kind 1
    let lines: Vec<String> = cells.iter().map(|(ms, frame)| format!("{ms} {frame}")).collect();
    // decoded by cantools to the values set above; the first checksum made by crccheck
    insta::assert_snapshot!(lines.join("\n"), @r"
    0 320#00E40CE50C00007F
    50 320#01E60CE70C0100C5
    100 320#02E80CE90C020080
    150 320#09E90C000003005F
    200 320#09B5FF0000140074
    ");
    for (_, frame) in &cells {
        assert!(node.receive(SimTime::ZERO, frame).is_some());
    }
    let read = |name: &str| node.points.get(node.points.table().find(name).unwrap());
    for cell in 0..6 {
        assert_eq!(
            read(&format!("cell[{cell}].voltage")),
            Some((3300.0 + f64::from(cell)) / 1000.0)
        );
    }
    assert_eq!(
        (read("cell-voltage-max"), read("temperature-max")),
        (Some(3.305), Some(-7.5))
    );
    let (library, product, _) = vendor(VENDOR_PRODUCT).unwrap();
    let ids = transmitted_ids(&product, "cluster", &library, 0).unwrap();
    let told: Vec<_> = ids
        .iter()
        .map(|message| (message.id.raw(), message.period, message.is_fd))
        .collect();
    let ms = |ms| Some(Duration::from_millis(ms));
    assert_eq!(
        told,
        [(800, ms(50), false), (802, None, false), (803, ms(100), true)]
    );
}

/// A page of nothing but constants and start values is sent; one whose points the device has not is not.
#[test]
fn a_page_of_constants_takes_its_turn() {
    let mut library = Library::shipped();
    library.overlay(
        "own",
        "dbc/pages.dbc",
        "VERSION \"\"\nBU_: BMU BCU\n\nBO_ 800 NV_PAGES: 4 BMU\n SG_ Page M : 0|8@1+ (1,0) [0|255] \"\" BCU\n \
         SG_ Cell_0 m0 : 8|16@1+ (0.001,0) [0|65.535] \"V\" BCU\n SG_ Serial m1 : 8|16@1+ (1,0) [0|65535] \"\" BCU\n \
         SG_ Release m2 : 8|16@1+ (1,0) [0|65535] \"\" BCU\n SG_ Cell_99 m3 : 8|16@1+ (0.001,0) [0|65.535] \"V\" BCU\n\n\
         BA_DEF_ SG_ \"GenSigStartValue\" INT 0 65535;\nBA_DEF_DEF_ \"GenSigStartValue\" 0;\n\
         BA_ \"GenSigStartValue\" SG_ 800 Release 4660;\n",
    );
    library.overlay(
        "own",
        "products/pages.toml",
        "id = \"pages\"\ninherits = \"rig-bmu-44\"\ntitle = \"Pages\"\n[[can]]\nport = \"cluster\"\ndbc = \"pages.dbc\"\n\
         [[can.transmit]]\nmessage = \"NV_PAGES\"\nperiod_ms = 10\nconstant = { Serial = 22136 }\n\
         bind = { \"Cell_{i}\" = \"cell[{i}].voltage\" }\n",
    );
    let product = library.product("pages").unwrap();
    let table = kinds::point_table(&product).unwrap();
    let mut port = CanPort::compile(&product, "cluster", &library, &table, 0).unwrap();
    let mut points = Points::new(table.into());
    let cell = points.table().find("cell[0].voltage").unwrap();
    points.set(cell, 3.3);
    port.start(SimTime::ZERO);
    let frames = sent(&mut port, &mut points, 39);
    let lines: Vec<String> = frames.iter().map(|(ms, frame)| format!("{ms} {frame}")).collect();
    assert_eq!(
        lines,
        [
            "0 320#00E40C00",
            "10 320#01785600",
            "20 320#02341200",
            "30 320#00E40C00"
        ]
    );
}

#[test]
fn a_wrong_checksum_is_counted_and_left_alone() {
    let (mut port, mut points, mut node) = vendor_port();
    port.start(SimTime::ZERO);
    assert!(port.inject(&DeviceFault::BreakChecksums));
    let frames = sent(&mut port, &mut points, 0);
    let (_, broken) = frames.iter().find(|(_, frame)| frame.id.raw() == 800).unwrap();
    assert!(node.receive(SimTime::ZERO, broken).is_none());
    assert_eq!((node.refused(), node.last_seen()), (1, None));
}

#[test]
fn a_request_of_the_right_kind_is_answered() {
    let (mut port, mut points, mut node) = vendor_port();
    port.start(SimTime::ZERO);
    sent(&mut port, &mut points, 1_000);
    let ask = |command: u8| CanFrame::new(CanId::Standard(801), &[command, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    let now = SimTime::from_millis(1_001);
    assert!(
        port.receive(now, &ask(1), &mut points).is_none(),
        "another command"
    );
    assert!(port.receive(now, &ask(2), &mut points).is_some());
    let answers: Vec<_> = sent(&mut port, &mut points, 1_030);
    let (at, answer) = answers.iter().find(|(_, frame)| frame.id.raw() == 802).unwrap();
    assert_eq!(*at, 1_008);
    // IEEE 754 of 19.815 high byte first, the state's value of the vendor, start value, permit and mode 2
    assert_eq!(answer.to_string(), "322#419E851F012A0500");
    node.receive(now, answer);
    let read = |name: &str| node.points.get(node.points.table().find(name).unwrap()).unwrap();
    assert!((read("pack-voltage") - 19.815).abs() < 1e-6);
    assert_eq!(read("state"), 1.0);
}

#[test]
fn fd_frames_go_out_when_something_changes_and_at_the_latest_after_their_period() {
    let (mut port, mut points, mut node) = vendor_port();
    port.start(SimTime::ZERO);
    let long = |frames: Vec<(u64, CanFrame)>| -> Vec<(u64, CanFrame)> {
        frames
            .into_iter()
            .filter(|(_, frame)| frame.id.raw() == 803)
            .collect()
    };
    let frames = long(sent(&mut port, &mut points, 205));
    assert_eq!(
        frames.iter().map(|(ms, _)| *ms).collect::<Vec<_>>(),
        [0, 100, 200]
    );
    let id = points.table().find("cell[1].voltage").unwrap();
    points.set(id, 3.123);
    let frames = long(sent(&mut port, &mut points, 300));
    assert_eq!(frames.iter().map(|(ms, _)| *ms).collect::<Vec<_>>(), [220]);
    let (_, frame) = frames[0];
    assert!(frame.fd.is_some() && frame.data().len() == 24);
    assert!(node.receive(SimTime::ZERO, &frame).is_some());
    let read = |name: &str| node.points.get(node.points.table().find(name).unwrap()).unwrap();
    assert_eq!(
        (
            read("cell[0].voltage"),
            read("cell[1].voltage"),
            read("cell[2].voltage")
        ),
        (3.3, 3.123, 3.302)
    );
    assert!((read("pack-voltage") - 19.815).abs() < 1e-6);
    insta::assert_snapshot!(frame, @"323##1E40C000000000030C300000000001F859E410CE600000000");
}

#[test]
fn a_floating_point_value_that_is_not_there_is_no_number() {
    let (mut port, mut points, mut node) = vendor_port();
    let id = points.table().find("pack-voltage").unwrap();
    points.put(id, Reading::invalid());
    port.start(SimTime::ZERO);
    let frames = sent(&mut port, &mut points, 0);
    let (_, frame) = frames.iter().find(|(_, frame)| frame.id.raw() == 803).unwrap();
    assert!(node.receive(SimTime::ZERO, frame).is_some());
    let read = node
        .points
        .reading(node.points.table().find("pack-voltage").unwrap());
    assert_eq!(read.quality, Quality::Invalid);
}

#[test]
fn mistakes_in_a_vendor_s_product_are_explained() {
    let mut text = String::new();
    for (what, from, to) in [
        ("no such state", "idle = 7", "resting = 7"),
        ("no such name", "\"Discharge\"", "\"Discharging\""),
        (
            "nothing to answer with",
            "answer = [\"ANSWER_{k}\"]",
            "answer = [\"REPLY\"]",
        ),
        ("no such checksum signal", "signal = \"Crc\"", "signal = \"Crc8\""),
        ("no such profile", "crc8-j1850", "crc8-j1939"),
        (
            "two beginnings",
            "data_id = 0x5A",
            "data_id = 0x5A, over_identifier = true",
        ),
        (
            "neither bound nor constant",
            "constant = { Mode = \"Discharge\" }",
            "",
        ),
        (
            "compares with no number",
            "pack-voltage > 10",
            "pack-voltage > high",
        ),
        (
            "no such point",
            "cell[{2*page}].voltage",
            "cells[{2*page}].voltage",
        ),
    ] {
        assert!(VENDOR_PRODUCT.contains(from), "{what}");
        let changed = VENDOR_PRODUCT.replace(from, to);
        let error = vendor(&changed)
            .and_then(|(library, product, table)| CanPort::compile(&product, "cluster", &library, &table, 0))
            .unwrap_err();
        writeln!(text, "{what}:\n  {error}\n  help: {}", error.help()).unwrap();
    }
    insta::assert_snapshot!(text);
}

proptest! {
    #[test]
    fn any_frame_is_taken_or_left_without_harm(
        id in prop_oneof![Just(800_u16), Just(801), Just(802), Just(803), 0_u16..0x800],
        data in prop::collection::vec(any::<u8>(), 0..=8),
    ) {
        let (mut port, mut points, mut node) = vendor_port();
        let frame = CanFrame::new(CanId::Standard(id), &data).unwrap();
        node.receive(SimTime::ZERO, &frame);
        port.receive(SimTime::ZERO, &frame, &mut points);
        for (_, def) in node.points.table().iter() {
            let value = node.points.reading(node.points.table().find(&def.name).unwrap());
            prop_assert!(value.ok().is_none_or(f64::is_finite));
        }
    }
}
