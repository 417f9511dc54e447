//! The PCS as a Modbus server: its state is read there, and what the battery can take is written, with a heartbeat.

use super::Stack;
use super::points::BauPoints;
use crate::codec::modbus::ModbusPeer;
use crate::controller::needed;
use crate::product::{Product, ProductError};
use crate::{PointId, PointTable, Points, pcs};

/// The PCS, and what was last written to it.
#[derive(Debug)]
pub(super) struct PcsPeer {
    pub(super) peer: ModbusPeer,
    ids: PcsPoints,
    heartbeat: u16,
    written: Option<Word>,
}

/// What the PCS has to know at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Word {
    /// Charge and discharge limit, A.
    pub(super) limits: [f64; 2],
    pub(super) permit: bool,
    pub(super) state: Stack,
    pub(super) stop: bool,
}

#[derive(Clone, Copy, Debug)]
struct PcsPoints {
    state: PointId,
    heartbeat: PointId,
    charge_limit: PointId,
    discharge_limit: PointId,
    permit: PointId,
    bms_state: PointId,
    stop: PointId,
    soc: PointId,
    soh: PointId,
    energy: PointId,
}

impl PcsPeer {
    pub(super) fn new(product: &Product, mut peer: ModbusPeer) -> Result<Self, ProductError> {
        let ids = PcsPoints::find(product, peer.points.table())?;
        peer.limit_to(&["pcs-state"]);
        Ok(Self {
            peer,
            ids,
            heartbeat: 0,
            written: None,
        })
    }

    pub(super) fn has_tripped(&self) -> bool {
        self.peer.points.get(self.ids.state) == Some(f64::from(pcs::State::Fault as u8))
    }

    /// Writes limits, permit, state and stop: on change, and cyclically with a moving heartbeat and the charge.
    pub(super) fn tell(&mut self, word: Word, frozen: bool, single: &BauPoints, points: &Points) {
        let cyclic = self.written.is_none();
        if self.written == Some(word) {
            return;
        }
        self.written = Some(word);
        if cyclic && !frozen {
            // 0 is the register's power-up value, so the beat leaves it out.
            self.heartbeat = self.heartbeat.checked_add(1).unwrap_or(1);
        }
        let ids = self.ids;
        let [charge, discharge] = word.limits;
        let value = |on: bool| f64::from(u8::from(on));
        self.peer.write_many(&[
            (ids.heartbeat, f64::from(self.heartbeat)),
            (ids.charge_limit, charge),
            (ids.discharge_limit, discharge),
            (ids.permit, value(word.permit)),
            (ids.bms_state, f64::from(word.state as u8)),
            (ids.stop, value(word.stop)),
        ]);
        if let (true, Some(soc), Some(soh)) = (cyclic, points.get(single.soc), points.get(single.soh)) {
            let energy = points.get(single.energy_rating).unwrap_or(0.0);
            self.peer
                .write_many(&[(ids.soc, soc), (ids.soh, soh), (ids.energy, energy)]);
        }
    }

    /// The next word is a cyclic one.
    pub(super) fn repeat(&mut self) {
        self.written = None;
    }
}

/// What a BAU uses of a PCS.
pub(crate) const USED_OF_PCS: [&str; 10] = [
    "pcs-state",
    "bms-heartbeat",
    "bms-charge-limit",
    "bms-discharge-limit",
    "bms-permit",
    "bms-state",
    "bms-stop",
    "bms-soc",
    "bms-soh",
    "bms-energy-rating",
];

impl PcsPoints {
    fn find(product: &Product, table: &PointTable) -> Result<Self, ProductError> {
        let [
            state,
            heartbeat,
            charge_limit,
            discharge_limit,
            permit,
            bms_state,
            stop,
            soc,
            soh,
            energy,
        ] = needed(product, table, USED_OF_PCS)?;
        Ok(Self {
            state,
            heartbeat,
            charge_limit,
            discharge_limit,
            permit,
            bms_state,
            stop,
            soc,
            soh,
            energy,
        })
    }
}
