//! What a product file says about a PCS.

use core::time::Duration;

use serde::Deserialize;

use super::der::SupportSettings;

/// Settings of one PCS product.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Rated active power, W.
    pub rated_power_w: f64,
    /// Rated apparent power, VA; bounds P and Q together.
    pub rated_apparent_va: f64,
    /// Nominal grid voltage, V line to line.
    pub nominal_line_voltage_v: f64,
    /// Nominal grid frequency, Hz.
    pub nominal_frequency_hz: f64,
    /// Lowest DC voltage it works at, V.
    pub dc_voltage_min_v: f64,
    /// Highest DC voltage it works at, V.
    pub dc_voltage_max_v: f64,
    /// How long the DC voltage may be outside before it trips, ms.
    pub dc_trip_delay_ms: u64,
    /// Cabinet temperature that trips it, °C.
    pub cabinet_trip_c: f64,
    /// Efficiency taken when a battery current limit is turned into AC power, 0 to 1.
    pub efficiency: f64,
    /// Share of the rated apparent power, and of the DC current at it, from which its own metering shows and counts; below
    /// it reads 0.
    pub metering_start_pu: f64,
    /// Power ramp at power-up of the control, % of rated power per second (SunSpec `WRmp`).
    pub ramp_pct_per_s: f64,
    /// How long a start may wait for DC voltage and BMS before it is a fault, s.
    pub precheck_timeout_s: f64,
    /// Synchronisation time before the AC contactor closes, ms.
    pub sync_ms: u64,
    /// How long the AC contactor's feedback may disagree with its drive, ms.
    pub contactor_timeout_ms: u64,
    /// Longest ramp-down of a normal stop, ms; then the gate is blocked anyway.
    pub stop_timeout_ms: u64,
    /// How long a measurement may be unusable while connected, ms.
    pub measurement_timeout_ms: u64,
    /// Time without BMS heartbeat until 0 kW, s.
    pub bms_lost_s: f64,
    /// Time without BMS heartbeat until it stops, s.
    pub bms_stop_s: f64,
    /// Its clock when the rig starts, s since 1970.
    #[serde(default = "new_year_2026")]
    pub clock_at_start_s: f64,
    /// Time without EMS heartbeat until 0 kW, s; 0 turns the watchdog off.
    pub ems_lost_s: f64,
    /// Time without EMS heartbeat until standby, s.
    pub ems_standby_s: f64,
    /// How long the grid must be inside the enter-service window before connecting, s, 0 to 600.
    pub enter_service_delay_s: f64,
    /// Enter-service window, lower voltage, pu.
    pub enter_service_voltage_min_pu: f64,
    /// Enter-service window, upper voltage, pu.
    pub enter_service_voltage_max_pu: f64,
    /// Enter-service window, lower frequency, Hz.
    pub enter_service_frequency_min_hz: f64,
    /// Enter-service window, upper frequency, Hz.
    pub enter_service_frequency_max_hz: f64,
    /// How long it takes to rated power after entering service, s; 0 is no ramp but the normal one.
    pub enter_service_ramp_s: f64,
    /// After a grid trip, connect again by itself once the delay has passed.
    pub reconnect_after_grid_trip: bool,
    /// Below this voltage on any phase the gate is blocked but the PCS stays connected, pu.
    pub cessation_below_pu: f64,
    /// Above this voltage on any phase likewise, pu.
    pub cessation_above_pu: f64,
    /// All phases below this is a lost grid, pu.
    pub loss_of_grid_pu: f64,
    /// Time until a lost grid trips, s.
    pub loss_of_grid_s: f64,
    /// Voltage trip elements, pu of nominal.
    pub voltage_trip: Vec<TripElement>,
    /// Frequency trip elements, pu of nominal.
    pub frequency_trip: Vec<TripElement>,
    /// Grid-support functions.
    pub support: SupportSettings,
}

impl Settings {
    /// Apparent power from which its own metering shows and counts, VA.
    pub fn metering_start_va(&self) -> f64 {
        self.metering_start_pu * self.rated_apparent_va
    }

    /// DC current from which its own metering shows and counts, A.
    pub fn metering_start_dc_a(&self) -> f64 {
        self.metering_start_va() / self.dc_voltage_min_v
    }

    /// Phase current at rated apparent power and nominal voltage, A.
    pub fn rated_phase_current_a(&self) -> f64 {
        self.rated_apparent_va / (3.0_f64.sqrt() * self.nominal_line_voltage_v)
    }

    /// The same of all three phases together, A. SunSpec counts ratings (120 `ARtg`, 702 `AMaxRtg`) as it counts the
    /// measured current (103 and 701 `A`): the sum of the connected phases.
    pub fn rated_current_a(&self) -> f64 {
        3.0 * self.rated_phase_current_a()
    }
}

/// One element of a trip table.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TripElement {
    /// Which side of the limit is bad.
    pub side: Side,
    /// Limit, pu of nominal.
    pub limit_pu: f64,
    /// How long the quantity may stay there, s.
    pub delay_s: f64,
}

/// Which side of a limit is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Above is bad.
    Over,
    /// Below is bad.
    Under,
}

impl Side {
    /// Whether `value` is on the bad side of `limit`.
    pub fn violated(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Over => value > limit,
            Self::Under => value < limit,
        }
    }
}

/// 2026-01-01 00:00:00 UTC. [A]
const fn new_year_2026() -> f64 {
    1_767_225_600.0
}

/// Seconds from a settings file as a duration; nonsense counts as zero.
pub fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}
