//! The wall clock and controller processes: what a late rig and a dead controller amount to.
//!
//! One cluster, buses inside the rig, so that no vcan is needed; Modbus is on loopback as always.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a failed unwrap is the test failing"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The rigs share their Modbus ports.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const FEATURE: &str = "Feature: Waiting\n  Scenario: Eight seconds\n    Given 8 s have passed\n    \
                       When the E-stop is pressed\n    Then within 200 ms the safety chain is open\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// Writes `rig.toml` in `folder`, paced; `extra` goes into it.
fn write_rig(folder: &TempDir, extra: &str) {
    let base = root().join("scenarios/rigs/liquid-20ft.toml");
    let rig = format!(
        "inherits = \"{}\"\n[clock]\nmode = \"paced\"\nsoft_limit_ms = 5\nhard_limit_ms = 50\n[plant]\nclusters = 1\n{extra}",
        base.display()
    );
    fs::write(folder.path().join("rig.toml"), rig).unwrap();
}

/// Starts a paced run in `folder`; `extra` goes into the rig file.
fn start(folder: &TempDir, extra: &str) -> Child {
    start_with(folder, extra, FEATURE)
}

fn start_with(folder: &TempDir, extra: &str, feature: &str) -> Child {
    write_rig(folder, extra);
    fs::write(folder.path().join("x.feature"), feature).unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    Command::new(env!("CARGO_BIN_EXE_bessrig"))
        .args([
            "test",
            &path("x.feature"),
            "--rig",
            &path("rig.toml"),
            "--out",
            &path("out"),
            "--repeats",
            "0",
        ])
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn signal(name: &str, pid: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), pid])
        .status()
        .unwrap();
    assert!(status.success());
}

/// The first scenario of the summary.
fn scenario(folder: &TempDir) -> Value {
    let bytes = fs::read(folder.path().join("out/summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&bytes).unwrap();
    summary["scenarios"][0].clone()
}

/// Waits until the scenario's folder is there: the rig is about to run.
fn wait_for(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} never came", path.display());
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_rig_that_was_stopped_proves_nothing() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = TempDir::new().unwrap();
    let mut run = start(&folder, "");
    wait_for(&folder.path().join("out/eight-seconds"));
    sleep(Duration::from_secs(2));
    signal("STOP", &run.id().to_string());
    sleep(Duration::from_millis(500));
    signal("CONT", &run.id().to_string());
    assert_eq!(run.wait().unwrap().code(), Some(1));
    let scenario = scenario(&folder);
    assert_eq!(scenario["verdict"], "inconclusive");
    assert!(scenario["health"]["hard_misses"].as_u64().unwrap() > 0);
    assert!(scenario["health"]["lateness_us"]["max"].as_u64().unwrap() >= 400_000);
}

#[test]
fn a_killed_controller_is_a_fail_with_evidence() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = TempDir::new().unwrap();
    let pid_file = folder.path().join("pid");
    let script = format!(
        "echo controller up; echo $$ > {}; exec sleep 60",
        pid_file.display()
    );
    let extra = format!("[[cut]]\nname = \"bms\"\nstart = [\"sh\", \"-c\", {script:?}]\n");
    let begin = Instant::now();
    let mut run = start(&folder, &extra);
    wait_for(&pid_file);
    sleep(Duration::from_secs(1));
    signal("KILL", fs::read_to_string(&pid_file).unwrap().trim());
    assert_eq!(run.wait().unwrap().code(), Some(2));
    assert!(begin.elapsed() < Duration::from_secs(20), "it ends at once");
    let scenario = scenario(&folder);
    assert_eq!(scenario["verdict"], "fail");
    let reason = scenario["reason"].as_str().unwrap();
    assert!(reason.contains("`bms` was killed by signal 9"), "{reason}");
    assert!(reason.contains("controller up"), "{reason}");
}

#[test]
fn interrupt_writes_what_was_gathered_and_leaves_no_controller() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = TempDir::new().unwrap();
    let pid_file = folder.path().join("pid");
    let script = format!("echo $$ > {}; exec sleep 60", pid_file.display());
    let extra = format!("[[cut]]\nname = \"bms\"\nstart = [\"sh\", \"-c\", {script:?}]\n");
    let mut run = start(&folder, &extra);
    wait_for(&pid_file);
    sleep(Duration::from_secs(1));
    signal("INT", &run.id().to_string());
    assert_eq!(run.wait().unwrap().code(), Some(3));
    let scenario = scenario(&folder);
    assert_eq!(scenario["reason"], "interrupted before the end");
    assert!(folder.path().join("out/report.html").is_file());
    let pid = fs::read_to_string(&pid_file).unwrap();
    assert!(
        !Path::new("/proc").join(pid.trim()).exists(),
        "the controller process is still there"
    );
}

const REAL_EMS: &str = "[[ems]]\ntag = \"site-01/ems\"\nbacking = \"real\"\nlisten = \"127.0.0.1:17051\"\n";

#[test]
fn a_controller_that_is_not_there_is_an_error_with_its_address() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = TempDir::new().unwrap();
    let feature =
        "Feature: Waiting\n  Scenario: Nobody\n    Given the EMS runs the plant is reached within 5 s\n";
    let cut = "[[cut]]\nname = \"my-ems\"\nstart = [\"sh\", \"-c\", \"echo no port free; exec sleep 60\"]\n";
    let run = start_with(&folder, &format!("{REAL_EMS}{cut}"), feature)
        .wait()
        .unwrap();
    assert_eq!(run.code(), Some(3));
    let scenario = scenario(&folder);
    let reason = scenario["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("nobody answers at 127.0.0.1:17051 for site-01/ems"),
        "{reason}"
    );
    let log = &scenario["controllers"][0];
    assert_eq!(log["file"], "nobody/my-ems.log");
    assert_eq!(log["last_lines"], "no port free");
    let page = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(
        page.contains("<code>nobody/my-ems.log</code></h3><pre>no port free</pre>"),
        "{page}"
    );
}

#[test]
fn a_live_rig_says_what_it_serves_and_whom_it_asks_once_it_has_its_ports() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = TempDir::new().unwrap();
    write_rig(&folder, REAL_EMS);
    let run = || {
        let child = Command::new(env!("CARGO_BIN_EXE_bessrig"))
            .args(["run", "--rig", &folder.path().join("rig.toml").to_string_lossy()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        child.unwrap()
    };
    let live = run();
    sleep(Duration::from_secs(3));
    signal("INT", &live.id().to_string());
    let said = String::from_utf8(live.wait_with_output().unwrap().stdout).unwrap();
    for line in [
        "Modbus  container-01/bau   on 127.0.0.1:15010\n",
        "Modbus  site-01/ems        is asked at 127.0.0.1:17051 (by site-01/hmi)\n",
    ] {
        assert!(said.contains(line), "{said}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:15010").unwrap();
    let output = run().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(output.stdout, b"", "nothing is said to be served");
    drop(taken);
}
