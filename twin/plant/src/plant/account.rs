//! The plant's accounts of energy and charge.

use super::Plant;
use crate::ledger::Ledger;

impl Plant {
    /// Energy and charge accounts since the start.
    pub fn ledger(&self) -> Ledger {
        let all = 0..self.topology.cells();
        let stored_j = self.stored_j();
        let released_j = self.start_stored_j - self.runaway.lost_j - self.ageing.lost_j - stored_j;
        let clusters = &self.stack.clusters;
        let joint_heat_j = clusters.iter().map(|c| c.joint_heat_j).sum();
        let path_heat_j = clusters.iter().map(|c| c.path_heat_j).sum();
        let in_cells_j = self.thermal.taken_j + self.runaway.taken_j + self.cells.heat_j.iter().sum::<f64>();
        let cell_heat_j = in_cells_j - joint_heat_j;
        let tap_heat_j = self.cells.tap_heat_j();
        let bus_heat_j = self.stack.bus_heat_j;
        let heat_j = cell_heat_j + joint_heat_j + path_heat_j + tap_heat_j + bus_heat_j;
        let capacitor_j = self.stack.bus.stored_j();
        let delivered_dc_j = self.stack.converter_dc_j;
        let converter = &self.stack.converter;
        let per_cluster = self.topology.cells_per_cluster() as f64;
        let charge_released_c = self.start_stored_c - self.ageing.lost_c - self.cells.stored_c(all);
        let delivered_c: f64 = self
            .stack
            .clusters
            .iter()
            .map(|c| c.delivered_c * per_cluster)
            .sum();
        let charge_passed_c = delivered_c + self.cells.tap_c + self.cells.lost_c;
        Ledger {
            stored_j,
            released_j,
            burnt_j: self.runaway.lost_j,
            aged_j: self.ageing.lost_j,
            capacitor_j,
            reaction_j: self.runaway.heat.reaction_j,
            ejecta_j: self.runaway.heat.ejecta_j,
            combustion_j: self.gas.combustion_j,
            heater_j: self.runaway.heat.heater_j,
            cooled_j: self.runaway.heat.vapour_j + self.runaway.heat.agent_j,
            delivered_dc_j,
            heat_j,
            cell_heat_j,
            joint_heat_j,
            path_heat_j,
            tap_heat_j,
            bus_heat_j,
            delivered_ac_j: converter.ac_j,
            converter_loss_j: converter.loss_j,
            throughput_j: self.throughput_j + self.cells.tap_moved_j,
            residual_j: released_j - delivered_dc_j - heat_j - capacitor_j,
            converter_residual_j: delivered_dc_j - converter.ac_j - converter.loss_j,
            charge_released_c,
            charge_passed_c,
            charge_throughput_c: self
                .stack
                .clusters
                .iter()
                .map(|c| c.moved_c * per_cluster)
                .sum::<f64>()
                + self.cells.tap_c,
            charge_residual_c: charge_released_c - charge_passed_c,
        }
    }

    pub(super) fn stored_j(&self) -> f64 {
        self.cells.stored_j(0..self.topology.cells()) + self.cells.polarisation_j()
    }
}
