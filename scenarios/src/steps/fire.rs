//! Gas, smoke, heat; the fire panel with its countdown, ventilation and suppression.

use bess_plant::PlantFault;
use bess_rig::RigCommand;
use bess_types::Line;
use cucumber::{given, when};

use super::names::{FIRE_PANEL, TRUE_AIR, TRUE_SUPPRESSION};
use super::{Entry, one};
use crate::session::{Outcome, Session};
use crate::watch::{Demands, Test};

/// Fire level as a number, from its name on the panel.
fn level(words: &str) -> Result<f64, String> {
    Ok(match words {
        "gas pre-warning" => 1.0,
        "level 1" => 2.0,
        "level 2" => 3.0,
        "released" => 4.0,
        _ => return Err(format!("the fire panel has no level `{words}`")),
    })
}

fn truth(tag: &str, point: &str, on: bool) -> Demands {
    let test = if on { Test::On } else { Test::Off };
    one(tag, point, test)
}

/// What can be said of fire detection and fire fighting.
pub(super) const PHRASES: &[Entry] = &[
    Entry {
        pattern: r"the fire panel (?:is|stays) at (?<level>gas pre-warning|level 1|level 2) or above",
        example: "the fire panel is at gas pre-warning or above",
        demands: |c, _| Ok(one(FIRE_PANEL, "level", Test::AtLeast(level(&c["level"])?))),
    },
    Entry {
        pattern: r"the fire panel (?:is|stays) normal",
        example: "the fire panel stays normal",
        demands: |_, _| Ok(one(FIRE_PANEL, "level", Test::Is("normal"))),
    },
    Entry {
        pattern: r"the (?<kind>gas|smoke|heat) detector has not tripped",
        example: "the smoke detector has not tripped",
        demands: |c, _| {
            let point = format!("{}-detector", &c["kind"]);
            Ok(one(FIRE_PANEL, point, Test::Off))
        },
    },
    Entry {
        pattern: r"the (?<kind>gas|smoke|heat) detector (?:has tripped|trips)",
        example: "the smoke detector has tripped",
        demands: |c, _| {
            let point = format!("{}-detector", &c["kind"]);
            Ok(one(FIRE_PANEL, point, Test::On))
        },
    },
    Entry {
        pattern: r"the vent fan (?<how>runs|stands)",
        example: "the vent fan runs",
        demands: |c, _| Ok(truth(TRUE_AIR, "vent-fan", &c["how"] == "runs")),
    },
    Entry {
        pattern: r"the vent damper is (?<how>open|closed)",
        example: "the vent damper is open",
        demands: |c, _| Ok(truth(TRUE_AIR, "damper-open", &c["how"] == "open")),
    },
    Entry {
        pattern: r"the HVAC (?<how>runs|stands)",
        example: "the HVAC stands",
        demands: |c, _| Ok(truth(TRUE_AIR, "hvac", &c["how"] == "runs")),
    },
    Entry {
        pattern: r"the suppression agent flows",
        example: "the suppression agent flows",
        demands: |_, _| Ok(truth(TRUE_SUPPRESSION, "flowing", true)),
    },
    Entry {
        pattern: r"no suppression agent flows",
        example: "no suppression agent flows",
        demands: |_, _| Ok(truth(TRUE_SUPPRESSION, "flowing", false)),
    },
    Entry {
        pattern: r"the fire panel reports the release feedback",
        example: "the fire panel reports the release feedback",
        demands: |_, _| Ok(truth(FIRE_PANEL, "release-feedback", true)),
    },
];

/// An example of each step here.
pub(super) const STEPS: &[&str] = &[
    "When the coolant pump fails",
    "When the manual call point is pressed",
    "When the suppression hold button is pressed",
    "When the suppression hold button is released",
    "Given hydrogen stays below 25 % of its lower flammability limit throughout",
];

#[when(expr = "the coolant pump fails")]
fn pump_fails(session: &mut Session) -> Outcome {
    session.mark_cause();
    session.command(RigCommand::Fault(PlantFault::CoolantPumpFailed))
}

#[when(expr = "the manual call point is pressed")]
fn call_point(session: &mut Session) -> Outcome {
    session.mark_cause();
    session.command(RigCommand::Contact {
        line: Line::ManualCallPoint,
        level: true,
    })
}

#[when(expr = "the suppression hold button is pressed")]
fn hold(session: &mut Session) -> Outcome {
    session.mark_cause();
    session.command(RigCommand::Contact {
        line: Line::SuppressionHold,
        level: true,
    })
}

#[when(expr = "the suppression hold button is released")]
fn let_go(session: &mut Session) -> Outcome {
    session.mark_cause();
    session.command(RigCommand::Contact {
        line: Line::SuppressionHold,
        level: false,
    })
}

#[given(expr = "hydrogen stays below {float} % of its lower flammability limit throughout")]
fn hydrogen(session: &mut Session, percent: f64) -> Outcome {
    // LFL of hydrogen in air: 4 % by volume, 40,000 ppm.
    let points = [(TRUE_AIR.to_owned(), "hydrogen-mean")];
    session.keep_between(&points, 0.0, 40_000.0 * percent / 100.0)
}
