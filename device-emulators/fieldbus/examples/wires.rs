//! How fast and how steady the rig's Modbus servers are, as JSON lines `name value unit`, with the goal where there is one.
//! Run through `ci/bench-wires.sh`; with `--check` a missed goal is an error.
//!
//! Every server is a process of its own on core 0, the clients are this process on core 1, all on loopback. The rig runs its
//! plant meanwhile. Rates compare: rig, plain tokio-modbus and libmodbus in turns, each the best of its runs, because other
//! processes only ever make a run slower. Run it with SCHED_FIFO on a machine that does other things too.
#![allow(
    clippy::disallowed_methods,
    reason = "this example measures wall-clock time and waits for processes"
)]

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::future::{Ready, ready};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};

#[path = "../../../ci/report.rs"]
mod report;

use report::Report;

type Failure = Box<dyn Error + Send + Sync>;

/// Address of the PCS of the measured rig, and first register of the SunSpec chain: 360 registers without a hole.
const RIG: SocketAddr = at(25_020);
const PLAIN: SocketAddr = at(25_021);
const LIBMODBUS: SocketAddr = at(25_022);
const FIRST: u16 = 40_000;
const REGISTERS: u16 = 100;

const RUN: Duration = Duration::from_secs(2);
const RUNS: usize = 4;
const CLIENTS: [usize; 2] = [1, 16];
/// Goals: of libmodbus and of plain tokio-modbus at least.
const OVER_LIBMODBUS_GOAL: f64 = 1.0;
const OVER_PLAIN_GOAL: f64 = 0.8;

/// Endpoints of the large rig; they are polled once a second.
const ENDPOINTS: u16 = 1000;
const FIRST_PORT: u16 = 30_000;
const POLLED: Duration = Duration::from_secs(20);
/// Goals: MiB and cores at most, and how much slower an honest client may get, as a share of its rate that is left.
const MEMORY_GOAL_MIB: f64 = 150.0;
const CORES_GOAL: f64 = 0.5;
const BESIDE_OTHERS_GOAL: f64 = 0.9;
const SLOW_CONNECTIONS: usize = 100;

const fn at(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port)
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["plain"] => plain_server(),
        ["run", bessrig, libmodbus] => measure(bessrig, libmodbus, false),
        ["run", bessrig, libmodbus, "--check"] => measure(bessrig, libmodbus, true),
        _ => Err("wires run BESSRIG LIBMODBUS_SERVER [--check]".into()),
    }
}

fn measure(bessrig: &str, libmodbus: &str, check: bool) -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("bessrig-wires-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let mut report = Report::default();
    let result = rates(bessrig, libmodbus, &folder, &mut report)
        .and_then(|()| many_endpoints(bessrig, &folder, &mut report));
    fs::remove_dir_all(&folder)?;
    result?;
    if check && !report.missed.is_empty() {
        return Err(format!("goals missed: {}", report.missed.join(", ")).into());
    }
    Ok(())
}

// ---- requests per second ------------------------------------------------------------------------------------------------

fn rates(bessrig: &str, libmodbus: &str, folder: &Path, report: &mut Report) -> Result<(), Failure> {
    // The air-cooled rig has no chiller.
    let overlay = moved_listeners() + &moved("chiller", "container-01/chiller", "25040");
    let rig = rig_file(folder, "liquid-20ft-tcp.toml", &overlay)?;
    let own = std::env::current_exe()?.to_string_lossy().into_owned();
    let servers = [
        ("rig", RIG, Process::start(&[bessrig, "run", "--rig", &rig])?),
        ("tokio_modbus", PLAIN, Process::start(&[&own, "plain"])?),
        (
            "libmodbus",
            LIBMODBUS,
            Process::start(&[libmodbus, &LIBMODBUS.port().to_string()])?,
        ),
    ];
    for (_, address, _) in &servers {
        wait_for(*address)?;
    }
    for clients in CLIENTS {
        let mut best = [Load::default(); 3];
        for _ in 0..RUNS {
            for ((_, address, _), best) in servers.iter().zip(&mut best) {
                best.improve(load(*address, clients, RUN)?);
            }
        }
        let who = if clients == 1 {
            "1_client".to_owned()
        } else {
            format!("{clients}_clients")
        };
        for ((name, ..), load) in servers.iter().zip(best) {
            Report::plain(&format!("modbus_{name}_{who}"), load.per_second, "requests/s")?;
            Report::plain(&format!("modbus_{name}_{who}_p99"), load.p99_us, "us")?;
        }
        let [rig, plain, libmodbus] = best.map(|load| load.per_second);
        for (name, other, goal) in [
            ("libmodbus", libmodbus, OVER_LIBMODBUS_GOAL),
            ("tokio_modbus", plain, OVER_PLAIN_GOAL),
        ] {
            report.at_least(&format!("modbus_rig_over_{name}_{who}"), rig / other, "1", goal)?;
        }
    }
    Ok(())
}

/// Requests per second, and the time 99 of 100 were answered in.
#[derive(Clone, Copy, Default)]
struct Load {
    per_second: f64,
    p99_us: f64,
}

impl Load {
    fn improve(&mut self, other: Self) {
        if other.per_second > self.per_second {
            *self = other;
        }
    }
}

/// `clients` connections that each ask again as soon as they are answered.
fn load(address: SocketAddr, clients: usize, span: Duration) -> Result<Load, Failure> {
    let begin = Instant::now();
    let end = begin + span;
    let threads: Vec<_> = (0..clients)
        .map(|_| {
            thread::spawn(move || -> io::Result<Vec<Duration>> {
                let mut client = Client::connect(address)?;
                let mut took = Vec::with_capacity(1 << 16);
                let mut asked = Instant::now();
                while asked < end {
                    client.ask()?;
                    let answered = Instant::now();
                    took.push(answered - asked);
                    asked = answered;
                }
                Ok(took)
            })
        })
        .collect();
    let mut took = Vec::new();
    for thread in threads {
        took.extend(thread.join().map_err(|_| "a client panicked")??);
    }
    let seconds = begin.elapsed().as_secs_f64();
    took.sort_unstable();
    let p99 = took.get(took.len() * 99 / 100).ok_or("no answer at all")?;
    Ok(Load {
        per_second: took.len() as f64 / seconds,
        p99_us: p99.as_secs_f64() * 1e6,
    })
}

/// A connection with its request: FC03, [`REGISTERS`] registers from `first` on.
struct Client {
    stream: TcpStream,
    request: [u8; 12],
    answer: [u8; 9 + 2 * REGISTERS as usize],
}

impl Client {
    fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::asking(address, FIRST, REGISTERS)
    }

    fn asking(address: SocketAddr, first: u16, count: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let [first, count] = [first, count].map(u16::to_be_bytes);
        Ok(Self {
            stream,
            request: [0, 0, 0, 0, 0, 6, 1, 3, first[0], first[1], count[0], count[1]],
            answer: [0; 9 + 2 * REGISTERS as usize],
        })
    }

    /// One request and its answer, which must be the values asked for.
    fn ask(&mut self) -> io::Result<()> {
        let transaction = u16::from_be_bytes([self.request[0], self.request[1]]).wrapping_add(1);
        self.request[..2].copy_from_slice(&transaction.to_be_bytes());
        self.stream.write_all(&self.request)?;
        let bytes = 2 * usize::from(u16::from_be_bytes([self.request[10], self.request[11]]));
        let answer = &mut self.answer[..9 + bytes];
        self.stream.read_exact(answer)?;
        if answer[..2] != self.request[..2] || answer[7] != 3 || usize::from(answer[8]) != bytes {
            return Err(io::Error::other(format!("not the answer: {:02x?}", &answer[..9])));
        }
        Ok(())
    }
}

/// What tokio-modbus does when nothing stands behind it: one thread, values from memory.
fn plain_server() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(PLAIN).await?;
        let values: Arc<Vec<u16>> = Arc::new((0..200).collect());
        let service = |_| Ok(Some(Plain(Arc::clone(&values))));
        let connected = |stream, peer| ready(accept_tcp_connection(stream, peer, service));
        Server::new(listener).serve(&connected, |_| {}).await?;
        Ok(())
    })
}

struct Plain(Arc<Vec<u16>>);

impl Service for Plain {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        ready(match request.request {
            Request::ReadHoldingRegisters(address, count) => {
                let from = usize::from(address.wrapping_sub(FIRST));
                let values = self.0.get(from..from + usize::from(count));
                let values = values.ok_or(ExceptionCode::IllegalDataAddress);
                values.map(|values| Response::ReadHoldingRegisters(values.to_vec()))
            }
            _ => Err(ExceptionCode::IllegalFunction),
        })
    }
}

// ---- many endpoints, idle and slow connections --------------------------------------------------------------------------

fn many_endpoints(bessrig: &str, folder: &Path, report: &mut Report) -> Result<(), Failure> {
    let mut meters = String::new();
    for n in 0..ENDPOINTS {
        let port = FIRST_PORT + n;
        writeln!(
            meters,
            "[[meter]]\ntag = \"site-01/meter-{n:04}\"\nproduct = \"meter\"\nlisten = \"127.0.0.1:{port}\"\n{AT_ONCE}"
        )?;
    }
    let overlay = format!("[clock]\nmode = \"paced\"\n{}{meters}", moved_listeners());
    let rig = rig_file(folder, "ci-air-200.toml", &overlay)?;
    let process = Process::start(&[bessrig, "run", "--rig", &rig])?;
    wait_for(at(FIRST_PORT + ENDPOINTS - 1))?;

    let mut clients: Vec<Client> = (0..ENDPOINTS)
        .map(|n| Client::asking(at(FIRST_PORT + n), FIRST, 10))
        .collect::<io::Result<_>>()?;
    let begin = Instant::now();
    let used = process.cpu_seconds()?;
    let each = Duration::from_secs(1) / u32::from(ENDPOINTS);
    let mut slowest = Duration::ZERO;
    for polls in 0.. {
        let due = begin + each * polls;
        if due >= begin + POLLED {
            break;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let asked = Instant::now();
        clients[polls as usize % usize::from(ENDPOINTS)].ask()?;
        slowest = slowest.max(asked.elapsed());
    }
    let span = begin.elapsed().as_secs_f64();
    let cores = (process.cpu_seconds()? - used) / span;
    Report::plain(
        "modbus_1000_endpoints_polls",
        f64::from(ENDPOINTS) * POLLED.as_secs_f64() / span,
        "1/s",
    )?;
    Report::plain("modbus_1000_endpoints_slowest", slowest.as_secs_f64() * 1e3, "ms")?;
    report.at_most("modbus_1000_endpoints_cores", cores, "1", CORES_GOAL)?;
    report.at_most(
        "modbus_1000_endpoints_memory",
        process.peak_mib()?,
        "MiB",
        MEMORY_GOAL_MIB,
    )?;

    // The thousand stay connected and say nothing. The slow ones send a request byte by byte and start again.
    let honest = || load(RIG, 1, RUN);
    let stop = Arc::new(AtomicBool::new(false));
    let slow_requests = Arc::new(AtomicU64::new(0));
    drop(clients);
    let mut alone = Load::default();
    let mut beside = Load::default();
    for _ in 0..RUNS {
        alone.improve(honest()?);
        stop.store(false, Ordering::Relaxed);
        let idle: Vec<Client> = (0..ENDPOINTS)
            .map(|n| Client::asking(at(FIRST_PORT + n), FIRST, 10))
            .collect::<io::Result<_>>()?;
        let slow = {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&slow_requests));
            thread::spawn(move || slow_clients(&stop, &answered))
        };
        beside.improve(honest()?);
        stop.store(true, Ordering::Relaxed);
        slow.join().map_err(|_| "the slow clients panicked")??;
        drop(idle);
    }
    if slow_requests.load(Ordering::Relaxed) == 0 {
        return Err("the slow connections were not answered".into());
    }
    Report::plain("modbus_honest_client_alone", alone.per_second, "requests/s")?;
    Report::plain("modbus_honest_client_alone_p99", alone.p99_us, "us")?;
    Report::plain("modbus_honest_client_beside_p99", beside.p99_us, "us")?;
    report.at_least(
        "modbus_honest_client_beside_1000_idle_100_slow",
        beside.per_second / alone.per_second,
        "1",
        BESIDE_OTHERS_GOAL,
    )?;
    Ok(())
}

/// [`SLOW_CONNECTIONS`] that need 1.2 s for a request, one byte every 100 ms, until told to stop.
fn slow_clients(stop: &AtomicBool, answered: &AtomicU64) -> io::Result<()> {
    let ports = (0..).map(|n| at(FIRST_PORT + n));
    let mut clients = ports
        .take(SLOW_CONNECTIONS)
        .map(|address| Client::asking(address, FIRST, 10))
        .collect::<io::Result<Vec<_>>>()?;
    for step in 0.. {
        for client in &mut clients {
            let at = step % client.request.len();
            client.stream.write_all(&client.request[at..=at])?;
            if at + 1 == client.request.len() {
                client.stream.read_exact(&mut client.answer[..29])?;
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

// ---- processes ----------------------------------------------------------------------------------------------------------

/// An overlay of a shipped rig file; its path.
fn rig_file(folder: &Path, base: &str, overlay: &str) -> Result<String, Failure> {
    let base = PathBuf::from("scenarios/rigs").join(base).canonicalize()?;
    let path = folder.join("rig.toml");
    fs::write(&path, format!("inherits = \"{}\"\n{overlay}", base.display()))?;
    Ok(path.to_string_lossy().into_owned())
}

/// Servers that take no time of their own: what is measured is the rig's.
const AT_ONCE: &str = "modbus = { start_up_ms = 0, turnaround_ms = 0 }\n";

/// The rig's servers on ports of their own, so that another live rig on this machine is not in the way.
fn moved_listeners() -> String {
    [
        ("pcs", "container-01/pcs", "25020"),
        ("bau", "container-01/bau", "25010"),
        ("fire_panel", "container-01/fire-panel", "25030"),
        ("ems", "site-01/ems", "25050"),
        ("meter", "site-01/meter", "25060"),
        ("remote_io", "container-01/io", "25100"),
        ("remote_io", "container-01/cluster-{cluster}/io", "251{cluster}"),
    ]
    .map(|(kind, tag, port)| moved(kind, tag, port))
    .concat()
}

fn moved(kind: &str, tag: &str, port: &str) -> String {
    format!("[[{kind}]]\ntag = \"{tag}\"\nlisten = \"127.0.0.1:{port}\"\n{AT_ONCE}")
}

/// A server on core 0; killed when dropped.
struct Process(Child);

impl Process {
    fn start(command: &[&str]) -> Result<Self, Failure> {
        let child = Command::new("taskset")
            .args(["-c", "0"])
            .args(command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("taskset {}: {error}", command[0]))?;
        Ok(Self(child))
    }

    /// CPU time so far, all threads.
    fn cpu_seconds(&self) -> Result<f64, Failure> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0.id()))?;
        let mut nanoseconds = 0;
        for task in tasks {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds += text.split(' ').next().unwrap_or("").parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds).as_secs_f64())
    }

    /// High-water mark of its memory.
    fn peak_mib(&self) -> Result<f64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line
            .ok_or("no VmHWM in /proc")?
            .trim()
            .trim_end_matches("kB")
            .trim();
        Ok(kib.parse::<f64>()? / 1024.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until somebody listens.
fn wait_for(address: SocketAddr) -> Result<(), Failure> {
    for _ in 0..300 {
        if TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    Err(format!("nobody listens on {address} after 30 s").into())
}
