//! Where threads come from, and whether there is one more to be had.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::platform::{block_signals, probe_thread};
use crate::time::Monotonic;

/// The stack of both threads, on which the host's callbacks run: what Rust gives a thread. Memory that is not used is
/// only reserved.
pub const THREAD_STACK_BYTES: usize = 2 << 20;
/// How long a start relies on a proof that threads can be had: the ticker makes one every 100 ms while nothing
/// records.
const PROOF_HOLDS_US: i64 = 120_000;
/// How long a first tick relies on one. V8's thread is given up for it, so the proof is made just before.
const FRESH_PROOF_HOLDS_US: i64 = 3_000;

type Spawn = dyn Fn(&str, Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> + Send + Sync;
type Probe = dyn Fn() -> io::Result<()> + Send + Sync;

pub(crate) struct Supply {
    spawn: Box<Spawn>,
    /// Whether one more could be had at this moment, of the kind that V8 needs.
    probe: Box<Probe>,
    /// When there last was a thread to be had, monotonic.
    proven_us: Mutex<Option<Monotonic>>,
}

impl Supply {
    /// The operating system's threads.
    pub(crate) fn system() -> Self {
        Self::new(Box::new(spawn), Box::new(probe_thread))
    }

    fn new(spawn: Box<Spawn>, probe: Box<Probe>) -> Self {
        Self { spawn, probe, proven_us: Mutex::new(None) }
    }

    pub(crate) fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
        (self.spawn)(name, Box::new(run))
    }

    /// Whether one more thread could be had at this moment, of the kind that V8 needs. It takes long enough to be
    /// left to the ticker where that can do it.
    pub(crate) fn prove(&self) -> io::Result<()> {
        (self.probe)()?;
        self.proven(Monotonic::now());
        Ok(())
    }

    /// V8 had a thread until now, or could have had one.
    pub(crate) fn proven(&self, now_us: Monotonic) {
        *lock(&self.proven_us) = Some(now_us);
    }

    /// V8 takes the thread.
    pub(crate) fn taken(&self) {
        *lock(&self.proven_us) = None;
    }

    pub(crate) fn is_proven(&self, now_us: Monotonic) -> bool {
        self.was_proven_within(PROOF_HOLDS_US, now_us)
    }

    pub(crate) fn is_just_proven(&self, now_us: Monotonic) -> bool {
        self.was_proven_within(FRESH_PROOF_HOLDS_US, now_us)
    }

    fn was_proven_within(&self, age_us: i64, now_us: Monotonic) -> bool {
        lock(&self.proven_us).is_some_and(|proven_us| now_us - proven_us <= age_us)
    }
}

/// Locks what is whole between any two statements, so that a panic leaves nothing behind.
///
/// The locks of the two threads are the standard library's, because those of `parking_lot` share a table in which a
/// fork may leave a lock behind.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(name: &str, run: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).stack_size(THREAD_STACK_BYTES).spawn(move || {
        block_signals();
        run();
    })
}

/// Threads for tests: their own, which can be had only when the test wishes.
#[cfg(test)]
pub(crate) mod testing {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::ThreadId;

    use super::*;

    #[derive(Clone, Default)]
    pub(crate) struct Refusal {
        refuses: Arc<AtomicBool>,
        asked: Arc<Mutex<Vec<ThreadId>>>,
    }

    impl Refusal {
        pub(crate) fn set(&self, refuses: bool) {
            self.refuses.store(refuses, Ordering::SeqCst);
        }

        /// How often this thread asked for one since this was called.
        pub(crate) fn asked(&self) -> usize {
            let here = std::thread::current().id();
            lock(&self.asked).drain(..).filter(|thread| *thread == here).count()
        }

        fn check(&self) -> io::Result<()> {
            lock(&self.asked).push(std::thread::current().id());
            let refuses = self.refuses.load(Ordering::SeqCst);
            if refuses { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        }
    }

    pub(crate) fn supply() -> (Supply, Refusal) {
        let refusal = Refusal::default();
        let (spawns, probes) = (refusal.clone(), refusal.clone());
        let spawn: Box<Spawn> = Box::new(move |name, run| spawns.check().and_then(|()| spawn(name, run)));
        (Supply::new(spawn, Box::new(move || probes.check().and_then(|()| probe_thread()))), refusal)
    }
}
