//! The 64-bit NAME of a J1939 node.

use serde::Deserialize;

use crate::product::{Product, ProductError};

/// `[settings.j1939]` of a product: the NAME it claims its address with, SAE J1939-81 [R]. The defaults are assumptions:
/// no manufacturer code is registered for the rig.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NameSettings {
    /// Identity number, 21 bits; left out, the low bits of the serial number, 0 in a device that has none.
    pub identity: Option<u32>,
    /// Manufacturer code, 11 bits.
    pub manufacturer: u16,
    /// ECU instance, 3 bits.
    pub ecu_instance: u8,
    /// Function instance, 5 bits; left out, 0 in a BMU, 1 in a BCU, 2 in a measuring unit, which so have different NAMEs.
    pub function_instance: Option<u8>,
    /// Function, 8 bits.
    pub function: u8,
    /// Vehicle system, 7 bits.
    pub vehicle_system: u8,
    /// Vehicle system instance, 4 bits.
    pub system_instance: u8,
    /// Industry group, 3 bits.
    pub industry_group: u8,
    /// Arbitrary address capable: where another one has the address it takes one from 128 on, else it is silent.
    pub arbitrary_address: bool,
}

impl Default for NameSettings {
    fn default() -> Self {
        Self {
            identity: None,
            // [A]
            manufacturer: 0,
            ecu_instance: 0,
            function_instance: None,
            // battery pack monitor [R]
            function: 4,
            // not specific
            vehicle_system: 0,
            system_instance: 0,
            // industrial process control, stationary [R]
            industry_group: 5,
            // [A] the address says where in the battery a BMU is
            arbitrary_address: false,
        }
    }
}

/// First bit and length of each field.
mod field {
    pub(super) const IDENTITY: (u32, u32) = (0, 21);
    pub(super) const MANUFACTURER: (u32, u32) = (21, 11);
    pub(super) const ECU_INSTANCE: (u32, u32) = (32, 3);
    pub(super) const FUNCTION_INSTANCE: (u32, u32) = (35, 5);
    pub(super) const FUNCTION: (u32, u32) = (40, 8);
    // bit 48 is reserved, 0
    pub(super) const VEHICLE_SYSTEM: (u32, u32) = (49, 7);
    pub(super) const SYSTEM_INSTANCE: (u32, u32) = (56, 4);
    pub(super) const INDUSTRY_GROUP: (u32, u32) = (60, 3);
    pub(super) const ARBITRARY_ADDRESS: (u32, u32) = (63, 1);
}

const fn put((first, length): (u32, u32), value: u64) -> u64 {
    (value & ((1 << length) - 1)) << first
}

impl NameSettings {
    /// Refuses what does not fit its field.
    ///
    /// # Errors
    /// If a value is too large.
    pub fn check(&self, product: &Product) -> Result<(), ProductError> {
        let fields: [(&str, u32, (u32, u32)); 8] = [
            ("identity", self.identity.unwrap_or(0), field::IDENTITY),
            ("manufacturer", self.manufacturer.into(), field::MANUFACTURER),
            ("ecu_instance", self.ecu_instance.into(), field::ECU_INSTANCE),
            (
                "function_instance",
                self.function_instance.unwrap_or(0).into(),
                field::FUNCTION_INSTANCE,
            ),
            ("function", self.function.into(), field::FUNCTION),
            (
                "vehicle_system",
                self.vehicle_system.into(),
                field::VEHICLE_SYSTEM,
            ),
            (
                "system_instance",
                self.system_instance.into(),
                field::SYSTEM_INSTANCE,
            ),
            (
                "industry_group",
                self.industry_group.into(),
                field::INDUSTRY_GROUP,
            ),
        ];
        for (key, value, (_, length)) in fields {
            let highest = (1_u32 << length) - 1;
            if value > highest {
                return Err(product.invalid_setting(
                    key,
                    &format!("{value} does not fit into {length} bits of a J1939 NAME"),
                    &format!("give 0 to {highest}"),
                ));
            }
        }
        Ok(())
    }

    /// The NAME of a device with this serial number; `instance` where the settings have no function instance.
    pub(crate) fn name(&self, serial: u64, instance: u8) -> u64 {
        let identity = self.identity.map_or(serial, u64::from);
        put(field::IDENTITY, identity)
            | put(field::MANUFACTURER, self.manufacturer.into())
            | put(field::ECU_INSTANCE, self.ecu_instance.into())
            | put(
                field::FUNCTION_INSTANCE,
                self.function_instance.unwrap_or(instance).into(),
            )
            | put(field::FUNCTION, self.function.into())
            | put(field::VEHICLE_SYSTEM, self.vehicle_system.into())
            | put(field::SYSTEM_INSTANCE, self.system_instance.into())
            | put(field::INDUSTRY_GROUP, self.industry_group.into())
            | put(field::ARBITRARY_ADDRESS, self.arbitrary_address.into())
    }
}

/// Whether a node of this NAME may take another address than the one it wants.
pub(super) const fn is_arbitrary(name: u64) -> bool {
    name >> field::ARBITRARY_ADDRESS.0 & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_bits() {
        let none = NameSettings {
            function: 0,
            industry_group: 0,
            ..NameSettings::default()
        };
        let name = |settings: NameSettings| settings.name(0, 0);
        assert_eq!(name(none), 0);
        assert_eq!(none.name(u64::MAX, 0), 0x1F_FFFF);
        for (settings, expected) in [
            (
                NameSettings {
                    identity: Some(0x1F_FFFF),
                    ..none
                },
                0x1F_FFFF,
            ),
            (
                NameSettings {
                    manufacturer: 0x7FF,
                    ..none
                },
                0xFFE0_0000,
            ),
            (
                NameSettings {
                    ecu_instance: 7,
                    ..none
                },
                0x07_0000_0000,
            ),
            (
                NameSettings {
                    function_instance: Some(31),
                    ..none
                },
                0xF8_0000_0000,
            ),
            (
                NameSettings {
                    function: 0xFF,
                    ..none
                },
                0xFF00_0000_0000,
            ),
            (
                NameSettings {
                    vehicle_system: 0x7F,
                    ..none
                },
                0x00FE_0000_0000_0000,
            ),
            (
                NameSettings {
                    system_instance: 15,
                    ..none
                },
                0x0F00_0000_0000_0000,
            ),
            (
                NameSettings {
                    industry_group: 7,
                    ..none
                },
                0x7000_0000_0000_0000,
            ),
            (
                NameSettings {
                    arbitrary_address: true,
                    ..none
                },
                0x8000_0000_0000_0000,
            ),
        ] {
            assert_eq!(name(settings), expected, "{settings:?}");
            assert_eq!(is_arbitrary(name(settings)), settings.arbitrary_address);
        }
        // all there are, but the reserved bit
        assert_eq!(NameSettings::default().name(1_001_000, 1), 0x5000_0408_000F_4628);
    }
}
