//! The two clocks: the monotonic one that V8 stamps samples with, and the wall clock that Sentry wants.

use std::collections::VecDeque;

use parking_lot::Mutex;

pub(crate) use crate::platform::clocks::monotonic_us;
use crate::platform::clocks::wall_us;

/// A wall clock that moved by less than this is the scheduler between two readings, not a step.
const TOLERANCE_US: i64 = 2_000;
/// A wall clock that moved by more than this against the monotonic one was stepped, or the machine was frozen.
const JUMP_US: i64 = 1_000_000;
/// One entry each time that the wall clock is found to have moved: hours of the worst slewing.
const MAX_ANCHORS: usize = 4_096;

/// From monotonic to wall time, also across a stepped clock or a machine that was frozen in between.
#[derive(Debug)]
pub(crate) struct Clock {
    /// (monotonic time from which it holds, wall − monotonic), in time order, never empty.
    anchors: Mutex<VecDeque<(i64, i64)>>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { anchors: Mutex::new(VecDeque::from([reading()])) }
    }

    /// With these (monotonic time, wall − monotonic).
    #[cfg(test)]
    pub(crate) fn with_anchors(anchors: &[(i64, i64)]) -> Self {
        Self { anchors: Mutex::new(anchors.iter().copied().collect()) }
    }

    /// Compares the clocks; to be called every 100 ms while something records, and where a window opens or closes.
    pub(crate) fn observe(&self) {
        self.observe_at(reading());
    }

    fn observe_at(&self, (monotonic_us, offset_us): (i64, i64)) {
        let mut anchors = self.anchors.lock();
        let known = anchors.back().expect("never empty").1;
        if (offset_us - known).abs() > TOLERANCE_US {
            anchors.push_back((monotonic_us, offset_us));
            if anchors.len() > MAX_ANCHORS {
                anchors.pop_front();
            }
        }
    }

    /// The Unix time of a moment, microseconds.
    pub(crate) fn wall(&self, monotonic_us: i64) -> i64 {
        let anchors = self.anchors.lock();
        let offset = anchors.iter().rev().find(|(from, _)| *from <= monotonic_us).or(anchors.front());
        monotonic_us + offset.expect("never empty").1
    }

    /// Whether the wall clock was stepped, or the machine frozen, between two moments.
    pub(crate) fn jumped(&self, from_us: i64, to_us: i64) -> bool {
        let elapsed = self.wall(to_us) - self.wall(from_us);
        (elapsed - (to_us - from_us)).abs() > JUMP_US
    }
}

/// (monotonic time, wall − monotonic)
fn reading() -> (i64, i64) {
    // The shortest of three: the scheduler may come between the readings.
    (0..3)
        .map(|_| {
            let before = monotonic_us();
            let wall = wall_us();
            let after = monotonic_us();
            (after - before, (before, wall - (before + after) / 2))
        })
        .min_by_key(|(width, _)| *width)
        .expect("three readings")
        .1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_now() {
        let clock = Clock::new();
        assert!((clock.wall(monotonic_us()) - wall_us()).abs() < 50_000);
        assert!(!clock.jumped(monotonic_us() - 60_000_000, monotonic_us()));
    }

    #[test]
    fn a_step_holds_from_where_it_was_seen() {
        let clock = Clock::with_anchors(&[(1_000, 5_000_000)]);
        clock.observe_at((2_000, 5_000_500));
        assert_eq!(clock.wall(2_000), 5_002_000, "a jitter is no step");
        clock.observe_at((3_000, 65_000_000));
        assert_eq!(clock.wall(2_999), 5_002_999);
        assert_eq!(clock.wall(3_000), 65_003_000);
        assert!(clock.jumped(2_999, 3_000));
        assert!(!clock.jumped(3_000, 9_000));
        clock.observe_at((4_000, 1_000_000));
        assert_eq!(clock.wall(4_000), 1_004_000, "backwards too");
        assert_eq!(clock.wall(0), 5_000_000, "before the first anchor the first one holds");
    }
}
