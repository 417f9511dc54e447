//! Following: what happened last decides where the camera is. It depends on the events known now and on nothing else, so that the
//! same instant of a recording is the same picture.

use bess_telemetry::{Event, Kind};
use bevy::prelude::*;

use super::layout::Plan;
use super::{Stage, Surface, flight};
use crate::model::{Model, View};

/// What has begun is shown for at least so long, rig time, ns: what follows at once is seen after it.
const HOLD_NS: u64 = 4_000_000_000;
/// Events that are looked at, at most.
const MOST: usize = 5_000;

/// Where the camera goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Goal {
    /// To a saved view of a container; of the one that is shown if none.
    Saved(Option<usize>, u8),
    /// To the thing with this tag.
    Tag(String),
}

/// How much there is to see: what controllers say of others is followed only if nothing itself was seen to happen.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Weight {
    Word,
    Deed,
}

/// Goes where something happens, and back to the overview if that is not yet known.
pub(super) fn follow(
    model: Res<Model>,
    surface: Res<Surface>,
    mut view: ResMut<View>,
    mut stage: ResMut<Stage>,
) {
    if !view.follow {
        stage.followed = None;
        return;
    }
    if stage.plan.containers.is_empty() || view.viewport.height < 1.0 {
        return;
    }
    let Some(goal) = goal(&model, &stage.plan) else {
        if stage.followed.take().is_some() {
            view.wanted_camera = Some(stage.plan.overview());
        }
        return;
    };
    let followed = Some((goal, view.viewport));
    if stage.followed == followed {
        return;
    }
    let present = stage.followed.take();
    stage.followed = followed;
    let Some((goal, _)) = stage.followed.clone() else {
        return;
    };
    // the same in another part of the screen is no flight
    let is_refit = present.is_some_and(|(present, _)| present == goal);
    let at_once = is_refit || flight::is_at_once(&view, &surface);
    match goal {
        Goal::Saved(container, number) => {
            flight::pull(&model, &mut stage, None);
            let container = container.unwrap_or(stage.detailed);
            flight::show_saved(&mut view, &mut stage, container, number, None, at_once);
        }
        Goal::Tag(tag) => flight::show_tag(&model, &mut view, &mut stage, &tag, at_once),
    }
}

/// Where to go now; nowhere while nothing has happened.
fn goal(model: &Model, plan: &Plan) -> Option<Goal> {
    let past = model.chronicle().past();
    let begun = past
        .iter()
        .rposition(|event| event.kind == Kind::Scenario)
        .unwrap_or(0);
    let recent = &past[begun.max(past.len().saturating_sub(MOST))..];
    let of_events = newest(plan, recent, model.now_ns());
    let of_cells = || {
        let cell = flight::worst_cell(model)?;
        Some(Goal::Tag(cell.rsplit_once('/')?.0.to_owned()))
    };
    match of_events {
        Some((goal, Weight::Deed)) => Some(goal),
        other => of_cells().or(other.map(|(goal, _)| goal)),
    }
}

/// The newest that is worth seeing, once what came before it has been seen for long enough.
fn newest(plan: &Plan, events: &[Event], now_ns: u64) -> Option<(Goal, Weight)> {
    let mut shown: Option<(Goal, Weight, u64)> = None;
    let mut waits: Option<(Goal, Weight)> = None;
    // what waits comes when its time is there
    let relieve = |shown: &mut Option<(Goal, Weight, u64)>, waits: &mut Option<(Goal, Weight)>, now_ns| {
        if let Some((.., since)) = shown
            && *since + HOLD_NS <= now_ns
            && let Some((goal, weight)) = waits.take()
        {
            *shown = Some((goal, weight, *since + HOLD_NS));
        }
    };
    for event in events {
        let Some((goal, weight)) = worth_seeing(plan, event) else {
            continue;
        };
        relieve(&mut shown, &mut waits, event.at_ns);
        match &shown {
            Some((_, present, _)) if *present > weight => {}
            Some((present, ..)) if *present == goal => waits = None,
            Some((_, present, since)) if *present == weight && event.at_ns < since + HOLD_NS => {
                waits = Some((goal, weight));
            }
            _ => {
                shown = Some((goal, weight, event.at_ns));
                waits = None;
            }
        }
    }
    relieve(&mut shown, &mut waits, now_ns);
    shown.map(|(goal, weight, _)| (goal, weight))
}

/// Where an event is seen, if it is worth it: the views are those of [`super::camera::saved`].
fn worth_seeing(plan: &Plan, event: &Event) -> Option<(Goal, Weight)> {
    const OVERVIEW: u8 = 1;
    const FRONT: u8 = 2;
    const BACK: u8 = 3;
    const POWER: u8 = 7;
    let is_on = event.value != 0.0;
    if event.kind == Kind::Hand {
        return (event.point == "contact").then_some((Goal::Saved(None, OVERVIEW), Weight::Deed));
    }
    let tag = event.tag.strip_prefix("plant:").unwrap_or(&event.tag);
    let (container, rest) = plan.containers.iter().enumerate().find_map(|(n, place)| {
        let rest = tag.strip_prefix(&place.tag)?.strip_prefix('/')?;
        Some((n, rest))
    })?;
    let part = rest.split('/').next()?;
    let saved = |number| Some((Goal::Saved(Some(container), number), Weight::Deed));
    match event.kind {
        Kind::Change => match (part, event.point.as_str()) {
            (_, "runaway-stage") if is_on => {
                let (pack, _) = tag.rsplit_once('/')?;
                Some((Goal::Tag(pack.to_owned()), Weight::Deed))
            }
            // both are in the back wall
            ("air", "vent-fan" | "damper-open") if is_on => saved(BACK),
            ("grid", "energised") => saved(POWER),
            ("fire-panel", "countdown-active" | "release-feedback") if is_on => saved(FRONT),
            _ => None,
        },
        Kind::Fault | Kind::Alarm if !is_on => None,
        Kind::Fault | Kind::Alarm | Kind::Trip => match part {
            "fire-panel" | "suppression" => saved(FRONT),
            "air" => saved(BACK),
            "safety-relay" => saved(OVERVIEW),
            "pcs" | "grid" => saved(POWER),
            // a controller's word; its cabinet tells nothing
            "bau" | "io" if event.kind == Kind::Fault => saved(OVERVIEW),
            "bau" | "io" => Some((Goal::Saved(Some(container), OVERVIEW), Weight::Word)),
            _ if plan.containers[container].find(tag).is_none() => None,
            _ => {
                let weight = if event.kind == Kind::Alarm && rest.ends_with("/bcu") {
                    Weight::Word
                } else {
                    Weight::Deed
                };
                Some((Goal::Tag(tag.to_owned()), weight))
            }
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bess_telemetry::Truth;

    use super::*;
    use crate::scene::layout::Wanted;
    use crate::scene::sample;

    const S: u64 = 1_000_000_000;

    fn event(at_ns: u64, kind: Kind, tag: &str, point: &str, value: f64) -> Event {
        Event {
            id: 0,
            at_ns,
            kind,
            truth: Truth::S,
            tag: tag.into(),
            point: point.into(),
            value,
            text: String::new(),
            cause: None,
            verdict: None,
            judged: None,
        }
    }

    fn at(seconds: u64, events: &[Event]) -> Option<Goal> {
        let plan = Plan::of(&sample::liquid(), Wanted::default());
        let known: Vec<Event> = events
            .iter()
            .filter(|event| event.at_ns <= seconds * S)
            .cloned()
            .collect();
        newest(&plan, &known, seconds * S).map(|(goal, _)| goal)
    }

    #[test]
    fn a_runaway_is_followed_from_the_pack_to_the_detectors_and_the_agent() {
        let stage = |at, value| {
            let tag = "container-01/cluster-03/pack-05/cell-17";
            event(at, Kind::Change, tag, "runaway-stage", value)
        };
        let panel = |at, point| event(at, Kind::Alarm, "container-01/fire-panel", point, 1.0);
        let events = [
            event(0, Kind::Alarm, "container-01/bau", "alarm-level", 0.0),
            event(2 * S, Kind::Alarm, "container-01/bau", "alarm-level", 2.0),
            stage(19 * S, 1.0),
            event(
                30 * S,
                Kind::Alarm,
                "container-01/cluster-03/bcu",
                "alarm-dt",
                1.0,
            ),
            panel(51 * S, "gas-detector"),
            event(51 * S, Kind::Trip, "container-01/pcs", "trip-cause", 2.0),
            stage(53 * S, 3.0),
            panel(67 * S, "heat-detector"),
            event(
                101 * S,
                Kind::Trip,
                "container-01/suppression",
                "agent-released",
                1.0,
            ),
        ];
        let pack = Some(Goal::Tag("container-01/cluster-03/pack-05".into()));
        let view = |number| Some(Goal::Saved(Some(0), number));
        assert_eq!(at(1, &events), None, "nothing has happened yet");
        assert_eq!(at(3, &events), view(1), "a controller's word");
        assert_eq!(at(20, &events), pack);
        assert_eq!(at(40, &events), pack, "an alarm about it changes nothing");
        assert_eq!(at(52, &events), view(2), "detectors");
        assert_eq!(at(54, &events), view(2), "for long enough to be seen");
        assert_eq!(at(56, &events), pack);
        assert_eq!(at(70, &events), view(2));
        assert_eq!(at(120, &events), view(2));
    }

    #[test]
    fn an_emergency_stop_is_followed_to_the_converter() {
        let events = [
            event(17 * S, Kind::Hand, "site-01", "contact", 0.0),
            event(17 * S, Kind::Trip, "container-01/pcs", "trip-cause", 1.0),
            event(
                18 * S,
                Kind::Alarm,
                "container-01/cluster-01/bcu",
                "alarm-ilk",
                3.0,
            ),
        ];
        assert_eq!(at(18, &events), Some(Goal::Saved(None, 1)));
        assert_eq!(at(30, &events), Some(Goal::Saved(Some(0), 7)));
    }
}
