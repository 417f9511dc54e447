//! Modbus: a register map file compiled against points, for servers and for clients.
//!
//! A [`RegisterMap`] answers requests from a device's points, with the exceptions a careful device gives:
//! count 0 or over the limit is 03, an address outside the map or in a hole is 02, a table the device does
//! not have is 01. A request is answered from one snapshot and a refused write changes nothing. A
//! [`ModbusPeer`] is the client's side of the same map: it polls the readable points in few requests into
//! an image, and queues writes.

use core::fmt::Write as _;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use bess_types::{ModbusData, ModbusException, ModbusReply, ModbusRequest, Quality, Reading, SimTime, Table};
use serde::Deserialize;
use toml::Spanned;

use super::can::{decimal, reduced};
use super::{pattern, unit};
use crate::device::{Output, Token};
use crate::kinds;
use crate::library::Library;
use crate::points::{PointId, PointTable, Points};
use crate::product::{Product, ProductError, Source};

/// Limits of the protocol: bits and registers in one read, bits and registers in one write.
const MAX_READ_BITS: u16 = 2000;
const MAX_READ_REGISTERS: u16 = 125;
const MAX_WRITE_BITS: usize = 1968;
const MAX_WRITE_REGISTERS: usize = 123;

/// A client reads over this many registers it does not want rather than make another request.
const MAX_GAP: u32 = 32;

/// A device's registers, compiled against its points.
#[derive(Clone, Debug)]
pub struct RegisterMap {
    tables: [Vec<Entry>; 4],
    read_only_write: ReadOnlyWrite,
    out_of_range_write: OutOfRangeWrite,
}

impl RegisterMap {
    /// Compiles the text of a map file; `{model}` in its texts is the product's model.
    ///
    /// # Errors
    /// If the text has mistakes, registers overlap, or a point is not in `table`.
    pub fn compile(file: &str, text: &str, table: &PointTable, model: &str) -> Result<Self, ProductError> {
        let source = Source::new(file, text);
        let file: MapFile = source.read()?;
        let mut map = Self {
            tables: Default::default(),
            read_only_write: file.read_only_write,
            out_of_range_write: file.out_of_range_write,
        };
        let compiler = Compiler {
            source: &source,
            points: table,
            model,
        };
        for block in &file.block {
            let entries = compiler.block(block)?;
            if block.mirror {
                let other = match block.table {
                    Table::Holding => Table::Input,
                    Table::Coil => Table::DiscreteInput,
                    Table::Input | Table::DiscreteInput => {
                        return Err(compiler.bad(
                            block.name.span(),
                            block.name.get_ref(),
                            "only holding registers and coils can be mirrored",
                        ));
                    }
                };
                let mirrored = entries.iter().map(|entry| Entry {
                    writable: false,
                    mirrored: true,
                    ..entry.clone()
                });
                map.tables[slot(other)].extend(mirrored);
            }
            map.tables[slot(block.table)].extend(entries);
        }
        for entries in &mut map.tables {
            entries.sort_by_key(|entry| entry.address);
            for pair in entries.windows(2) {
                if pair[0].end() > pair[1].address {
                    return Err(ProductError::Overlap {
                        place: source.place(pair[1].span.clone()),
                        what: format!("register {} at {}", pair[1].name, pair[1].address),
                        other: format!("{} at {}", pair[0].name, pair[0].address),
                    });
                }
            }
        }
        Ok(map)
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

    /// Answers a request. Points a write changed are appended to `written`; on an exception nothing changed.
    pub fn serve(
        &self,
        request: &ModbusRequest,
        points: &mut Points,
        written: &mut Vec<PointId>,
    ) -> ModbusReply {
        match request {
            ModbusRequest::Read {
                table,
                address,
                count,
            } => self.read(*table, *address, *count, points),
            ModbusRequest::WriteCoils { address, values } => {
                self.write_coils(*address, values, points, written)
            }
            ModbusRequest::WriteRegisters { address, values } => {
                self.write_registers(*address, values, points, written)
            }
            ModbusRequest::Unsupported { .. } => Err(ModbusException::IllegalFunction),
        }
    }

    /// Every listed register with its present words, one line each; for snapshots and for people.
    pub fn image(&self, points: &Points) -> String {
        let mut text = String::new();
        for table in [Table::Coil, Table::DiscreteInput, Table::Input, Table::Holding] {
            for entry in &self.tables[slot(table)] {
                let mut words = Vec::new();
                entry.read_into(points, &mut words);
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

    fn read(&self, table: Table, address: u16, count: u16, points: &Points) -> ModbusReply {
        let entries = &self.tables[slot(table)];
        if entries.is_empty() {
            return Err(ModbusException::IllegalFunction);
        }
        let bits = is_bits(table);
        let limit = if bits { MAX_READ_BITS } else { MAX_READ_REGISTERS };
        if count == 0 || count > limit {
            return Err(ModbusException::IllegalDataValue);
        }
        let start = u32::from(address);
        let end = start + u32::from(count);
        let covering = covering(entries, start, end).ok_or(ModbusException::IllegalDataAddress)?;
        let first = covering.first().map_or(start, |entry| entry.address);
        let mut words = Vec::new();
        for entry in covering {
            entry.read_into(points, &mut words);
        }
        let skip = (start - first) as usize;
        let words = &words[skip..skip + usize::from(count)];
        Ok(if bits {
            ModbusData::Bits(words.iter().map(|&word| word != 0).collect())
        } else {
            ModbusData::Registers(words.to_vec())
        })
    }

    fn write_coils(
        &self,
        address: u16,
        values: &[bool],
        points: &mut Points,
        written: &mut Vec<PointId>,
    ) -> ModbusReply {
        if values.len() > MAX_WRITE_BITS {
            return Err(ModbusException::IllegalDataValue);
        }
        let words: Vec<u16> = values.iter().map(|&bit| u16::from(bit)).collect();
        self.write(Table::Coil, address, &words, points, written)
    }

    fn write_registers(
        &self,
        address: u16,
        values: &[u16],
        points: &mut Points,
        written: &mut Vec<PointId>,
    ) -> ModbusReply {
        if values.len() > MAX_WRITE_REGISTERS {
            return Err(ModbusException::IllegalDataValue);
        }
        self.write(Table::Holding, address, values, points, written)
    }

    /// Decides everything first, then changes points.
    fn write(
        &self,
        table: Table,
        address: u16,
        words: &[u16],
        points: &mut Points,
        written: &mut Vec<PointId>,
    ) -> ModbusReply {
        let entries = &self.tables[slot(table)];
        if entries.is_empty() {
            return Err(ModbusException::IllegalFunction);
        }
        if words.is_empty() {
            return Err(ModbusException::IllegalDataValue);
        }
        let start = u32::from(address);
        let end = start + u32::try_from(words.len()).unwrap_or(u32::MAX);
        let covering = covering(entries, start, end).ok_or(ModbusException::IllegalDataAddress)?;
        let whole_values = covering
            .first()
            .is_some_and(|entry| entry.address == start || entry.is_loose())
            && covering
                .last()
                .is_some_and(|entry| entry.end() == end || entry.is_loose());
        if !whole_values {
            return Err(ModbusException::IllegalDataAddress);
        }
        let mut changes = Vec::new();
        for entry in covering {
            if !entry.writable {
                match self.read_only_write {
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
            let mut refused = false;
            entry.decode(&words[from..to], &mut |point, reading| match self.acceptable(
                points.table(),
                point,
                reading,
            ) {
                Some(value) => changes.push((point, value)),
                None => refused = true,
            });
            if refused {
                return Err(ModbusException::IllegalDataValue);
            }
        }
        for (point, value) in changes {
            points.set(point, value);
            written.push(point);
        }
        Ok(ModbusData::Written)
    }

    /// The value a write gives a point, or `None` if it is to be refused.
    fn acceptable(&self, table: &PointTable, point: PointId, reading: Reading) -> Option<f64> {
        let def = table.def(point);
        let value = reading.ok()?;
        match self.out_of_range_write {
            OutOfRangeWrite::Clamp => Some(value.clamp(def.min, def.max)),
            OutOfRangeWrite::IllegalDataValue => (def.min..=def.max).contains(&value).then_some(value),
        }
    }
}

/// A client's image of one server.
#[derive(Clone, Debug)]
pub struct ModbusPeer {
    /// The server's points as last read.
    pub points: Points,
    peer: u8,
    map: RegisterMap,
    plan: Vec<ReadRange>,
    poll: Duration,
    timeout: Duration,
    next_poll: SimTime,
    /// Next read of the round; past the end when no round is on.
    next_read: usize,
    writes: VecDeque<Write>,
    open: Option<Open>,
    tokens: u64,
    last_seen: Option<SimTime>,
    failures: u32,
    last_exception: Option<ModbusException>,
    complete: bool,
}

#[derive(Clone, Copy, Debug)]
struct ReadRange {
    table: Table,
    address: u16,
    count: u16,
}

#[derive(Clone, Debug)]
struct Write {
    points: Vec<PointId>,
    table: Table,
    address: u16,
    words: Vec<u16>,
}

#[derive(Clone, Debug)]
struct Open {
    token: Token,
    deadline: SimTime,
    read: Option<usize>,
}

impl ModbusPeer {
    /// A client of a server of this product. `peer` is the number the device kind gives the server; all
    /// readable points are polled each `poll`, and a request not answered within `timeout` has failed.
    ///
    /// # Errors
    /// If the product has no register map, or it does not compile.
    pub fn new(
        peer: u8,
        product: &Product,
        library: &Library,
        poll: Duration,
        timeout: Duration,
    ) -> Result<Self, ProductError> {
        let table = kinds::point_table(product)?;
        let map = RegisterMap::of_product(product, library, &table)?;
        Ok(Self::with_map(peer, map, table, poll, timeout))
    }

    fn with_map(peer: u8, map: RegisterMap, table: PointTable, poll: Duration, timeout: Duration) -> Self {
        let plan = map.read_plan(|_| true);
        Self {
            points: Points::new(table.into()),
            peer,
            map,
            next_read: plan.len(),
            plan,
            poll,
            timeout,
            next_poll: SimTime::ZERO,
            writes: VecDeque::new(),
            open: None,
            tokens: 0,
            last_seen: None,
            failures: 0,
            last_exception: None,
            complete: false,
        }
    }

    /// Polls only the registers of these points from now on.
    ///
    /// # Panics
    /// If the server's product has no such point.
    pub fn limit_to(&mut self, points: &[&str]) {
        let wanted: Vec<PointId> = points.iter().map(|name| self.point(name)).collect();
        self.plan = self.map.read_plan(|point| wanted.contains(&point));
        self.next_read = self.plan.len();
    }

    /// A point of the server by name, to be resolved once.
    ///
    /// # Panics
    /// If the server's product has no such point.
    pub fn point(&self, name: &str) -> PointId {
        self.points
            .table()
            .find(name)
            .unwrap_or_else(|| panic!("the server of peer {} has no point {name}", self.peer))
    }

    /// Queues a write; a write of the same point that is still queued takes the new value. Returns whether
    /// the map has a writable register for the point.
    pub fn write(&mut self, point: PointId, value: f64) -> bool {
        self.write_many(&[(point, value)])
    }

    /// Queues writes of several points; registers that follow one another go out in one request. Returns
    /// whether the map has writable registers for all; if not, nothing is queued.
    pub fn write_many(&mut self, values: &[(PointId, f64)]) -> bool {
        let mut found: Vec<(Table, &Entry, f64, PointId)> = Vec::new();
        for &(point, value) in values {
            let Some((table, entry)) = self.map.writable_entry(point) else {
                return false;
            };
            found.push((table, entry, value, point));
        }
        found.sort_by_key(|(table, entry, ..)| (*table, entry.address));
        let mut groups: Vec<Write> = Vec::new();
        for (table, entry, value, point) in found {
            let words = entry.encode_value(point, value, &self.points);
            match groups.last_mut() {
                Some(last) if last.table == table && last.continues(entry.address, words.len()) => {
                    last.words.extend(words);
                    last.points.push(point);
                }
                _ => groups.push(Write {
                    points: vec![point],
                    table,
                    address: entry.start(),
                    words,
                }),
            }
        }
        for group in groups {
            match self
                .writes
                .iter_mut()
                .find(|queued| queued.points == group.points)
            {
                Some(queued) => *queued = group,
                None => self.writes.push_back(group),
            }
        }
        true
    }

    /// The next request, if one can go out now: queued writes first, then the reads of a round. One
    /// request is open at a time.
    pub fn poll_output(&mut self, now: SimTime) -> Option<Output> {
        if let Some(open) = &self.open {
            if now < open.deadline {
                return None;
            }
            self.fail();
        }
        let (request, read) = if let Some(write) = self.writes.pop_front() {
            (write.request(), None)
        } else {
            if self.next_read >= self.plan.len() {
                if self.plan.is_empty() || now < self.next_poll {
                    return None;
                }
                self.next_read = 0;
                self.next_poll = (now + Duration::from_nanos(1)).next_multiple(
                    self.poll.max(Duration::from_millis(1)),
                    self.next_poll.since(SimTime::ZERO),
                );
            }
            let range = self.plan[self.next_read];
            let request = ModbusRequest::Read {
                table: range.table,
                address: range.address,
                count: range.count,
            };
            (request, Some(self.next_read))
        };
        self.tokens += 1;
        let token = Token(u64::from(self.peer) << 48 | self.tokens);
        self.open = Some(Open {
            token,
            deadline: now + self.timeout.max(Duration::from_millis(1)),
            read,
        });
        Some(Output::ModbusRequest {
            peer: self.peer,
            request,
            token,
        })
    }

    /// When [`ModbusPeer::poll_output`] is to be asked next; [`SimTime::ZERO`] if it has something now.
    pub fn next_due(&self) -> SimTime {
        if let Some(open) = &self.open {
            return open.deadline;
        }
        if !self.writes.is_empty() || self.next_read < self.plan.len() {
            return SimTime::ZERO;
        }
        if self.plan.is_empty() {
            SimTime::NEVER
        } else {
            self.next_poll
        }
    }

    /// Takes the answer to a request, `None` if none came. Returns whether the token is this peer's open
    /// request; a late answer to an earlier one is not.
    pub fn on_reply(&mut self, now: SimTime, token: Token, reply: Option<&ModbusReply>) -> bool {
        let Some(open) = self.open.take_if(|open| open.token == token) else {
            return false;
        };
        match (reply, open.read) {
            (Some(Ok(data)), Some(read)) => {
                let range = self.plan[read];
                if self.map.decode_read(range, data, &mut self.points) {
                    self.next_read = read + 1;
                    self.complete |= self.next_read == self.plan.len();
                    self.succeed(now);
                } else {
                    self.open = Some(open);
                    self.fail();
                }
            }
            (Some(Ok(_)), None) => self.succeed(now),
            (Some(Err(exception)), read) => {
                self.last_exception = Some(*exception);
                self.failures = self.failures.saturating_add(1);
                if let Some(read) = read {
                    self.next_read = read + 1;
                }
            }
            (None, _) => {
                self.open = Some(open);
                self.fail();
            }
        }
        true
    }

    /// When the last good answer came.
    pub fn last_seen(&self) -> Option<SimTime> {
        self.last_seen
    }

    /// Requests in a row that failed: no answer, an exception, or an answer of the wrong length.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The last exception the server answered with.
    pub fn last_exception(&self) -> Option<ModbusException> {
        self.last_exception
    }

    /// Whether every polled register was read at least once.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Forgets all it read and queued, and polls anew at `now`; as at power-up. Tokens go on counting.
    pub fn restart(&mut self, now: SimTime) {
        self.points = Points::new(self.points.table().clone());
        self.next_poll = now;
        self.next_read = self.plan.len();
        self.writes.clear();
        self.open = None;
        self.last_seen = None;
        self.failures = 0;
        self.last_exception = None;
        self.complete = false;
    }

    fn succeed(&mut self, now: SimTime) {
        self.last_seen = Some(now);
        self.failures = 0;
    }

    /// Gives up the open request and the rest of the round.
    fn fail(&mut self) {
        self.open = None;
        self.next_read = self.plan.len();
        self.failures = self.failures.saturating_add(1);
    }
}

impl Write {
    fn continues(&self, address: u32, words: usize) -> bool {
        let limit = if self.table == Table::Coil {
            MAX_WRITE_BITS
        } else {
            MAX_WRITE_REGISTERS
        };
        usize::from(self.address) + self.words.len() == address as usize && self.words.len() + words <= limit
    }

    fn request(self) -> ModbusRequest {
        if self.table == Table::Coil {
            ModbusRequest::WriteCoils {
                address: self.address,
                values: self.words.iter().map(|&word| word != 0).collect(),
            }
        } else {
            ModbusRequest::WriteRegisters {
                address: self.address,
                values: self.words,
            }
        }
    }
}

impl RegisterMap {
    /// Reads that cover every register of the wanted points, few and within the protocol's limits.
    fn read_plan(&self, wanted: impl Fn(PointId) -> bool) -> Vec<ReadRange> {
        let mut plan = Vec::new();
        for table in [Table::Coil, Table::DiscreteInput, Table::Input, Table::Holding] {
            let limit = u32::from(if is_bits(table) {
                MAX_READ_BITS
            } else {
                MAX_READ_REGISTERS
            });
            let entries = &self.tables[slot(table)];
            let mut range: Option<(u32, u32)> = None;
            for entry in entries
                .iter()
                .filter(|entry| !entry.mirrored && entry.points().any(&wanted))
            {
                range = match range {
                    Some((start, end))
                        if entry.end() - start <= limit
                            && entry.address - end <= MAX_GAP
                            && covering(entries, start, entry.end()).is_some() =>
                    {
                        Some((start, entry.end()))
                    }
                    Some(full) => {
                        plan.push(ReadRange::new(table, full));
                        Some((entry.address, entry.end()))
                    }
                    None => Some((entry.address, entry.end())),
                };
            }
            plan.extend(range.map(|range| ReadRange::new(table, range)));
        }
        plan
    }

    /// Puts a read's data into an image; `false` if the length is wrong.
    fn decode_read(&self, range: ReadRange, data: &ModbusData, points: &mut Points) -> bool {
        let words: Vec<u16> = match data {
            ModbusData::Registers(words) if !is_bits(range.table) => words.clone(),
            // A bit reply is padded to whole bytes on the wire.
            ModbusData::Bits(bits) if is_bits(range.table) => bits
                .iter()
                .map(|&bit| u16::from(bit))
                .take(usize::from(range.count))
                .collect(),
            ModbusData::Registers(_) | ModbusData::Bits(_) | ModbusData::Written => return false,
        };
        if words.len() != usize::from(range.count) {
            return false;
        }
        let start = u32::from(range.address);
        let end = start + u32::from(range.count);
        for entry in covering(&self.tables[slot(range.table)], start, end).unwrap_or_default() {
            if entry.address < start || entry.end() > end {
                continue;
            }
            let from = (entry.address - start) as usize;
            let words = &words[from..from + entry.width as usize];
            entry.decode(words, &mut |point, reading| points.put(point, reading));
        }
        true
    }

    fn writable_entry(&self, point: PointId) -> Option<(Table, &Entry)> {
        [Table::Coil, Table::Holding].into_iter().find_map(|table| {
            let mut entries = self.tables[slot(table)].iter();
            let entry = entries.find(|entry| entry.writable && entry.points().any(|p| p == point));
            Some((table, entry?))
        })
    }
}

impl ReadRange {
    fn new(table: Table, (start, end): (u32, u32)) -> Self {
        let word = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
        Self {
            table,
            address: word(start),
            count: word(end - start),
        }
    }
}

const fn slot(table: Table) -> usize {
    match table {
        Table::Coil => 0,
        Table::DiscreteInput => 1,
        Table::Input => 2,
        Table::Holding => 3,
    }
}

const fn is_bits(table: Table) -> bool {
    matches!(table, Table::Coil | Table::DiscreteInput)
}

const fn table_name(table: Table) -> &'static str {
    match table {
        Table::Coil => "coil",
        Table::DiscreteInput => "discrete-input",
        Table::Input => "input",
        Table::Holding => "holding",
    }
}

/// The entries that cover `start..end` without a hole.
fn covering(entries: &[Entry], start: u32, end: u32) -> Option<&[Entry]> {
    let first = entries.partition_point(|entry| entry.end() <= start);
    let mut at = start;
    let mut last = first;
    while at < end {
        let entry = entries.get(last)?;
        if entry.address > at {
            return None;
        }
        at = entry.end();
        last += 1;
    }
    Some(&entries[first..last])
}

/// A value, constant or filler at consecutive addresses.
#[derive(Clone, Debug)]
struct Entry {
    address: u32,
    width: u32,
    name: String,
    content: Content,
    writable: bool,
    mirrored: bool,
    span: core::ops::Range<usize>,
}

#[derive(Clone, Debug)]
enum Content {
    /// The same word at each address.
    Fill(u16),
    /// Fixed words.
    Words(Vec<u16>),
    /// One bit of a bit table.
    Bit(PointId),
    /// A number.
    Number(PointId, NumberFormat),
    /// Flags in a number's bits.
    Flags(Vec<(u8, PointId)>, NumberFormat),
}

impl Entry {
    fn end(&self) -> u32 {
        self.address + self.width
    }

    fn start(&self) -> u16 {
        u16::try_from(self.address).unwrap_or(u16::MAX)
    }

    /// Whether part of it may be written on its own.
    fn is_loose(&self) -> bool {
        matches!(self.content, Content::Fill(_) | Content::Words(_))
    }

    fn points(&self) -> impl Iterator<Item = PointId> {
        let (one, many): (Option<PointId>, &[(u8, PointId)]) = match &self.content {
            Content::Fill(_) | Content::Words(_) => (None, &[]),
            Content::Bit(point) | Content::Number(point, _) => (Some(*point), &[]),
            Content::Flags(flags, _) => (None, flags),
        };
        one.into_iter().chain(many.iter().map(|flag| flag.1))
    }

    fn read_into(&self, points: &Points, words: &mut Vec<u16>) {
        match &self.content {
            Content::Fill(word) => words.extend((0..self.width).map(|_| *word)),
            Content::Words(fixed) => words.extend_from_slice(fixed),
            Content::Bit(point) => words.push(u16::from(points.is_on(*point))),
            Content::Number(point, format) => {
                format.push_words(format.bits_of(points.reading(*point)), words);
            }
            Content::Flags(flags, format) => {
                let on = flags.iter().filter(|(_, point)| points.is_on(*point));
                format.push_words(on.fold(0, |bits, (bit, _)| bits | 1 << bit), words);
            }
        }
    }

    /// Gives each point of the entry what `words` say.
    fn decode(&self, words: &[u16], put: &mut impl FnMut(PointId, Reading)) {
        match &self.content {
            Content::Fill(_) | Content::Words(_) => {}
            Content::Bit(point) => put(*point, Reading::valid(f64::from(words[0]))),
            Content::Number(point, format) => {
                put(*point, format.reading_of(format.bits_from(words)));
            }
            Content::Flags(flags, format) => {
                let bits = format.bits_from(words);
                for (bit, point) in flags {
                    put(*point, Reading::valid((bits >> bit & 1) as f64));
                }
            }
        }
    }

    /// The words that give `point` this value; other flags of the same register keep their present value.
    fn encode_value(&self, point: PointId, value: f64, points: &Points) -> Vec<u16> {
        let mut words = Vec::new();
        match &self.content {
            Content::Fill(_) | Content::Words(_) => {}
            Content::Bit(_) => words.push(u16::from(value != 0.0)),
            Content::Number(_, format) => {
                format.push_words(format.bits_of(Reading::valid(value)), &mut words);
            }
            Content::Flags(flags, format) => {
                let bits = flags.iter().fold(0, |bits, (bit, flag)| {
                    let on = if *flag == point {
                        value != 0.0
                    } else {
                        points.is_on(*flag)
                    };
                    bits | u64::from(on) << bit
                });
                format.push_words(bits, &mut words);
            }
        }
        words
    }
}

/// How a number stands in registers.
#[derive(Clone, Copy, Debug)]
struct NumberFormat {
    kind: RegisterType,
    low_word_first: bool,
    /// value = raw · multiply / divide + offset
    multiply: f64,
    divide: f64,
    offset: f64,
    invalid: u64,
}

impl NumberFormat {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "casts from float saturate, and the value is clamped to the type's range first"
    )]
    fn bits_of(&self, reading: Reading) -> u64 {
        let Some(value) = reading.ok().filter(|value| !value.is_nan()) else {
            return self.invalid;
        };
        let raw = (value - self.offset) * self.divide / self.multiply;
        if self.kind == RegisterType::F32 {
            return u64::from((raw as f32).to_bits());
        }
        let (low, high) = self.kind.range();
        let rounded = raw.clamp(low, high).round();
        let bits = if self.kind.is_signed() {
            (rounded as i64) as u64 & self.kind.mask()
        } else {
            rounded as u64 & self.kind.mask()
        };
        if bits != self.invalid {
            return bits;
        }
        // A good value must not read as "no value": the next one towards zero.
        if rounded < 0.0 {
            bits + 1
        } else {
            bits.saturating_sub(1)
        }
    }

    #[allow(
        clippy::cast_possible_wrap,
        clippy::cast_possible_truncation,
        reason = "reading the same bits as another type is meant"
    )]
    fn reading_of(&self, bits: u64) -> Reading {
        if bits == self.invalid {
            return Reading::invalid();
        }
        let raw = match self.kind {
            RegisterType::F32 => f64::from(f32::from_bits(bits as u32)),
            kind if kind.is_signed() => {
                let spare = 64 - 16 * kind.words();
                ((bits << spare) as i64 >> spare) as f64
            }
            _ => bits as f64,
        };
        if !raw.is_finite() {
            return Reading::invalid();
        }
        Reading {
            value: raw * self.multiply / self.divide + self.offset,
            quality: Quality::Valid,
        }
    }

    fn push_words(&self, bits: u64, words: &mut Vec<u16>) {
        let count = self.kind.words();
        for i in 0..count {
            let place = if self.low_word_first { i } else { count - 1 - i };
            words.push((bits >> (16 * place) & 0xFFFF) as u16);
        }
    }

    fn bits_from(&self, words: &[u16]) -> u64 {
        let join = |bits: u64, word: &u16| bits << 16 | u64::from(*word);
        if self.low_word_first {
            words.iter().rev().fold(0, join)
        } else {
            words.iter().fold(0, join)
        }
    }
}

/// How a register map file is written. See `device-emulators/data/modbus` for examples.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MapFile {
    #[serde(rename = "title")]
    _title: String,
    #[serde(default)]
    read_only_write: ReadOnlyWrite,
    #[serde(default)]
    out_of_range_write: OutOfRangeWrite,
    block: Vec<BlockSpec>,
}

/// What a write to a read-only register gets; devices differ.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ReadOnlyWrite {
    #[default]
    IllegalDataAddress,
    IllegalDataValue,
    Ignore,
}

/// What a write of a value outside the point's range gets.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OutOfRangeWrite {
    #[default]
    IllegalDataValue,
    Clamp,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BlockSpec {
    name: Spanned<String>,
    table: Table,
    #[serde(default)]
    mirror: bool,
    #[serde(default)]
    base: u16,
    length: Option<u16>,
    fill: Option<u16>,
    #[serde(default)]
    access: Access,
    #[serde(default)]
    word_order: WordOrder,
    register: Vec<Spanned<RegisterSpec>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Access {
    #[default]
    Read,
    ReadWrite,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WordOrder {
    #[default]
    HighFirst,
    LowFirst,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterSpec {
    at: u16,
    point: Option<Spanned<String>>,
    constant: Option<i64>,
    text: Option<String>,
    words: Option<u16>,
    bits: Option<BTreeMap<Spanned<String>, Spanned<String>>>,
    #[serde(default, rename = "type")]
    kind: RegisterType,
    scale: Option<f64>,
    #[serde(default)]
    offset: f64,
    unit: Option<Spanned<String>>,
    invalid: Option<u64>,
    count: Option<u16>,
    access: Option<Access>,
    word_order: Option<WordOrder>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RegisterType {
    #[default]
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
}

impl RegisterType {
    const fn words(self) -> u32 {
        match self {
            Self::U16 | Self::I16 => 1,
            Self::U32 | Self::I32 | Self::F32 => 2,
            Self::U64 | Self::I64 => 4,
        }
    }

    const fn is_signed(self) -> bool {
        matches!(self, Self::I16 | Self::I32 | Self::I64)
    }

    const fn mask(self) -> u64 {
        u64::MAX >> (64 - 16 * self.words())
    }

    /// Lowest and highest raw value; 64-bit types are cut to what a double holds without rounding up.
    const fn range(self) -> (f64, f64) {
        match self {
            Self::U16 => (0.0, 65_535.0),
            Self::I16 => (-32_768.0, 32_767.0),
            Self::U32 => (0.0, 4_294_967_295.0),
            Self::I32 => (-2_147_483_648.0, 2_147_483_647.0),
            Self::U64 => (0.0, 18_446_744_073_709_549_568.0),
            Self::I64 => (-9_223_372_036_854_774_784.0, 9_223_372_036_854_774_784.0),
            Self::F32 => (f64::MIN, f64::MAX),
        }
    }

    /// SunSpec's code for a value that is not implemented.
    const fn not_implemented(self) -> u64 {
        match self {
            Self::U16 | Self::U32 | Self::U64 => self.mask(),
            Self::I16 | Self::I32 | Self::I64 => self.mask() ^ (self.mask() >> 1),
            Self::F32 => 0x7FC0_0000,
        }
    }
}

/// Turns a map file's blocks into entries.
struct Compiler<'a> {
    source: &'a Source,
    points: &'a PointTable,
    model: &'a str,
}

impl Compiler<'_> {
    fn block(&self, block: &BlockSpec) -> Result<Vec<Entry>, ProductError> {
        let mut entries = Vec::new();
        for register in &block.register {
            self.register(block, register, &mut entries)?;
        }
        let span = block.name.span();
        let name = block.name.get_ref();
        if let Some(length) = block.length {
            let start = u32::from(block.base);
            let end = start + u32::from(length);
            if let Some(outside) = entries.iter().find(|entry| entry.end() > end) {
                let reason = format!("it is outside the block's length of {length}");
                return Err(self.bad(outside.span.clone(), &outside.name, &reason));
            }
            if let Some(word) = block.fill {
                entries.sort_by_key(|entry| entry.address);
                let mut fillers = Vec::new();
                let mut at = start;
                let ends = entries.iter().map(|entry| (entry.address, entry.end()));
                for (next, after) in ends.chain([(end, end)]) {
                    if next > at {
                        fillers.push(Entry {
                            address: at,
                            width: next - at,
                            name: format!("{name}: not used"),
                            content: Content::Fill(word),
                            writable: false,
                            mirrored: false,
                            span: span.clone(),
                        });
                    }
                    at = at.max(after);
                }
                entries.extend(fillers);
            }
        } else if block.fill.is_some() {
            return Err(self.bad(span, name, "`fill` needs the block's `length`"));
        }
        if let Some(outside) = entries.iter().find(|entry| entry.end() > 0x1_0000) {
            let reason = "it ends after address 65535";
            return Err(self.bad(outside.span.clone(), &outside.name, reason));
        }
        Ok(entries)
    }

    fn register(
        &self,
        block: &BlockSpec,
        register: &Spanned<RegisterSpec>,
        entries: &mut Vec<Entry>,
    ) -> Result<(), ProductError> {
        let spec = register.get_ref();
        let span = register.span();
        let address = u32::from(block.base) + u32::from(spec.at);
        let label = format!("{} offset {}", block.name.get_ref(), spec.at);
        let meanings = [
            spec.point.is_some(),
            spec.constant.is_some(),
            spec.text.is_some(),
            spec.bits.is_some(),
        ];
        if meanings.iter().filter(|&&given| given).count() > 1 {
            let reason = "give only one of point, constant, text and bits";
            return Err(self.bad(span, &label, reason));
        }
        if spec.count.is_some()
            && spec
                .point
                .as_ref()
                .is_none_or(|point| !pattern::is_pattern(point.get_ref()))
        {
            return Err(self.bad(span, &label, "`count` needs a point with {i}"));
        }
        if spec.words.is_some() && spec.text.is_none() {
            return Err(self.bad(span, &label, "`words` is for text only"));
        }
        if spec.scale == Some(0.0) {
            return Err(self.bad(span, &label, "the scale is 0"));
        }
        let access = spec.access.unwrap_or(block.access);
        let bits = is_bits(block.table);
        let writable = access == Access::ReadWrite && matches!(block.table, Table::Coil | Table::Holding);
        if access == Access::ReadWrite && !writable {
            return Err(self.bad(span, &label, "this table is read-only in Modbus"));
        }
        let (multiply, divide) = decimal(spec.scale.unwrap_or(1.0));
        let format = NumberFormat {
            kind: spec.kind,
            low_word_first: spec.word_order.unwrap_or(block.word_order) == WordOrder::LowFirst,
            multiply,
            divide,
            offset: spec.offset,
            invalid: spec
                .invalid
                .map_or(spec.kind.not_implemented(), |code| code & spec.kind.mask()),
        };
        let mut push = |address: u32, width: u32, name: String, content: Content| {
            entries.push(Entry {
                address,
                width,
                name,
                content,
                writable,
                mirrored: false,
                span: span.clone(),
            });
        };
        if let Some(point) = &spec.point {
            let width = if bits { 1 } else { spec.kind.words() };
            for i in 0..spec.count.unwrap_or(1) {
                let name = pattern::Captures::one("i", usize::from(i)).fill(point.get_ref());
                let id = self.find(point, &name)?;
                let content = if bits {
                    Content::Bit(id)
                } else {
                    Content::Number(id, self.with_unit(format, spec, id)?)
                };
                push(address + u32::from(i) * width, width, name, content);
            }
        } else if let Some(flags) = &spec.bits {
            let mut list = Vec::new();
            for (bit, point) in flags {
                let number = bit.get_ref().parse().ok();
                let number: u8 = number
                    .filter(|&bit: &u8| !bits && u32::from(bit) < 16 * spec.kind.words())
                    .ok_or_else(|| self.bad(bit.span(), &label, "there is no such bit"))?;
                list.push((number, self.find(point, point.get_ref())?));
            }
            push(address, spec.kind.words(), label, Content::Flags(list, format));
        } else if let Some(text) = &spec.text {
            let text = text.replace("{model}", self.model);
            let words = spec
                .words
                .unwrap_or(u16::try_from(text.len().div_ceil(2)).unwrap_or(u16::MAX));
            if bits || text.len() > usize::from(words) * 2 || words == 0 {
                return Err(self.bad(span, &label, "the text does not fit"));
            }
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(usize::from(words) * 2, 0);
            let fixed = bytes
                .chunks(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                .collect();
            push(
                address,
                u32::from(words),
                format!("\"{text}\""),
                Content::Words(fixed),
            );
        } else if bits {
            let word = u16::from(spec.constant.unwrap_or(0) != 0);
            push(address, 1, label, Content::Words(vec![word]));
        } else {
            let raw = match spec.constant {
                Some(constant) => constant.cast_unsigned() & spec.kind.mask(),
                None => format.invalid,
            };
            let mut words = Vec::new();
            format.push_words(raw, &mut words);
            push(address, spec.kind.words(), label, Content::Words(words));
        }
        Ok(())
    }

    fn with_unit(
        &self,
        mut format: NumberFormat,
        spec: &RegisterSpec,
        point: PointId,
    ) -> Result<NumberFormat, ProductError> {
        if let Some(given) = &spec.unit {
            let def = self.points.def(point);
            let factor = unit::factor(given.get_ref(), def.unit).ok_or_else(|| ProductError::Unit {
                place: self.source.place(given.span()),
                name: format!("offset {}", spec.at).into(),
                unit: given.get_ref().as_str().into(),
                point: def.name.as_str().into(),
                point_unit: def.unit,
            })?;
            let (multiply, divide) = decimal(factor);
            (format.multiply, format.divide) = reduced(format.multiply * multiply, format.divide * divide);
            format.offset *= factor;
        }
        Ok(format)
    }

    fn find(&self, named: &Spanned<String>, name: &str) -> Result<PointId, ProductError> {
        self.points.find(name).ok_or_else(|| ProductError::UnknownPoint {
            place: self.source.place(named.span()),
            point: name.into(),
            nearest: pattern::nearest(name, self.points.iter().map(|(_, def)| def.name.as_str())),
        })
    }

    fn bad(&self, span: core::ops::Range<usize>, name: &str, reason: &str) -> ProductError {
        ProductError::Register {
            place: self.source.place(span),
            name: name.into(),
            reason: reason.into(),
        }
    }
}

#[cfg(test)]
mod tests;
