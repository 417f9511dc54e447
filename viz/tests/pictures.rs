//! Seven scenes, drawn without a window from recordings of shipped scenarios and of a site, and compared with stored pictures. `ci/lane-viz.sh`
//! makes the recordings and says where they are; BESS_VIZ_ACCEPT=1 stores what is drawn.

#![cfg(feature = "window")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use image::imageops::FilterType;
use image::{Rgb, RgbImage};

/// Where recordings are: a folder of `bessrig test --out`.
const RECORDINGS: &str = "BESS_VIZ_RECORDINGS";
/// Where pictures and differences are left.
const EVIDENCE: &str = "BESS_VIZ_EVIDENCE";
/// A channel that differs by more has changed: more than the rounding of another renderer.
const NOISE: u8 = 20;
/// Side of the squares in which change is looked for, pixels of a stored picture.
const SQUARE: u32 = 10;
/// Share of a square's pixels that may have changed: an edge that another renderer smooths otherwise, and no more.
const EDGE: f64 = 0.25;

struct Scene {
    name: &'static str,
    /// Beginning of the scenario's folder.
    scenario: &'static str,
    options: &'static [&'static str],
}

const SCENES: [Scene; 7] = [
    Scene {
        name: "normal-charge",
        scenario: "a-short-cycle",
        options: &["--at", "50s", "--view", "1"],
    },
    Scene {
        name: "runaway-gas",
        scenario: "one-cell-vents",
        options: &[
            "--at",
            "53s",
            "--view",
            "2",
            "--select",
            "container-01/cluster-03/pack-05",
        ],
    },
    Scene {
        name: "runaway-countdown",
        scenario: "one-cell-vents",
        options: &["--at", "75s", "--view", "1"],
    },
    Scene {
        name: "runaway-agent",
        scenario: "one-cell-vents",
        options: &["--at", "105s", "--view", "6"],
    },
    Scene {
        name: "e-stop",
        scenario: "both-channels-open",
        options: &["--at", "20s", "--view", "7"],
    },
    Scene {
        name: "grid-loss",
        scenario: "the-grid-fails",
        options: &["--at", "21s", "--view", "7"],
    },
    Scene {
        name: "site",
        scenario: "jiayuguan",
        options: &["--at", "130s", "--view", "9"],
    },
];

fn main_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures")
}

/// Draws a scene at 1280 by 720 and halves it: text stays text, and the file small.
fn draw(recording: &Path, options: &[&str], file: &Path) -> RgbImage {
    let output = Command::new(env!("CARGO_BIN_EXE_bess-viz"))
        .arg("--replay")
        .arg(recording)
        .arg("--screenshot")
        .arg(file)
        .args(["--size", "1280x720"])
        .args(options)
        .output()
        .expect("bess-viz starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{options:?}: {errors}");
    let picture = image::open(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    image::imageops::resize(&picture.to_rgb8(), 640, 360, FilterType::Triangle)
}

fn recording(folder: &Path, scenario: &str) -> PathBuf {
    let site = folder.join(scenario).join(format!("{scenario}.mcap"));
    if site.is_file() {
        return site;
    }
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .filter_map(Result::ok)
        .find(|entry| entry.file_name().to_string_lossy().starts_with(scenario))
        .unwrap_or_else(|| panic!("no recording of {scenario} in {}", folder.display()))
        .path()
        .join("recording.mcap")
}

/// What differs: squares with more change than an edge, and a picture of it.
fn differences(stored: &RgbImage, drawn: &RgbImage) -> (u32, RgbImage) {
    let (width, height) = drawn.dimensions();
    let changed = |x: u32, y: u32| {
        let (a, b) = (stored.get_pixel(x, y), drawn.get_pixel(x, y));
        a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > NOISE)
    };
    let mut shown = RgbImage::from_fn(width, height, |x, y| {
        if changed(x, y) {
            Rgb([200, 0, 160])
        } else {
            Rgb(drawn.get_pixel(x, y).0.map(|channel| 128 + channel / 2))
        }
    });
    let mut squares = 0;
    for top in (0..height).step_by(SQUARE as usize) {
        for left in (0..width).step_by(SQUARE as usize) {
            let inside = (top..(top + SQUARE).min(height))
                .flat_map(|y| (left..(left + SQUARE).min(width)).map(move |x| (x, y)));
            let count = inside.clone().count();
            let moved = inside.clone().filter(|&(x, y)| changed(x, y)).count();
            if moved as f64 > EDGE * count as f64 {
                squares += 1;
                for (x, y) in inside.filter(|&(x, y)| x == left || y == top) {
                    shown.put_pixel(x, y, Rgb([200, 16, 46]));
                }
            }
        }
    }
    (squares, shown)
}

#[test]
#[ignore = "needs recordings: ci/lane-viz.sh"]
fn scenes_look_as_they_did() {
    let recordings = PathBuf::from(env::var(RECORDINGS).expect("BESS_VIZ_RECORDINGS is set"));
    let evidence = PathBuf::from(env::var(EVIDENCE).expect("BESS_VIZ_EVIDENCE is set"));
    fs::create_dir_all(&evidence).expect("a folder for evidence");
    let accept = env::var("BESS_VIZ_ACCEPT").is_ok();
    let mut wrong = Vec::new();
    for scene in &SCENES {
        let file = evidence.join(format!("{}.png", scene.name));
        let drawn = draw(&recording(&recordings, scene.scenario), scene.options, &file);
        let place = main_folder().join(format!("{}.png", scene.name));
        if accept {
            fs::create_dir_all(main_folder()).expect("a folder for pictures");
            drawn.save(&place).expect("the picture is stored");
            continue;
        }
        let stored = image::open(&place)
            .unwrap_or_else(|error| panic!("{}: {error}", place.display()))
            .to_rgb8();
        assert_eq!(stored.dimensions(), drawn.dimensions(), "{}", scene.name);
        let (squares, shown) = differences(&stored, &drawn);
        if squares > 0 {
            let difference = evidence.join(format!("{}-difference.png", scene.name));
            shown.save(&difference).expect("the difference is kept");
            wrong.push(format!(
                "{}: {squares} squares have changed, see {}",
                scene.name,
                difference.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs recordings: ci/lane-viz.sh"]
fn the_same_instant_gives_the_same_bytes() {
    let recordings = PathBuf::from(env::var(RECORDINGS).expect("BESS_VIZ_RECORDINGS is set"));
    let evidence = PathBuf::from(env::var(EVIDENCE).expect("BESS_VIZ_EVIDENCE is set"));
    fs::create_dir_all(&evidence).expect("a folder for evidence");
    let scene = &SCENES[2];
    let of = |name: &str| {
        let file = evidence.join(name);
        draw(&recording(&recordings, scene.scenario), scene.options, &file);
        fs::read(&file).expect("the picture")
    };
    assert!(of("twice-1.png") == of("twice-2.png"));
}

/// A grey field with a device on it.
fn field(left: u32, colour: [u8; 3]) -> RgbImage {
    RgbImage::from_fn(640, 360, |x, y| {
        if (left..left + 24).contains(&x) && (100..116).contains(&y) {
            Rgb(colour)
        } else {
            Rgb([207, 210, 212])
        }
    })
}

#[test]
fn a_device_that_moves_or_changes_colour_is_noticed_and_a_soft_edge_is_not() {
    let stored = field(200, [138, 143, 148]);
    assert_eq!(differences(&stored, &stored).0, 0);
    assert!(
        differences(&stored, &field(205, [138, 143, 148])).0 > 0,
        "moved by a fifth of its width"
    );
    assert!(
        differences(&stored, &field(200, [200, 16, 46])).0 > 0,
        "recoloured"
    );
    assert!(differences(&stored, &field(200, [100, 104, 108])).0 > 0, "darker");
    let mut softer = stored.clone();
    for y in 100..116 {
        softer.put_pixel(199, y, Rgb([170, 174, 178]));
        softer.put_pixel(223, y, Rgb([170, 174, 178]));
    }
    assert_eq!(differences(&stored, &softer).0, 0, "an edge smoothed otherwise");
}
