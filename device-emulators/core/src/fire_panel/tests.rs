#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use bess_types::{ModbusData, ModbusRequest};
use proptest::prelude::*;

use super::*;

/// A panel in clean air, with a damper and a fan that follow at once.
struct Bench {
    panel: FirePanel,
    now_ms: u64,
    h2: f64,
    co: f64,
    smoke: f64,
    ceiling: f64,
    flow: bool,
    damper_stuck_open: bool,
    vent: bool,
    hvac: bool,
    released: Option<u64>,
    lines: Vec<(Line, bool)>,
    notes: Vec<&'static str>,
}

impl Bench {
    fn new() -> Self {
        let library = Library::shipped();
        let product = library.product("fire-panel").unwrap();
        Self {
            panel: FirePanel::new(&product, &library).unwrap(),
            now_ms: 0,
            h2: 0.0,
            co: 0.0,
            smoke: 0.0,
            ceiling: 25.0,
            flow: false,
            damper_stuck_open: false,
            vent: false,
            hvac: false,
            released: None,
            lines: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn give(&mut self, input: Input<'_>) {
        self.panel.accept(SimTime::from_millis(self.now_ms), input);
        while let Some(output) = self.panel.poll_output() {
            match output {
                Output::Actuate(Actuation::Ventilation { fan, damper_open }) => {
                    assert_eq!(fan, damper_open);
                    self.vent = fan;
                }
                Output::Actuate(Actuation::Hvac { on }) => self.hvac = on,
                Output::Actuate(Actuation::ReleaseAgent) => {
                    assert!(!self.vent && !self.hvac, "released into a ventilated container");
                    assert!(self.released.is_none(), "released twice");
                    self.released = Some(self.now_ms);
                }
                Output::Line { line, level } => self.lines.push((line, level)),
                Output::Note { point, .. } => {
                    assert!(self.panel.points.table().find(point).is_some(), "note on {point}");
                    self.notes.push(point);
                }
                Output::ModbusReply { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms / 100 {
            self.now_ms += 100;
            for (channel, value) in [
                (Channel::Hydrogen, self.h2),
                (Channel::CarbonMonoxide, self.co),
                (Channel::Smoke, self.smoke),
                (Channel::CeilingTemperature, self.ceiling),
                (Channel::AgentPressure, 2.5e6),
                (
                    Channel::AgentFlow,
                    f64::from(u8::from(self.flow && self.released.is_some())),
                ),
                (
                    Channel::DamperClosed,
                    f64::from(u8::from(!self.vent && !self.damper_stuck_open)),
                ),
                (Channel::VentFanRunning, f64::from(u8::from(self.vent))),
            ] {
                self.give(Input::Sensed {
                    channel,
                    readings: &[Reading::valid(value)],
                });
            }
            self.give(Input::Wake);
        }
    }

    fn until(&mut self, limit_ms: u64, done: impl Fn(&Self) -> bool) -> u64 {
        let start = self.now_ms;
        while !done(self) {
            assert!(
                self.now_ms - start < limit_ms,
                "not within {limit_ms} ms; {:?}",
                self.notes
            );
            self.run(100);
        }
        self.now_ms - start
    }

    fn line(&mut self, line: Line, level: bool) {
        self.give(Input::Line { line, level });
    }

    fn coil(&mut self, address: u16) {
        let request = ModbusRequest::WriteCoils {
            address,
            values: vec![true],
        };
        self.give(Input::ModbusRequest {
            unit: 1,
            access: ModbusAccess::default(),
            request: &request,
            token: Token(1),
        });
    }

    fn is_up(&self, line: Line) -> bool {
        self.lines
            .iter()
            .rev()
            .find(|given| given.0 == line)
            .is_some_and(|given| given.1)
    }

    /// Fire confirmed by smoke and heat.
    fn confirmed() -> Self {
        let mut bench = Self::new();
        bench.flow = true;
        bench.run(1000);
        bench.smoke = 0.3;
        bench.ceiling = 60.0;
        bench.until(3000, |bench| bench.panel.stage == Stage::Level2);
        bench
    }
}

const RESET: u16 = 3;
const VENT: u16 = 5;

#[test]
fn gas_for_10_s_ventilates() {
    let mut bench = Bench::new();
    bench.run(1000);
    assert!(bench.hvac && !bench.vent);
    bench.h2 = 60.0;
    bench.run(5000);
    bench.h2 = 0.0;
    bench.run(1000);
    bench.h2 = 60.0;
    let took = bench.until(20_000, |bench| bench.vent);
    assert!((10_000..=10_200).contains(&took), "{took} ms");
    assert!(bench.is_up(Line::FirePrewarning) && !bench.is_up(Line::FireLevel1));
    assert_eq!(bench.panel.stage, Stage::Prewarning);
    bench.h2 = 10.0;
    bench.run(59_000);
    assert!(bench.vent);
    bench.run(2000);
    assert!(!bench.vent && !bench.is_up(Line::FirePrewarning));
}

#[test]
fn carbon_monoxide_and_the_bms_ventilate_too() {
    let mut bench = Bench::new();
    bench.co = 50.0;
    bench.until(12_000, |bench| bench.vent);
    let mut bench = Bench::new();
    bench.run(1000);
    bench.line(Line::VentRequest, true);
    bench.run(100);
    assert!(bench.vent && bench.panel.stage == Stage::Normal);
    bench.line(Line::VentRequest, false);
    bench.run(100);
    assert!(!bench.vent);
}

#[test]
fn one_detector_is_level_1_and_latches() {
    for heat in [false, true] {
        let mut bench = Bench::new();
        bench.run(1000);
        if heat {
            bench.ceiling = 57.0;
        } else {
            bench.smoke = 0.15;
        }
        let took = bench.until(5000, |bench| bench.is_up(Line::FireLevel1));
        assert!(took <= 2200, "{took} ms");
        assert!(bench.is_up(Line::Sounder) && !bench.is_up(Line::FireLevel2));
        bench.smoke = 0.0;
        bench.ceiling = 25.0;
        bench.run(600_000);
        assert_eq!(bench.panel.stage, Stage::Level1, "latched");
        bench.coil(2);
        bench.run(100);
        assert!(!bench.is_up(Line::Sounder), "silenced");
        bench.coil(RESET);
        bench.run(100);
        assert_eq!(bench.panel.stage, Stage::Normal);
        assert!(!bench.is_up(Line::FireLevel1));
    }
}

#[test]
fn heat_is_also_a_fast_rise() {
    let mut bench = Bench::new();
    bench.run(40_000);
    for _ in 0..35 {
        bench.ceiling += 9.0 / 60.0;
        bench.run(1000);
    }
    assert!(bench.ceiling < 57.0);
    assert!(bench.panel.heat_latched[0]);
    let mut slow = Bench::new();
    slow.run(40_000);
    for _ in 0..120 {
        slow.ceiling += 7.0 / 60.0;
        slow.run(1000);
    }
    assert!(!slow.panel.heat_latched[0]);
}

#[test]
fn confirmed_fire_shuts_the_air_and_releases_after_the_countdown() {
    let mut bench = Bench::new();
    bench.flow = true;
    bench.h2 = 500.0;
    bench.until(12_000, |bench| bench.vent);
    bench.smoke = 0.3;
    bench.run(3000);
    assert!(bench.vent, "still venting at level 1");
    bench.ceiling = 60.0;
    bench.until(3000, |bench| bench.is_up(Line::FireLevel2));
    assert!(!bench.vent && !bench.hvac, "air shut in the same cycle");
    bench.line(Line::VentRequest, true);
    let took = bench.until(40_000, |bench| bench.released.is_some());
    assert!((29_900..=30_200).contains(&took), "{took} ms");
    assert!(!bench.vent, "a vent request counts for nothing from level 2 on");
    let took = bench.until(11_000, |bench| bench.is_up(Line::FireReleased));
    assert!(took <= 10_000);
    assert_eq!(bench.panel.stage, Stage::Released);
}

#[test]
fn the_manual_call_point_confirms_alone() {
    let mut bench = Bench::new();
    bench.flow = true;
    bench.run(1000);
    bench.line(Line::ManualCallPoint, true);
    bench.run(100);
    bench.line(Line::ManualCallPoint, false);
    assert_eq!(bench.panel.stage, Stage::Level2);
    bench.until(31_000, |bench| bench.released.is_some());
}

#[test]
fn hold_stops_the_countdown_and_it_resumes() {
    let mut bench = Bench::confirmed();
    bench.run(10_000);
    bench.line(Line::SuppressionHold, true);
    bench.run(60_000);
    assert_eq!(bench.released, None);
    bench.line(Line::SuppressionHold, false);
    let took = bench.until(30_000, |bench| bench.released.is_some());
    assert!((19_800..=20_200).contains(&took), "{took} ms");
}

#[test]
fn abort_ends_the_countdown_until_a_person_starts_it() {
    let mut bench = Bench::confirmed();
    bench.run(5000);
    bench.coil(1);
    bench.run(120_000);
    assert_eq!((bench.released, bench.panel.stage), (None, Stage::Level2));
    bench.coil(0);
    bench.until(31_000, |bench| bench.released.is_some());
}

#[test]
fn in_manual_mode_detectors_confirm_but_do_not_release() {
    let mut bench = Bench::new();
    bench.flow = true;
    let request = ModbusRequest::WriteCoils {
        address: 4,
        values: vec![false],
    };
    bench.give(Input::ModbusRequest {
        unit: 1,
        access: ModbusAccess::default(),
        request: &request,
        token: Token(1),
    });
    bench.smoke = 0.3;
    bench.ceiling = 60.0;
    bench.run(120_000);
    assert_eq!((bench.released, bench.panel.stage), (None, Stage::Level2));
    bench.coil(0);
    bench.until(31_000, |bench| bench.released.is_some());
}

#[test]
fn an_open_damper_holds_the_agent() {
    let mut bench = Bench::new();
    bench.flow = true;
    bench.damper_stuck_open = true;
    bench.smoke = 0.3;
    bench.ceiling = 60.0;
    bench.run(90_000);
    assert_eq!(bench.released, None);
    assert!(bench.notes.contains(&"isolation-failed"));
    bench.damper_stuck_open = false;
    bench.run(300);
    assert!(bench.released.is_some());
}

#[test]
fn no_flow_within_10_s_is_a_failed_release() {
    let mut bench = Bench::confirmed();
    bench.flow = false;
    bench.until(31_000, |bench| bench.released.is_some());
    let took = bench.until(20_000, |bench| bench.notes.contains(&"release-failed"));
    assert!((10_000..=10_200).contains(&took), "{took} ms");
    assert!(!bench.is_up(Line::FireReleased));
}

#[test]
fn heat_after_release_is_level_3() {
    let mut bench = Bench::confirmed();
    bench.until(31_000, |bench| bench.released.is_some());
    let took = bench.until(70_000, |bench| bench.panel.stage == Stage::Level3);
    assert!((60_000..=60_200).contains(&took), "{took} ms");
    let mut cooled = Bench::confirmed();
    cooled.until(31_000, |bench| bench.released.is_some());
    cooled.ceiling = 30.0;
    cooled.run(300_000);
    assert_eq!(cooled.panel.stage, Stage::Released);
}

#[test]
fn after_release_nothing_is_vented_or_reset_for_10_min() {
    let mut bench = Bench::confirmed();
    bench.until(31_000, |bench| bench.released.is_some());
    bench.smoke = 0.0;
    bench.ceiling = 25.0;
    bench.run(590_000);
    bench.coil(VENT);
    bench.coil(RESET);
    bench.run(100);
    assert!(!bench.vent);
    assert_eq!(bench.panel.stage, Stage::Released);
    bench.run(11_000);
    assert!(!bench.vent, "only by a manual command");
    bench.coil(VENT);
    bench.run(100);
    assert!(bench.vent);
    bench.coil(RESET);
    bench.run(100);
    assert_eq!(bench.panel.stage, Stage::Normal);
}

#[test]
fn losing_its_supply_drops_the_lines_and_shuts_the_vent() {
    let mut bench = Bench::new();
    bench.h2 = 100.0;
    bench.until(12_000, |bench| bench.vent);
    bench.panel.inject(&DeviceFault::PowerOff).unwrap();
    bench.give(Input::Wake);
    assert!(!bench.vent && !bench.is_up(Line::FirePrewarning));
    bench.panel.inject(&DeviceFault::PowerOn).unwrap();
    bench.until(12_000, |bench| bench.vent);
}

#[test]
fn each_detector_shows_whether_it_is_there_well_and_in_alarm() {
    let mut bench = Bench::new();
    bench.run(1_000);
    let shown = |bench: &Bench, sort: &str| {
        let points = &bench.panel.points;
        let get = |i: usize, what| points.get(points.table().find(&format!("{sort}[{i}].{what}")).unwrap());
        for what in ["type", "online", "fault", "alarm"] {
            assert_eq!(get(1, what), None, "one of each is fitted");
        }
        ["type", "online", "fault", "alarm"].map(|what| get(0, what).unwrap())
    };
    let fault = |bench: &Bench| bench.panel.points.is_on(bench.panel.ids.fault);
    assert!(!fault(&bench));
    for (kind, sort) in ["hydrogen", "carbon-monoxide", "smoke", "heat"]
        .iter()
        .enumerate()
    {
        assert_eq!(shown(&bench, sort), [kind as f64 + 1.0, 1.0, 0.0, 0.0]);
    }
    bench.co = 60.0;
    bench.run(200);
    assert_eq!(
        shown(&bench, "carbon-monoxide")[3],
        1.0,
        "before the delay of the pre-warning"
    );
    assert_eq!(shown(&bench, "hydrogen")[3], 0.0);
    bench.co = 0.0;
    bench.smoke = 0.3;
    bench.run(3_000);
    bench.smoke = 0.0;
    bench.run(200);
    assert_eq!(shown(&bench, "carbon-monoxide")[3], 0.0);
    assert_eq!(shown(&bench, "smoke"), [3.0, 1.0, 0.0, 1.0], "latched");
    let quality = Quality::OpenWire;
    for (reading, [online, faulty]) in [
        (Reading::invalid(), [1.0, 1.0]),
        (Reading { value: 0.0, quality }, [0.0, 1.0]),
        (Reading::valid(25.0), [1.0, 0.0]),
    ] {
        let channel = Channel::CeilingTemperature;
        let readings = &[reading];
        bench.give(Input::Sensed { channel, readings });
        assert_eq!(shown(&bench, "heat"), [4.0, online, faulty, 0.0]);
        bench.panel.publish();
        assert_eq!(fault(&bench), faulty == 1.0, "{reading:?}");
    }
}

#[test]
fn register_image_at_level_2() {
    let bench = Bench::confirmed();
    insta::assert_snapshot!(bench.panel.server.image(&bench.panel.points));
}

#[test]
fn a_read_past_the_map_is_refused() {
    let mut bench = Bench::new();
    let request = ModbusRequest::Read {
        table: bess_types::Table::Holding,
        address: 8,
        count: 3,
    };
    let reply = bench.panel.server.serve(
        SimTime::ZERO,
        ModbusAccess::default(),
        &request,
        &mut bench.panel.points,
        &mut Vec::new(),
    );
    assert_eq!(reply, Err(bess_types::ModbusException::IllegalDataAddress));
    let request = ModbusRequest::Read {
        table: bess_types::Table::Holding,
        address: 0,
        count: 10,
    };
    let reply = bench.panel.server.serve(
        SimTime::ZERO,
        ModbusAccess::default(),
        &request,
        &mut bench.panel.points,
        &mut Vec::new(),
    );
    assert!(matches!(reply, Ok(ModbusData::Registers(_))));
}

#[test]
fn holds_to_the_device_contract() {
    crate::contract::device_contract(|| {
        let library = Library::shipped();
        let product = library.product("fire-panel").unwrap();
        Box::new(FirePanel::new(&product, &library).unwrap())
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever happens: agent never goes into moving air, and only once (both checked at the actuation).
    #[test]
    fn agent_never_meets_an_open_vent(
        acts in proptest::collection::vec((0_u8..9, any::<bool>(), 0_u16..6, 100_u64..20_000), 1..40)
    ) {
        let mut bench = Bench::new();
        bench.flow = true;
        for (act, on, coil, ms) in acts {
            match act {
                0 => bench.h2 = if on { 200.0 } else { 0.0 },
                1 => bench.smoke = if on { 0.5 } else { 0.0 },
                2 => bench.ceiling = if on { 70.0 } else { 25.0 },
                3 => bench.line(Line::VentRequest, on),
                4 => bench.line(Line::ManualCallPoint, on),
                5 => bench.line(Line::SuppressionHold, on),
                6 => bench.damper_stuck_open = on,
                _ => bench.coil(coil),
            }
            bench.run(ms / 100 * 100);
            if bench.panel.stage >= Stage::Level2 {
                prop_assert!(!bench.hvac);
            }
        }
    }
}

#[test]
fn the_cylinder_is_opened_once_only() {
    let mut bench = Bench::confirmed();
    bench.until(31_000, |bench| bench.released.is_some());
    bench.smoke = 0.0;
    bench.ceiling = 25.0;
    bench.run(610_000);
    bench.coil(RESET);
    bench.run(1000);
    assert_eq!(bench.panel.stage, Stage::Normal);
    bench.notes.clear();
    bench.smoke = 0.3;
    bench.ceiling = 60.0;
    // The bench itself refuses a second release.
    bench.until(40_000, |bench| bench.notes.contains(&"release-failed"));
}
