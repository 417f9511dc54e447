#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]

use bess_types::ModbusRequest;

use super::*;
use crate::Token;
use crate::codec::modbus::ModbusAccess;

/// An HVAC of two units that has started, in air of a given temperature; its fan blows when it is driven.
struct Bench {
    hvac: Hvac,
    now_s: u64,
    air: Reading,
    blows: bool,
    told: Demand,
}

impl Bench {
    fn new(air_c: f64) -> Self {
        let library = Library::shipped();
        let product = library.product("hvac").unwrap();
        let mut bench = Self {
            hvac: Hvac::new(&product, &library).unwrap(),
            now_s: 0,
            air: Reading::valid(air_c),
            blows: true,
            told: Demand::default(),
        };
        bench.give(Input::Wake);
        assert_eq!(bench.told, Demand::default(), "nothing runs in the self-test");
        bench.run(5);
        bench
    }

    fn now(&self) -> SimTime {
        SimTime::from_millis(self.now_s * 1000)
    }

    fn give(&mut self, input: Input<'_>) {
        self.hvac.accept(self.now(), input);
        while let Some(output) = self.hvac.poll_output() {
            match output {
                Output::Actuate(Actuation::HvacDemand {
                    fan,
                    cooling,
                    heating,
                }) => {
                    self.told = Demand {
                        fan,
                        cooling,
                        heating,
                    };
                }
                Output::Note { point, .. } => {
                    assert!(self.hvac.points.table().find(point).is_some(), "note on {point}");
                }
                Output::ModbusReply { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now_s += 1;
            let blows = f64::from(u8::from(self.told.fan && self.blows));
            for (channel, reading) in [
                (Channel::AirTemperature, self.air),
                (Channel::AmbientTemperature, Reading::valid(35.0)),
                (Channel::HvacRunning, Reading::valid(blows)),
            ] {
                self.give(Input::Sensed {
                    channel,
                    readings: &[reading],
                });
            }
            self.give(Input::Wake);
        }
    }

    fn at(&mut self, air_c: f64, seconds: u64) -> (u8, u8) {
        self.air = Reading::valid(air_c);
        self.run(seconds);
        (self.told.cooling, self.told.heating)
    }

    fn write(&mut self, address: u16, value: u16) {
        let request = ModbusRequest::WriteRegisters {
            address,
            values: vec![value],
        };
        self.give(Input::ModbusRequest {
            unit: 1,
            access: ModbusAccess::default(),
            request: &request,
            token: Token(1),
        });
    }

    fn fire(&mut self, level: bool) {
        self.give(Input::Line {
            line: Line::FireLevel2,
            level,
        });
    }

    fn shown(&self, point: &str) -> Option<f64> {
        self.hvac
            .points
            .get(self.hvac.points.table().find(point).unwrap())
    }
}

#[test]
fn the_fan_comes_first_and_units_follow_by_stage_and_hysteresis() {
    let mut bench = Bench::new(22.0);
    assert!(bench.told.fan, "auto needs no client");
    assert_eq!(bench.at(23.2, 9), (0, 0), "air is not proven for 10 s");
    assert_eq!(bench.at(23.2, 3), (1, 0), "23 °C is the upper edge of the first");
    assert_eq!(bench.at(23.6, 2), (2, 0), "half a kelvin more of the second");
    assert_eq!(bench.at(21.2, 2), (1, 0));
    assert_eq!(bench.at(20.9, 2), (0, 0));
    assert_eq!(bench.at(13.9, 2), (0, 1));
    assert_eq!(bench.at(13.4, 2), (0, 2));
    assert_eq!(bench.at(16.1, 2), (0, 0));
}

#[test]
fn a_compressor_rests_after_it_stopped_and_after_a_loss_of_supply() {
    let mut bench = Bench::new(30.0);
    bench.run(20);
    assert_eq!(bench.told.cooling, 2);
    bench.write(0, 1);
    bench.run(1);
    assert_eq!((bench.told.fan, bench.told.cooling), (true, 0));
    bench.write(0, 4);
    bench.run(178);
    assert_eq!(bench.told.cooling, 0);
    assert_eq!(bench.shown("compressor-wait"), Some(2.0));
    bench.run(3);
    assert_eq!(bench.told.cooling, 2);
    bench.hvac.inject(&DeviceFault::PowerOff).unwrap();
    bench.run(1);
    assert_eq!(bench.told, Demand::default());
    bench.hvac.inject(&DeviceFault::PowerOn).unwrap();
    bench.run(180);
    assert_eq!((bench.told.fan, bench.told.cooling), (true, 0));
    bench.run(10);
    assert_eq!(bench.told.cooling, 2);
}

#[test]
fn modes_and_set_points_are_obeyed_and_do_not_fight() {
    let mut bench = Bench::new(23.5);
    bench.run(20);
    assert_eq!(bench.told.cooling, 1);
    bench.write(1, 260);
    bench.run(1);
    assert_eq!(bench.told.cooling, 0, "26 °C is enough");
    bench.write(2, 300);
    bench.run(1);
    assert_eq!(
        bench.told.heating, 0,
        "heats below 24 °C less half the hysteresis"
    );
    assert_eq!(bench.at(22.9, 1), (0, 1));
    bench.write(0, 2);
    bench.run(1);
    assert_eq!(bench.told.heating, 0, "cool only");
    bench.write(0, 0);
    bench.run(1);
    assert_eq!(bench.told, Demand::default());
    bench.write(1, 900);
    assert_eq!(bench.shown("cool-setpoint"), Some(26.0), "out of range");
}

#[test]
fn the_fire_panel_stops_it_at_once_and_for_as_long_as_it_says() {
    let mut bench = Bench::new(30.0);
    bench.run(20);
    bench.fire(true);
    assert_eq!(bench.told, Demand::default());
    bench.write(0, 2);
    bench.run(60);
    assert_eq!(bench.told, Demand::default());
    assert_eq!(bench.shown("fire-stop"), Some(1.0));
    assert_eq!(bench.shown("fault"), Some(0.0), "stopped is not failed");
    bench.fire(false);
    bench.run(200);
    assert_eq!((bench.told.fan, bench.told.cooling), (true, 2));
}

#[test]
fn without_air_or_its_sensor_only_the_fan_goes_on() {
    let mut bench = Bench::new(30.0);
    bench.run(20);
    bench.blows = false;
    bench.run(12);
    assert_eq!(bench.hvac.fault, Fault::Fan);
    assert_eq!((bench.told.fan, bench.told.cooling), (true, 0));
    bench.blows = true;
    bench.run(200);
    assert_eq!((bench.hvac.fault, bench.told.cooling), (Fault::None, 2));
    bench.air = Reading::invalid();
    bench.run(2);
    assert_eq!(bench.hvac.fault, Fault::AirSensor);
    assert_eq!((bench.told.fan, bench.told.cooling), (true, 0));
    bench.at(50.0, 1);
    assert_eq!(bench.hvac.fault, Fault::HighTemperature);
}

#[test]
fn register_image_when_cooling() {
    let mut bench = Bench::new(30.0);
    bench.run(20);
    insta::assert_snapshot!(bench.hvac.server.image(&bench.hvac.points));
}

#[test]
fn holds_to_the_device_contract() {
    crate::contract::device_contract(|| {
        let library = Library::shipped();
        let product = library.product("hvac").unwrap();
        Box::new(Hvac::new(&product, &library).unwrap())
    });
}
