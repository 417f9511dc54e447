//! What a recording has of a rig: what is looked at when, and handed to the file.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bess_rig::Rig;
use bess_telemetry::Status;

use super::describe::Described;
use super::log::Log;
use super::sample::{Chosen, cells};
use super::sink::{Item, RECORDING_FILE, Sink, Terms};

/// Frames of cells, and of points that change slowly, in rig time.
const CELLS_EVERY_NS: u64 = 1_000_000_000;
/// Frames of points.
const POINTS_EVERY_NS: u64 = 100_000_000;
/// Both, once nothing has happened for [`QUIET_AFTER_NS`], if nobody looks on: a full cycle takes hours.
const QUIET_EVERY_NS: u64 = 10_000_000_000;
const QUIET_AFTER_NS: u64 = 60_000_000_000;
/// Frames of points that have them all: a reader that jumps finds one near by.
const COMPLETE_EVERY_NS: u64 = 10_000_000_000;

/// A recording under way.
pub(crate) struct Recording {
    sink: Sink,
    live: bool,
    chosen: Chosen,
    /// Events handed over so far.
    events: usize,
    next_cells_ns: u64,
    next_points_ns: u64,
    next_complete_ns: u64,
    quiet_from_ns: u64,
}

impl Recording {
    /// Begins one in `folder`.
    pub(crate) fn create(folder: &Path, described: &Described, terms: Terms) -> io::Result<Self> {
        Ok(Self {
            live: terms.live,
            sink: Sink::create(&folder.join(RECORDING_FILE), &described.description, terms)?,
            chosen: Chosen::recorded(described),
            events: 0,
            next_cells_ns: 0,
            next_points_ns: 0,
            next_complete_ns: 0,
            quiet_from_ns: QUIET_AFTER_NS,
        })
    }

    /// After a plant tick: takes down what is due.
    pub(crate) fn tick(&mut self, rig: &Rig, described: &Described, log: &Log) {
        let now = rig.now().as_nanos();
        let next = |every: u64| (now / every + 1) * every;
        if log.events().len() > self.events {
            self.put_events(log);
            // what devices say of it belongs beside it
            self.chosen.hasten();
            self.quiet_from_ns = now + QUIET_AFTER_NS;
            self.next_points_ns = self.next_points_ns.min(next(POINTS_EVERY_NS));
            self.next_cells_ns = self.next_cells_ns.min(next(CELLS_EVERY_NS));
        }
        if now < self.next_points_ns {
            return;
        }
        let [points_every, cells_every] = if self.live || now < self.quiet_from_ns {
            [POINTS_EVERY_NS, CELLS_EVERY_NS]
        } else {
            [QUIET_EVERY_NS; 2]
        };
        self.next_points_ns = next(points_every);
        let complete = now >= self.next_complete_ns;
        if complete {
            self.next_complete_ns = next(COMPLETE_EVERY_NS);
        }
        let points = self.chosen.look(rig, described, complete);
        if !points.index.is_empty() && !self.sink.put(Item::Points(points)) {
            self.chosen.forget();
        }
        if now >= self.next_cells_ns {
            self.next_cells_ns = next(cells_every);
            if let Some(cells) = cells(rig, described) {
                self.sink.put(Item::Cells(cells));
            }
        }
    }

    /// How the rig does.
    pub(crate) fn status(&mut self, mut status: Status) {
        status.dropped = self.sink.dropped();
        self.sink.put(Item::Status(status));
    }

    fn put_events(&mut self, log: &Log) {
        while let Some(event) = log.events().get(self.events) {
            if !self.sink.offer(Item::Event(Arc::clone(event))) {
                return;
            }
            self.events += 1;
        }
    }

    /// Ends it; says what is missing in it.
    pub(crate) fn close(mut self, log: &Log) -> io::Result<Vec<String>> {
        self.sink.wait();
        self.put_events(log);
        self.sink.close()
    }
}
