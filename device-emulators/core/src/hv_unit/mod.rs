//! Measuring unit in the cluster's high-voltage box: voltages and current every 20 ms, insulation and box
//! temperature every second, as an IVT-like sensor on the cluster's CAN.
//!
//! It measures and reports; it protects nothing. A value its input stage cannot give goes out as the raw
//! code for "no value", with a status bit.

mod points;

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use bess_types::{Channel, Reading, SimTime};
use serde::Deserialize;

pub use points::HvUnitPoints;

use crate::codec::can::CanPort;
use crate::device::{Device, DeviceFault, Input, Output, Sense, UnsupportedFault};
use crate::library::Library;
use crate::points::{PointTable, Points};
use crate::product::{Product, ProductError};
use crate::supply::Supply;

/// CAN port `cluster`.
const CLUSTER_PORT: u8 = 0;

const SENSES: &[Sense] = &[
    sense(Channel::ClusterVoltage, 20),
    sense(Channel::BusVoltage, 20),
    sense(Channel::ClusterCurrent, 20),
    sense(Channel::InsulationResistance, 1_000),
    sense(Channel::HvBoxTemperature, 1_000),
];

const fn sense(channel: Channel, period_ms: u64) -> Sense {
    Sense {
        channel,
        period: Duration::from_millis(period_ms),
    }
}

/// `[settings]` of a measuring unit's product file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Self-test after power-on, ms.
    #[serde(default = "default_start_up_ms")]
    pub start_up_ms: u64,
    /// Largest current the shunt measures, A, either way; beyond it the reading stays there.
    pub current_range_a: f64,
}

const fn default_start_up_ms() -> u64 {
    200
}

/// The points of a measuring unit of this product.
///
/// # Errors
/// If its settings have mistakes.
pub fn point_table(product: &Product) -> Result<PointTable, ProductError> {
    read_settings(product)?;
    let mut table = PointTable::default();
    HvUnitPoints::add_to(&mut table);
    Ok(table)
}

fn read_settings(product: &Product) -> Result<Settings, ProductError> {
    let settings: Settings = product.settings()?;
    if settings.current_range_a > 0.0 {
        Ok(settings)
    } else {
        Err(product.invalid_setting(
            "current_range_a",
            "the range must be above 0",
            "give the shunt's range in A",
        ))
    }
}

/// A measuring unit.
#[derive(Clone, Debug)]
pub struct HvUnit {
    settings: Settings,
    ids: HvUnitPoints,
    points: Points,
    port: CanPort,
    supply: Supply,
    outputs: VecDeque<Output>,
}

impl HvUnit {
    /// A measuring unit at this CAN source address, powered, at the start of its self-test.
    ///
    /// # Errors
    /// If the product has mistakes.
    pub fn new(product: &Product, library: &Library, node: u8) -> Result<Self, ProductError> {
        let mut table = PointTable::default();
        let ids = HvUnitPoints::add_to(&mut table);
        Ok(Self {
            settings: read_settings(product)?,
            ids,
            port: CanPort::compile(product, "cluster", library, &table, node)?,
            points: Points::new(Arc::new(table)),
            supply: Supply::Applied,
            outputs: VecDeque::new(),
        })
    }

    fn wake(&mut self, now: SimTime) {
        if self
            .supply
            .begins(now, Duration::from_millis(self.settings.start_up_ms))
        {
            self.judge();
            self.port.start(now);
        }
        let outputs = &mut self.outputs;
        self.port.transmit_due(now, &mut self.points, &mut |frame| {
            outputs.push_back(Output::Can {
                port: CLUSTER_PORT,
                frame,
            });
        });
    }

    fn sensed(&mut self, channel: Channel, reading: Reading) {
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
                return self.judge();
            }
            Channel::InsulationResistance => ids.insulation_resistance,
            Channel::HvBoxTemperature => ids.box_temperature,
            _ => return,
        };
        self.points.put(point, reading);
        self.judge();
    }

    fn judge(&mut self) {
        let ids = self.ids;
        for (flag, point) in [
            (ids.cluster_voltage_fault, ids.cluster_voltage),
            (ids.bus_voltage_fault, ids.bus_voltage),
            (ids.current_fault, ids.current),
        ] {
            let fault = self.points.get(point).is_none();
            self.points.set_flag(flag, fault);
        }
    }

    fn power_off(&mut self) {
        self.supply = Supply::Off;
        self.port.stop();
        self.port.freeze_counters(false);
        self.points = Points::new(self.points.table().clone());
    }
}

impl Device for HvUnit {
    fn senses(&self) -> &[Sense] {
        SENSES
    }

    fn accept(&mut self, now: SimTime, input: Input<'_>) {
        match input {
            Input::Wake => self.wake(now),
            Input::Sensed { channel, readings } if self.supply != Supply::Off => {
                let reading = readings.first().copied().unwrap_or(Reading::invalid());
                self.sensed(channel, reading);
            }
            Input::Sensed { .. }
            | Input::Can { .. }
            | Input::ModbusRequest { .. }
            | Input::ModbusReply { .. }
            | Input::Line { .. } => {}
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn next_wake(&self) -> SimTime {
        self.supply.next_wake().min(self.port.next_due())
    }

    fn inject(&mut self, fault: &DeviceFault) -> Result<(), UnsupportedFault> {
        match fault {
            DeviceFault::PowerOff => self.power_off(),
            DeviceFault::PowerOn if self.supply == Supply::Off => self.supply = Supply::Applied,
            DeviceFault::PowerOn => {}
            DeviceFault::FreezeCounters => self.port.freeze_counters(true),
            DeviceFault::UnfreezeCounters => self.port.freeze_counters(false),
        }
        Ok(())
    }

    fn points(&self) -> &Points {
        &self.points
    }
}

#[cfg(test)]
mod tests;
