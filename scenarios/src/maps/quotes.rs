//! Quotes of a CSV that swallow rows: never closed, or closed by a quote that was to open another cell.

use std::collections::BTreeMap;

use super::cells;
use super::sheet::{Lines, Row};

/// A quote that opens a cell with rows in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quote {
    /// Line where it opens the cell.
    pub(crate) line: usize,
    /// Line where the cell ends, if it does.
    pub(crate) closed: Option<usize>,
    /// Lines in it that look like rows.
    pub(crate) rows: usize,
}

impl Quote {
    pub(crate) const REMEDY: &str =
        "close it, or take it away; within a quoted cell a quote is written twice";

    /// What is wrong, in words.
    pub(crate) fn in_words(&self) -> String {
        match self.closed {
            None => {
                "a quote opens a cell here and is never closed: all that follows is in this one cell".into()
            }
            Some(line) => format!(
                "a quote opens a cell here and is closed in line {line}: {} in this one cell",
                match self.rows {
                    1 => "a line that looks like a row is".to_owned(),
                    rows => format!("{rows} lines that look like rows are"),
                }
            ),
        }
    }
}

/// The quotes of a text that swallow rows; `rows` are those read of it.
pub(super) fn stray(text: &str, delimiter: u8, rows: &[Row]) -> Vec<Quote> {
    let shape = Shape::of(rows);
    let mut lines = Lines::of_text(text);
    let mut found = Vec::new();
    for (open, close) in quoted(text, delimiter) {
        let cell = &text[open..close.unwrap_or(text.len())];
        if close.is_some() && !cell.contains(['\n', '\r']) {
            continue;
        }
        let line = lines.of(open);
        // whole lines, the one where the cell ends among them
        let begin = cell.find(['\n', '\r']).map_or(text.len(), |at| open + at + 1);
        let end = close.map_or(text.len(), |close| {
            text[close..]
                .find(['\n', '\r'])
                .map_or(text.len(), |at| close + at)
        });
        let inside = text.get(begin..end).unwrap_or_default().split(['\n', '\r']);
        let rows = inside.filter(|line| shape.is_some_and(|shape| shape.is_row(line, delimiter)));
        let quote = Quote {
            line,
            closed: close.map(|close| lines.of(close)),
            rows: rows.count(),
        };
        if quote.closed.is_none() || quote.rows > 0 {
            found.push(quote);
        }
    }
    found
}

/// What the rows of a list look like.
#[derive(Clone, Copy)]
struct Shape {
    /// Cells of most rows that have an address.
    cells: usize,
    /// Where these have their address.
    address: usize,
}

impl Shape {
    fn of(rows: &[Row]) -> Option<Self> {
        let mut columns: BTreeMap<usize, usize> = BTreeMap::new();
        let mut lengths: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.cells.len() > 1) {
            for (at, cell) in row.cells.iter().enumerate() {
                if cells::address(cell, false).is_some() {
                    *columns.entry(at).or_default() += 1;
                    *lengths.entry((at, row.cells.len())).or_default() += 1;
                }
            }
        }
        let most = |(at, count): &(usize, usize)| (*count, core::cmp::Reverse(*at));
        let (address, _) = columns.into_iter().max_by_key(most)?;
        let of_address = lengths.into_iter().filter(|((at, _), _)| *at == address);
        let ((_, cells), _) = of_address.max_by_key(|(_, count)| *count)?;
        Some(Self { cells, address })
    }

    /// Whether a line of the file by itself is such a row.
    fn is_row(self, line: &str, delimiter: u8) -> bool {
        let cells: Vec<&str> = line.split(char::from(delimiter)).collect();
        let address = cells.get(self.address).map(|cell| cell.trim().trim_matches('"'));
        cells.len() >= self.cells && address.is_some_and(|cell| cells::address(cell, false).is_some())
    }
}

/// Where quoted cells begin and end.
fn quoted(text: &str, delimiter: u8) -> Vec<(usize, Option<usize>)> {
    let mut all = Vec::new();
    let mut open = None;
    let mut cell_begins = true;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        if byte == b'"' {
            match open {
                Some(_) if bytes.next_if(|(_, next)| *next == b'"').is_some() => {}
                Some(begin) => {
                    all.push((begin, Some(at)));
                    open = None;
                }
                None if cell_begins => open = Some(at),
                None => {}
            }
        }
        cell_begins = open.is_none() && (byte == delimiter || matches!(byte, b'\r' | b'\n'));
    }
    all.extend(open.map(|begin| (begin, None)));
    all
}

#[cfg(test)]
mod tests {
    use super::super::sheet::Sheet;

    #[test]
    fn a_quote_that_is_never_closed() {
        for (text, line) in [
            ("Address;Name\n\n1;a\n2;\"b\n3;c\n4;d\n", Some(4)),
            ("Address;Name\n1;\"a\n\"\n\n2;\"b\";\"c\"\"\n", Some(5)),
            ("Address;Name\n\"1;a\nb\";\"c\n", Some(3)),
            ("Address;Name\n1;19\" rack\n2;b\n", None),
            ("Address;Name\n1;\"b\"", None),
            ("", None),
        ] {
            let quotes = Sheet::of_csv(text.as_bytes()).quotes;
            let open = quotes.iter().find(|quote| quote.closed.is_none());
            assert_eq!(open.map(|quote| quote.line), line, "{text:?}");
        }
    }

    #[test]
    fn a_quote_that_is_closed_some_rows_on() {
        let head = "Address;Name;Type;Remark\n";
        for (rows, expected) in [
            // the last of them is cut in two
            (
                "0;A;U16;\n1;\"B;U16;\n2;C;U16;\n3;\"D;U16;\n4;E;U16;\n",
                vec![(3, Some(5), 2)],
            ),
            ("0;\"A;U16;\n1;\"B;U16;\n2;C;U16;\n", vec![(2, Some(3), 1)]),
            ("0;A;U16;\"off\n1;B;U16;\"on\"\n", vec![(2, Some(3), 1)]),
            // cells that are meant to have several lines
            ("0;A;U16;\"0: off\n1: on\"\n1;B;U16;\n", vec![]),
            (
                "0;A;U16;\"0: off; 1: on\n2: trip; 3: lost; 4: x\"\n1;\"B\nb\";U16;\n",
                vec![],
            ),
        ] {
            for ending in ["\n", "\r\n"] {
                let text = format!("{head}{rows}").replace('\n', ending);
                let quotes = Sheet::of_csv(text.as_bytes()).quotes;
                let found: Vec<_> = quotes
                    .iter()
                    .map(|quote| (quote.line, quote.closed, quote.rows))
                    .collect();
                assert_eq!(found, expected, "{text:?}");
            }
        }
    }
}
