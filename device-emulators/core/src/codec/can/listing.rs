//! A DBC as a list, and what a product makes of its signals; for documents and checks.

use core::fmt;
use std::collections::BTreeMap;

use bess_types::CanId;
use can_dbc::{
    ByteOrder, Message as DbcMessage, MessageId, MultiplexIndicator, NumericValue, Signal as DbcSignal,
    SignalExtendedValueType, ValueType,
};

use super::compile::{page_captures, test_of, value_for};
use super::dbc::{DbcFile, NO_MESSAGE, Page};
use crate::codec::pattern;
use crate::library::Library;
use crate::points::PointTable;
use crate::product::{Binding, Binds, Constant, InvalidCodes, Place, Product, ProductError, Source};

/// A message of a DBC.
#[derive(Clone, Debug)]
pub struct Message {
    /// Name.
    pub name: String,
    /// Identifier as in the DBC.
    pub id: CanId,
    /// Payload bytes.
    pub bytes: u64,
    /// It goes out in CAN FD format.
    pub is_fd: bool,
    /// Cycle time its attribute gives it.
    pub cycle_ms: Option<u64>,
    /// Node that sends it.
    pub sender: String,
    /// What the DBC says about it.
    pub comment: String,
    /// Its signals in the order of the DBC.
    pub signals: Vec<Signal>,
    /// Where it stands.
    pub place: Place,
}

/// A signal of a DBC.
#[derive(Clone, Debug)]
pub struct Signal {
    /// Name.
    pub name: String,
    /// `M` for a multiplexor, `m3` on its page 3, `m3M` for one on a page, as in the DBC; else empty. Where the DBC lists
    /// pages with `SG_MUL_VAL_`, all of them and whose they are: `m1-3, m7 of Bank`.
    pub page: String,
    /// Start bit as in the DBC: lowest bit, or highest of a big-endian signal, counted 7 to 0 in each byte.
    pub start: u64,
    /// Bits.
    pub length: u64,
    /// The byte with the highest bits comes first.
    pub big_endian: bool,
    /// unsigned, signed, float or double.
    pub kind: &'static str,
    /// Value = raw · scale + offset, in `unit`.
    pub scale: f64,
    /// See `scale`.
    pub offset: f64,
    /// Lowest value the DBC allows.
    pub min: f64,
    /// Highest value the DBC allows; no more than the lowest if it says nothing.
    pub max: f64,
    /// Unit.
    pub unit: String,
    /// Names of raw values.
    pub names: BTreeMap<i64, String>,
    /// What the DBC says about it.
    pub comment: String,
    /// Where it stands.
    pub place: Place,
}

/// What a product makes of a signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// Message it is in.
    pub message: String,
    /// Signal.
    pub signal: String,
    /// The product sends it; else it hears it.
    pub is_sent: bool,
    /// What it carries; of a multiplexed signal on each of its pages.
    pub means: Vec<Means>,
    /// Points it would carry, here and there, if the product had them.
    pub absent: Vec<String>,
    /// What stands between signal and point, where it is bound to one.
    pub binding: Option<Binding>,
    /// Raw codes for values that are not there.
    pub codes: InvalidCodes,
    /// Its sign is the other way round than the point's.
    pub is_flipped: bool,
    /// The product says that it cannot say all its point can be.
    pub is_lossy: bool,
    /// Its values are others than the point's.
    pub has_values: bool,
    /// It is the rolling counter, which begins again after its highest value.
    pub is_counter: bool,
    /// Where the product says so.
    pub place: Place,
}

/// What a signal carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Means {
    /// A point, or how a point compares with a number.
    Point(String),
    /// Always the same value or name of a value.
    Constant(String),
    /// The rolling counter.
    Counter,
    /// A checksum of this profile.
    Checksum(&'static str),
    /// The page.
    Page(u64),
}

impl Bound {
    /// Points whose value it carries, not how they compare with a number.
    pub fn points(&self) -> impl Iterator<Item = &str> {
        self.means.iter().filter_map(|means| match means {
            Means::Point(point) if test_of(point).1.is_none() => Some(point.as_str()),
            _ => None,
        })
    }
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Point(point) => f.write_str(point),
            Self::Constant(value) => write!(f, "= {value}"),
            Self::Counter => f.write_str("counter"),
            Self::Checksum(profile) => write!(f, "checksum {profile}"),
            Self::Page(page) => write!(f, "page {page}"),
        }
    }
}

impl DbcFile {
    /// Its messages in order.
    pub fn listing(&self) -> Vec<Message> {
        let lines = Lines::read(Source::new(&self.file, &self.text));
        let messages = self.dbc.messages.iter().enumerate();
        messages
            .map(|(at, message)| self.listed(at, message, &lines))
            .collect()
    }

    /// Where a signal stands, or its message if it has no such signal.
    pub(super) fn place_of(&self, message: &DbcMessage, signal: &str) -> Place {
        let lines = Lines::read(Source::new(&self.file, &self.text));
        let at = self.dbc.messages.iter().position(|other| other.id == message.id);
        let at = at.unwrap_or(0);
        let own = lines.all(at, signal).into_iter().next();
        own.unwrap_or_else(|| lines.of(at, ""))
    }

    /// Attributes of messages that are not there: where each stands, and what is wrong.
    pub(super) fn attributes_of_nothing(&self) -> Vec<(Place, String)> {
        let source = Source::new(&self.file, &self.text);
        let is_there = |id: MessageId| self.dbc.messages.iter().any(|message| message.id == id);
        let lines = (1..).zip(self.text.lines());
        let attributes = lines.filter_map(|(number, line)| {
            let mut words = line.split_whitespace().skip_while(|word| *word != "BO_");
            let raw: u32 = words.nth(1)?.trim_end_matches(';').parse().ok()?;
            let id = MessageId::try_from(raw).ok()?;
            let is_lost = line.trim_start().starts_with("BA_ ") && !is_there(id);
            is_lost.then(|| {
                let name = line.split('"').nth(1).unwrap_or_default();
                let what = format!("{name} of message {raw}, which is not in this file");
                (source.place(source.line(number)), what)
            })
        });
        attributes.collect()
    }

    /// Signals of a message that have the name of one before: where each stands, and what is wrong.
    pub(super) fn same_names(&self, message: &DbcMessage) -> Vec<(Place, String)> {
        let mut names: Vec<&str> = message
            .signals
            .iter()
            .map(|signal| signal.name.as_str())
            .collect();
        names.sort_unstable();
        let doubled = |pair: &[&str]| pair[0] == pair[1];
        if !names.windows(2).any(doubled) {
            return Vec::new();
        }
        let at = self.dbc.messages.iter().position(|other| other.id == message.id);
        let lines = Lines::read(Source::new(&self.file, &self.text));
        let mut told = Vec::new();
        names.dedup();
        for name in names {
            let all = lines.all(at.unwrap_or(0), name);
            for (place, before) in all.iter().skip(1).zip(&all) {
                told.push((
                    place.clone(),
                    format!(
                        "{name} of {} is the name of a signal in line {} too",
                        message.name, before.line
                    ),
                ));
            }
        }
        told
    }

    fn listed(&self, at: usize, message: &DbcMessage, lines: &Lines) -> Message {
        let place = lines.of(at, "");
        let signals = message.signals.iter();
        Message {
            name: message.name.clone(),
            id: match message.id {
                MessageId::Standard(id) => CanId::Standard(id),
                MessageId::Extended(id) => CanId::Extended(id),
            },
            bytes: message.size,
            is_fd: self.is_fd(message),
            cycle_ms: self.cycle_ms(message.id),
            sender: message.transmitter.clone().unwrap_or_default(),
            comment: self
                .dbc
                .message_comment(message.id)
                .unwrap_or_default()
                .to_owned(),
            signals: signals
                .map(|signal| self.listed_signal(message, signal, lines.of(at, &signal.name)))
                .collect(),
            place,
        }
    }

    fn page_in_words(&self, id: MessageId, signal: &DbcSignal) -> String {
        let (page, own) = match signal.multiplexer_indicator {
            MultiplexIndicator::Plain => return String::new(),
            MultiplexIndicator::Multiplexor => return "M".into(),
            MultiplexIndicator::MultiplexedSignal(page) => (page, ""),
            MultiplexIndicator::MultiplexorAndMultiplexedSignal(page) => (page, "M"),
        };
        let listed: Vec<String> = (self.extended_pages(id, &signal.name))
            .map(|entry| {
                let pages = entry.mappings.iter().map(|range| match range.max_value {
                    last if last == range.min_value => format!("m{last}{own}"),
                    last => format!("m{}-{last}{own}", range.min_value),
                });
                let pages: Vec<_> = pages.collect();
                format!("{} of {}", pages.join(", "), entry.multiplexor_signal_name)
            })
            .collect();
        if listed.is_empty() {
            return format!("m{page}{own}");
        }
        listed.join(", ")
    }

    fn listed_signal(&self, message: &DbcMessage, signal: &DbcSignal, place: Place) -> Signal {
        let names = self.dbc.value_descriptions_for_signal(message.id, &signal.name);
        let names = names.into_iter().flatten();
        Signal {
            name: signal.name.clone(),
            page: self.page_in_words(message.id, signal),
            start: signal.start_bit,
            length: signal.size,
            big_endian: signal.byte_order == ByteOrder::BigEndian,
            kind: match (self.value_type(message.id, &signal.name), signal.value_type) {
                (SignalExtendedValueType::IEEEfloat32Bit, _) => "float",
                (SignalExtendedValueType::IEEEdouble64bit, _) => "double",
                (SignalExtendedValueType::SignedOrUnsignedInteger, ValueType::Signed) => "signed",
                (SignalExtendedValueType::SignedOrUnsignedInteger, ValueType::Unsigned) => "unsigned",
            },
            scale: signal.factor,
            offset: signal.offset,
            min: number(signal.min),
            max: number(signal.max),
            unit: signal.unit.clone(),
            names: names.map(|entry| (entry.id, entry.description.clone())).collect(),
            comment: self
                .dbc
                .signal_comment(message.id, &signal.name)
                .unwrap_or_default()
                .to_owned(),
            place,
        }
    }
}

impl Signal {
    /// Lowest and highest value its bits can say.
    pub fn range_of_bits(&self) -> (f64, f64) {
        let bits = u32::try_from(self.length.clamp(1, 64)).unwrap_or(64);
        let all = (u64::MAX >> (64 - bits)) as f64;
        let (low, high) = match self.kind {
            "float" => (f64::from(f32::MIN), f64::from(f32::MAX)),
            "double" => return (f64::MIN, f64::MAX),
            "signed" => (-(all + 1.0) / 2.0, (all - 1.0) / 2.0),
            _ => (0.0, all),
        };
        let (a, b) = (low * self.scale + self.offset, high * self.scale + self.offset);
        (a.min(b), a.max(b))
    }
}

fn number(value: NumericValue) -> f64 {
    match value {
        NumericValue::Uint(value) => value as f64,
        NumericValue::Int(value) => value as f64,
        NumericValue::Double(value) => value,
    }
}

/// Lines of messages and signals; the parser does not keep them.
struct Lines {
    source: Source,
    /// By the message's place in the file and the signal's name, empty for the message itself.
    found: BTreeMap<(usize, String), Vec<usize>>,
}

impl Lines {
    fn read(source: Source) -> Self {
        let mut found = BTreeMap::new();
        let (mut messages, mut in_message) = (0, false);
        for (number, line) in (1..).zip(source.text.lines()) {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("BO_")
                    if words
                        .clone()
                        .nth(1)
                        .is_some_and(|name| name.trim_end_matches(':') == NO_MESSAGE) =>
                {
                    // its signals are of no message
                    in_message = false;
                }
                Some("BO_") => {
                    in_message = true;
                    found.insert((messages, String::new()), vec![number]);
                    messages += 1;
                }
                Some("SG_") if in_message => {
                    let name = words.next().unwrap_or_default().to_owned();
                    let lines: &mut Vec<usize> = found.entry((messages - 1, name)).or_default();
                    lines.push(number);
                }
                _ => {}
            }
        }
        Self { source, found }
    }

    fn of(&self, message: usize, signal: &str) -> Place {
        let first = self.all(message, signal).into_iter().next();
        first.unwrap_or_else(|| self.source.place(self.source.line(1)))
    }

    /// Every place of a signal's name.
    fn all(&self, message: usize, signal: &str) -> Vec<Place> {
        let lines = self.found.get(&(message, signal.to_owned()));
        let lines = lines.into_iter().flatten();
        lines
            .map(|line| self.source.place(self.source.line(*line)))
            .collect()
    }
}

/// What a product makes of the signals of a port's DBC, in the order of its file.
///
/// # Errors
/// If the product has no such port, or its DBC is not there or does not parse.
pub fn bindings(
    product: &Product,
    port: &str,
    library: &Library,
    table: &PointTable,
) -> Result<Vec<Bound>, ProductError> {
    let (spec, source) = product.can_port(port)?;
    let file = library.dbc(spec.dbc.get_ref())?;
    let point_of = |binds: &Binds, signal: &str, captures: &pattern::Captures| {
        let (point, binding, span) = bound_to(binds, signal, captures)?;
        let is_there = table.find(test_of(&point).0).is_some();
        let carried = if is_there {
            Carried::Means(Means::Point(point))
        } else {
            Carried::Absent(point)
        };
        Some((carried, Some(binding), span))
    };
    let mut all = Vec::new();
    for sent in &spec.transmit {
        let means = |signal: &str, captures: &pattern::Captures, page: &Page<'_>| {
            let is = |name: &str| name == signal;
            let plain = |means, span| Some((Carried::Means(means), None, span));
            if let Some(checksum) = sent
                .checksum
                .as_ref()
                .filter(|checksum| is(checksum.signal.get_ref()))
            {
                return plain(Means::Checksum(checksum.profile.name()), checksum.signal.span());
            }
            if let Some(counter) = sent.counter.as_ref().filter(|counter| is(counter.get_ref())) {
                return plain(Means::Counter, counter.span());
            }
            if let Some((_, value)) = page.multiplexors.iter().find(|(by, _)| is(&by.name)) {
                return plain(Means::Page(*value), sent.message.span());
            }
            if let Some(found) = point_of(&sent.bind, signal, captures) {
                return Some(found);
            }
            value_for(Some(&sent.constant), signal).and_then(|value| {
                let text = match value {
                    Constant::Number(value) => value.to_string(),
                    Constant::Name(name) => name.clone(),
                };
                plain(Means::Constant(text), sent.message.span())
            })
        };
        let first = all.len();
        collect(&file, sent.message.get_ref(), true, source, &means, &mut all);
        let values: Vec<&str> = sent.values.keys().map(|name| name.get_ref().as_str()).collect();
        let counter = sent.counter.as_ref().map(|name| name.get_ref().as_str());
        mark(&mut all[first..], &sent.flip, &values, counter, sent.invalid);
        for bound in &mut all[first..] {
            bound.is_lossy = sent.lossy.iter().any(|name| *name.get_ref() == bound.signal);
        }
    }
    for heard in &spec.receive {
        let means = |signal: &str, captures: &pattern::Captures, _: &Page<'_>| {
            point_of(&heard.bind, signal, captures)
        };
        let first = all.len();
        collect(&file, heard.message.get_ref(), false, source, &means, &mut all);
        let values: Vec<&str> = heard.values.keys().map(|name| name.get_ref().as_str()).collect();
        mark(&mut all[first..], &heard.flip, &values, None, heard.invalid);
    }
    Ok(all)
}

/// What a signal carries on a page: something, or a point that this product does not have.
enum Carried {
    Means(Means),
    Absent(String),
}

fn mark(
    all: &mut [Bound],
    flip: &[toml::Spanned<String>],
    values: &[&str],
    counter: Option<&str>,
    codes: InvalidCodes,
) {
    for bound in all {
        let binding = bound.binding.as_ref();
        bound.codes = binding.and_then(|binding| binding.invalid).unwrap_or(codes);
        let is_turned = binding.is_some_and(|binding| binding.flip);
        bound.is_counter = match bound.means.first() {
            Some(Means::Point(point)) => counter == Some(point.as_str()),
            first => first == Some(&Means::Counter),
        };
        bound.is_flipped = is_turned || flip.iter().any(|name| *name.get_ref() == bound.signal);
        bound.has_values = values
            .iter()
            .any(|name| pattern::matches(name, &bound.signal).is_some());
    }
}

type Span = core::ops::Range<usize>;

/// The point or comparison a signal is bound to, whether this product has the point or not.
fn bound_to(bind: &Binds, signal: &str, captures: &pattern::Captures) -> Option<(String, Binding, Span)> {
    let mut bound = bind.iter();
    bound.find_map(|(name, point)| {
        let inner = pattern::matches(name.get_ref(), signal)?;
        let all = captures.merged(&inner)?;
        let binding = point.get_ref();
        Some((all.fill(&binding.point), binding.clone(), point.span()))
    })
}

fn collect(
    file: &DbcFile,
    wanted: &str,
    is_sent: bool,
    source: &Source,
    means: &impl Fn(&str, &pattern::Captures, &Page<'_>) -> Option<(Carried, Option<Binding>, Span)>,
    all: &mut Vec<Bound>,
) {
    for message in &file.dbc.messages {
        let Some(captures) = pattern::matches(wanted, &message.name) else {
            continue;
        };
        let first = all.len();
        for page in file.pages(message).unwrap_or_default() {
            let captures = page_captures(&page, &captures);
            let told: Vec<_> = page
                .signals
                .iter()
                .filter_map(|signal| Some((&signal.name, means(&signal.name, &captures, &page)?)))
                .collect();
            // a page with none of the points there are is not sent
            let is_there = told
                .iter()
                .any(|(_, (carried, ..))| matches!(carried, Carried::Means(Means::Point(_))));
            for (signal, (carried, binding, span)) in told {
                if !is_there && matches!(carried, Carried::Absent(_)) {
                    continue;
                }
                let known = all[first..].iter().position(|bound| bound.signal == *signal);
                let at = known.map_or(all.len(), |at| first + at);
                if known.is_none() {
                    all.push(Bound {
                        message: message.name.clone(),
                        signal: signal.clone(),
                        is_sent,
                        means: Vec::new(),
                        absent: Vec::new(),
                        binding,
                        codes: InvalidCodes::default(),
                        is_flipped: false,
                        is_lossy: false,
                        has_values: false,
                        is_counter: false,
                        place: source.place(span),
                    });
                }
                match carried {
                    Carried::Means(means) if !all[at].means.contains(&means) => all[at].means.push(means),
                    Carried::Means(_) => {}
                    Carried::Absent(point) => all[at].absent.push(point),
                }
            }
        }
    }
}
