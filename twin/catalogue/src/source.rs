//! What the tags of figures stand for: `data/sources.toml`.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::tag::Tag;

/// A source, or a kind of origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What stands between the brackets.
    pub tag: Tag,
    /// What it is, in our words.
    pub what: String,
}

/// All of them, in the order of the file.
pub fn sources() -> &'static [Source] {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Entry {
        tag: String,
        what: String,
    }
    #[derive(Deserialize)]
    struct File {
        source: Vec<Entry>,
    }
    #[allow(clippy::expect_used, reason = "a shipped file, read by every test")]
    static ALL: LazyLock<Vec<Source>> = LazyLock::new(|| {
        let file: File = toml::from_str(include_str!("../data/sources.toml")).expect("sources.toml");
        let each = file.source.into_iter().map(|Entry { tag, what }| Source {
            tag: tag.parse().expect("a tag of sources.toml"),
            what,
        });
        each.collect()
    });
    &ALL
}
