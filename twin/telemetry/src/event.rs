//! What happened: once each, numbered, with its cause where the scenario names it.

use bess_types::Verdict;
use serde::{Deserialize, Serialize};

use crate::Truth;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A fault was injected (value 1) or cleared (0).
    Fault,
    /// A hand on a button, or the operator's at the panel.
    Hand,
    /// A device raised, lowered or ended an alarm.
    Alarm,
    /// A protective action.
    Trip,
    /// Any other change of a state, or a note.
    Change,
    /// A checker of the rig found something.
    Finding,
    /// A scenario began. Its text is the feature's name and its own; its value how many steps it has.
    Scenario,
    /// A step of the scenario began, or is decided if it has a verdict. Its text is the caption.
    Step,
    /// A step measured something.
    Measurement,
    /// What the scenario amounts to.
    Verdict,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// Counts from 0, without gaps, in the order in which they became known.
    pub id: u64,
    /// When it happened, rig time, ns.
    pub at_ns: u64,
    /// What kind of thing.
    pub kind: Kind,
    /// Where it was seen.
    pub truth: Truth,
    /// Whose.
    pub tag: String,
    /// Which point, or a short name.
    pub point: String,
    /// New value of the point; of a step, its place in the scenario, from 0.
    pub value: f64,
    /// For people.
    pub text: String,
    /// The event that caused it, where the scenario says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<u64>,
    /// What a step, a measurement or the scenario amounts to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub verdict: Option<Verdict>,
    /// What was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
}

/// A measured value against its limit. Times are latencies from cause to effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Judged {
    /// When the cause was, rig time, ns.
    pub cause_ns: u64,
    /// When the effect was seen, rig time, ns; none if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_ns: Option<u64>,
    /// The event that is the effect, if the log has one of these points at that instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<u64>,
    /// Points the phrase looks at; none if it was a value of no phrase.
    pub points: Vec<PointName>,
    /// What was measured; none if it did not happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<f64>,
    /// Unit of the figures: `s` for a latency.
    pub unit: String,
    /// Lowest value allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Highest value allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// Distance to the nearest limit; negative when broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// Where the limit comes from, in the feature's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// A point by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PointName {
    /// Tag, with `plant:` in front for truth.
    pub tag: String,
    /// Point.
    pub point: String,
}
