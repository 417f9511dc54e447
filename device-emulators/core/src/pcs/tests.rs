#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use bess_types::{Actuation, CanFrame, ModbusData, ModbusException, ModbusReply, Table};
use proptest::prelude::*;

use super::grid::GridTrip;
use super::*;

mod der;

/// A PCS on an ideal grid and battery: the contactor follows at once, power is what it is asked for.
struct Bench {
    pcs: Pcs,
    now_ms: u64,
    phase_pu: [f64; 3],
    hz: f64,
    dc: Option<f64>,
    contactor_follows: bool,
    /// What its active power sensor reads too much, W.
    bias_w: f64,
    /// What its DC current sensor reads too much, A.
    bias_dc_a: f64,
    drive: Drive,
    bms_alive: bool,
    ems_alive: bool,
    notes: Vec<(u64, &'static str, String)>,
    replies: Vec<Option<ModbusReply>>,
    said: Vec<(u64, CanFrame)>,
}

impl Bench {
    /// With a battery on its CAN port instead of registers.
    fn on_bus(product: &str, dc_v: f64) -> Self {
        let library = Library::shipped();
        let mut settings = toml::Table::new();
        settings.insert("enter_service_delay_s".into(), 1.0.into());
        // the bench's grid
        settings.insert("nominal_line_voltage_v".into(), 690.0.into());
        let product = library.product(product).unwrap().with_settings(&settings);
        let mut bench = Self::new(1.0);
        bench.pcs = Pcs::new(&product, &library).unwrap();
        bench.dc = Some(dc_v);
        bench.bms_alive = false;
        bench.line(Line::SafetyOk, true);
        bench.line(Line::BmsPermit, true);
        bench
    }

    /// A frame of the battery, every second.
    fn hear(&mut self, frames: &[CanFrame], seconds: u64) {
        for _ in 0..seconds {
            for frame in frames {
                self.give(Input::Can {
                    port: BMS_PORT,
                    frame,
                });
            }
            self.run(1_000);
        }
    }

    /// Lines healthy, DC voltage there, grid good, nothing started; enter-service delay of `delay_s`.
    fn new(delay_s: f64) -> Self {
        let library = Library::shipped();
        let product = library.product("sjpcs-1725-m").unwrap();
        let mut overrides = toml::Table::new();
        overrides.insert("enter_service_delay_s".into(), delay_s.into());
        let product = product.with_settings(&overrides);
        let mut bench = Self {
            pcs: Pcs::new(&product, &library).unwrap(),
            now_ms: 0,
            phase_pu: [1.0; 3],
            hz: 50.0,
            dc: Some(1267.2),
            contactor_follows: true,
            bias_w: 0.0,
            bias_dc_a: 0.0,
            drive: Drive::default(),
            bms_alive: true,
            ems_alive: true,
            notes: Vec::new(),
            replies: Vec::new(),
            said: Vec::new(),
        };
        bench.line(Line::SafetyOk, true);
        bench.line(Line::BmsPermit, true);
        bench.set("bms-permit", 1.0);
        bench.set("bms-charge-limit", 1400.0);
        bench.set("bms-discharge-limit", 1400.0);
        bench
    }

    /// Started, connected, following `watts`.
    fn running(watts: f64) -> Self {
        let mut bench = Self::new(1.0);
        bench.run(100);
        bench.command(1);
        bench.run(5000);
        assert_eq!(bench.pcs.state, State::Running);
        bench.set("active-power-setpoint", watts);
        bench.set("active-power-enable", 1.0);
        bench.run(500);
        assert_eq!(bench.drive.power, watts);
        bench
    }

    fn now(&self) -> SimTime {
        SimTime::from_millis(self.now_ms)
    }

    fn give(&mut self, input: Input<'_>) {
        self.pcs.accept(self.now(), input);
        while let Some(output) = self.pcs.poll_output() {
            match output {
                Output::Actuate(Actuation::Converter {
                    gate,
                    ac_contactor,
                    active_power_w,
                    reactive_power_var,
                }) => {
                    self.drive = Drive {
                        gate,
                        ac_contactor,
                        power: active_power_w,
                        reactive: reactive_power_var,
                    };
                    let healthy = self.pcs.lines_healthy();
                    assert!(!gate || healthy, "gate enabled with an open line");
                }
                Output::Note { point, text, .. } => {
                    assert!(self.pcs.points.table().find(point).is_some(), "note on {point}");
                    self.notes.push((self.now_ms, point, text));
                }
                Output::ModbusReply { reply, .. } => self.replies.push(reply),
                Output::Can { frame, .. } => self.said.push((self.now_ms, frame)),
                other => panic!("{other:?}"),
            }
        }
    }

    fn sense(&mut self, channel: Channel, values: &[Option<f64>]) {
        let readings: Vec<Reading> = values
            .iter()
            .map(|value| value.map_or(Reading::invalid(), Reading::valid))
            .collect();
        self.give(Input::Sensed {
            channel,
            readings: &readings,
        });
    }

    fn tick(&mut self) {
        self.now_ms += 10;
        let nominal = 690.0 / 3.0_f64.sqrt();
        let phases = self.phase_pu.map(|pu| Some(pu * nominal));
        self.sense(Channel::GridVoltages, &phases);
        let hz = (self.phase_pu[0] > 0.1).then_some(self.hz);
        self.sense(Channel::GridFrequency, &[hz]);
        self.sense(Channel::ActivePower, &[Some(self.drive.power + self.bias_w)]);
        self.sense(Channel::ReactivePower, &[Some(self.drive.reactive)]);
        self.sense(Channel::ConverterDcVoltage, &[self.dc]);
        let current = self.dc.map(|v| self.drive.power / v.max(1.0) + self.bias_dc_a);
        self.sense(Channel::ConverterDcCurrent, &[current]);
        let closed = self.drive.ac_contactor && self.contactor_follows;
        self.sense(Channel::AcContactorClosed, &[Some(f64::from(u8::from(closed)))]);
        if self.now_ms.is_multiple_of(1000) {
            self.sense(Channel::ConverterTemperature, &[Some(35.0)]);
        }
        if self.now_ms.is_multiple_of(500) {
            let beat = (self.now_ms / 500 % 60_000) as f64;
            if self.bms_alive {
                self.set("bms-heartbeat", beat);
            }
            if self.ems_alive {
                self.set("controller-heartbeat", beat);
            }
        }
        self.give(Input::Wake);
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.tick();
        }
    }

    /// Runs until `done`; returns how long it took, or panics after `limit_ms`.
    fn until(&mut self, limit_ms: u64, done: impl Fn(&Self) -> bool) -> u64 {
        let start = self.now_ms;
        while !done(self) {
            assert!(
                self.now_ms - start < limit_ms,
                "not within {limit_ms} ms; {:?}",
                self.notes
            );
            self.tick();
        }
        self.now_ms - start
    }

    fn line(&mut self, line: Line, level: bool) {
        self.give(Input::Line { line, level });
    }

    /// Writes a point through its register, as a client would.
    fn set(&mut self, point: &str, value: f64) {
        self.set_in_view(0, point, value);
    }

    /// Likewise, through the `view`-th register that the point has.
    fn set_in_view(&mut self, view: usize, point: &str, value: f64) {
        let reply = self.try_set(view, point, value);
        assert_eq!(reply, Some(Ok(ModbusData::Written)), "writing {point}");
    }

    fn try_set(&mut self, view: usize, point: &str, value: f64) -> Option<ModbusReply> {
        let found = self.pcs.server.words_for(point, view, value, &self.pcs.points);
        let (address, values) = found.unwrap_or_else(|| panic!("{point} has no register to write"));
        self.request(&ModbusRequest::WriteRegisters { address, values })
    }

    fn command(&mut self, command: u16) {
        let values = vec![command];
        let reply = self.request(&ModbusRequest::WriteRegisters {
            address: 30_006,
            values,
        });
        assert_eq!(reply, Some(Ok(ModbusData::Written)));
    }

    fn request(&mut self, request: &ModbusRequest) -> Option<ModbusReply> {
        self.replies.clear();
        self.give(Input::ModbusRequest {
            unit: 1,
            access: ModbusAccess::default(),
            request,
            token: Token(7),
        });
        assert_eq!(self.replies.len(), 1);
        self.replies.remove(0)
    }

    fn get(&self, point: &str) -> f64 {
        let points = &self.pcs.points;
        points.get(points.table().find(point).unwrap()).unwrap()
    }
}

#[test]
fn start_waits_for_the_enter_service_delay_then_connects() {
    let mut bench = Bench::new(30.0);
    bench.run(100);
    bench.command(1);
    bench.run(1000);
    assert_eq!(bench.pcs.state, State::Starting);
    assert_eq!(bench.get("enter-service-remaining"), 29.0);
    assert!(!bench.drive.ac_contactor);
    let took = bench.until(60_000, |bench| bench.drive.gate);
    assert!((30_500..32_000).contains(&(took + 1000)), "{took} ms");
    assert_eq!(bench.get("inverter-state"), 3.0);
    assert_eq!(bench.get("pcs-state"), 3.0);
}

#[test]
fn start_without_dc_voltage_is_a_fault_after_the_precheck_time() {
    let mut bench = Bench::new(1.0);
    bench.dc = Some(400.0);
    bench.run(1500);
    bench.command(1);
    let took = bench.until(40_000, |bench| bench.pcs.state == State::Fault);
    assert_eq!(took, 30_000);
    assert_eq!(bench.pcs.cause, Cause::PrecheckTimeout);
    bench.command(1);
    assert_eq!(
        bench.pcs.state,
        State::Fault,
        "a start does not clear an internal fault"
    );
    bench.command(3);
    assert_eq!(bench.pcs.state, State::Off);
}

#[test]
fn a_power_step_is_done_within_200_ms_and_signs_hold() {
    let mut bench = Bench::running(0.0);
    bench.set("active-power-setpoint", 1_700_000.0);
    assert!(bench.until(1000, |bench| bench.drive.power == 1_700_000.0) <= 200);
    bench.set("active-power-setpoint", -1_700_000.0);
    assert!(bench.until(1000, |bench| bench.drive.power == -1_700_000.0) <= 400);
    bench.run(400);
    assert!(bench.get("dc-current") < 0.0);
}

#[test]
fn an_open_line_blocks_the_gate_before_accept_returns_and_latches() {
    for (line, cause) in [
        (Line::SafetyOk, Cause::SafetyChain),
        (Line::BmsPermit, Cause::BmsPermitLine),
    ] {
        let mut bench = Bench::running(1_000_000.0);
        bench.line(line, false);
        assert_eq!(bench.drive, Drive::default(), "in the same call");
        assert_eq!(bench.pcs.cause, cause);
        bench.command(1);
        bench.run(1000);
        assert_eq!(bench.pcs.state, State::Fault, "no start with the line open");
        bench.line(line, true);
        bench.run(60_000);
        assert_eq!(bench.pcs.state, State::Fault, "no restart by itself");
        bench.command(1);
        bench.until(10_000, |bench| bench.pcs.state == State::Running);
    }
}

#[test]
fn a_line_that_opens_during_a_start_ends_it() {
    let mut bench = Bench::new(10.0);
    bench.run(100);
    bench.command(1);
    bench.run(2000);
    bench.line(Line::SafetyOk, false);
    bench.line(Line::SafetyOk, true);
    bench.run(30_000);
    assert_eq!(bench.pcs.state, State::Fault);
}

#[test]
fn follows_a_falling_battery_limit_at_once() {
    let mut bench = Bench::running(1_500_000.0);
    bench.set("bms-discharge-limit", 100.0);
    let limit = 100.0 * 1267.2 * 0.98;
    assert!(bench.until(1000, |bench| (bench.drive.power - limit).abs() < 1.0) <= 20);
    bench.run(10);
    assert_eq!(bench.get("inverter-state"), 4.0);
    assert_eq!(bench.get("throttle-source"), f64::from(1 << 14));
    bench.set("bms-permit", 0.0);
    bench.run(20);
    assert_eq!(bench.drive.power, 0.0);
    assert!(bench.drive.gate, "still connected");
    bench.set("active-power-setpoint", -500_000.0);
    bench.set("bms-permit", 1.0);
    bench.set("bms-charge-limit", 0.0);
    bench.run(500);
    assert_eq!(bench.drive.power, 0.0);
}

#[test]
fn a_silent_bms_means_0_kw_after_2_s_and_a_stop_after_10_s() {
    let mut bench = Bench::running(1_000_000.0);
    bench.bms_alive = false;
    let last_beat = bench.now_ms / 500 * 500;
    bench.until(5000, |bench| bench.drive.power == 0.0);
    assert!(
        (2000..=2020).contains(&(bench.now_ms - last_beat)),
        "{}",
        bench.now_ms - last_beat
    );
    bench.until(20_000, |bench| !bench.drive.ac_contactor);
    assert!((10_000..=10_020).contains(&(bench.now_ms - last_beat)));
    assert_eq!(bench.pcs.cause, Cause::BmsHeartbeat);
    bench.bms_alive = true;
    bench.run(60_000);
    assert_eq!(bench.pcs.state, State::Fault, "never by itself after a BMS trip");
}

#[test]
fn a_silent_ems_means_a_ramp_to_0_after_10_s_and_standby_after_60_s() {
    let mut bench = Bench::running(1_000_000.0);
    bench.ems_alive = false;
    let last_beat = bench.now_ms / 500 * 500;
    bench.until(20_000, |bench| bench.drive.power == 0.0);
    assert!(
        (10_000..=10_200).contains(&(bench.now_ms - last_beat)),
        "{}",
        bench.now_ms - last_beat
    );
    bench.until(70_000, |bench| bench.pcs.state == State::Standby);
    assert!((60_000..=60_100).contains(&(bench.now_ms - last_beat)));
    assert!(bench.drive.ac_contactor && !bench.drive.gate);
    bench.ems_alive = true;
    bench.until(2000, |bench| bench.drive.power == 1_000_000.0);
}

#[test]
fn set_points_revert_when_their_timer_runs_out() {
    let mut bench = Bench::running(500_000.0);
    bench.set("active-power-setpoint-revert", 100_000.0);
    bench.set("active-power-enable-revert", 1.0);
    bench.set("active-power-revert-time", 5.0);
    bench.run(3000);
    assert_eq!(bench.get("active-power-revert-remaining"), 2.0);
    bench.set("active-power-setpoint", 600_000.0);
    bench.run(4900);
    assert_eq!(bench.drive.power, 600_000.0, "a write starts the timer again");
    bench.run(500);
    assert_eq!(bench.drive.power, 100_000.0);
    assert_eq!(bench.get("active-power-revert-remaining"), 0.0);
}

#[test]
fn power_limit_and_apparent_power_bound_the_set_points() {
    let mut bench = Bench::running(1_500_000.0);
    bench.set("active-power-limit", 50.0);
    bench.set("active-power-limit-enable", 1.0);
    bench.run(300);
    assert_eq!(bench.drive.power, 862_500.0);
    bench.set("reactive-power-setpoint", 1_725_000.0);
    bench.set("reactive-power-enable", 1.0);
    bench.run(300);
    let room = super::der::leg(1.725e6, 862_500.0);
    assert!(
        (bench.drive.reactive - room).abs() < 1.0,
        "active power goes first"
    );
    bench.set("reactive-power-priority", 1.0);
    bench.run(500);
    assert_eq!((bench.drive.power, bench.drive.reactive), (0.0, 1_725_000.0));
}

#[test]
fn a_stop_ramps_down_then_disconnects() {
    let mut bench = Bench::running(1_000_000.0);
    bench.set("active-power-ramp", 50.0);
    bench.command(2);
    assert_eq!(bench.pcs.state, State::Stopping);
    bench.run(500);
    assert!(bench.drive.gate && bench.drive.power > 0.0);
    bench.until(5000, |bench| !bench.drive.ac_contactor);
    assert_eq!(bench.pcs.state, State::Off);
    bench.run(10_000);
    assert_eq!(bench.pcs.state, State::Off);
}

#[test]
fn rides_through_a_deep_sag_with_the_gate_blocked() {
    let mut bench = Bench::running(1_000_000.0);
    bench.phase_pu = [0.3; 3];
    bench.tick();
    assert!(!bench.drive.gate && bench.drive.ac_contactor);
    bench.run(900);
    bench.phase_pu = [1.0; 3];
    let took = bench.until(1000, |bench| bench.drive.power == 1_000_000.0);
    assert!(took <= 400, "{took} ms");
}

#[test]
fn trips_at_the_time_of_the_table() {
    for (phase_pu, hz, cause, ms) in [
        ([1.25; 3], 50.0, GridTrip::OverVoltage, 160),
        ([1.15, 1.0, 1.0], 50.0, GridTrip::OverVoltage, 13_000),
        ([0.8, 1.0, 1.0], 50.0, GridTrip::UnderVoltage, 21_000),
        ([0.4, 1.0, 1.0], 50.0, GridTrip::UnderVoltage, 2000),
        ([0.0; 3], 50.0, GridTrip::LossOfGrid, 1500),
        ([1.0; 3], 51.8, GridTrip::OverFrequency, 160),
        ([1.0; 3], 47.0, GridTrip::UnderFrequency, 160),
        ([1.0; 3], 51.1, GridTrip::OverFrequency, 300_000),
        ([1.0; 3], 48.7, GridTrip::UnderFrequency, 300_000),
    ] {
        let mut bench = Bench::running(1_000_000.0);
        bench.phase_pu = phase_pu;
        bench.hz = hz;
        bench.tick();
        let took = bench.until(ms + 1000, |bench| !bench.drive.ac_contactor);
        assert!((ms..=ms + 20).contains(&took), "{cause:?}: {took} ms");
        assert_eq!(bench.pcs.cause, Cause::Grid(cause));
        assert_eq!(bench.pcs.state, State::Starting, "waits to reconnect");
    }
}

#[test]
fn reconnects_by_itself_after_a_grid_trip_and_the_full_delay() {
    let mut bench = Bench::running(1_000_000.0);
    bench.set("service-delay", 300.0);
    bench.phase_pu = [0.0; 3];
    bench.until(2000, |bench| !bench.drive.ac_contactor);
    bench.run(5000);
    assert_eq!(bench.get("enter-service-remaining"), 300.0);
    bench.phase_pu = [1.0; 3];
    let took = bench.until(310_000, |bench| bench.drive.gate);
    assert!((302_000..303_000).contains(&took), "{took} ms");
    assert_eq!(bench.pcs.cause, Cause::None);
}

#[test]
fn grid_trip_while_a_line_is_open_does_not_reconnect() {
    let mut bench = Bench::running(1_000_000.0);
    bench.phase_pu = [0.0; 3];
    bench.until(2000, |bench| !bench.drive.ac_contactor);
    bench.line(Line::SafetyOk, false);
    bench.line(Line::SafetyOk, true);
    bench.phase_pu = [1.0; 3];
    bench.run(20_000);
    assert_eq!(bench.pcs.state, State::Fault);
}

#[test]
fn losing_the_battery_under_load_trips() {
    let mut bench = Bench::running(1_000_000.0);
    bench.dc = Some(700.0);
    let took = bench.until(1000, |bench| !bench.drive.gate);
    assert!((100..=120).contains(&took), "{took} ms");
    assert_eq!(bench.pcs.cause, Cause::DcUnderVoltage);
    bench.dc = Some(1267.2);
    bench.command(1);
    assert_eq!(bench.pcs.state, State::Fault);
    bench.set("alarm-reset", 1.0);
    bench.command(1);
    bench.until(10_000, |bench| bench.pcs.state == State::Running);
}

#[test]
fn a_blind_pcs_and_a_stuck_contactor_trip() {
    let mut bench = Bench::running(1_000_000.0);
    bench.dc = None;
    bench.until(1000, |bench| !bench.drive.gate);
    assert_eq!(bench.pcs.cause, Cause::Measurement);

    let mut bench = Bench::new(1.0);
    bench.contactor_follows = false;
    bench.run(100);
    bench.command(1);
    bench.until(10_000, |bench| bench.pcs.state == State::Fault);
    assert_eq!(bench.pcs.cause, Cause::AcContactor);
    assert!(!bench.drive.ac_contactor);
}

/// Whatever its sensor is off by, within its accuracy, the reading is the set point; the power itself is off.
#[test]
fn regulates_what_it_measures() {
    let mut bench = Bench::running(0.0);
    for (watts, bias_w) in [
        (0.0, 3_840.0),
        (20_000.0, 3_840.0),
        (1_000_000.0, 5_800.0),
        (-1_000_000.0, 1_900.0),
    ] {
        bench.bias_w = bias_w;
        bench.set("active-power-setpoint", watts);
        bench.run(12_000);
        let shown = bench.get("active-power");
        assert!((shown - watts).abs() < 1.0, "{shown} W of {watts} W");
        assert!(
            (bench.drive.power + bias_w - watts).abs() < 1.0,
            "{:?}",
            bench.drive
        );
        assert_eq!(bench.get("active-power-target"), watts);
    }
    let counted = bench.get("energy-charged");
    bench.set("active-power-setpoint", 0.0);
    bench.run(10_000);
    let settled = bench.get("energy-charged");
    bench.run(60_000);
    assert_eq!(bench.get("energy-charged"), settled, "at 0 nothing is counted");
    assert!(settled - counted < 100.0, "{} Wh", settled - counted);
}

#[test]
fn a_sensor_that_fails_cannot_lead_the_power_astray() {
    let mut bench = Bench::running(500_000.0);
    bench.bias_w = 300_000.0;
    bench.run(60_000);
    assert!(
        (bench.drive.power - 500_000.0).abs() <= 0.01 * 1.725e6 + 1.0,
        "{:?}",
        bench.drive
    );
}

#[test]
fn its_metering_shows_and_counts_nothing_while_open_or_below_its_start() {
    let mut bench = Bench::new(1.0);
    bench.bias_w = 50_000.0;
    bench.run(2000);
    assert_eq!(bench.get("active-power"), 0.0, "the contactor is open");
    assert_eq!(bench.get("energy-discharged"), 0.0);
    bench.bias_w = 0.0;
    bench.command(1);
    bench.run(5000);
    assert_eq!(bench.pcs.state, State::Running);
    // gate blocked, so nothing regulates
    bench.set("operation", 2.0);
    bench.run(1000);
    // 0.1 % of 1725 kVA is 1725 W
    for (bias_w, shown) in [(1_700.0, 0.0), (-1_700.0, 0.0), (1_750.0, 1_750.0)] {
        bench.bias_w = bias_w;
        bench.run(1000);
        assert_eq!(bench.get("active-power"), shown);
    }
    assert_eq!(bench.get("energy-charged"), 0.0);
    bench.run(10_000);
    let counted = bench.get("energy-discharged") * 3600.0 / 1_750.0;
    assert!((10.7..11.1).contains(&counted), "{counted} s");
}

/// 0.1 % of 1725 A, which is the rating at the lowest DC voltage.
#[test]
fn its_dc_metering_has_a_start_too() {
    let mut bench = Bench::new(1.0);
    for (bias_dc_a, shown) in [(1.7, 0.0), (-1.7, 0.0), (-1.8, -1.8)] {
        bench.bias_dc_a = bias_dc_a;
        bench.run(1000);
        assert!(
            (bench.get("dc-current") - shown).abs() < 1e-9,
            "{}",
            bench.get("dc-current")
        );
        assert!((bench.get("dc-current-magnitude") - shown.abs()).abs() < 1e-9);
        assert!((bench.get("dc-power") - shown * 1267.2).abs() < 1e-6);
    }
}

#[test]
fn a_set_point_beyond_the_rating_is_refused() {
    let mut bench = Bench::running(500_000.0);
    for point in ["active-power-setpoint", "reactive-power-setpoint"] {
        for value in [5e6, -1_725_001.0] {
            let reply = bench.try_set(0, point, value);
            assert_eq!(
                reply,
                Some(Err(ModbusException::IllegalDataValue)),
                "{point} {value}"
            );
        }
        assert_eq!(
            bench.try_set(0, point, -1_725_000.0),
            Some(Ok(ModbusData::Written))
        );
    }
}

#[test]
fn standby_by_command_and_back() {
    let mut bench = Bench::running(1_000_000.0);
    bench.set("operation", 2.0);
    bench.until(1000, |bench| bench.pcs.state == State::Standby);
    assert!(bench.drive.ac_contactor && !bench.drive.gate);
    assert_eq!(bench.get("inverter-state"), 7.0);
    bench.set("operation", 3.0);
    bench.until(1000, |bench| bench.drive.power == 1_000_000.0);
    bench.set("local-control", 1.0);
    bench.until(1000, |bench| bench.drive.power == 0.0);
    bench.set("operation", 0.0);
    bench.until(6000, |bench| bench.pcs.state == State::Off);
    bench.set("operation", 1.0);
    assert_eq!(bench.pcs.state, State::Off, "no remote start in local");
}

#[test]
fn losing_its_supply_is_silent_and_ends_as_a_cold_start() {
    let mut bench = Bench::running(1_000_000.0);
    bench.pcs.inject(&DeviceFault::PowerOff).unwrap();
    bench.give(Input::Wake);
    assert_eq!(bench.drive, Drive::default());
    let read = ModbusRequest::Read {
        table: Table::Holding,
        address: 40_000,
        count: 2,
    };
    assert_eq!(bench.request(&read), None);
    assert_eq!(bench.pcs.next_wake(), SimTime::NEVER);
    bench.pcs.inject(&DeviceFault::PowerOn).unwrap();
    bench.run(60_000);
    assert_eq!(bench.pcs.state, State::Off, "no start by itself");
    assert_eq!(bench.get("active-power-setpoint"), 0.0);
}

#[test]
fn a_frozen_life_counter_stands_while_data_flows() {
    let mut bench = Bench::running(500_000.0);
    bench.pcs.inject(&DeviceFault::FreezeCounters).unwrap();
    let before = bench.get("life-counter");
    bench.run(5000);
    assert_eq!(bench.get("life-counter"), before);
    bench.pcs.inject(&DeviceFault::UnfreezeCounters).unwrap();
    bench.run(5000);
    assert_eq!(bench.get("life-counter"), before + 5.0);
}

#[test]
fn bad_requests_get_their_exceptions_and_change_nothing() {
    let mut bench = Bench::new(1.0);
    let read = |address, count| ModbusRequest::Read {
        table: Table::Holding,
        address,
        count,
    };
    let write = |address, values: &[u16]| ModbusRequest::WriteRegisters {
        address,
        values: values.to_vec(),
    };
    for (request, exception) in [
        (read(40_000, 0), ModbusException::IllegalDataValue),
        (read(40_000, 126), ModbusException::IllegalDataValue),
        (read(41_450, 20), ModbusException::IllegalDataAddress),
        (read(39_999, 2), ModbusException::IllegalDataAddress),
        (read(30_015, 2), ModbusException::IllegalDataAddress),
        (write(40_070, &[1]), ModbusException::IllegalDataAddress),
        // Limit writable, state behind it not: neither changes.
        (write(30_009, &[0, 0, 0]), ModbusException::IllegalDataAddress),
        (write(30_006, &[9]), ModbusException::IllegalDataValue),
        // Half of the 32-bit set point.
        (write(40_301, &[1]), ModbusException::IllegalDataAddress),
        (
            ModbusRequest::Read {
                table: Table::Coil,
                address: 0,
                count: 1,
            },
            ModbusException::IllegalFunction,
        ),
        (
            ModbusRequest::Unsupported { function: 8 },
            ModbusException::IllegalFunction,
        ),
    ] {
        let before = bench.pcs.server.image(&bench.pcs.points);
        assert_eq!(bench.request(&request), Some(Err(exception)), "{request:?}");
        assert_eq!(bench.pcs.server.image(&bench.pcs.points), before, "{request:?}");
    }
}

#[test]
fn holds_to_the_device_contract() {
    crate::contract::device_contract(|| {
        let library = Library::shipped();
        let product = library.product("sjpcs-1725-m").unwrap();
        Box::new(Pcs::new(&product, &library).unwrap())
    });
}

/// SunSpec counts both over all phases: at rated apparent power one is the other.
#[test]
fn the_rated_current_is_of_the_kind_that_is_measured() {
    let mut bench = Bench::running(1_725_000.0);
    bench.run(1000 - bench.now_ms % 1000);
    let get = |name: &str| {
        let points = &bench.pcs.points;
        points.get(points.table().find(name).unwrap()).unwrap()
    };
    let per_va = get("ac-current-total") / get("apparent-power");
    let rated = get("rated-current") / get("rated-apparent-power");
    assert!((per_va / rated - 1.0).abs() < 0.1, "{per_va} {rated}");
}

#[test]
fn register_image_when_running() {
    let mut bench = Bench::running(1_000_000.0);
    bench.set("bms-soc", 62.5);
    bench.run(1000 - bench.now_ms % 1000);
    insta::assert_snapshot!(bench.pcs.server.image(&bench.pcs.points));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is written, in whatever order with lines opening and closing: no panic, never a gate with an open line
    /// (checked at every actuation), and an open line leaves the machine blocked.
    #[test]
    fn no_write_enables_the_gate_with_an_open_line(
        acts in proptest::collection::vec((0_u16..4, prop_oneof![30_000_u16..30_012, 40_277_u16..41_453], any::<u16>(), any::<u16>()), 1..60)
    ) {
        let mut bench = Bench::running(500_000.0);
        for (act, address, first, second) in acts {
            match act {
                0 => bench.line(Line::SafetyOk, first % 2 == 0),
                1 => bench.line(Line::BmsPermit, first % 2 == 0),
                _ => {
                    let values = if act == 2 { vec![first % 5] } else { vec![first, second] };
                    bench.request(&ModbusRequest::WriteRegisters { address, values });
                }
            }
            bench.run(u64::from(second % 8) * 10);
            if !bench.pcs.lines_healthy() {
                prop_assert!(!bench.drive.gate && !bench.drive.ac_contactor);
            }
            prop_assert!(bench.drive.power.is_finite() && bench.drive.power.abs() <= 1.725e6 + 1.0);
        }
    }
}

fn short(id: u16, data: &[u8]) -> CanFrame {
    CanFrame::new(CanId::Standard(id), data).unwrap()
}

/// 798.0 V, and so many tenths of amperes each way, 640.0 V.
fn limits(charge: u16, discharge: u16) -> CanFrame {
    let words = [7_980, charge, discharge, 6_400];
    let bytes: Vec<u8> = words.iter().flat_map(|word: &u16| word.to_le_bytes()).collect();
    short(0x351, &bytes)
}

#[test]
fn a_bus_gives_the_limits_and_its_silence_takes_them() {
    let mut bench = Bench::on_bus("pcs-100-380-pylontech-lv", 700.0);
    let both = short(0x35C, &[0xC0, 0]);
    bench.hear(&[limits(1_000, 1_000), both], 1);
    bench.command(1);
    bench.hear(&[limits(1_000, 1_000), both], 5);
    assert_eq!(bench.pcs.state, State::Running);
    let alive = bench
        .said
        .iter()
        .filter(|(_, frame)| frame.to_string() == "305#0000000000000000");
    assert_eq!(alive.count(), 6, "every second");
    bench.set("active-power-setpoint", -100_000.0);
    bench.set("active-power-enable", 1.0);
    bench.hear(&[limits(1_000, 1_000), both], 2);
    assert_eq!(bench.drive.power, -70_000.0, "100 A at 700 V");
    bench.hear(&[limits(500, 1_000), both], 2);
    assert_eq!(bench.drive.power, -35_000.0);
    bench.hear(&[limits(500, 1_000), short(0x35C, &[0x40, 0])], 1);
    assert_eq!(bench.drive.power, 0.0, "charging is forbidden");
    bench.set("active-power-setpoint", 100_000.0);
    bench.hear(&[limits(500, 1_000), short(0x35C, &[0x40, 0])], 2);
    assert!(
        (bench.drive.power - 70_000.0 * 0.96).abs() < 1.0,
        "{}",
        bench.drive.power
    );
    bench.run(2_100);
    assert_eq!(bench.drive.power, 0.0, "silent for 2 s");
    assert_eq!(bench.pcs.state, State::Running);
    bench.run(9_000);
    assert_eq!(bench.pcs.cause, Cause::BmsHeartbeat);
}

#[test]
fn charging_fades_out_towards_the_batterys_voltage() {
    let mut bench = Bench::on_bus("pcs-100-380-pylontech-lv-13", 700.0);
    bench.hear(&[limits(1_000, 1_000)], 1);
    bench.command(1);
    bench.hear(&[limits(1_000, 1_000)], 5);
    bench.set("active-power-setpoint", -100_000.0);
    bench.set("active-power-enable", 1.0);
    for (dc_v, charge_a) in [(700.0, 100.0), (796.005, 50.0), (798.0, 0.0), (799.0, 0.0)] {
        bench.dc = Some(dc_v);
        bench.hear(&[limits(1_000, 1_000)], 2);
        let expected = -charge_a * dc_v;
        assert!(
            (bench.drive.power - expected).abs() < 1.0,
            "{dc_v} V: {}",
            bench.drive.power
        );
    }
}

#[test]
fn keeps_the_device_contract_on_a_bus() {
    let library = Library::shipped();
    for id in ["pcs-100-380-byd-hv", "pcs-100-380-pylontech-hv"] {
        let product = library.product(id).unwrap();
        crate::contract::device_contract(|| Box::new(Pcs::new(&product, &library).unwrap()));
    }
}
