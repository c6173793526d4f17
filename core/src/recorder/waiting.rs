//! Consumers that wait while no thread can be had, and when to try again.

use crate::time::Monotonic;

/// When to check again whether a thread can be had, with a delay that doubles each time.
const RETRY_US: i64 = 1_000_000;
const RETRY_MAX_US: i64 = 60_000_000;

/// Consumers that hold the stream and get no samples yet.
#[derive(Default)]
pub(super) struct Waiting {
    consumers: Vec<u64>,
    refused: Option<Refused>,
}

#[derive(Clone, Copy)]
struct Refused {
    retry_us: Monotonic,
    wait_us: i64,
}

impl Waiting {
    pub(super) fn push(&mut self, consumer: u64) {
        self.consumers.push(consumer);
    }

    /// Returns whether it was there.
    pub(super) fn remove(&mut self, consumer: u64) -> bool {
        let at = self.consumers.iter().position(|&other| other == consumer);
        at.map(|at| self.consumers.swap_remove(at)).is_some()
    }

    pub(super) fn contains(&self, consumer: u64) -> bool {
        self.consumers.contains(&consumer)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.consumers.is_empty()
    }

    /// Whether it may be tried now.
    pub(super) fn may_try(&self, now_us: Monotonic) -> bool {
        self.refused.is_none_or(|refused| now_us >= refused.retry_us)
    }

    /// When it is tried next for those that wait.
    pub(super) fn retry_us(&self) -> Option<Monotonic> {
        self.refused.filter(|_| !self.is_empty()).map(|refused| refused.retry_us)
    }

    /// The system gave none. Returns whether that is new.
    pub(super) fn refuse(&mut self, now_us: Monotonic) -> bool {
        let wait_us = self.refused.map_or(RETRY_US, |refused| (refused.wait_us * 2).min(RETRY_MAX_US));
        self.refused.replace(Refused { retry_us: now_us + wait_us, wait_us }).is_none()
    }

    /// The system gave one: nobody waits any more. Returns who did, and whether it had refused before.
    pub(super) fn end(&mut self) -> (Vec<u64>, bool) {
        (std::mem::take(&mut self.consumers), self.refused.take().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: i64) -> Monotonic {
        Monotonic::from_us(us)
    }

    #[test]
    fn it_is_tried_less_and_less_often() {
        let mut waiting = Waiting::default();
        waiting.push(1);
        assert!(waiting.may_try(at(0)) && waiting.retry_us().is_none());
        let mut now_us = at(0);
        let mut waits = vec![];
        for tries in 0..8 {
            assert_eq!(waiting.refuse(now_us), tries == 0, "it is said once");
            let retry_us = waiting.retry_us().unwrap();
            assert!(!waiting.may_try(retry_us - 1) && waiting.may_try(retry_us));
            waits.push((retry_us - now_us) / 1_000_000);
            now_us = retry_us;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        waiting.push(2);
        assert!(waiting.contains(2) && waiting.remove(1) && !waiting.remove(1));
        assert_eq!(waiting.end(), (vec![2], true));
        assert!(waiting.is_empty() && waiting.may_try(now_us));
        assert_eq!(waiting.end(), (vec![], false));
    }
}
