//! Tags: those of the plant's parts and of the site, and what follows from the tag of a device.

use bess_plant::Place;
use bess_types::Tag;

/// A rig models one container so far, on one site.
pub(crate) const CONTAINER: &str = "container-01";
pub(crate) const SITE: &str = "site-01";

/// Tag of things that belong to no device: commands, faults, field contacts.
pub(crate) fn site_tag() -> Tag {
    fixed_tag(SITE)
}

/// Tag of a plant part.
pub(crate) fn plant_tag(part: &str) -> Tag {
    fixed_tag(&plant_tag_text(part))
}

/// The same as text; parts may be patterns.
pub(crate) fn plant_tag_text(part: &str) -> String {
    if part.is_empty() {
        CONTAINER.into()
    } else {
        format!("{CONTAINER}/{part}")
    }
}

/// The plant part behind a tag.
pub(crate) fn plant_part(tag: &str) -> Option<&str> {
    let rest = tag.strip_prefix(CONTAINER)?;
    if rest.is_empty() {
        Some("")
    } else {
        rest.strip_prefix('/')
    }
}

fn fixed_tag(text: &str) -> Tag {
    text.parse()
        .unwrap_or_else(|error| panic!("plant part names are tag parts: {error}"))
}

/// The part of the plant at which a device is.
pub(super) fn place_of(tag: &Tag) -> Place {
    let index = |name| tag.index_of(name).and_then(|n| n.checked_sub(1));
    Place {
        cluster: index("cluster"),
        pack: index("pack"),
    }
}

/// Serial number of the BMU of a tag, as the BCU's commissioning record has it: cluster and pack in decimal behind 1,000,000.
pub(crate) fn serial(tag: &Tag) -> u64 {
    let number = |name| u64::try_from(tag.index_of(name).unwrap_or(0)).unwrap_or(0);
    1_000_000 + 1_000 * number("cluster") + number("pack")
}
