//! Container HVAC: a circulation fan, compressors and electric heaters behind one thermostat, one of each in every unit.
//!
//! It begins in `auto` and needs no client. The fan comes first; compressors and heaters wait until its air is proven. A
//! compressor that stopped rests for its least time off, and so does every one of them after a loss of supply. A contact
//! of the fire panel stops everything while it stands. A fan whose air is not proven, or an air sensor that is gone, stops
//! compressors and heaters for as long as it lasts.

pub mod points;

use core::time::Duration;
use std::sync::Arc;

use bess_types::{Actuation, Channel, Line, Reading, SimTime};
use serde::Deserialize;

use self::points::{FAULTS, HvacPoints};
use crate::codec::modbus::ModbusServer;
use crate::library::Library;
use crate::outbox::Outbox;
use crate::product::{Product, ProductError};
use crate::supply::Supply;
use crate::{Device, DeviceFault, Input, Output, Points, Sense, UnsupportedFault};

/// Control cycle.
const CYCLE: Duration = Duration::from_secs(1);

/// Settings of one HVAC product.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Units: fan, compressor and heater each. 1 to 20.
    pub units: u8,
    /// Middle of the cooling hysteresis at power-up, °C.
    pub cool_setpoint_c: f64,
    /// Middle of the heating hysteresis at power-up, °C.
    pub heat_setpoint_c: f64,
    /// Width of both at power-up, K.
    pub hysteresis_k: f64,
    /// Each further unit cools from so much warmer and heats from so much colder air on, K.
    pub stage_k: f64,
    /// How long the fan's air must be proven before compressors and heaters may run, s.
    pub fan_lead_s: u64,
    /// How long the air may be unproven with the fan driven, s.
    pub fan_fault_s: u64,
    /// Least time off of a compressor, s.
    pub min_off_s: u64,
    /// Air above this is an alarm, °C.
    pub high_alarm_c: f64,
    /// Air below this is an alarm, °C.
    pub low_alarm_c: f64,
}

impl Settings {
    /// Reads and checks them.
    ///
    /// # Errors
    /// If a key is unknown or missing, or the number of units is none.
    pub fn of(product: &Product) -> Result<Self, ProductError> {
        let settings: Self = product.settings()?;
        if !(1..=20).contains(&settings.units) {
            return Err(product.invalid_setting(
                "units",
                &format!("an HVAC has 1 to 20 units, not {}", settings.units),
                "give as many as the container has",
            ));
        }
        Ok(settings)
    }
}

/// What is wrong; numbers as in [`points::FAULTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Fan driven, no air. Compressors and heaters stop, the fan goes on trying.
    Fan,
    /// Air sensor unusable. Compressors and heaters stop.
    AirSensor,
    /// Air too hot.
    HighTemperature,
    /// Air too cold.
    LowTemperature,
}

impl Fault {
    const fn level(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::HighTemperature | Self::LowTemperature => 1.0,
            Self::Fan | Self::AirSensor => 2.0,
        }
    }
}

/// Compressor and heater of one unit.
#[derive(Clone, Copy, Debug, Default)]
struct Unit {
    cooling: bool,
    heating: bool,
    /// The compressor rests until then.
    rests_until: SimTime,
}

/// What the units are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Demand {
    fan: bool,
    cooling: u8,
    heating: u8,
}

/// One container HVAC.
#[derive(Debug)]
pub struct Hvac {
    settings: Settings,
    ids: HvacPoints,
    server: ModbusServer,
    points: Points,
    outbox: Outbox,
    senses: [Sense; 3],
    start_up: Duration,
    supply: Supply,
    /// The supply came back: compressors rest first.
    restarted: bool,
    frozen: bool,
    next_cycle: SimTime,
    fire_stop: bool,
    units: Vec<Unit>,
    air_proven_since: Option<SimTime>,
    air_missing_since: Option<SimTime>,
    fault: Fault,
    active_mode: u8,
    sent: Option<Demand>,
}

impl Hvac {
    /// An HVAC as the product describes, at the start of its self-test.
    ///
    /// # Errors
    /// If the product's settings or register map do not read.
    pub fn new(product: &Product, library: &Library) -> Result<Self, ProductError> {
        let settings = Settings::of(product)?;
        let (table, ids) = points::table();
        let server = ModbusServer::of_product(product, library, &table)?;
        let mut hvac = Self {
            ids,
            server,
            points: Points::new(Arc::new(table)),
            outbox: Outbox::default(),
            senses: [
                Channel::AirTemperature,
                Channel::AmbientTemperature,
                Channel::HvacRunning,
            ]
            .map(|channel| Sense {
                channel,
                period: CYCLE,
            }),
            start_up: product.modbus().start_up,
            supply: Supply::Applied,
            restarted: false,
            frozen: false,
            next_cycle: SimTime::ZERO,
            fire_stop: false,
            units: vec![Unit::default(); usize::from(settings.units)],
            air_proven_since: None,
            air_missing_since: None,
            fault: Fault::None,
            active_mode: 0,
            sent: None,
            settings,
        };
        hvac.preset_points();
        Ok(hvac)
    }

    fn preset_points(&mut self) {
        let ids = self.ids;
        self.points.set(ids.mode, 4.0);
        self.points.set(ids.cool_setpoint, self.settings.cool_setpoint_c);
        self.points.set(ids.heat_setpoint, self.settings.heat_setpoint_c);
        self.points.set(ids.hysteresis, self.settings.hysteresis_k);
        self.points.set(ids.life_counter, 0.0);
        self.points.set_flag(ids.fan_running, false);
        self.publish(SimTime::ZERO);
    }

    fn cycle(&mut self, now: SimTime) {
        if !self.frozen {
            self.points.count(self.ids.life_counter);
        }
        self.control(now);
    }

    /// Decides, tells the units and shows it.
    fn control(&mut self, now: SimTime) {
        let mode = self.points.get(self.ids.mode).unwrap_or(0.0);
        let fan = mode != 0.0 && !self.fire_stop;
        self.watch(now, fan);
        let lead = Duration::from_secs(self.settings.fan_lead_s);
        let led = self.air_proven_since.is_some_and(|since| now - since >= lead);
        let air = if fan && led && self.fault.level() < 2.0 {
            self.points.get(self.ids.air)
        } else {
            None
        };
        let auto = mode == 4.0;
        let [cools, heats] = [auto || mode == 2.0, auto || mode == 3.0];
        self.switch(now, air.filter(|_| cools), air.filter(|_| heats));
        let count = |on: fn(&Unit) -> bool| {
            let running = self.units.iter().filter(|unit| on(unit)).count();
            u8::try_from(running).unwrap_or(u8::MAX)
        };
        let demand = Demand {
            fan,
            cooling: count(|unit| unit.cooling),
            heating: count(|unit| unit.heating),
        };
        self.tell(demand);
        let active = match demand {
            Demand { fan: false, .. } => 0,
            Demand { cooling: 1.., .. } => 2,
            Demand { heating: 1.., .. } => 3,
            _ => 1,
        };
        if core::mem::replace(&mut self.active_mode, active) != active {
            let name = ["off", "fan", "cool", "heat"][usize::from(active)];
            self.outbox.note("active-mode", f64::from(active), name);
        }
        self.publish(now);
    }

    /// Whether the fan's air is there, and what else is wrong.
    fn watch(&mut self, now: SimTime, fan: bool) {
        let flows = fan && self.points.is_on(self.ids.fan_running);
        let since = |since: &mut Option<SimTime>, is: bool| {
            *since = if is { since.or(Some(now)) } else { None };
        };
        since(&mut self.air_proven_since, flows);
        since(&mut self.air_missing_since, fan && !flows);
        let limit = Duration::from_secs(self.settings.fan_fault_s);
        let air = self.points.get(self.ids.air);
        let fault = if self.air_missing_since.is_some_and(|since| now - since >= limit) {
            Fault::Fan
        } else if air.is_none() {
            Fault::AirSensor
        } else if air.is_some_and(|air| air > self.settings.high_alarm_c) {
            Fault::HighTemperature
        } else if air.is_some_and(|air| air < self.settings.low_alarm_c) {
            Fault::LowTemperature
        } else {
            Fault::None
        };
        if core::mem::replace(&mut self.fault, fault) != fault {
            self.outbox
                .note("fault", f64::from(fault as u8), FAULTS[fault as usize]);
        }
    }

    /// Thermostat of each unit, for air that is to be cooled and air that is to be heated.
    fn switch(&mut self, now: SimTime, to_cool: Option<f64>, to_heat: Option<f64>) {
        let get = |id| self.points.get(id).unwrap_or(0.0);
        let (cool_c, hysteresis_k) = (get(self.ids.cool_setpoint), get(self.ids.hysteresis));
        // Set points that cross would have it cool what it heats.
        let heat_c = get(self.ids.heat_setpoint).min(cool_c - hysteresis_k);
        let min_off = Duration::from_secs(self.settings.min_off_s);
        let stage_k = self.settings.stage_k;
        // from one edge of the hysteresis to the other
        let half_k = 0.5 * hysteresis_k;
        let edge_k = |on: bool| if on { -half_k } else { half_k };
        for (unit, stage) in self.units.iter_mut().zip(0_u8..) {
            let shift_k = f64::from(stage) * stage_k;
            let hot = to_cool.is_some_and(|air| air - cool_c - shift_k > edge_k(unit.cooling));
            let cools = hot && (unit.cooling || now >= unit.rests_until);
            if unit.cooling && !cools {
                unit.rests_until = now + min_off;
            }
            unit.heating = to_heat.is_some_and(|air| heat_c - shift_k - air > edge_k(unit.heating));
            unit.cooling = cools;
        }
    }

    fn tell(&mut self, demand: Demand) {
        if self.sent == Some(demand) {
            return;
        }
        self.sent = Some(demand);
        let Demand {
            fan,
            cooling,
            heating,
        } = demand;
        self.outbox.actuate(Actuation::HvacDemand {
            fan,
            cooling,
            heating,
        });
    }

    fn publish(&mut self, now: SimTime) {
        let ids = self.ids;
        let demand = self.sent.unwrap_or_default();
        let resting = self.units.iter().map(|unit| unit.rests_until).max();
        let wait = resting
            .filter(|until| *until > now)
            .map_or(Duration::ZERO, |until| until - now);
        let p = &mut self.points;
        p.set(ids.active_mode, f64::from(self.active_mode));
        p.set_flag(ids.fan, demand.fan);
        p.set_flag(ids.fire_stop, self.fire_stop);
        p.set(ids.compressors, f64::from(demand.cooling));
        p.set(ids.heaters, f64::from(demand.heating));
        p.set(ids.compressor_wait, wait.as_secs_f64().ceil());
        p.set(ids.fault, f64::from(self.fault as u8));
        p.set(ids.fault_level, self.fault.level());
    }

    fn on_sample(&mut self, channel: Channel, readings: &[Reading]) {
        let reading = readings
            .first()
            .copied()
            .filter(|reading| reading.value.is_finite())
            .unwrap_or_else(Reading::invalid);
        match channel {
            Channel::AirTemperature => self.points.put(self.ids.air, reading),
            Channel::AmbientTemperature => self.points.put(self.ids.ambient, reading),
            Channel::HvacRunning => {
                let running = reading.ok().is_some_and(|closed| closed >= 0.5);
                self.points.set_flag(self.ids.fan_running, running);
            }
            _ => {}
        }
    }

    fn is_on(&self) -> bool {
        self.supply == Supply::On
    }

    /// The self-test is over.
    fn begin(&mut self, now: SimTime) {
        self.next_cycle = now;
        if self.restarted {
            let rests_until = now + Duration::from_secs(self.settings.min_off_s);
            for unit in &mut self.units {
                unit.rests_until = rests_until;
            }
        }
    }
}

impl Device for Hvac {
    fn senses(&self) -> &[Sense] {
        &self.senses
    }

    fn accept(&mut self, now: SimTime, input: Input<'_>) {
        if self.supply == Supply::Applied {
            self.tell(Demand::default());
        }
        if self.supply.begins(now, self.start_up) {
            self.begin(now);
        }
        match input {
            // The contact is there whether or not the controller is, and is told on change only.
            Input::Line {
                line: Line::FireLevel2,
                level,
            } => {
                self.fire_stop = level;
                if self.is_on() {
                    self.control(now);
                }
            }
            Input::ModbusRequest { token, .. } if !self.is_on() => {
                self.outbox.no_reply(token);
            }
            Input::ModbusRequest {
                access,
                request,
                token,
                ..
            } => {
                let reply = self
                    .server
                    .serve(now, access, request, &mut self.points, &mut Vec::new());
                self.outbox.reply(token, reply);
            }
            Input::Sensed { channel, readings } if self.is_on() => self.on_sample(channel, readings),
            Input::Wake if self.is_on() && now >= self.next_cycle => {
                self.next_cycle = (now + Duration::from_nanos(1)).next_multiple(CYCLE, Duration::ZERO);
                self.cycle(now);
            }
            _ => {}
        }
        if self.is_on() {
            self.server.tick(now, &mut self.points, &mut Vec::new());
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop()
    }

    fn next_wake(&self) -> SimTime {
        if self.is_on() {
            self.next_cycle.min(self.server.next_due())
        } else {
            self.supply.next_wake()
        }
    }

    fn supports(&self, fault: &DeviceFault) -> bool {
        fault.is_of_supply() || fault.is_of_counters()
    }

    fn inject(&mut self, fault: &DeviceFault) -> Result<(), UnsupportedFault> {
        match fault {
            DeviceFault::PowerOff => {
                self.supply = Supply::Off;
                self.tell(Demand::default());
            }
            DeviceFault::PowerOn if self.supply == Supply::Off => {
                self.supply = Supply::Applied;
                self.restarted = true;
                self.points = Points::new(Arc::clone(self.points.table()));
                self.units.fill(Unit::default());
                self.air_proven_since = None;
                self.air_missing_since = None;
                self.fault = Fault::None;
                self.active_mode = 0;
                self.server.restart();
                self.preset_points();
            }
            DeviceFault::PowerOn => {}
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

#[cfg(test)]
mod tests;
