//! `bessrig capture`: the traces in a run's folder as one pcapng file, for Wireshark and its kind.
//!
//! Each CAN bus and each RTU line is an interface of its own, all Modbus on TCP another; packets stand in order of time.
//! Times are those of the traces: since the rig started, which Wireshark shows as 1970.

mod can;
mod modbus;

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bess_types::SimTime;
use clap::Args;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::name_resolution::{Ipv4Record, Ipv6Record, NameResolutionBlock, Record};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::{PcapNgWriteError, PcapNgWriter};
use pcap_file::{DataLink, Endianness};

use crate::evidence::{CANDUMP_ENDING, MODBUS_FILE};
use crate::mistake::Mistake;
use crate::suite::say;

use can::CandumpLog;
use modbus::Conversations;

#[derive(Args)]
pub(crate) struct CaptureArgs {
    /// Folder of a scenario below the output of `test`, or the output of `run`.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// File to write [default: capture.pcapng in the folder].
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Bytes at a time, on one of the interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    at: SimTime,
    interface: u32,
    data: Vec<u8>,
    /// What a reader should know of it.
    comment: Option<String>,
}

type Packets = Box<dyn Iterator<Item = Result<Packet, Mistake>>>;

pub(crate) fn run(args: &CaptureArgs) -> Result<(), Mistake> {
    let folder = &args.folder;
    let unreadable = |error: io::Error| Mistake::new(format!("{}: {error}", folder.display()), NO_RUN);
    let mut logs = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(bus) = name.and_then(|name| name.strip_suffix(CANDUMP_ENDING)) {
            logs.push((bus.to_owned(), path));
        }
    }
    logs.sort();
    let modbus = folder.join(MODBUS_FILE);
    let conversations = if modbus.is_file() {
        Conversations::read(&modbus)?
    } else {
        Conversations::default()
    };
    if logs.is_empty() && conversations.is_empty() {
        let message = format!("{}: there is no trace in it", folder.display());
        return Err(Mistake::new(message, NO_RUN));
    }
    let out = args.out.clone().unwrap_or_else(|| folder.join("capture.pcapng"));
    let buses = logs.len();
    let written = write(&out, logs, &conversations)?;
    say(&format!(
        "{}: {} frames of {buses} CAN buses, {} packets with Modbus",
        out.display(),
        written.frames,
        written.modbus
    ));
    Ok(())
}

const NO_RUN: &str =
    "name the folder of a scenario below ./bessrig-out, or one that `bessrig run --out` has written";

struct Written {
    frames: u64,
    modbus: u64,
}

fn write(
    out: &Path,
    logs: Vec<(String, PathBuf)>,
    conversations: &Conversations,
) -> Result<Written, Mistake> {
    let unwritable = |error: &dyn std::fmt::Display| {
        Mistake::new(
            format!("{}: {error}", out.display()),
            "name a file that can be written, with --out",
        )
    };
    let file = File::create(out).map_err(|error| unwritable(&error))?;
    let mut capture = Capture::new(BufWriter::new(file)).map_err(|error| unwritable(&error))?;
    let mut begin = || {
        for (bus, _) in &logs {
            capture.interface(bus, DataLink::CAN_SOCKETCAN)?;
        }
        for (name, link) in conversations.interfaces() {
            capture.interface(&name, link)?;
        }
        capture.names(conversations)
    };
    begin().map_err(|error| unwritable(&error))?;
    let modbus_begins = u32::try_from(logs.len()).unwrap_or(u32::MAX);
    let mut sources: Vec<Packets> = Vec::new();
    for ((_, path), interface) in logs.into_iter().zip(0..) {
        sources.push(Box::new(CandumpLog::open(&path, interface)?));
    }
    sources.push(Box::new(conversations.packets(modbus_begins).into_iter().map(Ok)));
    let mut written = Written { frames: 0, modbus: 0 };
    for packet in InOrder::new(sources)? {
        let packet = packet?;
        let of = if packet.interface < modbus_begins {
            &mut written.frames
        } else {
            &mut written.modbus
        };
        *of += 1;
        capture.packet(packet).map_err(|error| unwritable(&error))?;
    }
    capture.end().map_err(|error| unwritable(&error))?;
    Ok(written)
}

/// Lines of a file with their numbers. A last one without its end is still being written, and left out.
struct WholeLines {
    file: BufReader<File>,
    number: usize,
}

impl WholeLines {
    fn open(path: &Path) -> Result<Self, Mistake> {
        let file =
            File::open(path).map_err(|error| Mistake::new(format!("{}: {error}", path.display()), ""))?;
        Ok(Self {
            file: BufReader::with_capacity(1 << 16, file),
            number: 0,
        })
    }
}

impl Iterator for WholeLines {
    type Item = (usize, io::Result<String>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut text = String::new();
        let read = self.file.read_line(&mut text);
        self.number += 1;
        match read {
            Ok(_) => text
                .strip_suffix('\n')
                .map(|line| (self.number, Ok(line.to_owned()))),
            Err(error) => Some((self.number, Err(error))),
        }
    }
}

/// Several sources as one, in order of time; at the same time the earlier source is first.
struct InOrder {
    sources: Vec<(Packets, Option<Packet>)>,
}

impl InOrder {
    fn new(sources: Vec<Packets>) -> Result<Self, Mistake> {
        let mut begun = Vec::new();
        for mut source in sources {
            let first = source.next().transpose()?;
            begun.push((source, first));
        }
        Ok(Self { sources: begun })
    }
}

impl Iterator for InOrder {
    type Item = Result<Packet, Mistake>;

    fn next(&mut self) -> Option<Self::Item> {
        let waiting = self
            .sources
            .iter_mut()
            .filter_map(|(source, next)| Some((next.as_ref()?.at, source, next)));
        let (_, source, next) = waiting.min_by_key(|(at, ..)| *at)?;
        let packet = next.take()?;
        match source.next().transpose() {
            Ok(following) => *next = following,
            Err(mistake) => return Some(Err(mistake)),
        }
        Some(Ok(packet))
    }
}

/// A pcapng file being written. Always little-endian, so that it is the same on every machine.
struct Capture<W: Write> {
    writer: PcapNgWriter<W>,
}

impl<W: Write> Capture<W> {
    fn new(out: W) -> Result<Self, PcapNgWriteError> {
        let application = concat!("bessrig ", env!("CARGO_PKG_VERSION"));
        let section = SectionHeaderBlock {
            endianness: Endianness::Little,
            options: vec![SectionHeaderOption::UserApplication(application.into())],
            ..SectionHeaderBlock::default()
        };
        let writer = PcapNgWriter::with_section_header(out, section)?;
        Ok(Self { writer })
    }

    fn interface(&mut self, name: &str, linktype: DataLink) -> Result<(), PcapNgWriteError> {
        let block = InterfaceDescriptionBlock {
            linktype,
            snaplen: 0,
            options: vec![
                InterfaceDescriptionOption::IfName(name.into()),
                InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
            ],
        };
        self.writer.write_pcapng_block(block).map(drop)
    }

    /// Whose the addresses are.
    fn names(&mut self, conversations: &Conversations) -> Result<(), PcapNgWriteError> {
        let mut records = Vec::new();
        for (name, addresses) in conversations.names() {
            let names = vec![Cow::Borrowed(name)];
            records.push(Record::Ipv4(Ipv4Record {
                ip_addr: addresses.v4,
                names: names.clone(),
            }));
            records.push(Record::Ipv6(Ipv6Record {
                ip_addr: addresses.v6,
                names,
            }));
        }
        if records.is_empty() {
            return Ok(());
        }
        let block = NameResolutionBlock {
            records,
            options: vec![],
        };
        self.writer.write_pcapng_block(block).map(drop)
    }

    fn packet(&mut self, packet: Packet) -> Result<(), PcapNgWriteError> {
        let comment = packet.comment.map(|text| CommonOption::Comment(text.into()));
        let block = EnhancedPacketBlock {
            interface_id: packet.interface,
            timestamp: Duration::from_nanos(packet.at.as_nanos()),
            original_len: u32::try_from(packet.data.len()).unwrap_or(u32::MAX),
            data: packet.data.into(),
            options: comment.map(EnhancedPacketOption::Common).into_iter().collect(),
        };
        self.writer.write_pcapng_block(block).map(drop)
    }

    fn end(self) -> io::Result<()> {
        self.writer.into_inner().flush()
    }
}

#[cfg(test)]
mod tests;
