//! The rig on real wires: wall clock, SocketCAN, socketcand and Modbus TCP.
//!
//! Read in this order: [`paced`] (the owner loop and the only reader of the wall clock), `crank` (the rig with its wires,
//! and who may turn it), `health` (what lateness and loss amount to), `can` (what carries a bus), `socketcan` (one socket per bus, one reading
//! thread for all; `kernel_frame`), `socketcand` (buses on TCP: server and client of that daemon's protocol), `modbus_server`
//! (requests from outside to emulated devices), `modbus_client` (requests of emulated devices to outside, in the words of
//! tokio-modbus: `modbus_words`), `modbus_adu` (how a PDU is wrapped, and what link faults make of it), `modbus_tls`
//! (certificates and roles), `modbus_line` (RTU lines, with `modbus_rtu` for frames and timing and `modbus_port` for what
//! carries one), [`error`].
//!
//! ```text
//!            owner thread (the caller of run)                         other threads
//!   rig.advance_to / offer <-- arrivals, one bounded channel <-- CAN reader (poll, recvmmsg)
//!         |                                                 <-- TCP runtime (Modbus and socketcand, servers and clients)
//!         +-- poll_wire --> CAN send (sendmmsg, not blocking; queues of socketcand clients)
//!                       --> Modbus replies (oneshot) and requests (bounded channel)
//! ```
//! While the owner sleeps, the TCP runtime may give the rig a Modbus request itself.
//! Nothing here decides what happens in the rig; it decides only when, and owns up to being late.
//!
#![doc = include_str!("../docs/wires.md")]
#![forbid(unsafe_code)]

mod can;
mod crank;
pub mod error;
mod health;
mod kernel_frame;
mod modbus_adu;
mod modbus_client;
mod modbus_line;
mod modbus_port;
mod modbus_rtu;
mod modbus_server;
mod modbus_tls;
mod modbus_words;
pub mod paced;
mod socketcan;
mod socketcand;

pub use error::FieldbusError;
pub use modbus_adu::{Adu, End, Faulty};
pub use modbus_rtu::bytes as rtu_frame;
pub use paced::{InterruptHandle, Limits, PacedDriver, Steppable};
