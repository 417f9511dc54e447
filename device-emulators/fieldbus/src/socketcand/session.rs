//! What the daemon would do with one client: no socket, no clock. Time comes in as a duration from any fixed moment.
//!
//! As in the daemon, a client begins without a bus, opens one, and is then in broadcast-manager mode, where it hears
//! what it subscribed to and may leave frames to be sent cyclically; in raw mode it hears everything. A mode ends what
//! was set up in it. A command of another mode is an unknown one; one with wrong numbers gets no answer. Not served are
//! the ISO-TP mode and the settings of a real interface (bit timing, control mode), which this bus does not have.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use bess_types::{CanFrame, CanId};

use super::protocol::{
    Command, Content, ECHO, HI, Mode, NO_SUCH_BUS, OK, Piece, Refusal, UNKNOWN_COMMAND, command, content,
    write_frame, write_subscribed,
};

/// Shortest interval of a cyclic frame: a bus has room for no more, and a client shall not drown the rig.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);
/// Cyclic frames and subscriptions of one client, each.
const ENTRIES: usize = 1024;
/// After a change of mode nothing is said for so long, because clients such as python-can read the answer with one
/// call and take it for an error if a frame comes with it.
const SETTLE: Duration = Duration::from_millis(50);

/// One client's state.
#[derive(Debug, Default)]
pub(super) struct Session {
    state: State,
    quiet_until: Duration,
    traffic: Traffic,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    NoBus,
    Broadcast(Manager),
    Raw,
    Control(Statistics),
}

/// What follows from something that happened.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// For the client.
    pub(super) text: String,
    /// For the bus.
    pub(super) frames: Vec<CanFrame>,
    /// The client was given this bus, by its place among those offered.
    pub(super) opened: Option<usize>,
    /// Pieces that were none of the protocol, or not in that mode.
    pub(super) refused: usize,
    /// The connection is to be closed once the text is sent.
    pub(super) close: bool,
}

impl Session {
    /// The first words to a client.
    pub(super) fn greet(out: &mut Output) {
        out.text.push_str(HI);
    }

    /// Takes a piece of what the client sent; `buses` are the names offered.
    pub(super) fn take(&mut self, now: Duration, piece: Piece<'_>, buses: &[&str], out: &mut Output) {
        let Piece::Element(element) = piece else {
            out.refused += 1;
            return;
        };
        if let State::NoBus = self.state {
            self.open(element, buses, out);
            return;
        }
        let before = out.frames.len();
        let served = match (command(element), &mut self.state) {
            (Err(Refusal::Syntax), _) => {
                out.refused += 1;
                true
            }
            (Ok(Command::Switch(mode)), state) if state.mode() != Some(mode) => {
                self.state = State::of(mode);
                self.quiet_until = now + SETTLE;
                out.text.push_str(OK);
                true
            }
            (Ok(Command::Echo), _) => {
                out.text.push_str(ECHO);
                true
            }
            (Ok(Command::Send(frame)), State::Raw | State::Broadcast(_)) => {
                out.frames.push(frame);
                true
            }
            (Ok(command), State::Broadcast(manager)) => manager.take(now, &command, out),
            (Ok(Command::Statistics(every)), State::Control(statistics)) => {
                *statistics = Statistics {
                    every,
                    due: (every > Duration::ZERO).then_some(now.saturating_add(every)),
                };
                true
            }
            _ => false,
        };
        if !served {
            out.refused += 1;
            out.text.push_str(UNKNOWN_COMMAND);
        }
        self.traffic.count_sent(&out.frames[before..]);
    }

    /// Without a bus anything but opening one ends the connection.
    fn open(&mut self, element: &str, buses: &[&str], out: &mut Output) {
        let mut words = element.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        if let Ok(Command::Open(name)) = command(element)
            && let Some(place) = buses.iter().position(|bus| *bus == name)
        {
            self.state = State::of(Mode::Broadcast);
            out.opened = Some(place);
            out.text.push_str(OK);
            return;
        }
        out.refused += 1;
        out.close = true;
        if buses.contains(&first) {
            out.text.push_str("< error configuring interface ");
            out.text.push_str(first);
            out.text.push_str(" >");
        } else {
            out.text.push_str(NO_SUCH_BUS);
        }
    }

    /// A frame of somebody else was on the bus, at `stamp` by the time of day.
    pub(super) fn frame(&mut self, now: Duration, stamp: Duration, frame: &CanFrame, out: &mut Output) {
        self.traffic.received.add(frame);
        match &mut self.state {
            State::Raw => write_frame(&mut out.text, stamp, frame),
            State::Broadcast(manager) => manager.frame(now, stamp, frame, out),
            State::NoBus | State::Control(_) => {}
        }
    }

    /// Until when the client is to be told nothing.
    pub(super) fn quiet_until(&self) -> Duration {
        self.quiet_until
    }

    /// When [`Session::tick`] is wanted.
    pub(super) fn next_due(&self) -> Option<Duration> {
        match &self.state {
            State::Broadcast(manager) => manager.next_due(),
            State::Control(statistics) => statistics.due,
            State::NoBus | State::Raw => None,
        }
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Duration, out: &mut Output) {
        let before = out.frames.len();
        match &mut self.state {
            State::Broadcast(manager) => manager.tick(now, out),
            State::Control(statistics) => {
                if statistics.due.is_some_and(|due| due <= now) {
                    statistics.due = Some(now.saturating_add(statistics.every));
                    let Traffic { received, sent } = &self.traffic;
                    let _ = write!(
                        out.text,
                        "< stat {} {} {} {} >",
                        received.bytes, received.frames, sent.bytes, sent.frames
                    );
                }
            }
            State::NoBus | State::Raw => {}
        }
        self.traffic.count_sent(&out.frames[before..]);
    }
}

impl State {
    fn of(mode: Mode) -> Self {
        match mode {
            Mode::Broadcast => Self::Broadcast(Manager::default()),
            Mode::Raw => Self::Raw,
            Mode::Control => Self::Control(Statistics::default()),
        }
    }

    fn mode(&self) -> Option<Mode> {
        match self {
            Self::NoBus => None,
            Self::Broadcast(_) => Some(Mode::Broadcast),
            Self::Raw => Some(Mode::Raw),
            Self::Control(_) => Some(Mode::Control),
        }
    }
}

/// Frames and payload bytes, seen from the client's side of the bus.
#[derive(Debug, Default)]
struct Traffic {
    received: Count,
    sent: Count,
}

#[derive(Debug, Default)]
struct Count {
    bytes: u64,
    frames: u64,
}

impl Count {
    fn add(&mut self, frame: &CanFrame) {
        self.bytes += frame.data().len() as u64;
        self.frames += 1;
    }
}

impl Traffic {
    fn count_sent(&mut self, frames: &[CanFrame]) {
        for frame in frames {
            self.sent.add(frame);
        }
    }
}

#[derive(Debug, Default)]
struct Statistics {
    every: Duration,
    due: Option<Duration>,
}

/// Cyclic frames and subscriptions, as in the kernel's broadcast manager.
#[derive(Debug, Default)]
struct Manager {
    jobs: BTreeMap<CanId, Job>,
    watches: BTreeMap<CanId, Watch>,
}

#[derive(Debug)]
struct Job {
    frame: CanFrame,
    every: Duration,
    /// None if it is not cyclic.
    due: Option<Duration>,
}

impl Manager {
    /// Carries out a command; `false` if it is none of this mode. One there is no room for is refused without a word,
    /// as when the kernel's has none.
    fn take(&mut self, now: Duration, command: &Command, out: &mut Output) -> bool {
        match command {
            Command::Add(_, frame) if is_full(&self.jobs, frame.id) => out.refused += 1,
            Command::Watch(_, id, _) if is_full(&self.watches, *id) => out.refused += 1,
            Command::Add(every, frame) => {
                out.frames.push(*frame);
                let cyclic = *every > Duration::ZERO;
                let every = (*every).max(SHORTEST_INTERVAL);
                let job = Job {
                    frame: *frame,
                    every,
                    due: cyclic.then_some(now.saturating_add(every)),
                };
                self.jobs.insert(frame.id, job);
            }
            Command::Update(frame) => {
                // Without a job of that identifier the kernel makes one that never runs: the same to everybody.
                if let Some(job) = self.jobs.get_mut(&frame.id) {
                    job.frame = *frame;
                }
            }
            Command::Delete(id) => {
                self.jobs.remove(id);
            }
            Command::Watch(throttle, id, content) => {
                self.watches.insert(*id, Watch::new(*throttle, content.clone()));
            }
            Command::Unwatch(id) => {
                self.watches.remove(id);
            }
            _ => return false,
        }
        true
    }

    fn frame(&mut self, now: Duration, stamp: Duration, frame: &CanFrame, out: &mut Output) {
        if let Some(watch) = self.watches.get_mut(&frame.id) {
            watch.frame(now, stamp, frame, out);
        }
    }

    fn next_due(&self) -> Option<Duration> {
        let jobs = self.jobs.values().filter_map(|job| job.due);
        jobs.chain(self.watches.values().filter_map(Watch::due)).min()
    }

    fn tick(&mut self, now: Duration, out: &mut Output) {
        for job in self.jobs.values_mut() {
            if let Some(due) = job.due
                && due <= now
            {
                out.frames.push(job.frame);
                // Late once is late once: the cycle keeps its grid, and what was missed is not made up for.
                let periods = now.saturating_sub(due).as_nanos() / job.every.as_nanos() + 1;
                let periods = u32::try_from(periods).unwrap_or(u32::MAX);
                job.due = Some(due.saturating_add(job.every.saturating_mul(periods)));
            }
        }
        for watch in self.watches.values_mut() {
            watch.tick(now, out);
        }
    }
}

fn is_full<T>(entries: &BTreeMap<CanId, T>, id: CanId) -> bool {
    entries.len() >= ENTRIES && !entries.contains_key(&id)
}

/// A subscription to one identifier.
#[derive(Debug)]
struct Watch {
    throttle: Duration,
    content: Content,
    /// What was last taken for new, by page; one page if there are none.
    last: BTreeMap<usize, u64>,
    told: Option<Duration>,
    /// Too soon after the last to be told yet, by page.
    held: BTreeMap<usize, (Duration, CanFrame)>,
}

impl Watch {
    fn new(throttle: Duration, content: Content) -> Self {
        Self {
            throttle,
            content,
            last: BTreeMap::new(),
            told: None,
            held: BTreeMap::new(),
        }
    }

    fn frame(&mut self, now: Duration, stamp: Duration, frame: &CanFrame, out: &mut Output) {
        let data = content(frame);
        let Some(page) = self.page_if_new(data) else {
            return;
        };
        self.last.insert(page, data);
        let soon = self
            .told
            .is_some_and(|told| now < told.saturating_add(self.throttle));
        if soon {
            self.held.insert(page, (stamp, *frame));
        } else {
            self.told = Some(now);
            write_subscribed(&mut out.text, stamp, frame);
        }
    }

    /// The page of a frame that is to be told.
    fn page_if_new(&self, data: u64) -> Option<usize> {
        let same = |mask: u64, other: u64| mask & (data ^ other) == 0;
        let (page, mask) = match &self.content {
            Content::Any => return Some(0),
            Content::Changed(mask) => (0, *mask),
            Content::ChangedPages(page_mask, pages) => {
                let page = pages.iter().position(|page| same(*page_mask, *page))?;
                (page, pages[page])
            }
        };
        let known = self.last.get(&page).is_some_and(|last| same(mask, *last));
        (!known).then_some(page)
    }

    fn due(&self) -> Option<Duration> {
        if self.held.is_empty() {
            return None;
        }
        self.told.map(|told| told.saturating_add(self.throttle))
    }

    fn tick(&mut self, now: Duration, out: &mut Output) {
        if self.due().is_some_and(|due| due <= now) {
            self.told = Some(now);
            for (stamp, frame) in core::mem::take(&mut self.held).into_values() {
                write_subscribed(&mut out.text, stamp, &frame);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use proptest::prelude::*;

    use super::super::protocol::Decoder;
    use super::*;

    const BUSES: [&str; 2] = ["stack-can", "cluster-can-01"];

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A client that is told things at times.
    #[derive(Default)]
    struct Bench {
        session: Session,
        decoder: Decoder,
        now: Duration,
        closed: bool,
    }

    impl Bench {
        fn opened() -> Self {
            let mut bench = Self::default();
            assert_eq!(bench.say("< open stack-can >"), "< ok >");
            bench
        }

        /// Text and frames that come of what the client says.
        fn say(&mut self, text: &str) -> String {
            let mut out = Output::default();
            let (session, now) = (&mut self.session, self.now);
            self.decoder
                .push(text.as_bytes(), |piece| {
                    session.take(now, piece, &BUSES, &mut out);
                })
                .unwrap();
            self.closed |= out.close;
            told(&out)
        }

        fn hear(&mut self, id: u16, data: &[u8]) -> String {
            let frame = CanFrame::new(CanId::Standard(id), data).unwrap();
            let mut out = Output::default();
            self.session
                .frame(self.now, Duration::from_secs(7) + self.now, &frame, &mut out);
            told(&out)
        }

        /// Lets time pass; what happens meanwhile, with when.
        fn wait(&mut self, span: Duration) -> String {
            let end = self.now + span;
            let mut all = String::new();
            while let Some(due) = self.session.next_due().filter(|due| *due <= end) {
                assert!(due >= self.now, "time goes on");
                self.now = due;
                let mut out = Output::default();
                self.session.tick(due, &mut out);
                let _ = write!(all, "{}: {}; ", due.as_millis(), told(&out));
            }
            self.now = end;
            all
        }
    }

    fn told(out: &Output) -> String {
        let frames: Vec<_> = out.frames.iter().map(|frame| format!(" [{frame}]")).collect();
        let refused = if out.refused > 0 { " (refused)" } else { "" };
        format!("{}{}{refused}", out.text, frames.concat())
    }

    #[test]
    fn a_client_opens_a_bus_and_hears_all_of_it_in_raw_mode() {
        let mut bench = Bench::default();
        assert_eq!(bench.say("< open cluster-can-01 >< rawmode >"), "< ok >< ok >");
        assert!(bench.session.quiet_until() >= ms(20));
        assert_eq!(bench.hear(0x12, &[1, 0xAB]), "< frame 012 7.000000 01AB >");
        assert_eq!(bench.say("< send 123 1 ff >"), " [123#FF]");
        assert_eq!(bench.say("< echo >"), "< echo >");
        assert_eq!(
            bench.say("< subscribe 0 0 123 >"),
            "< error unknown command > (refused)"
        );
        assert_eq!(
            bench.say("< rawmode >"),
            "< error unknown command > (refused)",
            "it is in it"
        );
        assert_eq!(
            bench.say("< send 123 9 0 >"),
            " (refused)",
            "as the daemon: nothing is said"
        );
        assert!(!bench.closed);
    }

    #[test]
    fn without_a_bus_nothing_else_is_served() {
        for (said, heard) in [
            ("< open can0 >", "< error could not open bus > (refused)"),
            ("< echo >", "< error could not open bus > (refused)"),
            ("< open >", "< error could not open bus > (refused)"),
            (
                "< stack-can B 500000 0 0 0 0 0 0 0 >",
                "< error configuring interface stack-can > (refused)",
            ),
        ] {
            let mut bench = Bench::default();
            assert_eq!(bench.say(said), heard, "{said}");
            assert!(bench.closed, "{said}");
        }
    }

    #[test]
    fn cyclic_frames_begin_at_once_and_keep_their_grid() {
        let mut bench = Bench::opened();
        assert_eq!(bench.say("< add 0 20000 123 1 42 >"), " [123#42]");
        assert_eq!(bench.say("< add 0 0 5 0 >"), " [005#]", "once");
        assert_eq!(bench.wait(ms(45)), "20:  [123#42]; 40:  [123#42]; ");
        assert_eq!(bench.say("< update 123 2 1 2 >< update 7 0 >"), "");
        assert_eq!(bench.wait(ms(20)), "60:  [123#0102]; ");
        let mut out = Output::default();
        bench.session.tick(ms(113), &mut out);
        assert_eq!(
            (told(&out).as_str(), bench.session.next_due()),
            (" [123#0102]", Some(ms(120)))
        );
        bench.now = ms(113);
        assert_eq!(bench.say("< delete 123 >< add 0 10 9 0 >"), " [009#]");
        assert_eq!(bench.session.next_due(), Some(ms(114)), "not below a millisecond");
        assert_eq!(bench.say("< rawmode >"), "< ok >");
        assert_eq!(bench.session.next_due(), None, "the mode's jobs end with it");
    }

    #[test]
    fn subscriptions_tell_what_was_asked_for() {
        let mut bench = Bench::opened();
        assert_eq!(bench.hear(1, &[1]), "");
        bench.say("< subscribe 0 0 1 >< filter 0 0 2 2 F0 01 >");
        for _ in 0..2 {
            assert_eq!(bench.hear(1, &[1]), "< frame 001 7.000000 01  >");
        }
        assert_ne!(bench.hear(2, &[0, 0]), "", "the first always");
        assert_eq!(bench.hear(2, &[0x0F, 0xFE, 3]), "", "no masked bit changed");
        assert_ne!(bench.hear(2, &[0x1F, 0xFE, 3]), "");
        bench.say("< unsubscribe 1 >");
        assert_eq!(bench.hear(1, &[1]), "");
    }

    #[test]
    fn pages_of_a_multiplexed_message_are_told_apart() {
        let mut bench = Bench::opened();
        let filter = "< muxfilter 0 0 1 3 FF 0 0 0 0 0 0 0 33 FF 0 0 0 0 0 0 44 0 F0 0 0 0 0 0 >";
        assert_eq!(bench.say(filter), "");
        assert_ne!(bench.hear(1, &[0x33, 1]), "");
        assert_ne!(bench.hear(1, &[0x44, 9, 0x10]), "");
        assert_eq!(bench.hear(1, &[0x33, 1, 9]), "");
        assert_eq!(bench.hear(1, &[0x44, 8, 0x1F]), "");
        assert_ne!(bench.hear(1, &[0x33, 2]), "");
        assert_eq!(bench.hear(1, &[0x55, 2]), "", "no such page");
    }

    #[test]
    fn a_throttled_subscription_tells_the_latest_later() {
        let mut bench = Bench::opened();
        bench.say("< subscribe 0 100000 1 >");
        assert_ne!(bench.hear(1, &[1]), "");
        bench.wait(ms(30));
        assert_eq!(bench.hear(1, &[2]), "");
        bench.wait(ms(30));
        assert_eq!(bench.hear(1, &[3]), "");
        assert_eq!(bench.wait(ms(100)), "100: < frame 001 7.060000 03  >; ");
        assert_eq!(bench.hear(1, &[4]), "");
        bench.wait(ms(200));
        assert_ne!(bench.hear(1, &[5]), "");
    }

    #[test]
    fn control_mode_counts_what_passed() {
        let mut bench = Bench::opened();
        bench.say("< send 1 2 0 0 >");
        bench.hear(2, &[1, 2, 3]);
        assert_eq!(bench.say("< controlmode >< statistics 1000 >"), "< ok >");
        assert_eq!(bench.hear(2, &[1]), "");
        assert_eq!(bench.wait(ms(1000)), "1000: < stat 4 2 2 1 >; ");
        assert_eq!(bench.say("< send 1 0 >"), "< error unknown command > (refused)");
        bench.say("< statistics 0 >");
        assert_eq!(bench.wait(ms(5000)), "");
    }

    #[test]
    fn a_client_cannot_fill_the_memory() {
        let mut bench = Bench::opened();
        for id in 0..ENTRIES {
            assert_eq!(bench.say(&format!("< subscribe 0 0 {id:03X} >")), "");
        }
        assert_eq!(bench.say("< subscribe 0 0 7FF >"), " (refused)");
        assert_eq!(bench.say("< subscribe 0 0 001 >"), "");
    }

    proptest! {
        #[test]
        fn whatever_a_client_does_time_goes_on(
            steps in prop::collection::vec(
                (
                    prop::sample::select(vec![
                        "< open stack-can >", "< rawmode >", "< bcmmode >", "< controlmode >", "< statistics 7 >",
                        "< add 0 2000 1 1 1 >", "< add 18446744073709551615 0 1 0 >", "< delete 1 >", "< update 1 0 >",
                        "< subscribe 0 3000 1 >", "< subscribe 18446744073709551615 0 1 >", "< filter 0 0 1 1 1 >", "< x",
                        "< send 1 0 >", "< echo >", "< statistics 18446744073709551615 >",
                    ]),
                    0..20_u64,
                ),
                0..30,
            )
        ) {
            let mut bench = Bench::default();
            for (said, wait) in steps {
                bench.say(said);
                bench.hear(1, &[u8::try_from(wait).unwrap()]);
                bench.wait(ms(wait));
            }
        }
    }

    /// Whatever a client sends: it is told little for each byte, and has sent no more than its commands ask for.
    #[test]
    fn fuzz_socketcand() {
        use super::super::protocol::report;

        let seeds = [
            "< open stack-can >< rawmode >< send 123 2 1 ff >< send 1FFFFFFF 0 >< echo >< frame 123 1.5 0011 >",
            "< open cluster-can-01 >< add 0 1000 123 8 1 2 3 4 5 6 7 8 >< update 123 1 ff >< delete 123 >",
            "< open stack-can >< subscribe 0 0 123 >< filter 0 5000 123 1 FF >< unsubscribe 123 >",
            "< open stack-can >< muxfilter 0 0 123 2 FF 00 00 00 00 00 00 00 33 FF FF FF FF FF FF FF >< bcmmode >",
            "< open stack-can >< controlmode >< statistics 5 >\n<hi><ok>< error no >",
        ];
        let frame = CanFrame::new(CanId::Standard(0x123), &[1, 2, 3]).unwrap();
        let target = bess_fuzz::Target::new(env!("CARGO_MANIFEST_DIR"), "socketcand").seeds(seeds);
        target.runs(5000).check(|input| {
            let mut bench = Bench::default();
            for chunk in input.chunks(97) {
                let mut out = Output::default();
                let (session, now) = (&mut bench.session, bench.now);
                let pushed = bench.decoder.push(chunk, |piece| {
                    if let Piece::Element(element) = piece {
                        let _ = report(element);
                    }
                    session.take(now, piece, &BUSES, &mut out);
                });
                assert!(out.text.len() <= 32 * chunk.len() && out.frames.len() <= chunk.len());
                if out.close || pushed.is_err() {
                    return;
                }
                let mut out = Output::default();
                bench.session.frame(bench.now, Duration::MAX, &frame, &mut out);
                assert!(out.text.len() < 100, "{}", out.text);
                let end = bench.now + ms(20);
                while let Some(due) = bench.session.next_due().filter(|due| *due <= end) {
                    assert!(due >= bench.now, "time goes on");
                    let mut out = Output::default();
                    bench.session.tick(due, &mut out);
                    assert!(out.frames.len() <= ENTRIES, "one of each at a time");
                    bench.now = due;
                }
                bench.now = end;
            }
        });
    }
}
