//! A DBC read at run time, and what its attributes say.

use can_dbc::{
    AttributeValue, Dbc, ExtendedMultiplex, Message, MessageId, MultiplexIndicator, Signal,
    SignalExtendedValueType,
};

use crate::product::{ProductError, Source};

/// A parsed DBC with its file name.
#[derive(Clone, Debug)]
pub struct DbcFile {
    /// Path it was read from.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Its content.
    pub dbc: Dbc,
}

/// Where Vector's editors keep signals that are in no message.
pub(super) const NO_MESSAGE: &str = "VECTOR__INDEPENDENT_SIG_MSG";

impl DbcFile {
    /// Parses a DBC text. What some editors write as a message but is none is left out.
    ///
    /// # Errors
    /// If it does not parse.
    pub fn parse(file: &str, text: &str) -> Result<Self, ProductError> {
        let mut dbc = Dbc::try_from(text).map_err(|error| {
            let source = Source::new(file, text);
            let (line, message) = told_by_parser(&error.to_string());
            ProductError::Dbc {
                place: source.place(source.line(line)),
                message,
            }
        })?;
        dbc.messages.retain(|message| message.name != NO_MESSAGE);
        Ok(Self {
            file: file.into(),
            text: text.into(),
            dbc,
        })
    }
}

/// Line and message from the parser's drawing: ` --> 14:1 … = expected …`.
fn told_by_parser(text: &str) -> (usize, String) {
    let line = text
        .split_once("--> ")
        .and_then(|(_, rest)| rest.split_once(':')?.0.parse().ok());
    let essence = match text.rsplit_once('\n') {
        Some((_, last)) => last.trim_start_matches([' ', '=']),
        None => text,
    };
    let message = match essence.strip_prefix("expected ") {
        // Of a list of all sections nobody learns anything.
        Some(expected) if expected.starts_with("EOI") => {
            "what stands here begins no section of a DBC, such as BO_, SG_, CM_, BA_DEF_, BA_ or VAL_"
                .to_owned()
        }
        Some(expected) => format!("this does not go on as a DBC does: expected {expected}"),
        None => format!("this is not as in a DBC: {essence}"),
    };
    (line.unwrap_or(1), message)
}

/// Most pages a multiplexed message may have.
const MOST_PAGES: usize = 1024;
/// Multiplexors below one another.
const DEEPEST: usize = 8;

/// One page of a message: the value of each multiplexor in it, and the signals it has.
#[derive(Clone, Debug)]
pub(super) struct Page<'a> {
    pub multiplexors: Vec<(&'a Signal, u64)>,
    pub signals: Vec<&'a Signal>,
}

impl DbcFile {
    /// Cycle time a message's attribute, or else the attribute's default, gives it, in whole ms; 0 is none.
    pub(super) fn cycle_ms(&self, id: MessageId) -> Option<u64> {
        let value = self.dbc.resolved_message_attribute(id, "GenMsgCycleTime");
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive and below a day"
        )]
        value
            .and_then(number)
            .filter(|ms| (0.5..=86_400_000.0).contains(ms))
            .map(|ms| ms.round() as u64)
    }

    /// Start value a signal's attribute, or else the attribute's default, gives it, as a raw value.
    pub(super) fn start_value(&self, id: MessageId, signal: &str) -> Option<f64> {
        let value = self.dbc.resolved_signal_attribute(id, signal, "GenSigStartValue");
        value.and_then(number)
    }

    /// Whether a message goes out in CAN FD format: its attribute or the attribute's default says so, or it is too long
    /// for the classic one. An editor writes a default by its name, an own value by its number.
    pub(super) fn is_fd(&self, message: &Message) -> bool {
        let format = |value: &AttributeValue| match value {
            AttributeValue::Uint(code) => matches!(code, 14 | 15),
            AttributeValue::String(name) => name.ends_with("CAN_FD"),
            _ => false,
        };
        let value = self.dbc.resolved_message_attribute(message.id, "VFrameFormat");
        message.size > 8 || value.is_some_and(format)
    }

    /// Value of a name in a signal's value table.
    pub(super) fn named_value(&self, id: MessageId, signal: &str, name: &str) -> Option<f64> {
        let table = self.dbc.value_descriptions_for_signal(id, signal)?;
        let found = table.iter().find(|entry| entry.description == name)?;
        #[allow(
            clippy::cast_precision_loss,
            reason = "values of tables are small whole numbers"
        )]
        Some(found.id as f64)
    }

    /// Whether a signal is a whole number or an IEEE float.
    pub(super) fn value_type(&self, id: MessageId, signal: &str) -> SignalExtendedValueType {
        let list = self.dbc.signal_extended_value_type_list.iter();
        let mut own = list.filter(|entry| entry.message_id == id && entry.signal_name == signal);
        own.next()
            .map_or(SignalExtendedValueType::SignedOrUnsignedInteger, |entry| {
                entry.signal_extended_value_type
            })
    }

    /// The pages of a message; one if it is not multiplexed. A multiplexor may itself be multiplexed, and a signal may
    /// be on several pages, where the DBC says so with `SG_MUL_VAL_`.
    pub(super) fn pages<'a>(&'a self, message: &'a Message) -> Result<Vec<Page<'a>>, &'static str> {
        let is_root = |signal: &&Signal| signal.multiplexer_indicator == MultiplexIndicator::Multiplexor;
        let mut roots = message.signals.iter().filter(is_root);
        let plain: Vec<&Signal> = message
            .signals
            .iter()
            .filter(|signal| signal.multiplexer_indicator == MultiplexIndicator::Plain)
            .collect();
        let Some(root) = roots.next() else {
            if plain.len() < message.signals.len() {
                return Err("it is multiplexed, but its message has no multiplexor (M)");
            }
            return Ok(vec![Page {
                multiplexors: vec![],
                signals: plain,
            }]);
        };
        if roots.next().is_some() {
            return Err("its message has two multiplexors at the top");
        }
        let mut pages = self.pages_below(message, root, 0)?;
        for page in &mut pages {
            page.signals.splice(0..0, plain.iter().copied());
        }
        Ok(pages)
    }

    fn pages_below<'a>(
        &'a self,
        message: &'a Message,
        root: &'a Signal,
        depth: usize,
    ) -> Result<Vec<Page<'a>>, &'static str> {
        if depth > DEEPEST {
            return Err("its multiplexors are nested more than 8 deep, or in a circle");
        }
        let children: Vec<(&Signal, Vec<(u64, u64)>)> = message
            .signals
            .iter()
            .filter_map(|signal| Some((signal, self.shown_by(message, signal, root)?)))
            .collect();
        let mut values: Vec<u64> = Vec::new();
        for (low, high) in children.iter().flat_map(|(_, ranges)| ranges) {
            let count = usize::try_from(high.saturating_sub(*low)).unwrap_or(usize::MAX);
            if count > MOST_PAGES {
                return Err("its multiplexor has more than 1024 values");
            }
            values.extend(*low..=*high);
        }
        values.sort_unstable();
        values.dedup();
        let mut pages = Vec::new();
        for value in values {
            let on = |ranges: &[(u64, u64)]| ranges.iter().any(|(low, high)| (low..=high).contains(&&value));
            let mut here = vec![Page {
                multiplexors: vec![(root, value)],
                signals: vec![root],
            }];
            for (child, _) in children.iter().filter(|(_, ranges)| on(ranges)) {
                if !is_nested(child) {
                    for page in &mut here {
                        page.signals.push(child);
                    }
                    continue;
                }
                let below = self.pages_below(message, child, depth + 1)?;
                here = here
                    .iter()
                    .flat_map(|page| {
                        below.iter().map(|inner| Page {
                            multiplexors: [&page.multiplexors[..], &inner.multiplexors].concat(),
                            signals: [&page.signals[..], &inner.signals].concat(),
                        })
                    })
                    .collect();
                if here.len() > MOST_PAGES {
                    return Err("its message has more than 1024 pages");
                }
            }
            pages.extend(here);
            if pages.len() > MOST_PAGES {
                return Err("its message has more than 1024 pages");
            }
        }
        Ok(pages)
    }

    /// What `SG_MUL_VAL_` says of a signal.
    pub(super) fn extended_pages<'a>(
        &'a self,
        id: MessageId,
        signal: &'a str,
    ) -> impl Iterator<Item = &'a ExtendedMultiplex> {
        let entries = self.dbc.extended_multiplex.iter();
        entries.filter(move |entry| entry.message_id == id && entry.signal_name == signal)
    }

    /// For which values of `by` a signal is there; nothing if it does not depend on it.
    fn shown_by(&self, message: &Message, signal: &Signal, by: &Signal) -> Option<Vec<(u64, u64)>> {
        let value = match signal.multiplexer_indicator {
            MultiplexIndicator::MultiplexedSignal(value)
            | MultiplexIndicator::MultiplexorAndMultiplexedSignal(value) => value,
            MultiplexIndicator::Plain | MultiplexIndicator::Multiplexor => return None,
        };
        let mut listed = self.extended_pages(message.id, &signal.name).peekable();
        if listed.peek().is_none() {
            let root = by.multiplexer_indicator == MultiplexIndicator::Multiplexor;
            return root.then(|| vec![(value, value)]);
        }
        let ranges: Vec<_> = listed
            .filter(|entry| entry.multiplexor_signal_name == by.name)
            .flat_map(|entry| &entry.mappings)
            .map(|range| (range.min_value, range.max_value))
            .collect();
        (!ranges.is_empty()).then_some(ranges)
    }
}

fn is_nested(signal: &Signal) -> bool {
    matches!(
        signal.multiplexer_indicator,
        MultiplexIndicator::MultiplexorAndMultiplexedSignal(_)
    )
}

fn number(value: &AttributeValue) -> Option<f64> {
    match value {
        AttributeValue::Uint(value) => Some(*value as f64),
        AttributeValue::Int(value) => Some(*value as f64),
        AttributeValue::Double(value) => Some(*value),
        AttributeValue::String(_) => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    #[test]
    fn multiplexors_in_a_circle_are_refused() {
        let text = "VERSION \"\"\n\nNS_ :\n\nBS_:\n\nBU_: A\n\nBO_ 1 RING: 8 A\n SG_ Top M : 0|8@1+ (1,0) [0|0] \"\" A\n \
                    SG_ Inner m0M : 8|8@1+ (1,0) [0|0] \"\" A\n SG_ Other m0M : 16|8@1+ (1,0) [0|0] \"\" A\n\n\
                    SG_MUL_VAL_ 1 Inner Top 0-0;\nSG_MUL_VAL_ 1 Inner Other 0-0;\nSG_MUL_VAL_ 1 Other Inner 0-0;\n";
        let file = DbcFile::parse("ring.dbc", text).unwrap();
        let told = file.pages(&file.dbc.messages[0]).unwrap_err();
        assert!(told.contains("circle"), "{told}");
    }
}
