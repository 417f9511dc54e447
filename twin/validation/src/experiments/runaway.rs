//! Thermal runaway of a cell and its way through a row of cells.

use bess_plant::{PlantFault, PlantSpec};

use super::claim;
use crate::chart::Chart;
use crate::claim::{Basis, Expected, Source, Tag};
use crate::experiment::{Experiment, Findings};
use crate::lab::{Bench, COARSE, FINE, Lab, uniform};

pub(super) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        id: "heated-cell",
        title: "A heated cell",
        about: "One face of a full cell is heated at 5 K/min (UL 9540A asks for 4 to 7) until it runs away; neither \
                plate nor neighbours take heat. Temperatures are those of the hottest fifth of the cell, which faces \
                the heater as the sensor of such tests does.",
        claims: &[
            claim(
                "self-heating-onset",
                "measurable self-heating begins",
                "°C",
                Expected::stated(80.0, 120.0),
                Basis::Input,
                Source::new(
                    &[Tag::Recalled],
                    "CT §9",
                    "onset of measurable self-heating 80 to 120 °C (calorimetry)",
                ),
            ),
            claim(
                "first-vent-temperature",
                "first venting",
                "°C",
                Expected::read(162.8, 163.8, "163.3 °C ± the half degree of such a sensor"),
                Basis::Input,
                Source::new(
                    &[Tag::S(15)],
                    "CT §9",
                    "280 Ah cell, side heated: vents at 163.3 °C and 245.9 °C",
                ),
            ),
            claim(
                "voltage-begins-to-fall",
                "terminal voltage 10 mV below its value at rest",
                "°C",
                Expected::stated(130.0, 165.0),
                Basis::Input,
                Source::new(
                    &[Tag::Recalled],
                    "CT §9",
                    "separator fails and voltage begins to fall at 130 to 165 °C",
                ),
            ),
            claim(
                "runaway-onset",
                "runaway begins",
                "°C",
                Expected::about(203.9),
                Basis::Input,
                Source::new(
                    &[Tag::Recalled],
                    "CT §9",
                    "faster than 1 °C/min from 203.9 °C (40 Ah, calorimeter, from second hand)",
                )
                .weak(),
            ),
            claim(
                "runaway-peak-face",
                "highest temperature of the hottest fifth of the cell",
                "°C",
                Expected::about(534.0),
                Basis::Calibrated,
                Source::new(
                    &[Tag::S(16)],
                    "CT §9",
                    "100 Ah cell, side heated: 534 °C at the hottest of six sensors",
                ),
            ),
            claim(
                "runaway-peak-mean",
                "highest mean temperature of the cell",
                "°C",
                Expected::stated(450.0, 530.0),
                Basis::Calibrated,
                Source::new(
                    &[Tag::Assumption],
                    "CT §10",
                    "heat release chosen so that the cell reaches 450 to 530 °C",
                ),
            ),
            claim(
                "runaway-heat",
                "heat of reactions that stays in the cell",
                "MJ",
                Expected::about(2.0 * 300.0 / 280.0),
                Basis::Calibrated,
                Source::new(
                    &[Tag::Assumption],
                    "CT §10",
                    "2.0 MJ spread over the slices of a full 280 Ah cell, as 300 to 280 for this one",
                ),
            ),
            claim(
                "gas-peak-flow",
                "strongest flow of gas out of one cell in runaway",
                "L/s",
                Expected::about(1.5 * 300.0 / 280.0),
                Basis::Input,
                Source::new(
                    &[Tag::Assumption],
                    "CT §10",
                    "runaway of a 280 Ah cell: 90 % of its gas in 250 s, peak 1.5 L/s; as 300 to 280 for this one",
                ),
            ),
            claim(
                "runaway-duration",
                "from runaway to the end of its heat release",
                "s",
                Expected::about(294.0),
                Basis::Calibrated,
                Source::new(
                    &[Tag::S(16)],
                    "CT §9",
                    "runaway of a 100 Ah cell lasts 294 s (rewritten paper)",
                )
                .weak(),
            ),
        ],
        run: heated_cell,
    },
    Experiment {
        id: "propagation",
        title: "Runaway from cell to cell",
        about: "The first of eleven cells standing face to face is heated at 5 K/min until it runs away. Bare faces; \
                what does not touch a neighbour loses 15 W/m²K to 25 °C (assumption: still air and radiation, for the test's \
                stand is not described).",
        claims: &[
            claim(
                "propagation-interval",
                "mean time from one cell to the next, ten intervals",
                "s",
                Expected::stated(667.0, 1305.0),
                Basis::Calibrated,
                Source::new(
                    &[Tag::S(17)],
                    "CT §9, §11 check 4",
                    "280 Ah cells at full charge: 667 to 1,305 s per cell",
                ),
            ),
            claim(
                "propagation-interval-settled",
                "the last of ten intervals",
                "s",
                Expected::stated(667.0, 1305.0),
                Basis::Calibrated,
                Source::new(
                    &[Tag::S(17)],
                    "CT §9, §11 check 4",
                    "280 Ah cells at full charge: 667 to 1,305 s per cell",
                ),
            ),
            claim(
                "propagation-transfer-power",
                "mean heat flow through the face of a burning cell into the next, until that one runs away",
                "W",
                Expected::about(264.0),
                Basis::Calibrated,
                Source::new(
                    &[Tag::S(17)],
                    "CT §9",
                    "transfer power 264 W between 280 Ah cells",
                ),
            ),
            claim(
                "propagation-neighbour-share",
                "heat that passes into the next cell until that one runs away, share of the heat of a burnt cell",
                "%",
                Expected::at_most(10.0),
                Basis::Calibrated,
                HEAT_SHARES,
            ),
            claim(
                "propagation-ejecta",
                "heat that leaves with ejecta, share of the heat of burnt cells",
                "%",
                Expected::about(20.0),
                Basis::Input,
                HEAT_SHARES,
            ),
            claim(
                "propagation-at-80-percent",
                "cells that run away after the heated one in 3 h at 80 % charge",
                "",
                Expected::read(0.0, 0.0, "none, as stated"),
                Basis::Calibrated,
                Source::new(
                    &[Tag::S(17)],
                    "CT §9",
                    "propagation only at full charge, not at 80 or 40 %",
                ),
            ),
            claim(
                "propagation-at-40-percent",
                "cells that run away after the heated one in 3 h at 40 % charge",
                "",
                Expected::read(0.0, 0.0, "none, as stated"),
                Basis::Predicted,
                Source::new(
                    &[Tag::S(17)],
                    "CT §9",
                    "propagation only at full charge, not at 80 or 40 %",
                ),
            ),
            claim(
                "propagation-with-barrier",
                "time to the next cell behind 2 mm of aerogel, liquid cooling running",
                "min",
                Expected::at_least(120.0),
                Basis::Predicted,
                Source::new(
                    &[Tag::Assumption],
                    "CT §10",
                    "barrier of 3.5 K/W: interval above 2 h or no propagation",
                ),
            ),
        ],
        run: propagation,
    },
    Experiment {
        id: "overcharge",
        title: "An overcharged cell",
        about: "A full cell in a half charged cluster of nine packs is charged on with the others at about 0.4C; nobody stops it.",
        claims: &[
            claim(
                "overcharge-voltage",
                "highest voltage of the cell before it vents",
                "V",
                Expected::stated(4.5, 5.0),
                Basis::Input,
                OVERCHARGE,
            ),
            claim(
                "overcharge-time",
                "from 4.5 V to runaway",
                "min",
                Expected::at_least(20.0),
                Basis::Predicted,
                OVERCHARGE,
            ),
        ],
        run: overcharge,
    },
];

const HEAT_SHARES: Source = Source::new(
    &[Tag::S(17)],
    "CT §9",
    "280 Ah cells: more than 75 % of the heat stays in the cell, about 20 % leaves with ejecta, less than 10 % reaches \
     the neighbour",
);
const OVERCHARGE: Source = Source::new(
    &[Tag::Assumption],
    "CT §10",
    "trigger by overcharge: more than 4.5 to 5 V for more than 20 min at 0.5C",
);

/// Cells of a row, face to face.
const ROW: usize = 11;
const RATE_K_PER_MIN: f64 = 5.0;

fn cell(number: usize) -> String {
    format!("cluster-01/pack-01/cell-{number:02}")
}

/// Top, bottom and narrow sides of a cell of 174.6 × 71.7 × 207.1 mm, m².
const FREE_M2: f64 = 0.0547;
/// Still air (5) and radiation of a foiled cell, which grows from 7 at 100 °C to 25 at 400 °C, W/m²K: assumption.
const STILL_W_PER_M2_K: f64 = 15.0;

/// A pack in which every cell loses heat through this resistance to a plate that stays at its temperature, with rows
/// apart: the cells of the tests stood in one row.
fn losing(mut spec: PlantSpec, k_per_w: f64) -> PlantSpec {
    spec.container.pack.row_to_row_k_per_w = 1e9;
    if let Some(plate) = &mut spec.container.pack.plate {
        plate.cell_to_plate_k_per_w = k_per_w - plate.film_k_per_w;
    }
    spec
}

fn heated(spec: &PlantSpec, soc: f64, first: usize) -> Result<Bench, String> {
    let mut bench = Bench::new(spec, &uniform(soc), COARSE)?;
    bench.inject(&PlantFault::HeatCell {
        cluster: 0,
        pack: 0,
        cell: first - 1,
        kelvin_per_min: RATE_K_PER_MIN,
    })?;
    Ok(bench)
}

fn heated_cell(lab: &Lab) -> Result<Findings, String> {
    let mut spec = losing(lab.liquid(1, 1)?, 1e6);
    spec.container.pack.cell_to_cell_k_per_w = 1e6;
    let mut bench = heated(&spec, 1.0, 6)?;
    let part = cell(6);
    let (hottest, mean, volts, stage) = (
        bench.point(&part, "hottest-slice")?,
        bench.point(&part, "temperature")?,
        bench.point(&part, "voltage")?,
        bench.point(&part, "runaway-stage")?,
    );
    let flow = bench.point("air", "vent-gas-flow")?;
    let start_v = bench.plant.truth(volts);
    let mut flow_l_per_s = 0.0_f64;
    let mut at_stage = [f64::NAN; 5];
    let (mut fallen_c, mut peak_c, mut before_c) = (f64::NAN, f64::MIN, 25.0);
    let (mut hot, mut middle, mut voltage) = (Vec::new(), Vec::new(), Vec::new());
    bench.run_until(5400.0, |bench| {
        let hottest_c = bench.plant.truth(hottest);
        peak_c = peak_c.max(hottest_c);
        flow_l_per_s = flow_l_per_s.max(bench.plant.truth(flow));
        if fallen_c.is_nan() && bench.plant.truth(volts) < start_v - 0.01 {
            fallen_c = hottest_c;
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a stage is 0 to 4"
        )]
        let now = bench.plant.truth(stage) as usize;
        for at in &mut at_stage[1..=now] {
            if at.is_nan() {
                // the step that changed the stage has already moved on
                *at = f64::midpoint(before_c, hottest_c);
            }
        }
        before_c = hottest_c;
        let t_min = bench.seconds() / 60.0;
        if hot.last().is_none_or(|&(last, _)| t_min - last >= 0.1) {
            hot.push((t_min, hottest_c));
            middle.push((t_min, bench.plant.truth(mean)));
            voltage.push((t_min, bench.plant.truth(volts)));
        }
        false
    });
    let mut findings = Findings::default();
    findings.set("self-heating-onset", at_stage[1]);
    findings.set("first-vent-temperature", at_stage[2]);
    findings.set("voltage-begins-to-fall", fallen_c);
    findings.set("runaway-onset", at_stage[3]);
    findings.set("runaway-peak-face", peak_c);
    findings.set("gas-peak-flow", flow_l_per_s);
    findings.set(
        "runaway-peak-mean",
        middle.iter().map(|p| p.1).fold(0.0, f64::max),
    );
    findings.set("runaway-heat", bench.plant.ledger().reaction_j / 1e6);
    let begun_s = bench.when("cell-06", "runaway-stage", 3.0).ok_or("no runaway")?;
    let burnt_s = bench
        .when("cell-06", "runaway-stage", 4.0)
        .ok_or("the cell did not burn out")?;
    findings.set("runaway-duration", burnt_s - begun_s);
    findings.draw(
        Chart::new("Temperatures of the heated cell", "time, min", "°C")
            .curve("hottest fifth", hot)
            .curve("mean", middle)
            .band("expected peak of the mean", 450.0, 530.0),
    );
    findings.draw(Chart::new("Its voltage", "time, min", "V").curve("terminals", voltage));
    Ok(findings)
}

/// Times at which cells of the row run away, s.
fn front(bench: &Bench) -> Vec<f64> {
    (1..=ROW)
        .filter_map(|number| bench.when(&cell(number), "runaway-stage", 3.0))
        .collect()
}

/// A row standing free, its first cell heated.
fn row(lab: &Lab, soc: f64) -> Result<Bench, String> {
    let mut spec = losing(lab.liquid(1, 1)?, 1.0 / (STILL_W_PER_M2_K * FREE_M2));
    spec.container.pack.cell_to_cell_k_per_w = 1.4;
    let mut bench = heated(&spec, soc, 1)?;
    bench.cool(25.0);
    Ok(bench)
}

fn propagation(lab: &Lab) -> Result<Findings, String> {
    let mut findings = Findings::default();
    let mut bench = row(lab, 1.0)?;
    let [means, flows] = ["temperature", "heat-to-next"].map(|point| {
        (1..=ROW)
            .map(|number| bench.point(&cell(number), point))
            .collect::<Result<Vec<_>, _>>()
    });
    let (means, flows) = (means?, flows?);
    let mut curves = vec![Vec::new(); ROW];
    // heat through the face of each burning cell until the next one runs away, and for how long
    let (mut burning, mut through_j, mut since_s, mut passed) = (0, 0.0, 0.0, Vec::new());
    bench.run_until(4.5 * 3600.0, |bench| {
        let t_min = bench.seconds() / 60.0;
        if curves[0].last().is_none_or(|&(last, _)| t_min - last >= 0.5) {
            for (curve, &mean) in curves.iter_mut().zip(&means) {
                curve.push((t_min, bench.plant.truth(mean)));
            }
        }
        let burnt = front(bench).len();
        if burnt > 0 {
            through_j += bench.plant.truth(flows[burnt - 1]) * COARSE.as_secs_f64();
        }
        if burnt > burning {
            let now_s = bench.seconds();
            if burning > 0 {
                passed.push((through_j, now_s - since_s));
            }
            (burning, since_s, through_j) = (burnt, now_s, 0.0);
        }
        burnt == ROW
    });
    let times = front(&bench);
    let intervals: Vec<f64> = times.windows(2).map(|t| t[1] - t[0]).collect();
    if intervals.len() != ROW - 1 {
        return Err(format!("runaway stopped after {} cells", times.len()));
    }
    findings.set_noted(
        "propagation-interval",
        intervals.iter().sum::<f64>() / intervals.len() as f64,
        format!(
            "{:.0} to {:.0} s",
            intervals.iter().copied().fold(f64::MAX, f64::min),
            intervals.iter().copied().fold(0.0, f64::max)
        ),
    );
    findings.set("propagation-interval-settled", intervals[intervals.len() - 1]);
    // without the first, which the heater helps, and the last, behind which there is no row
    let inner = &passed[1..passed.len() - 1];
    let (inner_j, inner_s) = inner
        .iter()
        .fold((0.0, 0.0), |(heat_j, time_s), &(j, s)| (heat_j + j, time_s + s));
    let power_w = inner_j / inner_s;
    findings.set("propagation-transfer-power", power_w);
    // until the last has burnt out as well
    bench.run(600.0);
    let ledger = bench.plant.ledger();
    let cell_j = (ledger.reaction_j + ledger.ejecta_j) / ROW as f64;
    let ejecta_percent = ledger.ejecta_j / ROW as f64 / cell_j * 100.0;
    let passed_j = inner_j / inner.len() as f64;
    let passed_percent = passed_j / cell_j * 100.0;
    findings.set_noted(
        "propagation-neighbour-share",
        passed_percent,
        format!(
            "{:.0} kJ of {:.2} MJ. With {ejecta_percent:.0} % as ejecta, {:.0} % are then still in the cell, not more than \
             75 %: the source's shares leave 5 % for the neighbour, but its 264 W for 667 s are 9 % of 2.0 MJ",
            passed_j / 1e3,
            cell_j / 1e6,
            100.0 - ejecta_percent - passed_percent
        ),
    );
    findings.set("propagation-ejecta", ejecta_percent);
    let mut chart = Chart::new("Mean temperatures along the row, bare", "time, min", "°C");
    for (number, curve) in curves.into_iter().enumerate().step_by(2) {
        chart = chart.curve(format!("cell {}", number + 1), curve);
    }
    findings.draw(chart);

    for (id, soc) in [
        ("propagation-at-80-percent", 0.8),
        ("propagation-at-40-percent", 0.4),
    ] {
        let mut bench = row(lab, soc)?;
        bench.run(3.0 * 3600.0);
        let times = front(&bench);
        let first_s = times.first().copied().ok_or("the heated cell did not run away")?;
        let note = times.get(1).map_or_else(String::new, |next| {
            format!("the next one after {:.0} s", next - first_s)
        });
        findings.set_noted(id, (times.len() - 1) as f64, note);
    }

    let mut barrier = lab.liquid(1, 1)?;
    barrier.container.pack.cell_to_cell_k_per_w = 3.5;
    let mut bench = heated(&barrier, 1.0, 1)?;
    bench.cool(22.0);
    let next = bench.point(&cell(2), "hottest-slice")?;
    let first = bench.point(&cell(1), "temperature")?;
    let (mut burnt, mut kept) = (Vec::new(), Vec::new());
    bench.run_until(4.0 * 3600.0, |bench| {
        let t_min = bench.seconds() / 60.0;
        if kept.last().is_none_or(|&(last, _)| t_min - last >= 0.5) {
            burnt.push((t_min, bench.plant.truth(first)));
            kept.push((t_min, bench.plant.truth(next)));
        }
        false
    });
    let times = front(&bench);
    let first_s = times.first().copied().ok_or("the heated cell did not run away")?;
    let hottest_c = kept.iter().map(|p| p.1).fold(0.0, f64::max);
    match times.get(1) {
        Some(next_s) => findings.set("propagation-with-barrier", (next_s - first_s) / 60.0),
        None => findings.set_beyond(
            "propagation-with-barrier",
            (bench.seconds() - first_s) / 60.0,
            format!("none while watched; the next cell reached {hottest_c:.0} °C"),
        ),
    }
    findings.draw(
        Chart::new("Behind an aerogel barrier", "time, min", "°C")
            .curve("heated cell, mean", burnt)
            .curve("next cell, hottest fifth", kept),
    );
    Ok(findings)
}

fn overcharge(lab: &Lab) -> Result<Findings, String> {
    let mut bench = Bench::new(&lab.liquid(1, 9)?, &uniform(0.5), FINE)?;
    bench.inject(&PlantFault::CellSoc {
        cluster: 0,
        pack: 0,
        cell: 5,
        soc: 1.0,
    })?;
    bench.close_all();
    bench.power(-195e3);
    let cell = cell(6);
    let volts = bench.point(&cell, "voltage")?;
    let (mut above_s, mut highest_v) = (None, f64::MIN);
    let ran_away = bench.run_until(2.0 * 3600.0, |bench| {
        let now_v = bench.plant.truth(volts);
        if bench.when(&cell, "runaway-stage", 2.0).is_none() {
            highest_v = highest_v.max(now_v);
        }
        if now_v > 4.5 && above_s.is_none() {
            above_s = Some(bench.seconds());
        }
        bench.when(&cell, "runaway-stage", 3.0).is_some()
    });
    let from_s = above_s.filter(|_| ran_away).ok_or("the cell did not run away")?;
    let mut findings = Findings::default();
    findings.set("overcharge-voltage", highest_v);
    findings.set("overcharge-time", (bench.seconds() - from_s) / 60.0);
    Ok(findings)
}
