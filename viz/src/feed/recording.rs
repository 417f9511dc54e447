//! `recording.mcap`: the stream of a rig in a file, with an index to any instant.
//!
//! The file is walked once: events and points are taken in whole, of frames only the place is kept. Chunks are unpacked again
//! when frames of them are wanted. A file that ends in the midst of a chunk, because its rig died or still runs, is read up
//! to the last whole one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bess_telemetry::{Cells, Description, Event, Frame, Kind, Points, Status, Topic};
use mcap::records::{Channel, ChunkHeader, Record};
use serde_json::Error as JsonError;

use super::Mistake;
use crate::model::Model;

/// Largest file, bytes.
const LARGEST: u64 = 4 << 30;
/// Largest chunk when unpacked, bytes: a chunk is at most ten seconds.
const LARGEST_CHUNK: u64 = 1 << 28;
/// Unpacked chunks that are kept.
const UNPACKED: usize = 8;
/// How far back frames of cells are read for trends, ns.
const TREND_NS: u64 = 60_000_000_000;
/// Every MCAP file begins with it.
const MAGIC: &[u8] = b"\x89MCAP0\r\n";

/// A message of a chunk.
#[derive(Debug)]
struct Message {
    topic: Topic,
    at_ns: u64,
    data: Range<usize>,
}

/// A chunk, unpacked.
#[derive(Debug)]
struct Unpacked {
    messages: Vec<Message>,
    bytes: Vec<u8>,
    /// Why there is no more of it.
    broken: Option<String>,
}

/// Where a frame is.
#[derive(Clone, Copy, Debug)]
struct Place {
    at_ns: u64,
    topic: Topic,
    /// A frame of points that has them all.
    complete: bool,
    chunk: u32,
    message: u32,
}

/// A recording.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Where chunks are in the file: header and packed data.
    chunks: Vec<(ChunkHeader, Range<usize>)>,
    topics: BTreeMap<u16, Topic>,
    /// Frames of cells, points and status by time.
    places: Vec<Place>,
    /// Of these, which have all points.
    complete: Vec<usize>,
    description: Option<Description>,
    events: Vec<Event>,
    points: Vec<Points>,
    span_ns: (u64, u64),
    opens_ns: u64,
    notes: Vec<String>,
    unpacked: VecDeque<(u32, Arc<Unpacked>)>,
}

impl Recording {
    /// Reads a file.
    pub fn open(path: &Path) -> Result<Self, Mistake> {
        let no = |what: String, remedy: &str| Mistake::new(format!("{}: {what}", path.display()), remedy);
        let check =
            "give a recording.mcap, as `bessrig test --out FOLDER` and `bessrig run --record` leave it";
        let size = fs::metadata(path).map_err(|error| no(error.to_string(), check))?;
        if !size.is_file() {
            return Err(no("this is no file".into(), check));
        }
        if size.len() > LARGEST {
            return Err(no(
                format!("{} GiB are too much", size.len() >> 30),
                "cut it, for example with `mcap filter`",
            ));
        }
        let bytes = fs::read(path).map_err(|error| no(error.to_string(), check))?;
        Self::read(path, bytes).map_err(|what| no(what, check))
    }

    /// Reads the bytes of a file.
    pub fn read(path: &Path, bytes: Vec<u8>) -> Result<Self, String> {
        if !bytes.starts_with(MAGIC) {
            return Err(if bytes.is_empty() {
                "the file is empty".into()
            } else {
                "this is no MCAP file".into()
            });
        }
        let mut recording = Self {
            path: path.to_owned(),
            bytes,
            chunks: Vec::new(),
            topics: BTreeMap::new(),
            places: Vec::new(),
            complete: Vec::new(),
            description: None,
            events: Vec::new(),
            points: Vec::new(),
            span_ns: (u64::MAX, 0),
            opens_ns: 0,
            notes: Vec::new(),
            unpacked: VecDeque::new(),
        };
        recording.walk();
        recording.take_in();
        if recording.description.is_none() {
            let why = recording.notes.first();
            // what else to do is said for the whole file
            let why = why.map(|note| note.split(" — ").next().unwrap_or_default().to_owned());
            return Err(
                why.unwrap_or_else(|| "it has no description of a rig: bessrig did not write it".into())
            );
        }
        if recording.span_ns.0 > recording.span_ns.1 {
            recording.span_ns = (0, 0);
        }
        recording.opens_ns = recording.opening_ns();
        Ok(recording)
    }

    /// Finds chunks and channels.
    fn walk(&mut self) {
        let mut whole = false;
        for (at, opcode, body) in records(&self.bytes[MAGIC.len()..]) {
            let body = body.start + MAGIC.len()..body.end + MAGIC.len();
            match mcap::parse_record(opcode, &self.bytes[body.clone()]) {
                Ok(Record::Channel(channel)) => note_channel(&mut self.topics, &channel),
                Ok(Record::Chunk { header, data }) => {
                    // packed data ends the record
                    self.chunks.push((header, body.end - data.len()..body.end));
                }
                Ok(Record::DataEnd(_) | Record::Footer(_)) => {
                    whole = true;
                    break;
                }
                Ok(_) => {}
                Err(error) => self.notes.push(format!("at byte {}: {error}", at + MAGIC.len())),
            }
        }
        if !whole {
            self.notes.push(
                "it was not closed: its rig still runs, or died; read as far as it is whole — end the rig with Ctrl-C, and its \
                 recording is closed"
                    .into(),
            );
        }
    }

    /// Takes in every message once.
    fn take_in(&mut self) {
        let mut unreadable = 0_u64;
        let mut why = None;
        for chunk in 0..self.chunks.len() {
            let unpacked = self.unpack(chunk);
            if let Some(broken) = &unpacked.broken {
                self.notes.push(format!(
                    "chunk {} of {} is left out: {broken} — copy the file anew, or record again",
                    chunk + 1,
                    self.chunks.len()
                ));
            }
            for (number, message) in unpacked.messages.iter().enumerate() {
                let data = &unpacked.bytes[message.data.clone()];
                match self.take(chunk, number, message, data) {
                    Ok(()) => {}
                    Err(error) => {
                        unreadable += 1;
                        why.get_or_insert_with(|| error.to_string());
                    }
                }
            }
        }
        if let Some(why) = why {
            self.notes.push(format!(
                "{unreadable} messages cannot be read: {why} — copy the file anew, or record again"
            ));
        }
        self.places.sort_by_key(|place| place.at_ns);
        self.complete = (0..self.places.len())
            .filter(|&n| self.places[n].complete)
            .collect();
        self.points.sort_by_key(|points| points.at_ns);
    }

    fn take(&mut self, chunk: usize, number: usize, message: &Message, data: &[u8]) -> Result<(), JsonError> {
        let mut complete = false;
        let mut at_ns = message.at_ns;
        match message.topic {
            Topic::Description => {
                let description = serde_json::from_slice(data)?;
                self.description.get_or_insert(description);
                return Ok(());
            }
            Topic::Events => {
                let event: Event = serde_json::from_slice(data)?;
                self.span_ns.1 = self.span_ns.1.max(event.at_ns);
                self.events.push(event);
                return Ok(());
            }
            Topic::Points => {
                let points: Points = serde_json::from_slice(data)?;
                complete = points.complete;
                at_ns = points.at_ns;
                self.points.push(points);
            }
            Topic::Cells | Topic::Status => {}
        }
        self.span_ns = (self.span_ns.0.min(at_ns), self.span_ns.1.max(at_ns));
        self.places.push(Place {
            at_ns,
            topic: message.topic,
            complete,
            chunk: u32::try_from(chunk).unwrap_or(u32::MAX),
            message: u32::try_from(number).unwrap_or(u32::MAX),
        });
        Ok(())
    }

    /// Unpacks a chunk as far as it is whole.
    fn unpack(&mut self, number: usize) -> Unpacked {
        let (header, packed) = &self.chunks[number];
        let (bytes, broken) = unpacked(header, &self.bytes[packed.clone()]);
        let mut messages = Vec::new();
        for (_, opcode, body) in records(&bytes) {
            match mcap::parse_record(opcode, &bytes[body.clone()]) {
                Ok(Record::Channel(channel)) => note_channel(&mut self.topics, &channel),
                Ok(Record::Message { header, data }) => {
                    if let Some(topic) = self.topics.get(&header.channel_id) {
                        messages.push(Message {
                            topic: *topic,
                            at_ns: header.log_time,
                            // data ends the record
                            data: body.end - data.len()..body.end,
                        });
                    }
                }
                Ok(_) | Err(_) => {}
            }
        }
        Unpacked {
            messages,
            bytes,
            broken,
        }
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// First and last instant, ns.
    pub fn span_ns(&self) -> (u64, u64) {
        self.span_ns
    }

    /// Where it is opened: a rig that has just started has told little, and all is hatched. The first cells by when most of what
    /// its beginning tells is told, but not after the first fault or hand.
    fn opening_ns(&self) -> u64 {
        let mut told = BTreeSet::<u32>::new();
        let mut counts = Vec::new();
        for (n, points) in self.points.iter().enumerate() {
            let values = points.index.iter().zip(&points.value);
            told.extend(values.filter_map(|(index, value)| value.is_some().then_some(index)));
            counts.push((points.at_ns, told.len()));
            if points.complete && n > 0 {
                break;
            }
        }
        let most = told.len() * 9 / 10;
        let known_ns = counts.into_iter().find(|(_, count)| *count >= most);
        let cells = known_ns.and_then(|(known_ns, _)| {
            let mut cells = self.places.iter().filter(|place| place.topic == Topic::Cells);
            Some(cells.find(|place| place.at_ns >= known_ns)?.at_ns)
        });
        let first = self.span_ns.0;
        let begins = self
            .events
            .iter()
            .filter(|event| matches!(event.kind, Kind::Fault | Kind::Hand) && event.at_ns > first)
            .map(|event| event.at_ns)
            .min();
        cells.unwrap_or(first).min(begins.unwrap_or(u64::MAX)).max(first)
    }

    /// Instant at which it is opened, ns.
    pub fn opens_ns(&self) -> u64 {
        self.opens_ns
    }

    /// What is missing in it.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Everything that happens in it.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Tells the model what there is, everything that happens and how points go.
    pub(super) fn begin(&mut self, model: &mut Model) {
        if let Some(description) = &self.description {
            model.apply(Frame::Description(Box::new(description.clone())));
        }
        let count = model.index().map_or(0, |index| index.point_count());
        for event in self.events.drain(..) {
            model.load_event(event);
        }
        for points in self.points.drain(..) {
            let fits = points.index.len() == points.value.len();
            if fits && points.index.iter().all(|index| (*index as usize) < count) {
                model.history_mut().load(&points);
            }
        }
    }

    /// Shows an instant: from the frame before it that has all points, up to it.
    pub(super) fn show(&mut self, model: &mut Model, at_ns: u64) {
        model.rewind();
        let end = self.places.partition_point(|place| place.at_ns <= at_ns);
        let keyframe = self.complete.partition_point(|&n| n < end).checked_sub(1);
        let first = keyframe.map_or(0, |n| self.complete[n]);
        let trend = at_ns.saturating_sub(TREND_NS);
        let begin = self
            .places
            .partition_point(|place| place.at_ns < trend)
            .min(first);
        let last_status = self.places[..end]
            .iter()
            .rposition(|place| place.topic == Topic::Status);
        let last_cells = self.places[..end]
            .iter()
            .rposition(|place| place.topic == Topic::Cells);
        // what holds may be older than the trend
        let old = [last_status, last_cells]
            .into_iter()
            .flatten()
            .filter(|&n| n < begin);
        let wanted = |n: usize| match self.places[n].topic {
            Topic::Points => n >= first,
            Topic::Cells => true,
            Topic::Status => Some(n) == last_status,
            Topic::Description | Topic::Events => false,
        };
        let mut list: Vec<usize> = old.chain((begin..end).filter(|&n| wanted(n))).collect();
        list.sort_unstable();
        for n in list {
            self.apply(model, n);
        }
        model.set_now(at_ns);
        model.settle();
    }

    /// Goes on from an instant that is shown to a later one.
    pub(super) fn go_on(&mut self, model: &mut Model, from_ns: u64, to_ns: u64) {
        let first = self.places.partition_point(|place| place.at_ns <= from_ns);
        let end = self.places.partition_point(|place| place.at_ns <= to_ns);
        for n in first..end {
            self.apply(model, n);
        }
        model.set_now(to_ns);
        model.settle();
    }

    fn apply(&mut self, model: &mut Model, n: usize) {
        let place = self.places[n];
        let unpacked = self.chunk(place.chunk);
        let Some(message) = unpacked.messages.get(place.message as usize) else {
            return;
        };
        let data = &unpacked.bytes[message.data.clone()];
        let frame = match place.topic {
            Topic::Cells => serde_json::from_slice::<Cells>(data).map(Frame::Cells),
            Topic::Points => serde_json::from_slice::<Points>(data).map(Frame::Points),
            Topic::Status => serde_json::from_slice::<Status>(data).map(Frame::Status),
            Topic::Description | Topic::Events => return,
        };
        match frame {
            Ok(frame) => model.apply(frame),
            Err(error) => model.notice(true, format!("left out: a frame that cannot be read ({error})")),
        }
    }

    /// A chunk, unpacked now or before.
    fn chunk(&mut self, number: u32) -> Arc<Unpacked> {
        if let Some((_, unpacked)) = self.unpacked.iter().find(|(n, _)| *n == number) {
            return Arc::clone(unpacked);
        }
        let unpacked = Arc::new(self.unpack(number as usize));
        self.unpacked.push_back((number, Arc::clone(&unpacked)));
        if self.unpacked.len() > UNPACKED {
            self.unpacked.pop_front();
        }
        unpacked
    }
}

/// Remembers which topic a channel has.
fn note_channel(topics: &mut BTreeMap<u16, Topic>, channel: &Channel) {
    let name = channel.topic.trim_start_matches('/');
    if let Some(topic) = Topic::ALL.into_iter().find(|topic| topic.name() == name) {
        topics.insert(channel.id, topic);
    }
}

/// Records that are whole: place, opcode and place of the body. A record is an opcode, a length and a body.
fn records(bytes: &[u8]) -> impl Iterator<Item = (usize, u8, Range<usize>)> {
    let mut at = 0_usize;
    std::iter::from_fn(move || {
        let here = at;
        let head = bytes.get(here..here.checked_add(9)?)?;
        let length = u64::from_le_bytes(head[1..].try_into().ok()?);
        let end = (here + 9).checked_add(usize::try_from(length).ok()?)?;
        at = end;
        (end <= bytes.len()).then_some((here, head[0], here + 9..end))
    })
}

/// A chunk's records, as far as they can be unpacked, and why there are no more. What its checksum does not fit is not believed.
fn unpacked(header: &ChunkHeader, packed: &[u8]) -> (Vec<u8>, Option<String>) {
    let no = |why: String| (Vec::new(), Some(why));
    if header.uncompressed_size > LARGEST_CHUNK {
        return no(format!("{} bytes are too much", header.uncompressed_size));
    }
    let mut bytes = Vec::new();
    let read = match header.compression.as_str() {
        "" => packed.take(LARGEST_CHUNK).read_to_end(&mut bytes),
        "zstd" => zstd::Decoder::with_buffer(packed)
            .and_then(|decoder| decoder.take(LARGEST_CHUNK).read_to_end(&mut bytes)),
        other => return no(format!("packed with {other}, which bessrig does not use")),
    };
    if let Err(error) = read {
        return no(format!("cannot be unpacked: {error}"));
    }
    if header.uncompressed_crc != 0 && crc32fast::hash(&bytes) != header.uncompressed_crc {
        return no("its checksum is wrong".into());
    }
    (bytes, None)
}
