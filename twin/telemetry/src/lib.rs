//! What a rig tells of itself, live and recorded, and what it may be told.
//!
//! Read in this order: [`description`] (what there is: told once), [`frame`] (how it is: told again and again), [`event`]
//! (what happened, once each), [`command`] (what it may be told). Everything is JSON; the stream of the control API and
//! `recording.mcap` carry the same frames under the same topics.
//!
//! Times are rig time in nanoseconds. Current and power are positive when discharging. Values are SI or field units, as
//! the description says; rounded to the resolution it states. Nothing here computes anything.

#![forbid(unsafe_code)]

pub mod command;
pub mod description;
pub mod event;
pub mod frame;
#[cfg(feature = "schema")]
mod plain;

pub use bess_types::Verdict;
pub use command::{Command, CommandReply, EstopChannel, Fault, Refusal, Subscribe};
pub use description::{
    Backing, Cells as CellLayout, Container, Description, Device, Latch, Limit, Mode, PointDef, PointGroup,
    PointValue, Product, Quantity, Scenario, Seen, Site, Size, Station, Truth, Wire,
};
pub use event::{Event, Judged, Kind, PointName};
pub use frame::{Cells, Frame, Lateness, Points, Status, Topic};

/// Version of this schema. It grows when a reader of an older one would misread what it gets.
pub const VERSION: u32 = 1;

/// The JSON schema of a topic as a recording carries it: in words that Foxglove and Lichtblick know. What cannot be said in
/// them, lists with gaps and lists of lists, is in messages and in [`schema`] only.
#[cfg(feature = "schema")]
pub fn recorded_schema(topic: Topic) -> serde_json::Value {
    plain::plain(&schema(topic))
}

/// The JSON schema of a topic, in full.
#[cfg(feature = "schema")]
pub fn schema(topic: Topic) -> serde_json::Value {
    let schema = match topic {
        Topic::Description => schemars::schema_for!(Description),
        Topic::Cells => schemars::schema_for!(Cells),
        Topic::Points => schemars::schema_for!(Points),
        Topic::Events => schemars::schema_for!(Event),
        Topic::Status => schemars::schema_for!(Status),
    };
    schema.to_value()
}
