//! Modbus PDUs: bytes to requests and replies to bytes, the same on TCP, TLS and serial lines (Modbus Application
//! Protocol V1.1b3 [R]).
//!
//! A server takes any bytes: what contradicts itself becomes [`ModbusRequest::Malformed`], which the device answers as
//! it answers a bad count. Registers of a client's writes go out as function 16 even if there is only one, which is
//! the function every SunSpec device must have; [`ModbusRequest::WriteRegister`] is function 6.

use bess_types::{ModbusData, ModbusException, ModbusIdentification, ModbusReply, ModbusRequest, Table};

/// Longest PDU.
pub const MAX_PDU: usize = 253;
/// Bits in one read (functions 1 and 2).
pub const MAX_READ_BITS: u16 = 2000;
/// Registers in one read (functions 3, 4 and 23).
pub const MAX_READ_REGISTERS: u16 = 125;
/// Bits in one write (function 15).
pub const MAX_WRITE_BITS: u16 = 1968;
/// Registers in one write (function 16).
pub const MAX_WRITE_REGISTERS: u16 = 123;
/// Registers written by function 23.
pub const MAX_READ_WRITE_REGISTERS: u16 = 121;
/// Bytes of an identification object that fills a PDU.
pub const MAX_OBJECT: usize = MAX_PDU - IDENTIFICATION_HEAD - 2;
/// Function, type, access code, conformity, more follows, next object, number of objects.
pub(super) const IDENTIFICATION_HEAD: usize = 7;
/// Type of the encapsulated interface that identifies a device.
const DEVICE_IDENTIFICATION: u8 = 0x0E;
/// Set in the function code of an exception.
const EXCEPTION: u8 = 0x80;
/// A coil that is on, in function 5.
const ON: u16 = 0xFF00;

/// The request in a PDU. An empty one reads as the unsupported function 0.
pub fn decode_request(pdu: &[u8]) -> ModbusRequest {
    let Some((&function, content)) = pdu.split_first() else {
        return ModbusRequest::Unsupported { function: 0 };
    };
    let decoded = match function {
        1 => read(Table::Coil, content),
        2 => read(Table::DiscreteInput, content),
        3 => read(Table::Holding, content),
        4 => read(Table::Input, content),
        5 => match *content {
            [a, b, c, d] if matches!(word(c, d), 0 | ON) => Some(ModbusRequest::WriteCoil {
                address: word(a, b),
                value: word(c, d) == ON,
            }),
            _ => None,
        },
        6 => match *content {
            [a, b, c, d] => Some(ModbusRequest::WriteRegister {
                address: word(a, b),
                value: word(c, d),
            }),
            _ => None,
        },
        15 => match content {
            [a, b, c, d, bytes, packed @ ..] => {
                let count = usize::from(word(*c, *d));
                let fits = usize::from(*bytes) == count.div_ceil(8) && packed.len() == usize::from(*bytes);
                fits.then(|| ModbusRequest::WriteCoils {
                    address: word(*a, *b),
                    values: unpack(packed, count),
                })
            }
            _ => None,
        },
        16 => match content {
            [a, b, c, d, bytes, data @ ..] => {
                words(word(*c, *d), *bytes, data).map(|values| ModbusRequest::WriteRegisters {
                    address: word(*a, *b),
                    values,
                })
            }
            _ => None,
        },
        22 => match *content {
            [a, b, c, d, e, f] => Some(ModbusRequest::MaskWrite {
                address: word(a, b),
                and_mask: word(c, d),
                or_mask: word(e, f),
            }),
            _ => None,
        },
        23 => match content {
            [a, b, c, d, e, f, g, h, bytes, data @ ..] => {
                words(word(*g, *h), *bytes, data).map(|values| ModbusRequest::ReadWrite {
                    read_address: word(*a, *b),
                    read_count: word(*c, *d),
                    write_address: word(*e, *f),
                    values,
                })
            }
            _ => None,
        },
        43 => match *content {
            [DEVICE_IDENTIFICATION, access, object] => Some(ModbusRequest::Identify { access, object }),
            [DEVICE_IDENTIFICATION, ..] | [] => None,
            // Another interface type, such as CANopen's 0x0D, is another function that is not there.
            _ => Some(ModbusRequest::Unsupported { function }),
        },
        _ => Some(ModbusRequest::Unsupported { function }),
    };
    decoded.unwrap_or(ModbusRequest::Malformed { function })
}

/// The PDU that answers the request in another; exception 04 if the data does not answer it.
pub fn encode_reply(request: &[u8], reply: &ModbusReply) -> Vec<u8> {
    let function = request.first().copied().unwrap_or(0);
    let refuse = |exception: ModbusException| vec![function | EXCEPTION, exception.code()];
    match reply {
        Err(exception) => refuse(*exception),
        Ok(data) => answer(request, data).unwrap_or_else(|| refuse(ModbusException::ServerDeviceFailure)),
    }
}

fn answer(request: &[u8], data: &ModbusData) -> Option<Vec<u8>> {
    let function = *request.first()?;
    match (decode_request(request), data) {
        (ModbusRequest::Read { count, table, .. }, ModbusData::Bits(bits)) => {
            let fits = is_bits(table) && bits.len() == usize::from(count) && count <= MAX_READ_BITS;
            fits.then(|| counted(function, bits.len().div_ceil(8), pack(bits)))?
        }
        (ModbusRequest::Read { count, table, .. }, ModbusData::Registers(registers)) => {
            let fits =
                !is_bits(table) && registers.len() == usize::from(count) && count <= MAX_READ_REGISTERS;
            fits.then(|| counted(function, 2 * registers.len(), bytes_of(registers)))?
        }
        (ModbusRequest::ReadWrite { read_count, .. }, ModbusData::Registers(registers)) => {
            let fits = registers.len() == usize::from(read_count) && read_count <= MAX_READ_REGISTERS;
            fits.then(|| counted(function, 2 * registers.len(), bytes_of(registers)))?
        }
        (
            ModbusRequest::WriteCoil { .. }
            | ModbusRequest::WriteRegister { .. }
            | ModbusRequest::MaskWrite { .. },
            ModbusData::Written,
        ) => Some(request.to_vec()),
        (ModbusRequest::WriteCoils { .. } | ModbusRequest::WriteRegisters { .. }, ModbusData::Written) => {
            Some(request[..5].to_vec())
        }
        (ModbusRequest::Identify { access, .. }, ModbusData::Identification(found)) => {
            let more = if found.next_object.is_some() { 0xFF } else { 0 };
            let count = u8::try_from(found.objects.len()).ok()?;
            let mut pdu = vec![function, DEVICE_IDENTIFICATION, access, found.conformity, more];
            pdu.extend([found.next_object.unwrap_or(0), count]);
            for (object, text) in &found.objects {
                pdu.extend([*object, u8::try_from(text.len()).ok()?]);
                pdu.extend_from_slice(text.as_bytes());
            }
            (pdu.len() <= MAX_PDU).then_some(pdu)
        }
        _ => None,
    }
}

/// A function code, and bytes behind their count.
fn counted(function: u8, count: usize, bytes: impl Iterator<Item = u8>) -> Option<Vec<u8>> {
    let mut pdu = Vec::with_capacity(2 + count);
    pdu.extend([function, u8::try_from(count).ok()?]);
    pdu.extend(bytes);
    Some(pdu)
}

/// The PDU of a request; a malformed or unsupported one is its function code alone.
pub fn encode_request(request: &ModbusRequest) -> Vec<u8> {
    let mut pdu = vec![request.function()];
    let put = |pdu: &mut Vec<u8>, words: &[u16]| pdu.extend(bytes_of(words));
    let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let byte_count = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
    match request {
        ModbusRequest::Read { address, count, .. } => put(&mut pdu, &[*address, *count]),
        ModbusRequest::WriteCoil { address, value } => {
            put(&mut pdu, &[*address, if *value { ON } else { 0 }]);
        }
        ModbusRequest::WriteRegister { address, value } => put(&mut pdu, &[*address, *value]),
        ModbusRequest::WriteCoils { address, values } => {
            put(&mut pdu, &[*address, count(values.len())]);
            pdu.push(byte_count(values.len().div_ceil(8)));
            pdu.extend(pack(values));
        }
        ModbusRequest::WriteRegisters { address, values } => {
            put(&mut pdu, &[*address, count(values.len())]);
            pdu.push(byte_count(2 * values.len()));
            put(&mut pdu, values);
        }
        ModbusRequest::MaskWrite {
            address,
            and_mask,
            or_mask,
        } => put(&mut pdu, &[*address, *and_mask, *or_mask]),
        ModbusRequest::ReadWrite {
            read_address,
            read_count,
            write_address,
            values,
        } => {
            put(
                &mut pdu,
                &[*read_address, *read_count, *write_address, count(values.len())],
            );
            pdu.push(byte_count(2 * values.len()));
            put(&mut pdu, values);
        }
        ModbusRequest::Identify { access, object } => pdu.extend([DEVICE_IDENTIFICATION, *access, *object]),
        ModbusRequest::Malformed { .. } | ModbusRequest::Unsupported { .. } => {}
    }
    pdu
}

/// The answer in a PDU; `None` if it does not answer this request. Exception codes the rig has no word for are
/// failures of the server (04).
pub fn decode_reply(request: &ModbusRequest, pdu: &[u8]) -> Option<ModbusReply> {
    let (&function, content) = pdu.split_first()?;
    if function != request.function() && function == (request.function() | EXCEPTION) {
        let [code] = *content else { return None };
        return Some(Err(
            ModbusException::from_code(code).unwrap_or(ModbusException::ServerDeviceFailure)
        ));
    }
    if function != request.function() {
        return None;
    }
    let registers = |count: u16| match content {
        [bytes, data @ ..] => words(count, *bytes, data).map(ModbusData::Registers),
        [] => None,
    };
    let written = |echo: &[u8]| (content == echo).then_some(ModbusData::Written);
    let sent = encode_request(request);
    let data = match request {
        ModbusRequest::Read { table, count, .. } if is_bits(*table) => match content {
            [bytes, packed @ ..] => {
                let count = usize::from(*count);
                let fits = usize::from(*bytes) == count.div_ceil(8) && packed.len() == usize::from(*bytes);
                fits.then(|| ModbusData::Bits(unpack(packed, count)))
            }
            [] => None,
        },
        ModbusRequest::Read { count, .. } => registers(*count),
        ModbusRequest::ReadWrite { read_count, .. } => registers(*read_count),
        ModbusRequest::WriteCoil { .. }
        | ModbusRequest::WriteRegister { .. }
        | ModbusRequest::MaskWrite { .. } => written(&sent[1..]),
        ModbusRequest::WriteCoils { .. } | ModbusRequest::WriteRegisters { .. } => written(&sent[1..5]),
        ModbusRequest::Identify { access, .. } => {
            identification(*access, content).map(ModbusData::Identification)
        }
        // Whatever a server makes of it, the rig has no word for what it says.
        ModbusRequest::Malformed { .. } | ModbusRequest::Unsupported { .. } => Some(ModbusData::Written),
    };
    data.map(Ok)
}

fn identification(asked: u8, content: &[u8]) -> Option<ModbusIdentification> {
    let [
        DEVICE_IDENTIFICATION,
        access,
        conformity,
        more,
        next,
        count,
        rest @ ..,
    ] = content
    else {
        return None;
    };
    let mut objects = Vec::new();
    let mut rest = rest;
    while let [object, length, tail @ ..] = rest {
        let text = tail.get(..usize::from(*length))?;
        objects.push((*object, String::from_utf8_lossy(text).into_owned()));
        rest = &tail[text.len()..];
    }
    let whole = rest.is_empty() && objects.len() == usize::from(*count) && matches!(more, 0 | 0xFF);
    (whole && *access == asked).then(|| ModbusIdentification {
        conformity: *conformity,
        next_object: (*more != 0).then_some(*next),
        objects,
    })
}

fn read(table: Table, content: &[u8]) -> Option<ModbusRequest> {
    let [a, b, c, d] = *content else { return None };
    Some(ModbusRequest::Read {
        table,
        address: word(a, b),
        count: word(c, d),
    })
}

/// Registers announced by a count and a byte count, if all three agree.
fn words(count: u16, bytes: u8, data: &[u8]) -> Option<Vec<u16>> {
    let fits = usize::from(bytes) == 2 * usize::from(count) && data.len() == usize::from(bytes);
    fits.then(|| data.chunks_exact(2).map(|pair| word(pair[0], pair[1])).collect())
}

const fn word(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high, low])
}

fn bytes_of(words: &[u16]) -> impl Iterator<Item = u8> {
    words.iter().flat_map(|word| word.to_be_bytes())
}

/// Bits as bytes, lowest bit first.
fn pack(bits: &[bool]) -> impl Iterator<Item = u8> {
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
    bits.chunks(8).map(byte)
}

fn unpack(bytes: &[u8], count: usize) -> Vec<bool> {
    let bits = bytes
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 != 0));
    bits.take(count).collect()
}

/// Whether a table holds bits.
pub(super) const fn is_bits(table: Table) -> bool {
    matches!(table, Table::Coil | Table::DiscreteInput)
}

#[cfg(test)]
mod tests;
