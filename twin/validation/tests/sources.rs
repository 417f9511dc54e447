//! Every tag of shipped data, features and rows stands for a source that is listed.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a failed unwrap is the test failing"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bess_catalogue::Tag;
use bess_catalogue::source::sources;
use bess_validation::experiments;

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path
            .extension()
            .is_some_and(|end| end == "toml" || end == "feature")
        {
            found.push(path);
        }
    }
}

/// Tags of numbered sources in a text: S or P and digits, a word of their own.
fn numbered(text: &str) -> impl Iterator<Item = Tag> {
    text.split(|c: char| !(c.is_alphanumeric() || "-_/·".contains(c)))
        .filter(|word| word.ends_with(|c: char| c.is_ascii_digit()))
        .filter_map(|word| word.parse().ok())
}

/// What is said of origins: comments of data files, brackets of features.
fn origins(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let feature = path.extension().is_some_and(|end| end == "feature");
    let of_line = |line: &str| {
        let begin = line.find(if feature { '[' } else { '#' })?;
        Some(line[begin..].to_owned())
    };
    text.lines().filter_map(of_line).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_tag_is_listed() {
    let listed: Vec<Tag> = sources().iter().map(|source| source.tag).collect();
    assert_eq!(
        listed.iter().collect::<BTreeSet<_>>().len(),
        listed.len(),
        "a tag is there twice"
    );
    assert!(sources().iter().all(|source| source.what.len() > 30));

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for folder in [
        "twin/catalogue/data",
        "device-emulators/data",
        "features",
        "scenarios/rigs",
    ] {
        files_below(&root.join(folder), &mut files);
    }
    let mut used = BTreeSet::new();
    for file in files.iter().filter(|file| !file.ends_with("sources.toml")) {
        for tag in numbered(&origins(file)) {
            assert!(listed.contains(&tag), "{tag} of {} is not listed", file.display());
            used.insert(tag);
        }
    }
    assert!(used.len() > 20, "{used:?}");
    for claim in experiments().iter().flat_map(|experiment| experiment.claims) {
        for tag in claim.source.tags() {
            assert!(listed.contains(tag), "{tag} of {} is not listed", claim.id);
        }
    }
}

#[test]
fn a_tag_is_found_as_a_word_of_its_own() {
    let found: Vec<_> = numbered("[S8] ≤ 20 … 50; P4, (S16, weak) 14S 1P16S SJ-S12 P0·x S").collect();
    assert_eq!(found, [Tag::S(8), Tag::P(4), Tag::S(16)]);
}
