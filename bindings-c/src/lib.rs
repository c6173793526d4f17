//! The C ABI of libsentry_profiler. `include/sentry_profiler.h` is generated from these sources by `tests/header.rs`,
//! and the comments here are the header's: Rust items carry their C names, so that one search finds both sides.
//!
//! A function's work goes through [`boundary`], which turns a panic into a status. Functions of handles that belong
//! to a thread take plain pointers, not references, because calls that they refuse (from another thread, from inside
//! a callback) may come during another call. Everything that such a call touches is immutable or atomic.

#![allow(non_camel_case_types)]
#![cfg_attr(
    not(test),
    deny(
        clippy::panic,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing
    )
)]

// In the order of the header. Blank lines keep rustfmt from sorting them.
mod version;

mod status;

mod callback;

mod options;

mod support;

mod profiler;

mod profile;

mod session_options;

mod chunk;

mod session;

mod buffer;

// Not in the header.
mod arguments;
mod boundary;
mod settings;
