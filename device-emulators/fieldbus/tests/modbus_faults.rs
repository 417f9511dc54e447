//! Link faults of Modbus servers, seen on the wire by a stranger with a raw socket, in a rig with everything around it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test of what happens on the wall clock needs one of its own"
)]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use bess_catalogue::Catalogue;
use bess_devices::library::Library;
use bess_fieldbus::{Limits, PacedDriver};
use bess_rig::fault::{CATALOGUE, Layer, LinkFault, Wire};
use bess_rig::{Rig, RigCommand, RigConfig, Role};
use bess_types::SimTime;
use common::{Serial, frame, meanwhile};

const CONTAINER: &str = include_str!("../../../scenarios/rigs/base/container.toml");
const RIG: &str = include_str!("../../../scenarios/rigs/liquid-20ft.toml");
const CHILLER: &str = "container-01/chiller";

/// A server that answers from the first moment on.
const AT_ONCE: &str = "modbus = { start_up_ms = 0, turnaround_ms = 0 }\n";

/// A live rig of one cluster, every server on a port of its own, and the chiller's address; the chiller may be elsewhere.
fn rig(overlay: &str) -> (Rig, SocketAddr) {
    let mut top =
        "inherits = \"rig.toml\"\n[plant]\nclusters = 1\n[clock]\nmode = \"paced\"\nhard_limit_ms = 5000\n"
            .to_owned();
    let mut chiller = None;
    for (table, tag) in [
        ("remote_io", "container-01/cluster-{cluster}/io"),
        ("remote_io", "container-01/io"),
        ("pcs", "container-01/pcs"),
        ("fire_panel", "container-01/fire-panel"),
        ("chiller", CHILLER),
        ("bau", "container-01/bau"),
        ("ems", "site-01/ems"),
        ("meter", "site-01/meter"),
    ] {
        let listen = common::free_address();
        if table == "chiller" {
            chiller = Some(listen);
            if !overlay.is_empty() {
                continue;
            }
        }
        write!(
            top,
            "[[{table}]]\ntag = \"{tag}\"\nlisten = \"{listen}\"\n{AT_ONCE}"
        )
        .unwrap();
    }
    top.push_str(overlay);
    let read = |path: &str| match path {
        "top.toml" => Ok(top.clone()),
        "rig.toml" => Ok(RIG.to_owned()),
        "base/container.toml" => Ok(CONTAINER.to_owned()),
        _ => Err("no such file".to_owned()),
    };
    let config = RigConfig::load("top.toml", &Catalogue::shipped(), &read).unwrap();
    (
        Rig::new(&config, &Library::shipped(), Role::Rig).unwrap(),
        chiller.unwrap(),
    )
}

/// A client that looks at bytes.
struct Stranger {
    stream: TcpStream,
    transaction: u8,
}

/// Bytes of a whole reply: header, function, byte count, eight registers.
const REPLY: usize = 7 + 2 + 16;

impl Stranger {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            transaction: 0,
        }
    }

    /// Asks for the first eight registers of the chiller's state.
    fn ask(&mut self) {
        self.transaction += 1;
        let request = [0, self.transaction, 0, 0, 0, 6, 1, 3, 0, 100, 0, 8];
        self.stream.write_all(&request).unwrap();
    }

    /// What one read gives within half a second.
    fn hear(&mut self) -> Result<Vec<u8>, ErrorKind> {
        self.stream
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        let mut bytes = [0; 600];
        match self.stream.read(&mut bytes) {
            Ok(n) => Ok(bytes[..n].to_vec()),
            Err(error) => Err(error.kind()),
        }
    }

    /// Whether all is as it should be.
    fn is_answered(&mut self) -> bool {
        self.ask();
        let reply = self.hear();
        reply.is_ok_and(|reply| reply.len() == REPLY && reply[..7] == [0, self.transaction, 0, 0, 0, 19, 1])
    }

    fn hears_nothing(&mut self) -> bool {
        self.hear() == Err(ErrorKind::WouldBlock)
    }

    fn is_reset(&mut self) -> bool {
        self.hear() == Err(ErrorKind::ConnectionReset)
    }
}

/// Sees a fault on a connection that is open since before it began; what it returns is asked after the fault's end.
type Witness = fn(Stranger, SocketAddr) -> Box<dyn FnOnce() -> bool + Send>;

fn nothing_more() -> Box<dyn FnOnce() -> bool + Send> {
    Box::new(|| true)
}

type Given = Vec<(String, f64)>;

fn witnesses() -> BTreeMap<&'static str, (Given, Witness)> {
    let mut all: BTreeMap<&'static str, (Given, Witness)> = BTreeMap::new();
    all.insert(
        "modbus-truncate",
        (vec![("bytes".into(), 11.0)], |mut client, _| {
            client.ask();
            assert_eq!(client.hear().unwrap().len(), 11);
            assert!(client.hears_nothing());
            nothing_more()
        }),
    );
    all.insert(
        "modbus-split",
        (vec![("gap".into(), 80.0)], |mut client, _| {
            client.ask();
            assert_eq!(client.hear().unwrap().len(), 6);
            let first = Instant::now();
            assert_eq!(client.hear().unwrap().len(), REPLY - 6);
            assert!(
                first.elapsed() > Duration::from_millis(60),
                "{:?}",
                first.elapsed()
            );
            nothing_more()
        }),
    );
    all.insert(
        "modbus-trickle",
        (vec![("gap".into(), 10.0)], |mut client, _| {
            client.ask();
            let mut pieces = Vec::new();
            while pieces.iter().sum::<usize>() < REPLY {
                pieces.push(client.hear().unwrap().len());
            }
            // Two may meet where this thread is late.
            assert!(pieces.len() > REPLY / 2, "{pieces:?}");
            nothing_more()
        }),
    );
    all.insert(
        "modbus-merge",
        (vec![], |mut client, _| {
            client.ask();
            assert!(client.hears_nothing());
            client.ask();
            let both = client.hear().unwrap();
            assert_eq!((both.len(), both[1], both[REPLY + 1]), (2 * REPLY, 1, 2));
            nothing_more()
        }),
    );
    all.insert(
        "modbus-reset",
        (vec![], |mut client, address| {
            client.ask();
            assert!(client.is_reset());
            let mut next = Stranger::connect(address);
            next.ask();
            assert!(next.is_reset());
            nothing_more()
        }),
    );
    all.insert(
        "modbus-half-open",
        (vec![], |mut client, _| {
            for _ in 0..2 {
                client.ask();
                assert!(client.hears_nothing());
            }
            Box::new(move || client.is_reset())
        }),
    );
    all.insert(
        "modbus-refuse",
        (vec![], |mut client, address| {
            assert!(client.is_reset());
            let refused = TcpStream::connect(address).err().map(|error| error.kind());
            assert_eq!(refused, Some(ErrorKind::ConnectionRefused));
            nothing_more()
        }),
    );
    all.insert(
        "modbus-wrong-transaction",
        (vec![("add".into(), 3.0)], |mut client, _| {
            client.ask();
            assert_eq!(client.hear().unwrap()[..7], [0, 4, 0, 0, 0, 19, 1]);
            nothing_more()
        }),
    );
    all.insert(
        "modbus-wrong-unit",
        (vec![], |mut client, _| {
            client.ask();
            assert_eq!(client.hear().unwrap()[..7], [0, 1, 0, 0, 0, 19, 2]);
            nothing_more()
        }),
    );
    all
}

#[test]
fn every_fault_of_bytes_is_seen_on_the_wire_and_ends() {
    let (rig, address) = rig("");
    let mut driver = PacedDriver::new(rig, Limits::default()).unwrap();
    driver.run(SimTime::from_millis(100), &mut |_| false);
    let witnesses = witnesses();
    for (name, (given, witness)) in &witnesses {
        let witness = *witness;
        let client = meanwhile(&mut driver, move || {
            let mut client = Stranger::connect(address);
            assert!(client.is_answered(), "before");
            client.transaction = 0;
            client
        });
        let fault = LinkFault::new(name, CHILLER, given).unwrap();
        driver.rig_mut().command(RigCommand::LinkFault(fault)).unwrap();
        let afterwards = meanwhile(&mut driver, move || witness(client, address));
        let end = RigCommand::EndLinkFault {
            name: (*name).into(),
            target: CHILLER.into(),
        };
        driver.rig_mut().command(end).unwrap();
        let clean = meanwhile(&mut driver, move || {
            // A server that begins to listen again needs a moment.
            thread::sleep(Duration::from_millis(50));
            let mut client = Stranger::connect(address);
            afterwards() && client.is_answered() && client.is_answered()
        });
        assert!(clean, "{name} did not end");
        let marks = driver.rig().events().iter().filter(|event| {
            event.point == "link-fault" && event.text.split_whitespace().any(|word| word == *name)
        });
        let marks: Vec<_> = marks.map(|event| (event.tag.to_string(), event.value)).collect();
        assert_eq!(
            marks,
            [(CHILLER.to_owned(), 1.0), (CHILLER.to_owned(), 0.0)],
            "{name} in the event log"
        );
    }
    for name in of_bytes(|wire| wire != Some(Wire::RtuLine)) {
        assert!(witnesses.contains_key(name), "no witness for {name}");
    }
}

/// Faults of bytes on some wires.
fn of_bytes(on: fn(Option<Wire>) -> bool) -> impl Iterator<Item = &'static str> {
    let kinds = CATALOGUE.iter().filter(|kind| kind.layer == Layer::Modbus);
    kinds
        .filter(move |kind| on(kind.wire) && LinkFault::new(kind.name, CHILLER, &[]).unwrap().is_of_bytes())
        .map(|kind| kind.name)
}

#[test]
fn every_fault_of_an_rtu_line_is_seen_on_it_and_ends() {
    let (rig, _) = rig(&format!(
        "[[rtu_line]]\nname = \"aux\"\nattach = \"pty\"\nbaud = 115200\n\
         [[chiller]]\ntag = \"{CHILLER}\"\nline = \"aux\"\nunit = 5\n{AT_ONCE}"
    ));
    let mut driver = PacedDriver::new(rig, Limits::default()).unwrap();
    driver.run(SimTime::from_millis(100), &mut |_| false);
    let path = driver.lines()[0].1.clone();
    // Mode and setpoint of the chiller, which stay as they are.
    let ask = |driver: &mut PacedDriver<Rig>| {
        let path = path.clone();
        meanwhile(driver, move || {
            Serial::open(&path).answer(&frame(&[5, 3, 0, 0, 0, 2]))
        })
    };
    let clean = ask(&mut driver);
    assert_eq!((clean.len(), &clean[..3]), (9, &[5, 3, 4][..]));
    let mut seen = Vec::new();
    for name in of_bytes(|wire| wire != Some(Wire::Tcp)) {
        let fault = LinkFault::new(name, CHILLER, &[]).unwrap();
        driver.rig_mut().command(RigCommand::LinkFault(fault)).unwrap();
        let during = ask(&mut driver);
        match name {
            "modbus-truncate" => assert_eq!(during, clean[..8]),
            // Later, but all of it.
            "modbus-split" | "modbus-trickle" => assert_eq!(during, clean),
            "modbus-merge" => assert_eq!(during, []),
            "modbus-wrong-unit" => assert_eq!((during[0], &during[1..7]), (6, &clean[1..7])),
            "rtu-wrong-crc" => {
                assert_eq!(during[..7], clean[..7]);
                assert_eq!(during[7..], [!clean[7], !clean[8]]);
            }
            "rtu-noise" => assert_eq!((during.len(), &during[2..]), (11, &clean[..])),
            other => panic!("no witness for {other}"),
        }
        let end = RigCommand::EndLinkFault {
            name: name.into(),
            target: CHILLER.into(),
        };
        driver.rig_mut().command(end).unwrap();
        let after = ask(&mut driver);
        // What a merged reply left comes with the first one after.
        assert!(
            after.ends_with(&clean) && (after == clean || name == "modbus-merge"),
            "{name}: {after:?}"
        );
        seen.push(name);
    }
    assert_eq!(seen.len(), 7);
    for (name, target, why) in [
        (
            "modbus-reset",
            CHILLER,
            "it is on RTU line `aux`, which has neither connections",
        ),
        ("rtu-noise", "container-01/pcs", "it is on no RTU line"),
    ] {
        let fault = LinkFault::new(name, target, &[]).unwrap();
        let refused = driver
            .rig_mut()
            .command(RigCommand::LinkFault(fault))
            .unwrap_err();
        assert!(refused.to_string().contains(why), "{refused}");
    }
}
