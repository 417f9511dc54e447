//! Where the stack stands, and what moves it: commands, latches, faults, and the start of one cluster after the other.

use bess_types::SimTime;

use super::Bau;
use super::events::{Cause, Causes};
use crate::bcu::sequence::Request;
use crate::controller::older_than;
use crate::defects::Defect;
use crate::protection::{AlarmId, Severity, seconds};

/// Where the stack stands. Order as in [`super::points::STACK_STATES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// Self-test.
    Initialising,
    /// All clusters open, ready.
    Standby,
    /// Clusters are closing.
    Starting,
    /// At least one cluster is on the bus.
    Connected,
    /// 0 A demanded, clusters are opening.
    Stopping,
    /// Stopped by a fault; needs a reset.
    Fault,
    /// Stopped by the fire panel; needs a reset.
    Fire,
    /// Stopped by an E-stop; needs a reset.
    EmergencyStop,
}

impl Stack {
    /// Stopped until a reset.
    pub(super) const fn is_tripped(self) -> bool {
        matches!(self, Self::Fault | Self::Fire | Self::EmergencyStop)
    }
}

/// What holds a start back. Order as in [`super::points::BLOCKING`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Blocking {
    #[default]
    None,
    NotReady,
    ClusterFault,
    NoCluster,
    PcsOffline,
    DoorOpen,
    IoOffline,
    Fire,
    EmergencyStop,
    StartFailed,
}

/// How far a start has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Start {
    /// Waits for what blocks.
    Waiting,
    /// One cluster charges the bus through its resistor.
    First { cluster: usize, since: SimTime },
    /// The others join one by one, from this one on.
    Joining { next: usize, at: SimTime },
    /// All that may join were asked; they are closing.
    Settling { since: SimTime },
}

impl Bau {
    pub(super) fn advance(&mut self, now: SimTime) {
        if self.state == Stack::Initialising {
            let elapsed = now - self.started;
            let complete = self.io.peer.is_complete() && self.clusters.all_online();
            if elapsed >= seconds(self.settings.self_test_s)
                || (complete && elapsed >= seconds(self.settings.settle_s))
            {
                self.enter(Stack::Standby, now);
            }
            return;
        }
        if let Some(latch) = self.latches.latched() {
            if self.state != latch {
                self.enter(latch, now);
            }
            self.clusters.request_all(Request::Open);
            return;
        }
        // A stop of the PCS or the EMS may come before the silence shows, so this holds in every state.
        if self.clusters.all_lost() && self.state != Stack::Fault {
            self.fail(Causes::of(&[(Cause::BcuSilent, true)]), now);
        }
        match self.state {
            Stack::Initialising => {}
            Stack::EmergencyStop => {
                let restart =
                    self.defect == Some(Defect::RestartsAfterEstopRelease) && self.latches.was_connected;
                self.latches.was_connected = false;
                self.enter(if restart { Stack::Starting } else { Stack::Standby }, now);
            }
            Stack::Fire => self.enter(Stack::Standby, now),
            Stack::Standby | Stack::Fault => self.clusters.request_all(Request::Open),
            Stack::Starting => self.advance_start(now),
            Stack::Connected => self.guard(now),
            Stack::Stopping => {
                let small = self.clusters.current_a().abs() < self.settings.stop_below_a;
                if small || now - self.since >= seconds(self.settings.stop_wait_s) {
                    self.clusters.request_all(Request::Open);
                    if self.clusters.connected() == 0 {
                        self.enter(Stack::Standby, now);
                    }
                }
            }
        }
    }

    fn advance_start(&mut self, now: SimTime) {
        let faults = self.stack_faults(now);
        if !faults.is_empty() {
            self.fail(faults, now);
            return;
        }
        match self.start {
            Start::Waiting => {
                self.blocking = self.what_blocks(now);
                let first = self
                    .clusters
                    .choose_first(self.settings.first_gap_v, self.settings.parallel_gap_v);
                match (self.blocking, first) {
                    (Blocking::None, Some(cluster)) => {
                        self.clusters.request(cluster, Request::Precharge);
                        self.start = Start::First { cluster, since: now };
                    }
                    (Blocking::None, None) => self.blocking = Blocking::NoCluster,
                    _ => {}
                }
                if now - self.since >= seconds(self.settings.start_wait_s) {
                    self.enter(Stack::Standby, now);
                    self.blocking = Blocking::StartFailed;
                }
            }
            Start::First { cluster, since } => {
                let image = self.clusters.image(cluster);
                let failed = !image.online || image.level == Severity::Fault;
                if image.closed {
                    self.start = Start::Joining { next: 0, at: now };
                } else if failed || now - since >= seconds(self.settings.close_wait_s) {
                    self.clusters.request(cluster, Request::Open);
                    self.clusters.exclude(cluster);
                    self.start = Start::Waiting;
                    self.since = now;
                }
            }
            Start::Joining { next, at } if now >= at => {
                let gap = if self.defect == Some(Defect::ClosesOntoVoltageGap) {
                    f64::INFINITY
                } else {
                    self.settings.parallel_gap_v
                };
                let joining =
                    (next..self.clusters.len()).find(|cluster| self.clusters.may_join(*cluster, gap));
                self.start = match joining {
                    Some(cluster) => {
                        self.clusters.request(cluster, Request::Join);
                        let at = now + seconds(self.settings.close_stagger_s);
                        Start::Joining {
                            next: cluster + 1,
                            at,
                        }
                    }
                    None => Start::Settling { since: now },
                };
            }
            Start::Joining { .. } => {}
            Start::Settling { since } => {
                let waited = now - since >= seconds(self.settings.close_wait_s);
                if self.clusters.all_requested_closed() || waited {
                    self.enter(Stack::Connected, now);
                }
            }
        }
    }

    fn what_blocks(&self, now: SimTime) -> Blocking {
        let settings = &self.settings;
        let door_open = self.io.door_is_open();
        if !self.io.is_fresh(now) {
            Blocking::IoOffline
        } else if door_open && settings.door_blocks_start {
            Blocking::DoorOpen
        } else if older_than(now, self.pcs.peer.last_seen(), settings.pcs_lost_s) {
            Blocking::PcsOffline
        } else if self.clusters.faulty() >= settings.stop_at_faults.min(self.clusters.len()) {
            Blocking::ClusterFault
        } else if self
            .clusters
            .choose_first(settings.first_gap_v, settings.parallel_gap_v)
            .is_none()
        {
            Blocking::NotReady
        } else {
            Blocking::None
        }
    }

    /// Faults that one cluster cannot settle alone.
    fn stack_faults(&self, now: SimTime) -> Causes {
        let stuck = self
            .clusters
            .any(|image| image.has(Severity::Fault, AlarmId::Ctf) && image.requested);
        let many = self.clusters.faulty() >= self.settings.stop_at_faults;
        Causes::of(&[
            (Cause::ContactorFailed, stuck),
            (Cause::ClustersFaulty, many),
            (Cause::IoSilent, !self.io.is_fresh(now)),
        ])
    }

    /// Connected: lets faulty clusters go, and stops the stack when it must.
    fn guard(&mut self, now: SimTime) {
        self.clusters.drop_faulty();
        let settings = &self.settings;
        let pcs_gone = older_than(now, self.pcs.peer.last_seen(), settings.pcs_stop_s)
            || self
                .pcs_bus
                .as_ref()
                .is_some_and(|bus| bus.lost(now, self.started, settings.pcs_stop_s));
        let none_left = Causes::of(&[(Cause::NoClusterLeft, self.clusters.connected() == 0)]);
        let faults = self.stack_faults(now) | none_left;
        if !faults.is_empty() {
            self.fail(faults, now);
        } else if pcs_gone || self.ems_gone(now) {
            self.enter(Stack::Stopping, now);
        }
    }

    /// Stops the stack, which stays so until reset, and remembers why.
    fn fail(&mut self, causes: Causes, now: SimTime) {
        self.enter(Stack::Fault, now);
        self.fault_held = causes;
        if causes == Causes::of(&[(Cause::IoSilent, true)]) {
            self.blocking = Blocking::IoOffline;
        }
    }

    pub(super) fn enter(&mut self, state: Stack, now: SimTime) {
        self.state = state;
        self.since = now;
        if !state.is_tripped() {
            self.fault_held = Causes::default();
        }
        if state == Stack::Starting {
            self.start = Start::Waiting;
            self.clusters.include_all();
        }
        self.blocking = match state {
            Stack::EmergencyStop => Blocking::EmergencyStop,
            Stack::Fire => Blocking::Fire,
            Stack::Fault => Blocking::ClusterFault,
            _ => Blocking::None,
        };
        if state != Stack::Connected && state != Stack::Starting && state != Stack::Stopping {
            self.clusters.request_all(Request::Open);
        }
    }

    pub(super) fn command_start(&mut self, now: SimTime) {
        if self.state == Stack::Standby {
            self.enter(Stack::Starting, now);
        }
    }

    pub(super) fn command_stop(&mut self, now: SimTime) {
        match self.state {
            Stack::Connected => self.enter(Stack::Stopping, now),
            Stack::Starting => {
                self.clusters.request_all(Request::Open);
                self.enter(Stack::Stopping, now);
            }
            _ => {}
        }
    }
}
