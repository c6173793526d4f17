//! `sentry_profiler_status_t`: the one error model.

use std::ffi::{CStr, c_char};

use sentry_profiler::Error;

/// The result of a call. The numbers are permanent; later versions may add new ones.
///
/// 0 is success. 1 to 99 are failures: the call changed nothing, unless its comment says otherwise. From 100 on the
/// call had nothing to do, which is not a failure.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum sentry_profiler_status_t {
    /// Success.
    SENTRY_PROFILER_OK = 0,
    /// A pointer that must not be NULL is NULL.
    SENTRY_PROFILER_NULL_ARGUMENT = 1,
    /// An argument is out of its range, too long, empty where it must not be, not UTF-8, or an unknown enumerator.
    SENTRY_PROFILER_INVALID_ARGUMENT = 2,
    /// The V8 in this process cannot be profiled; `sentry_profiler_support` says why.
    SENTRY_PROFILER_UNSUPPORTED_V8 = 3,
    /// The call must be made on the thread of the isolate, with the isolate entered.
    SENTRY_PROFILER_WRONG_THREAD = 4,
    /// The call was made from inside a callback of this library; make it after the callback has returned.
    SENTRY_PROFILER_IN_CALLBACK = 5,
    /// The profiler that the session belongs to was freed.
    SENTRY_PROFILER_CLOSED = 6,
    /// V8 refused to start a recording.
    SENTRY_PROFILER_START_REFUSED = 7,
    /// The operating system could not create a thread.
    SENTRY_PROFILER_NO_THREAD = 8,
    /// Not everything was delivered in time.
    SENTRY_PROFILER_TIMEOUT = 9,
    /// A write callback returned something other than 0.
    SENTRY_PROFILER_WRITE_FAILED = 10,
    /// A bug in this library: the call panicked. Every later call on the handle returns this; only freeing it works.
    SENTRY_PROFILER_PANIC = 11,
    /// A failure without a number of its own in this version; the log callback receives its text.
    SENTRY_PROFILER_OTHER = 12,
    /// The handle was made before this process was forked from its parent. Here it can only be freed.
    SENTRY_PROFILER_FORKED = 13,
    /// Started while recording: nothing changed.
    SENTRY_PROFILER_ALREADY_RECORDING = 100,
    /// Stopped while not recording: nothing changed.
    SENTRY_PROFILER_NOT_RECORDING = 101,
    /// The session is not sampled: it never records.
    SENTRY_PROFILER_NOT_SAMPLED = 102,
    /// Spans start and stop this session: nothing changed.
    SENTRY_PROFILER_TRACE_LIFECYCLE = 103,
}

pub use sentry_profiler_status_t as Status;
use sentry_profiler_status_t::*;

/// The result of a call's work.
pub type Outcome = Result<(), Status>;

impl From<&Error> for Status {
    fn from(error: &Error) -> Self {
        match error {
            Error::Unsupported(_) => SENTRY_PROFILER_UNSUPPORTED_V8,
            Error::EmptyTitle | Error::InvalidOption { .. } => SENTRY_PROFILER_INVALID_ARGUMENT,
            Error::WrongThread => SENTRY_PROFILER_WRONG_THREAD,
            Error::Closed => SENTRY_PROFILER_CLOSED,
            Error::Reentrant => SENTRY_PROFILER_IN_CALLBACK,
            Error::StartRefused(_) | Error::StartFailed => SENTRY_PROFILER_START_REFUSED,
            Error::Thread(_) => SENTRY_PROFILER_NO_THREAD,
            Error::Forked => SENTRY_PROFILER_FORKED,
            _ => SENTRY_PROFILER_OTHER,
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

const MESSAGES: &[(Status, &CStr)] = &[
    (SENTRY_PROFILER_OK, c"success"),
    (SENTRY_PROFILER_NULL_ARGUMENT, c"a pointer that must not be NULL is NULL"),
    (SENTRY_PROFILER_INVALID_ARGUMENT, c"an argument is out of its range, empty, not UTF-8, or an unknown enumerator"),
    (SENTRY_PROFILER_UNSUPPORTED_V8, c"the V8 in this process cannot be profiled"),
    (SENTRY_PROFILER_WRONG_THREAD, c"the call must be made on the isolate's thread, with the isolate entered"),
    (SENTRY_PROFILER_IN_CALLBACK, c"the call was made from inside a callback of this library"),
    (SENTRY_PROFILER_CLOSED, c"the profiler was freed before this call"),
    (SENTRY_PROFILER_START_REFUSED, c"V8 refused to start a recording"),
    (SENTRY_PROFILER_NO_THREAD, c"the operating system could not create a thread"),
    (SENTRY_PROFILER_TIMEOUT, c"not everything was delivered in time"),
    (SENTRY_PROFILER_WRITE_FAILED, c"the write callback asked to stop"),
    (SENTRY_PROFILER_PANIC, c"a bug in libsentry_profiler: the call panicked, and the handle can only be freed"),
    (SENTRY_PROFILER_OTHER, c"a failure without a number of its own"),
    (SENTRY_PROFILER_FORKED, c"the handle was made by the process that this one was forked from"),
    (SENTRY_PROFILER_ALREADY_RECORDING, c"already recording"),
    (SENTRY_PROFILER_NOT_RECORDING, c"not recording"),
    (SENTRY_PROFILER_NOT_SAMPLED, c"the session is not sampled"),
    (SENTRY_PROFILER_TRACE_LIFECYCLE, c"spans start and stop this session"),
];

/// Describes a status in English, for logs.
///
/// Returns a NUL-terminated string, never NULL, also for a number that is not a status. It is static: do not free it.
/// Any thread, also inside callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_status_message(status: u32) -> *const c_char {
    let known = MESSAGES.iter().find(|(known, _)| *known as u32 == status);
    known.map_or(c"an unknown status", |(_, message)| message).as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_message_of_its_own() {
        let text = |status: u32| {
            // SAFETY: the message is a C string.
            unsafe { CStr::from_ptr(sentry_profiler_status_message(status)) }
        };
        let named: Vec<u32> = (0..1000).filter(|&status| text(status) != c"an unknown status").collect();
        assert_eq!(named, (0..=13).chain(100..=103).collect::<Vec<u32>>());
        let mut texts: Vec<_> = named.iter().map(|&status| text(status)).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), named.len());
    }

    #[test]
    fn errors_of_the_core_have_their_numbers() {
        for (error, status) in [
            (Error::EmptyTitle, SENTRY_PROFILER_INVALID_ARGUMENT),
            (Error::WrongThread, SENTRY_PROFILER_WRONG_THREAD),
            (Error::Closed, SENTRY_PROFILER_CLOSED),
            (Error::Reentrant, SENTRY_PROFILER_IN_CALLBACK),
            (Error::StartRefused(2), SENTRY_PROFILER_START_REFUSED),
            (Error::StartFailed, SENTRY_PROFILER_START_REFUSED),
            (Error::Thread(std::io::ErrorKind::OutOfMemory.into()), SENTRY_PROFILER_NO_THREAD),
            (Error::Forked, SENTRY_PROFILER_FORKED),
        ] {
            assert_eq!(Status::from(error), status);
        }
    }
}
