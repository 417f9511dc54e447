//! Heat in cells, in what flows past them, and in temperature sensors.
//!
//! Modelled: a heat node per cell; conduction to the neighbours of its row through the large faces and to the rows
//! beside through the narrow ones; ohmic, hysteresis and reversible (entropic) heat, and that of the joints between them.
//! Coolant or air passes the cells in stretches, in the order of their numbers: one stream under all rows of a
//! liquid-cooled pack, one along each row of an air-cooled one. Each stretch is a well-stirred node with its share of metal and fluid; it takes heat from its cells
//! through a resistance whose film part goes with flow^−0.8, from the stretch before what the flow brings, and gives to the
//! container air through the enclosure. A stretch's own temperature is taken at the end of the cycle (upwind, implicit), so
//! any flow is stable and what one node loses another gets. One lagging sensor per two cells.
//! Cells in `runaway.rs` leave these loops while they have slices.
//! Not modelled: conduction along a plate, temperature differences within a cell, busbars as bodies of their own.
//! Constants: cell-and-thermal §6.

use crate::air::AIR_J_PER_M3_K;
use crate::cell::interpolate;
use crate::spec::{ContainerSpec, EntropySpec, PlantSpec};
use crate::topology::Topology;

/// Specific heat of aluminium, J/(kg K).
const ALUMINIUM_J_PER_KG_K: f64 = 900.0;
/// Film resistance goes with flow to this power.
const FILM_EXPONENT: f64 = -0.8;

#[derive(Clone, Debug)]
pub(crate) struct Thermal {
    topology: Topology,
    per_row: usize,
    way: Way,
    entropy: EntropySpec,
    /// Heat capacity of a cell, J/K.
    pub(crate) cell_j_per_k: f64,
    neighbour_w_per_k: f64,
    beside_w_per_k: f64,
    enclosure_w_per_k: f64,
    ntc_lag_s: f64,
    /// Cell temperature, °C; mean of the slices where there are some.
    pub(crate) cell_c: Vec<f64>,
    /// Stretches of the packs' streams, °C.
    pub(crate) node_c: Vec<f64>,
    /// Temperature sensors by pack, °C.
    pub(crate) sensor_c: Vec<f64>,
    /// Flow through each pack, share of its nominal flow.
    flow: Vec<f64>,
    /// Cell to its stretch by pack, W/K.
    contact_w_per_k: Vec<f64>,
    /// Heat capacity flow of one stream by pack, W/K.
    stream_w_per_k: Vec<f64>,
    /// Conduction to the next cell of the row, W/K; 0 at its end and beside sliced cells.
    to_next_w_per_k: Vec<f64>,
    /// Conduction to the cell of the same number in the next row, W/K; 0 in the last row and beside sliced cells.
    to_beside_w_per_k: Vec<f64>,
    /// 1 for cells computed here, 0 for sliced ones.
    whole: Vec<f64>,
    /// Heat given to a cell by sliced neighbours since the last cycle, J.
    pub(crate) inflow_j: Vec<f64>,
    /// Heat given to a stretch by sliced cells since the last cycle, J.
    pub(crate) node_inflow_j: Vec<f64>,
    flow_j: Vec<f64>,
    /// Electrical heat taken over from the cells, J.
    pub(crate) taken_j: f64,
    /// Reversible heat given to cells, J.
    pub(crate) reversible_j: f64,
}

/// How coolant or air passes the cells of every pack.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// Streams side by side.
    streams: usize,
    /// Stretches of each.
    segments: usize,
    /// Heat capacity of a stretch, J/K.
    node_j_per_k: f64,
    /// Cell to what flows, without film, K/W.
    inner_k_per_w: f64,
    /// Film at nominal flow and without flow, K/W.
    film_k_per_w: [f64; 2],
    /// Heat capacity flow through a pack at nominal flow, W/K.
    pack_w_per_k: f64,
}

impl Way {
    fn new(container: &ContainerSpec, packs: usize) -> Self {
        let pack = &container.pack;
        match (&pack.plate, &container.cooling, &pack.airflow) {
            (Some(plate), Some(cooling), _) => {
                let j_per_l_k = cooling.density_kg_per_l * cooling.specific_heat_j_per_kg_k;
                Self {
                    streams: 1,
                    segments: plate.segments,
                    node_j_per_k: (plate.mass_kg * ALUMINIUM_J_PER_KG_K + plate.coolant_l * j_per_l_k)
                        / plate.segments as f64,
                    inner_k_per_w: plate.cell_to_plate_k_per_w,
                    film_k_per_w: [plate.film_k_per_w, plate.film_still_k_per_w],
                    pack_w_per_k: cooling.flow_l_per_min / 60.0 * j_per_l_k / packs as f64,
                }
            }
            (_, _, Some(air)) => Self {
                streams: pack.rows,
                segments: air.segments,
                node_j_per_k: container.gas.pack_l * 1e-3 * AIR_J_PER_M3_K
                    / (pack.rows * air.segments) as f64,
                inner_k_per_w: 0.0,
                film_k_per_w: [air.cell_to_air_k_per_w, air.cell_to_air_still_k_per_w],
                pack_w_per_k: air.flow_m3_per_h / 3600.0 * AIR_J_PER_M3_K,
            },
            // refused by the check
            _ => Self {
                streams: 1,
                segments: 1,
                node_j_per_k: 1e3,
                inner_k_per_w: 1.0,
                film_k_per_w: [1.0; 2],
                pack_w_per_k: 0.0,
            },
        }
    }

    fn nodes(&self) -> usize {
        self.streams * self.segments
    }

    /// Cell to what flows past it, W/K.
    fn contact_w_per_k(&self, flow: f64) -> f64 {
        let [nominal, still] = self.film_k_per_w;
        let film = (nominal * libm::pow(flow, FILM_EXPONENT)).min(still);
        1.0 / (self.inner_k_per_w + film)
    }
}

/// Heat that left the packs in a cycle.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Exchange {
    /// Through the enclosures to the container air, J.
    pub(crate) enclosure_j: f64,
    /// Carried off by coolant or air, J.
    pub(crate) carried_j: f64,
    /// Mean temperature of what comes out of the packs, °C; none if nothing flows.
    pub(crate) return_c: Option<f64>,
}

impl Thermal {
    pub(crate) fn new(spec: &PlantSpec, topology: Topology, start_c: f64) -> Self {
        let container = &spec.container;
        let pack = &container.pack;
        let way = Way::new(container, topology.packs());
        let (n, packs) = (topology.cells(), topology.packs());
        let mut thermal = Self {
            topology,
            per_row: topology.cells_per_pack / pack.rows,
            way,
            entropy: spec.cell.entropy.clone(),
            cell_j_per_k: spec.cell.mass_kg * spec.cell.specific_heat_j_per_kg_k,
            neighbour_w_per_k: 1.0 / pack.cell_to_cell_k_per_w,
            beside_w_per_k: 1.0 / pack.row_to_row_k_per_w,
            enclosure_w_per_k: pack.enclosure_w_per_k / way.nodes() as f64,
            ntc_lag_s: pack.ntc_lag_s,
            cell_c: vec![start_c; n],
            node_c: vec![start_c; packs * way.nodes()],
            sensor_c: vec![start_c; packs * topology.sensors_per_pack()],
            flow: vec![0.0; packs],
            contact_w_per_k: vec![way.contact_w_per_k(0.0); packs],
            stream_w_per_k: vec![0.0; packs],
            to_next_w_per_k: vec![0.0; n],
            to_beside_w_per_k: vec![0.0; n],
            whole: vec![1.0; n],
            inflow_j: vec![0.0; n],
            node_inflow_j: vec![0.0; packs * way.nodes()],
            flow_j: vec![0.0; n],
            taken_j: 0.0,
            reversible_j: 0.0,
        };
        for i in 0..n {
            thermal.couple(i);
        }
        thermal
    }

    /// Cell before and after in the same row.
    pub(crate) fn neighbours(&self, i: usize) -> [Option<usize>; 2] {
        let place = i % self.topology.cells_per_pack % self.per_row;
        [
            (place > 0).then(|| i - 1),
            (place + 1 < self.per_row).then(|| i + 1),
        ]
    }

    /// Cells of the same number in the rows beside.
    pub(crate) fn beside(&self, i: usize) -> [Option<usize>; 2] {
        let place = i % self.topology.cells_per_pack;
        [
            (place >= self.per_row).then(|| i - self.per_row),
            (place + self.per_row < self.topology.cells_per_pack).then(|| i + self.per_row),
        ]
    }

    /// Conduction between two neighbouring faces, W/K.
    pub(crate) fn neighbour_w_per_k(&self) -> f64 {
        self.neighbour_w_per_k
    }

    /// Conduction between two cells in rows side by side, W/K.
    pub(crate) fn beside_w_per_k(&self) -> f64 {
        self.beside_w_per_k
    }

    /// Stretch a cell lies in.
    pub(crate) fn node(&self, i: usize) -> usize {
        let cells_per_node = self.topology.cells_per_pack / self.way.nodes();
        i / cells_per_node
    }

    /// Cell to its stretch, W/K.
    pub(crate) fn contact_w_per_k(&self, i: usize) -> f64 {
        self.contact_w_per_k[i / self.topology.cells_per_pack]
    }

    /// Mean of a pack's plate and coolant, or of the air in its gaps, °C.
    pub(crate) fn pack_c(&self, pack: usize) -> f64 {
        let n = self.way.nodes();
        self.node_c[pack * n..(pack + 1) * n].iter().sum::<f64>() / n as f64
    }

    /// What leaves a pack, °C.
    pub(crate) fn outlet_c(&self, pack: usize) -> f64 {
        let n = self.way.nodes();
        self.node_c[pack * n..(pack + 1) * n]
            .chunks_exact(self.way.segments)
            .map(|stream| stream[self.way.segments - 1])
            .sum::<f64>()
            / self.way.streams as f64
    }

    /// Heat in cells and streams, J over 0 °C.
    pub(crate) fn stored_j(&self) -> f64 {
        let sum = |values: &[f64]| values.iter().sum::<f64>();
        self.cell_j_per_k * sum(&self.cell_c)
            + self.way.node_j_per_k * sum(&self.node_c)
            + sum(&self.inflow_j)
            + sum(&self.node_inflow_j)
    }

    /// Flow through a pack from now on, share of its nominal flow.
    pub(crate) fn set_flow(&mut self, pack: usize, flow: f64) {
        if self.flow[pack] != flow {
            self.flow[pack] = flow;
            self.contact_w_per_k[pack] = self.way.contact_w_per_k(flow);
            self.stream_w_per_k[pack] = self.way.pack_w_per_k * flow / self.way.streams as f64;
        }
    }

    /// A cell gets slices (`whole` false) or loses them.
    pub(crate) fn set_whole(&mut self, i: usize, whole: bool) {
        self.whole[i] = f64::from(whole);
        self.couple(i);
        for before in [self.neighbours(i)[0], self.beside(i)[0]].into_iter().flatten() {
            self.couple(before);
        }
    }

    fn couple(&mut self, i: usize) {
        let both_whole = |next: Option<usize>| next.map_or(0.0, |next| self.whole[i] * self.whole[next]);
        let next = both_whole(self.neighbours(i)[1]) * self.neighbour_w_per_k;
        let beside = both_whole(self.beside(i)[1]) * self.beside_w_per_k;
        self.to_next_w_per_k[i] = next;
        self.to_beside_w_per_k[i] = beside;
    }

    /// One slow cycle of `dt_s`. `heat_j` is taken from whole cells; `charge_c` is the charge each cluster
    /// moved; `inlet_c` is what enters the packs.
    pub(crate) fn step(
        &mut self,
        dt_s: f64,
        heat_j: &mut [f64],
        soc: &[f64],
        charge_c: impl Fn(usize) -> f64,
        inlet_c: f64,
        air_c: f64,
    ) -> Exchange {
        self.take_heat(heat_j, soc, charge_c);
        let exchange = self.step_streams(dt_s, inlet_c, air_c);
        conduct(&mut self.flow_j, &self.to_next_w_per_k, &self.cell_c, 1, dt_s);
        if self.per_row < self.topology.cells_per_pack {
            conduct(
                &mut self.flow_j,
                &self.to_beside_w_per_k,
                &self.cell_c,
                self.per_row,
                dt_s,
            );
        }
        let k_per_j = 1.0 / self.cell_j_per_k;
        for ((celsius, &flow_j), &whole) in self.cell_c.iter_mut().zip(&self.flow_j).zip(&self.whole) {
            *celsius += whole * flow_j * k_per_j;
        }
        self.step_sensors(dt_s);
        exchange
    }

    /// Heat that arises in the cells, and what sliced neighbours gave.
    fn take_heat(&mut self, heat_j: &mut [f64], soc: &[f64], charge_c: impl Fn(usize) -> f64) {
        let per_cluster = self.topology.cells_per_cluster();
        for cluster in 0..self.topology.clusters {
            let charge = -1e-3 * charge_c(cluster);
            for i in cluster * per_cluster..(cluster + 1) * per_cluster {
                let whole = self.whole[i];
                let electrical_j = heat_j[i] * whole;
                heat_j[i] -= electrical_j;
                self.taken_j += electrical_j;
                let mv_per_k = interpolate(&self.entropy.soc, &self.entropy.mv_per_k, soc[i]);
                let reversible_j = charge * (self.cell_c[i] + 273.15) * mv_per_k * whole;
                self.reversible_j += reversible_j;
                self.flow_j[i] = electrical_j + reversible_j + self.inflow_j[i] * whole;
                self.inflow_j[i] *= 1.0 - whole;
            }
        }
    }

    fn step_streams(&mut self, dt_s: f64, inlet_c: f64, air_c: f64) -> Exchange {
        let Way {
            segments,
            streams,
            node_j_per_k,
            ..
        } = self.way;
        let cells_per_node = self.topology.cells_per_pack / (streams * segments);
        let enclosure = self.enclosure_w_per_k * dt_s;
        let mut exchange = Exchange::default();
        let (mut out_w, mut flow_w_per_k) = (0.0, 0.0);
        let mut node = 0;
        for pack in 0..self.topology.packs() {
            let contact = self.contact_w_per_k[pack] * dt_s;
            let stream_w_per_k = self.stream_w_per_k[pack];
            let carried = stream_w_per_k * dt_s;
            for _ in 0..streams {
                let mut before_c = inlet_c;
                for _ in 0..segments {
                    let cells = node * cells_per_node..(node + 1) * cells_per_node;
                    let whole = &self.whole[cells.clone()];
                    let cell_c = &self.cell_c[cells.clone()];
                    let (mut touching, mut sum_c) = (0.0, 0.0);
                    for (&whole, &celsius) in whole.iter().zip(cell_c) {
                        touching += whole;
                        sum_c += whole * celsius;
                    }
                    // all that flows in and out with the temperature the stretch will have
                    let given = node_j_per_k * self.node_c[node]
                        + core::mem::take(&mut self.node_inflow_j[node])
                        + carried * before_c
                        + enclosure * air_c
                        + contact * sum_c;
                    let node_c = given / (node_j_per_k + carried + enclosure + contact * touching);
                    for ((flow_j, &whole), &celsius) in self.flow_j[cells].iter_mut().zip(whole).zip(cell_c) {
                        *flow_j -= (celsius - node_c) * contact * whole;
                    }
                    exchange.enclosure_j += (node_c - air_c) * enclosure;
                    self.node_c[node] = node_c;
                    before_c = node_c;
                    node += 1;
                }
                exchange.carried_j += carried * (before_c - inlet_c);
                out_w += stream_w_per_k * before_c;
                flow_w_per_k += stream_w_per_k;
            }
        }
        exchange.return_c = (flow_w_per_k > 0.0).then(|| out_w / flow_w_per_k);
        exchange
    }

    fn step_sensors(&mut self, dt_s: f64) {
        let follow = 1.0 - libm::exp(-dt_s / self.ntc_lag_s);
        let (per_pack, sensors) = (self.topology.cells_per_pack, self.topology.sensors_per_pack());
        for (pack, cells) in self.cell_c.chunks_exact(per_pack).enumerate() {
            let readings = &mut self.sensor_c[pack * sensors..(pack + 1) * sensors];
            for (reading, pair) in readings.iter_mut().zip(cells.chunks(2)) {
                let mean = pair.iter().sum::<f64>() / pair.len() as f64;
                *reading += (mean - *reading) * follow;
            }
        }
    }
}

/// Heat between every cell and the one `distance` further; in two passes without dependence from cell to cell.
fn conduct(flow_j: &mut [f64], w_per_k: &[f64], celsius: &[f64], distance: usize, dt_s: f64) {
    let further = &celsius[distance..];
    for (((flow_j, &w_per_k), &here), &there) in flow_j.iter_mut().zip(w_per_k).zip(celsius).zip(further) {
        *flow_j -= w_per_k * (here - there) * dt_s;
    }
    for (((flow_j, &w_per_k), &here), &there) in flow_j[distance..]
        .iter_mut()
        .zip(w_per_k)
        .zip(celsius)
        .zip(further)
    {
        *flow_j += w_per_k * (here - there) * dt_s;
    }
}

#[cfg(test)]
#[allow(clippy::print_stdout, reason = "measured figures show with --nocapture")]
mod tests {
    use super::*;
    use crate::testing::{air_spec, small};

    /// Packs of one kind with the same heat in every cell, and what they should hold.
    struct Packs {
        thermal: Thermal,
        soc: Vec<f64>,
        given_j: f64,
        start_j: f64,
        last: Exchange,
    }

    impl Packs {
        fn new(spec: &PlantSpec, start_c: f64, flow: f64) -> Self {
            let topology = Topology {
                clusters: spec.container.clusters,
                packs_per_cluster: spec.container.packs_per_cluster,
                cells_per_pack: spec.container.cells_per_pack,
            };
            let mut thermal = Thermal::new(spec, topology, start_c);
            for pack in 0..topology.packs() {
                thermal.set_flow(pack, flow);
            }
            Self {
                soc: vec![0.5; topology.cells()],
                start_j: thermal.stored_j(),
                thermal,
                given_j: 0.0,
                last: Exchange::default(),
            }
        }

        fn run(&mut self, seconds: usize, cell_w: f64, inlet_c: f64, air_c: f64) {
            for _ in 0..seconds {
                let mut heat_j = vec![cell_w; self.soc.len()];
                self.last = self
                    .thermal
                    .step(1.0, &mut heat_j, &self.soc, |_| 0.0, inlet_c, air_c);
                self.given_j += cell_w * self.soc.len() as f64 - self.last.carried_j - self.last.enclosure_j;
            }
        }

        fn lost_j(&self) -> f64 {
            self.thermal.stored_j() - self.start_j - self.given_j
        }
    }

    #[test]
    fn coolant_warms_stretch_by_stretch_and_cells_stand_over_their_own() {
        let mut spec = small(2, 9);
        spec.container.pack.enclosure_w_per_k = 0.0;
        let mut packs = Packs::new(&spec, 25.0, 1.0);
        packs.run(40_000, 10.0, 22.0, 25.0);
        let nodes = &packs.thermal.node_c[..4];
        println!("stretches {nodes:.2?} °C");
        // 440 W over the pack's share of the flow
        let way = packs.thermal.way;
        let step_k = 110.0 / way.pack_w_per_k;
        for (k, &celsius) in nodes.iter().enumerate() {
            let expected_c = 22.0 + step_k * (k + 1) as f64;
            assert!(
                (celsius - expected_c).abs() < 0.01 * step_k,
                "{celsius} against {expected_c}"
            );
        }
        let mean_k = packs.thermal.cell_c[..44].iter().sum::<f64>() / 44.0 - packs.thermal.pack_c(0);
        assert!((mean_k - 10.0 * 0.43).abs() < 0.01, "{mean_k}");
        let return_c = packs.last.return_c.unwrap_or(f64::NAN);
        assert!((return_c - packs.thermal.outlet_c(0)).abs() < 1e-9);
        assert!(packs.lost_j().abs() < 1e-9 * packs.start_j, "{}", packs.lost_j());
    }

    #[test]
    fn any_flow_is_stable_and_loses_nothing() {
        for spec in [small(1, 2), air_spec(1, 2)] {
            for flow in [0.0, 1e-9, 1e-3, 0.3, 1.0, 2.0] {
                let mut packs = Packs::new(&spec, 40.0, flow);
                packs.run(3000, 0.0, 10.0, 15.0);
                let all = packs.thermal.cell_c.iter().chain(&packs.thermal.node_c);
                assert!(
                    all.clone().all(|c| (9.999..40.001).contains(c)),
                    "flow {flow}: {all:?}"
                );
                assert!(
                    packs.lost_j().abs() < 1e-9 * packs.start_j.abs(),
                    "flow {flow}: {}",
                    packs.lost_j()
                );
            }
        }
    }

    /// CT §6: 0.43 K/W at nominal flow, film as flow^−0.8, 1.0 K/W of film without flow.
    #[test]
    fn the_film_thickens_as_flow_falls() {
        let way = Way::new(&small(1, 1).container, 1);
        for (flow, k_per_w) in [
            (1.0, 0.43),
            (0.5, 0.35 + 0.08 * 1.741_1),
            (0.01, 1.35),
            (0.0, 1.35),
        ] {
            let is = 1.0 / way.contact_w_per_k(flow);
            assert!((is - k_per_w).abs() < 1e-4, "flow {flow}: {is}");
        }
    }

    /// CT §6: fan on 0.7 K/W and 4 K of air at 145 W, fan off 3 K/W.
    #[test]
    fn air_warms_along_the_rows() {
        let mut spec = air_spec(1, 1);
        spec.container.pack.enclosure_w_per_k = 0.0;
        let mut packs = Packs::new(&spec, 25.0, 1.0);
        packs.run(40_000, 145.0 / 14.0, 25.0, 25.0);
        let rise_k = packs.last.return_c.unwrap_or(f64::NAN) - 25.0;
        let over_k = packs.thermal.cell_c.iter().sum::<f64>() / 14.0 - packs.thermal.pack_c(0);
        println!("air rise {rise_k:.2} K, cells over their air {over_k:.2} K");
        assert!(
            (rise_k - 145.0 / (100.0 / 3600.0 * AIR_J_PER_M3_K)).abs() < 0.01,
            "{rise_k}"
        );
        assert!((over_k / (145.0 / 14.0) - 0.7).abs() < 0.01, "{over_k}");
        let row = &packs.thermal.node_c[..7];
        assert!(
            row.is_sorted() && packs.thermal.node_c[7] < row[6],
            "each row has fresh air"
        );
        let way = packs.thermal.way;
        assert!((1.0 / way.contact_w_per_k(0.05) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn rows_side_by_side_exchange_heat() {
        let mut spec = small(1, 1);
        let plate = &mut spec.container.pack.plate;
        if let Some(plate) = plate {
            plate.cell_to_plate_k_per_w = 1e9;
        }
        spec.container.pack.cell_to_cell_k_per_w = 1e9;
        spec.container.pack.enclosure_w_per_k = 0.0;
        let mut packs = Packs::new(&spec, 25.0, 0.0);
        packs.thermal.cell_c[15] = 45.0;
        packs.start_j = packs.thermal.stored_j();
        packs.run(600, 0.0, 25.0, 25.0);
        let cell_c = &packs.thermal.cell_c;
        // 20 K at 9 K/W for 600 s on 5.98 kJ/K, a little less as they come together
        for beside in [4, 26] {
            let rise_k = cell_c[beside] - 25.0;
            assert!((0.18..0.223).contains(&rise_k), "{rise_k}");
        }
        assert!((cell_c[14] - 25.0).abs() < 1e-4 && (cell_c[37] - 25.0) < 0.01);
        assert!(packs.lost_j().abs() < 1e-9 * packs.start_j);
    }
}
