//! A window on the stream of slices, filled as the slices arrive.

use crate::capture::Merge;
use crate::clock::Clock;
use crate::measurements::Reading;
use crate::profile::{Point, Profile, ProfileBuilder};

/// Between two samples further apart than this nothing ran that we know of: the process was frozen or starved.
const GAP_US: i64 = 500_000;
/// What one sample, one frame of one stack, and one frame take in a chunk, bytes, rounded up.
const SAMPLE_BYTES: usize = 75;
const STACK_FRAME_BYTES: usize = 6;
const FRAME_BYTES: usize = 300;

/// Collects what belongs to a stretch of time.
#[derive(Debug)]
pub(crate) struct Window {
    from_us: i64,
    interval_us: u32,
    builder: ProfileBuilder,
    /// The last sample, unless an idle sample came after it.
    open_sample_us: Option<i64>,
    /// The first sample and the last one, also when it was too many.
    sampled_us: Option<(i64, i64)>,
    /// Depth of each stack of the builder once a sample has used it as a whole, 0 before.
    used_depth: Vec<u32>,
    stack_frames: usize,
}

impl Window {
    pub(crate) fn new(from_us: i64, interval_us: u32, max_samples: usize) -> Self {
        Self {
            from_us,
            interval_us,
            builder: ProfileBuilder::with_max_samples(max_samples),
            open_sample_us: None,
            sampled_us: None,
            used_depth: vec![],
            stack_frames: 0,
        }
    }

    pub(crate) fn start_us(&self) -> i64 {
        self.from_us
    }

    /// Where the last sample is taken to end, `None` when nothing ran since the last idle sample.
    pub(crate) fn open_until_us(&self) -> Option<i64> {
        self.open_sample_us.map(|at| at + i64::from(self.interval_us))
    }

    pub(crate) fn sample(&mut self, time_us: i64, stack: u32, merge: &mut Merge<'_>, clock: &Clock) {
        if self.open_sample_us.is_some_and(|last_us| time_us - last_us > GAP_US) {
            self.idle(time_us, clock);
        }
        if !self.builder.is_full() {
            let stack = merge.stack(&mut self.builder, stack);
            self.count(stack);
            self.builder.sample(self.wall(time_us, clock), Some(stack));
        } else {
            self.builder.drop_sample();
        }
        self.open_sample_us = Some(time_us);
        self.sampled_us.get_or_insert((time_us, time_us)).1 = time_us;
    }

    /// Ends what the last sample ran, after a gap where it is taken to have ended. Sentry bills a sample until the next one, so a
    /// pause must be said.
    pub(crate) fn idle(&mut self, time_us: i64, clock: &Clock) {
        if let Some(last_us) = self.open_sample_us.take() {
            let gap = time_us - last_us > GAP_US;
            let end_us = if gap { time_us.min(last_us + i64::from(self.interval_us)) } else { time_us };
            self.builder.sample(self.wall(end_us, clock), None);
        }
    }

    pub(crate) fn reading(&mut self, reading: &Reading, clock: &Clock) {
        let time_us = self.wall(reading.time_us, clock);
        let measurements = self.builder.measurements_mut();
        if let Some(value) = reading.cpu_usage {
            measurements.cpu_usage.push(Point { time_us, value });
        }
        if let Some(bytes) = reading.heap_bytes {
            measurements.memory_footprint.push(Point { time_us, value: bytes as f64 });
        }
    }

    /// About how large the encoded chunk would be, rounded up.
    pub(crate) fn estimated_bytes(&self) -> usize {
        self.builder.samples().len() * SAMPLE_BYTES
            + self.stack_frames * STACK_FRAME_BYTES
            + self.builder.counts().0 * FRAME_BYTES
    }

    pub(crate) fn finish(mut self, to_us: i64, clock: &Clock) -> Profile {
        let (start, end) = (clock.wall(self.from_us), self.wall(to_us, clock));
        // Readings go on while a chunk waits for the next span, and when a process was frozen in the middle one comes before the first
        // sample: they are told for the time that there are samples of.
        let sampled = match self.sampled_us.map(|(first, last)| (self.wall(first, clock), self.wall(last, clock))) {
            Some((first, last)) => first - GAP_US..=end.min(last + GAP_US),
            None => start..=end,
        };
        let measurements = self.builder.measurements_mut();
        for points in [&mut measurements.cpu_usage, &mut measurements.memory_footprint] {
            points.retain(|point| sampled.contains(&point.time_us));
        }
        self.builder.finish(start, end, self.interval_us)
    }

    /// A profile's times must not fold over: a window that sees the wall clock jump stays with the time it began in.
    fn wall(&self, time_us: i64, clock: &Clock) -> i64 {
        if clock.jumped(self.from_us, time_us) {
            return clock.wall(self.from_us) + (time_us - self.from_us);
        }
        clock.wall(time_us)
    }

    fn count(&mut self, stack: u32) {
        let at = stack as usize;
        if at >= self.used_depth.len() {
            self.used_depth.resize(at + 1, 0);
        }
        if self.used_depth[at] == 0 {
            let depth = self.builder.depth(stack);
            self.used_depth[at] = depth;
            self.stack_frames += depth as usize;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Slice;

    #[test]
    fn a_window_that_is_full_is_measured_until_its_last_sample() {
        const SECOND_US: i64 = 1_000_000;
        let clock = Clock::with_anchors(&[(0, 0)]);
        let slice = Slice::of((0..100).map(|at| at * SECOND_US / 10));
        let mut window = Window::new(0, 100_000, 3);
        let mut merge = Merge::new(&slice);
        slice.samples.iter().for_each(|&(at_us, stack)| window.sample(at_us, stack, &mut merge, &clock));
        for second in 1..=20 {
            let reading = Reading { time_us: second * SECOND_US, cpu_usage: Some(1.0), heap_bytes: Some(2) };
            window.reading(&reading, &clock);
        }
        let profile = window.finish(20 * SECOND_US, &clock);
        assert_eq!(profile.samples().len(), 3);
        let measurements = profile.measurements();
        assert_eq!(
            (measurements.cpu_usage.len(), measurements.memory_footprint.len()),
            (10, 10),
            "the last sample is at 9.9 s"
        );
    }
}
