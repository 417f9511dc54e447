//! Modbus RTU lines: emulated devices that answer on one, and a master of ours that asks on one.
//!
//! A pseudo-terminal and TCP hand over bytes at once. So that nobody sees a reply earlier than the line allows, a
//! request counts as heard when its last bit would have come, and a reply is handed over when its last bit would have.
//! What a real device does not answer is not answered: a wrong checksum, another's unit id, a broadcast, the reserved
//! unit ids 248 to 255. Bytes that are no frame are counted.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bess_devices::Token;
use bess_devices::codec::modbus::pdu;
use bess_rig::config::line::{CrcOrder, LineFormat, ModbusAddress};
use bess_rig::{LineEnd, RtuLineWire, Wires};
use bess_types::{ModbusClient, ModbusReply, ModbusRequest};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::error::FieldbusError;
use crate::health::count;
use crate::modbus_adu::{Adu, Faulty};
use crate::modbus_client::{Ask, QUEUE, Rest};
use crate::modbus_port::{Link, Port};
use crate::modbus_rtu::{self, Direction, Frame, MAX_FRAME, Receiver, Timing};
use crate::modbus_server::{Answer, Devices, REST, Runtime, bind};
use crate::paced::{Arrival, Inbox};

/// Everybody on the line.
const BROADCAST: u8 = 0;
/// Replies under way on one line; a master asks one device at a time.
const REPLIES: usize = 8;

/// The owner's side of all lines.
#[derive(Debug)]
pub(crate) struct Lines {
    /// Of lines where devices of ours ask.
    masters: BTreeMap<usize, mpsc::Sender<(usize, Ask)>>,
    /// Names, and paths or addresses.
    pub(crate) places: Vec<(String, String)>,
    links: Vec<Link>,
}

impl Lines {
    /// Opens every line; `devices` makes those of a line.
    pub(crate) fn open(
        wires: &Wires,
        runtime: &Runtime,
        inbox: &Inbox,
        patience: Duration,
        devices: impl Fn(Vec<(u8, usize)>) -> Devices,
    ) -> Result<Self, FieldbusError> {
        let _context = runtime.handle().enter();
        let mut lines = Self {
            masters: BTreeMap::new(),
            places: Vec::new(),
            links: Vec::new(),
        };
        for wire in &wires.lines {
            let line = Line {
                name: wire.name.clone(),
                timing: Timing::new(
                    &wire.format,
                    matches!(wire.end, LineEnd::Serial(_)),
                    !matches!(wire.end, LineEnd::NewPty { .. } | LineEnd::Pty(_)),
                ),
                order: wire.format.crc,
                inbox: inbox.clone(),
            };
            let end = lines.end(wire)?;
            if wire.asks {
                let (queue, asks) = mpsc::channel(QUEUE);
                let master = Master {
                    line,
                    end,
                    patience,
                    quiet_from: Instant::now(),
                };
                tokio::spawn(master.serve(asks));
                lines.masters.insert(wire.line, queue);
            } else {
                let own = wires.servers.iter();
                let own = own.filter(|server| server.address == ModbusAddress::Line(wire.line));
                let devices = devices(own.map(|server| (server.unit, server.device)).collect());
                tokio::spawn(Arc::new(Slaves { line, devices }).serve(end));
            }
        }
        Ok(lines)
    }

    /// Sends a request of a device of ours; `false` if too many wait already, and then no reply will come.
    pub(crate) fn ask(&self, line: usize, client: usize, ask: Ask) -> bool {
        let queue = self.masters.get(&line);
        queue.is_some_and(|queue| queue.try_send((client, ask)).is_ok())
    }

    fn end(&mut self, wire: &RtuLineWire) -> Result<End, FieldbusError> {
        let failed = |what: String| {
            let line = wire.name.clone();
            move |source: io::Error| FieldbusError::Line { line, what, source }
        };
        let (end, place) = match &wire.end {
            LineEnd::NewPty { link } => {
                let (port, path) = Port::new_pty().map_err(failed("make a pseudo-terminal".into()))?;
                if let Some(link) = link {
                    let made = Link::new(link, &path).map_err(failed(format!("make the link {link}")))?;
                    self.links.push(made);
                }
                let path = path.to_string_lossy().into_owned();
                (End::Terminal(Terminal::own(port)), link.clone().unwrap_or(path))
            }
            LineEnd::Pty(path) => {
                let terminal = Terminal::open(path, None);
                let terminal =
                    terminal.map_err(failed(format!("open {path}, which the rig's process makes")))?;
                (End::Terminal(terminal), path.clone())
            }
            LineEnd::Serial(path) => {
                let terminal = Terminal::open(path, Some(wire.format));
                let terminal = terminal.map_err(failed(format!("open the serial device {path}")))?;
                (End::Terminal(terminal), path.clone())
            }
            LineEnd::Listen(address) => {
                let listener = bind(*address).map_err(failed(format!("listen on {address}")))?;
                (End::Listener(listener), address.to_string())
            }
            LineEnd::Connect(address) => {
                let remote = End::Remote {
                    address: *address,
                    port: None,
                    rest: Rest::default(),
                };
                (remote, address.to_string())
            }
        };
        self.places.push((wire.name.clone(), place));
        Ok(end)
    }
}

/// What a line is reached through.
enum End {
    Terminal(Terminal),
    Listener(TcpListener),
    Remote {
        address: SocketAddr,
        port: Option<Port>,
        rest: Rest,
    },
}

/// A terminal, opened again when it broke: an adapter may be put back, a rig that made it may start anew.
struct Terminal {
    port: Option<Port>,
    /// Where it is found again; a pseudo-terminal made here is held open, and does not break.
    path: Option<(String, Option<LineFormat>)>,
    rest: Rest,
}

impl Terminal {
    fn own(port: Port) -> Self {
        Self {
            port: Some(port),
            path: None,
            rest: Rest::default(),
        }
    }

    fn open(path: &str, format: Option<LineFormat>) -> io::Result<Self> {
        Ok(Self {
            port: Some(Port::terminal(path, format.as_ref())?),
            path: Some((path.to_owned(), format)),
            rest: Rest::default(),
        })
    }

    /// The open port, to be put back as long as it is whole.
    ///
    /// # Errors
    /// If it is not there now.
    async fn take(&mut self, line: &str) -> io::Result<Port> {
        if let Some(port) = self.port.take() {
            return Ok(port);
        }
        let (path, format) = self.path.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let open = || async { Port::terminal(path, format.as_ref()) };
        let port = self.rest.connect(open).await?;
        tracing::warn!("RTU line {line}: {path} is back");
        Ok(port)
    }
}

/// What both sides of a line know of it.
struct Line {
    name: String,
    timing: Timing,
    order: CrcOrder,
    inbox: Inbox,
}

/// Emulated devices on a line.
struct Slaves {
    line: Line,
    devices: Devices,
}

/// A reply on its way back to the line.
struct Reply {
    unit: u8,
    pdu: Option<Vec<u8>>,
    faults: Vec<bess_rig::WireFault>,
}

impl Slaves {
    async fn serve(self: Arc<Self>, end: End) {
        match end {
            End::Terminal(mut terminal) => loop {
                match terminal.take(&self.line.name).await {
                    Ok(port) => Arc::clone(&self).serve_port(port).await,
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => return,
                    Err(error) => tracing::debug!("RTU line {}: {error}", self.line.name),
                }
                // A terminal that opens and breaks at once is asked no more often than this.
                sleep(REST).await;
            },
            // As a serial device server has it: one connection at a time.
            End::Listener(listener) => loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let _ = stream.set_nodelay(true);
                        tokio::select! {
                            () = Arc::clone(&self).serve_port(Port::Tcp(stream)) => {}
                            () = turn_away(&listener) => {}
                        }
                    }
                    Err(error) => {
                        tracing::warn!("RTU line {}: cannot accept a connection: {error}", self.line.name);
                        sleep(REST).await;
                    }
                }
            },
            // A line of servers waits to be connected to.
            End::Remote { .. } => {}
        }
    }

    /// Answers until the other side hangs up.
    async fn serve_port(self: Arc<Self>, mut port: Port) {
        let (replies, mut ready) = mpsc::channel(REPLIES);
        let mut receiver = Receiver::new(Direction::Request, self.line.order);
        let mut kept = Vec::new();
        let mut bytes = [0; MAX_FRAME];
        // When the frame that is coming in began, and when its last byte came.
        let mut began = None;
        let mut last = Instant::now();
        loop {
            tokio::select! {
                // What has come is heard before it is silence.
                biased;
                read = port.read(&mut bytes) => {
                    let read = match read {
                        Ok(0) => return self.line.broke(&port, &io::ErrorKind::UnexpectedEof.into()),
                        Ok(read) => read,
                        Err(error) => return self.line.broke(&port, &error),
                    };
                    last = Instant::now();
                    receiver.take(&bytes[..read]);
                    let began_at = *began.get_or_insert(last);
                    while let Some(frame) = receiver.frame() {
                        port.forget_unheard();
                        self.hear(frame, began_at, &replies);
                    }
                    if receiver.is_empty() {
                        began = None;
                    }
                }
                () = sleep_until(last + self.line.timing.patience), if began.is_some() => {
                    match receiver.silence() {
                        Some(Ok(frame)) => self.hear(frame, began.unwrap_or(last), &replies),
                        Some(Err(_)) => count(&self.line.inbox.losses.undecoded, 1),
                        None => {}
                    }
                    began = None;
                }
                Some(reply) = ready.recv() => {
                    if let Err(error) = self.say(&mut port, reply, &mut kept).await {
                        return self.line.broke(&port, &error);
                    }
                }
            }
        }
    }

    /// Gives a frame that began to come at `began` to whom it is for.
    fn hear(self: &Arc<Self>, frame: Frame, began: Instant, replies: &mpsc::Sender<Reply>) {
        let heard =
            Instant::now().max(began + self.line.timing.of(frame.length())) + self.line.timing.silence;
        let Frame { unit, pdu } = frame;
        // 128 and above are functions of replies: another device's.
        if pdu[0] >= 0x80 {
            return;
        }
        let server = self.devices.on_line(unit);
        if unit != BROADCAST && server.is_none() {
            return;
        }
        let slaves = Arc::clone(self);
        let replies = replies.clone();
        tokio::spawn(async move {
            sleep_until(heard).await;
            let Some(server) = server else {
                slaves.devices.tell_all(&pdu);
                return;
            };
            let Answer { reply, faults, .. } = slaves
                .devices
                .ask_one(server, unit, &ModbusClient::default(), &pdu)
                .await;
            sleep_until(heard + slaves.line.timing.turnaround).await;
            // Without a receiver the line is gone.
            let _ = replies
                .send(Reply {
                    unit,
                    pdu: reply.map(|reply| pdu::encode_reply(&pdu, &reply)),
                    faults,
                })
                .await;
        });
    }

    /// Puts a reply on the line, as link faults would have it.
    async fn say(&self, port: &mut Port, reply: Reply, kept: &mut Vec<u8>) -> io::Result<()> {
        let adu = reply.pdu.map(|pdu| Adu {
            transaction: 0,
            unit: reply.unit,
            pdu,
        });
        let order = self.line.order;
        let faulty = Faulty::new(adu, std::mem::take(kept), &reply.faults, |adu| {
            modbus_rtu::bytes(adu.unit, &adu.pdu, order)
        });
        for (pause, piece) in &faulty.pieces {
            sleep(*pause + self.line.timing.of(piece.len())).await;
            port.write(piece).await?;
        }
        *kept = faulty.kept;
        Ok(())
    }
}

/// Closes every connection that comes in.
async fn turn_away(listener: &TcpListener) {
    loop {
        match listener.accept().await {
            Ok((_stream, peer)) => tracing::debug!("{peer} is turned away: the line is in use"),
            Err(_) => sleep(REST).await,
        }
    }
}

/// A device of ours that asks on a line.
struct Master {
    line: Line,
    end: End,
    /// How long a device may take to begin its reply.
    patience: Duration,
    /// When the line fell silent.
    quiet_from: Instant,
}

impl Master {
    async fn serve(mut self, mut asks: mpsc::Receiver<(usize, Ask)>) {
        while let Some((client, Ask { token, unit, request })) = asks.recv().await {
            let reply = match self.call(unit, &request).await {
                Ok(reply) => Some(reply),
                Err(error) => {
                    tracing::debug!("RTU line {}, unit {unit}: {error}", self.line.name);
                    None
                }
            };
            self.line.hand_over(client, token, reply);
        }
    }

    /// The reply to a request.
    ///
    /// # Errors
    /// Why there is none.
    async fn call(&mut self, unit: u8, request: &ModbusRequest) -> io::Result<ModbusReply> {
        let Self {
            line,
            end,
            patience,
            quiet_from,
        } = self;
        match end {
            End::Terminal(terminal) => {
                let mut open = timeout(*patience, terminal.take(&line.name)).await??;
                let reply = line.call(&mut open, *patience, quiet_from, unit, request).await;
                match &reply {
                    Err(error) if error.kind() != io::ErrorKind::TimedOut => line.broke(&open, error),
                    _ => terminal.port = Some(open),
                }
                reply
            }
            End::Remote { address, port, rest } => {
                // It is put back after a good reply only.
                let mut open = match port.take() {
                    Some(open) => open,
                    None => {
                        let connect = rest.connect(|| TcpStream::connect(*address));
                        let stream = timeout(*patience, connect).await??;
                        let _ = stream.set_nodelay(true);
                        Port::Tcp(stream)
                    }
                };
                let reply = line.call(&mut open, *patience, quiet_from, unit, request).await?;
                *port = Some(open);
                Ok(reply)
            }
            End::Listener(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl Line {
    /// A connection may end; a terminal that does is trouble of the rig.
    fn broke(&self, port: &Port, error: &io::Error) {
        let text = format!("RTU line {}: {error}", self.name);
        match port {
            Port::Tcp(_) => tracing::debug!("{text}"),
            Port::Terminal { .. } => self.inbox.losses.interface_trouble(text),
        }
    }

    fn hand_over(&self, client: usize, token: Token, reply: Option<ModbusReply>) {
        let at = self.inbox.clock.now();
        // If there is no room, the inbox has counted the loss.
        let _ = self.inbox.put(Arrival::Reply {
            at,
            client,
            token,
            reply,
        });
    }

    async fn call(
        &self,
        port: &mut Port,
        patience: Duration,
        quiet_from: &mut Instant,
        unit: u8,
        request: &ModbusRequest,
    ) -> io::Result<ModbusReply> {
        let timing = &self.timing;
        let mut bytes = [0; MAX_FRAME];
        // What comes before the request answers an earlier one.
        while let Ok(read) = timeout(Duration::ZERO, port.read(&mut bytes)).await {
            if read? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            count(&self.inbox.losses.undecoded, 1);
        }
        sleep_until(*quiet_from + timing.silence).await;
        let asked = modbus_rtu::bytes(unit, &pdu::encode_request(request), self.order);
        let sent = Instant::now() + timing.of(asked.len());
        port.write(&asked).await?;
        let mut receiver = Receiver::new(Direction::Reply, self.order);
        // A reply that has begun may end: its bytes are on the line.
        let deadline = sent + patience + timing.of(MAX_FRAME);
        let mut last = sent;
        *quiet_from = sent;
        loop {
            let until = if receiver.is_empty() {
                deadline
            } else {
                deadline.min(last + timing.patience)
            };
            let frame = match timeout_at(until, port.read(&mut bytes)).await {
                Ok(read) => {
                    let read = read?;
                    if read == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    last = Instant::now();
                    receiver.take(&bytes[..read]);
                    receiver.frame()
                }
                Err(_) => match receiver.silence() {
                    Some(Ok(frame)) => Some(frame),
                    Some(Err(_)) => {
                        count(&self.inbox.losses.undecoded, 1);
                        None
                    }
                    None => {
                        *quiet_from = Instant::now();
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                },
            };
            let Some(frame) = frame else { continue };
            let reply = (frame.unit == unit)
                .then(|| pdu::decode_reply(request, &frame.pdu))
                .flatten();
            if let Some(reply) = reply {
                sleep_until(sent + timing.silence + timing.of(frame.length())).await;
                *quiet_from = Instant::now();
                return Ok(reply);
            }
            count(&self.inbox.losses.undecoded, 1);
        }
    }
}
