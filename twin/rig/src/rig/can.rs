//! CAN traffic of a rig: timed buses going on, frames from wires, and what is seen of every frame.

use bess_types::{CanFrame, Event, Source};

use super::Rig;
use crate::bus::can::CanBus;
use crate::bus::timed::Outcome;
use crate::checker::{self, Blame, Violation};
use crate::schedule::Delivery;
use crate::wiring;

impl Rig {
    /// Lets a timed bus go on to this instant.
    pub(super) fn advance_bus(&mut self, bus: usize) {
        while let Some(outcome) = self.buses[bus]
            .timed
            .as_mut()
            .and_then(|timed| timed.advance(self.now))
        {
            match outcome {
                Outcome::Sent { node, frame } => {
                    self.counters.frames_sent += 1;
                    // past the members it is a node that is none of the rig's
                    let sender = self.buses[bus].members.get(node).map(|member| member.0);
                    let injected = sender.is_none_or(|sender| self.slots[sender].excused);
                    let id_index = self.see(bus, sender, &frame, injected);
                    let delivery = Delivery::Can {
                        bus,
                        id_index,
                        frame,
                        sender,
                    };
                    self.schedule.deliver(self.now, delivery);
                }
                Outcome::Failed { node, error } => {
                    let timed = self.buses[bus].timed.as_ref();
                    let errors = timed.map_or((0, 0), |timed| timed.errors(node));
                    let (class, data) = error.as_kernel(errors);
                    self.error_frame(bus, class, data);
                }
                Outcome::State { node, state } => {
                    let text = format!("{} on {}", state.name(), self.buses[bus].name);
                    let member = self.buses[bus].members.get(node);
                    let tag = member.map_or_else(wiring::site_tag, |member| self.slots[member.0].tag.clone());
                    self.recorder.event(Event {
                        at: self.now,
                        tag,
                        point: "can-state".into(),
                        value: f64::from(state as u8),
                        text,
                        source: Source::Rig,
                    });
                }
            }
        }
    }

    /// Counts and records an error frame.
    pub(super) fn error_frame(&mut self, bus: usize, class: u32, data: [u8; 8]) {
        self.counters.error_frames += 1;
        let CanBus {
            name, error_frames, ..
        } = &mut self.buses[bus];
        *error_frames += 1;
        self.recorder.error_frame(bus, name, self.now, class, data);
    }

    pub(super) fn frame_from_wire(&mut self, bus: usize, frame: CanFrame) {
        self.counters.frames_received += 1;
        let id_index = self.see(bus, None, &frame, false);
        if let Some(owner) = self.buses[bus].ids[id_index].owner {
            self.slots[owner].heard = true;
        }
        self.deliver(Delivery::Can {
            bus,
            id_index,
            frame,
            sender: None,
        });
    }

    /// Records a frame, checks it, and decodes it if it is a controller's.
    pub(super) fn see(
        &mut self,
        bus: usize,
        sender: Option<usize>,
        frame: &CanFrame,
        injected: bool,
    ) -> usize {
        let Self {
            buses,
            slots,
            recorder,
            ..
        } = self;
        let id_index = buses[bus].id_index(frame.id);
        let CanBus {
            members, ids, name, ..
        } = &mut buses[bus];
        let state = &mut ids[id_index];
        if state.frames == 0 {
            let hears = |(device, port): &(usize, u8)| {
                let emulator = slots[*device].emulator.as_mut();
                emulator.is_some_and(|emulator| emulator.device().hears(*port, frame.id))
            };
            state.listeners = members.iter().copied().filter(hears).collect();
        }
        state.frames += 1;
        recorder.frame(bus, name, self.now, frame);
        let mut stolen = None;
        if let Some(last) = state.last {
            state.longest_gap = state.longest_gap.max(self.now - last);
        }
        state.last = Some(self.now);
        if let Some(owner) = state.owner {
            let own = match sender {
                Some(sender) => sender == owner,
                None => slots[owner].emulator.is_none(),
            };
            if !own && !injected && !core::mem::replace(&mut state.owner_reported, true) {
                stolen = Some(owner);
            }
        }
        if let Some(owner) = stolen {
            let who = sender.map_or_else(|| "a node on the wire".into(), |s| self.slots[s].tag.to_string());
            self.violations.push(Violation {
                at: self.now,
                checker: checker::DUPLICATE_CAN_ID,
                tag: self.slots[owner].tag.clone(),
                text: format!(
                    "{who} sends {} on {}, which belongs to {}",
                    frame.id, self.buses[bus].name, self.slots[owner].tag
                ),
                blames: Blame::Controller,
            });
        }
        self.observe_frame(bus, frame);
        id_index
    }
}
