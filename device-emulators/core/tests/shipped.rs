//! Every file shipped with the crate fits the others: products, DBCs and register maps.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use std::collections::BTreeSet;
use std::sync::Arc;

use bess_devices::codec::can::{CanPort, RemoteNode, transmitted_ids};
use bess_devices::codec::modbus::RegisterMap;
use bess_devices::codec::pattern;
use bess_devices::{Library, Product, kinds};
use bess_types::CanId;
use can_dbc::{AttributeValue, Dbc, MessageId};

/// The node byte in a DBC's identifiers: a node of this address sends exactly the identifiers of the DBC.
const PLACEHOLDER: u8 = 0xFE;

fn products(library: &Library) -> Vec<Arc<Product>> {
    let read = |id: &String| {
        library
            .product(id)
            .unwrap_or_else(|error| panic!("{id}: {error}"))
    };
    library.product_ids().iter().map(read).collect()
}

#[test]
fn every_product_compiles_with_its_files() {
    let library = Library::shipped();
    for product in products(&library) {
        let id = &product.id;
        let table = kinds::point_table(&product).unwrap_or_else(|error| panic!("{id}: {error}"));
        for (port, _) in product.ports() {
            let port = port.port.get_ref();
            for node in [1, 9, 0x11, 0xFD] {
                CanPort::compile(&product, port, &library, &table, node)
                    .unwrap_or_else(|error| panic!("{id}, port {port}, node {node}: {error}"));
                RemoteNode::compile(&product, port, &library, node)
                    .unwrap_or_else(|error| panic!("{id}, port {port}, node {node} as remote: {error}"));
            }
        }
        if product.registers().is_some() {
            RegisterMap::of_product(&product, &library, &table)
                .unwrap_or_else(|error| panic!("{id}: {error}"));
        }
    }
}

#[test]
fn no_dbc_and_no_register_map_is_left_over() {
    let library = Library::shipped();
    let mut used = BTreeSet::new();
    for product in products(&library) {
        used.extend(
            product
                .ports()
                .map(|(port, _)| format!("dbc/{}", port.dbc.get_ref())),
        );
        used.extend(
            product
                .registers()
                .map(|(map, _)| format!("modbus/{}", map.get_ref())),
        );
    }
    let there = library.paths().filter(|path| !path.starts_with("products/"));
    assert_eq!(there.map(str::to_owned).collect::<BTreeSet<_>>(), used);
}

#[test]
fn dbcs_carry_the_periods_of_the_products() {
    let library = Library::shipped();
    let (mut sent, mut heard) = (BTreeSet::new(), Vec::new());
    for product in products(&library) {
        for (port, _) in product.ports() {
            let file = port.dbc.get_ref();
            let dbc = library.dbc(file).unwrap();
            heard.extend(
                port.receive
                    .iter()
                    .map(|spec| (file.clone(), spec.message.get_ref().clone())),
            );
            for sent_one in transmitted_ids(&product, port.port.get_ref(), &library, PLACEHOLDER).unwrap() {
                let id = match sent_one.id {
                    CanId::Standard(id) => MessageId::Standard(id),
                    CanId::Extended(id) => MessageId::Extended(id),
                };
                let message = dbc.dbc.messages.iter().find(|message| message.id == id);
                let name = &message
                    .unwrap_or_else(|| panic!("{file}: no message {id:?}"))
                    .name;
                // An event message has none, which is the default 0.
                let period_ms = sent_one.period.map_or(0, |period| period.as_millis());
                let declared = cycle_time(&dbc.dbc, id).unwrap_or(0);
                assert_eq!(
                    u128::from(declared),
                    period_ms,
                    "{file}: {name} of {}, ms",
                    product.id
                );
                sent.insert((file.clone(), name.clone()));
            }
        }
    }
    for file in sent.iter().map(|(file, _)| file).collect::<BTreeSet<_>>() {
        for message in &library.dbc(file).unwrap().dbc.messages {
            let is_heard = |(of, wanted): &(String, String)| {
                of == file && pattern::matches(wanted, &message.name).is_some()
            };
            let known = sent.contains(&(file.clone(), message.name.clone())) || heard.iter().any(is_heard);
            assert!(known, "{file}: no product sends or hears {}", message.name);
        }
    }
}

/// `GenMsgCycleTime` of a message, ms.
fn cycle_time(dbc: &Dbc, id: MessageId) -> Option<u64> {
    let mut values = dbc.attribute_values_message.iter();
    let found = values.find(|value| value.message_id == id && value.name == "GenMsgCycleTime")?;
    match found.value {
        AttributeValue::Uint(ms) => Some(ms),
        AttributeValue::Int(ms) => u64::try_from(ms).ok(),
        _ => None,
    }
}
