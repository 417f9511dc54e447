//! What differs by device kind, in one place: the only matches over all kinds.

use crate::facts::PointFacts;
use crate::points::PointTable;
use crate::product::{DeviceKind, Product, ProductError};
use crate::{
    addressing, bau, bcu, bmu, chiller, ems, fire_panel, hmi, hv_unit, hvac, meter, pcs, remote_io,
    safety_relay,
};

/// The points a device of this product has.
///
/// # Errors
/// If the product's settings do not read as those of its kind.
pub fn point_table(product: &Product) -> Result<PointTable, ProductError> {
    use DeviceKind as Kind;
    match product.kind {
        Kind::Bmu => bmu::point_table(product),
        Kind::HvUnit => hv_unit::point_table(product),
        Kind::RemoteIo => remote_io::point_table(product),
        Kind::SafetyRelay => Ok(safety_relay::points::table().0),
        Kind::Pcs => pcs::point_table(product),
        Kind::FirePanel => Ok(fire_panel::points::table().0),
        Kind::Chiller => Ok(chiller::points::table().0),
        Kind::Hvac => Ok(hvac::points::table().0),
        Kind::Meter => Ok(meter::points::table().0),
        Kind::Bcu => bcu::point_table(product),
        Kind::Bau => bau::point_table(product),
        Kind::Ems => Ok(ems::point_table()),
        Kind::Hmi => Ok(hmi::point_table()),
    }
}

/// What a product says of its points beyond names and ranges.
///
/// # Errors
/// If the product's settings do not read as those of its kind.
pub fn point_facts(product: &Product) -> Result<PointFacts, ProductError> {
    use DeviceKind as Kind;
    match product.kind {
        Kind::Bmu => PointFacts::of_bmu(product),
        Kind::RemoteIo => PointFacts::of_remote_io(product),
        Kind::SafetyRelay => Ok(PointFacts::of_safety_relay()),
        Kind::Pcs => PointFacts::of_pcs(product),
        Kind::FirePanel => PointFacts::of_fire_panel(product),
        Kind::Chiller => PointFacts::of_chiller(product),
        Kind::Hvac => PointFacts::of_hvac(product),
        Kind::Bcu => PointFacts::of_bcu(product),
        Kind::Bau => Ok(PointFacts::of_bau()),
        Kind::HvUnit | Kind::Meter | Kind::Ems | Kind::Hmi => Ok(PointFacts::default()),
    }
}

/// CAN ports a kind of device has, by port number. Port `addressing` is a second description of the first bus.
pub fn can_ports(kind: DeviceKind) -> &'static [&'static str] {
    match kind {
        DeviceKind::Bmu => &["cluster", addressing::PORT],
        DeviceKind::HvUnit => &["cluster"],
        DeviceKind::Bcu => &["cluster", "stack", addressing::PORT],
        DeviceKind::Bau => &["stack", "pcs"],
        DeviceKind::Pcs => &["bms"],
        _ => &[],
    }
}

/// What a controller of this rig uses of a kind of device over CAN.
#[derive(Clone, Copy, Debug)]
pub struct UsedOverCan {
    /// Port of the device.
    pub port: &'static str,
    /// Controller.
    pub who: &'static str,
    /// Points; of each list one is enough, a row standing for itself by its first point.
    pub points: &'static [&'static [&'static str]],
    /// Another device of this kind may send what this one does not.
    pub is_shared: bool,
}

/// What this rig's controllers use of a device of this kind over CAN. A cluster whose dialects lack one of them is refused.
pub fn used_over_can(kind: DeviceKind) -> &'static [UsedOverCan] {
    match kind {
        DeviceKind::Bmu => &[UsedOverCan {
            port: "cluster",
            who: "BCU",
            points: &bcu::USED_OF_BMU,
            is_shared: false,
        }],
        DeviceKind::HvUnit => &[UsedOverCan {
            port: "cluster",
            who: "BCU",
            points: &bcu::USED_OF_HV_UNIT,
            is_shared: true,
        }],
        _ => &[],
    }
}

/// What this rig's controllers use of a device of this kind over Modbus: who, and the points. A product whose register map
/// lacks one of them is not driven or seen in that.
pub fn used_over_modbus(kind: DeviceKind) -> &'static [(&'static str, &'static [&'static str])] {
    match kind {
        DeviceKind::Pcs => &[("BAU", &bau::USED_OF_PCS), ("EMS", &ems::USED_OF_PCS)],
        DeviceKind::Chiller => &[("BAU", &bau::USED_OF_CHILLER)],
        DeviceKind::Hvac => &[("BAU", &bau::USED_OF_HVAC)],
        DeviceKind::Bau => &[("EMS", &ems::USED_OF_BAU)],
        _ => &[],
    }
}
