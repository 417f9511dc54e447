//! The feed as it meets rigs and files, good and bad.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bess_telemetry::{Command, Frame, Kind, Subscribe, Topic};
use mcap::records::MessageHeader;
use mcap::{WriteOptions, write::NoSeek};
use proptest::prelude::*;
use tempfile::TempDir;
use tungstenite::{Message as Word, WebSocket};

use super::*;
use crate::model::sample::{S, cells, description, event, points, status};
use crate::model::{Reading, Showing};

/// Polls until something holds, for at most ten seconds.
fn until(feed: &mut Feed, model: &mut Model, what: &str, holds: impl Fn(&Model) -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        feed.poll(model, Duration::from_millis(5));
        if holds(model) {
            return;
        }
        let notices: Vec<_> = model.notices().collect();
        assert!(Instant::now() < end, "never: {what}; {notices:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn noticed(model: &Model, text: &str) -> bool {
    model.notices().any(|notice| notice.text.contains(text))
}

/// A rig that does with its readers, one after the other, what it is told to.
fn rig(scenes: Vec<fn(WebSocket<TcpStream>)>) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = thread::spawn(move || {
        for scene in scenes {
            let (stream, _) = listener.accept().unwrap();
            scene(tungstenite::accept(stream).unwrap());
        }
    });
    (address, thread)
}

fn tell(socket: &mut WebSocket<TcpStream>, frame: &Frame) {
    let text = serde_json::to_string(frame).unwrap();
    let _ = socket.send(Word::text(text));
}

fn subscribed(socket: &mut WebSocket<TcpStream>) -> Subscribe {
    serde_json::from_str(socket.read().unwrap().to_text().unwrap()).unwrap()
}

fn greet(socket: &mut WebSocket<TcpStream>) {
    let wish = subscribed(socket);
    assert!(wish.topics.is_empty() && wish.hz == 10.0, "{wish:?}");
    tell(socket, &Frame::Description(Box::new(description())));
    tell(socket, &Frame::Cells(cells(S)));
    tell(socket, &Frame::Points(points(S, &[(0, Some(1300.0))])));
    tell(socket, &Frame::Status(status(S)));
}

/// Stays until the reader goes.
fn stay(mut socket: WebSocket<TcpStream>) {
    while socket.read().is_ok() {}
}

#[test]
fn a_rig_that_goes_is_stale_and_one_that_comes_back_is_live() {
    let (address, thread) = rig(vec![
        |mut socket| {
            greet(&mut socket);
            // gone without a word
        },
        |mut socket| {
            greet(&mut socket);
            tell(&mut socket, &Frame::Cells(cells(5 * S)));
            stay(socket);
        },
    ]);
    let mut feed = Feed::connect(Access::to(address));
    let mut model = Model::default();
    until(&mut feed, &mut model, "stale", |model| {
        model.showing() == Showing::Stale
    });
    assert_eq!(model.now_ns(), S);
    assert_eq!(
        model.get("plant:container-01/cluster-01", "voltage"),
        Reading::Value(1300.0)
    );
    assert!(model.link().age.is_some(), "the age of the data is known");
    until(&mut feed, &mut model, "live again", |model| {
        model.showing() == Showing::Live && model.now_ns() == 5 * S
    });
    drop(feed);
    thread.join().unwrap();
}

#[test]
fn nobody_there_is_no_data_and_said_so() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut feed = Feed::connect(Access::to(free.to_string()));
    let mut model = Model::default();
    until(&mut feed, &mut model, "a notice", |model| {
        noticed(model, "refused")
    });
    assert_eq!(model.showing(), Showing::NoData);
    assert!(model.link().trouble.is_some() && !model.link().is_final);
}

#[test]
fn what_cannot_be_read_is_said_and_the_rest_is_shown() {
    let (address, thread) = rig(vec![|mut socket| {
        subscribed(&mut socket);
        tell(&mut socket, &Frame::Description(Box::new(description())));
        for text in [
            "",
            "{",
            "null",
            "[1,2]",
            r#"{"topic":"cells","frame":{}}"#,
            r#"{"topic":"weather"}"#,
        ] {
            socket.send(Word::text(text)).unwrap();
        }
        socket.send(Word::binary(vec![0, 159, 146, 150])).unwrap();
        let mut short = cells(S);
        short.soc.clear();
        tell(&mut socket, &Frame::Cells(short));
        socket
            .send(Word::text(r#"{"error": "too often", "remedy": "less often"}"#))
            .unwrap();
        tell(&mut socket, &Frame::Cells(cells(2 * S)));
        stay(socket);
    }]);
    let mut feed = Feed::connect(Access::to(address));
    let mut model = Model::default();
    until(&mut feed, &mut model, "cells", |model| model.now_ns() == 2 * S);
    assert_eq!(model.showing(), Showing::Live);
    assert_eq!(model.misfits(), 1);
    for text in ["cannot be read", "binary", "too often — less often"] {
        assert!(noticed(&model, text), "{text}");
    }
    drop(feed);
    thread.join().unwrap();
}

/// An HTTP server that gives one answer and keeps what it was asked.
fn answer(answer: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = thread::spawn(move || {
        let mut asked = String::new();
        // the feed's own connection to the stream gets the same
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).unwrap_or(0);
            let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
            let _ = stream.write_all(answer.as_bytes());
            if text.starts_with("POST") || text.starts_with("QUIT") {
                asked = text;
                break;
            }
        }
        asked
    });
    (address, thread)
}

#[test]
fn a_refused_command_is_shown_with_its_remedy() {
    let body = r#"{"error":"this rig takes no faults","remedy":"say so in the rig file"}"#;
    let text: &'static str = format!(
        "HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .leak();
    let (address, thread) = answer(text);
    let mut feed = Feed::connect(Access {
        token: Some("0123456789abcdef".into()),
        ..Access::to(address)
    });
    let mut model = Model::default();
    feed.command(Command::EstopPress {
        channel: bess_telemetry::EstopChannel::Both,
    });
    until(&mut feed, &mut model, "the refusal", |model| {
        noticed(
            model,
            "E-stop press refused: this rig takes no faults — say so in the rig file",
        )
    });
    let asked = thread.join().unwrap();
    assert!(
        asked.contains("Authorization: Bearer 0123456789abcdef\r\n"),
        "{asked}"
    );
    assert!(asked.contains("Content-Type: application/json\r\n"), "{asked}");
    assert!(
        asked.contains(r#"{"command":"estop-press","channel":"both"}"#),
        "{asked}"
    );
}

#[test]
fn a_wrong_token_is_said_with_the_remedy() {
    let body = r#"{"error":"the token is missing or wrong","remedy":"send the header"}"#;
    let text: &'static str = format!(
        "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .leak();
    let (address, thread) = answer(text);
    let mut feed = Feed::connect(Access::to(address.clone()));
    let mut model = Model::default();
    until(&mut feed, &mut model, "the refusal", |model| {
        noticed(model, "token is missing")
    });
    assert_eq!(model.showing(), Showing::NoData);
    assert!(model.link().is_final, "no waiting helps");
    drop(feed);
    let _ = TcpStream::connect(address).unwrap().write_all(b"QUIT");
    thread.join().unwrap();
}

/// A program in place of bessrig. Another process writes it: a child of a test beside this one would inherit a file open for
/// writing here, and Linux starts no such file.
fn program(folder: &TempDir, script: &str) -> (PathBuf, PathBuf) {
    let program = folder.path().join("bessrig");
    let written = Process::new("sh")
        .args(["-c", r#"printf '#!/bin/sh\n%s\n' "$1" > "$0" && chmod +x "$0""#])
        .arg(&program)
        .arg(script)
        .status()
        .unwrap();
    assert!(written.success());
    let rig = folder.path().join("rig.toml");
    fs::write(&rig, "").unwrap();
    (program, rig)
}

/// A rig that is started here and lives: feed, model, number of its process, the thread that speaks for it, its folder.
fn launched() -> (Feed, Model, u32, JoinHandle<()>, TempDir) {
    let (address, thread) = rig(vec![|mut socket| {
        greet(&mut socket);
        stay(socket);
    }]);
    let folder = TempDir::new().unwrap();
    let script = format!("echo 'API     control            on http://{address}/api'\nexec sleep 60");
    let (program, rig) = program(&folder, &script);
    let mut feed = Feed::launch(&program, &rig, &[]).unwrap();
    let mut model = Model::default();
    until(&mut feed, &mut model, "live", |model| {
        model.showing() == Showing::Live
    });
    let Source::Launch(launch) = feed.source() else {
        panic!("it was launched")
    };
    let pid = launch.pid();
    (feed, model, pid, thread, folder)
}

#[test]
fn a_rig_that_is_started_ends_with_its_viewer() {
    let (feed, _, pid, thread, _folder) = launched();
    let place = PathBuf::from(format!("/proc/{pid}"));
    assert!(place.exists());
    drop(feed);
    assert!(!place.exists(), "its process is gone");
    thread.join().unwrap();
}

#[test]
fn an_address_that_is_asked_for_is_given_once() {
    for (asked, told) in [
        (&["--api", "127.0.0.1:1234"][..], "--api 127.0.0.1:1234"),
        (&["--api=127.0.0.1:1234"], "--api=127.0.0.1:1234"),
        (&["--seed", "2"], "--api 127.0.0.1:0 --seed 2"),
    ] {
        let folder = TempDir::new().unwrap();
        let (program, rig) = program(&folder, "echo \"asked: $*;\" >&2\nexit 3");
        let options: Vec<_> = asked.iter().map(|option| (*option).to_owned()).collect();
        let mut feed = Feed::launch(&program, &rig, &options).unwrap();
        let mut model = Model::default();
        until(&mut feed, &mut model, told, |model| {
            noticed(model, &format!("rig.toml {told};"))
        });
        assert!(model.link().is_final, "it has ended");
    }
}

#[test]
fn a_rig_that_does_not_start_says_why() {
    let folder = TempDir::new().unwrap();
    let (program, rig) = program(&folder, "echo 'rig.toml:3: no such product' >&2\nexit 3");
    let mut feed = Feed::launch(&program, &rig, &[]).unwrap();
    let mut model = Model::default();
    until(&mut feed, &mut model, "the reason", |model| {
        noticed(model, "no such product")
    });
    assert_eq!(model.showing(), Showing::NoData);
    let none = Feed::launch(Path::new("/nowhere/bessrig"), &rig, &[]).unwrap_err();
    assert!(none.to_string().contains("--bessrig"), "{none}");
    let none = Feed::launch(&program, Path::new("/nowhere.toml"), &[]).unwrap_err();
    assert!(none.to_string().contains("/nowhere.toml"), "{none}");
}

#[test]
fn a_rig_that_was_started_and_died_is_stale_and_says_why() {
    let (mut feed, mut model, pid, thread, _folder) = launched();
    let killed = Process::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.unwrap().success());
    until(&mut feed, &mut model, "stale", |model| {
        model.showing() == Showing::Stale
    });
    let trouble = model.link().trouble.clone().unwrap();
    assert!(trouble.contains("bessrig has ended (signal: 9"), "{trouble}");
    assert!(model.link().age.is_some(), "its last word has an age");
    feed.command(Command::Pause {});
    until(&mut feed, &mut model, "the refusal", |model| {
        noticed(model, "the rig has ended")
    });
    thread.join().unwrap();
}

#[test]
fn what_cannot_be_done_is_said() {
    let (program_folder, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (program, rig) = program(&program_folder, "exec sleep 60");
    let mut feed = Feed::launch(&program, &rig, &[]).unwrap();
    let mut model = Model::default();
    for (what, told) in [
        (Transport::Pause, "still starting"),
        (Transport::Step(-1000), "does not go back"),
        (Transport::Seek(0), "only a recording"),
    ] {
        feed.transport(what);
        until(&mut feed, &mut model, told, |model| noticed(model, told));
    }
    let file = folder.path().join("recording.mcap");
    fs::write(&file, recording()).unwrap();
    let mut feed = Feed::replay(&file).unwrap();
    let mut model = Model::default();
    feed.command(Command::EstopReset {});
    until(&mut feed, &mut model, "the refusal", |model| {
        noticed(model, "takes no commands")
    });
}

#[test]
fn what_is_to_be_started_waits_until_the_rig_is_seen() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut socket = tungstenite::accept(stream).unwrap();
        greet(&mut socket);
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = [0; 4096];
        let count = stream.read(&mut asked).unwrap();
        let body = r#"{"at_ns":5000000000}"#;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let _ = stream.write_all(format!("{head}{body}").as_bytes());
        stay(socket);
        String::from_utf8_lossy(&asked[..count]).into_owned()
    });
    let mut feed = Feed::connect(Access::to(address));
    let mut model = Model::default();
    feed.command_when_live(Command::StartScenario {
        feature: "x.feature".into(),
        scenario: None,
    });
    until(&mut feed, &mut model, "the answer", |model| {
        noticed(model, "start scenario: accepted at 0:00:05.000")
    });
    drop(feed);
    let asked = thread.join().unwrap();
    assert!(
        asked.contains("start-scenario") && asked.contains("x.feature"),
        "{asked}"
    );
}

/// A recording as bessrig writes it: a chunk for the description, then one each ten seconds; 60 s long.
fn recording() -> Vec<u8> {
    recording_told_from(0)
}

/// One of a rig whose points have no values before this tenth of a second, but one.
fn recording_told_from(told_from: u64) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = WriteOptions::new()
        .chunk_size(None)
        .disable_seeking(true)
        .create(NoSeek::new(Cursor::new(&mut file)))
        .unwrap();
    let mut channels = Vec::new();
    for topic in Topic::ALL {
        let schema = writer.add_schema(topic.name(), "jsonschema", b"{}").unwrap();
        let name = format!("/{}", topic.name());
        channels.push(
            writer
                .add_channel(schema, &name, "json", &BTreeMap::new())
                .unwrap(),
        );
    }
    let put = |writer: &mut mcap::Writer<_>, topic: Topic, at: u64, text: String| {
        let header = MessageHeader {
            channel_id: channels[topic as usize],
            sequence: 0,
            log_time: at,
            publish_time: at,
        };
        writer.write_to_known_channel(&header, text.as_bytes()).unwrap();
    };
    put(
        &mut writer,
        Topic::Description,
        0,
        serde_json::to_string(&description()).unwrap(),
    );
    writer.flush().unwrap();
    for tenth in 0..=600_u64 {
        let at = tenth * S / 10;
        if tenth % 100 == 0 && tenth > 0 {
            writer.flush().unwrap();
        }
        let value = (tenth >= told_from).then_some(tenth as f64);
        let frame = if tenth % 100 == 0 {
            points(
                at,
                &[(0, value), (1, value), (2, None), (3, value), (4, Some(0.0))],
            )
        } else {
            points(at, &[(u32::try_from(tenth % 4).unwrap(), value)])
        };
        put(
            &mut writer,
            Topic::Points,
            at,
            serde_json::to_string(&frame).unwrap(),
        );
        if tenth % 10 == 0 {
            put(
                &mut writer,
                Topic::Cells,
                at,
                serde_json::to_string(&cells(at)).unwrap(),
            );
            put(
                &mut writer,
                Topic::Status,
                at,
                serde_json::to_string(&status(at)).unwrap(),
            );
            let alarm = event(
                tenth / 10,
                at,
                Kind::Alarm,
                "container-01/bau",
                "alarm-x",
                1.0,
                "warn",
            );
            put(
                &mut writer,
                Topic::Events,
                at,
                serde_json::to_string(&alarm).unwrap(),
            );
        }
    }
    writer.finish().unwrap();
    drop(writer);
    file
}

fn replay_of(bytes: Vec<u8>) -> Result<Replay, String> {
    Recording::read(Path::new("recording.mcap"), bytes).map(Replay::new)
}

/// All that a model shows, as text.
fn picture(model: &Model) -> String {
    let values: Vec<_> = (0..5).map(|n| (model.read(n), model.told_ns(n))).collect();
    let cells = model.cells().map(|cells| cells.at_ns);
    let status = model.status().map(|status| status.at_ns);
    let alarms = model.alarms().list().len();
    let past = model.chronicle().past().len();
    format!(
        "{:?} {values:?} {cells:?} {status:?} {alarms} {past}",
        model.now_ns()
    )
}

#[test]
fn a_jump_shows_the_same_as_playing_there() {
    let file = recording();
    let mut played = (replay_of(file.clone()).unwrap(), Model::default());
    let mut jumped = (replay_of(file).unwrap(), Model::default());
    played.0.poll(&mut played.1, Duration::ZERO);
    played.0.transport(Transport::Play);
    for _ in 0..60 {
        played.0.poll(&mut played.1, Duration::from_millis(777));
        jumped.0.transport(Transport::Seek(played.1.now_ns()));
        jumped.0.poll(&mut jumped.1, Duration::ZERO);
        assert_eq!(picture(&played.1), picture(&jumped.1));
        // away and back again
        jumped.0.transport(Transport::Seek(59 * S));
        jumped.0.poll(&mut jumped.1, Duration::ZERO);
    }
    assert_eq!(played.1.misfits(), 0);
    assert_eq!(played.1.showing(), Showing::Replay);
    assert!(played.1.now_ns() > 46 * S);
    assert_eq!(
        played.1.history().samples(1).count(),
        157,
        "all of the recording is known"
    );
}

#[test]
fn a_recording_opens_when_most_is_told() {
    let replay = replay_of(recording_told_from(23)).unwrap();
    // four of five points by 2.5 s, and cells each second
    assert_eq!(replay.recording().opens_ns(), 3 * S);
    let replay = replay_of(recording_told_from(1000)).unwrap();
    assert_eq!(replay.recording().opens_ns(), 0);
}

#[test]
fn a_recording_stands_at_its_end_or_begins_again() {
    let mut replay = replay_of(recording()).unwrap();
    let mut model = Model::default();
    replay.poll(&mut model, Duration::ZERO);
    assert_eq!(model.link().span_ns, (0, 60 * S));
    assert!(model.link().is_fresh && model.now_ns() == 0);
    replay.transport(Transport::Rate(1000.0));
    replay.transport(Transport::Play);
    replay.poll(&mut model, Duration::from_secs(1));
    assert_eq!((model.now_ns(), model.link().is_playing), (60 * S, true));
    assert!(!model.link().is_fresh);
    replay.poll(&mut model, Duration::ZERO);
    assert!(!model.link().is_playing);
    replay.transport(Transport::Loop(true));
    replay.transport(Transport::Play);
    replay.poll(&mut model, Duration::from_secs(5));
    assert_eq!(model.now_ns(), 0);
    replay.transport(Transport::Step(250));
    replay.transport(Transport::Step(-100));
    replay.poll(&mut model, Duration::from_secs(5));
    assert_eq!(model.now_ns(), 150_000_000);
    replay.transport(Transport::Step(i64::MIN));
    replay.poll(&mut model, Duration::ZERO);
    assert_eq!(model.now_ns(), 0);
}

#[test]
fn a_file_that_ends_early_is_read_as_far_as_it_is_whole() {
    let file = recording();
    let mut readable = Vec::new();
    for length in (0..file.len()).step_by(61) {
        let Ok(mut replay) = replay_of(file[..length].to_vec()) else {
            assert!(readable.is_empty(), "{length} bytes are readable again");
            continue;
        };
        let mut model = Model::default();
        let (_, last) = replay.recording().span_ns();
        replay.transport(Transport::Seek(last));
        replay.poll(&mut model, Duration::ZERO);
        assert_eq!(model.misfits(), 0);
        let whole = !noticed(&model, "not closed");
        readable.push((last / S, whole));
    }
    assert!(readable.is_sorted_by_key(|(last, _)| *last), "{readable:?}");
    assert!(
        readable.iter().any(|(last, whole)| *last == 29 && !whole),
        "{readable:?}"
    );
    assert_eq!(readable.last(), Some(&(60, true)));
}

#[test]
fn a_file_that_is_no_recording_gets_a_message_with_file_and_remedy() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a.mcap");
    let told = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let text = Feed::replay(&file).unwrap_err().to_string();
        assert!(
            text.contains("a.mcap") && text.contains("bessrig test --out"),
            "{text}"
        );
        text
    };
    assert!(told(b"").contains("empty"));
    assert!(told(b"PK\x03\x04").contains("no MCAP"));
    assert!(told(b"\x89MCAP0\r\n").contains("not closed"));
    let mut other = Vec::new();
    let mut writer = WriteOptions::new().create(Cursor::new(&mut other)).unwrap();
    writer.finish().unwrap();
    drop(writer);
    assert!(told(&other).contains("no description"));
    let text = Feed::replay(folder.path()).unwrap_err().to_string();
    assert!(text.contains("no file"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A file with damaged bytes: a message or as much as can be read, and never a panic.
    #[test]
    fn no_damage_is_too_much(places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        let mut file = recording();
        for (place, byte) in places {
            let at = place.index(file.len());
            file[at] = byte;
        }
        if let Ok(mut replay) = replay_of(file) {
            let mut model = Model::default();
            let (first, last) = replay.recording().span_ns();
            for to in [first, last, first / 2 + last / 2] {
                replay.transport(Transport::Seek(to));
                replay.poll(&mut model, Duration::ZERO);
            }
        }
    }

    #[test]
    fn no_file_is_too_odd(bytes: Vec<u8>) {
        let _ = replay_of(bytes.clone());
        let mut framed = b"\x89MCAP0\r\n".to_vec();
        framed.extend(bytes);
        let _ = replay_of(framed);
    }
}
