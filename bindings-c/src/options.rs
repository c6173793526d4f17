//! `sentry_profiler_options_t`: what profilers, sessions and encoders are told.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use sentry_profiler::encode::envelope::EnvelopeHeader;
use sentry_profiler::encode::{ChunkMeta, Thread};
use sentry_profiler::v8::{Api, LoggingMode, Unsupported};
use sentry_profiler::{
    CHUNK_DURATION_RANGE, DEFAULT_CHUNK_DURATION, DEFAULT_MAX_SAMPLES, DEFAULT_QUIET, DEFAULT_SAMPLING_INTERVAL_US,
    Lifecycle, LogLevel, Logger, SAMPLING_INTERVAL_RANGE_US, Waker,
};

use crate::arguments::{name, text};
use crate::boundary::{Out, Outcome, Poison, boundary};
use crate::buffer::sentry_profiler_buffer_t;
use crate::callback::sentry_profiler_log_level_t::*;
use crate::callback::{
    Callback, Gate, enter, refuse_inside, sentry_profiler_chunk_callback_t, sentry_profiler_chunk_t,
    sentry_profiler_log_callback_t, sentry_profiler_log_level_t, sentry_profiler_symbol_resolver_t,
    sentry_profiler_wake_callback_t,
};
use crate::status::Status;
use crate::status::sentry_profiler_status_t::{self, *};

/// When V8 builds its map from addresses to functions.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum sentry_profiler_logging_t {
    /// Once, in `sentry_profiler_new`; starting is cheap from then on. The default.
    SENTRY_PROFILER_LOGGING_EAGER = 0,
    /// Each time that recording begins, which takes 1 to 1.6 ms per MB of live heap on the isolate's thread.
    SENTRY_PROFILER_LOGGING_LAZY = 1,
}
use sentry_profiler_logging_t::*;

/// What starts and stops a session: Sentry's `profileLifecycle`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum sentry_profiler_lifecycle_t {
    /// `sentry_profiler_session_start` and `sentry_profiler_session_stop`. The default.
    SENTRY_PROFILER_LIFECYCLE_MANUAL = 0,
    /// It records while at least one span is active.
    SENTRY_PROFILER_LIFECYCLE_TRACE = 1,
}
use sentry_profiler_lifecycle_t::*;

/// How profilers, sessions and encoders behave. What reads options copies them: they may be changed or freed right afterwards.
pub struct sentry_profiler_options_t {
    poison: Poison,
    pub settings: Settings,
}

#[derive(Clone)]
pub struct Settings {
    pub logging: LoggingMode,
    pub sampling_interval_us: u32,
    pub max_samples: u32,
    pub lifecycle: Lifecycle,
    pub session_sample_rate: f64,
    pub chunk_duration: Duration,
    pub quiet: Duration,
    pub metadata: Metadata,
    pub chunk: Option<Callback<unsafe extern "C" fn(*const sentry_profiler_chunk_t, *mut c_void)>>,
    log: Option<Callback<unsafe extern "C" fn(sentry_profiler_log_level_t, *const c_char, usize, *mut c_void)>>,
    wake: Option<Callback<unsafe extern "C" fn(*mut c_void)>>,
    resolver: Option<Callback<unsafe extern "C" fn(*const c_char, *mut c_void) -> *mut c_void>>,
}

/// What of a chunk is not sampled.
#[derive(Clone, Debug)]
pub struct Metadata {
    pub thread: Thread,
    pub sdk_name: String,
    pub sdk_version: String,
    pub release: Option<String>,
    pub environment: Option<String>,
    pub platform: String,
    pub debug_ids: HashMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            logging: LoggingMode::Eager,
            sampling_interval_us: DEFAULT_SAMPLING_INTERVAL_US,
            max_samples: DEFAULT_MAX_SAMPLES,
            lifecycle: Lifecycle::Manual,
            session_sample_rate: 0.0,
            chunk_duration: DEFAULT_CHUNK_DURATION,
            quiet: DEFAULT_QUIET,
            metadata: Metadata {
                thread: Thread::default(),
                sdk_name: "sentry.libsentry_profiler".to_owned(),
                sdk_version: env!("CARGO_PKG_VERSION").to_owned(),
                release: None,
                environment: None,
                platform: "node".to_owned(),
                debug_ids: HashMap::new(),
            },
            chunk: None,
            log: None,
            wake: None,
            resolver: None,
        }
    }
}

impl Settings {
    /// The options given, or the defaults.
    pub fn of(options: Option<&sentry_profiler_options_t>) -> Self {
        options.map_or_else(Self::default, |options| options.settings.clone())
    }

    /// V8's functions, those that only the host's resolver knows included.
    pub fn api(&self) -> Result<Arc<Api>, Unsupported> {
        let Some(resolver) = self.resolver else { return Api::get() };
        let resolve = |name: &CStr| {
            // SAFETY: the host vouches for its function and its data.
            enter(|| unsafe { (resolver.function)(name.as_ptr(), resolver.user_data) }).cast_const()
        };
        // SAFETY: the host vouches that it answers V8's functions.
        unsafe { Api::resolve(&resolve) }
    }

    pub fn logger(&self, gate: &Gate) -> Option<Logger> {
        let (log, gate) = (self.log?, gate.clone());
        Some(Arc::new(move |level, message| {
            let log = &log;
            let level = match level {
                LogLevel::Debug => SENTRY_PROFILER_LOG_DEBUG,
                LogLevel::Warning => SENTRY_PROFILER_LOG_WARNING,
            };
            let text = [message.as_bytes(), b"\0"].concat();
            // SAFETY: the host vouches for its function and its data until the gate is closed.
            gate.pass(|| unsafe { (log.function)(level, text.as_ptr().cast(), message.len(), log.user_data) });
        }))
    }

    pub fn waker(&self, gate: &Gate) -> Option<Waker> {
        let (wake, gate) = (self.wake?, gate.clone());
        Some(Arc::new(move || {
            let wake = &wake;
            // SAFETY: the host vouches for its function and its data until the gate is closed.
            gate.pass(|| unsafe { (wake.function)(wake.user_data) });
        }))
    }
}

impl Metadata {
    pub fn chunk_meta(&self, chunk_id: &str, profiler_id: &str) -> ChunkMeta {
        let Self { thread, sdk_name, sdk_version, release, environment, platform, debug_ids } = self.clone();
        ChunkMeta {
            chunk_id: chunk_id.to_owned(),
            profiler_id: profiler_id.to_owned(),
            platform,
            sdk_name,
            sdk_version,
            release,
            environment,
            thread,
            debug_ids: Arc::new(debug_ids),
        }
    }

    pub fn envelope_header<'a>(&'a self, event_id: &'a str) -> EnvelopeHeader<'a> {
        EnvelopeHeader {
            event_id,
            sent_at: std::time::SystemTime::now(),
            sdk_name: &self.sdk_name,
            sdk_version: &self.sdk_version,
            dsn: None,
        }
    }
}

/// Changes options.
fn set(options: Option<&mut sentry_profiler_options_t>, change: impl FnOnce(&mut Settings) -> Outcome) -> Status {
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
        // SAFETY: the host vouches for the pointer and the length.
        let text = unsafe { text(data, len) }?;
        change(settings, text)
    })
}

fn in_range<T: PartialOrd>(value: T, range: &std::ops::RangeInclusive<T>) -> Result<T, Status> {
    if range.contains(&value) { Ok(value) } else { Err(SENTRY_PROFILER_INVALID_ARGUMENT) }
}

fn not_empty(text: &str) -> Result<String, Status> {
    if text.is_empty() { Err(SENTRY_PROFILER_INVALID_ARGUMENT) } else { Ok(text.to_owned()) }
}

/// Makes options with the default of each.
///
/// Returns OK or NULL_ARGUMENT. The caller owns `*out`, for `sentry_profiler_options_free`; it is NULL unless OK. Any thread.
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

/// Frees options; what was made with them goes on. NULL is ignored.
///
/// Any thread; nobody else may be using the options.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_free(options: Option<Box<sentry_profiler_options_t>>) {
    boundary(|| {
        drop(options);
        Ok(())
    });
}

/// Sets when V8 builds its map of the program, a `sentry_profiler_logging_t`; eager by default. Read by `sentry_profiler_new`.
///
/// Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for an unknown enumerator. Any thread, one call on the options at a time.
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

/// Sets the time between two samples, microseconds, from `SENTRY_PROFILER_MIN_SAMPLING_INTERVAL_US` to
/// `SENTRY_PROFILER_MAX_SAMPLING_INTERVAL_US`; 99 Hz by default. It is the same for all that records on an isolate. Read by
/// `sentry_profiler_new`.
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

/// Sets how many samples a named recording keeps, 2 or more; those after them are counted as dropped. Read by
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

/// Sets what the isolate's thread is called in Sentry: its id, a number in decimal digits (`0`, the main thread's, by default),
/// and its name (`main` by default). Read by sessions and encoders.
///
/// Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for an empty id or for what is not UTF-8. The strings are copied. Any thread,
/// one call on the options at a time.
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
        // SAFETY: the host vouches for both.
        let (id, name) = unsafe { (text(id, id_len)?, text(name, name_len)?) };
        settings.metadata.thread = Thread { id: not_empty(id)?, name: name.to_owned() };
        Ok(())
    })
}

/// Sets what starts and stops a session, a `sentry_profiler_lifecycle_t`; manual by default. Read by
/// `sentry_profiler_session_new`.
///
/// Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for an unknown enumerator. Any thread, one call on the options at a time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_set_lifecycle(
    options: Option<&mut sentry_profiler_options_t>,
    lifecycle: u32,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        settings.lifecycle = match lifecycle {
            cycle if cycle == SENTRY_PROFILER_LIFECYCLE_MANUAL as u32 => Lifecycle::Manual,
            cycle if cycle == SENTRY_PROFILER_LIFECYCLE_TRACE as u32 => Lifecycle::Trace,
            _ => return Err(SENTRY_PROFILER_INVALID_ARGUMENT),
        };
        Ok(())
    })
}

/// Sets the share of sessions that profile at all, 0 to 1; 0 by default, as Sentry's `profileSessionSampleRate`. It is decided
/// once, in `sentry_profiler_session_new`.
///
/// Returns OK, NULL_ARGUMENT or INVALID_ARGUMENT. Any thread, one call on the options at a time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_set_session_sample_rate(
    options: Option<&mut sentry_profiler_options_t>,
    rate: f64,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        settings.session_sample_rate = in_range(rate, &(0.0..=1.0))?;
        Ok(())
    })
}

/// Sets how long a session's chunk is, milliseconds, from `SENTRY_PROFILER_MIN_CHUNK_DURATION_MS` to
/// `SENTRY_PROFILER_MAX_CHUNK_DURATION_MS`, which is the default. Read by `sentry_profiler_session_new`.
///
/// Returns OK, NULL_ARGUMENT or INVALID_ARGUMENT. Any thread, one call on the options at a time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_set_chunk_duration_ms(
    options: Option<&mut sentry_profiler_options_t>,
    duration_ms: u32,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        settings.chunk_duration = in_range(Duration::from_millis(duration_ms.into()), &CHUNK_DURATION_RANGE)?;
        Ok(())
    })
}

/// Sets how long a chunk stays open for the next span after the last one has ended, milliseconds;
/// `SENTRY_PROFILER_DEFAULT_QUIET_MS` by default. Read by `sentry_profiler_session_new`.
///
/// Returns OK or NULL_ARGUMENT. Any thread, one call on the options at a time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_set_quiet_ms(
    options: Option<&mut sentry_profiler_options_t>,
    quiet_ms: u32,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        settings.quiet = Duration::from_millis(quiet_ms.into());
        Ok(())
    })
}

/// Sets the release that runs; empty, the default, leaves it out. Read by sessions and encoders.
///
/// Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for what is not UTF-8. The string is copied. Any thread, one call on the
/// options at a time.
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

/// Sets the environment the program runs in; empty, the default, leaves it out. Read by sessions and encoders.
///
/// Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for what is not UTF-8. The string is copied. Any thread, one call on the
/// options at a time.
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

/// Sets the name and version of the SDK that sends; this library's by default. Read by sessions and encoders.
///
/// Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for what is empty or not UTF-8. The strings are copied. Any thread, one call
/// on the options at a time.
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
        // SAFETY: the host vouches for both.
        let (name, version) = unsafe { (text(name, name_len)?, text(version, version_len)?) };
        let (name, version) = (not_empty(name)?, not_empty(version)?);
        (settings.metadata.sdk_name, settings.metadata.sdk_version) = (name, version);
        Ok(())
    })
}

/// Sets Sentry's platform; `node` by default, which is what Sentry accepts JavaScript profiles of. Read by sessions and
/// encoders.
///
/// Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for what is empty or not UTF-8. The string is copied. Any thread, one call on
/// the options at a time.
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

/// Adds the debug id of a file, by which Sentry finds its source map. `file` is the script's name as V8 knows it; of a `file://`
/// URL, the plain path. Read by sessions and encoders.
///
/// Returns OK, NULL_ARGUMENT, or INVALID_ARGUMENT for what is empty or not UTF-8. The strings are copied. Any thread, one call
/// on the options at a time.
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
        // SAFETY: the host vouches for both.
        let (file, debug_id) = unsafe { (name(file, file_len)?, name(debug_id, debug_id_len)?) };
        settings.metadata.debug_ids.insert(file.to_owned(), debug_id.to_owned());
        Ok(())
    })
}

/// Sets who receives log messages, those included that say why a call failed; nobody by default, and again with a NULL
/// `callback`. Read by `sentry_profiler_new`.
///
/// Returns OK, or NULL_ARGUMENT for NULL options. `user_data` must stay valid until `sentry_profiler_free` has returned. Any
/// thread, one call on the options at a time.
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

/// Sets who receives a session's finished chunks; nobody by default, and again with a NULL `callback`. Read by
/// `sentry_profiler_session_new`, which needs one.
///
/// Returns OK, or NULL_ARGUMENT for NULL options. `user_data` must stay valid until `sentry_profiler_session_free` has
/// returned. Any thread, one call on the options at a time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_options_set_chunk_callback(
    options: Option<&mut sentry_profiler_options_t>,
    callback: sentry_profiler_chunk_callback_t,
    user_data: *mut c_void,
) -> sentry_profiler_status_t {
    set(options, |settings| {
        settings.chunk = Callback::new(callback, user_data);
        Ok(())
    })
}

/// Sets who is asked to have `sentry_profiler_poll` called while the isolate is idle; nobody by default, and again with a NULL
/// `callback`. Without one, an isolate that runs no JavaScript closes a chunk when it runs some again. Read by
/// `sentry_profiler_new`.
///
/// Returns OK, or NULL_ARGUMENT for NULL options. `user_data` must stay valid until `sentry_profiler_free` has returned. Any
/// thread, one call on the options at a time.
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

/// Sets who finds V8's functions when neither the linker nor the loader does; nobody by default, and again with a NULL
/// `callback`. Read by `sentry_profiler_new` and `sentry_profiler_support`.
///
/// Returns OK, or NULL_ARGUMENT for NULL options. `user_data` must stay valid during those calls. Any thread, one call on the
/// options at a time.
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

/// Tells whether the V8 in this process can be profiled: it can when `missing` comes out empty. `options` may be NULL; its
/// symbol resolver is asked.
///
/// Returns OK, also for a V8 that is not supported; NULL_ARGUMENT; IN_CALLBACK. The caller owns both buffers, for
/// `sentry_profiler_buffer_free`; both are NULL unless OK. `*version` is V8's own version, empty when no V8 is in reach;
/// `*missing` has the mangled names that were not found, one a line. Any thread. The first call looks everything up, some
/// microseconds.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profiler_support(
    options: Option<&sentry_profiler_options_t>,
    version: Option<&mut MaybeUninit<*mut sentry_profiler_buffer_t>>,
    missing: Option<&mut MaybeUninit<*mut sentry_profiler_buffer_t>>,
) -> sentry_profiler_status_t {
    boundary(|| {
        // Both are set to NULL, whichever is missing.
        let (version, missing) = (Out::new(version), Out::new(missing));
        let (version, missing) = (version?, missing?);
        refuse_inside()?;
        let (found, lacks) = match Settings::of(options).api() {
            Ok(api) => (api.version(), String::new()),
            Err(unsupported) => (unsupported.version.unwrap_or_default(), unsupported.missing.join("\n")),
        };
        version.put(found.into_bytes().into());
        missing.put(lacks.into_bytes().into());
        Ok(())
    })
}

/// The defaults, where there are none.
pub fn checked(options: Option<&sentry_profiler_options_t>) -> Result<Settings, Status> {
    let poisoned = options.is_some_and(|options| options.poison.boundary(|| Ok(())) != SENTRY_PROFILER_OK);
    if poisoned { Err(SENTRY_PROFILER_PANIC) } else { Ok(Settings::of(options)) }
}
