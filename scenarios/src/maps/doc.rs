//! `bessrig map doc`: a product, DBC or register map as a table for people. The CSV of registers is one that
//! `bessrig import registers` reads again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bess_devices::codec::can::DbcFile;
use bess_devices::codec::can::listing::{Bound, Means, Message, Signal, bindings};
use bess_devices::codec::modbus::listing::{Listing, Meaning, Register, name_of_table};
use bess_devices::codec::pattern;
use bess_devices::kinds::point_table;
use bess_devices::library::Library;
use bess_devices::points::PointTable;
use bess_devices::product::{Binding, Product, ProductError, Source};
use bess_types::CanId;
use clap::Args;

use super::write::bits_in_words;
use crate::bench::{Bench, Data};
use crate::check::{self, Kind};
use crate::mistake::Mistake;

#[derive(Args)]
pub(crate) struct DocArgs {
    /// Id of a product, a product file, register map or DBC, or with --rig the tag of a device.
    #[arg(value_name = "PRODUCT|FILE|TAG")]
    what: String,
    /// The device with this tag in a rig, with the rig's settings: those of a rig file may move registers.
    #[arg(long, value_name = "RIG")]
    rig: Option<PathBuf>,
    /// Comma-separated values, which `import registers` reads again.
    #[arg(long, conflicts_with = "markdown")]
    csv: bool,
    /// Markdown [default].
    #[arg(long)]
    markdown: bool,
    /// File to write in place of the standard output.
    #[arg(long, short, value_name = "OUT")]
    out: Option<PathBuf>,
}

/// Everything there is to say about a product or file.
#[derive(Debug, Default)]
pub(crate) struct Document {
    title: String,
    registers: Option<Listing>,
    /// Of the device, for the names of states.
    points: PointTable,
    ports: Vec<Port>,
}

/// Messages of a CAN port, or of a DBC.
#[derive(Debug)]
struct Port {
    title: String,
    messages: Vec<Message>,
    bound: Option<Vec<Bound>>,
    /// What the product says of a message's period.
    cycles: BTreeMap<String, String>,
}

pub(crate) fn run(args: &DocArgs, data: &Arc<Data>) -> Result<(), Mistake> {
    let document = match &args.rig {
        Some(rig) => Document::of_device(&args.what, rig, data)?,
        None => Document::of(&args.what, &data.library)?,
    };
    if let Some(out) = &args.out {
        super::no_input(out, &[Path::new(&args.what)])?;
    }
    let text = if args.csv {
        document.csv()?
    } else {
        document.markdown()
    };
    match &args.out {
        Some(path) => fs::write(path, text).map_err(|error| {
            Mistake::new(
                format!("{}: {error}", path.display()),
                "name a file that can be written, with --out",
            )
        }),
        None => {
            use std::io::Write as _;
            // `map doc X | head` ends the pipe early; that is no error.
            drop(std::io::stdout().lock().write_all(text.as_bytes()));
            Ok(())
        }
    }
}

impl Document {
    /// Of a product's id, or a file.
    pub(crate) fn of(what: &str, library: &Library) -> Result<Self, Mistake> {
        let path = Path::new(what);
        if !path.is_file() {
            let product = library.product(what).map_err(|error| match error {
                ProductError::UnknownProduct { ref id, .. } if id == what => {
                    Mistake::new(format!("`{what}` is neither a file nor a product"), error.help())
                }
                other => other.into(),
            })?;
            return Self::of_product(&product, library);
        }
        let text = crate::bench::read_text(path)
            .map_err(|why| Mistake::new(format!("{what}: {why}"), "name a text file"))?;
        match check::kind(path, &text)? {
            Kind::Dbc => Ok(Self::of_dbc(&DbcFile::parse(what, &text)?)),
            Kind::RegisterMap => {
                let file_name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
                let users = super::check::users(file_name, library)?;
                let points = users.into_iter().next().map(|(_, table)| table);
                Self::of_map(&Source::new(what, &text), &points.unwrap_or_default())
            }
            Kind::Product => Self::of_product(&library.parse_product(what, &text)?, library),
            Kind::Feature | Kind::Rig | Kind::Part(_) => Err(Mistake::new(
                format!("{what} is neither a product nor a DBC nor a register map"),
                "name one of these; bessrig catalogue explains parts of the plant",
            )),
        }
    }

    /// Of a device of a rig.
    fn of_device(tag: &str, rig: &Path, data: &Arc<Data>) -> Result<Self, Mistake> {
        let bench = Bench::load(rig, Arc::clone(data), None)?;
        let products = bess_rig::wiring::products(&bench.config, &data.library);
        let Some((tag, product)) = products.iter().find(|(own, _)| own.to_string() == tag) else {
            let tags: Vec<String> = products.iter().map(|(own, _)| own.to_string()).collect();
            let nearest = pattern::nearest(tag, tags.iter().map(String::as_str));
            return Err(Mistake::new(
                format!("{} has no device `{tag}`", rig.display()),
                nearest.map_or_else(
                    || "`bessrig points` lists the devices of a rig".to_owned(),
                    |nearest| format!("did you mean `{nearest}`?"),
                ),
            ));
        };
        let mut document = Self::of_product(product, &data.library)?;
        document.title = format!("{tag}: {}", document.title);
        Ok(document)
    }

    /// Of a register map of a device with these points.
    pub(crate) fn of_map(source: &Source, points: &PointTable) -> Result<Self, Mistake> {
        let listing = Listing::of(source, points)?;
        Ok(Self {
            title: listing.title.clone(),
            registers: Some(listing),
            points: points.clone(),
            ports: vec![],
        })
    }

    fn of_dbc(file: &DbcFile) -> Self {
        let port = Port {
            title: "Messages".into(),
            messages: file.listing(),
            bound: None,
            cycles: BTreeMap::new(),
        };
        Self {
            title: file.file.clone(),
            ports: vec![port],
            ..Self::default()
        }
    }

    fn of_product(product: &Product, library: &Library) -> Result<Self, Mistake> {
        let table = point_table(product)?;
        let mut ports = Vec::new();
        for (spec, _) in product.ports() {
            let bound = bindings(product, spec.port.get_ref(), library, &table)?;
            let dbc = library.dbc(spec.dbc.get_ref())?;
            let mut cycles = BTreeMap::new();
            for sent in &spec.transmit {
                let period = sent.period_ms.as_ref().map(|ms| *ms.get_ref());
                let on_change = sent.on_change_ms.as_ref().map(|ms| *ms.get_ref());
                let said = match (period, on_change) {
                    (Some(ms), None) => format!("every {ms} ms"),
                    (None, Some(ms)) => format!("on change, looked at every {ms} ms"),
                    (Some(ms), Some(change)) => {
                        format!("on change, looked at every {change} ms, at least every {ms} ms")
                    }
                    (None, None) => continue,
                };
                let names = bound
                    .iter()
                    .filter(|bound| bound.is_sent)
                    .map(|bound| &bound.message);
                let message = sent.message.get_ref();
                let names = names.filter(|name| pattern::matches(message, name).is_some());
                cycles.extend(names.map(|name| (name.clone(), said.clone())));
            }
            let mut messages = dbc.listing();
            messages.retain(|message| bound.iter().any(|bound| bound.message == message.name));
            ports.push(Port {
                title: format!("CAN port {}, {}", spec.port.get_ref(), spec.dbc.get_ref()),
                messages,
                bound: Some(bound),
                cycles,
            });
        }
        let registers = match product.registers() {
            Some((map, _)) => {
                let mut listing = Listing::of(library.register_map(map.get_ref())?, &table)?;
                for register in &mut listing.registers {
                    if let Meaning::Text(text) = &mut register.meaning {
                        *text = text.replace("{model}", &product.model);
                    }
                }
                Some(listing)
            }
            None => None,
        };
        Ok(Self {
            title: format!("{}: {} (`{}`)", product.kind, product.title, product.id),
            registers,
            points: table,
            ports,
        })
    }

    pub(crate) fn csv(&self) -> Result<String, Mistake> {
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        let unwritable = |error: csv::Error| Mistake::new(error.to_string(), "");
        if let Some(listing) = &self.registers {
            for pair in [
                ["title", listing.title.as_str()],
                ["read_only_write", listing.read_only_write.name()],
                ["out_of_range_write", listing.out_of_range_write.name()],
            ] {
                writer.write_record(pair).map_err(unwritable)?;
            }
            for revert in &listing.reverts {
                let back = lines(revert.back.iter().map(|(point, to)| (point, to)));
                let remaining = revert.remaining.as_deref().unwrap_or_default();
                writer
                    .write_record(["revert", &back, &revert.after, remaining])
                    .map_err(unwritable)?;
            }
            writer.write_record(HEADS).map_err(unwritable)?;
            for register in &listing.registers {
                writer
                    .write_record(cells_of(register, &self.points))
                    .map_err(unwritable)?;
            }
        }
        for (at, port) in self.ports.iter().enumerate() {
            if at > 0 || self.registers.is_some() {
                writer.write_record([""]).map_err(unwritable)?;
            }
            writer.write_record(SIGNAL_HEADS).map_err(unwritable)?;
            for message in &port.messages {
                for signal in &message.signals {
                    let row = port.row(message, signal);
                    writer.write_record(row).map_err(unwritable)?;
                }
            }
        }
        let bytes = writer
            .into_inner()
            .map_err(|error| Mistake::new(error.to_string(), ""))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("# {}\n", self.title);
        if let Some(listing) = &self.registers {
            let _ = writeln!(
                text,
                "\n## Registers\n\n{}. Addresses are those on the wire, 0-based. A write to a read-only register gets {}, \
                 one of a value out of range {}; a read across a hole gets exception 02.",
                listing.title,
                match listing.read_only_write.name() {
                    "ignore" => "no error and changes nothing",
                    "illegal-data-value" => "exception 03",
                    _ => "exception 02",
                },
                match listing.out_of_range_write.name() {
                    "clamp" => "the nearest value inside",
                    _ => "exception 03",
                },
            );
            let mut block = None;
            for register in &listing.registers {
                let own = (&register.block, register.table, register.mirror);
                if block != Some(own) {
                    block = Some(own);
                    let mirrored = if register.mirror {
                        ", mirrored in the read-only table"
                    } else {
                        ""
                    };
                    let table = name_of_table(register.table);
                    let _ = write!(text, "\n### {}: {table}{mirrored}\n\n", register.block);
                    table_head(&mut text, &MARKDOWN_HEADS);
                }
                table_row(&mut text, &markdown_cells(register, &self.points));
            }
            if !listing.reverts.is_empty() {
                text += "\n### What falls back\n\nUnless a client writes one of the set points again in time.\n\n";
                table_head(&mut text, &["set points", "after", "seconds left"]);
                for revert in &listing.reverts {
                    let back = revert.back.iter().map(|(point, to)| format!("`{point}` to {to}"));
                    let after = match revert.after.parse::<f64>() {
                        Ok(seconds) => format!("{seconds} s"),
                        Err(_) => format!("`{}`", revert.after),
                    };
                    let left = revert.remaining.as_ref();
                    let left = left.map_or_else(String::new, |name| format!("`{name}`"));
                    table_row(&mut text, &[joined(back), after, left]);
                }
            }
        }
        for port in &self.ports {
            let _ = writeln!(text, "\n## {}", port.title);
            for message in &port.messages {
                let comment = if message.comment.is_empty() {
                    String::new()
                } else {
                    format!("\n{}\n", message.comment)
                };
                let _ = write!(
                    text,
                    "\n### {} {}\n\n{} bytes{}, {}{}\n{comment}\n",
                    message.name,
                    identifier(message.id),
                    message.bytes,
                    if message.is_fd { " (CAN FD)" } else { "" },
                    port.direction(message),
                    port.cycle(message),
                );
                table_head(&mut text, &MARKDOWN_SIGNAL_HEADS);
                for signal in &message.signals {
                    table_row(&mut text, &port.markdown_cells(message, signal));
                }
            }
        }
        text
    }
}

/// Columns of a register list, by names that `import registers` knows.
const HEADS: [&str; 23] = [
    "block",
    "table",
    "address (0-based)",
    "words",
    "name",
    "type",
    "word order",
    "scale",
    "value offset",
    "unit",
    "access",
    "values",
    "bits",
    "invalid raw",
    "raw constant",
    "mirrored",
    "bessrig point",
    "bessrig values",
    "bessrig states",
    "bessrig bits",
    "bessrig role",
    "bessrig effects",
    "description",
];

const MARKDOWN_HEADS: [&str; 9] = [
    "address", "words", "type", "scale", "unit", "access", "what", "values", "no value",
];

/// Whether it stands for a point of the device.
pub(super) fn is_bound(register: &Register) -> bool {
    matches!(register.meaning, Meaning::Point(_) | Meaning::Bits(_))
}

fn type_of(register: &Register) -> &'static str {
    match register.meaning {
        _ if register.is_bit() => "bit",
        Meaning::Text(_) => "text",
        Meaning::Fill(_) => "fill",
        _ => register.kind.name(),
    }
}

fn has_number(register: &Register) -> bool {
    !matches!(type_of(register), "bit" | "text" | "fill")
}

fn cells_of(register: &Register, points: &PointTable) -> [String; HEADS.len()] {
    let long = has_number(register) && register.words > 1;
    let only = |there: bool, text: String| if there { text } else { String::new() };
    let (point, bits) = match &register.meaning {
        Meaning::Point(point) => (point.clone(), String::new()),
        Meaning::Bits(bits) => (String::new(), lines(bits.iter())),
        _ => (String::new(), String::new()),
    };
    [
        register.block.clone(),
        name_of_table(register.table).to_owned(),
        register.address.to_string(),
        register.words.to_string(),
        register.name.clone(),
        type_of(register).to_owned(),
        only(
            long,
            if register.low_word_first {
                "low-first"
            } else {
                "high-first"
            }
            .into(),
        ),
        only(has_number(register), plain(register.scale)),
        only(register.offset != 0.0, plain(register.offset)),
        register.unit.clone(),
        if register.writable { "RW" } else { "R" }.to_owned(),
        lines(register.names.iter()),
        lines(
            register
                .bit_names
                .iter()
                .map(|(bits, name)| (bits_in_words(*bits), name)),
        ),
        register.invalid.map_or_else(String::new, |code| code.to_string()),
        match &register.meaning {
            Meaning::Text(text) => text.clone(),
            Meaning::Constant(value) if register.writable => format!("fixed {value}"),
            Meaning::Constant(value) | Meaning::Held(value) => value.to_string(),
            Meaning::Fill(word) => word.to_string(),
            Meaning::Nothing => "not implemented".into(),
            Meaning::Point(_) | Meaning::Bits(_) => String::new(),
        },
        only(register.mirror, "yes".into()),
        point,
        lines(register.values.iter()),
        lines(states_of(register, points).into_iter()),
        bits,
        match register.roles.as_deref() {
            None => String::new(),
            Some([]) => "nobody".into(),
            Some(roles) => roles.join(", "),
        },
        lines(effects_of(register).into_iter()),
        register.description.clone(),
    ]
}

/// Raw values of the states of its point, where no `values` say others.
fn states_of(register: &Register, points: &PointTable) -> Vec<(f64, &'static str)> {
    let Meaning::Point(point) = &register.meaning else {
        return vec![];
    };
    let Some(id) = points.find(point).filter(|_| register.values.is_empty()) else {
        return vec![];
    };
    let states = points.def(id).states.iter().enumerate();
    states
        // no "-0"
        .map(|(value, state)| ((value as f64 - register.offset) / register.scale + 0.0, *state))
        .collect()
}

/// What a read or a write does besides, as a map file says it.
fn effects_of(register: &Register) -> Vec<(&'static str, String)> {
    let effects = &register.effects;
    let mut all = Vec::new();
    if effects.write_clears {
        all.push(("on_write", "clear".to_owned()));
    }
    if effects.read_clears {
        all.push(("on_read", "clear".to_owned()));
    }
    if let Some((value, ms)) = effects.returns {
        all.push(("returns_to", plain(value)));
        all.push(("after_ms", ms.to_string()));
    }
    if effects.lossy {
        all.push(("lossy", "true".to_owned()));
    }
    all
}

fn markdown_cells(register: &Register, points: &PointTable) -> [String; MARKDOWN_HEADS.len()] {
    let mut scale = String::new();
    if has_number(register) && (register.scale != 1.0 || register.offset != 0.0) {
        scale = plain(register.scale);
        if register.offset != 0.0 {
            let _ = write!(scale, " {:+}", register.offset);
        }
    }
    let mut what = Vec::new();
    if !register.name.is_empty() {
        what.push(register.name.clone());
    }
    match &register.meaning {
        Meaning::Point(point) => what.push(format!("`{point}`")),
        Meaning::Bits(bits) => what.push(joined(
            bits.iter().map(|(bit, point)| format!("{bit}: `{point}`")),
        )),
        Meaning::Text(text) => what.push(format!("\"{text}\"")),
        Meaning::Constant(value) => what.push(format!("= {value}")),
        Meaning::Held(value) => what.push(format!("keeps what is written, from {value}")),
        Meaning::Fill(word) => what.push(format!("not used, {word:04X}")),
        Meaning::Nothing => what.push("not implemented".into()),
    }
    let effects = &register.effects;
    if effects.write_clears {
        what.push("bits stay until 1 is written to them".into());
    }
    if effects.read_clears {
        what.push("bits stay until they are read".into());
    }
    if let Some((value, ms)) = effects.returns {
        what.push(format!("goes back to {} {ms} ms after a write", plain(value)));
    }
    if !register.description.is_empty() {
        what.push(register.description.clone());
    }
    let order = if has_number(register) && register.words > 1 && register.low_word_first {
        ", low word first"
    } else {
        ""
    };
    let states = register.values.iter();
    let states = states.map(|(state, value)| (value.to_string(), format!("`{state}`")));
    let of_point = states_of(register, points).into_iter();
    let of_point = of_point.map(|(value, state)| (plain(value), format!("`{state}`")));
    let names = register.names.iter();
    let mut values: Vec<(String, String)> = (names)
        .map(|(value, name)| (value.to_string(), name.clone()))
        .collect();
    // a value that has a name and a state is one value
    for (value, state) in states.chain(of_point) {
        match values.iter_mut().find(|(named, _)| *named == value) {
            Some((_, text)) => *text = format!("{text} {state}"),
            None => values.push((value, state)),
        }
    }
    let bits = register
        .bit_names
        .iter()
        .map(|(bits, name)| format!("bit {}: {name}", bits_in_words(*bits)));
    let values = (values.into_iter()).map(|(value, text)| format!("{value}: {text}"));
    let no_value = register.invalid.unwrap_or(register.kind.not_implemented());
    let digits = 4 * register.kind.words() as usize;
    [
        if register.words > 1 {
            format!("{}-{}", register.address, register.end() - 1)
        } else {
            register.address.to_string()
        },
        register.words.to_string(),
        format!("{}{order}", type_of(register)),
        scale,
        register.unit.clone(),
        match (register.writable, &register.roles) {
            (false, _) => "read".to_owned(),
            (true, None) => "read, write".to_owned(),
            (true, Some(roles)) if roles.is_empty() => "read, write: nobody".to_owned(),
            (true, Some(roles)) => format!("read, write: {}", roles.join(", ")),
        },
        what.join(", "),
        joined(values.chain(bits)),
        if has_number(register) && is_bound(register) {
            format!("{no_value:0digits$X}")
        } else {
            String::new()
        },
    ]
}

const SIGNAL_HEADS: [&str; 20] = [
    "message",
    "identifier",
    "direction",
    "cycle",
    "bytes",
    "signal",
    "page",
    "start bit",
    "length",
    "byte order",
    "type",
    "scale",
    "offset",
    "min",
    "max",
    "unit",
    "values",
    "bessrig point",
    "comment",
    "sender",
];

const MARKDOWN_SIGNAL_HEADS: [&str; 9] = [
    "signal", "page", "bits", "type", "scale", "range", "unit", "what", "values",
];

impl Port {
    fn bound(&self, message: &Message, signal: &Signal) -> Option<&Bound> {
        let mut all = self.bound.iter().flatten();
        all.find(|bound| bound.message == message.name && bound.signal == signal.name)
    }

    fn means(&self, message: &Message, signal: &Signal) -> &[Means] {
        self.bound(message, signal).map_or(&[], |bound| &bound.means)
    }

    fn direction(&self, message: &Message) -> String {
        let bound = self
            .bound
            .iter()
            .flatten()
            .find(|bound| bound.message == message.name);
        match bound {
            Some(bound) if bound.is_sent => "sent".into(),
            Some(_) => "heard".into(),
            // Vector__XXX in the file
            None if message.sender.is_empty() => "sender not named".into(),
            None => format!("sent by {}", message.sender),
        }
    }

    fn cycle(&self, message: &Message) -> String {
        let is_sent = self.direction(message) != "heard";
        match (self.cycles.get(&message.name), message.cycle_ms) {
            (Some(said), _) => format!(", {said}"),
            (None, Some(ms)) => format!(", every {ms} ms"),
            (None, None) if is_sent => ", on an event or in answer".into(),
            (None, None) => String::new(),
        }
    }

    fn row(&self, message: &Message, signal: &Signal) -> [String; SIGNAL_HEADS.len()] {
        [
            message.name.clone(),
            identifier(message.id),
            self.direction(message),
            self.cycle(message).trim_start_matches(", ").to_owned(),
            message.bytes.to_string(),
            signal.name.clone(),
            signal.page.clone(),
            signal.start.to_string(),
            signal.length.to_string(),
            if signal.big_endian {
                "big-endian"
            } else {
                "little-endian"
            }
            .to_owned(),
            signal.kind.to_owned(),
            plain(signal.scale),
            plain(signal.offset),
            plain(signal.min),
            plain(signal.max),
            signal.unit.clone(),
            lines(signal.names.iter()),
            self.means(message, signal)
                .iter()
                .map(Means::to_string)
                .collect::<Vec<_>>()
                .join("\n"),
            signal.comment.clone(),
            message.sender.clone(),
        ]
    }

    fn markdown_cells(&self, message: &Message, signal: &Signal) -> [String; MARKDOWN_SIGNAL_HEADS.len()] {
        let offset = if signal.offset == 0.0 {
            String::new()
        } else {
            format!(" {:+}", signal.offset)
        };
        let means = self.means(message, signal);
        let means: Vec<_> = means
            .iter()
            .map(|means| match means {
                Means::Point(point) => format!("`{point}`"),
                other => other.to_string(),
            })
            .collect();
        let mut what = match means.as_slice() {
            [first, .., last] => format!("{first} to {last}"),
            _ => means.join(", "),
        };
        if let Some(binding) = self
            .bound(message, signal)
            .and_then(|bound| bound.binding.as_ref())
        {
            what += &reckoned(binding);
        }
        if !signal.comment.is_empty() {
            let _ = write!(
                what,
                "{}{}",
                if what.is_empty() { "" } else { ", " },
                signal.comment
            );
        }
        [
            signal.name.clone(),
            signal.page.clone(),
            format!(
                "{}|{}{}",
                signal.start,
                signal.length,
                if signal.big_endian { " big-endian" } else { "" }
            ),
            signal.kind.to_owned(),
            format!("{}{offset}", plain(signal.scale)),
            if signal.min < signal.max {
                format!("{} .. {}", plain(signal.min), plain(signal.max))
            } else {
                String::new()
            },
            signal.unit.clone(),
            what,
            joined(
                signal
                    .names
                    .iter()
                    .map(|(value, name)| format!("{value}: {name}")),
            ),
        ]
    }
}

/// What stands between a signal and its point, in words.
fn reckoned(binding: &Binding) -> String {
    let mut words = String::new();
    if binding.scale.or(binding.offset).is_some() {
        let sign = if binding.flip { "-" } else { "" };
        let _ = write!(
            words,
            " = {} * {sign}signal {:+}",
            plain(binding.scale.unwrap_or(1.0)),
            binding.offset.unwrap_or(0.0)
        );
    } else if binding.flip {
        words += " = -signal";
    }
    if let Some(unit) = &binding.unit {
        let _ = write!(words, " in {unit}");
    }
    words
}

fn identifier(id: CanId) -> String {
    match id {
        CanId::Standard(id) => format!("0x{id:03X}"),
        CanId::Extended(id) => format!("0x{id:08X}"),
    }
}

/// A number as short as it goes without loss.
fn plain(value: f64) -> String {
    if value.abs() < 1e15 {
        format!("{value}")
    } else {
        format!("{value:e}")
    }
}

/// `key: text`, one a line.
fn lines<K: core::fmt::Display, V: core::fmt::Display>(pairs: impl Iterator<Item = (K, V)>) -> String {
    let lines: Vec<_> = pairs.map(|(key, text)| format!("{key}: {text}")).collect();
    lines.join("\n")
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<_> = parts.collect();
    parts.join("; ")
}

fn table_head(text: &mut String, heads: &[&str]) {
    let _ = writeln!(text, "| {} |", heads.join(" | "));
    let _ = writeln!(text, "|{}", "---|".repeat(heads.len()));
}

fn table_row(text: &mut String, cells: &[String]) {
    text.push('|');
    for cell in cells {
        let cell = cell.replace('|', "\\|").replace('\n', "; ");
        let _ = write!(text, " {cell} |");
    }
    text.push('\n');
}
