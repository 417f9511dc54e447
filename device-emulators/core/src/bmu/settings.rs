//! Settings of a BMU product.

use core::time::Duration;

use serde::Deserialize;

use crate::addressing::{Addressing, IdentitySettings, NameSettings};
use crate::product::{Product, ProductError};

/// `[settings]` of a BMU product file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Cells in series, 1 to [`Self::MAX_CELLS`].
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
    /// How it balances.
    #[serde(default)]
    pub balancing: Balancing,
    /// How it gets its address.
    #[serde(default)]
    pub addressing: Addressing,
    /// Its identity for addressing by LSS.
    #[serde(default)]
    pub lss: IdentitySettings,
    /// Its NAME for addressing by J1939.
    #[serde(default)]
    pub j1939: NameSettings,
    /// Fan of an air-cooled pack; a liquid-cooled one has none.
    pub fan: Option<FanSettings>,
}

/// How a BMU drives and watches its pack's fan.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FanSettings {
    /// Speed at full duty, rpm.
    pub full_speed_rpm: f64,
    /// The fan starts at this highest temperature, °C,
    pub start_c: f64,
    /// and has full duty from this one on, °C.
    pub full_c: f64,
    /// Duty it starts with, %.
    pub least_pct: f64,
    /// It stops this far below `start_c`, K.
    pub stop_k: f64,
    /// Turning slower than this share of what its duty should give is a fault, 0 to 1,
    pub fault_speed_share: f64,
    /// once it lasted so long, s.
    pub fault_delay_s: f64,
}

impl FanSettings {
    /// Duty for this highest temperature, %, of a fan that runs or not; full if no sensor is usable.
    pub(super) fn duty(&self, temperature_c: Option<f64>, running: bool) -> f64 {
        let Some(hottest) = temperature_c else {
            return 100.0;
        };
        let start = if running {
            self.start_c - self.stop_k
        } else {
            self.start_c
        };
        if hottest < start {
            return 0.0;
        }
        let share = (hottest - self.start_c) / (self.full_c - self.start_c);
        self.least_pct + (100.0 - self.least_pct) * share.clamp(0.0, 1.0)
    }
}

/// How a BMU balances the cells the BCU names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balancing {
    /// Bleed resistors.
    #[default]
    Passive,
    /// A converter that gives their charge to the pack's other cells; needs a pack that has one.
    Active,
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
        if settings.fan.is_some_and(|fan| fan.full_c <= fan.start_c) {
            return Err(product.invalid_setting(
                "full_c",
                "the fan has full duty before it starts",
                "give a full_c above start_c",
            ));
        }
        if settings
            .fan
            .is_some_and(|fan| !(0.0..=3600.0).contains(&fan.fault_delay_s))
        {
            return Err(product.invalid_setting(
                "fault_delay_s",
                "the fan's fault delay is not a time",
                "give 0 to 3600 seconds",
            ));
        }
        settings.j1939.check(product)?;
        Ok(settings)
    }

    pub(super) fn start_up(&self) -> Duration {
        Duration::from_millis(self.start_up_ms)
    }

    pub(super) fn sync_timeout(&self) -> Duration {
        Duration::from_millis(self.sync_timeout_ms)
    }
}
