//! [`Profile`]: the samples of a period of time, in a compact form that does not depend on V8.
//!
//! A profile is immutable, `Send + Sync`, and built only by [`ProfileBuilder`], which keeps its invariants:
//! indices in range, parents before children, samples in time order, every frame and stack unique, no function
//! without a name.

mod builder;
mod files;
pub(crate) mod origin;

use std::num::NonZeroU32;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::time::Unix;

pub use self::builder::ProfileBuilder;
pub use self::files::{in_app, module_of, plain_path, unescaped};

/// The name of a native function that cannot be distinguished from others.
pub const NATIVE: &str = "(native)";

/// What kind of code a frame runs, as V8 reports it (`CpuProfileNode::SourceType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// JavaScript or WebAssembly of a script.
    Script,
    /// Code that is part of V8.
    Builtin,
    /// A native function called from JavaScript.
    Callback,
    /// A state of V8 rather than code: `(idle)`, `(program)`, `(garbage collector)`.
    Internal,
    /// Unknown to V8.
    Unresolved,
}

/// A function at its definition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Never empty in a profile: [`ProfileBuilder`] names a function without a name `<anonymous>`, because Sentry's
    /// processor does not aggregate empty names.
    pub function: Arc<str>,
    /// A plain path for files (also when V8 has a `file://` URL), `node:fs` and the like, or empty when there is no
    /// script.
    pub file: Arc<str>,
    /// 1-based line of the definition, 0 when unknown.
    pub line: u32,
    /// 1-based column of the definition, 0 when unknown.
    pub column: u32,
    /// What it runs.
    pub kind: FrameKind,
    /// Whether it is the user's own code: see [`in_app`].
    pub in_app: bool,
}

impl Frame {
    /// Whether it means that V8 waits for work, and is not code.
    pub fn is_idle(&self) -> bool {
        self.kind == FrameKind::Internal && &*self.function == "(idle)"
    }

    /// The module that Sentry groups functions by, from the file: see [`module_of`].
    pub fn module(&self) -> String {
        module_of(&self.file)
    }
}

/// Which of a profile's frames: an index into [`Profile::frames`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(NonZeroU32);

/// Which of a profile's stacks: an index into [`Profile::stacks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackId(NonZeroU32);

/// One more than the index is kept: an [`Option`] of it takes no more room, and there is one in each sample.
macro_rules! index {
    ($id:ident) => {
        impl $id {
            /// The one at an index.
            pub fn at(index: usize) -> Self {
                Self(NonZeroU32::MIN.saturating_add(index as u32))
            }

            /// The index.
            pub fn index(self) -> usize {
                (self.0.get() - 1) as usize
            }
        }
    };
}

index!(FrameId);
index!(StackId);

/// A stack as its leaf and the rest: stacks with the same callers share their outer part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stack {
    /// The stack of the caller; `None` at the outermost frame. Its index is always smaller than the stack's own.
    pub parent: Option<StackId>,
    /// The leaf: an index into [`Profile::frames`].
    pub frame: FrameId,
}

/// What ran at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub time: Unix,
    /// An index into [`Profile::stacks`]; `None` for an idle sample, which ends the previous sample's time.
    pub stack: Option<StackId>,
    /// The line of the leaf's file that ran, from 1; 0 when unknown.
    ///
    /// V8 counts lines for each stack of a slice, not for each sample. Where a stack was sampled at several lines of a
    /// function, they are dealt out to its samples in proportion.
    pub line: u32,
}

/// One reading of a measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When.
    pub time: Unix,
    /// In the measurement's unit.
    pub value: f64,
}

/// Measurements besides the samples, one reading every 100 ms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurements {
    /// CPU time of the process over wall time times available cores, percent, 0 to 100.
    pub cpu_usage: Vec<Point>,
    /// Used heap of the isolate, bytes.
    pub memory_footprint: Vec<Point>,
}

/// The sum of all samples of one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackTotal {
    /// An index into [`Profile::stacks`].
    pub stack: StackId,
    /// The number of samples.
    pub samples: u64,
    /// How long it ran, microseconds.
    pub time_us: u64,
}

/// The sum of all samples of one stack at one line of its leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTotal {
    /// An index into [`Profile::stacks`].
    pub stack: StackId,
    /// The line of the leaf's file, from 1; 0 when unknown.
    pub line: u32,
    /// The number of samples.
    pub samples: u64,
    /// How long it ran, microseconds.
    pub time_us: u64,
}

/// A function and how long it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hotspot<'a> {
    /// The function.
    pub frame: &'a Frame,
    /// How long it was the leaf, microseconds.
    pub self_us: u64,
    /// How long it was anywhere on the stack, microseconds; recursion counts once.
    pub total_us: u64,
}

/// A finished profile: shared, immutable, ready for any encoder on any thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    start: Unix,
    end: Unix,
    interval_us: u32,
    frames: Vec<Frame>,
    stacks: Vec<Stack>,
    samples: Vec<Sample>,
    measurements: Measurements,
    dropped_samples: u64,
}

impl Profile {
    /// When it began.
    pub fn start(&self) -> Unix {
        self.start
    }

    /// When it ended.
    pub fn end(&self) -> Unix {
        self.end
    }

    /// The sampling interval asked for, microseconds.
    pub fn interval_us(&self) -> u32 {
        self.interval_us
    }

    /// The distinct functions.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The distinct stacks, as a tree of leaf and caller: each one's parent comes before it.
    pub fn stacks(&self) -> &[Stack] {
        &self.stacks
    }

    /// The samples in time order.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// CPU and memory.
    pub fn measurements(&self) -> &Measurements {
        &self.measurements
    }

    /// Samples that came after the maximum was reached and are not in the profile.
    pub fn dropped_samples(&self) -> u64 {
        self.dropped_samples
    }

    /// How many samples are not idle samples.
    pub fn active_samples(&self) -> usize {
        self.samples.iter().filter(|s| s.stack.is_some()).count()
    }

    /// The frames of a stack, leaf first, as indices into [`Profile::frames`].
    pub fn frames_of(&self, stack: StackId) -> impl Iterator<Item = FrameId> + '_ {
        std::iter::successors(Some(stack), |&at| self.stacks[at.index()].parent).map(|at| self.stacks[at.index()].frame)
    }

    /// Whether nothing ran in a sample with this stack: an idle sample, or V8's own `(idle)`.
    pub fn is_idle(&self, stack: Option<StackId>) -> bool {
        stack.is_none_or(|at| self.frames[self.stacks[at.index()].frame.index()].is_idle())
    }

    /// The totals of each sampled stack, in order of first use, without idle ones.
    ///
    /// A sample lasts until the next one, as in Sentry's processor. Where work ends, an idle sample ends the last
    /// sample's time.
    pub fn stack_totals(&self) -> Vec<StackTotal> {
        let mut totals: Vec<StackTotal> = Vec::new();
        let mut slots = vec![None; self.stacks.len()];
        for (stack, _, time_us) in self.worked() {
            let slot = *slots[stack.index()].get_or_insert_with(|| {
                totals.push(StackTotal { stack, samples: 0, time_us: 0 });
                totals.len() - 1
            });
            totals[slot].samples += 1;
            totals[slot].time_us += time_us;
        }
        totals
    }

    /// As [`Profile::stack_totals`], for each line of the leaf on its own.
    pub fn line_totals(&self) -> Vec<LineTotal> {
        let mut totals: Vec<LineTotal> = Vec::new();
        let mut slots = FxHashMap::default();
        for (stack, line, time_us) in self.worked() {
            let slot = *slots.entry((stack, line)).or_insert_with(|| {
                totals.push(LineTotal { stack, line, samples: 0, time_us: 0 });
                totals.len() - 1
            });
            totals[slot].samples += 1;
            totals[slot].time_us += time_us;
        }
        totals
    }

    /// The samples in which something ran: its stack, its line, and for how many microseconds.
    fn worked(&self) -> impl Iterator<Item = (StackId, u32, u64)> + '_ {
        self.samples.iter().enumerate().filter_map(|(at, sample)| {
            let stack = sample.stack.filter(|_| !self.is_idle(sample.stack))?;
            let next = self.samples.get(at + 1).unwrap_or(sample);
            Some((stack, sample.line, (next.time - sample.time).unsigned_abs()))
        })
    }

    /// The `count` functions with the most self time, hottest first; then by total time, then in order of first use.
    pub fn hottest(&self, count: usize) -> Vec<Hotspot<'_>> {
        let mut spots: Vec<Hotspot<'_>> =
            self.frames.iter().map(|frame| Hotspot { frame, self_us: 0, total_us: 0 }).collect();
        let mut counted_for = vec![None; self.frames.len()];
        for total in self.stack_totals() {
            let leaf = self.stacks[total.stack.index()].frame;
            spots[leaf.index()].self_us += total.time_us;
            for frame in self.frames_of(total.stack) {
                // Once per stack, however often the function calls itself in it.
                if counted_for[frame.index()].replace(total.stack) != Some(total.stack) {
                    spots[frame.index()].total_us += total.time_us;
                }
            }
        }
        spots.retain(|spot| spot.total_us > 0);
        spots.sort_by_key(|spot| std::cmp::Reverse((spot.self_us, spot.total_us)));
        spots.truncate(count);
        spots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(name: &str) -> Frame {
        Frame { function: name.into(), file: "/a.js".into(), line: 1, column: 1, kind: FrameKind::Script, in_app: true }
    }

    #[test]
    fn time_goes_to_functions_once_and_idle_time_to_none() {
        let idle = Frame { file: "".into(), kind: FrameKind::Internal, in_app: false, ..frame("(idle)") };
        let mut builder = ProfileBuilder::new();
        let (a, b, idle) = (builder.frame(&frame("a")), builder.frame(&frame("b")), builder.frame(&idle));
        let outer = builder.stack(None, a);
        let inner = builder.stack(Some(outer), b);
        let again = builder.stack(Some(inner), a);
        let idle = builder.stack(None, idle);
        // b for 10 µs below a; a for 20 µs, calling itself through b; a for 5 µs alone; then idle. The last sample has
        // no duration.
        for (time_us, stack) in
            [(0, Some(inner)), (10, Some(again)), (30, Some(outer)), (35, Some(idle)), (100, None), (200, Some(inner))]
        {
            builder.sample(Unix::from_us(time_us), stack);
        }
        let profile = builder.finish(Unix::from_us(0), Unix::from_us(300), 10);
        let (a, b) = (frame("a"), frame("b"));
        assert_eq!(
            profile.hottest(9),
            [Hotspot { frame: &a, self_us: 25, total_us: 35 }, Hotspot { frame: &b, self_us: 10, total_us: 30 }]
        );
        assert_eq!(profile.hottest(1).len(), 1);
        assert_eq!(
            profile.stack_totals(),
            [
                StackTotal { stack: inner, samples: 2, time_us: 10 },
                StackTotal { stack: again, samples: 1, time_us: 20 },
                StackTotal { stack: outer, samples: 1, time_us: 5 }
            ]
        );
    }
}
