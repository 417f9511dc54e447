//! From a product's port and its DBC to layouts, schedules and answers.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use bess_types::can::{CLASSIC_BYTES, fd_length};
use bess_types::{CanId, FdFlags, Reading, SimTime};
use can_dbc::{Message, MessageId, Signal as DbcSignal};
use toml::Spanned;

use super::bits::{BUFFER, BitField, decimal, reduced};
use super::checksum::{Before, Checksum};
use super::dbc::{DbcFile, Page};
use super::layout::{Change, Comparison, Layout, Signal};
use super::{Answer, Counter, EXTENDED, MAX_STANDARD, NODE_PLACEHOLDER, Transmit, spread};
use crate::codec::{pattern, unit};
use crate::library::Library;
use crate::points::{PointId, PointTable};
use crate::product::{
    Binding, Binds, CanSpec, ChecksumSpec, Constant, InvalidCodes, NodeIn, Pages, Place, Product,
    ProductError, Source,
};

/// Turns a product's port into layouts.
pub(super) struct Compiler<'a> {
    source: &'a Source,
    spec: &'a CanSpec,
    file: Arc<DbcFile>,
    table: &'a PointTable,
    node: u8,
}

/// What transmit and receive entries have in common.
struct Entry<'a> {
    message: &'a Spanned<String>,
    node_in: NodeIn,
    bind: &'a Binds,
    /// Of signals that are not bound; none in an entry that is listened to.
    constant: Option<&'a BTreeMap<Spanned<String>, Constant>>,
    when: Option<&'a BTreeMap<Spanned<String>, Constant>>,
    values: &'a BTreeMap<Spanned<String>, BTreeMap<String, f64>>,
    invalid: InvalidCodes,
    flip: &'a [Spanned<String>],
    lossy: &'a [Spanned<String>],
    /// Point or signal of the rolling counter: it uses every raw value, so no code of it means "no value".
    counter: Option<&'a str>,
    checksum: Option<&'a ChecksumSpec>,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(
        product: &'a Product,
        port: &str,
        library: &Library,
        table: &'a PointTable,
        node: u8,
    ) -> Result<Self, ProductError> {
        let (spec, source) = product.can_port(port)?;
        let file = library.dbc(spec.dbc.get_ref()).map_err(|error| match error {
            ProductError::UnknownFile { path, known, .. } => ProductError::UnknownFile {
                place: source.place(spec.dbc.span()),
                path,
                known,
            },
            other => other,
        })?;
        Ok(Self {
            source,
            spec,
            file,
            table,
            node,
        })
    }

    pub(super) fn transmit(&self) -> Result<Vec<Transmit>, ProductError> {
        let mut all: Vec<Transmit> = Vec::new();
        for spec in &self.spec.transmit {
            let entry = Entry {
                message: &spec.message,
                node_in: spec.node_in.unwrap_or(self.spec.node_in),
                bind: &spec.bind,
                constant: Some(&spec.constant),
                when: None,
                values: &spec.values,
                invalid: spec.invalid,
                flip: &spec.flip,
                lossy: &spec.lossy,
                counter: spec.counter.as_ref().map(|name| name.get_ref().as_str()),
                checksum: spec.checksum.as_ref(),
            };
            let given = self.period("period_ms", spec.period_ms.as_ref())?;
            let on_change = self.period("on_change_ms", spec.on_change_ms.as_ref())?;
            let phase = Duration::from_millis(spec.phase_ms) + spread(self.node);
            for (message, pages) in self.layouts(&entry)? {
                let first = &pages[0];
                if let Some(other) = all.iter().find(|other| other.layout.id == first.id) {
                    return Err(ProductError::Overlap {
                        place: self.source.place(spec.message.span()),
                        what: format!("message {} ({})", first.name, first.id),
                        other: format!("message {}", other.layout.name),
                    });
                }
                let of_dbc = || self.file.cycle_ms(message.id).map(Duration::from_millis);
                let asked_for = on_change.is_some() || spec.at_start || self.is_answer(&message.name);
                let period = given.or_else(|| if asked_for { None } else { of_dbc() });
                let count = u32::try_from(pages.len()).unwrap_or(u32::MAX);
                let place = all.len();
                let counters = match &spec.counter {
                    Some(name) => self.counters(name, &pages, message, place)?,
                    None => vec![None; pages.len()],
                };
                for ((k, layout), counter) in (0..).zip(pages).zip(counters) {
                    let cycle = period;
                    let (period, turn) = match (spec.pages, period) {
                        (Pages::Rotate, Some(period)) => (Some(period * count), period * k),
                        (_, period) => (period, Duration::ZERO),
                    };
                    all.push(Transmit {
                        layout,
                        period,
                        cycle,
                        phase: phase + turn,
                        on_change,
                        at_start: spec.at_start,
                        due: SimTime::NEVER,
                        sent_at: None,
                        sent: None,
                        counter,
                    });
                }
            }
        }
        Ok(all)
    }

    fn period(&self, key: &str, ms: Option<&Spanned<u64>>) -> Result<Option<Duration>, ProductError> {
        match ms {
            Some(ms) if *ms.get_ref() == 0 => Err(ProductError::Setting {
                place: self.source.place(ms.span()),
                key: key.into(),
                message: "a period cannot be 0".into(),
                help: "give a period of 1 ms or more, or leave it out for a message sent on an event".into(),
            }),
            ms => Ok(ms.map(|ms| Duration::from_millis(*ms.get_ref()))),
        }
    }

    fn is_answer(&self, message: &str) -> bool {
        let mut wanted = self.spec.receive.iter().flat_map(|spec| &spec.answer);
        wanted.any(|wanted| pattern::matches(page_of(wanted.get_ref()).0, message).is_some())
    }

    /// What is listened to, and the answers to each.
    pub(super) fn receive(&self, transmit: &[Transmit]) -> Result<(Vec<Layout>, Vec<Answer>), ProductError> {
        let (mut all, mut answers) = (Vec::new(), Vec::new());
        for spec in &self.spec.receive {
            let entry = Entry {
                message: &spec.message,
                node_in: spec.node_in,
                bind: &spec.bind,
                constant: None,
                when: Some(&spec.when),
                values: &spec.values,
                invalid: spec.invalid,
                flip: &spec.flip,
                lossy: &[],
                counter: None,
                checksum: spec.checksum.as_ref(),
            };
            let answer = Answer {
                messages: self.answers(&spec.answer, transmit)?,
                after: Duration::from_millis(spec.answer_after_ms),
                gap: Duration::from_millis(spec.answer_gap_ms),
            };
            for (_, pages) in self.layouts(&entry)? {
                answers.resize_with(all.len() + pages.len(), || answer.clone());
                all.extend(pages);
            }
        }
        Ok((all, answers))
    }

    /// Positions of the answers in the transmit list, in the order they are named.
    fn answers(&self, wanted: &[Spanned<String>], transmit: &[Transmit]) -> Result<Vec<usize>, ProductError> {
        let mut found = Vec::new();
        for name in wanted {
            let before = found.len();
            let (wanted, page) = page_of(name.get_ref());
            let is_meant = |layout: &Layout| {
                pattern::matches(wanted, &layout.name).is_some()
                    && page.is_none_or(|page| layout.is_page_of(page))
            };
            let messages = transmit.iter().enumerate();
            found.extend(
                messages
                    .filter(|(_, message)| is_meant(&message.layout))
                    .map(|(at, _)| at),
            );
            if found.len() == before {
                return Err(ProductError::Setting {
                    place: self.source.place(name.span()),
                    key: "answer".into(),
                    message: format!("no message `{}` is sent on this port", name.get_ref()),
                    help: "give it a [[can.transmit]] entry without a period".into(),
                });
            }
        }
        Ok(found)
    }

    /// The counter of each page: none on a page without its signal, which then does not count.
    fn counters(
        &self,
        name: &Spanned<String>,
        pages: &[Layout],
        message: &Message,
        place: usize,
    ) -> Result<Vec<Option<Counter>>, ProductError> {
        let wanted = name.get_ref();
        let is_signal = message.signals.iter().any(|signal| signal.name == *wanted);
        let point = self.table.find(wanted);
        if !is_signal && point.is_none() {
            return Err(self.unknown_point(name.span(), wanted));
        }
        let counters: Vec<Option<Counter>> = pages
            .iter()
            .map(|page| {
                if is_signal {
                    return page
                        .counter
                        .as_deref()
                        .map(|&bits| Counter::Signal { bits, place });
                }
                let signal = page.signals.iter().find(|signal| Some(signal.point) == point)?;
                let bits = signal.bits;
                let value = |raw: f64| bits.reading_of_raw(raw).value;
                let (a, b) = (value(bits.min_raw.max(0.0)), value(bits.max_raw));
                Some(Counter::Point {
                    point: signal.point,
                    first: a.min(b),
                    last: a.max(b),
                })
            })
            .collect();
        if counters.iter().any(Option::is_some) {
            return Ok(counters);
        }
        Err(ProductError::Setting {
            place: self.source.place(name.span()),
            key: "counter".into(),
            message: if is_signal {
                format!(
                    "`{wanted}` of {} is on no page that is sent, or is no plain signal",
                    message.name
                )
            } else {
                format!("no signal of {} is bound to `{wanted}`", message.name)
            },
            help: "bind the message's counter signal to this point".into(),
        })
    }

    /// The layouts of every message an entry matches. A message of a `{k}` pattern none of whose bound
    /// points exist is left out, so that one DBC serves packs of several sizes; so is such a page of a multiplexed one.
    fn layouts(&self, entry: &Entry<'_>) -> Result<Vec<(&Message, Vec<Layout>)>, ProductError> {
        let wanted = entry.message.get_ref();
        let matching: Vec<(&Message, pattern::Captures)> = self
            .file
            .dbc
            .messages
            .iter()
            .filter_map(|message| Some((message, pattern::matches(wanted, &message.name)?)))
            .collect();
        if matching.is_empty() {
            let names = self.file.dbc.messages.iter().map(|m| m.name.as_str());
            return Err(ProductError::UnknownMessage {
                place: self.source.place(entry.message.span()),
                dbc: self.file.file.clone(),
                message: wanted.clone(),
                nearest: pattern::nearest(wanted, names),
            });
        }
        let mut pages = Vec::new();
        for (message, captures) in &matching {
            if let Some((place, message)) = self.file.same_names(message).into_iter().next() {
                return Err(ProductError::Dbc { place, message });
            }
            let of_message = self
                .file
                .pages(message)
                .map_err(|reason| self.unsupported(entry.message.span(), message, "(multiplexor)", reason))?;
            for page in of_message {
                if self.is_wanted(entry, message, &page)? {
                    pages.push((*message, page_captures(&page, captures), page));
                }
            }
        }
        for (signal, point) in entry.bind {
            self.check_binding(&matching, &pages, signal, point)?;
        }
        let constants = [entry.constant, entry.when].into_iter().flatten().flatten();
        let named = constants
            .map(|(name, _)| name)
            .chain(entry.flip)
            .chain(entry.lossy);
        for signal in named.chain(entry.values.keys()) {
            self.check_signal_name(&matching, signal)?;
        }
        let mut layouts: Vec<(&Message, Vec<Layout>)> = Vec::new();
        let multiplexed = |message: &Message| pages.iter().filter(|(of, ..)| of.id == message.id).count() > 1;
        for (message, captures, page) in &pages {
            let layout = self.layout(entry, message, page, captures)?;
            let some_left_out = pattern::is_pattern(wanted) || multiplexed(message);
            // a page of nothing but constants is meant so; one whose points are not there is not
            let is_constant = entry.constant.is_some()
                && !page.signals.iter().any(|signal| {
                    let mut bound = entry.bind.keys();
                    bound.any(|name| pattern::matches(name.get_ref(), &signal.name).is_some())
                });
            if some_left_out && layout.signals.is_empty() && !entry.bind.is_empty() && !is_constant {
                continue;
            }
            match layouts.last_mut() {
                Some((last, pages)) if last.id == message.id => pages.push(layout),
                _ => layouts.push((message, vec![layout])),
            }
        }
        Ok(layouts)
    }

    /// Whether a page is one an entry means: its multiplexors have the values of `when`.
    fn is_wanted(&self, entry: &Entry<'_>, message: &Message, page: &Page<'_>) -> Result<bool, ProductError> {
        for (multiplexor, own) in &page.multiplexors {
            if let Some(value) = value_for(entry.when, &multiplexor.name) {
                let span = entry.message.span();
                let value = self.constant(value, multiplexor, message, span.clone())?;
                let bits = self.bits(multiplexor, message, InvalidCodes::default(), span)?;
                if bits.raw_of_value(value) != *own {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// A bound signal must be in one of the messages, and its point must exist for one of them.
    fn check_binding(
        &self,
        matching: &[(&Message, pattern::Captures)],
        pages: &[(&Message, pattern::Captures, Page<'_>)],
        signal: &Spanned<String>,
        point: &Spanned<Binding>,
    ) -> Result<(), ProductError> {
        self.check_signal_name(matching, signal)?;
        let (named, _) = test_of(&point.get_ref().point);
        let numbers = pages.iter().flat_map(|(_, outer, page)| {
            page.signals.iter().filter_map(move |candidate| {
                let inner = pattern::matches(signal.get_ref(), &candidate.name)?;
                outer.merged(&inner)
            })
        });
        let mut unknown = None;
        for captures in numbers {
            if self.table.find(&captures.fill(named)).is_some() {
                return Ok(());
            }
            unknown = unknown.or_else(|| Some((captures.unknown_in(named)?, captures)));
        }
        let Some((placeholder, captures)) = unknown else {
            return Err(self.unknown_point(point.span(), named));
        };
        let names: Vec<_> = captures.names().collect();
        Err(ProductError::Setting {
            place: self.source.place(point.span()),
            key: signal.get_ref().clone(),
            message: format!("there is no number for `{placeholder}`"),
            help: if names.is_empty() {
                "give the signal's name an {i}, or name the point itself".into()
            } else {
                format!("numbers here are {}", names.join(", "))
            },
        })
    }

    fn check_signal_name(
        &self,
        matching: &[(&Message, pattern::Captures)],
        signal: &Spanned<String>,
    ) -> Result<(), ProductError> {
        let mut names = matching
            .iter()
            .flat_map(|(message, _)| message.signals.iter().map(|s| s.name.as_str()));
        if names
            .clone()
            .any(|name| pattern::matches(signal.get_ref(), name).is_some())
        {
            return Ok(());
        }
        Err(ProductError::UnknownSignal {
            place: self.source.place(signal.span()),
            message: matching[0].0.name.clone(),
            signal: signal.get_ref().clone(),
            nearest: pattern::nearest(signal.get_ref(), names.by_ref()),
        })
    }

    fn layout(
        &self,
        entry: &Entry<'_>,
        message: &Message,
        page: &Page<'_>,
        captures: &pattern::Captures,
    ) -> Result<Layout, ProductError> {
        let span = entry.message.span();
        let place = self.source.place(span.clone());
        let (len, fd) = self.format(message, span.clone())?;
        let mut layout = Layout {
            name: message.name.clone(),
            id: self.identifier(entry.node_in, message, &place)?,
            node_in: entry.node_in,
            fd,
            len,
            constant: [0; BUFFER],
            signals: Vec::new(),
            select: Vec::new(),
            checksum: None,
            counter: None,
        };
        if let Some(spec) = entry.checksum
            && message
                .signals
                .iter()
                .all(|signal| signal.name != *spec.signal.get_ref())
        {
            let names = message.signals.iter().map(|signal| signal.name.as_str());
            return Err(ProductError::UnknownSignal {
                place: self.source.place(spec.signal.span()),
                message: message.name.clone(),
                signal: spec.signal.get_ref().clone(),
                nearest: pattern::nearest(spec.signal.get_ref(), names),
            });
        }
        let mut taken: Vec<([u8; BUFFER], &str)> = Vec::new();
        for &signal in &page.signals {
            let bound = entry.bind.iter().find_map(|(name, point)| {
                let inner = pattern::matches(name.get_ref(), &signal.name)?;
                Some((captures.merged(&inner)?, point))
            });
            let multiplexor = page
                .multiplexors
                .iter()
                .find(|(other, _)| other.name == signal.name);
            let is_counter = entry.counter.is_some_and(|counter| {
                counter == signal.name
                    || bound
                        .as_ref()
                        .is_some_and(|(_, point)| point.get_ref().point == counter)
            });
            let checksum = entry
                .checksum
                .filter(|spec| *spec.signal.get_ref() == signal.name);
            // a constant is what it is, a code among them
            let plain = is_counter || multiplexor.is_some() || checksum.is_some();
            let invalid = match &bound {
                Some((_, point)) if !plain => point.get_ref().invalid.unwrap_or(entry.invalid),
                _ => InvalidCodes::default(),
            };
            let mut bits = self.bits(signal, message, invalid, span.clone())?;
            let claimed = bits.claimed();
            let meets = |mask: &[u8; BUFFER]| mask.iter().zip(&claimed).any(|(a, b)| a & b != 0);
            if let Some((_, other)) = taken.iter().find(|(mask, _)| meets(mask)) {
                return Err(ProductError::Overlap {
                    place,
                    what: format!("signal {} of {}", signal.name, message.name),
                    other: format!("signal {other}"),
                });
            }
            taken.push((claimed, &signal.name));
            if let Some((_, value)) = multiplexor {
                bits.write(&mut layout.constant, *value);
                layout.select.push((bits, *value));
                continue;
            }
            if let Some(spec) = checksum {
                layout.checksum = Some(Box::new(self.checksum(spec, bits)?));
                continue;
            }
            if let Some(value) = value_for(entry.when, &signal.name) {
                let value = self.constant(value, signal, message, span.clone())?;
                layout.select.push((bits, bits.raw_of_value(value)));
            }
            let flip = entry.flip.iter().any(|name| name.get_ref() == &signal.name)
                || bound.as_ref().is_some_and(|(_, point)| point.get_ref().flip);
            if flip {
                bits.multiply = -bits.multiply;
                bits.offset = 0.0 - bits.offset;
            }
            if entry.counter == Some(signal.name.as_str()) {
                layout.counter = Some(Box::new(bits));
            }
            if let Some((captures, point)) = bound {
                self.bind(entry, &mut layout, signal, bits, &captures, point)?;
            } else if is_counter {
                // the schedule counts
            } else if let Some(constants) = entry.constant {
                let raw = match value_for(Some(constants), &signal.name) {
                    Some(value) => bits.raw_of_value(self.constant(value, signal, message, span.clone())?),
                    None => match self.file.start_value(message.id, &signal.name) {
                        #[allow(
                            clippy::cast_possible_truncation,
                            clippy::cast_sign_loss,
                            reason = "a raw value of the DBC"
                        )]
                        Some(raw) => (raw as i64) as u64,
                        None => {
                            return Err(ProductError::UnmappedSignal {
                                place,
                                message: message.name.clone(),
                                signal: signal.name.clone(),
                            });
                        }
                    },
                };
                bits.write(&mut layout.constant, raw);
            }
        }
        Ok(layout)
    }

    fn bind(
        &self,
        entry: &Entry<'_>,
        layout: &mut Layout,
        signal: &DbcSignal,
        mut bits: BitField,
        captures: &pattern::Captures,
        point: &Spanned<Binding>,
    ) -> Result<(), ProductError> {
        let (named, test) = test_of(&point.get_ref().point);
        let name = captures.fill(named);
        let Some(id) = self.table.find(&name) else {
            if !pattern::is_pattern(named) {
                return Err(self.unknown_point(point.span(), &name));
            }
            // a cell this pack does not have
            bits.write(&mut layout.constant, bits.invalid().unwrap_or(0));
            return Ok(());
        };
        let table = entry
            .values
            .iter()
            .find(|(name, _)| pattern::matches(name.get_ref(), &signal.name).is_some());
        let binding = point.get_ref();
        if (test.is_some() || table.is_some()) && (binding.is_scaled() || binding.unit.is_some()) {
            return Err(ProductError::Setting {
                place: self.source.place(point.span()),
                key: signal.name.clone(),
                message: "a comparison, or a signal with `values`, has no scale, offset or unit".into(),
                help: "leave them out".into(),
            });
        }
        let change = match (test, table) {
            (Some((comparison, limit)), _) => {
                let limit = self
                    .table
                    .def(id)
                    .value_of(limit)
                    .ok_or_else(|| ProductError::Setting {
                        place: self.source.place(point.span()),
                        key: signal.name.clone(),
                        message: format!("`{limit}` is neither a number nor a state of `{name}`"),
                        help: self.table.def(id).states_in_words(),
                    })?;
                Some(Change::Test(comparison, limit))
            }
            (None, Some((key, values))) => {
                let mut pairs = Vec::new();
                for (state, value) in values {
                    let own = self
                        .table
                        .def(id)
                        .value_of(state)
                        .ok_or_else(|| ProductError::Setting {
                            place: self.source.place(key.span()),
                            key: "values".into(),
                            message: format!("`{state}` is neither a number nor a state of `{name}`"),
                            help: self.table.def(id).states_in_words(),
                        })?;
                    if bits.reading_of(bits.raw_of_value(*value)) != Reading::valid(*value) {
                        return Err(ProductError::Setting {
                            place: self.source.place(key.span()),
                            key: "values".into(),
                            message: format!("{} cannot say {value} for `{state}` of `{name}`", signal.name),
                            help: "give a number within the signal's bits and range that is no code for \"no value\"".into(),
                        });
                    }
                    pairs.push((own, *value));
                }
                Some(Change::Table(pairs))
            }
            (None, None) => {
                self.convert(&mut bits, signal, id, point)?;
                let def = self.table.def(id);
                // the schedule keeps its own counter inside
                let is_counter = entry
                    .counter
                    .is_some_and(|counter| counter == signal.name || counter == named);
                let [first, last] = [bits.min_raw, bits.max_raw].map(|raw| bits.reading_of_raw(raw).value);
                let (low, high) = (first.min(last), first.max(last));
                // one step beyond the last is the first again
                let step = (high - low) / (bits.max_raw - bits.min_raw).max(1.0);
                let span = high - low + step;
                (def.rolls && !is_counter && high < def.max).then_some(Change::Roll { low, span })
            }
        };
        layout.signals.push(Signal {
            point: id,
            bits,
            change: change.map(Box::new),
        });
        Ok(())
    }

    fn constant(
        &self,
        value: &Constant,
        signal: &DbcSignal,
        message: &Message,
        span: core::ops::Range<usize>,
    ) -> Result<f64, ProductError> {
        match value {
            Constant::Number(value) => Ok(*value),
            Constant::Name(name) => {
                let raw = self.file.named_value(message.id, &signal.name, name);
                let raw = raw.ok_or_else(|| ProductError::Setting {
                    place: self.source.place(span),
                    key: signal.name.clone(),
                    message: format!(
                        "the DBC's value table of {} of {} has no `{name}`",
                        signal.name, message.name
                    ),
                    help: "give a number, or one of the names after VAL_ in the DBC".into(),
                })?;
                Ok(raw * signal.factor + signal.offset)
            }
        }
    }

    fn checksum(&self, spec: &ChecksumSpec, field: BitField) -> Result<Checksum, ProductError> {
        let before = match (spec.data_id, spec.over_identifier) {
            (Some(_), true) => {
                return Err(ProductError::Setting {
                    place: self.source.place(spec.signal.span()),
                    key: "checksum".into(),
                    message: "a checksum begins with a data id or with the identifier, not with both".into(),
                    help: "leave data_id or over_identifier out".into(),
                });
            }
            (Some(id @ 0..=0xFF), false) => Before::Data([u8::try_from(id).unwrap_or(0), 0], 1),
            // low byte first, as AUTOSAR does
            (Some(id), false) => Before::Data(id.to_le_bytes(), 2),
            (None, true) => Before::Identifier,
            (None, false) => Before::Nothing,
        };
        Ok(Checksum::new(spec.profile, field, before))
    }

    /// Payload length and format.
    fn format(
        &self,
        message: &Message,
        span: core::ops::Range<usize>,
    ) -> Result<(u8, Option<FdFlags>), ProductError> {
        let size = usize::try_from(message.size).unwrap_or(usize::MAX);
        if !self.file.is_fd(message) && size <= CLASSIC_BYTES {
            return Ok((u8::try_from(size).unwrap_or(8), None));
        }
        let flags = FdFlags {
            bit_rate_switch: self.spec.bit_rate_switch,
            error_passive: false,
        };
        match fd_length(size) {
            Some(len) if len == size => Ok((u8::try_from(len).unwrap_or(64), Some(flags))),
            _ => Err(self.unsupported(
                span,
                message,
                "(all)",
                "CAN FD has lengths of 0 to 8, 12, 16, 20, 24, 32, 48 and 64 bytes",
            )),
        }
    }

    fn bits(
        &self,
        signal: &DbcSignal,
        message: &Message,
        invalid: InvalidCodes,
        span: core::ops::Range<usize>,
    ) -> Result<BitField, ProductError> {
        let value_type = self.file.value_type(message.id, &signal.name);
        BitField::compile(signal, value_type, message.size, invalid)
            .map_err(|reason| self.unsupported(span, message, &signal.name, reason))
    }

    fn unsupported(
        &self,
        span: core::ops::Range<usize>,
        message: &Message,
        signal: &str,
        reason: &'static str,
    ) -> ProductError {
        ProductError::UnsupportedSignal {
            place: self.file.place_of(message, signal),
            named: Box::new(self.source.place(span)),
            message: message.name.clone(),
            signal: signal.into(),
            reason,
        }
    }

    /// From the signal's value to the point's: scale and offset of the binding, then the unit.
    fn convert(
        &self,
        bits: &mut BitField,
        signal: &DbcSignal,
        point: PointId,
        named: &Spanned<Binding>,
    ) -> Result<(), ProductError> {
        let def = self.table.def(point);
        let binding = named.get_ref();
        let place = || self.source.place(named.span());
        let scale = binding.scale.unwrap_or(1.0);
        let offset = binding.offset.unwrap_or(0.0);
        if scale == 0.0 || !scale.is_finite() || !offset.is_finite() {
            return Err(ProductError::Setting {
                place: place(),
                key: signal.name.clone(),
                message: format!("scale {scale} and offset {offset} give no value that can be read back"),
                help: "give a scale other than 0: point = scale * signal + offset".into(),
            });
        }
        let unit = binding.unit_of(&signal.unit, def.unit);
        let factor = unit::factor(unit, def.unit).ok_or_else(|| ProductError::Unit {
            place: place(),
            name: signal.name.as_str().into(),
            unit: unit.into(),
            point: def.name.as_str().into(),
            point_unit: def.unit,
        })?;
        bits.offset = (bits.offset * scale + offset) * factor;
        for factor in [scale, factor] {
            let (multiply, divide) = decimal(factor);
            (bits.multiply, bits.divide) = reduced(bits.multiply * multiply, bits.divide * divide);
        }
        Ok(())
    }

    fn identifier(&self, node_in: NodeIn, message: &Message, place: &Place) -> Result<CanId, ProductError> {
        let refused = |byte| ProductError::NodeByte {
            place: place.clone(),
            message: message.name.clone(),
            id: message.id.raw() & !EXTENDED,
            byte,
        };
        let in_byte = |shift: u32, byte| match message.id {
            MessageId::Extended(id) if id >> shift & 0xFF == NODE_PLACEHOLDER => Ok(CanId::Extended(
                id & !(0xFF << shift) | u32::from(self.node) << shift,
            )),
            MessageId::Standard(_) | MessageId::Extended(_) => Err(refused(byte)),
        };
        match (node_in, message.id) {
            (NodeIn::None, MessageId::Standard(id)) => Ok(CanId::Standard(id)),
            (NodeIn::None, MessageId::Extended(id)) => Ok(CanId::Extended(id)),
            (NodeIn::Source, _) => in_byte(0, "source"),
            (NodeIn::Destination, _) => in_byte(8, "destination"),
            (NodeIn::Added, MessageId::Standard(id)) => match id + u16::from(self.node) {
                id @ ..=MAX_STANDARD => Ok(CanId::Standard(id)),
                _ => Err(ProductError::Setting {
                    place: place.clone(),
                    key: "node_in".into(),
                    message: format!(
                        "node {} of {} has no 11-bit identifier left",
                        self.node, message.name
                    ),
                    help: "give the message a lower identifier in the DBC".into(),
                }),
            },
            (NodeIn::Added, MessageId::Extended(id)) => Ok(CanId::Extended(id + u32::from(self.node))),
        }
    }

    fn unknown_point(&self, span: core::ops::Range<usize>, point: &str) -> ProductError {
        let names = self.table.iter().map(|(_, def)| def.name.as_str());
        ProductError::UnknownPoint {
            place: self.source.place(span),
            point: point.into(),
            nearest: pattern::nearest(point, names),
        }
    }
}

/// The numbers a page stands for: of the message's name, of each multiplexor by its name, and `page`, the value of the
/// last one.
pub(super) fn page_captures(page: &Page<'_>, outer: &pattern::Captures) -> pattern::Captures {
    let one =
        |name: &str, value: u64| pattern::Captures::one(name, usize::try_from(value).unwrap_or(usize::MAX));
    let named = page
        .multiplexors
        .iter()
        .map(|(signal, value)| one(&signal.name, *value));
    let last = page.multiplexors.last().map(|(_, value)| one("page", *value));
    named
        .chain(last)
        .fold(outer.clone(), |all, more| all.merged(&more).unwrap_or(all))
}

/// An answer such as `RESPONSE page 76`: the message, and the value of its multiplexor.
fn page_of(answer: &str) -> (&str, Option<u64>) {
    match answer.split_once(" page ") {
        Some((message, page)) => match page.trim().parse() {
            Ok(page) => (message.trim(), Some(page)),
            Err(_) => (answer, None),
        },
        None => (answer, None),
    }
}

/// A binding such as `charge-current-limit > 0`: the point, and how it compares with what.
pub(in crate::codec) fn test_of(binding: &str) -> (&str, Option<(Comparison, &str)>) {
    for (sign, comparison) in [
        (" >= ", Comparison::AtLeast),
        (" <= ", Comparison::AtMost),
        (" != ", Comparison::IsNot),
        (" == ", Comparison::Is),
        (" > ", Comparison::Above),
        (" < ", Comparison::Below),
    ] {
        if let Some((point, limit)) = binding.split_once(sign) {
            return (point.trim(), Some((comparison, limit.trim())));
        }
    }
    (binding, None)
}

pub(super) fn value_for<'a>(
    values: Option<&'a BTreeMap<Spanned<String>, Constant>>,
    signal: &str,
) -> Option<&'a Constant> {
    values?
        .iter()
        .find(|(name, _)| pattern::matches(name.get_ref(), signal).is_some())
        .map(|(_, value)| value)
}
