//! What the plant is made of, as plain data. Product files (`twin/catalogue/data`) hold these structures in TOML, each
//! file its part, with every figure's origin beside it; [`ContainerSpec::compose`] puts the parts together.
//!
//! Units are in the names. Nothing here computes; [`PlantSpec::check`] only refuses what cannot be built.

use serde::{Deserialize, Serialize};

use crate::topology::Topology;

mod check;

pub use check::PlantConfigError;
pub(crate) use check::range;

/// Everything the plant is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlantSpec {
    /// The cell all packs are built from.
    pub cell: CellSpec,
    /// The container around them.
    pub container: ContainerSpec,
}

/// A site: containers on the DC strings of its stations, and how far they may be used.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteSpec {
    /// Catalogue name.
    pub id: String,
    /// Stations, each group of equal ones with the containers behind them.
    pub stations: Vec<StationSpec>,
    /// Voltage at the point of interconnection, kV; information only, nothing is computed from it.
    pub poi_kv: f64,
    /// Most active power the site exchanges with the grid, W.
    pub power_limit_w: f64,
    /// Most energy dispatched from full to empty, Wh.
    pub energy_limit_wh: f64,
}

/// Equal stations of a site. Each container has a DC string of its own: no current flows from one to another.
#[derive(Clone, Debug, PartialEq)]
pub struct StationSpec {
    /// Catalogue name of the station, or of the PCS that stands for one.
    pub id: String,
    /// How many there are.
    pub count: usize,
    /// Containers on each.
    pub containers_per_station: usize,
    /// One of these containers; its `converter` is one string's share of the station, transformer losses included
    /// if it is a station; a PCS that stands for one has none.
    pub plant: PlantSpec,
}

impl SiteSpec {
    /// Containers of the site.
    pub fn containers(&self) -> usize {
        self.stations.iter().map(StationSpec::containers).sum()
    }
}

impl StationSpec {
    /// Containers behind all stations of the group.
    pub fn containers(&self) -> usize {
        self.count * self.containers_per_station
    }
}

/// One cell type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellSpec {
    /// Catalogue name; the file of the product says it.
    #[serde(skip)]
    pub id: String,
    /// Rated capacity, Ah.
    pub capacity_ah: f64,
    /// Mass, kg.
    pub mass_kg: f64,
    /// Specific heat, J/(kg K).
    pub specific_heat_j_per_kg_k: f64,
    /// Share of charged coulombs that is stored.
    pub coulombic_efficiency: f64,
    /// Self-discharge, share of capacity per 30 days: mean of all cells.
    pub self_discharge_per_month: f64,
    /// Its spread over cells, one sigma, cut at three.
    pub self_discharge_sigma: f64,
    /// State of charge above which charge current only makes heat (side reactions).
    pub soc_max: f64,
    /// State of charge below which discharge current only makes heat (reversal).
    pub soc_min: f64,
    /// Open-circuit voltage and hysteresis.
    pub ocv: OcvSpec,
    /// Entropic coefficient.
    pub entropy: EntropySpec,
    /// Resistance.
    pub resistance: ResistanceSpec,
    /// Capacity within reach in the cold.
    pub usable: UsableSpec,
    /// Ageing.
    pub ageing: AgeingSpec,
    /// Thermal runaway.
    pub runaway: RunawaySpec,
}

/// Open-circuit voltage and one-state hysteresis, linear between knots. Knots lie on the 0.5 % grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OcvSpec {
    /// Knots: state of charge in percent, rising.
    pub soc_percent: Vec<f64>,
    /// Open-circuit voltage at the knots, V.
    pub voltage_v: Vec<f64>,
    /// Half width of the hysteresis loop at the knots, mV.
    pub hysteresis_mv: Vec<f64>,
    /// How fast the hysteresis state follows the current: e-folds per full capacity moved.
    pub hysteresis_gamma: f64,
    /// Decay of the hysteresis state at rest, s.
    pub hysteresis_rest_s: f64,
}

/// Entropic coefficient dU/dT, linear between knots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntropySpec {
    /// Knots: state of charge, 0 to 1, rising.
    pub soc: Vec<f64>,
    /// Coefficient, mV/K.
    pub mv_per_k: Vec<f64>,
}

/// Total DC resistance over state of charge and temperature, and its split into R0 and two RC links.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResistanceSpec {
    /// Capacity of the cell the table stands for, Ah; the table is scaled by its ratio to the capacity.
    pub table_capacity_ah: f64,
    /// Factor on the table.
    pub calibration: f64,
    /// Temperatures of the three columns, °C. Flat above the last, Arrhenius below the first.
    pub temperature_c: [f64; 3],
    /// Arrhenius constant below the first column, K.
    pub arrhenius_k: f64,
    /// Rows: state of charge, 0 to 1, rising.
    pub soc: Vec<f64>,
    /// Resistance while charging, mΩ.
    pub charge_mohm: Vec<[f64; 3]>,
    /// Resistance while discharging, mΩ.
    pub discharge_mohm: Vec<[f64; 3]>,
    /// Share of R0, R1 and R2; sums to 1.
    pub split: [f64; 3],
    /// Time constants of the two RC links, s.
    pub tau_s: [f64; 2],
}

/// Share of the capacity that a full, cold cell gives at a reference current, besides what resistance costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsableSpec {
    /// Knots: cell temperature, °C, rising; flat outside.
    pub temperature_c: Vec<f64>,
    /// Share within reach, 0 to 1.
    pub share: Vec<f64>,
    /// Current the shares stand for, C.
    pub rate_c: f64,
}

/// Ageing of one cell, see [`crate::ageing`]. A cubic is `[a, b, c]` of `a (x − b)³ + c`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgeingSpec {
    /// Calendar fade of the first year at 25 °C and 50 % charge, share.
    pub calendar_per_year: f64,
    /// Calendar fade goes with time to this power.
    pub calendar_exponent: f64,
    /// Activation energy of calendar fade, J/mol.
    pub calendar_j_per_mol: f64,
    /// Its dependence on the state of charge, a cubic; relative.
    pub calendar_soc: [f64; 3],
    /// Factor on the cycle law.
    pub cycle_scale: f64,
    /// Cycle fade in percent per root of full equivalent cycles: slope over the rate in C, and at 0C.
    pub cycle_rate: [f64; 2],
    /// Its dependence on the depth of discharge, a cubic.
    pub cycle_depth: [f64; 3],
    /// Activation energy of cycle fade, J/mol.
    pub cycle_j_per_mol: f64,
    /// Calendar growth of resistance, share per second.
    pub resistance_per_s: f64,
    /// Its activation energy, J/mol.
    pub resistance_j_per_mol: f64,
    /// Its dependence on the state of charge: `[a, b, c]` of `a (SOC − b)² + c`.
    pub resistance_soc: [f64; 3],
    /// Cycle growth of resistance in percent per full equivalent cycle: slope over the rate in C, and at 0C.
    pub resistance_rate: [f64; 2],
    /// Its dependence on the depth of discharge, a cubic.
    pub resistance_depth: [f64; 3],
    /// Charging below this plates lithium, °C.
    pub plating_c: f64,
    /// Share of the charge taken at 0.5C that is lost for good, per kelvin below.
    pub plating_per_k: f64,
}

/// Thermal runaway of one cell, see `runaway.rs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunawaySpec {
    /// Self-heating of a slice of a full cell: knots, °C, rising. It begins at the first.
    pub self_heating_c: [f64; 3],
    /// Rates there, K/min; exponential between, the last one beyond.
    pub self_heating_k_per_min: [f64; 3],
    /// The separator of a slice fails, °C; a short in the cell then grows while it is hotter.
    pub separator_c: f64,
    /// Fall of cell voltage by that short, mV/min; the short grows to give it.
    pub separator_mv_per_min: f64,
    /// Least resistance of that short, Ω.
    pub separator_ohm: f64,
    /// Venting: mean temperature, °C.
    pub vent_mean_c: f64,
    /// Venting: hottest slice, °C.
    pub vent_slice_c: f64,
    /// Heat taken by evaporation at venting, J.
    pub vent_latent_j: f64,
    /// Runaway of a slice, °C, at state of charge ≥ 90 %, 60–90 %, below.
    pub onset_c: [f64; 3],
    /// Heat released by a full cell, J.
    pub energy_full_j: f64,
    /// A slice releases its share over, s.
    pub slice_release_s: f64,
    /// Heat leaving with ejecta and hot gas, as a share of the heat that stays.
    pub ejecta_share: f64,
    /// Gas of a full cell, L/Ah at 25 °C.
    pub gas_l_per_ah: f64,
    /// Share of a full cell's gas: states of charge when it is given off, rising.
    pub gas_soc: [f64; 4],
    /// The shares there; linear between, the end ones outside.
    pub gas_share: [f64; 4],
    /// Vapour and mist of the electrolyte's solvents that leave a full cell with its gas, g/Ah.
    pub vapour_g_per_ah: f64,
    /// Share of a full cell's vapour: states of charge when it is given off, rising.
    pub vapour_soc: [f64; 3],
    /// The shares there; linear between, the end ones outside.
    pub vapour_share: [f64; 3],
    /// Trace of H2 and CO from a hot cell before venting: above this, °C.
    pub trace_c: f64,
    /// Trace flow, mL/s.
    pub trace_ml_per_s: f64,
    /// Conduction between the five slices, K/W.
    pub slice_k_per_w: f64,
    /// What the face of a burnt cell conducts worse than that of a healthy one, K/W.
    pub burnt_face_k_per_w: f64,
}

/// The container and everything in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerSpec {
    /// Catalogue name; the file of the product says it.
    #[serde(skip)]
    pub id: String,
    /// Clusters in parallel on the stack's DC bus.
    pub clusters: usize,
    /// Packs in series in a cluster.
    pub packs_per_cluster: usize,
    /// Cells in series in a pack.
    pub cells_per_pack: usize,
    /// The pack.
    pub pack: PackSpec,
    /// The high-voltage box of each cluster.
    pub hv_box: HvBoxSpec,
    /// The stack's DC bus.
    pub dc_bus: DcBusSpec,
    /// The power conversion system.
    pub converter: ConverterSpec,
    /// The grid at the PCS terminals.
    pub grid: GridSpec,
    /// Insulation to earth and its monitor.
    pub insulation: InsulationSpec,
    /// Coolant loop and chiller; there exactly if packs have plates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooling: Option<CoolingSpec>,
    /// Container air, walls and HVAC.
    pub air: AirSpec,
    /// Vent gas, smoke and flame.
    pub gas: GasSpec,
    /// Suppression.
    pub suppression: SuppressionSpec,
    /// Its agent.
    pub agent: AgentSpec,
    /// Supply of the container's own needs.
    pub auxiliary: AuxiliarySpec,
    /// Measurement errors.
    pub sensors: SensorsSpec,
}

/// The parts of a [`ContainerSpec`] that belong to the container itself and not to a product in it.
#[derive(Clone, Debug, PartialEq)]
pub struct HousingSpec {
    /// Insulation to earth and its monitor.
    pub insulation: InsulationSpec,
    /// Coolant loop and chiller; there exactly if packs have plates.
    pub cooling: Option<CoolingSpec>,
    /// Container air, walls and HVAC.
    pub air: AirSpec,
    /// Vent gas, smoke and flame.
    pub gas: GasSpec,
    /// Suppression.
    pub suppression: SuppressionSpec,
    /// Its agent.
    pub agent: AgentSpec,
    /// Supply of the container's own needs.
    pub auxiliary: AuxiliarySpec,
    /// Measurement errors.
    pub sensors: SensorsSpec,
}

impl ContainerSpec {
    /// Puts a container together from its products and its housing.
    pub fn compose(
        id: &str,
        topology: Topology,
        pack: PackSpec,
        hv_box: HvBoxSpec,
        pcs: PcsSpec,
        housing: HousingSpec,
    ) -> Self {
        Self {
            id: id.into(),
            clusters: topology.clusters,
            packs_per_cluster: topology.packs_per_cluster,
            cells_per_pack: topology.cells_per_pack,
            pack,
            hv_box,
            dc_bus: pcs.dc_bus,
            converter: pcs.converter,
            grid: pcs.grid,
            insulation: housing.insulation,
            cooling: housing.cooling,
            air: housing.air,
            gas: housing.gas,
            suppression: housing.suppression,
            agent: housing.agent,
            auxiliary: housing.auxiliary,
            sensors: housing.sensors,
        }
    }

    /// Vent gas, suppression and agent.
    fn check_fire(&self) -> Result<(), PlantConfigError> {
        let Self {
            gas,
            suppression,
            agent,
            ..
        } = self;
        for (field, shares) in [
            ("gas.composition", gas.composition),
            ("gas.composition_half", gas.composition_half),
        ] {
            for share in shares {
                range(field, share, 0.0, 1.0)?;
            }
            range(field, shares.iter().sum(), 0.999, 1.001)?;
        }
        for (field, value, min, max) in [
            ("gas.explosive_percent[0]", gas.explosive_percent[0], 0.1, 99.0),
            (
                "gas.explosive_percent[1]",
                gas.explosive_percent[1],
                gas.explosive_percent[0],
                100.0,
            ),
            ("gas.pack_l", gas.pack_l, 1.0, 1e4),
            ("suppression.charge_ratio", suppression.charge_ratio, 0.0, 10.0),
            ("suppression.leak_per_h[0]", suppression.leak_per_h[0], 0.0, 1e4),
            ("suppression.leak_per_h[1]", suppression.leak_per_h[1], 0.0, 1e4),
            ("agent.design_percent", agent.design_percent, 1e-6, 100.0),
            ("agent.reach_s", agent.reach_s, 0.1, 1e4),
            ("agent.flow_s", agent.flow_s, 0.1, 1e6),
            ("agent.flame_out_s", agent.flame_out_s, 0.0, 1e4),
            (
                "agent.relights_percent",
                agent.relights_percent,
                0.0,
                agent.design_percent,
            ),
            (
                "agent.inerts_percent",
                agent.inerts_percent.unwrap_or(100.0),
                agent.relights_percent,
                100.0,
            ),
            ("agent.cooling_w", agent.cooling_w, 0.0, 1e6),
            ("agent.cooling_s", agent.cooling_s, 0.0, 1e6),
            ("agent.settling_per_h", agent.settling_per_h, 0.0, 1e4),
            ("agent.smoke_db_per_m", agent.smoke_db_per_m, 0.0, 1e3),
        ] {
            range(field, value, min, max)?;
        }
        if let Some(wet) = agent.wet {
            range("agent.wet.leg_kohm", wet.leg_kohm, 1e-3, 1e9)?;
            range("agent.wet.dries_s", wet.dries_s, 1.0, 1e8)?;
        }
        Ok(())
    }
}

/// A pack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackSpec {
    /// Rows of cells; within a row large faces touch. Cells are numbered along row 1, then row 2, …
    pub rows: usize,
    /// Bleed resistor of passive balancing, Ω.
    pub bleed_ohm: f64,
    /// Active balancing, if the pack has it besides its bleed resistors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_balancing: Option<ActiveBalancingSpec>,
    /// Busbars and welds between the cells, mΩ; their heat goes into the cells evenly.
    pub interconnect_mohm: f64,
    /// Cable and connector to the next pack, mΩ; its heat goes to the racks.
    pub cable_mohm: f64,
    /// Cell to cell through the large faces, K/W (aerogel sheet: 3.5).
    pub cell_to_cell_k_per_w: f64,
    /// Cell to cell through the narrow faces of two rows side by side, K/W.
    pub row_to_row_k_per_w: f64,
    /// Pack enclosure to container air, W/K.
    pub enclosure_w_per_k: f64,
    /// Lag of a temperature sensor on its busbar, s.
    pub ntc_lag_s: f64,
    /// Cooling plate of a liquid-cooled pack. A pack has a plate or an airflow, not both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plate: Option<PlateSpec>,
    /// Forced air of an air-cooled pack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub airflow: Option<AirflowSpec>,
}

/// Cooling plate under the cells of a pack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlateSpec {
    /// Cell to plate, without the coolant film, K/W per cell.
    pub cell_to_plate_k_per_w: f64,
    /// Coolant film at nominal flow, K/W per cell; grows as flow^-0.8.
    pub film_k_per_w: f64,
    /// Coolant film without flow, K/W per cell.
    pub film_still_k_per_w: f64,
    /// Aluminium that warms with the coolant, kg.
    pub mass_kg: f64,
    /// Coolant in the plate, L.
    pub coolant_l: f64,
    /// Stretches of the coolant's way, which follows the cells in the order of their numbers; divides the cells.
    pub segments: usize,
}

/// Air drawn through a pack: from the side inlets through the gaps between the cells to an exhaust fan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AirflowSpec {
    /// Cell to the air in its gaps at full flow, K/W per cell; grows as flow^-0.8.
    pub cell_to_air_k_per_w: f64,
    /// The same with the fan off, K/W per cell.
    pub cell_to_air_still_k_per_w: f64,
    /// Flow at full fan speed, m³/h.
    pub flow_m3_per_h: f64,
    /// Natural draught with the fan off, m³/h.
    pub draught_m3_per_h: f64,
    /// Fan speed at full duty, rpm.
    pub fan_rpm: f64,
    /// Fan power at full speed, W; follows the cube of speed and ends up as heat in the exhaust.
    pub fan_w: f64,
    /// Time constant of the fan speed, s.
    pub fan_s: f64,
    /// Stretches of the air's way along a row of cells; divides the cells of a row.
    pub segments: usize,
}

/// Active balancing within a pack: a converter takes charge from some cells and gives it to others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActiveBalancingSpec {
    /// Current of one cell's channel, either way, A (usual: 1 to 2).
    pub current_a: f64,
    /// Power given over power taken (usual: 0.85 to 0.9).
    pub efficiency: f64,
}

/// High-voltage box of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HvBoxSpec {
    /// Catalogue name; the file of the product says it.
    #[serde(skip)]
    pub id: String,
    /// Rated current and full scale of the current sensor, A.
    pub rated_a: f64,
    /// Fuse, two contactors, shunt and terminals, mΩ.
    pub path_mohm: f64,
    /// Precharge resistor, Ω.
    pub precharge_ohm: f64,
    /// Energy at which the resistor's thermal switch opens, J.
    pub precharge_trip_j: f64,
    /// Cooling time constant of the resistor, s.
    pub precharge_cooling_s: f64,
    /// Contactor operate time, ms: mean and half range.
    pub operate_ms: [f64; 2],
    /// Contactor release time, ms: mean and half range.
    pub release_ms: [f64; 2],
    /// Longest contact bounce after making, ms: the time in which a contact can weld.
    pub bounce_ms: f64,
    /// Auxiliary contact follows the main contact after, ms.
    pub aux_delay_ms: f64,
    /// A main contact that breaks more than this welds, A.
    pub break_limit_a: f64,
    /// A main contact can weld when made onto more than this, V …
    pub weld_gap_v: f64,
    /// … if the current during bounce lets through more than this, A²s.
    pub weld_a2s: f64,
    /// Fuse rated current, A.
    pub fuse_rated_a: f64,
    /// Fuse pre-arcing integral, A²s.
    pub fuse_a2s: f64,
    /// Lowest current that ever melts the fuse, over rated.
    pub fuse_limit: f64,
    /// Time constant of the fuse element against its body, s.
    pub fuse_element_s: f64,
    /// Time constant of the fuse body against its surroundings, s.
    pub fuse_body_s: f64,
    /// DC breaker opens after its shunt trip or its release by, ms.
    pub breaker_ms: f64,
    /// Short-circuit release of the DC breaker, A.
    pub breaker_instant_a: f64,
    /// Coil supply, V.
    pub coil_supply_v: f64,
    /// Below this supply a contactor chatters, V.
    pub pick_up_v: f64,
    /// Below this supply it stays open, V.
    pub drop_out_v: f64,
    /// Box temperature rise over air at rated current, K.
    pub rise_at_rated_k: f64,
    /// Its time constant, s.
    pub rise_s: f64,
}

/// DC bus of the stack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DcBusSpec {
    /// Capacitance of the PCS DC link, mF.
    pub capacitance_mf: f64,
    /// Bleeder across it, kΩ.
    pub bleeder_kohm: f64,
}

/// Power conversion system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConverterSpec {
    /// Catalogue name; the file of the product says it.
    #[serde(skip)]
    pub id: String,
    /// Rated apparent power, VA.
    pub rated_va: f64,
    /// Apparent power and AC current limit, per unit of rated. It has no end: how long a PCS bears an overload, which
    /// its own control watches, is not modelled.
    pub overload_pu: f64,
    /// DC current limit, A.
    pub dc_max_a: f64,
    /// DC voltage range in which it runs, V.
    pub dc_range_v: [f64; 2],
    /// Active power time constant, ms.
    pub active_power_ms: f64,
    /// Reactive power time constant, ms.
    pub reactive_power_ms: f64,
    /// AC contactor operate and release time, ms.
    pub ac_contactor_ms: f64,
    /// Loss discharging: constant and quadratic part, per unit.
    pub loss_discharge_pu: [f64; 2],
    /// Loss charging: constant and quadratic part, per unit.
    pub loss_charge_pu: [f64; 2],
    /// Cabinet temperature rise per watt of loss, K/W.
    pub rise_k_per_w: f64,
    /// Its time constant, s.
    pub rise_s: f64,
}

/// A PCS product: power stage, DC link and the grid it is made for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PcsSpec {
    /// The power stage.
    pub converter: ConverterSpec,
    /// Its DC link.
    pub dc_bus: DcBusSpec,
    /// The grid at its terminals.
    pub grid: GridSpec,
}

impl PcsSpec {
    /// `share` of this PCS as one: several modules side by side on one DC bus (2.0), or one string of two (0.5).
    /// Losses, limits and times per unit stay.
    #[must_use]
    pub fn scaled(mut self, share: f64) -> Self {
        self.converter.rated_va *= share;
        self.converter.dc_max_a *= share;
        self.converter.rise_k_per_w /= share;
        self.dc_bus.capacitance_mf *= share;
        self.dc_bus.bleeder_kohm /= share;
        self
    }
}

/// Grid at the PCS terminals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GridSpec {
    /// Nominal line-to-line voltage, V.
    pub nominal_v: f64,
    /// Nominal frequency, Hz.
    pub nominal_hz: f64,
}

/// Insulation of a cluster and its monitor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InsulationSpec {
    /// Healthy leg of a cluster, pole to earth, MΩ: lowest and highest.
    pub healthy_mohm: [f64; 2],
    /// Y capacitance of each leg of a cluster, µF (0.2 to 2).
    pub leg_uf: f64,
    /// Measuring cycle of the monitor without the waiting for capacitance, s. It answers after one to two cycles.
    pub monitor_s: f64,
    /// Inner resistance of a measuring monitor from each leg to earth, kΩ.
    pub monitor_kohm: f64,
}

/// Liquid cooling loop and chiller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoolingSpec {
    /// Flow with the pump on, L/min.
    pub flow_l_per_min: f64,
    /// Manifold: the pack nearest to the inlet gets this share of the mean more, the farthest that much less.
    pub flow_spread: f64,
    /// Coolant in the whole loop, L, with what stands in the packs' plates.
    pub volume_l: f64,
    /// Coolant density, kg/L.
    pub density_kg_per_l: f64,
    /// Coolant specific heat, J/(kg K).
    pub specific_heat_j_per_kg_k: f64,
    /// Cooling capacity with 35 °C outside, W.
    pub capacity_w: f64,
    /// Its relative change per kelvin outside over 35 °C, 1/K.
    pub capacity_slope_per_k: f64,
    /// Heater, W.
    pub heater_w: f64,
    /// Coefficient of performance with 35 °C outside.
    pub cop: f64,
    /// Its relative change per kelvin outside over 35 °C, 1/K.
    pub cop_slope_per_k: f64,
    /// Condensing temperature over outside air, K per kW of rejected heat.
    pub condenser_k_per_kw: f64,
    /// Condensing temperature at which the high-pressure switch stops the compressor until it is switched off, °C.
    pub high_pressure_c: f64,
    /// Compressor and heater are blocked below this share of nominal flow.
    pub low_flow_share: f64,
    /// Pump, W; its power ends up as heat in the coolant.
    pub pump_w: f64,
    /// Time constant of the cooling power, s.
    pub response_s: f64,
    /// Half width of the proportional band around the set-point, K.
    pub band_k: f64,
    /// Compressor least time on, s.
    pub min_on_s: f64,
    /// Compressor least time off, s.
    pub min_off_s: f64,
}

/// Container air, structure and HVAC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AirSpec {
    /// Free volume, m³.
    pub volume_m3: f64,
    /// Part of it that is the ceiling layer, m³.
    pub ceiling_m3: f64,
    /// Racks and walls, J/K.
    pub structure_j_per_k: f64,
    /// Air to structure, W/K.
    pub air_to_structure_w_per_k: f64,
    /// Structure to outside, W/K.
    pub envelope_w_per_k: f64,
    /// Sun taken up by the envelope at noon of a clear day, W. It shines only if the plant starts at an hour.
    pub solar_w: f64,
    /// Ceiling layer and room mix with HVAC off and on, s.
    pub mixing_s: [f64; 2],
    /// Ceiling temperature rise over air with HVAC off and on, K/kW of convective heat.
    pub plume_k_per_kw: [f64; 2],
    /// Plume time constant, s.
    pub plume_s: f64,
    /// Air changes per hour: closed, damper open, fan with damper open, door open.
    pub changes_per_h: [f64; 4],
    /// Air conditioners and heater.
    pub hvac: HvacSpec,
}

/// Air conditioners of the container, with electric heaters. Each unit has a thermostat of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HvacSpec {
    /// Units; the thermostats of later ones cool half a kelvin later each, and heat half a kelvin later.
    pub units: usize,
    /// Cooling of one unit with 35 °C outside, W.
    pub capacity_w: f64,
    /// Its relative change per kelvin outside over 35 °C, 1/K.
    pub capacity_slope_per_k: f64,
    /// Coefficient of performance with 35 °C outside.
    pub cop: f64,
    /// Its relative change per kelvin outside over 35 °C, 1/K.
    pub cop_slope_per_k: f64,
    /// Electric heater of one unit, W.
    pub heater_w: f64,
    /// Circulation fan of one unit, W; runs while HVAC is allowed.
    pub fan_w: f64,
    /// Middle of the cooling hysteresis, °C.
    pub setpoint_c: f64,
    /// Middle of the heating hysteresis, °C.
    pub heat_setpoint_c: f64,
    /// Width of both, K.
    pub hysteresis_k: f64,
    /// Compressor least time off, s.
    pub min_off_s: f64,
    /// Time constant with which coil and heating element follow compressor and switch, s.
    pub response_s: f64,
}

/// The container's own needs beside cooling and HVAC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuxiliarySpec {
    /// BMS, controls, fire panel and lights, W; fed by the UPS when the grid is gone.
    pub controls_w: f64,
    /// Explosion-vent fan, W.
    pub vent_fan_w: f64,
    /// Energy of the UPS, Wh.
    pub ups_wh: f64,
    /// Charger of the UPS, W.
    pub ups_charger_w: f64,
}

/// Vent gas and smoke.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GasSpec {
    /// Volume share of H2, CO, CO2, CH4, others, of a full cell.
    pub composition: [f64; 5],
    /// The same of a cell half full and below; linear between.
    pub composition_half: [f64; 5],
    /// Lower and upper explosive limit of the mixture, % by volume in air.
    pub explosive_percent: [f64; 2],
    /// Free volume in a pack, L.
    pub pack_l: f64,
    /// Pack to room, s.
    pub pack_to_room_s: f64,
    /// Smoke, g per L of gas of the first venting; most of its mist evaporates again in the warm pack.
    pub mist_g_per_l: f64,
    /// Smoke, g per L of gas of the runaway itself.
    pub smoke_g_per_l: f64,
    /// Light extinction of smoke, m²/g.
    pub smoke_m2_per_g: f64,
    /// Smoke settles, s.
    pub smoke_settling_s: f64,
    /// A slice this hot lights the gas it vents, °C.
    pub autoignition_c: f64,
    /// A slice this hot relights gas once the agent has thinned out, °C.
    pub reignition_c: f64,
}

/// Cylinder, pipe and room of the suppression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuppressionSpec {
    /// Id of the agent, see [`AgentSpec`].
    pub agent: String,
    /// Charge relative to the design concentration.
    pub charge_ratio: f64,
    /// Pressure switch closes after the valve opens, s.
    pub flow_switch_s: f64,
    /// Cylinder pressure, Pa.
    pub pressure_pa: f64,
    /// Concentration counts as held above this share of design.
    pub hold_share: f64,
    /// Loss of agent with the room closed and vented, 1/h.
    pub leak_per_h: [f64; 2],
}

/// What a suppression agent does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentSpec {
    /// Design concentration, % by volume.
    pub design_percent: f64,
    /// Flowing to design concentration, s.
    pub reach_s: f64,
    /// A full charge flows for, s.
    pub flow_s: f64,
    /// Design concentration to flame out, s.
    pub flame_out_s: f64,
    /// From this concentration on no flame is lit again, % by volume.
    pub relights_percent: f64,
    /// From this concentration on gas that fills the room does not explode, % by volume; none if no amount is known to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inerts_percent: Option<f64>,
    /// Heat it can take from hot cells, W in all.
    pub cooling_w: f64,
    /// For how long after the release, s.
    pub cooling_s: f64,
    /// Loss by settling or falling out, 1/h.
    pub settling_per_h: f64,
    /// Its own smoke at design concentration, dB/m.
    pub smoke_db_per_m: f64,
    /// What it does to insulation, if it wets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wet: Option<WetSpec>,
}

/// Insulation wetted by an agent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WetSpec {
    /// Leakage of each leg of every cluster when wet, kΩ.
    pub leg_kohm: f64,
    /// Dries with this time constant, s.
    pub dries_s: f64,
}

/// Errors of one kind of sensor. An accuracy as data sheets state it is the sum of all: bias, gain at full scale, drift
/// at the coldest and hottest, 3.5 sigma of noise and half a step. One stated as typical, as that of cell voltages (2 mV), is
/// about the root mean square instead, and single readings exceed it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensorSpec {
    /// Bias is uniform within ± this.
    pub bias: f64,
    /// Gain error, share of the reading, uniform within ± this.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gain: f64,
    /// Drift of the bias with the temperature around the electronics, per kelvin from 25 °C, uniform within ± this.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub drift_per_k: f64,
    /// Noise, one sigma (bounded at 3.5 sigma).
    pub noise: f64,
    /// Steps of the reading.
    pub resolution: f64,
    /// Lowest and highest reading; beyond is `Invalid`, or clipped where the sensor saturates.
    pub range: [f64; 2],
}

/// Errors and lags of all sensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensorsSpec {
    /// Cell voltage, V.
    pub cell_voltage: SensorSpec,
    /// Temperatures, °C.
    pub temperature: SensorSpec,
    /// Cluster, bus and PCS DC voltage, V.
    pub high_voltage: SensorSpec,
    /// Cluster current, as shares of the high-voltage box's rated current.
    pub current: SensorSpec,
    /// PCS DC current, A.
    pub converter_current: SensorSpec,
    /// AC voltage, V.
    pub ac_voltage: SensorSpec,
    /// Frequency, Hz.
    pub frequency: SensorSpec,
    /// Powers, W and var.
    pub power: SensorSpec,
    /// Coolant flow, L/min.
    pub flow: SensorSpec,
    /// Hydrogen, ppm.
    pub hydrogen: SensorSpec,
    /// Carbon monoxide, ppm.
    pub carbon_monoxide: SensorSpec,
    /// Smoke, dB/m.
    pub smoke: SensorSpec,
    /// Cylinder pressure, Pa.
    pub pressure: SensorSpec,
    /// Insulation, Ω.
    pub insulation: SensorSpec,
    /// Coil supply, V.
    pub coil_supply: SensorSpec,
    /// Filter of the cell voltage inputs, s.
    pub cell_voltage_lag_s: f64,
    /// Filter of the cluster current, s.
    pub current_lag_s: f64,
    /// Gas detectors reach 90 % after, s.
    pub gas_t90_s: f64,
    /// Smoke chamber, s.
    pub smoke_lag_s: f64,
    /// Air temperature sensors, s.
    pub air_lag_s: f64,
}

impl SensorsSpec {
    /// Every kind of sensor with the name of its field.
    fn kinds(&self) -> [(&'static str, &SensorSpec); 15] {
        [
            ("sensors.cell_voltage", &self.cell_voltage),
            ("sensors.temperature", &self.temperature),
            ("sensors.high_voltage", &self.high_voltage),
            ("sensors.current", &self.current),
            ("sensors.converter_current", &self.converter_current),
            ("sensors.ac_voltage", &self.ac_voltage),
            ("sensors.frequency", &self.frequency),
            ("sensors.power", &self.power),
            ("sensors.flow", &self.flow),
            ("sensors.hydrogen", &self.hydrogen),
            ("sensors.carbon_monoxide", &self.carbon_monoxide),
            ("sensors.smoke", &self.smoke),
            ("sensors.pressure", &self.pressure),
            ("sensors.insulation", &self.insulation),
            ("sensors.coil_supply", &self.coil_supply),
        ]
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(x: &f64) -> bool {
    *x == 0.0
}

/// How the plant starts. Every field has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InitialState {
    /// Mean state of charge, 0 to 1.
    pub soc: f64,
    /// State of charge of single clusters (0-based), 0 to 1.
    pub soc_by_cluster: Vec<(usize, f64)>,
    /// Cell, coolant and air temperature, °C.
    pub cell_temperature_c: f64,
    /// Outside air, °C; its mean where it has a daily curve.
    pub ambient_c: f64,
    /// Daily curve of the outside air: half of its range, K; highest at 15 h. Needs `start_hour`.
    pub ambient_swing_k: f64,
    /// Hour of a clear day at the start, 0 to 24. Without it there is no sun and no daily curve.
    pub start_hour: Option<f64>,
    /// Spread of the state of charge, one sigma, cut at three.
    pub soc_sigma: f64,
    /// Spread of capacity when fresh, one sigma relative, cut at three. It grows with age, see [`Self::sigma_factor`].
    pub capacity_sigma: f64,
    /// Spread of resistance when fresh, one sigma relative, cut at three.
    pub resistance_sigma: f64,
    /// State of health: mean capacity over fresh capacity, 0.3 to 1.
    pub soh: f64,
    /// How much faster than electrics and heat cells age; 1 is real.
    pub ageing_clock: f64,
}

/// Fastest ageing clock.
pub(crate) const AGEING_CLOCK_MAX: f64 = 1e6;

impl Default for InitialState {
    /// Half charged, 25 °C, spread of a fresh pack (assumption, cell-and-thermal §4).
    fn default() -> Self {
        Self {
            soc: 0.5,
            soc_by_cluster: Vec::new(),
            cell_temperature_c: 25.0,
            ambient_c: 25.0,
            ambient_swing_k: 0.0,
            start_hour: None,
            soc_sigma: 0.005,
            capacity_sigma: 0.01,
            resistance_sigma: 0.04,
            soh: 1.0,
            ageing_clock: 1.0,
        }
    }
}
