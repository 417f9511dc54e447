//! How a BAU comes to be: built from its product and wiring, and started when its supply comes.

use bess_types::SimTime;

use super::auxiliaries::{Chiller, FirePanel, Hvac};
use super::clusters::Clusters;
use super::container_io::ContainerIo;
use super::cooling::Cooling;
use super::events::Causes;
use super::pcs_bus::{self, PcsBus};
use super::pcs_peer::PcsPeer;
use super::points::BauTable;
use super::safety::Latches;
use super::settings::BauSettings;
use super::stack::{Blocking, Stack, Start};
use super::{ADDRESS, Bau, BauConfig, CHILLER_PEER, FIRE_PANEL_PEER, HVAC_PEER, IO_PEER, PCS_PEER};
use crate::bcu::settings::BcuSettings;
use crate::codec::can::CanPort;
use crate::codec::modbus::{ModbusPeer, ModbusServer};
use crate::controller::{Supply, Tick, Watch};
use crate::defects::Defect;
use crate::library::Library;
use crate::outbox::Outbox;
use crate::product::{Product, ProductError};
use crate::protection::seconds;
use crate::{PointTable, Points};

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
        let io = peer(IO_PEER, &config.io, settings.io_poll_s)?;
        let io = ContainerIo::new(&config.io, io, settings.io_lost_s)?;
        let pcs = peer(PCS_PEER, &config.pcs, settings.pcs_poll_s)?;
        let pcs = PcsPeer::new(&config.pcs, pcs)?;
        let mut fire_panel = None;
        if let Some(product) = &config.fire_panel {
            let peer = peer(FIRE_PANEL_PEER, product, settings.auxiliary_poll_s)?;
            fire_panel = Some(FirePanel::new(product, peer)?);
        }
        let mut chiller = None;
        if let Some(product) = &config.chiller {
            let peer = peer(CHILLER_PEER, product, settings.auxiliary_poll_s)?;
            chiller = Some(Chiller::new(product, peer)?);
        }
        let mut hvac = None;
        if let Some(product) = &config.hvac {
            let peer = peer(HVAC_PEER, product, settings.auxiliary_poll_s)?;
            hvac = Some(Hvac::new(product, peer)?);
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
            pcs,
            fire_panel,
            chiller,
            hvac,
            tick: Tick::new(settings.evaluation_s),
            beat: Tick::new(1.0),
            refresh: Tick::new(settings.refresh_s),
            cooling: Cooling::new(settings.cooling),
            now: SimTime::ZERO,
            started: SimTime::ZERO,
            state: Stack::Initialising,
            since: SimTime::ZERO,
            start: Start::Waiting,
            blocking: Blocking::None,
            latches: Latches::default(),
            fault_held: Causes::default(),
            last_ems: None,
            settings,
        })
    }

    /// Power-up: nothing is remembered.
    pub(super) fn start_up(&mut self, now: SimTime) {
        self.supply = Supply::On;
        self.points = Points::new(self.points.table().clone());
        self.clusters.forget();
        for tick in [&mut self.tick, &mut self.beat, &mut self.refresh] {
            tick.start(now);
        }
        self.cooling.start(now);
        (self.started, self.since) = (now, now);
        self.state = Stack::Initialising;
        self.start = Start::Waiting;
        self.blocking = Blocking::None;
        self.latches = Latches::default();
        self.fault_held = Causes::default();
        self.last_ems = None;
        self.io.repeat();
        self.pcs.repeat();
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
