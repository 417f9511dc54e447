//! Heat in cells, plates and temperature sensors.
//!
//! Modelled: a heat node per cell, conduction to the neighbours in its row through the large faces, to the
//! pack's cooling plate through gel and coolant film (film resistance ∝ flow^−0.8), a plate node per pack
//! with its share of coolant, reversible heat, one lagging sensor per two cells. All flows of a cycle are
//! computed before any temperature changes. Cells in `runaway.rs` leave these loops while they have slices.
//! Not modelled: rows touching sideways, temperature differences along a plate, busbar heat.
//! Constants: cell-and-thermal §6.

use crate::cell::interpolate;
use crate::spec::{ContainerSpec, EntropySpec, PlantSpec};
use crate::topology::Topology;

#[derive(Clone, Debug)]
pub(crate) struct Thermal {
    topology: Topology,
    per_row: usize,
    entropy: EntropySpec,
    /// Heat capacity of a cell, J/K.
    pub(crate) cell_j_per_k: f64,
    plate_j_per_k: f64,
    cell_to_plate_k_per_w: f64,
    film_k_per_w: f64,
    film_still_k_per_w: f64,
    neighbour_w_per_k: f64,
    enclosure_w_per_k: f64,
    nominal_l_per_min: f64,
    ntc_lag_s: f64,
    /// Cell temperature, °C; mean of the slices where there are some.
    pub(crate) cell_c: Vec<f64>,
    /// Plate and its coolant by pack, °C.
    pub(crate) plate_c: Vec<f64>,
    /// Temperature sensors by pack, °C.
    pub(crate) sensor_c: Vec<f64>,
    /// Conduction to the next cell of the row, W/K; 0 at its end and beside sliced cells.
    to_next_w_per_k: Vec<f64>,
    /// 1 for cells computed here, 0 for sliced ones.
    whole: Vec<f64>,
    /// Heat given to a cell by sliced neighbours since the last cycle, J.
    pub(crate) inflow_j: Vec<f64>,
    /// Heat given to a plate by sliced cells since the last cycle, J.
    pub(crate) plate_inflow_j: Vec<f64>,
    flow_j: Vec<f64>,
    /// Electrical heat taken over from the cells, J.
    pub(crate) taken_j: f64,
    /// Reversible heat given to cells, J.
    pub(crate) reversible_j: f64,
}

impl Thermal {
    pub(crate) fn new(spec: &PlantSpec, topology: Topology, start_c: f64) -> Self {
        let ContainerSpec { pack, cooling, .. } = &spec.container;
        let n = topology.cells();
        let (plate_j_per_k, to_plate, film, film_still, nominal_l_per_min) =
            match (&pack.plate, cooling, &pack.airflow) {
                (Some(plate), Some(cooling), _) => (
                    0.5 * cooling.volume_l * cooling.density_kg_per_l * cooling.specific_heat_j_per_kg_k
                        / topology.packs() as f64,
                    plate.cell_to_plate_k_per_w,
                    plate.film_k_per_w,
                    plate.film_still_k_per_w,
                    cooling.flow_l_per_min,
                ),
                (_, _, Some(air)) => (
                    5000.0,
                    0.0,
                    air.cell_to_air_k_per_w,
                    air.cell_to_air_still_k_per_w,
                    air.flow_m3_per_h,
                ),
                // refused by the check
                _ => (5000.0, 1.0, 1.0, 1.0, 1.0),
            };
        let mut thermal = Self {
            topology,
            per_row: topology.cells_per_pack / pack.rows,
            entropy: spec.cell.entropy.clone(),
            cell_j_per_k: spec.cell.mass_kg * spec.cell.specific_heat_j_per_kg_k,
            plate_j_per_k,
            cell_to_plate_k_per_w: to_plate,
            film_k_per_w: film,
            film_still_k_per_w: film_still,
            neighbour_w_per_k: 1.0 / pack.cell_to_cell_k_per_w,
            enclosure_w_per_k: pack.enclosure_w_per_k,
            nominal_l_per_min,
            ntc_lag_s: pack.ntc_lag_s,
            cell_c: vec![start_c; n],
            plate_c: vec![start_c; topology.packs()],
            sensor_c: vec![start_c; topology.packs() * topology.sensors_per_pack()],
            to_next_w_per_k: vec![0.0; n],
            whole: vec![1.0; n],
            inflow_j: vec![0.0; n],
            plate_inflow_j: vec![0.0; topology.packs()],
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

    /// Conduction between two neighbouring faces, W/K.
    pub(crate) fn neighbour_w_per_k(&self) -> f64 {
        self.neighbour_w_per_k
    }

    /// Cell to plate at a coolant flow, K/W.
    pub(crate) fn plate_k_per_w(&self, flow_l_per_min: f64) -> f64 {
        let film = if flow_l_per_min > 0.01 * self.nominal_l_per_min {
            (self.film_k_per_w * libm::pow(flow_l_per_min / self.nominal_l_per_min, -0.8))
                .min(self.film_still_k_per_w)
        } else {
            self.film_still_k_per_w
        };
        self.cell_to_plate_k_per_w + film
    }

    /// A cell gets slices (`whole` false) or loses them.
    pub(crate) fn set_whole(&mut self, i: usize, whole: bool) {
        self.whole[i] = f64::from(whole);
        self.couple(i);
        if let Some(before) = self.neighbours(i)[0] {
            self.couple(before);
        }
    }

    fn couple(&mut self, i: usize) {
        self.to_next_w_per_k[i] = match self.neighbours(i)[1] {
            Some(next) => self.neighbour_w_per_k * self.whole[i] * self.whole[next],
            None => 0.0,
        };
    }

    /// One slow cycle of `dt_s`. `heat_j` is taken from whole cells; `charge_c` is the charge each cluster
    /// moved. Returns the heat given to the container air, J.
    pub(crate) fn step(
        &mut self,
        dt_s: f64,
        heat_j: &mut [f64],
        soc: &[f64],
        charge_c: impl Fn(usize) -> f64,
        coolant: Coolant,
        air_c: f64,
    ) -> f64 {
        let per_pack = self.topology.cells_per_pack;
        let to_plate = dt_s / self.plate_k_per_w(coolant.flow_l_per_min);
        let mut to_air_j = 0.0;
        for pack in 0..self.topology.packs() {
            let charge = charge_c(pack / self.topology.packs_per_cluster);
            let plate_c = self.plate_c[pack];
            let mut plate_j = self.plate_inflow_j[pack];
            self.plate_inflow_j[pack] = 0.0;
            for i in pack * per_pack..(pack + 1) * per_pack {
                let whole = self.whole[i];
                let electrical_j = heat_j[i] * whole;
                heat_j[i] -= electrical_j;
                self.taken_j += electrical_j;
                let kelvin = self.cell_c[i] + 273.15;
                let reversible_j = -charge
                    * kelvin
                    * interpolate(&self.entropy.soc, &self.entropy.mv_per_k, soc[i])
                    * 1e-3
                    * whole;
                self.reversible_j += reversible_j;
                let down_j = (self.cell_c[i] - plate_c) * to_plate * whole;
                plate_j += down_j;
                self.flow_j[i] = electrical_j + reversible_j + self.inflow_j[i] * whole - down_j;
                self.inflow_j[i] *= 1.0 - whole;
            }
            let out_j = (plate_c - air_c) * self.enclosure_w_per_k * dt_s;
            let carried_j = (plate_c - coolant.supply_c) * coolant.pack_w_per_k * dt_s;
            to_air_j += out_j;
            self.plate_c[pack] += (plate_j - out_j - carried_j) / self.plate_j_per_k;
        }
        for i in 0..self.cell_c.len() - 1 {
            let along_j = self.to_next_w_per_k[i] * (self.cell_c[i] - self.cell_c[i + 1]) * dt_s;
            self.flow_j[i] -= along_j;
            self.flow_j[i + 1] += along_j;
        }
        for i in 0..self.cell_c.len() {
            self.cell_c[i] += self.whole[i] * self.flow_j[i] / self.cell_j_per_k;
        }
        self.step_sensors(dt_s);
        to_air_j
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

/// What the plates see of the coolant loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coolant {
    /// Supply temperature, °C.
    pub(crate) supply_c: f64,
    /// Flow of the whole loop, L/min.
    pub(crate) flow_l_per_min: f64,
    /// Heat capacity flow through one pack, W/K.
    pub(crate) pack_w_per_k: f64,
}
