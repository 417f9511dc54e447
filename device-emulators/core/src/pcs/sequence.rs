//! The state machine between battery and grid: start, standby, stop, trip and reset.

use core::time::Duration;

use bess_types::SimTime;

use super::grid::GridTrip;
use super::points::STATES;
use super::regulator::Regulator;
use super::settings::seconds;
use super::state::{Cause, State, Step};
use super::watch::Link;
use super::{Drive, Pcs};

impl Pcs {
    pub(super) fn advance_state(&mut self, now: SimTime) {
        match self.state {
            State::Off | State::Fault => {}
            State::Starting => self.advance_start(now),
            State::Running | State::Standby => {
                if self.points.is_on(self.ids.bms_stop) {
                    self.begin_stop(now, "BMS asks to stop");
                } else if !self.grid.service_permitted() {
                    // Ceases at once, and comes back by itself (703 `ES`, 123 `Conn`).
                    self.shut();
                    self.step = Step::GridWait;
                    self.contactor_wrong_since = None;
                    self.enter(State::Starting, "service not permitted");
                } else if self.state == State::Running && self.wants_standby(now) {
                    if self.at_rest() {
                        self.enter(State::Standby, "gate blocked, still connected");
                    }
                } else if self.state == State::Standby && !self.wants_standby(now) {
                    self.enter(State::Running, "following the set point");
                }
            }
            State::Stopping => {
                if self.at_rest() || now >= self.stop_deadline {
                    self.enter(State::Off, "stopped");
                }
            }
        }
        self.drive.ac_contactor = match self.state {
            State::Off | State::Fault => false,
            State::Starting => self.step == Step::Closing,
            State::Standby | State::Running | State::Stopping => true,
        };
    }

    pub(super) fn advance_start(&mut self, now: SimTime) {
        if self.points.is_on(self.ids.bms_stop) {
            self.enter(State::Off, "BMS asks to stop");
            return;
        }
        match self.step {
            Step::Precheck { deadline } => {
                if self.dc_in_range() && self.bms.link(now) == Link::Ok {
                    self.step = Step::GridWait;
                } else if now >= deadline {
                    self.trip(now, Cause::PrecheckTimeout);
                }
            }
            Step::GridWait => {
                if self.grid.may_enter_service(now) && self.dc_in_range() {
                    let until = now + Duration::from_millis(self.settings.sync_ms);
                    self.step = Step::Sync { until };
                }
            }
            Step::Sync { until } => {
                if !self.grid.may_enter_service(now) || !self.dc_in_range() {
                    self.step = Step::GridWait;
                } else if now >= until {
                    self.step = Step::Closing;
                    self.contactor_wrong_since = None;
                }
            }
            Step::Closing => {
                if self.sampled.ac_contactor == Some(true) {
                    self.ems.grant(now);
                    self.set_cause(Cause::None);
                    self.entered = Some(now);
                    self.enter(State::Running, "connected");
                }
            }
        }
    }

    pub(super) fn dc_in_range(&self) -> bool {
        self.sampled
            .dc_voltage
            .is_some_and(|v| v >= self.settings.dc_voltage_min_v && v <= self.settings.dc_voltage_max_v)
    }

    pub(super) fn enter(&mut self, state: State, why: &str) {
        if self.state == state {
            return;
        }
        self.state = state;
        let number = state.number();
        self.points.set(self.ids.state, f64::from(number));
        self.outbox.note(
            "pcs-state",
            f64::from(number),
            format!("{}: {why}", STATES[usize::from(number)]),
        );
    }

    pub(super) fn set_cause(&mut self, cause: Cause) {
        if self.cause == cause {
            return;
        }
        self.cause = cause;
        self.points.set(self.ids.trip_cause, f64::from(cause.number()));
        if cause != Cause::None {
            self.outbox.note(
                "trip-cause",
                f64::from(cause.number()),
                format!("trip: {}", cause.name()),
            );
        }
    }

    /// Blocks the gate and opens the AC contactor now; latched.
    pub(super) fn trip(&mut self, now: SimTime, cause: Cause) {
        self.shut();
        self.set_cause(cause);
        self.enter(State::Fault, cause.name());
        self.contactor_wrong_since = None;
        self.act();
        self.publish(now);
    }

    /// Likewise, but it connects again by itself once the grid has been good for the enter-service delay.
    pub(super) fn trip_on_grid(&mut self, now: SimTime, trip: GridTrip) {
        let cause = Cause::Grid(trip);
        self.grid.restart_delay();
        if self.state == State::Stopping {
            self.shut();
            self.set_cause(cause);
            self.enter(State::Off, "tripped while stopping");
        } else if self.settings.reconnect_after_grid_trip {
            self.shut();
            self.set_cause(cause);
            self.step = Step::GridWait;
            self.contactor_wrong_since = None;
            self.enter(State::Starting, "waits for the grid after a trip");
        } else {
            self.trip(now, cause);
        }
    }

    pub(super) fn shut(&mut self) {
        if self.drive.gate {
            self.set_gate(false, "");
        }
        self.drive = Drive::default();
        self.regulators = [Regulator::default(); 2];
    }

    pub(super) fn start(&mut self, now: SimTime) {
        let refusal = if self.points.is_on(self.ids.local) {
            Some("in local control")
        } else if !self.lines_healthy() {
            Some("a hard-wired line is open")
        } else if self.state == State::Fault && !self.cause.cleared_by_start() {
            Some("the fault must be reset first")
        } else {
            None
        };
        if let Some(why) = refusal {
            self.note_state(&format!("start refused: {why}"));
            return;
        }
        self.standby_asked = false;
        match self.state {
            State::Off | State::Fault => {
                self.set_cause(Cause::None);
                self.step = Step::Precheck {
                    deadline: now + seconds(self.settings.precheck_timeout_s),
                };
                self.enter(State::Starting, "start command");
            }
            State::Stopping => {
                self.ems.grant(now);
                self.enter(State::Running, "start command");
            }
            State::Starting | State::Standby | State::Running => {}
        }
    }

    pub(super) fn begin_stop(&mut self, now: SimTime, why: &str) {
        match self.state {
            State::Off | State::Fault | State::Stopping => {}
            State::Starting | State::Standby => self.enter(State::Off, why),
            State::Running => {
                self.stop_deadline = now + Duration::from_millis(self.settings.stop_timeout_ms);
                self.enter(State::Stopping, why);
            }
        }
    }

    pub(super) fn reset(&mut self) {
        if self.state != State::Fault {
            self.set_cause(Cause::None);
            return;
        }
        let hot = self
            .sampled
            .cabinet
            .is_some_and(|t| t >= self.settings.cabinet_trip_c);
        let stands = match self.cause {
            Cause::SafetyChain | Cause::BmsPermitLine => !self.lines_healthy(),
            Cause::OverTemperature => hot,
            Cause::AcContactor => self.sampled.ac_contactor == Some(true),
            _ => false,
        };
        if stands {
            self.note_state("reset refused: the cause still stands");
            return;
        }
        self.set_cause(Cause::None);
        self.enter(State::Off, "fault reset");
    }

    pub(super) fn note_state(&mut self, text: &str) {
        self.outbox
            .note("pcs-state", f64::from(self.state.number()), text);
    }

    pub(super) const fn lines_healthy(&self) -> bool {
        self.safety_ok && self.bms_permit_line
    }
}
