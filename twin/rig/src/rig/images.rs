//! What controllers say on the wire, as seen from outside: images of their points, whose changes of state are events.

use bess_devices::codec::can::{CanRouter, RemoteNode};
use bess_devices::{PointId, Points};
use bess_types::{CanFrame, Event, SimTime, Source, Tag};

use super::Rig;
use super::slot::{Emulator, hmi_target_tag};
use crate::recorder::Recorder;

/// A controller seen on a bus: its frames decoded into an image of its points.
pub(crate) struct Observer {
    pub bus: usize,
    pub router: CanRouter,
    /// Slot of each node of the router.
    pub slots: Vec<usize>,
    states: Vec<Vec<(PointId, f64)>>,
    /// The checker already spoke about this node's life counter.
    pub counter_reported: Vec<bool>,
}

impl Observer {
    /// Of the nodes on a bus, each with its slot.
    pub(super) fn new(bus: usize, nodes: Vec<(usize, RemoteNode)>) -> Self {
        let (slots, nodes): (Vec<_>, Vec<_>) = nodes.into_iter().unzip();
        let states = nodes.iter().map(|node| state_points(&node.points)).collect();
        let counter_reported = vec![false; slots.len()];
        Self {
            bus,
            router: CanRouter::new(nodes),
            slots,
            states,
            counter_reported,
        }
    }
}

impl Rig {
    /// Decodes a frame if it is a controller's.
    pub(super) fn observe_frame(&mut self, bus: usize, frame: &CanFrame) {
        let Some(observer) = self.observers.iter_mut().find(|observer| observer.bus == bus) else {
            return;
        };
        let Some(node) = observer.router.receive(self.now, frame) else {
            return;
        };
        let tag = &self.slots[observer.slots[node]].tag;
        let points = &observer.router.node(node).points;
        record_changes(
            &mut self.recorder,
            self.now,
            tag,
            points,
            &mut observer.states[node],
        );
    }

    /// Notes what the operator station has read anew.
    pub(super) fn watch_images(&mut self) {
        let Some(i) = self.hmi else { return };
        let Some(Emulator::Hmi(hmi)) = &self.slots[i].emulator else {
            return;
        };
        for (target, states) in &mut self.hmi_states {
            let Some(tag) = hmi_target_tag(&self.slots, *target) else {
                continue;
            };
            record_changes(&mut self.recorder, self.now, &tag, hmi.image(*target), states);
        }
    }
}

/// State points of an image, none of which was seen yet.
pub(super) fn state_points(points: &Points) -> Vec<(PointId, f64)> {
    let table = points.table();
    table
        .iter()
        .filter(|(_, def)| !def.states.is_empty())
        .map(|(id, _)| (id, f64::NAN))
        .collect()
}

fn record_changes(
    recorder: &mut Recorder,
    at: SimTime,
    tag: &Tag,
    points: &Points,
    states: &mut [(PointId, f64)],
) {
    for (id, last) in states {
        let Some(value) = points.get(*id) else { continue };
        if value == *last {
            continue;
        }
        *last = value;
        let def = points.table().def(*id);
        // States are small whole numbers; anything else has no name.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "looked up with get"
        )]
        let name = def.states.get(value as usize).copied().unwrap_or("?");
        recorder.event(Event {
            at,
            tag: tag.clone(),
            point: def.name.clone(),
            value,
            text: name.into(),
            source: Source::Wire,
        });
    }
}
