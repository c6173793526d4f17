//! What an isolate's thread, the ticker and the encoder share: the queue of slices, and the consumers of the stream.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::clock::{self, Clock};
use crate::error::Unsupported;
use crate::lifetime::Threads;
use crate::measurements::Reading;
use crate::panics::contain;
use crate::slice::Slice;
use crate::source::{Circumstances, Interrupts, Raw, Source};
use crate::summons::{Ask, Summons};
use crate::ticker::Ticked;

/// How long a slice is at first, and at least.
const SLICE_MIN_US: i64 = 250_000;
/// A program that turns deep in the middle of a slice makes a tree of this time's samples.
const SLICE_MAX_US: i64 = 2_000_000;
/// A tree of this many nodes is deleted in less than half a millisecond.
const SLICE_NODES: i64 = 2_000;
/// Short slices share fewer nodes, so deleting all of them takes longer. A program whose stacks have more frames than this, on the average,
/// gets longer slices: one is deleted in a millisecond, and all of them in a quarter less time.
const DEEP_FRAMES: i64 = 90;
const DEEP_SLICE_NODES: i64 = 5_500;
/// Slices that may wait for the encoder; each holds memory of V8.
const MAX_QUEUED_SLICES: usize = 32;
/// Readings that may wait for a slice: an hour, for an isolate that nobody wakes.
const MAX_READINGS: usize = 36_000;
/// Ends and beginnings of a consumer's spans that may wait before stretches are joined.
pub(crate) const MAX_MARKS: usize = 1 << 14;
/// A recording this many intervals long without a sample has lost V8's sampling thread.
const STALL_INTERVALS: i64 = 50;
/// An isolate that runs JavaScript for so long without a single sample has something about it that keeps V8 from
/// sampling.
const SILENCE_US: i64 = 1_000_000;
/// Shorter slices have none either.
const SILENCE_INTERVALS: i64 = 10;

/// Asks the host to have [`Profiler::poll`](crate::Profiler::poll) called on the isolate's thread soon. Any thread.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// How grave a log message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// What happens as it should.
    Debug,
    /// What costs data or needs a hand.
    Warning,
}

/// Receives messages, from any thread.
pub type Logger = Arc<dyn Fn(LogLevel, &str) + Send + Sync>;

/// A recording of the source that has ended.
pub(crate) struct FinishedSlice {
    pub(crate) raw: Box<dyn Raw>,
    /// The stretch it stands for: samples outside of it belong to its neighbours.
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
    pub(crate) circumstances: Circumstances,
    /// Nothing records after it.
    pub(crate) last: bool,
}

/// What moves a consumer, in time order; the time is the monotonic clock's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Samples are wanted from here on.
    Active(i64),
    /// They are not.
    Idle(i64),
    /// What was collected up to here is to be handed out.
    Flush(i64),
    /// They are not, and what was collected is to be handed out.
    End(i64),
}

impl Mark {
    pub(crate) fn time_us(self) -> i64 {
        match self {
            Self::Active(at) | Self::Idle(at) | Self::Flush(at) | Self::End(at) => at,
        }
    }
}

/// Adds a mark to those that wait, in bounded memory.
pub(crate) fn push_mark(marks: &mut VecDeque<Mark>, mark: Mark) {
    // So many spans between two slices that their gaps hold no sample: the gap is given up, not the memory.
    if marks.len() >= MAX_MARKS && matches!((marks.back(), mark), (Some(Mark::Idle(_)), Mark::Active(_))) {
        marks.pop_back();
    } else {
        marks.push_back(mark);
    }
}

/// The stream up to `to_us`, following what the consumer has seen before.
pub(crate) struct Input<'a> {
    /// The samples of the stretch, and whatever else V8's recording held.
    pub(crate) slice: &'a Slice,
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
    /// Nothing records after it, for now.
    pub(crate) last: bool,
    /// Those before `to_us`, in time order.
    pub(crate) readings: &'a [Reading],
    pub(crate) clock: &'a Clock,
}

/// Takes samples from the stream, on whichever thread drains it.
pub(crate) trait Consumer: Send {
    fn mark(&mut self, mark: Mark);
    fn input(&mut self, input: &Input<'_>);
    /// Nothing more is wanted.
    fn is_done(&self) -> bool;
    /// When a slice must end, so that what it has can be handed out on time.
    fn boundary_us(&self) -> i64 {
        i64::MAX
    }
}

pub(crate) enum Event {
    Attach(u64, Box<dyn Consumer>),
    Detach(u64),
    Slice(FinishedSlice),
    /// Time has passed up to here and nothing recorded.
    Quiet(i64),
    /// Every consumer is to hand out what it has.
    EndAll(i64),
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    slices: usize,
    /// What moves each consumer, for as long as it was not said to it. Not among the events: a consumer goes by a
    /// mark's time, and here they can be joined.
    marks: Vec<(u64, VecDeque<Mark>)>,
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.marks.is_empty()
    }
}

/// An interrupt that serves its purpose only if it comes right when it is wanted.
#[derive(Default)]
struct FirstTick {
    wanted_us: Option<i64>,
    asked_us: Option<i64>,
}

impl FirstTick {
    /// What the isolate is to be interrupted for now, which is said once.
    fn ask(&mut self, now_us: i64) -> Option<i64> {
        let due_us = self.wanted_us.filter(|&at_us| self.asked_us.is_none() && now_us >= at_us)?;
        self.asked(due_us);
        Some(due_us)
    }

    /// Said before the interrupt is requested and again afterwards: the ticker may have been kept from its core in between.
    fn asked(&mut self, wanted_us: i64) {
        if self.wanted_us == Some(wanted_us) {
            self.asked_us = Some(clock::monotonic_us());
        }
    }
}

/// What of the host the ticker may touch; gone once the recorder is.
struct Host {
    interrupts: Box<dyn Interrupts>,
    wake: Option<Waker>,
}

type Consumers = Vec<(u64, Box<dyn Consumer>)>;
/// For the log, once no lock is held.
type Remark = (LogLevel, String);

pub(crate) struct Stream {
    pub(crate) id: u64,
    /// The source's, for messages.
    version: String,
    pub(crate) clock: Clock,
    pub(crate) interval_us: u32,
    pub(crate) threads: &'static Threads,
    host: Mutex<Option<Host>>,
    log: Option<Logger>,
    queue: Mutex<Queue>,
    consumers: Mutex<Consumers>,
    /// To be reclaimed on the isolate's thread.
    captured: Mutex<VecDeque<Box<dyn Raw>>>,
    readings: Mutex<VecDeque<Reading>>,
    /// The isolate's, as last read; 0 when it was not yet.
    heap_bytes: AtomicU64,
    pub(crate) summons: Mutex<Summons>,
    first_tick: Mutex<FirstTick>,
    scheduled: AtomicBool,
    /// V8's sampling thread spins without sampling: all recordings must be stopped once.
    pub(crate) stalled: AtomicBool,
    stalls: Stalls,
    silence: Mutex<Silence>,
    broken: OnceLock<Unsupported>,
    /// Samples of slices that were dropped because the encoder did not keep up.
    pub(crate) dropped_slices: AtomicU64,
}

impl Stream {
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
            scheduled: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            stalls: Stalls::default(),
            silence: Mutex::default(),
            broken: OnceLock::new(),
            dropped_slices: AtomicU64::new(0),
        }
    }

    /// Nothing of the host is touched any more; waits for a tick that is under way.
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

    /// Runs what must not end the thread it runs on; a panic goes to the log.
    pub(crate) fn guard(&self, run: impl FnOnce()) {
        if let Err(panic) = contain(run) {
            self.panicked(&panic);
        }
    }

    /// What the first slice showed to be wrong with this V8.
    pub(crate) fn broken(&self) -> Option<&Unsupported> {
        self.broken.get()
    }

    /// When a slice that began at `from_us` should end.
    pub(crate) fn slice_due_us(&self, from_us: i64) -> i64 {
        self.summons.lock().slice_due_us(from_us)
    }

    pub(crate) fn set_heap_bytes(&self, bytes: u64) {
        self.heap_bytes.store(bytes, Ordering::Relaxed);
    }

    /// A stream begins: what was read for the one before is old.
    pub(crate) fn forget_heap(&self) {
        self.set_heap_bytes(0);
    }

    fn heap_bytes(&self) -> Option<u64> {
        Some(self.heap_bytes.load(Ordering::Relaxed)).filter(|&bytes| bytes > 0)
    }

    /// A reading of the heap alone.
    pub(crate) fn push_heap_reading(&self, time_us: i64) {
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
        let mut dropped = false;
        {
            let mut queue = self.queue.lock();
            match event {
                Event::Slice(_) => {
                    queue.slices += 1;
                    dropped = queue.slices > MAX_QUEUED_SLICES && self.drop_oldest_slice(&mut queue);
                }
                // It says all that the one before it says.
                Event::Quiet(_) if matches!(queue.events.back(), Some(Event::Quiet(_))) => {
                    drop(queue.events.pop_back())
                }
                _ => {}
            }
            queue.events.push_back(event);
        }
        // The host may take its time, and the queue is what others wait for.
        if dropped {
            self.log(LogLevel::Warning, "the encoder does not keep up: a slice of the profile is dropped");
        }
    }

    pub(crate) fn mark(&self, consumer: u64, mark: Mark) {
        let mut queue = self.queue.lock();
        match queue.marks.iter_mut().find(|(id, _)| *id == consumer) {
            Some((_, marks)) => push_mark(marks, mark),
            None => queue.marks.push((consumer, VecDeque::from([mark]))),
        }
    }

    /// This thread holds none of the locks that a call may wait for.
    #[cfg(test)]
    pub(crate) fn assert_unlocked(&self) {
        // Another thread gives them back.
        let patience = std::time::Duration::from_secs(5);
        assert!(self.queue.try_lock_for(patience).is_some(), "the queue is locked");
        assert!(self.consumers.try_lock_for(patience).is_some(), "the consumers are locked");
    }

    /// How much waits to be drained.
    #[cfg(test)]
    pub(crate) fn queued(&self) -> usize {
        let queue = self.queue.lock();
        queue.events.len() + queue.marks.iter().map(|(_, marks)| marks.len()).sum::<usize>()
    }

    /// Its time has passed all the same. Answers whether there was one.
    fn drop_oldest_slice(&self, queue: &mut Queue) -> bool {
        let Some(at) = queue.events.iter().position(|event| matches!(event, Event::Slice(_))) else { return false };
        let Some(Event::Slice(slice)) = queue.events.remove(at) else { return false };
        let before = at.checked_sub(1).and_then(|before| queue.events.get_mut(before));
        match before {
            Some(Event::Quiet(to_us)) => *to_us = slice.to_us,
            _ => queue.events.insert(at, Event::Quiet(slice.to_us)),
        }
        queue.slices -= 1;
        self.captured.lock().push_back(slice.raw);
        self.dropped_slices.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Has the encoder thread drain the queue.
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

    /// Feeds what is queued to the consumers. Any thread; only one at a time gets on.
    pub(crate) fn drain(&self) {
        let mut remarks = vec![];
        {
            let mut consumers = self.consumers.lock();
            while let Some(event) = self.next_event(&mut consumers) {
                self.process(event, &mut consumers, &mut remarks);
            }
            let boundary_us = consumers.iter().map(|(_, consumer)| consumer.boundary_us()).min();
            self.summons.lock().boundary_us = boundary_us.unwrap_or(i64::MAX);
        }
        // The isolate's thread may wait for the consumers, and must not wait for the host's log.
        for (level, remark) in remarks {
            self.log(level, &remark);
        }
    }

    /// The next event, before which the consumers hear all that was said to them by now.
    fn next_event(&self, consumers: &mut Consumers) -> Option<Event> {
        let (event, marks) = {
            let mut queue = self.queue.lock();
            let event = queue.events.pop_front();
            if let Some(Event::Slice(_)) = event {
                queue.slices -= 1;
            }
            // Those of a consumer that is still to be attached wait; in the end there is none.
            let (known, unknown) = std::mem::take(&mut queue.marks)
                .into_iter()
                .partition(|(id, _)| event.is_none() || consumers.iter().any(|(other, _)| other == id));
            queue.marks = unknown;
            (event, known)
        };
        let marks: Vec<(u64, VecDeque<Mark>)> = marks;
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

    fn feed(&self, consumers: &mut Consumers, slice: &Slice, from_us: i64, to_us: i64, last: bool) {
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

    /// Never wrong data: what makes no sense turns profiling off, and is said once.
    fn break_down(&self, canary: String) -> Option<Remark> {
        let unsupported = Unsupported { version: Some(self.version.clone()), missing: vec![], canary: Some(canary) };
        self.summons.lock().end_all();
        self.broken.set(unsupported.clone()).ok().map(|()| (LogLevel::Warning, unsupported.to_string()))
    }

    fn adapt(&self, captured: &Slice, length_us: i64) {
        // A slice that was cut short says little about long ones.
        if length_us >= SLICE_MIN_US {
            let slice_us = next_slice_us(captured.nodes() as i64, captured.mean_depth() as i64, length_us);
            self.summons.lock().slice_us = slice_us;
        }
    }

    /// A recording that everything was copied out of.
    pub(crate) fn take_captured(&self) -> Option<Box<dyn Raw>> {
        self.captured.lock().pop_front()
    }

    pub(crate) fn captured_count(&self) -> usize {
        self.captured.lock().len()
    }

    fn ask(&self, now_us: i64, on_grid: bool) {
        let host = self.host.lock();
        let Some(host) = &*host else { return };
        let ask = self.summons.lock().decide(now_us, on_grid);
        match ask {
            Ask::Nothing => {}
            // The recorder takes the host away, under this lock, before it disposes of the source.
            Ask::Interrupt => host.interrupts.request(self.id),
            Ask::Wake => {
                /// Also when it panics.
                struct Woken<'a>(&'a Mutex<Summons>);
                impl Drop for Woken<'_> {
                    fn drop(&mut self) {
                        self.0.lock().woken(clock::monotonic_us());
                    }
                }
                let _woken = Woken(&self.summons);
                if let Some(wake) = &host.wake {
                    wake();
                }
            }
        }
    }

    /// An interrupt has come: JavaScript runs.
    pub(crate) fn served(&self) {
        self.summons.lock().served();
        self.silence.lock().ran = true;
    }

    /// When the ticker has interrupted the isolate for the stream's first tick.
    pub(crate) fn first_tick_asked_us(&self) -> Option<i64> {
        self.first_tick.lock().asked_us
    }

    pub(crate) fn want_first_tick(&self, at_us: Option<i64>) {
        let mut first_tick = self.first_tick.lock();
        if first_tick.wanted_us != at_us {
            *first_tick = FirstTick { wanted_us: at_us, asked_us: None };
        }
    }

    /// Says when this thread is needed: for the running slice, and for anything else.
    pub(crate) fn plan(&self, slice_from_us: Option<i64>, due_us: i64) {
        self.summons.lock().plan(slice_from_us, due_us);
    }
}

impl Ticked for Stream {
    fn id(&self) -> u64 {
        self.id
    }

    fn tick(self: Arc<Self>, now_us: i64, cpu_usage: Option<f64>) {
        self.clock.observe();
        self.push_reading(Reading { time_us: now_us, cpu_usage, heap_bytes: self.heap_bytes() });
        if !self.queue.lock().is_empty() {
            self.schedule();
        }
        self.ask(now_us, true);
    }

    fn nudge(&self, now_us: i64) {
        // V8's thread is started anew for it.
        let first_tick_us = self.first_tick.lock().ask(now_us).filter(|_| self.threads.supply.is_just_proven(now_us));
        self.ask(now_us, first_tick_us.is_some());
        if let Some(wanted_us) = first_tick_us {
            self.first_tick.lock().asked(wanted_us);
        }
    }

    fn next_look_us(&self) -> i64 {
        self.summons.lock().next_look_us()
    }

    fn first_tick_due_us(&self) -> Option<i64> {
        let first_tick = self.first_tick.lock();
        first_tick.wanted_us.filter(|_| first_tick.asked_us.is_none())
    }

    fn panicked(&self, panic: &str) {
        // The log may be what panicked.
        let _ = contain(|| self.log(LogLevel::Warning, &format!("a bug in the profiler: {panic}")));
    }
}

/// After a slice with so many nodes, whose stacks have so many frames: as long as a tree of the target's size takes, at most twice as
/// long as this one.
fn next_slice_us(nodes: i64, frames: i64, length_us: i64) -> i64 {
    let target = if frames > DEEP_FRAMES { DEEP_SLICE_NODES } else { SLICE_NODES };
    let wanted = length_us.saturating_mul(target) / nodes.max(1);
    wanted.min(length_us.saturating_mul(2)).clamp(SLICE_MIN_US, SLICE_MAX_US)
}

/// V8's processing thread can spin and deliver empty profiles; stopping all recordings once cures it. An isolate that is not
/// entered gives no samples either, so the cure is tried less and less often.
#[derive(Default)]
struct Stalls {
    /// Slices in a row.
    count: AtomicU64,
}

impl Stalls {
    /// Whether the cure is due after a slice of this length with so many ticks.
    fn observe(&self, ticks: usize, length_us: i64, interval_us: u32) -> bool {
        if length_us < STALL_INTERVALS * i64::from(interval_us) {
            return false;
        }
        if ticks > 0 {
            self.count.store(0, Ordering::Relaxed);
            return false;
        }
        (self.count.fetch_add(1, Ordering::Relaxed) + 1).is_power_of_two()
    }
}

/// Notices a V8 that never samples, though JavaScript runs.
#[derive(Default)]
struct Silence {
    /// An interrupt was served since the last slice.
    ran: bool,
    /// How long slices in which JavaScript ran were, as long as none had samples.
    silent_us: i64,
    /// It is said once, and never of a V8 that did sample.
    over: bool,
}

impl Silence {
    /// Whether that is to be said now.
    fn observe(&mut self, ticks: usize, length_us: i64, interval_us: u32) -> bool {
        let ran = std::mem::take(&mut self.ran);
        self.over |= ticks > 0;
        if self.over || !ran || length_us < SILENCE_INTERVALS * i64::from(interval_us) {
            return false;
        }
        self.silent_us += length_us;
        self.over = self.silent_us >= SILENCE_US;
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL_US: u32 = 10_000;
    const LONG_US: i64 = 1_000_000;

    #[test]
    fn a_slice_is_as_long_as_its_tree_may_be_large() {
        assert_eq!(next_slice_us(0, 0, 250_000), 500_000, "twice as long at most");
        assert_eq!(next_slice_us(10, 5, SLICE_MAX_US), SLICE_MAX_US);
        assert_eq!(next_slice_us(3_000, 80, 1_000_000), 666_666);
        assert_eq!(next_slice_us(2_000, 110, 400_000), 800_000, "deep");
        assert_eq!(next_slice_us(5_500, 110, 1_100_000), 1_100_000, "and it stays so");
        assert_eq!(next_slice_us(30_000, 80, 1_000_000), SLICE_MIN_US, "each sample has a stack of its own");
    }

    #[test]
    fn a_long_slice_without_samples_is_a_stall() {
        let stalls = Stalls::default();
        assert!(!stalls.observe(100, LONG_US, INTERVAL_US));
        assert!(!stalls.observe(0, 400_000, INTERVAL_US), "too short to tell");
        assert!(stalls.observe(0, LONG_US, INTERVAL_US));
    }

    #[test]
    fn the_cure_is_tried_less_and_less_often_until_it_helps() {
        let stalls = Stalls::default();
        let tried: Vec<_> = (1..=20).filter(|_| stalls.observe(0, LONG_US, INTERVAL_US)).collect();
        assert_eq!(tried.len(), 5, "after 1, 2, 4, 8 and 16 slices");
        assert!(!stalls.observe(50, LONG_US, INTERVAL_US));
        assert!(stalls.observe(0, LONG_US, INTERVAL_US), "a new stall is a new one");
    }

    #[test]
    fn a_v8_that_never_samples_is_noticed_once_and_only_while_javascript_runs() {
        let mut silence = Silence::default();
        let mut slice = |ran, ticks| {
            silence.ran = ran;
            silence.observe(ticks, LONG_US / 2, INTERVAL_US)
        };
        assert!(!slice(false, 0) && !slice(false, 0) && !slice(false, 0), "the isolate was not entered");
        assert!(!slice(true, 0));
        assert!(slice(true, 0), "a second");
        assert!(!slice(true, 0) && !slice(true, 0), "it was said");

        let mut silence = Silence { ran: true, ..Silence::default() };
        assert!(!silence.observe(30, LONG_US, INTERVAL_US));
        silence.ran = true;
        assert!(!silence.observe(0, LONG_US, INTERVAL_US), "it can sample: that is a stall");

        let mut silence = Silence { ran: true, ..Silence::default() };
        assert!(!silence.observe(0, LONG_US, 500_000), "hardly any was due");
    }

    #[test]
    fn marks_that_wait_are_joined_and_the_last_state_is_right() {
        let mut marks = VecDeque::new();
        for span in 0..1_000_000 {
            push_mark(&mut marks, Mark::Active(span * 2));
            push_mark(&mut marks, Mark::Idle(span * 2 + 1));
        }
        assert!(marks.len() <= MAX_MARKS + 1, "{}", marks.len());
        assert_eq!(marks.back(), Some(&Mark::Idle(1_999_999)));
        assert!(marks.iter().map(|mark| mark.time_us()).is_sorted());
        let active = |mark: &Mark| matches!(mark, Mark::Active(_));
        assert!(marks.iter().zip(marks.iter().skip(1)).all(|(one, two)| active(one) != active(two)));
    }
}
