//! Power conversion system: SunSpec server, grid protection, and the state machine between battery and grid.
//!
//! It stands between two masters. The BMS gives current limits, a permit and a heartbeat through the vendor
//! registers; the EMS gives set points through SunSpec 704 and 715. Two hard-wired lines stand above both: with
//! either of them open the gate is blocked before [`Device::accept`] returns, and nothing but an explicit start
//! brings the machine back.
//!
//! A product with a CAN port `bms` (port 0) takes the battery's limits from that bus instead.
//!
//! Reading order: [`settings`], [`grid`] (protection), [`watch`] (heartbeats), [`der`] (grid support), [`state`], then this file
//! from [`Pcs::cycle`], with `sequence` (the state machine), `power` (what it aims at), `regulator` (how its reading gets
//! there) and `image` (its points).

mod bms_bus;
pub mod der;
pub mod grid;
mod image;
pub mod points;
mod power;
mod regulator;
mod sequence;
pub mod settings;
mod state;
pub mod watch;

use core::time::Duration;
use std::sync::Arc;

use bess_types::{CanId, Channel, Line, ModbusRequest, Reading, SimTime};

use self::bms_bus::BmsBus;
use self::der::Der;
use self::der::curves::Adoption;
use self::grid::{GridProtection, GridSample};
use self::points::PcsPoints;
use self::regulator::Regulator;
use self::settings::{Settings, seconds};
pub use self::state::State;
use self::state::{Cause, Step};
use self::watch::{LifeSign, Link};
use crate::codec::modbus::{ModbusAccess, ModbusServer};
use crate::library::Library;
use crate::metering::Window;
use crate::outbox::Outbox;
use crate::product::{Product, ProductError};
use crate::{
    Device, DeviceFault, Input, Output, PointId, PointTable, Points, Sense, Token, UnsupportedFault,
};

/// CAN port towards the battery, of a product that has it.
pub const BMS_PORT: u8 = 0;

/// Control cycle: protection, power targets and state machine.
const CYCLE: Duration = Duration::from_millis(10);
/// Measuring window of its own metering: ten periods of the grid, as in IEC 61000-4-30 [R].
const WINDOW: Duration = Duration::from_millis(200);
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

/// Its own metering: what runs in the present window, and what the last one gave.
#[derive(Clone, Copy, Debug, Default)]
struct Metering {
    /// Active and reactive power.
    ac: Window<2>,
    dc: Window<1>,
    closes: SimTime,
    active_power: Option<f64>,
    reactive_power: Option<f64>,
    dc_current: Option<f64>,
}

/// The power stage's drive: what it aims at. What is sent to the plant has the regulators' trim on top.
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
    outbox: Outbox,
    senses: [Sense; 8],

    powered: bool,
    frozen: bool,
    next_cycle: SimTime,
    last_cycle: Option<SimTime>,
    next_life: SimTime,

    sampled: Sampled,
    metering: Metering,
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
    /// Of active and reactive power.
    regulators: [Regulator; 2],
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
            Some(bus_ids) => Some(BmsBus::new(
                product,
                library,
                &table,
                bus_ids,
                settings.clock_at_start_s,
            )?),
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
            outbox: Outbox::default(),
            senses,
            powered: true,
            frozen: false,
            next_cycle: SimTime::ZERO,
            last_cycle: None,
            next_life: SimTime::ZERO,
            sampled: Sampled::default(),
            metering: Metering::default(),
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
            regulators: [Regulator::default(); 2],
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

    /// The supply comes back: everything but the hard-wired lines is forgotten.
    fn cold_start(&mut self) {
        let table = Arc::clone(self.points.table());
        self.points = Points::new(table);
        self.sampled = Sampled::default();
        self.metering = Metering::default();
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
        self.regulators = [Regulator::default(); 2];
        self.sent = None;
        self.last_cycle = None;
        self.preset_points();
    }

    // --- one control cycle ---------------------------------------------------------------------------------

    fn cycle(&mut self, now: SimTime) {
        let elapsed = self.last_cycle.map_or(Duration::ZERO, |last| now - last);
        self.last_cycle = Some(now);
        self.count_life(now);
        self.measure(now);
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

    /// The samples of this cycle into the measuring window, whose means are shown and counted when it is over.
    fn measure(&mut self, now: SimTime) {
        let (sampled, metering) = (&self.sampled, &mut self.metering);
        metering.ac.add(0, sampled.active_power);
        metering.ac.add(1, sampled.reactive_power);
        metering.dc.add(0, sampled.dc_current);
        if now < metering.closes {
            return;
        }
        metering.closes = (now + Duration::from_nanos(1)).next_multiple(WINDOW, Duration::ZERO);
        let ac = metering.ac.close(self.settings.metering_start_va());
        [metering.active_power, metering.reactive_power] = ac;
        [metering.dc_current] = metering.dc.close(self.settings.metering_start_dc_a());
    }

    /// Active and reactive power as the metering of its AC terminals gives them: nothing while the contactor is open.
    fn metered(&self) -> [Option<f64>; 2] {
        let open = self.sampled.ac_contactor == Some(false);
        [self.metering.active_power, self.metering.reactive_power]
            .map(|power| power.map(|power| if open { 0.0 } else { power }))
    }

    /// Power at its DC terminals, W.
    fn metered_dc(&self) -> Option<f64> {
        let dc = self.sampled.dc_voltage.zip(self.metering.dc_current);
        dc.map(|(v, i)| v * i)
    }

    fn count_energy(&mut self, elapsed: Duration) {
        let [active, _] = self.metered();
        let wh = active.unwrap_or(0.0) * elapsed.as_secs_f64() / 3600.0;
        let id = if wh > 0.0 {
            self.ids.energy_discharged
        } else {
            self.ids.energy_charged
        };
        let total = self.points.get(id).unwrap_or(0.0);
        self.points.set(id, total + wh.abs());
        let hours = elapsed.as_secs_f64() / 3600.0;
        self.der
            .count_dc_energy(self.metered_dc().unwrap_or(0.0), hours, &mut self.points);
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
        let mut written = Vec::new();
        let reply = self
            .server
            .serve(now, access, request, &mut self.points, &mut written);
        self.on_written(now, &written);
        self.outbox.reply(token, reply);
    }

    /// Set points whose time is over fall back.
    fn let_time_pass(&mut self, now: SimTime) {
        let mut written = Vec::new();
        self.server.tick(now, &mut self.points, &mut written);
        if !written.is_empty() {
            self.outbox.note(
                "active-power-enable",
                f64::from(u8::from(self.points.is_on(self.ids.power_enable))),
                "set point reverted, its timer ran out",
            );
        }
        self.on_written(now, &written);
    }

    fn on_written(&mut self, now: SimTime, written: &[PointId]) {
        for id in written {
            self.on_write(now, *id);
        }
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
        self.outbox
            .note(adoption.point, f64::from(adoption.result), adoption.text);
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
                self.outbox.no_reply(token);
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
                    let outbox = &mut self.outbox;
                    bus.transmit_due(now, &mut self.points, &mut |frame| {
                        outbox.can(BMS_PORT, frame);
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
        self.outbox.pop()
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

    fn supports(&self, fault: &DeviceFault) -> bool {
        fault.is_of_supply()
            || fault.is_of_counters()
            || self.bms_bus.as_ref().is_some_and(|bus| bus.supports(fault))
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

/// The value, if the sensor vouches for it and it is a number at all.
fn usable(reading: Reading) -> Option<f64> {
    reading.ok().filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests;
