//! How a rig comes to be: built from its configuration, and started before time begins.

use core::cmp::Reverse;
use std::collections::VecDeque;

use bess_devices::Input;
use bess_devices::hmi::HmiTarget;
use bess_devices::library::Library;
use bess_types::SimTime;

use super::Rig;
use super::images::{Observer, state_points};
use super::plant::Sensing;
use super::slot::Emulator;
use crate::bus::modbus::OpenRequests;
use crate::config::{ClockMode, RigConfig, RigConfigError};
use crate::interface::{Counters, Role};
use crate::noise::Noise;
use crate::recorder::Recorder;
use crate::schedule::Schedule;
use crate::wiring;

/// Place of link faults in the rig's seed.
const LINK_FAULTS: u64 = u64::MAX;

impl Rig {
    /// Builds the rig, or the hosted part of it, that `config` describes.
    pub fn new(config: &RigConfig, library: &Library, role: Role<'_>) -> Result<Self, RigConfigError> {
        let built = wiring::build(config, library, role)?;
        let devices = built.slots.len();
        let mut rig = Self {
            now: SimTime::ZERO,
            paced: config.clock.mode == ClockMode::Paced,
            next_tick: if built.plant.is_some() {
                SimTime::ZERO + config.plant.grid_step
            } else {
                SimTime::NEVER
            },
            plant: built.plant,
            grid_step: config.plant.grid_step,
            tick: 0,
            slots: built.slots,
            sensing: vec![],
            recorder: Recorder::new(built.buses.len()),
            buses: built.buses,
            requests: OpenRequests::default(),
            rtu_lines: config.rtu_lines.clone(),
            line_listeners: built.line_listeners,
            next_in_chain: built.next_in_chain,
            chain_heads: built.chain_heads,
            schedule: Schedule::new(devices),
            observers: built
                .observers
                .into_iter()
                .map(|(bus, nodes)| Observer::new(bus, nodes))
                .collect(),
            hmi: None,
            hmi_states: vec![],
            actuations: vec![],
            readings: vec![],
            wire_out: VecDeque::new(),
            violations: vec![],
            link_faults: vec![],
            server_faults: vec![],
            faults_to_come: vec![],
            fault_number: 0,
            noise: Noise::new(config.seed, LINK_FAULTS),
            counters: Counters::default(),
            awaited: vec![],
            finished: false,
        };
        if let Role::Rig = role {
            for planned in &config.faults {
                rig.check_fault(&planned.fault).map_err(|error| {
                    planned
                        .origin
                        .error(error.to_string(), "correct the fault's target")
                })?;
                rig.faults_to_come.push((planned.at, planned.fault.clone()));
            }
            rig.faults_to_come.sort_by_key(|(at, _)| Reverse(*at));
        }
        rig.start();
        Ok(rig)
    }

    fn start(&mut self) {
        for device in 0..self.slots.len() {
            let Some(emulator) = self.slots[device].emulator.as_mut() else {
                continue;
            };
            for sense in emulator.device().senses() {
                self.sensing.push(Sensing::new(device, sense, self.grid_step));
            }
            if let Some(Emulator::Hmi(hmi)) = &self.slots[device].emulator {
                self.hmi_states = HmiTarget::SEEN
                    .into_iter()
                    .map(|target| (target, state_points(hmi.image(target))))
                    .collect();
                self.hmi = Some(device);
            }
        }
        for (line, level) in wiring::FIELD_LEVELS_AT_START {
            self.drive_line(line, level);
        }
        for i in 0..self.chain_heads.len() {
            self.enable(self.chain_heads[i], true);
        }
        for device in 0..self.slots.len() {
            self.give(device, Input::Wake);
        }
        self.apply_actuations();
    }
}
