//! Serves buses of the rig to socketcand clients.
//!
//! A client hears the rig and the other clients of its bus, and not itself. What it cannot take at once waits in a
//! queue; a client whose queue is full is closed and its loss counted, for a frame that somebody on the bus did not get
//! says something about the rig, not about the controller. Nothing waits for a client.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bess_rig::WireInput;
use bess_types::CanFrame;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::sleep;

use super::protocol::Decoder;
use super::session::{Output, Session};
use super::{BATCH, READ};
use crate::error::FieldbusError;
use crate::health::count;
use crate::modbus_server::{Runtime, bind};
use crate::paced::{Arrival, Clock, Inbox};

/// Connections to one address; more are closed at once.
const CONNECTIONS: usize = 64;
/// Frames a client may be behind: at the load of a full cluster bus some seconds.
const QUEUE: usize = 4096;
/// Bytes the kernel may keep for a client, before its queue fills.
const SEND_BUFFER: usize = 64 << 10;
/// Bytes of answers a client may be behind before nothing more is read from it.
const ANSWERS: usize = 64 << 10;
/// Rest after a failed accept, such as with all file descriptors in use.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// A bus of the rig, as its clients share it.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Number in the rig.
    bus: usize,
    /// What clients open it by.
    name: String,
    inbox: Inbox,
    clients: Mutex<Clients>,
}

#[derive(Debug, Default)]
struct Clients {
    list: Vec<Client>,
    next: u64,
}

#[derive(Debug)]
struct Client {
    number: u64,
    queue: mpsc::Sender<Heard>,
    removed: Arc<Notify>,
}

/// A frame with the time of day it was on the bus.
#[derive(Clone, Copy, Debug)]
struct Heard {
    stamp: Duration,
    frame: CanFrame,
}

/// Listens at each address for clients of the buses that name it.
pub(crate) fn serve(
    wires: &[(SocketAddr, Arc<Hub>)],
    runtime: &Runtime,
    inbox: &Inbox,
) -> Result<(), FieldbusError> {
    let mut hubs: BTreeMap<SocketAddr, Vec<Arc<Hub>>> = BTreeMap::new();
    for (address, hub) in wires {
        hubs.entry(*address).or_default().push(Arc::clone(hub));
    }
    let _context = runtime.handle().enter();
    for (address, hubs) in hubs {
        let listener = bind(address).map_err(|source| {
            let bus = hubs[0].name.clone();
            if source.kind() == io::ErrorKind::AddrInUse {
                FieldbusError::BusAddressInUse { bus, address }
            } else {
                FieldbusError::ListenForBus { bus, address, source }
            }
        })?;
        runtime
            .handle()
            .spawn(accept(listener, hubs.into(), inbox.clone()));
    }
    Ok(())
}

async fn accept(listener: TcpListener, hubs: Arc<[Arc<Hub>]>, inbox: Inbox) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("cannot accept a socketcand client: {error}");
                sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!("{CONNECTIONS} socketcand clients are there, {peer} is refused");
            continue;
        };
        // Without effect on what is said, only on when, and on how soon a slow client is noticed.
        let _ = stream.set_nodelay(true);
        let _ = setsockopt(&stream, sockopt::SndBuf, &SEND_BUFFER);
        let connection = Connection {
            stream,
            hubs: Arc::clone(&hubs),
            inbox: inbox.clone(),
            session: Session::default(),
            out: Output::default(),
            written: 0,
            seat: None,
            told: false,
            _place: place,
        };
        tokio::spawn(async move {
            if let Err(error) = connection.run().await {
                tracing::debug!("socketcand client {peer} left: {error}");
            }
        });
    }
}

impl Hub {
    pub(crate) fn new(bus: usize, name: &str, inbox: &Inbox) -> Arc<Self> {
        Arc::new(Self {
            bus,
            name: name.into(),
            inbox: inbox.clone(),
            clients: Mutex::default(),
        })
    }

    /// A frame of the rig, for all clients.
    pub(crate) fn send(&self, frame: &CanFrame) {
        self.spread(None, frame);
    }

    fn spread(&self, from: Option<u64>, frame: &CanFrame) {
        let mut clients = self.clients();
        if clients.list.is_empty() {
            return;
        }
        let heard = Heard {
            stamp: Clock::time_of_day(),
            frame: *frame,
        };
        clients.list.retain(|client| {
            if Some(client.number) == from || client.queue.try_send(heard).is_ok() {
                return true;
            }
            if !client.queue.is_closed() {
                tracing::warn!(
                    "a socketcand client of bus `{}` is too slow and is closed",
                    self.name
                );
                count(&self.inbox.losses.slow_client, QUEUE + 1);
                client.removed.notify_one();
            }
            false
        });
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client's place on a bus; it leaves when dropped.
struct Seat {
    hub: Arc<Hub>,
    number: u64,
    queue: mpsc::Receiver<Heard>,
    removed: Arc<Notify>,
}

impl Seat {
    fn take(hub: &Arc<Hub>) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE);
        let removed = Arc::new(Notify::new());
        let mut clients = hub.clients();
        let number = clients.next;
        clients.next += 1;
        clients.list.push(Client {
            number,
            queue: sender,
            removed: Arc::clone(&removed),
        });
        Self {
            hub: Arc::clone(hub),
            number,
            queue,
            removed,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub
            .clients()
            .list
            .retain(|client| client.number != self.number);
    }
}

/// One client's connection.
struct Connection {
    stream: TcpStream,
    hubs: Arc<[Arc<Hub>]>,
    inbox: Inbox,
    session: Session,
    out: Output,
    /// Bytes of the text that are on their way already.
    written: usize,
    seat: Option<Seat>,
    /// A refused piece of it was put in the log.
    told: bool,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    /// Until the client leaves, or has to.
    async fn run(mut self) -> io::Result<()> {
        let mut decoder = Decoder::default();
        let mut bytes = [0; READ];
        let mut heard = Vec::with_capacity(BATCH);
        Session::greet(&mut self.out);
        loop {
            let waiting = self.out.text.len() - self.written;
            if waiting == 0 && self.out.close {
                return Ok(());
            }
            let now = self.inbox.clock.uptime();
            let quiet = self.session.quiet_until();
            let due = self
                .session
                .next_due()
                .into_iter()
                .chain((quiet > now).then_some(quiet))
                .min();
            let removed = self.seat.as_ref().map(|seat| Arc::clone(&seat.removed));
            tokio::select! {
                () = notice(removed) => {
                    return Err(io::Error::other("too slow"));
                }
                ready = self.stream.writable(), if waiting > 0 => {
                    ready?;
                    self.write()?;
                }
                ready = self.stream.readable(), if waiting < ANSWERS && !self.out.close => {
                    ready?;
                    let n = match self.stream.try_read(&mut bytes) {
                        Ok(0) => return Ok(()),
                        Ok(n) => n,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                        Err(error) => return Err(error),
                    };
                    self.take(&mut decoder, &bytes[..n])?;
                    // A client that never stops leaves the others their turn.
                    tokio::task::yield_now().await;
                }
                // Frames go out when the answers before them are, so that nobody gets both with one call.
                () = hear(self.seat.as_mut(), &mut heard), if waiting == 0 && quiet <= now => {
                    let now = self.inbox.clock.uptime();
                    for Heard { stamp, frame } in heard.drain(..) {
                        self.session.frame(now, stamp, &frame, &mut self.out);
                    }
                }
                () = sleep(due.unwrap_or_default().saturating_sub(now)), if due.is_some() => {
                    let now = self.inbox.clock.uptime();
                    self.session.tick(now, &mut self.out);
                    self.put_on_bus();
                }
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        match self.stream.try_write(&self.out.text.as_bytes()[self.written..]) {
            Ok(n) => self.written += n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if self.written == self.out.text.len() {
            self.out.text.clear();
            self.written = 0;
        }
        Ok(())
    }

    fn take(&mut self, decoder: &mut Decoder, bytes: &[u8]) -> io::Result<()> {
        let Self {
            session,
            out,
            hubs,
            inbox,
            told,
            ..
        } = self;
        let now = inbox.clock.uptime();
        let names: Vec<&str> = hubs.iter().map(|hub| hub.name.as_str()).collect();
        let endless = decoder.push(bytes, |piece| {
            if !out.close {
                let before = out.refused;
                session.take(now, piece, &names, out);
                // To most of them the protocol has no answer: here somebody sees why no frame came of it.
                if out.refused > before && !core::mem::replace(told, true) {
                    tracing::warn!(
                        "a socketcand client said what is no command in its mode, {piece}; more of it is counted only"
                    );
                }
            }
        });
        if let Some(place) = self.out.opened.take() {
            self.seat = Some(Seat::take(&self.hubs[place]));
        }
        self.put_on_bus();
        let refused = core::mem::take(&mut self.out.refused) + usize::from(endless.is_err());
        count(&self.inbox.losses.undecoded, refused);
        endless.map_err(|_| io::Error::other("an element that never ends"))
    }

    /// Frames of this client, for the others and the rig.
    fn put_on_bus(&mut self) {
        let Some(seat) = &self.seat else { return };
        if self.out.frames.is_empty() {
            return;
        }
        let (at, bus) = (self.inbox.clock.now(), seat.hub.bus);
        let frames = core::mem::take(&mut self.out.frames);
        for frame in &frames {
            seat.hub.spread(Some(seat.number), frame);
        }
        // If there is no room, the inbox has counted the loss.
        let frames = frames
            .into_iter()
            .map(|frame| (at, WireInput::Can { bus, frame }));
        let _ = self.inbox.put(Arrival::Frames(frames.collect()));
    }
}

/// Ends when the client has been removed from its bus; never without a bus.
async fn notice(removed: Option<Arc<Notify>>) {
    match removed {
        Some(removed) => removed.notified().await,
        None => std::future::pending().await,
    }
}

/// What the client has not been told yet; never without a bus.
async fn hear(seat: Option<&mut Seat>, heard: &mut Vec<Heard>) {
    match seat {
        Some(seat) => {
            if seat.queue.recv_many(heard, BATCH).await == 0 {
                // Removed: its notice comes by the other way.
                std::future::pending::<()>().await;
            }
        }
        None => std::future::pending().await,
    }
}
