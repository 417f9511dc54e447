//! The power it aims at in each cycle: what the masters want, what battery and grid allow, and how fast it may change.

use core::time::Duration;

use bess_types::{Actuation, SimTime};

use super::der::Grid;
use super::regulator::Regulator;
use super::settings::seconds;
use super::state::State;
use super::watch::Link;
use super::{Drive, Pcs, Sampled};

impl Pcs {
    pub(super) fn at_rest(&self) -> bool {
        self.drive.power == 0.0 && self.drive.reactive == 0.0
    }

    pub(super) fn ems_link(&self, now: SimTime) -> Link {
        if self.settings.ems_lost_s <= 0.0 {
            Link::Ok
        } else {
            self.ems.link(now)
        }
    }

    pub(super) fn wants_standby(&self, now: SimTime) -> bool {
        self.standby_asked || self.ems_link(now) == Link::Stopped
    }

    /// Chooses gate and power for this cycle.
    pub(super) fn aim(&mut self, now: SimTime, elapsed: Duration) {
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
            for regulator in &mut self.regulators {
                regulator.rest(now);
            }
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
        let aimed = self.drive;
        self.drive.power = approach(aimed.power, power, step).clamp(-charge, discharge);
        self.drive.reactive = approach(aimed.reactive, reactive, reactive_step);
        let Sampled {
            active_power: w,
            reactive_power: var,
            ..
        } = self.sampled;
        let rating = self.settings.rated_apparent_va;
        let [active, reactive] = &mut self.regulators;
        active.cycle(now, elapsed, aimed.power, w, self.drive.power, rating);
        reactive.cycle(now, elapsed, aimed.reactive, var, self.drive.reactive, rating);
    }

    /// Most it may change in this cycle, per unit, while it comes back to service (703 `ESRmpTms`).
    pub(super) fn soft_start(&self, now: SimTime, elapsed: Duration) -> Option<f64> {
        let ramp = self.points.get(self.der.table.single.service_ramp)?;
        let since = now - self.entered?;
        (since < seconds(ramp)).then(|| elapsed.as_secs_f64() / ramp)
    }

    /// Active and reactive power the masters want, with what the grid-support functions make of it; also says what is cut.
    pub(super) fn wanted(&mut self, now: SimTime, elapsed: Duration) -> (f64, f64) {
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

    pub(super) fn grid_seen(&self) -> Grid {
        let nominal = self.settings.nominal_line_voltage_v / 3.0_f64.sqrt();
        let mean = |[a, b, c]: [f64; 3]| (a + b + c) / 3.0;
        Grid {
            voltage_pct: self.sampled.phases.map(|phases| mean(phases) / nominal * 100.0),
            frequency_hz: self.sampled.frequency,
        }
    }

    /// Most AC power the battery's current limits allow now, W: charging, discharging. Zero without a BMS.
    pub(super) fn battery_limits(&self, now: SimTime) -> (f64, f64) {
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

    pub(super) fn set_gate(&mut self, gate: bool, why: &str) {
        self.drive.gate = gate;
        self.points.set_flag(self.ids.gate, gate);
        let text = match (gate, why) {
            (true, _) => "gate enabled".into(),
            (false, "") => "gate blocked".into(),
            (false, why) => format!("gate blocked: {why}"),
        };
        self.outbox.note("gate-enabled", f64::from(u8::from(gate)), text);
    }

    /// Tells the plant, if anything changed.
    pub(super) fn act(&mut self) {
        debug_assert!(
            !self.drive.gate || self.lines_healthy(),
            "gate enabled with a hard-wired line open"
        );
        let [trim_w, trim_var] = self.regulators.map(Regulator::trim);
        let drive = Drive {
            power: self.drive.power + trim_w,
            reactive: self.drive.reactive + trim_var,
            ..self.drive
        };
        if self.sent == Some(drive) {
            return;
        }
        self.sent = Some(drive);
        self.outbox.actuate(Actuation::Converter {
            gate: drive.gate,
            ac_contactor: drive.ac_contactor,
            active_power_w: drive.power,
            reactive_power_var: drive.reactive,
        });
    }
}

/// `value` moved towards `target` by at most `step`.
fn approach(value: f64, target: f64, step: f64) -> f64 {
    value + (target - value).clamp(-step, step)
}
