//! The products that the devices of a rig file name, and the mistakes in naming them.

use std::sync::Arc;

use bess_devices::library::Library;
use bess_devices::product::{DeviceKind, Product, ProductError};
use bess_types::Tag;

use crate::config::{Backing, DeviceConfig, OWN_PRODUCTS, RigConfig, RigConfigError};

/// The product of each device as the rig file names it, with its tag; devices with a mistake are left out.
pub fn products(config: &RigConfig, library: &Library) -> Vec<(Tag, Arc<Product>)> {
    let products = Products { config, library };
    let devices = config.devices.iter();
    devices
        .filter_map(|device| Some((device.tag.clone(), products.of(device).ok()?)))
        .collect()
}

/// Products and the devices made of them.
pub(super) struct Products<'a> {
    pub(super) config: &'a RigConfig,
    pub(super) library: &'a Library,
}

impl Products<'_> {
    pub(super) fn of(&self, device: &DeviceConfig) -> Result<Arc<Product>, RigConfigError> {
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
    pub(super) fn with_port(&self, kind: DeviceKind, port: &str) -> String {
        let mut known = self.library.product_ids();
        known.retain(|id| {
            let product = self.library.product(id);
            product.is_ok_and(|product| product.kind == kind && product.can_port(port).is_ok())
        });
        format!("products with it: {}", known.join(", "))
    }

    pub(super) fn peer(&self, device: &DeviceConfig, name: &str) -> Result<Arc<Product>, RigConfigError> {
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
    pub(super) fn neighbours<'a>(
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
}

/// A mistake in a product file at its place in that file, or in the rig file's `settings` at its entry.
pub(super) fn product_error(
    library: &Library,
    device: &DeviceConfig,
    error: &ProductError,
) -> RigConfigError {
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
