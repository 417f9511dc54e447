//! SunSpec 803: the clusters as strings of a battery bank.

use super::{BcuIds, Clusters, Image};
use crate::bau::events::{Cause, Causes, OTHER_ALARM, OTHER_WARNING};
use crate::bau::points::{BankPoints, BankTable};
use crate::protection::{AlarmId, Severity};
use crate::{PointId, Points};

/// 803 `StrConFail`.
mod failure {
    pub(super) const NONE: u8 = 0;
    pub(super) const GROUND_FAULT: u8 = 2;
    pub(super) const OUTSIDE_VOLTAGE_RANGE: u8 = 3;
    pub(super) const FUSE_OPEN: u8 = 5;
    pub(super) const CONTACTOR: u8 = 6;
    pub(super) const PRECHARGE: u8 = 7;
    pub(super) const STRING_FAULT: u8 = 8;
}

impl Clusters {
    /// Fills the points of the bank.
    pub(super) fn publish_bank(&self, points: &mut Points, table: &BankTable) {
        for (i, row) in self.rows.iter().enumerate() {
            let (image, ids, theirs) = (&self.images[i], &self.ids[i], &self.router.node(i).points);
            for (range, id) in [
                (table.soh, ids.soh),
                (table.cell_max_pack, ids.cell_max_pack),
                (table.cell_min_pack, ids.cell_min_pack),
                (table.cell_mean, ids.cell_mean),
                (table.temperature_mean, ids.temperature_mean),
                (table.temperature_max_pack, ids.temperature_max_pack),
                (table.temperature_min_pack, ids.temperature_min_pack),
            ] {
                points.put(range.at(*row), theirs.reading(id));
            }
            let failure = self.connection_failure(i);
            let faulty = image.level == Severity::Fault || !image.online;
            let enabled = !faulty && !self.excluded[i];
            let status = u8::from(enabled) | u8::from(image.on_bus) << 1;
            // None, a fault, or left out of this start for another reason.
            let reason = match (faulty, enabled) {
                (true, _) => 1.0,
                (false, false) => 4.0,
                (false, true) => 0.0,
            };
            points.set(table.packs.at(*row), self.packs_per_cluster as f64);
            points.set(table.status.at(*row), f64::from(status));
            points.set(table.connection_failure.at(*row), f64::from(failure));
            points.set(table.disabled_reason.at(*row), reason);
            // A cluster that is not heard has a communication error, and nothing else is known of it.
            let events = if image.online { events_of(&[image]) } else { 1 };
            points.set(table.events.at(*row), f64::from(events));
            let silent = Causes::of(&[(Cause::BcuSilent, !image.online)]);
            let causes = causes_of(image) | silent;
            points.set(table.vendor_events.at(*row), f64::from(causes.bits()));
        }
        self.publish_extremes(points, &table.single);
    }

    fn connection_failure(&self, cluster: usize) -> u8 {
        let image = &self.images[cluster];
        let fuse_intact = self
            .router
            .node(cluster)
            .points
            .is_on(self.ids[cluster].bits[FUSE]);
        let has = |id| image.has(Severity::Fault, id);
        if !image.online {
            failure::STRING_FAULT
        } else if has(AlarmId::Prc) {
            failure::PRECHARGE
        } else if has(AlarmId::Ctf) {
            failure::CONTACTOR
        } else if has(AlarmId::Ins) {
            failure::GROUND_FAULT
        } else if !fuse_intact {
            failure::FUSE_OPEN
        } else if image.level == Severity::Fault {
            failure::STRING_FAULT
        } else if self.excluded[cluster] {
            failure::OUTSIDE_VOLTAGE_RANGE
        } else {
            failure::NONE
        }
    }

    fn publish_extremes(&self, points: &mut Points, single: &BankPoints) {
        let all = |pick: fn(&BcuIds) -> PointId| -> Vec<(usize, f64)> {
            let online = (0..self.len()).filter(|i| self.images[*i].online);
            online
                .filter_map(|i| Some((i, self.router.node(i).points.get(pick(&self.ids[i]))?)))
                .collect()
        };
        let mut put = |id: PointId, value: Option<f64>| match value {
            Some(value) => points.set(id, value),
            None => points.invalidate(id),
        };
        let number = |found: Option<(usize, f64)>| found.map(|(i, _)| self.rows[i] as f64 + 1.0);
        let pack = |found: Option<(usize, f64)>, pick: fn(&BcuIds) -> PointId| {
            let (i, _) = found?;
            self.router.node(i).points.get(pick(&self.ids[i]))
        };
        let highest = |values: &[(usize, f64)]| values.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
        let lowest = |values: &[(usize, f64)]| values.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1));
        let mean = |values: &[(usize, f64)]| {
            let sum: f64 = values.iter().map(|(_, value)| value).sum();
            (!values.is_empty()).then(|| sum / values.len() as f64)
        };

        let hottest = highest(&all(|ids| ids.temperature_max));
        put(single.temperature_max_cluster, number(hottest));
        put(
            single.temperature_max_pack,
            pack(hottest, |ids| ids.temperature_max_pack),
        );
        let coldest = lowest(&all(|ids| ids.temperature_min));
        put(single.temperature_min_cluster, number(coldest));
        put(
            single.temperature_min_pack,
            pack(coldest, |ids| ids.temperature_min_pack),
        );
        let volts = all(|ids| ids.cluster_voltage);
        let amps = all(|ids| ids.current);
        for (values, [high, high_at, low, low_at, middle]) in [
            (
                volts,
                [
                    single.voltage_max,
                    single.voltage_max_cluster,
                    single.voltage_min,
                    single.voltage_min_cluster,
                    single.voltage_mean,
                ],
            ),
            (
                amps,
                [
                    single.current_max,
                    single.current_max_cluster,
                    single.current_min,
                    single.current_min_cluster,
                    single.current_mean,
                ],
            ),
        ] {
            let (most, least) = (highest(&values), lowest(&values));
            put(high, most.map(|(_, value)| value));
            put(high_at, number(most));
            put(low, least.map(|(_, value)| value));
            put(low_at, number(least));
            put(middle, mean(&values));
        }
    }
}

/// Place of the fuse among the feedback bits.
const FUSE: usize = 3;

/// SunSpec 802 and 803 events of these clusters: alarms from level 2 on, warnings from level 1.
pub(super) fn events_of(images: &[&Image]) -> u32 {
    use AlarmId as Id;
    const PAIRS: [(&[AlarmId], u32); 9] = [
        (&[Id::Cht, Id::Dht, Id::Hvb, Id::Pol], 1),
        (&[Id::Clt, Id::Dlt], 3),
        (&[Id::Occ], 5),
        (&[Id::Ocd], 7),
        (&[Id::Cov, Id::Tov], 9),
        (&[Id::Cuv, Id::Tuv], 11),
        (&[Id::Scl], 13),
        (&[Id::Sch], 15),
        (&[Id::Dt, Id::Dtr], 18),
    ];
    let set = |level: Severity| {
        let bits = images.iter().map(|image| image.level_bits(level));
        bits.fold(0, |set, bits| set | bits)
    };
    let (warn, alarm) = (set(Severity::Warn), set(Severity::Alarm) | set(Severity::Fault));
    let holds = |set: u32, ids: &[AlarmId]| ids.iter().any(|id| set & 1 << id.bit() != 0);
    let mut events = 0;
    for (ids, bit) in PAIRS {
        events |= u32::from(holds(alarm, ids)) << bit;
        events |= u32::from(holds(warn, ids)) << (bit + 1);
    }
    for (ids, bit) in [
        (&[Id::Com], 0),
        (&[Id::Dv], 17),
        (&[Id::Ctf], 20),
        (&[Id::Ins], 22),
    ] {
        events |= u32::from(holds(warn | alarm, ids)) << bit;
    }
    let other = OTHERS.map(|(id, _)| id);
    events | u32::from(holds(alarm, &other)) << OTHER_ALARM | u32::from(holds(warn, &other)) << OTHER_WARNING
}

/// Alarms that 802 `Evt1` has no bit for.
const OTHERS: [(AlarmId, Cause); 5] = [
    (AlarmId::Fire, Cause::Fire),
    (AlarmId::Sen, Cause::Sensors),
    (AlarmId::Aux, Cause::AuxiliarySupply),
    (AlarmId::Ilk, Cause::Interlock),
    (AlarmId::Prc, Cause::Precharge),
];

/// What of 802 `EvtVnd1` a cluster reports.
pub(super) fn causes_of(image: &Image) -> Causes {
    let stands = |id| Severity::LEVELS.into_iter().any(|level| image.has(level, id));
    Causes::of(&OTHERS.map(|(id, cause)| (cause, stands(id))))
}
