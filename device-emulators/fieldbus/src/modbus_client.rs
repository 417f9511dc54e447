//! Modbus TCP connections of emulated devices that are clients.
//!
//! One connection per client device and address, opened with the first request and again after any failure.
//! Requests of one connection go out in order, one at a time. A timeout, a refused or broken connection and
//! an answer that does not fit all come back as no reply, and end the connection, so that a late answer can
//! never be taken for the next one. Single coils go out as function 5, more as 15; registers always as 16,
//! which is the one every SunSpec device must have.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bess_types::{ModbusData, ModbusReply, ModbusRequest, Table};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_modbus::client::{Client as _, Context, tcp};
use tokio_modbus::slave::SlaveContext as _;
use tokio_modbus::{Request, Response, Slave};

use crate::health::count;
use crate::modbus_server::{Runtime, exception};
use crate::paced::{Arrival, Inbox};
use bess_devices::Token;

/// Requests waiting on one connection; devices ask one at a time, so this is generous.
const QUEUE: usize = 64;

/// The owner's side of all client connections.
#[derive(Debug)]
pub(crate) struct Clients {
    runtime: Handle,
    inbox: Inbox,
    patience: Duration,
    connections: BTreeMap<(usize, SocketAddr), mpsc::Sender<Ask>>,
}

#[derive(Debug)]
struct Ask {
    token: Token,
    unit: u8,
    request: ModbusRequest,
}

impl Clients {
    pub(crate) fn new(runtime: &Runtime, inbox: Inbox, patience: Duration) -> Self {
        Self {
            runtime: runtime.handle().clone(),
            inbox,
            patience,
            connections: BTreeMap::new(),
        }
    }

    /// Sends a request of device `client`; `false` if too many wait already, and then no reply will come.
    pub(crate) fn ask(
        &mut self,
        client: usize,
        address: SocketAddr,
        token: Token,
        unit: u8,
        request: ModbusRequest,
    ) -> bool {
        let queue = self.connections.entry((client, address)).or_insert_with(|| {
            let (queue, asks) = mpsc::channel(QUEUE);
            let connection = Connection {
                address,
                patience: self.patience,
                context: None,
            };
            self.runtime
                .spawn(connection.serve(client, asks, self.inbox.clone()));
            queue
        });
        let taken = queue.try_send(Ask { token, unit, request }).is_ok();
        if !taken {
            count(&self.inbox.losses.modbus, 1);
        }
        taken
    }
}

struct Connection {
    address: SocketAddr,
    patience: Duration,
    context: Option<Context>,
}

impl Connection {
    async fn serve(mut self, client: usize, mut asks: mpsc::Receiver<Ask>, inbox: Inbox) {
        while let Some(Ask { token, unit, request }) = asks.recv().await {
            let reply = self.call(unit, &request).await;
            if reply.is_none() {
                self.context = None;
            }
            let at = inbox.clock.now();
            // If there is no room, the inbox has counted the loss.
            let _ = inbox.put(Arrival::Reply {
                at,
                client,
                token,
                reply,
            });
        }
    }

    async fn call(&mut self, unit: u8, request: &ModbusRequest) -> Option<ModbusReply> {
        let context = if let Some(context) = &mut self.context {
            context
        } else {
            let stream = timeout(self.patience, TcpStream::connect(self.address))
                .await
                .ok()?
                .ok()?;
            // Without effect on what is said, only on when.
            let _ = stream.set_nodelay(true);
            self.context.insert(tcp::attach(stream))
        };
        context.set_slave(Slave(unit));
        match timeout(self.patience, context.call(encode(request))).await.ok()? {
            Ok(Ok(response)) => decode(request, response).map(Ok),
            Ok(Err(code)) => Some(Err(exception(code))),
            Err(error) => {
                tracing::debug!("Modbus request to {}: {error}", self.address);
                None
            }
        }
    }
}

fn encode(request: &ModbusRequest) -> Request<'_> {
    match request {
        ModbusRequest::Read {
            table,
            address,
            count,
        } => match table {
            Table::Coil => Request::ReadCoils(*address, *count),
            Table::DiscreteInput => Request::ReadDiscreteInputs(*address, *count),
            Table::Holding => Request::ReadHoldingRegisters(*address, *count),
            Table::Input => Request::ReadInputRegisters(*address, *count),
        },
        ModbusRequest::WriteCoils { address, values } => match values[..] {
            [value] => Request::WriteSingleCoil(*address, value),
            _ => Request::WriteMultipleCoils(*address, Cow::Borrowed(values)),
        },
        ModbusRequest::WriteRegisters { address, values } => {
            Request::WriteMultipleRegisters(*address, Cow::Borrowed(values))
        }
        ModbusRequest::Unsupported { function } => Request::Custom(*function, Cow::Borrowed(&[])),
    }
}

/// The answer's data; `None` if it does not answer this request.
fn decode(request: &ModbusRequest, response: Response) -> Option<ModbusData> {
    match (request, response) {
        (
            ModbusRequest::Read { count, .. },
            Response::ReadCoils(mut bits) | Response::ReadDiscreteInputs(mut bits),
        ) => {
            // The wire carries whole bytes.
            let count = usize::from(*count);
            (bits.len() >= count).then(|| {
                bits.truncate(count);
                ModbusData::Bits(bits)
            })
        }
        (
            ModbusRequest::Read { count, .. },
            Response::ReadHoldingRegisters(registers) | Response::ReadInputRegisters(registers),
        ) => (registers.len() == usize::from(*count)).then_some(ModbusData::Registers(registers)),
        (
            ModbusRequest::WriteCoils { .. },
            Response::WriteSingleCoil(..) | Response::WriteMultipleCoils(..),
        )
        | (ModbusRequest::WriteRegisters { .. }, Response::WriteMultipleRegisters(..))
        | (ModbusRequest::Unsupported { .. }, Response::Custom(..)) => Some(ModbusData::Written),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_cut_to_what_was_asked() {
        let request = ModbusRequest::Read {
            table: Table::Coil,
            address: 0,
            count: 3,
        };
        let byte = vec![true, false, true, false, false, false, false, false];
        assert_eq!(
            decode(&request, Response::ReadCoils(byte)),
            Some(ModbusData::Bits(vec![true, false, true]))
        );
        assert_eq!(decode(&request, Response::ReadCoils(vec![true])), None);
        assert_eq!(decode(&request, Response::ReadInputRegisters(vec![1])), None);
    }

    #[test]
    fn registers_go_out_as_function_16() {
        let request = ModbusRequest::WriteRegisters {
            address: 1,
            values: vec![2],
        };
        assert_eq!(encode(&request).function_code().value(), 16);
        let request = ModbusRequest::WriteCoils {
            address: 1,
            values: vec![true],
        };
        assert_eq!(encode(&request).function_code().value(), 5);
    }
}
