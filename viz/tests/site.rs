//! A site of ninety containers: a real recording of one, told ninety times over.

#![cfg(feature = "window")]

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bess_telemetry::{Cells, Description};
use mcap::records::MessageHeader;

const CONTAINERS: u32 = 90;

/// Description and first cells of a recording.
fn of_one(file: &Path) -> (Description, Cells) {
    let bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let (mut description, mut cells) = (None, None);
    for message in mcap::MessageStream::new(&bytes).expect("a recording") {
        let message = message.expect("a message");
        match message.channel.topic.as_str() {
            "/description" => description = serde_json::from_slice(&message.data).ok(),
            "/cells" => cells = serde_json::from_slice(&message.data).ok(),
            _ => {}
        }
        if description.is_some() && cells.is_some() {
            break;
        }
    }
    (description.expect("a description"), cells.expect("cells"))
}

/// The same container `CONTAINERS` times, each a little warmer than the one before.
fn many(description: &Description, cells: &Cells) -> (Description, Cells) {
    let one = &description.containers[0];
    let count = u32::try_from(cells.voltage.len()).expect("so many cells");
    let mut site = Description {
        points: Vec::new(),
        tables: Vec::new(),
        ..description.clone()
    };
    site.cells.count *= CONTAINERS;
    site.cells.clusters *= CONTAINERS;
    site.containers = (0..CONTAINERS)
        .map(|n| {
            let mut container = one.clone();
            container.tag = format!("container-{:02}", n + 1);
            container.first_cell = n * count;
            container.first_cluster = n * one.clusters;
            container
        })
        .collect();
    let all = |row: &[f32]| row.repeat(CONTAINERS as usize);
    let temperature = (0..CONTAINERS)
        .flat_map(|n| cells.temperature.iter().map(move |t| t + n as f32 / 9.0))
        .collect();
    let cells = Cells {
        at_ns: cells.at_ns,
        voltage: all(&cells.voltage),
        temperature,
        soc: all(&cells.soc),
        cluster_current: all(&cells.cluster_current),
        ..Cells::default()
    };
    (site, cells)
}

fn write(file: &Path, description: &Description, cells: &Cells) {
    let mut writer = mcap::Writer::new(std::io::BufWriter::new(fs::File::create(file).expect("a file")))
        .expect("a writer");
    for (topic, frame) in [
        ("/description", serde_json::to_vec(description)),
        ("/cells", serde_json::to_vec(cells)),
    ] {
        let schema = writer.add_schema(topic, "jsonschema", b"{}").expect("a schema");
        let channel_id = writer
            .add_channel(schema, topic, "json", &BTreeMap::new())
            .expect("a channel");
        let header = MessageHeader {
            channel_id,
            sequence: 0,
            log_time: cells.at_ns,
            publish_time: cells.at_ns,
        };
        writer
            .write_to_known_channel(&header, &frame.expect("JSON"))
            .expect("a message");
    }
    writer.finish().expect("the end");
}

#[test]
#[ignore = "needs recordings: ci/lane-viz.sh"]
fn ninety_containers_are_drawn() {
    let recordings = PathBuf::from(env::var("BESS_VIZ_RECORDINGS").expect("BESS_VIZ_RECORDINGS is set"));
    let evidence = PathBuf::from(env::var("BESS_VIZ_EVIDENCE").expect("BESS_VIZ_EVIDENCE is set"));
    fs::create_dir_all(&evidence).expect("a folder for evidence");
    let recording = fs::read_dir(&recordings)
        .expect("recordings")
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("recording.mcap"))
        .find(|path| path.is_file())
        .expect("a recording");
    let (description, cells) = of_one(&recording);
    let (description, cells) = many(&description, &cells);
    let site = evidence.join("site.mcap");
    write(&site, &description, &cells);
    let picture = evidence.join("site.png");
    let output = Command::new(env!("CARGO_BIN_EXE_bess-viz"))
        .arg("--replay")
        .arg(&site)
        .arg("--screenshot")
        .arg(&picture)
        .args(["--view", "9"])
        .output()
        .expect("bess-viz starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let picture = image::open(&picture).expect("a picture").to_rgb8();
    // ninety temperatures are at least thirty colours in the middle of the picture
    let middle = image::imageops::crop_imm(&picture, 300, 60, 620, 380).to_image();
    let colours: BTreeSet<[u8; 3]> = middle.pixels().map(|pixel| pixel.0).collect();
    assert!(colours.len() > 30, "{} colours", colours.len());
}
