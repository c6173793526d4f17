//! A stream sleeps while no JavaScript runs: V8's sampling thread would cost 7 ms of CPU a second for nothing.
//!
//! The interrupt that the ticker requests every 100 ms stays pending while no JavaScript runs. When it has been pending
//! for long enough, the ticker has the host wake the isolate's thread, which stops the recording. The interrupt stays
//! pending, comes before whatever runs next, and begins a slice as the first one began: with its first tick at a random
//! moment of the first interval.

use super::{Recorder, State};
use crate::error::Error;
use crate::host::LogLevel;
use crate::time::Monotonic;

/// How long nothing has run. Long enough for work that comes every few seconds: a fresh start takes half a millisecond
/// of it, and on a busy machine its first tick may come late.
const SLEEPS_AFTER_US: i64 = 3_000_000;
/// The same when the stream only lives on for the next span.
const SLEEPS_UNHELD_AFTER_US: i64 = 100_000;

impl Recorder {
    /// How long no JavaScript has run when the stream may sleep, if it may.
    pub(super) fn sleeps_after_us(&self, state: &State) -> Option<i64> {
        let after_us = if state.holds == 0 { SLEEPS_UNHELD_AFTER_US } else { SLEEPS_AFTER_US };
        state.running.map(|_| after_us)
    }

    pub(super) fn is_to_sleep(&self, state: &State, now_us: Monotonic) -> bool {
        self.sleeps_after_us(state).is_some() && self.stream.is_drowsy(now_us)
    }

    pub(super) fn fall_asleep(&self, state: &mut State) {
        self.read_heap_once(state);
        self.finish_closing(state);
        if let Some(running) = state.running.take() {
            self.stop_all(state, running, false);
            state.asleep = true;
            self.stream.set_asleep_from(Some(Monotonic::now()));
        }
    }

    /// In an interrupt, so JavaScript runs.
    pub(super) fn wake_up(&self, state: &mut State, now_us: Monotonic) {
        match self.begin(state, now_us) {
            Ok(()) => {}
            // The next interrupt tries again.
            Err(Error::Thread(_)) if state.holds > 0 => {}
            // It only waited for the next span, whose start tries again.
            Err(Error::Thread(_)) => self.end(state),
            Err(error) => {
                self.stream.log(LogLevel::Warning, &format!("profiling ends: {error}"));
                self.end(state);
            }
        }
    }

    /// It sleeps no longer.
    pub(super) fn rouse(&self, state: &mut State) {
        if std::mem::take(&mut state.asleep) {
            self.stream.set_asleep_from(None);
        }
    }
}
