//! Modbus TCP connections of emulated devices that are clients.
//!
//! One connection per client device and address, opened with the first request and again after any failure.
//! Requests of one connection go out in order, one at a time, and tokio-modbus words them: so servers of the rig are
//! asked by a codec that is not theirs. A [`Sieve`] between it and the socket drops replies of another transaction or
//! unit, counted, so that the right one is waited for. A timeout, a refused or broken connection and an answer that does
//! not fit all come back as no reply, and end the connection: one that is half open would stay silent for ever. After a
//! connection that could not be made the next attempt waits, longer each time, so that a server that is gone is not
//! stormed.

use core::fmt;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Waking, Poll, ready};
use std::time::Duration;

use bess_devices::codec::modbus::pdu;
use bess_types::{ModbusReply, ModbusRequest};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_modbus::client::{Client as _, Context, tcp};
use tokio_modbus::prelude::SlaveContext as _;
use tokio_modbus::{Error, ProtocolError, Slave};
use tokio_rustls::TlsConnector;

use crate::health::{Losses, count};
use crate::modbus_adu::{Adu, MAX_ADU};
use crate::modbus_server::Runtime;
use crate::modbus_tls::{self, Identity};
use crate::modbus_words as words;
use crate::paced::{Arrival, Inbox};
use bess_devices::Token;

/// Requests waiting on one connection; devices ask one at a time, so this is generous.
pub(crate) const QUEUE: usize = 64;
/// Rest after the first connection that could not be made; doubled by each further one.
const FIRST_REST: Duration = Duration::from_millis(100);
/// Longest rest: what a returning server waits for its clients.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// The owner's side of all client connections.
pub(crate) struct Clients {
    runtime: Handle,
    inbox: Inbox,
    patience: Duration,
    /// Of devices that speak TLS.
    identities: BTreeMap<usize, Identity>,
    connections: BTreeMap<(usize, SocketAddr), mpsc::Sender<Ask>>,
}

/// A request of a device.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) token: Token,
    pub(crate) unit: u8,
    pub(crate) request: ModbusRequest,
}

impl Clients {
    pub(crate) fn new(
        runtime: &Runtime,
        inbox: Inbox,
        patience: Duration,
        identities: BTreeMap<usize, Identity>,
    ) -> Self {
        Self {
            runtime: runtime.handle().clone(),
            inbox,
            patience,
            identities,
            connections: BTreeMap::new(),
        }
    }

    /// Sends a request of device `client`; `false` if too many wait already, and then no reply will come.
    pub(crate) fn ask(&mut self, client: usize, address: SocketAddr, tls: bool, ask: Ask) -> bool {
        let identity = self.identities.get(&client).filter(|_| tls);
        if tls && identity.is_none() {
            return false; // a rig file that says so is refused
        }
        let queue = self.connections.entry((client, address)).or_insert_with(|| {
            let (queue, asks) = mpsc::channel(QUEUE);
            let connection = Connection {
                address,
                tls: identity.map(|identity| identity.connector.clone()),
                patience: self.patience,
                inbox: self.inbox.clone(),
                link: None,
                rest: Rest::default(),
            };
            self.runtime.spawn(connection.serve(client, asks));
            queue
        });
        queue.try_send(ask).is_ok()
    }
}

struct Connection {
    address: SocketAddr,
    tls: Option<TlsConnector>,
    patience: Duration,
    inbox: Inbox,
    link: Option<Link>,
    rest: Rest,
}

/// Rests between connections that cannot be made.
#[derive(Debug)]
pub(crate) struct Rest {
    /// After the next one.
    next: Duration,
    /// When the present one is over.
    over: Option<Instant>,
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            next: FIRST_REST,
            over: None,
        }
    }
}

impl Rest {
    /// Connects as soon as the rest after the last failure is over.
    pub(crate) async fn connect<T, F>(&mut self, connect: impl FnOnce() -> F) -> io::Result<T>
    where
        F: Future<Output = io::Result<T>>,
    {
        if let Some(over) = self.over {
            sleep_until(over).await;
        }
        self.over = Some(Instant::now() + self.next);
        self.next = LONGEST_REST.min(2 * self.next);
        let connected = connect().await?;
        *self = Self::default();
        Ok(connected)
    }
}

/// What a connection goes over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug> Stream for T {}

/// A new connection, and the socket under it.
async fn open(
    address: SocketAddr,
    tls: Option<TlsConnector>,
) -> io::Result<(Box<dyn Stream>, std::net::TcpStream)> {
    let stream = TcpStream::connect(address).await?;
    // Without effect on what is said, only on when.
    let _ = stream.set_nodelay(true);
    let stream = stream.into_std()?;
    let socket = stream.try_clone()?;
    let stream = TcpStream::from_std(stream)?;
    let stream: Box<dyn Stream> = match tls {
        None => Box::new(stream),
        Some(tls) => Box::new(tls.connect(modbus_tls::name(address), stream).await?),
    };
    Ok((stream, socket))
}

/// A connection that is up.
struct Link {
    context: Context,
    /// The socket under it, to see whether the server has hung up.
    socket: std::net::TcpStream,
}

impl Link {
    fn is_up(&self) -> bool {
        match self.socket.peek(&mut [0]) {
            Ok(bytes) => bytes > 0,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

impl Connection {
    async fn serve(mut self, client: usize, mut asks: mpsc::Receiver<Ask>) {
        while let Some(Ask { token, unit, request }) = asks.recv().await {
            let reply = match self.call(unit, &request).await {
                Ok(reply) => Some(reply),
                Err(error) => {
                    tracing::debug!("Modbus request to {}: {error}", self.address);
                    None
                }
            };
            let at = self.inbox.clock.now();
            // If there is no room, the inbox has counted the loss.
            let _ = self.inbox.put(Arrival::Reply {
                at,
                client,
                token,
                reply,
            });
        }
    }

    /// The reply to a request.
    ///
    /// # Errors
    /// Why there is none.
    async fn call(&mut self, unit: u8, request: &ModbusRequest) -> io::Result<ModbusReply> {
        // It is put back after a good reply only.
        let mut link = match self.link.take().filter(Link::is_up) {
            Some(link) => link,
            None => timeout(self.patience, self.connect()).await??,
        };
        link.context.set_slave(Slave(unit));
        let answer = timeout(self.patience, link.context.call(words::request(request))).await?;
        let unfit = || io::Error::new(io::ErrorKind::InvalidData, UNFIT);
        let reply = match answer {
            Ok(Ok(response)) => Ok(words::data(request, response).ok_or_else(unfit)?),
            Ok(Err(code)) => Err(words::exception(code)),
            // Functions the library has a name for, but does not send, come back as others than they went.
            Err(Error::Protocol(ProtocolError::FunctionCodeMismatch { result, .. })) => match result {
                Ok(_) => return Err(unfit()),
                Err(refused) => Err(words::exception(refused.exception)),
            },
            Err(Error::Protocol(error @ ProtocolError::HeaderMismatch { .. })) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            Err(Error::Transport(error)) => return Err(error),
        };
        self.link = Some(link);
        Ok(reply)
    }

    async fn connect(&mut self) -> io::Result<Link> {
        let (address, tls) = (self.address, self.tls.clone());
        let (stream, socket) = self.rest.connect(|| open(address, tls)).await?;
        Ok(Link {
            context: tcp::attach(Sieve::new(stream, Arc::clone(&self.inbox.losses))),
            socket,
        })
    }
}

const UNFIT: &str = "the reply does not answer the request";

/// A stream of which only replies to the request sent last can be read. The library gives up at any other, and panics at
/// some that contradict themselves.
#[derive(Debug)]
struct Sieve<S> {
    stream: S,
    /// Sent and not yet looked at.
    sent: Vec<u8>,
    asked: Option<Adu>,
    /// Received and not yet looked at.
    raw: Vec<u8>,
    /// The reply being passed on, and how much of it was.
    passing: Vec<u8>,
    passed: usize,
    losses: Arc<Losses>,
}

impl<S> Sieve<S> {
    fn new(stream: S, losses: Arc<Losses>) -> Self {
        Self {
            stream,
            sent: Vec::with_capacity(MAX_ADU),
            asked: None,
            raw: Vec::with_capacity(MAX_ADU),
            passing: Vec::new(),
            passed: 0,
            losses,
        }
    }

    /// The next reply that answers what was asked, if it is there.
    ///
    /// # Errors
    /// If a reply by its header does not answer the request by its content, or there is no telling where one begins.
    fn next_reply(&mut self) -> io::Result<Option<Adu>> {
        while let Some(adu) = Adu::take(&mut self.sent)? {
            self.asked = Some(adu);
        }
        while let Some(reply) = Adu::take(&mut self.raw)? {
            let meant = self
                .asked
                .take_if(|asked| (asked.transaction, asked.unit) == (reply.transaction, reply.unit));
            let Some(asked) = meant else {
                count(&self.losses.undecoded, 1);
                continue;
            };
            return match pdu::decode_reply(&pdu::decode_request(&asked.pdu), &reply.pdu) {
                Some(_) => Ok(Some(reply)),
                None => Err(io::Error::new(io::ErrorKind::InvalidData, UNFIT)),
            };
        }
        Ok(None)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Sieve<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        waking: &mut Waking<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.passed < this.passing.len() {
                let n = out.remaining().min(this.passing.len() - this.passed);
                out.put_slice(&this.passing[this.passed..this.passed + n]);
                this.passed += n;
                return Poll::Ready(Ok(()));
            }
            if let Some(reply) = this.next_reply()? {
                this.passing = reply.bytes();
                this.passed = 0;
                continue;
            }
            let mut chunk = [0; MAX_ADU];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.stream).poll_read(waking, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.raw.extend_from_slice(read.filled());
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sieve<S> {
    fn poll_write(self: Pin<&mut Self>, waking: &mut Waking<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let n = ready!(Pin::new(&mut this.stream).poll_write(waking, bytes))?;
        this.sent.extend_from_slice(&bytes[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, waking: &mut Waking<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(waking)
    }

    fn poll_shutdown(self: Pin<&mut Self>, waking: &mut Waking<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(waking)
    }
}
