//! What a host hands in to be called.

use std::sync::Arc;

/// Asks the host to have [`Profiler::poll`](crate::Profiler::poll) called on the isolate's thread soon. Any thread.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// The severity of a log message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogLevel {
    /// What happens as it should.
    Debug,
    /// What costs data or needs a hand.
    Warning,
}

/// Receives messages, from any thread.
pub type Logger = Arc<dyn Fn(LogLevel, &str) + Send + Sync>;
