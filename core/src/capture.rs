//! From V8's finished tree to a [`Slice`], on any thread.

use std::ffi::CStr;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::profile::{Frame, ProfileBuilder, Stack, plain_path};
use crate::v8::{FinishedProfile, Node, NodeMemory};

/// V8's time stamps may lie this far outside of a recording's start and end.
const CANARY_SLACK_US: i64 = 1_000_000;

/// One recording of V8 in our own form, its times still V8's.
#[derive(Debug, Default)]
pub(crate) struct Slice {
    /// Not merged beyond V8's own sharing of strings.
    frames: Vec<Frame>,
    /// Parents first.
    stacks: Vec<Stack>,
    /// (monotonic time in microseconds, stack), in time order.
    pub(crate) samples: Vec<(i64, u32)>,
    /// Of the samples' stacks, together.
    sampled_frames: usize,
}

impl Slice {
    /// How many nodes of V8's tree the samples used; what deleting the tree costs goes by it.
    pub(crate) fn nodes(&self) -> usize {
        self.stacks.len()
    }

    /// How many frames a sample's stack has, on the average.
    pub(crate) fn mean_depth(&self) -> usize {
        self.sampled_frames / self.samples.len().max(1)
    }
}

#[cfg(test)]
impl Slice {
    /// One function, sampled at these times.
    pub(crate) fn of(times_us: impl IntoIterator<Item = i64>) -> Self {
        let frame = Frame {
            function: "work".into(),
            file: "/app/work.js".into(),
            line: 1,
            column: 1,
            kind: crate::profile::FrameKind::Script,
        };
        Self {
            frames: vec![frame],
            stacks: vec![Stack { parent: None, frame: 0 }],
            samples: times_us.into_iter().map(|time_us| (time_us, 0)).collect(),
            ..Self::default()
        }
    }
}

/// Copies everything out of a finished profile; also answers where its memory lies.
///
/// # Errors
/// What makes no sense in it: then this is not the V8 we take it for.
pub(crate) fn capture(profile: &FinishedProfile) -> Result<(Slice, NodeMemory), String> {
    check(profile)?;
    let mut capture = Capture::default();
    let (earliest, latest) =
        (profile.start_us().saturating_sub(CANARY_SLACK_US), profile.end_us().saturating_add(CANARY_SLACK_US));
    for (time_us, node) in profile.samples() {
        if time_us < earliest || time_us > latest {
            return Err(format!(
                "a sample at {time_us} in a recording from {} to {}",
                profile.start_us(),
                profile.end_us()
            ));
        }
        // A sample at the root itself has no stack, and says nothing.
        if let Some(stack) = capture.stack(node) {
            capture.slice.samples.push((time_us, stack));
            capture.slice.sampled_frames += capture.depths[stack as usize];
        }
    }
    // Time stamps may step back by some microseconds.
    capture.slice.samples.sort_by_key(|sample| sample.0);
    Ok((capture.slice, capture.memory))
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
        return Err(format!("it ends at {} before it starts at {}", profile.end_us(), profile.start_us()));
    }
    Ok(())
}

const UNKNOWN: u32 = u32::MAX;

#[derive(Default)]
struct Capture {
    slice: Slice,
    memory: NodeMemory,
    /// Frames of each stack.
    depths: Vec<usize>,
    /// By node id; `UNKNOWN` until met.
    stack_of_node: Vec<u32>,
    /// By the addresses of both names (V8 keeps one copy of each), the position and the kind.
    frame_ids: FxHashMap<(usize, usize, u32, u32, u8), u32>,
    /// By address.
    functions: FxHashMap<usize, Arc<str>>,
    files: FxHashMap<usize, Arc<str>>,
    path: Vec<u32>,
}

impl Capture {
    /// The stack of a node, `None` for the root.
    fn stack(&mut self, leaf: Node<'_>) -> Option<u32> {
        let mut pending = std::mem::take(&mut self.path);
        pending.clear();
        let mut at = Some(leaf);
        let mut stack = None;
        // Outwards to what is known, then back inwards.
        while let Some(node) = at {
            let Some(parent) = node.parent() else { break };
            let id = node.id() as usize;
            if id >= self.stack_of_node.len() {
                self.stack_of_node.resize(id + 64, UNKNOWN);
            }
            if self.stack_of_node[id] != UNKNOWN {
                stack = Some(self.stack_of_node[id]);
                break;
            }
            self.memory.add(node);
            let frame = self.frame(node);
            pending.extend([id as u32, frame]);
            at = Some(parent);
        }
        for step in pending.chunks_exact(2).rev() {
            let next = self.slice.stacks.len() as u32;
            self.slice.stacks.push(Stack { parent: stack, frame: step[1] });
            self.depths.push(stack.map_or(0, |parent| self.depths[parent as usize]) + 1);
            self.stack_of_node[step[0] as usize] = next;
            stack = Some(next);
        }
        self.path = pending;
        stack
    }

    fn frame(&mut self, node: Node<'_>) -> u32 {
        let (function, script) = (node.function_name(), node.script_name());
        let (line, column) = node.position();
        let kind = node.kind();
        let key = (function.address(), script.address(), line, column, kind as u8);
        if let Some(&id) = self.frame_ids.get(&key) {
            return id;
        }
        let function = self.functions.entry(key.0).or_insert_with(|| function_name(function.text())).clone();
        let file =
            self.files.entry(key.1).or_insert_with(|| plain_path(&script.text().to_string_lossy()).into()).clone();
        let id = self.slice.frames.len() as u32;
        self.slice.frames.push(Frame { function, file, line, column, kind });
        self.frame_ids.insert(key, id);
        id
    }
}

fn function_name(name: &CStr) -> Arc<str> {
    match name.to_string_lossy() {
        name if name.is_empty() => "<anonymous>".into(),
        name => name.into(),
    }
}

/// Adds samples of one slice to one profile; remembers what it has translated.
pub(crate) struct Merge<'a> {
    slice: &'a Slice,
    frames: Vec<u32>,
    stacks: Vec<u32>,
}

impl<'a> Merge<'a> {
    pub(crate) fn new(slice: &'a Slice) -> Self {
        Self { slice, frames: vec![UNKNOWN; slice.frames.len()], stacks: vec![UNKNOWN; slice.stacks.len()] }
    }

    /// The stack of the slice as a stack of the profile.
    pub(crate) fn stack(&mut self, builder: &mut ProfileBuilder, stack: u32) -> u32 {
        let known = self.stacks[stack as usize];
        if known != UNKNOWN {
            return known;
        }
        let mut pending = vec![];
        let mut at = Some(stack);
        while let Some(id) = at.filter(|&id| self.stacks[id as usize] == UNKNOWN) {
            pending.push(id);
            at = self.slice.stacks[id as usize].parent;
        }
        let mut parent = at.map(|id| self.stacks[id as usize]);
        for id in pending.into_iter().rev() {
            let frame = self.slice.stacks[id as usize].frame as usize;
            if self.frames[frame] == UNKNOWN {
                self.frames[frame] = builder.frame(&self.slice.frames[frame]);
            }
            let merged = builder.stack(parent, self.frames[frame]);
            self.stacks[id as usize] = merged;
            parent = Some(merged);
        }
        self.stacks[stack as usize]
    }
}
