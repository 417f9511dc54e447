//! What goes wrong on the way between devices: link faults by name, and what can be said of a bus.

use std::sync::LazyLock;

use bess_rig::RigCommand;
use bess_rig::fault::LinkFault;
use cucumber::when;
use regex::Regex;

use super::{Entry, Span, one};
use crate::session::{Outcome, Session};
use crate::watch::{Demands, Test};

/// What can be said of a bus that keeps time.
pub(super) const PHRASES: &[Entry] = &[
    Entry {
        pattern: r"the load of (?<bus>\S+) (?:is|stays) below (?<percent>\d+(?:\.\d+)?) %",
        example: "the load of cluster-can-01 stays below 50 %",
        demands: |c, _| figure(&c["bus"], "load", Test::AtMost, &c["percent"]),
    },
    Entry {
        pattern: r"the load of (?<bus>\S+) (?:is|stays) above (?<percent>\d+(?:\.\d+)?) %",
        example: "the load of cluster-can-01 is above 95 %",
        demands: |c, _| figure(&c["bus"], "load", Test::AtLeast, &c["percent"]),
    },
    Entry {
        pattern: r"no node of (?<bus>\S+) is bus-off",
        example: "no node of cluster-can-01 is bus-off",
        demands: |c, _| figure(&c["bus"], "nodes-off", Test::AtMost, "0"),
    },
    Entry {
        pattern: r"(?<count>\d+) nodes? of (?<bus>\S+) (?:is|are) bus-off",
        example: "1 node of cluster-can-01 is bus-off",
        demands: |c, _| figure(&c["bus"], "nodes-off", Test::AtLeast, &c["count"]),
    },
    Entry {
        pattern: r"(?<bus>\S+) has lost no frames",
        example: "cluster-can-01 has lost no frames",
        demands: |c, _| figure(&c["bus"], "lost-frames", Test::AtMost, "0"),
    },
];

fn figure(bus: &str, figure: &str, test: fn(f64) -> Test, value: &str) -> Result<Demands, String> {
    let value = value.parse().map_err(|error| format!("{value}: {error}"))?;
    Ok(one(format!("bus:{bus}"), figure, test(value)))
}

/// The fault that a step begins, if it is such a step.
pub(crate) fn fault_in(words: &str) -> Option<Result<LinkFault, String>> {
    static BEGINS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^fault (\S+)(?: with (.+?))? hits (\S+?)(?: for (\d+(?:\.\d+)? (?:ms|s|min|h)))?$")
            .expect("the pattern is fixed and tested")
    });
    let captures = BEGINS.captures(words)?;
    let part = |i: usize| captures.get(i).map_or("", |found| found.as_str());
    Some(fault(part(1), part(2), part(3), part(4)))
}

/// An example of each step here.
pub(super) const STEPS: &[&str] = &[
    "When fault can-delay with by 20 and share 0.5 hits container-01/cluster-01/pack-03/bmu for 10 s",
    "When fault can-delay of container-01/cluster-01/pack-03/bmu ends",
];

/// `fault can-drop hits TARGET`, `fault can-delay with by 20 and share 0.5 hits TARGET for 10 s`.
#[when(regex = r"^(fault \S+ (?:with .+ )?hits \S+.*)$")]
fn begin(session: &mut Session, words: String) -> Outcome {
    let fault = fault_in(&words)
        .unwrap_or_else(|| Err(format!("`{words}`: `bessrig faults` has a step for each fault")))
        .map_err(|text| session.error(text))?;
    session.mark_cause();
    session.command(RigCommand::LinkFault(fault))
}

#[when(regex = r"^fault (\S+) of (\S+) ends$")]
fn end(session: &mut Session, name: String, target: String) -> Outcome {
    session.mark_cause();
    session.command(RigCommand::EndLinkFault { name, target })
}

fn fault(name: &str, with: &str, target: &str, span: &str) -> Result<LinkFault, String> {
    let mut given = Vec::new();
    for pair in with.split(" and ").filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once(' ').ok_or_else(|| {
            format!("`{pair}`: a number of a fault is its name and a value, such as `share 0.5`")
        })?;
        let number = match value.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).ok().map(f64::from),
            None => value.parse().ok(),
        };
        let number = number.ok_or_else(|| format!("`{value}` of `{name}` is not a number"))?;
        given.push((name.to_owned(), number));
    }
    let duration = match span {
        "" => None,
        span => Some(span.parse::<Span>()?.0),
    };
    let fault = LinkFault::new(name, target, &given).map_err(|error| error.to_string())?;
    Ok(fault.lasting(duration))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_fault_are_read() {
        let read = fault(
            "can-delay",
            "by 20 and id 0x1820A003 and share 0.5",
            "bus-1",
            "10 s",
        )
        .unwrap();
        assert_eq!(
            read.to_string(),
            "can-delay with id 404791299 and by 20 and share 0.5 hits bus-1"
        );
        assert_eq!(read.duration, Some(std::time::Duration::from_secs(10)));
        let step = "fault can-delay with by 20 and id 0x1820A003 and share 0.5 hits bus-1 for 10 s";
        assert_eq!(fault_in(step).unwrap().unwrap().to_string(), read.to_string());
        assert!(fault_in("fault can-delay of bus-1 ends").is_none());
        let wrong = |with| fault("can-delay", with, "bus-1", "").unwrap_err();
        assert!(wrong("by").contains("its name and a value"));
        assert!(wrong("by far").contains("is not a number"));
    }
}
