//! The core's session for JavaScript: finished chunks wait until [`Session::poll`] or a flush takes them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use sentry_profiler::sentry::Thread;
use sentry_profiler::{CHUNK_DURATION_RANGE, Lifecycle, Outcome, SessionOptions, SessionStats as CoreStats};

use crate::arguments::{Given, string};
use crate::environment::Environment;
use crate::error::{Thrown, error, refused, throw};
use crate::ready::{Chunk, Ready};

/// How long closing waits for the encoder.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Functions that report spans to a session.
#[napi(object, object_from_js = false)]
pub struct SpanFunctions<'env> {
    /// Reports that a span has started.
    pub started: Function<'env, (), ()>,
    /// Reports that a span has ended.
    pub ended: Function<'env, (), ()>,
}

/// Counts of a session's chunks.
#[napi(object, object_from_js = false)]
pub struct SessionStats {
    /// Chunks handed out.
    pub delivered: f64,
    /// Samples in them.
    pub samples: f64,
    /// Chunks and slices that were dropped, by reason.
    pub dropped: HashMap<String, f64>,
}

/// A profiling session. Belongs to the thread that made it.
#[napi]
pub struct Session {
    core: Rc<RefCell<Option<sentry_profiler::Session>>>,
    /// The counts of its chunks at the time it was closed.
    closed_stats: Cell<CoreStats>,
    ready: Rc<Ready>,
    environment: Rc<Environment>,
}

#[napi]
impl Session {
    /// `onReady` is called on this thread when `poll()` has chunks. It does not keep the process alive.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, this: This<'_>, options: Unknown<'_>, on_ready: Unknown<'_>) -> Result<Self, &'static str> {
        if !is_new(&env, &this.object).map_err(refused)? {
            return Err(error("Session is a class: call it with new"));
        }
        let environment = Environment::of(&env)?;
        let on_ready = Given::new("onReady", on_ready).function()?;
        let ready = Ready::new(env, &on_ready).map_err(refused)?;
        let options = core_options(&Given::new("options", options), ready.sink(environment.waker()))?;
        let core = environment.profiler()?.session(options).map_err(error)?;
        describe(&env, this.object, &core).map_err(refused)?;
        environment.add_session(&ready);
        Ok(Self {
            core: Rc::new(RefCell::new(Some(core))),
            closed_stats: Cell::default(),
            ready,
            environment: environment.clone(),
        })
    }

    /// Starts recording, in the manual lifecycle.
    #[napi(catch_unwind)]
    pub fn start(&self) -> Result<&'static str, &'static str> {
        self.outcome(sentry_profiler::Session::start)
    }

    /// Stops recording, in the manual lifecycle.
    #[napi(catch_unwind)]
    pub fn stop(&self) -> Result<&'static str, &'static str> {
        self.outcome(sentry_profiler::Session::stop)
    }

    /// The functions to call when a span starts and ends. Not methods, because Node takes several times as long to
    /// find a method's object as these take, and services have many spans.
    #[napi(catch_unwind)]
    pub fn span_functions<'env>(&self, env: &'env Env) -> Result<SpanFunctions<'env>, &'static str> {
        Ok(SpanFunctions {
            started: self.span_function(env, "spanStarted", sentry_profiler::Session::span_started)?,
            ended: self.span_function(env, "spanEnded", sentry_profiler::Session::span_ended)?,
        })
    }

    /// Sets the debug ids by plain path for chunks that are encoded from now on. Ignores values that are not strings,
    /// and inherited properties.
    #[napi(catch_unwind)]
    pub fn set_debug_ids(&self, ids: Unknown<'_>) -> Result<(), &'static str> {
        let known = own_strings(&Given::new("ids", ids).object()?).map_err(refused)?;
        if let Some(core) = &*self.core.borrow() {
            core.set_debug_ids(known);
        }
        Ok(())
    }

    /// Takes the finished chunks.
    #[napi(catch_unwind)]
    pub fn poll(&self) -> Vec<Chunk> {
        if let Some(profiler) = self.environment.made() {
            // Nothing is due if the profiler is gone.
            let _ = profiler.poll();
        }
        self.ready.take()
    }

    /// Closes the open chunk and waits for the encoder; returns all finished chunks.
    #[napi(catch_unwind)]
    pub fn flush(&self, timeout_ms: Unknown<'_>) -> Result<Vec<Chunk>, &'static str> {
        let timeout = Given::new("timeoutMs", timeout_ms).milliseconds()?;
        self.with(|core| core.flush(timeout))?;
        Ok(self.ready.take())
    }

    /// Ends the current recording; a later start or span records again. Returns all finished chunks.
    #[napi(catch_unwind)]
    pub fn finish(&self) -> Result<Vec<Chunk>, &'static str> {
        self.with(|core| {
            core.finish()?;
            core.flush(CLOSE_TIMEOUT)
        })?;
        Ok(self.ready.take())
    }

    /// Ends the session for good; returns its last chunks.
    #[napi(catch_unwind)]
    pub fn close(&self) -> Vec<Chunk> {
        if let Some(core) = self.core.borrow_mut().take() {
            core.close(CLOSE_TIMEOUT);
            self.closed_stats.set(core.stats());
        }
        self.ready.close();
        self.ready.take()
    }

    /// Counts of the chunks so far.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> SessionStats {
        let stats = self.core.borrow().as_ref().map_or(self.closed_stats.get(), |core| core.stats());
        let dropped = [
            ("tooShort", stats.dropped_too_short),
            ("overflow", stats.dropped_overflow + self.ready.dropped()),
            ("slices", stats.dropped_slices),
        ];
        SessionStats {
            delivered: stats.delivered_chunks as f64,
            samples: stats.delivered_samples as f64,
            dropped: dropped.map(|(reason, count)| (reason.to_owned(), count as f64)).into(),
        }
    }

    fn span_function<'env>(
        &self,
        env: &'env Env,
        name: &str,
        run: fn(&sentry_profiler::Session) -> std::result::Result<(), sentry_profiler::Error>,
    ) -> Thrown<Function<'env, (), ()>> {
        // Weak, because the session must not outlive its own object.
        let core = Rc::downgrade(&self.core);
        let tell = move |call: FunctionCallContext<'_>| {
            let Some(core) = core.upgrade() else { return Ok(()) };
            with(&core, run).map(drop).map_err(|thrown| throw(call.env, thrown))
        };
        env.create_function_from_closure(name, tell).map_err(refused)
    }

    fn with<T>(
        &self,
        run: impl FnOnce(&sentry_profiler::Session) -> std::result::Result<T, sentry_profiler::Error>,
    ) -> Thrown<Option<T>> {
        with(&self.core, run)
    }

    fn outcome(
        &self,
        run: impl FnOnce(&sentry_profiler::Session) -> std::result::Result<Outcome, sentry_profiler::Error>,
    ) -> Thrown<&'static str> {
        Ok(match self.with(run)? {
            None => "closed",
            Some(Outcome::Started) => "started",
            Some(Outcome::Stopped) => "stopped",
            Some(Outcome::AlreadyRunning) => "already-running",
            Some(Outcome::NotRunning) => "not-running",
            Some(Outcome::NotSampled) => "not-sampled",
            Some(Outcome::TraceLifecycle) => "trace-lifecycle",
            Some(Outcome::NoThread) => "no-thread",
        })
    }
}

/// `None` if the session is closed or its environment is being torn down.
fn with<T>(
    core: &RefCell<Option<sentry_profiler::Session>>,
    run: impl FnOnce(&sentry_profiler::Session) -> std::result::Result<T, sentry_profiler::Error>,
) -> Thrown<Option<T>> {
    match core.borrow().as_ref().map(run) {
        None | Some(Err(sentry_profiler::Error::Closed)) => Ok(None),
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(failure)) => Err(error(failure)),
    }
}

/// The property with the id that links events to the session's chunks.
const PROFILER_ID: &str = "profilerId";
/// The property that says whether the session is sampled.
const SAMPLED: &str = "sampled";

/// Whether the constructor was called with `new`. Otherwise `this` is another object, or a session already.
fn is_new(env: &Env, this: &Object<'_>) -> Result<bool> {
    Ok(Session::instance_of(env, this)? && !this.has_own_property(PROFILER_ID)?)
}

/// Gives a session the properties that never change. Not getters: on another object their error names Rust types.
fn describe(env: &Env, mut this: Object<'_>, core: &sentry_profiler::Session) -> Result<()> {
    let fixed = |name| {
        let property = Property::new().with_utf8_name(name)?;
        Ok::<_, napi::Error>(property.with_property_attributes(PropertyAttributes::Enumerable))
    };
    this.define_properties(&[
        fixed(PROFILER_ID)?.with_napi_value(env, core.profiler_id().as_str())?,
        fixed(SAMPLED)?.with_napi_value(env, core.is_sampled())?,
    ])
}

/// An object's own string properties.
fn own_strings(object: &Object<'_>) -> Result<HashMap<String, String>> {
    let keys = object.get_all_property_names(
        KeyCollectionMode::OwnOnly,
        KeyFilter::SkipSymbols,
        KeyConversion::NumbersToStrings,
    )?;
    let mut strings = HashMap::new();
    for at in 0..keys.get_array_length()? {
        let key: String = keys.get_element(at)?;
        if let Some(text) = object.get::<Unknown>(&key)?.as_ref().and_then(string) {
            strings.insert(key, text);
        }
    }
    Ok(strings)
}

/// The options of `new Session`, declared as `SessionOptions` in `ts/addon.ts`.
fn core_options(given: &Given<'_>, sink: sentry_profiler::Sink) -> Thrown<SessionOptions> {
    let mut core = SessionOptions::new(sink);
    core.lifecycle =
        given.option("lifecycle")?.one_of(&[("manual", Lifecycle::Manual), ("trace", Lifecycle::Trace)])?;
    core.sample_rate = given.option("sampleRate")?.number(0, 1)?;
    if let Some(option) = given.optional("chunkDurationMs")? {
        let ms = |duration: &Duration| duration.as_millis() as u32;
        option.number(ms(CHUNK_DURATION_RANGE.start()), ms(CHUNK_DURATION_RANGE.end()))?;
        core.chunk_duration = option.milliseconds()?;
    }
    if let Some(option) = given.optional("quietMs")? {
        core.quiet = option.milliseconds()?;
    }
    core.metadata.thread = Thread { id: given.option("threadId")?.text()?, name: given.option("threadName")?.text()? };
    if let Some(option) = given.optional("sdkName")? {
        core.metadata.sdk_name = option.text()?;
    }
    if let Some(option) = given.optional("sdkVersion")? {
        core.metadata.sdk_version = option.text()?;
    }
    let text = |name| given.optional(name)?.map(|option| option.text()).transpose();
    core.metadata.release = text("release")?;
    core.metadata.environment = text("environment")?;
    Ok(core)
}
