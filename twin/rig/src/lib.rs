//! Plant, devices and buses on one clock.
//!
//! Read in this order: [`config`] (what a rig file says), [`wiring`] (devices built from it and who is
//! connected to whom), [`interface`] (what goes in and comes out),
//! [`rig`] (the main flow: what happens in one instant), [`schedule`] (the order of
//! things that fall due), [`bus`] (CAN and Modbus inside the rig), [`fault`] (what can go wrong on the way between devices), [`recorder`] (event log and candump),
//! [`checker`] (what is watched in every run), [`observe`] (how steps read points),
//! [`virtual_time`] (the driver that jumps to the next event). Sockets and wall clocks live elsewhere: time and
//! traffic come in as arguments and go out as values.

#![forbid(unsafe_code)]

pub mod bus;
pub mod checker;
pub mod config;
pub mod fault;
pub mod interface;
pub(crate) mod noise;
pub mod observe;
pub mod recorder;
pub mod rig;
pub mod schedule;
pub mod virtual_time;
pub mod wiring;

pub use checker::{Blame, Violation};
pub use config::{Attach, Backing, ClockMode, ModbusAddress, RigConfig, RigConfigError};
pub use interface::{
    CanMedium, CanWire, CommandError, Counters, LineEnd, ModbusServerWire, Outsider, RigCommand, Role,
    RtuLineWire, WireFault, WireInput, WireOutput, Wires,
};
pub use observe::{PointInfo, PointKey};
pub use recorder::{MessageKind, MessageLine, ModbusMessage};
pub use rig::Rig;
pub use virtual_time::{Driver, Health, Percentiles, VirtualDriver};
