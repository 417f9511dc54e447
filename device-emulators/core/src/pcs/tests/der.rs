//! Grid support through the registers: what a client writes, and what the power stage is then asked for.

use super::*;

const RATED: f64 = 1_725_000.0;
const COMPLETED: f64 = 1.0;
const FAILED: f64 = 2.0;

impl Bench {
    /// Writes curve `number` of a function with polylines, counted from 1.
    fn write_curve(&mut self, function: &str, number: usize, curve: &[(f64, f64)]) {
        let name = format!("{function}[{}]", number - 1);
        self.set(&format!("{name}.points"), curve.len() as f64);
        for (i, (x, y)) in curve.iter().enumerate() {
            self.set(&format!("{name}.x[{i}]"), *x);
            self.set(&format!("{name}.y[{i}]"), *y);
        }
    }

    /// Writes the tripping part of set `number` of a trip function, counted from 1.
    fn write_trip(&mut self, function: &str, number: usize, zone: &str, elements: &[(f64, f64)]) {
        let name = format!("{function}[{}].{zone}", number - 1);
        self.set(&format!("{name}.points"), elements.len() as f64);
        for (i, (limit, delay)) in elements.iter().enumerate() {
            self.set(&format!("{name}.limit[{i}]"), *limit);
            self.set(&format!("{name}.delay[{i}]"), *delay);
        }
    }

    /// Asks for a curve, waits for the result.
    fn adopt(&mut self, function: &str, number: f64) -> f64 {
        self.set(&format!("{function}-adopt"), number);
        let result = format!("{function}-adopt-result");
        assert_eq!(self.get(&result), 0.0, "in progress");
        self.run(300);
        self.get(&result)
    }

    fn assert_drive(&self, power: f64, reactive: f64) {
        let near = |is: f64, should: f64| (is - should).abs() < 0.002 * RATED;
        assert!(
            near(self.drive.power, power) && near(self.drive.reactive, reactive),
            "{:?}, not {power} W and {reactive} var",
            self.drive
        );
    }
}

#[test]
fn a_volt_var_curve_acts_once_adopted() {
    let mut bench = Bench::running(500_000.0);
    bench.set("volt-var-enable", 1.0);
    bench.phase_pu = [1.05; 3];
    bench.run(30_000);
    bench.assert_drive(500_000.0, -0.22 * RATED);
    let steep = [(95.0, 30.0), (99.0, 0.0), (101.0, 0.0), (105.0, -30.0)];
    bench.write_curve("volt-var", 2, &steep);
    bench.run(10_000);
    bench.assert_drive(500_000.0, -0.22 * RATED);
    assert_eq!(bench.adopt("volt-var", 2.0), COMPLETED);
    assert_eq!(bench.get("volt-var[0].x[3]"), 105.0);
    bench.run(30_000);
    bench.assert_drive(500_000.0, -0.3 * RATED);
    bench.phase_pu = [0.97; 3];
    bench.run(30_000);
    bench.assert_drive(500_000.0, 0.15 * RATED);
    bench.set("volt-var-enable", 0.0);
    bench.run(500);
    bench.assert_drive(500_000.0, 0.0);
}

#[test]
fn a_volt_var_response_takes_its_time() {
    let mut bench = Bench::running(0.0);
    bench.set("volt-var-enable", 1.0);
    bench.phase_pu = [1.08; 3];
    bench.run(2500);
    assert!(bench.drive.reactive > -0.35 * RATED, "{:?}", bench.drive);
    bench.run(2500);
    let share = bench.drive.reactive / (-0.44 * RATED);
    assert!((0.88..0.92).contains(&share), "90 % after 5 s: {share}");
}

#[test]
fn a_bad_curve_is_refused_and_the_old_one_stays() {
    let mut bench = Bench::running(500_000.0);
    bench.set("volt-var-enable", 1.0);
    bench.phase_pu = [1.05; 3];
    bench.run(30_000);
    for (curve, why) in [
        (&[(105.0, 0.0), (95.0, 0.0)][..], "not in order"),
        (&[(95.0, -40.0), (105.0, 40.0)], "rises"),
        (&[(95.0, 0.0)], "two points"),
    ] {
        bench.write_curve("volt-var", 3, curve);
        assert_eq!(bench.adopt("volt-var", 3.0), FAILED);
        let note = &bench.notes.last().unwrap().2;
        assert!(note.contains(why), "{note}");
        bench.run(10_000);
        bench.assert_drive(500_000.0, -0.22 * RATED);
        assert_eq!(bench.get("volt-var[0].x[0]"), 92.0);
    }
    bench.set("volt-var-adopt", 0.0);
    assert_eq!(bench.get("volt-var-adopt-result"), FAILED, "there is no curve 0");
    bench.set("volt-var-adopt", 1.0);
    assert_eq!(bench.get("volt-var-adopt-result"), COMPLETED, "it acts already");
}

#[test]
fn the_acting_curve_cannot_be_written() {
    let mut bench = Bench::running(0.0);
    let (address, values) = {
        let found = bench
            .pcs
            .server
            .words_for("volt-var[1].points", 0, 2.0, &bench.pcs.points);
        found.unwrap()
    };
    let first = address - 18;
    let reply = bench.request(&ModbusRequest::WriteRegisters {
        address: first,
        values,
    });
    assert_eq!(reply, Some(Err(ModbusException::IllegalDataAddress)));
}

#[test]
fn a_curve_falls_back_to_another_after_its_time() {
    let mut bench = Bench::running(0.0);
    bench.set("volt-var-enable", 1.0);
    bench.phase_pu = [1.05; 3];
    bench.write_curve("volt-var", 2, &[(95.0, 0.0), (105.0, -10.0)]);
    bench.set("volt-var-revert-curve", 3.0);
    bench.set("volt-var-revert-time", 60.0);
    assert_eq!(bench.adopt("volt-var", 2.0), COMPLETED);
    bench.run(39_700);
    bench.assert_drive(0.0, -0.1 * RATED);
    assert_eq!(bench.get("volt-var-revert-remaining"), 20.0);
    bench.run(60_000);
    assert_eq!(bench.get("volt-var-revert-remaining"), 0.0);
    bench.assert_drive(0.0, -0.22 * RATED);
}

#[test]
fn the_active_power_limit_reverts_after_its_time() {
    let mut bench = Bench::running(1_500_000.0);
    bench.set("active-power-limit", 40.0);
    bench.set("active-power-limit-enable", 1.0);
    bench.set("active-power-limit-revert-time", 10.0);
    bench.run(1000);
    bench.assert_drive(0.4 * RATED, 0.0);
    assert_eq!(bench.get("throttle-source"), 1.0);
    assert_eq!(bench.get("active-power-limit-revert-remaining"), 9.0);
    bench.run(9500);
    bench.assert_drive(1_500_000.0, 0.0);
    assert_eq!(bench.get("active-power-limit-enable"), 0.0);
}

#[test]
fn the_older_view_says_the_same_in_its_words() {
    let mut bench = Bench::running(1_000_000.0);
    bench.set_in_view(1, "active-power-limit", 50.0);
    bench.set_in_view(1, "active-power-limit-enable", 1.0);
    bench.run(500);
    bench.assert_drive(0.5 * RATED, 0.0);
    bench.set("power-factor-signed", -0.8);
    assert_eq!(bench.get("power-factor-discharge"), 0.8);
    assert_eq!(bench.get("power-factor-discharge-excitation"), 1.0);
    bench.set_in_view(1, "power-factor-discharge-enable", 1.0);
    bench.run(500);
    bench.assert_drive(0.5 * RATED, -0.375 * RATED);
    bench.set("power-factor-discharge-excitation", 0.0);
    assert_eq!(bench.get("power-factor-signed"), 0.8);
    bench.run(1000);
    bench.assert_drive(0.5 * RATED, 0.375 * RATED);
    bench.set_in_view(1, "power-factor-discharge-enable", 0.0);
    bench.set("reactive-power-percent-mode", 1.0);
    bench.set_in_view(2, "reactive-power-percent", 20.0);
    bench.set_in_view(1, "reactive-power-enable", 1.0);
    bench.run(500);
    assert_eq!(bench.get("reactive-power-mode"), 0.0);
    bench.assert_drive(0.5 * RATED, 0.2 * RATED);
}

#[test]
fn storage_rates_bound_charging_and_discharging() {
    let mut bench = Bench::running(1_000_000.0);
    bench.set("discharge-rate", 25.0);
    bench.set("discharge-rate-enable", 1.0);
    bench.set("storage-rate-revert-time", 20.0);
    bench.run(500);
    bench.assert_drive(0.25 * RATED, 0.0);
    bench.set("active-power-setpoint", -1_000_000.0);
    bench.run(500);
    bench.assert_drive(-1_000_000.0, 0.0);
    bench.set("charge-rate", 10.0);
    bench.set("charge-rate-enable", 1.0);
    bench.run(500);
    bench.assert_drive(-0.1 * RATED, 0.0);
    bench.run(20_000);
    bench.assert_drive(-1_000_000.0, 0.0);
}

#[test]
fn settings_take_the_place_of_ratings() {
    let mut bench = Bench::running(1_700_000.0);
    bench.set("active-power-max", 1_000_000.0);
    bench.run(500);
    bench.assert_drive(1_000_000.0, 0.0);
    bench.set("charge-power-max", 300_000.0);
    bench.set("active-power-setpoint", -1_700_000.0);
    bench.run(1000);
    bench.assert_drive(-300_000.0, 0.0);
    bench.set("apparent-power-max", 500_000.0);
    bench.set("reactive-power-setpoint", 1_000_000.0);
    bench.set("reactive-power-enable", 1.0);
    bench.run(1000);
    bench.assert_drive(-300_000.0, 400_000.0);
    bench.set("reactive-power-inject-max", 100_000.0);
    bench.run(1000);
    bench.assert_drive(-300_000.0, 100_000.0);
    let refused = bench.try_set(0, "active-power-max", 1_725_100.0);
    assert_eq!(
        refused,
        Some(Err(ModbusException::IllegalDataValue)),
        "beyond the rating"
    );
}

#[test]
fn droop_follows_the_frequency() {
    let mut bench = Bench::running(500_000.0);
    bench.set("droop-enable", 1.0);
    bench.hz = 50.536;
    bench.run(30_000);
    bench.assert_drive(500_000.0 - 0.2 * RATED, 0.0);
    assert_eq!(bench.get("throttle-source"), f64::from(1 << 5));
    bench.hz = 49.464;
    bench.run(30_000);
    bench.assert_drive(500_000.0 + 0.2 * RATED, 0.0);
    bench.hz = 50.02;
    bench.run(30_000);
    bench.assert_drive(500_000.0, 0.0);
}

#[test]
fn volt_watt_takes_power_at_high_voltage() {
    let mut bench = Bench::running(1_500_000.0);
    bench.set("volt-watt-enable", 1.0);
    bench.run(1000);
    bench.assert_drive(1_500_000.0, 0.0);
    bench.phase_pu = [1.08; 3];
    bench.run(60_000);
    bench.assert_drive(0.5 * RATED, 0.0);
    assert_eq!(bench.get("throttle-source"), f64::from(1 << 10));
}

#[test]
fn watt_var_follows_the_active_power_both_ways() {
    let mut bench = Bench::running(0.75 * RATED);
    bench.set("watt-var-enable", 1.0);
    bench.run(1000);
    bench.assert_drive(0.75 * RATED, -0.22 * RATED);
    bench.set("active-power-setpoint", -0.75 * RATED);
    bench.run(1000);
    bench.assert_drive(-0.75 * RATED, 0.22 * RATED);
}

#[test]
fn an_adopted_trip_curve_trips_and_one_switched_off_does_not() {
    let mut bench = Bench::running(500_000.0);
    bench.phase_pu = [0.85; 3];
    bench.run(5000);
    assert_eq!(bench.pcs.state, State::Running, "UV1 waits 21 s");
    assert_eq!(bench.get("ride-through"), 1.0);
    bench.phase_pu = [1.0; 3];
    bench.write_trip("low-voltage-trip", 2, "must-trip", &[(90.0, 1.0), (50.0, 0.2)]);
    assert_eq!(bench.adopt("low-voltage-trip", 2.0), COMPLETED);
    bench.phase_pu = [0.85; 3];
    let took = bench.until(5000, |bench| !bench.drive.ac_contactor);
    assert!((1000..=1020).contains(&took), "{took} ms");

    let mut bench = Bench::running(500_000.0);
    bench.set("low-voltage-trip-enable", 0.0);
    bench.phase_pu = [0.85; 3];
    bench.run(30_000);
    assert_eq!(bench.pcs.state, State::Running);
    bench.set("low-voltage-trip-enable", 1.0);
    bench.run(22_000);
    assert_eq!(bench.pcs.state, State::Starting);
}

#[test]
fn a_trip_curve_that_waits_longer_for_the_worse_is_refused() {
    let mut bench = Bench::running(0.0);
    bench.write_trip("high-frequency-trip", 3, "must-trip", &[(51.0, 1.0), (52.0, 5.0)]);
    assert_eq!(bench.adopt("high-frequency-trip", 3.0), FAILED);
    bench.write_trip("high-frequency-trip", 3, "must-trip", &[(49.0, 1.0)]);
    assert_eq!(bench.adopt("high-frequency-trip", 3.0), FAILED);
    bench.write_trip("high-frequency-trip", 3, "must-trip", &[(50.5, 1.0)]);
    assert_eq!(bench.adopt("high-frequency-trip", 3.0), COMPLETED);
    bench.hz = 50.6;
    let took = bench.until(5000, |bench| !bench.drive.ac_contactor);
    assert!((1000..=1020).contains(&took), "{took} ms");
}

#[test]
fn an_adopted_cessation_blocks_the_gate_while_it_lasts() {
    let mut bench = Bench::running(500_000.0);
    bench.write_trip("high-voltage-trip", 2, "cease", &[(105.0, 0.0)]);
    assert_eq!(bench.adopt("high-voltage-trip", 2.0), COMPLETED);
    bench.phase_pu = [1.06; 3];
    bench.run(50);
    assert!(!bench.drive.gate && bench.drive.ac_contactor);
    bench.phase_pu = [1.04; 3];
    bench.run(500);
    bench.assert_drive(500_000.0, 0.0);
}

#[test]
fn without_permit_it_leaves_and_comes_back_after_the_delay() {
    let mut bench = Bench::running(500_000.0);
    bench.set("service-delay", 4.0);
    bench.set("service-ramp-time", 10.0);
    bench.set("service-permit", 0.0);
    bench.run(20);
    assert!(!bench.drive.gate && !bench.drive.ac_contactor);
    bench.run(10_000);
    assert_eq!(bench.pcs.state, State::Starting);
    assert_eq!(bench.get("inverter-state"), 7.0, "standby: nothing starts");
    assert_eq!(bench.get("ac-contactor-closed"), 0.0);
    assert_eq!(bench.get("grid-connection"), 0.0, "122 ECPConn");
    bench.set("service-permit", 1.0);
    bench.run(10);
    assert_eq!(bench.get("inverter-state"), 2.0, "starting");
    let took = bench.until(20_000, |bench| bench.drive.gate);
    assert!(
        (6000..6200).contains(&took),
        "4 s, and 2 s to synchronise: {took} ms"
    );
    assert_eq!(bench.get("grid-connection"), 1.0);
    bench.run(1000);
    bench.assert_drive(0.1 * RATED, 0.0);
    bench.run(10_000);
    bench.assert_drive(500_000.0, 0.0);
}

#[test]
fn everything_is_as_at_power_up_after_a_loss_of_supply() {
    let mut bench = Bench::running(0.0);
    bench.set("volt-var-enable", 1.0);
    bench.write_curve("volt-var", 2, &[(95.0, 0.0), (105.0, -10.0)]);
    assert_eq!(bench.adopt("volt-var", 2.0), COMPLETED);
    bench.set("active-power-max", 1_000_000.0);
    bench.pcs.inject(&DeviceFault::PowerOff).unwrap();
    bench.pcs.inject(&DeviceFault::PowerOn).unwrap();
    assert_eq!(bench.get("volt-var-enable"), 0.0);
    assert_eq!(bench.get("volt-var[0].x[0]"), 92.0);
    assert_eq!(bench.get("active-power-max"), RATED);
}
