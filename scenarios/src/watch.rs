//! What a session looks at while the rig runs: conditions on points, their first moment, envelopes, energy.
//!
//! States are timed by the event log, to the instant. Analogue values have no events; those that features
//! time (powers, voltages of the bus) are sampled at every plant tick since the last cause.

use std::collections::BTreeMap;
use std::time::Duration;

use bess_rig::{PointKey, Rig};
use bess_types::{Event, Reading, SimTime, Source, Verdict};

use crate::measure::{Bound, Measurement};
use crate::session::StepText;
use crate::steps::names;
use crate::topology::Topology;

/// A point, resolved.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) tag: String,
    pub(crate) name: String,
    pub(crate) point: PointKey,
    /// Names of its states; changes of a point with some are in the event log.
    states: Vec<String>,
    unit: String,
}

impl Key {
    fn is_state(&self) -> bool {
        !self.states.is_empty()
    }

    /// A value of it in words: the state's name, or the number with its unit.
    fn in_words(&self, value: f64) -> String {
        let state = self
            .states
            .iter()
            .zip(0_u16..)
            .find(|(_, number)| f64::from(*number) == value);
        match state {
            Some((state, _)) if !state.is_empty() => state.clone(),
            _ if self.unit == "1" || self.unit.is_empty() => value.to_string(),
            _ => format!("{value} {}", self.unit),
        }
    }

    fn is(&self, other: &Self) -> bool {
        self.tag == other.tag && self.name == other.name
    }
}

/// The rig's point list by tag and name; made once for a rig file, shared by its scenarios.
#[derive(Debug, Default)]
pub(crate) struct Names {
    points: BTreeMap<String, BTreeMap<String, PointFacts>>,
    topology: Topology,
}

#[derive(Clone, Debug)]
struct PointFacts {
    unit: String,
    states: Vec<String>,
}

impl Names {
    /// Of a rig with `packs` packs in each of `clusters` clusters.
    pub(crate) fn of(rig: &Rig, clusters: usize, packs: usize) -> Self {
        let mut points: BTreeMap<String, BTreeMap<String, PointFacts>> = BTreeMap::new();
        for info in rig.points() {
            points.entry(info.tag).or_default().insert(
                info.point,
                PointFacts {
                    unit: info.unit,
                    states: info.states,
                },
            );
        }
        let cells = (1..=64)
            .take_while(|n| rig.resolve(&names::bmu(1, 1), &names::cell_voltage(*n)).is_some())
            .count();
        Self {
            points,
            topology: Topology {
                clusters,
                packs,
                cells,
            },
        }
    }

    pub(crate) fn topology(&self) -> Topology {
        self.topology
    }

    /// The point `name` of `tag`.
    pub(crate) fn key(&self, rig: &Rig, tag: &str, name: &str) -> Option<Key> {
        let point = rig.resolve(tag, name)?;
        let facts = self.facts(tag, name);
        Some(Key {
            tag: tag.into(),
            name: name.into(),
            point,
            states: facts.map_or_else(Vec::new, |facts| facts.states.clone()),
            unit: facts.map_or_else(String::new, |facts| facts.unit.clone()),
        })
    }

    fn facts(&self, tag: &str, name: &str) -> Option<&PointFacts> {
        let known = |tag: &str| self.points.get(tag).and_then(|points| points.get(name));
        // Truth is listed once for all clusters, packs and cells: `cluster-NN`.
        known(tag).or_else(|| known(&pattern(tag)))
    }

    /// The number of the state called `state`.
    fn state_value(&self, tag: &str, name: &str, state: &str) -> Result<f64, String> {
        let states = self
            .facts(tag, name)
            .map(|facts| facts.states.as_slice())
            .unwrap_or_default();
        match states.iter().position(|known| known == state) {
            Some(value) => Ok(value as f64),
            None => Err(format!(
                "{name} of {tag} has no state `{state}`; its states are {}",
                states.join(", ")
            )),
        }
    }
}

/// `…/cluster-03/pack-05` as the point list names it: `…/cluster-NN/pack-NN`.
fn pattern(tag: &str) -> String {
    let parts: Vec<_> = tag
        .split('/')
        .map(|part| match part.split_once('-') {
            Some((kind @ ("cluster" | "pack" | "cell"), _)) => format!("{kind}-NN"),
            _ => part.to_owned(),
        })
        .collect();
    parts.join("/")
}

/// What a value must be like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Test {
    /// The named state.
    Is(&'static str),
    /// Any but the named state.
    IsNot(&'static str),
    /// A flag, or a contact that is closed.
    On,
    /// A flag not set, or a contact that is open.
    Off,
    AtLeast(f64),
    AtMost(f64),
    /// Absolute value not above.
    Within(f64),
}

/// One demand on one point.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Demand {
    pub(crate) tag: String,
    pub(crate) point: String,
    pub(crate) test: Test,
}

/// What a phrase means: demands that must all hold, or of which one suffices.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Demands {
    pub(crate) all: bool,
    pub(crate) list: Vec<Demand>,
}

impl Demands {
    /// All of them.
    pub(crate) fn all(list: Vec<Demand>) -> Self {
        Self { all: true, list }
    }

    /// Any of them.
    pub(crate) fn any(list: Vec<Demand>) -> Self {
        Self { all: false, list }
    }

    pub(crate) fn resolve(self, names: &Names, rig: &Rig) -> Result<Condition, String> {
        let terms = self
            .list
            .into_iter()
            .map(|Demand { tag, point, test }| {
                let key = names
                    .key(rig, &tag, &point)
                    .ok_or_else(|| format!("this rig has no point {point} of {tag}"))?;
                let limit = match test {
                    Test::Is(state) => Limit::Equal(names.state_value(&tag, &point, state)?),
                    Test::IsNot(state) => Limit::Unequal(names.state_value(&tag, &point, state)?),
                    Test::On => Limit::Equal(1.0),
                    Test::Off => Limit::Equal(0.0),
                    Test::AtLeast(low) => Limit::AtLeast(low),
                    Test::AtMost(high) => Limit::AtMost(high),
                    Test::Within(high) => Limit::Within(high),
                };
                let contact = matches!(test, Test::On | Test::Off);
                Ok(Term { key, limit, contact })
            })
            .collect::<Result<Vec<_>, String>>()?;
        Ok(Condition { all: self.all, terms })
    }
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    Equal(f64),
    Unequal(f64),
    AtLeast(f64),
    AtMost(f64),
    Within(f64),
}

#[derive(Clone, Debug)]
struct Term {
    key: Key,
    limit: Limit,
    /// Asks for one of two values: before its first change it had the other one.
    contact: bool,
}

impl Term {
    fn accepts(&self, value: f64) -> bool {
        match self.limit {
            Limit::Equal(wanted) => value == wanted,
            Limit::Unequal(other) => value != other,
            Limit::AtLeast(low) => value >= low,
            Limit::AtMost(high) => value <= high,
            Limit::Within(high) => value.abs() <= high,
        }
    }

    fn holds(&self, rig: &Rig) -> bool {
        observe(rig, &self.key).is_some_and(|value| self.accepts(value))
    }
}

/// A phrase's demands on one rig.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    all: bool,
    terms: Vec<Term>,
}

impl Condition {
    /// Whether it holds now.
    pub(crate) fn holds(&self, rig: &Rig) -> bool {
        if self.all {
            self.terms.iter().all(|term| term.holds(rig))
        } else {
            self.terms.iter().any(|term| term.holds(rig))
        }
    }

    /// The present values of what is not as wanted, for the failure text; the first few.
    pub(crate) fn describe(&self, rig: &Rig) -> String {
        let mut open = self.terms.iter().filter(|term| !term.holds(rig));
        let mut said: Vec<String> = open
            .by_ref()
            .take(3)
            .map(|Term { key, .. }| match observe(rig, key) {
                Some(value) => format!("{} of {} is {}", key.name, key.tag, key.in_words(value)),
                None => format!("{} of {} has no valid value", key.name, key.tag),
            })
            .collect();
        let rest = open.count();
        if rest > 0 {
            said.push(format!("and {rest} more"));
        }
        said.join(", ")
    }
}

fn observe(rig: &Rig, key: &Key) -> Option<f64> {
    rig.observe(&key.point).and_then(Reading::ok)
}

/// A value that must stay inside its limits.
#[derive(Debug)]
struct Envelope {
    keys: Vec<Key>,
    low: f64,
    high: f64,
    step: StepText,
    lowest: Option<(f64, SimTime, usize)>,
    highest: Option<(f64, SimTime, usize)>,
}

impl Envelope {
    fn look(&mut self, rig: &Rig) {
        for (index, key) in self.keys.iter().enumerate() {
            let Some(value) = observe(rig, key) else {
                continue;
            };
            if self.lowest.is_none_or(|(lowest, ..)| value < lowest) {
                self.lowest = Some((value, rig.now(), index));
            }
            if self.highest.is_none_or(|(highest, ..)| value > highest) {
                self.highest = Some((value, rig.now(), index));
            }
        }
    }

    /// The extremes that came nearest to, or went past, their limit.
    fn extremes(&self) -> impl Iterator<Item = (f64, SimTime, &Key, Bound)> {
        let low = (self.lowest, Bound::AtLeast(self.low));
        let high = (self.highest, Bound::AtMost(self.high));
        [low, high].into_iter().filter_map(|(extreme, bound)| {
            let (value, at, index) = extreme?;
            Some((value, at, self.keys.get(index)?, bound))
        })
    }
}

#[derive(Debug)]
struct Sampled {
    key: Key,
    values: Vec<(SimTime, f64)>,
}

/// Everything looked at on every plant tick.
#[derive(Debug)]
pub(crate) struct Watch {
    sampled: Vec<Sampled>,
    envelopes: Vec<Envelope>,
    next_look: SimTime,
    stack: EnergyCounter,
    grid: EnergyCounter,
    phases: Vec<Phase>,
}

/// A charge or a discharge that a step has done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Phase {
    pub(crate) charging: bool,
    /// How long it took.
    pub(crate) seconds: f64,
    /// Through the stack's DC terminals, J, counted in its direction.
    pub(crate) dc_j: f64,
    /// Through the point of interconnection, the container's own supply included, J, likewise.
    pub(crate) ac_j: f64,
    /// True mean state of charge moved, 0 to 1.
    pub(crate) swing: f64,
    /// Share of the time at rated power, 0 to 1.
    pub(crate) at_rated: f64,
    /// Largest difference between the cell temperatures of one cluster, K.
    pub(crate) spread_k: f64,
}

/// Energy through one place, both ways.
#[derive(Debug)]
struct EnergyCounter {
    /// Values whose product is the power, W, positive out of the battery.
    factors: Vec<Key>,
    last: Option<(SimTime, f64)>,
    out_j: f64,
    in_j: f64,
}

impl EnergyCounter {
    fn new(names: &Names, rig: &Rig, points: &[(&str, &str)]) -> Self {
        let keys = points.iter().map(|(tag, point)| names.key(rig, tag, point));
        Self {
            factors: keys.collect::<Option<_>>().unwrap_or_default(),
            last: None,
            out_j: 0.0,
            in_j: 0.0,
        }
    }

    fn count(&mut self, rig: &Rig) {
        let values = self.factors.iter().map(|key| observe(rig, key));
        let Some(power) = values.reduce(|a, b| Some(a? * b?)).flatten() else {
            return;
        };
        let now = rig.now();
        if let Some((then, before)) = self.last {
            let joules = 0.5 * (power + before) * now.since(then).as_secs_f64();
            self.out_j += joules.max(0.0);
            self.in_j += (-joules).max(0.0);
        }
        self.last = Some((now, power));
    }

    fn net_j(&self, charging: bool) -> f64 {
        let out = self.out_j - self.in_j;
        if charging { -out } else { out }
    }
}

/// Most changes kept of a sampled value since the last cause.
const MAX_SAMPLES: usize = 100_000;
/// How often envelopes are looked at: as often as a BMU measures its cells.
const LOOK: Duration = Duration::from_millis(10);

impl Watch {
    pub(crate) fn new(names: &Names, rig: &Rig) -> Self {
        let sampled = names::SAMPLED
            .iter()
            .filter_map(|(tag, point)| names.key(rig, tag, point))
            .map(|key| Sampled {
                key,
                values: Vec::new(),
            })
            .collect();
        Self {
            sampled,
            envelopes: Vec::new(),
            next_look: SimTime::ZERO,
            stack: EnergyCounter::new(names, rig, &[names::STACK_VOLTAGE, names::STACK_CURRENT]),
            grid: EnergyCounter::new(names, rig, &[names::POI_POWER]),
            phases: Vec::new(),
        }
    }

    pub(crate) fn tick(&mut self, rig: &Rig) {
        let now = rig.now();
        for Sampled { key, values } in &mut self.sampled {
            if let Some(value) = observe(rig, key)
                && values.len() < MAX_SAMPLES
                && values.last().is_none_or(|(_, last)| *last != value)
            {
                values.push((now, value));
            }
        }
        if now >= self.next_look {
            self.next_look = now + LOOK;
            for envelope in &mut self.envelopes {
                envelope.look(rig);
            }
        }
        self.stack.count(rig);
        self.grid.count(rig);
    }

    /// A new cause: what was sampled before it no longer counts.
    pub(crate) fn start_over(&mut self, rig: &Rig) {
        for Sampled { key, values } in &mut self.sampled {
            values.clear();
            values.extend(observe(rig, key).map(|value| (rig.now(), value)));
        }
        for counter in [&mut self.stack, &mut self.grid] {
            (counter.out_j, counter.in_j) = (0.0, 0.0);
        }
    }

    /// A charge or discharge since the last cause, with its energies; the rest is the caller's.
    pub(crate) fn phase(&self, charging: bool) -> Phase {
        Phase {
            charging,
            dc_j: self.stack.net_j(charging),
            ac_j: self.grid.net_j(charging),
            ..Phase::default()
        }
    }

    /// Charges and discharges done so far.
    pub(crate) fn phases(&mut self) -> &mut Vec<Phase> {
        &mut self.phases
    }

    pub(crate) fn add_envelope(&mut self, keys: Vec<Key>, low: f64, high: f64, step: StepText) {
        self.envelopes.push(Envelope {
            keys,
            low,
            high,
            step,
            lowest: None,
            highest: None,
        });
    }

    /// The first envelope that was left, in words.
    pub(crate) fn first_breach(&self) -> Option<String> {
        self.envelopes.iter().find_map(|envelope| {
            envelope
                .extremes()
                .find(|(value, _, _, bound)| bound.margin(*value) < 0.0)
                .map(|(value, at, key, bound)| {
                    format!(
                        "{} of {} reached {value:.3} {} at {at}, allowed is {bound} throughout",
                        key.name, key.tag, key.unit
                    )
                })
        })
    }

    /// Each envelope's nearest approach to each of its limits.
    pub(crate) fn envelope_measurements(&self, cause: SimTime) -> Vec<Measurement> {
        self.envelopes
            .iter()
            .flat_map(|envelope| {
                envelope.extremes().map(|(value, at, key, bound)| {
                    let verdict = if bound.margin(value) < 0.0 {
                        Verdict::Fail
                    } else {
                        Verdict::Pass
                    };
                    let subject = format!("{} {}", key.tag, key.name);
                    Measurement::value(
                        &envelope.step,
                        &subject,
                        &key.unit,
                        cause.min(at),
                        at,
                        value,
                        bound,
                        verdict,
                    )
                })
            })
            .collect()
    }

    /// The first instant since `cause` at which `condition` held, as far as the log and the samples tell.
    pub(crate) fn first_time(&self, condition: &Condition, cause: SimTime, rig: &Rig) -> Option<SimTime> {
        let history = self.history(condition, cause, rig);
        history.into_iter().find_map(|(at, held)| held.then_some(at))
    }

    /// Whether `condition` held at `at`, which is not before `cause`.
    pub(crate) fn held_at(&self, condition: &Condition, cause: SimTime, at: SimTime, rig: &Rig) -> bool {
        let history = self.history(condition, cause, rig);
        history
            .iter()
            .rev()
            .find(|(since, _)| *since <= at)
            .is_some_and(|(_, held)| *held)
    }

    /// Whether `condition` held at the cause and after each later change.
    fn history(&self, condition: &Condition, cause: SimTime, rig: &Rig) -> Vec<(SimTime, bool)> {
        let mut held = vec![false; condition.terms.len()];
        let mut changes: Vec<(SimTime, usize, bool)> = Vec::new();
        for (index, term) in condition.terms.iter().enumerate() {
            let timeline = self.timeline(term, cause, rig);
            held[index] = timeline.at_cause;
            changes.extend(timeline.changes.into_iter().map(|(at, ok)| (at, index, ok)));
        }
        let met = |held: &[bool]| {
            if condition.all {
                held.iter().all(|ok| *ok)
            } else {
                held.iter().any(|ok| *ok)
            }
        };
        let mut history = vec![(cause, met(&held))];
        // Stable: of one term's changes at one instant the last one counts.
        changes.sort_by_key(|(at, ..)| *at);
        // Everything of one instant counts together.
        for instant in changes.chunk_by(|a, b| a.0 == b.0) {
            for &(_, index, ok) in instant {
                held[index] = ok;
            }
            history.extend(instant.first().map(|(at, ..)| (*at, met(&held))));
        }
        history
    }

    /// When the term began and ceased to hold: from the event log, else from the samples, else only now.
    fn timeline(&self, term: &Term, cause: SimTime, rig: &Rig) -> Timeline {
        let mut timeline = Timeline::default();
        let wire = rig
            .events()
            .iter()
            .any(|event| event.source == Source::Wire && is_about(event, &term.key));
        let of_key = |event: &&Event| is_about(event, &term.key) && (!wire || event.source == Source::Wire);
        let mut known = false;
        for event in rig.events().iter().filter(of_key) {
            let ok = term.accepts(event.value);
            if event.at <= cause {
                timeline.at_cause = ok;
            } else {
                if !known {
                    timeline.at_cause = term.contact && !ok;
                }
                timeline.changes.push((event.at, ok));
            }
            known = true;
        }
        if known {
            return timeline;
        }
        if let Some(sampled) = self.sampled.iter().find(|sampled| sampled.key.is(&term.key)) {
            for (at, value) in &sampled.values {
                let ok = term.accepts(*value);
                if *at <= cause {
                    timeline.at_cause = ok;
                } else {
                    timeline.changes.push((*at, ok));
                }
            }
        } else if term.key.is_state() || term.contact {
            // A state without an event never changed.
            timeline.at_cause = term.holds(rig);
        } else {
            timeline.changes.push((rig.now(), term.holds(rig)));
        }
        timeline
    }
}

/// When a term held: at the cause, and each later change.
#[derive(Default)]
struct Timeline {
    at_cause: bool,
    changes: Vec<(SimTime, bool)>,
}

/// Whether the event tells a value of this point. Plant truth and what devices say are never mixed.
fn is_about(event: &Event, key: &Key) -> bool {
    let (plant, tag) = match key.tag.strip_prefix(names::PLANT) {
        Some(tag) => (true, tag),
        None => (false, key.tag.as_str()),
    };
    event.point == key.name
        && event.tag.as_str() == tag
        && (event.source == Source::Plant) == plant
        && event.source != Source::Rig
}
