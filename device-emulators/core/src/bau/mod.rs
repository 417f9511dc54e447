//! BAU: the controller of one stack of clusters in parallel.
//!
//! It hears all BCUs, decides which clusters close and when, and tells the PCS what the battery can take. It
//! stops the stack on an E-stop, on fire, and on faults that one cluster cannot settle alone. CAN ports: 0
//! stack, 1 PCS if the product has it. Modbus server: SunSpec 802 and a vendor block. Modbus peers: 0 container I/O, 1 PCS, 2 fire panel,
//! 3 chiller, 4 HVAC.
//!
//! Emergency stop and fire are latches: while one stands every cluster is told to open, and leaving it takes
//! a cause that is gone, a reset, and a new start.

mod auxiliaries;
mod clusters;
mod container_io;
mod cooling;
mod events;
mod pcs_bus;
mod pcs_peer;
pub mod points;
mod publish;
mod safety;
pub mod settings;
mod stack;
mod startup;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bess_types::{CanFrame, CanId, SimTime};

use self::auxiliaries::{Chiller, FirePanel, Hvac};
pub(crate) use self::auxiliaries::{USED_OF_CHILLER, USED_OF_HVAC};
use self::clusters::Clusters;
use self::container_io::ContainerIo;
use self::cooling::Cooling;
use self::events::Causes;
use self::pcs_bus::PcsBus;
pub(crate) use self::pcs_peer::USED_OF_PCS;
use self::pcs_peer::{PcsPeer, Word};
use self::points::BauTable;
use self::safety::Latches;
use self::settings::BauSettings;
pub use self::stack::Stack;
use self::stack::{Blocking, Start};
pub use self::startup::point_table;
use crate::codec::can::CanPort;
use crate::codec::modbus::{ModbusPeer, ModbusServer};
use crate::controller::{Supply, Tick, Watch, older_than};
use crate::defects::Defect;
use crate::outbox::Outbox;
use crate::product::Product;
use crate::{Device, DeviceFault, Input, Output, PointId, Points, Sense, UnsupportedFault};

/// CAN port to the BCUs.
pub const STACK_PORT: u8 = 0;
/// CAN port to the PCS, of a product that has it.
pub const PCS_PORT: u8 = 1;
/// Address of a BAU on the stack bus.
pub const ADDRESS: u8 = 0xC0;
/// Modbus peer number of the container I/O.
pub const IO_PEER: u8 = 0;
/// Modbus peer number of the PCS.
pub const PCS_PEER: u8 = 1;
/// Modbus peer number of the fire panel.
pub const FIRE_PANEL_PEER: u8 = 2;
/// Modbus peer number of the chiller.
pub const CHILLER_PEER: u8 = 3;
/// Modbus peer number of the HVAC.
pub const HVAC_PEER: u8 = 4;

/// How one BAU is wired.
#[derive(Clone, Debug)]
pub struct BauConfig {
    /// BAU.
    pub product: Arc<Product>,
    /// Cluster numbers, from 1, with their BCUs.
    pub bcus: Vec<(u8, Arc<Product>)>,
    /// Container I/O.
    pub io: Arc<Product>,
    /// PCS.
    pub pcs: Arc<Product>,
    /// Fire panel, if the container has one on Modbus.
    pub fire_panel: Option<Arc<Product>>,
    /// Chiller, if the container has one.
    pub chiller: Option<Arc<Product>>,
    /// HVAC, if the container has one on Modbus.
    pub hvac: Option<Arc<Product>>,
    /// A known bug, for a controller that is to be caught.
    pub defect: Option<Defect>,
}

/// The controller of one stack.
#[derive(Debug)]
pub struct Bau {
    settings: BauSettings,
    defect: Option<Defect>,
    table: BauTable,
    points: Points,
    watch: Watch,
    outbox: Outbox,
    supply: Supply,
    frozen: bool,

    port: CanPort,
    pcs_bus: Option<PcsBus>,
    server: ModbusServer,
    clusters: Clusters,
    io: ContainerIo,
    pcs: PcsPeer,
    fire_panel: Option<FirePanel>,
    chiller: Option<Chiller>,
    hvac: Option<Hvac>,

    tick: Tick,
    beat: Tick,
    refresh: Tick,
    cooling: Cooling,
    now: SimTime,
    started: SimTime,
    state: Stack,
    since: SimTime,
    start: Start,
    blocking: Blocking,
    latches: Latches,
    /// What put the stack in fault.
    fault_held: Causes,
    last_ems: Option<SimTime>,
}

impl Device for Bau {
    fn senses(&self) -> &[Sense] {
        &[]
    }

    fn hears(&self, port: u8, id: CanId) -> bool {
        match (port, &self.pcs_bus) {
            (PCS_PORT, Some(bus)) => bus.hears(id),
            _ => self.clusters.owned_ids().any(|owned| owned == id),
        }
    }

    fn accept(&mut self, now: SimTime, input: Input<'_>) {
        self.now = now;
        match self.supply {
            Supply::Off => {
                if let Input::ModbusRequest { token, .. } = input {
                    self.outbox.no_reply(token);
                }
                return;
            }
            Supply::ColdStart => self.start_up(now),
            Supply::On => {}
        }
        match input {
            Input::Can { port, frame } => {
                self.receive(now, port, frame);
                return;
            }
            Input::ModbusRequest {
                access,
                request,
                token,
                ..
            } => {
                let mut written = Vec::new();
                let reply = self
                    .server
                    .serve(now, access, request, &mut self.points, &mut written);
                self.outbox.reply(token, reply);
                self.on_written(now, &written);
            }
            Input::ModbusReply { token, reply } => {
                if self.io.peer.on_reply(now, token, reply) {
                    self.evaluate(now);
                } else {
                    for client in self.peers().skip(1) {
                        if client.on_reply(now, token, reply) {
                            break;
                        }
                    }
                }
            }
            Input::Wake | Input::Sensed { .. } | Input::Line { .. } => {}
        }
        if self.tick.due(now) {
            self.evaluate(now);
        }
        let mut reverted = Vec::new();
        self.server.tick(now, &mut self.points, &mut reverted);
        self.on_written(now, &reverted);
        self.transmit(now);
        let requests: Vec<Output> = self
            .peers()
            .flat_map(|client| core::iter::from_fn(|| client.poll_output(now)))
            .collect();
        for request in requests {
            self.outbox.push(request);
        }
        self.watch.note_changes(&self.points, &mut self.outbox);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop()
    }

    fn next_wake(&self) -> SimTime {
        match self.supply {
            Supply::Off => SimTime::NEVER,
            Supply::ColdStart => self.now,
            Supply::On => {
                let panel = self.fire_panel.as_ref().map(|panel| &panel.peer);
                let chiller = self.chiller.as_ref().map(|chiller| &chiller.peer);
                let hvac = self.hvac.as_ref().map(|hvac| &hvac.peer);
                [Some(&self.io.peer), Some(&self.pcs.peer), panel, chiller, hvac]
                    .into_iter()
                    .flatten()
                    .map(ModbusPeer::next_due)
                    .chain([self.tick.next(), self.port.next_due(), self.server.next_due()])
                    .chain(self.pcs_bus.as_ref().map(PcsBus::next_due))
                    .min()
                    .unwrap_or(SimTime::NEVER)
            }
        }
    }

    fn supports(&self, fault: &DeviceFault) -> bool {
        fault.is_of_supply()
            || fault.is_of_counters()
            || self.port.supports(fault)
            || self.pcs_bus.as_ref().is_some_and(|bus| bus.supports(fault))
    }

    fn inject(&mut self, fault: &DeviceFault) -> Result<(), UnsupportedFault> {
        match fault {
            DeviceFault::PowerOff => {
                self.supply = Supply::Off;
                self.outbox.clear();
            }
            DeviceFault::PowerOn => {
                if self.supply == Supply::Off {
                    self.supply = Supply::ColdStart;
                }
            }
            DeviceFault::FreezeCounters | DeviceFault::UnfreezeCounters => {
                self.frozen =
                    *fault == DeviceFault::FreezeCounters || self.defect == Some(Defect::FrozenHeartbeat);
                self.port.freeze_counters(self.frozen);
                if let Some(bus) = &mut self.pcs_bus {
                    bus.freeze_counters(self.frozen);
                }
            }
            other => {
                let on_stack = self.port.inject(other);
                let on_pcs = self.pcs_bus.as_mut().is_some_and(|bus| bus.inject(other));
                if !on_stack && !on_pcs {
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

impl Bau {
    fn receive(&mut self, now: SimTime, port: u8, frame: &CanFrame) {
        if port == STACK_PORT {
            self.clusters.receive(now, frame);
        } else if let Some(bus) = &mut self.pcs_bus
            && bus.receive(now, frame, &mut self.points)
        {
            self.command_stop(now);
        }
    }

    fn on_written(&mut self, now: SimTime, written: &[PointId]) {
        let single = self.table.single;
        for id in written {
            let value = self.points.get(*id).unwrap_or(0.0);
            if *id == single.command {
                self.points.set(*id, 0.0);
                match value {
                    1.0 => self.command_start(now),
                    2.0 => self.command_stop(now),
                    3.0 => self.command_reset(now),
                    4.0 => self.command_fire_reset(now),
                    _ => {}
                }
            } else if *id == single.set_operation {
                self.points.set(*id, 0.0);
                match value {
                    1.0 => self.command_start(now),
                    2.0 => self.command_stop(now),
                    _ => {}
                }
            } else if *id == single.alarm_reset {
                self.points.set(*id, 0.0);
                if value != 0.0 {
                    self.command_reset(now);
                }
            } else if [single.controller_heartbeat, single.der_controller_heartbeat].contains(id) {
                self.last_ems = Some(now);
            }
        }
        if !written.is_empty() {
            self.evaluate(now);
        }
    }

    /// One evaluation: images to state, state to requests, limits and outputs.
    fn evaluate(&mut self, now: SimTime) {
        self.clusters.read(now, self.settings.bcu_lost_s);
        self.watch_safety(now);
        self.watch_fire(now);
        self.advance(now);
        self.publish(now);
        self.tell_pcs(now);
        self.tell_io();
        if self.refresh.due(now) {
            self.pcs.repeat();
            self.io.repeat();
            self.tell_pcs(now);
            self.tell_io();
        }
        self.cooling
            .step(now, &self.table.single, &mut self.points, self.chiller.as_mut());
    }

    /// Charge and discharge limit of the stack, A.
    fn limits(&self, now: SimTime) -> [f64; 2] {
        let fire_lost = self
            .fire_panel
            .as_ref()
            .is_some_and(|panel| self.lost(now, &panel.peer, self.settings.fire_lost_s));
        if self.state != Stack::Connected || fire_lost || self.clusters.any_leaving() {
            return [0.0; 2];
        }
        self.clusters.limits()
    }

    fn permit(&self) -> bool {
        self.state == Stack::Connected
    }

    /// Limits, permit, state and stop to the PCS, unless it takes them from its bus.
    fn tell_pcs(&mut self, now: SimTime) {
        if self.pcs_bus.is_some() {
            return;
        }
        let word = Word {
            limits: self.limits(now),
            permit: self.permit(),
            state: self.state,
            stop: !matches!(self.state, Stack::Connected | Stack::Starting | Stack::Standby),
        };
        self.pcs.tell(word, self.frozen, &self.table.single, &self.points);
    }

    fn tell_io(&mut self) {
        let vent_request = self.points.is_on(self.table.single.vent_request);
        self.io.tell([self.permit(), vent_request, self.latches.runaway]);
    }

    fn transmit(&mut self, now: SimTime) {
        let (points, outbox) = (&mut self.points, &mut self.outbox);
        self.port.transmit_due(now, points, &mut |frame| {
            outbox.can(STACK_PORT, frame);
        });
        if let Some(bus) = &mut self.pcs_bus {
            bus.transmit_due(now, points, &mut |frame| {
                outbox.can(PCS_PORT, frame);
            });
        }
    }

    fn peers(&mut self) -> impl Iterator<Item = &mut ModbusPeer> {
        [Some(&mut self.io.peer), Some(&mut self.pcs.peer)]
            .into_iter()
            .chain([
                self.fire_panel.as_mut().map(|panel| &mut panel.peer),
                self.chiller.as_mut().map(|chiller| &mut chiller.peer),
                self.hvac.as_mut().map(|hvac| &mut hvac.peer),
            ])
            .flatten()
    }

    /// Whether a server has been silent for so long; power-up counts as an answer.
    fn lost(&self, now: SimTime, client: &ModbusPeer, limit_s: f64) -> bool {
        older_than(now, client.last_seen().max(Some(self.started)), limit_s)
    }
}
