//! Modbus TCP connections of emulated devices that are clients.
//!
//! One connection per client device and address, opened with the first request and again after any failure.
//! Requests of one connection go out in order, one at a time. A reply of another transaction or unit is dropped and
//! counted, and the right one waited for. A timeout, a refused or broken connection and an answer that does not fit all
//! come back as no reply, and end the connection: one that is half open would stay silent for ever. After a connection
//! that could not be made the next attempt waits, longer each time, so that a server that is gone is not stormed.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bess_devices::codec::modbus::pdu;
use bess_types::{ModbusReply, ModbusRequest};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsConnector;

use crate::health::count;
use crate::modbus_adu::{Adu, MAX_ADU};
use crate::modbus_server::Runtime;
use crate::modbus_tls::{self, Identity};
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
                transaction: 0,
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
    transaction: u16,
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
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Stream for T {}

async fn open(address: SocketAddr, tls: Option<TlsConnector>) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect(address).await?;
    // Without effect on what is said, only on when.
    let _ = stream.set_nodelay(true);
    Ok(match tls {
        None => Box::new(stream),
        Some(tls) => Box::new(tls.connect(modbus_tls::name(address), stream).await?),
    })
}

/// A connection that is up.
struct Link {
    stream: Box<dyn Stream>,
    /// Received and not yet looked at.
    raw: Vec<u8>,
}

impl Link {
    /// Whether the server has not hung up since the last reply.
    async fn is_up(&mut self) -> bool {
        match timeout(Duration::ZERO, self.stream.read_buf(&mut self.raw)).await {
            Ok(read) => read.is_ok_and(|bytes| bytes > 0),
            Err(_nothing_there) => true,
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
        let mut link = self.link.take();
        if let Some(open) = &mut link
            && !open.is_up().await
        {
            link = None;
        }
        let mut link = match link {
            Some(link) => link,
            None => timeout(self.patience, self.connect()).await??,
        };
        self.transaction = self.transaction.wrapping_add(1);
        let asked = Adu {
            transaction: self.transaction,
            unit,
            pdu: pdu::encode_request(request),
        };
        let reply = timeout(self.patience, async {
            link.stream.write_all(&asked.bytes()).await?;
            self.hear(&mut link, &asked).await
        });
        let reply = reply.await??;
        let reply = pdu::decode_reply(request, &reply).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "the reply does not answer the request",
            )
        })?;
        self.link = Some(link);
        Ok(reply)
    }

    async fn connect(&mut self) -> io::Result<Link> {
        let (address, tls) = (self.address, self.tls.clone());
        Ok(Link {
            stream: self.rest.connect(|| open(address, tls)).await?,
            raw: Vec::with_capacity(MAX_ADU),
        })
    }

    /// The PDU of the reply to `asked`.
    async fn hear(&self, link: &mut Link, asked: &Adu) -> io::Result<Vec<u8>> {
        loop {
            while let Some(reply) = Adu::take(&mut link.raw)? {
                if (reply.transaction, reply.unit) == (asked.transaction, asked.unit) {
                    return Ok(reply.pdu);
                }
                count(&self.inbox.losses.undecoded, 1);
            }
            if link.stream.read_buf(&mut link.raw).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}
