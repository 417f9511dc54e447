//! The battery bank, its strings and their modules: 803 to 805.

use sunspec::models::model803::{self, Model803};
use sunspec::models::model804::{LithiumIonStringModule, Model804};
use sunspec::models::model805::{LithiumIonModuleCell, LithiumIonModuleCellCellSt, Model805};

use sunspec::Group;

use super::der::inner;
use super::{Image, row};

#[test]
fn a_string_for_each_cluster() {
    use model803::String as Strings;
    let mut image = Image::of("bau");
    let clusters = 9;
    let mut rows = vec![
        row(&Model803::N_STR_CON, "clusters-connected"),
        row(&Model803::MOD_TMP_MAX, "temperature-max"),
        row(&Model803::MOD_TMP_MAX_STR, "temperature-max-cluster"),
        row(&Model803::MOD_TMP_MAX_MOD, "temperature-max-pack"),
        row(&Model803::MOD_TMP_MIN, "temperature-min"),
        row(&Model803::MOD_TMP_MIN_STR, "temperature-min-cluster"),
        row(&Model803::MOD_TMP_MIN_MOD, "temperature-min-pack"),
        row(&Model803::MOD_TMP_AVG, "temperature-mean"),
        row(&Model803::STR_V_MAX, "cluster-voltage-max"),
        row(&Model803::STR_V_MAX_STR, "cluster-voltage-max-cluster"),
        row(&Model803::STR_V_MIN, "cluster-voltage-min"),
        row(&Model803::STR_V_MIN_STR, "cluster-voltage-min-cluster"),
        row(&Model803::STR_V_AVG, "cluster-voltage-mean"),
        row(&Model803::STR_A_MAX, "cluster-current-max"),
        row(&Model803::STR_A_MAX_STR, "cluster-current-max-cluster"),
        row(&Model803::STR_A_MIN, "cluster-current-min"),
        row(&Model803::STR_A_MIN_STR, "cluster-current-min-cluster"),
        row(&Model803::STR_A_AVG, "cluster-current-mean"),
        row(&Model803::N_CELL_BAL, "balancing-cells"),
    ];
    for k in 0..clusters {
        let start = Model803::LEN + k * Strings::LEN;
        let name = |what: &str| format!("cluster[{k}].{what}");
        rows.extend([
            inner(start, &Strings::STR_N_MOD, name("packs")),
            inner(start, &Strings::STR_ST, name("status")),
            inner(start, &Strings::STR_CON_FAIL, name("connection-failure")),
            inner(start, &Strings::STR_SOC, name("soc")),
            inner(start, &Strings::STR_SOH, name("soh")),
            inner(start, &Strings::STR_A, name("current")),
            inner(start, &Strings::STR_CELL_V_MAX, name("cell-voltage-max")),
            inner(start, &Strings::STR_CELL_V_MAX_MOD, name("cell-voltage-max-pack")),
            inner(start, &Strings::STR_CELL_V_MIN, name("cell-voltage-min")),
            inner(start, &Strings::STR_CELL_V_MIN_MOD, name("cell-voltage-min-pack")),
            inner(start, &Strings::STR_CELL_V_AVG, name("cell-voltage-mean")),
            inner(start, &Strings::STR_MOD_TMP_MAX, name("temperature-max")),
            inner(start, &Strings::STR_MOD_TMP_MAX_MOD, name("temperature-max-pack")),
            inner(start, &Strings::STR_MOD_TMP_MIN, name("temperature-min")),
            inner(start, &Strings::STR_MOD_TMP_MIN_MOD, name("temperature-min-pack")),
            inner(start, &Strings::STR_MOD_TMP_AVG, name("temperature-mean")),
            inner(start, &Strings::STR_DIS_RSN, name("disabled-reason")),
            inner(start, &Strings::STR_CON_ST, name("closed-contactors")),
            inner(start, &Strings::STR_EVT1, name("events")),
            inner(start, &Strings::STR_EVT_VND1, name("vendor-events")),
        ]);
    }
    image.check::<Model803>(&rows);
}

#[test]
fn a_module_of_the_string_for_each_pack() {
    use LithiumIonStringModule as Module;
    let mut image = Image::of("bau");
    let name = |what: &str| format!("cluster[0].{what}");
    let mut rows = vec![
        row(&Model804::ST, name("status")),
        row(&Model804::CON_FAIL, name("connection-failure")),
        row(&Model804::N_CELL_BAL, name("balancing-cells")),
        row(&Model804::SOC, name("soc")),
        row(&Model804::SOH, name("soh")),
        row(&Model804::A, name("current")),
        row(&Model804::V, name("voltage")),
        row(&Model804::CELL_V_MAX, name("cell-voltage-max")),
        row(&Model804::CELL_V_MAX_MOD, name("cell-voltage-max-pack")),
        row(&Model804::CELL_V_MIN, name("cell-voltage-min")),
        row(&Model804::CELL_V_MIN_MOD, name("cell-voltage-min-pack")),
        row(&Model804::CELL_V_AVG, name("cell-voltage-mean")),
        row(&Model804::MOD_TMP_MAX, name("temperature-max")),
        row(&Model804::MOD_TMP_MAX_MOD, name("temperature-max-pack")),
        row(&Model804::MOD_TMP_MIN, name("temperature-min")),
        row(&Model804::MOD_TMP_MIN_MOD, name("temperature-min-pack")),
        row(&Model804::MOD_TMP_AVG, name("temperature-mean")),
        row(&Model804::CON_ST, name("closed-contactors")),
        row(&Model804::EVT1, name("events")),
        row(&Model804::EVT_VND1, name("vendor-events")),
    ];
    for p in 0..9 {
        let start = Model804::LEN + p * Module::LEN;
        let of_pack = |what: &str| format!("cluster[0].pack[{p}].{what}");
        rows.extend([
            inner(start, &Module::MOD_N_CELL, of_pack("cells")),
            inner(start, &Module::MOD_SOC, name("soc")),
            inner(start, &Module::MOD_SOH, name("soh")),
            inner(start, &Module::MOD_CELL_V_MAX, of_pack("cell-voltage-max")),
            inner(
                start,
                &Module::MOD_CELL_V_MAX_CELL,
                of_pack("cell-voltage-max-cell"),
            ),
            inner(start, &Module::MOD_CELL_V_MIN, of_pack("cell-voltage-min")),
            inner(
                start,
                &Module::MOD_CELL_V_MIN_CELL,
                of_pack("cell-voltage-min-cell"),
            ),
            inner(start, &Module::MOD_CELL_V_AVG, of_pack("cell-voltage-mean")),
            inner(start, &Module::MOD_CELL_TMP_MAX, of_pack("temperature-max")),
            inner(
                start,
                &Module::MOD_CELL_TMP_MAX_CELL,
                of_pack("temperature-max-cell"),
            ),
            inner(start, &Module::MOD_CELL_TMP_MIN, of_pack("temperature-min")),
            inner(
                start,
                &Module::MOD_CELL_TMP_MIN_CELL,
                of_pack("temperature-min-cell"),
            ),
            inner(start, &Module::MOD_CELL_TMP_AVG, of_pack("temperature-mean")),
        ]);
    }
    image.check::<Model804>(&rows);
}

#[test]
fn a_cell_of_the_module_for_each_cell() {
    use LithiumIonModuleCell as Cell;
    let mut image = Image::of("bau");
    let name = |what: &str| format!("cluster[0].pack[0].{what}");
    let mut rows = vec![
        row(&Model805::N_CELL, name("cells")),
        row(&Model805::SOC, "cluster[0].soc"),
        row(&Model805::SOH, "cluster[0].soh"),
        row(&Model805::V, name("voltage")),
        row(&Model805::CELL_V_MAX, name("cell-voltage-max")),
        row(&Model805::CELL_V_MAX_CELL, name("cell-voltage-max-cell")),
        row(&Model805::CELL_V_MIN, name("cell-voltage-min")),
        row(&Model805::CELL_V_MIN_CELL, name("cell-voltage-min-cell")),
        row(&Model805::CELL_V_AVG, name("cell-voltage-mean")),
        row(&Model805::CELL_TMP_MAX, name("temperature-max")),
        row(&Model805::CELL_TMP_MAX_CELL, name("temperature-max-cell")),
        row(&Model805::CELL_TMP_MIN, name("temperature-min")),
        row(&Model805::CELL_TMP_MIN_CELL, name("temperature-min-cell")),
        row(&Model805::CELL_TMP_AVG, name("temperature-mean")),
        row(&Model805::N_CELL_BAL, name("balancing-cells")),
    ];
    for c in 0..44 {
        let start = Model805::LEN + c * Cell::LEN;
        rows.extend([
            inner(start, &Cell::CELL_V, name(&format!("cell[{c}].voltage"))),
            inner(start, &Cell::CELL_TMP, name(&format!("cell[{c}].temperature"))),
            inner(start, &Cell::CELL_ST, name(&format!("cell[{c}].status"))),
        ]);
    }
    image.check::<Model805>(&rows);
}

#[test]
fn a_client_reads_the_cells_of_any_pack() {
    let mut image = Image::of("bau");
    let (cluster, pack) = (6, 4);
    let name = |what: &str| format!("cluster[{cluster}].pack[{pack}].{what}");
    for (what, value) in [
        ("voltage", 145.2),
        ("cell-voltage-max", 3.321),
        ("cell-voltage-max-cell", 17.0),
        ("temperature-min", -4.0),
        ("balancing-cells", 1.0),
        ("cell[16].voltage", 3.321),
        ("cell[16].temperature", -4.0),
        ("cell[16].status", 1.0),
        ("cell[43].voltage", 3.2),
    ] {
        image.set(&name(what), value);
    }
    image.set("cluster[6].soc", 48.5);

    let string: Model804 = image.parse_nth(cluster);
    assert_eq!((string.idx, string.n_mod), (7, 9));
    let of_string = &string.lithium_ion_string_module[pack];
    assert_eq!((of_string.mod_cell_v_max, string.cell_v_sf), (3321, -3));
    assert_eq!(of_string.mod_cell_v_max_cell, Some(17));
    assert_eq!((of_string.mod_soc, string.soc_sf), (Some(485), -1));
    assert_eq!((of_string.mod_cell_tmp_min, string.mod_tmp_sf), (-40, -1));

    let module: Model805 = image.parse_nth(9 * cluster + pack);
    assert_eq!((module.str_idx, module.mod_idx), (7, 5));
    assert_eq!((module.v, module.v_sf), (1452, -1));
    assert_eq!((module.soc, module.sn), (Some(485), None));
    assert_eq!(module.n_cell_bal, Some(1));
    let cells = &module.lithium_ion_module_cell;
    assert_eq!(cells.len(), 44);
    assert_eq!((cells[16].cell_v, cells[16].cell_tmp), (3321, -40));
    assert_eq!(
        cells[16].cell_st,
        Some(LithiumIonModuleCellCellSt::CellIsBalancing)
    );
    assert_eq!((cells[43].cell_v, cells[43].cell_st), (3200, None));
    assert_eq!(
        (cells[15].cell_v, cells[15].cell_tmp),
        (0xFFFF, i16::MIN),
        "a cell that is not known reads as not implemented"
    );
}
