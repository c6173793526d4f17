//! Sentry's sample format V2: the profile chunk, and the object from which the official SDK makes one.

use super::sample::{self, Clock, Used};
use super::{ChunkMeta, RawOptions};
use crate::Profile;

/// The payload of a `profile_chunk` envelope item, whole.
pub fn chunk(profile: &Profile, meta: &ChunkMeta) -> Vec<u8> {
    let used = Used::new(profile);
    let files = if meta.debug_ids.is_empty() { Vec::new() } else { used.files() };
    let images: Vec<_> =
        files.into_iter().filter_map(|file| Some((file, meta.debug_ids.get(file)?.as_str()))).collect();
    let mut json = used.buffer();
    json.object(|json| {
        json.key("chunk_id").text(&meta.chunk_id);
        json.key("profiler_id").text(&meta.profiler_id);
        json.key("client_sdk").object(|json| {
            json.key("name").text(&meta.sdk_name);
            json.key("version").text(&meta.sdk_version);
        });
        json.key("platform").text(&meta.platform);
        json.key("version").text("2");
        for (key, value) in [("release", &meta.release), ("environment", &meta.environment)] {
            if let Some(value) = given(value) {
                json.key(key).text(value);
            }
        }
        if !images.is_empty() {
            json.key("debug_meta").object(|json| {
                json.key("images").array(images, |json, (code_file, debug_id)| {
                    json.object(|json| {
                        json.key("type").text("sourcemap");
                        json.key("code_file").text(code_file);
                        json.key("debug_id").text(debug_id);
                    });
                });
            });
        }
        if sample::measured(profile).next().is_some() {
            sample::write_measurements(json.key("measurements"), profile, Clock::Unix);
        }
        json.key("profile").object(|json| {
            used.write(json, Clock::Unix, &meta.thread.id);
            json.key("thread_metadata").object(|json| {
                json.text_key(&meta.thread.id).object(|json| json.key("name").text(&meta.thread.name));
            });
        });
    });
    json.finish()
}

/// The JSON of the object that `stopProfiling(title, 1, …)` of `@sentry/node-cpu-profiler` returns: `samples`, `stacks`, `frames`,
/// `resources`, `measurements`, `profiler_logging_mode`. All times are Unix seconds.
pub fn raw(profile: &Profile, options: RawOptions<'_>) -> Vec<u8> {
    sample::raw(profile, options, Clock::Unix)
}

/// Sentry reads `""` as a value; an unset one is left out.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}
