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
    Environment::of(&env)?.start_journal(&env, Path::new(&file), &head, interval_us)
}

/// Ends the recording into a file. `end` is JSON that says how.
#[napi(catch_unwind)]
pub fn finish_journal(env: Env, end: Unknown<'_>) -> Result<(), &'static str> {
    let end = Given::new("end", end).text()?;
    Environment::of(&env)?.finish_journal(&end);
    Ok(())
}

/// Makes files of recordings, on another thread. What to make, and what was made, is JSON: see `reports`.
#[napi(catch_unwind)]
pub fn make_reports(request: Unknown<'_>) -> Result<AsyncTask<Background>, &'static str> {
    let request = Given::new("request", request).text()?;
    let request = serde_json::from_str(&request).map_err(|wrong| error(format!("request must be valid: {wrong}")))?;
    Ok(AsyncTask::new(Background::new(move || reports::make(&request).map(Made::Text))))
}
