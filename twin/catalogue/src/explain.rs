//! The catalogue in words: what `bessrig catalogue` prints.

use core::fmt::{self, Write as _};

use crate::catalogue::{Catalogue, File};
use crate::conflict::{Conflict, conflict, conflicts};
use crate::error::CatalogueError;
use crate::figure::Figure;
use crate::product::{Agent, Alternative, Cell, Container, HvBox, Kind, Pack, Pcs, Site, Station};
use crate::rating::Fit;
use crate::source::sources;
use crate::tag::Tag;

/// How alike an id must be to be offered for another, 0 to 1.
const ALIKE: f64 = 0.6;

/// Something a product is made of.
struct Part {
    count: usize,
    kind: Kind,
    id: String,
}

impl Catalogue {
    /// All products by kind: id, main figures, title, conflicts.
    ///
    /// # Errors
    /// If a product does not read.
    pub fn list(&self) -> Result<String, CatalogueError> {
        let mut text = String::new();
        for kind in Kind::ALL {
            let mut rows = Vec::new();
            for id in self.ids(kind) {
                let (title, flags) = self.head(kind, id)?;
                let flags: Vec<_> = flags.iter().map(u8::to_string).collect();
                rows.push([id.to_owned(), self.in_short(kind, id)?, title, flags.join(" ")]);
            }
            let _ = writeln!(text, "{}", kind.folder());
            text.push_str(&table(&rows));
            text.push('\n');
        }
        text.push_str(
            "The last column has the numbers of conflicts in the sources. ID explains a product, a number a conflict; \
             \"conflicts\" and \"sources\" list all of these.\n",
        );
        Ok(text)
    }

    /// Everything about the products with this id, or about the conflict with this number; all conflicts or all sources.
    ///
    /// # Errors
    /// If there is neither, or a product does not read.
    pub fn explain(&self, id: &str) -> Result<String, CatalogueError> {
        let number = id.strip_prefix("conflict-").unwrap_or(id);
        if id == "conflicts" {
            let each: Vec<_> = conflicts().iter().map(told).collect();
            return Ok(each.join("\n"));
        }
        if id == "sources" {
            let each = sources()
                .iter()
                .map(|source| [source.tag.to_string(), source.what.clone()]);
            return Ok(table(&each.collect::<Vec<_>>()));
        }
        if let Some(conflict) = number.parse().ok().and_then(conflict) {
            return self.explain_conflict(conflict);
        }
        let kinds = || {
            Kind::ALL
                .into_iter()
                .filter(|kind| self.file(*kind, id).is_some())
        };
        if kinds().next().is_none() {
            return Err(self.nothing_like(id));
        }
        let each: Result<Vec<_>, _> = kinds().map(|kind| self.explain_product(kind, id)).collect();
        Ok(each?.join("\n\n"))
    }

    fn nothing_like(&self, id: &str) -> CatalogueError {
        let mut near: Vec<_> = Kind::ALL
            .into_iter()
            .flat_map(|kind| self.ids(kind))
            .map(|other| {
                let alike = strsim::normalized_damerau_levenshtein(&id.to_lowercase(), &other.to_lowercase());
                (alike, other)
            })
            .filter(|(alike, _)| *alike >= ALIKE)
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        let near: Vec<_> = near.into_iter().take(5).map(|(_, id)| id).collect();
        let help = if near.is_empty() {
            "bessrig catalogue lists all products".to_owned()
        } else {
            format!("near: {}; bessrig catalogue lists all products", near.join(", "))
        };
        CatalogueError::nowhere(format!("there is no product and no conflict `{id}`"), help)
    }

    fn explain_conflict(&self, conflict: &Conflict) -> Result<String, CatalogueError> {
        let mut text = told(conflict);
        text.push_str("  It concerns:\n");
        let mut rows = Vec::new();
        for kind in Kind::ALL {
            for id in self.ids(kind) {
                let (title, flags) = self.head(kind, id)?;
                if flags.contains(&conflict.number) {
                    rows.push([kind.word().to_owned(), id.to_owned(), title]);
                }
            }
        }
        text.push_str(&table(&rows));
        Ok(text)
    }

    fn explain_product(&self, kind: Kind, id: &str) -> Result<String, CatalogueError> {
        let (title, flags) = self.head(kind, id)?;
        let file = self.file(kind, id).ok_or_else(|| self.unknown(kind, id))?;
        let mut text = format!("{id}: {}\n{title}\n{}\n", kind.word(), file.path());
        for base in self.bases(kind, file)? {
            let _ = writeln!(text, "what its tables lack: {}", base.path());
        }
        section(&mut text, "Checked", &self.checked(kind, file));
        let mut made_of = String::new();
        self.tree(kind, id, 1, &mut made_of)?;
        section(&mut text, "Made of", &made_of);
        section(&mut text, "Part of", &self.users(kind, id)?);
        section(&mut text, "What follows", &table(&self.consequences(kind, id)?));
        section(&mut text, "Figures", &figures(&self.figures(kind, id)?));
        let concerned: Vec<_> = flags
            .iter()
            .filter_map(|number| conflict(*number))
            .map(told)
            .collect();
        section(&mut text, "Conflicts in the sources", &concerned.concat());
        Ok(text)
    }

    /// What the check says of a product; nothing of a shipped one that is right, which tests see to.
    fn checked(&self, kind: Kind, file: &File) -> String {
        match self.check(kind, file.clone()) {
            Ok(_) if self.is_shipped(file) => String::new(),
            Ok(said) => format!("  right: {}\n", said.replace('\n', "\n  ")),
            Err(error) => {
                let begin = error.span().map_or(0, |span| span.start);
                let place = error.file().map(|file| format!("{}: ", file.line_of(begin)));
                let place = place.unwrap_or_default();
                format!("  refused: {place}{error}\n  help: {}\n", error.help())
            }
        }
    }

    fn head(&self, kind: Kind, id: &str) -> Result<(String, Vec<u8>), CatalogueError> {
        macro_rules! head {
            ($($kind:ident),*) => {
                match kind {
                    $(Kind::$kind => self.product::<$kind>(id).map(|read| (read.value.title, read.value.flags)),)*
                }
            };
        }
        head!(Cell, Pack, HvBox, Pcs, Station, Agent, Container, Site)
    }

    fn in_short(&self, kind: Kind, id: &str) -> Result<String, CatalogueError> {
        Ok(match kind {
            Kind::Cell => {
                let Cell { cell, nominal_v, .. } = self.product::<Cell>(id)?.value;
                let wh = cell.capacity_ah * nominal_v;
                format!("{} Ah, {} Wh", Short(cell.capacity_ah), Short(wh))
            }
            Kind::Pack => {
                let pack = self.product::<Pack>(id)?;
                let cell = self.part::<Cell>(&pack.file, &pack.value.cell)?.value;
                let volts = cell.nominal_v * pack.value.cells as f64;
                let kwh = volts * cell.cell.capacity_ah / 1e3;
                format!(
                    "{} x {}, {} V, {} kWh",
                    pack.value.cells,
                    cell.id,
                    Short(volts),
                    Short(kwh)
                )
            }
            Kind::HvBox => {
                let HvBox { rated_v, hv_box, .. } = self.product::<HvBox>(id)?.value;
                format!("{} V, {} A", Short(rated_v), Short(hv_box.rated_a))
            }
            Kind::Pcs => {
                let Pcs { converter, grid, .. } = self.product::<Pcs>(id)?.value;
                let [low, high] = converter.dc_range_v.map(Short);
                let kva = converter.rated_va / 1e3;
                format!(
                    "{} kVA at {} V, {low} to {high} V DC",
                    Short(kva),
                    Short(grid.nominal_v)
                )
            }
            Kind::Station => {
                let station = self.product::<Station>(id)?.value;
                let (count, pcs) = (station.pcs_count, station.pcs.get_ref());
                format!(
                    "{} kVA, {count} x {pcs}, {} strings",
                    Short(station.rated_kva),
                    station.strings
                )
            }
            Kind::Agent => {
                let agent = self.product::<Agent>(id)?.value.agent;
                let (out, cooling) = (Short(agent.flame_out_s), Short(agent.cooling_w / 1e3));
                format!("flame out in {out} s, cooling {cooling} kW")
            }
            Kind::Container => {
                let rating = self.rating(id, None)?;
                let [mw, mwh] = [rating.rated_w, rating.installed_wh()].map(|value| Short(value / 1e6));
                let (clusters, cells) = (rating.clusters, rating.cells_in_series);
                format!(
                    "{mw} MW, {mwh} MWh, {clusters} x {cells} cells, {} V",
                    Short(rating.nominal_v)
                )
            }
            Kind::Site => {
                let site = self.product::<Site>(id)?.value;
                let rating = self.site_rating(id)?;
                let (containers, container) = (rating.containers, site.container.get_ref());
                let [mw, mwh] = [site.power_mw, site.energy_mwh].map(Short);
                format!("{mw} MW, {mwh} MWh, {containers} x {container}")
            }
        })
    }

    fn parts(&self, kind: Kind, id: &str) -> Result<Vec<Part>, CatalogueError> {
        let part = |count, kind, id: &str| Part {
            count,
            kind,
            id: id.to_owned(),
        };
        Ok(match kind {
            Kind::Cell | Kind::HvBox | Kind::Pcs | Kind::Agent => vec![],
            Kind::Pack => {
                let pack = self.product::<Pack>(id)?.value;
                vec![part(pack.cells, Kind::Cell, pack.cell.get_ref())]
            }
            Kind::Station => {
                let station = self.product::<Station>(id)?.value;
                vec![part(station.pcs_count, Kind::Pcs, station.pcs.get_ref())]
            }
            Kind::Container => {
                let container = self.product::<Container>(id)?.value;
                let packs = container.clusters * container.packs_per_cluster;
                vec![
                    part(packs, Kind::Pack, container.pack.get_ref()),
                    part(container.clusters, Kind::HvBox, container.hv_box.get_ref()),
                    part(container.pcs_count, Kind::Pcs, container.pcs.get_ref()),
                    part(1, Kind::Agent, &container.suppression.agent),
                ]
            }
            Kind::Site => {
                let site = self.product::<Site>(id)?.value;
                let containers = self.site_rating(id)?.containers;
                let mut parts = vec![part(containers, Kind::Container, site.container.get_ref())];
                parts.extend(site.station.iter().map(|group| {
                    let id = group.id.get_ref();
                    let pcs = self.file(Kind::Pcs, id).is_some();
                    part(group.count, if pcs { Kind::Pcs } else { Kind::Station }, id)
                }));
                parts
            }
        })
    }

    fn tree(&self, kind: Kind, id: &str, depth: usize, text: &mut String) -> Result<(), CatalogueError> {
        for Part { count, kind, id } in self.parts(kind, id)? {
            let (title, _) = self.head(kind, &id)?;
            let _ = writeln!(
                text,
                "{:indent$}{count} x {} {id}: {title}",
                "",
                kind.word(),
                indent = 2 * depth
            );
            // The site has PCS of its own for those its containers name.
            let own_pcs = kind == Kind::Container;
            if !own_pcs {
                self.tree(kind, &id, depth + 1, text)?;
            }
        }
        Ok(())
    }

    fn users(&self, kind: Kind, id: &str) -> Result<String, CatalogueError> {
        let mut text = String::new();
        for user_kind in Kind::ALL {
            let mut users = Vec::new();
            for user in self.ids(user_kind) {
                let mut parts = self.parts(user_kind, user)?.into_iter();
                if parts.any(|part| (part.kind, part.id.as_str()) == (kind, id)) {
                    users.push(user);
                }
            }
            if !users.is_empty() {
                let _ = writeln!(text, "  {}: {}", user_kind.folder(), users.join(", "));
            }
        }
        Ok(text)
    }

    /// What follows from the figures by arithmetic.
    fn consequences(&self, kind: Kind, id: &str) -> Result<Vec<[String; 2]>, CatalogueError> {
        let mut rows = Vec::new();
        let mut say = |what: &str, value: String| rows.push([what.to_owned(), value]);
        match kind {
            Kind::Cell => {
                let Cell { cell, nominal_v, .. } = self.product::<Cell>(id)?.value;
                say("energy", format!("{} Wh", Short(cell.capacity_ah * nominal_v)));
                let heat = cell.mass_kg * cell.specific_heat_j_per_kg_k / 1e3;
                say("heat capacity", format!("{} kJ/K", Short(heat)));
            }
            Kind::Pack => {
                let pack = self.product::<Pack>(id)?;
                let cell = self.part::<Cell>(&pack.file, &pack.value.cell)?.value;
                let cells = pack.value.cells as f64;
                let [low, high] = cell.window_v.map(|v| Short(v * cells));
                let volts = cell.nominal_v * cells;
                say("nominal voltage", format!("{} V", Short(volts)));
                say("voltage window", format!("{low} to {high} V"));
                say(
                    "energy",
                    format!("{} kWh", Short(volts * cell.cell.capacity_ah / 1e3)),
                );
            }
            Kind::HvBox | Kind::Agent => {}
            Kind::Pcs => {
                let pcs = self.product::<Pcs>(id)?.value;
                if let Some(va) = pcs.ac_max_va() {
                    let value = format!(
                        "{} kVA, {} rated",
                        Short(va / 1e3),
                        Percent(va / pcs.converter.rated_va)
                    );
                    say("√3 · nominal AC voltage · highest AC current", value);
                }
                let overload = Percent(pcs.converter.overload_pu);
                say(
                    "highest power",
                    format!(
                        "{overload} of the rated one, here without end: time limits of an overload are not modelled"
                    ),
                );
                let low = format!("{} kW", Short(pcs.dc_low_w() / 1e3));
                say("lowest DC voltage · highest DC current", low);
                let least = std::f64::consts::SQRT_2 * pcs.grid.nominal_v;
                say("least DC voltage without boost", format!("{} V", Short(least)));
                let [out, taken] = pcs.best_efficiency(None).map(Percent);
                say(
                    "best efficiency of the loss model",
                    format!("{out} discharging, {taken} charging"),
                );
                say("fits", self.fitted(Kind::Pcs, id)?);
            }
            Kind::Station => {
                let station = self.product::<Station>(id)?;
                let pcs = self.part::<Pcs>(&station.file, &station.value.pcs)?.value;
                let count = station.value.pcs_count as f64;
                say(
                    "its PCS together",
                    format!("{} kVA", Short(count * pcs.converter.rated_va / 1e3)),
                );
                say(
                    "their DC current",
                    format!("{} A", Short(count * pcs.converter.dc_max_a)),
                );
                let [out, taken] = pcs.best_efficiency(Some(&station.value.transformer)).map(Percent);
                say(
                    "best efficiency of the loss model",
                    format!("{out} discharging, {taken} charging"),
                );
                say("fits", self.fitted(Kind::Station, id)?);
            }
            Kind::Container => {
                let container = self.product::<Container>(id)?.value;
                let rating = self.rating(id, None)?;
                let (cells, series) = (rating.cells(), rating.cells_in_series);
                let clusters = match rating.clusters {
                    1 => "one cluster".to_owned(),
                    clusters => format!("{clusters} clusters"),
                };
                say("cells", format!("{cells}: {clusters} of {series} in series"));
                say(
                    "packs",
                    format!(
                        "{}: {} in series in each",
                        rating.packs(),
                        rating.packs_per_cluster
                    ),
                );
                let [low, high] = rating.window_v.map(Short);
                say("nominal voltage", format!("{} V", Short(rating.nominal_v)));
                say("voltage window", format!("{low} to {high} V"));
                say(
                    "energy of a cluster",
                    format!("{} kWh", Short(rating.cluster_wh() / 1e3)),
                );
                let installed = rating.installed_wh();
                let printed = container.rated_kwh.map_or_else(String::new, |kwh| {
                    format!(
                        ", {:+.2} % of the printed {} kWh",
                        (((installed / kwh / 1e3 - 1.0) * 1e4).round() + 0.0) / 100.0,
                        Short(kwh)
                    )
                });
                say("energy", format!("{} kWh{printed}", Short(installed / 1e3)));
                let [nominal, most] = rating.stack_a().map(Short);
                say(
                    "stack at rated power",
                    format!("{nominal} A at nominal voltage, {most} A at the lowest"),
                );
                let [nominal, most] = rating.cluster_a().map(Short);
                let rated = Short(rating.box_a);
                say(
                    "a cluster of it",
                    format!("{nominal} A, {most} A at the lowest; its box is for {rated} A"),
                );
                let fits: Vec<_> = self.fitting(&rating)?.iter().map(Fit::to_string).collect();
                let none = "none".to_owned();
                let fits = if fits.is_empty() { none } else { fits.join(", ") };
                say("PCS and stations that fit", fits);
            }
            Kind::Site => {
                let site = self.product::<Site>(id)?;
                let rating = self.site_rating(id)?;
                let hours = site.value.energy_mwh / site.value.power_mw;
                say("hours at rated power", format!("{hours:.3}"));
                let [mw, mwh] = [rating.rated_w, rating.installed_wh].map(|value| Short(value / 1e6));
                say(
                    "installed",
                    format!("{mw} MW, {mwh} MWh in {} containers", rating.containers),
                );
                let mva = Short(rating.station_va / 1e6);
                say("stations", format!("{}, {mva} MVA", rating.stations));
                for group in &site.value.station {
                    let id = group.id.get_ref();
                    if self.file(Kind::Pcs, id).is_some() {
                        say("transformer", format!("none for {id}: its loss is not modelled"));
                    }
                }
                say(
                    "voltage at the POI",
                    format!("{} kV, information only", Short(site.value.poi_kv)),
                );
                for Alternative { container, count } in &site.value.alternative {
                    let printed = self.part::<Container>(&site.file, container)?.value;
                    let total = |each: Option<f64>| Short(each.unwrap_or_default() * *count as f64 / 1e3);
                    let (mw, mwh) = (total(printed.rated_kw), total(printed.rated_kwh));
                    say(
                        "or",
                        format!("{count} x {}: {mw} MW, {mwh} MWh as printed", container.get_ref()),
                    );
                }
            }
        }
        Ok(rows)
    }

    /// Containers that a PCS or station fits.
    fn fitted(&self, kind: Kind, id: &str) -> Result<String, CatalogueError> {
        let mut all = Vec::new();
        for container in self.ids(Kind::Container) {
            let fits = self.fitting(&self.rating(container, None)?)?;
            if let Some(fit) = fits.iter().find(|fit| (fit.kind, fit.id.as_str()) == (kind, id)) {
                all.push(match (fit.count, fit.containers) {
                    (1, 1) => container.to_owned(),
                    (1, containers) => format!("{containers} x {container}"),
                    (count, _) => format!("{container} with {count} of them"),
                });
            }
        }
        Ok(if all.is_empty() {
            "no container".into()
        } else {
            all.join(", ")
        })
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.count, self.containers) {
            (1, 1) => f.write_str(&self.id),
            (1, containers) => write!(f, "{} for {containers}", self.id),
            (count, _) => write!(f, "{count} x {}", self.id),
        }
    }
}

fn section(text: &mut String, title: &str, body: &str) {
    if !body.is_empty() {
        let _ = write!(text, "\n{title}\n{body}");
    }
}

fn told(conflict: &Conflict) -> String {
    let Conflict {
        number,
        title,
        sources,
        assumed,
    } = conflict;
    format!("  {number} {title}\n    Sources: {sources}\n    Here: {assumed}\n")
}

/// Each figure with its origin, those of an inline table in one row.
fn figures(figures: &[Figure]) -> String {
    let together = |a: &Figure, b: &Figure| {
        a.inline && b.inline && parent(a) == parent(b) && (a.tag, &a.note) == (b.tag, &b.note)
    };
    let rows = figures.chunk_by(together).map(|group| {
        let first = &group[0];
        let (path, value) = if first.inline {
            let values = group.iter().map(|figure| {
                let key = figure.path.rsplit('.').next().unwrap_or_default();
                format!("{key} {}", figure.value)
            });
            (parent(first).to_owned(), values.collect::<Vec<_>>().join("; "))
        } else {
            (first.path.clone(), first.value.clone())
        };
        let origin = first.tag.map_or_else(|| "not told".to_owned(), Tag::word);
        [path, value, first.unit.clone(), origin, first.note.clone()]
    });
    table(&rows.collect::<Vec<_>>())
}

fn parent(figure: &Figure) -> &str {
    figure.path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

/// Rows with columns as wide as their widest entry, but no column wider than 70.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count().min(70)).max();
    let widths: Vec<_> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "  {}", line.trim_end());
    }
    text
}

/// Four digits, more before the point.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = match self.0.abs() {
            100.0.. => 1,
            10.0.. => 2,
            _ => 3,
        };
        let text = format!("{:.decimals$}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A share in percent.
struct Percent(f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", Short(self.0 * 100.0))
    }
}
