//! What V8 hands out when a recording ends: a tree of nodes, and the samples, each at one of them.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use super::abi::{self, Api};
use crate::lines::LineTicks;
use crate::profile::FrameKind;
use crate::source::Home;
use crate::time::Monotonic;

/// V8 stamps with the clock that we read, so that a start lies between two readings of ours; one may be rounded.
const SAME_CLOCK_US: i64 = 1_000;

/// A recording that V8 has finished. Its tree is detached and may be read on any thread until it is deleted, which
/// must happen on the isolate's thread: dropping it only forgets it.
#[derive(Debug)]
pub(super) struct FinishedProfile {
    api: Arc<Api>,
    raw: NonNull<abi::CpuProfile>,
    /// How far V8's clock is behind ours.
    behind_us: i64,
}

// SAFETY: V8 does not touch a finished profile any more; its strings live until `Delete`.
unsafe impl Send for FinishedProfile {}

impl FinishedProfile {
    /// One that was started between these two moments.
    ///
    /// # Safety
    /// V8 has just handed it out, and nobody else has it.
    pub(super) unsafe fn new(api: Arc<Api>, raw: NonNull<abi::CpuProfile>, started: [Monotonic; 2]) -> Self {
        let mut profile = Self { api, raw, behind_us: 0 };
        profile.behind_us = behind_us(profile.start_us(), started);
        profile
    }

    fn moment(&self, us: i64) -> Monotonic {
        Monotonic::from_us(us) + self.behind_us
    }

    /// When it began.
    pub(super) fn start_us(&self) -> Monotonic {
        // SAFETY: the profile was not deleted: `delete` takes it.
        self.moment(unsafe { (self.api.profile_start_time)(self.raw.as_ptr()) })
    }

    /// When it ended.
    pub(super) fn end_us(&self) -> Monotonic {
        // SAFETY: as above.
        self.moment(unsafe { (self.api.profile_end_time)(self.raw.as_ptr()) })
    }

    /// When V8 took the last sample before a moment; `None` when there is none.
    pub(super) fn last_sample_us(&self, before_us: Monotonic) -> Option<Monotonic> {
        // SAFETY: as above.
        let count = unsafe { (self.api.profile_samples_count)(self.raw.as_ptr()) };
        // SAFETY: as above; the index is below the count.
        let time = |at| self.moment(unsafe { (self.api.profile_sample_timestamp)(self.raw.as_ptr(), at) });
        (0..count).rev().map(time).find(|&time_us| time_us < before_us)
    }

    /// The root of the call tree.
    pub(super) fn root(&self) -> Option<Node<'_>> {
        // SAFETY: as above.
        self.node(unsafe { (self.api.profile_root)(self.raw.as_ptr()) })
    }

    /// The samples, each with the node that ran.
    pub(super) fn samples(&self) -> impl Iterator<Item = (Monotonic, Node<'_>)> {
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
            Some((self.moment(time), self.node(node)?))
        })
    }

    /// Frees V8's memory; grows with the tree (0.13 to 0.2 µs a node, and a quarter more where its memory is not
    /// known).
    ///
    /// `_home` is the proof that V8 wants: the isolate's thread, and a profiler that was not disposed of.
    pub(super) fn delete(self, memory: &NodeMemory, _home: Home<'_>) {
        memory.fetch();
        // SAFETY: the proof is there; the profile is taken, so nothing reads it any more.
        unsafe { (self.api.profile_delete)(self.raw.as_ptr()) }
    }

    fn node(&self, raw: *const abi::CpuProfileNode) -> Option<Node<'_>> {
        NonNull::new(raw.cast_mut()).map(|raw| Node { api: &self.api, raw })
    }
}

/// How far V8's clock is behind ours: nothing where they are the same.
///
/// On Windows V8 takes the system's milliseconds instead of the performance counter where the processor does not
/// promise that its counter never stops, as in some virtual machines.
fn behind_us(start_us: Monotonic, [before_us, after_us]: [Monotonic; 2]) -> i64 {
    let is_same = (before_us - SAME_CLOCK_US..=after_us + SAME_CLOCK_US).contains(&start_us);
    if is_same { 0 } else { before_us - start_us }
}

/// Where the memory lies that deleting a finished profile touches.
///
/// V8's other threads made it and the encoder read it, so the isolate's core has none in its cache. `Delete` follows
/// pointers and would wait for each; fetched all at once, it comes while the next is asked for, which takes off about
/// a fifth of the time.
#[derive(Debug, Default)]
pub(super) struct NodeMemory(Vec<usize>);

impl NodeMemory {
    /// What a node takes itself; it is 208 bytes in Node 22.
    const NODE_BYTES: usize = 208;
    const CACHE_LINE_BYTES: usize = 64;
    /// The words of a node where V8 built with GCC's library keeps its function's entry, which counts its nodes, and
    /// the first of its table and of its list of children. Every node of every V8 is larger; where something else
    /// is there, the hint is wasted.
    const POINTERS: [usize; 3] = [1, 5, 11];

    /// Adds a node; not on the isolate's thread, since it reads it.
    pub(super) fn add(&mut self, node: Node<'_>) {
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
pub(super) struct Node<'a> {
    api: &'a Api,
    raw: NonNull<abi::CpuProfileNode>,
}

// Every node borrows its profile, which borrows it from being deleted: that is why the calls below are sound.
impl<'a> Node<'a> {
    /// Dense from 1 within a profile.
    pub(super) fn id(self) -> u32 {
        // SAFETY: the profile is alive.
        unsafe { (self.api.node_id)(self.raw.as_ptr()) }
    }

    /// The caller, `None` for the root.
    pub(super) fn parent(self) -> Option<Self> {
        // SAFETY: the profile is alive.
        let raw = unsafe { (self.api.node_parent)(self.raw.as_ptr()) };
        NonNull::new(raw.cast_mut()).map(|raw| Self { raw, ..self })
    }

    /// How many samples had it as their leaf.
    pub(super) fn hit_count(self) -> u32 {
        // SAFETY: the profile is alive.
        unsafe { (self.api.node_hit_count)(self.raw.as_ptr()) }
    }

    /// At which lines the samples were that had it as their leaf, and how many were at each, in order of lines. Not
    /// all samples are at a line.
    pub(super) fn line_ticks(self) -> Vec<LineTicks> {
        // SAFETY: the profile is alive.
        let count = unsafe { (self.api.node_hit_line_count)(self.raw.as_ptr()) };
        let mut words = vec![UNWRITTEN; count as usize * MAX_LINE_TICK_WORDS];
        // SAFETY: as above; there is room for as many as V8 has, of any size that they may have.
        let copied = unsafe { (self.api.node_line_ticks)(self.raw.as_ptr(), words.as_mut_ptr().cast(), count) };
        if copied { line_ticks(&words, count as usize) } else { vec![] }
    }

    /// The function's name.
    pub(super) fn function_name(self) -> Name<'a> {
        // SAFETY: the profile is alive.
        Name(unsafe { (self.api.node_function_name)(self.raw.as_ptr()) }, PhantomData)
    }

    /// The script's name.
    pub(super) fn script_name(self) -> Name<'a> {
        // SAFETY: the profile is alive.
        Name(unsafe { (self.api.node_script_name)(self.raw.as_ptr()) }, PhantomData)
    }

    /// 1-based line and column of the definition, 0 when V8 knows none.
    pub(super) fn position(self) -> (u32, u32) {
        // SAFETY: the profile is alive.
        let (line, column) =
            unsafe { ((self.api.node_line)(self.raw.as_ptr()), (self.api.node_column)(self.raw.as_ptr())) };
        (line.try_into().unwrap_or(0), column.try_into().unwrap_or(0))
    }

    /// What kind of code it is.
    pub(super) fn kind(self) -> FrameKind {
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

/// No line and no count.
const UNWRITTEN: i32 = i32::MIN;
/// V8 14 has three: line, column, count. Those before have no column.
const MAX_LINE_TICK_WORDS: usize = 8;

/// Reads `count` entries of V8, which has filled as much of the buffer as they take. Nothing, if it is not known what
/// they look like.
fn line_ticks(words: &[i32], count: usize) -> Vec<LineTicks> {
    let written = words.iter().position(|&word| word == UNWRITTEN).unwrap_or(words.len());
    if count == 0 || ![2 * count, 3 * count].contains(&written) {
        return vec![];
    }
    let entry = |entry: &[i32]| Some((u32::try_from(entry[0]).ok()?, u32::try_from(*entry.last()?).ok()?));
    // With columns there are several of a line.
    let mut lines = BTreeMap::new();
    for (line, ticks) in words[..written].chunks(written / count).filter_map(entry).filter(|(line, _)| *line > 0) {
        *lines.entry(line).or_default() += ticks;
    }
    lines.into_iter().map(|(line, ticks)| LineTicks { line, ticks }).collect()
}

/// A name in a finished profile. Most nodes have one that was met before: how long it is, is found out only when it
/// is read.
#[derive(Clone, Copy)]
pub(super) struct Name<'a>(*const c_char, PhantomData<&'a CStr>);

impl<'a> Name<'a> {
    /// The same for the same name within a profile.
    pub(super) fn address(self) -> usize {
        self.0.addr()
    }

    /// The name itself, empty when V8 knows none.
    pub(super) fn text(self) -> &'a CStr {
        if self.0.is_null() {
            return c"";
        }
        // SAFETY: a C string of the profile, which is alive.
        unsafe { CStr::from_ptr(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_whatever_v8_says_of_them() {
        let read = |written: &[i32], count| {
            let mut words = vec![UNWRITTEN; count * MAX_LINE_TICK_WORDS];
            words[..written.len()].copy_from_slice(written);
            line_ticks(&words, count).into_iter().map(|LineTicks { line, ticks }| (line, ticks)).collect::<Vec<_>>()
        };
        assert_eq!(read(&[9, 4, 7, 1], 2), [(7, 1), (9, 4)]);
        assert_eq!(read(&[9, 1, 4, 7, 5, 1, 9, 3, 2], 3), [(7, 1), (9, 6)], "with columns");
        assert_eq!(read(&[3, 2], 1), [(3, 2)]);
        assert_eq!(read(&[3, 1, 2], 1), [(3, 2)]);
        assert_eq!(read(&[0, 1, 3, 2], 2), [(3, 2)], "0 is no line");
        // Of a size that nobody knows, or none.
        assert_eq!(read(&[3, 1, 1, 2], 1), []);
        assert_eq!(read(&[], 1), []);
        assert_eq!(read(&[], 0), []);
    }

    #[test]
    fn another_clock_is_one_that_stamps_a_start_elsewhere() {
        let at = Monotonic::from_us;
        let behind = |start_us| behind_us(at(start_us), [at(50_000_000), at(52_000_000)]);
        // A start may take seconds.
        assert_eq!([49_999_958, 50_000_000, 51_000_000, 52_000_000].map(behind), [0; 4]);
        assert_eq!([0, 60_000_000].map(behind), [50_000_000, -10_000_000]);
    }
}
