//! SunSpec 704 set points with their reversion timers.

use bess_types::SimTime;

use super::points::PcsPoints;
use super::settings::seconds;
use crate::{PointId, Points};

/// One set-point group that falls back by itself: when its timer runs out, each revert value is copied to its
/// active point. Any write to the group starts the timer again.
#[derive(Clone, Debug)]
pub struct Reversion {
    time: PointId,
    remaining: PointId,
    /// Active point and the point it reverts to.
    pairs: [(PointId, PointId); 3],
    deadline: Option<SimTime>,
}

impl Reversion {
    /// The reversions of 704: active power limit, active power, reactive power.
    pub fn all(ids: &PcsPoints) -> [Self; 3] {
        [
            Self::new(
                ids.limit_revert_time,
                ids.limit_revert_remaining,
                [
                    (ids.limit_enable, ids.limit_enable_revert),
                    (ids.limit_percent, ids.limit_percent_revert),
                    (ids.limit_percent, ids.limit_percent_revert),
                ],
            ),
            Self::new(
                ids.power_revert_time,
                ids.power_revert_remaining,
                [
                    (ids.power_enable, ids.power_enable_revert),
                    (ids.power_setpoint, ids.power_setpoint_revert),
                    (ids.power_percent, ids.power_percent_revert),
                ],
            ),
            Self::new(
                ids.reactive_revert_time,
                ids.reactive_revert_remaining,
                [
                    (ids.reactive_enable, ids.reactive_enable_revert),
                    (ids.reactive_setpoint, ids.reactive_setpoint_revert),
                    (ids.reactive_percent, ids.reactive_percent_revert),
                ],
            ),
        ]
    }

    const fn new(time: PointId, remaining: PointId, pairs: [(PointId, PointId); 3]) -> Self {
        Self {
            time,
            remaining,
            pairs,
            deadline: None,
        }
    }

    /// Starts or stops the timer if `written` belongs to the group.
    pub fn on_write(&mut self, now: SimTime, written: PointId, points: &Points) {
        let ours = written == self.time || self.pairs.iter().any(|&(active, _)| active == written);
        if ours {
            let time = points.get(self.time).unwrap_or(0.0);
            self.deadline = (time > 0.0).then(|| now + seconds(time));
        }
    }

    /// Counts down; `true` in the cycle it reverts.
    pub fn run(&mut self, now: SimTime, points: &mut Points) -> bool {
        let Some(deadline) = self.deadline else {
            points.set(self.remaining, 0.0);
            return false;
        };
        points.set(self.remaining, (deadline - now).as_secs_f64().ceil());
        if now < deadline {
            return false;
        }
        self.deadline = None;
        for (active, revert) in self.pairs {
            let value = points.reading(revert);
            points.put(active, value);
        }
        true
    }
}
