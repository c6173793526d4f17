//! Callbacks of the host: from which threads, until when, and what they may not do.

use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::status::Outcome;
use crate::status::sentry_profiler_status_t::*;

/// The severity of a log message.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum sentry_profiler_log_level_t {
    /// Normal operation.
    SENTRY_PROFILER_LOG_DEBUG = 0,
    /// Something that loses data or needs attention.
    SENTRY_PROFILER_LOG_WARNING = 1,
}

/// Receives a log message: `len` bytes of UTF-8, followed by a NUL. The message is valid during the call only.
///
/// Called on any thread, also on several at once, until `sentry_profiler_free` has returned; this library's own
/// threads have a stack of `SENTRY_PROFILER_CALLBACK_STACK_BYTES`. It must not throw and must not wait for the
/// isolate's thread. Inside it, calls on profilers and sessions return `SENTRY_PROFILER_IN_CALLBACK`.
pub type sentry_profiler_log_callback_t = Option<
    unsafe extern "C" fn(
        level: sentry_profiler_log_level_t,
        message: *const c_char,
        len: usize,
        user_data: *mut c_void,
    ),
>;

/// Asks the host to call `sentry_profiler_poll` on the isolate's thread soon: something is due there, and no
/// JavaScript has run for a while. It must only pass the request on, for example to an event loop, and return.
///
/// Called on the ticker thread, whose stack has `SENTRY_PROFILER_CALLBACK_STACK_BYTES`, at most once every 100 ms and
/// only while something records, until `sentry_profiler_free` has returned. It must not throw, and must not wait for
/// the isolate's thread or for a lock that is held around calls of this library. Inside it, calls on profilers and
/// sessions return `SENTRY_PROFILER_IN_CALLBACK`.
pub type sentry_profiler_wake_callback_t = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Returns the address of the V8 function with this mangled name, or NULL. Called only for functions that neither the
/// linker nor the loader has found, for example those of a V8 that was loaded with `RTLD_LOCAL`. On Windows the name is
/// as Microsoft's compilers mangle it. A wrong address is undefined behaviour.
///
/// Called on the calling thread, inside `sentry_profiler_new` and `sentry_profiler_support`. It must not throw. Inside
/// it, calls on profilers and sessions return `SENTRY_PROFILER_IN_CALLBACK`.
pub type sentry_profiler_symbol_resolver_t =
    Option<unsafe extern "C" fn(mangled_name: *const c_char, user_data: *mut c_void) -> *mut c_void>;

/// A function of the host, and the argument it is called with.
#[derive(Clone, Copy, Debug)]
pub struct Callback<F> {
    pub function: F,
    pub user_data: *mut c_void,
}

// SAFETY: the header says on which threads each function is called; the host vouches for it and for its data.
unsafe impl<F: Send> Send for Callback<F> {}
// SAFETY: as above.
unsafe impl<F: Sync> Sync for Callback<F> {}

impl<F> Callback<F> {
    /// `None` when the host removes the callback.
    pub fn new(function: Option<F>, user_data: *mut c_void) -> Option<Self> {
        function.map(|function| Self { function, user_data })
    }
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs a function of the host; its calls on profilers and sessions are refused.
pub fn enter<T>(run: impl FnOnce() -> T) -> T {
    struct Leave(bool);
    impl Drop for Leave {
        fn drop(&mut self) {
            INSIDE.set(self.0);
        }
    }
    let _leave = Leave(INSIDE.replace(true));
    run()
}

/// Fails while this thread runs a callback: locks that may be held around it cannot be taken again.
pub fn refuse_inside() -> Outcome {
    if INSIDE.get() { Err(SENTRY_PROFILER_IN_CALLBACK) } else { Ok(()) }
}

/// Lets callbacks through until it is closed, which waits for those that are under way: afterwards the host may free
/// what they use.
#[derive(Clone, Debug)]
pub struct Gate(Arc<RwLock<bool>>);

impl Gate {
    pub fn open() -> Self {
        Self(Arc::new(RwLock::new(true)))
    }

    pub fn pass(&self, run: impl FnOnce()) {
        let open = self.0.read();
        if *open {
            enter(run);
        }
    }

    pub fn close(&self) {
        *self.0.write() = false;
    }
}
