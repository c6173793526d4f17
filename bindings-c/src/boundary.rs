//! Where calls from C come in: no panic goes out, and a handle that saw one is never used again.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sentry_profiler::panics::{contain, keep_off_stderr};
use sentry_profiler::{Error, LogLevel, Logger, process};

use crate::callback;
use crate::status::Status;
use crate::status::sentry_profiler_status_t::*;

pub type Outcome = Result<(), Status>;

/// Runs the work of a call that has nobody to report to.
pub fn boundary(run: impl FnOnce() -> Outcome) -> Status {
    match Reporter::default().guard(run) {
        Ok(()) => SENTRY_PROFILER_OK,
        Err(status) => status,
    }
}

/// Turns what went wrong into statuses, which lose what exactly it was: that goes to the log.
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

    /// Runs what may panic.
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
            // It may be what panicked.
            let _ = contain(|| log(LogLevel::Warning, message));
        }
    }
}

/// What every handle has: whether a call panicked, and who hears of it.
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
/// Not `std::thread::ThreadId`: to get one makes the standard library describe the host's thread, in memory that nobody frees
/// before the thread ends.
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

/// What a handle has that belongs to one thread of one process.
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
        callback::refuse_inside()?;
        if process::id() != self.process {
            return Err(SENTRY_PROFILER_FORKED);
        }
        if ThreadId::current() == self.thread { Ok(()) } else { Err(SENTRY_PROFILER_WRONG_THREAD) }
    }

    /// How the calling thread may free the handle, if so.
    pub fn may_free(&self) -> Result<Free, Status> {
        match self.check() {
            Ok(()) => Ok(Free::All),
            Err(SENTRY_PROFILER_FORKED) if ThreadId::current() == self.thread => Ok(Free::Ours),
            Err(SENTRY_PROFILER_FORKED) => Ok(Free::Nothing),
            Err(status) => Err(status),
        }
    }
}

/// An argument that must be there.
pub fn given<T>(argument: Option<T>) -> Result<T, Status> {
    argument.ok_or(SENTRY_PROFILER_NULL_ARGUMENT)
}

/// Where a new handle goes: NULL until there is one, so that freeing it is always right.
pub struct Out<'a, T>(&'a mut MaybeUninit<*mut T>);

impl<'a, T> Out<'a, T> {
    pub fn new(out: Option<&'a mut MaybeUninit<*mut T>>) -> Result<Self, Status> {
        let out = given(out)?;
        out.write(std::ptr::null_mut());
        Ok(Self(out))
    }

    pub fn put(self, value: T) {
        self.0.write(Box::into_raw(Box::new(value)));
    }
}

/// A structure that the caller and this library may know in different versions: it begins with its own size, and
/// fields are only appended.
pub trait Versioned: Copy {
    /// Bytes of its first version, padding at the end aside. Frozen: programs were built with it.
    const FIRST_VERSION: usize;
}

/// Fills a structure of the caller's, who may know an older and shorter one, or a newer and longer one.
///
/// # Safety
/// `to` is a structure that begins with its own size, of that many bytes; so does `from`.
pub unsafe fn fill<T: Versioned>(to: Option<NonNull<T>>, from: &T) -> Outcome {
    let to = given(to)?;
    // SAFETY: as the caller vouches; the first field is the size.
    let size = unsafe { to.cast::<usize>().read() };
    if size < T::FIRST_VERSION || size > isize::MAX as usize {
        return Err(SENTRY_PROFILER_INVALID_ARGUMENT);
    }
    let field = size_of::<usize>();
    let count = size.min(size_of::<T>()) - field;
    // SAFETY: `count` bytes after the first field lie inside both.
    unsafe {
        std::ptr::copy_nonoverlapping(
            std::ptr::from_ref(from).cast::<u8>().add(field),
            to.cast::<u8>().as_ptr().add(field),
            count,
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// As this library knows it, whose first version ended with `one`.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Known {
        struct_size: usize,
        one: u64,
        appended: u64,
    }

    impl Versioned for Known {
        const FIRST_VERSION: usize = std::mem::offset_of!(Known, one) + size_of::<u64>();
    }

    const KNOWN: Known = Known { struct_size: size_of::<Known>(), one: 1, appended: 2 };

    #[test]
    fn callers_of_every_age_get_what_they_know() {
        // What they have after their structure stays as it is.
        for (size, expected) in [(16, [16, 1, 7, 7]), (24, [24, 1, 2, 7]), (32, [32, 1, 2, 7])] {
            let mut theirs: [u64; 4] = [size, 7, 7, 7];
            // SAFETY: it has as many bytes as it says.
            let outcome = unsafe { fill(NonNull::new(theirs.as_mut_ptr().cast::<Known>()), &KNOWN) };
            assert_eq!((outcome, theirs), (Ok(()), expected));
        }
        for size in [0, 8, 15, u64::MAX] {
            let mut theirs: [u64; 4] = [size, 7, 7, 7];
            // SAFETY: it is refused before more than the size is touched.
            let outcome = unsafe { fill(NonNull::new(theirs.as_mut_ptr().cast::<Known>()), &KNOWN) };
            assert_eq!((outcome, theirs), (Err(SENTRY_PROFILER_INVALID_ARGUMENT), [size, 7, 7, 7]));
        }
    }

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
