//! What a client may do: what the rig file says of a port, and what a role opens, from the wire to the register map.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use std::time::Duration;

use bess_catalogue::Catalogue;
use bess_devices::Library;
use bess_rig::{Driver, Rig, RigConfig, Role, VirtualDriver, WireInput, WireOutput};
use bess_types::{
    ModbusCertificate, ModbusClient, ModbusData, ModbusException, ModbusReply, ModbusRequest, Table,
};

const CONTAINER: &str = include_str!("../../../scenarios/rigs/base/container.toml");
const RIG: &str = include_str!("../../../scenarios/rigs/liquid-20ft.toml");
const CHILLER_MAP: &str = include_str!("../../../device-emulators/data/modbus/chiller.toml");
const CHILLER: &str = "container-01/chiller";

/// A chiller whose control block is for two roles.
fn library() -> Library {
    let mut library = Library::shipped();
    let guarded = CHILLER_MAP.replacen(
        "access = \"read-write\"",
        "access = \"read-write\"\nrole = [\"operator\", \"service\"]",
        1,
    );
    assert!(guarded.contains("service"), "the shipped map has a control block");
    library.overlay("own", "modbus/chiller.toml", &guarded);
    library
}

struct Bench {
    driver: VirtualDriver,
    server: usize,
}

impl Bench {
    /// A rig whose file says this of the chiller.
    fn new(library: &Library, modbus: &str) -> Self {
        let comma = if modbus.is_empty() { "" } else { ", " };
        let top = format!(
            "inherits = \"rig.toml\"\n[plant]\nclusters = 1\n[[chiller]]\ntag = \"{CHILLER}\"\nmodbus = {{ {modbus}{comma}start_up_ms = 0, turnaround_ms = 0 }}\n"
        );
        let read = |path: &str| match path {
            "top.toml" => Ok(top.clone()),
            "rig.toml" => Ok(RIG.to_owned()),
            "base/container.toml" => Ok(CONTAINER.to_owned()),
            _ => Err("no such file".to_owned()),
        };
        let config = RigConfig::load("top.toml", &Catalogue::shipped(), &read).unwrap();
        let server = config
            .devices
            .iter()
            .position(|device| device.tag.to_string() == CHILLER);
        let mut driver = VirtualDriver::new(Rig::new(&config, library, Role::Rig).unwrap());
        let until = driver.rig().now() + Duration::from_secs(3);
        driver.run(until, &mut |_| false).unwrap();
        Self {
            driver,
            server: server.unwrap(),
        }
    }

    fn ask(&mut self, client: ModbusClient, request: ModbusRequest) -> ModbusReply {
        let now = self.driver.rig().now();
        let input = WireInput::ModbusRequest {
            server: self.server,
            unit: 1,
            client,
            request,
            wire_token: 7,
        };
        self.driver.rig_mut().offer(now, input);
        loop {
            let output = self.driver.rig_mut().poll_wire().expect("an answer at once");
            if let WireOutput::ModbusReply {
                wire_token: 7, reply, ..
            } = output
            {
                return reply.expect("a device that is on");
            }
        }
    }

    /// A write of the reset register, which is without effect on a chiller that is well.
    fn write(&mut self, client: ModbusClient) -> ModbusReply {
        let request = ModbusRequest::WriteRegister { address: 2, value: 0 };
        self.ask(client, request)
    }
}

fn with_role(role: &str) -> ModbusClient {
    ModbusClient {
        from: None,
        certificate: Some(ModbusCertificate {
            role: Some(role.into()),
        }),
    }
}

const WRITTEN: ModbusReply = Ok(ModbusData::Written);
const REFUSED: ModbusReply = Err(ModbusException::IllegalFunction);

#[test]
fn a_role_comes_from_the_certificate_and_else_from_the_rig_file() {
    let mut strict = Bench::new(&library(), "");
    assert_eq!(strict.write(ModbusClient::default()), REFUSED);
    assert_eq!(strict.write(with_role("service")), WRITTEN);
    assert_eq!(strict.write(with_role("guest")), REFUSED);
    let mut open = Bench::new(&library(), "plain_role = \"operator\"");
    assert_eq!(open.write(ModbusClient::default()), WRITTEN);
    let nobody = ModbusClient {
        from: None,
        certificate: Some(ModbusCertificate { role: None }),
    };
    assert_eq!(
        open.write(nobody),
        REFUSED,
        "a certificate without role is none of the plain"
    );
}

#[test]
fn a_read_only_port_refuses_writes_as_the_rig_file_says() {
    let shipped = Library::shipped();
    assert_eq!(Bench::new(&shipped, "").write(ModbusClient::default()), WRITTEN);
    let mut bench = Bench::new(&shipped, "read_only = true");
    assert_eq!(bench.write(ModbusClient::default()), REFUSED);
    let read = ModbusRequest::Read {
        table: Table::Holding,
        address: 100,
        count: 1,
    };
    assert!(bench.ask(ModbusClient::default(), read).is_ok());
    let mut bench = Bench::new(&shipped, "read_only = true, refusal = \"illegal-data-address\"");
    assert_eq!(
        bench.write(with_role("service")),
        Err(ModbusException::IllegalDataAddress)
    );
}
