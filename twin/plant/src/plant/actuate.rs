//! What a controller's outputs do to the plant.

use core::time::Duration;

use bess_types::{Actuation, SimTime};

use super::Plant;
use crate::air::{Air, Demand};
use crate::topology::Place;

impl Plant {
    /// A device's act at `at`, in force from then on; `at` lies between the last step and the next. Acts at a place
    /// that has no such actuator do nothing.
    pub fn actuate(&mut self, at: SimTime, place: Place, action: &Actuation) {
        let now = at.max(self.now);
        self.stamp = now;
        let cluster = place.cluster.filter(|&c| c < self.topology.clusters);
        match *action {
            Actuation::Coil { coil, energised } => {
                let supply_v = self.coil_supply_v();
                if let Some(c) = cluster {
                    self.stack.clusters[c].command(now, coil, energised, supply_v);
                }
            }
            Actuation::BreakerTrip => {
                if let Some(c) = cluster {
                    let cluster = &mut self.stack.clusters[c];
                    if cluster.breaker_closed && cluster.breaker_due.is_none() {
                        let delay =
                            Duration::from_nanos(crate::converter::nanos(self.spec.hv_box.breaker_ms / 1e3));
                        cluster.breaker_due = Some(now + delay);
                    }
                }
            }
            Actuation::CoilSupply { on } => {
                self.coil_command = on;
                self.follow_supply();
            }
            Actuation::ActiveBalancing { sources, sinks } => {
                if let (Some(c), Some(p), Some(spec)) = (
                    cluster,
                    place.pack.filter(|&p| p < self.topology.packs_per_cluster),
                    self.spec.pack.active_balancing,
                ) {
                    let cells = self.topology.pack_cells(self.topology.pack_index(c, p));
                    self.cells.set_transfer(cells, sources, sinks, spec);
                }
            }
            Actuation::Balancing { cells } => {
                if let (Some(c), Some(p)) = (
                    cluster,
                    place.pack.filter(|&p| p < self.topology.packs_per_cluster),
                ) {
                    for k in 0..self.topology.cells_per_pack {
                        let on = cells >> k & 1 == 1;
                        let conductance_s = if on { 1.0 / self.spec.pack.bleed_ohm } else { 0.0 };
                        self.cells
                            .set_bleed(self.topology.cell_index(c, p, k), conductance_s);
                    }
                }
            }
            Actuation::Converter {
                gate,
                ac_contactor,
                active_power_w,
                reactive_power_var,
            } => {
                self.stack.converter.actuate(
                    now,
                    gate,
                    ac_contactor,
                    active_power_w,
                    reactive_power_var,
                    &mut self.events,
                );
            }
            Actuation::Cooling { mode, setpoint_c } => {
                if let Some(cooling) = &mut self.cooling {
                    cooling.mode = mode;
                    if setpoint_c.is_finite() {
                        cooling.setpoint_c = setpoint_c.clamp(-20.0, 60.0);
                    }
                }
            }
            Actuation::Ventilation { fan, damper_open } => {
                if core::mem::replace(&mut self.air.fan, fan) != fan {
                    self.note(
                        "air",
                        "vent-fan",
                        f64::from(fan),
                        if fan { "vent fan on" } else { "vent fan off" },
                    );
                }
                if core::mem::replace(&mut self.air.damper, damper_open) != damper_open {
                    self.note(
                        "air",
                        "damper-open",
                        f64::from(damper_open),
                        if damper_open {
                            "damper open"
                        } else {
                            "damper closed"
                        },
                    );
                }
            }
            Actuation::PackFan { duty } => {
                if let (Some(fans), Some(c), Some(p)) = (
                    &mut self.fans,
                    cluster,
                    place.pack.filter(|&p| p < self.topology.packs_per_cluster),
                ) && duty.is_finite()
                {
                    fans.duty[self.topology.pack_index(c, p)] = duty.clamp(0.0, 1.0);
                }
            }
            Actuation::Hvac { on } => self.change_hvac(|air| air.hvac = on),
            Actuation::HvacDemand {
                fan,
                cooling,
                heating,
            } => self.change_hvac(|air| {
                air.demand = Some(Demand {
                    fan,
                    cooling: usize::from(cooling),
                    heating: usize::from(heating),
                });
            }),
            Actuation::ReleaseAgent => self.suppression.release(now, &mut self.events),
        }
    }

    /// Whether the HVAC circulates is news.
    fn change_hvac(&mut self, change: impl FnOnce(&mut Air)) {
        let before = self.air.circulates();
        change(&mut self.air);
        let on = self.air.circulates();
        if on != before {
            let text = if on { "HVAC on" } else { "HVAC off" };
            self.note("air", "hvac", f64::from(on), text);
        }
    }

    /// Voltage at the contactor coils' supply, V.
    pub(crate) fn coil_supply_v(&self) -> f64 {
        if self.coil_supply { self.supply_v } else { 0.0 }
    }

    pub(super) fn supply_coils(&mut self, now: SimTime) {
        let supply_v = self.coil_supply_v();
        for cluster in &mut self.stack.clusters {
            cluster.supply(now, supply_v);
        }
    }

    /// Coils have their supply if it is commanded and there is one.
    pub(crate) fn follow_supply(&mut self) {
        let on = self.coil_command && self.auxiliary.supplied;
        if on != self.coil_supply {
            self.coil_supply = on;
            self.supply_coils(self.stamp.max(self.now));
            self.note(
                "",
                "coil-supply",
                f64::from(on),
                if on { "coil supply on" } else { "coil supply off" },
            );
        }
    }
}
