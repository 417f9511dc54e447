//! The BAU's CAN port towards a PCS that takes its limits from a bus: what the battery says there, in whatever protocol
//! the product's port `pcs` describes, and whether the PCS is heard.
//!
//! A BAU with this port does not write limits to the PCS over Modbus; it still asks for the PCS's state there.

use bess_types::{CanFrame, CanId, SimTime};

use super::Stack;
use super::clusters::Spread;
use super::points::{BauPoints, PackRows, PcsBusPoints};
use super::settings::PcsBusSettings;
use crate::codec::can::{CanPort, MessageRef};
use crate::controller::older_than;
use crate::library::Library;
use crate::points::PointRange;
use crate::product::{Product, ProductError};
use crate::{DeviceFault, PointTable, Points};

/// Name of the port in product and rig files.
pub(super) const PORT: &str = "pcs";
/// Message by which an inverter asks the battery to open at once (SMA).
const QUICK_STOP: &str = "QUICK_STOP";
/// Address on this bus: protocols between one battery and one inverter have none, or count batteries from 0.
const ADDRESS: u8 = 0;

/// The port, and when the PCS was heard.
#[derive(Debug)]
pub(super) struct PcsBus {
    port: CanPort,
    ids: PcsBusPoints,
    settings: PcsBusSettings,
    /// In series, in each cluster.
    modules: usize,
    cells_per_module: usize,
    quick_stop: Option<MessageRef>,
    heard: Option<SimTime>,
    /// It has values to tell. These protocols have no code for one that is not there, so a battery that has not
    /// measured yet is silent.
    ready: bool,
}

/// What the stack is at the moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) state: Stack,
    /// Charge and discharge limit, A.
    pub(super) limits: [f64; 2],
    /// SunSpec 802 `Evt1`.
    pub(super) events: u32,
}

/// Bits of 802 `Evt1` that are an alarm; the warning is the next one.
const ALARM_BITS: [u32; 6] = [1, 3, 5, 7, 9, 11];

impl PcsBus {
    /// The port of a product that has one, for clusters of so many modules (packs) of so many cells.
    pub(super) fn new(
        product: &Product,
        settings: Option<PcsBusSettings>,
        ids: PcsBusPoints,
        (library, table): (&Library, &PointTable),
        (modules, cells_per_module): (usize, usize),
    ) -> Result<Self, ProductError> {
        let settings = settings.ok_or_else(|| {
            product.invalid_setting(
                "port",
                "there is a port `pcs`, but no [settings.pcs_bus]",
                "give cell_charge_v, cell_discharge_v, force_charge_below_pct and lost_s",
            )
        })?;
        let port = CanPort::compile(product, PORT, library, table, ADDRESS)?;
        Ok(Self {
            quick_stop: port.received(QUICK_STOP),
            port,
            ids,
            settings,
            modules,
            cells_per_module,
            heard: None,
            ready: false,
        })
    }

    /// The supply is there.
    pub(super) fn start(&mut self, points: &mut Points) {
        self.heard = None;
        let (modules, cells) = (self.modules as f64, self.cells_per_module as f64);
        let ids = self.ids;
        for (id, value) in [
            (ids.module_count, modules),
            (ids.cells_per_module, cells),
            (ids.cells_in_series, modules * cells),
            (ids.module_voltage, cells * NOMINAL_CELL_V),
            (ids.charge_voltage, modules * cells * self.settings.cell_charge_v),
            (
                ids.discharge_voltage,
                modules * cells * self.settings.cell_discharge_v,
            ),
        ] {
            points.set(id, value);
        }
        self.port.stop();
        self.ready = false;
    }

    /// Begins to speak once everything it has to tell is known.
    pub(super) fn start_if_ready(&mut self, now: SimTime, single: &BauPoints, points: &Points) {
        let told = [
            single.voltage,
            single.current,
            single.soc,
            single.soh,
            single.cell_max,
            single.cell_min,
            single.temperature_max,
            single.temperature_min,
        ];
        if !self.ready && told.into_iter().all(|id| points.get(id).is_some()) {
            self.ready = true;
            self.port.start(now);
        }
    }

    pub(super) fn hears(&self, id: CanId) -> bool {
        self.port.listens_to(id)
    }

    pub(super) fn next_due(&self) -> SimTime {
        self.port.next_due()
    }

    pub(super) fn freeze_counters(&mut self, frozen: bool) {
        self.port.freeze_counters(frozen);
    }

    /// Begins or ends a fault of its frames; false if they cannot have it.
    pub(super) fn supports(&self, fault: &DeviceFault) -> bool {
        self.port.supports(fault)
    }

    pub(super) fn inject(&mut self, fault: &DeviceFault) -> bool {
        self.port.inject(fault)
    }

    /// Takes a frame of the PCS; true if it asks the battery to open at once.
    pub(super) fn receive(&mut self, now: SimTime, frame: &CanFrame, points: &mut Points) -> bool {
        let Some(message) = self.port.receive(now, frame, points) else {
            return false;
        };
        self.heard = Some(now);
        if !self.ready {
            self.port.stop(); // no answers yet
        }
        Some(message) == self.quick_stop
    }

    /// Whether the PCS has been silent for so long; power-up counts as a word of it.
    pub(super) fn lost(&self, now: SimTime, started: SimTime, limit_s: f64) -> bool {
        older_than(now, self.heard.max(Some(started)), limit_s)
    }

    /// Whether it has been silent for too long.
    pub(super) fn is_lost(&self, now: SimTime, started: SimTime) -> bool {
        self.lost(now, started, self.settings.lost_s)
    }

    /// Where the extremes are, from the rows of modules and cells, when these are new.
    pub(super) fn publish_places(&self, rows: &PackRows, points: &mut Points) {
        let ids = self.ids;
        let (modules, cells) = (self.modules, self.cells_per_module);
        let spread =
            |row: PointRange, points: &Points| Spread::of((0..row.len()).map(|i| points.get(row.at(i))));
        let voltage = spread(rows.voltage, points);
        for (extreme, value, at) in [
            (
                voltage.max,
                Some(ids.module_voltage_max),
                ids.module_voltage_max_at,
            ),
            (
                voltage.min,
                Some(ids.module_voltage_min),
                ids.module_voltage_min_at,
            ),
            (
                spread(rows.temperature_max, points).max,
                None,
                ids.temperature_max_at,
            ),
            (
                spread(rows.temperature_min, points).min,
                None,
                ids.temperature_min_at,
            ),
        ] {
            if let Some((i, extreme)) = extreme {
                points.set(at, (i % modules + 1) as f64);
                if let Some(value) = value {
                    points.set(value, extreme);
                }
            }
        }
        for (extreme, cell, at) in [
            (
                spread(rows.cell_max, points).max,
                rows.cell_max_cell,
                ids.cell_voltage_max_at,
            ),
            (
                spread(rows.cell_min, points).min,
                rows.cell_min_cell,
                ids.cell_voltage_min_at,
            ),
        ] {
            if let Some((i, _)) = extreme
                && let Some(cell) = points.get(cell.at(i))
            {
                points.set(at, (i % modules * cells) as f64 + cell);
            }
        }
    }

    /// Brings the points of the port up to date.
    pub(super) fn publish(&self, lost: bool, told: Told, single: &BauPoints, points: &mut Points) {
        let ids = self.ids;
        let [charge_a, discharge_a] = told.limits;
        let soc = points.get(single.soc);
        let remaining = soc
            .zip(points.get(single.capacity))
            .map(|(soc, ah)| ah * soc / 100.0);
        if let Some(ah) = remaining {
            points.set(ids.remaining_capacity, ah);
        }
        let low = soc.is_some_and(|soc| soc < self.settings.force_charge_below_pct);
        for (id, on) in [
            (ids.charge_enable, charge_a > 0.0),
            (ids.discharge_enable, discharge_a > 0.0),
            (ids.force_charge, low && charge_a > 0.0),
            (ids.keep_alive_lost, lost),
            (
                ids.system_fault,
                matches!(told.state, Stack::Fault | Stack::Fire | Stack::EmergencyStop),
            ),
        ] {
            points.set_flag(id, on);
        }
        let pairs = [
            (ids.over_temperature, ids.over_temperature_warning),
            (ids.under_temperature, ids.under_temperature_warning),
            (ids.charge_over_current, ids.charge_over_current_warning),
            (ids.discharge_over_current, ids.discharge_over_current_warning),
            (ids.over_voltage, ids.over_voltage_warning),
            (ids.under_voltage, ids.under_voltage_warning),
        ];
        for ((alarm, warning), bit) in pairs.into_iter().zip(ALARM_BITS) {
            points.set_flag(alarm, told.events & 1 << bit != 0);
            points.set_flag(warning, told.events & 1 << (bit + 1) != 0);
        }
    }

    pub(super) fn transmit_due(
        &mut self,
        now: SimTime,
        points: &mut Points,
        emit: &mut impl FnMut(CanFrame),
    ) {
        self.port.transmit_due(now, points, emit);
    }
}

/// Nominal voltage of an LFP cell, V.
const NOMINAL_CELL_V: f64 = 3.2;
