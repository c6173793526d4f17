//! The one error type.

/// Why a call failed. A failed call does not affect recordings that are running.
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
        /// What the value must be.
        expected: &'static str,
        /// The given value.
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
    /// V8 could not allocate what a recording needs.
    #[error("V8 could not make what a recording needs: is it out of memory?")]
    StartFailed,
    /// A journal cannot be written.
    #[error("cannot write {}: {error}", file.display())]
    Journal {
        /// The journal's file.
        file: std::path::PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The operating system could not create a thread.
    #[error("cannot start the profiler's thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// The V8 of this process lacks what a profiler needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.describe())]
pub struct Unsupported {
    /// V8's own version; `None` if no V8 was found.
    pub version: Option<String>,
    /// The mangled names that were not found.
    pub missing: Vec<&'static str>,
    /// What is wrong with the first profile, if every name was found.
    pub canary: Option<String>,
}

impl Unsupported {
    fn describe(&self) -> String {
        match (&self.version, &self.canary) {
            (Some(version), Some(canary)) => {
                format!("unsupported V8 {version}: its first profile makes no sense ({canary})")
            }
            (Some(version), None) => {
                format!("unsupported V8 {version}: it does not export {}", self.missing.join(", "))
            }
            (None, _) => "no V8 in reach: the process exports no v8::V8::GetVersion; profiling needs V8 10.2 or later \
                          with its C++ symbols visible to this library"
                .to_owned(),
        }
    }
}
