//! Shared by the two sample formats: the numbering of stacks and frames, and the parts that are the same in both.

use std::cmp::Reverse;

use rustc_hash::FxHashSet;

use super::json::Json;
use crate::time::Unix;
use crate::{Frame, Point, Profile, Stack};
use crate::{FrameId, StackId};

/// Input of [`sample_v1::raw`](super::sample_v1::raw) and [`sample_v2::raw`](super::sample_v2::raw) that is not in the
/// profile.
#[derive(Clone, Copy, Debug)]
pub struct RawOptions<'a> {
    /// The thread that was sampled, a number in decimal digits.
    pub thread_id: &'a str,
    /// Whether to list the files of the frames.
    pub collect_resources: bool,
    /// V8's logging mode, `eager` or `lazy`.
    pub logging_mode: &'a str,
}

/// How a format writes times.
#[derive(Clone, Copy)]
pub(super) enum Clock {
    /// Unix seconds, in `timestamp`.
    Unix,
    /// Nanoseconds since a moment, in `elapsed_since_start_ns`.
    Since(Unix),
}

fn nanoseconds(start: Unix, time: Unix) -> u64 {
    // Clocks sometimes step back by a few microseconds; the format has no negative times.
    u64::try_from(time - start).unwrap_or(0).saturating_mul(1000)
}

/// The approximate maximum bytes of a sample, a frame in a stack, a frame and a reading.
const SAMPLE_BYTES: usize = 72;
const STACK_FRAME_BYTES: usize = 6;
const FRAME_BYTES: usize = 300;
const POINT_BYTES: usize = 64;
/// The bytes of everything else.
const OTHER_BYTES: usize = 2_048;

/// The stacks of the samples, numbered densely in order of first use, and the frames of those stacks, the most used
/// first: a deep profile is mostly frame numbers, and small numbers are short.
pub(super) struct Used<'a> {
    profile: &'a Profile,
    /// The written stacks; `None` is the empty stack of idle samples.
    stacks: Vec<Option<StackId>>,
    /// The number of each of the profile's stacks, then that of the empty stack.
    stack_ids: Vec<Option<u32>>,
    frames: Vec<FrameId>,
    /// The number of each of the profile's frames; only those of written frames are valid.
    frame_ids: Vec<u32>,
    /// The sum of the depths of the written stacks.
    stack_frames: usize,
}

impl<'a> Used<'a> {
    pub fn new(profile: &'a Profile) -> Self {
        let empty = profile.stacks().len();
        let mut stacks = Vec::new();
        let mut stack_ids = vec![None; empty + 1];
        // In how many written stacks each stack occurs, as the whole or as a caller.
        let mut uses = vec![0u32; empty];
        for sample in profile.samples() {
            stack_ids[sample.stack.map_or(empty, |stack| stack.index())].get_or_insert_with(|| {
                if let Some(stack) = sample.stack {
                    uses[stack.index()] = 1;
                }
                stacks.push(sample.stack);
                stacks.len() as u32 - 1
            });
        }
        let mut frame_uses = vec![0u32; profile.frames().len()];
        // Parents come before their children.
        for (at, stack) in profile.stacks().iter().enumerate().rev() {
            frame_uses[stack.frame.index()] += uses[at];
            if let Some(parent) = stack.parent {
                uses[parent.index()] += uses[at];
            }
        }
        let mut frames: Vec<FrameId> =
            (0..).map(FrameId::at).zip(&frame_uses).filter(|(_, uses)| **uses > 0).map(|(frame, _)| frame).collect();
        frames.sort_by_key(|&frame| Reverse(frame_uses[frame.index()]));
        let mut frame_ids = vec![0; profile.frames().len()];
        (0..).zip(&frames).for_each(|(id, &frame)| frame_ids[frame.index()] = id);
        let stack_frames = frame_uses.iter().map(|&uses| uses as usize).sum();
        Self { profile, stacks, stack_ids, frames, frame_ids, stack_frames }
    }

    /// An empty buffer that is large enough, so that megabytes are not copied while it grows.
    pub fn buffer(&self) -> Json {
        let measured = self.profile.measurements();
        Json::with_capacity(
            self.profile.samples().len() * SAMPLE_BYTES
                + self.stack_frames * STACK_FRAME_BYTES
                + self.frames.len() * FRAME_BYTES
                + (measured.cpu_usage.len() + measured.memory_footprint.len()) * POINT_BYTES
                + OTHER_BYTES,
        )
    }

    fn slot(&self, stack: Option<StackId>) -> usize {
        stack.map_or(self.profile.stacks().len(), |stack| stack.index())
    }

    /// The members `samples`, `stacks` and `frames`.
    pub fn write(&self, json: &mut Json, clock: Clock, thread_id: &str) {
        json.key("samples").array(self.profile.samples(), |json, sample| {
            json.object(|json| {
                match clock {
                    Clock::Unix => json.key("timestamp").seconds(sample.time.us()),
                    // A string, because the number may be too large for a double.
                    Clock::Since(start) => {
                        json.key("elapsed_since_start_ns").quoted_integer(nanoseconds(start, sample.time));
                    }
                }
                let stack = self.stack_ids[self.slot(sample.stack)].expect("every sample's stack was numbered");
                json.key("stack_id").integer(stack);
                json.key("thread_id").text(thread_id);
            });
        });
        self.write_stacks(json);
        json.key("frames").array(&self.frames, |json, &frame| write_frame(json, &self.profile.frames()[frame.index()]));
    }

    /// Frame numbers, leaf first.
    ///
    /// Stacks with the same caller end with the same text, so each caller's text is written once and then copied: deep
    /// stacks are mostly copies.
    fn write_stacks(&self, json: &mut Json) {
        // By stack: the position of its text, once written.
        let mut texts = vec![0..0; self.profile.stacks().len()];
        let mut begun = Vec::new();
        json.key("stacks").array(&self.stacks, |json, &leaf| {
            json.raw("[");
            let mut at = leaf;
            while let Some(stack) = at {
                if !begun.is_empty() {
                    json.raw(",");
                }
                let text = &texts[stack.index()];
                if !text.is_empty() {
                    json.repeat(text.clone());
                    break;
                }
                begun.push((stack, json.len()));
                let Stack { parent, frame } = self.profile.stacks()[stack.index()];
                json.integer(self.frame_ids[frame.index()]);
                at = parent;
            }
            for (stack, start) in begun.drain(..) {
                texts[stack.index()] = start..json.len();
            }
            json.raw("]");
        });
    }

    /// The distinct files of the written frames, the most used first.
    pub fn files(&self) -> Vec<&'a str> {
        let mut seen = FxHashSet::default();
        let files = self.frames.iter().map(|&frame| &*self.profile.frames()[frame.index()].file);
        files.filter(|file| !file.is_empty() && seen.insert(*file)).collect()
    }
}

fn write_frame(json: &mut Json, frame: &Frame) {
    json.object(|json| {
        json.key("function").text(&frame.function);
        for (key, text) in [("module", &*frame.module()), ("filename", &frame.file), ("abs_path", &frame.file)] {
            if !text.is_empty() {
                json.key(key).text(text);
            }
        }
        for (key, position) in [("lineno", frame.line), ("colno", frame.column)] {
            if position > 0 {
                json.key(key).integer(position);
            }
        }
        // Always sent, because Sentry's processor treats a frame without a path as the user's own.
        json.key("in_app").boolean(frame.in_app);
    });
}

/// The measurements of a profile that have readings, each with its key and unit.
pub(super) fn measured(profile: &Profile) -> impl Iterator<Item = (&'static str, &'static str, &[Point])> {
    let measured = profile.measurements();
    let series =
        [("cpu_usage", "percent", &*measured.cpu_usage), ("memory_footprint", "byte", &*measured.memory_footprint)];
    series.into_iter().filter(|(.., points)| points.iter().any(|point| point.value.is_finite()))
}

/// An object with a member for each measurement.
pub(super) fn write_measurements(json: &mut Json, profile: &Profile, clock: Clock) {
    json.object(|json| {
        for (key, unit, points) in measured(profile) {
            json.key(key).object(|json| {
                json.key("unit").text(unit);
                // JSON has no NaN and no infinity.
                let finite = points.iter().filter(|point| point.value.is_finite());
                json.key("values").array(finite, |json, point| {
                    json.object(|json| {
                        match clock {
                            Clock::Unix => json.key("timestamp").seconds(point.time.us()),
                            Clock::Since(start) => {
                                json.key("elapsed_since_start_ns").integer(nanoseconds(start, point.time));
                            }
                        }
                        json.key("value").float(point.value);
                    });
                });
            });
        }
    });
}

/// What `stopProfiling` of the add-on returns, in the format that belongs to the clock.
pub(super) fn raw(profile: &Profile, options: RawOptions<'_>, clock: Clock) -> Vec<u8> {
    let used = Used::new(profile);
    let mut json = used.buffer();
    json.object(|json| {
        used.write(json, clock, options.thread_id);
        let files = if options.collect_resources { used.files() } else { Vec::new() };
        json.key("resources").array(files, Json::text);
        write_measurements(json.key("measurements"), profile, clock);
        json.key("profiler_logging_mode").text(options.logging_mode);
    });
    json.finish()
}
