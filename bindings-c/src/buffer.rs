//! `sentry_profiler_buffer_t`: bytes that the caller owns.

use std::ffi::c_char;

use crate::boundary::boundary;

/// Bytes that this library returned and the caller owns. Immutable.
pub struct sentry_profiler_buffer_t {
    /// With a NUL at the end that the length does not count.
    bytes: Vec<u8>,
}

impl From<Vec<u8>> for sentry_profiler_buffer_t {
    fn from(mut bytes: Vec<u8>) -> Self {
        bytes.push(0);
        Self { bytes }
    }
}

/// The bytes of a buffer. A NUL follows them, so that text can be printed; `sentry_profiler_buffer_len` does not
/// count it.
///
/// Returns NULL for NULL. The bytes belong to the buffer and are valid until it is freed. Any thread, also several at
/// once and inside callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_buffer_data(buffer: Option<&sentry_profiler_buffer_t>) -> *const c_char {
    buffer.map_or(std::ptr::null(), |buffer| buffer.bytes.as_ptr().cast())
}

/// The number of bytes in a buffer.
///
/// Returns 0 for NULL. Any thread, also several at once and inside callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_buffer_len(buffer: Option<&sentry_profiler_buffer_t>) -> usize {
    buffer.map_or(0, |buffer| buffer.bytes.len().saturating_sub(1))
}

/// Frees a buffer, including the bytes that `sentry_profiler_buffer_data` returned. NULL is ignored.
///
/// Any thread, also inside callbacks; nothing else may use the buffer at the same time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_buffer_free(buffer: Option<Box<sentry_profiler_buffer_t>>) {
    boundary(|| {
        drop(buffer);
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nul_is_there_and_not_counted() {
        let buffer = sentry_profiler_buffer_t::from(b"ab".to_vec());
        assert_eq!(sentry_profiler_buffer_len(Some(&buffer)), 2);
        // SAFETY: the buffer has three bytes.
        let bytes = unsafe { std::slice::from_raw_parts(sentry_profiler_buffer_data(Some(&buffer)).cast::<u8>(), 3) };
        assert_eq!(bytes, b"ab\0");
        assert_eq!(sentry_profiler_buffer_len(Some(&Vec::new().into())), 0);
    }
}
