//! What happened, numbered: the rig's event log, what checkers found, and what the scenario says of them.

use std::sync::Arc;

use bess_plant::PlantEvent;
use bess_rig::{Rig, Violation};
use bess_telemetry::{Event, Judged, Kind, PointName, Truth};
use bess_types::{SimTime, Source, Verdict};

use super::describe::{Described, part_tag};
use crate::measure::{Bound, Measurement};
use crate::steps::names::PLANT;

/// Whose events the scenario's are.
const SCENARIO: &str = "site-01/scenario";

/// Everything told so far.
#[derive(Default)]
pub(crate) struct Log {
    events: Vec<Arc<Event>>,
    /// Of the rig's own log.
    seen: usize,
    violations: usize,
}

impl Log {
    /// All events; an event's id is its place.
    pub(crate) fn events(&self) -> &[Arc<Event>] {
        &self.events
    }

    /// Takes over what is new in the rig's log. What the rig's hand did is caused by `cause`, the step that moved it.
    pub(crate) fn take(&mut self, rig: &Rig, described: &Described, cause: Option<u64>) {
        let all = rig.events().len();
        if all != self.seen {
            for event in rig.events_after(self.seen) {
                let truth = match event.source {
                    Source::Plant => Truth::T,
                    Source::Wire => Truth::C,
                    Source::Device => described.word_of(event.tag.as_str()),
                    Source::Rig => Truth::R,
                };
                self.push(Event {
                    cause: cause.filter(|_| event.source == Source::Rig),
                    ..told(
                        event.at,
                        kind(event),
                        truth,
                        event.tag.as_str(),
                        &event.point,
                        event.value,
                        &event.text,
                    )
                });
            }
            self.seen = all;
        }
        let found = rig.violations();
        for Violation {
            at,
            checker,
            tag,
            text,
            ..
        } in found.get(self.violations..).unwrap_or_default()
        {
            self.push(told(
                *at,
                Kind::Finding,
                Truth::R,
                tag.as_str(),
                checker,
                1.0,
                text,
            ));
        }
        self.violations = found.len();
    }

    /// Something happened in the plant of a container that has no rig.
    pub(super) fn plant(&mut self, container: &str, event: &PlantEvent) {
        self.push(told(
            event.at,
            Kind::Change,
            Truth::T,
            &part_tag(container, &event.part),
            event.point,
            event.value,
            &event.text,
        ));
    }

    /// A scenario begins.
    pub(crate) fn scenario(&mut self, at: SimTime, name: &str, steps: usize) {
        self.push(told(
            at,
            Kind::Scenario,
            Truth::R,
            SCENARIO,
            "scenario",
            steps as f64,
            name,
        ));
    }

    /// A step begins, or is decided; returns its event's id.
    pub(crate) fn step(&mut self, at: SimTime, number: usize, text: &str, verdict: Option<Verdict>) -> u64 {
        self.push(Event {
            verdict,
            ..told(at, Kind::Step, Truth::R, SCENARIO, "step", number as f64, text)
        })
    }

    /// A step measured something; `cause` is the event of the step that caused it.
    pub(crate) fn measured(&mut self, at: SimTime, measured: &Measurement, cause: Option<u64>) {
        let (low, high) = match measured.limit {
            Bound::AtMost(high) => (None, Some(high)),
            Bound::AtLeast(low) => (Some(low), None),
            Bound::Between(low, high) => (Some(low), Some(high)),
        };
        let points: Vec<_> = measured
            .points
            .iter()
            .map(|(tag, point)| PointName {
                tag: tag.clone(),
                point: point.clone(),
            })
            .collect();
        let seen = measured.seen;
        self.push(Event {
            cause,
            verdict: Some(measured.verdict),
            judged: Some(Judged {
                cause_ns: measured.cause.as_nanos(),
                seen_ns: seen.map(SimTime::as_nanos),
                effect: seen.and_then(|at| self.effect(at, &points)),
                points,
                measured: measured.measured,
                unit: measured.unit.clone(),
                low,
                high,
                margin: measured.margin,
                source: measured.source.clone(),
            }),
            ..told(
                at,
                Kind::Measurement,
                Truth::R,
                SCENARIO,
                "measurement",
                measured.measured.unwrap_or_default(),
                &measured.subject,
            )
        });
    }

    /// What the scenario amounts to.
    pub(crate) fn verdict(&mut self, at: SimTime, verdict: Verdict, reason: Option<&str>) {
        self.push(Event {
            verdict: Some(verdict),
            ..told(
                at,
                Kind::Verdict,
                Truth::R,
                SCENARIO,
                "verdict",
                f64::from(verdict.exit_code()),
                reason.unwrap_or_default(),
            )
        });
    }

    /// The event of one of these points at this instant, the last if there are several.
    fn effect(&self, at: SimTime, points: &[PointName]) -> Option<u64> {
        let is_it = |event: &&Arc<Event>| {
            event.at_ns == at.as_nanos()
                && points.iter().any(|name| {
                    let truth = name.tag.strip_prefix(PLANT);
                    event.point == name.point
                        && event.tag == truth.unwrap_or(&name.tag)
                        && (event.truth == Truth::T) == truth.is_some()
                })
        };
        self.events.iter().rev().find(is_it).map(|event| event.id)
    }

    fn push(&mut self, event: Event) -> u64 {
        let id = self.events.len() as u64;
        self.events.push(Arc::new(Event { id, ..event }));
        id
    }
}

fn told(at: SimTime, kind: Kind, truth: Truth, tag: &str, point: &str, value: f64, text: &str) -> Event {
    Event {
        id: 0,
        at_ns: at.as_nanos(),
        kind,
        truth,
        tag: tag.into(),
        point: point.into(),
        value,
        text: text.into(),
        cause: None,
        verdict: None,
        judged: None,
    }
}

/// What kind of thing an event of the rig's log is, by its point's name.
fn kind(event: &bess_types::Event) -> Kind {
    let on = event.value != 0.0;
    let point = event.point.as_str();
    match event.source {
        Source::Rig => match point {
            "fault" | "device-fault" | "link-fault" => Kind::Fault,
            "contact" | "operator" => Kind::Hand,
            _ => Kind::Change,
        },
        Source::Plant => match point {
            "fuse" | "breaker" if !on => Kind::Trip,
            "agent-released" => Kind::Trip,
            "high-pressure" => Kind::Alarm,
            _ => Kind::Change,
        },
        Source::Wire | Source::Device => match point {
            "permit" | "safety-ok" if !on => Kind::Trip,
            "trip-cause" | "breaker-trip" | "lockout" | "valve-driven" if on => Kind::Trip,
            "gas-detector" | "smoke-detector" | "heat-detector" | "manual-call-point" => Kind::Alarm,
            "level" if event.tag.leaf() == "fire-panel" => Kind::Alarm,
            _ if point.starts_with("alarm-") && point != "alarm-reset" => Kind::Alarm,
            _ => Kind::Change,
        },
    }
}
