//! When an isolate's thread is needed, and how to ask for it: by V8's interrupt, which is served while JavaScript
//! runs, or by the host's waker when none runs.

use crate::platform::Running;
use crate::ticker::TICK;
use crate::time::Monotonic;

/// How long an isolate that runs JavaScript may take to serve an interrupt.
const PATIENCE_US: i64 = 25_000;
/// The minimum time between two calls of the waker, which hosts are promised.
const WAKE_DISTANCE_US: i64 = TICK.as_micros() as i64;

/// How to ask for the isolate's thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Nothing,
    Interrupt,
    Wake,
}

/// What the isolate's thread says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    /// When the running slice began.
    pub(crate) slice_from_us: Option<Monotonic>,
    /// When the thread is needed for anything but that slice.
    pub(crate) other_due_us: Option<Monotonic>,
    /// How long no JavaScript has run when the stream may sleep; `None` if it may not.
    pub(crate) sleeps_after_us: Option<i64>,
}

/// The state of the decision, with monotonic times.
#[derive(Debug)]
pub(super) struct Summons {
    /// When the running slice began.
    slice_from_us: Option<Monotonic>,
    /// How long a slice should be.
    pub(super) slice_us: i64,
    /// When a consumer needs a slice to end.
    pub(super) boundary_us: Option<Monotonic>,
    /// When the thread is needed for anything else.
    other_due_us: Option<Monotonic>,
    /// How long no JavaScript has run when the stream may sleep.
    sleeps_after_us: Option<i64>,
    /// While the stream sleeps: up to when its consumers know that nothing runs.
    asleep_us: Option<Monotonic>,
    /// Whether the running slice must end now.
    over: bool,
    /// When the pending interrupt was requested.
    asked_us: Option<Monotonic>,
    /// When the waker returned last.
    woken_us: Option<Monotonic>,
}

impl Summons {
    pub(super) fn new(slice_us: i64) -> Self {
        Self {
            slice_from_us: None,
            slice_us,
            boundary_us: None,
            other_due_us: None,
            sleeps_after_us: None,
            asleep_us: None,
            over: false,
            asked_us: None,
            woken_us: None,
        }
    }

    pub(super) fn plan(&mut self, plan: Plan) {
        let Plan { slice_from_us, other_due_us, sleeps_after_us } = plan;
        (self.slice_from_us, self.other_due_us, self.sleeps_after_us) = (slice_from_us, other_due_us, sleeps_after_us);
    }

    /// The stream sleeps from now on, or wakes up.
    pub(super) fn set_asleep_from(&mut self, from_us: Option<Monotonic>) {
        self.asleep_us = from_us;
    }

    /// Whether it records, or would if anything ran.
    pub(super) fn lives(&self) -> bool {
        self.slice_from_us.is_some() || self.asleep_us.is_some()
    }

    /// Whether the stream sleeps until an interrupt comes.
    pub(super) fn rests(&self) -> bool {
        // Without a pending interrupt it would not wake up.
        self.asleep_us.is_some() && self.asked_us.is_some()
    }

    /// Whether no JavaScript has run for so long that the stream may sleep.
    pub(super) fn is_drowsy(&self, now_us: Monotonic) -> bool {
        self.drowsy_us().is_some_and(|drowsy_us| drowsy_us <= now_us)
    }

    fn drowsy_us(&self) -> Option<Monotonic> {
        Some(self.asked_us? + self.sleeps_after_us?)
    }

    /// When the consumers of a sleeping stream must hear that nothing has run.
    fn quiet_due_us(&self) -> Option<Monotonic> {
        let asleep_us = self.asleep_us?;
        self.boundary_us.filter(|&boundary_us| boundary_us > asleep_us)
    }

    /// Whether the consumers of a sleeping stream must hear now that nothing has run; returned once.
    pub(super) fn take_quiet(&mut self, now_us: Monotonic) -> bool {
        let is_due = self.quiet_due_us().is_some_and(|due_us| due_us <= now_us);
        if is_due {
            self.asleep_us = Some(now_us);
        }
        is_due
    }

    /// Ends the running slice and starts no other.
    pub(super) fn end_all(&mut self) {
        self.over = true;
    }

    /// When a slice that began at `from_us` should end.
    pub(super) fn slice_due_us(&self, from_us: Monotonic) -> Monotonic {
        let due_us = from_us + self.slice_us;
        // A boundary before this slice was the reason to start it. The encoder sets the next one once it has read the
        // previous slice.
        self.boundary_us
            .filter(|&boundary_us| boundary_us > from_us)
            .map_or(due_us, |boundary_us| due_us.min(boundary_us))
    }

    /// When the thread is needed next.
    fn due_us(&self) -> Option<Monotonic> {
        match self.slice_from_us {
            Some(from_us) if self.over => Some(from_us),
            Some(from_us) => {
                let dues_us = [self.other_due_us, self.drowsy_us(), Some(self.slice_due_us(from_us))];
                dues_us.into_iter().flatten().min()
            }
            None => self.other_due_us,
        }
    }

    /// What to do now. On the grid of ticks an interrupt is always requested, because it also reads the heap.
    pub(super) fn decide(&mut self, now_us: Monotonic, on_grid: bool) -> Ask {
        let due = self.due_us().is_some_and(|due_us| due_us <= now_us);
        match self.asked_us {
            None if due || on_grid => {
                self.asked_us = Some(now_us);
                Ask::Interrupt
            }
            Some(asked_us) if due && self.may_wake_us(asked_us) <= now_us => Ask::Wake,
            _ => Ask::Nothing,
        }
    }

    /// When to decide again, unless a tick comes first. Always later than the last decision.
    pub(super) fn next_look_us(&self) -> Option<Monotonic> {
        let asks_us =
            self.due_us().map(|due_us| self.asked_us.map_or(due_us, |asked_us| due_us.max(self.may_wake_us(asked_us))));
        asks_us.into_iter().chain(self.quiet_due_us()).min()
    }

    /// When the waker may be called: no JavaScript has run by then, and the last wake-up is long enough ago.
    fn may_wake_us(&self, asked_us: Monotonic) -> Monotonic {
        let rested_us = self.woken_us.map(|woken_us| woken_us + WAKE_DISTANCE_US);
        rested_us.into_iter().chain([asked_us + PATIENCE_US]).max().unwrap_or(asked_us)
    }

    /// Called when the waker has returned.
    pub(super) fn woken(&mut self, now_us: Monotonic) {
        self.woken_us = Some(now_us);
    }

    /// Called when the interrupt has come.
    pub(super) fn served(&mut self) {
        self.asked_us = None;
    }
}

/// JavaScript that runs serves an interrupt sooner. What serves it later was not running when it was asked for.
const PROMPT_US: i64 = 200;

/// It is not asked for sooner after it was wanted: a recording has hardly begun.
const SOONEST_US: i64 = 200;
/// How late the ticker is where nothing else is known: the system's timers are late by 50 µs, and wake-ups take as long.
const USUALLY_LATE_US: i64 = 100;
/// A ticker that is later than this says nothing about the next time.
const LATEST_US: i64 = 3_000;

/// An interrupt that is only useful if it comes exactly on time. The ticker is late now and then, and work that is over
/// by then has lost its tick. So it is asked for as much earlier as the ticker is late on average.
pub(super) struct FirstTick {
    wanted_us: Option<Monotonic>,
    /// When to ask for it.
    due_us: Option<Monotonic>,
    asked: Option<Asked>,
    /// How late the ticker was lately.
    late_us: i64,
}

impl Default for FirstTick {
    fn default() -> Self {
        Self { wanted_us: None, due_us: None, asked: None, late_us: USUALLY_LATE_US }
    }
}

/// A request of that interrupt.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    at_us: Monotonic,
    /// What the isolate's thread did then, unless it slept.
    running: Option<Running>,
}

impl Asked {
    /// Whether what runs on this thread now, the isolate's, ran when it was asked for: on a busy machine it may have
    /// waited for a core since.
    pub(crate) fn is_prompt(self, now_us: Monotonic) -> bool {
        let ran_us = || self.running?.ran_us();
        now_us - self.at_us <= PROMPT_US || ran_us().is_some_and(|ran_us| ran_us <= PROMPT_US)
    }
}

impl FirstTick {
    /// The moment for which to interrupt the isolate now. Returned once.
    pub(super) fn ask(&mut self, now_us: Monotonic, running: Option<Running>) -> Option<Monotonic> {
        self.due_us().filter(|&due_us| now_us >= due_us)?;
        self.asked = Some(Asked { at_us: Monotonic::now(), running });
        self.wanted_us
    }

    /// Called after the interrupt is requested, because the ticker may have lost its core meanwhile.
    pub(super) fn asked(&mut self, wanted_us: Monotonic, now_us: Monotonic) {
        if self.wanted_us == Some(wanted_us)
            && let (Some(asked), Some(due_us)) = (&mut self.asked, self.due_us)
        {
            asked.at_us = now_us;
            self.late_us += ((now_us - due_us).min(LATEST_US) - self.late_us) / 8;
        }
    }

    /// When to interrupt the isolate; `None` if it was interrupted.
    pub(super) fn due_us(&self) -> Option<Monotonic> {
        self.due_us.filter(|_| self.asked.is_none())
    }

    /// How the interrupt was requested.
    pub(super) fn request(&self) -> Option<Asked> {
        self.asked
    }

    /// Returns whether there is another moment to wait for than before.
    pub(super) fn want(&mut self, at_us: Option<Monotonic>, now_us: Monotonic) -> bool {
        if self.wanted_us == at_us {
            return false;
        }
        (self.wanted_us, self.asked) = (at_us, None);
        self.due_us = at_us.map(|at_us| at_us.min((at_us - self.late_us).max(now_us + SOONEST_US)));
        at_us.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::Ask::*;
    use super::*;

    const MS: i64 = 1_000;

    fn at(us: i64) -> Monotonic {
        Monotonic::from_us(us)
    }

    fn slice(from_us: Monotonic) -> Plan {
        Plan { slice_from_us: Some(from_us), ..Plan::default() }
    }

    #[test]
    fn what_is_asked_when() {
        struct Case {
            what: &'static str,
            due_ms: i64,
            asked_ms: Option<i64>,
            woken_ms: Option<i64>,
            now_ms: i64,
            on_grid: bool,
            ask: Ask,
        }
        #[rustfmt::skip]
        let cases = [
            Case { what: "nothing due", due_ms: 500, asked_ms: None, woken_ms: None, now_ms: 499, on_grid: false, ask: Nothing },
            Case { what: "due", due_ms: 500, asked_ms: None, woken_ms: None, now_ms: 500, on_grid: false, ask: Interrupt },
            Case { what: "a tick", due_ms: 500, asked_ms: None, woken_ms: None, now_ms: 400, on_grid: true, ask: Interrupt },
            Case { what: "it was just asked", due_ms: 500, asked_ms: Some(490), woken_ms: None, now_ms: 514, on_grid: false, ask: Nothing },
            Case { what: "no JavaScript runs", due_ms: 500, asked_ms: Some(490), woken_ms: None, now_ms: 515, on_grid: false, ask: Wake },
            Case { what: "no JavaScript runs, nothing due", due_ms: 500, asked_ms: Some(100), woken_ms: None, now_ms: 400, on_grid: true, ask: Nothing },
            Case { what: "no JavaScript has run for long", due_ms: 500, asked_ms: Some(100), woken_ms: None, now_ms: 500, on_grid: false, ask: Wake },
            Case { what: "woken already", due_ms: 500, asked_ms: Some(100), woken_ms: Some(500), now_ms: 599, on_grid: false, ask: Nothing },
            Case { what: "woken already, a tick", due_ms: 500, asked_ms: Some(100), woken_ms: Some(500), now_ms: 599, on_grid: true, ask: Nothing },
            Case { what: "the host did not listen", due_ms: 500, asked_ms: Some(100), woken_ms: Some(500), now_ms: 600, on_grid: false, ask: Wake },
            Case { what: "the next thing is due soon after", due_ms: 530, asked_ms: Some(100), woken_ms: Some(500), now_ms: 530, on_grid: false, ask: Nothing },
            Case { what: "and gets its turn", due_ms: 530, asked_ms: Some(100), woken_ms: Some(500), now_ms: 600, on_grid: true, ask: Wake },
            Case { what: "JavaScript ran since", due_ms: 530, asked_ms: None, woken_ms: Some(500), now_ms: 530, on_grid: false, ask: Interrupt },
        ];
        for case in cases {
            let mut summons = Summons::new(0);
            let at_ms = |ms: i64| at(ms * MS);
            summons.plan(Plan { other_due_us: Some(at_ms(case.due_ms)), ..Plan::default() });
            (summons.asked_us, summons.woken_us) = (case.asked_ms.map(at_ms), case.woken_ms.map(at_ms));
            assert_eq!(summons.decide(at_ms(case.now_ms), case.on_grid), case.ask, "{}", case.what);
        }
    }

    /// An idle isolate whose host polls at once when woken: slices of a second, each followed by something due 30 ms
    /// later.
    #[test]
    fn an_idle_isolate_is_woken_on_time_and_not_too_often() {
        let mut summons = Summons::new(1_000 * MS);
        summons.plan(slice(at(0)));
        let (mut now_us, mut grid_us, mut woken) = (at(0), at(100 * MS), vec![]);
        while now_us < at(20_000 * MS) {
            let due_us = summons.due_us().unwrap();
            match summons.decide(now_us, now_us == grid_us) {
                Wake => {
                    // The waker also takes some time.
                    summons.woken(now_us + 3 * MS);
                    assert!(now_us - due_us <= 2 * WAKE_DISTANCE_US, "{due_us:?} was served at {now_us:?}");
                    woken.push(now_us);
                    let in_time = summons.other_due_us.is_some_and(|due_us| due_us <= now_us);
                    let from_us = if in_time { summons.slice_from_us } else { Some(now_us) };
                    let other_due_us = (!in_time).then(|| now_us + 30 * MS);
                    summons.plan(Plan { slice_from_us: from_us, other_due_us, sleeps_after_us: None });
                }
                Interrupt | Nothing => {}
            }
            if now_us == grid_us {
                grid_us = grid_us + 100 * MS;
            }
            let next_us = summons.next_look_us().map_or(grid_us, |look_us| look_us.min(grid_us));
            assert!(next_us > now_us, "the ticker would spin");
            now_us = next_us;
        }
        assert!(woken.len() >= 30, "{woken:?}");
        assert!(woken.is_sorted_by(|one, two| *two - *one >= WAKE_DISTANCE_US), "{woken:?}");
    }

    #[test]
    fn an_end_of_all_is_due_at_once() {
        let mut summons = Summons::new(1_000 * MS);
        summons.plan(slice(at(0)));
        assert_eq!(summons.decide(at(10 * MS), false), Nothing);
        summons.end_all();
        assert_eq!(summons.decide(at(10 * MS), false), Interrupt);
        summons.plan(Plan::default());
        assert_eq!(summons.next_look_us(), None);
    }

    #[test]
    fn an_isolate_in_which_nothing_runs_is_woken_once_to_let_the_stream_sleep() {
        let mut summons = Summons::new(10_000 * MS);
        let plan = Plan { sleeps_after_us: Some(1_000 * MS), ..slice(at(0)) };
        summons.plan(plan);
        assert_eq!(summons.next_look_us(), Some(at(10_000 * MS)), "nothing was asked yet");
        assert_eq!(summons.decide(at(100 * MS), true), Interrupt);
        assert_eq!(summons.next_look_us(), Some(at(1_100 * MS)));
        assert!(!summons.is_drowsy(at(1_099 * MS)) && summons.is_drowsy(at(1_100 * MS)));
        assert_eq!(summons.decide(at(1_100 * MS), true), Wake);
        summons.served();
        assert!(!summons.is_drowsy(at(5_000 * MS)), "JavaScript ran");
        assert_eq!(summons.decide(at(5_000 * MS), true), Interrupt);

        summons.plan(Plan { sleeps_after_us: None, ..plan });
        assert!(!summons.is_drowsy(at(9_000 * MS)), "it may not sleep");
        summons.plan(Plan::default());
        summons.set_asleep_from(Some(at(6_000 * MS)));
        assert_eq!((summons.decide(at(7_000 * MS), true), summons.next_look_us()), (Nothing, None));
        assert!(summons.rests());
        summons.served();
        assert!(!summons.rests(), "nothing would wake it up");
    }

    #[test]
    fn consumers_of_a_sleeping_stream_hear_once_that_nothing_ran() {
        let mut summons = Summons::new(1_000 * MS);
        summons.boundary_us = Some(at(500 * MS));
        summons.set_asleep_from(Some(at(600 * MS)));
        assert!(summons.next_look_us().is_none() && !summons.take_quiet(at(700 * MS)), "that is past");
        summons.boundary_us = Some(at(900 * MS));
        assert_eq!(summons.next_look_us(), Some(at(900 * MS)));
        assert!(!summons.take_quiet(at(899 * MS)) && summons.take_quiet(at(900 * MS)));
        assert!(summons.next_look_us().is_none() && !summons.take_quiet(at(950 * MS)));
        summons.boundary_us = Some(at(1_900 * MS));
        summons.set_asleep_from(None);
        assert!(summons.next_look_us().is_none() && !summons.take_quiet(at(2_000 * MS)), "it is awake");
    }

    #[test]
    fn a_first_tick_is_asked_for_earlier_where_the_ticker_is_late() {
        let mut first_tick = FirstTick::default();
        let mut late_us = |of_us: i64| {
            (1..=50).for_each(|turn| {
                let (now_us, at_us) = (at(turn * 100 * MS), at(turn * 100 * MS + 5 * MS));
                assert!(first_tick.want(Some(at_us), now_us) && !first_tick.want(Some(at_us), now_us));
                let due_us = first_tick.due_us().unwrap();
                assert_eq!(first_tick.ask(due_us + -1, None), None);
                assert_eq!(first_tick.ask(due_us, None), Some(at_us));
                assert_eq!((first_tick.ask(due_us, None), first_tick.due_us()), (None, None), "once");
                first_tick.asked(at_us, due_us + of_us);
            });
            let soon = [100, 250, 5 * MS].map(|us| {
                first_tick.want(Some(at(us)), at(0));
                first_tick.due_us().unwrap().us()
            });
            assert!(!first_tick.want(None, at(0)) && first_tick.due_us().is_none());
            soon
        };
        assert_eq!(late_us(USUALLY_LATE_US), [100, 200, 5 * MS - USUALLY_LATE_US]);
        let [.., earlier_us] = late_us(MS);
        assert!((4_000..4_010).contains(&earlier_us), "{earlier_us}");
        let [.., earliest_us] = late_us(50 * MS);
        assert!((2_000..2_010).contains(&earliest_us), "{earliest_us}");
    }
}
