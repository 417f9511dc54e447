//! Product files: which dialect a device of some kind speaks, and its settings.
//!
//! A product file is TOML and strict: unknown keys are refused. Every mistake is a [`ProductError`] with
//! the file, the line and the byte range it stands in, and what to do about it.
//!
//! `inherits` names another product of the same kind: settings are laid over its settings key by key, a CAN
//! port or a register map of one's own takes the place of its, and everything else is as there. So a variant
//! of a product is a file of a few lines.

use core::fmt;
use core::ops::Range;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::codec::can::Profile;
use crate::codec::modbus::ModbusSettings;
use crate::codec::modbus::identification::IdentificationSpec;
use crate::codec::modbus::settings::ModbusSpec;
use crate::codec::unit;
use crate::kinds;

mod binding;

pub use binding::{Binding, Binds};

/// What a device is; its behaviour is the module of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// Battery management unit of one pack.
    Bmu,
    /// Measuring unit in the cluster's high-voltage box.
    HvUnit,
    /// Digital inputs and outputs on Modbus.
    RemoteIo,
    /// Hard-wired E-stop relay.
    SafetyRelay,
    /// Power conversion system.
    Pcs,
    /// Fire detection and release panel.
    FirePanel,
    /// Liquid chiller.
    Chiller,
    /// Air conditioning of a container.
    Hvac,
    /// Power meter.
    Meter,
    /// Battery control unit of one cluster.
    Bcu,
    /// Battery aggregation unit of the stack.
    Bau,
    /// Energy management system.
    Ems,
    /// Operator station.
    Hmi,
}

impl DeviceKind {
    /// Name as in product files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bmu => "bmu",
            Self::HvUnit => "hv-unit",
            Self::RemoteIo => "remote-io",
            Self::SafetyRelay => "safety-relay",
            Self::Pcs => "pcs",
            Self::FirePanel => "fire-panel",
            Self::Chiller => "chiller",
            Self::Hvac => "hvac",
            Self::Meter => "meter",
            Self::Bcu => "bcu",
            Self::Bau => "bau",
            Self::Ems => "ems",
            Self::Hmi => "hmi",
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One product: a dialect and the settings of a kind of device.
#[derive(Clone, Debug)]
pub struct Product {
    /// Name rig files use.
    pub id: String,
    /// Which behaviour it has.
    pub kind: DeviceKind,
    /// For people.
    pub title: String,
    /// Model name it gives itself on its wires, where a register map says `{model}`.
    pub model: String,
    /// CAN ports of its own file.
    can: Vec<CanSpec>,
    /// Register map named in its own file.
    registers: Option<Spanned<String>>,
    /// Of its Modbus server, named in its own file.
    modbus: Option<ModbusSpec>,
    identification: Option<IdentificationSpec>,
    /// The product it inherits from.
    base: Option<Arc<Self>>,
    /// Settings given elsewhere, laid over the file's own.
    overrides: toml::Table,
    /// Start-up time and turnaround of its Modbus server given elsewhere.
    modbus_times: (Option<Duration>, Option<Duration>),
    source: Source,
}

/// One CAN port of a product.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanSpec {
    /// Port name, as the device kind calls it ([`crate::kinds::can_ports`]).
    pub port: Spanned<String>,
    /// DBC file name.
    pub dbc: Spanned<String>,
    /// Which identifier byte of its transmitted messages carries the node address.
    #[serde(default)]
    pub node_in: NodeIn,
    /// CAN FD payloads at the faster bit rate.
    #[serde(default = "yes")]
    pub bit_rate_switch: bool,
    /// Messages sent.
    #[serde(default)]
    pub transmit: Vec<TransmitSpec>,
    /// Messages listened to.
    #[serde(default)]
    pub receive: Vec<ReceiveSpec>,
}

const fn yes() -> bool {
    true
}

/// Where an identifier carries a node address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeIn {
    /// The lowest byte of a 29-bit identifier (J1939 source address), FE in the DBC.
    Source,
    /// The second lowest byte of a 29-bit identifier (J1939 destination address), FE in the DBC.
    Destination,
    /// Added to the identifier, as CANopen does with its 11-bit ones (180 + node); the DBC has node 0.
    Added,
    /// None: the identifier stands as in the DBC.
    #[default]
    None,
}

/// A message the product sends.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransmitSpec {
    /// DBC message name; `{k}` stands for a number and runs over every message that matches.
    pub message: Spanned<String>,
    /// Sent this often; left out, the cycle time in the DBC, and without one the message is sent on an event.
    pub period_ms: Option<Spanned<u64>>,
    /// Looked at this often and sent if its payload has changed.
    pub on_change_ms: Option<Spanned<u64>>,
    /// Sent once after start-up, at its phase.
    #[serde(default)]
    pub at_start: bool,
    /// How pages of a multiplexed message follow one another.
    #[serde(default)]
    pub pages: Pages,
    /// First sent this long after start-up, plus 2 ms for each step of the node address (modulo 32).
    #[serde(default)]
    pub phase_ms: u64,
    /// Point, or signal that is bound to none, which the codec counts up by one each time the message, or the page that
    /// has it, is sent; begins again after the highest value of the signal's range.
    pub counter: Option<Spanned<String>>,
    /// Checksum the codec makes.
    pub checksum: Option<ChecksumSpec>,
    /// Overrides the port's `node_in`.
    pub node_in: Option<NodeIn>,
    /// Signal to point; `{i}` in a signal's name stands for a number and may be used in the point's name.
    #[serde(default)]
    pub bind: Binds,
    /// Signals that always have this physical value, or the value of this name in the DBC. One that is neither here nor
    /// bound has its start value in the DBC.
    #[serde(default)]
    pub constant: BTreeMap<Spanned<String>, Constant>,
    /// Raw codes for values that are not there.
    #[serde(default)]
    pub invalid: InvalidCodes,
    /// Signals whose sign is the other way round than the point's.
    #[serde(default)]
    pub flip: Vec<Spanned<String>>,
    /// Signals that by their protocol cannot say all that their points can be: what is outside goes out as the nearest
    /// value, what is not there as raw 0, and no check warns of it.
    #[serde(default)]
    pub lossy: Vec<Spanned<String>>,
    /// Signals whose values are others than the point's: by name of the point's state, or its value.
    #[serde(default)]
    pub values: BTreeMap<Spanned<String>, BTreeMap<String, f64>>,
}

/// How pages of a multiplexed message follow one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pages {
    /// One page each period.
    #[default]
    Rotate,
    /// All pages each period.
    Burst,
}

/// The value of a signal that never changes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Constant {
    /// A physical value.
    Number(f64),
    /// A name in the DBC's value table.
    Name(String),
}

/// A checksum in the payload.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChecksumSpec {
    /// Signal that carries it.
    pub signal: Spanned<String>,
    /// How it is made.
    pub profile: Profile,
    /// One or two bytes it begins with, as in AUTOSAR's profiles.
    pub data_id: Option<u16>,
    /// It begins with the identifier.
    #[serde(default)]
    pub over_identifier: bool,
}

/// A message the product listens to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiveSpec {
    /// DBC message name, with `{k}` as for [`TransmitSpec`].
    pub message: Spanned<String>,
    /// Which identifier byte carries this node's own address; none if the message is for all.
    #[serde(default)]
    pub node_in: NodeIn,
    /// Signal to point.
    #[serde(default)]
    pub bind: Binds,
    /// Raw codes for values that are not there.
    #[serde(default)]
    pub invalid: InvalidCodes,
    /// Signals whose sign is the other way round than the point's.
    #[serde(default)]
    pub flip: Vec<Spanned<String>>,
    /// Signals whose values are others than the point's: by name of the point's state, or its value.
    #[serde(default)]
    pub values: BTreeMap<Spanned<String>, BTreeMap<String, f64>>,
    /// Only frames whose signals have these values are meant.
    #[serde(default)]
    pub when: BTreeMap<Spanned<String>, Constant>,
    /// Checksum a frame must have; others are counted and left alone.
    pub checksum: Option<ChecksumSpec>,
    /// Messages sent in answer, with `{k}` as for [`TransmitSpec`]; `NAME page 3` is one page of a multiplexed message.
    #[serde(default)]
    pub answer: Vec<Spanned<String>>,
    /// Time to the first answer.
    #[serde(default)]
    pub answer_after_ms: u64,
    /// Time from one answer to the next.
    #[serde(default = "one")]
    pub answer_gap_ms: u64,
}

const fn one() -> u64 {
    1
}

/// Raw codes that stand for "no value", cut to each signal's length; signals below 8 bits have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvalidCodes {
    /// No usable value, in unsigned signals.
    pub raw: Option<u64>,
    /// Sense wire open, in unsigned signals.
    pub open_wire: Option<u64>,
    /// No usable value, in signed signals, as raw bits (0x8000 for 16 bits).
    pub signed: Option<u64>,
}

impl Product {
    /// Reads a product file's text; `base` finds the product it inherits from.
    ///
    /// # Errors
    /// If the text is not TOML, has unknown or missing keys, or values of the wrong type, or if it inherits
    /// from a product that is not there or of another kind.
    pub fn parse(
        file: &str,
        text: &str,
        base: impl FnOnce(&str) -> Result<Arc<Self>, ProductError>,
    ) -> Result<Self, ProductError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            id: String,
            inherits: Option<Spanned<String>>,
            kind: Option<Spanned<DeviceKind>>,
            title: String,
            model: Option<String>,
            #[serde(default)]
            can: Vec<CanSpec>,
            registers: Option<Spanned<String>>,
            modbus: Option<ModbusSpec>,
            identification: Option<IdentificationSpec>,
            #[serde(default, rename = "settings")]
            _settings: toml::Table,
        }
        let source = Source::new(file, text);
        let read: File = source.read()?;
        if let Some(modbus) = &read.modbus {
            modbus.check(&source)?;
        }
        if let Some(identification) = &read.identification {
            identification.check(&source)?;
        }
        let at = |span, key: &str, message: String, help: String| ProductError::Setting {
            place: source.place(span),
            key: key.into(),
            message,
            help,
        };
        let base = match &read.inherits {
            None => None,
            Some(named) => Some(base(named.get_ref()).map_err(|error| match error {
                ProductError::UnknownProduct { id, known } => at(
                    named.span(),
                    "inherits",
                    format!("there is no product `{id}`"),
                    format!("products there are: {}", known.join(", ")),
                ),
                other => other,
            })?),
        };
        let kind = match (read.kind, &base) {
            (Some(kind), Some(base)) if *kind.get_ref() != base.kind => {
                return Err(at(
                    kind.span(),
                    "kind",
                    format!("`{}` is a {}, not a {}", base.id, base.kind, kind.get_ref()),
                    "inherit from a product of the same kind, or leave the kind out".into(),
                ));
            }
            (Some(kind), _) => kind.into_inner(),
            (None, Some(base)) => base.kind,
            (None, None) => {
                return Err(ProductError::MissingKey {
                    place: source.place(0..0),
                    message: "missing field `kind`".into(),
                });
            }
        };
        let ports = kinds::can_ports(kind);
        for (i, port) in read.can.iter().map(|spec| &spec.port).enumerate() {
            let (name, span) = (port.get_ref().as_str(), port.span());
            if !ports.contains(&name) {
                let help = match ports {
                    [] => "leave the [[can]] table out".into(),
                    ports => format!("its ports are {}", ports.join(", ")),
                };
                return Err(at(
                    span,
                    "port",
                    format!("a {kind} has no CAN port `{name}`"),
                    help,
                ));
            }
            if read.can[..i].iter().any(|other| other.port.get_ref() == name) {
                let help = "put all its messages in one [[can]] table";
                return Err(at(
                    span,
                    "port",
                    format!("`{name}` is described twice"),
                    help.into(),
                ));
            }
        }
        Ok(Self {
            model: read.model.unwrap_or_else(|| read.id.to_uppercase()),
            id: read.id,
            kind,
            title: read.title,
            can: read.can,
            registers: read.registers,
            modbus: read.modbus,
            identification: read.identification,
            base,
            overrides: toml::Table::new(),
            modbus_times: (None, None),
            source,
        })
    }

    /// The `[settings]` table as the kind's own strict struct; a missing table reads as an empty one.
    ///
    /// # Errors
    /// If a key is unknown or missing, or a value has the wrong type.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, ProductError> {
        #[derive(Deserialize)]
        struct Part<T> {
            settings: T,
        }
        if self.base.is_some() || !self.overrides.is_empty() {
            let settings = self.merged_settings()?;
            return T::deserialize(settings).map_err(|error| {
                let message = error.message();
                // The key in the parser's words, looked up where it may have been written.
                let key = message.split('`').nth(1).unwrap_or_default();
                let found = self.chain().find_map(|product| product.source.place_of_key(key));
                let elsewhere = || Place {
                    file: format!("settings laid over {}", self.source.file).into(),
                    line: 0,
                    span: 0..0,
                };
                classify(message, found.unwrap_or_else(elsewhere))
            });
        }
        if self.own_settings()?.is_some() {
            self.source.read().map(|part: Part<T>| part.settings)
        } else {
            Source::new(&self.source.file, "").read()
        }
    }

    fn own_settings(&self) -> Result<Option<toml::Table>, ProductError> {
        #[derive(Deserialize)]
        struct Present {
            settings: Option<toml::Table>,
        }
        let present: Present = self.source.read()?;
        Ok(present.settings)
    }

    fn merged_settings(&self) -> Result<toml::Table, ProductError> {
        let mut settings = match &self.base {
            Some(base) => base.merged_settings()?,
            None => toml::Table::new(),
        };
        lay_over(&mut settings, &self.own_settings()?.unwrap_or_default());
        lay_over(&mut settings, &self.overrides);
        Ok(settings)
    }

    /// This product, the one it inherits from, and so on.
    fn chain(&self) -> impl Iterator<Item = &Self> {
        core::iter::successors(Some(self), |product| product.base.as_deref())
    }

    /// The same product with some settings changed; tables are merged key by key. Whether the keys mean
    /// anything shows when the settings are read.
    #[must_use]
    pub fn with_settings(&self, overrides: &toml::Table) -> Self {
        let mut product = self.clone();
        lay_over(&mut product.overrides, overrides);
        product
    }

    /// The same product with another start-up time or turnaround of its Modbus server.
    #[must_use]
    pub fn with_modbus_times(mut self, start_up: Option<Duration>, turnaround: Option<Duration>) -> Self {
        self.modbus_times = (start_up, turnaround);
        self
    }

    /// The error for a setting that is well formed but makes no sense.
    pub fn invalid_setting(&self, key: &str, message: &str, help: &str) -> ProductError {
        let written = self.chain().find_map(|product| product.source.place_of_key(key));
        ProductError::Setting {
            place: written.unwrap_or_else(|| self.source.place(0..0)),
            key: key.into(),
            message: message.into(),
            help: help.into(),
        }
    }

    /// What it says and hears on each CAN port, with the file that says so; inherited ports last.
    pub fn ports(&self) -> impl Iterator<Item = (&CanSpec, &Source)> {
        let all = self
            .chain()
            .enumerate()
            .flat_map(|(depth, product)| product.can.iter().map(move |spec| (depth, spec, product)));
        all.filter(|(depth, spec, _)| {
            let mut nearer = self.chain().take(*depth).flat_map(|product| &product.can);
            nearer.all(|other| other.port.get_ref() != spec.port.get_ref())
        })
        .map(|(_, spec, product)| (spec, &product.source))
    }

    /// File name of its register map, if it is a Modbus server, with the file that says so.
    pub fn registers(&self) -> Option<(&Spanned<String>, &Source)> {
        self.chain()
            .find_map(|product| Some((product.registers.as_ref()?, &product.source)))
    }

    /// How its Modbus server differs from one that can do everything.
    pub fn modbus(&self) -> ModbusSettings {
        let mut settings =
            ModbusSettings::of_specs(self.chain().filter_map(|product| product.modbus.as_ref()));
        let (start_up, turnaround) = self.modbus_times;
        settings.start_up = start_up.unwrap_or(settings.start_up);
        settings.turnaround = turnaround.unwrap_or(settings.turnaround);
        settings
    }

    /// What it says of itself on Modbus, nearest first.
    pub(crate) fn identifications(&self) -> impl Iterator<Item = &IdentificationSpec> {
        self.chain().filter_map(|product| product.identification.as_ref())
    }

    /// The port's specification and the file it stands in, if the product has that port.
    ///
    /// # Errors
    /// If it has none of that name.
    pub fn can_port(&self, port: &str) -> Result<(&CanSpec, &Source), ProductError> {
        self.ports()
            .find(|(spec, _)| spec.port.get_ref() == port)
            .ok_or_else(|| ProductError::UnknownPort {
                place: self
                    .source
                    .place_of_key("port")
                    .unwrap_or_else(|| self.source.place(0..0)),
                product: self.id.clone(),
                port: port.into(),
            })
    }

    /// The product file.
    pub fn source(&self) -> &Source {
        &self.source
    }
}

/// A data file's path and text.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path it can be opened by, that of a shipped one from the root of the repository.
    pub file: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// A file.
    pub fn new(file: &str, text: &str) -> Self {
        Self {
            file: file.into(),
            text: text.into(),
        }
    }

    /// The text as `T`.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, ProductError> {
        toml::from_str(&self.text).map_err(|error| {
            let place = self.place(error.span().unwrap_or(0..0));
            classify(error.message(), place)
        })
    }

    /// A byte range of this file.
    pub fn place(&self, span: Range<usize>) -> Place {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        Place {
            file: self.file.as_str().into(),
            line: before.split(|&byte| byte == b'\n').count(),
            span,
        }
    }

    /// Byte range of a line, counted from 1.
    pub(crate) fn line(&self, number: usize) -> Range<usize> {
        let mut lines = self.text.split_inclusive('\n');
        let start = lines.by_ref().take(number.saturating_sub(1)).map(str::len).sum();
        start..start + lines.next().map_or(0, |line| line.trim_end().len())
    }

    /// Where a key is first set.
    pub(crate) fn place_of_key(&self, key: &str) -> Option<Place> {
        let mut start = 0;
        for line in self.text.split_inclusive('\n') {
            let name = line.split('=').next().unwrap_or("").trim();
            if name == key && line.contains('=') {
                return Some(self.place(start..start + line.trim_end().len()));
            }
            start += line.len();
        }
        None
    }
}

/// A TOML error as the kind of mistake it is.
fn classify(message: &str, place: Place) -> ProductError {
    let message = message.to_owned();
    if message.starts_with("unknown field") {
        ProductError::UnknownKey { place, message }
    } else if message.starts_with("missing field") {
        ProductError::MissingKey { place, message }
    } else if ["invalid type", "invalid value", "unknown variant"]
        .iter()
        .any(|start| message.starts_with(start))
    {
        ProductError::BadType { place, message }
    } else {
        ProductError::Syntax { place, message }
    }
}

fn lay_over(table: &mut toml::Table, overrides: &toml::Table) {
    for (key, value) in overrides {
        match (table.get_mut(key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(over)) => lay_over(inner, over),
            _ => {
                table.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Where in a data file a mistake stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Path of the file, as in [`Source`].
    pub file: Box<str>,
    /// Line, from 1.
    pub line: usize,
    /// Byte range in the file's text.
    pub span: Range<usize>,
}

impl Place {
    /// No file in particular.
    pub fn nowhere() -> Self {
        Self {
            file: "the library".into(),
            line: 0,
            span: 0..0,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            f.write_str(&self.file)
        } else {
            write!(f, "{}:{}", self.file, self.line)
        }
    }
}

/// What is wrong with a product, DBC or register file.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProductError {
    /// No product has this id.
    #[error("there is no product `{id}`")]
    UnknownProduct {
        /// Id asked for.
        id: String,
        /// Ids there are.
        known: Vec<String>,
    },
    /// A file names another that is not there.
    #[error("{place}: there is no file {path}")]
    UnknownFile {
        /// Where it is named.
        place: Place,
        /// Path asked for.
        path: String,
        /// Paths there are in that folder.
        known: Vec<String>,
    },
    /// Not TOML.
    #[error("{place}: {message}")]
    Syntax {
        /// Where.
        place: Place,
        /// What the parser says.
        message: String,
    },
    /// A key that means nothing here.
    #[error("{place}: {message}")]
    UnknownKey {
        /// Where.
        place: Place,
        /// Which key, and which there are.
        message: String,
    },
    /// A key that must be there is not.
    #[error("{place}: {message}")]
    MissingKey {
        /// Where.
        place: Place,
        /// Which key.
        message: String,
    },
    /// A value of the wrong type, or a word that is not one of the choices.
    #[error("{place}: {message}")]
    BadType {
        /// Where.
        place: Place,
        /// What was expected.
        message: String,
    },
    /// A setting that is well formed but makes no sense.
    #[error("{place}: {key}: {message}")]
    Setting {
        /// Where.
        place: Place,
        /// Which setting.
        key: String,
        /// What is wrong.
        message: String,
        /// What to do.
        help: String,
    },
    /// A device kind asks for a CAN port the product does not describe.
    #[error("{place}: product {product} has no CAN port `{port}`")]
    UnknownPort {
        /// Where ports are listed.
        place: Place,
        /// Product.
        product: String,
        /// Port asked for.
        port: String,
    },
    /// A device kind needs a register map and the product names none.
    #[error("{place}: product {product} names no register map")]
    NoRegisters {
        /// The file.
        place: Place,
        /// Product.
        product: String,
    },
    /// The DBC text does not parse.
    #[error("{place}: {message}")]
    Dbc {
        /// Where.
        place: Place,
        /// What the parser says.
        message: String,
    },
    /// No message of this name in the DBC.
    #[error("{place}: {dbc} has no message `{message}`")]
    UnknownMessage {
        /// Where it is named.
        place: Place,
        /// DBC file.
        dbc: String,
        /// Message or pattern.
        message: String,
        /// Nearest name there is.
        nearest: Option<String>,
    },
    /// No signal of this name in the message.
    #[error("{place}: message {message} has no signal `{signal}`")]
    UnknownSignal {
        /// Where it is named.
        place: Place,
        /// Message.
        message: String,
        /// Signal or pattern.
        signal: String,
        /// Nearest name there is.
        nearest: Option<String>,
    },
    /// The device kind has no point of this name.
    #[error("{place}: there is no point `{point}`")]
    UnknownPoint {
        /// Where it is named.
        place: Place,
        /// Point or pattern.
        point: String,
        /// Nearest name there is.
        nearest: Option<String>,
    },
    /// A sent message has a signal nothing is bound to.
    #[error("{place}: signal {signal} of message {message} is not bound")]
    UnmappedSignal {
        /// Where the message is listed.
        place: Place,
        /// Message.
        message: String,
        /// Signal.
        signal: String,
    },
    /// A signal the codec cannot do, or that does not fit its frame.
    #[error("{place}: signal {signal} of message {message}: {reason}")]
    UnsupportedSignal {
        /// Where it stands in the DBC.
        place: Place,
        /// Where the product lists the message.
        named: Box<Place>,
        /// Message.
        message: String,
        /// Signal.
        signal: String,
        /// Why.
        reason: &'static str,
    },
    /// Two things claim the same bits or registers.
    #[error("{place}: {what} overlaps {other}")]
    Overlap {
        /// Where the second one stands.
        place: Place,
        /// The second one.
        what: String,
        /// The first one.
        other: String,
    },
    /// The file is not text.
    #[error("{place}: {message}")]
    Unreadable {
        /// Where.
        place: Place,
        /// Why.
        message: String,
    },
    /// Unit in the file and unit of the point do not fit.
    #[error("{place}: `{point}` is in {point_unit}, `{name}` in {unit}")]
    Unit {
        /// Where.
        place: Place,
        /// Signal or register.
        name: Box<str>,
        /// Its unit.
        unit: Box<str>,
        /// Point.
        point: Box<str>,
        /// The point's unit.
        point_unit: &'static str,
    },
    /// The identifier has no place for the node address.
    #[error("{place}: message {message} has identifier {id:08X}, whose {byte} byte is not FE")]
    NodeByte {
        /// Where.
        place: Place,
        /// Message.
        message: String,
        /// Identifier in the DBC.
        id: u32,
        /// Which byte.
        byte: &'static str,
    },
    /// A register entry that cannot be.
    #[error("{place}: register {name}: {reason}")]
    Register {
        /// Where.
        place: Place,
        /// Which entry.
        name: String,
        /// Why.
        reason: String,
    },
    /// This crate has no emulator for the kind.
    #[error("{place}: no emulator for kind {kind}")]
    NotBuilt {
        /// The product file.
        place: Place,
        /// Kind.
        kind: DeviceKind,
    },
}

impl ProductError {
    /// What to do about it, one sentence.
    pub fn help(&self) -> String {
        let nearest = |nearest: &Option<String>, otherwise: &str| {
            nearest
                .as_ref()
                .map_or_else(|| otherwise.to_owned(), |name| format!("did you mean `{name}`?"))
        };
        match self {
            Self::UnknownProduct { known, .. } => format!("products there are: {}", known.join(", ")),
            Self::UnknownFile { known, .. } => format!("files there are: {}", known.join(", ")),
            Self::Syntax { .. } => "the file must be TOML".into(),
            Self::UnknownKey { .. } => "remove the key, or spell it as one of those listed".into(),
            Self::MissingKey { .. } => "add the key".into(),
            Self::BadType { .. } => "give a value of the expected type".into(),
            Self::Setting { help, .. } => help.clone(),
            Self::UnknownPort { .. } => "add a [[can]] table with this port".into(),
            Self::NoRegisters { .. } => "add registers = \"<file below data/modbus>\"".into(),
            Self::Dbc { .. } => "open the file in a DBC editor, or compare with device-emulators/data/dbc/rig-cluster.dbc".into(),
            Self::UnknownMessage { nearest: name, .. } => nearest(name, "name a message of the DBC"),
            Self::UnknownSignal { nearest: name, .. } => nearest(name, "name a signal of the message"),
            Self::UnknownPoint { nearest: name, .. } => {
                nearest(name, "`bessrig points` lists the points of a device kind")
            }
            Self::UnmappedSignal { signal, .. } => {
                format!("add it to bind, or to constant = {{ {signal} = 0 }}")
            }
            Self::UnsupportedSignal { named, .. } => {
                format!("correct the DBC, or leave out what {named} says of it")
            }
            Self::Overlap { .. } => "move or remove one of the two".into(),
            Self::Unreadable { .. } => "save it as text in UTF-8".into(),
            Self::Unit { point_unit: "1", .. } => "leave the unit out, or bind another point".into(),
            Self::Unit { point_unit, .. } => format!(
                "give one of the units {}, or bind another point",
                unit::of_quantity(point_unit).join(", ")
            ),
            Self::NodeByte { .. } => {
                "set that byte of the identifier to FE in the DBC, or change node_in; an 11-bit one takes \"added\"".into()
            }
            Self::Register { .. } => "see device-emulators/data/modbus for the form of an entry".into(),
            Self::NotBuilt { .. } => "use a product of another kind".into(),
        }
    }

    /// Where it stands, for showing the line; `None` for an unknown product id.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::UnknownProduct { .. } => None,
            Self::UnknownFile { place, .. }
            | Self::Syntax { place, .. }
            | Self::UnknownKey { place, .. }
            | Self::MissingKey { place, .. }
            | Self::BadType { place, .. }
            | Self::Setting { place, .. }
            | Self::UnknownPort { place, .. }
            | Self::NoRegisters { place, .. }
            | Self::Dbc { place, .. }
            | Self::UnknownMessage { place, .. }
            | Self::UnknownSignal { place, .. }
            | Self::UnknownPoint { place, .. }
            | Self::UnmappedSignal { place, .. }
            | Self::UnsupportedSignal { place, .. }
            | Self::Overlap { place, .. }
            | Self::Unreadable { place, .. }
            | Self::Unit { place, .. }
            | Self::NodeByte { place, .. }
            | Self::Register { place, .. }
            | Self::NotBuilt { place, .. } => Some(place),
        }
    }
}
