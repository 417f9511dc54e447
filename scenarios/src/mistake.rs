//! A mistake of the user, shown in its line with a remedy.

use std::fmt::Write as _;
use std::ops::Range;

use bess_catalogue::CatalogueError;
use bess_devices::product::ProductError;
use bess_fieldbus::FieldbusError;
use bess_rig::RigConfigError;
use miette::{Diagnostic, NamedSource, SourceSpan};

/// One clear message: what is wrong, where, and what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Mistake(Box<Problem>);

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
#[error("{message}")]
struct Problem {
    message: String,
    #[help]
    help: Option<String>,
    #[source_code]
    source_code: Option<NamedSource<String>>,
    #[label("here")]
    span: Option<SourceSpan>,
}

impl Mistake {
    /// Output that cannot be written, and why.
    pub(crate) fn unwritable(why: impl Into<String>) -> Self {
        Self::new(why, "name a folder that can be written, with --out")
    }

    /// About nothing that has a line.
    pub(crate) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self(Box::new(Problem {
            message: message.into(),
            help: Some(help.into()).filter(|help| !help.is_empty()),
            source_code: None,
            span: None,
        }))
    }

    /// For printing it with its line.
    pub(crate) fn diagnostic(&self) -> &dyn Diagnostic {
        &*self.0
    }

    /// About bytes of a file's text.
    pub(crate) fn at(
        file: &str,
        text: &str,
        span: Option<Range<usize>>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let mut mistake = Self::new(message, help);
        match span.filter(|_| !text.is_empty()) {
            Some(span) => {
                let start = span.start.min(text.len());
                // A whole table is shown by its first line.
                let line_end = text[start..].find('\n').map_or(text.len(), |n| start + n);
                let end = span.end.clamp(start, line_end);
                let line = text[..start].matches('\n').count() + 1;
                mistake.0.message = format!("{file}:{line}: {}", mistake.0.message);
                mistake.0.source_code = Some(NamedSource::new(file, text.to_owned()));
                mistake.0.span = Some((start..end).into());
            }
            None => mistake.0.message = format!("{file}: {}", mistake.0.message),
        }
        mistake
    }

    /// About a line of a file's text, counted from 1.
    pub(crate) fn at_line(
        file: &str,
        text: &str,
        line: usize,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let start: usize = text
            .split_inclusive('\n')
            .take(line.saturating_sub(1))
            .map(str::len)
            .sum();
        let content = text[start..].lines().next().unwrap_or_default();
        let indent = content.len() - content.trim_start().len();
        Self::at(
            file,
            text,
            Some(start + indent..start + content.len()),
            message,
            help,
        )
    }
}

impl From<RigConfigError> for Mistake {
    fn from(error: RigConfigError) -> Self {
        Self::at(
            error.file(),
            error.text(),
            error.span(),
            error.to_string(),
            error.help(),
        )
    }
}

impl From<CatalogueError> for Mistake {
    fn from(error: CatalogueError) -> Self {
        match error.file() {
            Some(file) => Self::at(
                file.path(),
                file.text(),
                error.span(),
                error.to_string(),
                error.help(),
            ),
            None => Self::new(error.to_string(), error.help()),
        }
    }
}

impl From<ProductError> for Mistake {
    fn from(error: ProductError) -> Self {
        // A product error names its place itself.
        Self::new(error.to_string(), error.help())
    }
}

impl From<FieldbusError> for Mistake {
    fn from(error: FieldbusError) -> Self {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        Self::new(text, "")
    }
}

impl From<std::io::Error> for Mistake {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string(), "")
    }
}
