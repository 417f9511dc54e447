//! A CAN bus in time: bit rate, exact frame lengths, arbitration, transmit queues, errors and error confinement.
//!
//! Modelled, after ISO 11898-1 (recalled): frames take their bits with stuffing and three bits of intermission; of the
//! nodes that have something to send when the bus becomes free, the lowest identifier wins; a frame nobody else is there
//! to acknowledge, one hit by a disturbance, and two different frames of one identifier end in an error frame; the
//! sender repeats. Counters of transmit and receive errors make a node error-passive at 128 and bus-off at 256; a
//! passive sender waits eight bits longer; a node that is off comes back after 128 times eleven recessive bits, and after
//! the pause of its driver. A node whose wires are off tries by itself until the missing acknowledgements have made it passive.
//! A shorted bus stays recessive: its senders see that, and nobody else.
//!
//! Not modelled: propagation delay and bit timing mismatch, overload and remote frames, receivers that see an error the
//! sender does not, the 8 points for the receiver that flags first.

use core::time::Duration;
use std::collections::VecDeque;

use bess_types::{CanFrame, CanId, SimTime};

use super::bits::{FrameBits, INTERMISSION};
use crate::config::Timing;
use crate::noise::Noise;

/// Bits of an error frame whose flag others answer with theirs: twice six, and the delimiter.
const ERROR_FRAME: u32 = 6 + 6 + 8;
/// Bits after which two frames of one identifier can differ first: start, identifier and format bits.
const HEAD_STANDARD: u32 = 15;
const HEAD_EXTENDED: u32 = 35;
/// Errors that make a node passive, and that take it off the bus.
const PASSIVE: u16 = 128;
const OFF: u16 = 256;
/// A passive sender waits this much longer.
const SUSPEND: u32 = 8;
/// A node that is off comes back after this many runs of this many recessive bits.
const RECOVERY_RUNS: u64 = 128;
const RECOVERY_BITS: u32 = 11;
/// The window the bus load is measured over.
const LOAD_WINDOW: Duration = Duration::from_secs(1);

/// How a node stands with its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorState {
    Active,
    Passive,
    Off,
}

impl ErrorState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Active => "error-active",
            Self::Passive => "error-passive",
            Self::Off => "bus-off",
        }
    }
}

/// Why a frame did not get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BusError {
    /// Disturbed on its way.
    Disturbed,
    /// Another node sent something else under the same identifier.
    Collision,
    /// Nobody acknowledged it.
    NoAcknowledge,
    /// The wires are shorted.
    Shorted,
}

impl BusError {
    /// As the Linux kernel tells it of a sender with these transmit and receive errors: class bits and eight bytes
    /// (linux/can/error.h).
    pub(crate) fn as_kernel(self, (transmit, receive): (u16, u16)) -> (u32, [u8; 8]) {
        const PROTOCOL: u32 = 0x008;
        const NO_ACKNOWLEDGE: u32 = 0x020;
        const BUS_ERROR: u32 = 0x080;
        const COUNTERS: u32 = 0x200;
        const WHILE_SENDING: u8 = 0x80;
        const BIT: u8 = 0x01;
        const NOT_DOMINANT: u8 = 0x08;
        let (class, kind) = match self {
            Self::Disturbed | Self::Collision => (PROTOCOL | BUS_ERROR, WHILE_SENDING | BIT),
            Self::Shorted => (PROTOCOL | BUS_ERROR, WHILE_SENDING | NOT_DOMINANT),
            Self::NoAcknowledge => (NO_ACKNOWLEDGE, 0),
        };
        let narrow = |errors: u16| u8::try_from(errors).unwrap_or(u8::MAX);
        (
            class | COUNTERS,
            [0, 0, kind, 0, 0, 0, narrow(transmit), narrow(receive)],
        )
    }
}

/// What came of one moment of the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The frame is on the bus, whole.
    Sent { node: usize, frame: CanFrame },
    /// It was destroyed; its sender will try again.
    Failed { node: usize, error: BusError },
    /// A node changed its state.
    State { node: usize, state: ErrorState },
}

/// A node's CAN controller.
#[derive(Debug)]
struct Node {
    /// Waiting frames: the lowest identifier goes first, among equal ones the oldest.
    queue: VecDeque<CanFrame>,
    transmit_errors: u16,
    receive_errors: u16,
    state: ErrorState,
    /// Not before, for a passive node that has just sent.
    ready_at: SimTime,
    /// End of what a node whose wires are off is sending.
    alone_until: Option<SimTime>,
    /// Runs of recessive bits seen since it went off.
    recovered_runs: u64,
    /// Recessive bits count from then on: its driver asked for it, or the last ones were counted.
    recovers_from: SimTime,
    /// Its device has its supply.
    powered: bool,
    /// Its wires are on the bus.
    connected: bool,
    /// A fault keeps it off the bus.
    held_off: bool,
    /// Share of its frames that are disturbed, 0 to 1.
    disturbed: f64,
    /// Sends this without end.
    babble: Option<CanFrame>,
    lost: u64,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            transmit_errors: 0,
            receive_errors: 0,
            state: ErrorState::Active,
            ready_at: SimTime::ZERO,
            alone_until: None,
            recovered_runs: 0,
            recovers_from: SimTime::ZERO,
            powered: true,
            connected: true,
            held_off: false,
            disturbed: 0.0,
            babble: None,
            lost: 0,
        }
    }
}

impl Node {
    fn next(&self) -> Option<CanFrame> {
        self.babble.or_else(|| self.queue.front().copied())
    }

    fn can_send(&self) -> bool {
        self.listens() && self.next().is_some()
    }

    /// When a node whose wires are off has its next try behind it. A passive one goes on trying, but counts no more.
    fn alone_next(&self) -> Option<SimTime> {
        let tries = self.powered && !self.connected && self.state == ErrorState::Active;
        (tries && self.next().is_some()).then_some(self.alone_until.unwrap_or(self.ready_at))
    }

    fn listens(&self) -> bool {
        self.powered && self.connected && self.state != ErrorState::Off
    }

    fn go_off(&mut self, recovers_from: SimTime) {
        self.state = ErrorState::Off;
        self.recovers_from = recovers_from;
        self.lost += self.queue.len() as u64;
        self.queue.clear();
        self.recovered_runs = 0;
    }

    /// Whether it may come back from being off.
    fn returns(&self) -> bool {
        self.powered && self.connected && !self.held_off && self.state == ErrorState::Off
    }

    fn judged(&self) -> ErrorState {
        if self.state == ErrorState::Off || self.transmit_errors >= OFF {
            ErrorState::Off
        } else if self.transmit_errors >= PASSIVE || self.receive_errors >= PASSIVE {
            ErrorState::Passive
        } else {
            ErrorState::Active
        }
    }
}

/// A frame on its way.
#[derive(Debug)]
struct Transmission {
    /// Whose; the first where several send the same.
    nodes: Vec<usize>,
    /// Passive nodes that sent something else under its identifier and gave way.
    beaten: Vec<usize>,
    frame: CanFrame,
    result: Result<(), BusError>,
    until: SimTime,
}

/// The bus.
#[derive(Debug)]
pub(crate) struct TimedBus {
    timing: Timing,
    nodes: Vec<Node>,
    under_way: Option<Transmission>,
    free_at: SimTime,
    shorted: bool,
    noise: Noise,
    outcomes: VecDeque<Outcome>,
    window_start: SimTime,
    busy: Duration,
    load: f64,
}

impl TimedBus {
    pub(crate) fn new(timing: Timing, nodes: usize, noise: Noise) -> Self {
        Self {
            timing,
            nodes: (0..nodes).map(|_| Node::default()).collect(),
            under_way: None,
            free_at: SimTime::ZERO,
            shorted: false,
            noise,
            outcomes: VecDeque::new(),
            window_start: SimTime::ZERO,
            busy: Duration::ZERO,
            load: 0.0,
        }
    }

    /// Puts a frame into a node's queue; false if it is lost because the queue is full or the node is off.
    pub(crate) fn send(&mut self, node: usize, frame: CanFrame) -> bool {
        let limit = self.timing.queue;
        let node = &mut self.nodes[node];
        if node.queue.len() >= limit || node.state == ErrorState::Off {
            node.lost += 1;
            return false;
        }
        let key = arbitration(frame.id);
        let at = node
            .queue
            .iter()
            .take_while(|other| arbitration(other.id) <= key)
            .count();
        node.queue.insert(at, frame);
        true
    }

    /// When something happens next by itself.
    pub(crate) fn next_event(&self) -> SimTime {
        let alone = self.nodes.iter().filter_map(Node::alone_next).min();
        self.next_on_bus().min(alone.unwrap_or(SimTime::NEVER))
    }

    fn next_on_bus(&self) -> SimTime {
        if let Some(under_way) = &self.under_way {
            return under_way.until;
        }
        let start = self.ready().map(|(_, at)| at).min().unwrap_or(SimTime::NEVER);
        let recoveries = self.nodes.iter().filter(|node| self.recovers(node));
        let back = recoveries.map(|node| {
            let left = RECOVERY_RUNS.saturating_sub(node.recovered_runs);
            let from = self.free_at.max(node.recovers_from);
            from + self.bits(RECOVERY_BITS) * u32::try_from(left).unwrap_or(u32::MAX)
        });
        back.min().unwrap_or(SimTime::NEVER).min(start)
    }

    /// Lets the next thing happen if it is due at `now`; call until there is none.
    pub(crate) fn advance(&mut self, now: SimTime) -> Option<Outcome> {
        loop {
            if let Some(outcome) = self.outcomes.pop_front() {
                return Some(outcome);
            }
            if self.next_event() > now {
                return None;
            }
            if self.next_on_bus() > now {
                self.try_alone(now);
                continue;
            }
            match self.under_way.take() {
                Some(done) => self.end(done),
                None => self.begin(now),
            }
        }
    }

    /// Share of the last full second the bus was busy, 0 to 1.
    pub(crate) fn load(&self) -> f64 {
        self.load
    }

    pub(crate) fn state(&self, node: usize) -> ErrorState {
        self.nodes[node].state
    }

    /// Transmit and receive error counters.
    pub(crate) fn errors(&self, node: usize) -> (u16, u16) {
        let node = &self.nodes[node];
        (node.transmit_errors, node.receive_errors)
    }

    /// Frames a node lost because its queue was full or it was off.
    pub(crate) fn lost(&self, node: usize) -> u64 {
        self.nodes[node].lost
    }

    /// Shorts the wires, or ends that.
    pub(crate) fn set_short(&mut self, shorted: bool) {
        self.shorted = shorted;
    }

    /// Whether a node hears the bus.
    pub(crate) fn listens(&self, node: usize) -> bool {
        self.nodes[node].listens()
    }

    /// Keeps a node off the bus, or lets it come back the usual way.
    pub(crate) fn set_held_off(&mut self, node: usize, held: bool) {
        let own = &mut self.nodes[node];
        own.held_off = held;
        if held && own.state != ErrorState::Off {
            own.go_off(self.free_at + self.timing.restart);
            self.outcomes.push_back(Outcome::State {
                node,
                state: ErrorState::Off,
            });
        }
    }

    /// Takes a node's wires off the bus, or puts them back.
    pub(crate) fn set_connected(&mut self, node: usize, connected: bool) {
        self.nodes[node].connected = connected;
        self.nodes[node].alone_until = None;
    }

    /// Disturbs this share of a node's frames, 0 to 1.
    pub(crate) fn set_disturbed(&mut self, node: usize, share: f64) {
        self.nodes[node].disturbed = share;
    }

    /// Lets a node send `frame` without end, or ends that.
    pub(crate) fn set_babble(&mut self, node: usize, frame: Option<CanFrame>) {
        self.nodes[node].babble = frame;
    }

    /// Takes the supply of a node's device, or gives it back: its controller starts anew.
    pub(crate) fn set_powered(&mut self, node: usize, powered: bool) {
        self.reset(node);
        self.nodes[node].powered = powered;
    }

    /// Starts a node's controller anew: queue empty, counters at zero.
    pub(crate) fn reset(&mut self, node: usize) {
        let Node {
            powered,
            connected,
            held_off,
            disturbed,
            babble,
            lost,
            ..
        } = self.nodes[node];
        self.nodes[node] = Node {
            powered,
            connected,
            held_off,
            disturbed,
            babble,
            lost,
            ..Node::default()
        };
    }

    // ---- a node alone --------------------------------------------------------------------------------------------

    /// Lets nodes whose wires are off send: nobody acknowledges, until they are passive.
    fn try_alone(&mut self, now: SimTime) {
        let bit = self.bits(1);
        for (i, node) in self.nodes.iter_mut().enumerate() {
            let (Some(due), Some(frame)) = (node.alone_next(), node.next()) else {
                continue;
            };
            if due > now {
                continue;
            }
            let length = FrameBits::of(&frame).nominal + ERROR_FRAME + INTERMISSION;
            if let Some(failed) = node.alone_until {
                node.transmit_errors += 8;
                node.ready_at = failed;
            }
            node.alone_until = Some(due.max(node.ready_at).max(now) + bit * length);
            let state = node.judged();
            if state != node.state {
                node.state = state;
                node.alone_until = None;
                self.outcomes.push_back(Outcome::State { node: i, state });
            }
        }
    }

    // ---- one frame ---------------------------------------------------------------------------------------------

    /// Nodes that have something to send, and from when on they may.
    fn ready(&self) -> impl Iterator<Item = (usize, SimTime)> {
        self.nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.can_send())
            .map(|(i, node)| (i, node.ready_at.max(self.free_at)))
    }

    fn begin(&mut self, now: SimTime) {
        self.count_recessive(now);
        let keys = self
            .ready()
            .filter(|(_, at)| *at <= now)
            .filter_map(|(i, _)| Some((arbitration(self.nodes[i].next()?.id), i)));
        let mut winners: Vec<usize> = Vec::new();
        let mut lowest = u32::MAX;
        for (key, node) in keys {
            if key < lowest {
                lowest = key;
                winners.clear();
            }
            if key == lowest {
                winners.push(node);
            }
        }
        // the lowest payload has the first dominant bit where they differ
        let lowest = winners.iter().filter_map(|&node| self.nodes[node].next());
        let Some(frame) =
            lowest.min_by(|a, b| a.data().len().cmp(&b.data().len()).then(a.data().cmp(b.data())))
        else {
            return;
        };
        let (winners, beaten): (Vec<usize>, Vec<usize>) = winners
            .into_iter()
            .partition(|&node| self.nodes[node].next() == Some(frame));
        let length = FrameBits::of(&frame);
        let head = match frame.id {
            CanId::Standard(_) => HEAD_STANDARD,
            CanId::Extended(_) => HEAD_EXTENDED,
        };
        // the flag of a passive node does not destroy the other's frame
        let differ = beaten
            .iter()
            .any(|&node| self.nodes[node].state == ErrorState::Active);
        let mut others = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(i, _)| !winners.contains(i));
        let alone = !others.any(|(_, node)| node.listens());
        let disturbed = self.noise.hits(self.nodes[winners[0]].disturbed);
        let all = length.nominal + length.fast;
        let (broken_at, error) = if self.shorted {
            (1, BusError::Shorted)
        } else if differ {
            (head, BusError::Collision)
        } else if disturbed {
            let at = head + whole(self.noise.unit() * f64::from(all.saturating_sub(head)));
            (at, BusError::Disturbed)
        } else {
            (length.nominal, BusError::NoAcknowledge)
        };
        let (time, result) = if error == BusError::NoAcknowledge && !alone {
            (self.time(length), Ok(()))
        } else {
            (self.bits(broken_at.min(all) + ERROR_FRAME), Err(error))
        };
        self.busy += time + self.bits(INTERMISSION);
        self.under_way = Some(Transmission {
            nodes: winners,
            beaten,
            frame,
            result,
            until: now + time,
        });
    }

    fn end(&mut self, done: Transmission) {
        let Transmission {
            nodes,
            beaten,
            frame,
            result,
            until,
        } = done;
        self.free_at = until + self.bits(INTERMISSION);
        let off = |node: &&mut Node| node.state == ErrorState::Off && node.recovers_from <= until;
        for node in self.nodes.iter_mut().filter(off) {
            node.recovered_runs += 1;
        }
        match result {
            Ok(()) => {
                for &node in &nodes {
                    let state = &mut self.nodes[node];
                    state.transmit_errors = state.transmit_errors.saturating_sub(1);
                    if state.babble.is_none() {
                        state.queue.pop_front();
                    }
                }
                self.outcomes.push_back(Outcome::Sent {
                    node: nodes[0],
                    frame,
                });
            }
            Err(error) => {
                for &node in &nodes {
                    let state = &mut self.nodes[node];
                    // a passive node that nobody answers is not driven off: it may just be the first one up
                    if error != BusError::NoAcknowledge || state.state == ErrorState::Active {
                        state.transmit_errors += 8;
                    }
                }
                self.outcomes.push_back(Outcome::Failed {
                    node: nodes[0],
                    error,
                });
            }
        }
        for &node in &beaten {
            self.nodes[node].transmit_errors += 8;
        }
        for (i, node) in self.nodes.iter_mut().enumerate() {
            if nodes.contains(&i) || beaten.contains(&i) || !node.listens() {
                continue;
            }
            node.receive_errors = match result {
                Ok(()) => match node.receive_errors {
                    PASSIVE.. => PASSIVE - 9,
                    errors => errors.saturating_sub(1),
                },
                // nothing was seen but recessive bits, or a frame like any other
                Err(BusError::NoAcknowledge | BusError::Shorted) => node.receive_errors,
                Err(_) => (node.receive_errors + 1).min(OFF),
            };
        }
        let suspend = self.bits(SUSPEND);
        for (i, node) in self.nodes.iter_mut().enumerate() {
            let state = node.judged();
            if state != node.state {
                node.state = state;
                if state == ErrorState::Off {
                    node.go_off(until + self.timing.restart);
                }
                self.outcomes.push_back(Outcome::State { node: i, state });
            }
            if state == ErrorState::Passive && (nodes.contains(&i) || beaten.contains(&i)) {
                node.ready_at = self.free_at + suspend;
            }
        }
        self.measure(until);
    }

    /// Recessive bits while the bus lies idle help nodes that are off back on it.
    fn count_recessive(&mut self, now: SimTime) {
        let run = self.bits(RECOVERY_BITS);
        let recovers = self.timing.recovers;
        for (i, node) in self.nodes.iter_mut().enumerate() {
            if node.state != ErrorState::Off {
                continue;
            }
            let from = self.free_at.max(node.recovers_from);
            let runs = now.since(from).as_nanos() / run.as_nanos().max(1);
            let runs = u32::try_from(runs).unwrap_or(u32::MAX);
            node.recovered_runs = node.recovered_runs.saturating_add(u64::from(runs));
            // what is counted is not counted again
            node.recovers_from = from + run * runs;
            if recovers && node.returns() && node.recovered_runs >= RECOVERY_RUNS {
                node.transmit_errors = 0;
                node.receive_errors = 0;
                node.state = ErrorState::Active;
                self.outcomes.push_back(Outcome::State {
                    node: i,
                    state: ErrorState::Active,
                });
            }
        }
    }

    fn recovers(&self, node: &Node) -> bool {
        self.timing.recovers && node.returns()
    }

    fn measure(&mut self, now: SimTime) {
        let since = now.since(self.window_start);
        if since >= LOAD_WINDOW {
            self.load = self.busy.as_secs_f64() / since.as_secs_f64();
            self.window_start = now;
            self.busy = Duration::ZERO;
        }
    }

    fn bits(&self, bits: u32) -> Duration {
        Duration::from_nanos(u64::from(bits) * 1_000_000_000 / u64::from(self.timing.bit_rate))
    }

    fn time(&self, length: FrameBits) -> Duration {
        let fast = u64::from(length.fast) * 1_000_000_000 / u64::from(self.timing.data_bit_rate);
        self.bits(length.nominal) + Duration::from_nanos(fast)
    }
}

/// What arbitration compares, bit by bit, as one number: lower wins, and an 11-bit identifier wins against a 29-bit one
/// that begins with it.
fn arbitration(id: CanId) -> u32 {
    match id {
        CanId::Standard(id) => u32::from(id) << 21,
        CanId::Extended(id) => (id >> 18) << 21 | 0b11 << 19 | (id & 0x3_FFFF) << 1,
    }
}

/// The whole part of a small positive number.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most a frame's bits"
)]
fn whole(value: f64) -> u32 {
    value as u32
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is the test failing")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BIT: Duration = Duration::from_micros(2);

    /// A bus whose nodes ask for recovery at once.
    fn bus(nodes: usize) -> TimedBus {
        let timing = Timing {
            restart: Duration::ZERO,
            ..Timing::default()
        };
        TimedBus::new(timing, nodes, Noise::new(1, 0))
    }

    fn frame(id: u16, data: &[u8]) -> CanFrame {
        CanFrame::new(CanId::Standard(id), data).unwrap()
    }

    /// Everything from `from` up to `until`, with its time.
    fn run_from(bus: &mut TimedBus, from: SimTime, until: SimTime) -> Vec<(SimTime, Outcome)> {
        let mut all = Vec::new();
        while bus.next_event() <= until {
            let at = bus.next_event().max(from);
            while let Some(outcome) = bus.advance(at) {
                all.push((at, outcome));
            }
        }
        all
    }

    fn run(bus: &mut TimedBus, until: SimTime) -> Vec<(SimTime, Outcome)> {
        run_from(bus, SimTime::ZERO, until)
    }

    fn sent(outcomes: &[(SimTime, Outcome)]) -> Vec<CanId> {
        let ids = outcomes.iter().filter_map(|(_, outcome)| match outcome {
            Outcome::Sent { frame, .. } => Some(frame.id),
            _ => None,
        });
        ids.collect()
    }

    fn second() -> SimTime {
        SimTime::from_millis(1_000)
    }

    #[test]
    fn a_frame_takes_its_bits_and_the_next_one_waits_for_three_more() {
        let mut bus = bus(2);
        let empty = frame(0x2AA, &[]);
        assert!(bus.send(0, empty) && bus.send(0, empty));
        let outcomes = run(&mut bus, second());
        let times: Vec<u64> = outcomes.iter().map(|(at, _)| at.as_nanos()).collect();
        let bits = u64::from(FrameBits::of(&empty).nominal);
        assert_eq!(times, [bits * 2_000, (bits + 3 + bits) * 2_000]);
    }

    #[test]
    fn lower_identifiers_go_first_and_formats_compare_bit_by_bit() {
        let mut bus = bus(3);
        let ids = [
            CanId::Extended(0x100 << 18),
            CanId::Standard(0x101),
            CanId::Standard(0x100),
            CanId::Extended(0xFF << 18 | 5),
        ];
        for (i, id) in ids.into_iter().enumerate() {
            assert!(bus.send(i % 2, CanFrame::new(id, &[1]).unwrap()));
        }
        assert_eq!(sent(&run(&mut bus, second())), [ids[3], ids[2], ids[0], ids[1]]);
    }

    #[test]
    fn a_disturbed_frame_is_sent_again_and_a_node_with_a_bad_line_ends_bus_off_and_comes_back() {
        let mut bus = bus(3);
        bus.set_disturbed(0, 1.0);
        bus.send(0, frame(1, &[7]));
        let first = bus
            .advance(SimTime::ZERO)
            .or_else(|| bus.advance(bus.next_event()));
        bus.set_disturbed(0, 0.0);
        let mut outcomes: Vec<_> = first
            .map(|outcome| (SimTime::ZERO, outcome))
            .into_iter()
            .collect();
        outcomes.extend(run(&mut bus, second()));
        assert!(matches!(
            outcomes[0].1,
            Outcome::Failed {
                node: 0,
                error: BusError::Disturbed,
                ..
            }
        ));
        assert_eq!(sent(&outcomes), [CanId::Standard(1)]);
        assert_eq!((bus.errors(0), bus.errors(1)), ((7, 0), (0, 0)));

        bus.set_disturbed(0, 1.0);
        bus.send(0, frame(1, &[7]));
        let outcomes = run_from(&mut bus, second(), SimTime::from_millis(1_100));
        let states: Vec<_> = outcomes
            .iter()
            .filter_map(|(at, outcome)| match outcome {
                Outcome::State { node: 0, state } => Some((*at, *state)),
                _ => None,
            })
            .collect();
        let names: Vec<_> = states.iter().map(|(_, state)| state.name()).collect();
        assert_eq!(names, ["error-passive", "bus-off", "error-active"]);
        // 128 runs of eleven bits, less what the error frames before gave
        let off = states[2].0 - states[1].0;
        assert!(off > BIT * 127 * 11 && off <= BIT * 129 * 11, "{off:?}");
        assert_eq!(bus.errors(0), (0, 0));
    }

    #[test]
    fn a_node_that_stays_off_takes_nothing_until_it_is_reset() {
        let mut bus = TimedBus::new(
            Timing {
                recovers: false,
                ..Timing::default()
            },
            2,
            Noise::new(1, 0),
        );
        bus.set_disturbed(0, 1.0);
        bus.send(0, frame(1, &[7]));
        run(&mut bus, second());
        assert_eq!(bus.state(0), ErrorState::Off);
        assert!(!bus.send(0, frame(1, &[7])));
        bus.set_disturbed(0, 0.0);
        bus.reset(0);
        assert!(bus.send(0, frame(1, &[7])));
        assert_eq!(
            sent(&run_from(&mut bus, second(), SimTime::from_millis(2_000))),
            [CanId::Standard(1)]
        );
    }

    #[test]
    fn a_lonely_node_asks_for_ever_but_stays_on_the_bus() {
        let mut bus = bus(2);
        bus.set_connected(1, false);
        bus.send(0, frame(1, &[]));
        let outcomes = run(&mut bus, SimTime::from_millis(100));
        assert!(sent(&outcomes).is_empty() && outcomes.len() > 300);
        assert_eq!((bus.state(0), bus.errors(0).0), (ErrorState::Passive, 128));
        bus.set_connected(1, true);
        assert_eq!(
            sent(&run(&mut bus, SimTime::from_millis(101))),
            [CanId::Standard(1)]
        );
    }

    #[test]
    fn a_node_without_wires_tries_alone_until_it_is_passive_and_is_heard_again_once_it_is_back() {
        let mut bus = bus(3);
        bus.set_connected(0, false);
        let lost = frame(1, &[1]);
        bus.send(0, lost);
        bus.send(1, frame(2, &[2]));
        let outcomes = run(&mut bus, second());
        let length = BIT * (FrameBits::of(&lost).nominal + ERROR_FRAME + INTERMISSION);
        let passive = (
            SimTime::ZERO + length * 16,
            Outcome::State {
                node: 0,
                state: ErrorState::Passive,
            },
        );
        assert!(outcomes.contains(&passive), "{outcomes:?}");
        assert_eq!(sent(&outcomes), [CanId::Standard(2)], "others do not notice");
        assert_eq!((bus.errors(0), bus.errors(1)), ((128, 0), (0, 0)));
        bus.set_connected(0, true);
        let outcomes = run_from(&mut bus, second(), SimTime::from_millis(1_001));
        assert_eq!(sent(&outcomes), [CanId::Standard(1)]);
        assert_eq!((bus.state(0), bus.errors(0).0), (ErrorState::Active, 127));
    }

    #[test]
    fn two_nodes_with_one_identifier_destroy_each_other_until_one_gives_way() {
        let mut bus = bus(3);
        bus.send(0, frame(1, &[1]));
        bus.send(1, frame(1, &[2]));
        let outcomes = run(&mut bus, second());
        let failed = outcomes
            .iter()
            .filter(|(_, o)| matches!(o, Outcome::Failed { .. }))
            .count();
        assert_eq!(failed, 16, "both become passive after 16 errors");
        assert_eq!(sent(&outcomes).len(), 2);
        // the same frame from both is one frame
        bus.send(0, frame(2, &[1]));
        bus.send(1, frame(2, &[1]));
        assert_eq!(
            sent(&run_from(&mut bus, second(), SimTime::from_millis(2_000))),
            [CanId::Standard(2)]
        );
    }

    #[test]
    fn a_short_drives_every_sender_off_and_a_babbler_fills_the_bus() {
        let restart = Duration::from_millis(100);
        let timing = Timing {
            restart,
            ..Timing::default()
        };
        let mut bus = TimedBus::new(timing, 3, Noise::new(1, 0));
        bus.set_short(true);
        bus.send(0, frame(1, &[]));
        let outcomes = run(&mut bus, second());
        let failed = |outcome: &Outcome| {
            matches!(
                outcome,
                Outcome::Failed {
                    error: BusError::Shorted,
                    ..
                }
            )
        };
        assert_eq!(outcomes.iter().filter(|(_, outcome)| failed(outcome)).count(), 32);
        let states: Vec<_> = outcomes
            .iter()
            .filter_map(|(at, outcome)| match outcome {
                Outcome::State { node, state } => Some((*at, *node, *state)),
                _ => None,
            })
            .collect();
        let names: Vec<_> = states
            .iter()
            .map(|(_, node, state)| (*node, state.name()))
            .collect();
        assert_eq!(names, [(0, "error-passive"), (0, "bus-off"), (0, "error-active")]);
        let off = states[2].0 - states[1].0;
        let recovery = BIT * 128 * 11;
        assert!(
            off >= restart + recovery && off <= restart + recovery + BIT * 22,
            "{off:?}"
        );
        assert_eq!(
            bus.errors(1),
            (0, 0),
            "a bus that stays recessive tells the others nothing"
        );
        bus.set_short(false);

        bus.set_babble(2, Some(frame(0, &[0; 8])));
        bus.send(0, frame(1, &[]));
        let outcomes = run_from(&mut bus, second(), SimTime::from_millis(4_200));
        assert!(
            !sent(&outcomes).contains(&CanId::Standard(1)),
            "nobody gets past identifier 0"
        );
        assert!(bus.load() > 0.99 && bus.load() <= 1.0, "{}", bus.load());
        bus.set_babble(2, None);
        assert_eq!(
            sent(&run(&mut bus, SimTime::from_millis(4_300))),
            [CanId::Standard(0), CanId::Standard(1)]
        );
    }

    #[test]
    fn a_full_queue_loses_the_newest_frame() {
        let mut bus = TimedBus::new(
            Timing {
                queue: 2,
                ..Timing::default()
            },
            2,
            Noise::new(1, 0),
        );
        let taken: Vec<bool> = (1..=4).map(|id| bus.send(0, frame(id, &[]))).collect();
        assert_eq!(taken, [true, true, false, false]);
        assert_eq!(bus.lost(0), 2);
    }

    proptest! {
        #[test]
        fn every_frame_taken_is_sent_once_and_frames_do_not_overlap(
            traffic in prop::collection::vec((0_usize..4, 0_u16..0x800, 0_u64..200_000, 0_usize..=8), 1..60),
            share in 0.0..0.3_f64,
        ) {
            let mut bus = TimedBus::new(Timing::default(), 5, Noise::new(7, 0));
            for node in 0..4 {
                bus.set_disturbed(node, share);
            }
            let mut traffic = traffic;
            traffic.sort_by_key(|t| t.2);
            let (mut taken, mut outcomes) = (0, Vec::new());
            for (node, id, at_us, len) in traffic {
                let at = SimTime::from_nanos(at_us * 1_000);
                outcomes.extend(run(&mut bus, at));
                // each node its own identifiers
                let id = id / 4 * 4 + u16::try_from(node).unwrap();
                taken += usize::from(bus.send(node, frame(id, &[0x55; 8][..len])));
                while let Some(outcome) = bus.advance(at) {
                    outcomes.push((at, outcome));
                }
            }
            outcomes.extend(run(&mut bus, second()));
            let off = (0..4).map(|node| bus.lost(node)).sum::<u64>();
            prop_assert_eq!(sent(&outcomes).len() as u64 + off, taken as u64);
            let mut free = SimTime::ZERO;
            for (at, outcome) in &outcomes {
                if let Outcome::Sent { frame, .. } = outcome {
                    let length = BIT * FrameBits::of(frame).nominal;
                    prop_assert!(*at >= free + length, "{at:?} after {free:?}");
                    free = *at + BIT * INTERMISSION;
                }
            }
        }
    }
}
