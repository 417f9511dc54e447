//! BMUs whose dialects leave something out.

use super::*;

/// A BMU that sends these messages only.
fn bmu_with(messages: &str) -> Library {
    let mut library = Library::shipped();
    let text = format!(
        "id = \"own-bmu\"\ninherits = \"rig-bmu-44\"\ntitle = \"X\"\n[[can]]\nport = \"cluster\"\n\
         dbc = \"rig-cluster.dbc\"\nnode_in = \"source\"\n{messages}"
    );
    library.overlay("own", "products/own-bmu.toml", &text);
    library
}

const CELLS: &str = "[[can.transmit]]\nmessage = \"BMU_CELLV_{k}\"\nperiod_ms = 200\ninvalid = { raw = 0xFFFF }\n\
                     bind = { \"CellV_{i}\" = \"cell[{i}].voltage\" }\n";
const TEMPERATURES: &str = "[[can.transmit]]\nmessage = \"BMU_TEMP_{k}\"\nperiod_ms = 1000\ninvalid = { raw = 0xFF }\n\
                            bind = { \"Temp_{i}\" = \"temperature[{i}]\" }\n";
const SUMMARY: &str = "[[can.transmit]]\nmessage = \"BMU_SUM\"\nperiod_ms = 100\ninvalid = { raw = 0xFFFF }\n\
                       bind = { PackVoltage = \"pack-voltage\", CellVoltageMax = \"cell-voltage-max\", \
                       CellVoltageMin = \"cell-voltage-min\", TemperatureMax = \"temperature-max\", \
                       TemperatureMin = \"temperature-min\" }\n";

#[test]
fn without_a_summary_extremes_follow_from_the_single_values() {
    let mut whole = Bench::new(None);
    let mut bench = Bench::with("own-bmu", &bmu_with(&format!("{CELLS}{TEMPERATURES}")), None);
    for bench in [&mut whole, &mut bench] {
        bench.bmus[1].set("cell[30].voltage", 3.350);
        bench.bmus[1].set("cell-voltage-max", 3.350);
        bench.bmus[4].set("cell[7].voltage", 3.250);
        bench.bmus[4].set("cell-voltage-min", 3.250);
        bench.bmus[8].set("temperature[21]", 31.0);
        bench.bmus[8].set("temperature-max", 31.0);
        bench.bmus[0].set("temperature[0]", 22.0);
        bench.bmus[0].set("temperature-min", 22.0);
        // told as a whole it is what cells add up to
        bench.bmus[1].set("pack-voltage", 145.25);
        bench.bmus[4].set("pack-voltage", 145.15);
        bench.run(6_000);
    }
    for point in [
        "cell-voltage-max",
        "cell-voltage-max-pack",
        "cell-voltage-max-cell",
        "cell-voltage-min",
        "cell-voltage-min-pack",
        "temperature-max",
        "temperature-max-pack",
        "temperature-min",
        "charge-limit",
        "discharge-limit",
        "alarm-level",
        "state",
    ] {
        assert_eq!(bench.get(point), whole.get(point), "{point}");
    }
    assert!((bench.get("cell-voltage-mean") - whole.get("cell-voltage-mean")).abs() < 2e-3);
    assert!(bench.get("charge-limit") > 0.0);
    assert_eq!(bench.get("cell-voltage-max"), 3.350);
}

#[test]
fn single_values_that_nobody_sends_are_not_missed() {
    let mut bench = Bench::with("own-bmu", &bmu_with(SUMMARY), None);
    bench.run(6_000);
    assert_eq!(bench.severity(AlarmId::Sen), 0);
    assert!(bench.get("charge-limit") > 0.0);
    assert!((bench.get("cell-voltage-mean") - 3.3).abs() < 1e-9);
    // one that is left out where others are sent is
    let all_but_one = CELLS.replace("BMU_CELLV_{k}", "BMU_CELLV_00");
    let mut bench = Bench::with("own-bmu", &bmu_with(&format!("{all_but_one}{SUMMARY}")), None);
    bench.run(6_000);
    assert!(bench.severity(AlarmId::Sen) > 0);
}

#[test]
fn data_is_overdue_by_its_own_period_and_never_if_it_is_sent_on_change() {
    let slow = CELLS.replace("period_ms = 200", "period_ms = 8000");
    let mut bench = Bench::with("own-bmu", &bmu_with(&format!("{SUMMARY}{slow}")), None);
    // the fifth round is just over
    bench.run(32_200);
    assert!(bench.notes.iter().all(|(_, note)| note != "alarm-com warn"));
    bench.lose(4, "BMU_CELLV_00");
    bench.run(8_700);
    assert_eq!(bench.severity(AlarmId::Com), 0);
    bench.run(4_700);
    assert_eq!(bench.severity(AlarmId::Com), 3);

    let on_change = CELLS.replace("period_ms = 200", "on_change_ms = 200");
    let mut bench = Bench::with("own-bmu", &bmu_with(&format!("{SUMMARY}{on_change}")), None);
    bench.run(30_000);
    assert_eq!(
        (bench.severity(AlarmId::Com), bench.get("packs-online")),
        (0, 9.0)
    );
    assert!(bench.notes.iter().all(|(_, note)| note != "alarm-com warn"));
}

#[test]
fn a_cluster_whose_dialect_lacks_what_the_bcu_needs_is_refused() {
    let library = bmu_with(CELLS);
    let error = Bcu::new(&config_with("own-bmu", &library, None), &library).unwrap_err();
    assert_eq!(
        format!("{error}; {}", error.help()),
        "own/products/own-bmu.toml:9: message: no message carries `temperature-max`, nor `temperature[0]` and so on, and \
         the BCU needs one of them; bind it in a [[can.transmit]] entry"
    );
}
