//! From rig files to a [`RigConfig`]: read, merge along `inherits`, expand patterns, check.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use bess_catalogue::Catalogue;
use bess_devices::product::DeviceKind;
use bess_plant::InitialState;
use bess_types::{SimTime, Tag};
use toml::Spanned;

use super::file::{CanBusFile, CutFile, DeviceFile, FaultFile, PlantFile, RigFile, RtuLineFile};
use super::line::{self, ModbusAddress, RtuLineConfig};
use super::{
    Attach, Backing, CanBusConfig, Clock, ClockMode, CutConfig, DeviceConfig, FaultConfig, Origin,
    PlantSection, RigConfig, RigConfigError, SourceFile, Timing, places,
};
use crate::fault::LinkFault;

type Read<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// A merged entry and where it was last written.
struct Entry<T> {
    value: T,
    origin: Origin,
}

/// Everything the chain of files says, before patterns are expanded.
struct Merged {
    rig: RigFile,
    top: Origin,
    plant: Option<Entry<PlantFile>>,
    buses: Vec<Entry<CanBusFile>>,
    lines: Vec<Entry<RtuLineFile>>,
    devices: Vec<(DeviceKind, Entry<DeviceFile>)>,
    cuts: Vec<Entry<CutFile>>,
    faults: Vec<Entry<FaultFile>>,
}

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
    let effective = effective(&merged);
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

/// Reads `path` and its bases, base first.
fn merge_chain(path: &str, read: Read<'_>) -> Result<Merged, RigConfigError> {
    let mut chain: Vec<(Arc<SourceFile>, RigFile)> = Vec::new();
    let mut next = path.to_owned();
    let mut asked_by: Option<Origin> = None;
    loop {
        if let (Some(origin), true) = (&asked_by, chain.iter().any(|(file, _)| file.path == next)) {
            return Err(origin.error(
                format!("`inherits` goes round in a circle: {next} is already in the chain"),
                "let one file of the chain inherit nothing",
            ));
        }
        let text = read(&next).map_err(|why| match &asked_by {
            Some(origin) => origin.error(
                format!("cannot read the inherited file {next}: {why}"),
                "`inherits` is relative to the folder of the file that says it",
            ),
            None => RigConfigError::in_file(
                &next,
                format!("cannot read the rig file: {why}"),
                "check the path",
            ),
        })?;
        let source = Arc::new(SourceFile {
            path: next.clone(),
            text,
        });
        let file: RigFile = toml::from_str(&source.text).map_err(|error| {
            RigConfigError::at(
                &source.path,
                &source.text,
                error.span(),
                error.message().trim().to_owned(),
                help_for(error.message()),
            )
        })?;
        let base = file.inherits.clone();
        chain.push((Arc::clone(&source), file));
        let Some(base) = base else { break };
        asked_by = Some(Origin {
            file: source,
            span: base.span(),
        });
        next = beside(&next, base.get_ref());
    }
    let Some(top) = chain.first().map(|(file, _)| Origin {
        file: Arc::clone(file),
        span: 0..0,
    }) else {
        return Err(RigConfigError::in_file(
            path,
            "nothing was read",
            "name a rig file",
        ));
    };
    let mut merged = Merged {
        rig: RigFile::default(),
        top,
        plant: None,
        buses: vec![],
        lines: vec![],
        devices: vec![],
        cuts: vec![],
        faults: vec![],
    };
    while let Some((source, file)) = chain.pop() {
        merged.add(&source, file)?;
    }
    Ok(merged)
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

/// `name` in the folder of `path`.
fn beside(path: &str, name: &str) -> String {
    match path.rfind('/') {
        Some(slash) if !name.starts_with('/') => format!("{}{name}", &path[..=slash]),
        _ => name.into(),
    }
}

impl Merged {
    fn add(&mut self, source: &Arc<SourceFile>, file: RigFile) -> Result<(), RigConfigError> {
        self.rig.title = file.title.or(self.rig.title.take());
        self.rig.seed = file.seed.or(self.rig.seed);
        if let Some(control) = file.control {
            let base = self.rig.control.get_or_insert_default();
            base.faults = control.faults.or(base.faults);
        }
        if let Some(clock) = file.clock {
            let base = self.rig.clock.get_or_insert_default();
            base.mode = clock.mode.or(base.mode);
            base.soft_limit_ms = clock.soft_limit_ms.or(base.soft_limit_ms);
            base.hard_limit_ms = clock.hard_limit_ms.or(base.hard_limit_ms);
        }
        if let Some(plant) = file.plant {
            let new = entry(source, plant);
            self.plant = Some(match self.plant.take() {
                None => new,
                Some(mut base) => {
                    base.value.container = new.value.container.or(base.value.container);
                    base.value.cell = new.value.cell.or(base.value.cell);
                    base.value.clusters = new.value.clusters.or(base.value.clusters);
                    base.value.grid_step_ms = new.value.grid_step_ms.or(base.value.grid_step_ms);
                    base.value.initial.extend(new.value.initial);
                    Entry {
                        value: base.value,
                        origin: new.origin,
                    }
                }
            });
        }
        let mut here: Vec<(String, Origin)> = Vec::new();
        let mut once = |key: String, origin: &Origin| match here.iter().find(|(k, _)| *k == key) {
            Some((_, first)) => Err(origin.error(
                format!("{key} is written twice; first at {}", first.line()),
                "keep one entry; an overlay file may repeat it to change single fields",
            )),
            None => {
                here.push((key, origin.clone()));
                Ok(())
            }
        };
        for bus in file.can_bus {
            let new = entry(source, bus);
            once(format!("can_bus `{}`", new.value.name), &new.origin)?;
            match self.buses.iter_mut().find(|bus| bus.value.name == new.value.name) {
                None => self.buses.push(new),
                Some(base) => {
                    let (new_bus, old) = (new.value, &mut base.value);
                    old.attach = new_bus.attach.or(old.attach);
                    old.interface = new_bus.interface.or(old.interface.take());
                    old.listen = new_bus.listen.or(old.listen.take());
                    old.bit_rate = new_bus.bit_rate.or(old.bit_rate);
                    old.data_bit_rate = new_bus.data_bit_rate.or(old.data_bit_rate);
                    old.queue = new_bus.queue.or(old.queue);
                    old.recovers = new_bus.recovers.or(old.recovers);
                    old.restart_ms = new_bus.restart_ms.or(old.restart_ms);
                    base.origin = new.origin;
                }
            }
        }
        for line in file.rtu_line {
            let new = entry(source, line);
            once(format!("rtu_line `{}`", new.value.name), &new.origin)?;
            match self
                .lines
                .iter_mut()
                .find(|line| line.value.name == new.value.name)
            {
                None => self.lines.push(new),
                Some(base) => {
                    let (line, old) = (new.value, &mut base.value);
                    if line.attach.is_some() && line.attach != old.attach {
                        (old.link, old.device, old.listen) = (None, None, None);
                    }
                    old.attach = line.attach.or(old.attach);
                    old.link = line.link.or(old.link.take());
                    old.device = line.device.or(old.device.take());
                    old.listen = line.listen.or(old.listen.take());
                    old.baud = line.baud.or(old.baud);
                    old.parity = line.parity.or(old.parity);
                    old.stop_bits = line.stop_bits.or(old.stop_bits);
                    old.crc = line.crc.or(old.crc);
                    old.turnaround_ms = line.turnaround_ms.or(old.turnaround_ms);
                    base.origin = new.origin;
                }
            }
        }
        self.faults
            .extend(file.fault.into_iter().map(|fault| entry(source, fault)));
        for cut in file.cut {
            let new = entry(source, cut);
            once(format!("cut `{}`", new.value.name), &new.origin)?;
            match self.cuts.iter_mut().find(|cut| cut.value.name == new.value.name) {
                None => self.cuts.push(new),
                Some(base) => *base = new,
            }
        }
        let arrays = [
            (DeviceKind::Bmu, file.bmu),
            (DeviceKind::HvUnit, file.hv_unit),
            (DeviceKind::RemoteIo, file.remote_io),
            (DeviceKind::SafetyRelay, file.safety_relay),
            (DeviceKind::Pcs, file.pcs),
            (DeviceKind::FirePanel, file.fire_panel),
            (DeviceKind::Chiller, file.chiller),
            (DeviceKind::Hvac, file.hvac),
            (DeviceKind::Meter, file.meter),
            (DeviceKind::Bcu, file.bcu),
            (DeviceKind::Bau, file.bau),
            (DeviceKind::Ems, file.ems),
            (DeviceKind::Hmi, file.hmi),
        ];
        for (kind, entries) in arrays {
            for device in entries {
                let mut new = entry(source, device);
                new.value.tls = new
                    .value
                    .tls
                    .map(|files| files.map(|path| beside(&source.path, path)));
                once(format!("tag `{}`", new.value.tag), &new.origin)?;
                match self
                    .devices
                    .iter_mut()
                    .find(|(k, device)| *k == kind && device.value.tag == new.value.tag)
                {
                    None => self.devices.push((kind, new)),
                    Some((_, base)) => {
                        let Entry { value, origin } = new;
                        base.value.product = value.product.or(base.value.product.take());
                        base.value.backing = value.backing.or(base.value.backing);
                        base.value.can.extend(value.can);
                        base.value.peers.extend(value.peers);
                        // Of two places to serve at, the later file's counts.
                        if value.listen.is_some() || value.line.is_some() {
                            (base.value.listen, base.value.line) = (value.listen, value.line);
                        }
                        base.value.tls = value.tls.or(base.value.tls.take());
                        base.value.unit = value.unit.or(base.value.unit);
                        base.value.modbus = value.modbus.or(base.value.modbus.take());
                        base.value.defect = value.defect.or(base.value.defect);
                        base.value.settings.extend(value.settings);
                        base.origin = origin;
                    }
                }
            }
        }
        Ok(())
    }
}

fn entry<T>(source: &Arc<SourceFile>, value: Spanned<T>) -> Entry<T> {
    let origin = Origin {
        file: Arc::clone(source),
        span: value.span(),
    };
    Entry {
        value: value.into_inner(),
        origin,
    }
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

/// What stands in braces in a rig file's texts.
const PLACEHOLDERS: [&str; 3] = ["cluster", "pack", "c"];

/// Refuses braces around anything else: left as they are, a text would name nothing or one thing instead of many.
fn check_placeholders(merged: &Merged) -> Result<(), RigConfigError> {
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
struct At {
    cluster: usize,
    pack: usize,
}

impl At {
    fn fill(self, text: &str) -> String {
        text.replace("{cluster}", &format!("{:02}", self.cluster))
            .replace("{c}", &self.cluster.to_string())
            .replace("{pack}", &format!("{:02}", self.pack))
    }
}

/// Every place `pattern` runs over.
fn everywhere(pattern: &str, plant: &PlantSection) -> Vec<At> {
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

fn buses(merged: &Merged, plant: &PlantSection) -> Result<Vec<CanBusConfig>, RigConfigError> {
    let mut buses: Vec<CanBusConfig> = Vec::new();
    for Entry { value: file, origin } in &merged.buses {
        for at in everywhere(&file.name, plant) {
            let name = at.fill(&file.name);
            let bus = CanBusConfig {
                attach: file.attach.unwrap_or(Attach::Instant),
                interface: file.interface.as_deref().map(|text| at.fill(text)),
                listen: file
                    .listen
                    .as_deref()
                    .map(|text| address(&at.fill(text), &format!("bus `{name}`"), origin))
                    .transpose()?,
                name,
                timing: timing(file, origin)?,
                origin: origin.clone(),
            };
            if bus.attach == Attach::Socketcan && bus.interface.is_none() {
                return Err(origin.error(
                    format!(
                        "bus `{}` is attached to SocketCAN but names no interface",
                        bus.name
                    ),
                    "add interface = \"vcan0\" or the interface you use",
                ));
            }
            if bus.attach == Attach::Socketcand {
                check_socketcand(&bus)?;
            }
            let taken = |other: &&CanBusConfig| {
                other.name == bus.name || (bus.interface.is_some() && other.interface == bus.interface)
            };
            if let Some(other) = buses.iter().find(taken) {
                return Err(origin.error(
                    format!(
                        "bus `{}` shares its name or interface with the bus at {}",
                        bus.name,
                        other.origin.line()
                    ),
                    "give each bus a name and an interface of its own",
                ));
            }
            buses.push(bus);
        }
    }
    Ok(buses)
}

/// A bus that socketcand clients open by name at an address.
fn check_socketcand(bus: &CanBusConfig) -> Result<(), RigConfigError> {
    if bus.listen.is_none() {
        return Err(bus.origin.error(
            format!(
                "bus `{}` is attached to socketcand but does not say where it listens",
                bus.name
            ),
            "add listen = \"127.0.0.1:29536\"; buses may share an address, clients open them by name",
        ));
    }
    let closes = |c: char| c.is_whitespace() || matches!(c, '<' | '>');
    if bus.name.contains(closes) || !bus.name.is_ascii() {
        return Err(bus.origin.error(
            format!("bus `{}` has a name no socketcand client can open", bus.name),
            "name it in plain letters, digits and dashes",
        ));
    }
    Ok(())
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

/// Timing of a bus; refused where it is not on a timed bus, or is none a CAN controller has.
fn timing(file: &CanBusFile, origin: &Origin) -> Result<Timing, RigConfigError> {
    let given = [
        ("bit_rate", file.bit_rate.is_some()),
        ("data_bit_rate", file.data_bit_rate.is_some()),
        ("queue", file.queue.is_some()),
        ("recovers", file.recovers.is_some()),
        ("restart_ms", file.restart_ms.is_some()),
    ];
    if file.attach != Some(Attach::Timed)
        && let Some((key, _)) = given.iter().find(|(_, given)| *given)
    {
        return Err(origin.error(
            format!("bus `{}` has a {key}, but keeps no time on its wires", file.name),
            "add attach = \"timed\", or leave the key out",
        ));
    }
    let standard = Timing::default();
    let bit_rate = file.bit_rate.unwrap_or(standard.bit_rate);
    let timing = Timing {
        bit_rate,
        data_bit_rate: file.data_bit_rate.unwrap_or(standard.data_bit_rate.max(bit_rate)),
        queue: file.queue.unwrap_or(standard.queue),
        recovers: file.recovers.unwrap_or(standard.recovers),
        restart: file.restart_ms.map_or(standard.restart, Duration::from_millis),
    };
    let range = |key: &str, holds: bool, range: &str| {
        if holds {
            Ok(())
        } else {
            Err(origin.error(
                format!("{key} of bus `{}` is not within {range}", file.name),
                format!("give a {key} of {range}"),
            ))
        }
    };
    range(
        "bit_rate",
        BIT_RATES.contains(&timing.bit_rate),
        "10000 to 1000000",
    )?;
    range(
        "data_bit_rate",
        (timing.bit_rate..=8_000_000).contains(&timing.data_bit_rate),
        "bit_rate to 8000000",
    )?;
    range("queue", (1..=4096).contains(&timing.queue), "1 to 4096")?;
    let longest = Duration::from_mins(1);
    range("restart_ms", timing.restart <= longest, "0 to 60000")?;
    Ok(timing)
}

/// Bit rates of CAN in arbitration.
const BIT_RATES: core::ops::RangeInclusive<u32> = 10_000..=1_000_000;

fn devices(
    merged: &Merged,
    plant: &PlantSection,
    buses: &[CanBusConfig],
    lines: &[RtuLineConfig],
) -> Result<Vec<DeviceConfig>, RigConfigError> {
    let mut devices: BTreeMap<Tag, DeviceConfig> = BTreeMap::new();
    let known: Vec<(DeviceKind, Tag)> = merged
        .devices
        .iter()
        .flat_map(|(kind, entry)| {
            let tag = &entry.value.tag;
            let filled = everywhere(tag, plant).into_iter().map(|at| at.fill(tag));
            filled.filter_map(|tag| Some((*kind, tag.parse().ok()?)))
        })
        .collect();
    for (kind, Entry { value: file, origin }) in &merged.devices {
        for at in everywhere(&file.tag, plant) {
            let tag: Tag = at
                .fill(&file.tag)
                .parse()
                .map_err(|error: bess_types::tag::TagError| {
                    origin.error(error.to_string(), "correct the tag")
                })?;
            places::check((&tag, *kind), plant, &known, origin)?;
            let unit = file.unit.unwrap_or(1);
            let (listen, on_line) = (file.listen.as_deref(), file.line.as_deref());
            let (listen, on_line) = (
                listen.map(|text| at.fill(text)),
                on_line.map(|text| at.fill(text)),
            );
            let mut address =
                line::served_at((&tag, unit), listen.as_deref(), on_line.as_deref(), lines, origin)?;
            if let (Some(served), Some(_)) = (&mut address, &file.tls) {
                *served = match *served {
                    ModbusAddress::Tcp(address) | ModbusAddress::Tls(address) => ModbusAddress::Tls(address),
                    ModbusAddress::Line(_) => {
                        return Err(origin.error(
                            format!("{tag} has tls, but is on an RTU line"),
                            "TLS is for TCP: say listen instead of line, or leave tls out",
                        ));
                    }
                };
            }
            let peers = file
                .peers
                .iter()
                .map(|(name, peer)| match at.fill(peer).parse() {
                    Ok(peer) => Ok((name.clone(), peer)),
                    Err(error) => {
                        Err(origin.error(format!("{tag}: peer {name}: {error}"), "correct the tag"))
                    }
                })
                .collect::<Result<_, _>>()?;
            let can: BTreeMap<_, _> = file
                .can
                .iter()
                .map(|(port, bus)| (port.clone(), at.fill(bus)))
                .collect();
            if let Some((port, bus)) = can.iter().find(|(_, bus)| buses.iter().all(|b| b.name != **bus)) {
                let known: Vec<_> = buses.iter().map(|bus| bus.name.as_str()).collect();
                return Err(origin.error(
                    format!("{tag}: port `{port}` is on bus `{bus}`, which does not exist"),
                    format!(
                        "add a [[can_bus]] with that name, or use one of: {}",
                        known.join(", ")
                    ),
                ));
            }
            let device = DeviceConfig {
                tag: tag.clone(),
                pattern: file.tag.clone(),
                kind: *kind,
                product: file.product.clone(),
                backing: file.backing.unwrap_or(Backing::Emulated),
                can,
                peers,
                address,
                tls: file.tls.as_ref().map(|files| files.map(|path| at.fill(path))),
                unit,
                modbus: file.modbus.clone().unwrap_or_default(),
                defect: file.defect,
                settings: file.settings.clone(),
                origin: origin.clone(),
            };
            if let Some(first) = devices.get(&tag) {
                return Err(origin.error(
                    format!("tag {tag} is given twice; first at {}", first.origin.line()),
                    "every device has a tag of its own",
                ));
            }
            devices.insert(tag, device);
        }
    }
    let order: Vec<Tag> = known.into_iter().map(|(_, tag)| tag).collect();
    places::check_alone(&order, &devices)?;
    let devices: Vec<DeviceConfig> = devices.into_values().collect();
    check_peers(&devices)?;
    check_wire_owners(&devices, buses, lines)?;
    let virtual_time = merged.rig.clock.as_ref().and_then(|clock| clock.mode) != Some(ClockMode::Paced);
    if let (true, Some(real)) = (
        virtual_time,
        devices.iter().find(|device| device.backing == Backing::Real),
    ) {
        return Err(real.origin.error(
            format!(
                "{} is real, but this rig runs in virtual time, which nothing outside can follow",
                real.tag
            ),
            "say [clock] mode = \"paced\"",
        ));
    }
    Ok(devices)
}

fn check_peers(devices: &[DeviceConfig]) -> Result<(), RigConfigError> {
    for device in devices {
        for (name, peer) in &device.peers {
            if devices.iter().all(|other| other.tag != *peer) {
                return Err(device.origin.error(
                    format!("{}: peer {name} is {peer}, which is not in the rig", device.tag),
                    "add that device, or correct the tag",
                ));
            }
        }
    }
    Ok(())
}

/// A real device needs wires; one address and unit id has one owner.
fn check_wire_owners(
    devices: &[DeviceConfig],
    buses: &[CanBusConfig],
    lines: &[RtuLineConfig],
) -> Result<(), RigConfigError> {
    for (i, device) in devices.iter().enumerate() {
        if device.backing == Backing::Real {
            for (port, name) in &device.can {
                if buses
                    .iter()
                    .any(|bus| bus.name == *name && bus.attach.is_inside())
                {
                    return Err(device.origin.error(
                        format!(
                            "{} is real, but its port `{port}` is on bus `{name}`, which is inside the rig",
                            device.tag
                        ),
                        "attach that bus to a wire: attach = \"socketcan\" and interface = \"vcan0\", or attach = \
                         \"socketcand\" and listen = \"127.0.0.1:29536\"",
                    ));
                }
            }
        }
        let listen = device.address.and_then(ModbusAddress::socket);
        let beside = devices[..i].iter().find(|other| {
            let shared = listen.is_some() && other.address.and_then(ModbusAddress::socket) == listen;
            shared && other.tls != device.tls
        });
        if let Some(other) = beside {
            return Err(device.origin.error(
                format!(
                    "{} and {} ({}) are at one address with different tls",
                    device.tag,
                    other.tag,
                    other.origin.line()
                ),
                "give one of them another port, or both the same tls",
            ));
        }
        let served = |bus: &&CanBusConfig| bus.attach == Attach::Socketcand && bus.listen == listen;
        if let (Some(address), Some(bus)) = (listen, buses.iter().find(served)) {
            return Err(device.origin.error(
                format!(
                    "{} and bus `{}` ({}) both listen on {address}",
                    device.tag,
                    bus.name,
                    bus.origin.line()
                ),
                "give one of them another port: Modbus and socketcand cannot share one",
            ));
        }
        let clash = devices[..i].iter().find(|other| {
            device.address.is_some() && other.address == device.address && other.unit == device.unit
        });
        if let Some(other) = clash {
            return Err(device.origin.error(
                format!(
                    "{} and {} ({}) both answer unit {} at {}",
                    device.tag,
                    other.tag,
                    other.origin.line(),
                    device.unit,
                    match device.address {
                        Some(ModbusAddress::Tcp(address) | ModbusAddress::Tls(address)) =>
                            address.to_string(),
                        Some(ModbusAddress::Line(line)) => format!("RTU line `{}`", lines[line].name),
                        None => String::new(),
                    }
                ),
                "give one of them another port or unit id",
            ));
        }
    }
    Ok(())
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

/// The merged file as TOML.
fn effective(merged: &Merged) -> String {
    let spanned = |entry: &Entry<DeviceFile>| Spanned::new(0..0, entry.value.clone());
    let of = |kind: DeviceKind| {
        merged
            .devices
            .iter()
            .filter(|(k, _)| *k == kind)
            .map(|(_, entry)| spanned(entry))
            .collect::<Vec<_>>()
    };
    let file = RigFile {
        plant: merged
            .plant
            .as_ref()
            .map(|plant| Spanned::new(0..0, plant.value.clone())),
        can_bus: merged
            .buses
            .iter()
            .map(|bus| Spanned::new(0..0, bus.value.clone()))
            .collect(),
        rtu_line: merged
            .lines
            .iter()
            .map(|line| Spanned::new(0..0, line.value.clone()))
            .collect(),
        fault: merged
            .faults
            .iter()
            .map(|fault| Spanned::new(0..0, fault.value.clone()))
            .collect(),
        cut: merged
            .cuts
            .iter()
            .map(|cut| Spanned::new(0..0, cut.value.clone()))
            .collect(),
        bmu: of(DeviceKind::Bmu),
        hv_unit: of(DeviceKind::HvUnit),
        remote_io: of(DeviceKind::RemoteIo),
        safety_relay: of(DeviceKind::SafetyRelay),
        pcs: of(DeviceKind::Pcs),
        fire_panel: of(DeviceKind::FirePanel),
        chiller: of(DeviceKind::Chiller),
        hvac: of(DeviceKind::Hvac),
        meter: of(DeviceKind::Meter),
        bcu: of(DeviceKind::Bcu),
        bau: of(DeviceKind::Bau),
        ems: of(DeviceKind::Ems),
        hmi: of(DeviceKind::Hmi),
        ..merged.rig.clone()
    };
    toml::to_string_pretty(&file).unwrap_or_else(|error| format!("# could not be written as TOML: {error}\n"))
}
