//! What of a chunk is not sampled, as options set it.

use std::collections::HashMap;
use std::sync::Arc;

use sentry_profiler::encode::envelope::EnvelopeHeader;
use sentry_profiler::encode::{ChunkMeta, Thread};

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

impl Default for Metadata {
    fn default() -> Self {
        Self {
            thread: Thread::default(),
            sdk_name: "sentry.libsentry_profiler".to_owned(),
            sdk_version: env!("CARGO_PKG_VERSION").to_owned(),
            release: None,
            environment: None,
            platform: "node".to_owned(),
            debug_ids: HashMap::new(),
        }
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
