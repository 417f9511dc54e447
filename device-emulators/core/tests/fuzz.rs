//! Whatever stands in a device's data files and in the frames it hears: no panic, no more memory than the input is worth,
//! and mistakes are told with their place.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use bess_devices::codec::can::{CanPort, DbcFile, RemoteNode, transmitted_ids};
use bess_devices::codec::modbus::pdu::{MAX_PDU, decode_request, encode_reply};
use bess_devices::codec::modbus::{ModbusAccess, ModbusServer};
use bess_devices::{Library, Points, Product, ProductError, kinds};
use bess_fuzz::Target;
use bess_types::can::fd_length;
use bess_types::{CanFrame, FdFlags, SimTime};

const CRATE: &str = env!("CARGO_MANIFEST_DIR");
const FILE: &str = "own/fuzzed";

fn shipped(folder: &str) -> Vec<String> {
    let library = Library::shipped();
    let paths = library.paths().filter(|path| path.starts_with(folder));
    let text = |path: &str| match path.strip_prefix("products/") {
        Some(id) => library.product(id).unwrap().source().text.clone(),
        None => library
            .text_of(&format!("device-emulators/data/{path}"))
            .unwrap()
            .to_owned(),
    };
    paths.map(text).collect()
}

/// A mistake stands in a file that there is, at a stretch of its text, and has a remedy.
fn assert_told(error: &ProductError, text: &str, library: &Library) {
    assert!(!error.help().is_empty(), "{error}");
    let Some(place) = error.place() else {
        return assert!(matches!(error, ProductError::UnknownProduct { .. }), "{error}");
    };
    if place.line == 0 {
        return assert!(matches!(error, ProductError::UnknownFile { .. }), "{error}");
    }
    if let Some(file) = place.file.strip_prefix("settings laid over ") {
        // What is missing stands nowhere.
        return assert!(file == FILE || library.text_of(file).is_some(), "{error}");
    }
    let text = if &*place.file == FILE {
        text
    } else {
        library
            .text_of(&place.file)
            .unwrap_or_else(|| panic!("{error}: no such file"))
    };
    assert!(
        text.get(place.span.clone()).is_some(),
        "{error}: {:?}",
        place.span
    );
    assert!(place.line <= text.matches('\n').count() + 1, "{error}");
}

#[test]
fn fuzz_dbc() {
    let library = Library::shipped();
    let product = library.product("rig-bmu-44").unwrap();
    let dbc = product.ports().next().unwrap().0.dbc.get_ref().clone();
    Target::new(CRATE, "dbc")
        .seeds(shipped("dbc/"))
        .memory(1 << 20, 600)
        .runs(150)
        .check(|input| {
            let Ok(text) = str::from_utf8(input) else { return };
            if let Err(error) = DbcFile::parse(FILE, text) {
                return assert_told(&error, text, &library);
            }
            let mut own = library.clone();
            own.overlay("own", &format!("dbc/{dbc}"), text);
            if let Err(error) = compile(&product, &own) {
                assert_told(&error, text, &own);
            }
        });
}

#[test]
fn fuzz_product() {
    let library = Library::shipped();
    Target::new(CRATE, "product")
        .seeds(shipped("products/"))
        .memory(64 << 20, 600)
        .runs(400)
        .check(|input| {
            let Ok(text) = str::from_utf8(input) else { return };
            let compiled = library
                .parse_product(FILE, text)
                .and_then(|product| compile(&product, &library));
            if let Err(error) = compiled {
                assert_told(&error, text, &library);
            }
        });
}

/// Everything a rig compiles of a product.
fn compile(product: &Product, library: &Library) -> Result<(), ProductError> {
    let table = kinds::point_table(product)?;
    for (port, _) in product.ports() {
        CanPort::compile(product, port.port.get_ref(), library, &table, 1)?;
        RemoteNode::compile(product, port.port.get_ref(), library, 1)?;
    }
    if product.registers().is_some() {
        let server = ModbusServer::of_product(product, library, &table)?;
        server.image(&Points::new(table.into()));
    }
    Ok(())
}

#[test]
fn fuzz_register_map() {
    let library = Library::shipped();
    let products: Vec<_> = ["bau", "sjpcs-1725-m", "chiller", "fire-panel", "rig-hv-box-io"]
        .iter()
        .map(|id| library.product(id).unwrap())
        .collect();
    Target::new(CRATE, "register-map")
        .seeds(shipped("modbus/"))
        .memory(8 << 20, 600)
        .runs(200)
        .check(|input| {
            let Ok(text) = str::from_utf8(input) else { return };
            for product in &products {
                let (map, _) = product.registers().unwrap();
                let mut own = library.clone();
                own.overlay("own", &format!("modbus/{}", map.get_ref()), text);
                if let Err(error) = compile(product, &own) {
                    assert_told(&error, text, &own);
                }
            }
        });
}

/// Inputs: product, then requests: length, PDU.
#[test]
fn fuzz_modbus_server() {
    let library = Library::shipped();
    let mut servers = Vec::new();
    for id in library.product_ids() {
        let product = library.product(&id).unwrap();
        let table = kinds::point_table(&product).unwrap();
        if product.registers().is_some() {
            let server = ModbusServer::of_product(&product, &library, &table).unwrap();
            servers.push((server, Points::new(table.into())));
        }
    }
    let requests: [&[u8]; 8] = [
        &[3, 0x9C, 0x40, 0, 100],
        &[4, 0, 0, 0, 10],
        &[1, 0, 0, 0, 8],
        &[5, 0, 1, 0xFF, 0],
        &[6, 0x75, 0x30, 0, 1],
        &[16, 0x9C, 0x45, 0, 2, 4, 0, 1, 0xFF, 0xFF],
        &[23, 0, 100, 0, 2, 0, 101, 0, 1, 2, 0x80, 0],
        &[22, 0, 100, 0, 0xF2, 0, 0x25],
    ];
    let length = |pdu: &[u8]| u8::try_from(pdu.len()).unwrap();
    let seeds = (0..40_u8).map(|which| {
        let told = requests.iter().flat_map(|pdu| [&[length(pdu)], *pdu].concat());
        [which].into_iter().chain(told).collect::<Vec<u8>>()
    });
    Target::new(CRATE, "modbus-server")
        .seeds(seeds)
        .runs(3000)
        .check(|input| {
            let Some((&which, mut rest)) = input.split_first() else {
                return;
            };
            let (mut server, mut points) = servers[usize::from(which) % servers.len()].clone();
            let (mut now, mut written) = (SimTime::ZERO, Vec::new());
            while let [length, others @ ..] = rest {
                let (pdu, others) = others.split_at(usize::from(*length).min(others.len()));
                rest = others;
                now += core::time::Duration::from_millis(100);
                written.clear();
                let request = decode_request(pdu);
                let reply = server.serve(now, ModbusAccess::default(), &request, &mut points, &mut written);
                let answer = encode_reply(pdu, &reply);
                assert!(answer.len() <= MAX_PDU, "{request:?}: {answer:?}");
            }
            for (id, def) in points.table().iter() {
                let value = points.get(id).unwrap_or_default();
                assert!(value.is_finite(), "{} = {value}", def.name);
            }
        });
}

/// Inputs: product, then frames: message, length, payload.
#[test]
fn fuzz_can_payload() {
    let library = Library::shipped();
    let mut nodes = Vec::new();
    for id in library.product_ids() {
        let product = library.product(&id).unwrap();
        let table = kinds::point_table(&product).unwrap();
        for (port, _) in product.ports() {
            let own = CanPort::compile(&product, port.port.get_ref(), &library, &table, 1).unwrap();
            let remote = RemoteNode::compile(&product, port.port.get_ref(), &library, 1).unwrap();
            let sent = transmitted_ids(&product, port.port.get_ref(), &library, 1).unwrap();
            nodes.push((own, remote, Points::new(table.clone().into()), sent));
        }
    }
    let seeds: Vec<Vec<u8>> = (0_u8..40)
        .map(|i| [&[i][..], &[i, 8, i, 0xFF, 0x7F, i, 0x80, 0, i, 0xFE]].concat())
        .collect();
    Target::new(CRATE, "can-payload")
        .seeds(seeds)
        .runs(2000)
        .check(|input| {
            let Some((&which, mut rest)) = input.split_first() else {
                return;
            };
            let (mut own, mut remote, mut points, sent) = nodes[usize::from(which) % nodes.len()].clone();
            let mut now = SimTime::ZERO;
            own.start(now);
            while let [message, length, payload @ ..] = rest {
                let Some(message) = sent.get(usize::from(*message) % sent.len().max(1)) else {
                    return;
                };
                let length = usize::from(*length).min(payload.len()).min(64);
                let length = if fd_length(length) == Some(length) {
                    length
                } else {
                    8
                };
                let (data, others) = payload.split_at(length.min(payload.len()));
                rest = others;
                let classic = CanFrame::new(message.id, data);
                let fd = || CanFrame::new_fd(message.id, FdFlags::default(), data);
                let Some(frame) = classic.or_else(fd) else { return };
                now += core::time::Duration::from_millis(10);
                remote.receive(now, &frame);
                own.receive(now, &frame, &mut points);
                // What was heard can be said again, whatever it was.
                let mut heard = remote.points.clone();
                own.transmit_due(now, &mut heard, &mut |_| {});
            }
            for (id, def) in remote.points.table().iter() {
                let value = remote.points.get(id).unwrap_or_default();
                assert!(value.is_finite(), "{} = {value}", def.name);
            }
        });
}
