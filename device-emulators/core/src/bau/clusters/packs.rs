//! SunSpec 804 and 805: the packs of each cluster as modules of a string, and their cells.
//!
//! BCUs send cells in pages (`rig-stack.dbc`), so each value here is as old as its page, plus at most a second.

use bess_types::Reading;

use super::Clusters;
use crate::bau::points::{BauTable, PackRows};
use crate::{PointId, PointTable, Points};

/// Where a BCU's image holds what it says of its packs; empty where it says nothing.
#[derive(Clone, Debug)]
pub(super) struct PackIds {
    cells: Vec<PointId>,
    temperatures: Vec<PointId>,
    voltages: Vec<PointId>,
    balance_maps: Vec<PointId>,
}

impl PackIds {
    pub(super) fn find(table: &PointTable) -> Self {
        Self {
            cells: table.find_row("cell[{}].voltage"),
            temperatures: table.find_row("temperature[{}]"),
            voltages: table.find_row("pack[{}].voltage"),
            balance_maps: table.find_row("pack[{}].balance-map"),
        }
    }
}

/// Cells that a map of bleeding cells has room for.
const CELLS_OF_MAP: usize = 52;

/// Extremes and mean of a row of values, with the places of the extremes.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::bau) struct Spread {
    pub(in crate::bau) max: Option<(usize, f64)>,
    pub(in crate::bau) min: Option<(usize, f64)>,
    mean: Option<f64>,
}

impl Spread {
    pub(in crate::bau) fn of(values: impl Iterator<Item = Option<f64>>) -> Self {
        let (mut spread, mut sum, mut count) = (Self::default(), 0.0, 0.0);
        for (at, value) in values.enumerate() {
            let Some(value) = value else { continue };
            if spread.max.is_none_or(|(_, most)| value > most) {
                spread.max = Some((at, value));
            }
            if spread.min.is_none_or(|(_, least)| value < least) {
                spread.min = Some((at, value));
            }
            sum += value;
            count += 1.0;
        }
        spread.mean = (count > 0.0).then(|| sum / count);
        spread
    }
}

impl Clusters {
    /// Fills the rows of packs and cells. Of a cluster that is not heard nothing is known.
    pub(in crate::bau) fn publish_packs(&self, points: &mut Points, table: &BauTable) {
        let mut bleeding = None;
        for (i, cluster) in self.rows.iter().enumerate() {
            let mut of_cluster = None;
            for pack in 0..self.packs_per_cluster {
                let own = self.publish_pack(i, pack, points, &table.packs);
                of_cluster = sum(of_cluster, own);
            }
            put(points, table.bank.balancing_cells.at(*cluster), of_cluster);
            bleeding = sum(bleeding, of_cluster);
        }
        put(points, table.single.balancing_cells, bleeding);
    }

    /// Fills the points of one pack and its cells; how many of them bleed, if that is known.
    fn publish_pack(&self, i: usize, pack: usize, points: &mut Points, rows: &PackRows) -> Option<f64> {
        let (ids, theirs) = (&self.packs[i], &self.router.node(i).points);
        let said = |id: Option<&PointId>| match id {
            Some(id) if self.images[i].online => theirs.reading(*id),
            _ => Reading::invalid(),
        };
        let cells = self.cells_per_pack;
        let sensors = ids.temperatures.len() / self.packs_per_cluster;
        let row = self.rows[i] * self.packs_per_cluster + pack;
        let voltage = |cell: usize| said(ids.cells.get(pack * cells + cell));
        let temperature = |sensor: usize| said(ids.temperatures.get(pack * sensors + sensor));
        let map = said(ids.balance_maps.get(pack)).ok().map(as_bits);
        let map = map.filter(|_| cells <= CELLS_OF_MAP);

        for cell in 0..cells {
            let at = row * cells + cell;
            points.put(rows.cell_voltage.at(at), voltage(cell));
            // A sensor lies on as many neighbouring cells as there are more cells than sensors.
            points.put(rows.cell_temperature.at(at), temperature(cell * sensors / cells));
            let bleeds = map.map(|map| f64::from(u8::from(map >> cell & 1 != 0)));
            put(points, rows.cell_status.at(at), bleeds);
        }
        let volts = Spread::of((0..cells).map(|cell| voltage(cell).ok()));
        let celsius = Spread::of((0..sensors).map(|sensor| temperature(sensor).ok()));
        let cell_number = |at: usize| at as f64 + 1.0;
        let sensor_number = |at: usize| (at * cells).div_ceil(sensors) as f64 + 1.0;
        let bleeding = map.map(|map| f64::from(map.count_ones()));
        points.set(rows.cells.at(row), cells as f64);
        points.put(rows.voltage.at(row), said(ids.voltages.get(pack)));
        for (range, value) in [
            (rows.cell_max, volts.max.map(|(_, v)| v)),
            (rows.cell_max_cell, volts.max.map(|(at, _)| cell_number(at))),
            (rows.cell_min, volts.min.map(|(_, v)| v)),
            (rows.cell_min_cell, volts.min.map(|(at, _)| cell_number(at))),
            (rows.cell_mean, volts.mean),
            (rows.temperature_max, celsius.max.map(|(_, t)| t)),
            (
                rows.temperature_max_cell,
                celsius.max.map(|(at, _)| sensor_number(at)),
            ),
            (rows.temperature_min, celsius.min.map(|(_, t)| t)),
            (
                rows.temperature_min_cell,
                celsius.min.map(|(at, _)| sensor_number(at)),
            ),
            (rows.temperature_mean, celsius.mean),
            (rows.balancing_cells, bleeding),
        ] {
            put(points, range.at(row), value);
        }
        bleeding
    }
}

/// The sum of what is known.
fn sum(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.zip(b).map(|(a, b)| a + b).or(a).or(b)
}

fn put(points: &mut Points, id: PointId, value: Option<f64>) {
    match value {
        Some(value) => points.set(id, value),
        None => points.invalidate(id),
    }
}

/// A map of cells out of its point.
fn as_bits(value: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the point holds a whole number of 52 bits; out of range it saturates"
    )]
    {
        value as u64
    }
}
