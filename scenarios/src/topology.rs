//! How many clusters, packs and cells the rig has, and where a feature's "cell 17 of pack 5 in cluster 3" is.

use std::fmt;

use regex::Regex;
use std::sync::LazyLock;

/// The container all shipped rigs have.
pub(crate) const CONTAINER: &str = "container-01";

/// Counts of the rig's parts; clusters, packs and cells are numbered from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Topology {
    pub(crate) clusters: usize,
    /// Packs of one cluster.
    pub(crate) packs: usize,
    /// Cells of one pack.
    pub(crate) cells: usize,
}

/// A part of the battery named in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "place", regex = r"(?:cell \d+ of )?(?:pack \d+ in )?cluster \d+")]
pub(crate) struct Place {
    pub(crate) cluster: usize,
    pub(crate) pack: Option<usize>,
    pub(crate) cell: Option<usize>,
}

#[expect(clippy::unwrap_used, reason = "a fixed pattern")]
static PLACE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:cell (?<cell>\d+) of )?(?:pack (?<pack>\d+) in )?\bcluster (?<cluster>\d+)").unwrap()
});

impl Place {
    /// Every place named in `text`.
    pub(crate) fn all_in(text: &str) -> Vec<Self> {
        PLACE
            .captures_iter(text)
            .filter_map(|found| {
                let number = |name: &str| found.name(name).and_then(|digits| digits.as_str().parse().ok());
                Some(Self {
                    cluster: number("cluster")?,
                    pack: number("pack"),
                    cell: number("cell"),
                })
            })
            .collect()
    }

    /// The tag of the deepest part named.
    pub(crate) fn tag(self) -> String {
        let mut tag = format!("{CONTAINER}/cluster-{:02}", self.cluster);
        if let Some(pack) = self.pack {
            tag = format!("{tag}/pack-{pack:02}");
        }
        if let Some(cell) = self.cell {
            tag = format!("{tag}/cell-{cell:02}");
        }
        tag
    }
}

impl std::str::FromStr for Place {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::all_in(text)
            .first()
            .copied()
            .ok_or_else(|| format!("`{text}` names no cluster"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cell) = self.cell {
            write!(f, "cell {cell} of ")?;
        }
        if let Some(pack) = self.pack {
            write!(f, "pack {pack} in ")?;
        }
        write!(f, "cluster {}", self.cluster)
    }
}

impl Topology {
    /// Says what is wrong with `place`, if this rig has no such part.
    pub(crate) fn lacks(self, place: Place) -> Option<String> {
        let outside = |number: usize, count: usize| number == 0 || number > count;
        if outside(place.cluster, self.clusters) {
            return Some(format!(
                "{place} does not exist: clusters are numbered 1 to {}",
                self.clusters
            ));
        }
        if place.pack.is_some_and(|pack| outside(pack, self.packs)) {
            return Some(format!(
                "{place} does not exist: packs of a cluster are numbered 1 to {}",
                self.packs
            ));
        }
        if place.cell.is_some_and(|cell| outside(cell, self.cells)) {
            return Some(format!(
                "{place} does not exist: cells of a pack are numbered 1 to {}",
                self.cells
            ));
        }
        None
    }

    /// Tag of every cluster.
    pub(crate) fn cluster_tags(self) -> impl Iterator<Item = String> {
        (1..=self.clusters).map(|number| format!("{CONTAINER}/cluster-{number:02}"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    #[test]
    fn finds_places_in_words() {
        let found = Place::all_in("cell 17 of pack 5 in cluster 3 and cluster 12");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].tag(), "container-01/cluster-03/pack-05/cell-17");
        assert_eq!(found[1].tag(), "container-01/cluster-12");
    }

    #[test]
    fn says_what_does_not_exist() {
        let topology = Topology {
            clusters: 9,
            packs: 9,
            cells: 44,
        };
        let lacks = |text: &str| topology.lacks(text.parse().unwrap());
        assert_eq!(lacks("cell 44 of pack 9 in cluster 9"), None);
        assert_eq!(
            lacks("cell 45 of pack 9 in cluster 9").unwrap(),
            "cell 45 of pack 9 in cluster 9 does not exist: cells of a pack are numbered 1 to 44"
        );
        assert!(lacks("cluster 0").is_some());
    }
}
