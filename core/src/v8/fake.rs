//! A V8 made by hand, for what no real one does on demand: to make no sense, to give no samples, to have no
//! JavaScript running.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst};

use parking_lot::Mutex;

use super::abi::{Api, InterruptCallback, Isolate, SYMBOLS, StartResult};
use super::convention::return_class;
use crate::time::Monotonic;

/// An isolate, and its profiler. It samples the one function it runs every millisecond.
#[derive(Default)]
pub(crate) struct FakeIsolate {
    pub(crate) starts: AtomicUsize,
    pub(crate) running: AtomicUsize,
    /// Profiles that were not deleted.
    pub(crate) profiles: AtomicUsize,
    pub(crate) profilers: AtomicUsize,
    /// What it hands out makes no sense.
    pub(crate) senseless: AtomicBool,
    /// How far its clock is ahead of ours.
    pub(crate) ahead_us: AtomicI64,
    /// It hands out nothing.
    pub(crate) silent: AtomicBool,
    interrupts: Mutex<Vec<(InterruptCallback, usize)>>,
    started: Mutex<Vec<(u32, Monotonic)>>,
}

struct FakeProfile {
    isolate: *const FakeIsolate,
    begin_us: Monotonic,
    end_us: Monotonic,
    samples: usize,
    senseless: bool,
    root: FakeNode,
    leaf: FakeNode,
}

/// As large as a node of V8, which is read ahead of being deleted.
#[repr(C)]
struct FakeNode {
    parent: *const FakeNode,
    profile: *const FakeProfile,
    _rest: [usize; 26],
}

thread_local! {
    static ENTERED: Cell<*const FakeIsolate> = const { Cell::new(ptr::null()) };
}

impl FakeIsolate {
    /// Entered on this thread.
    pub(crate) fn enter() -> Box<Self> {
        let isolate = Box::<Self>::default();
        ENTERED.set(&raw const *isolate);
        isolate
    }

    pub(crate) fn address(&self) -> NonNull<c_void> {
        NonNull::from(self).cast()
    }

    /// From here on the thread has entered no isolate.
    pub(crate) fn leave(&self) {
        ENTERED.set(ptr::null());
    }

    /// As when JavaScript runs: what was requested by now is served.
    pub(crate) fn serve(&self) {
        let due = std::mem::take(&mut *self.interrupts.lock());
        for (callback, data) in due {
            // SAFETY: as V8 calls it, on the isolate's thread.
            unsafe { callback(ptr::from_ref(self).cast_mut().cast(), data as *mut c_void) };
        }
    }

    /// Runs JavaScript until the condition holds, ten seconds at most; returns whether it does.
    pub(crate) fn run_until(&self, mut holds: impl FnMut() -> bool) -> bool {
        let end_us = Monotonic::now() + 10_000_000;
        while !holds() {
            if Monotonic::now() > end_us {
                return false;
            }
            self.serve();
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        true
    }

    /// On its clock.
    fn now(&self) -> Monotonic {
        Monotonic::now() + self.ahead_us.load(SeqCst)
    }

    pub(crate) fn run_for_ms(&self, ms: i64) {
        let end_us = Monotonic::now() + ms * 1_000;
        self.run_until(|| Monotonic::now() >= end_us);
    }
}

/// The functions of this V8.
pub(crate) fn api() -> Arc<Api> {
    let resolve = |name: &CStr| {
        let symbol = SYMBOLS.iter().find(|symbol| symbol.own_name().as_bytes() == name.to_bytes());
        match symbol.map_or("", |symbol| symbol.name) {
            "get_version" => get_version as *const c_void,
            "isolate_try_get_current" => current as *const c_void,
            "isolate_request_interrupt" => request_interrupt as *const c_void,
            "isolate_get_heap_statistics" => heap_statistics as *const c_void,
            "string_new_from_utf8" => string_new_from_utf8 as *const c_void,
            "value_type_of" => value_type_of as *const c_void,
            "profiler_new" => profiler_new as *const c_void,
            "profiler_dispose" => profiler_dispose as *const c_void,
            "profiler_start" => profiler_start as *const c_void,
            "profiler_stop" => profiler_stop as *const c_void,
            "profile_root" => profile_root as *const c_void,
            "profile_samples_count" => profile_samples_count as *const c_void,
            "profile_sample" => profile_sample as *const c_void,
            "profile_sample_timestamp" => profile_sample_timestamp as *const c_void,
            "profile_start_time" => profile_start_time as *const c_void,
            "profile_end_time" => profile_end_time as *const c_void,
            "profile_delete" => profile_delete as *const c_void,
            "node_function_name" => node_function_name as *const c_void,
            "node_script_name" => node_script_name as *const c_void,
            "node_line" | "node_column" => one as *const c_void,
            "node_id" => node_id as *const c_void,
            "node_hit_count" => node_hit_count as *const c_void,
            "node_hit_line_count" => node_hit_line_count as *const c_void,
            "node_line_ticks" => node_line_ticks as *const c_void,
            "node_parent" => node_parent as *const c_void,
            _ => zero as *const c_void,
        }
    };
    // SAFETY: each has the type of its name, or ignores its arguments and returns 0.
    unsafe { Api::resolve(&resolve) }.expect("every symbol has an address")
}

fn isolate<'a>(this: *const c_void) -> &'a FakeIsolate {
    // SAFETY: isolates and profilers are addresses of a `FakeIsolate`, which the test keeps alive.
    unsafe { &*this.cast() }
}

fn profile<'a>(this: *const c_void) -> &'a FakeProfile {
    // SAFETY: made by `profiler_stop`, and not deleted yet.
    unsafe { &*this.cast() }
}

fn node<'a>(this: *const c_void) -> &'a FakeNode {
    // SAFETY: within a profile that was not deleted yet.
    unsafe { &*this.cast() }
}

extern "C" fn get_version() -> *const c_char {
    c"12.0.0-fake".as_ptr()
}

extern "C" fn zero() -> usize {
    0
}

extern "C" fn one() -> c_int {
    1
}

extern "C" fn current() -> *mut c_void {
    ENTERED.get().cast_mut().cast()
}

extern "C" fn request_interrupt(this: *mut Isolate, callback: InterruptCallback, data: *mut c_void) {
    isolate(this.cast()).interrupts.lock().push((callback, data as usize));
}

extern "C" fn heap_statistics(_: *mut Isolate, words: *mut u64) {
    // SAFETY: as V8 has it: the structure has more words than five.
    unsafe { words.add(4).write(1 << 20) };
}

extern "C" fn profiler_new(this: *mut c_void) -> *mut c_void {
    isolate(this).profilers.fetch_add(1, SeqCst);
    this
}

extern "C" fn profiler_dispose(this: *mut c_void) {
    assert_eq!(isolate(this).running.load(SeqCst), 0, "V8 is disposed of while it records");
    assert_eq!(isolate(this).profiles.load(SeqCst), 0, "V8 is disposed of before its profiles");
    isolate(this).profilers.fetch_sub(1, SeqCst);
}

return_class! {
    fn string_new_from_utf8() -> *mut c_void {
        ptr::dangling_mut::<u64>().cast()
    }

    fn value_type_of(_value: *mut c_void) -> *mut c_void {
        ptr::dangling_mut::<u64>().cast()
    }

    fn profiler_start(this: *mut c_void) -> StartResult {
        assert!(ptr::addr_eq(this, current()), "V8 samples only an isolate that is entered");
        let isolate = isolate(this);
        isolate.running.fetch_add(1, SeqCst);
        let id = isolate.starts.fetch_add(1, SeqCst) as u32 + 1;
        isolate.started.lock().push((id, isolate.now()));
        StartResult { id, status: 0 }
    }
}

extern "C" fn profiler_stop(this: *mut c_void, id: u32) -> *mut c_void {
    let isolate = isolate(this);
    let mut started = isolate.started.lock();
    let Some(at) = started.iter().position(|(other, _)| *other == id) else { return ptr::null_mut() };
    let (_, begin_us) = started.swap_remove(at);
    isolate.running.fetch_sub(1, SeqCst);
    isolate.profiles.fetch_add(1, SeqCst);
    let end_us = isolate.now();
    let samples = if isolate.silent.load(SeqCst) { 0 } else { ((end_us - begin_us) / 1_000) as usize };
    let node = || FakeNode { parent: ptr::null(), profile: ptr::null(), _rest: [0; 26] };
    let senseless = isolate.senseless.load(SeqCst);
    let made = FakeProfile { isolate, begin_us, end_us, samples, senseless, root: node(), leaf: node() };
    let made = Box::into_raw(Box::new(made));
    // SAFETY: just made, and seen by nobody else.
    unsafe {
        (*made).root.profile = made;
        (*made).leaf.profile = made;
        (*made).leaf.parent = &raw const (*made).root;
    }
    made.cast()
}

extern "C" fn profile_root(this: *const c_void) -> *const FakeNode {
    &raw const profile(this).root
}

extern "C" fn profile_samples_count(this: *const c_void) -> c_int {
    profile(this).samples as c_int
}

extern "C" fn profile_sample(this: *const c_void, _at: c_int) -> *const FakeNode {
    &raw const profile(this).leaf
}

extern "C" fn profile_sample_timestamp(this: *const c_void, at: c_int) -> i64 {
    profile(this).begin_us.us() + i64::from(at) * 1_000
}

extern "C" fn profile_start_time(this: *const c_void) -> i64 {
    profile(this).begin_us.us()
}

extern "C" fn profile_end_time(this: *const c_void) -> i64 {
    profile(this).end_us.us()
}

extern "C" fn profile_delete(this: *mut c_void) {
    // SAFETY: made by `profiler_stop`, and deleted once.
    let profile = unsafe { Box::from_raw(this.cast::<FakeProfile>()) };
    isolate(profile.isolate.cast()).profiles.fetch_sub(1, SeqCst);
}

extern "C" fn node_function_name(this: *const c_void) -> *const c_char {
    let node = node(this);
    match (node.parent.is_null(), profile(node.profile.cast()).senseless) {
        (true, false) => c"(root)",
        (true, true) => c"(what)",
        (false, _) => c"work",
    }
    .as_ptr()
}

extern "C" fn node_script_name() -> *const c_char {
    c"/app/work.js".as_ptr()
}

extern "C" fn node_id(this: *const c_void) -> u32 {
    if node(this).parent.is_null() { 1 } else { 2 }
}

extern "C" fn node_hit_count(this: *const c_void) -> u32 {
    let node = node(this);
    if node.parent.is_null() { 0 } else { profile(node.profile.cast()).samples as u32 }
}

/// Two lines, at which it is in turns.
extern "C" fn node_hit_line_count(this: *const c_void) -> u32 {
    if node_hit_count(this) > 1 { 2 } else { 0 }
}

extern "C" fn node_line_ticks(this: *const c_void, words: *mut c_int, count: u32) -> bool {
    let hits = node_hit_count(this);
    if count < node_hit_line_count(this) {
        return false;
    }
    if count > 0 {
        // SAFETY: there is room for two entries with columns.
        unsafe { words.cast::<[c_int; 6]>().write([7, 1, (hits / 2) as c_int, 9, 1, (hits - hits / 2) as c_int]) };
    }
    true
}

extern "C" fn node_parent(this: *const c_void) -> *const FakeNode {
    node(this).parent
}
