//! What a chiller shows and can be told.

use crate::PointTable;
use crate::point_list::point_list;

/// Names of the modes that can be asked for.
pub const MODES: &[&str] = &["off", "circulate", "cool", "heat", "auto"];
/// Names of [`super::Fault`].
pub const FAULTS: &[&str] = &[
    "none",
    "flow-low",
    "supply-sensor",
    "return-sensor",
    "over-temperature",
];

point_list! {
    /// Points of a chiller.
    pub struct ChillerPoints {
        /// Mode asked for.
        mode: state("mode", MODES),
        /// Supply set-point.
        setpoint: value("setpoint", "°C", 5.0, 35.0),
        /// Clears a latched fault; reads 0.
        reset: flag("reset"),
        /// Battery temperatures as the BMS sends them; shown, and used by `auto` when there.
        battery_max: value("battery-temperature-max", "°C", -60.0, 150.0),
        /// Lowest battery temperature.
        battery_min: value("battery-temperature-min", "°C", -60.0, 150.0),
        /// Mean battery temperature.
        battery_mean: value("battery-temperature-mean", "°C", -60.0, 150.0),

        /// What it does.
        active_mode: state("active-mode", &["off", "circulate", "cool", "heat"]),
        /// Set-point in use.
        active_setpoint: value("active-setpoint", "°C", 5.0, 35.0),
        /// Pump running.
        pump: flag("pump"),
        /// Compressor running.
        compressor: flag("compressor"),
        /// Shortest time until the compressor may start: its rest, and the start delay from proven flow on. 0 while it runs.
        compressor_wait: value("compressor-wait", "s", 0.0, 65_535.0),
        /// Heater running.
        heater: flag("heater"),
        /// Coolant supply temperature.
        supply: value("supply-temperature", "°C", -60.0, 150.0),
        /// Coolant return temperature.
        coolant_return: value("return-temperature", "°C", -60.0, 150.0),
        /// Coolant flow.
        flow: value("flow", "L/min", 0.0, 10_000.0),
        /// Ambient temperature.
        ambient: value("ambient-temperature", "°C", -60.0, 100.0),
        /// Pump running and flow high enough; charge and discharge permit of the BMS.
        flow_ok: flag("flow-ok"),
        /// Fault code.
        fault: state("fault", FAULTS),
        /// 0 none, 1 alarm, 2 compressor stopped.
        fault_level: value("fault-level", "1", 0.0, 2.0),
        /// Heard from the BMS within the watchdog time.
        comms_ok: flag("comms-ok"),
        /// +1 each second.
        life_counter: counter("life-counter", 65_535.0),
    }
}

/// The table of every chiller product.
pub fn table() -> (PointTable, ChillerPoints) {
    let mut table = PointTable::default();
    let points = ChillerPoints::add_to(&mut table);
    (table, points)
}
