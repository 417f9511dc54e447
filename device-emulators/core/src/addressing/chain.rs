//! Addresses by an enable line that goes from BMU to BMU.
//!
//! A BMU whose enable input is high and that has no address says its serial number, again and again. The BCU, which drives
//! the input of the first one, answers with the next address and that serial number; the BMU takes it, says so, and
//! drives the input of the one behind it as long as its own is high. So addresses follow positions, whichever BMU is where. A BMU keeps its address
//! as long as it has supply; the BCU takes all away when it starts. One that starts again in service announces itself
//! and gets the address its serial number had.
//!
//! What the frames look like is the product's port `addressing`: one message carries a BMU's serial number and address, 0
//! for none, the other a serial number and the address for it; serial number 0 with address 0 takes the addresses of all.

use core::time::Duration;

use bess_types::{CanFrame, CanId, SimTime};

use super::{HIGHEST, Ledger, Master, MasterPoints, Node, NodePoints, PORT, Step, Steps, fall_silent, whole};
use crate::codec::can::{CanPort, MessageRef};
use crate::controller::need;
use crate::library::Library;
use crate::product::{Product, ProductError};
use crate::{DeviceFault, PointTable, Points};

/// From a high enable to the first announcement.
const SETTLE: Duration = Duration::from_millis(20);
/// From one announcement to the next.
const REPEAT: Duration = Duration::from_millis(200);
/// How long the BCU keeps the line low when it begins, so that the last BMU has let go of its own.
const LOW: Duration = Duration::from_millis(100);
/// How long the BCU waits for the next BMU before it asks again,
const TIMEOUT: Duration = Duration::from_secs(1);
/// and how often, before it says that it failed.
const TRIES: u8 = 3;

fn missing(product: &Product, point: &str) -> ProductError {
    product.invalid_setting(
        "port",
        &format!("port `{PORT}` has no message with `{point}`"),
        "list it as device-emulators/data/products/bmu.toml and bcu-396s.toml do",
    )
}

/// A BMU's side.
#[derive(Debug)]
pub(crate) struct ChainNode {
    port: CanPort,
    say: MessageRef,
    assign: MessageRef,
    ids: NodePoints,
    serial: u64,
    active: bool,
    enabled: bool,
    address: Option<u8>,
    /// A fault: it has this address whatever it is told.
    kept: Option<u8>,
    /// A fault: its enable output stays low.
    open: bool,
    driven: bool,
    announce_at: SimTime,
    /// A fault began or ended,
    disturbed: bool,
    /// and after it the node asks for an address anew.
    anew: bool,
    steps: Steps,
}

impl ChainNode {
    pub(crate) fn new(
        product: &Product,
        library: &Library,
        table: &PointTable,
        serial: u64,
    ) -> Result<Self, ProductError> {
        let find = |name| need(product, table, name);
        let ids = NodePoints {
            serial: find("serial-number")?,
            address: find("node-id")?,
            assigned_serial: find("assigned-serial")?,
            assigned_address: find("assigned-id")?,
        };
        let port = CanPort::compile(product, PORT, library, table, 0)?;
        Ok(Self {
            say: port
                .message_with(ids.serial)
                .ok_or_else(|| missing(product, "serial-number"))?,
            assign: port
                .received_with(ids.assigned_serial)
                .ok_or_else(|| missing(product, "assigned-serial"))?,
            port,
            ids,
            serial,
            active: false,
            enabled: false,
            address: None,
            kept: None,
            open: false,
            driven: false,
            announce_at: SimTime::NEVER,
            disturbed: false,
            anew: false,
            steps: Steps::new(),
        })
    }

    fn say(&mut self, points: &mut Points) {
        points.set(self.ids.serial, self.serial as f64);
        points.set(self.ids.address, f64::from(self.address.unwrap_or(0)));
        self.steps
            .push_back(Step::Frame(self.port.encode(self.say, points)));
    }

    fn take(&mut self, address: u8, points: &mut Points) {
        self.address = Some(address);
        self.announce_at = SimTime::NEVER;
        self.steps.push_back(Step::Address(self.address));
        self.say(points);
        self.drive();
    }

    fn release(&mut self, now: SimTime, points: &mut Points) {
        if self.address.take().is_some() {
            self.steps.push_back(Step::Address(None));
        }
        points.set(self.ids.serial, self.serial as f64);
        points.set(self.ids.address, 0.0);
        self.announce_at = if self.enabled {
            now + SETTLE
        } else {
            SimTime::NEVER
        };
        self.drive();
    }

    fn drive(&mut self) {
        let level = self.active && self.enabled && self.address.is_some() && !self.open;
        if core::mem::replace(&mut self.driven, level) != level {
            self.steps.push_back(Step::Enable(level));
        }
    }
}

impl Node for ChainNode {
    fn begin(&mut self, now: SimTime, points: &mut Points) {
        self.active = true;
        self.release(now, points);
    }

    fn stop(&mut self) {
        self.active = false;
        self.address = None;
        self.announce_at = SimTime::NEVER;
        fall_silent(&mut self.steps);
        self.drive();
    }

    fn wake(&mut self, now: SimTime, points: &mut Points) {
        if core::mem::take(&mut self.disturbed) && self.active {
            match self.kept {
                Some(kept) => self.take(kept, points),
                None if core::mem::take(&mut self.anew) => self.release(now, points),
                None => self.drive(),
            }
        }
        if now >= self.announce_at {
            match self.kept {
                Some(kept) => self.take(kept, points),
                None => {
                    self.say(points);
                    self.announce_at = now + REPEAT;
                }
            }
        }
    }

    fn receive(&mut self, now: SimTime, frame: &CanFrame, points: &mut Points) {
        if self.port.receive(now, frame, points) != Some(self.assign) || self.kept.is_some() {
            return;
        }
        let serial = whole(points.get(self.ids.assigned_serial));
        let address = u8::try_from(whole(points.get(self.ids.assigned_address))).unwrap_or(0);
        match (serial, address) {
            (0, 0) => self.release(now, points),
            (serial, 1..=HIGHEST) if serial == self.serial => self.take(address, points),
            _ => {}
        }
    }

    fn enable(&mut self, now: SimTime, high: bool) {
        self.enabled = high;
        if self.active && (self.address.is_none() || self.kept.is_some()) {
            self.announce_at = if high { now + SETTLE } else { SimTime::NEVER };
        }
        self.drive();
    }

    fn next_due(&self) -> SimTime {
        if self.disturbed && self.active {
            SimTime::ZERO
        } else {
            self.announce_at
        }
    }

    fn steps(&mut self) -> &mut Steps {
        &mut self.steps
    }

    fn supports(&self, fault: &DeviceFault) -> bool {
        use DeviceFault as Fault;
        matches!(
            fault,
            Fault::OpenEnable
                | Fault::CloseEnable
                | Fault::KeepAddress(_)
                | Fault::FollowAddress
                | Fault::Serial(_)
        )
    }

    fn inject(&mut self, fault: &DeviceFault) -> bool {
        match fault {
            DeviceFault::OpenEnable => self.open = true,
            DeviceFault::CloseEnable => self.open = false,
            DeviceFault::KeepAddress(address) => self.kept = Some(*address),
            DeviceFault::FollowAddress => (self.kept, self.anew) = (None, true),
            // shown when it is asked next
            DeviceFault::Serial(serial) => self.serial = *serial,
            _ => return false,
        }
        self.disturbed = true;
        true
    }
}

/// The BCU's side.
#[derive(Debug)]
pub(crate) struct ChainMaster {
    port: CanPort,
    announced: MessageRef,
    assign: MessageRef,
    ids: MasterPoints,
    ledger: Ledger,
    stage: Stage,
    due: SimTime,
    tries: u8,
    steps: Steps,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The line is low.
    Low,
    /// The line is high and a BMU is awaited.
    Waiting,
    /// Nobody came; still listening.
    Failed,
    /// Every position is settled.
    Done,
}

impl ChainMaster {
    pub(crate) fn new(
        product: &Product,
        library: &Library,
        table: &PointTable,
        ids: MasterPoints,
        commissioned: &[u64],
    ) -> Result<Self, ProductError> {
        let port = CanPort::compile(product, PORT, library, table, 0)?;
        Ok(Self {
            announced: port
                .received_with(ids.announced_serial)
                .ok_or_else(|| missing(product, "announced-serial"))?,
            assign: port
                .message_with(ids.assign_serial)
                .ok_or_else(|| missing(product, "assign-serial"))?,
            port,
            ids,
            ledger: Ledger::new(commissioned),
            stage: Stage::Low,
            due: SimTime::NEVER,
            tries: 0,
            steps: Steps::new(),
        })
    }

    fn say(&mut self, serial: u64, address: usize, points: &mut Points) {
        points.set(self.ids.assign_serial, serial as f64);
        points.set(self.ids.assign_address, address as f64);
        self.steps
            .push_back(Step::Frame(self.port.encode(self.assign, points)));
    }

    /// A BMU without an address: the one its serial number had, or the next.
    fn announced(&mut self, serial: u64, points: &mut Points) {
        if let Some(position) = self.ledger.place_of(serial).or(self.ledger.next()) {
            self.ledger.give(position, serial);
            self.say(serial, position + 1, points);
        }
    }

    /// A BMU that has an address: the one it was given, or one of its own.
    fn confirmed(&mut self, serial: u64, address: u8) {
        let position = usize::from(address) - 1;
        if self.ledger.serial_at(position) == Some(serial) {
            self.ledger.confirm(position);
        } else {
            self.ledger.duplicate = address;
            if let Some(position) = self.ledger.place_of(serial).or(self.ledger.next()) {
                self.ledger.give(position, serial);
                self.ledger.skip(position);
            }
        }
    }
}

impl Master for ChainMaster {
    fn start(&mut self, now: SimTime, points: &mut Points) {
        self.ledger.clear();
        self.tries = 0;
        self.stage = Stage::Low;
        self.due = now + LOW;
        self.steps.push_back(Step::Enable(false));
        self.say(0, 0, points);
        self.ledger.publish(false, &self.ids, points);
    }

    fn wake(&mut self, now: SimTime, points: &mut Points) {
        if now < self.due {
            return;
        }
        self.due = now + TIMEOUT;
        match self.stage {
            Stage::Low => {
                self.steps.push_back(Step::Enable(true));
                self.stage = Stage::Waiting;
            }
            Stage::Waiting => {
                self.tries += 1;
                if self.tries >= TRIES {
                    self.stage = Stage::Failed;
                    self.due = SimTime::NEVER;
                } else if let Some(next) = self.ledger.next()
                    && let Some(serial) = self.ledger.serial_at(next)
                {
                    self.say(serial, next + 1, points);
                }
            }
            Stage::Failed | Stage::Done => self.due = SimTime::NEVER,
        }
        self.ledger
            .publish(self.stage == Stage::Failed, &self.ids, points);
    }

    fn receive(&mut self, now: SimTime, frame: &CanFrame, points: &mut Points) {
        if self.port.receive(now, frame, points) != Some(self.announced) || self.stage == Stage::Low {
            return;
        }
        let serial = whole(points.get(self.ids.announced_serial));
        match u8::try_from(whole(points.get(self.ids.announced_address))) {
            Ok(0) => self.announced(serial, points),
            Ok(address @ 1..=HIGHEST) => self.confirmed(serial, address),
            _ => return,
        }
        self.tries = 0;
        (self.stage, self.due) = if self.ledger.next().is_some() {
            (Stage::Waiting, now + TIMEOUT)
        } else {
            (Stage::Done, SimTime::NEVER)
        };
        self.ledger.publish(false, &self.ids, points);
    }

    fn hears(&self, id: CanId) -> bool {
        self.port.listens_to(id)
    }

    fn next_due(&self) -> SimTime {
        self.due
    }

    fn steps(&mut self) -> &mut Steps {
        &mut self.steps
    }
}
