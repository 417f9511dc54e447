//! The BAU, as heard on the stack bus: whether it lives, and when it gives a reset.

use bess_types::SimTime;

use super::points::BcuPoints;
use crate::Points;
use crate::controller::older_than;

/// What is remembered of the BAU's messages.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BauLink {
    heard: Option<SimTime>,
    life_counter: Option<f64>,
    reset_counter: Option<f64>,
}

impl BauLink {
    /// It has spoken; true if that is a reset. A counter that stands still is as good as silence.
    pub(super) fn hear(&mut self, now: SimTime, single: &BcuPoints, points: &Points) -> bool {
        let counter = points.get(single.bau_life_counter);
        if counter != self.life_counter {
            self.life_counter = counter;
            self.heard = Some(now);
        }
        let resets = points.get(single.bau_reset_counter);
        let is_reset = self.reset_counter.is_some() && resets != self.reset_counter;
        self.reset_counter = resets;
        is_reset
    }

    pub(super) fn is_lost(&self, now: SimTime, limit_s: f64) -> bool {
        older_than(now, self.heard, limit_s)
    }
}
