//! Callbacks of the host.

use std::sync::Arc;

/// Asks the host to call [`Profiler::poll`](crate::Profiler::poll) on the isolate's thread soon. Any thread.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// The severity of a log message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogLevel {
    /// Normal operation.
    Debug,
    /// Something that loses data or needs attention.
    Warning,
}

/// Receives log messages on any thread.
pub type Logger = Arc<dyn Fn(LogLevel, &str) + Send + Sync>;
