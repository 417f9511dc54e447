//! What a scenario or a run amounts to.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Outcome, ordered from best to worst; a run's verdict is the worst of its scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything asked for was seen in time.
    #[default]
    Pass,
    /// The rig itself was late or lost traffic: it says nothing about the controller.
    Inconclusive,
    /// The controller under test, or the plant, broke a requirement.
    Fail,
    /// The run could not be carried out as written.
    Error,
}

impl Verdict {
    /// Process exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Inconclusive => 1,
            Self::Fail => 2,
            Self::Error => 3,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
            Self::Error => "error",
        })
    }
}
