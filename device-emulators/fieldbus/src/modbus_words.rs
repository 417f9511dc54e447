//! The rig's Modbus words and those of tokio-modbus, which speaks for the clients.

use std::borrow::Cow;

use bess_types::{ModbusData, ModbusException, ModbusIdentification, ModbusRequest, Table};
use tokio_modbus::prelude::{ReadCode, ReadDeviceIdentificationResponse};
use tokio_modbus::{ExceptionCode, Request, Response};

/// A request as the library sends it. One that no client should make is its function code alone.
pub(crate) fn request(request: &ModbusRequest) -> Request<'_> {
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
        ModbusRequest::WriteCoil { address, value } => Request::WriteSingleCoil(*address, *value),
        ModbusRequest::WriteRegister { address, value } => Request::WriteSingleRegister(*address, *value),
        ModbusRequest::WriteCoils { address, values } => {
            Request::WriteMultipleCoils(*address, Cow::Borrowed(values))
        }
        ModbusRequest::WriteRegisters { address, values } => {
            Request::WriteMultipleRegisters(*address, Cow::Borrowed(values))
        }
        ModbusRequest::MaskWrite {
            address,
            and_mask,
            or_mask,
        } => Request::MaskWriteRegister(*address, *and_mask, *or_mask),
        ModbusRequest::ReadWrite {
            read_address,
            read_count,
            write_address,
            values,
        } => Request::ReadWriteMultipleRegisters(
            *read_address,
            *read_count,
            *write_address,
            Cow::Borrowed(values),
        ),
        ModbusRequest::Identify { access, object } => match ReadCode::try_from_value(*access) {
            Some(code) => Request::ReadDeviceIdentification(code, *object),
            None => bare(request.function()),
        },
        ModbusRequest::Malformed { function } | ModbusRequest::Unsupported { function } => bare(*function),
    }
}

fn bare(function: u8) -> Request<'static> {
    Request::Custom(function, Cow::Borrowed(&[]))
}

/// What a reply carries; `None` if it does not answer this request.
pub(crate) fn data(request: &ModbusRequest, response: Response) -> Option<ModbusData> {
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
        )
        | (
            ModbusRequest::ReadWrite {
                read_count: count, ..
            },
            Response::ReadWriteMultipleRegisters(registers),
        ) => (registers.len() == usize::from(*count)).then_some(ModbusData::Registers(registers)),
        (ModbusRequest::WriteCoil { .. }, Response::WriteSingleCoil(..))
        | (ModbusRequest::WriteRegister { .. }, Response::WriteSingleRegister(..))
        | (ModbusRequest::WriteCoils { .. }, Response::WriteMultipleCoils(..))
        | (ModbusRequest::WriteRegisters { .. }, Response::WriteMultipleRegisters(..))
        | (ModbusRequest::MaskWrite { .. }, Response::MaskWriteRegister(..))
        | (ModbusRequest::Malformed { .. } | ModbusRequest::Unsupported { .. }, Response::Custom(..)) => {
            Some(ModbusData::Written)
        }
        (ModbusRequest::Identify { .. }, Response::ReadDeviceIdentification(found)) => {
            Some(ModbusData::Identification(identification(&found)))
        }
        _ => None,
    }
}

fn identification(found: &ReadDeviceIdentificationResponse) -> ModbusIdentification {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    ModbusIdentification {
        conformity: found.conformity_level.value(),
        next_object: found.more_follows.then_some(found.next_object_id),
        objects: found
            .device_id_objects
            .iter()
            .map(|object| (object.id, text(&object.value)))
            .collect(),
    }
}

/// A server's exception. Codes the rig has no word for are failures of the server (04).
pub(crate) fn exception(code: ExceptionCode) -> ModbusException {
    ModbusException::from_code(code.into()).unwrap_or(ModbusException::ServerDeviceFailure)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use bess_devices::codec::modbus::pdu;
    use proptest::prelude::*;
    use tokio_modbus::bytes::Bytes;

    use super::*;

    fn any_request() -> impl Strategy<Value = ModbusRequest> {
        let table = prop_oneof![
            Just(Table::Coil),
            Just(Table::DiscreteInput),
            Just(Table::Holding),
            Just(Table::Input)
        ];
        let registers = || proptest::collection::vec(any::<u16>(), 1..=121);
        prop_oneof![
            (table, any::<u16>(), 1..=125_u16).prop_map(|(table, address, count)| ModbusRequest::Read {
                table,
                address,
                count
            }),
            (any::<u16>(), any::<bool>())
                .prop_map(|(address, value)| ModbusRequest::WriteCoil { address, value }),
            (any::<u16>(), any::<u16>())
                .prop_map(|(address, value)| ModbusRequest::WriteRegister { address, value }),
            (any::<u16>(), proptest::collection::vec(any::<bool>(), 1..=1968))
                .prop_map(|(address, values)| ModbusRequest::WriteCoils { address, values }),
            (any::<u16>(), registers())
                .prop_map(|(address, values)| ModbusRequest::WriteRegisters { address, values }),
            (any::<u16>(), any::<u16>(), any::<u16>()).prop_map(|(address, and_mask, or_mask)| {
                ModbusRequest::MaskWrite {
                    address,
                    and_mask,
                    or_mask,
                }
            }),
            (any::<u16>(), 1..=125_u16, any::<u16>(), registers()).prop_map(
                |(read_address, read_count, write_address, values)| ModbusRequest::ReadWrite {
                    read_address,
                    read_count,
                    write_address,
                    values
                }
            ),
            (1..=4_u8, any::<u8>()).prop_map(|(access, object)| ModbusRequest::Identify { access, object }),
        ]
    }

    proptest! {
        /// The library's reading of what the servers' codec writes is the rig's own request.
        #[test]
        fn both_codecs_mean_the_same_request(asked in any_request()) {
            let bytes = Bytes::from(pdu::encode_request(&asked));
            let read = Request::try_from(bytes).unwrap();
            prop_assert_eq!(read, request(&asked));
        }
    }

    #[test]
    fn both_codecs_mean_the_same_reply() {
        let read = |table, count| ModbusRequest::Read {
            table,
            address: 7,
            count,
        };
        let identification = ModbusIdentification {
            conformity: 0x82,
            next_object: Some(3),
            objects: vec![(0, "SOJO".into()), (1, "PCS".into())],
        };
        for (asked, answer) in [
            (read(Table::Coil, 3), ModbusData::Bits(vec![true, false, true])),
            (
                read(Table::Holding, 2),
                ModbusData::Registers(vec![0x1234, 0xFFFF]),
            ),
            (
                ModbusRequest::WriteRegisters {
                    address: 1,
                    values: vec![2, 3],
                },
                ModbusData::Written,
            ),
            (
                ModbusRequest::WriteCoil {
                    address: 1,
                    value: true,
                },
                ModbusData::Written,
            ),
            (
                ModbusRequest::MaskWrite {
                    address: 1,
                    and_mask: 0xF2,
                    or_mask: 0x25,
                },
                ModbusData::Written,
            ),
            (
                ModbusRequest::ReadWrite {
                    read_address: 1,
                    read_count: 1,
                    write_address: 2,
                    values: vec![9],
                },
                ModbusData::Registers(vec![5]),
            ),
            (
                ModbusRequest::Identify { access: 1, object: 0 },
                ModbusData::Identification(identification),
            ),
        ] {
            let bytes = pdu::encode_reply(&pdu::encode_request(&asked), &Ok(answer.clone()));
            let response = Response::try_from(Bytes::from(bytes)).unwrap();
            assert_eq!(data(&asked, response), Some(answer), "{asked:?}");
        }
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let asked = ModbusRequest::Read {
            table: Table::Coil,
            address: 0,
            count: 3,
        };
        assert_eq!(data(&asked, Response::ReadCoils(vec![true])), None);
        assert_eq!(data(&asked, Response::ReadInputRegisters(vec![1])), None);
        assert_eq!(exception(ExceptionCode::IllegalDataAddress).code(), 2);
        assert_eq!(exception(ExceptionCode::Custom(0x55)).code(), 4);
    }
}
