//! The two threads of a process, and when they begin and end. This rendezvous is the library's only global state.

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicI64, AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::clock;
use crate::encoder::Encoder;
use crate::process;
use crate::ticker::Ticker;

/// The stack of both threads, on which the host's callbacks run: what Rust gives a thread. Memory that is not used is
/// only reserved.
pub const THREAD_STACK_BYTES: usize = 2 << 20;
/// The stack that V8 asks for its sampling thread.
const V8_STACK_BYTES: usize = 256 << 10;
/// How long a start relies on a proof that threads can be had.
const PROOF_HOLDS_US: i64 = 250_000;
/// How long a first tick relies on one. V8's thread is given up for it, so the proof is made just before.
const FRESH_PROOF_HOLDS_US: i64 = 3_000;

type Spawn = dyn Fn(&str, Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> + Send + Sync;
type Probe = dyn Fn() -> io::Result<()> + Send + Sync;

/// Who gives threads.
pub(crate) struct System {
    pub(crate) spawn: Box<Spawn>,
    /// Whether one more could be had at this moment, of the kind that V8 needs.
    pub(crate) probe: Box<Probe>,
}

pub(crate) struct Threads {
    process: u64,
    system: System,
    pub(crate) ticker: Ticker,
    pub(crate) encoder: Encoder,
    /// When there last was a thread to be had, monotonic.
    proven_us: AtomicI64,
    /// Recorders alive; locked across the end of the threads.
    recorders: Mutex<usize>,
}

impl Threads {
    pub(crate) fn new(system: System) -> Self {
        let recorders = Mutex::new(0);
        let proven_us = AtomicI64::new(i64::MIN);
        Self { process: process::id(), system, ticker: Ticker::new(), encoder: Encoder::new(), proven_us, recorders }
    }

    /// Those of this process. A child of a fork has some of its own: its parent's do not run in it, and their locks
    /// may be held.
    pub(crate) fn get() -> &'static Self {
        static CURRENT: AtomicPtr<Threads> = AtomicPtr::new(ptr::null_mut());
        let current = CURRENT.load(Ordering::Acquire);
        // SAFETY: what is put there lives for ever.
        if let Some(threads) = unsafe { current.as_ref() }.filter(|threads| !threads.are_foreign()) {
            return threads;
        }
        let made = Box::into_raw(Box::new(Self::new(System { spawn: Box::new(spawn), probe: Box::new(probe) })));
        match CURRENT.compare_exchange(current, made, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: as above; the parent's are given up, not freed.
            Ok(_) => unsafe { &*made },
            Err(other) => {
                // SAFETY: nobody else has seen this one; `other` lives for ever.
                unsafe {
                    drop(Box::from_raw(made));
                    &*other
                }
            }
        }
    }

    /// Whether they belong to the process that this one was forked from.
    pub(crate) fn are_foreign(&self) -> bool {
        self.process != process::id()
    }

    /// A recorder was made: the threads may start from now on.
    pub(crate) fn enter(&self) {
        *lock(&self.recorders) += 1;
    }

    /// A recorder is gone; with the last one both threads end, which this waits for.
    pub(crate) fn leave(&self) {
        let mut recorders = lock(&self.recorders);
        *recorders -= 1;
        if *recorders == 0 {
            self.ticker.end();
            self.encoder.end();
        }
    }

    pub(crate) fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
        (self.system.spawn)(name, Box::new(run))
    }

    /// Whether one more thread could be had at this moment, of the kind that V8 needs. It takes long enough to be left to the ticker
    /// where that can do it.
    pub(crate) fn prove(&self) -> io::Result<()> {
        (self.system.probe)()?;
        self.proven(clock::monotonic_us());
        Ok(())
    }

    /// V8 had a thread until now, or could have had one.
    pub(crate) fn proven(&self, now_us: i64) {
        self.proven_us.store(now_us, Ordering::Relaxed);
    }

    /// V8 takes the thread.
    pub(crate) fn taken(&self) {
        self.proven_us.store(i64::MIN, Ordering::Relaxed);
    }

    pub(crate) fn are_proven(&self, now_us: i64) -> bool {
        self.proof_age_us(now_us) <= PROOF_HOLDS_US
    }

    pub(crate) fn are_just_proven(&self, now_us: i64) -> bool {
        self.proof_age_us(now_us) <= FRESH_PROOF_HOLDS_US
    }

    fn proof_age_us(&self, now_us: i64) -> i64 {
        now_us.saturating_sub(self.proven_us.load(Ordering::Relaxed))
    }
}

/// Locks what is whole between any two statements, so that a panic leaves nothing behind.
///
/// The locks of this rendezvous are the standard library's, because those of `parking_lot` share a table in which a
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

/// Starts a thread as V8 does, and waits for its end, so that its place is free again.
///
/// Not by the standard library, which enlarges a stack that is too small for the program's static thread-local
/// variables: V8 does not.
#[cfg(unix)]
fn probe() -> io::Result<()> {
    extern "C" fn nothing(argument: *mut libc::c_void) -> *mut libc::c_void {
        argument
    }
    let check = |status: libc::c_int| if status == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(status)) };
    // SAFETY: the attributes and the handle are ours, initialized before they are read, and the thread touches
    // nothing.
    unsafe {
        let mut attributes = std::mem::zeroed();
        check(libc::pthread_attr_init(&mut attributes))?;
        // A size that the system does not take leaves its own; V8 does not ask either.
        libc::pthread_attr_setstacksize(&mut attributes, V8_STACK_BYTES);
        let mut thread = std::mem::zeroed();
        let status = libc::pthread_create(&mut thread, &attributes, nothing, ptr::null_mut());
        libc::pthread_attr_destroy(&mut attributes);
        check(status)?;
        check(libc::pthread_join(thread, ptr::null_mut()))
    }
}

#[cfg(not(unix))]
fn probe() -> io::Result<()> {
    let thread = std::thread::Builder::new().stack_size(V8_STACK_BYTES).spawn(|| {})?;
    let _ = thread.join();
    Ok(())
}

/// Threads for tests: their own, which can be had only when the test wishes.
#[cfg(test)]
pub(crate) mod testing {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
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

    pub(crate) fn threads() -> (&'static Threads, Refusal) {
        let refusal = Refusal::default();
        let (spawns, probes) = (refusal.clone(), refusal.clone());
        let system = System {
            spawn: Box::new(move |name, run| spawns.check().and_then(|()| spawn(name, run))),
            probe: Box::new(move || probes.check().and_then(|()| probe())),
        };
        (Box::leak(Box::new(Threads::new(system))), refusal)
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
    fn a_thread_can_be_had() {
        probe().unwrap();
    }

    #[test]
    fn a_process_has_its_threads_once() {
        assert!(ptr::eq(Threads::get(), Threads::get()));
        assert!(!Threads::get().are_foreign());
    }
}
