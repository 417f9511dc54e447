//! Balancing: which cells bleed, decided anew each period and told to the BMUs.

use super::nodes::Extremes;
use super::{Bcu, CLUSTER_PORT};

impl Bcu {
    /// Decides anew which cells bleed, and tells the BMUs.
    pub(super) fn balance(&mut self, extremes: &Extremes) {
        let single = self.table.single;
        let settings = self.settings.balancing;
        let command = self.balance_command.filter(|_| self.addressed);
        let (Some(high), Some(low), Some(command)) = (extremes.cell_max, extremes.cell_min, command) else {
            return;
        };
        let resting_or_charging = self
            .points
            .get(single.current)
            .is_some_and(|a| a <= self.settings.charging_above_a);
        let was_on = self.points.is_on(single.balance_enable);
        let spread = if was_on { settings.stop_v } else { settings.start_v };
        let on = resting_or_charging && high > settings.above_v && high - low > spread;
        self.points.set_flag(single.balance_enable, on);
        if !on && !was_on {
            return;
        }
        let target = low + settings.stop_v;
        self.points.set(single.balance_target, target);
        for pack in 0..self.settings.packs {
            let image = self.nodes.image(pack);
            let cells = self.nodes.bmus()[pack]
                .cells
                .iter()
                .enumerate()
                .filter(|(_, id)| on && image.get(**id).is_some_and(|v| v > target))
                .fold(0_u64, |mask, (i, _)| mask | 1 << i);
            self.points.set(single.balance_cells, cells as f64);
            let frame = self
                .cluster_port
                .encode_to(command, &self.points, self.bmu_addresses[pack]);
            self.outbox.can(CLUSTER_PORT, frame);
        }
    }
}
