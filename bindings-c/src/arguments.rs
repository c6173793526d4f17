//! Checks of what comes from C.

use std::ffi::c_char;

use crate::status::Status;
use crate::status::sentry_profiler_status_t::*;

/// A string given as pointer and length in bytes.
///
/// # Safety
/// NULL, or the address of `len` bytes that stay as they are for `'a`.
pub unsafe fn text<'a>(data: *const c_char, len: usize) -> Result<&'a str, Status> {
    if data.is_null() {
        return Err(SENTRY_PROFILER_NULL_ARGUMENT);
    }
    if len > isize::MAX as usize {
        return Err(SENTRY_PROFILER_INVALID_ARGUMENT);
    }
    // SAFETY: as the caller vouches; the length fits.
    let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) };
    std::str::from_utf8(bytes).map_err(|_| SENTRY_PROFILER_INVALID_ARGUMENT)
}

/// A string that must not be empty.
///
/// # Safety
/// As [`text`].
pub unsafe fn name<'a>(data: *const c_char, len: usize) -> Result<&'a str, Status> {
    // SAFETY: as the caller vouches.
    let text = unsafe { text(data, len) }?;
    if text.is_empty() { Err(SENTRY_PROFILER_INVALID_ARGUMENT) } else { Ok(text) }
}
