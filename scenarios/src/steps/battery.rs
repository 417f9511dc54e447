//! Cells, packs, clusters and their contactors; the BMS that watches them.

use std::time::Duration;

use bess_devices::device::DeviceFault;
use bess_plant::PlantFault;
use bess_plant::topology::Place as PlantPlace;
use bess_rig::RigCommand;
use bess_types::{Channel, SimTime, Tag};
use cucumber::{given, then, when};

use super::names::{BAU, TRUE_CONTAINER, bcu, bmu, reported_cell, true_cluster};
use super::site::{ask_power, rated_power};
use super::{Entry, Phrase, demand, number, one};
use crate::measure::Bound;
use crate::session::{Outcome, Session, Stop};
use crate::topology::Place;
use crate::watch::{Demand, Demands, Phase, Test};

/// Contacts of a cluster's main contactors, as they truly are.
fn mains(cluster: usize, test: Test) -> Vec<Demand> {
    ["main-positive", "main-negative"]
        .map(|contact| demand(true_cluster(cluster), contact, test))
        .into()
}

fn level(word: &str) -> Result<f64, String> {
    match word {
        "1" => Ok(1.0),
        "2" => Ok(2.0),
        "3" => Ok(3.0),
        _ => Err(format!("alarm levels are 1, 2 and 3, not {word}")),
    }
}

fn stack_state(words: &str) -> Result<&'static str, String> {
    Ok(match words {
        "on standby" => "standby",
        "starting" => "starting",
        "connected" => "connected",
        "in fault" => "fault",
        "in fire state" => "fire",
        "in emergency stop" => "emergency-stop",
        _ => return Err(format!("the stack has no state `{words}`")),
    })
}

fn exactly(tag: String, point: &str, value: f64) -> Demands {
    Demands::all(vec![
        demand(tag.clone(), point, Test::AtLeast(value)),
        demand(tag, point, Test::AtMost(value)),
    ])
}

/// What can be said of the battery.
pub(super) const PHRASES: &[Entry] = &[
    Entry {
        pattern: r"the contactors of cluster (?<cluster>\d+) (?:are|stay) open",
        example: "the contactors of cluster 3 are open",
        demands: |c, _| Ok(Demands::all(mains(number(c, "cluster")?, Test::Off))),
    },
    Entry {
        pattern: r"the contactors of cluster (?<cluster>\d+) (?:are|stay) closed",
        example: "the contactors of cluster 3 are closed",
        demands: |c, _| Ok(Demands::all(mains(number(c, "cluster")?, Test::On))),
    },
    Entry {
        pattern: r"the contactors of every cluster (?:are|stay) open",
        example: "the contactors of every cluster are open",
        demands: |_, t| {
            Ok(Demands::all(
                (1..=t.clusters).flat_map(|k| mains(k, Test::Off)).collect(),
            ))
        },
    },
    Entry {
        pattern: r"the contactors of every cluster (?:are|stay) closed",
        example: "the contactors of every cluster are closed",
        demands: |_, t| {
            Ok(Demands::all(
                (1..=t.clusters).flat_map(|k| mains(k, Test::On)).collect(),
            ))
        },
    },
    Entry {
        pattern: r"the precharge contactor of cluster (?<cluster>\d+) is (?<how>open|closed)",
        example: "the precharge contactor of cluster 3 is closed",
        demands: |c, _| {
            let test = if &c["how"] == "open" { Test::Off } else { Test::On };
            Ok(one(true_cluster(number(c, "cluster")?), "precharge", test))
        },
    },
    Entry {
        pattern: r"a (?<which>precharge|positive main|negative main) contactor is closed",
        example: "a precharge contactor is closed",
        demands: |c, t| {
            let point = match &c["which"] {
                "precharge" => "precharge",
                "positive main" => "main-positive",
                _ => "main-negative",
            };
            let of = |k| demand(true_cluster(k), point, Test::On);
            Ok(Demands::any((1..=t.clusters).map(of).collect()))
        },
    },
    Entry {
        pattern: r"the DC bus (?:is|stays) (?<how>above|below) (?<volts>\d+) V",
        example: "the DC bus is above 1200 V",
        demands: |c, _| {
            let volts = number(c, "volts")? as f64;
            let test = if &c["how"] == "above" {
                Test::AtLeast(volts)
            } else {
                Test::AtMost(volts)
            };
            Ok(one(TRUE_CONTAINER, "bus-voltage", test))
        },
    },
    Entry {
        pattern: r"no current flows in cluster (?<cluster>\d+)",
        example: "no current flows in cluster 3",
        demands: |c, _| {
            Ok(one(
                true_cluster(number(c, "cluster")?),
                "current",
                Test::Within(1.0),
            ))
        },
    },
    Entry {
        pattern: r"the BCU of cluster (?<cluster>\d+) reports an alarm of level (?<level>\d)",
        example: "the BCU of cluster 3 reports an alarm of level 2",
        demands: |c, _| {
            let least = Test::AtLeast(level(&c["level"])?);
            Ok(one(bcu(number(c, "cluster")?), "alarm-level", least))
        },
    },
    Entry {
        pattern: r"the BCU of cluster (?<cluster>\d+) reports no alarm above level (?<level>\d)",
        example: "the BCU of cluster 3 reports no alarm above level 1",
        demands: |c, _| {
            let most = Test::AtMost(number(c, "level")? as f64);
            Ok(one(bcu(number(c, "cluster")?), "alarm-level", most))
        },
    },
    Entry {
        pattern: r"the BAU reports an alarm of level (?<level>\d)",
        example: "the BAU reports an alarm of level 3",
        demands: |c, _| Ok(one(BAU, "alarm-level", Test::AtLeast(level(&c["level"])?))),
    },
    Entry {
        pattern: r"the BAU reports no alarm above level (?<level>\d)",
        example: "the BAU reports no alarm above level 1",
        demands: |c, _| {
            let most = Test::AtMost(number(c, "level")? as f64);
            Ok(one(BAU, "alarm-level", most))
        },
    },
    Entry {
        pattern: r"the BAU allows at most (?<amperes>\d+) A per cluster for charging",
        example: "the BAU allows at most 60 A per cluster for charging",
        demands: |c, t| {
            let stack = (number(c, "amperes")? * t.clusters) as f64;
            Ok(one(BAU, "charge-limit", Test::AtMost(stack)))
        },
    },
    Entry {
        pattern: r"the BMS has taken its permit away",
        example: "the BMS has taken its permit away",
        demands: |_, _| Ok(one(BAU, "permit", Test::Off)),
    },
    Entry {
        pattern: r"every BCU commands its contactors open",
        example: "every BCU commands its contactors open",
        demands: |_, t| {
            let coils = ["coil-main-positive", "coil-main-negative", "coil-precharge"];
            let of = |cluster| coils.map(|coil| demand(bcu(cluster), coil, Test::Off));
            Ok(Demands::all((1..=t.clusters).flat_map(of).collect()))
        },
    },
    Entry {
        pattern: r"the stack (?:is|stays) (?<state>on standby|starting|connected|in fault|in fire state|in emergency stop)",
        example: "the stack is connected",
        demands: |c, _| Ok(one(BAU, "stack-state", Test::Is(stack_state(&c["state"])?))),
    },
    Entry {
        pattern: r"(?<count>\d+) BMUs? of cluster (?<cluster>\d+) (?:have|has) (?:their|its) address(?:es)?",
        example: "9 BMUs of cluster 1 have their address",
        demands: |c, _| {
            let count = number(c, "count")? as f64;
            Ok(exactly(bcu(number(c, "cluster")?), "addressed-bmus", count))
        },
    },
    Entry {
        pattern: r"the BCU of cluster (?<cluster>\d+) has given all addresses",
        example: "the BCU of cluster 1 has given all addresses",
        demands: |c, _| {
            let tag = bcu(number(c, "cluster")?);
            Ok(one(tag, "addressing-state", Test::Is("assigned")))
        },
    },
    Entry {
        pattern: r"the BCU of cluster (?<cluster>\d+) misses the BMU of pack (?<pack>\d+)",
        example: "the BCU of cluster 1 misses the BMU of pack 4",
        demands: |c, _| {
            let pack = number(c, "pack")? as f64;
            Ok(exactly(
                bcu(number(c, "cluster")?),
                "addressing-failed-position",
                pack,
            ))
        },
    },
    Entry {
        pattern: r"the BCU of cluster (?<cluster>\d+) finds another BMU at pack (?<pack>\d+)",
        example: "the BCU of cluster 1 finds another BMU at pack 3",
        demands: |c, _| {
            let pack = number(c, "pack")? as f64;
            Ok(exactly(
                bcu(number(c, "cluster")?),
                "addressing-swapped-position",
                pack,
            ))
        },
    },
    Entry {
        pattern: r"the BCU of cluster (?<cluster>\d+) sees address (?<address>\d+) twice",
        example: "the BCU of cluster 1 sees address 2 twice",
        demands: |c, _| {
            let address = number(c, "address")? as f64;
            Ok(exactly(
                bcu(number(c, "cluster")?),
                "addressing-duplicate-id",
                address,
            ))
        },
    },
    Entry {
        pattern: r"the BMU of pack (?<pack>\d+) in cluster (?<cluster>\d+) has address (?<address>\d+)",
        example: "the BMU of pack 4 in cluster 1 has address 4",
        demands: |c, _| {
            let tag = bmu(number(c, "cluster")?, number(c, "pack")?);
            Ok(exactly(tag, "node-id", number(c, "address")? as f64))
        },
    },
    Entry {
        pattern: r"cell (?<cell>\d+) of pack (?<pack>\d+) in cluster (?<cluster>\d+) is in thermal runaway",
        example: "cell 17 of pack 5 in cluster 3 is in thermal runaway",
        demands: |c, _| {
            let place = Place {
                cluster: number(c, "cluster")?,
                pack: Some(number(c, "pack")?),
                cell: Some(number(c, "cell")?),
            };
            let tag = format!("plant:{}", place.tag());
            Ok(one(tag, "runaway-stage", Test::AtLeast(3.0)))
        },
    },
    Entry {
        pattern: r"at least (?<count>\d+) cells are in thermal runaway",
        example: "at least 2 cells are in thermal runaway",
        demands: |c, _| {
            let count = number(c, "count")? as f64;
            Ok(one(TRUE_CONTAINER, "cells-in-runaway", Test::AtLeast(count)))
        },
    },
    Entry {
        pattern: r"at most (?<count>\d+) cells? (?:is|are) in thermal runaway",
        example: "at most 12 cells are in thermal runaway",
        demands: |c, _| {
            let count = number(c, "count")? as f64;
            Ok(one(TRUE_CONTAINER, "cells-in-runaway", Test::AtMost(count)))
        },
    },
];

/// An example of each step here.
pub(super) const STEPS: &[&str] = &[
    "When a nail is driven into cell 17 of pack 5 in cluster 3",
    "When a heater warms cell 17 of pack 5 in cluster 3 by 5 K per minute",
    "When cell 17 of pack 5 in cluster 3 reaches 90 °C",
    "When the voltage measured at cell 17 of pack 5 in cluster 3 reads 3.72 V",
    "When temperature sensor 3 of pack 5 in cluster 3 reads 65 °C",
    "Given cluster 3 stands at 48 % state of charge",
    "Given every cluster stands at 50 % state of charge",
    "When the BMU of pack 5 in cluster 3 falls silent",
    "When the life counter of the BMU of pack 5 in cluster 3 stands still",
    "Given every cell voltage stays between 2.5 V and 3.65 V throughout",
    "Given every cell temperature stays between 0 °C and 55 °C throughout",
    "Given every cluster current stays between -310 A and 310 A throughout",
    "When the plant discharges at 0.5 C until the state of charge has fallen by 5 %",
    "When the plant charges at 0.5 C until the state of charge has risen by 5 %",
    "When the plant discharges at 0.5 C until the state of charge is 10 %",
    "When the plant charges at 0.5 C until the state of charge is 90 %",
    "Then the mean state of charge is between 45 % and 55 %",
    "Then the state of charge reported by the BAU is within 3 % of the true one",
    "Then the voltage the BAU reports of cell 17 of pack 5 in cluster 3 is within 5 mV of the true one",
    "Then the temperature the BAU reports of cell 17 of pack 5 in cluster 3 is within 2 K of the true one",
    "Then the round-trip efficiency of the battery is between 92 % and 98 %",
    "Given the stack is connected is reached within 60 s",
];

/// 0-based cluster, pack and cell of a place that names all three.
fn indices(session: &mut Session, place: Place) -> Result<(usize, usize, usize), Stop> {
    match (place.pack, place.cell) {
        (Some(pack), Some(cell)) => Ok((place.cluster - 1, pack - 1, cell - 1)),
        _ => Err(session.error(format!(
            "{place}: name a cell, as in cell 17 of pack 5 in cluster 3"
        ))),
    }
}

#[when(expr = "a nail is driven into {place}")]
fn nail(session: &mut Session, place: Place) -> Outcome {
    let (cluster, pack, cell) = indices(session, place)?;
    session.mark_cause();
    session.command(RigCommand::Fault(PlantFault::Nail { cluster, pack, cell }))
}

#[when(expr = "a heater warms {place} by {float} K per minute")]
fn heat(session: &mut Session, place: Place, kelvin_per_min: f64) -> Outcome {
    let (cluster, pack, cell) = indices(session, place)?;
    session.mark_cause();
    session.command(RigCommand::Fault(PlantFault::HeatCell {
        cluster,
        pack,
        cell,
        kelvin_per_min,
    }))
}

#[when(expr = "{place} reaches {float} °C")]
fn hold(session: &mut Session, place: Place, celsius: f64) -> Outcome {
    let (cluster, pack, cell) = indices(session, place)?;
    session.mark_cause();
    session.command(RigCommand::Fault(PlantFault::HoldCellTemperature {
        cluster,
        pack,
        cell,
        celsius,
    }))
}

#[when(expr = "the voltage measured at {place} reads {float} V")]
fn cell_voltage(session: &mut Session, place: Place, value: f64) -> Outcome {
    let (cluster, pack, cell) = indices(session, place)?;
    session.mark_cause();
    session.command(RigCommand::Fault(PlantFault::SensorStuck {
        place: PlantPlace::pack(cluster, pack),
        channel: Channel::CellVoltages,
        index: cell,
        value,
    }))
}

#[when(expr = "temperature sensor {int} of pack {int} in cluster {int} reads {float} °C")]
fn cell_temperature(
    session: &mut Session,
    sensor: usize,
    pack: usize,
    cluster: usize,
    value: f64,
) -> Outcome {
    session.mark_cause();
    session.command(RigCommand::Fault(PlantFault::SensorStuck {
        place: PlantPlace::pack(cluster.saturating_sub(1), pack.saturating_sub(1)),
        channel: Channel::CellTemperatures,
        index: sensor.saturating_sub(1),
        value,
    }))
}

#[given(expr = "cluster {int} stands at {float} % state of charge")]
fn cluster_soc(session: &mut Session, cluster: usize, percent: f64) -> Outcome {
    session.command(RigCommand::Fault(PlantFault::ClusterSoc {
        cluster: cluster.saturating_sub(1),
        soc: percent / 100.0,
    }))
}

#[given(expr = "every cluster stands at {float} % state of charge")]
fn every_cluster_soc(session: &mut Session, percent: f64) -> Outcome {
    (1..=session.topology().clusters).try_for_each(|cluster| cluster_soc(session, cluster, percent))
}

#[when(expr = "the BMU of {place} falls silent")]
fn silent(session: &mut Session, place: Place) -> Outcome {
    bmu_fault(session, place, DeviceFault::PowerOff)
}

#[when(expr = "the life counter of the BMU of {place} stands still")]
fn frozen(session: &mut Session, place: Place) -> Outcome {
    bmu_fault(session, place, DeviceFault::FreezeCounters)
}

fn bmu_fault(session: &mut Session, place: Place, fault: DeviceFault) -> Outcome {
    let tag: Tag = bmu(place.cluster, place.pack.unwrap_or(1))
        .parse()
        .map_err(|error| session.error(format!("{error}")))?;
    session.mark_cause();
    session.command(RigCommand::DeviceFault { tag, fault })
}

// Limits that hold to the end of the scenario.

#[given(expr = "every cell voltage stays between {float} V and {float} V throughout")]
fn cell_voltages(session: &mut Session, low: f64, high: f64) -> Outcome {
    let points = [
        (TRUE_CONTAINER.to_owned(), "cell-voltage-min"),
        (TRUE_CONTAINER.to_owned(), "cell-voltage-max"),
    ];
    session.keep_between(&points, low, high)
}

#[given(expr = "every cell temperature stays between {float} °C and {float} °C throughout")]
fn cell_temperatures(session: &mut Session, low: f64, high: f64) -> Outcome {
    let points = [
        (TRUE_CONTAINER.to_owned(), "cell-temperature-min"),
        (TRUE_CONTAINER.to_owned(), "cell-temperature-max"),
    ];
    session.keep_between(&points, low, high)
}

#[given(expr = "every cluster current stays between {float} A and {float} A throughout")]
fn cluster_currents(session: &mut Session, low: f64, high: f64) -> Outcome {
    let points: Vec<_> = session
        .topology()
        .cluster_tags()
        .map(|tag| (format!("plant:{tag}"), "current"))
        .collect();
    session.keep_between(&points, low, high)
}

// Charging and discharging.

#[when(expr = "the plant discharges at {float} C until the state of charge has fallen by {float} %")]
fn discharge_by(session: &mut Session, c_rate: f64, percent: f64) -> Outcome {
    let soc = mean_soc(session)?;
    cycle(session, c_rate, soc - percent / 100.0)
}

#[when(expr = "the plant charges at {float} C until the state of charge has risen by {float} %")]
fn charge_by(session: &mut Session, c_rate: f64, percent: f64) -> Outcome {
    let soc = mean_soc(session)?;
    cycle(session, -c_rate, soc + percent / 100.0)
}

#[when(expr = "the plant discharges at {float} C until the state of charge is {float} %")]
fn discharge_to(session: &mut Session, c_rate: f64, percent: f64) -> Outcome {
    cycle(session, c_rate, percent / 100.0)
}

#[when(expr = "the plant charges at {float} C until the state of charge is {float} %")]
fn charge_to(session: &mut Session, c_rate: f64, percent: f64) -> Outcome {
    cycle(session, -c_rate, percent / 100.0)
}

/// True mean state of charge of all cells, 0 to 1.
pub(super) fn mean_soc(session: &mut Session) -> Result<f64, Stop> {
    match session.observe(TRUE_CONTAINER, "soc")? {
        Some(soc) => Ok(soc),
        None => Err(session.error("the plant has no state of charge")),
    }
}

/// Runs at `c_rate` (positive discharging) until the mean state of charge is past `target`, then rests at 0 kW.
fn cycle(session: &mut Session, c_rate: f64, target: f64) -> Outcome {
    let power = rated_power(session)? * c_rate;
    let from = mean_soc(session)?;
    session.mark_cause();
    ask_power(session, power)?;
    let hours = (from - target).abs() / c_rate.abs();
    let expected = Duration::from_secs_f64(hours * 3600.0);
    let deadline: SimTime = session.now() + expected + expected / 4 + Duration::from_secs(30);
    let look = (expected / 200).clamp(Duration::from_millis(100), Duration::from_secs(10));
    loop {
        session.run_for(look)?;
        let soc = mean_soc(session)?;
        if (c_rate > 0.0 && soc <= target) || (c_rate < 0.0 && soc >= target) {
            break;
        }
        if session.now() >= deadline {
            return Err(session.fail(format!(
                "state of charge is {:.2} % after {:.0} s at {c_rate} C, wanted {:.2} %",
                soc * 100.0,
                session.now().since(session.cause()).as_secs_f64(),
                target * 100.0
            )));
        }
    }
    let phase = session.phase(c_rate < 0.0);
    session.phases().push(phase);
    session.mark_cause();
    ask_power(session, 0.0)
}

/// The last charge and the last discharge.
pub(super) fn last_cycle(session: &mut Session) -> Result<[Phase; 2], Stop> {
    let phases = session.phases();
    let last = |charging| {
        phases
            .iter()
            .rev()
            .find(|phase| phase.charging == charging)
            .copied()
    };
    match (last(true), last(false)) {
        (Some(charge), Some(discharge)) => Ok([charge, discharge]),
        _ => Err(session.error("the scenario needs a charge and a discharge before this step")),
    }
}

#[then(expr = "the mean state of charge is between {float} % and {float} %")]
fn soc_between(session: &mut Session, low: f64, high: f64) -> Outcome {
    let soc = mean_soc(session)? * 100.0;
    session.record_value("mean state of charge", "%", soc, Bound::Between(low, high))
}

#[then(expr = "the state of charge reported by the BAU is within {float} % of the true one")]
fn soc_error(session: &mut Session, limit: f64) -> Outcome {
    let truth = mean_soc(session)? * 100.0;
    let Some(reported) = session.observe(BAU, "soc")? else {
        return Err(session.fail("the BAU reports no state of charge"));
    };
    let bound = Bound::Between(-limit, limit);
    session.record_value(
        "state of charge, reported less true",
        "%",
        reported - truth,
        bound,
    )
}

#[then(expr = "the voltage the BAU reports of {place} is within {float} mV of the true one")]
fn cell_voltage_error(session: &mut Session, place: Place, limit: f64) -> Outcome {
    let off = cell_error(session, place, "voltage")?;
    let bound = Bound::Between(-limit, limit);
    session.record_value("cell voltage, reported less true", "mV", off * 1e3, bound)
}

#[then(expr = "the temperature the BAU reports of {place} is within {float} K of the true one")]
fn cell_temperature_error(session: &mut Session, place: Place, limit: f64) -> Outcome {
    let off = cell_error(session, place, "temperature")?;
    let bound = Bound::Between(-limit, limit);
    session.record_value("cell temperature, reported less true", "K", off, bound)
}

/// What the BAU reports of a cell, less the truth.
fn cell_error(session: &mut Session, place: Place, what: &str) -> Result<f64, Stop> {
    let (cluster, pack, cell) = indices(session, place)?;
    let Some(truth) = session.observe(&format!("plant:{}", place.tag()), what)? else {
        return Err(session.error(format!("the plant has no {what} of {place}")));
    };
    match session.observe(BAU, &reported_cell(cluster + 1, pack + 1, cell + 1, what))? {
        Some(reported) => Ok(reported - truth),
        None => Err(session.fail(format!("the BAU reports no {what} of {place}"))),
    }
}

#[then(expr = "the round-trip efficiency of the battery is between {float} % and {float} %")]
fn round_trip(session: &mut Session, low: f64, high: f64) -> Outcome {
    let [charge, discharge] = last_cycle(session)?;
    session.record_value(
        "round-trip efficiency at the DC terminals",
        "%",
        100.0 * discharge.dc_j / charge.dc_j,
        Bound::Between(low, high),
    )
}

#[given(expr = "{phrase} is reached within {span}")]
fn reach(session: &mut Session, phrase: Phrase, limit: super::Span) -> Outcome {
    session.reach(&phrase, limit.0)
}
