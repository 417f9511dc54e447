//! What the catalogue says of the rig's container: the figures that features call rated.

use bess_catalogue::product::{Cell, Container, Pack};
use bess_catalogue::{Catalogue, CatalogueError};
use bess_plant::PlantSpec;

/// Rated figures of the container, for as many of its clusters as the rig has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nameplate {
    /// Operating window of a cell, V.
    pub(crate) cell_window_v: [f64; 2],
    /// Cells in series in a cluster.
    pub(crate) cells_in_series: usize,
    /// Nominal voltage of a cluster, V.
    pub(crate) nominal_v: f64,
    /// Rating of a cluster's high-voltage box, A.
    pub(crate) box_a: f64,
    /// AC power, W; a container without a figure runs at the rate its cells are rated for.
    pub(crate) rated_w: f64,
    /// Nominal energy of all cells, Wh.
    pub(crate) installed_wh: f64,
    /// Nominal charge of all clusters, Ah.
    pub(crate) stack_ah: f64,
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
        let pack = catalogue.product::<Pack>(container.pack.get_ref())?.value;
        let cell = catalogue.product::<Cell>(&spec.cell.id)?.value;
        let clusters = spec.container.clusters as f64;
        let cells_in_series = spec.container.packs_per_cluster * pack.cells;
        let nominal_v = cells_in_series as f64 * cell.nominal_v;
        let stack_ah = clusters * spec.cell.capacity_ah;
        let installed_wh = stack_ah * nominal_v;
        let rated_w = match (container.rated_kw, cell.rated_c_rate) {
            (Some(kilowatts), _) => kilowatts * 1e3 * clusters / container.clusters as f64,
            (None, rate) => installed_wh * rate.unwrap_or(0.5),
        };
        Ok(Self {
            cell_window_v: cell.window_v,
            cells_in_series,
            nominal_v,
            box_a: spec.container.hv_box.rated_a,
            rated_w,
            installed_wh,
            stack_ah,
            round_trip: cell.round_trip,
            overall: container.efficiency.map(|efficiency| efficiency.overall),
            spread_k: container.cell_spread_k,
        })
    }
}
