//! The power conversion system and the grid it hangs on.

use bess_devices::hmi::HmiTarget;
use bess_plant::PlantFault;
use bess_rig::RigCommand;
use cucumber::{given, when};

use super::names::{PCS, TRUE_PCS};
use super::site::operator;
use super::{Entry, demand, number, one};
use crate::session::{Outcome, Session};
use crate::watch::{Demands, Test};

/// Power below which the PCS counts as idle, W: 1 % of 1,725 kVA.
const IDLE_W: f64 = 17_250.0;

fn truth(point: &str, on: bool) -> Demands {
    let test = if on { Test::On } else { Test::Off };
    one(TRUE_PCS, point, test)
}

/// What can be said of the PCS.
pub(super) const PHRASES: &[Entry] = &[
    Entry {
        pattern: r"the PCS (?:is|stays) blocked",
        example: "the PCS is blocked",
        demands: |_, _| Ok(truth("gate", false)),
    },
    Entry {
        pattern: r"the PCS is pulsing",
        example: "the PCS is pulsing",
        demands: |_, _| Ok(truth("gate", true)),
    },
    Entry {
        pattern: r"the AC contactor (?:is|stays) (?<how>open|closed)",
        example: "the AC contactor is open",
        demands: |c, _| Ok(truth("ac-contactor", &c["how"] == "closed")),
    },
    Entry {
        pattern: r"the PCS delivers no power",
        example: "the PCS delivers no power",
        demands: |_, _| Ok(one(TRUE_PCS, "active-power", Test::Within(IDLE_W))),
    },
    Entry {
        pattern: r"the PCS delivers or takes power",
        example: "the PCS delivers or takes power",
        demands: |_, _| {
            Ok(Demands::any(vec![
                demand(TRUE_PCS, "active-power", Test::AtLeast(IDLE_W)),
                demand(TRUE_PCS, "active-power", Test::AtMost(-IDLE_W)),
            ]))
        },
    },
    Entry {
        pattern: r"the PCS delivers at least (?<kilowatts>\d+) kW",
        example: "the PCS delivers at least 800 kW",
        demands: |c, _| {
            let watts = number(c, "kilowatts")? as f64 * 1e3;
            Ok(one(TRUE_PCS, "active-power", Test::AtLeast(watts)))
        },
    },
    Entry {
        pattern: r"the PCS takes at least (?<kilowatts>\d+) kW",
        example: "the PCS takes at least 800 kW",
        demands: |c, _| {
            let watts = number(c, "kilowatts")? as f64 * 1e3;
            Ok(one(TRUE_PCS, "active-power", Test::AtMost(-watts)))
        },
    },
    Entry {
        pattern: r"the PCS takes at most (?<kilowatts>\d+) kW",
        example: "the PCS takes at most 400 kW",
        demands: |c, _| {
            let watts = number(c, "kilowatts")? as f64 * 1e3;
            Ok(one(TRUE_PCS, "active-power", Test::AtLeast(-watts)))
        },
    },
    Entry {
        pattern: r"the PCS delivers at most (?<kilowatts>\d+) kW",
        example: "the PCS delivers at most 700 kW",
        demands: |c, _| {
            let watts = number(c, "kilowatts")? as f64 * 1e3;
            Ok(one(TRUE_PCS, "active-power", Test::AtMost(watts)))
        },
    },
    Entry {
        pattern: r"the PCS (?<how>injects|absorbs) at least (?<kilovars>\d+) kvar",
        example: "the PCS absorbs at least 350 kvar",
        demands: |c, _| {
            let vars = number(c, "kilovars")? as f64 * 1e3;
            let test = match &c["how"] {
                "injects" => Test::AtLeast(vars),
                _ => Test::AtMost(-vars),
            };
            Ok(one(TRUE_PCS, "reactive-power", test))
        },
    },
    Entry {
        pattern: r"the PCS exchanges at most (?<kilovars>\d+) kvar",
        example: "the PCS exchanges at most 40 kvar",
        demands: |c, _| {
            let vars = number(c, "kilovars")? as f64 * 1e3;
            Ok(one(TRUE_PCS, "reactive-power", Test::Within(vars)))
        },
    },
    Entry {
        pattern: r"the PCS has refused the (?<function>volt-var|volt-watt|watt-var) curve",
        example: "the PCS has refused the volt-var curve",
        demands: |c, _| {
            let point = match &c["function"] {
                "volt-var" => "volt-var-adopt-result",
                "volt-watt" => "volt-watt-adopt-result",
                _ => "watt-var-adopt-result",
            };
            Ok(one(PCS, point, Test::Is("failed")))
        },
    },
    Entry {
        pattern: r"the acting (?<function>volt-var|volt-watt|watt-var) curve of the PCS begins at (?<x>\d+)/(?<y>\d+)",
        example: "the acting volt-var curve of the PCS begins at 95/30",
        demands: |c, _| {
            let mut demands = Vec::new();
            for axis in ["x", "y"] {
                let value = number(c, axis)? as f64;
                let point = format!("{}[0].{axis}[0]", &c["function"]);
                demands.push(demand(PCS, &point, Test::AtLeast(value)));
                demands.push(demand(PCS, &point, Test::AtMost(value)));
            }
            Ok(Demands::all(demands))
        },
    },
    Entry {
        pattern: r"the PCS (?:is|stays) (?<state>off|running|on standby|in fault)",
        example: "the PCS is running",
        demands: |c, _| {
            let state = match &c["state"] {
                "off" => "off",
                "running" => "running",
                "on standby" => "standby",
                _ => "fault",
            };
            Ok(one(PCS, "pcs-state", Test::Is(state)))
        },
    },
    Entry {
        pattern: r"the PCS may (?<way>charge|discharge) with at (?<end>least|most) (?<amperes>\d+) A",
        example: "the PCS may charge with at least 100 A",
        demands: |c, _| {
            let amperes = number(c, "amperes")? as f64;
            let test = if &c["end"] == "least" {
                Test::AtLeast(amperes)
            } else {
                Test::AtMost(amperes)
            };
            Ok(one(PCS, format!("bms-{}-limit", &c["way"]), test))
        },
    },
    Entry {
        pattern: r"(?<way>charging|discharging) is (?<word>forbidden|allowed) to the PCS",
        example: "charging is forbidden to the PCS",
        demands: |c, _| {
            let way = c["way"].trim_end_matches("ing");
            let test = if &c["word"] == "allowed" {
                Test::On
            } else {
                Test::Off
            };
            Ok(one(PCS, format!("bms-{way}e-enable"), test))
        },
    },
    Entry {
        pattern: r"the PCS reports a loss of grid",
        example: "the PCS reports a loss of grid",
        demands: |_, _| Ok(one(PCS, "trip-cause", Test::IsNot("none"))),
    },
];

/// An example of each step here.
pub(super) const STEPS: &[&str] = &[
    "When the grid is lost",
    "When the grid returns",
    "When the grid voltage steps to 60 % of nominal",
    "When the grid voltage recovers",
    "When the operator asks the PCS for the volt-var curve 95/30 105/-30",
    "When the operator switches volt-var of the PCS on",
    "When the operator limits the PCS to 50 % for 60 s",
    "Given the PCS power stays between -900 kW and 900 kW throughout",
];

#[when(expr = "the grid is lost")]
fn lost(session: &mut Session) -> Outcome {
    session.mark_cause();
    session.command(RigCommand::Fault(PlantFault::GridLost))
}

#[when(expr = "the grid returns")]
fn returns(session: &mut Session) -> Outcome {
    session.mark_cause();
    session.command(RigCommand::ClearFault(PlantFault::GridLost))
}

#[when(expr = "the grid voltage steps to {float} % of nominal")]
fn sag(session: &mut Session, percent: f64) -> Outcome {
    session.mark_cause();
    session.command(RigCommand::Fault(PlantFault::GridVoltage {
        pu: percent / 100.0,
        ramp_s: 0.0,
    }))
}

#[when(expr = "the grid voltage recovers")]
fn recovers(session: &mut Session) -> Outcome {
    session.mark_cause();
    session.command(RigCommand::ClearFault(PlantFault::GridVoltage {
        pu: 1.0,
        ramp_s: 0.0,
    }))
}

/// Writes a curve and asks for it: `95/30 105/-30` are its points, % of nominal and %.
#[when(
    regex = r"^the operator asks the PCS for the (volt-var|volt-watt|watt-var) curve ((?:-?\d+(?:\.\d+)?/-?\d+(?:\.\d+)? ?)+)$"
)]
fn curve(session: &mut Session, function: String, points: String) -> Outcome {
    session.mark_cause();
    let mut set = |point: &str, value: f64| operator(session, HmiTarget::Pcs, point, value);
    let mut count = 0;
    for (i, point) in points.split_whitespace().enumerate() {
        let numbers = point
            .split_once('/')
            .and_then(|(x, y)| Some((x.parse().ok()?, y.parse().ok()?)));
        let Some((x, y)) = numbers else { continue };
        set(&format!("{function}[1].x[{i}]"), x)?;
        set(&format!("{function}[1].y[{i}]"), y)?;
        count = i + 1;
    }
    set(&format!("{function}[1].points"), count as f64)?;
    set(&format!("{function}-adopt"), 2.0)
}

#[when(regex = r"^the operator switches (volt-var|volt-watt|watt-var|droop) of the PCS (on|off)$")]
fn switch(session: &mut Session, function: String, how: String) -> Outcome {
    session.mark_cause();
    let on = f64::from(u8::from(how == "on"));
    operator(session, HmiTarget::Pcs, &format!("{function}-enable"), on)
}

#[when(expr = "the operator limits the PCS to {float} % for {float} s")]
fn limit(session: &mut Session, percent: f64, seconds: f64) -> Outcome {
    session.mark_cause();
    for (point, value) in [
        ("active-power-limit-revert-time", seconds),
        ("active-power-limit", percent),
        ("active-power-limit-enable", 1.0),
    ] {
        operator(session, HmiTarget::Pcs, point, value)?;
    }
    Ok(())
}

#[given(expr = "the PCS power stays between {float} kW and {float} kW throughout")]
fn power_limits(session: &mut Session, low: f64, high: f64) -> Outcome {
    let points = [(TRUE_PCS.to_owned(), "active-power")];
    session.keep_between(&points, low * 1e3, high * 1e3)
}
