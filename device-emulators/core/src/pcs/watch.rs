//! Watches a peer's life sign: a counter that must keep moving. The value itself says nothing.

use core::time::Duration;

use bess_types::SimTime;

/// How a watched link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// The counter moved recently.
    Ok,
    /// It has stood still for the first time limit.
    Lost,
    /// It has stood still for the second time limit, or never moved.
    Stopped,
}

/// A life sign with two time limits.
#[derive(Clone, Debug)]
pub struct LifeSign {
    lost_after: Duration,
    stopped_after: Duration,
    value: Option<f64>,
    moved: Option<SimTime>,
}

impl LifeSign {
    /// Never seen.
    pub const fn new(lost_after: Duration, stopped_after: Duration) -> Self {
        Self {
            lost_after,
            stopped_after,
            value: None,
            moved: None,
        }
    }

    /// Takes the counter's present value.
    pub fn see(&mut self, now: SimTime, value: Option<f64>) {
        if value.is_some() && value != self.value {
            self.value = value;
            self.moved = Some(now);
        }
    }

    /// Grants a full first time limit from now, as when the machine starts to need the link.
    pub const fn grant(&mut self, now: SimTime) {
        self.moved = Some(now);
    }

    /// How the link stands.
    pub fn link(&self, now: SimTime) -> Link {
        match self.moved {
            Some(moved) if now - moved < self.lost_after => Link::Ok,
            Some(moved) if now - moved < self.stopped_after => Link::Lost,
            _ => Link::Stopped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_counter_is_a_lost_link() {
        let mut sign = LifeSign::new(Duration::from_secs(2), Duration::from_secs(10));
        assert_eq!(sign.link(SimTime::ZERO), Link::Stopped);
        for second in 0..5 {
            sign.see(SimTime::from_millis(second * 1000), Some(second as f64));
        }
        for ms in (4000..20_000).step_by(500) {
            sign.see(SimTime::from_millis(ms), Some(4.0));
        }
        assert_eq!(sign.link(SimTime::from_millis(5999)), Link::Ok);
        assert_eq!(sign.link(SimTime::from_millis(6000)), Link::Lost);
        assert_eq!(sign.link(SimTime::from_millis(13_999)), Link::Lost);
        assert_eq!(sign.link(SimTime::from_millis(14_000)), Link::Stopped);
    }
}
