//! libsentry_profiler for Node: one add-on for every version from 18 on, and a drop-in for
//! `@sentry/node-cpu-profiler`'s.

mod arguments;
mod compatible;
mod environment;
mod error;
mod ready;
mod session;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use sentry_profiler::v8::Api;

use arguments::Given;
use environment::Environment;
use error::{refused, throw};

/// Whether this process can be profiled.
#[napi(object, use_nullable = true)]
pub struct Support {
    /// Whether profiles can be recorded.
    pub supported: bool,
    /// V8's version, null when there is no V8 in reach.
    pub v8_version: Option<String>,
    /// V8's functions that were not found, by mangled name.
    pub missing: Vec<String>,
    /// Why it cannot be profiled, null when it can.
    pub reason: Option<String>,
}

/// How long the profiler has kept this environment's thread.
#[napi(object, object_from_js = false)]
pub struct IsolateTime {
    /// How often.
    pub count: f64,
    /// Altogether.
    pub total_ms: f64,
    /// At most at a time.
    pub longest_ms: f64,
    /// Half of the times it was no longer.
    pub median_ms: f64,
    /// In 99 of 100 times it was no longer.
    pub p99_ms: f64,
    /// What of the total V8 took to delete recordings.
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
    let reason = environment.profiler().err().map(|error| error.reason.clone());
    Ok(Support { supported: reason.is_none(), v8_version, missing, reason })
}

/// Leaves the functions of a script out of all profiles: those of the package itself.
#[napi(catch_unwind)]
pub fn hide_file(env: Env, path: Unknown<'_>) -> Result<(), &'static str> {
    let path = Given::new("path", path).text()?;
    let environment = Environment::of(&env)?;
    if let Ok(profiler) = environment.profiler() {
        profiler.hide_file(path);
    }
    Ok(())
}

/// What the profiler has warned of since this was last asked. Sessions are told that they have something when there
/// is any.
#[napi(catch_unwind)]
pub fn take_warnings(env: Env) -> Result<Vec<String>, &'static str> {
    Ok(Environment::of(&env)?.take_warnings())
}

/// How long the profiler has kept this environment's thread since this was last asked, loading the add-on aside.
#[napi(catch_unwind)]
pub fn isolate_time(env: Env) -> Result<IsolateTime, &'static str> {
    let environment = Environment::of(&env)?;
    let time = environment.profiler()?.isolate_time();
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
