//! CAN buses and Modbus connections inside the rig.

pub mod bits;
pub(crate) mod can;
pub(crate) mod modbus;
pub(crate) mod rules;
pub(crate) mod timed;
