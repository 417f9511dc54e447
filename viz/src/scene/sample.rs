//! Descriptions for tests: shapes of the catalogue, without points.

use bess_telemetry::{CellLayout, Cells, Container, Description, Mode, Product, Site, Size, Station};

fn product(size: Option<[f64; 3]>) -> Product {
    Product {
        id: "sample".into(),
        title: "Sample".into(),
        size: size.map(|[width_mm, depth_mm, height_mm]| Size {
            width_mm,
            depth_mm,
            height_mm,
        }),
        ..Product::default()
    }
}

const LIQUID_PACK: [f64; 3] = [787.0, 1069.0, 235.0];
const AIR_PACK: [f64; 3] = [420.0, 755.0, 235.0];

fn container(
    size: Option<[f64; 3]>,
    pack: [f64; 3],
    clusters: u32,
    packs: u32,
    cells: u32,
    rows: u32,
) -> Container {
    Container {
        tag: "container-01".into(),
        product: product(size),
        is_cabinet: size.is_none(),
        cell: product(None),
        pack: product(Some(pack)),
        hv_box: product(None),
        pcs: product(size.map(|_| [1150.0, 2350.0, 1450.0])),
        pcs_count: 1,
        clusters,
        packs_per_cluster: packs,
        cells_per_pack: cells,
        cell_rows: rows,
        first_cell: 0,
        first_cluster: 0,
        is_liquid_cooled: cells == 44,
    }
}

fn describe(containers: Vec<Container>) -> Description {
    let count = containers
        .iter()
        .map(|c| c.clusters * c.packs_per_cluster * c.cells_per_pack)
        .sum();
    Description {
        schema: bess_telemetry::VERSION,
        build: String::new(),
        rig: "sample.toml".into(),
        title: "Sample".into(),
        seed: 1,
        mode: Mode::Virtual,
        faults_enabled: false,
        scenario: None,
        site: Site {
            tag: "site-01".into(),
            stations: Vec::new(),
        },
        cells: CellLayout {
            count,
            clusters: containers.iter().map(|c| c.clusters).sum(),
            quantities: Vec::new(),
        },
        containers,
        devices: Vec::new(),
        points: Vec::new(),
        tables: Vec::new(),
        seen: Vec::new(),
        limits: Vec::new(),
    }
}

const FT10: [f64; 3] = [2991.0, 2438.0, 2896.0];
const FT20: [f64; 3] = [6058.0, 2438.0, 2896.0];
const FT40: [f64; 3] = [12192.0, 2438.0, 2896.0];
const FT45: [f64; 3] = [13716.0, 2438.0, 2896.0];

/// The 20-ft liquid-cooled container.
pub(crate) fn liquid() -> Description {
    describe(vec![container(Some(FT20), LIQUID_PACK, 9, 9, 44, 4)])
}

/// Every shape of the catalogue.
pub(crate) fn all() -> Vec<Description> {
    [
        (Some(FT20), LIQUID_PACK, 9, 9, 44, 4),
        (Some(FT10), AIR_PACK, 4, 17, 16, 2),
        (Some(FT10), AIR_PACK, 5, 17, 14, 2),
        (Some(FT20), AIR_PACK, 6, 28, 14, 2),
        (Some(FT20), AIR_PACK, 9, 17, 16, 2),
        (Some(FT20), AIR_PACK, 10, 17, 14, 2),
        (Some(FT40), AIR_PACK, 6, 28, 14, 2),
        (Some(FT45), AIR_PACK, 14, 28, 14, 2),
        (None, AIR_PACK, 1, 14, 16, 2),
        (None, LIQUID_PACK, 1, 5, 44, 4),
    ]
    .map(|(size, pack, clusters, packs, cells, rows)| {
        describe(vec![container(size, pack, clusters, packs, cells, rows)])
    })
    .into()
}

/// Liquid-cooled containers side by side.
pub(crate) fn site(count: u32) -> Description {
    let of = |n: u32| Container {
        tag: format!("container-{:02}", n + 1),
        first_cell: n * 3564,
        first_cluster: n * 9,
        ..container(Some(FT20), LIQUID_PACK, 9, 9, 44, 4)
    };
    describe((0..count).map(of).collect())
}

/// The same, two on each station of 6.5 by 3.0 by 3.1 m.
pub(crate) fn with_stations(count: u32) -> Description {
    let station = |n: u32| Station {
        tag: format!("station-{:02}", n + 1),
        product: Product {
            id: "station".into(),
            ..product(Some([6500.0, 3000.0, 3100.0]))
        },
        containers: vec![2 * n, 2 * n + 1],
    };
    let mut description = site(count);
    description.site.stations = (0..count / 2).map(station).collect();
    description
}

/// A frame in which everything is at rest at 25 °C.
pub(crate) fn cells(description: &Description) -> Cells {
    let count = description.cells.count as usize;
    Cells {
        at_ns: 0,
        voltage: vec![3.3; count],
        temperature: vec![25.0; count],
        soc: vec![0.5; count],
        cluster_current: vec![0.0; description.cells.clusters as usize],
        ..Cells::default()
    }
}
