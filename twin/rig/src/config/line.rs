//! Modbus RTU lines of a rig file: how each is carried, its character format and its timing.

use core::net::SocketAddr;
use core::time::Duration;

use bess_types::Tag;
use serde::{Deserialize, Serialize};

use super::file::RtuLineFile;
use super::load::address;
use super::{Origin, RigConfigError};

/// Where a Modbus server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModbusAddress {
    /// On TCP.
    Tcp(SocketAddr),
    /// On TCP with TLS.
    Tls(SocketAddr),
    /// On an RTU line, by its place in [`super::RigConfig::rtu_lines`].
    Line(usize),
}

impl ModbusAddress {
    /// The TCP address, if it is on TCP.
    pub fn socket(self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) | Self::Tls(address) => Some(address),
            Self::Line(_) => None,
        }
    }
}

/// How an RTU line is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineAttach {
    /// A pseudo-terminal that the rig makes; the other end is for one program.
    Pty,
    /// A serial device.
    Serial,
    /// RTU frames on a TCP connection, as through a serial device server.
    Tcp,
}

/// Parity of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parity {
    /// No parity bit.
    None,
    /// Even number of ones.
    Even,
    /// Odd number of ones.
    Odd,
}

/// Which byte of the CRC comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CrcOrder {
    /// As Modbus has it.
    LowFirst,
    /// As T/CPSS 1005-2020 is reported to have it [S].
    HighFirst,
}

/// Characters and timing of an RTU line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineFormat {
    /// Bits a second.
    pub baud: u32,
    /// Parity.
    pub parity: Parity,
    /// 1 or 2.
    pub stop_bits: u8,
    /// Order of the CRC's bytes.
    pub crc: CrcOrder,
    /// What a device takes at least from the end of a request to the beginning of its reply, beside the silence between
    /// frames.
    pub turnaround: Duration,
}

impl LineFormat {
    /// Time of one character: start bit, eight data bits, parity, stop bits.
    pub fn character(&self) -> Duration {
        let bits = 1 + 8 + u32::from(self.parity != Parity::None) + u32::from(self.stop_bits);
        Duration::from_secs(1) * bits / self.baud
    }

    /// Silence that ends a frame: 3.5 characters of 11 bits, 1.75 ms above 19200 Bd (Serial Line V1.02 [R]).
    pub fn silence(&self) -> Duration {
        if self.baud > 19_200 {
            Duration::from_micros(1750)
        } else {
            Duration::from_secs(1) * 77 / (2 * self.baud)
        }
    }
}

/// One Modbus RTU line, with as many devices on it as have unit ids.
#[derive(Clone, Debug)]
pub struct RtuLineConfig {
    /// Name in devices' `line`.
    pub name: String,
    /// How it is carried.
    pub attach: LineAttach,
    /// Of a pseudo-terminal: a path that is made to lead to it.
    pub link: Option<String>,
    /// Of a serial line: its device.
    pub device: Option<String>,
    /// Of RTU on TCP: where the side with the servers listens.
    pub listen: Option<SocketAddr>,
    /// Characters and timing.
    pub format: LineFormat,
    /// Where the entry stands.
    pub origin: Origin,
}

/// Speeds that serial devices have.
const BAUD_RATES: [u32; 11] = [
    1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600,
];

/// Unit ids of devices on a line; 0 is everybody, 248 and above are reserved.
const UNITS: core::ops::RangeInclusive<u8> = 1..=247;

impl RtuLineConfig {
    /// A line from its entry; `fill` replaces placeholders.
    pub(super) fn new(
        file: &RtuLineFile,
        origin: &Origin,
        fill: &dyn Fn(&str) -> String,
    ) -> Result<Self, RigConfigError> {
        let name = fill(&file.name);
        let wrong = |what: &str, help: &str| Err(origin.error(format!("RTU line `{name}`: {what}"), help));
        let Some(attach) = file.attach else {
            return wrong(
                "it does not say how it is attached",
                "add attach = \"pty\", \"serial\" or \"tcp\"",
            );
        };
        let own_key = match attach {
            LineAttach::Pty => "link",
            LineAttach::Serial => "device",
            LineAttach::Tcp => "listen",
        };
        let given = [
            ("link", file.link.is_some()),
            ("device", file.device.is_some()),
            ("listen", file.listen.is_some()),
        ];
        for (key, given) in given {
            if given && key != own_key {
                return wrong(
                    &format!("it has a {key}, but is attached another way"),
                    "link belongs to attach = \"pty\", device to \"serial\", listen to \"tcp\"",
                );
            }
            // A pseudo-terminal has a path of its own.
            if !given && key == own_key && attach != LineAttach::Pty {
                return wrong(
                    &format!("it has no {key}"),
                    "add device = \"/dev/ttyUSB0\" for attach = \"serial\", listen = \"127.0.0.1:15502\" for \"tcp\"",
                );
            }
        }
        let owner = format!("RTU line `{name}`");
        let listen = file
            .listen
            .as_deref()
            .map(|text| address(&fill(text), &owner, origin));
        let listen = listen.transpose()?;
        let parity = file.parity.unwrap_or(Parity::Even);
        let format = LineFormat {
            baud: file.baud.unwrap_or(19_200),
            parity,
            // A character has eleven bits, with parity or without [R].
            stop_bits: file
                .stop_bits
                .unwrap_or(if parity == Parity::None { 2 } else { 1 }),
            crc: file.crc.unwrap_or(CrcOrder::LowFirst),
            turnaround: Duration::from_millis(file.turnaround_ms.unwrap_or(5)),
        };
        if !BAUD_RATES.contains(&format.baud) {
            return wrong(
                &format!("no serial device has {} Bd", format.baud),
                &format!("give one of {BAUD_RATES:?}"),
            );
        }
        if !matches!(format.stop_bits, 1 | 2) {
            return wrong(&format!("{} stop bits", format.stop_bits), "give 1 or 2");
        }
        if format.turnaround > Duration::from_secs(1) {
            return wrong(
                "turnaround_ms is above 1000",
                "masters give up by then; late replies are the fault modbus-delay",
            );
        }
        Ok(Self {
            attach,
            link: file.link.as_deref().map(fill),
            device: file.device.as_deref().map(fill),
            listen,
            format,
            origin: origin.clone(),
            name,
        })
    }

    /// Whether the two cannot be at once.
    pub(super) fn clashes(&self, other: &Self) -> bool {
        self.name == other.name
            || self.link.is_some() && self.link == other.link
            || self.device.is_some() && self.device == other.device
            || self.listen.is_some() && self.listen == other.listen
    }
}

/// Where a device serves: on TCP or on one of the lines.
pub(super) fn served_at(
    (tag, unit): (&Tag, u8),
    listen: Option<&str>,
    line: Option<&str>,
    lines: &[RtuLineConfig],
    origin: &Origin,
) -> Result<Option<ModbusAddress>, RigConfigError> {
    match (listen, line) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(origin.error(
            format!("{tag} says both listen and line"),
            "a Modbus server is on TCP or on an RTU line; keep one of them",
        )),
        (Some(listen), None) => Ok(Some(ModbusAddress::Tcp(address(listen, tag.as_str(), origin)?))),
        (None, Some(name)) => {
            let Some(line) = lines.iter().position(|line| line.name == name) else {
                let known: Vec<_> = lines.iter().map(|line| line.name.as_str()).collect();
                let known = if known.is_empty() {
                    String::new()
                } else {
                    format!(", or use one of: {}", known.join(", "))
                };
                return Err(origin.error(
                    format!("{tag} is on RTU line `{name}`, which does not exist"),
                    format!("add an [[rtu_line]] with that name{known}"),
                ));
            };
            if !UNITS.contains(&unit) {
                return Err(origin.error(
                    format!("{tag} has unit id {unit} on an RTU line"),
                    "give it a unit of 1 to 247",
                ));
            }
            Ok(Some(ModbusAddress::Line(line)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_and_silence_follow_the_speed() {
        let format = |baud, parity, stop_bits| LineFormat {
            baud,
            parity,
            stop_bits,
            crc: CrcOrder::LowFirst,
            turnaround: Duration::ZERO,
        };
        let us = |duration: Duration| duration.as_micros();
        assert_eq!(us(format(9600, Parity::Even, 1).character()), 1145);
        assert_eq!(us(format(9600, Parity::None, 1).character()), 1041);
        assert_eq!(us(format(9600, Parity::None, 2).character()), 1145);
        assert_eq!(us(format(9600, Parity::Even, 1).silence()), 4010);
        assert_eq!(us(format(115_200, Parity::Even, 1).silence()), 1750);
    }
}
