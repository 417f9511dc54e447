//! What a rig may be told to do: faults of plant and devices, contacts in the field, the operator.

use bess_devices::DeviceFault;
use bess_types::{Event, Source};

use super::Rig;
use super::slot::{Emulator, Slot};
use crate::interface::{CommandError, RigCommand};
use crate::wiring;

impl Rig {
    /// Carries out a command at this instant.
    pub fn command(&mut self, command: RigCommand) -> Result<(), CommandError> {
        let (tag, point, value, text) = match command {
            RigCommand::Fault(fault) => {
                let plant = self.plant.as_mut().ok_or(CommandError::NoPlant)?;
                plant
                    .inject(&fault)
                    .map_err(|error| CommandError::Plant(error.to_string()))?;
                (wiring::site_tag(), "fault", 1.0, format!("{fault:?}"))
            }
            RigCommand::ClearFault(fault) => {
                let plant = self.plant.as_mut().ok_or(CommandError::NoPlant)?;
                plant
                    .clear(&fault)
                    .map_err(|error| CommandError::Plant(error.to_string()))?;
                (wiring::site_tag(), "fault", 0.0, format!("{fault:?}"))
            }
            RigCommand::DeviceFault { tag, fault } => {
                let i = self
                    .slot_of(&tag)
                    .ok_or_else(|| CommandError::NotEmulated(tag.clone()))?;
                self.device_fault(i, fault)?;
                (tag, "device-fault", 1.0, format!("{fault:?}"))
            }
            RigCommand::LinkFault(fault) => return self.begin(&fault),
            RigCommand::EndLinkFault { name, target } => return self.end(&name, &target),
            RigCommand::Contact { line, level } => {
                self.drive_line(line, level);
                (
                    wiring::site_tag(),
                    "contact",
                    f64::from(u8::from(level)),
                    format!("{line:?}"),
                )
            }
            RigCommand::Operator { target, point, value } => {
                let i = self.hmi.ok_or_else(|| {
                    CommandError::Operator("this rig has no operator station ([[hmi]])".into())
                })?;
                let tag = self.slots[i].tag.clone();
                if let Some(Emulator::Hmi(hmi)) = &mut self.slots[i].emulator {
                    hmi.command(target, &point, value)
                        .map_err(|error| CommandError::Operator(error.to_string()))?;
                }
                self.drain(i);
                (tag, "operator", value, format!("{target:?} {point}"))
            }
        };
        self.recorder.event(Event {
            at: self.now,
            tag,
            point: point.into(),
            value,
            text,
            source: Source::Rig,
        });
        self.apply_actuations();
        Ok(())
    }

    pub(super) fn device_fault(&mut self, i: usize, fault: DeviceFault) -> Result<(), CommandError> {
        let Slot { emulator, tag, .. } = &mut self.slots[i];
        let emulator = emulator
            .as_mut()
            .ok_or_else(|| CommandError::NotEmulated(tag.clone()))?;
        emulator
            .device()
            .inject(&fault)
            .map_err(|error| CommandError::Device {
                tag: tag.clone(),
                why: error.to_string(),
            })?;
        if let DeviceFault::PowerOff | DeviceFault::PowerOn = fault {
            self.slots[i].silenced = fault == DeviceFault::PowerOff;
            for bus in &mut self.buses {
                if let (Some(node), Some(timed)) = (bus.node_of(i), &mut bus.timed) {
                    timed.set_powered(node, fault == DeviceFault::PowerOn);
                }
            }
        }
        self.drain(i);
        Ok(())
    }
}
