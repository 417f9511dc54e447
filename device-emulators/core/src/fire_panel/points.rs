//! What a fire panel shows and can be told.

use crate::point_list::point_list;
use crate::{PointRange, PointTable};

/// Names of [`super::Stage`].
pub const LEVELS: &[&str] = &[
    "normal",
    "pre-warning",
    "level-1",
    "level-2",
    "released",
    "level-3",
];

/// Positions the register map has for detectors of each sort.
pub const DETECTORS: usize = 4;

point_list! {
    /// Points of a fire panel, without the rows of its detectors.
    pub struct FirePanelPoints {
        /// How far it has come.
        level: state("level", LEVELS),
        /// Level 0 to 3 as public tables number it; pre-warning counts as 0, released as 2.
        system_level: value("system-level", "1", 0.0, 3.0),
        /// Gas above the threshold for long enough.
        prewarning: flag("gas-detector"),
        /// A smoke detector is latched.
        smoke_alarm: flag("smoke-detector"),
        /// A heat detector is latched.
        heat_alarm: flag("heat-detector"),
        /// Manual call point latched.
        call_point: flag("manual-call-point"),
        /// Hold button at the door pressed.
        hold: flag("suppression-hold"),
        /// Seconds until release; stands while held.
        countdown: value("countdown", "s", 0.0, 65_535.0),
        /// Countdown is running or held.
        countdown_active: flag("countdown-active"),
        /// A sensor, the agent or an output is not in order.
        fault: flag("fault"),
        /// No flow within the time after a release.
        release_failed: flag("release-failed"),
        /// Damper or fan not proven closed and stopped although a release is due.
        isolation_failed: flag("isolation-failed"),
        /// Agent pressure too low.
        agent_low: flag("agent-low"),
        /// Agent cylinder pressure.
        agent_pressure: value("agent-pressure", "Pa", 0.0, 2e7),
        /// Discharge pressure switch.
        agent_flow: flag("release-feedback"),
        /// Cylinder valve driven.
        valve: flag("valve-driven"),
        /// Sounder and beacon driven.
        sounder: flag("sounder"),
        /// Vent fan driven.
        fan: flag("vent-fan-driven"),
        /// Vent fan proven running.
        fan_running: flag("vent-fan-running"),
        /// Damper end switch.
        damper_closed: flag("damper-closed"),
        /// HVAC allowed.
        hvac: flag("hvac-allowed"),
        /// Hydrogen, highest sensor.
        hydrogen: value("hydrogen", "ppm", 0.0, 100_000.0),
        /// Carbon monoxide, highest sensor.
        carbon_monoxide: value("carbon-monoxide", "ppm", 0.0, 100_000.0),
        /// Steepest rise of ceiling temperature.
        heat_rate: value("heat-rate", "K/min", -1000.0, 10_000.0),
        /// +1 each second.
        life_counter: value("life-counter", "1", 0.0, 65_535.0),

        /// Detectors release by themselves, or only a person does.
        mode: state("mode", &["manual", "auto"]),
        /// Start the release countdown by hand; reads 0.
        start: flag("start"),
        /// Stop the countdown for good; reads 0.
        abort: flag("abort"),
        /// Sounder off until the next escalation; reads 0.
        silence: flag("silence"),
        /// Clear latched alarms that are gone; reads 0.
        reset: flag("reset"),
        /// Manual ventilation.
        vent: flag("vent-command"),
    }
}

/// The rows of a fire panel's detectors; positions that are not fitted stay invalid.
#[derive(Clone, Copy, Debug)]
pub struct DetectorRows {
    /// Smoke obscuration, dB/m.
    pub smoke: PointRange,
    /// Ceiling temperature, °C.
    pub temperature: PointRange,
    /// Smoke detector latched: 1.
    pub smoke_alarm: PointRange,
    /// Heat detector latched: 1.
    pub heat_alarm: PointRange,
}

/// The table of every fire panel product.
pub fn table() -> (PointTable, FirePanelPoints, DetectorRows) {
    let mut table = PointTable::default();
    let points = FirePanelPoints::add_to(&mut table);
    let rows = DetectorRows {
        smoke: table.row("smoke[{}].obscuration", DETECTORS, "dB/m", 0.0, 100.0),
        temperature: table.row("heat[{}].temperature", DETECTORS, "°C", -60.0, 1500.0),
        smoke_alarm: table.row("smoke[{}].alarm", DETECTORS, "1", 0.0, 1.0),
        heat_alarm: table.row("heat[{}].alarm", DETECTORS, "1", 0.0, 1.0),
    };
    (table, points, rows)
}
