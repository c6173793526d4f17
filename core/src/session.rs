//! [`Session`]: continuous profiling, chunk after chunk, by the rules of Sentry's `profileLifecycle`.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use uuid::Uuid;

use crate::capture::Merge;
use crate::clock::{Clock, monotonic_us};
use crate::encode::{ChunkMeta, Thread, sample_v2};
use crate::error::Error;
use crate::panics::contain;
use crate::profile::Profile;
use crate::profiler::DISPOSE_TIMEOUT;
use crate::recorder::Recorder;
use crate::stream::{Consumer, Event, Input, LogLevel, Logger, Mark, push_mark};
use crate::threads::Threads;
use crate::ticker::TICK;
use crate::window::Window;

/// Sentry starts a new chunk each minute, and refuses one that is longer than 66 s.
pub const DEFAULT_CHUNK_DURATION: Duration = Duration::from_secs(60);
/// The bounds of a chunk's duration.
pub const CHUNK_DURATION_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=DEFAULT_CHUNK_DURATION;
/// How long a chunk stays open for the next span after the last one ended.
pub const DEFAULT_QUIET: Duration = Duration::from_secs(1);
/// With fewer samples a chunk is dropped.
pub const MIN_SAMPLES: usize = 2;

/// Stay well below the 10 MiB that an older ingest accepts.
const MAX_CHUNK_BYTES: usize = 8 << 20;
/// Finished chunks that may wait for the encoder.
const MAX_QUEUED_CHUNKS: usize = 16;

/// Sentry's `profileLifecycle`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifecycle {
    /// From [`Session::start`] to [`Session::stop`].
    #[default]
    Manual,
    /// While at least one span is active.
    Trace,
}

/// A finished chunk.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// 32 lower-case hexadecimal digits.
    pub chunk_id: String,
    /// 32 lower-case hexadecimal digits: [`Session::profiler_id`].
    pub profiler_id: String,
    /// The item header's platform.
    pub platform: String,
    /// The payload of an envelope item of type `profile_chunk`: JSON.
    pub payload: Vec<u8>,
    /// Samples in it, idle samples aside.
    pub sample_count: usize,
    /// Unix time of its beginning, microseconds.
    pub start_us: i64,
    /// Unix time of its end, microseconds.
    pub end_us: i64,
}

/// Takes finished chunks, on the encoder thread.
pub type Sink = Arc<dyn Fn(Chunk) + Send + Sync>;

/// What a session records, and for whom.
#[derive(Clone)]
pub struct SessionOptions {
    /// What starts and stops it.
    pub lifecycle: Lifecycle,
    /// Share of sessions that profile at all, 0 to 1; decided once, when the session is made.
    pub sample_rate: f64,
    /// 100 ms to 60 s.
    pub chunk_duration: Duration,
    /// How long a chunk stays open for the next span in the trace lifecycle, at most a chunk's duration.
    pub quiet: Duration,
    /// The thread that the isolate runs on.
    pub thread: Thread,
    /// The SDK's name.
    pub sdk_name: String,
    /// The SDK's version.
    pub sdk_version: String,
    /// The release that runs.
    pub release: Option<String>,
    /// The environment it runs in.
    pub environment: Option<String>,
    /// Sentry's platform; `node` unless told otherwise.
    pub platform: String,
    /// Where finished chunks go.
    pub sink: Sink,
}

impl SessionOptions {
    /// The defaults: manual, nothing sampled, 60 s chunks.
    pub fn new(sink: Sink) -> Self {
        Self {
            lifecycle: Lifecycle::default(),
            sample_rate: 0.0,
            chunk_duration: DEFAULT_CHUNK_DURATION,
            quiet: DEFAULT_QUIET,
            thread: Thread::default(),
            sdk_name: "sentry.libsentry_profiler".to_owned(),
            sdk_version: env!("CARGO_PKG_VERSION").to_owned(),
            release: None,
            environment: None,
            platform: "node".to_owned(),
            sink,
        }
    }
}

/// What a call to a session did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It records now.
    Started,
    /// It records no more.
    Stopped,
    /// Start while recording: nothing changed.
    AlreadyRunning,
    /// Stop while not recording: nothing changed.
    NotRunning,
    /// The session is not sampled: it never records.
    NotSampled,
    /// Spans start and stop this session: nothing changed.
    TraceLifecycle,
    /// The operating system gives no thread: it records as soon as one can be had, unless it is stopped before.
    NoThread,
}

/// What became of a session's chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionStats {
    /// Chunks handed to the sink.
    pub delivered_chunks: u64,
    /// Samples in them, idle samples aside.
    pub delivered_samples: u64,
    /// Chunks dropped because they had fewer than [`MIN_SAMPLES`] samples.
    pub dropped_too_short: u64,
    /// Chunks dropped because too many waited for the encoder, or because closing waited for them no longer.
    pub dropped_overflow: u64,
    /// Slices of the isolate's stream dropped because too many waited for the encoder.
    pub dropped_slices: u64,
}

/// Records an isolate chunk by chunk. For the isolate's thread; dropping it closes it.
pub struct Session {
    recorder: Rc<Recorder>,
    shared: Arc<Shared>,
    consumer: u64,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    recording: bool,
    spans: usize,
    closed: bool,
}

pub(crate) struct Shared {
    options: SessionOptions,
    profiler_id: String,
    sampled: bool,
    debug_ids: Mutex<Arc<HashMap<String, String>>>,
    output: Mutex<Output>,
    /// What is waited for: see [`Shared::wait`] and [`Shared::close`].
    delivered: Condvar,
    stats: Stats,
    threads: &'static Threads,
    log: Option<Logger>,
}

#[derive(Default)]
struct Output {
    queue: VecDeque<Profile>,
    /// A job of the encoder's is there for the queue: one for a session, and always when the queue is not empty.
    scheduled: bool,
    /// The sink is at it, or about to be called.
    delivering: bool,
    /// Nothing is delivered any more.
    closed: bool,
    /// Flushes asked for, and those whose chunks are in the queue or beyond.
    flushes_asked: u64,
    flushes_applied: u64,
}

#[derive(Default)]
struct Stats {
    delivered_chunks: AtomicU64,
    delivered_samples: AtomicU64,
    dropped_too_short: AtomicU64,
    dropped_overflow: AtomicU64,
}

impl Session {
    pub(crate) fn new(recorder: Rc<Recorder>, options: SessionOptions) -> Result<Self, Error> {
        if !(0.0..=1.0).contains(&options.sample_rate) {
            return Err(Error::InvalidOption {
                option: "session sample rate",
                expected: "0 to 1",
                got: options.sample_rate.to_string(),
            });
        }
        if !CHUNK_DURATION_RANGE.contains(&options.chunk_duration) {
            return Err(Error::InvalidOption {
                option: "chunk duration",
                expected: "100 ms to 60 s",
                got: format!("{:?}", options.chunk_duration),
            });
        }
        recorder.check()?;
        let sampled = is_sampled(options.sample_rate);
        let shared = Arc::new(Shared::new(options, sampled, recorder.stream.threads, recorder.stream.logger()));
        let consumer = recorder.attach(Box::new(Chunks::new(shared.clone(), recorder.stream.interval_us)));
        Ok(Self { recorder, shared, consumer, state: RefCell::default() })
    }

    /// 32 lower-case hexadecimal digits that link events to the session's chunks.
    pub fn profiler_id(&self) -> &str {
        &self.shared.profiler_id
    }

    /// Whether it profiles at all.
    pub fn is_sampled(&self) -> bool {
        self.shared.sampled
    }

    /// Whether it records now.
    pub fn is_recording(&self) -> bool {
        // Whoever disposes of the profiler ends the recording without asking its sessions.
        let open = || !matches!(self.recorder.check(), Err(Error::Closed));
        self.state.borrow().recording && open() && !self.recorder.waits(self.consumer)
    }

    pub(crate) fn shared(&self) -> Weak<Shared> {
        Arc::downgrade(&self.shared)
    }

    /// Debug ids by plain path of the file, for the chunks that are encoded from now on.
    pub fn set_debug_ids(&self, debug_ids: HashMap<String, String>) {
        *self.shared.debug_ids.lock() = Arc::new(debug_ids);
    }

    /// Begins to record, in the manual lifecycle; after [`Outcome::NoThread`] as soon as it can.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::WrongThread`], [`Error::Forked`], [`Error::StartRefused`], [`Error::Unsupported`].
    pub fn start(&self) -> Result<Outcome, Error> {
        if let Some(outcome) = self.refusal()? {
            return Ok(outcome);
        }
        if !self.state.borrow().recording {
            return self.begin(true);
        }
        if !self.recorder.waits(self.consumer) {
            return Ok(Outcome::AlreadyRunning);
        }
        let records = self.recorder.retry(true)?;
        Ok(if records { Outcome::Started } else { Outcome::NoThread })
    }

    /// Ends the recording, in the manual lifecycle; its last chunk is handed out.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub fn stop(&self) -> Result<Outcome, Error> {
        if let Some(outcome) = self.refusal()? {
            return Ok(outcome);
        }
        if !self.state.borrow().recording {
            return Ok(Outcome::NotRunning);
        }
        self.finish()?;
        Ok(Outcome::Stopped)
    }

    /// A span has begun; in the trace lifecycle the first one begins to record. Where no thread can be had that comes
    /// later, by itself: services do not fail for it, and the log hears of it.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub fn span_started(&self) -> Result<(), Error> {
        if !self.follows_spans()? {
            return Ok(());
        }
        self.state.borrow_mut().spans += 1;
        if self.state.borrow().recording {
            return Ok(());
        }
        self.begin(false).map(drop)
    }

    /// A span has ended; with the last one recording pauses. One that did not begin is ignored.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub fn span_ended(&self) -> Result<(), Error> {
        if !self.follows_spans()? {
            return Ok(());
        }
        let mut state = self.state.borrow_mut();
        state.spans = state.spans.saturating_sub(1);
        if state.spans > 0 || !state.recording {
            return Ok(());
        }
        state.recording = false;
        let now_us = monotonic_us();
        if !self.recorder.waits_in_vain(self.consumer) {
            self.recorder.mark(self.consumer, Mark::Idle(now_us));
        }
        // As long as the chunk waits, which is no longer than it lasts.
        let options = &self.shared.options;
        self.recorder.release(now_us, options.quiet.min(options.chunk_duration).as_micros() as i64);
        Ok(())
    }

    /// Closes the open chunk and waits until every chunk up to now was handed out, at most `timeout`; answers whether
    /// they were. The session goes on.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub fn flush(&self, timeout: Duration) -> Result<bool, Error> {
        self.check()?;
        self.hand_out(Mark::Flush(monotonic_us()));
        Ok(self.shared.wait(timeout))
    }

    /// Ends what is recording and lets its chunk be handed out; a later start, or the next span, records again.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub fn finish(&self) -> Result<(), Error> {
        self.check()?;
        let now_us = monotonic_us();
        self.let_go(now_us);
        self.hand_out(Mark::End(now_us));
        Ok(())
    }

    /// Finishes, waits for what was recorded to be handed out, at most `timeout`, and closes for good; answers whether
    /// all was: what was not is dropped. The sink is not called any more: a call that is under way is waited for.
    /// Harmless when it is closed, or its profiler disposed of, already.
    pub fn close(&self, timeout: Duration) -> bool {
        let finished = self.finish();
        if std::mem::replace(&mut self.state.borrow_mut().closed, true) || self.recorder.is_foreign() {
            return true;
        }
        // At a thread's end, for example, where the isolate is not entered any more.
        let handed_out = !matches!(finished, Err(Error::WrongThread)) || self.finish_outside();
        let delivered = self.shared.close(timeout);
        self.recorder.detach(self.consumer);
        // V8's last recordings were read: their memory need not wait for the next one.
        for _ in 0..self.recorder.stream.captured_count() {
            self.recorder.maintain();
        }
        handed_out && delivered
    }

    /// As [`Session::finish`], without the isolate entered, where V8 can end a recording and begin none. Answers
    /// whether everything comes out: what is in a recording that goes on for others does not.
    fn finish_outside(&self) -> bool {
        let now_us = monotonic_us();
        self.let_go(now_us);
        if self.recorder.is_running() {
            return false;
        }
        self.shared.output.lock().flushes_asked += 1;
        self.recorder.mark(self.consumer, Mark::End(now_us));
        self.recorder.stream.push(Event::Quiet(now_us));
        self.recorder.stream.schedule();
        true
    }

    /// Wants no samples from now on.
    fn let_go(&self, now_us: i64) {
        if std::mem::take(&mut self.state.borrow_mut().recording) {
            self.recorder.waits_in_vain(self.consumer);
            self.recorder.release(now_us, 0);
        }
    }

    /// What became of the chunks so far.
    pub fn stats(&self) -> SessionStats {
        let stats = &self.shared.stats;
        SessionStats {
            delivered_chunks: stats.delivered_chunks.load(Ordering::Relaxed),
            delivered_samples: stats.delivered_samples.load(Ordering::Relaxed),
            dropped_too_short: stats.dropped_too_short.load(Ordering::Relaxed),
            dropped_overflow: stats.dropped_overflow.load(Ordering::Relaxed),
            dropped_slices: self.recorder.stream.dropped_slices.load(Ordering::Relaxed),
        }
    }

    fn check(&self) -> Result<(), Error> {
        if self.state.borrow().closed {
            return Err(Error::Closed);
        }
        self.recorder.check()?;
        // Where the ticker could not be had either, nobody else does. What else goes wrong, the next beginning says.
        let _ = self.recorder.retry(false);
        Ok(())
    }

    /// Why a manual call does nothing, if so.
    fn refusal(&self) -> Result<Option<Outcome>, Error> {
        self.check()?;
        Ok(match (self.shared.sampled, self.shared.options.lifecycle) {
            (false, _) => Some(Outcome::NotSampled),
            (true, Lifecycle::Trace) => Some(Outcome::TraceLifecycle),
            (true, Lifecycle::Manual) => None,
        })
    }

    fn follows_spans(&self) -> Result<bool, Error> {
        self.check()?;
        Ok(self.shared.sampled && self.shared.options.lifecycle == Lifecycle::Trace)
    }

    fn begin(&self, insist: bool) -> Result<Outcome, Error> {
        let records = self.recorder.hold_for(self.consumer, insist)?;
        self.state.borrow_mut().recording = true;
        Ok(if records { Outcome::Started } else { Outcome::NoThread })
    }

    /// Puts the mark, and has the stream follow up to it.
    fn hand_out(&self, mark: Mark) {
        self.shared.output.lock().flushes_asked += 1;
        self.recorder.mark(self.consumer, mark);
        self.recorder.end_linger();
        self.recorder.cut_now();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close(DISPOSE_TIMEOUT);
    }
}

impl Shared {
    fn new(options: SessionOptions, sampled: bool, threads: &'static Threads, log: Option<Logger>) -> Self {
        Self {
            options,
            profiler_id: new_id(),
            sampled,
            debug_ids: Mutex::default(),
            output: Mutex::default(),
            delivered: Condvar::new(),
            stats: Stats::default(),
            threads,
            log,
        }
    }

    /// Until every flush was applied and every chunk handed out.
    fn wait(&self, timeout: Duration) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        let mut output = self.output.lock();
        let asked = output.flushes_asked;
        while !output.closed && (output.flushes_applied < asked || output.scheduled) {
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                return false;
            }
            // There may be no thread to do it yet, and no tick that starts one.
            self.threads.encoder.ensure(self.threads);
            let look = now + TICK;
            self.delivered.wait_until(&mut output, deadline.map_or(look, |deadline| deadline.min(look)));
        }
        true
    }

    /// Waits, and delivers nothing any more; answers whether everything was.
    pub(crate) fn close(&self, timeout: Duration) -> bool {
        let delivered = self.wait(timeout);
        let mut output = self.output.lock();
        output.closed = true;
        let left = std::mem::take(&mut output.queue);
        self.stats.dropped_overflow.fetch_add(left.len() as u64, Ordering::Relaxed);
        while output.delivering {
            self.delivered.wait(&mut output);
        }
        delivered
    }

    fn flush_applied(&self) {
        self.output.lock().flushes_applied += 1;
        self.delivered.notify_all();
    }

    /// Has the encoder thread encode and hand out a chunk.
    fn put(self: &Arc<Self>, profile: Profile) {
        if profile.active_samples() < MIN_SAMPLES {
            self.stats.dropped_too_short.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut output = self.output.lock();
        if output.closed || output.queue.len() == MAX_QUEUED_CHUNKS {
            self.stats.dropped_overflow.fetch_add(1, Ordering::Relaxed);
        }
        if output.closed {
            return;
        }
        if output.queue.len() == MAX_QUEUED_CHUNKS {
            output.queue.pop_front();
        }
        output.queue.push_back(profile);
        let scheduled = std::mem::replace(&mut output.scheduled, true);
        drop(output);
        if !scheduled {
            self.schedule();
        }
    }

    fn schedule(self: &Arc<Self>) {
        let shared = self.clone();
        let job = move || {
            if let Err(panic) = contain(|| shared.deliver_next())
                && let Some(log) = &shared.log
            {
                // The log may be what panicked.
                let _ = contain(|| log(LogLevel::Warning, &format!("a chunk could not be delivered: {panic}")));
            }
        };
        self.threads.encoder.submit(self.threads, Box::new(job));
    }

    fn deliver_next(self: &Arc<Self>) {
        /// Also when the host's sink panics: whoever waits must not wait for ever.
        struct Delivered<'a>(&'a Arc<Shared>);
        impl Drop for Delivered<'_> {
            fn drop(&mut self) {
                let mut output = self.0.output.lock();
                output.delivering = false;
                output.scheduled = !output.queue.is_empty();
                let more = output.scheduled;
                drop(output);
                self.0.delivered.notify_all();
                if more {
                    // After what others have waiting.
                    self.0.schedule();
                }
            }
        }
        let _delivered = Delivered(self);
        let profile = {
            let mut output = self.output.lock();
            let Some(profile) = output.queue.pop_front() else { return };
            output.delivering = true;
            profile
        };
        let options = &self.options;
        let meta = ChunkMeta {
            chunk_id: new_id(),
            profiler_id: self.profiler_id.clone(),
            platform: options.platform.clone(),
            sdk_name: options.sdk_name.clone(),
            sdk_version: options.sdk_version.clone(),
            release: options.release.clone(),
            environment: options.environment.clone(),
            thread: options.thread.clone(),
            debug_ids: self.debug_ids.lock().clone(),
        };
        let sample_count = profile.active_samples();
        let payload = sample_v2::chunk(&profile, &meta);
        self.stats.delivered_chunks.fetch_add(1, Ordering::Relaxed);
        self.stats.delivered_samples.fetch_add(sample_count as u64, Ordering::Relaxed);
        (options.sink)(Chunk {
            chunk_id: meta.chunk_id,
            profiler_id: meta.profiler_id,
            platform: meta.platform,
            payload,
            sample_count,
            start_us: profile.start_us(),
            end_us: profile.end_us(),
        });
    }
}

/// 32 lower-case hexadecimal digits.
fn new_id() -> String {
    Uuid::new_v4().simple().to_string()
}

fn is_sampled(rate: f64) -> bool {
    // 48 random bits of a v4 uuid, none of them fixed: below 1 for certain.
    let bits = Uuid::new_v4().as_u128() >> 80;
    (bits as f64) / (1u64 << 48) as f64 <= rate && rate > 0.0
}

/// A window after the other, closed by time, by quiet, by size and on demand.
struct Chunks {
    shared: Arc<Shared>,
    interval_us: u32,
    duration_us: i64,
    quiet_us: i64,
    /// Those the stream has not come to yet.
    marks: VecDeque<Mark>,
    active: bool,
    /// There is one whenever it is active.
    open: Option<Window>,
    /// Since when it is not active while a chunk is open.
    quiet_since_us: i64,
    last_tick_us: Option<i64>,
}

impl Chunks {
    fn new(shared: Arc<Shared>, interval_us: u32) -> Self {
        let duration_us = shared.options.chunk_duration.as_micros() as i64;
        let quiet_us = (shared.options.quiet.as_micros() as i64).min(duration_us);
        Self {
            shared,
            interval_us,
            duration_us,
            quiet_us,
            marks: VecDeque::new(),
            active: false,
            open: None,
            quiet_since_us: 0,
            last_tick_us: None,
        }
    }

    fn open(&mut self, from_us: i64) {
        self.open = Some(Window::new(from_us, self.interval_us, usize::MAX));
        self.last_tick_us = None;
    }

    fn close(&mut self, to_us: i64, clock: &Clock) {
        if let Some(window) = self.open.take() {
            self.shared.put(window.finish(to_us, clock));
        }
    }

    fn due_us(&self) -> Option<i64> {
        self.open.as_ref().map(|window| window.start_us() + self.duration_us)
    }

    /// The open chunk would be dropped if it was closed now: what it has waits for more, until the chunk's time is over.
    fn is_too_short(&self) -> bool {
        self.open.as_ref().is_some_and(|window| window.tick_count() < MIN_SAMPLES)
    }

    fn apply(&mut self, mark: Mark, clock: &Clock) {
        match mark {
            Mark::Active(at_us) => {
                let waited = at_us - self.quiet_since_us >= self.quiet_us && !self.is_too_short();
                let too_late = waited || self.due_us().is_some_and(|due| at_us >= due);
                if self.open.is_some() && too_late {
                    self.close(self.quiet_since_us, clock);
                }
                if self.open.is_none() {
                    self.open(at_us);
                }
                self.active = true;
            }
            Mark::Idle(at_us) => self.pause(at_us, clock),
            Mark::Flush(at_us) => {
                self.roll(at_us, clock);
                if !self.is_too_short() {
                    let end_us = if self.active { at_us } else { self.quiet_since_us };
                    self.close(end_us, clock);
                    if self.active {
                        self.open(at_us);
                    }
                }
                self.shared.flush_applied();
            }
            Mark::End(at_us) => {
                self.pause(at_us, clock);
                self.close(self.quiet_since_us, clock);
                self.shared.flush_applied();
            }
        }
    }

    fn pause(&mut self, at_us: i64, clock: &Clock) {
        if !self.active {
            return;
        }
        self.roll(at_us, clock);
        self.active = false;
        self.quiet_since_us = at_us;
        if let Some(window) = &mut self.open {
            window.pause();
        }
    }

    /// Closes chunks that are full at this moment.
    fn roll(&mut self, now_us: i64, clock: &Clock) {
        while self.active
            && let Some(due_us) = self.due_us()
            && now_us >= due_us
        {
            self.close(due_us, clock);
            // After a long freeze the empty chunks in between are not worth making.
            let passed = (now_us - due_us) / self.duration_us * self.duration_us;
            self.open(due_us + passed);
        }
    }

    fn apply_until(&mut self, time_us: i64, clock: &Clock) {
        while let Some(mark) = self.marks.front().copied().filter(|mark| mark.time_us() <= time_us) {
            self.marks.pop_front();
            self.apply(mark, clock);
        }
    }

    /// Comes to a tick; answers whether it is wanted.
    fn tick(&mut self, time_us: i64, clock: &Clock) -> bool {
        self.apply_until(time_us, clock);
        let is_due = self.due_us().is_some_and(|due_us| time_us >= due_us);
        if let Some(window) = self.open.as_mut().filter(|_| !self.active || is_due) {
            window.end_tick(Some(time_us), clock);
        }
        if !self.active {
            return false;
        }
        self.roll(time_us, clock);
        if self.last_tick_us.is_some_and(|last_us| clock.jumped(last_us, time_us)) {
            self.restart(time_us, clock);
        }
        self.last_tick_us = Some(time_us);
        true
    }

    /// Goes on in a new chunk.
    fn restart(&mut self, at_us: i64, clock: &Clock) {
        self.close(at_us, clock);
        self.open(at_us);
    }

    fn reading(&mut self, time_us: i64, clock: &Clock) {
        self.apply_until(time_us, clock);
        self.roll(time_us, clock);
    }
}

impl Consumer for Chunks {
    fn mark(&mut self, mark: Mark) {
        push_mark(&mut self.marks, mark);
    }

    fn input(&mut self, input: &Input<'_>) {
        let clock = input.clock;
        if let Some(window) = self.open.as_mut().filter(|_| input.slice.anew) {
            window.pause();
        }
        let mut merge = Merge::new(input.slice);
        let mut merged_into = self.open.as_ref().map(Window::start_us);
        let mut readings = input.readings.iter().peekable();
        let ticks = input.slice.ticks.iter().filter(|(at, _)| (input.from_us..input.to_us).contains(at));
        for &(time_us, stack) in ticks {
            while let Some(reading) = readings.next_if(|reading| reading.time_us <= time_us) {
                self.reading(reading.time_us, clock);
                if let Some(window) = &mut self.open {
                    window.reading(reading, clock);
                }
            }
            if !self.tick(time_us, clock) {
                continue;
            }
            for is_new in [false, true] {
                let Some(window) = &mut self.open else { break };
                // What was translated for one chunk means nothing in the next.
                if merged_into.replace(window.start_us()) != Some(window.start_us()) {
                    merge = Merge::new(input.slice);
                }
                if is_new || window.takes(stack, &mut merge, MAX_CHUNK_BYTES) {
                    window.tick(time_us, stack, &mut merge, clock);
                    break;
                }
                window.end_tick(Some(time_us), clock);
                self.restart(time_us, clock);
            }
        }
        for reading in readings {
            self.reading(reading.time_us, clock);
            if let Some(window) = &mut self.open {
                window.reading(reading, clock);
            }
        }
        self.apply_until(input.to_us, clock);
        self.roll(input.to_us, clock);
        let is_quiet = input.last || input.to_us - self.quiet_since_us >= self.quiet_us;
        if !self.active && is_quiet && !self.is_too_short() {
            self.close(self.quiet_since_us, clock);
        }
    }

    fn is_done(&self) -> bool {
        false
    }

    fn boundary_us(&self) -> i64 {
        // Without an open chunk, that of the one which the next mark opens.
        let opens = || self.marks.iter().find(|mark| matches!(mark, Mark::Active(_)));
        self.due_us().or_else(|| Some(opens()?.time_us() + self.duration_us)).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Slice;
    use crate::measurements::Reading;
    use crate::stream::MAX_MARKS;

    const INTERVAL_US: i64 = 10_000;
    const SECOND_US: i64 = 1_000_000;
    const WALL_US: i64 = 1_700_000_000_000_000;

    /// A consumer with one-second chunks, fed by hand, and what it hands out.
    struct Fixture {
        chunks: Chunks,
        clock: Clock,
        fed_us: i64,
        delivered: Arc<Mutex<Vec<Chunk>>>,
    }

    /// What a chunk says: (milliseconds since the fixture's beginning, whether anything ran).
    type Samples = Vec<(i64, bool)>;

    impl Fixture {
        fn new() -> Self {
            Self::with_clock(Clock::with_anchors(&[(0, WALL_US)]))
        }

        fn with_clock(clock: Clock) -> Self {
            let delivered = Arc::new(Mutex::new(vec![]));
            let sink = delivered.clone();
            let mut options = SessionOptions::new(Arc::new(move |chunk| sink.lock().push(chunk)));
            options.chunk_duration = Duration::from_secs(1);
            options.quiet = Duration::from_millis(500);
            Self { chunks: Chunks::new(shared(options), INTERVAL_US as u32), clock, fed_us: 0, delivered }
        }

        /// The stream goes on to a moment, with a sample each interval.
        fn feed(&mut self, to_us: i64) {
            let times = (self.fed_us / INTERVAL_US..).map(|at| at * INTERVAL_US + 1).take_while(|at| *at < to_us);
            let samples: Vec<_> = times.filter(|at| *at >= self.fed_us).collect();
            self.feed_samples(samples, to_us, false);
        }

        fn feed_samples(&mut self, samples: Vec<i64>, to_us: i64, last: bool) {
            self.feed_slice(&Slice::of(samples), to_us, last);
        }

        fn feed_slice(&mut self, slice: &Slice, to_us: i64, last: bool) {
            let readings: Vec<_> = (self.fed_us / 100_000 + 1..=to_us / 100_000)
                .map(|at| Reading { time_us: at * 100_000 - 1, cpu_usage: Some(1.0), heap_bytes: Some(2) })
                .collect();
            self.chunks.input(&Input {
                slice,
                from_us: self.fed_us,
                to_us,
                last,
                readings: &readings,
                clock: &self.clock,
            });
            self.fed_us = to_us;
        }

        fn payloads(&self) -> Vec<Vec<u8>> {
            assert!(self.chunks.shared.wait(Duration::from_secs(10)));
            self.delivered.lock().iter().map(|chunk| chunk.payload.clone()).collect()
        }

        fn json(&self) -> Vec<serde_json::Value> {
            self.payloads().iter().map(|payload| serde_json::from_slice(payload).unwrap()).collect()
        }

        fn delivered(&self) -> Vec<Samples> {
            let sample = |chunk: &serde_json::Value, sample: &serde_json::Value| {
                let time_us = (sample["timestamp"].as_f64().unwrap() * 1e6).round() as i64 - WALL_US;
                let stack = &chunk["profile"]["stacks"][sample["stack_id"].as_u64().unwrap() as usize];
                (time_us.div_euclid(1_000), !stack.as_array().unwrap().is_empty())
            };
            let chunks = self.json();
            chunks
                .iter()
                .map(|chunk| chunk["profile"]["samples"].as_array().unwrap().iter().map(|s| sample(chunk, s)).collect())
                .collect()
        }
    }

    fn shared(options: SessionOptions) -> Arc<Shared> {
        Arc::new(Shared::new(options, true, Threads::get(), None))
    }

    #[test]
    fn chunks_follow_each_other_without_loss() {
        let mut fixture = Fixture::new();
        fixture.chunks.mark(Mark::Active(0));
        for slice in 1..=8 {
            fixture.feed(slice * 310_000);
        }
        fixture.chunks.mark(Mark::End(2_480_000));
        fixture.feed(2_600_000);
        let delivered = fixture.delivered();
        assert_eq!(delivered.iter().map(Vec::len).collect::<Vec<_>>(), [100 + 1, 100 + 1, 48 + 1]);
        let ends = delivered.iter().map(|chunk| chunk[chunk.len() - 1]);
        let expected = [(1_000, false), (2_000, false), (2_480, false)];
        assert_eq!(ends.collect::<Vec<_>>(), expected, "an idle sample ends each chunk where the next tick is");
        let times: Vec<_> = delivered.concat().into_iter().filter(|s| s.1).map(|s| s.0).collect();
        assert_eq!(times, (0..248).map(|at| at * 10).collect::<Vec<_>>());
        let readings: Vec<_> =
            fixture.json().iter().map(|c| c["measurements"]["cpu_usage"]["values"].as_array().unwrap().len()).collect();
        assert_eq!(readings, [10, 10, 4]);
    }

    #[test]
    fn short_spans_share_a_chunk_and_their_gaps_are_cut_out() {
        let mut fixture = Fixture::new();
        for span in 0..4 {
            fixture.chunks.mark(Mark::Active(span * 100_000));
            fixture.chunks.mark(Mark::Idle(span * 100_000 + 25_000));
        }
        fixture.feed(450_000);
        assert_eq!(fixture.delivered().len(), 0, "it may go on");
        fixture.feed(900_000);
        let spans = [0, 100, 200, 300];
        let expected = spans.map(|at| [(at, true), (at + 10, true), (at + 20, true), (at + 30, false)]).concat();
        assert_eq!(fixture.delivered(), [expected]);
    }

    #[test]
    fn quiet_closes_a_chunk_and_the_end_of_the_stream_does_at_once() {
        let mut fixture = Fixture::new();
        fixture.chunks.mark(Mark::Active(0));
        fixture.chunks.mark(Mark::Idle(50_000));
        fixture.chunks.mark(Mark::Active(700_000));
        fixture.chunks.mark(Mark::Idle(750_000));
        fixture.feed(800_000);
        assert_eq!(fixture.delivered().len(), 1);
        fixture.feed_samples(vec![], 800_001, true);
        let delivered = fixture.delivered();
        assert_eq!(delivered.len(), 2);
        assert_eq!(delivered[1].first().unwrap().0, 700);
    }

    #[test]
    fn the_readings_of_a_chunk_end_where_its_last_span_does() {
        let mut fixture = Fixture::new();
        fixture.chunks.mark(Mark::Active(0));
        fixture.chunks.mark(Mark::Idle(250_000));
        fixture.feed(1_000_000);
        let chunk = &fixture.json()[0];
        for name in ["cpu_usage", "memory_footprint"] {
            let values = chunk["measurements"][name]["values"].as_array().unwrap();
            assert_eq!(values.len(), 2, "{name}: at 100 and 200 ms");
        }
    }

    #[test]
    fn frozen_time_at_a_chunks_end_or_beginning_is_neither_billed_nor_measured() {
        for end in [Mark::Flush, Mark::End] {
            let mut fixture = Fixture::new();
            fixture.chunks.duration_us = 60 * SECOND_US;
            fixture.chunks.mark(Mark::Active(0));
            // 0 to 100 ms, then nothing until the readings of 3 s, before which no sample comes.
            fixture.feed(100_001);
            fixture.fed_us = 3 * SECOND_US - 1;
            fixture.chunks.mark(end(3 * SECOND_US + 1));
            fixture.feed_samples(vec![], 3 * SECOND_US + 2, false);
            // What a flush opened has readings, and its first sample 2 s later.
            fixture.feed_samples(vec![], 4 * SECOND_US, false);
            fixture.fed_us = 5 * SECOND_US;
            fixture.chunks.mark(Mark::End(6 * SECOND_US));
            fixture.feed(6 * SECOND_US + 1);
            let chunks = fixture.json();
            assert_eq!(chunks.len(), if end(0) == Mark::Flush(0) { 2 } else { 1 });
            for (chunk, samples) in chunks.iter().zip(fixture.delivered()) {
                let values = chunk["measurements"]["cpu_usage"]["values"].as_array().unwrap();
                let times = values.iter().map(|value| value["timestamp"].as_f64().unwrap() - WALL_US as f64 / 1e6);
                let (first, last) = (samples[0].0 as f64 / 1e3, samples.last().unwrap().0 as f64 / 1e3);
                assert!(last <= 0.11 || first >= 5.0, "{samples:?}");
                assert!(times.into_iter().all(|time| (first - 0.5..=last + 0.5).contains(&time)), "{values:?}");
            }
        }
    }

    #[test]
    fn a_flush_hands_out_what_there_is_and_goes_on() {
        let mut fixture = Fixture::new();
        fixture.chunks.shared.output.lock().flushes_asked = 1;
        fixture.chunks.mark(Mark::Active(0));
        fixture.chunks.mark(Mark::Flush(105_000));
        fixture.feed(200_000);
        assert_eq!(fixture.delivered(), [(0..=11).map(|at| (at * 10, at < 11)).collect::<Vec<_>>()]);
        fixture.chunks.mark(Mark::End(200_000));
        fixture.feed(210_000);
        assert_eq!(fixture.delivered()[1].len(), 9 + 1);
    }

    #[test]
    fn a_chunk_of_one_sample_is_dropped_and_counted() {
        let mut fixture = Fixture::new();
        fixture.chunks.mark(Mark::Active(0));
        fixture.chunks.mark(Mark::End(5_000));
        fixture.feed(100_000);
        assert_eq!(fixture.delivered().len(), 0);
        assert_eq!(fixture.chunks.shared.stats.dropped_too_short.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_is_too_short_to_send_waits_for_more() {
        let mut fixture = Fixture::new();
        // Spans of 5 ms, each with one tick in it, each flushed, further apart than a chunk waits when it is quiet.
        for span in 0..3 {
            let from_us = span * 600_000;
            fixture.chunks.mark(Mark::Active(from_us));
            fixture.chunks.mark(Mark::Idle(from_us + 5_000));
            fixture.chunks.mark(Mark::Flush(from_us + 6_000));
            fixture.fed_us = from_us;
            fixture.feed_samples(vec![from_us + 1], from_us + 7_000, true);
        }
        assert_eq!(fixture.delivered(), [[(0, true), (10, false), (600, true), (610, false)]]);
        fixture.chunks.mark(Mark::End(SECOND_US * 2));
        fixture.feed_samples(vec![], SECOND_US * 2 + 1, true);
        assert_eq!(fixture.delivered().len(), 1);
        assert_eq!(
            fixture.chunks.shared.stats.dropped_too_short.load(Ordering::Relaxed),
            1,
            "the session's end drops it"
        );
    }

    #[test]
    fn a_tick_in_a_short_span_stands_for_an_interval() {
        let mut fixture = Fixture::new();
        // Spans of 6 ms, 4.3 ms apart: a tick comes at any time of them, and the next one mostly in another span.
        let spans = 90;
        for span in 0..spans {
            fixture.chunks.mark(Mark::Active(span * 10_300));
            fixture.chunks.mark(Mark::Idle(span * 10_300 + 6_000));
        }
        fixture.feed(spans * 10_300);
        fixture.chunks.mark(Mark::End(spans * 10_300));
        fixture.feed(spans * 10_300 + 30_000);
        let samples: Vec<_> = fixture.delivered().concat();
        let busy_ms: i64 = samples.windows(2).filter(|pair| pair[0].1).map(|pair| pair[1].0 - pair[0].0).sum();
        let ticks = samples.iter().filter(|sample| sample.1).count() as i64;
        assert!((ticks - spans * 6_000 / 10_300).abs() <= 3, "{ticks}");
        assert!((busy_ms - ticks * 10).abs() <= 10, "{busy_ms} ms for {ticks} ticks");
    }

    #[test]
    fn long_names_do_not_make_a_chunk_longer_than_it_may_be() {
        let mut fixture = Fixture::new();
        fixture.chunks.duration_us = 60 * SECOND_US;
        fixture.chunks.mark(Mark::Active(0));
        for slice in 0..40 {
            let mut ticks = Slice::of((0..25).map(|at| slice * SECOND_US + at * INTERVAL_US));
            // Each tick has functions of its own, with names that JSON makes longer.
            ticks.rename(|tick| format!("{slice} {tick} {}", "\u{1}".repeat(6_000)));
            fixture.feed_slice(&ticks, (slice + 1) * SECOND_US, false);
        }
        fixture.chunks.mark(Mark::End(40 * SECOND_US));
        fixture.feed_samples(vec![], 40 * SECOND_US + 1, true);
        let sizes: Vec<_> = fixture.payloads().iter().map(Vec::len).collect();
        assert!(sizes.len() > 1 && sizes.iter().all(|&size| size <= MAX_CHUNK_BYTES), "{sizes:?}");
        let samples: usize = fixture.delivered().iter().flatten().filter(|sample| sample.1).count();
        assert_eq!(samples, 40 * 25, "nothing is lost");
    }

    #[test]
    fn a_freeze_is_a_gap_and_splits_the_chunk() {
        let mut fixture = Fixture::new();
        fixture.chunks.mark(Mark::Active(0));
        // 0 to 100 ms, nothing for 600 ms, then nothing for an hour.
        let hour = 3_600 * SECOND_US;
        let mut samples: Vec<_> = (0..10).map(|at| at * INTERVAL_US).collect();
        samples.extend((0..10).map(|at| 700_000 + at * INTERVAL_US));
        samples.extend((0..10).map(|at| hour + at * INTERVAL_US));
        fixture.chunks.mark(Mark::End(hour + 100_000));
        fixture.feed_samples(samples, hour + 100_000, true);
        let delivered = fixture.delivered();
        assert_eq!(delivered.len(), 2);
        assert_eq!(delivered[0][9..12], [(90, true), (100, false), (700, true)]);
        assert_eq!(delivered[1].first(), Some(&(3_600_000, true)));
        assert_eq!(delivered[1].len(), 10 + 1);
    }

    #[test]
    fn a_stepped_clock_splits_the_chunk_and_every_sample_keeps_its_wall_time() {
        // At 305 ms the wall clock goes an hour back.
        let hour = 3_600 * SECOND_US;
        let mut fixture = Fixture::with_clock(Clock::with_anchors(&[(0, WALL_US), (305_000, WALL_US - hour)]));
        fixture.chunks.mark(Mark::Active(0));
        fixture.feed(600_000);
        fixture.chunks.mark(Mark::End(600_000));
        fixture.feed(610_000);
        let delivered = fixture.delivered();
        assert_eq!(delivered.len(), 2);
        assert_eq!(delivered[0][30..], [(300, true), (310, false)]);
        assert_eq!(delivered[1][0], (310 - 3_600_000, true));
    }

    #[test]
    fn more_spans_than_fit_lose_their_gaps_and_nothing_else() {
        let mut fixture = Fixture::new();
        for span in 0..MAX_MARKS as i64 {
            fixture.chunks.mark(Mark::Active(span * 20));
            fixture.chunks.mark(Mark::Idle(span * 20 + 10));
        }
        assert!(fixture.chunks.marks.len() <= MAX_MARKS + 1);
        fixture.chunks.mark(Mark::End(SECOND_US / 2));
        fixture.feed(SECOND_US / 2 + 1);
        assert!(fixture.delivered()[0].iter().filter(|s| s.1).count() >= 16);
    }

    #[test]
    fn when_the_encoder_is_stuck_the_oldest_chunk_goes() {
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let options = SessionOptions::new(Arc::new(move |_| {
            let _ = wait.lock().recv();
        }));
        let shared = shared(options);
        let profile = || {
            let mut window = Window::new(0, 10, 10);
            let slice = Slice::of([1, 2, 3]);
            let clock = Clock::with_anchors(&[(0, WALL_US)]);
            let mut merge = Merge::new(&slice);
            slice.ticks.iter().for_each(|&(at, stack)| window.tick(at, stack, &mut merge, &clock));
            window.finish(10, &clock)
        };
        let count = MAX_QUEUED_CHUNKS as u64 + 5;
        (0..count).for_each(|_| shared.put(profile()));
        assert!(!shared.wait(Duration::from_millis(50)), "it is stuck");
        drop(release);
        assert!(shared.wait(Duration::from_secs(10)));
        let delivered = shared.stats.delivered_chunks.load(Ordering::Relaxed);
        let dropped = shared.stats.dropped_overflow.load(Ordering::Relaxed);
        assert_eq!(delivered + dropped, count);
        assert!(dropped >= 4, "{dropped}");
    }

    #[test]
    fn the_rate_decides() {
        assert!((0..100).all(|_| is_sampled(1.0) && !is_sampled(0.0)));
        let half = (0..1_000).filter(|_| is_sampled(0.5)).count();
        assert!((300..700).contains(&half), "{half}");
    }
}
