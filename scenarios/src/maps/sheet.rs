//! Tables as rows of cells, from CSV in whatever form it comes, or from a workbook.

use std::collections::BTreeMap;
use std::io::Cursor;

use calamine::{DataRef, Reader as _, Xlsx, XlsxError};

use super::columns::Columns;
use crate::bench::western;

/// A table. Rows keep their number in the file, for messages.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    /// Its name in a workbook.
    pub(crate) name: Option<String>,
    pub(crate) rows: Vec<Row>,
    /// How the file was read, where that had to be found out.
    pub(crate) said: Vec<String>,
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
        let score = |rows: &[Row]| {
            let known = rows
                .iter()
                .take(super::import::HEADER_WITHIN)
                .map(Columns::score)
                .max();
            let wide = rows.iter().filter(|row| row.cells.len() > 2).count();
            (known.unwrap_or(0), wide)
        };
        let mut best = 0;
        for other in 1..tables.len() {
            if score(&tables[other]) > score(&tables[best]) {
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
            rows,
            said,
        }
    }
}

impl Sheet {
    /// Whether these bytes are a workbook.
    pub(crate) fn is_workbook(bytes: &[u8]) -> bool {
        bytes.starts_with(b"PK\x03\x04")
    }

    /// Reads a sheet of an XLSX workbook: that of this name, or the one with the best header; else says why not.
    pub(crate) fn of_workbook(bytes: &[u8], wanted: Option<&str>) -> Result<Self, String> {
        let broken = |error: XlsxError| format!("it does not read as an XLSX workbook: {error}");
        let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(broken)?;
        let names = book.sheet_names();
        let mut best: Option<(Score, Self)> = None;
        for name in names
            .iter()
            .filter(|name| wanted.is_none_or(|wanted| wanted == *name))
        {
            let rows = rows_of_sheet(&mut book, name).map_err(broken)?;
            let own = score(&rows);
            if best.as_ref().is_none_or(|(other, _)| own > *other) {
                let sheet = Self {
                    name: Some(name.clone()),
                    rows,
                    said: vec![],
                };
                best = Some((own, sheet));
            }
        }
        let (_, mut sheet) = best.ok_or_else(|| {
            let wanted = wanted.unwrap_or_default();
            format!("there is no sheet `{wanted}`; sheets are {}", names.join(", "))
        })?;
        let others: Vec<_> = names
            .into_iter()
            .filter(|name| sheet.name.as_ref() != Some(name))
            .collect();
        if !others.is_empty() && wanted.is_none() {
            let name = sheet.name.as_deref().unwrap_or_default();
            sheet.said.push(format!(
                "sheet `{name}` looks most like a register list; give --sheet for another of {}",
                others.join(", ")
            ));
        }
        Ok(sheet)
    }
}

type Score = (usize, usize);

/// How much rows look like a register list.
fn score(rows: &[Row]) -> Score {
    let known = rows
        .iter()
        .take(super::import::HEADER_WITHIN)
        .map(Columns::score)
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
    // A text that is UTF-8 and rows of any length: nothing can go wrong.
    for record in reader.records().map_while(Result::ok) {
        let line = record.position().map_or(0, csv::Position::line);
        rows.push(Row {
            number: usize::try_from(line).unwrap_or(usize::MAX),
            cells: record.iter().map(|cell| cell.trim().to_owned()).collect(),
        });
    }
    rows
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
            Err(_) => (
                western(bytes),
                Some(
                    "the text is not UTF-8 and was read as Windows-1252; save it as UTF-8 if names look wrong"
                        .into(),
                ),
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let quoted = "Register,Name,Remark\n1,\"a, b\",\"0: off\n1: on\"\n2,c,d\n";
        let sheet = Sheet::of_csv(quoted.as_bytes());
        assert_eq!(sheet.rows[1].cells, ["1", "a, b", "0: off\n1: on"]);
        assert_eq!(sheet.rows[2].number, 4, "lines of the file, not rows");
    }
}
