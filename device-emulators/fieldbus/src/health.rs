//! Accounts of lateness and loss: what decides whether a paced run says anything about the controller.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bess_types::SimTime;

use crate::paced::Limits;
use bess_rig::{Health, Percentiles};

/// What the owner measures.
#[derive(Debug)]
pub(crate) struct Accounts {
    limits: Limits,
    ticks: u64,
    soft_misses: u64,
    hard_misses: u64,
    /// Due time and lateness of the first tick past the hard limit.
    first_hard_miss: Option<(SimTime, Duration)>,
    lateness: Histogram,
    send_jitter: Histogram,
}

impl Accounts {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            ticks: 0,
            soft_misses: 0,
            hard_misses: 0,
            first_hard_miss: None,
            lateness: Histogram::default(),
            send_jitter: Histogram::default(),
        }
    }

    /// A plant tick due at `due` is about to run `late`.
    pub(crate) fn tick(&mut self, due: SimTime, late: Duration) {
        self.ticks += 1;
        self.lateness.add(late);
        if late > self.limits.soft {
            self.soft_misses += 1;
        }
        if late > self.limits.hard {
            self.hard_misses += 1;
            self.first_hard_miss.get_or_insert((due, late));
        }
    }

    /// A frame due at `due` was handed to the kernel at `sent`.
    pub(crate) fn sent(&mut self, due: SimTime, sent: SimTime) {
        self.send_jitter.add(sent - due);
    }

    /// The run's figures so far.
    pub(crate) fn report(&self, losses: &Losses) -> Health {
        let mut reasons = Vec::new();
        if let Some((due, late)) = self.first_hard_miss {
            let more = match self.hard_misses - 1 {
                0 => String::new(),
                1 => ", and one more tick as well".into(),
                n => format!(", and {n} more ticks as well"),
            };
            reasons.push(format!(
                "the rig was late: the tick due at {due} ran {:.1} ms late, the hard limit is {} ms{more}",
                late.as_secs_f64() * 1e3,
                self.limits.hard.as_millis(),
            ));
        }
        reasons.extend(losses.reasons());
        Health {
            paced: true,
            ticks: self.ticks,
            soft_misses: self.soft_misses,
            hard_misses: self.hard_misses,
            lateness_us: self.lateness.percentiles(),
            send_jitter_us: self.send_jitter.percentiles(),
            dropped_frames: losses.frames(),
            undecoded: losses.undecoded.load(Ordering::Relaxed),
            inconclusive: (!reasons.is_empty()).then(|| reasons.join("; ")),
        }
    }
}

/// Traffic the rig lost, counted by whichever thread lost it.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Frames the kernel would not take within the send patience.
    pub(crate) not_sent: AtomicU64,
    /// Frames the kernel dropped because its receive queue was full.
    pub(crate) receive_queue: AtomicU64,
    /// Frames the owner's channel had no room for.
    pub(crate) channel: AtomicU64,
    /// Modbus requests and replies the owner's channel, or a client's queue, had no room for.
    pub(crate) modbus: AtomicU64,
    /// The first interface trouble, in words.
    interface: Mutex<Option<String>>,
    /// Frames that socketcand clients were too slow for.
    pub(crate) slow_client: AtomicU64,
    /// What peers put on the wires that is nothing the rig can read. No loss.
    pub(crate) undecoded: AtomicU64,
}

impl Losses {
    /// An interface failed while in use.
    pub(crate) fn interface_trouble(&self, text: String) {
        let mut first = self.interface.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_none() {
            tracing::warn!("{text}");
            *first = Some(text);
        }
    }

    fn frames(&self) -> u64 {
        [
            &self.not_sent,
            &self.receive_queue,
            &self.channel,
            &self.slow_client,
        ]
        .map(|counter| counter.load(Ordering::Relaxed))
        .iter()
        .sum()
    }

    fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<String> = self
            .interface
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect();
        for (counter, what) in [
            (
                &self.not_sent,
                "CAN frames could not be sent (transmit queue full, interface down or connection lost)",
            ),
            (
                &self.receive_queue,
                "CAN frames were lost in the kernel's receive queue",
            ),
            (
                &self.channel,
                "CAN frames were lost on the way to the rig (channel full)",
            ),
            (
                &self.slow_client,
                "CAN frames were lost to socketcand clients that did not keep up and were closed",
            ),
            (
                &self.modbus,
                "Modbus messages were lost on the way to or from the rig (queue full)",
            ),
        ] {
            let n = counter.load(Ordering::Relaxed);
            if n > 0 {
                reasons.push(format!("{n} {what}"));
            }
        }
        reasons
    }
}

/// One more of something that any thread may lose.
pub(crate) fn count(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Ordering::Relaxed);
}

/// Durations in microseconds, in buckets of 1/16 of their power of two: 6 % wide, 464 counters in all.
#[derive(Debug)]
struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max_us: u64,
}

const SUB_BITS: u32 = 4;
const SUB: u64 = 1 << SUB_BITS;
/// The last bucket holds everything from 2^32 us (71 minutes) on.
const BUCKETS: usize = ((32 - SUB_BITS + 1) << SUB_BITS) as usize;

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; BUCKETS],
            count: 0,
            max_us: 0,
        }
    }
}

impl Histogram {
    fn add(&mut self, value: Duration) {
        let us = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(us)] += 1;
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    fn percentiles(&self) -> Percentiles {
        Percentiles {
            p50: self.quantile(50),
            p99: self.quantile(99),
            max: self.max_us,
        }
    }

    /// Upper edge of the bucket in which `percent` of the values are reached.
    fn quantile(&self, percent: u64) -> u64 {
        let wanted = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        for (i, n) in self.buckets.iter().enumerate() {
            seen += n;
            if seen >= wanted {
                return upper_edge(i).min(self.max_us);
            }
        }
        self.max_us
    }
}

fn bucket_of(us: u64) -> usize {
    let index = if us < SUB {
        us
    } else {
        let shift = us.ilog2() - SUB_BITS;
        (u64::from(shift) << SUB_BITS) + (us >> shift)
    };
    usize::try_from(index).map_or(BUCKETS - 1, |i| i.min(BUCKETS - 1))
}

fn upper_edge(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < SUB {
        return bucket;
    }
    let shift = (bucket >> SUB_BITS) - 1;
    let lower = ((bucket & (SUB - 1)) + SUB) << shift;
    lower + (1 << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_their_edges() {
        for us in [0, 1, 15, 16, 17, 31, 32, 33, 1000, 49_999, 1 << 31] {
            let edge = upper_edge(bucket_of(us));
            assert!(edge >= us && edge <= us + us / 16, "{us} -> {edge}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_of_a_ramp() {
        let mut histogram = Histogram::default();
        for us in 1..=1000 {
            histogram.add(Duration::from_micros(us));
        }
        let p = histogram.percentiles();
        assert!((500..=531).contains(&p.p50), "{p:?}");
        assert!((990..=1000).contains(&p.p99), "{p:?}");
        assert_eq!(p.max, 1000);
        assert_eq!(Histogram::default().percentiles().p99, 0);
    }

    #[test]
    fn a_hard_miss_names_tick_and_lateness() {
        let mut accounts = Accounts::new(Limits::default());
        accounts.tick(SimTime::from_millis(10), Duration::from_millis(1));
        accounts.tick(SimTime::from_millis(20), Duration::from_millis(6));
        assert_eq!(accounts.report(&Losses::default()).inconclusive, None);
        accounts.tick(SimTime::from_millis(1230), Duration::from_micros(80_100));
        accounts.tick(SimTime::from_millis(1240), Duration::from_millis(71));
        let health = accounts.report(&Losses::default());
        assert_eq!((health.soft_misses, health.hard_misses), (3, 2));
        assert_eq!(
            health.inconclusive.as_deref(),
            Some(
                "the rig was late: the tick due at 1.230 s ran 80.1 ms late, the hard limit is 50 ms, \
                 and one more tick as well"
            )
        );
    }

    #[test]
    fn any_lost_frame_is_inconclusive() {
        let losses = Losses::default();
        count(&losses.receive_queue, 3);
        let health = Accounts::new(Limits::default()).report(&losses);
        assert_eq!(health.dropped_frames, 3);
        assert!(
            health
                .inconclusive
                .is_some_and(|why| why.contains("receive queue"))
        );
    }
}
