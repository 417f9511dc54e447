//! EMS: the controller of the site.
//!
//! It starts the battery, then the PCS, then ramps power to what the operator wants within what the battery
//! allows; it stops in the reverse order. A grid trip it sits out, because the PCS comes back by itself.
//! Anything the battery stopped for needs the operator: reset, then start. Modbus server: operator block.
//! Modbus peers: 0 BAU, 1 PCS, 2 meter.

pub mod points;

use std::sync::Arc;

use bess_types::SimTime;
use serde::Deserialize;

use self::points::EmsPoints;
use crate::bau::Stack;
use crate::codec::modbus::{ModbusPeer, ModbusServer};
use crate::controller::{Supply, Tick, Watch, need, needed, older_than};
use crate::library::Library;
use crate::outbox::Outbox;
use crate::product::{Product, ProductError};
use crate::protection::seconds;
use crate::{Device, DeviceFault, Input, Output, PointId, PointTable, Points, Sense, UnsupportedFault};

/// Modbus peer number of the BAU.
pub const BAU_PEER: u8 = 0;
/// Modbus peer number of the PCS.
pub const PCS_PEER: u8 = 1;
/// Modbus peer number of the meter.
pub const METER_PEER: u8 = 2;

/// How one EMS is wired.
#[derive(Clone, Debug)]
pub struct EmsConfig {
    /// EMS.
    pub product: Arc<Product>,
    /// BAU.
    pub bau: Arc<Product>,
    /// PCS.
    pub pcs: Arc<Product>,
    /// Meter at the point of interconnection.
    pub meter: Arc<Product>,
}

/// Settings of one EMS product.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmsSettings {
    /// Highest power asked of the PCS in either direction, W.
    pub max_power_w: f64,
    /// Ramp of the power asked, W/s.
    pub ramp_w_per_s: f64,
    /// No charging from this state of charge on, %.
    pub soc_max_pct: f64,
    /// No discharging from this state of charge down, %.
    pub soc_min_pct: f64,
    /// Efficiency taken when a DC limit is turned into AC power, 0 to 1.
    pub efficiency: f64,
    /// Share of the missing grid power added in each evaluation in auto mode, 0 to 1.
    pub auto_gain: f64,
    /// Period of evaluation, s; a changed set-point goes out at most this late.
    pub evaluation_s: f64,
    /// Polling period of the servers, s.
    pub poll_s: f64,
    /// Answer time-out of the servers, s.
    pub answer_timeout_s: f64,
    /// Silence of the BAU, or a still heartbeat, that trips the site, s.
    pub bau_lost_s: f64,
    /// Silence of the PCS that trips the site, s.
    pub pcs_lost_s: f64,
    /// Silence of the meter after which auto mode goes to 0, s.
    pub meter_lost_s: f64,
    /// How long the battery may take to connect, s.
    pub battery_start_s: f64,
    /// How long the PCS may take to run, s.
    pub pcs_start_s: f64,
    /// Period in which commands to the battery and the PCS are repeated, s.
    pub repeat_s: f64,
    /// Ramp to 0 in a stop takes at most this long, s.
    pub ramp_down_s: f64,
    /// PCS power that counts as none, W.
    pub idle_power_w: f64,
    /// How long PCS and battery may take to stop, s.
    pub stop_wait_s: f64,
}

/// Where the site stands. Order as in [`points::STATES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing asked.
    Stopped,
    /// Clusters are closing.
    StartingBattery,
    /// PCS is starting.
    StartingPcs,
    /// Following the set-point.
    Running,
    /// PCS was taken off by the grid; it will come back.
    GridLost,
    /// Power goes to 0.
    RampingDown,
    /// PCS is stopping.
    StoppingPcs,
    /// Clusters are opening.
    StoppingBattery,
    /// Stopped by something else; needs a reset.
    Tripped,
}

/// Why it was tripped. Order as in [`points::BLOCKING`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blocking {
    None,
    BatteryOffline,
    BatteryStopped,
    BatteryStartFailed,
    PcsOffline,
    PcsFault,
    PcsStartFailed,
}

/// The points every EMS has.
pub fn point_table() -> PointTable {
    points::table().0
}

/// The controller of one site.
#[derive(Debug)]
pub struct Ems {
    settings: EmsSettings,
    ids: EmsPoints,
    points: Points,
    watch: Watch,
    outbox: Outbox,
    supply: Supply,
    frozen: bool,
    server: ModbusServer,
    bau: ModbusPeer,
    bau_points: BauPeer,
    pcs: ModbusPeer,
    pcs_points: PcsPeer,
    meter: ModbusPeer,
    meter_power: PointId,
    tick: Tick,
    beat: Tick,
    repeat: Tick,
    now: SimTime,
    started: SimTime,
    state: State,
    since: SimTime,
    blocking: Blocking,
    applied_w: f64,
    evaluated: SimTime,
    told: Option<[f64; 2]>,
    bau_beat: (Option<f64>, SimTime),
    pcs_beat: u32,
}

#[derive(Clone, Copy, Debug)]
struct BauPeer {
    stack_state: PointId,
    heartbeat: PointId,
    soc: PointId,
    voltage: PointId,
    charge_max: PointId,
    discharge_max: PointId,
    command: PointId,
    controller_heartbeat: PointId,
}

#[derive(Clone, Copy, Debug)]
struct PcsPeer {
    state: PointId,
    trip_cause: PointId,
    active_power: PointId,
    reactive_power: PointId,
    command: PointId,
    power_enable: PointId,
    power_mode: PointId,
    power_setpoint: PointId,
    reactive_enable: PointId,
    reactive_mode: PointId,
    reactive_setpoint: PointId,
    controller_heartbeat: PointId,
}

impl Ems {
    /// Builds an EMS in its power-up state; it starts with its first input.
    ///
    /// # Errors
    /// If a product does not fit: another kind, or missing points.
    pub fn new(config: &EmsConfig, library: &Library) -> Result<Self, ProductError> {
        let settings: EmsSettings = config.product.settings()?;
        let (table, ids) = points::table();
        let (poll, timeout) = (seconds(settings.poll_s), seconds(settings.answer_timeout_s));
        let peer = |number, product: &Product| ModbusPeer::new(number, product, library, poll, timeout);
        let mut bau = peer(BAU_PEER, &config.bau)?;
        let bau_points = BauPeer::find(&config.bau, bau.points.table())?;
        bau.limit_to(&BauPeer::POLLED);
        let mut pcs = peer(PCS_PEER, &config.pcs)?;
        let pcs_points = PcsPeer::find(&config.pcs, pcs.points.table())?;
        pcs.limit_to(&PcsPeer::POLLED);
        let mut meter = peer(METER_PEER, &config.meter)?;
        let meter_power = need(&config.meter, meter.points.table(), "active-power")?;
        meter.limit_to(&["active-power"]);
        let noted = ["mode", "state", "blocking", "stack-state", "pcs-state"]
            .into_iter()
            .chain(["power-setpoint", "reactive-power-setpoint", "grid-power-target"])
            .chain(["bau-online", "pcs-online", "meter-online"]);
        Ok(Self {
            watch: Watch::new(&table, noted),
            server: ModbusServer::of_product(&config.product, library, &table)?,
            points: Points::new(table.into()),
            ids,
            outbox: Outbox::default(),
            supply: Supply::ColdStart,
            frozen: false,
            bau,
            bau_points,
            pcs,
            pcs_points,
            meter,
            meter_power,
            tick: Tick::new(settings.evaluation_s),
            beat: Tick::new(1.0),
            repeat: Tick::new(settings.repeat_s),
            now: SimTime::ZERO,
            started: SimTime::ZERO,
            state: State::Stopped,
            since: SimTime::ZERO,
            blocking: Blocking::None,
            applied_w: 0.0,
            evaluated: SimTime::ZERO,
            told: None,
            bau_beat: (None, SimTime::ZERO),
            pcs_beat: 0,
            settings,
        })
    }

    fn start_up(&mut self, now: SimTime) {
        self.supply = Supply::On;
        self.points = Points::new(self.points.table().clone());
        for tick in [&mut self.tick, &mut self.beat, &mut self.repeat] {
            tick.start(now);
        }
        for client in [&mut self.bau, &mut self.pcs, &mut self.meter] {
            client.restart(now);
        }
        (self.started, self.since, self.evaluated) = (now, now, now);
        (self.state, self.blocking) = (State::Stopped, Blocking::None);
        (self.applied_w, self.told) = (0.0, None);
        self.server.restart();
        self.bau_beat = (None, now);
        let ids = self.ids;
        for id in [
            ids.mode,
            ids.power_setpoint,
            ids.reactive_setpoint,
            ids.grid_target,
        ] {
            self.points.set(id, 0.0);
        }
        for id in [ids.command, ids.heartbeat] {
            self.points.set(id, 0.0);
        }
    }

    fn evaluate(&mut self, now: SimTime) {
        self.read(now);
        self.watch_for_trips(now);
        let repeat = self.repeat.due(now);
        self.advance(now, repeat);
        self.apply(now);
        let ids = self.ids;
        self.points.set(ids.state, f64::from(self.state as u8));
        self.points.set(ids.blocking, f64::from(self.blocking as u8));
        self.points.set(ids.applied, self.applied_w);
        if self.beat.due(now) {
            self.beat(now);
        }
    }

    /// Images to own points.
    fn read(&mut self, now: SimTime) {
        let (ids, settings) = (self.ids, &self.settings);
        let heartbeat = self.bau.points.get(self.bau_points.heartbeat);
        if heartbeat != self.bau_beat.0 {
            self.bau_beat = (heartbeat, now);
        }
        let beat_still = older_than(now, Some(self.bau_beat.1), settings.bau_lost_s);
        let lost = |client: &ModbusPeer, limit_s| {
            older_than(now, client.last_seen().max(Some(self.started)), limit_s)
        };
        let bau_online = !lost(&self.bau, settings.bau_lost_s) && !beat_still;
        let pcs_online = !lost(&self.pcs, settings.pcs_lost_s);
        let meter_online = !lost(&self.meter, settings.meter_lost_s);
        self.points.set_flag(ids.bau_online, bau_online);
        self.points.set_flag(ids.pcs_online, pcs_online);
        self.points.set_flag(ids.meter_online, meter_online);
        let (bau, pcs) = (&self.bau.points, &self.pcs.points);
        for (own, reading) in [
            (ids.stack_state, bau.reading(self.bau_points.stack_state)),
            (ids.soc, bau.reading(self.bau_points.soc)),
            (ids.pcs_state, pcs.reading(self.pcs_points.state)),
            (ids.active_power, pcs.reading(self.pcs_points.active_power)),
            (ids.reactive_power, pcs.reading(self.pcs_points.reactive_power)),
            (ids.grid_power, self.meter.points.reading(self.meter_power)),
        ] {
            self.points.put(own, reading);
        }
        let volts = bau.get(self.bau_points.voltage).unwrap_or(0.0);
        let amperes = |id| bau.get(id).unwrap_or(0.0);
        let soc = bau.get(self.bau_points.soc);
        let may_charge = soc.is_some_and(|soc| soc < settings.soc_max_pct);
        let may_discharge = soc.is_some_and(|soc| soc > settings.soc_min_pct);
        let limit = |allowed: bool, dc_w: f64| {
            if allowed {
                dc_w.min(settings.max_power_w)
            } else {
                0.0
            }
        };
        let charge = limit(
            may_charge,
            volts * amperes(self.bau_points.charge_max) / settings.efficiency,
        );
        let discharge = limit(
            may_discharge,
            volts * amperes(self.bau_points.discharge_max) * settings.efficiency,
        );
        self.points.set(ids.charge_power, charge);
        self.points.set(ids.discharge_power, discharge);
    }

    /// What ends a run at once.
    fn watch_for_trips(&mut self, now: SimTime) {
        if matches!(self.state, State::Stopped | State::Tripped) {
            return;
        }
        let stack = self.points.get(self.ids.stack_state);
        let stopped = [Stack::Fault, Stack::Fire, Stack::EmergencyStop];
        let battery_stopped = stopped.iter().any(|s| stack == Some(f64::from(*s as u8)));
        let closing = matches!(self.state, State::StartingBattery | State::StoppingBattery);
        let battery_left = !closing && !self.stack_is(Stack::Connected);
        let pcs_fault = matches!(self.state, State::Running | State::GridLost)
            && self.pcs_is("fault")
            && !self.tripped_by_grid();
        let blocking = if !self.points.is_on(self.ids.bau_online) {
            Blocking::BatteryOffline
        } else if battery_stopped || battery_left {
            Blocking::BatteryStopped
        } else if !self.points.is_on(self.ids.pcs_online) {
            Blocking::PcsOffline
        } else if pcs_fault {
            Blocking::PcsFault
        } else {
            return;
        };
        self.trip(blocking, now);
    }

    fn trip(&mut self, blocking: Blocking, now: SimTime) {
        self.enter(State::Tripped, now);
        self.blocking = blocking;
        self.applied_w = 0.0;
        self.pcs.write(self.pcs_points.command, 2.0);
        if blocking != Blocking::BatteryStopped {
            self.bau.write(self.bau_points.command, 2.0);
        }
    }

    /// Says stop again to what has not stopped: the first one may have been lost with the link.
    fn hold_off(&mut self) {
        let pcs_stopped = ["off", "stopping", "fault"]
            .iter()
            .any(|state| self.pcs_is(state));
        if self.points.is_on(self.ids.pcs_online) && !pcs_stopped {
            self.pcs.write(self.pcs_points.command, 2.0);
        }
        let battery_on = self.stack_is(Stack::Connected) || self.stack_is(Stack::Starting);
        let ours_to_stop = self.blocking != Blocking::BatteryStopped;
        if self.points.is_on(self.ids.bau_online) && battery_on && ours_to_stop {
            self.bau.write(self.bau_points.command, 2.0);
        }
    }

    fn advance(&mut self, now: SimTime, repeat: bool) {
        let settings = &self.settings;
        let elapsed = now - self.since;
        let late = |limit_s| elapsed >= seconds(limit_s);
        match self.state {
            State::StartingBattery => {
                if self.stack_is(Stack::Connected) {
                    self.enter(State::StartingPcs, now);
                } else if late(settings.battery_start_s) {
                    self.trip(Blocking::BatteryStartFailed, now);
                } else if repeat && self.stack_is(Stack::Standby) {
                    self.bau.write(self.bau_points.command, 1.0);
                }
            }
            State::StartingPcs => {
                if self.pcs_is("running") {
                    self.enter(State::Running, now);
                } else if late(settings.pcs_start_s) {
                    self.trip(Blocking::PcsStartFailed, now);
                } else if repeat && self.pcs_is("fault") {
                    self.pcs.write(self.pcs_points.command, 3.0);
                } else if repeat && self.pcs_is("off") {
                    self.pcs.write(self.pcs_points.command, 1.0);
                }
            }
            State::Running if !self.pcs_is("running") => self.enter(State::GridLost, now),
            State::GridLost if self.pcs_is("running") => self.enter(State::Running, now),
            // Off or latched, it will not come back; while it waits for the grid it is starting.
            State::GridLost if late(settings.pcs_start_s) && (self.pcs_is("off") || self.pcs_is("fault")) => {
                self.trip(Blocking::PcsFault, now);
            }
            State::Tripped if repeat => self.hold_off(),
            State::Stopped | State::Tripped | State::Running | State::GridLost => {}
            State::RampingDown => {
                let power = self.points.get(self.ids.active_power);
                let idle = self.applied_w == 0.0 && power.is_some_and(|w| w.abs() < settings.idle_power_w);
                if idle || late(settings.ramp_down_s) {
                    self.pcs.write(self.pcs_points.command, 2.0);
                    self.enter(State::StoppingPcs, now);
                }
            }
            State::StoppingPcs => {
                if self.pcs_is("off") || self.pcs_is("fault") || late(settings.stop_wait_s) {
                    self.bau.write(self.bau_points.command, 2.0);
                    self.enter(State::StoppingBattery, now);
                } else if repeat {
                    self.pcs.write(self.pcs_points.command, 2.0);
                }
            }
            State::StoppingBattery => {
                if self.stack_is(Stack::Standby) || late(settings.stop_wait_s) {
                    self.enter(State::Stopped, now);
                } else if repeat {
                    self.bau.write(self.bau_points.command, 2.0);
                }
            }
        }
    }

    /// Ramps the power asked to what is wanted and allowed, and tells the PCS when it changed.
    fn apply(&mut self, now: SimTime) {
        let dt = (now - self.evaluated).as_secs_f64();
        self.evaluated = now;
        let wanted = if self.state == State::Running {
            self.wanted_w()
        } else {
            0.0
        };
        let charge = self.points.get(self.ids.charge_power).unwrap_or(0.0);
        let discharge = self.points.get(self.ids.discharge_power).unwrap_or(0.0);
        let step = self.settings.ramp_w_per_s * dt;
        let ramped = wanted.clamp(self.applied_w - step, self.applied_w + step);
        self.applied_w = match self.state {
            // A falling limit is followed at once, whatever the ramp.
            State::Running | State::RampingDown => ramped.clamp(-charge, discharge),
            _ => 0.0,
        };
        let reactive = match self.state {
            State::Running => self.points.get(self.ids.reactive_setpoint).unwrap_or(0.0),
            _ => 0.0,
        };
        let message = [self.applied_w.round(), reactive];
        if self.told != Some(message) {
            self.told = Some(message);
            self.tell_pcs(message);
        }
    }

    fn wanted_w(&self) -> f64 {
        let get = |id| self.points.get(id).unwrap_or(0.0);
        let (ids, settings) = (self.ids, &self.settings);
        let mode = get(ids.mode);
        if mode == 1.0 {
            get(ids.power_setpoint).clamp(-settings.max_power_w, settings.max_power_w)
        } else if mode == 2.0 && self.points.is_on(ids.meter_online) {
            let missing = get(ids.grid_target) - get(ids.grid_power);
            (self.applied_w + settings.auto_gain * missing).clamp(-settings.max_power_w, settings.max_power_w)
        } else {
            0.0
        }
    }

    fn tell_pcs(&mut self, [power, reactive]: [f64; 2]) {
        let ids = self.pcs_points;
        self.pcs.write_many(&[
            (ids.power_enable, 1.0),
            (ids.power_mode, 1.0),
            (ids.power_setpoint, power),
            (ids.reactive_enable, 1.0),
            (ids.reactive_mode, 4.0),
            (ids.reactive_setpoint, reactive),
        ]);
    }

    /// Once a second: heartbeats, and the set-point again.
    fn beat(&mut self, now: SimTime) {
        if let Some(message) = self.told {
            self.tell_pcs(message);
        }
        if self.frozen {
            return;
        }
        let id = self.ids.heartbeat;
        self.points.count(id);
        let beat = self.points.get(id).unwrap_or(0.0);
        self.pcs_beat = self.pcs_beat.checked_add(1).unwrap_or(1);
        self.pcs
            .write(self.pcs_points.controller_heartbeat, f64::from(self.pcs_beat));
        if !older_than(now, self.bau.last_seen(), self.settings.bau_lost_s) {
            self.bau.write(self.bau_points.controller_heartbeat, beat);
        }
    }

    fn on_written(&mut self, now: SimTime, written: &[PointId]) {
        if !written.contains(&self.ids.command) {
            return;
        }
        let command = self.points.get(self.ids.command).unwrap_or(0.0);
        self.points.set(self.ids.command, 0.0);
        match command {
            1.0 if self.state == State::Stopped => {
                self.enter(State::StartingBattery, now);
                self.repeat.start(now);
            }
            // Nothing runs yet, so there is nothing to ramp down.
            2.0 if self.state == State::StartingBattery => {
                self.bau.write(self.bau_points.command, 2.0);
                self.enter(State::StoppingBattery, now);
            }
            2.0 if matches!(self.state, State::StartingPcs | State::Running | State::GridLost) => {
                self.enter(State::RampingDown, now);
            }
            3.0 if self.state == State::Tripped => {
                self.pcs.write(self.pcs_points.command, 3.0);
                self.enter(State::Stopped, now);
            }
            _ => {}
        }
        self.evaluate(now);
    }

    fn enter(&mut self, state: State, now: SimTime) {
        self.state = state;
        self.since = now;
        self.blocking = Blocking::None;
    }

    fn stack_is(&self, state: Stack) -> bool {
        self.points.get(self.ids.stack_state) == Some(f64::from(state as u8))
    }

    fn pcs_is(&self, name: &str) -> bool {
        let state = crate::pcs::points::STATES.iter().position(|state| *state == name);
        self.points.get(self.ids.pcs_state) == state.map(|i| i as f64)
    }

    /// The PCS names the grid as what it tripped for.
    fn tripped_by_grid(&self) -> bool {
        let cause = self.pcs.points.get(self.pcs_points.trip_cause);
        let causes = crate::pcs::points::CAUSES.iter().enumerate();
        causes
            .filter(|(_, name)| name.contains("grid"))
            .any(|(i, _)| cause == Some(i as f64))
    }
}

impl Device for Ems {
    fn senses(&self) -> &[Sense] {
        &[]
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
                let _ours = self.bau.on_reply(now, token, reply)
                    || self.pcs.on_reply(now, token, reply)
                    || self.meter.on_reply(now, token, reply);
            }
            Input::Wake | Input::Sensed { .. } | Input::Can { .. } | Input::Line { .. } => {}
        }
        if self.tick.due(now) {
            self.evaluate(now);
        }
        let mut reverted = Vec::new();
        self.server.tick(now, &mut self.points, &mut reverted);
        self.on_written(now, &reverted);
        for client in [&mut self.bau, &mut self.pcs, &mut self.meter] {
            while let Some(request) = client.poll_output(now) {
                self.outbox.push(request);
            }
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
            Supply::On => [&self.bau, &self.pcs, &self.meter]
                .into_iter()
                .map(ModbusPeer::next_due)
                .fold(self.tick.next().min(self.server.next_due()), SimTime::min),
        }
    }

    fn supports(&self, fault: &DeviceFault) -> bool {
        fault.is_of_supply() || fault.is_of_counters()
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
            DeviceFault::FreezeCounters => self.frozen = true,
            DeviceFault::UnfreezeCounters => self.frozen = false,
            other => return Err(UnsupportedFault { fault: *other }),
        }
        Ok(())
    }

    fn points(&self) -> &Points {
        &self.points
    }
}

/// What an EMS uses of a BAU.
pub(crate) const USED_OF_BAU: [&str; 8] = [
    "stack-state",
    "heartbeat",
    "soc",
    "voltage",
    "charge-current-max",
    "discharge-current-max",
    "command",
    "controller-heartbeat",
];

impl BauPeer {
    const POLLED: [&'static str; 6] = [
        "stack-state",
        "heartbeat",
        "soc",
        "voltage",
        "charge-current-max",
        "discharge-current-max",
    ];

    fn find(product: &Product, table: &PointTable) -> Result<Self, ProductError> {
        let [
            stack_state,
            heartbeat,
            soc,
            voltage,
            charge_max,
            discharge_max,
            command,
            controller_heartbeat,
        ] = needed(product, table, USED_OF_BAU)?;
        Ok(Self {
            stack_state,
            heartbeat,
            soc,
            voltage,
            charge_max,
            discharge_max,
            command,
            controller_heartbeat,
        })
    }
}

/// What an EMS uses of a PCS.
pub(crate) const USED_OF_PCS: [&str; 12] = [
    "pcs-state",
    "trip-cause",
    "active-power",
    "reactive-power",
    "command",
    "active-power-enable",
    "active-power-mode",
    "active-power-setpoint",
    "reactive-power-enable",
    "reactive-power-mode",
    "reactive-power-setpoint",
    "controller-heartbeat",
];

impl PcsPeer {
    const POLLED: [&'static str; 4] = ["pcs-state", "trip-cause", "active-power", "reactive-power"];

    fn find(product: &Product, table: &PointTable) -> Result<Self, ProductError> {
        let [
            state,
            trip_cause,
            active_power,
            reactive_power,
            command,
            power_enable,
            power_mode,
            power_setpoint,
            reactive_enable,
            reactive_mode,
            reactive_setpoint,
            controller_heartbeat,
        ] = needed(product, table, USED_OF_PCS)?;
        Ok(Self {
            state,
            trip_cause,
            active_power,
            reactive_power,
            command,
            power_enable,
            power_mode,
            power_setpoint,
            reactive_enable,
            reactive_mode,
            reactive_setpoint,
            controller_heartbeat,
        })
    }
}

#[cfg(test)]
mod tests;
