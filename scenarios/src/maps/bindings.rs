//! Which register carries which point: a small file of its own, so that a new revision of the vendor's list keeps the
//! bindings.

use std::collections::BTreeMap;
use std::path::Path;

use bess_devices::codec::modbus::listing::{Meaning, Register};
use bess_devices::codec::pattern;
use serde::Deserialize;
use toml::Spanned;

use crate::bench::read_text;
use crate::mistake::Mistake;

/// Bindings by the names of registers.
#[derive(Debug)]
pub(crate) struct Bindings {
    file: String,
    text: String,
    bind: BTreeMap<Spanned<String>, Spanned<Binding>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Binding {
    Point(String),
    More(More),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct More {
    point: Option<String>,
    /// The register's sign is the other way round than the point's.
    #[serde(default)]
    flip: bool,
    /// The register's values are others than the point's: by name of the point's state, or its value.
    #[serde(default)]
    values: BTreeMap<String, f64>,
    /// Points, or comparisons of points, in single bits.
    #[serde(default)]
    bits: BTreeMap<String, String>,
    /// Raw value of a register that stands for no point.
    constant: Option<i64>,
    /// What a register of text says; `{model}` is the product's model.
    text: Option<String>,
    /// Raw value for "no value".
    invalid: Option<u64>,
    /// In place of the list's unit.
    unit: Option<String>,
}

impl Bindings {
    pub(crate) fn read(path: &Path) -> Result<Self, Mistake> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            bind: BTreeMap<Spanned<String>, Spanned<Binding>>,
        }
        let file = path.to_string_lossy().into_owned();
        let text = read_text(path).map_err(|why| {
            Mistake::new(
                format!("{file}: {why}"),
                "name a TOML file with a table [bind] after --points",
            )
        })?;
        let read: File = toml::from_str(&text).map_err(|error| {
            let help = "write [bind] and lines such as \"Name in the list\" = \"point\", or { point = \"...\", flip = true }";
            Mistake::at(&file, &text, error.span(), error.message().trim(), help)
        })?;
        Ok(Self {
            file,
            text,
            bind: read.bind,
        })
    }

    /// Puts points into the registers they are for. Every binding must find its register.
    pub(super) fn apply(&self, mut registers: Vec<&mut Register>) -> Result<(), Mistake> {
        for (name, binding) in &self.bind {
            let wanted = name.get_ref();
            let Some(register) = registers.iter_mut().find(|register| register.name == *wanted) else {
                let names = registers.iter().map(|register| register.name.as_str());
                let help = match pattern::nearest(wanted, names) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => "names are in the map that is written without --points".into(),
                };
                return Err(self.wrong(
                    name.span(),
                    format!("no register of the list is called `{wanted}`"),
                    help,
                ));
            };
            match binding.get_ref() {
                Binding::Point(point) => register.meaning = Meaning::Point(point.clone()),
                Binding::More(more) => {
                    put(more, register)
                        .map_err(|(message, help)| self.wrong(binding.span(), message, help))?;
                }
            }
        }
        Ok(())
    }

    fn wrong(
        &self,
        span: core::ops::Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Mistake {
        Mistake::at(&self.file, &self.text, Some(span), message, help)
    }
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
    if let Some(point) = &more.point {
        register.meaning = Meaning::Point(point.clone());
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
            bits.insert(number, point.clone());
        }
        register.meaning = Meaning::Bits(bits);
    }
    if more.flip {
        register.scale = -register.scale;
        register.offset = -register.offset;
    }
    register.values.clone_from(&more.values);
    if let Some(unit) = &more.unit {
        register.unit.clone_from(unit);
    }
    register.invalid = more.invalid.or(register.invalid);
    Ok(())
}
