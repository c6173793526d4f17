//! [`ProfileBuilder`]: merges what is equal.

use rustc_hash::FxHashMap;

use super::{Frame, FrameId, Measurements, Profile, Sample, Stack, StackId};
use crate::time::Unix;

/// Builds a [`Profile`] and merges equal frames and stacks on the way.
#[derive(Debug, Default)]
pub struct ProfileBuilder {
    frames: Vec<Frame>,
    frame_ids: FxHashMap<Frame, FrameId>,
    stacks: Vec<Stack>,
    stack_ids: FxHashMap<Stack, StackId>,
    samples: Vec<Sample>,
    measurements: Measurements,
    max_samples: Option<usize>,
    idle_samples: usize,
    dropped_samples: u64,
}

impl ProfileBuilder {
    /// An empty profile without a limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty profile that keeps the first `max_samples` samples, idle ones aside, and counts the others as
    /// dropped.
    pub fn with_max_samples(max_samples: usize) -> Self {
        Self { max_samples: Some(max_samples), ..Self::default() }
    }

    /// The index of a frame. Equal frames have the same index.
    pub fn frame(&mut self, frame: &Frame) -> FrameId {
        if let Some(&id) = self.frame_ids.get(frame) {
            return id;
        }
        if frame.function.is_empty() {
            return self.frame(&Frame { function: "<anonymous>".into(), ..frame.clone() });
        }
        let id = FrameId::at(self.frames.len());
        self.frames.push(frame.clone());
        self.frame_ids.insert(frame.clone(), id);
        id
    }

    /// The index of the stack that calls `frame` from `parent`. Equal stacks have the same index.
    ///
    /// # Panics
    /// When an index did not come from this builder.
    pub fn stack(&mut self, parent: Option<StackId>, frame: FrameId) -> StackId {
        assert!(frame.index() < self.frames.len(), "{frame:?} is not of this builder");
        assert!(parent.is_none_or(|p| p.index() < self.stacks.len()), "{parent:?} is not of this builder");
        let stack = Stack { parent, frame };
        // Most stacks call only one function, whose stack was added next, so the large map is rarely needed.
        let first = parent.map_or(0, |parent| parent.index() + 1);
        if self.stacks.get(first) == Some(&stack) {
            return StackId::at(first);
        }
        let next = StackId::at(self.stacks.len());
        let id = *self.stack_ids.entry(stack).or_insert(next);
        if id == next {
            self.stacks.push(stack);
        }
        id
    }

    /// How many frames a stack has.
    pub fn depth(&self, stack: StackId) -> u32 {
        std::iter::successors(Some(stack), |&at| self.stacks[at.index()].parent).count() as u32
    }

    /// Whether the maximum of samples is reached.
    pub fn is_full(&self) -> bool {
        self.max_samples.is_some_and(|max| self.active_samples() >= max)
    }

    /// Counts a dropped sample.
    pub fn drop_sample(&mut self) {
        self.dropped_samples += 1;
    }

    /// Adds an idle sample, which ends the previous sample's time. It does not count towards the maximum.
    pub fn idle(&mut self, time: Unix) {
        self.samples.push(Sample { time, stack: None, line: 0 });
        self.idle_samples += 1;
    }

    /// Adds a sample; `stack` is an index from [`ProfileBuilder::stack`], or `None` for an idle sample.
    ///
    /// # Panics
    /// When the index did not come from this builder.
    pub fn sample(&mut self, time: Unix, stack: Option<StackId>) {
        match stack {
            Some(stack) => self.sample_in_line(time, stack, 0),
            None => self.idle(time),
        }
    }

    /// Adds a sample whose leaf was at this line of its file, 0 when unknown.
    ///
    /// # Panics
    /// When the index did not come from this builder.
    pub fn sample_in_line(&mut self, time: Unix, stack: StackId, line: u32) {
        assert!(stack.index() < self.stacks.len(), "{stack:?} is not of this builder");
        if self.is_full() {
            self.drop_sample();
        } else {
            let frame = &self.frames[self.stacks[stack.index()].frame.index()];
            // V8 gives its own functions the lines of their callers, and now and then the lines of what it inlined.
            let is_its_own = (1..=line).contains(&frame.line);
            self.samples.push(Sample { time, stack: Some(stack), line: if is_its_own { line } else { 0 } });
        }
    }

    /// How many samples there are, idle samples aside.
    pub fn active_samples(&self) -> usize {
        self.samples.len() - self.idle_samples
    }

    /// The frames so far.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The stacks so far.
    pub fn stacks(&self) -> &[Stack] {
        &self.stacks
    }

    /// Takes the samples so far out.
    pub(crate) fn take_samples(&mut self) -> Vec<Sample> {
        self.idle_samples = 0;
        std::mem::take(&mut self.samples)
    }

    /// The samples so far, in the order in which they were added.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The measurements, to add readings.
    pub fn measurements_mut(&mut self) -> &mut Measurements {
        &mut self.measurements
    }

    /// The finished profile; samples and readings are put in time order (V8's time stamps may step back by some µs).
    pub fn finish(self, start: Unix, end: Unix, interval_us: u32) -> Profile {
        let Self { frames, stacks, mut samples, mut measurements, dropped_samples, .. } = self;
        samples.sort_by_key(|s| s.time);
        measurements.cpu_usage.sort_by_key(|p| p.time);
        measurements.memory_footprint.sort_by_key(|p| p.time);
        Profile { start, end, interval_us, frames, stacks, samples, measurements, dropped_samples }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::FrameKind;

    fn frame(name: &str) -> Frame {
        Frame { function: name.into(), file: "/a.js".into(), line: 1, column: 1, kind: FrameKind::Script, in_app: true }
    }

    #[test]
    fn a_function_without_a_name_is_anonymous() {
        let mut builder = ProfileBuilder::new();
        assert_eq!(builder.frame(&frame("")), builder.frame(&frame("<anonymous>")));
        assert_eq!(builder.finish(Unix::from_us(0), Unix::from_us(0), 1).frames(), [frame("<anonymous>")]);
    }

    #[test]
    fn equal_stacks_have_one_index_wherever_they_were_added() {
        let mut builder = ProfileBuilder::new();
        let (a, b) = (builder.frame(&frame("a")), builder.frame(&frame("b")));
        // Some directly follow their caller, some do not.
        let stacks = [(None, a), (Some(0), a), (Some(1), b), (Some(0), b), (None, b), (Some(4), a), (Some(1), a)];
        for _ in 0..2 {
            let ids: Vec<_> =
                stacks.iter().map(|&(parent, frame)| builder.stack(parent.map(StackId::at), frame).index()).collect();
            assert_eq!(ids, [0, 1, 2, 3, 4, 5, 6]);
        }
        let profile = builder.finish(Unix::from_us(0), Unix::from_us(0), 1);
        assert_eq!((profile.frames().len(), profile.stacks().len()), (2, 7));
    }

    #[test]
    fn a_profile_merges_what_is_equal_and_sorts_by_time() {
        let mut builder = ProfileBuilder::with_max_samples(2);
        let (a, b) = (builder.frame(&frame("a")), builder.frame(&frame("b")));
        assert_eq!(a, builder.frame(&frame("a")));
        let outer = builder.stack(None, a);
        let inner = builder.stack(Some(outer), b);
        assert_eq!(inner, builder.stack(Some(outer), b));
        builder.sample(Unix::from_us(30), Some(inner));
        builder.sample(Unix::from_us(10), Some(outer));
        builder.sample(Unix::from_us(20), None);
        builder.sample(Unix::from_us(40), Some(inner));
        let profile = builder.finish(Unix::from_us(0), Unix::from_us(50), 10);
        let times: Vec<_> = profile.samples().iter().map(|s| s.time.us()).collect();
        assert_eq!(times, [10, 20, 30]);
        assert_eq!(profile.dropped_samples(), 1);
        assert_eq!(profile.active_samples(), 2);
        assert_eq!(profile.frames_of(inner).collect::<Vec<_>>(), [b, a]);
    }
}
