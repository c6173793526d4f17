//! The boundary with C: no panic crosses it, and a handle on which a call panicked is never used again.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sentry_profiler::panics::{contain, keep_off_stderr};
use sentry_profiler::{Error, LogLevel, Logger, process};

use crate::callback::refuse_inside;
use crate::status::sentry_profiler_status_t::*;
use crate::status::{Outcome, Status};

/// Runs the work of a call that has no log to report to.
pub fn boundary(run: impl FnOnce() -> Outcome) -> Status {
    match Reporter::default().guard(run) {
        Ok(()) => SENTRY_PROFILER_OK,
        Err(status) => status,
    }
}

/// Turns errors into statuses. The text of the error, which a status loses, goes to the log.
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
        // Rust's own hook prints on the host's stderr. This library has a Rust runtime of its own, so nobody else has
        // set one.
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

/// Whether a call on the handle has panicked, and where that is reported.
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

/// Tells threads apart, also those that came after others had ended.
///
/// Not `std::thread::ThreadId`: to get one makes the standard library describe the host's thread, in memory that
/// nobody frees before the thread ends.
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

/// How a handle is to be freed.
pub enum Free {
    /// With all that it owns.
    All,
    /// In a child of a fork: what is this library's own.
    Ours,
    /// In a child that another thread forked, maybe in the middle of a call on the handle: not at all.
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

    /// How the calling thread may free the handle, if at all.
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
