//! Tests of the profiler with failures of the system, of V8 and of the host, on a fake V8.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::lifetime::Threads;
use crate::recorder::{Recorder, RecorderOptions, Recorders};
use crate::stream::MAX_MARKS;
use crate::supply::testing::{self, Refusal};
use crate::v8::fake::{self, FakeIsolate};
use crate::v8::{LoggingMode, V8};
use crate::{Chunk, Error, Lifecycle, LogLevel, Outcome, Profiler, Session, SessionOptions, Waker};

const INTERVAL_US: u32 = 1_000;
const PATIENT: Duration = Duration::from_secs(10);

type OnLog = Option<Box<dyn Fn() + Send>>;
type Log = Arc<Mutex<Vec<(LogLevel, String)>>>;

struct Fixture {
    // Dropped before the isolate, as in every host.
    profiler: Profiler,
    isolate: Box<FakeIsolate>,
    threads: &'static Threads,
    refusal: Refusal,
    log: Log,
    /// What the log does besides storing messages.
    on_log: Arc<Mutex<OnLog>>,
}

impl Fixture {
    fn new() -> Self {
        Self::with_wake(None)
    }

    fn with_wake(wake: Option<Waker>) -> Self {
        let isolate = FakeIsolate::enter();
        let (supply, refusal) = testing::supply();
        let threads = Threads::new(supply);
        let log = Log::default();
        let messages = log.clone();
        let on_log = Arc::new(Mutex::new(OnLog::None));
        let also = on_log.clone();
        let options = RecorderOptions {
            gives_back_after_us: None,
            interval_us: INTERVAL_US,
            wake,
            log: Some(Arc::new(move |level, text| {
                messages.lock().push((level, text.to_owned()));
                if let Some(also) = &*also.lock() {
                    also();
                }
            })),
            before_start: None,
            threads,
        };
        let (api, logging) = (fake::api(), LoggingMode::Eager);
        // SAFETY: the isolate is entered here, and outlives the profiler.
        let source = unsafe { V8::new::<Recorders>(api, isolate.address(), logging, INTERVAL_US, false) }.unwrap();
        let recorder = Recorder::new(Box::new(source), options);
        Self { profiler: Profiler::of(recorder, 1_000_000), isolate, threads, refusal, log, on_log }
    }

    fn session(&self, lifecycle: Lifecycle, sink: impl Fn(Chunk) + Send + Sync + 'static) -> Session {
        let mut options = SessionOptions::new(Arc::new(sink));
        options.lifecycle = lifecycle;
        options.sample_rate = 1.0;
        options.chunk_duration = Duration::from_millis(100);
        self.profiler.session(options).unwrap()
    }

    fn warnings(&self) -> Vec<String> {
        let log = self.log.lock();
        log.iter().filter(|(level, _)| *level == LogLevel::Warning).map(|(_, text)| text.clone()).collect()
    }

    /// Expires the proof that a thread for V8 can be had, which holds for a while after V8 had one.
    fn forget_v8s_thread(&self) {
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn v8_is_not_started_while_no_thread_can_be_had() {
    let fixture = Fixture::new();
    fixture.refusal.set(true);
    assert!(matches!(fixture.profiler.start_profiling("a"), Err(Error::Thread(_))));
    assert_eq!(fixture.profiler.recordings(), 0);
    fixture.refusal.set(false);
    fixture.profiler.start_profiling("a").unwrap();
    fixture.isolate.run_for_ms(20);
    assert!(fixture.profiler.stop_profiling("a").unwrap().unwrap().active_samples() > 5);
    // Now the ticker has its thread, but there is none for V8.
    let starts = fixture.isolate.starts.load(SeqCst);
    fixture.refusal.set(true);
    fixture.forget_v8s_thread();
    assert!(matches!(fixture.profiler.start_profiling("a"), Err(Error::Thread(_))));
    assert_eq!(fixture.isolate.starts.load(SeqCst), starts);
    fixture.refusal.set(false);
    fixture.profiler.start_profiling("a").unwrap();
}

#[test]
fn a_start_just_after_another_costs_no_thread() {
    let fixture = Fixture::new();
    fixture.profiler.start_profiling("a").unwrap();
    fixture.profiler.stop_profiling("a").unwrap();
    fixture.refusal.asked();
    fixture.profiler.start_profiling("a").unwrap();
    assert_eq!(fixture.refusal.asked(), 0);
}

#[test]
fn v8_may_have_another_clock() {
    for ahead_us in [3_600_000_000, -3_600_000_000] {
        let fixture = Fixture::new();
        fixture.isolate.ahead_us.store(ahead_us, SeqCst);
        fixture.profiler.start_profiling("a").unwrap();
        fixture.isolate.run_for_ms(50);
        let profile = fixture.profiler.stop_profiling("a").unwrap().unwrap();
        assert!(profile.active_samples() > 5, "{} samples, {ahead_us} µs ahead", profile.active_samples());
    }
}

/// For the first tick V8's thread is restarted while it records.
#[test]
fn a_recording_continues_when_no_other_thread_can_be_had() {
    let fixture = Fixture::new();
    fixture.profiler.start_profiling("a").unwrap();
    fixture.refusal.set(true);
    let starts = fixture.isolate.starts.load(SeqCst);
    fixture.refusal.asked();
    let cut = |starts_now: usize| starts_now > starts;
    assert!(fixture.isolate.run_until(|| cut(fixture.isolate.starts.load(SeqCst))), "the next slice");
    assert!(fixture.isolate.running.load(SeqCst) >= 1);
    fixture.isolate.run_for_ms(200);
    let profile = fixture.profiler.stop_profiling("a").unwrap().unwrap();
    assert!(profile.active_samples() > 200, "{}", profile.active_samples());
}

/// V8's own ticks follow from when its thread was started, which the program would have chosen.
#[test]
fn a_flush_before_the_first_tick_keeps_the_rhythm_that_was_chosen() {
    let fixture = Fixture::new();
    let session = fixture.session(Lifecycle::Manual, |_| ());
    assert_eq!(session.start().unwrap(), Outcome::Started);
    let phase_us = || fixture.profiler.recorder().tick_us().unwrap().us().rem_euclid(INTERVAL_US.into());
    let chosen_us = phase_us();
    for _ in 0..3 {
        // No JavaScript runs, but V8 still ticks.
        std::thread::sleep(Duration::from_millis(5));
        assert!(session.flush(PATIENT).unwrap());
        assert_eq!(phase_us(), chosen_us);
    }
}

#[test]
fn spans_work_without_a_thread_and_are_recorded_once_one_can_be_had() {
    let fixture = Fixture::new();
    let (tell, hear) = mpsc::channel();
    let session = fixture.session(Lifecycle::Trace, move |chunk| {
        let _ = tell.send(chunk.sample_count);
    });
    fixture.refusal.set(true);
    fixture.refusal.asked();
    for _ in 0..10_000 {
        session.span_started().unwrap();
        assert!(!session.is_recording());
        session.span_ended().unwrap();
    }
    let asked = fixture.refusal.asked();
    assert!((1..=3).contains(&asked), "{asked} spans tried to get a thread");
    assert_eq!(fixture.warnings().len(), 1, "{:?}", fixture.warnings());
    assert_eq!(fixture.isolate.starts.load(SeqCst), 0);

    // During a span that does not end, the profiler tries again a second after the first try.
    fixture.refusal.set(false);
    session.span_started().unwrap();
    assert!(fixture.isolate.run_until(|| session.span_started().is_ok() && session.is_recording()));
    fixture.isolate.run_for_ms(50);
    assert!(session.flush(PATIENT).unwrap());
    assert!(hear.try_recv().unwrap() > 10);
    assert_eq!(fixture.warnings().len(), 1);
    assert_eq!(session.stats().dropped_too_short, 0, "waiting for a thread makes no chunk");
}

#[test]
fn the_ticker_starts_for_a_waiting_session_when_only_v8s_thread_was_missing() {
    let fixture = Fixture::new();
    let session = fixture.session(Lifecycle::Manual, |_| ());
    // The ticker runs and lingers.
    fixture.profiler.start_profiling("a").unwrap();
    fixture.profiler.stop_profiling("a").unwrap();
    fixture.refusal.set(true);
    fixture.forget_v8s_thread();
    assert_eq!(session.start().unwrap(), Outcome::NoThread);
    assert_eq!(session.start().unwrap(), Outcome::NoThread);
    assert!(!session.is_recording());
    fixture.refusal.set(false);
    let starts = || fixture.isolate.starts.load(SeqCst);
    let before = starts();
    assert!(fixture.isolate.run_until(|| starts() > before), "nobody tried again");
    assert!(session.is_recording());
    assert_eq!(session.start().unwrap(), Outcome::AlreadyRunning);
    assert_eq!(session.stop().unwrap(), Outcome::Stopped);
}

#[test]
fn a_session_that_is_stopped_while_it_waits_stays_so() {
    let fixture = Fixture::new();
    let session = fixture.session(Lifecycle::Manual, |_| ());
    fixture.refusal.set(true);
    assert_eq!(session.start().unwrap(), Outcome::NoThread);
    assert_eq!(session.stop().unwrap(), Outcome::Stopped);
    assert_eq!(session.stop().unwrap(), Outcome::NotRunning);
    fixture.refusal.set(false);
    fixture.profiler.poll().unwrap();
    fixture.isolate.run_for_ms(1_200);
    assert_eq!(fixture.isolate.starts.load(SeqCst), 0);
    assert_eq!(session.start().unwrap(), Outcome::Started);
}

#[test]
fn without_an_encoder_nothing_is_delivered_and_nothing_is_lost_for_good() {
    let fixture = Fixture::new();
    let isolate_thread = std::thread::current().id();
    let (tell, hear) = mpsc::channel();
    let session = fixture.session(Lifecycle::Manual, move |chunk| {
        assert_ne!(std::thread::current().id(), isolate_thread);
        tell.send(chunk.sample_count).unwrap();
    });
    assert_eq!(session.start().unwrap(), Outcome::Started);
    // The ticker has its thread, the encoder gets none.
    fixture.refusal.set(true);
    fixture.isolate.run_for_ms(1_000);
    let begin = Instant::now();
    assert!(!session.flush(Duration::from_millis(150)).unwrap(), "the flush reports that nothing was delivered");
    assert!(begin.elapsed() < PATIENT);
    assert!(hear.try_recv().is_err());
    // A named recording needs no encoder.
    fixture.profiler.start_profiling("a").unwrap();
    fixture.isolate.run_for_ms(20);
    assert!(fixture.profiler.stop_profiling("a").unwrap().unwrap().active_samples() > 5);
    // The next tick starts the encoder; the isolate need not wait for it.
    fixture.refusal.set(false);
    let first = hear.recv_timeout(PATIENT).unwrap();
    assert!(session.flush(PATIENT).unwrap());
    let samples: usize = first + hear.try_iter().sum::<usize>();
    assert!(samples > 500, "{samples}");
}

#[test]
fn an_inconsistent_v8_is_not_used_any_more() {
    let fixture = Fixture::new();
    let session = fixture.session(Lifecycle::Manual, |_| ());
    fixture.isolate.senseless.store(true, SeqCst);
    fixture.profiler.start_profiling("a").unwrap();
    session.start().unwrap();
    let running = || fixture.isolate.running.load(SeqCst);
    assert!(fixture.isolate.run_until(|| running() == 0), "V8 samples on");
    let starts = fixture.isolate.starts.load(SeqCst);
    assert!(matches!(fixture.profiler.stop_profiling("a"), Err(Error::Unsupported(_))));
    assert!(matches!(fixture.profiler.start_profiling("b"), Err(Error::Unsupported(_))));
    assert!(matches!(session.stop(), Err(Error::Unsupported(_))));
    fixture.profiler.poll().unwrap();
    fixture.isolate.run_for_ms(300);
    drop(session);
    assert_eq!((running(), fixture.isolate.starts.load(SeqCst)), (0, starts));
    assert_eq!(fixture.profiler.recordings(), 0);
    assert_eq!(fixture.warnings().len(), 1, "{:?}", fixture.warnings());
}

/// The stop itself detects the inconsistency.
#[test]
fn an_inconsistent_recording_that_is_stopped_at_once_stops_the_others() {
    let fixture = Fixture::new();
    fixture.isolate.senseless.store(true, SeqCst);
    fixture.profiler.start_profiling("a").unwrap();
    fixture.profiler.start_profiling("b").unwrap();
    assert!(matches!(fixture.profiler.stop_profiling("a"), Err(Error::Unsupported(_))));
    assert_eq!(fixture.isolate.running.load(SeqCst), 0);
}

#[test]
fn a_v8_that_never_samples_is_reported_once() {
    let fixture = Fixture::new();
    fixture.isolate.silent.store(true, SeqCst);
    fixture.profiler.start_profiling("a").unwrap();
    assert!(fixture.isolate.run_until(|| !fixture.warnings().is_empty()));
    fixture.isolate.run_for_ms(1_500);
    let warnings = fixture.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("thread-local"), "{warnings:?}");
}

#[test]
fn an_idle_isolate_is_woken_at_most_every_100_ms() {
    let (tell, hear) = mpsc::channel();
    let fixture = Fixture::with_wake(Some(Arc::new(move || {
        let _ = tell.send(Instant::now());
    })));
    fixture.profiler.start_profiling("a").unwrap();
    let end = Instant::now() + Duration::from_secs(3);
    let mut woken = vec![];
    while Instant::now() < end {
        if let Ok(at) = hear.recv_timeout(Duration::from_millis(20)) {
            woken.push(at);
            fixture.profiler.poll().unwrap();
        }
    }
    assert!(woken.len() >= 2);
    assert!(woken.is_sorted_by(|one, two| *two - *one >= Duration::from_millis(100)), "{woken:?}");
}

#[test]
fn disposing_waits_no_longer_than_it_should_and_then_nothing_is_delivered() {
    let fixture = Fixture::new();
    let delivered = Arc::new(Mutex::new(0));
    let count = delivered.clone();
    let session = fixture.session(Lifecycle::Manual, move |_| {
        *count.lock() += 1;
        std::thread::sleep(Duration::from_secs(2));
    });
    session.start().unwrap();
    fixture.isolate.run_for_ms(1_500);
    let begin = Instant::now();
    assert!(!fixture.profiler.dispose(), "ten chunks, two seconds each");
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(12), "{took:?}");
    let stats = session.stats();
    assert_eq!(stats.delivered_chunks, *delivered.lock());
    assert!(stats.dropped_overflow >= 5, "{stats:?}");
    drop(session);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(stats.delivered_chunks, *delivered.lock());
}

#[test]
fn spans_queue_in_bounded_memory_while_the_sink_blocks() {
    let fixture = Fixture::new();
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let (first, second) = (
        fixture.session(Lifecycle::Trace, move |_| {
            let _ = wait.lock().recv();
        }),
        fixture.session(Lifecycle::Trace, |_| ()),
    );
    first.span_started().unwrap();
    fixture.isolate.run_for_ms(20);
    assert!(!first.flush(Duration::from_millis(50)).unwrap(), "the sink blocks");
    let longest = (0..200_000).map(|_| {
        for session in [&first, &second] {
            session.span_ended().unwrap();
            session.span_started().unwrap();
        }
        fixture.profiler.recorder().stream.queued()
    });
    let longest = longest.max().unwrap();
    assert!(longest <= 2 * (MAX_MARKS + 4), "{longest} wait");
    drop(release);
    assert!(first.flush(PATIENT).unwrap() && second.flush(PATIENT).unwrap());
}

/// A log callback may wait for a lock of the host whose owner waits for a lock of ours.
#[test]
fn the_log_is_called_while_no_lock_is_held() {
    let fixture = Fixture::new();
    let (release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let session = fixture.session(Lifecycle::Manual, move |_| {
        let _ = wait.lock().recv();
    });
    session.start().unwrap();
    fixture.isolate.run_for_ms(20);
    assert!(!session.flush(Duration::from_millis(50)).unwrap(), "the sink blocks");
    let stream = fixture.profiler.recorder().stream.clone();
    *fixture.on_log.lock() = Some(Box::new(move || stream.assert_unlocked()));
    for _ in 0..40 {
        assert!(!session.flush(Duration::ZERO).unwrap());
    }
    assert!(fixture.warnings().iter().any(|warning| warning.contains("dropped")), "{:?}", fixture.warnings());
    fixture.isolate.senseless.store(true, SeqCst);
    drop(release);
    assert!(fixture.isolate.run_until(|| fixture.warnings().iter().any(|warning| warning.contains("unsupported"))));
    let wrong: Vec<_> = fixture.warnings().into_iter().filter(|warning| warning.contains("bug")).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    drop(session);
    *fixture.on_log.lock() = None;
}

#[test]
fn panics_of_the_hosts_callbacks_go_to_the_log_and_threads_keep_running() {
    let fixture = Fixture::with_wake(Some(Arc::new(|| panic!("woken in vain"))));
    let session = fixture.session(Lifecycle::Manual, |_| panic!("no place for chunks"));
    session.start().unwrap();
    fixture.isolate.run_for_ms(250);
    assert!(session.flush(PATIENT).unwrap());
    // Idle, so that the waker is called.
    let heard = |text: &str| fixture.warnings().iter().any(|warning| warning.contains(text));
    let end = Instant::now() + PATIENT;
    while !heard("woken in vain") && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(heard("woken in vain") && heard("no place for chunks"), "{:?}", fixture.warnings());
    fixture.isolate.run_for_ms(250);
    assert!(session.flush(PATIENT).unwrap(), "both threads still run");
}

thread_local! {
    /// Destroyed after the profiler's own thread-local data, which is made later.
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

/// A program's thread-local data, in the order of destruction.
struct Held {
    session: Option<Session>,
    fixture: Fixture,
    tell: mpsc::Sender<(bool, usize, usize)>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let delivered = self.session.take().is_none_or(|session| session.close(PATIENT));
        let delivered = self.fixture.profiler.dispose() && delivered;
        let isolate = &self.fixture.isolate;
        let _ = self.tell.send((delivered, isolate.running.load(SeqCst), isolate.profilers.load(SeqCst)));
    }
}

#[test]
fn a_profiler_may_be_destroyed_at_its_threads_end() {
    for with_session in [true, false] {
        let (tell, hear) = mpsc::channel();
        let (chunk, chunks) = mpsc::channel();
        std::thread::spawn(move || {
            HELD.with_borrow(|held| assert!(held.is_none()));
            let fixture = Fixture::new();
            let session = fixture.session(Lifecycle::Manual, move |sent| {
                let _ = chunk.send(sent.sample_count);
            });
            session.start().unwrap();
            fixture.isolate.run_for_ms(50);
            // As V8's scopes do, which end before the thread.
            fixture.isolate.leave();
            let session = with_session.then_some(session);
            HELD.set(Some(Held { session, fixture, tell }));
        })
        .join()
        .unwrap();
        let (delivered, recordings, profilers) = hear.recv_timeout(PATIENT.mul_f64(3.0)).unwrap();
        assert_eq!((recordings, profilers), (0, 0));
        // On Windows no thread can begin there, the encoder's neither.
        assert!(delivered || cfg!(windows));
        if with_session && delivered {
            assert!(chunks.recv_timeout(PATIENT).unwrap() > 10);
        }
    }
}

#[test]
#[cfg(unix)]
fn calls_in_a_child_return_at_once_and_it_has_its_own_threads() {
    let fixture = Fixture::new();
    let session = fixture.session(Lifecycle::Manual, |_| ());
    session.start().unwrap();
    fixture.isolate.run_for_ms(30);
    // The child must not wait for a lock that the parent's ticker held at the fork.
    let _ticker = fixture.threads.ticker.hold();
    // SAFETY: the child runs only the profiler's code and the allocator, then exits without running anything else.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // Kills a child that hangs.
        // SAFETY: as above.
        unsafe { libc::alarm(10) };
        let starts = fixture.isolate.starts.load(SeqCst);
        let mut right = matches!(session.start(), Err(Error::Forked));
        right &= matches!(session.stop(), Err(Error::Forked));
        right &= matches!(session.flush(PATIENT), Err(Error::Forked));
        right &= matches!(session.span_started(), Err(Error::Forked));
        right &= matches!(fixture.profiler.start_profiling("a"), Err(Error::Forked));
        right &= matches!(fixture.profiler.stop_profiling("a"), Err(Error::Forked));
        right &= matches!(fixture.profiler.poll(), Err(Error::Forked));
        right &= session.close(PATIENT) && fixture.profiler.dispose();
        right &= fixture.isolate.running.load(SeqCst) == 1 && fixture.isolate.starts.load(SeqCst) == starts;
        let own = Fixture::new();
        right &= own.profiler.start_profiling("a").is_ok();
        own.isolate.run_for_ms(20);
        right &= own.profiler.stop_profiling("a").is_ok_and(|profile| profile.is_some());
        right &= own.profiler.dispose();
        // SAFETY: as above.
        unsafe { libc::_exit(i32::from(!right)) };
    }
    drop(_ticker);
    let mut status = -1;
    // SAFETY: the child is ours.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child hung or a check failed in it");
    assert_eq!(session.stop().unwrap(), Outcome::Stopped);
}
