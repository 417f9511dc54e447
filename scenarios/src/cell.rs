//! `bessrig cell`: one cell of the catalogue under a current profile, as a table. For looking at a cell of one's own and
//! for comparing it with other models and measurements; every figure is the plant's own (`bess_plant::bench`).

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use bess_catalogue::Catalogue;
use bess_catalogue::product::Cell;
use bess_plant::bench::CellBench;

use crate::bench::read_text;
use crate::mistake::Mistake;

/// Longest profile, s: a year.
const LONGEST_S: u64 = 366 * 86_400;

/// How the cell stands at the start and what is around it.
#[derive(clap::Args)]
pub(crate) struct Surroundings {
    /// State of charge at the start, 0 to 1.
    #[arg(long, default_value_t = 0.5)]
    soc: f64,
    /// Temperature of the cell at the start and of its surroundings, °C.
    #[arg(long, default_value_t = 25.0, allow_negative_numbers = true)]
    celsius: f64,
    /// Conductance from the cell to its surroundings, W/K; 0 keeps all heat, a large one holds the temperature.
    #[arg(long, default_value_t = 1e6)]
    cooling: f64,
}

/// Runs the profile; the table has one row for each second, and one for the start.
pub(crate) fn run(
    catalogue: &Catalogue,
    cell: &str,
    profile: &Path,
    around: &Surroundings,
    out: &Path,
) -> Result<(), Mistake> {
    let spec = catalogue.product::<Cell>(cell)?.value.cell;
    let mut bench = CellBench::new(&spec, around.soc, around.celsius, around.cooling, around.celsius)
        .map_err(|error| Mistake::new(error.to_string(), ""))?;
    let name = profile.to_string_lossy();
    let text = read_text(profile).map_err(|why| Mistake::new(format!("{name}: {why}"), "check the path"))?;
    let mut table = String::from("time_s,current_a,voltage_v,temperature_c,soc,heat_w\n");
    let mut row = |time_s: u64, current_a: f64, bench: &CellBench| {
        writeln!(
            table,
            "{time_s},{current_a},{:.6},{:.5},{:.7},{:.6}",
            bench.voltage_v(),
            bench.temperature_c(),
            bench.soc(),
            bench.heat_w() + bench.reversible_w()
        )
        .map_err(|error| Mistake::new(error.to_string(), ""))
    };
    row(0, 0.0, &bench)?;
    let mut time_s = 0;
    for (seconds, current_a) in legs(&name, &text)? {
        for _ in 0..seconds {
            time_s += 1;
            bench.step(current_a);
            row(time_s, current_a, &bench)?;
        }
    }
    fs::write(out, table).map_err(|error| {
        Mistake::new(
            format!("{}: {error}", out.display()),
            "name a file that can be written",
        )
    })
}

/// Legs of a profile: whole seconds, and a current in A, discharging positive.
fn legs(file: &str, text: &str) -> Result<Vec<(u64, f64)>, Mistake> {
    let help = "a profile is CSV: the line `seconds,amperes`, then a line for each leg, discharging positive";
    let mut lines = text.lines().enumerate();
    if lines
        .next()
        .is_none_or(|(_, head)| head.trim() != "seconds,amperes")
    {
        return Err(Mistake::at_line(file, text, 1, "not the head of a profile", help));
    }
    let mut total_s = 0_u64;
    let mut legs = Vec::new();
    for (k, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let leg = line.split_once(',').and_then(|(seconds, amperes)| {
            let seconds = seconds.trim().parse::<u32>().ok()?;
            let amperes = amperes.trim().parse::<f64>().ok()?;
            amperes.is_finite().then_some((u64::from(seconds), amperes))
        });
        let Some(leg) = leg else {
            return Err(Mistake::at_line(
                file,
                text,
                k + 1,
                "not a number of whole seconds and a current",
                help,
            ));
        };
        total_s += leg.0;
        if total_s > LONGEST_S {
            return Err(Mistake::at_line(file, text, k + 1, "longer than a year", help));
        }
        legs.push(leg);
    }
    if total_s == 0 {
        return Err(Mistake::at_line(
            file,
            text,
            1,
            "a profile without a second",
            help,
        ));
    }
    Ok(legs)
}
