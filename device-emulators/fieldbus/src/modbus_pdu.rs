//! Modbus PDUs between the Modbus library's types and the rig's: what is asked and answered, whatever carries it.
//!
//! Single coils go out as function 5, more as 15; registers always as 16, which is the one every SunSpec device
//! must have.

use std::borrow::Cow;

use bess_types::{ModbusData, ModbusException, ModbusReply, ModbusRequest, Table};
use tokio_modbus::bytes::Bytes;
use tokio_modbus::{ExceptionCode, Request, Response};

/// Longest answers of the protocol.
const MAX_BITS: usize = 2000;
const MAX_REGISTERS: usize = 125;

/// The request in a PDU.
pub(crate) fn decode_request(pdu: &[u8]) -> ModbusRequest {
    let (request, malformed) = understood(pdu);
    request.map_or(ModbusRequest::Unsupported { function: pdu[0] }, |request| {
        decode(&request, malformed)
    })
}

/// The PDU that answers the request in another.
pub(crate) fn encode_reply(request: &[u8], reply: &ModbusReply) -> Vec<u8> {
    let refuse = |code: u8| vec![request[0] | 0x80, code];
    let data = match reply {
        Err(exception) => return refuse(exception.code()),
        Ok(data) => data.clone(),
    };
    let encoded = understood(request).0.map(|request| encode(&request, data));
    match encoded {
        Some(Ok(response)) => response_bytes(&response),
        Some(Err(code)) => refuse(code.into()),
        None => refuse(4),
    }
}

/// The PDU of a request.
pub(crate) fn encode_request(request: &ModbusRequest) -> Vec<u8> {
    let request = to_library(request);
    let mut pdu = vec![request.function_code().value()];
    match &request {
        Request::ReadCoils(address, count)
        | Request::ReadDiscreteInputs(address, count)
        | Request::ReadHoldingRegisters(address, count)
        | Request::ReadInputRegisters(address, count) => put(&mut pdu, &[*address, *count]),
        Request::WriteSingleCoil(address, value) => {
            put(&mut pdu, &[*address, if *value { 0xFF00 } else { 0 }]);
        }
        Request::WriteMultipleCoils(address, values) => {
            put(&mut pdu, &[*address, count(values.len())]);
            counted(&mut pdu, &packed(values));
        }
        Request::WriteMultipleRegisters(address, values) => {
            put(&mut pdu, &[*address, count(values.len())]);
            counted(&mut pdu, &bytes_of(values));
        }
        _ => {}
    }
    pdu
}

/// The answer in a PDU; `None` if it does not answer this request.
pub(crate) fn decode_reply(request: &ModbusRequest, pdu: &[u8]) -> Option<ModbusReply> {
    let function = to_library(request).function_code().value();
    let bytes = Bytes::copy_from_slice(pdu);
    match *pdu {
        [first, code] if first == function | 0x80 => Some(Err(exception(ExceptionCode::new(code)))),
        [first, ..] if first == function => from_library(request, Response::try_from(bytes).ok()?).map(Ok),
        _ => None,
    }
}

fn understood(pdu: &[u8]) -> (Option<Request<'static>>, bool) {
    let (pdu, malformed) = replacement(pdu).unwrap_or((pdu, false));
    (Request::try_from(Bytes::copy_from_slice(pdu)).ok(), malformed)
}

fn response_bytes(response: &Response) -> Vec<u8> {
    let mut pdu = vec![response.function_code().value()];
    match response {
        Response::ReadCoils(bits) | Response::ReadDiscreteInputs(bits) => counted(&mut pdu, &packed(bits)),
        Response::ReadHoldingRegisters(registers) | Response::ReadInputRegisters(registers) => {
            counted(&mut pdu, &bytes_of(registers));
        }
        Response::WriteSingleCoil(address, value) => {
            put(&mut pdu, &[*address, if *value { 0xFF00 } else { 0 }]);
        }
        Response::WriteSingleRegister(address, value)
        | Response::WriteMultipleCoils(address, value)
        | Response::WriteMultipleRegisters(address, value) => put(&mut pdu, &[*address, *value]),
        _ => {}
    }
    pdu
}

fn put(pdu: &mut Vec<u8>, words: &[u16]) {
    pdu.extend(bytes_of(words));
}

fn counted(pdu: &mut Vec<u8>, bytes: &[u8]) {
    pdu.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    pdu.extend_from_slice(bytes);
}

fn count(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

fn bytes_of(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn packed(bits: &[bool]) -> Vec<u8> {
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
    bits.chunks(8).map(byte).collect()
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
fn exception(code: ExceptionCode) -> ModbusException {
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

/// A device's request in the library's words.
fn to_library(request: &ModbusRequest) -> Request<'_> {
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
fn from_library(request: &ModbusRequest, response: Response) -> Option<ModbusData> {
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

/// What to pass on instead of `pdu`, and whether it was malformed; `None` if it may pass as it is.
fn replacement(pdu: &[u8]) -> Option<(&'static [u8], bool)> {
    let word = |at: usize| {
        pdu.get(at..at + 2)
            .map_or(0, |b| usize::from(b[0]) << 8 | usize::from(b[1]))
    };
    let byte = |at: usize| pdu.get(at).map_or(0, |b| usize::from(*b));
    let (well_formed, instead): (bool, &'static [u8]) = match pdu[0] {
        1 => (pdu.len() == 5, &[1, 0, 0, 0, 1]),
        2 => (pdu.len() == 5, &[2, 0, 0, 0, 1]),
        3 => (pdu.len() == 5, &[3, 0, 0, 0, 1]),
        4 => (pdu.len() == 5, &[4, 0, 0, 0, 1]),
        5 => (pdu.len() == 5 && matches!(word(3), 0 | 0xFF00), &[5, 0, 0, 0, 0]),
        6 => (pdu.len() == 5, &[6, 0, 0, 0, 0]),
        15 => (
            pdu.len() == 6 + byte(5) && byte(5) == word(3).div_ceil(8),
            &[15, 0, 0, 0, 1, 1, 0],
        ),
        16 => (
            pdu.len() == 6 + byte(5) && byte(5) == 2 * word(3),
            &[16, 0, 0, 0, 1, 2, 0, 0],
        ),
        // Functions the rig does not decode: their content is no matter, but the library would look at it.
        0x11 => return Some((&[0x11], false)),
        0x16 => return Some((&[0x16, 0, 0, 0, 0, 0, 0], false)),
        0x17 => return Some((&[0x17, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 0], false)),
        0x2B => return Some((&[0x2B, 0x0E, 1, 0], false)),
        // The library ends the connection at 128 and above, which no client may send.
        _ => (true, &[]),
    };
    (!well_formed).then_some((instead, true))
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

    #[test]
    fn bits_are_cut_to_what_was_asked() {
        let request = ModbusRequest::Read {
            table: Table::Coil,
            address: 0,
            count: 3,
        };
        let byte = vec![true, false, true, false, false, false, false, false];
        assert_eq!(
            from_library(&request, Response::ReadCoils(byte)),
            Some(ModbusData::Bits(vec![true, false, true]))
        );
        assert_eq!(from_library(&request, Response::ReadCoils(vec![true])), None);
        assert_eq!(
            from_library(&request, Response::ReadInputRegisters(vec![1])),
            None
        );
    }

    #[test]
    fn registers_go_out_as_function_16() {
        let request = ModbusRequest::WriteRegisters {
            address: 1,
            values: vec![2],
        };
        assert_eq!(to_library(&request).function_code().value(), 16);
        let request = ModbusRequest::WriteCoils {
            address: 1,
            values: vec![true],
        };
        assert_eq!(to_library(&request).function_code().value(), 5);
    }
}
