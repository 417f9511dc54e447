//! What a device says of itself (function 43, type 14): vendor, product, revision and what else its product file gives.

use std::collections::BTreeMap;

use bess_types::{ModbusData, ModbusException, ModbusIdentification, ModbusReply};
use serde::Deserialize;
use toml::Spanned;

use super::pdu::{IDENTIFICATION_HEAD, MAX_OBJECT, MAX_PDU};
use crate::product::{Product, ProductError, Source};

/// Highest object number of the basic, regular and extended identification.
const LAST_OBJECT: [u8; 3] = [0x02, 0x7F, 0xFF];
/// Access code for one object.
const ONE_OBJECT: u8 = 4;
/// Set in the conformity level of a device of which single objects can be asked.
const SINGLE_OBJECTS: u8 = 0x80;

/// A device's identification objects by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Identification {
    objects: BTreeMap<u8, String>,
    single_objects: bool,
}

impl Identification {
    /// What a product says in `[identification]`, in the products it inherits from, and else by its id, title and model.
    pub(super) fn of_product(product: &Product) -> Self {
        let printable = |text: &str| -> String {
            let ascii = text
                .chars()
                .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' });
            ascii.take(MAX_OBJECT).collect()
        };
        let mut objects = BTreeMap::from([
            (0, "bessrig".to_owned()),
            (1, printable(&product.id)),
            (2, env!("CARGO_PKG_VERSION").to_owned()),
            (4, printable(&product.title)),
            (5, printable(&product.model)),
        ]);
        let mut single_objects = true;
        let mut specs: Vec<&IdentificationSpec> = product.identifications().collect();
        specs.reverse();
        for spec in specs {
            for (object, text) in spec.named() {
                objects.insert(object, text.get_ref().clone());
            }
            for (object, text) in &spec.objects {
                // Checked when the product file was read.
                objects.extend(private_object(object.get_ref()).map(|object| (object, text.clone())));
            }
            single_objects = spec.single_objects.unwrap_or(single_objects);
        }
        Self {
            objects,
            single_objects,
        }
    }

    /// Answers function 43, type 14. A stream that begins at an object which is not there begins anew; a category the
    /// device does not reach is answered as far as it goes.
    pub(super) fn answer(&self, access: u8, object: u8) -> ModbusReply {
        let level = self.level();
        let reply = |next_object, objects: Vec<(u8, String)>| {
            Ok(ModbusData::Identification(ModbusIdentification {
                conformity: level | if self.single_objects { SINGLE_OBJECTS } else { 0 },
                next_object,
                objects,
            }))
        };
        if access == ONE_OBJECT && self.single_objects {
            let text = self.objects.get(&object);
            let text = text.ok_or(ModbusException::IllegalDataAddress)?;
            return reply(None, vec![(object, text.clone())]);
        }
        if !(1..=3).contains(&access) {
            return Err(ModbusException::IllegalDataValue);
        }
        let last = LAST_OBJECT[usize::from(access.min(level)) - 1];
        let known = object <= last && self.objects.contains_key(&object);
        let start = if known { object } else { 0 };
        let mut objects = Vec::new();
        let mut room = MAX_PDU - IDENTIFICATION_HEAD;
        for (&object, text) in self.objects.range(start..=last) {
            if text.len() + 2 > room {
                return reply(Some(object), objects);
            }
            room -= text.len() + 2;
            objects.push((object, text.clone()));
        }
        reply(None, objects)
    }

    /// 1 basic, 2 regular, 3 extended.
    fn level(&self) -> u8 {
        match self.objects.keys().last() {
            Some(0..=0x02) | None => 1,
            Some(0x03..=0x7F) => 2,
            Some(0x80..) => 3,
        }
    }
}

/// The `[identification]` table of a product file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentificationSpec {
    vendor: Option<Spanned<String>>,
    product_code: Option<Spanned<String>>,
    revision: Option<Spanned<String>>,
    vendor_url: Option<Spanned<String>>,
    product_name: Option<Spanned<String>>,
    model_name: Option<Spanned<String>>,
    application: Option<Spanned<String>>,
    /// Private objects, 0x80 to 0xFF.
    #[serde(default)]
    objects: BTreeMap<Spanned<String>, String>,
    /// Whether single objects can be asked for.
    single_objects: Option<bool>,
}

impl IdentificationSpec {
    fn named(&self) -> impl Iterator<Item = (u8, &Spanned<String>)> {
        let named = [
            &self.vendor,
            &self.product_code,
            &self.revision,
            &self.vendor_url,
            &self.product_name,
            &self.model_name,
            &self.application,
        ];
        (0..)
            .zip(named)
            .filter_map(|(object, text)| Some((object, text.as_ref()?)))
    }

    /// Refuses texts that do not fit, and objects that are not the vendor's to name.
    pub(crate) fn check(&self, source: &Source) -> Result<(), ProductError> {
        let refuse = |span, message: String, help: String| ProductError::Setting {
            place: source.place(span),
            key: "identification".into(),
            message,
            help,
        };
        let fits = |text: &str| text.is_ascii() && text.len() <= MAX_OBJECT;
        let texts = self.named().map(|(_, text)| (text.span(), text.get_ref()));
        let private = self.objects.iter().map(|(object, text)| (object.span(), text));
        for (span, text) in texts.chain(private) {
            if !fits(text) {
                return Err(refuse(
                    span,
                    format!("the text has {} bytes, or is not ASCII", text.len()),
                    format!("give at most {MAX_OBJECT} ASCII characters, what one answer has room for"),
                ));
            }
        }
        for object in self.objects.keys() {
            if private_object(object.get_ref()).is_none() {
                return Err(refuse(
                    object.span(),
                    format!("`{}` is no private object", object.get_ref()),
                    "number private objects 0x80 to 0xFF".into(),
                ));
            }
        }
        Ok(())
    }
}

/// The number of a private object, hexadecimal with 0x in front.
fn private_object(written: &str) -> Option<u8> {
    let digits = written.strip_prefix("0x")?;
    u8::from_str_radix(digits, 16)
        .ok()
        .filter(|object| *object >= 0x80)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    fn identification(objects: &[(u8, usize)], single_objects: bool) -> Identification {
        let text = |&(object, length): &(u8, usize)| (object, "x".repeat(length));
        Identification {
            objects: objects.iter().map(text).collect(),
            single_objects,
        }
    }

    /// Conformity, object to ask for next, objects.
    fn ask(
        of: &Identification,
        access: u8,
        object: u8,
    ) -> Result<(u8, Option<u8>, Vec<u8>), ModbusException> {
        let ModbusData::Identification(found) = of.answer(access, object)? else {
            panic!("another answer");
        };
        let objects = found.objects.iter().map(|(object, _)| *object).collect();
        Ok((found.conformity, found.next_object, objects))
    }

    #[test]
    fn a_stream_goes_as_far_as_the_category_and_the_device() {
        let all = identification(&[(0, 3), (1, 3), (2, 3), (4, 3), (5, 3), (0x80, 3)], true);
        assert_eq!(ask(&all, 1, 0), Ok((0x83, None, vec![0, 1, 2])));
        assert_eq!(ask(&all, 2, 0), Ok((0x83, None, vec![0, 1, 2, 4, 5])));
        assert_eq!(ask(&all, 3, 1), Ok((0x83, None, vec![1, 2, 4, 5, 0x80])));
        assert_eq!(
            ask(&all, 1, 4),
            Ok((0x83, None, vec![0, 1, 2])),
            "not in the category: anew"
        );
        assert_eq!(
            ask(&all, 2, 3),
            Ok((0x83, None, vec![0, 1, 2, 4, 5])),
            "not there: anew"
        );
        let basic = identification(&[(0, 3), (1, 3), (2, 3)], false);
        assert_eq!(ask(&basic, 3, 0), Ok((0x01, None, vec![0, 1, 2])));
    }

    #[test]
    fn one_object_is_given_where_the_device_gives_single_ones() {
        let regular = identification(&[(0, 3), (1, 3), (2, 3), (4, 3)], true);
        assert_eq!(ask(&regular, 4, 4), Ok((0x82, None, vec![4])));
        assert_eq!(ask(&regular, 4, 3), Err(ModbusException::IllegalDataAddress));
        let stream_only = identification(&[(0, 3), (1, 3), (2, 3), (4, 3)], false);
        assert_eq!(ask(&stream_only, 4, 4), Err(ModbusException::IllegalDataValue));
        for access in [0, 5, 255] {
            assert_eq!(ask(&regular, access, 0), Err(ModbusException::IllegalDataValue));
        }
    }

    #[test]
    fn what_does_not_fit_follows() {
        let long = identification(&[(0, 100), (1, 100), (2, 41), (4, 244), (5, 1)], true);
        assert_eq!(
            ask(&long, 2, 0),
            Ok((0x82, Some(2), vec![0, 1])),
            "one byte too many"
        );
        assert_eq!(ask(&long, 2, 2), Ok((0x82, Some(4), vec![2])));
        assert_eq!(ask(&long, 2, 4), Ok((0x82, Some(5), vec![4])), "fills a PDU");
        assert_eq!(ask(&long, 2, 5), Ok((0x82, None, vec![5])));
        let fits = identification(&[(0, 100), (1, 100), (2, 40)], true);
        assert_eq!(ask(&fits, 1, 0), Ok((0x81, None, vec![0, 1, 2])));
    }
}
