//! Where the sources of the products contradict each other, and what is assumed: `data/conflicts.toml`.

use std::sync::LazyLock;

use serde::Deserialize;

/// A contradiction in the sources.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conflict {
    /// The number products flag it by.
    pub number: u8,
    /// What it is about.
    pub title: String,
    /// What the sources say.
    pub sources: String,
    /// What is taken here.
    pub assumed: String,
}

/// All of them, by number.
pub fn conflicts() -> &'static [Conflict] {
    #[derive(Deserialize)]
    struct File {
        conflict: Vec<Conflict>,
    }
    #[allow(clippy::expect_used, reason = "a shipped file, read by every test")]
    static ALL: LazyLock<Vec<Conflict>> = LazyLock::new(|| {
        let file: File = toml::from_str(include_str!("../data/conflicts.toml")).expect("conflicts.toml");
        file.conflict
    });
    &ALL
}

/// The one with this number.
pub fn conflict(number: u8) -> Option<&'static Conflict> {
    conflicts().iter().find(|conflict| conflict.number == number)
}
