//! What every device must hold to, whatever comes in: [`device_contract`] feeds a fixed pseudo-random mix of
//! inputs, good and absurd, and checks.

use core::time::Duration;

use bess_types::{
    CanFrame, CanId, Channel, Line, ModbusData, ModbusException, ModbusReply, ModbusRequest, Quality,
    Reading, SimTime, Table,
};

use crate::codec::modbus::ModbusAccess;
use crate::device::{Device, DeviceFault, Input, Output, Token};

/// Inputs per run, and runs with different seeds.
const STEPS: usize = 3_000;
const SEEDS: u64 = 8;
/// More outputs than this after one input is a queue that never drains.
const MOST_OUTPUTS: usize = 10_000;

/// Runs a device through the mix.
///
/// # Panics
/// If it panics itself, its outputs do not drain, it answers a Modbus request more than once or one that
/// was never made, it wants to wake at an instant that has passed, it reuses the token of an open request,
/// or two of them answer equal inputs differently.
pub fn device_contract(make: impl Fn() -> Box<dyn Device>) {
    for seed in 0..SEEDS {
        let first = run(make().as_mut(), seed);
        let second = run(make().as_mut(), seed);
        for (step, (a, b)) in first.iter().zip(&second).enumerate() {
            assert_eq!(a, b, "seed {seed}, step {step}: equal inputs, different outputs");
        }
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}

fn run(device: &mut dyn Device, seed: u64) -> Vec<String> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut log = Vec::new();
    let mut now = SimTime::ZERO;
    let mut tokens = 0;
    let mut asked: Vec<Token> = Vec::new();
    let mut open: Vec<Token> = Vec::new();
    for step in 0..STEPS {
        let context = format!("seed {seed}, step {step}, {now}");
        match random.below(12) {
            0..5 => {
                let due = device.next_wake();
                if due != SimTime::NEVER && due > now && random.below(4) > 0 {
                    now = due;
                } else {
                    now += Duration::from_millis(random.below(700));
                }
            }
            5 => {
                let port = u8::try_from(random.below(3)).unwrap_or(0);
                let frame = random.frame();
                device.accept(now, Input::Can { port, frame: &frame });
            }
            6 | 7 => {
                tokens += 1;
                let token = Token(tokens);
                asked.push(token);
                let request = random.request();
                let unit = u8::try_from(random.below(256)).unwrap_or(0);
                device.accept(
                    now,
                    Input::ModbusRequest {
                        unit,
                        access: ModbusAccess::default(),
                        request: &request,
                        token,
                    },
                );
            }
            8 | 9 => {
                let (channel, readings) = random.sensed(device);
                device.accept(
                    now,
                    Input::Sensed {
                        channel,
                        readings: &readings,
                    },
                );
            }
            10 => {
                let line = LINES[random.index(LINES.len())];
                let level = random.below(2) == 1;
                device.accept(now, Input::Line { line, level });
            }
            _ => {
                if random.below(4) == 0 {
                    let fault = FAULTS[random.index(FAULTS.len())];
                    let supported = device.supports(&fault);
                    let taken = device.inject(&fault).is_ok();
                    assert_eq!(taken, supported, "{context}: {fault:?}");
                } else {
                    let token = match open.len() {
                        0 => Token(random.next()),
                        n => open.swap_remove(random.index(n)),
                    };
                    let reply = random.reply();
                    device.accept(
                        now,
                        Input::ModbusReply {
                            token,
                            reply: reply.as_ref(),
                        },
                    );
                }
            }
        }
        drain(device, &mut asked, &mut open, &mut log, &context);
        if device.next_wake() <= now {
            device.accept(now, Input::Wake);
            drain(device, &mut asked, &mut open, &mut log, &context);
            let next = device.next_wake();
            assert!(next > now, "{context}: woken, and wants to wake at {next} again");
        }
        let points = device.points();
        for (id, _) in points.table().iter() {
            // A table of another size than the values would panic here.
            let _ = points.reading(id);
        }
    }
    log
}

fn drain(
    device: &mut dyn Device,
    asked: &mut Vec<Token>,
    open: &mut Vec<Token>,
    log: &mut Vec<String>,
    context: &str,
) {
    for _ in 0..MOST_OUTPUTS {
        let Some(output) = device.poll_output() else {
            return;
        };
        match &output {
            Output::ModbusReply { token, .. } => {
                let position = asked.iter().position(|asked| asked == token);
                let position = position.unwrap_or_else(|| {
                    panic!("{context}: reply to {token:?}, which is answered or was never asked")
                });
                asked.swap_remove(position);
            }
            Output::ModbusRequest { token, .. } => {
                assert!(!open.contains(token), "{context}: {token:?} is still open");
                open.push(*token);
            }
            Output::Can { .. } | Output::Line { .. } | Output::Actuate(_) | Output::Note { .. } => {}
        }
        log.push(format!("{output:?}"));
    }
    panic!("{context}: more than {MOST_OUTPUTS} outputs");
}

const FAULTS: &[DeviceFault] = &[
    DeviceFault::PowerOff,
    DeviceFault::PowerOn,
    DeviceFault::PowerOn,
    DeviceFault::FreezeCounters,
    DeviceFault::UnfreezeCounters,
    DeviceFault::BreakChecksums,
    DeviceFault::MendChecksums,
    DeviceFault::OpenEnable,
    DeviceFault::CloseEnable,
    DeviceFault::KeepAddress(3),
    DeviceFault::FollowAddress,
    DeviceFault::Serial(7),
];

const LINES: &[Line] = &[
    Line::EstopA,
    Line::EstopB,
    Line::SafetyReset,
    Line::SafetyOk,
    Line::BmsPermit,
    Line::VentRequest,
    Line::FirePrewarning,
    Line::FireLevel1,
    Line::FireLevel2,
    Line::FireReleased,
    Line::ManualCallPoint,
    Line::SuppressionHold,
    Line::Sounder,
    Line::EnableIn,
];

const TABLES: &[Table] = &[Table::Coil, Table::DiscreteInput, Table::Holding, Table::Input];
const ADDRESSES: &[u16] = &[0, 1, 2, 7, 100, 39_999, 40_000, 40_002, 40_070, 65_530, 65_535];
const COUNTS: &[u16] = &[
    0,
    1,
    1,
    2,
    4,
    10,
    64,
    123,
    124,
    125,
    126,
    1_968,
    1_969,
    2_000,
    2_001,
    u16::MAX,
];
const NODES: &[u32] = &[1, 2, 9, 0x11, 0x12, 0x19, 0xA0, 0xB0, 0xC0, 0xFE, 0xFF];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    fn word(&mut self) -> u16 {
        let value = self.next();
        match value >> 62 {
            0 => u16::try_from(value & 7).unwrap_or(0),
            _ => u16::try_from(value & 0xFFFF).unwrap_or(0),
        }
    }

    fn frame(&mut self) -> CanFrame {
        let id = match self.below(4) {
            0 => CanId::Standard(self.word() & 0x7FF),
            1 => CanId::Extended(u32::try_from(self.below(1 << 29)).unwrap_or(0)),
            _ => {
                let pf = u32::try_from(self.below(0x80)).unwrap_or(0);
                let ps = NODES[self.index(NODES.len())];
                let sa = NODES[self.index(NODES.len())];
                CanId::Extended(6 << 26 | pf << 16 | ps << 8 | sa)
            }
        };
        let data = self.next().to_le_bytes();
        let len = match self.below(3) {
            0 => self.index(9),
            _ => 8,
        };
        CanFrame::new(id, &data[..len]).expect("at most 8 bytes")
    }

    fn address(&mut self) -> u16 {
        match self.below(3) {
            0 => self.word(),
            _ => ADDRESSES[self.index(ADDRESSES.len())],
        }
    }

    fn request(&mut self) -> ModbusRequest {
        let address = self.address();
        let count = COUNTS[self.index(COUNTS.len())];
        match self.below(12) {
            4 => ModbusRequest::WriteCoil {
                address,
                value: self.below(2) == 1,
            },
            5 => ModbusRequest::WriteRegister {
                address,
                value: self.word(),
            },
            6 => ModbusRequest::MaskWrite {
                address,
                and_mask: self.word(),
                or_mask: self.word(),
            },
            7 => ModbusRequest::ReadWrite {
                read_address: self.address(),
                read_count: count,
                write_address: address,
                values: (0..count.min(122)).map(|_| self.word()).collect(),
            },
            8 => ModbusRequest::Identify {
                access: u8::try_from(self.below(6)).unwrap_or(0),
                object: u8::try_from(self.below(256)).unwrap_or(0),
            },
            9 => ModbusRequest::Malformed {
                function: u8::try_from(self.below(64)).unwrap_or(0),
            },
            0 => ModbusRequest::WriteCoils {
                address,
                values: (0..count.min(2_001)).map(|_| self.below(2) == 1).collect(),
            },
            1 | 2 => ModbusRequest::WriteRegisters {
                address,
                values: (0..count.min(126)).map(|_| self.word()).collect(),
            },
            3 => ModbusRequest::Unsupported {
                function: u8::try_from(self.below(256)).unwrap_or(0),
            },
            _ => ModbusRequest::Read {
                table: TABLES[self.index(TABLES.len())],
                address,
                count,
            },
        }
    }

    fn reply(&mut self) -> Option<ModbusReply> {
        let count = self.index(130);
        match self.below(6) {
            0 => None,
            1 => Some(Err(ModbusException::IllegalDataAddress)),
            2 => Some(Ok(ModbusData::Written)),
            3 => Some(Ok(ModbusData::Bits(
                (0..count).map(|_| self.below(2) == 1).collect(),
            ))),
            _ => Some(Ok(ModbusData::Registers(
                (0..count).map(|_| self.word()).collect(),
            ))),
        }
    }

    fn sensed(&mut self, device: &dyn Device) -> (Channel, Vec<Reading>) {
        let senses = device.senses();
        let channel = match senses.len() {
            0 => Channel::AirTemperature,
            n => senses[self.index(n)].channel,
        };
        let count = match self.below(8) {
            0 => 0,
            1 => 100,
            _ if channel == Channel::CellVoltages => 44,
            _ if channel == Channel::CellTemperatures => 22,
            _ if channel == Channel::GridVoltages => 3,
            _ => 1,
        };
        let readings = (0..count).map(|_| self.reading()).collect();
        (channel, readings)
    }

    fn reading(&mut self) -> Reading {
        let unit = self.below(1_000_001) as f64 / 1e6;
        let value = match self.below(40) {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => -1e12,
            3..15 => unit,
            15..30 => 3.0 + unit,
            30..35 => 100.0 * unit - 40.0,
            _ => 3e6 * unit - 1.5e6,
        };
        let quality = match self.below(20) {
            0 => Quality::Invalid,
            1 => Quality::OpenWire,
            _ => Quality::Valid,
        };
        Reading { value, quality }
    }
}
