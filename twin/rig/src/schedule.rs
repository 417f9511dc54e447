//! What falls due when, and the order of things that fall due together.
//!
//! Order within one instant, always the same:
//! 1. the plant advances to this grid tick with actuators held;
//! 2. sensors sample if due, device by device in tag order;
//! 3. commands and faults given from outside; link faults begin and end; timed buses finish frames;
//! 4. deliveries, by class (CAN, Modbus, lines), then bus and CAN id or server, then sending order;
//! 5. device wakes, in tag order; after each input the device is drained;
//! 6. actuator commands take effect from here;
//! 7. checkers; 8. telemetry.
//!
//! Traffic produced now is delivered strictly later, so no loop can close inside one instant.

use core::cmp::{Ordering, Reverse};
use core::time::Duration;
use std::collections::BinaryHeap;

use crate::bus::modbus::Asker;
use crate::interface::WireFault;
use bess_devices::Token;
use bess_types::{CanFrame, Line, ModbusReply, ModbusRequest, SimTime};

/// Time a frame takes on a bus inside the rig that keeps no time. About a third of a full frame at 500 kbit/s: enough to
/// be later, short enough not to matter.
pub const CAN_LATENCY: Duration = Duration::from_micros(100);
/// Time a Modbus message takes inside the rig, each way.
pub const MODBUS_LATENCY: Duration = Duration::from_millis(1);
/// Time a hard-wired signal takes, relay included.
pub const LINE_LATENCY: Duration = Duration::from_millis(1);

/// Something on its way to a device.
#[derive(Clone, Debug)]
pub(crate) enum Delivery {
    /// A frame to everybody on a bus who hears it, except its sender.
    Can {
        bus: usize,
        id_index: usize,
        frame: CanFrame,
        sender: Option<usize>,
    },
    /// A frame a fault has held back, to its bus; without a sender from a node that is none of the rig's.
    Transmit {
        bus: usize,
        sender: Option<usize>,
        frame: CanFrame,
    },
    /// The next frame of a babbling device.
    Babble { bus: usize, number: u64 },
    /// A request to a server.
    Request {
        asker: Asker,
        server: usize,
        unit: u8,
        request: ModbusRequest,
    },
    /// A reply to a client.
    Reply {
        client: usize,
        token: Token,
        reply: Option<ModbusReply>,
    },
    /// A reply a fault has held back, to a client on the wire.
    WireReply {
        wire_token: u64,
        reply: Option<ModbusReply>,
        faults: Vec<WireFault>,
    },
    /// A line level to one listener.
    Line { device: usize, line: Line, level: bool },
}

impl Delivery {
    /// Class, then bus and id or device: the order among deliveries of one instant.
    fn order(&self) -> (u8, u32, u32) {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        match self {
            Self::Can { bus, frame, .. } | Self::Transmit { bus, frame, .. } => {
                (0, narrow(*bus), frame.id.raw())
            }
            Self::Babble { bus, .. } => (0, narrow(*bus), 0),
            Self::Request { server, .. } => (1, narrow(*server), 0),
            Self::Reply { client, .. } => (1, narrow(*client), 1),
            Self::WireReply { .. } => (1, u32::MAX, 1),
            Self::Line { device, .. } => (2, narrow(*device), 0),
        }
    }
}

#[derive(Debug)]
struct Queued {
    key: (SimTime, (u8, u32, u32), u64),
    delivery: Delivery,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

/// Deliveries under way and device wakes to come.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    deliveries: BinaryHeap<Reverse<Queued>>,
    sequence: u64,
    wake_at: Vec<SimTime>,
    wakes: BinaryHeap<Reverse<(SimTime, usize)>>,
}

impl Schedule {
    pub(crate) fn new(devices: usize) -> Self {
        Self {
            wake_at: vec![SimTime::NEVER; devices],
            ..Self::default()
        }
    }

    /// The earliest delivery or wake.
    pub(crate) fn next_due(&self) -> SimTime {
        let delivery = self
            .deliveries
            .peek()
            .map_or(SimTime::NEVER, |Reverse(queued)| queued.key.0);
        let wake = self.wakes.peek().map_or(SimTime::NEVER, |Reverse((at, _))| *at);
        delivery.min(wake)
    }

    pub(crate) fn deliver(&mut self, at: SimTime, delivery: Delivery) {
        self.sequence += 1;
        self.deliveries.push(Reverse(Queued {
            key: (at, delivery.order(), self.sequence),
            delivery,
        }));
    }

    /// The next delivery due at `now` or before.
    pub(crate) fn take_delivery(&mut self, now: SimTime) -> Option<Delivery> {
        let due = self
            .deliveries
            .peek()
            .is_some_and(|Reverse(queued)| queued.key.0 <= now);
        if due {
            self.deliveries.pop().map(|Reverse(queued)| queued.delivery)
        } else {
            None
        }
    }

    /// Device `device` wants to be woken at `at`.
    pub(crate) fn set_wake(&mut self, device: usize, at: SimTime) {
        if self.wake_at[device] != at {
            self.wake_at[device] = at;
            if at < SimTime::NEVER {
                self.wakes.push(Reverse((at, device)));
            }
        }
    }

    /// The next device to wake at `now` or before; each is given once.
    pub(crate) fn take_wake(&mut self, now: SimTime) -> Option<usize> {
        while let Some(&Reverse((at, device))) = self.wakes.peek() {
            if at > now {
                return None;
            }
            self.wakes.pop();
            if self.wake_at[device] == at {
                self.wake_at[device] = SimTime::NEVER;
                return Some(device);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_after_modbus_and_wakes_in_device_order() {
        let mut schedule = Schedule::new(3);
        let t = SimTime::from_millis(5);
        schedule.deliver(
            t,
            Delivery::Line {
                device: 0,
                line: Line::EstopA,
                level: true,
            },
        );
        schedule.deliver(
            t,
            Delivery::Reply {
                client: 2,
                token: Token(1),
                reply: None,
            },
        );
        schedule.set_wake(2, t);
        schedule.set_wake(1, t);
        schedule.set_wake(2, t + Duration::from_millis(1));
        assert!(matches!(schedule.take_delivery(t), Some(Delivery::Reply { .. })));
        assert!(matches!(schedule.take_delivery(t), Some(Delivery::Line { .. })));
        assert_eq!(schedule.take_wake(t), Some(1));
        assert_eq!(
            schedule.take_wake(t),
            None,
            "device 2 asked for a later wake since"
        );
        assert_eq!(schedule.next_due(), t + Duration::from_millis(1));
    }
}
