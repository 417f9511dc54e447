//! Every figure of a product: what its file says of it and where that comes from.
//!
//! The origin is the tag that begins the comment after the value; an inline table or a list has one for all its figures.

use core::ops::Range;

use toml_edit::{Document, Item, TableLike, Value};

use crate::catalogue::{Catalogue, File};
use crate::error::CatalogueError;
use crate::product::{Container, Kind, Pack};
use crate::tag::Tag;
use crate::unit;

/// A figure, or a word that stands for one such as a protection class.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Keys that lead to it, with points between them.
    pub path: String,
    /// As written.
    pub value: String,
    /// Its unit, from its name; empty if it has none.
    pub unit: String,
    /// Whether there is a number in it.
    pub numeric: bool,
    /// Whether it stands in an inline table, whose figures have one origin.
    pub inline: bool,
    /// Where it comes from; none if the file does not say.
    pub tag: Option<Tag>,
    /// What the file adds.
    pub note: String,
    /// The file it stands in: the product's own or one it is like.
    pub file: File,
    /// Its key there.
    pub span: Range<usize>,
}

/// Keys that say what a product is, not how large.
const NAMES: [&str; 5] = ["id", "title", "class", "like", "flags"];

impl Catalogue {
    /// The figures of a product, those of what it is like among them, in the order of its tables.
    ///
    /// # Errors
    /// If there is no such product, or a file is not TOML.
    pub fn figures(&self, kind: Kind, id: &str) -> Result<Vec<Figure>, CatalogueError> {
        let own = self.file(kind, id).ok_or_else(|| self.unknown(kind, id))?.clone();
        let bases = self.bases(kind, &own)?;
        let mut figures: Vec<Figure> = Vec::new();
        for (file, is_own) in bases.iter().rev().map(|file| (file, false)).chain([(&own, true)]) {
            for figure in written(file)? {
                let in_table = figure.path.contains('.');
                match figures.iter_mut().find(|other| other.path == figure.path) {
                    Some(other) => *other = figure,
                    None if is_own || in_table => figures.push(figure),
                    None => {}
                }
            }
        }
        if kind == Kind::Container {
            let container = self.product::<Container>(id)?;
            let pack = self.part::<Pack>(&own, &container.value.pack)?.value.pack;
            if !Container::keeps_cooling(&own, pack.plate.is_some()) {
                figures.retain(|figure| !figure.path.starts_with("cooling."));
            }
        }
        let mut tables = Vec::new();
        for figure in &figures {
            let table = table_of(&figure.path).to_owned();
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
        // What stands above the tables comes first.
        figures.sort_by_key(|figure| {
            let table = table_of(&figure.path);
            (!table.is_empty(), tables.iter().position(|other| other == table))
        });
        Ok(figures)
    }

    /// The figures of a file without origin, of which a shipped product has none.
    ///
    /// # Errors
    /// The first, or if the file is not TOML.
    pub fn check_origins(file: &File) -> Result<(), CatalogueError> {
        match written(file)?
            .into_iter()
            .find(|figure| figure.numeric && figure.tag.is_none())
        {
            Some(figure) => Err(CatalogueError::at(
                file,
                Some(figure.span),
                format!("`{}` does not say where it comes from", figure.path),
                "end the line with a comment that begins with [B] brochure, [D] derived, [A] assumption, [R] recalled, or \
                 the number of a source such as [S8]",
            )),
            None => Ok(()),
        }
    }
}

fn table_of(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(table, _)| table)
}

/// What a file itself says.
fn written(file: &File) -> Result<Vec<Figure>, CatalogueError> {
    let document = Document::parse(file.text()).map_err(|error| {
        CatalogueError::at(file, error.span(), error.message().to_owned(), "correct the TOML")
    })?;
    let mut figures = Vec::new();
    gather(file, "", document.as_table(), None, &mut figures);
    figures.retain(|figure| !NAMES.contains(&figure.path.as_str()));
    Ok(figures)
}

/// `end` is that of the inline table everything in `table` stands in.
fn gather(file: &File, prefix: &str, table: &dyn TableLike, end: Option<usize>, figures: &mut Vec<Figure>) {
    for (key, item) in table.iter() {
        let path = if prefix.is_empty() {
            key.to_owned()
        } else {
            format!("{prefix}.{key}")
        };
        match item {
            Item::Value(value @ Value::InlineTable(inner)) => {
                let end = end.or(value.span().map(|span| span.end));
                gather(file, &path, inner, end, figures);
            }
            Item::Value(value) => {
                let span = value.span().unwrap_or_default();
                let (tag, note) = origin(file.text(), end.unwrap_or(span.end));
                let name = table.get_key_value(key).and_then(|(key, _)| key.span());
                figures.push(Figure {
                    value: plain(&file.text()[span.clone()]),
                    unit: unit::of(&path),
                    numeric: numeric(value),
                    inline: end.is_some(),
                    tag,
                    note,
                    file: file.clone(),
                    span: name.unwrap_or(span),
                    path,
                });
            }
            Item::ArrayOfTables(tables) => {
                for (i, inner) in tables.iter().enumerate() {
                    gather(file, &format!("{path}[{}]", i + 1), inner, None, figures);
                }
            }
            Item::Table(inner) => gather(file, &path, inner, None, figures),
            Item::None => {}
        }
    }
}

/// A value without quotation marks and brackets.
fn plain(text: &str) -> String {
    let one_line: Vec<_> = text.split_whitespace().collect();
    let text = one_line.join(" ");
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    inner.unwrap_or(&text).replace('"', "").trim().to_owned()
}

fn numeric(value: &Value) -> bool {
    match value {
        Value::Integer(_) | Value::Float(_) => true,
        Value::Array(values) => values.iter().any(numeric),
        _ => false,
    }
}

/// Tag and note in the rest of the line after `end`.
fn origin(text: &str, end: usize) -> (Option<Tag>, String) {
    let rest = text
        .get(end..)
        .and_then(|rest| rest.lines().next())
        .unwrap_or_default();
    let comment = rest.split_once('#').map_or("", |(_, comment)| comment.trim());
    let tagged = comment
        .strip_prefix('[')
        .and_then(|comment| comment.split_once(']'));
    match tagged.map(|(tag, note)| (tag.parse(), note)) {
        Some((Ok(tag), note)) => (Some(tag), note.trim().to_owned()),
        _ => (None, comment.to_owned()),
    }
}
