//! Who turns the crank: the contract of drivers, and the one that jumps to the next event.

use std::error::Error;

use bess_types::SimTime;
use serde::Serialize;

use crate::Rig;

/// Something that moves a rig through time.
pub trait Driver {
    /// The rig.
    fn rig(&self) -> &Rig;

    /// The rig, to be commanded between runs.
    fn rig_mut(&mut self) -> &mut Rig;

    /// Runs until `until`, or until `stop` says so; `stop` is asked after every plant tick. Returns whether it
    /// stopped early.
    ///
    /// # Errors
    /// If the wires fail.
    fn run(
        &mut self,
        until: SimTime,
        stop: &mut dyn FnMut(&Rig) -> bool,
    ) -> Result<bool, Box<dyn Error + Send + Sync>>;

    /// How well the rig itself did.
    fn health(&self) -> Health;
}

/// How well the rig itself did. A late rig proves nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Health {
    /// Whether a wall clock was kept.
    pub paced: bool,
    /// Plant ticks made.
    pub ticks: u64,
    /// Ticks later than the soft limit.
    pub soft_misses: u64,
    /// Ticks later than the hard limit.
    pub hard_misses: u64,
    /// How late ticks were, µs.
    pub lateness_us: Percentiles,
    /// How late frames were handed to the kernel, µs.
    pub send_jitter_us: Percentiles,
    /// Frames lost on the rig's side.
    pub dropped_frames: u64,
    /// What peers put on the wires that is nothing the rig can read: remote frames, wrong commands, replies nobody asked for. No loss.
    pub undecoded: u64,
    /// Why nothing is proven, if so.
    pub inconclusive: Option<String>,
}

/// Spread of a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Median.
    pub p50: u64,
    /// 99th percentile.
    pub p99: u64,
    /// Largest.
    pub max: u64,
}

/// Virtual time: as fast as the machine can, nothing is ever late.
pub struct VirtualDriver {
    rig: Rig,
}

impl VirtualDriver {
    /// Drives `rig`.
    pub fn new(rig: Rig) -> Self {
        Self { rig }
    }
}

impl Driver for VirtualDriver {
    fn rig(&self) -> &Rig {
        &self.rig
    }

    fn rig_mut(&mut self) -> &mut Rig {
        &mut self.rig
    }

    fn run(
        &mut self,
        until: SimTime,
        stop: &mut dyn FnMut(&Rig) -> bool,
    ) -> Result<bool, Box<dyn Error + Send + Sync>> {
        while self.rig.now() < until {
            let due = self.rig.next_tick().min(until);
            self.rig.advance_to(due);
            if stop(&self.rig) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn health(&self) -> Health {
        Health {
            ticks: self.rig.counters().ticks,
            ..Health::default()
        }
    }
}
