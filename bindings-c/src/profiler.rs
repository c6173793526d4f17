//! `sentry_profiler_t`: the profiler of one isolate.

use std::ffi::{c_char, c_void};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;
use std::sync::Arc;

use sentry_profiler::{Profiler, ProfilerOptions};

use crate::arguments::name;
use crate::boundary::{Free, Out, Outcome, Owner, Reporter, boundary, given};
use crate::callback::{Gate, refuse_inside};
use crate::options::{Settings, checked, sentry_profiler_options_t};
use crate::profile::{new_id, sentry_profile_t};
use crate::status::Status;
use crate::status::sentry_profiler_status_t::{self, *};

/// `v8::Isolate`: that very type in C++, an opaque one in C.
pub struct sentry_profiler_isolate_t {
    _opaque: [u8; 0],
}

/// The profiler of one isolate. Belongs to the thread that made it.
pub struct sentry_profiler_t {
    owner: Owner,
    // The profiler's thread alone touches what follows.
    pub profiler: Profiler,
    pub settings: Arc<Settings>,
    profiler_id: String,
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
    // SAFETY: as the caller vouches. Another thread gets no further than the owner, which it may touch.
    let profiler = unsafe { profiler.as_ref() };
    profiler.owner.boundary(|| run(profiler))
}

impl sentry_profiler_t {
    pub fn reporter(&self) -> Reporter {
        self.reporter.clone()
    }
}

/// Makes the profiler of an isolate. Make it early and keep it, one for each isolate: with eager logging V8 walks the heap
/// here, 8 to 25 ms when it is small, and functions that it had optimized before may be missing from stacks. `options` may be NULL, for the defaults.
///
/// Returns OK, NULL_ARGUMENT, UNSUPPORTED_V8, WRONG_THREAD when the isolate is not entered on this thread, IN_CALLBACK,
/// START_REFUSED, or PANIC. The caller owns `*out`, for `sentry_profiler_free`, which must come before `Isolate::Dispose`;
/// it is NULL unless OK. To be called on the thread that runs the isolate, to which the profiler then belongs. No
/// `HandleScope` is needed, here and in all other calls.
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
        let settings = checked(options)?;
        let gate = Gate::open();
        let log = settings.logger(&gate);
        let reporter = Reporter::new(log.clone());
        let owner = Owner::current(reporter.clone());
        reporter.clone().guard(|| {
            let api = settings.api().map_err(|unsupported| reporter.status(unsupported.into()))?;
            let core = ProfilerOptions {
                logging: settings.logging,
                sampling_interval_us: settings.sampling_interval_us,
                max_samples: settings.max_samples,
                wake: settings.waker(&gate),
                log,
                api: Some(api),
                natives_share_name: false,
                before_start: None,
            };
            // SAFETY: as the caller vouches; the core checks the thread.
            let profiler = unsafe { Profiler::new(isolate, core) }.map_err(|error| reporter.status(error))?;
            let settings = Arc::new(settings);
            out.put(sentry_profiler_t { owner, profiler, settings, profiler_id: new_id(), reporter, gate });
            Ok(())
        })
    })
}

/// Begins a recording. Recordings may overlap, in any number, and each gets the samples of its own time. A recording that has
/// the title already is dropped and a new one begins.
///
/// Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT for a title that is empty or not UTF-8, WRONG_THREAD, IN_CALLBACK,
/// FORKED, UNSUPPORTED_V8, START_REFUSED, NO_THREAD, or PANIC. The title is copied. Isolate thread, isolate entered.
/// The first recording takes up to some milliseconds, with lazy logging more; others some microseconds.
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
        // SAFETY: as the caller vouches.
        let title = unsafe { name(title, len) }?;
        profiler.profiler.start_profiling(title).map_err(|error| profiler.reporter.status(error))
    };
    // SAFETY: as the caller vouches.
    unsafe { with(profiler, start) }
}

/// Ends a recording and hands out its profile.
///
/// Returns OK, NOT_RECORDING when no recording has the title, NULL_ARGUMENT, INVALID_ARGUMENT for a title that is
/// empty or not UTF-8, WRONG_THREAD, IN_CALLBACK, FORKED, UNSUPPORTED_V8 when what V8 recorded makes no sense, or
/// PANIC. The caller owns `*out`, for `sentry_profile_free`; it is NULL unless OK. Isolate thread, isolate entered.
/// Takes some milliseconds, whatever was recorded before the last seconds was merged already.
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
        // SAFETY: as the caller vouches.
        let title = unsafe { name(title, len) }?;
        let profile = profiler.profiler.stop_profiling(title).map_err(|error| profiler.reporter.status(error))?;
        let profile = profile.ok_or(SENTRY_PROFILER_NOT_RECORDING)?;
        let settings = profiler.settings.clone();
        out.put(sentry_profile_t::new(profile, &profiler.profiler_id, settings, profiler.reporter()));
        Ok(())
    };
    // SAFETY: as the caller vouches.
    unsafe { with(profiler, stop) }
}

/// Does what is due on the isolate's thread, for the profiler and all its sessions: closes what is full, frees what V8 holds.
/// While JavaScript runs nothing depends on it; to be called when the wake callback asks for it, and at any other time without
/// harm.
///
/// Returns OK, NULL_ARGUMENT, WRONG_THREAD, IN_CALLBACK, FORKED, or PANIC. Isolate thread, isolate entered. Takes at
/// most about a millisecond.
///
/// # Safety
/// `profiler` is NULL or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_poll(
    profiler: Option<NonNull<sentry_profiler_t>>,
) -> sentry_profiler_status_t {
    let poll = |profiler: &sentry_profiler_t| profiler.profiler.poll().map_err(|error| profiler.reporter.status(error));
    // SAFETY: as the caller vouches.
    unsafe { with(profiler, poll) }
}

/// Stops everything and frees a profiler. Recordings that run are dropped; sessions deliver what they have, for which
/// this waits `SENTRY_PROFILER_FREE_TIMEOUT_MS` at most, and their later calls answer CLOSED until they are freed,
/// before or after this. Must come before `Isolate::Dispose`. NULL is ignored.
///
/// Returns OK; TIMEOUT: the profiler is gone, and chunks that were not delivered in time are lost; WRONG_THREAD or
/// IN_CALLBACK: nothing was freed, call again where it is right; PANIC: the handle is gone all the same. Afterwards no
/// callback of the profiler or its sessions is called any more: those that are under way are waited for. Isolate
/// thread, also in destructors at the thread's or the program's end; the isolate need not be entered. In the child of
/// a `fork` V8's own profiler is not freed, because its sampling thread is missing there.
///
/// # Safety
/// `profiler` is NULL or alive; nobody uses it afterwards, unless nothing was freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_free(
    profiler: Option<NonNull<sentry_profiler_t>>,
) -> sentry_profiler_status_t {
    boundary(|| {
        let Some(profiler) = profiler else { return Ok(()) };
        // SAFETY: as the caller vouches.
        let free = unsafe { profiler.as_ref() }.owner.may_free()?;
        if let Free::Nothing = free {
            return Ok(());
        }
        // SAFETY: every handle comes from a box, and this is the last use of this one.
        let profiler = unsafe { Box::from_raw(profiler.as_ptr()) };
        // A panic leaks it: dropping it would dispose of it once more.
        let profiler = ManuallyDrop::new(profiler);
        let reporter = profiler.reporter.clone();
        reporter.guard(|| {
            let delivered = profiler.profiler.dispose();
            // The parent's callback may hold it.
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
    // SAFETY: as the caller vouches.
    unsafe { with(profiler, |_| panic!("as the test wishes")) }
}
