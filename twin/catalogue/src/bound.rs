//! Between what a product's own figures must lie, so that what is made of it neither divides by zero nor needs more
//! memory than a machine has. The plant's tables have checks of their own, see [`bess_plant::PlantSpec::check`]; of these
//! tables only what the catalogue itself works with is here.

use core::ops::Range;

use crate::catalogue::File;
use crate::error::CatalogueError;
use crate::inherit::find;
use crate::product::{Agent, Cell, Container, HvBox, Pack, Pcs, Site, Station};

/// Most equal stations, strings or modules.
const MOST: f64 = 200.0;
/// Most cells of a site; the largest shipped one has 320,760.
pub(crate) const MOST_CELLS: usize = 2_000_000;

/// A figure, or a range from its lower end to its upper, and what it must lie between.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Keys that lead to it, joined by points; tables of an array by their number.
    path: String,
    values: Vec<f64>,
    within: [f64; 2],
}

impl Bound {
    fn wrong(&self) -> Option<String> {
        let [min, max] = self.within;
        let path = &self.path;
        if let Some(value) = self.values.iter().find(|v| !(min..=max).contains(*v)) {
            return Some(format!("`{path}` is {value}, must be {min} to {max}"));
        }
        let pair = self.values.windows(2).find(|pair| pair[0] >= pair[1])?;
        Some(format!(
            "`{path}` is {} to {}, but the lower end comes first",
            pair[0], pair[1]
        ))
    }
}

/// Refuses the first figure that is not within its bounds; `files` are the product's, its own first.
pub(crate) fn check(bounds: &[Bound], files: &[&File]) -> Result<(), CatalogueError> {
    let Some((bound, wrong)) = bounds.iter().find_map(|b| Some((b, b.wrong()?))) else {
        return Ok(());
    };
    let help = "correct the figure; its unit is in its name";
    let path: Vec<_> = bound.path.split('.').collect();
    let place: Option<(&File, Range<usize>)> =
        files.iter().find_map(|file| Some((*file, find(file, &path)?)));
    Err(match (place, files) {
        (Some((file, span)), _) => CatalogueError::at(file, Some(span), wrong, help),
        (None, [file, ..]) => CatalogueError::at(file, None, wrong, help),
        (None, []) => CatalogueError::nowhere(wrong, help),
    })
}

fn one(path: &str, value: f64, min: f64, max: f64) -> Bound {
    Bound {
        path: path.into(),
        values: vec![value],
        within: [min, max],
    }
}

fn count(path: &str, value: usize, max: f64) -> Bound {
    one(path, value as f64, 1.0, max)
}

fn pair(path: &str, values: [f64; 2], min: f64, max: f64) -> Bound {
    Bound {
        path: path.into(),
        values: values.into(),
        within: [min, max],
    }
}

impl Cell {
    pub(crate) fn figures(&self) -> Vec<Bound> {
        let mut all = vec![
            pair("window_v", self.window_v, 0.5, 10.0),
            one("nominal_v", self.nominal_v, self.window_v[0], self.window_v[1]),
        ];
        if let Some(limits) = self.absolute_v {
            all.push(pair("absolute_v", limits, 0.1, 10.0));
            all.push(pair("window_v", self.window_v, limits[0], limits[1]));
        }
        all.extend(self.rated_c_rate.map(|v| one("rated_c_rate", v, 0.01, 100.0)));
        all.extend(self.cycle_life.map(|v| one("cycle_life", v, 1.0, 1e6)));
        all.extend(self.round_trip.map(|v| one("round_trip", v, 0.1, 1.0)));
        all
    }
}

impl Pack {
    pub(crate) fn figures(&self) -> Vec<Bound> {
        let mut all = vec![count("cells", self.cells, 64.0)];
        all.extend(self.energy_kwh.map(|v| one("energy_kwh", v, 1e-3, 1e4)));
        all.extend(self.window_v.map(|v| pair("window_v", v, 0.5, 1e3)));
        all.extend(self.mass_kg.map(|v| one("mass_kg", v, 0.01, 1e5)));
        all
    }
}

impl HvBox {
    pub(crate) fn figures(&self) -> Vec<Bound> {
        let mut all = vec![
            one("rated_v", self.rated_v, 1.0, 1e4),
            one("hv_box.rated_a", self.hv_box.rated_a, 0.1, 1e5),
        ];
        all.extend(self.mass_kg.map(|v| one("mass_kg", v, 0.01, 1e5)));
        all
    }
}

impl Pcs {
    pub(crate) fn figures(&self) -> Vec<Bound> {
        let converter = &self.converter;
        let mut all = vec![
            count("strings", self.strings, MOST),
            one("converter.rated_va", converter.rated_va, 1.0, 1e9),
            one("converter.overload_pu", converter.overload_pu, 0.1, 10.0),
            one("converter.dc_max_a", converter.dc_max_a, 0.1, 1e6),
            pair("converter.dc_range_v", converter.dc_range_v, 1.0, 1e4),
            one("grid.nominal_v", self.grid.nominal_v, 1.0, 1e5),
            one("grid.nominal_hz", self.grid.nominal_hz, 1.0, 1e3),
        ];
        all.extend(self.mass_kg.map(|v| one("mass_kg", v, 0.01, 1e6)));
        all.extend(self.ambient_c.map(|v| pair("ambient_c", v, -90.0, 100.0)));
        all.extend(
            self.humidity_percent
                .map(|v| pair("humidity_percent", v, 0.0, 100.0)),
        );
        all.extend(self.max_kw.map(|v| one("max_kw", v, 1e-3, 1e6)));
        all.extend(self.ac_max_a.map(|v| one("ac_max_a", v, 0.1, 1e6)));
        all.extend(self.dc_max_kw.map(|v| one("dc_max_kw", v, 1e-3, 1e6)));
        all.extend(self.grid_range_v.map(|v| pair("grid_range_v", v, 1.0, 1e5)));
        all.extend(self.max_efficiency.map(|v| one("max_efficiency", v, 0.1, 1.0)));
        all
    }
}

impl Station {
    pub(crate) fn figures(&self) -> Vec<Bound> {
        let mut all = vec![
            count("pcs_count", self.pcs_count, MOST),
            count("strings", self.strings, MOST),
            one("rated_kva", self.rated_kva, 1e-3, 1e6),
            one("transformer.no_load_pu", self.transformer.no_load_pu, 0.0, 0.2),
            one("transformer.load_pu", self.transformer.load_pu, 0.0, 0.2),
        ];
        all.extend(self.mass_kg.map(|v| one("mass_kg", v, 0.01, 1e6)));
        all.extend(self.mass_oil_kg.map(|v| one("mass_oil_kg", v, 0.01, 1e6)));
        all.extend(self.ambient_c.map(|v| pair("ambient_c", v, -90.0, 100.0)));
        all.extend(self.max_kva.map(|v| one("max_kva", v, 1e-3, 1e6)));
        all.extend(self.grid_kv.map(|v| pair("grid_kv", v, 0.1, 1e3)));
        all.extend(self.dc_max_a.map(|v| one("dc_max_a", v, 0.1, 1e6)));
        all.extend(self.max_efficiency.map(|v| one("max_efficiency", v, 0.1, 1.0)));
        all
    }
}

impl Agent {
    #[allow(clippy::unused_self, reason = "as the other kinds")]
    pub(crate) fn figures(&self) -> Vec<Bound> {
        vec![]
    }
}

impl Container {
    pub(crate) fn figures(&self) -> Vec<Bound> {
        let mut all = vec![
            count("pcs_count", self.pcs_count, MOST),
            count("clusters", self.clusters, 99.0),
            count("packs_per_cluster", self.packs_per_cluster, 99.0),
        ];
        all.extend(self.rated_kw.map(|v| one("rated_kw", v, 1e-3, 1e6)));
        all.extend(self.rated_kwh.map(|v| one("rated_kwh", v, 1e-3, 1e6)));
        all.extend(self.nominal_v.map(|v| one("nominal_v", v, 1.0, 1e4)));
        all.extend(self.mass_kg.map(|v| one("mass_kg", v, 1.0, 1e6)));
        for (path, celsius) in [
            ("ambient_c", self.ambient_c),
            ("operating_c", self.operating_c),
            ("storage_c", self.storage_c),
        ] {
            all.extend(celsius.map(|v| pair(path, v, -90.0, 100.0)));
        }
        all.extend(
            self.humidity_percent
                .map(|v| pair("humidity_percent", v, 0.0, 100.0)),
        );
        if let Some(efficiency) = &self.efficiency {
            for (path, share) in [
                ("efficiency.overall", efficiency.overall),
                ("efficiency.battery", efficiency.battery),
                ("efficiency.pcs_charge", efficiency.pcs_charge),
                ("efficiency.pcs_discharge", efficiency.pcs_discharge),
                ("efficiency.auxiliaries", efficiency.auxiliaries),
            ] {
                all.push(one(path, share, 0.1, 1.0));
            }
        }
        all
    }
}

impl Site {
    pub(crate) fn figures(&self) -> Vec<Bound> {
        let mut all = vec![
            one("poi_kv", self.poi_kv, 0.1, 1e3),
            one("power_mw", self.power_mw, 1e-3, 1e4),
            one("energy_mwh", self.energy_mwh, 1e-3, 1e5),
            count("station", self.station.len(), MOST),
        ];
        for (n, station) in self.station.iter().enumerate() {
            all.push(count(&format!("station.{n}.count"), station.count, MOST));
        }
        for (n, alternative) in self.alternative.iter().enumerate() {
            all.push(count(&format!("alternative.{n}.count"), alternative.count, 1e4));
        }
        all
    }
}
