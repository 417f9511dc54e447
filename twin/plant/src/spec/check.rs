//! What cannot be built, and why: every figure has a sensible range, and some must agree with others.

use core::fmt;

use super::{AGEING_CLOCK_MAX, CellSpec, ContainerSpec, InitialState, PlantSpec};

/// Lower leg of a healthy stack over its voltage (cell-and-thermal §7, S14).
const HEALTHY_OHM_PER_V: f64 = 500.0;

/// More than this at rated power is no PCS, per unit; those of the catalogue lose 1 to 3 %.
const MOST_LOSS_PU: f64 = 0.5;

/// Why a plant cannot be built.
#[derive(Clone, Debug, PartialEq)]
pub enum PlantConfigError {
    /// A count is zero or too large.
    Count {
        /// Which.
        field: &'static str,
        /// Its value.
        value: usize,
        /// Largest allowed.
        max: usize,
    },
    /// Cells of a pack do not divide into equal rows.
    Rows {
        /// Cells per pack.
        cells: usize,
        /// Rows.
        rows: usize,
    },
    /// Segments do not divide what they are segments of.
    Segments {
        /// Which.
        field: &'static str,
        /// Segments.
        value: usize,
        /// Cells they divide.
        of: usize,
    },
    /// Parts that must come together do not, or exclude each other.
    Parts {
        /// What is wrong.
        what: &'static str,
    },
    /// A figure is outside its sensible range or not a number.
    Range {
        /// Which.
        field: &'static str,
        /// Its value.
        value: f64,
        /// Lowest allowed.
        min: f64,
        /// Highest allowed.
        max: f64,
    },
    /// A range whose upper end comes first.
    Reversed {
        /// Of what.
        field: &'static str,
        /// First figure.
        low: f64,
        /// Second figure.
        high: f64,
    },
    /// With all clusters joined, legs that are healthy one by one can together be less than a healthy stack has.
    Insulation {
        /// Clusters in parallel.
        clusters: usize,
        /// Lowest leg of one, MΩ.
        leg_mohm: f64,
        /// Highest voltage of a cluster at rest, V.
        full_v: f64,
    },
    /// A table's columns differ in length, are too short, or its knots do not rise.
    Table {
        /// Which.
        field: &'static str,
    },
    /// A knot of the OCV table is off the 0.5 % grid.
    OcvKnot {
        /// The knot, percent.
        soc_percent: f64,
    },
    /// A cluster named in the initial state does not exist.
    NoCluster {
        /// Its index, 0-based.
        cluster: usize,
        /// How many there are.
        clusters: usize,
    },
    /// The grid step does not divide 100 ms.
    GridStep {
        /// The step, ns.
        nanos: u128,
    },
}

impl fmt::Display for PlantConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { field, value, max } => {
                write!(f, "`{field}` is {value}, must be 1 to {max}")
            }
            Self::Rows { cells, rows } => {
                write!(f, "{cells} cells do not divide into {rows} equal rows")
            }
            Self::Segments { field, value, of } => {
                write!(
                    f,
                    "`{field}`: {of} cells do not divide into {value} equal segments"
                )
            }
            Self::Parts { what } => f.write_str(what),
            Self::Range {
                field,
                value,
                min,
                max,
            } => {
                write!(f, "`{field}` is {value}, must be {min} to {max}")
            }
            Self::Reversed { field, low, high } => {
                write!(
                    f,
                    "the range of `{field}` is {low} to {high}, but the lower end comes first"
                )
            }
            Self::Insulation {
                clusters,
                leg_mohm,
                full_v,
            } => {
                let clusters = *clusters as f64;
                let ohm_per_v = leg_mohm * 1e6 / clusters / full_v;
                let least_mohm = HEALTHY_OHM_PER_V * clusters * full_v / 1e6;
                write!(
                    f,
                    "`insulation.healthy_mohm` begins at {leg_mohm} MΩ: {clusters} clusters joined can then be down to \
                     {ohm_per_v:.0} Ω/V at {full_v:.0} V, but a healthy stack has {HEALTHY_OHM_PER_V} Ω/V or more; let it \
                     begin at {:.1} or more",
                    libm::ceil(10.0 * least_mohm) / 10.0
                )
            }
            Self::Table { field } => write!(
                f,
                "table `{field}` needs columns of equal length, at least two rows and rising knots"
            ),
            Self::OcvKnot { soc_percent } => {
                write!(f, "OCV knot at {soc_percent} % is not on the 0.5 % grid")
            }
            Self::NoCluster { cluster, clusters } => {
                write!(f, "no cluster {}: there are {clusters}", cluster + 1)
            }
            Self::GridStep { nanos } => {
                write!(f, "a grid step of {nanos} ns does not divide 100 ms")
            }
        }
    }
}

impl core::error::Error for PlantConfigError {}

impl PlantConfigError {
    /// The figure it is about, as `check` names it: `pack.rows`, `resistance.split[0]`; none if it is about no one figure.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Count { field, .. }
            | Self::Segments { field, .. }
            | Self::Range { field, .. }
            | Self::Reversed { field, .. }
            | Self::Table { field } => Some(field),
            Self::Rows { .. } => Some("pack.rows"),
            Self::Insulation { .. } => Some("insulation.healthy_mohm"),
            Self::OcvKnot { .. } => Some("ocv.soc_percent"),
            Self::Parts { .. } | Self::NoCluster { .. } | Self::GridStep { .. } => None,
        }
    }
}

impl PlantConfigError {
    /// Figures from which follows what this one may be, named alike.
    pub fn bounded_by(&self) -> &'static [&'static str] {
        match self.field().unwrap_or_default() {
            "ocv" => &["ocv.soc_percent", "ocv.voltage_v", "ocv.hysteresis_mv"],
            "entropy" => &["entropy.soc", "entropy.mv_per_k"],
            "resistance" => &[
                "resistance.soc",
                "resistance.charge_mohm",
                "resistance.discharge_mohm",
            ],
            "usable" => &["usable.temperature_c", "usable.share"],
            "pack.rows" | "pack.plate.segments" => &["cells_per_pack"],
            "pack.airflow.segments" => &["cells_per_pack", "pack.rows"],
            "pack.plate.film_still_k_per_w" => &["pack.plate.film_k_per_w"],
            "pack.airflow.cell_to_air_still_k_per_w" => &["pack.airflow.cell_to_air_k_per_w"],
            "pack.airflow.draught_m3_per_h" => &["pack.airflow.flow_m3_per_h"],
            "cooling.volume_l" => &[
                "cooling.flow_l_per_min",
                "pack.plate.coolant_l",
                "packs_per_cluster",
                "clusters",
            ],
            "hv_box.pick_up_v" => &["hv_box.coil_supply_v"],
            "hv_box.drop_out_v" => &["hv_box.pick_up_v"],
            "hv_box.fuse_rated_a" => &["hv_box.rated_a"],
            "hv_box.fuse_element_s" => &["hv_box.fuse_rated_a", "hv_box.fuse_a2s", "hv_box.fuse_limit"],
            "air.ceiling_m3" => &["air.volume_m3"],
            "insulation.healthy_mohm" => &["clusters", "packs_per_cluster", "cells_per_pack"],
            _ => &[],
        }
    }
}

impl PlantSpec {
    /// Refuses what cannot be built or would divide by zero.
    pub fn check(&self) -> Result<(), PlantConfigError> {
        let container = &self.container;
        count("clusters", container.clusters, 99)?;
        count("packs_per_cluster", container.packs_per_cluster, 99)?;
        count("cells_per_pack", container.cells_per_pack, 64)?;
        count("pack.rows", container.pack.rows, container.cells_per_pack)?;
        if !container.cells_per_pack.is_multiple_of(container.pack.rows) {
            return Err(PlantConfigError::Rows {
                cells: container.cells_per_pack,
                rows: container.pack.rows,
            });
        }
        if let Some(balancing) = &container.pack.active_balancing {
            range("pack.active_balancing.current_a", balancing.current_a, 0.01, 20.0)?;
            range("pack.active_balancing.efficiency", balancing.efficiency, 0.1, 1.0)?;
        }
        self.cell.check()?;
        self.check_cooling()?;
        for (field, value, min, max) in [
            ("pack.bleed_ohm", container.pack.bleed_ohm, 0.1, 1e6),
            (
                "pack.interconnect_mohm",
                container.pack.interconnect_mohm,
                0.0,
                1e3,
            ),
            ("pack.cable_mohm", container.pack.cable_mohm, 0.0, 1e3),
            (
                "pack.cell_to_cell_k_per_w",
                container.pack.cell_to_cell_k_per_w,
                0.1,
                1e9,
            ),
            (
                "pack.row_to_row_k_per_w",
                container.pack.row_to_row_k_per_w,
                0.1,
                1e9,
            ),
            ("hv_box.rated_a", container.hv_box.rated_a, 0.1, 1e5),
            ("hv_box.precharge_ohm", container.hv_box.precharge_ohm, 0.1, 1e5),
            // a contactor needs milliseconds; seconds by mistake would be less than one
            ("hv_box.operate_ms", container.hv_box.operate_ms[0], 1.0, 1e3),
            ("hv_box.release_ms", container.hv_box.release_ms[0], 1.0, 1e3),
            (
                "hv_box.operate_ms half range",
                container.hv_box.operate_ms[1],
                0.0,
                container.hv_box.operate_ms[0],
            ),
            (
                "hv_box.release_ms half range",
                container.hv_box.release_ms[1],
                0.0,
                container.hv_box.release_ms[0],
            ),
            ("hv_box.bounce_ms", container.hv_box.bounce_ms, 0.0, 100.0),
            (
                "hv_box.coil_supply_v",
                container.hv_box.coil_supply_v,
                1.0,
                1000.0,
            ),
            (
                "hv_box.pick_up_v",
                container.hv_box.pick_up_v,
                0.0,
                0.95 * container.hv_box.coil_supply_v,
            ),
            (
                "hv_box.drop_out_v",
                container.hv_box.drop_out_v,
                0.0,
                container.hv_box.pick_up_v,
            ),
            (
                "hv_box.fuse_rated_a",
                container.hv_box.fuse_rated_a,
                container.hv_box.rated_a,
                1e5,
            ),
            ("hv_box.fuse_a2s", container.hv_box.fuse_a2s, 1e-3, 1e15),
            ("hv_box.fuse_limit", container.hv_box.fuse_limit, 1.0, 10.0),
            ("hv_box.fuse_body_s", container.hv_box.fuse_body_s, 1e-3, 1e5),
            // the element alone must not melt at the lowest melting current
            (
                "hv_box.fuse_element_s",
                container.hv_box.fuse_element_s,
                1e-4,
                container.hv_box.fuse_a2s
                    / libm::pow(container.hv_box.fuse_limit * container.hv_box.fuse_rated_a, 2.0),
            ),
            ("dc_bus.capacitance_mf", container.dc_bus.capacitance_mf, 0.1, 1e4),
            ("dc_bus.bleeder_kohm", container.dc_bus.bleeder_kohm, 0.01, 1e6),
            ("converter.rated_va", container.converter.rated_va, 1.0, 1e9),
            ("air.volume_m3", container.air.volume_m3, 0.2, 1e4),
            (
                "air.ceiling_m3",
                container.air.ceiling_m3,
                0.05,
                container.air.volume_m3 - 0.05,
            ),
            ("air.structure_j_per_k", container.air.structure_j_per_k, 1e4, 1e9),
            (
                "insulation.healthy_mohm[0]",
                container.insulation.healthy_mohm[0],
                1e-3,
                1e6,
            ),
            (
                "insulation.healthy_mohm[1]",
                container.insulation.healthy_mohm[1],
                container.insulation.healthy_mohm[0],
                1e6,
            ),
            ("insulation.leg_uf", container.insulation.leg_uf, 0.0, 1e3),
            ("insulation.monitor_s", container.insulation.monitor_s, 0.2, 1e4),
            (
                "insulation.monitor_kohm",
                container.insulation.monitor_kohm,
                1.0,
                1e6,
            ),
            (
                "sensors.cell_voltage_lag_s",
                container.sensors.cell_voltage_lag_s,
                0.0,
                10.0,
            ),
            (
                "sensors.current_lag_s",
                container.sensors.current_lag_s,
                0.0,
                10.0,
            ),
        ] {
            range(field, value, min, max)?;
        }
        self.check_insulation()?;
        container.check_fire()?;
        container.check_losses()?;
        for (field, sensor) in container.sensors.kinds() {
            range(field, sensor.resolution, 1e-9, 1e9)?;
            rising(field, sensor.range)?;
        }
        // Shares of the box's rating; amperes by mistake would make every cluster seem loaded.
        range("sensors.current.bias", container.sensors.current.bias, 0.0, 0.2)?;
        range("sensors.current.noise", container.sensors.current.noise, 0.0, 0.2)?;
        Ok(())
    }

    /// A stack without a fault must not read as one that has some, even with every leg at its lowest.
    fn check_insulation(&self) -> Result<(), PlantConfigError> {
        let container = &self.container;
        let series = container.packs_per_cluster * container.cells_per_pack;
        let full_v = series as f64 * self.cell.ocv.voltage_v.iter().copied().fold(0.0, f64::max);
        let leg_mohm = container.insulation.healthy_mohm[0];
        let clusters = container.clusters;
        if leg_mohm * 1e6 < HEALTHY_OHM_PER_V * clusters as f64 * full_v {
            return Err(PlantConfigError::Insulation {
                clusters,
                leg_mohm,
                full_v,
            });
        }
        Ok(())
    }

    /// A plate with its loop, or an airflow; and figures that keep the thermal network stable.
    fn check_cooling(&self) -> Result<(), PlantConfigError> {
        let ContainerSpec {
            pack, cooling, air, ..
        } = &self.container;
        let cells = self.container.cells_per_pack;
        match (&pack.plate, &pack.airflow, cooling) {
            (Some(plate), None, Some(cooling)) => {
                segments("pack.plate.segments", plate.segments, cells)?;
                let packs = self.container.clusters * self.container.packs_per_cluster;
                let plates_l = plate.coolant_l * packs as f64;
                for (field, value, min, max) in [
                    (
                        "pack.plate.cell_to_plate_k_per_w",
                        plate.cell_to_plate_k_per_w,
                        0.05,
                        1e9,
                    ),
                    ("pack.plate.film_k_per_w", plate.film_k_per_w, 0.005, 1e9),
                    (
                        "pack.plate.film_still_k_per_w",
                        plate.film_still_k_per_w,
                        plate.film_k_per_w,
                        1e9,
                    ),
                    ("pack.plate.mass_kg", plate.mass_kg, 0.5, 1e3),
                    ("pack.plate.coolant_l", plate.coolant_l, 0.01, 1e3),
                    ("cooling.flow_l_per_min", cooling.flow_l_per_min, 1.0, 1e5),
                    ("cooling.flow_spread", cooling.flow_spread, 0.0, 0.9),
                    // outside the plates the pump turns the coolant over in two seconds at least
                    (
                        "cooling.volume_l",
                        cooling.volume_l,
                        plates_l + cooling.flow_l_per_min / 30.0,
                        1e6,
                    ),
                    ("cooling.low_flow_share", cooling.low_flow_share, 0.0, 1.0),
                    ("cooling.condenser_k_per_kw", cooling.condenser_k_per_kw, 0.0, 1e3),
                    ("cooling.density_kg_per_l", cooling.density_kg_per_l, 0.1, 10.0),
                    (
                        "cooling.specific_heat_j_per_kg_k",
                        cooling.specific_heat_j_per_kg_k,
                        500.0,
                        10_000.0,
                    ),
                    ("cooling.cop", cooling.cop, 0.1, 20.0),
                    ("cooling.response_s", cooling.response_s, 0.1, 1e5),
                    ("cooling.band_k", cooling.band_k, 0.1, 50.0),
                ] {
                    range(field, value, min, max)?;
                }
            }
            (None, Some(airflow), None) => {
                segments("pack.airflow.segments", airflow.segments, cells / pack.rows)?;
                for (field, value, min, max) in [
                    (
                        "pack.airflow.cell_to_air_k_per_w",
                        airflow.cell_to_air_k_per_w,
                        0.05,
                        1e9,
                    ),
                    (
                        "pack.airflow.cell_to_air_still_k_per_w",
                        airflow.cell_to_air_still_k_per_w,
                        airflow.cell_to_air_k_per_w,
                        1e9,
                    ),
                    ("pack.airflow.flow_m3_per_h", airflow.flow_m3_per_h, 0.1, 1e5),
                    (
                        "pack.airflow.draught_m3_per_h",
                        airflow.draught_m3_per_h,
                        0.0,
                        airflow.flow_m3_per_h,
                    ),
                    ("pack.airflow.fan_w", airflow.fan_w, 0.0, 1e4),
                    ("pack.airflow.fan_s", airflow.fan_s, 0.1, 1e3),
                ] {
                    range(field, value, min, max)?;
                }
            }
            (Some(_), None, None) => {
                return Err(PlantConfigError::Parts {
                    what: "a pack with a `plate` needs the container's `cooling`",
                });
            }
            (None, Some(_), Some(_)) => {
                return Err(PlantConfigError::Parts {
                    what: "`cooling` is a coolant loop, which packs with `airflow` do not have",
                });
            }
            _ => {
                return Err(PlantConfigError::Parts {
                    what: "a pack has either a `plate` or an `airflow`",
                });
            }
        }
        if air.hvac.units > 0 {
            count("air.hvac.units", air.hvac.units, 20)?;
            range("air.hvac.cop", air.hvac.cop, 0.1, 20.0)?;
            range("air.hvac.capacity_w", air.hvac.capacity_w, 0.0, 1e6)?;
            range("air.hvac.response_s", air.hvac.response_s, 0.1, 3600.0)?;
        }
        Ok(())
    }
}

impl ContainerSpec {
    /// What a PCS loses of its rated power, and that most of it is left.
    fn check_losses(&self) -> Result<(), PlantConfigError> {
        let converter = &self.converter;
        rising("converter.dc_range_v", converter.dc_range_v)?;
        for (field, at_rated, [constant, quadratic]) in [
            (
                "converter.loss_charge_pu",
                "converter.loss_charge_pu at rated power",
                converter.loss_charge_pu,
            ),
            (
                "converter.loss_discharge_pu",
                "converter.loss_discharge_pu at rated power",
                converter.loss_discharge_pu,
            ),
        ] {
            range(field, constant, 0.0, MOST_LOSS_PU)?;
            range(field, quadratic, 0.0, MOST_LOSS_PU)?;
            range(at_rated, constant + quadratic, 0.0, MOST_LOSS_PU)?;
        }
        Ok(())
    }
}

impl CellSpec {
    /// Refuses what cannot be built or would divide by zero.
    pub fn check(&self) -> Result<(), PlantConfigError> {
        let cell = self;
        table("ocv", &cell.ocv.soc_percent, cell.ocv.voltage_v.len())?;
        table("ocv", &cell.ocv.soc_percent, cell.ocv.hysteresis_mv.len())?;
        table("entropy", &cell.entropy.soc, cell.entropy.mv_per_k.len())?;
        table(
            "resistance",
            &cell.resistance.soc,
            cell.resistance.charge_mohm.len(),
        )?;
        table(
            "resistance",
            &cell.resistance.soc,
            cell.resistance.discharge_mohm.len(),
        )?;
        table("usable", &cell.usable.temperature_c, cell.usable.share.len())?;
        for &share in &cell.usable.share {
            range("usable.share", share, 0.1, 1.0)?;
        }
        let runaway = &cell.runaway;
        table("runaway.gas_soc", &runaway.gas_soc, runaway.gas_share.len())?;
        table(
            "runaway.vapour_soc",
            &runaway.vapour_soc,
            runaway.vapour_share.len(),
        )?;
        for (field, values) in [
            ("runaway.gas_soc", &runaway.gas_soc[..]),
            ("runaway.gas_share", &runaway.gas_share),
            ("runaway.vapour_soc", &runaway.vapour_soc),
            ("runaway.vapour_share", &runaway.vapour_share),
        ] {
            for &value in values {
                range(field, value, 0.0, 1.0)?;
            }
        }
        for &soc_percent in &cell.ocv.soc_percent {
            if soc_percent * 2.0 != libm::round(soc_percent * 2.0) {
                return Err(PlantConfigError::OcvKnot { soc_percent });
            }
        }
        for (field, value, min, max) in [
            ("capacity_ah", cell.capacity_ah, 0.1, 10_000.0),
            ("mass_kg", cell.mass_kg, 0.01, 1000.0),
            (
                "specific_heat_j_per_kg_k",
                cell.specific_heat_j_per_kg_k,
                100.0,
                10_000.0,
            ),
            ("coulombic_efficiency", cell.coulombic_efficiency, 0.9, 1.0),
            (
                "self_discharge_per_month",
                cell.self_discharge_per_month,
                0.0,
                1.0,
            ),
            ("self_discharge_sigma", cell.self_discharge_sigma, 0.0, 1.0),
            ("usable.rate_c", cell.usable.rate_c, 0.01, 100.0),
            (
                "ageing.calendar_per_year",
                cell.ageing.calendar_per_year,
                1e-6,
                1.0,
            ),
            (
                "ageing.calendar_exponent",
                cell.ageing.calendar_exponent,
                0.2,
                1.0,
            ),
            ("ageing.calendar_soc[2]", cell.ageing.calendar_soc[2], 1e-3, 1e3),
            ("ageing.cycle_scale", cell.ageing.cycle_scale, 1e-3, 1e3),
            ("ageing.plating_per_k", cell.ageing.plating_per_k, 0.0, 1.0),
            ("soc_max", cell.soc_max, 1.0, 1.2),
            ("soc_min", cell.soc_min, -0.1, 0.0),
            ("ocv first knot", cell.ocv.soc_percent[0], 0.0, 0.0),
            ("resistance.calibration", cell.resistance.calibration, 0.01, 100.0),
            ("resistance.split[0]", cell.resistance.split[0], 0.01, 1.0),
            ("resistance.split[1]", cell.resistance.split[1], 0.01, 1.0),
            ("resistance.split[2]", cell.resistance.split[2], 0.01, 1.0),
            ("resistance.tau_s[0]", cell.resistance.tau_s[0], 1.0, 1e6),
            ("resistance.tau_s[1]", cell.resistance.tau_s[1], 1.0, 1e6),
            ("runaway.slice_k_per_w", cell.runaway.slice_k_per_w, 0.01, 100.0),
            (
                "runaway.burnt_face_k_per_w",
                cell.runaway.burnt_face_k_per_w,
                0.0,
                100.0,
            ),
            (
                "runaway.self_heating_c[1]",
                cell.runaway.self_heating_c[1],
                cell.runaway.self_heating_c[0] + 1.0,
                cell.runaway.self_heating_c[2] - 1.0,
            ),
            (
                "runaway.self_heating_k_per_min[0]",
                cell.runaway.self_heating_k_per_min[0],
                1e-6,
                100.0,
            ),
            (
                "runaway.self_heating_k_per_min[1]",
                cell.runaway.self_heating_k_per_min[1],
                1e-6,
                100.0,
            ),
            (
                "runaway.self_heating_k_per_min[2]",
                cell.runaway.self_heating_k_per_min[2],
                1e-6,
                100.0,
            ),
            ("runaway.separator_ohm", cell.runaway.separator_ohm, 1e-4, 1.0),
            ("runaway.slice_release_s", cell.runaway.slice_release_s, 1.0, 1e4),
            ("runaway.energy_full_j", cell.runaway.energy_full_j, 0.0, 1e9),
            ("runaway.ejecta_share", cell.runaway.ejecta_share, 0.0, 10.0),
            ("runaway.gas_l_per_ah", cell.runaway.gas_l_per_ah, 0.0, 100.0),
            (
                "runaway.vapour_g_per_ah",
                cell.runaway.vapour_g_per_ah,
                0.0,
                100.0,
            ),
        ] {
            range(field, value, min, max)?;
        }
        Ok(())
    }
}

impl InitialState {
    /// How much wider than fresh an aged pack spreads: twice at 85 % (assumption, cell-and-thermal §4: 1 → 2 %
    /// in capacity, 4 → 8 % in resistance), in proportion to the loss.
    pub fn sigma_factor(&self) -> f64 {
        1.0 + (1.0 - self.soh) / 0.15
    }

    /// Refuses what lies outside the plant.
    pub fn check(&self, clusters: usize) -> Result<(), PlantConfigError> {
        range("soc", self.soc, 0.0, 1.0)?;
        for &(cluster, soc) in &self.soc_by_cluster {
            if cluster >= clusters {
                return Err(PlantConfigError::NoCluster { cluster, clusters });
            }
            range("soc_by_cluster", soc, 0.0, 1.0)?;
        }
        range("cell_temperature_c", self.cell_temperature_c, -40.0, 70.0)?;
        range("ambient_c", self.ambient_c, -50.0, 70.0)?;
        range("ambient_swing_k", self.ambient_swing_k, 0.0, 30.0)?;
        range("start_hour", self.start_hour.unwrap_or(0.0), 0.0, 24.0)?;
        range("soc_sigma", self.soc_sigma, 0.0, 0.2)?;
        range("capacity_sigma", self.capacity_sigma, 0.0, 0.2)?;
        range("resistance_sigma", self.resistance_sigma, 0.0, 0.3)?;
        range("soh", self.soh, 0.3, 1.0)?;
        range(
            "capacity_sigma at this soh",
            self.capacity_sigma * self.sigma_factor(),
            0.0,
            0.3,
        )?;
        range(
            "resistance_sigma at this soh",
            self.resistance_sigma * self.sigma_factor(),
            0.0,
            0.3,
        )?;
        range("ageing_clock", self.ageing_clock, 0.0, AGEING_CLOCK_MAX)
    }
}

fn count(field: &'static str, value: usize, max: usize) -> Result<(), PlantConfigError> {
    if (1..=max).contains(&value) {
        Ok(())
    } else {
        Err(PlantConfigError::Count { field, value, max })
    }
}

/// A count that divides another.
fn segments(field: &'static str, value: usize, of: usize) -> Result<(), PlantConfigError> {
    count(field, value, of.min(16))?;
    if of.is_multiple_of(value) {
        Ok(())
    } else {
        Err(PlantConfigError::Segments { field, value, of })
    }
}

pub(crate) fn range(field: &'static str, value: f64, min: f64, max: f64) -> Result<(), PlantConfigError> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(PlantConfigError::Range {
            field,
            value,
            min,
            max,
        })
    }
}

fn rising(field: &'static str, [low, high]: [f64; 2]) -> Result<(), PlantConfigError> {
    if low < high {
        Ok(())
    } else {
        Err(PlantConfigError::Reversed { field, low, high })
    }
}

fn table(field: &'static str, knots: &[f64], column: usize) -> Result<(), PlantConfigError> {
    if knots.len() >= 2 && knots.len() == column && knots.is_sorted_by(|a, b| a < b) {
        Ok(())
    } else {
        Err(PlantConfigError::Table { field })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;
    use crate::spec::PcsSpec;

    #[test]
    fn shipped_data_is_complete_and_buildable() {
        let spec = crate::testing::spec();
        assert_eq!(spec.check(), Ok(()));
        assert_eq!(
            spec.container.clusters * spec.container.packs_per_cluster * spec.container.cells_per_pack,
            3564
        );
    }

    #[test]
    fn a_share_of_a_pcs_keeps_what_is_per_unit() {
        let pcs = crate::testing::pcs();
        let two = pcs.clone().scaled(2.0);
        assert_eq!(two.converter.rated_va, 2.0 * pcs.converter.rated_va);
        assert_eq!(two.converter.loss_charge_pu, pcs.converter.loss_charge_pu);
        let tau = |pcs: &PcsSpec| pcs.dc_bus.capacitance_mf * pcs.dc_bus.bleeder_kohm;
        assert_eq!(tau(&two), tau(&pcs));
        assert_eq!(two.scaled(0.5), pcs);
    }

    #[test]
    fn a_pack_has_a_plate_with_its_loop_or_an_airflow() {
        let parts = |change: fn(&mut ContainerSpec)| {
            let mut spec = crate::testing::spec();
            change(&mut spec.container);
            spec.check().map_err(|error| error.to_string())
        };
        assert!(
            parts(|c| c.cooling = None)
                .unwrap_err()
                .contains("needs the container's")
        );
        assert!(
            parts(|c| c.pack.plate = None)
                .unwrap_err()
                .contains("either a `plate`")
        );
        assert!(
            parts(|c| c.pack.plate.as_mut().unwrap().segments = 3)
                .unwrap_err()
                .contains("44 cells do not divide into 3")
        );
        assert_eq!(crate::testing::air_spec(1, 2).check(), Ok(()));
    }

    #[test]
    fn healthy_legs_of_all_clusters_together_are_healthy() {
        let spec = |clusters, low_mohm| {
            let mut spec = crate::testing::spec();
            spec.container.clusters = clusters;
            spec.container.insulation.healthy_mohm = [low_mohm, 20.0];
            spec.check()
        };
        let error = spec(9, 5.0).unwrap_err();
        assert_eq!(error.field(), Some("insulation.healthy_mohm"));
        assert_eq!(
            error.to_string(),
            "`insulation.healthy_mohm` begins at 5 MΩ: 9 clusters joined can then be down to 397 Ω/V at 1398 V, but a \
             healthy stack has 500 Ω/V or more; let it begin at 6.3 or more"
        );
        assert_eq!(spec(9, 6.3), Ok(()));
        assert_eq!(spec(7, 5.0), Ok(()));
        assert!(spec(14, 6.3).is_err());
        assert!(spec(1, 21.0).unwrap_err().to_string().contains("healthy_mohm[1]"));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let wrong = |change: fn(&mut ContainerSpec)| {
            let mut spec = crate::testing::spec();
            change(&mut spec.container);
            spec.check().unwrap_err().to_string()
        };
        for (said, expected) in [
            (
                wrong(|c| c.sensors.temperature.range = [200.0, 0.0]),
                "the range of `sensors.temperature` is 200 to 0, but the lower end comes first",
            ),
            (
                wrong(|c| c.converter.dc_range_v = [1500.0, f64::NAN]),
                "the range of `converter.dc_range_v` is 1500 to NaN, but the lower end comes first",
            ),
            (
                wrong(|c| c.hv_box.operate_ms = [0.025, 0.005]),
                "`hv_box.operate_ms` is 0.025, must be 1 to 1000",
            ),
            (
                wrong(|c| c.hv_box.fuse_rated_a = 200.0),
                "`hv_box.fuse_rated_a` is 200, must be 250 to 100000",
            ),
            (
                wrong(|c| c.converter.loss_charge_pu = [0.4, 0.6]),
                "`converter.loss_charge_pu` is 0.6, must be 0 to 0.5",
            ),
            (
                wrong(|c| c.converter.loss_discharge_pu = [0.25, 0.5]),
                "`converter.loss_discharge_pu at rated power` is 0.75, must be 0 to 0.5",
            ),
            (
                wrong(|c| c.converter.loss_discharge_pu = [-0.1, 0.2]),
                "`converter.loss_discharge_pu` is -0.1, must be 0 to 0.5",
            ),
        ] {
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn errors_name_the_field() {
        let mut spec = crate::testing::spec();
        spec.container.pack.rows = 5;
        assert_eq!(
            spec.check().unwrap_err().to_string(),
            "44 cells do not divide into 5 equal rows"
        );
        let refused = |change: fn(&mut CellSpec)| {
            let mut spec = crate::testing::spec();
            change(&mut spec.cell);
            spec.check().unwrap_err()
        };
        let error = refused(|cell| cell.runaway.gas_soc[1] = cell.runaway.gas_soc[2]);
        assert_eq!(error.field(), Some("runaway.gas_soc"));
        let error = refused(|cell| cell.runaway.vapour_share[2] = 1.2);
        assert_eq!(error.to_string(), "`runaway.vapour_share` is 1.2, must be 0 to 1");
        let initial = InitialState {
            soc: 1.5,
            ..InitialState::default()
        };
        assert_eq!(
            initial.check(9).unwrap_err().to_string(),
            "`soc` is 1.5, must be 0 to 1"
        );
    }
}
