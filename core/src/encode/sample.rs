//! What the two sample formats share: the numbering of stacks and frames, and the parts that look the same in both.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::{Frame, Point, Profile};

/// What [`sample_v1::raw`](super::sample_v1::raw) and [`sample_v2::raw`](super::sample_v2::raw) cannot know from the profile.
#[derive(Clone, Copy, Debug)]
pub struct RawOptions<'a> {
    /// The thread that was sampled, a number in decimal digits.
    pub thread_id: &'a str,
    /// Whether to list the files that the frames name.
    pub collect_resources: bool,
    /// V8's logging mode, `eager` or `lazy`.
    pub logging_mode: &'a str,
}

/// How a format tells time.
#[derive(Clone, Copy)]
pub(super) enum Clock {
    /// Unix seconds, under `timestamp`.
    Unix,
    /// Nanoseconds since a moment given in Unix microseconds, under `elapsed_since_start_ns`.
    Since(i64),
}

impl Clock {
    /// Correctly rounded, so its shortest decimal form is exact to the microsecond.
    fn seconds(time_us: i64) -> f64 {
        time_us as f64 / 1e6
    }

    fn nanoseconds(start_us: i64, time_us: i64) -> u64 {
        // Clocks step back by some microseconds now and then; the format has no negative times.
        u64::try_from(time_us.saturating_sub(start_us)).unwrap_or(0).saturating_mul(1000)
    }
}

/// A JSON array written straight from an iterator.
pub(super) struct Seq<F>(pub F);

impl<F, I> Serialize for Seq<F>
where
    F: Fn() -> I,
    I: IntoIterator<Item: Serialize>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// Whole numbers are written without the `.0` that Rust's floats have.
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const EXACT: f64 = (1_u64 << 53) as f64;
        if self.0.fract() == 0.0 && self.0.abs() < EXACT {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

struct SampleBody<'a> {
    clock: Clock,
    time_us: i64,
    stack_id: u32,
    thread_id: &'a str,
}

impl Serialize for SampleBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct("Sample", 3)?;
        match self.clock {
            Clock::Unix => body.serialize_field("timestamp", &Number(Clock::seconds(self.time_us)))?,
            // A string: the format's numbers may exceed what a double holds.
            Clock::Since(start) => body.serialize_field(
                "elapsed_since_start_ns",
                &format_args!("{}", Clock::nanoseconds(start, self.time_us)),
            )?,
        }
        body.serialize_field("stack_id", &self.stack_id)?;
        body.serialize_field("thread_id", self.thread_id)?;
        body.end()
    }
}

#[derive(Serialize)]
struct FrameBody<'a> {
    function: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    module: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    filename: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    abs_path: &'a str,
    #[serde(skip_serializing_if = "is_unknown")]
    lineno: u32,
    #[serde(skip_serializing_if = "is_unknown")]
    colno: u32,
    in_app: bool,
}

fn is_unknown(position: &u32) -> bool {
    *position == 0
}

impl<'a> From<&'a Frame> for FrameBody<'a> {
    fn from(frame: &'a Frame) -> Self {
        Self {
            function: &frame.function,
            module: frame.module(),
            filename: &frame.file,
            abs_path: &frame.file,
            lineno: frame.line,
            colno: frame.column,
            // Always sent: the processor takes a frame without a path for the user's own.
            in_app: frame.in_app(),
        }
    }
}

/// The stacks that samples have and the frames that those stacks have, numbered densely in order of first use.
pub(super) struct Used<'a> {
    profile: &'a Profile,
    /// The written stacks; `None` is the empty stack of idle samples.
    stacks: Vec<Option<u32>>,
    /// The number of each of the profile's stacks, then that of the empty stack.
    stack_ids: Vec<Option<u32>>,
    frames: Vec<u32>,
    frame_ids: Vec<Option<u32>>,
}

impl<'a> Used<'a> {
    pub fn new(profile: &'a Profile) -> Self {
        let mut used = Self {
            profile,
            stacks: Vec::new(),
            stack_ids: vec![None; profile.stacks().len() + 1],
            frames: Vec::new(),
            frame_ids: vec![None; profile.frames().len()],
        };
        for sample in profile.samples() {
            let slot = used.slot(sample.stack);
            if used.stack_ids[slot].is_some() {
                continue;
            }
            used.stack_ids[slot] = Some(used.stacks.len() as u32);
            used.stacks.push(sample.stack);
            for frame in sample.stack.into_iter().flat_map(|stack| profile.frames_of(stack)) {
                used.frame_ids[frame as usize].get_or_insert_with(|| {
                    used.frames.push(frame);
                    used.frames.len() as u32 - 1
                });
            }
        }
        used
    }

    fn slot(&self, stack: Option<u32>) -> usize {
        stack.map_or(self.profile.stacks().len(), |stack| stack as usize)
    }

    pub fn samples(&self, clock: Clock, thread_id: &str) -> impl Serialize {
        Seq(move || {
            self.profile.samples().iter().map(move |sample| SampleBody {
                clock,
                time_us: sample.time_us,
                stack_id: self.stack_ids[self.slot(sample.stack)].expect("every sample's stack was numbered"),
                thread_id,
            })
        })
    }

    /// Frame numbers, leaf first.
    pub fn stacks(&self) -> impl Serialize {
        Seq(move || {
            self.stacks.iter().map(move |&stack| {
                Seq(move || {
                    stack.into_iter().flat_map(|stack| self.profile.frames_of(stack)).map(|frame| {
                        self.frame_ids[frame as usize].expect("every frame of a written stack was numbered")
                    })
                })
            })
        })
    }

    pub fn frames(&self) -> impl Serialize {
        Seq(|| self.frames.iter().map(|&frame| FrameBody::from(&self.profile.frames()[frame as usize])))
    }

    /// The distinct files of the written frames, in order of first use.
    pub fn files(&self) -> Vec<&'a str> {
        let mut seen = rustc_hash::FxHashSet::default();
        let files = self.frames.iter().map(|&frame| &*self.profile.frames()[frame as usize].file);
        files.filter(|file| !file.is_empty() && seen.insert(*file)).collect()
    }

    /// An object with the series that have readings; `None` when none has.
    pub fn measurements(&self, clock: Clock) -> Option<impl Serialize> {
        let measured = self.profile.measurements();
        let body = MeasurementsBody {
            cpu_usage: Series::of(&measured.cpu_usage, "percent", clock),
            memory_footprint: Series::of(&measured.memory_footprint, "byte", clock),
        };
        (body.cpu_usage.is_some() || body.memory_footprint.is_some()).then_some(body)
    }
}

#[derive(Serialize)]
struct MeasurementsBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_usage: Option<Series<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_footprint: Option<Series<'a>>,
}

struct Series<'a> {
    points: &'a [Point],
    unit: &'static str,
    clock: Clock,
}

impl<'a> Series<'a> {
    fn of(points: &'a [Point], unit: &'static str, clock: Clock) -> Option<Self> {
        points.iter().any(|point| point.value.is_finite()).then_some(Self { points, unit, clock })
    }
}

impl Serialize for Series<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let clock = self.clock;
        // JSON has no NaN and no infinity.
        let finite = || self.points.iter().filter(|point| point.value.is_finite());
        let mut series = serializer.serialize_struct("Series", 2)?;
        series.serialize_field("unit", self.unit)?;
        series.serialize_field("values", &Seq(|| finite().map(|&point| PointBody { clock, point })))?;
        series.end()
    }
}

struct PointBody {
    clock: Clock,
    point: Point,
}

impl Serialize for PointBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct("Point", 2)?;
        match self.clock {
            Clock::Unix => body.serialize_field("timestamp", &Number(Clock::seconds(self.point.time_us)))?,
            Clock::Since(start) => {
                body.serialize_field("elapsed_since_start_ns", &Clock::nanoseconds(start, self.point.time_us))?;
            }
        }
        body.serialize_field("value", &Number(self.point.value))?;
        body.end()
    }
}

/// What `stopProfiling` of the add-on returns, in the format that the clock stands for.
pub(super) fn raw(profile: &Profile, options: RawOptions<'_>, clock: Clock) -> Vec<u8> {
    #[derive(Serialize)]
    struct Raw<'a, A, B, C, M> {
        samples: A,
        stacks: B,
        frames: C,
        resources: Vec<&'a str>,
        measurements: M,
        profiler_logging_mode: &'a str,
    }
    #[derive(Serialize)]
    struct NoMeasurements {}
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Measured<M> {
        Some(M),
        None(NoMeasurements),
    }

    let used = Used::new(profile);
    to_json(&Raw {
        samples: used.samples(clock, options.thread_id),
        stacks: used.stacks(),
        frames: used.frames(),
        resources: if options.collect_resources { used.files() } else { Vec::new() },
        measurements: used.measurements(clock).map_or(Measured::None(NoMeasurements {}), Measured::Some),
        profiler_logging_mode: options.logging_mode,
    })
}

pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("string keys into memory cannot fail")
}
