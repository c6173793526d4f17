//! The functions of `@sentry/node-cpu-profiler` 2.4.4 with its results and error messages, so that the official
//! `@sentry/profiling-node` runs on this add-on unmodified.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::*;
use sentry_profiler::RecordingOptions;
use sentry_profiler::encode::{RawOptions, sample_v1, sample_v2};
use sentry_profiler::profile::module_of;

use crate::arguments::{is_true, number, string};
use crate::environment::Environment;
use crate::error::{Thrown, error, refused, throw};

/// Written by hand, because the results depend on the number of arguments, which a derived function does not see.
pub fn export(exports: &mut Object<'_>, env: &Env) -> Result<()> {
    exports.set("startProfiling", function(env, "startProfiling", start_profiling)?)?;
    exports.set("stopProfiling", function(env, "stopProfiling", stop_profiling)?)?;
    exports.set("getFrameModule", function(env, "getFrameModule", get_frame_module)?)
}

type Outcome<'env> = Thrown<Option<Unknown<'env>>>;

fn function<'env>(
    env: &'env Env,
    name: &str,
    run: for<'a> fn(&'a Env, &'a [Unknown<'a>]) -> Outcome<'a>,
) -> Result<Function<'env, (), Option<Unknown<'static>>>> {
    env.create_function_from_closure(name, move |call| {
        let arguments = (0..call.length()).map(|at| call.get::<Unknown>(at)).collect::<Result<Vec<_>>>()?;
        let env = Env::from_raw(call.env.raw());
        match catch_unwind(AssertUnwindSafe(|| run(&env, &arguments).map(|value| value.map(|value| value.raw())))) {
            // SAFETY: the value lives in the handle scope of this call.
            Ok(Ok(value)) => Ok(value.map(|raw| unsafe { Unknown::from_raw_unchecked(env.raw(), raw) })),
            Ok(Err(thrown)) => Err(throw(&env, thrown)),
            Err(_) => Err(throw(&env, error("the profiler panicked; this is a bug in it"))),
        }
    })
}

fn start_profiling<'a>(env: &'a Env, arguments: &'a [Unknown<'a>]) -> Outcome<'a> {
    let title = arguments
        .first()
        .and_then(string)
        .ok_or_else(|| error("TypeError: StartProfiling expects a string as first argument."))?;
    if title.is_empty() {
        return Err(error("StartProfiling expects a non-empty string as first argument, got an empty string."));
    }
    let environment = Environment::of(env)?;
    environment.start(&title, None, RecordingOptions::default())?;
    Ok(None)
}

fn stop_profiling<'a>(env: &'a Env, arguments: &'a [Unknown<'a>]) -> Outcome<'a> {
    let [title, format, thread_id, rest @ ..] = arguments else {
        return Err(error("StopProfiling expects at least three arguments."));
    };
    let title = string(title).ok_or_else(|| error("StopProfiling expects a string as first argument."))?;
    if title.is_empty() {
        return Err(error("StopProfiling expects a non empty string as first argument."));
    }
    let format = integer(format).ok_or_else(|| error("StopProfiling expects a format type as second argument."))?;
    let thread_id =
        integer(thread_id).ok_or_else(|| error("StopProfiling expects a thread_id integer as third argument."))?;
    let encode = match format {
        0 => sample_v1::raw,
        1 => sample_v2::raw,
        _ => return Err(error("StopProfiling expects a valid format type as second argument.")),
    };
    let environment = Environment::of(env)?;
    let Some(profile) = environment.stop(&title)? else { return Ok(None) };
    let options = RawOptions {
        thread_id: &thread_id.to_string(),
        collect_resources: rest.first().is_some_and(is_true),
        logging_mode: environment.logging.as_str(),
    };
    let value = environment.parse_json(env, encode(&profile, options))?;
    // SAFETY: the value lives in the handle scope of the current call.
    Ok(Some(unsafe { Unknown::from_raw_unchecked(env.raw(), value.raw()) }))
}

fn get_frame_module<'a>(env: &'a Env, arguments: &'a [Unknown<'a>]) -> Outcome<'a> {
    let path = arguments
        .first()
        .and_then(string)
        .ok_or_else(|| error("TypeError: GetFrameModule expects a string as first argument."))?;
    let module = env.create_string(module_of(&path)).map_err(refused)?;
    Ok(Some(module.to_unknown()))
}

/// A number as an integer; 0 for NaN and infinities.
fn integer(value: &Unknown<'_>) -> Option<i64> {
    number(value).map(|number| number as i64)
}
