//! From points to bytes and back.
//!
//! [`can`] compiles a product's `[[can]]` tables against a DBC, [`modbus`] a register map; both do their
//! name look-ups once, so that a frame or a request later costs shifts and masks only. [`pattern`] reads
//! the `{i}` in names, [`unit`] checks and converts units.

pub mod can;
pub mod modbus;
pub mod pattern;
pub mod unit;
