//! The cell in the cold, and over years.

use bess_plant::ageing::{Leg, age};
use bess_plant::bench::CellBench;
use bess_plant::spec::CellSpec;

use super::claim;
use crate::chart::Chart;
use crate::claim::{Basis, Expected, Source, Tag};
use crate::experiment::{Experiment, Findings};
use crate::lab::Lab;

pub(super) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        id: "cold-capacity",
        title: "Charge within reach in the cold",
        about: "A full 300 Ah cell is discharged at 0.5C to 2.5 V, share of what it gives at 25 °C. The source \
                has its shares on top of what resistance costs; the shipped cell is judged with all that it costs, and the \
                notes have the share alone.",
        claims: &[
            claim(
                "capacity-at-10",
                "charge at 10 °C",
                "%",
                as_printed(98.0),
                Basis::Calibrated,
                COLD,
            ),
            claim(
                "capacity-at-0",
                "charge at 0 °C",
                "%",
                as_printed(94.0),
                Basis::Calibrated,
                COLD,
            ),
            claim(
                "capacity-at-minus-10",
                "charge at −10 °C",
                "%",
                as_printed(85.0),
                Basis::Calibrated,
                COLD,
            ),
            claim(
                "capacity-at-minus-20",
                "charge at −20 °C",
                "%",
                as_printed(72.0),
                Basis::Calibrated,
                COLD,
            ),
        ],
        run: cold_capacity,
    },
    Experiment {
        id: "cold-resistance",
        title: "Resistance in the cold",
        about: "DC resistance of a 300 Ah cell over that at 25 °C, mean of both directions and of 20 to 80 % charge; and what \
                the first second of 0.5C shows at its terminals, mean of 30, 50 and 70 % charge. What the cold keeps out of reach \
                comes on top within some ten minutes and is judged by rows of its own.",
        claims: &[
            claim(
                "resistance-at-minus-10",
                "resistance at −10 °C, times that at 25 °C",
                "",
                Expected::about(2.1),
                Basis::Input,
                COLD_RESISTANCE,
            ),
            claim(
                "resistance-at-minus-20",
                "resistance at −20 °C, times that at 25 °C",
                "",
                Expected::about(2.8),
                Basis::Input,
                COLD_RESISTANCE,
            ),
            claim(
                "first-second-at-minus-20",
                "fall of voltage in the first second of 0.5C at −20 °C, times that at 25 °C",
                "",
                Expected::about(2.8),
                Basis::Predicted,
                COLD_RESISTANCE,
            ),
        ],
        run: cold_resistance,
    },
    Experiment {
        id: "cycle-life",
        title: "Cycle life",
        about: "Full cycles in 4 h without rests, laws of calendar and cyclic ageing together, until 80 % of the capacity \
                are left. The activation energy of cycling is that of the calendar law, so life at 45 °C is a prediction.",
        claims: &[
            claim(
                "cycles-at-25",
                "cycles to 80 % at 25 °C",
                "",
                Expected::about(6000.0),
                Basis::Calibrated,
                Source::new(
                    &[Tag::S(1), Tag::S(4), Tag::Brochure],
                    "CT §1",
                    "6,000 cycles at 25 °C, 0.5P, 2.5 to 3.65 V, to 80 %; brochure: more than 6,000",
                ),
            ),
            claim(
                "cycles-at-45",
                "cycles to 80 % at 45 °C",
                "",
                Expected::about(2500.0),
                Basis::Predicted,
                Source::new(&[Tag::S(1)], "CT §1", "2,500 cycles at 45 °C"),
            ),
        ],
        run: cycle_life,
    },
    Experiment {
        id: "calendar-life",
        title: "Calendar life",
        about: "A cell stands at 25 °C, calendar ageing only.",
        claims: &[
            claim(
                "two-years-at-40-percent",
                "capacity left after two years at 40 % charge",
                "%",
                Expected::at_least(98.0),
                Basis::Calibrated,
                STORAGE,
            ),
            claim(
                "years-at-full-charge",
                "years to 70 % of the capacity at full charge",
                "a",
                Expected::about(27.0),
                Basis::Calibrated,
                STORAGE,
            ),
        ],
        run: calendar_life,
    },
];

const COLD: Source = Source::new(
    &[Tag::Assumption],
    "CT §4",
    "usable at 25 / 10 / 0 / −10 / −20 °C: 100 / 98 / 94 / 85 / 72 %, on top of the effect of resistance",
);
const COLD_RESISTANCE: Source = Source::new(
    &[Tag::Derived, Tag::Assumption],
    "CT §3",
    "1,700 K over 25 °C fits the middle rows: × 2.1 at −10 °C, × 2.8 at −20 °C, both extrapolated",
)
.weak();
const STORAGE: Source = Source::new(
    &[Tag::S(4)],
    "CT §1",
    "two years at 40 % charge and 25 °C: at least 98 %; full: about 27 years to 70 %",
);

const fn as_printed(percent: f64) -> Expected {
    Expected::read(percent - 0.5, percent + 0.5, "whole per cent as printed")
}

fn held(spec: &CellSpec, soc: f64, temperature_c: f64) -> Result<CellBench, String> {
    CellBench::new(spec, soc, temperature_c, 1e6, temperature_c).map_err(|error| error.to_string())
}

fn cold_capacity(lab: &Lab) -> Result<Findings, String> {
    let real = lab.cell("lfp-300")?;
    let mut ideal = real.clone();
    for row in ideal
        .resistance
        .charge_mohm
        .iter_mut()
        .chain(&mut ideal.resistance.discharge_mohm)
    {
        *row = [row[1]; 3];
    }
    ideal.resistance.arrhenius_k = 0.0;
    let given = |spec: &CellSpec, temperature_c: f64| -> Result<f64, String> {
        held(spec, 1.0, temperature_c)?
            .run_to(0.5 * spec.capacity_ah, 2.5, 10_800)
            .map(f64::from)
            .ok_or_else(|| format!("2.5 V were not reached within 3 h at {temperature_c} °C"))
    };
    let warm_s = given(&real, 25.0)?;
    let mut findings = Findings::default();
    let mut curves = [vec![(25.0, 100.0)], vec![(25.0, 100.0)]];
    for (id, temperature_c) in [
        ("capacity-at-10", 10.0),
        ("capacity-at-0", 0.0),
        ("capacity-at-minus-10", -10.0),
        ("capacity-at-minus-20", -20.0),
    ] {
        let share = given(&ideal, temperature_c)? / warm_s * 100.0;
        let in_all = given(&real, temperature_c)? / warm_s * 100.0;
        findings.set_noted(
            id,
            in_all,
            format!("{share:.1} % if resistance were that of 25 °C"),
        );
        curves[0].push((temperature_c, share));
        curves[1].push((temperature_c, in_all));
    }
    let [share, in_all] = curves;
    findings.draw(
        Chart::new("Charge given at 0.5C", "cell temperature, °C", "%")
            .curve("besides resistance", share)
            .curve("in all", in_all),
    );
    Ok(findings)
}

fn cold_resistance(lab: &Lab) -> Result<Findings, String> {
    let spec = lab.cell("lfp-300")?;
    let mean_ohm = |temperature_c: f64| -> Result<f64, String> {
        let mut sum = 0.0;
        for percent in (20..=80).step_by(10) {
            for current_a in [0.01, -0.01] {
                let mut cell = held(&spec, f64::from(percent) / 100.0, temperature_c)?;
                cell.step(current_a);
                sum += cell.resistance_ohm();
            }
        }
        Ok(sum / 14.0)
    };
    // at the terminals, after so many seconds of 0.5C
    let fall_ohm = |soc: f64, temperature_c: f64, seconds: u32| -> Result<f64, String> {
        let mut cell = held(&spec, soc, temperature_c)?;
        let (before_v, current_a) = (cell.voltage_v(), 0.5 * spec.capacity_ah);
        cell.run(current_a, seconds);
        Ok((before_v - cell.voltage_v()) / current_a)
    };
    let warm_ohm = mean_ohm(25.0)?;
    let mut findings = Findings::default();
    for (id, temperature_c) in [
        ("resistance-at-minus-10", -10.0),
        ("resistance-at-minus-20", -20.0),
    ] {
        findings.set(id, mean_ohm(temperature_c)? / warm_ohm);
    }
    let fallen = |temperature_c: f64, seconds: u32| -> Result<f64, String> {
        let falls = [0.3, 0.5, 0.7].map(|soc| fall_ohm(soc, temperature_c, seconds));
        falls.into_iter().try_fold(0.0, |sum, fall| Ok(sum + fall? / 3.0))
    };
    let cold_ohm = fallen(-20.0, 1)?;
    findings.set_noted(
        "first-second-at-minus-20",
        cold_ohm / fallen(25.0, 1)?,
        format!(
            "{:.2} mΩ; {:.2} mΩ after 20 min",
            cold_ohm * 1e3,
            fallen(-20.0, 1200)? * 1e3
        ),
    );
    let mut curves = [Vec::new(), Vec::new()];
    for temperature_c in (-20..=45).step_by(5).map(f64::from) {
        curves[0].push((temperature_c, mean_ohm(temperature_c)? * 1e3));
        curves[1].push((temperature_c, fall_ohm(0.5, temperature_c, 1)? * 1e3));
    }
    let [steady, first] = curves;
    findings.draw(
        Chart::new("DC resistance, mid charge", "cell temperature, °C", "mΩ")
            .curve("R0 and both RC links", steady)
            .curve("first second of 0.5C at 50 %", first),
    );
    Ok(findings)
}

fn cycle_life(lab: &Lab) -> Result<Findings, String> {
    let spec = lab.cell("lfp-300")?.ageing;
    let mut findings = Findings::default();
    let mut chart = Chart::new("Capacity over full cycles", "full cycles", "capacity, %");
    for (id, temperature_c) in [("cycles-at-25", 25.0), ("cycles-at-45", 45.0)] {
        let duty = [0.0, 1.0].map(|soc| Leg {
            hours: 2.0,
            soc,
            temperature_c,
        });
        let (cycles, health) = age(&spec, &duty, 20_000, 0.8);
        findings.set_noted(
            id,
            cycles as f64,
            format!(
                "{:.1} % lost by cycles, {:.1} % by the calendar; resistance × {:.2}",
                health.cycle_loss * 100.0,
                health.calendar_loss * 100.0,
                health.resistance_factor
            ),
        );
        let curve = (0..=8).map(|k| {
            let (done, health) = age(&spec, &duty, cycles * k / 8, 0.0);
            (done as f64, health.soh * 100.0)
        });
        chart = chart.curve(format!("{temperature_c} °C"), curve.collect());
    }
    findings.draw(chart.band("80 % and above", 80.0, 100.0));
    Ok(findings)
}

fn calendar_life(lab: &Lab) -> Result<Findings, String> {
    let spec = lab.cell("lfp-300")?.ageing;
    let day = |soc: f64| {
        [Leg {
            hours: 24.0,
            soc,
            temperature_c: 25.0,
        }]
    };
    let (_, health) = age(&spec, &day(0.4), 730, 0.0);
    let (days, _) = age(&spec, &day(1.0), 20_000, 0.7);
    let mut findings = Findings::default();
    findings.set("two-years-at-40-percent", health.soh * 100.0);
    findings.set("years-at-full-charge", days as f64 / 365.25);
    Ok(findings)
}
