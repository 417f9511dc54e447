//! The PCS's CAN port towards a battery that gives its limits on a bus, in whatever protocol the product's port `bms`
//! describes. Limits, states of charge and health land in the same points as over Modbus.

use bess_types::{CanFrame, CanId, SimTime};

use super::points::{BmsBusPoints, PcsPoints};
use crate::codec::can::CanPort;
use crate::library::Library;
use crate::product::{Product, ProductError};
use crate::{DeviceFault, PointTable, Points};

/// Name of the port in product and rig files.
pub(super) const PORT: &str = "bms";
/// Address on this bus: protocols between one battery and one inverter have none, or count batteries from 0.
const ADDRESS: u8 = 0;
/// Share of the charge voltage below it over which charging fades out; likewise above the discharge voltage.
const FADE: f64 = 0.005;

/// The port.
#[derive(Debug)]
pub(super) struct BmsBus {
    port: CanPort,
    ids: BmsBusPoints,
    running: bool,
    /// Its clock when the rig starts, s since 1970.
    clock_at_start_s: f64,
}

impl BmsBus {
    pub(super) fn new(
        product: &Product,
        library: &Library,
        table: &PointTable,
        ids: BmsBusPoints,
        clock_at_start_s: f64,
    ) -> Result<Self, ProductError> {
        let port = CanPort::compile(product, PORT, library, table, ADDRESS)?;
        Ok(Self {
            port,
            ids,
            running: false,
            clock_at_start_s,
        })
    }

    /// Silent until it transmits again.
    pub(super) fn stop(&mut self) {
        self.port.stop();
        self.running = false;
    }

    pub(super) fn hears(&self, id: CanId) -> bool {
        self.port.listens_to(id)
    }

    pub(super) fn next_due(&self) -> SimTime {
        self.port.next_due()
    }

    pub(super) fn freeze_counters(&mut self, frozen: bool) {
        self.port.freeze_counters(frozen);
    }

    /// Begins or ends a fault of its frames; false if they cannot have it.
    pub(super) fn supports(&self, fault: &DeviceFault) -> bool {
        self.port.supports(fault)
    }

    pub(super) fn inject(&mut self, fault: &DeviceFault) -> bool {
        self.port.inject(fault)
    }

    pub(super) fn transmit_due(
        &mut self,
        now: SimTime,
        points: &mut Points,
        emit: &mut impl FnMut(CanFrame),
    ) {
        if !self.running {
            self.running = true;
            self.port.start(now);
        }
        let since_start = now.as_nanos() / 1_000_000_000;
        points.set(self.ids.clock, self.clock_at_start_s.trunc() + since_start as f64);
        self.port.transmit_due(now, points, emit);
    }

    /// Takes a frame of the battery; true if it brings its limits, which is its sign of life.
    pub(super) fn receive(
        &mut self,
        now: SimTime,
        frame: &CanFrame,
        single: &PcsPoints,
        points: &mut Points,
    ) -> bool {
        let message = self.port.receive(now, frame, points);
        message.is_some_and(|message| self.port.brings(message, single.bms_charge_limit))
    }

    /// Shares of the current limits that may be used, 0 to 1, charging and discharging: 0 while the battery forbids it,
    /// and less and less towards its voltage limits. A battery that says nothing of these allows all.
    pub(super) fn shares(&self, dc_v: f64, points: &Points) -> [f64; 2] {
        let ids = self.ids;
        let of = |enable, limit, room: fn(f64, f64) -> f64| {
            if points.get(enable) == Some(0.0) {
                return 0.0;
            }
            points
                .get(limit)
                .filter(|limit| *limit > 0.0)
                .map_or(1.0, |limit_v| {
                    (room(dc_v, limit_v) / (FADE * limit_v)).clamp(0.0, 1.0)
                })
        };
        [
            of(ids.charge_enable, ids.charge_voltage, |v, limit| limit - v),
            of(ids.discharge_enable, ids.discharge_voltage, |v, limit| v - limit),
        ]
    }
}
