//! What is likely wrong with a register map, beyond what cannot be compiled.

use std::collections::BTreeMap;

use bess_types::Table;

use super::listing::{Listing, Meaning, Register, name_of_table};
use super::number::RegisterType;
use super::pdu::{MAX_READ_BITS, MAX_READ_REGISTERS, MAX_WRITE_REGISTERS, is_bits};
use crate::codec::can::test_of;
use crate::codec::unit;
use crate::finding::Finding;
use crate::points::{PointDef, PointTable};
use crate::product::Place;

/// Looks through a map; `points` are those of the products that use it.
pub fn lint(listing: &Listing, points: &[&PointTable]) -> Vec<Finding> {
    let mut findings = Vec::new();
    overlaps(listing, &mut findings);
    holes(listing, &mut findings);
    requests(listing, &mut findings);
    word_order(listing, &mut findings);
    names(listing, &mut findings);
    for register in &listing.registers {
        texts_and_access(register, &mut findings);
        findings.extend(alike(register, &register.place));
        for table in points {
            let before = findings.len();
            bound(register, table, &mut findings);
            if findings.len() > before {
                // The same for every product of the kind.
                break;
            }
        }
    }
    bound_twice(listing, &mut findings);
    findings.sort_by(|a, b| (&a.place.file, a.place.line).cmp(&(&b.place.file, b.place.line)));
    findings.dedup();
    findings
}

/// Points that controllers use and no register of the map carries.
pub fn unserved(listing: &Listing, used: &[(&str, &[&str])], place: &Place) -> Vec<Finding> {
    let carried = |wanted: &str| {
        listing.registers.iter().any(|register| match &register.meaning {
            Meaning::Point(point) => point == wanted,
            Meaning::Bits(bits) => bits.values().any(|point| point == wanted),
            Meaning::Text(_)
            | Meaning::Constant(_)
            | Meaning::Held(_)
            | Meaning::Fill(_)
            | Meaning::Nothing => false,
        })
    };
    let mut findings = Vec::new();
    for (who, points) in used {
        let missing: Vec<_> = points.iter().copied().filter(|point| !carried(point)).collect();
        if !missing.is_empty() {
            findings.push(Finding::warning(
                place,
                format!(
                    "no register carries {}, which this rig's {who} uses",
                    missing.join(", ")
                ),
                "bind them, unless another controller is to drive this device",
            ));
        }
    }
    findings
}

/// Registers by table and address; mirrored ones in their twin as well.
fn by_table(listing: &Listing) -> BTreeMap<Table, Vec<&Register>> {
    let mut tables: BTreeMap<Table, Vec<&Register>> = BTreeMap::new();
    for register in &listing.registers {
        tables.entry(register.table).or_default().push(register);
        if register.mirror {
            let twin = match register.table {
                Table::Holding => Table::Input,
                Table::Coil => Table::DiscreteInput,
                other => other,
            };
            tables.entry(twin).or_default().push(register);
        }
    }
    for registers in tables.values_mut() {
        registers.sort_by_key(|register| register.address);
    }
    tables
}

fn overlaps(listing: &Listing, findings: &mut Vec<Finding>) {
    for (table, registers) in by_table(listing) {
        let mut before: Option<&Register> = None;
        for register in registers {
            if let Some(other) = before.filter(|other| other.end() > register.address) {
                let help = if other.end() == register.address + 1 && other.words > 1 {
                    "move one of the two; if addresses are off by one or a type is too long, correct that"
                } else {
                    "move or remove one of the two"
                };
                findings.push(Finding::error(
                    &register.place,
                    format!(
                        "{} at {} {} overlaps {} of line {}, at {}",
                        register.label(),
                        name_of_table(table),
                        register.address,
                        other.label(),
                        other.place.line,
                        span(other)
                    ),
                    help,
                ));
            }
            if before.is_none_or(|other| register.end() > other.end()) {
                before = Some(register);
            }
        }
    }
}

fn span(register: &Register) -> String {
    match register.words {
        0 | 1 => register.address.to_string(),
        _ => format!("{}-{}", register.address, register.end() - 1),
    }
}

/// Holes between registers of one block.
fn holes(listing: &Listing, findings: &mut Vec<Finding>) {
    let mut blocks: BTreeMap<(&str, Table), Vec<&Register>> = BTreeMap::new();
    for register in &listing.registers {
        blocks
            .entry((&register.block, register.table))
            .or_default()
            .push(register);
    }
    for ((block, table), registers) in blocks {
        let start = registers
            .iter()
            .map(|register| register.address)
            .min()
            .unwrap_or(0);
        let end = registers.iter().map(|register| register.end()).max().unwrap_or(0);
        let taken = registers
            .iter()
            .map(|register| (register.address, register.end()));
        let holes = super::listing::holes(taken.collect(), start, end);
        if holes.is_empty() {
            continue;
        }
        let texts: Vec<_> = holes
            .iter()
            .take(8)
            .map(|(from, until)| match until - from {
                1 => from.to_string(),
                _ => format!("{from}-{}", until - 1),
            })
            .collect();
        let more = if holes.len() > 8 { " and more" } else { "" };
        findings.push(Finding::note(
            &registers[0].place,
            format!(
                "holes in block \"{block}\" ({}): {}{more}; a read across one gets exception 02",
                name_of_table(table),
                texts.join(", ")
            ),
            "if the device answers such a read, give the block `length` and `fill`",
        ));
    }
}

/// What a client that reads from the first register on, as much as one request takes, would cut in two.
fn requests(listing: &Listing, findings: &mut Vec<Finding>) {
    for (table, registers) in by_table(listing) {
        let limit = u32::from(if is_bits(table) {
            MAX_READ_BITS
        } else {
            MAX_READ_REGISTERS
        });
        let mut start = None;
        let mut end = 0;
        for register in registers {
            let from = match start {
                Some(from) if register.address <= end => from,
                _ => register.address,
            };
            start = Some(from);
            end = end.max(register.end());
            let filler = matches!(register.meaning, Meaning::Fill(_));
            let limit_of_writes = u32::from(MAX_WRITE_REGISTERS);
            if register.words > limit && !filler {
                findings.push(Finding::warning(
                    &register.place,
                    format!(
                        "{} has {} registers, and one request reads {limit}",
                        register.label(),
                        register.words
                    ),
                    "split it, or live with clients that cannot read it",
                ));
            } else if register.writable && register.words > limit_of_writes {
                findings.push(Finding::warning(
                    &register.place,
                    format!(
                        "{} has {} registers, and one request writes {limit_of_writes}",
                        register.label(),
                        register.words
                    ),
                    "split it",
                ));
            } else if !filler && (register.address - from) / limit != (register.end() - 1 - from) / limit {
                findings.push(Finding::note(
                    &register.place,
                    format!(
                        "a client that reads {limit} registers at a time from {from} on cuts {} at {} in two",
                        register.label(),
                        span(register)
                    ),
                    "read in requests that begin with a value, or move the value",
                ));
            }
        }
    }
}

fn word_order(listing: &Listing, findings: &mut Vec<Finding>) {
    let long = listing.registers.iter().filter(|register| {
        let is_number = !matches!(
            register.meaning,
            Meaning::Text(_) | Meaning::Fill(_) | Meaning::Nothing
        );
        is_number && !register.is_bit() && register.words > 1
    });
    let (low, high): (Vec<&Register>, Vec<&Register>) = long.partition(|register| register.low_word_first);
    if low.is_empty() || high.is_empty() {
        return;
    }
    let (few, order, others) = if low.len() < high.len() {
        (&low, "low", high.len())
    } else {
        (&high, "high", low.len())
    };
    for register in few {
        findings.push(Finding::warning(
            &register.place,
            format!(
                "{} has the {order} word first, {others} other long value{} of this map the other one",
                register.label(),
                if others == 1 { "" } else { "s" }
            ),
            "few devices mix word orders: correct `word_order`, unless the vendor's manual says so",
        ));
    }
}

fn names(listing: &Listing, findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<&str, &Register> = BTreeMap::new();
    for register in listing
        .registers
        .iter()
        .filter(|register| !register.name.is_empty())
    {
        if let Some(other) = seen
            .get(register.name.as_str())
            .filter(|other| other.place != register.place)
        {
            findings.push(Finding::warning(
                &register.place,
                format!("`{}` is the name of line {} too", register.name, other.place.line),
                "give each register a name of its own",
            ));
        }
        seen.entry(&register.name).or_insert(register);
    }
}

fn texts_and_access(register: &Register, findings: &mut Vec<Finding>) {
    if register.writable && matches!(register.table, Table::Input | Table::DiscreteInput) {
        findings.push(Finding::error(
            &register.place,
            format!(
                "{} is to be written, but its table is read-only in Modbus",
                register.label()
            ),
            "leave access out, or move it to holding registers or coils",
        ));
    }
    let fits = |value: &i64| {
        let (low, high) = register.kind.range();
        let value = *value as f64;
        register.kind == RegisterType::F32 || (low..=high).contains(&value)
    };
    if let Some((value, name)) = register.names.iter().find(|(value, _)| !fits(value)) {
        findings.push(Finding::warning(
            &register.place,
            format!(
                "{} has a name for {value}, `{name}`, which is no {}",
                register.label(),
                register.kind
            ),
            "correct the type or the value",
        ));
    }
}

/// States that have one raw value, which a listener cannot tell apart.
pub fn alike<'a>(register: &'a Register, place: &'a Place) -> impl Iterator<Item = Finding> + 'a {
    let states = |raw: f64| {
        let same = register
            .values
            .iter()
            .filter(move |(_, value)| value.total_cmp(&raw).is_eq());
        same.map(|(state, _)| state.as_str())
    };
    let doubled = register.values.iter().filter_map(move |(state, &raw)| {
        let all: Vec<_> = states(raw).collect();
        // told once, at the first of them
        (all.len() > 1 && all[0] == state).then_some((raw, all))
    });
    doubled.map(|(raw, all)| {
        Finding::warning(
            place,
            format!(
                "`{}` has {raw} for {}: who reads it cannot tell them apart",
                register.label(),
                all.join(" and ")
            ),
            "give each state a raw value of its own, unless the device has none for it",
        )
    })
}

/// What is bound, against the points of a product.
fn bound(register: &Register, table: &PointTable, findings: &mut Vec<Finding>) {
    let point = |name: &str| table.find(test_of(name).0).map(|id| table.def(id));
    match &register.meaning {
        Meaning::Point(name) => {
            if let Some(def) = point(name) {
                value(register, def, findings);
            }
        }
        Meaning::Bits(bits) => {
            for (bit, name) in bits {
                let Some(def) = point(name) else { continue };
                if test_of(name).1.is_none() && def.max > 1.0 {
                    findings.push(Finding::warning(
                        &register.place,
                        format!(
                            "bit {bit} is on whenever `{name}` is not 0, and `{name}` goes up to {}",
                            def.max
                        ),
                        "compare it with something, as in \"pcs-state == running\"",
                    ));
                }
            }
        }
        Meaning::Text(_) | Meaning::Constant(_) | Meaning::Held(_) | Meaning::Fill(_) | Meaning::Nothing => {}
    }
}

fn value(register: &Register, def: &PointDef, findings: &mut Vec<Finding>) {
    if register.is_bit() {
        return;
    }
    let Some(factor) = unit_factor(register, def) else {
        return;
    };
    no_range(&register.place, &register.label(), def, findings);
    if !def.states.is_empty() && !register.values.is_empty() {
        let without: Vec<_> = (def.states.iter().enumerate())
            .filter(|(value, state)| {
                let number = value.to_string();
                !register.values.contains_key(**state) && !register.values.contains_key(&number)
            })
            .map(|(_, state)| *state)
            .collect();
        if !without.is_empty() {
            findings.push(Finding::warning(
                &register.place,
                format!(
                    "`values` has no number for {} of `{}`",
                    without.join(", "),
                    def.name
                ),
                "add them; a state without a number reads as \"no value\"",
            ));
        }
        return;
    }
    let (low, high) = register.range();
    let (low, high) = (low * factor, high * factor);
    let step = (register.scale * factor).abs();
    // a counter that begins again has no end
    let is_cut = !register.effects.lossy && !def.rolls && !register.kind.counts_on();
    if is_cut && (def.min < low - step || def.max > high + step) {
        let (low, high, min, max) = (short(low), short(high), short(def.min), short(def.max));
        findings.push(Finding::warning(
            &register.place,
            format!(
                "{} as {} at {} says {low} to {high} {u}, and `{}` goes from {min} to {max} {u}: what is outside is cut off",
                register.label(),
                register.kind,
                register.scale,
                def.name,
                u = def.unit,
            ),
            "take a wider type or a coarser scale; where the vendor's map has no more, write lossy = true",
        ));
    }
    if step > def.max - def.min {
        findings.push(Finding::warning(
            &register.place,
            format!(
                "one step of {} is {} {}, more than all of `{}`",
                register.label(),
                short(step),
                def.unit,
                def.name
            ),
            "correct the scale or the unit",
        ));
    }
}

/// A point whose range says nothing.
pub(crate) fn no_range(place: &Place, what: &str, def: &PointDef, findings: &mut Vec<Finding>) {
    if !(def.min < def.max && def.min.is_finite() && def.max.is_finite()) {
        findings.push(Finding::warning(
            place,
            format!(
                "{what}: `{}` has no range, so nothing is known of what it must hold",
                def.name
            ),
            "give the point a range",
        ));
    }
}

/// From the register's unit to the point's; nothing if they do not fit, which the compiler says.
fn unit_factor(register: &Register, def: &PointDef) -> Option<f64> {
    if register.unit.is_empty() {
        return Some(1.0);
    }
    unit::factor(&register.unit, def.unit)
}

/// Two registers that write one point: a client uses the first.
fn bound_twice(listing: &Listing, findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<&str, &Register> = BTreeMap::new();
    for register in listing.registers.iter().filter(|register| register.writable) {
        let Meaning::Point(point) = &register.meaning else {
            continue;
        };
        if let Some(other) = seen.get(point.as_str()) {
            findings.push(Finding::note(
                &register.place,
                format!(
                    "`{point}` is written in line {} too; this rig's clients write there",
                    other.place.line
                ),
                "",
            ));
        }
        seen.entry(point).or_insert(register);
    }
}

/// A figure for people.
pub(crate) fn short(value: f64) -> String {
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{value:.3e}")
    }
}
