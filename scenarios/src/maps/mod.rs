//! The vendor's path: register lists of others become maps ([`import`], with points from [`bindings`]), and every map,
//! DBC and product can be looked through ([`check`]) and written out as a table ([`doc`]).
//!
#![doc = include_str!("../../docs/vendor.md")]

pub(crate) mod bindings;
pub(crate) mod cells;
pub(crate) mod check;
pub(crate) mod columns;
pub(crate) mod doc;
pub(crate) mod habits;
pub(crate) mod import;
pub(crate) mod sheet;
mod write;

use std::fs;
use std::path::{Path, PathBuf};

use bess_types::Table;
use clap::Args;

use crate::mistake::Mistake;
use crate::suite::say;
use bindings::Bindings;
use columns::Picked;
use habits::Base;
use import::{Import, Wishes};
use sheet::Sheet;

/// Most bytes of a list.
const MOST_BYTES: u64 = 64 << 20;

#[derive(Args)]
pub(crate) struct ImportArgs {
    /// The vendor's list: CSV in any of its forms, or XLSX.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Register map to write.
    #[arg(long, short, value_name = "MAP.toml")]
    out: PathBuf,
    /// Sheet of a workbook [default: the one that looks most like a register list].
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// Which column is which, where their heads do not tell: KEY=HEAD, as in address="Start reg".
    #[arg(long = "column", value_name = "KEY=HEAD")]
    columns: Vec<Picked>,
    /// 0: addresses stand on the wire as they are; 1: they count from 1, as 40001 does [default: found out].
    #[arg(long, value_enum)]
    base: Option<Base>,
    /// Which word of a long value comes first, where the list does not say.
    #[arg(long, value_enum)]
    word_order: Option<WordOrder>,
    /// TOML with a table [bind]: names of the list's registers, and the points they carry.
    #[arg(long, value_name = "FILE")]
    points: Option<PathBuf>,
    /// Title of the map.
    #[arg(long)]
    title: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum WordOrder {
    HighFirst,
    LowFirst,
}

/// Reads a list, writes a map, and says everything that was concluded and found.
pub(crate) fn import_registers(args: &ImportArgs) -> Result<(), Mistake> {
    let wishes = Wishes {
        columns: args.columns.clone(),
        base: args.base,
        low_word_first: args.word_order.map(|order| order == WordOrder::LowFirst),
        title: args.title.clone(),
    };
    let name = args.file.to_string_lossy();
    let sheet = read_sheet(&args.file, args.sheet.as_deref())?;
    let mut import = Import::of(&name, &sheet, &wishes)?;
    if let Some(points) = &args.points {
        import.bind(&Bindings::read(points)?)?;
    }
    let base = args.file.file_name().unwrap_or_default().to_string_lossy();
    let mut head = vec![format!(
        "Imported from {base} by `bessrig import registers`. Addresses are those on the wire."
    )];
    head.extend(import.said.iter().cloned());
    let text = write::map(&import, &head);
    fs::write(&args.out, text).map_err(|error| {
        Mistake::new(
            format!("{}: {error}", args.out.display()),
            "name a file that can be written, with --out",
        )
    })?;
    for line in &import.said {
        say(&format!("{name}: {line}"));
    }
    for finding in &import.findings {
        say(&finding.to_string());
    }
    let bound = import
        .registers()
        .filter(|register| doc::is_bound(register))
        .count();
    let count = import.registers().count();
    say(&format!(
        "{}: {count} registers, {bound} with points, from {} rows; {} findings",
        args.out.display(),
        sheet.rows.len(),
        import.findings.len()
    ));
    Ok(())
}

fn read_sheet(path: &Path, wanted: Option<&str>) -> Result<Sheet, Mistake> {
    let name = path.display();
    let cannot = |why: String, help: &str| Mistake::new(format!("{name}: {why}"), help);
    let size = fs::metadata(path)
        .map_err(|error| cannot(error.to_string(), "name a CSV file or an XLSX workbook"))?
        .len();
    if size > MOST_BYTES {
        return Err(cannot(
            format!("{size} bytes are no register list"),
            "name a CSV file or an XLSX workbook",
        ));
    }
    let bytes = fs::read(path).map_err(|error| cannot(error.to_string(), ""))?;
    if Sheet::is_workbook(&bytes) {
        return Sheet::of_workbook(&bytes, wanted).map_err(|why| {
            cannot(
                why,
                "save it as XLSX once more, or as CSV; name a sheet with --sheet",
            )
        });
    }
    if wanted.is_some() {
        return Err(cannot("--sheet is for workbooks".into(), "leave --sheet out"));
    }
    Ok(Sheet::of_csv(&bytes))
}

/// One register or bit of a table.
fn table_in_words(table: Table) -> &'static str {
    match table {
        Table::Coil => "coil",
        Table::DiscreteInput => "discrete input",
        Table::Holding => "holding register",
        Table::Input => "input register",
    }
}
