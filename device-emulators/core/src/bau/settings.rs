//! What a product file says about a BAU.

use serde::Deserialize;

/// Settings of one BAU product.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BauSettings {
    /// Clusters it has room for.
    pub max_clusters: usize,
    /// Packs of each.
    pub packs_per_cluster: usize,
    /// Cells in series in each pack.
    pub cells_per_pack: usize,
    /// Nominal capacity of one cluster, Ah.
    pub cluster_capacity_ah: f64,
    /// Nominal energy of one cluster, Wh.
    pub cluster_energy_wh: f64,
    /// Rated power of one cluster, W.
    pub cluster_power_w: f64,
    /// Upper end of use reported, %.
    pub soc_max_pct: f64,
    /// Lower end of use reported, %.
    pub soc_min_pct: f64,
    /// Period of evaluation, s.
    pub evaluation_s: f64,
    /// Shortest time in `initialising`, s.
    pub settle_s: f64,
    /// Longest time in `initialising`, s.
    pub self_test_s: f64,
    /// Polling periods, s.
    pub io_poll_s: f64,
    /// See `io_poll_s`.
    pub pcs_poll_s: f64,
    /// See `io_poll_s`.
    pub auxiliary_poll_s: f64,
    /// Answer time-out of every server, s.
    pub answer_timeout_s: f64,
    /// Period in which outputs and limits are written again although unchanged, s.
    pub refresh_s: f64,
    /// Silence of a BCU after which its cluster counts as lost, s.
    pub bcu_lost_s: f64,
    /// Silence of the container I/O after which the stack stops, s.
    pub io_lost_s: f64,
    /// Silence of the PCS after which it counts as offline, s.
    pub pcs_lost_s: f64,
    /// Silence of the PCS after which the stack stops, s.
    pub pcs_stop_s: f64,
    /// Silence of the fire panel after which limits are 0, s.
    pub fire_lost_s: f64,
    /// Silence of the chiller after which it is a warning, s.
    pub chiller_lost_s: f64,
    /// Silence of the HVAC after which it is a warning, s.
    pub hvac_lost_s: f64,
    /// Silence of the EMS, once heard, after which the stack stops, s.
    pub ems_lost_s: f64,
    /// How long a start may wait for what blocks it, s.
    pub start_wait_s: f64,
    /// How long one cluster may take to close, precharge attempts included, s.
    pub close_wait_s: f64,
    /// Pause between close requests of further clusters, s.
    pub close_stagger_s: f64,
    /// Highest difference between a cluster and the live bus, V.
    pub parallel_gap_v: f64,
    /// Clusters whose voltages differ by less than this belong together when the first one is chosen, V.
    pub first_gap_v: f64,
    /// Clusters with a level 3 alarm that stop the whole stack.
    pub stop_at_faults: usize,
    /// A stop opens the clusters below this stack current, A.
    pub stop_below_a: f64,
    /// and no later than this, s.
    pub stop_wait_s: f64,
    /// An open door blocks a start.
    pub door_blocks_start: bool,
    /// How long after a fire reset the panel may take to read normal, s.
    pub fire_reset_wait_s: f64,
    /// Chiller logic.
    pub cooling: CoolingSettings,
    /// CAN port towards the PCS, for a product that has it.
    pub pcs_bus: Option<PcsBusSettings>,
}

/// What a BAU says on its CAN port towards the PCS.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PcsBusSettings {
    /// Charge up to this voltage of a cell in the mean, V.
    pub cell_charge_v: f64,
    /// Discharge down to this voltage of a cell in the mean, V.
    pub cell_discharge_v: f64,
    /// Asks to be charged below this state of charge, %.
    pub force_charge_below_pct: f64,
    /// Silence of the PCS after which it is an alarm, s.
    pub lost_s: f64,
}

/// When the chiller does what; the first rule that fits from the hottest on.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoolingSettings {
    /// Period of a new decision, s.
    pub period_s: f64,
    /// Strong cooling: highest and mean temperature at least, set-point, °C.
    pub strong: [f64; 3],
    /// Cooling: highest and mean temperature at least, set-point, °C.
    pub cool: [f64; 3],
    /// Circulating: highest and mean temperature at least, °C.
    pub circulate: [f64; 2],
    /// Heating: lowest and mean temperature at most, set-point, °C.
    pub heat: [f64; 3],
    /// Set-point while temperatures are unknown: cooling, °C.
    pub lost_setpoint_c: f64,
}
