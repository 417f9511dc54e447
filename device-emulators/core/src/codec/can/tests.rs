#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use core::fmt::Write as _;

use can_dbc::Signal as DbcSignal;
use proptest::prelude::*;

use super::*;
use crate::hv_unit;

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

fn layout(bits: BitField, point: PointId) -> Layout {
    Layout {
        name: "M".into(),
        id: CanId::Standard(1),
        len: 8,
        constant: 0,
        signals: vec![Signal { point, bits }],
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
        let bits = BitField::compile(&dbc_signal(&place, 1.0, 0.0), 8, InvalidCodes::default()).unwrap();
        let (mut points, id) = one_point();
        let frame = CanFrame::new(CanId::Standard(1), &payload).unwrap();
        prop_assert!(layout(bits, id).decode(&frame, &mut points));
        prop_assert_eq!(points.get(id), Some(slow_read(&place, payload) as f64));
    }

    #[test]
    fn encodes_like_the_slow_way(place in any_place(), payload in any::<[u8; 8]>()) {
        // Whole numbers up to 2^53 are exact in a double.
        let place = Place8 { size: place.size.min(53), ..place };
        let raw = slow_read(&place, payload);
        let bits = BitField::compile(&dbc_signal(&place, 1.0, 0.0), 8, InvalidCodes::default()).unwrap();
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
        let bits = BitField::compile(&dbc_signal(&place, factor, offset), 8, InvalidCodes::default()).unwrap();
        let raw = bits.min_raw + part * (bits.max_raw - bits.min_raw);
        let value = raw * factor + offset;
        let (mut points, id) = one_point();
        points.set(id, value);
        let frame = layout(bits, id).encode(&points);
        layout(bits, id).decode(&frame, &mut points);
        let back = points.get(id).unwrap();
        prop_assert!((back - value).abs() <= factor.abs() * 0.5 + value.abs() * 1e-12, "{value} came back as {back}");
        // A value that is a whole number of steps stays what it is.
        let again = layout(bits, id).encode(&points);
        prop_assert_eq!(again, frame);
    }

    #[test]
    fn out_of_range_values_stop_at_the_ends(place in any_place(), value in any::<f64>()) {
        let bits = BitField::compile(&dbc_signal(&place, 1.0, 0.0), 8, InvalidCodes::default()).unwrap();
        let (mut points, id) = one_point();
        points.set(id, value);
        let frame = layout(bits, id).encode(&points);
        layout(bits, id).decode(&frame, &mut points);
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
    let bits = BitField::compile(&dbc_signal(&place, 0.001, 0.0), 8, InvalidCodes::default()).unwrap();
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
    let bits = BitField::compile(&dbc_signal(&place, 0.001, 0.0), 8, codes).unwrap();
    assert_eq!(bits.raw_of(Reading::valid(1e9)), 0xFFFD);
    assert_eq!(bits.raw_of(Reading::valid(f64::NAN)), 0xFFFF);
    let signed = Place8 {
        signed: true,
        ..place
    };
    let bits = BitField::compile(&dbc_signal(&signed, 0.1, 0.0), 8, codes).unwrap();
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
fn transmitted_ids_have_their_periods() {
    let library = Library::shipped();
    let product = library.product("rig-bmu-44").unwrap();
    let ids = transmitted_ids(&product, "cluster", &library, 3).unwrap();
    assert_eq!(ids.len(), 17);
    assert_eq!(
        ids[0],
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
    let text = &library.at(file).unwrap().text;
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
