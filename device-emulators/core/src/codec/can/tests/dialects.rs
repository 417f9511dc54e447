//! A dialect of one's own: bindings that reckon, and what a check says of doubtful ones.

use super::*;
use crate::codec::can::lint::lint_port;

/// A maker's DBC with a row of cells in no unit, a current of the wrong unit and sign, and what CANdb++ writes besides.
const OWN: &str = r#"VERSION ""

NS_ :

BS_:

BU_: BMS RIG

BO_ 512 CELLS: 8 BMS
 SG_ Block M : 0|8@1+ (1,0) [0|1] "" RIG
 SG_ U1 m0 : 8|16@1+ (1,0) [0|0] "" RIG
 SG_ U2 m0 : 24|16@1+ (1,0) [0|0] "" RIG
 SG_ U3 m1 : 8|16@1+ (1,0) [0|0] "" RIG
 SG_ U4 m1 : 24|16@1+ (1,0) [0|0] "" RIG

BO_ 513 SUM: 8 BMS
 SG_ Total : 0|16@1- (0.1,0) [0|0] "A" RIG
 SG_ Hot : 16|16@1+ (1,0) [0|0] "[deg C]" RIG
 SG_ Cold : 32|8@1- (1,0) [-40|120] "Celsius" RIG
 SG_ Rest : 40|24@1+ (1,0) [0|0] "" RIG

BO_ 3221225472 VECTOR__INDEPENDENT_SIG_MSG: 0 Vector__XXX
 SG_ Lonely : 0|8@1+ (1,0) [0|0] "" Vector__XXX
 SG_ Alone : 0|8@1+ (1,0) [0|0] "" Vector__XXX

BO_ 514 LAST: 1 BMS
 SG_ Fan : 0|8@1+ (1,0) [0|100] "%" RIG

BA_DEF_ BO_ "GenMsgCycleTime" FLOAT 0 65535;
BA_DEF_DEF_ "GenMsgCycleTime" 0;
BA_ "GenMsgCycleTime" BO_ 512 100.5;
BA_ "GenMsgCycleTime" BO_ 513 1e2;
BA_ "GenMsgCycleTime" BO_ 514 250.0;
"#;

const OWN_PRODUCT: &str = r#"id = "own"
inherits = "rig-bmu-16"
title = "Own"

[settings]
cells = 4
temperatures = 2

[[can]]
port = "cluster"
dbc = "own.dbc"

[[can.transmit]]
message = "CELLS"
invalid = { raw = 0xFFFF }
bind = { "U{i}" = { point = "cell[{i-1}].voltage", scale = 0.001 } }

[[can.transmit]]
message = "SUM"
constant = { Rest = 0 }
[can.transmit.bind]
Total = { point = "pack-voltage", unit = "mV", scale = 5.0, offset = 20000.0, flip = true, invalid = { signed = 0x8000 } }
Hot = { point = "temperature-max", scale = 0.1, offset = -100.0, invalid = { raw = 0xFFFF } }
Cold = { point = "temperature-min", invalid = { signed = 0x80 } }
"#;

fn own(dbc: &str, product: &str) -> Result<(Library, std::sync::Arc<Product>, PointTable), ProductError> {
    let mut library = Library::shipped();
    library.overlay("own", "dbc/own.dbc", dbc);
    library.overlay("own", "products/own.toml", product);
    let product = library.product("own")?;
    let table = kinds::point_table(&product)?;
    Ok((library, product, table))
}

/// A port that sends, and the node as it is heard.
fn wire() -> (CanPort, Points, RemoteNode) {
    let (library, product, table) = own(OWN, OWN_PRODUCT).unwrap();
    let port = CanPort::compile(&product, "cluster", &library, &table, 0).unwrap();
    let node = RemoteNode::compile(&product, "cluster", &library, 0).unwrap();
    (port, Points::new(table.into()), node)
}

#[test]
fn a_binding_reckons_between_signal_and_point() {
    let (port, mut points, mut node) = wire();
    let id = |name: &str| points.table().find(name).unwrap();
    let (cell, total) = (id("cell[2].voltage"), id("pack-voltage"));
    let (hot, cold) = (id("temperature-max"), id("temperature-min"));
    points.set(cell, 3.301);
    points.set(total, 13.0);
    points.set(hot, 31.5);
    let sum = port.encode(port.message("SUM").unwrap(), &points);
    // -(x) * 5 + 20000 mV = 13 V: x = 1400 A of the DBC, 14000 raw
    assert_eq!(sum.data()[..2], 14_000_i16.to_le_bytes());
    // 0.1 x - 100 = 31.5 °C
    assert_eq!(sum.data()[2..4], 1315_u16.to_le_bytes());
    assert_eq!(sum.data()[4], 0x80, "no value");
    node.receive(SimTime::ZERO, &sum).unwrap();
    assert_eq!(
        (node.points.get(total), node.points.get(hot)),
        (Some(13.0), Some(31.5))
    );
    assert_eq!(node.points.reading(cold).quality, Quality::Invalid);
    points.invalidate(total);
    let sum = port.encode(port.message("SUM").unwrap(), &points);
    assert_eq!(sum.data()[..2], [0x00, 0x80], "the binding's own code");
    node.receive(SimTime::ZERO, &sum).unwrap();
    assert_eq!(node.points.get(total), None);
    let page = MessageRef::new(port.message("CELLS").unwrap().index() + 1);
    let cells = port.encode(page, &points);
    assert_eq!(cells.to_string(), "200#01E50CFFFF000000");
    node.receive(SimTime::ZERO, &cells).unwrap();
    assert_eq!(node.points.get(cell), Some(3.301));
}

proptest! {
    #[test]
    fn what_a_binding_reckons_comes_back(
        scale in prop_oneof![-100.0..-0.01_f64, 0.01..100.0_f64],
        offset in -50.0..50.0_f64,
        flip in any::<bool>(),
        unit in prop::sample::select(vec!["mV", "V", "kV"]),
        raw in any::<u16>(),
    ) {
        let binding = format!(
            "U1 = {{ point = \"pack-voltage\", scale = {scale:?}, offset = {offset:?}, flip = {flip}, unit = \"{unit}\" }}, "
        );
        let text = OWN_PRODUCT
            .replace("bind = { \"U{i}\"", &format!("bind = {{ {binding}\"U{{i}}\""))
            .replace("invalid = { raw = 0xFFFF }\nbind", "bind");
        let (library, product, table) = own(OWN, &text).unwrap();
        let mut node = RemoteNode::compile(&product, "cluster", &library, 0).unwrap();
        let port = CanPort::compile(&product, "cluster", &library, &table, 0).unwrap();
        let [low, high] = raw.to_le_bytes();
        let frame = CanFrame::new(CanId::Standard(0x200), &[0, low, high, 0, 0, 0, 0, 0]).unwrap();
        node.receive(SimTime::ZERO, &frame).unwrap();
        let signal = if flip { -f64::from(raw) } else { f64::from(raw) };
        let factor = match unit { "mV" => 1e-3, "kV" => 1e3, _ => 1.0 };
        let expected = (scale * signal + offset) * factor;
        let heard = node.points.get(table.find("pack-voltage").unwrap()).unwrap();
        prop_assert!((heard - expected).abs() <= 1e-9 * (1.0 + expected.abs()), "{heard} for {expected}");
        let again = port.encode(port.message("CELLS").unwrap(), &node.points);
        prop_assert_eq!(&again.data()[1..3], &frame.data()[1..3]);
    }
}

#[test]
fn what_an_editor_writes_besides_messages_is_left_out_and_cycle_times_may_have_a_point() {
    let file = DbcFile::parse("own.dbc", OWN).unwrap();
    let listing = file.listing();
    let told: Vec<_> = listing
        .iter()
        .map(|message| (message.name.as_str(), message.cycle_ms, message.place.line))
        .collect();
    assert_eq!(
        told,
        [
            ("CELLS", Some(101), 9),
            ("SUM", Some(100), 16),
            ("LAST", Some(250), 26)
        ]
    );
    assert_eq!(listing[2].signals[0].place.line, 27);
    assert!(
        lint::lint(&file)
            .iter()
            .all(|finding| !finding.message.contains("VECTOR") && !finding.message.contains("Lonely"))
    );
}

#[test]
fn pages_are_listed_with_all_their_values_and_whose_they_are() {
    let dbc = "VERSION \"\"\nBU_: A B\n\nBO_ 1 M: 8 A\n SG_ Rack M : 0|8@1+ (1,0) [0|255] \"\" B\n \
               SG_ Bank m1M : 8|8@1+ (1,0) [0|255] \"\" B\n SG_ V m2 : 16|8@1+ (1,0) [0|255] \"V\" B\n \
               SG_ T m0 : 16|8@1+ (1,0) [0|255] \"\" B\n\nSG_MUL_VAL_ 1 V Bank 2-4, 7-7;\nSG_MUL_VAL_ 1 Bank Rack 1-1;\n";
    let listing = DbcFile::parse("own.dbc", dbc).unwrap().listing();
    let pages: Vec<_> = listing[0]
        .signals
        .iter()
        .map(|signal| signal.page.as_str())
        .collect();
    assert_eq!(pages, ["M", "m1M of Rack", "m2-4, m7 of Bank", "m0"]);
}

#[test]
fn mistakes_in_bindings_are_explained() {
    let mut text = String::new();
    let product = OWN_PRODUCT;
    for (what, dbc, product) in [
        ("wrong placeholder", OWN, product.replace("{i-1}", "{2*Blok+i-1}")),
        (
            "no placeholder",
            OWN,
            product.replace(
                "Cold = { point = \"temperature-min\"",
                "Cold = { point = \"temperature[{i}]\"",
            ),
        ),
        ("scale 0", OWN, product.replace("scale = 5.0", "scale = 0.0")),
        ("unknown key", OWN, product.replace("scale = 5.0", "factor = 5.0")),
        (
            "no point",
            OWN,
            product.replace(
                "{ point = \"temperature-min\", invalid = { signed = 0x80 } }",
                "7",
            ),
        ),
        (
            "scale of a comparison",
            OWN,
            product.replace("point = \"temperature-max\"", "point = \"temperature-max > 3\""),
        ),
        ("unit", OWN, product.replace("unit = \"mV\"", "unit = \"m/s\"")),
        ("syntax", &OWN.replace("BU_:", "BUX:"), product.into()),
        (
            "syntax of a signal",
            &OWN.replace("Total : 0|16", "Total : 0-16"),
            product.into(),
        ),
    ] {
        let error = own(dbc, &product)
            .and_then(|(library, product, table)| CanPort::compile(&product, "cluster", &library, &table, 0))
            .unwrap_err();
        writeln!(text, "{what}:\n  {error}\n  help: {}", error.help()).unwrap();
    }
    insta::assert_snapshot!(text);
}

/// What is found in the port of a product that speaks this DBC.
fn found(dbc: &str, product: &str) -> String {
    let (library, product, table) = own(dbc, product).unwrap();
    let findings = lint_port(&product, "cluster", &library, &table);
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn what_a_dialect_leaves_out_is_told() {
    let mut text = String::new();
    for (what, product) in [
        ("as it is", OWN_PRODUCT.to_owned()),
        (
            "volts for millivolts",
            OWN_PRODUCT.replace("scale = 0.001", "unit = \"V\""),
        ),
        (
            "cells left out and twice",
            OWN_PRODUCT.replace(
                "\"U{i}\" = {",
                "U4 = \"balance-count\", U2 = { point = \"cell[0].voltage\", scale = 0.001 }, \"U{i}\" = {",
            ),
        ),
        (
            "no codes, and a cell that is not there",
            OWN_PRODUCT
                .replace("cells = 4", "cells = 3")
                .replace("invalid = { raw = 0xFFFF }\nbind", "bind"),
        ),
        (
            "codes for nothing",
            OWN_PRODUCT
                .replace(
                    "{ raw = 0xFFFF }\nbind",
                    "{ raw = 0xFFFF, signed = 0x8000 }\nbind",
                )
                .replace("{ signed = 0x80 }", "{ raw = 0xFF }"),
        ),
        (
            "no temperatures",
            OWN_PRODUCT
                .replace(
                    "Hot = { point = \"temperature-max\"",
                    "Hot = { point = \"balance-count\"",
                )
                .replace(
                    "Cold = { point = \"temperature-min\"",
                    "Cold = { point = \"balance-count\", scale = 1.0",
                ),
        ),
    ] {
        writeln!(text, "{what}:\n{}", found(OWN, &product)).unwrap();
    }
    insta::assert_snapshot!(text);
}

/// What a port of a product that sends M of this DBC emits until 90 ms.
fn sent_of(dbc: &str, keys: &str) -> Vec<String> {
    let text = format!(
        "id = \"own\"\ninherits = \"rig-bmu-16\"\ntitle = \"X\"\n[[can]]\nport = \"cluster\"\ndbc = \"own.dbc\"\n\
         [[can.transmit]]\nmessage = \"M\"\n{keys}"
    );
    let (library, product, table) = own(dbc, &text).unwrap();
    let mut port = CanPort::compile(&product, "cluster", &library, &table, 0).unwrap();
    let mut points = Points::new(table.into());
    port.start(SimTime::ZERO);
    let frames = sent(&mut port, &mut points, 90);
    frames.iter().map(|(ms, frame)| format!("{ms} {frame}")).collect()
}

#[test]
fn a_default_of_an_attribute_counts_where_no_own_value_stands() {
    let dbc = "VERSION \"\"\nBU_: A B\n\nBO_ 1 M: 2 A\n SG_ X : 0|8@1+ (1,0) [0|255] \"\" B\n \
               SG_ Y : 8|8@1+ (1,0) [0|255] \"\" B\n\nBO_ 2 EVENT: 1 A\n SG_ Z : 0|8@1+ (1,0) [0|255] \"\" B\n\n\
               BA_DEF_ BO_ \"GenMsgCycleTime\" INT 0 65535;\nBA_DEF_ SG_ \"GenSigStartValue\" INT 0 255;\n\
               BA_DEF_ BO_ \"VFrameFormat\" ENUM \"StandardCAN\",\"ExtendedCAN\",\"StandardCAN_FD\";\n\
               BA_DEF_DEF_ \"GenMsgCycleTime\" 40;\nBA_DEF_DEF_ \"GenSigStartValue\" 7;\n\
               BA_DEF_DEF_ \"VFrameFormat\" \"StandardCAN_FD\";\nBA_ \"GenMsgCycleTime\" BO_ 2 0;\n\
               BA_ \"VFrameFormat\" BO_ 2 0;\nBA_ \"GenSigStartValue\" SG_ 1 Y 9;\n";
    assert_eq!(
        sent_of(dbc, ""),
        ["0 001##10709", "40 001##10709", "80 001##10709"]
    );
    let listing = DbcFile::parse("own.dbc", dbc).unwrap().listing();
    let told = |at: usize| (listing[at].cycle_ms, listing[at].is_fd);
    assert_eq!((told(0), told(1)), ((Some(40), true), (None, false)));
}

#[test]
fn signals_with_nothing_but_a_start_value_are_told() {
    let dbc = "VERSION \"\"\nBU_: A B\n\nBO_ 1 M: 4 A\n SG_ Beat : 0|8@1+ (1,0) [0|255] \"\" B\n \
               SG_ Lost : 8|8@1+ (1,0) [0|255] \"\" B\n SG_ Fixed : 16|8@1+ (1,0) [0|255] \"\" B\n \
               SG_ Gone : 24|8@1+ (1,0) [0|255] \"\" B\n\n\
               BA_DEF_ SG_ \"GenSigStartValue\" INT 0 255;\nBA_DEF_DEF_ \"GenSigStartValue\" 0;\n\
               BA_ \"GenSigStartValue\" SG_ 1 Gone 7;\n";
    let text = "id = \"own\"\ninherits = \"rig-bmu-16\"\ntitle = \"X\"\n[[can]]\nport = \"cluster\"\ndbc = \"own.dbc\"\n\
                [[can.transmit]]\nmessage = \"M\"\nperiod_ms = 10\nbind = { Beat = \"life-counter\" }\nconstant = { Fixed = 3 }\n";
    let told = found(dbc, text);
    assert!(
        told.contains(
            "note: nothing is bound to Lost (raw 0), Gone (raw 7) of M: always sent with the start value"
        ),
        "{told}"
    );
    let bound = text.replace("Fixed = 3", "Fixed = 3, Lost = 0, Gone = 7");
    let told = found(dbc, &bound);
    assert!(!told.contains("nothing is bound"), "{told}");
    let none = text.replace(
        "bind = { Beat = \"life-counter\" }\nconstant = { Fixed = 3 }\n",
        "",
    );
    let told = found(dbc, &none);
    assert!(
        told.contains("nothing is bound to Beat (raw 0), Lost (raw 0)"),
        "{told}"
    );
}

#[test]
fn a_count_goes_on_in_a_signal_too_narrow_for_it() {
    let dbc = "VERSION \"\"\nBU_: A B\n\nBO_ 1 M: 2 A\n SG_ Beat : 0|4@1+ (1,0) [0|15] \"\" B\n \
               SG_ Half : 8|8@1+ (1,0) [1|3] \"\" B\n";
    let text = "id = \"own\"\ninherits = \"rig-bmu-16\"\ntitle = \"X\"\n[[can]]\nport = \"cluster\"\ndbc = \"own.dbc\"\n\
                [[can.transmit]]\nmessage = \"M\"\nperiod_ms = 10\nbind = { Beat = \"life-counter\", Half = \"life-counter\" }\n";
    let (library, product, table) = own(dbc, text).unwrap();
    let port = CanPort::compile(&product, "cluster", &library, &table, 0).unwrap();
    let mut points = Points::new(table.into());
    let id = points.table().find("life-counter").unwrap();
    let mut said = Vec::new();
    for count in [14.0, 15.0, 16.0, 17.0] {
        points.set(id, count);
        let frame = port.encode(port.message("M").unwrap(), &points);
        said.push((frame.data()[0] & 0xF, frame.data()[1]));
    }
    assert_eq!(said, [(14, 3), (15, 1), (0, 2), (1, 3)]);
}

#[test]
fn what_no_frame_or_message_has_is_named() {
    let dbc = "VERSION \"\"\nBU_: A B\n\nBO_ 1 M: 9 A\n SG_ X : 0|8@1+ (1,0) [0|255] \"\" B\n\n\
               BA_DEF_ BO_ \"GenMsgCycleTime\" INT 0 65535;\nBA_DEF_DEF_ \"GenMsgCycleTime\" 40;\nBA_ \"GenMsgCycleTime\" BO_ 7 25;\n";
    let told = lint::lint(&DbcFile::parse("own.dbc", dbc).unwrap());
    let told: Vec<_> = told
        .iter()
        .map(|finding| (finding.place.line, finding.message.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (4, "M has 9 bytes, which no frame has"),
            (9, "GenMsgCycleTime of message 7, which is not in this file")
        ]
    );
}

#[test]
fn a_counter_keeps_to_its_range_and_to_its_page() {
    let dbc = "VERSION \"\"\nBU_: A B\n\nBO_ 1 M: 2 A\n SG_ Page M : 0|8@1+ (1,0) [0|1] \"\" B\n \
               SG_ Count m0 : 8|4@1+ (1,0) [1|3] \"\" B\n SG_ Rest m1 : 8|8@1+ (1,0) [0|255] \"\" B\n";
    for keys in [
        "period_ms = 10\ncounter = \"Count\"\nconstant = { Rest = 170 }\n",
        "period_ms = 10\ncounter = \"life-counter\"\nconstant = { Rest = 170 }\nbind = { Count = \"life-counter\" }\n",
    ] {
        let frames = sent_of(dbc, keys);
        let data: Vec<_> = frames
            .iter()
            .map(|frame| frame.split_once('#').unwrap().1)
            .collect();
        assert_eq!(
            data,
            [
                "0001", "01AA", "0002", "01AA", "0003", "01AA", "0001", "01AA", "0002", "01AA"
            ],
            "{keys}"
        );
    }
}

#[test]
fn a_name_that_two_signals_have_is_told_with_both_lines() {
    let dbc = OWN.replace("SG_ U4 m1", "SG_ U3 m1");
    let (library, product, table) = own(&dbc, OWN_PRODUCT).unwrap();
    let error = CanPort::compile(&product, "cluster", &library, &table, 0).unwrap_err();
    let wrong = "U3 of CELLS is the name of a signal in line 13 too";
    assert!(error.to_string().contains(wrong), "{error}");
    let findings = lint::lint(&DbcFile::parse("own.dbc", &dbc).unwrap());
    let told: Vec<_> = findings.iter().filter(|found| found.message == wrong).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].place.line, 14);
    let same_bits = dbc.replace("U3 m1 : 24", "U3 m1 : 8");
    let findings = lint::lint(&DbcFile::parse("own.dbc", &same_bits).unwrap());
    assert!(findings.iter().all(|found| !found.message.contains("overlaps")));
}
