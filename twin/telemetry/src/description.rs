//! What there is: the rig, its parts with their sizes, and every point by tag.

use serde::{Deserialize, Serialize};

/// Whose word a value is. The three kinds of truth are never mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Truth {
    /// Truth of the plant, past all sensors.
    T,
    /// Sensed: what a device that is no controller measures, or says of itself.
    S,
    /// What a controller reports or commands.
    C,
    /// The rig's own: scenario, hands and faults, checkers, figures of buses.
    R,
}

/// What drives the rig.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Time jumps from one event to the next; it can stand still.
    Virtual,
    /// The wall clock; its wires are real.
    Paced,
}

/// What there is. Told once, before anything else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Description {
    /// Version of this schema, [`crate::VERSION`].
    pub schema: u32,
    /// Version of bessrig that made it.
    pub build: String,
    /// Name of the rig file, without its folder.
    pub rig: String,
    /// Its title.
    pub title: String,
    /// Seed of every random number.
    pub seed: u64,
    /// What drives it.
    pub mode: Mode,
    /// Whether the rig file lets outsiders inject faults.
    pub faults_enabled: bool,
    /// The scenario that runs, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<Scenario>,
    /// The site around the containers.
    pub site: Site,
    /// Containers, in the order of their cells.
    pub containers: Vec<Container>,
    /// Devices of the rig file, by tag.
    pub devices: Vec<Device>,
    /// What [`crate::Cells`] frames carry.
    pub cells: Cells,
    /// Points by tag. A point's index counts through all groups.
    pub points: Vec<PointGroup>,
    /// What the points of groups are: groups of equal devices share one table.
    pub tables: Vec<Vec<PointDef>>,
    /// Where the points of tables are seen on wires, by table, as far as registers of the rig's Modbus servers and messages of
    /// its CAN nodes carry them. Truth of the plant and what devices keep to themselves are on no wire.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<Vec<Seen>>,
    /// Sets of limits that [`PointDef::limits`] names by their place: many points share one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Vec<Limit>>,
}

impl Description {
    /// How many points there are.
    pub fn point_count(&self) -> usize {
        let rows = |group: &PointGroup| self.tables.get(group.table as usize).map_or(0, Vec::len);
        self.points.iter().map(rows).sum()
    }

    /// Every point with its group, in the order of the indices.
    pub fn all_points(&self) -> impl Iterator<Item = (&PointGroup, &PointDef)> {
        self.points.iter().flat_map(|group| {
            let table = self.tables.get(group.table as usize);
            table.into_iter().flatten().map(move |def| (group, def))
        })
    }

    /// The point behind an index.
    pub fn point(&self, index: u32) -> Option<(&PointGroup, &PointDef)> {
        let at = self.points.partition_point(|group| group.first <= index);
        let group = self.points.get(at.checked_sub(1)?)?;
        let row = (index - group.first) as usize;
        Some((group, self.tables.get(group.table as usize)?.get(row)?))
    }

    /// Limits that are held against a point.
    pub fn limits_of(&self, point: &PointDef) -> &[Limit] {
        let set = point.limits.and_then(|set| self.limits.get(set as usize));
        set.map_or(&[], Vec::as_slice)
    }

    /// Where the point behind an index is seen on wires, in words: `127.0.0.1:15010 unit 1, holding 40071 i16 x0.1`,
    /// `cluster-can-01, BMU_CELLV_04.CellV_17`.
    pub fn seen_at(&self, index: u32) -> Vec<String> {
        let found = || {
            let at = self.points.partition_point(|group| group.first <= index);
            let group = self.points.get(at.checked_sub(1)?)?;
            let device = self.devices.iter().find(|device| device.tag == group.tag)?;
            let all = self.seen.get(group.table as usize)?;
            Some((index - group.first, device, all))
        };
        let Some((row, device, all)) = found() else {
            return Vec::new();
        };
        let wire_of = |port: &str| device.wires.iter().find(|wire| wire.port == port);
        all.iter()
            .filter_map(|seen| Some((wire_of(&seen.port)?, seen.of_row(row)?)))
            .map(|(wire, place)| format!("{}, {place}", wire.name))
            .collect()
    }
}

/// A scenario of a feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Scenario {
    /// Name of the feature.
    pub feature: String,
    /// Name of the scenario.
    pub name: String,
    /// Its steps as written, with their keywords; a step is a caption of what is seen.
    pub steps: Vec<String>,
}

/// The site.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Site {
    /// Its tag.
    pub tag: String,
    /// Stations between its containers and the medium voltage. A rig of one container has its PCS beside it and no station.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stations: Vec<Station>,
}

/// A station: PCS, and a medium-voltage transformer if it has one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Station {
    /// Its tag.
    pub tag: String,
    /// The station, or a PCS that stands for one.
    pub product: Product,
    /// Places of its containers in [`Description::containers`].
    pub containers: Vec<u32>,
}

/// A container or cabinet and what is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Container {
    /// Its tag; clusters are `TAG/cluster-01`, packs `…/pack-01`, cells `…/cell-01`.
    pub tag: String,
    /// The container itself.
    pub product: Product,
    /// Whether it is a cabinet for commerce and industry.
    pub is_cabinet: bool,
    /// The cell.
    pub cell: Product,
    /// The pack.
    pub pack: Product,
    /// The high-voltage box of each cluster.
    pub hv_box: Product,
    /// The PCS.
    pub pcs: Product,
    /// How many of them side by side.
    pub pcs_count: u32,
    /// Clusters in parallel.
    pub clusters: u32,
    /// Packs in series in each cluster.
    pub packs_per_cluster: u32,
    /// Cells in series in each pack.
    pub cells_per_pack: u32,
    /// Rows of cells in a pack; large faces touch within a row.
    pub cell_rows: u32,
    /// Place of its first cell in [`crate::Cells`] frames; cells follow pack by pack, packs cluster by cluster.
    pub first_cell: u32,
    /// Place of its first cluster in `cluster_current`.
    pub first_cluster: u32,
    /// Whether it is cooled by liquid; else by air.
    pub is_liquid_cooled: bool,
}

/// A product of the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Product {
    /// Catalogue name.
    pub id: String,
    /// One line.
    pub title: String,
    /// Outer size; none if the catalogue has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// Where the catalogue has the size from: `brochure`, `derived`, `assumption`, …; none without a size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_origin: Option<String>,
}

/// Outer size as seen from the front; the front of a container is its long side. mm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Size {
    /// From left to right, mm.
    pub width_mm: f64,
    /// From front to back, mm.
    pub depth_mm: f64,
    /// From bottom to top, mm.
    pub height_mm: f64,
}

/// A device of the rig file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Device {
    /// Its tag.
    pub tag: String,
    /// Its kind, as in product files: `bmu`, `bcu`, `pcs`, …
    pub kind: String,
    /// Product id, if the rig file names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Who stands behind it.
    pub backing: Backing,
    /// The wires it is on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wires: Vec<Wire>,
}

/// A wire of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Wire {
    /// The device's own name of it: its CAN port as in product files, or `modbus` for its Modbus server.
    pub port: String,
    /// The bus as in the rig file, or where the server is reached: `cluster-can-01`, `127.0.0.1:15010 unit 1`. In virtual time
    /// a server is reached inside the rig only.
    pub name: String,
}

/// Where rows of a table are seen on a wire. What a product carries for many rows in a regular way is told once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Seen {
    /// First row.
    pub row: u32,
    /// How many rows from there on.
    pub rows: u32,
    /// Which of [`Device::wires`].
    pub port: String,
    /// `BMU_CELLV_04.CellV_17`, with `page 3` behind it where the page of a multiplexed message can be told; or `holding {} i16
    /// x0.1`: table, address as on the wire, counted from 0, type, and what one count of the register is worth, if not 1.
    pub place: String,
    /// What `{}` in `place` is for the first row,
    #[serde(default)]
    pub address: u32,
    /// and how much more for each further one.
    #[serde(default)]
    pub step: u32,
}

impl Seen {
    /// The place of a row of the table, if it is one of these.
    pub fn of_row(&self, row: u32) -> Option<String> {
        let after = row.checked_sub(self.row).filter(|after| *after < self.rows)?;
        let address = u64::from(self.address) + u64::from(after) * u64::from(self.step);
        Some(self.place.replace("{}", &address.to_string()))
    }
}

/// A value at which a device raises an alarm or trips.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Limit {
    /// What is raised, in the device's own word: `cov`, `over-temperature`, `gas`. Some alarms count in one direction of
    /// current only, as `clt`, temperature too low to charge, does at level 3.
    pub alarm: String,
    /// 1 warn, 2 alarm, 3 fault, if the device has levels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// Whether values above are the bad ones; else those below.
    pub is_upper: bool,
    /// Raised here, in the unit of the point,
    pub set: f64,
    /// once the value has been there for so long, s.
    #[serde(default)]
    pub delay_s: f64,
    /// The cause is gone from here on; none if that is inside `set` again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recover: Option<f64>,
    /// Whether a protective action follows: contactors open, a power stage or a compressor stops.
    #[serde(default)]
    pub trips: bool,
}

/// What ends a state that outlasts its cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Latch {
    /// A reset over a wire, or the next start.
    Command,
    /// A person at the device.
    Hand,
}

/// Who stands behind a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Backing {
    /// An emulator.
    Emulated,
    /// Something outside, reached over wires only.
    Real,
    /// Nobody.
    Absent,
}

/// What [`crate::Cells`] frames carry: plant truth of every cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cells {
    /// Cells of all containers.
    pub count: u32,
    /// Clusters of all containers.
    pub clusters: u32,
    /// The rows of numbers, by their names in a frame.
    pub quantities: Vec<Quantity>,
}

/// A row of numbers of a [`crate::Cells`] frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Quantity {
    /// Name of the row.
    pub name: String,
    /// Unit; empty for a share of 1.
    pub unit: String,
    /// Values are rounded to multiples of it.
    pub resolution: f64,
    /// Lowest value to expect.
    pub min: f64,
    /// Highest value to expect.
    pub max: f64,
    /// Limits that the controllers of all clusters hold against what they sense of it, if they have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<u32>,
}

/// The points of a tag, of one kind of truth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PointGroup {
    /// The tag to ask with; `plant:` in front for truth of the plant, `bus:` for figures of a bus.
    pub tag: String,
    /// Whose word they are.
    pub truth: Truth,
    /// Index of its first point.
    pub first: u32,
    /// Which of [`Description::tables`] says what they are; row `n` is point `first + n`.
    pub table: u32,
}

/// What a point is. What is said of limits, feedback and latches is the device's product file, as the rig file changes it;
/// where nothing is said, nothing is known. Settings that a client writes later are points themselves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PointDef {
    /// Name; rows carry an index, as in `cell[17].voltage` (0-based).
    pub name: String,
    /// Unit; empty or `1` for states, counts and shares.
    pub unit: String,
    /// Lowest value that makes sense.
    pub min: f64,
    /// Highest value that makes sense.
    pub max: f64,
    /// Values are rounded to multiples of it; 0: not rounded.
    pub resolution: f64,
    /// Names of its states from 0 up, if it is a state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<String>,
    /// How often a recording looks at it, ms of rig time; where nothing happens it may be rarer. 0: not at all, ask for it live.
    pub recorded_every_ms: u32,
    /// Which of [`Description::limits`] is held against it. Limits that follow other values as they change, such as over-current
    /// against the limit of the moment, are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<u32>,
    /// The point of the same tag that tells whether this command was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<String>,
    /// It stays after its cause is gone, at its highest level at least, until this releases it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latch: Option<Latch>,
}

/// A point with its present value: a row of `GET /api/points`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PointValue {
    /// Its index.
    pub index: u32,
    /// Its tag.
    pub tag: String,
    /// Whose word it is.
    pub truth: Truth,
    /// What it is.
    pub point: PointDef,
    /// Present value; none if there is no valid one.
    pub value: Option<f64>,
}
