//! The rig on real wires: wall clock, SocketCAN and Modbus TCP.
//!
//! Read in this order: [`paced`] (the owner loop and the only reader of the wall clock), `health` (what
//! lateness and loss amount to), `socketcan` (one socket per bus, one reading thread for all),
//! `modbus_server` (requests from outside to emulated devices), `modbus_client` (requests of emulated
//! devices to outside), `modbus_guard` (bytes the Modbus library must not see), [`error`].
//!
//! ```text
//!            owner thread (the caller of run)                         other threads
//!   rig.advance_to / offer <-- arrivals, one bounded channel <-- CAN reader (poll, recvmmsg)
//!         |                                                 <-- Modbus runtime (servers, clients)
//!         +-- poll_wire --> CAN send (sendmmsg, not blocking)
//!                       --> Modbus replies (oneshot) and requests (bounded channel)
//! ```
//! Nothing here decides what happens in the rig; it decides only when, and owns up to being late.

#![forbid(unsafe_code)]

pub mod error;
mod health;
mod modbus_client;
mod modbus_guard;
mod modbus_server;
pub mod paced;
mod socketcan;

pub use error::FieldbusError;
pub use paced::{InterruptHandle, Limits, PacedDriver, Steppable};
