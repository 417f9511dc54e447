//! `bessrig map check`: what cannot work in a register map, DBC or product, what is hardly meant so, and what is good to
//! know. `bessrig check` asks here too and shows what cannot work.

use std::fs;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use bess_devices::codec::can::lint::{Sent, lint_port, traffic};
use bess_devices::codec::can::{DbcFile, lint as can_lint};
use bess_devices::codec::modbus::listing::Listing;
use bess_devices::codec::modbus::{RegisterMap, lint as modbus_lint};
use bess_devices::finding::{Finding, Level};
use bess_devices::kinds::{point_table, used_over_modbus};
use bess_devices::library::Library;
use bess_devices::points::PointTable;
use bess_devices::product::{Product, ProductError, Source};
use bess_rig::RigConfig;
use bess_rig::bus::bits::{FrameBits, INTERMISSION};
use bess_types::CanFrame;
use clap::Args;

use crate::bench::read_text;
use crate::check::{self, Kind, Passed};
use crate::mistake::Mistake;
use crate::suite::say;

#[derive(Args)]
pub(crate) struct CheckArgs {
    /// Register maps, DBCs and product files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    bus: Bus,
}

/// The bus a product's load is reckoned on.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Bus {
    /// Bit rate, bit/s.
    #[arg(long, default_value_t = 500_000, value_name = "BIT/S", value_parser = clap::value_parser!(u32).range(1..))]
    bit_rate: u32,
    /// Bit rate of the data of CAN FD frames, bit/s.
    #[arg(long, default_value_t = 2_000_000, value_name = "BIT/S", value_parser = clap::value_parser!(u32).range(1..))]
    data_bit_rate: u32,
    /// Nodes of the product on the bus.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=255))]
    nodes: u32,
}

impl Default for Bus {
    fn default() -> Self {
        Self {
            bit_rate: 500_000,
            data_bit_rate: 2_000_000,
            nodes: 1,
        }
    }
}

/// What a file is, and what was found in it.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) what: String,
    pub(crate) findings: Vec<Finding>,
}

impl Checked {
    fn broken(what: &str, error: ProductError) -> Self {
        Self {
            what: what.into(),
            findings: vec![error.into()],
        }
    }

    /// How many of each level but notes, in words; empty if there are none.
    fn count(&self) -> String {
        let count = |level| {
            self.findings
                .iter()
                .filter(|finding| finding.level == level)
                .count()
        };
        let parts = [
            (Level::Error, "error"),
            (Level::Warning, "warning"),
            (Level::Note, "note"),
        ];
        let parts = parts.into_iter().filter_map(|(level, word)| match count(level) {
            0 => None,
            1 => Some(format!(", 1 {word}")),
            n => Some(format!(", {n} {word}s")),
        });
        parts.collect()
    }

    /// For `bessrig check`: what cannot work as mistakes, else what the file is and its warnings.
    pub(crate) fn verdict(mut self) -> Result<Passed, Vec<Mistake>> {
        if !self.has_errors() {
            self.findings.retain(|finding| finding.level == Level::Warning);
            return Ok(Passed {
                what: self.what,
                warnings: self.findings,
            });
        }
        let errors = self
            .findings
            .into_iter()
            .filter(|finding| finding.level == Level::Error);
        Err(errors
            .map(|finding| Mistake::new(format!("{}: {}", finding.place, finding.message), finding.help))
            .collect())
    }

    /// What is doubtful in shipped files the user did not name is nothing the user can correct; how many these were.
    pub(crate) fn leave_out_shipped(&mut self, named: &[PathBuf]) -> usize {
        let real = |path: &Path| fs::canonicalize(path).ok();
        let is_named = |file: &str| {
            let file = Path::new(file);
            named
                .iter()
                .any(|path| path == file || real(path).is_some() && real(path) == real(file))
        };
        let before = self.findings.len();
        self.findings.retain(|finding| {
            let file = &*finding.place.file;
            finding.level == Level::Error || !Library::is_shipped(file) || is_named(file)
        });
        before - self.findings.len()
    }

    fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.level == Level::Error)
    }
}

/// Checks files and prints what was found; exit code 3 if something cannot work.
pub(crate) fn run(args: &CheckArgs, library: &Library) -> Result<u8, Vec<Mistake>> {
    let mut code = 0;
    let mut mistakes = Vec::new();
    for path in &args.files {
        let name = path.to_string_lossy();
        let read = read_text(path).map_err(|why| {
            Mistake::new(
                format!("{name}: {why}"),
                "name a register map, a DBC or a product file",
            )
        });
        let checked = read.and_then(|text| {
            let kind = check::kind(path, &text)?;
            file(kind, path, &text, library, &args.bus)?.ok_or_else(|| {
                Mistake::new(
                    format!("{name} is neither a register map nor a DBC nor a product file"),
                    "bessrig check takes rigs, features and parts of the plant",
                )
            })
        });
        match checked {
            Ok(mut checked) => {
                let others = checked.leave_out_shipped(&args.files);
                for finding in &checked.findings {
                    say(&finding.to_string());
                }
                let verdict = if checked.has_errors() { "bad" } else { "ok " };
                let others = match others {
                    0 => String::new(),
                    n => format!("; {n} more in shipped files it uses, which are not shown"),
                };
                say(&format!(
                    "{verdict} {name}: {}{}{others}",
                    checked.what,
                    checked.count()
                ));
                if checked.has_errors() {
                    code = bess_types::Verdict::Error.exit_code();
                }
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() {
        Ok(code)
    } else {
        Err(mistakes)
    }
}

/// Checks one file; nothing if it is of another kind.
pub(crate) fn file(
    kind: Kind,
    path: &Path,
    text: &str,
    library: &Library,
    bus: &Bus,
) -> Result<Option<Checked>, Mistake> {
    let name = path.to_string_lossy();
    Ok(Some(match kind {
        Kind::Dbc => match DbcFile::parse(&name, text) {
            Ok(dbc) => Checked {
                what: format!("DBC, {} messages", dbc.dbc.messages.len()),
                findings: can_lint::lint(&dbc),
            },
            Err(error) => Checked::broken("DBC", error),
        },
        Kind::RegisterMap => {
            let file_name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            register_map(file_name, &Source::new(&name, text), library)?
        }
        Kind::Product => match library.parse_product(&name, text) {
            Ok(product) => of_product(&product, library, bus),
            Err(error) => Checked::broken("product", error),
        },
        Kind::Feature | Kind::Rig | Kind::Part(_) => return Ok(None),
    }))
}

/// The products that use a register map, and their points.
pub(super) fn users(
    file_name: &str,
    library: &Library,
) -> Result<Vec<(Arc<Product>, PointTable)>, ProductError> {
    let mut users = Vec::new();
    for id in library.product_ids() {
        // what is wrong with a product is told where it is used
        let Ok(product) = library.product(&id) else {
            continue;
        };
        let uses = product
            .registers()
            .is_some_and(|(file, _)| file.get_ref() == file_name);
        if uses {
            let table = point_table(&product)?;
            users.push((product, table));
        }
    }
    Ok(users)
}

/// A register map makes sense with the points of the products that use it.
fn register_map(file_name: &str, source: &Source, library: &Library) -> Result<Checked, Mistake> {
    let mut findings = Vec::new();
    let (mut users, mut tables) = (Vec::new(), Vec::new());
    for (product, table) in self::users(file_name, library)? {
        if let Err(error) = RegisterMap::compile(&source.file, &source.text, &table, &product.model) {
            findings.push(Finding::from(error));
        }
        users.push(product.id.clone());
        tables.push(table);
    }
    // Rows and scale factors follow the product: each is held against its own. What several find is told once.
    let none = PointTable::default();
    let mut registers = 0;
    let mut told: Vec<(Level, usize)> = Vec::new();
    let held = if tables.is_empty() {
        slice::from_ref(&none)
    } else {
        &tables[..]
    };
    for table in held {
        let listing = match Listing::of(source, table) {
            Ok(listing) => listing,
            Err(error) => return Ok(Checked::broken("register map", error)),
        };
        registers = listing.registers.len();
        let points: &[&PointTable] = if users.is_empty() { &[] } else { &[table] };
        let mut found = modbus_lint::lint(&listing, points);
        found.retain(|finding| !told.contains(&(finding.level, finding.place.line)));
        told.extend(found.iter().map(|finding| (finding.level, finding.place.line)));
        findings.extend(found);
    }
    let what = if users.is_empty() {
        findings.push(Finding::warning(
            &source.place(0..0),
            "no product uses this register map, so nothing is held against points",
            format!("write registers = \"{file_name}\" in a product file, and give --data if it is not a shipped one"),
        ));
        format!("register map, {registers} registers")
    } else {
        format!("register map of {}", users.join(", "))
    };
    // The compiler and the list may have found the same.
    let mut seen = Vec::new();
    findings.retain(|finding: &Finding| {
        let own = (finding.level, finding.place.line);
        let again = finding.level == Level::Error && seen.contains(&own);
        seen.push(own);
        !again
    });
    findings.sort_by_key(|finding| finding.place.line);
    Ok(Checked { what, findings })
}

/// The products of a rig, each once.
fn products(config: &RigConfig, library: &Library) -> Vec<Arc<Product>> {
    let mut products: Vec<Arc<Product>> = Vec::new();
    for (_, product) in bess_rig::wiring::products(config, library) {
        if products.iter().all(|other| other.id != product.id) {
            products.push(product);
        }
    }
    products
}

/// Points that controllers use over Modbus and no register of a rig's products carries: a start may wait for one in vain.
pub(crate) fn unserved(config: &RigConfig, library: &Library) -> Vec<Finding> {
    let of_product = |product: Arc<Product>| {
        let (map, source) = product.registers()?;
        let table = point_table(&product).ok()?;
        let listing = Listing::of(library.register_map(map.get_ref()).ok()?, &table).ok()?;
        let used = used_over_modbus(product.kind);
        Some(modbus_lint::unserved(&listing, used, &source.place(map.span())))
    };
    let products = products(config, library).into_iter();
    products.filter_map(of_product).flatten().collect()
}

/// What is hardly meant so in a rig's products of the user's own, and in the files they use.
pub(crate) fn of_rig(config: &RigConfig, library: &Library) -> Vec<Finding> {
    let products = products(config, library);
    let mut warnings: Vec<Finding> = Vec::new();
    for product in products {
        let mut checked = of_product(&product, library, &Bus::default());
        checked.leave_out_shipped(&[]);
        let hardly_meant = checked
            .findings
            .into_iter()
            .filter(|finding| finding.level == Level::Warning);
        for finding in hardly_meant {
            if !warnings.contains(&finding) {
                warnings.push(finding);
            }
        }
    }
    warnings
}

fn of_product(product: &Product, library: &Library, bus: &Bus) -> Checked {
    let table = match point_table(product) {
        Ok(table) => table,
        Err(error) => return Checked::broken("product", error),
    };
    let mut findings = Vec::new();
    for (spec, source) in product.ports() {
        let port = spec.port.get_ref();
        let found = lint_port(product, port, library, &table);
        let works = found.iter().all(|finding| finding.level < Level::Error);
        findings.extend(found);
        if works && let Ok(sent) = traffic(product, port, library, &table) {
            findings.extend(load(port, &sent, &source.place(spec.dbc.span()), bus));
        }
    }
    if let Some((map, source)) = product.registers() {
        match RegisterMap::of_product(product, library, &table) {
            Err(error) => findings.push(error.into()),
            Ok(_) => {
                if let Ok(listing) = library
                    .register_map(map.get_ref())
                    .and_then(|source| Listing::of(source, &table))
                {
                    findings.extend(modbus_lint::lint(&listing, &[&table]));
                    let used = used_over_modbus(product.kind);
                    findings.extend(modbus_lint::unserved(&listing, used, &source.place(map.span())));
                }
            }
        }
    }
    Checked {
        what: format!("product `{}`, {} points", product.id, table.len()),
        findings,
    }
}

/// What a product's cyclic messages take of a bus. Payloads of zeros are reckoned with, which are stuffed heavily.
fn load(port: &str, sent: &[Sent], place: &bess_devices::product::Place, bus: &Bus) -> Option<Finding> {
    let mut share = 0.0;
    let mut frames = 0.0;
    for one in sent {
        let Some(period) = one.period else { continue };
        let zeros = vec![0; usize::from(one.bytes)];
        let frame = match one.fd {
            None => CanFrame::new(one.id, &zeros),
            Some(flags) => CanFrame::new_fd(one.id, flags, &zeros),
        };
        let bits = FrameBits::of(&frame?);
        let seconds = f64::from(bits.nominal + INTERMISSION) / f64::from(bus.bit_rate)
            + f64::from(bits.fast) / f64::from(bus.data_bit_rate);
        let per_second = 1.0 / period.max(Duration::from_millis(1)).as_secs_f64();
        share += seconds * per_second;
        frames += per_second;
    }
    if frames == 0.0 {
        return None;
    }
    let nodes = f64::from(bus.nodes);
    let (share, frames) = (share * nodes, frames * nodes);
    let said = format!(
        "port {port}: {} of this product send{} {frames:.0} frames/s, {:.1} % of a bus of {} bit/s",
        if bus.nodes == 1 {
            "one node".to_owned()
        } else {
            format!("{} nodes", bus.nodes)
        },
        if bus.nodes == 1 { "s" } else { "" },
        share * 100.0,
        bus.bit_rate
    );
    Some(if share > 1.0 {
        Finding::error(
            place,
            said,
            "it cannot be sent: longer periods, fewer nodes, or a higher --bit-rate",
        )
    } else if share > 0.7 {
        Finding::warning(
            place,
            said,
            "other nodes have hardly room: longer periods, fewer nodes, or a higher --bit-rate",
        )
    } else {
        Finding::note(place, said, "")
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    #[test]
    fn no_shipped_file_is_doubtful() {
        let library = Library::shipped();
        let names: Vec<String> = library.paths().map(str::to_owned).collect();
        let mut warned = Vec::new();
        for name in &names {
            let (kind, path, text) = if let Some(id) = name.strip_prefix("products/") {
                let found = library.product(id).unwrap();
                let place = found.source().file.clone();
                let text = library.text_of(&place).unwrap();
                (Kind::Product, place, text.to_owned())
            } else if name.starts_with("dbc/") {
                let dbc = library.dbc(name.strip_prefix("dbc/").unwrap()).unwrap();
                (Kind::Dbc, dbc.file.clone(), dbc.text.clone())
            } else {
                let map = library
                    .register_map(name.strip_prefix("modbus/").unwrap())
                    .unwrap();
                (Kind::RegisterMap, map.file.clone(), map.text.clone())
            };
            let checked = file(kind, Path::new(&path), &text, &library, &Bus::default());
            let Ok(Some(checked)) = checked else {
                panic!("{name} is not checked");
            };
            let bad = checked
                .findings
                .into_iter()
                .filter(|finding| finding.level > Level::Note);
            warned.extend(bad.map(|finding| finding.to_string()));
        }
        assert!(names.len() > 50, "{}", names.len());
        assert!(warned.is_empty(), "{}", warned.join("\n"));
    }
}
