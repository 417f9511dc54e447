//! Which register carries which point: a small file of its own, so that a new revision of the vendor's list keeps the
//! bindings.

use core::fmt;
use core::ops::Range;
use std::collections::BTreeMap;
use std::path::Path;

use bess_devices::codec::modbus::RegisterMap;
use bess_devices::codec::modbus::lint::alike;
use bess_devices::codec::modbus::listing::{Listing, Meaning, Register};
use bess_devices::codec::pattern;
use bess_devices::finding::Finding;
use bess_devices::kinds::point_table;
use bess_devices::library::Library;
use bess_devices::points::PointTable;
use bess_devices::product::{DeviceKind, ProductError, Source};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::{cells, write};
use crate::bench::read_text;
use crate::mistake::Mistake;

/// Bindings by the names of registers.
#[derive(Debug)]
pub(crate) struct Bindings {
    source: Source,
    kind: Option<Spanned<DeviceKind>>,
    bind: BTreeMap<Spanned<String>, Spanned<Binding>>,
}

/// A point's name, or a table with more.
#[derive(Debug)]
struct Binding(More);

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct More {
    point: Option<Spanned<String>>,
    /// The register's sign is the other way round than the point's.
    #[serde(default)]
    flip: bool,
    /// The register's values are others than the point's: by name of the point's state, or its value.
    #[serde(default)]
    values: BTreeMap<Spanned<String>, f64>,
    /// Points, or comparisons of points, in single bits.
    #[serde(default)]
    bits: BTreeMap<Spanned<String>, Spanned<String>>,
    /// Raw value of a register that stands for no point.
    constant: Option<i64>,
    /// What a register of text says; `{model}` is the product's model.
    text: Option<String>,
    /// Raw value for "no value".
    invalid: Option<u64>,
    /// In place of the list's unit.
    unit: Option<Spanned<String>>,
}

impl<'de> Deserialize<'de> for Binding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Binding;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a point, or a table such as { point = \"...\", flip = true }")
            }

            fn visit_str<E>(self, point: &str) -> Result<Binding, E> {
                // its place is that of the binding
                let point = Some(Spanned::new(0..0, point.to_owned()));
                Ok(Binding(More {
                    point,
                    ..More::default()
                }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Binding, A::Error> {
                More::deserialize(MapAccessDeserializer::new(map)).map(Binding)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The points bindings are held against.
#[derive(Debug)]
pub(crate) struct Against {
    /// What has them, for messages.
    who: String,
    table: PointTable,
    /// Points that register maps of such devices carry, and whether a client may write them in any.
    written: BTreeMap<String, bool>,
}

impl Against {
    /// The points of a product.
    pub(crate) fn product(id: &str, library: &Library) -> Result<Self, Mistake> {
        let product = library.product(id)?;
        Ok(Self {
            who: format!("product `{id}`"),
            table: point_table(&product)?,
            written: written(product.kind, library)?,
        })
    }

    /// The points of all products of a kind.
    fn kind(kind: DeviceKind, library: &Library) -> Result<Self, Mistake> {
        let mut table = PointTable::default();
        for id in library.product_ids() {
            let product = library.product(&id)?;
            if product.kind != kind {
                continue;
            }
            for (_, def) in point_table(&product)?.iter() {
                match (table.find(&def.name), def.states) {
                    (Some(_), _) => {}
                    (None, []) => {
                        table.value(&def.name, def.unit, def.min, def.max);
                    }
                    (None, states) => {
                        table.state(&def.name, states);
                    }
                }
            }
        }
        Ok(Self {
            who: format!("kind `{kind}`"),
            table,
            written: written(kind, library)?,
        })
    }
}

/// Which points are written in the register maps of a kind: those are commands and settings, others are measured.
fn written(kind: DeviceKind, library: &Library) -> Result<BTreeMap<String, bool>, ProductError> {
    let mut written: BTreeMap<String, bool> = BTreeMap::new();
    for id in library.product_ids() {
        let product = library.product(&id)?;
        let Some((map, _)) = product.registers().filter(|_| product.kind == kind) else {
            continue;
        };
        let listing = Listing::of(library.register_map(map.get_ref())?, &point_table(&product)?)?;
        for register in &listing.registers {
            for point in points_of(register) {
                *written.entry(point.to_owned()).or_default() |= register.writable;
            }
        }
    }
    Ok(written)
}

/// Points a register carries, apart from those it compares.
fn points_of(register: &Register) -> Vec<&str> {
    match &register.meaning {
        Meaning::Point(point) => vec![point],
        Meaning::Bits(bits) => bits
            .values()
            .map(String::as_str)
            .filter(|point| !point.contains([' ', '=', '<', '>']))
            .collect(),
        Meaning::Text(_) | Meaning::Constant(_) | Meaning::Held(_) | Meaning::Fill(_) | Meaning::Nothing => {
            vec![]
        }
    }
}

impl Bindings {
    pub(crate) fn read(path: &Path) -> Result<Self, Mistake> {
        let file = path.to_string_lossy().into_owned();
        let text = read_text(path).map_err(|why| {
            Mistake::new(
                format!("{file}: {why}"),
                "name a TOML file with a table [bind] after --points",
            )
        })?;
        Self::of(&file, &text)
    }

    /// Of a file's text.
    pub(crate) fn of(file: &str, text: &str) -> Result<Self, Mistake> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            kind: Option<Spanned<DeviceKind>>,
            bind: BTreeMap<Spanned<String>, Spanned<Binding>>,
        }
        let read: File = toml::from_str(text).map_err(|error| {
            let help = "write [bind] and lines such as \"Name in the list\" = \"point\", or { point = \"...\", flip = true }";
            Mistake::at(file, text, error.span(), error.message().trim(), help)
        })?;
        Ok(Self {
            source: Source::new(file, text),
            kind: read.kind,
            bind: read.bind,
        })
    }

    /// What the bindings are held against: a product, or the kind the file names.
    pub(crate) fn against(
        &self,
        product: Option<&str>,
        library: &Library,
    ) -> Result<Option<Against>, Mistake> {
        match (product, &self.kind) {
            (Some(id), None) => Against::product(id, library).map(Some),
            (None, Some(kind)) => Against::kind(*kind.get_ref(), library).map(Some),
            (None, None) => Ok(None),
            (Some(id), Some(kind)) => {
                let is = library.product(id)?.kind;
                if is != *kind.get_ref() {
                    let message = format!("the kind is `{}`, but --product {id} is a {is}", kind.get_ref());
                    return Err(self.wrong(kind.span(), message, "correct one of the two"));
                }
                Against::product(id, library).map(Some)
            }
        }
    }

    /// Puts points into the registers they are for. Every binding must find its register and, where points to hold it
    /// against are given, its point; else everything that is wrong. What comes back is doubtful.
    pub(super) fn apply(
        &self,
        mut registers: Vec<&mut Register>,
        against: Option<&Against>,
    ) -> Result<Vec<Finding>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut bound = Vec::new();
        for (name, binding) in &self.bind {
            let wanted = name.get_ref();
            let Some(at) = position(&registers, wanted) else {
                let names = registers.iter().map(|register| register.name.as_str());
                let help = match pattern::nearest(wanted, names) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => "names are in the map that is written without --points".into(),
                };
                let message = format!("no register of the list is called `{wanted}`");
                mistakes.push(self.wrong(name.span(), message, help));
                continue;
            };
            let more = &binding.get_ref().0;
            if let Err((message, help)) = put(more, registers[at]) {
                mistakes.push(self.wrong(binding.span(), message, help));
                continue;
            }
            if let Some(against) = against {
                mistakes.extend(self.judged(binding, registers[at], against));
            }
            bound.push((binding.span(), at));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let mut findings = Vec::new();
        for (span, at) in &bound {
            findings.extend(alike(&*registers[*at], &self.source.place(span.clone())));
        }
        if let Some(against) = against {
            let registers: Vec<&Register> = registers.iter().map(|register| &**register).collect();
            for (span, at) in bound {
                findings.extend(self.doubts(&span, registers[at], &registers, against));
            }
        }
        Ok(findings)
    }

    /// What the compiler of register maps says of a bound register, in the line of this file.
    fn judged(&self, binding: &Spanned<Binding>, register: &Register, against: &Against) -> Vec<Mistake> {
        let more = &binding.get_ref().0;
        let near = |span: Option<Range<usize>>| {
            span.filter(|span| !span.is_empty())
                .unwrap_or_else(|| binding.span())
        };
        let refused = |register: &Register| {
            let text = write::one(register);
            RegisterMap::compile("", &text, &against.table, "").err()
        };
        let wrong = |span: Range<usize>, error: &ProductError| {
            let (message, help) = match error {
                ProductError::UnknownPoint { point, nearest, .. } => (
                    format!("`{}`: {} has no point `{point}`", register.name, against.who),
                    nearest.as_ref().map_or_else(
                        || "bessrig points --rig RIG lists the points of a rig's devices".to_owned(),
                        |nearest| format!("did you mean `{nearest}`?"),
                    ),
                ),
                ProductError::Unit {
                    unit,
                    point,
                    point_unit,
                    ..
                } => (
                    format!(
                        "`{}` is in {unit}, and `{point}` is in {point_unit}: no factor leads from one to the other",
                        register.name
                    ),
                    format!("bind another point, or give unit = \"...\", one like {point_unit}"),
                ),
                other => {
                    let finding = Finding::from(other.clone());
                    (format!("`{}`: {}", register.name, finding.message), finding.help)
                }
            };
            self.wrong(span, message, help)
        };
        if let Meaning::Bits(bits) = &register.meaning {
            let mut mistakes = Vec::new();
            for (bit, point) in bits {
                let one = Register {
                    meaning: Meaning::Bits([(*bit, point.clone())].into()),
                    ..register.clone()
                };
                if let Some(error) = refused(&one) {
                    let span = more.bits.values().find(|value| value.get_ref() == point);
                    mistakes.push(wrong(near(span.map(Spanned::span)), &error));
                }
            }
            return mistakes;
        }
        let Some(error) = refused(register) else {
            return vec![];
        };
        let of_point = more.point.as_ref().map(Spanned::span);
        let def = more
            .point
            .as_ref()
            .and_then(|point| against.table.find(point.get_ref()))
            .map(|id| against.table.def(id));
        let span = match &error {
            ProductError::Unit { .. } => more.unit.as_ref().map(Spanned::span).or(of_point),
            ProductError::UnknownPoint { .. } => of_point,
            _ => {
                let mut states = more.values.keys();
                states
                    .find(|state| def.is_some_and(|def| def.value_of(state.get_ref()).is_none()))
                    .map(Spanned::span)
            }
        };
        vec![wrong(near(span), &error)]
    }

    /// A measured value that may be written, and a command nobody can write.
    fn doubts(
        &self,
        span: &Range<usize>,
        register: &Register,
        all: &[&Register],
        against: &Against,
    ) -> Vec<Finding> {
        let place = self.source.place(span.clone());
        let mut findings = Vec::new();
        if let Meaning::Point(point) = &register.meaning
            && register.unit.is_empty()
            && !register.is_bit()
            && let Some(def) = against.table.find(point).map(|id| against.table.def(id))
            && def.states.is_empty()
            && !matches!(def.unit, "" | "1")
        {
            findings.push(Finding::warning(
                &place,
                format!(
                    "`{}` has no unit in the list: {} is taken, that of `{point}`",
                    register.name, def.unit
                ),
                format!(
                    "ask the vendor, and give unit = \"...\" here, one like {}",
                    def.unit
                ),
            ));
        }
        for point in points_of(register) {
            let is_written = against.written.get(point).copied();
            if register.writable && is_written == Some(false) {
                findings.push(Finding::warning(
                    &place,
                    format!(
                        "`{}` may be written, but `{point}` is a measured value, which no map of such a device lets write",
                        register.name
                    ),
                    "bind a command or setting, or correct the register's access in the list",
                ));
            }
            let carries = |other: &&&Register| other.writable && points_of(other).contains(&point);
            if !register.writable && is_written == Some(true) && !all.iter().any(|other| carries(&other)) {
                findings.push(Finding::warning(
                    &place,
                    format!(
                        "`{point}` is a command or setting, but `{}` ({}) cannot be written, and no other register carries it",
                        register.name,
                        super::table_in_words(register.table)
                    ),
                    "bind it to a register that is written, or correct the table or access in the list",
                ));
            }
        }
        findings
    }

    fn wrong(&self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Mistake {
        Mistake::at(&self.source.file, &self.source.text, Some(span), message, help)
    }
}

/// The register of this name, or else the only one that has it with or without a unit in brackets.
fn position(registers: &[&mut Register], wanted: &str) -> Option<usize> {
    let exact = registers.iter().position(|register| register.name == wanted);
    let is_like = |name: &str| cells::without_unit(name) == wanted || name == cells::without_unit(wanted);
    let mut like = (registers.iter().enumerate())
        .filter(|(_, register)| is_like(&register.name))
        .map(|(at, _)| at);
    exact.or_else(|| like.next().filter(|_| like.next().is_none()))
}

fn put(more: &More, register: &mut Register) -> Result<(), (String, &'static str)> {
    let given = [
        more.point.is_some(),
        !more.bits.is_empty(),
        more.constant.is_some(),
        more.text.is_some(),
    ];
    if given.into_iter().filter(|given| *given).count() != 1 {
        return Err((
            "a binding has one of point, bits, constant and text".into(),
            "a register carries one point, or points in its bits, or a constant, or a text",
        ));
    }
    if more.point.is_none() && (more.flip || !more.values.is_empty()) {
        return Err((
            "flip and values are for a point".into(),
            "add the point, or leave them out",
        ));
    }
    if let Meaning::Fill(_) | Meaning::Text(_) = register.meaning
        && more.text.is_none()
    {
        return Err((
            format!(
                "`{}` has no number: it is a text, reserved, or of a type that is not served",
                register.name
            ),
            "bind another register, or correct its name and its type in the list",
        ));
    }
    if let Some(point) = &more.point {
        register.meaning = Meaning::Point(point.get_ref().clone());
    }
    if let Some(constant) = more.constant {
        register.meaning = if register.writable {
            Meaning::Held(constant)
        } else {
            Meaning::Constant(constant)
        };
    }
    if let Some(text) = &more.text {
        if !matches!(register.meaning, Meaning::Text(_)) || text.len() > 2 * register.words as usize {
            return Err((
                format!("`{}` has no room for this text", register.name),
                "texts are for registers of type string, two bytes each",
            ));
        }
        register.meaning = Meaning::Text(text.clone());
    }
    if !more.bits.is_empty() {
        let mut bits = BTreeMap::new();
        for (bit, point) in &more.bits {
            let bit = bit.get_ref();
            let named = register.bit_names.iter().find(|(_, name)| *name == bit);
            let number = match named {
                Some(((first, _), _)) => Some(*first),
                None => bit.parse().ok(),
            };
            let number = number.ok_or_else(|| {
                (
                    format!("`{}` has no bit called `{bit}`", register.name),
                    "give a bit's number, or its name in the list",
                )
            })?;
            bits.insert(number, point.get_ref().clone());
        }
        register.meaning = Meaning::Bits(bits);
    }
    if more.flip {
        register.scale = -register.scale;
        register.offset = -register.offset;
    }
    let values = more.values.iter();
    register.values = values
        .map(|(state, value)| (state.get_ref().clone(), *value))
        .collect();
    if let Some(unit) = &more.unit {
        register.unit.clone_from(unit.get_ref());
    }
    register.invalid = more.invalid.or(register.invalid);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::super::import::{Import, Wishes};
    use super::super::sheet::Sheet;
    use super::*;

    const LIST: &str = "Address,FC,Name,Type,Unit,R/W,Remark\n\
        0,04,Power,I32,kW,R,\n2,04,Status,U16,,R,\"Bit 0: Run, Bit 1: Fault\"\n3,04,State,U16,,R,\n\
        0,03,Set point,I32,kW,RW,\n2,03,Current,I16,A,RW,\n4,04,Set point in use,I32,kW,R,\n";

    /// What is said of bindings: mistakes, or doubts.
    fn said(points: &str) -> String {
        let sheet = Sheet::of_csv(LIST.as_bytes());
        let mut import = Import::of("list.csv", &[sheet], &Wishes::default()).unwrap();
        let before = import.findings.len();
        let library = Library::shipped();
        let bound = Bindings::of("points.toml", points).and_then(|bindings| {
            let against = bindings.against(None, &library)?;
            Ok(import.bind(&bindings, against.as_ref()))
        });
        let mistakes = match bound {
            Err(mistake) => vec![mistake],
            Ok(Err(mistakes)) => mistakes,
            Ok(Ok(())) => vec![],
        };
        let mistakes = mistakes.iter().map(|mistake| {
            let help = mistake.diagnostic().help().map(|help| help.to_string());
            format!("{mistake}\n    {}", help.unwrap_or_default())
        });
        let findings = import.findings[before..].iter().map(ToString::to_string);
        let all: Vec<_> = mistakes.chain(findings).collect();
        all.join("\n")
    }

    #[test]
    fn right_ones_are_taken_without_a_word() {
        let points = "kind = \"pcs\"\n[bind]\n\"Power\" = \"active-power\"\n\
            \"Set point\" = { point = \"active-power-setpoint\", flip = true }\n\
            \"Set point in use\" = \"active-power-setpoint\"\n\
            [bind.Status.bits]\nRun = \"pcs-state == running\"\nFault = \"pcs-state == fault\"\n";
        assert_eq!(said(points), "");
    }

    #[test]
    fn wrong_ones_are_named_with_their_line() {
        let all = [
            // three at once
            "kind = \"pcs\"\n[bind]\n\"Power\" = \"activ-power\"\n\"Current\" = { point = \"dc-voltage\" }\n\
             \"State\" = { point = \"pcs-state\", values = { off = 1, runing = 2 } }\n",
            "kind = \"pcs\"\n[bind.Status.bits]\nRun = \"pcs-state == runing\"\nFault = \"fautl-word\"\n",
            "kind = \"pcs\"\n[bind]\n\"Power\" = { point = \"active-power\", unit = \"V\" }\n\"Powr\" = \"frequency\"\n",
            "[bind]\n\"Power\" = { pont = \"active-power\" }\n",
            "[bind]\n\"Power\" = 7\n",
            "kind = \"pc\"\n[bind]\n",
            "[bind]\n\"Power\" = { constant = 1, text = \"x\" }\n",
        ];
        let all: Vec<_> = all.iter().map(|points| said(points)).collect();
        insta::assert_snapshot!(all.join("\n----\n"));
    }

    #[test]
    fn two_states_of_one_value_are_a_warning() {
        for kind in ["", "kind = \"pcs\"\n"] {
            let points = |values: &str| {
                format!("{kind}[bind]\n\"State\" = {{ point = \"pcs-state\", values = {{ {values} }} }}\n")
            };
            let heard = said(&points("off = 0, standby = 1, starting = 1, running = 2"));
            assert!(
                heard.contains("warning: `State` has 1 for standby and starting"),
                "{heard}"
            );
            let heard = said(&points("off = 0, standby = 1, starting = 3, running = 2"));
            assert!(!heard.contains("`State` has"), "{heard}");
        }
    }

    #[test]
    fn commands_nobody_can_write_and_measured_values_somebody_can() {
        insta::assert_snapshot!(said(
            "kind = \"pcs\"\n[bind]\n\"Set point in use\" = \"active-power-setpoint\"\n\"Current\" = \"dc-current\"\n"
        ));
    }
}
