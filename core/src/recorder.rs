//! [`Recorder`]: the one stream of slices of an isolate, on the isolate's thread.
//!
//! A slice is one recording of the source. The next one starts before the previous one stops, and the previous one is stopped only
//! some sampling intervals later, because V8 drops samples that its thread has taken but not yet processed.
//!
//! V8's thread ticks first an interval after it was started, so of work that begins when recording does, it would always miss what runs
//! then, and meet the rest at the same places. So once, at a moment of the first interval that has nothing to do with the program, V8's
//! thread is started anew in an interrupt: the sample that V8 takes in there is the first tick, and the others follow from then on. When
//! nothing runs at that moment, it is tried again an interval later; V8's own ticks count meanwhile where JavaScript cannot be interrupted.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::clock::monotonic_us;
use crate::error::Error;
use crate::host::{LogLevel, Logger, Waker};
use crate::isolate_time::Stopwatch;
use crate::lifetime::Threads;
use crate::source::{Beginning, Circumstances, Entered, Home, RecordingId, START_US, Serve, Source};
use crate::stream::{Consumer, Event, FinishedSlice, Mark, Stream};

/// How long a slice runs on beside its successor, in sampling intervals.
const OVERLAP_INTERVALS: i64 = 3;
/// JavaScript that runs serves an interrupt sooner. What serves it later was not running when it was asked for.
const PROMPT_US: i64 = 200;
/// How long after they ended ticks go on as they were. Longer pauses are at random anyway, unless they are a timer's.
const TICKS_GO_ON_US: i64 = 500_000;
/// So many intervals later V8's ticks have drifted from the program's beginnings by themselves.
const FIRST_TICK_TRIES: usize = 100;
/// Ticks are 100 ms apart; what is asked for in between need not read the heap.
const HEAP_INTERVAL_US: i64 = 60_000;
/// When it is tried again whether a thread can be had; each time twice as late.
const RETRY_US: i64 = 1_000_000;
const RETRY_MAX_US: i64 = 60_000_000;

thread_local! {
    /// The recorders of this thread, by stream id: an interrupt that comes late finds none. Gone before what a host
    /// destroys at the thread's end.
    static RECORDERS: RefCell<HashMap<u64, Weak<Recorder>>> = RefCell::default();
}

pub(crate) struct Recorder {
    pub(crate) stream: Arc<Stream>,
    /// A start walks the heap: there are no more of them than needed.
    starts_are_dear: bool,
    before_start: Option<Rc<dyn Fn()>>,
    next_consumer: Cell<u64>,
    pub(crate) busy: Stopwatch,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// `None` once disposed of.
    source: Option<Box<dyn Source>>,
    running: Option<Running>,
    /// The slice before, and when its successor took over.
    closing: Option<(Running, i64)>,
    /// How many consumers want samples now.
    holds: usize,
    /// The stream lives on until then without any.
    linger_until_us: i64,
    /// When the heap is to be read next, `None` before the stream's first time.
    heap_due_us: Option<i64>,
    /// When V8's thread is to be started anew, so that its ticks are not bound to the program's beginnings.
    first_tick_us: Option<i64>,
    /// From when JavaScript could have been interrupted until then: V8's own ticks do not count.
    muted: Vec<(i64, i64)>,
    /// When V8's thread ticked last, or would have, as far as is known; the others are intervals apart.
    tick_us: Option<i64>,
    /// When the last recording was stopped.
    ended_us: i64,
    /// The process is about to end: nothing starts any more.
    suspended: bool,
    /// The system gave no thread.
    refused: Option<Refused>,
    /// Consumers that hold the stream and get no samples yet.
    waiting: Vec<u64>,
}

#[derive(Clone, Copy)]
struct Refused {
    retry_us: i64,
    wait_us: i64,
}

#[derive(Clone, Copy)]
struct Running {
    id: RecordingId,
    from_us: i64,
    beginning: Beginning,
}

pub(crate) struct RecorderOptions {
    pub(crate) starts_are_dear: bool,
    pub(crate) interval_us: u32,
    pub(crate) wake: Option<Waker>,
    pub(crate) log: Option<Logger>,
    pub(crate) before_start: Option<Rc<dyn Fn()>>,
    pub(crate) threads: &'static Threads,
}

impl Recorder {
    pub(crate) fn new(source: Box<dyn Source>, options: RecorderOptions) -> Rc<Self> {
        let RecorderOptions { starts_are_dear, interval_us, wake, log, before_start, threads } = options;
        let stream = Stream::new(&*source, interval_us, threads, wake, log);
        let recorder = Rc::new(Self {
            stream: Arc::new(stream),
            starts_are_dear,
            before_start,
            next_consumer: Cell::new(1),
            busy: Stopwatch::new(),
            state: RefCell::new(State { source: Some(source), ..State::default() }),
        });
        let known = (recorder.stream.id, Rc::downgrade(&recorder));
        // At the thread's end it may be too late for interrupts.
        let _ = RECORDERS.try_with(|recorders| recorders.borrow_mut().insert(known.0, known.1));
        threads.enter();
        recorder
    }

    /// Whether calls that need V8 can be made here and now.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.is_foreign() {
            return Err(Error::Forked);
        }
        let Ok(state) = self.state.try_borrow() else { return Err(Error::Reentrant) };
        let source = state.source.as_deref().ok_or(Error::Closed)?;
        if !source.is_entered() {
            return Err(Error::WrongThread);
        }
        match self.stream.broken() {
            Some(unsupported) => {
                drop(state);
                self.stop();
                Err(unsupported.clone().into())
            }
            None => Ok(()),
        }
    }

    /// Whether it belongs to the process that this one was forked from: nothing of it may be touched.
    pub(crate) fn is_foreign(&self) -> bool {
        self.stream.threads.are_foreign()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state.try_borrow().is_ok_and(|state| state.running.is_some())
    }

    pub(crate) fn attach(&self, consumer: Box<dyn Consumer>) -> u64 {
        let id = self.next_consumer.replace(self.next_consumer.get() + 1);
        self.stream.push(Event::Attach(id, consumer));
        id
    }

    pub(crate) fn detach(&self, consumer: u64) {
        self.stream.push(Event::Detach(consumer));
    }

    pub(crate) fn mark(&self, consumer: u64, mark: Mark) {
        self.stream.mark(consumer, mark);
    }

    /// One moment of the rhythm of ticks, as far as it is known.
    #[cfg(test)]
    pub(crate) fn tick_us(&self) -> Option<i64> {
        self.state.borrow().tick_us
    }

    /// Keeps the stream running until [`Recorder::release`]; answers since when there are samples for the caller.
    pub(crate) fn hold(&self) -> Result<i64, Error> {
        let _busy = self.busy.lap();
        let mut state = self.before_hold()?;
        let from_us = monotonic_us();
        if state.running.is_none() {
            self.begin(&mut state, from_us)?;
        }
        state.holds += 1;
        Ok(from_us)
    }

    /// Whether the stream may be held; tells the host of a start that comes of it, before anything is borrowed.
    fn before_hold(&self) -> Result<RefMut<'_, State>, Error> {
        self.check()?;
        if let Some(before_start) = self.before_start.as_ref().filter(|_| self.state.borrow().running.is_none()) {
            before_start();
        }
        let state = self.state.borrow_mut();
        if state.suspended { Err(Error::Closed) } else { Ok(state) }
    }

    /// As [`Recorder::hold`], and marks the consumer active from then on. Where no thread can be had that is later: it
    /// is tried again, at growing intervals, now when the caller insists. Answers whether there are samples by now.
    pub(crate) fn hold_for(&self, consumer: u64, insist: bool) -> Result<bool, Error> {
        let _busy = self.busy.lap();
        let mut state = self.before_hold()?;
        let now_us = monotonic_us();
        state.holds += 1;
        if state.running.is_some() {
            self.mark(consumer, Mark::Active(now_us));
            return Ok(true);
        }
        state.waiting.push(consumer);
        let began = self.try_begin(&mut state, now_us, insist);
        if began.is_err() {
            state.holds -= 1;
            state.waiting.retain(|other| *other != consumer);
        }
        began
    }

    /// Tries again whether there can be samples for who waits for them, when it is time or the caller insists. Answers
    /// whether there are by now.
    pub(crate) fn retry(&self, insist: bool) -> Result<bool, Error> {
        let Ok(mut state) = self.state.try_borrow_mut() else { return Ok(true) };
        if state.waiting.is_empty() || state.suspended {
            return Ok(state.running.is_some());
        }
        self.try_begin(&mut state, monotonic_us(), insist)
    }

    /// Whether the consumer holds the stream and has had no samples yet.
    pub(crate) fn waits(&self, consumer: u64) -> bool {
        self.state.try_borrow().is_ok_and(|state| state.waiting.contains(&consumer))
    }

    /// Whether the consumer, which holds the stream, has had no samples; it waits no longer.
    pub(crate) fn waits_in_vain(&self, consumer: u64) -> bool {
        let waiting = &mut self.state.borrow_mut().waiting;
        let at = waiting.iter().position(|other| *other == consumer);
        at.map(|at| waiting.swap_remove(at)).is_some()
    }

    /// Takes a [`Recorder::hold`] back; without any the stream lives on for `linger_us`.
    pub(crate) fn release(&self, now_us: i64, linger_us: i64) {
        let _busy = self.busy.lap();
        let mut state = self.state.borrow_mut();
        state.holds = state.holds.saturating_sub(1);
        state.linger_until_us = state.linger_until_us.max(now_us + linger_us);
        if state.holds > 0 {
            return;
        }
        if state.running.is_none() || linger_us == 0 && state.linger_until_us <= now_us {
            self.end(&mut state);
        } else {
            self.plan(&state);
        }
    }

    /// Stops the stream unless it is held: what keeps it alive for the next span has been handed out.
    pub(crate) fn end_linger(&self) {
        let _busy = self.busy.lap();
        let mut state = self.state.borrow_mut();
        state.linger_until_us = 0;
        if state.holds == 0 && state.running.is_some() {
            self.end(&mut state);
        }
    }

    /// Stops the stream for as long as nobody asks for it.
    fn stop(&self) {
        if let Ok(mut state) = self.state.try_borrow_mut()
            && state.running.is_some()
        {
            self.end(&mut state);
        }
    }

    /// Ends V8's sampling thread for good. What was recorded can still be handed out.
    pub(crate) fn suspend(&self) {
        let _busy = self.busy.lap();
        let mut state = self.state.borrow_mut();
        state.suspended = true;
        if state.running.is_some() {
            self.end(&mut state);
        }
    }

    /// Ends the slice now, so that everything up to now can be handed out; the stream goes on in the next one. V8's thread is stopped
    /// for that: it would drop what it has not processed yet.
    pub(crate) fn cut_now(&self) {
        let _busy = self.busy.lap();
        let mut state = self.state.borrow_mut();
        if state.running.is_none() {
            self.stream.push(Event::Quiet(monotonic_us()));
        } else {
            self.read_heap_once(&mut state);
            if !self.restart(&mut state, false) {
                // Without the last samples, perhaps.
                self.cut(&mut state);
                self.finish_closing(&mut state);
            }
            self.plan(&state);
        }
        self.stream.schedule();
    }

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
        let now_us = monotonic_us();
        let sensible = self.stream.broken().is_none();
        if !state.waiting.is_empty() && !state.suspended && sensible {
            // Where V8 refuses they go on waiting.
            let _ = self.try_begin(&mut state, now_us, false);
        }
        if interrupt
            && sensible
            && let Some(at_us) = state.first_tick_us.filter(|at_us| now_us >= *at_us)
        {
            self.tick_first(&mut state, at_us, now_us);
            self.plan(&state);
            if state.first_tick_us.is_some() {
                self.stream.threads.ticker.hurry();
            }
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

    /// Does the first thing that is due with the running slices; answers whether there was any.
    fn move_on(&self, state: &mut State, now_us: i64) -> bool {
        if state.closing.is_some_and(|(_, at_us)| now_us - at_us >= self.overlap_us()) {
            self.finish_closing(state);
            return true;
        }
        let Some(running) = state.running else { return false };
        let unwanted = state.holds == 0 && now_us >= state.linger_until_us;
        if unwanted || self.stream.broken().is_some() {
            self.end(state);
        } else if self.stream.stalled.swap(false, Ordering::Relaxed) {
            self.stream.log(LogLevel::Debug, "V8 has sampled nothing for a while: its sampling thread is started anew");
            self.restart(state, false);
        } else if now_us >= self.stream.slice_due_us(running.from_us) {
            self.cut(state);
        } else {
            return false;
        }
        true
    }

    /// Frees what recordings held that were captured.
    pub(crate) fn reclaim_all(&self) {
        self.reclaim(&self.state.borrow(), usize::MAX);
    }

    fn reclaim(&self, state: &State, at_most: usize) {
        let Some(source) = state.source.as_deref() else { return };
        for raw in std::iter::from_fn(|| self.stream.take_captured()).take(at_most) {
            self.busy.deleting(|| raw.reclaim(Home::of(source)));
        }
    }

    /// Functions of this file, and what they call, are left out from now on.
    pub(crate) fn hide_file(&self, file: String) {
        if let Ok(state) = self.state.try_borrow()
            && let Some(source) = &state.source
        {
            source.hide_file(file);
        }
    }

    /// Stops everything, waits for whoever still reads, and frees V8's profiler. What was recorded goes to its
    /// consumers, and `hand_out` may wait for it to come out. Later calls answer [`Error::Closed`].
    ///
    /// Harmless at a thread's end, when what was thread-local is gone, and without the isolate entered. Where the
    /// process was forked V8's profiler is given up: its sampling thread is not in this process, and to stop it would
    /// wait for it for ever.
    pub(crate) fn dispose(&self, hand_out: impl FnOnce()) {
        if self.is_foreign() {
            // A call may have been under way on the thread that is missing here.
            if let Ok(mut state) = self.state.try_borrow_mut() {
                state.source = None;
            }
            return;
        }
        let mut state = self.state.borrow_mut();
        if state.source.is_none() {
            return;
        }
        let _ = RECORDERS.try_with(|recorders| recorders.borrow_mut().remove(&self.stream.id));
        self.stream.detach_host();
        if state.running.is_some() {
            self.end(&mut state);
        }
        self.stream.threads.ticker.unregister(self.stream.id);
        self.stream.push(Event::EndAll(monotonic_us()));
        // Waits for the encoder when it is at it; afterwards nothing reads V8's memory.
        self.stream.drain();
        self.reclaim(&state, usize::MAX);
        if let Some(source) = state.source.take() {
            source.dispose();
        }
        drop(state);
        hand_out();
        self.stream.threads.leave();
    }

    fn overlap_us(&self) -> i64 {
        OVERLAP_INTERVALS * i64::from(self.stream.interval_us)
    }

    fn read_heap(&self, state: &mut State, now_us: i64) {
        let Some(source) = &state.source else { return };
        self.stream.set_heap_bytes(source.heap_bytes());
        let first = state.heap_due_us.replace(now_us + HEAP_INTERVAL_US).is_none();
        // It is told for the stream's beginning, which lies in the window of whoever began it.
        if let Some(running) = state.running.filter(|_| first) {
            self.stream.push_heap_reading(running.from_us);
        }
    }

    /// What ends before an interrupt came has a reading of the heap, too.
    fn read_heap_once(&self, state: &mut State) {
        if state.running.is_some() && state.heap_due_us.is_none() {
            self.read_heap(state, monotonic_us());
        }
    }

    fn start(state: &State) -> Result<RecordingId, Error> {
        let source = state.source.as_deref().ok_or(Error::Closed)?;
        source.start(Entered::check(source).ok_or(Error::WrongThread)?)
    }

    /// Begins for those that wait; answers whether it does. The log hears of a refusal once, and of its end.
    fn try_begin(&self, state: &mut State, now_us: i64, insist: bool) -> Result<bool, Error> {
        if state.refused.is_some_and(|refused| !insist && now_us < refused.retry_us) {
            // Whoever came last is looked after as well.
            self.stream.threads.ticker.register_if_running(self.stream.clone());
            self.plan(state);
            return Ok(false);
        }
        match self.begin(state, now_us) {
            Ok(()) => Ok(true),
            Err(Error::Thread(why)) => {
                let wait_us = state.refused.map_or(RETRY_US, |refused| (refused.wait_us * 2).min(RETRY_MAX_US));
                if state.refused.replace(Refused { retry_us: now_us + wait_us, wait_us }).is_none() {
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

    fn begin(&self, state: &mut State, from_us: i64) -> Result<(), Error> {
        self.stream.clock.observe();
        self.have_threads(state, from_us)?;
        let id = match Self::start(state) {
            Ok(id) => {
                self.stream.threads.supply.taken();
                id
            }
            Err(error) => {
                self.stream.threads.ticker.unregister(self.stream.id);
                return Err(error);
            }
        };
        let beginning = Beginning::HostCall(monotonic_us());
        state.running = Some(Running { id, from_us, beginning });
        self.plan_first_tick(state, monotonic_us());
        state.heap_due_us = None;
        self.stream.forget_heap();
        if state.refused.take().is_some() {
            self.stream.log(LogLevel::Debug, "a thread could be had again: recording begins");
        }
        state.waiting.drain(..).for_each(|consumer| self.mark(consumer, Mark::Active(from_us)));
        self.plan(state);
        self.stream.threads.ticker.hurry();
        Ok(())
    }

    /// The ticker's, and one for V8: from V8 13.6 on (Node 24) it ends the process where it gets none.
    fn have_threads(&self, state: &State, now_us: i64) -> Result<(), Error> {
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
    fn cut(&self, state: &mut State) {
        self.read_heap_once(state);
        self.finish_closing(state);
        let Some(running) = state.running else { return };
        match Self::start(state) {
            Ok(id) => {
                // Both hold every sample around this moment: the new one has begun, the old one goes on.
                let at_us = monotonic_us();
                state.running = Some(Running { id, from_us: at_us, beginning: Beginning::Overlap });
                state.closing = Some((running, at_us));
            }
            Err(error) => self.stream.log(LogLevel::Warning, &format!("the slice goes on: {error}")),
        }
    }

    fn finish_closing(&self, state: &mut State) {
        if let Some((slice, at_us)) = state.closing.take() {
            self.stop_slice(state, slice, at_us, false);
        }
    }

    /// Stops the stream.
    fn end(&self, state: &mut State) {
        self.read_heap_once(state);
        self.finish_closing(state);
        if let Some(running) = state.running.take() {
            self.stop_slice(state, running, monotonic_us(), true);
            state.first_tick_us = None;
            state.muted.clear();
            self.stream.clock.observe();
            self.stream.threads.supply.proven(monotonic_us());
        }
        self.stream.threads.ticker.unregister(self.stream.id);
        self.plan(state);
        self.stream.schedule();
    }

    /// Stops all recordings, which ends V8's sampling thread, and starts anew, with a tick or to have one soon. Answers
    /// whether it does: what runs goes on where the system may give no other thread.
    fn restart(&self, state: &mut State, with_tick: bool) -> bool {
        // The kernel takes a while to see that a thread has ended, so that the old one's place does not suffice. For a tick the ticker
        // has just seen to it.
        let supply = self.stream.threads.supply;
        let has_thread = if with_tick { supply.is_just_proven(monotonic_us()) } else { supply.prove().is_ok() };
        if !has_thread {
            return false;
        }
        self.finish_closing(state);
        if let Some(running) = state.running.take() {
            self.stop_slice(state, running, monotonic_us(), false);
        }
        state.muted.clear();
        let from_us = monotonic_us();
        match Self::start(state) {
            Ok(id) => {
                self.stream.threads.supply.taken();
                // V8's thread says that it runs before it looks at the clock, and may be kept from that for as long as this one runs on.
                std::thread::yield_now();
                let beginning = if with_tick { Beginning::Tick } else { Beginning::Anew };
                state.running = Some(Running { id, from_us, beginning });
                if !with_tick {
                    self.plan_first_tick(state, monotonic_us());
                    self.stream.threads.ticker.hurry();
                }
            }
            Err(error) => {
                state.first_tick_us = None;
                self.stream.threads.ticker.unregister(self.stream.id);
                self.stream.log(LogLevel::Warning, &format!("profiling ends: {error}"));
            }
        }
        true
    }

    /// When it is stopped, V8's thread ticks once more, out of turn and inside of our call: `to_us` is before that.
    ///
    /// The encoder is to be woken when V8 is done with: it would compete with V8's threads for a core.
    fn stop_slice(&self, state: &mut State, slice: Running, to_us: i64, last: bool) {
        let Some(source) = &state.source else { return };
        match source.stop(slice.id) {
            Some(raw) => {
                state.ended_us = monotonic_us();
                let Running { from_us, beginning, .. } = slice;
                // Before the first tick those of V8's thread are bound to where it was started.
                if state.first_tick_us.is_none()
                    && let Some(at_us) = raw.last_sample_us(to_us).filter(|at_us| *at_us - from_us > START_US)
                {
                    state.tick_us = Some(at_us);
                }
                let circumstances =
                    Circumstances { beginning, muted: state.muted.clone(), interval_us: self.stream.interval_us };
                self.stream.push(Event::Slice(FinishedSlice { raw, from_us, to_us, circumstances, last }));
            }
            None => {
                self.stream.log(LogLevel::Warning, "V8 lost a recording: its samples are missing");
                self.stream.push(Event::Quiet(to_us));
            }
        }
    }

    /// Chooses when V8's thread is started anew: where its ticks would have gone on when they ended just now, else at random. Not by
    /// whether they met something: work that was met would be met more often.
    fn plan_first_tick(&self, state: &mut State, now_us: i64) {
        if self.starts_are_dear {
            return;
        }
        let interval_us = i64::from(self.stream.interval_us);
        let goes_on = now_us - state.ended_us < TICKS_GO_ON_US;
        let tick_us = state.tick_us.filter(|_| goes_on).unwrap_or_else(|| now_us - scramble(now_us, interval_us));
        let first_us = next_tick_us(tick_us, now_us, interval_us);
        state.tick_us = Some(first_us);
        state.first_tick_us = Some(first_us);
    }

    /// In an interrupt, after the first tick was due: starts V8's thread anew with a tick if what runs is what ran then.
    fn tick_first(&self, state: &mut State, at_us: i64, now_us: i64) {
        // Another interrupt came first: that of the tick is on its way.
        let Some(asked_us) = self.stream.first_tick_asked_us() else { return };
        state.first_tick_us = None;
        if now_us - asked_us <= PROMPT_US {
            if self.restart(state, true) {
                state.tick_us = Some(now_us);
            }
        } else if state.muted.len() < FIRST_TICK_TRIES {
            let next_us = next_tick_us(at_us, now_us, self.stream.interval_us.into());
            state.first_tick_us = Some(next_us);
            state.muted.push((now_us, next_us));
        }
    }

    /// Says when this thread is needed next.
    fn plan(&self, state: &State) {
        let mut due_us = i64::MAX;
        if state.running.is_some() && state.holds == 0 {
            due_us = state.linger_until_us;
        }
        if let Some((_, at_us)) = state.closing {
            due_us = due_us.min(at_us + self.overlap_us());
        }
        if self.stream.captured_count() > 0 {
            due_us = 0;
        }
        self.stream.want_first_tick(state.first_tick_us);
        if let Some(refused) = state.refused.filter(|_| !state.waiting.is_empty()) {
            due_us = due_us.min(refused.retry_us);
        }
        self.stream.plan(state.running.map(|running| running.from_us), due_us);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.dispose(|| {});
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

/// The first tick after a moment, of ticks an interval apart of which one is known.
fn next_tick_us(tick_us: i64, now_us: i64, interval_us: i64) -> i64 {
    now_us + interval_us - (now_us - tick_us).rem_euclid(interval_us)
}

/// A number below `limit` that has nothing to do with the given one (SplitMix64's last step).
fn scramble(seed: i64, limit: i64) -> i64 {
    let mixed = (seed as u64 ^ (seed as u64 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) % limit as u64) as i64
}
