//! CAN buses and Modbus connections inside the rig.

pub(crate) mod can;
pub(crate) mod modbus;
