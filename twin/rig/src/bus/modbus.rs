//! Modbus inside the rig: open requests, and what link faults do to requests and replies.

use core::time::Duration;
use std::collections::BTreeMap;

use bess_devices::Token;
use bess_types::{ModbusData, ModbusException, ModbusReply, ModbusRequest, SimTime, Table};

use crate::fault::{Effect, LinkFault};
use crate::interface::WireFault;
use crate::noise::Noise;

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A device of this rig.
    Device { client: usize, token: Token },
    /// Somebody on the wire.
    Wire { token: u64 },
}

/// Registers asked for: unit, table, address, count.
type Window = (u8, Table, u16, u16);

/// A request given to a server and not yet answered.
#[derive(Debug)]
pub(crate) struct Open {
    pub asker: Asker,
    pub server: usize,
    /// What it reads, if it reads.
    window: Option<Window>,
}

/// Requests given to servers and not yet answered.
#[derive(Debug, Default)]
pub(crate) struct OpenRequests {
    next: u64,
    /// By number; hardly ever more than a few.
    open: Vec<(u64, Open)>,
}

impl OpenRequests {
    pub(crate) fn open(&mut self, asker: Asker, server: usize, unit: u8, request: &ModbusRequest) -> Token {
        let window = match request {
            ModbusRequest::Read {
                table,
                address,
                count,
            } => Some((unit, *table, *address, *count)),
            ModbusRequest::ReadWrite {
                read_address,
                read_count,
                ..
            } => Some((unit, Table::Holding, *read_address, *read_count)),
            _ => None,
        };
        self.next += 1;
        let open = Open {
            asker,
            server,
            window,
        };
        self.open.push((self.next, open));
        Token(self.next)
    }

    pub(crate) fn close(&mut self, token: Token) -> Option<Open> {
        let at = self.open.iter().position(|(number, _)| *number == token.0)?;
        Some(self.open.swap_remove(at).1)
    }
}

/// A fault of a server's link at work.
#[derive(Debug)]
pub(crate) struct ServerFault {
    pub fault: LinkFault,
    pub server: usize,
    pub until: SimTime,
    pub effect: Effect,
    /// Replies as they were when first asked for under this fault.
    frozen: BTreeMap<Window, ModbusData>,
}

impl ServerFault {
    pub(crate) fn new(fault: LinkFault, server: usize, until: SimTime) -> Self {
        Self {
            effect: fault.effect(),
            fault,
            server,
            until,
            frozen: BTreeMap::new(),
        }
    }

    /// Whether nobody can connect to the server.
    pub(crate) fn refuses(&self) -> bool {
        self.effect == Effect::Refuse
    }

    /// Whether it is about the server's connections, and not about single requests.
    pub(crate) fn is_about_connections(&self) -> bool {
        matches!(self.effect, Effect::Refuse | Effect::Wire(WireFault::HalfOpen))
    }
}

/// What becomes of a request before the server sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Reaches,
    Lost,
    /// With its connection.
    LostForGood,
    Refused(ModbusException),
}

/// What faults of its server make of a request.
pub(crate) fn fate(faults: &[ServerFault], noise: &mut Noise, server: usize) -> Fate {
    for fault in faults.iter().filter(|fault| fault.server == server) {
        let fate = match fault.effect {
            Effect::Silence | Effect::Refuse => Fate::Lost,
            Effect::Wire(WireFault::HalfOpen) => Fate::LostForGood,
            Effect::Exception(exception) => Fate::Refused(exception),
            _ => continue,
        };
        if noise.hits(fault.fault.share) {
            return fate;
        }
    }
    Fate::Reaches
}

/// A reply on its way to whoever asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outgoing {
    pub reply: ModbusReply,
    /// How much later it comes.
    pub later: Duration,
    /// What happens to its bytes.
    pub faults: Vec<WireFault>,
}

impl Outgoing {
    /// How much later a device of this rig has it, whom it reaches without a wire; `None` if never.
    pub(crate) fn felt(&self) -> Option<Duration> {
        let bytes = HEADER + pdu_length(&self.reply);
        let felt = |later: Duration, fault: &WireFault| Some(later + fault.felt(bytes)?);
        self.faults.iter().try_fold(self.later, felt)
    }
}

/// Header of a reply on TCP, bytes.
const HEADER: usize = 7;

/// Bytes of a reply without its header.
fn pdu_length(reply: &ModbusReply) -> usize {
    match reply {
        Ok(ModbusData::Registers(registers)) => 2 + 2 * registers.len(),
        Ok(ModbusData::Bits(bits)) => 2 + bits.len().div_ceil(8),
        Ok(ModbusData::Written) => 5,
        Ok(ModbusData::Identification(found)) => {
            7 + found
                .objects
                .iter()
                .map(|(_, text)| 2 + text.len())
                .sum::<usize>()
        }
        Err(_) => 2,
    }
}

/// What faults of its server make of a reply.
pub(crate) fn touch(
    faults: &mut [ServerFault],
    noise: &mut Noise,
    open: &Open,
    mut reply: ModbusReply,
) -> Outgoing {
    let mut later = Duration::ZERO;
    let mut on_wire = Vec::new();
    for fault in faults.iter_mut().filter(|fault| fault.server == open.server) {
        let reads = matches!(reply, Ok(ModbusData::Registers(_) | ModbusData::Bits(_)));
        let of_requests = matches!(fault.effect, Effect::Silence | Effect::Exception(_));
        if of_requests || fault.is_about_connections() || !noise.hits(fault.fault.share) {
            continue;
        }
        match (fault.effect, &mut reply) {
            (Effect::Delay(by), _) => later += by,
            (Effect::Wire(WireFault::Noise { bytes, .. }), _) => {
                let bits = noise.next();
                on_wire.push(WireFault::Noise { bytes, bits });
            }
            (Effect::Wire(fault), _) => on_wire.push(fault),
            (Effect::Stale, Ok(data)) if reads => {
                if let Some(window) = open.window {
                    *data = fault.frozen.entry(window).or_insert_with(|| data.clone()).clone();
                }
            }
            (Effect::SwapBytes, Ok(ModbusData::Registers(registers))) => {
                for register in registers {
                    *register = register.swap_bytes();
                }
            }
            (Effect::SwapWords, Ok(ModbusData::Registers(registers))) => {
                for pair in registers.chunks_exact_mut(2) {
                    pair.swap(0, 1);
                }
            }
            (Effect::NotAvailable(code), Ok(ModbusData::Registers(registers))) => registers.fill(code),
            _ => {}
        }
    }
    Outgoing {
        reply,
        later,
        faults: on_wire,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use super::*;

    fn faults(name: &str, given: &[(&str, f64)]) -> [ServerFault; 1] {
        let given: Vec<_> = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect();
        let fault = LinkFault::new(name, "x", &given).unwrap();
        [ServerFault::new(fault, 3, SimTime::NEVER)]
    }

    fn reply(faults: &mut [ServerFault], server: usize, registers: &[u16]) -> Outgoing {
        let request = ModbusRequest::Read {
            table: Table::Holding,
            address: 10,
            count: u16::try_from(registers.len()).unwrap(),
        };
        let mut requests = OpenRequests::default();
        let token = requests.open(Asker::Wire { token: 1 }, server, 1, &request);
        let open = requests.close(token).unwrap();
        let data = ModbusData::Registers(registers.to_vec());
        touch(faults, &mut Noise::new(1, 1), &open, Ok(data))
    }

    fn read(faults: &mut [ServerFault], server: usize, registers: &[u16]) -> Vec<u16> {
        match reply(faults, server, registers).reply {
            Ok(ModbusData::Registers(registers)) => registers,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_fault_does_what_its_name_says_and_to_its_server_only() {
        let words = [0x1234, 0x5678, 0x9ABC];
        let mut noise = Noise::new(1, 1);
        assert_eq!(fate(&faults("modbus-silence", &[]), &mut noise, 3), Fate::Lost);
        assert_eq!(fate(&faults("modbus-silence", &[]), &mut noise, 4), Fate::Reaches);
        assert_eq!(
            fate(&faults("modbus-exception", &[("code", 6.0)]), &mut noise, 3),
            Fate::Refused(ModbusException::ServerDeviceBusy)
        );
        let swapped = read(&mut faults("modbus-byte-swap", &[]), 3, &words);
        assert_eq!(swapped, [0x3412, 0x7856, 0xBC9A]);
        assert_eq!(read(&mut faults("modbus-byte-swap", &[]), 4, &words), words);
        let swapped = read(&mut faults("modbus-word-swap", &[]), 3, &words);
        assert_eq!(swapped, [0x5678, 0x1234, 0x9ABC]);
        let absent = read(&mut faults("modbus-not-available", &[]), 3, &words);
        assert_eq!(absent, [0x8000; 3]);
        assert_eq!(
            reply(&mut faults("modbus-delay", &[("by", 250.0)]), 3, &words),
            Outgoing {
                reply: Ok(ModbusData::Registers(words.to_vec())),
                later: Duration::from_millis(250),
                faults: vec![],
            }
        );
        let mut frozen = faults("modbus-frozen", &[]);
        assert_eq!(read(&mut frozen, 3, &words), words);
        assert_eq!(read(&mut frozen, 3, &[7, 8, 9]), words);
        assert_eq!(
            read(&mut frozen, 3, &[7, 8]),
            [7, 8],
            "other registers, asked for the first time"
        );
    }

    #[test]
    fn faults_of_bytes_go_to_the_wire_and_are_felt_without_one() {
        // 7 bytes of header, 2 before the registers, 6 of registers
        let felt = |name: &str, given: &[(&str, f64)]| {
            let touched = reply(&mut faults(name, given), 3, &[1, 2, 3]);
            assert_eq!(touched.reply, Ok(ModbusData::Registers(vec![1, 2, 3])), "{name}");
            assert_eq!(touched.faults.len(), 1, "{name}");
            touched.felt().map(|later| later.as_millis())
        };
        assert_eq!(felt("modbus-truncate", &[("bytes", 14.0)]), None);
        assert_eq!(felt("modbus-truncate", &[("bytes", 15.0)]), Some(0));
        assert_eq!(felt("modbus-split", &[]), Some(50));
        assert_eq!(felt("modbus-split", &[("at", 15.0)]), Some(0));
        assert_eq!(felt("modbus-trickle", &[]), Some(14 * 20));
        for name in [
            "modbus-merge",
            "modbus-reset",
            "modbus-wrong-transaction",
            "modbus-wrong-unit",
            "rtu-wrong-crc",
            "rtu-noise",
        ] {
            assert_eq!(felt(name, &[]), None, "{name}");
        }
        let mut noise = Noise::new(1, 1);
        assert_eq!(fate(&faults("modbus-refuse", &[]), &mut noise, 3), Fate::Lost);
        assert_eq!(
            fate(&faults("modbus-half-open", &[]), &mut noise, 3),
            Fate::LostForGood
        );
    }
}
