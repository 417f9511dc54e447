//! Clusters in parallel: the current between two when one closes onto the other.

use bess_plant::{PlantFault, PlantSpec};
use bess_types::Coil;

use super::claim;
use crate::chart::{Chart, Points};
use crate::claim::{Basis, Expected, Source, Tag};
use crate::experiment::{Experiment, Findings};
use crate::lab::{Bench, FINE, Lab, uniform};

pub(super) const EXPERIMENTS: &[Experiment] = &[Experiment {
    id: "paralleling",
    title: "Closing a cluster onto another",
    about: "Two clusters of 396 cells, the first at 90 % charge with the bus on it, the second lower by 3, 10 and \
                40 V. The source divides by all of the DC resistance of 280 Ah cells, which is what counts once the RC \
                links are charged: in the first row of each pair the cells are those, their links take 1 s and the current \
                is read after 5 s, before the gap closes. At the moment of closing the links are empty and R0 alone \
                counts, which gives more: the second row, with the shipped cell as it is. The chart shows how that \
                current falls while the links charge and the gap closes.",
    claims: &[
        claim(
            "circulating-current-3-v",
            "circulating current when closing onto 3 V, links charged",
            "A",
            Expected::about(9.6),
            Basis::Derived,
            Source::new(&[Tag::Derived], "PS §5", "3 V over 2 × 0.157 Ω: 9.6 A"),
        ),
        claim(
            "circulating-current-3-v-at-once",
            "circulating current at the moment of closing onto 3 V",
            "A",
            over_r0(3.0),
            Basis::Derived,
            Source::new(
                &[Tag::Derived],
                "CT §3, PS §5",
                "3 V over 2 × (396 × 0.168 mΩ + 30 mΩ): R0 is 55 % of the resistance",
            ),
        ),
        claim(
            "circulating-current-10-v",
            "circulating current when closing onto 10 V, links charged",
            "A",
            Expected::about(32.0),
            Basis::Derived,
            Source::new(&[Tag::Derived], "PS §5", "10 V over 2 × 0.157 Ω: 32 A"),
        ),
        claim(
            "circulating-current-10-v-at-once",
            "circulating current at the moment of closing onto 10 V",
            "A",
            over_r0(10.0),
            Basis::Derived,
            Source::new(
                &[Tag::Derived],
                "CT §3, PS §5",
                "10 V over 2 × (396 × 0.168 mΩ + 30 mΩ): R0 is 55 % of the resistance",
            ),
        ),
        claim(
            "circulating-current-40-v",
            "circulating current when closing onto 40 V, links charged",
            "A",
            Expected::about(127.0),
            Basis::Derived,
            Source::new(&[Tag::Derived], "PS §5", "40 V over 2 × 0.157 Ω: 127 A"),
        ),
        claim(
            "circulating-current-40-v-at-once",
            "circulating current at the moment of closing onto 40 V",
            "A",
            over_r0(40.0),
            Basis::Derived,
            Source::new(
                &[Tag::Derived],
                "CT §3, PS §5",
                "40 V over 2 × (396 × 0.168 mΩ + 30 mΩ): R0 is 55 % of the resistance",
            ),
        ),
    ],
    run: paralleling,
}];

/// Over R0 of 300 Ah cells alone, both clusters, ± 10 %.
const fn over_r0(gap_v: f64) -> Expected {
    Expected::about(gap_v / (2.0 * (396.0 * 0.168e-3 + 0.03)))
}

fn paralleling(lab: &Lab) -> Result<Findings, String> {
    let mut findings = Findings::default();
    let mut chart = Chart::new("Circulating current", "time after closing, s", "current, A");
    for (charged, at_once, gap_v) in [
        ("circulating-current-3-v", "circulating-current-3-v-at-once", 3.0),
        (
            "circulating-current-10-v",
            "circulating-current-10-v-at-once",
            10.0,
        ),
        (
            "circulating-current-40-v",
            "circulating-current-40-v-at-once",
            40.0,
        ),
    ] {
        let mut spec = lab.liquid(2, 9)?;
        spec.container.dc_bus.bleeder_kohm = 1e6;
        let (found_v, curve) = closing(&spec, gap_v, 300.0)?;
        let later_a = curve.iter().find(|p| p.0 >= 60.0).map_or(f64::NAN, |p| p.1);
        findings.set_noted(
            at_once,
            peak(&curve),
            format!("gap {found_v:.2} V; {later_a:.1} A after 60 s"),
        );
        chart = chart.curve(format!("{gap_v} V"), curve);
        spec.cell.capacity_ah = 280.0;
        spec.cell.resistance.tau_s = [1.0, 1.0];
        let (found_v, curve) = closing(&spec, gap_v, 5.0)?;
        let charged_a = curve.last().map_or(f64::NAN, |p| p.1);
        findings.set_noted(charged, charged_a, format!("gap {found_v:.2} V"));
    }
    findings.draw(chart);
    Ok(findings)
}

fn peak(curve: &[(f64, f64)]) -> f64 {
    curve.iter().map(|p| p.1).fold(0.0, f64::max)
}

/// Closes the second cluster onto the first; the gap in V that was there, and the current over time.
fn closing(spec: &PlantSpec, gap_v: f64, seconds: f64) -> Result<(f64, Points), String> {
    let mut bench = Bench::new(spec, &uniform(0.9), FINE)?;
    let gap = |bench: &Bench| -> Result<f64, String> {
        Ok(bench.truth("cluster-01", "voltage")? - bench.truth("cluster-02", "voltage")?)
    };
    let (mut low, mut high) = (0.0, 0.9);
    for _ in 0..40 {
        let soc = 0.5 * (low + high);
        bench.inject(&PlantFault::ClusterSoc { cluster: 1, soc })?;
        if gap(&bench)? > gap_v {
            low = soc;
        } else {
            high = soc;
        }
    }
    bench.coil(0, Coil::MainNegative, true);
    bench.run(0.1);
    bench.coil(0, Coil::Precharge, true);
    bench.run(20.0);
    bench.coil(0, Coil::MainPositive, true);
    bench.coil(1, Coil::MainNegative, true);
    bench.run(0.2);
    let found_v = gap(&bench)?;
    bench.coil(1, Coil::MainPositive, true);
    let current = bench.point("cluster-01", "current")?;
    let begin_s = bench.seconds();
    let mut curve = Vec::new();
    bench.run_until(seconds, |bench| {
        let t = bench.seconds() - begin_s;
        if t < 1.0 || curve.last().is_none_or(|&(last, _)| t - last >= 1.0) {
            curve.push((t, bench.plant.truth(current)));
        }
        false
    });
    Ok((found_v, curve))
}
