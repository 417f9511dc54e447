//! A small rig for tests: one container of two clusters with two packs of four cells.

use bess_telemetry::{
    Backing, CellLayout, Cells, Container, Description, Device, Event, Judged, Kind, Mode, PointDef,
    PointGroup, PointName, Points, Product, Site, Status, Truth, VERSION,
};

/// One second, ns.
pub(crate) const S: u64 = 1_000_000_000;

fn product(id: &str) -> Product {
    Product {
        id: id.into(),
        title: id.into(),
        ..Product::default()
    }
}

fn point(name: &str, unit: &str, states: &[&str]) -> PointDef {
    PointDef {
        name: name.into(),
        unit: unit.into(),
        min: 0.0,
        max: 10.0,
        resolution: 0.001,
        states: states.iter().map(|state| (*state).to_owned()).collect(),
        recorded_every_ms: 100,
        ..PointDef::default()
    }
}

pub(crate) fn description() -> Description {
    let group = |tag: &str, truth, first, table| PointGroup {
        tag: tag.into(),
        truth,
        first,
        table,
    };
    Description {
        schema: VERSION,
        build: "0.1.0".into(),
        rig: "small.toml".into(),
        title: "A small rig".into(),
        seed: 7,
        mode: Mode::Virtual,
        faults_enabled: true,
        scenario: None,
        site: Site {
            tag: "site-01".into(),
            stations: Vec::new(),
        },
        containers: vec![Container {
            tag: "container-01".into(),
            product: product("box"),
            is_cabinet: false,
            cell: product("cell"),
            pack: product("pack"),
            hv_box: product("hv-box"),
            pcs: product("pcs"),
            pcs_count: 1,
            clusters: 2,
            packs_per_cluster: 2,
            cells_per_pack: 4,
            cell_rows: 2,
            first_cell: 0,
            first_cluster: 0,
            is_liquid_cooled: true,
        }],
        devices: vec![Device {
            tag: "container-01/bau".into(),
            kind: "bau".into(),
            product: None,
            backing: Backing::Emulated,
            wires: Vec::new(),
        }],
        cells: CellLayout {
            count: 16,
            clusters: 2,
            quantities: Vec::new(),
        },
        points: vec![
            group("plant:container-01/cluster-01", Truth::T, 0, 0),
            group("plant:container-01/cluster-02", Truth::T, 2, 0),
            group("container-01/bau", Truth::C, 4, 1),
        ],
        tables: vec![
            vec![point("voltage", "V", &[]), point("current", "A", &[])],
            vec![point("stack-state", "1", &["standby", "connected"])],
        ],
        seen: Vec::new(),
        limits: Vec::new(),
    }
}

pub(crate) fn cells(at_ns: u64) -> Cells {
    Cells {
        at_ns,
        voltage: vec![3.3; 16],
        temperature: vec![25.0; 16],
        soc: vec![0.5; 16],
        cluster_current: vec![10.0, -10.0],
        ..Cells::default()
    }
}

/// A frame of points; complete if all five are given.
pub(crate) fn points(at_ns: u64, pairs: &[(u32, Option<f64>)]) -> Points {
    Points {
        at_ns,
        complete: pairs.len() == 5,
        index: pairs.iter().map(|(index, _)| *index).collect(),
        value: pairs.iter().map(|(_, value)| *value).collect(),
    }
}

pub(crate) fn status(at_ns: u64) -> Status {
    Status {
        at_ns,
        ..Status::default()
    }
}

pub(crate) fn event(
    id: u64,
    at_ns: u64,
    kind: Kind,
    tag: &str,
    point: &str,
    value: f64,
    text: &str,
) -> Event {
    Event {
        id,
        at_ns,
        kind,
        truth: Truth::S,
        tag: tag.into(),
        point: point.into(),
        value,
        text: text.into(),
        cause: None,
        verdict: None,
        judged: None,
    }
}

/// A latency that was measured: from `cause_ns`, against at most `high` seconds.
pub(crate) fn judged(cause_ns: u64, measured: Option<f64>, high: f64) -> Judged {
    Judged {
        cause_ns,
        seen_ns: measured.map(|s| cause_ns + super::effects::nanoseconds(s)),
        effect: None,
        points: vec![PointName {
            tag: "plant:container-01/pcs".into(),
            point: "gate".into(),
        }],
        measured,
        unit: "s".into(),
        low: None,
        high: Some(high),
        margin: measured.map(|s| high - s),
        source: Some("§6".into()),
    }
}
