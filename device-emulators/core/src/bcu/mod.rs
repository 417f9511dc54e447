//! BCU: the controller of one cluster.
//!
//! It hears its BMUs and the measuring unit of its high-voltage box on the cluster bus, watches thresholds,
//! counts charge, works out current limits, and drives the contactors through the box's remote I/O when the
//! BAU asks for it on the stack bus. CAN ports: 0 cluster, 1 stack. Modbus peer 0: its remote I/O.
//!
//! Frames only update images; everything else happens at a fixed evaluation period, or at once when the
//! BAU or the remote I/O said something new.

mod balance;
mod bau_link;
mod box_io;
pub mod estimate;
mod evaluate;
mod node_points;
mod nodes;
mod packs;
pub mod points;
mod publish;
pub mod sequence;
pub mod settings;
mod startup;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bess_types::{CanFrame, CanId, Line, SimTime};

use self::bau_link::BauLink;
use self::box_io::BoxIo;
use self::estimate::{Limiter, RiseWatch, SocCounter};
pub(crate) use self::node_points::{USED_OF_BMU, USED_OF_HV_UNIT};
use self::nodes::Nodes;
use self::points::BcuTable;
use self::sequence::{Contacts, Inputs, Request, Sequence, State};
use self::settings::BcuSettings;
use crate::addressing::{self, Master, Step};
use crate::codec::can::{CanPort, MessageRef};
use crate::controller::{Supply, Tick, Watch};
use crate::defects::Defect;
use crate::outbox::Outbox;
use crate::product::{Product, ProductError};
use crate::protection::{AlarmBoard, AlarmId, Severity, seconds};
use crate::{Device, DeviceFault, Input, Output, PointTable, Points, Sense, UnsupportedFault};

/// CAN port to the BMUs and the measuring unit.
pub const CLUSTER_PORT: u8 = 0;
/// CAN port to the BAU.
pub const STACK_PORT: u8 = 1;
/// Address of a BCU on its cluster bus.
pub const CLUSTER_ADDRESS: u8 = 0xA0;
/// Address of cluster 0's BCU on the stack bus, were there one; cluster 1 has the next.
pub const STACK_ADDRESS: u8 = 0x10;
/// Modbus peer number of the high-voltage box's remote I/O.
pub const IO_PEER: u8 = 0;

/// How one BCU is wired.
#[derive(Clone, Debug)]
pub struct BcuConfig {
    /// BCU.
    pub product: Arc<Product>,
    /// Cluster number, 1 to [`CLUSTERS`](points::CLUSTERS).
    pub cluster: u8,
    /// BMUs in pack order.
    pub bmus: Vec<CanNode>,
    /// Their serial numbers, as written down when the battery was built; not used with fixed addresses.
    pub serials: Vec<u64>,
    /// Measuring units of the high-voltage box: one for all, or one for each part. What several send is taken from the first.
    pub hv_units: Vec<CanNode>,
    /// The box's remote I/O.
    pub io: Arc<Product>,
    /// State of charge in non-volatile memory, %; `None` estimates it from cell voltages.
    pub stored_soc_pct: Option<f64>,
    /// A known bug, for a controller that is to be caught.
    pub defect: Option<Defect>,
}

/// A node on the cluster bus.
#[derive(Clone, Debug)]
pub struct CanNode {
    /// What it is.
    pub product: Arc<Product>,
    /// Source address.
    pub address: u8,
}

/// The points a BCU of this product has.
///
/// # Errors
/// If the settings do not read as those of a BCU.
pub fn point_table(product: &Product) -> Result<PointTable, ProductError> {
    let gives_addresses = product.can_port(addressing::PORT).is_ok();
    Ok(BcuTable::build(&product.settings()?, gives_addresses).0)
}

/// The controller of one cluster.
#[derive(Debug)]
pub struct Bcu {
    settings: BcuSettings,
    cluster: usize,
    stored_soc_pct: Option<f64>,
    defect: Option<Defect>,

    table: BcuTable,
    points: Points,
    watch: Watch,
    outbox: Outbox,
    supply: Supply,
    counters_frozen: bool,

    cluster_port: CanPort,
    stack_port: CanPort,
    /// None with fixed addresses.
    master: Option<Box<dyn Master>>,
    /// It has its own address on the cluster bus: always, but where it has to claim it.
    addressed: bool,
    balance_command: Option<MessageRef>,
    bmu_addresses: Vec<u8>,
    nodes: Nodes,
    io: BoxIo,
    bau: BauLink,

    tick: Tick,
    survey: Tick,
    balancing: Tick,
    now: SimTime,
    started: SimTime,
    alarms: AlarmBoard,
    soc: SocCounter,
    limiter: Limiter,
    rise: RiseWatch,
    sequence: Sequence,
}

impl Device for Bcu {
    fn senses(&self) -> &[Sense] {
        &[]
    }

    fn hears(&self, port: u8, id: CanId) -> bool {
        match port {
            CLUSTER_PORT => {
                self.nodes.hears(id) || self.master.as_ref().is_some_and(|master| master.hears(id))
            }
            // Only the BAU's identifiers matter; what exactly, the port's own list decides.
            _ => id.raw() & 0xFF == 0xC0,
        }
    }

    fn accept(&mut self, now: SimTime, input: Input<'_>) {
        self.now = now;
        match self.supply {
            Supply::Off => return,
            Supply::ColdStart => self.start(now),
            Supply::On => {}
        }
        match input {
            Input::Can { port, frame } => self.receive(now, port, frame),
            Input::ModbusReply { token, reply } => {
                if self.io.on_reply(now, token, reply) {
                    self.control(now);
                }
            }
            Input::ModbusRequest { token, .. } => {
                self.outbox.no_reply(token);
            }
            Input::Wake | Input::Sensed { .. } | Input::Line { .. } => {}
        }
        if matches!(
            input,
            Input::Can {
                port: CLUSTER_PORT,
                ..
            }
        ) {
            return;
        }
        self.wake(now);
        while let Some(request) = self.io.poll_output(now) {
            self.outbox.push(request);
        }
        self.watch.note_changes(&self.points, &mut self.outbox);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop()
    }

    fn is_addressed(&self) -> bool {
        self.addressed
    }

    fn next_wake(&self) -> SimTime {
        match self.supply {
            Supply::Off => SimTime::NEVER,
            Supply::ColdStart => self.now,
            Supply::On => self
                .tick
                .next()
                .min(self.cluster_port.next_due())
                .min(self.stack_port.next_due())
                .min(self.io.next_due())
                .min(
                    self.master
                        .as_ref()
                        .map_or(SimTime::NEVER, |master| master.next_due()),
                ),
        }
    }

    fn supports(&self, fault: &DeviceFault) -> bool {
        fault.is_of_supply()
            || fault.is_of_counters()
            || self.cluster_port.supports(fault)
            || self.stack_port.supports(fault)
    }

    fn inject(&mut self, fault: &DeviceFault) -> Result<(), UnsupportedFault> {
        match fault {
            DeviceFault::PowerOff => {
                self.supply = Supply::Off;
                self.stored_soc_pct = self.points.get(self.table.single.soc).or(self.stored_soc_pct);
                self.outbox.clear();
                if self.master.is_some() {
                    self.outbox.line(Line::EnableOut, false);
                }
            }
            DeviceFault::PowerOn => {
                if self.supply == Supply::Off {
                    self.supply = Supply::ColdStart;
                }
            }
            DeviceFault::FreezeCounters | DeviceFault::UnfreezeCounters => {
                self.counters_frozen = *fault == DeviceFault::FreezeCounters;
                self.cluster_port.freeze_counters(self.counters_frozen);
                self.stack_port.freeze_counters(self.counters_frozen);
            }
            other => {
                let on_cluster = self.cluster_port.inject(other);
                let on_stack = self.stack_port.inject(other);
                if !on_cluster && !on_stack {
                    return Err(UnsupportedFault { fault: *other });
                }
            }
        }
        Ok(())
    }

    fn points(&self) -> &Points {
        &self.points
    }
}

impl Bcu {
    fn receive(&mut self, now: SimTime, port: u8, frame: &CanFrame) {
        if port == CLUSTER_PORT {
            self.nodes.receive(now, frame);
            if let Some(master) = &mut self.master {
                master.receive(now, frame, &mut self.points);
                self.follow_master(now);
            }
        } else if self.stack_port.receive(now, frame, &mut self.points).is_some() {
            self.hear_bau(now);
        }
    }

    /// The BAU has spoken.
    fn hear_bau(&mut self, now: SimTime) {
        let single = self.table.single;
        let is_reset = self.bau.hear(now, &single, &self.points);
        let request = self.points.reading(self.table.requests.at(self.cluster));
        self.points.put(single.request, request);
        if is_reset {
            self.sequence.reset();
            self.alarms.evaluate(now, AlarmId::Prc, Some(0.0));
            self.alarms.reset();
        }
        self.control(now);
    }

    fn wake(&mut self, now: SimTime) {
        if self.tick.due(now) {
            if self.is_addressing() {
                self.nodes.expect_from(now);
            }
            self.leave_self_test(now);
            self.evaluate(now);
            if self.survey.due(now) {
                self.survey_packs(now);
            }
            self.control(now);
        }
        if let Some(master) = &mut self.master
            && master.next_due() <= now
        {
            master.wake(now, &mut self.points);
        }
        self.follow_master(now);
        let (points, outbox) = (&mut self.points, &mut self.outbox);
        for (number, port) in [
            (CLUSTER_PORT, &mut self.cluster_port),
            (STACK_PORT, &mut self.stack_port),
        ] {
            port.transmit_due(now, points, &mut |frame| {
                outbox.can(number, frame);
            });
        }
    }

    /// The self-test ends when every node was heard, or when its time is up; what is missing then is an alarm.
    fn leave_self_test(&mut self, now: SimTime) {
        if self.sequence.state() != State::Initialising {
            return;
        }
        let elapsed = now - self.started;
        let missed = now - self.nodes.expected_since();
        let complete = self.nodes.is_complete() && self.io.is_complete();
        if missed >= seconds(self.settings.self_test_s)
            || (complete && elapsed >= seconds(self.settings.settle_s))
        {
            self.sequence.begin(now);
        }
    }

    /// Alarms and requests to contactors.
    fn control(&mut self, now: SimTime) {
        self.io.read(now, &self.table.single, &mut self.points);
        let inputs = self.inputs(now);
        self.sequence.step(now, &inputs);
        if matches!(self.sequence.state(), State::Unloading | State::Opening) {
            self.limit_to_zero();
        }
        self.publish_alarms();
        self.publish_sequence();
        self.io
            .write(now, self.sequence.drive(), self.sequence.breaker_trip());
    }

    fn inputs(&self, now: SimTime) -> Inputs {
        let single = self.table.single;
        let points = &self.points;
        let fresh = self.io.is_fresh(now);
        let bau_lost = self.bau.is_lost(now, self.settings.bau_lost_s);
        let called_off = (points.is_on(single.bau_estop) && self.defect != Some(Defect::IgnoredEstop))
            || points.is_on(single.bau_fire);
        let supply = points.get(single.coil_supply);
        Inputs {
            // While the remote I/O cannot be read nothing is known of the supply: COM opens, not ILK.
            coil_supply: supply.is_none_or(|v| v >= self.settings.coil_supply_off_v),
            feedback: fresh.then(|| Contacts {
                positive: points.is_on(single.main_positive),
                negative: points.is_on(single.main_negative),
                precharge: points.is_on(single.precharge),
            }),
            cluster_v: points.get(single.cluster_voltage),
            bus_v: points.get(single.bus_voltage),
            current_a: points.get(single.current),
            request: Request::from_number(points.get(single.request).unwrap_or(0.0)),
            fault: self.alarms.worst().0 == Severity::Fault,
            urgent: bau_lost || called_off,
            fit: fresh
                && supply.is_some()
                && points.is_on(single.hv_unit_online)
                && points.is_on(single.fuse)
                && points.is_on(single.breaker),
        }
    }

    /// BMUs are being given their addresses, and are silent until then.
    fn is_addressing(&self) -> bool {
        let state = self.table.addressing.filter(|_| self.master.is_some());
        state.is_some_and(|ids| {
            self.points.get(ids.state) == Some(f64::from(addressing::State::Assigning as u8))
        })
    }

    /// Does what the giving of addresses wants done.
    fn follow_master(&mut self, now: SimTime) {
        while let Some(step) = self.master.as_mut().and_then(|master| master.steps().pop_front()) {
            match step {
                Step::Frame(frame) => self.outbox.can(CLUSTER_PORT, frame),
                Step::Enable(level) => self.outbox.line(Line::EnableOut, level),
                Step::Address(own) => {
                    self.addressed = own.is_some();
                    if self.addressed {
                        self.cluster_port.start(now);
                    } else {
                        self.cluster_port.stop();
                    }
                }
            }
        }
    }
}
