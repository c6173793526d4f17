//! A window on the stream of slices, filled as the slices arrive.

use crate::clock::Clock;
use crate::measurements::Reading;
use crate::profile::{Frame, Point, Profile, ProfileBuilder, StackId};
use crate::slice::Merge;
use crate::time::{Monotonic, Unix};

/// Between two ticks further apart than this nothing ran that we know of: the process was frozen or starved.
const GAP_US: i64 = 500_000;
/// What one sample, one frame of one stack, and one frame without its names take in a chunk, bytes, rounded up.
const SAMPLE_BYTES: usize = 75;
const STACK_FRAME_BYTES: usize = 6;
const FRAME_BYTES: usize = 120;

/// Collects what belongs to a stretch of time.
///
/// V8 ticks once an interval, and each tick stands for the time until the next one. Readers of a profile let a sample
/// last until the next one too, so where the window pauses or ends, an idle sample says where the last tick's time
/// ends. That is after the pause has begun: work shorter than an interval is met by a tick now and then, which then
/// stands for all those that met none.
#[derive(Debug)]
pub(crate) struct Window {
    from_us: Monotonic,
    interval_us: u32,
    builder: ProfileBuilder,
    /// The last tick, unless an idle sample came after it.
    open_tick_us: Option<Monotonic>,
    /// Samples were not wanted, or not taken, for a while since the last tick.
    paused: bool,
    /// The first tick and the last one, also when it was too many.
    sampled_us: Option<(Monotonic, Monotonic)>,
    /// Depth of each stack of the builder once a sample has used it as a whole, 0 before.
    used_depth: Vec<u32>,
    stack_frames: usize,
    /// Frames of the builder whose names are counted, and what those take.
    counted_frames: usize,
    frame_bytes: usize,
}

impl Window {
    pub(crate) fn new(from_us: Monotonic, interval_us: u32, max_samples: usize) -> Self {
        Self {
            from_us,
            interval_us,
            builder: ProfileBuilder::with_max_samples(max_samples),
            open_tick_us: None,
            paused: false,
            sampled_us: None,
            used_depth: vec![],
            stack_frames: 0,
            counted_frames: 0,
            frame_bytes: 0,
        }
    }

    pub(crate) fn start_us(&self) -> Monotonic {
        self.from_us
    }

    /// How many ticks it has.
    pub(crate) fn tick_count(&self) -> usize {
        self.builder.active_samples()
    }

    /// Adds a tick.
    pub(crate) fn tick(&mut self, time_us: Monotonic, stack: StackId, merge: &mut Merge<'_>, clock: &Clock) {
        let longest_us = if self.paused { self.longest_tick_us() } else { GAP_US };
        if self.open_tick_us.is_some_and(|last_us| time_us - last_us > longest_us) {
            self.end_tick(None, clock);
        }
        self.paused = false;
        self.sampled_us.get_or_insert((time_us, time_us)).1 = time_us;
        if self.builder.is_full() {
            self.end_tick(Some(time_us), clock);
            self.builder.drop_sample();
            return;
        }
        let stack = merge.stack(&mut self.builder, stack);
        self.count(stack);
        self.builder.sample(self.wall(time_us, clock), Some(stack));
        self.open_tick_us = Some(time_us);
    }

    /// No samples are wanted, or none are taken, until the next [`Window::tick`].
    pub(crate) fn pause(&mut self) {
        self.paused = true;
    }

    /// Ends the last tick: where the stream's next one, which is not the window's, is at `next_us`, else after an
    /// interval.
    pub(crate) fn end_tick(&mut self, next_us: Option<Monotonic>, clock: &Clock) {
        if let Some(last_us) = self.open_tick_us.take() {
            let next_us = next_us.filter(|&next_us| next_us - last_us <= self.longest_tick_us());
            // Another profile may begin with that one.
            let end_us = next_us.map_or(last_us + i64::from(self.interval_us), |next_us| next_us - 1);
            self.builder.idle(self.wall(end_us, clock));
        }
    }

    /// A tick that came later than this was not merely delayed: there was one in between that nobody recorded.
    fn longest_tick_us(&self) -> i64 {
        i64::from(self.interval_us) * 3 / 2
    }

    pub(crate) fn reading(&mut self, reading: &Reading, clock: &Clock) {
        let time = self.wall(reading.time_us, clock);
        let measurements = self.builder.measurements_mut();
        if let Some(value) = reading.cpu_usage {
            measurements.cpu_usage.push(Point { time, value });
        }
        if let Some(bytes) = reading.heap_bytes {
            measurements.memory_footprint.push(Point { time, value: bytes as f64 });
        }
    }

    /// Whether the window, encoded as a chunk, still takes less than `max_bytes` with a tick of this stack, or is
    /// empty.
    pub(crate) fn takes(&mut self, stack: StackId, merge: &mut Merge<'_>, max_bytes: usize) -> bool {
        let stack = merge.stack(&mut self.builder, stack);
        self.count(stack);
        self.tick_count() == 0 || self.estimated_bytes() < max_bytes
    }

    /// About how large the encoded chunk would be, rounded up.
    fn estimated_bytes(&self) -> usize {
        self.builder.samples().len() * SAMPLE_BYTES + self.stack_frames * STACK_FRAME_BYTES + self.frame_bytes
    }

    pub(crate) fn finish(mut self, to_us: Monotonic, clock: &Clock) -> Profile {
        self.end_tick(None, clock);
        let start = clock.wall(self.from_us);
        let last = self.builder.samples().last().map_or(start, |sample| sample.time);
        let end = self.wall(to_us, clock).max(last);
        // Readings go on while a chunk waits for the next span, and when a process was frozen in the middle one comes
        // before the first sample: they are reported for the time that there are samples of.
        let sampled = match self.sampled_us.map(|(first, last)| (self.wall(first, clock), self.wall(last, clock))) {
            Some((first, last)) => first - GAP_US..=end.min(last + GAP_US),
            None => start..=end,
        };
        let measurements = self.builder.measurements_mut();
        for points in [&mut measurements.cpu_usage, &mut measurements.memory_footprint] {
            points.retain(|point| sampled.contains(&point.time));
        }
        self.builder.finish(start, end, self.interval_us)
    }

    /// A profile's times must not fold over: a window that sees the wall clock jump stays with the time it began in.
    fn wall(&self, time_us: Monotonic, clock: &Clock) -> Unix {
        if clock.jumped(self.from_us, time_us) {
            return clock.wall(self.from_us) + (time_us - self.from_us);
        }
        clock.wall(time_us)
    }

    fn count(&mut self, stack: StackId) {
        let at = stack.index();
        if at >= self.used_depth.len() {
            self.used_depth.resize(at + 1, 0);
        }
        if self.used_depth[at] == 0 {
            let depth = self.builder.depth(stack);
            self.used_depth[at] = depth;
            self.stack_frames += depth as usize;
        }
        let frames = &self.builder.frames()[self.counted_frames..];
        self.frame_bytes += frames.iter().map(frame_bytes).sum::<usize>();
        self.counted_frames += frames.len();
    }
}

/// A frame's file stands in it three times, as `module` too.
fn frame_bytes(frame: &Frame) -> usize {
    FRAME_BYTES + json_bytes(&frame.function) + 3 * json_bytes(&frame.file)
}

fn json_bytes(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        0..0x20 => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(us: i64) -> Monotonic {
        Monotonic::from_us(us)
    }
    use crate::slice::Slice;

    #[test]
    fn a_window_that_is_full_is_measured_until_its_last_sample() {
        const SECOND_US: i64 = 1_000_000;
        let clock = Clock::with_anchors(&[(0, 0)]);
        let slice = Slice::of((0..100).map(|at| at * SECOND_US / 10));
        let mut window = Window::new(at(0), 100_000, 3);
        let mut merge = Merge::new(&slice);
        slice.ticks.iter().for_each(|&(at_us, stack)| window.tick(at_us, stack, &mut merge, &clock));
        for second in 1..=20 {
            let reading = Reading { time_us: at(second * SECOND_US), cpu_usage: Some(1.0), heap_bytes: Some(2) };
            window.reading(&reading, &clock);
        }
        let profile = window.finish(at(20 * SECOND_US), &clock);
        assert_eq!(profile.samples().len(), 3 + 1, "an idle sample ends the last one");
        assert_eq!((profile.active_samples(), profile.dropped_samples()), (3, 97));
        let measurements = profile.measurements();
        assert_eq!(
            (measurements.cpu_usage.len(), measurements.memory_footprint.len()),
            (10, 10),
            "the last sample is at 9.9 s"
        );
    }
}
