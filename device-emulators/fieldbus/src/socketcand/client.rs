//! Joins a bus that another process serves, as a socketcand client in raw mode.
//!
//! It tries until the server is there, and again after any loss. Frames that are sent before the first success reach
//! nobody, as on a bus with nobody else on it; frames sent while the connection is lost are counted as lost.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bess_rig::WireInput;
use bess_types::CanFrame;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::protocol::{Decoder, OK, Piece, RAW_MODE, Report, report, write_open, write_send};
use super::{BATCH, READ};
use crate::health::count;
use crate::modbus_server::Runtime;
use crate::paced::{Arrival, Inbox};

/// How long the server may take to let us onto the bus.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two attempts.
const REST: Duration = Duration::from_millis(200);
/// Frames waiting to be sent; at the load of a full cluster bus some seconds.
const QUEUE: usize = 4096;

/// The owner's side of a joined bus.
#[derive(Debug)]
pub(crate) struct Link {
    queue: mpsc::Sender<CanFrame>,
    inbox: Inbox,
}

impl Link {
    /// Joins bus `name` at `address`, and stays on it as well as it can.
    pub(crate) fn join(
        bus: usize,
        name: &str,
        address: SocketAddr,
        runtime: &Runtime,
        inbox: &Inbox,
    ) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE);
        let member = Member {
            bus,
            name: name.into(),
            address,
            inbox: inbox.clone(),
        };
        runtime.handle().spawn(member.stay(queue));
        Self {
            queue: sender,
            inbox: inbox.clone(),
        }
    }

    /// Sends a frame; counts it as lost if too many wait already.
    pub(crate) fn send(&self, frame: &CanFrame) {
        if self.queue.try_send(*frame).is_err() {
            count(&self.inbox.losses.not_sent, 1);
        }
    }
}

struct Member {
    bus: usize,
    name: String,
    address: SocketAddr,
    inbox: Inbox,
}

impl Member {
    async fn stay(self, mut queue: mpsc::Receiver<CanFrame>) {
        let mut was_there = false;
        loop {
            let joining = self.join();
            tokio::pin!(joining);
            let (stream, decoder) = loop {
                tokio::select! {
                    joined = &mut joining => break joined,
                    frame = queue.recv() => match frame {
                        Some(_) => count(&self.inbox.losses.not_sent, usize::from(was_there)),
                        None => return,
                    },
                }
            };
            if was_there {
                tracing::warn!("bus `{}` at {} is back", self.name, self.address);
            }
            was_there = true;
            let Some(why) = self.exchange(&stream, decoder, &mut queue).await else {
                return;
            };
            self.inbox.losses.interface_trouble(format!(
                "bus `{}` was lost: the connection to socketcand at {} ended: {why}",
                self.name, self.address
            ));
        }
    }

    /// Until it worked.
    async fn join(&self) -> (TcpStream, Decoder) {
        let mut told = String::new();
        loop {
            let why = match timeout(PATIENCE, self.try_to_join()).await {
                Ok(Ok(joined)) => return joined,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer".into(),
            };
            if told != why {
                tracing::info!(
                    "bus `{}`: waiting for socketcand at {}: {why}",
                    self.name,
                    self.address
                );
                told = why;
            }
            sleep(REST).await;
        }
    }

    /// Greeting, bus, raw mode.
    async fn try_to_join(&self) -> io::Result<(TcpStream, Decoder)> {
        let stream = TcpStream::connect(self.address).await?;
        // Without effect on what is said, only on when.
        let _ = stream.set_nodelay(true);
        let mut decoder = Decoder::default();
        let mut open = String::new();
        write_open(&mut open, &self.name);
        for (expected, say) in [
            (Report::Hi, open.as_str()),
            (Report::Ok, RAW_MODE),
            (Report::Ok, ""),
        ] {
            let mut answer = None;
            while answer.is_none() {
                stream.readable().await?;
                // Byte by byte: a frame may follow the last answer, and belongs to what comes after.
                let mut byte = [0];
                match stream.try_read(&mut byte) {
                    Ok(0) => return Err(io::Error::other("it closed the connection")),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error),
                }
                let pushed = decoder.push(&byte, |piece| {
                    answer = match piece {
                        Piece::Element(element) => report(element),
                        Piece::Noise => None,
                    };
                });
                pushed.map_err(|_| io::Error::other("it does not speak socketcand"))?;
            }
            match answer {
                Some(answer) if answer == expected => {}
                Some(Report::Error(text)) => return Err(io::Error::other(text)),
                _ => return Err(io::Error::other(format!("it did not answer {OK}"))),
            }
            let mut rest = say.as_bytes();
            while !rest.is_empty() {
                stream.writable().await?;
                match stream.try_write(rest) {
                    Ok(n) => rest = &rest[n..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok((stream, decoder))
    }

    /// Carries frames both ways; why it ended, none if there is nobody left to carry for.
    async fn exchange(
        &self,
        stream: &TcpStream,
        mut decoder: Decoder,
        queue: &mut mpsc::Receiver<CanFrame>,
    ) -> Option<String> {
        let mut bytes = [0; READ];
        let mut frames = Vec::with_capacity(BATCH);
        let mut text = String::new();
        let mut written = 0;
        loop {
            tokio::select! {
                ready = stream.writable(), if written < text.len() => {
                    match ready.and_then(|()| stream.try_write(&text.as_bytes()[written..])) {
                        Ok(n) => written += n,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Some(error.to_string()),
                    }
                }
                ready = stream.readable() => {
                    match ready.and_then(|()| stream.try_read(&mut bytes)) {
                        Ok(0) => return Some("it was closed".into()),
                        Ok(n) => if !self.take(&mut decoder, &bytes[..n]) {
                            return Some("what it says never ends".into());
                        },
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Some(error.to_string()),
                    }
                }
                n = queue.recv_many(&mut frames, BATCH), if written == text.len() => {
                    if n == 0 {
                        return None;
                    }
                    text.clear();
                    written = 0;
                    frames.drain(..).for_each(|frame| write_send(&mut text, &frame));
                }
            }
        }
    }

    /// What the server said; `false` if nothing sensible can follow.
    fn take(&self, decoder: &mut Decoder, bytes: &[u8]) -> bool {
        let at = self.inbox.clock.now();
        let mut frames = Vec::new();
        let pushed = decoder.push(bytes, |piece| {
            let read = match piece {
                Piece::Element(element) => report(element),
                Piece::Noise => None,
            };
            match read {
                Some(Report::Frame(frame)) => frames.push((at, WireInput::Can { bus: self.bus, frame })),
                Some(Report::BusError(class)) => frames.push((
                    at,
                    WireInput::CanError {
                        bus: self.bus,
                        class,
                        data: [0; 8],
                    },
                )),
                _ => count(&self.inbox.losses.undecoded, 1),
            }
        });
        if !frames.is_empty() {
            // If there is no room, the inbox has counted the loss.
            let _ = self.inbox.put(Arrival::Frames(frames));
        }
        pushed.is_ok()
    }
}
