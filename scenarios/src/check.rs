//! `bessrig check`: reads files as a run would and says what is wrong, without starting anything.

use std::path::Path;
use std::sync::Arc;

use bess_devices::finding::Finding;

use crate::bench::{Bench, Data, read_text};
use crate::maps::check::Bus;
use crate::mistake::Mistake;
use crate::{feature, maps};

/// What a file is, from its name and its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Feature,
    Dbc,
    Rig,
    Product,
    RegisterMap,
    /// Of the catalogue.
    Part(bess_catalogue::Kind),
}

/// A file that can be used.
#[derive(Debug)]
pub(crate) struct Passed {
    /// What it is, in a few words.
    pub(crate) what: String,
    /// What is hardly meant so in it.
    pub(crate) warnings: Vec<Finding>,
}

impl From<String> for Passed {
    fn from(what: String) -> Self {
        Self {
            what,
            warnings: Vec::new(),
        }
    }
}

/// Checks one file.
pub(crate) fn file(path: &Path, rig: &Path, data: &Arc<Data>) -> Result<Passed, Vec<Mistake>> {
    let name = path.to_string_lossy().into_owned();
    let text = read_text(path).map_err(|why| {
        vec![Mistake::new(
            format!("{name}: {why}"),
            "name a rig, product or register file (.toml), a DBC (.dbc) or a feature (.feature)",
        )]
    })?;
    let one = |mistake: Mistake| vec![mistake];
    match kind(path, &text).map_err(one)? {
        Kind::Feature => check_feature(path, rig, data).map(Passed::from),
        Kind::Rig => {
            let bench = Bench::load(path, Arc::clone(data), None).map_err(one)?;
            let mut warnings = bess_rig::wiring::out_of_reach(&bench.config, &data.library);
            warnings.extend(maps::check::of_rig(&bench.config, &data.library));
            Ok(Passed {
                what: format!("rig, {} devices", bench.config.devices.len()),
                warnings,
            })
        }
        Kind::Part(kind) => {
            let file = bess_catalogue::File::new(&*name, text);
            let (catalogue, broken) = data.readable_parts();
            let said = catalogue.check(kind, file.clone()).map_err(Mistake::from);
            let said = said.and_then(|said| check_measurable(kind, file, catalogue).map(|()| said));
            // what it lacks may be in one of those
            said.map(Passed::from)
                .map_err(|mistake| [&[mistake], broken].concat())
        }
        kind @ (Kind::Dbc | Kind::Product | Kind::RegisterMap) => {
            let checked =
                maps::check::file(kind, path, &text, &data.library, &Bus::default()).map_err(one)?;
            checked.map_or_else(
                || Ok(Passed::from(String::new())),
                |mut checked| {
                    checked.leave_out_shipped(&[path.to_owned()]);
                    checked.verdict()
                },
            )
        }
    }
}

/// What a file is.
pub(crate) fn kind(path: &Path, text: &str) -> Result<Kind, Mistake> {
    let name = path.to_string_lossy();
    match path.extension().and_then(|e| e.to_str()) {
        Some("feature") => return Ok(Kind::Feature),
        Some("dbc") => return Ok(Kind::Dbc),
        Some("toml") => {}
        _ => {
            return Err(Mistake::new(
                format!("{name}: the name does not tell what kind of file this is"),
                "files end in .toml, .dbc or .feature",
            ));
        }
    }
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        Mistake::at(
            &name,
            text,
            error.span(),
            error.message().trim(),
            "the file must be TOML",
        )
    })?;
    // What inherits need not say its kind, and a rig file has no id.
    if table.contains_key("kind") || (table.contains_key("id") && table.contains_key("inherits")) {
        Ok(Kind::Product)
    } else if table.contains_key("block") {
        Ok(Kind::RegisterMap)
    } else {
        Ok(bess_catalogue::Kind::of(&table, path).map_or(Kind::Rig, Kind::Part))
    }
}

/// The plant can have packs that no BMU measures.
fn check_measurable(
    kind: bess_catalogue::Kind,
    file: bess_catalogue::File,
    catalogue: &bess_catalogue::Catalogue,
) -> Result<(), Mistake> {
    if kind != bess_catalogue::Kind::Pack {
        return Ok(());
    }
    let (catalogue, id) = catalogue.with(kind, file)?;
    let pack = catalogue.product::<bess_catalogue::product::Pack>(&id)?;
    let most = bess_devices::bmu::Settings::MAX_CELLS;
    if pack.value.cells <= most {
        return Ok(());
    }
    let figures = catalogue.figures(kind, &id)?;
    let span = figures.iter().find(|figure| figure.path == "cells");
    Err(Mistake::at(
        pack.file.path(),
        pack.file.text(),
        span.map(|figure| figure.span.clone()),
        format!(
            "a pack of {} cells, but no BMU measures more than {most}, the width of its balancing mask on the wire",
            pack.value.cells
        ),
        format!("make packs of {most} cells or fewer, and more of them in series; each has a BMU of its own"),
    ))
}

fn check_feature(path: &Path, rig: &Path, data: &Arc<Data>) -> Result<String, Vec<Mistake>> {
    let bench = Bench::load(rig, Arc::clone(data), None).map_err(|mistake| vec![mistake])?;
    let loaded = feature::load(&[path.to_owned()])?;
    let mistakes: Vec<_> = loaded
        .iter()
        .flat_map(|(file, scenarios)| feature::check(file, scenarios, &bench))
        .collect();
    if mistakes.is_empty() {
        let count: usize = loaded.iter().map(|(_, scenarios)| scenarios.len()).sum();
        Ok(format!("feature, {count} scenarios"))
    } else {
        Err(mistakes)
    }
}
