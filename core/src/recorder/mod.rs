//! [`Recorder`]: the one stream of slices of an isolate, on the isolate's thread.
//!
//! A slice is one recording of the source. The next one starts before the previous one stops, and the previous one is
//! stopped only some sampling intervals later, because V8 drops samples that its thread has taken but not yet
//! processed.

mod maintenance;
mod rhythm;
mod sleep;
mod slices;
#[cfg(test)]
mod tests;
mod waiting;

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use crate::error::Error;
use crate::host::{Logger, Waker};
use crate::isolate_time::Stopwatch;
use crate::lifetime::Threads;
use crate::source::{Beginning, RecordingId, Source};
use crate::stream::{Consumer, Event, Mark, Stream};
use crate::time::Monotonic;

pub(crate) use self::maintenance::Recorders;
use self::rhythm::Rhythm;
use self::waiting::Waiting;

thread_local! {
    /// The recorders of this thread, by stream id: an interrupt that comes late finds none. Gone before what a host
    /// destroys at the thread's end.
    static RECORDERS: RefCell<HashMap<u64, Weak<Recorder>>> = RefCell::default();
}

pub(crate) struct Recorder {
    pub(crate) stream: Arc<Stream>,
    /// How long after its last recording the source gives back what it needs for recordings, if it does.
    gives_back_after_us: Option<i64>,
    #[cfg(test)]
    has_first_ticks: Cell<bool>,
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
    closing: Option<(Running, Monotonic)>,
    /// The stream sleeps: nothing runs, and an interrupt is pending that starts the next slice.
    asleep: bool,
    /// How many consumers want samples now.
    holds: usize,
    /// The stream lives on until then without any.
    linger_until_us: Option<Monotonic>,
    /// When the heap is to be read next, `None` before the stream's first time.
    heap_due_us: Option<Monotonic>,
    /// When the source gives back what it needs for recordings, unless there are any.
    gives_back_us: Option<Monotonic>,
    /// The process is about to end: nothing starts any more.
    suspended: bool,
    rhythm: Rhythm,
    waiting: Waiting,
}

impl State {
    /// Whether the stream has begun and not ended. It may sleep.
    fn lives(&self) -> bool {
        self.running.is_some() || self.asleep
    }
}

#[derive(Clone, Copy)]
struct Running {
    id: RecordingId,
    from_us: Monotonic,
    beginning: Beginning,
}

pub(crate) struct RecorderOptions {
    pub(crate) gives_back_after_us: Option<i64>,
    pub(crate) interval_us: u32,
    pub(crate) wake: Option<Waker>,
    pub(crate) log: Option<Logger>,
    pub(crate) before_start: Option<Rc<dyn Fn()>>,
    pub(crate) threads: &'static Threads,
}

impl Recorder {
    pub(crate) fn new(source: Box<dyn Source>, options: RecorderOptions) -> Rc<Self> {
        let RecorderOptions { gives_back_after_us, interval_us, wake, log, before_start, threads } = options;
        let stream = Stream::new(&*source, interval_us, threads, wake, log);
        let recorder = Rc::new(Self {
            stream: Arc::new(stream),
            gives_back_after_us,
            #[cfg(test)]
            has_first_ticks: Cell::new(true),
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

    /// Whether the stream has begun and not ended. It may sleep.
    pub(crate) fn lives(&self) -> bool {
        self.state.try_borrow().is_ok_and(|state| state.lives())
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
    pub(crate) fn tick_us(&self) -> Option<Monotonic> {
        self.state.borrow().rhythm.tick_us()
    }

    /// Keeps the stream running until [`Recorder::release`]; returns since when there are samples for the caller.
    pub(crate) fn hold(&self) -> Result<Monotonic, Error> {
        let _busy = self.busy.lap();
        let mut state = self.before_hold()?;
        let from_us = Monotonic::now();
        if state.running.is_none() {
            self.begin(&mut state, from_us)?;
        }
        state.holds += 1;
        self.plan(&state);
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

    /// As [`Recorder::hold`], and marks the consumer active from then on. Where no thread can be had that is later:
    /// it is tried again, at growing intervals, now when the caller insists. Returns whether there are samples by
    /// now.
    pub(crate) fn hold_for(&self, consumer: u64, insist: bool) -> Result<bool, Error> {
        let _busy = self.busy.lap();
        let mut state = self.before_hold()?;
        let now_us = Monotonic::now();
        state.holds += 1;
        if state.running.is_some() {
            self.mark(consumer, Mark::Active(now_us));
            return Ok(true);
        }
        state.waiting.push(consumer);
        let began = self.try_begin(&mut state, now_us, insist);
        if began.is_err() {
            state.holds -= 1;
            state.waiting.remove(consumer);
        }
        began
    }

    /// Tries again whether there can be samples for who waits for them, when it is time or the caller insists.
    /// Returns whether there are by now.
    pub(crate) fn retry(&self, insist: bool) -> Result<bool, Error> {
        let Ok(mut state) = self.state.try_borrow_mut() else { return Ok(true) };
        if state.waiting.is_empty() || state.suspended {
            return Ok(state.running.is_some());
        }
        self.try_begin(&mut state, Monotonic::now(), insist)
    }

    /// Whether the consumer holds the stream and has had no samples yet.
    pub(crate) fn waits(&self, consumer: u64) -> bool {
        self.state.try_borrow().is_ok_and(|state| state.waiting.contains(consumer))
    }

    /// Whether the consumer, which holds the stream, has had no samples; it waits no longer.
    pub(crate) fn waits_in_vain(&self, consumer: u64) -> bool {
        self.state.borrow_mut().waiting.remove(consumer)
    }

    /// Takes a [`Recorder::hold`] back; without any the stream lives on for `linger_us`.
    pub(crate) fn release(&self, now_us: Monotonic, linger_us: i64) {
        let _busy = self.busy.lap();
        let mut state = self.state.borrow_mut();
        state.holds = state.holds.saturating_sub(1);
        state.linger_until_us = state.linger_until_us.max(Some(now_us + linger_us));
        if state.holds > 0 {
            return;
        }
        if !state.lives() || linger_us == 0 && state.linger_until_us <= Some(now_us) {
            self.end(&mut state);
        } else {
            self.plan(&state);
        }
    }

    /// Stops the stream unless it is held: what keeps it alive for the next span has been handed out.
    pub(crate) fn end_linger(&self) {
        let _busy = self.busy.lap();
        let mut state = self.state.borrow_mut();
        state.linger_until_us = None;
        if state.holds == 0 && state.lives() {
            self.end(&mut state);
        }
    }

    /// Stops the stream for as long as nobody asks for it.
    fn stop(&self) {
        if let Ok(mut state) = self.state.try_borrow_mut()
            && state.lives()
        {
            self.end(&mut state);
        }
    }

    /// Ends V8's sampling thread for good. What was recorded can still be handed out.
    pub(crate) fn suspend(&self) {
        let _busy = self.busy.lap();
        let mut state = self.state.borrow_mut();
        state.suspended = true;
        if state.lives() {
            self.end(&mut state);
        }
    }

    /// Ends the slice now, so that everything up to now can be handed out; the stream goes on in the next one. V8's
    /// thread is stopped for that: it would drop what it has not processed yet.
    pub(crate) fn cut_now(&self) {
        let _busy = self.busy.lap();
        let mut state = self.state.borrow_mut();
        if state.running.is_none() {
            self.stream.push(Event::Quiet(Monotonic::now()));
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

    /// Functions of this file, and what they call, are left out from now on.
    pub(crate) fn hide_file(&self, file: String) {
        if !self.is_foreign()
            && let Ok(state) = self.state.try_borrow()
            && let Some(source) = &state.source
        {
            source.hide_file(file);
        }
    }

    /// Stops everything, waits for whoever still reads, and frees V8's profiler. What was recorded goes to its
    /// consumers, and `hand_out` may wait for it to come out. Later calls return [`Error::Closed`].
    ///
    /// Harmless at a thread's end, when what was thread-local is gone, and without the isolate entered. Where the
    /// process was forked V8's profiler is given up: its sampling thread is not in this process, and to stop it would
    /// wait for it for ever.
    pub(crate) fn dispose(&self, hand_out: impl FnOnce()) {
        if self.is_foreign() {
            return;
        }
        let mut state = self.state.borrow_mut();
        if state.source.is_none() {
            return;
        }
        let _ = RECORDERS.try_with(|recorders| recorders.borrow_mut().remove(&self.stream.id));
        self.stream.detach_host();
        if state.lives() {
            self.end(&mut state);
        }
        self.stream.threads.ticker.unregister(self.stream.id);
        self.stream.push(Event::EndAll(Monotonic::now()));
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
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.dispose(|| {});
    }
}
