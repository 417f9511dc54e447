//! What a rig may be told over its control API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Topic;

/// Body of `POST /api/commands`: `{"command": "estop-press"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// Starts a fault, if the rig file allows it.
    InjectFault {
        /// Which.
        fault: Fault,
    },
    /// Ends a fault.
    ClearFault {
        /// Which; its numbers do not matter.
        fault: Fault,
    },
    /// Presses the E-stop.
    EstopPress {
        /// Which of its contacts open.
        #[serde(default)]
        channel: EstopChannel,
    },
    /// Turns the E-stop's mushroom back.
    EstopRelease {},
    /// Presses the safety reset button for a moment.
    EstopReset {},
    /// Lets time stand; in virtual time only.
    Pause {},
    /// Lets time pass again.
    Resume {},
    /// Lets so much time pass and then stand; in virtual time only.
    Step {
        /// Rig time, ms.
        ms: u64,
    },
    /// Sets how fast time passes; in virtual time only.
    Rate {
        /// Rig time that is to pass in a second, s, 0.1 to 100.
        rate: f64,
    },
    /// Runs a scenario on this rig from its present state.
    StartScenario {
        /// Path of the feature file, from where bessrig was started.
        feature: String,
        /// Name of the scenario; the first of the file if left out.
        #[serde(default)]
        scenario: Option<String>,
    },
}

/// Which contacts of the E-stop open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum EstopChannel {
    /// Both, as they should.
    #[default]
    Both,
    /// Only that of channel A.
    A,
    /// Only that of channel B.
    B,
}

/// A fault by name and target, whatever level it sits on: `{"name": "nail", "target":
/// "container-01/cluster-03/pack-05/cell-17"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Its name: of a link (`bessrig faults`), of a device (`power-off`), of the plant or a sensor (`nail`).
    pub name: String,
    /// Tag of what it hits, or name of a bus; the container where nothing else fits.
    pub target: String,
    /// Its numbers and choices, by name.
    #[serde(default)]
    pub with: BTreeMap<String, Value>,
    /// How long; faults of links only, others stay until cleared.
    #[serde(default)]
    pub for_ms: Option<u64>,
}

/// Answer to a command that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CommandReply {
    /// Rig time when it was, ns.
    pub at_ns: u64,
}

/// Answer to anything the API does not do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Refusal {
    /// What is wrong.
    pub error: String,
    /// What to do about it.
    pub remedy: String,
}

/// First message of a reader of `/api/stream`, and any later one: what it wants from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Subscribe {
    /// Topics; all if empty.
    #[serde(default)]
    pub topics: Vec<Topic>,
    /// Points: `TAG`, `TAG POINT`, or the beginning of either with `*` behind it. All that a recording has if empty.
    #[serde(default)]
    pub points: Vec<String>,
    /// Frames of cells and points a second of the wall clock, 0.1 to 20; 1 if left out.
    #[serde(default = "once_a_second")]
    pub hz: f64,
}

const fn once_a_second() -> f64 {
    1.0
}

impl Default for Subscribe {
    fn default() -> Self {
        Self {
            topics: Vec::new(),
            points: Vec::new(),
            hz: once_a_second(),
        }
    }
}
