//! What received profile chunks say of the main thread.

use anyhow::{Context, Result};
use sentry_profiler::Profile;
use sentry_profiler::decode::chunk;

pub fn profile<'a>(payloads: impl IntoIterator<Item = &'a serde_json::Value>) -> Result<Profile> {
    let threads = chunk::decode(payloads.into_iter().map(serde_json::Value::to_string))?;
    let main = threads.into_iter().find(|thread| thread.id == "0");
    Ok(main.context("the chunks have no samples of the main thread")?.profile)
}
