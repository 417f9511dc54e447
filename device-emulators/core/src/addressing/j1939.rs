//! Addresses by SAE J1939-81 address claim [R]: each node claims its address with a 64-bit NAME ([`NameSettings`]); where
//! two claim the same, the lower NAME keeps it. The other one claims the next free address from 128 on if its NAME says
//! that it may, or else says that it cannot claim one, and is silent.
//!
//! Frames are PGN 60928 (EE00 hex), priority 6, to all: the claim from the claimed address, "cannot claim" from FE, the
//! NAME low byte first. PGN 59904 (EA00 hex) asks for claims. A node begins with its messages 250 ms after its claim
//! if nobody with a lower NAME contested it; one that cannot claim says so after 0 to 153 ms, by its NAME.
//!
//! A BMU claims the number of its pack, a BCU and a measuring unit their own. The BCU hands out nothing. It asks for
//! claims, and knows by the NAMEs who has which address.

use core::time::Duration;

use bess_types::{CanFrame, CanId, SimTime};

mod claim;
mod name;

pub(crate) use claim::{Claimant, is_about_claims};
use claim::{NULL, claim_of, request};
pub use name::NameSettings;

use super::{HIGHEST, Ledger, Master, MasterPoints, Node, NodePoints, Step, Steps};
use crate::controller::need;
use crate::product::{Product, ProductError};
use crate::{DeviceFault, PointTable, Points};

/// Address of the BCU.
const BCU: u8 = crate::bcu::CLUSTER_ADDRESS;
/// How long the BCU gives all claims before it asks for them again,
const TIMEOUT: Duration = Duration::from_secs(1);
/// and how often it asks before it says that it failed; it listens on.
const TRIES: u8 = 3;

/// NAME of a BMU.
pub(crate) fn name_of_bmu(settings: &NameSettings, serial: u64) -> u64 {
    settings.name(serial, 0)
}

/// NAME of a BCU, which has no serial number.
pub(crate) fn name_of_bcu(settings: &NameSettings) -> u64 {
    settings.name(0, 1)
}

/// NAME of a measuring unit, which has no serial number.
pub(crate) fn name_of_hv_unit(settings: &NameSettings) -> u64 {
    settings.name(0, 2)
}

/// A BMU's side.
#[derive(Debug)]
pub(crate) struct ClaimNode {
    ids: NodePoints,
    settings: NameSettings,
    serial: u64,
    /// What it claims.
    preferred: u8,
    /// A fault: it claims this instead.
    kept: Option<u8>,
    claimant: Claimant,
    disturbed: bool,
}

impl ClaimNode {
    pub(crate) fn new(
        product: &Product,
        table: &PointTable,
        settings: NameSettings,
        serial: u64,
        preferred: u8,
    ) -> Result<Self, ProductError> {
        let find = |name| need(product, table, name);
        Ok(Self {
            ids: NodePoints {
                serial: find("serial-number")?,
                address: find("node-id")?,
                assigned_serial: find("assigned-serial")?,
                assigned_address: find("assigned-id")?,
            },
            settings,
            serial,
            preferred,
            kept: None,
            claimant: Claimant::new(name_of_bmu(&settings, serial)),
            disturbed: false,
        })
    }

    fn claim(&mut self, now: SimTime, points: &mut Points) {
        points.set(self.ids.serial, self.serial as f64);
        self.claimant.set_name(name_of_bmu(&self.settings, self.serial));
        self.claimant.claim(now, self.kept.unwrap_or(self.preferred));
        self.publish(points);
    }

    fn publish(&self, points: &mut Points) {
        points.set(self.ids.address, f64::from(self.claimant.own().unwrap_or(0)));
    }
}

impl Node for ClaimNode {
    fn begin(&mut self, now: SimTime, points: &mut Points) {
        self.claim(now, points);
    }

    fn stop(&mut self) {
        self.claimant.stop();
    }

    fn wake(&mut self, now: SimTime, points: &mut Points) {
        if core::mem::take(&mut self.disturbed) && !self.claimant.is_silent() {
            self.claim(now, points);
        }
        self.claimant.wake(now);
        self.publish(points);
    }

    fn receive(&mut self, now: SimTime, frame: &CanFrame, points: &mut Points) {
        self.claimant.receive(now, frame);
        self.publish(points);
    }

    fn next_due(&self) -> SimTime {
        if self.disturbed && !self.claimant.is_silent() {
            SimTime::ZERO
        } else {
            self.claimant.next_due()
        }
    }

    fn steps(&mut self) -> &mut Steps {
        self.claimant.steps()
    }

    fn inject(&mut self, fault: &DeviceFault) -> bool {
        match fault {
            DeviceFault::KeepAddress(address) => self.kept = Some(*address),
            DeviceFault::FollowAddress => self.kept = None,
            DeviceFault::Serial(serial) => self.serial = *serial,
            _ => return false,
        }
        self.disturbed = true;
        true
    }
}

/// The BCU's side.
#[derive(Debug)]
pub(crate) struct ClaimMaster {
    ids: MasterPoints,
    ledger: Ledger,
    claimant: Claimant,
    due: SimTime,
    tries: u8,
}

impl ClaimMaster {
    /// A BCU of this NAME whose BMUs were commissioned with these NAMEs, in order.
    pub(crate) fn new(ids: MasterPoints, name: u64, commissioned: &[u64]) -> Self {
        Self {
            ids,
            ledger: Ledger::new(commissioned),
            claimant: Claimant::new(name),
            due: SimTime::NEVER,
            tries: 0,
        }
    }

    fn ask(&mut self) {
        let source = self.claimant.own().unwrap_or(NULL);
        self.claimant.steps().push_back(Step::Frame(request(source)));
    }

    fn publish(&mut self, points: &mut Points) {
        if self.claimant.has_lost() {
            self.ledger.duplicate = BCU;
        }
        let failed = self.tries >= TRIES || self.claimant.has_lost();
        self.ledger.publish(failed, &self.ids, points);
    }
}

impl Master for ClaimMaster {
    fn start(&mut self, now: SimTime, points: &mut Points) {
        self.ledger.clear();
        self.tries = 0;
        self.due = now + TIMEOUT;
        self.claimant.stop();
        self.claimant.claim(now, BCU);
        self.ask();
        self.publish(points);
    }

    fn wake(&mut self, now: SimTime, points: &mut Points) {
        self.claimant.wake(now);
        if now < self.due {
            return;
        }
        if self.ledger.next().is_none() || self.tries >= TRIES {
            self.due = SimTime::NEVER;
            return;
        }
        self.tries += 1;
        self.due = now + TIMEOUT;
        self.ask();
        self.publish(points);
    }

    fn receive(&mut self, now: SimTime, frame: &CanFrame, points: &mut Points) {
        self.claimant.receive(now, frame);
        let Some((name, source)) = claim_of(frame) else {
            return;
        };
        if let position @ 1..=HIGHEST = source {
            let position = usize::from(position) - 1;
            let before = self.ledger.place_of(name);
            if self.ledger.serial_at(position).is_some_and(|other| other != name) {
                self.ledger.duplicate = source;
            }
            // where two want it, the one that keeps it claims it again
            self.ledger.give(position, name);
            if let Some(left) = before.filter(|left| *left != position) {
                self.ledger.skip(left);
            }
            self.ledger.confirm(position);
        } else if let Some(position) = self.ledger.commissioned_at(name) {
            // it has lost its address to another one, and has none or one that is no position
            self.ledger.skip(position);
        }
        self.publish(points);
    }

    fn hears(&self, id: CanId) -> bool {
        is_about_claims(id)
    }

    fn next_due(&self) -> SimTime {
        self.due.min(self.claimant.next_due())
    }

    fn steps(&mut self) -> &mut Steps {
        self.claimant.steps()
    }
}
