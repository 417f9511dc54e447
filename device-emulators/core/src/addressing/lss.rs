//! Addresses by CANopen's layer setting services, CiA 305 [R]: the master finds nodes without an address by fastscan, a
//! binary search for the 128 bits of vendor, product, revision and serial number, and gives each its node-ID.
//!
//! Fastscan asks whether anybody is there (bit check 80 hex), then for each of the four numbers, `LSSSub`, bit by bit from
//! the highest whether it is 0, and at last whether the whole number is right, with the next number as `LSSNext`: who
//! says yes goes on to that, the others are out of the search. Behind the serial number `LSSNext` is 0, which puts the one
//! that is left into configuration state. That is 133 requests for a node, 2.7 s with the slot here.
//!
//! Every frame has eight bytes: master to slaves 7E5 hex, slaves to master 7E4 hex, the command first, numbers low byte
//! first. A slave takes part in fastscan only while it has no node-ID, and begins with its node-ID when the master ends
//! the configuration state. Slaves answer fastscan all at once and with the same bits, so that their frames are one on a
//! real bus; the rig's buses carry each. The master waits out each slot, however many answer.
//!
//! A serial number gets the position of the commissioning record, one that is not in it the first free one.

use core::time::Duration;

use bess_types::{CanFrame, CanId, SimTime};
use serde::Deserialize;

use super::{HIGHEST, Ledger, Master, MasterPoints, Node, NodePoints, Step, Steps, fall_silent};
use crate::controller::need;
use crate::product::{Product, ProductError};
use crate::{DeviceFault, PointTable, Points};

/// Identifier of frames to slaves.
const TO_SLAVES: CanId = CanId::Standard(0x7E5);
/// Identifier of frames to the master.
const TO_MASTER: CanId = CanId::Standard(0x7E4);

/// Commands.
mod command {
    pub(super) const SWITCH_GLOBAL: u8 = 0x04;
    pub(super) const NODE_ID: u8 = 0x11;
    pub(super) const BIT_TIMING: u8 = 0x13;
    pub(super) const STORE: u8 = 0x17;
    /// And the three after it, one for each part of the identity.
    pub(super) const SWITCH_SELECTIVE: u8 = 0x40;
    pub(super) const SWITCHED: u8 = 0x44;
    pub(super) const IDENTIFIED: u8 = 0x4F;
    pub(super) const FASTSCAN: u8 = 0x51;
    /// And the three after it.
    pub(super) const INQUIRE: u8 = 0x5A;
    pub(super) const INQUIRE_NODE_ID: u8 = 0x5E;
}

/// Bit check of the fastscan request that asks for anybody and begins anew.
const ANYBODY: u8 = 0x80;
/// Node-ID of a slave that has none.
const UNCONFIGURED: u8 = 0xFF;
/// Part of the identity with the serial number, the last.
const SERIAL: u8 = 3;
/// Highest bit of a part.
const TOP: u8 = 31;
/// Time an answer may take [A], of 20 to 50 ms in use.
const SLOT: Duration = Duration::from_millis(20);
/// From one search without result to the next.
const PAUSE: Duration = Duration::from_secs(1);
/// Searches without result before the BCU says that it failed; it searches on.
const TRIES: u8 = 3;

fn frame(id: CanId, command: u8, rest: [u8; 7]) -> CanFrame {
    let [a, b, c, d, e, f, g] = rest;
    CanFrame::new(id, &[command, a, b, c, d, e, f, g]).expect("eight bytes")
}

fn number(command: u8, id: CanId, value: u32, rest: [u8; 3]) -> CanFrame {
    let [a, b, c, d] = value.to_le_bytes();
    let [e, f, g] = rest;
    frame(id, command, [a, b, c, d, e, f, g])
}

fn short(command: u8, id: CanId, bytes: [u8; 2]) -> CanFrame {
    frame(id, command, [bytes[0], bytes[1], 0, 0, 0, 0, 0])
}

/// `[settings.lss]` of a BMU product: its identity beside the serial number (object 1018 hex). The defaults are
/// assumptions: no vendor number is registered for the rig.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentitySettings {
    /// Vendor-ID.
    pub vendor: u32,
    /// Product code.
    pub product: u32,
    /// Revision number.
    pub revision: u32,
}

impl Default for IdentitySettings {
    fn default() -> Self {
        Self {
            vendor: 0,
            // "BMU"
            product: 0x0042_4D55,
            revision: 0x0001_0000,
        }
    }
}

/// Low half of a serial number: CANopen has 32 bits for it.
fn low(serial: u64) -> u32 {
    u32::try_from(serial & u64::from(u32::MAX)).unwrap_or(0)
}

/// A BMU's side: a slave.
#[derive(Debug)]
pub(crate) struct LssNode {
    ids: NodePoints,
    identity: [u32; 4],
    active: bool,
    configuring: bool,
    /// Part of the identity fastscan is at.
    part: u8,
    /// Parts that switched selectively so far.
    selected: u8,
    address: Option<u8>,
    pending: Option<u8>,
    /// A fault: it comes up with this node-ID.
    kept: Option<u8>,
    disturbed: bool,
    steps: Steps,
}

impl LssNode {
    pub(crate) fn new(
        product: &Product,
        table: &PointTable,
        settings: IdentitySettings,
        serial: u64,
    ) -> Result<Self, ProductError> {
        let find = |name| need(product, table, name);
        let IdentitySettings {
            vendor,
            product: code,
            revision,
        } = settings;
        Ok(Self {
            ids: NodePoints {
                serial: find("serial-number")?,
                address: find("node-id")?,
                assigned_serial: find("assigned-serial")?,
                assigned_address: find("assigned-id")?,
            },
            identity: [vendor, code, revision, low(serial)],
            active: false,
            configuring: false,
            part: 0,
            selected: 0,
            address: None,
            pending: None,
            kept: None,
            disturbed: false,
            steps: Steps::new(),
        })
    }

    fn answer(&mut self, command: u8, bytes: [u8; 2]) {
        self.steps
            .push_back(Step::Frame(short(command, TO_MASTER, bytes)));
    }

    /// Ends the configuration state: a node-ID that was set becomes the node's own.
    fn leave(&mut self, points: &mut Points) {
        self.configuring = false;
        points.set(self.ids.serial, f64::from(self.identity[3]));
        let address = self.pending.filter(|address| *address != UNCONFIGURED);
        if address != self.address {
            self.address = address;
            self.steps.push_back(Step::Address(address));
            points.set(self.ids.address, f64::from(address.unwrap_or(0)));
        }
    }

    fn fastscan(&mut self, value: u32, bit_check: u8, part: u8, next: u8) {
        if self.address.is_some() || self.configuring {
            return;
        }
        if bit_check == ANYBODY {
            self.part = 0;
            self.answer(command::IDENTIFIED, [0; 2]);
            return;
        }
        if bit_check > TOP || part > SERIAL || next > SERIAL || part != self.part {
            return;
        }
        let mask = u32::MAX << bit_check;
        if (self.identity[usize::from(part)] ^ value) & mask != 0 {
            return;
        }
        self.answer(command::IDENTIFIED, [0; 2]);
        if bit_check == 0 {
            self.part = next;
            self.configuring = next < part;
        }
    }

    fn select(&mut self, part: u8, value: u32) {
        let same = self.identity[usize::from(part)] == value;
        self.selected = match (same, part == self.selected) {
            (true, true) => part + 1,
            _ => 0,
        };
        if self.selected > SERIAL {
            self.selected = 0;
            self.configuring = true;
            self.pending = self.address;
            self.answer(command::SWITCHED, [0; 2]);
        }
    }
}

impl Node for LssNode {
    fn begin(&mut self, _now: SimTime, points: &mut Points) {
        self.active = true;
        points.set(self.ids.address, 0.0);
        self.pending = self.kept;
        self.leave(points);
    }

    fn stop(&mut self) {
        self.active = false;
        self.configuring = false;
        (self.part, self.selected) = (0, 0);
        (self.address, self.pending) = (None, None);
        fall_silent(&mut self.steps);
    }

    fn wake(&mut self, _now: SimTime, points: &mut Points) {
        if core::mem::take(&mut self.disturbed) && self.active {
            // what is not kept is asked for anew
            self.pending = self.kept;
            self.leave(points);
        }
    }

    fn receive(&mut self, _now: SimTime, frame: &CanFrame, points: &mut Points) {
        let (TO_SLAVES, Ok(data)) = (frame.id, <[u8; 8]>::try_from(frame.data())) else {
            return;
        };
        if !self.active {
            return;
        }
        let [command, b1, b2, b3, b4, bit_check, part, next] = data;
        let value = u32::from_le_bytes([b1, b2, b3, b4]);
        match command {
            command::SWITCH_GLOBAL if b1 == 0 => {
                if core::mem::take(&mut self.configuring) {
                    self.leave(points);
                }
                self.selected = 0;
            }
            command::SWITCH_GLOBAL if b1 == 1 => {
                self.configuring = true;
                self.pending = self.address;
            }
            command::FASTSCAN => self.fastscan(value, bit_check, part, next),
            command::SWITCH_SELECTIVE..command::SWITCHED => {
                self.select(command - command::SWITCH_SELECTIVE, value);
            }
            _ if !self.configuring => {}
            command::NODE_ID => {
                let good = matches!(b1, 1..=127 | UNCONFIGURED);
                if good && self.kept.is_none() {
                    self.pending = Some(b1);
                }
                self.answer(command::NODE_ID, [u8::from(!good), 0]);
            }
            // one bit rate is all it has
            command::BIT_TIMING => self.answer(command::BIT_TIMING, [1, 0]),
            // it has nothing to store it in
            command::STORE => self.answer(command::STORE, [1, 0]),
            command::INQUIRE..command::INQUIRE_NODE_ID => {
                let part = usize::from(command - command::INQUIRE);
                let answer = number(command, TO_MASTER, self.identity[part], [0; 3]);
                self.steps.push_back(Step::Frame(answer));
            }
            command::INQUIRE_NODE_ID => {
                self.answer(command, [self.address.unwrap_or(UNCONFIGURED), 0]);
            }
            _ => {}
        }
    }

    fn next_due(&self) -> SimTime {
        if self.disturbed && self.active {
            SimTime::ZERO
        } else {
            SimTime::NEVER
        }
    }

    fn steps(&mut self) -> &mut Steps {
        &mut self.steps
    }

    fn inject(&mut self, fault: &DeviceFault) -> bool {
        match fault {
            DeviceFault::KeepAddress(address) => self.kept = Some(*address),
            DeviceFault::FollowAddress => self.kept = None,
            // shown when it is asked next
            DeviceFault::Serial(serial) => {
                self.identity[3] = low(*serial);
                return true;
            }
            _ => return false,
        }
        self.disturbed = true;
        true
    }
}

/// Where a master is in its search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    /// Until the next one.
    Rest,
    /// Is anybody without a node-ID?
    Anybody,
    /// Is this bit of this part of the identity 0?
    Bit { part: u8, bit: u8 },
    /// Is this the whole part?
    Whole(u8),
    /// Its node-ID, from 1, was sent.
    Given(u8),
}

/// The BCU's side: the master.
#[derive(Debug)]
pub(crate) struct LssMaster {
    ids: MasterPoints,
    ledger: Ledger,
    search: Search,
    /// As far as it was found.
    identity: [u32; 4],
    /// Somebody answered in this slot.
    answered: bool,
    due: SimTime,
    tries: u8,
    steps: Steps,
}

impl LssMaster {
    pub(crate) fn new(ids: MasterPoints, commissioned: &[u64]) -> Self {
        let short: Vec<u64> = commissioned
            .iter()
            .map(|serial| u64::from(low(*serial)))
            .collect();
        Self {
            ids,
            ledger: Ledger::new(&short),
            search: Search::Rest,
            identity: [0; 4],
            answered: false,
            due: SimTime::NEVER,
            tries: 0,
            steps: Steps::new(),
        }
    }

    fn send(&mut self, frame: CanFrame) {
        self.steps.push_back(Step::Frame(frame));
    }

    fn scan(&mut self, bit_check: u8, part: u8, next: u8) {
        let value = self.identity[usize::from(part)];
        let request = number(command::FASTSCAN, TO_SLAVES, value, [bit_check, part, next]);
        self.send(request);
    }

    /// The next request of the search.
    fn ask(&mut self, now: SimTime, search: Search) {
        self.search = search;
        self.due = now + SLOT;
        match search {
            Search::Rest => self.due = now + PAUSE,
            Search::Anybody => {
                self.identity = [0; 4];
                self.scan(ANYBODY, 0, 0);
            }
            Search::Bit { part, bit } => self.scan(bit, part, part),
            // a next part before this one ends the search
            Search::Whole(part) => self.scan(0, part, (part + 1) % (SERIAL + 1)),
            Search::Given(address) => self.send(short(command::NODE_ID, TO_SLAVES, [address, 0])),
        }
    }

    /// A slot is over: somebody answered, or nobody did.
    fn go_on(&mut self, now: SimTime, answered: bool) {
        match (self.search, answered) {
            (Search::Rest, _) => self.ask(now, Search::Anybody),
            (Search::Anybody, true) => self.ask(now, Search::Bit { part: 0, bit: TOP }),
            (Search::Bit { part, bit }, answered) => {
                if !answered {
                    self.identity[usize::from(part)] |= 1 << bit;
                }
                let next = match bit.checked_sub(1) {
                    None => Search::Whole(part),
                    Some(bit) => Search::Bit { part, bit },
                };
                self.ask(now, next);
            }
            (Search::Whole(part @ 0..SERIAL), true) => self.ask(
                now,
                Search::Bit {
                    part: part + 1,
                    bit: TOP,
                },
            ),
            (Search::Whole(_), true) => {
                let serial = u64::from(self.identity[usize::from(SERIAL)]);
                let place = self.ledger.commissioned_at(serial).or(self.ledger.next());
                let address = place.and_then(|place| u8::try_from(place + 1).ok());
                match (place, address) {
                    (Some(place), Some(address @ 1..=HIGHEST)) => {
                        self.ledger.give(place, serial);
                        self.ask(now, Search::Given(address));
                    }
                    // one more than there are positions
                    _ => self.finish(now),
                }
            }
            (Search::Given(address), true) => {
                self.ledger.confirm(usize::from(address) - 1);
                self.tries = 0;
                self.send(short(command::SWITCH_GLOBAL, TO_SLAVES, [0, 0]));
                self.ask(now, Search::Anybody);
            }
            (Search::Anybody | Search::Whole(_) | Search::Given(_), false) => {
                self.finish(now);
            }
        }
    }

    /// Nobody is left to be found for now.
    fn finish(&mut self, now: SimTime) {
        self.send(short(command::SWITCH_GLOBAL, TO_SLAVES, [0, 0]));
        self.tries = if self.ledger.next().is_none() {
            0
        } else {
            self.tries.saturating_add(1)
        };
        self.ask(now, Search::Rest);
    }
}

impl Master for LssMaster {
    fn start(&mut self, now: SimTime, points: &mut Points) {
        self.ledger.clear();
        self.tries = 0;
        for (command, byte) in [
            (command::SWITCH_GLOBAL, 1),
            (command::NODE_ID, UNCONFIGURED),
            (command::SWITCH_GLOBAL, 0),
        ] {
            self.send(short(command, TO_SLAVES, [byte, 0]));
        }
        self.search = Search::Rest;
        self.answered = false;
        self.due = now + PAUSE;
        self.ledger.publish(false, &self.ids, points);
    }

    fn wake(&mut self, now: SimTime, points: &mut Points) {
        if now >= self.due {
            let answered = core::mem::take(&mut self.answered);
            self.go_on(now, answered);
            self.ledger.publish(self.tries >= TRIES, &self.ids, points);
        }
    }

    fn receive(&mut self, _now: SimTime, frame: &CanFrame, _points: &mut Points) {
        let (TO_MASTER, Some(command)) = (frame.id, frame.data().first()) else {
            return;
        };
        let awaited = match self.search {
            Search::Rest => return,
            Search::Given(_) => command::NODE_ID,
            _ => command::IDENTIFIED,
        };
        self.answered |= *command == awaited;
    }

    fn hears(&self, id: CanId) -> bool {
        id == TO_MASTER
    }

    fn next_due(&self) -> SimTime {
        self.due
    }

    fn steps(&mut self) -> &mut Steps {
        &mut self.steps
    }
}
