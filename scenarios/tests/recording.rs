//! `recording.mcap` of a scenario: what is in it, the same bytes twice, and what is left of one that was cut.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a failed unwrap is the test failing"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use bess_telemetry::{Cells, Description, Event, Kind, Points, Status, Truth};
use bess_types::Verdict;
use tempfile::TempDir;

const FEATURE: &str = "Feature: Short\n  Scenario: E-stop at standby\n    Given the plant is powered up\n    \
    When the E-stop is pressed\n    Then within 200 ms the safety chain is open [assumption]\n    \
    And within 1 s the BAU has seen the E-stop [§6]\n    \
    When 12 s pass\n    Then still the safety chain is open\n";

const QUIET: &str = "Feature: Short\n  Scenario: E-stop at standby\n    Given the plant is powered up\n    \
    When 220 s pass\n    When the E-stop is pressed\n    When 20 s pass\n    Then still the safety chain is open\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// Runs the only scenario of `feature`.
fn record(feature: &str) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    fs::write(folder.path().join("x.feature"), feature).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_bessrig"))
        .current_dir(root())
        .args([
            "test",
            &path("x.feature"),
            "--rig",
            "scenarios/rigs/ci-air-200.toml",
        ])
        .args(["--out", &path("out")])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    fs::read(folder.path().join("out/e-stop-at-standby/recording.mcap")).unwrap()
}

fn recording() -> &'static [u8] {
    static ONCE: OnceLock<Vec<u8>> = OnceLock::new();
    ONCE.get_or_init(|| record(FEATURE))
}

/// Records a site of three containers for some minutes.
fn record_site() -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_bessrig"))
        .current_dir(root())
        .args(["site", "cnnc", "--hours", "0.05", "--record", "--out"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::read(folder.path().join("cnnc.mcap")).unwrap()
}

/// Messages by topic, of a whole file or of the beginning of one.
fn messages(bytes: &[u8]) -> BTreeMap<String, Vec<(u64, String)>> {
    let mut found: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    let options = mcap::read::Options::IgnoreEndMagic.into();
    for message in mcap::MessageStream::new_with_options(bytes, options).unwrap() {
        // what was cut ends with a piece of a chunk
        let Ok(message) = message else { break };
        let schema = message.channel.schema.as_ref().unwrap();
        assert_eq!(schema.encoding, "jsonschema");
        assert_eq!(message.channel.message_encoding, "json");
        let text = String::from_utf8(message.data.to_vec()).unwrap();
        found
            .entry(message.channel.topic.clone())
            .or_default()
            .push((message.log_time, text));
    }
    found
}

fn read<T: serde::de::DeserializeOwned>(messages: &[(u64, String)]) -> Vec<T> {
    let one = |(_, text): &(u64, String)| serde_json::from_str(text).unwrap();
    messages.iter().map(one).collect()
}

#[test]
fn a_recording_has_every_topic_and_tells_the_scenario() {
    let summary = mcap::Summary::read(recording()).unwrap().unwrap();
    assert_eq!(summary.channels.len(), 5);
    let messages = messages(recording());
    let [description]: [Description; 1] = read(&messages["/description"]).try_into().unwrap();
    assert_eq!(description.scenario.as_ref().unwrap().name, "E-stop at standby");
    assert_eq!(description.point_count(), description.all_points().count());

    // after the first plant tick, then at every second
    let cells: Vec<Cells> = read(&messages["/cells"]);
    assert!(
        cells[1..]
            .windows(2)
            .all(|pair| pair[1].at_ns - pair[0].at_ns == 1_000_000_000)
    );
    assert!(
        cells
            .iter()
            .all(|frame| frame.soc.len() == description.cells.count as usize)
    );

    let points: Vec<Points> = read(&messages["/points"]);
    let complete: Vec<_> = points.iter().filter(|frame| frame.complete).collect();
    assert!(complete.len() >= 2, "one at the beginning, one each 10 s");
    for index in points.iter().flat_map(|frame| &frame.index) {
        let (_, def) = description.point(*index).unwrap();
        assert!(def.recorded_every_ms > 0, "{}", def.name);
    }
    let statuses: Vec<Status> = read(&messages["/status"]);
    assert!(
        statuses
            .iter()
            .all(|status| status.dropped == 0 && status.lateness.is_none())
    );

    let events: Vec<Event> = read(&messages["/events"]);
    assert!((0..).zip(&events).all(|(id, event)| event.id == id), "no gap");
    let step = |text: &str, verdict| {
        let is_it =
            |event: &&Event| event.kind == Kind::Step && event.text == text && event.verdict == verdict;
        events.iter().find(is_it).unwrap()
    };
    let begun: Vec<_> = events
        .iter()
        .filter(|event| event.kind == Kind::Scenario)
        .collect();
    assert_eq!(begun.len(), 1);
    assert_eq!(begun[0].text, "Short: E-stop at standby");
    let pressed = step("When the E-stop is pressed", None);
    step("Then still the safety chain is open", Some(Verdict::Pass));
    let hand = events
        .iter()
        .find(|event| event.kind == Kind::Hand && event.text == "EstopA")
        .unwrap();
    assert_eq!(hand.cause, Some(pressed.id), "the step moved the hand");
    let mut measured = events.iter().filter(|event| event.kind == Kind::Measurement);
    assert_eq!(measured.next().unwrap().text, "the safety chain is open");
    let measured = measured.next().unwrap();
    assert_eq!(measured.cause, Some(pressed.id));
    let judged = measured.judged.as_ref().unwrap();
    assert_eq!((judged.high, judged.source.as_deref()), (Some(1.0), Some("§6")));
    let effect = &events[usize::try_from(judged.effect.unwrap()).unwrap()];
    let latency = (effect.at_ns - pressed.at_ns) as f64 / 1e9;
    assert!(
        (latency - judged.measured.unwrap()).abs() < 1e-9,
        "{latency}: {judged:?}"
    );
    assert_eq!((effect.point.as_str(), effect.truth), ("estop-seen", Truth::C));
    let last = events.last().unwrap();
    assert_eq!((last.kind, last.verdict), (Kind::Verdict, Some(Verdict::Pass)));
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    assert!(recording() == record(FEATURE), "two runs differ");
}

#[test]
fn a_quiet_time_takes_little_room_until_something_happens() {
    let bytes = record(QUIET);
    let messages = messages(&bytes);
    let events: Vec<Event> = read(&messages["/events"]);
    let pressed = events.iter().find(|event| event.text == "EstopA").unwrap().at_ns;
    let before = events
        .iter()
        .map(|event| event.at_ns)
        .filter(|at| *at < pressed)
        .max();
    // a minute after the last event, and then to the next look
    let quiet = before.unwrap() + 70_000_000_000..pressed;
    for (topic, usual) in [("/cells", 1_000_000_000), ("/points", 100_000_000)] {
        let times: Vec<u64> = messages[topic].iter().map(|(at, _)| *at).collect();
        let looks: Vec<_> = times.iter().filter(|at| quiet.contains(at)).collect();
        assert!(looks.len() >= 5, "{topic}: {looks:?}");
        assert!(
            looks.windows(2).all(|pair| pair[1] - pair[0] == 10_000_000_000),
            "{topic}: {looks:?}"
        );
        let next = times.iter().find(|at| **at >= pressed).unwrap();
        assert!(next - pressed <= usual, "{topic}: {next} after {pressed}");
        let busy = times.iter().filter(|at| **at >= pressed).count();
        assert!(busy >= 20, "{topic}: {busy}");
    }
}

#[test]
fn what_was_cut_is_readable_up_to_its_last_chunk() {
    let whole = recording();
    let all = messages(whole);
    let last = |messages: &BTreeMap<String, Vec<(u64, String)>>| {
        messages.values().flatten().map(|(at, _)| *at).max().unwrap_or(0)
    };
    let mut seen = 0;
    for cut in (1..20).map(|part| whole.len() * part / 20) {
        let left = messages(&whole[..cut]);
        assert!(last(&left) >= seen, "a longer piece tells no less");
        seen = last(&left);
        for (topic, messages) in &left {
            assert_eq!(
                messages[..],
                all[topic][..messages.len()],
                "{topic}: what is there is whole"
            );
        }
    }
    assert!(seen >= 10_000_000_000, "{seen}");
}

#[test]
fn a_rig_that_is_killed_leaves_all_but_its_last_second() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let mut rig = Command::new(env!("CARGO_BIN_EXE_bessrig"))
        .current_dir(root())
        .args(["run", "--rig", "scenarios/rigs/ci-air-200.toml", "--record"])
        .args(["--api", "127.0.0.1:0", "--out", &out.to_string_lossy()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // each second it says what its time is, as in `t 4.000 s`
    let told = |line: String| -> Option<f64> { line.strip_prefix("t ")?.split(' ').next()?.parse().ok() };
    let mut lines = BufReader::new(rig.stdout.take().unwrap()).lines();
    let reached = lines
        .by_ref()
        .filter_map(|line| told(line.unwrap()))
        .find(|seconds| *seconds >= 5.0);
    rig.kill().unwrap();
    rig.wait().unwrap();
    let reached = reached.unwrap();
    let messages = messages(&fs::read(out.join("recording.mcap")).unwrap());
    assert_eq!(messages.len(), 5, "{:?}", messages.keys());
    let last = messages["/points"].last().unwrap().0 as f64 / 1e9;
    // what a busy machine makes of a second
    assert!(last >= reached - 1.5, "{last} s of {reached} s");
}

#[test]
fn a_site_is_recorded_as_a_rig_is() {
    let bytes = record_site();
    let messages = messages(&bytes);
    let [site]: [Description; 1] = read(&messages["/description"]).try_into().unwrap();
    assert_eq!(site.containers.len(), 3);
    assert_eq!(site.site.stations.len(), 3);
    assert_eq!(site.site.stations[2].containers, [2]);
    assert_eq!(site.containers[2].first_cell, 2 * 3564);

    let cells: Vec<Cells> = read(&messages["/cells"]);
    assert!(cells.len() >= 4, "{}", cells.len());
    assert!(
        cells
            .iter()
            .all(|frame| frame.voltage.len() == 3 * 3564 && frame.cluster_current.len() == 27)
    );

    // power in, then out, of the site and of each container
    let points: Vec<Points> = read(&messages["/points"]);
    assert!(points[0].complete && points[0].index.len() == site.point_count());
    for (tag, point, highest) in [
        ("plant:site-01", "poi-active-power", 5.0e6),
        ("plant:container-03/pcs", "active-power", 1.7e6),
    ] {
        let index = (0..)
            .zip(site.all_points())
            .find(|(_, (group, def))| group.tag == tag && def.name == point);
        let (index, _) = index.unwrap();
        let told = points
            .iter()
            .flat_map(|frame| frame.index.iter().zip(&frame.value));
        let values: Vec<f64> = told
            .filter(|(at, _)| **at == index)
            .filter_map(|(_, value)| *value)
            .collect();
        let (low, high) = values
            .iter()
            .fold((0.0, 0.0), |(low, high), v| (v.min(low), v.max(high)));
        assert!(
            low < -0.9 * highest && high > 0.9 * highest,
            "{tag} {point}: {low} to {high}"
        );
    }

    // phases are steps
    let events: Vec<Event> = read(&messages["/events"]);
    let steps: Vec<&str> = events
        .iter()
        .filter(|event| event.kind == Kind::Step && event.verdict.is_none())
        .map(|event| event.text.as_str())
        .collect();
    assert_eq!(steps, ["connect", "charge", "discharge"]);
    assert_eq!(events.last().unwrap().verdict, Some(Verdict::Pass));
    assert_eq!(bytes, record_site(), "the same bytes twice");
}
