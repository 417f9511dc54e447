//! Whether the devices of a rig file fit the container, and can be where they are to run.

use bess_devices::bcu::settings::BcuSettings;
use bess_devices::codec::can::lint;
use bess_devices::finding::Finding;
use bess_devices::kinds::point_table;
use bess_devices::library::Library;
use bess_devices::product::DeviceKind;
use bess_devices::{bmu, hv_unit};
use bess_types::Tag;

use super::products::{Products, product_error};
use crate::config::line::{LineAttach, ModbusAddress};
use crate::config::{Backing, DeviceConfig, RigConfig, RigConfigError};

/// Devices that are to be hosted are in the rig, and everything they need is on wires.
pub(super) fn check_hosted(config: &RigConfig, tags: &[Tag]) -> Result<(), RigConfigError> {
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

impl Products<'_> {
    /// A BMU measures the cells of its pack, no more and no fewer.
    pub(super) fn check_cells(&self) -> Result<(), RigConfigError> {
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
    pub(super) fn check_packs(&self) -> Result<(), RigConfigError> {
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
    pub(super) fn check_settings(&self) -> Result<(), RigConfigError> {
        for device in &self.config.devices {
            let product = self.of(device)?;
            point_table(&product).map_err(|error| product_error(self.library, device, &error))?;
        }
        Ok(())
    }

    /// A measuring unit's inputs bear the voltage of a full cluster.
    pub(super) fn check_voltage_classes(&self) -> Result<(), RigConfigError> {
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

    /// Voltage of so many full cells in series, V.
    fn full_v(&self, cells: usize) -> f64 {
        let ocv = &self.config.plant.spec.cell.ocv.voltage_v;
        ocv.last().copied().unwrap_or(0.0) * cells as f64
    }
}
