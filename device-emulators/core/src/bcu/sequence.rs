//! The contactor sequence of one cluster: K−, precharge, K+, and back.
//!
//! Pure: inputs are what the BCU has read, outputs are what the coils should be. Open is the state it falls
//! to from anywhere. Closing needs a request that began after the last fault was reset.

use core::time::Duration;

use bess_types::SimTime;

use super::settings::ContactorSettings;
use crate::protection::seconds;

/// Names of [`State`], as point states.
pub const STATES: &[&str] = &[
    "initialising",
    "open",
    "checking-bus",
    "closing-negative",
    "precharging",
    "closing-positive",
    "opening-precharge",
    "closed",
    "unloading",
    "opening",
    "precharge-pause",
    "fault",
    "interlocked",
];

/// Where the sequence stands. Order as in [`STATES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Self-test.
    Initialising,
    /// All open, ready.
    Open,
    /// Bus is live although it should not be: is it a weld?
    CheckingBus,
    /// K− driven, feedback awaited.
    ClosingNegative,
    /// Precharge contactor driven, bus rising.
    Precharging,
    /// K+ driven, feedback awaited.
    ClosingPositive,
    /// Connected; the precharge contactor is about to open.
    OpeningPrecharge,
    /// Connected.
    Closed,
    /// Connected, 0 A demanded, about to open.
    Unloading,
    /// Coils off, feedback awaited.
    Opening,
    /// A precharge failed; the resistor cools.
    PrechargePause,
    /// Open and latched.
    Fault,
    /// Open because the safety chain took the coil supply.
    Interlocked,
}

/// What the BAU wants of the cluster. Numbers as on the stack bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Request {
    /// Stay as you are.
    #[default]
    None,
    /// Open.
    Open,
    /// Close onto the live bus, if the voltage gap allows.
    Join,
    /// Close with precharge: no other cluster is connected.
    Precharge,
}

impl Request {
    /// Names, as point states.
    pub const NAMES: &'static [&'static str] = &["none", "open", "join", "precharge"];

    /// From its number on the bus.
    pub fn from_number(number: f64) -> Self {
        [Self::None, Self::Open, Self::Join, Self::Precharge]
            .into_iter()
            .find(|request| f64::from(*request as u8) == number)
            .unwrap_or_default()
    }

    fn is_close(self) -> bool {
        matches!(self, Self::Join | Self::Precharge)
    }
}

/// Which coils are driven, or which contacts read closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Contacts {
    /// K+.
    pub positive: bool,
    /// K−.
    pub negative: bool,
    /// K_pre.
    pub precharge: bool,
}

/// What the sequence needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Inputs {
    /// Coil supply is there.
    pub coil_supply: bool,
    /// Auxiliary contacts; `None` while they cannot be read.
    pub feedback: Option<Contacts>,
    /// Cluster voltage, V.
    pub cluster_v: Option<f64>,
    /// Bus voltage, V.
    pub bus_v: Option<f64>,
    /// Cluster current, A.
    pub current_a: Option<f64>,
    /// What the BAU wants.
    pub request: Request,
    /// A level 3 alarm stands.
    pub fault: bool,
    /// Open now, but without a latch: BAU lost, E-stop or fire seen by the BAU.
    pub urgent: bool,
    /// Breaker, fuse and measurements are fit for closing.
    pub fit: bool,
}

/// Departures from the right sequence, for the defective controllers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quirks {
    /// Coil commands stay on when the coil supply goes.
    pub ignores_coil_supply: bool,
    /// K+ closes without precharge.
    pub skips_precharge: bool,
    /// Joins whatever the voltage gap.
    pub ignores_gap: bool,
    /// Added before opening on a fault.
    pub late_by: Duration,
}

/// Why the sequence does not close. Order as in [`BLOCKING`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Blocking {
    /// Nothing blocks, or nothing is asked.
    #[default]
    None,
    /// A level 3 alarm.
    Fault,
    /// No coil supply.
    CoilSupply,
    /// Breaker open, fuse blown or measurements missing.
    Unfit,
    /// Difference to the live bus too high.
    VoltageGap,
    /// The request is older than the last reset.
    StaleRequest,
}

/// Names of [`Blocking`], as point states.
pub const BLOCKING: &[&str] = &[
    "none",
    "fault",
    "coil-supply",
    "unfit",
    "voltage-gap",
    "stale-request",
];

/// The sequence of one cluster.
#[derive(Clone, Debug)]
pub struct Sequence {
    settings: ContactorSettings,
    quirks: Quirks,
    state: State,
    since: SimTime,
    drive: Contacts,
    mains_off_since: SimTime,
    armed: bool,
    joining: bool,
    urgent_opening: bool,
    tries: u32,
    retry: bool,
    bus_at_entry: f64,
    welded: bool,
    given_up: bool,
    breaker_trip: bool,
    blocking: Blocking,
}

impl Sequence {
    /// A sequence in [`State::Initialising`].
    pub fn new(settings: ContactorSettings, quirks: Quirks, now: SimTime) -> Self {
        Self {
            settings,
            quirks,
            state: State::Initialising,
            since: now,
            drive: Contacts::default(),
            mains_off_since: now,
            armed: false,
            joining: false,
            urgent_opening: false,
            tries: 0,
            retry: false,
            bus_at_entry: 0.0,
            welded: false,
            given_up: false,
            breaker_trip: false,
            blocking: Blocking::None,
        }
    }

    /// The self-test is over.
    pub fn begin(&mut self, now: SimTime) {
        if self.state == State::Initialising {
            self.enter(State::Open, now);
        }
    }

    /// Forgets failed attempts and releases the breaker's shunt trip.
    pub fn reset(&mut self) {
        self.tries = 0;
        self.given_up = false;
        self.welded = false;
        self.breaker_trip = false;
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Coils to be driven.
    pub fn drive(&self) -> Contacts {
        self.drive
    }

    /// The breaker's shunt trip is to be energised.
    pub fn breaker_trip(&self) -> bool {
        self.breaker_trip
    }

    /// Precharge failed as often as allowed.
    pub fn given_up(&self) -> bool {
        self.given_up
    }

    /// Why it does not close although asked to.
    pub fn blocking(&self) -> Blocking {
        self.blocking
    }

    /// Both mains are driven, so current may flow.
    pub fn is_connected(&self) -> bool {
        self.drive.positive && self.drive.negative
    }

    /// Feedback contradicts the drive, or the bus shows a weld; `None` while it cannot be told.
    pub fn mismatch(&self, inputs: &Inputs) -> Option<bool> {
        if !inputs.coil_supply && self.quirks.ignores_coil_supply {
            return None;
        }
        Some(self.welded || inputs.feedback? != self.drive)
    }

    /// Takes one step; call it often, and after every change of an input.
    pub fn step(&mut self, now: SimTime, inputs: &Inputs) {
        if self.state == State::Initialising {
            return;
        }
        if !inputs.coil_supply && !self.quirks.ignores_coil_supply {
            self.all_off(now);
            self.armed = false;
            if self.state != State::Interlocked {
                self.enter(State::Interlocked, now);
            }
        }
        self.blocking = Blocking::None;
        self.advance(now, inputs);
        self.watch_breaker(now, inputs);
    }

    fn advance(&mut self, now: SimTime, inputs: &Inputs) {
        let settings = self.settings;
        let elapsed = now - self.since;
        let feedback = inputs.feedback.unwrap_or_default();
        let closing = matches!(
            self.state,
            State::CheckingBus | State::ClosingNegative | State::Precharging | State::ClosingPositive
        );
        let stop = inputs.fault || inputs.urgent || inputs.request == Request::Open;
        if closing && (stop || !inputs.fit) {
            self.open(now, true);
            return;
        }
        match self.state {
            State::Open => self.consider_closing(now, inputs),
            State::CheckingBus => {
                let bus = inputs.bus_v.unwrap_or(0.0);
                if !self.looks_welded(inputs) || self.bus_at_entry - bus >= settings.weld_decay_v {
                    self.close_negative(now);
                } else if elapsed >= seconds(settings.weld_observe_s) {
                    self.welded = true;
                    self.open(now, true);
                }
            }
            State::ClosingNegative if feedback.negative => {
                if self.joining || self.quirks.skips_precharge {
                    self.drive.positive = true;
                    self.enter(State::ClosingPositive, now);
                } else {
                    self.drive.precharge = true;
                    self.enter(State::Precharging, now);
                }
            }
            State::Precharging => {
                let share = match (inputs.bus_v, inputs.cluster_v) {
                    (Some(bus), Some(cluster)) if cluster > settings.dead_bus_v => bus / cluster,
                    _ => 0.0,
                };
                let extended = share >= settings.precharge_extend_share;
                let limit = if extended {
                    settings.precharge_max_s
                } else {
                    settings.precharge_s
                };
                if feedback.precharge && share >= settings.precharge_share {
                    self.drive.positive = true;
                    self.enter(State::ClosingPositive, now);
                } else if elapsed >= seconds(limit) {
                    self.tries += 1;
                    self.given_up = self.tries >= settings.precharge_tries;
                    self.open(now, true);
                    self.retry = !self.given_up;
                }
            }
            State::ClosingPositive if feedback.positive => {
                self.enter(State::OpeningPrecharge, now);
            }
            State::OpeningPrecharge => {
                if self.wants_unloading(now, inputs) {
                    return;
                }
                if elapsed >= seconds(settings.overlap_s) || self.joining {
                    self.drive.precharge = false;
                }
                if !self.drive.precharge && !feedback.precharge {
                    self.tries = 0;
                    self.enter(State::Closed, now);
                }
            }
            State::Closed => {
                self.wants_unloading(now, inputs);
            }
            State::Unloading => self.unload(now, inputs),
            State::Opening => {
                if self.urgent_opening || !feedback.positive || elapsed >= seconds(settings.stagger_s) {
                    self.all_off(now);
                }
                let mains_open = !feedback.positive && !feedback.negative && !self.drive.negative;
                if mains_open || elapsed >= 2 * seconds(settings.breaker_trip_s) {
                    let next = if self.retry {
                        State::PrechargePause
                    } else {
                        State::Open
                    };
                    self.enter(if inputs.fault { State::Fault } else { next }, now);
                }
            }
            State::PrechargePause => {
                if stop {
                    self.retry = false;
                    self.enter(State::Open, now);
                } else if elapsed >= seconds(settings.precharge_pause_s) {
                    self.retry = false;
                    self.close_negative(now);
                }
            }
            State::Fault | State::Interlocked => {
                self.all_off(now);
                self.armed = false;
                self.retry = false;
                if !inputs.fault && inputs.coil_supply {
                    self.enter(State::Open, now);
                }
            }
            State::Initialising | State::ClosingNegative | State::ClosingPositive => {}
        }
    }

    fn consider_closing(&mut self, now: SimTime, inputs: &Inputs) {
        self.all_off(now);
        if inputs.fault {
            self.enter(State::Fault, now);
            self.armed = false;
            return;
        }
        if inputs.urgent {
            self.armed = false;
            return;
        }
        if !inputs.request.is_close() {
            self.armed = true;
            return;
        }
        if !self.armed {
            self.blocking = Blocking::StaleRequest;
            return;
        }
        let (Some(cluster), Some(bus), true) = (inputs.cluster_v, inputs.bus_v, inputs.fit) else {
            self.blocking = Blocking::Unfit;
            return;
        };
        self.joining = inputs.request == Request::Join;
        if self.joining {
            let gap = (cluster - bus).abs();
            if gap > self.settings.parallel_gap_v && !self.quirks.ignores_gap {
                self.blocking = Blocking::VoltageGap;
                return;
            }
            self.close_negative(now);
        } else if self.looks_welded(inputs) {
            self.bus_at_entry = bus;
            self.enter(State::CheckingBus, now);
        } else {
            self.close_negative(now);
        }
    }

    /// The bus stands at cluster voltage although nothing is closed.
    fn looks_welded(&self, inputs: &Inputs) -> bool {
        match (inputs.cluster_v, inputs.bus_v) {
            (Some(cluster), Some(bus)) => {
                bus >= self.settings.dead_bus_v && (cluster - bus).abs() <= self.settings.weld_gap_v
            }
            _ => false,
        }
    }

    fn close_negative(&mut self, now: SimTime) {
        self.drive.negative = true;
        self.enter(State::ClosingNegative, now);
    }

    /// Leaves a connected state if something asks for it.
    fn wants_unloading(&mut self, now: SimTime, inputs: &Inputs) -> bool {
        self.urgent_opening = inputs.fault || inputs.urgent;
        let leave = self.urgent_opening || inputs.request == Request::Open;
        if leave {
            self.enter(State::Unloading, now);
        }
        leave
    }

    fn unload(&mut self, now: SimTime, inputs: &Inputs) {
        let settings = self.settings;
        if !self.urgent_opening && (inputs.fault || inputs.urgent) {
            self.urgent_opening = true;
            self.since = now;
        }
        let late_by = if inputs.fault {
            self.quirks.late_by
        } else {
            Duration::ZERO
        };
        let Some(elapsed) = (now - self.since).checked_sub(late_by) else {
            return;
        };
        let below = |limit: f64| inputs.current_a.is_some_and(|current| current.abs() < limit);
        let breakable = inputs
            .current_a
            .is_none_or(|a| a.abs() <= settings.break_current_a);
        let open = if self.urgent_opening {
            below(settings.trip_below_a)
                || (breakable && elapsed >= seconds(settings.trip_wait_s))
                || elapsed >= seconds(settings.fuse_wait_s)
        } else {
            below(settings.open_below_a)
        };
        if open {
            self.open(now, self.urgent_opening);
        } else if !self.urgent_opening && elapsed >= seconds(settings.open_wait_s) {
            self.urgent_opening = true;
            self.since = now;
        }
    }

    /// Takes the coils off, all at once or K+ first.
    fn open(&mut self, now: SimTime, at_once: bool) {
        self.urgent_opening = at_once;
        self.retry = false;
        if at_once {
            self.all_off(now);
        } else {
            self.drive.precharge = false;
            self.drive.positive = false;
        }
        self.enter(State::Opening, now);
    }

    fn all_off(&mut self, now: SimTime) {
        if self.drive.positive || self.drive.negative {
            self.mains_off_since = now;
        }
        self.drive = Contacts::default();
    }

    fn watch_breaker(&mut self, now: SimTime, inputs: &Inputs) {
        let off = !self.drive.positive && !self.drive.negative;
        let stuck = inputs
            .feedback
            .is_some_and(|feedback| feedback.positive || feedback.negative);
        if off && stuck && now - self.mains_off_since >= seconds(self.settings.breaker_trip_s) {
            self.breaker_trip = true;
        }
    }

    fn enter(&mut self, state: State, now: SimTime) {
        self.state = state;
        self.since = now;
    }
}
