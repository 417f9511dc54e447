//! A contactor: coil, contact and auxiliary contact, each with its own truth.
//!
//! The contact moves some time after the coil; dropping the coil before that cancels the move. The auxiliary
//! contact follows the contact, not the command. Welded and stuck contacts ignore the coil.
//! Modelled elsewhere: what making and breaking under load does (`stack.rs`). Not modelled: single bounces,
//! coil current and economiser, wear.
//! Constants: cell-and-thermal §7 (operate 25 ± 5 ms, release 12 ± 3 ms, auxiliary + 5 ms; assumption, S8).

use core::time::Duration;

use bess_types::SimTime;

#[derive(Clone, Debug)]
pub(crate) struct Contactor {
    closed: bool,
    driven: bool,
    pending: Option<(SimTime, bool)>,
    changed_at: Option<SimTime>,
    operate: Duration,
    release: Duration,
    aux_delay: Duration,
    /// Contact held closed.
    pub(crate) welded: bool,
    /// Contact cannot close.
    pub(crate) stuck_open: bool,
    /// Auxiliary contact shows this whatever happens.
    pub(crate) aux_stuck: Option<bool>,
}

impl Contactor {
    pub(crate) fn new(operate: Duration, release: Duration, aux_delay: Duration) -> Self {
        Self {
            closed: false,
            driven: false,
            pending: None,
            changed_at: None,
            operate,
            release,
            aux_delay,
            welded: false,
            stuck_open: false,
            aux_stuck: None,
        }
    }

    /// The contact itself.
    pub(crate) fn closed(&self) -> bool {
        self.closed
    }

    /// Auxiliary contact at `now`.
    pub(crate) fn aux(&self, now: SimTime) -> bool {
        let follows = self.changed_at.is_none_or(|at| now >= at + self.aux_delay);
        self.aux_stuck.unwrap_or(self.closed == follows)
    }

    /// Coil voltage on or off, command and supply together.
    pub(crate) fn drive(&mut self, now: SimTime, energised: bool) {
        if energised == self.driven {
            return;
        }
        self.driven = energised;
        let delay = if energised { self.operate } else { self.release };
        self.pending = (energised != self.closed).then(|| (now + delay, energised));
    }

    /// When the contact moves next.
    pub(crate) fn due(&self) -> Option<SimTime> {
        self.pending.map(|(at, _)| at)
    }

    /// Takes the move due by `now`, unless the contact cannot follow it.
    pub(crate) fn take_due(&mut self, now: SimTime) -> Option<(SimTime, bool)> {
        let (at, closed) = self.pending.filter(|&(at, _)| at <= now)?;
        self.pending = None;
        let held = if closed { self.stuck_open } else { self.welded };
        (!held && closed != self.closed).then_some((at, closed))
    }

    /// Moves the contact.
    pub(crate) fn set(&mut self, at: SimTime, closed: bool) {
        if closed != self.closed {
            self.closed = closed;
            self.changed_at = Some(at);
        }
    }

    /// After a fault has gone: the contact returns to where the coil wants it.
    pub(crate) fn follow_coil(&mut self, now: SimTime) {
        if self.driven != self.closed && self.pending.is_none() {
            let delay = if self.driven { self.operate } else { self.release };
            self.pending = Some((now + delay, self.driven));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> SimTime = SimTime::from_millis;

    fn contactor() -> Contactor {
        Contactor::new(
            Duration::from_millis(25),
            Duration::from_millis(12),
            Duration::from_millis(5),
        )
    }

    #[test]
    fn contact_and_auxiliary_follow_the_coil_late() {
        let mut k = contactor();
        k.drive(MS(100), true);
        assert_eq!(k.take_due(MS(124)), None);
        assert_eq!(k.take_due(MS(125)), Some((MS(125), true)));
        k.set(MS(125), true);
        assert!(k.closed() && !k.aux(MS(129)) && k.aux(MS(130)));
    }

    #[test]
    fn dropping_the_coil_early_cancels() {
        let mut k = contactor();
        k.drive(MS(0), true);
        k.drive(MS(10), false);
        assert_eq!(k.due(), None);
    }

    #[test]
    fn auxiliary_shows_a_welded_contact_not_the_command() {
        let mut k = contactor();
        k.drive(MS(0), true);
        assert!(k.take_due(MS(25)).is_some());
        k.set(MS(25), true);
        k.welded = true;
        k.drive(MS(100), false);
        assert_eq!(k.take_due(MS(200)), None);
        assert!(k.aux(MS(200)));
    }
}
