//! Hard-wired lines: inputs of devices, contacts in the field, and the enable chains of clusters.

use std::collections::BTreeMap;

use bess_devices::product::DeviceKind;
use bess_types::Line;

use super::products::Products;
use crate::config::DeviceConfig;
use crate::rig::Slot;

/// Buttons and contacts in the field before anybody touches them: E-stop released, nothing pressed.
pub(crate) const FIELD_LEVELS_AT_START: [(Line, bool); 5] = [
    (Line::EstopA, true),
    (Line::EstopB, true),
    (Line::SafetyReset, false),
    (Line::ManualCallPoint, false),
    (Line::SuppressionHold, false),
];

/// Hard-wired inputs of a device.
pub(super) fn lines_of(device: &DeviceConfig) -> Vec<Line> {
    match device.kind {
        DeviceKind::SafetyRelay => vec![Line::EstopA, Line::EstopB, Line::SafetyReset],
        DeviceKind::Pcs => vec![Line::SafetyOk, Line::BmsPermit],
        DeviceKind::Hvac => vec![Line::FireLevel2],
        DeviceKind::FirePanel => vec![Line::VentRequest, Line::ManualCallPoint, Line::SuppressionHold],
        DeviceKind::RemoteIo if device.tag.index_of("cluster").is_none() => vec![
            Line::EstopA,
            Line::EstopB,
            Line::SafetyOk,
            Line::FirePrewarning,
            Line::FireLevel1,
            Line::FireLevel2,
            Line::FireReleased,
        ],
        _ => vec![],
    }
}

/// The enable line of each cluster goes from its BCU to the BMU of pack 1 and from each BMU to the next. Wires go only
/// between devices that are emulated here.
pub(super) fn chains(products: &Products<'_>, slots: &[Slot]) -> (BTreeMap<usize, usize>, Vec<usize>) {
    let (mut next, mut heads) = (BTreeMap::new(), Vec::new());
    let here = |device: &DeviceConfig| {
        let slot = slots.iter().position(|slot| slot.tag == device.tag);
        slot.filter(|slot| slots[*slot].emulator.is_some())
    };
    for bcu in products
        .config
        .devices
        .iter()
        .filter(|device| device.kind == DeviceKind::Bcu)
    {
        let mut before = here(bcu);
        for (i, bmu) in products
            .neighbours(bcu, "cluster", DeviceKind::Bmu)
            .map(here)
            .enumerate()
        {
            match (before, bmu) {
                (Some(before), Some(bmu)) => {
                    next.insert(before, bmu);
                }
                (None, Some(bmu)) if i == 0 => heads.push(bmu),
                _ => {}
            }
            before = bmu;
        }
    }
    (next, heads)
}
