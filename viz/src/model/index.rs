//! From tags and names to places: of points in [`Points`](bess_telemetry::Points), of cells in
//! [`Cells`](bess_telemetry::Cells).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bess_telemetry::{Container, Description, PointDef, PointGroup, Truth, VERSION};

/// Most points and cells that are believed: far more than a site of ninety containers has.
const MOST: usize = 8_000_000;
/// Most containers, and most parts of one kind in a container.
const MOST_PARTS: u32 = 10_000;

/// Place of a cell in its container; parts count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellPlace {
    /// Which of the description's containers.
    pub container: usize,
    /// Cluster of the container.
    pub cluster: u32,
    /// Pack of the cluster.
    pub pack: u32,
    /// Cell of the pack.
    pub cell: u32,
}

/// A description that holds together, with its ways in.
#[derive(Clone, Debug)]
pub struct Index {
    description: Description,
    /// Groups of a tag.
    groups: BTreeMap<String, Vec<usize>>,
    /// Rows of each table by name.
    rows: Vec<BTreeMap<String, u32>>,
    /// Every tag there is: of points, devices and parts.
    tags: BTreeSet<String>,
    points: usize,
}

/// Why a description is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbelievable(pub String);

impl fmt::Display for Unbelievable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Index {
    /// Checks a description and prepares its ways in.
    pub fn new(description: Description) -> Result<Self, Unbelievable> {
        let no = |text: String| Err(Unbelievable(text));
        if description.schema > VERSION {
            return no(format!(
                "the rig speaks version {} of the schema, this viewer knows version {VERSION}: take a newer bess-viz",
                description.schema
            ));
        }
        let mut points = 0_usize;
        for group in &description.points {
            let Some(table) = description.tables.get(group.table as usize) else {
                return no(format!(
                    "the points of {} have no table {}",
                    group.tag, group.table
                ));
            };
            if group.first as usize != points {
                return no(format!(
                    "the points of {} begin at {}, not {points}",
                    group.tag, group.first
                ));
            }
            points += table.len();
            if points > MOST {
                return no(format!("more than {MOST} points"));
            }
        }
        check_cells(&description)?;
        let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, group) in description.points.iter().enumerate() {
            groups.entry(group.tag.clone()).or_default().push(number);
        }
        let rows = description
            .tables
            .iter()
            .map(|table| {
                (0_u32..)
                    .zip(table)
                    .map(|(row, def)| (def.name.clone(), row))
                    .collect()
            })
            .collect();
        let mut tags: BTreeSet<String> = groups.keys().map(|tag| bare(tag).to_owned()).collect();
        tags.extend(description.devices.iter().map(|device| device.tag.clone()));
        tags.insert(description.site.tag.clone());
        for of in &description.containers {
            tags.insert(of.tag.clone());
            for cluster in 1..=of.clusters {
                tags.insert(format!("{}/cluster-{cluster:02}", of.tag));
                for pack in 1..=of.packs_per_cluster {
                    tags.insert(format!("{}/cluster-{cluster:02}/pack-{pack:02}", of.tag));
                }
            }
        }
        Ok(Self {
            description,
            groups,
            rows,
            tags,
            points,
        })
    }

    /// What there is.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// How many points there are.
    pub fn point_count(&self) -> usize {
        self.points
    }

    /// Index of a point; `tag` has `plant:` in front for truth.
    pub fn find(&self, tag: &str, point: &str) -> Option<u32> {
        self.groups.get(tag)?.iter().find_map(|&number| {
            let group = self.description.points.get(number)?;
            let row = self.rows.get(group.table as usize)?.get(point)?;
            Some(group.first + row)
        })
    }

    /// Points of a tag, with and without `plant:` and `bus:` in front: index, whose word, definition.
    pub fn points_of<'a>(&'a self, tag: &'a str) -> impl Iterator<Item = (u32, Truth, &'a PointDef)> {
        ["", "plant:", "bus:"]
            .into_iter()
            .filter_map(move |front| self.groups.get(&format!("{front}{tag}")))
            .flatten()
            .filter_map(|&number| self.description.points.get(number))
            .flat_map(|group| self.rows_of(group))
    }

    fn rows_of<'a>(&'a self, group: &'a PointGroup) -> impl Iterator<Item = (u32, Truth, &'a PointDef)> {
        let table = self.description.tables.get(group.table as usize);
        (group.first..)
            .zip(table.into_iter().flatten())
            .map(|(index, def)| (index, group.truth, def))
    }

    /// Every tag of a device or part down to packs, in order.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().map(String::as_str)
    }

    /// Whether there is such a device, part or cell.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.contains(tag) || self.cell_index(tag).is_some()
    }

    /// The container with a tag or around it.
    pub fn container_of(&self, tag: &str) -> Option<(usize, &Container)> {
        let containers = self.description.containers.iter().enumerate();
        containers.into_iter().find(|(_, of)| is_within(tag, &of.tag))
    }

    /// Place of a cell by its place in frames.
    pub fn cell_place(&self, index: usize) -> Option<CellPlace> {
        let index = u32::try_from(index).ok()?;
        let containers = &self.description.containers;
        let container = containers
            .partition_point(|of| of.first_cell <= index)
            .checked_sub(1)?;
        let of = &containers[container];
        let within = index - of.first_cell;
        let packs = within / of.cells_per_pack.max(1);
        let place = CellPlace {
            container,
            cluster: packs / of.packs_per_cluster.max(1),
            pack: packs % of.packs_per_cluster.max(1),
            cell: within % of.cells_per_pack.max(1),
        };
        (place.cluster < of.clusters).then_some(place)
    }

    /// Place in frames of a cell.
    pub fn cell_at(&self, place: CellPlace) -> Option<usize> {
        let of = self.description.containers.get(place.container)?;
        let inside = place.cluster < of.clusters
            && place.pack < of.packs_per_cluster
            && place.cell < of.cells_per_pack;
        let pack = place.cluster * of.packs_per_cluster + place.pack;
        inside.then(|| (of.first_cell + pack * of.cells_per_pack + place.cell) as usize)
    }

    /// Tag of a cell by its place in frames.
    pub fn cell_tag(&self, index: usize) -> Option<String> {
        let place = self.cell_place(index)?;
        let of = &self.description.containers[place.container];
        Some(format!(
            "{}/cluster-{:02}/pack-{:02}/cell-{:02}",
            of.tag,
            place.cluster + 1,
            place.pack + 1,
            place.cell + 1
        ))
    }

    /// Place in frames of a cell by its tag.
    pub fn cell_index(&self, tag: &str) -> Option<usize> {
        let (container, of) = self.container_of(tag)?;
        let mut parts = tag.strip_prefix(&of.tag)?.strip_prefix('/')?.split('/');
        let mut number = |name: &str| -> Option<u32> {
            let text = parts.next()?.strip_prefix(name)?.strip_prefix('-')?;
            text.parse::<u32>().ok()?.checked_sub(1)
        };
        let place = CellPlace {
            container,
            cluster: number("cluster")?,
            pack: number("pack")?,
            cell: number("cell")?,
        };
        parts.next().is_none().then(|| self.cell_at(place))?
    }

    /// Place in `cluster_current` of the cluster around a cell.
    pub fn cluster_of_cell(&self, index: usize) -> Option<usize> {
        let place = self.cell_place(index)?;
        let of = self.description.containers.get(place.container)?;
        Some((of.first_cluster + place.cluster) as usize)
    }

    /// Cells of a cluster or pack by its tag, as places in frames.
    pub fn cells_of(&self, tag: &str) -> Option<std::ops::Range<usize>> {
        let (_, of) = self.container_of(tag)?;
        let per_cluster = of.packs_per_cluster * of.cells_per_pack;
        let rest = tag.strip_prefix(&of.tag)?;
        let mut parts = rest.split('/').skip(1);
        let number = |text: &str, name: &str| -> Option<u32> {
            text.strip_prefix(name)?
                .strip_prefix('-')?
                .parse::<u32>()
                .ok()?
                .checked_sub(1)
        };
        let (first, count) = match (parts.next(), parts.next()) {
            (None, _) => (of.first_cell, of.clusters * per_cluster),
            (Some(cluster), pack) => {
                let cluster = number(cluster, "cluster").filter(|n| *n < of.clusters)?;
                let first = of.first_cell + cluster * per_cluster;
                match pack {
                    Some(pack) if pack.starts_with("pack-") => {
                        let pack = number(pack, "pack").filter(|n| *n < of.packs_per_cluster)?;
                        (first + pack * of.cells_per_pack, of.cells_per_pack)
                    }
                    _ => (first, per_cluster),
                }
            }
        };
        Some(first as usize..(first + count) as usize)
    }
}

/// Containers must lie one behind the other in the frames of cells.
fn check_cells(description: &Description) -> Result<(), Unbelievable> {
    let mut cells = 0_u64;
    let mut clusters = 0_u64;
    for of in &description.containers {
        let parts = [of.clusters, of.packs_per_cluster, of.cells_per_pack];
        if parts.iter().any(|n| *n > MOST_PARTS) || of.cell_rows > MOST_PARTS {
            return Err(Unbelievable(format!("{} has too many parts", of.tag)));
        }
        if u64::from(of.first_cell) != cells || u64::from(of.first_cluster) != clusters {
            return Err(Unbelievable(format!(
                "the cells of {} are not where they should be",
                of.tag
            )));
        }
        cells += parts.iter().map(|n| u64::from(*n)).product::<u64>();
        clusters += u64::from(of.clusters);
        if cells > MOST as u64 {
            return Err(Unbelievable(format!("more than {MOST} cells")));
        }
    }
    let layout = &description.cells;
    let none = layout.count == 0 && layout.clusters == 0;
    if !none && (u64::from(layout.count) != cells || u64::from(layout.clusters) != clusters) {
        return Err(Unbelievable(format!(
            "frames of {} cells and {} clusters do not fit containers with {cells} and {clusters}",
            layout.count, layout.clusters
        )));
    }
    Ok(())
}

/// A tag without `plant:` or `bus:` in front.
pub fn bare(tag: &str) -> &str {
    tag.strip_prefix("plant:")
        .or_else(|| tag.strip_prefix("bus:"))
        .unwrap_or(tag)
}

/// Last part of a tag.
pub fn leaf(tag: &str) -> &str {
    tag.rsplit('/').next().unwrap_or(tag)
}

/// Whether a tag is `whole` or a part of it.
pub fn is_within(tag: &str, whole: &str) -> bool {
    tag.strip_prefix(whole)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A tag as people say it within one container: `C3 P05` for `container-01/cluster-03/pack-05`.
pub fn short(tag: &str) -> String {
    let tag = bare(tag);
    let parts: Vec<_> = tag
        .split('/')
        .filter(|part| !part.starts_with("container-") && !part.starts_with("site-"))
        .map(|part| {
            let numbered = |name: &str, letter: &str| {
                let number = part.strip_prefix(name)?.strip_prefix('-')?;
                let number = number.parse::<u32>().ok()?;
                Some(format!("{letter}{number}"))
            };
            numbered("cluster", "C")
                .or_else(|| numbered("pack", "P"))
                .or_else(|| numbered("cell", "cell "))
                .unwrap_or_else(|| part.to_owned())
        })
        .collect();
    if parts.is_empty() {
        leaf(tag).to_owned()
    } else {
        parts.join(" ")
    }
}
