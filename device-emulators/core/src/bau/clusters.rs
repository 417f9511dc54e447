//! The BAU's view of its clusters: images of the BCUs, and what is asked of each.

mod bank;
mod packs;

use bess_types::{CanFrame, CanId, SimTime};
use core::cmp::Reverse;
use std::sync::Arc;

use self::packs::PackIds;
pub(super) use self::packs::Spread;
use super::events::Causes;
use super::points::BauTable;
use super::settings::BauSettings;
use crate::bcu::STACK_ADDRESS;
use crate::bcu::sequence::{Request, State};
use crate::codec::can::{CanRouter, RemoteNode};
use crate::controller::{need, older_than};
use crate::library::Library;
use crate::product::{Product, ProductError};
use crate::protection::{AlarmId, Severity};
use crate::{PointId, PointTable, Points};

/// All clusters of a stack, in the order of the configuration.
#[derive(Debug)]
pub(super) struct Clusters {
    router: CanRouter,
    ids: Vec<BcuIds>,
    rows: Vec<usize>,
    /// What each BCU says of its packs.
    packs: Vec<PackIds>,
    packs_per_cluster: usize,
    cells_per_pack: usize,
    requests: Vec<Request>,
    excluded: Vec<bool>,
    /// Gone silent since the last reset, although heard before.
    lost: Vec<bool>,
    images: Vec<Image>,
}

/// One cluster as last heard.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Image {
    /// Heard lately, with a moving counter.
    pub(super) online: bool,
    /// Sequence has finished closing.
    pub(super) closed: bool,
    /// Both mains read closed.
    pub(super) on_bus: bool,
    /// On its way off the bus while still on it.
    pub(super) leaving: bool,
    /// Asked to close.
    pub(super) requested: bool,
    /// Worst alarm level; a fault once its BCU has gone silent, until that is reset.
    pub(super) level: Severity,
    ready: bool,
    alarms: [u32; 3],
    voltage: Option<f64>,
    bus: Option<f64>,
    current: Option<f64>,
    charge_limit: f64,
    discharge_limit: f64,
}

impl Image {
    /// Whether this alarm stands at this level.
    pub(super) fn has(&self, level: Severity, id: AlarmId) -> bool {
        self.level_bits(level) & 1 << id.bit() != 0
    }

    fn level_bits(&self, level: Severity) -> u32 {
        level.number().checked_sub(1).map_or(0, |i| self.alarms[i])
    }
}

#[derive(Clone, Copy, Debug)]
struct BcuIds {
    state: PointId,
    level: PointId,
    first_alarm: PointId,
    ready: PointId,
    alarms: [PointId; 3],
    bits: [PointId; 8],
    cluster_voltage: PointId,
    bus_voltage: PointId,
    current: PointId,
    soc: PointId,
    soh: PointId,
    cell_max: PointId,
    cell_max_pack: PointId,
    cell_min: PointId,
    cell_min_pack: PointId,
    cell_mean: PointId,
    temperature_max: PointId,
    temperature_max_pack: PointId,
    temperature_min: PointId,
    temperature_min_pack: PointId,
    temperature_mean: PointId,
    charge_limit: PointId,
    discharge_limit: PointId,
}

impl Clusters {
    pub(super) fn new(
        bcus: &[(u8, Arc<Product>)],
        settings: &BauSettings,
        library: &Library,
    ) -> Result<Self, ProductError> {
        let (mut nodes, mut ids, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        let mut packs = Vec::new();
        for (number, product) in bcus {
            let node = RemoteNode::compile(product, "stack", library, STACK_ADDRESS + number)?;
            ids.push(BcuIds::find(product, node.points.table())?);
            rows.push(usize::from(*number) - 1);
            packs.push(PackIds::find(node.points.table()));
            nodes.push(node);
        }
        Ok(Self {
            router: CanRouter::new(nodes),
            requests: vec![Request::Open; ids.len()],
            excluded: vec![false; ids.len()],
            lost: vec![false; ids.len()],
            images: vec![Image::default(); ids.len()],
            ids,
            rows,
            packs,
            packs_per_cluster: settings.packs_per_cluster,
            cells_per_pack: settings.cells_per_pack,
        })
    }

    pub(super) fn forget(&mut self) {
        for i in 0..self.len() {
            self.router.node_mut(i).forget();
        }
        self.requests.fill(Request::Open);
        self.excluded.fill(false);
        self.lost.fill(false);
        self.images.fill(Image::default());
    }

    pub(super) fn receive(&mut self, now: SimTime, frame: &CanFrame) {
        self.router.receive(now, frame);
    }

    pub(super) fn owned_ids(&self) -> impl Iterator<Item = CanId> {
        self.router.owned_ids()
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn image(&self, cluster: usize) -> &Image {
        &self.images[cluster]
    }

    /// Takes over what the BCUs said last.
    pub(super) fn read(&mut self, now: SimTime, lost_s: f64) {
        for (i, (image, ids)) in self.images.iter_mut().zip(&self.ids).enumerate() {
            let node = self.router.node(i);
            let points = &node.points;
            let state = points.get(ids.state);
            let is = |wanted: State| state == Some(f64::from(wanted as u8));
            let online = !older_than(now, node.last_seen(), lost_s)
                && !older_than(now, node.last_change_of_counter(), lost_s);
            // One not heard yet may still be starting; it is missing, but has not failed.
            self.lost[i] |= !online && image.online;
            let lost = self.lost[i];
            let [positive, negative, ..] = ids.bits.map(|id| points.is_on(id));
            let on_bus = online && positive && negative;
            let level = Severity::LEVELS
                .into_iter()
                .find(|level| points.get(ids.level) == Some(level.number() as f64));
            let level = if lost {
                Severity::Fault
            } else {
                level.unwrap_or_default()
            };
            // Of one that is silent nothing else is known.
            let mut alarms = ids.alarms.map(|id| as_bits(points.get(id).filter(|_| online)));
            if lost {
                alarms[2] |= 1 << AlarmId::Com.bit();
            }
            *image = Image {
                online,
                closed: on_bus && is(State::Closed),
                on_bus,
                leaving: on_bus && (level == Severity::Fault || is(State::Unloading) || is(State::Opening)),
                requested: matches!(self.requests[i], Request::Join | Request::Precharge),
                level,
                ready: online && points.is_on(ids.ready) && is(State::Open),
                alarms,
                voltage: points.get(ids.cluster_voltage),
                bus: points.get(ids.bus_voltage),
                current: points.get(ids.current).filter(|_| online),
                charge_limit: points.get(ids.charge_limit).unwrap_or(0.0),
                discharge_limit: points.get(ids.discharge_limit).unwrap_or(0.0),
            };
        }
    }

    pub(super) fn request(&mut self, cluster: usize, request: Request) {
        self.requests[cluster] = request;
    }

    pub(super) fn request_all(&mut self, request: Request) {
        self.requests.fill(request);
    }

    /// Leaves a cluster out of this start.
    pub(super) fn exclude(&mut self, cluster: usize) {
        self.excluded[cluster] = true;
    }

    pub(super) fn include_all(&mut self) {
        self.excluded.fill(false);
    }

    /// The cluster to begin with: the one with most others within `wide_v`, then within `narrow_v`, then the first.
    /// Two meters may differ by their accuracy, so the first count is wider than the gap for joining, where one
    /// meter sees both sides.
    pub(super) fn choose_first(&self, wide_v: f64, narrow_v: f64) -> Option<usize> {
        let voltages: Vec<(usize, f64)> = (0..self.len())
            .filter(|i| self.is_candidate(*i))
            .filter_map(|i| Some((i, self.images[i].voltage?)))
            .collect();
        let near = |v: f64, gap_v: f64| {
            voltages
                .iter()
                .filter(|(_, other)| (v - other).abs() <= gap_v)
                .count()
        };
        let best = voltages
            .iter()
            .max_by_key(|(i, v)| (near(*v, wide_v), near(*v, narrow_v), Reverse(*i)));
        best.map(|(i, _)| *i)
    }

    /// Whether the cluster may close onto the live bus: its own meter sees both sides of its contactors, so the
    /// meter's error cancels.
    pub(super) fn may_join(&self, cluster: usize, gap_v: f64) -> bool {
        let image = &self.images[cluster];
        self.is_candidate(cluster)
            && !image.requested
            && image
                .voltage
                .zip(image.bus)
                .is_some_and(|(own, bus)| (own - bus).abs() <= gap_v)
    }

    fn is_candidate(&self, cluster: usize) -> bool {
        let image = &self.images[cluster];
        image.ready && image.level < Severity::Fault && !self.excluded[cluster]
    }

    /// Forgets that a BCU was silent, if it is heard again.
    pub(super) fn reset(&mut self) {
        for (lost, image) in self.lost.iter_mut().zip(&self.images) {
            *lost &= !image.online;
        }
    }

    /// Whether a BCU has gone silent since the last reset.
    pub(super) fn any_lost(&self) -> bool {
        self.lost.contains(&true)
    }

    /// Whether every BCU has gone silent.
    pub(super) fn all_lost(&self) -> bool {
        !self.lost.is_empty() && (0..self.len()).all(|i| self.lost[i] && !self.images[i].online)
    }

    pub(super) fn all_requested_closed(&self) -> bool {
        let mut images = self.images.iter().zip(&self.requests);
        images.all(|(image, request)| !matches!(request, Request::Join | Request::Precharge) || image.closed)
    }

    /// Takes the request from clusters that have a fault, are lost, or have left by themselves.
    pub(super) fn drop_faulty(&mut self) {
        for (image, request) in self.images.iter().zip(&mut self.requests) {
            if image.requested && (image.level == Severity::Fault || !image.closed) {
                *request = Request::Open;
            }
        }
    }

    pub(super) fn any(&self, test: impl Fn(&Image) -> bool) -> bool {
        self.images.iter().any(|image| image.online && test(image))
    }

    pub(super) fn any_leaving(&self) -> bool {
        self.any(|image| image.leaving)
    }

    pub(super) fn all_online(&self) -> bool {
        self.router.nodes().iter().all(|node| node.last_seen().is_some())
    }

    pub(super) fn online(&self) -> usize {
        self.images.iter().filter(|image| image.online).count()
    }

    pub(super) fn connected(&self) -> usize {
        self.images.iter().filter(|image| image.on_bus).count()
    }

    pub(super) fn faulty(&self) -> usize {
        let faulty = |image: &&Image| image.level == Severity::Fault;
        self.images.iter().filter(faulty).count()
    }

    pub(super) fn current_a(&self) -> f64 {
        self.images.iter().filter_map(|image| image.current).sum()
    }

    /// Clusters on the bus share evenly, so the weakest decides for each of them.
    pub(super) fn limits(&self) -> [f64; 2] {
        let on_bus = || self.images.iter().filter(|image| image.on_bus);
        let weakest = |limit: fn(&Image) -> f64| on_bus().map(limit).reduce(f64::min).unwrap_or(0.0);
        let n = on_bus().count() as f64;
        [
            n * weakest(|image| image.charge_limit),
            n * weakest(|image| image.discharge_limit),
        ]
    }

    /// Worst level, with the number of its first alarm and its cluster from 1.
    pub(super) fn worst(&self) -> (Severity, f64, f64) {
        let mut worst = (Severity::None, 0.0, 0.0);
        for (i, image) in self.images.iter().enumerate() {
            if image.level > worst.0 {
                worst = (image.level, self.first_alarm(i), self.rows[i] as f64 + 1.0);
            }
        }
        worst
    }

    /// What the BCU says, or that it is or was silent.
    fn first_alarm(&self, cluster: usize) -> f64 {
        if self.lost[cluster] {
            return AlarmId::Com.number() as f64;
        }
        let said = self
            .router
            .node(cluster)
            .points
            .get(self.ids[cluster].first_alarm);
        said.unwrap_or(0.0)
    }

    /// SunSpec 802 `Evt1` of all clusters.
    pub(super) fn events(&self) -> u32 {
        let all: Vec<&Image> = self.images.iter().collect();
        bank::events_of(&all)
    }

    /// What they report and `Evt1` has no bit for.
    pub(super) fn causes(&self) -> Causes {
        let each = self.images.iter().map(bank::causes_of);
        each.fold(Causes::default(), |all, causes| all | causes)
    }

    /// Bus voltage as seen by the clusters on the bus, else by any.
    fn bus_v(&self) -> Option<f64> {
        let seen = |on_bus: bool| {
            let images = self
                .images
                .iter()
                .filter(move |image| image.online && (image.on_bus || !on_bus));
            images.filter_map(|image| image.bus).reduce(f64::max)
        };
        seen(true).or_else(|| seen(false))
    }

    /// Fills the rows of clusters and the figures of the stack.
    pub(super) fn publish(&self, points: &mut Points, table: &BauTable) {
        let rows = table.cluster;
        for (i, row) in self.rows.iter().enumerate() {
            let (image, ids, theirs) = (&self.images[i], &self.ids[i], &self.router.node(i).points);
            for (range, id) in [
                (rows.state, ids.state),
                (rows.alarm_level, ids.level),
                (rows.first_alarm, ids.first_alarm),
                (rows.voltage, ids.cluster_voltage),
                (rows.current, ids.current),
                (rows.soc, ids.soc),
                (rows.cell_max, ids.cell_max),
                (rows.cell_min, ids.cell_min),
                (rows.temperature_max, ids.temperature_max),
                (rows.temperature_min, ids.temperature_min),
                (rows.charge_limit, ids.charge_limit),
                (rows.discharge_limit, ids.discharge_limit),
            ] {
                points.put(range.at(*row), theirs.reading(id));
            }
            const POSITIONS: [u16; 8] = [0, 1, 2, 3, 4, 8, 9, 10];
            let contactors = ids
                .bits
                .iter()
                .zip(POSITIONS)
                .fold(0, |bits: u16, (id, position)| {
                    bits | u16::from(theirs.is_on(*id)) << position
                });
            points.set(rows.contactors.at(*row), f64::from(contactors));
            points.set(rows.closed_contactors.at(*row), f64::from(contactors & 0b111));
            if self.lost[i] {
                points.set(rows.alarm_level.at(*row), image.level.number() as f64);
                points.set(rows.first_alarm.at(*row), self.first_alarm(i));
            }
            if !image.online {
                points.invalidate(rows.state.at(*row));
            }
            points.set_flag(rows.online.at(*row), image.online);
            points.set(rows.request.at(*row), f64::from(self.requests[i] as u8));
        }
        self.publish_stack(points, table);
        self.publish_bank(points, &table.bank);
    }

    fn publish_stack(&self, points: &mut Points, table: &BauTable) {
        let single = table.single;
        let online = || (0..self.len()).filter(|i| self.images[*i].online);
        let all = |pick: fn(&BcuIds) -> PointId| {
            online().filter_map(move |i| Some((i, self.router.node(i).points.get(pick(&self.ids[i]))?)))
        };
        let mean = |pick: fn(&BcuIds) -> PointId| {
            let n = all(pick).count() as f64;
            (n > 0.0).then(|| all(pick).map(|(_, v)| v).sum::<f64>() / n)
        };
        let highest = all(|ids| ids.cell_max).max_by(|a, b| a.1.total_cmp(&b.1));
        let lowest = all(|ids| ids.cell_min).min_by(|a, b| a.1.total_cmp(&b.1));
        let bus = self.bus_v();
        let current = self.current_a();
        for (id, value) in [
            (single.soc, mean(|ids| ids.soc)),
            (single.soh, mean(|ids| ids.soh)),
            (single.cell_mean, mean(|ids| ids.cell_mean)),
            (single.temperature_mean, mean(|ids| ids.temperature_mean)),
            (
                single.temperature_max,
                all(|ids| ids.temperature_max).map(|(_, t)| t).reduce(f64::max),
            ),
            (
                single.temperature_min,
                all(|ids| ids.temperature_min).map(|(_, t)| t).reduce(f64::min),
            ),
            (single.cell_max, highest.map(|(_, v)| v)),
            (single.cell_min, lowest.map(|(_, v)| v)),
            (single.bus_voltage, bus),
            (single.voltage, bus),
            (single.current, Some(current)),
            (single.power, bus.map(|v| v * current)),
        ] {
            match value {
                Some(value) => points.set(id, value),
                None => points.invalidate(id),
            }
        }
        let place = |found: Option<(usize, f64)>, pack: fn(&BcuIds) -> PointId| {
            let (i, _) = found?;
            Some((
                self.rows[i] as f64 + 1.0,
                self.router.node(i).points.get(pack(&self.ids[i]))?,
            ))
        };
        if let Some((cluster, pack)) = place(highest, |ids| ids.cell_max_pack) {
            points.set(single.cell_max_cluster, cluster);
            points.set(single.cell_max_pack, pack);
        }
        if let Some((cluster, pack)) = place(lowest, |ids| ids.cell_min_pack) {
            points.set(single.cell_min_cluster, cluster);
            points.set(single.cell_min_pack, pack);
        }
    }
}

/// A set of alarms out of its point.
fn as_bits(value: Option<f64>) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the point holds a whole number of 32 bits; out of range it saturates"
    )]
    value.map_or(0, |value| value as u32)
}

impl BcuIds {
    fn find(product: &Product, table: &PointTable) -> Result<Self, ProductError> {
        let need = |name| need(product, table, name);
        Ok(Self {
            state: need("state")?,
            level: need("alarm-level")?,
            first_alarm: need("first-alarm")?,
            ready: need("ready")?,
            alarms: [need("alarms-warn")?, need("alarms-alarm")?, need("alarms-fault")?],
            bits: [
                need("main-positive-closed")?,
                need("main-negative-closed")?,
                need("precharge-closed")?,
                need("fuse-intact")?,
                need("breaker-closed")?,
                need("coil-main-positive")?,
                need("coil-main-negative")?,
                need("coil-precharge")?,
            ],
            cluster_voltage: need("cluster-voltage")?,
            bus_voltage: need("bus-voltage")?,
            current: need("current")?,
            soc: need("soc")?,
            soh: need("soh")?,
            cell_max: need("cell-voltage-max")?,
            cell_max_pack: need("cell-voltage-max-pack")?,
            cell_min: need("cell-voltage-min")?,
            cell_min_pack: need("cell-voltage-min-pack")?,
            cell_mean: need("cell-voltage-mean")?,
            temperature_max: need("temperature-max")?,
            temperature_max_pack: need("temperature-max-pack")?,
            temperature_min: need("temperature-min")?,
            temperature_min_pack: need("temperature-min-pack")?,
            temperature_mean: need("temperature-mean")?,
            charge_limit: need("charge-limit")?,
            discharge_limit: need("discharge-limit")?,
        })
    }
}
