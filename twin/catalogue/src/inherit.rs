//! `like = "id"`: what the tables of a product file lack is taken from another product of its kind, key by key. The keys
//! above the tables are always the product's own: they say what it is.

use core::ops::Range;

use toml::{Spanned, Table, Value};
use toml_edit::{Document, Item, TableLike};

use crate::catalogue::{Catalogue, File, read_error};
use crate::error::CatalogueError;
use crate::product::{Kind, Product};

#[derive(serde::Deserialize)]
struct Head {
    like: Option<Spanned<String>>,
}

impl Catalogue {
    /// The files of the product that `file` is like, of the one that is like, and so on.
    pub(crate) fn bases(&self, kind: Kind, file: &File) -> Result<Vec<File>, CatalogueError> {
        let mut bases: Vec<File> = Vec::new();
        loop {
            let last = bases.last().unwrap_or(file).clone();
            let head: Head = toml::from_str(last.text()).map_err(|error| read_error(&last, &error))?;
            let Some(like) = head.like else { return Ok(bases) };
            let base = self.file(kind, like.get_ref()).ok_or_else(|| {
                let error = self.unknown(kind, like.get_ref());
                CatalogueError::at(&last, Some(like.span()), error.to_string(), error.help())
            })?;
            if base == file || bases.contains(base) {
                return Err(CatalogueError::at(
                    &last,
                    Some(like.span()),
                    "`like` goes round in a circle",
                    "let the products be like one that has all tables itself",
                ));
            }
            bases.push(base.clone());
        }
    }
}

/// Reads `file` with its tables laid over those of `bases`, nearest first.
pub(crate) fn read_over<T: Product>(file: &File, bases: &[File]) -> Result<T, CatalogueError> {
    let tables = [file]
        .into_iter()
        .chain(bases)
        .map(|file| toml::from_str::<Table>(file.text()).map_err(|error| read_error(file, &error)));
    let mut tables = tables.collect::<Result<Vec<_>, _>>()?.into_iter();
    let mut whole = tables.next().unwrap_or_default();
    whole.remove("like");
    for base in tables {
        for (key, value) in base.into_iter().filter(|(_, value)| value.is_table()) {
            lay_under(&mut whole, key, value);
        }
    }
    let text = whole.to_string();
    toml::from_str(&text).map_err(|error| {
        // The mistake is in the whole; it is shown where its key was written.
        // What the head lacks has no place.
        let path = error
            .span()
            .filter(|span| !span.is_empty())
            .and_then(|span| path_at(&text, &span));
        let files = || [file].into_iter().chain(bases);
        let place = path.and_then(|path| files().find_map(|file| Some((file, find(file, &path)?))));
        let (file, span) = place.map_or((file, None), |(file, span)| (file, Some(span)));
        let said = read_error(file, &error);
        CatalogueError::at(file, span, said.to_string(), said.help())
    })
}

fn lay_under(table: &mut Table, key: String, base: Value) {
    match (table.get_mut(&key), base) {
        (None, base) => {
            table.insert(key, base);
        }
        (Some(Value::Table(own)), Value::Table(base)) => {
            for (key, value) in base {
                lay_under(own, key, value);
            }
        }
        (Some(_), _) => {}
    }
}

/// The keys that lead to a place in a text.
fn path_at(text: &str, place: &Range<usize>) -> Option<Vec<String>> {
    let document = Document::parse(text).ok()?;
    let mut path = Vec::new();
    let mut item = document.as_item();
    while let Some((key, inner)) = item.as_table_like().and_then(|table| {
        table.iter().find_map(|(key, inner)| {
            let (name, _) = table.get_key_value(key)?;
            let here = |span: Option<Range<usize>>| span.is_some_and(|span| span.contains(&place.start));
            (here(name.span()) || here(inner.span()) || holds(inner, place)).then(|| (key.to_owned(), inner))
        })
    }) {
        path.push(key);
        item = inner;
    }
    (!path.is_empty()).then_some(path)
}

/// Whether a place is in one of a table's keys or values, which may stand apart from its head.
fn holds(item: &Item, place: &Range<usize>) -> bool {
    item.as_table_like().is_some_and(|table| {
        table.iter().any(|(key, inner)| {
            let key = table.get_key_value(key).and_then(|(name, _)| name.span());
            [key, inner.span()]
                .into_iter()
                .flatten()
                .any(|span| span.contains(&place.start))
                || holds(inner, place)
        })
    })
}

/// Where a key stands in a file, if it does. After the key of an array of tables comes a number.
pub(crate) fn find<K: AsRef<str>>(file: &File, path: &[K]) -> Option<Range<usize>> {
    let document = Document::parse(file.text()).ok()?;
    let mut table = document.as_item().as_table_like()?;
    let mut span = None;
    let mut keys = path.iter();
    while let Some(key) = keys.next() {
        let (name, item) = table.get_key_value(key.as_ref())?;
        span = name.span().or(item.span());
        if keys.len() == 0 {
            break;
        }
        table = match item.as_array_of_tables() {
            Some(tables) => tables.get(keys.next()?.as_ref().parse().ok()?)? as &dyn TableLike,
            None => item.as_table_like()?,
        };
    }
    span
}
