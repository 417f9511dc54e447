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
        life_counter: counter("life-counter", 65_535.0),

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

/// What a detector senses; the number is its type in the register map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Hydrogen.
    Hydrogen = 1,
    /// Carbon monoxide.
    CarbonMonoxide = 2,
    /// Smoke.
    Smoke = 3,
    /// Ceiling temperature.
    Heat = 4,
}

/// The rows of a fire panel's detectors of one sort; positions that are not fitted stay invalid.
#[derive(Clone, Copy, Debug)]
pub struct DetectorRows {
    /// As [`Sort`].
    pub sort: Sort,
    /// What it measures, in the unit of its sort.
    pub value: PointRange,
    /// [`Sort`] of a detector that is fitted.
    pub kind: PointRange,
    /// 1 while it is on its line: no open wire.
    pub online: PointRange,
    /// 1 while it has no usable value.
    pub fault: PointRange,
    /// Smoke and heat: latched, 1. Gas: above its threshold now.
    pub alarm: PointRange,
}

impl DetectorRows {
    fn add_to(table: &mut PointTable, sort: Sort) -> Self {
        let (name, quantity, unit, min, max) = match sort {
            Sort::Hydrogen => ("hydrogen", "concentration", "ppm", 0.0, 100_000.0),
            Sort::CarbonMonoxide => ("carbon-monoxide", "concentration", "ppm", 0.0, 100_000.0),
            Sort::Smoke => ("smoke", "obscuration", "dB/m", 0.0, 100.0),
            Sort::Heat => ("heat", "temperature", "°C", -60.0, 1500.0),
        };
        let mut row = |what: &str, unit, min, max| {
            table.row(&format!("{name}[{{}}].{what}"), DETECTORS, unit, min, max)
        };
        Self {
            sort,
            value: row(quantity, unit, min, max),
            kind: row("type", "1", 1.0, 4.0),
            online: row("online", "1", 0.0, 1.0),
            fault: row("fault", "1", 0.0, 1.0),
            alarm: row("alarm", "1", 0.0, 1.0),
        }
    }
}

/// The detectors of a fire panel.
#[derive(Clone, Copy, Debug)]
pub struct Detectors {
    /// Hydrogen.
    pub hydrogen: DetectorRows,
    /// Carbon monoxide.
    pub carbon_monoxide: DetectorRows,
    /// Smoke obscuration.
    pub smoke: DetectorRows,
    /// Ceiling temperature.
    pub heat: DetectorRows,
}

impl Detectors {
    /// Sort by sort.
    pub const fn each(&self) -> [&DetectorRows; 4] {
        [&self.hydrogen, &self.carbon_monoxide, &self.smoke, &self.heat]
    }
}

/// The table of every fire panel product.
pub fn table() -> (PointTable, FirePanelPoints, Detectors) {
    let mut table = PointTable::default();
    let points = FirePanelPoints::add_to(&mut table);
    let mut rows = |sort| DetectorRows::add_to(&mut table, sort);
    let detectors = Detectors {
        hydrogen: rows(Sort::Hydrogen),
        carbon_monoxide: rows(Sort::CarbonMonoxide),
        smoke: rows(Sort::Smoke),
        heat: rows(Sort::Heat),
    };
    (table, points, detectors)
}
