//! When ticks come, and when the first one does.
//!
//! V8's thread first ticks one interval after its start. If work begins together with the recording, V8 would always
//! miss its beginning, and hit the rest at the same places. So once, at a random moment of the first interval, V8's
//! thread is restarted in an interrupt: the sample that V8 takes in the start is the first tick, and the others follow
//! from there. If nothing runs at that moment, the next try is an interval later; meanwhile V8's own ticks count where
//! JavaScript cannot be interrupted.

use crate::time::Monotonic;

/// How long after they ended ticks go on as they were. Longer pauses are at random anyway, unless they are a timer's.
const GO_ON_US: i64 = 500_000;
/// So many intervals later V8's ticks have drifted from the program's beginnings by themselves.
const TRIES: usize = 100;

/// The ticks of one stream, as far as they are known; times are the monotonic clock's.
#[derive(Default)]
pub(super) struct Rhythm {
    /// When V8's thread is to be started anew, so that its ticks are not bound to the program's beginnings.
    first_us: Option<Monotonic>,
    /// From when JavaScript could have been interrupted until then: V8's own ticks do not count.
    muted: Vec<(Monotonic, Monotonic)>,
    /// When V8's thread ticked last, or would have; the others are intervals apart.
    tick_us: Option<Monotonic>,
    /// When the last recording was stopped.
    ended_us: Option<Monotonic>,
}

impl Rhythm {
    /// Chooses when V8's thread is started anew: where its ticks would have gone on when they ended just now, else at
    /// random. Not by whether they met something: work that was met would be met more often.
    pub(super) fn plan(&mut self, now_us: Monotonic, interval_us: i64) {
        let goes_on = self.ended_us.is_some_and(|ended_us| now_us - ended_us < GO_ON_US);
        let tick_us = self.tick_us.filter(|_| goes_on).unwrap_or_else(|| now_us - scramble(now_us.us(), interval_us));
        let first_us = next_tick_us(tick_us, now_us, interval_us);
        self.tick_us = Some(first_us);
        self.first_us = Some(first_us);
    }

    /// When V8's thread is to be started anew, `None` when it was.
    pub(super) fn first_us(&self) -> Option<Monotonic> {
        self.first_us
    }

    /// There is no first tick to come.
    pub(super) fn give_up(&mut self) {
        self.first_us = None;
    }

    /// An interrupt for the first tick has come. Returns whether the tick is taken now: if what runs is what ran when
    /// it was asked for, which makes it prompt. Else it is tried again.
    pub(super) fn served(&mut self, is_prompt: bool, now_us: Monotonic, interval_us: i64) -> bool {
        let Some(first_us) = self.first_us.take() else { return false };
        if is_prompt {
            return true;
        }
        if self.muted.len() < TRIES {
            // It may have been asked for a little too early.
            let next_us = next_tick_us(first_us, now_us.max(first_us), interval_us);
            self.first_us = Some(next_us);
            self.muted.push((now_us, next_us));
        }
        false
    }

    /// The first tick was taken.
    pub(super) fn began(&mut self, now_us: Monotonic) {
        self.tick_us = Some(now_us);
    }

    /// A recording was stopped, in which V8 had sampled last at that time.
    pub(super) fn stopped(&mut self, now_us: Monotonic, last_us: Option<Monotonic>) {
        self.ended_us = Some(now_us);
        // Before the first tick those of V8's thread are bound to where it was started.
        if self.first_us.is_none() && last_us.is_some() {
            self.tick_us = last_us;
        }
    }

    pub(super) fn muted(&self) -> &[(Monotonic, Monotonic)] {
        &self.muted
    }

    /// No recording runs that they were of.
    pub(super) fn unmute(&mut self) {
        self.muted.clear();
    }

    #[cfg(test)]
    pub(super) fn tick_us(&self) -> Option<Monotonic> {
        self.tick_us
    }
}

/// The first tick after a moment, of ticks an interval apart of which one is known.
fn next_tick_us(tick_us: Monotonic, now_us: Monotonic, interval_us: i64) -> Monotonic {
    now_us + interval_us - (now_us - tick_us).rem_euclid(interval_us)
}

/// A number below `limit` that has nothing to do with the given one (SplitMix64's last step).
fn scramble(seed: i64, limit: i64) -> i64 {
    let mixed = (seed as u64 ^ (seed as u64 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) % limit as u64) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: i64) -> Monotonic {
        Monotonic::from_us(us)
    }

    const INTERVAL_US: i64 = 10_000;

    #[test]
    fn the_first_tick_is_at_random_and_within_an_interval() {
        let firsts: Vec<_> = (0..1_000)
            .map(|turn| {
                let now_us = at(1_000_000_000 + turn * 1_000_003);
                let mut rhythm = Rhythm::default();
                rhythm.plan(now_us, INTERVAL_US);
                rhythm.first_us().unwrap() - now_us
            })
            .collect();
        assert!(firsts.iter().all(|first_us| (1..=INTERVAL_US).contains(first_us)));
        let early = firsts.iter().filter(|&&first_us| first_us <= INTERVAL_US / 2).count();
        assert!((420..=580).contains(&early), "{early} of 1,000 in the first half");
    }

    /// Of SplitMix64, begun at 0, this is the first number: 16,294,208,416,658,607,535.
    #[test]
    fn a_scrambled_number_has_nothing_to_do_with_its_seed() {
        assert_eq!(scramble(0x9e37_79b9_7f4a_7c15_u64 as i64, 1_000_000), 607_535);
    }

    #[test]
    fn what_was_chosen_holds_when_a_stream_ends_before_its_first_tick() {
        let mut rhythm = Rhythm::default();
        rhythm.plan(at(1_000_000), INTERVAL_US);
        let first_us = rhythm.first_us().unwrap();
        rhythm.stopped(at(1_000_001), None);
        rhythm.plan(at(1_020_000), INTERVAL_US);
        assert_eq!((rhythm.first_us().unwrap() - first_us) % INTERVAL_US, 0);
    }

    #[test]
    fn ticks_go_on_where_they_ended_just_now() {
        let mut rhythm = Rhythm::default();
        rhythm.plan(at(1_000_000), INTERVAL_US);
        rhythm.give_up();
        rhythm.stopped(at(1_050_000), Some(at(1_043_000)));
        rhythm.plan(at(1_052_000), INTERVAL_US);
        assert_eq!(rhythm.first_us(), Some(at(1_053_000)));
        // Stopped before its first tick: V8's own, which are bound to the start, change nothing.
        rhythm.stopped(at(1_090_000), Some(at(1_089_999)));
        rhythm.plan(at(1_091_000), INTERVAL_US);
        assert_eq!(rhythm.first_us(), Some(at(1_093_000)));
        // After a long pause it is another one.
        rhythm.stopped(at(1_100_000), None);
        rhythm.plan(at(2_000_000), INTERVAL_US);
        assert_ne!(rhythm.first_us().unwrap().us() % INTERVAL_US, 3_000);
    }

    #[test]
    fn an_interrupt_that_comes_late_mutes_until_the_next_try() {
        let mut rhythm = Rhythm::default();
        rhythm.plan(at(1_000_000), INTERVAL_US);
        let first_us = rhythm.first_us().unwrap();
        assert!(!rhythm.served(false, first_us + 25_000, INTERVAL_US));
        assert_eq!(rhythm.first_us(), Some(first_us + 30_000));
        assert_eq!(rhythm.muted(), [(first_us + 25_000, first_us + 30_000)]);
        assert!(!rhythm.served(false, first_us + 29_900, INTERVAL_US));
        assert_eq!(rhythm.first_us(), Some(first_us + 40_000), "not the same moment again");
        assert!(rhythm.served(true, first_us + 40_200, INTERVAL_US));
        assert_eq!(rhythm.first_us(), None);
        rhythm.began(first_us + 40_200);
        assert_eq!(rhythm.tick_us(), Some(first_us + 40_200));
        assert!(!rhythm.served(true, at(0), INTERVAL_US), "it was taken");
        rhythm.unmute();
        assert_eq!(rhythm.muted(), []);
    }

    #[test]
    fn what_is_never_interrupted_keeps_the_rhythm_of_v8() {
        let mut rhythm = Rhythm::default();
        rhythm.plan(at(0), INTERVAL_US);
        let tries = std::iter::from_fn(|| {
            let first_us = rhythm.first_us()?;
            Some(rhythm.served(false, first_us + 9_000, INTERVAL_US))
        });
        assert_eq!(tries.take(1_000).count(), TRIES + 1);
    }
}
