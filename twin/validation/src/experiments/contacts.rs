//! Contacts: their times, what welds them, what a weak coil supply does to them.

use core::time::Duration;

use bess_plant::{InitialState, Place, PlantEvent, PlantFault};
use bess_types::{Actuation, Channel, Coil};

use super::claim;
use crate::claim::{Basis, Expected, Source, Tag};
use crate::experiment::{Experiment, Findings};
use crate::lab::{Bench, FINE, Lab, uniform};

pub(super) const EXPERIMENTS: &[Experiment] = &[
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
];

const CHATTER: Source = Source::new(
    &[Tag::Assumption],
    "CT §7",
    "a contactor chatters when its coil supply is below 16 V of 24 V",
);

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
