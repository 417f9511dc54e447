//! What the run's log keeps: state changes and notes, each with its time and where it was seen.

use serde::{Deserialize, Serialize};

use crate::{SimTime, Tag};

/// Where an event was seen. The three kinds of truth are never mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Plant truth.
    Plant,
    /// Seen on a wire: CAN frame or Modbus register.
    Wire,
    /// A device emulator's own note, not visible on a wire.
    Device,
    /// The rig: scenario commands, injected faults, checkers, controller processes.
    Rig,
}

/// One entry of the event log: a point took a value, or something is worth telling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: SimTime,
    /// Whose.
    pub tag: Tag,
    /// Which point, as listed by `bessrig points`, or a short name of what happened.
    pub point: String,
    /// New value of the point; 1 for a plain note.
    pub value: f64,
    /// For people: the state's name, or more detail.
    pub text: String,
    /// Where it was seen.
    pub source: Source,
}
