//! The plant of a rig: it advances, sensors of devices sample it, actuators act on it.

use core::time::Duration;

use bess_devices::{Input, Sense};
use bess_types::{Channel, Event, Source};

use super::Rig;
use crate::checker::{self, Blame, Violation};
use crate::wiring;

/// A sensor of a device, and in which plant ticks it is due.
pub(super) struct Sensing {
    device: usize,
    channel: Channel,
    period_ticks: u64,
    phase_ticks: u64,
}

impl Sensing {
    pub(super) fn new(device: usize, sense: &Sense, grid_step: Duration) -> Self {
        let ticks = sense.period.as_nanos() / grid_step.as_nanos();
        let period_ticks = u64::try_from(ticks.max(1)).unwrap_or(1);
        Self {
            device,
            channel: sense.channel,
            period_ticks,
            // Spread over the period, so that 81 BMUs do not all sample in one tick.
            phase_ticks: device as u64 % period_ticks,
        }
    }
}

impl Rig {
    pub(super) fn advance_plant(&mut self) {
        let Some(plant) = self.plant.as_mut() else { return };
        plant.advance(self.now);
        let mut found = Vec::new();
        for event in plant.drain_events() {
            let tag = wiring::plant_tag(&event.part);
            match event.point {
                checker::CLOSING_GAP if event.value.abs() > checker::MAX_CLOSING_GAP_V => {
                    found.push(Violation {
                        at: event.at,
                        checker: checker::CLOSING_GAP,
                        tag: tag.clone(),
                        text: format!(
                            "a main contactor closed with {:.0} V across it; {:.0} V are allowed",
                            event.value,
                            checker::MAX_CLOSING_GAP_V
                        ),
                        blames: Blame::Controller,
                    });
                }
                checker::OPEN_CONTACTOR_CURRENT => found.push(Violation {
                    at: event.at,
                    checker: checker::OPEN_CONTACTOR_CURRENT,
                    tag: tag.clone(),
                    text: format!("{:.1} A flow although the cluster's path is open", event.value),
                    blames: Blame::Plant,
                }),
                _ => {}
            }
            self.recorder.event(Event {
                at: event.at,
                tag,
                point: event.point.into(),
                value: event.value,
                text: event.text,
                source: Source::Plant,
            });
        }
        self.violations.append(&mut found);
    }

    pub(super) fn sense(&mut self) {
        for i in 0..self.sensing.len() {
            let Sensing {
                device,
                channel,
                period_ticks,
                phase_ticks,
            } = self.sensing[i];
            if self.tick % period_ticks != phase_ticks {
                continue;
            }
            let mut readings = core::mem::take(&mut self.readings);
            if let Some(plant) = self.plant.as_mut() {
                plant.sample(self.slots[device].place, channel, &mut readings);
            }
            self.give(
                device,
                Input::Sensed {
                    channel,
                    readings: &readings,
                },
            );
            self.readings = readings;
        }
    }

    pub(super) fn apply_actuations(&mut self) {
        let Some(plant) = self.plant.as_mut() else {
            self.actuations.clear();
            return;
        };
        for (place, action) in self.actuations.drain(..) {
            plant.actuate(self.now, place, &action);
        }
    }
}
