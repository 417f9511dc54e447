//! The points it shows: what a cold start leaves in the writable registers, and what each cycle publishes.

use bess_types::{Reading, SimTime};

use super::Pcs;
use super::der::Moment;
use super::state::{Cause, State};
use super::watch::Link;
use crate::PointId;

impl Pcs {
    /// What a cold start leaves in the writable registers.
    pub(super) fn preset_points(&mut self) {
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

    pub(super) fn publish(&mut self, now: SimTime) {
        let ids = self.ids;
        let sampled = self.sampled;
        let metered = self.metered();
        let (dc_current, dc_power) = (self.metering.dc_current, self.metered_dc());
        let service_permitted = self.grid.service_permitted();
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
                // Nothing starts before a client permits service again (703 `ES`, 123 `Conn`).
                State::Starting if !service_permitted => 7.0,
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

        let [active, reactive] = metered;
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
        put(ids.active_power, active);
        put(ids.reactive_power, reactive);
        let apparent = active.zip(reactive).map(|(w, var)| (w * w + var * var).sqrt());
        put(ids.apparent_power, apparent);
        let factor = apparent
            .zip(active)
            .map(|(va, w)| if va > 0.0 { w / va } else { 1.0 });
        put(ids.power_factor, factor);
        let current = apparent
            .zip(phase)
            .map(|(va, v)| if v > 1.0 { va / 3.0 / v } else { 0.0 });
        put(ids.current_phase, current);
        put(ids.current_total, current.map(|amps| 3.0 * amps));
        put(ids.power_phase, active.map(|w| w / 3.0));
        put(ids.reactive_phase, reactive.map(|var| var / 3.0));
        put(ids.apparent_phase, apparent.map(|va| va / 3.0));
        put(ids.dc_voltage, sampled.dc_voltage);
        put(ids.dc_current, dc_current);
        put(ids.dc_current_magnitude, dc_current.map(f64::abs));
        put(ids.dc_power, dc_power);
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

const fn link_number(link: Link) -> f64 {
    match link {
        Link::Ok => 0.0,
        Link::Lost => 1.0,
        Link::Stopped => 2.0,
    }
}
