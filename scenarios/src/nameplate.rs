//! What the catalogue says of the rig's container: the figures that features call rated.

use bess_catalogue::product::{Cell, Container};
use bess_catalogue::{Catalogue, CatalogueError, Rating};
use bess_plant::PlantSpec;

/// Rated figures of the container, for as many of its clusters and packs as the rig has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nameplate {
    /// What follows from its cells and boxes.
    pub(crate) rating: Rating,
    /// Energy out over energy in at the DC terminals, 0 to 1.
    pub(crate) round_trip: Option<f64>,
    /// The same AC to AC with auxiliaries, 0 to 1.
    pub(crate) overall: Option<f64>,
    /// Difference between the cell temperatures of a cluster, K.
    pub(crate) spread_k: Option<f64>,
}

impl Nameplate {
    /// Of the container `spec` is made of.
    pub(crate) fn of(catalogue: &Catalogue, spec: &PlantSpec) -> Result<Self, CatalogueError> {
        let container = catalogue.product::<Container>(&spec.container.id)?.value;
        let cell = catalogue.product::<Cell>(&spec.cell.id)?.value;
        let rating = catalogue.rating(&spec.container.id, Some(&spec.cell.id))?;
        Ok(Self {
            rating: rating.with(spec.container.clusters, spec.container.packs_per_cluster),
            round_trip: cell.round_trip,
            overall: container.efficiency.map(|efficiency| efficiency.overall),
            spread_k: container.cell_spread_k,
        })
    }
}
