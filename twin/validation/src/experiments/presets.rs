//! Containers and cabinets of the catalogue: what is installed, what they give, and the efficiency of the cabinets.

use bess_types::Actuation;

use super::claim;
use crate::chart::Chart;
use crate::claim::{Basis, Expected, Source, Tag};
use crate::experiment::{Experiment, Findings};
use crate::lab::{Bench, COARSE, Lab, uniform};
use bess_plant::spec::ContainerSpec;
use bess_plant::{InitialState, Place};

/// One preset: its id, cells in series, deviation of the installed energy from the printed one in per cent with half of
/// its last digit, and that figure in words.
macro_rules! preset {
    ($id:literal, $cells:literal, $deviation:literal, $half:literal, $section:literal, $figure:literal) => {
        Experiment {
            id: concat!("preset-", $id),
            title: concat!("Preset ", $id),
            about: "Installed: cells of the composed plant × their capacity × 3.2 V. Given: one cluster of it, all cells \
                    alike at 25 °C, at its share of the rated power at the DC terminals, from full until the first cell \
                    is at 2.8 V.",
            claims: &[
                claim(
                    concat!($id, "-installed"),
                    "installed energy over the printed one",
                    "%",
                    Expected::read($deviation - $half, $deviation + $half, "deviation as printed, last digit"),
                    Basis::Input,
                    Source::new(&[Tag::Brochure, Tag::Derived], $section, $figure),
                ),
                claim(
                    concat!($id, "-energy"),
                    "energy given at rated power, share of the installed one",
                    "%",
                    Expected::read(
                        98.0 * 3.15 / 3.2,
                        98.0 * 3.25 / 3.2,
                        "98 % of the charge at 3.2 V, that figure read as 3.15 to 3.25",
                    ),
                    Basis::Derived,
                    Source::new(
                        &[Tag::Derived, Tag::Brochure],
                        "CT §4, PL §1",
                        "about 98 % of the charge lie between 2.8 and 3.6 V at 0.5C; 3.2 V nominal",
                    ),
                ),
                claim(
                    concat!($id, "-voltage"),
                    "mean voltage of a cluster at rated power",
                    "V",
                    for_each(
                        $cells,
                        "3.2 V for each cell read as 3.15 to 3.25"
                    ),
                    Basis::Predicted,
                    Source::new(
                        &[Tag::Brochure, Tag::Derived],
                        $section,
                        concat!("nominal voltage of ", stringify!($cells), " cells of 3.2 V in series"),
                    ),
                ),
            ],
            run: |lab| preset(lab, $id, [concat!($id, "-installed"), concat!($id, "-energy"), concat!($id, "-voltage")]),
        }
    };
}

pub(super) const EXPERIMENTS: &[Experiment] = &[
    preset!(
        "liq-20ft-1267",
        396,
        0.04,
        0.005,
        "PL §6.2",
        "3.421 MWh installed for 3.42 printed: +0.04 %"
    ),
    preset!(
        "air-10ft-762",
        238,
        6.6,
        0.05,
        "PL §6.2",
        "1.066 MWh installed for 1 printed: +6.6 %"
    ),
    preset!(
        "air-10ft-272S",
        272,
        -2.5,
        0.05,
        "PL §6.2",
        "0.975 MWh installed for 1 printed: −2.5 %"
    ),
    preset!(
        "air-20ft-1254",
        392,
        -4.2,
        0.05,
        "PL §6.2",
        "2.107 MWh installed for 2.2 printed: −4.2 %"
    ),
    preset!(
        "air-20ft-762",
        238,
        -3.1,
        0.05,
        "PL §6.2",
        "2.132 MWh installed for 2.2 printed: −3.1 %"
    ),
    preset!(
        "air-20ft-272S",
        272,
        -0.3,
        0.05,
        "PL §6.2",
        "2.193 MWh installed for 2.2 printed: −0.3 %"
    ),
    preset!(
        "air-40ft-1254",
        392,
        -4.2,
        0.05,
        "PL §6.2",
        "2.107 MWh installed for 2.2 printed: −4.2 %"
    ),
    preset!(
        "air-45ft-1254",
        392,
        -1.7,
        0.05,
        "PL §6.2",
        "4.917 MWh installed for 5 printed: −1.7 %"
    ),
    preset!(
        "ci-air-200",
        224,
        0.35,
        0.005,
        "PL §7",
        "200.704 kWh installed for 200 printed: +0.35 %"
    ),
    preset!(
        "ci-liq-211",
        220,
        0.09,
        0.005,
        "PL §7",
        "211.2 kWh installed for 211 printed: +0.09 %"
    ),
    Experiment {
        id: "cabinet-efficiency",
        title: "Overall efficiency of the cabinets",
        about: "All cells with their spread, 25 °C outside, cooling, pack fans and controls on, 100 kW AC from 2.8 V of the lowest \
                cell to 3.6 V of the highest and back; energy out over energy in at the meter, auxiliaries included. \
                One cycle to settle, one that is judged; what is left in the cells differs a little and is taken off.",
        claims: &[
            claim(
                "ci-liq-211-overall",
                "liquid-cooled cabinet, AC to AC",
                "%",
                OVERALL,
                Basis::Calibrated,
                OVERALL_SOURCE,
            ),
            claim(
                "ci-air-200-overall",
                "air-cooled cabinet, AC to AC",
                "%",
                OVERALL,
                Basis::Calibrated,
                OVERALL_SOURCE,
            ),
        ],
        run: overall,
    },
];

/// 3.15 to 3.25 V for each of these cells.
const fn for_each(cells: usize, reading: &'static str) -> Expected {
    Expected::read(3.15 * cells as f64, 3.25 * cells as f64, reading)
}

const OVERALL: Expected = Expected::read(85.4, 89.4, "four factors of the budget, each to 1 %: ±2 %");
const OVERALL_SOURCE: Source = Source::new(
    &[Tag::Brochure, Tag::Assumption],
    "PL §7",
    "87.4 % overall; budget: battery 0.96 × PCS 0.97 × 0.97 × auxiliaries 0.968",
);

/// Longest discharge or charge, s.
const LATE_S: f64 = 12_000.0;

/// Chiller or fans of the packs, and HVAC.
fn cool(bench: &mut Bench, container: &ContainerSpec) {
    if container.cooling.is_some() {
        bench.cool(22.0);
    }
    if container.pack.airflow.is_some() {
        bench.drive_fans(1.0);
    }
    bench.actuate(Place::CONTAINER, Actuation::Hvac { on: true });
}

fn preset(lab: &Lab, id: &str, rows: [&'static str; 3]) -> Result<Findings, String> {
    let (printed_kw, printed_kwh) = Lab::printed(id)?;
    let mut spec = lab.container(id)?;
    let container = &mut spec.container;
    let clusters = container.clusters as f64;
    let series = (container.packs_per_cluster * container.cells_per_pack) as f64;
    let cluster_kwh = series * spec.cell.capacity_ah * 3.2e-3;
    container.clusters = 1;
    container.converter.rated_va /= clusters;

    let mut bench = Bench::new(&spec, &uniform(1.0), COARSE)?;
    cool(&mut bench, &spec.container);
    bench.close_all();
    let [volts, amperes, lowest, ac] = [
        ("cluster-01", "voltage"),
        ("cluster-01", "current"),
        ("", "cell-voltage-min"),
        ("pcs", "active-power"),
    ]
    .map(|(part, point)| bench.point(part, point));
    let (volts, amperes, lowest, ac) = (volts?, amperes?, lowest?, ac?);
    let wanted_w = printed_kw * 1e3 / clusters;
    let (mut energy_j, mut charge_c, mut curve, mut steps) = (0.0, 0.0, Vec::new(), 0_u32);
    let ended = bench.run_until(LATE_S, |bench| {
        let [v, a, ac_w] = [volts, amperes, ac].map(|at| bench.plant.truth(at));
        energy_j += v * a * COARSE.as_secs_f64();
        charge_c += a * COARSE.as_secs_f64();
        // what the PCS loses is not asked of it
        bench.power(ac_w + wanted_w - v * a);
        steps += 1;
        if steps.is_multiple_of(300) {
            curve.push((bench.seconds() / 3600.0, v));
        }
        steps.is_multiple_of(10) && bench.plant.truth(lowest) <= 2.8
    });
    if !ended {
        return Err("no cell reached 2.8 V".into());
    }
    let mut findings = Findings::default();
    let [installed, energy, voltage] = rows;
    findings.set_noted(
        installed,
        (cluster_kwh * clusters / printed_kwh - 1.0) * 100.0,
        format!(
            "{:.3} MWh in {clusters} clusters of {series} cells",
            cluster_kwh * clusters / 1e3
        ),
    );
    findings.set_noted(
        energy,
        energy_j / 3.6e6 / cluster_kwh * 100.0,
        format!(
            "{:.1} of {cluster_kwh:.1} kWh and {:.1} Ah in {:.2} h at {:.1} kW; {:.1} A at the end",
            energy_j / 3.6e6,
            charge_c / 3600.0,
            bench.seconds() / 3600.0,
            wanted_w / 1e3,
            bench.plant.truth(amperes)
        ),
    );
    findings.set(voltage, energy_j / charge_c);
    findings.draw(
        Chart::new("A cluster at rated power", "time, h", "V")
            .curve("cluster", curve)
            .band("window of the cells", 2.8 * series, 3.6 * series),
    );
    Ok(findings)
}

fn overall(lab: &Lab) -> Result<Findings, String> {
    let mut findings = Findings::default();
    for (row, id) in [
        ("ci-liq-211-overall", "ci-liq-211"),
        ("ci-air-200-overall", "ci-air-200"),
    ] {
        let (printed_kw, _) = Lab::printed(id)?;
        let spec = lab.container(id)?;
        let mut bench = Bench::new(&spec, &InitialState::default(), COARSE)?;
        cool(&mut bench, &spec.container);
        bench.close_all();
        let half = |bench: &mut Bench, kilowatts: f64| -> Result<[f64; 2], String> {
            let (meter, auxiliary) = (
                bench.point("grid", "poi-active-power")?,
                bench.point("", "auxiliary-power")?,
            );
            let limit = bench.point(
                "",
                if kilowatts > 0.0 {
                    "cell-voltage-min"
                } else {
                    "cell-voltage-max"
                },
            )?;
            bench.power(kilowatts * 1e3);
            let (mut energy_j, mut own_j, mut steps) = (0.0, 0.0, 0_u32);
            let ended = bench.run_until(LATE_S, |bench| {
                energy_j += bench.plant.truth(meter) * COARSE.as_secs_f64();
                own_j += bench.plant.truth(auxiliary) * COARSE.as_secs_f64();
                steps += 1;
                let volts = bench.plant.truth(limit);
                steps.is_multiple_of(10)
                    && if kilowatts > 0.0 {
                        volts <= 2.8
                    } else {
                        volts >= 3.6
                    }
            });
            if ended {
                Ok([energy_j, own_j])
            } else {
                Err(format!("at {kilowatts} kW no cell reached its limit"))
            }
        };
        half(&mut bench, printed_kw)?;
        half(&mut bench, -printed_kw)?;
        half(&mut bench, printed_kw)?;
        let begin = bench.plant.ledger();
        let [taken_j, own_in_j] = half(&mut bench, -printed_kw)?;
        let [given_j, own_out_j] = half(&mut bench, printed_kw)?;
        let end = bench.plant.ledger();
        let left_j = end.stored_j - begin.stored_j;
        let own_share = 1.0 - given_j / (given_j + own_out_j) * (taken_j + own_in_j) / taken_j;
        findings.set_noted(
            row,
            given_j / (-taken_j - left_j) * 100.0,
            format!(
                "{:.1} kWh in, {:.1} out, of which cooling and controls took {:.1} ({:.1} %, 3.2 in the budget); PCS lost \
                 {:.1}, cells and path {:.1}",
                -taken_j / 3.6e6,
                given_j / 3.6e6,
                (own_in_j + own_out_j) / 3.6e6,
                own_share * 100.0,
                (end.converter_loss_j - begin.converter_loss_j) / 3.6e6,
                (end.heat_j - end.bus_heat_j - begin.heat_j + begin.bus_heat_j) / 3.6e6
            ),
        );
    }
    Ok(findings)
}
