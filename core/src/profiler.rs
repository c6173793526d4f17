//! [`Profiler`]: named recordings.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_void;
use std::path::Path;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;

use crate::error::Error;
use crate::host::{Logger, Waker};
use crate::isolate_time::IsolateTime;
use crate::journal::Journal;
use crate::lifetime::Threads;
use crate::profile::Profile;
use crate::recorder::{Recorder, RecorderOptions, Recorders};
use crate::session::{DISPOSE_TIMEOUT, Delivery, Session, SessionOptions};
use crate::slice::Merge;
use crate::stream::{Consumer, Input, Mark};
use crate::time::Monotonic;
use crate::v8::{Api, LoggingMode, Unsupported, V8};
use crate::window::Window;

/// 99 Hz, so that samples do not run in lockstep with what happens 100 times a second.
pub const DEFAULT_SAMPLING_INTERVAL_US: u32 = 10_101;
/// How long V8's profiler is kept with lazy logging after the last recording.
const GIVES_BACK_AFTER_US: i64 = 60_000_000;
/// The bounds of the sampling interval.
pub const SAMPLING_INTERVAL_RANGE_US: std::ops::RangeInclusive<u32> = 100..=1_000_000;
/// About 84 minutes at 99 Hz.
pub const DEFAULT_MAX_SAMPLES: u32 = 500_000;

/// How an isolate is profiled.
#[derive(Clone)]
#[non_exhaustive]
pub struct ProfilerOptions {
    /// When V8 builds its map of the program's functions.
    pub logging: LoggingMode,
    /// The time between two samples, microseconds: 100 to 1,000,000. All recordings of an isolate share it.
    pub sampling_interval_us: u32,
    /// The maximum number of samples in a recording. Later samples are counted as dropped.
    pub max_samples: u32,
    /// Called on the ticker's thread if [`Profiler::poll`] should be called and no JavaScript runs.
    pub wake: Option<Waker>,
    /// Receives messages.
    pub log: Option<Logger>,
    /// The functions of V8, if they were looked up with a resolver of the host.
    pub api: Option<Arc<Api>>,
    /// Whether all native functions of the host have the same address, as in Node-API. V8 then has one name for all
    /// of them, that of any one, so they are shown as `(native)`.
    pub natives_share_name: bool,
    /// Called on the isolate's thread, inside a call of the host, each time before recording begins: with lazy
    /// logging V8 may read the names of all functions right afterwards. It must not call the profiler.
    pub before_start: Option<Rc<dyn Fn()>>,
}

impl Default for ProfilerOptions {
    fn default() -> Self {
        Self {
            logging: LoggingMode::Eager,
            sampling_interval_us: DEFAULT_SAMPLING_INTERVAL_US,
            max_samples: DEFAULT_MAX_SAMPLES,
            wake: None,
            log: None,
            api: None,
            natives_share_name: false,
            before_start: None,
        }
    }
}

/// How a recording is made.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RecordingOptions {
    /// The maximum number of samples. Later samples are counted as dropped.
    pub max_samples: u32,
}

impl Default for RecordingOptions {
    fn default() -> Self {
        Self { max_samples: DEFAULT_MAX_SAMPLES }
    }
}

/// The profiler of one isolate, for use on the isolate's thread.
///
/// Recordings have titles. Any number of them may overlap, and each gets the samples of its own time. Dropping the
/// profiler stops everything and must happen before the isolate is disposed of.
pub struct Profiler {
    recorder: Rc<Recorder>,
    recordings: RefCell<HashMap<Box<str>, Recording>>,
    sessions: RefCell<Vec<Weak<Delivery>>>,
    max_samples: u32,
}

struct Recording {
    consumer: u64,
    result: Arc<Mutex<Option<Profile>>>,
}

impl Profiler {
    /// Makes the profiler of an isolate (a `v8::Isolate*`). With eager logging V8 walks the heap here (8 to 25 ms in
    /// an empty Node program), so make it early and keep it.
    ///
    /// # Errors
    /// [`Error::Unsupported`], [`Error::WrongThread`] if the isolate is not entered on this thread,
    /// [`Error::InvalidOption`].
    ///
    /// # Safety
    /// `isolate` is a live isolate of the V8 in this process, this is the thread that runs it, and it outlives the
    /// profiler.
    pub unsafe fn new(isolate: NonNull<c_void>, options: ProfilerOptions) -> Result<Self, Error> {
        if !SAMPLING_INTERVAL_RANGE_US.contains(&options.sampling_interval_us) {
            return Err(Error::InvalidOption {
                option: "sampling interval",
                expected: "100 to 1,000,000 µs",
                got: options.sampling_interval_us.to_string(),
            });
        }
        check_maximum(options.max_samples)?;
        let api = options.api.map_or_else(Api::get, Ok)?;
        let (logging, interval_us) = (options.logging, options.sampling_interval_us);
        // SAFETY: guaranteed by the caller.
        let source = unsafe { V8::new::<Recorders>(api, isolate, logging, interval_us, options.natives_share_name) }?;
        let recorder_options = RecorderOptions {
            gives_back_after_us: (logging == LoggingMode::Lazy).then_some(GIVES_BACK_AFTER_US),
            interval_us,
            wake: options.wake,
            log: options.log,
            before_start: options.before_start,
            threads: Threads::get(),
        };
        Ok(Self::of(Recorder::new(Box::new(source), recorder_options), options.max_samples))
    }

    pub(crate) fn of(recorder: Rc<Recorder>, max_samples: u32) -> Self {
        Self { recorder, recordings: RefCell::default(), sessions: RefCell::default(), max_samples }
    }

    #[cfg(test)]
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Whether the V8 in this process can be profiled, and its version.
    ///
    /// # Errors
    /// [`Unsupported`] lists what is missing.
    pub fn support() -> Result<String, Unsupported> {
        Api::get().map(|api| api.version())
    }

    /// Starts a recording. A running recording with the same title is dropped.
    ///
    /// # Errors
    /// [`Error::EmptyTitle`], [`Error::WrongThread`], [`Error::Closed`], [`Error::Forked`], [`Error::StartRefused`],
    /// [`Error::StartFailed`], [`Error::Thread`], [`Error::Unsupported`].
    pub fn start_profiling(&self, title: &str) -> Result<(), Error> {
        self.start_profiling_with(title, RecordingOptions { max_samples: self.max_samples })
    }

    /// As [`Profiler::start_profiling`], with options of its own.
    ///
    /// # Errors
    /// Also [`Error::InvalidOption`].
    pub fn start_profiling_with(&self, title: &str, options: RecordingOptions) -> Result<(), Error> {
        if title.is_empty() {
            return Err(Error::EmptyTitle);
        }
        check_maximum(options.max_samples)?;
        let from_us = self.recorder.hold()?;
        let result = Arc::new(Mutex::new(None));
        let interval_us = self.recorder.stream.interval_us;
        let consumer = self.recorder.attach(Box::new(RecordingConsumer {
            window: Some(Window::new(from_us, interval_us, options.max_samples as usize)),
            end_us: None,
            result: result.clone(),
        }));
        let former = self.recordings.borrow_mut().insert(title.into(), Recording { consumer, result });
        if let Some(former) = former {
            self.recorder.detach(former.consumer);
            self.recorder.release(from_us, 0);
        }
        Ok(())
    }

    /// Stops a recording and returns its profile; `None` if no recording has the title.
    ///
    /// # Errors
    /// [`Error::EmptyTitle`], [`Error::WrongThread`], [`Error::Closed`]; [`Error::Unsupported`] if V8's recording is
    /// inconsistent.
    pub fn stop_profiling(&self, title: &str) -> Result<Option<Profile>, Error> {
        if title.is_empty() {
            return Err(Error::EmptyTitle);
        }
        if let Err(error) = self.recorder.check() {
            if let Error::Unsupported(_) = error {
                // The recording failed.
                self.recordings.borrow_mut().remove(title);
            }
            return Err(error);
        }
        let Some(recording) = self.recordings.borrow_mut().remove(title) else { return Ok(None) };
        let end_us = Monotonic::now();
        self.recorder.mark(recording.consumer, Mark::End(end_us));
        self.recorder.release(end_us, 0);
        self.recorder.cut_now();
        self.recorder.stream.drain();
        self.recorder.reclaim_all();
        if self.recorder.stream.broken().is_some() {
            // Other recordings are inconsistent too; this stops them.
            self.recorder.check()?;
        }
        let profile = recording.result.lock().take();
        Ok(profile)
    }

    /// Leaves the functions of a script, and those that they call, out of all stacks: their time counts for their
    /// caller. For the scripts of a profiler that is partly written in JavaScript. `file` is a plain path.
    pub fn hide_file(&self, file: String) {
        self.recorder.hide_file(file);
    }

    /// Whether a recording with this title runs.
    pub fn is_recording(&self, title: &str) -> bool {
        self.recordings.borrow().contains_key(title)
    }

    /// Whether it records anything.
    pub fn is_used(&self) -> bool {
        self.recorder.lives()
    }

    /// The number of running recordings.
    pub fn recordings(&self) -> usize {
        self.recordings.borrow().len()
    }

    /// How long the profiler has run on the isolate's thread since the last call, without making the profiler.
    pub fn isolate_time(&self) -> IsolateTime {
        self.recorder.busy.take()
    }

    /// Does what is due on the isolate's thread. Call it there when [`ProfilerOptions::wake`] asks for it. At any
    /// other time it does no harm; while nothing records it does nothing.
    ///
    /// # Errors
    /// [`Error::WrongThread`], [`Error::Closed`].
    pub fn poll(&self) -> Result<(), Error> {
        match self.recorder.check() {
            Err(Error::Unsupported(_)) | Ok(()) => {}
            Err(error) => return Err(error),
        }
        self.recorder.maintain();
        Ok(())
    }

    /// Makes a session, which records chunks; see [`Session`].
    ///
    /// # Errors
    /// [`Error::InvalidOption`], [`Error::Closed`].
    pub fn session(&self, options: SessionOptions) -> Result<Session, Error> {
        let session = Session::new(self.recorder.clone(), options)?;
        let mut sessions = self.sessions.borrow_mut();
        sessions.retain(|session| session.strong_count() > 0);
        sessions.push(session.delivery());
        Ok(session)
    }

    /// Records into a file until the journal is finished or dropped: see [`journal`](crate::journal). `head` is JSON
    /// that its reader gets back.
    ///
    /// # Errors
    /// [`Error::Journal`], and as [`Profiler::start_profiling`].
    pub fn journal(&self, file: &Path, head: &str) -> Result<Journal, Error> {
        Journal::start(&self.recorder, file, head)
    }

    /// Ends all sampling, because the process is about to end: V8's sampling thread must not outlive the platform
    /// that the host tears down. Recordings can still be stopped and sessions flushed, with the samples so far, but
    /// nothing can start any more ([`Error::Closed`]).
    ///
    /// # Errors
    /// [`Error::WrongThread`], [`Error::Closed`].
    pub fn suspend(&self) -> Result<(), Error> {
        self.recorder.check()?;
        self.recorder.suspend();
        Ok(())
    }

    /// Stops everything and frees V8's profiler. Open sessions deliver their samples, for which this waits at most
    /// [`DISPOSE_TIMEOUT`]. Later calls, also on sessions, return [`Error::Closed`]. Returns whether everything was
    /// delivered. The rest is dropped, and no sink is called any more.
    ///
    /// In a process that was forked after the profiler was made, V8's profiler is not freed, because its sampling
    /// thread does not exist there.
    pub fn dispose(&self) -> bool {
        if self.recorder.is_foreign() {
            self.recorder.dispose(|| {});
            return true;
        }
        self.recordings.borrow_mut().clear();
        let mut delivered = true;
        self.recorder.dispose(|| {
            let deadline = Instant::now() + DISPOSE_TIMEOUT;
            for session in self.sessions.borrow_mut().drain(..).filter_map(|session| session.upgrade()) {
                delivered &= session.close(deadline.saturating_duration_since(Instant::now()));
            }
        });
        delivered
    }
}

impl Drop for Profiler {
    fn drop(&mut self) {
        // Sessions may outlive the profiler; the isolate may not.
        self.dispose();
    }
}

fn check_maximum(max_samples: u32) -> Result<(), Error> {
    if max_samples < 2 {
        return Err(Error::InvalidOption {
            option: "maximum of samples",
            expected: "2 or more",
            got: max_samples.to_string(),
        });
    }
    Ok(())
}

/// The window of a named recording, from its start to its stop.
struct RecordingConsumer {
    window: Option<Window>,
    end_us: Option<Monotonic>,
    result: Arc<Mutex<Option<Profile>>>,
}

impl Consumer for RecordingConsumer {
    fn mark(&mut self, mark: Mark) {
        self.end_us.get_or_insert(mark.time_us());
    }

    fn input(&mut self, input: &Input<'_>) {
        let Some(window) = &mut self.window else { return };
        if input.slice.anew {
            window.pause();
        }
        let begin_us = window.start_us();
        let from_us = begin_us.max(input.from_us);
        let to_us = self.end_us.map_or(input.to_us, |end_us| end_us.min(input.to_us));
        let mut merge = Merge::new(input.slice);
        for &tick in input.slice.ticks.iter().filter(|tick| (from_us..to_us).contains(&tick.time_us)) {
            window.tick(tick, &mut merge, input.clock);
        }
        for reading in input.readings.iter().filter(|r| (begin_us..to_us).contains(&r.time_us)) {
            window.reading(reading, input.clock);
        }
        if let Some(end_us) = self.end_us.filter(|&end_us| end_us <= input.to_us) {
            *self.result.lock() = self.window.take().map(|window| window.finish(end_us, input.clock));
        }
    }

    fn is_done(&self) -> bool {
        self.window.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::slice::Slice;

    /// V8 adds a tick out of turn when it is stopped.
    #[test]
    fn the_last_tick_of_a_recording_has_a_whole_interval() {
        let at = Monotonic::from_us;
        let result = Arc::new(Mutex::new(None));
        let window = Some(Window::new(at(0), 10_000, usize::MAX));
        let mut consumer = RecordingConsumer { window, end_us: None, result: result.clone() };
        consumer.mark(Mark::End(at(30_000)));
        let slice = Slice::of([5_000, 15_000, 25_000, 30_100]);
        let clock = Clock::with_anchors(&[(0, 0)]);
        let (from_us, to_us) = (at(0), at(30_001));
        consumer.input(&Input { slice: &slice, from_us, to_us, last: true, readings: &[], clock: &clock });
        assert!(consumer.is_done());
        let profile: Profile = result.lock().take().unwrap();
        let times: Vec<_> = profile.samples().iter().map(|sample| sample.time.us()).collect();
        assert_eq!(times, [5_000, 15_000, 25_000, 35_000]);
    }
}
