//! Modbus TCP servers of emulated devices.
//!
//! One listener per device that serves, all on one single-threaded runtime that sleeps while nothing
//! happens. A request becomes an arrival for the owner and waits for the device's answer; no answer within
//! [`LONGEST_ANSWER`] counts as silence. Requests of one connection are answered in order, one at a time.
//! Function codes 1 to 6, 15 and 16 are decoded; any other reaches the device as unsupported.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bess_types::{ModbusData, ModbusException, ModbusReply, ModbusRequest, Table, Tag};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::Server;
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};

use crate::error::FieldbusError;
use crate::modbus_guard::GuardedStream;
use crate::paced::{Arrival, Inbox};
use bess_rig::ModbusServerWire;

/// After this the connection is free for the client's next request. Real clients give up much earlier.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);
/// Connections to one server; more are closed at once, as small devices do.
const CONNECTIONS: usize = 16;
/// Requests waiting for answers, over all servers; more get exception 06.
const OPEN_REQUESTS: usize = 256;
/// Rest after a failed accept, such as with all file descriptors in use.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Longest answers of the protocol.
const MAX_BITS: usize = 2000;
const MAX_REGISTERS: usize = 125;

/// The thread on which all Modbus connections live.
#[derive(Debug)]
pub(crate) struct Runtime {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Runtime {
    pub(crate) fn start() -> Result<Self, FieldbusError> {
        let start = |source| FieldbusError::Start {
            what: "Modbus runtime",
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
            .name("bess-modbus".into())
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
            tracing::error!("the Modbus thread panicked");
        }
    }
}

/// The owner's side of all servers: requests that wait for an answer.
#[derive(Debug)]
pub(crate) struct Servers {
    open: BTreeMap<u64, oneshot::Sender<Option<ModbusReply>>>,
    next_token: u64,
}

impl Servers {
    /// Listens on every server's address.
    pub(crate) fn open(
        wires: &[ModbusServerWire],
        runtime: &Runtime,
        inbox: &Inbox,
    ) -> Result<Self, FieldbusError> {
        let open_requests = Arc::new(Semaphore::new(OPEN_REQUESTS));
        let _context = runtime.handle().enter();
        for wire in wires {
            let listener = bind(wire.listen).map_err(|source| {
                let (tag, address) = (wire.tag.clone(), wire.listen);
                if source.kind() == io::ErrorKind::AddrInUse {
                    FieldbusError::AddressInUse { tag, address }
                } else {
                    FieldbusError::Listen { tag, address, source }
                }
            })?;
            tokio::spawn(serve(
                listener,
                wire.tag.clone(),
                Device {
                    server: wire.device,
                    inbox: inbox.clone(),
                    open_requests: Arc::clone(&open_requests),
                },
            ));
        }
        Ok(Self {
            open: BTreeMap::new(),
            next_token: 0,
        })
    }

    /// Keeps the way back to a client; the token to answer it by.
    pub(crate) fn keep(&mut self, answer: oneshot::Sender<Option<ModbusReply>>) -> u64 {
        // Clients that left, and devices that never answered.
        if self.open.len() >= OPEN_REQUESTS {
            self.open.retain(|_, answer| !answer.is_closed());
        }
        let token = self.next_token;
        self.next_token += 1;
        self.open.insert(token, answer);
        token
    }

    /// Passes on a device's answer; without effect if the client has left.
    pub(crate) fn answer(&mut self, token: u64, reply: Option<ModbusReply>) {
        if let Some(answer) = self.open.remove(&token) {
            let _ = answer.send(reply);
        }
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

/// What every connection of one server has in common.
#[derive(Clone, Debug)]
struct Device {
    server: usize,
    inbox: Inbox,
    open_requests: Arc<Semaphore>,
}

async fn serve(listener: TcpListener, tag: Tag, device: Device) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let server = Server::new(listener);
    let tag = &tag;
    let on_connected = |stream: TcpStream, peer: SocketAddr| {
        let connection = Arc::clone(&places).try_acquire_owned().ok().map(|place| {
            // Without effect on what is said, only on when.
            let _ = stream.set_nodelay(true);
            let stream = Arc::new(stream);
            let (guarded, malformed) = GuardedStream::new(Arc::clone(&stream));
            let device = device.clone();
            (
                Connection {
                    device,
                    stream,
                    malformed,
                    _place: place,
                },
                guarded,
            )
        });
        if connection.is_none() {
            tracing::warn!("{tag}: {CONNECTIONS} Modbus connections are open, {peer} is refused");
        }
        std::future::ready(Ok(connection))
    };
    loop {
        let on_error = {
            let tag = tag.clone();
            move |error: io::Error| tracing::debug!("{tag}: Modbus connection ended: {error}")
        };
        if let Err(error) = server.serve(&on_connected, on_error).await {
            tracing::warn!("{tag}: cannot accept a Modbus connection: {error}");
        }
        tokio::time::sleep(ACCEPT_REST).await;
    }
}

/// One client's connection.
struct Connection {
    device: Device,
    stream: Arc<TcpStream>,
    malformed: Arc<AtomicBool>,
    _place: OwnedSemaphorePermit,
}

impl Service for Connection {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = Pin<Box<dyn Future<Output = Result<Option<Response>, ExceptionCode>> + Send>>;

    fn call(&self, SlaveRequest { slave: unit, request }: Self::Request) -> Self::Future {
        let decoded = decode(&request, self.malformed.load(Ordering::Relaxed));
        let device = self.device.clone();
        let stream = Arc::clone(&self.stream);
        Box::pin(async move {
            let Ok(_place) = Arc::clone(&device.open_requests).try_acquire_owned() else {
                return Err(ExceptionCode::ServerDeviceBusy);
            };
            let (answer, answered) = oneshot::channel();
            let arrival = Arrival::Request {
                at: device.inbox.clock.now(),
                server: device.server,
                unit,
                request: decoded,
                answer,
            };
            if device.inbox.put(arrival).is_err() {
                return Err(ExceptionCode::ServerDeviceBusy);
            }
            let reply = tokio::select! {
                reply = tokio::time::timeout(LONGEST_ANSWER, answered) => reply.ok().and_then(Result::ok).flatten(),
                () = left(&stream) => None,
            };
            match reply {
                None => Ok(None),
                Some(Err(exception)) => Err(ExceptionCode::new(exception.code())),
                Some(Ok(data)) => encode(&request, data).map(Some),
            }
        })
    }
}

/// Ends when the client closes its side, unless it has sent a further request first.
async fn left(stream: &TcpStream) {
    if matches!(stream.peek(&mut [0]).await, Ok(1..)) {
        std::future::pending::<()>().await;
    }
}

/// The request as a device sees it. A malformed one is like one for no items: exception 03.
fn decode(request: &Request<'_>, malformed: bool) -> ModbusRequest {
    let read = |table, address: &u16, count: &u16| ModbusRequest::Read {
        table,
        address: *address,
        count: if malformed { 0 } else { *count },
    };
    let coils = |address: &u16, values: &[bool]| ModbusRequest::WriteCoils {
        address: *address,
        values: if malformed { Vec::new() } else { values.to_vec() },
    };
    let registers = |address: &u16, values: &[u16]| ModbusRequest::WriteRegisters {
        address: *address,
        values: if malformed { Vec::new() } else { values.to_vec() },
    };
    match request {
        Request::ReadCoils(address, count) => read(Table::Coil, address, count),
        Request::ReadDiscreteInputs(address, count) => read(Table::DiscreteInput, address, count),
        Request::ReadHoldingRegisters(address, count) => read(Table::Holding, address, count),
        Request::ReadInputRegisters(address, count) => read(Table::Input, address, count),
        Request::WriteSingleCoil(address, value) => coils(address, &[*value]),
        Request::WriteMultipleCoils(address, values) => coils(address, values),
        Request::WriteSingleRegister(address, value) => registers(address, &[*value]),
        Request::WriteMultipleRegisters(address, values) => registers(address, values),
        other => ModbusRequest::Unsupported {
            function: other.function_code().value(),
        },
    }
}

/// The answer on the wire; exception 04 if the data does not answer this request.
fn encode(request: &Request<'_>, data: ModbusData) -> Result<Response, ExceptionCode> {
    let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let fits = match (request, &data) {
        (Request::ReadCoils(_, n) | Request::ReadDiscreteInputs(_, n), ModbusData::Bits(bits)) => {
            bits.len() == usize::from(*n) && bits.len() <= MAX_BITS
        }
        (
            Request::ReadHoldingRegisters(_, n) | Request::ReadInputRegisters(_, n),
            ModbusData::Registers(registers),
        ) => registers.len() == usize::from(*n) && registers.len() <= MAX_REGISTERS,
        _ => true,
    };
    match (request, data) {
        _ if !fits => Err(ExceptionCode::ServerDeviceFailure),
        (Request::ReadCoils(..), ModbusData::Bits(bits)) => Ok(Response::ReadCoils(bits)),
        (Request::ReadDiscreteInputs(..), ModbusData::Bits(bits)) => Ok(Response::ReadDiscreteInputs(bits)),
        (Request::ReadHoldingRegisters(..), ModbusData::Registers(registers)) => {
            Ok(Response::ReadHoldingRegisters(registers))
        }
        (Request::ReadInputRegisters(..), ModbusData::Registers(registers)) => {
            Ok(Response::ReadInputRegisters(registers))
        }
        (Request::WriteSingleCoil(address, value), ModbusData::Written) => {
            Ok(Response::WriteSingleCoil(*address, *value))
        }
        (Request::WriteMultipleCoils(address, values), ModbusData::Written) => {
            Ok(Response::WriteMultipleCoils(*address, count(values.len())))
        }
        (Request::WriteSingleRegister(address, value), ModbusData::Written) => {
            Ok(Response::WriteSingleRegister(*address, *value))
        }
        (Request::WriteMultipleRegisters(address, values), ModbusData::Written) => {
            Ok(Response::WriteMultipleRegisters(*address, count(values.len())))
        }
        _ => Err(ExceptionCode::ServerDeviceFailure),
    }
}

/// A server's exception as a client device sees it. Codes the rig has no word for are failures (04).
pub(crate) fn exception(code: ExceptionCode) -> ModbusException {
    match code {
        ExceptionCode::IllegalFunction => ModbusException::IllegalFunction,
        ExceptionCode::IllegalDataAddress => ModbusException::IllegalDataAddress,
        ExceptionCode::IllegalDataValue => ModbusException::IllegalDataValue,
        ExceptionCode::ServerDeviceBusy => ModbusException::ServerDeviceBusy,
        ExceptionCode::GatewayPathUnavailable => ModbusException::GatewayPathUnavailable,
        ExceptionCode::GatewayTargetDevice => ModbusException::GatewayTargetFailedToRespond,
        ExceptionCode::ServerDeviceFailure
        | ExceptionCode::Acknowledge
        | ExceptionCode::MemoryParityError
        | ExceptionCode::Custom(_) => ModbusException::ServerDeviceFailure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_decoded_by_meaning() {
        assert_eq!(
            decode(&Request::WriteSingleRegister(7, 9), false),
            ModbusRequest::WriteRegisters {
                address: 7,
                values: vec![9]
            }
        );
        assert_eq!(
            decode(&Request::ReadInputRegisters(7, 9), false),
            ModbusRequest::Read {
                table: Table::Input,
                address: 7,
                count: 9
            }
        );
        assert_eq!(
            decode(&Request::MaskWriteRegister(0, 0, 0), false),
            ModbusRequest::Unsupported { function: 0x16 }
        );
        assert_eq!(
            decode(&Request::WriteSingleCoil(3, true), true),
            ModbusRequest::WriteCoils {
                address: 3,
                values: vec![]
            }
        );
    }

    #[test]
    fn an_answer_of_the_wrong_size_is_a_device_failure() {
        let two = ModbusData::Registers(vec![1, 2]);
        assert!(encode(&Request::ReadHoldingRegisters(0, 2), two.clone()).is_ok());
        assert!(encode(&Request::ReadHoldingRegisters(0, 3), two.clone()).is_err());
        assert!(encode(&Request::ReadCoils(0, 2), two).is_err());
        assert!(encode(&Request::ReadCoils(0, 2), ModbusData::Written).is_err());
    }

    #[test]
    fn exception_codes_keep_their_number() {
        for code in [1, 2, 3, 4, 6, 0x0A, 0x0B] {
            assert_eq!(exception(ExceptionCode::new(code)).code(), code);
        }
        assert_eq!(
            exception(ExceptionCode::Acknowledge),
            ModbusException::ServerDeviceFailure
        );
    }
}
