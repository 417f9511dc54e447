//! The vendor's path: register lists of others become maps ([`import`], with points from [`bindings`]), and every map,
//! DBC and product can be looked through ([`check`]) and written out as a table ([`doc`]).
//!
#![doc = include_str!("../../docs/vendor.md")]

pub(crate) mod bindings;
pub(crate) mod cells;
pub(crate) mod check;
pub(crate) mod columns;
pub(crate) mod doc;
mod factors;
pub(crate) mod habits;
pub(crate) mod import;
mod naming;
mod quotes;
pub(crate) mod sheet;
mod types;
mod word_order;
mod write;

use std::path::{Path, PathBuf};
use std::{fs, iter};

use bess_devices::library::Library;
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
    /// Sheet of a workbook, may be repeated [default: all that have the head of a register list].
    #[arg(long = "sheet", value_name = "NAME")]
    sheets: Vec<String>,
    /// Which column is which, where their heads do not tell: KEY=HEAD, as in address="Start reg".
    #[arg(long = "column", value_name = "KEY=HEAD")]
    columns: Vec<Picked>,
    /// 0: addresses stand on the wire as they are; 1: they count from 1, as 40001 does [default: found out].
    #[arg(long, value_enum)]
    base: Option<Base>,
    /// Table of rows whose list does not say it: by function codes, titles, names of sheets or first digits of addresses
    /// [default: holding].
    #[arg(long, value_enum)]
    table: Option<TableWish>,
    /// Which word of a long value comes first, whatever the list says.
    #[arg(long, value_enum)]
    word_order: Option<WordOrder>,
    /// TOML with a table [bind]: names of the list's registers, and the points they carry. With kind = "pcs" or another kind
    /// of device, the points must be that kind's.
    #[arg(long, value_name = "FILE")]
    points: Option<PathBuf>,
    /// Product whose points those of --points must be.
    #[arg(long, value_name = "ID", requires = "points")]
    product: Option<String>,
    /// Title of the map.
    #[arg(long)]
    title: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum WordOrder {
    HighFirst,
    LowFirst,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum TableWish {
    Holding,
    Input,
    Coils,
    Discrete,
}

impl From<TableWish> for Table {
    fn from(wish: TableWish) -> Self {
        match wish {
            TableWish::Holding => Self::Holding,
            TableWish::Input => Self::Input,
            TableWish::Coils => Self::Coil,
            TableWish::Discrete => Self::DiscreteInput,
        }
    }
}

/// Reads a list, writes a map, and says everything that was concluded and found.
pub(crate) fn import_registers(args: &ImportArgs, library: &Library) -> Result<(), Vec<Mistake>> {
    let one = |mistake: Mistake| vec![mistake];
    let wishes = Wishes {
        columns: args.columns.clone(),
        base: args.base,
        low_word_first: args.word_order.map(|order| order == WordOrder::LowFirst),
        table: args.table.map(Table::from),
        title: args.title.clone(),
    };
    let inputs: Vec<&Path> = iter::once(&args.file)
        .chain(&args.points)
        .map(PathBuf::as_path)
        .collect();
    no_input(&args.out, &inputs).map_err(one)?;
    a_map_or_nothing(&args.out).map_err(one)?;
    let name = args.file.to_string_lossy();
    let sheets = read_sheets(&args.file, &args.sheets, &args.columns).map_err(one)?;
    let mut import = Import::of(&name, &sheets, &wishes).map_err(one)?;
    if let Some(points) = &args.points {
        let bindings = Bindings::read(points).map_err(one)?;
        let against = bindings.against(args.product.as_deref(), library).map_err(one)?;
        import.bind(&bindings, against.as_ref())?;
        if against.is_none() {
            say(&format!(
                "{}: points are not looked at before a product uses the map: write kind = \"pcs\", or another kind, above \
                 [bind], or give --product ID",
                points.display()
            ));
        }
    }
    let base = args.file.file_name().unwrap_or_default().to_string_lossy();
    let mut head = vec![format!(
        "Imported from {base} by `bessrig import registers`. Addresses are those on the wire."
    )];
    head.extend(import.said.iter().cloned());
    let text = write::map(&import, &head);
    fs::write(&args.out, text).map_err(|error| {
        one(Mistake::new(
            format!("{}: {error}", args.out.display()),
            "name a file that can be written, with --out",
        ))
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
        sheets.iter().map(|sheet| sheet.rows.len()).sum::<usize>(),
        import.findings.len()
    ));
    Ok(())
}

/// Output must not take the place of what is read.
fn no_input(out: &Path, inputs: &[&Path]) -> Result<(), Mistake> {
    let real = |path: &Path| fs::canonicalize(path).ok();
    match inputs
        .iter()
        .find(|input| real(out).is_some() && real(out) == real(input))
    {
        Some(input) => Err(Mistake::new(
            format!("{} is read, and would be overwritten", input.display()),
            "name another file with --out",
        )),
        None => Ok(()),
    }
}

/// A file that is there already is overwritten only if it is a register map.
fn a_map_or_nothing(out: &Path) -> Result<(), Mistake> {
    if !out.is_file() {
        return Ok(());
    }
    let is_map = match fs::read(out) {
        Ok(bytes) => match str::from_utf8(&bytes) {
            Ok(text) if text.trim().is_empty() => true,
            Ok(text) => toml::from_str::<toml::Table>(text)
                .is_ok_and(|table| table.contains_key("block") && !table.contains_key("kind")),
            Err(_) => false,
        },
        Err(_) => false,
    };
    if is_map {
        return Ok(());
    }
    Err(Mistake::new(
        format!("{} is there already and is no register map", out.display()),
        "name another file with --out, or remove this one",
    ))
}

fn read_sheets(path: &Path, wanted: &[String], picked: &[Picked]) -> Result<Vec<Sheet>, Mistake> {
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
        return Sheet::of_workbook(&bytes, wanted, picked).map_err(|why| {
            cannot(
                why,
                "save it as XLSX once more, or as CSV; name a sheet with --sheet",
            )
        });
    }
    if let Some((what, help)) = Sheet::foreign(&bytes) {
        return Err(cannot(format!("it is {what}, not a register list"), help));
    }
    if !wanted.is_empty() {
        return Err(cannot("--sheet is for workbooks".into(), "leave --sheet out"));
    }
    Ok(vec![Sheet::of_csv(&bytes)])
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
