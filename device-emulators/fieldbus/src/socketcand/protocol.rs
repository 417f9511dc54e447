//! The text of the socketcand protocol: elements in angle brackets, cut out of a byte stream, read and written.
//!
//! What each element means follows doc/protocol.md of linux-can/socketcand, and where that is silent the daemon:
//! data of a command is one hex number a byte, a frame for a client in raw mode has its data in one piece, and in
//! broadcast-manager mode byte by byte. There is no CAN FD and no remote frame in it.

use std::fmt::Write as _;
use std::time::Duration;

use bess_types::{CanFrame, CanId};

/// Longest element, bytes between the brackets; the daemon has 8290 for all of a command.
const LONGEST: usize = 8192;
/// Marks in a SocketCAN identifier.
const EXTENDED_FLAG: u32 = 0x8000_0000;
const HIGHEST_STANDARD: u32 = 0x7FF;
const HIGHEST_EXTENDED: u32 = 0x1FFF_FFFF;
/// Mux mask and up to 256 contents.
const MUX_FRAMES: std::ops::RangeInclusive<usize> = 2..=257;

/// Cuts elements out of what comes in, however it is split.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// Bytes of the element begun; none between elements.
    begun: Option<Vec<u8>>,
    /// Bytes since the last element that belong to none.
    noise: usize,
}

/// A piece of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// What stands between two brackets.
    Element(&'a str),
    /// Something that is no element: bytes outside brackets, told once however many, or no ASCII inside.
    Noise,
}

impl std::fmt::Display for Piece<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Element(text) => write!(f, "<{}>", text.get(..80).unwrap_or(text)),
            Self::Noise => f.write_str("bytes outside of < and >"),
        }
    }
}

/// An element, or noise, that does not end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Endless;

impl Decoder {
    /// Gives `take` every piece that ends in `bytes`. After [`Endless`] nothing sensible can follow.
    pub(crate) fn push(&mut self, bytes: &[u8], mut take: impl FnMut(Piece<'_>)) -> Result<(), Endless> {
        for &byte in bytes {
            match (&mut self.begun, byte) {
                (None, b'<') => {
                    self.begun = Some(Vec::new());
                    self.noise = 0;
                }
                (None, byte) if byte.is_ascii_whitespace() => {}
                (None, _) => {
                    self.noise += 1;
                    if self.noise == 1 {
                        take(Piece::Noise);
                    }
                }
                (Some(element), b'>') => {
                    take(match str::from_utf8(element) {
                        Ok(text) if text.is_ascii() => Piece::Element(text),
                        _ => Piece::Noise,
                    });
                    self.begun = None;
                }
                (Some(element), byte) => element.push(byte),
            }
            if self.noise > LONGEST || self.begun.as_ref().is_some_and(|element| element.len() > LONGEST) {
                return Err(Endless);
            }
        }
        Ok(())
    }
}

/// How a client uses its bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It hears what it subscribed to, and may have frames sent cyclically.
    Broadcast,
    /// It hears everything.
    Raw,
    /// It hears counts of the bus only.
    Control,
}

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Use the bus of this name.
    Open(String),
    /// Use it that way.
    Switch(Mode),
    /// Say the same.
    Echo,
    /// Put a frame on the bus.
    Send(CanFrame),
    /// Put a frame on the bus now and at every interval; only now if the interval is zero.
    Add(Duration, CanFrame),
    /// Change the content of a cyclic frame.
    Update(CanFrame),
    /// End a cyclic frame.
    Delete(CanId),
    /// Report frames of an identifier, not more often than the interval.
    Watch(Duration, CanId, Content),
    /// End that.
    Unwatch(CanId),
    /// Report counts of the bus at every interval; none at zero.
    Statistics(Duration),
}

/// Which frames of an identifier are reported. Masks and contents are the eight bytes of a frame, the first one highest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// All.
    Any,
    /// Those that differ from the one before in these bits.
    Changed(u64),
    /// The same for each page of a multiplexed message: the bits that tell the page, and for each page its value there
    /// together with the bits that count.
    ChangedPages(u64, Vec<u64>),
}

/// Why an element is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No such command.
    Unknown,
    /// A command with wrong numbers. The daemon puts it in its own log, says nothing to the client and does nothing
    /// (state_raw.c, state_bcm.c, up to its version of May 2025).
    Syntax,
}

/// Reads an element as a client's command.
pub(crate) fn command(element: &str) -> Result<Command, Refusal> {
    let mut words = Words(element);
    let name = words.next().ok_or(Refusal::Unknown)?;
    let command = match name {
        "open" => words.next().map(|bus| Command::Open(bus.into())),
        "rawmode" => Some(Command::Switch(Mode::Raw)),
        "bcmmode" => Some(Command::Switch(Mode::Broadcast)),
        "controlmode" => Some(Command::Switch(Mode::Control)),
        "echo" => Some(Command::Echo),
        "send" => words.frame().map(Command::Send),
        "add" => words
            .interval()
            .zip(words.frame())
            .map(|(every, frame)| Command::Add(every, frame)),
        "update" => words.frame().map(Command::Update),
        "delete" => words.id().map(Command::Delete),
        "subscribe" => words
            .interval()
            .zip(words.id())
            .map(|(every, id)| Command::Watch(every, id, Content::Any)),
        "filter" => words
            .interval()
            .zip(words.frame())
            .map(|(every, frame)| Command::Watch(every, frame.id, Content::Changed(content(&frame)))),
        "muxfilter" => words.mux_filter(),
        "unsubscribe" => words.id().map(Command::Unwatch),
        "statistics" => words
            .number()
            .map(|ms| Command::Statistics(Duration::from_millis(ms))),
        _ => return Err(Refusal::Unknown),
    };
    match command {
        Some(command) if words.next().is_none() => Ok(command),
        _ => Err(Refusal::Syntax),
    }
}

/// The words of an element, and what groups of them mean.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let text = self.0.trim_ascii_start();
        let end = text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    fn number(&mut self) -> Option<u64> {
        self.next()?.parse().ok()
    }

    /// Seconds and microseconds.
    fn interval(&mut self) -> Option<Duration> {
        let (seconds, micros) = (self.number()?, self.number()?);
        Duration::from_secs(seconds).checked_add(Duration::from_micros(micros))
    }

    /// Eight digits are a 29-bit identifier, fewer an 11-bit one.
    fn id(&mut self) -> Option<CanId> {
        id(self.next()?)
    }

    fn byte(&mut self) -> Option<u8> {
        u8::try_from(hex(self.next()?, 2)?).ok()
    }

    /// Identifier, length and that many bytes.
    fn frame(&mut self) -> Option<CanFrame> {
        let id = self.id()?;
        let length = usize::try_from(self.number()?)
            .ok()
            .filter(|length| *length <= 8)?;
        let data = (0..length).map(|_| self.byte()).collect::<Option<Vec<_>>>()?;
        CanFrame::new(id, &data)
    }

    /// Interval, identifier, count, and that many times eight bytes, the first of them the mask of the page.
    fn mux_filter(&mut self) -> Option<Command> {
        let (every, id) = (self.interval()?, self.id()?);
        let count = usize::try_from(self.number()?)
            .ok()
            .filter(|count| MUX_FRAMES.contains(count))?;
        let mut eight = || (0..8).try_fold(0, |bits, _| Some(bits << 8 | u64::from(self.byte()?)));
        let mask = eight()?;
        let pages = (1..count).map(|_| eight()).collect::<Option<_>>()?;
        Some(Command::Watch(every, id, Content::ChangedPages(mask, pages)))
    }
}

fn hex(word: &str, longest: usize) -> Option<u32> {
    let digits = word.len() <= longest && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits {
        u32::from_str_radix(word, 16).ok()
    } else {
        None
    }
}

fn id(word: &str) -> Option<CanId> {
    let raw = hex(word, 8)?;
    if word.len() == 8 {
        // Some clients leave SocketCAN's mark of a 29-bit identifier in it.
        let raw = raw & !EXTENDED_FLAG;
        (raw <= HIGHEST_EXTENDED).then_some(CanId::Extended(raw))
    } else {
        (raw <= HIGHEST_STANDARD).then_some(CanId::Standard(u16::try_from(raw).ok()?))
    }
}

/// The payload of a frame, as masks see it.
pub(crate) fn content(frame: &CanFrame) -> u64 {
    let bytes = frame.data().iter().chain(&[0; 8]).take(8);
    bytes.fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

/// What a server says to a client that is on a bus in raw mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// Ready for [`Command::Open`].
    Hi,
    /// The last command was carried out.
    Ok,
    /// A frame on the bus.
    Frame(CanFrame),
    /// An error frame on the bus, of this class.
    BusError(u32),
    /// What the client asked for cannot be.
    Error(String),
}

/// Reads an element as a server's report; `None` if it is none a client in raw mode expects.
pub(crate) fn report(element: &str) -> Option<Report> {
    let mut words = Words(element);
    match words.next()? {
        "hi" => Some(Report::Hi),
        "ok" => Some(Report::Ok),
        "error" => {
            let text = words.0.trim_ascii();
            let class = words.next().and_then(|word| hex(word, 8));
            let stamp = words.next().and_then(|word| word.parse::<f64>().ok());
            Some(match class.zip(stamp) {
                Some((class, _)) => Report::BusError(class & HIGHEST_EXTENDED),
                None => Report::Error(text.into()),
            })
        }
        "frame" => {
            let id = words.id()?;
            words.next()?.parse::<f64>().ok()?;
            let mut data = Vec::new();
            while let Some(word) = words.next() {
                for byte in word.as_bytes().chunks(2) {
                    data.push(u8::try_from(hex(str::from_utf8(byte).ok()?, 2)?).ok()?);
                }
            }
            Some(Report::Frame(CanFrame::new(id, &data)?))
        }
        _ => None,
    }
}

pub(crate) const HI: &str = "< hi >";
pub(crate) const OK: &str = "< ok >";
pub(crate) const ECHO: &str = "< echo >";
pub(crate) const RAW_MODE: &str = "< rawmode >";
pub(crate) const UNKNOWN_COMMAND: &str = "< error unknown command >";
pub(crate) const NO_SUCH_BUS: &str = "< error could not open bus >";

/// Writes a client's wish for a bus.
pub(crate) fn write_open(out: &mut String, bus: &str) {
    let _ = write!(out, "< open {bus} >");
}

/// Writes a frame for the server.
pub(crate) fn write_send(out: &mut String, frame: &CanFrame) {
    let _ = write!(out, "< send {} {} ", frame.id, frame.data().len());
    for byte in frame.data() {
        let _ = write!(out, "{byte:02x} ");
    }
    out.push('>');
}

/// Writes a frame for a client in raw mode; `at` is the time of day it was on the bus.
pub(crate) fn write_frame(out: &mut String, at: Duration, frame: &CanFrame) {
    frame_head(out, at, frame);
    for byte in frame.data() {
        let _ = write!(out, "{byte:02X}");
    }
    out.push_str(" >");
}

/// Writes a frame for a client that subscribed to it.
pub(crate) fn write_subscribed(out: &mut String, at: Duration, frame: &CanFrame) {
    frame_head(out, at, frame);
    for byte in frame.data() {
        let _ = write!(out, "{byte:02X} ");
    }
    out.push_str(" >");
}

fn frame_head(out: &mut String, at: Duration, frame: &CanFrame) {
    let _ = write!(
        out,
        "< frame {} {}.{:06} ",
        frame.id,
        at.as_secs(),
        at.subsec_micros()
    );
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything that comes out, as text; and whether it ended.
    fn pieces(chunks: &[&[u8]]) -> (Vec<String>, bool) {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        for chunk in chunks {
            let pushed = decoder.push(chunk, |piece| {
                out.push(match piece {
                    Piece::Element(text) => format!("<{text}>"),
                    Piece::Noise => "noise".into(),
                });
            });
            if pushed.is_err() {
                return (out, true);
            }
        }
        (out, false)
    }

    fn frame(id: u32, data: &[u8]) -> CanFrame {
        let id = if id > HIGHEST_STANDARD {
            CanId::Extended(id)
        } else {
            CanId::Standard(u16::try_from(id).unwrap())
        };
        CanFrame::new(id, data).unwrap()
    }

    #[test]
    fn elements_are_cut_out_of_merged_and_noisy_text() {
        let (out, endless) = pieces(&[b"\r\n< open can0 >< rawmode >  abc<echo>x< \xFF >< send 1 <0 >"]);
        assert_eq!(
            out,
            [
                "< open can0 >",
                "< rawmode >",
                "noise",
                "<echo>",
                "noise",
                "noise",
                "< send 1 <0 >"
            ]
        );
        assert!(!endless);
    }

    #[test]
    fn what_never_ends_is_ended() {
        let long = vec![b'a'; LONGEST + 1];
        assert!(pieces(&[&long]).1);
        assert!(pieces(&[b"<", &long]).1);
        assert!(!pieces(&[b"<", &long[1..], b">"]).1);
        assert!(!pieces(&[&vec![b' '; 3 * LONGEST]]).1);
    }

    #[test]
    fn commands_of_the_protocol_document() {
        let id = CanId::Standard(0x123);
        let second = Duration::from_secs(1);
        let all = [
            (" open can0 ", Command::Open("can0".into())),
            (" rawmode ", Command::Switch(Mode::Raw)),
            (" bcmmode ", Command::Switch(Mode::Broadcast)),
            (" controlmode ", Command::Switch(Mode::Control)),
            (" echo ", Command::Echo),
            (" send 123 0 ", Command::Send(frame(0x123, &[]))),
            (" send 123 0  ", Command::Send(frame(0x123, &[]))),
            (
                " send 1AAAAAAA 2 1 f1 ",
                Command::Send(frame(0x1AAA_AAAA, &[0x01, 0xF1])),
            ),
            (" send 9AAAAAAA 0 ", Command::Send(frame(0x1AAA_AAAA, &[]))),
            (
                " send 00000123 1 0 ",
                Command::Send(CanFrame::new(CanId::Extended(0x123), &[0]).unwrap()),
            ),
            (
                " add 1 0 123 8 11 22 33 44 55 66 77 88 ",
                Command::Add(
                    second,
                    frame(0x123, &[0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]),
                ),
            ),
            (
                " update 123 3 11 22 33 ",
                Command::Update(frame(0x123, &[0x11, 0x22, 0x33])),
            ),
            (" delete 123 ", Command::Delete(id)),
            (
                " filter 1 500000 123 1 FF ",
                Command::Watch(second * 3 / 2, id, Content::Changed(0xFF << 56)),
            ),
            (
                " muxfilter 0 0 123 2 FF 00 00 00 00 00 00 00 33 FF FF FF FF FF FF FF ",
                Command::Watch(
                    Duration::ZERO,
                    id,
                    Content::ChangedPages(0xFF << 56, vec![0x33FF_FFFF_FFFF_FFFF]),
                ),
            ),
            (
                " subscribe 0 0 123 ",
                Command::Watch(Duration::ZERO, id, Content::Any),
            ),
            (" unsubscribe 123 ", Command::Unwatch(id)),
            (" statistics 1000 ", Command::Statistics(second)),
        ];
        for (text, expected) in all {
            assert_eq!(command(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn wrong_commands_are_refused() {
        for text in ["", " ", " sendpdu 00 ", " isotpmode ", " Echo ", " send123 "] {
            assert_eq!(command(text), Err(Refusal::Unknown), "{text}");
        }
        for text in [
            " send ",
            " send 123 ",
            " send 123 1 ",
            " send 123 2 1 ",
            " send 123 1 1 2 ",
            " send 123 9 1 2 3 4 5 6 7 8 9 ",
            " send 800 0 ",
            " send FFFFFFFF 0 ",
            " send 123456789 0 ",
            " send +12 0 ",
            " send 123 1 100 ",
            " send 123 1 xy ",
            " send 123 -1 ",
            " echo echo ",
            " open ",
            " add 1 123 0 ",
            " add 18446744073709551615 99999999 123 0 ",
            " muxfilter 0 0 123 1 FF 00 00 00 00 00 00 00 ",
            " muxfilter 0 0 123 2 FF 00 00 00 00 00 00 00 33 ",
            " statistics ",
        ] {
            assert_eq!(command(text), Err(Refusal::Syntax), "{text}");
        }
    }

    #[test]
    fn frames_are_written_as_the_daemon_writes_them() {
        let at = Duration::new(23, 424_242_999);
        let mut out = String::new();
        write_frame(&mut out, at, &frame(0x123, &[0x1A, 0x22, 0x03, 0x44]));
        write_frame(&mut out, at, &frame(0x18FF_0001, &[]));
        write_subscribed(&mut out, at, &frame(0x7, &[0xAB, 1]));
        write_send(&mut out, &frame(0x18FF_0001, &[0xAB, 1]));
        assert_eq!(
            out,
            "< frame 123 23.424242 1A220344 >< frame 18FF0001 23.424242  >< frame 007 23.424242 AB 01  >\
             < send 18FF0001 2 ab 01 >"
        );
    }

    #[test]
    fn reports_of_a_server() {
        assert_eq!(report(" hi "), Some(Report::Hi));
        assert_eq!(report(" ok "), Some(Report::Ok));
        assert_eq!(
            report(" error could not open bus "),
            Some(Report::Error("could not open bus".into()))
        );
        assert_eq!(report(" error 004 1637791111.209224 "), Some(Report::BusError(4)));
        for text in [
            " frame 123 ",
            " frame 123 x 00 ",
            " frame 123 1.5 0 0G ",
            " frame 123 1 112233445566778899 ",
            " stat 1 ",
        ] {
            assert_eq!(report(text), None, "{text}");
        }
    }

    fn frames() -> impl Strategy<Value = CanFrame> {
        let id = prop_oneof![
            (0..=0x7FF_u16).prop_map(CanId::Standard),
            (0..=HIGHEST_EXTENDED).prop_map(CanId::Extended)
        ];
        (id, prop::collection::vec(any::<u8>(), 0..=8))
            .prop_map(|(id, data)| CanFrame::new(id, &data).unwrap())
    }

    /// Text that is nearly right: its pieces are those of the protocol.
    fn near() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            prop::sample::select(vec![
                "<",
                ">",
                " ",
                "send",
                "add",
                "filter",
                "muxfilter",
                "123",
                "1FFFFFFF",
                "8",
                "2",
                "0",
                "ff",
                "open",
                "\n"
            ])
            .prop_map(|text| text.as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..4),
        ];
        prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn the_split_of_the_stream_makes_no_difference(bytes in near(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());
            let mut chunks = Vec::new();
            let mut from = 0;
            for to in cuts {
                chunks.push(&bytes[from..to]);
                from = to;
            }
            prop_assert_eq!(pieces(&chunks), pieces(&[&bytes]));
        }

        #[test]
        fn nothing_a_peer_sends_is_a_panic(bytes in near()) {
            let _ = Decoder::default().push(&bytes, |piece| {
                if let Piece::Element(text) = piece {
                    let _ = (command(text), report(text));
                }
            });
        }

        #[test]
        fn frames_survive_both_ways(frame in frames(), at in any::<u32>()) {
            let inner = |text: &str| text[1..text.len() - 1].to_owned();
            let mut text = String::new();
            write_send(&mut text, &frame);
            prop_assert_eq!(command(&inner(&text)), Ok(Command::Send(frame)));
            for write in [write_frame, write_subscribed] {
                let mut text = String::new();
                write(&mut text, Duration::from_micros(at.into()), &frame);
                prop_assert_eq!(report(&inner(&text)), Some(Report::Frame(frame)));
            }
        }
    }
}
