//! Cooling and heating: air-cooled packs, chiller, HVAC, envelope, cold start.

use bess_plant::{InitialState, Place, PlantSpec, TruthRef};
use bess_types::{Actuation, CoolingMode};

use super::claim;
use crate::chart::{Chart, Points};
use crate::claim::{Basis, Expected, Source, Tag};
use crate::experiment::{Experiment, Findings};
use crate::lab::{Bench, COARSE, Lab, uniform};

pub(super) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        id: "air-pack",
        title: "An air-cooled pack cools down",
        about: "One pack of 14 cells at rest at 45 °C in a container at 25 °C, HVAC on, once with its fan at full speed \
                and once with the fan off. Resistance: integral of cells over the air in their gaps by the heat they \
                gave. The air's rise is that of the outlet over the container, scaled to 145 W.",
        claims: &[
            claim(
                "air-pack-fan-on",
                "cell to air in its gap with the fan on",
                "K/W",
                Expected::about(0.7),
                Basis::Input,
                Source::new(
                    &[Tag::Derived],
                    "CT §6",
                    "air pack, fan on (100 m³/h): 0.7 K/W from cell to air",
                ),
            ),
            claim(
                "air-pack-rise",
                "rise of the air through a pack per 145 W",
                "K",
                Expected::about(4.0),
                Basis::Derived,
                Source::new(&[Tag::Derived], "CT §6", "air rises by 4 K at 145 W and 100 m³/h"),
            ),
            claim(
                "air-pack-fan-off",
                "cell to air in its gap with the fan off",
                "K/W",
                Expected::about(3.0),
                Basis::Input,
                Source::new(&[Tag::Assumption], "CT §6", "air pack, fan off: 3 K/W"),
            ),
        ],
        run: air_pack,
    },
    Experiment {
        id: "chiller",
        title: "The chiller at its limit and at idle",
        about: "The liquid-cooled container with 35 °C outside: cells at 45 °C and a set-point of 15 °C ask for all the \
                chiller has. Then the set-point is raised above the coolant 10 s after the compressor has started, and \
                lowered again 10 s after it has stopped: only its timers keep it running and resting.",
        claims: &[
            claim(
                "chiller-capacity",
                "most heat taken out at 35 °C outside",
                "kW",
                Expected::stated(40.0, 60.0),
                Basis::Input,
                Source::new(&[Tag::Assumption], "CT §6", "chiller capacity 40 to 60 kW"),
            ),
            claim(
                "chiller-cop",
                "coefficient of performance at 35 °C outside, pump apart",
                "",
                Expected::stated(2.5, 3.0),
                Basis::Input,
                Source::new(&[Tag::Assumption], "CT §6", "COP 2.5 to 3 at 35 °C"),
            ),
            claim(
                "chiller-response",
                "time to 63 % of capacity after the compressor starts",
                "s",
                Expected::stated(60.0, 120.0),
                Basis::Input,
                Source::new(
                    &[Tag::Assumption],
                    "CT §6",
                    "first-order time constant 60 to 120 s",
                ),
            ),
            claim(
                "chiller-min-on",
                "run of the compressor that is asked to stop after 10 s",
                "s",
                timer(120.0),
                Basis::Input,
                Source::new(&[Tag::Assumption], "CT §6", "compressor least time on 120 s"),
            ),
            claim(
                "chiller-min-off",
                "rest of the compressor that is asked to start after 10 s",
                "s",
                timer(180.0),
                Basis::Input,
                Source::new(&[Tag::Assumption], "CT §6", "compressor least time off 180 s"),
            ),
        ],
        run: chiller,
    },
    Experiment {
        id: "hvac",
        title: "Air conditioners of the air-cooled container",
        about: "The 20-ft air-cooled container with 35 °C outside, cells at 40 °C and pack fans on, asks for all the units \
                have; one unit is switched off and 10 s later on again; at 12 °C with −30 °C outside its heater cycles.",
        claims: &[
            claim(
                "hvac-capacity",
                "heat taken out by all units at 35 °C outside",
                "kW",
                Expected::stated(20.0, 24.0),
                Basis::Input,
                Source::new(&[Tag::Assumption], "CT §6", "HVAC 2 × 10 to 12 kW"),
            ),
            claim(
                "hvac-cop",
                "coefficient of performance at 35 °C outside, circulation fans apart",
                "",
                Expected::about(2.8),
                Basis::Input,
                Source::new(&[Tag::Assumption], "CT §6", "COP 2.8"),
            ),
            claim(
                "hvac-hysteresis",
                "air temperature between the heater's start and its stop",
                "K",
                Expected::about(2.0),
                Basis::Input,
                Source::new(&[Tag::Assumption], "CT §6", "hysteresis 2 K"),
            ),
            claim(
                "hvac-min-off",
                "rest of a unit's compressor that is asked to start after 10 s",
                "s",
                timer(180.0),
                Basis::Input,
                Source::new(&[Tag::Assumption], "CT §6", "least time off 180 s"),
            ),
        ],
        run: hvac,
    },
    Experiment {
        id: "envelope",
        title: "A closed container in the cold",
        about: "The 20-ft container at rest at 25 °C with 5 °C outside, nothing running: heat lost by all that is in it, \
                by the difference of structure and outside air.",
        claims: &[claim(
            "envelope-conductance",
            "heat lost per kelvin, openings closed",
            "W/K",
            Expected::about(47.0),
            Basis::Derived,
            Source::new(
                &[Tag::Derived, Tag::Assumption],
                "CT §6",
                "20-ft envelope: about 47 W/K (79 m² at 0.6 W/m²K); half an air change per hour comes to it",
            ),
        )],
        run: envelope,
    },
    Experiment {
        id: "cold-start",
        title: "Cold start of the liquid-cooled container",
        about: "All 3,564 cells at −30 °C with −30 °C outside; the chiller heats until the coldest cell is at 5 °C.",
        claims: &[
            claim(
                "cold-start-time",
                "time until the coldest cell is at 5 °C",
                "h",
                Expected::read(
                    13.8,
                    20.7,
                    "3,564 cells of 5.985 kJ/K by 35 K over the stated range of the heater, without losses and pump",
                ),
                Basis::Derived,
                Source::new(
                    &[Tag::Derived, Tag::Assumption],
                    "CT §6, §1",
                    "heater 10 to 15 kW; cells of 5.7 kg at 1050 J/kgK; cold start heating to −30 °C",
                ),
            ),
            claim(
                "cold-start-heat-balance",
                "heat lost or invented over the cold start, share of the heat moved",
                "%",
                Expected::read(-0.1, 0.1, "limit as stated, either way"),
                Basis::Predicted,
                Source::new(
                    &[Tag::Assumption],
                    "CT §11 check 5",
                    "energy balance closes to better than 0.1 %",
                ),
            ),
        ],
        run: cold_start,
    },
    Experiment {
        id: "cold-start-air",
        title: "Cold start of the air-cooled container",
        about: "All 2,352 cells at −30 °C with −30 °C outside; HVAC heats, pack fans stand because nothing is warm.",
        claims: &[claim(
            "cold-start-air",
            "coldest cell after a day of heating",
            "°C",
            Expected::at_least(0.0),
            Basis::Predicted,
            Source::new(
                &[Tag::Brochure, Tag::S(3)],
                "PL §6, CT §1",
                "cold start heating to −30 °C; cells may be charged from 0 °C on",
            ),
        )],
        run: cold_start_air,
    },
];

/// A timer ends the wait, nothing else; the rest is for the steps in which it is seen.
const fn timer(seconds: f64) -> Expected {
    Expected::read(seconds, seconds + 10.0, "the timer's value, up to 10 s more")
}

fn resting(cell_temperature_c: f64, ambient_c: f64) -> InitialState {
    InitialState {
        cell_temperature_c,
        ambient_c,
        ..uniform(0.5)
    }
}

fn heat_capacity(spec: &PlantSpec) -> f64 {
    spec.cell.mass_kg * spec.cell.specific_heat_j_per_kg_k
}

/// K/W from cell to gap air, and the air's rise per watt.
fn cooled_pack(lab: &Lab, duty: f64, seconds: f64) -> Result<([f64; 2], [Points; 2]), String> {
    let mut spec = lab.container("air-20ft-1254")?;
    spec.container.clusters = 1;
    spec.container.packs_per_cluster = 1;
    // what the enclosure loses is not the fan's
    spec.container.pack.enclosure_w_per_k = 0.0;
    let mut bench = Bench::new(&spec, &resting(45.0, 25.0), COARSE)?;
    bench.actuate(Place::CONTAINER, Actuation::Hvac { on: true });
    bench.drive_fans(duty);
    // the fan at its speed, the air where it stays
    bench.run(60.0);
    let pack = "cluster-01/pack-01";
    let (cell, gap, out, air) = (
        bench.point("", "cell-temperature-mean")?,
        bench.point(pack, "plate-temperature")?,
        bench.point(pack, "outlet-temperature")?,
        bench.point("air", "temperature")?,
    );
    let start_c = bench.plant.truth(cell);
    let (mut over_ks, mut rise_ks) = (0.0, 0.0);
    let mut curves: [Points; 2] = Default::default();
    bench.run_until(seconds, |bench| {
        let truth = |at: TruthRef| bench.plant.truth(at);
        over_ks += (truth(cell) - truth(gap)) * COARSE.as_secs_f64();
        rise_ks += (truth(out) - truth(air)) * COARSE.as_secs_f64();
        let t = bench.seconds();
        if curves[0].last().is_none_or(|&(last, _)| t - last >= 30.0) {
            curves[0].push((t, truth(cell)));
            curves[1].push((t, truth(out)));
        }
        false
    });
    let given_j = heat_capacity(&spec) * (start_c - bench.plant.truth(cell));
    let pack_j = given_j * spec.container.cells_per_pack as f64;
    Ok(([over_ks / given_j, rise_ks / pack_j], curves))
}

fn air_pack(lab: &Lab) -> Result<Findings, String> {
    let ([fan_on, rise], [cells, out]) = cooled_pack(lab, 1.0, 5400.0)?;
    let ([fan_off, _], [slow, _]) = cooled_pack(lab, 0.0, 5400.0)?;
    let mut findings = Findings::default();
    findings.set("air-pack-fan-on", fan_on);
    findings.set("air-pack-rise", rise * 145.0);
    findings.set("air-pack-fan-off", fan_off);
    findings.draw(
        Chart::new("An air-cooled pack at rest", "time, s", "°C")
            .curve("cells, fan on", cells)
            .curve("outlet, fan on", out)
            .curve("cells, fan off", slow),
    );
    Ok(findings)
}

fn chiller(lab: &Lab) -> Result<Findings, String> {
    let spec = lab.container("liq-20ft-1267")?;
    let mut bench = Bench::new(&spec, &resting(45.0, 35.0), COARSE)?;
    bench.cool(15.0);
    let (thermal, electrical) = (
        bench.point("coolant", "thermal-power")?,
        bench.point("coolant", "electrical-power")?,
    );
    let pump_w = spec.container.cooling.as_ref().map_or(0.0, |c| c.pump_w);
    let mut curve = Points::new();
    bench.run_until(1200.0, |bench| {
        let t = bench.seconds();
        if curve.last().is_none_or(|&(last, _)| t - last >= 1.0) {
            curve.push((t, bench.plant.truth(thermal) / 1e3));
        }
        false
    });
    let capacity_w = bench.plant.truth(thermal);
    let started = curve.iter().find(|&&(_, kw)| kw > 0.0).map(|&(t, _)| t);
    let share = 1.0 - libm::exp(-1.0);
    let reached = curve.iter().find(|&&(_, kw)| kw * 1e3 >= share * capacity_w);
    let mut findings = Findings::default();
    findings.set("chiller-capacity", capacity_w / 1e3);
    findings.set(
        "chiller-cop",
        capacity_w / (bench.plant.truth(electrical) - pump_w),
    );
    if let (Some(started), Some(&(reached, _))) = (started, reached) {
        findings.set("chiller-response", reached - started);
    }
    findings.draw(Chart::new("Start of the chiller", "time, s", "kW").curve("heat taken out", curve));

    let mut hasty = Bench::new(&lab.liquid(1, 9)?, &resting(45.0, 35.0), COARSE)?;
    let compressor = hasty.point("coolant", "compressor")?;
    let runs = |bench: &Bench| bench.plant.truth(compressor) > 0.0;
    hasty.cool(15.0);
    let started_s = turn(&mut hasty, true, runs)?;
    hasty.run(10.0);
    hasty.cool(60.0);
    let stopped_s = turn(&mut hasty, false, runs)?;
    hasty.run(10.0);
    hasty.cool(15.0);
    findings.set("chiller-min-on", stopped_s - started_s);
    findings.set("chiller-min-off", turn(&mut hasty, true, runs)? - stopped_s);
    Ok(findings)
}

/// When a compressor has come to run or to rest, s.
fn turn(bench: &mut Bench, on: bool, runs: impl Fn(&Bench) -> bool) -> Result<f64, String> {
    if bench.run_until(1800.0, |bench| runs(bench) == on) {
        Ok(bench.seconds())
    } else {
        Err(format!(
            "the compressor did not {} within half an hour",
            if on { "start" } else { "stop" }
        ))
    }
}

fn hvac(lab: &Lab) -> Result<Findings, String> {
    let spec = lab.container("air-20ft-1254")?;
    let hvac = &spec.container.air.hvac;
    let mut bench = Bench::new(&spec, &resting(40.0, 35.0), COARSE)?;
    bench.actuate(Place::CONTAINER, Actuation::Hvac { on: true });
    let (cooling, power, air) = (
        bench.point("air", "hvac-cooling-power")?,
        bench.point("air", "hvac-power")?,
        bench.point("air", "temperature")?,
    );
    bench.drive_fans(1.0);
    bench.run(600.0);
    let (cooling_w, power_w) = (bench.plant.truth(cooling), bench.plant.truth(power));
    let mut findings = Findings::default();
    findings.set("hvac-capacity", cooling_w / 1e3);
    findings.set("hvac-cop", cooling_w / (power_w - hvac.fan_w * hvac.units as f64));

    let mut alone = spec.clone();
    alone.container.air.hvac.units = 1;
    // coils and heaters lag; what compressor and heater draw besides the fan shows when they run
    let runs = |bench: &Bench| bench.plant.truth(power) > hvac.fan_w + 1.0;
    let mut hasty = Bench::new(&alone, &resting(40.0, 35.0), COARSE)?;
    hasty.actuate(Place::CONTAINER, Actuation::Hvac { on: true });
    turn(&mut hasty, true, runs)?;
    hasty.actuate(Place::CONTAINER, Actuation::Hvac { on: false });
    let stopped_s = turn(&mut hasty, false, runs)?;
    hasty.run(10.0);
    hasty.actuate(Place::CONTAINER, Actuation::Hvac { on: true });
    findings.set("hvac-min-off", turn(&mut hasty, true, runs)? - stopped_s);

    let mut cold = Bench::new(&alone, &resting(12.0, -30.0), COARSE)?;
    cold.actuate(Place::CONTAINER, Actuation::Hvac { on: true });
    let (mut starts, mut stops) = (Vec::new(), Vec::new());
    let mut before = false;
    let mut curve = Points::new();
    cold.run_until(6.0 * 3600.0, |bench| {
        let (is, celsius) = (runs(bench), bench.plant.truth(air));
        if is != before {
            before = is;
            if is { &mut starts } else { &mut stops }.push(celsius);
        }
        let t = bench.seconds() / 3600.0;
        if curve.last().is_none_or(|&(last, _)| t - last >= 0.01) {
            curve.push((t, celsius));
        }
        false
    });
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    findings.set_noted(
        "hvac-hysteresis",
        mean(&stops) - mean(&starts),
        format!("{} cycles of the heater", stops.len()),
    );
    findings.draw(Chart::new("Air under the thermostats", "time, h", "°C").curve("container air", curve));
    Ok(findings)
}

fn envelope(lab: &Lab) -> Result<Findings, String> {
    let mut bench = Bench::new(&lab.liquid(1, 9)?, &resting(25.0, 5.0), COARSE)?;
    let (structure, ambient) = (
        bench.point("air", "structure-temperature")?,
        bench.point("air", "ambient-temperature")?,
    );
    let mut over_ks = 0.0;
    bench.run_until(6.0 * 3600.0, |bench| {
        let over_k = bench.plant.truth(structure) - bench.plant.truth(ambient);
        over_ks += over_k * COARSE.as_secs_f64();
        false
    });
    let mut findings = Findings::default();
    findings.set(
        "envelope-conductance",
        bench.plant.heat_ledger().outside_j / over_ks,
    );
    Ok(findings)
}

/// Runs until the coldest cell is at a temperature, looking once a minute; hours it took.
fn warm_up(bench: &mut Bench, most_h: f64, celsius: f64) -> Result<(f64, [Points; 2]), String> {
    let (coldest, ambient) = (
        bench.point("", "cell-temperature-min")?,
        bench.point("air", "temperature")?,
    );
    let mut curves: [Points; 2] = Default::default();
    while bench.seconds() < most_h * 3600.0 {
        bench.run(60.0);
        let t_h = bench.seconds() / 3600.0;
        let now_c = bench.plant.truth(coldest);
        curves[0].push((t_h, now_c));
        curves[1].push((t_h, bench.plant.truth(ambient)));
        if now_c >= celsius {
            break;
        }
    }
    Ok((bench.seconds() / 3600.0, curves))
}

fn cold_start(lab: &Lab) -> Result<Findings, String> {
    let spec = lab.container("liq-20ft-1267")?;
    let mut bench = Bench::new(&spec, &resting(-30.0, -30.0), COARSE)?;
    bench.actuate(
        Place::CONTAINER,
        Actuation::Cooling {
            mode: CoolingMode::Heat,
            setpoint_c: 25.0,
        },
    );
    let (hours, [cells, air]) = warm_up(&mut bench, 36.0, 5.0)?;
    let ledger = bench.plant.heat_ledger();
    let mut findings = Findings::default();
    findings.set_noted(
        "cold-start-time",
        hours,
        format!(
            "{:.0} kWh of heater and pump, {:.0} kWh lost to outside",
            (ledger.heaters_j + ledger.fans_j) / 3.6e6,
            ledger.outside_j / 3.6e6
        ),
    );
    findings.set(
        "cold-start-heat-balance",
        ledger.residual_j / ledger.throughput_j * 100.0,
    );
    findings.draw(
        Chart::new("Cold start, liquid", "time, h", "°C")
            .curve("coldest cell", cells)
            .curve("container air", air),
    );
    Ok(findings)
}

fn cold_start_air(lab: &Lab) -> Result<Findings, String> {
    let spec = lab.container("air-20ft-1254")?;
    let mut bench = Bench::new(&spec, &resting(-30.0, -30.0), COARSE)?;
    bench.actuate(Place::CONTAINER, Actuation::Hvac { on: true });
    let (_, [cells, air]) = warm_up(&mut bench, 24.0, f64::MAX)?;
    let (_, last_c) = cells.last().copied().unwrap_or((0.0, f64::NAN));
    let first_h = cells
        .iter()
        .find(|&&(_, celsius)| celsius >= 0.0)
        .map(|&(t, _)| t);
    let mut findings = Findings::default();
    findings.set_noted(
        "cold-start-air",
        last_c,
        first_h.map_or("not at 0 °C within a day".into(), |h| {
            format!("at 0 °C after {h:.1} h")
        }),
    );
    findings.draw(
        Chart::new("Cold start, air", "time, h", "°C")
            .curve("coldest cell", cells)
            .curve("container air", air),
    );
    Ok(findings)
}
