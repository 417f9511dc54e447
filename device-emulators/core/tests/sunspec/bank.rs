//! The battery bank: 803.

use sunspec::models::model803::{self, Model803};

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
            inner(start, &Strings::STR_CON_ST, name("contactors")),
            inner(start, &Strings::STR_EVT1, name("events")),
        ]);
    }
    image.check::<Model803>(&rows);
}
