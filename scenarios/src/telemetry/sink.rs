//! `recording.mcap`: the stream in a file that Foxglove, Lichtblick, PlotJuggler and Python's mcap read.
//!
//! A thread of its own puts frames into words and into the file, so that a rig on the wall clock waits for neither. In
//! virtual time the rig waits for it, and nothing is lost; on the wall clock what it has no room for is counted. The file
//! is written chunk by chunk: what a process that dies leaves behind ends with a whole one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bess_telemetry::{Cells, Description, Event, Points, Scenario, Status, Topic, recorded_schema};
use mcap::write::NoSeek;
use mcap::{Compression, WriteOptions, Writer, records::MessageHeader};
use serde::Serialize;

/// Name of the file in a scenario's folder.
pub(crate) const RECORDING_FILE: &str = "recording.mcap";

/// A chunk of a live rig, by the wall clock: what a process that dies has not written.
const LIVE_CHUNK: Duration = Duration::from_secs(1);
/// A chunk of another, in rig time, which passes faster, and longer chunks are smaller.
const CHUNK_NS: u64 = 10_000_000_000;
/// Frames and events that wait for the file: a start has a hundred events at once.
const WAITING: usize = 512;

/// How a recording is made.
pub(crate) struct Terms {
    /// The scenario it is of, if of one alone.
    pub(crate) scenario: Option<Scenario>,
    /// The rig keeps the wall clock: it waits for nobody.
    pub(crate) paced: bool,
    /// Others look on: the file has everything a second later, also while time stands. The bytes then depend on the wall
    /// clock.
    pub(crate) live: bool,
    /// Most bytes, about.
    pub(crate) limit: u64,
}

/// What goes into it.
pub(super) enum Item {
    Cells(Cells),
    Points(Points),
    Event(Arc<Event>),
    Status(Status),
}

impl Item {
    /// Rig time, ns.
    fn at_ns(&self) -> u64 {
        match self {
            Self::Cells(frame) => frame.at_ns,
            Self::Points(frame) => frame.at_ns,
            Self::Event(event) => event.at_ns,
            Self::Status(status) => status.at_ns,
        }
    }
}

/// A file under way.
pub(super) struct Sink {
    /// Name of the file.
    name: String,
    sender: Option<SyncSender<Item>>,
    thread: Option<JoinHandle<Result<Written, String>>>,
    paced: bool,
    dropped: u64,
}

/// What became of a recording.
struct Written {
    /// It stopped at its limit, at this rig time, ns.
    full_at_ns: Option<u64>,
}

impl Sink {
    /// Begins one.
    pub(super) fn create(path: &Path, description: &Description, terms: Terms) -> io::Result<Self> {
        let Terms {
            scenario,
            paced,
            live,
            limit,
        } = terms;
        let description = Description {
            scenario,
            ..description.clone()
        };
        let file = File::create(path)?;
        let (sender, items) = sync_channel(WAITING);
        let thread = thread::Builder::new().name("recording".into()).spawn(move || {
            write(file, &description, &items, live, limit).map_err(|error| error.to_string())
        })?;
        Ok(Self {
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            sender: Some(sender),
            thread: Some(thread),
            paced,
            dropped: 0,
        })
    }

    /// Hands over a frame; if there is no room it is counted as lost.
    pub(super) fn put(&mut self, item: Item) -> bool {
        let taken = self.offer(item);
        self.dropped += u64::from(!taken);
        taken
    }

    /// The same for what can be offered again. On the wall clock it is taken only if there is room. If the file could not
    /// be written, [`Sink::close`] says so.
    pub(super) fn offer(&self, item: Item) -> bool {
        let Some(sender) = &self.sender else { return true };
        if self.paced {
            !matches!(sender.try_send(item), Err(TrySendError::Full(_)))
        } else {
            drop(sender.send(item));
            true
        }
    }

    /// Frames lost so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// From here on there is room for everything: nothing else is due any more, so waiting hurts nobody.
    pub(super) fn wait(&mut self) {
        self.paced = false;
    }

    /// Ends it; says what is missing in it.
    pub(super) fn close(mut self) -> io::Result<Vec<String>> {
        self.sender = None;
        let mut notes = Vec::new();
        let Some(thread) = self.thread.take() else {
            return Ok(notes);
        };
        let written = thread
            .join()
            .map_err(|_| io::Error::other("the recording's thread panicked"))?
            .map_err(|why| io::Error::other(format!("{}: {why}", self.name)))?;
        if let Some(at) = written.full_at_ns {
            notes.push(format!(
                "{} stops at {:.0} s, where it reached its limit",
                self.name,
                at as f64 / 1e9
            ));
        }
        if self.dropped > 0 {
            notes.push(format!(
                "{} lacks {} frames: the machine was too slow",
                self.name, self.dropped
            ));
        }
        Ok(notes)
    }
}

/// Bytes that went into the file.
struct Counted<W> {
    inner: W,
    bytes: Arc<AtomicU64>,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(buffer)?;
        self.bytes.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The file.
struct Mcap {
    writer: Writer<NoSeek<Counted<BufWriter<File>>>>,
    /// By topic: the channel, and how many messages it has.
    channels: Vec<(u16, u32)>,
    bytes: Arc<AtomicU64>,
    limit: u64,
    line: Vec<u8>,
    /// Where the present chunk began, and the newest message is, ns.
    chunk_ns: u64,
    last_ns: u64,
    written: Written,
}

fn write(
    file: File,
    description: &Description,
    items: &Receiver<Item>,
    live: bool,
    limit: u64,
) -> mcap::McapResult<Written> {
    let mut mcap = Mcap::begin(file, description, limit)?;
    let mut begun = Instant::now();
    loop {
        let item = if live {
            items.recv_timeout(LIVE_CHUNK.saturating_sub(begun.elapsed()))
        } else {
            items.recv().map_err(RecvTimeoutError::from)
        };
        match item {
            Ok(item) => {
                if !live && item.at_ns() >= mcap.chunk_ns + CHUNK_NS {
                    mcap.end_chunk()?;
                    mcap.chunk_ns = item.at_ns();
                }
                mcap.put(&item)?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if live && begun.elapsed() >= LIVE_CHUNK {
            mcap.end_chunk()?;
            begun = Instant::now();
        }
    }
    mcap.writer.finish()?;
    Ok(mcap.written)
}

impl Mcap {
    fn begin(file: File, description: &Description, limit: u64) -> mcap::McapResult<Self> {
        let bytes = Arc::default();
        let file = Counted {
            inner: BufWriter::with_capacity(1 << 16, file),
            bytes: Arc::clone(&bytes),
        };
        let mut writer = WriteOptions::new()
            .profile("")
            .library(format!("bessrig {}", description.build))
            .compression(Some(Compression::Zstd))
            // of one thread, so that the same frames give the same bytes
            .compression_threads(0)
            .chunk_size(None)
            .disable_seeking(true)
            .create(NoSeek::new(file))?;
        let mut channels = Vec::new();
        for topic in Topic::ALL {
            let name = format!("bessrig.{}", topic.name());
            let schema = recorded_schema(topic).to_string();
            let schema = writer.add_schema(&name, "jsonschema", schema.as_bytes())?;
            let topic = format!("/{}", topic.name());
            channels.push((writer.add_channel(schema, &topic, "json", &BTreeMap::new())?, 0));
        }
        let mut mcap = Self {
            writer,
            channels,
            bytes,
            limit,
            line: Vec::new(),
            chunk_ns: 0,
            last_ns: 0,
            written: Written { full_at_ns: None },
        };
        mcap.message(Topic::Description, 0, description)?;
        mcap.writer.flush()?;
        Ok(mcap)
    }

    /// Puts what there is into the file; the next message begins another chunk.
    fn end_chunk(&mut self) -> mcap::McapResult<()> {
        self.writer.flush()?;
        if self.bytes.load(Ordering::Relaxed) >= self.limit && self.written.full_at_ns.is_none() {
            self.written.full_at_ns = Some(self.last_ns);
        }
        Ok(())
    }

    fn put(&mut self, item: &Item) -> mcap::McapResult<()> {
        // how it ends is told all the same
        if self.written.full_at_ns.is_some() && !matches!(item, Item::Event(_)) {
            return Ok(());
        }
        let at = item.at_ns();
        self.last_ns = self.last_ns.max(at);
        match item {
            Item::Cells(frame) => self.message(Topic::Cells, at, frame),
            Item::Points(frame) => self.message(Topic::Points, at, frame),
            Item::Event(event) => self.message(Topic::Events, at, &**event),
            Item::Status(status) => self.message(Topic::Status, at, status),
        }
    }

    fn message(&mut self, topic: Topic, at_ns: u64, frame: &impl Serialize) -> mcap::McapResult<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, frame).map_err(io::Error::from)?;
        let (channel_id, sequence) = &mut self.channels[topic as usize];
        let header = MessageHeader {
            channel_id: *channel_id,
            sequence: *sequence,
            log_time: at_ns,
            publish_time: at_ns,
        };
        *sequence = sequence.wrapping_add(1);
        self.writer.write_to_known_channel(&header, &self.line)
    }
}
