//! Makes what its AC metering reads meet what it aims at.
//!
//! The power stage follows the aim at once; a slow integral, of little authority, adds what sensors and stage are off by.
//! So in steady state the reading is the set point, and the grid meter shows what the PCS's own sensor is wrong by.

use core::time::Duration;

use bess_types::SimTime;

/// Integral time, s. [A]
const INTEGRAL_S: f64 = 1.0;
/// Most it adds, share of the rating: more than the sensors' stated accuracy, and little enough that a sensor that fails
/// cannot lead the power far astray. [A]
const AUTHORITY: f64 = 0.01;
/// An aim that changes by more than this share of the rating in a control cycle is a step or ramp. [A]
const MOVES: f64 = 0.001;
/// After it the power stage has this time to follow before its error counts; a step is done in 200 ms.
const SETTLES: Duration = Duration::from_millis(300);

/// The integral for one power, active or reactive.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Regulator {
    trim: f64,
    moved: SimTime,
}

impl Regulator {
    /// Added to the aim, W or var.
    pub(super) const fn trim(self) -> f64 {
        self.trim
    }

    /// While no power can flow.
    pub(super) fn rest(&mut self, now: SimTime) {
        *self = Self {
            trim: 0.0,
            moved: now,
        };
    }

    /// One control cycle: `measured` was sampled while `aimed` stood, which is followed by `aim`.
    pub(super) fn cycle(
        &mut self,
        now: SimTime,
        elapsed: Duration,
        aimed: f64,
        measured: Option<f64>,
        aim: f64,
        rating: f64,
    ) {
        if (aim - aimed).abs() > MOVES * rating {
            self.moved = now;
        }
        if let Some(measured) = measured
            && now - self.moved >= SETTLES
        {
            let step = (aimed - measured) * elapsed.as_secs_f64() / INTEGRAL_S;
            self.trim = (self.trim + step).clamp(-AUTHORITY * rating, AUTHORITY * rating);
        }
    }
}
