//! How many BMU_CELLV frames per second one core encodes and decodes. Prints one JSON line each. `codec_rate payloads` prints
//! the payloads of one pack instead, for comparison with another codec's.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bess_devices::codec::can::{CanPort, CanRouter, RemoteNode};
use bess_devices::{Library, Points, ProductError, kinds};
use bess_types::{CanFrame, SimTime};

const PACKS: u8 = 9;
const CELL_FRAMES: usize = 11;

fn main() -> Result<(), ProductError> {
    let library = Library::shipped();
    let product = library.product("rig-bmu-44")?;
    let table = kinds::point_table(&product)?;
    let mut senders = Vec::new();
    let mut nodes = Vec::new();
    for pack in 1..=PACKS {
        let port = CanPort::compile(&product, "cluster", &library, &table, pack)?;
        let messages: Vec<_> = (0..CELL_FRAMES)
            .filter_map(|k| port.message(&format!("BMU_CELLV_{k:02}")))
            .collect();
        let mut points = Points::new(table.clone().into());
        for cell in 0..44 {
            if let Some(id) = table.find(&format!("cell[{cell}].voltage")) {
                points.set(id, 3.2 + 0.001 * f64::from(cell));
            }
        }
        senders.push((port, messages, points));
        nodes.push(RemoteNode::compile(&product, "cluster", &library, pack)?);
    }
    let mut router = CanRouter::new(nodes);
    let mut frames: Vec<CanFrame> = Vec::new();
    for (port, messages, points) in &senders {
        frames.extend(messages.iter().map(|&message| port.encode(message, points)));
    }
    if std::env::args().any(|argument| argument == "payloads") {
        print_payloads(&frames[..CELL_FRAMES]);
        return Ok(());
    }
    report("codec-encode", frames.len(), || {
        for (port, messages, points) in &senders {
            for &message in messages {
                black_box(port.encode(message, black_box(points)));
            }
        }
    });
    report("codec-decode", frames.len(), || {
        for frame in &frames {
            black_box(router.receive(SimTime::ZERO, black_box(frame)));
        }
    });
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the payloads are its output")]
fn print_payloads(frames: &[CanFrame]) {
    for frame in frames {
        let hex: Vec<String> = frame.data().iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{}", hex.concat());
    }
}

/// Best of five rounds of at least 200 ms.
#[allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement reads the clock and reports on standard output"
)]
fn report(name: &str, frames_per_call: usize, mut work: impl FnMut()) {
    let mut best: f64 = 0.0;
    for _ in 0..5 {
        let start = Instant::now();
        let mut calls = 0_usize;
        while start.elapsed() < Duration::from_millis(200) {
            for _ in 0..100 {
                work();
            }
            calls += 100;
        }
        let rate = (calls * frames_per_call) as f64 / start.elapsed().as_secs_f64();
        best = best.max(rate);
    }
    println!("{{\"name\":\"{name}\",\"value\":{best:.0},\"unit\":\"frames/s\"}}");
}
