//! Where devices stand: a tag names a place that is in the rig, and a kind that is once in each place stays alone there.
//! Otherwise a slip in an overlay's tag would make a second device that nobody asks.

use std::collections::BTreeMap;

use bess_devices::codec::pattern::nearest;
use bess_devices::product::DeviceKind;
use bess_types::Tag;

use super::{Backing, DeviceConfig, Origin, PlantSection, RigConfigError};
use crate::wiring::{CONTAINER, SITE};

/// Refuses a tag whose site, container, cluster or pack is not there, or that does not say which one its kind belongs to.
/// `known` are the rig's tags with their kinds.
pub(super) fn check(
    (tag, kind): (&Tag, DeviceKind),
    plant: &PlantSection,
    known: &[(DeviceKind, Tag)],
    origin: &Origin,
) -> Result<(), RigConfigError> {
    let Some(wrong) = misplaced(tag, kind, plant) else {
        return Ok(());
    };
    let alike = known
        .iter()
        .filter(|(other, tag)| *other == kind && misplaced(tag, kind, plant).is_none())
        .map(|(_, tag)| tag.as_str());
    let near = nearest(tag.as_str(), alike).map_or_else(String::new, |near| format!("did you mean {near}? "));
    Err(origin.error(
        format!("{tag}: {wrong}"),
        format!(
            "{near}Places here are {SITE}, {CONTAINER} and in it cluster-01 to cluster-{:02} with pack-01 to pack-{:02} each",
            plant.clusters, plant.packs
        ),
    ))
}

/// What is wrong with the place in a tag, if anything.
fn misplaced(tag: &Tag, kind: DeviceKind, plant: &PlantSection) -> Option<String> {
    let (place, _) = tag.as_str().rsplit_once('/').unwrap_or(("", ""));
    let mut parts = place.split('/');
    let numbered = |name: &str, count: usize| {
        let of = move |number| format!("{name}-{number:02}");
        (1..=count).map(of).collect::<Vec<_>>()
    };
    let levels = match parts.next() {
        Some(SITE) => vec![],
        Some(CONTAINER) => vec![numbered("cluster", plant.clusters), numbered("pack", plant.packs)],
        Some("") | None => return Some("it names no place".into()),
        Some(other) => return Some(format!("there is no {other} in this rig")),
    };
    let mut levels = levels.iter();
    let mut depth = 0;
    for part in parts {
        if !levels
            .next()
            .is_some_and(|known| known.iter().any(|known| known == part))
        {
            return Some(format!("there is no {part} there in this rig"));
        }
        depth += 1;
    }
    match kind {
        DeviceKind::Bmu if depth < 2 => Some("it does not say of which pack it is".into()),
        DeviceKind::Bcu | DeviceKind::HvUnit if depth < 1 => {
            Some("it does not say of which cluster it is".into())
        }
        _ => None,
    }
}

/// Refuses a second device of a kind in one place that nobody asks. `order` is that of the files, base first.
pub(super) fn check_alone(
    order: &[Tag],
    devices: &BTreeMap<Tag, DeviceConfig>,
) -> Result<(), RigConfigError> {
    let asked = |tag: &Tag| {
        devices
            .values()
            .any(|device| device.peers.values().any(|peer| peer == tag))
    };
    let listed: Vec<_> = order.iter().filter_map(|tag| devices.get(tag)).collect();
    for (i, device) in listed.iter().enumerate() {
        let may_be_more = match device.kind {
            // their CAN identifiers keep them apart
            DeviceKind::Bmu | DeviceKind::HvUnit | DeviceKind::Bcu => true,
            // a site has as many as are read, by programs outside too
            DeviceKind::Meter => device.address.is_some(),
            _ => false,
        };
        if may_be_more || device.backing == Backing::Absent || asked(&device.tag) {
            continue;
        }
        let beside = listed[..i].iter().find(|other| {
            other.kind == device.kind
                && other.backing != Backing::Absent
                && place(&other.tag) == place(&device.tag)
        });
        if let Some(first) = beside {
            return Err(device.origin.error(
                format!(
                    "{} is a second {} beside {} ({}), and nobody asks it",
                    device.tag,
                    device.kind.name(),
                    first.tag,
                    first.origin.line()
                ),
                format!(
                    "did you mean {}? An overlay changes a device by its own tag; a device of its own is named in the `peers` \
                     of those that ask it",
                    first.tag
                ),
            ));
        }
    }
    Ok(())
}

fn place(tag: &Tag) -> &str {
    tag.as_str().rsplit_once('/').map_or("", |(place, _)| place)
}
