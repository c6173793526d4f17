//! Sentry's sample format V2: the profile chunk, and the object from which the official SDK makes a chunk.

use super::RawOptions;
use super::sample::{self, Clock, Used};
use crate::Profile;
use crate::sentry::Metadata;

/// The whole payload of a `profile_chunk` envelope item.
pub fn chunk(profile: &Profile, metadata: &Metadata) -> Vec<u8> {
    let used = Used::new(profile);
    let files = if metadata.debug_ids.is_empty() { Vec::new() } else { used.files() };
    let images: Vec<_> =
        files.into_iter().filter_map(|file| Some((file, metadata.debug_ids.get(file)?.as_str()))).collect();
    let mut json = used.buffer();
    json.object(|json| {
        json.key("chunk_id").text(metadata.chunk_id.as_str());
        json.key("profiler_id").text(metadata.profiler_id.as_str());
        json.key("client_sdk").object(|json| {
            json.key("name").text(&metadata.sdk_name);
            json.key("version").text(&metadata.sdk_version);
        });
        json.key("platform").text(&metadata.platform);
        json.key("version").text("2");
        for (key, value) in [("release", &metadata.release), ("environment", &metadata.environment)] {
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
            used.write(json, Clock::Unix, &metadata.thread.id);
            json.key("thread_metadata").object(|json| {
                json.text_key(&metadata.thread.id).object(|json| json.key("name").text(&metadata.thread.name));
            });
        });
    });
    json.finish()
}

/// The JSON of the object that `stopProfiling(title, 1, …)` of `@sentry/node-cpu-profiler` returns: `samples`,
/// `stacks`, `frames`, `resources`, `measurements`, `profiler_logging_mode`. All times are Unix seconds.
pub fn raw(profile: &Profile, options: RawOptions<'_>) -> Vec<u8> {
    sample::raw(profile, options, Clock::Unix)
}

/// Sentry treats `""` as a value, so unset text is left out.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}
