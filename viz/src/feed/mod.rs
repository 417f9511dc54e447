//! Where the model's content comes from: a live rig, a recording, or a rig started here.
//!
//! [`Feed::poll`] is called before each picture and never waits: sockets and processes have threads of their own, which hand
//! over through a bounded channel.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bess_telemetry::Command;
use thiserror::Error;

use crate::model::{Link, Model, Showing};

pub mod http;
pub mod launch;
pub mod live;
mod outbox;
pub mod recording;
pub mod replay;
#[cfg(test)]
mod tests;

pub use launch::Launch;
pub use live::{Access, Live};
pub use recording::Recording;
pub use replay::Replay;

/// Why there is nothing to see, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what}\n  {remedy}")]
pub struct Mistake {
    /// What is wrong, with the file or address.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Mistake {
    /// One of both.
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// What is done with time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transport {
    /// Lets time pass.
    Play,
    /// Lets time stand.
    Pause,
    /// Goes on by so much and then stands; back too in a recording. ms.
    Step(i64),
    /// Rig time in a second, s.
    Rate(f64),
    /// Goes to an instant, ns; in a recording only.
    Seek(u64),
    /// Begins anew at the end; in a recording only.
    Loop(bool),
}

/// Where data comes from.
#[derive(Debug)]
enum Source {
    Live(Live),
    Replay(Box<Replay>),
    Launch(Launch),
}

/// The feed of a model.
#[derive(Debug)]
#[cfg_attr(feature = "window", derive(bevy::prelude::Resource))]
pub struct Feed {
    /// Only ever used by who has the feed to himself, but channels may not be shared without.
    source: Mutex<Source>,
    is_replay: bool,
    /// Commands for when the rig can be seen.
    later: VecDeque<Command>,
    /// Why something that was asked for was not done.
    refusals: Vec<&'static str>,
}

impl Feed {
    fn of(source: Source) -> Self {
        Self {
            is_replay: matches!(source, Source::Replay(_)),
            source: Mutex::new(source),
            later: VecDeque::new(),
            refusals: Vec::new(),
        }
    }

    fn source(&mut self) -> &mut Source {
        self.source.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// A rig that runs; connects again whenever the connection is lost.
    pub fn connect(access: Access) -> Self {
        Self::of(Source::Live(Live::start(access)))
    }

    /// A recording. It stands at an instant near its beginning, see [`Recording::opens_ns`], until told to play.
    pub fn replay(file: &Path) -> Result<Self, Mistake> {
        Ok(Self::of(Source::Replay(Box::new(Replay::new(Recording::open(
            file,
        )?)))))
    }

    /// A rig that is started here and ends with this.
    pub fn launch(program: &Path, rig: &Path, options: &[String]) -> Result<Self, Mistake> {
        Ok(Self::of(Source::Launch(Launch::start(program, rig, options)?)))
    }

    /// Hands over what has come since; `elapsed` is the time since the last call, by which a recording goes on.
    pub fn poll(&mut self, model: &mut Model, elapsed: Duration) {
        match self.source() {
            Source::Live(live) => live.poll(model),
            Source::Replay(replay) => replay.poll(model, elapsed),
            Source::Launch(launch) => launch.poll(model),
        }
        for why in self.refusals.drain(..) {
            model.notice(true, why);
        }
        if matches!(model.showing(), Showing::Live | Showing::Paused) {
            for command in std::mem::take(&mut self.later) {
                self.command(command);
            }
        }
    }

    /// Tells the rig to do something as soon as it can be seen.
    pub fn command_when_live(&mut self, command: Command) {
        self.later.push_back(command);
    }

    /// Whether it is a recording.
    pub fn is_replay(&self) -> bool {
        self.is_replay
    }

    /// The recording, if it is one.
    pub fn as_replay(&mut self) -> Option<&mut Replay> {
        match self.source() {
            Source::Replay(replay) => Some(replay),
            Source::Live(_) | Source::Launch(_) => None,
        }
    }

    /// Tells the rig to do something. The answer becomes a notice of the model.
    pub fn command(&mut self, command: Command) {
        match self.source() {
            Source::Live(live) => live.command(command),
            Source::Launch(launch) => launch.command(command),
            Source::Replay(_) => self.refusals.push("a recording takes no commands"),
        }
    }

    /// Does something with time: of the recording, or of the rig if its time can stand.
    pub fn transport(&mut self, what: Transport) {
        if let Source::Replay(replay) = self.source() {
            replay.transport(what);
            return;
        }
        let command = match what {
            Transport::Play => Command::Resume {},
            Transport::Pause => Command::Pause {},
            Transport::Step(ms) => match u64::try_from(ms) {
                Ok(ms) => Command::Step { ms },
                Err(_) => {
                    return self
                        .refusals
                        .push("the time of a rig does not go back; a recording's does");
                }
            },
            Transport::Rate(rate) => Command::Rate {
                rate: rate.clamp(0.1, 100.0),
            },
            Transport::Seek(_) | Transport::Loop(_) => {
                return self.refusals.push("only a recording goes to another instant");
            }
        };
        self.command(command);
    }
}

/// How a live feed stands before anything came.
fn waiting(source: &str, trouble: Option<String>) -> Link {
    Link {
        source: source.to_owned(),
        trouble,
        ..Link::default()
    }
}
