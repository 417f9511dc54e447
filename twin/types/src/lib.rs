//! Words shared by the plant, the device emulators and the rig.
//!
//! Read in this order: [`time`] (one clock), [`tag`] (one address form), [`reading`] (what a sensor
//! says), [`actuation`] (what a device does to the plant), [`can`] and [`modbus`] (what travels on the
//! wires), [`event`] (what the log keeps), [`verdict`] (what a run amounts to).
//!
//! Sign convention everywhere: current and power are **positive when discharging**. Product files flip
//! signs at the protocol edge, nothing else does.

#![forbid(unsafe_code)]

pub mod actuation;
pub mod can;
pub mod event;
pub mod modbus;
pub mod reading;
pub mod tag;
pub mod time;
pub mod verdict;

pub use actuation::{Actuation, Coil, CoolingMode, Line};
pub use can::{CanFrame, CanId, FdFlags};
pub use event::{Event, Source};
pub use modbus::{
    ModbusCertificate, ModbusClient, ModbusData, ModbusException, ModbusIdentification, ModbusReply,
    ModbusRequest, Table,
};
pub use reading::{Channel, Quality, Reading};
pub use tag::Tag;
pub use time::SimTime;
pub use verdict::Verdict;
