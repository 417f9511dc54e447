//! The rig with its wires: what the owner turns, and a thread that has a request may turn for it.
//!
//! Handing a request to the owner and its answer back costs two switches between threads, more than all the rest of a
//! Modbus answer. So while the owner runs, it leaves the crank where others reach it whenever it sleeps. A request is
//! given to the rig by the thread that has it, if the owner would have given it to the rig next: nothing lies in the
//! channel or waits before it, and nothing falls due before it. It is offered in the same way at the same stamp. Otherwise
//! it goes through the channel, and so nobody is ever in front of a tick.

use core::fmt;
use std::any::Any;
use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bess_rig::{ModbusAddress, WireInput, WireOutput};
use bess_types::SimTime;

use crate::can::CanBuses;
use crate::health::{Accounts, Losses, count};
use crate::modbus_client::{Ask, Clients};
use crate::modbus_line::Lines;
use crate::modbus_server::{Answer, Servers};
use crate::paced::{Arrival, Clock, Inbox, Steppable};

/// Longest wait without a look at the interrupt handle.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// Wait before another attempt at frames the kernel did not take.
const RETRY_SEND: Duration = Duration::from_micros(200);
/// The owner gets up at multiples of this: what falls due in between goes out together. Plant ticks lie on them. Frames
/// leave up to this much late, and it shows in the send jitter; wake-ups are dear on an emulated core.
const WAKE_GRID: Duration = Duration::from_millis(1);

/// The rig and its wires.
pub(crate) struct Crank<R> {
    pub(crate) rig: R,
    pub(crate) clock: Clock,
    pub(crate) accounts: Accounts,
    pub(crate) losses: Arc<Losses>,
    /// Arrived and not yet offered.
    pub(crate) pending: VecDeque<(SimTime, WireInput)>,
    /// Where the present run ends.
    pub(crate) until: SimTime,
    /// When the owner gets up by itself.
    pub(crate) wakes: SimTime,
    /// With what the rig panicked on another thread than the owner's.
    pub(crate) panic: Option<Box<dyn Any + Send>>,
    // Dropped in this order.
    pub(crate) can: CanBuses,
    pub(crate) servers: Servers,
    pub(crate) clients: Clients,
    pub(crate) lines: Lines,
}

/// What a [`Crank::step`] was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Of the plant; without one, every instant of the devices.
    Tick,
    /// An arrival, or an instant of the devices.
    Other,
    /// None: nothing is to be done before this much time has passed.
    Rest(Duration),
}

impl<R: Steppable> Crank<R> {
    /// Gives the rig what comes next: the oldest arrival if it is stamped before the next due instant, else that instant if
    /// it has come.
    pub(crate) fn step(&mut self) -> Step {
        let due = self.due();
        let wall = self.clock.now();
        if let Some((stamp, input)) = self.pending.pop_front_if(|(stamp, _)| *stamp < due) {
            self.offer(stamp.min(wall), input);
            Step::Other
        } else if due <= wall {
            // Without a plant, every instant of the devices counts as a tick.
            let tick = self.rig.next_tick();
            let ticks = tick <= due || tick == SimTime::NEVER;
            if ticks {
                self.accounts.tick(due, wall - due);
            }
            self.rig.advance_to(due);
            self.hand_out(due);
            if ticks { Step::Tick } else { Step::Other }
        } else {
            let longest = if self.can.backlog() {
                RETRY_SEND
            } else {
                LONGEST_WAIT
            };
            self.wakes = self.up().min(wall + longest);
            Step::Rest(self.wakes - wall)
        }
    }

    /// Gives the rig an arrival of `at`, or of now if the rig is further.
    fn offer(&mut self, at: SimTime, input: WireInput) {
        let at = at.max(self.rig.now());
        self.rig.offer(at, input);
        self.hand_out(at);
    }

    /// Takes in what arrived.
    pub(crate) fn take(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Frames(frames) => self.pending.extend(frames),
            Arrival::Request {
                at,
                server,
                unit,
                client,
                request,
                answer,
            } => {
                let wire_token = self.servers.keep(answer);
                self.pending.push_back((
                    at,
                    WireInput::ModbusRequest {
                        server,
                        unit,
                        client,
                        request,
                        wire_token,
                    },
                ));
            }
            Arrival::Reply {
                at,
                client,
                token,
                reply,
            } => {
                self.pending
                    .push_back((at, WireInput::ModbusReply { client, token, reply }));
            }
            Arrival::Nudge => {}
        }
    }

    /// Another attempt at frames the kernel did not take.
    pub(crate) fn flush(&mut self) {
        if self.can.backlog() {
            self.can.flush(&self.clock, &mut self.accounts, &self.losses);
        }
    }

    /// The next instant of the rig; the end of the run, if that is sooner.
    fn due(&self) -> SimTime {
        self.rig.next_due().min(self.until)
    }

    /// When the owner has to get up for it.
    fn up(&self) -> SimTime {
        self.due()
            .next_multiple(WAKE_GRID, Duration::ZERO)
            .min(self.until)
    }

    /// Whether the owner would give the rig a request stamped `at` next.
    fn is_next(&self, at: SimTime) -> bool {
        self.pending.is_empty() && self.panic.is_none() && at < self.due()
    }

    /// Gives the wires what the rig produced at `at`.
    fn hand_out(&mut self, at: SimTime) {
        while let Some(output) = self.rig.poll_wire() {
            match output {
                WireOutput::Can { bus, frame } => {
                    self.can.queue(bus, at, &frame, &self.clock, &mut self.accounts);
                }
                WireOutput::ModbusReply {
                    wire_token,
                    reply,
                    faults,
                } => self.servers.answer(wire_token, Answer::new(reply, faults)),
                WireOutput::ModbusLink { server, refuses } => self.servers.link(server, refuses),
                WireOutput::ModbusRequest {
                    client,
                    token,
                    address,
                    unit,
                    request,
                } => {
                    let ask = Ask { token, unit, request };
                    let taken = match address {
                        ModbusAddress::Tcp(address) => self.clients.ask(client, address, false, ask),
                        ModbusAddress::Tls(address) => self.clients.ask(client, address, true, ask),
                        ModbusAddress::Line(line) => self.lines.ask(line, client, ask),
                    };
                    if !taken {
                        count(&self.losses.modbus, 1);
                        let refused = WireInput::ModbusReply {
                            client,
                            token,
                            reply: None,
                        };
                        self.pending.push_back((at, refused));
                    }
                }
            }
        }
        self.flush();
    }
}

/// Where the crank is while the driver runs. Whoever turns it holds the lock; only the owner waits for it.
pub(crate) struct Shared<R> {
    crank: Mutex<Option<Box<Crank<R>>>>,
    /// The owner is up or getting up: nobody is to be in its way.
    awake: AtomicBool,
}

impl<R> Default for Shared<R> {
    fn default() -> Self {
        Self {
            crank: Mutex::new(None),
            awake: AtomicBool::new(true),
        }
    }
}

impl<R> fmt::Debug for Shared<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl<R> Shared<R> {
    fn lock(&self) -> MutexGuard<'_, Option<Box<Crank<R>>>> {
        self.awake.store(true, Ordering::SeqCst);
        self.crank.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who may give a request to the rig in the owner's place.
pub(crate) trait Deputy: fmt::Debug + Send + Sync {
    /// Gives `arrival`, stamped `at`, to the rig.
    ///
    /// # Errors
    /// The arrival, if the owner has something to do first, or there is no run.
    fn give(&self, at: SimTime, arrival: Arrival, inbox: &Inbox) -> Result<(), Arrival>;
}

impl<R: Steppable> Deputy for Shared<R> {
    fn give(&self, at: SimTime, arrival: Arrival, inbox: &Inbox) -> Result<(), Arrival> {
        if self.awake.load(Ordering::SeqCst) {
            return Err(arrival);
        }
        // Poisoned means that the owner has panicked once.
        let Ok(mut slot) = self.crank.try_lock() else {
            return Err(arrival);
        };
        let Some(crank) = slot
            .as_mut()
            .filter(|crank| inbox.is_empty() && crank.is_next(at))
        else {
            return Err(arrival);
        };
        let turned = catch_unwind(AssertUnwindSafe(|| {
            crank.take(arrival);
            if let Some((at, input)) = crank.pending.pop_front() {
                crank.offer(at, input);
            }
        }));
        crank.panic = turned.err();
        let for_owner = crank.panic.is_some()
            || !crank.pending.is_empty()
            || crank.can.backlog()
            || crank.up() < crank.wakes;
        drop(slot);
        if for_owner {
            inbox.nudge();
        }
        Ok(())
    }
}

/// Nobody, where there is no driver.
#[cfg(test)]
impl Deputy for () {
    fn give(&self, _: SimTime, arrival: Arrival, _: &Inbox) -> Result<(), Arrival> {
        Err(arrival)
    }
}

/// A crank that lies with the others for the time of a run, and goes back to its driver when dropped.
pub(crate) struct Loan<'a, R> {
    home: &'a mut Option<Box<Crank<R>>>,
    shared: &'a Shared<R>,
}

impl<'a, R: Steppable> Loan<'a, R> {
    pub(crate) fn new(home: &'a mut Option<Box<Crank<R>>>, shared: &'a Shared<R>) -> Self {
        *shared.lock() = home.take();
        Self { home, shared }
    }

    /// The owner's turn, which lasts until it is dropped.
    ///
    /// # Panics
    /// If the rig has panicked meanwhile, with the same.
    pub(crate) fn turn(&self) -> Turn<'_, R> {
        let mut turn = Turn {
            slot: self.shared.lock(),
        };
        if let Some(panic) = turn.panic.take() {
            drop(turn);
            resume_unwind(panic);
        }
        turn
    }

    /// Ends the owner's turn: from here on it sleeps.
    pub(crate) fn sleep(&self, turn: Turn<'_, R>) {
        self.shared.awake.store(false, Ordering::SeqCst);
        drop(turn);
    }
}

impl<R> Drop for Loan<'_, R> {
    fn drop(&mut self) {
        *self.home = self.shared.lock().take();
    }
}

/// The crank in the owner's hand.
pub(crate) struct Turn<'a, R> {
    slot: MutexGuard<'a, Option<Box<Crank<R>>>>,
}

const LENT: &str = "the crank is there until its loan ends";

impl<R> Deref for Turn<'_, R> {
    type Target = Crank<R>;

    fn deref(&self) -> &Crank<R> {
        match self.slot.as_deref() {
            Some(crank) => crank,
            None => unreachable!("{LENT}"),
        }
    }
}

impl<R> DerefMut for Turn<'_, R> {
    fn deref_mut(&mut self) -> &mut Crank<R> {
        match self.slot.as_deref_mut() {
            Some(crank) => crank,
            None => unreachable!("{LENT}"),
        }
    }
}
