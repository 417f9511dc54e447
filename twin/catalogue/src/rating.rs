//! What follows from a product's figures by arithmetic: voltages, energy, currents, and the PCS that fit.

use toml::Spanned;

use crate::catalogue::Catalogue;
use crate::error::CatalogueError;
use crate::product::{Cell, Container, HvBox, Kind, Pack, Pcs, Site, Station};

/// Most PCS side by side that count as fitting one container.
const MOST_SIDE_BY_SIDE: usize = 10;

/// A container by its cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rating {
    /// Clusters in parallel.
    pub clusters: usize,
    /// Packs in series in each.
    pub packs_per_cluster: usize,
    /// Cells in series in each.
    pub cells_in_series: usize,
    /// Nominal capacity of a cell, Ah.
    pub capacity_ah: f64,
    /// Nominal voltage, V.
    pub nominal_v: f64,
    /// Operating window, V.
    pub window_v: [f64; 2],
    /// Operating window of a cell, V.
    pub cell_window_v: [f64; 2],
    /// Rating of a cluster's high-voltage box, A.
    pub box_a: f64,
    /// Voltage class of that box, V.
    pub box_v: f64,
    /// Rated AC power: as printed, else at the rate the cells are rated for, W.
    pub rated_w: f64,
}

impl Rating {
    /// Packs of all clusters.
    pub fn packs(&self) -> usize {
        self.clusters * self.packs_per_cluster
    }

    /// Cells of all clusters.
    pub fn cells(&self) -> usize {
        self.clusters * self.cells_in_series
    }

    /// Nominal energy of a cluster, Wh.
    pub fn cluster_wh(&self) -> f64 {
        self.capacity_ah * self.nominal_v
    }

    /// Nominal energy, Wh.
    pub fn installed_wh(&self) -> f64 {
        self.clusters as f64 * self.cluster_wh()
    }

    /// Nominal charge, Ah.
    pub fn stack_ah(&self) -> f64 {
        self.clusters as f64 * self.capacity_ah
    }

    /// Current of the stack at rated power, A: at nominal voltage and at the lowest. The PCS counts as without loss.
    pub fn stack_a(&self) -> [f64; 2] {
        [self.nominal_v, self.window_v[0]].map(|v| self.rated_w / v)
    }

    /// The same of one cluster, A.
    pub fn cluster_a(&self) -> [f64; 2] {
        self.stack_a().map(|amperes| amperes / self.clusters as f64)
    }

    /// The same container with another number of clusters and packs, and the power that goes with them.
    #[must_use]
    pub fn with(self, clusters: usize, packs_per_cluster: usize) -> Self {
        let in_series = packs_per_cluster as f64 / self.packs_per_cluster as f64;
        Self {
            clusters,
            packs_per_cluster,
            cells_in_series: self.cells_in_series / self.packs_per_cluster * packs_per_cluster,
            nominal_v: self.nominal_v * in_series,
            window_v: self.window_v.map(|v| v * in_series),
            rated_w: self.rated_w * in_series * clusters as f64 / self.clusters as f64,
            ..self
        }
    }
}

/// PCS or station for a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fit {
    /// Its kind: PCS or station.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// How many side by side on one container.
    pub count: usize,
    /// Containers on one of them, each on DC strings of its own.
    pub containers: usize,
}

/// A site by its containers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SiteRating {
    /// Containers.
    pub containers: usize,
    /// Stations, or PCS that stand for them.
    pub stations: usize,
    /// Nominal energy of all cells, Wh.
    pub installed_wh: f64,
    /// Rated power of all containers, W.
    pub rated_w: f64,
    /// Rated power of all stations, VA.
    pub station_va: f64,
}

impl Catalogue {
    /// A container with its pack's cell or another.
    ///
    /// # Errors
    /// If there is no such container or cell, or a product it is made of is missing or does not read.
    pub fn rating(&self, container: &str, cell: Option<&str>) -> Result<Rating, CatalogueError> {
        let container = self.product::<Container>(container)?;
        let pack = self.part::<Pack>(&container.file, &container.value.pack)?;
        let hv_box = self
            .part::<HvBox>(&container.file, &container.value.hv_box)?
            .value;
        let cell = match cell {
            Some(id) => self.product::<Cell>(id)?,
            None => self.part::<Cell>(&pack.file, &pack.value.cell)?,
        };
        let container = container.value;
        let cells_in_series = container.packs_per_cluster * pack.value.cells;
        let series = cells_in_series as f64;
        let mut rating = Rating {
            clusters: container.clusters,
            packs_per_cluster: container.packs_per_cluster,
            cells_in_series,
            capacity_ah: cell.value.cell.capacity_ah,
            nominal_v: series * cell.value.nominal_v,
            window_v: cell.value.window_v.map(|v| series * v),
            cell_window_v: cell.value.window_v,
            box_a: hv_box.hv_box.rated_a,
            box_v: hv_box.rated_v,
            rated_w: 0.0,
        };
        rating.rated_w = match container.rated_kw {
            Some(kilowatts) => kilowatts * 1e3,
            None => rating.installed_wh() * cell.value.rated_c_rate.unwrap_or(0.5),
        };
        Ok(rating)
    }

    /// PCS and stations whose voltage range holds the container's window and that carry its rated power even at its
    /// lowest voltage, fewest first.
    ///
    /// # Errors
    /// If a product does not read.
    pub fn fitting(&self, rating: &Rating) -> Result<Vec<Fit>, CatalogueError> {
        let mut fits = Vec::new();
        for id in self.ids(Kind::Pcs) {
            let pcs = self.product::<Pcs>(id)?.value;
            fits.extend(pcs.fit(rating, 1, pcs.strings).map(|(count, containers)| Fit {
                kind: Kind::Pcs,
                id: id.to_owned(),
                count,
                containers,
            }));
        }
        for id in self.ids(Kind::Station) {
            let station = self.product::<Station>(id)?;
            let pcs = self.part::<Pcs>(&station.file, &station.value.pcs)?.value;
            let Station {
                pcs_count, strings, ..
            } = station.value;
            fits.extend(
                pcs.fit(rating, pcs_count, strings)
                    .map(|(count, containers)| Fit {
                        kind: Kind::Station,
                        id: id.to_owned(),
                        count,
                        containers,
                    }),
            );
        }
        fits.sort_by_key(|fit| fit.count);
        Ok(fits)
    }

    /// A site by its containers and stations.
    ///
    /// # Errors
    /// If there is no such site, or a product it is made of is missing or does not read.
    pub fn site_rating(&self, id: &str) -> Result<SiteRating, CatalogueError> {
        let site = self.product::<Site>(id)?;
        self.part::<Container>(&site.file, &site.value.container)?;
        let one = self.rating(site.value.container.get_ref(), None)?;
        let mut whole = SiteRating {
            containers: 0,
            stations: 0,
            installed_wh: 0.0,
            rated_w: 0.0,
            station_va: 0.0,
        };
        for group in &site.value.station {
            let containers = group.count * group.containers.get_ref();
            whole.containers += containers;
            whole.stations += group.count;
            whole.installed_wh += containers as f64 * one.installed_wh();
            whole.rated_w += containers as f64 * one.rated_w;
            whole.station_va += group.count as f64 * self.station_va(&site.file, &group.id)?;
        }
        Ok(whole)
    }

    fn station_va(&self, file: &crate::catalogue::File, id: &Spanned<String>) -> Result<f64, CatalogueError> {
        if self.file(Kind::Pcs, id.get_ref()).is_some() {
            return Ok(self.part::<Pcs>(file, id)?.value.converter.rated_va);
        }
        Ok(self.part::<Station>(file, id)?.value.rated_kva * 1e3)
    }
}

impl Pcs {
    /// How many of `together` of these side by side a container takes, and how many containers one of them takes on its
    /// strings; none if they do not fit.
    fn fit(&self, rating: &Rating, together: usize, strings: usize) -> Option<(usize, usize)> {
        let [low, high] = self.converter.dc_range_v;
        if rating.window_v[0] < low || rating.window_v[1] > high {
            return None;
        }
        // Share of one of them that a container needs.
        let power = rating.rated_w / (self.converter.rated_va * together as f64);
        let current = rating.stack_a()[1] / (self.converter.dc_max_a * together as f64);
        let share = power.max(current);
        if let Some(containers) = (1..=strings).rev().find(|n| share * *n as f64 <= 1.0) {
            return Some((1, containers));
        }
        let count = (2..=MOST_SIDE_BY_SIDE).find(|n| share <= *n as f64)?;
        Some((count, 1))
    }

    /// Apparent power at nominal voltage and highest AC current, VA: √3·U·I.
    pub fn ac_max_va(&self) -> Option<f64> {
        Some(3f64.sqrt() * self.grid.nominal_v * self.ac_max_a?)
    }

    /// Power at the lowest DC voltage and highest DC current, W.
    pub fn dc_low_w(&self) -> f64 {
        self.converter.dc_range_v[0] * self.converter.dc_max_a
    }

    /// Highest efficiency over the load, discharging and charging, 0 to 1, with the transformer of a station if there
    /// is one.
    pub fn best_efficiency(&self, transformer: Option<&crate::product::Transformer>) -> [f64; 2] {
        let (no_load, load) = transformer.map_or((0.0, 0.0), |t| (t.no_load_pu, t.load_pu));
        let best = |[constant, quadratic]: [f64; 2], efficiency: fn(f64, f64) -> f64| {
            let percent = 1..=100;
            let each = percent.map(|percent| {
                let power = f64::from(percent) / 100.0;
                efficiency(power, constant + no_load + (quadratic + load) * power * power)
            });
            each.fold(0.0, f64::max)
        };
        [
            best(self.converter.loss_discharge_pu, |power, loss| {
                power / (power + loss)
            }),
            best(self.converter.loss_charge_pu, |power, loss| {
                (power - loss) / power
            }),
        ]
    }
}
