//! What `bessrig catalogue` prints.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use bess_catalogue::{Catalogue, File, Kind};

fn explained(id: &str) -> String {
    Catalogue::shipped().explain(id).unwrap()
}

#[test]
fn list() {
    insta::assert_snapshot!(Catalogue::shipped().list().unwrap());
}

#[test]
fn container() {
    let text = explained("ci-liq-211");
    let (what, rest) = text.split_once("\nFigures\n").unwrap();
    insta::assert_snapshot!(what);
    // Figures of its own, and of the container it is like, inline tables in one row.
    let row = |begin: &str| {
        let row = rest.lines().find(|line| line.starts_with(begin));
        row.unwrap_or_else(|| panic!("{begin} is not in\n{rest}"))
            .to_owned()
    };
    let pump = row("  cooling.pump_w ");
    assert!(
        pump.contains(" 180.0 ") && pump.contains(" W ") && pump.contains(" assumption "),
        "{pump}"
    );
    assert!(row("  cooling.band_k ").contains(" K "));
    assert!(row("  sensors.cell_voltage ").contains("bias 0.002; noise 0.001"));
    assert!(rest.contains("\nConflicts in the sources\n  5 "), "{rest}");
}

#[test]
fn pcs_with_a_figure_of_its_own() {
    insta::assert_snapshot!(explained("SJPCS-2000-M"));
}

#[test]
fn station() {
    insta::assert_snapshot!(explained("ptu-3450-W"));
}

#[test]
fn site() {
    insta::assert_snapshot!(explained("cnnc"));
}

#[test]
fn inferred_pack() {
    insta::assert_snapshot!(explained("pack-air-1P14S"));
}

#[test]
fn conflict() {
    assert_eq!(explained("conflict-14"), explained("14"));
    insta::assert_snapshot!(explained("14"));
}

/// A shipped product with a change of its text, as one's own of the id `own`.
fn explained_own(kind: Kind, id: &str, changes: [(&str, &str); 2]) -> String {
    let mut catalogue = Catalogue::shipped();
    let text = catalogue.file(kind, id).unwrap().text().to_owned();
    let own = changes.into_iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{id} has no {from}");
        text.replacen(from, to, 1)
    });
    catalogue.add(kind, File::new("own/x.toml", own)).unwrap();
    catalogue.explain("own").unwrap()
}

#[test]
fn what_the_check_says_of_ones_own_product_is_told() {
    let cell = |mass| {
        let id = ("id = \"lfp-300\"", "id = \"own\"");
        explained_own(Kind::Cell, "lfp-300", [id, ("mass_kg = 5.7", mass)])
    };
    let wrong = cell("mass_kg = -1.0");
    assert!(wrong.contains("Checked\n  refused: own/x.toml:"), "{wrong}");
    assert!(
        wrong.contains(": `mass_kg` is -1, must be 0.01 to 1000\n"),
        "{wrong}"
    );
    let right = cell("mass_kg = 5.8");
    assert!(right.contains("Checked\n  right: cell `own`\n"), "{right}");
}

#[test]
fn a_refused_container_that_no_pcs_fits_says_both() {
    let text = explained_own(
        Kind::Container,
        "liq-20ft-1267",
        [
            ("id = \"liq-20ft-1267\"", "id = \"own\""),
            ("packs_per_cluster = 9", "packs_per_cluster = 11"),
        ],
    );
    let fits = text
        .lines()
        .find(|line| line.contains("PCS and stations that fit"));
    assert!(fits.unwrap().ends_with("  none"), "{text}");
    assert!(
        text.contains("but its HV box `SJ-H15-250` is for 1500 V"),
        "{text}"
    );
}

#[test]
fn an_unknown_id_is_answered_with_near_ones() {
    let error = Catalogue::shipped().explain("sj-h15-260").unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no product and no conflict `sj-h15-260`"
    );
    assert!(error.help().contains("near: SJ-H15-250"), "{}", error.help());
    let error = Catalogue::shipped().explain("turbine").unwrap_err();
    assert_eq!(error.help(), "bessrig catalogue lists all products");
}
