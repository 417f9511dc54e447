//! The SunSpec images against an independent reading of the standard: the `sunspec` crate.
//!
//! Offsets and lengths of every point a map binds are compared with the crate's, and whole images are scanned and
//! parsed as a client would.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use bess_devices::codec::modbus::{ModbusAccess, ModbusServer};
use bess_devices::{Library, Points, kinds};
use bess_types::{ModbusData, ModbusRequest, SimTime, Table};
use sunspec::models::model1::Model1;
use sunspec::models::model103::Model103;
use sunspec::models::model203::Model203;
use sunspec::models::model701::Model701;
use sunspec::models::model704::Model704;
use sunspec::models::model713::Model713;
use sunspec::models::model715::Model715;
use sunspec::models::model802::Model802;
use sunspec::{Group, Model, Point, Value};

#[path = "sunspec/bank.rs"]
mod bank;
#[path = "sunspec/der.rs"]
mod der;

/// A product's map with its points, some of them set.
struct Image {
    server: ModbusServer,
    points: Points,
}

impl Image {
    fn of(product: &str) -> Self {
        let library = Library::shipped();
        let product = library.product(product).unwrap();
        let table = kinds::point_table(&product).unwrap();
        let server = ModbusServer::of_product(&product, &library, &table).unwrap();
        Self {
            server,
            points: Points::new(table.into()),
        }
    }

    fn set(&mut self, point: &str, value: f64) {
        let id = self.points.table().find(point).unwrap();
        self.points.set(id, value);
    }

    fn read(&mut self, address: u16, count: u16) -> Vec<u16> {
        let mut words = Vec::new();
        let mut at = 0;
        while at < count {
            let some = (count - at).min(125);
            let request = ModbusRequest::Read {
                table: Table::Holding,
                address: address + at,
                count: some,
            };
            match self.server.serve(
                SimTime::ZERO,
                ModbusAccess::default(),
                &request,
                &mut self.points,
                &mut Vec::new(),
            ) {
                Ok(ModbusData::Registers(read)) => words.extend(read),
                other => panic!("reading {some} registers at {}: {other:?}", address + at),
            }
            at += some;
        }
        words
    }

    /// Walks the chain as a client does: (model, address of its id, length).
    fn scan(&mut self) -> Vec<(u16, u16, u16)> {
        assert_eq!(self.read(40_000, 2), [0x5375, 0x6E53]);
        let mut models = Vec::new();
        let mut at = 40_002;
        loop {
            let header = self.read(at, 2);
            if header[0] == 0xFFFF {
                assert_eq!(header[1], 0);
                return models;
            }
            models.push((header[0], at, header[1]));
            at += 2 + header[1];
        }
    }

    fn parse<M: Model>(&mut self) -> M {
        self.parse_nth(0)
    }

    /// Of several models with this id, the one behind `n` others.
    fn parse_nth<M: Model>(&mut self, n: usize) -> M {
        let models = self.scan();
        let mut own = models.iter().filter(|model| model.0 == M::ID);
        let (_, at, length) = *own.nth(n).unwrap();
        let words = self.read(at + 2, length);
        M::parse(&words).unwrap()
    }

    /// Every point the map binds inside a model stands where the crate has it, and no bound point is left out of `rows`.
    fn check<M: Model>(&mut self, rows: &[Row]) {
        let (_, base, length) = *self.scan().iter().find(|model| model.0 == M::ID).unwrap();
        assert!(length >= M::LEN, "model {} is {length} long", M::ID);
        let text = self.server.image(&self.points);
        let mut bound: Vec<(u16, bool, &str)> = text
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                (words.next()? == "holding").then_some(())?;
                let address: u16 = words.next()?.parse().ok()?;
                let writable = words.next()? == "rw";
                let name = line.rsplit(' ').next()?;
                let inside = (base..base + 2 + length).contains(&address);
                (inside && self.points.table().find(name).is_some()).then_some((address, writable, name))
            })
            .collect();
        for row in rows {
            let place = bound
                .iter()
                .position(|&(address, _, name)| address == base + 2 + row.offset && name == row.point);
            let place = place
                .unwrap_or_else(|| panic!("model {}: {} is not at offset {}", M::ID, row.point, row.offset));
            let (_, writable, _) = bound.remove(place);
            assert!(
                row.writable || !writable,
                "model {}: {} must not be written",
                M::ID,
                row.point
            );
        }
        assert_eq!(
            bound,
            [],
            "model {}: bound, but not compared with the crate",
            M::ID
        );
    }
}

struct Row {
    offset: u16,
    writable: bool,
    point: String,
}

fn row<G: Group, T: Value>(point: &Point<G, T>, name: impl Into<String>) -> Row {
    Row {
        offset: point.offset,
        writable: point.writable,
        point: name.into(),
    }
}

#[test]
fn pcs_chain_has_the_lengths_of_the_standard() {
    let mut pcs = Image::of("sjpcs-1725-m");
    assert_eq!(
        pcs.scan(),
        [
            (1, 40_002, 66),
            (103, 40_070, 50),
            (701, 40_122, 153),
            (704, 40_277, 65),
            (713, 40_344, 7),
            (715, 40_353, 7),
            (702, 40_362, 50),
            (703, 40_414, 17),
            (705, 40_433, 67),
            (706, 40_502, 52),
            (707, 40_556, 127),
            (708, 40_685, 127),
            (709, 40_814, 163),
            (710, 40_979, 163),
            (711, 41_144, 42),
            (712, 41_188, 60),
            (714, 41_250, 43),
            (120, 41_295, 26),
            (121, 41_323, 30),
            (122, 41_355, 44),
            (123, 41_401, 24),
            (124, 41_427, 24),
        ]
    );
    let common: Model1 = pcs.parse();
    assert_eq!(common.mn, "SOJO");
    assert_eq!(common.md, "SJPCS-1725-M");
}

#[test]
fn meter_chain_has_the_lengths_of_the_standard() {
    let mut meter = Image::of("meter");
    assert_eq!(meter.scan(), [(1, 40_002, 66), (203, 40_070, 105)]);
}

#[test]
fn pcs_points_stand_where_the_crate_has_them() {
    let mut image = Image::of("sjpcs-1725-m");
    image.check::<Model103>(&[
        row(&Model103::A, "ac-current-total"),
        row(&Model103::APH_A, "ac-current-phase"),
        row(&Model103::APH_B, "ac-current-phase"),
        row(&Model103::APH_C, "ac-current-phase"),
        row(&Model103::PP_VPH_AB, "line-voltage-ab"),
        row(&Model103::PP_VPH_BC, "line-voltage-bc"),
        row(&Model103::PP_VPH_CA, "line-voltage-ca"),
        row(&Model103::PH_VPH_A, "phase-voltage-a"),
        row(&Model103::PH_VPH_B, "phase-voltage-b"),
        row(&Model103::PH_VPH_C, "phase-voltage-c"),
        row(&Model103::W, "active-power"),
        row(&Model103::HZ, "frequency"),
        row(&Model103::VA, "apparent-power"),
        row(&Model103::V_AR, "reactive-power"),
        row(&Model103::PF, "power-factor"),
        row(&Model103::WH, "energy-discharged"),
        row(&Model103::DCA, "dc-current-magnitude"),
        row(&Model103::DCV, "dc-voltage"),
        row(&Model103::DCW, "dc-power"),
        row(&Model103::TMP_CAB, "cabinet-temperature"),
        row(&Model103::ST, "inverter-state"),
        row(&Model103::ST_VND, "pcs-state"),
        row(&Model103::EVT1, "alarms"),
        row(&Model103::EVT_VND1, "fault-word"),
    ]);
    image.check::<Model701>(&[
        row(&Model701::ST, "operating"),
        row(&Model701::INV_ST, "inverter-state"),
        row(&Model701::CONN_ST, "ac-contactor-closed"),
        row(&Model701::ALRM, "alarms"),
        row(&Model701::W, "active-power"),
        row(&Model701::VA, "apparent-power"),
        row(&Model701::VAR, "reactive-power"),
        row(&Model701::PF, "power-factor"),
        row(&Model701::A, "ac-current-total"),
        row(&Model701::LLV, "line-voltage"),
        row(&Model701::LNV, "phase-voltage"),
        row(&Model701::HZ, "frequency"),
        row(&Model701::TOT_WH_INJ, "energy-discharged"),
        row(&Model701::TOT_WH_ABS, "energy-charged"),
        row(&Model701::TMP_CAB, "cabinet-temperature"),
        row(&Model701::WL1, "active-power-phase"),
        row(&Model701::VAL1, "apparent-power-phase"),
        row(&Model701::VAR_L1, "reactive-power-phase"),
        row(&Model701::PFL1, "power-factor"),
        row(&Model701::AL1, "ac-current-phase"),
        row(&Model701::VL1L2, "line-voltage-ab"),
        row(&Model701::VL1, "phase-voltage-a"),
        row(&Model701::WL2, "active-power-phase"),
        row(&Model701::VAL2, "apparent-power-phase"),
        row(&Model701::VAR_L2, "reactive-power-phase"),
        row(&Model701::PFL2, "power-factor"),
        row(&Model701::AL2, "ac-current-phase"),
        row(&Model701::VL2L3, "line-voltage-bc"),
        row(&Model701::VL2, "phase-voltage-b"),
        row(&Model701::WL3, "active-power-phase"),
        row(&Model701::VAL3, "apparent-power-phase"),
        row(&Model701::VAR_L3, "reactive-power-phase"),
        row(&Model701::PFL3, "power-factor"),
        row(&Model701::AL3, "ac-current-phase"),
        row(&Model701::VL3L1, "line-voltage-ca"),
        row(&Model701::VL3, "phase-voltage-c"),
        row(&Model701::THROT_PCT, "throttle"),
        row(&Model701::THROT_SRC, "throttle-source"),
    ]);
    let mut rows = der::power_factors();
    rows.extend([
        row(&Model704::W_MAX_LIM_PCT_ENA, "active-power-limit-enable"),
        row(&Model704::W_MAX_LIM_PCT, "active-power-limit"),
        row(&Model704::W_MAX_LIM_PCT_RVRT, "active-power-limit-revert"),
        row(
            &Model704::W_MAX_LIM_PCT_ENA_RVRT,
            "active-power-limit-enable-revert",
        ),
        row(
            &Model704::W_MAX_LIM_PCT_RVRT_TMS,
            "active-power-limit-revert-time",
        ),
        row(
            &Model704::W_MAX_LIM_PCT_RVRT_REM,
            "active-power-limit-revert-remaining",
        ),
        row(&Model704::W_SET_ENA, "active-power-enable"),
        row(&Model704::W_SET_MOD, "active-power-mode"),
        row(&Model704::W_SET, "active-power-setpoint"),
        row(&Model704::W_SET_RVRT, "active-power-setpoint-revert"),
        row(&Model704::W_SET_PCT, "active-power-percent"),
        row(&Model704::W_SET_PCT_RVRT, "active-power-percent-revert"),
        row(&Model704::W_SET_ENA_RVRT, "active-power-enable-revert"),
        row(&Model704::W_SET_RVRT_TMS, "active-power-revert-time"),
        row(&Model704::W_SET_RVRT_REM, "active-power-revert-remaining"),
        row(&Model704::VAR_SET_ENA, "reactive-power-enable"),
        row(&Model704::VAR_SET_MOD, "reactive-power-mode"),
        row(&Model704::VAR_SET_PRI, "reactive-power-priority"),
        row(&Model704::VAR_SET, "reactive-power-setpoint"),
        row(&Model704::VAR_SET_RVRT, "reactive-power-setpoint-revert"),
        row(&Model704::VAR_SET_PCT, "reactive-power-percent"),
        row(&Model704::VAR_SET_PCT_RVRT, "reactive-power-percent-revert"),
        row(&Model704::VAR_SET_ENA_RVRT, "reactive-power-enable-revert"),
        row(&Model704::VAR_SET_RVRT_TMS, "reactive-power-revert-time"),
        row(&Model704::VAR_SET_RVRT_REM, "reactive-power-revert-remaining"),
        row(&Model704::W_RMP, "active-power-ramp"),
    ]);
    image.check::<Model704>(&rows);
    image.check::<Model713>(&[
        row(&Model713::WH_RTG, "bms-energy-rating"),
        row(&Model713::WH_AVAIL, "energy-available"),
        row(&Model713::SOC, "bms-soc"),
        row(&Model713::SOH, "bms-soh"),
        row(&Model713::STA, "storage-status"),
    ]);
    image.check::<Model715>(&[
        row(&Model715::LOC_REM_CTL, "local-control"),
        row(&Model715::DER_HB, "life-counter"),
        row(&Model715::CONTROLLER_HB, "controller-heartbeat"),
        row(&Model715::ALARM_RESET, "alarm-reset"),
        row(&Model715::OP_CTL, "operation"),
    ]);
}

#[test]
fn meter_points_stand_where_the_crate_has_them() {
    let mut image = Image::of("meter");
    image.check::<Model203>(&[
        row(&Model203::A, "current-total"),
        row(&Model203::APH_A, "current-phase"),
        row(&Model203::APH_B, "current-phase"),
        row(&Model203::APH_C, "current-phase"),
        row(&Model203::PH_V, "phase-voltage"),
        row(&Model203::PH_VPH_A, "phase-voltage-a"),
        row(&Model203::PH_VPH_B, "phase-voltage-b"),
        row(&Model203::PH_VPH_C, "phase-voltage-c"),
        row(&Model203::PPV, "line-voltage"),
        row(&Model203::PH_VPH_AB, "line-voltage-ab"),
        row(&Model203::PH_VPH_BC, "line-voltage-bc"),
        row(&Model203::PH_VPH_CA, "line-voltage-ca"),
        row(&Model203::HZ, "frequency"),
        row(&Model203::W, "active-power"),
        row(&Model203::WPH_A, "active-power-phase"),
        row(&Model203::WPH_B, "active-power-phase"),
        row(&Model203::WPH_C, "active-power-phase"),
        row(&Model203::VA, "apparent-power"),
        row(&Model203::V_APH_A, "apparent-power-phase"),
        row(&Model203::V_APH_B, "apparent-power-phase"),
        row(&Model203::V_APH_C, "apparent-power-phase"),
        row(&Model203::VAR, "reactive-power"),
        row(&Model203::VA_RPH_A, "reactive-power-phase"),
        row(&Model203::VA_RPH_B, "reactive-power-phase"),
        row(&Model203::VA_RPH_C, "reactive-power-phase"),
        row(&Model203::PF, "power-factor"),
        row(&Model203::P_FPH_A, "power-factor"),
        row(&Model203::P_FPH_B, "power-factor"),
        row(&Model203::P_FPH_C, "power-factor"),
        row(&Model203::TOT_WH_EXP, "energy-exported"),
        row(&Model203::TOT_WH_IMP, "energy-imported"),
    ]);
}

#[test]
fn bau_points_stand_where_the_crate_has_them() {
    let mut image = Image::of("bau");
    let mut chain = vec![
        (1, 40_002, 66),
        (802, 40_070, 62),
        (803, 40_134, 314),
        (713, 40_450, 7),
        (715, 40_459, 7),
    ];
    chain.extend((0..9).map(|cluster| (804, 40_468 + 192 * cluster, 190)));
    chain.extend((0..81).map(|pack| (805, 42_196 + 220 * pack, 218)));
    assert_eq!(image.scan(), chain);
    image.check::<Model713>(&[
        row(&Model713::WH_RTG, "energy-rating"),
        row(&Model713::WH_AVAIL, "energy-available"),
        row(&Model713::SOC, "soc"),
        row(&Model713::SOH, "soh"),
        row(&Model713::STA, "storage-status"),
    ]);
    image.check::<Model715>(&[
        row(&Model715::LOC_REM_CTL, "control-mode"),
        row(&Model715::DER_HB, "heartbeat"),
        row(&Model715::CONTROLLER_HB, "der-controller-heartbeat"),
        row(&Model715::ALARM_RESET, "alarm-reset"),
    ]);
    image.check::<Model802>(&[
        row(&Model802::AH_RTG, "capacity"),
        row(&Model802::WH_RTG, "energy-rating"),
        row(&Model802::W_CHA_RTE_MAX, "charge-power-max"),
        row(&Model802::W_DIS_CHA_RTE_MAX, "discharge-power-max"),
        row(&Model802::SOC_MAX, "soc-max"),
        row(&Model802::SOC_MIN, "soc-min"),
        row(&Model802::SOC, "soc"),
        row(&Model802::SOH, "soh"),
        row(&Model802::CHA_ST, "charge-status"),
        row(&Model802::LOC_REM_CTL, "control-mode"),
        row(&Model802::HB, "heartbeat"),
        row(&Model802::CTRL_HB, "controller-heartbeat"),
        row(&Model802::ALM_RST, "alarm-reset"),
        row(&Model802::TYP, "battery-type"),
        row(&Model802::STATE, "battery-state"),
        row(&Model802::STATE_VND, "stack-state"),
        row(&Model802::EVT1, "events"),
        row(&Model802::EVT_VND1, "vendor-events"),
        row(&Model802::V, "voltage"),
        row(&Model802::CELL_V_MAX, "cell-voltage-max"),
        row(&Model802::CELL_V_MAX_STR, "cell-voltage-max-cluster"),
        row(&Model802::CELL_V_MAX_MOD, "cell-voltage-max-pack"),
        row(&Model802::CELL_V_MIN, "cell-voltage-min"),
        row(&Model802::CELL_V_MIN_STR, "cell-voltage-min-cluster"),
        row(&Model802::CELL_V_MIN_MOD, "cell-voltage-min-pack"),
        row(&Model802::CELL_V_AVG, "cell-voltage-mean"),
        row(&Model802::A, "current"),
        row(&Model802::A_CHA_MAX, "charge-current-max"),
        row(&Model802::A_DIS_CHA_MAX, "discharge-current-max"),
        row(&Model802::W, "power"),
        row(&Model802::SET_OP, "set-operation"),
    ]);
}
#[test]
fn a_client_reads_what_the_points_say() {
    let mut image = Image::of("sjpcs-1725-m");
    image.set("active-power", -1_234_560.0);
    image.set("dc-voltage", 1267.2);
    image.set("frequency", 49.987);
    image.set("ac-current-total", 4761.0);
    image.set("energy-discharged", 5_000_000_000.0);
    image.set("inverter-state", 3.0);
    image.set("life-counter", 70_000.0);
    image.set("active-power-setpoint", -1_725_000.0);
    image.set("bms-soc", 55.5);

    let inverter: Model103 = image.parse();
    assert_eq!((inverter.w, inverter.w_sf), (-12_346, 2));
    assert_eq!((inverter.a, inverter.a_sf), (47_610, -1));
    assert_eq!((inverter.hz, inverter.hz_sf), (4999, -2));
    assert_eq!(inverter.dcv, Some(12_672));
    assert_eq!(inverter.dcv_sf, Some(-1));

    let ac: Model701 = image.parse();
    assert_eq!((ac.w, ac.w_sf), (Some(-12_346), Some(2)));
    assert_eq!(ac.hz, Some(49_987));
    assert_eq!(ac.tot_wh_inj, Some(5_000_000_000));
    assert_eq!(ac.tot_varh_inj, None);
    assert_eq!(ac.va, None, "a point that is not valid reads as not implemented");

    let control: Model704 = image.parse();
    assert_eq!(control.w_set, Some(-1_725_000));
    let storage: Model713 = image.parse();
    assert_eq!((storage.soc, storage.pct_sf), (Some(555), Some(-1)));
    assert_eq!(storage.wh_rtg, None);
    let remote: Model715 = image.parse();
    assert_eq!(remote.der_hb, Some(70_000));
}
