//! The only room that knows V8: its functions, and what may be called when and where.

pub mod abi;
#[cfg(test)]
pub(crate) mod fake;

use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

pub use abi::{Api, Resolver, Unsupported};

use crate::profile::FrameKind;

/// An isolate's address. Only [`Isolate::request_interrupt`] may be called away from the isolate's thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isolate(NonNull<abi::Isolate>);

// SAFETY: an address; every use that needs the isolate's thread, or the isolate alive, is an `unsafe fn` that says so.
unsafe impl Send for Isolate {}

impl Isolate {
    /// From the address of a `v8::Isolate`.
    pub fn new(isolate: NonNull<c_void>) -> Self {
        Self(isolate.cast())
    }

    /// The address of the `v8::Isolate`.
    pub fn address(self) -> NonNull<c_void> {
        self.0.cast()
    }

    /// The isolate that this thread has entered.
    pub fn current(api: &Api) -> Option<Self> {
        // SAFETY: may be called on any thread; answers null where no isolate is entered.
        NonNull::new(unsafe { (api.isolate_try_get_current)() }).map(Self)
    }

    /// Has the isolate call `callback(isolate, data)` on its own thread as soon as it runs JavaScript. Any thread.
    ///
    /// # Safety
    /// The isolate is alive for the length of this call; `callback` may be called with `data` for as long as it lives.
    pub unsafe fn request_interrupt(self, api: &Api, callback: abi::InterruptCallback, data: *mut c_void) {
        // SAFETY: as the caller vouches; V8 takes a lock of its own.
        unsafe { (api.isolate_request_interrupt)(self.0.as_ptr(), callback, data) }
    }

    /// Bytes of the heap in use. Under a microsecond.
    ///
    /// # Safety
    /// The isolate is alive and this is its thread.
    pub unsafe fn used_heap_bytes(self, api: &Api) -> u64 {
        // `v8::HeapStatistics` only ever grew at its end and had 14 words at most; the fifth is `used_heap_size`.
        let mut statistics = [0u64; 64];
        // SAFETY: as the caller vouches; the buffer is far larger than any version's structure.
        unsafe { (api.isolate_get_heap_statistics)(self.0.as_ptr(), statistics.as_mut_ptr().cast()) };
        statistics[4]
    }
}

/// Turns off the compaction of V8's code space, process-wide.
///
/// Node 22.0.0 to 22.23.2 can hang for ever when a garbage collection that compacts it begins inside a logged code event.
pub fn disable_code_compaction(api: &Api) {
    let flag = c"--no-compact-code-space";
    // SAFETY: V8 copies the flags.
    unsafe { (api.set_flags)(flag.as_ptr(), flag.count_bytes()) }
}

/// When V8 builds its map from addresses to functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoggingMode {
    /// Once, when the profiler is made; starting is cheap from then on.
    #[default]
    Eager,
    /// At each start of the stream, which takes 1 to 1.6 ms per MB of live heap on the isolate's thread.
    Lazy,
}

impl LoggingMode {
    /// As `SENTRY_PROFILER_LOGGING_MODE` and `profiler_logging_mode` have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eager => "eager",
            Self::Lazy => "lazy",
        }
    }
}

/// A recording's title. Two recordings of one profiler that run at once need different ones, and V8 keeps each for ever,
/// so there are just these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Title {
    /// `""`
    Empty,
    /// `"string"`
    TypeName,
}

impl Title {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Empty => Self::TypeName,
            Self::TypeName => Self::Empty,
        }
    }
}

/// A running recording's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingId(u32);

/// V8 refused to start a recording; its `CpuProfilingStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartRefused(pub i32);

/// `v8::CpuProfiler`, on its isolate's thread. Dropping it does not dispose of it: [`CpuProfiler::dispose`] does.
#[derive(Debug)]
pub struct CpuProfiler {
    api: Arc<Api>,
    isolate: Isolate,
    raw: NonNull<abi::CpuProfiler>,
}

impl CpuProfiler {
    /// Makes a profiler. With eager logging V8 walks the heap here.
    ///
    /// # Safety
    /// The isolate is alive, this is its thread, and it is entered. It outlives the profiler.
    pub unsafe fn new(api: Arc<Api>, isolate: Isolate, logging: LoggingMode, interval_us: u32) -> Option<Self> {
        let logging = match logging {
            LoggingMode::Eager => abi::EAGER_LOGGING,
            LoggingMode::Lazy => abi::LAZY_LOGGING,
        };
        // SAFETY: as the caller vouches.
        let raw = NonNull::new(unsafe { (api.profiler_new)(isolate.0.as_ptr(), abi::DEBUG_NAMING, logging) })?;
        // SAFETY: nothing records yet.
        unsafe { (api.profiler_set_sampling_interval)(raw.as_ptr(), interval_us as c_int) };
        Some(Self { api, isolate, raw })
    }

    /// Begins a recording. Opens no handle, so it needs no `HandleScope`.
    ///
    /// # Safety
    /// The isolate's thread, with the isolate entered.
    pub unsafe fn start(&self, title: Title, max_samples: u32) -> Result<RecordingId, StartRefused> {
        let api = &*self.api;
        let isolate = self.isolate.0.as_ptr();
        // SAFETY: both strings are roots of the heap, which V8 answers without creating a handle: the empty string, and
        // the name of a string's type.
        let result = unsafe {
            let empty = (api.string_new_from_utf8)(isolate, c"".as_ptr(), abi::STRING_NORMAL, 0);
            if empty.is_empty() {
                return Err(StartRefused(-1));
            }
            let title = match title {
                Title::Empty => empty,
                Title::TypeName => (api.value_type_of)(empty.this(), isolate),
            };
            (api.profiler_start)(self.raw.as_ptr(), title, abi::LEAF_NODE_LINE_NUMBERS, true, max_samples)
        };
        match result.status {
            abi::STATUS_STARTED if result.id != 0 => Ok(RecordingId(result.id)),
            status => Err(StartRefused(status)),
        }
    }

    /// Ends a recording; `None` when V8 does not know it.
    ///
    /// # Safety
    /// The isolate's thread.
    pub unsafe fn stop(&self, id: RecordingId) -> Option<FinishedProfile> {
        // SAFETY: as the caller vouches.
        let raw = unsafe { (self.api.profiler_stop)(self.raw.as_ptr(), id.0) };
        NonNull::new(raw).map(|raw| FinishedProfile { api: self.api.clone(), raw })
    }

    /// Frees the profiler.
    ///
    /// # Safety
    /// The isolate's thread; nothing records, and every finished profile was deleted.
    pub unsafe fn dispose(self) {
        // SAFETY: as the caller vouches.
        unsafe { (self.api.profiler_dispose)(self.raw.as_ptr()) }
    }
}

/// A recording that V8 has finished. Its tree is detached and may be read on any thread until it is deleted, which must
/// happen on the isolate's thread: dropping it only forgets it.
#[derive(Debug)]
pub struct FinishedProfile {
    api: Arc<Api>,
    raw: NonNull<abi::CpuProfile>,
}

// SAFETY: V8 does not touch a finished profile any more; its strings live until `Delete`.
unsafe impl Send for FinishedProfile {}

impl FinishedProfile {
    /// When it began, on V8's clock, microseconds.
    pub fn start_us(&self) -> i64 {
        // SAFETY: the profile was not deleted: `delete` takes it.
        unsafe { (self.api.profile_start_time)(self.raw.as_ptr()) }
    }

    /// When it ended, on V8's clock, microseconds.
    pub fn end_us(&self) -> i64 {
        // SAFETY: as above.
        unsafe { (self.api.profile_end_time)(self.raw.as_ptr()) }
    }

    /// When V8 took the last sample before a moment, on its clock, microseconds; `None` when there is none.
    pub fn last_sample_us(&self, before_us: i64) -> Option<i64> {
        // SAFETY: as above.
        let count = unsafe { (self.api.profile_samples_count)(self.raw.as_ptr()) };
        // SAFETY: as above; the index is below the count.
        let time = |at| unsafe { (self.api.profile_sample_timestamp)(self.raw.as_ptr(), at) };
        (0..count).rev().map(time).find(|&time_us| time_us < before_us)
    }

    /// The root of the call tree.
    pub fn root(&self) -> Option<Node<'_>> {
        // SAFETY: as above.
        self.node(unsafe { (self.api.profile_root)(self.raw.as_ptr()) })
    }

    /// The samples, each as V8's time stamp (microseconds) and the node that ran.
    pub fn samples(&self) -> impl Iterator<Item = (i64, Node<'_>)> {
        // SAFETY: as above.
        let count = unsafe { (self.api.profile_samples_count)(self.raw.as_ptr()) };
        (0..count).filter_map(|at| {
            // SAFETY: as above; the index is below the count.
            let (time, node) = unsafe {
                (
                    (self.api.profile_sample_timestamp)(self.raw.as_ptr(), at),
                    (self.api.profile_sample)(self.raw.as_ptr(), at),
                )
            };
            Some((time, self.node(node)?))
        })
    }

    /// Frees V8's memory; grows with the tree (0.13 to 0.2 µs a node, and a quarter more when its memory is not told).
    ///
    /// # Safety
    /// The isolate's thread, and the profiler was not disposed of.
    pub unsafe fn delete(self, memory: &NodeMemory) {
        memory.fetch();
        // SAFETY: as the caller vouches; the profile is taken, so nothing reads it any more.
        unsafe { (self.api.profile_delete)(self.raw.as_ptr()) }
    }

    fn node(&self, raw: *const abi::CpuProfileNode) -> Option<Node<'_>> {
        NonNull::new(raw.cast_mut()).map(|raw| Node { api: &self.api, raw })
    }
}

/// Where the memory lies that deleting a finished profile touches.
///
/// V8's other threads made it and the encoder read it, so the isolate's core has none in its cache. `Delete` follows pointers and
/// would wait for each; fetched all at once, it comes while the next is asked for, which takes off about a fifth of the time.
#[derive(Debug, Default)]
pub struct NodeMemory(Vec<usize>);

impl NodeMemory {
    /// What a node takes itself; it is 208 bytes in Node 22.
    const NODE_BYTES: usize = 208;
    const CACHE_LINE_BYTES: usize = 64;
    /// The words of a node where V8 built with GCC's library keeps its function's entry, which counts its nodes, and the first of its
    /// table and of its list of children. Every node of every V8 is larger; where something else is there, the hint is wasted.
    const POINTERS: [usize; 3] = [1, 5, 11];

    /// Adds a node; not on the isolate's thread, since it reads it.
    pub fn add(&mut self, node: Node<'_>) {
        let first = node.raw.cast::<usize>();
        self.0.extend((0..Self::NODE_BYTES).step_by(Self::CACHE_LINE_BYTES).map(|at| first.as_ptr().addr() + at));
        // SAFETY: within the node, which lives as long as its profile and which nobody writes to any more.
        self.0.extend(Self::POINTERS.map(|word| unsafe { first.add(word).read_volatile() }));
    }

    fn fetch(&self) {
        self.0.iter().for_each(|&address| prefetch(address));
    }
}

/// A hint to the processor that this will be written to, which it ignores where there is no memory.
#[inline]
fn prefetch(address: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: it reads nothing that the program sees, and never faults; processors that do not know it do nothing.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, readonly, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("prfm pstl2keep, [{}]", in(reg) address, options(nostack, readonly, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}

/// A node of a finished profile's call tree.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    api: &'a Api,
    raw: NonNull<abi::CpuProfileNode>,
}

// Every node borrows its profile, which borrows it from being deleted: that is why the calls below are sound.
impl<'a> Node<'a> {
    /// Dense from 1 within a profile.
    pub fn id(self) -> u32 {
        // SAFETY: the profile is alive.
        unsafe { (self.api.node_id)(self.raw.as_ptr()) }
    }

    /// The caller, `None` for the root.
    pub fn parent(self) -> Option<Self> {
        // SAFETY: the profile is alive.
        let raw = unsafe { (self.api.node_parent)(self.raw.as_ptr()) };
        NonNull::new(raw.cast_mut()).map(|raw| Self { raw, ..self })
    }

    /// How many samples had it as their leaf.
    pub fn hit_count(self) -> u32 {
        // SAFETY: the profile is alive.
        unsafe { (self.api.node_hit_count)(self.raw.as_ptr()) }
    }

    /// The function's name.
    pub fn function_name(self) -> Name<'a> {
        // SAFETY: the profile is alive.
        Name(unsafe { (self.api.node_function_name)(self.raw.as_ptr()) }, PhantomData)
    }

    /// The script's name.
    pub fn script_name(self) -> Name<'a> {
        // SAFETY: the profile is alive.
        Name(unsafe { (self.api.node_script_name)(self.raw.as_ptr()) }, PhantomData)
    }

    /// 1-based line and column of the definition, 0 when V8 knows none.
    pub fn position(self) -> (u32, u32) {
        // SAFETY: the profile is alive.
        let (line, column) =
            unsafe { ((self.api.node_line)(self.raw.as_ptr()), (self.api.node_column)(self.raw.as_ptr())) };
        (line.try_into().unwrap_or(0), column.try_into().unwrap_or(0))
    }

    /// What kind of code it is.
    pub fn kind(self) -> FrameKind {
        // SAFETY: the profile is alive.
        match unsafe { (self.api.node_source_type)(self.raw.as_ptr()) } {
            abi::SOURCE_SCRIPT => FrameKind::Script,
            abi::SOURCE_BUILTIN => FrameKind::Builtin,
            abi::SOURCE_CALLBACK => FrameKind::Callback,
            abi::SOURCE_INTERNAL => FrameKind::Internal,
            _ => FrameKind::Unresolved,
        }
    }
}

/// A name in a finished profile. Most nodes have one that was met before: how long it is, is found out only when it is read.
#[derive(Clone, Copy)]
pub struct Name<'a>(*const c_char, PhantomData<&'a CStr>);

impl<'a> Name<'a> {
    /// The same for the same name within a profile.
    pub fn address(self) -> usize {
        self.0.addr()
    }

    /// The name itself, empty when V8 knows none.
    pub fn text(self) -> &'a CStr {
        if self.0.is_null() {
            return c"";
        }
        // SAFETY: a C string of the profile, which is alive.
        unsafe { CStr::from_ptr(self.0) }
    }
}
