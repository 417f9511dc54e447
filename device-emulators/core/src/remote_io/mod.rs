//! Remote inputs and outputs on Modbus TCP, as sold for DIN rails. Where they stand is the register map's: at the addresses
//! of the ioLogik E1200 series (inputs under function 2 from 0, outputs under 1, 5 and 15 from 0, analogue inputs under 4
//! from 0, the watchdog's flag among the coils) or of ADAM (outputs from coil 16, inputs and outputs once more as words).
//!
//! Which terminal is wired to what is in the product file. When no valid request came in time, a host watchdog gives
//! every output its fail-safe value, off unless the product says otherwise; outputs then stay so until written again,
//! and a flag tells it until then or until it is cleared. Inputs are as the wire is: a broken wire or a contact that was never sampled reads off.

mod settings;

use core::time::Duration;
use std::sync::Arc;

use bess_types::{Actuation, Channel, Line, ModbusRequest, Reading, SimTime};

pub use settings::{AnalogTerminal, FailSafe, InputTerminal, Load, OutputTerminal, Settings};

use crate::codec::modbus::{ModbusAccess, ModbusServer};
use crate::device::{Device, DeviceFault, Input, Output, Sense, Token, UnsupportedFault};
use crate::library::Library;
use crate::outbox::Outbox;
use crate::points::{PointId, PointTable, Points};
use crate::product::{Product, ProductError};
use crate::supply::Supply;

/// Flag that the host watchdog gave the outputs their fail-safe values.
const WATCHDOG_TRIPPED: &str = "watchdog-tripped";

/// The points of a remote I/O of this product.
///
/// # Errors
/// If its settings have mistakes.
pub fn point_table(product: &Product) -> Result<PointTable, ProductError> {
    Ok(table_of(product)?.0)
}

fn table_of(product: &Product) -> Result<(PointTable, Settings), ProductError> {
    let settings = Settings::of(product)?;
    let mut table = PointTable::default();
    let flags = settings.input.iter().map(|terminal| &terminal.point);
    for name in flags.chain(settings.output.iter().map(|terminal| &terminal.point)) {
        refuse_second(product, &table, name)?;
        table.flag(name);
    }
    for terminal in &settings.analog {
        refuse_second(product, &table, &terminal.point)?;
        table.value(&terminal.point, "V", 0.0, 60.0);
    }
    refuse_second(product, &table, WATCHDOG_TRIPPED)?;
    table.flag(WATCHDOG_TRIPPED);
    Ok((table, settings))
}

fn refuse_second(product: &Product, table: &PointTable, name: &str) -> Result<(), ProductError> {
    match table.find(name) {
        None => Ok(()),
        Some(_) => Err(product.invalid_setting(
            "[[settings.input]]",
            &format!("two terminals have the point `{name}`"),
            "give each terminal its own point",
        )),
    }
}

/// A remote I/O.
#[derive(Clone, Debug)]
pub struct RemoteIo {
    settings: Settings,
    points: Points,
    server: ModbusServer,
    senses: Vec<Sense>,
    contacts: Vec<(Channel, PointId)>,
    lines: Vec<(Line, PointId)>,
    analogs: Vec<(Channel, PointId)>,
    loads: Vec<Driven>,
    watchdog_tripped: PointId,
    start_up: Duration,
    supply: Supply,
    /// When the watchdog acts.
    watchdog_at: SimTime,
    outbox: Outbox,
}

/// A digital output and what it drives now.
#[derive(Clone, Copy, Debug)]
struct Driven {
    point: PointId,
    load: Option<Load>,
    fail_safe: FailSafe,
    on: bool,
}

impl RemoteIo {
    /// A remote I/O, powered, at the start of its self-test.
    ///
    /// # Errors
    /// If the product has mistakes.
    pub fn new(product: &Product, library: &Library) -> Result<Self, ProductError> {
        let (table, settings) = table_of(product)?;
        let server = ModbusServer::of_product(product, library, &table)?;
        let id = |name: &str| table.find(name).expect("every terminal has its point");
        let inputs = settings.input.iter();
        let contacts = inputs
            .clone()
            .filter_map(|terminal| Some((terminal.channel?, id(&terminal.point))))
            .collect();
        let lines = inputs
            .clone()
            .filter_map(|terminal| Some((terminal.line?, id(&terminal.point))))
            .collect();
        let analogs = settings.analog.iter();
        let contact_senses = inputs.filter_map(|terminal| Some((terminal.channel?, terminal.period_ms)));
        let analog_senses = analogs
            .clone()
            .map(|terminal| (terminal.channel, terminal.period_ms));
        let senses = contact_senses
            .chain(analog_senses)
            .map(|(channel, period_ms)| Sense {
                channel,
                period: Duration::from_millis(period_ms),
            })
            .collect();
        let loads = settings
            .output
            .iter()
            .map(|terminal| Driven {
                point: id(&terminal.point),
                load: terminal.drives,
                fail_safe: terminal.fail_safe,
                on: false,
            })
            .collect();
        let analogs = analogs
            .map(|terminal| (terminal.channel, id(&terminal.point)))
            .collect();
        let watchdog_tripped = id(WATCHDOG_TRIPPED);
        let mut points = Points::new(Arc::new(table));
        let terminals = settings.input.iter().map(|terminal| &terminal.point);
        let terminals = terminals.chain(settings.output.iter().map(|terminal| &terminal.point));
        for name in terminals.map(String::as_str).chain([WATCHDOG_TRIPPED]) {
            let point = points.table().find(name);
            points.set_flag(point.expect("every terminal has its point"), false);
        }
        Ok(Self {
            settings,
            points,
            server,
            senses,
            contacts,
            lines,
            analogs,
            loads,
            watchdog_tripped,
            start_up: product.modbus().start_up,
            supply: Supply::Applied,
            watchdog_at: SimTime::NEVER,
            outbox: Outbox::default(),
        })
    }

    fn wake(&mut self, now: SimTime) {
        if self.supply.begins(now, self.start_up) {
            self.feed_watchdog(now);
        }
        if self.supply == Supply::On && now >= self.watchdog_at {
            self.watchdog_at = SimTime::NEVER;
            self.points.set_flag(self.watchdog_tripped, true);
            self.outbox.note(
                WATCHDOG_TRIPPED,
                1.0,
                "no valid request in time, outputs take their fail-safe values",
            );
            for driven in &self.loads {
                match driven.fail_safe {
                    FailSafe::Off => self.points.set_flag(driven.point, false),
                    FailSafe::On => self.points.set_flag(driven.point, true),
                    FailSafe::Hold => {}
                }
            }
            self.drive();
        }
    }

    fn feed_watchdog(&mut self, now: SimTime) {
        self.watchdog_at = match self.settings.watchdog() {
            Some(time) => now + time,
            None => SimTime::NEVER,
        };
    }

    fn serve(&mut self, now: SimTime, access: ModbusAccess<'_>, request: &ModbusRequest, token: Token) {
        if self.supply != Supply::On {
            self.outbox.no_reply(token);
            return;
        }
        let mut written = Vec::new();
        let tripped = self.points.is_on(self.watchdog_tripped);
        let reply = self
            .server
            .serve(now, access, request, &mut self.points, &mut written);
        if reply.is_ok() {
            self.feed_watchdog(now);
        }
        self.outbox.reply(token, reply);
        self.on_written(tripped, &written);
    }

    /// Side effects of the register map take their time.
    fn let_time_pass(&mut self, now: SimTime) {
        let mut written = Vec::new();
        let tripped = self.points.is_on(self.watchdog_tripped);
        self.server.tick(now, &mut self.points, &mut written);
        self.on_written(tripped, &written);
        // An output that switches itself off is not among what was written.
        self.drive();
    }

    /// Outputs follow what was written, and the watchdog's flag goes: with an output, or with a 0 written to the flag
    /// itself. A 1 written to it does nothing.
    fn on_written(&mut self, was_tripped: bool, written: &[PointId]) {
        if written.is_empty() {
            return;
        }
        let flag = self.watchdog_tripped;
        let clears = |id: &PointId| *id != flag || !self.points.is_on(flag);
        let cleared = written.iter().any(clears);
        self.points.set_flag(flag, was_tripped && !cleared);
        if was_tripped && cleared {
            self.outbox.note(
                WATCHDOG_TRIPPED,
                0.0,
                "outputs written again, or the flag cleared",
            );
        }
        self.drive();
    }

    fn all_off(&mut self) {
        for driven in &self.loads {
            self.points.set_flag(driven.point, false);
        }
        self.drive();
    }

    /// Makes the loads follow the output points.
    fn drive(&mut self) {
        for driven in &mut self.loads {
            let on = self.points.is_on(driven.point);
            if on == driven.on {
                continue;
            }
            driven.on = on;
            match driven.load {
                Some(Load::Coil(coil)) => self.outbox.actuate(Actuation::Coil { coil, energised: on }),
                Some(Load::Line(line)) => self.outbox.line(line, on),
                Some(Load::BreakerTrip) if on => self.outbox.actuate(Actuation::BreakerTrip),
                Some(Load::BreakerTrip) | None => {}
            }
        }
    }

    fn sensed(&mut self, channel: Channel, reading: Reading) {
        for &(_, point) in self.contacts.iter().filter(|contact| contact.0 == channel) {
            let closed = reading.ok().is_some_and(|value| value >= 0.5);
            self.points.set_flag(point, closed);
        }
        for &(_, point) in self.analogs.iter().filter(|analog| analog.0 == channel) {
            self.points.put(point, reading);
        }
    }

    fn power_off(&mut self) {
        self.supply = Supply::Off;
        self.watchdog_at = SimTime::NEVER;
        self.points.set_flag(self.watchdog_tripped, false);
        self.server.restart();
        self.all_off();
    }
}

impl Device for RemoteIo {
    fn senses(&self) -> &[Sense] {
        &self.senses
    }

    fn accept(&mut self, now: SimTime, input: Input<'_>) {
        match input {
            Input::Wake => self.wake(now),
            Input::Sensed { channel, readings } => {
                self.sensed(channel, readings.first().copied().unwrap_or(Reading::invalid()));
            }
            Input::ModbusRequest {
                access,
                request,
                token,
                ..
            } => self.serve(now, access, request, token),
            // The wire's level is there whether or not the module is powered, and is told on change only.
            Input::Line { line, level } => {
                for &(_, point) in self.lines.iter().filter(|wired| wired.0 == line) {
                    self.points.set_flag(point, level);
                }
            }
            Input::Can { .. } | Input::ModbusReply { .. } => {}
        }
        if self.supply == Supply::On {
            self.let_time_pass(now);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop()
    }

    fn next_wake(&self) -> SimTime {
        let timers = if self.supply == Supply::On {
            self.server.next_due()
        } else {
            SimTime::NEVER
        };
        self.supply.next_wake().min(self.watchdog_at).min(timers)
    }

    fn inject(&mut self, fault: &DeviceFault) -> Result<(), UnsupportedFault> {
        match fault {
            DeviceFault::PowerOff => self.power_off(),
            DeviceFault::PowerOn if self.supply == Supply::Off => self.supply = Supply::Applied,
            DeviceFault::PowerOn => {}
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
