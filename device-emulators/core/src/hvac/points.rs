//! What a container HVAC shows and can be told.

use crate::PointTable;
use crate::point_list::point_list;

/// Names of the modes that can be asked for; numbers as public tables have them for chillers.
pub const MODES: &[&str] = &["off", "fan", "cool", "heat", "auto"];
/// Names of [`super::Fault`].
pub const FAULTS: &[&str] = &["none", "fan", "air-sensor", "high-temperature", "low-temperature"];

point_list! {
    /// Points of a container HVAC.
    pub struct HvacPoints {
        /// Mode asked for.
        mode: state("mode", MODES),
        /// Middle of the cooling hysteresis.
        cool_setpoint: value("cool-setpoint", "°C", 10.0, 40.0),
        /// Middle of the heating hysteresis.
        heat_setpoint: value("heat-setpoint", "°C", -5.0, 30.0),
        /// Width of both.
        hysteresis: value("hysteresis", "K", 0.5, 10.0),

        /// What it does.
        active_mode: state("active-mode", &["off", "fan", "cool", "heat"]),
        /// Circulation fan driven.
        fan: flag("fan-driven"),
        /// Airflow proven.
        fan_running: flag("fan-running"),
        /// Stopped by the fire panel.
        fire_stop: flag("fire-stop"),
        /// Compressors running.
        compressors: value("compressors", "1", 0.0, 20.0),
        /// Heaters on.
        heaters: value("heaters", "1", 0.0, 20.0),
        /// Time until every compressor may start again.
        compressor_wait: value("compressor-wait", "s", 0.0, 65_535.0),
        /// Indoor air.
        air: value("air-temperature", "°C", -60.0, 150.0),
        /// Outdoor air.
        ambient: value("ambient-temperature", "°C", -60.0, 100.0),
        /// Fault code.
        fault: state("fault", FAULTS),
        /// 0 none, 1 alarm, 2 compressors and heaters stopped.
        fault_level: value("fault-level", "1", 0.0, 2.0),
        /// +1 each second.
        life_counter: counter("life-counter", 65_535.0),
    }
}

/// The table of every HVAC product.
pub fn table() -> (PointTable, HvacPoints) {
    let mut table = PointTable::default();
    let points = HvacPoints::add_to(&mut table);
    (table, points)
}
