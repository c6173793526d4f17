//! Where calls from C come in: no panic goes out, and a handle that saw one is never used again.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::callback;
use crate::status::Status;
use crate::status::sentry_profiler_status_t::*;

pub type Outcome = Result<(), Status>;

/// Runs the work of a call.
pub fn boundary(run: impl FnOnce() -> Outcome) -> Status {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => SENTRY_PROFILER_OK,
        Ok(Err(status)) => status,
        Err(payload) => {
            // A payload may panic when it is dropped; what that leaves behind is given up.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(again);
            }
            SENTRY_PROFILER_PANIC
        }
    }
}

/// What every handle has: whether a call panicked.
#[derive(Debug, Default)]
pub struct Poison(AtomicBool);

impl Poison {
    /// Runs the work of a call on the handle, unless one has panicked before.
    pub fn boundary(&self, run: impl FnOnce() -> Outcome) -> Status {
        if self.0.load(Ordering::Acquire) {
            return SENTRY_PROFILER_PANIC;
        }
        let status = boundary(run);
        if status == SENTRY_PROFILER_PANIC {
            self.0.store(true, Ordering::Release);
        }
        status
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

/// What a handle has that belongs to one thread.
#[derive(Debug)]
pub struct Owner {
    thread: ThreadId,
    poison: Poison,
}

impl Owner {
    pub fn current() -> Self {
        Self { thread: ThreadId::current(), poison: Poison::default() }
    }

    /// Runs the work of a call on the handle, on its thread and outside of callbacks only.
    pub fn boundary(&self, run: impl FnOnce() -> Outcome) -> Status {
        self.poison.boundary(|| {
            self.check()?;
            run()
        })
    }

    /// Whether the calling thread may touch what the handle owns.
    pub fn check(&self) -> Outcome {
        callback::refuse_inside()?;
        if ThreadId::current() == self.thread { Ok(()) } else { Err(SENTRY_PROFILER_WRONG_THREAD) }
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

/// Fills a structure of the caller's, who may know an older and shorter one, or a newer and longer one.
///
/// # Safety
/// `to` is a structure that begins with its own size, of that many bytes; so does `from`.
pub unsafe fn fill<T: Copy>(to: Option<NonNull<T>>, from: &T, shortest: usize) -> Outcome {
    let to = given(to)?;
    // SAFETY: as the caller vouches; the first field is the size.
    let size = unsafe { to.cast::<usize>().read() };
    if size < shortest || size > isize::MAX as usize {
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
