//! Where things are: counts, places, and the path names used by events and truth points.

use core::fmt;
use core::ops::Range;

use serde::{Deserialize, Serialize};

/// Counts of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Clusters in parallel.
    pub clusters: usize,
    /// Packs in series in a cluster.
    pub packs_per_cluster: usize,
    /// Cells in series in a pack.
    pub cells_per_pack: usize,
}

impl Topology {
    /// Cells of one cluster.
    pub const fn cells_per_cluster(self) -> usize {
        self.packs_per_cluster * self.cells_per_pack
    }

    /// All packs.
    pub const fn packs(self) -> usize {
        self.clusters * self.packs_per_cluster
    }

    /// All cells.
    pub const fn cells(self) -> usize {
        self.clusters * self.cells_per_cluster()
    }

    /// Temperature sensors of one pack: one for two neighbouring cells.
    pub const fn sensors_per_pack(self) -> usize {
        self.cells_per_pack.div_ceil(2)
    }

    pub(crate) const fn pack_index(self, cluster: usize, pack: usize) -> usize {
        cluster * self.packs_per_cluster + pack
    }

    pub(crate) const fn cell_index(self, cluster: usize, pack: usize, cell: usize) -> usize {
        self.pack_index(cluster, pack) * self.cells_per_pack + cell
    }

    pub(crate) const fn cluster_cells(self, cluster: usize) -> Range<usize> {
        let n = self.cells_per_cluster();
        cluster * n..(cluster + 1) * n
    }

    pub(crate) const fn pack_cells(self, pack_index: usize) -> Range<usize> {
        let n = self.cells_per_pack;
        pack_index * n..(pack_index + 1) * n
    }

    /// `cluster-03/pack-05/cell-17` of a cell index.
    pub(crate) fn cell_name(self, index: usize) -> String {
        let pack = index / self.cells_per_pack;
        format!(
            "cluster-{:02}/pack-{:02}/cell-{:02}",
            pack / self.packs_per_cluster + 1,
            pack % self.packs_per_cluster + 1,
            index % self.cells_per_pack + 1
        )
    }
}

/// `cluster-03` of a 0-based index.
pub(crate) fn cluster_name(cluster: usize) -> String {
    format!("cluster-{:02}", cluster + 1)
}

/// Where a device sits in the container; 0-based.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Place {
    /// Cluster, or none at container level.
    pub cluster: Option<usize>,
    /// Pack of that cluster, or none at cluster level.
    pub pack: Option<usize>,
}

impl Place {
    /// Container level.
    pub const CONTAINER: Self = Self {
        cluster: None,
        pack: None,
    };

    /// A cluster's high-voltage box.
    pub const fn cluster(cluster: usize) -> Self {
        Self {
            cluster: Some(cluster),
            pack: None,
        }
    }

    /// A pack.
    pub const fn pack(cluster: usize, pack: usize) -> Self {
        Self {
            cluster: Some(cluster),
            pack: Some(pack),
        }
    }
}

impl fmt::Display for Place {
    /// As in tags, 1-based: `cluster-03/pack-05`, or `container`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.cluster, self.pack) {
            (None, _) => f.write_str("container"),
            (Some(c), None) => write!(f, "cluster-{:02}", c + 1),
            (Some(c), Some(p)) => write!(f, "cluster-{:02}/pack-{:02}", c + 1, p + 1),
        }
    }
}

/// A discrete change of the truth, with its exact time, which may lie inside a step.
#[derive(Clone, Debug, PartialEq)]
pub struct PlantEvent {
    /// When.
    pub at: bess_types::SimTime,
    /// Path below the container: empty, `cluster-03`, `pcs`, …
    pub part: String,
    /// What, in kebab-case.
    pub point: &'static str,
    /// New value.
    pub value: f64,
    /// For people.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_from_one() {
        let topology = Topology {
            clusters: 9,
            packs_per_cluster: 9,
            cells_per_pack: 44,
        };
        let index = topology.cell_index(2, 4, 16);
        assert_eq!(topology.cell_name(index), "cluster-03/pack-05/cell-17");
        assert_eq!(topology.cells(), 3564);
        assert_eq!(Place::pack(2, 4).to_string(), "cluster-03/pack-05");
    }
}
