//! A rig file with the files it inherits: read, and merged entry by entry, the base first.

use std::sync::Arc;

use bess_devices::product::DeviceKind;
use toml::Spanned;

use super::{Read, help_for};
use crate::config::file::{CanBusFile, CutFile, DeviceFile, FaultFile, PlantFile, RigFile, RtuLineFile};
use crate::config::{Origin, RigConfigError, SourceFile};

/// Everything the chain of files says, before patterns are expanded.
pub(super) struct Merged {
    pub(super) rig: RigFile,
    pub(super) top: Origin,
    pub(super) plant: Option<Entry<PlantFile>>,
    pub(super) buses: Vec<Entry<CanBusFile>>,
    pub(super) lines: Vec<Entry<RtuLineFile>>,
    pub(super) devices: Vec<(DeviceKind, Entry<DeviceFile>)>,
    pub(super) cuts: Vec<Entry<CutFile>>,
    pub(super) faults: Vec<Entry<FaultFile>>,
}

/// A merged entry and where it was last written.
pub(super) struct Entry<T> {
    pub(super) value: T,
    pub(super) origin: Origin,
}

/// Reads `path` and its bases, base first.
pub(super) fn merge_chain(path: &str, read: Read<'_>) -> Result<Merged, RigConfigError> {
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

    /// The merged file as TOML.
    pub(super) fn effective(&self) -> String {
        let spanned = |entry: &Entry<DeviceFile>| Spanned::new(0..0, entry.value.clone());
        let of = |kind: DeviceKind| {
            self.devices
                .iter()
                .filter(|(k, _)| *k == kind)
                .map(|(_, entry)| spanned(entry))
                .collect::<Vec<_>>()
        };
        let file = RigFile {
            plant: self
                .plant
                .as_ref()
                .map(|plant| Spanned::new(0..0, plant.value.clone())),
            can_bus: self
                .buses
                .iter()
                .map(|bus| Spanned::new(0..0, bus.value.clone()))
                .collect(),
            rtu_line: self
                .lines
                .iter()
                .map(|line| Spanned::new(0..0, line.value.clone()))
                .collect(),
            fault: self
                .faults
                .iter()
                .map(|fault| Spanned::new(0..0, fault.value.clone()))
                .collect(),
            cut: self
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
            ..self.rig.clone()
        };
        toml::to_string_pretty(&file)
            .unwrap_or_else(|error| format!("# could not be written as TOML: {error}\n"))
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

/// `name` in the folder of `path`.
fn beside(path: &str, name: &str) -> String {
    match path.rfind('/') {
        Some(slash) if !name.starts_with('/') => format!("{}{name}", &path[..=slash]),
        _ => name.into(),
    }
}
