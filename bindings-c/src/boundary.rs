//! The boundary with C: no panic crosses it, and a handle whose call panicked is never used again.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sentry_profiler::panics::{contain, keep_off_stderr};
use sentry_profiler::{Error, LogLevel, Logger, process};

use crate::callback::refuse_inside;
use crate::status::sentry_profiler_status_t::*;
use crate::status::{Outcome, Status};

/// Runs the work of a call without a log.
pub fn boundary(run: impl FnOnce() -> Outcome) -> Status {
    match Reporter::default().guard(run) {
        Ok(()) => SENTRY_PROFILER_OK,
        Err(status) => status,
    }
}

/// Turns errors into statuses and logs their texts, which a status does not have.
#[derive(Clone, Default)]
pub struct Reporter(Option<Logger>);

impl Reporter {
    pub fn new(log: Option<Logger>) -> Self {
        Self(log)
    }

    pub fn status(&self, error: Error) -> Status {
        self.warn(&error.to_string());
        error.into()
    }

    /// Runs code that may panic.
    pub fn guard(&self, run: impl FnOnce() -> Outcome) -> Outcome {
        // Rust's own hook prints to the host's stderr. This library has its own Rust runtime, so nobody else has set
        // a hook in it.
        keep_off_stderr();
        contain(run).unwrap_or_else(|panic| {
            self.warn(&format!("a bug in libsentry_profiler: {panic}"));
            Err(SENTRY_PROFILER_PANIC)
        })
    }

    fn warn(&self, message: &str) {
        if let Some(log) = &self.0 {
            // The log callback may be what panicked.
            let _ = contain(|| log(LogLevel::Warning, message));
        }
    }
}

/// Whether a call on the handle has panicked, and where to report it.
#[derive(Default)]
pub struct Poison {
    poisoned: AtomicBool,
    reporter: Reporter,
}

impl Poison {
    pub fn new(reporter: Reporter) -> Self {
        Self { poisoned: AtomicBool::new(false), reporter }
    }

    /// Runs the work of a call on the handle, unless one has panicked before.
    pub fn boundary(&self, run: impl FnOnce() -> Outcome) -> Status {
        if self.poisoned.load(Ordering::Acquire) {
            return SENTRY_PROFILER_PANIC;
        }
        match self.reporter.guard(run) {
            Ok(()) => SENTRY_PROFILER_OK,
            Err(status) => {
                if status == SENTRY_PROFILER_PANIC {
                    self.poisoned.store(true, Ordering::Release);
                }
                status
            }
        }
    }
}

/// Identifies a thread. Never reused after a thread has ended.
///
/// Not `std::thread::ThreadId`: getting one allocates a description of the host's thread that is only freed when the
/// thread ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ThreadId(u64);

impl ThreadId {
    fn current() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        thread_local! {
            static CURRENT: Cell<u64> = const { Cell::new(0) };
        }
        if CURRENT.get() == 0 {
            CURRENT.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        Self(CURRENT.get())
    }
}

/// The owner of a handle that belongs to one thread of one process.
pub struct Owner {
    thread: ThreadId,
    process: u64,
    poison: Poison,
}

/// What to free with a handle.
pub enum Free {
    /// The handle and all that it owns.
    All,
    /// In a child of a fork: only this library's own memory, not V8's.
    Ours,
    /// Nothing: in a child that another thread forked, perhaps in the middle of a call on the handle.
    Nothing,
}

impl Owner {
    pub fn current(reporter: Reporter) -> Self {
        Self { thread: ThreadId::current(), process: process::id(), poison: Poison::new(reporter) }
    }

    /// Runs the work of a call on the handle, on its thread and outside of callbacks only.
    pub fn boundary(&self, run: impl FnOnce() -> Outcome) -> Status {
        self.poison.boundary(|| {
            self.check()?;
            run()
        })
    }

    /// Whether the calling thread may touch what the handle owns.
    fn check(&self) -> Outcome {
        refuse_inside()?;
        if process::id() != self.process {
            return Err(SENTRY_PROFILER_FORKED);
        }
        if ThreadId::current() == self.thread { Ok(()) } else { Err(SENTRY_PROFILER_WRONG_THREAD) }
    }

    /// What the calling thread may free, if anything.
    pub fn may_free(&self) -> Result<Free, Status> {
        match self.check() {
            Ok(()) => Ok(Free::All),
            Err(SENTRY_PROFILER_FORKED) if ThreadId::current() == self.thread => Ok(Free::Ours),
            Err(SENTRY_PROFILER_FORKED) => Ok(Free::Nothing),
            Err(status) => Err(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_panic_poisons_and_its_text_goes_to_the_log() {
        let log = std::sync::Arc::new(Mutex::new(vec![]));
        let messages = log.clone();
        let poison = Poison::new(Reporter::new(Some(std::sync::Arc::new(move |_, text| {
            messages.lock().unwrap().push(text.to_owned());
        }))));
        assert_eq!(poison.boundary(|| panic!("{} apples", 3)), SENTRY_PROFILER_PANIC);
        assert_eq!(poison.boundary(|| Ok(())), SENTRY_PROFILER_PANIC);
        let log = log.lock().unwrap();
        assert!(log.len() == 1 && log[0].contains("3 apples") && log[0].contains("boundary.rs"), "{log:?}");
    }
}
