//! `sentry_profiler_support`: whether this V8 can be profiled.

use std::ffi::c_void;
use std::mem::MaybeUninit;

use crate::arguments::Out;
use crate::boundary::boundary;
use crate::buffer::sentry_profiler_buffer_t;
use crate::callback::{Callback, refuse_inside, sentry_profiler_symbol_resolver_t};
use crate::options::{sentry_profiler_options_t, set};
use crate::status::sentry_profiler_status_t;

/// Sets the callback that finds V8's functions when neither the linker nor the loader does. The default is none; a
/// NULL `callback` removes it. Read by `sentry_profiler_new` and `sentry_profiler_support`.
///
/// Returns OK, or NULL_ARGUMENT for NULL options. `user_data` must stay valid during those calls. Any thread, one
/// call on the options at a time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_set_symbol_resolver(
    options: Option<&mut sentry_profiler_options_t>,
    callback: sentry_profiler_symbol_resolver_t,
    user_data: *mut c_void,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        settings.resolver = Callback::new(callback, user_data);
        Ok(())
    })
}

/// Checks whether the V8 in this process can be profiled: it can if `*missing` is empty. `options` may be NULL;
/// otherwise their symbol resolver is used.
///
/// Returns OK, also for a V8 that is not supported; NULL_ARGUMENT; IN_CALLBACK. The caller owns both buffers and
/// frees them with `sentry_profiler_buffer_free`; both are NULL unless OK. `*version` is V8's own version, empty if
/// no V8 was found; `*missing` has the mangled names that were not found, one per line. Any thread. The first call
/// looks up every name, which takes some microseconds.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_support(
    options: Option<&sentry_profiler_options_t>,
    version: Option<&mut MaybeUninit<*mut sentry_profiler_buffer_t>>,
    missing: Option<&mut MaybeUninit<*mut sentry_profiler_buffer_t>>,
) -> sentry_profiler_status_t {
    boundary(|| {
        // Set both to NULL, even if one of them is missing.
        let (version, missing) = (Out::new(version), Out::new(missing));
        let (version, missing) = (version?, missing?);
        refuse_inside()?;
        let (found, lacks) = match sentry_profiler_options_t::settings(options).api() {
            Ok(api) => (api.version(), String::new()),
            Err(unsupported) => (unsupported.version.unwrap_or_default(), unsupported.missing.join("\n")),
        };
        version.put(found.into_bytes().into());
        missing.put(lacks.into_bytes().into());
        Ok(())
    })
}
