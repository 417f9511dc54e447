//! The power conversion system: efficiency and response.

use core::time::Duration;

use super::claim;
use crate::chart::{Chart, Points};
use crate::claim::{Basis, Expected, Source, Tag};
use crate::experiment::{Experiment, Findings};
use crate::lab::{Bench, FINE, Lab, uniform};

pub(super) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        id: "pcs-efficiency",
        title: "Efficiency of the PCS",
        about: "The 1,725 kVA PCS at 2 to 100 % of its rating on a half charged stack, both directions; power at the \
                AC and DC terminals.",
        claims: &[
            claim(
                "pcs-peak-efficiency-discharging",
                "best efficiency discharging",
                "%",
                PEAK,
                Basis::Calibrated,
                PEAK_SOURCE,
            ),
            claim(
                "pcs-peak-efficiency-charging",
                "best efficiency charging",
                "%",
                PEAK,
                Basis::Calibrated,
                PEAK_SOURCE,
            ),
        ],
        run: efficiency,
    },
    Experiment {
        id: "pcs-response",
        title: "Response of the PCS",
        about: "Set-points change at the power stage; communication delays are not part of it. Time from command to \
                90 % of the change's goal, in steps of 1 ms.",
        claims: &[
            claim(
                "pcs-step-response",
                "from standstill to 90 % of rated power",
                "ms",
                Expected::at_most(200.0),
                Basis::Input,
                Source::new(&[Tag::P(11)], "PS §8", "active power step at most 200 ms"),
            ),
            claim(
                "pcs-turnaround",
                "from rated charging to 90 % of rated discharging",
                "ms",
                Expected::at_most(100.0),
                Basis::Input,
                Source::new(
                    &[Tag::Recalled],
                    "PS §8",
                    "change between charging and discharging at rated power at most 100 ms (GB/T 34120-2017)",
                ),
            ),
        ],
        run: response,
    },
];

const PEAK: Expected = Expected::read(98.5, 99.5, "whole per cent as printed");
const PEAK_SOURCE: Source = Source::new(&[Tag::Brochure], "PL §5.3", "maximum efficiency 99 %");

fn efficiency(lab: &Lab) -> Result<Findings, String> {
    let spec = lab.container("liq-20ft-1267")?;
    let rated_w = spec.container.converter.rated_va;
    let mut bench = Bench::new(&spec, &uniform(0.5), FINE)?;
    bench.close_all();
    let (ac, volts, amperes) = (
        bench.point("pcs", "active-power")?,
        bench.point("pcs", "dc-voltage")?,
        bench.point("pcs", "dc-current")?,
    );
    let mut findings = Findings::default();
    let mut chart =
        Chart::new("Efficiency", "AC power, % of rated", "%").band("published best, 99 %", 98.5, 99.5);
    for (id, name, sign) in [
        ("pcs-peak-efficiency-discharging", "discharging", 1.0),
        ("pcs-peak-efficiency-charging", "charging", -1.0),
    ] {
        let mut curve = Vec::new();
        for percent in (2..=100).step_by(2).map(f64::from) {
            bench.power(sign * rated_w * percent / 100.0);
            bench.run(0.5);
            let ac_w = bench.plant.truth(ac).abs();
            let dc_w = (bench.plant.truth(volts) * bench.plant.truth(amperes)).abs();
            let share = if sign > 0.0 { ac_w / dc_w } else { dc_w / ac_w };
            curve.push((percent, share * 100.0));
        }
        findings.set(id, curve.iter().map(|p| p.1).fold(0.0, f64::max));
        chart = chart.curve(name, curve.into_iter().filter(|p| p.0 >= 10.0).collect());
    }
    findings.draw(chart);
    Ok(findings)
}

fn response(lab: &Lab) -> Result<Findings, String> {
    let spec = lab.container("liq-20ft-1267")?;
    let rated_w = spec.container.converter.rated_va;
    let mut bench = Bench::new(&spec, &uniform(0.6), Duration::from_millis(1))?;
    bench.close_all();
    bench.power(0.0);
    bench.run(1.0);
    let ac = bench.point("pcs", "active-power")?;
    let mut step = |watts: f64| -> Result<(f64, Points), String> {
        let at_s = bench.seconds();
        bench.power(watts);
        let mut curve = Vec::new();
        let mut reached_ms = None;
        bench.run_until(0.4, |bench| {
            let now_w = bench.plant.truth(ac);
            let t_ms = (bench.seconds() - at_s) * 1e3;
            curve.push((t_ms, now_w / 1e3));
            if reached_ms.is_none() && (now_w - 0.9 * watts) * watts.signum() >= 0.0 {
                reached_ms = Some(t_ms);
            }
            false
        });
        Ok((
            reached_ms.ok_or_else(|| format!("{watts} W not reached within 0.4 s"))?,
            curve,
        ))
    };
    let (step_ms, _) = step(-rated_w)?;
    let (turn_ms, curve) = step(rated_w)?;
    let mut findings = Findings::default();
    findings.set("pcs-step-response", step_ms);
    findings.set("pcs-turnaround", turn_ms);
    findings.draw(
        Chart::new(
            "From rated charging to rated discharging",
            "time after the command, ms",
            "AC power, kW",
        )
        .curve("active power", curve)
        .band("from 90 % on", 0.9 * rated_w / 1e3, rated_w / 1e3),
    );
    Ok(findings)
}
