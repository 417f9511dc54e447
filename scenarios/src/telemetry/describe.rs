//! What there is, from a built rig: its parts with the sizes the catalogue gives, and every point by tag.

use std::collections::{BTreeMap, BTreeSet};

use bess_catalogue::product::{Class, Container, HvBox, Pack, Pcs};
use bess_catalogue::{Catalogue, CatalogueError, Kind};
use bess_devices::Library;
use bess_devices::product::DeviceKind;
use bess_plant::spec::SiteSpec;
use bess_plant::{Plant, PlantSpec, Topology, TruthRef};
use bess_rig::config::DeviceConfig;
use bess_rig::{ClockMode, PointInfo, PointKey, Rig, RigConfig};
use bess_telemetry::{
    Backing, CellLayout, Description, Device, Limit, Mode, PointDef, PointGroup, Product, Quantity, Seen,
    Site, Size, Station, Truth, VERSION,
};
use bess_types::Source;

use super::knowledge::{self, Knowledge};
use super::sample::Rounding;
use crate::steps::names::PLANT;
use crate::topology::CONTAINER;

/// Tag of the site.
pub(super) const SITE: &str = "site-01";

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
    pub(crate) fn of(
        rig: &Rig,
        config: &RigConfig,
        catalogue: &Catalogue,
        library: &Library,
    ) -> Result<Self, CatalogueError> {
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
                    tag: SITE.into(),
                    stations: Vec::new(),
                },
                containers: vec![rig_container(config, catalogue)?],
                devices: config.devices.iter().map(|one| device(one, config)).collect(),
                cells: no_cells(),
                points: Vec::new(),
                tables: Vec::new(),
                seen: Vec::new(),
                limits: Vec::new(),
            },
            points: Vec::new(),
            cells: CellPoints::default(),
            controllers,
        };
        if let Some(plant) = rig.plant() {
            described.cells = CellPoints::of(plant);
            described.cells.add_to(&mut described.description.cells);
        }
        described.list_points(rig, &Knowledge::of(config, library));
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

    /// Lists each point once, under the word that a step would get.
    fn list_points(&mut self, rig: &Rig, knowledge: &Knowledge) {
        let mut list = PointList::default();
        let quantities = &mut self.description.cells.quantities;
        for (quantity, sensed) in quantities.iter_mut().zip(SENSED) {
            quantity.limits = list.limits(knowledge.limits_of_clusters(sensed));
        }
        let mut taken: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let topology = rig.plant().map(Plant::topology);
        let infos = rig.points();
        let infos: Vec<_> = infos
            .iter()
            .flat_map(|info| every_part(topology, info))
            .filter_map(|info| {
                let names = taken.entry(info.tag.clone()).or_default();
                // what a controller says on a wire comes before what its emulator knows of itself, as when a step asks
                if names.contains(&info.point) {
                    return None;
                }
                let key = rig.resolve(&info.tag, &info.point)?;
                names.insert(info.point.clone());
                self.points.push(key);
                Some(info)
            })
            .collect();
        for group in groups(&infos) {
            let truth = match group[0].source {
                Source::Plant => Truth::T,
                Source::Wire => Truth::C,
                Source::Device => self.word_of(&group[0].tag),
                Source::Rig => Truth::R,
            };
            let defs = group.iter().map(|info| list.definition(info, knowledge));
            let table = defs.collect();
            list.add(group[0].tag.clone(), truth, table, knowledge.seen(group));
        }
        list.finish(&mut self.description);
    }
}

/// Neighbours of one tag and source.
fn groups(infos: &[PointInfo]) -> impl Iterator<Item = &[PointInfo]> {
    infos.chunk_by(|a, b| a.tag == b.tag && a.source == b.source)
}

/// Points in groups; equal tables are kept once.
#[derive(Default)]
pub(super) struct PointList {
    groups: Vec<PointGroup>,
    tables: Vec<Vec<PointDef>>,
    /// By table.
    seen: Vec<Vec<Seen>>,
    limits: Vec<Vec<Limit>>,
    /// Where a table is, by its words.
    known: BTreeMap<String, usize>,
    points: usize,
}

impl PointList {
    /// Adds a tag's points, and where they are seen.
    pub(super) fn add(&mut self, tag: String, truth: Truth, table: Vec<PointDef>, seen: Vec<Seen>) {
        let first = count(self.points);
        self.points += table.len();
        let words = serde_json::to_string(&(&table, &seen)).unwrap_or_default();
        let number = *self.known.entry(words).or_insert_with(|| {
            self.tables.push(table);
            self.seen.push(seen);
            self.tables.len() - 1
        });
        self.groups.push(PointGroup {
            tag,
            truth,
            first,
            table: count(number),
        });
    }

    /// A point with what is known of it.
    fn definition(&mut self, info: &PointInfo, knowledge: &Knowledge) -> PointDef {
        PointDef {
            limits: self.limits(knowledge.limits(info)),
            feedback: knowledge.feedback(info),
            latch: knowledge.latch(info),
            ..definition(info)
        }
    }

    /// The number of a set of limits, which is kept once.
    fn limits(&mut self, limits: Vec<Limit>) -> Option<u32> {
        if limits.is_empty() {
            return None;
        }
        let known = self.limits.iter().position(|set| *set == limits);
        let at = known.unwrap_or(self.limits.len());
        if known.is_none() {
            self.limits.push(limits);
        }
        Some(count(at))
    }

    /// Puts all of it into a description.
    pub(super) fn finish(self, description: &mut Description) {
        description.points = self.groups;
        description.tables = self.tables;
        description.seen = self.seen;
        description.limits = self.limits;
    }
}

impl CellPoints {
    /// Of a plant.
    pub(super) fn of(plant: &Plant) -> Self {
        let topology = plant.topology();
        let mut points = Self::default();
        for cluster in 1..=topology.clusters {
            let of_cluster = format!("cluster-{cluster:02}");
            points.cluster_current.extend(plant.find(&of_cluster, "current"));
            for pack in 1..=topology.packs_per_cluster {
                for cell in 1..=topology.cells_per_pack {
                    let part = format!("{of_cluster}/pack-{pack:02}/cell-{cell:02}");
                    for (row, point) in [
                        (&mut points.voltage, "voltage"),
                        (&mut points.temperature, "temperature"),
                        (&mut points.soc, "soc"),
                        (&mut points.stage, "runaway-stage"),
                        (&mut points.balancing, "balancing"),
                    ] {
                        row.extend(plant.find(&part, point));
                    }
                }
            }
        }
        points
    }

    /// Tells how many there are, behind those of other plants.
    pub(super) fn add_to(&self, layout: &mut CellLayout) {
        layout.count += count(self.voltage.len());
        layout.clusters += count(self.cluster_current.len());
    }
}

/// A site of the catalogue without a rig: its stations and containers. Cells and points are found in its plants.
pub(crate) fn describe_site(
    title: &str,
    spec: &SiteSpec,
    seed: u64,
    catalogue: &Catalogue,
) -> Result<Description, CatalogueError> {
    let (mut containers, mut stations) = (Vec::new(), Vec::new());
    for group in &spec.stations {
        let (station, pcs) = station(&group.id, catalogue)?;
        for _ in 0..group.count {
            let first = containers.len();
            for number in first..first + group.containers_per_station {
                let mut one = container(&container_tag(number), &group.plant, catalogue)?;
                (one.pcs, one.pcs_count) = pcs.clone();
                containers.push(one);
            }
            stations.push(Station {
                tag: format!("station-{:02}", stations.len() + 1),
                product: station.clone(),
                containers: (count(first)..count(containers.len())).collect(),
            });
        }
    }
    Ok(Description {
        schema: VERSION,
        build: env!("CARGO_PKG_VERSION").into(),
        rig: spec.id.clone(),
        title: title.into(),
        seed,
        mode: Mode::Virtual,
        faults_enabled: false,
        scenario: None,
        site: Site {
            tag: SITE.into(),
            stations,
        },
        containers,
        devices: Vec::new(),
        cells: no_cells(),
        points: Vec::new(),
        tables: Vec::new(),
        seen: Vec::new(),
        limits: Vec::new(),
    })
}

/// Tag of a site's container, counted from 0.
pub(super) fn container_tag(number: usize) -> String {
    format!("container-{:02}", number + 1)
}

/// Tag of a part of a container; the container's own if it has no name.
pub(super) fn part_tag(container: &str, part: &str) -> String {
    if part.is_empty() {
        container.into()
    } else {
        format!("{container}/{part}")
    }
}

/// What a plant without a rig shows, but for packs and cells: by tag what its points are, and where.
pub(super) fn plant_points(plant: &Plant, container: &str) -> Vec<(String, Vec<PointDef>, Vec<TruthRef>)> {
    let all = plant.truth_points();
    let infos: Vec<_> = all
        .iter()
        .filter(|point| !point.part.contains("pack-NN"))
        .map(|point| PointInfo {
            tag: part_tag(container, point.part),
            point: point.point.into(),
            unit: point.unit.into(),
            min: point.min,
            max: point.max,
            source: Source::Plant,
            states: Vec::new(),
        })
        .flat_map(|info| every_part(Some(plant.topology()), &info))
        .collect();
    groups(&infos)
        .map(|group| {
            let tag = &group[0].tag;
            let part = tag[container.len()..].trim_start_matches('/');
            let found = group
                .iter()
                .filter_map(|info| Some((definition(info), plant.find(part, &info.point)?)));
            let (defs, places) = found.unzip();
            (format!("{PLANT}{tag}"), defs, places)
        })
        .collect()
}

fn is_controller(kind: DeviceKind) -> bool {
    matches!(
        kind,
        DeviceKind::Bcu | DeviceKind::Bau | DeviceKind::Ems | DeviceKind::Hmi
    )
}

/// A line of the rig's list stands for all clusters and packs; cells have frames of their own.
fn every_part(topology: Option<Topology>, info: &PointInfo) -> Vec<PointInfo> {
    if info.tag.contains("cell-NN") {
        return Vec::new();
    }
    let Some(topology) = topology.filter(|_| info.tag.contains("-NN")) else {
        return vec![info.clone()];
    };
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
            // ranges far beyond what is of interest
            "dB/m" => Rounding::SMOKE,
            "Wh" => Rounding::WHOLE,
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
        ..PointDef::default()
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
            // which packs a BCU hears is told of each
            let of_parts = (name.contains("cell[") || name.contains("pack[")) && !name.ends_with("].online");
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

fn device(device: &DeviceConfig, config: &RigConfig) -> Device {
    Device {
        tag: device.tag.to_string(),
        kind: device.kind.name().into(),
        product: device.product.clone(),
        backing: match device.backing {
            bess_rig::Backing::Emulated => Backing::Emulated,
            bess_rig::Backing::Real => Backing::Real,
            bess_rig::Backing::Absent => Backing::Absent,
        },
        wires: knowledge::wires(device, config),
    }
}

/// What controllers sense of the rows of a frame of cells. Of the charge they have an estimate of their own.
const SENSED: [&str; 4] = ["cell[0].voltage", "temperature[0]", "", "current"];

/// Rows of a frame of cells with their rounding; see `sample`.
fn quantities() -> Vec<Quantity> {
    let row = |name: &str, unit: &str, rounding: Rounding, min, max| Quantity {
        name: name.into(),
        unit: unit.into(),
        resolution: rounding.resolution(),
        min,
        max,
        limits: None,
    };
    vec![
        row("voltage", "V", Rounding::VOLTAGE, 0.0, 5.0),
        row("temperature", "°C", Rounding::TEMPERATURE, -20.0, 600.0),
        row("soc", "", Rounding::SOC, 0.0, 1.0),
        row("cluster_current", "A", Rounding::CURRENT, -250.0, 250.0),
    ]
}

/// The rig's container, with as many clusters and packs as the rig file takes of it.
fn rig_container(
    config: &RigConfig,
    catalogue: &Catalogue,
) -> Result<bess_telemetry::Container, CatalogueError> {
    Ok(bess_telemetry::Container {
        clusters: count(config.plant.clusters),
        packs_per_cluster: count(config.plant.packs),
        ..container(CONTAINER, &config.plant.spec, catalogue)?
    })
}

fn container(
    tag: &str,
    spec: &PlantSpec,
    catalogue: &Catalogue,
) -> Result<bess_telemetry::Container, CatalogueError> {
    let of = catalogue.product::<Container>(&spec.container.id)?.value;
    let cell = catalogue
        .product::<bess_catalogue::product::Cell>(&spec.cell.id)?
        .value;
    let pack = catalogue.product::<Pack>(of.pack.get_ref())?.value;
    let hv_box = catalogue.product::<HvBox>(of.hv_box.get_ref())?.value;
    let pcs = catalogue.product::<Pcs>(of.pcs.get_ref())?.value;
    Ok(bess_telemetry::Container {
        tag: tag.into(),
        product: product(
            catalogue,
            Kind::Container,
            of.id,
            of.title,
            of.size_mm.map(width_first),
        )?,
        is_cabinet: of.class == Class::Cabinet,
        cell: product(
            catalogue,
            Kind::Cell,
            cell.id,
            cell.title,
            cell.size_mm.map(width_first),
        )?,
        pack: product(
            catalogue,
            Kind::Pack,
            pack.id,
            pack.title,
            pack.size_mm.map(depth_first),
        )?,
        hv_box: product(
            catalogue,
            Kind::HvBox,
            hv_box.id,
            hv_box.title,
            hv_box.size_mm.map(depth_first),
        )?,
        pcs: product(
            catalogue,
            Kind::Pcs,
            pcs.id,
            pcs.title,
            pcs.size_mm.map(width_first),
        )?,
        pcs_count: count(of.pcs_count),
        clusters: count(spec.container.clusters),
        packs_per_cluster: count(spec.container.packs_per_cluster),
        cells_per_pack: count(spec.container.cells_per_pack),
        cell_rows: count(spec.container.pack.rows),
        first_cell: 0,
        first_cluster: 0,
        is_liquid_cooled: spec.container.cooling.is_some(),
    })
}

/// A station, or the PCS that stands for one, with its PCS and how many.
fn station(id: &str, catalogue: &Catalogue) -> Result<(Product, (Product, u32)), CatalogueError> {
    let of_pcs = |id: &str| {
        let pcs = catalogue.product::<Pcs>(id)?.value;
        product(
            catalogue,
            Kind::Pcs,
            pcs.id,
            pcs.title,
            pcs.size_mm.map(width_first),
        )
    };
    if catalogue.ids(Kind::Pcs).contains(&id) {
        let pcs = of_pcs(id)?;
        return Ok((pcs.clone(), (pcs, 1)));
    }
    let station = catalogue.product::<bess_catalogue::product::Station>(id)?.value;
    let pcs = of_pcs(station.pcs.get_ref())?;
    let size = station.size_mm.map(width_first);
    Ok((
        product(catalogue, Kind::Station, station.id, station.title, size)?,
        (pcs, count(station.pcs_count)),
    ))
}

fn product(
    catalogue: &Catalogue,
    kind: Kind,
    id: String,
    title: String,
    size: Option<Size>,
) -> Result<Product, CatalogueError> {
    let figures = match size {
        Some(_) => catalogue.figures(kind, &id)?,
        None => Vec::new(),
    };
    let figure = figures.iter().find(|figure| figure.path == "size_mm");
    let size_origin = figure
        .and_then(|figure| figure.tag)
        .map(bess_catalogue::Tag::word);
    Ok(Product {
        id,
        title,
        size,
        size_origin,
    })
}

// The catalogue's orders: width or length, depth or width, height; depth, width, height of what slides in.

fn width_first([width_mm, depth_mm, height_mm]: [f64; 3]) -> Size {
    Size {
        width_mm,
        depth_mm,
        height_mm,
    }
}

fn depth_first([depth, width, height]: [f64; 3]) -> Size {
    width_first([width, depth, height])
}

fn no_cells() -> CellLayout {
    CellLayout {
        count: 0,
        clusters: 0,
        quantities: quantities(),
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
