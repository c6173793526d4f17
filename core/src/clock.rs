//! The two clocks: V8's samples have times on the monotonic clock, Sentry needs wall time.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::time::{Monotonic, Unix};

/// A smaller difference is not a step: the scheduler may have run between the two readings.
const TOLERANCE_US: i64 = 2_000;
/// A larger difference means that the wall clock was stepped or the machine was frozen.
const JUMP_US: i64 = 1_000_000;
/// One entry for each change of the wall clock: enough for hours of the fastest slewing.
const MAX_ANCHORS: usize = 4_096;

/// How far the wall clock is ahead of the monotonic one, microseconds, from a moment on.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    from: Monotonic,
    ahead_us: i64,
}

/// Converts monotonic to wall time, also across a step of the clock or a freeze of the machine.
#[derive(Debug)]
pub(crate) struct Clock {
    /// In time order, never empty.
    anchors: Mutex<VecDeque<Anchor>>,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { anchors: Mutex::new(VecDeque::from([reading()])) }
    }

    /// With anchors as (monotonic time, wall − monotonic), microseconds.
    #[cfg(test)]
    pub(crate) fn with_anchors(anchors: &[(i64, i64)]) -> Self {
        Self { anchors: Mutex::new(anchors.iter().copied().map(Anchor::of).collect()) }
    }

    /// As if the wall clock had been set an hour forward since it was read last.
    #[cfg(test)]
    pub(crate) fn fall_behind(&self) {
        self.anchors.lock().back_mut().expect("never empty").ahead_us -= 3_600_000_000;
    }

    /// Compares the clocks. Called every 100 ms while something records, and when a window opens or closes.
    pub(crate) fn observe(&self) {
        self.observe_at(reading());
    }

    fn observe_at(&self, anchor: Anchor) {
        let mut anchors = self.anchors.lock();
        let known_us = anchors.back().expect("never empty").ahead_us;
        if (anchor.ahead_us - known_us).abs() > TOLERANCE_US {
            anchors.push_back(anchor);
            if anchors.len() > MAX_ANCHORS {
                anchors.pop_front();
            }
        }
    }

    /// The Unix time of a moment.
    pub(crate) fn wall(&self, moment: Monotonic) -> Unix {
        let anchors = self.anchors.lock();
        let anchor = anchors.iter().rev().find(|anchor| anchor.from <= moment).or(anchors.front());
        Unix::from_us(moment.us() + anchor.expect("never empty").ahead_us)
    }

    /// Whether the wall clock was stepped, or the machine frozen, between two moments.
    pub(crate) fn jumped(&self, from: Monotonic, to: Monotonic) -> bool {
        let elapsed_us = self.wall(to) - self.wall(from);
        (elapsed_us - (to - from)).abs() > JUMP_US
    }
}

fn reading() -> Anchor {
    // Take the shortest of three, because the scheduler may run between the two clocks' readings.
    let one = |_| {
        let before = Monotonic::now();
        let wall = Unix::now();
        let after = Monotonic::now();
        let width_us = after - before;
        (width_us, Anchor { from: before, ahead_us: wall.us() - (before.us() + width_us / 2) })
    };
    (0..3).map(one).min_by_key(|(width_us, _)| *width_us).expect("three readings").1
}

#[cfg(test)]
impl Anchor {
    fn of((from_us, ahead_us): (i64, i64)) -> Self {
        Self { from: Monotonic::from_us(from_us), ahead_us }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: i64) -> Monotonic {
        Monotonic::from_us(us)
    }

    #[test]
    fn now_is_now() {
        let clock = Clock::new();
        assert!((clock.wall(Monotonic::now()) - Unix::now()).abs() < 50_000);
        assert!(!clock.jumped(Monotonic::now() - 60_000_000, Monotonic::now()));
    }

    #[test]
    fn a_step_holds_from_where_it_was_seen() {
        let clock = Clock::with_anchors(&[(1_000, 5_000_000)]);
        clock.observe_at(Anchor::of((2_000, 5_000_500)));
        assert_eq!(clock.wall(at(2_000)), Unix::from_us(5_002_000), "jitter is not a step");
        clock.observe_at(Anchor::of((3_000, 65_000_000)));
        assert_eq!(clock.wall(at(2_999)), Unix::from_us(5_002_999));
        assert_eq!(clock.wall(at(3_000)), Unix::from_us(65_003_000));
        assert!(clock.jumped(at(2_999), at(3_000)));
        assert!(!clock.jumped(at(3_000), at(9_000)));
        clock.observe_at(Anchor::of((4_000, 1_000_000)));
        assert_eq!(clock.wall(at(4_000)), Unix::from_us(1_004_000), "backwards too");
        assert_eq!(clock.wall(at(0)), Unix::from_us(5_000_000), "before the first anchor the first one applies");
    }
}
