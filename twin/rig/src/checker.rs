//! What is watched in every run, whatever the scenario asks; [`list`] says it in words.

use core::time::Duration;

use bess_devices::product::DeviceKind;
use bess_plant::Ledger;
use bess_types::{SimTime, Tag};
use serde::Serialize;

use crate::bus::can::CanBus;
use crate::rig::{Observer, Slot};
use crate::wiring;

/// Voltage across a main contactor at closing that is still good practice, V: above it contacts weld (assumption,
/// cell-and-thermal §7).
pub const MAX_CLOSING_GAP_V: f64 = 50.0;
/// Residual of the energy accounts over the energy moved.
pub const MAX_ENERGY_RESIDUAL: f64 = 0.001;
/// Residual that is no news whatever was moved, J: the step in which a load comes on leaves this order at most. The
/// container holds 12 GJ.
pub const ENERGY_RESIDUAL_FLOOR_J: f64 = 20.0;
/// How long a life counter may stand still.
pub const MAX_COUNTER_STANDSTILL: Duration = Duration::from_secs(1);

/// Time a node has after power-up to send its first cyclic frame, self-test included.
pub(crate) const START_GRACE: Duration = Duration::from_secs(15);

/// Names of the checkers.
pub(crate) const DUPLICATE_CAN_ID: &str = "duplicate-can-id";
pub(crate) const CYCLIC_PERIOD: &str = "cyclic-period";
pub(crate) const LIFE_COUNTER: &str = "life-counter";
pub(crate) const CLOSING_GAP: &str = "closing-gap";
pub(crate) const OPEN_CONTACTOR_CURRENT: &str = "open-contactor-current";
pub(crate) const ENERGY_BALANCE: &str = "energy-balance";

/// Every checker: its name, and when it is broken, with its limit.
pub fn list() -> [(&'static str, String); 6] {
    [
        (
            DUPLICATE_CAN_ID,
            "a frame's identifier belongs to another node of the same bus".into(),
        ),
        (
            CYCLIC_PERIOD,
            format!(
                "a cyclic frame is silent for more than {VIRTUAL_PERIODS} of its periods and {} ms; on a paced rig for more \
                 than {PACED_PERIODS} periods and than one and {} ms; on a timed bus {} ms more; it has {} s to come first",
                VIRTUAL_SLACK.as_millis(),
                PACED_SLACK.as_millis(),
                LONGEST_WAIT.as_millis(),
                START_GRACE.as_secs()
            ),
        ),
        (
            LIFE_COUNTER,
            format!(
                "a controller's life counter stands still for more than {} s while its frames go on",
                MAX_COUNTER_STANDSTILL.as_secs_f64()
            ),
        ),
        (
            CLOSING_GAP,
            format!("a main contactor makes contact with more than {MAX_CLOSING_GAP_V} V across it"),
        ),
        (
            OPEN_CONTACTOR_CURRENT,
            "current flows in a cluster whose path is open".into(),
        ),
        (
            ENERGY_BALANCE,
            format!(
                "the plant's energy accounts differ by more than {} % of the energy moved and {ENERGY_RESIDUAL_FLOOR_J} J",
                100.0 * MAX_ENERGY_RESIDUAL
            ),
        ),
    ]
}

/// Whom a violation speaks against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The controller under test.
    Controller,
    /// The plant's own accounts: a fault of the twin.
    Plant,
    /// The rig: it was late or sent wrongly.
    Rig,
}

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Violation {
    /// When it was seen.
    pub at: SimTime,
    /// Which checker.
    pub checker: &'static str,
    /// Whose.
    pub tag: Tag,
    /// What, with figures.
    pub text: String,
    /// Whom it speaks against.
    pub blames: Blame,
}

/// Cyclic frames that are late or missing.
pub(crate) fn cycles(
    buses: &mut [CanBus],
    slots: &[Slot],
    now: SimTime,
    paced: bool,
    found: &mut Vec<Violation>,
) {
    for bus in buses {
        for state in &mut bus.ids {
            let (Some(period), Some(owner)) = (state.period, state.owner) else {
                continue;
            };
            let slot = &slots[owner];
            if slot.silenced || slot.excused || !slot.addressed {
                state.expect_anew(now);
                continue;
            }
            let gap = state
                .longest_gap
                .max(now - state.last.unwrap_or(state.expected_from));
            let allowed =
                period_tolerance(period, paced) + bus.timed.as_ref().map_or(Duration::ZERO, |_| LONGEST_WAIT);
            if gap > allowed && !state.period_reported {
                state.period_reported = true;
                found.push(Violation {
                    at: now,
                    checker: CYCLIC_PERIOD,
                    tag: slot.tag.clone(),
                    text: format!(
                        "{} on {} was silent for {} ms; its period is {} ms, {} ms are allowed",
                        state.id,
                        bus.name,
                        gap.as_millis(),
                        period.as_millis(),
                        allowed.as_millis()
                    ),
                    blames: blame(slot.kind, paced),
                });
            }
        }
    }
}

/// Controllers whose life counter stands still while their frames go on.
pub(crate) fn counters(
    observers: &mut [Observer],
    slots: &[Slot],
    now: SimTime,
    paced: bool,
    found: &mut Vec<Violation>,
) {
    for observer in observers {
        for (node, slot) in observer.slots.iter().enumerate() {
            let image = observer.router.node(node);
            let (Some(seen), Some(moved)) = (image.last_seen(), image.last_change_of_counter()) else {
                continue;
            };
            let stuck = seen - moved;
            if stuck > MAX_COUNTER_STANDSTILL && !observer.counter_reported[node] {
                observer.counter_reported[node] = true;
                found.push(Violation {
                    at: now,
                    checker: LIFE_COUNTER,
                    tag: slots[*slot].tag.clone(),
                    text: format!(
                        "life counter stands still for {} ms while frames go on",
                        stuck.as_millis()
                    ),
                    blames: blame(slots[*slot].kind, paced),
                });
            }
        }
    }
}

/// The plant's energy accounts.
pub(crate) fn energy(ledger: &Ledger, now: SimTime, found: &mut Vec<Violation>) {
    let share = ledger.residual_j.abs() / ledger.throughput_j.max(1.0);
    let small = ledger.residual_j.abs() <= ENERGY_RESIDUAL_FLOOR_J;
    if share.is_nan() || (share > MAX_ENERGY_RESIDUAL && !small) {
        found.push(Violation {
            at: now,
            checker: ENERGY_BALANCE,
            tag: wiring::site_tag(),
            text: format!(
                "energy accounts differ by {:.0} J of {:.0} J moved ({:.3} %; 0.1 % is allowed)",
                ledger.residual_j,
                ledger.throughput_j,
                share * 100.0
            ),
            blames: Blame::Plant,
        });
    }
}

fn blame(kind: DeviceKind, paced: bool) -> Blame {
    match kind {
        DeviceKind::Bcu | DeviceKind::Bau | DeviceKind::Ems => Blame::Controller,
        _ if paced => Blame::Rig,
        _ => Blame::Plant,
    }
}

/// A frame's wait for others on a bus that keeps time (assumption: what bursts of a bus below half its load come to).
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// Periods, and what is added to them, that a cyclic frame may be silent in virtual time.
const VIRTUAL_PERIODS: f64 = 1.5;
const VIRTUAL_SLACK: Duration = Duration::from_millis(5);
/// The same on a paced rig, where the slack is added to one period only and the longer of both counts.
const PACED_PERIODS: f64 = 3.0;
const PACED_SLACK: Duration = Duration::from_millis(250);

/// Longest silence a cyclic frame may have. On a paced rig a slow machine adds to it.
fn period_tolerance(period: Duration, paced: bool) -> Duration {
    if paced {
        period.mul_f64(PACED_PERIODS).max(period + PACED_SLACK)
    } else {
        period.mul_f64(VIRTUAL_PERIODS) + VIRTUAL_SLACK
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use bess_plant::Place;
    use bess_types::CanId;

    use super::*;

    const PERIOD: Duration = Duration::from_millis(100);

    fn slot() -> Slot {
        Slot {
            tag: "container-01/bau".parse().unwrap(),
            kind: DeviceKind::Bau,
            emulator: None,
            place: Place::default(),
            ports: vec![],
            peers: vec![],
            address: None,
            tls: None,
            unit: 1,
            server: bess_devices::codec::modbus::ModbusSettings::default(),
            port: crate::config::ModbusPort::default(),
            silenced: false,
            excused: false,
            addressed: true,
            asked: false,
            heard: false,
        }
    }

    fn bus_with_one_id() -> CanBus {
        let mut bus = CanBus::new("stack-can", None);
        bus.announce(CanId::Extended(0x1890_FFC0), 0, Some(PERIOD))
            .unwrap();
        bus
    }

    fn found(bus: &mut CanBus, slot: Slot, at_ms: u64, paced: bool) -> Vec<&'static str> {
        let mut found = vec![];
        let now = SimTime::from_millis(at_ms);
        cycles(core::slice::from_mut(bus), &[slot], now, paced, &mut found);
        found.into_iter().map(|violation| violation.checker).collect()
    }

    #[test]
    fn a_frame_that_never_comes_is_late_after_the_grace() {
        let mut bus = bus_with_one_id();
        assert_eq!(found(&mut bus, slot(), 15_000, false), [""; 0]);
        assert_eq!(found(&mut bus, slot(), 15_200, false), ["cyclic-period"]);
        assert_eq!(found(&mut bus, slot(), 16_000, false), [""; 0], "said once");
    }

    #[test]
    fn a_gap_is_found_after_the_fact_and_a_paced_rig_allows_more() {
        for (paced, expected) in [(false, vec!["cyclic-period"]), (true, vec![])] {
            let mut bus = bus_with_one_id();
            bus.ids[0].last = Some(SimTime::from_millis(1_000));
            bus.ids[0].longest_gap = Duration::from_millis(200);
            assert_eq!(found(&mut bus, slot(), 1_050, paced), expected);
        }
    }

    #[test]
    fn a_silenced_device_is_no_news_and_gets_its_grace_again() {
        let mut bus = bus_with_one_id();
        bus.ids[0].last = Some(SimTime::from_millis(1_000));
        let silenced = Slot {
            silenced: true,
            ..slot()
        };
        assert_eq!(found(&mut bus, silenced, 20_000, false), [""; 0]);
        assert_eq!(found(&mut bus, slot(), 30_000, false), [""; 0]);
        assert_eq!(found(&mut bus, slot(), 36_000, false), ["cyclic-period"]);
    }

    #[test]
    fn energy_from_nothing_is_found() {
        let accounts = |residual_j, throughput_j| Ledger {
            residual_j,
            throughput_j,
            ..Ledger::default()
        };
        for (ledger, expected) in [
            (accounts(15.0, 1e3), 0),
            (accounts(400.0, 1e3), 1),
            (accounts(900.0, 1e6), 0),
            (accounts(-2_000.0, 1e6), 1),
            (accounts(f64::NAN, 1e6), 1),
        ] {
            let mut found = vec![];
            energy(&ledger, SimTime::ZERO, &mut found);
            assert_eq!(found.len(), expected, "{ledger:?}");
        }
    }
}
