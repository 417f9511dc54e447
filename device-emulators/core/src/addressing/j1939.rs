//! Addresses by SAE J1939-81 address claim [R]: each BMU claims the number of its pack with a 64-bit NAME; where two claim
//! the same, the lower NAME keeps it and the other one says that it cannot claim an address, and is silent.
//!
//! Frames are PGN 60928 (EE00 hex), priority 6, to all: the claim from the claimed address, "cannot claim" from FE, the
//! NAME low byte first. PGN 59904 (EA00 hex) asks for claims. A node begins with its messages 250 ms after its claim
//! if nobody with a lower NAME contested it; one that cannot claim says so after 0 to 153 ms, by its NAME.
//!
//! The BCU hands out nothing. It asks for claims, and knows by the NAMEs who has which address.

use core::time::Duration;

use bess_types::{CanFrame, CanId, SimTime};

use super::{HIGHEST, Ledger, Master, MasterPoints, Node, NodePoints, Step, Steps, fall_silent};
use crate::controller::need;
use crate::product::{Product, ProductError};
use crate::{DeviceFault, PointTable, Points};

/// Source address of a node that has none.
const NULL: u8 = 0xFE;
/// Destination address of all.
const GLOBAL: u8 = 0xFF;
/// Address of the BCU.
const BCU: u8 = crate::bcu::CLUSTER_ADDRESS;
/// PDU format of address claims.
const CLAIM_PF: u32 = 0xEE;
/// PDU format of requests.
const REQUEST_PF: u32 = 0xEA;
/// Parameter group of address claims.
const CLAIM_PGN: [u8; 3] = [0x00, 0xEE, 0x00];
/// From a claim to the first other message.
const CONTEST: Duration = Duration::from_millis(250);
/// How long the BCU gives all claims before it asks for them again,
const TIMEOUT: Duration = Duration::from_secs(1);
/// and how often it asks before it says that it failed; it listens on.
const TRIES: u8 = 3;
/// The most a node waits before it says that it cannot claim.
const LONGEST_DELAY_MS: u64 = 153;

/// NAME of a BMU: the low 21 bits of its serial number as identity number, all else [A]: manufacturer 0 (none is registered
/// for the rig), function 0, vehicle system and industry group 0, no choice of another address.
fn name_of(serial: u64) -> u64 {
    serial & 0x1F_FFFF
}

fn id(format: u32, destination: u8, source: u8) -> CanId {
    CanId::Extended(6 << 26 | format << 16 | u32::from(destination) << 8 | u32::from(source))
}

fn claim(name: u64, source: u8) -> CanFrame {
    CanFrame::new(id(CLAIM_PF, GLOBAL, source), &name.to_le_bytes()).expect("eight bytes")
}

/// NAME and source address of a claim.
fn claim_of(frame: &CanFrame) -> Option<(u64, u8)> {
    let CanId::Extended(raw) = frame.id else {
        return None;
    };
    let claims = raw >> 16 & 0xFF == CLAIM_PF && raw >> 8 & 0xFF == u32::from(GLOBAL);
    let name = <[u8; 8]>::try_from(frame.data()).ok().filter(|_| claims)?;
    Some((u64::from_le_bytes(name), raw.to_le_bytes()[0]))
}

/// Whether a frame asks `own` or all for claims.
fn asks(frame: &CanFrame, own: Option<u8>) -> bool {
    let CanId::Extended(raw) = frame.id else {
        return false;
    };
    let to = raw.to_le_bytes()[1];
    raw >> 16 & 0xFF == REQUEST_PF
        && (to == GLOBAL || Some(to) == own)
        && frame.data().starts_with(&CLAIM_PGN)
}

fn is_about_claims(id: CanId) -> bool {
    matches!(id, CanId::Extended(raw) if matches!(raw >> 16 & 0xFF, CLAIM_PF | REQUEST_PF))
}

/// How a node's claim stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Silent,
    /// Claimed; its own from then on.
    Claimed(SimTime),
    Own,
    /// Lost; it says so then, if it has not yet.
    Lost(SimTime),
    CannotClaim,
}

/// A BMU's side.
#[derive(Debug)]
pub(crate) struct ClaimNode {
    ids: NodePoints,
    serial: u64,
    /// What it claims.
    preferred: u8,
    /// A fault: it claims this instead.
    kept: Option<u8>,
    standing: Standing,
    disturbed: bool,
    steps: Steps,
}

impl ClaimNode {
    pub(crate) fn new(
        product: &Product,
        table: &PointTable,
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
            serial,
            preferred,
            kept: None,
            standing: Standing::Silent,
            disturbed: false,
            steps: Steps::new(),
        })
    }

    fn wanted(&self) -> u8 {
        self.kept.unwrap_or(self.preferred)
    }

    fn say(&mut self, source: u8) {
        self.steps
            .push_back(Step::Frame(claim(name_of(self.serial), source)));
    }

    fn claim(&mut self, now: SimTime, points: &mut Points) {
        self.give_up(points);
        points.set(self.ids.serial, self.serial as f64);
        self.say(self.wanted());
        self.standing = Standing::Claimed(now + CONTEST);
    }

    fn give_up(&mut self, points: &mut Points) {
        if self.standing == Standing::Own {
            self.steps.push_back(Step::Address(None));
        }
        points.set(self.ids.address, 0.0);
    }
}

impl Node for ClaimNode {
    fn begin(&mut self, now: SimTime, points: &mut Points) {
        self.claim(now, points);
    }

    fn stop(&mut self) {
        self.standing = Standing::Silent;
        fall_silent(&mut self.steps);
    }

    fn wake(&mut self, now: SimTime, points: &mut Points) {
        if core::mem::take(&mut self.disturbed) && self.standing != Standing::Silent {
            self.claim(now, points);
        }
        match self.standing {
            Standing::Claimed(until) if now >= until => {
                self.standing = Standing::Own;
                let own = self.wanted();
                points.set(self.ids.address, f64::from(own));
                self.steps.push_back(Step::Address(Some(own)));
            }
            Standing::Lost(at) if now >= at => {
                self.standing = Standing::CannotClaim;
                self.say(NULL);
            }
            _ => {}
        }
    }

    fn receive(&mut self, now: SimTime, frame: &CanFrame, points: &mut Points) {
        let holds = matches!(self.standing, Standing::Claimed(_) | Standing::Own);
        if asks(frame, holds.then_some(self.wanted())) {
            match self.standing {
                Standing::Claimed(_) | Standing::Own => self.say(self.wanted()),
                Standing::CannotClaim => self.standing = Standing::Lost(now + delay(self.serial)),
                Standing::Silent | Standing::Lost(_) => {}
            }
        } else if let Some((name, source)) = claim_of(frame)
            && holds
            && source == self.wanted()
        {
            if name_of(self.serial) < name {
                self.say(source);
            } else if name_of(self.serial) > name {
                self.give_up(points);
                self.standing = Standing::Lost(now + delay(self.serial));
            }
        }
    }

    fn next_due(&self) -> SimTime {
        if self.disturbed && self.standing != Standing::Silent {
            return SimTime::ZERO;
        }
        match self.standing {
            Standing::Claimed(at) | Standing::Lost(at) => at,
            Standing::Silent | Standing::Own | Standing::CannotClaim => SimTime::NEVER,
        }
    }

    fn steps(&mut self) -> &mut Steps {
        &mut self.steps
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

/// A node's wait before it says that it cannot claim: a number of its own in the range, by its NAME.
fn delay(serial: u64) -> Duration {
    // an odd multiplier spreads neighbours
    Duration::from_millis(name_of(serial).wrapping_mul(97) % (LONGEST_DELAY_MS + 1))
}

/// The BCU's side.
#[derive(Debug)]
pub(crate) struct ClaimMaster {
    ids: MasterPoints,
    ledger: Ledger,
    due: SimTime,
    tries: u8,
    steps: Steps,
}

impl ClaimMaster {
    pub(crate) fn new(ids: MasterPoints, commissioned: &[u64]) -> Self {
        let names: Vec<u64> = commissioned.iter().map(|serial| name_of(*serial)).collect();
        Self {
            ids,
            ledger: Ledger::new(&names),
            due: SimTime::NEVER,
            tries: 0,
            steps: Steps::new(),
        }
    }

    fn ask(&mut self) {
        let request = CanFrame::new(id(REQUEST_PF, GLOBAL, BCU), &CLAIM_PGN).expect("three bytes");
        self.steps.push_back(Step::Frame(request));
    }
}

impl Master for ClaimMaster {
    fn start(&mut self, now: SimTime, points: &mut Points) {
        self.ledger.clear();
        self.tries = 0;
        self.due = now + TIMEOUT;
        self.ask();
        self.ledger.publish(false, &self.ids, points);
    }

    fn wake(&mut self, now: SimTime, points: &mut Points) {
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
        self.ledger.publish(self.tries >= TRIES, &self.ids, points);
    }

    fn receive(&mut self, _now: SimTime, frame: &CanFrame, points: &mut Points) {
        let Some((name, source)) = claim_of(frame) else {
            return;
        };
        let before = self.ledger.place_of(name);
        match source {
            NULL => {
                // it has lost an address to another one
                if let Some(position) = self.ledger.commissioned_at(name) {
                    self.ledger.skip(position);
                }
            }
            1..=HIGHEST => {
                let position = usize::from(source) - 1;
                if self.ledger.serial_at(position).is_some_and(|other| other != name) {
                    self.ledger.duplicate = source;
                }
                // where two want it, the one that keeps it claims it again
                self.ledger.give(position, name);
                if let Some(left) = before.filter(|left| *left != position) {
                    self.ledger.skip(left);
                }
                self.ledger.confirm(position);
            }
            _ => return,
        }
        self.ledger.publish(self.tries >= TRIES, &self.ids, points);
    }

    fn hears(&self, id: CanId) -> bool {
        is_about_claims(id)
    }

    fn next_due(&self) -> SimTime {
        self.due
    }

    fn steps(&mut self) -> &mut Steps {
        &mut self.steps
    }
}
