//! What slices without samples say of their source.

use std::sync::atomic::{AtomicU64, Ordering};

/// A recording this many intervals long without a sample has lost V8's sampling thread.
const STALL_INTERVALS: i64 = 50;
/// An isolate that runs JavaScript for so long without a single sample has something about it that keeps V8 from
/// sampling.
const SILENCE_US: i64 = 1_000_000;
/// Shorter slices have none either.
const SILENCE_INTERVALS: i64 = 10;

/// V8's processing thread can spin and deliver empty profiles; stopping all recordings once cures it. An isolate that
/// is not entered gives no samples either, so the cure is tried less and less often.
#[derive(Default)]
pub(super) struct Stalls {
    /// Slices in a row.
    count: AtomicU64,
}

impl Stalls {
    /// Whether the cure is due after a slice of this length with so many ticks.
    pub(super) fn observe(&self, ticks: usize, length_us: i64, interval_us: u32) -> bool {
        if length_us < STALL_INTERVALS * i64::from(interval_us) {
            return false;
        }
        if ticks > 0 {
            self.count.store(0, Ordering::Relaxed);
            return false;
        }
        (self.count.fetch_add(1, Ordering::Relaxed) + 1).is_power_of_two()
    }
}

/// Notices a V8 that never samples, though JavaScript runs.
#[derive(Default)]
pub(super) struct Silence {
    /// An interrupt was served since the last slice.
    pub(super) ran: bool,
    /// How long slices in which JavaScript ran were, as long as none had samples.
    silent_us: i64,
    /// It is said once, and never of a V8 that did sample.
    over: bool,
}

impl Silence {
    /// Whether that is to be said now.
    pub(super) fn observe(&mut self, ticks: usize, length_us: i64, interval_us: u32) -> bool {
        let ran = std::mem::take(&mut self.ran);
        self.over |= ticks > 0;
        if self.over || !ran || length_us < SILENCE_INTERVALS * i64::from(interval_us) {
            return false;
        }
        self.silent_us += length_us;
        self.over = self.silent_us >= SILENCE_US;
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL_US: u32 = 10_000;
    const LONG_US: i64 = 1_000_000;

    #[test]
    fn a_long_slice_without_samples_is_a_stall() {
        let stalls = Stalls::default();
        assert!(!stalls.observe(100, LONG_US, INTERVAL_US));
        assert!(!stalls.observe(0, 400_000, INTERVAL_US), "too short to tell");
        assert!(stalls.observe(0, LONG_US, INTERVAL_US));
    }

    #[test]
    fn the_cure_is_tried_less_and_less_often_until_it_helps() {
        let stalls = Stalls::default();
        let tried: Vec<_> = (1..=20).filter(|_| stalls.observe(0, LONG_US, INTERVAL_US)).collect();
        assert_eq!(tried.len(), 5, "after 1, 2, 4, 8 and 16 slices");
        assert!(!stalls.observe(50, LONG_US, INTERVAL_US));
        assert!(stalls.observe(0, LONG_US, INTERVAL_US), "a new stall is a new one");
    }

    #[test]
    fn a_v8_that_never_samples_is_noticed_once_and_only_while_javascript_runs() {
        let mut silence = Silence::default();
        let mut slice = |ran, ticks| {
            silence.ran = ran;
            silence.observe(ticks, LONG_US / 2, INTERVAL_US)
        };
        assert!(!slice(false, 0) && !slice(false, 0) && !slice(false, 0), "the isolate was not entered");
        assert!(!slice(true, 0));
        assert!(slice(true, 0), "a second");
        assert!(!slice(true, 0) && !slice(true, 0), "it was said");

        let mut silence = Silence { ran: true, ..Silence::default() };
        assert!(!silence.observe(30, LONG_US, INTERVAL_US));
        silence.ran = true;
        assert!(!silence.observe(0, LONG_US, INTERVAL_US), "it can sample: that is a stall");

        let mut silence = Silence { ran: true, ..Silence::default() };
        assert!(!silence.observe(0, LONG_US, 500_000), "hardly any was due");
    }
}
