//! Points of a BMU.

use super::Settings;
use crate::points::{PointId, PointRange, PointTable};

/// Names of `state`.
pub const STATES: &[&str] = &["idle", "balancing", "fault"];

/// Point ids of one BMU.
#[derive(Clone, Copy, Debug)]
pub struct BmuPoints {
    /// What it is doing; [`STATES`].
    pub state: PointId,
    /// Cell voltages, V.
    pub cell_voltages: PointRange,
    /// Temperatures, °C; sensor i sits between cells 2i and 2i + 1.
    pub temperatures: PointRange,
    /// Sum of all cell voltages, V; invalid if one is.
    pub pack_voltage: PointId,
    /// Highest valid cell voltage, V.
    pub cell_voltage_max: PointId,
    /// Lowest valid cell voltage, V.
    pub cell_voltage_min: PointId,
    /// Highest valid temperature, °C.
    pub temperature_max: PointId,
    /// Lowest valid temperature, °C.
    pub temperature_min: PointId,
    /// A sense wire is open.
    pub cell_open_wire: PointId,
    /// A cell voltage has no usable value.
    pub cell_invalid: PointId,
    /// A temperature has no usable value.
    pub temperature_invalid: PointId,
    /// A cell is above the product's limit.
    pub over_voltage: PointId,
    /// A cell is below the product's limit.
    pub under_voltage: PointId,
    /// A sensor is above the product's limit.
    pub over_temperature: PointId,
    /// A sensor is below the product's limit.
    pub under_temperature: PointId,
    /// No BCU_SYNC in time.
    pub sync_lost: PointId,
    /// Cells whose bleed resistor is on.
    pub balance_count: PointId,
    /// The same cells, bit 0 is cell 1.
    pub balance_map: PointId,
    /// Fan duty, %.
    pub fan_duty: PointId,
    /// Fan speed by its tacho, rpm.
    pub fan_speed: PointId,
    /// The fan turns too slowly for its duty.
    pub fan_fault: PointId,
    /// Rolling counter of BMU_STAT.
    pub life_counter: PointId,
    /// Heard from the BCU: its rolling counter.
    pub sync_counter: PointId,
    /// Heard from the BCU: balancing allowed.
    pub balance_enable: PointId,
    /// Heard from the BCU: wanted fan duty, %.
    pub fan_request: PointId,
    /// Heard from the BCU: cells above this voltage bleed, V.
    pub balance_target: PointId,
    /// Heard from the BCU: cells that may bleed, bit 0 is cell 1.
    pub balance_request: PointId,
}

impl BmuPoints {
    /// Adds the points to a table.
    pub fn add_to(table: &mut PointTable, settings: &Settings) -> Self {
        let mask = (1_u64 << Settings::MAX_CELLS) as f64 - 1.0;
        Self {
            state: table.state("state", STATES),
            cell_voltages: table.row("cell[{}].voltage", settings.cells, "V", 0.0, 5.0),
            temperatures: table.row("temperature[{}]", settings.temperatures, "°C", -40.0, 210.0),
            pack_voltage: table.value("pack-voltage", "V", 0.0, 5.0 * settings.cells as f64),
            cell_voltage_max: table.value("cell-voltage-max", "V", 0.0, 5.0),
            cell_voltage_min: table.value("cell-voltage-min", "V", 0.0, 5.0),
            temperature_max: table.value("temperature-max", "°C", -40.0, 210.0),
            temperature_min: table.value("temperature-min", "°C", -40.0, 210.0),
            cell_open_wire: table.flag("cell-open-wire"),
            cell_invalid: table.flag("cell-invalid"),
            temperature_invalid: table.flag("temperature-invalid"),
            over_voltage: table.flag("over-voltage"),
            under_voltage: table.flag("under-voltage"),
            over_temperature: table.flag("over-temperature"),
            under_temperature: table.flag("under-temperature"),
            sync_lost: table.flag("sync-lost"),
            balance_count: table.value("balance-count", "1", 0.0, settings.cells as f64),
            balance_map: table.value("balance-map", "1", 0.0, mask),
            fan_duty: table.value("fan-duty", "%", 0.0, 100.0),
            fan_speed: table.value("fan-speed", "rpm", 0.0, 12_750.0),
            fan_fault: table.flag("fan-fault"),
            life_counter: table.counter("life-counter", 255.0),
            sync_counter: table.value("sync-counter", "1", 0.0, 255.0),
            balance_enable: table.flag("balance-enable"),
            fan_request: table.value("fan-request", "%", 0.0, 100.0),
            balance_target: table.value("balance-target", "V", 0.0, 5.0),
            balance_request: table.value("balance-request", "1", 0.0, mask),
        }
    }
}
