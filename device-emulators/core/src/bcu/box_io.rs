//! The remote I/O of the high-voltage box: contacts, fuse, breaker and coil supply are read there, coils driven.

use bess_types::{ModbusReply, SimTime};

use super::points::BcuPoints;
use super::sequence::Contacts;
use super::settings::BcuSettings;
use super::{BcuConfig, IO_PEER};
use crate::codec::modbus::ModbusPeer;
use crate::controller::{Tick, needed, older_than};
use crate::library::Library;
use crate::product::{Product, ProductError};
use crate::protection::seconds;
use crate::{Output, PointId, PointTable, Points, Token};

/// The box's remote I/O, and what was last written to it.
#[derive(Debug)]
pub(super) struct BoxIo {
    peer: ModbusPeer,
    ids: IoPoints,
    lost_s: f64,
    refresh: Tick,
    /// Coils and shunt trip.
    written: Option<(Contacts, bool)>,
}

#[derive(Clone, Copy, Debug)]
struct IoPoints {
    positive: PointId,
    negative: PointId,
    precharge: PointId,
    fuse: PointId,
    breaker: PointId,
    coil_supply: PointId,
    coil_positive: PointId,
    coil_negative: PointId,
    coil_precharge: PointId,
    breaker_trip: PointId,
}

impl BoxIo {
    pub(super) fn new(
        config: &BcuConfig,
        settings: &BcuSettings,
        library: &Library,
    ) -> Result<Self, ProductError> {
        let mut peer = ModbusPeer::new(
            IO_PEER,
            &config.io,
            library,
            seconds(settings.io_poll_s),
            seconds(settings.io_timeout_s),
        )?;
        let ids = IoPoints::find(&config.io, peer.points.table())?;
        peer.limit_to(&USED);
        Ok(Self {
            peer,
            ids,
            lost_s: settings.io_lost_s,
            refresh: Tick::new(settings.io_refresh_s),
            written: None,
        })
    }

    /// The BCU's supply is there.
    pub(super) fn restart(&mut self, now: SimTime) {
        self.written = None;
        self.refresh.start(now);
        self.peer.restart(now);
    }

    /// Takes a reply if it is from this server.
    pub(super) fn on_reply(&mut self, now: SimTime, token: Token, reply: Option<&ModbusReply>) -> bool {
        self.peer.on_reply(now, token, reply)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.peer.is_complete()
    }

    pub(super) fn is_fresh(&self, now: SimTime) -> bool {
        self.peer.is_complete() && !older_than(now, self.peer.last_seen(), self.lost_s)
    }

    /// How long it has been silent, s.
    pub(super) fn silence_s(&self, now: SimTime, started: SimTime) -> f64 {
        (now - self.peer.last_seen().unwrap_or(started)).as_secs_f64()
    }

    /// Takes over what it reads.
    pub(super) fn read(&self, now: SimTime, single: &BcuPoints, points: &mut Points) {
        let fresh = self.is_fresh(now);
        points.set_flag(single.io_online, fresh);
        for (own, theirs) in [
            (single.main_positive, self.ids.positive),
            (single.main_negative, self.ids.negative),
            (single.precharge, self.ids.precharge),
            (single.fuse, self.ids.fuse),
            (single.breaker, self.ids.breaker),
            (single.coil_supply, self.ids.coil_supply),
        ] {
            points.put(own, self.peer.points.reading(theirs));
            if !fresh {
                points.invalidate(own);
            }
        }
    }

    /// Writes coils and shunt trip when they change, and again now and then to feed the I/O's watchdog.
    pub(super) fn write(&mut self, now: SimTime, drive: Contacts, breaker_trip: bool) {
        let wanted = (drive, breaker_trip);
        let refresh = self.refresh.due(now);
        if self.written == Some(wanted) && !refresh {
            return;
        }
        self.written = Some(wanted);
        let value = |on: bool| f64::from(u8::from(on));
        self.peer.write_many(&[
            (self.ids.coil_positive, value(drive.positive)),
            (self.ids.coil_negative, value(drive.negative)),
            (self.ids.coil_precharge, value(drive.precharge)),
            (self.ids.breaker_trip, value(breaker_trip)),
        ]);
    }

    pub(super) fn poll_output(&mut self, now: SimTime) -> Option<Output> {
        self.peer.poll_output(now)
    }

    pub(super) fn next_due(&self) -> SimTime {
        self.peer.next_due()
    }
}

/// What a BCU uses of the box's remote I/O.
const USED: [&str; 10] = [
    "aux-main-positive",
    "aux-main-negative",
    "aux-precharge",
    "fuse-intact",
    "breaker-closed",
    "coil-supply",
    "coil-main-positive",
    "coil-main-negative",
    "coil-precharge",
    "breaker-trip",
];

impl IoPoints {
    fn find(product: &Product, table: &PointTable) -> Result<Self, ProductError> {
        let [
            positive,
            negative,
            precharge,
            fuse,
            breaker,
            coil_supply,
            coil_positive,
            coil_negative,
            coil_precharge,
            breaker_trip,
        ] = needed(product, table, USED)?;
        Ok(Self {
            positive,
            negative,
            precharge,
            fuse,
            breaker,
            coil_supply,
            coil_positive,
            coil_negative,
            coil_precharge,
            breaker_trip,
        })
    }
}
