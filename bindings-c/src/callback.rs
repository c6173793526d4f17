//! Callbacks of the host: from which threads, until when, and what they may not do.

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::boundary::Outcome;
use crate::status::sentry_profiler_status_t::*;

/// How grave a log message is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum sentry_profiler_log_level_t {
    /// What happens as it should.
    SENTRY_PROFILER_LOG_DEBUG = 0,
    /// What costs data or needs a hand.
    SENTRY_PROFILER_LOG_WARNING = 1,
}

/// Receives a log message of `len` bytes of UTF-8; a NUL follows them. The message is valid during the call only.
///
/// Called on any thread, also on several at once, until `sentry_profiler_free` has returned; a thread of this library
/// has a stack of `SENTRY_PROFILER_CALLBACK_STACK_BYTES`. It must not throw, nor wait for the isolate's thread; calls
/// on profilers and sessions answer `SENTRY_PROFILER_IN_CALLBACK`.
pub type sentry_profiler_log_callback_t = Option<
    unsafe extern "C" fn(
        level: sentry_profiler_log_level_t,
        message: *const c_char,
        len: usize,
        user_data: *mut c_void,
    ),
>;

/// Asks that `sentry_profiler_poll` be called on the isolate's thread soon: something is due there, and no JavaScript has run
/// for a while. It may only pass that on, to an event loop for example, and return.
///
/// Called on the ticker thread, whose stack has `SENTRY_PROFILER_CALLBACK_STACK_BYTES`, at most once every 100 ms and
/// only while something records, until `sentry_profiler_free` has returned. It must not throw, nor wait for the
/// isolate's thread or for a lock that is held around calls of this library; calls on profilers and sessions answer
/// `SENTRY_PROFILER_IN_CALLBACK`.
pub type sentry_profiler_wake_callback_t = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Receives a finished chunk of a session. The chunk and all that it points to are valid during the call only: copy what is
/// kept.
///
/// Called on the encoder thread and no other, whose stack has `SENTRY_PROFILER_CALLBACK_STACK_BYTES`, one chunk at a
/// time, until `sentry_profiler_session_free` or `sentry_profiler_free` has returned. While it runs, no other chunk of
/// the process is encoded, so hand long work, such as sending, to another thread. It must not throw, nor wait for the
/// isolate's thread; calls on profilers and sessions answer `SENTRY_PROFILER_IN_CALLBACK`.
pub type sentry_profiler_chunk_callback_t =
    Option<unsafe extern "C" fn(chunk: *const sentry_profiler_chunk_t, user_data: *mut c_void)>;

/// Answers the address of V8's function of that mangled name, or NULL. Asked only for what neither the linker nor the loader
/// has found: a V8 that was loaded with `RTLD_LOCAL`, for example. A wrong address is undefined behaviour.
///
/// Called on the calling thread, inside `sentry_profiler_new` and `sentry_profiler_support`. It must not throw; calls on
/// profilers and sessions answer `SENTRY_PROFILER_IN_CALLBACK`.
pub type sentry_profiler_symbol_resolver_t =
    Option<unsafe extern "C" fn(mangled_name: *const c_char, user_data: *mut c_void) -> *mut c_void>;

/// Takes the next `len` bytes of what is written; answers 0 to go on, anything else to stop. The bytes are valid during the
/// call only.
///
/// Called on the calling thread, inside `sentry_profile_write`. It must not throw; calls on profilers and sessions answer
/// `SENTRY_PROFILER_IN_CALLBACK`.
pub type sentry_profiler_write_callback_t =
    Option<unsafe extern "C" fn(data: *const c_char, len: usize, user_data: *mut c_void) -> c_int>;

/// A finished chunk of a session. Later versions append fields: those beyond `struct_size` are not there.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sentry_profiler_chunk_t {
    /// Bytes of this structure, as the library knows it.
    pub struct_size: usize,
    /// 32 lower-case hexadecimal digits and a NUL.
    pub chunk_id: *const c_char,
    /// 32 lower-case hexadecimal digits and a NUL: the session's, the same for all its chunks.
    pub profiler_id: *const c_char,
    /// A whole envelope, ready to POST to Sentry: its header, then the item.
    pub envelope: *const c_char,
    /// Bytes of it.
    pub envelope_len: usize,
    /// The last part of the envelope: the item with its header, to append to an envelope of the host's own.
    pub item: *const c_char,
    /// Bytes of it.
    pub item_len: usize,
    /// The part of the item that is the chunk itself: JSON, sample format V2.
    pub payload: *const c_char,
    /// Bytes of it.
    pub payload_len: usize,
    /// Samples in it, idle samples aside.
    pub sample_count: u64,
    /// When it begins, Unix time, microseconds.
    pub start_us: i64,
    /// When it ends, Unix time, microseconds.
    pub end_us: i64,
}

/// A function of the host, and what it wants to hear.
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
    /// `None` when the host takes the callback away.
    pub fn new(function: Option<F>, user_data: *mut c_void) -> Option<Self> {
        function.map(|function| Self { function, user_data })
    }
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs a function of the host; what it calls on profilers and sessions is refused.
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

/// Whether this thread runs a callback: the locks that may be held around one are not for calling again.
pub fn refuse_inside() -> Outcome {
    if INSIDE.get() { Err(SENTRY_PROFILER_IN_CALLBACK) } else { Ok(()) }
}

/// Lets callbacks through until it is closed, which waits for those that are under way: afterwards the host may free what
/// they use.
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
