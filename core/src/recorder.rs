//! [`Recorder`]: the one stream of slices of an isolate, on the isolate's thread.
//!
//! A slice is one recording of V8. The next one starts before the previous one stops, and the previous one is stopped only
//! some sampling intervals later, because V8 drops samples that its thread has taken but not yet processed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::clock::monotonic_us;
use crate::error::Error;
use crate::isolate_time::Stopwatch;
use crate::stream::{Consumer, Event, FinishedSlice, LogLevel, Logger, Mark, Stream, Waker};
use crate::threads;
use crate::v8::abi::{self, Api};
use crate::v8::{CpuProfiler, Isolate, LoggingMode, RecordingId, Title};

/// How long a slice runs on beside its successor, in sampling intervals.
const OVERLAP_INTERVALS: i64 = 3;
/// Ticks are 100 ms apart; what is asked for in between need not read the heap.
const HEAP_INTERVAL_US: i64 = 60_000;
/// What V8 may keep of one slice, which only an isolate that nobody wakes fills. A recording's maximum is its window's: V8
/// would apply it to every slice, of all recordings and sessions, and not say what it left out.
const SLICE_MAX_SAMPLES: u32 = 500_000;

thread_local! {
    /// The recorders of this thread, by stream id: an interrupt that comes late finds none.
    static RECORDERS: RefCell<HashMap<u64, Weak<Recorder>>> = RefCell::default();
}

pub(crate) struct Recorder {
    pub(crate) stream: Arc<Stream>,
    isolate: Isolate,
    next_consumer: Cell<u64>,
    pub(crate) busy: Stopwatch,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// `None` once disposed of.
    v8: Option<CpuProfiler>,
    running: Option<Running>,
    /// The slice before, and when its successor took over.
    closing: Option<(Running, i64)>,
    /// How many consumers want samples now.
    holds: usize,
    /// The stream lives on until then without any.
    linger_until_us: i64,
    /// When the heap is to be read next, `None` before the stream's first time.
    heap_due_us: Option<i64>,
    /// The process is about to end: nothing starts any more.
    suspended: bool,
}

#[derive(Clone, Copy)]
struct Running {
    id: RecordingId,
    title: Title,
    from_us: i64,
}

pub(crate) struct RecorderOptions {
    pub(crate) logging: LoggingMode,
    pub(crate) interval_us: u32,
    pub(crate) wake: Option<Waker>,
    pub(crate) log: Option<Logger>,
}

impl Recorder {
    /// # Safety
    /// `isolate` is alive, this is its thread, and it outlives the recorder or [`Recorder::dispose`].
    pub(crate) unsafe fn new(
        api: Arc<Api>,
        isolate: NonNull<c_void>,
        options: RecorderOptions,
    ) -> Result<Rc<Self>, Error> {
        let isolate = Isolate::new(isolate);
        if Isolate::current(&api) != Some(isolate) {
            return Err(Error::WrongThread);
        }
        // SAFETY: as the caller vouches; it is entered.
        let v8 = unsafe { CpuProfiler::new(api.clone(), isolate, options.logging, options.interval_us) };
        let v8 = Some(v8.ok_or(Error::StartRefused(-1))?);
        let stream = Stream::new(api, isolate, options.interval_us, on_interrupt, options.wake, options.log);
        let recorder = Rc::new(Self {
            stream: Arc::new(stream),
            isolate,
            next_consumer: Cell::new(1),
            busy: Stopwatch::new(),
            state: RefCell::new(State { v8, ..State::default() }),
        });
        RECORDERS.with_borrow_mut(|recorders| recorders.insert(recorder.stream.id, Rc::downgrade(&recorder)));
        threads::enter();
        Ok(recorder)
    }

    /// Whether calls that need V8 can be made here and now.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Ok(state) = self.state.try_borrow() else { return Err(Error::Reentrant) };
        if state.v8.is_none() {
            return Err(Error::Closed);
        }
        if Isolate::current(&self.stream.api) != Some(self.isolate) {
            return Err(Error::WrongThread);
        }
        match self.stream.broken() {
            Some(unsupported) => Err(unsupported.clone().into()),
            None => Ok(()),
        }
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
        self.stream.push(Event::Mark(consumer, mark));
    }

    /// Keeps the stream running until [`Recorder::release`]; answers since when there are samples for the caller.
    pub(crate) fn hold(&self) -> Result<i64, Error> {
        let _busy = self.busy.lap();
        self.check()?;
        let mut state = self.state.borrow_mut();
        if state.suspended {
            return Err(Error::Closed);
        }
        let from_us = monotonic_us();
        if state.running.is_none() {
            self.begin(&mut state, from_us)?;
        }
        state.holds += 1;
        Ok(from_us)
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
        if linger_us == 0 && state.linger_until_us <= now_us {
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

    /// Ends V8's sampling thread for good. What was recorded can still be handed out.
    pub(crate) fn suspend(&self) {
        let _busy = self.busy.lap();
        let mut state = self.state.borrow_mut();
        state.suspended = true;
        if state.running.is_some() {
            self.end(&mut state);
        }
    }

    /// Ends the slice now, so that everything up to now can be handed out; the stream goes on in the next one.
    pub(crate) fn cut_now(&self) {
        let _busy = self.busy.lap();
        let mut state = self.state.borrow_mut();
        if state.running.is_none() {
            self.stream.push(Event::Quiet(monotonic_us()));
        } else {
            self.cut(&mut state);
            self.finish_closing(&mut state);
            self.plan(&state);
        }
        self.stream.schedule();
    }

    /// What is due on the isolate's thread: bounded work, whatever records.
    pub(crate) fn maintain(&self) {
        // An interrupt may come in the middle of a call of ours that runs JavaScript: the next one will do.
        let Ok(mut state) = self.state.try_borrow_mut() else { return };
        let _busy = self.busy.lap();
        if state.v8.is_none() || Isolate::current(&self.stream.api) != Some(self.isolate) {
            return;
        }
        let now_us = monotonic_us();
        // One thing at a time, so that no block is the sum of several; but finished profiles must not pile up.
        let moved_on = self.move_on(&mut state, now_us);
        if moved_on {
            self.stream.schedule();
        }
        if !moved_on || self.stream.captured_count() > 1 {
            self.delete_captured(1);
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
        if state.holds == 0 && now_us >= state.linger_until_us {
            self.end(state);
        } else if self.stream.stalled.swap(false, Ordering::Relaxed) {
            self.restart(state);
        } else if now_us >= self.stream.slice_due_us(running.from_us) {
            self.cut(state);
        } else {
            return false;
        }
        true
    }

    /// Deletes finished profiles that were read.
    pub(crate) fn delete_captured(&self, at_most: usize) {
        for (profile, memory) in std::iter::from_fn(|| self.stream.take_captured()).take(at_most) {
            // SAFETY: the callers are on the isolate's thread, and V8's profiler was not disposed of.
            self.busy.deleting(|| unsafe { profile.delete(&memory) });
        }
    }

    /// Stops everything, waits for whoever still reads, and frees V8's profiler. What was recorded goes to its consumers.
    /// Later calls answer [`Error::Closed`].
    pub(crate) fn dispose(&self) {
        let mut state = self.state.borrow_mut();
        if state.v8.is_none() {
            return;
        }
        RECORDERS.with_borrow_mut(|recorders| recorders.remove(&self.stream.id));
        self.stream.detach_host();
        if state.running.is_some() {
            self.end(&mut state);
        }
        self.stream.push(Event::EndAll(monotonic_us()));
        // Waits for the encoder when it is at it; afterwards nothing reads V8's memory.
        self.stream.drain();
        self.delete_captured(usize::MAX);
        if let Some(v8) = state.v8.take() {
            // SAFETY: the isolate's thread; everything was stopped and deleted above.
            unsafe { v8.dispose() };
        }
        drop(state);
        threads::leave();
    }

    fn overlap_us(&self) -> i64 {
        OVERLAP_INTERVALS * i64::from(self.stream.interval_us)
    }

    fn read_heap(&self, state: &mut State, now_us: i64) {
        // SAFETY: the callers are on the isolate's thread.
        self.stream.set_heap_bytes(unsafe { self.isolate.used_heap_bytes(&self.stream.api) });
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

    fn start_v8(&self, state: &State, title: Title) -> Result<RecordingId, Error> {
        let v8 = state.v8.as_ref().ok_or(Error::Closed)?;
        // SAFETY: the callers are on the isolate's thread, with the isolate entered.
        unsafe { v8.start(title, SLICE_MAX_SAMPLES) }.map_err(|refused| Error::StartRefused(refused.0))
    }

    fn begin(&self, state: &mut State, from_us: i64) -> Result<(), Error> {
        self.stream.clock.observe();
        let id = self.start_v8(state, Title::Empty)?;
        state.running = Some(Running { id, title: Title::Empty, from_us });
        state.heap_due_us = None;
        self.stream.forget_heap();
        if let Err(error) = threads::register(&self.stream) {
            self.end(state);
            return Err(error.into());
        }
        self.plan(state);
        Ok(())
    }

    /// Starts the next slice; the one before runs on for a while.
    fn cut(&self, state: &mut State) {
        self.read_heap_once(state);
        self.finish_closing(state);
        let Some(running) = state.running else { return };
        let title = running.title.other();
        match self.start_v8(state, title) {
            Ok(id) => {
                // Both hold every sample around this moment: the new one has begun, the old one goes on.
                let at_us = monotonic_us();
                state.running = Some(Running { id, title, from_us: at_us });
                state.closing = Some((running, at_us));
            }
            Err(error) => self.stream.log(LogLevel::Warning, &format!("the slice goes on: {error}")),
        }
    }

    fn finish_closing(&self, state: &mut State) {
        if let Some((slice, at_us)) = state.closing.take() {
            self.stop_v8(state, slice, at_us, false);
        }
    }

    /// Stops the stream.
    fn end(&self, state: &mut State) {
        self.read_heap_once(state);
        self.finish_closing(state);
        if let Some(running) = state.running.take() {
            self.stop_v8(state, running, monotonic_us(), true);
            self.stream.clock.observe();
        }
        threads::unregister(&self.stream);
        self.plan(state);
        self.stream.schedule();
    }

    /// Stops all recordings, which ends V8's sampling thread, and starts anew.
    fn restart(&self, state: &mut State) {
        self.stream.log(LogLevel::Debug, "V8 has sampled nothing for a while: its sampling thread is started anew");
        self.finish_closing(state);
        if let Some(running) = state.running.take() {
            self.stop_v8(state, running, monotonic_us(), false);
        }
        let from_us = monotonic_us();
        match self.start_v8(state, Title::Empty) {
            Ok(id) => state.running = Some(Running { id, title: Title::Empty, from_us }),
            Err(error) => {
                threads::unregister(&self.stream);
                self.stream.log(LogLevel::Warning, &format!("profiling ends: {error}"));
            }
        }
    }

    /// The encoder is to be woken when V8 is done with: it would compete with V8's threads for a core.
    fn stop_v8(&self, state: &State, slice: Running, to_us: i64, last: bool) {
        let Some(v8) = &state.v8 else { return };
        // SAFETY: the callers are on the isolate's thread.
        match unsafe { v8.stop(slice.id) } {
            Some(profile) => {
                let to_us = if last { monotonic_us() } else { to_us };
                self.stream.push(Event::Slice(FinishedSlice { profile, from_us: slice.from_us, to_us, last }));
            }
            None => {
                self.stream.log(LogLevel::Warning, "V8 lost a recording: its samples are missing");
                self.stream.push(Event::Quiet(to_us));
            }
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
        self.stream.plan(state.running.map(|running| running.from_us), due_us);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.dispose();
    }
}

unsafe extern "C" fn on_interrupt(_isolate: *mut abi::Isolate, data: *mut c_void) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let stream = data.addr() as u64;
        let recorder = RECORDERS.with_borrow(|recorders| recorders.get(&stream).and_then(Weak::upgrade));
        if let Some(recorder) = recorder {
            recorder.stream.interrupt_pending.store(false, Ordering::Release);
            recorder.maintain();
        }
    }));
}
