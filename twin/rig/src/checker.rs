//! What is watched in every run, whatever the scenario asks.
//!
//! | checker | broken when |
//! |---|---|
//! | `duplicate-can-id` | a frame's id belongs to another node of the same bus |
//! | `cyclic-period` | a cyclic frame is later than its tolerance, or never comes |
//! | `life-counter` | a controller's life counter stands still while its frames go on |
//! | `closing-gap` | a main contactor makes contact with more than [`MAX_CLOSING_GAP_V`] across it |
//! | `open-contactor-current` | current flows in a cluster whose path is open |
//! | `energy-balance` | the plant's energy accounts differ by more than [`MAX_ENERGY_RESIDUAL`] |

use core::time::Duration;

use bess_types::{SimTime, Tag};
use serde::Serialize;

/// Voltage across a main contactor at closing that is still good practice, V: above it contacts weld (assumption,
/// cell-and-thermal §7).
pub const MAX_CLOSING_GAP_V: f64 = 50.0;
/// Residual of the energy accounts over the energy moved.
pub const MAX_ENERGY_RESIDUAL: f64 = 0.001;
/// Residual that is no news whatever was moved, J: closing onto a bus within one grid step leaves this order. The
/// container holds 12 GJ.
pub const ENERGY_RESIDUAL_FLOOR_J: f64 = 500.0;
/// How long a life counter may stand still.
pub const MAX_COUNTER_STANDSTILL: Duration = Duration::from_secs(1);

/// Whom a violation speaks against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The controller under test.
    Controller,
    /// The plant's own accounts: a fault of the twin.
    Plant,
    /// The rig: it was late or sent wrongly.
    Rig,
}

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Violation {
    /// When it was seen.
    pub at: SimTime,
    /// Which checker.
    pub checker: &'static str,
    /// Whose.
    pub tag: Tag,
    /// What, with figures.
    pub text: String,
    /// Whom it speaks against.
    pub blames: Blame,
}

/// Longest silence a cyclic frame may have. On a paced rig a slow machine adds to it.
pub(crate) fn period_tolerance(period: Duration, paced: bool) -> Duration {
    if paced {
        (period * 3).max(period + Duration::from_millis(250))
    } else {
        period * 3 / 2 + Duration::from_millis(5)
    }
}
