//! Clusters in parallel: the current between two when one closes onto the other.

use bess_plant::{PlantFault, PlantSpec};
use bess_types::Coil;

use super::claim;
use crate::chart::{Chart, Points};
use crate::claim::{Basis, Claim, Expected, Source, Tag};
use crate::experiment::{Experiment, Findings};
use crate::lab::{Bench, FINE, Lab, uniform};

pub(super) const EXPERIMENTS: &[Experiment] = &[Experiment {
    id: "paralleling",
    title: "Closing a cluster onto another",
    about: "Two clusters of 396 shipped cells, the first at 90 % charge with the bus on it, the second lower by 3, 10 and \
                40 V. At the moment of closing the RC links are empty and R0 alone counts; later they charge while the gap \
                closes, so the source's formula, the gap over all of the DC resistance, is never quite true of a cell: the \
                current is read after 60 s, three time constants of the faster link. The last rows are of the formula \
                itself, with cells made for it: 280 Ah as the source has them, links of 1 s, read after 5 s. The chart shows \
                how the current of the shipped cells falls.",
    claims: &[
        over_r0(
            "circulating-current-3-v-at-once",
            "at the moment of closing onto 3 V",
            3.0,
        ),
        over_r0(
            "circulating-current-10-v-at-once",
            "at the moment of closing onto 10 V",
            10.0,
        ),
        over_r0(
            "circulating-current-40-v-at-once",
            "at the moment of closing onto 40 V",
            40.0,
        ),
        over_all(
            "circulating-current-3-v",
            "60 s after closing onto 3 V",
            Expected::about(9.6),
        ),
        over_all(
            "circulating-current-10-v",
            "60 s after closing onto 10 V",
            Expected::about(32.0),
        ),
        over_all(
            "circulating-current-40-v",
            "60 s after closing onto 40 V",
            Expected::about(127.0),
        ),
        over_all(
            "circulating-current-formula-3-v",
            "closing onto 3 V, cells made for the formula",
            Expected::about(9.6),
        ),
        over_all(
            "circulating-current-formula-10-v",
            "closing onto 10 V, cells made for the formula",
            Expected::about(32.0),
        ),
        over_all(
            "circulating-current-formula-40-v",
            "closing onto 40 V, cells made for the formula",
            Expected::about(127.0),
        ),
    ],
    run: paralleling,
}];

const fn over_all(id: &'static str, what: &'static str, expected: Expected) -> Claim {
    let source = Source::new(
        &[Tag::Derived],
        "PS §5",
        "circulating current is the gap over 2 × 0.157 Ω: 3 V 9.6 A, 10 V 32 A, 40 V 127 A",
    );
    claim(id, what, "A", expected, Basis::Derived, source)
}

/// Over R0 of 300 Ah cells alone, both clusters, ± 10 %.
const fn over_r0(id: &'static str, what: &'static str, gap_v: f64) -> Claim {
    let source = Source::new(
        &[Tag::Derived],
        "CT §3, PS §5",
        "the gap over 2 × (396 × 0.168 mΩ + 30 mΩ): R0 is 55 % of the resistance",
    );
    let expected = Expected::about(gap_v / (2.0 * (396.0 * 0.168e-3 + 0.03)));
    claim(id, what, "A", expected, Basis::Derived, source)
}

/// Shipped cells are read this long after closing, s.
const LATER_S: f64 = 60.0;

fn paralleling(lab: &Lab) -> Result<Findings, String> {
    let mut findings = Findings::default();
    let mut chart = Chart::new("Circulating current", "time after closing, s", "current, A");
    for (gap_v, [at_once, later, formula]) in [
        (
            3.0,
            [
                "circulating-current-3-v-at-once",
                "circulating-current-3-v",
                "circulating-current-formula-3-v",
            ],
        ),
        (
            10.0,
            [
                "circulating-current-10-v-at-once",
                "circulating-current-10-v",
                "circulating-current-formula-10-v",
            ],
        ),
        (
            40.0,
            [
                "circulating-current-40-v-at-once",
                "circulating-current-40-v",
                "circulating-current-formula-40-v",
            ],
        ),
    ] {
        let mut spec = lab.liquid(2, 9)?;
        spec.container.dc_bus.bleeder_kohm = 1e6;
        let (found_v, curve) = closing(&spec, gap_v, 300.0)?;
        let note = format!("gap {found_v:.2} V");
        findings.set_noted(at_once, peak(&curve), note.clone());
        let later_a = curve.iter().find(|p| p.0 >= LATER_S).map_or(f64::NAN, |p| p.1);
        findings.set_noted(later, later_a, note);
        chart = chart.curve(format!("{gap_v} V"), curve);
        spec.cell.capacity_ah = 280.0;
        spec.cell.resistance.tau_s = [1.0, 1.0];
        let (found_v, curve) = closing(&spec, gap_v, 5.0)?;
        let charged_a = curve.last().map_or(f64::NAN, |p| p.1);
        findings.set_noted(formula, charged_a, format!("gap {found_v:.2} V"));
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
