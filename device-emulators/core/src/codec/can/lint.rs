//! What is likely wrong with a DBC, or with what a product makes of it, beyond what cannot be compiled.

use core::time::Duration;
use std::collections::BTreeMap;

use bess_types::CanId;
use bess_types::can::fd_length;

use super::bits::{BUFFER, BitField};
use super::compile::Compiler;
use super::listing::{Bound, Message, Signal, bindings};
use super::{CanPort, DbcFile, MAX_STANDARD, key};
use crate::codec::modbus::lint::{no_range, short};
use crate::codec::unit;
use crate::finding::Finding;
use crate::library::Library;
use crate::points::{PointDef, PointTable};
use crate::product::{Binding, CanSpec, InvalidCodes, Place, Product, ProductError};

mod coverage;

/// Highest 29-bit identifier.
const MAX_EXTENDED: u32 = 0x1FFF_FFFF;

/// Looks through a DBC.
pub fn lint(file: &DbcFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let listing = file.listing();
    let mut ids: BTreeMap<u32, &Message> = BTreeMap::new();
    let mut names: BTreeMap<&str, &Message> = BTreeMap::new();
    for (message, of_dbc) in listing.iter().zip(&file.dbc.messages) {
        if let Some(other) = ids.insert(key(message.id), message) {
            findings.push(Finding::error(
                &message.place,
                format!(
                    "{} has the identifier of {} in line {}",
                    message.name, other.name, other.place.line
                ),
                "give each message an identifier of its own",
            ));
        }
        if let Some(other) = names.insert(&message.name, message) {
            findings.push(Finding::error(
                &message.place,
                format!(
                    "{} is the name of a message in line {} too",
                    message.name, other.place.line
                ),
                "give each message a name of its own",
            ));
        }
        let too_high = match message.id {
            CanId::Standard(id) => id > MAX_STANDARD,
            CanId::Extended(id) => id > MAX_EXTENDED,
        };
        if too_high {
            findings.push(Finding::error(
                &message.place,
                format!("{} has an identifier that no frame has", message.name),
                "11-bit identifiers end at 2047; a 29-bit one has 2147483648 added in the DBC",
            ));
        }
        if message.cycle_ms.is_none() {
            findings.push(Finding::note(
                &message.place,
                format!("{} has no cycle time", message.name),
                "add BA_ \"GenMsgCycleTime\", or give period_ms in the product; without either it is sent on an event",
            ));
        }
        if message.bytes > 8
            && fd_length(usize::try_from(message.bytes).unwrap_or(usize::MAX))
                .is_none_or(|len| len as u64 != message.bytes)
        {
            findings.push(Finding::error(
                &message.place,
                format!("{} has {} bytes, which no frame has", message.name, message.bytes),
                "a frame has 0 to 8 bytes, one of CAN FD 12, 16, 20, 24, 32, 48 or 64 too",
            ));
        }
        signals(file, message, of_dbc, &mut findings);
    }
    for (place, what) in file.attributes_of_nothing() {
        findings.push(Finding::warning(
            &place,
            what,
            "correct the identifier; a 29-bit one has 2147483648 added in the DBC",
        ));
    }
    findings.sort_by_key(|finding| finding.place.line);
    findings
}

fn signals(file: &DbcFile, listed: &Message, message: &can_dbc::Message, findings: &mut Vec<Finding>) {
    let mut fields: BTreeMap<&str, [u8; BUFFER]> = BTreeMap::new();
    for (signal, of_dbc) in listed.signals.iter().zip(&message.signals) {
        let value_type = file.value_type(message.id, &signal.name);
        match BitField::compile(of_dbc, value_type, message.size, InvalidCodes::default()) {
            Ok(field) => {
                fields.insert(&signal.name, field.claimed());
            }
            Err(reason) => findings.push(Finding::error(
                &signal.place,
                format!("{} of {}: {reason}", signal.name, listed.name),
                "correct its start bit, length or factor",
            )),
        }
        range_of_dbc(listed, signal, findings);
    }
    let without = listed
        .signals
        .iter()
        .filter(|signal| signal.min >= signal.max && signal.length > 1);
    let without: Vec<_> = without.map(|signal| signal.name.as_str()).collect();
    if !without.is_empty() {
        findings.push(Finding::note(
            &listed.place,
            format!("{} without a range: {}", listed.name, without.join(", ")),
            "write the lowest and highest value in [..|..]; what is outside is then never sent",
        ));
    }
    let (big, little): (Vec<_>, Vec<_>) = (listed.signals.iter())
        .filter(|signal| signal.length > 8)
        .partition(|signal| signal.big_endian);
    if let (Some(big), Some(little)) = (big.first(), little.first()) {
        findings.push(Finding::note(
            &listed.place,
            format!(
                "{} mixes byte orders: {} is big-endian, {} little-endian",
                listed.name, big.name, little.name
            ),
            "hold it against the vendor's document",
        ));
    }
    let pages = match file.pages(message) {
        Ok(pages) => pages,
        Err(reason) => {
            findings.push(Finding::error(
                &listed.place,
                format!("{}: {reason}", listed.name),
                "correct M and m marks",
            ));
            return;
        }
    };
    for (place, wrong) in file.same_names(message) {
        findings.push(Finding::error(
            &place,
            wrong,
            "give each signal of a message a name of its own",
        ));
    }
    let mut told: Vec<(&str, &str)> = Vec::new();
    for page in &pages {
        for (at, signal) in page.signals.iter().enumerate() {
            let Some(own) = fields.get(signal.name.as_str()) else {
                continue;
            };
            for other in &page.signals[..at] {
                let Some(taken) = fields.get(other.name.as_str()) else {
                    continue;
                };
                let pair = (signal.name.as_str(), other.name.as_str());
                if pair.0 != pair.1 && own.iter().zip(taken).any(|(a, b)| a & b != 0) && !told.contains(&pair)
                {
                    told.push(pair);
                    let place = place_of(listed, &signal.name);
                    findings.push(Finding::error(
                        &place,
                        format!("{} of {} overlaps {}", signal.name, listed.name, other.name),
                        "correct a start bit, a length or a byte order (@0 counts from the highest bit)",
                    ));
                }
            }
        }
    }
}

fn place_of(message: &Message, signal: &str) -> Place {
    let found = message.signals.iter().find(|listed| listed.name == signal);
    found.map_or_else(|| message.place.clone(), |signal| signal.place.clone())
}

/// A range in the DBC that its bits cannot say.
fn range_of_dbc(message: &Message, signal: &Signal, findings: &mut Vec<Finding>) {
    let (low, high) = signal.range_of_bits();
    let step = signal.scale.abs();
    if signal.min < signal.max && (signal.min < low - step || signal.max > high + step) {
        findings.push(Finding::warning(
            &signal.place,
            format!(
                "{} of {} is to go from {} to {}, but {} bits at {} say {} to {}",
                signal.name,
                message.name,
                short(signal.min),
                short(signal.max),
                signal.length,
                signal.scale,
                short(low),
                short(high)
            ),
            "correct the range, the length or the factor",
        ));
    }
}

/// Looks through a port of a product.
pub fn lint_port(product: &Product, port: &str, library: &Library, table: &PointTable) -> Vec<Finding> {
    if let Err(error) = CanPort::compile(product, port, library, table, 1) {
        return vec![error.into()];
    }
    let mut findings = Vec::new();
    let parts = || -> Result<_, ProductError> {
        let (spec, source) = product.can_port(port)?;
        Ok((
            spec,
            source,
            library.dbc(spec.dbc.get_ref())?,
            bindings(product, port, library, table)?,
        ))
    };
    let (spec, source, file, bound) = match parts() {
        Ok(parts) => parts,
        Err(error) => return vec![error.into()],
    };
    let listing = file.listing();
    let mut told = Vec::new();
    for bound in &bound {
        let message = listing.iter().find(|message| message.name == bound.message);
        let signal =
            message.and_then(|message| message.signals.iter().find(|signal| signal.name == bound.signal));
        if let Some(signal) = signal {
            held(bound, signal, table, &mut told, &mut findings);
        }
    }
    for message in &listing {
        cycle(spec, source, message, &bound, &mut findings);
    }
    let port = coverage::Port {
        kind: product.kind,
        spec,
        source,
        file: &file,
        listing: &listing,
        table,
        bound: &bound,
    };
    findings.extend(port.findings());
    findings.dedup();
    findings
}

/// A row of points and how a signal says them: what is told of one is not told of the others that say it so.
type Said<'a> = ((&'a str, &'a str), String);

/// Whether a signal can say what its point can be, and in steps that fit it.
fn held<'a>(
    bound: &'a Bound,
    signal: &Signal,
    table: &PointTable,
    told: &mut Vec<Said<'a>>,
    findings: &mut Vec<Finding>,
) {
    let Some(point) = bound.points().next() else {
        return;
    };
    let Some(def) = table.find(point).map(|id| table.def(id)) else {
        return;
    };
    if let Some((row, _)) = row_of(point) {
        let way = format!(
            "{} {} {} {} {} {} {} {:?} {} {}",
            signal.length,
            signal.kind,
            signal.scale,
            signal.offset,
            signal.min,
            signal.max,
            signal.unit,
            bound
                .binding
                .as_ref()
                .map(|binding| (binding.scale, binding.offset, &binding.unit)),
            bound.is_flipped,
            bound.is_sent,
        );
        if told.contains(&(row, way.clone())) {
            return;
        }
        told.push((row, way));
    }
    let what = format!("{} of {}", bound.signal, bound.message);
    no_range(&bound.place, &what, def, findings);
    let Some((low, high, step)) = said(bound, signal, def) else {
        return;
    };
    // a counter that begins again has no end
    if bound.is_sent && !bound.is_lossy && !def.rolls && (def.min < low - step || def.max > high + step) {
        findings.push(cut_off(bound, &what, signal, def, (low, high)));
    }
    if def.unit != "1" {
        findings.extend(coarse(bound, &what, signal, def, step));
    }
}

/// Lowest and highest value and the step of a signal, in the unit of its point; none of states and counters.
fn said(bound: &Bound, signal: &Signal, def: &PointDef) -> Option<(f64, f64, f64)> {
    let plain = Binding::plain(&def.name);
    let binding = bound.binding.as_ref().unwrap_or(&plain);
    let factor = unit::factor(binding.unit_of(&signal.unit, def.unit), def.unit)
        .filter(|_| !bound.has_values && !bound.is_counter && def.states.is_empty())?;
    let (low, high) = sayable(signal);
    let turn = if bound.is_flipped { -1.0 } else { 1.0 };
    let scale = binding.scale.unwrap_or(1.0) * turn;
    let in_point = |value: f64| (value * scale + binding.offset.unwrap_or(0.0)) * factor;
    let (a, b) = (in_point(low), in_point(high));
    Some((a.min(b), a.max(b), (signal.scale * scale * factor).abs()))
}

/// Signals of a port that do not reach as far as their points do in a rig; `highest` knows how far that is, in the unit
/// of the point.
///
/// # Errors
/// If the product, the DBC and the points do not fit together.
pub fn out_of_reach(
    product: &Product,
    port: &str,
    library: &Library,
    table: &PointTable,
    highest: &dyn Fn(&str) -> Option<f64>,
) -> Result<Vec<Finding>, ProductError> {
    let (spec, _) = product.can_port(port)?;
    let listing = library.dbc(spec.dbc.get_ref())?.listing();
    let mut findings = Vec::new();
    for bound in bindings(product, port, library, table)? {
        let message = listing.iter().find(|message| message.name == bound.message);
        let signal =
            message.and_then(|message| message.signals.iter().find(|signal| signal.name == bound.signal));
        for point in bound.points().filter(|_| bound.is_sent) {
            let (Some(signal), Some(id), Some(wanted)) = (signal, table.find(point), highest(point)) else {
                continue;
            };
            let def = table.def(id);
            let Some((_, high, step)) = said(&bound, signal, def) else {
                continue;
            };
            if wanted > high + step {
                findings.push(Finding::warning(
                    &bound.place,
                    format!(
                        "{} of {} ends at {} {u}, and `{point}` goes up to {} {u} in this rig: above, a listener reads {} {u}",
                        bound.signal,
                        bound.message,
                        short(high),
                        short(wanted),
                        short(high),
                        u = def.unit
                    ),
                    "take a product whose protocol reaches as far, or a battery of fewer cells in series",
                ));
            }
        }
    }
    Ok(findings)
}

/// A step of the wrong order of magnitude, as of V for mV. Signals that say far more than their point are common.
fn coarse(bound: &Bound, what: &str, signal: &Signal, def: &PointDef, step: f64) -> Option<Finding> {
    const COARSE: f64 = 1.0 / 100.0;
    let range = def.max - def.min;
    let is_whole = matches!(signal.kind, "signed" | "unsigned");
    if !is_whole || !range.is_finite() || step <= range * COARSE * (1.0 + 1e-9) {
        return None;
    }
    Some(Finding::warning(
        &bound.place,
        format!(
            "{what} goes in steps of {} {u}, and `{}` from {} to {} {u}",
            short(step),
            def.name,
            short(def.min),
            short(def.max),
            u = def.unit
        ),
        "hold factor and unit in the DBC against the vendor's document (V for mV?), or give the binding a unit or a scale",
    ))
}

fn cut_off(bound: &Bound, what: &str, signal: &Signal, def: &PointDef, (low, high): (f64, f64)) -> Finding {
    let place = &bound.place;
    Finding::warning(
        place,
        format!(
            "{what}, {} bits at {}, says {} to {} {u}, and `{}` goes from {} to {} {u}: what is outside is cut off",
            signal.length,
            signal.scale,
            short(low),
            short(high),
            def.name,
            short(def.min),
            short(def.max),
            u = def.unit,
        ),
        "take more bits, a coarser factor or a wider range in the DBC; where the protocol has no more, name the signal in `lossy`",
    )
}

/// What a signal can say: its bits, within its range in the DBC.
fn sayable(signal: &Signal) -> (f64, f64) {
    let (low, high) = signal.range_of_bits();
    if signal.min < signal.max {
        (low.max(signal.min), high.min(signal.max))
    } else {
        (low, high)
    }
}

/// The row a point is of, and its place in it: `cell` and `.voltage`, 3 of `cell[3].voltage`.
fn row_of(point: &str) -> Option<((&str, &str), usize)> {
    let (before, rest) = point.split_once('[')?;
    let (index, after) = rest.split_once(']')?;
    Some(((before, after), index.parse().ok()?))
}

fn cycle(
    spec: &CanSpec,
    source: &crate::product::Source,
    message: &Message,
    bound: &[Bound],
    findings: &mut Vec<Finding>,
) {
    if !bound
        .iter()
        .any(|bound| bound.is_sent && bound.message == message.name)
    {
        return;
    }
    let matching = |pattern: &str| crate::codec::pattern::matches(pattern, &message.name).is_some();
    let Some(sent) = spec.transmit.iter().find(|sent| matching(sent.message.get_ref())) else {
        return;
    };
    let is_answer =
        (spec.receive.iter().flat_map(|heard| &heard.answer)).any(|answer| matching(answer.get_ref()));
    let asked_for = is_answer || sent.on_change_ms.is_some() || sent.at_start;
    match (&sent.period_ms, message.cycle_ms) {
        (Some(own), Some(of_dbc)) if *own.get_ref() != of_dbc => findings.push(Finding::warning(
            &source.place(own.span()),
            format!(
                "{} is sent every {} ms, and the DBC says {of_dbc} ms",
                message.name,
                own.get_ref()
            ),
            "leave period_ms out to take the DBC's, or correct the DBC",
        )),
        (None, None) if !asked_for => findings.push(Finding::note(
            &source.place(sent.message.span()),
            format!(
                "{} has no cycle time, here or in the DBC: it is sent on an event only",
                message.name
            ),
            "give period_ms if it is cyclic, or name it in an `answer`",
        )),
        _ => {}
    }
}

/// A message on the wire, or one page of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Identifier.
    pub id: CanId,
    /// Payload bytes.
    pub bytes: u8,
    /// None in answers and on events.
    pub period: Option<Duration>,
    /// Bit rate switch of a CAN FD frame; none of a classic one.
    pub fd: Option<bess_types::FdFlags>,
}

/// What a node of this product sends on a port; what is sent on change as often as it is looked at.
///
/// # Errors
/// If the product, the DBC and the points do not fit together.
pub fn traffic(
    product: &Product,
    port: &str,
    library: &Library,
    table: &PointTable,
) -> Result<Vec<Sent>, ProductError> {
    let transmit = Compiler::new(product, port, library, table, 1)?.transmit()?;
    let sent = transmit.iter().map(|message| Sent {
        id: message.layout.id,
        bytes: message.layout.len,
        period: message.on_change.or(message.period),
        fd: message.layout.fd,
    });
    Ok(sent.collect())
}
