//! libsentry_profiler for Node: one add-on for every version from 18 on, and a drop-in replacement for that of
//! `@sentry/node-cpu-profiler`.

mod arguments;
pub mod background;
mod compatible;
mod environment;
mod error;
pub mod local;
mod ready;
pub mod recordings;
pub mod reports;
mod session;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use sentry_profiler::Profiler;
use sentry_profiler::v8::Api;

use arguments::Given;
use environment::Environment;
use error::{refused, throw};

/// Whether this process can be profiled.
#[napi(object, use_nullable = true)]
pub struct Support {
    /// Whether profiles can be recorded.
    pub supported: bool,
    /// V8's version; null if no V8 was found.
    pub v8_version: Option<String>,
    /// The mangled names of the V8 functions that were not found.
    pub missing: Vec<String>,
    /// Why it cannot be profiled; null if it can.
    pub reason: Option<String>,
}

/// How long the profiler has run on this environment's thread.
#[napi(object, object_from_js = false)]
pub struct IsolateTime {
    /// How many times.
    pub count: f64,
    /// The sum of all times.
    pub total_ms: f64,
    /// The longest time.
    pub longest_ms: f64,
    /// The median.
    pub median_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
    /// The part of the total in which V8 deleted recordings.
    pub deleting_ms: f64,
}

/// Runs once for each environment: the main thread and each worker that loads the add-on.
#[napi(module_exports)]
pub fn init(mut exports: Object<'_>, env: Env) -> Result<()> {
    let created = Environment::create(&env).and_then(|()| compatible::export(&mut exports, &env));
    created.map_err(|failure| throw(&env, refused(failure)))
}

/// Whether this process can be profiled, and if not, why.
#[napi(catch_unwind)]
pub fn support(env: Env) -> Result<Support, &'static str> {
    let environment = Environment::of(&env)?;
    let (v8_version, missing) = match Api::get() {
        Ok(api) => (Some(api.version()), vec![]),
        Err(unsupported) => (unsupported.version, unsupported.missing.into_iter().map(str::to_owned).collect()),
    };
    let reason = environment.unsupported();
    Ok(Support { supported: reason.is_none(), v8_version, missing, reason })
}

/// Makes the profiler now, and not with the first session or recording: the sooner, the less V8 has to read.
#[napi(catch_unwind)]
pub fn prepare(env: Env) -> Result<(), &'static str> {
    Environment::of(&env)?.profiler().map(drop)
}

/// Leaves the functions of a script out of all profiles: those of the package itself.
#[napi(catch_unwind)]
pub fn hide_file(env: Env, path: Unknown<'_>) -> Result<(), &'static str> {
    let path = Given::new("path", path).text()?;
    Environment::of(&env)?.hide_file(path);
    Ok(())
}

/// The profiler's warnings since the last call. `onReady` of the sessions is called when there are any.
#[napi(catch_unwind)]
pub fn take_warnings(env: Env) -> Result<Vec<String>, &'static str> {
    Ok(Environment::of(&env)?.take_warnings())
}

/// How long the profiler has run on this environment's thread since the last call, without loading the add-on.
#[napi(catch_unwind)]
pub fn isolate_time(env: Env) -> Result<IsolateTime, &'static str> {
    let environment = Environment::of(&env)?;
    let time = environment.made().map(Profiler::isolate_time).unwrap_or_default();
    let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
    Ok(IsolateTime {
        count: time.count as f64,
        total_ms: ms(time.total),
        longest_ms: ms(time.longest),
        median_ms: ms(time.median),
        p99_ms: ms(time.p99),
        deleting_ms: ms(time.deleting),
    })
}
