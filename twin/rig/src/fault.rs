//! Faults of the links between devices, and of devices as their links show them: one catalogue, with the same names in rig files, steps and `bessrig faults`.
//!
//! A fault has a target (a device's tag, or a bus), parameters with ranges, and on every one a start, perhaps an end, and
//! the share of frames or requests it hits, drawn from the rig's seed. Faults of the plant and of sensors are
//! `bess_plant::PlantFault`s; this is about what happens to messages. Frames and requests of a device that is not
//! emulated here cannot be touched: what it puts on a wire is there.

use core::fmt;
use core::time::Duration;

use bess_types::ModbusException;
use serde::{Deserialize, Serialize};

use crate::interface::WireFault;

/// Where a fault sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Frames and controllers of a CAN bus.
    Can,
    /// Requests, replies and connections of a Modbus server.
    Modbus,
    /// How a BMU gets its address on a CAN bus.
    Addressing,
}

/// A wire that some faults need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Connections and transactions: a Modbus server that is on no RTU line.
    Tcp,
    /// A Modbus RTU line.
    RtuLine,
}

/// What a fault can be aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A device, by tag.
    Device,
    /// A bus, by name.
    Bus,
    /// Either: a bus stands for every emulated device on it.
    DeviceOrBus,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Device => "device",
            Self::Bus => "bus",
            Self::DeviceOrBus => "device or bus",
        })
    }
}

/// A number a fault is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its unit; empty for a plain number.
    pub unit: &'static str,
    /// Lowest value.
    pub min: f64,
    /// Highest value.
    pub max: f64,
    /// Value if none is given; without one it may stay open.
    pub default: Option<f64>,
    /// What it does.
    pub about: &'static str,
}

/// A kind of fault.
#[derive(Clone, Copy, Debug)]
pub struct FaultKind {
    /// Its name everywhere.
    pub name: &'static str,
    /// Where it sits.
    pub layer: Layer,
    /// What it is aimed at.
    pub target: Target,
    /// What it does.
    pub about: &'static str,
    /// Numbers it takes, beside `share`.
    pub parameters: &'static [Parameter],
    /// What its target must be attached to.
    pub wire: Option<Wire>,
    /// Whether it hits all or nothing, so that there is no `share` of it.
    pub whole: bool,
    effect: fn(&Values<'_>) -> Effect,
}

/// What a fault does, with its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Effect {
    Drop,
    Delay(Duration),
    Jitter(Duration),
    Duplicate(Duration),
    Reorder,
    Corrupt { bits: u32 },
    Length { bytes: usize },
    Identifier { add: u32 },
    Stale,
    Twin,
    FreezeCounters,
    BreakChecksums,
    OpenEnable,
    KeepAddress(u8),
    Swap { pack: usize },
    Reset { off: Duration },
    Babble { id: u32, every: Duration },
    BusOff,
    Disconnect,
    Disturb,
    Short,
    Silence,
    Exception(ModbusException),
    SwapBytes,
    SwapWords,
    NotAvailable(u16),
    Refuse,
    Wire(WireFault),
}

const ID: Parameter = Parameter {
    name: "id",
    unit: "",
    min: 0.0,
    max: 0x1FFF_FFFF as f64,
    default: None,
    about: "only frames of this identifier; all if left out",
};

const fn ms(name: &'static str, default: f64, about: &'static str) -> Parameter {
    Parameter {
        name,
        unit: "ms",
        min: 0.0,
        max: 60_000.0,
        default: Some(default),
        about,
    }
}

const fn number(name: &'static str, min: f64, max: f64, default: f64, about: &'static str) -> Parameter {
    Parameter {
        name,
        unit: "",
        min,
        max,
        default: Some(default),
        about,
    }
}

const fn can(
    name: &'static str,
    target: Target,
    about: &'static str,
    parameters: &'static [Parameter],
    effect: fn(&Values<'_>) -> Effect,
) -> FaultKind {
    FaultKind {
        name,
        layer: Layer::Can,
        target,
        about,
        parameters,
        wire: None,
        whole: false,
        effect,
    }
}

/// A fault of what only connections have.
const fn tcp(
    name: &'static str,
    about: &'static str,
    parameters: &'static [Parameter],
    effect: fn(&Values<'_>) -> Effect,
) -> FaultKind {
    FaultKind {
        wire: Some(Wire::Tcp),
        ..modbus(name, about, parameters, effect)
    }
}

/// A fault of what only RTU lines have.
const fn rtu(
    name: &'static str,
    about: &'static str,
    parameters: &'static [Parameter],
    effect: fn(&Values<'_>) -> Effect,
) -> FaultKind {
    FaultKind {
        wire: Some(Wire::RtuLine),
        ..modbus(name, about, parameters, effect)
    }
}

const fn addressing(
    name: &'static str,
    about: &'static str,
    parameters: &'static [Parameter],
    effect: fn(&Values<'_>) -> Effect,
) -> FaultKind {
    FaultKind {
        layer: Layer::Addressing,
        whole: true,
        ..modbus(name, about, parameters, effect)
    }
}

const fn modbus(
    name: &'static str,
    about: &'static str,
    parameters: &'static [Parameter],
    effect: fn(&Values<'_>) -> Effect,
) -> FaultKind {
    FaultKind {
        name,
        layer: Layer::Modbus,
        target: Target::Device,
        about,
        parameters,
        wire: None,
        whole: false,
        effect,
    }
}

/// Every fault of a link.
pub const CATALOGUE: &[FaultKind] = &[
    can(
        "can-drop",
        Target::DeviceOrBus,
        "frames never get on the bus",
        &[ID],
        |_| Effect::Drop,
    ),
    can(
        "can-delay",
        Target::DeviceOrBus,
        "frames are sent later",
        &[ID, ms("by", 50.0, "how much later")],
        |values| Effect::Delay(values.ms("by")),
    ),
    can(
        "can-jitter",
        Target::DeviceOrBus,
        "frames are sent later, each by another time; their order may change",
        &[ID, ms("up-to", 50.0, "latest")],
        |values| Effect::Jitter(values.ms("up-to")),
    ),
    can(
        "can-duplicate",
        Target::DeviceOrBus,
        "frames are sent twice",
        &[ID, ms("after", 1.0, "time to the second one")],
        |values| Effect::Duplicate(values.ms("after")),
    ),
    can(
        "can-reorder",
        Target::DeviceOrBus,
        "a frame waits until its sender's next one is out",
        &[ID],
        |_| Effect::Reorder,
    ),
    can(
        "can-corrupt",
        Target::DeviceOrBus,
        "bits of the payload are turned over before the frame's own checksum is made, so that receivers take it",
        &[ID, number("bits", 1.0, 64.0, 1.0, "how many")],
        |values| Effect::Corrupt {
            bits: values.whole("bits"),
        },
    ),
    can(
        "can-length",
        Target::DeviceOrBus,
        "frames have another length: cut, or filled up with zeros",
        &[ID, number("bytes", 0.0, 8.0, 4.0, "the length")],
        |values| Effect::Length {
            bytes: values.whole("bytes") as usize,
        },
    ),
    can(
        "can-id",
        Target::DeviceOrBus,
        "frames go out under another identifier",
        &[ID, number("add", 1.0, 65_535.0, 1.0, "is added to it")],
        |values| Effect::Identifier {
            add: values.whole("add"),
        },
    ),
    can(
        "can-stale",
        Target::DeviceOrBus,
        "payloads stay as they were when the fault began, counters and all",
        &[ID],
        |_| Effect::Stale,
    ),
    can(
        "can-twin",
        Target::Device,
        "a second node sends under the device's identifiers at the same time, every bit of the payload the other way round",
        &[ID],
        |_| Effect::Twin,
    ),
    can(
        "can-counter",
        Target::Device,
        "life counters stand still while data goes on",
        &[],
        |_| Effect::FreezeCounters,
    ),
    can(
        "can-checksum",
        Target::Device,
        "checksums in the device's frames are wrong",
        &[],
        |_| Effect::BreakChecksums,
    ),
    can(
        "can-reset",
        Target::Device,
        "the device loses its supply and starts anew",
        &[ms("off", 500.0, "time without supply")],
        |values| Effect::Reset {
            off: values.ms("off"),
        },
    ),
    can(
        "can-babble",
        Target::Device,
        "the device sends one frame without end; on a timed bus back to back",
        &[
            number(
                "id",
                0.0,
                ID.max,
                0.0,
                "its identifier; above 2047 in the long format",
            ),
            Parameter {
                name: "every",
                unit: "ms",
                min: 0.1,
                max: 1_000.0,
                default: Some(0.5),
                about: "on a bus that is not timed",
            },
        ],
        |values| Effect::Babble {
            id: values.whole("id"),
            every: values.ms("every"),
        },
    ),
    can(
        "can-bus-off",
        Target::Device,
        "the device's CAN controller is off the bus: it neither sends nor hears",
        &[],
        |_| Effect::BusOff,
    ),
    can(
        "can-disconnect",
        Target::Device,
        "the device's bus wires are off; on a timed bus it counts errors until it is error-passive",
        &[],
        |_| Effect::Disconnect,
    ),
    can(
        "can-disturb",
        Target::Device,
        "frames are destroyed on a timed bus and sent again; the controller counts errors up to bus-off",
        &[],
        |_| Effect::Disturb,
    ),
    can(
        "can-short",
        Target::Bus,
        "the bus wires are shorted to each other: nothing gets through; on a timed bus senders count errors up to bus-off",
        &[],
        |_| Effect::Short,
    ),
    addressing(
        "bmu-chain",
        "the BMU's output of the enable chain stays low, so that those behind it get no address",
        &[],
        |_| Effect::OpenEnable,
    ),
    addressing(
        "bmu-same-id",
        "the BMU has another one's address whatever it is told",
        &[number("id", 1.0, 64.0, 1.0, "the address it has")],
        |values| Effect::KeepAddress(u8::try_from(values.whole("id")).unwrap_or(1)),
    ),
    addressing(
        "bmu-swapped",
        "the BMU and that of another pack have changed places, seen when addresses are given next: each has the other's serial \
         number",
        &[number("pack", 1.0, 64.0, 1.0, "the other pack")],
        |values| Effect::Swap {
            pack: values.whole("pack") as usize,
        },
    ),
    modbus(
        "modbus-silence",
        "requests to the device's server are lost: nothing is done, nothing comes back",
        &[],
        |_| Effect::Silence,
    ),
    FaultKind {
        whole: true,
        ..modbus(
            "modbus-restart",
            "the device loses its supply and starts anew: requests are lost until its start-up time is over",
            &[ms("off", 500.0, "time without supply")],
            |values| Effect::Reset {
                off: values.ms("off"),
            },
        )
    },
    modbus(
        "modbus-delay",
        "replies of the device come later",
        &[ms("by", 200.0, "how much later")],
        |values| Effect::Delay(values.ms("by")),
    ),
    modbus(
        "modbus-exception",
        "requests are refused with an exception, and nothing is done",
        &[number("code", 1.0, 11.0, 4.0, "1 to 4, 6, 10 or 11")],
        |values| Effect::Exception(exception(values.whole("code"))),
    ),
    modbus(
        "modbus-frozen",
        "registers and bits read as they did when first asked for under the fault",
        &[],
        |_| Effect::Stale,
    ),
    modbus(
        "modbus-byte-swap",
        "both bytes of each register read have changed places",
        &[],
        |_| Effect::SwapBytes,
    ),
    modbus(
        "modbus-word-swap",
        "registers read have changed places two by two",
        &[],
        |_| Effect::SwapWords,
    ),
    modbus(
        "modbus-not-available",
        "every register reads as a code for no value",
        &[number(
            "code",
            0.0,
            65_535.0,
            32_768.0,
            "the code; 32768 is SunSpec's of a signed value",
        )],
        |values| Effect::NotAvailable(u16::try_from(values.whole("code")).unwrap_or(0x8000)),
    ),
    modbus(
        "modbus-truncate",
        "replies end in the middle; the rest never comes",
        &[number(
            "bytes",
            0.0,
            259.0,
            8.0,
            "so many bytes come, header and all",
        )],
        |values| {
            Effect::Wire(WireFault::Truncate {
                bytes: values.whole("bytes") as usize,
            })
        },
    ),
    modbus(
        "modbus-split",
        "replies come in two pieces",
        &[
            number("at", 1.0, 259.0, 6.0, "bytes of the first, header and all"),
            ms("gap", 50.0, "time between them"),
        ],
        |values| {
            Effect::Wire(WireFault::Split {
                at: values.whole("at") as usize,
                gap: values.ms("gap"),
            })
        },
    ),
    modbus(
        "modbus-trickle",
        "replies come byte by byte",
        &[ms("gap", 20.0, "time between two bytes")],
        |values| {
            Effect::Wire(WireFault::Trickle {
                gap: values.ms("gap"),
            })
        },
    ),
    modbus(
        "modbus-merge",
        "a reply is kept back until the connection's next one, and both come in one piece",
        &[],
        |_| Effect::Wire(WireFault::Merge),
    ),
    tcp(
        "modbus-reset",
        "the request is carried out, but instead of a reply the connection is reset",
        &[],
        |_| Effect::Wire(WireFault::Reset),
    ),
    tcp(
        "modbus-half-open",
        "a request makes its connection dead without a word: nothing is done, nothing comes back; reset when the fault ends",
        &[],
        |_| Effect::Wire(WireFault::HalfOpen),
    ),
    FaultKind {
        whole: true,
        ..tcp(
            "modbus-refuse",
            "open connections are reset and new ones refused, as if the server's program were gone",
            &[],
            |_| Effect::Refuse,
        )
    },
    tcp(
        "modbus-wrong-transaction",
        "replies carry another transaction id than the request",
        &[number("add", 1.0, 65_535.0, 1.0, "is added to it")],
        |values| {
            Effect::Wire(WireFault::Transaction {
                add: u16::try_from(values.whole("add")).unwrap_or(1),
            })
        },
    ),
    modbus(
        "modbus-wrong-unit",
        "replies carry another unit id than the request",
        &[number("add", 1.0, 255.0, 1.0, "is added to it")],
        |values| {
            Effect::Wire(WireFault::Unit {
                add: u8::try_from(values.whole("add")).unwrap_or(1),
            })
        },
    ),
    rtu(
        "rtu-wrong-crc",
        "replies end with another checksum than theirs",
        &[],
        |_| Effect::Wire(WireFault::Crc),
    ),
    rtu(
        "rtu-noise",
        "replies come behind bytes that nobody sent",
        &[number("bytes", 1.0, 8.0, 2.0, "how many")],
        |values| {
            Effect::Wire(WireFault::Noise {
                bytes: values.whole("bytes") as usize,
                bits: 0,
            })
        },
    ),
];

/// The exception of a code; a server's failure for one the rig has no word for.
fn exception(code: u32) -> ModbusException {
    let known = u8::try_from(code).ok().and_then(ModbusException::from_code);
    known.unwrap_or(ModbusException::ServerDeviceFailure)
}

/// Given numbers, defaults filled in.
pub(crate) struct Values<'a> {
    kind: &'a FaultKind,
    values: &'a [Option<f64>],
}

impl Values<'_> {
    fn get(&self, name: &str) -> Option<f64> {
        let at = self.kind.parameters.iter().position(|p| p.name == name)?;
        self.values[at]
    }

    fn ms(&self, name: &str) -> Duration {
        Duration::from_secs_f64(self.get(name).unwrap_or(0.0) / 1e3)
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the parameter's range"
    )]
    fn whole(&self, name: &str) -> u32 {
        self.get(name).unwrap_or(0.0) as u32
    }
}

/// One fault: its kind, target and numbers.
#[derive(Clone, Debug)]
pub struct LinkFault {
    /// What it is.
    pub kind: &'static FaultKind,
    /// Tag or bus name.
    pub target: String,
    /// Share of frames or requests it hits, 0 to 1.
    pub share: f64,
    /// Ends by itself after this time.
    pub duration: Option<Duration>,
    values: Vec<Option<f64>>,
}

/// Why a fault cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// No such fault.
    #[error("there is no fault `{name}`; {hint}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The nearest name, or how to list them.
        hint: String,
    },
    /// No such parameter.
    #[error("fault {fault} has no parameter `{name}`; it takes {known}")]
    Parameter {
        /// The fault.
        fault: &'static str,
        /// What was given.
        name: String,
        /// What there is.
        known: String,
    },
    /// A number that makes no sense.
    #[error("{name} of fault {fault} is {value}, outside {range}")]
    Range {
        /// The fault.
        fault: &'static str,
        /// The parameter.
        name: String,
        /// What was given.
        value: String,
        /// What it may be.
        range: String,
    },
    /// The target is not there, or not of the right kind.
    #[error("fault {fault} cannot hit `{target}`: {why}")]
    Target {
        /// The fault.
        fault: &'static str,
        /// What was given.
        target: String,
        /// What is wrong with it.
        why: String,
    },
}

impl LinkFault {
    /// A fault by name. `given` are its numbers; `share` is one of every fault.
    ///
    /// # Errors
    /// If there is no such fault or parameter, or a number is outside its range.
    pub fn new(name: &str, target: &str, given: &[(String, f64)]) -> Result<Self, FaultError> {
        let kind = CATALOGUE.iter().find(|kind| kind.name == name).ok_or_else(|| {
            let names = CATALOGUE.iter().map(|kind| kind.name);
            FaultError::Unknown {
                name: name.into(),
                hint: bess_devices::codec::pattern::nearest(name, names).map_or_else(
                    || "`bessrig faults` lists them".into(),
                    |near| format!("did you mean {near}?"),
                ),
            }
        })?;
        let in_range = |name: &str, value: f64, min: f64, max: f64| {
            if (min..=max).contains(&value) {
                Ok(value)
            } else {
                Err(FaultError::Range {
                    fault: kind.name,
                    name: name.into(),
                    value: value.to_string(),
                    range: format!("{min} to {max}"),
                })
            }
        };
        let mut share = 1.0;
        let mut values: Vec<_> = kind.parameters.iter().map(|p| p.default).collect();
        for (name, value) in given {
            if name == SHARE {
                share = in_range(name, *value, if kind.whole { 1.0 } else { 0.0 }, 1.0)?;
                continue;
            }
            let found = kind.parameters.iter().position(|p| p.name == name);
            let at = found.ok_or_else(|| FaultError::Parameter {
                fault: kind.name,
                name: name.clone(),
                known: kind
                    .parameters
                    .iter()
                    .map(|p| p.name)
                    .chain([SHARE])
                    .collect::<Vec<_>>()
                    .join(", "),
            })?;
            let Parameter { min, max, .. } = kind.parameters[at];
            values[at] = Some(in_range(name, *value, min, max)?);
        }
        Ok(Self {
            kind,
            target: target.into(),
            share,
            duration: None,
            values,
        })
    }

    /// Ends by itself after `duration`.
    #[must_use]
    pub fn lasting(mut self, duration: Option<Duration>) -> Self {
        self.duration = duration;
        self
    }

    /// Whether it is about bytes and connections, which only a wire has; without one it is felt as in
    /// [`WireFault::felt`].
    pub fn is_of_bytes(&self) -> bool {
        matches!(self.effect(), Effect::Wire(_) | Effect::Refuse)
    }

    pub(crate) fn effect(&self) -> Effect {
        (self.kind.effect)(&self.numbers())
    }

    /// The identifier it is confined to.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the parameter's range"
    )]
    pub(crate) fn id(&self) -> Option<u32> {
        // for a babbler it is not a filter, but what it sends
        let filter = self.kind.parameters.contains(&ID);
        self.numbers().get(ID.name).filter(|_| filter).map(|id| id as u32)
    }

    fn numbers(&self) -> Values<'_> {
        Values {
            kind: self.kind,
            values: &self.values,
        }
    }
}

impl fmt::Display for LinkFault {
    /// As in a step: `can-drop with id 5 and share 0.5 hits container-01/...`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name)?;
        let given = self.kind.parameters.iter().zip(&self.values);
        let mut with = " with ";
        for (parameter, value) in given {
            if let Some(value) = value {
                write!(f, "{with}{} {value}", parameter.name)?;
                with = " and ";
            }
        }
        if self.share < 1.0 {
            write!(f, "{with}{SHARE} {}", self.share)?;
        }
        write!(f, " hits {}", self.target)
    }
}

/// The parameter every fault has.
pub const SHARE: &str = "share";

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, f64)]) -> Vec<(String, f64)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).into(), *value))
            .collect()
    }

    #[test]
    fn names_are_unique_and_defaults_in_range() {
        for (i, kind) in CATALOGUE.iter().enumerate() {
            assert!(
                CATALOGUE[..i].iter().all(|other| other.name != kind.name),
                "{}",
                kind.name
            );
            for parameter in kind.parameters {
                let default = parameter.default.unwrap_or(parameter.min);
                assert!(
                    (parameter.min..=parameter.max).contains(&default),
                    "{}",
                    kind.name
                );
                assert!(parameter.name != SHARE);
            }
        }
    }

    #[test]
    fn numbers_are_checked_and_told_again() {
        let fault = LinkFault::new("can-delay", "bus-1", &given(&[("by", 20.0), ("share", 0.5)])).unwrap();
        assert_eq!(fault.effect(), Effect::Delay(Duration::from_millis(20)));
        assert_eq!(fault.to_string(), "can-delay with by 20 and share 0.5 hits bus-1");
        let wrong =
            |name, pairs: &[(&str, f64)]| LinkFault::new(name, "x", &given(pairs)).unwrap_err().to_string();
        assert_eq!(
            wrong("can-dorp", &[]),
            "there is no fault `can-dorp`; did you mean can-drop?"
        );
        assert_eq!(
            wrong("can-drop", &[("by", 1.0)]),
            "fault can-drop has no parameter `by`; it takes id, share"
        );
        assert_eq!(
            wrong("can-drop", &[("share", 2.0)]),
            "share of fault can-drop is 2, outside 0 to 1"
        );
        assert_eq!(
            wrong("can-delay", &[("by", f64::NAN)]),
            "by of fault can-delay is NaN, outside 0 to 60000"
        );
    }

    #[test]
    fn a_filter_is_not_what_a_babbler_sends() {
        let fault = |name| LinkFault::new(name, "x", &given(&[("id", 5.0)])).unwrap();
        assert_eq!(fault("can-drop").id(), Some(5));
        assert_eq!(fault("can-babble").id(), None);
    }
}
