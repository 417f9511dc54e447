//! The Modbus port of a device as its clients meet it: silent until the device has started, and never answering at once.
//!
//! Both times are of the product (`start_up_ms` and `turnaround_ms` under `[modbus]`) unless the rig file gives others, and
//! one piece serves every kind of device: it stands in front of the device and holds back its replies. A request is carried out when it comes; what takes
//! the turnaround is the answer. While the supply is off or the device starts, requests are lost.

use core::time::Duration;
use std::collections::VecDeque;

use bess_types::{CanId, SimTime};

use crate::codec::modbus::ModbusSettings;
use crate::outbox::Outbox;
use crate::product::Product;
use crate::supply::Supply;
use crate::{Device, DeviceFault, Input, Output, Points, Sense, UnsupportedFault};

/// A device behind a Modbus port that takes its time.
pub struct ModbusFront {
    device: Box<dyn Device>,
    start_up: Duration,
    turnaround: Duration,
    supply: Supply,
    /// The last input's time.
    now: SimTime,
    /// Replies that are due later, soonest first.
    kept: VecDeque<(SimTime, Output)>,
    outbox: Outbox,
}

impl ModbusFront {
    /// Puts a port in front of a device, if its product is a Modbus server that takes time.
    pub fn before(device: Box<dyn Device>, product: &Product) -> Box<dyn Device> {
        let ModbusSettings {
            start_up, turnaround, ..
        } = product.modbus();
        let takes_time = start_up > Duration::ZERO || turnaround > Duration::ZERO;
        if product.registers().is_none() || !takes_time {
            return device;
        }
        Box::new(Self {
            device,
            start_up,
            turnaround,
            supply: Supply::Applied,
            now: SimTime::ZERO,
            kept: VecDeque::new(),
            outbox: Outbox::default(),
        })
    }

    /// Takes what the device puts out; replies wait for the turnaround.
    fn collect(&mut self) {
        while let Some(output) = self.device.poll_output() {
            match output {
                Output::ModbusReply { reply: Some(_), .. } if self.turnaround > Duration::ZERO => {
                    self.kept.push_back((self.now + self.turnaround, output));
                }
                other => self.outbox.push(other),
            }
        }
    }

    fn release(&mut self) {
        while let Some((_, output)) = self.kept.pop_front_if(|(due, _)| *due <= self.now) {
            self.outbox.push(output);
        }
    }

    /// Replies that were on their way when the supply went are lost.
    fn lose_replies(&mut self) {
        for (_, output) in self.kept.drain(..) {
            if let Output::ModbusReply { token, .. } = output {
                self.outbox.no_reply(token);
            }
        }
    }
}

impl Device for ModbusFront {
    fn senses(&self) -> &[Sense] {
        self.device.senses()
    }

    fn hears(&self, port: u8, id: CanId) -> bool {
        self.device.hears(port, id)
    }

    fn accept(&mut self, now: SimTime, input: Input<'_>) {
        self.now = now;
        self.supply.begins(now, self.start_up);
        match input {
            Input::ModbusRequest { token, .. } if self.supply != Supply::On => {
                self.outbox.no_reply(token);
            }
            // The port itself may be what had to wake.
            Input::Wake if self.device.next_wake() > now => {}
            input => self.device.accept(now, input),
        }
        self.release();
        self.collect();
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop()
    }

    fn next_wake(&self) -> SimTime {
        let reply = self.kept.front().map_or(SimTime::NEVER, |(due, _)| *due);
        self.device.next_wake().min(self.supply.next_wake()).min(reply)
    }

    fn supports(&self, fault: &DeviceFault) -> bool {
        self.device.supports(fault)
    }

    fn inject(&mut self, fault: &DeviceFault) -> Result<(), UnsupportedFault> {
        self.device.inject(fault)?;
        match fault {
            DeviceFault::PowerOff => {
                self.supply = Supply::Off;
                self.lose_replies();
            }
            DeviceFault::PowerOn if self.supply == Supply::Off => self.supply = Supply::Applied,
            _ => {}
        }
        self.collect();
        Ok(())
    }

    fn is_addressed(&self) -> bool {
        self.device.is_addressed()
    }

    fn points(&self) -> &Points {
        self.device.points()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use bess_types::{ModbusReply, ModbusRequest, Table};

    use super::*;
    use crate::Token;
    use crate::chiller::Chiller;
    use crate::codec::modbus::ModbusAccess;
    use crate::contract::device_contract;
    use crate::library::Library;

    /// The shipped chiller: 3 s to start, 20 ms for an answer.
    fn chiller() -> Box<dyn Device> {
        let library = Library::shipped();
        let product = library.product("chiller").unwrap();
        ModbusFront::before(Box::new(Chiller::new(&product, &library).unwrap()), &product)
    }

    const fn at(ms: u64) -> SimTime {
        SimTime::from_millis(ms)
    }

    fn ask(device: &mut dyn Device, now: SimTime) {
        let request = ModbusRequest::Read {
            table: Table::Holding,
            address: 100,
            count: 1,
        };
        let input = Input::ModbusRequest {
            unit: 1,
            access: ModbusAccess::default(),
            request: &request,
            token: Token(1),
        };
        device.accept(now, input);
    }

    fn replies(device: &mut dyn Device) -> Vec<Option<ModbusReply>> {
        core::iter::from_fn(|| device.poll_output())
            .filter_map(|output| match output {
                Output::ModbusReply { reply, .. } => Some(reply),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn it_is_silent_until_it_has_started_and_then_answers_after_its_turnaround() {
        let mut device = chiller();
        device.accept(at(0), Input::Wake);
        ask(device.as_mut(), at(2_999));
        assert_eq!(replies(device.as_mut()), [None]);
        device.accept(at(3_000), Input::Wake);
        ask(device.as_mut(), at(3_005));
        assert!(replies(device.as_mut()).is_empty());
        assert_eq!(device.next_wake(), at(3_025));
        device.accept(at(3_025), Input::Wake);
        assert!(matches!(replies(device.as_mut())[..], [Some(Ok(_))]));
    }

    #[test]
    fn a_power_cycle_loses_replies_and_starts_anew() {
        let mut device = chiller();
        device.accept(at(0), Input::Wake);
        device.accept(at(3_000), Input::Wake);
        ask(device.as_mut(), at(3_500));
        device.inject(&DeviceFault::PowerOff).unwrap();
        assert_eq!(replies(device.as_mut()), [None]);
        ask(device.as_mut(), at(3_600));
        assert_eq!(replies(device.as_mut()), [None], "off");
        device.inject(&DeviceFault::PowerOn).unwrap();
        device.accept(at(4_000), Input::Wake);
        ask(device.as_mut(), at(6_900));
        assert_eq!(replies(device.as_mut()), [None], "starting");
        ask(device.as_mut(), at(7_000));
        device.accept(at(7_020), Input::Wake);
        assert!(matches!(replies(device.as_mut())[..], [Some(Ok(_))]));
    }

    #[test]
    fn keeps_the_device_contract() {
        device_contract(chiller);
    }
}
