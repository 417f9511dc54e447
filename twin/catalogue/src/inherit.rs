//! `like = "id"`: what the tables of a product file lack is taken from another product of its kind, key by key. The keys
//! above the tables are always the product's own: they say what it is.

use core::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};
use toml_edit::{Document, TableLike};

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
    let files: Vec<_> = [file].into_iter().chain(bases).collect();
    // Each file begins where the one before ends, so that a place tells its file; places in `file` are its own.
    let mut begin = 0;
    let texts: Vec<_> = files
        .iter()
        .map(|file| {
            let text = "\n".repeat(begin) + file.text();
            begin = text.len();
            text
        })
        .collect();
    let mut tables = Vec::new();
    for (file, text) in files.iter().zip(&texts) {
        tables.push(DeTable::parse(text).map_err(|error| read_error(file, &error))?);
    }
    let mut tables = tables.into_iter();
    let Some(mut whole) = tables.next() else {
        return toml::from_str(file.text()).map_err(|error| read_error(file, &error));
    };
    whole.get_mut().remove("like");
    for base in tables {
        for (key, value) in base.into_inner() {
            if value.get_ref().is_table() {
                lay_under(whole.get_mut(), key, value);
            }
        }
    }
    T::deserialize(toml::Deserializer::from(whole)).map_err(|error| {
        let place = error.span().and_then(|span| place_in(&files, &span));
        let (file, span) = place.map_or((file, None), |(file, span)| (file, Some(span)));
        let said = read_error(file, &error);
        CatalogueError::at(file, span, said.to_string(), said.help())
    })
}

/// The file a place in the sequence of files is in, and the place there.
fn place_in<'a>(files: &[&'a File], span: &Range<usize>) -> Option<(&'a File, Range<usize>)> {
    let mut begin = 0;
    files.iter().find_map(|file| {
        let end = begin + file.text().len();
        let span = (begin..=end)
            .contains(&span.end)
            .then(|| span.start.saturating_sub(begin)..span.end - begin);
        begin = end;
        Some((*file, span?))
    })
}

fn lay_under<'a>(table: &mut DeTable<'a>, key: Spanned<DeString<'a>>, base: Spanned<DeValue<'a>>) {
    match table.get_mut(key.get_ref().as_ref()) {
        None => {
            table.insert(key, base);
        }
        Some(own) => {
            if let (DeValue::Table(own), DeValue::Table(base)) = (own.get_mut(), base.into_inner()) {
                for (key, value) in base {
                    lay_under(own, key, value);
                }
            }
        }
    }
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
