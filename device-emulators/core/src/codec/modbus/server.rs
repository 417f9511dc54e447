//! The server's side of a register map: answers to requests, with the exceptions a careful device gives.
//!
//! A count of 0 or over the limit is 03, an address outside the map or in a hole 02, a function or table the device
//! does not have 01. A request is answered from one snapshot: a value of several registers is never torn within it
//! (over two requests it may be). A refused write changes nothing, whichever part of it was bad.

use core::fmt::Write as _;
use core::ops::Range;
use std::sync::Arc;

use bess_types::{ModbusData, ModbusException, ModbusReply, ModbusRequest, Reading, SimTime, Table};

use super::entry::{Content, Entry, covering, places};
use super::file::{OutOfRangeWrite, ReadOnlyWrite};
use super::identification::Identification;
use super::pdu::is_bits;
use super::settings::ModbusSettings;
use super::state::{Change, State};
use super::{RegisterMap, slot};
use crate::library::Library;
use crate::points::{PointId, PointTable, Points};
use crate::product::{Product, ProductError};

/// What a server knows of a request besides what is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModbusAccess<'a> {
    /// The client's role, if it has one.
    pub role: Option<&'a str>,
    /// What writes get where the port takes none.
    pub read_only: Option<ModbusException>,
}

/// A device's Modbus server: its registers, and what a request may do to them.
#[derive(Clone, Debug)]
pub struct ModbusServer {
    map: Arc<RegisterMap>,
    settings: ModbusSettings,
    identification: Identification,
    state: State,
}

impl ModbusServer {
    /// The server of a product with a register map, as after power-up.
    ///
    /// # Errors
    /// As [`RegisterMap::of_product`].
    pub fn of_product(
        product: &Product,
        library: &Library,
        table: &PointTable,
    ) -> Result<Self, ProductError> {
        let map = RegisterMap::of_product(product, library, table)?;
        Ok(Self::new(
            map,
            product.modbus(),
            Identification::of_product(product),
        ))
    }

    pub(super) fn new(map: RegisterMap, settings: ModbusSettings, identification: Identification) -> Self {
        Self {
            state: State::new(&map.effects),
            map: Arc::new(map),
            settings,
            identification,
        }
    }

    /// Answers a request. Points a write changed, and set points whose time was over, are appended to `written`; on an
    /// exception the request changed nothing.
    pub fn serve(
        &mut self,
        now: SimTime,
        access: ModbusAccess<'_>,
        request: &ModbusRequest,
        points: &mut Points,
        written: &mut Vec<PointId>,
    ) -> ModbusReply {
        self.tick(now, points, written);
        if !self.has(request) {
            return Err(ModbusException::IllegalFunction);
        }
        if let (true, Some(refusal)) = (request.writes(), access.read_only) {
            return Err(refusal);
        }
        match request {
            ModbusRequest::Read {
                table,
                address,
                count,
            } => {
                let span = self.readable(*table, *address, *count)?;
                Ok(self.read(span, points))
            }
            ModbusRequest::Identify { access, object } => self.identification.answer(*access, *object),
            ModbusRequest::ReadWrite {
                read_address,
                read_count,
                write_address,
                values,
            } => {
                let limit = self.settings.registers_per_read_write;
                if values.is_empty() || values.len() > usize::from(limit) {
                    return Err(ModbusException::IllegalDataValue);
                }
                let span = self.readable(Table::Holding, *read_address, *read_count)?;
                let write = self.decide(access, Table::Holding, *write_address, values, points)?;
                self.state.apply(&self.map.effects, now, &write, points, written);
                Ok(self.read(span, points))
            }
            _ => {
                let (table, address, words) = self.words_of(request, points)?;
                let write = self.decide(access, table, address, &words, points)?;
                self.state.apply(&self.map.effects, now, &write, points, written);
                Ok(ModbusData::Written)
            }
        }
    }

    /// Lets time pass for side effects: latches what is on, ends timers. To be called after whatever may have changed
    /// points, and at [`ModbusServer::next_due`]. Set points that fell back are appended to `written`, as if a client
    /// had written them.
    pub fn tick(&mut self, now: SimTime, points: &mut Points, written: &mut Vec<PointId>) {
        self.state.tick(&self.map.effects, now, points, written);
    }

    /// When [`ModbusServer::tick`] has something to do even if nothing happens.
    pub fn next_due(&self) -> SimTime {
        self.state.next_due()
    }

    /// Forgets held registers, latches and timers; as at power-up.
    pub fn restart(&mut self) {
        self.state = State::new(&self.map.effects);
    }

    /// Every listed register with its present words, one line each; for snapshots and for people.
    pub fn image(&self, points: &Points) -> String {
        let mut text = String::new();
        for table in [Table::Coil, Table::DiscreteInput, Table::Input, Table::Holding] {
            for entry in self.map.entries(table) {
                let mut words = Vec::new();
                entry.read_into(points, &self.state, &mut words);
                let access = if entry.writable { "rw" } else { "r " };
                let name = &entry.name;
                let value = if let Content::Fill(word) = entry.content {
                    format!("{word:04X} x {}", entry.width)
                } else {
                    let hex: Vec<String> = words.iter().map(|word| format!("{word:04X}")).collect();
                    hex.join(" ")
                };
                let _ = writeln!(
                    text,
                    "{:<14} {:>5} {access} {value:<20} {name}",
                    table_name(table),
                    entry.address
                );
            }
        }
        text
    }

    /// Address and words that write `value` into the `n`-th writable register of a point, counted from 0.
    #[cfg(test)]
    pub(crate) fn words_for(
        &self,
        point: &str,
        n: usize,
        value: f64,
        points: &Points,
    ) -> Option<(u16, Vec<u16>)> {
        let id = points.table().find(point)?;
        let writable = |entry: &&Entry| entry.writable && entry.points().any(|bound| bound == id);
        let entry = self.map.entries(Table::Holding).iter().filter(writable).nth(n)?;
        Some((entry.start(), entry.encode_value(id, value, points)))
    }

    /// Whether the device has the request's function, and a table for it.
    fn has(&self, request: &ModbusRequest) -> bool {
        let function = request.function();
        let table = match function {
            1 | 5 | 15 => Table::Coil,
            2 => Table::DiscreteInput,
            3 | 6 | 16 | 22 | 23 => Table::Holding,
            4 => Table::Input,
            43 => {
                let other_type = matches!(request, ModbusRequest::Unsupported { .. });
                return self.settings.has(function) && !other_type;
            }
            _ => return false,
        };
        self.settings.has(function) && !self.map.entries(table).is_empty()
    }

    /// The registers a read asks for, if all are there.
    fn readable(&self, table: Table, address: u16, count: u16) -> Result<Span, ModbusException> {
        let limit = if is_bits(table) {
            self.settings.bits_per_read
        } else {
            self.settings.registers_per_read
        };
        if count == 0 || count > limit {
            return Err(ModbusException::IllegalDataValue);
        }
        let start = u32::from(address);
        let end = start + u32::from(count);
        let entries = places(self.map.entries(table), start, end);
        Ok(Span {
            table,
            start,
            end,
            entries: entries.ok_or(ModbusException::IllegalDataAddress)?,
        })
    }

    /// The present content of readable registers; latches that a read clears are cleared after it.
    fn read(&mut self, span: Span, points: &Points) -> ModbusData {
        let Span {
            table,
            start,
            end,
            entries,
        } = span;
        let entries = &self.map.tables[slot(table)][entries];
        let first = entries.first().map_or(start, |entry| entry.address);
        let last = entries.last().map_or(end, Entry::end);
        let mut words = Vec::with_capacity((last - first) as usize);
        for entry in entries {
            entry.read_into(points, &self.state, &mut words);
            let whole = entry.address >= start && entry.end() <= end;
            if let Some(latch) = entry.latch.filter(|latch| latch.on_read && whole) {
                self.state.unlatch(latch.number);
            }
        }
        words.truncate((end - first) as usize);
        words.drain(..(start - first) as usize);
        if is_bits(table) {
            ModbusData::Bits(words.iter().map(|&word| word != 0).collect())
        } else {
            ModbusData::Registers(words)
        }
    }

    /// Table, address and words of a request that only writes.
    fn words_of(
        &self,
        request: &ModbusRequest,
        points: &Points,
    ) -> Result<(Table, u16, Vec<u16>), ModbusException> {
        let limited = |words: Vec<u16>, limit: u16| {
            let fits = (1..=usize::from(limit)).contains(&words.len());
            fits.then_some(words).ok_or(ModbusException::IllegalDataValue)
        };
        Ok(match request {
            ModbusRequest::WriteCoil { address, value } => (Table::Coil, *address, vec![u16::from(*value)]),
            ModbusRequest::WriteRegister { address, value } => (Table::Holding, *address, vec![*value]),
            ModbusRequest::WriteCoils { address, values } => {
                let words = values.iter().map(|&bit| u16::from(bit)).collect();
                (
                    Table::Coil,
                    *address,
                    limited(words, self.settings.bits_per_write)?,
                )
            }
            ModbusRequest::WriteRegisters { address, values } => {
                let words = limited(values.clone(), self.settings.registers_per_write)?;
                (Table::Holding, *address, words)
            }
            ModbusRequest::MaskWrite {
                address,
                and_mask,
                or_mask,
            } => {
                let start = u32::from(*address);
                let entries = covering(self.map.entries(Table::Holding), start, start + 1);
                let entry = entries
                    .and_then(<[Entry]>::first)
                    .ok_or(ModbusException::IllegalDataAddress)?;
                let mut words = Vec::new();
                entry.read_into(points, &self.state, &mut words);
                let present = words[(start - entry.address) as usize];
                let masked = (present & and_mask) | (or_mask & !and_mask);
                (Table::Holding, *address, vec![masked])
            }
            ModbusRequest::Malformed { .. } => return Err(ModbusException::IllegalDataValue),
            ModbusRequest::Read { .. }
            | ModbusRequest::ReadWrite { .. }
            | ModbusRequest::Identify { .. }
            | ModbusRequest::Unsupported { .. } => return Err(ModbusException::IllegalFunction),
        })
    }

    /// What a write would do, or why it is refused.
    fn decide(
        &self,
        access: ModbusAccess<'_>,
        table: Table,
        address: u16,
        words: &[u16],
        points: &Points,
    ) -> Result<Vec<Change>, ModbusException> {
        let start = u32::from(address);
        let end = start + u32::try_from(words.len()).unwrap_or(u32::MAX);
        let entries = covering(self.map.entries(table), start, end);
        let entries = entries.ok_or(ModbusException::IllegalDataAddress)?;
        let whole = |entry: &Entry| entry.is_loose() || entry.address >= start && entry.end() <= end;
        if !entries.iter().all(whole) {
            return Err(ModbusException::IllegalDataAddress);
        }
        let mut changes = Vec::new();
        for entry in entries {
            if !entry.may_write(access.role) {
                return Err(ModbusException::IllegalFunction);
            }
            if !entry.writable {
                match self.map.read_only_write {
                    ReadOnlyWrite::IllegalDataAddress => {
                        return Err(ModbusException::IllegalDataAddress);
                    }
                    ReadOnlyWrite::IllegalDataValue => {
                        return Err(ModbusException::IllegalDataValue);
                    }
                    ReadOnlyWrite::Ignore => continue,
                }
            }
            let from = (entry.address.max(start) - start) as usize;
            let to = (entry.end().min(end) - start) as usize;
            let words = &words[from..to];
            match (&entry.content, entry.latch) {
                (content, Some(latch)) => {
                    changes.push(Change::Unlatch(latch.number, content.bits_in(words)));
                }
                (content @ Content::Held(number, _), None) => {
                    changes.push(Change::Hold(*number, content.bits_in(words)));
                }
                _ => {
                    let mut refused = false;
                    entry.decode(words, &mut |point, reading| match self.acceptable(
                        points.table(),
                        point,
                        reading,
                    ) {
                        Some(value) => changes.push(Change::Point(point, value)),
                        None => refused = true,
                    });
                    if refused {
                        return Err(ModbusException::IllegalDataValue);
                    }
                }
            }
        }
        Ok(changes)
    }

    /// The value a write gives a point, or `None` if it is to be refused.
    fn acceptable(&self, table: &PointTable, point: PointId, reading: Reading) -> Option<f64> {
        let def = table.def(point);
        let value = reading.ok()?;
        match self.map.out_of_range_write {
            OutOfRangeWrite::Clamp => Some(value.clamp(def.min, def.max)),
            OutOfRangeWrite::IllegalDataValue => (def.min..=def.max).contains(&value).then_some(value),
        }
    }
}

/// Registers that are there: `start..end` of a table.
#[derive(Clone, Debug)]
struct Span {
    table: Table,
    start: u32,
    end: u32,
    /// Places of the entries that cover them.
    entries: Range<usize>,
}

pub(super) const fn table_name(table: Table) -> &'static str {
    match table {
        Table::Coil => "coil",
        Table::DiscreteInput => "discrete-input",
        Table::Input => "input",
        Table::Holding => "holding",
    }
}

#[cfg(test)]
pub(super) mod tests;
