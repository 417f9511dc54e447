//! What the sensors make of the truth.

use bess_plant::{InitialState, Place, PlantFault};
use bess_types::{Channel, Quality, Reading};

use super::claim;
use crate::claim::{Basis, Expected, Source, Tag};
use crate::experiment::{Experiment, Findings};
use crate::lab::{Bench, FINE, Lab};

pub(super) const EXPERIMENTS: &[Experiment] = &[CHAIN, WIRES];

const CHAIN: Experiment = Experiment {
    id: "measurement-chain",
    title: "Errors of the measurement chain",
    about: "Every cell voltage, temperature, cluster voltage and cluster current of the container at half power, 40 \
            samples of each at intervals of 1 s, against the truth.",
    claims: &[
        claim(
            "cell-voltage-error",
            "root mean square error of cell voltages",
            "mV",
            Expected::at_most(2.0),
            Basis::Input,
            Source::new(
                &[Tag::Brochure],
                "PL §3, CT §8",
                "cell voltage error typically 2 mV",
            ),
        ),
        claim(
            "temperature-error",
            "largest error of cell temperatures",
            "K",
            Expected::at_most(2.0),
            Basis::Input,
            Source::new(&[Tag::Brochure], "PL §3, CT §8", "temperature error below 2 °C"),
        ),
        claim(
            "high-voltage-error",
            "largest error of cluster voltages, of 1,500 V full scale",
            "%",
            Expected::at_most(0.5),
            Basis::Input,
            Source::new(
                &[Tag::Brochure],
                "PL §3, CT §8",
                "high-voltage measurement better than 0.5 % (of full scale: assumption)",
            ),
        ),
        claim(
            "current-error",
            "largest error of cluster currents, of the box's 250 A full scale",
            "%",
            Expected::at_most(0.5),
            Basis::Input,
            Source::new(
                &[Tag::Brochure],
                "PL §3, CT §8",
                "current measurement better than 0.5 % (of full scale: assumption)",
            ),
        ),
        claim(
            "cell-voltage-step",
            "smallest step between readings of a cell voltage",
            "mV",
            Expected::about(1.0),
            Basis::Input,
            STEPS,
        ),
        claim(
            "current-step",
            "smallest step between readings of a cluster current",
            "A",
            Expected::about(0.1),
            Basis::Input,
            STEPS,
        ),
    ],
    run: measurement_chain,
};

const WIRES: Experiment = Experiment {
    id: "sense-wires",
    title: "Broken sense wires",
    about: "The wire between cells 5 and 6 of a pack at rest breaks, once with the reader's diagnosis, once without; \
            then the wire at the top of the pack.",
    claims: &[
        claim(
            "open-wire-flagged",
            "readings flagged as open wire with diagnosis",
            "",
            Expected::stated(1.0, 1.0),
            Basis::Input,
            OPEN_WIRE,
        ),
        claim(
            "open-wire-mean",
            "unnoticed: either cell's reading off the mean of both",
            "mV",
            Expected::read(-6.0, 6.0, "bias, noise and step of one reading: 2 + 3.5 + 0.5 mV"),
            Basis::Input,
            OPEN_WIRE,
        ),
        claim(
            "open-wire-end",
            "unnoticed: reading of the last cell",
            "V",
            Expected::stated(0.0, 0.0),
            Basis::Input,
            OPEN_WIRE,
        ),
    ],
    run: sense_wires,
};

const STEPS: Source = Source::new(
    &[Tag::Assumption],
    "CT §8",
    "quantisation 1 mV, 0.1 A (typical, box of 250 A)",
);
const OPEN_WIRE: Source = Source::new(
    &[Tag::Assumption],
    "CT §8",
    "an open wire reads 0 V or the mean of its neighbours; with pull current it is flagged",
);

fn measurement_chain(lab: &Lab) -> Result<Findings, String> {
    let spec = lab.container("liq-20ft-1267")?;
    let mut bench = Bench::new(&spec, &InitialState::default(), FINE)?;
    bench.close_all();
    bench.power(0.5 * spec.container.converter.rated_va);
    let topology = bench.plant.topology();
    let (mut square_v2, mut voltages) = (0.0, 0.0);
    let (mut one_cell, mut one_current) = (Vec::new(), Vec::new());
    let mut worst = [0.0_f64; 3];
    let mut out = Vec::new();
    let mut read = |bench: &mut Bench, place: Place, channel: Channel| -> Vec<f64> {
        bench.plant.sample(place, channel, &mut out);
        out.iter().filter_map(|reading| reading.ok()).collect()
    };
    for _ in 0..40 {
        bench.run(1.0);
        for c in 0..topology.clusters {
            let cluster = format!("cluster-{:02}", c + 1);
            for (k, channel, point, scale) in [
                (1, Channel::ClusterVoltage, "voltage", 1500.0),
                (2, Channel::ClusterCurrent, "current", 250.0),
            ] {
                let truth = bench.truth(&cluster, point)?;
                for value in read(&mut bench, Place::cluster(c), channel) {
                    worst[k] = worst[k].max((value - truth).abs() / scale * 100.0);
                    if (c, channel) == (0, Channel::ClusterCurrent) {
                        one_current.push(value);
                    }
                }
            }
            for p in 0..topology.packs_per_cluster {
                let part = |cell: usize| format!("{cluster}/pack-{:02}/cell-{:02}", p + 1, cell + 1);
                let place = Place::pack(c, p);
                for (cell, value) in read(&mut bench, place, Channel::CellVoltages)
                    .into_iter()
                    .enumerate()
                {
                    let error_v = value - bench.truth(&part(cell), "voltage")?;
                    if (c, p, cell) == (0, 0, 0) {
                        one_cell.push(value);
                    }
                    square_v2 += error_v * error_v;
                    voltages += 1.0;
                }
                for (pair, value) in read(&mut bench, place, Channel::CellTemperatures)
                    .into_iter()
                    .enumerate()
                {
                    // within 40 s cells have not warmed by more than their sensors follow
                    let truth_c = bench.truth(&part(2 * pair), "temperature")?;
                    worst[0] = worst[0].max((value - truth_c).abs());
                }
            }
        }
    }
    let mut findings = Findings::default();
    findings.set("cell-voltage-error", libm::sqrt(square_v2 / voltages) * 1e3);
    findings.set("temperature-error", worst[0]);
    findings.set("high-voltage-error", worst[1]);
    findings.set("current-error", worst[2]);
    findings.set("cell-voltage-step", smallest_step(one_cell) * 1e3);
    findings.set("current-step", smallest_step(one_current));
    Ok(findings)
}

/// Between different values.
fn smallest_step(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .filter(|&step| step > 1e-9)
        .fold(f64::INFINITY, f64::min)
}

fn sense_wires(lab: &Lab) -> Result<Findings, String> {
    let spec = lab.liquid(1, 1)?;
    let mut bench = Bench::new(&spec, &InitialState::default(), FINE)?;
    bench.run(1.0);
    let place = Place::pack(0, 0);
    let last = bench.plant.topology().cells_per_pack - 1;
    let open = |index, silent| PlantFault::SensorOpenWire {
        place,
        channel: Channel::CellVoltages,
        index,
        silent,
    };
    let readings = |bench: &mut Bench, fault: &PlantFault| -> Result<Vec<Reading>, String> {
        let mut out = Vec::new();
        bench.inject(fault)?;
        bench.plant.sample(place, Channel::CellVoltages, &mut out);
        bench.plant.clear(fault).map_err(|error| error.to_string())?;
        Ok(out)
    };
    let flagged = readings(&mut bench, &open(4, false))?;
    let silent = readings(&mut bench, &open(4, true))?;
    let end = readings(&mut bench, &open(last, true))?;
    let pair = ["cluster-01/pack-01/cell-05", "cluster-01/pack-01/cell-06"];
    let mean_v = 0.5 * (bench.truth(pair[0], "voltage")? + bench.truth(pair[1], "voltage")?);
    let off_mv = [silent[4], silent[5]]
        .map(|reading| reading.ok().map_or(f64::NAN, |v| (v - mean_v) * 1e3))
        .into_iter()
        .fold(
            0.0_f64,
            |worst, off| if off.abs() > worst.abs() { off } else { worst },
        );
    let count = flagged.iter().filter(|r| r.quality == Quality::OpenWire).count();
    let mut findings = Findings::default();
    findings.set("open-wire-flagged", count as f64);
    findings.set("open-wire-mean", off_mv);
    findings.set("open-wire-end", end[last].ok().unwrap_or(f64::NAN));
    Ok(findings)
}
