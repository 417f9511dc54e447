//! From rig files to a [`RigConfig`]: read, merge along `inherits`, expand patterns, check.

mod buses;
mod devices;
mod merge;
mod patterns;

use core::net::SocketAddr;
use core::time::Duration;

use bess_catalogue::Catalogue;
use bess_plant::InitialState;
use bess_types::SimTime;

use self::buses::buses;
use self::devices::devices;
use self::merge::{Entry, Merged, merge_chain};
use self::patterns::{check_placeholders, everywhere};
use super::line::RtuLineConfig;
use super::{
    Backing, Clock, ClockMode, CutConfig, DeviceConfig, FaultConfig, Origin, PlantSection, RigConfig,
    RigConfigError,
};
use crate::fault::LinkFault;

type Read<'a> = &'a dyn Fn(&str) -> Result<String, String>;

pub(super) fn load(path: &str, catalogue: &Catalogue, read: Read<'_>) -> Result<RigConfig, RigConfigError> {
    let merged = merge_chain(path, read)?;
    check_placeholders(&merged)?;
    let clock = clock(&merged)?;
    let plant = plant(&merged, catalogue)?;
    let buses = buses(&merged, &plant)?;
    let lines = lines(&merged, &plant)?;
    let devices = devices(&merged, &plant, &buses, &lines)?;
    let cuts = cuts(&merged, &plant, &devices)?;
    let faults = faults(&merged, &plant)?;
    let effective = merged.effective();
    Ok(RigConfig {
        path: path.into(),
        top: merged.top.clone(),
        title: merged.rig.title.clone().unwrap_or_else(|| path.into()),
        seed: merged.rig.seed.unwrap_or(1),
        clock,
        faults_enabled: merged.rig.control.as_ref().and_then(|control| control.faults) == Some(true),
        plant,
        can_buses: buses,
        rtu_lines: lines,
        devices,
        cuts,
        faults,
        effective,
    })
}

fn clock(merged: &Merged) -> Result<Clock, RigConfigError> {
    let file = merged.rig.clock.clone().unwrap_or_default();
    let clock = Clock {
        mode: file.mode.unwrap_or(ClockMode::Virtual),
        soft_limit_ms: file.soft_limit_ms.unwrap_or(5),
        hard_limit_ms: file.hard_limit_ms.unwrap_or(50),
    };
    if clock.soft_limit_ms == 0 || clock.hard_limit_ms < clock.soft_limit_ms {
        return Err(merged.top.error(
            format!(
                "clock limits make no sense: soft {} ms, hard {} ms",
                clock.soft_limit_ms, clock.hard_limit_ms
            ),
            "soft_limit_ms must be at least 1 and hard_limit_ms not below it",
        ));
    }
    Ok(clock)
}

fn plant(merged: &Merged, catalogue: &Catalogue) -> Result<PlantSection, RigConfigError> {
    let Some(Entry { value: file, origin }) = &merged.plant else {
        return Err(merged.top.error(
            "there is no [plant] section",
            "add [plant] with container = \"liq-20ft-1267\"",
        ));
    };
    let container = file.container.as_deref().ok_or_else(|| {
        origin.error(
            "[plant] does not name a container",
            "add container = \"...\"; bessrig catalogue lists them",
        )
    })?;
    let mut spec = catalogue
        .plant(container, file.cell.as_deref())
        .map_err(|error| origin.product_error(&error))?;
    let clusters = file.clusters.unwrap_or(spec.container.clusters);
    if clusters == 0 || clusters > spec.container.clusters {
        return Err(origin.error(
            format!(
                "clusters = {clusters}, but {container} has {}",
                spec.container.clusters
            ),
            format!("give a number from 1 to {}", spec.container.clusters),
        ));
    }
    let grid_step_ms = file.grid_step_ms.unwrap_or(10);
    if !matches!(grid_step_ms, 1 | 2 | 5 | 10) {
        return Err(origin.error(
            format!("grid_step_ms = {grid_step_ms}"),
            "the plant's grid is 1, 2, 5 or 10 ms, so that every sensor period is a multiple of it",
        ));
    }
    let initial: InitialState = file
        .initial
        .clone()
        .try_into()
        .map_err(|error: toml::de::Error| {
            origin.error(
                format!("[plant.initial]: {}", error.message().trim()),
                help_for(error.message()),
            )
        })?;
    spec.container.clusters = clusters;
    Ok(PlantSection {
        clusters,
        packs: spec.container.packs_per_cluster,
        spec,
        grid_step: Duration::from_millis(grid_step_ms),
        initial,
        origin: origin.clone(),
    })
}

fn lines(merged: &Merged, plant: &PlantSection) -> Result<Vec<RtuLineConfig>, RigConfigError> {
    let mut lines: Vec<RtuLineConfig> = Vec::new();
    for Entry { value: file, origin } in &merged.lines {
        for at in everywhere(&file.name, plant) {
            let line = RtuLineConfig::new(file, origin, &|text| at.fill(text))?;
            if let Some(other) = lines.iter().find(|other| other.clashes(&line)) {
                return Err(origin.error(
                    format!(
                        "RTU line `{}` shares its name, link, device or address with the line at {}",
                        line.name,
                        other.origin.line()
                    ),
                    "give each line a name and a place of its own",
                ));
            }
            lines.push(line);
        }
    }
    Ok(lines)
}

/// Controller processes; without a command of their own they are this binary hosting their devices.
fn cuts(
    merged: &Merged,
    plant: &PlantSection,
    devices: &[DeviceConfig],
) -> Result<Vec<CutConfig>, RigConfigError> {
    let mut cuts = Vec::new();
    for Entry { value: file, origin } in &merged.cuts {
        let mut tags = Vec::new();
        for pattern in &file.devices {
            for at in everywhere(pattern, plant) {
                let text = at.fill(pattern);
                match devices.iter().find(|device| device.tag.as_str() == text) {
                    Some(device) if device.backing == Backing::Real => tags.push(device.tag.clone()),
                    Some(_) => {
                        return Err(origin.error(
                            format!(
                                "controller `{}` is to run {text}, which the rig emulates itself",
                                file.name
                            ),
                            "say backing = \"real\" for that device",
                        ));
                    }
                    None => {
                        return Err(origin.error(
                            format!(
                                "controller `{}` is to run {text}, which is not in the rig",
                                file.name
                            ),
                            "correct the tag",
                        ));
                    }
                }
            }
        }
        let start = match &file.start {
            Some(start) if !start.is_empty() => start.clone(),
            None if !tags.is_empty() => {
                let host = ["{bessrig}", "host", "--rig", "{rig}"].map(String::from);
                host.into_iter()
                    .chain(tags.iter().flat_map(|tag| ["--device".into(), tag.to_string()]))
                    .collect()
            }
            _ => {
                return Err(origin.error(
                    format!("controller `{}` has neither devices to host nor a command to start it", file.name),
                    "give devices = [\"tag\", ...] or start = [\"program\", \"argument\", ...], or leave the entry out if it runs already",
                ));
            }
        };
        cuts.push(CutConfig {
            name: file.name.clone(),
            start,
            devices: tags,
            origin: origin.clone(),
        });
    }
    Ok(cuts)
}

fn faults(merged: &Merged, plant: &PlantSection) -> Result<Vec<FaultConfig>, RigConfigError> {
    let mut faults = Vec::new();
    for Entry { value: file, origin } in &merged.faults {
        let given: Vec<_> = file
            .with
            .iter()
            .map(|(name, value)| (name.clone(), *value))
            .collect();
        for at in everywhere(&file.target, plant) {
            let fault = LinkFault::new(&file.name, &at.fill(&file.target), &given).map_err(|error| {
                origin.error(
                    error.to_string(),
                    "`bessrig faults` lists them with their numbers",
                )
            })?;
            faults.push(FaultConfig {
                at: SimTime::from_millis(file.at_ms),
                fault: fault.lasting(file.for_ms.map(Duration::from_millis)),
                origin: origin.clone(),
            });
        }
    }
    Ok(faults)
}

/// The address that `owner` gives as its `listen`.
pub(super) fn address(text: &str, owner: &str, origin: &Origin) -> Result<SocketAddr, RigConfigError> {
    text.parse().map_err(|_| {
        origin.error(
            format!("{owner}: listen = \"{text}\" is not an address"),
            "write address and port, as in \"127.0.0.1:15020\"",
        )
    })
}

fn help_for(message: &str) -> &'static str {
    if message.contains("unknown field") {
        "remove the key or correct its spelling; unknown keys are refused so that a typo cannot go unnoticed"
    } else if message.contains("unknown variant") {
        "use one of the listed words"
    } else {
        "correct the value; scenarios/rigs/base/container.toml shows how each key is used"
    }
}
