//! Options of sessions.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::sentry::{Id, Metadata};
use crate::time::Unix;

/// Sentry's SDKs start a new chunk every minute, and Sentry refuses chunks longer than 66 s.
pub const DEFAULT_CHUNK_DURATION: Duration = Duration::from_secs(60);
/// The bounds of a chunk's duration.
pub const CHUNK_DURATION_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=DEFAULT_CHUNK_DURATION;
/// How long a chunk stays open for the next span after the last one ended.
pub const DEFAULT_QUIET: Duration = Duration::from_secs(1);

/// Sentry's `profileLifecycle`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lifecycle {
    /// From [`Session::start`](crate::Session::start) to [`Session::stop`](crate::Session::stop).
    #[default]
    Manual,
    /// While at least one span is active.
    Trace,
}

/// A finished chunk.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Chunk {
    /// Its own id.
    pub chunk_id: Id,
    /// [`Session::profiler_id`](crate::Session::profiler_id).
    pub profiler_id: Id,
    /// The item header's platform.
    pub platform: String,
    /// The payload of an envelope item of type `profile_chunk`: JSON.
    pub payload: Vec<u8>,
    /// Samples in it, without idle samples.
    pub sample_count: usize,
    /// When it begins.
    pub start: Unix,
    /// When it ends.
    pub end: Unix,
}

/// Receives finished chunks on the encoder thread.
pub type Sink = Arc<dyn Fn(Chunk) + Send + Sync>;

/// What a session records, and where its chunks go.
#[derive(Clone)]
#[non_exhaustive]
pub struct SessionOptions {
    /// What starts and stops it.
    pub lifecycle: Lifecycle,
    /// Share of sessions that are sampled, 0 to 1. Decided once, when the session is made.
    pub sample_rate: f64,
    /// 100 ms to 60 s.
    pub chunk_duration: Duration,
    /// How long a chunk stays open for the next span in the trace lifecycle, at most a chunk's duration.
    pub quiet: Duration,
    /// The metadata of its chunks. Each chunk gets its own id.
    pub metadata: Metadata,
    /// Where finished chunks go.
    pub sink: Sink,
}

impl SessionOptions {
    /// The defaults: manual, nothing sampled, 60 s chunks.
    pub fn new(sink: Sink) -> Self {
        Self {
            lifecycle: Lifecycle::default(),
            sample_rate: 0.0,
            chunk_duration: DEFAULT_CHUNK_DURATION,
            quiet: DEFAULT_QUIET,
            metadata: Metadata::default(),
            sink,
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        if !(0.0..=1.0).contains(&self.sample_rate) {
            return Err(Error::InvalidOption {
                option: "session sample rate",
                expected: "0 to 1",
                // As the encoder writes numbers: std's way would add 5 kB of code for this message alone.
                got: serde_json::Number::from_f64(self.sample_rate)
                    .map_or_else(|| "an infinite number or NaN".to_owned(), |rate| rate.to_string()),
            });
        }
        if !CHUNK_DURATION_RANGE.contains(&self.chunk_duration) {
            return Err(Error::InvalidOption {
                option: "chunk duration",
                expected: "100 ms to 60 s",
                got: format!("{:?}", self.chunk_duration),
            });
        }
        Ok(())
    }

    /// How long a chunk waits for the next span, at most its own duration.
    pub(super) fn quiet_us(&self) -> i64 {
        self.quiet.min(self.chunk_duration).as_micros() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_out_of_range_is_refused_with_its_range_and_value() {
        let refused = |sample_rate, chunk_duration| {
            let options = SessionOptions { sample_rate, chunk_duration, ..SessionOptions::new(Arc::new(|_| {})) };
            options.check().unwrap_err().to_string()
        };
        for (rate, shown) in [(1.5, "1.5"), (-0.25, "-0.25"), (f64::NAN, "an infinite number or NaN")] {
            assert_eq!(
                refused(rate, DEFAULT_CHUNK_DURATION),
                format!("session sample rate must be 0 to 1, not {shown}")
            );
        }
        for (duration, shown) in [
            (Duration::from_millis(99), "99ms"),
            // Rounded, it would be in the range.
            (Duration::new(60, 1), "60.000000001s"),
        ] {
            assert_eq!(refused(1.0, duration), format!("chunk duration must be 100 ms to 60 s, not {shown}"));
        }
    }
}
