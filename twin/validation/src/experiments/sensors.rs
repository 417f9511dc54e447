//! What the sensors make of the truth.

use bess_plant::{InitialState, Place};
use bess_types::Channel;

use super::claim;
use crate::claim::{Basis, Expected, Source, Tag};
use crate::experiment::{Experiment, Findings};
use crate::lab::{Bench, FINE, Lab};

pub(super) const EXPERIMENTS: &[Experiment] = &[Experiment {
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
    ],
    run: measurement_chain,
}];

fn measurement_chain(lab: &Lab) -> Result<Findings, String> {
    let spec = lab.container("liq-20ft-1267")?;
    let mut bench = Bench::new(&spec, &InitialState::default(), FINE)?;
    bench.close_all();
    bench.power(0.5 * spec.container.converter.rated_va);
    let topology = bench.plant.topology();
    let (mut square_v2, mut voltages) = (0.0, 0.0);
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
    Ok(findings)
}
