#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use std::fmt::Write as _;

use bess_devices::codec::modbus::listing::Listing;
use bess_devices::codec::modbus::{ModbusServer, RegisterMap};
use bess_devices::kinds::point_table;
use bess_devices::library::Library;
use bess_devices::points::{PointTable, Points};
use bess_devices::product::Source;
use proptest::prelude::*;

use super::super::doc::Document;
use super::super::write;
use super::draft::MOST_EQUAL;
use bess_devices::codec::modbus::listing::Meaning;

use super::*;

mod nothing_lost;

fn import(text: &str, wishes: &Wishes) -> Result<Import, Mistake> {
    Import::of("list.csv", &[Sheet::of_csv(text.as_bytes())], wishes)
}

/// Map, conclusions and findings.
fn told(text: &str, wishes: &Wishes) -> String {
    let import = match import(text, wishes) {
        Ok(import) => import,
        Err(mistake) => return format!("{mistake}\n{}\n", mistake.diagnostic().help().unwrap()),
    };
    let map = write::map(&import, &[]);
    Listing::read(&Source::new("map.toml", &map)).unwrap();
    let mut all = map;
    for line in &import.said {
        writeln!(all, "said: {line}").unwrap();
    }
    for finding in &import.findings {
        writeln!(all, "{finding}").unwrap();
    }
    all
}

#[test]
fn a_chinese_list_in_gbk() {
    let text = "序号,寄存器地址,名称,数据类型,比例系数,单位,读写\n\
                1,0x100,总电压,U16,0.1,V DC,R\n\
                2,0x101,总电流,I16,0.1,A DC,R\n\
                3,0x102,环境湿度,U16,1,%RH,R\n\
                4,0x103,绝缘电阻,U16,1,kΩ,R\n\
                5,0x104,累计电量,U32,1,MWh,R\n";
    let (bytes, _, lost) = encoding_rs::GBK.encode(text);
    assert!(!lost);
    let sheets = [Sheet::of_csv(&bytes)];
    let import = Import::of("list.csv", &sheets, &Wishes::default()).unwrap();
    let map = write::map(&import, &[]);
    for (name, unit) in [
        ("总电压", "V"),
        ("总电流", "A"),
        ("环境湿度", "%"),
        ("绝缘电阻", "kΩ"),
        ("累计电量", "MWh"),
    ] {
        let line = map.lines().find(|line| line.contains(name)).unwrap();
        assert!(line.contains(&format!("unit = \"{unit}\"")), "{line}");
    }
}

#[test]
fn a_list_of_reference_numbers() {
    insta::assert_snapshot!(told(
        "PCS 100 register list V1.3;;;;;;;;\n\
         32-bit values: low word first;;;;;;;;\n\
         No.;Register;Signal name;Data type;Scale;Unit;R/W;Remark;Since\n\
         Status;;;;;;;;\n\
         1;40001;Run state;U16;;;R;\"0: Stop, 1: Standby, 2: Run, 3: Fault\";\n\
         2;40002;Alarm word;Bitfield16;;;R;\"Bit0: Over-voltage; Bit1: Over-temperature; Bit4-7: Zone\";V1.2\n\
         3;40003;Active power;S32;0,1;KW;R;Charging positive;\n\
         4;40005;Grid frequency;U16;0,01;HZ;R;;\n\
         5;40006;Temperature;S16;0,1;℃;R;;\n\
         6;40007-40016;Serial number;ASCII;;;R;;\n\
         7;40017;Clock;BCD16;;;R;;\n\
         8;40018;Reserved;U16;;;;;\n\
         9;40018;Odd one;U16;;;R;;\n\
         10;40021;Wide one;U32;;;R;;\n\
         11;40022;Half of it;U16;;;R;;\n\
         Settings;;;;;;;;\n\
         12;40101;Power set-point;S32;0,1;kW;RW;;\n\
         13;40103;Start/stop;U16;;;W;1 = start 2 = stop;\n\
         14;see below;Something;U16;;;R;;\n\
         ;;;;;;;end of list;\n",
        &Wishes::default()
    ));
}

#[test]
fn function_codes_bits_row_by_row_and_lengths_in_bytes() {
    insta::assert_snapshot!(told(
        "Address (hex),Function code,Parameter,Bit,Format,Length,Gain,Unit\n\
         0x1000,04,Voltage,,uint,2,10,V\n\
         0x1001,04,Current,,int,2,10,A\n\
         0x1002,04,Energy,,U32,4,1,kWh\n\
         0x1004,04,Faults,0,U16,2,,\n\
         0x1004,04,Fan,1,U16,2,,\n\
         ,,Door,2,,,,\n\
         0x1005,04,Phases,,S16,6,10,V\n\
         0x0000,01,Relay,,BOOL,,,\n\
         0x0001,02,Contact,,BOOL,,,\n\
         0x2000,03,Limit,,float,4,,A\n\
         0x2000,16,Limit,,float,4,,A\n\
         0x20000,03,Nowhere,,U16,2,,\n",
        &Wishes::default()
    ));
}

#[test]
fn columns_and_base_by_hand() {
    let text = "Where,What,Sort,Mal\n1,Volts,U16,10\n2,Amps,S16,10\n";
    let wishes = Wishes {
        columns: ["address=Where", "name=What", "type=Sort", "gain=Mal"]
            .map(|text| text.parse().unwrap())
            .into(),
        base: Some(Base::One),
        ..Wishes::default()
    };
    let all = [
        told(text, &wishes),
        told(text, &Wishes::default()),
        told(
            text,
            &Wishes {
                columns: vec!["address=Where".parse().unwrap(), "name=Which".parse().unwrap()],
                ..Wishes::default()
            },
        ),
        told("address,name\n", &Wishes::default()),
        told("address,name\nx,y\n", &Wishes::default()),
        told("", &Wishes::default()),
    ];
    insta::assert_snapshot!(all.join("----\n"));
}

/// What is said and found of a small list, a line each.
fn heard(text: &str, wishes: &Wishes) -> Vec<String> {
    match import(text, wishes) {
        Ok(import) => {
            let findings = import.findings.iter().map(ToString::to_string);
            import.said.iter().cloned().chain(findings).collect()
        }
        Err(mistake) => vec![format!("{mistake}: {}", mistake.diagnostic().help().unwrap())],
    }
}

/// The entries of a small list's map.
fn entries(text: &str, wishes: &Wishes) -> Vec<String> {
    let map = write::map(&import(text, wishes).unwrap(), &[]);
    let lines = map.lines().filter_map(|line| line.trim().strip_prefix("{ at = "));
    lines
        .map(|line| line.split(" }, #").next().unwrap().to_owned())
        .collect()
}

/// A list of one wide value, with these words above it.
fn with_words(words: &str) -> String {
    format!("{words}\nAddress;Name;Type\n0;Power;I32\n")
}

#[test]
fn the_order_of_words_is_read_in_german_and_assumed_where_it_is_not_clear() {
    for (words, order, marked) in [
        (
            "Byte order: Big Endian, Wortfolge: niederwertiges Wort zuerst",
            "low",
            false,
        ),
        ("Höherwertiges Wort zuerst", "high", false),
        ("Low-Word zuerst", "low", false),
        ("Byte order: big endian\nWord order: low word first", "low", false),
        ("MSB first. 32 bit: Low Word / High Word", "high", true),
        ("Byte order: big endian", "high", true),
        ("low word first\nhigh word first", "high", true),
        ("Wortfolge wie in Anhang B", "high", true),
    ] {
        let text = with_words(words);
        let low = entries(&text, &Wishes::default())[0].contains("word_order")
            || write::map(&import(&text, &Wishes::default()).unwrap(), &[])
                .contains("word_order = \"low-first\"");
        assert_eq!(low, order == "low", "{words}");
        let heard = heard(&text, &Wishes::default()).join("\n");
        assert_eq!(
            heard.contains("warning: order of words not known"),
            marked,
            "{words}: {heard}"
        );
        assert_eq!(heard.contains("ASSUMED"), marked, "{words}: {heard}");
        assert_eq!(heard.contains("the list says"), !marked, "{words}: {heard}");
        let wishes = Wishes {
            low_word_first: Some(true),
            ..Wishes::default()
        };
        let heard = self::heard(&text, &wishes).join("\n");
        assert!(
            !heard.contains("not known") && heard.contains("--word-order"),
            "{heard}"
        );
    }
    let silent = heard(&with_words("PCS"), &Wishes::default()).join("\n");
    assert!(
        silent.contains("does not say") && silent.contains("ASSUMED"),
        "{silent}"
    );
    let column = "Address;Name;Type;Word order\n0;A;U32;low-first\n2;B;U32;3412\n";
    let heard = heard(column, &Wishes::default()).join("\n");
    assert!(heard.contains("`3412` is no order of words"), "{heard}");
}

#[test]
fn bits_are_no_values() {
    for remark in [
        "Bit 0: AC-Schütz zu, Bit 1: DC-Schalter zu",
        "D0: AC-Schütz zu; D1: DC-Schalter zu",
        "Bit 0 - AC-Schütz zu, Bit 1 - DC-Schalter zu",
        "bit00=AC-Schütz zu bit01=DC-Schalter zu",
    ] {
        for list in [
            format!("Address;Name;Type;Remark\n0;Status;U16;\"{remark}\"\n"),
            format!("Address;Name;Type;Values\n0;Status;U16;\"{remark}\"\n"),
            format!("Address;Name;Type;Range\n0;Status;U16;\"{remark}\"\n"),
        ] {
            let entry = entries(&list, &Wishes::default()).remove(0);
            let expected = "bit_names = { 0 = \"AC-Schütz zu\", 1 = \"DC-Schalter zu\" }";
            assert!(
                entry.contains(expected) && !entry.contains("enum"),
                "{list}: {entry}"
            );
        }
    }
}

#[test]
fn the_table_is_that_of_the_title_or_the_option_and_never_silently_holding() {
    let rows = "Address;Name;Type\n0;A;U16\n5;B;U16\n";
    let wishes = |table| Wishes {
        table,
        ..Wishes::default()
    };
    for (above, wish, table, words) in [
        (
            "PCS map Input registers\n",
            None,
            Table::Input,
            "\"PCS map Input registers\" stands above the list",
        ),
        (
            "Halteregister\n",
            None,
            Table::Holding,
            "\"Halteregister\" stands above the list",
        ),
        (
            "PCS map\n",
            None,
            Table::Holding,
            "2 rows do not say their table: holding registers are taken",
        ),
        (
            "Input and holding registers\n",
            None,
            Table::Holding,
            "2 rows do not say their table",
        ),
        (
            "",
            Some(Table::Input),
            Table::Input,
            "2 rows do not say their table: input registers (--table)",
        ),
        (
            "Holding registers\n",
            Some(Table::Input),
            Table::Holding,
            "warning: --table wants input registers",
        ),
    ] {
        let text = format!("{above}{rows}");
        let import = import(&text, &wishes(wish)).unwrap();
        assert!(
            import.registers().all(|register| register.table == table),
            "{text}"
        );
        let heard = heard(&text, &wishes(wish)).join("\n");
        assert!(heard.contains(words), "{text}: {heard}");
    }
    let codes = "Holding registers\nAddress;FC;Name;Type\n0;04;A;U16\n";
    assert_eq!(
        import(codes, &Wishes::default())
            .unwrap()
            .registers()
            .next()
            .unwrap()
            .table,
        Table::Input
    );
}

#[test]
fn a_column_that_is_not_there_is_an_error_with_the_nearest_head() {
    let text = "Address,Name,Type,Zugriff\n0,A,U16,R\n";
    let wishes = |column: &str| Wishes {
        columns: vec![column.parse().unwrap()],
        ..Wishes::default()
    };
    for column in ["access=Zugrif", "type=Zugrif"] {
        let heard = heard(text, &wishes(column)).join("\n");
        assert!(
            heard.contains("list.csv:1: no column has the head `Zugrif`")
                && heard.contains("did you mean `Zugriff`?"),
            "{heard}"
        );
    }
    let heard = heard(text, &wishes("access=ZUGRIFF")).join("\n");
    assert!(heard.contains("access is \"Zugriff\""), "{heard}");
}

#[test]
fn units_with_a_scale_in_front() {
    let text = "Address;Name;Type;Unit\n0;A;U16;0.1kW\n1;B;U16;0,1 V\n2;C;U16;0.01Hz\n3;D;U16;A\n";
    let got = entries(text, &Wishes::default());
    assert_eq!(
        got,
        [
            "0, name = \"A\", constant = 0, scale = 0.1, unit = \"kW\"",
            "1, name = \"B\", constant = 0, scale = 0.1, unit = \"V\"",
            "2, name = \"C\", constant = 0, scale = 0.01, unit = \"Hz\"",
            "3, name = \"D\", constant = 0, unit = \"A\"",
        ]
    );
    let heard_of = |text: &str| heard(text, &Wishes::default()).join("\n");
    let heard = heard_of(text);
    assert!(
        heard.contains("3 units have a scale in front, which is taken: \"0.1kW\" is scale 0.1 and unit kW"),
        "{heard}"
    );
    let both = "Address;Name;Type;Unit;Scale\n0;A;U16;0.1kW;0.01\n1;B;U16;0.1kW;0.1\n";
    let heard = heard_of(both);
    assert!(
        heard.contains(":2: warning: the unit `0.1kW` says a scale of 0.1, the column \"Scale\" one of 0.01, which is taken")
            && !heard.contains(":3: warning"),
        "{heard}"
    );
}

#[test]
fn units_in_brackets_of_names() {
    let rows = "0;Wirkleistung [kW];INT32;0,1\n2;Spannung [0,1 V];U16;\n3;Power limit (0.1 kW);U16;\n\
        4;Temperatur (°C);U16;\n5;电压（V）;U16;0.1\n6;Nennspannung (400 V);U16;\n7;Mean power (15 min);U16;\n8;Mode (auto);U16;\n\
        9;Current (0.1 A);U16;0.01\n";
    let text = format!("Address;Name;Type;Scale\n{rows}");
    let got: Vec<_> = import(&text, &Wishes::default())
        .unwrap()
        .registers()
        .map(|register| (register.name.clone(), register.scale, register.unit.clone()))
        .collect();
    let expected = [
        ("Wirkleistung [kW]", 0.1, "kW"),
        ("Spannung [0,1 V]", 0.1, "V"),
        ("Power limit (0.1 kW)", 0.1, "kW"),
        ("Temperatur (°C)", 1.0, "°C"),
        ("电压（V）", 0.1, "V"),
        ("Nennspannung (400 V)", 1.0, ""),
        ("Mean power (15 min)", 1.0, ""),
        ("Mode (auto)", 1.0, ""),
        ("Current (0.1 A)", 0.01, "A"),
    ]
    .map(|(name, scale, unit)| (name.to_owned(), scale, unit.to_owned()));
    assert_eq!(got, expected);
    let heard_of = |text: &str| heard(text, &Wishes::default()).join("\n");
    let heard = heard_of(&text);
    assert!(heard.contains("6 names have their unit in brackets"), "{heard}");
    assert!(
        heard.contains(":10: warning: the unit `Current (0.1 A)` says a scale of 0.1"),
        "{heard}"
    );
    let both = "Address;Name;Type;Unit\n0;P [kW];U16;W\n1;U [V];U16;V\n";
    let heard = heard_of(both);
    assert!(
        heard.contains(":2: warning: the name `P [kW]` says kW, its row W, which is taken")
            && !heard.contains(":3: warning"),
        "{heard}"
    );
}

#[test]
fn bits_in_rows_below_their_register() {
    let text = "Address;Name;Type;Remark\n0;Status;U16;\nBit 0: AC-Schütz geschlossen;;;\n;b1: Fault;;\n\
        Bit 2..15: reserviert;;;\n1;Next;U16;\nBit 3;Door;;\nAlarms;;;\nBit 0: Nowhere;;;\n2;Last;U16;\nBit 16: Too far;;;\n";
    let import = import(text, &Wishes::default()).unwrap();
    let bits: Vec<_> = import
        .registers()
        .map(|register| (register.block.as_str(), register.bit_names.clone()))
        .collect();
    let names = |all: &[((u8, u8), &str)]| all.iter().map(|(bit, name)| (*bit, (*name).to_owned())).collect();
    assert_eq!(
        bits,
        [
            (
                "",
                names(&[
                    ((0, 0), "AC-Schütz geschlossen"),
                    ((1, 1), "Fault"),
                    ((2, 15), "reserviert")
                ])
            ),
            ("", names(&[((3, 3), "Door")])),
            ("Alarms", names(&[])),
        ]
    );
    let heard = heard(text, &Wishes::default()).join("\n");
    for words in [
        "5 rows name bits of the register above them",
        ":9: warning: row not used: no register is above these bits: Bit 0: Nowhere",
        ":10: warning: bit 16 `Too far` is not in the 16 bits",
    ] {
        assert!(heard.contains(words), "{words}: {heard}");
    }
}

#[test]
fn a_type_nobody_gave_is_a_finding() {
    let heard_of = |text: &str| heard(text, &Wishes::default()).join("\n");
    let heard = heard_of("Address;Name;Sorte\n0;A;U16\n1;B;I32\n");
    assert!(
        heard.contains("warning: 2 rows without a type: u16 is taken")
            && heard.contains("give --column type=\"Sorte\""),
        "{heard}"
    );
    let heard = heard_of("Address;Name;Type\n0;A;U16\n1;B;\n2;Reserved;\n");
    assert!(
        heard.contains("warning: 1 row without a type: u16 is taken, or u32 and u64 by length: line 3"),
        "{heard}"
    );
    let heard = heard_of("Coils\nAddress;Name\n0;A\n1;B\n");
    assert!(!heard.contains("without a type"), "{heard}");
}

#[test]
fn marks_between_thousands_are_asked_for() {
    let of = |addresses: &[&str]| {
        let rows: Vec<_> = (addresses.iter())
            .map(|address| format!("\"{address}\";N{address};U16\n"))
            .collect();
        let text = format!("Address;Name;Type\n{}", rows.concat());
        let wishes = Wishes {
            base: Some(Base::Zero),
            ..Wishes::default()
        };
        let addresses: Vec<_> = match import(&text, &wishes) {
            Ok(import) => import.registers().map(|register| register.address).collect(),
            Err(_) => vec![],
        };
        (addresses, heard(&text, &wishes).join("\n"))
    };
    let (addresses, heard) = of(&["5", "1.001"]);
    assert_eq!(addresses, [5]);
    assert!(
        heard.contains(":3: warning: row not used: is `1.001` register 1001, or a bit of a register?"),
        "{heard}"
    );
    let (addresses, heard) = of(&["1.001", "1.002", "40.010"]);
    assert_eq!(addresses, [1001, 1002, 40010]);
    assert!(
        heard.contains("3 addresses have a mark between thousands: 1.001 is 1001"),
        "{heard}"
    );
    assert_eq!(of(&["1,001", "1,002"]).0, [1001, 1002]);
    assert_eq!(
        of(&["100,101", "102,103"]).0,
        [100, 101, 102, 103],
        "ranges of two"
    );
    // bits
    let (addresses, heard) = of(&["40010.3", "40010.4"]);
    assert_eq!(addresses, [40010]);
    assert!(!heard.contains("thousands"), "{heard}");
}

#[test]
fn lengths_of_texts_are_bytes_or_registers_by_the_next_address() {
    let words = |rows: &str| {
        let text = format!("Address;Name;Type\n{rows}");
        let import = import(&text, &Wishes::default()).unwrap();
        let words: Vec<_> = import.registers().map(|register| register.words).collect();
        (words, heard(&text, &Wishes::default()).join("\n"))
    };
    let (all, heard) = words("0;A;STRING[8]\n8;B;CHAR(8)\n16;C;String 16\n32;D;U16\n");
    assert_eq!(all, [8, 8, 16, 1]);
    assert!(
        heard.contains("lengths in types of texts count registers: `A` has 8"),
        "{heard}"
    );
    let (all, heard) = words("0;A;STRING[8]\n4;B;CHAR(8)\n8;D;U16\n");
    assert_eq!(all, [4, 4, 1]);
    assert!(
        heard.contains("lengths in types of texts count bytes: `A` has 8"),
        "{heard}"
    );
    let (all, heard) = words("0;A;STRING[8]\n4;B;CHAR(8)\n12;D;U16\n");
    assert_eq!(all, [4, 4, 1]);
    assert!(
        heard.contains(":3: warning: bytes or registers? `B` has 8"),
        "{heard}"
    );
    let (all, heard) = words("0;A;U16\n1;B;STRING[8]\n");
    assert_eq!(all, [1, 4]);
    assert!(heard.contains("ASSUMED are bytes, so `B` of 8 has 4"), "{heard}");
    let (all, _) = words("0;A;string 8 bytes\n8;B;string 2 registers\n");
    assert_eq!(all, [4, 2]);
}

#[test]
fn a_quote_that_is_never_closed_is_told_with_its_line() {
    let of = |text: &str| heard(text, &Wishes::default()).join("\n");
    let heard = of("Address;Name;Type\n0;A;U16\n\n\n1;\"B;U16\n2;C;U16\n");
    assert!(
        heard.contains("list.csv:5: warning: a quote opens a cell here"),
        "{heard}"
    );
    let heard = of("\"Registers\nAddress;Name;Type\n0;A;U16\n");
    assert!(heard.contains("list.csv:1: a quote opens a cell here"), "{heard}");
}

#[test]
fn a_note_on_counting_leaves_no_doubt() {
    let rows = "Address;Name;Type\n100;A;U16\n102;B;U16\n";
    let of = |text: &str| heard(text, &Wishes::default()).join("\n");
    assert!(of(rows).contains("off by one?"));
    for text in [
        format!("Register numbers count from 1\n{rows}"),
        format!("{rows}Numbering starts at 1;;\n"),
    ] {
        let heard = of(&text);
        assert!(
            heard.contains("addresses count from 1") && !heard.contains("off by one?"),
            "{heard}"
        );
    }
}

/// Everything a map says, apart from where it stands and how it is written.
fn essence(listing: &Listing, spread: bool) -> Vec<String> {
    let registers = listing.registers.iter().map(|register| {
        let long = register.words > 1 && !matches!(register.meaning, Meaning::Text(_) | Meaning::Fill(_));
        let register = Register {
            block: String::new(),
            place: Place::nowhere(),
            low_word_first: long && register.low_word_first,
            ..register.clone()
        };
        format!("{register:?}")
    });
    let head = format!(
        "{} {} {} {:?}",
        listing.title,
        listing.read_only_write.name(),
        listing.out_of_range_write.name(),
        listing.reverts
    );
    let mut all: Vec<_> = registers.collect();
    if spread {
        all.sort();
    }
    all.insert(0, head);
    all
}

#[test]
fn every_shipped_map_comes_back_from_its_own_table() {
    let library = Library::shipped();
    let mut maps = 0;
    let paths: Vec<String> = library.paths().map(str::to_owned).collect();
    for path in paths.iter().filter_map(|path| path.strip_prefix("modbus/")) {
        let source = library.register_map(path).unwrap();
        for id in library.product_ids() {
            let product = library.product(&id).unwrap();
            if product.registers().is_none_or(|(map, _)| map.get_ref() != path) {
                continue;
            }
            let table = point_table(&product).unwrap();
            let csv = Document::of_map(source, &table).unwrap().csv().unwrap();
            let import = import(&csv, &Wishes::default()).unwrap();
            assert!(import.findings.is_empty(), "{path}: {:?}", import.findings);
            let text = write::map(&import, &["head".into()]);
            let again = Source::new("again.toml", &text);
            let one = essence(&Listing::of(source, &table).unwrap(), false);
            let two = essence(&Listing::read(&again).unwrap(), false);
            for (one, two) in one.iter().zip(&two) {
                assert_eq!(one, two, "{path} of {id}");
            }
            assert_eq!(one.len(), two.len(), "{path} of {id}");
            let image = |library: &Library| {
                let server = ModbusServer::of_product(&product, library, &table).unwrap();
                let mut points = Points::new(table.clone().into());
                for (at, (id, def)) in table.iter().enumerate() {
                    #[allow(clippy::cast_precision_loss, reason = "a small number")]
                    let share = (at % 17) as f64 / 16.0;
                    points.set(id, (def.min + (def.max - def.min) * share).round());
                }
                // words, not what each is called
                let image = server.image(&points);
                let words = |line: &str| line.chars().take(43).collect::<String>();
                image.lines().map(words).collect::<Vec<_>>()
            };
            let mut changed = library.clone();
            changed.overlay("again", &format!("modbus/{path}"), &text);
            assert_eq!(image(&library), image(&changed), "{path} of {id}");
            maps += 1;
        }
    }
    assert!(maps > 8, "{maps}");
}

#[test]
fn a_vendors_map_comes_back_with_names_and_bits() {
    let text = "title = \"X | Y\"\nread_only_write = \"ignore\"\nout_of_range_write = \"clamp\"\n\
        [[block]]\nname = \"one\"\ntable = \"holding\"\nmirror = true\nbase = 100\nlength = 30\nfill = 0xFFFF\n\
        word_order = \"low-first\"\nregister = [\n\
        { at = 0, name = \"State\", point = \"mode\", values = { off = 3, on = 7 }, enum = { 3 = \"Halt: a; b\", -7 = \"Run 1: x\" } },\n\
        { at = 1, name = \"Bits\", bits = { 0 = \"mode == on\", 3 = \"alarm-a\" }, bit_names = { 0 = \"Running\", 4-7 = \"Zone, 2: x\" } },\n\
        { at = 2, name = \"Current\", point = \"i\", type = \"i32\", scale = -0.1, offset = 40.0, unit = \"A\", invalid = 5 },\n\
        { at = 4, type = \"f32\", word_order = \"high-first\", access = \"read-write\", constant = 5, description = \"a, \\\"b\\\"\" },\n\
        { at = 6, words = 3, constant = 7 },\n{ at = 20, bits = { 0 = \"alarm-a\" }, access = \"read-write\", role = [\"service\", \"plant\"], on_write = \"clear\" },\n\
        { at = 21, point = \"x\", on_read = \"clear\", role = [] },\n{ at = 22, point = \"y\", access = \"read-write\", returns_to = 0.5, after_ms = 500 },\n{ at = 17, hold = -1, type = \"i16\", access = \"read-write\" },\n{ at = 9, type = \"u64\" },\n{ at = 13, words = 4, text = \"{model}\" },\n]\n\
        [[block]]\nname = \"two\"\ntable = \"coil\"\naccess = \"read-write\"\nregister = [{ at = 0, name = \"Relay\", constant = 1 }]\n\
        [[revert]]\nback = { i = 0, x = \"mode\" }\nafter_s = 900\n[[revert]]\nback = { y = 1.5 }\nafter = \"mode\"\nremaining = \"x\"\n";
    let source = Source::new("map.toml", text);
    let csv = Document::of_map(&source, &PointTable::default())
        .unwrap()
        .csv()
        .unwrap();
    let import = import(&csv, &Wishes::default()).unwrap();
    let again = write::map(&import, &[]);
    let (one, two) = (
        Listing::read(&source).unwrap(),
        Listing::read(&Source::new("again.toml", &again)).unwrap(),
    );
    assert_eq!(essence(&one, true), essence(&two, true), "{csv}\n{again}");
}

fn any_cell() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,6}",
        "0x[0-9a-fA-F]{1,5}",
        "[0-9A-F]{1,4}h?",
        "4x[0-9]{1,5}",
        "[0-9]{1,5}[-~.:/][0-9]{1,5}",
        prop::sample::select(vec![
            "U16",
            "S32",
            "float",
            "STR8",
            "string",
            "bit",
            "BCD",
            "uint",
            "RW",
            "W",
            "03",
            "0x10",
            "FC4",
            "0.1",
            "1/10",
            "-400",
            "kW",
            "0: off; 1: on",
            "Bit0: a; Bit3-9: b",
            "reserved",
            "Address",
            "Name",
            "Type",
            "Holding registers",
            "low word first",
            "...",
            "Cell 1",
            "Cell 9",
            "double",
            "0.1, offset -400",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,12}",
    ]
}

/// Whatever file is given as a list: it is refused with a remedy, or becomes a map that compiles.
#[test]
fn fuzz_register_list() {
    let lists = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/vendor/lists/NV-PCS100");
    let shipped = ["csv", "xlsx"].map(|ending| std::fs::read(format!("{lists}.{ending}")).unwrap());
    let own = [
        "Holding registers, low word first\nReg;Bezeichnung;Typ;Skalierung;Einheit;Zugriff\n40001;U;u32;0,1;V;RW\n40003;I;s16;1/10;A;R\n",
        "Address,FC,Name,Type,Length,Values,Bits\n0x10,3,State,uint16,1,\"0: off\n1: on\",\n0x11,4,Alarms,bitfield,1,,\"Bit0: a; Bit3-9: b\"\n0x12,3,Serial,string,16,,\n1.0,1,Relay,bool,8,,\n",
        "Address,Hex,Description,Type,Factor,Notes\n100,64,Cell 1,U16,\"0.1, offset -40\",low word first\n...,,,,,\n119,78,Cell 20,U16,\"0.1, offset -40\",low word first\n120,78,\"Energy,double,,\n124,7C,\"Sum,UINT24,×0.1 −4,\n",
        "title\tA list\nread_only_write\tignore\nRegister\tName\tData type\tQty\n30001-30010\tCells\tu16\t10\n30001\tagain\tu64\t4\n65535\tend\tfloat32\t2\n",
    ];
    let table = PointTable::default();
    let target = bess_fuzz::Target::new(env!("CARGO_MANIFEST_DIR"), "register-list");
    target
        .seeds(shipped)
        .seeds(own)
        .memory(16 << 20, 8192)
        .runs(300)
        .check(|input| {
            let sheets = if Sheet::is_workbook(input) {
                Sheet::of_workbook(input, &[], &[])
            } else {
                Ok(vec![Sheet::of_csv(input)])
            };
            let Ok(sheets) = sheets else { return };
            match Import::of("list", &sheets, &Wishes::default()) {
                Err(mistake) => assert!(mistake.diagnostic().help().is_some(), "{mistake}"),
                Ok(import) => {
                    let text = write::map(&import, &import.said);
                    let map = RegisterMap::compile("map.toml", &text, &table, "M");
                    assert!(map.is_ok(), "{:?}\n{text}", map.err());
                }
            }
        });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let sheet = Sheet::of_csv(&bytes);
        let _ = Import::of("x", &[sheet], &Wishes::default());
        let text = [b"Address,Name,Type,Length,Scale,Bits,Values\n".as_slice(), &bytes].concat();
        let _ = Import::of("x", &[Sheet::of_csv(&text)], &Wishes::default());
    }

    #[test]
    fn what_comes_out_is_always_a_map(
        rows in prop::collection::vec(prop::collection::vec(any_cell(), 0..15), 0..24),
        base in prop::option::of(prop::sample::select(vec![Base::Zero, Base::One])),
    ) {
        let head = "Address,FC,Name,Type,Length,Scale,Offset,Unit,Access,Values,Bits,Default,Notes,Remark,Address hex".split(',').map(str::to_owned).collect();
        let mut all = vec![Row { number: 1, cells: head }];
        all.extend((2..).zip(rows).map(|(number, cells)| Row { number, cells }));
        let filled = all.iter().skip(1).filter(|row| row.filled().count() > 0).count();
        let sheet = Sheet { rows: all, ..Sheet::default() };
        let Ok(import) = Import::of("x", &[sheet], &Wishes { base, ..Wishes::default() }) else { return Ok(()); };
        let text = write::map(&import, &["control \u{3} characters".into()]);
        let listing = Listing::read(&Source::new("map.toml", &text)).unwrap();
        // nothing is lost: each row is a register, a comment, or more about the register above, unless it stands for many
        let has_gap = import.said.iter().any(|said| said.contains("which are filled in"));
        prop_assert!(has_gap || import.items.len() <= filled * MOST_EQUAL as usize);
        let mut taken = BTreeSet::new();
        for register in &listing.registers {
            for address in register.address..register.end() {
                prop_assert!(address < 0x1_0000 && taken.insert((register.table, address)), "{text}");
            }
        }
        let table = PointTable::default();
        let map = RegisterMap::compile("map.toml", &text, &table, "M");
        prop_assert!(map.is_ok(), "{:?}\n{text}", map.err());
    }
}
