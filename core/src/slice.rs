//! [`Slice`]: the contents of one finished recording of any source, and its merge into a profile.

#[cfg(test)]
use crate::profile::FrameKind;
use crate::profile::{Frame, FrameId, Profile, ProfileBuilder, Stack, StackId};
use crate::time::{Monotonic, Unix};

/// One recording. Its times are the source's (monotonic, microseconds).
#[derive(Debug, Default)]
pub struct Slice {
    /// Not deduplicated, except for strings that the source shares.
    pub(crate) frames: Vec<Frame>,
    /// Parents first.
    pub(crate) stacks: Vec<Stack>,
    /// The source's ticks, in time order.
    pub(crate) ticks: Vec<Tick>,
    /// The sum of the depths of the ticks' stacks.
    pub(crate) ticked_frames: usize,
    /// Whether the source was restarted for it, so that its ticks do not continue those before.
    pub(crate) anew: bool,
}

/// What ran at a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick {
    pub(crate) time_us: Monotonic,
    pub(crate) stack: StackId,
    /// The line of the leaf that ran, 0 when unknown.
    pub(crate) line: u32,
}

impl Slice {
    /// How many nodes of its tree the samples used. The cost of reclaiming it grows with that.
    pub(crate) fn nodes(&self) -> usize {
        self.stacks.len()
    }

    /// The average depth of a tick's stack.
    pub(crate) fn mean_depth(&self) -> usize {
        self.ticked_frames / self.ticks.len().max(1)
    }
}

/// For the benchmark, which uses recorded slices.
#[doc(hidden)]
impl Slice {
    pub fn new(frames: Vec<Frame>, stacks: Vec<Stack>, ticks: Vec<(i64, StackId)>) -> Self {
        let ticks =
            ticks.into_iter().map(|(us, stack)| Tick { time_us: Monotonic::from_us(us), stack, line: 0 }).collect();
        Self { frames, stacks, ticks, ..Self::default() }
    }

    pub fn merge(slices: &[Self]) -> Profile {
        let mut builder = ProfileBuilder::new();
        for slice in slices {
            let mut merge = Merge::new(slice);
            for &Tick { time_us, stack, line } in &slice.ticks {
                let stack = merge.stack(&mut builder, stack);
                builder.sample_in_line(Unix::from_us(time_us.us()), stack, line);
            }
        }
        let times_us = || slices.iter().flat_map(|slice| &slice.ticks).map(|tick| tick.time_us.us());
        let bound = |us: Option<i64>| Unix::from_us(us.unwrap_or(0));
        builder.finish(bound(times_us().next()), bound(times_us().next_back()), 10_101)
    }
}

#[cfg(test)]
impl Slice {
    /// One function that runs at these ticks.
    pub(crate) fn of(times_us: impl IntoIterator<Item = i64>) -> Self {
        let frame = Frame {
            function: "work".into(),
            file: "/app/work.js".into(),
            line: 1,
            column: 1,
            kind: FrameKind::Script,
            in_app: true,
        };
        Self {
            frames: vec![frame],
            stacks: vec![Stack { parent: None, frame: FrameId::at(0) }],
            ticks: times_us
                .into_iter()
                .map(|us| Tick { time_us: Monotonic::from_us(us), stack: StackId::at(0), line: 1 })
                .collect(),
            ..Self::default()
        }
    }

    /// Gives each tick its own function.
    pub(crate) fn rename(&mut self, name: impl Fn(usize) -> String) {
        for at in 0..self.ticks.len() {
            self.frames.push(Frame { function: name(at).into(), ..self.frames[0].clone() });
            self.stacks.push(Stack { parent: None, frame: FrameId::at(self.frames.len() - 1) });
            self.ticks[at].stack = StackId::at(self.stacks.len() - 1);
        }
    }
}

/// Adds ticks of one slice to one profile, and caches translated indices.
pub(crate) struct Merge<'a> {
    slice: &'a Slice,
    /// The profile's frame for each frame of the slice that was translated.
    frames: Vec<Option<FrameId>>,
    stacks: Vec<Option<StackId>>,
}

impl<'a> Merge<'a> {
    pub(crate) fn new(slice: &'a Slice) -> Self {
        Self { slice, frames: vec![None; slice.frames.len()], stacks: vec![None; slice.stacks.len()] }
    }

    /// The stack of the slice as a stack of the profile.
    pub(crate) fn stack(&mut self, builder: &mut ProfileBuilder, stack: StackId) -> StackId {
        if let Some(known) = self.stacks[stack.index()] {
            return known;
        }
        // Go outwards to a known stack, then back inwards.
        let mut pending = vec![];
        let mut at = self.slice.stacks[stack.index()].parent;
        while let Some(id) = at.filter(|id| self.stacks[id.index()].is_none()) {
            pending.push(id);
            at = self.slice.stacks[id.index()].parent;
        }
        let mut parent = at.and_then(|id| self.stacks[id.index()]);
        for id in pending.into_iter().rev() {
            parent = Some(self.add(builder, parent, id));
        }
        self.add(builder, parent, stack)
    }

    fn add(&mut self, builder: &mut ProfileBuilder, parent: Option<StackId>, stack: StackId) -> StackId {
        let frame = self.slice.stacks[stack.index()].frame.index();
        let frame = *self.frames[frame].get_or_insert_with(|| builder.frame(&self.slice.frames[frame]));
        *self.stacks[stack.index()].insert(builder.stack(parent, frame))
    }
}
