//! Versions and limits.

use std::ffi::c_char;

use sentry_profiler as core;

/// The version of the binary interface, which is the number in the shared library's name. It changes only when a
/// program that was linked against an older library could break.
pub const SENTRY_PROFILER_ABI_VERSION: u32 = 1;

/// The default sampling interval: 99 Hz, so that samples do not run in lockstep with what happens 100 times a second.
pub const SENTRY_PROFILER_DEFAULT_SAMPLING_INTERVAL_US: u32 = 10_101;
/// The shortest sampling interval.
pub const SENTRY_PROFILER_MIN_SAMPLING_INTERVAL_US: u32 = 100;
/// The longest sampling interval.
pub const SENTRY_PROFILER_MAX_SAMPLING_INTERVAL_US: u32 = 1_000_000;
/// How many samples a named recording keeps by default.
pub const SENTRY_PROFILER_DEFAULT_MAX_SAMPLE_COUNT: u32 = 500_000;
/// The longest duration of a session's chunk, which is the default.
pub const SENTRY_PROFILER_MAX_CHUNK_DURATION_MS: u32 = 60_000;
/// The shortest duration of a session's chunk.
pub const SENTRY_PROFILER_MIN_CHUNK_DURATION_MS: u32 = 100;
/// How long a chunk stays open for the next span by default.
pub const SENTRY_PROFILER_DEFAULT_QUIET_MS: u32 = 1_000;
/// A chunk with fewer samples is dropped.
pub const SENTRY_PROFILER_MIN_CHUNK_SAMPLE_COUNT: u32 = 2;
/// How long freeing a session or a profiler waits, at most, until the last chunks are delivered.
pub const SENTRY_PROFILER_FREE_TIMEOUT_MS: u32 = 5_000;
/// The stack size of this library's own threads, on which wake, chunk and most log callbacks run.
pub const SENTRY_PROFILER_CALLBACK_STACK_BYTES: usize = 2_097_152;

// cbindgen prints literals only, so check here that they equal the core's constants.
const _: () = {
    assert!(SENTRY_PROFILER_DEFAULT_SAMPLING_INTERVAL_US == core::DEFAULT_SAMPLING_INTERVAL_US);
    assert!(SENTRY_PROFILER_MIN_SAMPLING_INTERVAL_US == *core::SAMPLING_INTERVAL_RANGE_US.start());
    assert!(SENTRY_PROFILER_MAX_SAMPLING_INTERVAL_US == *core::SAMPLING_INTERVAL_RANGE_US.end());
    assert!(SENTRY_PROFILER_DEFAULT_MAX_SAMPLE_COUNT == core::DEFAULT_MAX_SAMPLES);
    assert!(SENTRY_PROFILER_MAX_CHUNK_DURATION_MS as u128 == core::DEFAULT_CHUNK_DURATION.as_millis());
    assert!(SENTRY_PROFILER_MAX_CHUNK_DURATION_MS as u128 == core::CHUNK_DURATION_RANGE.end().as_millis());
    assert!(SENTRY_PROFILER_MIN_CHUNK_DURATION_MS as u128 == core::CHUNK_DURATION_RANGE.start().as_millis());
    assert!(SENTRY_PROFILER_DEFAULT_QUIET_MS as u128 == core::DEFAULT_QUIET.as_millis());
    assert!(SENTRY_PROFILER_FREE_TIMEOUT_MS as u128 == core::DISPOSE_TIMEOUT.as_millis());
    assert!(SENTRY_PROFILER_CALLBACK_STACK_BYTES == core::THREAD_STACK_BYTES);
    assert!(SENTRY_PROFILER_MIN_CHUNK_SAMPLE_COUNT as usize == core::MIN_SAMPLES);
};

/// The library's version, such as `0.1.0`.
///
/// Returns a NUL-terminated string, never NULL. It is static: do not free it. Any thread, also inside callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The version of the loaded library's binary interface. A host that loads the library by hand compares it with
/// `SENTRY_PROFILER_ABI_VERSION`.
///
/// Any thread, also inside callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_abi_version() -> u32 {
    SENTRY_PROFILER_ABI_VERSION
}
