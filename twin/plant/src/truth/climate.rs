//! Truth points of coolant, pack air, HVAC and their supply.

use super::{BIT, CONTAINER, PACK, Row, row};
use crate::airflow::PackFans;
use crate::cooling::Cooling;
use crate::plant::Plant;

pub(super) static ROWS: &[Row] = &[
    row(
        "coolant",
        "supply-temperature",
        "°C",
        (-20.0, 80.0),
        "to the packs",
        |p, _| of_loop(p, |c| c.supply_c),
    ),
    row(
        "coolant",
        "return-temperature",
        "°C",
        (-20.0, 80.0),
        "from the packs",
        |p, _| of_loop(p, |c| c.return_c),
    ),
    row("coolant", "flow", "L/min", (0.0, 300.0), "whole loop", |p, _| {
        of_loop(p, Cooling::flow_l_per_min)
    }),
    row(
        "coolant",
        "thermal-power",
        "W",
        (-15_000.0, 50_000.0),
        "taken out, negative heating",
        |p, _| of_loop(p, |c| c.thermal_w),
    ),
    row("coolant", "compressor", "", BIT, "running", |p, _| {
        of_loop(p, |c| f64::from(c.compressor_on))
    }),
    row(
        "coolant",
        "electrical-power",
        "W",
        (0.0, 40_000.0),
        "pump, compressor and heater",
        |p, _| of_loop(p, Cooling::electrical_w),
    ),
    row(
        "coolant",
        "condensing-temperature",
        "°C",
        (-40.0, 90.0),
        "of the chiller's refrigerant",
        |p, _| of_loop(p, |c| c.condensing_c),
    ),
    row(
        "coolant",
        "high-pressure",
        "",
        BIT,
        "high-pressure switch tripped",
        |p, _| of_loop(p, |c| f64::from(c.high_pressure)),
    ),
    row(
        "coolant",
        "level",
        "",
        BIT,
        "coolant outside the plates, share of its fill",
        |p, _| of_loop(p, Cooling::level),
    ),
    row(
        PACK,
        "outlet-temperature",
        "°C",
        (-20.0, 100.0),
        "coolant or air that leaves it",
        |p, a| p.thermal.outlet_c(a.pack(p)),
    ),
    row(
        PACK,
        "fan-speed",
        "rpm",
        (0.0, 5000.0),
        "its fan; 0 if it has none",
        |p, a| of_fans(p, |fans| fans.rpm(a.pack(p))),
    ),
    row(
        PACK,
        "air-flow",
        "m³/h",
        (0.0, 300.0),
        "through its gaps; 0 if it is liquid-cooled",
        |p, a| of_fans(p, |fans| fans.flow_m3_per_h(a.pack(p))),
    ),
    row(
        "air",
        "hvac-cooling-power",
        "W",
        (0.0, 40_000.0),
        "heat taken out by the air conditioners",
        |p, _| p.air.cooling_w(),
    ),
    row(
        "air",
        "hvac-heating-power",
        "W",
        (0.0, 40_000.0),
        "of their heaters",
        |p, _| p.air.heating_w(),
    ),
    row(
        "air",
        "hvac-power",
        "W",
        (0.0, 40_000.0),
        "electrical power of HVAC",
        |p, _| p.air.electrical_w(),
    ),
    row(
        "air",
        "solar-power",
        "W",
        (0.0, 10_000.0),
        "heat of the sun on the envelope",
        |p, _| p.air.solar_w,
    ),
    row(
        CONTAINER,
        "ups-energy",
        "Wh",
        (0.0, 2000.0),
        "left in the UPS",
        |p, _| p.auxiliary.ups_wh(),
    ),
    row(
        CONTAINER,
        "heat-residual",
        "J",
        (-1e6, 1e6),
        "heat lost or invented",
        |p, _| p.heat_ledger().residual_j,
    ),
];

fn of_loop(plant: &Plant, figure: impl Fn(&Cooling) -> f64) -> f64 {
    plant.cooling.as_ref().map_or(0.0, figure)
}

fn of_fans(plant: &Plant, figure: impl Fn(&PackFans) -> f64) -> f64 {
    plant.fans.as_ref().map_or(0.0, figure)
}
