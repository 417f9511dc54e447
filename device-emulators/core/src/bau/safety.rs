//! Emergency stop and fire: what is seen of them, what stays latched, and what releases it.

use bess_types::SimTime;

use super::auxiliaries::FirePanel;
use super::events::{Cause, Causes};
use super::{Bau, Stack};
use crate::defects::Defect;
use crate::protection::{AlarmId, Severity, seconds};

/// What was seen and not reset yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Latches {
    estop: bool,
    pub(super) fire: bool,
    pub(super) runaway: bool,
    /// What of the safety chain latched the E-stop.
    pub(super) held: Causes,
    /// The stack was closed when the E-stop came.
    pub(super) was_connected: bool,
    /// As it is now.
    pub(super) fire_level: usize,
    fire_reset_at: Option<SimTime>,
}

impl Latches {
    /// The state of the stack that it forces.
    pub(super) fn latched(&self) -> Option<Stack> {
        if self.estop {
            Some(Stack::EmergencyStop)
        } else if self.fire {
            Some(Stack::Fire)
        } else {
            None
        }
    }
}

impl Bau {
    pub(super) fn watch_safety(&mut self, now: SimTime) {
        let single = self.table.single;
        let fresh = self.io.is_fresh(now);
        let chain = self.io.chain();
        let blind = self.defect == Some(Defect::IgnoredEstop);
        let safety_ok = (fresh && chain.relay) || blind;
        let pressed = fresh && !blind && !chain.is_closed();
        if pressed && self.state != Stack::Initialising {
            self.latches.was_connected |= matches!(self.state, Stack::Connected | Stack::Starting);
            self.latches.estop = true;
        }
        if !pressed && fresh && self.latches.estop && self.resets_itself() {
            self.give_reset();
            self.latches.estop = false;
        }
        let seen = Causes::of(&[
            (Cause::EmergencyStop, pressed && chain.channels != [true; 2]),
            (Cause::SafetyChainOpen, pressed && !safety_ok),
        ]);
        self.latches.held = if self.latches.estop {
            self.latches.held | seen
        } else {
            Causes::default()
        };
        self.points.set_flag(single.io_online, fresh);
        self.points.set_flag(single.safety_ok, safety_ok);
        self.points
            .set_flag(single.estop_seen, pressed || self.latches.estop);
    }

    pub(super) fn watch_fire(&mut self, now: SimTime) {
        let by_line = if self.io.is_fresh(now) {
            self.io.fire_level()
        } else {
            0
        };
        let by_panel = self.fire_panel.as_ref().map_or(0, FirePanel::level);
        let level = by_line.max(by_panel);
        let ignored = level == 1 && self.defect == Some(Defect::IgnoresFirePrewarning);
        self.latches.fire_level = if ignored { 0 } else { level };
        if self.latches.fire_level > 0 {
            self.latches.fire = true;
        }
        let runaway = self
            .clusters
            .any(|image| image.has(Severity::Fault, AlarmId::Dtr));
        self.latches.runaway |= runaway;
        // A reset of the panel takes effect when the panel then reads normal.
        if let Some(at) = self.latches.fire_reset_at {
            if self.latches.fire_level == 0 && now > at {
                self.latches.fire = false;
                self.latches.fire_reset_at = None;
            } else if now - at > seconds(self.settings.fire_reset_wait_s) {
                self.latches.fire_reset_at = None;
            }
        }
    }

    /// Releases what has lost its cause; never starts anything.
    pub(super) fn command_reset(&mut self, now: SimTime) {
        let released = self.io.chain().is_closed() && self.io.is_fresh(now);
        if self.latches.estop && !released {
            return;
        }
        self.latches.estop = false;
        if self.latches.fire_level == 0 {
            self.latches.fire = false;
            self.latches.runaway = false;
        }
        self.give_reset();
        if self.state == Stack::Fault {
            self.enter(Stack::Standby, now);
        }
    }

    /// Resets the fire panel; the fire latch follows once the panel reads normal.
    pub(super) fn command_fire_reset(&mut self, now: SimTime) {
        if let Some(panel) = &mut self.fire_panel {
            panel.reset();
        }
        self.latches.runaway = false;
        self.latches.fire_reset_at = Some(now);
    }

    /// A reset for the BCUs, and of what is held against them.
    fn give_reset(&mut self) {
        self.clusters.reset();
        let counter = self.table.single.reset_counter;
        let value = self.points.get(counter).unwrap_or(0.0);
        self.points.set(counter, (value + 1.0) % 256.0);
    }

    /// Known bugs that leave an emergency stop without the operator's reset.
    fn resets_itself(&self) -> bool {
        matches!(
            self.defect,
            Some(Defect::NoResetNeeded | Defect::RestartsAfterEstopRelease)
        )
    }
}
