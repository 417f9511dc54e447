//! The container I/O: safety chain, door and fire lines are read there; permit, vent request and sounder are written.

use bess_types::SimTime;

use crate::codec::modbus::ModbusPeer;
use crate::controller::{needed, older_than};
use crate::product::{Product, ProductError};
use crate::{PointId, PointTable};

/// The container I/O, and what was last written to it.
#[derive(Debug)]
pub(super) struct ContainerIo {
    pub(super) peer: ModbusPeer,
    ids: IoPoints,
    lost_s: f64,
    written: Option<[bool; 3]>,
}

#[derive(Clone, Copy, Debug)]
struct IoPoints {
    estop_a: PointId,
    estop_b: PointId,
    safety_ok: PointId,
    door_closed: PointId,
    fire: [PointId; 4],
    permit: PointId,
    vent_request: PointId,
    sounder: PointId,
}

/// The safety chain as last read.
#[derive(Clone, Copy, Debug)]
pub(super) struct SafetyChain {
    /// Channels of the E-stop; on is released.
    pub(super) channels: [bool; 2],
    /// The safety relay is on.
    pub(super) relay: bool,
}

impl SafetyChain {
    pub(super) fn is_closed(self) -> bool {
        self.channels == [true; 2] && self.relay
    }
}

impl ContainerIo {
    pub(super) fn new(product: &Product, mut peer: ModbusPeer, lost_s: f64) -> Result<Self, ProductError> {
        let ids = IoPoints::find(product, peer.points.table())?;
        peer.limit_to(&USED);
        Ok(Self {
            peer,
            ids,
            lost_s,
            written: None,
        })
    }

    pub(super) fn is_fresh(&self, now: SimTime) -> bool {
        self.peer.is_complete() && !older_than(now, self.peer.last_seen(), self.lost_s)
    }

    pub(super) fn chain(&self) -> SafetyChain {
        let on = |id| self.peer.points.is_on(id);
        SafetyChain {
            channels: [on(self.ids.estop_a), on(self.ids.estop_b)],
            relay: on(self.ids.safety_ok),
        }
    }

    pub(super) fn door_is_open(&self) -> bool {
        !self.peer.points.is_on(self.ids.door_closed)
    }

    /// Fire level by the lines of the fire panel.
    pub(super) fn fire_level(&self) -> usize {
        let lines = self.ids.fire;
        (0..lines.len())
            .rev()
            .find(|i| self.peer.points.is_on(lines[*i]))
            .map_or(0, |i| i + 1)
    }

    /// Writes permit, vent request and sounder if they have changed.
    pub(super) fn tell(&mut self, wanted: [bool; 3]) {
        if self.written == Some(wanted) {
            return;
        }
        self.written = Some(wanted);
        let [permit, vent, sounder] = wanted.map(|on| f64::from(u8::from(on)));
        let ids = self.ids;
        self.peer.write_many(&[
            (ids.permit, permit),
            (ids.vent_request, vent),
            (ids.sounder, sounder),
        ]);
    }

    /// The next word is said although nothing has changed.
    pub(super) fn repeat(&mut self) {
        self.written = None;
    }
}

/// What a BAU uses of the container I/O.
const USED: [&str; 11] = [
    "estop-a",
    "estop-b",
    "safety-ok",
    "door-closed",
    "bms-permit",
    "vent-request",
    "sounder",
    "fire-prewarning",
    "fire-level-1",
    "fire-level-2",
    "fire-released",
];

impl IoPoints {
    fn find(product: &Product, table: &PointTable) -> Result<Self, ProductError> {
        let [
            estop_a,
            estop_b,
            safety_ok,
            door_closed,
            permit,
            vent_request,
            sounder,
            fire @ ..,
        ] = needed(product, table, USED)?;
        Ok(Self {
            estop_a,
            estop_b,
            safety_ok,
            door_closed,
            fire,
            permit,
            vent_request,
            sounder,
        })
    }
}
