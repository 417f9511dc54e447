//! Vent gas in the container, detectors, flame and agent.

use bess_plant::{Place, PlantFault};
use bess_types::{Actuation, Channel};

use super::claim;
use crate::chart::Chart;
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
        id: "detection-order",
        title: "What notices a hot cell first",
        about: "One face of a cell is heated at 5 K/min, bare neighbours, HVAC circulates. All cells stand at 95 %, where a \
                battery management system stops charging; above, a shorted cell first loses the last tenths of a volt \
                of its charge. Thresholds: H2 50 ppm, a cell 100 mV below another of its pack (first level of the \
                spread alarm), smoke 0.15 dB/m, heat 58 °C at the ceiling. The cell's own temperature is left out: the \
                heater warms its sensor before anything happens in the cell.",
        claims: &[
            claim(
                "hydrogen-before-voltage",
                "hydrogen is detected ahead of the fall of cell voltage by",
                "s",
                Expected::at_least(0.0),
                Basis::Predicted,
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
                "heat at the ceiling is noticed before smoke (1) or not (0; so too if it is not noticed within 3 h)",
                "",
                Expected::read(0.0, 0.0, "not before, as the order says"),
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

fn detection_order(lab: &Lab) -> Result<Findings, String> {
    let mut bench = Bench::new(&lab.liquid(1, 1)?, &uniform(0.95), COARSE)?;
    bench.actuate(Place::CONTAINER, Actuation::Hvac { on: true });
    bench.inject(&PlantFault::HeatCell {
        cluster: 0,
        pack: 0,
        cell: 5,
        kelvin_per_min: 5.0,
    })?;
    let (volts, other) = (
        bench.point("cluster-01/pack-01/cell-06", "voltage")?,
        bench.point("cluster-01/pack-01/cell-30", "voltage")?,
    );
    let mut first = [None; 4];
    let mut out = Vec::new();
    let mut curves = [Vec::new(), Vec::new()];
    bench.run_until(3.0 * 3600.0, |bench| {
        let seen = [
            bench.sensed(Channel::Hydrogen, &mut out) / 50.0,
            (bench.plant.truth(other) - bench.plant.truth(volts)) / 0.1,
            bench.sensed(Channel::Smoke, &mut out) / 0.15,
            bench.sensed(Channel::CeilingTemperature, &mut out) / 58.0,
        ];
        for (first, share) in first.iter_mut().zip(seen) {
            if first.is_none() && share >= 1.0 {
                *first = Some(bench.seconds());
            }
        }
        let t_min = bench.seconds() / 60.0;
        if curves[0].last().is_none_or(|&(last, _)| t_min - last >= 0.1) {
            curves[0].push((t_min, bench.plant.truth(volts)));
            curves[1].push((t_min, bench.plant.truth(other)));
        }
        first.iter().all(Option::is_some)
    });
    let watched_s = bench.seconds();
    let [.., heat_s] = first;
    let names = ["hydrogen", "cell voltage", "smoke"];
    let mut at = [0.0; 3];
    for ((at, first), name) in at.iter_mut().zip(first).zip(names) {
        *at = first.ok_or_else(|| format!("{name} was not noticed within 3 h"))?;
    }
    let note = |k: usize| format!("{} at {:.1} min", names[k], at[k] / 60.0);
    let mut findings = Findings::default();
    findings.set_noted(
        "hydrogen-before-voltage",
        at[1] - at[0],
        format!("{}, {}", note(0), note(1)),
    );
    findings.set_noted(
        "voltage-before-smoke",
        at[2] - at[1],
        format!("{}, {}", note(1), note(2)),
    );
    // a single cell need not warm the ceiling that far
    let heat = heat_s.map_or_else(
        || {
            let watched_min = watched_s / 60.0;
            format!("heat not noticed within {watched_min:.0} min, so its place after smoke is not shown")
        },
        |heat_s| format!("heat at {:.1} min", heat_s / 60.0),
    );
    findings.set_noted(
        "smoke-before-heat",
        f64::from(heat_s.is_some_and(|heat_s| heat_s < at[2])),
        format!("{}, {heat}", note(2)),
    );
    let [heated, other] = curves;
    findings.draw(
        Chart::new("Cell voltages", "time, min", "V")
            .curve("heated cell", heated)
            .curve("another cell of the pack", other),
    );
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
