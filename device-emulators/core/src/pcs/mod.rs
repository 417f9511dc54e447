//! Power conversion system: SunSpec server, grid protection, and the state machine between battery and grid.
//!
//! It stands between two masters. The BMS gives current limits, a permit and a heartbeat through the vendor
//! registers; the EMS gives set points through SunSpec 704 and 715. Two hard-wired lines stand above both: with
//! either of them open the gate is blocked before [`Device::accept`] returns, and nothing but an explicit start
//! brings the machine back.
//!
//! A product with a CAN port `bms` (port 0) takes the battery's limits from that bus instead.
//!
//! Reading order: [`settings`], [`grid`] (protection), [`watch`] (heartbeats), [`der`] (grid support), then this file from
//! [`Pcs::cycle`].

mod bms_bus;
pub mod der;
pub mod grid;
pub mod points;
pub mod settings;
pub mod watch;

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use bess_types::{Actuation, CanId, Channel, Line, ModbusRequest, Reading, SimTime};

use self::bms_bus::BmsBus;
use self::der::curves::Adoption;
use self::der::{Der, Grid, Moment};
use self::grid::{GridProtection, GridSample, GridTrip};
use self::points::{CAUSES, PcsPoints, STATES};
use self::settings::{Settings, seconds};
use self::watch::{LifeSign, Link};
use crate::codec::modbus::{ModbusAccess, ModbusServer};
use crate::library::Library;
use crate::product::{Product, ProductError};
use crate::{
    Device, DeviceFault, Input, Output, PointId, PointTable, Points, Sense, Token, UnsupportedFault,
};

/// CAN port towards the battery, of a product that has it.
pub const BMS_PORT: u8 = 0;

/// Control cycle: protection, power targets and state machine.
const CYCLE: Duration = Duration::from_millis(10);
/// Period of the life counter.
const LIFE: Duration = Duration::from_secs(1);

/// The points a PCS of this product has.
///
/// # Errors
/// If the settings do not read as those of a PCS.
pub fn point_table(product: &Product) -> Result<PointTable, ProductError> {
    let has_bms_bus = product.can_port(bms_bus::PORT).is_ok();
    Ok(points::table(&product.settings()?, has_bms_bus).0)
}

/// State of the machine; numbers as in [`points::STATES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Disconnected, no start asked for.
    Off,
    /// Start asked for: waits for DC voltage, BMS and grid, then connects.
    Starting,
    /// Connected, gate blocked.
    Standby,
    /// Connected, following its set point.
    Running,
    /// Ramping down.
    Stopping,
    /// Disconnected and latched.
    Fault,
}

impl State {
    const fn number(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::Starting => 1,
            Self::Standby => 2,
            Self::Running => 3,
            Self::Stopping => 4,
            Self::Fault => 5,
        }
    }
}

/// What tripped the machine; numbers as in [`points::CAUSES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nothing.
    None,
    /// Hard-wired safety chain opened.
    SafetyChain,
    /// Hard-wired BMS permit opened.
    BmsPermitLine,
    /// BMS heartbeat stood still.
    BmsHeartbeat,
    /// A grid protection element.
    Grid(GridTrip),
    /// DC voltage above range.
    DcOverVoltage,
    /// DC voltage below range.
    DcUnderVoltage,
    /// Cabinet too hot.
    OverTemperature,
    /// AC contactor does not follow.
    AcContactor,
    /// DC voltage or BMS did not come in time after a start.
    PrecheckTimeout,
    /// A measurement it cannot do without is gone.
    Measurement,
}

impl Cause {
    const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::SafetyChain => 1,
            Self::BmsPermitLine => 2,
            Self::BmsHeartbeat => 3,
            Self::Grid(GridTrip::OverVoltage) => 4,
            Self::Grid(GridTrip::UnderVoltage) => 5,
            Self::Grid(GridTrip::OverFrequency) => 6,
            Self::Grid(GridTrip::UnderFrequency) => 7,
            Self::Grid(GridTrip::LossOfGrid) => 8,
            Self::DcOverVoltage => 9,
            Self::DcUnderVoltage => 10,
            Self::OverTemperature => 11,
            Self::AcContactor => 12,
            Self::PrecheckTimeout => 13,
            Self::Measurement => 14,
        }
    }

    fn name(self) -> &'static str {
        CAUSES[usize::from(self.number())]
    }

    /// An outside cause that is gone needs no reset of the PCS itself: a new start is the deliberate act.
    const fn cleared_by_start(self) -> bool {
        matches!(
            self,
            Self::None | Self::SafetyChain | Self::BmsPermitLine | Self::BmsHeartbeat | Self::Grid(_)
        )
    }

    /// SunSpec 701 `Alrm` / 103 `Evt1` bit; bit 16 is the manufacturer's own.
    const fn alarm_bit(self) -> u32 {
        match self {
            Self::None => 0,
            Self::DcOverVoltage => 1 << 1,
            Self::AcContactor => 1 << 2,
            Self::DcUnderVoltage => 1 << 3,
            Self::Grid(GridTrip::LossOfGrid) => 1 << 4,
            Self::SafetyChain => 1 << 6,
            Self::OverTemperature => 1 << 7,
            Self::Grid(GridTrip::OverFrequency) => 1 << 8,
            Self::Grid(GridTrip::UnderFrequency) => 1 << 9,
            Self::Grid(GridTrip::OverVoltage) => 1 << 10,
            Self::Grid(GridTrip::UnderVoltage) => 1 << 11,
            Self::BmsPermitLine | Self::BmsHeartbeat | Self::PrecheckTimeout | Self::Measurement => 1 << 16,
        }
    }
}

/// How far a start has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// DC voltage and BMS, until the deadline.
    Precheck { deadline: SimTime },
    /// Enter-service window and delay.
    GridWait,
    /// Synchronising.
    Sync { until: SimTime },
    /// AC contactor driven, feedback awaited.
    Closing,
}

/// Last samples of what it is wired to.
#[derive(Clone, Copy, Debug, Default)]
struct Sampled {
    phases: Option<[f64; 3]>,
    frequency: Option<f64>,
    active_power: Option<f64>,
    reactive_power: Option<f64>,
    dc_voltage: Option<f64>,
    dc_current: Option<f64>,
    ac_contactor: Option<bool>,
    cabinet: Option<f64>,
}

/// The power stage's drive, as last sent to the plant.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
struct Drive {
    gate: bool,
    ac_contactor: bool,
    power: f64,
    reactive: f64,
}

/// One PCS.
#[derive(Debug)]
pub struct Pcs {
    settings: Settings,
    ids: PcsPoints,
    server: ModbusServer,
    points: Points,
    outputs: VecDeque<Output>,
    written: Vec<PointId>,
    senses: [Sense; 8],

    powered: bool,
    frozen: bool,
    next_cycle: SimTime,
    last_cycle: Option<SimTime>,
    next_life: SimTime,

    sampled: Sampled,
    safety_ok: bool,
    bms_permit_line: bool,
    bms: LifeSign,
    bms_bus: Option<BmsBus>,
    ems: LifeSign,
    grid: GridProtection,
    der: Der,

    state: State,
    step: Step,
    cause: Cause,
    /// Standby was asked for by command.
    standby_asked: bool,
    stop_deadline: SimTime,
    /// When it last entered service.
    entered: Option<SimTime>,
    dc_bad_since: Option<SimTime>,
    blind_since: Option<SimTime>,
    contactor_wrong_since: Option<SimTime>,
    drive: Drive,
    sent: Option<Drive>,
}

impl Pcs {
    /// A PCS as the product describes, just powered up.
    ///
    /// # Errors
    /// If the product's settings or register map do not read.
    pub fn new(product: &Product, library: &Library) -> Result<Self, ProductError> {
        let settings: Settings = product.settings()?;
        let (table, ids, bus_ids, der) = points::table(&settings, product.can_port(bms_bus::PORT).is_ok());
        let bms_bus = match bus_ids {
            Some(bus_ids) => Some(BmsBus::new(product, library, &table, bus_ids)?),
            None => None,
        };
        let server = ModbusServer::of_product(product, library, &table)?;
        let ms = Duration::from_millis;
        let sense = |channel, period| Sense { channel, period };
        let senses = [
            sense(Channel::GridVoltages, ms(10)),
            sense(Channel::GridFrequency, ms(10)),
            sense(Channel::ActivePower, ms(10)),
            sense(Channel::ReactivePower, ms(10)),
            sense(Channel::ConverterDcVoltage, ms(10)),
            sense(Channel::ConverterDcCurrent, ms(10)),
            sense(Channel::AcContactorClosed, ms(10)),
            sense(Channel::ConverterTemperature, ms(1000)),
        ];
        let mut pcs = Self {
            ids,
            server,
            points: Points::new(Arc::new(table)),
            outputs: VecDeque::new(),
            written: Vec::new(),
            senses,
            powered: true,
            frozen: false,
            next_cycle: SimTime::ZERO,
            last_cycle: None,
            next_life: SimTime::ZERO,
            sampled: Sampled::default(),
            safety_ok: false,
            bms_permit_line: false,
            bms: LifeSign::new(seconds(settings.bms_lost_s), seconds(settings.bms_stop_s)),
            bms_bus,
            ems: LifeSign::new(seconds(settings.ems_lost_s), seconds(settings.ems_standby_s)),
            grid: GridProtection::new(&settings),
            der: Der::new(der, &settings),
            entered: None,
            state: State::Off,
            step: Step::GridWait,
            cause: Cause::None,
            standby_asked: false,
            stop_deadline: SimTime::ZERO,
            dc_bad_since: None,
            blind_since: None,
            contactor_wrong_since: None,
            drive: Drive::default(),
            sent: None,
            settings,
        };
        pcs.preset_points();
        Ok(pcs)
    }

    /// State of the machine.
    pub const fn state(&self) -> State {
        self.state
    }

    /// What a cold start leaves in the writable registers.
    fn preset_points(&mut self) {
        let ids = self.ids;
        for id in [
            ids.command,
            ids.alarm_reset,
            ids.local,
            ids.operation,
            ids.controller_heartbeat,
            ids.bms_heartbeat,
            ids.bms_charge_limit,
            ids.bms_discharge_limit,
            ids.bms_permit,
            ids.bms_state,
            ids.bms_stop,
            ids.limit_enable,
            ids.limit_enable_revert,
            ids.limit_revert_time,
            ids.power_enable,
            ids.power_setpoint,
            ids.power_setpoint_revert,
            ids.power_percent,
            ids.power_percent_revert,
            ids.power_enable_revert,
            ids.power_revert_time,
            ids.reactive_enable,
            ids.reactive_priority,
            ids.reactive_setpoint,
            ids.reactive_setpoint_revert,
            ids.reactive_percent,
            ids.reactive_percent_revert,
            ids.reactive_enable_revert,
            ids.reactive_revert_time,
            ids.energy_charged,
            ids.energy_discharged,
            ids.life_counter,
            ids.trip_cause,
            ids.throttle,
            ids.throttle_source,
        ] {
            self.points.set(id, 0.0);
        }
        self.points.set(ids.limit_percent, 100.0);
        self.points.set(ids.limit_percent_revert, 100.0);
        self.points.set(ids.power_mode, 1.0);
        self.points.set(ids.reactive_mode, 4.0);
        self.points.set(ids.ramp, self.settings.ramp_pct_per_s);
        self.points.set_flag(ids.dc_switch, true);
        self.der.preset(&mut self.points, &self.settings);
        self.grid.set_enter_service(self.der.enter_service(&self.points));
        self.grid.set_elements(&self.der.trips(&self.points));
        self.publish(SimTime::ZERO);
    }

    /// The supply comes back: everything but the hard-wired lines is forgotten.
    fn cold_start(&mut self) {
        let table = Arc::clone(self.points.table());
        self.points = Points::new(table);
        self.sampled = Sampled::default();
        self.bms = LifeSign::new(
            seconds(self.settings.bms_lost_s),
            seconds(self.settings.bms_stop_s),
        );
        self.ems = LifeSign::new(
            seconds(self.settings.ems_lost_s),
            seconds(self.settings.ems_standby_s),
        );
        self.grid = GridProtection::new(&self.settings);
        self.server.restart();
        self.state = State::Off;
        self.cause = Cause::None;
        self.standby_asked = false;
        self.entered = None;
        self.dc_bad_since = None;
        self.blind_since = None;
        self.contactor_wrong_since = None;
        self.drive = Drive::default();
        self.sent = None;
        self.last_cycle = None;
        self.preset_points();
    }

    // --- one control cycle ---------------------------------------------------------------------------------

    fn cycle(&mut self, now: SimTime) {
        let elapsed = self.last_cycle.map_or(Duration::ZERO, |last| now - last);
        self.last_cycle = Some(now);
        self.count_life(now);
        self.count_energy(elapsed);
        if self.bms_bus.is_none() {
            let beat = self.points.get(self.ids.bms_heartbeat);
            self.bms.see(now, beat.filter(|&beat| beat != 0.0));
        }
        self.ems.see(
            now,
            self.points
                .get(self.ids.controller_heartbeat)
                .filter(|&beat| beat != 0.0),
        );
        let (adoptions, trips_changed) = self.der.run(now, &mut self.points);
        for adoption in adoptions {
            self.note_adoption(adoption);
        }
        if trips_changed {
            self.grid.set_elements(&self.der.trips(&self.points));
        }
        self.grid.set_enter_service(self.der.enter_service(&self.points));
        self.protect(now);
        self.advance_state(now);
        self.aim(now, elapsed);
        self.act();
        self.publish(now);
    }

    fn count_life(&mut self, now: SimTime) {
        if now < self.next_life {
            return;
        }
        self.next_life = (now + Duration::from_nanos(1)).next_multiple(LIFE, Duration::ZERO);
        if !self.frozen {
            let beat = self.points.get(self.ids.life_counter).unwrap_or(0.0);
            let next = if beat >= 4_294_967_294.0 { 0.0 } else { beat + 1.0 };
            self.points.set(self.ids.life_counter, next);
        }
    }

    fn count_energy(&mut self, elapsed: Duration) {
        let wh = self.sampled.active_power.unwrap_or(0.0) * elapsed.as_secs_f64() / 3600.0;
        let id = if wh > 0.0 {
            self.ids.energy_discharged
        } else {
            self.ids.energy_charged
        };
        let total = self.points.get(id).unwrap_or(0.0);
        self.points.set(id, total + wh.abs());
        let dc = self.sampled.dc_voltage.zip(self.sampled.dc_current);
        let hours = elapsed.as_secs_f64() / 3600.0;
        self.der
            .count_dc_energy(dc.map_or(0.0, |(v, i)| v * i), hours, &mut self.points);
    }

    /// Everything that trips, whatever the state; only a connected or connecting machine is tripped.
    fn protect(&mut self, now: SimTime) {
        let sample = self.sampled.phases.map(|phase_v| GridSample {
            phase_v,
            frequency_hz: self.sampled.frequency,
        });
        let grid_trip = self.grid.evaluate(now, sample);
        let connected = self.drive.ac_contactor;

        if connected && let Some(trip) = grid_trip {
            self.trip_on_grid(now, trip);
            return;
        }

        let lasting = |since: &mut Option<SimTime>, bad: bool, limit: Duration| -> bool {
            if !bad {
                *since = None;
                return false;
            }
            now - *since.get_or_insert(now) >= limit
        };

        let ms = Duration::from_millis;
        let blind = connected
            && (self.sampled.phases.is_none()
                || self.sampled.dc_voltage.is_none()
                || self.sampled.ac_contactor.is_none());
        if lasting(
            &mut self.blind_since,
            blind,
            ms(self.settings.measurement_timeout_ms),
        ) {
            self.trip(now, Cause::Measurement);
            return;
        }
        let dc = self.sampled.dc_voltage;
        let high = dc.is_some_and(|v| v > self.settings.dc_voltage_max_v);
        let low = dc.is_some_and(|v| v < self.settings.dc_voltage_min_v);
        let dc_bad = connected && (high || low);
        if lasting(&mut self.dc_bad_since, dc_bad, ms(self.settings.dc_trip_delay_ms)) {
            self.trip(
                now,
                if high {
                    Cause::DcOverVoltage
                } else {
                    Cause::DcUnderVoltage
                },
            );
            return;
        }
        if connected
            && self
                .sampled
                .cabinet
                .is_some_and(|t| t >= self.settings.cabinet_trip_c)
        {
            self.trip(now, Cause::OverTemperature);
            return;
        }
        let wrong = self
            .sampled
            .ac_contactor
            .is_some_and(|closed| closed != self.drive.ac_contactor);
        let limit = ms(self.settings.contactor_timeout_ms);
        if lasting(&mut self.contactor_wrong_since, wrong, limit) && self.cause != Cause::AcContactor {
            self.trip(now, Cause::AcContactor);
            return;
        }
        let bms_needed = !matches!(self.state, State::Off | State::Fault)
            && !matches!((self.state, self.step), (State::Starting, Step::Precheck { .. }));
        if bms_needed && self.bms.link(now) == Link::Stopped {
            self.trip(now, Cause::BmsHeartbeat);
        }
    }

    fn advance_state(&mut self, now: SimTime) {
        match self.state {
            State::Off | State::Fault => {}
            State::Starting => self.advance_start(now),
            State::Running | State::Standby => {
                if self.points.is_on(self.ids.bms_stop) {
                    self.begin_stop(now, "BMS asks to stop");
                } else if !self.grid.service_permitted() {
                    // Ceases at once, and comes back by itself (703 `ES`, 123 `Conn`).
                    self.shut();
                    self.step = Step::GridWait;
                    self.contactor_wrong_since = None;
                    self.enter(State::Starting, "service not permitted");
                } else if self.state == State::Running && self.wants_standby(now) {
                    if self.at_rest() {
                        self.enter(State::Standby, "gate blocked, still connected");
                    }
                } else if self.state == State::Standby && !self.wants_standby(now) {
                    self.enter(State::Running, "following the set point");
                }
            }
            State::Stopping => {
                if self.at_rest() || now >= self.stop_deadline {
                    self.enter(State::Off, "stopped");
                }
            }
        }
        self.drive.ac_contactor = match self.state {
            State::Off | State::Fault => false,
            State::Starting => self.step == Step::Closing,
            State::Standby | State::Running | State::Stopping => true,
        };
    }

    fn advance_start(&mut self, now: SimTime) {
        if self.points.is_on(self.ids.bms_stop) {
            self.enter(State::Off, "BMS asks to stop");
            return;
        }
        match self.step {
            Step::Precheck { deadline } => {
                if self.dc_in_range() && self.bms.link(now) == Link::Ok {
                    self.step = Step::GridWait;
                } else if now >= deadline {
                    self.trip(now, Cause::PrecheckTimeout);
                }
            }
            Step::GridWait => {
                if self.grid.may_enter_service(now) && self.dc_in_range() {
                    let until = now + Duration::from_millis(self.settings.sync_ms);
                    self.step = Step::Sync { until };
                }
            }
            Step::Sync { until } => {
                if !self.grid.may_enter_service(now) || !self.dc_in_range() {
                    self.step = Step::GridWait;
                } else if now >= until {
                    self.step = Step::Closing;
                    self.contactor_wrong_since = None;
                }
            }
            Step::Closing => {
                if self.sampled.ac_contactor == Some(true) {
                    self.ems.grant(now);
                    self.set_cause(Cause::None);
                    self.entered = Some(now);
                    self.enter(State::Running, "connected");
                }
            }
        }
    }

    fn dc_in_range(&self) -> bool {
        self.sampled
            .dc_voltage
            .is_some_and(|v| v >= self.settings.dc_voltage_min_v && v <= self.settings.dc_voltage_max_v)
    }

    fn at_rest(&self) -> bool {
        self.drive.power == 0.0 && self.drive.reactive == 0.0
    }

    fn ems_link(&self, now: SimTime) -> Link {
        if self.settings.ems_lost_s <= 0.0 {
            Link::Ok
        } else {
            self.ems.link(now)
        }
    }

    fn wants_standby(&self, now: SimTime) -> bool {
        self.standby_asked || self.ems_link(now) == Link::Stopped
    }

    /// Chooses gate and power for this cycle.
    fn aim(&mut self, now: SimTime, elapsed: Duration) {
        let stage_on = matches!(self.state, State::Running | State::Stopping);
        let gate = stage_on && !self.grid.ceased();
        if gate != self.drive.gate {
            self.set_gate(
                gate,
                if self.grid.ceased() && stage_on {
                    "grid voltage outside, ceased"
                } else {
                    ""
                },
            );
        }
        if !gate {
            self.drive.power = 0.0;
            self.drive.reactive = 0.0;
            self.points.set(self.ids.throttle, 0.0);
            self.points.set(self.ids.throttle_source, 0.0);
            return;
        }
        let (power, reactive) = self.wanted(now, elapsed);
        let ids = self.ids;
        let ramp = |id| {
            let pct = self.points.get(id).unwrap_or(self.settings.ramp_pct_per_s);
            pct.max(1.0) / 100.0 * elapsed.as_secs_f64()
        };
        let max = self.der.power_max(&self.points);
        let soft = self.soft_start(now, elapsed);
        let step = soft.map_or(ramp(ids.ramp), |soft| soft.min(ramp(ids.ramp))) * max;
        let reactive_step = ramp(self.der.table.single.reactive_ramp) * self.der.apparent_max(&self.points);
        let (charge, discharge) = self.battery_limits(now);
        self.drive.power = approach(self.drive.power, power, step).clamp(-charge, discharge);
        self.drive.reactive = approach(self.drive.reactive, reactive, reactive_step);
    }

    /// Most it may change in this cycle, per unit, while it comes back to service (703 `ESRmpTms`).
    fn soft_start(&self, now: SimTime, elapsed: Duration) -> Option<f64> {
        let ramp = self.points.get(self.der.table.single.service_ramp)?;
        let since = now - self.entered?;
        (since < seconds(ramp)).then(|| elapsed.as_secs_f64() / ramp)
    }

    /// Active and reactive power the masters want, with what the grid-support functions make of it; also says what is cut.
    fn wanted(&mut self, now: SimTime, elapsed: Duration) -> (f64, f64) {
        let ids = self.ids;
        let get = |id| self.points.get(id).unwrap_or(0.0);
        let obeys = self.state == State::Running
            && !self.points.is_on(ids.local)
            && !self.wants_standby(now)
            && self.ems_link(now) == Link::Ok;
        let max = self.der.power_max(&self.points);
        let asked = if !obeys || !self.points.is_on(ids.power_enable) {
            0.0
        } else if get(ids.power_mode) == 0.0 {
            get(ids.power_percent) / 100.0 * max
        } else {
            get(ids.power_setpoint)
        };
        // A stop goes to zero whatever the grid asks for.
        let stopping = self.state != State::Running || self.wants_standby(now);
        let (power, reactive, source) = if stopping {
            (0.0, 0.0, 0)
        } else {
            let battery = self.battery_limits(now);
            let (grid, elapsed_s) = (self.grid_seen(), elapsed.as_secs_f64());
            let limited = self
                .der
                .power(asked, battery, grid, &ids, &self.points, elapsed_s);
            let (limited, reactive) = self
                .der
                .reactive(limited, obeys, grid, &ids, &self.points, elapsed_s);
            (limited.watts, reactive, limited.source)
        };
        self.points.set(ids.throttle, (asked - power).abs() / max * 100.0);
        self.points.set(ids.throttle_source, f64::from(source));
        (power, reactive)
    }

    fn grid_seen(&self) -> Grid {
        let nominal = self.settings.nominal_line_voltage_v / 3.0_f64.sqrt();
        let mean = |[a, b, c]: [f64; 3]| (a + b + c) / 3.0;
        Grid {
            voltage_pct: self.sampled.phases.map(|phases| mean(phases) / nominal * 100.0),
            frequency_hz: self.sampled.frequency,
        }
    }

    /// Most AC power the battery's current limits allow now, W: charging, discharging. Zero without a BMS.
    fn battery_limits(&self, now: SimTime) -> (f64, f64) {
        let (Link::Ok, Some(v)) = (self.bms.link(now), self.sampled.dc_voltage) else {
            return (0.0, 0.0);
        };
        let [charge, discharge] = match &self.bms_bus {
            Some(bus) => bus.shares(v, &self.points),
            None => [f64::from(u8::from(self.points.is_on(self.ids.bms_permit))); 2],
        };
        let amps = |id| self.points.get(id).unwrap_or(0.0).max(0.0);
        // The losses are on the safe side both ways: discharging they come on top of the AC power, charging out of it.
        (
            amps(self.ids.bms_charge_limit) * charge * v.max(0.0),
            amps(self.ids.bms_discharge_limit) * discharge * v.max(0.0) * self.settings.efficiency,
        )
    }

    fn set_gate(&mut self, gate: bool, why: &str) {
        self.drive.gate = gate;
        self.points.set_flag(self.ids.gate, gate);
        let text = match (gate, why) {
            (true, _) => "gate enabled".into(),
            (false, "") => "gate blocked".into(),
            (false, why) => format!("gate blocked: {why}"),
        };
        self.outputs.push_back(Output::Note {
            point: "gate-enabled",
            value: f64::from(u8::from(gate)),
            text,
        });
    }

    /// Tells the plant, if anything changed.
    fn act(&mut self) {
        debug_assert!(
            !self.drive.gate || self.lines_healthy(),
            "gate enabled with a hard-wired line open"
        );
        if self.sent == Some(self.drive) {
            return;
        }
        self.sent = Some(self.drive);
        self.outputs.push_back(Output::Actuate(Actuation::Converter {
            gate: self.drive.gate,
            ac_contactor: self.drive.ac_contactor,
            active_power_w: self.drive.power,
            reactive_power_var: self.drive.reactive,
        }));
    }

    // --- transitions ---------------------------------------------------------------------------------------

    fn enter(&mut self, state: State, why: &str) {
        if self.state == state {
            return;
        }
        self.state = state;
        let number = state.number();
        self.points.set(self.ids.state, f64::from(number));
        self.outputs.push_back(Output::Note {
            point: "pcs-state",
            value: f64::from(number),
            text: format!("{}: {why}", STATES[usize::from(number)]),
        });
    }

    fn set_cause(&mut self, cause: Cause) {
        if self.cause == cause {
            return;
        }
        self.cause = cause;
        self.points.set(self.ids.trip_cause, f64::from(cause.number()));
        if cause != Cause::None {
            self.outputs.push_back(Output::Note {
                point: "trip-cause",
                value: f64::from(cause.number()),
                text: format!("trip: {}", cause.name()),
            });
        }
    }

    /// Blocks the gate and opens the AC contactor now; latched.
    fn trip(&mut self, now: SimTime, cause: Cause) {
        self.shut();
        self.set_cause(cause);
        self.enter(State::Fault, cause.name());
        self.contactor_wrong_since = None;
        self.act();
        self.publish(now);
    }

    /// Likewise, but it connects again by itself once the grid has been good for the enter-service delay.
    fn trip_on_grid(&mut self, now: SimTime, trip: GridTrip) {
        let cause = Cause::Grid(trip);
        self.grid.restart_delay();
        if self.state == State::Stopping {
            self.shut();
            self.set_cause(cause);
            self.enter(State::Off, "tripped while stopping");
        } else if self.settings.reconnect_after_grid_trip {
            self.shut();
            self.set_cause(cause);
            self.step = Step::GridWait;
            self.contactor_wrong_since = None;
            self.enter(State::Starting, "waits for the grid after a trip");
        } else {
            self.trip(now, cause);
        }
    }

    fn shut(&mut self) {
        if self.drive.gate {
            self.set_gate(false, "");
        }
        self.drive = Drive::default();
    }

    fn start(&mut self, now: SimTime) {
        let refusal = if self.points.is_on(self.ids.local) {
            Some("in local control")
        } else if !self.lines_healthy() {
            Some("a hard-wired line is open")
        } else if self.state == State::Fault && !self.cause.cleared_by_start() {
            Some("the fault must be reset first")
        } else {
            None
        };
        if let Some(why) = refusal {
            self.note_state(&format!("start refused: {why}"));
            return;
        }
        self.standby_asked = false;
        match self.state {
            State::Off | State::Fault => {
                self.set_cause(Cause::None);
                self.step = Step::Precheck {
                    deadline: now + seconds(self.settings.precheck_timeout_s),
                };
                self.enter(State::Starting, "start command");
            }
            State::Stopping => {
                self.ems.grant(now);
                self.enter(State::Running, "start command");
            }
            State::Starting | State::Standby | State::Running => {}
        }
    }

    fn begin_stop(&mut self, now: SimTime, why: &str) {
        match self.state {
            State::Off | State::Fault | State::Stopping => {}
            State::Starting | State::Standby => self.enter(State::Off, why),
            State::Running => {
                self.stop_deadline = now + Duration::from_millis(self.settings.stop_timeout_ms);
                self.enter(State::Stopping, why);
            }
        }
    }

    fn reset(&mut self) {
        if self.state != State::Fault {
            self.set_cause(Cause::None);
            return;
        }
        let hot = self
            .sampled
            .cabinet
            .is_some_and(|t| t >= self.settings.cabinet_trip_c);
        let stands = match self.cause {
            Cause::SafetyChain | Cause::BmsPermitLine => !self.lines_healthy(),
            Cause::OverTemperature => hot,
            Cause::AcContactor => self.sampled.ac_contactor == Some(true),
            _ => false,
        };
        if stands {
            self.note_state("reset refused: the cause still stands");
            return;
        }
        self.set_cause(Cause::None);
        self.enter(State::Off, "fault reset");
    }

    fn note_state(&mut self, text: &str) {
        self.outputs.push_back(Output::Note {
            point: "pcs-state",
            value: f64::from(self.state.number()),
            text: text.into(),
        });
    }

    const fn lines_healthy(&self) -> bool {
        self.safety_ok && self.bms_permit_line
    }

    // --- inputs --------------------------------------------------------------------------------------------

    /// A hard-wired line acts here and now, ahead of the control cycle.
    fn on_line(&mut self, now: SimTime, line: Line, level: bool) {
        match line {
            Line::SafetyOk => self.safety_ok = level,
            Line::BmsPermit => self.bms_permit_line = level,
            _ => return,
        }
        self.points.set_flag(self.ids.safety_ok, self.safety_ok);
        self.points
            .set_flag(self.ids.bms_permit_line, self.bms_permit_line);
        if !self.powered || level || matches!(self.state, State::Off | State::Fault) {
            return;
        }
        let cause = if line == Line::SafetyOk {
            Cause::SafetyChain
        } else {
            Cause::BmsPermitLine
        };
        self.trip(now, cause);
    }

    fn on_sample(&mut self, channel: Channel, readings: &[Reading]) {
        let one = || readings.first().copied().and_then(usable);
        match channel {
            Channel::GridVoltages => {
                self.sampled.phases = match readings {
                    [a, b, c, ..] => match (usable(*a), usable(*b), usable(*c)) {
                        (Some(a), Some(b), Some(c)) => Some([a, b, c]),
                        _ => None,
                    },
                    _ => None,
                };
            }
            Channel::GridFrequency => self.sampled.frequency = one(),
            Channel::ActivePower => self.sampled.active_power = one(),
            Channel::ReactivePower => self.sampled.reactive_power = one(),
            Channel::ConverterDcVoltage => self.sampled.dc_voltage = one(),
            Channel::ConverterDcCurrent => self.sampled.dc_current = one(),
            Channel::AcContactorClosed => self.sampled.ac_contactor = one().map(|closed| closed != 0.0),
            Channel::ConverterTemperature => self.sampled.cabinet = one(),
            _ => {}
        }
    }

    fn on_request(&mut self, now: SimTime, access: ModbusAccess<'_>, request: &ModbusRequest, token: Token) {
        let mut written = core::mem::take(&mut self.written);
        let reply = self
            .server
            .serve(now, access, request, &mut self.points, &mut written);
        self.on_written(now, written);
        self.outputs.push_back(Output::ModbusReply {
            token,
            reply: Some(reply),
        });
    }

    /// Set points whose time is over fall back.
    fn let_time_pass(&mut self, now: SimTime) {
        let mut written = core::mem::take(&mut self.written);
        self.server.tick(now, &mut self.points, &mut written);
        if !written.is_empty() {
            self.outputs.push_back(Output::Note {
                point: "active-power-enable",
                value: f64::from(u8::from(self.points.is_on(self.ids.power_enable))),
                text: "set point reverted, its timer ran out".into(),
            });
        }
        self.on_written(now, written);
    }

    fn on_written(&mut self, now: SimTime, mut written: Vec<PointId>) {
        for id in written.drain(..) {
            self.on_write(now, id);
        }
        self.written = written;
    }

    fn on_write(&mut self, now: SimTime, id: PointId) {
        let ids = self.ids;
        let value = self.points.get(id).unwrap_or(0.0);
        if id == ids.command {
            self.points.set(id, 0.0);
            match value {
                1.0 => self.start(now),
                2.0 => self.begin_stop(now, "stop command"),
                3.0 => self.reset(),
                _ => {}
            }
        } else if id == ids.operation {
            match value {
                0.0 => self.begin_stop(now, "stop command"),
                1.0 => self.start(now),
                2.0 => self.standby_asked = true,
                3.0 => self.standby_asked = false,
                _ => {}
            }
        } else if id == ids.alarm_reset {
            self.points.set(id, 0.0);
            if value != 0.0 {
                self.reset();
            }
        } else if id == ids.bms_heartbeat && self.bms_bus.is_none() {
            self.bms.see(now, Some(value));
        } else if id == ids.controller_heartbeat {
            self.ems.see(now, Some(value));
        }
        if let Some(adoption) = self.der.on_write(now, id, &self.ids, &mut self.points) {
            self.note_adoption(adoption);
        }
        if self.der.is_trip_switch(id) {
            self.grid.set_elements(&self.der.trips(&self.points));
        }
    }

    fn note_adoption(&mut self, adoption: Adoption) {
        self.outputs.push_back(Output::Note {
            point: adoption.point,
            value: f64::from(adoption.result),
            text: adoption.text,
        });
    }

    // --- points --------------------------------------------------------------------------------------------

    fn publish(&mut self, now: SimTime) {
        let ids = self.ids;
        let sampled = self.sampled;
        let blocked = {
            let mut word = (1_u32 << self.cause.number()) & !1;
            for (bad, cause) in [
                (!self.safety_ok, Cause::SafetyChain),
                (!self.bms_permit_line, Cause::BmsPermitLine),
                (self.bms.link(now) == Link::Stopped, Cause::BmsHeartbeat),
            ] {
                word |= u32::from(bad) << cause.number();
            }
            word
        };
        let (can_charge_w, can_discharge_w) = self.battery_limits(now);
        let bms_link = self.bms.link(now);
        let ems_link = self.ems_link(now);
        let throttled = self
            .points
            .get(ids.throttle_source)
            .is_some_and(|source| source != 0.0);
        let remaining = self.grid.enter_service_remaining(now).as_secs_f64().ceil();
        let p = &mut self.points;
        p.set(ids.state, f64::from(self.state.number()));
        p.set(ids.trip_cause, f64::from(self.cause.number()));
        p.set(ids.fault_word, f64::from(blocked));
        p.set(ids.alarms, f64::from(self.cause.alarm_bit()));
        p.set(
            ids.inverter_state,
            match self.state {
                State::Off => 0.0,
                State::Starting => 2.0,
                State::Running if throttled => 4.0,
                State::Running => 3.0,
                State::Stopping => 5.0,
                State::Fault => 6.0,
                State::Standby => 7.0,
            },
        );
        p.set_flag(ids.operating, !matches!(self.state, State::Off | State::Fault));
        p.set_flag(ids.gate, self.drive.gate);
        p.set(ids.enter_service_remaining, remaining);
        p.set_flag(ids.safety_ok, self.safety_ok);
        p.set_flag(ids.bms_permit_line, self.bms_permit_line);
        p.set(ids.bms_link, link_number(bms_link));
        p.set(ids.ems_link, link_number(ems_link));
        p.set(ids.power_target, self.drive.power);
        p.set(ids.reactive_target, self.drive.reactive);

        let mut put =
            |id: PointId, value: Option<f64>| p.put(id, value.map_or(Reading::invalid(), Reading::valid));
        let [a, b, c] = sampled.phases.map_or([None; 3], |v| v.map(Some));
        put(ids.voltage_a, a);
        put(ids.voltage_b, b);
        put(ids.voltage_c, c);
        let phase = sampled.phases.map(|v| (v[0] + v[1] + v[2]) / 3.0);
        put(ids.voltage_phase, phase);
        let line = |x: usize, y: usize| {
            sampled
                .phases
                .map(|v| (v[x] * v[x] + v[y] * v[y] + v[x] * v[y]).sqrt())
        };
        put(ids.voltage_ab, line(0, 1));
        put(ids.voltage_bc, line(1, 2));
        put(ids.voltage_ca, line(2, 0));
        put(ids.voltage_line, phase.map(|v| v * 3.0_f64.sqrt()));
        put(ids.frequency, sampled.frequency);
        put(ids.active_power, sampled.active_power);
        put(ids.reactive_power, sampled.reactive_power);
        let apparent = sampled
            .active_power
            .zip(sampled.reactive_power)
            .map(|(w, var)| (w * w + var * var).sqrt());
        put(ids.apparent_power, apparent);
        let factor = apparent
            .zip(sampled.active_power)
            .map(|(va, w)| if va > 0.0 { w / va } else { 1.0 });
        put(ids.power_factor, factor);
        let current = apparent
            .zip(phase)
            .map(|(va, v)| if v > 1.0 { va / 3.0 / v } else { 0.0 });
        put(ids.current_phase, current);
        put(ids.current_total, current.map(|amps| 3.0 * amps));
        put(ids.power_phase, sampled.active_power.map(|w| w / 3.0));
        put(ids.reactive_phase, sampled.reactive_power.map(|var| var / 3.0));
        put(ids.apparent_phase, apparent.map(|va| va / 3.0));
        put(ids.dc_voltage, sampled.dc_voltage);
        put(ids.dc_current, sampled.dc_current);
        put(ids.dc_current_magnitude, sampled.dc_current.map(f64::abs));
        put(
            ids.dc_power,
            sampled.dc_voltage.zip(sampled.dc_current).map(|(v, i)| v * i),
        );
        put(ids.cabinet_temperature, sampled.cabinet);
        put(
            ids.ac_contactor,
            sampled.ac_contactor.map(|closed| f64::from(u8::from(closed))),
        );
        let stored = match (
            p.get(ids.bms_energy_rating),
            p.get(ids.bms_soc),
            p.get(ids.bms_soh),
        ) {
            (Some(wh), Some(soc), soh) => Some(wh * soc / 100.0 * soh.unwrap_or(100.0) / 100.0),
            _ => None,
        };
        p.put(
            ids.energy_available,
            stored.map_or(Reading::invalid(), Reading::valid),
        );
        let storage = if bms_link != Link::Ok || !self.bms_permit_line {
            2.0
        } else if p.is_on(ids.bms_permit) || self.bms_bus.is_some() {
            0.0
        } else {
            1.0
        };
        p.set(ids.storage_status, storage);
        let moment = Moment {
            connected: self.drive.ac_contactor,
            pulsing: self.drive.gate,
            can_charge_w,
            can_discharge_w,
            ride_through: self.grid.ride_through(),
        };
        self.der.publish(moment, &ids, p);
    }
}

impl Device for Pcs {
    fn senses(&self) -> &[Sense] {
        &self.senses
    }

    fn hears(&self, _port: u8, id: CanId) -> bool {
        self.bms_bus.as_ref().is_some_and(|bus| bus.hears(id))
    }

    fn accept(&mut self, now: SimTime, input: Input<'_>) {
        if let Input::Line { line, level } = input {
            self.on_line(now, line, level);
            return;
        }
        if !self.powered {
            if let Input::ModbusRequest { token, .. } = input {
                self.outputs.push_back(Output::ModbusReply { token, reply: None });
            }
            return;
        }
        match input {
            Input::Wake => {
                if now >= self.next_cycle {
                    self.next_cycle = (now + Duration::from_nanos(1)).next_multiple(CYCLE, Duration::ZERO);
                    self.cycle(now);
                }
                if let Some(bus) = &mut self.bms_bus {
                    let outputs = &mut self.outputs;
                    bus.transmit_due(now, &mut self.points, &mut |frame| {
                        outputs.push_back(Output::Can {
                            port: BMS_PORT,
                            frame,
                        });
                    });
                }
            }
            Input::Sensed { channel, readings } => self.on_sample(channel, readings),
            Input::ModbusRequest {
                access,
                request,
                token,
                ..
            } => self.on_request(now, access, request, token),
            Input::Can {
                port: BMS_PORT,
                frame,
            } => {
                if let Some(bus) = &mut self.bms_bus
                    && bus.receive(now, frame, &self.ids, &mut self.points)
                {
                    self.bms.grant(now);
                }
            }
            Input::Can { .. } | Input::ModbusReply { .. } | Input::Line { .. } => {}
        }
        self.let_time_pass(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn next_wake(&self) -> SimTime {
        if self.powered {
            let bus = self.bms_bus.as_ref().map(BmsBus::next_due);
            bus.map_or(self.next_cycle, |due| due.min(self.next_cycle))
                .min(self.server.next_due())
        } else {
            SimTime::NEVER
        }
    }

    fn inject(&mut self, fault: &DeviceFault) -> Result<(), UnsupportedFault> {
        match fault {
            DeviceFault::PowerOff => {
                self.powered = false;
                self.shut();
                self.enter(State::Off, "supply lost");
                self.act();
                if let Some(bus) = &mut self.bms_bus {
                    bus.stop();
                }
            }
            DeviceFault::PowerOn => {
                if !self.powered {
                    self.powered = true;
                    self.cold_start();
                }
            }
            DeviceFault::FreezeCounters | DeviceFault::UnfreezeCounters => {
                self.frozen = *fault == DeviceFault::FreezeCounters;
                if let Some(bus) = &mut self.bms_bus {
                    bus.freeze_counters(self.frozen);
                }
            }
            other => {
                let taken = self.bms_bus.as_mut().is_some_and(|bus| bus.inject(other));
                if !taken {
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

const fn link_number(link: Link) -> f64 {
    match link {
        Link::Ok => 0.0,
        Link::Lost => 1.0,
        Link::Stopped => 2.0,
    }
}

/// The value, if the sensor vouches for it and it is a number at all.
fn usable(reading: Reading) -> Option<f64> {
    reading.ok().filter(|value| value.is_finite())
}

/// `value` moved towards `target` by at most `step`.
fn approach(value: f64, target: f64, step: f64) -> f64 {
    value + (target - value).clamp(-step, step)
}

#[cfg(test)]
mod tests;
