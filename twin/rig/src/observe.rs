//! How steps, reports and views read points: plant truth, what controllers say on the wire, what emulators know.

use bess_devices::PointId;
use bess_devices::hmi::HmiTarget;
use bess_plant::TruthRef;
use bess_types::{Reading, Source, Tag};
use serde::Serialize;

use crate::Rig;
use crate::bus::can::CanBus;
use crate::bus::timed::ErrorState;
use crate::rig::hmi_target_tag;
use crate::wiring;

/// A resolved point. Valid for the rig that resolved it.
#[derive(Clone, Debug)]
pub enum PointKey {
    /// Plant truth.
    Truth(TruthRef),
    /// A controller's point as its frames say.
    Wire {
        /// Observer of the bus.
        observer: usize,
        /// Node in the observer.
        node: usize,
        /// Which point.
        point: PointId,
    },
    /// A controller's point as the operator station reads it.
    Image {
        /// Which controller.
        target: HmiTarget,
        /// Which point.
        point: PointId,
    },
    /// A figure of a bus.
    Bus {
        /// Which bus.
        bus: usize,
        /// Which figure.
        figure: BusFigure,
    },
    /// An emulated device's own point.
    Device {
        /// Slot.
        slot: usize,
        /// Which point.
        point: PointId,
    },
}

/// What is known of a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusFigure {
    /// Share of the last second a timed bus was busy, %.
    Load,
    /// Error frames so far.
    ErrorFrames,
    /// Frames lost so far because a queue was full or a node bus-off.
    LostFrames,
    /// Nodes that are error-passive.
    PassiveNodes,
    /// Nodes that are bus-off.
    NodesOff,
}

impl BusFigure {
    const ALL: [Self; 5] = [
        Self::Load,
        Self::ErrorFrames,
        Self::LostFrames,
        Self::PassiveNodes,
        Self::NodesOff,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::ErrorFrames => "error-frames",
            Self::LostFrames => "lost-frames",
            Self::PassiveNodes => "passive-nodes",
            Self::NodesOff => "nodes-off",
        }
    }

    /// Highest value that makes sense; counts are shown up to a million.
    fn highest(self, bus: &CanBus) -> f64 {
        match self {
            Self::Load => 100.0,
            Self::ErrorFrames | Self::LostFrames => 1e6,
            Self::PassiveNodes | Self::NodesOff => bus.members.len() as f64,
        }
    }

    /// Whether this is known of a bus: of one on a wire only what its controller reports, of an instant one nothing.
    fn is_known(self, bus: &CanBus) -> bool {
        bus.timed.is_some() || (bus.wire.is_some() && self == Self::ErrorFrames)
    }

    fn of(self, bus: &CanBus) -> f64 {
        if self == Self::ErrorFrames {
            return bus.error_frames as f64;
        }
        let Some(timed) = &bus.timed else { return 0.0 };
        let nodes = 0..bus.members.len();
        let count = |state| nodes.clone().filter(|&node| timed.state(node) == state).count() as f64;
        match self {
            Self::Load => timed.load() * 100.0,
            Self::ErrorFrames => bus.error_frames as f64,
            Self::LostFrames => nodes.clone().map(|node| timed.lost(node)).sum::<u64>() as f64,
            Self::PassiveNodes => count(ErrorState::Passive),
            Self::NodesOff => count(ErrorState::Off),
        }
    }
}

/// A line of `bessrig points`.
#[derive(Clone, Debug, Serialize)]
pub struct PointInfo {
    /// Tag to ask with; `plant:` in front for truth.
    pub tag: String,
    /// Point name.
    pub point: String,
    /// Unit.
    pub unit: String,
    /// Lowest value that makes sense.
    pub min: f64,
    /// Highest value that makes sense.
    pub max: f64,
    /// Where it is seen.
    pub source: Source,
    /// Names of its states, if it is a state.
    pub states: Vec<String>,
}

/// Prefix of a tag that asks for plant truth.
const TRUTH: &str = "plant:";
/// Prefix of the name of a bus.
const BUS: &str = "bus:";

pub(crate) fn resolve(rig: &Rig, tag: &str, point: &str) -> Option<PointKey> {
    if let Some(place) = tag.strip_prefix(TRUTH) {
        let part = wiring::plant_part(place)?;
        return rig.plant()?.find(part, point).map(PointKey::Truth);
    }
    if let Some(name) = tag.strip_prefix(BUS) {
        let bus = rig.buses.iter().position(|bus| bus.name == name)?;
        let known = |figure: &BusFigure| figure.name() == point && figure.is_known(&rig.buses[bus]);
        let figure = BusFigure::ALL.into_iter().find(known)?;
        return Some(PointKey::Bus { bus, figure });
    }
    let tag: Tag = tag.parse().ok()?;
    for (o, observer) in rig.observers.iter().enumerate() {
        for (node, slot) in observer.slots.iter().enumerate() {
            if rig.slots[*slot].tag == tag
                && let Some(id) = observer.router.node(node).points.table().find(point)
                && observer.router.node(node).transmits(id)
            {
                return Some(PointKey::Wire {
                    observer: o,
                    node,
                    point: id,
                });
            }
        }
    }
    if let Some(hmi) = rig.hmi() {
        for target in HmiTarget::SEEN {
            if hmi_target_tag(&rig.slots, target).as_ref() == Some(&tag)
                && let Some(id) = hmi.image(target).table().find(point)
            {
                return Some(PointKey::Image { target, point: id });
            }
        }
    }
    let slot = rig.slot_of(&tag)?;
    let id = rig.slots[slot].emulator.as_ref()?.points().table().find(point)?;
    Some(PointKey::Device { slot, point: id })
}

pub(crate) fn observe(rig: &Rig, key: &PointKey) -> Option<Reading> {
    Some(match key {
        PointKey::Bus { bus, figure } => Reading::valid(figure.of(rig.buses.get(*bus)?)),
        PointKey::Truth(at) => Reading::valid(rig.plant()?.truth(*at)),
        PointKey::Wire {
            observer,
            node,
            point,
        } => rig
            .observers
            .get(*observer)?
            .router
            .node(*node)
            .points
            .reading(*point),
        PointKey::Image { target, point } => rig.hmi()?.image(*target).reading(*point),
        PointKey::Device { slot, point } => rig.slots.get(*slot)?.emulator.as_ref()?.points().reading(*point),
    })
}

pub(crate) fn list(rig: &Rig) -> Vec<PointInfo> {
    let mut out = Vec::new();
    if let Some(plant) = rig.plant() {
        for point in plant.truth_points() {
            out.push(PointInfo {
                tag: format!("{TRUTH}{}", wiring::plant_tag_text(point.part)),
                point: point.point.into(),
                unit: point.unit.into(),
                min: point.min,
                max: point.max,
                source: Source::Plant,
                states: vec![],
            });
        }
    }
    for bus in &rig.buses {
        for figure in BusFigure::ALL.into_iter().filter(|figure| figure.is_known(bus)) {
            out.push(PointInfo {
                tag: format!("{BUS}{}", bus.name),
                point: figure.name().into(),
                unit: if figure == BusFigure::Load { "%" } else { "1" }.into(),
                min: 0.0,
                max: figure.highest(bus),
                source: Source::Rig,
                states: vec![],
            });
        }
    }
    let mut add =
        |tag: &Tag, source: Source, points: &bess_devices::Points, keep: &dyn Fn(PointId) -> bool| {
            for (_, def) in points.table().iter().filter(|(id, _)| keep(*id)) {
                out.push(PointInfo {
                    tag: tag.to_string(),
                    point: def.name.clone(),
                    unit: def.unit.into(),
                    min: def.min,
                    max: def.max,
                    source,
                    states: def.states.iter().map(|state| (*state).into()).collect(),
                });
            }
        };
    for observer in &rig.observers {
        for (node, slot) in observer.slots.iter().enumerate() {
            let node = observer.router.node(node);
            add(&rig.slots[*slot].tag, Source::Wire, &node.points, &|id| {
                node.transmits(id)
            });
        }
    }
    if let Some(hmi) = rig.hmi() {
        for target in HmiTarget::SEEN {
            if let Some(tag) = hmi_target_tag(&rig.slots, target) {
                add(&tag, Source::Wire, hmi.image(target), &|_| true);
            }
        }
    }
    for slot in &rig.slots {
        if let Some(emulator) = &slot.emulator {
            add(&slot.tag, Source::Device, emulator.points(), &|_| true);
        }
    }
    out
}
