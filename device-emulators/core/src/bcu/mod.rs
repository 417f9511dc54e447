//! BCU: the controller of one cluster.
//!
//! It hears its BMUs and the measuring unit of its high-voltage box on the cluster bus, watches thresholds,
//! counts charge, works out current limits, and drives the contactors through the box's remote I/O when the
//! BAU asks for it on the stack bus. CAN ports: 0 cluster, 1 stack. Modbus peer 0: its remote I/O.
//!
//! Frames only update images; everything else happens at a fixed evaluation period, or at once when the
//! BAU or the remote I/O said something new.

pub mod estimate;
mod packs;
pub mod points;
pub mod sequence;
pub mod settings;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::sync::Arc;

use bess_types::{CanFrame, CanId, Line, Quality, SimTime};

use self::estimate::{LimitInputs, Limiter, RiseWatch, SocCounter};
use self::points::{BcuTable, CLUSTERS};
use self::sequence::{Blocking, Contacts, Inputs, Quirks, Request, Sequence, State};
use self::settings::BcuSettings;
use crate::addressing::chain::ChainMaster;
use crate::addressing::j1939::{ClaimMaster, name_of_bcu, name_of_bmu};
use crate::addressing::lss::LssMaster;
use crate::addressing::{self, Addressing, Master, MasterPoints, Step};
use crate::codec::can::{CanPort, CanRouter, MessageRef, RemoteNode};
use crate::codec::modbus::ModbusPeer;
use crate::controller::{Outbox, Supply, Tick, Watch, need, needed, older_than};
use crate::defects::Defect;
use crate::library::Library;
use crate::product::{Product, ProductError};
use crate::protection::{AlarmBoard, AlarmId, AlarmTable, Severity, seconds};
use crate::{Device, DeviceFault, Input, Output, PointId, PointTable, Points, Sense, UnsupportedFault};

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

/// What a BCU uses of each BMU; of two, one is enough, and the rest follows from the single values.
pub(crate) const USED_OF_BMU: [&[&str]; 5] = [
    &["pack-voltage", "cell[0].voltage"],
    &["cell-voltage-max", "cell[0].voltage"],
    &["cell-voltage-min", "cell[0].voltage"],
    &["temperature-max", "temperature[0]"],
    &["temperature-min", "temperature[0]"],
];
/// What a BCU uses of the measuring units of its high-voltage box, taken together.
pub(crate) const USED_OF_HV_UNIT: [&[&str]; 3] = [&["cluster-voltage"], &["bus-voltage"], &["current"]];

/// How one BCU is wired.
#[derive(Clone, Debug)]
pub struct BcuConfig {
    /// BCU.
    pub product: Arc<Product>,
    /// Cluster number, 1 to [`CLUSTERS`].
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
    /// Until then BMUs got their addresses, and none that has not spoken yet was missed.
    expecting: SimTime,
    /// It has its own address on the cluster bus: always, but where it has to claim it.
    addressed: bool,
    balance_command: Option<MessageRef>,
    bmu_addresses: Vec<u8>,
    /// BMUs in pack order, then the measuring units.
    nodes: CanRouter,
    bmu_points: Vec<BmuPoints>,
    hv_points: HvPoints,
    io: ModbusPeer,
    io_points: IoPoints,

    tick: Tick,
    survey: Tick,
    balancing: Tick,
    io_refresh: Tick,
    now: SimTime,
    started: SimTime,
    alarms: AlarmBoard,
    soc: SocCounter,
    limiter: Limiter,
    rise: RiseWatch,
    sequence: Sequence,
    written: Option<(Contacts, bool)>,
    last_bau: Option<SimTime>,
    last_bau_counter: Option<f64>,
    last_reset_counter: Option<f64>,
}

/// Where a BMU's image holds what the BCU uses. What its dialect has no message for follows from the single values.
#[derive(Clone, Debug)]
struct BmuPoints {
    voltage: Option<PointId>,
    cell_max: Option<PointId>,
    cell_min: Option<PointId>,
    temperature_max: Option<PointId>,
    temperature_min: Option<PointId>,
    cell_count: usize,
    sensor_count: usize,
    /// None if the dialect has none of them.
    cells: Vec<PointId>,
    /// None if the dialect has none of them.
    temperatures: Vec<PointId>,
    /// None if it does not say so.
    balance_map: Option<PointId>,
    /// What is sent in turn of the points above that protection depends on, with the periods.
    data: Vec<(MessageRef, Duration)>,
}

/// Where the images of the measuring units hold what the BCU uses.
#[derive(Clone, Copy, Debug)]
struct HvPoints {
    cluster_voltage: Measured,
    bus_voltage: Measured,
    current: Measured,
    insulation: Measured,
    box_temperature: Measured,
}

/// A point of a node on the cluster bus.
#[derive(Clone, Copy, Debug)]
struct Measured {
    node: usize,
    point: PointId,
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

/// Extremes over the packs.
#[derive(Clone, Copy, Debug, Default)]
struct Extremes {
    cell_max: Option<f64>,
    cell_min: Option<f64>,
    cell_mean: Option<f64>,
    temperature_max: Option<f64>,
    temperature_min: Option<f64>,
    cell_max_pack: usize,
    cell_min_pack: usize,
    temperature_max_pack: usize,
    temperature_min_pack: usize,
}

impl Bcu {
    /// Builds a BCU in its power-up state; it starts with its first input.
    ///
    /// # Errors
    /// If a product is unknown or does not fit: other kinds, missing points, or another number of packs.
    pub fn new(config: &BcuConfig, library: &Library) -> Result<Self, ProductError> {
        let product = &config.product;
        let mut settings: BcuSettings = product.settings()?;
        if config.bmus.len() != settings.packs {
            return Err(product.invalid_setting(
                "packs",
                &format!("the rig gives this cluster {} BMUs", config.bmus.len()),
                "use a BCU product for that number of packs",
            ));
        }
        if !(1..=CLUSTERS).contains(&usize::from(config.cluster)) {
            return Err(product.invalid_setting(
                "cluster",
                &format!("cluster {} has no address on the stack bus", config.cluster),
                "number the clusters 1 to 20",
            ));
        }
        if config.defect == Some(Defect::WrongThreshold) {
            raise_faults(&mut settings.alarms);
        }
        let gives_addresses = product.can_port(addressing::PORT).is_ok();
        let (point_table, table) = BcuTable::build(&settings, gives_addresses);
        let master = master(config, &settings, library, (&point_table, table.addressing))?;
        let compile = |port, node| CanPort::compile(product, port, library, &point_table, node);
        let cluster_port = compile("cluster", CLUSTER_ADDRESS)?;
        let stack_port = compile("stack", STACK_ADDRESS + config.cluster)?;

        let mut nodes = Vec::new();
        let mut bmu_points = Vec::new();
        for bmu in &config.bmus {
            let node = RemoteNode::compile(&bmu.product, "cluster", library, bmu.address)?;
            let points = BmuPoints::find(&bmu.product, &node)?;
            points.check_size(product, &settings)?;
            bmu_points.push(points);
            nodes.push(node);
        }
        for unit in &config.hv_units {
            nodes.push(RemoteNode::compile(
                &unit.product,
                "cluster",
                library,
                unit.address,
            )?);
        }
        let hv_points = HvPoints::find(config, &nodes)?;

        let mut io = ModbusPeer::new(
            IO_PEER,
            &config.io,
            library,
            seconds(settings.io_poll_s),
            seconds(settings.io_timeout_s),
        )?;
        let io_points = IoPoints::find(&config.io, io.points.table())?;
        io.limit_to(&USED_OF_IO);

        let noted = [
            "state",
            "alarm-level",
            "first-alarm",
            "blocking",
            "request",
            "breaker-trip",
        ]
        .into_iter()
        .chain(["coil-main-positive", "coil-main-negative", "coil-precharge"])
        .chain(["bau-online", "io-online", "hv-unit-online"])
        .chain([
            "addressing-state",
            "addressing-failed-position",
            "addressing-duplicate-id",
        ])
        .chain(AlarmId::ALL.map(AlarmId::point));
        let watch = Watch::new(&point_table, noted);
        let quirks = quirks(config.defect);
        let balance_command = cluster_port.message_with(table.single.balance_target);
        let never_falls = config.defect == Some(Defect::StuckLimits);
        Ok(Self {
            cluster: usize::from(config.cluster) - 1,
            stored_soc_pct: config.stored_soc_pct,
            defect: config.defect,
            points: Points::new(point_table.into()),
            table,
            watch,
            outbox: Outbox::default(),
            supply: Supply::ColdStart,
            counters_frozen: false,
            master,
            addressed: true,
            expecting: SimTime::ZERO,
            balance_command,
            cluster_port,
            stack_port,
            bmu_addresses: config.bmus.iter().map(|bmu| bmu.address).collect(),
            nodes: CanRouter::new(nodes),
            bmu_points,
            hv_points,
            io,
            io_points,
            tick: Tick::new(settings.evaluation_s),
            survey: Tick::new(1.0),
            balancing: Tick::new(settings.balancing.period_s),
            io_refresh: Tick::new(settings.io_refresh_s),
            now: SimTime::ZERO,
            started: SimTime::ZERO,
            alarms: AlarmBoard::new(&settings.alarms, settings.clear_hold_s),
            soc: SocCounter::new(settings.soc.clone(), settings.capacity_ah, config.stored_soc_pct),
            limiter: Limiter::new(
                settings.limits.clone(),
                [settings.rated_charge_a, settings.rated_discharge_a],
                never_falls,
            ),
            rise: RiseWatch::new(settings.packs, settings.rise_window_s),
            sequence: Sequence::new(settings.contactors, quirks, SimTime::ZERO),
            written: None,
            last_bau: None,
            last_bau_counter: None,
            last_reset_counter: None,
            settings,
        })
    }

    /// Power-up: everything volatile is as new; the state of charge is remembered.
    fn start(&mut self, now: SimTime) {
        let settings = &self.settings;
        self.supply = Supply::On;
        self.started = now;
        self.expecting = now;
        self.points = Points::new(self.points.table().clone());
        for i in 0..self.nodes.nodes().len() {
            self.nodes.node_mut(i).forget();
        }
        self.alarms = AlarmBoard::new(&settings.alarms, settings.clear_hold_s);
        self.soc = SocCounter::new(settings.soc.clone(), settings.capacity_ah, self.stored_soc_pct);
        self.limiter.drop_to_zero();
        self.rise = RiseWatch::new(settings.packs, settings.rise_window_s);
        self.sequence = Sequence::new(settings.contactors, quirks(self.defect), now);
        self.written = None;
        self.last_bau = None;
        self.last_bau_counter = None;
        self.last_reset_counter = None;
        for tick in [
            &mut self.tick,
            &mut self.survey,
            &mut self.balancing,
            &mut self.io_refresh,
        ] {
            tick.start(now);
        }
        self.io.restart(now);
        self.cluster_port.start(now);
        self.stack_port.start(now);
        let single = self.table.single;
        self.points.set(single.soh, self.settings.soh_pct);
        self.points.set(single.fan, 0.0);
        self.points.set_flag(single.balance_enable, false);
        self.points.set(single.charge_limit, 0.0);
        self.points.set(single.discharge_limit, 0.0);
        self.points.set(single.request, 0.0);
        self.publish_alarms();
        self.publish_sequence();
        if let Some(master) = &mut self.master {
            master.start(now, &mut self.points);
        }
        self.follow_master(now);
    }

    /// Does what the giving of addresses wants done.
    fn follow_master(&mut self, now: SimTime) {
        while let Some(step) = self.master.as_mut().and_then(|master| master.steps().pop_front()) {
            match step {
                Step::Frame(frame) => self.outbox.push(Output::Can {
                    port: CLUSTER_PORT,
                    frame,
                }),
                Step::Enable(level) => self.outbox.push(Output::Line {
                    line: Line::EnableOut,
                    level,
                }),
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

    fn wake(&mut self, now: SimTime) {
        if self.tick.due(now) {
            if self.is_addressing() {
                self.expecting = now;
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
                outbox.push(Output::Can { port: number, frame });
            });
        }
    }

    /// BMUs are being given their addresses, and are silent until then.
    fn is_addressing(&self) -> bool {
        let state = self.table.addressing.filter(|_| self.master.is_some());
        state.is_some_and(|ids| {
            self.points.get(ids.state) == Some(f64::from(addressing::State::Assigning as u8))
        })
    }

    /// The self-test ends when every node was heard, or when its time is up; what is missing then is an alarm.
    fn leave_self_test(&mut self, now: SimTime) {
        if self.sequence.state() != State::Initialising {
            return;
        }
        let elapsed = now - self.started;
        let missed = now - self.expecting;
        // a counter that was never seen would count as still since the start
        let is_heard = |node: &RemoteNode| {
            node.last_seen().is_some() && (!node.has_counter() || node.last_change_of_counter().is_some())
        };
        let complete = self.nodes.nodes().iter().all(is_heard) && self.io.is_complete();
        if missed >= seconds(self.settings.self_test_s)
            || (complete && elapsed >= seconds(self.settings.settle_s))
        {
            self.sequence.begin(now);
        }
    }

    /// Measurements to alarms and limits.
    fn evaluate(&mut self, now: SimTime) {
        let testing = self.sequence.state() == State::Initialising;
        let extremes = self.extremes();
        self.publish_measurements(now, &extremes);
        let single = self.table.single;
        let (Some(cell_max), Some(cell_min), Some(cell_mean)) =
            (extremes.cell_max, extremes.cell_min, extremes.cell_mean)
        else {
            if !testing {
                self.evaluate_links(now);
                self.limit_to_zero();
            }
            return;
        };
        let current = self.points.get(single.current);
        let soc = self
            .soc
            .update(now, current.unwrap_or(0.0), cell_mean, cell_min, cell_max);
        self.points.set(single.soc, soc);
        if testing {
            return;
        }
        self.evaluate_cells(now, &extremes);
        self.evaluate_links(now);
        self.evaluate_currents(now, current);
        let usable = self.points.is_on(single.hv_unit_online)
            && !matches!(self.sequence.state(), State::Unloading | State::Opening);
        let (charge, discharge, reduced) = self.allowed();
        let (Some(temperature_max_c), Some(temperature_min_c), true) =
            (extremes.temperature_max, extremes.temperature_min, usable)
        else {
            self.limit_to_zero();
            return;
        };
        let inputs = LimitInputs {
            cell_max_v: cell_max,
            cell_min_v: cell_min,
            temperature_max_c,
            temperature_min_c,
            charge,
            discharge,
            reduced,
        };
        let [charge_a, discharge_a] = self.limiter.update(now, &inputs);
        self.points.set(single.charge_limit, charge_a);
        self.points.set(single.discharge_limit, discharge_a);
    }

    fn evaluate_cells(&mut self, now: SimTime, extremes: &Extremes) {
        use AlarmId as Id;
        let single = self.table.single;
        let settings = &self.settings;
        let cells = (settings.packs * settings.cells_per_pack) as f64;
        let cluster_v = self.points.get(single.cluster_voltage);
        let per_cell = cluster_v.map(|v| v / cells);
        let current = self.points.get(single.current);
        let charging = current.is_some_and(|a| a < -settings.charging_above_a);
        let (hot, cold) = (extremes.temperature_max, extremes.temperature_min);
        let soc = self.points.get(single.soc);
        let [soc_low, soc_high] = settings.spread_soc_pct;
        let spread_counts = soc.is_some_and(|soc| (soc_low..=soc_high).contains(&soc))
            && current.is_some_and(|a| a.abs() < settings.spread_current_a);
        let spread = difference(extremes.cell_max, extremes.cell_min).filter(|_| spread_counts);
        let insulation = self.points.get(single.insulation);
        let per_volt = cluster_v
            .filter(|v| *v >= settings.contactors.dead_bus_v)
            .and_then(|v| Some(insulation? / v));
        let alarms = &mut self.alarms;
        alarms.evaluate(now, Id::Cov, extremes.cell_max);
        alarms.evaluate(now, Id::Cuv, extremes.cell_min);
        alarms.evaluate(now, Id::Tov, per_cell);
        alarms.evaluate(now, Id::Tuv, per_cell);
        alarms.evaluate(now, Id::Cht, hot);
        alarms.evaluate(now, Id::Dht, hot);
        alarms.evaluate_each(now, Id::Clt, [cold, cold, cold.filter(|_| charging)]);
        alarms.evaluate(now, Id::Dlt, cold);
        alarms.evaluate(now, Id::Dt, difference(hot, cold));
        alarms.evaluate(now, Id::Dv, spread);
        alarms.evaluate(now, Id::Scl, soc);
        alarms.evaluate(now, Id::Sch, soc);
        alarms.evaluate(now, Id::Ins, per_volt);
        alarms.evaluate(now, Id::Hvb, self.points.get(single.box_temperature));
    }

    /// Over-current: warn and alarm against the limit published now, fault against the rating.
    fn evaluate_currents(&mut self, now: SimTime, current: Option<f64>) {
        let single = self.table.single;
        let settings = &self.settings;
        let ratio = |amperes: Option<f64>, limit: PointId, rated: f64| {
            let limit = self
                .points
                .get(limit)
                .unwrap_or(rated)
                .max(settings.current_floor_a);
            let against_limit = amperes.map(|a| a / limit);
            [against_limit, against_limit, amperes.map(|a| a / rated)]
        };
        let charge = current.map(|a| (-a).max(0.0));
        let discharge = current.map(|a| a.max(0.0));
        let charge = ratio(charge, single.charge_limit, settings.rated_charge_a);
        let discharge = ratio(discharge, single.discharge_limit, settings.rated_discharge_a);
        self.alarms.evaluate_each(now, AlarmId::Occ, charge);
        self.alarms.evaluate_each(now, AlarmId::Ocd, discharge);
    }

    /// Silence of nodes, the supply, the contactors and the interlock chain.
    fn evaluate_links(&mut self, now: SimTime) {
        let age = |since: Option<SimTime>, start: SimTime| (now - since.unwrap_or(start)).as_secs_f64();
        let bmus = self.bmu_points.len();
        let silence = self
            .nodes
            .nodes()
            .iter()
            .enumerate()
            .map(|(i, node)| {
                let start = if i < bmus { self.expecting } else { self.started };
                let silent = age(node.last_seen(), start);
                if !node.has_counter() {
                    return silent;
                }
                // A counter rests between two of its messages even when all is well.
                silent.max(age(node.last_change_of_counter(), start) - self.settings.counter_period_s)
            })
            .chain((0..self.settings.packs).map(|pack| self.data_overdue_s(now, pack)))
            .fold(age(self.io.last_seen(), self.started), f64::max);
        let inputs = self.inputs(now);
        let supply = self.points.get(self.table.single.coil_supply);
        let supply_off = supply.is_some_and(|v| v < self.settings.coil_supply_off_v);
        let deviation = supply.map(|v| (v - self.settings.coil_supply_nominal_v).abs());
        let broken = self.io_fresh(now)
            && (!self.points.is_on(self.table.single.fuse) || !self.points.is_on(self.table.single.breaker));
        let ignores_estop = self.defect == Some(Defect::IgnoredEstop);
        let interlock = if (supply_off && !ignores_estop) || broken {
            3.0
        } else {
            0.0
        };
        let mismatch = self.sequence.mismatch(&inputs);
        let alarms = &mut self.alarms;
        alarms.evaluate(now, AlarmId::Com, Some(silence));
        alarms.evaluate(now, AlarmId::Aux, deviation.filter(|_| !supply_off));
        alarms.evaluate(now, AlarmId::Ctf, mismatch.map(|on| f64::from(u8::from(on))));
        let given_up = f64::from(u8::from(self.sequence.given_up()));
        alarms.evaluate(now, AlarmId::Prc, Some(given_up));
        alarms.evaluate(now, AlarmId::Ilk, Some(interlock).filter(|_| supply.is_some()));
    }

    /// How long a message with cells or temperatures of a pack has been overdue, s: the BMU may well be heard, and its
    /// data lost. A message rests for its period even when all is well.
    fn data_overdue_s(&self, now: SimTime, pack: usize) -> f64 {
        let node = self.nodes.node(pack);
        let data = self.bmu_points[pack].data.iter();
        let overdue = data.map(|(message, period)| {
            let since = node.last_heard(*message).unwrap_or(self.expecting);
            (now - since).as_secs_f64() - period.as_secs_f64()
        });
        overdue.fold(0.0, f64::max)
    }

    /// Whether a BMU is heard, with all its data.
    fn hears_pack(&self, now: SimTime, pack: usize) -> bool {
        const SILENCE_S: f64 = 1.0;
        !older_than(now, self.nodes.node(pack).last_seen(), SILENCE_S)
            && self.data_overdue_s(now, pack) <= SILENCE_S
    }

    /// Once a second: what needs a look at every sensor.
    fn survey_packs(&mut self, now: SimTime) {
        let single = self.table.single;
        let extremes = self.extremes();
        self.publish_places(&extremes);
        self.publish_packs();
        if self.sequence.state() == State::Initialising {
            return;
        }
        let hottest: Vec<Option<f64>> = (0..self.settings.packs)
            .map(|pack| {
                self.bmu_points[pack]
                    .temperature_max(&self.nodes.node(pack).points)
                    .filter(|_| !self.is_blind_to(pack))
            })
            .collect();
        let rise = self.rise.sample(hottest.into_iter());
        if let Some(rise) = rise {
            self.points.set(single.temperature_rise, rise);
        }
        self.alarms.evaluate(now, AlarmId::Dtr, rise);
        let worst = (0..self.settings.packs)
            .map(|pack| self.sensor_severity(now, pack))
            .max();
        let worst = worst.unwrap_or_default().number() as f64;
        self.alarms.evaluate(now, AlarmId::Sen, Some(worst));
        if self.balancing.due(now) {
            self.balance(&extremes);
        }
    }

    /// How bad the unusable channels of a pack are; a BMU that is silent or whose data is lost is another alarm's business.
    fn sensor_severity(&self, now: SimTime, pack: usize) -> Severity {
        let node = self.nodes.node(pack);
        let ids = &self.bmu_points[pack];
        if !self.hears_pack(now, pack) {
            return Severity::None;
        }
        let bad = |id: &PointId| node.points.reading(*id).quality != Quality::Valid;
        let adjacent = ids.cells.windows(2).any(|pair| pair.iter().all(bad));
        let channels = ids.cells.iter().chain(&ids.temperatures);
        let unusable = channels.clone().filter(|id| bad(id)).count();
        let share = 100.0 * unusable as f64 / channels.count().max(1) as f64;
        let [alarm, fault] = self.settings.sensor_share_pct;
        if share > fault {
            Severity::Fault
        } else if share > alarm || adjacent {
            Severity::Alarm
        } else if unusable > 0 {
            Severity::Warn
        } else {
            Severity::None
        }
    }

    /// Decides anew which cells bleed, and tells the BMUs.
    fn balance(&mut self, extremes: &Extremes) {
        let single = self.table.single;
        let settings = self.settings.balancing;
        let command = self.balance_command.filter(|_| self.addressed);
        let (Some(high), Some(low), Some(command)) = (extremes.cell_max, extremes.cell_min, command) else {
            return;
        };
        let resting_or_charging = self
            .points
            .get(single.current)
            .is_some_and(|a| a <= self.settings.charging_above_a);
        let was_on = self.points.is_on(single.balance_enable);
        let spread = if was_on { settings.stop_v } else { settings.start_v };
        let on = resting_or_charging && high > settings.above_v && high - low > spread;
        self.points.set_flag(single.balance_enable, on);
        if !on && !was_on {
            return;
        }
        let target = low + settings.stop_v;
        self.points.set(single.balance_target, target);
        for pack in 0..self.settings.packs {
            let image = &self.nodes.node(pack).points;
            let cells = self.bmu_points[pack]
                .cells
                .iter()
                .enumerate()
                .filter(|(_, id)| on && image.get(**id).is_some_and(|v| v > target))
                .fold(0_u64, |mask, (i, _)| mask | 1 << i);
            self.points.set(single.balance_cells, cells as f64);
            let frame = self
                .cluster_port
                .encode_to(command, &self.points, self.bmu_addresses[pack]);
            self.outbox.push(Output::Can {
                port: CLUSTER_PORT,
                frame,
            });
        }
    }

    /// Alarms and requests to contactors.
    fn control(&mut self, now: SimTime) {
        self.read_io(now);
        let inputs = self.inputs(now);
        self.sequence.step(now, &inputs);
        if matches!(self.sequence.state(), State::Unloading | State::Opening) {
            self.limit_to_zero();
        }
        self.publish_alarms();
        self.publish_sequence();
        self.write_io(now);
    }

    fn inputs(&self, now: SimTime) -> Inputs {
        let single = self.table.single;
        let points = &self.points;
        let fresh = self.io_fresh(now);
        let bau_lost = older_than(now, self.last_bau, self.settings.bau_lost_s);
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

    /// Charging allowed, discharging allowed, power reduced: what the active alarms leave.
    fn allowed(&self) -> (bool, bool, bool) {
        use AlarmId as Id;
        let (mut charge, mut discharge, mut reduced) = (true, true, false);
        for id in self.alarms.active(Severity::Alarm) {
            match (id, self.alarms.severity(id)) {
                (Id::Dt | Id::Pol | Id::Hvb, Severity::Alarm) => reduced = true,
                (Id::Cov | Id::Tov | Id::Cht | Id::Clt | Id::Sch, Severity::Alarm) => charge = false,
                (Id::Cuv | Id::Tuv | Id::Dht | Id::Dlt | Id::Scl, Severity::Alarm) => discharge = false,
                _ => (charge, discharge) = (false, false),
            }
        }
        (charge, discharge, reduced)
    }

    fn limit_to_zero(&mut self) {
        self.limiter.drop_to_zero();
        if self.defect != Some(Defect::StuckLimits) {
            self.points.set(self.table.single.charge_limit, 0.0);
            self.points.set(self.table.single.discharge_limit, 0.0);
        }
    }

    fn extremes(&self) -> Extremes {
        let mut found = Extremes::default();
        let (mut sum, mut cells) = (0.0, 0);
        for (pack, ids) in self.bmu_points.iter().enumerate() {
            let points = &self.nodes.node(pack).points;
            if let Some(v) = ids
                .cell_max(points)
                .filter(|v| found.cell_max.is_none_or(|m| *v > m))
            {
                (found.cell_max, found.cell_max_pack) = (Some(v), pack);
            }
            if let Some(v) = ids
                .cell_min(points)
                .filter(|v| found.cell_min.is_none_or(|m| *v < m))
            {
                (found.cell_min, found.cell_min_pack) = (Some(v), pack);
            }
            if let Some(v) = ids.voltage(points) {
                sum += v;
                cells += ids.cell_count;
            }
            if self.is_blind_to(pack) {
                continue;
            }
            let hot = ids.temperature_max(points);
            if let Some(t) = hot.filter(|t| found.temperature_max.is_none_or(|m| *t > m)) {
                (found.temperature_max, found.temperature_max_pack) = (Some(t), pack);
            }
            let cold = ids.temperature_min(points);
            if let Some(t) = cold.filter(|t| found.temperature_min.is_none_or(|m| *t < m)) {
                (found.temperature_min, found.temperature_min_pack) = (Some(t), pack);
            }
        }
        found.cell_mean = (cells > 0).then(|| sum / cells as f64);
        found
    }

    fn is_blind_to(&self, pack: usize) -> bool {
        self.defect == Some(Defect::IgnoresOneSensor) && pack == 0
    }

    fn publish_measurements(&mut self, now: SimTime, extremes: &Extremes) {
        let single = self.table.single;
        let measured = [
            (single.cluster_voltage, self.hv_points.cluster_voltage),
            (single.bus_voltage, self.hv_points.bus_voltage),
            (single.current, self.hv_points.current),
            (single.insulation, self.hv_points.insulation),
            (single.box_temperature, self.hv_points.box_temperature),
        ];
        let sensor = self.hv_points.current.node;
        let fresh = |node: usize| {
            let limit_s = if node == sensor {
                self.settings.hv_unit_lost_s
            } else {
                self.settings.hv_monitor_lost_s
            };
            !older_than(now, self.nodes.node(node).last_seen(), limit_s)
        };
        for (own, Measured { node, point }) in measured {
            self.points.put(own, self.nodes.node(node).points.reading(point));
            if !fresh(node) {
                self.points.invalidate(own);
            }
        }
        self.points.set_flag(single.hv_unit_online, fresh(sensor));
        let mut online = 0;
        for pack in 0..self.settings.packs {
            let heard = self.hears_pack(now, pack);
            online += u8::from(heard);
            self.points.set_flag(self.table.pack_online.at(pack), heard);
        }
        self.points.set(single.packs_online, f64::from(online));
        for (id, value) in [
            (single.cell_max, extremes.cell_max),
            (single.cell_min, extremes.cell_min),
            (single.cell_mean, extremes.cell_mean),
            (single.temperature_max, extremes.temperature_max),
            (single.temperature_min, extremes.temperature_min),
        ] {
            match value {
                Some(value) => self.points.set(id, value),
                None => self.points.invalidate(id),
            }
        }
    }

    /// Where the extremes are, and the mean temperature.
    fn publish_places(&mut self, extremes: &Extremes) {
        let single = self.table.single;
        let place = |pack: usize, highest: bool| {
            let (ids, image) = (&self.bmu_points[pack], &self.nodes.node(pack).points);
            let cells = ids.cells.iter().enumerate();
            let cells = cells.filter_map(|(i, id)| Some((i, image.get(*id)?)));
            let found = if highest {
                cells.max_by(|a, b| a.1.total_cmp(&b.1))
            } else {
                cells.min_by(|a, b| a.1.total_cmp(&b.1))
            };
            found.map_or(0.0, |(cell, _)| cell as f64 + 1.0)
        };
        let cell_max = place(extremes.cell_max_pack, true);
        let cell_min = place(extremes.cell_min_pack, false);
        let (mut sum, mut count) = (0.0, 0.0);
        for (pack, ids) in self
            .bmu_points
            .iter()
            .enumerate()
            .filter(|(p, _)| !self.is_blind_to(*p))
        {
            let image = &self.nodes.node(pack).points;
            for t in ids.temperatures.iter().filter_map(|id| image.get(*id)) {
                sum += t;
                count += 1.0;
            }
        }
        let number = |pack: usize| pack as f64 + 1.0;
        self.points.set(single.cell_max_cell, cell_max);
        self.points.set(single.cell_min_cell, cell_min);
        self.points
            .set(single.cell_max_pack, number(extremes.cell_max_pack));
        self.points
            .set(single.cell_min_pack, number(extremes.cell_min_pack));
        self.points
            .set(single.temperature_max_pack, number(extremes.temperature_max_pack));
        self.points
            .set(single.temperature_min_pack, number(extremes.temperature_min_pack));
        if count > 0.0 {
            self.points.set(single.temperature_mean, sum / count);
        }
    }

    fn publish_alarms(&mut self) {
        let single = self.table.single;
        let silent = self.defect == Some(Defect::SilentAlarm);
        let (worst, first) = if silent {
            (Severity::None, None)
        } else {
            self.alarms.worst()
        };
        self.points.set(single.alarm_level, worst.number() as f64);
        self.points
            .set(single.first_alarm, first.map_or(0, AlarmId::number) as f64);
        for (id, level) in [
            (single.alarms_warn, Severity::Warn),
            (single.alarms_alarm, Severity::Alarm),
            (single.alarms_fault, Severity::Fault),
        ] {
            let bits = if silent { 0 } else { self.alarms.bits(level) };
            self.points.set(id, f64::from(bits));
        }
        for (id, point) in AlarmId::ALL.into_iter().zip(self.table.alarms) {
            let severity = if silent {
                Severity::None
            } else {
                self.alarms.severity(id)
            };
            self.points.set(point, severity.number() as f64);
        }
    }

    fn publish_sequence(&mut self) {
        let single = self.table.single;
        let sequence = &self.sequence;
        let drive = sequence.drive();
        let blocking = sequence.blocking();
        let ready = sequence.state() == State::Open
            && blocking == Blocking::None
            && self.points.is_on(single.hv_unit_online);
        self.points.set(single.state, f64::from(sequence.state() as u8));
        self.points.set(single.blocking, f64::from(blocking as u8));
        self.points.set_flag(single.ready, ready);
        self.points.set_flag(single.coil_positive, drive.positive);
        self.points.set_flag(single.coil_negative, drive.negative);
        self.points.set_flag(single.coil_precharge, drive.precharge);
        self.points.set_flag(single.breaker_trip, sequence.breaker_trip());
        let online = !older_than(self.now, self.last_bau, self.settings.bau_lost_s);
        self.points.set_flag(single.bau_online, online);
    }

    fn io_fresh(&self, now: SimTime) -> bool {
        self.io.is_complete() && !older_than(now, self.io.last_seen(), self.settings.io_lost_s)
    }

    fn read_io(&mut self, now: SimTime) {
        let single = self.table.single;
        let fresh = self.io_fresh(now);
        self.points.set_flag(single.io_online, fresh);
        for (own, theirs) in [
            (single.main_positive, self.io_points.positive),
            (single.main_negative, self.io_points.negative),
            (single.precharge, self.io_points.precharge),
            (single.fuse, self.io_points.fuse),
            (single.breaker, self.io_points.breaker),
            (single.coil_supply, self.io_points.coil_supply),
        ] {
            self.points.put(own, self.io.points.reading(theirs));
            if !fresh {
                self.points.invalidate(own);
            }
        }
    }

    /// Writes the coils when they change, and again now and then to feed the I/O's watchdog.
    fn write_io(&mut self, now: SimTime) {
        let wanted = (self.sequence.drive(), self.sequence.breaker_trip());
        let refresh = self.io_refresh.due(now);
        if self.written == Some(wanted) && !refresh {
            return;
        }
        self.written = Some(wanted);
        let (drive, trip) = wanted;
        let value = |on: bool| f64::from(u8::from(on));
        self.io.write_many(&[
            (self.io_points.coil_positive, value(drive.positive)),
            (self.io_points.coil_negative, value(drive.negative)),
            (self.io_points.coil_precharge, value(drive.precharge)),
            (self.io_points.breaker_trip, value(trip)),
        ]);
    }

    /// The BAU has spoken. A counter that stands still is as good as silence.
    fn hear_bau(&mut self, now: SimTime) {
        let single = self.table.single;
        let counter = self.points.get(single.bau_life_counter);
        if counter != self.last_bau_counter {
            self.last_bau_counter = counter;
            self.last_bau = Some(now);
        }
        let request = self.points.reading(self.table.requests.at(self.cluster));
        self.points.put(single.request, request);
        let resets = self.points.get(single.bau_reset_counter);
        if self.last_reset_counter.is_some() && resets != self.last_reset_counter {
            self.sequence.reset();
            self.alarms.evaluate(now, AlarmId::Prc, Some(0.0));
            self.alarms.reset();
        }
        self.last_reset_counter = resets;
        self.control(now);
    }

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
}

impl Device for Bcu {
    fn senses(&self) -> &[Sense] {
        &[]
    }

    fn hears(&self, port: u8, id: CanId) -> bool {
        match port {
            CLUSTER_PORT => {
                self.nodes.owned_ids().any(|owned| owned == id)
                    || self.master.as_ref().is_some_and(|master| master.hears(id))
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
                self.outbox.push(Output::ModbusReply { token, reply: None });
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
                    self.outbox.push(Output::Line {
                        line: Line::EnableOut,
                        level: false,
                    });
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

/// What gives the BMUs their addresses, where they are not fixed.
fn master(
    config: &BcuConfig,
    settings: &BcuSettings,
    library: &Library,
    (table, ids): (&PointTable, Option<MasterPoints>),
) -> Result<Option<Box<dyn Master>>, ProductError> {
    let product = &config.product;
    if settings.addressing == Addressing::Fixed {
        return Ok(None);
    }
    let ids = ids.ok_or_else(|| {
        product.invalid_setting(
            "addressing",
            "the product has no CAN port `addressing`",
            "inherit it from bcu-396s, or leave addresses fixed",
        )
    })?;
    let serials = &config.serials;
    Ok(Some(match settings.addressing {
        Addressing::Lss => Box::new(LssMaster::new(ids, serials)),
        Addressing::J1939 => {
            settings.j1939.check(product)?;
            let mut names = Vec::new();
            for (bmu, serial) in config.bmus.iter().zip(serials) {
                let bmu = crate::bmu::Settings::of(&bmu.product)?;
                names.push(name_of_bmu(&bmu.j1939, *serial));
            }
            Box::new(ClaimMaster::new(ids, name_of_bcu(&settings.j1939), &names))
        }
        Addressing::Fixed | Addressing::EnableChain => {
            Box::new(ChainMaster::new(product, library, table, ids, serials)?)
        }
    }))
}

impl BmuPoints {
    fn find(product: &Product, node: &RemoteNode) -> Result<Self, ProductError> {
        let table = node.points.table();
        let row = |pattern: &str| -> (usize, Vec<PointId>) {
            let ids = table.find_row(pattern);
            let count = ids.len();
            // one that is left out of a row others are carried of is missed; a row nobody speaks of is not
            let is_carried = ids.iter().any(|id| node.transmits(*id));
            (count, if is_carried { ids } else { Vec::new() })
        };
        let (cell_count, cells) = row("cell[{}].voltage");
        let (sensor_count, temperatures) = row("temperature[{}]");
        let told = |name: &str, singles: &[PointId], single: &str| {
            let point = need(product, table, name)?;
            if node.transmits(point) {
                return Ok(Some(point));
            }
            if !singles.is_empty() {
                return Ok(None);
            }
            Err(product.invalid_setting(
                "message",
                &format!(
                    "no message carries `{name}`, nor `{single}` and so on, and the BCU needs one of them"
                ),
                "bind it in a [[can.transmit]] entry",
            ))
        };
        let of_cells = |name| told(name, &cells, "cell[0].voltage");
        let of_sensors = |name| told(name, &temperatures, "temperature[0]");
        let told = [
            of_cells("pack-voltage")?,
            of_cells("cell-voltage-max")?,
            of_cells("cell-voltage-min")?,
            of_sensors("temperature-max")?,
            of_sensors("temperature-min")?,
        ];
        let [voltage, cell_max, cell_min, temperature_max, temperature_min] = told;
        let used: Vec<PointId> = told
            .into_iter()
            .flatten()
            .chain(cells.iter().chain(&temperatures).copied())
            .collect();
        Ok(Self {
            data: node.cyclic_with(&used),
            voltage,
            cell_max,
            cell_min,
            temperature_max,
            temperature_min,
            cell_count,
            sensor_count,
            cells,
            temperatures,
            balance_map: table.find("balance-map").filter(|id| node.transmits(*id)),
        })
    }

    /// The packs are as the BCU's product says.
    fn check_size(&self, product: &Product, settings: &BcuSettings) -> Result<(), ProductError> {
        for (key, what, own, theirs) in [
            (
                "cells_per_pack",
                "cells",
                settings.cells_per_pack,
                self.cell_count,
            ),
            (
                "temperatures_per_pack",
                "temperature sensors",
                settings.temperatures_per_pack,
                self.sensor_count,
            ),
        ] {
            if own != theirs {
                return Err(product.invalid_setting(
                    key,
                    &format!("it is {own}, and a BMU of the cluster has {theirs} {what}"),
                    &format!("set {key} = {theirs} in the BCU's product, or give the cluster other BMUs"),
                ));
            }
        }
        Ok(())
    }

    /// Sum of all cells; none if one of them is not known.
    fn voltage(&self, image: &Points) -> Option<f64> {
        match self.voltage {
            Some(point) => image.get(point),
            None => self.cells.iter().map(|cell| image.get(*cell)).sum(),
        }
    }

    fn cell_max(&self, image: &Points) -> Option<f64> {
        told_or(self.cell_max, image, &self.cells, f64::max)
    }

    fn cell_min(&self, image: &Points) -> Option<f64> {
        told_or(self.cell_min, image, &self.cells, f64::min)
    }

    fn temperature_max(&self, image: &Points) -> Option<f64> {
        told_or(self.temperature_max, image, &self.temperatures, f64::max)
    }

    fn temperature_min(&self, image: &Points) -> Option<f64> {
        told_or(self.temperature_min, image, &self.temperatures, f64::min)
    }
}

/// What the node says, or the extreme of the single values it says.
fn told_or(
    told: Option<PointId>,
    image: &Points,
    singles: &[PointId],
    worse: fn(f64, f64) -> f64,
) -> Option<f64> {
    match told {
        Some(point) => image.get(point),
        None => singles.iter().filter_map(|id| image.get(*id)).reduce(worse),
    }
}

impl HvPoints {
    /// Finds them among the nodes behind the BMUs.
    fn find(config: &BcuConfig, nodes: &[RemoteNode]) -> Result<Self, ProductError> {
        let units = || {
            nodes
                .iter()
                .enumerate()
                .skip(config.bmus.len())
                .zip(&config.hv_units)
        };
        let find = |name: &str, needed: bool| {
            let mut first = None;
            for ((node, image), unit) in units() {
                let point = need(&unit.product, image.points.table(), name)?;
                if image.transmits(point) {
                    return Ok(Measured { node, point });
                }
                first.get_or_insert((Measured { node, point }, &unit.product));
            }
            match first {
                // nobody measures it, so it never has a value
                Some((nowhere, _)) if !needed => Ok(nowhere),
                Some((_, product)) => Err(product.invalid_setting(
                    "message",
                    &format!("no measuring unit of the cluster sends `{name}`"),
                    "bind it in a [[can.transmit]] entry, or add a measuring unit that sends it",
                )),
                None => Err(config.product.invalid_setting(
                    "hv_unit_lost_s",
                    "the rig gives this cluster no measuring unit",
                    "add an [[hv_unit]] on its cluster bus",
                )),
            }
        };
        Ok(Self {
            cluster_voltage: find("cluster-voltage", true)?,
            bus_voltage: find("bus-voltage", true)?,
            current: find("current", true)?,
            insulation: find("insulation-resistance", false)?,
            box_temperature: find("box-temperature", false)?,
        })
    }
}

/// What a BCU uses of the box's remote I/O.
const USED_OF_IO: [&str; 10] = [
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
        ] = needed(product, table, USED_OF_IO)?;
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

fn difference(high: Option<f64>, low: Option<f64>) -> Option<f64> {
    Some(high? - low?)
}

fn quirks(defect: Option<Defect>) -> Quirks {
    Quirks {
        ignores_coil_supply: defect == Some(Defect::IgnoredEstop),
        skips_precharge: defect == Some(Defect::NoPrecharge),
        ignores_gap: defect == Some(Defect::ClosesOntoVoltageGap),
        late_by: if defect == Some(Defect::LateTrip) {
            Duration::from_secs(3)
        } else {
            Duration::ZERO
        },
    }
}

/// [`Defect::WrongThreshold`].
fn raise_faults(alarms: &mut AlarmTable) {
    for (id, by) in [(AlarmId::Cov, 0.15), (AlarmId::Cht, 15.0)] {
        if let Some(fault) = alarms.get_mut(&id).and_then(|alarm| alarm.fault.as_mut()) {
            fault.set += by;
        }
    }
}
