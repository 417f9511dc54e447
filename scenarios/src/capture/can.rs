//! Lines of `candump -L` as packets of link type 227: identifier and flags with the highest byte first, length, FD flags,
//! two bytes that are reserved, data (tcpdump.org [R]).

use std::path::{Path, PathBuf};

use bess_types::SimTime;

use super::{Packet, WholeLines};
use crate::mistake::Mistake;

/// The identifier has 29 bits.
const EXTENDED: u32 = 0x8000_0000;
/// A remote frame, which asks for another.
const REMOTE: u32 = 0x4000_0000;
/// An error frame; part of the identifier that candump writes.
const ERROR: u32 = 0x2000_0000;
/// Among the FD flags: that it is a CAN FD frame.
const FD: u8 = 0x04;

/// Packets of one bus, read as they are asked for.
pub(super) struct CandumpLog {
    path: PathBuf,
    lines: WholeLines,
    interface: u32,
}

impl CandumpLog {
    pub(super) fn open(path: &Path, interface: u32) -> Result<Self, Mistake> {
        Ok(Self {
            path: path.to_owned(),
            lines: WholeLines::open(path)?,
            interface,
        })
    }
}

impl Iterator for CandumpLog {
    type Item = Result<Packet, Mistake>;

    fn next(&mut self) -> Option<Self::Item> {
        let (line, read) = self.lines.next()?;
        let place = format_args!("{}:{line}", self.path.display());
        Some(match read.as_deref().map(frame) {
            Ok(Some((at, data))) => Ok(Packet {
                at,
                interface: self.interface,
                data,
                comment: None,
            }),
            Ok(None) => Err(Mistake::new(
                format!(
                    "{place}: {:?} is no line of `candump -L`",
                    read.unwrap_or_default()
                ),
                "lines are such as `(0000000012.340100) stack-can 18FF0001#0CE4`; correct it or take it out",
            )),
            Err(error) => Err(Mistake::new(format!("{place}: {error}"), "")),
        })
    }
}

/// Time and packet of a line such as `(0000000012.340100) stack-can 18FF0001#0CE4`.
fn frame(line: &str) -> Option<(SimTime, Vec<u8>)> {
    let mut words = line.split(' ');
    let time = words.next()?.strip_prefix('(')?.strip_suffix(')')?;
    let (seconds, micros) = time.split_once('.')?;
    let micros = (micros.len() == 6).then(|| micros.parse::<u64>().ok())??;
    let micros = seconds
        .parse::<u64>()
        .ok()?
        .checked_mul(1_000_000)?
        .checked_add(micros)?;
    let _bus = words.next()?;
    let (id, content) = words.next()?.split_once('#')?;
    let number = u32::from_str_radix(id, 16).ok()?;
    let mut id = match id.len() {
        3 if number <= 0x7FF => number,
        8 if number & ERROR != 0 && number < REMOTE => number,
        8 if number < ERROR => number | EXTENDED,
        _ => return None,
    };
    let (fd, length, data) = if let Some(content) = content.strip_prefix('#') {
        let flags = u8::from_str_radix(content.get(..1)?, 16).ok()?;
        let data = bytes(content.get(1..)?, 64)?;
        (flags & !FD | FD, data.len(), data)
    } else if let Some(length) = content.strip_prefix('R') {
        id |= REMOTE;
        let length = if length.is_empty() {
            0
        } else {
            length.parse().ok()?
        };
        (0, length, vec![])
    } else {
        let data = bytes(content, 8)?;
        (0, data.len(), data)
    };
    let mut packet = Vec::with_capacity(8 + data.len());
    packet.extend(id.to_be_bytes());
    packet.extend([u8::try_from(length).ok()?, fd, 0, 0]);
    packet.extend(data);
    Some((SimTime::from_nanos(micros.checked_mul(1_000)?), packet))
}

fn bytes(digits: &str, most: usize) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    (pairs.len() <= most).then_some(())?;
    pairs
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_of_frame_has_its_flags() {
        let packet = |content: &str| {
            frame(&format!("(0000000012.340100) stack-can {content}"))
                .unwrap()
                .1
        };
        assert_eq!(packet("351#0CE4"), [0, 0, 3, 0x51, 2, 0, 0, 0, 0x0C, 0xE4]);
        assert_eq!(packet("18FF0001#"), [0x98, 0xFF, 0, 1, 0, 0, 0, 0]);
        assert_eq!(packet("123##5AB"), [0, 0, 1, 0x23, 1, 5, 0, 0, 0xAB]);
        assert_eq!(
            packet("123##1AB")[5],
            5,
            "an FD frame, with the bit rate switched"
        );
        assert_eq!(packet("123#R4"), [0x40, 0, 1, 0x23, 4, 0, 0, 0]);
        let error = packet("20000004#0004000000000000");
        assert_eq!(error[..8], [0x20, 0, 0, 4, 8, 0, 0, 0]);
        let (at, _) = frame("(0000000012.340100) stack-can 351#").unwrap();
        assert_eq!(at, SimTime::from_nanos(12_340_100_000));
    }

    #[test]
    fn what_is_none_is_refused() {
        for content in [
            "351",
            "351#0",
            "351#0G",
            "900#00",
            "F8FF0001#",
            "351##",
            "1#00",
            "351#001122334455667788",
        ] {
            assert_eq!(
                frame(&format!("(0000000012.340100) stack-can {content}")),
                None,
                "{content}"
            );
        }
        assert_eq!(frame("(12.34) stack-can 351#"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(\\([0-9]{1,10}\\.[0-9]{5,6}\\) can [0-9A-FR#]{0,30})|\\PC{0,40}") {
            let _ = frame(&text);
        }
    }
}
