//! Modbus messages as packets.
//!
//! On TCP each client of each server has a connection: Ethernet, IP and TCP are made up around the bytes that were or
//! would have been on the wire, whatever link faults did to them. Each device has an address of its own, with its tag as
//! name, and port 502, so that any tool sees Modbus; a client outside the rig has the address and port it came from.
//! Transactions are numbered anew. What went over TLS stands there in the clear. A connection begins when its first request
//! arrives, and ends only by a link fault.
//!
//! Frames of RTU lines stand as they are, in packets that name Wireshark's dissector for them (link type 252). Their ports
//! are there for people who tell it `mbrtu.tcp.port: 503`, and so which side speaks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use bess_fieldbus::{Adu, End, Faulty, rtu_frame};
use bess_rig::{MessageKind, MessageLine, ModbusMessage};
use bess_types::SimTime;
use etherparse::PacketBuilder;
use pcap_file::DataLink;

use super::{Packet, WholeLines};
use crate::mistake::Mistake;

/// Port of Modbus on TCP.
const TCP_PORT: u16 = 502;
/// Port that stands for a device on an RTU line.
const RTU_PORT: u16 = 503;
/// Where ports of clients inside the rig begin.
const EPHEMERAL: u16 = 49_152;
const TTL: u8 = 64;
const WINDOW: u16 = u16::MAX;

/// All Modbus messages of a run, in order of time.
#[derive(Debug, Default)]
pub(super) struct Conversations {
    messages: Vec<ModbusMessage>,
    addresses: BTreeMap<String, Addresses>,
    /// Interface of each RTU line, behind that of TCP.
    lines: BTreeMap<String, u32>,
}

/// What a device is reached at in the capture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) v4: Ipv4Addr,
    pub(super) v6: Ipv6Addr,
    mac: [u8; 6],
}

impl Addresses {
    /// Of the device of this number; 0 is for clients outside.
    fn new(number: usize) -> Self {
        let number = u16::try_from(number).unwrap_or(u16::MAX);
        let [high, low] = number.to_be_bytes();
        Self {
            v4: Ipv4Addr::new(10, 0, high, low),
            v6: Ipv6Addr::new(0xFD00, 0, 0, 0, 0, 0, 0, number),
            // Locally administered.
            mac: [2, 0, 0, 0, high, low],
        }
    }
}

impl Conversations {
    pub(super) fn read(path: &Path) -> Result<Self, Mistake> {
        let bad = |line: usize, why: &dyn std::fmt::Display| {
            let remedy = "the file is written by `bessrig test` and `run`; take the line out if another program cut it";
            Mistake::new(format!("{}:{line}: {why}", path.display()), remedy)
        };
        let mut messages = Vec::new();
        for (line, text) in WholeLines::open(path)? {
            let text = text.map_err(|error| bad(line, &error))?;
            let message: ModbusMessage = serde_json::from_str(&text).map_err(|error| bad(line, &error))?;
            if message.pdu.is_empty() {
                return Err(bad(line, &"a message has at least a function code"));
            }
            messages.push(message);
        }
        Ok(Self::new(messages))
    }

    pub(super) fn new(mut messages: Vec<ModbusMessage>) -> Self {
        messages.sort_by_key(|message| message.at);
        let mut parties = BTreeSet::new();
        let mut lines = BTreeSet::new();
        for message in &messages {
            parties.extend([&message.client, &message.server]);
            lines.extend(message.line.as_ref().map(|line| &line.name));
        }
        let inside = parties.into_iter().filter(|name| outside(name).is_none());
        Self {
            addresses: inside.cloned().zip((1..).map(Addresses::new)).collect(),
            lines: lines.into_iter().cloned().zip(1..).collect(),
            messages,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Name and link type of each interface; none without a message.
    pub(super) fn interfaces(&self) -> Vec<(String, DataLink)> {
        if self.is_empty() {
            return vec![];
        }
        let lines = self
            .lines
            .keys()
            .map(|line| (line.clone(), DataLink::WIRESHARK_UPPER_PDU));
        std::iter::once(("modbus-tcp".to_owned(), DataLink::ETHERNET))
            .chain(lines)
            .collect()
    }

    /// Whose the addresses are.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, Addresses)> {
        self.addresses
            .iter()
            .map(|(name, addresses)| (name.as_str(), *addresses))
    }

    /// Everything in order of time, on interfaces numbered from `first`.
    pub(super) fn packets(&self, first: u32) -> Vec<Packet> {
        let mut sent = self.sent();
        sent.sort_by_key(|sent| sent.at);
        let mut connections: BTreeMap<usize, Tcp> = BTreeMap::new();
        let mut packets = Vec::new();
        for Sent {
            at,
            from_client,
            over,
            what,
            comment,
        } in sent
        {
            match over {
                Over::Line { line, client, server } => {
                    let What::Bytes(bytes) = what else { continue };
                    let interface = first + self.lines[&line];
                    let data = self.exported(&client, &server, from_client, &bytes);
                    packets.push(Packet {
                        at,
                        interface,
                        data,
                        comment,
                    });
                }
                Over::Tcp {
                    connection,
                    client,
                    server,
                } => {
                    let tcp = connections.entry(connection).or_insert_with(|| {
                        let local = EPHEMERAL + u16::try_from(connection % 16_384).unwrap_or(0);
                        Tcp::new(self.host(&client, local), self.host(&server, TCP_PORT))
                    });
                    for data in tcp.send(from_client, &what) {
                        packets.push(Packet {
                            at,
                            interface: first,
                            data,
                            comment: comment.clone(),
                        });
                    }
                }
            }
        }
        packets
    }

    /// What goes out when, by whom. Replies of one connection never overtake each other.
    fn sent(&self) -> Vec<Sent> {
        let mut open: BTreeMap<(&str, &str), Link> = BTreeMap::new();
        let mut links = 0;
        let mut sent = Vec::new();
        for message in &self.messages {
            let parties = (message.client.as_str(), message.server.as_str());
            // All devices of a line are on one wire.
            let key = match &message.line {
                Some(line) => ("", line.name.as_str()),
                None => parties,
            };
            let link = open.entry(key).or_insert_with(|| {
                links += 1;
                Link::new(links)
            });
            let over = match &message.line {
                Some(line) => Over::Line {
                    line: line.name.clone(),
                    client: message.client.clone(),
                    server: message.server.clone(),
                },
                None => Over::Tcp {
                    connection: link.number,
                    client: message.client.clone(),
                    server: message.server.clone(),
                },
            };
            let comment =
                (!message.under.is_empty()).then(|| format!("link fault: {}", message.under.join(", ")));
            let wrap = |adu: &Adu| wrapped(adu, message.line.as_ref());
            let mut adu = Adu {
                transaction: 0,
                unit: message.unit,
                pdu: message.pdu.clone(),
            };
            match message.kind {
                MessageKind::Request => {
                    link.transaction = link.transaction.wrapping_add(1);
                    link.asked.insert(message.number, link.transaction);
                    adu.transaction = link.transaction;
                    sent.push(Sent {
                        at: message.at,
                        from_client: true,
                        over,
                        what: What::Bytes(wrap(&adu)),
                        comment,
                    });
                }
                MessageKind::Reply => {
                    // A reply to what an earlier connection asked has nowhere to go.
                    let Some(transaction) = link.asked.remove(&message.number) else {
                        continue;
                    };
                    adu.transaction = transaction;
                    let kept = std::mem::take(&mut link.kept);
                    let faulty = Faulty::new(Some(adu), kept, &message.faults, wrap);
                    let mut at = message.at.max(link.busy_until);
                    for (pause, piece) in faulty.pieces {
                        at += pause;
                        sent.push(Sent {
                            at,
                            from_client: false,
                            over: over.clone(),
                            what: What::Bytes(piece),
                            comment: comment.clone(),
                        });
                    }
                    link.busy_until = at;
                    link.kept = faulty.kept;
                    if faulty.end == End::Reset {
                        sent.push(Sent {
                            at,
                            from_client: false,
                            over,
                            what: What::Reset,
                            comment,
                        });
                    }
                    if faulty.end != End::Open && message.line.is_none() {
                        open.remove(&key);
                    }
                }
            }
        }
        sent
    }

    fn host(&self, name: &str, port: u16) -> Host {
        let outside = outside(name);
        let own = self
            .addresses
            .get(name)
            .copied()
            .unwrap_or_else(|| Addresses::new(0));
        Host {
            address: outside.unwrap_or(SocketAddr::new(own.v4.into(), port)),
            own,
        }
    }

    /// A frame of a line with what Wireshark is told of it: dissector, addresses, ports.
    fn exported(&self, client: &str, server: &str, from_client: bool, frame: &[u8]) -> Vec<u8> {
        const DISSECTOR: u16 = 12;
        const SOURCE: u16 = 20;
        const DESTINATION: u16 = 21;
        const PORT_TYPE: u16 = 24;
        const SOURCE_PORT: u16 = 25;
        const DESTINATION_PORT: u16 = 26;
        const TCP: u32 = 2;
        let client = (self.host(client, EPHEMERAL).own.v4, EPHEMERAL);
        let server = (self.host(server, RTU_PORT).own.v4, RTU_PORT);
        let (from, to) = if from_client {
            (client, server)
        } else {
            (server, client)
        };
        let mut packet = Vec::with_capacity(64 + frame.len());
        let mut tag = |tag: u16, value: &[u8]| {
            packet.extend(tag.to_be_bytes());
            packet.extend(u16::try_from(value.len()).unwrap_or(0).to_be_bytes());
            packet.extend_from_slice(value);
        };
        tag(DISSECTOR, b"mbrtu\0\0\0");
        tag(SOURCE, &from.0.octets());
        tag(DESTINATION, &to.0.octets());
        tag(PORT_TYPE, &TCP.to_be_bytes());
        tag(SOURCE_PORT, &u32::from(from.1).to_be_bytes());
        tag(DESTINATION_PORT, &u32::from(to.1).to_be_bytes());
        tag(0, &[]);
        packet.extend_from_slice(frame);
        packet
    }
}

/// Address of a party that is none of the rig's devices.
fn outside(name: &str) -> Option<SocketAddr> {
    name.parse().ok()
}

fn wrapped(adu: &Adu, line: Option<&MessageLine>) -> Vec<u8> {
    match line {
        Some(line) => rtu_frame(adu.unit, &adu.pdu, line.crc),
        None => adu.bytes(),
    }
}

/// A line, or the present connection of a client with a server.
struct Link {
    number: usize,
    transaction: u16,
    /// Transactions of open requests.
    asked: BTreeMap<u64, u16>,
    /// Bytes that a fault keeps back until the next reply.
    kept: Vec<u8>,
    busy_until: SimTime,
}

impl Link {
    fn new(number: usize) -> Self {
        Self {
            number,
            transaction: 0,
            asked: BTreeMap::new(),
            kept: vec![],
            busy_until: SimTime::ZERO,
        }
    }
}

/// Bytes on their way.
struct Sent {
    at: SimTime,
    from_client: bool,
    over: Over,
    what: What,
    /// Of its packets.
    comment: Option<String>,
}

#[derive(Clone)]
enum Over {
    Tcp {
        connection: usize,
        client: String,
        server: String,
    },
    Line {
        line: String,
        client: String,
        server: String,
    },
}

enum What {
    Bytes(Vec<u8>),
    Reset,
}

#[derive(Clone, Copy, Debug)]
struct Host {
    address: SocketAddr,
    own: Addresses,
}

/// One TCP connection: what each side has sent, and how much of it the other has acknowledged.
#[derive(Debug)]
struct Tcp {
    hosts: [Host; 2],
    /// Next sequence number of each side.
    next: [u32; 2],
    /// What each side has acknowledged of the other.
    acknowledged: [u32; 2],
    begun: bool,
}

const CLIENT: usize = 0;
const SERVER: usize = 1;

impl Tcp {
    fn new(client: Host, server: Host) -> Self {
        let mut hosts = [client, server];
        // Both ends are of one kind.
        if hosts.iter().any(|host| host.address.is_ipv6()) {
            for host in hosts.iter_mut().filter(|host| host.address.is_ipv4()) {
                host.address.set_ip(host.own.v6.into());
            }
        }
        Self {
            hosts,
            next: [0, 0],
            acknowledged: [0, 0],
            begun: false,
        }
    }

    /// Packets that carry this: the handshake if it is the first, an acknowledgement of what this side sent before if
    /// nothing has carried one yet, the bytes.
    fn send(&mut self, from_client: bool, what: &What) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        if !self.begun {
            self.begun = true;
            packets.push(self.packet(
                CLIENT,
                Flags {
                    syn: true,
                    ack: false,
                    rst: false,
                },
                &[],
            ));
            packets.push(self.packet(
                SERVER,
                Flags {
                    syn: true,
                    ack: true,
                    rst: false,
                },
                &[],
            ));
            packets.push(self.packet(CLIENT, ACK, &[]));
        }
        let (own, other) = if from_client {
            (CLIENT, SERVER)
        } else {
            (SERVER, CLIENT)
        };
        match what {
            What::Bytes(bytes) => {
                if self.acknowledged[other] != self.next[own] {
                    packets.push(self.packet(other, ACK, &[]));
                }
                packets.push(self.packet(own, ACK, bytes));
            }
            What::Reset => packets.push(self.packet(own, Flags { rst: true, ..ACK }, &[])),
        }
        packets
    }

    fn packet(&mut self, from: usize, flags: Flags, payload: &[u8]) -> Vec<u8> {
        let to = 1 - from;
        let [source, destination] = [self.hosts[from], self.hosts[to]];
        let ethernet = PacketBuilder::ethernet2(source.own.mac, destination.own.mac);
        let ip = match (source.address.ip(), destination.address.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => ethernet.ipv4(from.octets(), to.octets(), TTL),
            (from, to) => ethernet.ipv6(v6(from).octets(), v6(to).octets(), TTL),
        };
        let mut tcp = ip.tcp(
            source.address.port(),
            destination.address.port(),
            self.next[from],
            WINDOW,
        );
        if flags.syn {
            tcp = tcp.syn();
        }
        if flags.rst {
            tcp = tcp.rst();
        }
        if flags.ack {
            tcp = tcp.ack(self.next[to]);
            self.acknowledged[from] = self.next[to];
        }
        if !payload.is_empty() {
            tcp = tcp.psh();
        }
        let length = u32::try_from(payload.len()).unwrap_or(0) + u32::from(flags.syn);
        self.next[from] = self.next[from].wrapping_add(length);
        let mut packet = Vec::with_capacity(tcp.size(payload.len()));
        tcp.write(&mut packet, payload).expect("a PDU fits a packet");
        packet
    }
}

fn v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[derive(Clone, Copy)]
struct Flags {
    syn: bool,
    ack: bool,
    rst: bool,
}

const ACK: Flags = Flags {
    syn: false,
    ack: true,
    rst: false,
};
