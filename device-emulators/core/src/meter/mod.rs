//! Power meter at the point of interconnection.
//!
//! Its registers change only at the refresh period, as a real meter's do: between refreshes a client reads the same
//! values again. The period is its measuring window: power is the mean of the window's samples, current follows from it,
//! and the energy counters, which outlive a power loss, add that power times the window. Below its starting current it
//! shows no power and counts nothing.

pub mod points;

use core::time::Duration;
use std::sync::Arc;

use bess_types::{Channel, Reading, SimTime};
use serde::Deserialize;

use self::points::MeterPoints;
use crate::codec::modbus::ModbusServer;
use crate::library::Library;
use crate::metering::Window;
use crate::outbox::Outbox;
use crate::product::{Product, ProductError};
use crate::{Device, DeviceFault, Input, Output, PointId, Points, Sense, UnsupportedFault};

/// Sampling period, at most the refresh.
const SAMPLE: Duration = Duration::from_millis(100);

/// Settings of one meter product.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Register refresh and measuring window, ms.
    pub refresh_ms: u64,
    /// Current transformer ratio as set, over the one fitted; 1 when set right.
    pub ct_ratio_factor: f64,
    /// Phase current from which it shows and counts power, A.
    pub start_current_a: f64,
}

/// One meter.
#[derive(Debug)]
pub struct Meter {
    settings: Settings,
    ids: MeterPoints,
    server: ModbusServer,
    points: Points,
    outbox: Outbox,
    senses: [Sense; 4],
    powered: bool,
    next_refresh: SimTime,
    phases: Option<[f64; 3]>,
    frequency: Option<f64>,
    /// Active and reactive power.
    window: Window<2>,
    /// Since when the present window runs.
    since: Option<SimTime>,
    exported_wh: f64,
    imported_wh: f64,
}

impl Meter {
    /// A meter as the product describes, its counters at zero.
    ///
    /// # Errors
    /// If the product's settings or register map do not read.
    pub fn new(product: &Product, library: &Library) -> Result<Self, ProductError> {
        let settings: Settings = product.settings()?;
        if settings.refresh_ms == 0 {
            return Err(product.invalid_setting(
                "refresh_ms",
                "a meter cannot refresh every 0 ms",
                "give 50 to 1000",
            ));
        }
        let (table, ids) = points::table();
        let server = ModbusServer::of_product(product, library, &table)?;
        let period = SAMPLE.min(Duration::from_millis(settings.refresh_ms));
        Ok(Self {
            settings,
            ids,
            server,
            points: Points::new(Arc::new(table)),
            outbox: Outbox::default(),
            senses: [
                Channel::PoiActivePower,
                Channel::PoiReactivePower,
                Channel::GridVoltages,
                Channel::GridFrequency,
            ]
            .map(|channel| Sense { channel, period }),
            powered: true,
            next_refresh: SimTime::ZERO,
            phases: None,
            frequency: None,
            window: Window::default(),
            since: None,
            exported_wh: 0.0,
            imported_wh: 0.0,
        })
    }

    fn on_sample(&mut self, channel: Channel, readings: &[Reading]) {
        let one = readings.first().copied().and_then(usable);
        let ct = self.settings.ct_ratio_factor;
        match channel {
            Channel::PoiActivePower => self.window.add(0, one.map(|w| w * ct)),
            Channel::PoiReactivePower => self.window.add(1, one.map(|var| var * ct)),
            Channel::GridFrequency => self.frequency = one,
            Channel::GridVoltages => {
                self.phases = match readings {
                    [a, b, c, ..] => match (usable(*a), usable(*b), usable(*c)) {
                        (Some(a), Some(b), Some(c)) => Some([a, b, c]),
                        _ => None,
                    },
                    _ => None,
                };
            }
            _ => {}
        }
    }

    /// Ends the measuring window: active and reactive power over it, whose energy is counted.
    fn close_window(&mut self, now: SimTime) -> [Option<f64>; 2] {
        let start_va = self
            .phases
            .map_or(0.0, |[a, b, c]| (a + b + c) * self.settings.start_current_a);
        let powers = self.window.close(start_va);
        let elapsed = self.since.map_or(Duration::ZERO, |since| now - since);
        self.since = Some(now);
        let wh = powers[0].unwrap_or(0.0) * elapsed.as_secs_f64() / 3600.0;
        if wh > 0.0 {
            self.exported_wh += wh;
        } else {
            self.imported_wh -= wh;
        }
        powers
    }

    fn refresh(&mut self, now: SimTime) {
        let ids = self.ids;
        let [active, reactive] = self.close_window(now);
        let p = &mut self.points;
        let mut put =
            |id: PointId, value: Option<f64>| p.put(id, value.map_or(Reading::invalid(), Reading::valid));
        let [a, b, c] = self.phases.map_or([None; 3], |v| v.map(Some));
        put(ids.voltage_a, a);
        put(ids.voltage_b, b);
        put(ids.voltage_c, c);
        let phase = self.phases.map(|v| (v[0] + v[1] + v[2]) / 3.0);
        put(ids.voltage_phase, phase);
        // Angles are not measured; 120° between the phases is taken.
        let line = |x: usize, y: usize| {
            self.phases
                .map(|v| (v[x] * v[x] + v[y] * v[y] + v[x] * v[y]).sqrt())
        };
        put(ids.voltage_ab, line(0, 1));
        put(ids.voltage_bc, line(1, 2));
        put(ids.voltage_ca, line(2, 0));
        put(ids.voltage_line, phase.map(|v| v * 3.0_f64.sqrt()));
        put(ids.frequency, self.frequency);
        put(ids.active_power, active);
        put(ids.reactive_power, reactive);
        let apparent = active.zip(reactive).map(|(w, var)| (w * w + var * var).sqrt());
        put(ids.apparent_power, apparent);
        let factor = apparent
            .zip(active)
            .map(|(va, w)| if va > 0.0 { w / va } else { 1.0 });
        put(ids.power_factor, factor);
        put(ids.power_phase, active.map(|w| w / 3.0));
        put(ids.reactive_phase, reactive.map(|var| var / 3.0));
        put(ids.apparent_phase, apparent.map(|va| va / 3.0));
        let current = match (apparent, phase, active) {
            (Some(va), Some(v), Some(w)) if v > 1.0 => Some((va / 3.0 / v).copysign(w)),
            (Some(_), Some(_), Some(_)) => Some(0.0),
            _ => None,
        };
        put(ids.current_phase, current);
        put(ids.current_total, current.map(|amps| 3.0 * amps));
        put(ids.exported, Some(self.exported_wh));
        put(ids.imported, Some(self.imported_wh));
    }
}

impl Device for Meter {
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
            } => {
                let reply = self
                    .server
                    .serve(now, access, request, &mut self.points, &mut Vec::new());
                self.outbox.reply(token, reply);
            }
            Input::Sensed { channel, readings } if self.powered => self.on_sample(channel, readings),
            Input::Wake if self.powered && now >= self.next_refresh => {
                let period = Duration::from_millis(self.settings.refresh_ms);
                self.next_refresh = (now + Duration::from_nanos(1)).next_multiple(period, Duration::ZERO);
                self.refresh(now);
            }
            _ => {}
        }
        if self.powered {
            self.server.tick(now, &mut self.points, &mut Vec::new());
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop()
    }

    fn next_wake(&self) -> SimTime {
        if self.powered {
            self.next_refresh.min(self.server.next_due())
        } else {
            SimTime::NEVER
        }
    }

    fn inject(&mut self, fault: &DeviceFault) -> Result<(), UnsupportedFault> {
        match fault {
            DeviceFault::PowerOff => self.powered = false,
            DeviceFault::PowerOn => {
                if !self.powered {
                    self.powered = true;
                    self.points = Points::new(Arc::clone(self.points.table()));
                    self.server.restart();
                    self.phases = None;
                    self.frequency = None;
                    self.window = Window::default();
                    self.since = None;
                }
            }
            other => return Err(UnsupportedFault { fault: *other }),
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
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use bess_types::ModbusRequest;

    use super::*;
    use crate::codec::modbus::ModbusAccess;

    fn meter() -> Meter {
        let library = Library::shipped();
        let product = library.product("meter").unwrap();
        Meter::new(&product, &library).unwrap()
    }

    fn step(meter: &mut Meter, ms: u64, watts: f64) {
        let now = SimTime::from_millis(ms);
        let mut sense = |channel, values: &[f64]| {
            let readings: Vec<Reading> = values.iter().copied().map(Reading::valid).collect();
            meter.accept(
                now,
                Input::Sensed {
                    channel,
                    readings: &readings,
                },
            );
        };
        sense(Channel::PoiActivePower, &[watts]);
        sense(Channel::PoiReactivePower, &[watts / 10.0]);
        sense(Channel::GridVoltages, &[398.4, 398.0, 398.8]);
        sense(Channel::GridFrequency, &[50.01]);
        meter.accept(now, Input::Wake);
    }

    /// To a window's length at the turn from one way to the other: 28 Wh.
    #[test]
    fn counts_energy_each_way() {
        let mut meter = meter();
        for i in 0..=36_000 {
            step(
                &mut meter,
                i * 100,
                if i < 18_000 { 1_000_000.0 } else { -500_000.0 },
            );
        }
        assert!(
            (meter.exported_wh - 500_000.0).abs() < 50.0,
            "{}",
            meter.exported_wh
        );
        assert!(
            (meter.imported_wh - 250_000.0).abs() < 50.0,
            "{}",
            meter.imported_wh
        );
        meter.inject(&DeviceFault::PowerOff).unwrap();
        meter.inject(&DeviceFault::PowerOn).unwrap();
        assert!(meter.exported_wh > 0.0, "counters outlive a power loss");
    }

    #[test]
    fn registers_change_only_at_the_refresh() {
        let mut meter = meter();
        let active = meter.ids.active_power;
        step(&mut meter, 0, 10e3);
        assert_eq!(meter.points.get(active), Some(10e3));
        step(&mut meter, 100, 20e3);
        assert_eq!(meter.points.get(active), Some(10e3));
        step(&mut meter, 200, 30e3);
        assert_eq!(meter.points.get(active), Some(25e3), "the mean of the window");
    }

    /// 1.5 A in each phase of 398 V is 1.79 kVA; the bench's reactive power is a tenth of the active.
    #[test]
    fn below_its_starting_current_it_shows_and_counts_nothing() {
        let mut meter = meter();
        let [active, current] = [meter.ids.active_power, meter.ids.current_phase];
        for i in 0..=36_000 {
            step(&mut meter, i * 100, 1_700.0);
        }
        assert_eq!(meter.points.get(active), Some(0.0));
        assert_eq!(meter.points.get(current), Some(0.0));
        assert_eq!(meter.exported_wh, 0.0);
        step(&mut meter, 3_600_100, 1_800.0);
        step(&mut meter, 3_600_200, 1_800.0);
        assert_eq!(meter.points.get(active), Some(1_800.0));
    }

    /// A standby load of 1.75 kVA on average, whose samples lie on both sides of the start: once started it is shown
    /// and counted without a gap, and power, current and energy are one another's.
    #[test]
    fn a_standby_load_near_the_start_neither_flickers_nor_gets_lost() {
        let mut meter = meter();
        let [active, current, voltage] = [
            meter.ids.active_power,
            meter.ids.current_phase,
            meter.ids.voltage_phase,
        ];
        step(&mut meter, 0, -2_000.0);
        let mut joules = 0.0;
        let noise = [-350.0, 150.0, -100.0, 0.0, 300.0];
        for (i, noise) in (1..=600).zip(noise.into_iter().cycle()) {
            step(&mut meter, i * 100, -1_750.0 + noise);
            if i % 2 == 0 {
                let [w, a, v] = [active, current, voltage].map(|id| meter.points.get(id).unwrap());
                assert!((-2_000.0..-1_500.0).contains(&w), "{w} W at {i}");
                let va = w * 1.01_f64.sqrt();
                assert!((a * 3.0 * v - va).abs() < 1.0, "{a} A");
                joules -= w * 0.2;
            }
        }
        assert!((meter.imported_wh * 3600.0 - joules).abs() < 1.0);
        assert!((joules / 60.0 - 1_750.0).abs() < 5.0, "{joules} J");
        assert_eq!(meter.exported_wh, 0.0);
    }

    #[test]
    fn register_image_when_exporting() {
        let mut meter = meter();
        for i in 0..=36 {
            step(&mut meter, i * 100, 1_000_000.0);
        }
        insta::assert_snapshot!(meter.server.image(&meter.points));
    }

    #[test]
    fn a_meter_cannot_be_written() {
        let mut meter = meter();
        let request = ModbusRequest::WriteRegisters {
            address: 40_090,
            values: vec![0],
        };
        let reply = meter.server.serve(
            SimTime::ZERO,
            ModbusAccess::default(),
            &request,
            &mut meter.points,
            &mut Vec::new(),
        );
        assert_eq!(reply, Err(bess_types::ModbusException::IllegalDataAddress));
    }

    #[test]
    fn holds_to_the_device_contract() {
        crate::contract::device_contract(|| {
            let library = Library::shipped();
            let product = library.product("meter").unwrap();
            Box::new(Meter::new(&product, &library).unwrap())
        });
    }
}
