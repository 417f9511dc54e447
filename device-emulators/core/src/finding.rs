//! What a check found in a data file, with its place and a remedy.

use core::fmt;

use crate::product::{Place, ProductError};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Note,
    /// Works, but is hardly meant so.
    Warning,
    /// Cannot work.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One thing found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// How bad.
    pub level: Level,
    /// File and line.
    pub place: Place,
    /// What.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl Finding {
    /// Good to know.
    pub fn note(place: &Place, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Level::Note, place, message, help)
    }

    /// Works, but is hardly meant so.
    pub fn warning(place: &Place, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Level::Warning, place, message, help)
    }

    /// Cannot work.
    pub fn error(place: &Place, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Level::Error, place, message, help)
    }

    fn new(level: Level, place: &Place, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            level,
            place: place.clone(),
            message: message.into(),
            help: help.into(),
        }
    }
}

impl From<ProductError> for Finding {
    fn from(error: ProductError) -> Self {
        let place = error.place().cloned().unwrap_or_else(Place::nowhere);
        let text = error.to_string();
        let message = text.strip_prefix(&format!("{place}: ")).unwrap_or(&text);
        Self::error(&place, message, error.help())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.level, self.message)?;
        if !self.help.is_empty() {
            write!(f, "\n    {}", self.help)?;
        }
        Ok(())
    }
}
