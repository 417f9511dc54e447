#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use bess_rig::config::line::CrcOrder;
use bess_rig::{MessageKind, MessageLine, ModbusMessage, WireFault};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_file::pcapng::{Block, PcapNgReader};

use super::*;

const PCS: &str = "container-01/pcs";
const READ: [u8; 5] = [3, 0x9C, 0x40, 0, 1];
const REGISTER: [u8; 4] = [3, 2, 0x53, 0x75];

fn message(at_ms: u64, number: u64, client: &str, pdu: &[u8]) -> ModbusMessage {
    ModbusMessage {
        at: SimTime::from_millis(at_ms),
        kind: MessageKind::Request,
        number,
        client: client.into(),
        server: PCS.into(),
        line: None,
        unit: 1,
        pdu: pdu.to_vec(),
        faults: vec![],
        under: vec![],
    }
}

/// The reply to a request, so much later.
fn reply(request: &ModbusMessage, after_ms: u64, faults: &[WireFault]) -> ModbusMessage {
    ModbusMessage {
        at: request.at + Duration::from_millis(after_ms),
        kind: MessageKind::Reply,
        pdu: REGISTER.to_vec(),
        faults: faults.to_vec(),
        ..request.clone()
    }
}

/// A TCP packet: time in ms, ports, sequence and acknowledgement, flags, payload.
#[derive(Debug, PartialEq)]
struct Seen {
    ms: u128,
    ports: (u16, u16),
    sequence: (u32, u32),
    flags: &'static str,
    payload: Vec<u8>,
}

fn tcp(packets: &[Packet]) -> Vec<Seen> {
    let read = |packet: &Packet| {
        let sliced = SlicedPacket::from_ethernet(&packet.data).unwrap();
        let Some(TransportSlice::Tcp(tcp)) = sliced.transport else {
            panic!("no TCP")
        };
        let computed = match sliced.net.unwrap() {
            NetSlice::Ipv4(ip) => {
                let ip = ip.header();
                tcp.calc_checksum_ipv4(ip.source(), ip.destination()).unwrap()
            }
            NetSlice::Ipv6(ip) => {
                let ip = ip.header();
                tcp.calc_checksum_ipv6(ip.source(), ip.destination()).unwrap()
            }
            other @ NetSlice::Arp(_) => panic!("{other:?}"),
        };
        assert_eq!(tcp.checksum(), computed);
        Seen {
            ms: u128::from(packet.at.as_nanos()) / 1_000_000,
            ports: (tcp.source_port(), tcp.destination_port()),
            sequence: (tcp.sequence_number(), tcp.acknowledgment_number()),
            flags: match (tcp.syn(), tcp.rst(), tcp.ack(), tcp.psh()) {
                (true, false, false, false) => "syn",
                (true, false, true, false) => "syn ack",
                (false, false, true, false) => "ack",
                (false, false, true, true) => "data",
                (false, true, true, false) => "reset",
                _ => "?",
            },
            payload: tcp.payload().to_vec(),
        }
    };
    packets.iter().map(read).collect()
}

/// Bytes of one direction in their order; every byte stands where the sequence numbers say.
fn stream(seen: &[Seen], from: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    for one in seen
        .iter()
        .filter(|one| one.ports.0 == from && one.flags == "data")
    {
        assert_eq!(one.sequence.0 as usize, 1 + bytes.len());
        bytes.extend(&one.payload);
    }
    bytes
}

#[test]
fn a_conversation_is_a_connection() {
    let first = message(5, 1, "container-01/bau", &READ);
    let silent = message(20, 2, "container-01/bau", &READ);
    let third = message(40, 3, "container-01/bau", &READ);
    let (said, later) = (reply(&first, 1, &[]), reply(&third, 1, &[]));
    let packets = Conversations::new(vec![third, first, said, silent, later]).packets(4);
    assert!(packets.iter().all(|packet| packet.interface == 4));
    let seen = tcp(&packets);
    let shape: Vec<_> = seen
        .iter()
        .map(|one| (one.ms, one.ports.0 == 502, one.flags, one.sequence))
        .collect();
    assert_eq!(
        shape,
        [
            (5, false, "syn", (0, 0)),
            (5, true, "syn ack", (0, 1)),
            (5, false, "ack", (1, 1)),
            (5, false, "data", (1, 1)),
            (6, true, "data", (1, 13)),
            (20, false, "data", (13, 12)),
            (40, true, "ack", (12, 25)),
            (40, false, "data", (25, 12)),
            (41, true, "data", (12, 37)),
        ]
    );
    assert_eq!(seen[3].payload, [0, 1, 0, 0, 0, 6, 1, 3, 0x9C, 0x40, 0, 1]);
    assert_eq!(seen[8].payload, [0, 3, 0, 0, 0, 5, 1, 3, 2, 0x53, 0x75]);
}

#[test]
fn clients_outside_keep_their_address() {
    let messages =
        ["127.0.0.1:40312", "[::1]:40313", "container-01/bau"].map(|client| message(1, 1, client, &READ));
    let conversations = Conversations::new(messages.into());
    let names: Vec<_> = conversations
        .names()
        .map(|(name, at)| (name, at.v4.to_string()))
        .collect();
    assert_eq!(
        names,
        [("container-01/bau", "10.0.0.1".into()), (PCS, "10.0.0.2".into())]
    );
    let packets = conversations.packets(0);
    let from: Vec<_> = tcp(&packets)
        .iter()
        .filter(|one| one.flags == "data")
        .map(|one| one.ports.0)
        .collect();
    assert_eq!(from, [40312, 40313, 49155]);
}

#[test]
fn faults_change_the_bytes_here_as_on_the_wire() {
    let gap = Duration::from_millis(30);
    let asked = |n: u64| message(100 * n, n, "container-01/bau", &READ);
    let messages = vec![
        asked(1),
        reply(&asked(1), 1, &[WireFault::Split { at: 4, gap }]),
        asked(2),
        reply(&asked(2), 1, &[WireFault::Truncate { bytes: 6 }]),
        asked(3),
        reply(&asked(3), 1, &[WireFault::Transaction { add: 7 }]),
        asked(4),
        reply(&asked(4), 1, &[WireFault::Merge]),
        asked(5),
        reply(&asked(5), 1, &[]),
    ];
    let seen = tcp(&Conversations::new(messages).packets(0));
    let whole = |transaction: u8| [&[0, transaction][..], &[0, 0, 0, 5, 1, 3, 2, 0x53, 0x75]].concat();
    let expected = [whole(1), whole(2)[..6].to_vec(), whole(10), whole(4), whole(5)].concat();
    assert_eq!(stream(&seen, 502), expected);
    let said: Vec<_> = seen
        .iter()
        .filter(|one| one.ports.0 == 502 && one.flags == "data")
        .map(|one| one.ms)
        .collect();
    assert_eq!(said, [101, 131, 201, 301, 501]);
}

#[test]
fn a_reset_ends_a_connection_and_the_next_request_begins_another() {
    let asked = |n: u64| message(100 * n, n, "container-01/bau", &READ);
    let messages = vec![
        asked(1),
        reply(&asked(1), 1, &[WireFault::Reset]),
        asked(2),
        reply(&asked(2), 1, &[]),
    ];
    let seen = tcp(&Conversations::new(messages).packets(0));
    let flags: Vec<_> = seen.iter().map(|one| (one.flags, one.ports.0)).collect();
    let (first, second) = (49153, 49154);
    let beginning = |client| {
        [
            ("syn", client),
            ("syn ack", 502),
            ("ack", client),
            ("data", client),
        ]
    };
    let expected = [
        &beginning(first)[..],
        &[("reset", 502)],
        &beginning(second),
        &[("data", 502)],
    ]
    .concat();
    assert_eq!(flags, expected);
}

#[test]
fn frames_of_a_line_stand_as_they_are() {
    let on_line = |message: ModbusMessage| ModbusMessage {
        line: Some(MessageLine {
            name: "aux".into(),
            crc: CrcOrder::LowFirst,
        }),
        ..message
    };
    let asked = on_line(message(5, 1, "master", &READ));
    let messages = vec![asked.clone(), reply(&asked, 9, &[WireFault::Crc])];
    let conversations = Conversations::new(messages);
    assert_eq!(
        conversations.interfaces(),
        [
            ("modbus-tcp".into(), DataLink::ETHERNET),
            ("aux".into(), DataLink::WIRESHARK_UPPER_PDU)
        ]
    );
    let packets = conversations.packets(2);
    let frames: Vec<_> = packets
        .iter()
        .map(|packet| (packet.interface, &packet.data[56..]))
        .collect();
    assert_eq!(frames[0].0, 3);
    assert_eq!(frames[0].1[..6], [1, 3, 0x9C, 0x40, 0, 1]);
    let right = bess_fieldbus::rtu_frame(1, &REGISTER, CrcOrder::LowFirst);
    assert_eq!(frames[1].1[..5], right[..5]);
    assert_eq!(frames[1].1[5..], [!right[5], !right[6]]);
}

#[test]
fn a_folder_becomes_one_capture_in_order_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    put(
        "b.candump.log",
        "(0000000000.000500) b 351#01\n(0000000000.007000) b 352#02\n",
    );
    // The rig is still writing the last line.
    put(
        "a.candump.log",
        "(0000000000.006000) a 18FF0001#0CE4\n(0000000000.0080",
    );
    let asked = message(5, 1, "container-01/bau", &READ);
    let mut answer = reply(&asked, 3, &[]);
    answer.under = vec!["modbus-delay".into(), "modbus-frozen".into()];
    let lines = [asked, answer].map(|one| serde_json::to_string(&one).unwrap() + "\n");
    put(MODBUS_FILE, &lines.concat());
    let args = |out: &str| CaptureArgs {
        folder: folder.path().into(),
        out: Some(folder.path().join(out)),
    };
    run(&args("one.pcapng")).unwrap();
    run(&args("two.pcapng")).unwrap();
    let bytes = fs::read(folder.path().join("one.pcapng")).unwrap();
    assert_eq!(bytes, fs::read(folder.path().join("two.pcapng")).unwrap());

    let mut reader = PcapNgReader::new(&bytes[..]).unwrap();
    let (mut seen, mut comments) = (Vec::new(), Vec::new());
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = block.unwrap().0 {
            seen.push((packet.timestamp.as_micros(), packet.interface_id));
            comments.extend(packet.options.iter().filter_map(|option| match option {
                EnhancedPacketOption::Common(CommonOption::Comment(text)) => {
                    Some((packet.timestamp.as_micros(), text.to_string()))
                }
                _ => None,
            }));
        }
    }
    let links: Vec<_> = reader
        .interfaces()
        .iter()
        .map(|interface| interface.linktype)
        .collect();
    assert_eq!(
        links,
        [
            DataLink::CAN_SOCKETCAN,
            DataLink::CAN_SOCKETCAN,
            DataLink::ETHERNET
        ]
    );
    assert_eq!(
        seen,
        [
            (500, 1),
            (5000, 2),
            (5000, 2),
            (5000, 2),
            (5000, 2),
            (6000, 0),
            (7000, 1),
            (8000, 2)
        ]
    );
    assert_eq!(
        comments,
        [(8000, "link fault: modbus-delay, modbus-frozen".to_owned())]
    );
}

#[test]
fn a_folder_without_traces_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let args = CaptureArgs {
        folder: folder.path().into(),
        out: None,
    };
    assert!(
        run(&args)
            .unwrap_err()
            .to_string()
            .ends_with("there is no trace in it")
    );
    fs::write(folder.path().join("a.candump.log"), "(1.0) a\n").unwrap();
    let told = run(&args).unwrap_err().to_string();
    assert!(
        told.ends_with("a.candump.log:1: \"(1.0) a\" is no line of `candump -L`"),
        "{told}"
    );
}
