//! Product files by kind and id: the ones shipped with the crate, and others in front of them.

use core::ops::Range;
use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;

use crate::bound;
use crate::error::CatalogueError;
use crate::inherit::read_over;
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
        let id = id(&file)?;
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
    pub(crate) fn with(&self, kind: Kind, file: File) -> Result<(Self, String), CatalogueError> {
        let id = id(&file)?.into_inner();
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

fn id(file: &File) -> Result<Spanned<String>, CatalogueError> {
    #[derive(serde::Deserialize)]
    struct Head {
        id: Spanned<String>,
    }
    let head: Head = toml::from_str(file.text()).map_err(|error| read_error(file, &error))?;
    let right = |text: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(inner)
    };
    if right(head.id.get_ref()) {
        return Ok(head.id);
    }
    Err(CatalogueError::at(
        file,
        Some(head.id.span()),
        format!("`{}` cannot be an id", head.id.get_ref()),
        "use letters, digits, '-', '_' and '.', beginning with a letter or digit; ids name files",
    ))
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
