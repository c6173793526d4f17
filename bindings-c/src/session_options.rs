//! Setters of `sentry_profiler_options_t` for sessions only.

use std::ffi::c_void;
use std::time::Duration;

use sentry_profiler::{CHUNK_DURATION_RANGE, Lifecycle};

use crate::arguments::in_range;
use crate::callback::Callback;
use crate::chunk::sentry_profiler_chunk_callback_t;
use crate::options::{sentry_profiler_options_t, set};
use crate::status::sentry_profiler_status_t::{self, *};

/// What starts and stops a session: Sentry's `profileLifecycle`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum sentry_profiler_lifecycle_t {
    /// `sentry_profiler_session_start` and `sentry_profiler_session_stop`. The default.
    SENTRY_PROFILER_LIFECYCLE_MANUAL = 0,
    /// The session records while at least one span is active.
    SENTRY_PROFILER_LIFECYCLE_TRACE = 1,
}
use sentry_profiler_lifecycle_t::*;

/// Sets what starts and stops a session: a `sentry_profiler_lifecycle_t`, manual by default. Read by
/// `sentry_profiler_session_new`.
///
/// Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for an unknown enumerator. Any thread, one call on the options at a
/// time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_set_lifecycle(
    options: Option<&mut sentry_profiler_options_t>,
    lifecycle: u32,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        settings.lifecycle = match lifecycle {
            cycle if cycle == SENTRY_PROFILER_LIFECYCLE_MANUAL as u32 => Lifecycle::Manual,
            cycle if cycle == SENTRY_PROFILER_LIFECYCLE_TRACE as u32 => Lifecycle::Trace,
            _ => return Err(SENTRY_PROFILER_INVALID_ARGUMENT),
        };
        Ok(())
    })
}

/// Sets the share of sessions that profile at all, 0 to 1; 0 by default, like Sentry's `profileSessionSampleRate`.
/// Whether a session is sampled is decided once, in `sentry_profiler_session_new`.
///
/// Returns OK, NULL_ARGUMENT or INVALID_ARGUMENT. Any thread, one call on the options at a time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_set_session_sample_rate(
    options: Option<&mut sentry_profiler_options_t>,
    rate: f64,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        settings.session_sample_rate = in_range(rate, &(0.0..=1.0))?;
        Ok(())
    })
}

/// Sets the duration of a session's chunk in milliseconds, from `SENTRY_PROFILER_MIN_CHUNK_DURATION_MS` to
/// `SENTRY_PROFILER_MAX_CHUNK_DURATION_MS`, which is the default. Read by `sentry_profiler_session_new`.
///
/// Returns OK, NULL_ARGUMENT or INVALID_ARGUMENT. Any thread, one call on the options at a time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_set_chunk_duration_ms(
    options: Option<&mut sentry_profiler_options_t>,
    duration_ms: u32,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        settings.chunk_duration = in_range(Duration::from_millis(duration_ms.into()), &CHUNK_DURATION_RANGE)?;
        Ok(())
    })
}

/// Sets how long a chunk stays open for the next span after the last one has ended, in milliseconds;
/// `SENTRY_PROFILER_DEFAULT_QUIET_MS` by default. Read by `sentry_profiler_session_new`.
///
/// Returns OK or NULL_ARGUMENT. Any thread, one call on the options at a time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_set_quiet_ms(
    options: Option<&mut sentry_profiler_options_t>,
    quiet_ms: u32,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        settings.quiet = Duration::from_millis(quiet_ms.into());
        Ok(())
    })
}

/// Sets the callback that receives a session's finished chunks. The default is none; a NULL `callback` removes it.
/// Read by `sentry_profiler_session_new`, which requires one.
///
/// Returns OK, or NULL_ARGUMENT for NULL options. `user_data` must stay valid until `sentry_profiler_session_free` has
/// returned. Any thread, one call on the options at a time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_set_chunk_callback(
    options: Option<&mut sentry_profiler_options_t>,
    callback: sentry_profiler_chunk_callback_t,
    user_data: *mut c_void,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        settings.chunk = Callback::new(callback, user_data);
        Ok(())
    })
}
