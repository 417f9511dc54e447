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
        }
    }

    /// Takes one of a recording, which can go back to it.
    pub fn append(&mut self, event: Event) {
        let next = self.events.last().map_or(0, |last| last.id + 1);
        if event.id < next {
            return;
        }
        self.missing += event.id - next;
        let known = self.known_ns.last().copied().unwrap_or(0).max(event.at_ns);
        self.events.push(event);
        self.known_ns.push(known);
    }

    /// Folds in what is known at an instant; forgets what was known only later.
    pub fn go_to(&mut self, now_ns: u64) {
        let known = self.known_ns.partition_point(|at| *at <= now_ns);
        if known < self.seen {
            let acknowledged = self.folded.alarms.take_acknowledged();
            self.folded = Folded::default();
            self.folded.alarms.set_acknowledged(acknowledged);
            self.seen = 0;
        }
        self.fold_to(known);
    }

    fn fold_to(&mut self, known: usize) {
        for event in self.events.get(self.seen..known).unwrap_or_default() {
            self.folded.take(event);
        }
        self.seen = self.seen.max(known);
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
    fn take(&mut self, event: &Event) {
        self.alarms.take(event);
        Run::take(&mut self.run, event);
        self.hops.extend(Hop::of(event));
        self.lanes.take(event);
        if event.kind == Kind::Scenario {
            self.t0_ns = None;
        }
        if self.t0_ns.is_none() && begins(event) {
            self.t0_ns = Some(event.at_ns);
        }
    }
}

/// Whether what is looked at begins with it. What is set before the start is how things are, and no cause.
fn begins(event: &Event) -> bool {
    match event.kind {
        Kind::Fault => event.at_ns > 0 && event.value != 0.0,
        Kind::Hand => event.point == "contact",
        _ => false,
    }
}
