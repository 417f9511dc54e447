//! A container against its nameplate: rated power over the whole window the BMS allows. The figures are the
//! catalogue's, so one feature serves every container.

use std::time::Duration;

use cucumber::{given, then, when};

use super::battery::{last_cycle, mean_soc};
use super::names::{BAU, EMS, TRUE_CONTAINER, TRUE_PCS, true_cluster};
use super::site::{ask_power, phrase};
use crate::measure::Bound;
use crate::session::{Outcome, Session, Stop};
use crate::watch::Phase;

/// Power this near to rated counts as rated; the plant's power meter and the controllers round.
const AT_RATED: f64 = 0.99;
/// Longest run, as a multiple of the time rated power needs for the installed energy.
const PATIENCE: f64 = 1.25;
/// How often power, temperatures and limits are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// An example of each step here.
pub(super) const STEPS: &[&str] = &[
    "Given every cell voltage stays inside the rated window throughout",
    "Given every cluster voltage stays inside the rated window throughout",
    "Given every cluster current stays inside the rating of its HV box throughout",
    "Given the BAU reports no alarm of level 3 throughout",
    "When the plant charges at rated power until the BMS allows no more",
    "When the plant discharges at rated power until the BMS allows no more",
    "Then the charge moved is at least 90 % of the capacity",
    "Then rated power was held for at least 90 % of the time",
    "Then the mean stack current is within 5 % of rated power at nominal voltage",
    "Then the energy moved is within 5 % of the installed energy for the charge moved",
    "Then the round-trip efficiency of the battery is within 2 % of the rated one",
    "Then where an overall efficiency is rated, it is met within 2 %",
    "Then where the spread of cell temperatures is rated, it is not exceeded",
];

// Limits that hold to the end of the scenario.

#[given(expr = "every cell voltage stays inside the rated window throughout")]
fn cell_window(session: &mut Session) -> Outcome {
    let [low, high] = session.nameplate().rating.cell_window_v;
    let points = ["cell-voltage-min", "cell-voltage-max"].map(|point| (TRUE_CONTAINER.to_owned(), point));
    session.keep_between(&points, low, high)
}

#[given(expr = "every cluster voltage stays inside the rated window throughout")]
fn cluster_window(session: &mut Session) -> Outcome {
    let [low, high] = session.nameplate().rating.window_v;
    let points = each_cluster(session, "voltage");
    session.keep_between(&points, low, high)
}

#[given(expr = "every cluster current stays inside the rating of its HV box throughout")]
fn box_rating(session: &mut Session) -> Outcome {
    let rated_a = session.nameplate().rating.box_a;
    let points = each_cluster(session, "current");
    session.keep_between(&points, -rated_a, rated_a)
}

#[given(expr = "the BAU reports no alarm of level 3 throughout")]
fn no_trip(session: &mut Session) -> Outcome {
    session.keep_between(&[(BAU.to_owned(), "alarm-level")], 0.0, 2.0)
}

fn each_cluster(session: &Session, point: &'static str) -> Vec<(String, &'static str)> {
    let clusters = 1..=session.topology().clusters;
    clusters.map(|k| (true_cluster(k), point)).collect()
}

// Runs at rated power.

#[when(expr = "the plant charges at rated power until the BMS allows no more")]
fn charge(session: &mut Session) -> Outcome {
    run_out(session, true)
}

#[when(expr = "the plant discharges at rated power until the BMS allows no more")]
fn discharge(session: &mut Session) -> Outcome {
    run_out(session, false)
}

fn run_out(session: &mut Session, charging: bool) -> Outcome {
    let rating = session.nameplate().rating;
    let (sign, limit) = if charging {
        (-1.0, "charge-power-limit")
    } else {
        (1.0, "discharge-power-limit")
    };
    let running = phrase(session, "the EMS runs the plant")?;
    let from = mean_soc(session)?;
    let begin = session.now();
    session.mark_cause();
    ask_power(session, sign * rating.rated_w)?;
    let patience = Duration::from_secs_f64(PATIENCE * 3600.0 * rating.installed_wh() / rating.rated_w);
    let (mut looks, mut rated) = (0.0, 0.0);
    let mut spread_k: f64 = 0.0;
    loop {
        session.run_for(LOOK)?;
        let power = known(session, TRUE_PCS, "active-power")?;
        looks += 1.0;
        rated += f64::from(u8::from(sign * power >= AT_RATED * rating.rated_w));
        spread_k = spread_k.max(widest_spread(session)?);
        if !session.holds(&running)? {
            return Err(session.fail("the EMS no longer runs the plant"));
        }
        if known(session, EMS, limit)? == 0.0 {
            break;
        }
        if session.now() >= begin + patience {
            let soc = mean_soc(session)? * 100.0;
            return Err(session.fail(format!(
                "the BMS still allows power after {:.0} min, at {soc:.1} % state of charge",
                patience.as_secs_f64() / 60.0
            )));
        }
    }
    let phase = Phase {
        seconds: session.now().since(begin).as_secs_f64(),
        swing: (mean_soc(session)? - from).abs(),
        at_rated: rated / looks,
        spread_k,
        ..session.phase(charging)
    };
    session.phases().push(phase);
    session.mark_cause();
    ask_power(session, 0.0)
}

/// Largest difference between the cell temperatures of one cluster now, K.
fn widest_spread(session: &mut Session) -> Result<f64, Stop> {
    let mut widest: f64 = 0.0;
    for cluster in 1..=session.topology().clusters {
        let hottest = known(session, &true_cluster(cluster), "cell-temperature-max")?;
        let coldest = known(session, &true_cluster(cluster), "cell-temperature-min")?;
        widest = widest.max(hottest - coldest);
    }
    Ok(widest)
}

fn known(session: &mut Session, tag: &str, point: &str) -> Result<f64, Stop> {
    match session.observe(tag, point)? {
        Some(value) => Ok(value),
        None => Err(session.fail(format!("{point} of {tag} has no valid value"))),
    }
}

// What came of the last run.

fn last_run(session: &mut Session) -> Result<Phase, Stop> {
    match session.phases().last() {
        Some(phase) => Ok(*phase),
        None => Err(session.error("the scenario needs a run at rated power before this step")),
    }
}

#[then(expr = "the charge moved is at least {float} % of the capacity")]
fn charge_moved(session: &mut Session, least: f64) -> Outcome {
    let swing = last_run(session)?.swing * 100.0;
    session.record_value("state of charge moved", "%", swing, Bound::AtLeast(least))
}

#[then(expr = "rated power was held for at least {float} % of the time")]
fn rated_held(session: &mut Session, least: f64) -> Outcome {
    let share = last_run(session)?.at_rated * 100.0;
    session.record_value("time at rated power", "%", share, Bound::AtLeast(least))
}

#[then(expr = "the mean stack current is within {float} % of rated power at nominal voltage")]
fn mean_current(session: &mut Session, percent: f64) -> Outcome {
    let run = last_run(session)?;
    let rating = session.nameplate().rating;
    let amperes = run.swing * rating.stack_ah() * 3600.0 / run.seconds;
    let [rated, _] = rating.stack_a();
    session.record_value("mean stack current", "A", amperes, around(rated, percent))
}

#[then(expr = "the energy moved is within {float} % of the installed energy for the charge moved")]
fn energy_moved(session: &mut Session, percent: f64) -> Outcome {
    let run = last_run(session)?;
    let installed = session.nameplate().rating.installed_wh() * run.swing / 1e3;
    let moved = run.dc_j / 3.6e6;
    session.record_value(
        "energy at the DC terminals",
        "kWh",
        moved,
        around(installed, percent),
    )
}

#[then(expr = "the round-trip efficiency of the battery is within {float} % of the rated one")]
fn round_trip(session: &mut Session, points: f64) -> Outcome {
    let Some(rated) = session.nameplate().round_trip else {
        return Err(session.error("the catalogue gives this cell no round-trip efficiency"));
    };
    let per_charge = last_cycle(session)?.map(|run| run.dc_j / run.swing);
    let bound = Bound::Between(100.0 * rated - points, 100.0 * rated + points);
    let efficiency = 100.0 * per_charge[1] / per_charge[0];
    session.record_value(
        "round-trip efficiency at the DC terminals",
        "%",
        efficiency,
        bound,
    )
}

#[then(expr = "where an overall efficiency is rated, it is met within {float} %")]
fn overall(session: &mut Session, points: f64) -> Outcome {
    let Some(rated) = session.nameplate().overall else {
        return Ok(());
    };
    let per_charge = last_cycle(session)?.map(|run| run.ac_j / run.swing);
    let bound = Bound::Between(100.0 * rated - points, 100.0 * rated + points);
    let efficiency = 100.0 * per_charge[1] / per_charge[0];
    session.record_value("AC to AC with auxiliaries", "%", efficiency, bound)
}

#[then(expr = "where the spread of cell temperatures is rated, it is not exceeded")]
fn spread(session: &mut Session) -> Outcome {
    let Some(rated) = session.nameplate().spread_k else {
        return Ok(());
    };
    let widest = last_run(session)?.spread_k;
    session.record_value(
        "widest spread of cell temperatures in a cluster",
        "K",
        widest,
        Bound::AtMost(rated),
    )
}

fn around(value: f64, percent: f64) -> Bound {
    Bound::Between(value * (1.0 - percent / 100.0), value * (1.0 + percent / 100.0))
}
