//! Settings of a remote I/O product: which terminal is wired to what.

use core::time::Duration;

use bess_types::{Channel, Coil, Line};
use serde::Deserialize;

use crate::product::{Product, ProductError};

/// `[settings]` of a remote I/O product file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Host watchdog: outputs take their fail-safe values if no valid request came for this long, ms; 0 switches it off.
    pub watchdog_ms: u64,
    /// Digital inputs, first terminal first.
    #[serde(default)]
    pub input: Vec<InputTerminal>,
    /// Analogue inputs.
    #[serde(default)]
    pub analog: Vec<AnalogTerminal>,
    /// Digital outputs.
    #[serde(default)]
    pub output: Vec<OutputTerminal>,
}

/// A digital input; wired to a contact of the plant or to a line of another device.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputTerminal {
    /// Point name.
    pub point: String,
    /// Contact sensed.
    pub channel: Option<Channel>,
    /// How often the contact is sampled, ms.
    #[serde(default = "default_period_ms")]
    pub period_ms: u64,
    /// Line read.
    pub line: Option<Line>,
}

/// An analogue voltage input.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalogTerminal {
    /// Point name; the value is in V.
    pub point: String,
    /// What is sensed.
    pub channel: Channel,
    /// How often it is sampled, ms.
    #[serde(default = "default_period_ms")]
    pub period_ms: u64,
}

/// A digital output; drives a contactor coil, the breaker's shunt trip, a line to another device or nothing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputTerminal {
    /// Point name.
    pub point: String,
    /// What it drives; nothing if left out.
    pub drives: Option<Load>,
    /// What the host watchdog makes of it.
    #[serde(default)]
    pub fail_safe: FailSafe,
}

/// What a host watchdog makes of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailSafe {
    /// Switches it off.
    #[default]
    Off,
    /// Switches it on.
    On,
    /// Leaves it as last written.
    Hold,
}

/// What a digital output drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Load {
    /// A contactor coil of the cluster.
    Coil(Coil),
    /// A line to another device.
    Line(Line),
    /// The shunt trip of the cluster's DC breaker.
    BreakerTrip,
}

const fn default_period_ms() -> u64 {
    100
}

impl Settings {
    /// Reads and checks them.
    ///
    /// # Errors
    /// If a key is unknown, or an input is wired to both or neither of a contact and a line.
    pub fn of(product: &Product) -> Result<Self, ProductError> {
        let settings: Self = product.settings()?;
        for terminal in &settings.input {
            if terminal.channel.is_some() == terminal.line.is_some() {
                return Err(product.invalid_setting(
                    "[[settings.input]]",
                    &format!("input {} needs one source", terminal.point),
                    "give either channel or line",
                ));
            }
            if terminal.period_ms == 0 {
                return Err(product.invalid_setting(
                    "period_ms",
                    &format!("input {} has period 0", terminal.point),
                    "give a period of 1 ms or more",
                ));
            }
        }
        Ok(settings)
    }

    pub(super) fn watchdog(&self) -> Option<Duration> {
        (self.watchdog_ms > 0).then(|| Duration::from_millis(self.watchdog_ms))
    }
}
