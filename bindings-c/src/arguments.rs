//! Checks arguments from C and writes outputs to C.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::ops::RangeInclusive;
use std::ptr::NonNull;

use crate::status::sentry_profiler_status_t::*;
use crate::status::{Outcome, Status};

/// A string given as pointer and length in bytes.
///
/// # Safety
/// `data` is NULL, or the address of `len` bytes that do not change during `'a`.
pub unsafe fn text<'a>(data: *const c_char, len: usize) -> Result<&'a str, Status> {
    if data.is_null() {
        return Err(SENTRY_PROFILER_NULL_ARGUMENT);
    }
    if len > isize::MAX as usize {
        return Err(SENTRY_PROFILER_INVALID_ARGUMENT);
    }
    // SAFETY: guaranteed by the caller; the length fits.
    let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) };
    std::str::from_utf8(bytes).map_err(|_| SENTRY_PROFILER_INVALID_ARGUMENT)
}

/// A string that must not be empty.
///
/// # Safety
/// As [`text`].
pub unsafe fn name<'a>(data: *const c_char, len: usize) -> Result<&'a str, Status> {
    // SAFETY: guaranteed by the caller.
    let text = unsafe { text(data, len) }?;
    if text.is_empty() { Err(SENTRY_PROFILER_INVALID_ARGUMENT) } else { Ok(text) }
}

/// A number that must lie in a range.
pub fn in_range<T: PartialOrd>(value: T, range: &RangeInclusive<T>) -> Result<T, Status> {
    if range.contains(&value) { Ok(value) } else { Err(SENTRY_PROFILER_INVALID_ARGUMENT) }
}

/// A string that must not be empty, as a copy.
pub fn not_empty(text: &str) -> Result<String, Status> {
    if text.is_empty() { Err(SENTRY_PROFILER_INVALID_ARGUMENT) } else { Ok(text.to_owned()) }
}

/// An argument that must not be NULL.
pub fn given<T>(argument: Option<T>) -> Result<T, Status> {
    argument.ok_or(SENTRY_PROFILER_NULL_ARGUMENT)
}

/// Where a new handle goes: NULL until there is one, so that freeing it is always safe.
pub struct Out<'a, T>(&'a mut MaybeUninit<*mut T>);

impl<'a, T> Out<'a, T> {
    pub fn new(out: Option<&'a mut MaybeUninit<*mut T>>) -> Result<Self, Status> {
        let out = given(out)?;
        out.write(std::ptr::null_mut());
        Ok(Self(out))
    }

    pub fn put(self, value: T) {
        self.0.write(Box::into_raw(Box::new(value)));
    }
}

/// A structure of which the caller and this library may know different versions. It begins with its own size, and
/// fields are only appended.
pub trait Versioned: Copy {
    /// Size of its first version without padding at the end. Frozen, because programs were built with it.
    const FIRST_VERSION: usize;
}

/// Fills the caller's structure, which may be of an older and shorter version, or a newer and longer one.
///
/// # Safety
/// `to` is a structure that begins with its own size, of that many bytes; so does `from`.
pub unsafe fn fill<T: Versioned>(to: Option<NonNull<T>>, from: &T) -> Outcome {
    let to = given(to)?;
    // SAFETY: guaranteed by the caller; the first field is the size.
    let size = unsafe { to.cast::<usize>().read() };
    if size < T::FIRST_VERSION || size > isize::MAX as usize {
        return Err(SENTRY_PROFILER_INVALID_ARGUMENT);
    }
    let field = size_of::<usize>();
    let count = size.min(size_of::<T>()) - field;
    // SAFETY: `count` bytes after the first field lie inside both.
    unsafe {
        std::ptr::copy_nonoverlapping(
            std::ptr::from_ref(from).cast::<u8>().add(field),
            to.cast::<u8>().as_ptr().add(field),
            count,
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This library's version of the structure. The first version ended with `one`.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Known {
        struct_size: usize,
        one: u64,
        appended: u64,
    }

    impl Versioned for Known {
        const FIRST_VERSION: usize = std::mem::offset_of!(Known, one) + size_of::<u64>();
    }

    const KNOWN: Known = Known { struct_size: size_of::<Known>(), one: 1, appended: 2 };

    #[test]
    fn callers_of_every_age_get_what_they_know() {
        // Bytes after the caller's structure stay unchanged.
        for (size, expected) in [(16, [16, 1, 7, 7]), (24, [24, 1, 2, 7]), (32, [32, 1, 2, 7])] {
            let mut theirs: [u64; 4] = [size, 7, 7, 7];
            // SAFETY: it has as many bytes as it says.
            let outcome = unsafe { fill(NonNull::new(theirs.as_mut_ptr().cast::<Known>()), &KNOWN) };
            assert_eq!((outcome, theirs), (Ok(()), expected));
        }
        for size in [0, 8, 15, u64::MAX] {
            let mut theirs: [u64; 4] = [size, 7, 7, 7];
            // SAFETY: it is refused before more than the size is touched.
            let outcome = unsafe { fill(NonNull::new(theirs.as_mut_ptr().cast::<Known>()), &KNOWN) };
            assert_eq!((outcome, theirs), (Err(SENTRY_PROFILER_INVALID_ARGUMENT), [size, 7, 7, 7]));
        }
    }
}
