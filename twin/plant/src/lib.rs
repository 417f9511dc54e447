//! What is physically true in a containerised battery. Devices see it only through [`Plant::sample`] and act
//! on it only through [`Plant::actuate`]; the rig gives it time with [`Plant::advance`].
//!
//! Read in this order:
//! - [`spec`]: what the plant is made of, as data; [`topology`]: places and names
//! - [`plant`]: the whole, its three cycles, actuations, faults, samples
//! - electrical side: `cell`, `cluster`, `contactor`, `fuse`, `dc_bus`, `stack` (one step of all of
//!   them), `converter`, `grid`, `insulation`
//! - [`ageing`]: what time, cycles and cold charging do to cells
//! - heat and fire: `climate` (what happens every second), `thermal`, `cooling`, `airflow`, `air`, `auxiliary`, `runaway`,
//!   `gas`, `suppression`
//! - [`bench`]: one cell of this model under a prescribed current, for comparisons
//! - many of them: [`site`]
//! - what comes out: `sensor`, [`fault`], [`truth`], [`ledger`]; `rng` is the only source of chance
//!
//! No clock, no input or output, no async, no hash maps, no transcendental functions of the standard library:
//! the same spec, state, seed and calls give the same bits on every machine.

#![forbid(unsafe_code)]

pub mod ageing;
mod air;
mod airflow;
mod auxiliary;
pub mod bench;
mod cell;
mod climate;
mod cluster;
mod contactor;
mod converter;
mod cooling;
mod dc_bus;
pub mod fault;
mod fuse;
mod gas;
mod grid;
mod hot_cell;
mod insulation;
mod kernel;
pub mod ledger;
pub mod plant;
mod rng;
mod runaway;
mod sensor;
pub mod site;
pub mod spec;
mod stack;
mod suppression;
mod thermal;
pub mod topology;
pub mod truth;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;

pub use fault::{FaultError, PlantFault, Pole};
pub use ledger::{HeatLedger, Ledger};
pub use plant::Plant;
pub use site::Site;
pub use spec::{InitialState, PlantConfigError, PlantSpec};
pub use topology::{Place, PlantEvent, Topology};
pub use truth::{TruthPoint, TruthRef};
