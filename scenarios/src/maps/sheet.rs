//! Tables as rows of cells, from CSV in whatever form it comes, or from a workbook.

use std::collections::BTreeMap;
use std::io::Cursor;

use calamine::{DataRef, Reader as _, Xlsx, XlsxError};

use super::columns::{Columns, Picked};
use super::quotes::{self, Quote};
use crate::bench::of_code_page;

/// A table. Rows keep their number in the file, for messages.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    /// Its name in a workbook.
    pub(crate) name: Option<String>,
    pub(crate) rows: Vec<Row>,
    /// How the file was read, where that had to be found out.
    pub(crate) said: Vec<String>,
    /// Quotes that swallow rows.
    pub(crate) quotes: Vec<Quote>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Row {
    /// Line of a text file, row of a sheet; from 1.
    pub(crate) number: usize,
    /// Trimmed.
    pub(crate) cells: Vec<String>,
}

impl Row {
    pub(crate) fn filled(&self) -> impl Iterator<Item = &str> {
        self.cells
            .iter()
            .map(String::as_str)
            .filter(|cell| !cell.is_empty())
    }
}

/// Columns of a sheet that are read; cells in all, empty ones in front of others among them; and bytes of text in them,
/// which a workbook may give once for many cells.
const MOST_COLUMNS: u32 = 256;
const MOST_CELLS: usize = 2_000_000;
const MOST_TEXT: usize = 64 << 20;

const DELIMITERS: [(u8, &str); 4] = [
    (b',', "commas"),
    (b';', "semicolons"),
    (b'\t', "tabs"),
    (b'|', "bars"),
];

impl Sheet {
    /// Reads CSV with any of the usual delimiters and encodings: the delimiter whose table has the best header.
    pub(crate) fn of_csv(bytes: &[u8]) -> Self {
        let (text, coding) = decoded(bytes);
        let tables = DELIMITERS.map(|(delimiter, _)| rows_of(&text, delimiter));
        let mut best = 0;
        for other in 1..tables.len() {
            if score(&tables[other], &[]) > score(&tables[best], &[]) {
                best = other;
            }
        }
        let mut said = vec![];
        said.extend(coding);
        if best > 0 {
            said.push(format!("cells are parted by {}", DELIMITERS[best].1));
        }
        let rows = tables.into_iter().nth(best).unwrap_or_default();
        Self {
            name: None,
            quotes: quotes::stray(&text, DELIMITERS[best].0, &rows),
            rows,
            said,
        }
    }
}

impl Sheet {
    /// What the numbers of its rows count.
    pub(crate) fn unit_of_place(&self) -> &'static str {
        if self.name.is_some() { "row" } else { "line" }
    }

    /// Whether these bytes are a workbook.
    pub(crate) fn is_workbook(bytes: &[u8]) -> bool {
        bytes.starts_with(b"PK\x03\x04")
    }

    /// What these bytes are, if they are neither a workbook nor text, and how to make a list of it.
    pub(crate) fn foreign(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
        const EXPORT: &str = "export its tables as XLSX or CSV";
        let start = bytes.trim_ascii_start();
        let web_page = [&b"<!doctype"[..], b"<html", b"<?xml"];
        if bytes.starts_with(b"%PDF") {
            return Some(("a PDF", EXPORT));
        }
        if bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
            return Some((
                "an Office file of before 2007 (.xls, .doc)",
                "save it as XLSX or CSV",
            ));
        }
        if bytes.starts_with(b"{\\rtf") {
            return Some(("a text document (RTF)", EXPORT));
        }
        if web_page.iter().any(|mark| {
            start
                .get(..mark.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(mark))
        }) {
            return Some(("a web page or XML", EXPORT));
        }
        let is_utf16 = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
        let control = |byte: &&u8| byte.is_ascii_control() && !b"\t\n\r\x0C\x1A".contains(byte);
        let strange = bytes.iter().filter(control).count();
        if !is_utf16 && (bytes.contains(&0) || strange * 20 > bytes.len()) {
            return Some(("no text", "name a list in CSV, or an XLSX workbook"));
        }
        None
    }

    /// Reads sheets of an XLSX workbook: those of these names, or all with the head of a list, or else the one most like a
    /// list; else says why not.
    pub(crate) fn of_workbook(
        bytes: &[u8],
        wanted: &[String],
        picked: &[Picked],
    ) -> Result<Vec<Self>, String> {
        let broken = |error: XlsxError| format!("it does not read as an XLSX workbook: {error}");
        let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(broken)?;
        let names = book.sheet_names();
        if let Some(unknown) = wanted.iter().find(|wanted| !names.contains(wanted)) {
            return Err(format!(
                "there is no sheet `{unknown}`; sheets are {}",
                names.join(", ")
            ));
        }
        let mut all = Vec::new();
        for name in &names {
            if !wanted.is_empty() && !wanted.contains(name) {
                continue;
            }
            let rows = rows_of_sheet(&mut book, name).map_err(broken)?;
            let sheet = Self {
                name: Some(name.clone()),
                rows,
                ..Self::default()
            };
            all.push((score(&sheet.rows, picked), sheet));
        }
        if wanted.is_empty() {
            let best = all.iter().map(|(score, _)| *score).max();
            if all.iter().any(|((heads, _), _)| *heads > 0) {
                all.retain(|((heads, _), _)| *heads > 0);
            } else if let Some(at) = all.iter().position(|(score, _)| Some(*score) == best) {
                all = vec![all.swap_remove(at)];
            }
        }
        let mut sheets: Vec<Self> = all.into_iter().map(|(_, sheet)| sheet).collect();
        let read = |name: &String| sheets.iter().any(|sheet| sheet.name.as_ref() == Some(name));
        let (taken, others): (Vec<_>, Vec<_>) = names.into_iter().partition(read);
        let Some(first) = sheets.first_mut() else {
            return Err("it has no sheet".into());
        };
        if wanted.is_empty() && !others.is_empty() {
            first.said.push(format!(
                "read {} {}, which {} the head of a register list; not read: {}; --sheet NAME picks others",
                if taken.len() == 1 { "sheet" } else { "sheets" },
                taken.join(", "),
                if taken.len() == 1 { "has" } else { "have" },
                others.join(", ")
            ));
        } else if taken.len() > 1 {
            first.said.push(format!("read sheets {}", taken.join(", ")));
        }
        Ok(sheets)
    }
}

type Score = (usize, usize);

/// How much rows look like a register list: columns that are known, and wide rows.
fn score(rows: &[Row], picked: &[Picked]) -> Score {
    let known = rows
        .iter()
        .take(super::import::HEADER_WITHIN)
        .map(|row| Columns::score(row, picked))
        .max();
    let wide = rows.iter().filter(|row| row.cells.len() > 2).count();
    (known.unwrap_or(0), wide)
}

fn rows_of_sheet(book: &mut Xlsx<Cursor<&[u8]>>, name: &str) -> Result<Vec<Row>, XlsxError> {
    // Cell by cell: a sheet whose last cell is far out must not fill the memory.
    let mut cells = book.worksheet_cells_reader(name)?;
    let mut rows: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let (mut count, mut bytes) = (0, 0);
    while let Some(cell) = cells.next_cell()? {
        let (row, column) = cell.get_position();
        let text = text_of(cell.get_value());
        if text.is_empty() || column >= MOST_COLUMNS {
            continue;
        }
        let cells = rows.entry(row).or_default();
        let column = column as usize;
        count += (column + 1).saturating_sub(cells.len());
        bytes += text.len();
        if count > MOST_CELLS || bytes > MOST_TEXT {
            break;
        }
        if cells.len() <= column {
            cells.resize(column + 1, String::new());
        }
        cells[column] = text;
    }
    let rows = rows.into_iter();
    Ok(rows
        .map(|(row, cells)| Row {
            number: row as usize + 1,
            cells,
        })
        .collect())
}

fn text_of(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(value) => value.to_string(),
        DataRef::Float(value) => value.to_string(),
        DataRef::String(text) => text.trim().to_owned(),
        DataRef::SharedString(text) => text.trim().to_owned(),
        DataRef::Bool(value) => value.to_string(),
        // what was typed as 1/10 and became a day
        DataRef::DateTime(date) => format!("date {}", date.as_f64()),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => format!("date {text}"),
        DataRef::Error(_) | DataRef::Empty => String::new(),
    }
}

fn rows_of(text: &str, delimiter: u8) -> Vec<Row> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    let mut lines = Lines::of_text(text);
    // A text that is UTF-8 and rows of any length: nothing can go wrong.
    for record in reader.records().map_while(Result::ok) {
        let byte = record.position().map_or(0, csv::Position::byte);
        rows.push(Row {
            number: lines.of_record(usize::try_from(byte).unwrap_or(usize::MAX)),
            cells: record.iter().map(|cell| cell.trim().to_owned()).collect(),
        });
    }
    rows
}

/// Counts the lines of a text up to a place; places are asked for in order.
pub(super) struct Lines<'a> {
    text: &'a str,
    at: usize,
    /// From 1.
    line: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn of_text(text: &'a str) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// Of the record that is read from this byte on: empty lines in front of it are not its own.
    fn of_record(&mut self, from: usize) -> usize {
        let from = from.min(self.text.len());
        let ends = self.text.as_bytes()[from..].iter();
        let empty = ends.take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.of(from + empty)
    }

    pub(super) fn of(&mut self, place: usize) -> usize {
        let bytes = self.text.as_bytes();
        let ends = (self.at..place)
            .filter(|&at| bytes[at] == b'\n' || bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
        self.line += ends.count();
        self.at = place.max(self.at);
        self.line
    }
}

/// The text, and how it was coded if not in UTF-8.
fn decoded(bytes: &[u8]) -> (String, Option<String>) {
    let units = |bytes: &[u8], join: fn([u8; 2]) -> u16| -> Vec<u16> {
        bytes
            .chunks_exact(2)
            .map(|pair| join([pair[0], pair[1]]))
            .collect()
    };
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => (String::from_utf8_lossy(rest).into_owned(), None),
        [0xFF, 0xFE, rest @ ..] => (
            String::from_utf16_lossy(&units(rest, u16::from_le_bytes)),
            Some("the text is UTF-16".into()),
        ),
        [0xFE, 0xFF, rest @ ..] => (
            String::from_utf16_lossy(&units(rest, u16::from_be_bytes)),
            Some("the text is UTF-16".into()),
        ),
        _ => match str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), None),
            Err(_) => {
                let (text, page) = of_code_page(bytes);
                let said = format!(
                    "the text is not UTF-8 and was read as {page}; save it as UTF-8 if names look wrong"
                );
                (text, Some(said))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list() {
        for (bytes, expected) in [
            (&b"%PDF-1.7\n%\xE2\xE3"[..], Some("a PDF")),
            (
                b"\xD0\xCF\x11\xE0\xA1\xB1",
                Some("an Office file of before 2007 (.xls, .doc)"),
            ),
            (b"{\\rtf1", Some("a text document (RTF)")),
            (b"\n<!DOCTYPE html>", Some("a web page or XML")),
            (b"\x7FELF\x02\x01\x00", Some("no text")),
            (b"\x01\x02\x03\x04abc", Some("no text")),
            (b"Address;Name\r\n1;Gr\xF6\xDFe\x1A", None),
            (b"\xFF\xFEA\x00;\x00", None),
            (b"", None),
        ] {
            assert_eq!(Sheet::foreign(bytes).map(|(what, _)| what), expected);
        }
    }

    #[test]
    fn any_delimiter_and_encoding() {
        let cells = |bytes: &[u8]| Sheet::of_csv(bytes).rows[1].cells.clone();
        let expected = ["0x10", "Größe", "0,1"];
        let text = "Address;Name;Scale\n0x10; Größe ;0,1\n";
        assert_eq!(cells(text.as_bytes()), expected);
        assert_eq!(cells(&[b"\xEF\xBB\xBF", text.as_bytes()].concat()), expected);
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(cells(&[b"\xFF\xFE", &wide[..]].concat()), expected);
        let latin: Vec<u8> = text.chars().filter_map(|c| u8::try_from(c).ok()).collect();
        assert_eq!(cells(&latin), expected);
        let (chinese, ..) = encoding_rs::GBK.encode("地址,名称,单位\n0x10, 簇电压 ,℃\n");
        let sheet = Sheet::of_csv(&chinese);
        assert_eq!(sheet.rows[1].cells, ["0x10", "簇电压", "℃"]);
        assert!(sheet.said[0].contains("was read as GBK"), "{:?}", sheet.said);
        let quoted = "Register,Name,Remark\n1,\"a, b\",\"0: off\n1: on\"\n2,c,d\n";
        let sheet = Sheet::of_csv(quoted.as_bytes());
        assert_eq!(sheet.rows[1].cells, ["1", "a, b", "0: off\n1: on"]);
        assert_eq!(sheet.rows[2].number, 4, "lines of the file, not rows");
    }

    #[test]
    fn rows_have_their_own_line() {
        let text = "\n\nAddress,Name\n1,a\n\n\n2,\"b\n\nc\"\n3,d\n,\n4,\"e \"\"f\"\"\"\n";
        for text in [
            text.to_owned(),
            text.replace('\n', "\r\n"),
            text.replace('\n', "\r"),
        ] {
            let sheet = Sheet::of_csv(text.as_bytes());
            let lines: Vec<_> = sheet.rows.iter().map(|row| row.number).collect();
            assert_eq!(lines, [3, 4, 7, 10, 11, 12], "{text:?}");
            assert_eq!(sheet.quotes, [], "{text:?}");
        }
    }
}
