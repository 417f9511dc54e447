//! A contactor: coil, armature, contact and auxiliary contact, each with its own truth.
//!
//! The armature moves some time after the coil, later the weaker its supply; dropping the coil before that cancels the
//! move. When it has closed, the contact rebounds one to three times until it rests. Below the pick-up voltage the
//! coil's electronics starts over and over, so that the contact chatters; below the drop-out voltage it stays open. The
//! auxiliary contact follows the armature, not the command and not single rebounds. Welded and stuck contacts ignore
//! the coil.
//! Modelled elsewhere: what making, rebounding and breaking under load does (`stack.rs`). Not modelled: arcs, wear,
//! warm coils, coil current.
//! Constants: cell-and-thermal §7 (operate 25 ± 5 ms, bounce 5 ms, release 12 ± 3 ms, auxiliary + 5 ms, chatter below
//! 16 of 24 V; assumption, S8).

use core::time::Duration;

use bess_types::SimTime;

use crate::converter::nanos;
use crate::rng;
use crate::spec::HvBoxSpec;

/// Most rebounds after making.
const REBOUNDS: usize = 3;
/// Each stretch of a bounce takes about this share of the one before.
const SHORTER: f64 = 0.6;
/// Shortest bounce, as a share of the stated time.
const SHORTEST: f64 = 0.6;
/// A coil's electronics rests before it starts again, s: least, and up to this more.
const RESTART_S: [f64; 2] = [0.02, 0.03];

#[derive(Clone, Debug)]
pub(crate) struct Contactor {
    times: Times,
    seed: u64,
    drawn: u64,
    energised: bool,
    supply_v: f64,
    mode: Mode,
    /// Armature closed.
    closed: bool,
    /// Contact touches.
    touching: bool,
    pending: Option<(SimTime, bool)>,
    bounce: Bounce,
    changed_at: Option<SimTime>,
    /// Contact held closed.
    pub(crate) welded: bool,
    /// Contact cannot close.
    pub(crate) stuck_open: bool,
    /// Factor on operate and release time.
    slow: f64,
    /// Coil wire loose.
    loose: bool,
    /// What is wrong with the auxiliary contact.
    pub(crate) aux_fault: Option<AuxFault>,
}

/// Times and voltages of one contactor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    operate_s: f64,
    release_s: f64,
    bounce_s: f64,
    aux: Duration,
    pick_up_v: f64,
    drop_out_v: f64,
    nominal_v: f64,
}

impl Times {
    /// Operate and release time drawn from their ranges.
    pub(crate) fn draw(spec: &HvBoxSpec, mut symmetric: impl FnMut() -> f64) -> Self {
        let mut time = |[mean, half]: [f64; 2]| (mean + half * symmetric()) / 1e3;
        Self {
            operate_s: time(spec.operate_ms),
            release_s: time(spec.release_ms),
            bounce_s: spec.bounce_ms / 1e3,
            aux: seconds(spec.aux_delay_ms / 1e3),
            pick_up_v: spec.pick_up_v,
            drop_out_v: spec.drop_out_v,
            nominal_v: spec.coil_supply_v,
        }
    }

    /// Time to the pick-up current, which the coil's inductance delays: the longer the less the voltage is above.
    fn operate_s(&self, supply_v: f64) -> f64 {
        let rise = |v: f64| -libm::log(1.0 - (self.pick_up_v / v).min(0.99));
        self.operate_s * rise(supply_v) / rise(self.nominal_v)
    }
}

/// What the coil does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Released,
    Holding,
    Chattering,
}

/// A fault of the auxiliary contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuxFault {
    Stuck(bool),
    Inverted,
}

/// What a contact does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// It touches for the first time.
    Make,
    /// It rebounds.
    Rebound,
    /// It touches again.
    Remake,
    /// It touches again, and rests from now on.
    Rest,
    /// It parts.
    Break,
}

/// When the contact lets go and touches in turn after making, and what goes through it meanwhile.
#[derive(Clone, Copy, Debug, Default)]
struct Bounce {
    flips: [SimTime; 2 * REBOUNDS],
    count: usize,
    next: usize,
    began: SimTime,
    gap_v: f64,
    through_a2s: f64,
}

/// A bounce that is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounced {
    /// How long it took, s.
    pub(crate) seconds: f64,
    /// Rebounds.
    pub(crate) rebounds: usize,
    /// Voltage it was made onto, V.
    pub(crate) gap_v: f64,
    /// Let through from making to rest, A²s.
    pub(crate) through_a2s: f64,
}

impl Contactor {
    pub(crate) fn new(times: Times, seed: u64) -> Self {
        Self {
            times,
            seed,
            drawn: 0,
            energised: false,
            supply_v: times.nominal_v,
            mode: Mode::Released,
            closed: false,
            touching: false,
            pending: None,
            bounce: Bounce::default(),
            changed_at: None,
            welded: false,
            stuck_open: false,
            slow: 1.0,
            loose: false,
            aux_fault: None,
        }
    }

    /// The armature.
    pub(crate) fn closed(&self) -> bool {
        self.closed
    }

    /// The contact itself: open during rebounds.
    pub(crate) fn touching(&self) -> bool {
        self.touching
    }

    /// Made, but not at rest yet.
    pub(crate) fn bouncing(&self) -> bool {
        self.bounce.next < self.bounce.count
    }

    /// Auxiliary contact at `now`.
    pub(crate) fn aux(&self, now: SimTime) -> bool {
        let follows = self.changed_at.is_none_or(|at| now >= at + self.times.aux);
        let shown = self.closed == follows;
        match self.aux_fault {
            None => shown,
            Some(AuxFault::Stuck(closed)) => closed,
            Some(AuxFault::Inverted) => !shown,
        }
    }

    /// Command and supply voltage of the coil.
    pub(crate) fn drive(&mut self, now: SimTime, energised: bool, supply_v: f64) {
        self.energised = energised;
        self.supply_v = supply_v;
        self.follow_coil(now);
    }

    /// Coil wire loose or not: it chatters while it is energised.
    pub(crate) fn set_loose(&mut self, now: SimTime, loose: bool) {
        self.loose = loose;
        self.follow_coil(now);
    }

    /// Factor on operate and release time from the next command on.
    pub(crate) fn set_slow(&mut self, factor: f64) {
        self.slow = factor;
    }

    /// What the coil wants now.
    fn follow_coil(&mut self, now: SimTime) {
        let mode = if !self.energised || self.supply_v < self.times.drop_out_v {
            Mode::Released
        } else if self.loose || self.supply_v < self.times.pick_up_v {
            Mode::Chattering
        } else {
            Mode::Holding
        };
        if mode != self.mode {
            self.mode = mode;
            self.resume(now);
        }
    }

    /// After a fault of the contact has gone: it returns to where the coil wants it.
    pub(crate) fn resume(&mut self, now: SimTime) {
        let wanted = match self.mode {
            Mode::Released => false,
            Mode::Holding => true,
            Mode::Chattering => !self.closed,
        };
        self.pending = (wanted != self.closed).then(|| (now + self.travel(wanted), wanted));
    }

    /// From the coil to the armature.
    fn travel(&self, closing: bool) -> Duration {
        let seconds_now = match (closing, self.mode) {
            (true, Mode::Holding) => self.times.operate_s(self.supply_v),
            (true, _) => self.times.operate_s,
            (false, _) => self.times.release_s,
        };
        seconds(seconds_now * self.slow)
    }

    /// When the contact moves next.
    pub(crate) fn due(&self) -> Option<SimTime> {
        let flip = self.bouncing().then(|| self.bounce.flips[self.bounce.next]);
        let armature = self.pending.map(|(at, _)| at);
        [flip, armature].into_iter().flatten().min()
    }

    /// Takes the first move due by `now`, unless the contact cannot follow it. Rebounds are carried out by
    /// [`Self::let_go`] and [`Self::touch_again`], the others by [`Self::make`] and [`Self::part`].
    pub(crate) fn take_due(&mut self, now: SimTime) -> Option<(SimTime, Move)> {
        while let Some(at) = self.due().filter(|&at| at <= now) {
            if self.bouncing() && self.bounce.flips[self.bounce.next] == at {
                self.bounce.next += 1;
                let what = if self.touching {
                    Move::Rebound
                } else if self.bouncing() {
                    Move::Remake
                } else {
                    Move::Rest
                };
                return Some((at, what));
            }
            let closing = self.pending.take().is_some_and(|(_, closing)| closing);
            if self.mode == Mode::Chattering {
                let [least_s, more_s] = RESTART_S;
                let rest_s = least_s + more_s * rng::uniform(&mut self.draw());
                let again = self.travel(!closing) + seconds(rest_s);
                self.pending = Some((at + again, !closing));
            }
            let held = if closing { self.stuck_open } else { self.welded };
            if !held && closing != self.closed {
                return Some((at, if closing { Move::Make } else { Move::Break }));
            }
        }
        None
    }

    /// The contact touches, with this voltage across it, and begins to rebound.
    pub(crate) fn make(&mut self, at: SimTime, gap_v: f64) {
        if self.closed {
            return;
        }
        self.closed = true;
        self.touching = true;
        self.changed_at = Some(at);
        self.bounce = Bounce {
            began: at,
            gap_v,
            ..Bounce::default()
        };
        if self.welded || self.times.bounce_s <= 0.0 {
            return;
        }
        let mut draw = self.draw();
        let rebounds = 1
            + (0..REBOUNDS - 1)
                .filter(|_| rng::uniform(&mut draw) < 0.5)
                .count();
        let length_s = self.times.bounce_s * (SHORTEST + (1.0 - SHORTEST) * rng::uniform(&mut draw));
        let mut stretch = [0.0; 2 * REBOUNDS];
        let mut scale = 1.0;
        for stretch in &mut stretch[..2 * rebounds] {
            *stretch = scale * (0.5 + rng::uniform(&mut draw));
            scale *= SHORTER;
        }
        let total: f64 = stretch.iter().sum();
        let mut passed = 0.0;
        self.bounce.count = 2 * rebounds;
        for (flip, stretch) in self.bounce.flips.iter_mut().zip(&stretch[..2 * rebounds]) {
            passed += stretch;
            *flip = at + seconds(length_s * passed / total);
        }
    }

    /// A rebound begins.
    pub(crate) fn let_go(&mut self) {
        self.touching = false;
    }

    /// A rebound ends.
    pub(crate) fn touch_again(&mut self) {
        self.touching = true;
    }

    /// The contact parts.
    pub(crate) fn part(&mut self, at: SimTime) {
        if self.closed {
            self.closed = false;
            self.touching = false;
            self.changed_at = Some(at);
            self.bounce = Bounce::default();
        }
    }

    /// The contact welds where it touches.
    pub(crate) fn weld(&mut self) {
        self.welded = true;
        self.touching = self.closed;
        self.bounce.count = self.bounce.next;
    }

    /// Current squared over time through a bouncing contact, A²s.
    pub(crate) fn heat(&mut self, square_a2s: f64) {
        self.bounce.through_a2s += square_a2s;
    }

    /// The bounce that came to rest at this time.
    pub(crate) fn bounced(&self, at: SimTime) -> Bounced {
        Bounced {
            seconds: (at - self.bounce.began).as_secs_f64(),
            rebounds: self.bounce.count / 2,
            gap_v: self.bounce.gap_v,
            through_a2s: self.bounce.through_a2s,
        }
    }

    /// Chance for one event.
    fn draw(&mut self) -> rand_pcg::Pcg32 {
        self.drawn += 1;
        rng::stream(self.seed, self.drawn)
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_nanos(nanos(seconds))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    const MS: fn(u64) -> SimTime = SimTime::from_millis;

    fn contactor(seed: u64) -> Contactor {
        let spec = crate::testing::spec().container.hv_box;
        Contactor::new(Times::draw(&spec, || 0.0), seed)
    }

    /// Runs to a time as the stack would without load; what happened.
    fn run(k: &mut Contactor, until: SimTime) -> Vec<(SimTime, Move)> {
        let mut moves = Vec::new();
        while let Some((at, what)) = k.take_due(until) {
            match what {
                Move::Make => k.make(at, 0.0),
                Move::Rebound => k.let_go(),
                Move::Remake | Move::Rest => k.touch_again(),
                Move::Break => k.part(at),
            }
            moves.push((at, what));
        }
        moves
    }

    #[test]
    fn contact_and_auxiliary_follow_the_coil_late() {
        let mut k = contactor(1);
        k.drive(MS(100), true, 24.0);
        assert_eq!(run(&mut k, MS(124)), []);
        assert_eq!(run(&mut k, MS(125)), [(MS(125), Move::Make)]);
        assert!(k.closed() && !k.aux(MS(129)) && k.aux(MS(130)));
    }

    #[test]
    fn dropping_the_coil_early_cancels() {
        let mut k = contactor(1);
        k.drive(MS(0), true, 24.0);
        k.drive(MS(10), false, 24.0);
        assert_eq!(k.due(), None);
    }

    #[test]
    fn a_contact_rebounds_within_its_time_and_rests_closed() {
        let mut numbers = [0; REBOUNDS + 1];
        for seed in 0..200 {
            let mut k = contactor(seed);
            k.drive(MS(0), true, 24.0);
            let moves = run(&mut k, MS(100));
            let rebounds = moves.iter().filter(|m| m.1 == Move::Rebound).count();
            numbers[rebounds] += 1;
            let (rest, last) = *moves.last().unwrap();
            assert_eq!(last, Move::Rest);
            assert!(rest > MS(28) && rest <= MS(30), "{rest}");
            assert!(moves.is_sorted_by(|a, b| a.0 < b.0) && k.touching() && !k.bouncing());
            // the auxiliary does not show rebounds
            assert!(k.aux(MS(30)));
        }
        assert!(
            numbers[0] == 0 && numbers[1..].iter().all(|&n| n > 20),
            "{numbers:?}"
        );
    }

    #[test]
    fn a_weak_supply_closes_late_and_below_pick_up_chatters() {
        let closes = |volts| {
            let mut k = contactor(1);
            k.drive(MS(0), true, volts);
            run(&mut k, MS(1000))
        };
        let late = closes(17.0);
        assert!(late[0].0 > MS(50) && late[0].0 < MS(80), "{:?}", late[0]);
        let count = |moves: &[(SimTime, Move)], what| moves.iter().filter(|m| m.1 == what).count();
        assert_eq!(count(&late, Move::Break), 0);
        let chatter = closes(15.0);
        assert!((5..20).contains(&count(&chatter, Move::Break)), "{chatter:?}");
        assert_eq!(closes(5.0), []);
    }

    #[test]
    fn a_closed_contact_chatters_when_its_supply_sinks_and_recovers() {
        let mut k = contactor(1);
        k.drive(MS(0), true, 24.0);
        run(&mut k, MS(100));
        k.drive(MS(100), true, 15.0);
        let moves = run(&mut k, MS(600));
        assert_eq!(moves[0], (MS(112), Move::Break));
        k.drive(MS(600), true, 24.0);
        run(&mut k, MS(700));
        assert!(k.closed() && k.due().is_none());
    }

    #[test]
    fn auxiliary_shows_a_welded_contact_not_the_command() {
        let mut k = contactor(1);
        k.drive(MS(0), true, 24.0);
        run(&mut k, MS(50));
        k.weld();
        k.drive(MS(100), false, 24.0);
        assert_eq!(run(&mut k, MS(200)), []);
        assert!(k.aux(MS(200)));
        k.aux_fault = Some(AuxFault::Inverted);
        assert!(!k.aux(MS(200)));
    }

    #[test]
    fn a_slow_contactor_takes_its_factor_longer() {
        let mut k = contactor(1);
        k.set_slow(3.0);
        k.drive(MS(0), true, 24.0);
        assert_eq!(run(&mut k, MS(200))[0].0, MS(75));
        k.drive(MS(200), false, 24.0);
        assert_eq!(run(&mut k, MS(300))[0].0, MS(236));
    }
}
