//! The supply of an emulated device: off, starting up, running.

use core::time::Duration;

use bess_types::SimTime;

/// Where a device stands between power-on and running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Supply {
    /// No supply: silent.
    Off,
    /// Supply came, the first instant with it is still to come.
    Applied,
    /// Self-test until then: silent.
    Starting(SimTime),
    /// Running.
    On,
}

impl Supply {
    /// Moves on with time; `true` at the one instant where the device begins to run.
    pub(crate) fn begins(&mut self, now: SimTime, start_up: Duration) -> bool {
        if *self == Self::Applied {
            *self = Self::Starting(now + start_up);
        }
        match *self {
            Self::Starting(until) if now >= until => {
                *self = Self::On;
                true
            }
            _ => false,
        }
    }

    /// When time matters next to the supply itself.
    pub(crate) fn next_wake(self) -> SimTime {
        match self {
            Self::Applied => SimTime::ZERO,
            Self::Starting(until) => until,
            Self::Off | Self::On => SimTime::NEVER,
        }
    }
}
