//! What is wrong with a product or with what asks for it.

use core::ops::Range;

use crate::catalogue::File;

/// What is wrong, where, and how to mend it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct CatalogueError {
    message: String,
    help: String,
    /// The file and the bytes in it; none if the mistake is in what was asked for.
    place: Option<(File, Option<Range<usize>>)>,
}

impl CatalogueError {
    pub(crate) fn nowhere(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: help.into(),
            place: None,
        }
    }

    /// A mistake in a product file.
    pub fn at(
        file: &File,
        span: Option<Range<usize>>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            place: Some((file.clone(), span)),
            ..Self::nowhere(message, help)
        }
    }

    /// The product file it is in; none if no file is wrong but what was asked for.
    pub fn file(&self) -> Option<&File> {
        self.place.as_ref().map(|(file, _)| file)
    }

    /// The bytes it is about.
    pub fn span(&self) -> Option<Range<usize>> {
        self.place.as_ref().and_then(|(_, span)| span.clone())
    }

    /// How to mend it.
    pub fn help(&self) -> &str {
        &self.help
    }
}
