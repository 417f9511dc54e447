//! CAN frames as the Linux kernel has them (linux/can.h): classic, FD and error frames.

use bess_rig::WireInput;
use bess_types::{CanFrame, CanId, FdFlags};

/// Size of the kernel's classic frame, and the MTU of an interface that carries no other.
const CLASSIC: usize = 16;
/// Size of the kernel's FD frame, and the MTU of an interface that carries it.
pub(crate) const FD: usize = 72;
/// Flags of the kernel's FD frame.
const BIT_RATE_SWITCH: u8 = 0x01;
const ERROR_PASSIVE: u8 = 0x02;
const FD_FORMAT: u8 = 0x04;
const EXTENDED_FLAG: u32 = 0x8000_0000;
const REMOTE_FLAG: u32 = 0x4000_0000;
const ERROR_FLAG: u32 = 0x2000_0000;

/// The kernel's `struct can_frame` or `struct canfd_frame`.
#[derive(Debug)]
pub(crate) struct KernelFrame {
    bytes: [u8; FD],
    len: usize,
}

impl KernelFrame {
    pub(crate) fn of(frame: &CanFrame) -> Self {
        let id = match frame.id {
            CanId::Standard(id) => u32::from(id),
            CanId::Extended(id) => id | EXTENDED_FLAG,
        };
        let data = frame.data();
        let mut bytes = [0; FD];
        bytes[..4].copy_from_slice(&id.to_ne_bytes());
        bytes[4] = u8::try_from(data.len()).unwrap_or(u8::MAX);
        if let Some(flags) = frame.fd {
            let flag = |set, bit| if set { bit } else { 0 };
            bytes[5] = FD_FORMAT
                | flag(flags.bit_rate_switch, BIT_RATE_SWITCH)
                | flag(flags.error_passive, ERROR_PASSIVE);
        }
        bytes[8..8 + data.len()].copy_from_slice(data);
        Self {
            bytes,
            len: if frame.fd.is_some() { FD } else { CLASSIC },
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// What the kernel gave; `None` for remote frames and what is no frame at all.
pub(crate) fn from_kernel(bus: usize, bytes: &[u8]) -> Option<WireInput> {
    let is_fd = match bytes.len() {
        CLASSIC => false,
        FD => true,
        _ => return None,
    };
    let id = u32::from_ne_bytes(bytes[..4].try_into().ok()?);
    if id & ERROR_FLAG != 0 {
        return Some(WireInput::CanError {
            bus,
            class: id & 0x1FFF_FFFF,
            data: bytes[8..16].try_into().ok()?,
        });
    }
    if id & REMOTE_FLAG != 0 {
        return None;
    }
    let id = if id & EXTENDED_FLAG != 0 {
        CanId::Extended(id & 0x1FFF_FFFF)
    } else {
        CanId::Standard(u16::try_from(id & 0x7FF).ok()?)
    };
    let data = bytes[8..].get(..usize::from(bytes[4]))?;
    let frame = if is_fd {
        let flags = FdFlags {
            bit_rate_switch: bytes[5] & BIT_RATE_SWITCH != 0,
            error_passive: bytes[5] & ERROR_PASSIVE != 0,
        };
        CanFrame::new_fd(id, flags, data)?
    } else {
        CanFrame::new(id, data)?
    };
    Some(WireInput::Can { bus, frame })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Option<CanFrame> {
        match from_kernel(3, bytes)? {
            WireInput::Can { bus: 3, frame } => Some(frame),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn frames_survive_the_kernel_form() {
        let flags = |bit_rate_switch, error_passive| FdFlags {
            bit_rate_switch,
            error_passive,
        };
        for frame in [
            CanFrame::new(CanId::Extended(0x18_A0_FF_01), &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap(),
            CanFrame::new(CanId::Standard(0x7FF), &[]).unwrap(),
            CanFrame::new(CanId::Extended(0x10), &[0xAA]).unwrap(),
            CanFrame::new_fd(CanId::Standard(0x10), flags(true, false), &[0xAA; 64]).unwrap(),
            CanFrame::new_fd(CanId::Extended(0x10), flags(false, true), &[0xAA; 12]).unwrap(),
            CanFrame::new_fd(CanId::Extended(0x10), flags(false, false), &[]).unwrap(),
        ] {
            assert_eq!(read(KernelFrame::of(&frame).bytes()), Some(frame));
        }
    }

    #[test]
    fn remote_frames_and_wrong_lengths_are_not_decoded() {
        let data = KernelFrame::of(&CanFrame::new(CanId::Standard(1), &[1]).unwrap());
        let mut remote = data.bytes().to_vec();
        remote[..4].copy_from_slice(&(1 | REMOTE_FLAG).to_ne_bytes());
        assert!(from_kernel(0, &remote).is_none());
        assert!(from_kernel(0, &[]).is_none());
        let mut too_long = data.bytes().to_vec();
        too_long[4] = 9;
        assert!(from_kernel(0, &too_long).is_none());
        let mut no_such_length = [0; FD];
        no_such_length[4] = 9;
        assert!(from_kernel(0, &no_such_length).is_none());
    }

    #[test]
    fn error_frames_keep_their_class_and_data() {
        let mut bytes = [0; CLASSIC];
        bytes[..4].copy_from_slice(&(0x88 | ERROR_FLAG).to_ne_bytes());
        bytes[4] = 8;
        bytes[8..].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        match from_kernel(2, &bytes) {
            Some(WireInput::CanError { bus, class, data }) => {
                assert_eq!((bus, class, data), (2, 0x88, [1, 2, 3, 4, 5, 6, 7, 8]));
            }
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn whatever_the_kernel_gives_is_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..=FD), fd in any::<bool>()) {
            let mut bytes = bytes;
            bytes.resize(if fd { FD } else { CLASSIC }, 0);
            let _ = from_kernel(0, &bytes);
        }
    }
}
