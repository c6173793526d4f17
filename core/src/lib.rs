//! A sampling profiler for the JavaScript of a V8 isolate. Its profiles can be written for Sentry, Chrome DevTools,
//! pprof and flame graphs.
//!
//! [`Profiler`] is the profiler of one isolate: named recordings that may overlap, and [`Session`]s that record
//! consecutive chunks for Sentry. The result is a [`Profile`], which [`encode`] turns into bytes on any thread.
//!
//! The data flows one way: isolate → source → slice → [`Profile`] → [`encode`] → the host. The isolate's thread only
//! starts, stops and deletes V8's short recordings. All work that grows with a profile happens on the encoder's
//! thread, except deleting.
//!
//! ```no_run
//! use sentry_profiler::encode::cpuprofile;
//! use sentry_profiler::{Profiler, ProfilerOptions};
//!
//! # fn isolate() -> std::ptr::NonNull<std::ffi::c_void> { unimplemented!() }
//! # fn run_javascript() {}
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The address of a live `v8::Isolate` that this thread has entered.
//! let isolate = isolate();
//! // SAFETY: the isolate outlives the profiler, which stays on this thread.
//! let profiler = unsafe { Profiler::new(isolate, ProfilerOptions::default()) }?;
//! profiler.start_profiling("report")?;
//! run_javascript();
//! if let Some(profile) = profiler.stop_profiling("report")? {
//!     for spot in profile.hottest(10) {
//!         println!("{:>9} µs {}", spot.self_us, spot.frame.function);
//!     }
//!     std::fs::write("report.cpuprofile", cpuprofile::encode(&profile))?;
//! }
//! # Ok(())
//! # }
//! ```

mod clock;
mod columns;
pub mod decode;
pub mod encode;
mod encoder;
mod error;
mod host;
mod isolate_time;
pub mod journal;
mod lifetime;
mod lines;
mod measurements;
pub mod panics;
mod platform;
pub mod profile;
mod profiler;
mod recorder;
#[cfg(test)]
mod reliability;
#[cfg(feature = "report")]
pub mod report;
pub mod sentry;
mod session;
mod slice;
mod source;
#[cfg(feature = "source-maps")]
pub mod source_maps;
mod stream;
mod supply;
mod ticker;
mod time;
pub mod v8;
mod window;

pub use error::{Error, Unsupported};
pub use host::{LogLevel, Logger, Waker};
pub use isolate_time::IsolateTime;
pub use platform::process;
pub use profile::{
    Frame, FrameId, FrameKind, Hotspot, LineTotal, Measurements, Point, Profile, ProfileBuilder, Sample, Stack,
    StackId, StackTotal,
};
pub use profiler::{
    DEFAULT_MAX_SAMPLES, DEFAULT_SAMPLING_INTERVAL_US, Profiler, ProfilerOptions, RecordingOptions,
    SAMPLING_INTERVAL_RANGE_US,
};
pub use session::{
    CHUNK_DURATION_RANGE, Chunk, DEFAULT_CHUNK_DURATION, DEFAULT_QUIET, DISPOSE_TIMEOUT, Lifecycle, MIN_SAMPLES,
    Outcome, Session, SessionOptions, SessionStats, Sink,
};
#[doc(hidden)]
pub use slice::Slice;
pub use supply::THREAD_STACK_BYTES;
pub use time::Unix;
