//! `sentry_profiler_session_t`: continuous profiling.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_char;
use std::mem::{ManuallyDrop, MaybeUninit, offset_of};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use sentry_profiler::sentry::Id;
use sentry_profiler::{Error, Outcome as CoreOutcome, Session, SessionOptions};

use crate::arguments::{Out, Versioned, fill, given, name};
use crate::boundary::{Free, Owner, Reporter, boundary};
use crate::buffer::sentry_profiler_buffer_t;
use crate::callback::Gate;
use crate::chunk::sink;
use crate::options::sentry_profiler_options_t;
use crate::profiler::{self, sentry_profiler_t};
use crate::status::sentry_profiler_status_t::{self, *};
use crate::status::{Outcome, Status};
use crate::version::SENTRY_PROFILER_FREE_TIMEOUT_MS;

/// Continuous profiling: records an isolate chunk by chunk. Belongs to the thread of its profiler.
pub struct sentry_profiler_session_t {
    owner: Owner,
    // Only the session's thread touches the fields below.
    session: Session,
    debug_ids: RefCell<HashMap<String, String>>,
    reporter: Reporter,
    gate: Gate,
}

/// Counts of a session's chunks. Set `struct_size` to `sizeof(sentry_profiler_session_stats_t)` before the call; later
/// versions append fields.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sentry_profiler_session_stats_t {
    /// Size of this structure in bytes, as the caller knows it.
    pub struct_size: usize,
    /// Chunks that were passed to the chunk callback.
    pub delivered_chunk_count: u64,
    /// Samples in those chunks, without idle samples.
    pub delivered_sample_count: u64,
    /// Chunks dropped because they had fewer than `SENTRY_PROFILER_MIN_CHUNK_SAMPLE_COUNT` samples.
    pub dropped_too_short_count: u64,
    /// Chunks dropped because too many waited for the encoder, or because freeing stopped waiting for them.
    pub dropped_overflow_count: u64,
    /// Slices of the isolate's recording dropped because too many waited for the encoder.
    pub dropped_slice_count: u64,
}

impl Versioned for sentry_profiler_session_stats_t {
    const FIRST_VERSION: usize = offset_of!(Self, dropped_slice_count) + size_of::<u64>();
}

/// Runs a call on the session's own thread, outside of callbacks.
///
/// # Safety
/// The handle is NULL or alive.
unsafe fn with(
    session: Option<NonNull<sentry_profiler_session_t>>,
    run: impl FnOnce(&sentry_profiler_session_t) -> Outcome,
) -> Status {
    let Some(session) = session else { return SENTRY_PROFILER_NULL_ARGUMENT };
    // SAFETY: guaranteed by the caller. Another thread only touches the owner, which is safe.
    let session = unsafe { session.as_ref() };
    session.owner.boundary(|| run(session))
}

/// Runs a call of the core's session.
///
/// # Safety
/// As [`with`].
unsafe fn call(
    session: Option<NonNull<sentry_profiler_session_t>>,
    run: impl FnOnce(&Session) -> Result<Status, Error>,
) -> Status {
    let call = |handle: &sentry_profiler_session_t| match run(&handle.session) {
        Ok(SENTRY_PROFILER_OK) => Ok(()),
        Ok(status) => Err(status),
        Err(error) => Err(handle.reporter.status(error)),
    };
    // SAFETY: guaranteed by the caller.
    unsafe { with(session, call) }
}

fn status(outcome: CoreOutcome) -> Status {
    match outcome {
        CoreOutcome::Started | CoreOutcome::Stopped => SENTRY_PROFILER_OK,
        CoreOutcome::AlreadyRunning => SENTRY_PROFILER_ALREADY_RECORDING,
        CoreOutcome::NotRunning => SENTRY_PROFILER_NOT_RECORDING,
        CoreOutcome::NotSampled => SENTRY_PROFILER_NOT_SAMPLED,
        CoreOutcome::TraceLifecycle => SENTRY_PROFILER_TRACE_LIFECYCLE,
        CoreOutcome::NoThread => SENTRY_PROFILER_NO_THREAD,
    }
}

/// Makes a session on a profiler; nothing is recorded yet. `options` may be NULL, for those that the profiler was
/// made with; in both cases they need a chunk callback. Whether the session is sampled is decided here, once.
///
/// Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT without a chunk callback, WRONG_THREAD, IN_CALLBACK, FORKED,
/// UNSUPPORTED_V8, or PANIC. The caller owns `*out` and frees it with `sentry_profiler_session_free`; it is NULL
/// unless OK. Isolate thread, isolate entered.
///
/// # Safety
/// `profiler` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_session_new(
    profiler: Option<NonNull<sentry_profiler_t>>,
    options: Option<&sentry_profiler_options_t>,
    out: Option<&mut MaybeUninit<*mut sentry_profiler_session_t>>,
) -> sentry_profiler_status_t {
    let out = Out::new(out);
    let make = |handle: &sentry_profiler_t| {
        let out = out?;
        let settings = match options {
            Some(_) => Arc::new(sentry_profiler_options_t::checked(options)?),
            None => handle.settings.clone(),
        };
        let callback = settings.chunk.ok_or(SENTRY_PROFILER_INVALID_ARGUMENT)?;
        let gate = Gate::open();
        let metadata = &settings.metadata;
        let mut core = SessionOptions::new(sink(callback, metadata.clone(), gate.clone()));
        core.lifecycle = settings.lifecycle;
        core.sample_rate = settings.session_sample_rate;
        core.chunk_duration = settings.chunk_duration;
        core.quiet = settings.quiet;
        core.metadata = metadata.clone();
        core.metadata.profiler_id = Id::random();
        let reporter = handle.reporter();
        let session = handle.profiler.session(core).map_err(|error| reporter.status(error))?;
        let debug_ids = RefCell::new(HashMap::clone(&metadata.debug_ids));
        let owner = Owner::current(reporter.clone());
        out.put(sentry_profiler_session_t { owner, session, debug_ids, reporter, gate });
        Ok(())
    };
    // SAFETY: guaranteed by the caller.
    unsafe { profiler::with(profiler, make) }
}

/// Starts to record, in the manual lifecycle.
///
/// Returns OK, ALREADY_RECORDING, NOT_SAMPLED, TRACE_LIFECYCLE, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED,
/// CLOSED, UNSUPPORTED_V8, START_REFUSED, or PANIC; NO_THREAD: nothing is recorded yet, and until
/// `sentry_profiler_session_stop` later calls on the session and `sentry_profiler_poll` try again, at growing
/// intervals. Isolate thread, isolate entered. Takes up to a few milliseconds, with lazy logging
/// perhaps the time to read the heap.
///
/// # Safety
/// `session` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_session_start(
    session: Option<NonNull<sentry_profiler_session_t>>,
) -> sentry_profiler_status_t {
    // SAFETY: guaranteed by the caller.
    unsafe { call(session, |session| session.start().map(status)) }
}

/// Stops recording, in the manual lifecycle; the last chunk goes to the chunk callback.
///
/// Returns OK, NOT_RECORDING, NOT_SAMPLED, TRACE_LIFECYCLE, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, CLOSED,
/// UNSUPPORTED_V8, or PANIC. Isolate thread, isolate entered. Takes up to a few milliseconds; the chunk is encoded
/// on another thread.
///
/// # Safety
/// `session` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_session_stop(
    session: Option<NonNull<sentry_profiler_session_t>>,
) -> sentry_profiler_status_t {
    // SAFETY: guaranteed by the caller.
    unsafe { call(session, |session| session.stop().map(status)) }
}

/// Reports that a span has started. In the trace lifecycle the first active span starts recording; otherwise nothing
/// happens.
///
/// Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, CLOSED, UNSUPPORTED_V8, START_REFUSED, or PANIC.
/// If no thread can be created, it returns OK, logs one warning, and later calls try again at growing intervals.
/// Isolate thread, isolate entered. Takes some microseconds, or up to a few milliseconds after a pause.
///
/// # Safety
/// `session` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_session_span_started(
    session: Option<NonNull<sentry_profiler_session_t>>,
) -> sentry_profiler_status_t {
    // SAFETY: guaranteed by the caller.
    unsafe { call(session, |session| session.span_started().map(|()| SENTRY_PROFILER_OK)) }
}

/// Reports that a span has ended. In the trace lifecycle recording pauses when the last active span ends. A span that
/// was never started is ignored.
///
/// Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, CLOSED, UNSUPPORTED_V8, or PANIC. Isolate thread,
/// isolate entered. Takes some microseconds.
///
/// # Safety
/// `session` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_session_span_ended(
    session: Option<NonNull<sentry_profiler_session_t>>,
) -> sentry_profiler_status_t {
    // SAFETY: guaranteed by the caller.
    unsafe { call(session, |session| session.span_ended().map(|()| SENTRY_PROFILER_OK)) }
}

/// Closes the open chunk and waits, at most `timeout_ms` milliseconds, until every chunk so far has been passed to
/// the chunk callback. The session goes on.
///
/// Returns OK, TIMEOUT, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, CLOSED, UNSUPPORTED_V8, or PANIC. Isolate
/// thread, isolate entered.
///
/// # Safety
/// `session` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_session_flush(
    session: Option<NonNull<sentry_profiler_session_t>>,
    timeout_ms: u64,
) -> sentry_profiler_status_t {
    let flush = |session: &Session| {
        let delivered = session.flush(Duration::from_millis(timeout_ms))?;
        Ok(if delivered { SENTRY_PROFILER_OK } else { SENTRY_PROFILER_TIMEOUT })
    };
    // SAFETY: guaranteed by the caller.
    unsafe { call(session, flush) }
}

/// Adds the debug id of a file for chunks that are encoded from now on; see `sentry_profiler_options_add_debug_id`.
///
/// Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT for a string that is empty or not UTF-8, WRONG_THREAD, IN_CALLBACK,
/// FORKED, or PANIC. The strings are copied. Isolate thread.
///
/// # Safety
/// `session` is NULL or alive; `file` and `debug_id` are NULL or the addresses of as many bytes as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_session_add_debug_id(
    session: Option<NonNull<sentry_profiler_session_t>>,
    file: *const c_char,
    file_len: usize,
    debug_id: *const c_char,
    debug_id_len: usize,
) -> sentry_profiler_status_t {
    let add = |handle: &sentry_profiler_session_t| {
        // SAFETY: guaranteed by the caller.
        let (file, debug_id) = unsafe { (name(file, file_len)?, name(debug_id, debug_id_len)?) };
        let mut debug_ids = handle.debug_ids.borrow_mut();
        debug_ids.insert(file.to_owned(), debug_id.to_owned());
        handle.session.set_debug_ids(debug_ids.clone());
        Ok(())
    };
    // SAFETY: guaranteed by the caller.
    unsafe { with(session, add) }
}

/// The id that links events to the session's chunks: 32 lower-case hexadecimal digits, for
/// `contexts.profile.profiler_id`.
///
/// Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, or PANIC. The caller owns `*out` and frees it with
/// `sentry_profiler_buffer_free`; it is NULL unless OK. Isolate thread.
///
/// # Safety
/// `session` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_session_profiler_id(
    session: Option<NonNull<sentry_profiler_session_t>>,
    out: Option<&mut MaybeUninit<*mut sentry_profiler_buffer_t>>,
) -> sentry_profiler_status_t {
    let out = Out::new(out);
    // SAFETY: guaranteed by the caller.
    unsafe {
        with(session, |handle| {
            out?.put(handle.session.profiler_id().as_str().as_bytes().to_vec().into());
            Ok(())
        })
    }
}

/// Writes to `*out` whether the session is sampled; if not, it never records.
///
/// Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, or PANIC. `*out` is written only when OK. Isolate
/// thread.
///
/// # Safety
/// `session` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_session_is_sampled(
    session: Option<NonNull<sentry_profiler_session_t>>,
    out: Option<&mut MaybeUninit<bool>>,
) -> sentry_profiler_status_t {
    // SAFETY: guaranteed by the caller.
    unsafe {
        with(session, |handle| {
            given(out)?.write(handle.session.is_sampled());
            Ok(())
        })
    }
}

/// Writes to `*out` whether the session is recording now.
///
/// Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, or PANIC. `*out` is written only when OK. Isolate
/// thread.
///
/// # Safety
/// `session` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_session_is_recording(
    session: Option<NonNull<sentry_profiler_session_t>>,
    out: Option<&mut MaybeUninit<bool>>,
) -> sentry_profiler_status_t {
    // SAFETY: guaranteed by the caller.
    unsafe {
        with(session, |handle| {
            given(out)?.write(handle.session.is_recording());
            Ok(())
        })
    }
}

/// Counts the session's chunks so far; works also after the profiler was freed.
///
/// Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT when `stats->struct_size` is not set, WRONG_THREAD, IN_CALLBACK,
/// FORKED, or PANIC. The caller owns `stats`. Isolate thread.
///
/// # Safety
/// `session` is NULL or alive; `stats` is NULL or the address of `stats->struct_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_session_stats(
    session: Option<NonNull<sentry_profiler_session_t>>,
    stats: Option<NonNull<sentry_profiler_session_stats_t>>,
) -> sentry_profiler_status_t {
    let tell = |handle: &sentry_profiler_session_t| {
        let so_far = handle.session.stats();
        let all = sentry_profiler_session_stats_t {
            struct_size: size_of::<sentry_profiler_session_stats_t>(),
            delivered_chunk_count: so_far.delivered_chunks,
            delivered_sample_count: so_far.delivered_samples,
            dropped_too_short_count: so_far.dropped_too_short,
            dropped_overflow_count: so_far.dropped_overflow,
            dropped_slice_count: so_far.dropped_slices,
        };
        // SAFETY: guaranteed by the caller.
        unsafe { fill(stats, &all) }
    };
    // SAFETY: guaranteed by the caller.
    unsafe { with(session, tell) }
}

/// Stops and frees a session. Its last chunks go to the chunk callback first, for which this waits at most
/// `SENTRY_PROFILER_FREE_TIMEOUT_MS`. NULL is ignored.
///
/// Returns OK; TIMEOUT: the session is freed, and chunks that were not delivered in time are lost; WRONG_THREAD or
/// IN_CALLBACK: nothing was freed, so call it again on the isolate's thread, outside of callbacks; PANIC: the handle
/// is gone nevertheless. After it returns, the chunk callback is not called any more: it waits for a call that is
/// running. Isolate thread, before or after `sentry_profiler_free`, also in destructors at the end of the thread or
/// the program. The isolate need not be entered; but if it is not, and something else of the profiler records, the
/// end of the last chunk is lost and TIMEOUT is returned. In the child of a `fork` nothing is delivered.
///
/// # Safety
/// `session` is NULL or alive; nobody uses it afterwards, unless nothing was freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_session_free(
    session: Option<NonNull<sentry_profiler_session_t>>,
) -> sentry_profiler_status_t {
    boundary(|| {
        let Some(session) = session else { return Ok(()) };
        // SAFETY: guaranteed by the caller.
        let free = unsafe { session.as_ref() }.owner.may_free()?;
        if let Free::Nothing = free {
            return Ok(());
        }
        // SAFETY: every handle comes from a box, and this is the last use of this one.
        let session = unsafe { Box::from_raw(session.as_ptr()) };
        // If it panics, leak it: dropping it would close it a second time.
        let session = ManuallyDrop::new(session);
        let reporter = session.reporter.clone();
        reporter.guard(|| {
            let delivered = session.session.close(Duration::from_millis(SENTRY_PROFILER_FREE_TIMEOUT_MS.into()));
            // In a child, the parent's callback may hold the gate's lock.
            if let Free::All = free {
                session.gate.close();
            }
            drop(ManuallyDrop::into_inner(session));
            if delivered { Ok(()) } else { Err(SENTRY_PROFILER_TIMEOUT) }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn the_first_version_stays_as_it_was() {
        assert_eq!(sentry_profiler_session_stats_t::FIRST_VERSION, 48);
    }
}
