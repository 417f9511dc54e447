//! How the BMUs of a cluster come by their addresses.
//!
//! Fixed addresses follow from where a BMU is in the rig. The other ways are those of real networks: a hard-wired enable
//! line that goes from one BMU to the next ([`chain`]), CANopen's layer setting services ([`lss`]), and J1939's address
//! claim ([`j1939`]). Each has two sides: a [`Node`] in the BMU, silent until it has an address, and a [`Master`] in the
//! BCU, which finds the BMUs, says in its points how far it is, and never stops listening for one that comes late.
//!
//! Serial numbers stand for the identity of a BMU. The BCU knows which one was put where when the battery was built
//! (its commissioning record), and says where another one is now.

pub(crate) mod chain;
pub(crate) mod j1939;
pub(crate) mod lss;

pub use j1939::NameSettings;
pub use lss::IdentitySettings;

use core::fmt::Debug;
use std::collections::VecDeque;

use bess_types::{CanFrame, CanId, SimTime};
use serde::Deserialize;

use crate::point_list::point_list;
use crate::{DeviceFault, Points};

/// Port of a product that describes the frames of the enable chain, which go over port `cluster`.
pub const PORT: &str = "addressing";

/// Highest address a BMU can have.
pub const HIGHEST: u8 = 64;

/// How BMUs get their addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Addressing {
    /// The number of the pack, from the first moment on.
    #[default]
    Fixed,
    /// Enable line from BMU to BMU; the BCU hands out 1, 2, 3, … by serial number.
    EnableChain,
    /// CiA 305 layer setting services with fastscan; the BCU gives each serial number its commissioned position.
    Lss,
    /// J1939-81 address claim; each BMU claims the number of its pack, BCU and measuring unit their own address.
    J1939,
}

impl Addressing {
    /// Name as in product files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::EnableChain => "enable-chain",
            Self::Lss => "lss",
            Self::J1939 => "j1939",
        }
    }
}

point_list! {
    /// What a BMU knows of its address.
    pub struct NodePoints {
        /// Its serial number.
        serial: value("serial-number", "1", 0.0, 281_474_976_710_655.0),
        /// Its address; 0 none.
        address: value("node-id", "1", 0.0, 255.0),
        /// Heard from the BCU: whom an address is for; 0 all.
        assigned_serial: value("assigned-serial", "1", 0.0, 281_474_976_710_655.0),
        /// Heard from the BCU: the address; 0 takes it away.
        assigned_address: value("assigned-id", "1", 0.0, 255.0),
    }
}

/// Names of [`State`], as point states.
pub const STATES: &[&str] = &["idle", "assigning", "assigned", "failed"];

/// How far a master is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Assigning = 1,
    Assigned,
    Failed,
}

point_list! {
    /// What a BCU knows of the addresses of its BMUs.
    pub struct MasterPoints {
        /// How far it is.
        state: state("addressing-state", STATES),
        /// BMUs that have an address.
        addressed: value("addressed-bmus", "1", 0.0, 64.0),
        /// First position without a BMU that has its address; 0 none.
        failed_position: value("addressing-failed-position", "1", 0.0, 64.0),
        /// First position with another serial number than the commissioning record; 0 none.
        swapped_position: value("addressing-swapped-position", "1", 0.0, 64.0),
        /// Address that two BMUs have, or a second one claimed; 0 none.
        duplicate: value("addressing-duplicate-id", "1", 0.0, 255.0),
        /// Heard from a BMU: its serial number.
        announced_serial: value("announced-serial", "1", 0.0, 281_474_976_710_655.0),
        /// Heard from a BMU: its address; 0 none yet.
        announced_address: value("announced-id", "1", 0.0, 255.0),
        /// Said to the BMUs: whom an address is for; 0 all.
        assign_serial: value("assign-serial", "1", 0.0, 281_474_976_710_655.0),
        /// Said to the BMUs: the address; 0 takes it away.
        assign_address: value("assign-id", "1", 0.0, 255.0),
    }
}

impl MasterPoints {
    /// Their table alone, for tests.
    #[cfg(test)]
    pub(crate) fn table() -> (Points, Self) {
        let mut table = crate::PointTable::default();
        let ids = Self::add_to(&mut table);
        (Points::new(table.into()), ids)
    }
}

/// What one side wants done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Send this on the cluster bus.
    Frame(CanFrame),
    /// The enable output takes this level.
    Enable(bool),
    /// The device has this address from now on, or none.
    Address(Option<u8>),
}

/// Steps in the order they are to be done.
pub(crate) type Steps = VecDeque<Step>;

/// Without supply nothing that waits is sent any more, and the address is gone.
fn fall_silent(steps: &mut Steps) {
    steps.retain(|step| !matches!(step, Step::Frame(_)));
    steps.push_back(Step::Address(None));
}

/// A BMU's side. It is given time, frames and its enable line, and drained of its steps after each.
pub(crate) trait Node: Debug + Send {
    /// The self-test is over.
    fn begin(&mut self, now: SimTime, points: &mut Points);
    /// The supply is gone: nothing is remembered but what is hard-wired.
    fn stop(&mut self);
    /// Something is due, or was injected.
    fn wake(&mut self, now: SimTime, points: &mut Points);
    /// A frame.
    fn receive(&mut self, now: SimTime, frame: &CanFrame, points: &mut Points);
    /// The enable input, with or without supply.
    fn enable(&mut self, _now: SimTime, _high: bool) {}
    /// When it wants to be woken.
    fn next_due(&self) -> SimTime;
    /// What is to be done.
    fn steps(&mut self) -> &mut Steps;
    /// Whether it can have that fault.
    fn supports(&self, fault: &DeviceFault) -> bool {
        matches!(
            fault,
            DeviceFault::KeepAddress(_) | DeviceFault::FollowAddress | DeviceFault::Serial(_)
        )
    }
    /// Begins or ends a fault of its own, which acts when it is woken next; false if it has no such fault.
    fn inject(&mut self, fault: &DeviceFault) -> bool;
}

/// A BCU's side.
pub(crate) trait Master: Debug + Send {
    /// The BCU begins: nobody has an address.
    fn start(&mut self, now: SimTime, points: &mut Points);
    /// Something is due.
    fn wake(&mut self, now: SimTime, points: &mut Points);
    /// A frame.
    fn receive(&mut self, now: SimTime, frame: &CanFrame, points: &mut Points);
    /// Whether it wants frames of this identifier.
    fn hears(&self, id: CanId) -> bool;
    /// When it wants to be woken.
    fn next_due(&self) -> SimTime;
    /// What is to be done.
    fn steps(&mut self) -> &mut Steps;
}

/// What a master knows of its positions.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    places: Vec<Place>,
    pub(crate) duplicate: u8,
}

/// One position.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// By the commissioning record.
    commissioned: u64,
    /// Of the BMU that got this address.
    serial: Option<u64>,
    confirmed: bool,
    /// Given up: its BMU has another address.
    skipped: bool,
}

impl Ledger {
    /// Nobody has an address; positions are those of the commissioning record.
    pub(crate) fn new(commissioned: &[u64]) -> Self {
        let place = |serial: &u64| Place {
            commissioned: *serial,
            ..Place::default()
        };
        Self {
            places: commissioned.iter().map(place).collect(),
            duplicate: 0,
        }
    }

    pub(crate) fn clear(&mut self) {
        for place in &mut self.places {
            let commissioned = place.commissioned;
            *place = Place {
                commissioned,
                ..Place::default()
            };
        }
        self.duplicate = 0;
    }

    /// The first position whose BMU is not known to have its address, from 0.
    pub(crate) fn next(&self) -> Option<usize> {
        self.places
            .iter()
            .position(|place| !place.confirmed && !place.skipped)
    }

    /// The position that has this serial number, from 0.
    pub(crate) fn place_of(&self, serial: u64) -> Option<usize> {
        self.places.iter().position(|place| place.serial == Some(serial))
    }

    /// The position a serial number was commissioned for, from 0.
    pub(crate) fn commissioned_at(&self, serial: u64) -> Option<usize> {
        self.places.iter().position(|place| place.commissioned == serial)
    }

    pub(crate) fn serial_at(&self, position: usize) -> Option<u64> {
        self.places.get(position)?.serial
    }

    /// A BMU is to have this position.
    pub(crate) fn give(&mut self, position: usize, serial: u64) {
        if let Some(place) = self.places.get_mut(position) {
            (place.serial, place.confirmed, place.skipped) = (Some(serial), false, false);
        }
    }

    /// It has it.
    pub(crate) fn confirm(&mut self, position: usize) {
        if let Some(place) = self.places.get_mut(position) {
            (place.confirmed, place.skipped) = (true, false);
        }
    }

    /// The BMU at this position will not have its address.
    pub(crate) fn skip(&mut self, position: usize) {
        if let Some(place) = self.places.get_mut(position) {
            (place.confirmed, place.skipped) = (false, true);
        }
    }

    pub(crate) fn publish(&self, failed: bool, ids: &MasterPoints, points: &mut Points) {
        let first = |test: &dyn Fn(&Place) -> bool| {
            let found = self.places.iter().position(test);
            found.map_or(0.0, |position| position as f64 + 1.0)
        };
        let open = first(&|place| !place.confirmed);
        let complete = self.next().is_none();
        let state = match (complete, open > 0.0 && (failed || complete)) {
            (_, true) => State::Failed,
            (true, false) => State::Assigned,
            (false, false) => State::Assigning,
        };
        let addressed = self.places.iter().filter(|place| place.confirmed).count();
        let swapped = first(&|place| place.serial.is_some_and(|serial| serial != place.commissioned));
        points.set(ids.state, f64::from(state as u8));
        points.set(ids.addressed, addressed as f64);
        points.set(
            ids.failed_position,
            if state == State::Failed { open } else { 0.0 },
        );
        points.set(ids.swapped_position, swapped);
        points.set(ids.duplicate, f64::from(self.duplicate));
    }
}

/// A serial number or address as its point has it; what is no whole number in range reads as 0.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and points carry 48 bits"
)]
fn whole(value: Option<f64>) -> u64 {
    value.unwrap_or(0.0) as u64
}

#[cfg(test)]
mod tests;
