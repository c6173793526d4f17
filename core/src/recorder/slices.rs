//! The running slice and the one before it: how they begin, follow each other and end.

use super::{Recorder, Running, State};
use crate::error::Error;
use crate::host::LogLevel;
use crate::platform::OnTime;
use crate::source::{Beginning, Circumstances, Entered, RecordingId, START_US};
use crate::stream::{Event, FinishedSlice, Mark};
use crate::time::Monotonic;

/// Ticks are 100 ms apart; what is asked for in between need not read the heap.
const HEAP_INTERVAL_US: i64 = 60_000;

impl Recorder {
    pub(super) fn read_heap(&self, state: &mut State, now_us: Monotonic) {
        let Some(source) = &state.source else { return };
        self.stream.set_heap_bytes(source.heap_bytes());
        let first = state.heap_due_us.replace(now_us + HEAP_INTERVAL_US).is_none();
        // Back-date it to the stream's beginning, so that it falls into the window that began the stream.
        if let Some(running) = state.running.filter(|_| first) {
            self.stream.push_heap_reading(running.from_us);
        }
    }

    /// What ends before an interrupt came has a reading of the heap, too.
    pub(super) fn read_heap_once(&self, state: &mut State) {
        if state.running.is_some() && state.heap_due_us.is_none() {
            self.read_heap(state, Monotonic::now());
        }
    }

    pub(super) fn start(state: &State) -> Result<RecordingId, Error> {
        let source = state.source.as_deref().ok_or(Error::Closed)?;
        source.start(Entered::check(source).ok_or(Error::WrongThread)?)
    }

    /// Starts where nothing is recorded, so that V8 begins its thread and waits for it.
    fn start_thread(state: &State) -> Result<RecordingId, Error> {
        let _on_time = OnTime::begin();
        Self::start(state)
    }

    /// Starts for consumers that wait; returns whether it does. A refusal is logged once, and so is its end.
    pub(super) fn try_begin(&self, state: &mut State, now_us: Monotonic, insist: bool) -> Result<bool, Error> {
        if !insist && !state.waiting.may_try(now_us) {
            // Whoever came last is looked after as well.
            self.stream.threads.ticker.register_if_running(self.stream.clone());
            self.plan(state);
            return Ok(false);
        }
        match self.begin(state, now_us) {
            Ok(()) => {
                self.plan(state);
                Ok(true)
            }
            Err(Error::Thread(why)) => {
                if state.waiting.refuse(now_us) {
                    let error = Error::Thread(why);
                    self.stream
                        .log(LogLevel::Warning, &format!("nothing is recorded for now, it is tried again: {error}"));
                }
                self.plan(state);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Begins the stream; who holds it from now on plans.
    pub(super) fn begin(&self, state: &mut State, from_us: Monotonic) -> Result<(), Error> {
        self.stream.clock.observe();
        self.have_threads(state, from_us)?;
        self.rouse(state);
        state.gives_back_us = None;
        // The ticker wakes up while V8 waits for its own thread.
        self.plan_first_tick(state);
        let id = match Self::start_thread(state) {
            Ok(id) => {
                self.stream.threads.supply.taken();
                id
            }
            Err(error) => {
                state.rhythm.give_up();
                self.stream.want_first_tick(None);
                self.stream.threads.ticker.unregister(self.stream.id);
                return Err(error);
            }
        };
        let beginning = Beginning::HostCall(Monotonic::now());
        state.running = Some(Running { id, from_us, beginning });
        state.heap_due_us = None;
        self.stream.forget_heap();
        let (waited, were_refused) = state.waiting.end();
        if were_refused {
            self.stream.log(LogLevel::Debug, "a thread could be had again: recording begins");
        }
        waited.into_iter().for_each(|consumer| self.mark(consumer, Mark::Active(from_us)));
        Ok(())
    }

    /// The ticker's, and one for V8: from V8 13.6 on (Node 24) it ends the process where it gets none.
    pub(super) fn have_threads(&self, state: &State, now_us: Monotonic) -> Result<(), Error> {
        let threads = self.stream.threads;
        threads.ticker.register(self.stream.clone())?;
        if !threads.supply.is_proven(now_us)
            && let Err(error) = threads.supply.prove()
        {
            // The ticker looks after those that wait, and after nobody else.
            if state.holds == 0 {
                threads.ticker.unregister(self.stream.id);
            }
            return Err(error.into());
        }
        Ok(())
    }

    /// Starts the next slice; the one before runs on for a while.
    pub(super) fn cut(&self, state: &mut State) {
        self.read_heap_once(state);
        self.finish_closing(state);
        let Some(running) = state.running else { return };
        match Self::start(state) {
            Ok(id) => {
                // Both hold every sample around this moment: the new one has begun, the old one goes on.
                let at_us = Monotonic::now();
                state.running = Some(Running { id, from_us: at_us, beginning: Beginning::Overlap });
                state.closing = Some((running, at_us));
            }
            Err(error) => self.stream.log(LogLevel::Warning, &format!("the slice goes on: {error}")),
        }
    }

    pub(super) fn finish_closing(&self, state: &mut State) {
        if let Some((slice, at_us)) = state.closing.take() {
            self.stop_slice(state, slice, at_us, false);
        }
    }

    /// Stops the stream.
    pub(super) fn end(&self, state: &mut State) {
        self.read_heap_once(state);
        self.finish_closing(state);
        self.rouse(state);
        match state.running.take() {
            Some(running) => self.stop_all(state, running, true),
            None => self.stream.push(Event::Quiet(Monotonic::now())),
        }
        state.gives_back_us = self.gives_back_after_us.map(|after_us| Monotonic::now() + after_us);
        if state.gives_back_us.is_none() {
            self.stream.threads.ticker.unregister(self.stream.id);
        }
        self.plan(state);
        self.stream.schedule();
    }

    /// Stops the running slice, which is the only one, and with it V8's sampling thread.
    pub(super) fn stop_all(&self, state: &mut State, running: Running, last: bool) {
        self.stop_slice(state, running, Monotonic::now(), last);
        state.rhythm.give_up();
        state.rhythm.unmute();
        self.stream.clock.observe();
        self.stream.threads.supply.proven(Monotonic::now());
    }

    /// Stops all recordings, which ends V8's sampling thread, and starts anew, with a tick or to have one soon.
    /// Returns whether it does: what runs goes on where the system may give no other thread.
    pub(super) fn restart(&self, state: &mut State, with_tick: bool) -> bool {
        // The kernel takes a while to see that a thread has ended, so that the old one's place does not suffice. For a
        // tick the ticker has just seen to it, unless this thread had to wait for a core since.
        let supply = self.stream.threads.supply;
        if !(with_tick && supply.is_just_proven(Monotonic::now())) && supply.prove().is_err() {
            return false;
        }
        self.finish_closing(state);
        if let Some(running) = state.running.take() {
            self.stop_slice(state, running, Monotonic::now(), false);
        }
        state.rhythm.unmute();
        let from_us = Monotonic::now();
        match Self::start_thread(state) {
            Ok(id) => {
                self.stream.threads.supply.taken();
                // V8's thread says that it runs before it looks at the clock, and may be kept from that for as long as
                // this one runs on.
                std::thread::yield_now();
                let beginning = if with_tick { Beginning::Tick } else { Beginning::Anew };
                state.running = Some(Running { id, from_us, beginning });
                if !with_tick {
                    self.plan_first_tick(state);
                }
            }
            Err(error) => {
                state.rhythm.give_up();
                self.stream.threads.ticker.unregister(self.stream.id);
                self.stream.log(LogLevel::Warning, &format!("profiling ends: {error}"));
            }
        }
        true
    }

    /// When it is stopped, V8's thread ticks once more, out of turn and inside of our call: `to_us` is before that.
    ///
    /// The encoder is to be woken when V8 is done with: it would compete with V8's threads for a core.
    pub(super) fn stop_slice(&self, state: &mut State, slice: Running, to_us: Monotonic, last: bool) {
        let Some(source) = &state.source else { return };
        match source.stop(slice.id) {
            Some(raw) => {
                let Running { from_us, beginning, .. } = slice;
                let last_us = raw.last_sample_us(to_us).filter(|last_us| *last_us - from_us > START_US);
                state.rhythm.stopped(Monotonic::now(), last_us);
                let circumstances = Circumstances {
                    beginning,
                    muted: state.rhythm.muted().to_vec(),
                    interval_us: self.stream.interval_us,
                };
                self.stream.push(Event::Slice(FinishedSlice { raw, from_us, to_us, circumstances, last }));
            }
            None => {
                self.stream.log(LogLevel::Warning, "V8 lost a recording: its samples are missing");
                self.stream.push(Event::Quiet(to_us));
            }
        }
    }

    pub(super) fn plan_first_tick(&self, state: &mut State) {
        #[cfg(test)]
        if !self.has_first_ticks.get() {
            return;
        }
        state.rhythm.plan(Monotonic::now(), self.stream.interval_us.into());
        self.want_first_tick(state);
    }

    /// In an interrupt, after the first tick was due: starts V8's thread anew with a tick if what runs is what ran
    /// then. Returns whether that interrupt was for the tick alone.
    pub(super) fn tick_first(&self, state: &mut State, now_us: Monotonic) -> bool {
        // Another interrupt came first: that of the tick is on its way, and must not find this thread busy.
        let Some(asked) = self.stream.first_tick_request() else { return true };
        let is_prompt = asked.is_prompt(now_us);
        let ticks = state.rhythm.served(is_prompt, now_us, self.stream.interval_us.into()) && self.restart(state, true);
        if ticks {
            state.rhythm.began(now_us);
        }
        ticks
    }
}
