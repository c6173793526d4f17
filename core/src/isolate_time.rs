//! How long the profiler has run on the isolate's thread.

use std::cell::RefCell;
use std::time::{Duration, Instant};

/// Four buckets per octave: a percentile is at most 19 % too large.
const BUCKETS_PER_OCTAVE: f64 = 4.0;
const BUCKETS: usize = 96;

/// How long the profiler has run on the isolate's thread: starting, cutting, stopping and deleting V8's recordings,
/// and reading the heap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IsolateTime {
    /// How many times.
    pub count: u64,
    /// The sum of all times.
    pub total: Duration,
    /// The longest time.
    pub longest: Duration,
    /// The median.
    pub median: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The part of the total in which V8 deleted recordings. It grows with the distinct stacks in them.
    pub deleting: Duration,
}

/// Measures stretches of work.
pub(crate) struct Stopwatch(RefCell<Times>);

struct Times {
    total: Duration,
    longest: Duration,
    deleting: Duration,
    buckets: [u64; BUCKETS],
}

impl Default for Times {
    fn default() -> Self {
        Self { total: Duration::ZERO, longest: Duration::ZERO, deleting: Duration::ZERO, buckets: [0; BUCKETS] }
    }
}

/// One stretch of work, until it is dropped.
pub(crate) struct Lap<'a> {
    stopwatch: &'a Stopwatch,
    begin: Instant,
}

impl Stopwatch {
    pub(crate) fn new() -> Self {
        Self(RefCell::default())
    }

    pub(crate) fn lap(&self) -> Lap<'_> {
        Lap { stopwatch: self, begin: Instant::now() }
    }

    /// Runs a part of a lap that deletes.
    pub(crate) fn deleting(&self, delete: impl FnOnce()) {
        let begin = Instant::now();
        delete();
        self.0.borrow_mut().deleting += begin.elapsed();
    }

    fn add(&self, lap: Duration) {
        let mut times = self.0.borrow_mut();
        times.total += lap;
        times.longest = times.longest.max(lap);
        let octaves = (lap.as_nanos().max(1) as f64 / 1e3).log2().max(0.0);
        times.buckets[((octaves * BUCKETS_PER_OCTAVE) as usize).min(BUCKETS - 1)] += 1;
    }

    /// The times since the last call.
    pub(crate) fn take(&self) -> IsolateTime {
        let times = self.0.take();
        let count = times.buckets.iter().sum();
        let percentile = |share: f64| {
            let rank = (count as f64 * share).ceil() as u64;
            let mut seen = 0;
            let bucket = times.buckets.iter().position(|laps| {
                seen += laps;
                seen >= rank
            });
            let upper_us = 2f64.powf((bucket.unwrap_or(0) + 1) as f64 / BUCKETS_PER_OCTAVE);
            Duration::from_secs_f64(upper_us / 1e6).min(times.longest)
        };
        IsolateTime {
            count,
            total: times.total,
            longest: times.longest,
            median: percentile(0.5),
            p99: percentile(0.99),
            deleting: times.deleting,
        }
    }
}

impl Drop for Lap<'_> {
    fn drop(&mut self) {
        self.stopwatch.add(self.begin.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_close_and_never_beyond_the_longest() {
        let stopwatch = Stopwatch::new();
        assert_eq!(stopwatch.take(), IsolateTime::default());
        (0..98).for_each(|_| stopwatch.add(Duration::from_micros(100)));
        stopwatch.add(Duration::from_micros(3_000));
        stopwatch.add(Duration::from_micros(5_000));
        stopwatch.deleting(|| std::thread::sleep(Duration::from_millis(1)));
        let time = stopwatch.take();
        assert!(time.deleting >= Duration::from_millis(1), "{time:?}");
        assert_eq!((time.count, time.longest), (100, Duration::from_micros(5_000)));
        assert!((100..=119).contains(&time.median.as_micros()), "{time:?}");
        assert!((3_000..=3_570).contains(&time.p99.as_micros()), "{time:?}");
        assert_eq!(time.total, Duration::from_micros(98 * 100 + 8_000));
        assert_eq!(stopwatch.take(), IsolateTime::default(), "taking resets it");
    }
}
