//! Shared by an isolate's thread, the ticker and the encoder: the queue of slices, and the consumers of the stream.

mod health;
mod pace;
mod queue;
mod summons;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::error::Unsupported;
use crate::host::{LogLevel, Logger, Waker};
use crate::lifetime::Threads;
use crate::measurements::Reading;
use crate::panics::contain;
use crate::platform::Watched;
use crate::slice::Slice;
use crate::source::{Interrupts, Raw, Source};
use crate::ticker::Ticked;

use self::health::{Silence, Stalls};
use self::pace::{SLICE_MIN_US, next_slice_us};
#[cfg(test)]
pub(crate) use self::queue::MAX_MARKS;
use self::queue::Queue;
pub(crate) use self::queue::{Consumer, Event, FinishedSlice, Input, Mark, push_mark};
pub(crate) use self::summons::Plan;
use self::summons::{Ask, Asked, FirstTick, Summons};
use crate::time::Monotonic;

/// How many readings may wait for a slice: an hour, for an isolate that nobody wakes.
const MAX_READINGS: usize = 36_000;

/// The parts of the host that the ticker may use. Removed with the recorder.
struct Host {
    interrupts: Box<dyn Interrupts>,
    wake: Option<Waker>,
}

type Consumers = Vec<(u64, Box<dyn Consumer>)>;
/// A log message for later, when no lock is held.
type Remark = (LogLevel, String);

pub(crate) struct Stream {
    pub(crate) id: u64,
    /// The source's version, for messages.
    version: String,
    pub(crate) clock: Clock,
    pub(crate) interval_us: u32,
    pub(crate) threads: &'static Threads,
    host: Mutex<Option<Host>>,
    log: Option<Logger>,
    queue: Mutex<Queue>,
    consumers: Mutex<Consumers>,
    /// Recordings to reclaim on the isolate's thread.
    captured: Mutex<VecDeque<Box<dyn Raw>>>,
    readings: Mutex<VecDeque<Reading>>,
    /// The isolate's heap as last read; 0 before the first reading.
    heap_bytes: AtomicU64,
    summons: Mutex<Summons>,
    first_tick: Mutex<FirstTick>,
    /// The isolate's.
    thread: Watched,
    scheduled: AtomicBool,
    /// Whether V8's thread spins without sampling, so that all recordings must be stopped once.
    pub(crate) stalled: AtomicBool,
    stalls: Stalls,
    silence: Mutex<Silence>,
    broken: OnceLock<Unsupported>,
    /// Slices that were dropped because the encoder did not keep up.
    pub(crate) dropped_slices: AtomicU64,
}

impl Stream {
    /// On the isolate's thread.
    pub(crate) fn new(
        source: &dyn Source,
        interval_us: u32,
        threads: &'static Threads,
        wake: Option<Waker>,
        log: Option<Logger>,
    ) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            version: source.version(),
            clock: Clock::new(),
            interval_us,
            threads,
            host: Mutex::new(Some(Host { interrupts: source.interrupts(), wake })),
            log,
            queue: Mutex::default(),
            consumers: Mutex::default(),
            captured: Mutex::default(),
            readings: Mutex::default(),
            heap_bytes: AtomicU64::new(0),
            summons: Mutex::new(Summons::new(SLICE_MIN_US)),
            first_tick: Mutex::default(),
            thread: Watched::this_thread(),
            scheduled: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            stalls: Stalls::default(),
            silence: Mutex::default(),
            broken: OnceLock::new(),
            dropped_slices: AtomicU64::new(0),
        }
    }

    /// Removes the host, so that nothing calls it any more. Waits for a running tick.
    pub(crate) fn detach_host(&self) {
        self.host.lock().take();
    }

    pub(crate) fn log(&self, level: LogLevel, message: &str) {
        if let Some(log) = &self.log {
            log(level, message);
        }
    }

    pub(crate) fn logger(&self) -> Option<Logger> {
        self.log.clone()
    }

    /// Runs code whose panics must not end the thread; they go to the log.
    pub(crate) fn guard(&self, run: impl FnOnce()) {
        if let Err(panic) = contain(run) {
            self.panicked(&panic);
        }
    }

    /// What is wrong with this V8, as found in the first slice.
    pub(crate) fn broken(&self) -> Option<&Unsupported> {
        self.broken.get()
    }

    /// When a slice that began at `from_us` should end.
    pub(crate) fn slice_due_us(&self, from_us: Monotonic) -> Monotonic {
        self.summons.lock().slice_due_us(from_us)
    }

    pub(crate) fn set_heap_bytes(&self, bytes: u64) {
        self.heap_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Called when a stream begins: the last reading is too old.
    pub(crate) fn forget_heap(&self) {
        self.set_heap_bytes(0);
    }

    fn heap_bytes(&self) -> Option<u64> {
        Some(self.heap_bytes.load(Ordering::Relaxed)).filter(|&bytes| bytes > 0)
    }

    /// Adds a reading of the heap only.
    pub(crate) fn push_heap_reading(&self, time_us: Monotonic) {
        self.push_reading(Reading { time_us, cpu_usage: None, heap_bytes: self.heap_bytes() });
    }

    fn push_reading(&self, reading: Reading) {
        let mut readings = self.readings.lock();
        if readings.len() == MAX_READINGS {
            readings.pop_front();
        }
        let place = readings.partition_point(|earlier| earlier.time_us <= reading.time_us);
        readings.insert(place, reading);
    }

    pub(crate) fn push(&self, event: Event) {
        let dropped = self.queue.lock().push(event);
        // Log without the queue's lock, because the host's callback may be slow.
        if let Some(raw) = dropped {
            self.captured.lock().push_back(raw);
            self.dropped_slices.fetch_add(1, Ordering::Relaxed);
            self.log(LogLevel::Warning, "the encoder does not keep up: a slice of the profile is dropped");
        }
    }

    pub(crate) fn mark(&self, consumer: u64, mark: Mark) {
        self.queue.lock().mark(consumer, mark);
    }

    /// Asserts that this thread holds none of the locks that a call may wait for.
    #[cfg(test)]
    pub(crate) fn assert_unlocked(&self) {
        // Another thread may hold them for a moment.
        let patience = std::time::Duration::from_secs(5);
        assert!(self.queue.try_lock_for(patience).is_some(), "the queue is locked");
        assert!(self.consumers.try_lock_for(patience).is_some(), "the consumers are locked");
    }

    /// How many events wait to be drained.
    #[cfg(test)]
    pub(crate) fn queued(&self) -> usize {
        self.queue.lock().len()
    }

    /// Lets the encoder thread drain the queue.
    pub(crate) fn schedule(self: &Arc<Self>) {
        if !self.scheduled.swap(true, Ordering::AcqRel) {
            let stream = self.clone();
            let job = move || {
                stream.scheduled.store(false, Ordering::Release);
                stream.guard(|| stream.drain());
            };
            self.threads.encoder.submit(Box::new(job));
        }
    }

    /// Feeds the queue to the consumers. Any thread, one at a time.
    pub(crate) fn drain(&self) {
        let mut remarks = vec![];
        {
            let mut consumers = self.consumers.lock();
            while let Some(event) = self.next_event(&mut consumers) {
                self.process(event, &mut consumers, &mut remarks);
            }
            let boundary_us = consumers.iter().filter_map(|(_, consumer)| consumer.boundary_us()).min();
            self.summons.lock().boundary_us = boundary_us;
        }
        // The isolate's thread may wait for the consumers, and must not wait for the host's log.
        for (level, remark) in remarks {
            self.log(level, &remark);
        }
    }

    /// The next event. Passes the consumers their marks first.
    fn next_event(&self, consumers: &mut Consumers) -> Option<Event> {
        let is_known = |id| consumers.iter().any(|(other, _)| *other == id);
        let (event, marks) = self.queue.lock().next(is_known);
        for (id, marks) in marks {
            if let Some((_, consumer)) = consumers.iter_mut().find(|(other, _)| *other == id) {
                marks.into_iter().for_each(|mark| consumer.mark(mark));
            }
        }
        event
    }

    fn process(&self, event: Event, consumers: &mut Consumers, remarks: &mut Vec<Remark>) {
        match event {
            Event::Attach(id, consumer) => consumers.push((id, consumer)),
            Event::Detach(id) => consumers.retain(|(other, _)| *other != id),
            Event::Slice(mut slice) => {
                let captured = self.capture(&mut slice, remarks);
                self.captured.lock().push_back(slice.raw);
                self.feed(consumers, &captured, slice.from_us, slice.to_us, slice.last);
            }
            Event::Quiet(to_us) => self.feed(consumers, &Slice::default(), to_us, to_us, false),
            Event::EndAll(at_us) => {
                consumers.iter_mut().for_each(|(_, consumer)| consumer.mark(Mark::End(at_us)));
                self.feed(consumers, &Slice::default(), at_us, at_us, true);
            }
        }
    }

    fn feed(&self, consumers: &mut Consumers, slice: &Slice, from_us: Monotonic, to_us: Monotonic, last: bool) {
        let readings: Vec<Reading> = {
            let mut readings = self.readings.lock();
            let count = readings.partition_point(|reading| reading.time_us < to_us);
            readings.drain(..count).collect()
        };
        let input = Input { slice, from_us, to_us, last, readings: &readings, clock: &self.clock };
        for (_, consumer) in consumers.iter_mut() {
            consumer.input(&input);
        }
        consumers.retain(|(_, consumer)| !consumer.is_done());
    }

    fn capture(&self, slice: &mut FinishedSlice, remarks: &mut Vec<Remark>) -> Slice {
        let read = contain(|| slice.raw.capture(&slice.circumstances));
        let captured = match read.unwrap_or_else(|panic| Err(format!("reading it panicked: {panic}"))) {
            Ok(captured) => captured,
            Err(canary) => {
                remarks.extend(self.break_down(canary));
                return Slice::default();
            }
        };
        let length_us = slice.to_us - slice.from_us;
        self.adapt(&captured, length_us);
        if self.stalls.observe(captured.ticks.len(), length_us, self.interval_us) {
            self.stalled.store(true, Ordering::Relaxed);
        }
        if self.silence.lock().observe(captured.ticks.len(), length_us, self.interval_us) {
            let remark = "V8 has not sampled once while JavaScript ran for a second. Its sampling thread may not have started: has \
                          the program large thread-local variables, or blocks the isolate's thread SIGPROF?";
            remarks.push((LogLevel::Warning, remark.to_owned()));
        }
        captured
    }

    /// Inconsistent data turns profiling off, with one message, because wrong profiles are worse than none.
    fn break_down(&self, canary: String) -> Option<Remark> {
        let unsupported = Unsupported { version: Some(self.version.clone()), missing: vec![], canary: Some(canary) };
        self.summons.lock().end_all();
        self.broken.set(unsupported.clone()).ok().map(|()| (LogLevel::Warning, unsupported.to_string()))
    }

    fn adapt(&self, captured: &Slice, length_us: i64) {
        // A short slice says little about long ones.
        if length_us >= SLICE_MIN_US {
            let slice_us = next_slice_us(captured.nodes() as i64, captured.mean_depth() as i64, length_us);
            self.summons.lock().slice_us = slice_us;
        }
    }

    /// Takes a recording that was captured.
    pub(crate) fn take_captured(&self) -> Option<Box<dyn Raw>> {
        self.captured.lock().pop_front()
    }

    pub(crate) fn captured_count(&self) -> usize {
        self.captured.lock().len()
    }

    fn ask(&self, now_us: Monotonic, on_grid: bool) {
        let host = self.host.lock();
        let Some(host) = &*host else { return };
        let ask = self.summons.lock().decide(now_us, on_grid);
        match ask {
            Ask::Nothing => {}
            // The recorder removes the host under this lock before it disposes of the source.
            Ask::Interrupt => host.interrupts.request(self.id),
            Ask::Wake => {
                /// Records the end of the wake-up even if the waker panics.
                struct Woken<'a>(&'a Mutex<Summons>);
                impl Drop for Woken<'_> {
                    fn drop(&mut self) {
                        self.0.lock().woken(Monotonic::now());
                    }
                }
                let _woken = Woken(&self.summons);
                if let Some(wake) = &host.wake {
                    wake();
                }
            }
        }
    }

    /// Called when an interrupt comes, so JavaScript runs.
    pub(crate) fn served(&self) {
        self.summons.lock().served();
        self.silence.lock().ran = true;
    }

    /// How the ticker requested the interrupt for the stream's first tick.
    pub(crate) fn first_tick_request(&self) -> Option<Asked> {
        self.first_tick.lock().request()
    }

    /// Says when the isolate is to be interrupted for the first tick; returns whether that is news.
    pub(crate) fn want_first_tick(&self, at_us: Option<Monotonic>) -> bool {
        self.first_tick.lock().want(at_us, Monotonic::now())
    }

    /// Says when this thread is needed.
    pub(crate) fn plan(&self, plan: Plan) {
        self.summons.lock().plan(plan);
    }

    /// Whether no JavaScript has run for so long that the stream may sleep.
    pub(crate) fn is_drowsy(&self, now_us: Monotonic) -> bool {
        self.summons.lock().is_drowsy(now_us)
    }

    /// The stream sleeps from now on, or wakes up.
    pub(crate) fn set_asleep_from(&self, from_us: Option<Monotonic>) {
        self.summons.lock().set_asleep_from(from_us);
    }

    /// The slices of a stream that is awake end the chunks of its consumers. While it sleeps, this does.
    fn pass_quiet(self: &Arc<Self>, now_us: Monotonic) {
        if self.summons.lock().take_quiet(now_us) {
            self.push(Event::Quiet(now_us));
            self.schedule();
        }
    }
}

impl Ticked for Stream {
    fn id(&self) -> u64 {
        self.id
    }

    fn tick(self: Arc<Self>, now_us: Monotonic, cpu_usage: Option<f64>) {
        let lives = self.summons.lock().lives();
        if lives {
            self.clock.observe();
            self.push_reading(Reading { time_us: now_us, cpu_usage, heap_bytes: self.heap_bytes() });
            self.pass_quiet(now_us);
        }
        if !self.queue.lock().is_empty() {
            self.schedule();
        }
        self.ask(now_us, lives);
    }

    fn nudge(self: Arc<Self>, now_us: Monotonic) {
        self.pass_quiet(now_us);
        let is_due = self.first_tick.lock().due_us().is_some_and(|due_us| now_us >= due_us);
        // Without the lock, which the isolate's thread takes.
        let running = if is_due { self.thread.look() } else { None };
        // V8's thread is restarted for it, so a thread must be available.
        let is_available = self.threads.supply.is_just_proven(now_us);
        let first_tick_us = self.first_tick.lock().ask(now_us, running).filter(|_| is_available);
        self.ask(now_us, first_tick_us.is_some());
        if let Some(wanted_us) = first_tick_us {
            self.first_tick.lock().asked(wanted_us, Monotonic::now());
        }
    }

    fn next_look_us(&self) -> Option<Monotonic> {
        self.summons.lock().next_look_us()
    }

    fn rests(&self) -> bool {
        self.summons.lock().rests()
    }

    fn first_tick_due_us(&self) -> Option<Monotonic> {
        self.first_tick.lock().due_us()
    }

    fn panicked(&self, panic: &str) {
        // The log may be what panicked.
        let _ = contain(|| self.log(LogLevel::Warning, &format!("a bug in the profiler: {panic}")));
    }
}
