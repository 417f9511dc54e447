//! The client's side of a register map: polls the readable points in few requests into an image, and queues writes.

use core::time::Duration;
use std::collections::VecDeque;

use bess_types::{ModbusData, ModbusException, ModbusReply, ModbusRequest, SimTime, Table};

use super::entry::{Entry, covering};
use super::pdu::is_bits;
use super::settings::ModbusSettings;
use super::{RegisterMap, slot};
use crate::device::{Output, Token};
use crate::kinds;
use crate::library::Library;
use crate::points::{PointId, PointTable, Points};
use crate::product::{Product, ProductError};

/// A client reads over this many registers it does not want rather than make another request.
const MAX_GAP: u32 = 32;

/// Of the registers it looks at rarely, a client makes this many requests in a round.
const RARE_READS: usize = 2;

/// A client's image of one server.
#[derive(Clone, Debug)]
pub struct ModbusPeer {
    /// The server's points as last read.
    pub points: Points,
    peer: u8,
    map: RegisterMap,
    settings: ModbusSettings,
    plan: Vec<ReadRange>,
    /// Looked at bit by bit, some with each round.
    rare: Vec<ReadRange>,
    next_rare: usize,
    /// Of these in this round.
    rare_left: usize,
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
    read: Option<Read>,
}

/// Which read of the peer is open.
#[derive(Clone, Copy, Debug)]
enum Read {
    /// Of the round.
    Planned(usize),
    /// Of what is looked at rarely.
    Rare(usize),
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
        Ok(Self::with_map(peer, map, product.modbus(), table, poll, timeout))
    }

    pub(super) fn with_map(
        peer: u8,
        map: RegisterMap,
        settings: ModbusSettings,
        table: PointTable,
        poll: Duration,
        timeout: Duration,
    ) -> Self {
        let plan = map.read_plan(&settings, |_| true);
        Self {
            points: Points::new(table.into()),
            peer,
            map,
            settings,
            next_read: plan.len(),
            plan,
            rare: Vec::new(),
            next_rare: 0,
            rare_left: 0,
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
        self.plan = self
            .map
            .read_plan(&self.settings, |point| wanted.contains(&point));
        self.next_read = self.plan.len();
    }

    /// Takes the points named so out of the rounds: their registers are read in turn, a few after each. Of several
    /// registers of a point the first is read.
    pub fn look_rarely_at(&mut self, is_rare: impl Fn(&str) -> bool) {
        let rare: Vec<bool> = self
            .points
            .table()
            .iter()
            .map(|(_, def)| is_rare(&def.name))
            .collect();
        let mut read = vec![false; rare.len()];
        let [plan, rare] = [false, true].map(|wanted| {
            self.map.read_plan(&self.settings, |point| {
                rare[point.index()] == wanted && !core::mem::replace(&mut read[point.index()], true)
            })
        });
        (self.plan, self.rare) = (plan, rare);
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
                Some(last)
                    if last.table == table && last.continues(&self.settings, entry.address, words.len()) =>
                {
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
            (write.request(&self.settings), None)
        } else {
            let read = self.next_planned(now)?;
            (self.range(read).request(), Some(read))
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

    /// The read that is next, if it is time for one.
    fn next_planned(&mut self, now: SimTime) -> Option<Read> {
        if self.next_read >= self.plan.len() {
            if self.rare_left > 0 {
                return Some(Read::Rare(self.next_rare));
            }
            if self.plan.is_empty() || now < self.next_poll {
                return None;
            }
            self.next_read = 0;
            self.rare_left = RARE_READS.min(self.rare.len());
            self.next_poll = (now + Duration::from_nanos(1)).next_multiple(
                self.poll.max(Duration::from_millis(1)),
                self.next_poll.since(SimTime::ZERO),
            );
        }
        Some(Read::Planned(self.next_read))
    }

    fn range(&self, read: Read) -> ReadRange {
        match read {
            Read::Planned(at) => self.plan[at],
            Read::Rare(at) => self.rare[at],
        }
    }

    /// Goes on to the read after this one.
    fn pass(&mut self, read: Read) {
        match read {
            Read::Planned(at) => self.next_read = at + 1,
            Read::Rare(at) => {
                self.next_rare = (at + 1) % self.rare.len();
                self.rare_left = self.rare_left.saturating_sub(1);
            }
        }
    }

    /// When [`ModbusPeer::poll_output`] is to be asked next; [`SimTime::ZERO`] if it has something now.
    pub fn next_due(&self) -> SimTime {
        if let Some(open) = &self.open {
            return open.deadline;
        }
        if !self.writes.is_empty() || self.next_read < self.plan.len() || self.rare_left > 0 {
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
                if self.map.decode_read(self.range(read), data, &mut self.points) {
                    self.pass(read);
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
                    self.pass(read);
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

    /// Whether every register of the rounds was read at least once.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Forgets all it read and queued, and polls anew at `now`; as at power-up. Tokens go on counting.
    pub fn restart(&mut self, now: SimTime) {
        self.points = Points::new(self.points.table().clone());
        self.next_poll = now;
        self.next_read = self.plan.len();
        (self.next_rare, self.rare_left) = (0, 0);
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
        self.rare_left = 0;
        self.failures = self.failures.saturating_add(1);
    }
}

impl Write {
    fn continues(&self, settings: &ModbusSettings, address: u32, words: usize) -> bool {
        let (function, limit) = if self.table == Table::Coil {
            (15, settings.bits_per_write)
        } else {
            (16, settings.registers_per_write)
        };
        usize::from(self.address) + self.words.len() == address as usize
            && self.words.len() + words <= usize::from(limit)
            && settings.has(function)
    }

    /// A single coil goes out as function 5, registers as 16, which every SunSpec device must have; as the other function
    /// of the table if the server has only that.
    fn request(self, settings: &ModbusSettings) -> ModbusRequest {
        let address = self.address;
        match (self.table, &self.words[..]) {
            (Table::Coil, &[word]) if settings.has(5) => ModbusRequest::WriteCoil {
                address,
                value: word != 0,
            },
            (Table::Coil, words) => ModbusRequest::WriteCoils {
                address,
                values: words.iter().map(|&word| word != 0).collect(),
            },
            (_, &[value]) if !settings.has(16) => ModbusRequest::WriteRegister { address, value },
            _ => ModbusRequest::WriteRegisters {
                address,
                values: self.words,
            },
        }
    }
}

impl RegisterMap {
    /// Reads that cover every register of the wanted points, few and within the server's limits.
    fn read_plan(
        &self,
        settings: &ModbusSettings,
        mut wanted: impl FnMut(PointId) -> bool,
    ) -> Vec<ReadRange> {
        let mut plan = Vec::new();
        for table in [Table::Coil, Table::DiscreteInput, Table::Input, Table::Holding] {
            let limit = u32::from(if is_bits(table) {
                settings.bits_per_read
            } else {
                settings.registers_per_read
            });
            let entries = &self.tables[slot(table)];
            let mut range: Option<(u32, u32)> = None;
            for entry in entries
                .iter()
                .filter(|entry| !entry.mirrored && entry.points().any(&mut wanted))
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
            ModbusData::Registers(_)
            | ModbusData::Bits(_)
            | ModbusData::Written
            | ModbusData::Identification(_) => return false,
        };
        if words.len() != usize::from(range.count) {
            return false;
        }
        let start = u32::from(range.address);
        let end = start + u32::from(range.count);
        for entry in covering(&self.tables[slot(range.table)], start, end).unwrap_or_default() {
            if entry.mirrored || entry.address < start || entry.end() > end {
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

    fn request(self) -> ModbusRequest {
        ModbusRequest::Read {
            table: self.table,
            address: self.address,
            count: self.count,
        }
    }
}
