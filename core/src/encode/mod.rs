//! One file a format: pure functions from a [`Profile`](crate::Profile) to bytes.

pub mod cpuprofile;
pub mod envelope;
#[cfg(feature = "flamegraph")]
pub mod flamegraph;
pub mod folded;
mod json;
#[cfg(feature = "pprof")]
pub mod pprof;
mod sample;
pub mod sample_v1;
pub mod sample_v2;
#[cfg(test)]
mod tests;

pub use sample::RawOptions;

use std::collections::HashMap;
use std::sync::Arc;

/// The thread a profile was sampled on, as Sentry shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// `"0"` for the main thread, a worker's own id otherwise.
    pub id: String,
    /// `main` or `worker`, or what the embedder calls it.
    pub name: String,
}

impl Default for Thread {
    fn default() -> Self {
        Self { id: "0".to_owned(), name: "main".to_owned() }
    }
}

/// Everything in a profile chunk that is not sampled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkMeta {
    /// 32 lower-case hexadecimal digits, one per chunk.
    pub chunk_id: String,
    /// 32 lower-case hexadecimal digits, one per session.
    pub profiler_id: String,
    /// What wrote the profile; `node` unless told otherwise (the backend's quota goes by it).
    pub platform: String,
    /// Name of the SDK, such as `sentry.javascript.node`.
    pub sdk_name: String,
    /// Version of the SDK.
    pub sdk_version: String,
    /// The release that ran, left out when unset.
    pub release: Option<String>,
    /// The environment it ran in, left out when unset.
    pub environment: Option<String>,
    /// The thread that was sampled.
    pub thread: Thread,
    /// Debug ids by plain path of the file, for source maps.
    pub debug_ids: Arc<HashMap<String, String>>,
}

fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("string keys into memory cannot fail")
}
