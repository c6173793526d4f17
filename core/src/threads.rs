//! The two threads of the process: the ticker, while something records, and the encoder, from the first finished slice.
//! Both end with the last recorder. This rendezvous is the library's only global state.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::clock;
use crate::measurements::CpuUsage;
use crate::stream::Stream;

/// Between two readings of CPU and memory.
pub(crate) const TICK: Duration = Duration::from_millis(100);
/// An isolate that is asked for something has so long until it is asked again.
const PATIENCE: Duration = Duration::from_millis(25);
/// The ticker outlives the last recording a little, since short recordings come in bursts.
const TICKER_LINGERS: Duration = Duration::from_secs(5);
/// Neither thread recurses.
const STACK_BYTES: usize = 256 * 1024;

pub(crate) type Job = Box<dyn FnOnce() + Send>;

static TICKER: Ticker = Ticker {
    state: Mutex::new(TickerState { streams: vec![], thread: None, running: false, hurry: false, quit: false }),
    changed: Condvar::new(),
};
static ENCODER: Encoder = Encoder {
    state: Mutex::new(EncoderState { jobs: VecDeque::new(), thread: None, quit: false }),
    changed: Condvar::new(),
};
/// Recorders alive; locked across the start and the end of the threads.
static RECORDERS: Mutex<usize> = Mutex::new(0);

struct Ticker {
    state: Mutex<TickerState>,
    changed: Condvar,
}

struct TickerState {
    streams: Vec<Arc<Stream>>,
    thread: Option<JoinHandle<()>>,
    running: bool,
    /// A stream wants something before the next tick.
    hurry: bool,
    quit: bool,
}

struct Encoder {
    state: Mutex<EncoderState>,
    changed: Condvar,
}

struct EncoderState {
    jobs: VecDeque<Job>,
    thread: Option<JoinHandle<()>>,
    quit: bool,
}

/// A recorder was made: the threads may start from now on.
pub(crate) fn enter() {
    *RECORDERS.lock() += 1;
}

/// A recorder is gone; with the last one both threads end, which this waits for.
pub(crate) fn leave() {
    let mut recorders = RECORDERS.lock();
    *recorders -= 1;
    if *recorders > 0 {
        return;
    }
    let ticker = {
        let mut state = TICKER.state.lock();
        state.quit = true;
        state.thread.take()
    };
    TICKER.changed.notify_all();
    let encoder = {
        let mut state = ENCODER.state.lock();
        state.quit = true;
        state.thread.take()
    };
    ENCODER.changed.notify_all();
    for thread in [ticker, encoder].into_iter().flatten() {
        // Its jobs catch their panics, so there is nothing to hear.
        let _ = thread.join();
    }
    TICKER.state.lock().quit = false;
    ENCODER.state.lock().quit = false;
}

/// Ticks a stream each 100 ms until [`unregister`].
pub(crate) fn register(stream: &Arc<Stream>) -> std::io::Result<()> {
    let mut state = TICKER.state.lock();
    if !state.running {
        // A thread that lingered in vain before has returned by now, or is about to.
        state.thread = Some(spawn("sentry-ticker", tick)?);
        state.running = true;
    }
    state.streams.push(stream.clone());
    Ok(())
}

/// No tick begins after this; one may still be under way.
pub(crate) fn unregister(stream: &Arc<Stream>) {
    TICKER.state.lock().streams.retain(|other| !Arc::ptr_eq(other, stream));
}

/// Has the ticker look when a stream wants something next: sooner than it knew.
pub(crate) fn hurry() {
    TICKER.state.lock().hurry = true;
    TICKER.changed.notify_all();
}

/// Runs a job on the encoder thread, after those before it.
pub(crate) fn submit(job: Job) {
    let mut state = ENCODER.state.lock();
    if state.thread.is_none() {
        match spawn("sentry-encoder", encode) {
            Ok(thread) => state.thread = Some(thread),
            Err(_) => {
                // Without a thread the work is done here: late is better than never.
                drop(state);
                job();
                return;
            }
        }
    }
    state.jobs.push_back(job);
    ENCODER.changed.notify_all();
}

fn spawn(name: &str, run: fn()) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(move || {
        block_signals();
        run();
    })
}

/// What the processor reports of the code that runs. Where it is blocked the kernel ends the process without asking the
/// handler of the host, whose callbacks run on our threads.
#[cfg(unix)]
const FAULTS: [libc::c_int; 6] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS];

/// Signals are the host's: none is delivered to our threads but faults.
fn block_signals() {
    #[cfg(unix)]
    // SAFETY: both sets are ours; the mask is this thread's own.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&mut all);
        for fault in FAULTS {
            libc::sigdelset(&mut all, fault);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &all, std::ptr::null_mut());
    }
}

/// On a grid of ticks; one that came late moves the next at most half of a tick closer.
fn next_tick(last: Instant, now: Instant) -> Instant {
    (last + TICK).max(now + TICK / 2)
}

/// When the ticker has to look after a stream again that is due at `due_us`.
fn next_nudge(now: Instant, now_us: i64, due_us: i64) -> Option<Instant> {
    now.checked_add(until(now_us, due_us).max(PATIENCE))
}

fn until(now_us: i64, at_us: i64) -> Duration {
    u64::try_from(at_us.saturating_sub(now_us)).map_or(Duration::ZERO, Duration::from_micros)
}

fn tick() {
    let mut cpu = CpuUsage::new();
    let mut last_needed = Instant::now();
    let mut reading = last_needed + TICK;
    let mut next = reading;
    loop {
        let streams = {
            let mut state = TICKER.state.lock();
            while !state.quit && !state.hurry && Instant::now() < next {
                TICKER.changed.wait_until(&mut state, next);
            }
            state.hurry = false;
            if !state.streams.is_empty() {
                last_needed = Instant::now();
            }
            // It ticks on meanwhile, so that a start need not make it.
            if state.quit || last_needed.elapsed() >= TICKER_LINGERS {
                state.running = false;
                return;
            }
            state.streams.clone()
        };
        let now = Instant::now();
        let now_us = clock::monotonic_us();
        // A host's callback may panic; the other streams go on.
        let each = |act: &dyn Fn(&Arc<Stream>)| {
            streams.iter().for_each(|stream| drop(catch_unwind(AssertUnwindSafe(|| act(stream)))));
        };
        if now >= reading {
            let usage = cpu.read();
            each(&|stream| stream.tick(now_us, usage));
            reading = next_tick(reading, now);
        } else {
            each(&|stream| stream.nudge(now_us));
        }
        let nudges = streams.iter().filter_map(|stream| next_nudge(now, now_us, stream.nudge_due_us()));
        let first_ticks =
            streams.iter().filter_map(|stream| now.checked_add(until(now_us, stream.first_tick_due_us()?)));
        next = nudges.chain(first_ticks).fold(reading, Instant::min);
    }
}

fn encode() {
    loop {
        let job = {
            let mut state = ENCODER.state.lock();
            loop {
                match state.jobs.pop_front() {
                    Some(job) => break job,
                    None if state.quit => return,
                    None => ENCODER.changed.wait(&mut state),
                }
            }
        };
        // A host's callback may panic; the next job goes on.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn faults_reach_the_handlers_of_the_host() {
        let blocked = std::thread::spawn(|| {
            block_signals();
            // SAFETY: the set is ours, and only read from the thread's mask.
            unsafe {
                let mut mask = std::mem::zeroed();
                libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut mask);
                [libc::SIGSEGV, libc::SIGBUS, libc::SIGTERM, libc::SIGPROF].map(|s| libc::sigismember(&mask, s))
            }
        });
        assert_eq!(blocked.join().unwrap(), [0, 0, 1, 1]);
    }

    #[test]
    fn ticks_keep_their_distance_and_their_rhythm() {
        let begin = Instant::now();
        let ms = Duration::from_millis;
        assert_eq!(next_tick(begin, begin + ms(2)), begin + ms(100));
        assert_eq!(next_tick(begin, begin + ms(40)), begin + ms(100), "the rhythm is kept");
        assert_eq!(next_tick(begin, begin + ms(90)), begin + ms(140), "two readings are not of one moment");
        assert_eq!(next_tick(begin, begin + ms(900)), begin + ms(950), "what was missed is not made up for");
    }

    #[test]
    fn a_stream_is_looked_after_when_it_is_due_and_not_all_the_time() {
        let now = Instant::now();
        assert_eq!(next_nudge(now, 1_000_000, 1_040_000), Some(now + Duration::from_millis(40)));
        assert_eq!(next_nudge(now, 1_000_000, 900_000), Some(now + PATIENCE), "it was just asked");
        assert!(next_nudge(now, 1_000_000, i64::MAX).is_none_or(|at| at > now + TICK));
    }
}
