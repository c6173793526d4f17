//! The values of options, and their translation for the core.

use std::ffi::{CStr, c_char, c_void};
use std::sync::Arc;
use std::time::Duration;

use sentry_profiler::sentry::Metadata;
use sentry_profiler::v8::{Api, LoggingMode, Unsupported};
use sentry_profiler::{
    DEFAULT_CHUNK_DURATION, DEFAULT_MAX_SAMPLES, DEFAULT_QUIET, DEFAULT_SAMPLING_INTERVAL_US, Lifecycle, LogLevel,
    Logger, Waker,
};

use crate::callback::sentry_profiler_log_level_t::{self, *};
use crate::callback::{Callback, Gate, enter};
use crate::chunk::ChunkCallback;

#[derive(Clone)]
pub struct Settings {
    pub logging: LoggingMode,
    pub sampling_interval_us: u32,
    pub max_samples: u32,
    pub lifecycle: Lifecycle,
    pub session_sample_rate: f64,
    pub chunk_duration: Duration,
    pub quiet: Duration,
    pub metadata: Metadata,
    pub chunk: Option<ChunkCallback>,
    pub log: Option<Callback<unsafe extern "C" fn(sentry_profiler_log_level_t, *const c_char, usize, *mut c_void)>>,
    pub wake: Option<Callback<unsafe extern "C" fn(*mut c_void)>>,
    pub resolver: Option<Callback<unsafe extern "C" fn(*const c_char, *mut c_void) -> *mut c_void>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            logging: LoggingMode::Eager,
            sampling_interval_us: DEFAULT_SAMPLING_INTERVAL_US,
            max_samples: DEFAULT_MAX_SAMPLES,
            lifecycle: Lifecycle::Manual,
            session_sample_rate: 0.0,
            chunk_duration: DEFAULT_CHUNK_DURATION,
            quiet: DEFAULT_QUIET,
            metadata: Metadata::default(),
            chunk: None,
            log: None,
            wake: None,
            resolver: None,
        }
    }
}

impl Settings {
    /// V8's functions, including those that only the host's resolver finds.
    pub fn api(&self) -> Result<Arc<Api>, Unsupported> {
        let Some(resolver) = self.resolver else { return Api::get() };
        let resolve = |name: &CStr| {
            // SAFETY: the host guarantees that its function and data are valid.
            enter(|| unsafe { (resolver.function)(name.as_ptr(), resolver.user_data) }).cast_const()
        };
        // SAFETY: the host guarantees that the resolver returns V8's functions.
        unsafe { Api::resolve(&resolve) }
    }

    pub fn logger(&self, gate: &Gate) -> Option<Logger> {
        let (log, gate) = (self.log?, gate.clone());
        Some(Arc::new(move |level, message| {
            let log = &log;
            let level = match level {
                LogLevel::Debug => SENTRY_PROFILER_LOG_DEBUG,
                _ => SENTRY_PROFILER_LOG_WARNING,
            };
            let text = [message.as_bytes(), b"\0"].concat();
            // SAFETY: the host guarantees that its function and data are valid until the gate is closed.
            gate.pass(|| unsafe { (log.function)(level, text.as_ptr().cast(), message.len(), log.user_data) });
        }))
    }

    pub fn waker(&self, gate: &Gate) -> Option<Waker> {
        let (wake, gate) = (self.wake?, gate.clone());
        Some(Arc::new(move || {
            let wake = &wake;
            // SAFETY: the host guarantees that its function and data are valid until the gate is closed.
            gate.pass(|| unsafe { (wake.function)(wake.user_data) });
        }))
    }
}
