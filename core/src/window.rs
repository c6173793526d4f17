//! A window on the stream of slices, filled as the slices arrive.

use crate::clock::Clock;
use crate::measurements::Reading;
use crate::profile::{Frame, Point, Profile, ProfileBuilder, StackId};
use crate::slice::{Merge, Tick};
use crate::time::{Monotonic, Unix};

/// Nothing is known of the time between two ticks that are further apart: the process was frozen or starved.
const GAP_US: i64 = 500_000;
/// The bytes in a chunk of one sample, one frame of one stack, and one frame without its names, rounded up.
const SAMPLE_BYTES: usize = 75;
const STACK_FRAME_BYTES: usize = 6;
const FRAME_BYTES: usize = 120;

/// Collects the samples and readings of a period of time.
///
/// V8 ticks once per interval, and each tick stands for the time until the next one. Readers of a profile also let a
/// sample last until the next one, so where the window pauses or ends, an idle sample marks the end of the last tick's
/// time. That is later than the start of the pause: work shorter than an interval is hit by a tick only sometimes, and
/// that tick then also stands for the work that was not hit.
#[derive(Debug)]
pub(crate) struct Window {
    from_us: Monotonic,
    interval_us: u32,
    builder: ProfileBuilder,
    /// The last tick, unless an idle sample came after it.
    open_tick_us: Option<Monotonic>,
    /// Where the last idle sample ends a tick's time.
    ended_us: Option<Monotonic>,
    /// Whether samples were not wanted, or not taken, for a while since the last tick.
    paused: bool,
    /// The first and the last tick, including those beyond the maximum.
    sampled_us: Option<(Monotonic, Monotonic)>,
    /// The depth of each stack of the builder that is a sample's whole stack; 0 for others.
    used_depth: Vec<u32>,
    stack_frames: usize,
    /// The frames of the builder whose bytes are counted, and their bytes.
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
            ended_us: None,
            paused: false,
            sampled_us: None,
            used_depth: vec![],
            stack_frames: 0,
            counted_frames: 0,
            frame_bytes: 0,
        }
    }

    /// What it collects, for those who take it out bit by bit.
    pub(crate) fn builder_mut(&mut self) -> &mut ProfileBuilder {
        &mut self.builder
    }

    pub(crate) fn start_us(&self) -> Monotonic {
        self.from_us
    }

    /// How many ticks it has.
    pub(crate) fn tick_count(&self) -> usize {
        self.builder.active_samples()
    }

    /// Adds a tick.
    pub(crate) fn tick(&mut self, tick: Tick, merge: &mut Merge<'_>, clock: &Clock) {
        let Tick { time_us, stack, line } = tick;
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
        self.builder.sample_in_line(self.wall(time_us, clock), stack, line);
        self.open_tick_us = Some(time_us);
    }

    /// Called when samples are not wanted, or not taken, until the next [`Window::tick`].
    pub(crate) fn pause(&mut self) {
        self.paused = true;
    }

    /// Ends the time of the last tick: at the stream's next tick, `next_us`, which does not belong to the window, or
    /// else after one interval.
    pub(crate) fn end_tick(&mut self, next_us: Option<Monotonic>, clock: &Clock) {
        if let Some(last_us) = self.open_tick_us.take() {
            let next_us = next_us.filter(|&next_us| next_us - last_us <= self.longest_tick_us());
            // Another profile may begin with that tick.
            let end_us = next_us.map_or(last_us + i64::from(self.interval_us), |next_us| next_us - 1);
            // The last tick may have been moved past the next one: see `Chunker::after_us`.
            let end_us = end_us.max(last_us + 1);
            self.builder.idle(self.wall(end_us, clock));
            self.ended_us = Some(end_us);
        }
    }

    /// Ends the last tick. If that leaves time until `until_us`, an idle sample there says that nothing ran.
    pub(crate) fn rest_until(&mut self, until_us: Monotonic, clock: &Clock) {
        self.end_tick(None, clock);
        let end_us = until_us - 1;
        if self.ended_us.is_some_and(|ended_us| end_us - ended_us > self.longest_tick_us()) {
            self.builder.idle(self.wall(end_us, clock));
            self.ended_us = Some(end_us);
        }
    }

    /// Where the time of the last tick ends that [`Window::end_tick`] ended.
    pub(crate) fn ended_us(&self) -> Option<Monotonic> {
        self.ended_us
    }

    /// If the next tick comes later than this, it was not just delayed, but a tick in between was not recorded.
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

    /// Whether the window, encoded as a chunk with another tick of this stack, is still below `max_bytes`, or is
    /// empty.
    pub(crate) fn takes(&mut self, stack: StackId, merge: &mut Merge<'_>, max_bytes: usize) -> bool {
        let stack = merge.stack(&mut self.builder, stack);
        self.count(stack);
        self.tick_count() == 0 || self.estimated_bytes() < max_bytes
    }

    /// The approximate size of the encoded chunk, rounded up.
    fn estimated_bytes(&self) -> usize {
        self.builder.samples().len() * SAMPLE_BYTES + self.stack_frames * STACK_FRAME_BYTES + self.frame_bytes
    }

    pub(crate) fn finish(mut self, to_us: Monotonic, clock: &Clock) -> Profile {
        self.end_tick(None, clock);
        let start = clock.wall(self.from_us);
        let last = self.builder.samples().last().map_or(start, |sample| sample.time);
        let end = self.wall(to_us, clock).max(last);
        // There are also readings while a chunk waits for the next span, or before the first sample after a freeze.
        // Keep only those between the first and the last sample.
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

    /// A profile's times must not overlap, so if the wall clock jumps, a window keeps the clock that it began with.
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

/// A frame has its file three times, once as `module`.
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
        slice.ticks.iter().for_each(|&tick| window.tick(tick, &mut merge, &clock));
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
            "readings end with the last sample, at 9.9 s"
        );
    }
}
