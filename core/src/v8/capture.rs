//! From V8's finished tree to a [`Slice`], on any thread.

use std::borrow::Cow;
use std::ffi::CStr;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::tree::{FinishedProfile, Node, NodeMemory};
use crate::lines::Lines;
use crate::profile::{Frame, FrameId, FrameKind, NATIVE, Stack, StackId, in_app, plain_path};
use crate::slice::{Slice, Tick};
use crate::source::{Beginning, Circumstances, START_US};
use crate::time::Monotonic;

/// V8's time stamps may lie this far outside of a recording's start and end.
const CANARY_SLACK_US: i64 = 1_000_000;
/// Longer names are cut: V8 keeps a function's up to a megabyte, and every chunk that has the function would carry
/// it.
const MAX_FUNCTION_CHARS: usize = 1_000;
/// V8 itself cuts a script's name here.
const MAX_FILE_CHARS: usize = 1_024;

/// Copies everything out of a finished profile; also returns where its memory lies. Ticks of the muted stretches are
/// left out, unless nothing ran.
///
/// # Errors
/// What makes no sense in it: then this is not the V8 we take it for.
pub(super) fn capture(
    profile: &FinishedProfile,
    circumstances: &Circumstances,
    shown: &mut Shown,
) -> Result<(Slice, NodeMemory), String> {
    let &Circumstances { beginning, ref muted, interval_us } = circumstances;
    check(profile)?;
    let (earliest, latest) = (profile.start_us() - CANARY_SLACK_US, profile.end_us() + CANARY_SLACK_US);
    let mut samples: Vec<(Monotonic, Node<'_>)> = profile.samples().collect();
    if let Some((time_us, _)) = samples.iter().find(|(time_us, _)| !(earliest..=latest).contains(time_us)) {
        return Err(format!(
            "a sample at {} in a recording from {} to {}",
            time_us.us(),
            profile.start_us().us(),
            profile.end_us().us()
        ));
    }
    // Time stamps may step back by some microseconds.
    samples.sort_by_key(|sample| sample.0);
    if let Beginning::HostCall(until_us) = beginning {
        shown.learn(samples.iter().take_while(|(time_us, _)| *time_us <= until_us).map(|&(_, leaf)| leaf));
    }
    let mut capture = Capture::new(shown);
    let started_us = profile.start_us();
    let start = samples.first().filter(|(time_us, _)| *time_us - started_us < START_US).map(|_| beginning);
    let is_tick = ticks(&samples, start, interval_us);
    for (&(time_us, node), is_tick) in samples.iter().zip(is_tick) {
        // All of them, because what deleting them takes goes by the nodes. A sample at the root itself has no stack,
        // and says nothing.
        let is_muted = || muted.iter().any(|&(from, to)| (from..to).contains(&time_us)) && !is_waiting(node);
        if let Some(stack) = capture.stack(node).filter(|_| is_tick && !is_muted()) {
            let line = capture.line(node);
            capture.slice.ticks.push(Tick { time_us, stack, line });
            capture.slice.ticked_frames += capture.depths[stack.index()];
        }
    }
    capture.slice.anew = beginning != Beginning::Overlap;
    Ok((capture.slice, capture.memory))
}

/// Whether no code runs.
fn is_waiting(node: Node<'_>) -> bool {
    node.kind() == FrameKind::Internal && [c"(idle)", c"(program)"].contains(&node.function_name().text())
}

/// Which of the samples, in time order, are ticks of V8's thread. The others are V8's own, one in each `Start` and
/// one each time that it deoptimizes a function, and stand for no time. `start` says what the first one is if it is
/// that of the start.
fn ticks(samples: &[(Monotonic, Node<'_>)], start: Option<Beginning>, interval_us: u32) -> Vec<bool> {
    let ids: Vec<(Monotonic, usize)> = samples.iter().map(|&(time_us, node)| (time_us, node.id() as usize)).collect();
    let mut hits = vec![None; ids.iter().map(|(_, id)| id + 1).max().unwrap_or(0)];
    for &(_, node) in samples {
        hits[node.id() as usize].get_or_insert_with(|| node.hit_count());
    }
    let started = usize::from(start.is_some());
    let others = select_ticks(&ids[started..], |id| hits[id].unwrap_or(0), interval_us);
    start.map(|beginning| beginning == Beginning::Tick).into_iter().chain(others).collect()
}

/// A node tells how many ticks it had, not which of its samples they were. Where it had other samples too, those that
/// follow a tick too soon to be one are left out. Which of them it is, matters little: they have the same stack.
fn select_ticks(samples: &[(Monotonic, usize)], hits: impl Fn(usize) -> u32, interval_us: u32) -> Vec<bool> {
    /// Of a node: samples that are still to come, and how many of them are no ticks.
    #[derive(Clone, Copy, Default)]
    struct Left {
        samples: u32,
        extra: u32,
    }
    let mut left = vec![Left::default(); samples.iter().map(|(_, id)| id + 1).max().unwrap_or(0)];
    samples.iter().for_each(|&(_, id)| left[id].samples += 1);
    left.iter_mut().enumerate().for_each(|(id, left)| left.extra = left.samples.saturating_sub(hits(id)));
    let too_soon_us = i64::from(interval_us) * 3 / 4;
    let mut last_us = None;
    let is_tick = |&(time_us, id): &(Monotonic, usize)| {
        let left = &mut left[id];
        let all_are_extra = left.extra == left.samples;
        left.samples -= 1;
        let too_soon = last_us.is_some_and(|last_us| time_us - last_us < too_soon_us);
        if all_are_extra || (left.extra > 0 && too_soon) {
            left.extra -= 1;
            return false;
        }
        last_us = Some(time_us);
        true
    };
    samples.iter().map(is_tick).collect()
}

/// What of an isolate's functions is shown.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Plain paths of the profiler's own scripts: their functions, and what those call, are left out of stacks.
    pub(super) hidden_files: Vec<String>,
    /// All native functions of the host's kind have one address, so V8 has one name for all of them: any one's.
    natives_share_name: bool,
    /// That name, once it was seen.
    shared_name: Option<Arc<str>>,
}

impl Shown {
    pub(super) fn new(natives_share_name: bool) -> Self {
        Self { natives_share_name, ..Self::default() }
    }

    /// Learns the name that native functions share from the leaves of samples that were taken inside one.
    fn learn<'a>(&mut self, leaves: impl Iterator<Item = Node<'a>>) {
        if !self.natives_share_name {
            return;
        }
        // With lazy logging V8 knows no names before the first sample.
        if let Some(leaf) = leaves.filter(|leaf| leaf.kind() == FrameKind::Callback).last() {
            self.shared_name = Some(function_name(leaf.function_name().text()));
        }
    }

    fn hides(&self, file: &str) -> bool {
        self.hidden_files.iter().any(|hidden| hidden == file)
    }

    /// A function's name, or a neutral one where it may be any other's.
    fn name(&self, name: Arc<str>, kind: FrameKind) -> Arc<str> {
        if kind == FrameKind::Callback && self.shared_name.as_ref() == Some(&name) { NATIVE.into() } else { name }
    }
}

fn check(profile: &FinishedProfile) -> Result<(), String> {
    let root = profile.root().ok_or("it has no root")?;
    let name = root.function_name().text();
    if name != c"(root)" {
        return Err(format!("its root is named {name:?}"));
    }
    if root.parent().is_some() || root.hit_count() != 0 {
        return Err("its root has a parent or samples".to_owned());
    }
    if profile.end_us() < profile.start_us() {
        return Err(format!("it ends at {} before it starts at {}", profile.end_us().us(), profile.start_us().us()));
    }
    Ok(())
}

struct Capture<'a> {
    shown: &'a Shown,
    slice: Slice,
    memory: NodeMemory,
    /// Frames of each stack.
    depths: Vec<usize>,
    /// By node id; `None` until met.
    met: Vec<Option<Met>>,
    /// By the addresses of both names (V8 keeps one copy of each), the position and the kind: an index into `codes`.
    code_ids: FxHashMap<(usize, usize, u32, u32, u8), u32>,
    codes: Vec<Code>,
    /// By address.
    functions: FxHashMap<usize, Arc<str>>,
    files: FxHashMap<usize, Arc<str>>,
    path: Vec<(u32, u32)>,
    /// By node id, of those that had ticks.
    lines: FxHashMap<u32, Lines>,
}

/// What became of a node.
#[derive(Clone, Copy, Debug, Default)]
struct Met {
    /// The stack that it stands for, `None` for the root and what is hidden below it.
    stack: Option<StackId>,
    /// It is hidden, as everything that it calls.
    hidden: bool,
    /// Of its function; `None` for the root.
    in_app: Option<bool>,
}

/// A function, whoever calls it.
struct Code {
    function: Arc<str>,
    file: Arc<str>,
    line: u32,
    column: u32,
    kind: FrameKind,
    hidden: bool,
    /// Its frame when called by nobody, by others' code, and by the user's, once it was.
    frames: [Option<(FrameId, bool)>; 3],
}

impl<'a> Capture<'a> {
    fn new(shown: &'a Shown) -> Self {
        Self {
            shown,
            slice: Slice::default(),
            memory: NodeMemory::default(),
            depths: vec![],
            met: vec![],
            code_ids: FxHashMap::default(),
            codes: vec![],
            functions: FxHashMap::default(),
            files: FxHashMap::default(),
            path: vec![],
            lines: FxHashMap::default(),
        }
    }

    /// A line for the next tick of a node.
    fn line(&mut self, node: Node<'_>) -> u32 {
        self.lines.entry(node.id()).or_insert_with(|| Lines::new(node.line_ticks(), node.hit_count())).next()
    }

    /// The stack of a node, `None` for the root.
    fn stack(&mut self, leaf: Node<'_>) -> Option<StackId> {
        let mut pending = std::mem::take(&mut self.path);
        let mut at = Some(leaf);
        let mut met = Met::default();
        // Outwards to what is known, then back inwards.
        while let Some(node) = at {
            let Some(parent) = node.parent() else { break };
            let id = node.id();
            if id as usize >= self.met.len() {
                self.met.resize(id as usize + 64, None);
            }
            if let Some(known) = self.met[id as usize] {
                met = known;
                break;
            }
            self.memory.add(node);
            let code = self.code(node);
            pending.push((id, code));
            at = Some(parent);
        }
        for (id, code) in pending.drain(..).rev() {
            met = self.call(met, code as usize);
            self.met[id as usize] = Some(met);
        }
        self.path = pending;
        met.stack
    }

    /// What becomes of a node that its caller's node calls.
    fn call(&mut self, caller: Met, code: usize) -> Met {
        let code = &mut self.codes[code];
        if caller.hidden || code.hidden {
            return Met { hidden: true, ..caller };
        }
        let called_by = caller.in_app.map_or(0, |in_app| 1 + usize::from(in_app));
        let (frame, in_app) = *code.frames[called_by].get_or_insert_with(|| {
            let Code { line, column, kind, .. } = *code;
            let in_app = in_app(kind, &code.function, &code.file, caller.in_app);
            let (function, file) = (code.function.clone(), code.file.clone());
            self.slice.frames.push(Frame { function, file, line, column, kind, in_app });
            (FrameId::at(self.slice.frames.len() - 1), in_app)
        });
        let stack = StackId::at(self.slice.stacks.len());
        self.slice.stacks.push(Stack { parent: caller.stack, frame });
        self.depths.push(caller.stack.map_or(0, |caller| self.depths[caller.index()]) + 1);
        Met { stack: Some(stack), hidden: false, in_app: Some(in_app) }
    }

    fn code(&mut self, node: Node<'_>) -> u32 {
        let (function, script) = (node.function_name(), node.script_name());
        let (line, column) = node.position();
        let kind = node.kind();
        let next = self.codes.len() as u32;
        let key = (function.address(), script.address(), line, column, kind as u8);
        let id = *self.code_ids.entry(key).or_insert(next);
        if id == next {
            let function = self.functions.entry(key.0).or_insert_with(|| function_name(function.text())).clone();
            let file = self.files.entry(key.1).or_insert_with(|| file_name(script.text())).clone();
            let hidden = self.shown.hides(&file);
            let function = self.shown.name(function, kind);
            self.codes.push(Code { function, file, line, column, kind, hidden, frames: [None; 3] });
        }
        id
    }
}

fn function_name(name: &CStr) -> Arc<str> {
    match cut(&name.to_string_lossy(), MAX_FUNCTION_CHARS) {
        name if name.is_empty() => "<anonymous>".into(),
        name => name.into(),
    }
}

fn file_name(name: &CStr) -> Arc<str> {
    plain_path(&cut(&name.to_string_lossy(), MAX_FILE_CHARS - 1)).into()
}

/// A text of so many characters at most; that there was more shows.
fn cut(text: &str, max_chars: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL_US: u32 = 10_000;

    /// The times of what is taken for ticks; nodes have as many hits as said.
    fn selected(samples: &[(i64, usize)], hits: &[u32]) -> Vec<i64> {
        let samples: Vec<_> = samples.iter().map(|&(us, id)| (Monotonic::from_us(us), id)).collect();
        let is_tick = select_ticks(&samples, |id| hits[id], INTERVAL_US);
        samples.iter().zip(is_tick).filter(|(_, is_tick)| *is_tick).map(|(sample, _)| sample.0.us()).collect()
    }

    #[test]
    fn samples_that_v8_adds_are_no_ticks() {
        // Node 1 is what runs, node 2 our own start.
        let samples = [(0, 2), (10_000, 1), (20_000, 1), (30_000, 1)];
        assert_eq!(selected(&samples, &[0, 3, 0]), [10_000, 20_000, 30_000]);
        // Deoptimized twice, right after ticks.
        let samples = [(10_000, 1), (10_900, 1), (20_000, 1), (26_000, 1), (30_000, 1)];
        assert_eq!(selected(&samples, &[0, 3]), [10_000, 20_000, 30_000]);
        // As many as there were ticks, wherever they were.
        let samples = [(1_000, 1), (10_000, 3), (19_000, 1), (20_000, 3), (29_000, 1)];
        assert_eq!(selected(&samples, &[0, 1, 0, 2]).len(), 3);
        // A tick that V8 counted and did not keep takes nothing away.
        assert_eq!(selected(&[(10_000, 1), (20_000, 1)], &[0, 5]), [10_000, 20_000]);
        assert_eq!(selected(&[], &[]), [0; 0]);
    }

    #[test]
    fn long_names_are_cut_where_it_shows() {
        let name = std::ffi::CString::new("ä".repeat(1 << 20)).unwrap();
        assert_eq!(function_name(&name).chars().count(), MAX_FUNCTION_CHARS + 1);
        assert!(function_name(&name).ends_with("ä…"));
        assert_eq!(&*function_name(c""), "<anonymous>");
        assert!(file_name(&name).ends_with("ä…"));
        let whole = std::ffi::CString::new("a".repeat(MAX_FUNCTION_CHARS)).unwrap();
        assert_eq!(function_name(&whole).len(), MAX_FUNCTION_CHARS);
    }
}
