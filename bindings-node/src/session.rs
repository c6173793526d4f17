//! The core's session for JavaScript: finished chunks wait here until [`Session::poll`] or a flush takes them.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use parking_lot::Mutex;
use sentry_profiler::sentry::Thread;
use sentry_profiler::{
    CHUNK_DURATION_RANGE, Lifecycle, Outcome, SessionOptions as CoreOptions, SessionStats as CoreStats,
};

use crate::compatible::string;
use crate::environment::{Environment, ThrownError, error};

/// What chunks that wait for JavaScript, which may be in a loop that never ends, may hold.
const MAX_READY_BYTES: usize = 64 << 20;
/// How long closing waits for the encoder.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a session records, and for whom.
#[napi(object, object_to_js = false)]
pub struct SessionOptions {
    /// `manual` or `trace`.
    pub lifecycle: String,
    /// 0 to 1.
    pub sample_rate: f64,
    /// 100 to 60,000; 60,000 by default.
    pub chunk_duration_ms: Option<f64>,
    /// How long a chunk stays open for the next span; 1,000 by default.
    pub quiet_ms: Option<f64>,
    /// The thread's id in Sentry.
    pub thread_id: String,
    /// The thread's name in Sentry.
    pub thread_name: String,
    /// The SDK's name.
    pub sdk_name: Option<String>,
    /// The SDK's version.
    pub sdk_version: Option<String>,
    /// The release that runs.
    pub release: Option<String>,
    /// The environment it runs in.
    pub environment: Option<String>,
}

/// A finished chunk.
#[napi(object, object_from_js = false)]
pub struct Chunk {
    /// 32 hexadecimal digits.
    pub chunk_id: String,
    /// JSON, the payload of a `profile_chunk` item.
    pub payload: Uint8Array,
    /// Samples in it.
    pub sample_count: u32,
}

/// Tells a session of spans.
#[napi(object, object_from_js = false)]
pub struct SpanFunctions<'env> {
    /// One has begun.
    pub started: Function<'env, (), ()>,
    /// One has ended.
    pub ended: Function<'env, (), ()>,
}

/// What became of the chunks.
#[napi(object, object_from_js = false)]
pub struct SessionStats {
    /// Chunks handed out.
    pub delivered: f64,
    /// Samples in them.
    pub samples: f64,
    /// Chunks and slices that were dropped, by reason.
    pub dropped: HashMap<String, f64>,
}

/// Finished chunks, and whom to tell.
pub struct Ready {
    env: Env,
    queue: Arc<Mutex<Queue>>,
    /// Until the session is closed: what the function holds, the session among it, cannot be collected before.
    on_ready: RefCell<Option<FunctionRef<(), ()>>>,
}

#[derive(Default)]
struct Queue {
    chunks: VecDeque<sentry_profiler::Chunk>,
    /// Of their payloads.
    bytes: usize,
    dropped: u64,
}

impl Queue {
    /// Adds a chunk; the oldest ones make room for it.
    fn push(&mut self, chunk: sentry_profiler::Chunk) {
        self.bytes += chunk.payload.len();
        self.chunks.push_back(chunk);
        while self.bytes > MAX_READY_BYTES
            && self.chunks.len() > 1
            && let Some(oldest) = self.chunks.pop_front()
        {
            self.bytes -= oldest.payload.len();
            self.dropped += 1;
        }
    }

    fn take(&mut self) -> VecDeque<sentry_profiler::Chunk> {
        self.bytes = 0;
        std::mem::take(&mut self.chunks)
    }
}

impl Ready {
    pub fn has_chunks(&self) -> bool {
        !self.queue.lock().chunks.is_empty()
    }

    pub fn notify(&self) -> Result<()> {
        // The function may close the session.
        let on_ready = self.on_ready.borrow().as_ref().map(|on_ready| on_ready.borrow_back(&self.env)).transpose()?;
        on_ready.map_or(Ok(()), |on_ready| on_ready.call(()))
    }

    fn take(&self) -> Vec<Chunk> {
        let chunks = self.queue.lock().take();
        chunks
            .into_iter()
            .map(|chunk| Chunk {
                chunk_id: chunk.chunk_id.to_string(),
                payload: chunk.payload.into(),
                sample_count: chunk.sample_count as u32,
            })
            .collect()
    }
}

/// A profiling session. Belongs to the thread that made it.
#[napi]
pub struct Session {
    core: Rc<RefCell<Option<sentry_profiler::Session>>>,
    /// What became of its chunks, once it is closed.
    closed_stats: Cell<CoreStats>,
    profiler_id: String,
    sampled: bool,
    ready: Rc<Ready>,
    environment: Rc<Environment>,
}

#[napi]
impl Session {
    /// `onReady` is called on this thread when `poll()` has chunks; it keeps no process alive.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, options: SessionOptions, on_ready: Function<'_, (), ()>) -> Result<Self, &'static str> {
        let environment = Environment::of(&env).map_err(|e| error(e.reason))?;
        let queue = Arc::new(Mutex::new(Queue::default()));
        let on_ready = RefCell::new(Some(on_ready.create_ref().map_err(|e| error(e.reason))?));
        let ready = Rc::new(Ready { env, queue: queue.clone(), on_ready });
        let wake = environment.waker();
        let sink = Arc::new(move |chunk| {
            queue.lock().push(chunk);
            wake();
        });
        let core = environment.profiler()?.session(core_options(options, sink)?).map_err(error)?;
        environment.add_session(&ready);
        Ok(Self {
            profiler_id: core.profiler_id().to_string(),
            sampled: core.is_sampled(),
            core: Rc::new(RefCell::new(Some(core))),
            closed_stats: Cell::default(),
            ready,
            environment: environment.clone(),
        })
    }

    /// Links events to the session's chunks.
    #[napi(getter, catch_unwind)]
    pub fn profiler_id(&self) -> &str {
        &self.profiler_id
    }

    /// Whether it profiles at all.
    #[napi(getter, catch_unwind)]
    pub fn sampled(&self) -> bool {
        self.sampled
    }

    /// Begins to record, in the manual lifecycle.
    #[napi(catch_unwind)]
    pub fn start(&self, env: Env) -> Result<&'static str, &'static str> {
        self.environment.expect_exit(&env);
        self.outcome(sentry_profiler::Session::start)
    }

    /// Ends the recording, in the manual lifecycle.
    #[napi(catch_unwind)]
    pub fn stop(&self) -> Result<&'static str, &'static str> {
        self.outcome(sentry_profiler::Session::stop)
    }

    /// What to call when a span has begun and when one has ended. These are functions and no methods: Node takes several
    /// times as long to find a method's object as they take, and services have many spans.
    #[napi(catch_unwind)]
    pub fn span_functions<'env>(&self, env: &'env Env) -> Result<SpanFunctions<'env>> {
        Ok(SpanFunctions {
            started: self.span_function(env, "spanStarted", true, sentry_profiler::Session::span_started)?,
            ended: self.span_function(env, "spanEnded", false, sentry_profiler::Session::span_ended)?,
        })
    }

    /// Debug ids by plain path, for the chunks that are encoded from now on. What is no string, or is inherited, is
    /// no debug id.
    #[napi(catch_unwind)]
    pub fn set_debug_ids(&self, ids: Object<'_>) -> Result<()> {
        let paths = ids.get_all_property_names(
            KeyCollectionMode::OwnOnly,
            KeyFilter::SkipSymbols,
            KeyConversion::NumbersToStrings,
        )?;
        let mut known = HashMap::new();
        for at in 0..paths.get_array_length()? {
            let path: String = paths.get_element(at)?;
            if let Some(id) = string(ids.get::<Unknown>(&path)?.as_ref()) {
                known.insert(path, id);
            }
        }
        if let Some(core) = &*self.core.borrow() {
            core.set_debug_ids(known);
        }
        Ok(())
    }

    /// The chunks that are finished.
    #[napi(catch_unwind)]
    pub fn poll(&self) -> Vec<Chunk> {
        if let Ok(profiler) = self.environment.profiler() {
            // Nothing is due in a profiler that is gone.
            let _ = profiler.poll();
        }
        self.ready.take()
    }

    /// Closes the open chunk and waits for the encoder; answers all finished chunks.
    #[napi(catch_unwind)]
    pub fn flush(&self, timeout_ms: f64) -> Result<Vec<Chunk>, &'static str> {
        let timeout = duration("timeoutMs", timeout_ms)?;
        self.with(|core| core.flush(timeout))?;
        Ok(self.ready.take())
    }

    /// Ends what is recording; a later start, or the next span, records again. Answers all finished chunks.
    #[napi(catch_unwind)]
    pub fn finish(&self) -> Result<Vec<Chunk>, &'static str> {
        self.with(|core| {
            core.finish()?;
            core.flush(CLOSE_TIMEOUT)
        })?;
        Ok(self.ready.take())
    }

    /// Ends the session for good; answers its last chunks.
    #[napi(catch_unwind)]
    pub fn close(&self) -> Vec<Chunk> {
        if let Some(core) = self.core.borrow_mut().take() {
            core.close(CLOSE_TIMEOUT);
            self.closed_stats.set(core.stats());
        }
        self.ready.on_ready.take();
        self.ready.take()
    }

    /// What became of the chunks so far.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> SessionStats {
        let stats = self.core.borrow().as_ref().map_or(self.closed_stats.get(), |core| core.stats());
        let dropped = [
            ("tooShort", stats.dropped_too_short),
            ("overflow", stats.dropped_overflow + self.ready.queue.lock().dropped),
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
        starts: bool,
        run: fn(&sentry_profiler::Session) -> std::result::Result<(), sentry_profiler::Error>,
    ) -> Result<Function<'env, (), ()>> {
        // Weak: the session lives as long as its own object.
        let core = Rc::downgrade(&self.core);
        let environment = self.environment.clone();
        env.create_function_from_closure(name, move |call| {
            let Some(core) = core.upgrade() else { return Ok(()) };
            if starts {
                environment.expect_exit(call.env);
            }
            if let Err(error) = with(&core, run) {
                call.env.throw_error(&error.reason, Some(error.status))?;
            }
            Ok(())
        })
    }

    fn with<T>(
        &self,
        run: impl FnOnce(&sentry_profiler::Session) -> std::result::Result<T, sentry_profiler::Error>,
    ) -> std::result::Result<Option<T>, ThrownError> {
        with(&self.core, run)
    }

    fn outcome(
        &self,
        run: impl FnOnce(&sentry_profiler::Session) -> std::result::Result<Outcome, sentry_profiler::Error>,
    ) -> std::result::Result<&'static str, ThrownError> {
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

/// `None` when the session is closed, or its environment is being torn down.
fn with<T>(
    core: &RefCell<Option<sentry_profiler::Session>>,
    run: impl FnOnce(&sentry_profiler::Session) -> std::result::Result<T, sentry_profiler::Error>,
) -> std::result::Result<Option<T>, ThrownError> {
    match core.borrow().as_ref().map(run) {
        None | Some(Err(sentry_profiler::Error::Closed)) => Ok(None),
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(failure)) => Err(error(failure)),
    }
}

fn core_options(options: SessionOptions, sink: sentry_profiler::Sink) -> std::result::Result<CoreOptions, ThrownError> {
    let mut core = CoreOptions::new(sink);
    core.lifecycle = match options.lifecycle.as_str() {
        "manual" => Lifecycle::Manual,
        "trace" => Lifecycle::Trace,
        other => return Err(error(format!("lifecycle must be 'manual' or 'trace', got '{other}'"))),
    };
    if !(0.0..=1.0).contains(&options.sample_rate) {
        return Err(error(format!("sampleRate must be a number from 0 to 1, got {}", options.sample_rate)));
    }
    core.sample_rate = options.sample_rate;
    if let Some(ms) = options.chunk_duration_ms {
        let (shortest, longest) = (CHUNK_DURATION_RANGE.start().as_millis(), CHUNK_DURATION_RANGE.end().as_millis());
        if !(shortest as f64..=longest as f64).contains(&ms) {
            return Err(error(format!("chunkDurationMs must be a number from {shortest} to {longest}, got {ms}")));
        }
        core.chunk_duration = duration("chunkDurationMs", ms)?;
    }
    if let Some(ms) = options.quiet_ms {
        core.quiet = duration("quietMs", ms)?;
    }
    core.metadata.thread = Thread { id: options.thread_id, name: options.thread_name };
    if let Some(name) = options.sdk_name {
        core.metadata.sdk_name = name;
    }
    if let Some(version) = options.sdk_version {
        core.metadata.sdk_version = version;
    }
    core.metadata.release = options.release;
    core.metadata.environment = options.environment;
    Ok(core)
}

fn duration(option: &str, ms: f64) -> std::result::Result<Duration, ThrownError> {
    Duration::try_from_secs_f64(ms / 1e3)
        .map_err(|_| error(format!("{option} must be a number of milliseconds, 0 or more, got {ms}")))
}
