//! What a BCU passes on of its packs: every cell, every sensor, and which cells bleed.
//!
//! It goes out on the stack bus in pages, one after the other, each in its turn; how often is up to the product.

use bess_types::Reading;

use super::Bcu;
use crate::PointId;

impl Bcu {
    /// Takes over what the BMUs say; of one that is silent nothing is known.
    pub(super) fn publish_packs(&mut self) {
        let rows = self.table.packs;
        let (cells, sensors) = (self.settings.cells_per_pack, self.settings.temperatures_per_pack);
        for (pack, ids) in self.nodes.bmus().iter().enumerate() {
            let image = self.nodes.image(pack);
            let heard = self.points.is_on(self.table.pack_online.at(pack));
            let said = |id: Option<PointId>| match id {
                Some(id) if heard => image.reading(id),
                _ => Reading::invalid(),
            };
            let voltage = match ids.voltage {
                Some(told) => said(Some(told)),
                None => ids
                    .voltage(image)
                    .filter(|_| heard)
                    .map_or(Reading::invalid(), Reading::valid),
            };
            self.points.put(rows.voltage.at(pack), voltage);
            self.points.put(rows.balance_map.at(pack), said(ids.balance_map));
            for (i, id) in ids.cells.iter().enumerate() {
                self.points
                    .put(rows.cell_voltage.at(pack * cells + i), said(Some(*id)));
            }
            for (i, id) in ids.temperatures.iter().enumerate() {
                self.points
                    .put(rows.temperature.at(pack * sensors + i), said(Some(*id)));
            }
        }
    }
}
