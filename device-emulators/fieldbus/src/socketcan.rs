//! CAN buses on Linux network interfaces: one raw socket per bus, one reading thread for all of them.
//!
//! Cost decides the shape, because the reference host for CI is a slow single core: the reader sleeps in
//! `poll` on all sockets, takes what each has with one `recvmmsg`, hands everything over as one batch, and
//! then rests for [`GATHER`], so that a burst costs one wake-up of reader and owner and not one per frame.
//! The rest costs no accuracy: the kernel stamps each frame as it arrives. Sending is done by the owner
//! itself, not blocking, with one `sendmmsg` per bus and instant.
//!
//! Loopback stays on (other processes on this machine must see the rig's frames), reception of own frames
//! stays off (the rig has given its own emulators their copies already).

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ::socketcan::{CanFdSocket, Socket, SocketOptions};
use bess_types::{CanFrame, CanId, SimTime};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, cmsg_space, recvmmsg, send, sendmmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;

use crate::error::FieldbusError;
use crate::health::{Accounts, Losses, count};
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
/// Frames waiting for the kernel, per bus.
const BACKLOG: usize = 1024;

/// Size of the kernel's classic frame.
const CLASSIC: usize = 16;
/// Size of the kernel's FD frame.
const FD: usize = 72;
const EXTENDED_FLAG: u32 = 0x8000_0000;
const REMOTE_FLAG: u32 = 0x4000_0000;
const ERROR_FLAG: u32 = 0x2000_0000;

/// The rig's CAN interfaces, open.
#[derive(Debug)]
pub(crate) struct Interfaces {
    buses: Vec<Bus>,
    backlog: bool,
    _reader: Option<Reader>,
}

#[derive(Debug)]
struct Bus {
    interface: String,
    socket: Arc<CanFdSocket>,
    waiting: VecDeque<(SimTime, [u8; CLASSIC])>,
}

#[derive(Debug)]
struct Reader {
    /// Closed to end the thread.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Interfaces {
    /// Opens the interfaces, each given after the number and the name of its bus, and starts the reader.
    pub(crate) fn open(wires: &[(usize, &str, &str)], inbox: &Inbox) -> Result<Self, FieldbusError> {
        let mut buses = Vec::new();
        let mut sources = Vec::new();
        for &(bus, name, interface) in wires {
            let socket = Arc::new(open_interface(name, interface)?);
            sources.push(Source {
                bus,
                interface: interface.into(),
                socket: Arc::clone(&socket),
                lost: 0,
            });
            buses.push(Bus {
                interface: interface.into(),
                socket,
                waiting: VecDeque::new(),
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
        self.buses[place].waiting.push_back((due, to_kernel(frame)));
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
                }
            }
        }
    }

    /// Hands the oldest frames to the kernel; how many it took.
    fn send_some(&self) -> nix::Result<usize> {
        let fd = self.socket.as_raw_fd();
        let n = self.waiting.len().min(BATCH);
        if n == 1 {
            return send(fd, &self.waiting[0].1, MsgFlags::MSG_DONTWAIT).map(|_| 1);
        }
        let slices: Vec<[IoSlice<'_>; 1]> = self
            .waiting
            .iter()
            .take(n)
            .map(|(_, frame)| [IoSlice::new(frame)])
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
fn open_interface(bus: &str, interface: &str) -> Result<CanFdSocket, FieldbusError> {
    let failed = |action| {
        move |source: io::Error| {
            let (bus, interface) = (bus.to_owned(), interface.to_owned());
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
    let index = nix::net::if_::if_nametoindex(interface);
    // An index that no interface has opens nothing, but tells whether there are CAN sockets at all.
    let socket = match index {
        Ok(index) => CanFdSocket::open_iface(index).map_err(failed("open"))?,
        Err(_) => {
            return Err(
                match CanFdSocket::open_iface(i32::MAX.unsigned_abs()).map_err(failed("open")) {
                    Err(no_sockets @ FieldbusError::NoCanSockets { .. }) => no_sockets,
                    _ => FieldbusError::NoSuchInterface {
                        bus: bus.into(),
                        interface: interface.into(),
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
    Ok(socket)
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
    bus: usize,
    interface: String,
    socket: Arc<CanFdSocket>,
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
    loop {
        let ready: Vec<bool> = {
            let mut fds: Vec<PollFd<'_>> = sources
                .iter()
                .map(|source| PollFd::new(source.socket.as_fd(), PollFlags::POLLIN))
                .collect();
            fds.push(PollFd::new(stopped.as_fd(), PollFlags::POLLIN));
            match poll(&mut fds, PollTimeout::NONE) {
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
        if ready.last() == Some(&true) {
            return;
        }
        let mut frames = Vec::new();
        let mut place = 0;
        sources.retain_mut(|source| {
            place += 1;
            !ready[place - 1] || source.read(&mut buffers, inbox, &mut frames)
        });
        if !frames.is_empty() {
            // If there is no room, the inbox has counted the loss.
            let _ = inbox.put(Arrival::Frames(frames));
        }
        thread::sleep(GATHER);
    }
}

impl Source {
    /// Takes what the socket has; `false` if it will never have anything again.
    fn read(
        &mut self,
        buffers: &mut [[u8; FD]; BATCH],
        inbox: &Inbox,
        frames: &mut Vec<(SimTime, usize, CanFrame)>,
    ) -> bool {
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
                self.socket.as_raw_fd(),
                &mut headers,
                &mut slices,
                MsgFlags::MSG_DONTWAIT,
                None,
            );
            let received = match received {
                Ok(received) => received,
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => return true,
                Err(error) => {
                    inbox.losses.interface_trouble(format!(
                        "CAN interface `{}` does not receive: {}",
                        self.interface,
                        error.desc()
                    ));
                    // Down may come up again; gone is gone.
                    return error == Errno::ENETDOWN;
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
                match message.iovs().next().and_then(from_kernel) {
                    Some(frame) => frames.push((stamps.rig_time(stamp), self.bus, frame)),
                    None => count(&inbox.losses.undecoded, 1),
                }
            }
            if n < BATCH {
                return true;
            }
        }
    }
}

/// The kernel's `struct can_frame`.
fn to_kernel(frame: &CanFrame) -> [u8; CLASSIC] {
    let id = match frame.id {
        CanId::Standard(id) => u32::from(id),
        CanId::Extended(id) => id | EXTENDED_FLAG,
    };
    let data = frame.data();
    let mut bytes = [0; CLASSIC];
    bytes[..4].copy_from_slice(&id.to_ne_bytes());
    bytes[4] = u8::try_from(data.len()).unwrap_or(8);
    bytes[8..8 + data.len()].copy_from_slice(data);
    bytes
}

/// A classic data frame; `None` for remote, error and FD frames.
fn from_kernel(bytes: &[u8]) -> Option<CanFrame> {
    if bytes.len() != CLASSIC {
        return None;
    }
    let id = u32::from_ne_bytes(bytes[..4].try_into().ok()?);
    if id & (REMOTE_FLAG | ERROR_FLAG) != 0 {
        return None;
    }
    let id = if id & EXTENDED_FLAG != 0 {
        CanId::Extended(id & 0x1FFF_FFFF)
    } else {
        CanId::Standard(u16::try_from(id & 0x7FF).ok()?)
    };
    CanFrame::new(id, bytes[8..].get(..usize::from(bytes[4]))?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_kernel_form() {
        for frame in [
            CanFrame::new(CanId::Extended(0x18_A0_FF_01), &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap(),
            CanFrame::new(CanId::Standard(0x7FF), &[]).unwrap(),
            CanFrame::new(CanId::Extended(0x10), &[0xAA]).unwrap(),
        ] {
            assert_eq!(from_kernel(&to_kernel(&frame)), Some(frame));
        }
    }

    #[test]
    fn other_frames_are_not_decoded() {
        let data = to_kernel(&CanFrame::new(CanId::Standard(1), &[1]).unwrap());
        for flag in [REMOTE_FLAG, ERROR_FLAG] {
            let mut other = data;
            other[..4].copy_from_slice(&(1 | flag).to_ne_bytes());
            assert_eq!(from_kernel(&other), None);
        }
        assert_eq!(from_kernel(&[0; FD]), None);
        assert_eq!(from_kernel(&[]), None);
        let mut too_long = data;
        too_long[4] = 9;
        assert_eq!(from_kernel(&too_long), None);
    }
}
