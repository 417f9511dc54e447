//! The shape of product files. Keys that are optional here are told by `bessrig catalogue` if they are there; the
//! tables are the plant's own structures, see [`bess_plant::spec`].

use std::path::Path;

use bess_plant::spec::{
    AgentSpec, AirSpec, AuxiliarySpec, CellSpec, ConverterSpec, CoolingSpec, DcBusSpec, GasSpec, GridSpec,
    HvBoxSpec, InsulationSpec, PackSpec, SensorsSpec, SuppressionSpec,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;

use crate::bound::Bound;

/// Kinds of products, each with a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `cells/`
    Cell,
    /// `packs/`
    Pack,
    /// `hv-boxes/`
    HvBox,
    /// `pcs/`
    Pcs,
    /// `stations/`: PCS with a medium-voltage transformer.
    Station,
    /// `agents/`: what puts fires out.
    Agent,
    /// `containers/`, cabinets among them.
    Container,
    /// `sites/`
    Site,
}

impl Kind {
    /// All of them, parts before what is made of them.
    pub const ALL: [Self; 8] = [
        Self::Cell,
        Self::Pack,
        Self::HvBox,
        Self::Pcs,
        Self::Station,
        Self::Agent,
        Self::Container,
        Self::Site,
    ];

    /// Its folder.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Cell => "cells",
            Self::Pack => "packs",
            Self::HvBox => "hv-boxes",
            Self::Pcs => "pcs",
            Self::Station => "stations",
            Self::Agent => "agents",
            Self::Container => "containers",
            Self::Site => "sites",
        }
    }

    /// What people call it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cell => "cell",
            Self::Pack => "pack",
            Self::HvBox => "HV box",
            Self::Pcs => "PCS",
            Self::Station => "station",
            Self::Agent => "agent",
            Self::Container => "container",
            Self::Site => "site",
        }
    }

    /// Keys that must stand above its tables.
    pub(crate) const fn head(self) -> &'static [&'static str] {
        match self {
            Self::Cell => &["id", "title", "nominal_v", "window_v"],
            Self::Pack => &["id", "title", "cell", "cells"],
            Self::HvBox => &["id", "title", "rated_v"],
            Self::Pcs | Self::Agent => &["id", "title"],
            Self::Station => &["id", "title", "pcs", "pcs_count", "strings", "rated_kva"],
            Self::Container => &[
                "id",
                "title",
                "pack",
                "hv_box",
                "pcs",
                "clusters",
                "packs_per_cluster",
            ],
            Self::Site => &[
                "id",
                "title",
                "container",
                "poi_kv",
                "power_mw",
                "energy_mwh",
                "station",
            ],
        }
    }

    /// Tables it must have, its own or those of the product it is like.
    pub(crate) const fn tables(self) -> &'static [&'static str] {
        match self {
            Self::Cell => &["cell"],
            Self::Pack => &["pack"],
            Self::HvBox => &["hv_box"],
            Self::Pcs => &["converter", "dc_bus", "grid"],
            Self::Station => &["transformer"],
            Self::Agent => &["agent"],
            Self::Container => &["insulation", "air", "gas", "suppression", "auxiliary", "sensors"],
            Self::Site => &[],
        }
    }

    /// The kind of a product, from the keys that only this kind has, else from its folder; none if it is no product of
    /// the catalogue.
    pub fn of(table: &toml::Table, path: &Path) -> Option<Self> {
        let is_table = |key: &str| table.get(key).is_some_and(toml::Value::is_table);
        let is_text = |key: &str| table.get(key).is_some_and(toml::Value::is_str);
        if !is_text("id") {
            None
        } else if is_table("cell") {
            Some(Self::Cell)
        } else if is_table("pack") {
            Some(Self::Pack)
        } else if is_table("hv_box") {
            Some(Self::HvBox)
        } else if is_table("converter") {
            Some(Self::Pcs)
        } else if is_table("transformer") {
            Some(Self::Station)
        } else if is_table("agent") {
            Some(Self::Agent)
        } else if table.contains_key("station") {
            Some(Self::Site)
        } else if is_text("hv_box") || is_text("pack") {
            Some(Self::Container)
        } else {
            let folder = path.parent()?.file_name()?.to_str()?;
            Self::ALL.into_iter().find(|kind| kind.folder() == folder)
        }
    }
}

/// What a file of a kind reads as.
pub trait Product: DeserializeOwned {
    /// Its kind.
    const KIND: Kind;

    /// Its figures and what they must lie between.
    fn bounds(&self) -> Vec<Bound>;
}

macro_rules! kinds {
    ($($product:ident),*) => {
        $(impl Product for $product {
            const KIND: Kind = Kind::$product;

            fn bounds(&self) -> Vec<Bound> {
                self.figures()
            }
        })*
    };
}
kinds!(Cell, Pack, HvBox, Pcs, Station, Agent, Container, Site);

/// A cell.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Catalogue name.
    pub id: String,
    /// One line.
    pub title: String,
    /// Numbers of the conflicts in the sources that concern it.
    #[serde(default)]
    pub flags: Vec<u8>,
    /// Nominal voltage, V.
    pub nominal_v: f64,
    /// Operating window, V.
    pub window_v: [f64; 2],
    /// The maker's limits, V.
    pub absolute_v: Option<[f64; 2]>,
    /// Rated charge and discharge, per hour.
    pub rated_c_rate: Option<f64>,
    /// Full cycles to the end of life.
    pub cycle_life: Option<f64>,
    /// Energy out over energy in, DC.
    pub round_trip: Option<f64>,
    /// Width, thickness, height, mm.
    pub size_mm: Option<[f64; 3]>,
    /// For the plant.
    pub cell: CellSpec,
}

/// A pack: the cells of one BMU, in series.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// Catalogue name.
    pub id: String,
    /// One line.
    pub title: String,
    /// Numbers of the conflicts in the sources that concern it.
    #[serde(default)]
    pub flags: Vec<u8>,
    /// Id of its cell.
    pub cell: Spanned<String>,
    /// Cells in series.
    pub cells: usize,
    /// Energy as printed, kWh.
    pub energy_kwh: Option<f64>,
    /// Voltage window as printed, V.
    pub window_v: Option<[f64; 2]>,
    /// Depth, width, height, mm.
    pub size_mm: Option<[f64; 3]>,
    /// Mass, kg.
    pub mass_kg: Option<f64>,
    /// Protection class.
    pub ip: Option<String>,
    /// For the plant.
    pub pack: PackSpec,
}

/// A high-voltage box.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HvBox {
    /// Catalogue name.
    pub id: String,
    /// One line.
    pub title: String,
    /// Numbers of the conflicts in the sources that concern it.
    #[serde(default)]
    pub flags: Vec<u8>,
    /// Voltage class, V.
    pub rated_v: f64,
    /// Depth, width, height, mm.
    pub size_mm: Option<[f64; 3]>,
    /// Mass, kg.
    pub mass_kg: Option<f64>,
    /// For the plant.
    pub hv_box: HvBoxSpec,
}

/// A power conversion system.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pcs {
    /// Catalogue name.
    pub id: String,
    /// One line.
    pub title: String,
    /// Numbers of the conflicts in the sources that concern it.
    #[serde(default)]
    pub flags: Vec<u8>,
    /// Highest AC power, kW.
    pub max_kw: Option<f64>,
    /// Highest AC current, A.
    pub ac_max_a: Option<f64>,
    /// Grid voltages it can be set to, V.
    pub grid_range_v: Option<[f64; 2]>,
    /// Highest DC power, kW.
    pub dc_max_kw: Option<f64>,
    /// DC strings it takes, each with a container of its own.
    #[serde(default = "one")]
    pub strings: usize,
    /// Best efficiency as printed.
    pub max_efficiency: Option<f64>,
    /// Outside air, °C.
    pub ambient_c: Option<[f64; 2]>,
    /// Relative humidity, %.
    pub humidity_percent: Option<[f64; 2]>,
    /// Altitude without derating, m.
    pub altitude_m: Option<f64>,
    /// Width, depth, height, mm.
    pub size_mm: Option<[f64; 3]>,
    /// Mass, kg.
    pub mass_kg: Option<f64>,
    /// Protection class.
    pub ip: Option<String>,
    /// Interfaces.
    #[serde(default)]
    pub comms: Vec<String>,
    /// For the plant: the power stage.
    pub converter: ConverterSpec,
    /// For the plant: the DC link.
    pub dc_bus: DcBusSpec,
    /// For the plant: the grid at its terminals.
    pub grid: GridSpec,
}

/// A station: PCS and a medium-voltage transformer in one housing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Station {
    /// Catalogue name.
    pub id: String,
    /// One line.
    pub title: String,
    /// Numbers of the conflicts in the sources that concern it.
    #[serde(default)]
    pub flags: Vec<u8>,
    /// Id of the PCS in it.
    pub pcs: Spanned<String>,
    /// How many.
    pub pcs_count: usize,
    /// DC strings it takes, each with a container of its own.
    pub strings: usize,
    /// Rated apparent power, kVA.
    pub rated_kva: f64,
    /// Highest apparent power, kVA.
    pub max_kva: Option<f64>,
    /// Medium voltages, kV.
    pub grid_kv: Option<[f64; 2]>,
    /// Highest DC current, A.
    pub dc_max_a: Option<f64>,
    /// Best efficiency as printed.
    pub max_efficiency: Option<f64>,
    /// Outside air, °C.
    pub ambient_c: Option<[f64; 2]>,
    /// Width, depth, height, mm.
    pub size_mm: Option<[f64; 3]>,
    /// Mass with a dry transformer, kg.
    pub mass_kg: Option<f64>,
    /// Mass with an oil transformer, kg.
    pub mass_oil_kg: Option<f64>,
    /// Protection class.
    pub ip: Option<String>,
    /// Interfaces.
    #[serde(default)]
    pub comms: Vec<String>,
    /// The transformer.
    pub transformer: Transformer,
}

/// Losses of a transformer with everything else between PCS and medium voltage, per unit of the rated power.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transformer {
    /// Without load.
    pub no_load_pu: f64,
    /// At rated load, added to the former; grows with the square of the load.
    pub load_pu: f64,
}

/// A suppression agent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// Catalogue name.
    pub id: String,
    /// One line.
    pub title: String,
    /// Numbers of the conflicts in the sources that concern it.
    #[serde(default)]
    pub flags: Vec<u8>,
    /// For the plant.
    pub agent: AgentSpec,
}

/// A container or cabinet.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Catalogue name.
    pub id: String,
    /// One line.
    pub title: String,
    /// Numbers of the conflicts in the sources that concern it.
    #[serde(default)]
    pub flags: Vec<u8>,
    /// Container or cabinet.
    #[serde(default)]
    pub class: Class,
    /// Id of its pack.
    pub pack: Spanned<String>,
    /// Id of the HV box of each cluster.
    pub hv_box: Spanned<String>,
    /// Id of its PCS.
    pub pcs: Spanned<String>,
    /// How many of them side by side.
    #[serde(default = "one")]
    pub pcs_count: usize,
    /// Clusters in parallel.
    pub clusters: usize,
    /// Packs in series in each.
    pub packs_per_cluster: usize,
    /// Rated AC power as printed, kW.
    pub rated_kw: Option<f64>,
    /// Energy as printed, kWh.
    pub rated_kwh: Option<f64>,
    /// Rated AC voltages as printed, V.
    #[serde(default)]
    pub ac_v: Vec<f64>,
    /// Nominal battery voltage as printed, V.
    pub nominal_v: Option<f64>,
    /// Length, width, height, mm.
    pub size_mm: Option<[f64; 3]>,
    /// Mass, kg.
    pub mass_kg: Option<f64>,
    /// Outside air, °C.
    pub ambient_c: Option<[f64; 2]>,
    /// Inside air in operation, °C.
    pub operating_c: Option<[f64; 2]>,
    /// Outside air in storage, °C.
    pub storage_c: Option<[f64; 2]>,
    /// Relative humidity, %.
    pub humidity_percent: Option<[f64; 2]>,
    /// Altitude without derating, m.
    pub altitude_m: Option<f64>,
    /// Protection class.
    pub ip: Option<String>,
    /// Interfaces.
    #[serde(default)]
    pub comms: Vec<String>,
    /// Largest difference between the cell temperatures of a cluster, K.
    pub cell_spread_k: Option<f64>,
    /// Where the energy of one full cycle goes, AC to AC.
    pub efficiency: Option<Efficiency>,
    /// For the plant: insulation.
    pub insulation: InsulationSpec,
    /// For the plant: liquid cooling, with packs that have plates.
    pub cooling: Option<CoolingSpec>,
    /// For the plant: air.
    pub air: AirSpec,
    /// For the plant: vent gas.
    pub gas: GasSpec,
    /// For the plant: suppression; the id of its agent is in it.
    pub suppression: SuppressionSpec,
    /// For the plant: its own needs.
    pub auxiliary: AuxiliarySpec,
    /// For the plant: measurement errors.
    pub sensors: SensorsSpec,
}

const fn one() -> usize {
    1
}

/// Container or cabinet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A container of a power station.
    #[default]
    Container,
    /// A cabinet for commerce and industry.
    Cabinet,
}

/// Shares whose product is the overall efficiency.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Efficiency {
    /// AC to AC over one full cycle, auxiliaries included.
    pub overall: f64,
    /// Battery, DC to DC.
    pub battery: f64,
    /// PCS while charging.
    pub pcs_charge: f64,
    /// PCS while discharging.
    pub pcs_discharge: f64,
    /// What cooling, fans and controls leave.
    pub auxiliaries: f64,
}

/// A site.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Catalogue name.
    pub id: String,
    /// One line.
    pub title: String,
    /// Numbers of the conflicts in the sources that concern it.
    #[serde(default)]
    pub flags: Vec<u8>,
    /// Id of its containers.
    pub container: Spanned<String>,
    /// Voltage at the point of interconnection, kV; information only. A bare PCS among the stations has no loss of the
    /// transformer that it needs to get there.
    pub poi_kv: f64,
    /// Power as printed, and the dispatch limit, MW.
    pub power_mw: f64,
    /// Energy as printed, and the dispatch limit, MWh.
    pub energy_mwh: f64,
    /// Its stations.
    pub station: Vec<SiteStation>,
    /// Other containers that make up the same power and energy.
    #[serde(default)]
    pub alternative: Vec<Alternative>,
}

/// Equal stations of a site.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteStation {
    /// Id of a station, or of a PCS that stands for one.
    pub id: Spanned<String>,
    /// How many.
    pub count: usize,
    /// Containers on each, at most its strings.
    pub containers: Spanned<usize>,
}

/// Another way to build a site.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// Id of its containers.
    pub container: Spanned<String>,
    /// How many.
    pub count: usize,
}
