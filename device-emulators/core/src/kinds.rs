//! What differs by device kind, in one place: the only match over all kinds.

use crate::points::PointTable;
use crate::product::{DeviceKind, Product, ProductError};
use crate::{bau, bcu, bmu, chiller, ems, fire_panel, hmi, hv_unit, meter, pcs, remote_io, safety_relay};

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
        Kind::Meter => Ok(meter::points::table().0),
        Kind::Bcu => bcu::point_table(product),
        Kind::Bau => bau::point_table(product),
        Kind::Ems => Ok(ems::point_table()),
        Kind::Hmi => Ok(hmi::point_table()),
    }
}

/// What this rig's controllers use of a device of this kind over Modbus: who, and the points. A product whose register map
/// lacks one of them is not driven or seen in that.
pub fn used_over_modbus(kind: DeviceKind) -> &'static [(&'static str, &'static [&'static str])] {
    match kind {
        DeviceKind::Pcs => &[("BAU", &bau::USED_OF_PCS), ("EMS", &ems::USED_OF_PCS)],
        DeviceKind::Chiller => &[("BAU", &bau::USED_OF_CHILLER)],
        DeviceKind::Bau => &[("EMS", &ems::USED_OF_BAU)],
        _ => &[],
    }
}
