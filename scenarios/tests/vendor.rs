//! The devices of another maker in `examples/vendor`: what stands on their wires, held against values made outside
//! this repository, and the commands that made the map.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a failed unwrap is the test failing"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bess_devices::codec::can::CanPort;
use bess_devices::codec::modbus::{ModbusAccess, ModbusServer};
use bess_devices::kinds::point_table;
use bess_devices::{Library, Points};
use bess_types::{ModbusData, ModbusRequest, Reading, SimTime, Table};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

fn folder() -> PathBuf {
    root().join("scenarios/examples/vendor")
}

fn bessrig(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bessrig"))
        .current_dir(root())
        .args(arguments)
        .output()
        .unwrap()
}

fn library() -> Library {
    let mut library = Library::shipped();
    for kind in ["dbc", "modbus", "products"] {
        for entry in fs::read_dir(folder().join(kind)).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{kind}/{}", path.file_name().unwrap().to_string_lossy());
            library.overlay("vendor", &name, &fs::read_to_string(&path).unwrap());
        }
    }
    library
}

/// Frames a product's node sends with these points set, by message.
struct Wire {
    port: CanPort,
    points: Points,
}

impl Wire {
    fn of(product: &str, node: u8, values: &[(&str, f64)]) -> Self {
        let library = library();
        let product = library.product(product).unwrap();
        let table = point_table(&product).unwrap();
        let port = CanPort::compile(&product, "cluster", &library, &table, node).unwrap();
        let mut points = Points::new(table.into());
        for (name, value) in values {
            let id = points.table().find(name).unwrap_or_else(|| panic!("{name}"));
            points.set(id, *value);
        }
        Self { port, points }
    }

    /// As candump writes it, but for the first frames a fresh node sends within this time.
    fn sent(&mut self, within_ms: u64) -> Vec<String> {
        self.port.start(SimTime::ZERO);
        let mut frames = Vec::new();
        for ms in 0..within_ms {
            let now = SimTime::from_millis(ms);
            self.port
                .transmit_due(now, &mut self.points, &mut |frame| frames.push(frame.to_string()));
        }
        frames
    }
}

// The expected frames were made with cantools 41 from the DBC, their checksums with crccheck 1.3.

#[test]
fn discharging_is_negative_on_the_vendors_shunt() {
    let values = [
        ("cluster-voltage", 704.3),
        ("bus-voltage", 703.9),
        ("current", 123.4),
        ("life-counter", 0.0),
    ];
    let frames = Wire::of("norvik-shunt", 176, &values).sent(60);
    assert!(frames.contains(&"500#1B831B7F0636107E".to_owned()), "{frames:?}");
}

#[test]
fn pages_of_cells_and_temperatures_end_with_codes_for_what_is_not_there() {
    let values = [("cell[42].voltage", 3.3012), ("cell[43].voltage", 3.72)];
    let frames = Wire::of("norvik-slave-44", 5, &values).sent(400);
    assert!(frames.contains(&"415#0E80F49150FFFFA5".to_owned()), "{frames:?}");
    let values = [
        ("temperature[18]", 20.0),
        ("temperature[19]", 21.0),
        ("temperature[20]", 22.0),
        ("temperature[21]", 61.0),
    ];
    let frames = Wire::of("norvik-slave-44", 3, &values).sent(1_100);
    assert!(frames.contains(&"453#033C3D3E65FFFF46".to_owned()), "{frames:?}");
}

#[test]
fn the_status_is_sent_when_asked_for_and_not_before() {
    let values = [
        ("state", 1.0),
        ("over-voltage", 1.0),
        ("temperature-max", 31.0),
        ("temperature-min", -7.0),
        ("balance-count", 3.0),
        ("life-counter", 0.0),
    ];
    let mut slave = Wire::of("norvik-slave-44", 5, &values);
    let expected = "475#200847210301175B";
    assert!(slave.sent(1_000).iter().all(|frame| !frame.starts_with("475#")));
    let master = Wire::of("norvik-bcu", 0xA0, &[]).sent(20);
    let request = master.iter().find(|frame| frame.starts_with("650#")).unwrap();
    assert_eq!(request, "650#2100");
    let frame = bess_types::CanFrame::new(bess_types::CanId::Standard(0x650), &[0x21, 0]).unwrap();
    let now = SimTime::from_millis(1_000);
    slave.port.receive(now, &frame, &mut slave.points).unwrap();
    let mut answers = Vec::new();
    for ms in 1_000..1_010 {
        let now = SimTime::from_millis(ms);
        let points = &mut slave.points;
        slave
            .port
            .transmit_due(now, points, &mut |frame| answers.push((ms, frame.to_string())));
    }
    assert!(answers.contains(&(1_005, expected.to_owned())), "{answers:?}");
}

/// The words of the vendor's list, set by hand: low word first, charging positive.
#[test]
fn registers_of_the_pcs_are_those_of_the_list() {
    let library = library();
    let product = library.product("norvik-pcs").unwrap();
    let table = point_table(&product).unwrap();
    let mut server = ModbusServer::of_product(&product, &library, &table).unwrap();
    let mut points = Points::new(table.into());
    let find = |points: &Points, name: &str| points.table().find(name).unwrap();
    for (name, value) in [
        ("pcs-state", 3.0),
        ("active-power", 50_000.0),
        ("dc-current", 71.3),
        ("dc-voltage", 704.2),
        ("cabinet-temperature", 31.5),
        ("energy-discharged", 123_456_700.0),
        ("ac-contactor-closed", 1.0),
        ("local-control", 0.0),
    ] {
        let id = find(&points, name);
        points.set(id, value);
    }
    let mut serve = |points: &mut Points, request| {
        let access = ModbusAccess::default();
        server
            .serve(SimTime::ZERO, access, &request, points, &mut Vec::new())
            .unwrap()
    };
    let mut read = |points: &mut Points, table, address, count| {
        let request = ModbusRequest::Read {
            table,
            address,
            count,
        };
        match serve(points, request) {
            ModbusData::Registers(words) => words,
            other => panic!("{other:?}"),
        }
    };
    // 30001 grid run, 30003 contactor + grid run + remote
    assert_eq!(read(&mut points, Table::Input, 0, 1), [8]);
    assert_eq!(read(&mut points, Table::Input, 2, 1), [0b1_0101]);
    // 30006 -500 x 0.1 kW
    assert_eq!(read(&mut points, Table::Input, 5, 2), [0xFE0C, 0xFFFF]);
    // 30014 704.2 V, 30015 -71.3 A, 30016 31.5 °C from -40
    assert_eq!(
        read(&mut points, Table::Input, 13, 3),
        [7042, (-713_i16).cast_unsigned(), 715]
    );
    // 30017 123456.7 kWh
    assert_eq!(read(&mut points, Table::Input, 16, 2), [0xD687, 0x0012]);
    let text: Vec<u8> = read(&mut points, Table::Input, 20, 8)
        .iter()
        .flat_map(|word| word.to_be_bytes())
        .collect();
    assert_eq!(&text[..13], b"NV-PCS100 1.4");
    // 40004 charge with 30 kW; 40001 start is 1, reset is 4
    let write = |address, values: &[u16]| ModbusRequest::WriteRegisters {
        address,
        values: values.to_vec(),
    };
    assert_eq!(serve(&mut points, write(3, &[300, 0])), ModbusData::Written);
    assert_eq!(
        points.get(find(&points, "active-power-setpoint")),
        Some(-30_000.0)
    );
    assert_eq!(serve(&mut points, write(0, &[4])), ModbusData::Written);
    assert_eq!(points.reading(find(&points, "command")), Reading::valid(3.0));
    // 40041 means nothing to the rig and keeps what is written
    assert_eq!(serve(&mut points, write(40, &[2])), ModbusData::Written);
    assert_eq!(
        serve(
            &mut points,
            ModbusRequest::Read {
                table: Table::Holding,
                address: 40,
                count: 1
            }
        ),
        ModbusData::Registers(vec![2])
    );
}

/// A map without its comments.
fn bare(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.split(" # ").next().unwrap_or_default().trim_end());
    let lines: Vec<_> = lines.filter(|line| !line.trim_start().starts_with('#')).collect();
    lines.join("\n")
}

fn import(list: &str) -> (String, String) {
    let out = tempfile::TempDir::new().unwrap();
    let map = out.path().join("map.toml");
    let lists = folder().join("lists");
    let output = bessrig(&[
        "import",
        "registers",
        &lists.join(list).to_string_lossy(),
        "--points",
        &lists.join("nv-pcs100.points.toml").to_string_lossy(),
        "--title",
        "Norvik NV-PCS100, issue 1.4",
        "--out",
        &map.to_string_lossy(),
    ]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    (fs::read_to_string(&map).unwrap(), stdout)
}

#[test]
fn the_shipped_map_is_what_the_import_makes_of_the_list() {
    let (map, said) = import("NV-PCS100.csv");
    let shipped = fs::read_to_string(folder().join("modbus/nv-pcs100.toml")).unwrap();
    assert_eq!(map, shipped);
    for conclusion in [
        "30001 is input register 0",
        "low word first",
        "type not served: `BCD32`",
    ] {
        assert!(said.contains(conclusion), "{conclusion} is not in\n{said}");
    }
    let (workbook, said) = import("NV-PCS100.xlsx");
    assert!(
        said.contains("read sheet Registers, which has the head of a register list; not read: Cover"),
        "{said}"
    );
    assert_eq!(bare(&workbook), bare(&shipped));
}

/// One map of two sheets, a block each: input registers by the sheet's name, holding registers.
#[test]
fn a_workbook_with_a_sheet_for_each_table() {
    let folder = tempfile::TempDir::new().unwrap();
    let out = folder.path().join("map.toml");
    let import = |more: &[&str]| {
        let list = "scenarios/tests/lists/two-tables.xlsx";
        let out = out.to_string_lossy();
        let output = bessrig(&[&["import", "registers", list, "-o", &*out], more].concat());
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let (code, said) = import(&[]);
    assert_eq!(code, Some(0), "{said}");
    let map = fs::read_to_string(&out).unwrap();
    insta::assert_snapshot!(format!("{}\n{map}", said.replace(&*out.to_string_lossy(), "OUT")));
    let (code, said) = import(&["--sheet", "Two", "--table", "input"]);
    assert_eq!(code, Some(0), "{said}");
    let map = fs::read_to_string(&out).unwrap();
    assert!(
        map.contains("table = \"input\"") && map.contains("Spare value"),
        "{map}"
    );
    let (code, said) = import(&["--sheet", "Input registers", "--sheet", "Two"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("read sheets Input registers, Two"), "{said}");
    let (code, said) = import(&["--sheet", "Inputs"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("there is no sheet `Inputs`; sheets are Cover, Input registers"),
        "{said}"
    );
}

/// A start that waits for a register nobody serves says which one, and where to add it.
#[test]
fn a_start_without_a_register_names_it() {
    let data = tempfile::TempDir::new().unwrap();
    for kind in ["dbc", "modbus", "products"] {
        fs::create_dir(data.path().join(kind)).unwrap();
        for entry in fs::read_dir(folder().join(kind)).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().filter(|line| !line.contains("point = \"command\""));
            let lines: Vec<_> = lines.collect();
            fs::write(
                data.path().join(kind).join(path.file_name().unwrap()),
                lines.join("\n"),
            )
            .unwrap();
        }
    }
    let feature = data.path().join("start.feature");
    fs::write(
        &feature,
        "Feature: F\n  Scenario: S\n    Given the plant is in operation\n",
    )
    .unwrap();
    let output = bessrig(&[
        "--data",
        &data.path().to_string_lossy(),
        "test",
        &feature.to_string_lossy(),
        "--rig",
        &folder().join("vendor.toml").to_string_lossy(),
        "--out",
        &data.path().join("out").to_string_lossy(),
    ]);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_ne!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("norvik-pcs.toml:")
            && said.contains("no register carries command, which this rig's EMS uses"),
        "{said}"
    );
}

#[test]
fn nothing_of_the_vendor_cannot_work() {
    let mut arguments = vec![
        "--data".to_owned(),
        folder().to_string_lossy().into_owned(),
        "map".into(),
        "check".into(),
    ];
    for kind in ["dbc", "modbus", "products"] {
        for entry in fs::read_dir(folder().join(kind)).unwrap() {
            arguments.push(entry.unwrap().path().to_string_lossy().into_owned());
        }
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = bessrig(&arguments);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("of a bus of 500000 bit/s"), "{said}");
}
