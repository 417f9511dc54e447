//! Operator station: the rig's own eyes and hands at BAU and EMS, and its hands at the PCS.
//!
//! It polls every readable register of BAU and EMS, those of single packs in turn, and writes what the operator asks for,
//! over Modbus like any operator panel. A scenario therefore reaches a controller outside by the same door as one inside.

use core::time::Duration;
use std::sync::Arc;

use bess_types::SimTime;
use serde::Deserialize;

use crate::codec::modbus::ModbusPeer;
use crate::library::Library;
use crate::product::{Product, ProductError};
use crate::{Device, DeviceFault, Input, Output, PointId, PointTable, Points, Sense, UnsupportedFault};

/// Which controller the operator speaks to; the number is also the peer number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HmiTarget {
    /// Battery aggregation unit.
    Bau = 0,
    /// Energy management system.
    Ems = 1,
    /// Power conversion system.
    Pcs = 2,
}

impl HmiTarget {
    /// Those whose registers it reads all the time.
    pub const SEEN: [Self; 2] = [Self::Bau, Self::Ems];
}

/// The controller has no such point for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownPoint {
    /// No point of that name.
    #[error("{target:?} has no point `{point}`; `bessrig points` lists them")]
    NotThere {
        /// Whose.
        target: HmiTarget,
        /// The name.
        point: String,
    },
    /// The point has no writable register.
    #[error("the operator may not write `{point}` of {target:?}")]
    ReadOnly {
        /// Whose.
        target: HmiTarget,
        /// The name.
        point: String,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    poll_ms: u64,
    timeout_ms: u64,
}

/// The points of an operator station: whether each controller answers.
pub fn point_table() -> PointTable {
    table().0
}

fn table() -> (PointTable, [PointId; 3]) {
    let mut table = PointTable::default();
    let online = ["bau-online", "ems-online", "pcs-online"].map(|name| table.flag(name));
    (table, online)
}

/// An operator station.
#[derive(Debug)]
pub struct Hmi {
    peers: [ModbusPeer; 3],
    online: [PointId; 3],
    points: Points,
    stale_after: Duration,
    powered: bool,
    now: SimTime,
}

impl Hmi {
    /// An operator station of this product for a BAU, an EMS and a PCS of these.
    ///
    /// # Errors
    /// If a product file is wrong.
    pub fn new(
        product: &Product,
        bau: &Product,
        ems: &Product,
        pcs: &Product,
        library: &Library,
    ) -> Result<Self, ProductError> {
        let settings: Settings = product.settings()?;
        let poll = Duration::from_millis(settings.poll_ms);
        let timeout = Duration::from_millis(settings.timeout_ms);
        let (table, online) = table();
        let mut points = Points::new(Arc::new(table));
        for id in online {
            points.set_flag(id, false);
        }
        let peer = |target: HmiTarget, product: &Product| {
            ModbusPeer::new(target as u8, product, library, poll, timeout)
        };
        let mut pcs = peer(HmiTarget::Pcs, pcs)?;
        pcs.limit_to(&["pcs-state"]);
        let mut bau = peer(HmiTarget::Bau, bau)?;
        // what the BAU itself learns slowly
        bau.look_rarely_at(|name| name.contains("].pack[") || name.ends_with("balancing-cells"));
        Ok(Self {
            peers: [bau, peer(HmiTarget::Ems, ems)?, pcs],
            online,
            points,
            stale_after: timeout * 2,
            powered: true,
            now: SimTime::ZERO,
        })
    }

    /// The controller's points as last read.
    pub fn image(&self, target: HmiTarget) -> &Points {
        &self.peers[target as usize].points
    }

    /// When the controller last answered.
    pub fn last_seen(&self, target: HmiTarget) -> Option<SimTime> {
        self.peers[target as usize].last_seen()
    }

    /// The operator writes a point; it goes out with the next request.
    ///
    /// # Errors
    /// If the controller has no such point, or it is read-only.
    pub fn command(&mut self, target: HmiTarget, point: &str, value: f64) -> Result<(), UnknownPoint> {
        let peer = &mut self.peers[target as usize];
        let id = peer
            .points
            .table()
            .find(point)
            .ok_or_else(|| UnknownPoint::NotThere {
                target,
                point: point.into(),
            })?;
        if peer.write(id, value) {
            Ok(())
        } else {
            Err(UnknownPoint::ReadOnly {
                target,
                point: point.into(),
            })
        }
    }

    fn update_online(&mut self) {
        for (peer, id) in self.peers.iter().zip(self.online) {
            let fresh = peer
                .last_seen()
                .is_some_and(|seen| self.now - seen < self.stale_after);
            self.points.set_flag(id, fresh && self.powered);
        }
    }
}

impl Device for Hmi {
    fn senses(&self) -> &[Sense] {
        &[]
    }

    fn accept(&mut self, now: SimTime, input: Input<'_>) {
        self.now = now;
        if let Input::ModbusReply { token, reply } = input {
            for peer in &mut self.peers {
                peer.on_reply(now, token, reply);
            }
        }
        self.update_online();
    }

    fn poll_output(&mut self) -> Option<Output> {
        if !self.powered {
            return None;
        }
        self.peers.iter_mut().find_map(|peer| peer.poll_output(self.now))
    }

    fn next_wake(&self) -> SimTime {
        if !self.powered {
            return SimTime::NEVER;
        }
        self.peers
            .iter()
            .map(ModbusPeer::next_due)
            .fold(SimTime::NEVER, SimTime::min)
    }

    fn inject(&mut self, fault: &DeviceFault) -> Result<(), UnsupportedFault> {
        match fault {
            DeviceFault::PowerOff => self.powered = false,
            DeviceFault::PowerOn => {
                self.powered = true;
                self.peers.iter_mut().for_each(|peer| peer.restart(self.now));
            }
            other => return Err(UnsupportedFault { fault: *other }),
        }
        self.update_online();
        Ok(())
    }

    fn points(&self) -> &Points {
        &self.points
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use bess_types::{ModbusData, ModbusRequest};

    use super::*;
    use crate::Token;

    fn station() -> Hmi {
        let library = Library::shipped();
        let product = |id| library.product(id).unwrap();
        let [bau, ems, pcs] = ["bau", "ems", "sjpcs-1725-m"].map(product);
        Hmi::new(&product("hmi"), &bau, &ems, &pcs, &library).unwrap()
    }

    fn requests(hmi: &mut Hmi) -> Vec<(u8, ModbusRequest, Token)> {
        core::iter::from_fn(|| hmi.poll_output())
            .filter_map(|output| match output {
                Output::ModbusRequest { peer, request, token } => Some((peer, request, token)),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_command_goes_out_as_a_write() {
        let mut hmi = station();
        hmi.accept(SimTime::ZERO, Input::Wake);
        for (_, _, token) in requests(&mut hmi) {
            hmi.accept(SimTime::from_millis(5), Input::ModbusReply { token, reply: None });
        }
        hmi.command(HmiTarget::Ems, "power-setpoint", 500_000.0).unwrap();
        let sent = requests(&mut hmi);
        assert!(
            sent.iter().any(|(peer, request, _)| *peer == HmiTarget::Ems as u8
                && matches!(request, ModbusRequest::WriteRegisters { .. })),
            "{sent:?}"
        );
    }

    #[test]
    fn unknown_and_read_only_points_are_refused() {
        let mut hmi = station();
        let unknown = hmi.command(HmiTarget::Bau, "nonsense", 1.0);
        assert!(
            matches!(unknown, Err(UnknownPoint::NotThere { .. })),
            "{unknown:?}"
        );
        let read_only = hmi.command(HmiTarget::Ems, "state", 1.0);
        assert!(
            matches!(read_only, Err(UnknownPoint::ReadOnly { .. })),
            "{read_only:?}"
        );
    }

    #[test]
    fn silence_shows_as_offline() {
        let mut hmi = station();
        hmi.accept(SimTime::ZERO, Input::Wake);
        let (peer, request, token) = requests(&mut hmi).remove(0);
        let ModbusRequest::Read { count, .. } = request else {
            panic!("{request:?}")
        };
        let reply = Ok(ModbusData::Registers(vec![0; usize::from(count)]));
        hmi.accept(
            SimTime::from_millis(10),
            Input::ModbusReply {
                token,
                reply: Some(&reply),
            },
        );
        assert!(hmi.points().is_on(hmi.online[usize::from(peer)]));
        hmi.accept(SimTime::from_millis(5_000), Input::Wake);
        assert!(!hmi.points().is_on(hmi.online[usize::from(peer)]));
    }

    #[test]
    fn registers_of_packs_are_read_in_turn() {
        let mut hmi = station();
        let packs = 40_468..60_016_u16; // SunSpec 804 and 805
        let (mut seen, mut most) = (std::collections::BTreeSet::new(), 0);
        for round in 0..120 {
            let now = SimTime::from_millis(200 * round);
            hmi.accept(now, Input::Wake);
            let (mut all, mut of_packs) = (0, 0);
            while let sent = requests(&mut hmi)
                && !sent.is_empty()
            {
                for (peer, request, token) in sent {
                    let ModbusRequest::Read { address, count, .. } = request else {
                        panic!("{request:?}")
                    };
                    all += u32::from(peer == HmiTarget::Bau as u8);
                    if peer == HmiTarget::Bau as u8 && packs.contains(&address) {
                        of_packs += 1;
                        seen.extend(address..address + count);
                    }
                    let reply = Ok(ModbusData::Registers(vec![0; usize::from(count)]));
                    let reply = Some(&reply);
                    hmi.accept(now, Input::ModbusReply { token, reply });
                }
            }
            assert!(of_packs <= 2, "{of_packs} in round {round}");
            most = most.max(all);
        }
        assert!(most <= 12, "{most} requests to the BAU in a round");
        for module in (42_196..packs.end).step_by(220) {
            let cells = module + 44..module + 220;
            assert!(cells.clone().all(|at| seen.contains(&at)), "{cells:?}");
        }
    }

    #[test]
    fn holds_to_the_device_contract() {
        crate::contract::device_contract(|| Box::new(station()));
    }
}
