//! The encoder thread. It does all work that grows with a profile, and is the only thread that runs the host's chunk
//! callbacks.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::panics::contain;
use crate::platform::wait_for;
use crate::supply::{Supply, lock};

pub(crate) type Job = Box<dyn FnOnce() + Send>;

pub(crate) struct Encoder {
    supply: &'static Supply,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Bounded: each stream and each session has at most one.
    jobs: VecDeque<Job>,
    /// Whether a thread does the jobs, or will once it runs.
    running: bool,
    /// The thread that was started last.
    thread: Option<JoinHandle<()>>,
    quit: bool,
}

impl Encoder {
    pub(crate) fn new(supply: &'static Supply) -> Self {
        Self { supply, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Runs a job on the encoder thread after earlier ones. If no thread can be had, the job waits for
    /// [`Encoder::ensure`].
    pub(crate) fn submit(&'static self, job: Job) {
        let mut state = lock(&self.state);
        state.jobs.push_back(job);
        self.changed.notify_all();
        // Under the same lock: an end in between would find a job without a thread, and drop it.
        self.ensure_in(&mut state);
    }

    /// Tries to start the thread if jobs wait for one.
    pub(crate) fn ensure(&'static self) {
        self.ensure_in(&mut lock(&self.state));
    }

    fn ensure_in(&'static self, state: &mut State) {
        if state.running || state.jobs.is_empty() {
            return;
        }
        // On failure, the next job, the next tick or a caller that waits for a job tries again.
        if let Ok(thread) = self.supply.spawn("sentry-encoder", || self.run()) {
            state.running = true;
            state.thread = Some(thread);
        }
    }

    /// Ends the thread after the waiting jobs. Jobs that never got a thread are dropped.
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
        let dropped = {
            let mut state = lock(&self.state);
            state.quit = false;
            // If another thread was started meanwhile, it does them.
            if state.running { VecDeque::new() } else { std::mem::take(&mut state.jobs) }
        };
        drop(dropped);
    }

    fn run(&self) {
        loop {
            let job = {
                let mut state = lock(&self.state);
                loop {
                    if let Some(job) = state.jobs.pop_front() {
                        break job;
                    }
                    if state.quit {
                        // A later job starts another thread.
                        state.running = false;
                        return;
                    }
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            };
            // Each job reports its own errors.
            let _ = contain(job);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::supply::testing::{self, Refusal};

    fn encoder() -> (&'static Encoder, Refusal) {
        let (supply, refusal) = testing::supply();
        (Box::leak(Box::new(Encoder::new(Box::leak(Box::new(supply))))), refusal)
    }

    #[test]
    fn jobs_wait_for_a_thread_and_never_run_on_the_submitting_one() {
        let (encoder, refusal) = encoder();
        let (tell, hear) = mpsc::channel();
        refusal.set(true);
        for number in 0..3 {
            let tell = tell.clone();
            encoder.submit(Box::new(move || tell.send((number, std::thread::current().id())).unwrap()));
        }
        assert!(hear.try_recv().is_err());
        refusal.set(false);
        encoder.ensure();
        for number in 0..3 {
            let (done, thread) = hear.recv_timeout(Duration::from_secs(10)).unwrap();
            assert_eq!(done, number);
            assert_ne!(thread, std::thread::current().id());
        }
        refusal.asked();
        encoder.ensure();
        assert_eq!(refusal.asked(), 0, "one thread is enough");
        encoder.end();
    }

    #[test]
    fn jobs_are_done_after_the_thread_has_ended_once() {
        let (encoder, _) = encoder();
        let done = Arc::new(AtomicUsize::new(0));
        let job = || {
            let done = done.clone();
            Box::new(move || {
                done.fetch_add(1, Ordering::SeqCst);
            })
        };
        for round in 1..=20 {
            encoder.submit(job());
            // Ending does the waiting jobs; some jobs come while it ends.
            let late = job();
            std::thread::scope(|scope| {
                scope.spawn(|| encoder.submit(late));
                encoder.end();
            });
            // A job that came just after the end has another thread; one that got no thread is dropped.
            encoder.end();
            assert_eq!(done.load(Ordering::SeqCst), round * 2);
        }
        assert!(!lock(&encoder.state).running);
    }

    #[test]
    fn a_job_that_panics_does_not_keep_the_next_from_running() {
        let (encoder, _) = encoder();
        let (tell, hear) = mpsc::channel();
        encoder.submit(Box::new(|| panic!("requested by the test")));
        encoder.submit(Box::new(move || tell.send(()).unwrap()));
        hear.recv_timeout(Duration::from_secs(10)).unwrap();
        encoder.end();
    }
}
