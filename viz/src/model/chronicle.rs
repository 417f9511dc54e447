//! What happened: every event, in the order in which it became known, and what they amount to at an instant.

use bess_telemetry::{Event, Kind};

use super::alarms::Alarms;
use super::effects::Hop;
use super::lanes::Lanes;
use super::run::Run;

/// Events kept of a rig that runs on and on; past it the oldest quarter is forgotten.
const MOST: usize = 200_000;

/// Events, and what those so far amount to.
#[derive(Clone, Debug, Default)]
pub struct Chronicle {
    events: Vec<Event>,
    /// When each was known, ns: never before one that was told earlier.
    known_ns: Vec<u64>,
    /// Events that never came.
    missing: u64,
    /// Numbers of the events with which somebody or something meddles, in their order.
    stimuli: Vec<u64>,
    /// A scenario is being prepared: what it sets is how things are, and no cause.
    preparing: bool,
    folded: Folded,
    /// So many are folded in.
    seen: usize,
}

/// What events amount to.
#[derive(Clone, Debug, Default)]
pub struct Folded {
    /// Alarms by state.
    pub alarms: Alarms,
    /// The scenario.
    pub run: Option<Run>,
    /// What was measured from cause to effect.
    pub hops: Vec<Hop>,
    /// States of the timeline's lanes.
    pub lanes: Lanes,
    /// When what is looked at began, ns: the first fault after the start, or a hand on a contact.
    pub t0_ns: Option<u64>,
}

impl Chronicle {
    /// Takes an event of a rig that runs; one that was told before changes nothing.
    pub fn push(&mut self, event: Event) {
        self.append(event);
        if self.events.len() > MOST {
            let gone = MOST / 4;
            // what they amount to stays
            self.fold_to(self.events.len());
            self.events.drain(..gone);
            self.known_ns.drain(..gone);
            self.seen -= gone;
            let first = self.events.first().map_or(0, |event| event.id);
            self.stimuli.retain(|id| *id >= first);
        }
    }

    /// Takes one of a recording, which can go back to it.
    pub fn append(&mut self, event: Event) {
        let next = self.events.last().map_or(0, |last| last.id + 1);
        if event.id < next {
            return;
        }
        self.missing += event.id - next;
        if event.kind == Kind::Step {
            self.preparing = prepares(&event.text).unwrap_or(self.preparing);
        }
        if meddles(&event) && !self.preparing {
            self.stimuli.push(event.id);
        }
        let known = self.known_ns.last().copied().unwrap_or(0).max(event.at_ns);
        if event.kind == Kind::Verdict {
            self.preparing = false;
        }
        self.events.push(event);
        self.known_ns.push(known);
    }

    /// Folds in what is known at an instant; forgets what was known only later. The events that were folded in now.
    pub fn go_to(&mut self, now_ns: u64) -> &[Event] {
        let known = self.known_ns.partition_point(|at| *at <= now_ns);
        if known < self.seen {
            let acknowledged = self.folded.alarms.take_acknowledged();
            self.folded = Folded::default();
            self.folded.alarms.set_acknowledged(acknowledged);
            self.seen = 0;
        }
        let from = self.seen;
        self.fold_to(known);
        self.events.get(from..known).unwrap_or_default()
    }

    fn fold_to(&mut self, known: usize) {
        for event in self.events.get(self.seen..known).unwrap_or_default() {
            let stimulus = self.stimuli.binary_search(&event.id).is_ok();
            self.folded.take(event, stimulus);
        }
        self.seen = self.seen.max(known);
    }

    /// Whether somebody or something meddles with this event: a fault that is set or ends, a hand on a contact. What is set
    /// before the start or by the first steps of a scenario is how things are.
    pub fn is_stimulus(&self, event: &Event) -> bool {
        self.stimuli.binary_search(&event.id).is_ok()
    }

    /// All events there are, also those of a recording that are still to come.
    pub fn all(&self) -> &[Event] {
        &self.events
    }

    /// Events known now.
    pub fn past(&self) -> &[Event] {
        &self.events[..self.seen]
    }

    /// An event by its number.
    pub fn get(&self, id: u64) -> Option<&Event> {
        let at = self.events.binary_search_by_key(&id, |event| event.id).ok()?;
        self.events.get(at)
    }

    /// Events that never came.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// What the events so far amount to.
    pub fn now(&self) -> &Folded {
        &self.folded
    }

    /// The alarms, to acknowledge them.
    pub fn alarms_mut(&mut self) -> &mut Alarms {
        &mut self.folded.alarms
    }
}

impl Folded {
    fn take(&mut self, event: &Event, stimulus: bool) {
        self.alarms.take(event);
        Run::take(&mut self.run, event);
        self.hops.extend(Hop::of(event));
        self.lanes.take(event, stimulus);
        if event.kind == Kind::Scenario {
            self.t0_ns = None;
        }
        if self.t0_ns.is_none() && stimulus && (event.kind == Kind::Hand || event.value != 0.0) {
            self.t0_ns = Some(event.at_ns);
        }
    }
}

/// Whether a fault is set or ends, or a hand is on a contact.
fn meddles(event: &Event) -> bool {
    match event.kind {
        Kind::Fault => event.at_ns > 0,
        Kind::Hand => event.point == "contact",
        _ => false,
    }
}

/// Whether a step of a scenario says how things are at first; none if it goes on as the step before.
fn prepares(step: &str) -> Option<bool> {
    match step.split(' ').next() {
        Some("Given") => Some(true),
        Some("When" | "Then") => Some(false),
        _ => None,
    }
}
