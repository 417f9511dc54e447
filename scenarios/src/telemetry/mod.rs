//! What a run tells of itself: described once, sampled after plant ticks, recorded and sent to whoever listens.
//!
//! Read in this order: `describe` (what there is), `sample` (values of cells and points), `log` (events with their
//! causes), `recording` (what of it is recorded when; the file is `sink`), `site` (the same of a whole site), `hub` (the
//! live stream and what is asked of the rig, with `command`; served by [`crate::api`]). Nothing here but a command changes what the rig does; it is looked at between two instants, by the
//! thread that drives it, which hands everything over to others.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bess_rig::{Driver, Health, Rig};
use bess_telemetry::{Lateness, Status};
use bess_types::{SimTime, Verdict};

use crate::feature::Planned;
use crate::measure::Measurement;

mod command;
mod describe;
pub(crate) mod hub;
mod knowledge;
mod log;
mod recording;
mod sample;
mod sink;
mod site;

pub(crate) use describe::{Described, describe_site};
pub(crate) use sample::Chosen;
pub(crate) use sink::{RECORDING_FILE, Terms};
pub(crate) use site::SiteRecording;

use hub::Hub;
use log::Log;
use recording::Recording;

/// How often a rig says how it does itself, in rig time.
const STATUS_EVERY_NS: u64 = 1_000_000_000;

/// What one run tells of itself.
pub(crate) struct Telemetry {
    described: Arc<Described>,
    log: Log,
    recording: Option<Recording>,
    hub: Option<Hub>,
    /// Event of the step under way.
    step: Option<u64>,
    /// Event of the step that is the cause of what is measured now.
    cause: Option<u64>,
    next_status_ns: u64,
}

impl Telemetry {
    /// Of a rig like the described one.
    pub(crate) fn new(described: Arc<Described>) -> Self {
        Self {
            described,
            log: Log::default(),
            recording: None,
            hub: None,
            step: None,
            cause: None,
            next_status_ns: 0,
        }
    }

    /// Begins `recording.mcap` in `folder`.
    pub(crate) fn record(&mut self, folder: &Path, terms: Terms) -> io::Result<()> {
        self.recording = Some(Recording::create(folder, &self.described, terms)?);
        Ok(())
    }

    /// Whether a recording is under way.
    pub(crate) fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Lets readers and commands in.
    pub(crate) fn open(&mut self, hub: Hub) {
        self.hub = Some(hub);
    }

    /// After a plant tick. Whether the driver is to return before its time: [`Telemetry::between`] has something to do.
    pub(crate) fn tick(&mut self, rig: &Rig) -> bool {
        if let Some(recording) = &mut self.recording {
            self.log.take(rig, &self.described, None);
            recording.tick(rig, &self.described, &self.log);
        }
        self.hub
            .as_mut()
            .is_some_and(|hub| hub.tick(rig, &self.described, &mut self.log))
    }

    /// Between two runs of the driver: carries out what was commanded, and holds virtual time back.
    pub(crate) fn between(&mut self, driver: &mut dyn Driver) {
        if let Some(hub) = &mut self.hub {
            hub.between(driver, &self.described, &mut self.log);
        }
        let now = driver.rig().now().as_nanos();
        if let Some(recording) = &mut self.recording
            && now >= self.next_status_ns
        {
            self.next_status_ns = (now / STATUS_EVERY_NS + 1) * STATUS_EVERY_NS;
            recording.status(status(now, &driver.health()));
        }
    }

    /// A scenario that somebody wants to begin now.
    pub(crate) fn take_scenario(&mut self) -> Option<Box<Planned>> {
        self.hub.as_mut()?.take_scenario()
    }

    /// Before the rig is commanded: what is new so far has other causes.
    pub(crate) fn before_command(&mut self, rig: &Rig) {
        self.log.take(rig, &self.described, None);
    }

    /// After the rig was commanded by the step under way.
    pub(crate) fn after_command(&mut self, rig: &Rig) {
        self.log.take(rig, &self.described, self.step);
    }

    /// A scenario begins.
    pub(crate) fn scenario_begins(&mut self, rig: &Rig, name: &str, steps: usize) {
        self.log.take(rig, &self.described, None);
        self.log.scenario(rig.now(), name, steps);
    }

    /// A step begins.
    pub(crate) fn step_begins(&mut self, at: SimTime, number: usize, caption: &str) {
        self.step = Some(self.log.step(at, number, caption, None));
    }

    /// The step under way is the cause of what is measured from here.
    pub(crate) fn mark_cause(&mut self) {
        self.cause = self.step;
    }

    /// The step under way is decided.
    pub(crate) fn step_ends(
        &mut self,
        rig: &Rig,
        number: usize,
        caption: &str,
        verdict: Verdict,
        measured: &[Measurement],
    ) {
        self.measured(rig, measured);
        self.log.step(rig.now(), number, caption, Some(verdict));
        self.step = None;
    }

    /// Something was measured.
    pub(crate) fn measured(&mut self, rig: &Rig, measured: &[Measurement]) {
        self.log.take(rig, &self.described, None);
        for measurement in measured {
            self.log.measured(rig.now(), measurement, self.cause);
        }
    }

    /// The scenario is over.
    pub(crate) fn end(&mut self, rig: &Rig, verdict: Verdict, reason: Option<&str>) {
        self.log.take(rig, &self.described, None);
        self.log.verdict(rig.now(), verdict, reason);
        self.step = None;
        self.cause = None;
        if let Some(hub) = &mut self.hub {
            hub.scenario_over();
        }
    }

    /// Ends the recording, if there is one; says what it lacks.
    pub(crate) fn close(&mut self) -> io::Result<Vec<String>> {
        match self.recording.take() {
            Some(recording) => recording.close(&self.log),
            None => Ok(Vec::new()),
        }
    }
}

fn status(at_ns: u64, health: &Health) -> Status {
    Status {
        at_ns,
        lateness: health.paced.then_some(Lateness {
            p99_us: health.lateness_us.p99,
            max_us: health.lateness_us.max,
            hard_misses: health.hard_misses,
            lost_frames: health.dropped_frames,
        }),
        inconclusive: health.inconclusive.clone(),
        ..Status::default()
    }
}
