//! Whatever stands in a rig file, or in a product of its devices: no panic, neither while it is built nor in its first second,
//! no more memory than such a rig takes, and mistakes are told with their place.

use bess_catalogue::Catalogue;
use bess_devices::Library;
use bess_fuzz::Target;
use bess_rig::{Rig, RigConfig, RigConfigError, Role};
use bess_types::SimTime;

const CRATE: &str = env!("CARGO_MANIFEST_DIR");
const CONTAINER: &str = include_str!("../../../scenarios/rigs/base/container.toml");
const CABINET: &str = include_str!("../../../scenarios/rigs/ci-air-200.toml");
const HOT: &str = include_str!("../../../scenarios/rigs/ci-air-200-hot.toml");
const TIMED: &str = include_str!("../../../scenarios/rigs/liquid-20ft-timed.toml");
const LIQUID: &str = include_str!("../../../scenarios/rigs/liquid-20ft.toml");
const LIVE: &str = include_str!("../../../scenarios/rigs/liquid-20ft-vcan-3.toml");

fn run(top: &str, library: &Library) -> Result<(), RigConfigError> {
    let read = |path: &str| match path {
        "rigs/top.toml" => Ok(top.to_owned()),
        "rigs/base/container.toml" => Ok(CONTAINER.to_owned()),
        "rigs/ci-air-200.toml" => Ok(CABINET.to_owned()),
        _ => Err("no such file".to_owned()),
    };
    let config = RigConfig::load("rigs/top.toml", &Catalogue::shipped(), &read)?;
    let mut rig = Rig::new(&config, library, Role::Rig)?;
    rig.advance_to(SimTime::from_millis(1_000));
    Ok(())
}

fn assert_told(error: &RigConfigError) {
    assert!(!error.file().is_empty() && !error.help().is_empty(), "{error}");
    if let Some(span) = error.span().filter(|_| !error.text().is_empty()) {
        assert!(
            error.text().get(span.clone()).is_some(),
            "{error}: {span:?} of {}",
            error.file()
        );
    }
}

#[test]
fn fuzz_rig() {
    let library = Library::shipped();
    Target::new(CRATE, "rig")
        .seeds([CABINET, HOT, TIMED, LIQUID, LIVE, CONTAINER])
        .memory(128 << 20, 1000)
        .runs(100)
        .check(|input| {
            let Ok(text) = str::from_utf8(input) else { return };
            if let Err(error) = run(text, &library) {
                assert_told(&error);
            }
        });
}

#[test]
fn fuzz_product_in_rig() {
    let library = Library::shipped();
    let top = "inherits = \"ci-air-200.toml\"\n";
    let seeds = library.product_ids().into_iter().filter_map(|id| {
        let product = library.product(&id).ok()?;
        Some(product.source().text.clone())
    });
    Target::new(CRATE, "product-in-rig")
        .seeds(seeds.collect::<Vec<_>>())
        .memory(128 << 20, 1000)
        .runs(100)
        .check(|input| {
            let Ok(text) = str::from_utf8(input) else { return };
            let mut own = library.clone();
            own.overlay("own", "products/fuzzed.toml", text);
            if let Err(error) = run(top, &own) {
                assert_told(&error);
            }
        });
}
