//! `surface.h` over the Rust crate.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sentry_profiler::encode::{RawOptions, sample_v2};
use sentry_profiler::{Error, Lifecycle, Outcome, Profiler, ProfilerOptions, Session, SessionOptions};

#[derive(Default)]
struct Surface {
    session: Option<Session>,
    profiler: Option<Profiler>,
    chunks: Arc<AtomicUsize>,
    answer: CString,
}

thread_local! {
    static SURFACE: RefCell<Surface> = RefCell::default();
}

/// Makes the profiler of an isolate. Returns 0 on failure.
///
/// # Safety
/// `isolate` is null or a live isolate, entered on this thread, that outlives [`surface_close`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn surface_open(isolate: *mut c_void) -> c_int {
    let Some(isolate) = NonNull::new(isolate) else { return 0 };
    // SAFETY: guaranteed by the caller.
    let profiler = unsafe { Profiler::new(isolate, ProfilerOptions::default()) }.ok();
    SURFACE.with_borrow_mut(|surface| {
        surface.profiler = profiler;
        surface.profiler.is_some().into()
    })
}

/// Performs an operation. The result is valid until the next call.
///
/// # Safety
/// `operation` and `text` are C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn surface_call(
    operation: *const c_char,
    text: *const c_char,
    a: f64,
    b: f64,
    c: f64,
) -> *const c_char {
    // SAFETY: guaranteed by the caller.
    let (operation, text) = unsafe { (CStr::from_ptr(operation), CStr::from_ptr(text)) };
    let (operation, text) = (operation.to_string_lossy(), text.to_string_lossy());
    SURFACE.with_borrow_mut(|surface| {
        let answer = surface.call(&operation, &text, [a, b, c]).unwrap_or_else(|error| match error {
            Error::EmptyTitle | Error::InvalidOption { .. } => "invalid".to_owned(),
            other => format!("error: {other}"),
        });
        surface.answer = CString::new(answer).unwrap_or_default();
        surface.answer.as_ptr()
    })
}

/// Frees everything.
#[unsafe(no_mangle)]
pub extern "C" fn surface_close() {
    SURFACE.take();
}

impl Surface {
    fn call(&mut self, operation: &str, text: &str, [a, b, c]: [f64; 3]) -> Result<String, Error> {
        let Some(profiler) = &self.profiler else { return Err(Error::Closed) };
        if operation == "session" {
            self.session = None;
            return self.new_session(text, a, b, c);
        }
        let session = self.session.as_ref().ok_or(Error::Closed);
        Ok(match operation {
            "start" => profiler.start_profiling(text).map(|()| "ok".to_owned())?,
            "stop" => match profiler.stop_profiling(text)? {
                None => "none".to_owned(),
                Some(profile) => {
                    let options = RawOptions { thread_id: "0", collect_resources: false, logging_mode: "eager" };
                    String::from_utf8_lossy(&sample_v2::raw(&profile, options)).into_owned()
                }
            },
            "session start" => outcome(session?.start()?),
            "session stop" => outcome(session?.stop()?),
            "span started" => session?.span_started().map(|()| "ok".to_owned())?,
            "span ended" => session?.span_ended().map(|()| "ok".to_owned())?,
            "flush" => {
                let delivered = session?.flush(Duration::from_secs(10))?;
                self.delivered(delivered)
            }
            "close" => {
                let delivered = session?.close(Duration::from_secs(10));
                self.delivered(delivered)
            }
            "sleep" => {
                std::thread::sleep(Duration::from_millis(a as u64));
                "ok".to_owned()
            }
            _ => "unknown operation".to_owned(),
        })
    }

    fn new_session(&mut self, lifecycle: &str, rate: f64, chunk_ms: f64, quiet_ms: f64) -> Result<String, Error> {
        let Some(profiler) = &self.profiler else { return Err(Error::Closed) };
        self.chunks.store(0, Ordering::SeqCst);
        let chunks = self.chunks.clone();
        let mut options = SessionOptions::new(Arc::new(move |_| {
            chunks.fetch_add(1, Ordering::SeqCst);
        }));
        options.lifecycle = if lifecycle == "trace" { Lifecycle::Trace } else { Lifecycle::Manual };
        options.sample_rate = rate;
        options.chunk_duration = Duration::from_millis(chunk_ms as u64);
        options.quiet = Duration::from_millis(quiet_ms as u64);
        let session = profiler.session(options)?;
        let sampled = if session.is_sampled() { "sampled" } else { "not-sampled" };
        self.session = Some(session);
        Ok(sampled.to_owned())
    }

    fn delivered(&self, all: bool) -> String {
        let chunks = self.chunks.swap(0, Ordering::SeqCst);
        if all { chunks.to_string() } else { "error: not delivered in time".to_owned() }
    }
}

fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::Started => "started",
        Outcome::Stopped => "stopped",
        Outcome::AlreadyRunning => "already-running",
        Outcome::NotRunning => "not-running",
        Outcome::NotSampled => "not-sampled",
        Outcome::TraceLifecycle => "trace-lifecycle",
        Outcome::NoThread => "no-thread",
    }
    .to_owned()
}
