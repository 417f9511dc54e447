//! Vent gas in the container, detectors, flame and agent.

use bess_plant::{Place, PlantFault};
use bess_types::{Actuation, Channel};

use super::claim;
use crate::chart::{Chart, Points};
use crate::claim::{Basis, Expected, Source, Tag};
use crate::experiment::{Experiment, Findings};
use crate::lab::{Bench, COARSE, Lab, uniform};

pub(super) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        id: "vent-gas",
        title: "Gas of one cell and of two",
        about: "A nail goes through one full cell and, 20 min later, through one in another pack; neighbours take no \
                heat, the room of 13 m³ is closed (0.5 air changes per hour), HVAC circulates.",
        claims: &[
            claim(
                "gas-volume",
                "gas of one cell",
                "L/Ah",
                Expected::stated(0.4, 1.1),
                Basis::Input,
                Source::new(
                    &[Tag::Recalled, Tag::S(20)],
                    "CT §9",
                    "0.6 L/Ah, range 0.4 to 1.1, at 25 °C and 1 atm",
                )
                .weak(),
            ),
            claim(
                "gas-hydrogen-share",
                "hydrogen in the gas of the room",
                "%",
                whole_percent(55.0),
                Basis::Input,
                COMPOSITION,
            ),
            claim(
                "gas-carbon-monoxide-share",
                "carbon monoxide in the gas of the room",
                "%",
                whole_percent(11.0),
                Basis::Input,
                COMPOSITION,
            ),
            claim(
                "lel-after-one-cell",
                "highest mean of the room after one cell, share of the lower explosive limit",
                "%",
                Expected::about(22.0),
                Basis::Derived,
                LEL,
            ),
            claim(
                "hydrogen-after-one-cell",
                "highest mean hydrogen of the room after one cell",
                "ppm",
                Expected::about(7600.0),
                Basis::Derived,
                LEL,
            ),
            claim(
                "cells-to-25-percent-lel",
                "cells burnt or burning when the room passes 25 % of the lower explosive limit",
                "",
                Expected::read(2.0, 2.0, "the second cell, as stated"),
                Basis::Derived,
                LEL,
            ),
        ],
        run: vent_gas,
    },
    Experiment {
        id: "flame",
        title: "Flame of one cell",
        about: "One face of a cell of 300 Ah is heated at 5 K/min, in a closed room where sparks light what it vents; neighbours \
                take no heat. Gas and the vapour of \
                the solvents burn; the source's cells had 100 Ah, so the range goes from its figure to three times that. How \
                much vapour there is follows from the mass a cell loses, what it gives from the heat of combustion of \
                carbonates; the shares of gas and vapour below full charge are chosen to meet these rows.",
        claims: &[
            claim(
                "flame-peak",
                "strongest heat of the flame at full charge, over 1 s",
                "kW",
                flame_kw(140.0),
                Basis::Predicted,
                FLAME,
            ),
            claim(
                "flame-peak-at-80-percent",
                "the same at 80 % charge",
                "kW",
                flame_kw(115.0),
                Basis::Calibrated,
                FLAME,
            ),
            claim(
                "flame-peak-at-60-percent",
                "the same at 60 % charge",
                "kW",
                flame_kw(15.0),
                Basis::Calibrated,
                FLAME,
            ),
            claim(
                "flame-peak-at-40-percent",
                "the same at 40 % charge",
                "kW",
                flame_kw(4.0),
                Basis::Calibrated,
                FLAME,
            ),
        ],
        run: flame,
    },
    Experiment {
        id: "detection-order",
        title: "What notices a hot cell first",
        about: "One face of a cell is heated until it runs away, by 1 K/min and by 4 and 7 K/min, the ends of what UL 9540A \
                allows, each with three sets of sensor errors; bare neighbours, HVAC circulates. All is as sensors \
                show it, with their errors and lags: H2 50 ppm for 10 s; cell voltages read every 100 ms, of which the \
                lowest is 100 mV below the highest of the pack for 30 s (first level of the spread alarm, PS §2), at \
                90 % charge, up to where that alarm counts; smoke 0.15 dB/m for 2 s; heat 58 °C at the ceiling, for \
                which five cells side by side are heated, the fewest that warm it so far. Rows show \
                the smallest margin. The cell's own temperature is left out: the heater warms its sensor before \
                anything happens in the cell. Flame, last in the order, is left out: nothing lights the gas here, \
                and where a spark lights the first of it the flame warms the ceiling before all else is noticed.",
        claims: &[
            claim(
                "hydrogen-before-voltage",
                "hydrogen is detected ahead of the fall of cell voltage by",
                "s",
                Expected::at_least(0.0),
                Basis::Calibrated,
                ORDER,
            ),
            claim(
                "voltage-before-smoke",
                "fall of cell voltage is seen ahead of smoke by",
                "s",
                Expected::at_least(0.0),
                Basis::Calibrated,
                ORDER,
            ),
            claim(
                "smoke-before-heat",
                "smoke is detected ahead of heat at the ceiling, five cells heated, by",
                "s",
                Expected::at_least(0.0),
                Basis::Predicted,
                ORDER,
            ),
        ],
        run: detection_order,
    },
    Experiment {
        id: "agent",
        title: "Flame and agent",
        about: "A nailed cell's gas is lit by a spark that stays; 40 s later the agent is released into the closed room.",
        claims: &[
            claim(
                "agent-discharge-time",
                "design concentration reached after release",
                "s",
                Expected::about(10.0),
                Basis::Input,
                Source::new(
                    &[Tag::Assumption],
                    "CT §11",
                    "concentration rises to design in 10 s",
                ),
            ),
            claim(
                "flame-out",
                "flame out after design concentration of C6F12O",
                "s",
                Expected::read(0.0, 1.1, "“about 1 s” as an upper limit, +10 %"),
                Basis::Input,
                Source::new(
                    &[Tag::S(24), Tag::S(25)],
                    "CT §11",
                    "C6F12O: flame out in about 1 s",
                ),
            ),
            claim(
                "agent-hold-closed",
                "agent above 85 % of design in the closed room",
                "min",
                Expected::at_least(10.0),
                Basis::Calibrated,
                Source::new(
                    &[Tag::Assumption],
                    "CT §11",
                    "hold at least 10 min tight, 2 min if the vent is open",
                ),
            ),
            claim(
                "agent-hold-vented",
                "the same with the damper open",
                "min",
                Expected::about(2.0),
                Basis::Calibrated,
                Source::new(
                    &[Tag::Assumption],
                    "CT §11",
                    "hold at least 10 min tight, 2 min if the vent is open",
                ),
            ),
        ],
        run: agent,
    },
    Experiment {
        id: "other-agents",
        title: "Other agents, and a flame that comes back",
        about: "As before with each agent; a nailed cell's gas is lit, 40 s later the agent is released. Then C6F12O in a room \
                that loses it at 60 air changes per hour, no spark after the flame is out.",
        claims: &[
            claim(
                "flame-out-hfc-227ea",
                "flame out after design concentration of HFC-227ea",
                "s",
                Expected::stated(2.0, 5.0),
                Basis::Input,
                Source::new(&[Tag::Recalled], "CT §11", "HFC-227ea: flame out in 2 to 5 s"),
            ),
            claim(
                "flame-out-aerosol",
                "flame out after design concentration of hot aerosol",
                "s",
                Expected::stated(10.0, 30.0),
                Basis::Input,
                Source::new(
                    &[Tag::S(16), Tag::Recalled],
                    "CT §11",
                    "hot aerosol: flame inhibition in 10 to 30 s",
                ),
            ),
            claim(
                "reignition-concentration",
                "agent when the flame comes back, share of design",
                "%",
                Expected::at_most(50.0),
                Basis::Input,
                REIGNITION,
            ),
            claim(
                "reignition-temperature",
                "hottest slice when the flame comes back",
                "°C",
                Expected::at_least(180.0),
                Basis::Input,
                REIGNITION,
            ),
        ],
        run: other_agents,
    },
];

const COMPOSITION: Source = Source::new(
    &[Tag::S(15)],
    "CT §9",
    "280 Ah cell: H2 55, CO2 18, CO 11, CH4 10 % by volume",
);
const FLAME: Source = Source::new(
    &[Tag::S(16)],
    "CT §9",
    "100 Ah cells with flame: at most 140, 115, 15 and 4 kW at 100, 80, 60 and 40 % charge (rewritten paper)",
)
.weak();
const LEL: Source = Source::new(
    &[Tag::Derived],
    "CT §10",
    "180 L of one cell in 13 m³ are 1.4 %, 22 % of the limit of 6.42 %, H2 about 7,600 ppm; the second cell passes 25 %",
);
const REIGNITION: Source = Source::new(
    &[Tag::Assumption],
    "CT §11",
    "re-ignition if a slice is hotter than 180 °C and agent is below 50 % of design",
);
const ORDER: Source = Source::new(
    &[Tag::Assumption, Tag::S(22), Tag::S(23)],
    "CT §10",
    "expected order: H2 and CO, then cell voltage and temperature, then smoke, then heat, then flame",
)
.weak();

/// What a flame of 100 Ah allows for one of 300 Ah: no less, no more than in proportion.
const fn flame_kw(of_100_ah: f64) -> Expected {
    Expected::read(
        0.9 * of_100_ah,
        1.1 * 3.0 * of_100_ah,
        "of a cell of a third of the capacity: as much to three times as much, ±10 %",
    )
}

/// Half a unit of the last printed digit either way.
const fn whole_percent(x: f64) -> Expected {
    Expected::read(x - 0.5, x + 0.5, "whole per cent as printed")
}

const CAPACITY_AH: f64 = 300.0;

fn nail(pack: usize) -> PlantFault {
    PlantFault::Nail {
        cluster: 0,
        pack,
        cell: 16,
    }
}

fn vent_gas(lab: &Lab) -> Result<Findings, String> {
    let mut spec = lab.liquid(1, 2)?;
    spec.container.pack.cell_to_cell_k_per_w = 1e6;
    let lel_percent = spec.container.gas.explosive_percent[0];
    let mut bench = Bench::new(&spec, &uniform(1.0), COARSE)?;
    bench.actuate(Place::CONTAINER, Actuation::Hvac { on: true });
    let (flow, share, hydrogen) = (
        bench.point("air", "vent-gas-flow")?,
        bench.point("air", "gas-percent-lel")?,
        bench.point("air", "hydrogen-mean")?,
    );
    let (ceiling, ceiling_co) = (
        bench.point("air", "gas-ceiling-percent")?,
        bench.point("air", "carbon-monoxide")?,
    );
    let (mut gas_l, mut highest) = (0.0, [0.0_f64; 2]);
    let (mut lel, mut ppm) = (Vec::new(), Vec::new());
    let mut watch = |bench: &mut Bench| {
        gas_l += bench.plant.truth(flow) * COARSE.as_secs_f64();
        let (now_lel, now_ppm) = (bench.plant.truth(share), bench.plant.truth(hydrogen));
        highest = [highest[0].max(now_lel), highest[1].max(now_ppm)];
        let t_min = bench.seconds() / 60.0;
        if lel.last().is_none_or(|&(last, _)| t_min - last >= 0.1) {
            lel.push((t_min, now_lel));
            ppm.push((t_min, now_ppm));
        }
        false
    };
    bench.inject(&nail(0))?;
    bench.run_until(1200.0, &mut watch);
    let mut findings = Findings::default();
    let hydrogen_share = bench.plant.truth(hydrogen) / 1e4 / (bench.plant.truth(share) / 100.0 * lel_percent);
    findings.set("gas-hydrogen-share", hydrogen_share * 100.0);
    findings.set(
        "gas-carbon-monoxide-share",
        bench.plant.truth(ceiling_co) / 1e4 / bench.plant.truth(ceiling) * 100.0,
    );
    let burning = |bench: &Bench| -> usize {
        let stages = bench
            .events
            .iter()
            .filter(|e| e.point == "runaway-stage" && e.value == 3.0);
        stages.count()
    };
    let mut passed = None;
    if bench.when("air", "gas-25-percent-lel", 1.0).is_some() {
        passed = Some(burning(&bench));
    }
    bench.inject(&nail(1))?;
    bench.run_until(1200.0, |bench| {
        if passed.is_none() && bench.when("air", "gas-25-percent-lel", 1.0).is_some() {
            passed = Some(burning(bench));
        }
        let t_min = bench.seconds() / 60.0;
        if lel.last().is_none_or(|&(last, _)| t_min - last >= 0.1) {
            lel.push((t_min, bench.plant.truth(share)));
            ppm.push((t_min, bench.plant.truth(hydrogen)));
        }
        false
    });
    findings.set("gas-volume", gas_l / CAPACITY_AH);
    findings.set("lel-after-one-cell", highest[0]);
    findings.set("hydrogen-after-one-cell", highest[1]);
    findings.set(
        "cells-to-25-percent-lel",
        passed.ok_or("two cells did not pass 25 %")? as f64,
    );
    findings.draw(
        Chart::new(
            "Gas in the room",
            "time, min",
            "mean, % of the lower explosive limit",
        )
        .curve("gas", lel)
        .band("expected after one cell", 0.9 * 22.0, 1.1 * 22.0),
    );
    findings.draw(Chart::new("Hydrogen in the room", "time, min", "mean, ppm").curve("hydrogen", ppm));
    Ok(findings)
}

fn flame(lab: &Lab) -> Result<Findings, String> {
    let mut findings = Findings::default();
    let mut chart = Chart::new("Heat of the flame", "time, min", "kW");
    for (id, percent) in [
        ("flame-peak", 100),
        ("flame-peak-at-80-percent", 80),
        ("flame-peak-at-60-percent", 60),
        ("flame-peak-at-40-percent", 40),
    ] {
        let soc = f64::from(percent) / 100.0;
        let mut spec = lab.liquid(1, 1)?;
        spec.container.pack.cell_to_cell_k_per_w = 1e6;
        let mut bench = Bench::new(&spec, &uniform(soc), COARSE)?;
        bench.inject(&PlantFault::HeatCell {
            cluster: 0,
            pack: 0,
            cell: 5,
            kelvin_per_min: 5.0,
        })?;
        bench.inject(&PlantFault::Spark)?;
        let mut curve = Points::new();
        let mut burnt_j = 0.0;
        while bench.when("cell-06", "runaway-stage", 4.0).is_none() {
            if bench.seconds() > 2.0 * 3600.0 {
                return Err(format!("the cell at {percent} % did not burn out"));
            }
            bench.run(1.0);
            let now_j = bench.plant.ledger().combustion_j;
            curve.push((bench.seconds() / 60.0, (now_j - burnt_j) / 1e3));
            burnt_j = now_j;
        }
        let peak_kw = curve.iter().map(|p| p.1).fold(0.0, f64::max);
        findings.set_noted(id, peak_kw, format!("{:.1} MJ in all", burnt_j / 1e6));
        chart = chart.curve(format!("{percent} % charge"), curve);
    }
    findings.draw(chart);
    Ok(findings)
}

/// What notices a hot cell, in the expected order: what the sensors show as a share of the threshold, and how long it
/// must be above.
const WATCHED: [(&str, f64); 4] = [
    ("hydrogen", 10.0),
    ("cell voltage", 30.0),
    ("smoke", 2.0),
    ("heat", 0.0),
];

/// Cells side by side of which the first alone is heated, or all: the fewest whose heat is noticed at the ceiling.
const HEATED: [usize; 5] = [5, 6, 7, 8, 9];

/// When each of [`WATCHED`] is noticed while cells are heated, s; voltages the pack's unit reads of the first and of one not
/// heated.
fn noticed(
    lab: &Lab,
    heated: &[usize],
    k_per_min: f64,
    seed: u64,
) -> Result<([Option<f64>; 4], [Points; 2]), String> {
    let mut bench = Bench::seeded(seed, &lab.liquid(1, 1)?, &uniform(0.9), COARSE)?;
    bench.actuate(Place::CONTAINER, Actuation::Hvac { on: true });
    for &cell in heated {
        bench.inject(&PlantFault::HeatCell {
            cluster: 0,
            pack: 0,
            cell,
            kelvin_per_min: k_per_min,
        })?;
    }
    let pack = Place::pack(0, 0);
    let mut since: [Option<f64>; 4] = [None; 4];
    let mut at = [None; 4];
    let mut out = Vec::new();
    let mut curves = [Points::new(), Points::new()];
    let mut burnt_s = None;
    bench.run_until(4.0 * 3600.0, |bench| {
        let now_s = bench.seconds();
        let shares = [
            bench.sensed(Channel::Hydrogen, &mut out) / 50.0,
            bench.sensed_spread_v(pack, &mut out) / 0.1,
            bench.sensed(Channel::Smoke, &mut out) / 0.15,
            bench.sensed(Channel::CeilingTemperature, &mut out) / 58.0,
        ];
        for (k, share) in shares.into_iter().enumerate() {
            since[k] = (share >= 1.0).then(|| since[k].unwrap_or(now_s));
            if at[k].is_none() && since[k].is_some_and(|since_s| now_s - since_s >= WATCHED[k].1) {
                at[k] = Some(now_s);
            }
        }
        if curves[0]
            .last()
            .is_none_or(|&(last, _)| now_s / 60.0 - last >= 0.1)
        {
            bench.plant.sample(pack, Channel::CellVoltages, &mut out);
            for (curve, cell) in curves.iter_mut().zip([5, 29]) {
                if let Some(volts) = out[cell].ok() {
                    curve.push((now_s / 60.0, volts));
                }
            }
        }
        if burnt_s.is_none() {
            burnt_s = bench.when("cell-06", "runaway-stage", 4.0);
        }
        // a single cell does not warm the ceiling that far
        at.iter().all(Option::is_some) || burnt_s.is_some_and(|burnt_s| now_s > burnt_s + 1800.0)
    });
    Ok((at, curves))
}

fn detection_order(lab: &Lab) -> Result<Findings, String> {
    let mut findings = Findings::default();
    let mut chart = Chart::new("Cell voltages as read", "time, min", "V");
    // each is ahead of the next of `WATCHED`: how many cells are heated, smallest margin and how it was
    let mut margins = [
        ("hydrogen-before-voltage", 1, f64::MAX, String::new()),
        ("voltage-before-smoke", 1, f64::MAX, String::new()),
        ("smoke-before-heat", HEATED.len(), f64::MAX, String::new()),
    ];
    for k_per_min in [1.0, 4.0, 7.0] {
        for seed in [1, 2, 3] {
            for count in [1, HEATED.len()] {
                let (at, [heated, other]) = noticed(lab, &HEATED[..count], k_per_min, seed)?;
                let time = |k: usize| {
                    at[k].ok_or_else(|| format!("{} was not noticed at {k_per_min} K/min", WATCHED[k].0))
                };
                for (k, (_, cells, margin_s, text)) in margins.iter_mut().enumerate() {
                    if *cells != count {
                        continue;
                    }
                    let (first_s, then_s) = (time(k)?, time(k + 1)?);
                    if then_s - first_s < *margin_s {
                        *margin_s = then_s - first_s;
                        *text = format!(
                            "at {k_per_min} K/min: {} at {:.1} min, {} at {:.1} min",
                            WATCHED[k].0,
                            first_s / 60.0,
                            WATCHED[k + 1].0,
                            then_s / 60.0
                        );
                    }
                }
                if k_per_min == 7.0 && seed == 1 && count == 1 {
                    chart = chart
                        .curve("heated cell, 7 K/min", heated)
                        .curve("another cell of the pack", other);
                }
            }
        }
    }
    for (id, _, margin_s, text) in margins {
        findings.set_noted(id, margin_s, text);
    }
    findings.draw(chart);
    Ok(findings)
}

fn agent(lab: &Lab) -> Result<Findings, String> {
    let mut findings = Findings::default();
    let spec = lab.liquid(1, 1)?;
    let missing = |what: &'static str| move || format!("{what} was not seen");
    let mut hold_min = |vented: bool| -> Result<f64, String> {
        let mut bench = Bench::new(&spec, &uniform(1.0), COARSE)?;
        if !vented {
            bench.inject(&nail(0))?;
            bench.inject(&PlantFault::Spark)?;
        }
        bench.run(40.0);
        let released_s = bench.seconds();
        bench.actuate(
            Place::CONTAINER,
            Actuation::Ventilation {
                fan: false,
                damper_open: vented,
            },
        );
        bench.actuate(Place::CONTAINER, Actuation::ReleaseAgent);
        bench.run_until(1500.0, |bench| {
            bench.when("suppression", "agent-below-hold", 1.0).is_some()
        });
        let reached_s = bench
            .when("suppression", "agent-design-reached", 1.0)
            .ok_or_else(missing("design concentration"))?;
        let below_s = bench
            .when("suppression", "agent-below-hold", 1.0)
            .ok_or_else(missing("the end of the hold"))?;
        if !vented {
            findings.set("agent-discharge-time", reached_s - released_s);
            let out_s = bench.when("air", "flame", 0.0).ok_or_else(missing("flame out"))?;
            findings.set("flame-out", out_s - reached_s);
        }
        Ok((below_s - reached_s) / 60.0)
    };
    let (closed, vented) = (hold_min(false)?, hold_min(true)?);
    findings.set("agent-hold-closed", closed);
    findings.set("agent-hold-vented", vented);
    Ok(findings)
}

/// A burning cell and an agent in its first seconds.
fn burning(lab: &Lab, agent: &str, leak_per_h: Option<f64>) -> Result<Bench, String> {
    let mut spec = lab.liquid(1, 1)?;
    spec.container.agent = Lab::agent(agent)?;
    if let Some(leak_per_h) = leak_per_h {
        spec.container.suppression.leak_per_h = [leak_per_h; 2];
    }
    let mut bench = Bench::new(&spec, &uniform(1.0), COARSE)?;
    bench.inject(&nail(0))?;
    bench.inject(&PlantFault::Spark)?;
    bench.run(40.0);
    bench.actuate(Place::CONTAINER, Actuation::ReleaseAgent);
    bench.run_until(60.0, |bench| bench.when("air", "flame", 0.0).is_some());
    Ok(bench)
}

fn other_agents(lab: &Lab) -> Result<Findings, String> {
    let mut findings = Findings::default();
    for (id, agent) in [
        ("flame-out-hfc-227ea", "HFC-227ea"),
        ("flame-out-aerosol", "aerosol"),
    ] {
        let bench = burning(lab, agent, None)?;
        let reached_s = bench.when("suppression", "agent-design-reached", 1.0);
        let out_s = bench.when("air", "flame", 0.0);
        let (Some(reached_s), Some(out_s)) = (reached_s, out_s) else {
            return Err(format!("{agent} did not put the flame out"));
        };
        findings.set(id, out_s - reached_s);
    }
    let mut bench = burning(lab, "C6F12O", Some(60.0))?;
    bench
        .plant
        .clear(&PlantFault::Spark)
        .map_err(|error| error.to_string())?;
    let flame = bench.point("air", "flame")?;
    if !bench.run_until(200.0, |bench| bench.plant.truth(flame) > 0.5) {
        return Err("the flame did not come back".into());
    }
    let design_percent = Lab::agent("C6F12O")?.design_percent;
    let percent = bench.truth("suppression", "concentration")?;
    findings.set("reignition-concentration", percent / design_percent * 100.0);
    let hottest_c = bench.truth("cluster-01/pack-01/cell-17", "hottest-slice")?;
    findings.set("reignition-temperature", hottest_c);
    Ok(findings)
}
