//! The high-voltage path: precharge, short circuit, paralleling, contactors, insulation monitor, discharge.

use core::time::Duration;

use bess_plant::{InitialState, Place, PlantEvent, PlantFault, Pole};
use bess_types::{Actuation, Channel, Coil};

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
        id: "precharge-short",
        title: "Precharge onto a short",
        about: "A full cluster precharges a shorted bus until the resistor's thermal switch opens; then it cools down.",
        claims: &[
            claim(
                "precharge-trip-energy",
                "heat in the resistor when its thermal switch opens",
                "kJ",
                Expected::about(30.0),
                Basis::Input,
                TRIP,
            ),
            claim(
                "precharge-trip-time",
                "thermal switch opens after",
                "s",
                Expected::about(2.3),
                Basis::Predicted,
                Source::new(
                    &[Tag::Derived],
                    "CT §7",
                    "30 kJ at (1,400 V)² / 150 Ω = 13.1 kW: 2.3 s",
                ),
            ),
        ],
        run: precharge_short,
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
            claim(
                "contactor-bounce",
                "longest bounce",
                "ms",
                Expected::read(0.0, 7.0, "rig default of 5 ms, at most the 7 ms of a data sheet"),
                Basis::Input,
                Source::new(
                    &[Tag::Assumption, Tag::S(8)],
                    "CT §7",
                    "bounce 5 ms; one data sheet includes 7 ms of bounce",
                ),
            ),
            claim(
                "auxiliary-delay",
                "slowest auxiliary contact after its contact",
                "ms",
                Expected::about(5.0),
                Basis::Input,
                Source::new(&[Tag::Assumption], "CT §7", "feedback + 5 ms"),
            ),
        ],
        run: contactors,
    },
    Experiment {
        id: "welding",
        title: "What welds a contact",
        about: "A cluster is closed onto a bus that lies below it by a voltage, in steps of 2 V; then a closed cluster \
                under rising load loses its coil supply, in steps of 50 A. A bench fuse that does not melt stands in.",
        claims: &[
            claim(
                "welding-gap",
                "smallest voltage that welds on closing",
                "V",
                Expected::read(
                    50.0,
                    75.0,
                    "nothing at 50 V or less; well above it always, read as up to 1.5 times",
                ),
                Basis::Calibrated,
                Source::new(
                    &[Tag::Assumption],
                    "CT §7",
                    "welded when closing with more than 50 V between the contacts",
                ),
            ),
            claim(
                "welding-current",
                "smallest current that welds on opening",
                "A",
                Expected::read(
                    1000.0,
                    2500.0,
                    "above the box's 1,000 A, not above the relays' own limits",
                ),
                Basis::Input,
                Source::new(
                    &[Tag::Assumption, Tag::S(8)],
                    "CT §7",
                    "welded when breaking above the break limit; relays of 750 to 1,000 V break 2,000 to 2,500 A",
                ),
            ),
        ],
        run: welding,
    },
    Experiment {
        id: "coil-supply",
        title: "Weak coil supply",
        about: "K− of a cluster at rest is driven for 2 s at supplies from 24 V down in steps of 0.25 V; a contactor \
                chatters if it opens while it is driven.",
        claims: &[
            claim(
                "chatter-supply",
                "highest supply at which the contactor chatters",
                "V",
                Expected::read(15.5, 16.0, "below 16 V, found within a step"),
                Basis::Input,
                CHATTER,
            ),
            claim(
                "chatter-moves",
                "times it opens within 2 s at 15 V",
                "",
                Expected::at_least(2.0),
                Basis::Predicted,
                CHATTER,
            ),
        ],
        run: coil_supply,
    },
    Experiment {
        id: "fuse-curve",
        title: "Fuse between rated current and short circuit",
        about: "A cluster of one pack feeds a bus short of constant resistance, with its contacts held and its cells kept \
                from running down by a large capacity. The times are from the event of melting; the current is the mean.",
        claims: &[
            claim(
                "fuse-at-rated",
                "fuse melts within an hour at 1.13 times rated",
                "",
                Expected::stated(0.0, 0.0),
                Basis::Calibrated,
                GPV,
            ),
            claim(
                "fuse-at-1-45",
                "fuse melts at 1.45 times rated",
                "s",
                Expected::at_most(3600.0),
                Basis::Calibrated,
                GPV,
            ),
            claim(
                "fuse-at-1-6",
                "fuse melts at 1.6 times rated",
                "s",
                SECONDS_TO_MINUTES,
                Basis::Calibrated,
                SLOW_FUSE,
            ),
            claim(
                "fuse-at-2-9",
                "fuse melts at 2.9 times rated",
                "s",
                SECONDS_TO_MINUTES,
                Basis::Calibrated,
                SLOW_FUSE,
            ),
        ],
        run: fuse_curve,
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
const TRIP: Source = Source::new(
    &[Tag::Assumption],
    "CT §7",
    "shorted bus: the resistor trips thermally after about 10 kJ × 3",
);
const SHORT: Source = Source::new(
    &[Tag::Derived],
    "CT §7",
    "1,267 V over 396 × 0.18 mΩ + 30 mΩ ≈ 12.5 kA prospective; a 1.5e5 A²s fuse melts in ≈ 1 ms",
);

const CHATTER: Source = Source::new(
    &[Tag::Assumption],
    "CT §7",
    "a contactor chatters when its coil supply is below 16 V of 24 V",
);
const GPV: Source = Source::new(
    &[Tag::Recalled],
    "CT §7",
    "gPV (IEC 60269-6): not at 1.13 times rated, within the conventional time of at least 1 h at 1.45 times",
);
const SLOW_FUSE: Source = Source::new(
    &[Tag::Assumption, Tag::S(13)],
    "CT §7",
    "below about 3 times rated the fuse takes seconds to minutes",
);
const SECONDS_TO_MINUTES: Expected = Expected::read(2.0, 600.0, "“seconds to minutes” read as 2 s to 10 min");
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

fn precharge_short(lab: &Lab) -> Result<Findings, String> {
    let mut spec = lab.liquid(1, 9)?;
    spec.container.hv_box.precharge_ohm = 150.0;
    let mut bench = Bench::new(&spec, &uniform(1.0), FINE)?;
    bench.inject(&PlantFault::BusShort { ohm: 0.001 })?;
    bench.coil(0, Coil::MainNegative, true);
    bench.run(0.1);
    bench.coil(0, Coil::Precharge, true);
    let point = "precharge-resistor-tripped";
    if !bench.run_until(20.0, |bench| bench.when("", point, 1.0).is_some()) {
        return Err("the resistor did not trip within 20 s".into());
    }
    let closed_s = bench
        .when("", "precharge", 1.0)
        .ok_or("the contact did not close")?;
    let mut findings = Findings::default();
    let heat_kj = bench.truth("cluster-01", "precharge-resistor-energy")? / 1e3;
    findings.set("precharge-trip-energy", heat_kj);
    findings.set("precharge-trip-time", bench.seconds() - closed_s);
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
    let mut longest_ms = 0.0_f64;
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
            let bounces = bench.events.iter().filter(|e| e.point == "bounce");
            longest_ms = bounces.fold(longest_ms, |longest, e| longest.max(e.value));
        }
    }
    let mut findings = Findings::default();
    findings.set("contactor-operate-time", slowest_ms[0]);
    findings.set("contactor-release-time", slowest_ms[1]);
    findings.set("contactor-bounce", longest_ms);
    findings.set("auxiliary-delay", auxiliary_ms(lab)?);
    Ok(findings)
}

/// How long the auxiliary of a contact shows the old position, ms.
fn auxiliary_ms(lab: &Lab) -> Result<f64, String> {
    let mut bench = Bench::new(&lab.liquid(1, 1)?, &uniform(0.5), Duration::from_micros(100))?;
    bench.coil(0, Coil::MainNegative, true);
    let mut out = Vec::new();
    let shown = bench.run_until(0.2, |bench| {
        let place = Place::cluster(0);
        bench.plant.sample(place, Channel::AuxMainNegative, &mut out);
        out[0].ok() == Some(1.0)
    });
    let closed_s = bench.when("", "main-negative", 1.0).filter(|_| shown);
    Ok((bench.seconds() - closed_s.ok_or("the auxiliary did not follow")?) * 1e3)
}

fn welding(lab: &Lab) -> Result<Findings, String> {
    let mut spec = lab.liquid(1, 9)?;
    spec.container.dc_bus.bleeder_kohm = 1e6;
    spec.container.hv_box.fuse_a2s = 1e12;
    let welded = |bench: &Bench| bench.events.iter().any(|e| e.point == "welded");
    let mut findings = Findings::default();

    let mut bench = Bench::new(&spec, &uniform(0.5), Duration::from_millis(1))?;
    bench.coil(0, Coil::MainNegative, true);
    bench.run(0.1);
    bench.coil(0, Coil::Precharge, true);
    let mut precharged = Vec::new();
    // the bus rises past every gap once; the plant is kept there
    for gap_v in (1..=60).rev().map(|step| 2.0 * f64::from(step)) {
        let reached = bench.run_until(30.0, |bench| {
            let volts = |part: &str, point: &str| bench.truth(part, point).unwrap_or(f64::NAN);
            volts("cluster-01", "voltage") - volts("", "bus-voltage") <= gap_v
        });
        if !reached {
            return Err(format!("the bus did not come within {gap_v} V"));
        }
        precharged.push((gap_v, bench.clone()));
    }
    let mut smallest_v = f64::NAN;
    for (_, mut bench) in precharged.into_iter().rev() {
        bench.coil(0, Coil::Precharge, false);
        bench.run(0.05);
        bench.coil(0, Coil::MainPositive, true);
        bench.run(0.1);
        if welded(&bench) {
            let gap = bench.events.iter().rev().find(|e| e.point == "closing-gap");
            smallest_v = gap.map_or(f64::NAN, |e| e.value);
            break;
        }
    }
    findings.set("welding-gap", smallest_v);

    let mut smallest_a = f64::NAN;
    for amperes in (2..=60).map(|step| 50.0 * f64::from(step)) {
        let mut bench = Bench::new(&spec, &uniform(0.5), FINE)?;
        bench.close_all();
        bench.events.clear();
        let volts = bench.truth("cluster-01", "voltage")?;
        bench.inject(&PlantFault::BusShort { ohm: volts / amperes })?;
        bench.run(0.05);
        bench.actuate(Place::CONTAINER, Actuation::CoilSupply { on: false });
        bench.run(0.1);
        if welded(&bench) {
            let broken = bench.events.iter().find(|e| e.point == "breaking-current");
            smallest_a = broken.map_or(f64::NAN, |e| e.value);
            break;
        }
    }
    findings.set("welding-current", smallest_a);
    Ok(findings)
}

fn coil_supply(lab: &Lab) -> Result<Findings, String> {
    let spec = lab.liquid(1, 1)?;
    let opens = |volts: f64| -> Result<usize, String> {
        let mut bench = Bench::new(&spec, &uniform(0.5), FINE)?;
        bench.inject(&PlantFault::CoilSupplyVoltage { volts })?;
        bench.coil(0, Coil::MainNegative, true);
        bench.run(2.0);
        let opened = |e: &&PlantEvent| e.point == "main-negative" && e.value == 0.0;
        Ok(bench.events.iter().filter(opened).count())
    };
    let mut highest_v = f64::NAN;
    for step in 0..64 {
        let volts = 24.0 - 0.25 * f64::from(step);
        if opens(volts)? > 0 {
            highest_v = volts;
            break;
        }
    }
    let mut findings = Findings::default();
    findings.set("chatter-supply", highest_v);
    findings.set("chatter-moves", opens(15.0)? as f64);
    Ok(findings)
}

fn fuse_curve(lab: &Lab) -> Result<Findings, String> {
    let mut spec = lab.liquid(1, 9)?;
    let rated_a = spec.container.hv_box.fuse_rated_a;
    // a cell so large that hours of overload neither empty nor heat it
    spec.cell.capacity_ah *= 30.0;
    spec.cell.mass_kg *= 30.0;
    spec.container.hv_box.break_limit_a = 1e6;
    let run = |times_rated: f64, seconds: f64| -> Result<(Option<f64>, f64), String> {
        let mut bench = Bench::new(&spec, &uniform(0.5), COARSE)?;
        bench.close_all();
        let amperes = times_rated * rated_a;
        let volts = bench.truth("cluster-01", "voltage")?;
        bench.inject(&PlantFault::BusShort { ohm: volts / amperes })?;
        let at_s = bench.seconds();
        let charge = bench.point("cluster-01", "current")?;
        let (mut sum_a, mut count) = (0.0, 0.0);
        bench.run_until(seconds, |bench| {
            let amperes = bench.plant.truth(charge);
            if amperes > 1.0 {
                sum_a += amperes;
                count += 1.0;
            }
            bench.events.iter().any(|e| e.point == "fuse")
        });
        let melted_s = bench.when("cluster-01", "fuse", 0.0).map(|s| s - at_s);
        Ok((melted_s, sum_a / count / rated_a))
    };
    let mut findings = Findings::default();
    let (melted_s, mean) = run(1.14, 3600.0)?;
    findings.set_noted(
        "fuse-at-rated",
        f64::from(u8::from(melted_s.is_some())),
        format!("mean {mean:.2} times rated"),
    );
    let mut curve = Vec::new();
    for (id, times_rated, seconds) in [
        ("fuse-at-1-45", 1.45, 4000.0),
        ("fuse-at-1-6", 1.6, 4000.0),
        ("", 2.0, 1000.0),
        ("", 2.5, 1000.0),
        ("fuse-at-2-9", 2.9, 1000.0),
    ] {
        let (melted_s, mean) = run(times_rated, seconds)?;
        let melted_s =
            melted_s.ok_or_else(|| format!("the fuse did not melt at {times_rated} times rated"))?;
        curve.push((mean, melted_s));
        if !id.is_empty() {
            findings.set_noted(id, melted_s, format!("mean {mean:.2} times rated"));
        }
    }
    findings.draw(
        Chart::new("Melting time", "current over rated", "time, s")
            .curve("fuse", curve)
            .band("seconds to minutes", 2.0, 600.0),
    );
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
