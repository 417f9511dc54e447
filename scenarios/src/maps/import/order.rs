//! The order of words a row says for itself.

use bess_devices::codec::modbus::listing::Register;
use bess_devices::finding::Finding;

use super::super::cells;
use super::super::columns::Key;
use super::super::sheet::Row;
use super::super::word_order::{Doubt, word_order, word_order_of_remark};
use super::{Reader, collapse, short};

const ASK: &str = "ask the vendor; the order of the whole list is assumed";

impl Reader<'_> {
    /// Whether the low word comes first by the row itself: by its column of orders, its type, or else a remark. `is_wide`
    /// where its value has several words; nothing where words and bytes have no order.
    pub(super) fn order_of_row(
        &mut self,
        row: &Row,
        of_type: Result<Option<bool>, Doubt>,
        is_wide: Option<bool>,
        register: &Register,
        findings: &mut Vec<Finding>,
    ) -> Option<bool> {
        let place = &register.place;
        let unknown = |text: &str, doubt: Doubt| {
            Finding::warning(place, format!("order of words not known: `{text}`: {doubt}"), ASK)
        };
        let cell = self.columns.cell(row, Key::WordOrder);
        let of_column = match word_order(cell) {
            Ok(None) if !matches!(cell, "" | "-" | "/") => {
                findings.push(Finding::warning(
                    place,
                    format!("`{cell}` is no order of words"),
                    "write high-first or low-first; the order of the whole list is assumed",
                ));
                None
            }
            Ok(order) => order,
            Err(doubt) => {
                findings.push(unknown(cell, doubt));
                None
            }
        };
        let of_type = of_type.unwrap_or_else(|doubt| {
            findings.push(unknown(self.columns.cell(row, Key::Type), doubt));
            None
        });
        let own = of_column.or(of_type);
        // a table of this rig says it in a column
        let Some(is_wide) = is_wide.filter(|_| !self.columns.has(Key::Constant)) else {
            return own;
        };
        let mut remarks = self.columns.texts(row, Key::Description);
        let unknown_columns = self.columns.unknown();
        let others = unknown_columns.filter_map(|(at, _)| row.cells.get(at).map(String::as_str));
        remarks.extend(others.filter(|cell| cells::address(cell, true).is_none()));
        let remark = collapse(&remarks.join("; "));
        let told = short(remark.trim_matches([';', ' ']));
        // --word-order is what counts, whatever the list says
        let may_tell = is_wide && self.wishes.low_word_first.is_none();
        let of_remark = match word_order_of_remark(&remark) {
            Err(doubt @ Doubt::Bytes) => {
                findings.push(unknown(&told, doubt));
                None
            }
            Err(doubt) if may_tell && own.is_none() => {
                findings.push(unknown(&told, doubt));
                None
            }
            Err(_) => None,
            Ok(Some(true))
                if !is_wide && register.names.is_empty() && remark.to_lowercase().contains("little") =>
            {
                findings.push(Finding::warning(
                    place,
                    format!("`{told}`: if this is about the bytes of a word, no register map can say it"),
                    "hold the value against the real device, or ask the vendor",
                ));
                None
            }
            Ok(order) => order.filter(|_| may_tell),
        };
        match (own, of_remark) {
            (Some(own), Some(other)) if own != other => {
                findings.push(Finding::warning(
                    place,
                    format!(
                        "`{told}` is another order of words than its type or its column says, which is taken"
                    ),
                    "ask the vendor which of the two it is, and correct the other",
                ));
            }
            (None, Some(_)) => self.orders_of_remarks.push((row.number, told)),
            _ => {}
        }
        own.or(of_remark)
    }
}
