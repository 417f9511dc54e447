//! Modbus TCP servers of emulated devices.
//!
//! One task for each address and one for each connection, all on one single-threaded runtime that sleeps while nothing
//! happens. A request is given to the rig at once if it is its turn (`crank`), or becomes an arrival for the owner, and
//! waits for the device's answer; no answer within [`LONGEST_ANSWER`] counts as silence. Requests of one connection are answered in order, one at a time. Several
//! devices at one address are behind a gateway, each under its unit id.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bess_devices::codec::modbus::{UnknownUnit, pdu};
use bess_types::{ModbusCertificate, ModbusClient, ModbusException, ModbusReply, Tag};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::error::FieldbusError;
use crate::modbus_adu::{Adu, End, Faulty, MAX_ADU};
use crate::modbus_tls::{self, Identity};
use crate::paced::{Arrival, Inbox};
use bess_rig::{ModbusServerWire, WireFault};

/// After this the connection is free for the client's next request. Real clients give up much earlier.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);
/// Requests waiting for answers, over all servers; more get exception 06.
const OPEN_REQUESTS: usize = 256;
/// Rest after a failed accept, such as with all file descriptors in use, or while another program has the address.
pub(crate) const REST: Duration = Duration::from_millis(100);
/// What a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// What a client may send ahead of its answers.
const AHEAD: usize = 16 * MAX_ADU;

/// The thread on which all TCP connections live, of Modbus and of socketcand.
#[derive(Debug)]
pub(crate) struct Runtime {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Runtime {
    pub(crate) fn start() -> Result<Self, FieldbusError> {
        let start = |source| FieldbusError::Start {
            what: "TCP runtime",
            source,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(start)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("bess-tcp".into())
            .spawn(move || {
                // A dropped sender means stop as well. Dropping the runtime then closes every socket.
                let _ = runtime.block_on(stopped);
            })
            .map_err(start)?;
        Ok(Self {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the TCP thread panicked");
        }
    }
}

/// A device's answer, and what link faults do to its bytes.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reply: Option<ModbusReply>,
    pub(crate) faults: Vec<WireFault>,
    /// Changes of links when it was given. Later ones are news to it.
    links: u64,
}

impl Answer {
    pub(crate) fn new(reply: Option<ModbusReply>, faults: Vec<WireFault>) -> Self {
        Self {
            reply,
            faults,
            links: 0,
        }
    }

    /// What a server says before its device is asked.
    fn of_itself(exception: ModbusException) -> Self {
        Self::new(Some(Err(exception)), vec![])
    }
}

/// The owner's side of all servers: requests that wait for an answer, and how each address treats connections.
#[derive(Debug)]
pub(crate) struct Servers {
    /// By token; hardly ever more than a few.
    open: Vec<(u64, oneshot::Sender<Answer>)>,
    next_token: u64,
    /// Each device's address.
    links: BTreeMap<usize, watch::Sender<Link>>,
    /// How often one of them changed.
    link_changes: u64,
    /// Devices that refuse connections now.
    refusing: BTreeMap<usize, SocketAddr>,
    addresses: BTreeMap<usize, SocketAddr>,
    inbox: Inbox,
    open_requests: Arc<Semaphore>,
}

/// How an address treats connections. Every change ends what is half open.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    refuses: bool,
    /// The change that made it so, counted over all links.
    change: u64,
}

impl Servers {
    /// Listens on every server's address.
    pub(crate) fn open(
        wires: &[ModbusServerWire],
        identities: &BTreeMap<usize, Identity>,
        runtime: &Runtime,
        inbox: &Inbox,
    ) -> Result<Self, FieldbusError> {
        let _context = runtime.handle().enter();
        let mut servers = Self {
            open: Vec::new(),
            next_token: 0,
            links: BTreeMap::new(),
            link_changes: 0,
            refusing: BTreeMap::new(),
            addresses: BTreeMap::new(),
            inbox: inbox.clone(),
            open_requests: Arc::new(Semaphore::new(OPEN_REQUESTS)),
        };
        let mut at_address: BTreeMap<SocketAddr, Vec<&ModbusServerWire>> = BTreeMap::new();
        for wire in wires {
            if let Some(address) = wire.address.socket() {
                at_address.entry(address).or_default().push(wire);
                servers.addresses.insert(wire.device, address);
            }
        }
        for (address, wires) in at_address {
            let tag = wires[0].tag.clone();
            let listener = bind(address).map_err(|source| {
                let tag = tag.clone();
                if source.kind() == io::ErrorKind::AddrInUse {
                    FieldbusError::AddressInUse { tag, address }
                } else {
                    FieldbusError::Listen { tag, address, source }
                }
            })?;
            let (link, state) = watch::channel(Link::default());
            let units = wires.iter().map(|wire| (wire.unit, wire.device)).collect();
            let devices = Devices {
                unknown: wires[0].unknown_unit,
                ..servers.devices(units)
            };
            servers
                .links
                .extend(wires.iter().map(|wire| (wire.device, link.clone())));
            let port = Port {
                tag,
                address,
                devices: Arc::new(devices),
                // Devices at one address have the same.
                tls: identities
                    .get(&wires[0].device)
                    .map(|identity| identity.acceptor.clone()),
                link: state,
                told: watch::Sender::default(),
                clients: wires[0].clients,
                places: Arc::new(Semaphore::new(usize::from(wires[0].clients))),
            };
            tokio::spawn(port.serve(listener));
        }
        Ok(servers)
    }

    /// Devices that are reached in one place.
    pub(crate) fn devices(&self, units: Vec<(u8, usize)>) -> Devices {
        Devices {
            units,
            unknown: None,
            inbox: self.inbox.clone(),
            open_requests: Arc::clone(&self.open_requests),
        }
    }

    /// Keeps the way back to a client; the token to answer it by.
    pub(crate) fn keep(&mut self, answer: oneshot::Sender<Answer>) -> u64 {
        // Clients that left, and devices that never answered.
        if self.open.len() >= OPEN_REQUESTS {
            self.open.retain(|(_, answer)| !answer.is_closed());
        }
        let token = self.next_token;
        self.next_token += 1;
        self.open.push((token, answer));
        token
    }

    /// Passes on a device's answer; without effect if the client has left.
    pub(crate) fn answer(&mut self, token: u64, mut answer: Answer) {
        answer.links = self.link_changes;
        if let Some(at) = self.open.iter().position(|(open, _)| *open == token) {
            let (_, client) = self.open.swap_remove(at);
            let _ = client.send(answer);
        }
    }

    /// Begins or ends refusing connections to the address of `server`, and ends what is half open there. An address
    /// refuses as long as one of its devices does.
    pub(crate) fn link(&mut self, server: usize, refuses: bool) {
        let (Some(link), Some(&address)) = (self.links.get(&server), self.addresses.get(&server)) else {
            return;
        };
        if refuses {
            self.refusing.insert(server, address);
        } else {
            self.refusing.remove(&server);
        }
        self.link_changes += 1;
        link.send_replace(Link {
            refuses: self.refusing.values().any(|other| *other == address),
            change: self.link_changes,
        });
    }
}

/// Address reuse concerns only leftovers of closed connections: a second listener is still refused.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(64)
}

/// Devices that are reached in one place.
#[derive(Debug)]
pub(crate) struct Devices {
    /// Unit id and device.
    units: Vec<(u8, usize)>,
    /// What a request to another unit gets.
    unknown: Option<UnknownUnit>,
    inbox: Inbox,
    open_requests: Arc<Semaphore>,
}

impl Devices {
    /// Who answers a unit id. Units 0 and 255 both stand for the device that is no part of the net behind, and for the only
    /// device there is.
    ///
    /// # Errors
    /// What a unit that is nobody's gets: as the product says; else the only device answers any, and of several none.
    fn find(&self, unit: u8) -> Result<usize, Option<ModbusException>> {
        let own = |unit: u8| if unit == 0 { u8::MAX } else { unit };
        let mut units = self.units.iter();
        if let Some((_, device)) = units.find(|(of, _)| own(*of) == own(unit)) {
            return Ok(*device);
        }
        match (&self.units[..], self.unknown) {
            ([(_, device)], None | Some(UnknownUnit::Answer)) => Ok(*device),
            ([(_, device)], _) if own(unit) == u8::MAX => Ok(*device),
            (_, Some(UnknownUnit::Silence)) => Err(None),
            (_, Some(UnknownUnit::GatewayPathUnavailable)) => {
                Err(Some(ModbusException::GatewayPathUnavailable))
            }
            _ => Err(Some(ModbusException::GatewayTargetFailedToRespond)),
        }
    }

    /// The device of a unit id on a line.
    pub(crate) fn on_line(&self, unit: u8) -> Option<usize> {
        let found = self.units.iter().find(|(of, _)| *of == unit);
        found.map(|(_, device)| *device)
    }

    /// Asks the device behind `unit`. Silence of one behind a gateway is the gateway's exception 0B.
    async fn ask(&self, unit: u8, client: &ModbusClient, request: &[u8]) -> Answer {
        let server = match self.find(unit) {
            Ok(server) => server,
            Err(Some(exception)) => return Answer::of_itself(exception),
            Err(None) => {
                return Answer::new(None, vec![]);
            }
        };
        let mut answer = self.ask_one(server, unit, client, request).await;
        if self.units.len() > 1 && answer.reply.is_none() {
            answer.reply = Some(Err(ModbusException::GatewayTargetFailedToRespond));
        }
        answer
    }

    /// Asks a device.
    pub(crate) async fn ask_one(
        &self,
        server: usize,
        unit: u8,
        client: &ModbusClient,
        request: &[u8],
    ) -> Answer {
        let Ok(_place) = self.open_requests.try_acquire() else {
            return Answer::of_itself(ModbusException::ServerDeviceBusy);
        };
        let (answer, mut answered) = oneshot::channel();
        if !self.put(server, unit, client, request, answer) {
            return Answer::of_itself(ModbusException::ServerDeviceBusy);
        }
        if let Ok(answer) = answered.try_recv() {
            return answer;
        }
        let answer = timeout(LONGEST_ANSWER, answered).await;
        answer
            .ok()
            .and_then(Result::ok)
            .unwrap_or(Answer::new(None, vec![]))
    }

    /// Gives a broadcast to every device, if it is a write: whatever they say to it, nobody hears.
    pub(crate) fn tell_all(&self, request: &[u8]) {
        const WRITES: [u8; 5] = [5, 6, 15, 16, 22];
        if WRITES.contains(&request[0]) {
            for (_, server) in &self.units {
                let (unheard, _) = oneshot::channel();
                self.put(*server, 0, &ModbusClient::default(), request, unheard);
            }
        }
    }

    fn put(
        &self,
        server: usize,
        unit: u8,
        client: &ModbusClient,
        request: &[u8],
        answer: oneshot::Sender<Answer>,
    ) -> bool {
        let at = self.inbox.clock.now();
        let arrival = Arrival::Request {
            at,
            server,
            unit,
            client: client.clone(),
            request: pdu::decode_request(request),
            answer,
        };
        self.inbox.ask(at, arrival).is_ok()
    }
}

/// An address where connections come in.
struct Port {
    /// Of the first device, for messages.
    tag: Tag,
    address: SocketAddr,
    devices: Arc<Devices>,
    tls: Option<TlsAcceptor>,
    link: watch::Receiver<Link>,
    /// The link as its connections know it: whoever is sent away finds the listener closed already.
    told: watch::Sender<Link>,
    /// Connections at the same time; more are closed at once, as small devices do.
    clients: u16,
    places: Arc<Semaphore>,
}

impl Port {
    async fn serve(mut self, listener: TcpListener) {
        let mut listener = Some(listener);
        loop {
            let link = *self.link.borrow_and_update();
            if link.refuses {
                listener = None;
            }
            self.told.send_replace(link);
            if !link.refuses && listener.is_none() {
                match bind(self.address) {
                    Ok(bound) => listener = Some(bound),
                    Err(error) => {
                        tracing::warn!("{}: cannot listen on {} again: {error}", self.tag, self.address);
                        sleep(REST).await;
                        continue;
                    }
                }
            }
            let accepted = async {
                match &listener {
                    Some(listener) => listener.accept().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                accepted = accepted => match accepted {
                    Ok((stream, peer)) => self.welcome(stream, peer),
                    Err(error) => {
                        tracing::warn!("{}: cannot accept a Modbus connection: {error}", self.tag);
                        sleep(REST).await;
                    }
                },
                changed = self.link.changed() => if changed.is_err() {
                    return; // the driver is gone
                },
            }
        }
    }

    fn welcome(&self, stream: TcpStream, peer: SocketAddr) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let tag = &self.tag;
            tracing::warn!(
                "{tag}: {} Modbus connections are open, {peer} is refused",
                self.clients
            );
            return;
        };
        // Without effect on what is said, only on when.
        let _ = stream.set_nodelay(true);
        let devices = Arc::clone(&self.devices);
        let link = self.told.subscribe();
        let tls = self.tls.clone();
        let tag = self.tag.clone();
        tokio::spawn(async move {
            let served = async {
                let mut client = ModbusClient {
                    from: Some(peer),
                    certificate: None,
                };
                let Some(tls) = tls else {
                    return Connection::new(stream, client, devices, link).serve().await;
                };
                let stream = timeout(HANDSHAKE, tls.accept(stream)).await??;
                let certificates = stream.get_ref().1.peer_certificates();
                let role = certificates.and_then(|all| modbus_tls::role(all.first()?));
                client.certificate = Some(ModbusCertificate { role });
                Connection::new(stream, client, devices, link).serve().await
            };
            if let Err(error) = served.await {
                tracing::debug!("{tag}: Modbus connection of {peer} ended: {error}");
            }
            drop(place);
        });
    }
}

/// What a connection goes over.
trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// The socket below.
    fn socket(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Stream for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// One client's connection.
struct Connection<S> {
    stream: S,
    /// Who is at the other end.
    client: ModbusClient,
    devices: Arc<Devices>,
    link: watch::Receiver<Link>,
}

impl<S: Stream> Connection<S> {
    fn new(stream: S, client: ModbusClient, devices: Arc<Devices>, link: watch::Receiver<Link>) -> Self {
        Self {
            stream,
            client,
            devices,
            link,
        }
    }

    /// Answers until the client leaves, or what it sends is not Modbus, or a link fault ends it.
    async fn serve(mut self) -> io::Result<()> {
        let mut raw = Vec::with_capacity(MAX_ADU);
        let mut kept = Vec::new();
        loop {
            let Some(request) = self.next(&mut raw).await? else {
                return Ok(());
            };
            let Some(answer) = self.answer(&request, &mut raw).await? else {
                return Ok(());
            };
            let reply = answer.reply.map(|reply| Adu {
                pdu: pdu::encode_reply(&request.pdu, &reply),
                ..request
            });
            let faulty = Faulty::new(reply, kept, &answer.faults, Adu::bytes);
            for (pause, piece) in &faulty.pieces {
                if !pause.is_zero() {
                    tokio::select! {
                        () = sleep(*pause) => {}
                        () = refused(&mut self.link) => return reset(&self.stream),
                    }
                }
                self.stream.write_all(piece).await?;
                self.stream.flush().await?;
            }
            kept = faulty.kept;
            match faulty.end {
                End::Open => {}
                End::Reset => return reset(&self.stream),
                End::HalfOpen => return self.play_dead(answer.links).await,
            }
        }
    }

    /// The next request; none if the client has left, or is sent away.
    async fn next(&mut self, raw: &mut Vec<u8>) -> io::Result<Option<Adu>> {
        loop {
            if let Some(adu) = Adu::take(raw)? {
                // 128 and above are functions of exceptions, which no client may send.
                if adu.pdu[0] >= 0x80 {
                    let text = format!("function {} is no request", adu.pdu[0]);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                }
                return Ok(Some(adu));
            }
            tokio::select! {
                read = self.stream.read_buf(raw) => if read? == 0 {
                    return Ok(None);
                },
                () = refused(&mut self.link) => {
                    reset(&self.stream)?;
                    return Ok(None);
                }
            }
        }
    }

    /// The device's answer; none if the client leaves, or is sent away, before it comes.
    async fn answer(&mut self, request: &Adu, raw: &mut Vec<u8>) -> io::Result<Option<Answer>> {
        let Self {
            stream,
            client,
            devices,
            link,
        } = self;
        let answer = devices.ask(request.unit, client, &request.pdu);
        tokio::pin!(answer);
        loop {
            tokio::select! {
                // First, so that the end of a fault which comes with the answer is still news to it.
                biased;
                answer = &mut answer => return Ok(Some(answer)),
                read = stream.read_buf(raw), if raw.len() < AHEAD => if read? == 0 {
                    return Ok(None);
                },
                () = refused(link) => {
                    reset(stream)?;
                    return Ok(None);
                }
            }
        }
    }

    /// Nothing is heeded or said until the client leaves or the fault has ended, which is a change of the link after these.
    /// The one that began the fault may still be unseen here.
    async fn play_dead(mut self, links: u64) -> io::Result<()> {
        let mut unheard = [0; MAX_ADU];
        loop {
            tokio::select! {
                read = self.stream.read(&mut unheard) => if read? == 0 {
                    return Ok(());
                },
                () = changed_after(&mut self.link, links) => return reset(&self.stream),
            }
        }
    }
}

/// The peer sees a reset, as soon as this connection is dropped.
fn reset(stream: &impl Stream) -> io::Result<()> {
    stream.socket().set_zero_linger()
}

/// Ends when a link has changed after so many changes.
async fn changed_after(link: &mut watch::Receiver<Link>, changes: u64) {
    let _ = link.wait_for(|link| link.change > changes).await;
}

/// Ends when connections are refused.
async fn refused(link: &mut watch::Receiver<Link>) {
    // Without a sender the driver is gone, and the runtime with it.
    let _ = link.wait_for(|link| link.refuses).await;
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn a_unit_has_one_device() {
        let devices = |units: &[(u8, usize)], unknown| Devices {
            units: units.to_vec(),
            unknown,
            inbox: Inbox::new(sync_channel(1).0),
            open_requests: Arc::new(Semaphore::new(1)),
        };
        let path = Err(Some(ModbusException::GatewayPathUnavailable));
        let target = Err(Some(ModbusException::GatewayTargetFailedToRespond));
        let alone = |unknown| [0, 1, 9, 255].map(|unit| devices(&[(1, 7)], unknown).find(unit));
        assert_eq!(alone(None), [Ok(7); 4]);
        assert_eq!(alone(Some(UnknownUnit::Answer)), [Ok(7); 4]);
        assert_eq!(
            alone(Some(UnknownUnit::Silence)),
            [Ok(7), Ok(7), Err(None), Ok(7)]
        );
        assert_eq!(
            alone(Some(UnknownUnit::GatewayPathUnavailable)),
            [Ok(7), Ok(7), path, Ok(7)]
        );
        let several = [(255, 7), (1, 8), (3, 9)];
        let gateway = |unknown| [0, 1, 2, 3, 255].map(|unit| devices(&several, unknown).find(unit));
        assert_eq!(gateway(None), [Ok(7), Ok(8), target, Ok(9), Ok(7)]);
        assert_eq!(
            gateway(Some(UnknownUnit::Silence)),
            [Ok(7), Ok(8), Err(None), Ok(9), Ok(7)]
        );
        let nobody = devices(&[(1, 8), (3, 9)], Some(UnknownUnit::Silence));
        assert_eq!(nobody.find(255), Err(None), "the gateway itself has no registers");
    }
}
