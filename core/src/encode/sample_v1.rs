//! Sentry's sample format V1, deprecated: the `THREAD` format of `@sentry/node-cpu-profiler`.

use super::sample::{self, Clock};
use crate::Profile;
use crate::encode::RawOptions;

/// The JSON of the object that `stopProfiling(title, 0, …)` of `@sentry/node-cpu-profiler` returns: `samples`,
/// `stacks`, `frames`, `resources`, `measurements`, `profiler_logging_mode`.
///
/// Times are nanoseconds since the profile's start: samples carry them as strings, measurements as numbers.
pub fn raw(profile: &Profile, options: RawOptions<'_>) -> Vec<u8> {
    sample::raw(profile, options, Clock::Since(profile.start()))
}
