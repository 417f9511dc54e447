//! What a product file says about a BCU.

use serde::Deserialize;

use crate::addressing::{Addressing, NameSettings};
use crate::protection::AlarmTable;

/// Settings of one BCU product.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BcuSettings {
    /// Packs (BMUs) of the cluster.
    pub packs: usize,
    /// Cells in series in each pack.
    pub cells_per_pack: usize,
    /// Temperature sensors of each pack, in the order of the cells they lie on.
    pub temperatures_per_pack: usize,
    /// Nominal capacity, Ah.
    pub capacity_ah: f64,
    /// State of health reported, %.
    pub soh_pct: f64,
    /// Continuous charge current, A.
    pub rated_charge_a: f64,
    /// Continuous discharge current, A.
    pub rated_discharge_a: f64,
    /// Period of evaluation, s.
    pub evaluation_s: f64,
    /// Shortest self-test before it leaves `initialising`, s.
    pub settle_s: f64,
    /// Longest wait for all nodes before it goes on without them, s.
    pub self_test_s: f64,
    /// Polling period of the remote I/O, s.
    pub io_poll_s: f64,
    /// Answer time-out of the remote I/O, s.
    pub io_timeout_s: f64,
    /// Silence of the remote I/O after which its inputs are not used, s.
    pub io_lost_s: f64,
    /// Period in which outputs are written again although unchanged, s.
    pub io_refresh_s: f64,
    /// Silence of the measuring unit after which limits fall to 0, s.
    pub hv_unit_lost_s: f64,
    /// Silence of another measuring unit than the one with the current after which its values are not used, s.
    #[serde(default = "default_hv_monitor_lost_s")]
    pub hv_monitor_lost_s: f64,
    /// Longest period of a message with a life counter on the cluster bus, s.
    pub counter_period_s: f64,
    /// Silence of the BAU after which the cluster opens, s.
    pub bau_lost_s: f64,
    /// Coil supply below this counts as switched off by the safety chain, V.
    pub coil_supply_off_v: f64,
    /// Nominal coil supply, V.
    pub coil_supply_nominal_v: f64,
    /// Charging counts from this current on, A.
    pub charging_above_a: f64,
    /// How long warn and alarm must stay recovered to clear, s.
    pub clear_hold_s: f64,
    /// Over-current levels 1 and 2 never compare against less than this, A.
    pub current_floor_a: f64,
    /// Voltage spread is judged inside this SOC band, %.
    pub spread_soc_pct: [f64; 2],
    /// Voltage spread is judged below this current, A.
    pub spread_current_a: f64,
    /// Length of the window for the temperature rise, s.
    pub rise_window_s: usize,
    /// Share of unusable channels in a pack that is level 2 and level 3, %.
    pub sensor_share_pct: [f64; 2],
    /// How its BMUs get their addresses.
    #[serde(default)]
    pub addressing: Addressing,
    /// Its own NAME for addressing by J1939.
    #[serde(default)]
    pub j1939: NameSettings,
    /// Contactor sequence.
    pub contactors: ContactorSettings,
    /// State of charge.
    pub soc: SocSettings,
    /// Current limits.
    pub limits: LimitSettings,
    /// Cell balancing.
    pub balancing: BalancingSettings,
    /// Alarm thresholds.
    pub alarms: AlarmTable,
}

/// Four periods of an insulation monitor, and one more.
const fn default_hv_monitor_lost_s() -> f64 {
    5.0
}

/// Times and limits of the contactor sequence.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactorSettings {
    /// Bus below this is dead, V.
    pub dead_bus_v: f64,
    /// Bus this close to the cluster with open contactors raises suspicion of a weld, V.
    pub weld_gap_v: f64,
    /// How long such a bus is observed, s.
    pub weld_observe_s: f64,
    /// A bus that falls by this much in that time is only discharging, V.
    pub weld_decay_v: f64,
    /// Precharge succeeds at this share of cluster voltage, 0 to 1.
    pub precharge_share: f64,
    /// Time for it, s.
    pub precharge_s: f64,
    /// Time for it if the bus has at least reached `precharge_extend_share`, s.
    pub precharge_max_s: f64,
    /// See `precharge_max_s`, 0 to 1.
    pub precharge_extend_share: f64,
    /// Attempts before it gives up.
    pub precharge_tries: u32,
    /// Pause between attempts, s.
    pub precharge_pause_s: f64,
    /// Both paths stay closed this long before the precharge contactor opens, s.
    pub overlap_s: f64,
    /// Highest difference between cluster and live bus to close onto, V.
    pub parallel_gap_v: f64,
    /// Normal opening waits for less than this, A.
    pub open_below_a: f64,
    /// and for no longer than this, s.
    pub open_wait_s: f64,
    /// Opening on a fault waits for less than this, A.
    pub trip_below_a: f64,
    /// and for no longer than this, s.
    pub trip_wait_s: f64,
    /// Current the contactors can break, A.
    pub break_current_a: f64,
    /// Above it, opening leaves the fuse this time, s.
    pub fuse_wait_s: f64,
    /// In a normal opening K− follows K+ after at most this, s.
    pub stagger_s: f64,
    /// A main that reads closed this long after the command to open trips the breaker, s.
    pub breaker_trip_s: f64,
}

/// How the state of charge is found.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocSettings {
    /// Open-circuit voltage by SOC: pairs of % and V, rising.
    pub ocv: Vec<[f64; 2]>,
    /// A charging cell at this voltage means at least `full_pct`, V.
    pub full_v: f64,
    /// See `full_v`, %.
    pub full_pct: f64,
    /// A cell at this voltage means at most `empty_pct`, V.
    pub empty_v: f64,
    /// See `empty_v`, %.
    pub empty_pct: f64,
    /// Speed of a correction, %/s.
    pub correction_pct_per_s: f64,
}

/// How current limits are found: curves are pairs of input and share of rated current, rising.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// Charge against highest cell voltage, V.
    pub charge_by_cell_v_max: Vec<[f64; 2]>,
    /// Charge against lowest cell voltage, V.
    pub charge_by_cell_v_min: Vec<[f64; 2]>,
    /// Discharge against lowest cell voltage, V.
    pub discharge_by_cell_v_min: Vec<[f64; 2]>,
    /// Charge against highest and lowest temperature, °C.
    pub charge_by_temperature: Vec<[f64; 2]>,
    /// Discharge against highest and lowest temperature, °C.
    pub discharge_by_temperature: Vec<[f64; 2]>,
    /// Fastest rise, A/s; limits fall at once.
    pub rise_a_per_s: f64,
    /// Share left by a "half power" alarm, 0 to 1.
    pub reduced_share: f64,
}

/// When cells are balanced.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalancingSettings {
    /// Only above this cell voltage, V.
    pub above_v: f64,
    /// Starts at this spread, V.
    pub start_v: f64,
    /// Cells this far above the lowest are bled; stops when none is, V.
    pub stop_v: f64,
    /// Period of a new decision, s.
    pub period_s: f64,
}
