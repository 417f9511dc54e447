//! Devices built from a rig file, and who is connected to whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use bess_devices::Device;
use bess_devices::bau::{Bau, BauConfig};
use bess_devices::bcu::settings::BcuSettings;
use bess_devices::bcu::{Bcu, BcuConfig, CanNode};
use bess_devices::bmu::{self, Bmu};
use bess_devices::chiller::Chiller;
use bess_devices::codec::can::lint;
use bess_devices::codec::can::{RemoteNode, Transmitted, transmitted_ids};
use bess_devices::ems::{Ems, EmsConfig};
use bess_devices::finding::Finding;
use bess_devices::fire_panel::FirePanel;
use bess_devices::hmi::Hmi;
use bess_devices::hv_unit::{self, HvUnit};
use bess_devices::hvac::Hvac;
use bess_devices::kinds::{can_ports, point_table};
use bess_devices::library::Library;
use bess_devices::meter::Meter;
use bess_devices::modbus_front::ModbusFront;
use bess_devices::pcs::Pcs;
use bess_devices::product::{DeviceKind, Product, ProductError};
use bess_devices::remote_io::RemoteIo;
use bess_devices::safety_relay::SafetyRelay;
use bess_plant::{Place, Plant};
use bess_types::{Line, Tag};

use crate::bus::can::CanBus;
use crate::bus::timed::TimedBus;
use crate::config::line::{LineAttach, ModbusAddress};
use crate::config::{Attach, Backing, DeviceConfig, OWN_PRODUCTS, RigConfig, RigConfigError};
use crate::interface::{CanMedium, Role};
use crate::noise::Noise;
use crate::rig::{Emulator, Peer, Slot};

/// CAN source address of a high-voltage box measuring unit on its cluster bus.
const HV_UNIT_ADDRESS: u8 = 0xB0;
/// CAN source address of a BCU on its cluster bus.
const BCU_CLUSTER_ADDRESS: u8 = 0xA0;
/// CAN source address of a BCU on the stack bus: this plus the cluster's number.
const BCU_STACK_BASE: u8 = 0x10;
/// CAN source address of the BAU on the stack bus.
const BAU_ADDRESS: u8 = 0xC0;

/// Buttons and contacts in the field before anybody touches them: E-stop released, nothing pressed.
pub(crate) const FIELD_LEVELS_AT_START: [(Line, bool); 5] = [
    (Line::EstopA, true),
    (Line::EstopB, true),
    (Line::SafetyReset, false),
    (Line::ManualCallPoint, false),
    (Line::SuppressionHold, false),
];

/// Slots of devices with what decodes their frames.
pub(crate) type Decoders = Vec<(usize, RemoteNode)>;

/// Everything [`crate::Rig`] is made of.
pub(crate) struct Built {
    pub plant: Option<Plant>,
    pub slots: Vec<Slot>,
    pub buses: Vec<CanBus>,
    pub line_listeners: BTreeMap<Line, Vec<usize>>,
    /// Enable chains: whose input a device's enable output is wired to.
    pub next_in_chain: BTreeMap<usize, usize>,
    /// First BMUs of chains whose BCU is not emulated here; their enable is held high.
    pub chain_heads: Vec<usize>,
    /// For each bus with controllers on it: their slots and decoders.
    pub observers: Vec<(usize, Decoders)>,
}

pub(crate) fn build(config: &RigConfig, library: &Library, role: Role<'_>) -> Result<Built, RigConfigError> {
    let here = |device: &DeviceConfig| match role {
        Role::Rig => device.backing == Backing::Emulated,
        Role::Host(tags) => tags.contains(&device.tag),
    };
    if let Role::Host(tags) = role {
        check_hosted(config, tags)?;
    }
    let plant = match role {
        Role::Rig => Some(plant(config)?),
        Role::Host(_) => None,
    };
    let products = Products { config, library };
    let mut buses: Vec<CanBus> = config
        .can_buses
        .iter()
        .map(|bus| {
            let wire = match bus.attach {
                Attach::Instant | Attach::Timed => None,
                Attach::Socketcan => bus.interface.clone().map(CanMedium::Interface),
                // the process with the bus's emulators serves it, as with the Modbus servers
                Attach::Socketcand => bus.listen.map(match role {
                    Role::Rig => CanMedium::Listen,
                    Role::Host(_) => CanMedium::Connect,
                }),
            };
            CanBus::new(&bus.name, wire)
        })
        .collect();
    products.check_cells()?;
    products.check_packs()?;
    products.check_voltage_classes()?;
    announce_ids(config, &products, &mut buses)?;
    products.check_settings()?;
    let mut slots = Vec::new();
    let mut line_listeners: BTreeMap<Line, Vec<usize>> = BTreeMap::new();
    for (i, device) in config.devices.iter().enumerate() {
        let product = products.of(device)?;
        let emulator = if here(device) {
            Some(products.emulator(device, &product)?)
        } else {
            None
        };
        let mut ports = Vec::new();
        for (number, port) in ports_of(device.kind).enumerate() {
            let bus = device
                .can
                .get(port)
                .and_then(|name| buses.iter().position(|bus| bus.name == *name));
            let has_port = product.can_port(port).is_ok() || !is_optional(port);
            if bus.is_none() && has_port {
                return Err(device.origin.error(
                    format!("{} has no bus for its CAN port `{port}`", device.tag),
                    format!("add can = {{ {port} = \"<bus name>\" }}"),
                ));
            }
            if bus.is_some() && !has_port {
                return Err(device.origin.error(
                    format!(
                        "{}: product `{}` has no CAN port `{port}`",
                        device.tag, product.id
                    ),
                    format!("{}; or leave the bus out", products.with_port(device.kind, port)),
                ));
            }
            if let (Some(bus), Some(_)) = (bus, &emulator) {
                buses[bus]
                    .members
                    .push((i, u8::try_from(number).unwrap_or(u8::MAX)));
            }
            ports.push(bus);
        }
        if emulator.is_some() {
            for line in lines_of(device) {
                line_listeners.entry(line).or_default().push(i);
            }
        }
        slots.push(Slot {
            tag: device.tag.clone(),
            kind: device.kind,
            emulator,
            place: place_of(&device.tag),
            ports,
            peers: vec![],
            address: device.address,
            tls: device.tls.clone(),
            unit: device.unit,
            server: product.modbus(),
            port: device.modbus.clone(),
            silenced: false,
            excused: false,
            addressed: true,
            asked: false,
            heard: false,
        });
    }
    for i in 0..slots.len() {
        if slots[i].emulator.is_some() {
            slots[i].peers = peers(config, &slots, i)?;
        }
    }
    let (next_in_chain, chain_heads) = chains(&products, &slots);
    let observers = match role {
        Role::Rig => observers(config, &products, &buses)?,
        Role::Host(_) => vec![],
    };
    for (i, (bus, config_of)) in buses.iter_mut().zip(&config.can_buses).enumerate() {
        if config_of.attach == Attach::Timed {
            bus.timed = Some(TimedBus::new(
                config_of.timing,
                // and one for a node that is none of the rig's
                bus.members.len() + 1,
                Noise::new(config.seed, i as u64),
            ));
        }
    }
    Ok(Built {
        plant,
        slots,
        buses,
        line_listeners,
        next_in_chain,
        chain_heads,
        observers,
    })
}

/// Tag of things that belong to no device: commands, faults, field contacts.
pub(crate) fn site_tag() -> Tag {
    fixed_tag(SITE)
}

/// Tag of a plant part.
pub(crate) fn plant_tag(part: &str) -> Tag {
    fixed_tag(&plant_tag_text(part))
}

/// The same as text; parts may be patterns.
pub(crate) fn plant_tag_text(part: &str) -> String {
    if part.is_empty() {
        CONTAINER.into()
    } else {
        format!("{CONTAINER}/{part}")
    }
}

/// The plant part behind a tag.
pub(crate) fn plant_part(tag: &str) -> Option<&str> {
    let rest = tag.strip_prefix(CONTAINER)?;
    if rest.is_empty() {
        Some("")
    } else {
        rest.strip_prefix('/')
    }
}

/// A rig models one container so far, on one site.
pub(crate) const CONTAINER: &str = "container-01";
pub(crate) const SITE: &str = "site-01";

fn fixed_tag(text: &str) -> Tag {
    text.parse()
        .unwrap_or_else(|error| panic!("plant part names are tag parts: {error}"))
}

fn plant(config: &RigConfig) -> Result<Plant, RigConfigError> {
    let section = &config.plant;
    Plant::new(&section.spec, &section.initial, config.seed, section.grid_step).map_err(|error| {
        section.origin.error(
            error.to_string(),
            "correct the [plant] section or the data it names",
        )
    })
}

fn check_hosted(config: &RigConfig, tags: &[Tag]) -> Result<(), RigConfigError> {
    for tag in tags {
        let Some(device) = config.device(tag) else {
            let known: Vec<_> = config
                .devices
                .iter()
                .filter(|device| device.backing == Backing::Real)
                .map(|device| device.tag.to_string())
                .collect();
            return Err(RigConfigError::in_file(
                &config.path,
                format!("there is no device {tag} in this rig"),
                format!("devices with backing = \"real\" are: {}", known.join(", ")),
            ));
        };
        let mut serves_or_asks = [tag].into_iter().chain(device.peers.values());
        let on_line = serves_or_asks.find_map(|tag| match config.device(tag)?.address? {
            ModbusAddress::Line(line) => Some(&config.rtu_lines[line]),
            ModbusAddress::Tcp(_) | ModbusAddress::Tls(_) => None,
        });
        if let Some(line) = on_line
            && line.attach == LineAttach::Pty
            && line.link.is_none()
        {
            return Err(line.origin.error(
                format!(
                    "{tag} cannot be hosted: it does not find the pseudo-terminal of RTU line `{}`",
                    line.name
                ),
                "add a link, such as link = \"/tmp/line\"",
            ));
        }
        for name in device.can.values() {
            if config
                .can_buses
                .iter()
                .any(|bus| bus.name == *name && bus.attach.is_inside())
            {
                return Err(device.origin.error(
                    format!("{tag} cannot be hosted: its bus `{name}` is inside the rig process"),
                    "host devices of a rig file whose buses are on wires, such as liquid-20ft-socketcand.toml or \
                     liquid-20ft-vcan.toml",
                ));
            }
        }
    }
    Ok(())
}

/// The product of each device as the rig file names it, with its tag; devices with a mistake are left out.
pub fn products(config: &RigConfig, library: &Library) -> Vec<(Tag, Arc<Product>)> {
    let products = Products { config, library };
    let devices = config.devices.iter();
    devices
        .filter_map(|device| Some((device.tag.clone(), products.of(device).ok()?)))
        .collect()
}

/// Signals of the rig's devices that end below the voltage of its battery when full: who listens reads too little.
/// Devices with a mistake are left out; whoever builds the rig is told of it.
pub fn out_of_reach(config: &RigConfig, library: &Library) -> Vec<Finding> {
    let products = Products { config, library };
    let container = &config.plant.spec.container;
    let pack_v = products.full_v(container.cells_per_pack);
    let cluster_v = products.full_v(container.packs_per_cluster * container.cells_per_pack);
    let highest = |point: &str| match point {
        "voltage" | "charge-voltage" | "cluster-voltage" | "bus-voltage" => Some(cluster_v),
        "pack-voltage" | "module-voltage-max" | "module-voltage-min" => Some(pack_v),
        _ => None,
    };
    let mut all: Vec<Finding> = Vec::new();
    for device in &config.devices {
        let Ok(product) = products.of(device) else {
            continue;
        };
        let Ok(table) = point_table(&product) else {
            continue;
        };
        for (spec, _) in product.ports() {
            let port = spec.port.get_ref();
            if !device.can.contains_key(port.as_str()) {
                continue;
            }
            let found = lint::out_of_reach(&product, port, library, &table, &highest).unwrap_or_default();
            for mut finding in found {
                let again = all.iter().any(|other| other.place == finding.place);
                if !again {
                    finding.message = format!("{}: {}", device.tag, finding.message);
                    all.push(finding);
                }
            }
        }
    }
    all
}

/// Products and the devices made of them.
struct Products<'a> {
    config: &'a RigConfig,
    library: &'a Library,
}

impl Products<'_> {
    fn of(&self, device: &DeviceConfig) -> Result<Arc<Product>, RigConfigError> {
        let id = device.product.as_ref().ok_or_else(|| {
            device.origin.error(
                format!("{} has no product: no file of this rig names one", device.tag),
                format!(
                    "add product = \"...\" here, or in {} [[{}]] with tag = \"{}\" and product = \"...\"; {}",
                    self.config.path,
                    device.kind.name().replace('-', "_"),
                    device.pattern,
                    self.known(device.kind)
                ),
            )
        })?;
        let product = self.library.product(id).map_err(|error| {
            // An unknown id is the rig file's mistake; anything else is the product file's own.
            if self.library.product_ids().contains(id) {
                product_error(self.library, device, &error)
            } else {
                device.origin.error(
                    format!("{}: there is no product `{id}`", device.tag),
                    format!("{}; {OWN_PRODUCTS}", self.known(device.kind)),
                )
            }
        })?;
        if product.kind != device.kind {
            return Err(device.origin.error(
                format!(
                    "{}: product `{}` is a {:?}, not a {:?}",
                    device.tag, product.id, product.kind, device.kind
                ),
                "name a product of the right kind, or move the entry to the right table",
            ));
        }
        let (start_up, turnaround) = device.modbus.times();
        if device.settings.is_empty() && start_up.is_none() && turnaround.is_none() {
            return Ok(product);
        }
        Ok(Arc::new(
            product
                .with_settings(&device.settings)
                .with_modbus_times(start_up, turnaround),
        ))
    }

    /// Products of a kind, in words.
    fn known(&self, kind: DeviceKind) -> String {
        let mut known = self.library.product_ids();
        known.retain(|id| self.library.product(id).is_ok_and(|product| product.kind == kind));
        format!("known products of this kind: {}", known.join(", "))
    }

    /// Products of a kind with this CAN port, in words.
    fn with_port(&self, kind: DeviceKind, port: &str) -> String {
        let mut known = self.library.product_ids();
        known.retain(|id| {
            let product = self.library.product(id);
            product.is_ok_and(|product| product.kind == kind && product.can_port(port).is_ok())
        });
        format!("products with it: {}", known.join(", "))
    }

    /// A BMU measures the cells of its pack, no more and no fewer.
    fn check_cells(&self) -> Result<(), RigConfigError> {
        let container = &self.config.plant.spec.container;
        let cells = container.cells_per_pack;
        let is_bmu = |device: &&DeviceConfig| device.kind == DeviceKind::Bmu;
        for device in self.config.devices.iter().filter(is_bmu) {
            let product = self.of(device)?;
            let settings =
                bmu::Settings::of(&product).map_err(|error| product_error(self.library, device, &error))?;
            if settings.cells == cells {
                continue;
            }
            let most = bmu::Settings::MAX_CELLS;
            let help = if cells > most {
                format!(
                    "no BMU measures more than {most} cells, the width of the balancing mask on the wire: make packs of so \
                     many or fewer"
                )
            } else {
                format!(
                    "name a BMU product for {cells} cells; it may inherit `{}` and say [settings] cells = {cells}",
                    product.id
                )
            };
            return Err(device.origin.error(
                format!(
                    "{}: product `{}` measures {} cells, but a pack of {} has {cells}",
                    device.tag, product.id, settings.cells, container.id
                ),
                help,
            ));
        }
        Ok(())
    }

    /// A BCU sees to the packs of its cluster and to all their cells.
    fn check_packs(&self) -> Result<(), RigConfigError> {
        let container = &self.config.plant.spec.container;
        let (packs, cells) = (container.packs_per_cluster, container.cells_per_pack);
        let is_bcu = |device: &&DeviceConfig| device.kind == DeviceKind::Bcu;
        for device in self.config.devices.iter().filter(is_bcu) {
            let product = self.of(device)?;
            let settings: BcuSettings = product
                .settings()
                .map_err(|error| product_error(self.library, device, &error))?;
            if (settings.packs, settings.cells_per_pack) == (packs, cells) {
                continue;
            }
            return Err(device.origin.error(
                format!(
                    "{}: product `{}` is for {} packs of {} cells, {} in series, but a cluster of {} has {packs} packs of \
                     {cells}, {} in series",
                    device.tag,
                    product.id,
                    settings.packs,
                    settings.cells_per_pack,
                    settings.packs * settings.cells_per_pack,
                    container.id,
                    packs * cells
                ),
                format!(
                    "name a BCU product for them; it may inherit `{}` and say [settings] packs = {packs}, cells_per_pack = \
                     {cells}",
                    product.id
                ),
            ));
        }
        Ok(())
    }

    /// Every device's own settings read, so that a mistake is told at the device and not at one that asks it.
    fn check_settings(&self) -> Result<(), RigConfigError> {
        for device in &self.config.devices {
            let product = self.of(device)?;
            point_table(&product).map_err(|error| product_error(self.library, device, &error))?;
        }
        Ok(())
    }

    /// Voltage of so many full cells in series, V.
    fn full_v(&self, cells: usize) -> f64 {
        let ocv = &self.config.plant.spec.cell.ocv.voltage_v;
        ocv.last().copied().unwrap_or(0.0) * cells as f64
    }

    /// A measuring unit's inputs bear the voltage of a full cluster.
    fn check_voltage_classes(&self) -> Result<(), RigConfigError> {
        let container = &self.config.plant.spec.container;
        let full_v = self.full_v(container.packs_per_cluster * container.cells_per_pack);
        let is_unit = |device: &&DeviceConfig| device.kind == DeviceKind::HvUnit;
        for device in self.config.devices.iter().filter(is_unit) {
            let product = self.of(device)?;
            let settings = hv_unit::Settings::of(&product)
                .map_err(|error| product_error(self.library, device, &error))?;
            if let Some(class_v) = settings.voltage_class_v.filter(|class_v| full_v > *class_v) {
                return Err(device.origin.error(
                    format!(
                        "{}: the voltage inputs of product `{}` bear {class_v:.0} V, but a full cluster of {} has {full_v:.0} V",
                        device.tag, product.id, container.id
                    ),
                    "name a measuring unit of a higher voltage class",
                ));
            }
        }
        Ok(())
    }

    fn peer(&self, device: &DeviceConfig, name: &str) -> Result<Arc<Product>, RigConfigError> {
        let peer = device
            .peers
            .get(name)
            .and_then(|tag| self.config.device(tag))
            .ok_or_else(|| {
                device.origin.error(
                    format!("{} names no peer `{name}`", device.tag),
                    format!("add peers = {{ {name} = \"<tag>\" }}"),
                )
            })?;
        self.of(peer)
    }

    /// Other devices on the bus behind `port`, of one kind, in tag order.
    fn neighbours<'a>(
        &'a self,
        device: &'a DeviceConfig,
        port: &str,
        kind: DeviceKind,
    ) -> impl Iterator<Item = &'a DeviceConfig> {
        let bus = device.can.get(port);
        self.config.devices.iter().filter(move |other| {
            other.kind == kind
                && other.backing != Backing::Absent
                && bus.is_some()
                && other.can.values().any(|name| Some(name) == bus)
        })
    }

    fn emulator(&self, device: &DeviceConfig, product: &Arc<Product>) -> Result<Emulator, RigConfigError> {
        let library = self.library;
        let wrap = |error: ProductError| product_error(self.library, device, &error);
        let boxed = |device: Box<dyn Device>| Ok(Emulator::Device(ModbusFront::before(device, product)));
        match device.kind {
            DeviceKind::Bmu => boxed(Box::new(
                Bmu::new(product, library, address(device), serial(&device.tag)).map_err(wrap)?,
            )),
            DeviceKind::HvUnit => boxed(Box::new(
                HvUnit::new(product, library, address(device)).map_err(wrap)?,
            )),
            DeviceKind::RemoteIo => boxed(Box::new(RemoteIo::new(product, library).map_err(wrap)?)),
            DeviceKind::SafetyRelay => boxed(Box::new(SafetyRelay::new(product, library).map_err(wrap)?)),
            DeviceKind::Pcs => boxed(Box::new(Pcs::new(product, library).map_err(wrap)?)),
            DeviceKind::FirePanel => boxed(Box::new(FirePanel::new(product, library).map_err(wrap)?)),
            DeviceKind::Chiller => boxed(Box::new(Chiller::new(product, library).map_err(wrap)?)),
            DeviceKind::Hvac => boxed(Box::new(Hvac::new(product, library).map_err(wrap)?)),
            DeviceKind::Meter => boxed(Box::new(Meter::new(product, library).map_err(wrap)?)),
            DeviceKind::Bcu => boxed(Box::new(
                Bcu::new(&self.bcu(device, product)?, library).map_err(wrap)?,
            )),
            DeviceKind::Bau => boxed(Box::new(
                Bau::new(&self.bau(device, product)?, library).map_err(wrap)?,
            )),
            DeviceKind::Ems => {
                let config = EmsConfig {
                    product: Arc::clone(product),
                    bau: self.peer(device, "bau")?,
                    pcs: self.peer(device, "pcs")?,
                    meter: self.peer(device, "meter")?,
                };
                boxed(Box::new(Ems::new(&config, library).map_err(wrap)?))
            }
            DeviceKind::Hmi => {
                let (bau, ems) = (self.peer(device, "bau")?, self.peer(device, "ems")?);
                let pcs = self.peer(device, "pcs")?;
                Ok(Emulator::Hmi(Box::new(
                    Hmi::new(product, &bau, &ems, &pcs, library).map_err(wrap)?,
                )))
            }
        }
    }

    fn bcu(&self, device: &DeviceConfig, product: &Arc<Product>) -> Result<BcuConfig, RigConfigError> {
        let node = |other: &DeviceConfig| {
            Ok(CanNode {
                product: self.of(other)?,
                address: address(other),
            })
        };
        let bmus = || self.neighbours(device, "cluster", DeviceKind::Bmu);
        let settings: BcuSettings = product
            .settings()
            .map_err(|error| product_error(self.library, device, &error))?;
        for bmu in bmus() {
            let product = self.of(bmu)?;
            let own = bmu::Settings::of(&product)
                .map_err(|error| product_error(self.library, bmu, &error))?
                .addressing;
            if own != settings.addressing {
                return Err(bmu.origin.error(
                    format!(
                        "{} has addressing = \"{}\", but {} has \"{}\"",
                        bmu.tag,
                        own.name(),
                        device.tag,
                        settings.addressing.name()
                    ),
                    "give both the same settings = { addressing = \"...\" }",
                ));
            }
        }
        let hv_units: Vec<_> = self
            .neighbours(device, "cluster", DeviceKind::HvUnit)
            .map(node)
            .collect::<Result<_, _>>()?;
        if hv_units.is_empty() {
            return Err(device.origin.error(
                format!("{} finds no measuring unit on its cluster bus", device.tag),
                "add an [[hv_unit]] on the same bus; the BCU measures voltage and current through it",
            ));
        }
        Ok(BcuConfig {
            product: Arc::clone(product),
            cluster: cluster_number(device),
            serials: bmus().map(|bmu| serial(&bmu.tag)).collect(),
            bmus: bmus().map(node).collect::<Result<_, _>>()?,
            hv_units,
            io: self.peer(device, "io")?,
            stored_soc_pct: None,
            defect: device.defect,
        })
    }

    fn bau(&self, device: &DeviceConfig, product: &Arc<Product>) -> Result<BauConfig, RigConfigError> {
        let bcus = self
            .neighbours(device, "stack", DeviceKind::Bcu)
            .map(|bcu| Ok((cluster_number(bcu), self.of(bcu)?)))
            .collect::<Result<_, RigConfigError>>()?;
        let optional = |name| match device.peers.get(name) {
            Some(_) => self.peer(device, name).map(Some),
            None => Ok(None),
        };
        Ok(BauConfig {
            product: Arc::clone(product),
            bcus,
            io: self.peer(device, "io")?,
            pcs: self.peer(device, "pcs")?,
            fire_panel: Some(self.peer(device, "fire-panel")?),
            chiller: optional("chiller")?,
            hvac: optional("hvac")?,
            defect: device.defect,
        })
    }
}

fn cluster_number(device: &DeviceConfig) -> u8 {
    device
        .tag
        .index_of("cluster")
        .and_then(|n| u8::try_from(n).ok())
        .unwrap_or(1)
}

/// A mistake in a product file at its place in that file, or in the rig file's `settings` at its entry.
fn product_error(library: &Library, device: &DeviceConfig, error: &ProductError) -> RigConfigError {
    let Some(place) = error.place() else {
        return device
            .origin
            .error(format!("{}: {error}", device.tag), error.help());
    };
    let text = error.to_string();
    let message = text.strip_prefix(&format!("{place}: ")).unwrap_or(&text);
    match library.text_of(&place.file) {
        Some(source) => RigConfigError::at(
            &place.file,
            source,
            Some(place.span.clone()),
            message,
            error.help(),
        ),
        None => device
            .origin
            .error(format!("{}: settings: {message}", device.tag), error.help()),
    }
}

/// CAN source address of a device on its own bus (a BCU: on the stack bus).
fn address(device: &DeviceConfig) -> u8 {
    let number = |name| {
        device
            .tag
            .index_of(name)
            .and_then(|n| u8::try_from(n).ok())
            .unwrap_or(1)
    };
    match device.kind {
        DeviceKind::Bmu => number("pack"),
        DeviceKind::HvUnit => HV_UNIT_ADDRESS,
        DeviceKind::Bcu => BCU_STACK_BASE + number("cluster"),
        DeviceKind::Bau => BAU_ADDRESS,
        _ => 0,
    }
}

/// CAN ports of a kind of device that have a bus of their own, by port number.
fn ports_of(kind: DeviceKind) -> impl Iterator<Item = &'static str> {
    let all = can_ports(kind).iter().copied();
    all.filter(|port| *port != bess_devices::addressing::PORT)
}

/// Whether a product may be without this CAN port: BAU and PCS may speak over Modbus alone.
fn is_optional(port: &str) -> bool {
    matches!(port, "pcs" | "bms")
}

/// Peers a device may be without: a container has a chiller or an HVAC of its own.
const OPTIONAL_PEERS: [&str; 2] = ["chiller", "hvac"];

/// Modbus servers a kind of device asks, by peer number.
fn peers_of(kind: DeviceKind) -> &'static [&'static str] {
    match kind {
        DeviceKind::Bcu => &["io"],
        DeviceKind::Bau => &["io", "pcs", "fire-panel", "chiller", "hvac"],
        DeviceKind::Ems => &["bau", "pcs", "meter"],
        DeviceKind::Hmi => &["bau", "ems", "pcs"],
        _ => &[],
    }
}

/// Hard-wired inputs of a device.
fn lines_of(device: &DeviceConfig) -> Vec<Line> {
    match device.kind {
        DeviceKind::SafetyRelay => vec![Line::EstopA, Line::EstopB, Line::SafetyReset],
        DeviceKind::Pcs => vec![Line::SafetyOk, Line::BmsPermit],
        DeviceKind::Hvac => vec![Line::FireLevel2],
        DeviceKind::FirePanel => vec![Line::VentRequest, Line::ManualCallPoint, Line::SuppressionHold],
        DeviceKind::RemoteIo if device.tag.index_of("cluster").is_none() => vec![
            Line::EstopA,
            Line::EstopB,
            Line::SafetyOk,
            Line::FirePrewarning,
            Line::FireLevel1,
            Line::FireLevel2,
            Line::FireReleased,
        ],
        _ => vec![],
    }
}

fn place_of(tag: &Tag) -> Place {
    let index = |name| tag.index_of(name).and_then(|n| n.checked_sub(1));
    Place {
        cluster: index("cluster"),
        pack: index("pack"),
    }
}

/// Where the requests of slot `i` go, by peer number.
fn peers(config: &RigConfig, slots: &[Slot], i: usize) -> Result<Vec<Peer>, RigConfigError> {
    let device = &config.devices[i];
    let mut peers = Vec::new();
    for name in peers_of(device.kind) {
        if OPTIONAL_PEERS.contains(name) && !device.peers.contains_key(*name) {
            peers.push(Peer::Nobody);
            continue;
        }
        let tag = device.peers.get(*name).ok_or_else(|| {
            device.origin.error(
                format!("{} names no peer `{name}`", device.tag),
                format!("add peers = {{ {name} = \"<tag>\" }}"),
            )
        })?;
        let Some(server) = slots.iter().position(|slot| slot.tag == *tag) else {
            continue;
        };
        let peer = if slots[server].emulator.is_some() {
            Peer::Local {
                server,
                unit: slots[server].unit,
            }
        } else if config.devices[server].backing == Backing::Absent {
            Peer::Nobody
        } else if let Some(address) = slots[server].address {
            if matches!(address, ModbusAddress::Tls(_)) && device.tls.is_none() {
                return Err(device.origin.error(
                    format!(
                        "{} asks {tag} over TLS, but has no certificate of its own",
                        device.tag
                    ),
                    "add tls = { certificate = \"...\", key = \"...\", ca = \"...\" }",
                ));
            }
            Peer::Wire {
                server,
                address,
                unit: slots[server].unit,
            }
        } else {
            return Err(config.devices[server].origin.error(
                format!(
                    "{} asks {tag} over a wire, but {tag} does not say where it listens",
                    device.tag
                ),
                "add listen = \"127.0.0.1:<port>\", or line = \"<name of an [[rtu_line]]>\"",
            ));
        };
        peers.push(peer);
    }
    Ok(peers)
}

/// The enable line of each cluster goes from its BCU to the BMU of pack 1 and from each BMU to the next. Wires go only
/// between devices that are emulated here.
fn chains(products: &Products<'_>, slots: &[Slot]) -> (BTreeMap<usize, usize>, Vec<usize>) {
    let (mut next, mut heads) = (BTreeMap::new(), Vec::new());
    let here = |device: &DeviceConfig| {
        let slot = slots.iter().position(|slot| slot.tag == device.tag);
        slot.filter(|slot| slots[*slot].emulator.is_some())
    };
    for bcu in products
        .config
        .devices
        .iter()
        .filter(|device| device.kind == DeviceKind::Bcu)
    {
        let mut before = here(bcu);
        for (i, bmu) in products
            .neighbours(bcu, "cluster", DeviceKind::Bmu)
            .map(here)
            .enumerate()
        {
            match (before, bmu) {
                (Some(before), Some(bmu)) => {
                    next.insert(before, bmu);
                }
                (None, Some(bmu)) if i == 0 => heads.push(bmu),
                _ => {}
            }
            before = bmu;
        }
    }
    (next, heads)
}

/// Serial number of the BMU of a tag, as the BCU's commissioning record has it: cluster and pack in decimal behind 1,000,000.
pub(crate) fn serial(tag: &Tag) -> u64 {
    let number = |name| u64::try_from(tag.index_of(name).unwrap_or(0)).unwrap_or(0);
    1_000_000 + 1_000 * number("cluster") + number("pack")
}

/// Tells each bus who sends what; one CAN id has one owner.
fn announce_ids(
    config: &RigConfig,
    products: &Products<'_>,
    buses: &mut [CanBus],
) -> Result<(), RigConfigError> {
    for (i, device) in config.devices.iter().enumerate() {
        if device.backing == Backing::Absent {
            continue;
        }
        let product = products.of(device)?;
        for port in ports_of(device.kind) {
            let Some(bus) = device
                .can
                .get(port)
                .and_then(|name| buses.iter().position(|bus| bus.name == *name))
            else {
                continue;
            };
            if is_optional(port) && product.can_port(port).is_err() {
                // said where devices are built
                continue;
            }
            let ids = transmitted_ids(&product, port, products.library, address_on(device, port))
                .map_err(|error| product_error(products.library, device, &error))?;
            for Transmitted { id, period, is_fd } in ids {
                buses[bus].fd |= is_fd;
                if is_fd
                    && matches!(
                        buses[bus].wire,
                        Some(CanMedium::Listen(_) | CanMedium::Connect(_))
                    )
                {
                    return Err(device.origin.error(
                        format!(
                            "{} sends CAN id {id} in CAN FD format on {}, but the socketcand protocol has classic frames only",
                            device.tag, buses[bus].name
                        ),
                        "attach the bus to a SocketCAN interface that carries CAN FD, or inside the rig (instant or timed), \
                         or take a product of classic frames",
                    ));
                }
                buses[bus].announce(id, i, period).map_err(|other| {
                    let other = &config.devices[other];
                    device.origin.error(
                        format!(
                            "{} and {} ({}) both send CAN id {id} on {}",
                            device.tag,
                            other.tag,
                            other.origin.line(),
                            buses[bus].name
                        ),
                        "put one of them on another bus, or give it another place so that its node address differs",
                    )
                })?;
            }
        }
    }
    Ok(())
}

/// Decoders for what controllers say on their stack bus, so that steps read real and emulated ones alike.
fn observers(
    config: &RigConfig,
    products: &Products<'_>,
    buses: &[CanBus],
) -> Result<Vec<(usize, Decoders)>, RigConfigError> {
    let mut observers: BTreeMap<usize, Decoders> = BTreeMap::new();
    for (i, device) in config.devices.iter().enumerate() {
        if !matches!(device.kind, DeviceKind::Bcu | DeviceKind::Bau) || device.backing == Backing::Absent {
            continue;
        }
        let Some(bus) = device
            .can
            .get("stack")
            .and_then(|name| buses.iter().position(|bus| bus.name == *name))
        else {
            continue;
        };
        let product = products.of(device)?;
        let node = RemoteNode::compile(&product, "stack", products.library, address(device))
            .map_err(|error| product_error(products.library, device, &error))?;
        observers.entry(bus).or_default().push((i, node));
    }
    Ok(observers.into_iter().collect())
}

/// CAN source address of a device on one of its ports.
fn address_on(device: &DeviceConfig, port: &str) -> u8 {
    match (device.kind, port) {
        (DeviceKind::Bcu, "cluster") => BCU_CLUSTER_ADDRESS,
        // one battery and one inverter have no addresses, or count from 0
        (DeviceKind::Bau, "pcs") => 0,
        _ => address(device),
    }
}
