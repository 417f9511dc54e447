//! Requests the TCP thread gives to the rig in the owner's place: the same as through the channel, never before what is
//! due, and no thread hangs when another ends or panics.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test of keeping the wall clock needs one of its own"
)]

mod common;

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bess_fieldbus::{Limits, PacedDriver, Steppable};
use bess_rig::{WireInput, WireOutput, Wires};
use bess_types::{ModbusData, SimTime};
use common::{Bench, TICK, free_address, meanwhile, open};

/// Whether this is the thread of the TCP connections and not the owner.
fn on_tcp_thread() -> bool {
    thread::current().name() == Some("bess-tcp")
}

/// Answers a read of one register: 1 if the TCP thread gave it to the rig, 0 if the owner did.
fn answer(input: &WireInput) -> WireOutput {
    let WireInput::ModbusRequest { wire_token, .. } = input else {
        panic!("{input:?}");
    };
    WireOutput::ModbusReply {
        wire_token: *wire_token,
        reply: Some(Ok(ModbusData::Registers(vec![u16::from(on_tcp_thread())]))),
        faults: vec![],
    }
}

fn serving(listen: SocketAddr) -> Bench {
    let bench = Bench::new().with_server(listen);
    bench.reacting(|_, input| vec![answer(input)])
}

struct Client(TcpStream);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Self(stream)
    }

    /// The register.
    fn ask(&mut self) -> io::Result<u8> {
        self.0.write_all(&[0, 7, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1])?;
        let mut heard = [0; 11];
        self.0.read_exact(&mut heard)?;
        assert_eq!(heard[..10], [0, 7, 0, 0, 0, 5, 1, 3, 2, 0]);
        Ok(heard[10])
    }

    fn is_served_by_tcp_thread(&mut self) -> bool {
        self.ask().unwrap() == 1
    }
}

/// Clients that ask without a pause until the connection ends; each tells why it ended.
fn hammer(address: SocketAddr, clients: usize, answered: &Arc<AtomicU64>) -> Vec<JoinHandle<io::ErrorKind>> {
    let hammer = |_| {
        let answered = Arc::clone(answered);
        let mut client = Client::connect(address);
        thread::spawn(move || {
            loop {
                match client.ask() {
                    Ok(_) => answered.fetch_add(1, Ordering::Relaxed),
                    Err(error) => return error.kind(),
                };
            }
        })
    };
    (0..clients).map(hammer).collect()
}

/// All ended because the server did, and none waits for ever.
fn all_hung_up(clients: Vec<JoinHandle<io::ErrorKind>>) {
    for client in clients {
        let why = client.join().unwrap();
        let ends = [
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::BrokenPipe,
        ];
        assert!(ends.contains(&why), "{why}");
    }
}

/// Moments by the wall clock, in rig time: at least, at most. The rig's start lies between two moments.
struct Start([Instant; 2]);

impl Start {
    fn of(&self, moment: Instant) -> [Duration; 2] {
        [moment - self.0[1], moment - self.0[0]]
    }
}

#[test]
fn either_way_a_request_is_offered_and_answered_alike() {
    let listen = free_address();
    let mut driver = open(serving(listen));
    let before = Instant::now();
    let (busy, is_busy) = mpsc::channel();
    let stranger = thread::spawn(move || {
        let mut client = Client::connect(listen);
        // Through the channel while the owner is busy.
        let () = is_busy.recv().unwrap();
        let queued = Instant::now();
        assert!(!client.is_served_by_tcp_thread(), "the owner was busy");
        // On the spot as soon as it sleeps: at a tick, or for long on a busy machine, it does not.
        let direct = (0..1000).find_map(|_| {
            thread::sleep(Duration::from_millis(1));
            let asked = Instant::now();
            client.is_served_by_tcp_thread().then(|| [asked, Instant::now()])
        });
        (queued, direct.expect("no request was answered on the spot"))
    });
    let busy_for = Duration::from_millis(35);
    let mut start = None;
    let mut over = None;
    driver.run(SimTime::from_millis(5000), &mut |bench| {
        if start.is_none() {
            let now = Instant::now();
            let latest = now.checked_sub(bench.now() - SimTime::ZERO).unwrap();
            start = Some(Start([before, latest]));
            busy.send(()).unwrap();
            thread::sleep(busy_for);
            over = Some(Instant::now());
        }
        stranger.is_finished()
    });
    let (queued, direct) = stranger.join().unwrap();
    let (start, over) = (start.unwrap(), over.unwrap());
    let seen = &driver.rig().seen;
    let stamp = |of: &(SimTime, WireInput)| of.0 - SimTime::ZERO;
    // Stamped when it came and not when its turn came.
    let first = stamp(&seen[0]);
    assert!(
        first >= start.of(queued)[0] && first <= start.of(over)[1],
        "{first:?}"
    );
    let last = stamp(seen.last().unwrap());
    assert!(
        last >= start.of(direct[0])[0] && last <= start.of(direct[1])[1],
        "{last:?}"
    );
    assert!(seen.is_sorted_by_key(|(at, _)| *at));
    let without_token = |(_, input): &(SimTime, WireInput)| match input.clone() {
        WireInput::ModbusRequest {
            server,
            unit,
            client,
            request,
            ..
        } => (server, unit, client, request),
        other => panic!("{other:?}"),
    };
    assert_eq!(without_token(&seen[0]), without_token(seen.last().unwrap()));
}

#[test]
fn nobody_is_in_front_of_a_tick() {
    let listen = free_address();
    // The bench itself refuses to take a request past a tick that is due.
    let mut driver = open(serving(listen));
    let answered = Arc::default();
    let clients = hammer(listen, 8, &answered);
    let mut stops = 0;
    driver.run(SimTime::from_millis(505), &mut |bench| {
        stops += 1;
        assert_eq!(bench.ticks, stops);
        false
    });
    assert_eq!(driver.rig().ticks, 50);
    assert_eq!(driver.health().ticks, 50);
    let (mut ticks, mut spans) = (0, 0);
    for (at, _) in &driver.rig().seen {
        let tick = (*at - SimTime::ZERO).as_millis() / TICK.as_millis();
        spans += u64::from(tick > ticks);
        ticks = tick;
    }
    assert!(spans > 10, "requests in {spans} of 50 spans between ticks");
    assert!(answered.load(Ordering::Relaxed) > 50);
    drop(driver);
    all_hung_up(clients);
}

#[test]
fn a_run_ends_and_goes_on_while_clients_hammer() {
    let listen = free_address();
    let mut driver = open(serving(listen));
    let answered = Arc::new(AtomicU64::new(0));
    let clients = hammer(listen, 4, &answered);
    for run in 1..=20 {
        assert!(!driver.run(SimTime::from_millis(10 * run), &mut |_| false));
        assert_eq!(driver.rig().now(), SimTime::from_millis(10 * run));
    }
    let handle = driver.interrupt_handle();
    let before = answered.load(Ordering::Relaxed);
    let interrupter = {
        let answered = Arc::clone(&answered);
        thread::spawn(move || {
            // In the midst of it.
            while answered.load(Ordering::Relaxed) < before + 100 {
                thread::yield_now();
            }
            handle.store(true, Ordering::Relaxed);
        })
    };
    assert!(
        driver.run(SimTime::from_millis(60_000), &mut |_| false),
        "interrupted"
    );
    interrupter.join().unwrap();
    drop(driver);
    all_hung_up(clients);
}

#[test]
fn a_panic_of_the_rig_on_the_tcp_thread_is_the_owners() {
    let listen = free_address();
    let bench = Bench::new().with_server(listen);
    let mut driver = open(bench.reacting(|_, input| {
        assert!(!on_tcp_thread(), "the device is broken");
        vec![answer(input)]
    }));
    let clients = hammer(listen, 2, &Arc::default());
    let run = AssertUnwindSafe(|| driver.run(SimTime::from_millis(60_000), &mut |_| false));
    let panic = catch_unwind(run).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the device is broken"));
    assert!(driver.rig().now() < SimTime::from_millis(60_000));
    drop(driver);
    all_hung_up(clients);
}

#[test]
fn a_panic_of_the_owner_ends_the_others() {
    let listen = free_address();
    let mut driver = open(serving(listen));
    let answered = Arc::default();
    let clients = hammer(listen, 2, &answered);
    let run = AssertUnwindSafe(|| {
        driver.run(SimTime::from_millis(60_000), &mut |bench| {
            assert!(bench.ticks < 5, "the condition is broken");
            false
        })
    });
    let panic = catch_unwind(run).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the condition is broken"));
    // It can be run on: what is asked then goes through the channel.
    let before = answered.load(Ordering::Relaxed);
    let ends = driver.run(SimTime::from_millis(60_000), &mut |_| {
        answered.load(Ordering::Relaxed) > before + 10
    });
    assert!(ends);
    drop(driver);
    all_hung_up(clients);
}

/// A part without plant whose device answers 1 ms after it was asked, and which has nothing else to do.
struct Slow {
    now: SimTime,
    bench: Bench,
    due: VecDeque<(SimTime, WireOutput)>,
    out: VecDeque<WireOutput>,
}

impl Steppable for Slow {
    fn now(&self) -> SimTime {
        self.now
    }
    fn next_due(&self) -> SimTime {
        self.due
            .front()
            .map_or(SimTime::from_millis(3_600_000), |(due, _)| *due)
    }
    fn advance_to(&mut self, t: SimTime) {
        self.now = t;
        while let Some((_, output)) = self.due.pop_front_if(|(due, _)| *due <= t) {
            self.out.push_back(output);
        }
    }
    fn offer(&mut self, t: SimTime, input: WireInput) {
        self.now = t;
        self.due.push_back((t + Duration::from_millis(1), answer(&input)));
    }
    fn poll_wire(&mut self) -> Option<WireOutput> {
        self.out.pop_front()
    }
    fn next_tick(&self) -> SimTime {
        SimTime::NEVER
    }
    fn wires(&self) -> Wires {
        self.bench.wires()
    }
}

#[test]
fn the_owner_gets_up_for_what_a_request_brings_about() {
    let listen = free_address();
    let slow = Slow {
        now: SimTime::ZERO,
        bench: Bench::new().with_server(listen),
        due: VecDeque::new(),
        out: VecDeque::new(),
    };
    let mut driver = PacedDriver::new(slow, Limits::default()).unwrap();
    let took = meanwhile(&mut driver, move || {
        let mut client = Client::connect(listen);
        let begin = Instant::now();
        let direct = (0..20).filter(|_| client.is_served_by_tcp_thread()).count();
        assert!(direct > 0, "the owner was asked every time");
        begin.elapsed()
    });
    // By itself the owner looks every 100 ms.
    assert!(took < Duration::from_secs(1), "{took:?}");
}
