//! Modbus requests and replies by meaning; the ADU framing belongs to the wire. Addresses are 0-based, as on the wire.

use serde::{Deserialize, Serialize};

/// The four Modbus data tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Table {
    /// Read/write bits (function codes 1, 5, 15).
    Coil,
    /// Read-only bits (function code 2).
    DiscreteInput,
    /// Read/write registers (function codes 3, 6, 16).
    Holding,
    /// Read-only registers (function code 4).
    Input,
}

/// A request as a device sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModbusRequest {
    /// Read `count` items of `table` from `address` (function codes 1 to 4).
    Read {
        /// Table read.
        table: Table,
        /// First address, 0-based.
        address: u16,
        /// Items wanted.
        count: u16,
    },
    /// Write bits (function codes 5 and 15).
    WriteCoils {
        /// First address, 0-based.
        address: u16,
        /// Bits, lowest address first.
        values: Vec<bool>,
    },
    /// Write registers (function codes 6 and 16).
    WriteRegisters {
        /// First address, 0-based.
        address: u16,
        /// Registers, lowest address first.
        values: Vec<u16>,
    },
    /// A function code the rig does not decode; a device answers exception 1.
    Unsupported {
        /// The function code.
        function: u8,
    },
}

/// What a good reply carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModbusData {
    /// Bits read, lowest address first.
    Bits(Vec<bool>),
    /// Registers read, lowest address first.
    Registers(Vec<u16>),
    /// A write was taken.
    Written,
}

/// Exception codes a device answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ModbusException {
    /// 01
    IllegalFunction,
    /// 02
    IllegalDataAddress,
    /// 03
    IllegalDataValue,
    /// 04
    ServerDeviceFailure,
    /// 06
    ServerDeviceBusy,
    /// 0A
    GatewayPathUnavailable,
    /// 0B
    GatewayTargetFailedToRespond,
}

impl ModbusException {
    /// The code on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::IllegalFunction => 1,
            Self::IllegalDataAddress => 2,
            Self::IllegalDataValue => 3,
            Self::ServerDeviceFailure => 4,
            Self::ServerDeviceBusy => 6,
            Self::GatewayPathUnavailable => 0x0A,
            Self::GatewayTargetFailedToRespond => 0x0B,
        }
    }
}

/// What comes back for a request. Silence is the absence of a reply: the client's own timeout ends it.
pub type ModbusReply = Result<ModbusData, ModbusException>;
