//! From files to a rig that runs: reads what the user names, builds the rig, picks the driver.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bess_catalogue::{Catalogue, Kind};
use bess_devices::library::Library;
use bess_fieldbus::{Limits, PacedDriver};
use bess_rig::{ClockMode, Driver, Rig, RigConfig, Role, VirtualDriver};

use crate::mistake::Mistake;
use crate::nameplate::Nameplate;
use crate::telemetry::Described;
use crate::watch::Names;

/// Data files: of devices, and of the products the plant is made of.
pub(crate) struct Data {
    pub(crate) library: Library,
    catalogue: Catalogue,
    /// What is wrong with parts that could not be read; whose ids nobody knows.
    broken_parts: Vec<Mistake>,
}

impl Data {
    /// Parts of the plant, if all of them could be read: one that could not may be the one that is meant.
    pub(crate) fn catalogue(&self) -> Result<&Catalogue, Mistake> {
        match self.broken_parts.first() {
            None => Ok(&self.catalogue),
            Some(mistake) => Err(mistake.clone()),
        }
    }

    /// Parts of the plant that could be read, and what is wrong with the others.
    pub(crate) fn readable_parts(&self) -> (&Catalogue, &[Mistake]) {
        (&self.catalogue, &self.broken_parts)
    }
}

/// A rig file and the data it needs, read and checked, not yet running.
#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) config: RigConfig,
    pub(crate) data: Arc<Data>,
    pub(crate) names: Arc<Names>,
    pub(crate) nameplate: Arc<Nameplate>,
    pub(crate) described: Arc<Described>,
}

impl Bench {
    /// Reads the rig file and builds the rig once, so that every mistake shows before anything starts.
    pub(crate) fn load(rig: &Path, data: Arc<Data>, seed: Option<u64>) -> Result<Self, Mistake> {
        let mut config = load_config(rig, data.catalogue()?)?;
        if let Some(seed) = seed {
            config.seed = seed;
        }
        let built = Rig::new(&config, &data.library, Role::Rig)?;
        let names = Names::of(&built, config.plant.clusters, config.plant.packs);
        let nameplate = Nameplate::of(data.catalogue()?, &config.plant.spec)?;
        let described = Described::of(&built, &config, data.catalogue()?, &data.library)?;
        Ok(Self {
            config,
            data,
            names: Arc::new(names),
            nameplate: Arc::new(nameplate),
            described: Arc::new(described),
        })
    }

    pub(crate) fn paced(&self) -> bool {
        self.config.clock.mode == ClockMode::Paced
    }

    /// A fresh rig with its driver; a paced one has its sockets open afterwards.
    pub(crate) fn driver(&self) -> Result<Box<dyn Driver>, Mistake> {
        let rig = Rig::new(&self.config, &self.data.library, Role::Rig)?;
        Ok(if self.paced() {
            Box::new(paced_driver(rig, &self.config)?)
        } else {
            Box::new(VirtualDriver::new(rig))
        })
    }
}

/// The wall-clock driver of `rig`, with the limits of its file.
pub(crate) fn paced_driver(rig: Rig, config: &RigConfig) -> Result<PacedDriver, Mistake> {
    let limits = Limits {
        soft: Duration::from_millis(config.clock.soft_limit_ms),
        hard: Duration::from_millis(config.clock.hard_limit_ms),
        ..Limits::default()
    };
    Ok(PacedDriver::new(rig, limits)?)
}

/// Reads a rig file and what it inherits.
pub(crate) fn load_config(path: &Path, catalogue: &Catalogue) -> Result<RigConfig, Mistake> {
    let name = path.to_string_lossy();
    Ok(RigConfig::load(&name, catalogue, &|file| {
        read_text(Path::new(file))
    })?)
}

/// Folders of a `--data` folder that are about devices; the others are the catalogue's.
const DEVICE_FOLDERS: [&str; 3] = ["products", "dbc", "modbus"];

/// A misspelt `--data` would silently leave everything as shipped.
fn check_data_folder(folder: &Path) -> Result<(), Mistake> {
    let catalogue = Kind::ALL.into_iter().map(Kind::folder);
    let known: Vec<_> = DEVICE_FOLDERS.into_iter().chain(catalogue).collect();
    let name = folder.display();
    let wrong = if !folder.is_dir() {
        format!("--data {name}: there is no such folder")
    } else if !known.iter().any(|kind| folder.join(kind).is_dir()) {
        format!("--data {name}: the folder has none of the folders that are looked for")
    } else {
        return Ok(());
    };
    Err(Mistake::new(
        wrong,
        format!("name a folder with one or more of {}", known.join(", ")),
    ))
}

/// The shipped data files, with those of a `--data` folder in front. What cannot be read is told to whoever asks for it.
pub(crate) fn data(folder: Option<&Path>) -> Result<Arc<Data>, Mistake> {
    let mut data = Data {
        library: Library::shipped(),
        catalogue: Catalogue::shipped(),
        broken_parts: Vec::new(),
    };
    if let Some(folder) = folder {
        check_data_folder(folder)?;
        let name = folder.to_string_lossy();
        for path in DEVICE_FOLDERS
            .into_iter()
            .map(|kind| files_in(&folder.join(kind), None))
            .collect::<Result<Vec<_>, _>>()?
            .concat()
        {
            let own = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy();
            match text_of(&path) {
                Ok(text) => data.library.overlay(&name, &own, &text),
                Err(bad) => data
                    .library
                    .overlay_unreadable(&name, &own, &bad.text, bad.at, &bad.why),
            }
        }
        for kind in Kind::ALL {
            for path in files_in(&folder.join(kind.folder()), Some("toml"))? {
                let name = path.to_string_lossy();
                let added = text_of(&path)
                    .map_err(|bad| Mistake::new(format!("{name}: {}", bad.why), ""))
                    .and_then(|text| {
                        Ok(data
                            .catalogue
                            .add(kind, bess_catalogue::File::new(&*name, text))?)
                    });
                data.broken_parts.extend(added.err());
            }
        }
    }
    Ok(Arc::new(data))
}

/// Files below a folder, if there is such a folder.
fn files_in(folder: &Path, extension: Option<&str>) -> Result<Vec<PathBuf>, Mistake> {
    if folder.is_dir() {
        files_below(folder, extension)
    } else {
        Ok(vec![])
    }
}

/// A file that has no text.
struct NoText {
    /// What can be read of it.
    text: String,
    /// The byte from which on it cannot.
    at: usize,
    why: String,
}

/// The text of a file, or in words why there is none.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    text_of(path).map_err(|bad| bad.why)
}

/// UTF-8 with or without a byte order mark. A DBC that is none is in a coding of the Windows editors that write them.
fn text_of(path: &Path) -> Result<String, NoText> {
    let bytes = fs::read(path).map_err(|error| NoText {
        text: String::new(),
        at: 0,
        why: match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            io::ErrorKind::IsADirectory => "this is a folder, not a file".to_owned(),
            _ => error.to_string(),
        },
    })?;
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let is_dbc = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("dbc"));
    match str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) if is_dbc => Ok(of_code_page(bytes).0),
        Err(error) => Err(NoText {
            text: String::from_utf8_lossy(bytes).into_owned(),
            at: error.valid_up_to(),
            why: format!("not a text file: byte {} is not UTF-8", error.valid_up_to()),
        }),
    }
}

/// Text in a code page of Windows, and the name of the page: GBK if Chinese words come of it, else Windows-1252, which has
/// Latin-1 in it; every byte is a letter or a control code there.
pub(crate) fn of_code_page(bytes: &[u8]) -> (String, &'static str) {
    let chinese = encoding_rs::GBK.decode_without_bom_handling_and_without_replacement(bytes);
    if let Some(text) = chinese.filter(|text| has_chinese_words(text)) {
        return (text.into_owned(), "GBK");
    }
    let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes);
    (text.into_owned(), "Windows-1252")
}

/// Whether most Chinese signs of a text stand beside others. An accented letter and the one after it may read as such a
/// sign, but then it stands alone among Latin letters.
fn has_chinese_words(text: &str) -> bool {
    let is_sign = |c: char| ('\u{4E00}'..='\u{9FFF}').contains(&c);
    let (mut signs, mut in_words, mut run) = (0_usize, 0, 0);
    for c in text.chars().chain(core::iter::once(' ')) {
        if is_sign(c) {
            signs += 1;
            run += 1;
        } else {
            in_words += if run > 1 { run } else { 0 };
            run = 0;
        }
    }
    in_words > 0 && in_words * 2 >= signs
}

/// Every file below `folder` with this extension, in order of their paths.
pub(crate) fn files_below(folder: &Path, extension: Option<&str>) -> Result<Vec<PathBuf>, Mistake> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        let entries = fs::read_dir(&next)
            .map_err(|error| Mistake::new(format!("{}: {error}", next.display()), "check the path"))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if extension.is_none_or(|wanted| path.extension().is_some_and(|e| e == wanted)) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_and_western_texts_are_told_apart() {
        for text in [
            "地址,名称,单位\n0,电压,V\n1,温度,℃\n",
            "Address;Name\n0;簇电压\n",
            "CM_ \"电池簇\";",
        ] {
            let (bytes, ..) = encoding_rs::GBK.encode(text);
            assert_eq!(of_code_page(&bytes), (text.to_owned(), "GBK"));
        }
        for text in [
            "Adresse;Größe;Ölkühler\n1;Fühler außen;°C\n2;Rücklauf für Kühlung;°C\n",
            "Adresse;Désignation;Unité\n1;Température créée;°C\n2;Fréquence;Hz\n",
            "CM_ \"Straße, 10 µA ± 1 %\";",
            "Größe",
        ] {
            let (bytes, _, lost) = encoding_rs::WINDOWS_1252.encode(text);
            assert!(!lost);
            assert_eq!(of_code_page(&bytes), (text.to_owned(), "Windows-1252"));
        }
    }
}
