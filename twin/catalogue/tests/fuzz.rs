//! Whatever stands in a file of the catalogue: no panic, no more memory than a plant takes, mistakes told with their place.

use bess_catalogue::{Catalogue, File, Kind};
use bess_fuzz::Target;

/// The first byte of an input says which kind of product the rest is.
#[test]
fn fuzz_catalogue() {
    let catalogue = Catalogue::shipped();
    let mut seeds = Vec::new();
    for (number, kind) in (0_u8..).zip(Kind::ALL) {
        for id in catalogue.ids(kind) {
            let text = catalogue.file(kind, id).map_or("", File::text);
            seeds.push([&[number], text.as_bytes()].concat());
        }
    }
    Target::new(env!("CARGO_MANIFEST_DIR"), "catalogue")
        .seeds(seeds)
        .memory(16 << 20, 600)
        .runs(300)
        .check(|input| {
            let Some((&number, text)) = input.split_first() else {
                return;
            };
            let Ok(text) = str::from_utf8(text) else { return };
            let kind = Kind::ALL[usize::from(number) % Kind::ALL.len()];
            let file = File::new("own/fuzzed.toml", text);
            if let Err(error) = Catalogue::check_origins(&file) {
                assert_told(&error);
            }
            if let Err(error) = catalogue.check(kind, file) {
                assert_told(&error);
            }
        });
}

fn assert_told(error: &bess_catalogue::CatalogueError) {
    assert!(!error.help().is_empty(), "{error}");
    let Some(file) = error.file() else { return };
    if let Some(span) = error.span() {
        assert!(
            file.text().get(span.clone()).is_some(),
            "{error}: {span:?} of {}",
            file.path()
        );
    }
}
