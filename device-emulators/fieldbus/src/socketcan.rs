//! CAN buses on Linux network interfaces: one raw socket per bus, one reading thread for all of them.
//!
//! Cost decides the shape, because the reference host for CI is a slow single core: the reader sleeps in
//! `poll` on all sockets, takes what each has with one `recvmmsg`, hands everything over as one batch, and
//! then rests for [`GATHER`], so that a burst costs one wake-up of reader and owner and not one per frame.
//! The rest costs no accuracy: the kernel stamps each frame as it arrives. Sending is done by the owner
//! itself, not blocking, with one `sendmmsg` per bus and instant.
//!
//! An interface that goes down keeps its socket and is used again once it is up; one that is removed is opened anew when
//! there is one of its name. What is lost meanwhile makes the run inconclusive.
//!
//! Loopback stays on (other processes on this machine must see the rig's frames), reception of own frames
//! stays off (the rig has given its own emulators their copies already).

use std::collections::VecDeque;
use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ::socketcan::{CanFdSocket, Socket, SocketOptions};
use bess_rig::WireInput;
use bess_types::{CanFrame, SimTime};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, cmsg_space, recvmmsg, send, sendmmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;

use crate::error::FieldbusError;
use crate::health::{Accounts, Losses, count};
use crate::kernel_frame::{FD, KernelFrame, from_kernel};
use crate::paced::{Arrival, Clock, Inbox};

/// The reader's rest after a batch. Short beside the 20 ms of the fastest cyclic frame; wake-ups are
/// dear on an emulated core.
const GATHER: Duration = Duration::from_millis(2);
/// Frames taken from one socket by one system call.
const BATCH: usize = 32;
/// Kernel receive queue wanted, bytes; a frame takes some 800 of them. Without the right to exceed
/// `net.core.rmem_max` the kernel gives less.
const RECEIVE_BUFFER: usize = 4 << 20;
/// How long a frame may wait for a full transmit queue to drain before it is given up.
const SEND_PATIENCE: Duration = Duration::from_millis(5);
/// Between two looks for an interface that is gone.
const REOPEN: Duration = Duration::from_millis(250);
/// Frames waiting for the kernel, per bus.
const BACKLOG: usize = 1024;

/// A bus and its interface.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    /// Number of the bus in the rig.
    pub(crate) bus: usize,
    /// Name of the bus in the rig file.
    pub(crate) name: String,
    pub(crate) interface: String,
    /// Whether the interface has to carry CAN FD.
    pub(crate) fd: bool,
}

/// The rig's CAN interfaces, open.
#[derive(Debug)]
pub(crate) struct Interfaces {
    buses: Vec<Bus>,
    backlog: bool,
    _reader: Option<Reader>,
}

/// A bus's socket, which the reader replaces when the interface was made anew.
type Slot = Arc<Mutex<Arc<CanFdSocket>>>;

#[derive(Debug)]
struct Bus {
    interface: String,
    slot: Slot,
    waiting: VecDeque<(SimTime, KernelFrame)>,
    /// The last attempt to send failed.
    failing: bool,
}

#[derive(Debug)]
struct Reader {
    /// Closed to end the thread.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Interfaces {
    /// Opens the interfaces of `wires` and starts the reader.
    pub(crate) fn open(wires: &[Wire], inbox: &Inbox) -> Result<Self, FieldbusError> {
        let mut buses = Vec::new();
        let mut sources = Vec::new();
        for wire in wires {
            let socket = Arc::new(open_interface(wire)?);
            let slot = Slot::new(Mutex::new(Arc::clone(&socket)));
            buses.push(Bus {
                interface: wire.interface.clone(),
                slot: Arc::clone(&slot),
                waiting: VecDeque::new(),
                failing: false,
            });
            sources.push(Source {
                wire: wire.clone(),
                slot,
                socket: Some(socket),
                lost: 0,
            });
        }
        let reader = if sources.is_empty() {
            None
        } else {
            Some(Reader::start(sources, inbox.clone())?)
        };
        Ok(Self {
            buses,
            backlog: false,
            _reader: reader,
        })
    }

    /// Takes a frame due at `due` for an interface by its place; [`Interfaces::flush`] sends it.
    pub(crate) fn queue(&mut self, place: usize, due: SimTime, frame: &CanFrame) {
        self.buses[place].waiting.push_back((due, KernelFrame::of(frame)));
        self.backlog = true;
    }

    /// Whether frames wait to be sent.
    pub(crate) fn backlog(&self) -> bool {
        self.backlog
    }

    /// Sends what the kernel takes; what it does not take waits, and is lost after [`SEND_PATIENCE`].
    pub(crate) fn flush(&mut self, clock: &Clock, accounts: &mut Accounts, losses: &Losses) {
        self.backlog = false;
        for bus in &mut self.buses {
            if !bus.waiting.is_empty() {
                bus.flush(clock, accounts, losses);
                self.backlog |= !bus.waiting.is_empty();
            }
        }
    }
}

impl Bus {
    fn flush(&mut self, clock: &Clock, accounts: &mut Accounts, losses: &Losses) {
        while !self.waiting.is_empty() {
            match self.send_some() {
                Ok(sent) => {
                    if core::mem::take(&mut self.failing) {
                        tracing::warn!("CAN interface `{}` sends again", self.interface);
                    }
                    let now = clock.now();
                    for (due, _) in self.waiting.drain(..sent) {
                        accounts.sent(due, now);
                    }
                }
                Err(Errno::EINTR) => {}
                Err(Errno::ENOBUFS | Errno::EAGAIN) => {
                    let now = clock.now();
                    let before = self.waiting.len();
                    self.waiting.retain(|(due, _)| now - *due <= SEND_PATIENCE);
                    while self.waiting.len() > BACKLOG {
                        self.waiting.pop_front();
                    }
                    count(&losses.not_sent, before - self.waiting.len());
                    return;
                }
                Err(error) => {
                    losses.interface_trouble(format!(
                        "CAN interface `{}` does not send: {}",
                        self.interface,
                        error.desc()
                    ));
                    count(&losses.not_sent, self.waiting.len());
                    self.waiting.clear();
                    self.failing = true;
                }
            }
        }
    }

    /// Hands the oldest frames to the kernel; how many it took.
    fn send_some(&self) -> nix::Result<usize> {
        let socket = Arc::clone(&self.slot.lock().unwrap_or_else(PoisonError::into_inner));
        let fd = socket.as_raw_fd();
        let n = self.waiting.len().min(BATCH);
        if n == 1 {
            return send(fd, self.waiting[0].1.bytes(), MsgFlags::MSG_DONTWAIT).map(|_| 1);
        }
        let slices: Vec<[IoSlice<'_>; 1]> = self
            .waiting
            .iter()
            .take(n)
            .map(|(_, frame)| [IoSlice::new(frame.bytes())])
            .collect();
        let mut headers = MultiHeaders::<()>::preallocate(n, None);
        let nowhere: [Option<()>; BATCH] = [None; BATCH];
        let sent = sendmmsg(
            fd,
            &mut headers,
            &slices,
            &nowhere[..n],
            [],
            MsgFlags::MSG_DONTWAIT,
        )?;
        Ok(sent.count())
    }
}

/// Opens a socket on one interface, with an error that names what is missing.
fn open_interface(wire: &Wire) -> Result<CanFdSocket, FieldbusError> {
    let Wire {
        name: bus,
        interface,
        fd,
        ..
    } = wire;
    let failed = |action| {
        move |source: io::Error| {
            let (bus, interface) = (bus.clone(), interface.clone());
            match Errno::from_raw(source.raw_os_error().unwrap_or(0)) {
                Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT => {
                    FieldbusError::NoCanSockets { bus, interface }
                }
                Errno::ENODEV if action == "open" => FieldbusError::NotACanInterface { bus, interface },
                Errno::ENETDOWN => FieldbusError::InterfaceDown { bus, interface },
                _ => FieldbusError::Can {
                    bus,
                    interface,
                    action,
                    source,
                },
            }
        }
    };
    let index = nix::net::if_::if_nametoindex(interface.as_str());
    // An index that no interface has opens nothing, but tells whether there are CAN sockets at all.
    let socket = match index {
        Ok(index) => CanFdSocket::open_iface(index).map_err(failed("open"))?,
        Err(_) => {
            return Err(
                match CanFdSocket::open_iface(i32::MAX.unsigned_abs()).map_err(failed("open")) {
                    Err(no_sockets @ FieldbusError::NoCanSockets { .. }) => no_sockets,
                    _ => FieldbusError::NoSuchInterface {
                        bus: bus.clone(),
                        interface: interface.clone(),
                    },
                },
            );
        }
    };
    socket.set_loopback(true).map_err(failed("set up"))?;
    socket.set_recv_own_msgs(false).map_err(failed("set up"))?;
    socket.set_error_filter_accept_all().map_err(failed("set up"))?;
    socket.set_recv_timestamp(true).map_err(failed("set up"))?;
    setsockopt(&socket, sockopt::RxqOvfl, &1).map_err(|e| failed("set up")(e.into()))?;
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER).map_err(|e| failed("set up")(e.into()))?;
    }
    // Binding to an interface that is down works; the kernel leaves a note.
    if let Some(error) = socket.as_raw_socket().take_error().map_err(failed("set up"))? {
        return Err(failed("use")(error));
    }
    if *fd && mtu(interface).map_err(failed("look at"))? < FD {
        return Err(FieldbusError::ClassicInterface {
            bus: bus.clone(),
            interface: interface.clone(),
        });
    }
    Ok(socket)
}

/// Longest frame an interface takes, bytes.
fn mtu(interface: &str) -> io::Result<usize> {
    let text = fs::read_to_string(format!("/sys/class/net/{interface}/mtu"))?;
    text.trim().parse().map_err(io::Error::other)
}

impl Reader {
    fn start(sources: Vec<Source>, inbox: Inbox) -> Result<Self, FieldbusError> {
        let start = |source| FieldbusError::Start {
            what: "CAN reading thread",
            source,
        };
        let (stop, stopped) = UnixStream::pair().map_err(start)?;
        let thread = thread::Builder::new()
            .name("bess-can".into())
            .spawn(move || read_all(sources, &stopped, &inbox))
            .map_err(start)?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the CAN reading thread panicked");
        }
    }
}

/// A bus as the reader sees it.
#[derive(Debug)]
struct Source {
    wire: Wire,
    slot: Slot,
    /// None while the interface is gone.
    socket: Option<Arc<CanFdSocket>>,
    /// The kernel's count of frames its queue had no room for.
    lost: u32,
}

/// The reading thread: until `stopped` is closed from the other side.
#[allow(
    clippy::disallowed_methods,
    reason = "the rest between batches reads no clock and decides nothing about rig time"
)]
fn read_all(mut sources: Vec<Source>, stopped: &UnixStream, inbox: &Inbox) {
    let mut buffers = [[0_u8; FD]; BATCH];
    let mut looked = Duration::ZERO;
    loop {
        let gone = sources.iter().any(|source| source.socket.is_none());
        if gone && inbox.clock.uptime() >= looked + REOPEN {
            sources.iter_mut().for_each(Source::reopen);
            looked = inbox.clock.uptime();
        }
        let ready: Vec<bool> = {
            let mut fds = vec![PollFd::new(stopped.as_fd(), PollFlags::POLLIN)];
            let sockets = sources.iter().filter_map(|source| source.socket.as_ref());
            fds.extend(sockets.map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)));
            let longest = if gone {
                PollTimeout::try_from(REOPEN).unwrap_or(PollTimeout::MAX)
            } else {
                PollTimeout::NONE
            };
            match poll(&mut fds, longest) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => {
                    inbox
                        .losses
                        .interface_trouble(format!("CAN reading ended: {}", error.desc()));
                    return;
                }
            }
            fds.iter().map(|fd| fd.any().unwrap_or(true)).collect()
        };
        let mut ready = ready.into_iter();
        if ready.next() == Some(true) {
            return;
        }
        let mut frames = Vec::new();
        for source in sources.iter_mut().filter(|source| source.socket.is_some()) {
            if ready.next() == Some(true) {
                source.read(&mut buffers, inbox, &mut frames);
            }
        }
        if !frames.is_empty() {
            // If there is no room, the inbox has counted the loss.
            let _ = inbox.put(Arrival::Frames(frames));
        }
        thread::sleep(GATHER);
    }
}

impl Source {
    /// Looks for an interface of the same name, once it is there and up.
    fn reopen(&mut self) {
        if self.socket.is_some() {
            return;
        }
        if let Ok(socket) = open_interface(&self.wire) {
            tracing::warn!("CAN interface `{}` is there again", self.wire.interface);
            let socket = Arc::new(socket);
            *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&socket);
            self.socket = Some(socket);
            self.lost = 0;
        }
    }

    /// Takes what the socket has, and lets go of it if it will never have anything again.
    fn read(
        &mut self,
        buffers: &mut [[u8; FD]; BATCH],
        inbox: &Inbox,
        frames: &mut Vec<(SimTime, WireInput)>,
    ) {
        let Some(socket) = self.socket.clone() else { return };
        loop {
            let mut slices: Vec<[IoSliceMut<'_>; 1]> = buffers
                .iter_mut()
                .map(|buffer| [IoSliceMut::new(buffer)])
                .collect();
            // Made anew each time: the kernel shortens the control lengths in it, and nix does not restore them.
            let mut headers = MultiHeaders::<()>::preallocate(
                BATCH,
                Some(vec![0; cmsg_space::<TimeSpec>() + cmsg_space::<u32>()]),
            );
            let received = recvmmsg(
                socket.as_raw_fd(),
                &mut headers,
                &mut slices,
                MsgFlags::MSG_DONTWAIT,
                None,
            );
            let received = match received {
                Ok(received) => received,
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => return,
                Err(error) => {
                    inbox.losses.interface_trouble(format!(
                        "CAN interface `{}` does not receive: {}",
                        self.wire.interface,
                        error.desc()
                    ));
                    // What is down keeps its socket and may come up again; what is gone comes back as another one.
                    if error != Errno::ENETDOWN {
                        self.socket = None;
                    }
                    return;
                }
            };
            let stamps = inbox.clock.kernel_stamps();
            let mut n = 0;
            for message in received {
                n += 1;
                let mut stamp = None;
                for control in message.cmsgs().into_iter().flatten() {
                    match control {
                        ControlMessageOwned::ScmTimestampns(at) => stamp = Some(Duration::from(at)),
                        ControlMessageOwned::RxqOvfl(total) => {
                            count(
                                &inbox.losses.receive_queue,
                                total.wrapping_sub(self.lost) as usize,
                            );
                            self.lost = total;
                        }
                        _ => {}
                    }
                }
                match message
                    .iovs()
                    .next()
                    .and_then(|bytes| from_kernel(self.wire.bus, bytes))
                {
                    Some(input) => frames.push((stamps.rig_time(stamp), input)),
                    None => count(&inbox.losses.undecoded, 1),
                }
            }
            if n < BATCH {
                return;
            }
        }
    }
}
