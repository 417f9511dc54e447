//! What lists say in odd places is used, or told with its line.

use super::*;

fn heard_of(text: &str) -> String {
    heard(text, &Wishes::default()).join("\n")
}

fn registers(text: &str) -> Vec<Register> {
    let import = import(text, &Wishes::default()).unwrap();
    import.registers().cloned().collect()
}

#[test]
fn an_offset_beside_the_scale_is_taken_or_told() {
    let text = "Address;Name;Type;Scale;Unit\n0;A;U16;0.1, offset -400;A\n1;B;U16;×0.1 −40;°C\n2;C;U16;0.1 - 400;A\n\
        3;D;U16;0.1;°C, offset -40\n4;E;U16;0.1 V, offset -400 mV;V\n5;F;U16;0.1;A\n";
    let got: Vec<_> = registers(text)
        .iter()
        .map(|register| (register.scale, register.offset, register.unit.clone()))
        .collect();
    let expected = [
        (0.1, -400.0, "A"),
        (0.1, -40.0, "°C"),
        (0.1, 0.0, "A"),
        (0.1, -40.0, "°C"),
        (0.1, 0.0, "V"),
        (0.1, 0.0, "A"),
    ]
    .map(|(scale, offset, unit)| (scale, offset, unit.to_owned()));
    assert_eq!(got, expected);
    let heard = heard_of(text);
    for words in [
        "3 cells have an offset beside the scale or the unit, which is taken: that of \"0.1, offset -400\" is -400",
        ":4: warning: `- 400` of the scale `0.1 - 400` is not understood and left out\n    write the offset in a column",
        ":6: warning: the offset of `0.1 V, offset -400 mV` is in mV, the row in V: it is left out",
    ] {
        assert!(heard.contains(words), "{words}: {heard}");
    }
    assert_eq!(heard.matches("warning: `").count(), 1, "{heard}");
    let columns = "Address;Name;Type;Scale;Gain;Offset;Remark\n0;A;U16;0.1, offset -400;;-40;\n1;B;U16;0.1;5;;\n\
        2;C;U16;0.1;;;offset = -400\n3;D;U16;0.1;10;−400;offset -400\n4;E;U16;0.1 kV;;;\n";
    let got = registers(columns);
    assert_eq!(
        got.iter().map(|register| register.offset).collect::<Vec<_>>(),
        [-40.0, 0.0, 0.0, -400.0, 0.0]
    );
    let heard = heard_of(columns);
    for words in [
        ":2: warning: `-40` says an offset of -40, which is taken, and `0.1, offset -400` one of -400",
        ":3: warning: the column \"Scale\" says a scale of 0.1, \"Gain\" one of 0.2: the first is taken",
        ":4: warning: `offset = -400` speaks of an offset, and 0 is taken",
    ] {
        assert!(heard.contains(words), "{words}: {heard}");
    }
    assert!(!heard.contains(":5: warning"), "{heard}");
}

#[test]
fn rows_that_go_on_are_filled_in() {
    let of = |rows: &str| {
        let text = format!("Address;Name;Type;Remark\n{rows}");
        let names = match import(&text, &Wishes::default()) {
            Ok(import) => import
                .registers()
                .map(|register| (register.address, register.name.clone()))
                .collect(),
            Err(_) => vec![],
        };
        (names, heard_of(&text))
    };
    let cells = |numbers: core::ops::RangeInclusive<u32>, first: u32, step: u32| -> Vec<(u32, String)> {
        numbers
            .map(|n| (first + (n - 1) * step, format!("Cell {n} voltage")))
            .collect()
    };
    for gap in [
        "...;...;;",
        "…;;;",
        ";⋮;;",
        ";;⋮;",
        "...",
        ".;;;\n.;;;\n.;;;",
        "bis;;;",
    ] {
        let (names, heard) = of(&format!(
            "100;Cell 1 voltage;U16;\n{gap}\n119;Cell 20 voltage;U16;\n120;Sum;U32;\n"
        ));
        let mut expected = cells(1..=20, 100, 1);
        expected.push((120, "Sum".into()));
        assert_eq!(names, expected, "{gap}: {heard}");
        assert!(
            heard.contains("in line 3 stands for 18 rows, which are filled in: `Cell 2 voltage` at 101 to `Cell 19 voltage` at 118"),
            "{heard}"
        );
        assert!(!heard.contains("left out"), "{heard}");
    }
    // the rows before say the step
    let (names, heard) =
        of("100;Cell 1 voltage;U16;\n104;Cell 2 voltage;U16;\n...;;;\n116;Cell 5 voltage;U16;\n");
    assert_eq!(names, cells(1..=5, 100, 4), "{heard}");
    // descriptions count on, addresses have marks or letters, or a sign behind them
    let (names, heard) = of("0x0009 ...;U01;U16;Voltage of cell 1\n0x000C;U04;U16;Voltage of cell 4\n");
    let expected =
        [(9, "U01"), (10, "U02"), (11, "U03"), (12, "U04")].map(|(at, name)| (at, name.to_owned()));
    assert_eq!(names, expected, "{heard}");
    let text = "Address;Name;Type\n1009;U1;U16\n...;;\n100C;U4;U16\n";
    let addresses: Vec<_> = registers(text).iter().map(|register| register.address).collect();
    assert_eq!(addresses, [0x1009, 0x100A, 0x100B, 0x100C], "hexadecimal");
    let text = "Address;Name;Type;Remark\n0;U1;U16;cell 1\n…;;;\n3;U4;U16;cell 4\n";
    let told: Vec<_> = registers(text)
        .iter()
        .map(|register| register.description.clone())
        .collect();
    assert_eq!(told, ["cell 1", "cell 2", "cell 3", "cell 4"]);
    for (rows, why) in [
        (
            "100;Cell 1;U16;\n...;;;\n119;Cell 20;U32;\n",
            ":3: warning: registers are left out at \"...\": `Cell 2` to `Cell 19` are missing: `Cell 1` and `Cell 20` differ in their types",
        ),
        (
            "100;Cell 1;U16;\n...;;;\n120;Cell 20;U16;\n",
            "`Cell 2` to `Cell 19` are missing: 100 and 120 are not a whole number of equal steps apart",
        ),
        (
            "100;Cell 1;U16;\n...;;;\n138;Cell 20;U16;\n",
            "addresses would go in steps of 2, and `Cell 1` does not take as many",
        ),
        (
            "100;Cell 1;U16;\n103;Cell 2;U16;\n...;;;\n110;Cell 5;U16;\n",
            "not a whole number of equal steps apart",
        ),
        (
            "100;Cell 1;U16;\n...;;;\n119;Sum;U16;\n",
            "the names `Cell 1` and `Sum` do not count on",
        ),
        ("100;Cell 1;U16;\n...;;;\n", "what follows `Cell 1` is missing"),
        ("...;;;\n100;Cell 1;U16;\n", "no register is right above"),
        (
            "100;Cell 1;U16;\n...;;;\nTitle;;;\n119;Cell 20;U16;\n",
            "what follows `Cell 1` is missing",
        ),
    ] {
        let (names, heard) = of(rows);
        assert!(names.len() < 4, "{names:?}");
        assert!(heard.contains(why), "{why}: {heard}");
        assert!(
            heard.contains("write each of them in a row of its own"),
            "{heard}"
        );
    }
    // between bits
    let (_, heard) = of("100;Status;U16;\nBit 0: a;;;\n...;;;\nBit 3: d;;;\n101;Next;U16;\n");
    assert!(
        heard.contains(":4: warning: registers are left out")
            && !heard.contains("no register is above these bits"),
        "{heard}"
    );
}

#[test]
fn two_columns_of_remarks_are_both_read() {
    let text = "Address;Description;Type;Notes\n0;State;U16;\"0: off, 1: on\"\n1;Alarms;U16;\"Bit0: fan; Bit1: door\"\n\
        2;Mode;U16;see 4.2\n";
    let got = registers(text);
    assert_eq!(got[0].name, "State");
    assert_eq!(got[0].names.len(), 2);
    assert_eq!(got[1].bit_names.len(), 2);
    assert_eq!(got[2].description, "see 4.2");
    let both = registers(
        "Address;Name;Type;Description;Remark\n0;S;U16;\"0: off, 1: on\";\"Bit4: door\"\n1;T;U16;a;b\n",
    );
    assert_eq!((both[0].names.len(), both[0].bit_names.len()), (2, 1));
    assert_eq!(both[1].description, "a; b");
    let apart = registers("Address;Name;Type;Description;Remark\n0;S;U16;0: off;1: on\n1;T;U16;0: off;\n");
    assert_eq!((apart[0].names.len(), apart[1].names.len()), (2, 0));
    let values = registers("Address;Name;Type;Values;Options\n0;S;U16;0: off;1: on\n");
    assert_eq!(values[0].names.len(), 2);
    let heard = heard_of("Address;Name;Type;Scale;Factor\n0;S;U16;0.1;0.1\n");
    assert!(
        heard.contains("columns kept as comments: \"Factor\" (scale is \"Scale\" already)"),
        "{heard}"
    );
    let wishes = Wishes {
        columns: vec!["description=Notes".parse().unwrap()],
        ..Wishes::default()
    };
    let by_hand = import("Address;Name;Type;Description;Notes\n0;S;U16;a;b\n", &wishes).unwrap();
    assert_eq!(by_hand.registers().next().unwrap().description, "b");
    assert!(
        by_hand
            .said
            .iter()
            .any(|said| said.contains("\"Description\" (description is \"Notes\" already)"))
    );
}

#[test]
fn addresses_in_two_columns_are_held_against_each_other() {
    let heard = heard_of(
        "Address (dec);Address (hex);Name;Type\n100;64;A;U16\n101;65;B;U16\n102;0x67;C;U16\n103;67;D;U16\n104;see A;E;U16\n",
    );
    assert!(
        heard.contains(
            ":4: warning: \"Address (dec)\" says 102, \"Address (hex)\" 0x67 (103), which is taken\n    correct one of the two"
        ),
        "{heard}"
    );
    assert_eq!(heard.matches("which is taken").count(), 1, "{heard}");
    let heard = heard_of("Address;Hex;Name;Type\n10;0A;A;U16\n11;0B;B;U16\n12;10;C;U16\n");
    assert!(heard.contains(":4: warning: \"Hex\" says 10 (16)"), "{heard}");
    // register numbers beside addresses on the wire, of two tables
    let heard = heard_of(
        "Register;PDU address;Name;Type\n30001;0;A;U16\n30002;1;B;U16\n40001;0;C;U16\n40002;1;D;U16\n40003;3;E;U16\n",
    );
    assert!(
        heard.contains(
            ":6: warning: \"PDU address\" says 3, \"Register\" 40003 (40003), which is taken; in other rows they are 40001 apart"
        ),
        "{heard}"
    );
    assert_eq!(heard.matches("which is taken;").count(), 1, "{heard}");
}

#[test]
fn an_order_of_words_in_a_remark_counts() {
    let text = "Address;Name;Type;Remark;Since\n0;A;U32;low word first;\n2;B;F32;little endian;\n4;C;U32;;word order: low\n\
        6;D;U32;since 1.2;\n8;E;U16;low word first;\n9;F;U16;little endian;\n10;G;U32 (ABCD);low word first;\n\
        12;H;U32;low word / high word;\n14;I;U16;LSB first;\n15;J;U16;\"0: little endian, 1: big endian\";\n\
        16;K;I32;phases swapped;\n18;L;U32;\"0: off, 1: on; low word first\";\n";
    let low: Vec<_> = registers(text)
        .iter()
        .filter(|register| register.low_word_first)
        .map(|register| register.name.clone())
        .collect();
    assert_eq!(low, ["A", "B", "C", "L"]);
    let wishes = Wishes {
        low_word_first: Some(false),
        ..Wishes::default()
    };
    let import = import(text, &wishes).unwrap();
    assert!(import.registers().all(|register| !register.low_word_first));
    let heard = heard_of(text);
    for words in [
        "4 rows say their order of words in a remark, which is taken, as line 2: \"low word first\"",
        ":7: warning: `little endian`: if this is about the bytes of a word",
        ":8: warning: `low word first` is another order of words than its type or its column says",
        ":9: warning: order of words not known: `low word / high word`",
        ":10: warning: order of words not known: `LSB first`: bytes within a word are the other way round",
    ] {
        assert!(heard.contains(words), "{words}: {heard}");
    }
    for line in [2, 3, 4, 5, 6, 11, 12, 13] {
        assert!(!heard.contains(&format!(":{line}: warning")), "{line}: {heard}");
    }
}

#[test]
fn types_no_map_has_take_their_place_and_are_told() {
    let text = "Address;Name;Type\n0;A;DOUBLE\n4;B;FLOAT64\n8;C;UINT24\n10;D;BCD32\n12;E;banana\n13;F;U16\n";
    let import = import(text, &Wishes::default()).unwrap();
    let words: Vec<_> = import
        .registers()
        .map(|register| (register.address, register.words))
        .collect();
    assert_eq!(words, [(0, 4), (4, 4), (8, 2), (10, 2), (12, 1), (13, 1)]);
    let heard = heard_of(text);
    for words in [
        ":2: warning: type not served: `DOUBLE` is a float of other than 32 bits, which no register map has; `A` is 4 x 0",
        ":4: warning: type not served: `UINT24` is wider or narrower",
        "take a register of 16, 32 or 64 bits",
        ":6: warning: type not read: `banana` is no known type",
    ] {
        assert!(heard.contains(words), "{words}: {heard}");
    }
    for bind in [
        "A = \"p\"",
        "C = \"p\"",
        "A = { constant = 1 }",
        "A = { bits = { 0 = \"p\" } }",
    ] {
        let mut import = self::import(text, &Wishes::default()).unwrap();
        let bindings = Bindings::of("points.toml", &format!("[bind]\n{bind}\n")).unwrap();
        let mistakes = import.bind(&bindings, None).unwrap_err();
        assert!(
            mistakes[0].to_string().contains("has no number"),
            "{bind}: {:?}",
            mistakes[0]
        );
    }
}

#[test]
fn a_quote_closed_some_rows_on_is_told_where_it_opened() {
    let heard = heard_of(
        "Address;Name;Type;Remark\n0;A;U16;\n1;\"B;U16;\n2;C;U16;\n3;\"D;U16;\n4;E;U16;\"0: off\n1: on\"\n",
    );
    assert!(
        heard.contains("list.csv:3: warning: a quote opens a cell here and is closed in line 5: 2 lines that look like rows are in this one cell\n    close it"),
        "{heard}"
    );
    assert_eq!(heard.matches("a quote opens").count(), 1, "{heard}");
}
