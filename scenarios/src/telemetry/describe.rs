//! What there is, from a built rig: its parts with the sizes the catalogue gives, and every point by tag.

use std::collections::{BTreeMap, BTreeSet};

use bess_catalogue::product::{Class, Container, HvBox, Pack, Pcs};
use bess_catalogue::{Catalogue, CatalogueError};
use bess_devices::product::DeviceKind;
use bess_plant::{Plant, TruthRef};
use bess_rig::config::DeviceConfig;
use bess_rig::{ClockMode, PointInfo, PointKey, Rig, RigConfig};
use bess_telemetry::{
    Backing, CellLayout, Description, Device, Mode, PointDef, PointGroup, Product, Quantity, Site, Size,
    Truth, VERSION,
};
use bess_types::Source;

use super::sample::Rounding;
use crate::topology::CONTAINER;

/// Points that a recording looks at this often, ms.
const FAST_MS: u32 = 100;
/// Points that are sums or extremes over many cells, or change slowly, or are noisy, ms.
const SLOW_MS: u32 = 1000;
/// What 81 BMUs measure of their packs, ms.
const RARE_MS: u32 = 5000;
/// What takes hours to change and is dear to reckon, ms.
const AGEING_MS: u32 = 60_000;
/// Parts of the names of such points of the plant.
const SLOW: [&str; 8] = [
    "cell",
    "soc",
    "temperature",
    "energy",
    "residual",
    "insulation",
    "earth",
    "rise",
];

/// A rig's description, and where its values are.
pub(crate) struct Described {
    pub(crate) description: Description,
    /// By index of the description.
    pub(crate) points: Vec<PointKey>,
    pub(crate) cells: CellPoints,
    /// Whose word an emulator's notes are.
    controllers: Vec<String>,
}

/// Where values of cells are, in the order of the cells.
#[derive(Default)]
pub(crate) struct CellPoints {
    pub(crate) voltage: Vec<TruthRef>,
    pub(crate) temperature: Vec<TruthRef>,
    pub(crate) soc: Vec<TruthRef>,
    pub(crate) stage: Vec<TruthRef>,
    pub(crate) balancing: Vec<TruthRef>,
    pub(crate) cluster_current: Vec<TruthRef>,
}

impl Described {
    /// Of a rig built from `config`.
    pub(crate) fn of(rig: &Rig, config: &RigConfig, catalogue: &Catalogue) -> Result<Self, CatalogueError> {
        let controllers = config
            .devices
            .iter()
            .filter(|device| is_controller(device.kind))
            .map(|device| device.tag.to_string())
            .collect();
        let mut described = Self {
            description: Description {
                schema: VERSION,
                build: env!("CARGO_PKG_VERSION").into(),
                rig: config.path.rsplit('/').next().unwrap_or(&config.path).into(),
                title: config.title.clone(),
                seed: config.seed,
                mode: match config.clock.mode {
                    ClockMode::Virtual => Mode::Virtual,
                    ClockMode::Paced => Mode::Paced,
                },
                faults_enabled: config.faults_enabled,
                scenario: None,
                site: Site {
                    tag: "site-01".into(),
                },
                containers: vec![container(config, catalogue)?],
                devices: config.devices.iter().map(device).collect(),
                cells: CellLayout {
                    count: 0,
                    clusters: 0,
                    quantities: quantities(),
                },
                points: Vec::new(),
                tables: Vec::new(),
            },
            points: Vec::new(),
            cells: CellPoints::default(),
            controllers,
        };
        if let Some(plant) = rig.plant() {
            described.find_cells(plant);
        }
        described.list_points(rig);
        Ok(described)
    }

    /// Whose word it is what a device tells of itself.
    pub(crate) fn word_of(&self, tag: &str) -> Truth {
        if self.controllers.iter().any(|controller| controller == tag) {
            Truth::C
        } else {
            Truth::S
        }
    }

    fn find_cells(&mut self, plant: &Plant) {
        let topology = plant.topology();
        let cells = &mut self.cells;
        for cluster in 1..=topology.clusters {
            let of_cluster = format!("cluster-{cluster:02}");
            cells.cluster_current.extend(plant.find(&of_cluster, "current"));
            for pack in 1..=topology.packs_per_cluster {
                for cell in 1..=topology.cells_per_pack {
                    let part = format!("{of_cluster}/pack-{pack:02}/cell-{cell:02}");
                    for (row, point) in [
                        (&mut cells.voltage, "voltage"),
                        (&mut cells.temperature, "temperature"),
                        (&mut cells.soc, "soc"),
                        (&mut cells.stage, "runaway-stage"),
                        (&mut cells.balancing, "balancing"),
                    ] {
                        row.extend(plant.find(&part, point));
                    }
                }
            }
        }
        let layout = &mut self.description.cells;
        layout.count = count(cells.voltage.len());
        layout.clusters = count(cells.cluster_current.len());
    }

    /// Lists each point once, under the word that a step would get.
    fn list_points(&mut self, rig: &Rig) {
        let mut rows: BTreeMap<String, (usize, Vec<PointDef>)> = BTreeMap::new();
        let mut taken: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut group: Option<(String, Source)> = None;
        let mut table = Vec::new();
        let infos = rig.points();
        for info in infos.iter().flat_map(|info| every_part(rig, info)) {
            let here = (info.tag.clone(), info.source);
            if group.as_ref() != Some(&here) {
                self.close_group(group.take(), &mut table, &mut rows);
                group = Some(here);
            }
            let names = taken.entry(info.tag.clone()).or_default();
            // what a controller says on a wire comes before what its emulator knows of itself, as when a step asks
            if names.contains(&info.point) {
                continue;
            }
            let Some(key) = rig.resolve(&info.tag, &info.point) else {
                continue;
            };
            names.insert(info.point.clone());
            self.points.push(key);
            table.push(definition(&info));
        }
        self.close_group(group, &mut table, &mut rows);
        let mut tables: Vec<_> = rows.into_values().collect();
        tables.sort_by_key(|(place, _)| *place);
        self.description.tables = tables.into_iter().map(|(_, table)| table).collect();
    }

    /// Points of one tag and source are a group; equal tables are kept once.
    fn close_group(
        &mut self,
        group: Option<(String, Source)>,
        table: &mut Vec<PointDef>,
        tables: &mut BTreeMap<String, (usize, Vec<PointDef>)>,
    ) {
        let table = std::mem::take(table);
        let Some((tag, source)) = group.filter(|_| !table.is_empty()) else {
            return;
        };
        let next = tables.len();
        let first = count(self.points.len() - table.len());
        let (number, _) = tables
            .entry(serde_json::to_string(&table).unwrap_or_default())
            .or_insert((next, table));
        let truth = match source {
            Source::Plant => Truth::T,
            Source::Wire => Truth::C,
            Source::Device => self.word_of(&tag),
            Source::Rig => Truth::R,
        };
        self.description.points.push(PointGroup {
            tag,
            truth,
            first,
            table: count(*number),
        });
    }
}

fn is_controller(kind: DeviceKind) -> bool {
    matches!(
        kind,
        DeviceKind::Bcu | DeviceKind::Bau | DeviceKind::Ems | DeviceKind::Hmi
    )
}

/// A line of the rig's list stands for all clusters and packs; cells have frames of their own.
fn every_part(rig: &Rig, info: &PointInfo) -> Vec<PointInfo> {
    if info.tag.contains("cell-NN") {
        return Vec::new();
    }
    let Some(plant) = rig.plant().filter(|_| info.tag.contains("-NN")) else {
        return vec![info.clone()];
    };
    let topology = plant.topology();
    let packs = if info.tag.contains("pack-NN") {
        topology.packs_per_cluster
    } else {
        1
    };
    let of = |cluster: usize, pack: usize| PointInfo {
        tag: info
            .tag
            .replace("cluster-NN", &format!("cluster-{cluster:02}"))
            .replace("pack-NN", &format!("pack-{pack:02}")),
        ..info.clone()
    };
    (1..=topology.clusters)
        .flat_map(|cluster| (1..=packs).map(move |pack| (cluster, pack)))
        .map(|(cluster, pack)| of(cluster, pack))
        .collect()
}

fn definition(info: &PointInfo) -> PointDef {
    let whole = !info.states.is_empty() || (info.unit == "1" && info.source != Source::Plant);
    let rounding = if whole {
        Rounding::WHOLE
    } else {
        let of_range = Rounding::of_range(info.min, info.max);
        match info.unit.as_str() {
            "V" => of_range.coarser(Rounding::VOLTAGE),
            "°C" => of_range.coarser(Rounding::TEMPERATURE),
            _ => of_range,
        }
    };
    PointDef {
        name: info.point.clone(),
        unit: info.unit.clone(),
        min: info.min,
        max: info.max,
        resolution: rounding.resolution(),
        states: info.states.clone(),
        recorded_every_ms: recorded_every_ms(info),
    }
}

/// How often a recording looks at a point, ms; 0: never. What is said of single cells and packs is too much for it, and their
/// truth is in frames of cells already. What makes power flow is looked at often; the exact time of a state's change is in the
/// events. Counters that only show life are not looked at.
fn recorded_every_ms(info: &PointInfo) -> u32 {
    let name = info.point.as_str();
    let of_pack = info.tag.contains("/pack-");
    match info.source {
        Source::Rig => SLOW_MS,
        Source::Plant if of_pack => match name {
            "voltage" | "soc" => 0,
            _ if name.starts_with("cell-") => 0,
            _ => SLOW_MS,
        },
        Source::Plant if name.starts_with("soh") => AGEING_MS,
        Source::Plant if SLOW.iter().any(|part| name.contains(part)) => SLOW_MS,
        Source::Plant => FAST_MS,
        Source::Wire | Source::Device => {
            let of_parts = name.contains("cell[") || name.contains("pack[");
            if of_parts || name.ends_with("-counter") || (of_pack && name.contains('[')) {
                0
            } else if of_pack && info.states.is_empty() {
                RARE_MS
            } else {
                SLOW_MS
            }
        }
    }
}

fn device(device: &DeviceConfig) -> Device {
    Device {
        tag: device.tag.to_string(),
        kind: device.kind.name().into(),
        product: device.product.clone(),
        backing: match device.backing {
            bess_rig::Backing::Emulated => Backing::Emulated,
            bess_rig::Backing::Real => Backing::Real,
            bess_rig::Backing::Absent => Backing::Absent,
        },
    }
}

/// Rows of a frame of cells with their rounding; see `sample`.
fn quantities() -> Vec<Quantity> {
    let row = |name: &str, unit: &str, rounding: Rounding, min, max| Quantity {
        name: name.into(),
        unit: unit.into(),
        resolution: rounding.resolution(),
        min,
        max,
    };
    vec![
        row("voltage", "V", Rounding::VOLTAGE, 0.0, 5.0),
        row("temperature", "°C", Rounding::TEMPERATURE, -20.0, 600.0),
        row("soc", "", Rounding::SOC, 0.0, 1.0),
        row("cluster_current", "A", Rounding::CURRENT, -250.0, 250.0),
    ]
}

fn container(config: &RigConfig, catalogue: &Catalogue) -> Result<bess_telemetry::Container, CatalogueError> {
    let spec = &config.plant.spec;
    let of = catalogue.product::<Container>(&spec.container.id)?.value;
    let cell = catalogue
        .product::<bess_catalogue::product::Cell>(&spec.cell.id)?
        .value;
    let pack = catalogue.product::<Pack>(of.pack.get_ref())?.value;
    let hv_box = catalogue.product::<HvBox>(of.hv_box.get_ref())?.value;
    let pcs = catalogue.product::<Pcs>(of.pcs.get_ref())?.value;
    // The catalogue's orders: length, width, height; depth, width, height; width, depth (thickness), height.
    let width_first = |[width_mm, depth_mm, height_mm]: [f64; 3]| Size {
        width_mm,
        depth_mm,
        height_mm,
    };
    let depth_first = |[depth, width, height]: [f64; 3]| width_first([width, depth, height]);
    let product = |id: String, title: String, size| Product { id, title, size };
    Ok(bess_telemetry::Container {
        tag: CONTAINER.into(),
        product: product(of.id, of.title, of.size_mm.map(width_first)),
        is_cabinet: of.class == Class::Cabinet,
        cell: product(cell.id, cell.title, cell.size_mm.map(width_first)),
        pack: product(pack.id, pack.title, pack.size_mm.map(depth_first)),
        hv_box: product(hv_box.id, hv_box.title, hv_box.size_mm.map(depth_first)),
        pcs: product(pcs.id, pcs.title, pcs.size_mm.map(width_first)),
        pcs_count: count(of.pcs_count),
        clusters: count(config.plant.clusters),
        packs_per_cluster: count(config.plant.packs),
        cells_per_pack: count(spec.container.cells_per_pack),
        cell_rows: count(spec.container.pack.rows),
        first_cell: 0,
        first_cluster: 0,
        is_liquid_cooled: spec.container.cooling.is_some(),
    })
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
