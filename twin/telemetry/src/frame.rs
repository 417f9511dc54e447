//! How it is: values of cells and points, and how the rig itself does.

use serde::{Deserialize, Serialize};

use crate::{Description, Event};

/// What a frame is about; a channel of a recording, a topic of the live stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// [`Description`]
    Description,
    /// [`Cells`]
    Cells,
    /// [`Points`]
    Points,
    /// [`Event`]
    Events,
    /// [`Status`]
    Status,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Description,
        Self::Cells,
        Self::Points,
        Self::Events,
        Self::Status,
    ];

    /// Its name in streams; a recording has `/` in front.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Description => "description",
            Self::Cells => "cells",
            Self::Points => "points",
            Self::Events => "events",
            Self::Status => "status",
        }
    }
}

/// One message of the live stream: `{"topic": "cells", "frame": {…}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "topic", content = "frame", rename_all = "kebab-case")]
pub enum Frame {
    /// What there is.
    Description(Box<Description>),
    /// Values of every cell.
    Cells(Cells),
    /// Values of points.
    Points(Points),
    /// Something happened.
    Events(Event),
    /// How the rig itself does.
    Status(Status),
}

/// Plant truth of every cell at one instant. Rows are in the order of the cells; numbers in lists are places in that order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cells {
    /// Rig time, ns.
    pub at_ns: u64,
    /// Terminal voltage of each cell, V.
    pub voltage: Vec<f32>,
    /// Mean temperature of each cell, °C.
    pub temperature: Vec<f32>,
    /// State of charge of each cell, 0 to 1.
    pub soc: Vec<f32>,
    /// Current of each cluster, A, positive discharging; that of its cells but for balancing and shorts.
    pub cluster_current: Vec<f32>,
    /// Cells whose bleed resistor or active balancer is on.
    pub balancing: Vec<u32>,
    /// Cells that heat themselves and have not vented.
    pub self_heating: Vec<u32>,
    /// Cells that have vented and have not run away.
    pub vented: Vec<u32>,
    /// Cells in thermal runaway now.
    pub burning: Vec<u32>,
    /// Cells that have burnt out.
    pub burnt_out: Vec<u32>,
}

/// Values of points: those that changed since the frame before, or all of them. Points are looked at now and then; when
/// exactly a state changed is told by an [`Event`] of the same tag and point.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Points {
    /// Rig time, ns.
    pub at_ns: u64,
    /// Every point there is is in it: nothing from before is needed.
    pub complete: bool,
    /// Indices of points, rising; see [`crate::Description::points`].
    pub index: Vec<u32>,
    /// Their values, in the same order; none where there is no valid value.
    pub value: Vec<Option<f64>>,
}

/// How the rig itself does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Status {
    /// Rig time, ns.
    pub at_ns: u64,
    /// Whether time stands.
    pub paused: bool,
    /// Rig time that is to pass in a second, s; none if as much as the machine can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// How late the rig was so far; none in virtual time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lateness: Option<Lateness>,
    /// Why nothing is proven about the controller, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inconclusive: Option<String>,
    /// Frames this reader has lost so far because it was slow, or the machine was. Events are never lost.
    pub dropped: u64,
}

/// How late a rig on the wall clock was so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Lateness {
    /// Of 99 of 100 plant ticks at most, µs.
    pub p99_us: u64,
    /// Of the worst, µs.
    pub max_us: u64,
    /// Ticks past the hard limit.
    pub hard_misses: u64,
    /// CAN frames lost on the rig's side.
    pub lost_frames: u64,
}
