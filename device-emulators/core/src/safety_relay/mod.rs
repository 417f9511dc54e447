//! Two-channel E-stop relay with monitored manual reset.
//!
//! Either channel opening drops the output before [`Device::accept`] returns. Closing them again does nothing: it
//! takes both channels closed and then a fresh press of the reset button, so a jammed button never resets. One
//! channel open alone for longer than the discrepancy time locks the relay out until both have been open together
//! and closed again. It has no software interface at all.

pub mod points;

use core::time::Duration;
use std::sync::Arc;

use bess_types::{Actuation, Line, SimTime};
use serde::Deserialize;

use self::points::{STATES, SafetyRelayPoints};
use crate::library::Library;
use crate::outbox::Outbox;
use crate::product::{Product, ProductError};
use crate::{Device, DeviceFault, Input, Output, Points, Sense, UnsupportedFault};

/// Settings of one safety relay product.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How long the channels may disagree, ms.
    pub discrepancy_ms: u64,
    /// Switch on at power-up without a reset, if both channels are closed then. Only then: once a channel has been seen open, a reset is needed.
    pub auto_start_at_power_up: bool,
}

/// State of the relay; numbers as in [`points::STATES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Output off.
    Safe,
    /// Output on.
    Ok,
    /// Output off, and no reset is taken until both channels have been open together.
    Lockout,
}

/// One safety relay.
#[derive(Debug)]
pub struct SafetyRelay {
    settings: Settings,
    ids: SafetyRelayPoints,
    points: Points,
    outbox: Outbox,
    powered: bool,
    /// Outputs have not been given since power-up.
    fresh: bool,
    channel_a: Option<bool>,
    channel_b: Option<bool>,
    reset_pressed: bool,
    state: State,
    /// Both channels closed is enough to switch on, once.
    auto: bool,
    disagree_since: Option<SimTime>,
}

impl SafetyRelay {
    /// A relay as the product describes, just powered up.
    ///
    /// # Errors
    /// If the product's settings do not read.
    pub fn new(product: &Product, _library: &Library) -> Result<Self, ProductError> {
        let settings: Settings = product.settings()?;
        let (table, ids) = points::table();
        let mut relay = Self {
            ids,
            points: Points::new(Arc::new(table)),
            outbox: Outbox::default(),
            powered: true,
            fresh: true,
            channel_a: None,
            channel_b: None,
            // A button that is already down at power-up gives no edge.
            reset_pressed: true,
            state: State::Safe,
            auto: settings.auto_start_at_power_up,
            disagree_since: None,
            settings,
        };
        relay.publish();
        Ok(relay)
    }

    fn on_line(&mut self, now: SimTime, line: Line, level: bool) {
        match line {
            Line::EstopA => self.channel_a = Some(level),
            Line::EstopB => self.channel_b = Some(level),
            Line::SafetyReset => {
                let edge = level && !self.reset_pressed;
                self.reset_pressed = level;
                if edge && self.powered {
                    self.on_reset();
                }
                return;
            }
            _ => return,
        }
        if self.powered {
            self.on_channels(now);
        }
    }

    fn on_channels(&mut self, now: SimTime) {
        let open = |channel: Option<bool>| channel == Some(false);
        let (a, b) = (open(self.channel_a), open(self.channel_b));
        if a || b {
            self.auto = false;
            if self.state == State::Ok {
                self.enter(State::Safe, "E-stop channel opened");
            }
        }
        if a && b && self.state == State::Lockout {
            self.enter(State::Safe, "both channels open, lockout ended");
        }
        if a == b {
            self.disagree_since = None;
        } else if self.disagree_since.is_none() {
            self.disagree_since = Some(now);
        }
        if self.auto && self.both_closed() {
            self.auto = false;
            self.enter(State::Ok, "switched on at power-up");
        }
        self.publish();
    }

    fn on_reset(&mut self) {
        match self.state {
            State::Ok => {}
            State::Safe if self.both_closed() => self.enter(State::Ok, "reset"),
            State::Safe => self.note("reset ignored: a channel is open"),
            State::Lockout => self.note("reset ignored: locked out, open both channels and close them again"),
        }
        self.publish();
    }

    fn on_wake(&mut self, now: SimTime) {
        if self.fresh {
            self.fresh = false;
            self.drive(self.state == State::Ok);
            self.on_channels(now);
        }
        if self
            .disagree_since
            .is_some_and(|since| now >= since + self.discrepancy())
        {
            self.disagree_since = None;
            if self.state != State::Lockout {
                self.enter(State::Lockout, "channels disagree");
            }
            self.publish();
        }
    }

    const fn discrepancy(&self) -> Duration {
        Duration::from_millis(self.settings.discrepancy_ms)
    }

    fn both_closed(&self) -> bool {
        self.channel_a == Some(true) && self.channel_b == Some(true)
    }

    fn enter(&mut self, state: State, why: &str) {
        let was_on = self.state == State::Ok;
        self.state = state;
        if was_on != (state == State::Ok) {
            self.fresh = false;
            self.drive(!was_on);
        }
        self.note(why);
    }

    fn drive(&mut self, on: bool) {
        self.outbox.actuate(Actuation::CoilSupply { on });
        self.outbox.line(Line::SafetyOk, on);
    }

    fn note(&mut self, text: &str) {
        let number = self.state as u8;
        self.outbox.note(
            "state",
            f64::from(number),
            format!("{}: {text}", STATES[usize::from(number)]),
        );
    }

    fn publish(&mut self) {
        let ids = self.ids;
        self.points.set(ids.state, f64::from(self.state as u8));
        self.points.set_flag(ids.estop_a, self.channel_a == Some(true));
        self.points.set_flag(ids.estop_b, self.channel_b == Some(true));
        self.points.set_flag(ids.safety_ok, self.state == State::Ok);
        self.points.set_flag(ids.lockout, self.state == State::Lockout);
        let awaited = self.state == State::Safe && self.both_closed();
        self.points.set_flag(ids.reset_awaited, awaited);
    }
}

impl Device for SafetyRelay {
    fn senses(&self) -> &[Sense] {
        &[]
    }

    fn accept(&mut self, now: SimTime, input: Input<'_>) {
        match input {
            Input::Line { line, level } => self.on_line(now, line, level),
            Input::Wake if self.powered => self.on_wake(now),
            Input::ModbusRequest { token, .. } => {
                // It has no port; whoever asks hears nothing.
                self.outbox.no_reply(token);
            }
            _ => {}
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop()
    }

    fn next_wake(&self) -> SimTime {
        if !self.powered {
            SimTime::NEVER
        } else if self.fresh {
            SimTime::ZERO
        } else {
            self.disagree_since
                .map_or(SimTime::NEVER, |since| since + self.discrepancy())
        }
    }

    fn inject(&mut self, fault: &DeviceFault) -> Result<(), UnsupportedFault> {
        match fault {
            DeviceFault::PowerOff => {
                if self.powered {
                    self.powered = false;
                    self.disagree_since = None;
                    self.state = State::Safe;
                    self.drive(false);
                    self.note("supply lost");
                    self.publish();
                }
            }
            DeviceFault::PowerOn => {
                if !self.powered {
                    self.powered = true;
                    self.fresh = true;
                    self.auto = self.settings.auto_start_at_power_up;
                    self.publish();
                }
            }
            other => return Err(UnsupportedFault { fault: *other }),
        }
        Ok(())
    }

    fn points(&self) -> &Points {
        &self.points
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    fn relay() -> SafetyRelay {
        let library = Library::shipped();
        let product = library.product("safety-relay").unwrap();
        let mut relay = SafetyRelay::new(&product, &library).unwrap();
        relay.accept(SimTime::ZERO, Input::Wake);
        relay
    }

    fn line(relay: &mut SafetyRelay, ms: u64, line: Line, level: bool) -> Vec<Output> {
        relay.accept(SimTime::from_millis(ms), Input::Line { line, level });
        core::iter::from_fn(|| relay.poll_output()).collect()
    }

    fn closed_and_on() -> SafetyRelay {
        let mut relay = relay();
        line(&mut relay, 0, Line::SafetyReset, false);
        line(&mut relay, 0, Line::EstopA, true);
        line(&mut relay, 0, Line::EstopB, true);
        assert_eq!(relay.state, State::Ok);
        relay
    }

    #[test]
    fn one_channel_is_enough_and_acts_at_once() {
        for channel in [Line::EstopA, Line::EstopB] {
            let mut relay = closed_and_on();
            let outputs = line(&mut relay, 1000, channel, false);
            assert!(outputs.contains(&Output::Actuate(Actuation::CoilSupply { on: false })));
            assert!(outputs.contains(&Output::Line {
                line: Line::SafetyOk,
                level: false
            }));
        }
    }

    #[test]
    fn releasing_does_not_restore_but_a_press_of_reset_does() {
        let mut relay = closed_and_on();
        line(&mut relay, 1000, Line::EstopA, false);
        line(&mut relay, 1010, Line::EstopB, false);
        line(&mut relay, 5000, Line::EstopA, true);
        line(&mut relay, 5010, Line::EstopB, true);
        relay.accept(SimTime::from_millis(9000), Input::Wake);
        assert_eq!(relay.state, State::Safe);
        let outputs = line(&mut relay, 9100, Line::SafetyReset, true);
        assert!(outputs.contains(&Output::Actuate(Actuation::CoilSupply { on: true })));
        assert_eq!(relay.state, State::Ok);
    }

    #[test]
    fn a_jammed_reset_button_does_not_reset() {
        let mut relay = closed_and_on();
        line(&mut relay, 900, Line::SafetyReset, true);
        line(&mut relay, 1000, Line::EstopA, false);
        line(&mut relay, 1000, Line::EstopB, false);
        line(&mut relay, 2000, Line::EstopA, true);
        line(&mut relay, 2000, Line::EstopB, true);
        line(&mut relay, 2100, Line::SafetyReset, true);
        assert_eq!(relay.state, State::Safe);
        line(&mut relay, 2200, Line::SafetyReset, false);
        line(&mut relay, 2300, Line::SafetyReset, true);
        assert_eq!(relay.state, State::Ok);
    }

    #[test]
    fn disagreeing_channels_lock_out_until_both_were_open() {
        let mut relay = closed_and_on();
        line(&mut relay, 1000, Line::EstopA, false);
        assert_eq!(relay.next_wake(), SimTime::from_millis(1500));
        relay.accept(SimTime::from_millis(1500), Input::Wake);
        assert_eq!(relay.state, State::Lockout);
        line(&mut relay, 2000, Line::EstopA, true);
        line(&mut relay, 2100, Line::SafetyReset, true);
        line(&mut relay, 2200, Line::SafetyReset, false);
        assert_eq!(relay.state, State::Lockout);
        line(&mut relay, 3000, Line::EstopA, false);
        line(&mut relay, 3010, Line::EstopB, false);
        line(&mut relay, 4000, Line::EstopA, true);
        line(&mut relay, 4010, Line::EstopB, true);
        line(&mut relay, 4100, Line::SafetyReset, true);
        assert_eq!(relay.state, State::Ok);
    }

    #[test]
    fn powering_up_with_an_open_channel_needs_a_reset() {
        let mut relay = relay();
        line(&mut relay, 0, Line::SafetyReset, false);
        line(&mut relay, 0, Line::EstopA, true);
        line(&mut relay, 0, Line::EstopB, false);
        line(&mut relay, 100, Line::EstopB, true);
        assert_eq!(relay.state, State::Safe);
    }

    #[test]
    fn losing_its_supply_is_safe() {
        let mut relay = closed_and_on();
        while relay.poll_output().is_some() {}
        relay.inject(&DeviceFault::PowerOff).unwrap();
        assert_eq!(
            relay.poll_output(),
            Some(Output::Actuate(Actuation::CoilSupply { on: false }))
        );
        assert_eq!(relay.next_wake(), SimTime::NEVER);
        assert_eq!(
            relay.inject(&DeviceFault::FreezeCounters),
            Err(UnsupportedFault {
                fault: DeviceFault::FreezeCounters
            })
        );
    }

    #[test]
    fn holds_to_the_device_contract() {
        crate::contract::device_contract(|| {
            let library = Library::shipped();
            let product = library.product("safety-relay").unwrap();
            Box::new(SafetyRelay::new(&product, &library).unwrap())
        });
    }
}
