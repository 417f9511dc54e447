//! What a BAU tells: state of the stack, limits and alarms as points, of which registers and messages are made.

use bess_types::SimTime;

use super::pcs_bus::Told;
use super::{Bau, Stack};
use crate::codec::modbus::ModbusPeer;
use crate::controller::older_than;
use crate::protection::Severity;

impl Bau {
    pub(super) fn publish(&mut self, now: SimTime) {
        let single = self.table.single;
        let limits @ [charge, discharge] = self.limits(now);
        let online = |client: &ModbusPeer, limit_s| !older_than(now, client.last_seen(), limit_s);
        let keep_alive_lost = self
            .pcs_bus
            .as_ref()
            .is_some_and(|bus| bus.is_lost(now, self.started));
        let pcs_online = online(&self.pcs.peer, self.settings.pcs_lost_s) && !keep_alive_lost;
        let panel = self
            .fire_panel
            .as_ref()
            .map(|panel| online(&panel.peer, self.settings.fire_lost_s));
        let chiller = self
            .chiller
            .as_ref()
            .map(|chiller| online(&chiller.peer, self.settings.chiller_lost_s));
        let hvac = self
            .hvac
            .as_ref()
            .map(|hvac| online(&hvac.peer, self.settings.hvac_lost_s));
        let door_open = self.io.is_fresh(now) && self.io.door_is_open();
        let causes = self.causes(now);
        let own = match self.state {
            state if state.is_tripped() => Severity::Fault,
            _ if door_open => causes.severity().max(Severity::Warn),
            _ => causes.severity(),
        };
        let (worst, alarm, cluster) = self.clusters.worst();
        let connected = self.clusters.connected();
        let points = &mut self.points;
        points.set(single.stack_state, f64::from(self.state as u8));
        points.set(single.alarm_level, own.max(worst).number() as f64);
        points.set(single.first_alarm, alarm);
        points.set(single.first_alarm_cluster, cluster);
        points.set(single.blocking, f64::from(self.blocking as u8));
        points.set(single.fire_level, self.latches.fire_level as f64);
        points.set_flag(single.fire_seen, self.latches.fire);
        points.set(single.clusters_connected, connected as f64);
        points.set(single.clusters_reported, self.clusters.online() as f64);
        points.set_flag(single.permit, self.state == Stack::Connected);
        points.set_flag(
            single.vent_request,
            self.latches.runaway && self.latches.fire_level < 3,
        );
        points.set_flag(single.pcs_online, pcs_online);
        points.set_flag(single.fire_panel_online, panel.unwrap_or(false));
        points.set_flag(single.chiller_online, chiller.unwrap_or(false));
        points.set_flag(single.hvac_online, hvac.unwrap_or(false));
        for (id, value) in [
            (single.charge_limit, charge),
            (single.charge_current_max, charge),
            (single.discharge_limit, discharge),
            (single.discharge_current_max, discharge),
        ] {
            points.set(id, value);
        }
        let battery_state = match self.state {
            Stack::Initialising | Stack::Starting => 2.0,
            Stack::Standby => 1.0,
            Stack::Connected if limits.contains(&0.0) => 5.0,
            Stack::Connected => 3.0,
            Stack::Stopping => 6.0,
            Stack::Fault | Stack::Fire | Stack::EmergencyStop => 99.0,
        };
        points.set(single.battery_state, battery_state);
        let events = self.clusters.events() | u32::from(door_open) << 23 | causes.events();
        let of_vendor = causes | self.clusters.causes();
        points.set(single.events, f64::from(events));
        points.set(single.vendor_events, f64::from(of_vendor.bits()));
        self.clusters.publish(points, &self.table);
        let energy = [single.energy_rating, single.soc, single.soh].map(|id| points.get(id));
        if let [Some(rated), Some(soc), Some(soh)] = energy {
            points.set(single.energy_available, rated * soc / 100.0 * soh / 100.0);
        } else {
            points.invalidate(single.energy_available);
        }
        let status = match own.max(worst) {
            Severity::None => 0.0,
            Severity::Warn | Severity::Alarm => 1.0,
            Severity::Fault => 2.0,
        };
        points.set(single.storage_status, status);
        if let Some(bus) = &mut self.pcs_bus {
            let told = Told {
                state: self.state,
                limits,
                events,
            };
            bus.publish(keep_alive_lost, told, &single, points);
            bus.start_if_ready(now, &single, points);
        }
        let current = points.get(single.current).unwrap_or(0.0);
        let status = match current {
            _ if self.state != Stack::Connected => 1.0,
            a if a > 1.0 => 3.0,
            a if a < -1.0 => 4.0,
            _ => 6.0,
        };
        points.set(single.charge_status, status);
        if self.beat.due(now) {
            self.clusters.publish_packs(points, &self.table);
            if let Some(bus) = &self.pcs_bus {
                bus.publish_places(&self.table.packs, points);
            }
            if !self.frozen {
                points.count(single.heartbeat);
            }
        }
    }
}
