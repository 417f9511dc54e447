//! `bessrig validate`: the twin against reference figures (published, derived or assumed), on the terminal and as a page.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use bess_validation::{Lab, Report, Row};

use crate::mistake::Mistake;
use crate::suite::say;

/// Runs it; the exit code is that of the worst row.
pub(crate) fn run(out: &Path, only: Option<&str>, interrupted: &AtomicBool) -> Result<u8, Mistake> {
    // before the minutes that the experiments take
    let page = out.join("validation.html");
    fs::create_dir_all(out).map_err(|error| Mistake::unwritable(format!("{}: {error}", out.display())))?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let lab = Lab::shipped();
    let report = bess_validation::run_unless(interrupted, &lab, only, cores).map_err(|error| {
        Mistake::new(
            error.to_string(),
            format!("experiments: {}", error.known.join(", ")),
        )
    })?;
    if interrupted.load(Ordering::Relaxed) {
        return Err(Mistake::new(
            "interrupted; no report is written",
            "--only runs a part of the experiments",
        ));
    }
    say(&columns([
        "found", "basis", "row", "twin", "unit", "expected", "source", "what",
    ]));
    for row in report.rows() {
        say(&line(row));
    }
    write(out, &page, &report).map_err(Mistake::unwritable)?;
    let totals = report.totals();
    say(&format!(
        "{}: {} rows, {} in range ({} of them predicted with an outside source, {} \
         predicted with a derived or assumed one), {} out of range, {} without a value\nreport: {}",
        report.verdict(),
        totals.rows,
        totals.pass,
        totals.predicted,
        totals.predicted_own,
        totals.fail,
        totals.error,
        page.display()
    ));
    Ok(report.verdict().exit_code())
}

fn write(out: &Path, page: &Path, report: &Report) -> Result<(), String> {
    let html = report.html()?;
    let json = report.json().map_err(|error| error.to_string())?;
    fs::write(page, html)
        .and_then(|()| fs::write(out.join("validation.json"), json))
        .map_err(|error| format!("{}: {error}", out.display()))
}

/// A line of the table; the last columns are as wide as their text.
fn columns(cells: [&str; 8]) -> String {
    let [found, basis, row, twin, unit, expected, source, what] = cells;
    format!("{found:<5} {basis:<10} {row:<30} {twin:>9} {unit:<6} {expected:<17} {source:<16} {what}")
}

fn line(row: &Row) -> String {
    let claim = &row.claim;
    let value = row.shown().unwrap_or_else(|| "-".to_owned());
    let weak = if claim.source.is_weak() { " (weak)" } else { "" };
    let mut line = columns([
        &row.verdict.to_string(),
        &claim.basis.to_string(),
        claim.id,
        &value,
        claim.unit,
        &claim.expected.to_string(),
        &format!("{}{weak}", claim.source),
        claim.what,
    ]);
    if !row.note.is_empty() {
        line.push_str("; ");
        line.push_str(&row.note);
    }
    line
}
