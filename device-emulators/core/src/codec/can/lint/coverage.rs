//! What a product's messages leave out: points of a row, codes for values that are not there, what controllers need.

use std::collections::BTreeMap;

use super::{Bound, DbcFile, Message, Signal, row_of};
use crate::codec::can::bits::BitField;
use crate::codec::modbus::lint::short;
use crate::codec::pattern;
use crate::finding::{Finding, Level};
use crate::kinds::used_over_can;
use crate::points::PointTable;
use crate::product::{CanSpec, DeviceKind, InvalidCodes, Source};

/// A product's port with what it makes of its DBC.
pub(super) struct Port<'a> {
    pub kind: DeviceKind,
    pub spec: &'a CanSpec,
    pub source: &'a Source,
    pub file: &'a DbcFile,
    pub listing: &'a [Message],
    pub table: &'a PointTable,
    pub bound: &'a [Bound],
}

/// What goes out as raw 0 for want of a code, in one message.
#[derive(Default)]
struct WithoutCode<'a> {
    /// For points that the product does not have.
    absent: Vec<(&'a Bound, &'a Signal)>,
    /// For points that may have no value now and then.
    open: Vec<(&'a Bound, &'a Signal)>,
}

impl<'a> Port<'a> {
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.rows(&mut findings);
        self.without_code(&mut findings);
        self.idle_codes(&mut findings);
        self.start_values(&mut findings);
        self.unheard(&mut findings);
        findings
    }

    fn sent(&self) -> impl Iterator<Item = &'a Bound> {
        self.bound.iter().filter(|bound| bound.is_sent)
    }

    /// Points of a row that no signal carries while others are, and points that two carry.
    fn rows(&self, findings: &mut Vec<Finding>) {
        let mut rows: BTreeMap<(&str, &str), BTreeMap<usize, Vec<&Bound>>> = BTreeMap::new();
        for bound in self.sent() {
            for (row, index) in bound.points().filter_map(row_of) {
                rows.entry(row).or_default().entry(index).or_default().push(bound);
            }
        }
        for ((before, after), carried) in &rows {
            let name = |index: usize| format!("{before}[{index}]{after}");
            let there = (0..).take_while(|index| self.table.find(&name(*index)).is_some());
            let missing: Vec<String> = there
                .filter(|index| !carried.contains_key(index))
                .map(name)
                .collect();
            let first = carried.values().flatten().next();
            if let Some(first) = first.filter(|_| !missing.is_empty()) {
                findings.push(Finding::warning(
                    &first.place,
                    format!(
                        "no signal carries {}, while others of the row are carried",
                        some_of(&missing)
                    ),
                    "hold the placeholders against the names in the DBC, or give the product as many points as it sends",
                ));
            }
            for (index, bounds) in carried.iter().filter(|(_, bounds)| bounds.len() > 1) {
                let signals: Vec<_> = bounds
                    .iter()
                    .map(|bound| format!("{} of {}", bound.signal, bound.message))
                    .collect();
                findings.push(Finding::warning(
                    &bounds[1].place,
                    format!("`{}` is carried by {}", name(*index), signals.join(" and by ")),
                    "hold the placeholders against the names in the DBC; who listens takes the one that comes last",
                ));
            }
        }
    }

    /// Signals whose value can be missing, without a code for that.
    fn without_code(&self, findings: &mut Vec<Finding>) {
        let mut messages: BTreeMap<&str, WithoutCode<'_>> = BTreeMap::new();
        for bound in self
            .sent()
            .filter(|bound| !bound.is_counter && !bound.has_values && !bound.is_lossy)
        {
            let Some(signal) = self.signal(bound).filter(|_| !self.has_code(bound)) else {
                continue;
            };
            let may_miss = |point: &str| {
                let def = self.table.find(point).map(|id| self.table.def(id));
                def.is_some_and(|def| def.states.is_empty() && def.unit != "1")
            };
            let found = messages.entry(&bound.message).or_default();
            // one that is not there is as the first of its row: a state or a number without a unit is 0 then
            let of_row = |point: &String| {
                let ((before, after), _) = row_of(point)?;
                Some(may_miss(&format!("{before}[0]{after}")))
            };
            if bound.absent.iter().any(|point| of_row(point).unwrap_or(true)) {
                found.absent.push((bound, signal));
            } else if bound.points().any(may_miss) {
                found.open.push((bound, signal));
            }
        }
        let help = "give invalid = { raw = 0xFFFF } for unsigned signals, { signed = 0x8000 } for signed ones; \
                    a signal of less than 8 bits has no code";
        // A sensor can fail; what a controller sends has a value whenever it runs.
        let measures = matches!(self.kind, DeviceKind::Bmu | DeviceKind::HvUnit);
        let level = if measures { Level::Warning } else { Level::Note };
        for (message, found) in messages {
            for (all, level) in [(found.absent, Level::Warning), (found.open, level)] {
                let Some((first, signal)) = all.first() else {
                    continue;
                };
                let names: Vec<_> = all.iter().map(|(bound, _)| bound.signal.clone()).collect();
                let points: Vec<_> = all.iter().flat_map(|(bound, _)| bound.absent.clone()).collect();
                let have = if names.len() == 1 { "has" } else { "have" };
                let why = if points.is_empty() {
                    format!("{have} no code for a value that is not there")
                } else {
                    format!(
                        "{have} no code for {}, which this product lacks",
                        some_of(&points)
                    )
                };
                let zero = if signal.kind == "signed" || signal.kind == "unsigned" {
                    format!("{} {}", short(signal.offset), signal.unit)
                } else {
                    "0".into()
                };
                findings.push(Finding {
                    level,
                    ..Finding::note(
                        &first.place,
                        format!(
                            "{} of {message} {why}: it goes out as raw 0, which is {}",
                            some_of(&names),
                            zero.trim_end()
                        ),
                        help,
                    )
                });
            }
        }
    }

    fn signal(&self, bound: &Bound) -> Option<&'a Signal> {
        let message = self
            .listing
            .iter()
            .find(|message| message.name == bound.message)?;
        message.signals.iter().find(|signal| signal.name == bound.signal)
    }

    fn has_code(&self, bound: &Bound) -> bool {
        let messages = self.file.dbc.messages.iter();
        messages
            .filter(|message| message.name == bound.message)
            .any(|message| {
                let signal = message.signals.iter().find(|signal| signal.name == bound.signal);
                signal.is_some_and(|signal| {
                    let value_type = self.file.value_type(message.id, &signal.name);
                    BitField::compile(signal, value_type, message.size, bound.codes)
                        .is_ok_and(|bits| bits.invalid().is_some())
                })
            })
    }

    /// Codes that no signal can have.
    fn idle_codes(&self, findings: &mut Vec<Finding>) {
        let sent = self
            .spec
            .transmit
            .iter()
            .map(|sent| (true, &sent.message, sent.invalid));
        let heard = self
            .spec
            .receive
            .iter()
            .map(|heard| (false, &heard.message, heard.invalid));
        for (is_sent, message, codes) in sent.chain(heard) {
            let own: Vec<&Bound> = self
                .bound
                .iter()
                .filter(|bound| bound.is_sent == is_sent && bound.binding.is_some())
                .filter(|bound| pattern::matches(message.get_ref(), &bound.message).is_some())
                .collect();
            let of_entry: Vec<&Bound> = own.iter().copied().filter(|bound| bound.codes == codes).collect();
            let place = self.source.place(message.span());
            for key in self.idle(codes, &of_entry) {
                findings.push(idle_code(&place, key, message.get_ref()));
            }
            for bound in own {
                let codes = bound.binding.as_ref().and_then(|binding| binding.invalid);
                for key in self.idle(codes.unwrap_or_default(), &[bound]) {
                    findings.push(idle_code(&bound.place, key, &bound.signal));
                }
            }
        }
    }

    /// Which of the codes are for none of the signals.
    fn idle(&self, codes: InvalidCodes, bound: &[&Bound]) -> Vec<&'static str> {
        let has = |kinds: &[&str]| {
            let mut signals = bound.iter().filter_map(|bound| self.signal(bound));
            signals.any(|signal| kinds.contains(&signal.kind) && signal.length >= 8)
        };
        [
            ("raw", codes.raw, has(&["unsigned", "float", "double"])),
            ("open_wire", codes.open_wire, has(&["unsigned"])),
            ("signed", codes.signed, has(&["signed"])),
        ]
        .into_iter()
        .filter(|(_, code, is_used)| code.is_some() && !is_used)
        .map(|(key, ..)| key)
        .collect()
    }

    /// Signals of messages that are sent to which nothing is bound: they say their start value for ever.
    fn start_values(&self, findings: &mut Vec<Finding>) {
        for message in self.listing {
            let matching = |pattern: &str| pattern::matches(pattern, &message.name).is_some();
            let sent = self
                .spec
                .transmit
                .iter()
                .find(|sent| matching(sent.message.get_ref()));
            let of_dbc = self
                .file
                .dbc
                .messages
                .iter()
                .find(|other| other.name == message.name);
            let (Some(sent), Some(of_dbc)) = (sent, of_dbc) else {
                continue;
            };
            let own: Vec<&Bound> = self
                .sent()
                .filter(|bound| bound.message == message.name)
                .collect();
            // of a pack too small for it
            let is_left_out = !own.is_empty() && own.iter().all(|bound| bound.means.is_empty());
            let has_page = |signal: &Signal| {
                let on_page =
                    |bound: &&Bound| self.signal(bound).is_some_and(|other| other.page == signal.page);
                matches!(signal.page.as_str(), "" | "M") || own.iter().any(on_page)
            };
            let forgotten = message.signals.iter().filter(|signal| {
                !is_left_out && own.iter().all(|bound| bound.signal != signal.name) && has_page(signal)
            });
            let told: Vec<String> = forgotten
                .filter_map(|signal| {
                    let raw = self.file.start_value(of_dbc.id, &signal.name)?;
                    Some(format!("{} (raw {})", signal.name, short(raw)))
                })
                .collect();
            if !told.is_empty() {
                findings.push(Finding::note(
                    &self.source.place(sent.message.span()),
                    format!(
                        "nothing is bound to {} of {}: always sent with the start value of the DBC",
                        some_of(&told),
                        message.name
                    ),
                    "bind a point, or write it under `constant` if it never changes",
                ));
            }
        }
    }

    /// Points that controllers use and no message carries.
    fn unheard(&self, findings: &mut Vec<Finding>) {
        let carries = |wanted: &str| {
            let row = row_of(wanted).map(|(row, _)| row);
            let mut points = self.sent().flat_map(Bound::points);
            points.any(|point| point == wanted || (row.is_some() && row_of(point).map(|(row, _)| row) == row))
        };
        let used = used_over_can(self.kind).iter();
        for used in used.filter(|used| used.port == self.spec.port.get_ref()) {
            let missing: Vec<String> = used
                .points
                .iter()
                .filter(|choice| !choice.iter().any(|point| carries(point)))
                .map(|choice| choice.join(" or "))
                .collect();
            if missing.is_empty() {
                continue;
            }
            let (level, help) = if used.is_shared {
                (
                    Level::Note,
                    "another device of the cluster must send it, or a rig with this one is refused",
                )
            } else {
                (
                    Level::Warning,
                    "bind them in [[can.transmit]] entries, unless another controller is to hear this device; \
                     a rig with this one is refused",
                )
            };
            let place = self.source.place(self.spec.dbc.span());
            let message = format!(
                "no message carries {}, which this rig's {} uses",
                missing.join(", "),
                used.who
            );
            findings.push(Finding {
                level,
                ..Finding::note(&place, message, help)
            });
        }
    }
}

fn idle_code(place: &crate::product::Place, key: &str, of: &str) -> Finding {
    let (kind, other) = if key == "signed" {
        ("signed", "`raw` for unsigned ones")
    } else {
        ("unsigned", "`signed` for signed ones")
    };
    Finding::warning(
        place,
        format!(
            "`{key}` in `invalid` of {of} is a code of {kind} signals of 8 bits or more, and none of them is bound here"
        ),
        format!("give {other}, or leave it out"),
    )
}

/// The first few of many.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 4;
    match names.len() {
        ..=SHOWN => names.join(", "),
        all => format!("{} and {} more", names[..SHOWN].join(", "), all - SHOWN),
    }
}
