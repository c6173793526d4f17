//! Sentry's sample format V2: the profile chunk, and the object from which the official SDK makes one.

use serde::{Serialize, Serializer};

use super::sample::{self, Clock, Seq, Used, to_json};
use super::{ChunkMeta, RawOptions, Thread};
use crate::Profile;

/// The payload of a `profile_chunk` envelope item, whole.
pub fn chunk(profile: &Profile, meta: &ChunkMeta) -> Vec<u8> {
    #[derive(Serialize)]
    struct Chunk<'a, D, M, P> {
        chunk_id: &'a str,
        profiler_id: &'a str,
        client_sdk: Sdk<'a>,
        platform: &'a str,
        version: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        release: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        environment: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        debug_meta: Option<DebugMeta<D>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        measurements: Option<M>,
        profile: P,
    }
    #[derive(Serialize)]
    struct Sdk<'a> {
        name: &'a str,
        version: &'a str,
    }
    #[derive(Serialize)]
    struct DebugMeta<D> {
        images: D,
    }
    #[derive(Serialize)]
    struct Image<'a> {
        r#type: &'a str,
        code_file: &'a str,
        debug_id: &'a str,
    }
    #[derive(Serialize)]
    struct Body<'a, A, B, C> {
        samples: A,
        stacks: B,
        frames: C,
        thread_metadata: ThreadMetadata<'a>,
    }

    let used = Used::new(profile);
    let files = if meta.debug_ids.is_empty() { Vec::new() } else { used.files() };
    let images = || {
        let with_id = files.iter().filter_map(|&file| Some((file, meta.debug_ids.get(file)?)));
        with_id.map(|(code_file, debug_id)| Image { r#type: "sourcemap", code_file, debug_id })
    };
    to_json(&Chunk {
        chunk_id: &meta.chunk_id,
        profiler_id: &meta.profiler_id,
        client_sdk: Sdk { name: &meta.sdk_name, version: &meta.sdk_version },
        platform: &meta.platform,
        version: "2",
        release: given(&meta.release),
        environment: given(&meta.environment),
        debug_meta: images().next().is_some().then_some(DebugMeta { images: Seq(images) }),
        measurements: used.measurements(Clock::Unix),
        profile: Body {
            samples: used.samples(Clock::Unix, &meta.thread.id),
            stacks: used.stacks(),
            frames: used.frames(),
            thread_metadata: ThreadMetadata(&meta.thread),
        },
    })
}

/// The JSON of the object that `stopProfiling(title, 1, …)` of `@sentry/node-cpu-profiler` returns: `samples`, `stacks`, `frames`,
/// `resources`, `measurements`, `profiler_logging_mode`. All times are Unix seconds.
pub fn raw(profile: &Profile, options: RawOptions<'_>) -> Vec<u8> {
    sample::raw(profile, options, Clock::Unix)
}

struct ThreadMetadata<'a>(&'a Thread);

impl Serialize for ThreadMetadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Named<'a> {
            name: &'a str,
        }
        serializer.collect_map([(&self.0.id, Named { name: &self.0.name })])
    }
}

/// Sentry reads `""` as a value; an unset one is left out.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}
