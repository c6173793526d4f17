//! V8's `CpuProfiler` as a [`Source`].

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::ptr::NonNull;
use std::sync::Arc;

use parking_lot::Mutex;

use super::abi::{self, Api};
use super::capture::{Shown, capture};
use super::tree::{FinishedProfile, NodeMemory};
use super::{Isolate, LoggingMode};
use crate::error::Error;
use crate::platform::{FineWaits, WAITS_ARE_COARSE};
use crate::slice::Slice;
use crate::source::{Circumstances, Entered, Home, Interrupts, Raw, RecordingId, Serve, Source};
use crate::time::Monotonic;

/// What V8 may keep of one recording, which only an isolate that nobody wakes fills. A recording's maximum is its
/// window's: V8 would apply it to every slice, of all recordings and sessions, and not say what it left out.
const MAX_SAMPLES: u32 = 500_000;

/// A recording's title. Two recordings of one profiler that run at once need different ones, and V8 keeps each for
/// ever, so there are just these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Title {
    /// `""`
    Empty,
    /// `"string"`
    TypeName,
}

impl Title {
    /// The other one.
    fn other(self) -> Self {
        match self {
            Self::Empty => Self::TypeName,
            Self::TypeName => Self::Empty,
        }
    }
}

/// `v8::CpuProfiler`, on its isolate's thread. Dropping it does not dispose of it.
pub(crate) struct V8 {
    api: Arc<Api>,
    isolate: Isolate,
    /// `None` before the first recording of a lazy one, and when it was given back.
    profiler: Cell<Option<NonNull<abi::CpuProfiler>>>,
    interval_us: u32,
    interrupted: abi::InterruptCallback,
    /// Of the recording that began last.
    title: Cell<Title>,
    shown: Arc<Mutex<Shown>>,
    running: RefCell<Running>,
    /// V8's thread waits for its ticks as the system does.
    waits_coarsely: bool,
}

/// What V8 records.
#[derive(Default)]
struct Running {
    /// Each with a moment before it was started, and one after.
    recordings: Vec<(RecordingId, [Monotonic; 2])>,
    /// As long as it does where V8's thread waits coarsely: its ticks would be half as many again apart.
    fine_waits: Option<FineWaits>,
}

impl V8 {
    /// Makes a profiler; `S` serves its interrupts. With eager logging V8's is made here and walks the heap, else with the
    /// first recording.
    ///
    /// # Errors
    /// [`Error::WrongThread`], [`Error::StartFailed`].
    ///
    /// # Safety
    /// The isolate is alive, this is its thread, and it outlives the profiler or [`Source::dispose`].
    pub(crate) unsafe fn new<S: Serve>(
        api: Arc<Api>,
        isolate: NonNull<c_void>,
        logging: LoggingMode,
        interval_us: u32,
        natives_share_name: bool,
    ) -> Result<Self, Error> {
        let isolate = Isolate::new(isolate);
        if Isolate::current(&api) != Some(isolate) {
            return Err(Error::WrongThread);
        }
        let waits_coarsely = WAITS_ARE_COARSE && !super::has_fine_timer(&api.version());
        let shown = Arc::new(Mutex::new(Shown::new(natives_share_name)));
        let source = Self {
            api,
            isolate,
            profiler: Cell::new(None),
            interval_us,
            interrupted: interrupted::<S>,
            title: Cell::new(Title::TypeName),
            shown,
            running: RefCell::default(),
            waits_coarsely,
        };
        if logging == LoggingMode::Eager {
            source.profiler()?;
        }
        Ok(source)
    }

    /// V8's profiler, made if there is none. It always logs eagerly: with V8's lazy logging each start would walk the
    /// heap, also the one in an interrupt for the first tick.
    fn profiler(&self) -> Result<NonNull<abi::CpuProfiler>, Error> {
        if let Some(profiler) = self.profiler.get() {
            return Ok(profiler);
        }
        let api = &self.api;
        // SAFETY: a source is on its isolate's thread, and starts while the isolate is entered.
        let profiler = unsafe { (api.profiler_new)(self.isolate.0.as_ptr(), abi::DEBUG_NAMING, abi::EAGER_LOGGING) };
        let profiler = NonNull::new(profiler).ok_or(Error::StartFailed)?;
        // SAFETY: nothing records yet.
        unsafe { (api.profiler_set_sampling_interval)(profiler.as_ptr(), self.interval_us as c_int) };
        if self.waits_coarsely {
            // SAFETY: as above.
            unsafe { (api.profiler_set_use_precise_sampling)(profiler.as_ptr(), false) };
        }
        self.profiler.set(Some(profiler));
        Ok(profiler)
    }

    fn dispose_of_profiler(&self) {
        if let Some(profiler) = self.profiler.take() {
            // SAFETY: a source is on its isolate's thread; nothing records, and every finished profile was deleted.
            unsafe { (self.api.profiler_dispose)(profiler.as_ptr()) }
        }
    }
}

impl Source for V8 {
    fn is_entered(&self) -> bool {
        Isolate::current(&self.api) == Some(self.isolate)
    }

    /// Opens no handle, so it needs no `HandleScope`.
    fn start(&self, _entered: Entered<'_>) -> Result<RecordingId, Error> {
        let profiler = self.profiler()?;
        let api = &*self.api;
        let isolate = self.isolate.0.as_ptr();
        let title = self.title.get().other();
        let before_us = Monotonic::now();
        // SAFETY: the isolate is entered on this, its thread. Both strings are roots of the heap, which V8 returns
        // without creating a handle: the empty string, and the name of a string's type.
        let result = unsafe {
            let empty = api.new_from_utf8(isolate, c"".as_ptr(), abi::STRING_NORMAL, 0);
            if empty.is_empty() {
                return Err(Error::StartFailed);
            }
            let title = match title {
                Title::Empty => empty,
                Title::TypeName => api.type_of(empty, isolate),
            };
            api.start(profiler.as_ptr(), title, abi::LEAF_NODE_LINE_NUMBERS, true, MAX_SAMPLES)
        };
        match result.status {
            abi::STATUS_STARTED if result.id != 0 => {
                self.title.set(title);
                let id = RecordingId(result.id);
                let mut running = self.running.borrow_mut();
                running.recordings.push((id, [before_us, Monotonic::now()]));
                if self.waits_coarsely {
                    running.fine_waits.get_or_insert_with(FineWaits::begin);
                }
                Ok(id)
            }
            status => Err(Error::StartRefused(status)),
        }
    }

    fn stop(&self, id: RecordingId) -> Option<Box<dyn Raw>> {
        let started = {
            let running = &mut *self.running.borrow_mut();
            let at = running.recordings.iter().position(|(other, _)| *other == id)?;
            let (_, started) = running.recordings.swap_remove(at);
            if running.recordings.is_empty() {
                running.fine_waits = None;
            }
            started
        };
        // SAFETY: a source is on its isolate's thread.
        let profile = NonNull::new(unsafe { (self.api.profiler_stop)(self.profiler.get()?.as_ptr(), id.0) })?;
        // SAFETY: V8 handed it out just now.
        let profile = unsafe { FinishedProfile::new(self.api.clone(), profile, started) };
        Some(Box::new(Recording { profile, memory: NodeMemory::default(), shown: self.shown.clone() }))
    }

    /// Under a microsecond.
    fn heap_bytes(&self) -> u64 {
        // `v8::HeapStatistics` only ever grew at its end and had 14 words at most; the fifth is `used_heap_size`.
        let mut statistics = [0u64; 64];
        // SAFETY: a source is on its isolate's thread; the buffer is far larger than any version's structure.
        unsafe { (self.api.isolate_get_heap_statistics)(self.isolate.0.as_ptr(), statistics.as_mut_ptr().cast()) };
        statistics[4]
    }

    fn hide_file(&self, file: String) {
        self.shown.lock().hidden_files.push(file);
    }

    fn interrupts(&self) -> Box<dyn Interrupts> {
        Box::new(Requests { api: self.api.clone(), isolate: self.isolate, interrupted: self.interrupted })
    }

    fn version(&self) -> String {
        self.api.version()
    }

    fn give_back(&self) {
        self.dispose_of_profiler();
    }

    fn dispose(self: Box<Self>) {
        self.dispose_of_profiler();
    }
}

struct Requests {
    api: Arc<Api>,
    isolate: Isolate,
    interrupted: abi::InterruptCallback,
}

impl Interrupts for Requests {
    fn request(&self, stream: u64) {
        // SAFETY: the isolate is alive, since its source was not disposed of; V8 takes a lock of its own. The callback
        // takes the data for a number.
        unsafe {
            (self.api.isolate_request_interrupt)(self.isolate.0.as_ptr(), self.interrupted, stream as *mut c_void)
        }
    }
}

unsafe extern "C" fn interrupted<S: Serve>(_isolate: *mut abi::Isolate, data: *mut c_void) {
    S::serve(data.addr() as u64);
}

struct Recording {
    profile: FinishedProfile,
    /// Once it was captured.
    memory: NodeMemory,
    shown: Arc<Mutex<Shown>>,
}

impl Raw for Recording {
    fn last_sample_us(&self, before_us: Monotonic) -> Option<Monotonic> {
        self.profile.last_sample_us(before_us)
    }

    fn capture(&mut self, circumstances: &Circumstances) -> Result<Slice, String> {
        let (slice, memory) = capture(&self.profile, circumstances, &mut self.shown.lock())?;
        self.memory = memory;
        Ok(slice)
    }

    fn reclaim(self: Box<Self>, home: Home<'_>) {
        self.profile.delete(&self.memory, home);
    }
}
