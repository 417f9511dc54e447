//! From commands of the control API to those of the rig: one address form for faults of every level.

use bess_devices::DeviceFault;
use bess_plant::PlantFault;
use bess_rig::RigCommand;
use bess_rig::fault::{CATALOGUE, LinkFault};
use bess_telemetry::{Command, EstopChannel, Fault, Refusal};
use bess_types::{Line, Tag};
use serde_json::{Map, Value, json};

use super::hub::refusal;

/// What the rig is told. Commands about time and scenarios are not for it.
pub(crate) fn rig_commands(command: &Command, faults_enabled: bool) -> Result<Vec<RigCommand>, Refusal> {
    let contacts = |lines: &[Line], level| {
        let contact = |line: &Line| RigCommand::Contact { line: *line, level };
        lines.iter().map(contact).collect()
    };
    Ok(match command {
        Command::InjectFault { .. } | Command::ClearFault { .. } if !faults_enabled => {
            return Err(refusal(
                "this rig's file does not let outsiders inject faults",
                "say `[control]` and `faults = true` in the rig file",
            ));
        }
        Command::InjectFault { fault } => vec![begin(fault)?],
        Command::ClearFault { fault } => vec![end(fault)?],
        Command::EstopPress { channel } => contacts(
            match channel {
                EstopChannel::Both => &[Line::EstopA, Line::EstopB],
                EstopChannel::A => &[Line::EstopA],
                EstopChannel::B => &[Line::EstopB],
            },
            false,
        ),
        Command::EstopRelease {} => contacts(&[Line::EstopA, Line::EstopB], true),
        Command::EstopReset {}
        | Command::Pause {}
        | Command::Resume {}
        | Command::Step { .. }
        | Command::Rate { .. }
        | Command::StartScenario { .. } => Vec::new(),
    })
}

fn begin(fault: &Fault) -> Result<RigCommand, Refusal> {
    if is_of_link(fault) {
        let numbers = fault
            .with
            .iter()
            .map(|(name, value)| match value.as_f64() {
                Some(number) => Ok((name.clone(), number)),
                None => Err(refusal(
                    format!("`{name}` of {} is {value}", fault.name),
                    "give a number",
                )),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let link = LinkFault::new(&fault.name, &fault.target, &numbers)
            .map_err(|error| refusal(error.to_string(), "`bessrig faults` lists names and numbers"))?;
        let length = fault.for_ms.map(std::time::Duration::from_millis);
        return Ok(RigCommand::LinkFault(link.lasting(length)));
    }
    if fault.for_ms.is_some() {
        return Err(refusal(
            format!("{} does not end by itself", fault.name),
            "leave `for_ms` out and clear it; only faults of links have a length",
        ));
    }
    if let Some(of_device) = device_fault(fault)? {
        return Ok(RigCommand::DeviceFault {
            tag: target(fault)?,
            fault: of_device,
        });
    }
    Ok(RigCommand::Fault(plant_fault(fault)?))
}

fn end(fault: &Fault) -> Result<RigCommand, Refusal> {
    if is_of_link(fault) {
        return Ok(RigCommand::EndLinkFault {
            name: fault.name.clone(),
            target: fault.target.clone(),
        });
    }
    let Some(of_device) = device_fault(fault)? else {
        return Ok(RigCommand::ClearFault(plant_fault(fault)?));
    };
    let ended = match of_device {
        DeviceFault::PowerOff => DeviceFault::PowerOn,
        DeviceFault::FreezeCounters => DeviceFault::UnfreezeCounters,
        DeviceFault::BreakChecksums => DeviceFault::MendChecksums,
        DeviceFault::OpenEnable => DeviceFault::CloseEnable,
        DeviceFault::KeepAddress(_) => DeviceFault::FollowAddress,
        _ => {
            return Err(refusal(
                format!("{} cannot be cleared", fault.name),
                "inject what is to be instead",
            ));
        }
    };
    Ok(RigCommand::DeviceFault {
        tag: target(fault)?,
        fault: ended,
    })
}

fn is_of_link(fault: &Fault) -> bool {
    CATALOGUE.iter().any(|kind| kind.name == fault.name)
}

fn target(fault: &Fault) -> Result<Tag, Refusal> {
    fault
        .target
        .parse()
        .map_err(|error| refusal(format!("{error}"), "GET /api/description lists the tags"))
}

/// A fault of a device, if its name is one of those; `keep-address` and `serial` have their number under that name.
fn device_fault(fault: &Fault) -> Result<Option<DeviceFault>, Refusal> {
    let number = |name: &str| match fault.with.get(name).and_then(Value::as_u64) {
        Some(number) => Ok(json!({ &fault.name: number })),
        None => Err(refusal(
            format!("{} needs `{name}`", fault.name),
            format!("give a whole number as `{name}` in `with`"),
        )),
    };
    let value = match fault.name.as_str() {
        "keep-address" => number("address")?,
        "serial" => number("serial")?,
        _ => Value::String(fault.name.clone()),
    };
    match serde_json::from_value(value) {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(fault.name.as_str(), "keep-address" | "serial") => Err(refusal(
            format!("{}: {error}", fault.name),
            "give a number the device can have",
        )),
        Err(_) => Ok(None),
    }
}

/// A fault of the plant or of a sensor; where it sits comes from the target's tag, numbered from 1.
fn plant_fault(fault: &Fault) -> Result<PlantFault, Refusal> {
    let tag = target(fault)?;
    let mut fields: Map<String, Value> = fault.with.clone().into_iter().collect();
    let part = |name: &str| -> Result<Option<usize>, Refusal> {
        match tag.index_of(name) {
            Some(0) => Err(refusal(
                format!("{tag}: there is no {name} 0"),
                "clusters, packs and cells count from 1",
            )),
            other => Ok(other.map(|number| number - 1)),
        }
    };
    let [cluster, pack, cell] = [part("cluster")?, part("pack")?, part("cell")?];
    if fault.name.starts_with("sensor-") {
        fields.insert("place".into(), json!({ "cluster": cluster, "pack": pack }));
        if let Some(cell) = cell {
            fields.entry("index").or_insert(cell.into());
        }
    } else {
        let parts = [("cluster", cluster), ("pack", pack), ("cell", cell)];
        for (name, number) in parts {
            if let Some(number) = number {
                fields.insert(name.into(), number.into());
            }
        }
    }
    let value = if fields.is_empty() {
        Value::String(fault.name.clone())
    } else {
        json!({ &fault.name: fields })
    };
    serde_json::from_value(value).map_err(|error| {
        refusal(
            format!("fault {} of {tag}: {error}", fault.name),
            "names, targets and numbers: `bessrig faults` for links, PlantFault in bessrig's documentation for the rest",
        )
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<RigCommand>, Refusal> {
        let fault: Fault = serde_json::from_str(text).unwrap();
        rig_commands(&Command::InjectFault { fault }, true)
    }

    fn said(text: &str) -> String {
        match read(text).as_deref() {
            Ok([RigCommand::LinkFault(fault)]) => format!("{fault} for {:?}", fault.duration),
            Ok(commands) => format!("{commands:?}"),
            Err(refusal) => format!("{}\n    {}", refusal.error, refusal.remedy),
        }
    }

    #[test]
    fn faults_of_every_level_have_one_address_form() {
        let lines = [
            r#"{"name":"nail","target":"container-01/cluster-03/pack-05/cell-17"}"#,
            r#"{"name":"hold-cell-temperature","target":"container-01/cluster-03/pack-05/cell-17","with":{"celsius":130}}"#,
            r#"{"name":"coolant-pump-failed","target":"container-01/chiller"}"#,
            r#"{"name":"contactor-welded","target":"container-01/cluster-02","with":{"coil":"main-positive"}}"#,
            r#"{"name":"sensor-stuck","target":"container-01/cluster-03/pack-05/cell-17","with":{"channel":"cell-voltages","value":3.3}}"#,
            r#"{"name":"power-off","target":"container-01/cluster-03/bcu"}"#,
            r#"{"name":"keep-address","target":"container-01/cluster-01/pack-02/bmu","with":{"address":7}}"#,
            r#"{"name":"can-delay","target":"container-01/cluster-01/pack-03/bmu","with":{"by":20},"for_ms":5000}"#,
        ];
        insta::assert_snapshot!(lines.map(said).join("\n"));
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_remedy() {
        let lines = [
            r#"{"name":"explode","target":"container-01"}"#,
            r#"{"name":"nail","target":"container-01/cluster-03"}"#,
            r#"{"name":"nail","target":"container-01/cluster-00/pack-01/cell-01"}"#,
            r#"{"name":"nail","target":"Container 1"}"#,
            r#"{"name":"nail","target":"container-01/cluster-03/pack-05/cell-17","for_ms":5}"#,
            r#"{"name":"can-delay","target":"bus-1","with":{"by":"far"}}"#,
            r#"{"name":"keep-address","target":"container-01/cluster-01/pack-02/bmu","with":{"address":700}}"#,
        ];
        insta::assert_snapshot!(lines.map(said).join("\n"));
    }

    #[test]
    fn faults_need_the_rig_files_leave() {
        let fault: Fault =
            serde_json::from_str(r#"{"name":"grid-lost","target":"container-01/grid"}"#).unwrap();
        let command = Command::InjectFault { fault: fault.clone() };
        assert!(rig_commands(&command, false).is_err());
        assert!(rig_commands(&command, true).is_ok());
        assert!(rig_commands(&Command::ClearFault { fault }, true).is_ok());
        assert_eq!(rig_commands(&Command::EstopRelease {}, false).unwrap().len(), 2);
    }
}
