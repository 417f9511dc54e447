//! The one address form: `container-01/cluster-03/pack-05/cell-17`.

use core::fmt;
use core::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Address of a device or plant part. Cheap to clone; ordered as text, which is the order devices wake in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(Arc<str>);

/// Why a text is not a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagError {
    text: String,
}

impl fmt::Display for TagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a tag: use lower-case letters, digits and '-', parts joined by '/', as in container-01/cluster-03/pack-05/bmu",
            self.text
        )
    }
}

impl core::error::Error for TagError {}

impl Tag {
    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tag one level deeper.
    ///
    /// # Panics
    /// If `part` is not a valid tag part; parts come from code, not from files.
    #[must_use]
    pub fn join(&self, part: &str) -> Self {
        assert!(
            is_part(part),
            "tag part {part:?} is not lower-case letters, digits and '-'"
        );
        Self(format!("{}/{part}", self.0).into())
    }

    /// The number behind `name-` in this tag: `index_of("cluster")` of `container-01/cluster-03` is 3.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.0
            .split('/')
            .find_map(|part| part.strip_prefix(name)?.strip_prefix('-')?.parse().ok())
    }

    /// The last part: `bmu` of `container-01/cluster-03/pack-05/bmu`.
    pub fn leaf(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

fn is_part(part: &str) -> bool {
    !part.is_empty()
        && part
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl FromStr for Tag {
    type Err = TagError;
    fn from_str(text: &str) -> Result<Self, TagError> {
        if text.split('/').all(is_part) {
            Ok(Self(text.into()))
        } else {
            Err(TagError { text: text.into() })
        }
    }
}

impl TryFrom<String> for Tag {
    type Error = TagError;
    fn try_from(text: String) -> Result<Self, TagError> {
        text.parse()
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0.as_ref().into()
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    #[test]
    fn reads_indices() {
        let tag: Tag = "container-01/cluster-03/pack-05/cell-17".parse().unwrap();
        assert_eq!(tag.index_of("cluster"), Some(3));
        assert_eq!(tag.index_of("cell"), Some(17));
        assert_eq!(tag.index_of("site"), None);
        assert_eq!(tag.leaf(), "cell-17");
    }

    #[test]
    fn refuses_what_is_not_a_tag() {
        for bad in ["", "/", "a//b", "Cluster-01", "a b", "a/"] {
            assert!(bad.parse::<Tag>().is_err(), "{bad:?}");
        }
    }
}
