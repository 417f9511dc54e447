//! One cell on a bench, under a prescribed current: the plant's own electrical model.

use bess_plant::bench::{CellBench, STEP_S};
use bess_plant::spec::CellSpec;

use super::claim;
use crate::chart::{Chart, Points};
use crate::claim::{Basis, Expected, Source, Tag};
use crate::experiment::{Experiment, Findings};
use crate::lab::Lab;

pub(super) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        id: "cell-cycle",
        title: "A 300 Ah cell at 0.5C and 25 °C",
        about: "The cell is held at 25 °C and cycled at 150 A between 2.8 and 3.6 V; the second cycle counts.",
        claims: &[
            claim(
                "cell-round-trip",
                "energy out over energy in",
                "%",
                Expected::stated(95.0, 97.0),
                Basis::Calibrated,
                Source::new(
                    &[Tag::Brochure],
                    "CT §1, §11 check 1",
                    "battery round trip 96 %, accepted 95 to 97 %",
                ),
            ),
            claim(
                "cell-usable-share",
                "charge between 2.8 and 3.6 V, share of the rated capacity",
                "%",
                Expected::read(97.5, 98.5, "whole per cent as printed"),
                Basis::Derived,
                Source::new(
                    &[Tag::Derived],
                    "CT §4",
                    "about 98 % of 0 to 100 %: discharge ends near 2 %, charge above 99.9 %",
                ),
            ),
            claim(
                "cell-heat",
                "mean irreversible heat",
                "W",
                Expected::about(10.0),
                Basis::Derived,
                Source::new(
                    &[Tag::Derived],
                    "CT §6",
                    "7 W ohmic and 3.3 W hysteresis at 0.5C, about 10 W",
                ),
            ),
        ],
        run: cycle,
    },
    Experiment {
        id: "rest-recovery",
        title: "Rest after a discharge",
        about: "A 280 Ah cell, for which the source states its figures, goes from full to half at 140 A and rests for \
                2 h at 25 °C; hysteresis stays where it is.",
        claims: &[
            claim(
                "recovery-at-once",
                "voltage recovered in the first second",
                "mV",
                Expected::about(26.0),
                Basis::Calibrated,
                RECOVERY,
            ),
            claim(
                "recovery-after-60-s",
                "voltage recovered within 60 s",
                "mV",
                Expected::about(35.0),
                Basis::Calibrated,
                RECOVERY,
            ),
            claim(
                "recovery-in-all",
                "voltage recovered in all",
                "mV",
                Expected::stated(45.0, 50.0),
                Basis::Calibrated,
                RECOVERY,
            ),
        ],
        run: rest_recovery,
    },
    Experiment {
        id: "cell-resistance",
        title: "Resistance and pulse",
        about: "A 300 Ah cell at 25 °C. DC resistance: voltage recovered in 2 h after 0.5C to half charge, over the \
                current. AC resistance stands for R0: the drop in the first second at 40 % charge without the share of \
                the fast link. Pulse: from half charge, where the source names none.",
        claims: &[
            claim(
                "dc-resistance",
                "quasi-steady DC resistance at half charge",
                "mΩ",
                Expected::stated(0.27, 0.38),
                Basis::Calibrated,
                Source::new(
                    &[Tag::S(2)],
                    "CT §1",
                    "302 Ah cell, mid charge, 25 °C: 0.27 to 0.38 mΩ (1.5 × AC)",
                ),
            ),
            claim(
                "ac-resistance",
                "instantaneous resistance at 40 % charge",
                "mΩ",
                Expected::at_most(0.25),
                Basis::Calibrated,
                Source::new(
                    &[Tag::S(1), Tag::S(2)],
                    "CT §1",
                    "1 kHz at 40 % charge: at most 0.25 mΩ (280 Ah), 0.18 typical (302 Ah)",
                ),
            ),
            claim(
                "pulse-906-a",
                "lowest voltage of a discharge pulse of 906 A for 30 s",
                "V",
                Expected::at_least(2.5),
                Basis::Predicted,
                Source::new(
                    &[Tag::S(2), Tag::S(3)],
                    "CT §1",
                    "302 Ah cell: pulse 906 A for 30 s; discharge cut-off 2.5 V",
                ),
            ),
            claim(
                "pulse-charge-906-a",
                "highest voltage of a charge pulse of 906 A for 30 s",
                "V",
                Expected::at_most(3.65),
                Basis::Predicted,
                Source::new(
                    &[Tag::S(2), Tag::S(3)],
                    "CT §1",
                    "302 Ah cell: pulse 906 A for 30 s; charge cut-off 3.65 V",
                )
                .weak(),
            ),
        ],
        run: resistance,
    },
    Experiment {
        id: "self-discharge",
        title: "Thirty days on the shelf",
        about: "A half charged cell rests for 30 days at 25 °C.",
        claims: &[claim(
            "self-discharge-month",
            "charge lost in 30 days, share of capacity",
            "%",
            Expected::read(0.6, 2.4, "1.5 ± 0.3 % (1σ) read as ± 3σ; maker's limit is 3 %"),
            Basis::Input,
            Source::new(
                &[Tag::Assumption],
                "CT §1",
                "at most 3 % a month with BMU drain; rig value 1.5 ± 0.3 %",
            ),
        )],
        run: self_discharge,
    },
];

const RECOVERY: Source = Source::new(
    &[Tag::Derived],
    "CT §11 check 2",
    "rest after 0.5C at half charge recovers 45 to 50 mV: about 26 mV at once, about 35 mV within 60 s",
);

/// Held at its temperature.
const HELD_W_PER_K: f64 = 1e6;

fn bench(spec: &CellSpec, soc: f64, temperature_c: f64) -> Result<CellBench, String> {
    CellBench::new(spec, soc, temperature_c, HELD_W_PER_K, temperature_c).map_err(|error| error.to_string())
}

fn cycle(lab: &Lab) -> Result<Findings, String> {
    let spec = lab.cell("lfp-300")?;
    let half_c_a = 0.5 * spec.capacity_ah;
    let mut cell = bench(&spec, 0.5, 25.0)?;
    let late = "the voltage limit was not reached within 3 h";
    cell.run_to(half_c_a, 2.8, 10_800).ok_or(late)?;
    cell.run_to(-half_c_a, 3.6, 10_800).ok_or(late)?;

    let (mut energy_j, mut charge_c, mut heat_j, mut seconds) = ([0.0; 2], [0.0; 2], 0.0, 0.0);
    let mut curves = [Vec::new(), Vec::new()];
    for (way, current_a) in [(0, half_c_a), (1, -half_c_a)] {
        let mut before_v = cell.voltage_v();
        for second in 0.. {
            if second > 10_800 {
                return Err(late.into());
            }
            cell.step(current_a);
            let after_v = cell.voltage_v();
            if second > 0 {
                energy_j[way] += 0.5 * (before_v + after_v) * half_c_a * STEP_S;
                charge_c[way] += half_c_a * STEP_S;
            }
            before_v = after_v;
            heat_j += cell.heat_w() * STEP_S;
            seconds += STEP_S;
            curves[way].push((cell.soc() * 100.0, after_v));
            if (way == 0 && after_v <= 2.8) || (way == 1 && after_v >= 3.6) {
                break;
            }
        }
    }
    let mut findings = Findings::default();
    findings.set("cell-round-trip", energy_j[0] / energy_j[1] * 100.0);
    findings.set_noted(
        "cell-usable-share",
        charge_c[0] / 3600.0 / spec.capacity_ah * 100.0,
        format!("{:.0} Wh out", energy_j[0] / 3600.0),
    );
    findings.set("cell-heat", heat_j / seconds);
    let [discharge, charge] = curves;
    findings.draw(
        Chart::new("Terminal voltage at 0.5C", "state of charge, %", "V")
            .curve("discharge", discharge)
            .curve("charge", charge),
    );
    Ok(findings)
}

fn rest_recovery(lab: &Lab) -> Result<Findings, String> {
    let mut spec = lab.cell("lfp-300")?;
    spec.capacity_ah = 280.0;
    let (recovered, curve) = recovery(&spec)?;
    let mut findings = Findings::default();
    findings.set("recovery-at-once", recovered[0]);
    findings.set("recovery-after-60-s", recovered[1]);
    findings.set("recovery-in-all", recovered[2]);
    findings.draw(
        Chart::new("Voltage recovered at rest", "time, min", "mV")
            .curve("model", curve)
            .band("expected in all", 45.0, 50.0),
    );
    Ok(findings)
}

/// Voltage recovered after 0.5C from full to half: within 1 s, 60 s and 2 h, mV, and over time in minutes.
fn recovery(spec: &CellSpec) -> Result<([f64; 3], Points), String> {
    let mut cell = bench(spec, 1.0, 25.0)?;
    cell.run(0.5 * spec.capacity_ah, 3600);
    let loaded_v = cell.voltage_v();
    let mut curve = vec![(0.0, 0.0)];
    for second in 1..=7200 {
        cell.step(0.0);
        curve.push((f64::from(second) / 60.0, (cell.voltage_v() - loaded_v) * 1e3));
    }
    Ok(([curve[1].1, curve[60].1, curve[7200].1], curve))
}

fn resistance(lab: &Lab) -> Result<Findings, String> {
    let spec = lab.cell("lfp-300")?;
    let mut findings = Findings::default();
    let (recovered_mv, _) = recovery(&spec)?;
    findings.set("dc-resistance", recovered_mv[2] / (0.5 * spec.capacity_ah));

    let mut cell = bench(&spec, 0.4, 25.0)?;
    let rest_v = cell.voltage_v();
    cell.step(1.0);
    let fast = spec.resistance.split[1] * -libm::expm1(-STEP_S / spec.resistance.tau_s[0]);
    let total_mohm = (rest_v - cell.voltage_v()) * 1e3;
    let r0_share = spec.resistance.split[0] / (spec.resistance.split[0] + fast);
    findings.set("ac-resistance", total_mohm * r0_share);

    let mut chart = Chart::new("Pulses of 906 A from half charge", "time, s", "V");
    for (id, name, current_a) in [
        ("pulse-906-a", "discharge", 906.0),
        ("pulse-charge-906-a", "charge", -906.0),
    ] {
        let mut cell = bench(&spec, 0.5, 25.0)?;
        let mut curve = vec![(0.0, cell.voltage_v())];
        for second in 1..=60 {
            cell.step(if second <= 30 { current_a } else { 0.0 });
            curve.push((f64::from(second), cell.voltage_v()));
        }
        let volts = curve.iter().map(|p| p.1);
        findings.set(
            id,
            if current_a > 0.0 {
                volts.fold(f64::MAX, f64::min)
            } else {
                volts.fold(f64::MIN, f64::max)
            },
        );
        chart = chart.curve(name, curve);
    }
    findings.draw(chart.band("between the cut-offs", 2.5, 3.65));
    Ok(findings)
}

fn self_discharge(lab: &Lab) -> Result<Findings, String> {
    let mut cell = bench(&lab.cell("lfp-300")?, 0.5, 25.0)?;
    let before = cell.soc();
    cell.run(0.0, 30 * 86_400);
    let mut findings = Findings::default();
    findings.set("self-discharge-month", (before - cell.soc()) * 100.0);
    Ok(findings)
}
