//! One file per format: pure functions from a [`Profile`](crate::Profile) to bytes.

pub mod cpuprofile;
pub mod flamegraph;
pub mod folded;
mod json;
#[cfg(feature = "pprof")]
pub mod pprof;
mod sample;
pub mod sample_v1;
pub mod sample_v2;
#[cfg(test)]
pub(crate) mod tests;

pub use sample::RawOptions;

use crate::Profile;
use crate::sentry::envelope::envelope;
use crate::sentry::{Id, Metadata};

/// The formats in which a profile can be written. The numbers are permanent: C has them too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Format {
    /// Sentry's sample format V2: the JSON payload of a `profile_chunk` item, metadata included.
    SampleV2 = 0,
    /// Sentry's sample format V1, deprecated: JSON with samples, stacks, frames and measurements.
    SampleV1 = 1,
    /// A whole envelope with one `profile_chunk` item, ready to POST to Sentry.
    Envelope = 2,
    /// JSON that Chrome DevTools and VS Code open, as `.cpuprofile`.
    Cpuprofile = 3,
    /// Gzipped protocol buffers for pprof.
    #[cfg(feature = "pprof")]
    Pprof = 4,
    /// For flame graph tools: each line has a stack and its time in microseconds.
    Folded = 5,
    /// A flame graph as SVG, with callers above what they call.
    Flamegraph = 6,
    /// A page for any browser that shows the profile: see [`report`](crate::report).
    #[cfg(feature = "report")]
    Html = 7,
    /// The most important of a profile as a page of Markdown: see [`report`](crate::report).
    #[cfg(feature = "report")]
    Markdown = 8,
}

impl Format {
    /// All formats in this build.
    pub const ALL: &[Self] = &[
        Self::SampleV2,
        Self::SampleV1,
        Self::Envelope,
        Self::Cpuprofile,
        #[cfg(feature = "pprof")]
        Self::Pprof,
        Self::Folded,
        Self::Flamegraph,
        #[cfg(feature = "report")]
        Self::Html,
        #[cfg(feature = "report")]
        Self::Markdown,
    ];

    /// The format with this number.
    pub fn of_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|format| *format as u32 == number)
    }
}

/// Writes a profile in a format. Any thread. The time is proportional to the size of the profile.
pub fn encode(profile: &Profile, format: Format, metadata: &Metadata) -> Vec<u8> {
    match format {
        Format::SampleV2 => sample_v2::chunk(profile, metadata),
        Format::SampleV1 => {
            let (thread_id, logging_mode) = (metadata.thread.id.as_str(), metadata.logging_mode);
            sample_v1::raw(profile, RawOptions { thread_id, collect_resources: false, logging_mode })
        }
        Format::Envelope => {
            let chunk = sample_v2::chunk(profile, metadata);
            envelope(&metadata.envelope_header(&Id::random()), &metadata.platform, &chunk)
        }
        Format::Cpuprofile => cpuprofile::encode(profile),
        #[cfg(feature = "pprof")]
        Format::Pprof => pprof::encode(profile),
        Format::Folded => folded::encode(profile),
        Format::Flamegraph => flamegraph::encode(profile),
        #[cfg(feature = "report")]
        Format::Html => crate::report::html(&crate::report::Report::of(profile)),
        #[cfg(feature = "report")]
        Format::Markdown => crate::report::markdown(&crate::report::Report::of(profile)).into_bytes(),
    }
}

fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("string keys into memory cannot fail")
}

/// A character of a name where names are text on one line, and where XML needs a place for it.
fn printable(c: char) -> char {
    match c {
        '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        c if c.is_control() => ' ',
        c => c,
    }
}
