//! Liquid chiller: pump, compressor and heater behind one set-point.
//!
//! It obeys its Modbus client while it hears one. Left alone for the watchdog time it cools by itself at its own
//! set-point, because a silent BMS is no reason for a hot battery. The pump comes first: the heater waits until flow is
//! proven, the compressor for its start delay after that. The compressor keeps its shortest run and rest times whatever
//! is asked, except that `off` stops it at once.

pub mod points;

use core::time::Duration;
use std::sync::Arc;

use bess_types::{Actuation, Channel, CoolingMode, ModbusRequest, Reading, SimTime};
use serde::Deserialize;

use self::points::{ChillerPoints, FAULTS};
use crate::codec::modbus::{ModbusAccess, ModbusServer};
use crate::library::Library;
use crate::outbox::Outbox;
use crate::product::{Product, ProductError};
use crate::{Device, DeviceFault, Input, Output, PointId, Points, Sense, Token, UnsupportedFault};

/// Control cycle.
const CYCLE: Duration = Duration::from_secs(1);

/// Settings of one chiller product.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Set-point at power-up and when left alone, °C.
    pub default_setpoint_c: f64,
    /// `auto` cools when the controlled temperature is this far above the set-point, K.
    pub cool_band_k: f64,
    /// `auto` heats below this battery or return temperature, °C.
    pub heat_below_c: f64,
    /// Silence after which it cools by itself, s.
    pub comms_watchdog_s: u64,
    /// How long flow must be proven before the compressor starts, s.
    pub compressor_start_delay_s: u64,
    /// Shortest compressor run, s.
    pub compressor_min_on_s: u64,
    /// Shortest compressor rest, s.
    pub compressor_min_off_s: u64,
    /// Flow below this with the pump on is a fault, L/min.
    pub flow_min_l_per_min: f64,
    /// How long the flow may be low, as after the pump starts, s.
    pub flow_delay_s: u64,
    /// Supply temperature that is an alarm, °C.
    pub supply_alarm_c: f64,
}

/// What is wrong; numbers as in [`points::FAULTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Pump on, no flow. Compressor and heater stop, the pump goes on trying; latched.
    FlowLow,
    /// Supply sensor unusable. Goes on by the return temperature.
    SupplySensor,
    /// Return sensor unusable.
    ReturnSensor,
    /// Supply too hot.
    OverTemperature,
}

impl Fault {
    const fn level(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::SupplySensor | Self::ReturnSensor | Self::OverTemperature => 1.0,
            Self::FlowLow => 2.0,
        }
    }
}

/// One chiller.
#[derive(Debug)]
pub struct Chiller {
    settings: Settings,
    ids: ChillerPoints,
    server: ModbusServer,
    points: Points,
    outbox: Outbox,
    senses: [Sense; 4],
    powered: bool,
    frozen: bool,
    next_cycle: SimTime,
    /// Last request, or power-up.
    heard: Option<SimTime>,
    comms_ok: bool,
    mode: CoolingMode,
    compressor_since: Option<SimTime>,
    compressor_stopped: Option<SimTime>,
    flow_low_since: Option<SimTime>,
    /// Since when the pump runs and the coolant flows.
    flow_proven_since: Option<SimTime>,
    fault: Fault,
    sent: Option<(CoolingMode, f64)>,
}

impl Chiller {
    /// A chiller as the product describes, just powered up and off.
    ///
    /// # Errors
    /// If the product's settings or register map do not read.
    pub fn new(product: &Product, library: &Library) -> Result<Self, ProductError> {
        let settings: Settings = product.settings()?;
        let (table, ids) = points::table();
        let server = ModbusServer::of_product(product, library, &table)?;
        let mut chiller = Self {
            ids,
            server,
            points: Points::new(Arc::new(table)),
            outbox: Outbox::default(),
            senses: [
                Channel::CoolantSupply,
                Channel::CoolantReturn,
                Channel::CoolantFlow,
                Channel::AmbientTemperature,
            ]
            .map(|channel| Sense {
                channel,
                period: CYCLE,
            }),
            powered: true,
            frozen: false,
            next_cycle: SimTime::ZERO,
            heard: None,
            comms_ok: true,
            mode: CoolingMode::Off,
            compressor_since: None,
            compressor_stopped: None,
            flow_low_since: None,
            flow_proven_since: None,
            fault: Fault::None,
            sent: None,
            settings,
        };
        chiller.preset_points();
        Ok(chiller)
    }

    fn preset_points(&mut self) {
        let ids = self.ids;
        self.points.set(ids.mode, 0.0);
        self.points.set(ids.setpoint, self.settings.default_setpoint_c);
        self.points.set(ids.reset, 0.0);
        self.points.set(ids.life_counter, 0.0);
        self.show_wait(SimTime::ZERO);
        self.publish();
    }

    fn cycle(&mut self, now: SimTime) {
        if !self.frozen {
            self.points.count(self.ids.life_counter);
        }
        let heard = *self.heard.get_or_insert(now);
        self.set_comms(now - heard < Duration::from_secs(self.settings.comms_watchdog_s));
        self.prove_flow(now);
        self.watch_faults(now);
        let wanted = self.wanted();
        self.switch(now, wanted);
        self.act();
        self.show_wait(now);
        self.publish();
    }

    fn show_wait(&mut self, now: SimTime) {
        let left = |since: SimTime, time_s| Duration::from_secs(time_s).saturating_sub(now - since);
        let rest = self.compressor_stopped.map_or(Duration::ZERO, |since| {
            left(since, self.settings.compressor_min_off_s)
        });
        let delay = left(
            self.flow_proven_since.unwrap_or(now),
            self.settings.compressor_start_delay_s,
        );
        let wait = if self.mode == CoolingMode::Cool {
            Duration::ZERO
        } else {
            rest.max(delay)
        };
        self.points
            .set(self.ids.compressor_wait, wait.as_secs_f64().ceil());
    }

    fn set_comms(&mut self, ok: bool) {
        if ok != self.comms_ok {
            self.comms_ok = ok;
            let text = if ok {
                "heard again"
            } else {
                "not heard from, cools by itself"
            };
            self.outbox.note("comms-ok", f64::from(u8::from(ok)), text);
        }
    }

    fn prove_flow(&mut self, now: SimTime) {
        let flows = self
            .points
            .get(self.ids.flow)
            .is_some_and(|flow| flow >= self.settings.flow_min_l_per_min);
        self.flow_proven_since = if flows && self.mode != CoolingMode::Off {
            self.flow_proven_since.or(Some(now))
        } else {
            None
        };
    }

    fn watch_faults(&mut self, now: SimTime) {
        let p = &self.points;
        let pumping = self.mode != CoolingMode::Off;
        let low = pumping && self.flow_proven_since.is_none();
        let low_for = if low {
            now - *self.flow_low_since.get_or_insert(now)
        } else {
            self.flow_low_since = None;
            Duration::ZERO
        };
        let too_hot = p
            .get(self.ids.supply)
            .is_some_and(|t| t > self.settings.supply_alarm_c);
        let fault = if self.fault == Fault::FlowLow
            || low_for >= Duration::from_secs(self.settings.flow_delay_s) && low
        {
            Fault::FlowLow
        } else if pumping && p.get(self.ids.supply).is_none() {
            Fault::SupplySensor
        } else if pumping && p.get(self.ids.coolant_return).is_none() {
            Fault::ReturnSensor
        } else if too_hot {
            Fault::OverTemperature
        } else {
            Fault::None
        };
        self.set_fault(fault);
    }

    fn set_fault(&mut self, fault: Fault) {
        if fault != self.fault {
            self.fault = fault;
            self.outbox
                .note("fault", f64::from(fault as u8), FAULTS[fault as usize]);
        }
    }

    /// What is asked for, before the compressor's own times.
    fn wanted(&self) -> CoolingMode {
        let asked = if self.comms_ok {
            self.points.get(self.ids.mode).unwrap_or(0.0)
        } else {
            2.0
        };
        let wanted = match asked {
            1.0 => CoolingMode::Circulate,
            2.0 => CoolingMode::Cool,
            3.0 => CoolingMode::Heat,
            4.0 => self.automatic(),
            _ => CoolingMode::Off,
        };
        if self.fault == Fault::FlowLow && wanted != CoolingMode::Off {
            CoolingMode::Circulate
        } else {
            wanted
        }
    }

    /// `auto`: by the battery temperatures if the BMS sends them, else by the coolant return.
    fn automatic(&self) -> CoolingMode {
        let p = &self.points;
        let coolant = p.get(self.ids.coolant_return).or(p.get(self.ids.supply));
        let high = p.get(self.ids.battery_max).or(coolant);
        let low = p.get(self.ids.battery_min).or(coolant);
        let setpoint = self.setpoint();
        // While cooling it goes on down to the set-point itself.
        let start = if self.mode == CoolingMode::Cool {
            setpoint
        } else {
            setpoint + self.settings.cool_band_k
        };
        if high.is_none_or(|t| t > start) {
            CoolingMode::Cool
        } else if low.is_some_and(|t| t < self.settings.heat_below_c) {
            CoolingMode::Heat
        } else {
            CoolingMode::Circulate
        }
    }

    fn setpoint(&self) -> f64 {
        let own = self.settings.default_setpoint_c;
        if self.comms_ok {
            self.points.get(self.ids.setpoint).unwrap_or(own)
        } else {
            own
        }
    }

    fn switch(&mut self, now: SimTime, wanted: CoolingMode) {
        let running = self.mode == CoolingMode::Cool;
        let min_on = Duration::from_secs(self.settings.compressor_min_on_s);
        let min_off = Duration::from_secs(self.settings.compressor_min_off_s);
        let must_run = running
            && wanted != CoolingMode::Off
            && self.fault != Fault::FlowLow
            && self.compressor_since.is_some_and(|since| now - since < min_on);
        let must_rest = self.compressor_stopped.is_some_and(|since| now - since < min_off);
        let start_delay = Duration::from_secs(self.settings.compressor_start_delay_s);
        let flows_for = |time| self.flow_proven_since.is_some_and(|since| now - since >= time);
        let mode = match wanted {
            _ if must_run => CoolingMode::Cool,
            CoolingMode::Cool if !running && (must_rest || !flows_for(start_delay)) => CoolingMode::Circulate,
            CoolingMode::Heat if !flows_for(Duration::ZERO) => CoolingMode::Circulate,
            other => other,
        };
        if mode == self.mode {
            return;
        }
        if running {
            self.compressor_since = None;
            self.compressor_stopped = Some(now);
        } else if mode == CoolingMode::Cool {
            self.compressor_since = Some(now);
        }
        self.mode = mode;
        let name = ["off", "circulate", "cool", "heat"][mode as usize];
        self.outbox.note("active-mode", f64::from(mode as u8), name);
    }

    fn act(&mut self) {
        let now = (self.mode, self.setpoint());
        if self.sent != Some(now) {
            self.sent = Some(now);
            self.outbox.actuate(Actuation::Cooling {
                mode: now.0,
                setpoint_c: now.1,
            });
        }
    }

    fn publish(&mut self) {
        let ids = self.ids;
        let setpoint = self.setpoint();
        let p = &mut self.points;
        p.set(ids.active_mode, f64::from(self.mode as u8));
        p.set(ids.active_setpoint, setpoint);
        p.set_flag(ids.pump, self.mode != CoolingMode::Off);
        p.set_flag(ids.compressor, self.mode == CoolingMode::Cool);
        p.set_flag(ids.heater, self.mode == CoolingMode::Heat);
        p.set_flag(
            ids.flow_ok,
            self.mode != CoolingMode::Off && self.flow_proven_since.is_some(),
        );
        p.set(ids.fault, f64::from(self.fault as u8));
        p.set(ids.fault_level, self.fault.level());
        p.set_flag(ids.comms_ok, self.comms_ok);
    }

    fn on_request(&mut self, now: SimTime, access: ModbusAccess<'_>, request: &ModbusRequest, token: Token) {
        self.heard = Some(now);
        let mut written = Vec::new();
        let reply = self
            .server
            .serve(now, access, request, &mut self.points, &mut written);
        self.on_written(&written);
        self.outbox.reply(token, reply);
    }

    /// Side effects of the register map take their time.
    fn let_time_pass(&mut self, now: SimTime) {
        let mut written = Vec::new();
        self.server.tick(now, &mut self.points, &mut written);
        self.on_written(&written);
    }

    fn on_written(&mut self, written: &[PointId]) {
        if written.contains(&self.ids.reset) {
            if self.points.is_on(self.ids.reset) {
                self.flow_low_since = None;
                self.set_fault(Fault::None);
            }
            self.points.set(self.ids.reset, 0.0);
        }
    }

    fn on_sample(&mut self, channel: Channel, readings: &[Reading]) {
        let id = match channel {
            Channel::CoolantSupply => self.ids.supply,
            Channel::CoolantReturn => self.ids.coolant_return,
            Channel::CoolantFlow => self.ids.flow,
            Channel::AmbientTemperature => self.ids.ambient,
            _ => return,
        };
        let usable = readings
            .first()
            .copied()
            .filter(|reading| reading.value.is_finite());
        self.points.put(id, usable.unwrap_or_else(Reading::invalid));
    }
}

impl Device for Chiller {
    fn senses(&self) -> &[Sense] {
        &self.senses
    }

    fn accept(&mut self, now: SimTime, input: Input<'_>) {
        match input {
            Input::ModbusRequest { token, .. } if !self.powered => {
                self.outbox.no_reply(token);
            }
            Input::ModbusRequest {
                access,
                request,
                token,
                ..
            } => self.on_request(now, access, request, token),
            Input::Sensed { channel, readings } if self.powered => self.on_sample(channel, readings),
            Input::Wake if self.powered && now >= self.next_cycle => {
                self.next_cycle = (now + Duration::from_nanos(1)).next_multiple(CYCLE, Duration::ZERO);
                self.cycle(now);
            }
            _ => {}
        }
        if self.powered {
            self.let_time_pass(now);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop()
    }

    fn next_wake(&self) -> SimTime {
        if self.powered {
            self.next_cycle.min(self.server.next_due())
        } else {
            SimTime::NEVER
        }
    }

    fn supports(&self, fault: &DeviceFault) -> bool {
        fault.is_of_supply() || fault.is_of_counters()
    }

    fn inject(&mut self, fault: &DeviceFault) -> Result<(), UnsupportedFault> {
        match fault {
            DeviceFault::PowerOff => {
                if self.powered {
                    self.powered = false;
                    self.outbox.actuate(Actuation::Cooling {
                        mode: CoolingMode::Off,
                        setpoint_c: self.settings.default_setpoint_c,
                    });
                }
            }
            DeviceFault::PowerOn => {
                if !self.powered {
                    self.powered = true;
                    self.points = Points::new(Arc::clone(self.points.table()));
                    self.heard = None;
                    self.comms_ok = true;
                    self.mode = CoolingMode::Off;
                    self.compressor_since = None;
                    self.compressor_stopped = None;
                    self.flow_low_since = None;
                    self.flow_proven_since = None;
                    self.fault = Fault::None;
                    self.sent = None;
                    self.server.restart();
                    self.preset_points();
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    /// A chiller whose coolant flows when it pumps.
    struct Bench {
        chiller: Chiller,
        now_s: u64,
        coolant_return: f64,
        flow: f64,
        polled: bool,
        cooling: (CoolingMode, f64),
    }

    impl Bench {
        fn new() -> Self {
            let library = Library::shipped();
            let product = library.product("chiller").unwrap();
            Self {
                chiller: Chiller::new(&product, &library).unwrap(),
                now_s: 0,
                coolant_return: 20.0,
                flow: 300.0,
                polled: true,
                cooling: (CoolingMode::Off, 0.0),
            }
        }

        fn give(&mut self, input: Input<'_>) {
            self.chiller
                .accept(SimTime::from_millis(self.now_s * 1000), input);
            while let Some(output) = self.chiller.poll_output() {
                match output {
                    Output::Actuate(Actuation::Cooling { mode, setpoint_c }) => {
                        self.cooling = (mode, setpoint_c);
                    }
                    Output::Note { point, .. } => {
                        assert!(
                            self.chiller.points.table().find(point).is_some(),
                            "note on {point}"
                        );
                    }
                    Output::ModbusReply { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }

        fn run(&mut self, seconds: u64) {
            for _ in 0..seconds {
                self.now_s += 1;
                let flow = if self.cooling.0 == CoolingMode::Off {
                    0.0
                } else {
                    self.flow
                };
                for (channel, value) in [
                    (Channel::CoolantSupply, self.coolant_return - 2.0),
                    (Channel::CoolantReturn, self.coolant_return),
                    (Channel::CoolantFlow, flow),
                    (Channel::AmbientTemperature, 30.0),
                ] {
                    self.give(Input::Sensed {
                        channel,
                        readings: &[Reading::valid(value)],
                    });
                }
                if self.polled {
                    let request = ModbusRequest::Read {
                        table: bess_types::Table::Holding,
                        address: 100,
                        count: 1,
                    };
                    self.give(Input::ModbusRequest {
                        unit: 1,
                        access: ModbusAccess::default(),
                        request: &request,
                        token: Token(1),
                    });
                }
                self.give(Input::Wake);
            }
        }

        fn wait_s(&self) -> f64 {
            self.chiller.points.get(self.chiller.ids.compressor_wait).unwrap()
        }

        fn write(&mut self, address: u16, value: u16) {
            let request = ModbusRequest::WriteRegisters {
                address,
                values: vec![value],
            };
            self.give(Input::ModbusRequest {
                unit: 1,
                access: ModbusAccess::default(),
                request: &request,
                token: Token(1),
            });
        }
    }

    #[test]
    fn does_what_it_is_told() {
        let mut bench = Bench::new();
        bench.run(5);
        assert_eq!(bench.cooling.0, CoolingMode::Off);
        bench.write(1, 225);
        bench.write(0, 2);
        bench.run(1);
        assert_eq!(bench.cooling, (CoolingMode::Circulate, 22.5), "the pump first");
        assert!(!bench.chiller.points.is_on(bench.chiller.ids.flow_ok));
        bench.run(1);
        assert!(bench.chiller.points.is_on(bench.chiller.ids.flow_ok));
        assert_eq!(bench.wait_s(), 15.0);
        bench.run(14);
        assert_eq!(bench.cooling.0, CoolingMode::Circulate, "flow is proven for 14 s");
        assert_eq!(bench.wait_s(), 1.0);
        bench.run(1);
        assert_eq!(bench.cooling, (CoolingMode::Cool, 22.5));
        assert_eq!(bench.wait_s(), 0.0);
    }

    #[test]
    fn without_proven_flow_neither_compressor_nor_heater_starts() {
        for mode in [2, 3] {
            let mut bench = Bench::new();
            bench.flow = 0.0;
            bench.write(0, mode);
            bench.run(60);
            assert_eq!(bench.cooling.0, CoolingMode::Circulate);
            assert_eq!(bench.chiller.fault, Fault::FlowLow);
        }
    }

    #[test]
    fn the_compressor_keeps_its_run_and_rest_times() {
        let mut bench = Bench::new();
        bench.write(0, 2);
        bench.run(27);
        bench.write(0, 1);
        bench.run(100);
        assert_eq!(bench.cooling.0, CoolingMode::Cool, "runs on for 120 s");
        bench.run(15);
        assert_eq!(bench.cooling.0, CoolingMode::Circulate);
        bench.write(0, 2);
        bench.run(170);
        assert_eq!(bench.cooling.0, CoolingMode::Circulate, "rests for 180 s");
        let wait_s = bench.wait_s();
        assert!((1.0..=20.0).contains(&wait_s), "{wait_s}");
        bench.run(20);
        assert_eq!(bench.cooling.0, CoolingMode::Cool);
        bench.write(0, 0);
        bench.run(1);
        assert_eq!(bench.cooling.0, CoolingMode::Off, "off is off");
    }

    #[test]
    fn left_alone_it_cools_at_its_own_setpoint() {
        let mut bench = Bench::new();
        bench.write(1, 300);
        bench.run(5);
        bench.polled = false;
        bench.run(29);
        assert_eq!(bench.cooling.0, CoolingMode::Off);
        bench.run(2);
        assert_eq!(bench.cooling, (CoolingMode::Circulate, 18.0));
        bench.run(16);
        assert_eq!(bench.cooling, (CoolingMode::Cool, 18.0));
        bench.polled = true;
        bench.run(121);
        assert_eq!(bench.cooling, (CoolingMode::Off, 30.0));
    }

    #[test]
    fn auto_cools_heats_and_circulates() {
        let mut bench = Bench::new();
        bench.write(0, 4);
        for (temperature, mode) in [
            (20.0, CoolingMode::Circulate),
            (24.0, CoolingMode::Cool),
            (19.0, CoolingMode::Cool),
            (17.0, CoolingMode::Circulate),
            (5.0, CoolingMode::Heat),
        ] {
            bench.coolant_return = temperature;
            bench.run(200);
            assert_eq!(bench.cooling.0, mode, "{temperature} °C");
        }
    }

    #[test]
    fn without_flow_the_compressor_stops_until_reset() {
        let mut bench = Bench::new();
        bench.write(0, 2);
        bench.run(30);
        bench.flow = 0.0;
        bench.run(12);
        assert_eq!(bench.cooling.0, CoolingMode::Circulate);
        assert_eq!(bench.chiller.fault, Fault::FlowLow);
        bench.flow = 300.0;
        bench.run(300);
        assert_eq!(bench.cooling.0, CoolingMode::Circulate, "latched");
        bench.write(2, 1);
        bench.run(1);
        assert_eq!(bench.cooling.0, CoolingMode::Cool);
    }

    #[test]
    fn register_image_when_cooling() {
        let mut bench = Bench::new();
        bench.write(0, 2);
        bench.run(20);
        insta::assert_snapshot!(bench.chiller.server.image(&bench.chiller.points));
    }

    #[test]
    fn holds_to_the_device_contract() {
        crate::contract::device_contract(|| {
            let library = Library::shipped();
            let product = library.product("chiller").unwrap();
            Box::new(Chiller::new(&product, &library).unwrap())
        });
    }
}
