//! CAN buses of a rig file, and what may be said of their timing.

use core::time::Duration;

use super::address;
use super::merge::{Entry, Merged};
use super::patterns::everywhere;
use crate::config::file::CanBusFile;
use crate::config::{Attach, CanBusConfig, Origin, PlantSection, RigConfigError, Timing};

/// Every bus, in file order.
pub(super) fn buses(merged: &Merged, plant: &PlantSection) -> Result<Vec<CanBusConfig>, RigConfigError> {
    let mut buses: Vec<CanBusConfig> = Vec::new();
    for Entry { value: file, origin } in &merged.buses {
        for at in everywhere(&file.name, plant) {
            let name = at.fill(&file.name);
            let bus = CanBusConfig {
                attach: file.attach.unwrap_or(Attach::Instant),
                interface: file.interface.as_deref().map(|text| at.fill(text)),
                listen: file
                    .listen
                    .as_deref()
                    .map(|text| address(&at.fill(text), &format!("bus `{name}`"), origin))
                    .transpose()?,
                name,
                timing: timing(file, origin)?,
                origin: origin.clone(),
            };
            if bus.attach == Attach::Socketcan && bus.interface.is_none() {
                return Err(origin.error(
                    format!(
                        "bus `{}` is attached to SocketCAN but names no interface",
                        bus.name
                    ),
                    "add interface = \"vcan0\" or the interface you use",
                ));
            }
            if bus.attach == Attach::Socketcand {
                check_socketcand(&bus)?;
            }
            let taken = |other: &&CanBusConfig| {
                other.name == bus.name || (bus.interface.is_some() && other.interface == bus.interface)
            };
            if let Some(other) = buses.iter().find(taken) {
                return Err(origin.error(
                    format!(
                        "bus `{}` shares its name or interface with the bus at {}",
                        bus.name,
                        other.origin.line()
                    ),
                    "give each bus a name and an interface of its own",
                ));
            }
            buses.push(bus);
        }
    }
    Ok(buses)
}

/// A bus that socketcand clients open by name at an address.
fn check_socketcand(bus: &CanBusConfig) -> Result<(), RigConfigError> {
    if bus.listen.is_none() {
        return Err(bus.origin.error(
            format!(
                "bus `{}` is attached to socketcand but does not say where it listens",
                bus.name
            ),
            "add listen = \"127.0.0.1:29536\"; buses may share an address, clients open them by name",
        ));
    }
    let closes = |c: char| c.is_whitespace() || matches!(c, '<' | '>');
    if bus.name.contains(closes) || !bus.name.is_ascii() {
        return Err(bus.origin.error(
            format!("bus `{}` has a name no socketcand client can open", bus.name),
            "name it in plain letters, digits and dashes",
        ));
    }
    Ok(())
}

/// Timing of a bus; refused where it is not on a timed bus, or is none a CAN controller has.
fn timing(file: &CanBusFile, origin: &Origin) -> Result<Timing, RigConfigError> {
    let given = [
        ("bit_rate", file.bit_rate.is_some()),
        ("data_bit_rate", file.data_bit_rate.is_some()),
        ("queue", file.queue.is_some()),
        ("recovers", file.recovers.is_some()),
        ("restart_ms", file.restart_ms.is_some()),
    ];
    if file.attach != Some(Attach::Timed)
        && let Some((key, _)) = given.iter().find(|(_, given)| *given)
    {
        return Err(origin.error(
            format!("bus `{}` has a {key}, but keeps no time on its wires", file.name),
            "add attach = \"timed\", or leave the key out",
        ));
    }
    let standard = Timing::default();
    let bit_rate = file.bit_rate.unwrap_or(standard.bit_rate);
    let timing = Timing {
        bit_rate,
        data_bit_rate: file.data_bit_rate.unwrap_or(standard.data_bit_rate.max(bit_rate)),
        queue: file.queue.unwrap_or(standard.queue),
        recovers: file.recovers.unwrap_or(standard.recovers),
        restart: file.restart_ms.map_or(standard.restart, Duration::from_millis),
    };
    let range = |key: &str, holds: bool, range: &str| {
        if holds {
            Ok(())
        } else {
            Err(origin.error(
                format!("{key} of bus `{}` is not within {range}", file.name),
                format!("give a {key} of {range}"),
            ))
        }
    };
    range(
        "bit_rate",
        BIT_RATES.contains(&timing.bit_rate),
        "10000 to 1000000",
    )?;
    range(
        "data_bit_rate",
        (timing.bit_rate..=8_000_000).contains(&timing.data_bit_rate),
        "bit_rate to 8000000",
    )?;
    range("queue", (1..=4096).contains(&timing.queue), "1 to 4096")?;
    let longest = Duration::from_mins(1);
    range("restart_ms", timing.restart <= longest, "0 to 60000")?;
    Ok(timing)
}

/// Bit rates of CAN in arbitration.
const BIT_RATES: core::ops::RangeInclusive<u32> = 10_000..=1_000_000;
