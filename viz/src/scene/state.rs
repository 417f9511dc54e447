//! What the drawn parts of a container are doing, read from points. Nothing is derived that the rig does not say: what has no
//! value is `None` and is drawn as unknown.

/// Whether, if anybody says so.
pub type Known = Option<bool>;

/// A container's devices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Clusters in order.
    pub clusters: Vec<Cluster>,
    /// The PCS.
    pub pcs: Pcs,
    /// The grid.
    pub grid: Grid,
    /// Liquid cooling.
    pub coolant: Coolant,
    /// Air in the container.
    pub air: Air,
    /// Fire fighting.
    pub fire: Fire,
    /// E-stop and safety relay.
    pub estop: Estop,
    /// The door is open.
    pub door_open: Known,
    /// Speed of the fans of each pack, rpm, cluster by cluster; empty if packs have none.
    pub pack_fans: Vec<Option<f32>>,
    /// Whether its BCU hears the BMU of each pack, cluster by cluster.
    pub packs_heard: Vec<Known>,
}

/// A cluster with its HV box.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cluster {
    /// Main contactors and precharge contactor are closed: K+, K−, K_pre.
    pub closed: [Known; 3],
    /// Their coils are driven.
    pub driven: [Known; 3],
    /// Which contactors are welded: 1 for K+, 2 for K−, 3 for both.
    pub welded: u8,
    /// The breaker is closed.
    pub breaker: Known,
    /// The fuse is whole.
    pub fuse: Known,
    /// Worst alarm of its BCU.
    pub alarm: Option<u8>,
    /// Current, A, positive discharging.
    pub current: Option<f32>,
    /// How many BMUs its BCU hears.
    pub packs_online: Option<u8>,
}

/// A PCS.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pcs {
    /// Active power at its AC side, W, positive discharging.
    pub power: Option<f32>,
    /// Rated power, W.
    pub rated: Option<f32>,
    /// Semiconductors switch.
    pub gate: Known,
    /// AC contactor closed.
    pub ac: Known,
    /// DC switch closed.
    pub dc: Known,
    /// It reports a fault.
    pub fault: Known,
}

/// The grid.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Grid {
    /// There is voltage.
    pub energised: Known,
}

/// Liquid cooling.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Coolant {
    /// Flow, L/min.
    pub flow: Option<f32>,
    /// The pump is told to run.
    pub pump: Known,
    /// Temperature of what goes to the packs, °C.
    pub supply: Option<f32>,
    /// Temperature of what comes back, °C.
    pub back: Option<f32>,
    /// The compressor runs.
    pub compressor: Known,
    /// It reports a fault.
    pub fault: Known,
}

/// Air in the container.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Air {
    /// Ventilator runs.
    pub vent: Known,
    /// Ventilator is told to run.
    pub vent_driven: Known,
    /// Damper is open.
    pub damper_open: Known,
    /// Air conditioner runs.
    pub hvac: Known,
    /// Vent gas against the lower explosive limit, %.
    pub gas_lel: Option<f32>,
    /// Vent gas under the ceiling, % of volume.
    pub gas_ceiling: Option<f32>,
    /// Smoke, dB/m.
    pub smoke: Option<f32>,
    /// What leaves cells now, L/s.
    pub vent_flow: Option<f32>,
    /// Gas burns.
    pub flame: Known,
}

/// Fire fighting.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fire {
    /// Level of the panel: 0 normal, 1 pre-warning, 2 and 3 levels 1 and 2, 4 released, 5 level 3.
    pub level: Option<u8>,
    /// Gas, smoke and heat detector have tripped.
    pub detectors: [Known; 3],
    /// Sounder and beacon are on.
    pub sounder: Known,
    /// The panel reports a fault.
    pub fault: Known,
    /// Pressure of the agent, Pa.
    pub pressure: Option<f32>,
    /// Agent flows.
    pub flowing: Known,
    /// Agent was released.
    pub released: Known,
    /// Agent in the air, % of volume.
    pub agent: Option<f32>,
    /// Seconds until the release, while it counts.
    pub countdown: Option<f32>,
}

/// E-stop and safety relay.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estop {
    /// Contacts of channel A and B are closed, as when nobody presses.
    pub closed: [Known; 2],
    /// The relay is locked out.
    pub lockout: Known,
    /// The safety chain is closed.
    pub safe: Known,
}

impl Estop {
    /// The button is pressed, or a contact is open as if.
    pub fn is_pressed(&self) -> Known {
        match self.closed {
            [Some(true), Some(true)] => Some(false),
            [None, None] => None,
            _ => Some(true),
        }
    }
}

/// Present values: tag and point to value; tags of plant truth have `plant:` in front.
pub type Values<'a> = dyn Fn(&str, &str) -> Option<f64> + 'a;

impl State {
    /// Of the container with this tag, as the points are now.
    pub fn read(tag: &str, clusters: u32, packs_per_cluster: u32, values: &Values) -> Self {
        let plant = |part: &str, point: &str| number(values(&format!("plant:{tag}{part}"), point));
        let device = |part: &str, point: &str| number(values(&format!("{tag}{part}"), point));
        let truth = |part: &str, point: &str| flag(plant(part, point));
        let said = |part: &str, point: &str| flag(device(part, point));
        let packs =
            || (1..=clusters).flat_map(|cluster| (1..=packs_per_cluster).map(move |pack| (cluster, pack)));
        let packs_heard = packs()
            .map(|(cluster, pack)| {
                said(
                    &format!("/cluster-{cluster:02}/bcu"),
                    &format!("pack[{}].online", pack - 1),
                )
            })
            .collect();
        let pack_fans = packs()
            .map(|(cluster, pack)| plant(&format!("/cluster-{cluster:02}/pack-{pack:02}"), "fan-speed"))
            .collect();
        Self {
            clusters: (1..=clusters)
                .map(|n| Cluster::read(&format!("/cluster-{n:02}"), &plant, &device))
                .collect(),
            pcs: Pcs {
                power: plant("/pcs", "active-power").or_else(|| device("/pcs", "active-power")),
                rated: device("/pcs", "rated-active-power"),
                gate: truth("/pcs", "gate").or_else(|| said("/pcs", "gate-enabled")),
                ac: truth("/pcs", "ac-contactor").or_else(|| said("/pcs", "ac-contactor-closed")),
                dc: said("/pcs", "dc-switch-closed"),
                fault: device("/pcs", "pcs-state").map(|state| state == 5.0),
            },
            grid: Grid {
                energised: truth("/grid", "energised"),
            },
            coolant: Coolant {
                flow: plant("/coolant", "flow").or_else(|| device("/chiller", "flow")),
                pump: said("/chiller", "pump"),
                supply: plant("/coolant", "supply-temperature"),
                back: plant("/coolant", "return-temperature"),
                compressor: truth("/coolant", "compressor"),
                fault: device("/chiller", "fault").map(|fault| fault != 0.0),
            },
            air: Air {
                vent: truth("/air", "vent-fan").or_else(|| said("/io", "vent-fan-running")),
                vent_driven: said("/fire-panel", "vent-fan-driven"),
                damper_open: truth("/air", "damper-open")
                    .or_else(|| said("/io", "damper-closed").map(|closed| !closed)),
                hvac: truth("/air", "hvac").or_else(|| said("/io", "hvac-running")),
                gas_lel: plant("/air", "gas-percent-lel"),
                gas_ceiling: plant("/air", "gas-ceiling-percent"),
                smoke: plant("/air", "smoke"),
                vent_flow: plant("/air", "vent-gas-flow"),
                flame: truth("/air", "flame"),
            },
            fire: Fire {
                level: device("/fire-panel", "level").map(small),
                detectors: ["gas-detector", "smoke-detector", "heat-detector"]
                    .map(|point| said("/fire-panel", point)),
                sounder: said("/fire-panel", "sounder"),
                fault: said("/fire-panel", "fault"),
                pressure: plant("/suppression", "pressure")
                    .or_else(|| device("/fire-panel", "agent-pressure")),
                flowing: truth("/suppression", "flowing"),
                released: truth("/suppression", "released"),
                agent: plant("/suppression", "concentration"),
                // it is looked at once a second, and its beginning and end are events
                countdown: device("/fire-panel", "countdown").filter(|left| {
                    *left > 0.0
                        && said("/fire-panel", "countdown-active") == Some(true)
                        && truth("/suppression", "flowing") != Some(true)
                }),
            },
            estop: Estop {
                closed: ["estop-a", "estop-b"]
                    .map(|point| said("/safety-relay", point).or_else(|| said("/io", point))),
                lockout: said("/safety-relay", "lockout"),
                safe: said("/safety-relay", "safety-ok").or_else(|| said("/io", "safety-ok")),
            },
            door_open: truth("", "door-open").or_else(|| said("/io", "door-closed").map(|closed| !closed)),
            pack_fans,
            packs_heard,
        }
    }
}

impl Cluster {
    fn read(
        part: &str,
        plant: &dyn Fn(&str, &str) -> Option<f32>,
        device: &dyn Fn(&str, &str) -> Option<f32>,
    ) -> Self {
        let bcu = format!("{part}/bcu");
        let io = format!("{part}/io");
        let contactor = |truth: &str, said: &str| flag(plant(part, truth).or_else(|| device(&bcu, said)));
        let coil = |point: &str| flag(device(&io, point).or_else(|| device(&bcu, point)));
        Self {
            closed: [
                contactor("main-positive", "main-positive-closed"),
                contactor("main-negative", "main-negative-closed"),
                contactor("precharge", "precharge-closed"),
            ],
            driven: ["coil-main-positive", "coil-main-negative", "coil-precharge"].map(coil),
            welded: plant(part, "welded").map_or(0, small),
            breaker: contactor("breaker", "breaker-closed"),
            fuse: contactor("fuse", "fuse-intact"),
            alarm: device(&bcu, "alarm-level").map(small),
            current: plant(part, "current").or_else(|| device(&bcu, "current")),
            packs_online: device(&bcu, "packs-online").map(small),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "pictures need no more")]
fn number(value: Option<f64>) -> Option<f32> {
    value.map(|value| value as f32)
}

/// A state.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small number; `as` saturates"
)]
fn small(value: f32) -> u8 {
    value as u8
}

fn flag(value: Option<f32>) -> Known {
    value.map(|value| value != 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_says_is_unknown() {
        let state = State::read("container-01", 2, 1, &|_, _| None);
        assert_eq!(state.clusters, vec![Cluster::default(); 2]);
        assert_eq!(state.estop.is_pressed(), None);
        assert_eq!(state.pcs, Pcs::default());
        assert_eq!(state.pack_fans, [None, None]);
    }

    #[test]
    fn truth_comes_before_what_is_said_of_it() {
        let values = |tag: &str, point: &str| match (tag, point) {
            ("plant:container-01/cluster-01", "main-positive") => Some(0.0),
            ("container-01/cluster-01/bcu", "main-positive-closed" | "main-negative-closed") => Some(1.0),
            _ => None,
        };
        let state = State::read("container-01", 1, 1, &values);
        assert_eq!(state.clusters[0].closed, [Some(false), Some(true), None]);
    }

    #[test]
    fn one_open_contact_counts_as_pressed() {
        let estop = Estop {
            closed: [Some(true), Some(false)],
            ..Estop::default()
        };
        assert_eq!(estop.is_pressed(), Some(true));
    }
}
