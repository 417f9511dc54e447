//! BAU: the controller of one stack of clusters in parallel.
//!
//! It hears all BCUs, decides which clusters close and when, and tells the PCS what the battery can take. It
//! stops the stack on an E-stop, on fire, and on faults that one cluster cannot settle alone. CAN ports: 0
//! stack, 1 PCS if the product has it. Modbus server: SunSpec 802 and a vendor block. Modbus peers: 0 container I/O, 1 PCS, 2 fire panel,
//! 3 chiller, 4 HVAC.
//!
//! Emergency stop and fire are latches: while one stands every cluster is told to open, and leaving it takes
//! a cause that is gone, a reset, and a new start.

mod clusters;
mod events;
mod pcs_bus;
pub mod points;
pub mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bess_types::{CanFrame, CanId, SimTime};

use self::clusters::Clusters;
use self::events::{Cause, Causes};
use self::pcs_bus::{PcsBus, Told};
use self::points::BauTable;
use self::settings::BauSettings;
use crate::bcu::sequence::Request;
use crate::bcu::settings::BcuSettings;
use crate::codec::can::CanPort;
use crate::codec::modbus::{ModbusPeer, ModbusServer};
use crate::controller::{Outbox, Supply, Tick, Watch, need, needed, older_than};
use crate::defects::Defect;
use crate::library::Library;
use crate::product::{Product, ProductError};
use crate::protection::{AlarmId, Severity, seconds};
use crate::{Device, DeviceFault, Input, Output, PointId, PointTable, Points, Sense, UnsupportedFault, pcs};

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

/// Where the stack stands. Order as in [`points::STACK_STATES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// Self-test.
    Initialising,
    /// All clusters open, ready.
    Standby,
    /// Clusters are closing.
    Starting,
    /// At least one cluster is on the bus.
    Connected,
    /// 0 A demanded, clusters are opening.
    Stopping,
    /// Stopped by a fault; needs a reset.
    Fault,
    /// Stopped by the fire panel; needs a reset.
    Fire,
    /// Stopped by an E-stop; needs a reset.
    EmergencyStop,
}

impl Stack {
    /// Stopped until a reset.
    const fn is_tripped(self) -> bool {
        matches!(self, Self::Fault | Self::Fire | Self::EmergencyStop)
    }
}

/// What holds a start back. Order as in [`points::BLOCKING`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Blocking {
    #[default]
    None,
    NotReady,
    ClusterFault,
    NoCluster,
    PcsOffline,
    DoorOpen,
    IoOffline,
    Fire,
    EmergencyStop,
    StartFailed,
}

/// How far a start has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    /// Waits for what blocks.
    Waiting,
    /// One cluster charges the bus through its resistor.
    First { cluster: usize, since: SimTime },
    /// The others join one by one, from this one on.
    Joining { next: usize, at: SimTime },
    /// All that may join were asked; they are closing.
    Settling { since: SimTime },
}

/// The points a BAU of this product has.
///
/// # Errors
/// If the settings do not read as those of a BAU.
pub fn point_table(product: &Product) -> Result<PointTable, ProductError> {
    let has_pcs_bus = product.can_port(pcs_bus::PORT).is_ok();
    Ok(BauTable::build(&settings_of(product)?, has_pcs_bus).0)
}

/// The settings of a product, with no more packs and cells than there is room for.
fn settings_of(product: &Product) -> Result<BauSettings, ProductError> {
    const MOST_CELLS: usize = 16_384;
    let settings: BauSettings = product.settings()?;
    let factors = [
        settings.max_clusters,
        settings.packs_per_cluster,
        settings.cells_per_pack.max(1),
    ];
    let cells = factors.into_iter().try_fold(1_usize, usize::checked_mul);
    // a pack has points of its own, as many as four cells have
    let packs = settings.max_clusters.checked_mul(settings.packs_per_cluster);
    if cells.is_some_and(|cells| cells <= MOST_CELLS) && packs.is_some_and(|packs| packs <= MOST_CELLS / 16) {
        return Ok(settings);
    }
    Err(product.invalid_setting(
        "packs_per_cluster",
        &format!(
            "a BAU has room for {MOST_CELLS} cells in {} packs",
            MOST_CELLS / 16
        ),
        "give it fewer clusters, packs or cells",
    ))
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
    io: ModbusPeer,
    io_points: IoPoints,
    pcs: ModbusPeer,
    pcs_points: PcsPoints,
    fire_panel: Option<(ModbusPeer, PointId, PointId)>,
    chiller: Option<(ModbusPeer, ChillerPoints)>,
    hvac: Option<(ModbusPeer, FaultPoints)>,

    tick: Tick,
    beat: Tick,
    refresh: Tick,
    cooling: Tick,
    chiller_refresh: Tick,
    now: SimTime,
    started: SimTime,
    state: Stack,
    since: SimTime,
    start: Start,
    blocking: Blocking,
    estop_latched: bool,
    fire_latched: bool,
    runaway_latched: bool,
    /// What of the safety chain latched the E-stop.
    safety_held: Causes,
    /// What put the stack in fault.
    fault_held: Causes,
    was_connected: bool,
    fire_reset_at: Option<SimTime>,
    fire_level: usize,
    pcs_beat: u16,
    told_pcs: Option<[f64; 5]>,
    told_io: Option<[bool; 3]>,
    last_ems: Option<SimTime>,
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

#[derive(Clone, Copy, Debug)]
struct ChillerPoints {
    mode: PointId,
    setpoint: PointId,
    temperatures: [PointId; 3],
    fault: FaultPoints,
}

/// Fault code, and its level: 1 goes on, 2 has stopped.
#[derive(Clone, Copy, Debug)]
struct FaultPoints {
    fault: PointId,
    level: PointId,
}

impl Bau {
    /// Builds a BAU in its power-up state; it starts with its first input.
    ///
    /// # Errors
    /// If a product does not fit: another kind, missing points, or more clusters than it has room for.
    pub fn new(config: &BauConfig, library: &Library) -> Result<Self, ProductError> {
        let product = &config.product;
        let settings = settings_of(product)?;
        if let Some((number, _)) = config
            .bcus
            .iter()
            .find(|(number, _)| !(1..=settings.max_clusters).contains(&usize::from(*number)))
        {
            return Err(product.invalid_setting(
                "max_clusters",
                &format!("there is no room for cluster {number}"),
                "number the clusters from 1 up to max_clusters",
            ));
        }
        check_packs(config, &settings)?;
        let has_pcs_bus = product.can_port(pcs_bus::PORT).is_ok();
        let (point_table, table) = BauTable::build(&settings, has_pcs_bus);
        let mut pcs_bus = None;
        if let Some(ids) = table.pcs_bus {
            let files = (library, &point_table);
            let size = (settings.packs_per_cluster, settings.cells_per_pack);
            pcs_bus = Some(PcsBus::new(product, settings.pcs_bus, ids, files, size)?);
        }
        let timeout = seconds(settings.answer_timeout_s);
        let peer = |number, product: &Product, poll_s| {
            ModbusPeer::new(number, product, library, seconds(poll_s), timeout)
        };
        let mut io = peer(IO_PEER, &config.io, settings.io_poll_s)?;
        let io_points = IoPoints::find(&config.io, io.points.table())?;
        io.limit_to(&USED_OF_IO);
        let mut pcs = peer(PCS_PEER, &config.pcs, settings.pcs_poll_s)?;
        let pcs_points = PcsPoints::find(&config.pcs, pcs.points.table())?;
        pcs.limit_to(&["pcs-state"]);
        let mut fire_panel = None;
        if let Some(panel) = &config.fire_panel {
            let mut client = peer(FIRE_PANEL_PEER, panel, settings.auxiliary_poll_s)?;
            let level = need(panel, client.points.table(), "level")?;
            let reset = need(panel, client.points.table(), "reset")?;
            client.limit_to(&["level"]);
            fire_panel = Some((client, level, reset));
        }
        let mut chiller = None;
        if let Some(product) = &config.chiller {
            let client = peer(CHILLER_PEER, product, settings.auxiliary_poll_s)?;
            let points = ChillerPoints::find(product, client.points.table())?;
            chiller = Some((client, points));
        }
        let mut hvac = None;
        if let Some(product) = &config.hvac {
            let mut client = peer(HVAC_PEER, product, settings.auxiliary_poll_s)?;
            let points = FaultPoints::find(product, client.points.table())?;
            client.limit_to(&USED_OF_HVAC);
            hvac = Some((client, points));
        }
        let noted = [
            "stack-state",
            "alarm-level",
            "first-alarm",
            "blocking",
            "fire-level",
        ]
        .into_iter()
        .chain(["estop-seen", "fire-seen", "safety-ok", "permit", "vent-request"])
        .chain(["pcs-online", "fire-panel-online", "chiller-online", "hvac-online"])
        .chain(["io-online", "vendor-events"])
        .chain([
            "clusters-connected",
            "clusters-reported",
            "cooling-mode",
            "reset-counter",
            "pcs-keep-alive-lost",
            "charge-enable",
            "discharge-enable",
        ]);
        Ok(Self {
            defect: config.defect,
            watch: Watch::new(&point_table, noted),
            port: CanPort::compile(product, "stack", library, &point_table, ADDRESS)?,
            pcs_bus,
            server: ModbusServer::of_product(product, library, &point_table)?,
            clusters: Clusters::new(&config.bcus, &settings, library)?,
            points: Points::new(point_table.into()),
            table,
            outbox: Outbox::default(),
            supply: Supply::ColdStart,
            frozen: config.defect == Some(Defect::FrozenHeartbeat),
            io,
            io_points,
            pcs,
            pcs_points,
            fire_panel,
            chiller,
            hvac,
            tick: Tick::new(settings.evaluation_s),
            beat: Tick::new(1.0),
            refresh: Tick::new(settings.refresh_s),
            cooling: Tick::new(settings.cooling.period_s),
            chiller_refresh: Tick::new(5.0),
            now: SimTime::ZERO,
            started: SimTime::ZERO,
            state: Stack::Initialising,
            since: SimTime::ZERO,
            start: Start::Waiting,
            blocking: Blocking::None,
            estop_latched: false,
            fire_latched: false,
            runaway_latched: false,
            safety_held: Causes::default(),
            fault_held: Causes::default(),
            was_connected: false,
            fire_reset_at: None,
            fire_level: 0,
            pcs_beat: 0,
            told_pcs: None,
            told_io: None,
            last_ems: None,
            settings,
        })
    }

    /// Power-up: nothing is remembered.
    fn start_up(&mut self, now: SimTime) {
        self.supply = Supply::On;
        self.points = Points::new(self.points.table().clone());
        self.clusters.forget();
        for tick in [
            &mut self.tick,
            &mut self.beat,
            &mut self.refresh,
            &mut self.cooling,
            &mut self.chiller_refresh,
        ] {
            tick.start(now);
        }
        (self.started, self.since) = (now, now);
        self.state = Stack::Initialising;
        self.start = Start::Waiting;
        self.blocking = Blocking::None;
        (self.estop_latched, self.fire_latched, self.runaway_latched) = (false, false, false);
        (self.safety_held, self.fault_held) = (Causes::default(), Causes::default());
        self.was_connected = false;
        self.fire_reset_at = None;
        self.fire_level = 0;
        (self.told_pcs, self.told_io, self.last_ems) = (None, None, None);
        for client in self.peers() {
            client.restart(now);
        }
        self.port.start(now);
        self.server.restart();
        self.port.freeze_counters(self.frozen);
        let single = self.table.single;
        let count = self.clusters.len() as f64;
        for (id, value) in [
            (single.capacity, self.settings.cluster_capacity_ah * count),
            (single.energy_rating, self.settings.cluster_energy_wh * count),
            (single.charge_power_max, self.settings.cluster_power_w * count),
            (single.discharge_power_max, self.settings.cluster_power_w * count),
            (single.soc_max, self.settings.soc_max_pct),
            (single.soc_min, self.settings.soc_min_pct),
            (single.control_mode, 0.0),
            (single.heartbeat, 0.0),
            (single.controller_heartbeat, 0.0),
            (single.der_controller_heartbeat, 0.0),
            (single.alarm_reset, 0.0),
            (single.battery_type, 4.0),
            (single.set_operation, 0.0),
            (single.command, 0.0),
            (single.reset_counter, 0.0),
            (single.cooling_mode, 0.0),
        ] {
            self.points.set(id, value);
        }
        if let Some(bus) = &mut self.pcs_bus {
            bus.start(&mut self.points);
            bus.freeze_counters(self.frozen);
        }
    }

    fn peers(&mut self) -> impl Iterator<Item = &mut ModbusPeer> {
        [Some(&mut self.io), Some(&mut self.pcs)]
            .into_iter()
            .chain([
                self.fire_panel.as_mut().map(|(client, ..)| client),
                self.chiller.as_mut().map(|(client, _)| client),
                self.hvac.as_mut().map(|(client, _)| client),
            ])
            .flatten()
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
            (self.told_pcs, self.told_io) = (None, None);
            self.tell_pcs(now);
            self.tell_io();
        }
        self.cool(now);
    }

    /// Known bugs that leave an emergency stop without the operator's reset.
    fn resets_itself(&self) -> bool {
        matches!(
            self.defect,
            Some(Defect::NoResetNeeded | Defect::RestartsAfterEstopRelease)
        )
    }

    fn watch_safety(&mut self, now: SimTime) {
        let single = self.table.single;
        let fresh = self.io_fresh(now);
        let ids = self.io_points;
        let on = |id| self.io.points.is_on(id);
        let blind = self.defect == Some(Defect::IgnoredEstop);
        let safety_ok = (fresh && on(ids.safety_ok)) || blind;
        let pressed = fresh && !blind && !(on(ids.estop_a) && on(ids.estop_b) && on(ids.safety_ok));
        if pressed && self.state != Stack::Initialising {
            self.was_connected |= matches!(self.state, Stack::Connected | Stack::Starting);
            self.estop_latched = true;
        }
        if !pressed && fresh && self.estop_latched && self.resets_itself() {
            self.give_reset();
            self.estop_latched = false;
        }
        let chain = [ids.estop_a, ids.estop_b].map(|id| self.io.points.is_on(id));
        let seen = Causes::of(&[
            (Cause::EmergencyStop, pressed && chain != [true; 2]),
            (Cause::SafetyChainOpen, pressed && !safety_ok),
        ]);
        self.safety_held = if self.estop_latched {
            self.safety_held | seen
        } else {
            Causes::default()
        };
        self.points.set_flag(single.io_online, fresh);
        self.points.set_flag(single.safety_ok, safety_ok);
        self.points
            .set_flag(single.estop_seen, pressed || self.estop_latched);
    }

    fn watch_fire(&mut self, now: SimTime) {
        let by_line = if self.io_fresh(now) {
            let lines = self.io_points.fire;
            (0..lines.len())
                .rev()
                .find(|i| self.io.points.is_on(lines[*i]))
                .map_or(0, |i| i + 1)
        } else {
            0
        };
        let by_panel = self.fire_panel.as_ref().map_or(0, |(client, level, _)| {
            let level = client.points.get(*level).unwrap_or(0.0);
            (1..points::FIRE_LEVELS.len())
                .find(|i| *i as f64 == level)
                .unwrap_or(0)
        });
        let level = by_line.max(by_panel);
        let ignored = level == 1 && self.defect == Some(Defect::IgnoresFirePrewarning);
        self.fire_level = if ignored { 0 } else { level };
        if self.fire_level > 0 {
            self.fire_latched = true;
        }
        let runaway = self
            .clusters
            .any(|image| image.has(Severity::Fault, AlarmId::Dtr));
        self.runaway_latched |= runaway;
        // A reset of the panel takes effect when the panel then reads normal.
        if let Some(at) = self.fire_reset_at {
            if self.fire_level == 0 && now > at {
                self.fire_latched = false;
                self.fire_reset_at = None;
            } else if now - at > seconds(self.settings.fire_reset_wait_s) {
                self.fire_reset_at = None;
            }
        }
    }

    fn advance(&mut self, now: SimTime) {
        if self.state == Stack::Initialising {
            let elapsed = now - self.started;
            let complete = self.io.is_complete() && self.clusters.all_online();
            if elapsed >= seconds(self.settings.self_test_s)
                || (complete && elapsed >= seconds(self.settings.settle_s))
            {
                self.enter(Stack::Standby, now);
            }
            return;
        }
        if let Some(latch) = self.latched() {
            if self.state != latch {
                self.enter(latch, now);
            }
            self.clusters.request_all(Request::Open);
            return;
        }
        // A stop of the PCS or the EMS may come before the silence shows, so this holds in every state.
        if self.clusters.all_lost() && self.state != Stack::Fault {
            self.fail(Causes::of(&[(Cause::BcuSilent, true)]), now);
        }
        match self.state {
            Stack::Initialising => {}
            Stack::EmergencyStop => {
                let restart = self.defect == Some(Defect::RestartsAfterEstopRelease) && self.was_connected;
                self.was_connected = false;
                self.enter(if restart { Stack::Starting } else { Stack::Standby }, now);
            }
            Stack::Fire => self.enter(Stack::Standby, now),
            Stack::Standby | Stack::Fault => self.clusters.request_all(Request::Open),
            Stack::Starting => self.advance_start(now),
            Stack::Connected => self.guard(now),
            Stack::Stopping => {
                let small = self.clusters.current_a().abs() < self.settings.stop_below_a;
                if small || now - self.since >= seconds(self.settings.stop_wait_s) {
                    self.clusters.request_all(Request::Open);
                    if self.clusters.connected() == 0 {
                        self.enter(Stack::Standby, now);
                    }
                }
            }
        }
    }

    fn latched(&self) -> Option<Stack> {
        if self.estop_latched {
            Some(Stack::EmergencyStop)
        } else if self.fire_latched {
            Some(Stack::Fire)
        } else {
            None
        }
    }

    fn advance_start(&mut self, now: SimTime) {
        let faults = self.stack_faults(now);
        if !faults.is_empty() {
            self.fail(faults, now);
            return;
        }
        match self.start {
            Start::Waiting => {
                self.blocking = self.what_blocks(now);
                let first = self
                    .clusters
                    .choose_first(self.settings.first_gap_v, self.settings.parallel_gap_v);
                match (self.blocking, first) {
                    (Blocking::None, Some(cluster)) => {
                        self.clusters.request(cluster, Request::Precharge);
                        self.start = Start::First { cluster, since: now };
                    }
                    (Blocking::None, None) => self.blocking = Blocking::NoCluster,
                    _ => {}
                }
                if now - self.since >= seconds(self.settings.start_wait_s) {
                    self.enter(Stack::Standby, now);
                    self.blocking = Blocking::StartFailed;
                }
            }
            Start::First { cluster, since } => {
                let image = self.clusters.image(cluster);
                let failed = !image.online || image.level == Severity::Fault;
                if image.closed {
                    self.start = Start::Joining { next: 0, at: now };
                } else if failed || now - since >= seconds(self.settings.close_wait_s) {
                    self.clusters.request(cluster, Request::Open);
                    self.clusters.exclude(cluster);
                    self.start = Start::Waiting;
                    self.since = now;
                }
            }
            Start::Joining { next, at } if now >= at => {
                let gap = if self.defect == Some(Defect::ClosesOntoVoltageGap) {
                    f64::INFINITY
                } else {
                    self.settings.parallel_gap_v
                };
                let joining =
                    (next..self.clusters.len()).find(|cluster| self.clusters.may_join(*cluster, gap));
                self.start = match joining {
                    Some(cluster) => {
                        self.clusters.request(cluster, Request::Join);
                        let at = now + seconds(self.settings.close_stagger_s);
                        Start::Joining {
                            next: cluster + 1,
                            at,
                        }
                    }
                    None => Start::Settling { since: now },
                };
            }
            Start::Joining { .. } => {}
            Start::Settling { since } => {
                let waited = now - since >= seconds(self.settings.close_wait_s);
                if self.clusters.all_requested_closed() || waited {
                    self.enter(Stack::Connected, now);
                }
            }
        }
    }

    fn what_blocks(&self, now: SimTime) -> Blocking {
        let settings = &self.settings;
        let door_open = !self.io.points.is_on(self.io_points.door_closed);
        if !self.io_fresh(now) {
            Blocking::IoOffline
        } else if door_open && settings.door_blocks_start {
            Blocking::DoorOpen
        } else if older_than(now, self.pcs.last_seen(), settings.pcs_lost_s) {
            Blocking::PcsOffline
        } else if self.clusters.faulty() >= settings.stop_at_faults.min(self.clusters.len()) {
            Blocking::ClusterFault
        } else if self
            .clusters
            .choose_first(settings.first_gap_v, settings.parallel_gap_v)
            .is_none()
        {
            Blocking::NotReady
        } else {
            Blocking::None
        }
    }

    /// Faults that one cluster cannot settle alone.
    fn stack_faults(&self, now: SimTime) -> Causes {
        let stuck = self
            .clusters
            .any(|image| image.has(Severity::Fault, AlarmId::Ctf) && image.requested);
        let many = self.clusters.faulty() >= self.settings.stop_at_faults;
        Causes::of(&[
            (Cause::ContactorFailed, stuck),
            (Cause::ClustersFaulty, many),
            (Cause::IoSilent, !self.io_fresh(now)),
        ])
    }

    /// Connected: lets faulty clusters go, and stops the stack when it must.
    fn guard(&mut self, now: SimTime) {
        self.clusters.drop_faulty();
        let settings = &self.settings;
        let pcs_gone = older_than(now, self.pcs.last_seen(), settings.pcs_stop_s)
            || self
                .pcs_bus
                .as_ref()
                .is_some_and(|bus| bus.lost(now, self.started, settings.pcs_stop_s));
        let none_left = Causes::of(&[(Cause::NoClusterLeft, self.clusters.connected() == 0)]);
        let faults = self.stack_faults(now) | none_left;
        if !faults.is_empty() {
            self.fail(faults, now);
        } else if pcs_gone || self.ems_gone(now) {
            self.enter(Stack::Stopping, now);
        }
    }

    /// Stops the stack, which stays so until reset, and remembers why.
    fn fail(&mut self, causes: Causes, now: SimTime) {
        self.enter(Stack::Fault, now);
        self.fault_held = causes;
        if causes == Causes::of(&[(Cause::IoSilent, true)]) {
            self.blocking = Blocking::IoOffline;
        }
    }

    fn enter(&mut self, state: Stack, now: SimTime) {
        self.state = state;
        self.since = now;
        if !state.is_tripped() {
            self.fault_held = Causes::default();
        }
        if state == Stack::Starting {
            self.start = Start::Waiting;
            self.clusters.include_all();
        }
        self.blocking = match state {
            Stack::EmergencyStop => Blocking::EmergencyStop,
            Stack::Fire => Blocking::Fire,
            Stack::Fault => Blocking::ClusterFault,
            _ => Blocking::None,
        };
        if state != Stack::Connected && state != Stack::Starting && state != Stack::Stopping {
            self.clusters.request_all(Request::Open);
        }
    }

    fn command_start(&mut self, now: SimTime) {
        if self.state == Stack::Standby {
            self.enter(Stack::Starting, now);
        }
    }

    fn command_stop(&mut self, now: SimTime) {
        match self.state {
            Stack::Connected => self.enter(Stack::Stopping, now),
            Stack::Starting => {
                self.clusters.request_all(Request::Open);
                self.enter(Stack::Stopping, now);
            }
            _ => {}
        }
    }

    /// Releases what has lost its cause; never starts anything.
    fn command_reset(&mut self, now: SimTime) {
        let ids = self.io_points;
        let on = |id| self.io.points.is_on(id);
        let released = on(ids.estop_a) && on(ids.estop_b) && on(ids.safety_ok) && self.io_fresh(now);
        if self.estop_latched && !released {
            return;
        }
        self.estop_latched = false;
        if self.fire_level == 0 {
            self.fire_latched = false;
            self.runaway_latched = false;
        }
        self.give_reset();
        if self.state == Stack::Fault {
            self.enter(Stack::Standby, now);
        }
    }

    /// Resets the fire panel; the fire latch follows once the panel reads normal.
    fn command_fire_reset(&mut self, now: SimTime) {
        if let Some((client, _, reset)) = &mut self.fire_panel {
            client.write(*reset, 1.0);
        }
        self.runaway_latched = false;
        self.fire_reset_at = Some(now);
    }

    /// A reset for the BCUs, and of what is held against them.
    fn give_reset(&mut self) {
        self.clusters.reset();
        let counter = self.table.single.reset_counter;
        let value = self.points.get(counter).unwrap_or(0.0);
        self.points.set(counter, (value + 1.0) % 256.0);
    }

    /// Charge and discharge limit of the stack, A.
    fn limits(&self, now: SimTime) -> [f64; 2] {
        let fire_lost = self
            .fire_panel
            .as_ref()
            .is_some_and(|(client, ..)| self.lost(now, client, self.settings.fire_lost_s));
        if self.state != Stack::Connected || fire_lost || self.clusters.any_leaving() {
            return [0.0; 2];
        }
        self.clusters.limits()
    }

    fn permit(&self) -> bool {
        self.state == Stack::Connected
    }

    /// Whether a server has been silent for so long; power-up counts as an answer.
    fn lost(&self, now: SimTime, client: &ModbusPeer, limit_s: f64) -> bool {
        older_than(now, client.last_seen().max(Some(self.started)), limit_s)
    }

    fn io_fresh(&self, now: SimTime) -> bool {
        self.io.is_complete() && !older_than(now, self.io.last_seen(), self.settings.io_lost_s)
    }

    fn publish(&mut self, now: SimTime) {
        let single = self.table.single;
        let limits @ [charge, discharge] = self.limits(now);
        let online = |client: &ModbusPeer, limit_s| !older_than(now, client.last_seen(), limit_s);
        let keep_alive_lost = self
            .pcs_bus
            .as_ref()
            .is_some_and(|bus| bus.is_lost(now, self.started));
        let pcs_online = online(&self.pcs, self.settings.pcs_lost_s) && !keep_alive_lost;
        let panel = self
            .fire_panel
            .as_ref()
            .map(|(client, ..)| online(client, self.settings.fire_lost_s));
        let chiller = self
            .chiller
            .as_ref()
            .map(|(client, _)| online(client, self.settings.chiller_lost_s));
        let hvac = self
            .hvac
            .as_ref()
            .map(|(client, _)| online(client, self.settings.hvac_lost_s));
        let door_open = self.io_fresh(now) && !self.io.points.is_on(self.io_points.door_closed);
        let causes = self.causes(now);
        let own = match self.state {
            state if state.is_tripped() => Severity::Fault,
            _ if door_open => causes.severity().max(Severity::Warn),
            _ => causes.severity(),
        };
        let (worst, alarm, cluster) = self.clusters.worst();
        let connected = self.clusters.connected();
        let points = &mut self.points;
        points.set(single.stack_state, f64::from(self.state as u8));
        points.set(single.alarm_level, own.max(worst).number() as f64);
        points.set(single.first_alarm, alarm);
        points.set(single.first_alarm_cluster, cluster);
        points.set(single.blocking, f64::from(self.blocking as u8));
        points.set(single.fire_level, self.fire_level as f64);
        points.set_flag(single.fire_seen, self.fire_latched);
        points.set(single.clusters_connected, connected as f64);
        points.set(single.clusters_reported, self.clusters.online() as f64);
        points.set_flag(single.permit, self.state == Stack::Connected);
        points.set_flag(single.vent_request, self.runaway_latched && self.fire_level < 3);
        points.set_flag(single.pcs_online, pcs_online);
        points.set_flag(single.fire_panel_online, panel.unwrap_or(false));
        points.set_flag(single.chiller_online, chiller.unwrap_or(false));
        points.set_flag(single.hvac_online, hvac.unwrap_or(false));
        for (id, value) in [
            (single.charge_limit, charge),
            (single.charge_current_max, charge),
            (single.discharge_limit, discharge),
            (single.discharge_current_max, discharge),
        ] {
            points.set(id, value);
        }
        let battery_state = match self.state {
            Stack::Initialising | Stack::Starting => 2.0,
            Stack::Standby => 1.0,
            Stack::Connected if limits.contains(&0.0) => 5.0,
            Stack::Connected => 3.0,
            Stack::Stopping => 6.0,
            Stack::Fault | Stack::Fire | Stack::EmergencyStop => 99.0,
        };
        points.set(single.battery_state, battery_state);
        let events = self.clusters.events() | u32::from(door_open) << 23 | causes.events();
        let of_vendor = causes | self.clusters.causes();
        points.set(single.events, f64::from(events));
        points.set(single.vendor_events, f64::from(of_vendor.bits()));
        self.clusters.publish(points, &self.table);
        let energy = [single.energy_rating, single.soc, single.soh].map(|id| points.get(id));
        if let [Some(rated), Some(soc), Some(soh)] = energy {
            points.set(single.energy_available, rated * soc / 100.0 * soh / 100.0);
        } else {
            points.invalidate(single.energy_available);
        }
        let status = match own.max(worst) {
            Severity::None => 0.0,
            Severity::Warn | Severity::Alarm => 1.0,
            Severity::Fault => 2.0,
        };
        points.set(single.storage_status, status);
        if let Some(bus) = &mut self.pcs_bus {
            let told = Told {
                state: self.state,
                limits,
                events,
            };
            bus.publish(keep_alive_lost, told, &single, points);
            bus.start_if_ready(now, &single, points);
        }
        let current = points.get(single.current).unwrap_or(0.0);
        let status = match current {
            _ if self.state != Stack::Connected => 1.0,
            a if a > 1.0 => 3.0,
            a if a < -1.0 => 4.0,
            _ => 6.0,
        };
        points.set(single.charge_status, status);
        if self.beat.due(now) {
            self.clusters.publish_packs(points, &self.table);
            if let Some(bus) = &self.pcs_bus {
                bus.publish_places(&self.table.packs, points);
            }
            if !self.frozen {
                let beat = points.get(single.heartbeat).unwrap_or(0.0);
                points.set(single.heartbeat, (beat + 1.0) % 65_536.0);
            }
        }
    }

    /// Limits, permit, state and stop to the PCS: on change, and cyclically with a moving heartbeat.
    fn tell_pcs(&mut self, now: SimTime) {
        if self.pcs_bus.is_some() {
            return;
        }
        let [charge, discharge] = self.limits(now);
        let permit = self.permit();
        let stop = !matches!(self.state, Stack::Connected | Stack::Starting | Stack::Standby);
        let value = |on: bool| f64::from(u8::from(on));
        let message = [
            charge,
            discharge,
            value(permit),
            f64::from(self.state as u8),
            value(stop),
        ];
        let cyclic = self.told_pcs.is_none();
        if self.told_pcs == Some(message) {
            return;
        }
        self.told_pcs = Some(message);
        if cyclic && !self.frozen {
            // 0 is the register's power-up value, so the beat leaves it out.
            self.pcs_beat = self.pcs_beat.checked_add(1).unwrap_or(1);
        }
        let ids = self.pcs_points;
        let [charge, discharge, permit, state, stop] = message;
        self.pcs.write_many(&[
            (ids.heartbeat, f64::from(self.pcs_beat)),
            (ids.charge_limit, charge),
            (ids.discharge_limit, discharge),
            (ids.permit, permit),
            (ids.bms_state, state),
            (ids.stop, stop),
        ]);
        let single = self.table.single;
        if let (true, Some(soc), Some(soh)) =
            (cyclic, self.points.get(single.soc), self.points.get(single.soh))
        {
            let energy = self.points.get(single.energy_rating).unwrap_or(0.0);
            self.pcs
                .write_many(&[(ids.soc, soc), (ids.soh, soh), (ids.energy, energy)]);
        }
    }

    fn tell_io(&mut self) {
        let single = self.table.single;
        let wanted = [
            self.permit(),
            self.points.is_on(single.vent_request),
            self.runaway_latched,
        ];
        if self.told_io == Some(wanted) {
            return;
        }
        self.told_io = Some(wanted);
        let [permit, vent, sounder] = wanted.map(|on| f64::from(u8::from(on)));
        let ids = self.io_points;
        self.io.write_many(&[
            (ids.permit, permit),
            (ids.vent_request, vent),
            (ids.sounder, sounder),
        ]);
    }

    /// Decides what the chiller does, and repeats it so that the chiller knows it is looked after.
    fn cool(&mut self, now: SimTime) {
        let single = self.table.single;
        let temperatures = [
            single.temperature_max,
            single.temperature_min,
            single.temperature_mean,
        ]
        .map(|id| self.points.get(id));
        let decide = self.cooling.due(now);
        if decide {
            let (mode, setpoint) = match temperatures {
                [Some(max), Some(min), Some(mean)] => self.cooling_for(max, min, mean),
                _ => (2, self.settings.cooling.lost_setpoint_c),
            };
            self.points.set(single.cooling_mode, f64::from(mode));
            self.points.set(single.cooling_setpoint, setpoint);
        }
        if !decide && !self.chiller_refresh.due(now) {
            return;
        }
        let (Some((client, ids)), Some(mode), Some(setpoint)) = (
            &mut self.chiller,
            self.points.get(single.cooling_mode),
            self.points.get(single.cooling_setpoint),
        ) else {
            return;
        };
        client.write_many(&[(ids.mode, mode), (ids.setpoint, setpoint)]);
        let known = ids.temperatures.into_iter().zip(temperatures);
        let known: Vec<(PointId, f64)> = known.filter_map(|(id, t)| Some((id, t?))).collect();
        client.write_many(&known);
    }

    /// Mode (0 off, 1 circulate, 2 cool, 3 heat) and set-point. Between the rules things stay as they are.
    fn cooling_for(&self, max: f64, min: f64, mean: f64) -> (u8, f64) {
        let rules = self.settings.cooling;
        let [strong_max, strong_mean, strong_setpoint] = rules.strong;
        let [cool_max, cool_mean, cool_setpoint] = rules.cool;
        let [circulate_max, circulate_mean] = rules.circulate;
        let [heat_min, heat_mean, heat_setpoint] = rules.heat;
        if max >= strong_max && mean >= strong_mean {
            (2, strong_setpoint)
        } else if max >= cool_max && mean >= cool_mean {
            (2, cool_setpoint)
        } else if min <= heat_min && mean <= heat_mean {
            (3, heat_setpoint)
        } else if max >= circulate_max && mean >= circulate_mean {
            (1, cool_setpoint)
        } else {
            (0, cool_setpoint)
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

    fn receive(&mut self, now: SimTime, port: u8, frame: &CanFrame) {
        if port == STACK_PORT {
            self.clusters.receive(now, frame);
        } else if let Some(bus) = &mut self.pcs_bus
            && bus.receive(now, frame, &mut self.points)
        {
            self.command_stop(now);
        }
    }

    fn transmit(&mut self, now: SimTime) {
        let (points, outbox) = (&mut self.points, &mut self.outbox);
        self.port.transmit_due(now, points, &mut |frame| {
            outbox.push(Output::Can {
                port: STACK_PORT,
                frame,
            });
        });
        if let Some(bus) = &mut self.pcs_bus {
            bus.transmit_due(now, points, &mut |frame| {
                outbox.push(Output::Can {
                    port: PCS_PORT,
                    frame,
                });
            });
        }
    }
}

/// The clusters have the packs and cells that the BAU's product says.
fn check_packs(config: &BauConfig, own: &BauSettings) -> Result<(), ProductError> {
    for (number, bcu) in &config.bcus {
        let theirs: BcuSettings = bcu.settings()?;
        for (key, own, theirs) in [
            ("packs_per_cluster", own.packs_per_cluster, theirs.packs),
            ("cells_per_pack", own.cells_per_pack, theirs.cells_per_pack),
        ] {
            if own != theirs {
                return Err(config.product.invalid_setting(
                    key,
                    &format!(
                        "it is {own}, and the BCU of cluster {number} ({}) has {theirs}",
                        bcu.id
                    ),
                    &format!("set {key} = {theirs} in the settings of the BAU, here or in its product"),
                ));
            }
        }
    }
    Ok(())
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
                    self.outbox.push(Output::ModbusReply { token, reply: None });
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
                self.outbox.push(Output::ModbusReply {
                    token,
                    reply: Some(reply),
                });
                self.on_written(now, &written);
            }
            Input::ModbusReply { token, reply } => {
                if self.io.on_reply(now, token, reply) {
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
                let panel = self.fire_panel.as_ref().map(|(client, ..)| client);
                let chiller = self.chiller.as_ref().map(|(client, _)| client);
                let hvac = self.hvac.as_ref().map(|(client, _)| client);
                [Some(&self.io), Some(&self.pcs), panel, chiller, hvac]
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

/// What a BAU uses of the container I/O.
const USED_OF_IO: [&str; 11] = [
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
        ] = needed(product, table, USED_OF_IO)?;
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

    fn has_tripped(&self, client: &ModbusPeer) -> bool {
        client.points.get(self.state) == Some(f64::from(pcs::State::Fault as u8))
    }
}

/// What a BAU uses of a chiller.
pub(crate) const USED_OF_CHILLER: [&str; 7] = [
    "fault",
    "fault-level",
    "mode",
    "setpoint",
    "battery-temperature-max",
    "battery-temperature-min",
    "battery-temperature-mean",
];

impl ChillerPoints {
    fn find(product: &Product, table: &PointTable) -> Result<Self, ProductError> {
        let [fault, level, mode, setpoint, temperatures @ ..] = needed(product, table, USED_OF_CHILLER)?;
        Ok(Self {
            fault: FaultPoints { fault, level },
            mode,
            setpoint,
            temperatures,
        })
    }
}

/// What a BAU uses of an HVAC.
pub(crate) const USED_OF_HVAC: [&str; 2] = ["fault", "fault-level"];

impl FaultPoints {
    fn find(product: &Product, table: &PointTable) -> Result<Self, ProductError> {
        let [fault, level] = needed(product, table, USED_OF_HVAC)?;
        Ok(Self { fault, level })
    }
}
