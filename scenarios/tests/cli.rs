//! The command line as a user meets it: messages, exit codes, evidence. Black box: only the binary is used.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a failed unwrap is the test failing"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The workspace root: where users run the binary.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

fn bessrig(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bessrig"))
        .current_dir(root())
        .args(arguments)
        .output()
        .unwrap()
}

/// Exit code and stderr, with the temporary folder's name taken out.
fn complaint(folder: &TempDir, arguments: &[&str]) -> String {
    let output = bessrig(arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let stderr = stderr.replace(&*folder.path().to_string_lossy(), "DIR");
    format!("exit {}\n{stderr}", output.status.code().unwrap())
}

/// A file with this text in a folder of its own.
fn file(name: &str, text: &[u8]) -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    (folder, path.to_string_lossy().into_owned())
}

fn check(name: &str, text: &str) -> String {
    let (folder, path) = file(name, text.as_bytes());
    complaint(&folder, &["check", &path])
}

/// A rig file that inherits the shipped one and says something more.
fn overlay(extra: &str) -> String {
    let base = root().join("scenarios/rigs/liquid-20ft.toml");
    let text = format!("inherits = {:?}\n{extra}", base.to_string_lossy());
    check("rig.toml", &text).replace(&*root().to_string_lossy(), "ROOT")
}

#[test]
fn missing_file() {
    let folder = TempDir::new().unwrap();
    insta::assert_snapshot!(complaint(&folder, &["check", "no-such.feature"]));
}

#[test]
fn binary_file() {
    let (folder, path) = file("x.feature", &[0x46, 0xFF, 0x00, 0x9C]);
    insta::assert_snapshot!(complaint(&folder, &["check", &path]));
}

#[test]
fn unknown_step() {
    insta::assert_snapshot!(check(
        "x.feature",
        "Feature: f\n  Scenario: s\n    Given the plant is in operations\n    When the E-stop is pressed\n"
    ));
}

#[test]
fn unknown_phrase() {
    insta::assert_snapshot!(check(
        "x.feature",
        "Feature: f\n  Scenario: s\n    When the E-stop is pressed\n    Then within 1 s the contactors of cluster 3 have opened\n"
    ));
}

#[test]
fn cell_that_does_not_exist() {
    insta::assert_snapshot!(check(
        "x.feature",
        "Feature: f\n  Scenario: s\n    When a nail is driven into cell 45 of pack 5 in cluster 3\n"
    ));
}

#[test]
fn not_gherkin() {
    insta::assert_snapshot!(check(
        "x.feature",
        "Feature: f\n  Szenario: s\n    Given nothing\n"
    ));
}

#[test]
fn rig_with_unknown_key() {
    insta::assert_snapshot!(overlay("sead = 7\n"));
}

#[test]
fn rig_with_unknown_product() {
    insta::assert_snapshot!(overlay(
        "[[pcs]]\ntag = \"container-01/pcs\"\nproduct = \"sjpcs-9999\"\n"
    ));
}

#[test]
fn rig_that_inherits_itself() {
    insta::assert_snapshot!(check("rig.toml", "inherits = \"rig.toml\"\n"));
}

#[test]
fn rig_that_inherits_nothing_there() {
    insta::assert_snapshot!(check("rig.toml", "inherits = \"base.toml\"\n"));
}

/// A low-voltage protocol at a battery of 224 cells in series.
#[test]
fn rig_whose_battery_has_more_volts_than_a_signal_says() {
    let base = root().join("scenarios/rigs/ci-air-200-pcs-can.toml");
    let text = |bau: &str| {
        format!(
            "inherits = {:?}\n[[bau]]\ntag = \"container-01/bau\"\nproduct = \"bau-{bau}\"\n\
             [[pcs]]\ntag = \"container-01/pcs\"\nproduct = \"pcs-100-380-{bau}\"\n",
            base.to_string_lossy()
        )
    };
    let (_folder, path) = file("rig.toml", text("pylontech-lv").as_bytes());
    let said = printed(&["check", &path]);
    for part in [
        "device-emulators/data/products/bau-pylontech-lv.toml:",
        "container-01/bau: Voltage of PYLON_MEASURED ends at 327.67 V, and `voltage` goes up to 7",
        "take a product whose protocol reaches as far",
        ", 1 warning\n",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let (_folder, path) = file("rig.toml", text("pylontech-hv").as_bytes());
    let said = printed(&["check", &path]);
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn rig_with_a_tag_twice() {
    insta::assert_snapshot!(overlay(
        "[[meter]]\ntag = \"site-01/m2\"\nproduct = \"meter\"\n[[meter]]\ntag = \"site-01/m2\"\nproduct = \"meter\"\n"
    ));
}

#[test]
fn rig_with_a_tag_that_is_a_slip() {
    insta::assert_snapshot!(overlay(
        "[[pcs]]\ntag = \"container-1/pcs\"\nproduct = \"pcs-100-380\"\n"
    ));
    insta::assert_snapshot!(overlay("[[meter]]\ntag = \"site-01/metre\"\n"));
}

/// What `check` says of a scenario with this step after an E-stop.
fn check_step(step: &str) -> String {
    check(
        "x.feature",
        &format!("Feature: f\n  Scenario: s\n    When the E-stop is pressed\n    {step}\n"),
    )
}

#[test]
fn slips_in_steps() {
    assert_eq!(
        check_step("Then within 200ms the contactors of cluster 1 are open [x]"),
        "exit 0\n"
    );
    insta::assert_snapshot!(check_step("Then the PCS is running"));
    insta::assert_snapshot!(check_step("Then in 2s the PCS is running"));
    insta::assert_snapshot!(check_step("Given the E-stop is released"));
    insta::assert_snapshot!(check_step("Given the PCS is runing is reached within 5 s"));
    insta::assert_snapshot!(check_step("When fault can-drop hits container-01/cluster-1/bcu"));
}

#[test]
fn steps_are_listed_and_narrowed() {
    let all = printed(&["steps"]);
    for part in [
        "  between 5 and 22 min later PHRASE ",
        "\n  the PCS is running\n      the PCS (is|stays) (off|running|on standby|in fault)\n",
        "\n  Given the plant is in operation\n",
        "\n  When the operator asks for 500 kW\n",
        "\n  closing-gap             a main contactor makes contact with more than 50 V across it\n",
    ] {
        assert!(all.contains(part), "{part} is not in\n{all}");
    }
    insta::assert_snapshot!(printed(&["steps", "suppression", "hold"]));
    let folder = TempDir::new().unwrap();
    insta::assert_snapshot!(complaint(&folder, &["steps", "perpetuum", "mobile"]));
}

#[test]
fn a_controller_whose_program_is_not_there() {
    let cut = |start: &str| {
        let base = root().join("scenarios/rigs/liquid-20ft-tcp.toml");
        let text = format!(
            "inherits = {:?}\n[[cut]]\nname = \"my-ems\"\nstart = [\"{start}\", \"ems.py\"]\n",
            base.to_string_lossy()
        );
        let (folder, path) = file("rig.toml", text.as_bytes());
        let said = complaint(&folder, &["test", "features/site/e-stop.feature", "--rig", &path]);
        said.replace(&*root().to_string_lossy(), "ROOT")
    };
    insta::assert_snapshot!(cut("pythn"));
    insta::assert_snapshot!(cut("./my-ems"));
}

#[test]
fn wrong_command_line_is_an_error() {
    assert_eq!(bessrig(&["tset"]).status.code(), Some(3));
    assert_eq!(bessrig(&["--version"]).status.code(), Some(0));
}

#[test]
fn wrong_tag_expression() {
    let folder = TempDir::new().unwrap();
    insta::assert_snapshot!(complaint(&folder, &["test", "--tags", "@a @b"]));
}

#[test]
fn nothing_is_left_of_a_run_that_never_started() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let output = bessrig(&["test", "no-such.feature", "--out", &out.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(3));
    assert!(!out.exists());
}

#[test]
fn every_shipped_file_is_right() {
    let mut files = Vec::new();
    for folder in ["features", "scenarios/rigs", "device-emulators/data"] {
        collect(&root().join(folder), &mut files);
    }
    // What rigs share is not a rig by itself; each rig that inherits it is checked.
    files.retain(|file| !file.contains("rigs/base/"));
    assert!(files.len() > 10, "{files:?}");
    let mut arguments = vec!["check"];
    arguments.extend(files.iter().map(String::as_str));
    let output = bessrig(&arguments);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
}

fn collect(folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let known = |e: &std::ffi::OsStr| ["toml", "dbc", "feature"].iter().any(|known| e == *known);
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(known) {
            files.push(path.to_string_lossy().into_owned());
        }
    }
    files.sort();
}

/// What a command prints when it is right.
fn printed(arguments: &[&str]) -> String {
    let output = bessrig(arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn catalogue_lists_and_explains() {
    let list = printed(&["catalogue"]);
    for id in [
        "lfp-280",
        "SJ-H10-150",
        "SJPCS-3150-M",
        "ptu-4000-W",
        "air-45ft-1254",
        "jiayuguan",
    ] {
        assert!(list.contains(&format!("\n  {id} ")), "{id} is not in\n{list}");
    }
    let container = printed(&["catalogue", "liq-20ft-1267"]);
    assert!(
        container.contains("3564: 9 clusters of 396 in series"),
        "{container}"
    );
    assert!(container.contains("SJPCS-1725-M, "), "{container}");
    assert!(printed(&["catalogue", "conflicts"]).contains("\n  17 900 V platform\n"));
    assert_eq!(
        printed(&["catalogue", "6"]),
        printed(&["catalogue", "conflict-6"])
    );
}

#[test]
fn catalogue_has_the_users_products() {
    let data = "scenarios/examples/own-battery";
    assert!(printed(&["--data", data, "catalogue"]).contains("\n  own-18s "));
    let cabinet = printed(&["--data", data, "catalogue", "own-cabinet"]);
    let (what, figures) = cabinet.split_once("\nFigures\n").unwrap();
    insta::assert_snapshot!(what);
    assert!(
        figures.contains("  air.envelope_w_per_k "),
        "taken over:\n{figures}"
    );
}

#[test]
fn catalogue_without_such_a_product() {
    let folder = TempDir::new().unwrap();
    insta::assert_snapshot!(complaint(&folder, &["catalogue", "SJPCS-3450"]));
}

#[test]
fn own_products_are_held_against_the_plant() {
    let own = root().join("scenarios/examples/own-battery");
    let cell = fs::read_to_string(own.join("cells/own-lfp-100.toml")).unwrap();
    let wrong = cell.replace("mass_kg = 1.98 ", "mass_g = 1980.0 ");
    assert_ne!(cell, wrong);
    insta::assert_snapshot!(check("own-lfp-100.toml", &wrong));
}

#[test]
fn a_pack_no_bmu_measures() {
    let pack = fs::read_to_string(root().join("twin/catalogue/data/packs/pack-liq-1P44S.toml")).unwrap();
    let wide = pack.replace("cells = 44 ", "cells = 52 ");
    assert_ne!(pack, wide);
    insta::assert_snapshot!(check("pack.toml", &wide));
}

/// A short scenario; `then` is its last step.
fn short_feature(then: &str) -> String {
    format!(
        "Feature: Short\n  Scenario: Two seconds\n    Given 2 s have passed\n    When the E-stop is pressed\n    Then {then}\n"
    )
}

#[test]
fn verdicts_are_exit_codes() {
    for (then, code) in [
        ("within 200 ms the safety chain is open [assumption §6]", 0),
        ("within 200 ms the stack is connected", 2),
    ] {
        let (folder, path) = file("x.feature", short_feature(then).as_bytes());
        let out = folder.path().join("out");
        let output = bessrig(&["test", &path, "--out", &out.to_string_lossy()]);
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(code), "{stdout}");
        let summary: serde_json::Value =
            serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
        let steps = &summary["scenarios"][0]["steps"];
        assert_eq!(steps[0]["began_s"], 0.0);
        assert_eq!(steps[1]["began_s"], 2.0);
        assert!(steps[2]["decided_s"].as_f64().unwrap() > 2.0);
        let page = fs::read_to_string(out.join("report.html")).unwrap();
        assert!(
            page.contains("<td class=n>0.000 s<br>to 2.000 s</td><td><b>Given</b> 2 s have passed"),
            "{page}"
        );
        assert!(page.contains("<summary>Before the first When</summary>"));
        assert!(
            page.contains("<tr class=step><td class=n>2.000 s</td><td>step</td><td colspan=2><b>When</b>")
        );
        let measured = &summary["scenarios"][0]["measurements"][0];
        assert_eq!(measured["limit"]["at-most"], 0.2);
        assert_eq!(measured["measured"].is_null(), code == 2);
        for report in [
            "junit.xml",
            "report.html",
            "seed",
            "two-seconds/rig.toml",
            "two-seconds/events.jsonl",
        ] {
            assert!(out.join(report).is_file(), "{report}");
        }
    }
}

#[test]
fn a_precondition_that_is_not_reached_names_the_state() {
    let feature = "Feature: f\n  Scenario: s\n    Given the stack is connected is reached within 20 s\n";
    let (folder, path) = file("x.feature", feature.as_bytes());
    let out = folder.path().join("out");
    let output = bessrig(&["test", &path, "--out", &out.to_string_lossy()]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stdout}");
    assert!(
        stdout.contains("within 20 s (stack-state of container-01/bau is standby)"),
        "{stdout}"
    );
}

#[test]
fn same_seed_gives_the_same_bytes_on_every_bus() {
    let (folder, path) = file(
        "x.feature",
        short_feature("within 200 ms the safety chain is open").as_bytes(),
    );
    let traces = |name: &str, seed: &str| {
        let out = folder.path().join(name);
        let output = bessrig(&["test", &path, "--seed", seed, "--out", &out.to_string_lossy()]);
        assert_eq!(output.status.code(), Some(0));
        let mut found: Vec<_> = fs::read_dir(out.join("two-seconds"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().ends_with(".candump.log"))
            .map(|path| (path.file_name().unwrap().to_owned(), fs::read(path).unwrap()))
            .collect();
        found.sort();
        found
    };
    let first = traces("first", "7");
    assert_eq!(first.len(), 10, "nine cluster buses and the stack bus");
    assert!(first.iter().all(|(_, bytes)| !bytes.is_empty()));
    assert!(first == traces("again", "7"), "the same seed gave another trace");
    assert!(first != traces("other", "8"), "another seed gave the same trace");
}

#[test]
fn a_cell_runs_through_a_profile() {
    let (folder, profile) = file("profile.csv", b"seconds,amperes\n60,150\n30,0\n60,-150\n");
    let out = folder.path().join("cell.csv");
    let run = |cell: &str, profile: &str| {
        complaint(
            &folder,
            &[
                "cell",
                cell,
                profile,
                "--soc",
                "0.6",
                "--out",
                &out.to_string_lossy(),
            ],
        )
    };
    assert_eq!(run("lfp-300", &profile), "exit 0\n");
    let table = fs::read_to_string(&out).unwrap();
    let rows: Vec<Vec<f64>> = table
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|x| x.parse().unwrap()).collect())
        .collect();
    assert_eq!(rows.len(), 151, "a row for the start and one for each second");
    let [start, loaded, rested, end] = [0, 60, 90, 150].map(|k| &rows[k]);
    assert!(
        loaded[2] < rested[2] && rested[2] < start[2] && end[2] > start[2],
        "{table}"
    );
    let moved = 150.0 * 60.0 / 3600.0 / 300.0;
    assert!((start[4] - loaded[4] - moved).abs() < 1e-4, "{loaded:?}");
    assert!((end[4] - start[4]).abs() < 1e-4, "{end:?}");

    let unknown = run("lfp-3000", &profile);
    assert!(
        unknown.starts_with("exit 3\n") && unknown.contains("known: "),
        "{unknown}"
    );
    for (text, word) in [
        ("time,current\n1,1\n", "not the head of a profile"),
        ("seconds,amperes\n1.5,1\n", "whole seconds"),
        ("seconds,amperes\n1,inf\n", "whole seconds"),
        ("seconds,amperes\n", "without a second"),
    ] {
        fs::write(&profile, text).unwrap();
        let said = run("lfp-300", &profile);
        assert!(said.starts_with("exit 3\n") && said.contains(word), "{said}");
    }
}

#[test]
fn site_cases_are_listed_and_an_unknown_one_is_named() {
    let list = bessrig(&["site"]);
    assert_eq!(list.status.code(), Some(0));
    let list = String::from_utf8(list.stdout).unwrap();
    assert_eq!(list.lines().count(), 6, "{list}");
    assert!(
        list.contains("jiayuguan    Jiayuguan, 154 MW / 308 MWh, 90 containers"),
        "{list}"
    );
    let folder = TempDir::new().unwrap();
    insta::assert_snapshot!(complaint(&folder, &["site", "jiayugan"]));
}

#[test]
fn a_site_runs_a_part_of_a_cycle() {
    let run = |threads: &str| {
        let folder = TempDir::new().unwrap();
        let out = folder.path().to_string_lossy().into_owned();
        let output = bessrig(&[
            "site",
            "cnnc",
            "--hours",
            "0.04",
            "--threads",
            threads,
            "--out",
            &out,
        ]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.contains("round trip at the POI"), "{text}");
        let report = fs::read_to_string(folder.path().join("cnnc.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&report).unwrap()
    };
    let (one, two) = (run("1"), run("2"));
    for part in ["charge", "discharge", "energy", "rows"] {
        assert_eq!(one[part], two[part], "{part}");
    }
    assert_eq!(one["containers"], 3);
    let figure = |path: &str| one.pointer(path).unwrap().as_f64().unwrap();
    assert!((figure("/discharge/peak_mw") - 5.0).abs() < 0.05);
    assert!((figure("/charge/energy_mwh") - 5.0 * 0.02).abs() < 0.002);
    assert!(
        (0.7..0.97).contains(&figure("/round_trip")),
        "{}",
        figure("/round_trip")
    );
}

#[test]
fn a_product_is_written_out_for_people() {
    insta::assert_snapshot!(printed(&["map", "doc", "rig-hv-unit"]));
    insta::assert_snapshot!(printed(&["map", "doc", "chiller", "--csv"]));
    let data = ["--data", "scenarios/examples/vendor"];
    let pcs = printed(&[&data[..], &["map", "doc", "norvik-pcs", "--markdown"]].concat());
    insta::assert_snapshot!(pcs);
    let slave = printed(&[&data[..], &["map", "doc", "norvik-slave-44"]].concat());
    assert!(
        slave.contains("| Cell_A | m0-14 of Block | 15\\|16 big-endian | unsigned | 0.1 | 0 .. 6553 | mV | `cell[0].voltage` to `cell[42].voltage` |"),
        "{slave}"
    );
    let folder = TempDir::new().unwrap();
    insta::assert_snapshot!(complaint(&folder, &["map", "doc", "chillr"]));
}

#[test]
fn a_device_is_written_out_as_the_rig_file_sets_it() {
    let address = |args: &[&str]| -> u32 {
        let rows = printed(args);
        let row = rows
            .lines()
            .find(|row| row.contains(",der-controller-heartbeat,"));
        let cell = row.unwrap().split(',').nth(2).unwrap();
        cell.parse().unwrap()
    };
    let (_folder, rig) = file(
        "one.toml",
        format!(
            "inherits = \"{}/rigs/liquid-20ft.toml\"\n[plant]\nclusters = 1\n[[bau]]\ntag = \"container-01/bau\"\n\
             settings = {{ max_clusters = 1 }}\n",
            env!("CARGO_MANIFEST_DIR")
        )
        .as_bytes(),
    );
    let of_rig = address(&["map", "doc", "container-01/bau", "--rig", &rig, "--csv"]);
    let of_product = address(&["map", "doc", "bau", "--csv"]);
    assert!(of_rig < of_product, "{of_rig} {of_product}");
    let folder = TempDir::new().unwrap();
    let said = complaint(&folder, &["map", "doc", "container-01/bao", "--rig", &rig]);
    assert!(said.contains("did you mean `container-01/bau`?"), "{said}");
}

#[test]
fn what_the_products_of_a_rig_leave_out_is_told_with_the_rig() {
    let example = "scenarios/examples/vendor";
    let copy = TempDir::new().unwrap();
    let target = copy.path().join("vendor");
    let copied = Command::new("cp")
        .current_dir(root())
        .args(["-r", example])
        .arg(&target)
        .status();
    assert!(copied.unwrap().success());
    let map = target.join("modbus/nv-pcs100.toml");
    let text = fs::read_to_string(&map).unwrap();
    let without: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains("point = \"command\""))
        .collect();
    assert!(without.len() < text.lines().count());
    fs::write(&map, without.join("\n")).unwrap();
    let rig = target.join("vendor.toml");
    let rig_text = fs::read_to_string(&rig).unwrap();
    let rigs = format!("{}/rigs", env!("CARGO_MANIFEST_DIR"));
    fs::write(&rig, rig_text.replace("../../rigs", &rigs)).unwrap();
    let (data, rig) = (target.to_string_lossy(), rig.to_string_lossy());
    let output = bessrig(&["--data", &data, "check", &rig]);
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("no register carries command, which this rig's"),
        "{said}"
    );
    assert!(output.status.success(), "a warning is no error: {said}");
}

/// Everything `map check` says of a file with this text, and its exit code.
fn map_check(name: &str, text: &str, more: &[&str]) -> String {
    let (folder, path) = file(name, text.as_bytes());
    let output = bessrig(&[&["map", "check", &path], more].concat());
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    let said = said.replace(&*folder.path().to_string_lossy(), "DIR");
    format!("exit {}\n{said}", output.status.code().unwrap())
}

#[test]
fn a_doubtful_register_map() {
    // by its name it is the map of the shipped meter
    let said = map_check(
        "meter.toml",
        "title = \"X\"\n[[block]]\nname = \"one\"\ntable = \"holding\"\nregister = [\n\
         { at = 0, point = \"active-power\", type = \"i16\", unit = \"W\", name = \"P\" },\n\
         { at = 1, point = \"energy-exported\", type = \"u32\", unit = \"kWh\", name = \"E\" },\n\
         { at = 2, point = \"frequency\", scale = 0.1, unit = \"Hz\", name = \"P\" },\n\
         { at = 4, point = \"reactive-power\", type = \"i32\", unit = \"var\", word_order = \"low-first\" },\n\
         { at = 8, point = \"apparent-power\", type = \"u32\", unit = \"VA\" },\n\
         { at = 10, point = \"current-total\", unit = \"A\", scale = 1000000.0 },\n\
         { at = 11, text = \"x\", words = 130 },\n\
         { at = 141, constant = 1, type = \"u64\", enum = { -1 = \"none\" } },\n]\n\
         [[block]]\nname = \"two\"\ntable = \"input\"\naccess = \"read-write\"\nregister = [{ at = 0, constant = 1 }]\n",
        &[],
    );
    insta::assert_snapshot!(said);
    insta::assert_snapshot!(map_check(
        "own.toml",
        "title = \"X\"\n[[block]]\nname = \"one\"\ntable = \"coil\"\nregister = [{ at = 0, point = \"nothing\" }]\n",
        &[]
    ));
}

#[test]
fn a_doubtful_dbc() {
    insta::assert_snapshot!(map_check(
        "own.dbc",
        "VERSION \"\"\n\nNS_ :\n\nBS_:\n\nBU_: A B\n\n\
         BO_ 100 ONE: 8 A\n SG_ Low : 0|16@1+ (0.1,0) [0|10000] \"V\" B\n SG_ High : 15|16@0+ (1,0) [0|0] \"A\" B\n \
         SG_ Far : 60|8@1+ (1,0) [0|255] \"\" B\n\n\
         BO_ 100 TWO: 8 A\n SG_ Page M : 0|8@1+ (1,0) [0|3] \"\" B\n SG_ X m0 : 8|8@1+ (1,0) [0|255] \"\" B\n \
         SG_ Y m1 : 8|8@1+ (1,0) [0|255] \"\" B\n SG_ Z m1 : 12|8@1+ (0,0) [0|255] \"\" B\n SG_ W m1 : 14|8@1+ (1,0) [0|255] \"\" B\n\n\
         BO_ 3000 ONE: 8 B\n SG_ Only : 0|8@1+ (1,0) [0|255] \"\" A\n\n\
         BA_DEF_ BO_ \"GenMsgCycleTime\" INT 0 65535;\nBA_DEF_DEF_ \"GenMsgCycleTime\" 0;\nBA_ \"GenMsgCycleTime\" BO_ 100 50;\n",
        &[]
    ));
    insta::assert_snapshot!(map_check("own.dbc", "BO_ what\n", &[]));
}

#[test]
fn a_doubtful_product() {
    let text = "id = \"own-bmu\"\ninherits = \"rig-bmu-44\"\ntitle = \"X\"\n[[can]]\nport = \"cluster\"\ndbc = \"rig-cluster.dbc\"\n\
                node_in = \"source\"\n[[can.transmit]]\nmessage = \"BMU_SUM\"\nperiod_ms = 5\n[can.transmit.bind]\n\
                PackVoltage = \"pack-voltage\"\nCellVoltageMax = \"cell-voltage-max\"\nCellVoltageMin = \"cell-voltage-min\"\n\
                TemperatureMax = \"temperature-max\"\nTemperatureMin = \"cell-voltage-min\"\n";
    insta::assert_snapshot!(map_check("own-bmu.toml", text, &[]));
    let right = text.replace(
        "TemperatureMin = \"cell-voltage-min\"",
        "TemperatureMin = \"temperature-min\"",
    );
    insta::assert_snapshot!(map_check(
        "own-bmu.toml",
        &right,
        &["--bit-rate", "250000", "--nodes", "12"]
    ));
    let feature = map_check("x.feature", "Feature: f\n", &[]);
    assert!(feature.starts_with("exit 3\n"), "{feature}");
}

#[test]
fn a_list_that_is_none() {
    let (folder, path) = file("list.csv", b"Voltage;12\nCurrent;13\n");
    let map = folder.path().join("map.toml");
    let out = map.to_string_lossy();
    insta::assert_snapshot!(complaint(&folder, &["import", "registers", &path, "-o", &out]));
    assert!(!map.exists(), "nothing is written");
    let (folder, path) = file("list.csv", b"Address,Name\n1,Volts\n");
    let (_keep, points) = file("points.toml", b"[bind]\n\"Volt\" = \"voltage\"\n");
    let said = complaint(
        &folder,
        &["import", "registers", &path, "-o", &out, "--points", &points],
    );
    insta::assert_snapshot!(said.replace(&points, "points.toml"));
    let said = complaint(
        &folder,
        &["import", "registers", &path, "-o", &out, "--column", "what=Name"],
    );
    assert!(
        said.contains("there is no key `what`; keys are address, function"),
        "{said}"
    );
}

/// A folder for `--data` with these files.
fn data(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (path, bytes) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

#[test]
fn files_of_windows_editors_are_read() {
    let dbc = fs::read_to_string(root().join("device-emulators/data/dbc/rig-cluster.dbc")).unwrap();
    let commented = format!("{dbc}\nCM_ \"Größe in °C – Œuvre\";\n");
    let (western, _, _) = encoding_rs::WINDOWS_1252.encode(&commented);
    assert!(str::from_utf8(&western).is_err());
    let marked = [b"\xEF\xBB\xBF", commented.as_bytes()].concat();
    for bytes in [&western[..], &marked] {
        let (_keep, path) = file("x.dbc", bytes);
        assert!(printed(&["map", "check", &path]).contains("DBC, "));
    }
    let feature = "\u{FEFF}Feature: f\n  Scenario: s\n    When the E-stop is pressed\n";
    let (_keep, path) = file("x.feature", feature.as_bytes());
    assert!(printed(&["check", &path]).contains("feature, 1 scenarios"));
}

#[test]
fn a_bad_data_file_is_told_to_whoever_uses_it_and_to_nobody_else() {
    let own = "id = \"own-bmu\"\ninherits = \"rig-bmu-44\"\ntitle = \"X\"\n";
    let circle = "id = \"own-meter\"\ninherits = \"own-meter\"\ntitle = \"X\"\n";
    let folder = data(&[
        ("products/own.toml", own.as_bytes()),
        ("products/circle.toml", circle.as_bytes()),
        ("products/bad.toml", b"id = \"bad\"\ntitle = \"\xFF\"\n"),
        ("modbus/bad.toml", b"title = \"\xFF\"\n"),
        ("cells/bad.toml", b"title = \"\xFF\"\n"),
    ]);
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let at = folder.path().to_string_lossy().into_owned();
    printed(&["--data", &at, "map", "check", &path("products/own.toml")]);
    printed(&["--data", &at, "map", "doc", "own-bmu"]);
    let told = |said: &str, parts: &[&str]| {
        for part in parts {
            assert!(said.contains(part), "no {part} in {said}");
        }
    };
    let checked = complaint(
        &folder,
        &[
            "--data",
            &at,
            "check",
            &path("products/bad.toml"),
            &path("products/own.toml"),
            &path("products/circle.toml"),
        ],
    );
    told(
        &checked,
        &[
            "DIR/products/bad.toml: not a text file: byte 20 is not UTF-8",
            "DIR/products/circle.toml:2: inherits: goes round in a circle: own-meter to own-meter",
        ],
    );
    assert!(!checked.contains("own.toml"), "{checked}");
    told(
        &complaint(&folder, &["--data", &at, "map", "doc", "bad"]),
        &["DIR/products/bad.toml:2: not a text file"],
    );
    told(
        &complaint(&folder, &["--data", &at, "catalogue"]),
        &["exit 3", "DIR/cells/bad.toml: not a text file"],
    );
    fs::remove_file(path("cells/bad.toml")).unwrap();
    let base = root().join("scenarios/rigs/liquid-20ft.toml");
    let rig = |product: &str| {
        let text = format!(
            "inherits = {:?}\n[[meter]]\ntag = \"site-01/meter\"\nproduct = \"{product}\"\n",
            base.to_string_lossy()
        );
        let (_keep, file) = file("rig.toml", text.as_bytes());
        let said = complaint(&folder, &["--data", &at, "check", &file]);
        said.replace(&file, "rig.toml")
    };
    told(
        &rig("own-meter"),
        &["goes round in a circle: own-meter to own-meter"],
    );
    told(&rig("bad"), &["DIR/products/bad.toml:2: not a text file"]);
}

#[test]
fn a_rig_whose_dialect_lacks_what_the_bcu_needs() {
    let bmu = "id = \"rig-bmu-44\"\nkind = \"bmu\"\ntitle = \"X\"\n[settings]\ncells = 44\ntemperatures = 22\n\
               [[can]]\nport = \"cluster\"\ndbc = \"rig-cluster.dbc\"\nnode_in = \"source\"\n\
               [[can.transmit]]\nmessage = \"BMU_CELLV_{k}\"\nperiod_ms = 200\ninvalid = { raw = 0xFFFF }\n\
               bind = { \"CellV_{i}\" = \"cell[{i}].voltage\" }\n";
    let folder = data(&[("products/bmu.toml", bmu.as_bytes())]);
    let at = folder.path().to_string_lossy().into_owned();
    let rig = root().join("scenarios/rigs/liquid-20ft.toml");
    let said = complaint(&folder, &["--data", &at, "check", &rig.to_string_lossy()]);
    let expected =
        "no message carries `temperature-max`, nor `temperature[0]` and so on, and the BCU needs one of them";
    assert!(said.starts_with("exit 3") && said.contains(expected), "{said}");
}

#[test]
fn what_is_there_is_not_overwritten() {
    let list = "Address,Name,Type\n0,Volts,U16\n";
    let (_keep, list_path) = file("list.csv", list.as_bytes());
    let points = "[bind]\n\"Volts\" = \"voltage\"\n";
    let (folder, points_path) = file("points.toml", points.as_bytes());
    let other = folder.path().join("product.toml");
    fs::write(&other, "kind = \"pcs\"\nid = \"x\"\n").unwrap();
    let other = other.to_string_lossy();
    let import = |out: &str| {
        let output = bessrig(&[
            "import",
            "registers",
            &list_path,
            "-o",
            out,
            "--points",
            &points_path,
        ]);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = import(&list_path);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("is read, and would be overwritten"), "{said}");
    assert_eq!(fs::read_to_string(&list_path).unwrap(), list);
    let (code, said) = import(&points_path);
    assert_eq!(code, Some(3), "{said}");
    assert_eq!(fs::read_to_string(&points_path).unwrap(), points);
    let (code, said) = import(&other);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("is there already and is no register map"), "{said}");
    // a map is written again
    let map = folder.path().join("map.toml");
    let map = map.to_string_lossy();
    for _ in 0..2 {
        let (code, said) = import(&map);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("write kind = \"pcs\""), "{said}");
    }
    let output = bessrig(&["map", "doc", &map, "--out", &map]);
    assert_eq!(output.status.code(), Some(3));
    assert!(fs::read_to_string(&*map).unwrap().contains("[[block]]"));
}

#[test]
fn what_is_no_list_is_said_in_a_line() {
    for (name, bytes, expected) in [
        (
            "list.pdf",
            &b"%PDF-1.7\n\xE2\xE3\xCF\xD3 \x00\x01"[..],
            "it is a PDF, not a register list",
        ),
        (
            "list.xls",
            b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
            "it is an Office file of before 2007",
        ),
        (
            "list.bin",
            b"\x00\x01\x02\x03",
            "it is no text, not a register list",
        ),
        (
            "list.xlsx",
            b"PK\x03\x04 and no more",
            "does not read as an XLSX workbook",
        ),
    ] {
        let (folder, path) = file(name, bytes);
        let out = folder.path().join("map.toml");
        let said = complaint(
            &folder,
            &["import", "registers", &path, "-o", &out.to_string_lossy()],
        );
        assert!(said.contains(expected) && said.len() < 600, "{said}");
    }
}

#[test]
fn doubts_in_shipped_files_are_only_counted() {
    let text = "id = \"own-pcs\"\ninherits = \"pcs-100-380\"\ntitle = \"X\"\n";
    let shipped = map_check("own-pcs.toml", text, &[]);
    assert!(!shipped.contains("device-emulators/data"), "{shipped}");
}
