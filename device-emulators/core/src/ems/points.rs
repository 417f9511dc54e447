//! What an EMS knows and can be asked for. Power is positive when discharging or exporting.

use crate::PointTable;
use crate::point_list::point_list;

/// Names of [`super::State`], as point states.
pub const STATES: &[&str] = &[
    "stopped",
    "starting-battery",
    "starting-pcs",
    "running",
    "grid-lost",
    "ramping-down",
    "stopping-pcs",
    "stopping-battery",
    "tripped",
];
/// Names of [`super::Blocking`], as point states.
pub const BLOCKING: &[&str] = &[
    "none",
    "battery-offline",
    "battery-stopped",
    "battery-start-failed",
    "pcs-offline",
    "pcs-fault",
    "pcs-start-failed",
];
/// Names of the modes.
pub const MODES: &[&str] = &["off", "manual", "auto"];

point_list! {
    /// Points of an EMS.
    pub struct EmsPoints {
        /// Operator: where the set-point comes from.
        mode: state("mode", MODES),
        /// Operator: active power wanted in manual mode.
        power_setpoint: value("power-setpoint", "W", -1e7, 1e7),
        /// Operator: reactive power wanted.
        reactive_setpoint: value("reactive-power-setpoint", "var", -1e7, 1e7),
        /// Operator: power at the point of interconnection to hold in auto mode.
        grid_target: value("grid-power-target", "W", -1e8, 1e8),
        /// Operator: reads none.
        command: state("command", &["none", "start", "stop", "reset"]),
        /// Where the site stands.
        state: state("state", STATES),
        /// Why it was tripped.
        blocking: state("blocking", BLOCKING),
        /// Active power asked of the PCS now.
        applied: value("applied-power", "W", -1e7, 1e7),
        /// Highest charge power the battery allows now.
        charge_power: value("charge-power-limit", "W", 0.0, 1e7),
        /// Highest discharge power the battery allows now.
        discharge_power: value("discharge-power-limit", "W", 0.0, 1e7),
        /// PCS active power.
        active_power: value("active-power", "W", -1e7, 1e7),
        /// PCS reactive power.
        reactive_power: value("reactive-power", "var", -1e7, 1e7),
        /// Power at the point of interconnection.
        grid_power: value("grid-power", "W", -1e8, 1e8),
        /// Stack state of charge.
        soc: value("soc", "%", 0.0, 100.0),
        /// BAU's stack state number.
        stack_state: state("stack-state", crate::bau::points::STACK_STATES),
        /// PCS state number.
        pcs_state: state("pcs-state", crate::pcs::points::STATES),
        /// +1 each second.
        heartbeat: counter("heartbeat", 65_535.0),
        /// BAU answers and its heartbeat moves.
        bau_online: flag("bau-online"),
        /// PCS answers.
        pcs_online: flag("pcs-online"),
        /// Meter answers.
        meter_online: flag("meter-online"),
    }
}

/// The table of every EMS product.
pub fn table() -> (PointTable, EmsPoints) {
    let mut table = PointTable::default();
    let points = EmsPoints::add_to(&mut table);
    (table, points)
}
