//! CAN buses on TCP, in the protocol of the socketcand daemon: for machines whose kernel has no CAN, and for tools that
//! speak it, such as python-can, SavvyCAN and Kayak.
//!
//! The process that has the emulators of a bus serves it ([`server`]); `bessrig host` joins it as any other client
//! does ([`client`]). Everything runs on the thread that has the Modbus connections too.

pub(crate) mod client;
mod protocol;
pub(crate) mod server;
mod session;

/// Bytes taken from a peer at once. Little, so that a peer that floods a bus does not run ahead of those who hear it.
const READ: usize = 2048;
/// Frames put into words at once.
const BATCH: usize = 1024;
