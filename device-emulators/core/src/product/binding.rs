//! What a signal of a message carries.

use core::fmt;
use std::collections::BTreeMap;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::InvalidCodes;

/// What each signal of a message carries; `{i}` in a signal's name stands for a number and may be used in the point's.
pub type Binds = BTreeMap<Spanned<String>, Spanned<Binding>>;

/// What a signal carries, and what stands between the two: point = scale · signal + offset. In a file the name of a point
/// alone, or a table of these keys.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Binding {
    /// Point, or how a point compares with a number.
    pub point: String,
    /// 1 if left out.
    pub scale: Option<f64>,
    /// 0 if left out.
    pub offset: Option<f64>,
    /// The signal's sign is the other way round than the point's; it is turned before `scale` and `offset`.
    #[serde(default)]
    pub flip: bool,
    /// Unit of scale · signal + offset. If left out the point's where there is a scale or an offset, else the DBC's.
    pub unit: Option<String>,
    /// Raw codes for values that are not there, in place of the message's.
    pub invalid: Option<InvalidCodes>,
}

impl Binding {
    /// A point as it is.
    pub fn plain(point: &str) -> Self {
        Self {
            point: point.into(),
            scale: None,
            offset: None,
            flip: false,
            unit: None,
            invalid: None,
        }
    }

    /// Whether it says how to reckon.
    pub(crate) fn is_scaled(&self) -> bool {
        self.scale.or(self.offset).is_some()
    }

    /// Unit of scale · signal + offset, for a signal and a point in these units.
    pub(crate) fn unit_of<'a>(&'a self, signal: &'a str, point: &'a str) -> &'a str {
        match &self.unit {
            Some(unit) => unit,
            None if self.is_scaled() => point,
            None => signal,
        }
    }
}

impl<'de> Deserialize<'de> for Binding {
    /// A name or a table, with the errors of the table, which an untagged enum would swallow.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Binding;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a point, or a table with `point` and what stands between signal and point")
            }

            fn visit_str<E: serde::de::Error>(self, point: &str) -> Result<Binding, E> {
                Ok(Binding::plain(point))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Binding, A::Error> {
                // of the derive above, which is no method of the trait
                Binding::deserialize(MapAccessDeserializer::new(table))
            }
        }
        deserializer.deserialize_any(Either)
    }
}
