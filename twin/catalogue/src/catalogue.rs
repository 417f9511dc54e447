//! Product files by kind and id: the ones shipped with the crate, and others in front of them.

use core::ops::Range;
use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;

use crate::bound;
use crate::error::CatalogueError;
use crate::inherit::{find, read_over};
use crate::product::{Kind, Product};

/// All product files at hand.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    files: BTreeMap<(Kind, String), Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    file: File,
    shipped: bool,
}

/// A file: its name, for messages, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File(Arc<(String, String)>);

impl File {
    /// A file that was read.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self(Arc::new((path.into(), text.into())))
    }

    /// Its path.
    pub fn path(&self) -> &str {
        &self.0.0
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.0.1
    }

    /// `path:line` of a byte of its text.
    pub(crate) fn line_of(&self, byte: usize) -> String {
        let line = self.text()[..byte].matches('\n').count() + 1;
        format!("{}:{line}", self.path())
    }
}

/// A product and the file it was read from.
#[derive(Clone, Debug)]
pub struct Read<T> {
    /// The product.
    pub value: T,
    /// The file.
    pub file: File,
    /// The files whose tables stand for what its tables lack, nearest first.
    pub bases: Vec<File>,
}

impl<T> Read<T> {
    /// All files it is made of, its own first.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        [&self.file].into_iter().chain(&self.bases)
    }

    /// The same, by value.
    pub(crate) fn into_files(self) -> Vec<File> {
        let mut files = vec![self.file];
        files.extend(self.bases);
        files
    }
}

impl Catalogue {
    /// The products shipped with this crate.
    pub fn shipped() -> Self {
        const SHIPPED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/shipped.rs"));
        let mut catalogue = Self::default();
        for &(path, text) in SHIPPED {
            let file = File::new(format!("twin/catalogue/data/{path}"), text);
            let added = kind_of_path(path).map(|kind| catalogue.insert(kind, file, true));
            assert!(matches!(added, Some(Ok(()))), "shipped product {path}: {added:?}");
        }
        catalogue
    }

    /// Adds a product file. It takes the place of a shipped product with its id.
    ///
    /// # Errors
    /// If it is not TOML, has no id, or another added file of the same kind has this id.
    pub fn add(&mut self, kind: Kind, file: File) -> Result<(), CatalogueError> {
        self.insert(kind, file, false)
    }

    fn insert(&mut self, kind: Kind, file: File, shipped: bool) -> Result<(), CatalogueError> {
        let id = id_in(kind, &file)?;
        let key = (kind, id.get_ref().clone());
        if let Some(other) = self.files.get(&key).filter(|other| other.shipped == shipped) {
            return Err(CatalogueError::at(
                &file,
                Some(id.span()),
                format!("the {} `{}` is in {} too", kind.word(), key.1, other.file.path()),
                "give each product an id of its own",
            ));
        }
        self.files.insert(key, Entry { file, shipped });
        Ok(())
    }

    /// The same catalogue with this file in place of whatever has its id; for checking it.
    ///
    /// # Errors
    /// If it is not TOML or has no id.
    pub fn with(&self, kind: Kind, file: File) -> Result<(Self, String), CatalogueError> {
        let id = id_of(kind, &file)?;
        let mut catalogue = self.clone();
        let entry = Entry { file, shipped: false };
        catalogue.files.insert((kind, id.clone()), entry);
        Ok((catalogue, id))
    }

    /// Ids of all products of a kind, in alphabetical order.
    pub fn ids(&self, kind: Kind) -> Vec<&str> {
        self.files
            .keys()
            .filter(|(k, _)| *k == kind)
            .map(|(_, id)| id.as_str())
            .collect()
    }

    /// The file of a product.
    pub fn file(&self, kind: Kind, id: &str) -> Option<&File> {
        self.files.get(&(kind, id.to_owned())).map(|entry| &entry.file)
    }

    /// Whether a file is one of those shipped with this crate.
    pub(crate) fn is_shipped(&self, file: &File) -> bool {
        self.files
            .values()
            .any(|entry| entry.shipped && entry.file == *file)
    }

    /// Reads the product with this id.
    ///
    /// # Errors
    /// If there is none, or its file does not read as such a product.
    pub fn product<T: Product>(&self, id: &str) -> Result<Read<T>, CatalogueError> {
        self.read(id, None)
    }

    /// Reads the product that `file` names at `id`.
    pub(crate) fn part<T: Product>(
        &self,
        file: &File,
        id: &Spanned<String>,
    ) -> Result<Read<T>, CatalogueError> {
        self.read(id.get_ref(), Some((file, id.span())))
    }

    pub(crate) fn unknown(&self, kind: Kind, id: &str) -> CatalogueError {
        CatalogueError::nowhere(
            format!("there is no {} `{id}`", kind.word()),
            format!("known: {}", self.ids(kind).join(", ")),
        )
    }

    fn read<T: Product>(
        &self,
        id: &str,
        asked_by: Option<(&File, Range<usize>)>,
    ) -> Result<Read<T>, CatalogueError> {
        let Some(file) = self.file(T::KIND, id) else {
            let error = self.unknown(T::KIND, id);
            return Err(match asked_by {
                Some((file, span)) => CatalogueError::at(file, Some(span), error.to_string(), error.help()),
                None => error,
            });
        };
        let bases = self.bases(T::KIND, file)?;
        check_whole(T::KIND, file, &bases)?;
        let value: T = if bases.is_empty() {
            toml::from_str(file.text()).map_err(|error| read_error(file, &error))?
        } else {
            read_over(file, &bases)?
        };
        let read = Read {
            value,
            file: file.clone(),
            bases,
        };
        bound::check(&read.value.bounds(), &read.files().collect::<Vec<_>>())?;
        Ok(read)
    }
}

/// The id a file says it has.
pub(crate) fn id_of(kind: Kind, file: &File) -> Result<String, CatalogueError> {
    Ok(id_in(kind, file)?.into_inner())
}

fn id_in(kind: Kind, file: &File) -> Result<Spanned<String>, CatalogueError> {
    #[derive(serde::Deserialize)]
    struct Head {
        id: Option<Spanned<String>>,
    }
    let head: Head = toml::from_str(file.text()).map_err(|error| read_error(file, &error))?;
    let Some(id) = head.id else {
        return Err(incomplete(file, &missing(kind.head(), &[&table(file)?]), &[]));
    };
    let right = |text: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(inner)
    };
    if right(id.get_ref()) {
        return Ok(id);
    }
    Err(CatalogueError::at(
        file,
        Some(id.span()),
        format!("`{}` cannot be an id", id.get_ref()),
        "use letters, digits, '-', '_' and '.', beginning with a letter or digit; ids name files",
    ))
}

/// Refuses a product that lacks keys of its head or tables, with all that are missing.
fn check_whole(kind: Kind, file: &File, bases: &[File]) -> Result<(), CatalogueError> {
    let own = table(file)?;
    let inherited = bases.iter().map(table).collect::<Result<Vec<_>, _>>()?;
    let head = missing(kind.head(), &[&own]);
    let all: Vec<_> = [&own].into_iter().chain(&inherited).collect();
    let tables = missing(kind.tables(), &all);
    if head.is_empty() && tables.is_empty() {
        Ok(())
    } else {
        Err(incomplete(file, &head, &tables))
    }
}

fn table(file: &File) -> Result<toml::Table, CatalogueError> {
    toml::from_str(file.text()).map_err(|error| read_error(file, &error))
}

fn missing(keys: &[&'static str], tables: &[&toml::Table]) -> Vec<&'static str> {
    let lacks = |key: &&&str| tables.iter().all(|table| !table.contains_key(**key));
    keys.iter().filter(lacks).copied().collect()
}

/// What is missing, shown where the head begins.
fn incomplete(file: &File, head: &[&str], tables: &[&str]) -> CatalogueError {
    let keys = head.iter().map(|key| format!("`{key}`"));
    let tables = tables.iter().map(|table| format!("the table `[{table}]`"));
    let all: Vec<_> = keys.chain(tables).collect();
    let help = if head.is_empty() {
        "add the tables, or name a product of this kind with `like` to take them from it"
    } else {
        "add the keys above the tables, which are never taken from another product; bessrig catalogue ID shows a shipped one"
    };
    let span = find(file, &["id"]).or_else(|| find(file, &["title"]));
    CatalogueError::at(
        file,
        Some(span.unwrap_or(0..0)),
        format!("missing: {}", all.join(", ")),
        help,
    )
}

/// The kind whose folder a path is in.
fn kind_of_path(path: &str) -> Option<Kind> {
    let folder = path.split('/').next()?;
    Kind::ALL.into_iter().find(|kind| kind.folder() == folder)
}

pub(crate) fn read_error(file: &File, error: &toml::de::Error) -> CatalogueError {
    let message = error.message().trim().to_owned();
    let help = if message.contains("unknown field") {
        "remove the key or correct its spelling; unknown keys are refused so that a typo cannot go unnoticed"
    } else if message.contains("missing field") {
        "add the key; what tables lack may also come from a product named with `like`. bessrig catalogue ID shows a shipped product"
    } else {
        "correct the value; bessrig catalogue ID shows a shipped product"
    };
    CatalogueError::at(file, error.span(), message, help)
}
