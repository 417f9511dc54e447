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
use crate::watch::Names;

/// Data files: of devices, and of the products the plant is made of.
pub(crate) struct Data {
    pub(crate) library: Library,
    pub(crate) catalogue: Catalogue,
}

/// A rig file and the data it needs, read and checked, not yet running.
#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) config: RigConfig,
    pub(crate) data: Arc<Data>,
    pub(crate) names: Arc<Names>,
    pub(crate) nameplate: Arc<Nameplate>,
}

impl Bench {
    /// Reads the rig file and builds the rig once, so that every mistake shows before anything starts.
    pub(crate) fn load(rig: &Path, data: Arc<Data>, seed: Option<u64>) -> Result<Self, Mistake> {
        let mut config = load_config(rig, &data.catalogue)?;
        if let Some(seed) = seed {
            config.seed = seed;
        }
        let built = Rig::new(&config, &data.library, Role::Rig)?;
        let names = Names::of(&built, config.plant.clusters, config.plant.packs);
        let nameplate = Nameplate::of(&data.catalogue, &config.plant.spec)?;
        Ok(Self {
            config,
            data,
            names: Arc::new(names),
            nameplate: Arc::new(nameplate),
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

/// The shipped data files, with those of a `--data` folder in front.
pub(crate) fn data(folder: Option<&Path>) -> Result<Arc<Data>, Mistake> {
    let mut data = Data {
        library: Library::shipped(),
        catalogue: Catalogue::shipped(),
    };
    if let Some(folder) = folder {
        check_data_folder(folder)?;
        for kind in DEVICE_FOLDERS {
            for (path, text) in texts_below(&folder.join(kind), None)? {
                let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy();
                data.library.overlay(&folder.to_string_lossy(), &name, &text);
            }
        }
        for kind in Kind::ALL {
            for (path, text) in texts_below(&folder.join(kind.folder()), Some("toml"))? {
                data.catalogue
                    .add(kind, bess_catalogue::File::new(path.to_string_lossy(), text))?;
            }
        }
    }
    Ok(Arc::new(data))
}

/// Paths and texts of the files below a folder, if there is such a folder.
fn texts_below(folder: &Path, extension: Option<&str>) -> Result<Vec<(PathBuf, String)>, Mistake> {
    if !folder.is_dir() {
        return Ok(vec![]);
    }
    files_below(folder, extension)?
        .into_iter()
        .map(|file| match read_text(&file) {
            Ok(text) => Ok((file, text)),
            Err(why) => Err(Mistake::new(format!("{}: {why}", file.display()), "")),
        })
        .collect()
}

/// The text of a file, or in words why there is none.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::IsADirectory => "this is a folder, not a file".to_owned(),
        _ => error.to_string(),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let position = error.utf8_error().valid_up_to();
        format!("not a text file: byte {position} is not UTF-8")
    })
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
