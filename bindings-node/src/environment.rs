//! The state of one environment: the main thread or a worker.

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::c_void;
use std::path::Path;
use std::ptr::NonNull;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use napi::bindgen_prelude::*;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use parking_lot::Mutex;
use sentry_profiler::journal::Journal;
use sentry_profiler::profile::NATIVE;
use sentry_profiler::v8::{self, Api, LoggingMode};
use sentry_profiler::{
    DEFAULT_SAMPLING_INTERVAL_US, LogLevel, Profile, Profiler, ProfilerOptions, RecordingOptions, panics,
};

use crate::error::{Thrown, error, refused, throw};
use crate::ready::Ready;

/// Calls [`Environment::on_wake`] on the environment's thread. Weak, so that it does not keep the process alive. The
/// queue has one place, because one pending wake-up is enough for everyone.
type WakeFunction = ThreadsafeFunction<(), (), (), Status, false, true, 1>;

/// The property of the global object by which our package's loader says that it tells when the profiler is needed.
const ON_DEMAND: &str = "sentryProfilerOnDemand";
/// The length of V8's longest string: `buffer.constants.MAX_STRING_LENGTH` in every 64-bit Node.
const MAX_STRING_LENGTH: usize = 0x1fff_ffe8;

pub struct Environment {
    env: Env,
    /// Made when it is needed: V8 walks the heap.
    profiler: OnceCell<std::result::Result<Profiler, String>>,
    /// One for each other sampling interval that a running recording has.
    others: RefCell<Vec<(u32, Rc<Profiler>)>>,
    hidden_files: RefCell<Vec<String>>,
    journal: RefCell<Option<Rc<Journal>>>,
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
            env: *env,
            profiler: OnceCell::new(),
            others: RefCell::default(),
            hidden_files: RefCell::default(),
            journal: RefCell::default(),
            logging,
            sessions: RefCell::default(),
            warnings,
            wake,
            parse_json,
            at_exit,
        });
        environment.at_exit.listen(env)?;
        // The official integration says nothing between loading the add-on and its first start, when the heap is large
        // and V8 has optimized functions that it does not list any more.
        if !env.get_global()?.has_named_property(ON_DEMAND)? {
            let _ = environment.profiler();
        }
        // A worker that ends with a live profiler would crash.
        env.add_env_cleanup_hook(environment.clone(), |environment| {
            environment.finish_journal("null", &mut |_| None);
            environment.each_profiler(|profiler| {
                profiler.dispose();
            });
        })?;
        env.set_instance_data(environment, (), |_| {})
    }

    pub fn of(env: &Env) -> Thrown<Rc<Self>> {
        let environment = env.get_instance_data::<Rc<Self>>().map_err(refused)?;
        environment
            .map(|environment| environment.clone())
            .ok_or_else(|| error("the profiler's environment is being torn down"))
    }

    /// The profiler; the first call makes it.
    pub fn profiler(&self) -> Thrown<&Profiler> {
        let make = || self.new_profiler(DEFAULT_SAMPLING_INTERVAL_US).map_err(|error| error.to_string());
        self.profiler.get_or_init(make).as_ref().map_err(error)
    }

    /// The profiler, if it was needed so far.
    pub fn made(&self) -> Option<&Profiler> {
        self.profiler.get()?.as_ref().ok()
    }

    /// Why this thread cannot be profiled, if it is known by now.
    pub fn unsupported(&self) -> Option<String> {
        let made = || self.profiler.get().and_then(|profiler| profiler.as_ref().err().cloned());
        Api::get().err().map(|unsupported| unsupported.to_string()).or_else(made)
    }

    /// Calls with each profiler; nothing is borrowed meanwhile, since some of what they do calls the program.
    fn each_profiler(&self, mut each: impl FnMut(&Profiler)) {
        self.made().into_iter().for_each(&mut each);
        let others: Vec<_> = self.others.borrow().iter().map(|(_, other)| other.clone()).collect();
        others.iter().for_each(|other| each(other));
    }

    fn other(&self, is_it: impl Fn(u32, &Profiler) -> bool) -> Option<Rc<Profiler>> {
        let others = self.others.borrow();
        others.iter().find(|(interval_us, other)| is_it(*interval_us, other)).map(|(_, other)| other.clone())
    }

    /// Starts a recording, also with another sampling interval than all others have: V8 has one for all recordings of
    /// a profiler, so that takes a profiler of its own.
    pub fn start(&self, title: &str, interval_us: Option<u32>, options: RecordingOptions) -> Thrown<()> {
        let usual = self.profiler()?;
        let interval_us = interval_us.unwrap_or(DEFAULT_SAMPLING_INTERVAL_US);
        let other = match interval_us {
            DEFAULT_SAMPLING_INTERVAL_US => None,
            _ => Some(self.other(|other_us, _| other_us == interval_us).map_or_else(|| self.add(interval_us), Ok)?),
        };
        let profiler = other.as_deref().unwrap_or(usual);
        let started = profiler.start_profiling_with(title, options).map_err(error);
        if started.is_ok() {
            // A title has one recording.
            self.each_profiler(|another| {
                if !std::ptr::eq(another, profiler) && another.is_recording(title) {
                    // If this fails, that profiler is gone, and its recordings with it.
                    let _ = another.stop_profiling(title);
                }
            });
        }
        self.drop_unused();
        started
    }

    /// Adds a profiler with another interval.
    fn add(&self, interval_us: u32) -> Thrown<Rc<Profiler>> {
        let profiler = Rc::new(self.new_profiler(interval_us).map_err(error)?);
        self.others.borrow_mut().push((interval_us, profiler.clone()));
        Ok(profiler)
    }

    fn new_profiler(&self, interval_us: u32) -> std::result::Result<Profiler, sentry_profiler::Error> {
        let (env, logging, at_exit) = (self.env, self.logging, self.at_exit.clone());
        let api = Api::get()?;
        let isolate = v8::Isolate::current(&api).ok_or(sentry_profiler::Error::WrongThread)?;
        if let Ok(node) = env.get_node_version()
            && ((22, 0, 0)..(22, 23, 3)).contains(&(node.major, node.minor, node.patch)) | (node.major == 23)
        {
            v8::disable_code_compaction(&api);
        }
        let before_start = move || {
            at_exit.expect(&env);
            if logging == LoggingMode::Lazy {
                name_natives(&env);
            }
        };
        let mut options = ProfilerOptions::default();
        options.logging = logging;
        options.sampling_interval_us = interval_us;
        options.wake = Some(waker(&self.wake));
        options.log = Some(logger(&self.warnings, &self.wake));
        options.natives_share_name = true;
        options.before_start = Some(Rc::new(before_start));
        let isolate: NonNull<c_void> = isolate.address();
        name_natives(&env);
        // SAFETY: it is this environment's isolate, on its thread. The cleanup hook disposes of the profiler before the
        // isolate.
        let profiler = unsafe { Profiler::new(isolate, options) }?;
        self.hidden_files.borrow().iter().for_each(|file| profiler.hide_file(file.clone()));
        Ok(profiler)
    }

    /// Stops the recording of this title; `None` if there is none.
    pub fn stop(&self, title: &str) -> Thrown<Option<Profile>> {
        let stopped = match self.other(|_, other| other.is_recording(title)) {
            Some(other) => other.stop_profiling(title),
            None => self.profiler()?.stop_profiling(title),
        };
        self.drop_unused();
        stopped.map_err(error)
    }

    /// Drops the profilers that have no recording.
    fn drop_unused(&self) {
        let (used, unused) =
            std::mem::take(&mut *self.others.borrow_mut()).into_iter().partition(|(_, other)| other.is_used());
        *self.others.borrow_mut() = used;
        drop::<Vec<_>>(unused);
    }

    /// Records this thread into a file from now on.
    pub fn start_journal(&self, file: &Path, head: &str, interval_us: Option<u32>) -> Thrown<()> {
        if self.journal.borrow().is_some() {
            return Err(error("a journal of this thread is open already"));
        }
        let usual = self.profiler()?;
        let interval_us = interval_us.unwrap_or(DEFAULT_SAMPLING_INTERVAL_US);
        let journal = match interval_us {
            DEFAULT_SAMPLING_INTERVAL_US => usual.journal(file, head),
            _ => self.add(interval_us)?.journal(file, head),
        };
        *self.journal.borrow_mut() = Some(Rc::new(journal.map_err(error)?));
        Ok(())
    }

    pub fn journal_maps(&self, map_of: &mut dyn FnMut(&str) -> Option<String>) {
        let journal = self.journal.borrow().clone();
        if let Some(journal) = journal {
            journal.ask_for_maps(map_of);
        }
    }

    pub fn finish_journal(&self, end: &str, map_of: &mut dyn FnMut(&str) -> Option<String>) {
        let journal = self.journal.borrow_mut().take();
        if let Some(journal) = journal {
            journal.finish_with_maps(end, map_of);
        }
    }

    /// Leaves the functions of a script out of all profiles.
    pub fn hide_file(&self, file: String) {
        self.each_profiler(|profiler| profiler.hide_file(file.clone()));
        self.hidden_files.borrow_mut().push(file);
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
        let json = text(json).map_err(error)?;
        let value = self.parse_json.borrow_back(env).and_then(|parse| parse.call(json)).map_err(refused)?;
        // SAFETY: the value lives in the handle scope of the current call.
        Ok(unsafe { Unknown::from_raw_unchecked(env.raw(), value.raw()) })
    }

    /// The ticker or the encoder needs this thread.
    fn on_wake(&self, env: &Env) -> Result<()> {
        self.at_exit.check(env);
        self.each_profiler(|profiler| {
            // It only fails if the profiler is gone or the thread is wrong; then nothing is due here.
            let _ = profiler.poll();
        });
        let warned = !self.warnings.0.lock().is_empty();
        let ready: Vec<_> =
            self.sessions.borrow().iter().filter_map(Weak::upgrade).filter(|r| warned || r.has_chunks()).collect();
        ready.into_iter().try_for_each(|session| session.notify())
    }
}

/// What was encoded, as a string of JavaScript can hold it.
pub fn text(encoded: Vec<u8>) -> std::result::Result<String, String> {
    let text = String::from_utf8(encoded).map_err(|_| "the encoder made invalid UTF-8")?;
    // A string has at most as many characters as bytes, so they rarely need to be counted.
    if text.len() > MAX_STRING_LENGTH {
        let length = text.encode_utf16().count();
        if length > MAX_STRING_LENGTH {
            return Err(format!(
                "The profile is too large: its text has {length} characters, and a string holds {MAX_STRING_LENGTH}. \
                 Record for a shorter time."
            ));
        }
    }
    Ok(text)
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

/// V8 reads the names of all functions next. It has one name for all native ones, that of the one made last.
fn name_natives(env: &Env) {
    // If this fails, they have the name of another function, which the core tries to recognize.
    let _ = env.create_function_from_closure::<(), (), _>(NATIVE, |_| Ok(()));
}

/// The type of `process.on`.
type On = FunctionRef<FnArgs<(&'static str, Function<'static, (), ()>)>, Unknown<'static>>;

/// Ends all sampling when the process ends. After `process.exit()` and uncaught errors Node runs no cleanup hook on
/// the main thread, and disposes of V8's platform while V8's sampling thread still uses it, which crashed one process
/// in twenty on Node 18. The `exit` event comes before that.
struct AtExit {
    process: ObjectRef<false>,
    on: On,
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
            environment.each_profiler(|profiler| {
                // A profiler that is gone does not sample.
                let _ = profiler.suspend();
            });
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
        Ok(Self {
            process: process.create_ref()?,
            on: on.create_ref()?,
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
        if !is_listed(env, process, event, listener)? {
            self.on.borrow_back(env)?.apply(process, FnArgs::from((event, listener)))?;
        }
        Ok(())
    }
}

/// Whether an event of the process has this listener. Runs no JavaScript, as `process.listeners()` would: an isolate
/// that is woken in order to sleep would be awake.
fn is_listed(env: &Env, process: Object<'_>, event: &str, listener: Function<'_, (), ()>) -> Result<bool> {
    // What Node's event emitters have had since the first ones: per event a function, or an array of several.
    let Some(events) = process.get::<Object>("_events")? else { return Ok(false) };
    let Some(listed) = events.get::<Either<Array, Unknown>>(event)? else { return Ok(false) };
    let listed = match listed {
        Either::A(several) => several,
        Either::B(one) => return env.strict_equals(one, listener),
    };
    for at in 0..listed.len() {
        if let Some(other) = listed.get::<Unknown>(at)?
            && env.strict_equals(other, listener)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn waker(wake: &Arc<WakeFunction>) -> sentry_profiler::Waker {
    let wake = wake.clone();
    Arc::new(move || {
        // If the queue is full, a wake-up is pending; if it is closing, there is nobody left to wake.
        let _ = wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
    })
}

fn wake_function(env: &Env) -> Result<WakeFunction> {
    let on_wake = env.create_function_from_closure::<(), (), _>(NATIVE, |call| {
        Environment::of(call.env).map_err(|thrown| throw(call.env, thrown))?.on_wake(call.env)
    })?;
    on_wake.build_threadsafe_function::<()>().weak::<true>().max_queue_size::<1>().build()
}
