//! The owner loop: keeps the rig on the wall clock. The only place of the project that reads that clock.
//!
//! The thread that calls [`PacedDriver::run`] owns the rig. It waits for the earlier of the rig's next due
//! instant and an arrival, gives the rig one of them, and hands out what the rig has for the wires; `crank` says when
//! another thread does that in its place. Pace is 1.0: instant `t` of the rig is due at wall time `start + t`, `start`
//! being the first call of `run`.
//!
//! What is promised: no tick is skipped; an arrival is offered at its own stamp, but never in the rig's past
//! and never in the wall's future, and in the order of arrival. What is not: punctuality. A tick that runs
//! late is counted, whatever the cause: a slow machine, a stopped process, or wall time spent by the caller
//! between two runs. Past the hard limit, and with any lost frame, [`Health::inconclusive`] says so.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use bess_types::{ModbusClient, ModbusReply, ModbusRequest, SimTime};
use tokio::sync::oneshot;

use crate::can::CanBuses;
use crate::crank::{Crank, Deputy, Loan, Shared, Step};
use crate::error::FieldbusError;
use crate::health::{Accounts, Losses};
use crate::modbus_client::Clients;
use crate::modbus_line::Lines;
use crate::modbus_server::{Answer, Runtime, Servers};
use crate::modbus_tls::Identity;
use bess_devices::Token;
use bess_rig::{Driver, Health, Rig, WireInput, WireOutput, Wires, config};

/// How late is too late, and how long a Modbus server may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A tick later than this is counted.
    pub soft: Duration,
    /// A tick later than this makes the run inconclusive.
    pub hard: Duration,
    /// How long a device's Modbus request waits for the connection, and then for the reply.
    pub modbus_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            soft: Duration::from_millis(5),
            hard: Duration::from_millis(50),
            modbus_timeout: Duration::from_millis(500),
        }
    }
}

impl From<&config::Clock> for Limits {
    /// The rig file's lateness limits, the usual Modbus timeout.
    fn from(clock: &config::Clock) -> Self {
        Self {
            soft: Duration::from_millis(clock.soft_limit_ms),
            hard: Duration::from_millis(clock.hard_limit_ms),
            ..Self::default()
        }
    }
}

/// What the paced driver needs of a rig. Tests drive smaller things with it. During a run it is called from more than one
/// thread, one at a time.
pub trait Steppable: Send + 'static {
    /// The instant reached.
    fn now(&self) -> SimTime;
    /// The next instant at which something happens by itself.
    fn next_due(&self) -> SimTime;
    /// Lets everything happen that is due up to `t`.
    fn advance_to(&mut self, t: SimTime);
    /// Something arrived on a wire at `t`, not before [`Steppable::now`].
    fn offer(&mut self, t: SimTime, input: WireInput);
    /// The next thing for the wires, oldest first.
    fn poll_wire(&mut self) -> Option<WireOutput>;
    /// The next plant tick; [`SimTime::NEVER`] without a plant.
    fn next_tick(&self) -> SimTime;
    /// The wires it uses.
    fn wires(&self) -> Wires;
}

/// Makes [`PacedDriver::run`] return early, from any thread or signal handler.
pub type InterruptHandle = Arc<AtomicBool>;

/// Arrivals the owner has not taken yet: batches of frames, requests, replies. Enough for 8 s of CAN traffic
/// while the owner is away (the reader makes at most 500 batches a second).
const ARRIVALS: usize = 16_384;
/// The kernel's default of 50 us would add to the lateness of every tick.
const TIMER_SLACK_NS: u64 = 1_000;

/// Drives a rig on the wall clock and the real wires.
pub struct PacedDriver<R = Rig> {
    /// There, but for the time of a run, which borrows the driver. Dropped first, then the runtime of its wires.
    crank: Option<Box<Crank<R>>>,
    shared: Arc<Shared<R>>,
    interrupt: InterruptHandle,
    inbox: Inbox,
    arrivals: Receiver<Arrival>,
    _runtime: Runtime,
}

impl<R: Steppable> PacedDriver<R> {
    /// Opens the rig's wires. Rig time starts to pass with the first [`PacedDriver::run`].
    ///
    /// # Errors
    /// If a CAN interface or a Modbus address cannot be had, naming it and the remedy.
    pub fn new(rig: R, limits: Limits) -> Result<Self, FieldbusError> {
        let wires = rig.wires();
        let (sender, arrivals) = sync_channel(ARRIVALS);
        let clock = Clock::new();
        let losses = Arc::new(Losses::default());
        let shared = Arc::new(Shared::default());
        let inbox = Inbox {
            sender,
            waiting: Arc::default(),
            deputy: Arc::clone(&shared) as Arc<dyn Deputy>,
            clock: clock.clone(),
            losses: Arc::clone(&losses),
        };
        let runtime = Runtime::start()?;
        let can = CanBuses::open(&wires.can, &runtime, &inbox)?;
        let mut identities = BTreeMap::new();
        for (device, files) in &wires.certificates {
            identities.insert(*device, Identity::load(files)?);
        }
        let servers = Servers::open(&wires.servers, &identities, &runtime, &inbox)?;
        let lines = Lines::open(&wires, &runtime, &inbox, limits.modbus_timeout, |units| {
            servers.devices(units)
        })?;
        let clients = Clients::new(&runtime, inbox.clone(), limits.modbus_timeout, identities);
        Ok(Self {
            crank: Some(Box::new(Crank {
                rig,
                clock,
                accounts: Accounts::new(limits),
                losses,
                pending: VecDeque::new(),
                until: SimTime::ZERO,
                wakes: SimTime::ZERO,
                panic: None,
                can,
                servers,
                clients,
                lines,
            })),
            shared,
            interrupt: InterruptHandle::default(),
            inbox,
            arrivals,
            _runtime: runtime,
        })
    }

    /// Runs until `until`; early if `stop`, asked after every plant tick, says so, or on interrupt. Returns
    /// whether it was early. Catches up first if wall time passed since the last run.
    pub fn run(&mut self, until: SimTime, stop: &mut dyn FnMut(&R) -> bool) -> bool {
        sharpen_timers();
        let crank = self.crank_mut();
        crank.clock.start();
        crank.until = until;
        let loan = Loan::new(&mut self.crank, &self.shared);
        let mut arrived = None;
        loop {
            let mut crank = loan.turn();
            if let Some(arrival) = arrived.take() {
                crank.take(self.inbox.taken(arrival));
            }
            crank.flush();
            let rest = loop {
                if self.interrupt.load(Ordering::Relaxed) {
                    return true;
                }
                if crank.rig.now() >= until {
                    return false;
                }
                while let Ok(arrival) = self.arrivals.try_recv() {
                    crank.take(self.inbox.taken(arrival));
                }
                match crank.step() {
                    Step::Tick if stop(&crank.rig) => return true,
                    Step::Tick | Step::Other => {}
                    Step::Rest(rest) => break rest,
                }
            };
            loan.sleep(crank);
            arrived = match self.arrivals.recv_timeout(rest) {
                Ok(arrival) => Some(arrival),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => unreachable!("the driver holds a sender"),
            };
        }
    }

    /// Runs until `stop` says so or on interrupt; for `bessrig run` and `bessrig host`.
    pub fn run_forever(&mut self, stop: &mut dyn FnMut(&R) -> bool) {
        self.run(SimTime::NEVER, stop);
    }

    /// The handle that makes [`PacedDriver::run`] return; stays set until cleared.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        Arc::clone(&self.interrupt)
    }

    /// The rig.
    pub fn rig(&self) -> &R {
        &self.crank().rig
    }

    /// The rig, to be commanded between runs.
    pub fn rig_mut(&mut self) -> &mut R {
        &mut self.crank_mut().rig
    }

    /// Lateness and losses so far.
    pub fn health(&self) -> Health {
        let crank = self.crank();
        crank.accounts.report(&crank.losses)
    }

    /// Names of RTU lines and where each is, for the program at its far end: a path or an address.
    pub fn lines(&self) -> &[(String, String)] {
        &self.crank().lines.places
    }

    fn crank(&self) -> &Crank<R> {
        match self.crank.as_deref() {
            Some(crank) => crank,
            None => unreachable!("{AT_HOME}"),
        }
    }

    fn crank_mut(&mut self) -> &mut Crank<R> {
        match self.crank.as_deref_mut() {
            Some(crank) => crank,
            None => unreachable!("{AT_HOME}"),
        }
    }
}

const AT_HOME: &str = "a run gives the crank back";

impl Driver for PacedDriver {
    fn rig(&self) -> &Rig {
        self.rig()
    }

    fn rig_mut(&mut self) -> &mut Rig {
        self.rig_mut()
    }

    /// Never fails: trouble on the wires is counted and makes the run inconclusive.
    fn run(
        &mut self,
        until: SimTime,
        stop: &mut dyn FnMut(&Rig) -> bool,
    ) -> Result<bool, Box<dyn Error + Send + Sync>> {
        Ok(self.run(until, stop))
    }

    fn health(&self) -> Health {
        self.health()
    }
}

impl Steppable for Rig {
    fn now(&self) -> SimTime {
        self.now()
    }

    fn next_due(&self) -> SimTime {
        self.next_due()
    }

    fn advance_to(&mut self, t: SimTime) {
        self.advance_to(t);
    }

    fn offer(&mut self, t: SimTime, input: WireInput) {
        self.offer(t, input);
    }

    fn poll_wire(&mut self) -> Option<WireOutput> {
        self.poll_wire()
    }

    fn next_tick(&self) -> SimTime {
        self.next_tick()
    }

    fn wires(&self) -> Wires {
        self.wires()
    }
}

/// Something that came in from a wire.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Frames and error frames with their arrival.
    Frames(Vec<(SimTime, WireInput)>),
    /// A request to an emulated server; the answer goes back through `answer`.
    Request {
        at: SimTime,
        server: usize,
        unit: u8,
        client: ModbusClient,
        request: ModbusRequest,
        answer: oneshot::Sender<Answer>,
    },
    /// A reply, or none, to a request of an emulated client.
    Reply {
        at: SimTime,
        client: usize,
        token: Token,
        reply: Option<ModbusReply>,
    },
    /// Something falls due before the owner would get up.
    Nudge,
}

/// The way to the owner: what every socket thread holds. Never blocks.
#[derive(Clone, Debug)]
pub(crate) struct Inbox {
    sender: SyncSender<Arrival>,
    /// Arrivals that the owner has not taken in.
    waiting: Arc<AtomicUsize>,
    deputy: Arc<dyn Deputy>,
    pub(crate) clock: Clock,
    pub(crate) losses: Arc<Losses>,
}

impl Inbox {
    /// One that nobody else counts losses of, and whose clock stands at zero.
    #[cfg(test)]
    pub(crate) fn new(sender: SyncSender<Arrival>) -> Self {
        Self {
            sender,
            waiting: Arc::default(),
            deputy: Arc::new(()),
            clock: Clock::new(),
            losses: Arc::default(),
        }
    }

    /// Hands `arrival` to the owner; counts it as lost and gives it back if there is no room.
    pub(crate) fn put(&self, arrival: Arrival) -> Result<(), Arrival> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.sender.try_send(arrival).map_err(|error| {
            let (TrySendError::Full(arrival) | TrySendError::Disconnected(arrival)) = error;
            match self.taken(arrival) {
                Arrival::Frames(frames) => {
                    crate::health::count(&self.losses.channel, frames.len());
                    Arrival::Frames(frames)
                }
                Arrival::Nudge => Arrival::Nudge,
                message => {
                    crate::health::count(&self.losses.modbus, 1);
                    message
                }
            }
        })
    }

    /// Gives a request to the rig, on this thread if it is its turn; else as [`Inbox::put`].
    pub(crate) fn ask(&self, at: SimTime, request: Arrival) -> Result<(), Arrival> {
        self.deputy
            .give(at, request, self)
            .or_else(|request| self.put(request))
    }

    /// Wakes the owner. If there is no room it is awake.
    pub(crate) fn nudge(&self) {
        let _ = self.put(Arrival::Nudge);
    }

    /// Whether nothing is on its way to the owner.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) == 0
    }

    /// An arrival that left the channel.
    fn taken(&self, arrival: Arrival) -> Arrival {
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        arrival
    }
}

/// Rig time by the wall clock: zero until started.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    made: Instant,
    start: Arc<OnceLock<Instant>>,
}

#[allow(
    clippy::disallowed_methods,
    reason = "the paced driver is where rig time meets wall time; everyone else is given SimTime"
)]
impl Clock {
    /// A clock that stands.
    pub(crate) fn new() -> Self {
        Self {
            made: Instant::now(),
            start: Arc::default(),
        }
    }

    /// Time since the clock was made, also before rig time passes.
    pub(crate) fn uptime(&self) -> Duration {
        self.made.elapsed()
    }

    /// Time since the epoch, for whoever stamps what it tells others.
    pub(crate) fn time_of_day() -> Duration {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
    }

    fn start(&self) {
        self.start.get_or_init(Instant::now);
    }

    /// Rig time now.
    pub(crate) fn now(&self) -> SimTime {
        self.start
            .get()
            .map_or(SimTime::ZERO, |start| SimTime::ZERO + start.elapsed())
    }

    /// Rig times of frames the kernel stamped with the time of day: how to convert them at this moment.
    pub(crate) fn kernel_stamps(&self) -> KernelStamps {
        KernelStamps {
            now: self.now(),
            time_of_day: Self::time_of_day(),
        }
    }
}

/// Rig time and time of day at one moment. Used at once, so a step of the time of day does no harm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelStamps {
    now: SimTime,
    time_of_day: Duration,
}

impl KernelStamps {
    /// Rig time of a stamp given as time of day; now, if there is none or it lies ahead.
    pub(crate) fn rig_time(&self, stamp: Option<Duration>) -> SimTime {
        let age = stamp.map_or(Duration::ZERO, |stamp| self.time_of_day.saturating_sub(stamp));
        SimTime::ZERO + (self.now - SimTime::ZERO).saturating_sub(age)
    }
}

/// Sets this thread's timer slack. Without it waits are merely some 50 us longer, so failure is no matter.
fn sharpen_timers() {
    if nix::sys::prctl::get_timerslack().is_ok_and(|ns| u64::try_from(ns) != Ok(TIMER_SLACK_NS))
        && let Err(error) = nix::sys::prctl::set_timerslack(TIMER_SLACK_NS)
    {
        tracing::debug!("timer slack stays as it is: {error}");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use bess_types::{CanFrame, CanId};

    use super::*;

    #[test]
    fn what_the_channel_has_no_room_for_is_counted() {
        let (sender, arrivals) = sync_channel(1);
        let inbox = Inbox::new(sender);
        let frame = CanFrame::new(CanId::Standard(1), &[]).unwrap();
        let batch = || Arrival::Frames(vec![(SimTime::ZERO, WireInput::Can { bus: 0, frame }); 3]);
        assert!(inbox.put(batch()).is_ok());
        assert!(inbox.put(batch()).is_err());
        assert_eq!(inbox.losses.channel.load(Ordering::Relaxed), 3);
        drop(arrivals);
        assert!(inbox.put(batch()).is_err());
    }

    #[test]
    fn kernel_stamps_become_rig_time() {
        let stamps = KernelStamps {
            now: SimTime::from_millis(500),
            time_of_day: Duration::from_secs(1_000_000),
        };
        let ms = Duration::from_millis;
        let at = |stamp| stamps.rig_time(Some(stamp));
        assert_eq!(at(ms(1_000_000_000 - 3)), SimTime::from_millis(497));
        assert_eq!(
            at(Duration::from_secs(1_000_001)),
            SimTime::from_millis(500),
            "not in the future"
        );
        assert_eq!(at(Duration::from_secs(1)), SimTime::ZERO, "not before the start");
        assert_eq!(stamps.rig_time(None), SimTime::from_millis(500));
    }
}
