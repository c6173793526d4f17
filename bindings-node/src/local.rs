//! Recordings into files, and what is made of such files: for the command of the package.

use std::path::Path;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use sentry_profiler::SAMPLING_INTERVAL_RANGE_US;

use crate::arguments::Given;
use crate::background::{Background, Made};
use crate::environment::Environment;
use crate::error::error;
use crate::reports;

/// Records this thread into a file until `finishJournal`, or its end. `head` is JSON that says what is recorded.
#[napi(catch_unwind)]
pub fn start_journal(env: Env, file: Unknown<'_>, head: Unknown<'_>, options: Unknown<'_>) -> Result<(), &'static str> {
    let (file, head) = (Given::new("file", file).text()?, Given::new("head", head).text()?);
    let interval = Given::new("options", options).optional("intervalUs")?;
    let (least, most) = (*SAMPLING_INTERVAL_RANGE_US.start(), *SAMPLING_INTERVAL_RANGE_US.end());
    let interval_us = interval.map(|interval| interval.number(least, most)).transpose()?.map(|number| number as u32);
    Environment::of(&env)?.start_journal(Path::new(&file), &head, interval_us)
}

/// Asks for the source map of each file that was recorded since the last call, JSON or undefined: of what was compiled
/// from it in this process.
#[napi(catch_unwind)]
pub fn journal_maps(env: Env, map_of: Unknown<'_>) -> Result<(), &'static str> {
    let map_of: MapOf<'_> = Given::new("mapOf", map_of).function()?;
    Environment::of(&env)?.journal_maps(&mut |file| map_of.call(file.to_owned()).ok().flatten());
    Ok(())
}

/// Ends the recording into a file, after it has asked for the maps of the files that are still new. `end` is JSON that
/// says how.
#[napi(catch_unwind)]
pub fn finish_journal(env: Env, end: Unknown<'_>, map_of: Unknown<'_>) -> Result<(), &'static str> {
    let end = Given::new("end", end).text()?;
    let map_of: MapOf<'_> = Given::new("mapOf", map_of).function()?;
    Environment::of(&env)?.finish_journal(&end, &mut |file| map_of.call(file.to_owned()).ok().flatten());
    Ok(())
}

/// Returns the source map of a file.
type MapOf<'env> = Function<'env, String, Option<String>>;

/// Makes files of recordings, on another thread. What to make, and what was made, is JSON: see `reports`.
#[napi(catch_unwind)]
pub fn make_reports(request: Unknown<'_>) -> Result<AsyncTask<Background>, &'static str> {
    let request = Given::new("request", request).text()?;
    let request = serde_json::from_str(&request).map_err(|wrong| error(format!("request must be valid: {wrong}")))?;
    Ok(AsyncTask::new(Background::new(move || reports::make(&request).map(Made::Text))))
}
