//! What is due on the isolate's thread, in an interrupt or whenever the host has time.

use std::rc::Weak;
use std::sync::atomic::Ordering;

use super::{RECORDERS, Recorder, State};
use crate::host::LogLevel;
use crate::source::{Home, Serve, Source};
use crate::stream::Plan;
use crate::time::Monotonic;

/// How long a slice runs on next to its successor, in sampling intervals.
const OVERLAP_INTERVALS: i64 = 3;

impl Recorder {
    /// What is due on the isolate's thread: bounded work, whatever records.
    pub(crate) fn maintain(&self) {
        self.maintain_in(false);
    }

    fn maintain_in(&self, interrupt: bool) {
        // An interrupt may come in the middle of a call of ours that runs JavaScript: the next one will do.
        let Ok(mut state) = self.state.try_borrow_mut() else { return };
        let _busy = self.busy.lap();
        if !state.source.as_deref().is_some_and(Source::is_entered) {
            return;
        }
        let now_us = Monotonic::now();
        let sensible = self.stream.broken().is_none();
        if !state.waiting.is_empty() && !state.suspended && sensible {
            // If V8 refuses, they keep waiting.
            let _ = self.try_begin(&mut state, now_us, false);
        }
        if interrupt && sensible && state.asleep {
            self.wake_up(&mut state, now_us);
            self.plan(&state);
            return;
        }
        let is_asked = || self.stream.first_tick_request().is_some();
        let is_for_first_tick = || state.rhythm.first_us().is_some_and(|first_us| now_us >= first_us || is_asked());
        if interrupt && sensible && is_for_first_tick() && self.tick_first(&mut state, now_us) {
            self.plan(&state);
            return;
        }
        // One thing at a time, so that no block is the sum of several; but finished profiles must not pile up.
        let moved_on = self.move_on(&mut state, now_us);
        if moved_on {
            self.stream.schedule();
        }
        if !moved_on || self.stream.captured_count() > 1 {
            self.reclaim(&state, 1);
        }
        if state.running.is_some() && state.heap_due_us.is_none_or(|due_us| now_us >= due_us) {
            self.read_heap(&mut state, now_us);
        }
        self.plan(&state);
    }

    /// Does the first thing that is due with the running slices; returns whether there was any.
    fn move_on(&self, state: &mut State, now_us: Monotonic) -> bool {
        if self.is_to_sleep(state, now_us) {
            self.fall_asleep(state);
            return true;
        }
        if state.closing.is_some_and(|(_, at_us)| now_us - at_us >= self.overlap_us()) {
            self.finish_closing(state);
            return true;
        }
        let unwanted = state.holds == 0 && state.linger_until_us.is_none_or(|until_us| now_us >= until_us);
        if state.lives() && (unwanted || self.stream.broken().is_some()) {
            self.end(state);
            return true;
        }
        if state.gives_back_us.is_some_and(|back_us| now_us >= back_us) {
            self.give_back(state);
            return true;
        }
        let Some(running) = state.running else { return false };
        if self.stream.stalled.swap(false, Ordering::Relaxed) {
            self.stream.log(LogLevel::Debug, "V8 has sampled nothing for a while: its sampling thread is started anew");
            self.restart(state, false);
        } else if now_us >= self.stream.slice_due_us(running.from_us) {
            self.cut(state);
        } else {
            return false;
        }
        true
    }

    /// Nothing was recorded for long.
    fn give_back(&self, state: &mut State) {
        state.gives_back_us = None;
        self.stream.threads.ticker.unregister(self.stream.id);
        // What was recorded was read long ago, but for a machine that has no thread for the encoder.
        self.stream.drain();
        self.reclaim(state, usize::MAX);
        if let Some(source) = &state.source {
            source.give_back();
        }
    }

    /// Frees what recordings held that were captured.
    pub(crate) fn reclaim_all(&self) {
        self.reclaim(&self.state.borrow(), usize::MAX);
    }

    pub(super) fn reclaim(&self, state: &State, at_most: usize) {
        let Some(source) = state.source.as_deref() else { return };
        for raw in std::iter::from_fn(|| self.stream.take_captured()).take(at_most) {
            self.busy.deleting(|| raw.reclaim(Home::of(source)));
        }
    }

    /// Says when this thread is needed next.
    pub(super) fn plan(&self, state: &State) {
        let now_us = Monotonic::now();
        let is_unheld = state.lives() && state.holds == 0;
        let dues_us = [
            is_unheld.then(|| state.linger_until_us.unwrap_or(now_us)),
            state.closing.map(|(_, at_us)| at_us + self.overlap_us()),
            (self.stream.captured_count() > 0).then_some(now_us),
            state.waiting.retry_us(),
            state.gives_back_us,
        ];
        self.stream.plan(Plan {
            slice_from_us: state.running.map(|running| running.from_us),
            other_due_us: dues_us.into_iter().flatten().min(),
            sleeps_after_us: self.sleeps_after_us(state),
        });
        self.want_first_tick(state);
    }

    /// Has the ticker ask for the first tick, which may be due before it would look.
    pub(super) fn want_first_tick(&self, state: &State) {
        if self.stream.want_first_tick(state.rhythm.first_us()) {
            self.stream.threads.ticker.hurry();
        }
    }

    fn overlap_us(&self) -> i64 {
        OVERLAP_INTERVALS * i64::from(self.stream.interval_us)
    }
}

/// The recorders of the thread that an interrupt comes on.
pub(crate) struct Recorders;

impl Serve for Recorders {
    fn serve(stream: u64) {
        let known = RECORDERS.try_with(|recorders| recorders.try_borrow().ok()?.get(&stream).and_then(Weak::upgrade));
        let Some(recorder) = known.ok().flatten().filter(|recorder| !recorder.is_foreign()) else { return };
        recorder.stream.guard(|| {
            recorder.stream.served();
            recorder.maintain_in(true);
        });
    }
}
