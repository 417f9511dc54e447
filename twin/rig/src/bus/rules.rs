//! What link faults do to frames on their way from a device to its bus.

use core::time::Duration;
use std::collections::BTreeMap;

use bess_types::{CanFrame, CanId, SimTime};

use crate::fault::{Effect, LinkFault};
use crate::noise::Noise;

/// A fault at work.
#[derive(Debug)]
pub(crate) struct Active {
    pub fault: LinkFault,
    pub effect: Effect,
    /// On this bus.
    pub bus: usize,
    /// Of this device; of all on the bus if none.
    pub device: Option<usize>,
    pub until: SimTime,
    /// Tells it from others, before and after.
    pub number: u64,
    /// The bus keeps time and does this fault itself.
    by_bus: bool,
    held: Option<CanFrame>,
    stale: BTreeMap<CanId, CanFrame>,
}

/// A frame that is to go on a bus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outgoing {
    pub after: Duration,
    pub frame: CanFrame,
    /// Sent by a node that is none of the rig's.
    pub stranger: bool,
}

impl Active {
    pub(crate) fn new(
        fault: LinkFault,
        (bus, device): (usize, Option<usize>),
        until: SimTime,
        number: u64,
        by_bus: bool,
    ) -> Self {
        Self {
            effect: fault.effect(),
            fault,
            bus,
            device,
            until,
            number,
            by_bus,
            held: None,
            stale: BTreeMap::new(),
        }
    }

    pub(crate) fn is_about(&self, bus: usize, device: usize) -> bool {
        // two that changed places may be known by each other's identifiers
        let of_both = matches!(self.effect, Effect::Swap { .. });
        self.bus == bus && (of_both || self.device.is_none_or(|own| own == device))
    }

    /// Whether it takes the bus from everybody on it.
    pub(crate) fn is_felt_by_all_of(&self, bus: usize) -> bool {
        let effect = matches!(
            self.effect,
            Effect::Babble { .. } | Effect::Short | Effect::Disturb | Effect::Twin
        );
        effect && self.bus == bus
    }

    /// Whether the device hears nothing on this bus.
    fn deafens(&self, bus: usize, device: usize) -> bool {
        let effect = matches!(self.effect, Effect::BusOff | Effect::Disconnect | Effect::Short);
        effect && !self.by_bus && self.is_about(bus, device)
    }

    /// One frame of `device` through this fault.
    fn touch(&mut self, noise: &mut Noise, outgoing: Outgoing, on: &mut Vec<Outgoing>) {
        let Outgoing { after, frame, .. } = outgoing;
        let raw = frame.id.raw();
        let concerned = !self.by_bus && !outgoing.stranger && self.fault.id().is_none_or(|id| id == raw);
        if let Some(held) = self.held.take() {
            // what was held back goes out behind its sender's next one, which is not held itself
            on.extend([
                outgoing,
                Outgoing {
                    frame: held,
                    ..outgoing
                },
            ]);
            return;
        }
        if !concerned || !noise.hits(self.fault.share) {
            on.push(outgoing);
            return;
        }
        let later = |after| Outgoing { after, ..outgoing };
        let other = |frame| Outgoing { frame, ..outgoing };
        match self.effect {
            Effect::Reorder => self.held = Some(frame),
            Effect::Drop | Effect::BusOff | Effect::Disconnect | Effect::Short => {}
            Effect::Delay(by) => on.push(later(after + by)),
            Effect::Jitter(up_to) => on.push(later(after + up_to.mul_f64(noise.unit()))),
            Effect::Duplicate(gap) => on.extend([outgoing, later(after + gap)]),
            Effect::Corrupt { bits } => {
                let mut frame = frame;
                let len = frame.data().len() as u64;
                for _ in 0..if len == 0 { 0 } else { bits } {
                    let bit = noise.below(len * 8);
                    #[allow(clippy::cast_possible_truncation, reason = "a bit of 64 bytes")]
                    let (byte, mask) = ((bit / 8) as usize, 1_u8 << (bit % 8));
                    frame.data_mut()[byte] ^= mask;
                }
                on.push(other(frame));
            }
            Effect::Length { bytes } => {
                let mut data = frame.data().to_vec();
                data.resize(bytes, 0);
                on.extend(CanFrame::new(frame.id, &data).map(other));
            }
            Effect::Identifier { add } => {
                let mut frame = frame;
                frame.id = match frame.id {
                    #[allow(clippy::cast_possible_truncation, reason = "cut to 11 bits")]
                    CanId::Standard(id) => CanId::Standard(((u32::from(id) + add) & 0x7FF) as u16),
                    CanId::Extended(id) => CanId::Extended((id + add) & 0x1FFF_FFFF),
                };
                on.push(other(frame));
            }
            Effect::Stale => {
                let frame = *self.stale.entry(frame.id).or_insert(frame);
                on.push(other(frame));
            }
            Effect::Twin => {
                let mut twin = frame;
                for byte in twin.data_mut() {
                    *byte = !*byte;
                }
                on.extend([
                    outgoing,
                    Outgoing {
                        frame: twin,
                        stranger: true,
                        ..outgoing
                    },
                ]);
            }
            // not about single frames, or done by the timed bus
            Effect::Silence
            | Effect::Exception(_)
            | Effect::SwapBytes
            | Effect::SwapWords
            | Effect::NotAvailable(_)
            | Effect::Refuse
            | Effect::Wire(_)
            | Effect::FreezeCounters
            | Effect::BreakChecksums
            | Effect::OpenEnable
            | Effect::KeepAddress(_)
            | Effect::Swap { .. }
            | Effect::Reset { .. }
            | Effect::Babble { .. }
            | Effect::Disturb => {
                on.push(outgoing);
            }
        }
    }
}

/// What becomes of a frame that `device` gives to `bus`, all faults applied in the order they began.
pub(crate) fn apply(
    faults: &mut [Active],
    noise: &mut Noise,
    bus: usize,
    device: usize,
    frame: CanFrame,
) -> Vec<Outgoing> {
    let mut frames = vec![Outgoing {
        after: Duration::ZERO,
        frame,
        stranger: false,
    }];
    for fault in faults.iter_mut().filter(|fault| fault.is_about(bus, device)) {
        let mut next = Vec::with_capacity(frames.len());
        for outgoing in frames {
            fault.touch(noise, outgoing, &mut next);
        }
        frames = next;
    }
    frames
}

/// Whether faults keep `device` from hearing `bus`.
pub(crate) fn deaf(faults: &[Active], bus: usize, device: usize) -> bool {
    faults.iter().any(|fault| fault.deafens(bus, device))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn active(name: &str, given: &[(&str, f64)]) -> Active {
        let given: Vec<_> = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect();
        let fault = LinkFault::new(name, "x", &given).unwrap();
        Active::new(fault, (0, Some(7)), SimTime::NEVER, 1, false)
    }

    fn frame(id: u16, data: &[u8]) -> CanFrame {
        CanFrame::new(CanId::Standard(id), data).unwrap()
    }

    /// What comes of these frames, as `after ms: id#data`.
    fn through(fault: Active, frames: &[CanFrame]) -> Vec<String> {
        let (mut faults, mut noise) = ([fault], Noise::new(1, 2));
        let mut all = Vec::new();
        for &frame in frames {
            for out in apply(&mut faults, &mut noise, 0, 7, frame) {
                let who = if out.stranger { "?" } else { "" };
                all.push(format!("{}{who} {}", out.after.as_secs_f64() * 1e3, out.frame));
            }
        }
        all
    }

    #[test]
    fn each_fault_does_what_its_name_says() {
        let two = [frame(1, &[1, 2]), frame(2, &[3])];
        assert_eq!(through(active("can-drop", &[]), &two), [""; 0]);
        assert_eq!(through(active("can-drop", &[("id", 1.0)]), &two), ["0 002#03"]);
        assert_eq!(
            through(active("can-delay", &[("by", 5.0)]), &two),
            ["5 001#0102", "5 002#03"]
        );
        assert_eq!(
            through(active("can-duplicate", &[]), &two[1..]),
            ["0 002#03", "1 002#03"]
        );
        assert_eq!(
            through(active("can-reorder", &[]), &two),
            ["0 002#03", "0 001#0102"]
        );
        assert_eq!(
            through(active("can-length", &[("bytes", 1.0)]), &two[..1]),
            ["0 001#01"]
        );
        assert_eq!(
            through(active("can-length", &[("bytes", 3.0)]), &two[..1]),
            ["0 001#010200"]
        );
        assert_eq!(
            through(active("can-id", &[("add", 16.0)]), &two[..1]),
            ["0 011#0102"]
        );
        assert_eq!(
            through(active("can-twin", &[]), &two[1..]),
            ["0 002#03", "0? 002#FC"]
        );
        assert_eq!(
            through(active("can-stale", &[]), &[two[0], frame(1, &[9, 9]), two[1]]),
            ["0 001#0102", "0 001#0102", "0 002#03"]
        );
        assert_eq!(through(active("can-bus-off", &[]), &two), [""; 0]);
    }

    #[test]
    fn a_corrupted_frame_differs_in_as_many_bits() {
        let mut faults = [active("can-corrupt", &[("bits", 1.0)])];
        let mut noise = Noise::new(3, 4);
        let out = apply(&mut faults, &mut noise, 0, 7, frame(1, &[0; 8]));
        let ones: u32 = out[0].frame.data().iter().map(|byte| byte.count_ones()).sum();
        assert_eq!(ones, 1);
        assert_eq!(
            apply(&mut faults, &mut noise, 0, 7, frame(1, &[]))[0].frame,
            frame(1, &[])
        );
    }

    #[test]
    fn others_are_left_alone() {
        let mut faults = [active("can-drop", &[]), active("can-bus-off", &[])];
        let mut noise = Noise::new(3, 4);
        assert_eq!(apply(&mut faults, &mut noise, 1, 7, frame(1, &[])).len(), 1);
        assert_eq!(apply(&mut faults, &mut noise, 0, 8, frame(1, &[])).len(), 1);
        assert!(deaf(&faults, 0, 7) && !deaf(&faults, 0, 8) && !deaf(&faults[..1], 0, 7));
    }

    proptest! {
        #[test]
        fn a_share_hits_about_its_share(share in 0.0..=1.0_f64, seed in any::<u64>()) {
            let mut faults = [active("can-drop", &[("share", share)])];
            let mut noise = Noise::new(seed, 0);
            let passed: usize = (0..2000).map(|_| apply(&mut faults, &mut noise, 0, 7, frame(1, &[])).len()).sum();
            let expected = 2000.0 * (1.0 - share);
            prop_assert!((passed as f64 - expected).abs() < 120.0, "{passed} of {expected}");
        }
    }
}
