//! The rig's end of the control API: who listens, what is asked, how fast virtual time passes.
//!
//! Orders come over a bounded channel and are looked at after plant ticks. Frames go into each reader's own bounded queue,
//! or are dropped and counted if it is full: the rig waits for nobody. Events are not dropped, they wait.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bess_rig::{Driver, Rig, RigCommand};
use bess_telemetry::{Command, CommandReply, Frame, Refusal, Status, Topic};
use bess_types::{Line, Reading, SimTime};
use tokio::sync::{mpsc, oneshot};

use super::command;
use super::describe::Described;
use super::log::Log;
use super::sample::{Chosen, cells};
use super::status;
use crate::feature::Planned;

/// Orders that wait for the next plant tick; more are refused.
const ORDERS: usize = 64;
/// Frames that wait for a reader.
pub(crate) const QUEUE: usize = 64;
/// How often readers are told how the rig does, by the wall clock: also while time stands.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// How far virtual time may run ahead before it waits, and how late it gives up catching up.
const AHEAD: Duration = Duration::from_millis(20);
const BEHIND: Duration = Duration::from_millis(500);
/// Frames come at multiples of it: plant ticks are usually 10 ms apart.
const GRID_NS: u64 = 10_000_000;
/// How long a hand rests on the safety reset button.
const PRESS: Duration = Duration::from_millis(300);

/// A frame on its way; put into words once, by whoever sends it first.
pub(crate) struct Packet {
    frame: Frame,
    text: OnceLock<String>,
}

impl Packet {
    pub(crate) fn new(frame: Frame) -> Arc<Self> {
        Arc::new(Self {
            frame,
            text: OnceLock::new(),
        })
    }

    /// As JSON.
    pub(crate) fn text(&self) -> &str {
        self.text
            .get_or_init(|| serde_json::to_string(&self.frame).unwrap_or_default())
    }
}

/// What a reader wants.
pub(crate) struct Wants {
    pub(crate) topics: Vec<Topic>,
    pub(crate) chosen: Chosen,
    /// Time between frames of cells and points, by the wall clock.
    pub(crate) every: Duration,
}

/// What is asked of the rig.
pub(crate) enum Order {
    /// Present values of points.
    Read {
        indices: Vec<u32>,
        answer: oneshot::Sender<Vec<Option<f64>>>,
    },
    /// A new reader, or another wish of one.
    Subscribe {
        reader: u64,
        wants: Wants,
        sender: mpsc::Sender<Arc<Packet>>,
    },
    /// A command other than the next.
    Command {
        command: Command,
        answer: oneshot::Sender<Result<CommandReply, Refusal>>,
    },
    /// A scenario, read and checked.
    Play {
        planned: Box<Planned>,
        answer: oneshot::Sender<Result<CommandReply, Refusal>>,
    },
}

/// The way to the rig.
pub(crate) type Orders = SyncSender<Order>;

/// The rig's end.
pub(crate) struct Hub {
    orders: Receiver<Order>,
    /// Those that need more than a look at the rig.
    commands: VecDeque<Order>,
    readers: Vec<Reader>,
    pace: Pace,
    /// Commands to come, such as the end of a press.
    later: Vec<(SimTime, RigCommand)>,
    /// A scenario that is to begin.
    scenario: Option<Box<Planned>>,
    playing: bool,
    next_status: Instant,
    interrupted: Arc<AtomicBool>,
}

struct Reader {
    number: u64,
    sender: mpsc::Sender<Arc<Packet>>,
    wants: Wants,
    next_ns: u64,
    /// Events handed over so far.
    events: usize,
    dropped: u64,
}

impl Reader {
    fn wants(&self, topic: Topic) -> bool {
        self.wants.topics.contains(&topic)
    }

    /// Hands a frame over if there is room; whether there was.
    fn put(&mut self, packet: Arc<Packet>) -> bool {
        let taken = self.sender.try_send(packet).is_ok();
        self.dropped += u64::from(!taken);
        taken
    }

    fn put_events(&mut self, log: &Log) {
        if !self.wants(Topic::Events) {
            return;
        }
        while let Some(event) = log.events().get(self.events) {
            let packet = Packet::new(Frame::Events(event.as_ref().clone()));
            // one place is kept for news of the rig itself
            if self.sender.capacity() < 2 || self.sender.try_send(packet).is_err() {
                return;
            }
            self.events += 1;
        }
    }
}

/// How virtual time passes beside the wall clock.
struct Pace {
    /// A rig on the wall clock keeps its own pace.
    paced: bool,
    paused: bool,
    /// Time stands from here on.
    step_until: Option<SimTime>,
    /// Rig time in a second, s.
    rate: f64,
    /// Where both clocks were when the rate was set.
    anchor: (Instant, SimTime),
}

impl Pace {
    fn anchor(&mut self, now: SimTime) {
        self.anchor = (Instant::now(), now);
    }

    /// Rig time that passes in `every` of the wall clock, in whole steps of the plant's grid.
    fn rig_time(&self, every: Duration) -> u64 {
        let ns = every.mul_f64(if self.paced { 1.0 } else { self.rate }).as_nanos();
        u64::try_from(ns).unwrap_or(u64::MAX).next_multiple_of(GRID_NS)
    }

    /// How long the rig has to wait; none if it may go on.
    fn wait(&mut self, now: SimTime) -> Option<Duration> {
        if self.paced {
            return None;
        }
        if self.step_until.is_some_and(|until| now >= until) {
            self.step_until = None;
            self.paused = true;
        }
        if self.paused {
            return Some(Duration::from_millis(50));
        }
        let wanted = now.since(self.anchor.1).div_f64(self.rate);
        let passed = self.anchor.0.elapsed();
        if passed > wanted + BEHIND {
            // the machine cannot keep it up: no race afterwards
            self.anchor(now);
        }
        wanted.checked_sub(passed).filter(|ahead| *ahead > AHEAD)
    }
}

impl Hub {
    /// The rig's end, and the way to it.
    pub(crate) fn new(paced: bool, interrupted: Arc<AtomicBool>) -> (Self, Orders) {
        let (sender, orders) = sync_channel(ORDERS);
        let hub = Self {
            orders,
            commands: VecDeque::new(),
            readers: Vec::new(),
            pace: Pace {
                paced,
                paused: false,
                step_until: None,
                rate: 1.0,
                anchor: (Instant::now(), SimTime::ZERO),
            },
            later: Vec::new(),
            scenario: None,
            playing: false,
            next_status: Instant::now(),
            interrupted,
        };
        (hub, sender)
    }

    /// After a plant tick: answers what a look at the rig can answer, and gives readers what is due. Whether the driver is to
    /// return, because something else is to be done.
    pub(crate) fn tick(&mut self, rig: &Rig, described: &Described, log: &mut Log) -> bool {
        while let Ok(order) = self.orders.try_recv() {
            self.sort(order, rig, described);
        }
        if !self.readers.is_empty() {
            log.take(rig, described, None);
            self.tell(rig, described, log);
        }
        !self.commands.is_empty()
            || self.later.iter().any(|(at, _)| *at <= rig.now())
            || self.pace.wait(rig.now()).is_some()
    }

    /// Between two runs of the driver: carries out commands, and lets virtual time wait for the wall clock.
    pub(crate) fn between(&mut self, driver: &mut dyn Driver, described: &Described, log: &mut Log) {
        loop {
            while let Some(order) = self.commands.pop_front() {
                self.carry_out(order, driver, described, log);
            }
            let now = driver.rig().now();
            let due: Vec<_> = self.later.extract_if(.., |(at, _)| *at <= now).collect();
            for (_, command) in due {
                if let Err(error) = driver.rig_mut().command(command) {
                    tracing::warn!("{error}");
                }
            }
            if Instant::now() >= self.next_status {
                self.next_status = Instant::now() + STATUS_EVERY;
                self.tell_status(driver, described, log);
            }
            let Some(wait) = self.pace.wait(now) else { return };
            if self.interrupted.load(Ordering::Relaxed) || self.scenario.is_some() {
                return;
            }
            match self.orders.recv_timeout(wait) {
                Ok(order) => {
                    self.sort(order, driver.rig(), described);
                    // who comes while time stands sees how it stands
                    log.take(driver.rig(), described, None);
                    self.tell(driver.rig(), described, log);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(wait),
            }
        }
    }

    /// A scenario that somebody wants to begin now.
    pub(crate) fn take_scenario(&mut self) -> Option<Box<Planned>> {
        let scenario = self.scenario.take();
        self.playing |= scenario.is_some();
        scenario
    }

    /// The scenario that was taken is over.
    pub(crate) fn scenario_over(&mut self) {
        self.playing = false;
    }

    fn sort(&mut self, order: Order, rig: &Rig, described: &Described) {
        match order {
            Order::Read { indices, answer } => {
                let value = |index: &u32| {
                    let key = described.points.get(*index as usize)?;
                    rig.observe(key).and_then(Reading::ok)
                };
                // nobody waits any more if this fails
                let _ = answer.send(indices.iter().map(value).collect());
            }
            Order::Subscribe {
                reader,
                wants,
                sender,
            } => match self.readers.iter_mut().find(|known| known.number == reader) {
                Some(known) => {
                    known.wants = wants;
                    known.next_ns = 0;
                }
                None => self.readers.push(Reader {
                    number: reader,
                    sender,
                    wants,
                    next_ns: 0,
                    events: 0,
                    dropped: 0,
                }),
            },
            command @ (Order::Command { .. } | Order::Play { .. }) => self.commands.push_back(command),
        }
    }

    fn tell(&mut self, rig: &Rig, described: &Described, log: &Log) {
        let at_ns = rig.now().as_nanos();
        let mut cells_now: Option<Arc<Packet>> = None;
        self.readers.retain_mut(|reader| {
            if reader.sender.is_closed() {
                return false;
            }
            reader.put_events(log);
            if at_ns < reader.next_ns {
                return true;
            }
            let every = self.pace.rig_time(reader.wants.every);
            reader.next_ns = (at_ns / every + 1).saturating_mul(every);
            if reader.wants(Topic::Points) {
                let points = reader.wants.chosen.look(rig, described, false);
                let told = points.index.is_empty() || reader.put(Packet::new(Frame::Points(points)));
                if !told {
                    reader.wants.chosen.forget();
                }
            }
            if reader.wants(Topic::Cells) {
                if cells_now.is_none() {
                    cells_now = cells(rig, described).map(|frame| Packet::new(Frame::Cells(frame)));
                }
                if let Some(packet) = &cells_now {
                    reader.put(Arc::clone(packet));
                }
            }
            true
        });
    }

    fn tell_status(&mut self, driver: &dyn Driver, described: &Described, log: &mut Log) {
        if self.readers.is_empty() {
            return;
        }
        // while time stands, no tick hands over what happened
        log.take(driver.rig(), described, None);
        let now = status(driver.rig().now().as_nanos(), &driver.health());
        for reader in &mut self.readers {
            reader.put_events(log);
            if reader.wants(Topic::Status) {
                let status = Status {
                    paused: self.pace.paused,
                    rate: Some(if self.pace.paced { 1.0 } else { self.pace.rate }),
                    dropped: reader.dropped,
                    ..now.clone()
                };
                reader.put(Packet::new(Frame::Status(status)));
            }
        }
        self.readers.retain(|reader| !reader.sender.is_closed());
    }

    fn carry_out(&mut self, order: Order, driver: &mut dyn Driver, described: &Described, log: &mut Log) {
        let now = driver.rig().now();
        let (answer, outcome) = match order {
            Order::Command { command, answer } => {
                log.take(driver.rig(), described, None);
                (answer, self.obey(&command, driver, described))
            }
            Order::Play { planned, answer } => (answer, self.begin(planned)),
            Order::Read { .. } | Order::Subscribe { .. } => return,
        };
        let _ = answer.send(outcome.map(|()| CommandReply {
            at_ns: now.as_nanos(),
        }));
    }

    fn begin(&mut self, planned: Box<Planned>) -> Result<(), Refusal> {
        if self.playing || self.scenario.is_some() {
            return Err(Refusal {
                error: "a scenario is running".into(),
                remedy: "wait for the event of kind verdict".into(),
            });
        }
        self.pace.paused = false;
        self.scenario = Some(planned);
        Ok(())
    }

    fn obey(
        &mut self,
        command: &Command,
        driver: &mut dyn Driver,
        described: &Described,
    ) -> Result<(), Refusal> {
        let now = driver.rig().now();
        match command {
            Command::Pause {} => {
                self.only_virtual()?;
                self.pace.paused = true;
                self.pace.step_until = None;
            }
            Command::Resume {} => {
                self.only_virtual()?;
                self.pace.paused = false;
                self.pace.step_until = None;
                self.pace.anchor(now);
            }
            Command::Step { ms } => {
                self.only_virtual()?;
                if *ms == 0 || *ms > 3_600_000 {
                    return Err(refusal(format!("a step of {ms} ms"), "give 1 to 3600000 ms"));
                }
                self.pace.paused = false;
                self.pace.step_until = Some(now + Duration::from_millis(*ms));
                self.pace.anchor(now);
            }
            Command::Rate { rate } => {
                self.only_virtual()?;
                if !(0.1..=100.0).contains(rate) {
                    return Err(refusal(format!("a rate of {rate}"), "give 0.1 to 100"));
                }
                self.pace.rate = *rate;
                self.pace.anchor(now);
            }
            Command::EstopReset {} => {
                let press = |level| RigCommand::Contact {
                    line: Line::SafetyReset,
                    level,
                };
                carry(driver, press(true))?;
                self.later.push((now + PRESS, press(false)));
            }
            Command::StartScenario { .. } => {
                return Err(refusal(
                    "a scenario that was not read",
                    "ask over the control API",
                ));
            }
            other => {
                let allowed = described.description.faults_enabled;
                for command in command::rig_commands(other, allowed)? {
                    carry(driver, command)?;
                }
            }
        }
        // who sees a pause button pressed wants to see it at once
        self.next_status = Instant::now();
        Ok(())
    }

    fn only_virtual(&self) -> Result<(), Refusal> {
        if self.pace.paced {
            return Err(refusal(
                "this rig keeps the wall clock, which cannot stand or be stepped",
                "run a rig file with [clock] mode = \"virtual\"",
            ));
        }
        Ok(())
    }
}

fn carry(driver: &mut dyn Driver, command: RigCommand) -> Result<(), Refusal> {
    driver.rig_mut().command(command).map_err(|error| {
        refusal(
            error.to_string(),
            "GET /api/description lists devices and points; `bessrig faults` the faults of links",
        )
    })
}

pub(crate) fn refusal(error: impl Into<String>, remedy: impl Into<String>) -> Refusal {
    Refusal {
        error: error.into(),
        remedy: remedy.into(),
    }
}
