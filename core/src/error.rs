//! The one error type.

use crate::v8::Unsupported;

/// Why a call failed. Nothing is recorded by a call that fails, and what was recording before goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The V8 in this process cannot be profiled; the message lists what is missing.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// A recording's title is empty.
    #[error("a recording's title must not be empty")]
    EmptyTitle,
    /// An option is out of its range.
    #[error("{option} must be {expected}, not {got}")]
    InvalidOption {
        /// The option's name.
        option: &'static str,
        /// What would be right.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// The call was made away from the isolate's thread, or without the isolate entered.
    #[error("this call must be made on the isolate's own thread, with the isolate entered")]
    WrongThread,
    /// The profiler was disposed of, or the session closed.
    #[error("the profiler was freed, or the session closed, before this call")]
    Closed,
    /// The call was made from inside a callback of the same profiler.
    #[error("this call was made from inside a callback of the same profiler; make it after the callback has returned")]
    Reentrant,
    /// The profiler was made by the process that this one was forked from.
    #[error("the profiler belongs to the process that this one was forked from")]
    Forked,
    /// V8 refused to start.
    #[error("V8 refused to start a recording (status {0})")]
    StartRefused(i32),
    /// The operating system gave no thread.
    #[error("cannot start the profiler's thread: {0}")]
    Thread(#[from] std::io::Error),
}
