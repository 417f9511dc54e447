//! One node's claim of its address, the same in a BMU, a BCU and a measuring unit.

use core::time::Duration;
use std::collections::BTreeMap;

use bess_types::{CanFrame, CanId, SimTime};

use super::name::is_arbitrary;
use crate::addressing::{Step, Steps, fall_silent};

/// Source address of a node that has none.
pub(super) const NULL: u8 = 0xFE;
/// Destination address of all.
const GLOBAL: u8 = 0xFF;
/// PDU format of address claims.
const CLAIM_PF: u32 = 0xEE;
/// PDU format of requests.
const REQUEST_PF: u32 = 0xEA;
/// Parameter group of address claims.
const CLAIM_PGN: [u8; 3] = [0x00, 0xEE, 0x00];
/// Addresses a node takes that may choose.
const FREE: core::ops::RangeInclusive<u8> = 128..=247;
/// From a claim to the first other message.
const CONTEST: Duration = Duration::from_millis(250);
/// The most a node waits before it says that it cannot claim.
const LONGEST_DELAY_MS: u64 = 153;

fn id(format: u32, destination: u8, source: u8) -> CanId {
    CanId::Extended(6 << 26 | format << 16 | u32::from(destination) << 8 | u32::from(source))
}

fn claim(name: u64, source: u8) -> CanFrame {
    CanFrame::new(id(CLAIM_PF, GLOBAL, source), &name.to_le_bytes()).expect("eight bytes")
}

/// Asks all for their claims.
pub(super) fn request(source: u8) -> CanFrame {
    CanFrame::new(id(REQUEST_PF, GLOBAL, source), &CLAIM_PGN).expect("three bytes")
}

/// NAME and source address of a claim.
pub(super) fn claim_of(frame: &CanFrame) -> Option<(u64, u8)> {
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

pub(crate) fn is_about_claims(id: CanId) -> bool {
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

/// A node that claims its address.
#[derive(Clone, Debug)]
pub(crate) struct Claimant {
    name: u64,
    /// What it claims, or has.
    address: u8,
    standing: Standing,
    /// NAMEs of the others, by their addresses.
    others: BTreeMap<u8, u64>,
    steps: Steps,
}

impl Claimant {
    pub(crate) fn new(name: u64) -> Self {
        Self {
            name,
            address: NULL,
            standing: Standing::Silent,
            others: BTreeMap::new(),
            steps: Steps::new(),
        }
    }

    pub(super) fn set_name(&mut self, name: u64) {
        self.name = name;
    }

    /// Its address, once nobody contested it in time.
    pub(crate) fn own(&self) -> Option<u8> {
        (self.standing == Standing::Own).then_some(self.address)
    }

    /// Its address, contested or not.
    fn held(&self) -> Option<u8> {
        matches!(self.standing, Standing::Claimed(_) | Standing::Own).then_some(self.address)
    }

    pub(super) fn is_silent(&self) -> bool {
        self.standing == Standing::Silent
    }

    pub(super) fn has_lost(&self) -> bool {
        matches!(self.standing, Standing::Lost(_) | Standing::CannotClaim)
    }

    /// Claims this address; without one until nobody contested it.
    pub(crate) fn claim(&mut self, now: SimTime, address: u8) {
        self.give_up();
        self.address = address;
        self.say(address);
        self.standing = Standing::Claimed(now + CONTEST);
    }

    /// The supply is gone.
    pub(crate) fn stop(&mut self) {
        self.standing = Standing::Silent;
        self.others.clear();
        fall_silent(&mut self.steps);
    }

    pub(crate) fn wake(&mut self, now: SimTime) {
        match self.standing {
            Standing::Claimed(until) if now >= until => {
                self.standing = Standing::Own;
                self.steps.push_back(Step::Address(Some(self.address)));
            }
            Standing::Lost(at) if now >= at => {
                self.standing = Standing::CannotClaim;
                self.say(NULL);
            }
            _ => {}
        }
    }

    pub(crate) fn receive(&mut self, now: SimTime, frame: &CanFrame) {
        if asks(frame, self.held()) {
            match self.standing {
                Standing::Claimed(_) | Standing::Own => self.say(self.address),
                Standing::CannotClaim => self.standing = Standing::Lost(now + delay(self.name)),
                Standing::Silent | Standing::Lost(_) => {}
            }
        } else if let Some((name, source)) = claim_of(frame)
            && name != self.name
        {
            self.others.retain(|_, other| *other != name);
            if self.held() != Some(source) {
                if source != NULL {
                    self.others.insert(source, name);
                }
            } else if self.name < name {
                self.say(source);
            } else {
                self.others.insert(source, name);
                self.lose(now);
            }
        }
    }

    pub(crate) fn next_due(&self) -> SimTime {
        match self.standing {
            Standing::Claimed(at) | Standing::Lost(at) => at,
            Standing::Silent | Standing::Own | Standing::CannotClaim => SimTime::NEVER,
        }
    }

    pub(crate) fn steps(&mut self) -> &mut Steps {
        &mut self.steps
    }

    /// A lower NAME has the address: it claims the next free one, if it may.
    fn lose(&mut self, now: SimTime) {
        let mut next = (self.address.saturating_add(1).max(*FREE.start())..=*FREE.end()).chain(FREE);
        let next = next.find(|address| !self.others.contains_key(address));
        match next.filter(|_| is_arbitrary(self.name)) {
            Some(address) => self.claim(now, address),
            None => {
                self.give_up();
                self.standing = Standing::Lost(now + delay(self.name));
            }
        }
    }

    fn say(&mut self, source: u8) {
        self.steps.push_back(Step::Frame(claim(self.name, source)));
    }

    fn give_up(&mut self) {
        if self.standing == Standing::Own {
            self.steps.push_back(Step::Address(None));
        }
    }
}

/// A node's wait before it says that it cannot claim: a number of its own in the range, by its NAME.
fn delay(name: u64) -> Duration {
    // an odd multiplier spreads neighbours
    Duration::from_millis((name & 0x1F_FFFF).wrapping_mul(97) % (LONGEST_DELAY_MS + 1))
}
