//! Insulation to earth and its monitors.

use bess_plant::{Place, PlantFault, Pole};
use bess_types::{Channel, Coil};

use super::claim;
use crate::chart::Chart;
use crate::claim::{Basis, Expected, Source, Tag};
use crate::experiment::{Experiment, Findings};
use crate::lab::{Bench, COARSE, Lab, uniform};

pub(super) const EXPERIMENTS: &[Experiment] = &[Experiment {
    id: "insulation",
    title: "Insulation monitor",
    about: "A leak of 75 kΩ (half of the fault threshold of 100 Ω/V at 1,500 V) appears on a healthy cluster at \
                twelve instants of the monitor's cycle; it responds when it reads less than the threshold of 150 kΩ. \
                Then with ten times the capacitance; then nine healthy clusters joined on the bus, every leg at the \
                lowest of its range.",
    claims: &[
        claim(
            "imd-response-time",
            "slowest response of the insulation monitor",
            "s",
            Expected::stated(10.0, 30.0),
            Basis::Calibrated,
            RESPONSE,
        ),
        claim(
            "imd-response-time-shortest",
            "fastest response of the insulation monitor",
            "s",
            Expected::stated(10.0, 30.0),
            Basis::Calibrated,
            RESPONSE,
        ),
        claim(
            "imd-response-nine-clusters",
            "slowest response with nine clusters joined",
            "s",
            Expected::stated(10.0, 30.0),
            Basis::Calibrated,
            RESPONSE,
        ),
        claim(
            "imd-response-capacitance",
            "slowest response with 2 µF per leg over that with 0.2 µF, nine clusters",
            "",
            Expected::at_least(1.0),
            Basis::Predicted,
            RESPONSE,
        ),
        claim(
            "imd-disturbed",
            "reading of nine clusters with all monitors measuring over that with one",
            "",
            Expected::at_most(1.0),
            Basis::Predicted,
            Source::new(
                &[Tag::Assumption],
                "CT §7",
                "monitors in parallel on one bus disturb one another: only one is active",
            ),
        ),
        claim(
            "imd-reading",
            "reading with a leak at the fault threshold",
            "kΩ",
            Expected::about(150.0),
            Basis::Input,
            Source::new(
                &[Tag::S(14), Tag::Derived],
                "CT §7",
                "at most 100 Ω/V is a fault: 150 kΩ at 1,500 V",
            ),
        ),
        claim(
            "insulation-healthy",
            "one healthy cluster, its legs at their lowest, at 1,500 V",
            "Ω/V",
            Expected::at_least(500.0),
            Basis::Input,
            HEALTHY,
        ),
        claim(
            "insulation-nine-clusters",
            "nine healthy clusters joined, every leg at its lowest, at 1,500 V",
            "Ω/V",
            Expected::at_least(500.0),
            Basis::Calibrated,
            HEALTHY,
        ),
    ],
    run: insulation,
}];

const RESPONSE: Source = Source::new(
    &[Tag::Assumption],
    "CT §7",
    "response of an insulation monitor 10 to 30 s, longer with large capacitance; 0.2 to 2 µF per leg",
);
const HEALTHY: Source = Source::new(
    &[Tag::S(14), Tag::Derived],
    "CT §7",
    "above 500 Ω/V is healthy: 750 kΩ at 1,500 V",
);

fn insulation(lab: &Lab) -> Result<Findings, String> {
    let respond = |bench: &mut Bench, ohm: f64, curve: &mut Vec<(f64, f64)>| -> Result<f64, String> {
        bench.inject(&PlantFault::Insulation {
            cluster: 0,
            pole: Pole::Positive,
            ohm,
        })?;
        let at_s = bench.seconds();
        let mut out = Vec::new();
        let mut responded_s = None;
        bench.run_until(200.0, |bench| {
            let t = bench.seconds() - at_s;
            if curve.last().is_some_and(|&(last, _)| t - last < 0.099) {
                return false;
            }
            let place = Place::cluster(0);
            bench.plant.sample(place, Channel::InsulationResistance, &mut out);
            let read_ohm = out.first().and_then(|reading| reading.ok()).unwrap_or(f64::NAN);
            curve.push((t, read_ohm / 1e3));
            if read_ohm < 150e3 && responded_s.is_none() {
                responded_s = Some(t);
            }
            responded_s.is_some_and(|responded_s| t > responded_s + 5.0)
        });
        responded_s.ok_or_else(|| "the monitor did not respond within 200 s".to_owned())
    };
    let extremes = |clusters: usize, leg_uf: f64, curve: &mut Vec<(f64, f64)>| -> Result<[f64; 2], String> {
        let mut spec = lab.liquid(clusters, 1)?;
        spec.container.insulation.leg_uf *= leg_uf;
        let mut found = [f64::MAX, 0.0];
        for instant in 0..12 {
            let mut bench = Bench::new(&spec, &uniform(0.5), COARSE)?;
            for cluster in (0..clusters).filter(|_| clusters > 1) {
                bench.coil(cluster, Coil::MainNegative, true);
            }
            bench.run(60.0 + 1.3 * f64::from(instant));
            curve.clear();
            let response_s = respond(&mut bench, 75e3, curve)?;
            found = [found[0].min(response_s), found[1].max(response_s)];
        }
        Ok(found)
    };
    let (mut curve, mut other) = (Vec::new(), Vec::new());
    let [fastest_s, slowest_s] = extremes(1, 1.0, &mut curve)?;
    let [_, joined_s] = extremes(9, 1.0, &mut other)?;
    let [_, large_s] = extremes(9, 10.0, &mut other)?;
    let mut findings = Findings::default();
    findings.set("imd-response-time", slowest_s);
    findings.set("imd-response-time-shortest", fastest_s);
    findings.set("imd-response-nine-clusters", joined_s);
    findings.set_noted(
        "imd-response-capacitance",
        large_s / joined_s,
        format!("{large_s:.1} s against {joined_s:.1} s"),
    );

    let mut bench = Bench::new(&lab.liquid(1, 1)?, &uniform(0.5), COARSE)?;
    bench.inject(&PlantFault::Insulation {
        cluster: 0,
        pole: Pole::Negative,
        ohm: 150e3,
    })?;
    bench.run(60.0);
    let mut out = Vec::new();
    let place = Place::cluster(0);
    bench.plant.sample(place, Channel::InsulationResistance, &mut out);
    let read_ohm = out.first().and_then(|reading| reading.ok()).unwrap_or(f64::NAN);
    findings.set("imd-reading", read_ohm / 1e3);

    let mut spec = lab.liquid(9, 1)?;
    spec.container.insulation.healthy_mohm[1] = spec.container.insulation.healthy_mohm[0];
    let mut bench = Bench::new(&spec, &uniform(0.5), COARSE)?;
    bench.run(1.0);
    findings.set(
        "insulation-healthy",
        bench.truth("cluster-01", "insulation")? / 1500.0,
    );
    for cluster in 0..9 {
        bench.coil(cluster, Coil::MainNegative, true);
    }
    bench.run(1.0);
    let joined = bench.truth("cluster-01", "insulation")? / 1500.0;
    findings.set("insulation-nine-clusters", joined);
    let mut settled_ohm = |bench: &mut Bench| {
        bench.run(60.0);
        bench.plant.sample(place, Channel::InsulationResistance, &mut out);
        out.first().and_then(|reading| reading.ok()).unwrap_or(f64::NAN)
    };
    let alone_ohm = settled_ohm(&mut bench);
    bench.inject(&PlantFault::MonitorLockBroken)?;
    findings.set("imd-disturbed", settled_ohm(&mut bench) / alone_ohm);
    findings.draw(
        Chart::new("Insulation as measured", "time after the fault, s", "kΩ")
            .curve("monitor", curve)
            .band("below the fault threshold", 0.0, 150.0),
    );
    Ok(findings)
}
