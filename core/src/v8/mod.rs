//! The only room that knows V8: its functions, and what may be called when and where.

#[doc(hidden)]
pub mod abi;
mod capture;
mod convention;
mod enums;
#[cfg(test)]
pub(crate) mod fake;
mod source;
mod tree;

use std::ffi::c_void;
use std::ptr::NonNull;

pub use self::abi::{Api, Resolver};
pub(crate) use self::source::V8;
pub use crate::error::Unsupported;

/// An isolate's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isolate(NonNull<abi::Isolate>);

// SAFETY: an address; every use that needs the isolate's thread, or the isolate alive, says so.
unsafe impl Send for Isolate {}

impl Isolate {
    fn new(isolate: NonNull<c_void>) -> Self {
        Self(isolate.cast())
    }

    /// The address of the `v8::Isolate`.
    pub fn address(self) -> NonNull<c_void> {
        self.0.cast()
    }

    /// The isolate that this thread has entered.
    pub fn current(api: &Api) -> Option<Self> {
        // SAFETY: may be called on any thread; V8 returns null where no isolate is entered.
        NonNull::new(unsafe { (api.isolate_try_get_current)() }).map(Self)
    }
}

/// Turns off the compaction of V8's code space, process-wide.
///
/// Node 22.0.0 to 22.23.2 can hang for ever when a garbage collection that compacts it begins inside a logged code
/// event.
pub fn disable_code_compaction(api: &Api) {
    let flag = c"--no-compact-code-space";
    // SAFETY: V8 copies the flags.
    unsafe { (api.set_flags)(flag.as_ptr(), flag.count_bytes()) }
}

/// Whether V8's sampling thread waits for a tick on a timer where sleeps are coarse. Before V8 12 (Node 22), and with
/// precise sampling, it runs in a loop until then, which takes a whole core.
fn has_fine_timer(version: &str) -> bool {
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_none_or(|major| major >= 12)
}

/// When V8 builds its map from addresses to functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoggingMode {
    /// When the profiler is made, which is best done early: 1 to 1.6 ms per MB of live heap on the isolate's thread.
    /// Starting is cheap from then on. While the map exists, V8 also adds each function that it compiles.
    #[default]
    Eager,
    /// When recording begins, on the isolate's thread. It is given back when nothing was recorded for a minute, and costs
    /// nothing until the next recording. Functions that V8 optimized in the middle of a loop before that are missing
    /// in it: their time counts for their callers.
    Lazy,
}

impl LoggingMode {
    /// As `SENTRY_PROFILER_LOGGING_MODE` and `profiler_logging_mode` have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eager => "eager",
            Self::Lazy => "lazy",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::has_fine_timer;

    #[test]
    fn old_versions_wait_in_a_loop() {
        for (version, right) in
            [("10.2.154.26-node.39", false), ("11.3.244.8-node.35", false), ("12.4.254.21-node.33", true), ("", true)]
        {
            assert_eq!(has_fine_timer(version), right, "{version}");
        }
    }
}
