//! Detects a source that takes no samples.

use std::sync::atomic::{AtomicU64, Ordering};

/// After this many intervals without a sample, V8's sampling thread is considered lost.
const STALL_INTERVALS: i64 = 50;
/// If an isolate runs JavaScript for this long without a single sample, something prevents V8 from sampling.
const SILENCE_US: i64 = 1_000_000;
/// Shorter slices may have no samples normally.
const SILENCE_INTERVALS: i64 = 10;

/// V8's processing thread can spin and deliver empty profiles, until all recordings are stopped once. An isolate that
/// is not entered has no samples either, so this is tried less and less often.
#[derive(Default)]
pub(super) struct Stalls {
    /// The number of consecutive slices.
    count: AtomicU64,
}

impl Stalls {
    /// Whether all recordings should be stopped after a slice of this length with this many ticks.
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

/// Detects a V8 that takes no samples although JavaScript runs.
#[derive(Default)]
pub(super) struct Silence {
    /// Whether an interrupt was served since the last slice.
    pub(super) ran: bool,
    /// The total length of slices in which JavaScript ran, as long as none had samples.
    silent_us: i64,
    /// It is reported once, and never for a V8 that did sample.
    over: bool,
}

impl Silence {
    /// Whether to report it now.
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
        assert!(!stalls.observe(0, 400_000, INTERVAL_US), "the slice is too short");
        assert!(stalls.observe(0, LONG_US, INTERVAL_US));
    }

    #[test]
    fn recordings_are_stopped_less_and_less_often_until_it_helps() {
        let stalls = Stalls::default();
        let tried: Vec<_> = (1..=20).filter(|_| stalls.observe(0, LONG_US, INTERVAL_US)).collect();
        assert_eq!(tried.len(), 5, "after 1, 2, 4, 8 and 16 slices");
        assert!(!stalls.observe(50, LONG_US, INTERVAL_US));
        assert!(stalls.observe(0, LONG_US, INTERVAL_US), "a new stall starts over");
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
        assert!(!slice(true, 0) && !slice(true, 0), "it was reported");

        let mut silence = Silence { ran: true, ..Silence::default() };
        assert!(!silence.observe(30, LONG_US, INTERVAL_US));
        silence.ran = true;
        assert!(!silence.observe(0, LONG_US, INTERVAL_US), "it can sample: that is a stall");

        let mut silence = Silence { ran: true, ..Silence::default() };
        assert!(!silence.observe(0, LONG_US, 500_000), "few samples were due");
    }
}
