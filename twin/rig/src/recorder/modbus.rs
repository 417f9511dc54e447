//! The Modbus traffic of a run, message by message: what a server was asked, and what it said.

use std::collections::BTreeMap;

use bess_devices::codec::modbus::pdu;
use bess_types::{ModbusReply, ModbusRequest, SimTime};
use serde::{Deserialize, Serialize};

use crate::config::line::CrcOrder;
use crate::interface::WireFault;

/// A request that reached a server, or a reply that left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModbusMessage {
    /// When it reached or left the server; of a server outside the rig, when it left or reached the client. A reply that a
    /// link fault delays has the later time.
    pub at: SimTime,
    /// Which of the two it is.
    pub kind: MessageKind,
    /// Of the request in this run; a reply has that of its request.
    pub number: u64,
    /// Who asks: tag of a device of the rig, address of a client outside, `master` of an RTU line.
    pub client: String,
    /// Who is asked: tag, or the address of a server that is none of the rig's.
    pub server: String,
    /// The RTU line it goes over, if not TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<MessageLine>,
    /// Unit id.
    pub unit: u8,
    /// Function code and content, without what link faults do to the bytes; as text in hexadecimal.
    #[serde(with = "hex")]
    pub pdu: Vec<u8>,
    /// What link faults do to the bytes of a reply, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<WireFault>,
    /// Names of the link faults at work on its server then, whether they hit this one or, by their share, not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub under: Vec<String>,
}

/// Request or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageKind {
    /// From the client.
    Request,
    /// From the server.
    Reply,
}

/// The RTU line of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageLine {
    /// Name in the rig file.
    pub name: String,
    /// Which byte of a frame's CRC comes first.
    pub crc: CrcOrder,
}

/// Who asks whom.
#[derive(Debug)]
pub(crate) struct Parties {
    pub client: String,
    pub server: String,
    pub line: Option<MessageLine>,
    pub unit: u8,
    /// Link faults at work on the server.
    pub under: Vec<String>,
}

/// An open request: of a server of the rig by its own number, or of a device that asks outside by device and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asked {
    Inside(u64),
    Outside(usize, u64),
}

/// Messages not yet handed over, and requests not yet answered.
#[derive(Debug, Default)]
pub(crate) struct ModbusTrace {
    number: u64,
    messages: Vec<ModbusMessage>,
    open: BTreeMap<Asked, ModbusMessage>,
}

impl ModbusTrace {
    pub(crate) fn request(&mut self, asked: Asked, at: SimTime, parties: Parties, request: &ModbusRequest) {
        self.number += 1;
        let Parties {
            client,
            server,
            line,
            unit,
            under,
        } = parties;
        let message = ModbusMessage {
            at,
            kind: MessageKind::Request,
            number: self.number,
            client,
            server,
            line,
            unit,
            pdu: pdu::encode_request(request),
            faults: vec![],
            under,
        };
        self.messages.push(message.clone());
        self.open.insert(asked, message);
    }

    /// Without a reply the server is silent. A broadcast on a line has no reply whatever the server says.
    pub(crate) fn reply(
        &mut self,
        asked: Asked,
        at: SimTime,
        reply: Option<&ModbusReply>,
        faults: &[WireFault],
        under: Vec<String>,
    ) {
        let (Some(request), Some(reply)) = (self.open.remove(&asked), reply) else {
            return;
        };
        if request.line.is_some() && request.unit == 0 {
            return;
        }
        self.messages.push(ModbusMessage {
            at,
            kind: MessageKind::Reply,
            pdu: pdu::encode_reply(&request.pdu, reply),
            faults: faults.to_vec(),
            under,
            ..request
        });
    }

    pub(crate) fn drain(&mut self) -> Vec<ModbusMessage> {
        core::mem::take(&mut self.messages)
    }
}

mod hex {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
        let both = |byte: &u8| [digit(byte >> 4), digit(byte & 0xF)];
        let text: String = bytes.iter().flat_map(both).collect();
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits: Option<Vec<_>> = text.chars().map(|c| c.to_digit(16)).collect();
        let whole = digits.filter(|digits| digits.len() % 2 == 0);
        let digits =
            whole.ok_or_else(|| D::Error::custom(format!("{text:?} is not bytes in hexadecimal")))?;
        let byte = |pair: &[u32]| u8::try_from(pair[0] << 4 | pair[1]).unwrap_or(u8::MAX);
        Ok(digits.chunks_exact(2).map(byte).collect())
    }
}
