//! What a server keeps besides its points: held registers, latched bits, and timers of side effects.

use core::time::Duration;

use bess_types::{Reading, SimTime};

use super::entry::Content;
use super::number::NumberFormat;
use crate::points::{PointId, Points};

/// What the map says of a server's state, compiled.
#[derive(Clone, Debug, Default)]
pub(super) struct Effects {
    /// Raw value at start-up of each held register.
    pub(super) held: Vec<u64>,
    /// What feeds each latch.
    pub(super) latches: Vec<Content>,
    pub(super) returns: Vec<Return>,
    pub(super) reverts: Vec<Revert>,
}

/// A command register that clears itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Return {
    pub(super) to: Returned,
    pub(super) after: Duration,
}

/// What a command register has when it is cleared.
#[derive(Clone, Copy, Debug)]
pub(super) enum Returned {
    Point(PointId, f64),
    /// A raw value.
    Held(usize, u64),
}

impl Returned {
    /// Whether a write of the register left it cleared; nothing if it wrote another one.
    fn is_back(self, change: Change) -> Option<bool> {
        match (self, change) {
            (Self::Point(own, to), Change::Point(written, value)) if own == written => Some(value == to),
            (Self::Held(own, to), Change::Hold(written, bits)) if own == written => Some(bits == to),
            _ => None,
        }
    }
}

/// Set points that fall back.
#[derive(Clone, Debug)]
pub(super) struct Revert {
    pub(super) back: Vec<(PointId, Operand)>,
    /// Seconds; not above 0 is for ever.
    pub(super) after: Operand,
    pub(super) remaining: Option<Operand>,
}

/// Where a number stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operand {
    Value(f64),
    Point(PointId),
    Held(usize, NumberFormat),
}

/// One thing a write does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Point(PointId, f64),
    Hold(usize, u64),
    /// Clears these bits of a latch.
    Unlatch(usize, u64),
}

/// The state of one server.
#[derive(Clone, Debug)]
pub(super) struct State {
    held: Vec<u64>,
    latched: Vec<u64>,
    return_at: Vec<SimTime>,
    revert_at: Vec<SimTime>,
}

impl State {
    /// As after power-up.
    pub(super) fn new(effects: &Effects) -> Self {
        Self {
            held: effects.held.clone(),
            latched: vec![0; effects.latches.len()],
            return_at: vec![SimTime::NEVER; effects.returns.len()],
            revert_at: vec![SimTime::NEVER; effects.reverts.len()],
        }
    }

    pub(super) fn held(&self, number: usize) -> u64 {
        self.held[number]
    }

    pub(super) fn latched(&self, number: usize) -> u64 {
        self.latched[number]
    }

    pub(super) fn unlatch(&mut self, number: usize) {
        self.latched[number] = 0;
    }

    /// When the next timer runs out.
    pub(super) fn next_due(&self) -> SimTime {
        let timers = self.return_at.iter().chain(&self.revert_at);
        timers.copied().min().unwrap_or(SimTime::NEVER)
    }

    /// Carries out a write that was decided, and starts the timers it starts.
    pub(super) fn apply(
        &mut self,
        effects: &Effects,
        now: SimTime,
        changes: &[Change],
        points: &mut Points,
        written: &mut Vec<PointId>,
    ) {
        for &change in changes {
            match change {
                Change::Point(point, value) => {
                    points.set(point, value);
                    written.push(point);
                }
                Change::Hold(number, bits) => self.held[number] = bits,
                Change::Unlatch(number, bits) => self.latched[number] &= !bits,
            }
        }
        for (command, at) in effects.returns.iter().zip(&mut self.return_at) {
            let mut written = changes.iter().filter_map(|change| command.to.is_back(*change));
            if let Some(is_back) = written.next_back() {
                *at = if is_back {
                    SimTime::NEVER
                } else {
                    now + command.after
                };
            }
        }
        for (i, revert) in effects.reverts.iter().enumerate() {
            if changes.iter().any(|change| revert.is_refreshed_by(*change)) {
                let span = self.value(revert.after, points).unwrap_or(0.0);
                let span = Duration::try_from_secs_f64(span).unwrap_or_default();
                self.revert_at[i] = if span.is_zero() {
                    SimTime::NEVER
                } else {
                    now + span
                };
            }
        }
    }

    /// Latches what is on and lets timers run out. Set points that fell back are appended to `written`, commands that
    /// cleared themselves are not: their device has taken them.
    pub(super) fn tick(
        &mut self,
        effects: &Effects,
        now: SimTime,
        points: &mut Points,
        written: &mut Vec<PointId>,
    ) {
        for (content, latched) in effects.latches.iter().zip(&mut self.latched) {
            *latched |= content.bits(points);
        }
        for (command, at) in effects.returns.iter().zip(&mut self.return_at) {
            if *at <= now {
                *at = SimTime::NEVER;
                match command.to {
                    Returned::Point(point, to) => points.set(point, to),
                    Returned::Held(number, bits) => self.held[number] = bits,
                }
            }
        }
        for (i, revert) in effects.reverts.iter().enumerate() {
            if self.revert_at[i] <= now {
                self.revert_at[i] = SimTime::NEVER;
                for &(point, to) in &revert.back {
                    let reading = self.value(to, points).map_or(Reading::invalid(), Reading::valid);
                    points.put(point, reading);
                    written.push(point);
                }
            }
            let left = match self.revert_at[i] {
                SimTime::NEVER => 0.0,
                at => (at - now).as_secs_f64().ceil(),
            };
            match revert.remaining {
                Some(Operand::Point(point)) => points.set(point, left),
                Some(Operand::Held(number, format)) => {
                    self.held[number] = format.bits_of(Reading::valid(left));
                }
                Some(Operand::Value(_)) | None => {}
            }
        }
    }

    fn value(&self, operand: Operand, points: &Points) -> Option<f64> {
        match operand {
            Operand::Value(value) => Some(value),
            Operand::Point(point) => points.get(point),
            Operand::Held(number, format) => format.reading_of(self.held[number]).ok(),
        }
    }
}

impl Revert {
    fn is_refreshed_by(&self, change: Change) -> bool {
        match change {
            Change::Point(written, _) => {
                matches!(self.after, Operand::Point(point) if point == written)
                    || self.back.iter().any(|(point, _)| *point == written)
            }
            Change::Hold(written, _) => matches!(self.after, Operand::Held(number, _) if number == written),
            Change::Unlatch(..) => false,
        }
    }
}

#[cfg(test)]
mod tests;
