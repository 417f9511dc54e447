//! Buses on TCP in the socketcand protocol: clients of other makes, and a rig in two parts.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test of keeping the wall clock needs one of its own"
)]

mod common;

use std::io::{self, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bess_fieldbus::{FieldbusError, Limits, PacedDriver};
use bess_rig::{CanMedium, Health, WireInput, WireOutput};
use bess_types::{CanFrame, CanId, SimTime};
use common::{Bench, free_address, open};

fn frame(id: u32, data: &[u8]) -> CanFrame {
    CanFrame::new(CanId::Extended(id), data).unwrap()
}

fn output(bus: usize, frame: CanFrame) -> WireOutput {
    WireOutput::Can { bus, frame }
}

/// Frames that were offered, as text with their bus.
fn heard(bench: &Bench) -> Vec<(usize, String)> {
    let frames = bench.seen.iter().map(|(_, input)| match input {
        WireInput::Can { bus, frame } => (*bus, frame.to_string()),
        other => panic!("{other:?}"),
    });
    frames.collect()
}

/// A client that speaks by hand.
struct Client {
    stream: TcpStream,
    /// What came and was not asked for yet.
    text: String,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut client = Self {
            stream,
            text: String::new(),
        };
        client.expect("< hi >");
        client
    }

    fn on(address: SocketAddr, bus: &str) -> Self {
        let mut client = Self::connect(address);
        client.say(&format!("< open {bus} >"));
        client.expect("< ok >");
        client.say("< rawmode >");
        client.expect("< ok >");
        client
    }

    fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// The next element.
    fn next(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.text.find('>') {
                let rest = self.text.split_off(end + 1);
                return Ok(std::mem::replace(&mut self.text, rest));
            }
            let mut bytes = [0; 4096];
            let n = self.stream.read(&mut bytes)?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.text.push_str(str::from_utf8(&bytes[..n]).unwrap());
        }
    }

    fn expect(&mut self, text: &str) {
        assert_eq!(self.next().unwrap(), text);
    }

    /// Whether the server ended it, with what it said before.
    fn ended(&mut self) -> String {
        let mut all = String::new();
        loop {
            match self.next() {
                Ok(text) => all += &text,
                Err(error) => {
                    let ends = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
                    assert!(ends.contains(&error.kind()), "{error}");
                    return all;
                }
            }
        }
    }
}

/// Whether nothing worse happened than that this machine was busy.
fn only_late(health: &Health) -> bool {
    let late = |why: &String| why.starts_with("the rig was late") && !why.contains(';');
    health.dropped_frames == 0 && health.inconclusive.as_ref().is_none_or(late)
}

/// A bench driven by a thread of its own until stopped.
struct Driven<T> {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<T>,
}

/// Drives what `make` makes; at the end `result` looks at it.
fn drive<T: Send + 'static>(
    make: impl FnOnce() -> Bench + Send + 'static,
    result: impl FnOnce(&Bench, Health) -> T + Send + 'static,
) -> Driven<T> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        let mut driver = open(make());
        sender.send(driver.interrupt_handle()).unwrap();
        driver.run_forever(&mut |_| false);
        result(driver.rig(), driver.health())
    });
    Driven {
        stop: receiver.recv().unwrap(),
        thread,
    }
}

impl<T> Driven<T> {
    fn stop(self) -> T {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

#[test]
fn clients_hear_the_rig_and_each_other() {
    let address = free_address();
    let rig = drive(
        move || {
            Bench::new()
                .with_bus(CanMedium::Listen(address))
                .with_bus(CanMedium::Listen(address))
                .reacting(|_, input| match input {
                    WireInput::Can { bus, frame } if frame.id == CanId::Standard(0x100) => {
                        vec![output(
                            *bus,
                            CanFrame::new(CanId::Standard(0x101), frame.data()).unwrap(),
                        )]
                    }
                    _ => vec![],
                })
        },
        |bench, health| (heard(bench), health),
    );
    let mut one = Client::on(address, "bus-1");
    let mut two = Client::on(address, "bus-1");
    let mut other = Client::on(address, "bus-0");
    one.say("< send 100 2 1 ff >< send 18FF0001 0 >");
    let stamped = |text: String| {
        let words: Vec<_> = text.split(' ').map(str::to_owned).collect();
        let stamp: f64 = words[3].parse().unwrap();
        assert!(stamp > 1.6e9, "time of day, not {stamp}");
        format!("{}#{}", words[2], words[4])
    };
    let mut two_heard: Vec<_> = (0..3).map(|_| stamped(two.next().unwrap())).collect();
    two_heard.sort();
    assert_eq!(two_heard, ["100#01FF", "101#01FF", "18FF0001#"]);
    assert_eq!(stamped(one.next().unwrap()), "101#01FF", "not its own");
    other.say("< echo >");
    other.expect("< echo >");
    drop(two);
    one.say("< send 123 0 >< echo >");
    one.expect("< echo >");
    thread::sleep(Duration::from_millis(100));
    let (heard, health) = rig.stop();
    assert_eq!(
        heard,
        [
            (1, "100#01FF".to_owned()),
            (1, "18FF0001#".to_owned()),
            (1, "123#".to_owned())
        ]
    );
    assert_eq!((health.dropped_frames, health.undecoded), (0, 0), "{health:?}");
    assert_eq!(one.ended(), "", "the rig's end ends the connection");
}

#[test]
fn two_parts_of_a_rig_share_a_bus_and_survive_each_other() {
    let address = free_address();
    let host = move || {
        drive(
            move || {
                Bench::new()
                    .with_bus(CanMedium::Connect(address))
                    .ticking(|at| vec![output(0, frame(2, &at.as_nanos().to_le_bytes()))])
            },
            |bench, health| (heard(bench), health),
        )
    };
    let rig = move || {
        drive(
            move || {
                Bench::new()
                    .with_bus(CanMedium::Listen(address))
                    .ticking(|_| vec![output(0, frame(1, &[7]))])
            },
            |bench, health| (heard(bench), health),
        )
    };
    // The host is there first, and waits.
    let early = host();
    thread::sleep(Duration::from_millis(300));
    let first = rig();
    thread::sleep(Duration::from_millis(900));
    let (heard, health) = first.stop();
    assert!(heard.len() > 30, "{}", heard.len());
    assert!(heard.iter().all(|(_, text)| text.starts_with("00000002#")));
    assert_eq!(health.dropped_frames, 0, "{health:?}");
    // The rig comes back: so does the host, and says that frames were lost.
    thread::sleep(Duration::from_millis(100));
    let second = rig();
    thread::sleep(Duration::from_millis(900));
    let (heard, health) = early.stop();
    assert!(heard.len() > 80, "{}", heard.len());
    assert!(heard.iter().all(|(_, text)| text == "00000001#07"));
    assert!(health.dropped_frames > 0);
    let why = health.inconclusive.unwrap();
    assert!(why.contains("bus `bus-0` was lost"), "{why}");
    // A host that leaves is nothing to the rig.
    thread::sleep(Duration::from_millis(100));
    let (heard, health) = second.stop();
    assert!(heard.len() > 30, "{}", heard.len());
    assert!(only_late(&health), "{health:?}");
}

#[test]
fn a_client_that_does_not_read_is_closed_and_counted() {
    let address = free_address();
    let rig = drive(
        move || {
            Bench::new()
                .with_bus(CanMedium::Listen(address))
                .ticking(|_| vec![output(0, frame(1, &[7; 8])); 200])
        },
        |_, health| health,
    );
    let mut slow = Client::on(address, "bus-0");
    let mut quick = Client::on(address, "bus-0");
    let begin = Instant::now();
    let mut n = 0;
    while begin.elapsed() < Duration::from_secs(2) {
        n += usize::from(quick.next().unwrap().starts_with("< frame 00000001 "));
    }
    let health = rig.stop();
    assert!(n > 10_000, "the others heard all of it: {n}");
    assert!(health.dropped_frames > 4000, "{health:?}");
    let why = health.inconclusive.unwrap();
    assert!(why.contains("did not keep up"), "{why}");
    slow.ended();
}

#[test]
fn bad_commands_are_answered_as_the_daemon_does_and_counted() {
    let address = free_address();
    let rig = drive(
        move || Bench::new().with_bus(CanMedium::Listen(address)),
        |bench, health| (heard(bench), health),
    );
    let mut client = Client::on(address, "bus-0");
    client.say("noise < what >< send 800 0 >< send 1 9 >\n< sendpdu 00 >");
    client.expect("< error unknown command >");
    client.expect("< error unknown command >");
    for byte in "< send 12 1 ab >< echo >".bytes() {
        client.stream.write_all(&[byte]).unwrap();
    }
    client.expect("< echo >");
    let mut stranger = Client::connect(address);
    stranger.say("< open can0 >");
    assert_eq!(stranger.ended(), "< error could not open bus >");
    let mut endless = Client::on(address, "bus-0");
    endless.say(&format!("< send {}", "1".repeat(9000)));
    assert_eq!(endless.ended(), "");
    client.say("< echo >");
    client.expect("< echo >");
    let (heard, health) = rig.stop();
    assert_eq!(heard, [(0, "012#AB".to_owned())]);
    assert_eq!(health.undecoded, 5 + 1 + 1, "{health:?}");
    assert!(
        only_late(&health),
        "a peer's mistake is not the rig's: {health:?}"
    );
}

#[test]
fn an_address_may_be_ipv6_but_not_taken() {
    let holder = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
    let address = holder.local_addr().unwrap();
    let bench = || Bench::new().with_bus(CanMedium::Listen(address));
    let taken = PacedDriver::new(bench(), Limits::default()).err().unwrap();
    assert!(
        matches!(taken, FieldbusError::BusAddressInUse { .. }),
        "{taken:?}"
    );
    let text = taken.to_string();
    assert!(text.contains("bus-0") && text.contains("[::1]"), "{text}");
    drop(holder);
    let mut driver = open(bench());
    let mut client = Client::on(address, "bus-0");
    client.say("< send 7FF 0 >");
    let stopped = driver.run(SimTime::from_millis(3000), &mut |bench| !bench.seen.is_empty());
    assert!(stopped);
    assert_eq!(heard(driver.rig()), [(0, "7FF#".to_owned())]);
}
