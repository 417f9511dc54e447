//! The rig's clock value: nanoseconds since the rig started.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in rig time, in nanoseconds since the rig started. Virtual and paced runs both use it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SimTime(u64);

impl SimTime {
    /// The rig's start.
    pub const ZERO: Self = Self(0);
    /// Later than any instant a rig reaches (584 years).
    pub const NEVER: Self = Self(u64::MAX);

    /// From nanoseconds since the rig started.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// From milliseconds since the rig started.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// Nanoseconds since the rig started.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the rig started.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Time since `earlier`, or zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The first multiple of `period` after `phase` that is not before `self`.
    #[must_use]
    pub const fn next_multiple(self, period: Duration, phase: Duration) -> Self {
        let period = nanos(period);
        let phase = nanos(phase);
        if self.0 <= phase {
            return Self(phase);
        }
        Self((self.0 - phase).div_ceil(period) * period + phase)
    }
}

/// A duration as whole nanoseconds, capped at `u64::MAX`.
#[allow(
    clippy::cast_possible_truncation,
    reason = "capped before the cast; try_from is not const"
)]
const fn nanos(duration: Duration) -> u64 {
    let n = duration.as_nanos();
    if n > u64::MAX as u128 { u64::MAX } else { n as u64 }
}

impl Add<Duration> for SimTime {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(nanos(rhs)))
    }
}

impl AddAssign<Duration> for SimTime {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub for SimTime {
    type Output = Duration;
    fn sub(self, rhs: Self) -> Duration {
        self.since(rhs)
    }
}

impl fmt::Display for SimTime {
    /// Seconds with milliseconds: `12.340 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:03} s",
            self.0 / 1_000_000_000,
            self.0 / 1_000_000 % 1_000
        )
    }
}

impl fmt::Debug for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_multiple_keeps_phase() {
        let period = Duration::from_millis(100);
        let phase = Duration::from_millis(30);
        let at = |ms| SimTime::from_millis(ms).next_multiple(period, phase);
        assert_eq!(at(0), SimTime::from_millis(30));
        assert_eq!(at(30), SimTime::from_millis(30));
        assert_eq!(at(31), SimTime::from_millis(130));
        assert_eq!(at(130), SimTime::from_millis(130));
    }

    #[test]
    fn subtraction_never_goes_below_zero() {
        assert_eq!(SimTime::ZERO - SimTime::from_millis(5), Duration::ZERO);
    }

    #[test]
    fn prints_milliseconds() {
        assert_eq!(SimTime::from_millis(12_345).to_string(), "12.345 s");
    }
}
