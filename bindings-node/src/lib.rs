//! libsentry_profiler for Node: one add-on for every version from 18 on, and a drop-in for `@sentry/node-cpu-profiler`'s.

mod compatible;
mod environment;
mod session;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use sentry_profiler::v8::Api;

use environment::Environment;

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

/// Runs once for each environment: the main thread and each worker that loads the add-on.
#[napi(module_exports)]
pub fn init(mut exports: Object<'_>, env: Env) -> Result<()> {
    Environment::create(&env)?;
    compatible::export(&mut exports, &env)
}

/// Whether this process can be profiled, and if not, why.
#[napi(catch_unwind)]
pub fn support(env: Env) -> Result<Support> {
    let environment = Environment::of(&env)?;
    let (v8_version, missing) = match Api::get() {
        Ok(api) => (Some(api.version()), vec![]),
        Err(unsupported) => (unsupported.version, unsupported.missing.into_iter().map(str::to_owned).collect()),
    };
    let reason = environment.profiler().err().map(|error| error.reason.clone());
    Ok(Support { supported: reason.is_none(), v8_version, missing, reason })
}
