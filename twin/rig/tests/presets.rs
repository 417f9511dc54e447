//! Every container of the catalogue has a rig file of its name, and what its devices are set to agrees with the
//! catalogue's figures.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use std::sync::Arc;

use bess_catalogue::product::{Container, Pack, Pcs};
use bess_catalogue::{Catalogue, Kind};
use bess_devices::bau::settings::BauSettings;
use bess_devices::bcu::settings::BcuSettings;
use bess_devices::codec::modbus::{ModbusAccess, ModbusServer};
use bess_devices::ems::EmsSettings;
use bess_devices::product::DeviceKind;
use bess_devices::{Library, Points, Product, bmu, kinds, pcs};
use bess_rig::{Rig, RigConfig, Role};
use bess_types::{ModbusData, ModbusRequest, SimTime, Table};

/// A rig file by its name.
fn load(name: &str, catalogue: &Catalogue) -> RigConfig {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/rigs");
    let read = |path: &str| std::fs::read_to_string(path).map_err(|error| error.to_string());
    RigConfig::load(&format!("{root}/{name}.toml"), catalogue, &read)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

struct Preset {
    id: String,
    config: RigConfig,
    library: Library,
    container: Container,
    pack: Pack,
    pcs: Pcs,
}

impl Preset {
    fn all() -> Vec<Self> {
        let catalogue = Catalogue::shipped();
        let ids = catalogue.ids(Kind::Container);
        ids.iter()
            .map(|id| {
                let config = load(id, &catalogue);
                let container = catalogue.product::<Container>(id).unwrap().value;
                Self {
                    id: (*id).to_owned(),
                    config,
                    library: Library::shipped(),
                    pack: catalogue.product(container.pack.get_ref()).unwrap().value,
                    pcs: catalogue.product(container.pcs.get_ref()).unwrap().value,
                    container,
                }
            })
            .collect()
    }

    /// The products of all devices of a kind, with the rig file's settings.
    fn products(&self, kind: DeviceKind) -> Vec<Arc<Product>> {
        let devices = self.config.devices.iter().filter(|device| device.kind == kind);
        devices
            .map(|device| {
                let product = self.library.product(device.product.as_ref().unwrap()).unwrap();
                Arc::new(product.with_settings(&device.settings))
            })
            .collect()
    }

    fn product(&self, kind: DeviceKind) -> Arc<Product> {
        let all = self.products(kind);
        assert!(!all.is_empty(), "{}: no {kind}", self.id);
        Arc::clone(&all[0])
    }
}

#[test]
fn every_container_has_a_rig_that_builds() {
    let presets = Preset::all();
    assert!(!presets.is_empty());
    for preset in presets {
        let Preset {
            id,
            config,
            library,
            container,
            ..
        } = &preset;
        Rig::new(config, library, Role::Rig).unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!(&config.plant.spec.container.id, id);
        let clusters = container.clusters;
        assert_eq!(preset.products(DeviceKind::Bcu).len(), clusters, "{id}");
        let packs = clusters * container.packs_per_cluster;
        assert_eq!(preset.products(DeviceKind::Bmu).len(), packs, "{id}");
        let chillers = preset.products(DeviceKind::Chiller).len();
        let cooled = config.plant.spec.container.cooling.is_some();
        assert_eq!(chillers, usize::from(cooled), "{id}");
    }
}

#[test]
fn the_battery_controllers_are_set_to_the_catalogue() {
    for preset in Preset::all() {
        let Preset {
            id,
            config,
            container,
            pack,
            ..
        } = &preset;
        let capacity_ah = config.plant.spec.cell.capacity_ah;
        let bmu = bmu::Settings::of(&preset.product(DeviceKind::Bmu)).unwrap();
        assert_eq!(bmu.cells, pack.cells, "{id}");
        let bcu: BcuSettings = preset.product(DeviceKind::Bcu).settings().unwrap();
        assert_eq!(
            (bcu.packs, bcu.cells_per_pack),
            (container.packs_per_cluster, pack.cells),
            "{id}"
        );
        assert_eq!(bcu.capacity_ah, capacity_ah, "{id}");
        let box_a = config.plant.spec.container.hv_box.rated_a;
        assert!(bcu.rated_charge_a.max(bcu.rated_discharge_a) <= box_a, "{id}");
        let bau: BauSettings = preset.product(DeviceKind::Bau).settings().unwrap();
        assert_eq!(bau.max_clusters, container.clusters, "{id}");
        assert_eq!(
            (bau.packs_per_cluster, bau.cells_per_pack),
            (container.packs_per_cluster, pack.cells),
            "{id}"
        );
        assert_eq!(bau.cluster_capacity_ah, capacity_ah, "{id}");
        let cells = (container.packs_per_cluster * pack.cells) as f64;
        assert!(
            (bau.cluster_energy_wh - cells * capacity_ah * 3.2).abs() < 1.0,
            "{id}"
        );
        let Some(rated_w) = container.rated_kw.map(|kilowatts| kilowatts * 1e3) else {
            continue;
        };
        let stack_w = bau.cluster_power_w * container.clusters as f64;
        assert!(
            (stack_w - rated_w).abs() <= container.clusters as f64,
            "{id}: {stack_w}"
        );
        let ems: EmsSettings = preset.product(DeviceKind::Ems).settings().unwrap();
        assert!(ems.max_power_w >= rated_w, "{id}");
    }
}

/// SunSpec 804 of every cluster and 805 of every pack, as far as the address space goes.
#[test]
fn the_battery_controllers_tell_every_cell() {
    for preset in Preset::all() {
        let Preset { id, container, .. } = &preset;
        let models = models(&preset.product(DeviceKind::Bau), &preset.library);
        let count = |model: u16| models.iter().filter(|id| **id == model).count();
        assert_eq!(count(804), container.clusters, "{id}");
        let packs = container.clusters * container.packs_per_cluster;
        if id == "air-45ft-1254" {
            assert!(
                (packs * 2 / 5..packs).contains(&count(805)),
                "{id}: {}",
                count(805)
            );
        } else {
            assert_eq!(count(805), packs, "{id}");
        }
    }
}

/// Ids of the SunSpec models a product serves, in their order.
fn models(product: &Product, library: &Library) -> Vec<u16> {
    let table = kinds::point_table(product).unwrap();
    let mut server = ModbusServer::of_product(product, library, &table).unwrap();
    let mut points = Points::new(table.into());
    let (mut models, mut address) = (Vec::new(), 40_002);
    loop {
        let request = ModbusRequest::Read {
            table: Table::Holding,
            address,
            count: 2,
        };
        let access = ModbusAccess::default();
        let reply = server.serve(SimTime::ZERO, access, &request, &mut points, &mut Vec::new());
        let Ok(ModbusData::Registers(head)) = reply else {
            panic!("{}: {reply:?} at {address}", product.id)
        };
        if head[0] == 0xFFFF {
            return models;
        }
        models.push(head[0]);
        address += 2 + head[1];
    }
}

#[test]
fn the_pcs_is_the_catalogues() {
    for preset in Preset::all() {
        let Preset {
            id,
            container,
            pcs: stage,
            ..
        } = &preset;
        let product = preset.product(DeviceKind::Pcs);
        let settings: pcs::settings::Settings = product.settings().unwrap();
        let count = container.pcs_count as f64;
        assert!(product.model.eq_ignore_ascii_case(&stage.id), "{id}");
        assert_eq!(
            settings.rated_apparent_va,
            stage.converter.rated_va * count,
            "{id}"
        );
        assert!(settings.rated_power_w <= settings.rated_apparent_va, "{id}");
        assert_eq!(settings.nominal_line_voltage_v, stage.grid.nominal_v, "{id}");
        assert_eq!(settings.nominal_frequency_hz, stage.grid.nominal_hz, "{id}");
        assert_eq!(
            [settings.dc_voltage_min_v, settings.dc_voltage_max_v],
            stage.converter.dc_range_v,
            "{id}"
        );
        let rated_w = container.rated_kw.unwrap_or(0.0) * 1e3;
        assert!(
            rated_w <= settings.rated_power_w * stage.converter.overload_pu,
            "{id}"
        );
    }
}

/// A preset run hot is the preset, but for the air outside.
#[test]
fn a_hot_rig_is_its_preset_in_hot_air() {
    let catalogue = Catalogue::shipped();
    for id in ["ci-air-200", "ci-liq-211"] {
        let (preset, hot) = (load(id, &catalogue), load(&format!("{id}-hot"), &catalogue));
        assert_eq!(hot.plant.initial.ambient_c, 44.0, "{id}");
        let others = |rig: &RigConfig| -> Vec<String> {
            let lines = rig.effective_toml().lines();
            lines
                .filter(|line| !line.starts_with("title =") && !line.starts_with("ambient_c ="))
                .map(ToOwned::to_owned)
                .collect()
        };
        assert_eq!(others(&hot), others(&preset), "{id}");
    }
}
