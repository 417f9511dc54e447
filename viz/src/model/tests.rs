//! Tests of the model, without a window.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use std::collections::BTreeSet;
use std::time::Duration;

use bess_telemetry::{Event, Frame, Kind, Truth, VERSION, Verdict};
use proptest::prelude::*;

use super::sample::{S, cells, description, event, judged, points, status};
use super::*;

fn described() -> Model {
    let mut model = Model::default();
    model.apply(Frame::Description(Box::new(description())));
    model
}

fn open(age_ms: u64) -> Link {
    Link {
        is_open: true,
        age: Some(Duration::from_millis(age_ms)),
        ..Link::default()
    }
}

fn told(model: &mut Model, events: impl IntoIterator<Item = Event>) {
    for event in events {
        model.apply(Frame::Events(event));
    }
    model.settle();
}

#[test]
fn only_what_was_heard_of_late_is_live() {
    let mut model = Model::default();
    assert_eq!(model.showing(), Showing::NoData);
    model.set_link(open(0));
    assert_eq!(model.showing(), Showing::NoData, "a connection is no data");
    model.apply(Frame::Description(Box::new(description())));
    assert_eq!(model.showing(), Showing::NoData, "a description is no data");
    model.apply(Frame::Cells(cells(S)));
    assert_eq!(model.showing(), Showing::Live);
    model.set_link(open(3001));
    assert_eq!(model.showing(), Showing::Stale);
    model.set_link(Link {
        is_open: false,
        ..open(0)
    });
    assert_eq!(model.showing(), Showing::Stale, "a lost connection is never live");
    model.set_link(open(0));
    model.apply(Frame::Status(Status {
        paused: true,
        ..status(2 * S)
    }));
    assert_eq!(model.showing(), Showing::Paused);
    model.set_link(Link {
        is_replay: true,
        ..Link::default()
    });
    assert_eq!(model.showing(), Showing::Replay);
}

#[test]
fn a_pcs_is_its_trip_or_else_its_state() {
    let states = |name: &str, states: &[&str]| PointDef {
        name: name.into(),
        states: states.iter().map(|state| (*state).to_owned()).collect(),
        ..PointDef::default()
    };
    let mut rig = description();
    rig.tables[1] = vec![
        states("pcs-state", &["off", "starting"]),
        states("trip-cause", &["none", "safety-chain"]),
    ];
    let tag = "container-01/pcs";
    rig.points[2].tag = tag.into();
    let mut model = Model::default();
    model.apply(Frame::Description(Box::new(rig)));
    assert_eq!(model.pcs_says(tag), ("PCS: not told".into(), false));
    model.apply(Frame::Points(points(S, &[(4, Some(1.0)), (5, Some(0.0))])));
    assert_eq!(model.pcs_says(tag), ("PCS starting".into(), false));
    model.apply(Frame::Points(points(2 * S, &[(5, Some(1.0))])));
    assert_eq!(model.pcs_says(tag), ("PCS TRIPPED: safety-chain".into(), true));
    // told later than its last trip: it starts again
    model.apply(Frame::Points(points(3 * S, &[(4, Some(1.0))])));
    assert_eq!(model.pcs_says(tag), ("PCS starting".into(), false));
}

#[test]
fn unknown_is_not_zero() {
    let mut model = described();
    let tag = "plant:container-01/cluster-02";
    assert_eq!(model.get(tag, "voltage"), Reading::Never);
    assert_eq!(model.get(tag, "weight"), Reading::Absent);
    model.apply(Frame::Points(points(S, &[(2, Some(1300.0)), (3, None)])));
    assert_eq!(model.get(tag, "voltage"), Reading::Value(1300.0));
    assert_eq!(model.get(tag, "current"), Reading::Invalid);
    assert_eq!(model.told_ns(2), Some(S));
    assert_eq!(model.told_ns(0), None);
    model.apply(Frame::Points(points(2 * S, &[(4, Some(1.0))])));
    assert_eq!(model.state("container-01/bau", "stack-state"), Some("connected"));
    let (_, truth, def) = model.definition(4).unwrap();
    assert_eq!(
        (truth, shown(def, Reading::Value(7.0))),
        (Truth::C, "state 7?".to_owned())
    );
}

#[test]
fn an_event_tells_a_state_before_the_next_look_does() {
    let mut model = described();
    let (tag, point) = ("container-01/bau", "stack-state");
    let at = S + S / 2;
    let change = |id, value| Frame::Events(event(id, at, Kind::Change, tag, point, value, ""));
    model.apply(Frame::Points(points(S, &[(4, Some(0.0))])));
    model.apply(change(0, 1.0));
    model.settle();
    assert_eq!(
        (model.get(tag, point), model.told_ns(4)),
        (Reading::Value(1.0), Some(at))
    );
    // a look later on counts again, and an event from before it does not
    model.apply(Frame::Points(points(2 * S, &[(4, Some(0.0))])));
    model.apply(change(1, 1.0));
    model.settle();
    assert_eq!(
        (model.get(tag, point), model.told_ns(4)),
        (Reading::Value(0.0), Some(2 * S))
    );
}

#[test]
fn frames_that_do_not_fit_are_left_out_and_noticed() {
    let mut model = Model::default();
    model.apply(Frame::Cells(cells(S)));
    assert!(model.cells().is_none());
    model.apply(Frame::Description(Box::new(description())));
    let mut short = cells(S);
    short.voltage.pop();
    model.apply(Frame::Cells(short));
    let mut strange = cells(S);
    strange.burning.push(16);
    model.apply(Frame::Cells(strange));
    model.apply(Frame::Points(points(S, &[(5, Some(1.0))])));
    let mut uneven = points(S, &[(0, Some(1.0)), (1, None)]);
    uneven.value.pop();
    model.apply(Frame::Points(uneven));
    assert_eq!(model.misfits(), 5);
    assert!(model.cells().is_none());
    assert_eq!(model.read(0), Reading::Never);
    let texts: Vec<_> = model.notices().map(|notice| notice.text.clone()).collect();
    insta::assert_snapshot!(texts.join("\n"), @r"
    left out: cells before any description
    left out: a frame of 15 cells, not 16
    left out: a frame of cells that names cell 16 of 16
    left out: a frame that names point 5 of 5
    left out: a frame of 2 points with 1 values
    ");
}

#[test]
fn descriptions_that_do_not_hold_together_are_not_believed() {
    let check = |change: &dyn Fn(&mut Description)| {
        let mut one = description();
        change(&mut one);
        Index::new(one).map(|_| ()).map_err(|why| why.to_string())
    };
    assert_eq!(check(&|_| {}), Ok(()));
    let wrong: [&dyn Fn(&mut Description); 6] = [
        &|one| one.schema = VERSION + 1,
        &|one| one.points[1].first = 3,
        &|one| one.points[1].table = 9,
        &|one| one.cells.count = 17,
        &|one| one.containers[0].clusters = u32::MAX,
        &|one| one.containers[0].first_cell = 1,
    ];
    for change in wrong {
        assert!(check(change).is_err());
    }
}

#[test]
fn cells_have_tags_and_tags_have_cells() {
    let index = Index::new(description()).unwrap();
    for cell in 0..16 {
        let tag = index.cell_tag(cell).unwrap();
        assert_eq!(index.cell_index(&tag), Some(cell), "{tag}");
        assert!(index.has_tag(&tag));
    }
    assert_eq!(
        index.cell_tag(9).as_deref(),
        Some("container-01/cluster-02/pack-01/cell-02")
    );
    assert_eq!(index.cell_tag(16), None);
    assert_eq!(index.cluster_of_cell(9), Some(1));
    for tag in [
        "container-01/cluster-03/pack-01/cell-01",
        "container-01/cluster-01/pack-01/cell-00",
        "container-01/cluster-01/pack-01/cell-5",
        "container-01/cluster-01/pack-01",
        "container-011/cluster-01/pack-01/cell-01",
        "",
    ] {
        assert_eq!(index.cell_index(tag), None, "{tag}");
    }
    assert_eq!(index.cells_of("container-01/cluster-02"), Some(8..16));
    assert_eq!(
        index.cells_of("container-01/cluster-02/pack-02/bmu"),
        Some(12..16)
    );
    assert_eq!(index.cells_of("container-01/bau"), None);
    assert_eq!(index.cells_of("container-01"), Some(0..16));
}

#[test]
fn alarms_go_through_their_states() {
    let alarm = |id, at, value, text: &str| {
        event(
            id,
            at,
            Kind::Alarm,
            "container-01/cluster-01/bcu",
            "alarm-dt",
            value,
            text,
        )
    };
    let mut model = described();
    told(
        &mut model,
        [alarm(0, S, 1.0, "warn"), alarm(1, 2 * S, 2.0, "alarm")],
    );
    let list = model.alarms().list();
    assert_eq!(list.len(), 1);
    assert_eq!(
        (list[0].level, list[0].raised_ns, list[0].event),
        (Level::L2, S, 1)
    );
    assert!(model.alarms().is_first_out(list[0]));
    assert_eq!(model.alarms().state(list[0]), AlarmState::Unacknowledged);
    assert_eq!(
        model.alarms().worst_within("container-01/cluster-01"),
        Some((Level::L2, 1))
    );
    assert_eq!(model.alarms().worst_within("container-01/cluster-02"), None);
    model.alarms_mut().acknowledge(1);
    assert_eq!(
        model.alarms().state(model.alarms().list()[0]),
        AlarmState::Acknowledged
    );
    // worse than what was seen: again somebody has to look
    told(&mut model, [alarm(2, 3 * S, 3.0, "fault")]);
    assert_eq!(
        model.alarms().state(model.alarms().list()[0]),
        AlarmState::Unacknowledged
    );
    told(&mut model, [alarm(3, 4 * S, 0.0, "none")]);
    assert_eq!(
        model.alarms().state(model.alarms().list()[0]),
        AlarmState::Returned
    );
    assert_eq!(model.alarms().count(Level::L3), 0);
    model.alarms_mut().acknowledge_all();
    assert!(model.alarms().is_empty());
}

#[test]
fn what_was_never_there_is_not_lost() {
    let permit = |id, at, value| {
        let kind = if value == 0.0 { Kind::Trip } else { Kind::Change };
        event(id, at, kind, "container-01/bau", "permit", value, "")
    };
    let mut model = described();
    told(&mut model, [permit(0, 0, 0.0)]);
    assert!(model.alarms().is_empty(), "off at power-up is no trip");
    told(&mut model, [permit(1, S, 1.0), permit(2, 2 * S, 0.0)]);
    assert_eq!(model.alarms().count(Level::L3), 1);
    assert!(model.alarms().list()[0].is_trip);
    told(&mut model, [permit(3, 3 * S, 1.0)]);
    assert_eq!(model.alarms().count(Level::L3), 0);
}

#[test]
fn sums_of_alarms_are_no_alarms_and_floods_are_told() {
    let mut model = described();
    told(
        &mut model,
        [event(
            0,
            0,
            Kind::Alarm,
            "container-01/bau",
            "alarm-level",
            3.0,
            "fault",
        )],
    );
    assert!(model.alarms().is_empty());
    let many = (1..=11).map(|n| {
        event(
            n,
            n * S,
            Kind::Alarm,
            &format!("container-01/d{n}"),
            "alarm-x",
            1.0,
            "warn",
        )
    });
    told(&mut model, many);
    assert!(model.alarms().is_flood());
    assert_eq!(
        model.alarms().list()[0].tag,
        "container-01/d1",
        "first-out comes first"
    );
}

fn scenario() -> Vec<Event> {
    let step = |id, at, number, text: &str, verdict| Event {
        verdict,
        ..event(id, at, Kind::Step, "site-01/scenario", "step", number, text)
    };
    vec![
        event(
            0,
            S,
            Kind::Scenario,
            "site-01/scenario",
            "scenario",
            2.0,
            "E-stop: Pressed at power",
        ),
        step(1, S, 0.0, "When the E-stop is pressed", None),
        Event {
            cause: Some(1),
            ..event(2, S, Kind::Hand, "site-01", "contact", 0.0, "EstopA")
        },
        step(3, S, 0.0, "When the E-stop is pressed", Some(Verdict::Pass)),
        step(4, S, 1.0, "Then within 20 ms the PCS is blocked", None),
        Event {
            truth: Truth::T,
            ..event(
                5,
                S + 2_000_000,
                Kind::Change,
                "container-01/pcs",
                "gate",
                0.0,
                "blocked",
            )
        },
        Event {
            cause: Some(1),
            verdict: Some(Verdict::Pass),
            judged: Some(bess_telemetry::Judged {
                effect: Some(5),
                ..judged(S, Some(0.002), 0.02)
            }),
            ..event(
                6,
                S + 10_000_000,
                Kind::Measurement,
                "site-01/scenario",
                "measurement",
                0.002,
                "the PCS is blocked",
            )
        },
        step(
            7,
            S + 10_000_000,
            1.0,
            "Then within 20 ms the PCS is blocked",
            Some(Verdict::Pass),
        ),
        Event {
            verdict: Some(Verdict::Pass),
            ..event(
                8,
                S + 20_000_000,
                Kind::Verdict,
                "site-01/scenario",
                "verdict",
                0.0,
                "",
            )
        },
    ]
}

#[test]
fn the_scenario_and_its_hops_are_told() {
    let mut model = described();
    told(&mut model, scenario());
    let run = model.run().unwrap();
    assert_eq!((run.total, run.steps.len()), (2, 2));
    assert_eq!(
        run.current().unwrap().text,
        "Then within 20 ms the PCS is blocked"
    );
    assert_eq!(run.verdict, Some((S + 20_000_000, Verdict::Pass)));
    let folded = model.chronicle().now();
    assert_eq!(folded.t0_ns, Some(S));
    assert_eq!(folded.hops.len(), 1);
    let hop = &folded.hops[0];
    assert_eq!((hop.cause, hop.judged.effect), (Some(1), Some(5)));
    assert_eq!(hop.due_ns(), Some(S + 20_000_000));
    assert_eq!(hop.label(), "0.002 s ≤ 0.02 s, +0.018");
    assert_eq!(
        (hop.measured(), hop.margin()),
        ("0.002 s ≤ 0.02 s".into(), Some("+0.018".into()))
    );
    let never = Hop::of(&Event {
        judged: Some(judged(S, None, 2.0)),
        ..event(0, S, Kind::Measurement, "", "", 0.0, "")
    });
    assert_eq!(never.unwrap().label(), "never, limit 2 s");
    assert_eq!(
        folded.lanes.bands(Lane::Injected).last().unwrap().word,
        "E-stop A"
    );
}

#[test]
fn going_back_in_time_forgets_what_was_known_later() {
    let mut model = described();
    model.set_link(Link {
        is_replay: true,
        ..Link::default()
    });
    for event in scenario() {
        model.load_event(event);
    }
    for (now, steps, hops) in [
        (2 * S, 2, 1),
        (S + 5_000_000, 2, 0),
        (S / 2, 0, 0),
        (S, 2, 0),
        (2 * S, 2, 1),
    ] {
        model.set_now(now);
        model.settle();
        let seen = model.run().map_or(0, |run| run.steps.len());
        assert_eq!(
            (seen, model.chronicle().now().hops.len()),
            (steps, hops),
            "at {now}"
        );
        assert!(model.chronicle().past().iter().all(|event| event.at_ns <= now));
    }
}

#[test]
fn the_same_rig_again_keeps_its_history() {
    let mut model = described();
    for n in 1..=5 {
        model.apply(Frame::Points(points(
            n * S,
            &[(0, Some(f64::from(u32::try_from(n).unwrap())))],
        )));
    }
    let generation = model.generation();
    model.apply(Frame::Description(Box::new(description())));
    assert_eq!(model.generation(), generation);
    assert_eq!(model.read(0), Reading::Never, "told again before it is believed");
    assert_eq!(model.history().samples(0).count(), 5);
    model.apply(Frame::Points(points(6 * S, &[(0, Some(6.0))])));
    assert_eq!((model.now_ns(), model.history().samples(0).count()), (6 * S, 6));
    let mut other = description();
    other.seed += 1;
    model.apply(Frame::Description(Box::new(other)));
    assert_eq!(model.generation(), generation + 1);
    assert_eq!(model.history().samples(0).count(), 0);
    assert_eq!(model.showing(), Showing::NoData);
}

#[test]
fn a_rig_that_was_started_again_begins_anew() {
    let noticed = |model: &Model| {
        let mut notices = model.notices();
        notices.any(|notice| notice.text == "the rig was started again")
    };
    // its time goes back
    let mut model = described();
    model.apply(Frame::Points(points(50 * S, &[(0, Some(1.0))])));
    model.apply(Frame::Cells(cells(50 * S)));
    model.apply(Frame::Status(status(50 * S)));
    let begun = model.begun();
    model.apply(Frame::Description(Box::new(description())));
    told(&mut model, [event(0, S, Kind::Alarm, "t", "alarm-x", 1.0, "")]);
    assert!(!noticed(&model), "what happened is told again from its beginning");
    model.apply(Frame::Status(status(3 * S)));
    assert!(noticed(&model) && model.begun() == begun + 1);
    assert_eq!((model.now_ns(), model.history().samples(0).count()), (3 * S, 0));
    assert!(model.cells().is_none());
    model.settle();
    assert_eq!(model.alarms().len(), 1, "what it told so far stays");
    assert_eq!(model.showing(), Showing::NoData);
    model.apply(Frame::Points(points(3 * S, &[(0, Some(2.0))])));
    assert_eq!(model.history().samples(0).count(), 1);

    // its time is beyond, but what happened is something else
    let mut model = described();
    told(&mut model, [event(0, S, Kind::Alarm, "t", "alarm-x", 1.0, "")]);
    model.apply(Frame::Points(points(2 * S, &[(0, Some(1.0))])));
    model.apply(Frame::Description(Box::new(description())));
    told(
        &mut model,
        [event(0, 2 * S, Kind::Alarm, "t", "alarm-y", 1.0, "")],
    );
    assert!(noticed(&model));
    assert_eq!(model.history().samples(0).count(), 0);
    assert_eq!(model.chronicle().all().len(), 1);
}

#[test]
fn old_cells_are_told_as_old() {
    let mut model = described();
    assert_eq!(model.old_cells(), None);
    model.apply(Frame::Cells(cells(120 * S)));
    model.apply(Frame::Status(status(122 * S)));
    assert_eq!(model.old_cells(), None);
    model.apply(Frame::Status(status(150 * S)));
    assert_eq!(model.old_cells().unwrap(), "0:02:00, 30 s ago");
}

#[test]
fn a_container_is_named_where_there_are_more() {
    let tag = "plant:container-01/cluster-02";
    assert_eq!(described().named(tag), "C2");
    let mut site = description();
    let mut other = site.containers[0].clone();
    other.tag = "container-02".into();
    (other.first_cell, other.first_cluster) = (16, 2);
    (site.cells.count, site.cells.clusters) = (32, 4);
    site.containers.push(other);
    let mut model = Model::default();
    model.apply(Frame::Description(Box::new(site)));
    assert_eq!(model.named(tag), "container-01 C2");
    assert_eq!(model.named("container-02"), "container-02");
    assert_eq!(model.named("site-01/meter"), "meter");
}

#[test]
fn a_state_of_charge_told_as_a_fraction_is_shown_in_percent() {
    let def = PointDef {
        name: "soc".into(),
        max: 1.0,
        ..PointDef::default()
    };
    assert_eq!(shown(&def, Reading::Value(0.5432)), "54.3 %");
    let other = PointDef {
        name: "damper".into(),
        ..def
    };
    assert_eq!(shown(&other, Reading::Value(0.5)), "0.500");
}

#[test]
fn events_that_are_missing_are_counted_and_repeated_ones_are_not_taken_twice() {
    let mut model = described();
    let alarm = |id| event(id, S, Kind::Alarm, "t", "alarm-x", 1.0, "");
    told(&mut model, [alarm(0), alarm(1), alarm(1), alarm(0), alarm(5)]);
    assert_eq!(model.chronicle().all().len(), 3);
    assert_eq!(model.chronicle().missing(), 3);
    assert_eq!(model.chronicle().get(5).unwrap().id, 5);
    assert!(model.chronicle().get(3).is_none());
}

#[test]
fn histories_are_thinned_unless_watched() {
    let mut model = described();
    model.history_mut().watch(1);
    for n in 0..100_u32 {
        let value = Some(f64::from(n));
        model.apply(Frame::Points(points(
            u64::from(n) * S / 10,
            &[(0, value), (1, value)],
        )));
    }
    assert_eq!(model.history().samples(0).count(), 10);
    assert_eq!(model.history().samples(1).count(), 100);
    let last = model.history().samples(0).last().unwrap();
    assert_eq!(last.value, 99.0, "the newest value is kept");
    let span: Vec<_> = model.history().between(1, 2 * S, 3 * S).collect();
    assert_eq!((span[0].at_ns, span.len()), (2 * S, 11));
}

#[test]
fn values_are_shown_with_sign_and_unit() {
    let def = |unit: &str, max| PointDef {
        name: String::new(),
        unit: unit.into(),
        min: 0.0,
        max,
        resolution: 0.001,
        recorded_every_ms: 0,
        ..PointDef::default()
    };
    let text = |unit, max, value| shown(&def(unit, max), Reading::Value(value));
    assert_eq!(text("V", 5.0, 3.2919), "3.292 V");
    assert_eq!(text("V", 1500.0, 1312.34), "1312.3 V");
    assert_eq!(text("W", 1e7, -855_300.0), "−855.3 kW");
    assert_eq!(text("W", 1e7, 1_710_700.0), "1.7 MW");
    assert_eq!(text("°C", 90.0, 25.04), "25.0 °C");
    assert_eq!(text("1", 9.0, 9.0), "9");
    assert_eq!(text("Pa", 1e7, 2.5e6), "25.0 bar");
    assert_eq!(shown(&def("V", 5.0), Reading::Invalid), "—");
    assert_eq!(clock(3_723_004_999_999), "1:02:03.004");
}

proptest! {
    /// Whatever a stream tells, in whatever order: nothing panics, and what is shown fits what there is.
    #[test]
    fn no_stream_is_too_odd(
        frames in proptest::collection::vec(
            (0_u8..6, 0_u64..20, proptest::collection::vec((0_u32..8, proptest::option::of(-1e9..1e9_f64)), 0..8)),
            0..60,
        ),
        texts in proptest::collection::vec(".{0,12}", 4),
    ) {
        let mut model = Model::default();
        for (what, number, pairs) in frames {
            let at = number * S;
            let text = &texts[usize::try_from(number).unwrap_or(0) % 4];
            match what {
                0 => model.apply(Frame::Description(Box::new(description()))),
                1 => {
                    let mut frame = cells(at);
                    frame.burning = pairs.iter().map(|(index, _)| *index * 3).collect();
                    frame.voltage.truncate(17 - pairs.len().min(2));
                    model.apply(Frame::Cells(frame));
                }
                2 => model.apply(Frame::Points(points(at, &pairs))),
                3 => model.apply(Frame::Status(status(at))),
                _ => {
                    let kinds = [
                        Kind::Fault, Kind::Hand, Kind::Alarm, Kind::Trip, Kind::Change, Kind::Finding,
                        Kind::Scenario, Kind::Step, Kind::Measurement, Kind::Verdict,
                    ];
                    let kind = kinds[pairs.len() % kinds.len()];
                    let value = pairs.first().and_then(|(_, value)| *value).unwrap_or_default();
                    model.apply(Frame::Events(Event {
                        cause: Some(number),
                        verdict: Some(Verdict::Fail),
                        judged: Some(judged(at, None, value)),
                        ..event(number, at, kind, text, "level", value, text)
                    }));
                }
            }
            model.settle();
            if let Some(cells) = model.cells() {
                prop_assert_eq!(cells.voltage.len(), 16);
            }
            let _ = model.alarms().list();
            for hop in &model.chronicle().now().hops {
                let _ = hop.label();
            }
        }
    }

    #[test]
    fn no_tag_is_too_odd(tag in "(container-01)?(/[a-z0-9-]{0,12}){0,5}", point in ".{0,8}") {
        let index = Index::new(description()).unwrap();
        let _ = (index.cell_index(&tag), index.cells_of(&tag), index.find(&tag, &point));
        let _ = (index::short(&tag), index.points_of(&tag).count(), Lane::of_point(&tag, &point));
    }
}

/// Alarms of eleven devices, and one that the log says another caused.
fn flood() -> Model {
    let mut model = described();
    let alarm = |id: u64, tag: &str, point: &str, cause| Event {
        cause,
        ..event(id, id * S, Kind::Alarm, tag, point, 3.0, "fault")
    };
    let mut events = vec![alarm(0, "container-01/safety-relay", "alarm-relay", None)];
    events.extend((1..=10).map(|n| {
        let tag = format!("container-01/cluster-{n:02}/bcu");
        alarm(n, &tag, "alarm-ilk", Some(0))
    }));
    events.push(alarm(11, "container-01/pcs", "alarm-out", None));
    told(&mut model, events);
    model
}

#[test]
fn a_flood_is_folded_and_consequences_stand_below_their_cause() {
    let mut model = flood();
    let unfolded = BTreeSet::new();
    let rows = model.alarms().rows(&unfolded);
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.alarm.point.as_str(), row.folded.len(), row.is_consequence))
        .collect();
    assert_eq!(
        told,
        [
            ("alarm-relay", 0, false),
            ("alarm-ilk", 9, true),
            ("alarm-out", 0, false)
        ]
    );
    let one_by_one: BTreeSet<_> = ["alarm-ilk".to_owned()].into();
    assert_eq!(model.alarms().rows(&one_by_one).len(), 12);
    assert_eq!(model.alarms().unseen(), 12);
    model.alarms_mut().acknowledge_all();
    assert_eq!(model.alarms().unseen(), 0);
}

#[test]
fn alarms_that_cause_each_other_are_all_listed() {
    let mut model = described();
    let alarm = |id: u64, cause| Event {
        cause: Some(cause),
        ..event(
            id,
            S,
            Kind::Alarm,
            "container-01/pcs",
            &format!("alarm-{id}"),
            1.0,
            "warn",
        )
    };
    told(&mut model, [alarm(0, 1), alarm(1, 0), alarm(2, 2), alarm(3, 99)]);
    assert_eq!(model.alarms().rows(&BTreeSet::new()).len(), 4);
}

#[test]
fn what_a_scenario_sets_at_first_is_no_cause() {
    let step = |id, at, text: &str| event(id, at, Kind::Step, "site-01/scenario", "step", 0.0, text);
    let fault = |id, at, text: &str| event(id, at, Kind::Fault, "site-01", "fault", 1.0, text);
    let mut model = described();
    told(
        &mut model,
        [
            step(0, S, "Given every cluster stands at 90 % state of charge"),
            fault(1, S, "ClusterSoc { cluster: 0, soc: 0.9 }"),
            step(2, S, "And the plant discharges at 0.25 C"),
            fault(3, 2 * S, "ClusterSoc { cluster: 1, soc: 0.9 }"),
            step(4, 3 * S, "When cell 17 of pack 5 in cluster 3 reaches 130 °C"),
        ],
    );
    assert_eq!(model.chronicle().now().t0_ns, None);
    assert!(model.chronicle().now().lanes.bands(Lane::Injected).is_empty());
    told(
        &mut model,
        [fault(
            5,
            3 * S,
            "HoldCellTemperature { cluster: 2, pack: 4, cell: 16, celsius: 130.0 }",
        )],
    );
    assert_eq!(model.chronicle().now().t0_ns, Some(3 * S));
    let told_ids: Vec<_> = model
        .chronicle()
        .all()
        .iter()
        .filter(|event| model.chronicle().is_stimulus(event))
        .map(|event| event.id)
        .collect();
    assert_eq!(told_ids, [5]);
    let bands = model.chronicle().now().lanes.bands(Lane::Injected);
    assert_eq!(bands[0].word, "hold cell temperature 130 °C · C3 P5 cell 17");
}

#[test]
fn faults_are_told_in_words() {
    for (log, words) in [
        ("Nail { cluster: 2, pack: 4, cell: 16 }", "nail · C3 P5 cell 17"),
        (
            "ContactorWelded { cluster: 0, coil: MainPositive }",
            "contactor welded main positive · C1",
        ),
        ("EstopA", "E-stop A"),
        ("can-disconnect", "can-disconnect"),
        ("HeatCell { cluster: many", "heat cell"),
        ("", ""),
    ] {
        assert_eq!(lanes::plain(log), words, "{log}");
    }
}

#[test]
fn a_scenario_that_fails_says_why() {
    let mut model = described();
    told(&mut model, scenario());
    let next = model.chronicle().all().last().map_or(0, |event| event.id + 1);
    told(
        &mut model,
        [Event {
            verdict: Some(Verdict::Fail),
            ..event(
                next,
                9 * S,
                Kind::Verdict,
                "site-01/scenario",
                "verdict",
                1.0,
                "never: the PCS is blocked",
            )
        }],
    );
    assert_eq!(
        model.run().map(|run| run.reason.as_str()),
        Some("never: the PCS is blocked")
    );
}

#[test]
fn an_alarm_tells_its_limit_and_what_ends_it_where_the_stream_does() {
    let mut description = description();
    let def = |name: &str| PointDef {
        name: name.into(),
        unit: "°C".into(),
        ..PointDef::default()
    };
    description.tables[1].extend([
        PointDef {
            limits: Some(0),
            ..def("temperature-max")
        },
        PointDef {
            latch: Some(Latch::Hand),
            ..def("alarm-tov")
        },
    ]);
    let limit = |level, set| bess_telemetry::Limit {
        alarm: "tov".into(),
        level: Some(level),
        is_upper: true,
        set,
        delay_s: 0.0,
        recover: None,
        trips: false,
    };
    description.limits = vec![vec![limit(1, 50.0), limit(2, 55.0)]];
    let mut model = Model::default();
    model.apply(Frame::Description(Box::new(description)));
    model.apply(Frame::Points(points(S, &[(5, Some(56.5))])));
    let raised = |id, point: &str| event(id, S, Kind::Alarm, "container-01/bau", point, 2.0, "alarm");
    told(&mut model, [raised(0, "alarm-tov"), raised(1, "alarm-x")]);
    let alarms = model.alarms().list();
    let of = |point: &str| *alarms.iter().find(|alarm| alarm.point == point).unwrap();
    assert_eq!(
        model.measured_against(of("alarm-tov")),
        ["temperature-max 56.5 °C ≥ 55.0 °C"]
    );
    assert!(model.latch_of(of("alarm-tov")).unwrap().contains("person"));
    assert!(model.measured_against(of("alarm-x")).is_empty());
    assert_eq!(model.latch_of(of("alarm-x")), None, "unknown is not latched");
}
