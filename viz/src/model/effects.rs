//! From cause to effect: only where the event log links them.

use bess_telemetry::{Event, Judged, Verdict};

/// A measured way from a cause to its effect, or to where the effect should have been.
#[derive(Clone, Debug, PartialEq)]
pub struct Hop {
    /// Number of the event that tells it.
    pub event: u64,
    /// When it was known, ns.
    pub told_ns: u64,
    /// The event that caused it, if the log has it.
    pub cause: Option<u64>,
    /// What was looked for.
    pub text: String,
    /// Verdict of the measurement.
    pub verdict: Option<Verdict>,
    /// The figures.
    pub judged: Judged,
}

impl Hop {
    /// What an event tells of cause and effect.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let judged = event.judged.clone()?;
        Some(Self {
            event: event.id,
            told_ns: event.at_ns,
            cause: event.cause,
            text: event.text.clone(),
            verdict: event.verdict,
            judged,
        })
    }

    /// Whether its figures are a time from the cause on; else they are a value.
    pub fn is_latency(&self) -> bool {
        self.judged.unit == "s"
    }

    /// When the effect had to be there, ns.
    pub fn due_ns(&self) -> Option<u64> {
        let high = self.judged.high.filter(|_| self.is_latency())?;
        Some(self.judged.cause_ns.saturating_add(nanoseconds(high)))
    }

    /// Whether it is a state that had to last, and no effect that had to come.
    pub fn is_hold(&self) -> bool {
        self.is_latency() && self.judged.low.is_some() && self.judged.high.is_none()
    }

    /// Latency, limit and margin in words, as in `0.016 s ≤ 0.2 s, +0.184`.
    pub fn label(&self) -> String {
        let margin = self
            .margin()
            .map_or_else(String::new, |margin| format!(", {margin}"));
        format!("{}{margin}", self.measured())
    }

    /// Room that was left to the limit, with its sign; none if it never came.
    pub fn margin(&self) -> Option<String> {
        let margin = self.judged.measured.and(self.judged.margin)?;
        let sign = if margin < 0.0 { '−' } else { '+' };
        Some(format!("{sign}{}", figure(margin.abs())))
    }

    /// Unit of its figures.
    pub fn unit(&self) -> &str {
        if self.is_latency() { "s" } else { &self.judged.unit }
    }

    /// Latency and limit in words, as in `0.016 s ≤ 0.2 s`.
    pub fn measured(&self) -> String {
        let Judged {
            measured, low, high, ..
        } = &self.judged;
        let unit = self.unit();
        let limit = match (low, high) {
            (None, Some(high)) => format!(" ≤ {} {unit}", figure(*high)),
            (Some(low), None) => format!(" ≥ {} {unit}", figure(*low)),
            (Some(low), Some(high)) => format!(" in {} to {} {unit}", figure(*low), figure(*high)),
            (None, None) => String::new(),
        };
        let Some(measured) = measured else {
            return format!("never{}", limit.replacen(" ≤", ", limit", 1));
        };
        format!("{} {unit}{limit}", figure(*measured))
    }
}

/// Seconds as nanoseconds.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped before; NaN becomes 0"
)]
pub fn nanoseconds(seconds: f64) -> u64 {
    (seconds.clamp(0.0, 1e9) * 1e9).round() as u64
}

/// A figure to the thousandth, without zeros that say nothing.
pub fn figure(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.to_owned() }
}
