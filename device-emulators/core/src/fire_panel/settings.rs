//! What a product file says about a fire panel.

use serde::Deserialize;

/// Settings of one fire panel product.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Hydrogen that gives a pre-warning, ppm.
    pub hydrogen_ppm: f64,
    /// Carbon monoxide that gives a pre-warning, ppm.
    pub carbon_monoxide_ppm: f64,
    /// How long the gas must stay above, s.
    pub gas_delay_s: f64,
    /// The pre-warning ends once the gas has been below this part of its threshold, 0 to 1 …
    pub gas_clear_ratio: f64,
    /// … for this long, s.
    pub gas_clear_s: f64,
    /// Smoke that latches a detector, dB/m.
    pub smoke_db_per_m: f64,
    /// How long the smoke must stay above, s.
    pub smoke_delay_s: f64,
    /// Temperature that latches a heat detector, °C.
    pub heat_c: f64,
    /// Rise that latches a heat detector, K/min.
    pub heat_rate_k_per_min: f64,
    /// Window the rise is taken over, s.
    pub heat_rate_window_s: u32,
    /// Countdown before release, s.
    pub countdown_s: f64,
    /// A hold starts the countdown again when it ends; otherwise it goes on where it stood.
    pub hold_restarts: bool,
    /// Flow must be seen this long after the valve is driven, s.
    pub release_feedback_s: f64,
    /// Time after release from which persisting heat is level 3, s.
    pub level_3_after_s: f64,
    /// Time after release during which nothing may be reset or vented, s.
    pub post_hold_s: f64,
    /// Agent pressure below this is a fault, Pa.
    pub agent_pressure_min_pa: f64,
    /// Releases without a person after the countdown (mode at power-up).
    pub auto_mode: bool,
}
