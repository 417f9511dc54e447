//! Battery management unit of one pack: measures every cell, bleeds cells on the BCU's word, reports on CAN.
//!
//! It decides nothing about the cluster. Its fault bits say what it measures; the BCU judges. Balancing
//! needs all of: BCU_SYNC not older than the timeout, its enable bit, and a BCU_BALCMD that names the cell
//! with a target below the cell's voltage. A cell whose measurement is not valid never bleeds. With active
//! balancing the named cells give their charge to the pack's cells that are not above the target; if there are none, to
//! those below the pack's mean.
//!
//! With fixed addresses it has that of its pack from the first moment on; else it is silent until it got one, see
//! [`crate::addressing`].
//!
//! An air-cooled pack has a fan. Its duty follows the pack's own highest temperature, so that a silent BCU
//! does not let a pack get hot; the BCU can ask for more. A fan that turns too slowly for some time, or whose tacho says
//! nothing, is a fault.

mod points;
mod settings;

use core::time::Duration;
use std::sync::Arc;

use bess_types::{Actuation, Channel, Line, Quality, Reading, SimTime};

pub use points::{BmuPoints, STATES};
pub use settings::{Balancing, FanSettings, Settings};

use crate::addressing::chain::ChainNode;
use crate::addressing::j1939::ClaimNode;
use crate::addressing::lss::LssNode;
use crate::addressing::{self, Addressing, Node, NodePoints, Step};
use crate::codec::can::{CanPort, MessageRef};
use crate::device::{Device, DeviceFault, Input, Output, Sense, UnsupportedFault};
use crate::library::Library;
use crate::outbox::Outbox;
use crate::points::{PointTable, Points};
use crate::product::{Product, ProductError};
use crate::supply::Supply;

/// CAN port `cluster`.
const CLUSTER_PORT: u8 = 0;

const SENSES: &[Sense] = &[
    Sense {
        channel: Channel::CellVoltages,
        period: Duration::from_millis(100),
    },
    Sense {
        channel: Channel::CellTemperatures,
        period: Duration::from_secs(1),
    },
    // the last, for packs with a fan only
    Sense {
        channel: Channel::FanSpeed,
        period: Duration::from_secs(1),
    },
];

/// The points of a BMU of this product.
///
/// # Errors
/// If its settings have mistakes.
pub fn point_table(product: &Product) -> Result<PointTable, ProductError> {
    let mut table = PointTable::default();
    BmuPoints::add_to(&mut table, &Settings::of(product)?);
    if product.can_port(addressing::PORT).is_ok() {
        NodePoints::add_to(&mut table);
    }
    Ok(table)
}

/// A BMU.
#[derive(Debug)]
pub struct Bmu {
    settings: Settings,
    ids: BmuPoints,
    points: Points,
    port: CanPort,
    /// None with a fixed address.
    addressing: Option<Box<dyn Node>>,
    addressed: bool,
    sync: Option<MessageRef>,
    supply: Supply,
    last_sync: SimTime,
    bleeding: u64,
    /// Cells that get charge from the active balancer.
    filling: u64,
    /// Duty the fan is driven with, %.
    fan_duty: f64,
    /// Since when the fan turns too slowly.
    fan_slow_since: Option<SimTime>,
    outbox: Outbox,
}

impl Bmu {
    /// A BMU at the pack number `node`, powered, at the start of its self-test. Its serial number is what it is known by
    /// where addresses are given.
    ///
    /// # Errors
    /// If the product has mistakes.
    pub fn new(product: &Product, library: &Library, node: u8, serial: u64) -> Result<Self, ProductError> {
        let settings = Settings::of(product)?;
        let table = point_table(product)?;
        let ids = BmuPoints::add_to(&mut PointTable::default(), &settings);
        let port = CanPort::compile(product, "cluster", library, &table, node)?;
        let addressing: Option<Box<dyn Node>> = match settings.addressing {
            Addressing::Fixed => None,
            Addressing::EnableChain => Some(Box::new(ChainNode::new(product, library, &table, serial)?)),
            Addressing::Lss => Some(Box::new(LssNode::new(product, &table, settings.lss, serial)?)),
            Addressing::J1939 => Some(Box::new(ClaimNode::new(
                product,
                &table,
                settings.j1939,
                serial,
                node,
            )?)),
        };
        Ok(Self {
            sync: port.received_with(ids.sync_counter),
            addressed: addressing.is_none(),
            addressing,
            settings,
            ids,
            points: Points::new(Arc::new(table)),
            port,
            supply: Supply::Applied,
            last_sync: SimTime::ZERO,
            bleeding: 0,
            filling: 0,
            fan_duty: 0.0,
            fan_slow_since: None,
            outbox: Outbox::default(),
        })
    }

    fn wake(&mut self, now: SimTime) {
        if self.supply.begins(now, self.settings.start_up()) {
            match &mut self.addressing {
                None => self.begin(now),
                Some(node) => node.begin(now, &mut self.points),
            }
        }
        if self.supply != Supply::On {
            return;
        }
        if let Some(node) = &mut self.addressing
            && node.next_due() <= now
        {
            node.wake(now, &mut self.points);
        }
        self.follow_address(now);
        if self.addressed && now >= self.sync_deadline() && !self.points.is_on(self.ids.sync_lost) {
            self.points.set_flag(self.ids.sync_lost, true);
            self.points.set(self.ids.fan_request, 0.0);
            self.judge();
        }
        let outbox = &mut self.outbox;
        self.port.transmit_due(now, &mut self.points, &mut |frame| {
            outbox.can(CLUSTER_PORT, frame);
        });
    }

    /// Does what the side of its address wants done.
    fn follow_address(&mut self, now: SimTime) {
        while let Some(step) = self.addressing.as_mut().and_then(|node| node.steps().pop_front()) {
            match step {
                Step::Frame(frame) => self.outbox.can(CLUSTER_PORT, frame),
                Step::Enable(level) => self.outbox.line(Line::EnableOut, level),
                Step::Address(Some(address)) => {
                    self.addressed = true;
                    self.port.set_node(address);
                    self.begin(now);
                }
                Step::Address(None) => {
                    self.addressed = false;
                    self.port.stop();
                    self.bleed(0, 0);
                }
            }
        }
    }

    /// The first instant with an address after the self-test: nothing heard yet, counters at their start.
    fn begin(&mut self, now: SimTime) {
        self.last_sync = now;
        self.points.set_flag(self.ids.sync_lost, false);
        for flag in [
            self.ids.balance_enable,
            self.ids.balance_request,
            self.ids.fan_request,
        ] {
            self.points.set(flag, 0.0);
        }
        self.judge();
        self.port.start(now);
    }

    fn sync_deadline(&self) -> SimTime {
        self.last_sync + self.settings.sync_timeout()
    }

    fn sensed(&mut self, now: SimTime, channel: Channel, readings: &[Reading]) {
        let row = match channel {
            Channel::CellVoltages => self.ids.cell_voltages,
            Channel::CellTemperatures => self.ids.temperatures,
            Channel::FanSpeed => {
                let speed = readings.first().copied().unwrap_or_default();
                self.points.put(self.ids.fan_speed, speed);
                self.watch_fan(now, speed);
                return self.judge();
            }
            _ => return,
        };
        let missing = core::iter::repeat(Reading::invalid());
        for (slot, reading) in self
            .points
            .row_mut(row)
            .iter_mut()
            .zip(readings.iter().copied().chain(missing))
        {
            *slot = reading;
        }
        self.judge();
    }

    /// Brings everything derived up to date: extremes, fault bits, balancing, fan, state.
    fn judge(&mut self) {
        let ids = self.ids;
        let cells = Extremes::of(self.points.row(ids.cell_voltages));
        let temperatures = Extremes::of(self.points.row(ids.temperatures));
        let points = &mut self.points;
        points.put(
            ids.pack_voltage,
            if cells.unusable == 0 {
                Reading::valid(cells.sum)
            } else {
                Reading::invalid()
            },
        );
        points.put(ids.cell_voltage_max, cells.max);
        points.put(ids.cell_voltage_min, cells.min);
        points.put(ids.temperature_max, temperatures.max);
        points.put(ids.temperature_min, temperatures.min);

        let settings = &self.settings;
        let above = |reading: Reading, limit| reading.ok().is_some_and(|value| value > limit);
        let below = |reading: Reading, limit| reading.ok().is_some_and(|value| value < limit);
        let flags = [
            (ids.cell_open_wire, cells.open_wires > 0),
            (ids.cell_invalid, cells.unusable > cells.open_wires),
            (ids.temperature_invalid, temperatures.unusable > 0),
            (ids.over_voltage, above(cells.max, settings.over_voltage_v)),
            (ids.under_voltage, below(cells.min, settings.under_voltage_v)),
            (
                ids.over_temperature,
                above(temperatures.max, settings.over_temperature_c),
            ),
            (
                ids.under_temperature,
                below(temperatures.min, settings.under_temperature_c),
            ),
        ];
        let mut fault = false;
        for (flag, on) in flags {
            points.set_flag(flag, on);
            fault |= on;
        }
        fault |= points.is_on(ids.fan_fault);
        self.balance();
        self.drive_fan(temperatures.max);
        let points = &mut self.points;
        let state = match (fault, self.bleeding) {
            (true, _) => 2.0,
            (false, 0) => 0.0,
            (false, _) => 1.0,
        };
        points.set(ids.state, state);
    }

    /// Compares the tacho with the duty.
    fn watch_fan(&mut self, now: SimTime, speed: Reading) {
        let Some(fan) = self.settings.fan else { return };
        let least_rpm = fan.fault_speed_share * fan.full_speed_rpm * self.fan_duty / 100.0;
        let slow = self.fan_duty > 0.0 && speed.ok().is_none_or(|rpm| rpm < least_rpm);
        let since = slow.then(|| self.fan_slow_since.unwrap_or(now));
        self.fan_slow_since = since;
        let fault = since.is_some_and(|since| now - since >= Duration::from_secs_f64(fan.fault_delay_s));
        self.points.set_flag(self.ids.fan_fault, fault);
    }

    /// Duty by the pack's own temperature, or what the BCU asks for if that is more.
    fn drive_fan(&mut self, hottest: Reading) {
        let ids = self.ids;
        let requested = self.points.get(ids.fan_request).unwrap_or(0.0).clamp(0.0, 100.0);
        let duty = self.settings.fan.map_or(0.0, |fan| {
            let own = fan.duty(hottest.ok(), self.fan_duty > 0.0);
            own.max(requested).round()
        });
        self.points.set(ids.fan_duty, duty);
        self.turn_fan(duty);
    }

    fn turn_fan(&mut self, duty: f64) {
        if core::mem::replace(&mut self.fan_duty, duty) != duty {
            let duty = duty / 100.0;
            self.outbox.actuate(Actuation::PackFan { duty });
        }
    }

    fn balance(&mut self) {
        let ids = self.ids;
        let allowed = self.points.is_on(ids.balance_enable) && !self.points.is_on(ids.sync_lost);
        let target = self.points.get(ids.balance_target);
        let mut cells = 0;
        let mut takers = 0;
        if let (true, Some(target)) = (allowed, target) {
            let requested = mask_of(self.points.get(ids.balance_request).unwrap_or(0.0));
            cells = requested & self.cells_where(|volts| volts > target);
            if self.settings.balancing == Balancing::Active && cells != 0 {
                takers = self.cells_where(|volts| volts <= target);
                if takers == 0 {
                    let voltages = Extremes::of(self.points.row(ids.cell_voltages));
                    let valid = self.settings.cells - voltages.unusable;
                    let mean = voltages.sum / valid.max(1) as f64;
                    takers = self.cells_where(|volts| volts < mean);
                    cells &= !takers;
                }
            }
        }
        self.bleed(cells, takers);
    }

    /// Cells with a valid voltage that `is`; bit 0 is cell 1.
    fn cells_where(&self, is: impl Fn(f64) -> bool) -> u64 {
        let voltages = self.points.row(self.ids.cell_voltages);
        let mask =
            |mask, (i, reading): (usize, &Reading)| mask | u64::from(reading.ok().is_some_and(&is)) << i;
        voltages.iter().enumerate().fold(0, mask)
    }

    /// Takes charge from cells: into their resistors, or with active balancing into the takers.
    fn bleed(&mut self, cells: u64, takers: u64) {
        self.points.set(self.ids.balance_map, cells as f64);
        self.points
            .set(self.ids.balance_count, f64::from(cells.count_ones()));
        if (cells, takers) != (self.bleeding, self.filling) {
            (self.bleeding, self.filling) = (cells, takers);
            self.outbox.actuate(match self.settings.balancing {
                Balancing::Passive => Actuation::Balancing { cells },
                Balancing::Active => Actuation::ActiveBalancing {
                    sources: cells,
                    sinks: takers,
                },
            });
        }
    }

    fn power_off(&mut self) {
        self.supply = Supply::Off;
        self.bleed(0, 0);
        self.turn_fan(0.0);
        self.fan_slow_since = None;
        self.port.stop();
        self.port.freeze_counters(false);
        if let Some(node) = &mut self.addressing {
            node.stop();
            // nothing of it happens at an instant of its own
            self.follow_address(SimTime::ZERO);
        }
        self.points = Points::new(self.points.table().clone());
    }
}

impl Device for Bmu {
    fn senses(&self) -> &[Sense] {
        match self.settings.fan {
            Some(_) => SENSES,
            None => &SENSES[..SENSES.len() - 1],
        }
    }

    fn accept(&mut self, now: SimTime, input: Input<'_>) {
        match input {
            Input::Wake => self.wake(now),
            Input::Sensed { channel, readings } if self.supply != Supply::Off => {
                self.sensed(now, channel, readings);
            }
            Input::Can {
                port: CLUSTER_PORT,
                frame,
            } if self.supply == Supply::On => {
                if let Some(node) = &mut self.addressing {
                    node.receive(now, frame, &mut self.points);
                    self.follow_address(now);
                }
                if !self.addressed {
                    return;
                }
                let Some(message) = self.port.receive(now, frame, &mut self.points) else {
                    return;
                };
                if Some(message) == self.sync {
                    self.last_sync = now;
                    self.points.set_flag(self.ids.sync_lost, false);
                }
                self.judge();
            }
            Input::Line {
                line: Line::EnableIn,
                level,
            } => {
                if let Some(node) = &mut self.addressing {
                    node.enable(now, level);
                }
            }
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
        self.addressed
    }

    fn next_wake(&self) -> SimTime {
        if self.supply != Supply::On {
            return self.supply.next_wake();
        }
        let node = self
            .addressing
            .as_ref()
            .map_or(SimTime::NEVER, |node| node.next_due());
        let sync = if self.points.is_on(self.ids.sync_lost) || !self.addressed {
            SimTime::NEVER
        } else {
            self.sync_deadline()
        };
        self.port.next_due().min(sync).min(node)
    }

    fn supports(&self, fault: &DeviceFault) -> bool {
        fault.is_of_supply()
            || fault.is_of_counters()
            || self.port.supports(fault)
            || self.addressing.as_ref().is_some_and(|node| node.supports(fault))
    }

    fn inject(&mut self, fault: &DeviceFault) -> Result<(), UnsupportedFault> {
        match fault {
            DeviceFault::PowerOff => self.power_off(),
            DeviceFault::PowerOn if self.supply == Supply::Off => self.supply = Supply::Applied,
            DeviceFault::PowerOn => {}
            DeviceFault::FreezeCounters => self.port.freeze_counters(true),
            DeviceFault::UnfreezeCounters => self.port.freeze_counters(false),
            other => {
                let by_node = self.addressing.as_mut().is_some_and(|node| node.inject(other));
                if !by_node && !self.port.inject(other) {
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

/// A mask carried as a number; what is not a whole number in range reads as no cell.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates; the wire carries 44 bits"
)]
fn mask_of(value: f64) -> u64 {
    value as u64 & ((1 << Settings::MAX_CELLS) - 1)
}

/// Highest, lowest and sum over the valid readings of a row, and how many are not valid.
struct Extremes {
    max: Reading,
    min: Reading,
    sum: f64,
    unusable: usize,
    open_wires: usize,
}

impl Extremes {
    fn of(readings: &[Reading]) -> Self {
        let mut all = Self {
            max: Reading::invalid(),
            min: Reading::invalid(),
            sum: 0.0,
            unusable: 0,
            open_wires: 0,
        };
        for reading in readings {
            let Some(value) = reading.ok() else {
                all.unusable += 1;
                all.open_wires += usize::from(reading.quality == Quality::OpenWire);
                continue;
            };
            all.sum += value;
            if all.max.ok().is_none_or(|max| value > max) {
                all.max = *reading;
            }
            if all.min.ok().is_none_or(|min| value < min) {
                all.min = *reading;
            }
        }
        all
    }
}

#[cfg(test)]
mod tests;
