//! One CAN bus: who is on it, which ids were seen, who owns them, how regularly they come.

use core::time::Duration;

use bess_types::{CanId, SimTime};

use crate::bus::timed::TimedBus;
use crate::checker::START_GRACE;
use crate::interface::CanMedium;

/// A bus of the rig.
#[derive(Debug)]
pub(crate) struct CanBus {
    pub name: String,
    /// What carries it outside the process as well.
    pub wire: Option<CanMedium>,
    /// Whether devices speak CAN FD on it.
    pub fd: bool,
    /// Emulated devices on it: device and its port. Their positions are the nodes of a timed bus.
    pub members: Vec<(usize, u8)>,
    /// Keeps the time of its wires, if it is a timed bus.
    pub timed: Option<TimedBus>,
    /// Error frames seen.
    pub error_frames: u64,
    index: Vec<(CanId, usize)>,
    pub ids: Vec<IdState>,
}

/// What is known of one id on one bus.
#[derive(Debug)]
pub(crate) struct IdState {
    pub id: CanId,
    /// Who is meant to send it, by rig-wide device number; `None` for an id nobody announced.
    pub owner: Option<usize>,
    /// Cycle time announced by the owner's product.
    pub period: Option<Duration>,
    /// Members who hear it; asked when the first frame comes.
    pub listeners: Vec<(usize, u8)>,
    /// When it was seen last.
    pub last: Option<SimTime>,
    /// When its first frame may be asked for.
    pub expected_from: SimTime,
    pub longest_gap: Duration,
    pub frames: u64,
    /// A checker already spoke about this id's period or owner.
    pub period_reported: bool,
    pub owner_reported: bool,
}

impl IdState {
    /// Forgets when it was seen, and gives it the time a device has after power-up.
    pub(crate) fn expect_anew(&mut self, now: SimTime) {
        self.last = None;
        self.longest_gap = Duration::ZERO;
        self.expected_from = now + START_GRACE;
    }
}

impl CanBus {
    pub(crate) fn new(name: &str, wire: Option<CanMedium>) -> Self {
        Self {
            name: name.into(),
            wire,
            fd: false,
            members: vec![],
            timed: None,
            error_frames: 0,
            index: vec![],
            ids: vec![],
        }
    }

    /// Announces that `owner` sends `id`; returns the other owner if there is one.
    pub(crate) fn announce(
        &mut self,
        id: CanId,
        owner: usize,
        period: Option<Duration>,
    ) -> Result<(), usize> {
        let i = self.id_index(id);
        let state = &mut self.ids[i];
        match state.owner {
            Some(other) if other != owner => Err(other),
            _ => {
                state.owner = Some(owner);
                state.period = period;
                Ok(())
            }
        }
    }

    /// The node of a device on this bus.
    pub(crate) fn node_of(&self, device: usize) -> Option<usize> {
        self.members.iter().position(|(member, _)| *member == device)
    }

    /// Position of `id` in [`CanBus::ids`], made if it is new.
    pub(crate) fn id_index(&mut self, id: CanId) -> usize {
        match self.index.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => self.index[at].1,
            Err(at) => {
                let i = self.ids.len();
                self.index.insert(at, (id, i));
                self.ids.push(IdState {
                    id,
                    owner: None,
                    period: None,
                    listeners: vec![],
                    last: None,
                    expected_from: SimTime::ZERO + START_GRACE,
                    longest_gap: Duration::ZERO,
                    frames: 0,
                    period_reported: false,
                    owner_reported: false,
                });
                i
            }
        }
    }
}
