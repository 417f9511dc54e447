//! Rows as such: every one has a source, a broken model is noticed, results do not depend on threads.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a failed unwrap is the test failing"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use bess_types::Verdict;
use bess_validation::{Lab, Report, experiments, run};

fn verdict_of(report: &Report, id: &str) -> Verdict {
    report.rows().find(|row| row.claim.id == id).unwrap().verdict
}

#[test]
fn every_row_has_a_source_and_a_name_of_its_own() {
    let mut text = String::new();
    let mut names = BTreeSet::new();
    for experiment in experiments() {
        for claim in experiment.claims {
            assert!(names.insert(claim.id), "{} is there twice", claim.id);
            let source = claim.source;
            assert!(!source.tags().is_empty() && !source.section().is_empty() && !source.figure().is_empty());
            assert!(
                claim.expected.low.is_some() || claim.expected.high.is_some(),
                "{}",
                claim.id
            );
            writeln!(
                text,
                "{} | {} {} | {} | {source}{} | {}",
                claim.id,
                claim.expected,
                claim.unit,
                claim.basis,
                if source.is_weak() { " (weak)" } else { "" },
                source.figure()
            )
            .unwrap();
        }
    }
    assert!(names.len() >= 25);
    insta::assert_snapshot!(text);
}

/// A check that cannot fail says nothing: twice the resistance costs 3 % of round trip.
#[test]
fn twice_the_resistance_fails_the_round_trip() {
    let lab = Lab::changed(|spec| spec.cell.resistance.calibration *= 2.0);
    let report = run(&lab, Some("cell-cycle"), 1).unwrap();
    assert_eq!(verdict_of(&report, "cell-round-trip"), Verdict::Fail);
    assert_eq!(verdict_of(&report, "cell-heat"), Verdict::Fail);
    assert_eq!(report.verdict().exit_code(), 2);
}

#[test]
fn a_cell_without_hysteresis_fails_its_heat() {
    let lab = Lab::changed(|spec| spec.cell.ocv.hysteresis_mv.fill(0.0));
    let report = run(&lab, Some("cell-heat"), 1).unwrap();
    assert_eq!(verdict_of(&report, "cell-heat"), Verdict::Fail);
    assert_eq!(report.rows().count(), 1);
}

#[test]
fn a_slow_monitor_and_a_coil_that_needs_more_fail() {
    let lab = Lab::changed(|spec| {
        spec.container.insulation.monitor_s = 40.0;
        spec.container.hv_box.pick_up_v = 20.0;
    });
    for id in ["imd-response-time", "chatter-supply"] {
        let report = run(&lab, Some(id), 1).unwrap();
        assert_eq!(verdict_of(&report, id), Verdict::Fail);
    }
}

#[test]
fn compressors_without_timers_fail() {
    let lab = Lab::changed(|spec| {
        spec.container.air.hvac.min_off_s = 0.0;
        if let Some(cooling) = &mut spec.container.cooling {
            (cooling.min_on_s, cooling.min_off_s) = (0.0, 0.0);
        }
    });
    for id in ["chiller-min-on", "chiller-min-off", "hvac-min-off"] {
        let report = run(&lab, Some(id), 1).unwrap();
        assert_eq!(verdict_of(&report, id), Verdict::Fail, "{id}");
    }
}

#[test]
fn gas_that_does_not_depend_on_charge_fails_the_flame() {
    let lab = Lab::changed(|spec| spec.cell.runaway.gas_share.fill(1.0));
    let report = run(&lab, Some("flame-peak"), 1).unwrap();
    assert_eq!(verdict_of(&report, "flame-peak-at-40-percent"), Verdict::Fail);
    assert_eq!(verdict_of(&report, "flame-peak"), Verdict::Pass);
}

#[test]
fn thin_smoke_in_a_clogged_chamber_comes_after_heat() {
    let lab = Lab::changed(|spec| {
        spec.container.sensors.smoke_lag_s *= 100.0;
        spec.container.gas.smoke_g_per_l *= 0.03;
    });
    let report = run(&lab, Some("smoke-before-heat"), 1).unwrap();
    assert_eq!(verdict_of(&report, "smoke-before-heat"), Verdict::Fail);
}

#[test]
fn another_cell_fails_the_energy_of_a_preset() {
    let lab = Lab::changed(|spec| {
        spec.cell.capacity_ah = 280.0;
        for volts in &mut spec.cell.ocv.voltage_v {
            *volts -= 0.1;
        }
    });
    let report = run(&lab, Some("ci-liq-211-"), 1).unwrap();
    for row in ["ci-liq-211-installed", "ci-liq-211-energy", "ci-liq-211-voltage"] {
        assert_eq!(verdict_of(&report, row), Verdict::Fail, "{row}");
    }
}

#[test]
fn faster_ageing_fails_the_cycle_life() {
    let lab = Lab::changed(|spec| spec.cell.ageing.cycle_scale *= 1.1);
    let report = run(&lab, Some("cycles-at"), 1).unwrap();
    assert_eq!(verdict_of(&report, "cycles-at-25"), Verdict::Fail);
}

#[test]
fn a_plant_that_cannot_be_built_is_an_error() {
    let lab = Lab::changed(|spec| spec.cell.mass_kg = f64::NAN);
    let report = run(&lab, Some("rest-recovery"), 1).unwrap();
    assert_eq!(report.verdict(), Verdict::Error);
    assert!(
        report
            .rows()
            .all(|row| row.value.is_none() && row.note.contains("mass_kg"))
    );
    assert_eq!(report.verdict().exit_code(), 3);
}

#[test]
fn an_unknown_pattern_is_refused() {
    let error = run(&Lab::shipped(), Some("warp"), 1).err().unwrap();
    assert_eq!(error.to_string(), "no experiment or row is named like `warp`");
    assert!(error.known.contains(&"cell-cycle"));
}

#[test]
fn reruns_give_the_same_bytes_whatever_the_threads() {
    let bytes = |threads| {
        let report = run(&Lab::shipped(), Some("cell-r"), threads).unwrap();
        (report.json().unwrap(), report.html().unwrap())
    };
    assert_eq!(bytes(1), bytes(2));
}
