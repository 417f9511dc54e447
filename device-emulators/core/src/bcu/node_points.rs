//! Where the images of the nodes on the cluster bus hold what the BCU uses. What a dialect has no message for follows
//! from the single values.

use core::time::Duration;

use super::BcuConfig;
use super::settings::BcuSettings;
use crate::codec::can::{MessageRef, RemoteNode};
use crate::controller::need;
use crate::product::{Product, ProductError};
use crate::{PointId, Points};

/// What a BCU uses of each BMU; of two, one is enough, and the rest follows from the single values.
pub(crate) const USED_OF_BMU: [&[&str]; 5] = [
    &["pack-voltage", "cell[0].voltage"],
    &["cell-voltage-max", "cell[0].voltage"],
    &["cell-voltage-min", "cell[0].voltage"],
    &["temperature-max", "temperature[0]"],
    &["temperature-min", "temperature[0]"],
];
/// What a BCU uses of the measuring units of its high-voltage box, taken together.
pub(crate) const USED_OF_HV_UNIT: [&[&str]; 3] = [&["cluster-voltage"], &["bus-voltage"], &["current"]];

/// Of a BMU.
#[derive(Clone, Debug)]
pub(super) struct BmuPoints {
    pub(super) voltage: Option<PointId>,
    cell_max: Option<PointId>,
    cell_min: Option<PointId>,
    temperature_max: Option<PointId>,
    temperature_min: Option<PointId>,
    pub(super) cell_count: usize,
    sensor_count: usize,
    /// None if the dialect has none of them.
    pub(super) cells: Vec<PointId>,
    /// None if the dialect has none of them.
    pub(super) temperatures: Vec<PointId>,
    /// None if it does not say so.
    pub(super) balance_map: Option<PointId>,
    /// What is sent in turn of the points above that protection depends on, with the periods.
    pub(super) data: Vec<(MessageRef, Duration)>,
}

/// Of the measuring units.
#[derive(Clone, Copy, Debug)]
pub(super) struct HvPoints {
    pub(super) cluster_voltage: Measured,
    pub(super) bus_voltage: Measured,
    pub(super) current: Measured,
    pub(super) insulation: Measured,
    pub(super) box_temperature: Measured,
}

/// A point of a node on the cluster bus.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) node: usize,
    pub(super) point: PointId,
}

impl BmuPoints {
    pub(super) fn find(product: &Product, node: &RemoteNode) -> Result<Self, ProductError> {
        let table = node.points.table();
        let row = |pattern: &str| -> (usize, Vec<PointId>) {
            let ids = table.find_row(pattern);
            let count = ids.len();
            // one that is left out of a row others are carried of is missed; a row nobody speaks of is not
            let is_carried = ids.iter().any(|id| node.transmits(*id));
            (count, if is_carried { ids } else { Vec::new() })
        };
        let (cell_count, cells) = row("cell[{}].voltage");
        let (sensor_count, temperatures) = row("temperature[{}]");
        let told = |name: &str, singles: &[PointId], single: &str| {
            let point = need(product, table, name)?;
            if node.transmits(point) {
                return Ok(Some(point));
            }
            if !singles.is_empty() {
                return Ok(None);
            }
            Err(product.invalid_setting(
                "message",
                &format!(
                    "no message carries `{name}`, nor `{single}` and so on, and the BCU needs one of them"
                ),
                "bind it in a [[can.transmit]] entry",
            ))
        };
        let of_cells = |name| told(name, &cells, "cell[0].voltage");
        let of_sensors = |name| told(name, &temperatures, "temperature[0]");
        let told = [
            of_cells("pack-voltage")?,
            of_cells("cell-voltage-max")?,
            of_cells("cell-voltage-min")?,
            of_sensors("temperature-max")?,
            of_sensors("temperature-min")?,
        ];
        let [voltage, cell_max, cell_min, temperature_max, temperature_min] = told;
        let used: Vec<PointId> = told
            .into_iter()
            .flatten()
            .chain(cells.iter().chain(&temperatures).copied())
            .collect();
        Ok(Self {
            data: node.cyclic_with(&used),
            voltage,
            cell_max,
            cell_min,
            temperature_max,
            temperature_min,
            cell_count,
            sensor_count,
            cells,
            temperatures,
            balance_map: table.find("balance-map").filter(|id| node.transmits(*id)),
        })
    }

    /// The packs are as the BCU's product says.
    pub(super) fn check_size(&self, product: &Product, settings: &BcuSettings) -> Result<(), ProductError> {
        for (key, what, own, theirs) in [
            (
                "cells_per_pack",
                "cells",
                settings.cells_per_pack,
                self.cell_count,
            ),
            (
                "temperatures_per_pack",
                "temperature sensors",
                settings.temperatures_per_pack,
                self.sensor_count,
            ),
        ] {
            if own != theirs {
                return Err(product.invalid_setting(
                    key,
                    &format!("it is {own}, and a BMU of the cluster has {theirs} {what}"),
                    &format!("set {key} = {theirs} in the BCU's product, or give the cluster other BMUs"),
                ));
            }
        }
        Ok(())
    }

    /// Sum of all cells; none if one of them is not known.
    pub(super) fn voltage(&self, image: &Points) -> Option<f64> {
        match self.voltage {
            Some(point) => image.get(point),
            None => self.cells.iter().map(|cell| image.get(*cell)).sum(),
        }
    }

    pub(super) fn cell_max(&self, image: &Points) -> Option<f64> {
        told_or(self.cell_max, image, &self.cells, f64::max)
    }

    pub(super) fn cell_min(&self, image: &Points) -> Option<f64> {
        told_or(self.cell_min, image, &self.cells, f64::min)
    }

    pub(super) fn temperature_max(&self, image: &Points) -> Option<f64> {
        told_or(self.temperature_max, image, &self.temperatures, f64::max)
    }

    pub(super) fn temperature_min(&self, image: &Points) -> Option<f64> {
        told_or(self.temperature_min, image, &self.temperatures, f64::min)
    }
}

/// What the node says, or the extreme of the single values it says.
fn told_or(
    told: Option<PointId>,
    image: &Points,
    singles: &[PointId],
    worse: fn(f64, f64) -> f64,
) -> Option<f64> {
    match told {
        Some(point) => image.get(point),
        None => singles.iter().filter_map(|id| image.get(*id)).reduce(worse),
    }
}

impl HvPoints {
    /// Finds them among the nodes behind the BMUs.
    pub(super) fn find(config: &BcuConfig, nodes: &[RemoteNode]) -> Result<Self, ProductError> {
        let units = || {
            nodes
                .iter()
                .enumerate()
                .skip(config.bmus.len())
                .zip(&config.hv_units)
        };
        let find = |name: &str, needed: bool| {
            let mut first = None;
            for ((node, image), unit) in units() {
                let point = need(&unit.product, image.points.table(), name)?;
                if image.transmits(point) {
                    return Ok(Measured { node, point });
                }
                first.get_or_insert((Measured { node, point }, &unit.product));
            }
            match first {
                // nobody measures it, so it never has a value
                Some((nowhere, _)) if !needed => Ok(nowhere),
                Some((_, product)) => Err(product.invalid_setting(
                    "message",
                    &format!("no measuring unit of the cluster sends `{name}`"),
                    "bind it in a [[can.transmit]] entry, or add a measuring unit that sends it",
                )),
                None => Err(config.product.invalid_setting(
                    "hv_unit_lost_s",
                    "the rig gives this cluster no measuring unit",
                    "add an [[hv_unit]] on its cluster bus",
                )),
            }
        };
        Ok(Self {
            cluster_voltage: find("cluster-voltage", true)?,
            bus_voltage: find("bus-voltage", true)?,
            current: find("current", true)?,
            insulation: find("insulation-resistance", false)?,
            box_temperature: find("box-temperature", false)?,
        })
    }
}
