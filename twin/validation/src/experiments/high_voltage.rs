//! The high-voltage path: precharge, short circuit, paralleling, contactors, insulation monitor, discharge.

use bess_plant::{InitialState, Place, PlantFault, Pole};
use bess_types::{Channel, Coil};

use super::claim;
use crate::chart::Chart;
use crate::claim::{Basis, Expected, Source, Tag};
use crate::experiment::{Experiment, Findings};
use crate::lab::{Bench, COARSE, FINE, Lab, uniform};

pub(super) const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        id: "precharge",
        title: "Precharge of the DC bus",
        about: "A full cluster (1,398 V) charges an empty bus of 10 mF through 150 Ω, without the bus bleeder, as in \
                the source. The exact times come from the contacts' events.",
        claims: &[
            claim(
                "precharge-95-percent",
                "bus at 95 % of cluster voltage after the precharge contact closes",
                "s",
                Expected::about(4.5),
                Basis::Predicted,
                PRECHARGE,
            ),
            claim(
                "precharge-peak-current",
                "highest precharge current",
                "A",
                Expected::about(9.3),
                Basis::Predicted,
                PRECHARGE,
            ),
            claim(
                "precharge-resistor-energy",
                "heat in resistor and path of one precharge",
                "kJ",
                Expected::about(9.8),
                Basis::Predicted,
                PRECHARGE,
            ),
        ],
        run: precharge,
    },
    Experiment {
        id: "short-circuit",
        title: "Short circuit of a cluster",
        about: "A half charged cluster of 396 cells onto 1 mΩ, once with a fuse that does not melt, once with the \
                fuse of a 400 A box (pre-arcing integral 1.5e5 A²s).",
        claims: &[
            claim(
                "prospective-current",
                "short-circuit current of a cluster, 10 ms after the fault",
                "kA",
                Expected::about(12.5),
                Basis::Predicted,
                SHORT,
            ),
            claim(
                "fuse-melting-time",
                "fuse of a 400 A box melts",
                "ms",
                Expected::read(
                    0.8,
                    1.2,
                    "±10 % of the current it follows from are ±20 % of the time",
                ),
                Basis::Predicted,
                SHORT,
            ),
        ],
        run: short_circuit,
    },
    Experiment {
        id: "paralleling",
        title: "Closing a cluster onto another",
        about: "Two clusters of 396 cells, the first at 90 % charge with the bus on it, the second lower by 3, 10 and \
                40 V. The source divides by the DC resistance of both; in the first instant only R0 counts, so the \
                current must lie between the two. How it falls while the links charge shows in the chart.",
        claims: &[
            claim(
                "circulating-current-3-v",
                "circulating current when closing onto 3 V",
                "A",
                between_dc_and_r0(3.0),
                Basis::Predicted,
                Source::new(
                    &[Tag::Derived],
                    "PS §5, CT §3",
                    "3 V over 2 × 0.157 Ω gives 9.6 A; with R0 = 0.168 mΩ per 300 Ah cell alone, 15.5 A",
                ),
            ),
            claim(
                "circulating-current-10-v",
                "circulating current when closing onto 10 V",
                "A",
                between_dc_and_r0(10.0),
                Basis::Predicted,
                Source::new(
                    &[Tag::Derived],
                    "PS §5, CT §3",
                    "10 V over 2 × 0.157 Ω gives 32 A; with R0 alone 52 A",
                ),
            ),
            claim(
                "circulating-current-40-v",
                "circulating current when closing onto 40 V",
                "A",
                between_dc_and_r0(40.0),
                Basis::Predicted,
                Source::new(
                    &[Tag::Derived],
                    "PS §5, CT §3",
                    "40 V over 2 × 0.157 Ω gives 127 A; with R0 alone 207 A",
                ),
            ),
        ],
        run: paralleling,
    },
    Experiment {
        id: "contactors",
        title: "Contactor times",
        about: "Every contactor of the container is driven once and released once.",
        claims: &[
            claim(
                "contactor-operate-time",
                "slowest contactor closes after its coil",
                "ms",
                Expected::stated(20.0, 30.0),
                Basis::Input,
                Source::new(
                    &[Tag::Assumption, Tag::S(8)],
                    "CT §7",
                    "rig default 25 ± 5 ms; data sheets of five makers say at most 20 to 50 ms",
                ),
            ),
            claim(
                "contactor-release-time",
                "slowest contactor opens after its coil",
                "ms",
                Expected::stated(9.0, 15.0),
                Basis::Input,
                Source::new(
                    &[Tag::Assumption, Tag::S(8)],
                    "CT §7",
                    "rig default 12 ± 3 ms; data sheets say at most 10 to 30 ms",
                ),
            ),
        ],
        run: contactors,
    },
    Experiment {
        id: "insulation",
        title: "Insulation monitor",
        about: "A leak of 75 kΩ (half of the fault threshold of 100 Ω/V at 1,500 V) appears on a healthy cluster at \
                twelve instants of the monitor's cycle; it responds when it reads less than the threshold of 150 kΩ. \
                Then with ten times the capacitance; then nine healthy clusters joined on the bus.",
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
                "imd-reading",
                "reading with a leak at the fault threshold",
                "kΩ",
                Expected::about(150.0),
                Basis::Predicted,
                Source::new(
                    &[Tag::S(14), Tag::Derived],
                    "CT §7",
                    "at most 100 Ω/V is a fault: 150 kΩ at 1,500 V",
                ),
            ),
            claim(
                "insulation-healthy",
                "lower leg of one healthy cluster at 1,500 V",
                "Ω/V",
                Expected::at_least(500.0),
                Basis::Predicted,
                HEALTHY,
            ),
            claim(
                "insulation-nine-clusters",
                "lower leg of nine healthy clusters joined, at 1,500 V",
                "Ω/V",
                Expected::at_least(500.0),
                Basis::Predicted,
                HEALTHY,
            ),
        ],
        run: insulation,
    },
    Experiment {
        id: "bus-discharge",
        title: "Discharge of the DC bus",
        about: "All contactors open at no load on a full container; the bleeder empties the bus.",
        claims: &[claim(
            "bus-below-60-v",
            "bus below 60 V after opening",
            "s",
            Expected::at_most(300.0),
            Basis::Calibrated,
            Source::new(
                &[Tag::Assumption],
                "PS §4",
                "after a stop the bus discharges below 60 V in at most 5 min",
            ),
        )],
        run: bus_discharge,
    },
];

const PRECHARGE: Source = Source::new(
    &[Tag::Derived],
    "CT §7",
    "150 Ω × 10 mF: 1.5 s, 95 % after 4.5 s; peak 1,400 V / 150 Ω = 9.3 A; ½CV² ≈ 9.8 kJ",
);
const SHORT: Source = Source::new(
    &[Tag::Derived],
    "CT §7",
    "1,267 V over 396 × 0.18 mΩ + 30 mΩ ≈ 12.5 kA prospective; a 1.5e5 A²s fuse melts in ≈ 1 ms",
);

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

/// From all of the DC resistance to R0 alone, each ± 10 %.
const fn between_dc_and_r0(gap_v: f64) -> Expected {
    Expected::read(
        0.9 * gap_v / (2.0 * 0.157),
        1.1 * gap_v / (2.0 * (396.0 * 0.168e-3 + 0.03)),
        "from all of the DC resistance to R0 alone, ±10 %",
    )
}

fn precharge(lab: &Lab) -> Result<Findings, String> {
    let mut spec = lab.liquid(1, 9)?;
    spec.container.dc_bus.capacitance_mf = 10.0;
    spec.container.dc_bus.bleeder_kohm = 1e6;
    spec.container.hv_box.precharge_ohm = 150.0;
    let mut bench = Bench::new(&spec, &uniform(1.0), FINE)?;
    bench.coil(0, Coil::MainNegative, true);
    bench.run(0.1);
    let cluster_v = bench.truth("cluster-01", "voltage")?;
    bench.coil(0, Coil::Precharge, true);
    let (bus, current) = (
        bench.point("", "bus-voltage")?,
        bench.point("cluster-01", "current")?,
    );
    let (mut volts, mut amperes) = (Vec::new(), Vec::new());
    bench.run_until(10.0, |bench| {
        let t = bench.seconds() - 0.1;
        volts.push((t, bench.plant.truth(bus)));
        amperes.push((t, bench.plant.truth(current)));
        false
    });
    let closed_s = bench
        .when("", "precharge", 1.0)
        .ok_or("the contact did not close")?
        - 0.1;
    let reached_s = volts
        .iter()
        .find(|(_, v)| *v >= 0.95 * cluster_v)
        .ok_or("95 % was not reached")?
        .0;
    let mut findings = Findings::default();
    findings.set("precharge-95-percent", reached_s - closed_s);
    findings.set(
        "precharge-peak-current",
        amperes.iter().map(|p| p.1).fold(0.0, f64::max),
    );
    findings.set(
        "precharge-resistor-energy",
        bench.plant.ledger().path_heat_j / 1e3,
    );
    findings.draw(
        Chart::new("Bus voltage", "time after the coil, s", "bus, V")
            .curve("bus voltage", volts)
            .band("95 % of cluster voltage and above", 0.95 * cluster_v, cluster_v),
    );
    findings.draw(
        Chart::new("Precharge current", "time after the coil, s", "current, A")
            .curve("cluster current", amperes)
            .band("published peak", 0.9 * 9.3, 1.1 * 9.3),
    );
    Ok(findings)
}

fn short_circuit(lab: &Lab) -> Result<Findings, String> {
    let mut spec = lab.liquid(1, 9)?;
    spec.container.hv_box.fuse_rated_a = 500.0;
    let short = PlantFault::BusShort { ohm: 0.001 };
    let fault_at = |fuse_a2s: f64| -> Result<(Bench, f64), String> {
        let mut spec = spec.clone();
        spec.container.hv_box.fuse_a2s = fuse_a2s;
        let mut bench = Bench::new(&spec, &uniform(0.5), FINE)?;
        bench.close_all();
        let at_s = bench.seconds();
        bench.inject(&short)?;
        bench.run(0.01);
        Ok((bench, at_s))
    };
    let (bench, _) = fault_at(1e12)?;
    let mut findings = Findings::default();
    findings.set("prospective-current", bench.truth("cluster-01", "current")? / 1e3);
    let (bench, at_s) = fault_at(1.5e5)?;
    let melted_s = bench
        .when("cluster-01", "fuse", 0.0)
        .ok_or("the fuse did not melt")?;
    findings.set("fuse-melting-time", (melted_s - at_s) * 1e3);
    Ok(findings)
}

fn paralleling(lab: &Lab) -> Result<Findings, String> {
    let mut findings = Findings::default();
    let mut chart = Chart::new("Circulating current", "time after closing, s", "current, A");
    for (id, gap_v) in [
        ("circulating-current-3-v", 3.0),
        ("circulating-current-10-v", 10.0),
        ("circulating-current-40-v", 40.0),
    ] {
        let mut spec = lab.liquid(2, 9)?;
        spec.container.dc_bus.bleeder_kohm = 1e6;
        let mut bench = Bench::new(&spec, &uniform(0.9), FINE)?;
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
        bench.run_until(300.0, |bench| {
            let t = bench.seconds() - begin_s;
            if t < 1.0 || curve.last().is_none_or(|&(last, _)| t - last >= 1.0) {
                curve.push((t, bench.plant.truth(current)));
            }
            false
        });
        let peak_a = curve.iter().map(|p| p.1).fold(0.0, f64::max);
        let later_a = curve.iter().find(|p| p.0 >= 60.0).map_or(f64::NAN, |p| p.1);
        findings.set_noted(
            id,
            peak_a,
            format!("gap {found_v:.2} V; {later_a:.1} A after 60 s"),
        );
        chart = chart.curve(format!("{gap_v} V"), curve);
    }
    findings.draw(chart);
    Ok(findings)
}

fn contactors(lab: &Lab) -> Result<Findings, String> {
    let spec = lab.container("liq-20ft-1267")?;
    let mut bench = Bench::new(&spec, &InitialState::default(), FINE)?;
    let clusters = spec.container.clusters;
    let mut slowest_ms = [0.0_f64; 2];
    // one pole at a time carries no current, so that nothing welds
    for coil in Coil::ALL {
        for (slowest_ms, energised) in slowest_ms.iter_mut().zip([true, false]) {
            let at_s = bench.seconds();
            bench.events.clear();
            for cluster in 0..clusters {
                bench.coil(cluster, coil, energised);
            }
            bench.run(0.2);
            let moved = bench
                .events
                .iter()
                .filter(|e| ["main-positive", "main-negative", "precharge"].contains(&e.point));
            if moved.clone().count() != clusters {
                return Err(format!("{} contacts of {clusters} moved", moved.count()));
            }
            *slowest_ms = moved.fold(*slowest_ms, |slowest, e| {
                slowest.max((e.at.as_secs_f64() - at_s) * 1e3)
            });
        }
    }
    let mut findings = Findings::default();
    findings.set("contactor-operate-time", slowest_ms[0]);
    findings.set("contactor-release-time", slowest_ms[1]);
    Ok(findings)
}

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

    let mut bench = Bench::new(&lab.liquid(9, 1)?, &uniform(0.5), COARSE)?;
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
    findings.draw(
        Chart::new("Insulation as measured", "time after the fault, s", "kΩ")
            .curve("monitor", curve)
            .band("below the fault threshold", 0.0, 150.0),
    );
    Ok(findings)
}

fn bus_discharge(lab: &Lab) -> Result<Findings, String> {
    let mut bench = Bench::new(&lab.liquid(1, 9)?, &uniform(1.0), FINE)?;
    bench.close_all();
    for coil in Coil::ALL {
        bench.coil(0, coil, false);
    }
    let at_s = bench.seconds();
    let bus = bench.point("", "bus-voltage")?;
    let mut curve = Vec::new();
    let reached = bench.run_until(900.0, |bench| {
        let volts = bench.plant.truth(bus);
        let t = bench.seconds() - at_s;
        if curve.last().is_none_or(|&(last, _)| t - last >= 1.0) {
            curve.push((t, volts));
        }
        volts < 60.0
    });
    if !reached {
        return Err("the bus did not fall below 60 V in 15 min".into());
    }
    let mut findings = Findings::default();
    findings.set("bus-below-60-v", bench.seconds() - at_s);
    findings.draw(
        Chart::new("Bus voltage", "time after opening, s", "V")
            .curve("bus", curve)
            .band("safe to touch, below 60 V", 0.0, 60.0),
    );
    Ok(findings)
}
