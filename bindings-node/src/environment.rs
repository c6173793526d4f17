//! The state of one environment: the main thread or a worker.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr::NonNull;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use napi::bindgen_prelude::*;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use parking_lot::Mutex;
use sentry_profiler::profile::NATIVE;
use sentry_profiler::v8::{self, Api, LoggingMode};
use sentry_profiler::{LogLevel, Profiler, ProfilerOptions, panics};

use crate::error::{Thrown, error, refused, throw};
use crate::ready::Ready;

/// Calls [`Environment::on_wake`] on the environment's thread. Weak, so that it does not keep the process alive. The
/// queue has one place, because one pending wake-up is enough for everyone.
type WakeFunction = ThreadsafeFunction<(), (), (), Status, false, true, 1>;

/// The length of V8's longest string: `buffer.constants.MAX_STRING_LENGTH` in every 64-bit Node.
const MAX_STRING_LENGTH: usize = 0x1fff_ffe8;

pub struct Environment {
    /// Made when the add-on is loaded, because V8 walks the heap, which is still small then.
    profiler: std::result::Result<Profiler, String>,
    pub logging: LoggingMode,
    sessions: RefCell<Vec<Weak<Ready>>>,
    warnings: Arc<Warnings>,
    wake: Arc<WakeFunction>,
    parse_json: FunctionRef<String, Unknown<'static>>,
    at_exit: Rc<AtExit>,
}

impl Environment {
    pub fn create(env: &Env) -> Result<()> {
        let logging = match std::env::var("SENTRY_PROFILER_LOGGING_MODE").as_deref() {
            Ok("lazy") => LoggingMode::Lazy,
            _ => LoggingMode::Eager,
        };
        // Taken now, because the program may replace it later.
        let parse_json = env
            .get_global()?
            .get_named_property::<Object>("JSON")?
            .get_named_property::<Function<String, Unknown>>("parse")?
            .create_ref()?;
        let at_exit = Rc::new(AtExit::new(env)?);
        let wake = Arc::new(wake_function(env)?);
        let warnings = Arc::default();
        // Panics are reported as warnings instead.
        panics::keep_off_stderr();
        let environment = Rc::new(Self {
            profiler: new_profiler(env, logging, &warnings, &wake, &at_exit).map_err(|error| error.to_string()),
            logging,
            sessions: RefCell::default(),
            warnings,
            wake,
            parse_json,
            at_exit,
        });
        environment.at_exit.listen(env)?;
        // A worker that ends with a live profiler would crash.
        env.add_env_cleanup_hook(environment.clone(), |environment| {
            if let Ok(profiler) = &environment.profiler {
                profiler.dispose();
            }
        })?;
        env.set_instance_data(environment, (), |_| {})
    }

    pub fn of(env: &Env) -> Thrown<Rc<Self>> {
        let environment = env.get_instance_data::<Rc<Self>>().map_err(refused)?;
        environment
            .map(|environment| environment.clone())
            .ok_or_else(|| error("the profiler's environment is being torn down"))
    }

    pub fn profiler(&self) -> Thrown<&Profiler> {
        self.profiler.as_ref().map_err(error)
    }

    pub fn add_session(&self, ready: &Rc<Ready>) {
        let mut sessions = self.sessions.borrow_mut();
        sessions.retain(|session| session.strong_count() > 0);
        sessions.push(Rc::downgrade(ready));
    }

    /// The core's warnings since the last call.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.0.lock())
    }

    pub fn waker(&self) -> sentry_profiler::Waker {
        waker(&self.wake)
    }

    /// Parses JSON that we encoded to a JavaScript value.
    pub fn parse_json(&self, env: &Env, json: Vec<u8>) -> Thrown<Unknown<'_>> {
        let json = String::from_utf8(json).map_err(|_| error("the encoder made invalid UTF-8"))?;
        // A string has at most as many characters as bytes, so they rarely need to be counted.
        if json.len() > MAX_STRING_LENGTH {
            let length = json.encode_utf16().count();
            if length > MAX_STRING_LENGTH {
                return Err(error(format!(
                    "The profile is too large: its JSON has {length} characters, and a string holds \
                     {MAX_STRING_LENGTH}. Record for a shorter time."
                )));
            }
        }
        let value = self.parse_json.borrow_back(env).and_then(|parse| parse.call(json)).map_err(refused)?;
        // SAFETY: the value lives in the handle scope of the current call.
        Ok(unsafe { Unknown::from_raw_unchecked(env.raw(), value.raw()) })
    }

    /// The ticker or the encoder needs this thread.
    fn on_wake(&self, env: &Env) -> Result<()> {
        self.at_exit.check(env);
        if let Ok(profiler) = &self.profiler {
            // It only fails if the profiler is gone or the thread is wrong; then nothing is due here.
            let _ = profiler.poll();
        }
        let warned = !self.warnings.0.lock().is_empty();
        let ready: Vec<_> =
            self.sessions.borrow().iter().filter_map(Weak::upgrade).filter(|r| warned || r.has_chunks()).collect();
        ready.into_iter().try_for_each(|session| session.notify())
    }
}

/// The core's warnings, from any thread, until a session takes them.
#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Warnings {
    /// No warning comes per sample, so more than this many say nothing new.
    const MOST: usize = 16;

    fn push(&self, warning: &str) {
        let mut warnings = self.0.lock();
        if warnings.len() < Self::MOST {
            warnings.push(warning.to_owned());
        }
    }
}

fn logger(warnings: &Arc<Warnings>, wake: &Arc<WakeFunction>) -> sentry_profiler::Logger {
    let (warnings, wake) = (warnings.clone(), waker(wake));
    Arc::new(move |level, message| {
        if level == LogLevel::Warning {
            warnings.push(message);
            wake();
        }
    })
}

fn new_profiler(
    env: &Env,
    logging: LoggingMode,
    warnings: &Arc<Warnings>,
    wake: &Arc<WakeFunction>,
    at_exit: &Rc<AtExit>,
) -> std::result::Result<Profiler, sentry_profiler::Error> {
    let api = Api::get()?;
    let isolate = v8::Isolate::current(&api).ok_or(sentry_profiler::Error::WrongThread)?;
    if let Ok(node) = env.get_node_version()
        && ((22, 0, 0)..(22, 23, 3)).contains(&(node.major, node.minor, node.patch)) | (node.major == 23)
    {
        v8::disable_code_compaction(&api);
    }
    let (env, at_exit) = (*env, at_exit.clone());
    let before_start = move || {
        at_exit.expect(&env);
        // V8 has one name for all native functions, that of the one made last; with lazy logging it looks at each
        // start.
        if logging == LoggingMode::Lazy {
            // If this fails, they have the name of another function, which the core tries to recognize.
            let _ = env.create_function_from_closure::<(), (), _>(NATIVE, |_| Ok(()));
        }
    };
    let mut options = ProfilerOptions::default();
    options.logging = logging;
    options.wake = Some(waker(wake));
    options.log = Some(logger(warnings, wake));
    options.natives_share_name = true;
    options.before_start = Some(Rc::new(before_start));
    let isolate: NonNull<c_void> = isolate.address();
    // SAFETY: it is this environment's isolate, on its thread. The cleanup hook disposes of the profiler before the
    // isolate.
    unsafe { Profiler::new(isolate, options) }
}

/// The type of `process.on`.
type On = FunctionRef<FnArgs<(&'static str, Function<'static, (), ()>)>, Unknown<'static>>;

/// Ends all sampling when the process ends. After `process.exit()` and uncaught errors Node runs no cleanup hook on
/// the main thread, and disposes of V8's platform while V8's sampling thread still uses it, which crashed one process
/// in twenty on Node 18. The `exit` event comes before that.
struct AtExit {
    process: ObjectRef<false>,
    on: On,
    listeners: FunctionRef<&'static str, Object<'static>>,
    /// For `exit`.
    listener: FunctionRef<(), ()>,
    /// For `removeListener`.
    watcher: FunctionRef<(), ()>,
    /// Whether the listener was removed since it was last registered. To ask at each start would cost as much as all
    /// else there that is not V8's.
    removed: Rc<Cell<bool>>,
}

impl AtExit {
    fn new(env: &Env) -> Result<Self> {
        let process = env.get_global()?.get_named_property::<Object>("process")?;
        let listener = env.create_function_from_closure::<(), (), _>("suspendProfiler", |call| {
            let environment = Environment::of(call.env).map_err(|thrown| throw(call.env, thrown))?;
            if let Ok(profiler) = environment.profiler() {
                // A profiler that is gone does not sample.
                let _ = profiler.suspend();
            }
            Ok(())
        })?;
        let removed = Rc::new(Cell::new(true));
        let (seen, own) = (removed.clone(), listener.create_ref()?);
        let watcher = env.create_function_from_closure::<(), (), _>("watchProfilerListener", move |call| {
            let is_own = call.env.strict_equals(call.get::<Unknown>(1)?, own.borrow_back(call.env)?)?;
            seen.set(seen.get() || is_own);
            Ok(())
        })?;
        // Taken now, because the program may replace them later.
        let on: Function<_, _> = process.get_named_property("on")?;
        let listeners: Function<_, _> = process.get_named_property("listeners")?;
        Ok(Self {
            process: process.create_ref()?,
            on: on.create_ref()?,
            listeners: listeners.create_ref()?,
            listener: listener.create_ref()?,
            watcher: watcher.create_ref()?,
            removed,
        })
    }

    /// Called when something is about to record: sampling must stop before the process ends.
    fn expect(&self, env: &Env) {
        if self.removed.get() {
            self.check(env);
        }
    }

    /// Called now and then while something records: the program may have removed the watcher, too.
    fn check(&self, env: &Env) {
        // Fails if the environment is being torn down, or if the program broke `process`.
        let _ = self.listen(env);
    }

    /// Registers both listeners unless they are: programs may have removed them (`process.removeAllListeners()`).
    fn listen(&self, env: &Env) -> Result<()> {
        self.register(env, "exit", &self.listener)?;
        self.register(env, "removeListener", &self.watcher)?;
        self.removed.set(false);
        Ok(())
    }

    fn register(&self, env: &Env, event: &'static str, listener: &FunctionRef<(), ()>) -> Result<()> {
        let process = self.process.get_value(env)?;
        let listener = listener.borrow_back(env)?;
        let listeners = self.listeners.borrow_back(env)?.apply(process, event)?;
        for at in 0..listeners.get_array_length()? {
            if env.strict_equals(listeners.get_element::<Unknown>(at)?, listener)? {
                return Ok(());
            }
        }
        self.on.borrow_back(env)?.apply(process, FnArgs::from((event, listener)))?;
        Ok(())
    }
}

fn waker(wake: &Arc<WakeFunction>) -> sentry_profiler::Waker {
    let wake = wake.clone();
    Arc::new(move || {
        // If the queue is full, a wake-up is pending; if it is closing, there is nobody left to wake.
        let _ = wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
    })
}

fn wake_function(env: &Env) -> Result<WakeFunction> {
    // Made last before V8 reads the names of functions: all native functions have the same address and mostly get
    // this name.
    let on_wake = env.create_function_from_closure::<(), (), _>(NATIVE, |call| {
        Environment::of(call.env).map_err(|thrown| throw(call.env, thrown))?.on_wake(call.env)
    })?;
    on_wake.build_threadsafe_function::<()>().weak::<true>().max_queue_size::<1>().build()
}
