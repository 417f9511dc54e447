//! A bench: the least thing the paced driver can drive. Ticks every 10 ms and does what a test tells it.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
#![allow(
    clippy::disallowed_methods,
    reason = "a stranger on the other side has a wall clock of its own"
)]

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use bess_fieldbus::{PacedDriver, Steppable};
use bess_rig::config::TlsFiles;
use bess_rig::config::line::LineFormat;
use bess_rig::{
    CanMedium, CanWire, LineEnd, ModbusAddress, ModbusServerWire, RtuLineWire, WireInput, WireOutput, Wires,
};
use bess_types::{ModbusReply, SimTime};

pub(crate) const TICK: Duration = Duration::from_millis(10);

type Reaction = Box<dyn FnMut(SimTime, &WireInput) -> Vec<WireOutput> + Send>;
type OnTick = Box<dyn FnMut(SimTime) -> Vec<WireOutput> + Send>;

pub(crate) struct Bench {
    now: SimTime,
    pub(crate) ticks: u64,
    /// As in a hosted part of a rig.
    pub(crate) without_plant: bool,
    wires: Wires,
    out: VecDeque<WireOutput>,
    reaction: Reaction,
    on_tick: OnTick,
    /// Everything that was offered.
    pub(crate) seen: Vec<(SimTime, WireInput)>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            now: SimTime::ZERO,
            ticks: 0,
            without_plant: false,
            wires: Wires::default(),
            out: VecDeque::new(),
            reaction: Box::new(|_, _| Vec::new()),
            on_tick: Box::new(|_| Vec::new()),
            seen: Vec::new(),
        }
    }

    pub(crate) fn with_can(self, interface: &str) -> Self {
        self.with_bus(CanMedium::Interface(interface.into()))
    }

    /// A bus `bus-N`, N being its place in the order of calls.
    pub(crate) fn with_bus(mut self, medium: CanMedium) -> Self {
        let bus = self.wires.can.len();
        self.wires.can.push(CanWire {
            bus,
            name: format!("bus-{bus}"),
            medium,
            fd: false,
        });
        self
    }

    /// Devices speak CAN FD on the bus that was added last.
    pub(crate) fn speaking_fd(mut self) -> Self {
        self.wires.can.last_mut().unwrap().fd = true;
        self
    }

    /// A server; `device` is its place in the order of calls.
    pub(crate) fn with_server(self, listen: SocketAddr) -> Self {
        self.with_unit(listen, 1)
    }

    /// A server with this unit id.
    pub(crate) fn with_unit(self, listen: SocketAddr, unit: u8) -> Self {
        self.with_server_at(ModbusAddress::Tcp(listen), unit)
    }

    /// A server on TCP or on a line.
    pub(crate) fn with_server_at(mut self, address: ModbusAddress, unit: u8) -> Self {
        let device = self.wires.servers.len();
        let tag = format!("container-01/server-{device:02}").parse().unwrap();
        self.wires.servers.push(ModbusServerWire {
            device,
            tag,
            address,
            unit,
            clients: 16,
            unknown_unit: None,
        });
        self
    }

    /// Certificates of a device.
    pub(crate) fn with_certificates(mut self, device: usize, files: TlsFiles) -> Self {
        self.wires.certificates.insert(device, files);
        self
    }

    /// A line; its number is its place in the order of calls.
    pub(crate) fn with_line(mut self, end: LineEnd, format: LineFormat, asks: bool) -> Self {
        let line = self.wires.lines.len();
        self.wires.lines.push(RtuLineWire {
            line,
            name: format!("line-{line}"),
            end,
            format,
            asks,
        });
        self
    }

    /// The servers take so many clients at once.
    pub(crate) fn with_clients(mut self, clients: u16) -> Self {
        for server in &mut self.wires.servers {
            server.clients = clients;
        }
        self
    }

    /// What it puts out when something arrives.
    pub(crate) fn reacting(
        mut self,
        reaction: impl FnMut(SimTime, &WireInput) -> Vec<WireOutput> + Send + 'static,
    ) -> Self {
        self.reaction = Box::new(reaction);
        self
    }

    /// What it puts out at each tick.
    pub(crate) fn ticking(
        mut self,
        on_tick: impl FnMut(SimTime) -> Vec<WireOutput> + Send + 'static,
    ) -> Self {
        self.on_tick = Box::new(on_tick);
        self
    }

    /// The replies its clients got, in order.
    pub(crate) fn replies(&self) -> Vec<(u64, Option<ModbusReply>)> {
        self.seen
            .iter()
            .filter_map(|(_, input)| match input {
                WireInput::ModbusReply { token, reply, .. } => Some((token.0, reply.clone())),
                _ => None,
            })
            .collect()
    }
}

impl Steppable for Bench {
    fn now(&self) -> SimTime {
        self.now
    }
    fn next_due(&self) -> SimTime {
        SimTime::ZERO + TICK * u32::try_from(self.ticks + 1).unwrap()
    }
    fn advance_to(&mut self, t: SimTime) {
        assert!(t >= self.now, "time went back from {} to {t}", self.now);
        assert!(t <= self.next_due(), "a tick was skipped");
        if t == self.next_due() {
            self.ticks += 1;
            self.out.extend((self.on_tick)(t));
        }
        self.now = t;
    }
    fn offer(&mut self, t: SimTime, input: WireInput) {
        assert!(
            t >= self.now && t <= self.next_due(),
            "offered at {t}, now {}",
            self.now
        );
        self.now = t;
        self.out.extend((self.reaction)(t, &input));
        self.seen.push((t, input));
    }
    fn poll_wire(&mut self) -> Option<WireOutput> {
        self.out.pop_front()
    }
    fn next_tick(&self) -> SimTime {
        if self.without_plant {
            SimTime::NEVER
        } else {
            self.next_due()
        }
    }
    fn wires(&self) -> Wires {
        self.wires.clone()
    }
}

/// An address on this host that is free now.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
}

pub(crate) fn open(bench: Bench) -> PacedDriver<Bench> {
    PacedDriver::new(bench, bess_fieldbus::Limits::default()).unwrap()
}

/// Runs for `span` of rig time more.
pub(crate) fn run_for(driver: &mut PacedDriver<Bench>, span: Duration) {
    let until = driver.rig().now() + span;
    driver.run(until, &mut |_| false);
}

/// The far end of a pseudo-terminal.
pub(crate) struct Serial(File);

impl Serial {
    pub(crate) fn open(path: &str) -> Self {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        Self(
            options
                .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY)
                .open(path)
                .unwrap(),
        )
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// So many bytes, or what comes within the time.
    pub(crate) fn hear(&mut self, bytes: usize, within: Duration) -> Vec<u8> {
        let until = Instant::now() + within;
        let mut heard = Vec::new();
        while heard.len() < bytes && Instant::now() < until {
            let mut some = [0; 300];
            match self.0.read(&mut some) {
                Ok(n) => heard.extend_from_slice(&some[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    thread::sleep(Duration::from_micros(200));
                }
                Err(error) => panic!("{error}"),
            }
        }
        heard
    }

    /// What comes back within a quarter of a second.
    pub(crate) fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        self.say(request);
        self.hear(usize::MAX, Duration::from_millis(250))
    }
}

/// A frame with its checksum, written down here once more so that no mistake is made twice.
pub(crate) fn frame(content: &[u8]) -> Vec<u8> {
    let mut crc = 0xFFFF_u16;
    for byte in content {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            let odd = crc % 2 == 1;
            crc /= 2;
            if odd {
                crc ^= 0xA001;
            }
        }
    }
    [content, &crc.to_le_bytes()].concat()
}

/// Runs a driver while `stranger` does something in another thread, for a minute at most.
pub(crate) fn meanwhile<R: Steppable, T: Send + 'static>(
    driver: &mut PacedDriver<R>,
    stranger: impl FnOnce() -> T + Send + 'static,
) -> T {
    let handle = driver.interrupt_handle();
    let thread = thread::spawn(move || {
        let seen = catch_unwind(AssertUnwindSafe(stranger));
        handle.store(true, Ordering::Relaxed);
        seen
    });
    let until = driver.rig().now() + Duration::from_mins(1);
    driver.run(until, &mut |_| false);
    driver.interrupt_handle().store(false, Ordering::Relaxed);
    match thread.join().unwrap() {
        Ok(seen) => seen,
        Err(panic) => resume_unwind(panic),
    }
}

/// CPU time this process has used so far.
pub(crate) fn cpu_seconds() -> f64 {
    let nanos: u64 = std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
        .filter_map(|stat| stat.split(' ').next()?.parse::<u64>().ok())
        .sum();
    Duration::from_nanos(nanos).as_secs_f64()
}
