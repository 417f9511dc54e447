//! The nodes on the cluster bus as the BCU hears them: BMUs, and the measuring units of the high-voltage box.

use bess_types::{CanFrame, CanId, Quality, Reading, SimTime};

use super::BcuConfig;
use super::node_points::{BmuPoints, HvPoints, Measured};
use super::settings::BcuSettings;
use crate::codec::can::{CanRouter, RemoteNode};
use crate::controller::older_than;
use crate::defects::Defect;
use crate::library::Library;
use crate::product::ProductError;
use crate::protection::Severity;
use crate::{PointId, Points};

/// Images of all nodes, and when each was heard.
#[derive(Debug)]
pub(super) struct Nodes {
    /// BMUs in pack order, then the measuring units.
    router: CanRouter,
    bmus: Vec<BmuPoints>,
    hv: HvPoints,
    counter_period_s: f64,
    sensor_share_pct: [f64; 2],
    /// [`Defect::IgnoresOneSensor`].
    ignores_first_pack: bool,
    started: SimTime,
    /// Until then BMUs got their addresses, and none that has not spoken yet was missed.
    expecting: SimTime,
}

/// Extremes over the packs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extremes {
    pub(super) cell_max: Option<f64>,
    pub(super) cell_min: Option<f64>,
    pub(super) cell_mean: Option<f64>,
    pub(super) temperature_max: Option<f64>,
    pub(super) temperature_min: Option<f64>,
    pub(super) cell_max_pack: usize,
    pub(super) cell_min_pack: usize,
    pub(super) temperature_max_pack: usize,
    pub(super) temperature_min_pack: usize,
}

impl Nodes {
    pub(super) fn new(
        config: &BcuConfig,
        settings: &BcuSettings,
        library: &Library,
    ) -> Result<Self, ProductError> {
        let mut nodes = Vec::new();
        let mut bmus = Vec::new();
        for bmu in &config.bmus {
            let node = RemoteNode::compile(&bmu.product, "cluster", library, bmu.address)?;
            let points = BmuPoints::find(&bmu.product, &node)?;
            points.check_size(&config.product, settings)?;
            bmus.push(points);
            nodes.push(node);
        }
        for unit in &config.hv_units {
            nodes.push(RemoteNode::compile(
                &unit.product,
                "cluster",
                library,
                unit.address,
            )?);
        }
        Ok(Self {
            hv: HvPoints::find(config, &nodes)?,
            router: CanRouter::new(nodes),
            bmus,
            counter_period_s: settings.counter_period_s,
            sensor_share_pct: settings.sensor_share_pct,
            ignores_first_pack: config.defect == Some(Defect::IgnoresOneSensor),
            started: SimTime::ZERO,
            expecting: SimTime::ZERO,
        })
    }

    /// The BCU's supply is there; nothing was heard yet.
    pub(super) fn restart(&mut self, now: SimTime) {
        self.started = now;
        self.expecting = now;
        for i in 0..self.router.nodes().len() {
            self.router.node_mut(i).forget();
        }
    }

    /// BMUs still get their addresses: they are expected from now on only.
    pub(super) fn expect_from(&mut self, now: SimTime) {
        self.expecting = now;
    }

    /// Since when BMUs are expected to speak.
    pub(super) fn expected_since(&self) -> SimTime {
        self.expecting
    }

    pub(super) fn receive(&mut self, now: SimTime, frame: &CanFrame) {
        self.router.receive(now, frame);
    }

    pub(super) fn hears(&self, id: CanId) -> bool {
        self.router.owned_ids().any(|owned| owned == id)
    }

    /// Every node was heard.
    pub(super) fn is_complete(&self) -> bool {
        // a counter that was never seen would count as still since the start
        let is_heard = |node: &RemoteNode| {
            node.last_seen().is_some() && (!node.has_counter() || node.last_change_of_counter().is_some())
        };
        self.router.nodes().iter().all(is_heard)
    }

    /// How long the most silent of them has been silent, or data of a pack overdue, s.
    pub(super) fn silence_s(&self, now: SimTime) -> f64 {
        let age = |since: Option<SimTime>, start: SimTime| (now - since.unwrap_or(start)).as_secs_f64();
        self.router
            .nodes()
            .iter()
            .enumerate()
            .map(|(i, node)| {
                let is_bmu = i < self.bmus.len();
                let start = if is_bmu { self.expecting } else { self.started };
                let silent = age(node.last_seen(), start);
                if !node.has_counter() {
                    return silent;
                }
                // A counter rests between two of its messages even when all is well.
                silent.max(age(node.last_change_of_counter(), start) - self.counter_period_s)
            })
            .chain((0..self.bmus.len()).map(|pack| self.data_overdue_s(now, pack)))
            .fold(0.0, f64::max)
    }

    /// How long a message with cells or temperatures of a pack has been overdue, s: the BMU may well be heard, and its
    /// data lost. A message rests for its period even when all is well.
    fn data_overdue_s(&self, now: SimTime, pack: usize) -> f64 {
        let node = self.router.node(pack);
        let data = self.bmus[pack].data.iter();
        let overdue = data.map(|(message, period)| {
            let since = node.last_heard(*message).unwrap_or(self.expecting);
            (now - since).as_secs_f64() - period.as_secs_f64()
        });
        overdue.fold(0.0, f64::max)
    }

    /// Whether a BMU is heard, with all its data.
    pub(super) fn hears_pack(&self, now: SimTime, pack: usize) -> bool {
        const SILENCE_S: f64 = 1.0;
        !older_than(now, self.router.node(pack).last_seen(), SILENCE_S)
            && self.data_overdue_s(now, pack) <= SILENCE_S
    }

    /// BMUs in pack order.
    pub(super) fn bmus(&self) -> &[BmuPoints] {
        &self.bmus
    }

    /// What the BMU of a pack has said.
    pub(super) fn image(&self, pack: usize) -> &Points {
        &self.router.node(pack).points
    }

    pub(super) fn hv(&self) -> &HvPoints {
        &self.hv
    }

    /// What a measuring unit has said.
    pub(super) fn reading(&self, measured: Measured) -> Reading {
        self.router.node(measured.node).points.reading(measured.point)
    }

    /// When a node was last heard.
    pub(super) fn last_seen(&self, node: usize) -> Option<SimTime> {
        self.router.node(node).last_seen()
    }

    /// Highest temperature of each pack.
    pub(super) fn hottest(&self) -> impl Iterator<Item = Option<f64>> {
        self.bmus.iter().enumerate().map(|(pack, ids)| {
            ids.temperature_max(self.image(pack))
                .filter(|_| !self.is_blind_to(pack))
        })
    }

    pub(super) fn extremes(&self) -> Extremes {
        let mut found = Extremes::default();
        let (mut sum, mut cells) = (0.0, 0);
        for (pack, ids) in self.bmus.iter().enumerate() {
            let points = self.image(pack);
            if let Some(v) = ids
                .cell_max(points)
                .filter(|v| found.cell_max.is_none_or(|m| *v > m))
            {
                (found.cell_max, found.cell_max_pack) = (Some(v), pack);
            }
            if let Some(v) = ids
                .cell_min(points)
                .filter(|v| found.cell_min.is_none_or(|m| *v < m))
            {
                (found.cell_min, found.cell_min_pack) = (Some(v), pack);
            }
            if let Some(v) = ids.voltage(points) {
                sum += v;
                cells += ids.cell_count;
            }
            if self.is_blind_to(pack) {
                continue;
            }
            let hot = ids.temperature_max(points);
            if let Some(t) = hot.filter(|t| found.temperature_max.is_none_or(|m| *t > m)) {
                (found.temperature_max, found.temperature_max_pack) = (Some(t), pack);
            }
            let cold = ids.temperature_min(points);
            if let Some(t) = cold.filter(|t| found.temperature_min.is_none_or(|m| *t < m)) {
                (found.temperature_min, found.temperature_min_pack) = (Some(t), pack);
            }
        }
        found.cell_mean = (cells > 0).then(|| sum / cells as f64);
        found
    }

    fn is_blind_to(&self, pack: usize) -> bool {
        self.ignores_first_pack && pack == 0
    }

    /// Where in its pack the highest or lowest cell is, from 1; 0 if no cell is known.
    pub(super) fn place(&self, pack: usize, highest: bool) -> f64 {
        let (ids, image) = (&self.bmus[pack], self.image(pack));
        let cells = ids.cells.iter().enumerate();
        let cells = cells.filter_map(|(i, id)| Some((i, image.get(*id)?)));
        let found = if highest {
            cells.max_by(|a, b| a.1.total_cmp(&b.1))
        } else {
            cells.min_by(|a, b| a.1.total_cmp(&b.1))
        };
        found.map_or(0.0, |(cell, _)| cell as f64 + 1.0)
    }

    /// Mean of all temperature sensors.
    pub(super) fn temperature_mean(&self) -> Option<f64> {
        let (mut sum, mut count) = (0.0, 0.0);
        for (pack, ids) in self
            .bmus
            .iter()
            .enumerate()
            .filter(|(p, _)| !self.is_blind_to(*p))
        {
            let image = self.image(pack);
            for t in ids.temperatures.iter().filter_map(|id| image.get(*id)) {
                sum += t;
                count += 1.0;
            }
        }
        (count > 0.0).then(|| sum / count)
    }

    /// How bad the worst pack's unusable channels are.
    pub(super) fn sensor_severity(&self, now: SimTime) -> Severity {
        let packs = (0..self.bmus.len()).map(|pack| self.sensor_severity_of(now, pack));
        packs.max().unwrap_or_default()
    }

    /// How bad the unusable channels of a pack are; a BMU that is silent or whose data is lost is another alarm's business.
    fn sensor_severity_of(&self, now: SimTime, pack: usize) -> Severity {
        let node = self.router.node(pack);
        let ids = &self.bmus[pack];
        if !self.hears_pack(now, pack) {
            return Severity::None;
        }
        let bad = |id: &PointId| node.points.reading(*id).quality != Quality::Valid;
        let adjacent = ids.cells.windows(2).any(|pair| pair.iter().all(bad));
        let channels = ids.cells.iter().chain(&ids.temperatures);
        let unusable = channels.clone().filter(|id| bad(id)).count();
        let share = 100.0 * unusable as f64 / channels.count().max(1) as f64;
        let [alarm, fault] = self.sensor_share_pct;
        if share > fault {
            Severity::Fault
        } else if share > alarm || adjacent {
            Severity::Alarm
        } else if unusable > 0 {
            Severity::Warn
        } else {
            Severity::None
        }
    }
}
