//! Measuring unit in the cluster's high-voltage box: voltages and current every 20 ms, insulation and box
//! temperature every second, as an IVT-like sensor on the cluster's CAN.
//!
//! It measures and reports; it protects nothing. A value its input stage cannot give goes out as the raw
//! code for "no value", with a status bit. Its product may be a part of it: a current sensor, or an insulation monitor.
//! It is wired to what its messages carry and to nothing else.
//!
//! With the point `mode` a controller stops its cyclic messages and lets them run again; requests are answered in
//! both modes. What it does after power-up is `startup-mode`, which it keeps.

mod points;

use core::time::Duration;
use std::sync::Arc;

use bess_types::{CanFrame, CanId, Channel, Reading, SimTime};
use serde::Deserialize;

pub use points::HvUnitPoints;

use crate::addressing::j1939::{Claimant, is_about_claims, name_of_hv_unit};
use crate::addressing::{Addressing, NameSettings, Step};

use crate::codec::can::CanPort;
use crate::device::{Device, DeviceFault, Input, Output, Sense, UnsupportedFault};
use crate::library::Library;
use crate::outbox::Outbox;
use crate::points::{PointId, PointTable, Points};
use crate::product::{Product, ProductError};
use crate::supply::Supply;

/// CAN port `cluster`.
const CLUSTER_PORT: u8 = 0;

/// The sensors of the points that are on the wire, with what is worked out of them.
fn senses(port: &CanPort, ids: &HvUnitPoints) -> Vec<Sense> {
    let current = [ids.current, ids.power, ids.charge, ids.energy];
    let voltage = [ids.cluster_voltage, ids.power, ids.energy];
    let all: [(Channel, u64, &[PointId]); 5] = [
        (Channel::ClusterVoltage, 20, &voltage),
        (Channel::BusVoltage, 20, &[ids.bus_voltage]),
        (Channel::ClusterCurrent, 20, &current),
        (Channel::InsulationResistance, 1_000, &[ids.insulation_resistance]),
        (Channel::HvBoxTemperature, 1_000, &[ids.box_temperature]),
    ];
    all.into_iter()
        .filter(|(_, _, points)| points.iter().any(|point| port.transmits(*point)))
        .map(|(channel, period_ms, _)| Sense {
            channel,
            period: Duration::from_millis(period_ms),
        })
        .collect()
}

/// `[settings]` of a measuring unit's product file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Self-test after power-on, ms.
    #[serde(default = "default_start_up_ms")]
    pub start_up_ms: u64,
    /// Largest current the shunt measures, A, either way; beyond it the reading stays there. An insulation monitor has no
    /// shunt, and any.
    pub current_range_a: f64,
    /// Highest voltage its inputs may be wired to, V; none if it measures no voltage, or any here.
    pub voltage_class_v: Option<f64>,
    /// How it gets its address: `fixed`, or `j1939`, where it claims it.
    #[serde(default)]
    pub addressing: Addressing,
    /// Its NAME for addressing by J1939.
    #[serde(default)]
    pub j1939: NameSettings,
}

impl Settings {
    /// Reads and checks them.
    ///
    /// # Errors
    /// If a key is unknown, a range is not above 0, or its address is to be given by a BCU.
    pub fn of(product: &Product) -> Result<Self, ProductError> {
        let settings: Self = product.settings()?;
        if settings.current_range_a <= 0.0 {
            return Err(product.invalid_setting(
                "current_range_a",
                "the range must be above 0",
                "give the shunt's range in A",
            ));
        }
        if settings.voltage_class_v.is_some_and(|volts| volts <= 0.0) {
            return Err(product.invalid_setting(
                "voltage_class_v",
                "the class must be above 0",
                "give the highest voltage of its inputs in V",
            ));
        }
        if !matches!(settings.addressing, Addressing::Fixed | Addressing::J1939) {
            return Err(product.invalid_setting(
                "addressing",
                &format!(
                    "a measuring unit is given no address by {}",
                    settings.addressing.name()
                ),
                "leave it out, or write \"j1939\"",
            ));
        }
        settings.j1939.check(product)?;
        Ok(settings)
    }
}

const fn default_start_up_ms() -> u64 {
    200
}

/// The points of a measuring unit of this product.
///
/// # Errors
/// If its settings have mistakes.
pub fn point_table(product: &Product) -> Result<PointTable, ProductError> {
    Settings::of(product)?;
    let mut table = PointTable::default();
    HvUnitPoints::add_to(&mut table);
    Ok(table)
}

/// A measuring unit.
#[derive(Clone, Debug)]
pub struct HvUnit {
    settings: Settings,
    ids: HvUnitPoints,
    points: Points,
    port: CanPort,
    /// Address it is to have, and its claim of it; none with a fixed one.
    claim: Option<(u8, Claimant)>,
    supply: Supply,
    senses: Vec<Sense>,
    last_current: Option<SimTime>,
    outbox: Outbox,
}

impl HvUnit {
    /// A measuring unit at this CAN source address, powered, at the start of its self-test.
    ///
    /// # Errors
    /// If the product has mistakes.
    pub fn new(product: &Product, library: &Library, node: u8) -> Result<Self, ProductError> {
        let mut table = PointTable::default();
        let ids = HvUnitPoints::add_to(&mut table);
        let port = CanPort::compile(product, "cluster", library, &table, node)?;
        let mut points = Points::new(Arc::new(table));
        points.set_flag(ids.startup_mode, true);
        let settings = Settings::of(product)?;
        let claims = settings.addressing == Addressing::J1939;
        let name = name_of_hv_unit(&settings.j1939);
        Ok(Self {
            settings,
            claim: claims.then(|| (node, Claimant::new(name))),
            senses: senses(&port, &ids),
            ids,
            port,
            points,
            supply: Supply::Applied,
            last_current: None,
            outbox: Outbox::default(),
        })
    }

    fn wake(&mut self, now: SimTime) {
        if self
            .supply
            .begins(now, Duration::from_millis(self.settings.start_up_ms))
        {
            self.judge();
            match &mut self.claim {
                None => self.speak(now),
                Some((address, claimant)) => claimant.claim(now, *address),
            }
        }
        if let Some((_, claimant)) = &mut self.claim
            && claimant.next_due() <= now
        {
            claimant.wake(now);
        }
        self.follow_claim(now);
        let outbox = &mut self.outbox;
        self.port.transmit_due(now, &mut self.points, &mut |frame| {
            outbox.can(CLUSTER_PORT, frame);
        });
    }

    /// Begins with its messages.
    fn speak(&mut self, now: SimTime) {
        self.port.start(now);
        let startup = self.points.is_on(self.ids.startup_mode);
        self.points.set_flag(self.ids.mode, startup);
        self.port.set_cyclic(now, startup);
    }

    /// Does what its claim of an address wants done.
    fn follow_claim(&mut self, now: SimTime) {
        while let Some(step) = self
            .claim
            .as_mut()
            .and_then(|(_, claim)| claim.steps().pop_front())
        {
            match step {
                Step::Frame(frame) => self.outbox.can(CLUSTER_PORT, frame),
                Step::Address(Some(address)) => {
                    self.port.set_node(address);
                    self.speak(now);
                }
                Step::Address(None) => self.port.stop(),
                // it has no such line
                Step::Enable(_) => {}
            }
        }
    }

    fn receive(&mut self, now: SimTime, frame: &CanFrame) {
        if let Some((_, claimant)) = &mut self.claim {
            claimant.receive(now, frame);
            self.follow_claim(now);
        }
        if !self.is_addressed() {
            return;
        }
        let ran = self.points.is_on(self.ids.mode);
        if self.port.receive(now, frame, &mut self.points).is_none() {
            return;
        }
        let runs = self.points.is_on(self.ids.mode);
        if runs != ran {
            self.port.set_cyclic(now, runs);
        }
    }

    fn sensed(&mut self, now: SimTime, channel: Channel, reading: Reading) {
        let ids = self.ids;
        let point = match channel {
            Channel::ClusterVoltage => ids.cluster_voltage,
            Channel::BusVoltage => ids.bus_voltage,
            Channel::ClusterCurrent => {
                let range = self.settings.current_range_a;
                let over = reading.ok().is_some_and(|amps| !(-range..=range).contains(&amps));
                self.points.set_flag(ids.over_range, over);
                let measured = Reading {
                    value: reading.value.clamp(-range, range),
                    ..reading
                };
                self.points.put(ids.current, measured);
                self.count(now, measured.ok());
                return self.judge();
            }
            Channel::InsulationResistance => ids.insulation_resistance,
            Channel::HvBoxTemperature => ids.box_temperature,
            _ => return,
        };
        self.points.put(point, reading);
        self.judge();
    }

    /// Power, and charge and energy since power-up; nothing is counted while the current has no value.
    fn count(&mut self, now: SimTime, amps: Option<f64>) {
        let ids = self.ids;
        let power = amps
            .zip(self.points.get(ids.cluster_voltage))
            .map(|(amps, volts)| amps * volts);
        self.points
            .put(ids.power, power.map_or(Reading::invalid(), Reading::valid));
        if let (Some(since), Some(amps)) = (self.last_current, amps) {
            let seconds = (now - since).as_secs_f64();
            for (id, step) in [
                (ids.charge, amps * seconds),
                (ids.energy, power.unwrap_or(0.0) * seconds / 3_600.0),
            ] {
                let total = self.points.get(id).unwrap_or(0.0);
                self.points.set(id, total + step);
            }
        }
        self.last_current = amps.map(|_| now);
    }

    fn judge(&mut self) {
        let ids = self.ids;
        let mut any = false;
        for (flag, point) in [
            (ids.cluster_voltage_fault, ids.cluster_voltage),
            (ids.bus_voltage_fault, ids.bus_voltage),
            (ids.current_fault, ids.current),
        ] {
            let fault = self.points.get(point).is_none();
            self.points.set_flag(flag, fault);
            any |= fault && self.port.transmits(point);
        }
        self.points.set_flag(ids.measurement_fault, any);
    }

    fn power_off(&mut self) {
        self.supply = Supply::Off;
        self.port.stop();
        if let Some((_, claimant)) = &mut self.claim {
            claimant.stop();
            // nothing of it happens at an instant of its own
            self.follow_claim(SimTime::ZERO);
        }
        self.port.freeze_counters(false);
        self.last_current = None;
        let startup = self.points.reading(self.ids.startup_mode);
        self.points = Points::new(self.points.table().clone());
        self.points.put(self.ids.startup_mode, startup);
    }
}

impl Device for HvUnit {
    fn senses(&self) -> &[Sense] {
        &self.senses
    }

    fn hears(&self, _port: u8, id: CanId) -> bool {
        self.port.listens_to(id) || self.claim.is_some() && is_about_claims(id)
    }

    fn accept(&mut self, now: SimTime, input: Input<'_>) {
        match input {
            Input::Wake => self.wake(now),
            Input::Sensed { channel, readings } if self.supply != Supply::Off => {
                let reading = readings.first().copied().unwrap_or(Reading::invalid());
                self.sensed(now, channel, reading);
            }
            Input::Can {
                port: CLUSTER_PORT,
                frame,
            } if self.supply == Supply::On => self.receive(now, frame),
            Input::Sensed { .. }
            | Input::Can { .. }
            | Input::ModbusRequest { .. }
            | Input::ModbusReply { .. }
            | Input::Line { .. } => {}
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop()
    }

    fn is_addressed(&self) -> bool {
        self.claim
            .as_ref()
            .is_none_or(|(_, claimant)| claimant.own().is_some())
    }

    fn next_wake(&self) -> SimTime {
        let claim = self
            .claim
            .as_ref()
            .map_or(SimTime::NEVER, |(_, claimant)| claimant.next_due());
        self.supply.next_wake().min(self.port.next_due()).min(claim)
    }

    fn supports(&self, fault: &DeviceFault) -> bool {
        fault.is_of_supply() || fault.is_of_counters() || self.port.supports(fault)
    }

    fn inject(&mut self, fault: &DeviceFault) -> Result<(), UnsupportedFault> {
        match fault {
            DeviceFault::PowerOff => self.power_off(),
            DeviceFault::PowerOn if self.supply == Supply::Off => self.supply = Supply::Applied,
            DeviceFault::PowerOn => {}
            DeviceFault::FreezeCounters => self.port.freeze_counters(true),
            DeviceFault::UnfreezeCounters => self.port.freeze_counters(false),
            other if self.port.inject(other) => {}
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
