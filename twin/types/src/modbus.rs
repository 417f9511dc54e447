//! Modbus requests and replies by meaning; the ADU framing belongs to the wire. Addresses are 0-based, as on the wire.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The four Modbus data tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Table {
    /// Read/write bits (function codes 1, 5, 15).
    Coil,
    /// Read-only bits (function code 2).
    DiscreteInput,
    /// Read/write registers (function codes 3, 6, 16, 22, 23).
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
    /// Write one bit (function code 5).
    WriteCoil {
        /// Address, 0-based.
        address: u16,
        /// The bit.
        value: bool,
    },
    /// Write one register (function code 6).
    WriteRegister {
        /// Address, 0-based.
        address: u16,
        /// The register.
        value: u16,
    },
    /// Write bits (function code 15).
    WriteCoils {
        /// First address, 0-based.
        address: u16,
        /// Bits, lowest address first.
        values: Vec<bool>,
    },
    /// Write registers (function code 16).
    WriteRegisters {
        /// First address, 0-based.
        address: u16,
        /// Registers, lowest address first.
        values: Vec<u16>,
    },
    /// Change bits of one holding register (function code 22): present AND `and_mask`, OR `or_mask` AND NOT `and_mask`.
    MaskWrite {
        /// Address, 0-based.
        address: u16,
        /// Bits to keep.
        and_mask: u16,
        /// Values of the bits not kept.
        or_mask: u16,
    },
    /// Write holding registers, then read some, in one transaction (function code 23).
    ReadWrite {
        /// First address read, 0-based.
        read_address: u16,
        /// Registers wanted.
        read_count: u16,
        /// First address written, 0-based.
        write_address: u16,
        /// Registers written, lowest address first.
        values: Vec<u16>,
    },
    /// Read device identification (function code 43, type 14).
    Identify {
        /// 1 basic, 2 regular, 3 extended, as a stream; 4 one object.
        access: u8,
        /// Object to begin with, or the one wanted.
        object: u8,
    },
    /// A function code whose content contradicts itself: wrong length, byte count or value.
    Malformed {
        /// The function code.
        function: u8,
    },
    /// A function code the rig does not decode; a device answers exception 1.
    Unsupported {
        /// The function code.
        function: u8,
    },
}

impl ModbusRequest {
    /// The function code on the wire.
    pub const fn function(&self) -> u8 {
        match self {
            Self::Read { table, .. } => match table {
                Table::Coil => 1,
                Table::DiscreteInput => 2,
                Table::Holding => 3,
                Table::Input => 4,
            },
            Self::WriteCoil { .. } => 5,
            Self::WriteRegister { .. } => 6,
            Self::WriteCoils { .. } => 15,
            Self::WriteRegisters { .. } => 16,
            Self::MaskWrite { .. } => 22,
            Self::ReadWrite { .. } => 23,
            Self::Identify { .. } => 43,
            Self::Malformed { function } | Self::Unsupported { function } => *function,
        }
    }

    /// Whether it asks for a change of coils or registers.
    pub const fn writes(&self) -> bool {
        matches!(self.function(), 5 | 6 | 15 | 16 | 22 | 23)
    }
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
    /// Objects of the device's identification.
    Identification(ModbusIdentification),
}

/// One answer of a device that identifies itself (function code 43, type 14).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModbusIdentification {
    /// 1 basic, 2 regular, 3 extended; 0x80 added if single objects can be asked for.
    pub conformity: u8,
    /// Object to ask for next; none if nothing follows.
    pub next_object: Option<u8>,
    /// Object numbers with their text, lowest first.
    pub objects: Vec<(u8, String)>,
}

/// What a server knows of a client from the connection it came by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModbusClient {
    /// The far end of its connection; none on a serial line and inside the rig.
    pub from: Option<SocketAddr>,
    /// What it has shown of itself (Modbus/TCP Security); none on plain TCP, on a serial line and inside the rig.
    pub certificate: Option<ModbusCertificate>,
}

/// What a certificate says of its holder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModbusCertificate {
    /// The role it gives, if it gives one.
    pub role: Option<String>,
}

/// Exception codes a device answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModbusException {
    /// 01
    IllegalFunction,
    /// 02
    IllegalDataAddress,
    /// 03
    IllegalDataValue,
    /// 04
    ServerDeviceFailure,
    /// 05
    Acknowledge,
    /// 06
    ServerDeviceBusy,
    /// 08
    MemoryParityError,
    /// 0A
    GatewayPathUnavailable,
    /// 0B
    GatewayTargetFailedToRespond,
}

impl ModbusException {
    /// Every code there is.
    pub const ALL: [Self; 9] = [
        Self::IllegalFunction,
        Self::IllegalDataAddress,
        Self::IllegalDataValue,
        Self::ServerDeviceFailure,
        Self::Acknowledge,
        Self::ServerDeviceBusy,
        Self::MemoryParityError,
        Self::GatewayPathUnavailable,
        Self::GatewayTargetFailedToRespond,
    ];

    /// The code on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::IllegalFunction => 1,
            Self::IllegalDataAddress => 2,
            Self::IllegalDataValue => 3,
            Self::ServerDeviceFailure => 4,
            Self::Acknowledge => 5,
            Self::ServerDeviceBusy => 6,
            Self::MemoryParityError => 8,
            Self::GatewayPathUnavailable => 0x0A,
            Self::GatewayTargetFailedToRespond => 0x0B,
        }
    }

    /// The exception with this code on the wire, if the protocol knows it.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|exception| exception.code() == code)
    }
}

/// What comes back for a request. Silence is the absence of a reply: the client's own timeout ends it.
pub type ModbusReply = Result<ModbusData, ModbusException>;
