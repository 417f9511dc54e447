//! What `bessrig catalogue` prints.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use bess_catalogue::Catalogue;

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
