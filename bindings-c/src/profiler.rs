//! `sentry_profiler_t`: the profiler of one isolate.

use std::ffi::{c_char, c_void};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;
use std::sync::Arc;

use sentry_profiler::sentry::Id;
use sentry_profiler::{Profiler, ProfilerOptions};

use crate::arguments::{Out, given, name};
use crate::boundary::{Free, Owner, Reporter, boundary};
use crate::callback::{Gate, refuse_inside};
use crate::options::sentry_profiler_options_t;
use crate::profile::sentry_profile_t;
use crate::settings::Settings;
use crate::status::sentry_profiler_status_t::{self, *};
use crate::status::{Outcome, Status};

/// `v8::Isolate` itself in C++, an opaque type in C.
pub struct sentry_profiler_isolate_t {
    _opaque: [u8; 0],
}

/// The profiler of one isolate. Belongs to the thread that made it.
pub struct sentry_profiler_t {
    owner: Owner,
    // Only the profiler's thread touches the fields below.
    pub profiler: Profiler,
    pub settings: Arc<Settings>,
    profiler_id: Id,
    reporter: Reporter,
    gate: Gate,
}

/// Runs a call on the profiler's own thread, outside of callbacks.
///
/// # Safety
/// The handle is NULL or alive.
pub unsafe fn with(
    profiler: Option<NonNull<sentry_profiler_t>>,
    run: impl FnOnce(&sentry_profiler_t) -> Outcome,
) -> Status {
    let Some(profiler) = profiler else { return SENTRY_PROFILER_NULL_ARGUMENT };
    // SAFETY: guaranteed by the caller. Another thread only touches the owner, which is safe.
    let profiler = unsafe { profiler.as_ref() };
    profiler.owner.boundary(|| run(profiler))
}

impl sentry_profiler_t {
    pub fn reporter(&self) -> Reporter {
        self.reporter.clone()
    }
}

/// Makes the profiler of an isolate. Make one per isolate, early, and keep it: with eager logging V8 walks the heap
/// here, which takes 8 to 25 ms for a small heap, and functions that V8 optimized before may be missing from stacks.
/// `options` may be NULL, for the defaults.
///
/// Returns OK, NULL_ARGUMENT, UNSUPPORTED_V8, WRONG_THREAD when the isolate is not entered on this thread,
/// IN_CALLBACK, START_REFUSED, or PANIC. The caller owns `*out` and frees it with `sentry_profiler_free`, before
/// `Isolate::Dispose`; it is NULL unless OK. Call it on the thread that runs the isolate, to which the profiler then
/// belongs. No call of this library needs a `HandleScope`.
///
/// # Safety
/// `isolate` is NULL or a live `v8::Isolate` of the V8 in this process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_new(
    isolate: Option<NonNull<sentry_profiler_isolate_t>>,
    options: Option<&sentry_profiler_options_t>,
    out: Option<&mut MaybeUninit<*mut sentry_profiler_t>>,
) -> sentry_profiler_status_t {
    boundary(|| {
        let out = Out::new(out)?;
        let isolate: NonNull<c_void> = given(isolate)?.cast();
        refuse_inside()?;
        let settings = sentry_profiler_options_t::checked(options)?;
        let gate = Gate::open();
        let log = settings.logger(&gate);
        let reporter = Reporter::new(log.clone());
        let owner = Owner::current(reporter.clone());
        reporter.clone().guard(|| {
            let api = settings.api().map_err(|unsupported| reporter.status(unsupported.into()))?;
            let mut core = ProfilerOptions::default();
            core.logging = settings.logging;
            core.sampling_interval_us = settings.sampling_interval_us;
            core.max_samples = settings.max_samples;
            core.wake = settings.waker(&gate);
            core.log = log;
            core.api = Some(api);
            // SAFETY: guaranteed by the caller; the core checks the thread.
            let profiler = unsafe { Profiler::new(isolate, core) }.map_err(|error| reporter.status(error))?;
            let settings = Arc::new(settings);
            out.put(sentry_profiler_t { owner, profiler, settings, profiler_id: Id::random(), reporter, gate });
            Ok(())
        })
    })
}

/// Starts a recording. Any number of recordings may overlap, and each receives the samples of its own time. If a
/// recording with the same title is running, it is dropped and a new one starts.
///
/// Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT for a title that is empty or not UTF-8, WRONG_THREAD, IN_CALLBACK,
/// FORKED, UNSUPPORTED_V8, START_REFUSED, NO_THREAD, or PANIC. The title is copied. Isolate thread, isolate entered.
/// The first recording takes up to a few milliseconds, with lazy logging perhaps the time to read the heap; others
/// take some microseconds.
///
/// # Safety
/// `profiler` is NULL or alive; `title` is NULL or the address of as many bytes as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_start_profiling(
    profiler: Option<NonNull<sentry_profiler_t>>,
    title: *const c_char,
    len: usize,
) -> sentry_profiler_status_t {
    let start = |profiler: &sentry_profiler_t| {
        // SAFETY: guaranteed by the caller.
        let title = unsafe { name(title, len) }?;
        profiler.profiler.start_profiling(title).map_err(|error| profiler.reporter.status(error))
    };
    // SAFETY: guaranteed by the caller.
    unsafe { with(profiler, start) }
}

/// Stops a recording and returns its profile.
///
/// Returns OK, NOT_RECORDING when no recording has the title, NULL_ARGUMENT, INVALID_ARGUMENT for a title that is
/// empty or not UTF-8, WRONG_THREAD, IN_CALLBACK, FORKED, UNSUPPORTED_V8 when what V8 recorded makes no sense, or
/// PANIC. The caller owns `*out` and frees it with `sentry_profile_free`; it is NULL unless OK. Isolate thread,
/// isolate entered. Takes a few milliseconds however long the recording is: all but its last seconds is merged
/// already.
///
/// # Safety
/// `profiler` is NULL or alive; `title` is NULL or the address of as many bytes as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_stop_profiling(
    profiler: Option<NonNull<sentry_profiler_t>>,
    title: *const c_char,
    len: usize,
    out: Option<&mut MaybeUninit<*mut sentry_profile_t>>,
) -> sentry_profiler_status_t {
    let out = Out::new(out);
    let stop = |profiler: &sentry_profiler_t| {
        let out = out?;
        // SAFETY: guaranteed by the caller.
        let title = unsafe { name(title, len) }?;
        let profile = profiler.profiler.stop_profiling(title).map_err(|error| profiler.reporter.status(error))?;
        let profile = profile.ok_or(SENTRY_PROFILER_NOT_RECORDING)?;
        let settings = profiler.settings.clone();
        out.put(sentry_profile_t::new(profile, profiler.profiler_id, settings, profiler.reporter()));
        Ok(())
    };
    // SAFETY: guaranteed by the caller.
    unsafe { with(profiler, stop) }
}

/// Does what is due on the isolate's thread, for the profiler and all its sessions: closes full chunks and frees what
/// V8 holds. Call it when the wake callback asks for it; at any other time it does no harm. While JavaScript runs,
/// nothing depends on it.
///
/// Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, or PANIC. Isolate thread, isolate entered. Takes at
/// most about one millisecond.
///
/// # Safety
/// `profiler` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_poll(
    profiler: Option<NonNull<sentry_profiler_t>>,
) -> sentry_profiler_status_t {
    let poll = |profiler: &sentry_profiler_t| profiler.profiler.poll().map_err(|error| profiler.reporter.status(error));
    // SAFETY: guaranteed by the caller.
    unsafe { with(profiler, poll) }
}

/// Stops everything and frees a profiler. Running recordings are dropped. Sessions deliver what they have, for which
/// this waits at most `SENTRY_PROFILER_FREE_TIMEOUT_MS`; their later calls return CLOSED. Sessions may be freed
/// before or after their profiler. Must come before `Isolate::Dispose`. NULL is ignored.
///
/// Returns OK; TIMEOUT: the profiler is freed, and chunks that were not delivered in time are lost; WRONG_THREAD or
/// IN_CALLBACK: nothing was freed, so call it again on the isolate's thread, outside of callbacks; PANIC: the handle
/// is gone nevertheless. After it returns, no callback of the profiler or its sessions is called any more: it waits
/// for those that are running. Isolate thread, also in destructors at the end of the thread or the program; the
/// isolate need not be entered. In the child of a `fork` V8's own profiler is not freed, because its sampling thread
/// does not exist there.
///
/// # Safety
/// `profiler` is NULL or alive; nobody uses it afterwards, unless nothing was freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_free(
    profiler: Option<NonNull<sentry_profiler_t>>,
) -> sentry_profiler_status_t {
    boundary(|| {
        let Some(profiler) = profiler else { return Ok(()) };
        // SAFETY: guaranteed by the caller.
        let free = unsafe { profiler.as_ref() }.owner.may_free()?;
        if let Free::Nothing = free {
            return Ok(());
        }
        // SAFETY: every handle comes from a box, and this is the last use of this one.
        let profiler = unsafe { Box::from_raw(profiler.as_ptr()) };
        // If it panics, leak it: dropping it would dispose of it a second time.
        let profiler = ManuallyDrop::new(profiler);
        let reporter = profiler.reporter.clone();
        reporter.guard(|| {
            let delivered = profiler.profiler.dispose();
            // In a child, the parent's callback may hold the gate's lock.
            if let Free::All = free {
                profiler.gate.close();
            }
            drop(ManuallyDrop::into_inner(profiler));
            if delivered { Ok(()) } else { Err(SENTRY_PROFILER_TIMEOUT) }
        })
    })
}

/// Panics inside a call on the profiler. In libraries built for tests only.
///
/// # Safety
/// `profiler` is NULL or alive.
#[cfg(feature = "test-panic")]
#[unsafe(no_mangle)]
#[allow(clippy::panic)]
pub unsafe extern "C" fn sentry_profiler_test_panic(
    profiler: Option<NonNull<sentry_profiler_t>>,
) -> sentry_profiler_status_t {
    // SAFETY: guaranteed by the caller.
    unsafe { with(profiler, |_| panic!("requested by the test")) }
}
