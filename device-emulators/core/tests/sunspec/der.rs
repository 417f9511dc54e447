//! The models of a distributed resource: 702 to 714, and the older 120 to 124.

use sunspec::models::{
    model120::Model120, model121::Model121, model122::Model122, model123::Model123, model124::Model124,
    model702::Model702, model703::Model703, model704, model705, model706, model707, model708, model709,
    model710, model711, model712, model714,
};

use sunspec::{Group, Point, Value};

use super::{Image, Row, row};

/// Points of a group that begins `start` registers behind the model's length.
pub(super) fn inner<G: Group, T: Value>(start: u16, point: &Point<G, T>, name: impl Into<String>) -> Row {
    Row {
        offset: start + point.offset,
        ..row(point, name)
    }
}

const CURVES: u16 = 3;

#[test]
fn settings_and_service() {
    let mut image = Image::of("sjpcs-1725-m");
    image.check::<Model702>(&[
        row(&Model702::W_MAX_RTG, "rated-active-power"),
        row(&Model702::VA_MAX_RTG, "rated-apparent-power"),
        row(&Model702::VAR_MAX_INJ_RTG, "rated-reactive-power"),
        row(&Model702::VAR_MAX_ABS_RTG, "rated-reactive-power"),
        row(&Model702::W_CHA_RTE_MAX_RTG, "rated-active-power"),
        row(&Model702::W_DIS_CHA_RTE_MAX_RTG, "rated-active-power"),
        row(&Model702::VA_CHA_RTE_MAX_RTG, "rated-apparent-power"),
        row(&Model702::VA_DIS_CHA_RTE_MAX_RTG, "rated-apparent-power"),
        row(&Model702::V_NOM_RTG, "rated-voltage"),
        row(&Model702::A_MAX_RTG, "rated-current"),
        row(&Model702::W_MAX, "active-power-max"),
        row(&Model702::VA_MAX, "apparent-power-max"),
        row(&Model702::VAR_MAX_INJ, "reactive-power-inject-max"),
        row(&Model702::VAR_MAX_ABS, "reactive-power-absorb-max"),
        row(&Model702::W_CHA_RTE_MAX, "charge-power-max"),
        row(&Model702::W_DIS_CHA_RTE_MAX, "discharge-power-max"),
        row(&Model702::V_NOM, "rated-voltage"),
    ]);
    image.check::<Model703>(&[
        row(&Model703::ES, "service-permit"),
        row(&Model703::ESV_HI, "service-voltage-max"),
        row(&Model703::ESV_LO, "service-voltage-min"),
        row(&Model703::ES_HZ_HI, "service-frequency-max"),
        row(&Model703::ES_HZ_LO, "service-frequency-min"),
        row(&Model703::ES_DLY_TMS, "service-delay"),
        row(&Model703::ES_RMP_TMS, "service-ramp-time"),
        row(&Model703::ES_DLY_REM_TMS, "enter-service-remaining"),
    ]);
}

/// The points that 704 has besides those of powers.
pub(super) fn power_factors() -> Vec<Row> {
    use model704::{Model704, PfwAbs, PfwAbsRvrt, PfwInj, PfwInjRvrt};
    let start = Model704::LEN;
    let at = |group: u16| start + 2 * group;
    vec![
        row(&Model704::PFW_INJ_ENA, "power-factor-discharge-enable"),
        row(
            &Model704::PFW_INJ_ENA_RVRT,
            "power-factor-discharge-enable-revert",
        ),
        row(&Model704::PFW_INJ_RVRT_TMS, "power-factor-discharge-revert-time"),
        row(
            &Model704::PFW_INJ_RVRT_REM,
            "power-factor-discharge-revert-remaining",
        ),
        row(&Model704::PFW_ABS_ENA, "power-factor-charge-enable"),
        row(&Model704::PFW_ABS_ENA_RVRT, "power-factor-charge-enable-revert"),
        row(&Model704::PFW_ABS_RVRT_TMS, "power-factor-charge-revert-time"),
        row(
            &Model704::PFW_ABS_RVRT_REM,
            "power-factor-charge-revert-remaining",
        ),
        row(&Model704::VAR_RMP, "reactive-power-ramp"),
        inner(at(0), &PfwInj::PF, "power-factor-discharge"),
        inner(at(0), &PfwInj::EXT, "power-factor-discharge-excitation"),
        inner(at(1), &PfwInjRvrt::PF, "power-factor-discharge-revert"),
        inner(
            at(1),
            &PfwInjRvrt::EXT,
            "power-factor-discharge-excitation-revert",
        ),
        inner(at(2), &PfwAbs::PF, "power-factor-charge"),
        inner(at(2), &PfwAbs::EXT, "power-factor-charge-excitation"),
        inner(at(3), &PfwAbsRvrt::PF, "power-factor-charge-revert"),
        inner(at(3), &PfwAbsRvrt::EXT, "power-factor-charge-excitation-revert"),
    ]
}

/// Rows of a function's head, of its curves, and of their points.
macro_rules! polyline_rows {
    ($model:ident, $top:ident, $function:literal, $points:literal, $y:ident, $x:ident, { $($point:ident = $name:literal),* }) => {{
        use $model::{$top, Crv, Pt};
        let f = $function;
        let mut rows = vec![
            row(&$top::ENA, format!("{f}-enable")),
            row(&$top::ADPT_CRV_REQ, format!("{f}-adopt")),
            row(&$top::ADPT_CRV_RSLT, format!("{f}-adopt-result")),
            row(&$top::RVRT_TMS, format!("{f}-revert-time")),
            row(&$top::RVRT_REM, format!("{f}-revert-remaining")),
            row(&$top::RVRT_CRV, format!("{f}-revert-curve")),
        ];
        for k in 0..CURVES {
            let start = $top::LEN + k * (Crv::LEN + $points * Pt::LEN);
            $( rows.push(inner(start, &Crv::$point, format!("{f}[{k}].{}", $name))); )*
            for i in 0..$points {
                let at = start + Crv::LEN + i * Pt::LEN;
                rows.push(inner(at, &Pt::$x, format!("{f}[{k}].x[{i}]")));
                rows.push(inner(at, &Pt::$y, format!("{f}[{k}].y[{i}]")));
            }
        }
        rows
    }};
}

#[test]
fn polylines() {
    let mut image = Image::of("sjpcs-1725-m");
    image.check::<model705::Model705>(&polyline_rows!(model705, Model705, "volt-var", 4, VAR, V, {
        ACT_PT = "points", DEPT_REF = "reference", PRI = "priority", V_REF = "centre", RSP_TMS = "response-time"
    }));
    image.check::<model706::Model706>(&polyline_rows!(model706, Model706, "volt-watt", 4, W, V, {
        ACT_PT = "points", DEPT_REF = "reference", RSP_TMS = "response-time"
    }));
    image.check::<model712::Model712>(&polyline_rows!(model712, Model712, "watt-var", 6, VAR, W, {
        ACT_PT = "points", DEPT_REF = "reference", PRI = "priority"
    }));
}

macro_rules! trip_rows {
    ($model:ident, $top:ident, $function:literal, $limit:ident) => {{
        use $model::{Crv, MayTrip, MomCess, MustTrip, Pt, $top};
        let f = $function;
        let mut rows = vec![
            row(&$top::ENA, format!("{f}-enable")),
            row(&$top::ADPT_CRV_REQ, format!("{f}-adopt")),
            row(&$top::ADPT_CRV_RSLT, format!("{f}-adopt-result")),
        ];
        let zone = MustTrip::LEN + 4 * Pt::LEN;
        for k in 0..CURVES {
            let start = $top::LEN + k * (Crv::LEN + 3 * zone) + Crv::LEN;
            let mut add = |nth: u16, name: &str, count: Row| {
                let start = start + nth * zone;
                rows.push(Row {
                    offset: start + count.offset,
                    ..count
                });
                for i in 0..4 {
                    let at = start + MustTrip::LEN + i * Pt::LEN;
                    rows.push(inner(at, &Pt::$limit, format!("{f}[{k}].{name}.limit[{i}]")));
                    rows.push(inner(at, &Pt::TMS, format!("{f}[{k}].{name}.delay[{i}]")));
                }
            };
            add(
                0,
                "must-trip",
                row(&MustTrip::ACT_PT, format!("{f}[{k}].must-trip.points")),
            );
            add(
                1,
                "may-trip",
                row(&MayTrip::ACT_PT, format!("{f}[{k}].may-trip.points")),
            );
            add(
                2,
                "cease",
                row(&MomCess::ACT_PT, format!("{f}[{k}].cease.points")),
            );
        }
        rows
    }};
}

#[test]
fn trip_curves() {
    let mut image = Image::of("sjpcs-1725-m");
    image.check::<model707::Model707>(&trip_rows!(model707, Model707, "low-voltage-trip", V));
    image.check::<model708::Model708>(&trip_rows!(model708, Model708, "high-voltage-trip", V));
    image.check::<model709::Model709>(&trip_rows!(model709, Model709, "low-frequency-trip", HZ));
    image.check::<model710::Model710>(&trip_rows!(model710, Model710, "high-frequency-trip", HZ));
}

#[test]
fn droop_and_dc() {
    use model711::{Ctl, Model711};
    let mut image = Image::of("sjpcs-1725-m");
    let mut rows = vec![
        row(&Model711::ENA, "droop-enable"),
        row(&Model711::ADPT_CTL_REQ, "droop-adopt"),
        row(&Model711::ADPT_CTL_RSLT, "droop-adopt-result"),
        row(&Model711::RVRT_TMS, "droop-revert-time"),
        row(&Model711::RVRT_REM, "droop-revert-remaining"),
        row(&Model711::RVRT_CTL, "droop-revert-curve"),
    ];
    for k in 0..CURVES {
        let start = Model711::LEN + k * Ctl::LEN;
        rows.extend([
            inner(start, &Ctl::DB_OF, format!("droop[{k}].over-deadband")),
            inner(start, &Ctl::DB_UF, format!("droop[{k}].under-deadband")),
            inner(start, &Ctl::K_OF, format!("droop[{k}].over-ratio")),
            inner(start, &Ctl::K_UF, format!("droop[{k}].under-ratio")),
            inner(start, &Ctl::RSP_TMS, format!("droop[{k}].response-time")),
            inner(start, &Ctl::P_MIN, format!("droop[{k}].minimum")),
        ]);
    }
    image.check::<Model711>(&rows);

    use model714::{Model714, Prt};
    image.check::<Model714>(&[
        row(&Model714::DCA, "dc-current"),
        row(&Model714::DCW, "dc-power"),
        row(&Model714::DC_WH_INJ, "dc-energy-discharged"),
        row(&Model714::DC_WH_ABS, "dc-energy-charged"),
        inner(Model714::LEN, &Prt::DCA, "dc-current"),
        inner(Model714::LEN, &Prt::DCV, "dc-voltage"),
        inner(Model714::LEN, &Prt::DCW, "dc-power"),
        inner(Model714::LEN, &Prt::DC_WH_INJ, "dc-energy-discharged"),
        inner(Model714::LEN, &Prt::DC_WH_ABS, "dc-energy-charged"),
        inner(Model714::LEN, &Prt::DC_STA, "dc-switch-closed"),
    ]);
}

#[test]
fn the_older_models() {
    let mut image = Image::of("sjpcs-1725-m");
    image.check::<Model120>(&[
        row(&Model120::W_RTG, "rated-active-power"),
        row(&Model120::VA_RTG, "rated-apparent-power"),
        row(&Model120::V_AR_RTG_Q1, "rated-reactive-power"),
        row(&Model120::V_AR_RTG_Q2, "rated-reactive-power"),
        row(&Model120::V_AR_RTG_Q3, "rated-reactive-power"),
        row(&Model120::V_AR_RTG_Q4, "rated-reactive-power"),
        row(&Model120::A_RTG, "rated-current"),
        row(&Model120::WH_RTG, "bms-energy-rating"),
        row(&Model120::MAX_CHA_RTE, "rated-active-power"),
        row(&Model120::MAX_DIS_CHA_RTE, "rated-active-power"),
    ]);
    image.check::<Model121>(&[
        row(&Model121::W_MAX, "active-power-max"),
        row(&Model121::V_REF, "rated-voltage"),
        row(&Model121::VA_MAX, "apparent-power-max"),
        row(&Model121::V_AR_MAX_Q1, "reactive-power-inject-max"),
        row(&Model121::V_AR_MAX_Q4, "reactive-power-absorb-max"),
        row(&Model121::W_GRA, "active-power-ramp"),
        row(&Model121::ECP_NOM_HZ, "rated-frequency"),
    ]);
    image.check::<Model122>(&[
        row(&Model122::STOR_CONN, "storage-connection"),
        row(&Model122::ECP_CONN, "grid-connection"),
        row(&Model122::ACT_WH, "energy-discharged"),
        row(&Model122::V_AR_AVAL, "reactive-power-available"),
        row(&Model122::W_AVAL, "active-power-available"),
        row(&Model122::ST_ACT_CTL, "active-controls"),
        row(&Model122::RT_ST, "ride-through"),
    ]);
    image.check::<Model123>(&[
        row(&Model123::CONN, "service-permit"),
        row(&Model123::W_MAX_LIM_PCT, "active-power-limit"),
        row(
            &Model123::W_MAX_LIM_PCT_RVRT_TMS,
            "active-power-limit-revert-time",
        ),
        row(&Model123::W_MAX_LIM_ENA, "active-power-limit-enable"),
        row(&Model123::OUT_PF_SET, "power-factor-signed"),
        row(
            &Model123::OUT_PF_SET_RVRT_TMS,
            "power-factor-discharge-revert-time",
        ),
        row(&Model123::OUT_PF_SET_ENA, "power-factor-discharge-enable"),
        row(&Model123::V_AR_W_MAX_PCT, "reactive-power-percent"),
        row(&Model123::V_AR_MAX_PCT, "reactive-power-percent"),
        row(&Model123::V_AR_AVAL_PCT, "reactive-power-percent"),
        row(&Model123::V_AR_PCT_RVRT_TMS, "reactive-power-revert-time"),
        row(&Model123::V_AR_PCT_MOD, "reactive-power-percent-mode"),
        row(&Model123::V_AR_PCT_ENA, "reactive-power-enable"),
    ]);
    image.check::<Model124>(&[
        row(&Model124::W_CHA_MAX, "charge-power-max"),
        row(&Model124::W_CHA_GRA, "active-power-ramp"),
        row(&Model124::W_DIS_CHA_GRA, "active-power-ramp"),
        row(&Model124::CHA_STATE, "bms-soc"),
        row(&Model124::IN_BAT_V, "dc-voltage"),
        row(&Model124::CHA_ST, "charge-status"),
        row(&Model124::OUT_W_RTE, "discharge-rate"),
        row(&Model124::IN_W_RTE, "charge-rate"),
        row(&Model124::IN_OUT_W_RTE_RVRT_TMS, "storage-rate-revert-time"),
    ]);
}

#[test]
fn a_client_reads_curves_as_they_are() {
    let mut image = Image::of("pcs-100-380");
    let model = |image: &mut Image| image.parse::<model705::Model705>();
    for (i, (volts, vars)) in [(92.0, 44.0), (98.0, 0.5), (102.0, -0.5), (108.25, -44.0)]
        .into_iter()
        .enumerate()
    {
        image.set(&format!("volt-var[2].x[{i}]"), volts);
        image.set(&format!("volt-var[2].y[{i}]"), vars);
    }
    for k in 0..CURVES {
        image.set(&format!("volt-var[{k}].points"), 4.0);
        image.set(&format!("volt-var[{k}].reference"), 3.0);
    }
    image.set("volt-var-enable", 1.0);
    image.set("volt-var-adopt", 1.0);
    image.set("volt-var-adopt-result", 1.0);
    let read = model(&mut image);
    assert_eq!((read.n_pt, read.n_crv, read.crv.len()), (4, 3, 3));
    assert_eq!((read.v_sf, read.dept_ref_sf), (-2, -2));
    assert_eq!(read.crv[0].read_only, model705::CrvReadOnly::R);
    assert_eq!(read.crv[2].read_only, model705::CrvReadOnly::Rw);
    assert_eq!(read.crv[0].pt[0].v, None, "not yet known");
    let points: Vec<_> = read.crv[2].pt.iter().map(|point| (point.v, point.var)).collect();
    let expected = [(9200, 4400), (9800, 50), (10_200, -50), (10_825, -4400)];
    assert_eq!(points, expected.map(|(v, var)| (Some(v), Some(var))));
}
