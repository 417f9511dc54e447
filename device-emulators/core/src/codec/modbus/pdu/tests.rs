#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use proptest::prelude::*;

use super::*;

/// Requests with the bytes the protocol's document gives for them, or that follow from it.
fn examples() -> Vec<(ModbusRequest, Vec<u8>)> {
    let read = |table, address, count| ModbusRequest::Read {
        table,
        address,
        count,
    };
    vec![
        (read(Table::Coil, 0x13, 0x13), vec![1, 0, 0x13, 0, 0x13]),
        (read(Table::DiscreteInput, 0xC4, 0x16), vec![2, 0, 0xC4, 0, 0x16]),
        (read(Table::Holding, 0x6B, 3), vec![3, 0, 0x6B, 0, 3]),
        (read(Table::Input, 8, 1), vec![4, 0, 8, 0, 1]),
        (
            ModbusRequest::WriteCoil {
                address: 0xAC,
                value: true,
            },
            vec![5, 0, 0xAC, 0xFF, 0],
        ),
        (
            ModbusRequest::WriteRegister { address: 1, value: 3 },
            vec![6, 0, 1, 0, 3],
        ),
        (
            ModbusRequest::WriteCoils {
                address: 0x13,
                values: [1, 0, 1, 1, 0, 0, 1, 1, 1, 0].map(|bit| bit == 1).to_vec(),
            },
            vec![15, 0, 0x13, 0, 0x0A, 2, 0xCD, 1],
        ),
        (
            ModbusRequest::WriteRegisters {
                address: 1,
                values: vec![0x0A, 0x0102],
            },
            vec![16, 0, 1, 0, 2, 4, 0, 0x0A, 1, 2],
        ),
        (
            ModbusRequest::MaskWrite {
                address: 4,
                and_mask: 0xF2,
                or_mask: 0x25,
            },
            vec![22, 0, 4, 0, 0xF2, 0, 0x25],
        ),
        (
            ModbusRequest::ReadWrite {
                read_address: 3,
                read_count: 6,
                write_address: 0x0E,
                values: vec![0xFF; 3],
            },
            vec![23, 0, 3, 0, 6, 0, 0x0E, 0, 3, 6, 0, 0xFF, 0, 0xFF, 0, 0xFF],
        ),
        (
            ModbusRequest::Identify { access: 1, object: 0 },
            vec![43, 0x0E, 1, 0],
        ),
    ]
}

#[test]
fn requests_are_the_bytes_of_the_document() {
    for (request, pdu) in examples() {
        assert_eq!(encode_request(&request), pdu, "{request:?}");
        assert_eq!(decode_request(&pdu), request);
        assert_eq!(request.function(), pdu[0]);
    }
}

#[test]
fn every_other_length_is_malformed() {
    for (request, pdu) in examples() {
        let function = request.function();
        for short in 1..pdu.len() {
            assert_eq!(
                decode_request(&pdu[..short]),
                ModbusRequest::Malformed { function }
            );
        }
        let long = [&pdu[..], &[0]].concat();
        assert_eq!(decode_request(&long), ModbusRequest::Malformed { function });
    }
    assert_eq!(decode_request(&[]), ModbusRequest::Unsupported { function: 0 });
}

#[test]
fn counts_that_contradict_each_other_are_malformed() {
    for pdu in [
        &[5, 0, 0, 0x12, 0x34][..],
        &[5, 0, 0, 1, 0],
        &[15, 0, 0, 0xFF, 0xFF, 1, 0],
        &[15, 0, 0, 0, 9, 1, 0],
        &[15, 0, 0, 0, 8, 2, 0, 0],
        &[16, 0, 0, 0x80, 0x00, 0],
        &[16, 0, 0, 0, 2, 2, 0, 0],
        &[16, 0, 0, 0, 1, 2, 0, 0, 0, 0],
        &[23, 0, 0, 0, 1, 0, 0, 0, 1, 4, 0, 0],
        &[23, 0, 0, 0, 1, 0, 0, 0, 2, 4, 0, 0],
    ] {
        let function = pdu[0];
        assert_eq!(
            decode_request(pdu),
            ModbusRequest::Malformed { function },
            "{pdu:?}"
        );
    }
    let other_type = [43, 0x0D, 0, 0];
    assert_eq!(
        decode_request(&other_type),
        ModbusRequest::Unsupported { function: 43 }
    );
}

#[test]
fn the_longest_messages_fill_a_pdu() {
    let longest = |request| encode_request(&request).len();
    let coils = ModbusRequest::WriteCoils {
        address: 0,
        values: vec![true; usize::from(MAX_WRITE_BITS)],
    };
    let registers = ModbusRequest::WriteRegisters {
        address: 0,
        values: vec![0; usize::from(MAX_WRITE_REGISTERS)],
    };
    let both = ModbusRequest::ReadWrite {
        read_address: 0,
        read_count: MAX_READ_REGISTERS,
        write_address: 0,
        values: vec![0; usize::from(MAX_READ_WRITE_REGISTERS)],
    };
    assert_eq!(
        [longest(coils), longest(registers), longest(both)],
        [252, 252, 252]
    );
    let bits = Ok(ModbusData::Bits(vec![true; 2000]));
    assert_eq!(encode_reply(&[1, 0, 0, 0x07, 0xD0], &bits).len(), 252);
    let registers = Ok(ModbusData::Registers(vec![0; 125]));
    assert_eq!(encode_reply(&[4, 0, 0, 0, 125], &registers).len(), 252);
}

#[test]
fn replies_are_the_bytes_of_the_document() {
    let identification = ModbusIdentification {
        conformity: 1,
        next_object: Some(2),
        objects: vec![(0, "Co".into()), (1, "P".into())],
    };
    for (request, data, pdu) in [
        (
            &[1, 0, 0, 0, 10][..],
            ModbusData::Bits((0..10).map(|i| i % 3 == 0).collect()),
            &[1, 2, 0b0100_1001, 0b10][..],
        ),
        (
            &[3, 0, 0x6B, 0, 2],
            ModbusData::Registers(vec![0x022B, 0x64]),
            &[3, 4, 2, 0x2B, 0, 0x64],
        ),
        (&[5, 0, 1, 0xFF, 0], ModbusData::Written, &[5, 0, 1, 0xFF, 0]),
        (&[6, 0, 1, 0, 3], ModbusData::Written, &[6, 0, 1, 0, 3]),
        (&[15, 0, 1, 0, 1, 1, 1], ModbusData::Written, &[15, 0, 1, 0, 1]),
        (&[16, 0, 1, 0, 1, 2, 0, 9], ModbusData::Written, &[16, 0, 1, 0, 1]),
        (
            &[22, 0, 4, 0, 0xF2, 0, 0x25],
            ModbusData::Written,
            &[22, 0, 4, 0, 0xF2, 0, 0x25],
        ),
        (
            &[23, 0, 3, 0, 1, 0, 9, 0, 1, 2, 0, 5],
            ModbusData::Registers(vec![0xFE]),
            &[23, 2, 0, 0xFE],
        ),
        (
            &[43, 0x0E, 1, 0],
            ModbusData::Identification(identification),
            &[43, 0x0E, 1, 1, 0xFF, 2, 2, 0, 2, b'C', b'o', 1, 1, b'P'],
        ),
    ] {
        let reply = Ok(data);
        assert_eq!(encode_reply(request, &reply), pdu);
        assert_eq!(decode_reply(&decode_request(request), pdu), Some(reply));
    }
}

#[test]
fn exceptions_keep_their_code_and_strange_ones_are_failures() {
    let request = decode_request(&[3, 0, 0, 0, 1]);
    for exception in ModbusException::ALL {
        let pdu = encode_reply(&[3, 0, 0, 0, 1], &Err(exception));
        assert_eq!(pdu, [0x83, exception.code()]);
        assert_eq!(decode_reply(&request, &pdu), Some(Err(exception)));
    }
    let strange = decode_reply(&request, &[0x83, 0x55]);
    assert_eq!(strange, Some(Err(ModbusException::ServerDeviceFailure)));
    assert_eq!(decode_reply(&request, &[0x84, 2]), None, "of another function");
    assert_eq!(decode_reply(&request, &[0x83]), None);
}

#[test]
fn data_that_does_not_answer_is_a_device_failure() {
    let failure = |function: u8| vec![function | 0x80, 4];
    let two = Ok(ModbusData::Registers(vec![1, 2]));
    assert_eq!(encode_reply(&[3, 0, 0, 0, 3], &two), failure(3));
    assert_eq!(encode_reply(&[1, 0, 0, 0, 2], &two), failure(1));
    assert_eq!(encode_reply(&[16, 0, 0, 0, 1, 2, 0, 0], &two), failure(16));
    assert_eq!(
        encode_reply(&[3, 0, 0, 0, 2], &Ok(ModbusData::Written)),
        failure(3)
    );
}

#[test]
fn an_answer_to_another_question_is_none() {
    let read = decode_request(&[3, 0, 0, 0, 2]);
    for pdu in [
        &[][..],
        &[3],
        &[3, 4, 0, 0, 0],
        &[3, 2, 0, 0],
        &[4, 4, 0, 0, 0, 0],
        &[3, 6, 0, 0, 0, 0, 0, 0],
    ] {
        assert_eq!(decode_reply(&read, pdu), None, "{pdu:?}");
    }
    let write = decode_request(&[16, 0, 1, 0, 1, 2, 0, 9]);
    assert_eq!(decode_reply(&write, &[16, 0, 2, 0, 1]), None, "another address");
    let mask = decode_request(&[22, 0, 4, 0, 1, 0, 2]);
    assert_eq!(decode_reply(&mask, &[22, 0, 4, 0, 1, 0, 3]), None, "another mask");
}

proptest! {
    #[test]
    fn any_request_bytes_are_decoded_and_answered(pdu in prop::collection::vec(any::<u8>(), 1..=MAX_PDU)) {
        let request = decode_request(&pdu);
        prop_assert_eq!(request.function(), pdu[0]);
        if !matches!(request, ModbusRequest::Malformed { .. } | ModbusRequest::Unsupported { .. }) {
            prop_assert_eq!(encode_request(&request), pdu.clone());
        }
        for reply in [Ok(ModbusData::Written), Err(ModbusException::ServerDeviceBusy)] {
            let answer = encode_reply(&pdu, &reply);
            prop_assert!(answer.len() <= MAX_PDU);
            prop_assert_eq!(answer[0] & 0x7F, pdu[0] & 0x7F);
        }
    }

    #[test]
    fn any_reply_bytes_are_decoded_or_refused(pdu in prop::collection::vec(any::<u8>(), 0..=MAX_PDU), which in 0..11_usize) {
        let (request, asked) = examples().swap_remove(which);
        if let Some(Ok(data)) = decode_reply(&request, &pdu) {
            // What was understood says the same again; padding bits and text that is not UTF-8 aside.
            let again = encode_reply(&asked, &Ok(data));
            prop_assert_eq!(again[0], pdu[0]);
        }
    }
}
