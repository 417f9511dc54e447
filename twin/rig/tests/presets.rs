//! Every container of the catalogue has a rig file of its name, and what its devices are set to agrees with the
//! catalogue's figures.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use std::sync::Arc;
use std::time::Duration;

use bess_catalogue::product::{Container, Pack, Pcs};
use bess_catalogue::{Catalogue, Kind};
use bess_devices::bau::settings::BauSettings;
use bess_devices::bcu::settings::BcuSettings;
use bess_devices::codec::modbus::{ModbusAccess, ModbusServer};
use bess_devices::ems::EmsSettings;
use bess_devices::product::DeviceKind;
use bess_devices::{Library, Points, Product, bmu, hvac, kinds, pcs};
use bess_rig::fault::LinkFault;
use bess_rig::{Driver, Rig, RigCommand, RigConfig, Role, VirtualDriver, WireInput, WireOutput};
use bess_types::{
    Line, ModbusClient, ModbusData, ModbusException, ModbusReply, ModbusRequest, SimTime, Table,
};

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
fn the_hvac_of_an_air_cooled_container_is_set_to_the_catalogue() {
    for preset in Preset::all() {
        let id = &preset.id;
        let container = &preset.config.plant.spec.container;
        let products = preset.products(DeviceKind::Hvac);
        assert_eq!(products.len(), usize::from(container.cooling.is_none()), "{id}");
        for product in products {
            let settings = hvac::Settings::of(&product).unwrap();
            let hvac = &container.air.hvac;
            assert_eq!(usize::from(settings.units), hvac.units, "{id}");
            assert_eq!(settings.cool_setpoint_c, hvac.setpoint_c, "{id}");
            assert_eq!(settings.heat_setpoint_c, hvac.heat_setpoint_c, "{id}");
            assert_eq!(settings.hysteresis_k, hvac.hysteresis_k, "{id}");
            assert_eq!(settings.min_off_s as f64, hvac.min_off_s, "{id}");
        }
    }
}

/// The air-cooled container with one cluster, and a client on its wires.
struct Field {
    config: RigConfig,
    driver: VirtualDriver,
}

impl Field {
    fn new() -> Self {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/rigs");
        let top = format!("{root}/top.toml");
        let read = |path: &str| {
            if path == top {
                Ok("inherits = \"air-20ft-762.toml\"\n[plant]\nclusters = 1\n".to_owned())
            } else {
                std::fs::read_to_string(path).map_err(|error| error.to_string())
            }
        };
        let config = RigConfig::load(&top, &Catalogue::shipped(), &read).unwrap();
        let rig = Rig::new(&config, &Library::shipped(), Role::Rig).unwrap();
        let driver = VirtualDriver::new(rig);
        Self { config, driver }
    }

    fn run(&mut self, seconds: u64) {
        let until = self.driver.rig().now() + Duration::from_secs(seconds);
        self.driver.run(until, &mut |_| false).unwrap();
    }

    /// The reply, if there is one within a second.
    fn ask(&mut self, tag: &str, request: ModbusRequest) -> Option<ModbusReply> {
        let mut devices = self.config.devices.iter();
        let server = devices.position(|device| device.tag.to_string() == tag).unwrap();
        let rig = self.driver.rig_mut();
        let asked = rig.now();
        let input = WireInput::ModbusRequest {
            client: ModbusClient::default(),
            server,
            unit: self.config.devices[server].unit,
            request,
            wire_token: 7,
        };
        rig.offer(asked, input);
        for _ in 0..100 {
            while let Some(output) = rig.poll_wire() {
                if let WireOutput::ModbusReply {
                    wire_token: 7, reply, ..
                } = output
                {
                    return reply;
                }
            }
            let next = rig.now() + Duration::from_millis(10);
            rig.advance_to(next);
        }
        None
    }

    fn bits(&mut self, table: Table, address: u16, count: u16) -> Vec<bool> {
        match self.ask(IO, read(table, address, count)) {
            Some(Ok(ModbusData::Bits(bits))) => bits,
            other => panic!("{other:?}"),
        }
    }

    fn registers(&mut self, tag: &str, address: u16, count: u16) -> Vec<u16> {
        match self.ask(tag, read(Table::Holding, address, count)) {
            Some(Ok(ModbusData::Registers(registers))) => registers,
            other => panic!("{other:?}"),
        }
    }

    fn write(&mut self, tag: &str, address: u16, value: u16) {
        let reply = self.ask(tag, ModbusRequest::WriteRegister { address, value });
        assert_eq!(reply, Some(Ok(ModbusData::Written)));
    }

    fn shown(&self, tag: &str, point: &str) -> Option<f64> {
        let rig = self.driver.rig();
        let key = rig.resolve(tag, point).unwrap();
        rig.observe(&key).and_then(bess_types::Reading::ok)
    }

    fn circulates(&self) -> bool {
        self.shown("plant:container-01/air", "hvac") == Some(1.0)
    }
}

const IO: &str = "container-01/io";
const HVAC: &str = "container-01/hvac";
const PANEL: &str = "container-01/fire-panel";

const fn read(table: Table, address: u16, count: u16) -> ModbusRequest {
    ModbusRequest::Read {
        table,
        address,
        count,
    }
}

#[test]
fn the_containers_remote_io_can_be_in_the_style_of_an_adam() {
    let mut field = Field::new();
    field.run(20);
    assert_eq!(field.shown("container-01/bau", "io-online"), Some(1.0));
    let inputs = field.bits(Table::DiscreteInput, 0, 12);
    assert_eq!(inputs, field.bits(Table::Coil, 0, 12));
    let [door, estop_a, safety, fire] = [0, 4, 6, 8].map(|at: usize| inputs[at]);
    assert!(door && estop_a && safety && !fire, "{inputs:?}");
    let word = field.registers(IO, 300, 1)[0];
    assert!(
        inputs
            .iter()
            .enumerate()
            .all(|(i, on)| ((word >> i) & 1 == 1) == *on)
    );
    let hole = field.ask(IO, read(Table::Coil, 12, 4)).unwrap();
    assert_eq!(hole, Err(ModbusException::IllegalDataAddress));
    // The BAU writes what it wants of the outputs at 16; the last three are nobody's.
    let sounder = 2;
    assert!(!field.bits(Table::Coil, 16, 6)[sounder]);
    let spare = ModbusRequest::WriteCoil {
        address: 21,
        value: true,
    };
    assert_eq!(field.ask(IO, spare), Some(Ok(ModbusData::Written)));
    assert!(field.bits(Table::Coil, 16, 6)[5]);
    let coils = field.bits(Table::Coil, 16, 6);
    let words = field.registers(IO, 300, 3);
    let shown: Vec<bool> = (0..6).map(|i| (words[2] >> i) & 1 == 1).collect();
    assert_eq!((shown, words[1]), (coils, 0));
}

#[test]
fn the_hvac_is_read_and_told_on_its_wire_and_the_fire_panel_stops_it() {
    let mut field = Field::new();
    field.run(3);
    assert_eq!(field.ask(HVAC, read(Table::Holding, 100, 10)), None, "self-test");
    assert!(!field.circulates());
    field.run(20);
    assert!(field.circulates());
    let state = field.registers(HVAC, 100, 10);
    assert_eq!(state[1], 0b011, "fan driven and running");
    assert!((200..300).contains(&state[5]), "25 °C: {state:?}");
    // 25 °C is over the set point of 22 °C: both units cool.
    assert_eq!((state[0], state[2]), (2, 2));
    field.write(HVAC, 0, 0);
    field.run(2);
    assert!(!field.circulates());
    field.write(HVAC, 0, 4);
    field.run(2);
    assert!(field.circulates());
    let resting = field.registers(HVAC, 102, 3);
    assert!(
        resting[0] == 0 && (170..=180).contains(&resting[2]),
        "{resting:?}"
    );
    field
        .driver
        .rig_mut()
        .command(RigCommand::Contact {
            line: Line::ManualCallPoint,
            level: true,
        })
        .unwrap();
    field.run(2);
    assert!(!field.circulates());
    assert_eq!(
        field.registers(HVAC, 100, 2),
        [0, 0b100],
        "off, by the fire panel"
    );
}

/// 802 `Evt1` and `EvtVnd1` of the BAU.
fn events(field: &mut Field) -> [u32; 2] {
    let words = field.registers("container-01/bau", 40_096, 6);
    [0, 4].map(|at: usize| u32::from(words[at]) << 16 | u32::from(words[at + 1]))
}

#[test]
fn the_bau_of_an_air_cooled_container_sees_its_hvac() {
    let mut field = Field::new();
    field.run(20);
    assert_eq!(field.shown("container-01/bau", "hvac-online"), Some(1.0));
    assert_eq!(events(&mut field), [0, 0]);
    let unanswered = LinkFault::new("modbus-silence", HVAC, &[]).unwrap();
    field
        .driver
        .rig_mut()
        .command(RigCommand::LinkFault(unanswered))
        .unwrap();
    field.run(35);
    assert_eq!(field.shown("container-01/bau", "hvac-online"), Some(0.0));
    assert_eq!(events(&mut field), [1, 1 << 13]);
}

/// The panel is started by hand, aborted and reset: the BAU still says why it is stopped, until it is reset itself.
#[test]
fn a_bau_stopped_by_the_fire_panel_says_so() {
    let mut field = Field::new();
    field.run(20);
    for coil in [0, 1, 3] {
        let request = ModbusRequest::WriteCoil {
            address: coil,
            value: true,
        };
        assert_eq!(field.ask(PANEL, request), Some(Ok(ModbusData::Written)));
        field.run(2);
    }
    assert_eq!(field.registers(PANEL, 0, 1), [0], "normal again");
    let state = |field: &mut Field| field.registers("container-01/bau", 40_092, 1)[0];
    assert_eq!(state(&mut field), 99);
    assert_eq!(events(&mut field), [1 << 25, 1]);
    field.write("container-01/bau", 30_000, 3);
    field.run(1);
    assert_eq!(state(&mut field), 1, "standby");
    assert_eq!(events(&mut field), [0, 0]);
}

/// Off for half a second, then starting: a request gets nothing in between, and an answer afterwards.
#[test]
fn every_modbus_server_can_lose_its_supply_and_starts_anew() {
    for tag in [
        "container-01/io",
        "container-01/cluster-01/io",
        "container-01/pcs",
        "container-01/fire-panel",
        HVAC,
        "container-01/bau",
        "site-01/ems",
        "site-01/meter",
    ] {
        let mut field = Field::new();
        field.run(10);
        let request = || read(Table::Holding, 0, 1);
        assert!(field.ask(tag, request()).is_some(), "{tag}");
        let fault = LinkFault::new("modbus-restart", tag, &[]).unwrap();
        let rig = field.driver.rig_mut();
        rig.command(RigCommand::LinkFault(fault)).unwrap();
        assert_eq!(field.ask(tag, request()), None, "{tag} without supply");
        field.run(10);
        assert!(field.ask(tag, request()).is_some(), "{tag} again");
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
