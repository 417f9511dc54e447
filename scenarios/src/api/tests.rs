//! The API as others meet it, on a rig in virtual time: who gets in, what is refused and how, readers that are slow or
//! vanish, and floods. The rig must go on whatever they do.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use bess_rig::{Driver, Rig, Role, VirtualDriver};
use bess_telemetry::{Frame, Kind};
use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::{Message, WebSocket};

use super::*;
use crate::bench::Bench;
use crate::telemetry::Telemetry;
use crate::telemetry::hub::Hub;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A rig that runs in a thread, and its API.
struct Served {
    server: Server,
    interrupted: Arc<AtomicBool>,
    rig: Option<JoinHandle<()>>,
    _folder: TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.interrupted.store(true, std::sync::atomic::Ordering::Relaxed);
        if let Some(rig) = self.rig.take() {
            rig.join().unwrap();
        }
    }
}

/// A cabinet, which is quick to build.
fn served(extra: &str, token: Option<&str>) -> Served {
    serve("ci-air-200", extra, token)
}

fn serve(base: &str, extra: &str, token: Option<&str>) -> Served {
    let folder = TempDir::new().unwrap();
    let base = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("rigs/{base}.toml"));
    let path = folder.path().join("rig.toml");
    std::fs::write(&path, format!("inherits = {base:?}\n{extra}")).unwrap();
    let bench = Bench::load(&path, crate::bench::data(None).unwrap(), None).unwrap();
    let interrupted = Arc::new(AtomicBool::new(false));
    let (hub, orders) = Hub::new(false, Arc::clone(&interrupted));
    let address = Address {
        at: Some("127.0.0.1:0".parse().unwrap()),
        token: token.map(str::to_owned),
    };
    let plan: Planner = Arc::new(|path, _| Err(refusal(format!("{path} is not there"), "none")));
    let server = Server::start(address, orders, Arc::clone(&bench.described), plan).unwrap();
    let stop = Arc::clone(&interrupted);
    let rig = thread::spawn(move || {
        let rig = Rig::new(&bench.config, &bench.data.library, Role::Rig).unwrap();
        let mut driver: Box<dyn Driver> = Box::new(VirtualDriver::new(rig));
        let mut telemetry = Telemetry::new(Arc::clone(&bench.described));
        telemetry.open(hub);
        let stopped = || stop.load(std::sync::atomic::Ordering::Relaxed);
        while !stopped() {
            let until = driver.rig().now() + Duration::from_secs(1);
            driver
                .run(until, &mut |rig| telemetry.tick(rig) || stopped())
                .unwrap();
            telemetry.between(&mut *driver);
            driver.rig_mut().drain_candump(&mut |_, _| {});
        }
    });
    Served {
        server,
        interrupted,
        rig: Some(rig),
        _folder: folder,
    }
}

impl Served {
    fn ask(&self, head: &str, body: &str) -> (u16, Value) {
        let (status, body) = self.ask_raw(head, body.as_bytes());
        (status, serde_json::from_str(&body).unwrap())
    }

    /// Sends a request line with further headers, and a body; status and body of the answer.
    fn ask_raw(&self, head: &str, body: &[u8]) -> (u16, String) {
        let address = self.server.address();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
        let host = if headers.contains("Host:") {
            String::new()
        } else {
            format!("Host: {address}\r\n")
        };
        let headers: Vec<_> = headers.lines().flat_map(|line| [line, "\r\n"]).collect();
        let headers = headers.concat();
        write!(
            stream,
            "{line} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        )
        .unwrap();
        // a server that has refused already may not take the rest
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = if head.to_lowercase().contains("transfer-encoding: chunked") {
            let mut lines = body.split("\r\n");
            let mut whole = String::new();
            while let (Some(_), Some(chunk)) = (lines.next(), lines.next()) {
                whole.push_str(chunk);
            }
            whole
        } else {
            body.to_owned()
        };
        (status, body)
    }

    fn command(&self, command: &Value) -> (u16, Value) {
        self.ask(
            "POST /api/commands\nContent-Type: application/json",
            &command.to_string(),
        )
    }

    /// Rig time when a command was carried out, ns.
    fn told(&self, command: &Value) -> u64 {
        let (status, reply) = self.command(command);
        assert_eq!(status, 200, "{command}: {reply}");
        reply["at_ns"].as_u64().unwrap()
    }

    fn value(&self, tag: &str, point: &str) -> Value {
        let pattern = format!("{tag} {point}").replace(' ', "%20");
        let (status, rows) = self.ask(&format!("GET /api/points?match={pattern}"), "");
        assert_eq!(status, 200, "{rows}");
        rows[0]["value"].clone()
    }

    fn reader(&self) -> Reader {
        self.try_reader().unwrap()
    }

    /// A reader, or the status it was refused with.
    fn try_reader(&self) -> Result<Reader, StatusCode> {
        let stream = TcpStream::connect(self.server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let request = format!("ws://{}/api/stream", self.server.address())
            .into_client_request()
            .unwrap();
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(Reader(socket)),
            Err(HandshakeError::Failure(tungstenite::Error::Http(answer))) => Err(answer.status()),
            Err(error) => panic!("{error}"),
        }
    }
}

struct Reader(WebSocket<TcpStream>);

impl Reader {
    fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).unwrap();
    }

    fn hear(&mut self) -> String {
        loop {
            if let Message::Text(text) = self.0.read().unwrap() {
                return text.as_str().to_owned();
            }
        }
    }

    fn frame(&mut self) -> Frame {
        let text = self.hear();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

fn refused((status, body): (u16, Value), expected: u16) -> String {
    assert_eq!(status, expected, "{body}");
    assert!(!body["remedy"].as_str().unwrap().is_empty());
    body["error"].as_str().unwrap().to_owned()
}

#[test]
fn an_open_address_needs_a_token_that_nobody_guesses() {
    let folder = TempDir::new().unwrap();
    let file = |text: &str| {
        let path = folder.path().join("token");
        std::fs::write(&path, text).unwrap();
        path
    };
    let read = |at: &str, token: &str| Address::read(Some(at), Some(&file(token)));
    assert!(read("0.0.0.0:15080", SECRET).unwrap().is_some());
    assert!(read("0.0.0.0:15080", "").is_err(), "an empty file is no token");
    assert!(read("127.0.0.1:15080", "").unwrap().is_some());
    assert!(read("127.0.0.1:15080", "short").is_err());
    assert!(read("localhost", SECRET).is_err());
    assert_eq!(read("none", SECRET).unwrap(), None);
    assert!(Address::read(None, Some(&folder.path().join("nothing"))).is_err());
}

#[test]
fn a_wrong_token_gets_nothing() {
    let rig = served("", Some(SECRET));
    for wrong in [
        "",
        "\nAuthorization: Bearer 0123456789abcdef0123456789abcdeF",
        "\nAuthorization: Basic abc",
    ] {
        let error = refused(rig.ask(&format!("GET /api/description{wrong}"), ""), 401);
        assert_eq!(error, "the token is missing or wrong");
        refused(rig.ask(&format!("POST /api/commands{wrong}"), "{}"), 401);
    }
    let (status, _) = rig.ask(
        &format!("GET /api/description\nAuthorization: Bearer {SECRET}"),
        "",
    );
    assert_eq!(status, 200);
    assert_eq!(rig.try_reader().err(), Some(StatusCode::UNAUTHORIZED));
}

#[test]
fn web_pages_get_nothing() {
    let rig = served("", None);
    let foreign = "GET /api/points\nOrigin: http://example.org";
    refused(rig.ask(foreign, ""), 403);
    // a name that leads here for the browser's sake
    refused(rig.ask("GET /api/points\nHost: example.org:15080", ""), 403);
    let form = "POST /api/commands\nContent-Type: text/plain";
    refused(rig.ask(form, "{\"command\":\"estop-press\"}"), 415);
}

#[test]
fn what_cannot_be_read_is_refused_in_json() {
    let rig = served("", None);
    let json = "POST /api/commands\nContent-Type: application/json";
    assert!(refused(rig.ask(json, "{\"command\":"), 400).starts_with("this is no command: EOF"));
    assert!(refused(rig.ask(json, "\u{0}\u{1}"), 400).starts_with("this is no command"));
    assert!(refused(rig.ask(json, "{\"command\":\"explode\"}"), 400).contains("unknown variant `explode`"));
    refused(rig.ask(json, &format!("\"{}\"", "x".repeat(LARGEST_BODY))), 413);
    refused(rig.ask("GET /", ""), 404);
    refused(rig.ask("GET /api/commands", ""), 404);
    refused(rig.ask("GET /api/stream", ""), 400);
    refused(rig.ask("GET /api/points?match=container-01/pxs", ""), 400);
    refused(rig.ask("GET /api/points?tag=container-01/pcs", ""), 400);
    refused(rig.command(&json!({"command": "step", "ms": 0})), 409);
    refused(rig.command(&json!({"command": "rate", "rate": 1e9})), 409);
    refused(
        rig.command(&json!({"command": "start-scenario", "feature": "x.feature"})),
        400,
    );
    // it was all taken calmly
    let (status, _) = rig.ask("GET /api/description", "");
    assert_eq!(status, 200);
}

#[test]
fn time_stands_goes_on_and_steps() {
    let rig = served("", None);
    let paused_at = rig.told(&json!({"command": "pause"}));
    assert_eq!(rig.told(&json!({"command": "pause"})), paused_at, "time stands");
    assert_eq!(rig.told(&json!({"command": "step", "ms": 250})), paused_at);
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while rig.told(&json!({"command": "estop-release"})) < paused_at + 250_000_000 {
        assert!(std::time::Instant::now() < deadline, "the step never ended");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(rig.told(&json!({"command": "pause"})), paused_at + 250_000_000);
    rig.told(&json!({"command": "rate", "rate": 50}));
    rig.told(&json!({"command": "resume"}));
    while rig.told(&json!({"command": "estop-release"})) < paused_at + 2_000_000_000 {
        assert!(std::time::Instant::now() < deadline, "time does not go on");
    }
}

#[test]
fn the_e_stop_and_faults_act_and_faults_need_leave() {
    let nail = json!({"command": "inject-fault",
        "fault": {"name": "nail", "target": "container-01/cluster-01/pack-01/cell-01"}});
    let closed = served("", None);
    assert!(refused(closed.command(&nail), 409).contains("does not let outsiders inject faults"));
    drop(closed);

    let rig = served("[control]\nfaults = true\n", None);
    let missing = json!({"command": "inject-fault",
        "fault": {"name": "nail", "target": "container-01/cluster-09/pack-01/cell-01"}});
    refused(rig.command(&missing), 409);
    let mut reader = rig.reader();
    reader.say(r#"{"topics":["events","cells"],"hz":20}"#);
    rig.told(&json!({"command": "rate", "rate": 20}));
    while rig.value("container-01/safety-relay", "safety-ok") != json!(1.0) {
        thread::sleep(Duration::from_millis(20));
    }
    rig.told(&nail);
    rig.told(&json!({"command": "estop-press"}));
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let (mut fault, mut hand, mut burning) = (false, false, false);
    let mut next = 0;
    while !(fault && hand && burning) {
        assert!(
            std::time::Instant::now() < deadline,
            "fault {fault}, hand {hand}, burning {burning}"
        );
        match reader.frame() {
            Frame::Events(event) => {
                assert_eq!(event.id, next, "no event is missing");
                next += 1;
                fault |= event.kind == Kind::Fault && event.text.starts_with("Nail");
                hand |= event.kind == Kind::Hand && event.text == "EstopA";
            }
            Frame::Cells(cells) => burning |= cells.burning == [0],
            other => panic!("not asked for: {other:?}"),
        }
    }
    while rig.value("container-01/safety-relay", "safety-ok") != json!(0.0) {
        assert!(std::time::Instant::now() < deadline, "the E-stop does not act");
        thread::sleep(Duration::from_millis(20));
    }
    rig.told(&json!({"command": "estop-release"}));
    rig.told(&json!({"command": "estop-reset"}));
    while rig.value("container-01/safety-relay", "safety-ok") != json!(1.0) {
        assert!(std::time::Instant::now() < deadline, "the reset does not act");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_reader_gets_what_it_asks_for() {
    let rig = served("", None);
    let mut reader = rig.reader();
    for wrong in [
        "{",
        "7",
        r#"{"topics":["everything"]}"#,
        r#"{"hz":1000}"#,
        r#"{"points":["nobody"]}"#,
    ] {
        reader.say(wrong);
        let answer: Value = serde_json::from_str(&reader.hear()).unwrap();
        assert!(!answer["remedy"].as_str().unwrap().is_empty(), "{answer}");
    }
    reader.say(r#"{"topics":["description","points","status"],"points":["plant:container-01/pcs","container-01/cluster-01/pack-01/bmu cell[*"],"hz":10}"#);
    let Frame::Description(description) = reader.frame() else {
        panic!("the description comes first")
    };
    let container = &description.containers[0];
    assert_eq!((container.clusters, container.cells_per_pack), (1, 16));
    let mut times = Vec::new();
    while times.len() < 3 {
        match reader.frame() {
            Frame::Points(points) => {
                if times.is_empty() {
                    assert!(points.complete);
                    for index in &points.index {
                        let (group, def) = description.point(*index).unwrap();
                        assert!(group.tag == "plant:container-01/pcs" || def.name.starts_with("cell["));
                    }
                }
                times.push(points.at_ns);
            }
            Frame::Status(status) => assert_eq!(status.rate, Some(1.0)),
            other => panic!("not asked for: {other:?}"),
        }
    }
    assert!(times.iter().skip(1).all(|at| at % 100_000_000 == 0), "{times:?}");
    reader.say(r#"{"topics":["cells"],"hz":20}"#);
    let cells = loop {
        if let Frame::Cells(cells) = reader.frame() {
            break cells;
        }
    };
    assert_eq!(cells.voltage.len(), description.cells.count as usize);
    assert!(cells.voltage.iter().all(|v| (2.5..3.7).contains(v)));
}

#[test]
fn a_reader_that_does_not_read_loses_frames_and_stops_nobody() {
    let rig = serve("liquid-20ft", "", None);
    let mut slow = rig.reader();
    slow.say(r#"{"points":["*"],"hz":20}"#);
    let mut quick = rig.reader();
    quick.say(r#"{"topics":["status"]}"#);
    let begin = rig.told(&json!({"command": "estop-release"}));
    thread::sleep(Duration::from_secs(10));
    let end = rig.told(&json!({"command": "estop-release"}));
    loop {
        if let Frame::Status(status) = quick.frame()
            && status.at_ns + 2_000_000_000 > end
        {
            assert_eq!(status.dropped, 0, "one that reads loses nothing beside it");
            break;
        }
    }
    assert!(
        end > begin + 5_000_000_000,
        "the rig ran on: {} s",
        (end - begin) / 1_000_000_000
    );
    // now it reads: its losses are told, and points begin anew
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let mut told = 0;
    let mut anew = 0;
    while told == 0 || anew < 2 {
        assert!(
            std::time::Instant::now() < deadline,
            "{told} lost, {anew} complete"
        );
        match slow.frame() {
            Frame::Status(status) => told = told.max(status.dropped),
            Frame::Points(points) => anew += usize::from(points.complete),
            _ => {}
        }
    }
}

#[test]
fn readers_that_vanish_leave_no_trace() {
    let rig = served("", None);
    for round in 0..40 {
        let mut reader = rig.reader();
        if round % 2 == 0 {
            reader.say(r#"{"hz":20}"#);
            reader.hear();
        }
        // no goodbye
        drop(reader.0.get_ref().shutdown(std::net::Shutdown::Both));
        thread::sleep(Duration::from_millis(20));
    }
    let mut reader = rig.reader();
    reader.say(r#"{"topics":["cells"]}"#);
    assert!(matches!(reader.frame(), Frame::Cells(_)));
}

#[test]
fn readers_beyond_the_last_place_and_what_is_too_long_are_turned_away() {
    let rig = served("", None);
    let mut readers: Vec<Reader> = (0..stream::READERS).map(|_| rig.reader()).collect();
    assert_eq!(rig.try_reader().err(), Some(StatusCode::SERVICE_UNAVAILABLE));
    let mut reader = readers.pop().unwrap();
    // the server may have hung up before all of it is out
    let _ = reader
        .0
        .send(Message::text(format!("\"{}\"", "x".repeat(stream::LONGEST))));
    while reader.0.read().is_ok() {}
    // its place is free again
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while rig.try_reader().is_err() {
        assert!(std::time::Instant::now() < deadline, "the place stays taken");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn connections_that_only_stand_there_do_not_use_up_the_rigs_files() {
    let rig = served("", None);
    let stand = || {
        let mut stream = TcpStream::connect(rig.server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _ = stream.write_all(b"GET /api/descr");
        stream
    };
    let idle: Vec<_> = (0..connections::CONNECTIONS).map(|_| stand()).collect();
    for _ in 0..10 {
        let mut more = stand();
        match more.read(&mut [0]) {
            Ok(read) => assert_eq!(read, 0),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
    drop(idle);
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    let answers = || {
        let mut stream = stand();
        let _ = write!(
            stream,
            "iption HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\n\r\n"
        );
        let mut answer = String::new();
        stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
    };
    while !answers() {
        assert!(std::time::Instant::now() < deadline, "places stay taken");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_body_without_a_length_or_an_end_costs_nothing() {
    let rig = served("", None);
    let head = "POST /api/commands HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\nContent-Type: application/json\r\n";
    let begin = |rest: &str| {
        let mut stream = TcpStream::connect(rig.server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "{head}{rest}").unwrap();
        stream
    };
    // chunk after chunk of a text that never ends
    let mut endless = begin("Transfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let mut sent = 0;
    while sent <= 1024 * LARGEST_BODY && endless.write_all(chunk.as_bytes()).is_ok() {
        sent += 0x1000;
    }
    assert!(sent <= 1024 * LARGEST_BODY, "all of it was taken");
    // one that promises much and goes away in the middle
    for _ in 0..40 {
        let mut broken = begin("Content-Length: 400\r\n\r\n");
        broken.write_all(b"{\"command\":\"estop-press\"}").unwrap();
        drop(broken.shutdown(std::net::Shutdown::Both));
    }
    // and nothing of it was carried out
    rig.told(&json!({"command": "resume"}));
    while rig.value("container-01/safety-relay", "safety-ok") != json!(1.0) {
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_secs(1));
    assert_eq!(rig.value("container-01/safety-relay", "safety-ok"), json!(1.0));
}

#[test]
fn a_flood_is_turned_away_and_the_rig_goes_on() {
    let rig = served("", None);
    let begin = rig.told(&json!({"command": "estop-release"}));
    let codes: Vec<u16> = thread::scope(|scope| {
        let ask = || {
            let some = || rig.command(&json!({"command": "estop-release"})).0;
            (0..25).map(|_| some()).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(codes.len(), 200);
    assert!(codes.iter().all(|code| [200, 503].contains(code)), "{codes:?}");
    assert!(codes.contains(&200));
    assert!(rig.told(&json!({"command": "estop-release"})) > begin);
}
