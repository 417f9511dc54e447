//! Patterns: texts of a rig file that stand for one text in each cluster or pack.

use super::merge::{Entry, Merged};
use crate::config::{Origin, PlantSection, RigConfigError};

/// What stands in braces in a rig file's texts.
const PLACEHOLDERS: [&str; 3] = ["cluster", "pack", "c"];

/// Refuses braces around anything else: left as they are, a text would name nothing or one thing instead of many.
pub(super) fn check_placeholders(merged: &Merged) -> Result<(), RigConfigError> {
    let mut texts: Vec<(&String, &Origin)> = Vec::new();
    for Entry { value, origin } in &merged.buses {
        texts.push((&value.name, origin));
        texts.extend(
            value
                .interface
                .iter()
                .chain(&value.listen)
                .map(|text| (text, origin)),
        );
    }
    for Entry { value, origin } in &merged.lines {
        texts.push((&value.name, origin));
        let filled = value.link.iter().chain(&value.device).chain(&value.listen);
        texts.extend(filled.map(|text| (text, origin)));
    }
    for (_, Entry { value, origin }) in &merged.devices {
        let filled = value
            .can
            .values()
            .chain(value.peers.values())
            .chain(&value.listen)
            .chain(&value.line);
        texts.push((&value.tag, origin));
        texts.extend(filled.map(|text| (text, origin)));
    }
    for Entry { value, origin } in &merged.cuts {
        texts.extend(value.devices.iter().map(|text| (text, origin)));
    }
    texts.extend(
        merged
            .faults
            .iter()
            .map(|fault| (&fault.value.target, &fault.origin)),
    );
    for (text, origin) in texts {
        let in_braces = text.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
        if let Some((name, _)) = { in_braces }.find(|(name, _)| !PLACEHOLDERS.contains(name)) {
            return Err(origin.error(
                format!("`{text}`: nothing stands for `{{{name}}}`"),
                "write {cluster} and {pack} for the numbers of clusters and packs, or {c} for a cluster without leading zero",
            ));
        }
    }
    Ok(())
}

/// Replaces the [`PLACEHOLDERS`].
#[derive(Clone, Copy)]
pub(super) struct At {
    cluster: usize,
    pack: usize,
}

impl At {
    pub(super) fn fill(self, text: &str) -> String {
        text.replace("{cluster}", &format!("{:02}", self.cluster))
            .replace("{c}", &self.cluster.to_string())
            .replace("{pack}", &format!("{:02}", self.pack))
    }
}

/// Every place `pattern` runs over.
pub(super) fn everywhere(pattern: &str, plant: &PlantSection) -> Vec<At> {
    let clusters = if pattern.contains("{cluster}") || pattern.contains("{c}") {
        plant.clusters
    } else {
        1
    };
    let packs = if pattern.contains("{pack}") {
        plant.packs
    } else {
        1
    };
    (1..=clusters)
        .flat_map(|cluster| (1..=packs).map(move |pack| At { cluster, pack }))
        .collect()
}
