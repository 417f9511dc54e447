//! The site around the battery: operator, E-stop, safety chain, start and stop of the plant.

use std::time::Duration;

use bess_devices::hmi::HmiTarget;
use bess_rig::RigCommand;
use bess_types::Line;
use cucumber::{given, when};

use super::names::{BAU, EMS, SAFETY_RELAY, TRUE_CONTAINER, TRUE_COOLANT};
use super::{Entry, Phrase, one};
use crate::session::{Outcome, Session, Stop};
use crate::watch::Test;

/// What can be said of the site.
pub(super) const PHRASES: &[Entry] = &[
    Entry {
        pattern: r"the safety chain (?:is|stays) (?<how>open|closed)",
        example: "the safety chain is open",
        demands: |c, _| {
            let test = if &c["how"] == "open" { Test::Off } else { Test::On };
            Ok(one(SAFETY_RELAY, "safety-ok", test))
        },
    },
    Entry {
        pattern: r"the safety relay is locked out",
        example: "the safety relay is locked out",
        demands: |_, _| Ok(one(SAFETY_RELAY, "lockout", Test::On)),
    },
    Entry {
        pattern: r"the contactor coils (?:have|get) no supply",
        example: "the contactor coils have no supply",
        demands: |_, _| Ok(one(TRUE_CONTAINER, "coil-supply", Test::Off)),
    },
    Entry {
        pattern: r"the BAU has seen the E-stop",
        example: "the BAU has seen the E-stop",
        demands: |_, _| Ok(one(BAU, "estop-seen", Test::On)),
    },
    Entry {
        pattern: r"the EMS (?<how>runs the plant|has stopped the plant|has tripped the plant)",
        example: "the EMS runs the plant",
        demands: |c, _| {
            let state = match &c["how"] {
                "runs the plant" => "running",
                "has stopped the plant" => "stopped",
                _ => "tripped",
            };
            Ok(one(EMS, "state", Test::Is(state)))
        },
    },
    Entry {
        pattern: r"the chiller pump (?:runs|keeps running)",
        example: "the chiller pump runs",
        demands: |_, _| Ok(one(TRUE_COOLANT, "flow", Test::AtLeast(1.0))),
    },
];

/// An example of each step here.
pub(super) const STEPS: &[&str] = &[
    "Given the plant is powered up",
    "Given the plant is in operation",
    "Given the plant discharges at 0.5 C",
    "Given the plant charges at 0.5 C",
    "When the operator starts the plant",
    "When the operator stops the plant",
    "When the operator resets the alarms",
    "When the operator asks for 500 kW",
    "When the E-stop is pressed",
    "When only channel A of the E-stop opens",
    "When the E-stop is released",
    "When the safety reset button is pressed",
];

/// Presses at both buttons: how long a hand rests on one.
const PRESS: Duration = Duration::from_millis(300);

/// The BAU's and EMS's operator commands.
const START: f64 = 1.0;
const STOP: f64 = 2.0;
const RESET: f64 = 3.0;
/// The EMS follows the operator's set point.
const MANUAL: f64 = 1.0;

fn contact(session: &mut Session, line: Line, level: bool) -> Outcome {
    session.command(RigCommand::Contact { line, level })
}

pub(super) fn operator(session: &mut Session, target: HmiTarget, point: &str, value: f64) -> Outcome {
    session.command(RigCommand::Operator {
        target,
        point: point.into(),
        value,
    })
}

pub(super) fn phrase(session: &mut Session, text: &str) -> Result<Phrase, Stop> {
    text.parse().map_err(|error: String| session.error(error))
}

/// Asks the EMS for a power, W, positive discharging.
pub(super) fn ask_power(session: &mut Session, watts: f64) -> Outcome {
    operator(session, HmiTarget::Ems, "power-setpoint", watts)
}

/// Power that empties the stack in one hour (1 C), W.
pub(super) fn rated_power(session: &mut Session) -> Result<f64, Stop> {
    match session.observe(BAU, "energy-rating")? {
        Some(watt_hours) if watt_hours > 0.0 => Ok(watt_hours),
        _ => Err(session.fail("the BAU reports no rated energy")),
    }
}

#[given(expr = "the plant is powered up")]
fn powered_up(session: &mut Session) -> Outcome {
    let standby = phrase(session, "the stack is on standby")?;
    session.reach(&standby, Duration::from_secs(30))
}

#[given(expr = "the plant is in operation")]
fn in_operation(session: &mut Session) -> Outcome {
    powered_up(session)?;
    operator(session, HmiTarget::Ems, "mode", MANUAL)?;
    operator(session, HmiTarget::Ems, "command", START)?;
    let connected = phrase(session, "the stack is connected")?;
    session.reach(&connected, Duration::from_mins(1))?;
    // The PCS waits for the grid to have been good for its enter-service delay, 300 s at most [R].
    let ready = phrase(session, "the EMS runs the plant")?;
    session.reach(&ready, Duration::from_mins(6))
}

#[given(expr = "the plant discharges at {float} C")]
fn discharges(session: &mut Session, c_rate: f64) -> Outcome {
    in_operation(session)?;
    let power = rated_power(session)? * c_rate;
    ask_power(session, power)?;
    at_power(session)
}

#[given(expr = "the plant charges at {float} C")]
fn charges(session: &mut Session, c_rate: f64) -> Outcome {
    in_operation(session)?;
    let power = rated_power(session)? * c_rate;
    ask_power(session, -power)?;
    at_power(session)
}

fn at_power(session: &mut Session) -> Outcome {
    let flowing = phrase(session, "the PCS delivers or takes power")?;
    session.reach(&flowing, Duration::from_secs(20))?;
    session.run_for(Duration::from_secs(5))
}

#[when("the operator starts the plant")]
fn start(session: &mut Session) -> Outcome {
    session.mark_cause();
    operator(session, HmiTarget::Ems, "mode", MANUAL)?;
    operator(session, HmiTarget::Ems, "command", START)
}

#[when("the operator stops the plant")]
fn stop(session: &mut Session) -> Outcome {
    session.mark_cause();
    operator(session, HmiTarget::Ems, "command", STOP)
}

#[when("the operator resets the alarms")]
fn reset_alarms(session: &mut Session) -> Outcome {
    session.mark_cause();
    operator(session, HmiTarget::Ems, "command", RESET)?;
    operator(session, HmiTarget::Bau, "command", RESET)
}

#[when(expr = "the operator asks for {float} kW")]
fn ask(session: &mut Session, kilowatts: f64) -> Outcome {
    session.mark_cause();
    ask_power(session, kilowatts * 1e3)
}

#[when(expr = "the E-stop is pressed")]
fn estop(session: &mut Session) -> Outcome {
    session.mark_cause();
    contact(session, Line::EstopA, false)?;
    contact(session, Line::EstopB, false)
}

#[when(expr = "only channel {word} of the E-stop opens")]
fn estop_one(session: &mut Session, channel: String) -> Outcome {
    let line = match channel.as_str() {
        "A" => Line::EstopA,
        "B" => Line::EstopB,
        other => return Err(session.error(format!("the E-stop has channels A and B, not {other}"))),
    };
    session.mark_cause();
    contact(session, line, false)
}

#[when(expr = "the E-stop is released")]
fn release(session: &mut Session) -> Outcome {
    session.mark_cause();
    contact(session, Line::EstopA, true)?;
    contact(session, Line::EstopB, true)
}

#[when(expr = "the safety reset button is pressed")]
fn safety_reset(session: &mut Session) -> Outcome {
    session.mark_cause();
    contact(session, Line::SafetyReset, true)?;
    session.run_for(PRESS)?;
    contact(session, Line::SafetyReset, false)
}
