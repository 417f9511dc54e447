//! Settings of a BMU product.

use core::time::Duration;

use serde::Deserialize;

use crate::product::{Product, ProductError};

/// `[settings]` of a BMU product file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Cells in series, 1 to 44 (the width of the balancing mask on the wire).
    pub cells: usize,
    /// Temperature sensors.
    pub temperatures: usize,
    /// Self-test after power-on, ms.
    #[serde(default = "default_start_up_ms")]
    pub start_up_ms: u64,
    /// Balancing stops if no BCU_SYNC came for this long, ms.
    #[serde(default = "default_sync_timeout_ms")]
    pub sync_timeout_ms: u64,
    /// A cell above this reports over-voltage, V.
    #[serde(default = "default_over_voltage")]
    pub over_voltage_v: f64,
    /// A cell below this reports under-voltage, V.
    #[serde(default = "default_under_voltage")]
    pub under_voltage_v: f64,
    /// A sensor above this reports over-temperature, °C.
    #[serde(default = "default_over_temperature")]
    pub over_temperature_c: f64,
    /// A sensor below this reports under-temperature, °C.
    #[serde(default = "default_under_temperature")]
    pub under_temperature_c: f64,
    /// Speed of the pack fan at full duty, rpm; 0 for a liquid-cooled pack, which has none.
    #[serde(default)]
    pub fan_full_speed_rpm: f64,
}

const fn default_start_up_ms() -> u64 {
    300
}
const fn default_sync_timeout_ms() -> u64 {
    1_000
}
const fn default_over_voltage() -> f64 {
    3.65
}
const fn default_under_voltage() -> f64 {
    2.5
}
const fn default_over_temperature() -> f64 {
    60.0
}
const fn default_under_temperature() -> f64 {
    -25.0
}

impl Settings {
    /// Widest pack the balancing mask on the wire can address.
    pub const MAX_CELLS: usize = 44;

    /// Reads and checks them.
    ///
    /// # Errors
    /// If a key is unknown, or there are no cells or too many.
    pub fn of(product: &Product) -> Result<Self, ProductError> {
        let settings: Self = product.settings()?;
        if !(1..=Self::MAX_CELLS).contains(&settings.cells) {
            return Err(product.invalid_setting(
                "cells",
                &format!("{} cells", settings.cells),
                "a BMU has 1 to 44 cells",
            ));
        }
        if !(1..=64).contains(&settings.temperatures) {
            return Err(product.invalid_setting(
                "temperatures",
                &format!("{} sensors", settings.temperatures),
                "a BMU has 1 to 64 temperature sensors",
            ));
        }
        Ok(settings)
    }

    pub(super) fn start_up(&self) -> Duration {
        Duration::from_millis(self.start_up_ms)
    }

    pub(super) fn sync_timeout(&self) -> Duration {
        Duration::from_millis(self.sync_timeout_ms)
    }
}
