//! A recording that is played.

use std::time::Duration;

use super::recording::Recording;
use super::{Transport, waiting};
use crate::model::{Link, Model};

/// Slowest and fastest, rig time in a second, s.
const RATES: (f64, f64) = (0.1, 100.0);
/// Longest way on that is played frame by frame; beyond it an instant is built anew. ns.
const STRIDE_NS: u64 = 20_000_000_000;

/// A recording that is played, or stands.
#[derive(Debug)]
pub struct Replay {
    recording: Recording,
    begun: bool,
    /// Nothing was done with time yet.
    fresh: bool,
    /// The instant that is shown; none before the first.
    shown_ns: Option<u64>,
    /// The instant that is to be shown, ns.
    at_ns: u64,
    playing: bool,
    rate: f64,
    looped: bool,
}

impl Replay {
    /// Stands where most is told for the first time.
    pub fn new(recording: Recording) -> Self {
        Self {
            at_ns: recording.opens_ns(),
            recording,
            begun: false,
            fresh: true,
            shown_ns: None,
            playing: false,
            rate: 1.0,
            looped: false,
        }
    }

    /// The recording.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Does something with time.
    pub fn transport(&mut self, what: Transport) {
        let (first, last) = self.recording.span_ns();
        self.fresh &= matches!(what, Transport::Rate(_) | Transport::Loop(_));
        match what {
            Transport::Play => {
                if self.at_ns >= last {
                    self.at_ns = first;
                }
                self.playing = true;
            }
            Transport::Pause => self.playing = false,
            Transport::Step(ms) => {
                self.playing = false;
                let by = ms.unsigned_abs().saturating_mul(1_000_000);
                let to = if ms < 0 {
                    self.at_ns.saturating_sub(by)
                } else {
                    self.at_ns.saturating_add(by)
                };
                self.at_ns = to.clamp(first, last);
            }
            Transport::Rate(rate) => self.rate = rate.clamp(RATES.0, RATES.1),
            Transport::Seek(to) => self.at_ns = to.clamp(first, last),
            Transport::Loop(looped) => self.looped = looped,
        }
    }

    /// Goes on by `elapsed` of the wall clock and shows the instant.
    pub fn poll(&mut self, model: &mut Model, elapsed: Duration) {
        let (first, last) = self.recording.span_ns();
        model.set_link(Link {
            is_replay: true,
            is_playing: self.playing,
            is_fresh: self.fresh,
            rate: self.rate,
            span_ns: (first, last),
            ..waiting(&self.recording.path().display().to_string(), None)
        });
        if !self.begun {
            self.begun = true;
            self.recording.begin(model);
            for note in self.recording.notes() {
                model.notice(true, note.clone());
            }
        } else if self.playing {
            let by = elapsed.mul_f64(self.rate).as_nanos();
            self.at_ns = self.at_ns.saturating_add(u64::try_from(by).unwrap_or(u64::MAX));
            if self.at_ns >= last {
                if self.looped {
                    self.at_ns = first;
                } else {
                    self.at_ns = last;
                    self.playing = false;
                }
            }
        }
        match self.shown_ns {
            Some(shown) if shown == self.at_ns => {}
            Some(shown) if shown < self.at_ns && self.at_ns - shown <= STRIDE_NS => {
                self.recording.go_on(model, shown, self.at_ns);
            }
            _ => self.recording.show(model, self.at_ns),
        }
        self.shown_ns = Some(self.at_ns);
    }
}
