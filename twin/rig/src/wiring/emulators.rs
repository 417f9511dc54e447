//! The emulator of each device, made of its product and of what the rig file says is around it.

use std::sync::Arc;

use bess_devices::Device;
use bess_devices::bau::{Bau, BauConfig};
use bess_devices::bcu::settings::BcuSettings;
use bess_devices::bcu::{Bcu, BcuConfig, CanNode};
use bess_devices::bmu::{self, Bmu};
use bess_devices::chiller::Chiller;
use bess_devices::ems::{Ems, EmsConfig};
use bess_devices::fire_panel::FirePanel;
use bess_devices::hmi::Hmi;
use bess_devices::hv_unit::HvUnit;
use bess_devices::hvac::Hvac;
use bess_devices::meter::Meter;
use bess_devices::modbus_front::ModbusFront;
use bess_devices::pcs::Pcs;
use bess_devices::product::{DeviceKind, Product, ProductError};
use bess_devices::remote_io::RemoteIo;
use bess_devices::safety_relay::SafetyRelay;

use super::can::address;
use super::products::{Products, product_error};
use super::tags::serial;
use crate::config::{DeviceConfig, RigConfigError};
use crate::rig::Emulator;

impl Products<'_> {
    pub(super) fn emulator(
        &self,
        device: &DeviceConfig,
        product: &Arc<Product>,
    ) -> Result<Emulator, RigConfigError> {
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
