//! `sentry_profiler_options_t`: how profilers, sessions and encoders behave.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::sync::Arc;

use sentry_profiler::SAMPLING_INTERVAL_RANGE_US;
use sentry_profiler::sentry::Thread;
use sentry_profiler::v8::LoggingMode;

use crate::arguments::{Out, in_range, name, not_empty, text};
use crate::boundary::{Poison, boundary};
use crate::callback::{Callback, sentry_profiler_log_callback_t, sentry_profiler_wake_callback_t};
use crate::settings::Settings;
use crate::status::sentry_profiler_status_t::{self, *};
use crate::status::{Outcome, Status};

/// When V8 builds its map from addresses to functions.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum sentry_profiler_logging_t {
    /// Once, in `sentry_profiler_new`, after which every start is cheap: 1 to 1.6 ms per MB of live heap on the isolate's
    /// thread. V8 then also adds each function that it compiles. The default.
    SENTRY_PROFILER_LOGGING_EAGER = 0,
    /// When recording begins, which then takes as long as that. The map is given back when nothing was recorded for a
    /// minute, and costs nothing until the next recording. Functions that V8 optimized in the middle of a loop before
    /// that are missing in it: their time counts for their callers.
    SENTRY_PROFILER_LOGGING_LAZY = 1,
}
use sentry_profiler_logging_t::*;

/// How profilers, sessions and encoders behave. Functions that read options copy them: they may be changed or freed
/// right afterwards.
pub struct sentry_profiler_options_t {
    poison: Poison,
    settings: Settings,
}

impl sentry_profiler_options_t {
    /// The settings, or the defaults if there are no options.
    pub fn settings(options: Option<&Self>) -> Settings {
        options.map_or_else(Settings::default, |options| options.settings.clone())
    }

    /// The same, but fails if a call on the options has panicked.
    pub fn checked(options: Option<&Self>) -> Result<Settings, Status> {
        let poisoned = options.is_some_and(|options| options.poison.boundary(|| Ok(())) != SENTRY_PROFILER_OK);
        if poisoned { Err(SENTRY_PROFILER_PANIC) } else { Ok(Self::settings(options)) }
    }
}

/// Changes options.
pub fn set(options: Option<&mut sentry_profiler_options_t>, change: impl FnOnce(&mut Settings) -> Outcome) -> Status {
    let Some(sentry_profiler_options_t { poison, settings }) = options else { return SENTRY_PROFILER_NULL_ARGUMENT };
    poison.boundary(|| change(settings))
}

fn set_text(
    options: Option<&mut sentry_profiler_options_t>,
    data: *const c_char,
    len: usize,
    change: impl FnOnce(&mut Settings, &str) -> Outcome,
) -> Status {
    set(options, |settings| {
        // SAFETY: the host guarantees that pointer and length are valid.
        let text = unsafe { text(data, len) }?;
        change(settings, text)
    })
}

/// Makes options, all of which have their defaults.
///
/// Returns OK or NULL_ARGUMENT. The caller owns `*out` and frees it with `sentry_profiler_options_free`; it is NULL
/// unless OK. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_new(
    out: Option<&mut MaybeUninit<*mut sentry_profiler_options_t>>,
) -> sentry_profiler_status_t {
    boundary(|| {
        let out = Out::new(out)?;
        out.put(sentry_profiler_options_t { poison: Poison::default(), settings: Settings::default() });
        Ok(())
    })
}

/// Frees options; what was made with them stays as it is. NULL is ignored.
///
/// Any thread; nothing else may use the options at the same time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_free(options: Option<Box<sentry_profiler_options_t>>) {
    boundary(|| {
        drop(options);
        Ok(())
    });
}

/// Sets when V8 builds its map of the program: a `sentry_profiler_logging_t`, eager by default. Read by
/// `sentry_profiler_new`.
///
/// Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for an unknown enumerator. Any thread, one call on the options at a
/// time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_set_logging(
    options: Option<&mut sentry_profiler_options_t>,
    logging: u32,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        settings.logging = match logging {
            mode if mode == SENTRY_PROFILER_LOGGING_EAGER as u32 => LoggingMode::Eager,
            mode if mode == SENTRY_PROFILER_LOGGING_LAZY as u32 => LoggingMode::Lazy,
            _ => return Err(SENTRY_PROFILER_INVALID_ARGUMENT),
        };
        Ok(())
    })
}

/// Sets the time between two samples in microseconds, from `SENTRY_PROFILER_MIN_SAMPLING_INTERVAL_US` to
/// `SENTRY_PROFILER_MAX_SAMPLING_INTERVAL_US`; `SENTRY_PROFILER_DEFAULT_SAMPLING_INTERVAL_US` by default. All
/// recordings and sessions of a profiler share it. Read by `sentry_profiler_new`.
///
/// Returns OK, NULL_ARGUMENT or INVALID_ARGUMENT. Any thread, one call on the options at a time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_set_sampling_interval_us(
    options: Option<&mut sentry_profiler_options_t>,
    interval_us: u32,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        settings.sampling_interval_us = in_range(interval_us, &SAMPLING_INTERVAL_RANGE_US)?;
        Ok(())
    })
}

/// Sets how many samples a named recording keeps, 2 or more; later samples are counted as dropped. Read by
/// `sentry_profiler_new`.
///
/// Returns OK, NULL_ARGUMENT or INVALID_ARGUMENT. Any thread, one call on the options at a time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_set_max_sample_count(
    options: Option<&mut sentry_profiler_options_t>,
    sample_count: u32,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        settings.max_samples = in_range(sample_count, &(2..=u32::MAX))?;
        Ok(())
    })
}

/// Sets the isolate's thread as Sentry shows it: its id, a number in decimal digits (`0`, the main thread, by
/// default), and its name (`main` by default). Read by sessions and encoders.
///
/// Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for an empty id or a string that is not UTF-8. The strings are
/// copied. Any thread, one call on the options at a time.
///
/// # Safety
/// `id` and `name` are NULL or the addresses of as many bytes as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_options_set_thread(
    options: Option<&mut sentry_profiler_options_t>,
    id: *const c_char,
    id_len: usize,
    name: *const c_char,
    name_len: usize,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        // SAFETY: the host guarantees that both are valid.
        let (id, name) = unsafe { (text(id, id_len)?, text(name, name_len)?) };
        settings.metadata.thread = Thread { id: not_empty(id)?, name: name.to_owned() };
        Ok(())
    })
}

/// Sets the program's release; an empty string, the default, leaves it out. Read by sessions and encoders.
///
/// Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for a string that is not UTF-8. The string is copied. Any thread,
/// one call on the options at a time.
///
/// # Safety
/// `release` is NULL or the address of as many bytes as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_options_set_release(
    options: Option<&mut sentry_profiler_options_t>,
    release: *const c_char,
    len: usize,
) -> sentry_profiler_status_t {
    set_text(options, release, len, |settings, text| {
        settings.metadata.release = not_empty(text).ok();
        Ok(())
    })
}

/// Sets the environment the program runs in; an empty string, the default, leaves it out. Read by sessions and
/// encoders.
///
/// Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for a string that is not UTF-8. The string is copied. Any thread,
/// one call on the options at a time.
///
/// # Safety
/// `environment` is NULL or the address of as many bytes as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_options_set_environment(
    options: Option<&mut sentry_profiler_options_t>,
    environment: *const c_char,
    len: usize,
) -> sentry_profiler_status_t {
    set_text(options, environment, len, |settings, text| {
        settings.metadata.environment = not_empty(text).ok();
        Ok(())
    })
}

/// Sets the name and version of the SDK that sends the chunks; this library's by default. Read by sessions and
/// encoders.
///
/// Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for a string that is empty or not UTF-8. The strings are copied.
/// Any thread, one call on the options at a time.
///
/// # Safety
/// `name` and `version` are NULL or the addresses of as many bytes as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_options_set_sdk(
    options: Option<&mut sentry_profiler_options_t>,
    name: *const c_char,
    name_len: usize,
    version: *const c_char,
    version_len: usize,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        // SAFETY: the host guarantees that both are valid.
        let (name, version) = unsafe { (text(name, name_len)?, text(version, version_len)?) };
        let (name, version) = (not_empty(name)?, not_empty(version)?);
        (settings.metadata.sdk_name, settings.metadata.sdk_version) = (name, version);
        Ok(())
    })
}

/// Sets Sentry's platform; `node` by default, from which Sentry accepts JavaScript profiles. Read by sessions and
/// encoders.
///
/// Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for a string that is empty or not UTF-8. The string is copied. Any
/// thread, one call on the options at a time.
///
/// # Safety
/// `platform` is NULL or the address of as many bytes as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_options_set_platform(
    options: Option<&mut sentry_profiler_options_t>,
    platform: *const c_char,
    len: usize,
) -> sentry_profiler_status_t {
    set_text(options, platform, len, |settings, text| {
        settings.metadata.platform = not_empty(text)?;
        Ok(())
    })
}

/// Adds the debug id of a file, by which Sentry finds its source map. `file` is the script's name as V8 knows it; for
/// a `file://` URL it is the plain path. Read by sessions and encoders.
///
/// Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for a string that is empty or not UTF-8. The strings are copied.
/// Any thread, one call on the options at a time.
///
/// # Safety
/// `file` and `debug_id` are NULL or the addresses of as many bytes as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profiler_options_add_debug_id(
    options: Option<&mut sentry_profiler_options_t>,
    file: *const c_char,
    file_len: usize,
    debug_id: *const c_char,
    debug_id_len: usize,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        // SAFETY: the host guarantees that both are valid.
        let (file, debug_id) = unsafe { (name(file, file_len)?, name(debug_id, debug_id_len)?) };
        Arc::make_mut(&mut settings.metadata.debug_ids).insert(file.to_owned(), debug_id.to_owned());
        Ok(())
    })
}

/// Sets the callback that receives log messages, including the reasons why calls failed. The default is none; a NULL
/// `callback` removes it. Read by `sentry_profiler_new`.
///
/// Returns OK, or NULL_ARGUMENT for NULL options. `user_data` must stay valid until `sentry_profiler_free` has
/// returned. Any thread, one call on the options at a time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_set_log_callback(
    options: Option<&mut sentry_profiler_options_t>,
    callback: sentry_profiler_log_callback_t,
    user_data: *mut c_void,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        settings.log = Callback::new(callback, user_data);
        Ok(())
    })
}

/// Sets the callback that asks for `sentry_profiler_poll` while the isolate is idle. The default is none; a NULL
/// `callback` removes it. Without one, an idle isolate closes its chunk only when it runs JavaScript again. Read by
/// `sentry_profiler_new`.
///
/// Returns OK, or NULL_ARGUMENT for NULL options. `user_data` must stay valid until `sentry_profiler_free` has
/// returned. Any thread, one call on the options at a time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_set_wake_callback(
    options: Option<&mut sentry_profiler_options_t>,
    callback: sentry_profiler_wake_callback_t,
    user_data: *mut c_void,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        settings.wake = Callback::new(callback, user_data);
        Ok(())
    })
}
