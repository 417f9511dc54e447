//! Modbus: PDUs, and a register map file compiled against points, for servers and for clients.
//!
//! Read in this order: [`pdu`] (bytes and requests), [`RegisterMap`] (a map file compiled), `server` (how a device
//! answers), `state` (what a write does besides), `identification` (what a device says of itself), `settings` (what of
//! all that is a property of the product), `peer` (the client's side), [`listing`] and [`lint`] (a map as a list, and what is
//! likely wrong with it).
//!
#![doc = include_str!("../../docs/registers.md")]

mod compile;
mod entry;
mod expand;
mod file;
pub(crate) mod identification;
pub mod lint;
pub mod listing;
mod number;
pub mod pdu;
mod peer;
mod server;
pub(crate) mod settings;
mod state;

use bess_types::Table;

pub use file::{OutOfRangeWrite, ReadOnlyWrite};
pub use number::RegisterType;
pub use peer::ModbusPeer;
pub use server::{ModbusAccess, ModbusServer};
pub use settings::{ModbusSettings, UnknownUnit};

use self::entry::Entry;
use self::state::Effects;
use crate::library::Library;
use crate::points::PointTable;
use crate::product::{Product, ProductError};

/// A device's registers, compiled against its points.
#[derive(Clone, Debug)]
pub struct RegisterMap {
    tables: [Vec<Entry>; 4],
    effects: Effects,
    read_only_write: ReadOnlyWrite,
    out_of_range_write: OutOfRangeWrite,
}

impl RegisterMap {
    /// Compiles the text of a map file; `{model}` in its texts is the product's model.
    ///
    /// # Errors
    /// If the text has mistakes, registers overlap, or a point is not in `table`.
    pub fn compile(file: &str, text: &str, table: &PointTable, model: &str) -> Result<Self, ProductError> {
        compile::compile(file, text, table, model)
    }

    /// The map a product names.
    ///
    /// # Errors
    /// If it names none, or as [`RegisterMap::compile`].
    pub fn of_product(
        product: &Product,
        library: &Library,
        table: &PointTable,
    ) -> Result<Self, ProductError> {
        let (name, source) = product.registers().ok_or_else(|| ProductError::NoRegisters {
            place: product.source().place(0..0),
            product: product.id.clone(),
        })?;
        let map = library
            .register_map(name.get_ref())
            .map_err(|error| match error {
                ProductError::UnknownFile { path, known, .. } => ProductError::UnknownFile {
                    place: source.place(name.span()),
                    path,
                    known,
                },
                other => other,
            })?;
        Self::compile(&map.file, &map.text, table, &product.model)
    }

    fn entries(&self, table: Table) -> &[Entry] {
        &self.tables[slot(table)]
    }
}

/// A table's place in [`RegisterMap::tables`].
const fn slot(table: Table) -> usize {
    match table {
        Table::Coil => 0,
        Table::DiscreteInput => 1,
        Table::Input => 2,
        Table::Holding => 3,
    }
}

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;
