//! The ticker thread, which runs while something records: it reads CPU and memory, and asks isolates for what is due.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::encoder::Encoder;
use crate::measurements::CpuUsage;
use crate::panics::contain;
use crate::platform::{OnTime, wait_for};
use crate::supply::{Supply, lock};
use crate::time::Monotonic;

/// The time between two readings of CPU and memory.
pub(crate) const TICK: Duration = Duration::from_millis(100);
/// The same while all streams sleep.
const REST: Duration = Duration::from_secs(1);
/// How long it outlives the last recording, because short recordings come in bursts.
const LINGERS: Duration = Duration::from_secs(1);
/// The minimum time between two looks at a stream.
const LOOK: Duration = Duration::from_millis(5);
/// How long before a first tick it checks that a thread can be had.
const PROVES_BEFORE_US: i64 = 1_000;

/// A stream that the ticker ticks while it records.
pub(crate) trait Ticked: Send + Sync {
    /// A unique id.
    fn id(&self) -> u64;
    /// Called every 100 ms, or every second while all streams rest, with the share of the cores that this process used
    /// since.
    fn tick(self: Arc<Self>, now_us: Monotonic, cpu_usage: Option<f64>);
    /// Called between two ticks when something may be due.
    fn nudge(self: Arc<Self>, now_us: Monotonic);
    /// Whether it needs no ticks. When it does again, it calls [`Ticker::hurry`].
    fn rests(&self) -> bool;
    /// When to come back between two ticks; `None` if nothing is due.
    fn next_look_us(&self) -> Option<Monotonic>;
    /// When to interrupt the isolate for the first tick of its samples; `None` if it was interrupted.
    fn first_tick_due_us(&self) -> Option<Monotonic>;
    /// Called when one of the above panicked.
    fn panicked(&self, panic: &str);
}

pub(crate) struct Ticker {
    supply: &'static Supply,
    encoder: &'static Encoder,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    streams: Vec<Arc<dyn Ticked>>,
    thread: Option<JoinHandle<()>>,
    running: bool,
    /// Whether a stream needs something before the next tick.
    hurry: bool,
    quit: bool,
}

impl State {
    fn add(&mut self, stream: Arc<dyn Ticked>) {
        if !self.streams.iter().any(|other| other.id() == stream.id()) {
            self.streams.push(stream);
        }
    }
}

impl Ticker {
    pub(crate) fn new(supply: &'static Supply, encoder: &'static Encoder) -> Self {
        Self { supply, encoder, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Ticks a stream every 100 ms until [`Ticker::unregister`].
    pub(crate) fn register(&'static self, stream: Arc<dyn Ticked>) -> std::io::Result<()> {
        let mut state = lock(&self.state);
        if !state.running {
            // An earlier thread that lingered has returned by now, or is about to.
            state.thread = Some(self.supply.spawn("sentry-ticker", || self.run())?);
            state.running = true;
        }
        state.add(stream);
        Ok(())
    }

    /// Like [`Ticker::register`], but only if the thread is running.
    pub(crate) fn register_if_running(&self, stream: Arc<dyn Ticked>) {
        let mut state = lock(&self.state);
        if state.running {
            state.add(stream);
        }
    }

    /// No tick begins after this, but one may still be running.
    pub(crate) fn unregister(&self, id: u64) {
        lock(&self.state).streams.retain(|stream| stream.id() != id);
    }

    /// Makes the ticker look again when a stream needs something next, because that is sooner than it knew.
    pub(crate) fn hurry(&self) {
        lock(&self.state).hurry = true;
        self.changed.notify_all();
    }

    /// Ends the thread and waits for it.
    pub(crate) fn end(&self) {
        let thread = {
            let mut state = lock(&self.state);
            state.quit = true;
            state.thread.take()
        };
        self.changed.notify_all();
        if let Some(thread) = thread {
            wait_for(thread);
        }
        lock(&self.state).quit = false;
    }

    #[cfg(test)]
    pub(crate) fn is_running(&self) -> bool {
        lock(&self.state).running
    }

    #[cfg(test)]
    pub(crate) fn looks_after(&self, id: u64) -> bool {
        lock(&self.state).streams.iter().any(|stream| stream.id() == id)
    }

    /// Whether [`Ticker::hurry`] was called and no thread has heard of it.
    #[cfg(test)]
    pub(crate) fn is_hurried(&self) -> bool {
        lock(&self.state).hurry
    }

    /// Holds the lock, as the thread does for moments.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> impl Drop + '_ {
        struct Held<'a>(#[allow(dead_code)] std::sync::MutexGuard<'a, State>);
        impl Drop for Held<'_> {
            fn drop(&mut self) {}
        }
        Held(lock(&self.state))
    }

    fn run(&'static self) {
        OnTime::forever();
        let mut cpu = CpuUsage::new();
        let mut last_needed = Instant::now();
        // On the grid of ticks. While all streams rest it is put off.
        let mut reading = last_needed + TICK;
        let mut next = reading;
        loop {
            let streams = {
                let mut state = lock(&self.state);
                loop {
                    let left = next.saturating_duration_since(Instant::now());
                    if state.quit || state.hurry || left.is_zero() {
                        break;
                    }
                    state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                }
                state.hurry = false;
                if !state.streams.is_empty() {
                    last_needed = Instant::now();
                }
                // Keep ticking meanwhile, so that a start need not create the thread.
                if state.quit || last_needed.elapsed() >= LINGERS {
                    state.running = false;
                    return;
                }
                state.streams.clone()
            };
            // V8's thread is restarted for a first tick, exactly when that is due. Check just before that a thread
            // can be had.
            let now_us = Monotonic::now();
            let is_near = |at_us: Monotonic| at_us - now_us <= PROVES_BEFORE_US;
            if streams.iter().filter_map(|stream| stream.first_tick_due_us()).any(is_near)
                && !self.supply.is_just_proven(now_us)
            {
                let _ = self.supply.prove();
            }
            let now = Instant::now();
            let now_us = Monotonic::now();
            // A host's callback may panic; other streams must still tick.
            let each = |act: &dyn Fn(&Arc<dyn Ticked>)| {
                for stream in &streams {
                    if let Err(panic) = contain(|| act(stream)) {
                        stream.panicked(&panic);
                    }
                }
            };
            if now >= reading + put_off(&streams) {
                self.encoder.ensure();
                // Saves the next start this check.
                if streams.is_empty() {
                    let _ = self.supply.prove();
                }
                let usage = cpu.read();
                each(&|stream| stream.clone().tick(now_us, usage));
                reading = next_tick(reading, now);
            } else {
                each(&|stream| stream.clone().nudge(now_us));
            }
            let looks = streams.iter().filter_map(|stream| next_look(now, now_us, stream.next_look_us()?));
            let first_ticks =
                streams.iter().filter_map(|stream| next_for_first_tick(now, now_us, stream.first_tick_due_us()?));
            next = looks.chain(first_ticks).fold(reading + put_off(&streams), Instant::min);
        }
    }
}

/// How much later than on the grid the next tick comes.
fn put_off(streams: &[Arc<dyn Ticked>]) -> Duration {
    let all_rest = !streams.is_empty() && streams.iter().all(|stream| stream.rests());
    if all_rest { REST - TICK } else { Duration::ZERO }
}

/// The next tick on a grid. A late tick makes the next one come at most half a tick early.
fn next_tick(last: Instant, now: Instant) -> Instant {
    (last + TICK).max(now + TICK / 2)
}

/// When to look again at a stream that asked for `at_us`.
fn next_look(now: Instant, now_us: Monotonic, at_us: Monotonic) -> Option<Instant> {
    now.checked_add(until(now_us, at_us).max(LOOK))
}

/// When to come back for a first tick that is due at `at_us`: once to prove that a thread can be had, then to request
/// the interrupt.
fn next_for_first_tick(now: Instant, now_us: Monotonic, at_us: Monotonic) -> Option<Instant> {
    let proof_us = at_us - PROVES_BEFORE_US;
    now.checked_add(until(now_us, if now_us < proof_us { proof_us } else { at_us }))
}

fn until(now_us: Monotonic, at_us: Monotonic) -> Duration {
    u64::try_from(at_us - now_us).map_or(Duration::ZERO, Duration::from_micros)
}

/// A stream for tests, whose ticks block until the test continues.
#[cfg(test)]
pub(crate) mod testing {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    pub(crate) struct Probe {
        id: u64,
        tell: Sender<()>,
        wait: Mutex<Receiver<()>>,
        panics: Mutex<Vec<String>>,
        rests: AtomicBool,
    }

    /// The test's ends of two channels: a tick has begun, and it may continue.
    pub(crate) struct Ends {
        pub(crate) begun: Receiver<()>,
        pub(crate) go_on: Sender<()>,
    }

    pub(crate) fn probe(id: u64) -> (Arc<Probe>, Ends) {
        let ((tell, begun), (go_on, wait)) = (channel(), channel());
        (
            Arc::new(Probe {
                id,
                tell,
                wait: Mutex::new(wait),
                panics: Mutex::default(),
                rests: AtomicBool::default(),
            }),
            Ends { begun, go_on },
        )
    }

    impl Probe {
        pub(crate) fn set_resting(&self, rests: bool) {
            self.rests.store(rests, Ordering::Relaxed);
        }

        pub(crate) fn panics(&self) -> usize {
            lock(&self.panics).len()
        }
    }

    impl Ticked for Probe {
        fn id(&self) -> u64 {
            self.id
        }

        fn tick(self: Arc<Self>, _now_us: Monotonic, _cpu_usage: Option<f64>) {
            // The receiver is gone once the test is over.
            let _ = self.tell.send(());
            lock(&self.wait).recv().expect("the test is over");
        }

        fn nudge(self: Arc<Self>, _now_us: Monotonic) {}

        fn rests(&self) -> bool {
            self.rests.load(Ordering::Relaxed)
        }

        fn next_look_us(&self) -> Option<Monotonic> {
            None
        }

        fn first_tick_due_us(&self) -> Option<Monotonic> {
            None
        }

        fn panicked(&self, panic: &str) {
            lock(&self.panics).push(panic.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::probe;
    use super::*;
    use crate::supply::testing::supply;

    const PATIENT: Duration = Duration::from_secs(10);

    fn ticker() -> &'static Ticker {
        let supply: &Supply = Box::leak(Box::new(supply().0));
        Box::leak(Box::new(Ticker::new(supply, Box::leak(Box::new(Encoder::new(supply))))))
    }

    fn at(us: i64) -> Monotonic {
        Monotonic::from_us(us)
    }

    #[test]
    fn ticks_keep_their_distance_and_their_rhythm() {
        let begin = Instant::now();
        let ms = Duration::from_millis;
        assert_eq!(next_tick(begin, begin + ms(2)), begin + ms(100));
        assert_eq!(next_tick(begin, begin + ms(40)), begin + ms(100), "the grid is kept");
        assert_eq!(next_tick(begin, begin + ms(90)), begin + ms(140), "two readings are not too close");
        assert_eq!(next_tick(begin, begin + ms(900)), begin + ms(950), "missed ticks are not made up for");
    }

    #[test]
    fn a_first_tick_is_prepared_just_before_and_asked_for_on_time() {
        let now = Instant::now();
        let ms = Duration::from_millis;
        assert_eq!(next_for_first_tick(now, at(1_000_000), at(1_007_000)), Some(now + ms(6)));
        assert_eq!(next_for_first_tick(now, at(1_006_000), at(1_007_000)), Some(now + ms(1)));
        assert_eq!(next_for_first_tick(now, at(1_007_001), at(1_007_000)), Some(now));
    }

    #[test]
    fn a_stream_is_looked_after_when_it_asks_for_it_and_not_all_the_time() {
        let now = Instant::now();
        assert_eq!(next_look(now, at(1_000_000), at(1_040_000)), Some(now + Duration::from_millis(40)));
        assert_eq!(next_look(now, at(1_000_000), at(900_000)), Some(now + LOOK));
        assert!(next_look(now, at(1_000_000), at(i64::MAX)).is_none_or(|at| at > now + TICK));
    }

    #[test]
    fn a_tick_under_way_is_waited_for_and_none_begins_after_the_end() {
        let ticker = ticker();
        let (stream, ends) = probe(1);
        ticker.register(stream.clone()).unwrap();
        ends.begun.recv_timeout(PATIENT).unwrap();
        let end = std::thread::spawn(|| ticker.end());
        std::thread::sleep(Duration::from_millis(30));
        assert!(!end.is_finished(), "a tick is running");
        ends.go_on.send(()).unwrap();
        end.join().unwrap();
        assert!(!ticker.is_running() && ends.begun.try_recv().is_err());

        ticker.register(stream).unwrap();
        ends.begun.recv_timeout(PATIENT).unwrap();
        ticker.unregister(1);
        ends.go_on.send(()).unwrap();
        assert!(ends.begun.recv_timeout(TICK * 3).is_err(), "it was unregistered");
        ticker.end();
    }

    #[test]
    fn a_stream_that_panics_takes_no_tick_from_the_others() {
        let ticker = ticker();
        let ((bad, _), (good, ends)) = (probe(1), probe(2));
        ticker.register(bad.clone()).unwrap();
        ticker.register(good).unwrap();
        for _ in 0..3 {
            ends.begun.recv_timeout(PATIENT).unwrap();
            ends.go_on.send(()).unwrap();
        }
        assert!(bad.panics() >= 2, "{}", bad.panics());
        drop(ends);
        ticker.end();
    }

    #[test]
    fn streams_that_all_rest_are_ticked_less_often() {
        let ticker = ticker();
        let ((one, one_ends), (two, two_ends)) = (probe(1), probe(2));
        one.set_resting(true);
        two.set_resting(true);
        ticker.register(one).unwrap();
        ticker.register(two.clone()).unwrap();
        let began = Instant::now();
        let tick = || {
            for ends in [&one_ends, &two_ends] {
                ends.begun.recv_timeout(PATIENT).unwrap();
                ends.go_on.send(()).unwrap();
            }
            began.elapsed()
        };
        let first = tick();
        assert!(first >= REST - TICK / 2, "{first:?}");
        // One wakes up, and says so.
        two.set_resting(false);
        ticker.hurry();
        let (second, third) = (tick(), tick());
        assert!(third - second < REST / 2, "{second:?} {third:?}");
        drop((one_ends, two_ends));
        ticker.end();
    }
}
