//! What of Modbus is a property of a product: its `[modbus]` table.

use core::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::pdu::{
    MAX_READ_BITS, MAX_READ_REGISTERS, MAX_READ_WRITE_REGISTERS, MAX_WRITE_BITS, MAX_WRITE_REGISTERS,
};
use crate::product::{ProductError, Source};

/// Functions the rig can serve.
const FUNCTIONS: [u8; 11] = [1, 2, 3, 4, 5, 6, 15, 16, 22, 23, 43];
/// Clients a server takes at once if its product does not say; Messaging on TCP/IP wants several [R].
const CLIENTS: u16 = 16;
/// Longest turnaround, ms: beyond it any client has given up.
const MAX_TURNAROUND_MS: u16 = 10_000;
/// More than this is more than any rig's sockets.
const MAX_CLIENTS: u16 = 1024;

/// How a product's Modbus server differs from one that can do everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModbusSettings {
    /// Clients connected at the same time; more are refused.
    pub clients: u16,
    /// Bits in one read (functions 1 and 2).
    pub bits_per_read: u16,
    /// Registers in one read (functions 3, 4 and 23).
    pub registers_per_read: u16,
    /// Bits in one write (function 15).
    pub bits_per_write: u16,
    /// Registers in one write (function 16).
    pub registers_per_write: u16,
    /// Registers written by function 23.
    pub registers_per_read_write: u16,
    /// What a request to a unit id that is nobody's gets; by default an answer where a device has the address for itself,
    /// and exception 0B behind a gateway.
    pub unknown_unit: Option<UnknownUnit>,
    /// Time from power-on until the server answers.
    pub start_up: Duration,
    /// Time from a request to its reply.
    pub turnaround: Duration,
    /// Functions served; all if none are named.
    functions: Option<Vec<u8>>,
}

/// What a request to a unit id that is nobody's gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownUnit {
    /// The device's answer, as if it had been asked.
    Answer,
    /// Nothing.
    Silence,
    /// Exception 0A.
    GatewayPathUnavailable,
    /// Exception 0B.
    GatewayTargetFailedToRespond,
}

impl Default for ModbusSettings {
    /// The limits of the protocol.
    fn default() -> Self {
        Self {
            clients: CLIENTS,
            bits_per_read: MAX_READ_BITS,
            registers_per_read: MAX_READ_REGISTERS,
            bits_per_write: MAX_WRITE_BITS,
            registers_per_write: MAX_WRITE_REGISTERS,
            registers_per_read_write: MAX_READ_WRITE_REGISTERS,
            unknown_unit: None,
            start_up: Duration::ZERO,
            turnaround: Duration::ZERO,
            functions: None,
        }
    }
}

impl ModbusSettings {
    /// Whether the product has a function.
    pub fn has(&self, function: u8) -> bool {
        self.functions
            .as_ref()
            .is_none_or(|functions| functions.contains(&function))
    }

    /// The settings of a product by its own table and those it inherits from, nearest first.
    pub(crate) fn of_specs<'a>(specs: impl Iterator<Item = &'a ModbusSpec>) -> Self {
        let mut all = Self::default();
        let mut specs: Vec<&ModbusSpec> = specs.collect();
        specs.reverse();
        for spec in specs {
            let set = |value: &mut u16, given: &Option<Spanned<u16>>| {
                if let Some(given) = given {
                    *value = *given.get_ref();
                }
            };
            set(&mut all.clients, &spec.clients);
            set(&mut all.bits_per_read, &spec.bits_per_read);
            set(&mut all.registers_per_read, &spec.registers_per_read);
            set(&mut all.bits_per_write, &spec.bits_per_write);
            set(&mut all.registers_per_write, &spec.registers_per_write);
            let time = |value: &mut Duration, given: &Option<Spanned<u16>>| {
                if let Some(given) = given {
                    *value = Duration::from_millis(u64::from(*given.get_ref()));
                }
            };
            time(&mut all.start_up, &spec.start_up_ms);
            time(&mut all.turnaround, &spec.turnaround_ms);
            all.unknown_unit = spec.unknown_unit.or(all.unknown_unit);
            if let Some(functions) = &spec.functions {
                all.functions = Some(functions.get_ref().clone());
            }
        }
        all.registers_per_read_write = all.registers_per_write.min(MAX_READ_WRITE_REGISTERS);
        all
    }
}

/// The table as a product file writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModbusSpec {
    clients: Option<Spanned<u16>>,
    bits_per_read: Option<Spanned<u16>>,
    registers_per_read: Option<Spanned<u16>>,
    bits_per_write: Option<Spanned<u16>>,
    registers_per_write: Option<Spanned<u16>>,
    functions: Option<Spanned<Vec<u8>>>,
    unknown_unit: Option<UnknownUnit>,
    start_up_ms: Option<Spanned<u16>>,
    turnaround_ms: Option<Spanned<u16>>,
}

impl ModbusSpec {
    /// Refuses what no server can do.
    pub(crate) fn check(&self, source: &Source) -> Result<(), ProductError> {
        let refuse = |span, key: &str, message: String, help: String| ProductError::Setting {
            place: source.place(span),
            key: key.into(),
            message,
            help,
        };
        for (key, given, least, most) in [
            ("clients", &self.clients, 1, MAX_CLIENTS),
            ("bits_per_read", &self.bits_per_read, 1, MAX_READ_BITS),
            (
                "registers_per_read",
                &self.registers_per_read,
                1,
                MAX_READ_REGISTERS,
            ),
            ("bits_per_write", &self.bits_per_write, 1, MAX_WRITE_BITS),
            (
                "registers_per_write",
                &self.registers_per_write,
                1,
                MAX_WRITE_REGISTERS,
            ),
            ("turnaround_ms", &self.turnaround_ms, 0, MAX_TURNAROUND_MS),
        ] {
            if let Some(given) = given
                && !(least..=most).contains(given.get_ref())
            {
                let message = format!("{} is outside {least} to {most}", given.get_ref());
                let help = format!("give {least} to {most}, or leave the key out");
                return Err(refuse(given.span(), key, message, help));
            }
        }
        if let Some(given) = &self.functions
            && let Some(other) = given.get_ref().iter().find(|code| !FUNCTIONS.contains(code))
        {
            let known: Vec<String> = FUNCTIONS.iter().map(u8::to_string).collect();
            let message = format!("the rig does not serve function {other}");
            let help = format!("functions it serves: {}", known.join(", "));
            return Err(refuse(given.span(), "functions", message, help));
        }
        Ok(())
    }
}
