//! `sentry_profile_t`: a finished profile.

use std::ffi::{c_char, c_int, c_void};
use std::mem::{MaybeUninit, offset_of};
use std::ptr::NonNull;
use std::sync::Arc;

use sentry_profiler::Profile;
use sentry_profiler::encode::{Format, encode};
use sentry_profiler::sentry::Id;

use crate::arguments::{Out, Versioned, fill, given};
use crate::boundary::{Poison, Reporter, boundary};
use crate::buffer::sentry_profiler_buffer_t;
use crate::callback::enter;
use crate::options::sentry_profiler_options_t;
use crate::settings::Settings;
use crate::status::sentry_profiler_status_t::{self, *};
use crate::status::{Outcome, Status};

/// The formats in which a finished profile can be written.
// Never constructed: C passes the number, which is the core's.
#[cfg_attr(not(test), expect(dead_code))]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum sentry_profiler_format_t {
    /// Sentry's sample format V2: the JSON payload of a `profile_chunk` item, metadata included.
    SENTRY_PROFILER_FORMAT_SAMPLE_V2 = 0,
    /// Sentry's sample format V1, deprecated: JSON with samples, stacks, frames and measurements.
    SENTRY_PROFILER_FORMAT_SAMPLE_V1 = 1,
    /// A whole envelope with one `profile_chunk` item, ready to POST to Sentry.
    SENTRY_PROFILER_FORMAT_ENVELOPE = 2,
    /// JSON that Chrome DevTools and VS Code open, as `.cpuprofile`.
    SENTRY_PROFILER_FORMAT_CPUPROFILE = 3,
    /// Gzipped protocol buffers for pprof.
    SENTRY_PROFILER_FORMAT_PPROF = 4,
    /// For flame graph tools: each line has a stack and its time in microseconds.
    SENTRY_PROFILER_FORMAT_FOLDED = 5,
    /// A flame graph as SVG, with callers above what they call. Browsers can zoom into it and search it.
    SENTRY_PROFILER_FORMAT_FLAMEGRAPH = 6,
    /// A page that any browser shows: what ran when, as a flame graph and in tables. It makes no requests.
    SENTRY_PROFILER_FORMAT_HTML = 7,
    /// The most important of it as a page of Markdown: shares, the hottest functions, lines and paths.
    SENTRY_PROFILER_FORMAT_MARKDOWN = 8,
}

/// The maximum bytes for one call of a write callback.
const WRITE_BYTES: usize = 64 << 10;

/// Receives the next `len` bytes of a profile that is being written. Returns 0 to continue, anything else to stop.
/// The bytes are valid during the call only.
///
/// Called on the calling thread, inside `sentry_profile_write`. It must not throw. Inside it, calls on profilers and
/// sessions return `SENTRY_PROFILER_IN_CALLBACK`.
pub type sentry_profiler_write_callback_t =
    Option<unsafe extern "C" fn(data: *const c_char, len: usize, user_data: *mut c_void) -> c_int>;

/// A finished profile. Immutable, and not bound to any thread, isolate or profiler.
pub struct sentry_profile_t {
    poison: Poison,
    profile: Profile,
    chunk_id: Id,
    profiler_id: Id,
    settings: Arc<Settings>,
}

/// A summary of a profile. Set `struct_size` to `sizeof(sentry_profile_info_t)` before the call; later versions
/// append fields.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sentry_profile_info_t {
    /// Size of this structure in bytes, as the caller knows it.
    pub struct_size: usize,
    /// When the profile begins: Unix time in microseconds.
    pub start_us: i64,
    /// When the profile ends: Unix time in microseconds.
    pub end_us: i64,
    /// The sampling interval that was asked for, in microseconds.
    pub sampling_interval_us: u64,
    /// Samples in the profile, without idle samples.
    pub sample_count: u64,
    /// Samples that were dropped because the maximum was reached.
    pub dropped_sample_count: u64,
    /// Distinct stacks, including those of callers.
    pub stack_count: u64,
    /// Distinct functions.
    pub frame_count: u64,
    /// The id of the profile when it is written as a chunk: 32 lower-case hexadecimal digits and a NUL.
    pub chunk_id: [c_char; 33],
    /// The id that events link to, the same for all recordings of a profiler: 32 lower-case hexadecimal digits and a
    /// NUL.
    pub profiler_id: [c_char; 33],
}

impl Versioned for sentry_profile_info_t {
    const FIRST_VERSION: usize = offset_of!(Self, profiler_id) + size_of::<[c_char; 33]>();
}

impl sentry_profile_t {
    pub fn new(profile: Profile, profiler_id: Id, settings: Arc<Settings>, reporter: Reporter) -> Self {
        Self { poison: Poison::new(reporter), profile, chunk_id: Id::random(), profiler_id, settings }
    }

    fn encode(&self, format: u32, options: Option<&sentry_profiler_options_t>) -> Result<Vec<u8>, Status> {
        let settings = match options {
            Some(_) => &sentry_profiler_options_t::checked(options)?,
            None => &*self.settings,
        };
        let format = Format::of_number(format).ok_or(SENTRY_PROFILER_INVALID_ARGUMENT)?;
        let mut metadata = settings.metadata.clone();
        (metadata.chunk_id, metadata.profiler_id) = (self.chunk_id, self.profiler_id);
        metadata.logging_mode = self.settings.logging.as_str();
        Ok(encode(&self.profile, format, &metadata))
    }
}

/// An id as a C string.
fn id(text: Id) -> [c_char; 33] {
    let mut id = [0; 33];
    // The last byte stays NUL.
    for (to, from) in id.iter_mut().take(32).zip(text.as_str().bytes()) {
        *to = from as c_char;
    }
    id
}

fn of(profile: Option<&sentry_profile_t>, run: impl FnOnce(&sentry_profile_t) -> Outcome) -> Status {
    let Some(profile) = profile else { return SENTRY_PROFILER_NULL_ARGUMENT };
    profile.poison.boundary(|| run(profile))
}

/// Fills in a summary of a profile.
///
/// Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT when `info->struct_size` is not set, or PANIC. The caller owns `info`.
/// Any thread, also several at once and inside callbacks.
///
/// # Safety
/// `info` is NULL or the address of `info->struct_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sentry_profile_info(
    profile: Option<&sentry_profile_t>,
    info: Option<NonNull<sentry_profile_info_t>>,
) -> sentry_profiler_status_t {
    of(profile, |handle| {
        let profile = &handle.profile;
        let all = sentry_profile_info_t {
            struct_size: size_of::<sentry_profile_info_t>(),
            start_us: profile.start().us(),
            end_us: profile.end().us(),
            sampling_interval_us: profile.interval_us().into(),
            sample_count: profile.active_samples() as u64,
            dropped_sample_count: profile.dropped_samples(),
            stack_count: profile.stacks().len() as u64,
            frame_count: profile.frames().len() as u64,
            chunk_id: id(handle.chunk_id),
            profiler_id: id(handle.profiler_id),
        };
        // SAFETY: guaranteed by the caller.
        unsafe { fill(info, &all) }
    })
}

/// Writes a profile into a new buffer, in a `sentry_profiler_format_t`. `options` give a chunk's metadata (thread,
/// release, environment, SDK, platform, debug ids); with NULL they are those of the profiler that recorded it.
///
/// Returns OK, NULL_ARGUMENT, INVALID_ARGUMENT for an unknown format, or PANIC. The caller owns `*out` and frees it
/// with `sentry_profiler_buffer_free`; it is NULL unless OK. Any thread, also several at once and inside callbacks.
/// Takes a few milliseconds per thousand distinct stacks.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profile_encode(
    profile: Option<&sentry_profile_t>,
    format: u32,
    options: Option<&sentry_profiler_options_t>,
    out: Option<&mut MaybeUninit<*mut sentry_profiler_buffer_t>>,
) -> sentry_profiler_status_t {
    let out = Out::new(out);
    of(profile, |profile| {
        let out = out?;
        out.put(profile.encode(format, options)?.into());
        Ok(())
    })
}

/// Writes a profile in a `sentry_profiler_format_t`, piece by piece, by calls of `write(data, len, user_data)`.
/// `options` are as for `sentry_profile_encode`.
///
/// Returns OK; NULL_ARGUMENT; INVALID_ARGUMENT for an unknown format; WRITE_FAILED when `write` returned something
/// other than 0, after which it is not called again; PANIC. Any thread, also several at once; the callback runs on
/// the calling thread. Takes as long as `sentry_profile_encode` and all calls of `write`.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profile_write(
    profile: Option<&sentry_profile_t>,
    format: u32,
    options: Option<&sentry_profiler_options_t>,
    write: sentry_profiler_write_callback_t,
    user_data: *mut c_void,
) -> sentry_profiler_status_t {
    of(profile, |profile| {
        let write = given(write)?;
        for piece in profile.encode(format, options)?.chunks(WRITE_BYTES) {
            // SAFETY: the host guarantees that its function and data are valid.
            let result: c_int = enter(|| unsafe { write(piece.as_ptr().cast(), piece.len(), user_data) });
            if result != 0 {
                return Err(SENTRY_PROFILER_WRITE_FAILED);
            }
        }
        Ok(())
    })
}

/// Frees a profile. NULL is ignored.
///
/// Any thread, also inside callbacks; nothing else may use the profile at the same time.
#[unsafe(no_mangle)]
pub extern "C" fn sentry_profile_free(profile: Option<Box<sentry_profile_t>>) {
    boundary(|| {
        drop(profile);
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use super::sentry_profiler_format_t::*;
    use super::*;

    /// Does not compile unless each format of the core has its enumerator.
    fn enumerator(format: Format) -> sentry_profiler_format_t {
        match format {
            Format::SampleV2 => SENTRY_PROFILER_FORMAT_SAMPLE_V2,
            Format::SampleV1 => SENTRY_PROFILER_FORMAT_SAMPLE_V1,
            Format::Envelope => SENTRY_PROFILER_FORMAT_ENVELOPE,
            Format::Cpuprofile => SENTRY_PROFILER_FORMAT_CPUPROFILE,
            Format::Pprof => SENTRY_PROFILER_FORMAT_PPROF,
            Format::Folded => SENTRY_PROFILER_FORMAT_FOLDED,
            Format::Flamegraph => SENTRY_PROFILER_FORMAT_FLAMEGRAPH,
            Format::Html => SENTRY_PROFILER_FORMAT_HTML,
            Format::Markdown => SENTRY_PROFILER_FORMAT_MARKDOWN,
        }
    }

    #[test]
    fn formats_have_the_numbers_of_the_core() {
        // All of them, whatever a host leaves out of the core.
        assert!(Format::ALL.contains(&Format::Pprof));
        for &format in Format::ALL {
            assert_eq!(format as u32, enumerator(format) as u32, "{format:?}");
        }
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn the_first_version_stays_as_it_was() {
        assert_eq!(sentry_profile_info_t::FIRST_VERSION, 130);
    }

    #[test]
    fn an_id_ends_with_a_nul() {
        let id = id(Id::random());
        assert_eq!(id[32], 0);
        assert!(id[..32].iter().all(|&digit| (digit as u8).is_ascii_hexdigit()));
    }
}
