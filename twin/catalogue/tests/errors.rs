//! Mistakes in product files are told with file, line and remedy.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use bess_catalogue::{Catalogue, CatalogueError, File, Kind};

/// The message as `bessrig` shows it.
fn said(error: &CatalogueError) -> String {
    let place = error.file().map_or_else(String::new, |file| {
        let span = error.span().unwrap_or(0..0);
        let line = file.text()[..span.start].matches('\n').count() + 1;
        format!(
            "{}:{line} `{}`\n",
            file.path(),
            &file.text()[span].lines().next().unwrap_or_default()
        )
    });
    format!("{place}{error}\nhelp: {}", error.help())
}

/// What is said of a shipped product after a change of its text.
fn complaint(kind: Kind, id: &str, change: &dyn Fn(&str) -> String) -> String {
    let catalogue = Catalogue::shipped();
    let text = catalogue.file(kind, id).unwrap().text();
    let changed = change(text);
    assert_ne!(text, changed, "the change of {id} changes nothing");
    match catalogue.check(kind, File::new("own/x.toml", changed)) {
        Ok(what) => panic!("nothing is wrong with {what}"),
        Err(error) => said(&error),
    }
}

fn replaced<'a>(from: &'a str, to: &'a str) -> impl Fn(&str) -> String + 'a {
    move |text| text.replacen(from, to, 1)
}

/// The text with the two figures after `begin` in the other order.
fn swapped(text: &str, begin: &str, end: &str) -> String {
    let (before, rest) = text.split_once(begin).unwrap();
    let (pair, after) = rest.split_once(end).unwrap();
    let (low, high) = pair.split_once(", ").unwrap();
    format!("{before}{begin}{high}, {low}{end}{after}")
}

#[test]
fn mistakes_are_explained() {
    let all = [
        (
            "wrong key in a table of the plant",
            complaint(Kind::Pack, "pack-liq-1P44S", &replaced("rows =", "row =")),
        ),
        (
            "missing key in the head",
            complaint(Kind::Pack, "pack-liq-1P44S", &replaced("cells =", "# cells =")),
        ),
        (
            "unknown cell",
            complaint(
                Kind::Pack,
                "pack-liq-1P44S",
                &replaced("\"lfp-300\"", "\"lfp-301\""),
            ),
        ),
        (
            "unknown HV box",
            complaint(
                Kind::Container,
                "liq-20ft-1267",
                &replaced("SJ-H15-250", "SJ-H15-260"),
            ),
        ),
        (
            "a text for a number",
            complaint(Kind::HvBox, "SJ-H15-250", &replaced("250.0", "\"250 A\"")),
        ),
        (
            "a figure in the wrong unit",
            complaint(
                Kind::Cell,
                "lfp-300",
                &replaced("mass_kg = 5.7", "mass_kg = 5700.0"),
            ),
        ),
        (
            "a figure out of range in an inner table",
            complaint(
                Kind::Pack,
                "pack-liq-1P44S",
                &replaced("film_k_per_w = 0.08", "film_k_per_w = 0.0"),
            ),
        ),
        (
            "a table that is not there",
            complaint(Kind::Container, "liq-20ft-1267", &|text| {
                let (begin, rest) = text.split_once("[gas]").unwrap();
                format!("{begin}{}", &rest[rest.find("\n[").unwrap()..])
            }),
        ),
        (
            "like a product that is not there",
            complaint(
                Kind::Cell,
                "lfp-280",
                &replaced("like = \"lfp-300\"", "like = \"lfp-301\""),
            ),
        ),
        (
            "like itself, by way of another",
            complaint(
                Kind::Cell,
                "lfp-300",
                &replaced("\ntitle", "\nlike = \"lfp-280\"\ntitle"),
            ),
        ),
        (
            "wrong key in a table laid over another",
            complaint(
                Kind::Container,
                "ci-liq-211",
                &replaced("fan_w = 130.0", "fans_w = 130.0"),
            ),
        ),
        (
            "a text for a number in an inline table laid over another",
            complaint(
                Kind::Container,
                "ci-liq-211",
                &replaced("flow = { bias = 0.2", "flow = { bias = \"small\""),
            ),
        ),
        (
            "a figure out of range in a table laid over another",
            complaint(Kind::Cell, "lfp-280", &replaced("= 280.0 ", "= -280.0 ")),
        ),
        (
            "missing key in the head of a product like another",
            complaint(Kind::Cell, "lfp-280", &replaced("nominal_v", "# nominal_v")),
        ),
        (
            "a conflict there is not",
            complaint(Kind::Cell, "lfp-280", &replaced("[16]", "[16, 61]")),
        ),
        (
            "a loop of coolant without plates",
            complaint(Kind::Container, "ci-air-200", &|text| {
                format!("{text}\n[cooling]\nflow_l_per_min = 10.0\n")
            }),
        ),
        (
            "more containers than strings",
            complaint(Kind::Site, "cnnc", &replaced("containers = 1", "containers = 2")),
        ),
        (
            "a site of negative power",
            complaint(Kind::Site, "cnnc", &replaced("power_mw = 5.0", "power_mw = -5.0")),
        ),
        (
            "a site whose energy is no number",
            complaint(
                Kind::Site,
                "cnnc",
                &replaced("energy_mwh = 10.0", "energy_mwh = nan"),
            ),
        ),
        (
            "no stations of the second kind",
            complaint(Kind::Site, "powerchina", &|text| {
                let (first, second) = text.rsplit_once("[[station]]").unwrap();
                format!(
                    "{first}[[station]]{}",
                    second.replacen("count = 1", "count = 0", 1)
                )
            }),
        ),
        (
            "more cells than a machine holds",
            complaint(Kind::Site, "jiayuguan", &|text| {
                let group = "[[station]]\nid = \"ptu-3450-W\"\ncount = 200\ncontainers = 2\n";
                format!("{text}{group}{group}")
            }),
        ),
        (
            "a window from its upper end",
            complaint(Kind::Cell, "lfp-300", &|text| swapped(text, "window_v = [", "]")),
        ),
        (
            "a container without clusters",
            complaint(
                Kind::Container,
                "liq-20ft-1267",
                &replaced("clusters = 9", "clusters = 0"),
            ),
        ),
        (
            "an id that is a path",
            complaint(Kind::Site, "cnnc", &replaced("id = \"cnnc\"", "id = \"../cnnc\"")),
        ),
        (
            "a HV box there is not, in a container like another",
            complaint(
                Kind::Container,
                "ci-liq-211",
                &replaced("SJ-H10-250", "SJ-H10-260"),
            ),
        ),
        (
            "a PCS there is not, in a container like one that is like another",
            complaint(
                Kind::Container,
                "air-10ft-762",
                &replaced("PCS-500-400", "PCS-500"),
            ),
        ),
        (
            "a cell there is not, in a pack like another",
            complaint(
                Kind::Pack,
                "pack-air-1P14S",
                &replaced("\"lfp-280\"", "\"lfp-281\""),
            ),
        ),
        (
            "an inherited figure that does not suit one's own",
            complaint(
                Kind::HvBox,
                "SJ-H15-150",
                &replaced("fuse_rated_a = 200.0 ", "fuse_rated_a = 1800.0 "),
            ),
        ),
        (
            "one's own figure that does not suit inherited ones",
            complaint(Kind::HvBox, "SJ-H15-150", &|text| {
                format!("{text}drop_out_v = 17.0\n")
            }),
        ),
        (
            "more clusters than the inherited insulation of one is good for",
            complaint(
                Kind::Container,
                "air-20ft-1254",
                &replaced("clusters = 6 ", "clusters = 16 "),
            ),
        ),
        (
            "one's own pack with rows of an inherited one",
            complaint(Kind::Pack, "pack-liq-1P44S", &|text| {
                let (head, _) = text.split_once("[pack]").unwrap();
                let head = head.replacen(
                    "id = \"pack-liq-1P44S\"",
                    "id = \"x\"\nlike = \"pack-liq-1P44S\"",
                    1,
                );
                head.replacen("cells = 44", "cells = 43", 1)
            }),
        ),
        (
            "knots of one's own for an inherited column",
            complaint(Kind::Cell, "lfp-280", &|text| {
                format!("{text}[cell.usable]\ntemperature_c = [0.0, 25.0]\n")
            }),
        ),
        (
            "much missing",
            complaint(Kind::Container, "ci-liq-211", &|text| {
                let lacks = ["title", "like", "pack ", "clusters", "pcs"];
                let kept = text
                    .lines()
                    .filter(|line| !lacks.iter().any(|key| line.starts_with(key)));
                kept.collect::<Vec<_>>().join("\n")
            }),
        ),
        (
            "a window outside the maker's limits",
            complaint(
                Kind::Cell,
                "lfp-300",
                &replaced("window_v = [2.8, 3.6]", "window_v = [2.8, 3.8]"),
            ),
        ),
        (
            "a sensor's range from its upper end",
            complaint(
                Kind::Container,
                "liq-20ft-1267",
                &replaced("range = [-45.0, 150.0]", "range = [150.0, -45.0]"),
            ),
        ),
        (
            "a contactor's time in seconds",
            complaint(
                Kind::HvBox,
                "SJ-H15-250",
                &replaced("operate_ms = [25.0, 5.0]", "operate_ms = [0.025, 0.005]"),
            ),
        ),
        (
            "a fuse below the rated current of its box",
            complaint(
                Kind::HvBox,
                "SJ-H15-250",
                &replaced("fuse_rated_a = 315.0", "fuse_rated_a = 200.0"),
            ),
        ),
        (
            "a PCS that loses all its power",
            complaint(
                Kind::Pcs,
                "SJPCS-1725-M",
                &replaced(
                    "loss_charge_pu = [0.0077, 0.0024]",
                    "loss_charge_pu = [0.45, 0.45]",
                ),
            ),
        ),
        (
            "more cells in series than the HV box is for",
            complaint(
                Kind::Container,
                "liq-20ft-1267",
                &replaced("packs_per_cluster = 9", "packs_per_cluster = 10"),
            ),
        ),
        (
            "fewer cells in series than the PCS runs on",
            complaint(
                Kind::Container,
                "liq-20ft-1267",
                &replaced("packs_per_cluster = 9", "packs_per_cluster = 6"),
            ),
        ),
        (
            "a site with stations for another voltage",
            complaint(Kind::Site, "cnnc", &|text| {
                let (head, rest) = text.split_once("[[station]]\nid = \"").unwrap();
                let rest = &rest[rest.find('"').unwrap()..];
                format!("{head}[[station]]\nid = \"PCS-500-400{rest}")
            }),
        ),
        (
            "not TOML",
            complaint(Kind::Pcs, "SJPCS-1725-M", &replaced("1.725e6", "")),
        ),
        (
            "no id",
            complaint(Kind::Pcs, "SJPCS-1725-M", &replaced("id =", "name =")),
        ),
    ];
    let text: Vec<_> = all
        .iter()
        .map(|(what, said)| format!("## {what}\n{said}\n"))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn what_was_asked_for_is_named_with_what_there_is() {
    let error = Catalogue::shipped().plant("liq-21ft", None).unwrap_err();
    assert!(error.file().is_none());
    assert_eq!(error.to_string(), "there is no container `liq-21ft`");
    assert!(error.help().contains("liq-20ft-1267"));
    let error = Catalogue::shipped()
        .plant("liq-20ft-1267", Some("nmc"))
        .unwrap_err();
    assert_eq!(error.to_string(), "there is no cell `nmc`");
}

#[test]
fn an_added_product_takes_the_place_of_a_shipped_one_but_not_of_another_added_one() {
    let mut catalogue = Catalogue::shipped();
    let text = catalogue
        .file(Kind::Cell, "lfp-300")
        .unwrap()
        .text()
        .replace("capacity_ah = 300.0", "capacity_ah = 314.0");
    catalogue
        .add(Kind::Cell, File::new("own/a.toml", text.clone()))
        .unwrap();
    assert_eq!(
        catalogue.plant("liq-20ft-1267", None).unwrap().cell.capacity_ah,
        314.0
    );
    let error = catalogue
        .add(Kind::Cell, File::new("own/b.toml", text))
        .unwrap_err();
    assert_eq!(error.to_string(), "the cell `lfp-300` is in own/a.toml too");
}

/// The part of the README that begins with this line, up to the end of its code block.
fn readme(begin: &str) -> &'static str {
    let text = include_str!("../../../README.md");
    let rest = &text[text.find(begin).unwrap()..];
    &rest[..rest.find("```").unwrap()]
}

#[test]
fn the_readmes_cell_is_right_and_takes_the_rest_from_another() {
    let file = File::new("cells/lfp-314.toml", readme("id = \"lfp-314\""));
    let mut catalogue = Catalogue::shipped();
    let said = catalogue.check(Kind::Cell, file.clone()).unwrap();
    assert_eq!(
        said,
        "cell `lfp-314`\nnote: its 314 Ah differ from the 300 Ah of `lfp-300`, but figures that grow with the capacity are \
         still those of that cell; give your own: cell.mass_kg = 5.7, in proportion 5.97; cell.runaway.vent_latent_j = \
         32000, in proportion 33493; cell.runaway.energy_full_j = 2400000, in proportion 2512000"
    );
    let shipped = catalogue.file(Kind::Cell, "lfp-280").unwrap().clone();
    assert_eq!(catalogue.check(Kind::Cell, shipped).unwrap(), "cell `lfp-280`");
    catalogue.add(Kind::Cell, file).unwrap();
    let own = catalogue.plant("liq-20ft-1267", Some("lfp-314")).unwrap().cell;
    let base = catalogue.plant("liq-20ft-1267", None).unwrap().cell;
    assert_eq!((own.capacity_ah, own.mass_kg), (314.0, base.mass_kg));
    assert_eq!(own.ocv, base.ocv);
}
