//! What a step measured: the value, its limit, the margin and where the limit comes from.

use std::fmt;
use std::time::Duration;

use bess_types::{SimTime, Verdict};
use serde::Serialize;

use crate::session::StepText;

/// The limit of a measured value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Bound {
    /// Not above.
    AtMost(f64),
    /// Not below.
    AtLeast(f64),
    /// Inside, ends included.
    Between(f64, f64),
}

impl Bound {
    /// Distance to the nearest limit; negative outside.
    pub(crate) fn margin(self, value: f64) -> f64 {
        match self {
            Self::AtMost(high) => high - value,
            Self::AtLeast(low) => value - low,
            Self::Between(low, high) => (value - low).min(high - value),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(high) => write!(f, "≤ {high}"),
            Self::AtLeast(low) => write!(f, "≥ {low}"),
            Self::Between(low, high) => write!(f, "{low} … {high}"),
        }
    }
}

/// One figure of the report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measurement {
    /// The step that asked.
    pub(crate) step: String,
    /// Tag and point looked at.
    pub(crate) subject: String,
    /// When the cause was, s of rig time.
    pub(crate) cause_s: f64,
    /// When the thing was seen, s of rig time.
    pub(crate) seen_s: Option<f64>,
    /// What was measured; absent if it did not happen.
    pub(crate) measured: Option<f64>,
    /// Unit of `measured`, `limit` and `margin`.
    pub(crate) unit: String,
    /// What is allowed.
    pub(crate) limit: Bound,
    /// Distance to the limit; negative when broken.
    pub(crate) margin: Option<f64>,
    /// Where the limit comes from.
    pub(crate) source: Option<String>,
    pub(crate) verdict: Verdict,
    /// `cause_s` and `seen_s` to the nanosecond, for who links it with the event log.
    #[serde(skip)]
    pub(crate) cause: SimTime,
    #[serde(skip)]
    pub(crate) seen: Option<SimTime>,
    /// Tags and points the phrase looks at.
    #[serde(skip)]
    pub(crate) points: Vec<(String, String)>,
}

impl Measurement {
    /// Of a time bound.
    pub(crate) fn time(
        step: &StepText,
        subject: String,
        cause: SimTime,
        seen: Option<SimTime>,
        limit: Duration,
        verdict: Verdict,
    ) -> Self {
        let limit = Bound::AtMost(limit.as_secs_f64());
        let measured = seen.map(|at| at.since(cause).as_secs_f64());
        Self {
            step: step.text.clone(),
            subject,
            cause_s: cause.as_secs_f64(),
            seen_s: measured.map(|t| cause.as_secs_f64() + t),
            measured,
            unit: "s".into(),
            limit,
            margin: measured.map(|t| limit.margin(t)),
            source: step.source.clone(),
            verdict,
            cause,
            seen,
            points: Vec::new(),
        }
    }

    /// Of a value at one instant, or the worst over a while.
    #[expect(
        clippy::too_many_arguments,
        reason = "one row of the report, column by column"
    )]
    pub(crate) fn value(
        step: &StepText,
        subject: &str,
        unit: &str,
        cause: SimTime,
        seen: SimTime,
        value: f64,
        limit: Bound,
        verdict: Verdict,
    ) -> Self {
        Self {
            step: step.text.clone(),
            subject: subject.into(),
            cause_s: cause.as_secs_f64(),
            seen_s: Some(seen.as_secs_f64()),
            measured: Some(value),
            unit: unit.into(),
            limit,
            margin: Some(limit.margin(value)),
            source: step.source.clone(),
            verdict,
            cause,
            seen: Some(seen),
            points: Vec::new(),
        }
    }

    /// `0.152 s, allowed ≤ 0.2 s, margin 0.048 s`
    pub(crate) fn figures(&self) -> String {
        let unit = &self.unit;
        match (self.measured, self.margin) {
            (Some(measured), Some(margin)) => format!(
                "{} {unit}, allowed {} {unit}, margin {} {unit}",
                round(measured),
                self.limit,
                round(margin)
            ),
            _ => format!("not seen, allowed {} {unit}", self.limit),
        }
    }
}

/// Three decimals are enough for people.
pub(crate) fn round(value: f64) -> String {
    let text = format!("{value:.3}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        "" | "-0" => "0".into(),
        trimmed => trimmed.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_are_negative_outside() {
        assert_eq!(Bound::AtMost(1.0).margin(1.5), -0.5);
        assert_eq!(Bound::AtLeast(1.0).margin(1.5), 0.5);
        assert_eq!(Bound::Between(1.0, 3.0).margin(2.5), 0.5);
    }

    #[test]
    fn rounds_for_people() {
        assert_eq!(round(0.152_04), "0.152");
        assert_eq!(round(10.0), "10");
        assert_eq!(round(-0.000_01), "0");
    }
}
