//! Device emulators of a battery container.
//!
//! A device is a state machine: time and traffic come in as arguments, traffic goes out as values
//! ([`device`]). It thinks in named [`points`]; a [`product`] file maps points to DBC signals and
//! registers ([`codec`]), so one behaviour speaks many dialects; a [`library`] holds the files' texts. No
//! device can see the plant: readings come in on [`bess_types::Channel`]s, acts go out as
//! [`bess_types::Actuation`]s. Each kind of device has a module of its own; [`kinds`] is the one place that
//! knows them all.

#![forbid(unsafe_code)]

pub mod addressing;
pub mod bau;
pub mod bcu;
pub mod bmu;
pub mod chiller;
pub mod codec;
#[cfg(test)]
pub mod contract;
pub mod defects;
pub mod device;
pub mod ems;
pub mod facts;
pub mod finding;
pub mod fire_panel;
pub mod hmi;
pub mod hv_unit;
pub mod hvac;
pub mod kinds;
pub mod library;
pub mod meter;
pub mod modbus_front;
pub mod pcs;
pub mod points;
pub mod product;
pub mod protection;
pub mod remote_io;
pub mod safety_relay;

mod controller;
mod metering;
mod outbox;
mod point_list;
mod supply;

pub use device::{Device, DeviceFault, Input, Output, Sense, Token, UnsupportedFault};
pub use library::Library;
pub use points::{PointId, PointRange, PointTable, Points};
pub use product::{DeviceKind, Product, ProductError};
