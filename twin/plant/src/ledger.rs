//! Energy and charge accounts of the DC side, kept apart from one another so that their sum is a check.
//!
//! Stored energy is a state function (integral of open-circuit voltage over charge, RC links, capacitor);
//! heat and delivered energy are time integrals. If the model lost or invented energy, `residual_j` shows it.
//! Reversible (entropic) heat is exchanged with the surroundings and is not part of that balance; it is part of the
//! balance of heat, which is an account of its own: what cells, coolant, air and structure hold more than at the start
//! against what went in and out.

/// Accounts since the plant was made, J and C.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ledger {
    /// Energy in cells now, J: chemical and in their RC links.
    pub stored_j: f64,
    /// Energy that left the cells' store since the start, J, without what burnt, aged away or was re-seated.
    pub released_j: f64,
    /// Energy stored in burnt cells when they burnt, J. It leaves the accounts: the heat of their runaway is a figure of its
    /// own (`energy_full_j` of the cell and its state of charge) and is neither taken from this nor made to agree with it.
    pub burnt_j: f64,
    /// Energy that went with the capacity cells lost to ageing, J. It is not heat here: the ageing clock is not
    /// that of heat, and in real time it is milliwatts.
    pub aged_j: f64,
    /// Energy in the DC bus capacitor now, J.
    pub capacitor_j: f64,
    /// Heat of reactions in hot cells that stayed in them, J. This and the next four do not come out of the electrical
    /// store and have no part in `residual_j`; nor does `burnt_j`, which is in none of them. What a cell's own shorts gave
    /// before it burnt came out of the store and is in `cell_heat_j`.
    pub reaction_j: f64,
    /// Heat of reactions that left hot cells with ejecta and gas, into the container's air, J.
    pub ejecta_j: f64,
    /// Heat of burning vent gas and vapour of solvents, into the container's air, J. No heat of theirs is in the other figures.
    pub combustion_j: f64,
    /// Heat of the test stimuli: heaters, and what holding a temperature gave or took, J.
    pub heater_j: f64,
    /// Heat taken out of hot cells by what evaporated in them at venting, and by the suppression agent, J.
    pub cooled_j: f64,
    /// Energy delivered to the converter at its DC terminals, J.
    pub delivered_dc_j: f64,
    /// All electrical heat, J: the sum of the five below.
    pub heat_j: f64,
    /// Heat that arises in cells, J.
    pub cell_heat_j: f64,
    /// Heat of the joints between cells, which goes into them, J.
    pub joint_heat_j: f64,
    /// Heat in cables, boxes and precharge resistors, J.
    pub path_heat_j: f64,
    /// Heat in bleed resistors, balancing converters and shorts outside cells, J.
    pub tap_heat_j: f64,
    /// Heat in the bus bleeder and bus shorts, J.
    pub bus_heat_j: f64,
    /// Energy given to the grid at the PCS, J.
    pub delivered_ac_j: f64,
    /// Energy lost in the PCS, J.
    pub converter_loss_j: f64,
    /// Energy moved either way through the cells, J (charge moved × mean voltage).
    pub throughput_j: f64,
    /// Released − delivered − heat − capacitor, J: 0 if nothing is lost.
    pub residual_j: f64,
    /// DC delivered − AC delivered − loss, J.
    pub converter_residual_j: f64,
    /// Charge that left the cells' store, cell by cell, C.
    pub charge_released_c: f64,
    /// Charge that passed the cells, C: through the path, taps and side reactions.
    pub charge_passed_c: f64,
    /// Charge moved either way, summed over cells, C.
    pub charge_throughput_c: f64,
    /// Released − passed, C.
    pub charge_residual_c: f64,
}

/// Heat since the plant was made, J.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HeatLedger {
    /// Heat that cells, plates, coolant, container air and structure hold more than at the start.
    pub stored_j: f64,
    /// Electrical heat of the cells and of the joints between them.
    pub cells_j: f64,
    /// Reversible heat of the cells; negative where they cool.
    pub reversible_j: f64,
    /// Heat of cables, boxes, bleed resistors, balancers, shorts outside cells and controls in the container.
    pub equipment_j: f64,
    /// Power of pump, pack fans and circulation fans.
    pub fans_j: f64,
    /// Heat of the coolant's and the air's electric heaters.
    pub heaters_j: f64,
    /// Heat of runaway, flame and test heaters, less that of evaporation and agent.
    pub fire_j: f64,
    /// Heat of the sun on the envelope.
    pub solar_j: f64,
    /// Heat the chiller took out.
    pub chiller_j: f64,
    /// Heat the air conditioners took out.
    pub hvac_j: f64,
    /// Heat lost to outside: envelope, openings, leaked coolant.
    pub outside_j: f64,
    /// Sum of all these flows, each without its sign.
    pub throughput_j: f64,
    /// In − out − stored: 0 if nothing is lost.
    pub residual_j: f64,
}
