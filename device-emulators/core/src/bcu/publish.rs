//! What a BCU tells: measurements, alarms and the state of its contactors as points, from which its messages are made.

use bess_types::SimTime;

use super::Bcu;
use super::nodes::Extremes;
use super::sequence::{Blocking, State};
use crate::controller::older_than;
use crate::defects::Defect;
use crate::protection::{AlarmId, Severity};

impl Bcu {
    pub(super) fn publish_measurements(&mut self, now: SimTime, extremes: &Extremes) {
        let single = self.table.single;
        let hv = self.nodes.hv();
        let measured = [
            (single.cluster_voltage, hv.cluster_voltage),
            (single.bus_voltage, hv.bus_voltage),
            (single.current, hv.current),
            (single.insulation, hv.insulation),
            (single.box_temperature, hv.box_temperature),
        ];
        let sensor = hv.current.node;
        let fresh = |node: usize| {
            let limit_s = if node == sensor {
                self.settings.hv_unit_lost_s
            } else {
                self.settings.hv_monitor_lost_s
            };
            !older_than(now, self.nodes.last_seen(node), limit_s)
        };
        for (own, measured) in measured {
            self.points.put(own, self.nodes.reading(measured));
            if !fresh(measured.node) {
                self.points.invalidate(own);
            }
        }
        self.points.set_flag(single.hv_unit_online, fresh(sensor));
        let mut online = 0;
        for pack in 0..self.settings.packs {
            let heard = self.nodes.hears_pack(now, pack);
            online += u8::from(heard);
            self.points.set_flag(self.table.pack_online.at(pack), heard);
        }
        self.points.set(single.packs_online, f64::from(online));
        for (id, value) in [
            (single.cell_max, extremes.cell_max),
            (single.cell_min, extremes.cell_min),
            (single.cell_mean, extremes.cell_mean),
            (single.temperature_max, extremes.temperature_max),
            (single.temperature_min, extremes.temperature_min),
        ] {
            match value {
                Some(value) => self.points.set(id, value),
                None => self.points.invalidate(id),
            }
        }
    }

    /// Where the extremes are, and the mean temperature.
    pub(super) fn publish_places(&mut self, extremes: &Extremes) {
        let single = self.table.single;
        let cell_max = self.nodes.place(extremes.cell_max_pack, true);
        let cell_min = self.nodes.place(extremes.cell_min_pack, false);
        let temperature_mean = self.nodes.temperature_mean();
        let number = |pack: usize| pack as f64 + 1.0;
        self.points.set(single.cell_max_cell, cell_max);
        self.points.set(single.cell_min_cell, cell_min);
        self.points
            .set(single.cell_max_pack, number(extremes.cell_max_pack));
        self.points
            .set(single.cell_min_pack, number(extremes.cell_min_pack));
        self.points
            .set(single.temperature_max_pack, number(extremes.temperature_max_pack));
        self.points
            .set(single.temperature_min_pack, number(extremes.temperature_min_pack));
        if let Some(mean) = temperature_mean {
            self.points.set(single.temperature_mean, mean);
        }
    }

    pub(super) fn publish_alarms(&mut self) {
        let single = self.table.single;
        let silent = self.defect == Some(Defect::SilentAlarm);
        let (worst, first) = if silent {
            (Severity::None, None)
        } else {
            self.alarms.worst()
        };
        self.points.set(single.alarm_level, worst.number() as f64);
        self.points
            .set(single.first_alarm, first.map_or(0, AlarmId::number) as f64);
        for (id, level) in [
            (single.alarms_warn, Severity::Warn),
            (single.alarms_alarm, Severity::Alarm),
            (single.alarms_fault, Severity::Fault),
        ] {
            let bits = if silent { 0 } else { self.alarms.bits(level) };
            self.points.set(id, f64::from(bits));
        }
        for (id, point) in AlarmId::ALL.into_iter().zip(self.table.alarms) {
            let severity = if silent {
                Severity::None
            } else {
                self.alarms.severity(id)
            };
            self.points.set(point, severity.number() as f64);
        }
    }

    pub(super) fn publish_sequence(&mut self) {
        let single = self.table.single;
        let sequence = &self.sequence;
        let drive = sequence.drive();
        let blocking = sequence.blocking();
        let ready = sequence.state() == State::Open
            && blocking == Blocking::None
            && self.points.is_on(single.hv_unit_online);
        self.points.set(single.state, f64::from(sequence.state() as u8));
        self.points.set(single.blocking, f64::from(blocking as u8));
        self.points.set_flag(single.ready, ready);
        self.points.set_flag(single.coil_positive, drive.positive);
        self.points.set_flag(single.coil_negative, drive.negative);
        self.points.set_flag(single.coil_precharge, drive.precharge);
        self.points.set_flag(single.breaker_trip, sequence.breaker_trip());
        let online = !self.bau.is_lost(self.now, self.settings.bau_lost_s);
        self.points.set_flag(single.bau_online, online);
    }
}
