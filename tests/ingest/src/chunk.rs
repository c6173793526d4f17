//! The rules for a profile chunk.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// An older default limit of Sentry's ingestion.
const MAX_BYTES: usize = 10 << 20;
/// Relay refuses a chunk whose last sample is later than this after its first, seconds.
const MAX_DURATION: f64 = 66.0;
/// A gap longer than this, in seconds, must be closed by an idle sample; otherwise it counts for the last stack.
const MAX_GAP: f64 = 1.0;
/// How far measurements may lie outside the samples, seconds.
const MEASUREMENT_SLACK: f64 = 1.0;
/// Plausible Unix seconds, 2001 to 2100: excludes milliseconds and times since boot.
const UNIX_SECONDS: std::ops::Range<f64> = 1e9..4.1e9;
/// With this many samples, it is no coincidence if all of them are at whole milliseconds.
const PRECISION_SAMPLES: usize = 20;
/// How many violations of one rule are listed.
const LISTED: usize = 5;
/// How many functions a summary lists.
const HOTTEST: usize = 25;

macro_rules! rules {
    ($($(#[$doc:meta])+ $rule:ident = $name:literal,)+) => {
        /// A rule that a chunk can break.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rule {
            $($(#[$doc])+ $rule,)+
        }

        impl Rule {
            /// All rules.
            pub const ALL: &[Self] = &[$(Self::$rule),+];

            /// Its name in messages.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$rule => $name,)+
                }
            }
        }
    };
}

rules! {
    /// The payload is a JSON object.
    Json = "json",
    /// The payload is smaller than 10 MiB.
    Size = "size",
    /// The item header's `type` is `profile_chunk`, its `length`, if any, the payload's.
    Header = "header",
    /// Required fields are present.
    Missing = "missing",
    /// A field has the right JSON type; counts and indices are whole and not negative.
    Type = "type",
    /// Text is not empty; unset fields are left out.
    Empty = "empty",
    /// Ids are 32 lower-case hexadecimal digits.
    Id = "id",
    /// `version` is `"2"`.
    Version = "version",
    /// The payload's platform is that of the item header; otherwise Sentry drops the chunk.
    Platform = "platform",
    /// Some thread has two samples that are not idle. Sentry drops the samples of other threads, and refuses a chunk
    /// without any samples left.
    NoSamples = "no-samples",
    /// `stack_id` is an index into `stacks`.
    StackRange = "stack-range",
    /// Every element of every stack is an index into `frames`.
    FrameRange = "frame-range",
    /// The samples span at most 66 s.
    Duration = "duration",
    /// Times are Unix seconds.
    Time = "time",
    /// Times have a resolution of microseconds.
    Precision = "precision",
    /// An idle sample comes before a pause in the recording.
    Gap = "gap",
    /// A `(root)` frame is the last of its stack: stacks are leaf first.
    Order = "order",
    /// A frame has a `function` or a `filename`.
    Nameless = "nameless",
    /// `lineno` and `colno` are u32 from 1; unknown ones are left out.
    Position = "position",
    /// Frames in `node:`, below `node_modules`, of WebAssembly and of `data:` URLs are not the user's own. Neither are
    /// frames without a path, unless the user's code compiled them from a string: those have lines.
    InApp = "in-app",
    /// Files are paths, not `file://` URLs.
    FileUrl = "file-url",
    /// `node:` modules keep their names, which Sentry's detectors match.
    Module = "module",
    /// Debug images are source maps.
    ImageType = "image-type",
    /// A debug image's `code_file` is the `abs_path` of some frame.
    CodeFile = "code-file",
    /// A measurement has the unit that belongs to its name.
    Unit = "unit",
    /// Percentages are 0 to 100, bytes not negative.
    Value = "value",
    /// Measurements are from the time of the chunk.
    MeasurementTime = "measurement-time",
    /// Every thread that has samples has a name.
    ThreadMetadata = "thread-metadata",
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The broken rule.
    pub rule: Rule,
    /// Where in the payload, such as `profile.frames[3].lineno`.
    pub at: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.rule, self.at, self.what)
    }
}

/// A summary of a valid chunk.
#[derive(Clone, Debug, Serialize)]
pub struct ChunkSummary {
    /// The chunk's own id.
    pub chunk_id: String,
    /// Its session's id.
    pub profiler_id: String,
    /// Size of the payload.
    pub bytes: usize,
    /// The number of samples.
    pub samples: usize,
    /// Samples whose stack is empty.
    pub idle: usize,
    /// Entries in `stacks`.
    pub stacks: usize,
    /// Entries in `frames`.
    pub frames: usize,
    /// The first sample, Unix seconds.
    pub start: f64,
    /// The last sample, Unix seconds.
    pub end: f64,
    /// By thread id.
    pub threads: BTreeMap<String, ThreadSummary>,
    /// The functions with the most self time, hottest first.
    pub hottest: Vec<HotFunction>,
    /// What Sentry accepts but could be better.
    pub warnings: Vec<String>,
}

/// A thread of a chunk.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ThreadSummary {
    /// From the metadata.
    pub name: String,
    /// The number of samples.
    pub samples: usize,
    /// Samples whose stack is empty.
    pub idle: usize,
}

/// A function and its time as Sentry computes it: a sample lasts until the next one of its thread.
#[derive(Clone, Debug, Serialize)]
pub struct HotFunction {
    /// Its name.
    pub function: String,
    /// Its `abs_path`, or empty.
    pub file: String,
    /// Its line.
    pub line: Option<u64>,
    /// Whether it is the user's own.
    pub in_app: bool,
    /// The time while it was the leaf.
    pub self_ms: f64,
    /// The time while it was anywhere on the stack; recursion counts once.
    pub total_ms: f64,
}

/// Checks the payload of a `profile_chunk` item by every rule; `header` is the item's.
///
/// # Errors
/// The broken rules, at least one.
pub fn validate_chunk(header: &Value, payload: &[u8]) -> Result<ChunkSummary, Vec<Violation>> {
    let mut check = Check::default();
    if payload.len() >= MAX_BYTES {
        check.broken(Rule::Size, "payload", format!("{} bytes", payload.len()));
    }
    if header["type"] != "profile_chunk" {
        check.broken(Rule::Header, "header.type", format!("{} is not profile_chunk", header["type"]));
    }
    if header.get("length").is_some_and(|length| length.as_u64() != Some(payload.len() as u64)) {
        check.broken(Rule::Header, "header.length", format!("{} for {} bytes", header["length"], payload.len()));
    }
    let chunk = match serde_json::from_slice(payload) {
        Ok(Value::Object(chunk)) => chunk,
        Ok(_) => {
            check.broken(Rule::Json, "payload", "not an object");
            return Err(check.into_violations());
        }
        Err(error) => {
            check.broken(Rule::Json, "payload", error);
            return Err(check.into_violations());
        }
    };
    for key in ["chunk_id", "profiler_id"] {
        let id = check.required(&chunk, "", key, Value::as_str).unwrap_or_default();
        if !id.is_empty() && !is_id(id) {
            check.broken(Rule::Id, key, format!("{id:?}"));
        }
    }
    check.metadata(header, &chunk);
    let frames = check.frames(&chunk);
    let stacks = check.stacks(&chunk, &frames);
    let samples = check.samples(&chunk, &stacks);
    check.threads(&chunk, &samples);
    check.measurements(&chunk, &samples);
    check.debug_meta(&chunk, &frames);
    check.waste(&chunk, &frames, &stacks, &samples);
    if !check.violations.is_empty() {
        return Err(check.into_violations());
    }
    Ok(summary(&chunk, payload.len(), &frames, &stacks, &samples, check.warnings))
}

/// The parts of a frame that later checks need.
#[derive(Default)]
struct Frame {
    function: String,
    abs_path: Option<String>,
    line: Option<u64>,
    in_app: bool,
}

impl Frame {
    fn is_idle(&self) -> bool {
        self.function == "(idle)" && self.abs_path.is_none()
    }
}

struct Sample {
    time: f64,
    stack: usize,
    thread: String,
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether the path is below `node_modules` or in `node:`, as Sentry's processor checks, or not a file.
fn is_foreign(path: &str) -> bool {
    const NO_FILES: [&str; 4] = ["node:", "wasm:", "data:", "evalmachine."];
    NO_FILES.iter().any(|prefix| path.starts_with(prefix)) || path.contains("node_modules")
}

#[derive(Default)]
struct Check {
    violations: Vec<Violation>,
    counts: HashMap<Rule, usize>,
    warnings: Vec<String>,
}

impl Check {
    fn broken(&mut self, rule: Rule, at: impl fmt::Display, what: impl fmt::Display) {
        let count = self.counts.entry(rule).or_default();
        *count += 1;
        if *count <= LISTED {
            self.violations.push(Violation { rule, at: at.to_string(), what: what.to_string() });
        }
    }

    fn into_violations(mut self) -> Vec<Violation> {
        for rule in Rule::ALL {
            let more = self.counts.get(rule).copied().unwrap_or_default().saturating_sub(LISTED);
            if more > 0 {
                let what = format!("{more} more");
                self.violations.push(Violation { rule: *rule, at: "payload".to_owned(), what });
            }
        }
        self.violations
    }

    /// An optional field of the type that `read` accepts. Text must not be empty.
    fn optional<'a, T>(
        &mut self,
        object: &'a Map<String, Value>,
        at: &str,
        key: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = object.get(key)?;
        let at = || if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
        if value == "" {
            self.broken(Rule::Empty, at(), "an empty text");
            return None;
        }
        let typed = read(value);
        if typed.is_none() {
            let value = value.to_string();
            let shown: String = value.chars().take(40).collect();
            self.broken(Rule::Type, at(), format!("{shown} has the wrong type"));
        }
        typed
    }

    fn required<'a, T>(
        &mut self,
        object: &'a Map<String, Value>,
        at: &str,
        key: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Option<T> {
        if !object.contains_key(key) {
            self.broken(Rule::Missing, if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }, "required");
        }
        self.optional(object, at, key, read)
    }

    fn metadata(&mut self, header: &Value, chunk: &Map<String, Value>) {
        if let Some(sdk) = self.required(chunk, "", "client_sdk", Value::as_object) {
            self.required(sdk, "client_sdk", "name", Value::as_str);
            self.required(sdk, "client_sdk", "version", Value::as_str);
        }
        if let Some(version) = self.required(chunk, "", "version", Value::as_str)
            && version != "2"
        {
            self.broken(Rule::Version, "version", format!("{version:?} is not \"2\""));
        }
        if let Some(platform) = self.required(chunk, "", "platform", Value::as_str)
            && header["platform"] != platform
        {
            self.broken(Rule::Platform, "platform", format!("{platform:?}, but {} in the header", header["platform"]));
        }
        self.optional(chunk, "", "release", Value::as_str);
        self.optional(chunk, "", "environment", Value::as_str);
    }

    fn list<'a>(&mut self, chunk: &'a Map<String, Value>, key: &str) -> &'a [Value] {
        // A missing profile is reported once, by `frames`.
        let Some(profile) = chunk.get("profile").and_then(Value::as_object) else {
            return &[];
        };
        self.required(profile, "profile", key, Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn frames(&mut self, chunk: &Map<String, Value>) -> Vec<Frame> {
        self.required(chunk, "", "profile", Value::as_object);
        let mut frames = Vec::new();
        for (at, value) in self.list(chunk, "frames").iter().enumerate() {
            let at = format!("profile.frames[{at}]");
            frames.push(match value.as_object() {
                Some(frame) => self.frame(frame, &at),
                None => {
                    self.broken(Rule::Type, at, "not an object");
                    Frame::default()
                }
            });
        }
        frames
    }

    fn frame(&mut self, frame: &Map<String, Value>, at: &str) -> Frame {
        let function = self.optional(frame, at, "function", Value::as_str);
        let filename = self.optional(frame, at, "filename", Value::as_str);
        let abs_path = self.optional(frame, at, "abs_path", Value::as_str);
        let module = self.optional(frame, at, "module", Value::as_str);
        let in_app = self.optional(frame, at, "in_app", Value::as_bool);
        if !frame.contains_key("function") && !frame.contains_key("filename") {
            self.broken(Rule::Nameless, at, "neither function nor filename");
        }
        let mut position = |key: &str| {
            let value = frame.get(key)?;
            let position = value.as_u64().filter(|position| (1..=u32::MAX.into()).contains(position));
            if position.is_none() {
                self.broken(Rule::Position, format!("{at}.{key}"), value);
            }
            position
        };
        let line = position("lineno");
        position("colno");
        for (key, text) in [("filename", filename), ("abs_path", abs_path), ("module", module)] {
            if let Some(text) = text.filter(|text| text.starts_with("file:")) {
                self.broken(Rule::FileUrl, format!("{at}.{key}"), text);
            }
        }
        // As Sentry's processor does: `in_app` if it is sent, else by the path; without a path, the user's own.
        let compiled = in_app.is_some() && line.is_some();
        let in_app = in_app.unwrap_or_else(|| !abs_path.is_some_and(is_foreign));
        if in_app && abs_path.map_or(!compiled, is_foreign) {
            let path = abs_path.unwrap_or("a frame without a path");
            self.broken(Rule::InApp, at, format!("{path} counts as the user's own"));
        }
        if let Some(path) = abs_path.filter(|path| path.starts_with("node:") && !path.contains('/'))
            && module != Some(path)
        {
            self.broken(Rule::Module, format!("{at}.module"), format!("{module:?} for {path}"));
        }
        Frame { function: function.unwrap_or_default().to_owned(), abs_path: abs_path.map(str::to_owned), line, in_app }
    }

    fn stacks(&mut self, chunk: &Map<String, Value>, frames: &[Frame]) -> Vec<Vec<usize>> {
        let mut stacks = Vec::new();
        for (at, value) in self.list(chunk, "stacks").iter().enumerate() {
            let at = format!("profile.stacks[{at}]");
            let mut stack = Vec::new();
            for index in value.as_array().into_iter().flatten() {
                match index.as_u64().map(|index| index as usize) {
                    None => self.broken(Rule::Type, &at, format!("{index} is not an index")),
                    // Sentry checks unused stacks too.
                    Some(index) if index >= frames.len() => {
                        self.broken(Rule::FrameRange, &at, format!("{index} of {} frames", frames.len()));
                    }
                    Some(index) => stack.push(index),
                }
            }
            if !value.is_array() {
                self.broken(Rule::Type, &at, "not an array");
            }
            if stack.iter().rev().skip(1).any(|&frame| frames[frame].function == "(root)") {
                self.broken(Rule::Order, &at, "(root) is not the last frame");
            }
            stacks.push(stack);
        }
        stacks
    }

    /// Relay's rules in relay's order, then the processor's. Returns the samples sorted as relay sorts them.
    fn samples(&mut self, chunk: &Map<String, Value>, stacks: &[Vec<usize>]) -> Vec<Sample> {
        let mut samples = Vec::new();
        for (at, value) in self.list(chunk, "samples").iter().enumerate() {
            let at = format!("profile.samples[{at}]");
            let Some(sample) = value.as_object() else {
                self.broken(Rule::Type, at, "not an object");
                continue;
            };
            let time = self.required(sample, &at, "timestamp", Value::as_f64);
            let stack = self.required(sample, &at, "stack_id", Value::as_u64);
            let thread = self.required(sample, &at, "thread_id", Value::as_str);
            if let (Some(time), Some(stack), Some(thread)) = (time, stack, thread) {
                if !UNIX_SECONDS.contains(&time) {
                    self.broken(Rule::Time, format!("{at}.timestamp"), format!("{time} is not in Unix seconds"));
                }
                samples.push(Sample { time, stack: stack as usize, thread: thread.to_owned() });
            }
        }
        // (1) A thread with at most one sample that is not idle loses its samples. (2) Some samples must be left.
        let mut active: BTreeMap<&str, usize> = BTreeMap::new();
        for sample in &samples {
            *active.entry(&sample.thread).or_default() += usize::from(!is_empty(stacks, sample));
        }
        let lost: HashSet<String> =
            active.iter().filter(|(_, count)| **count <= 1).map(|(thread, _)| (*thread).to_owned()).collect();
        if lost.len() == active.len() {
            let what = format!("{} samples, but no thread with two that are not idle", samples.len());
            self.broken(Rule::NoSamples, "profile.samples", what);
        } else if !lost.is_empty() {
            self.warnings.push(format!("threads with one sample, which is dropped: {lost:?}"));
        }
        // (3) Stacks in range; (4) frames in range was checked with the stacks.
        for (at, sample) in samples.iter().enumerate() {
            if sample.stack >= stacks.len() {
                let what = format!("{} of {} stacks", sample.stack, stacks.len());
                self.broken(Rule::StackRange, format!("profile.samples[{at}].stack_id"), what);
            }
        }
        // (5) Sorted by time. Relay sorts them itself, so this is only a warning.
        if !samples.is_sorted_by(|a, b| a.time <= b.time) {
            self.warnings.push("samples are not in time order".to_owned());
        }
        samples.sort_by(|a, b| a.time.total_cmp(&b.time));
        // (6) The duration, without the lost samples.
        let mut kept = samples.iter().filter(|sample| !lost.contains(&sample.thread)).map(|sample| sample.time);
        if let Some(first) = kept.next()
            && let Some(last) = kept.next_back()
            && last - first > MAX_DURATION
        {
            self.broken(Rule::Duration, "profile.samples", format!("{:.3} s", last - first));
        }
        let whole = |sample: &Sample| (sample.time * 1e6).round() % 1e3 == 0.0;
        if samples.len() >= PRECISION_SAMPLES && samples.iter().all(whole) {
            self.broken(Rule::Precision, "profile.samples", "every time stamp is a whole millisecond");
        }
        samples
    }

    fn threads(&mut self, chunk: &Map<String, Value>, samples: &[Sample]) {
        let none = Map::new();
        let profile = chunk.get("profile").and_then(Value::as_object).unwrap_or(&none);
        let metadata = self.optional(profile, "profile", "thread_metadata", Value::as_object).unwrap_or(&none);
        for (id, thread) in metadata {
            let at = format!("profile.thread_metadata.{id}");
            match thread.as_object() {
                Some(thread) => {
                    self.required(thread, &at, "name", Value::as_str);
                }
                None => self.broken(Rule::Type, at, "not an object"),
            }
        }
        let used: HashSet<&str> = samples.iter().map(|sample| &*sample.thread).collect();
        for id in used.iter().filter(|id| !metadata.contains_key(**id)) {
            self.broken(Rule::ThreadMetadata, "profile.thread_metadata", format!("nothing about thread {id:?}"));
        }
        for id in metadata.keys().filter(|id| !used.contains(id.as_str())) {
            self.warnings.push(format!("metadata of thread {id:?}, which has no sample"));
        }
    }

    fn measurements(&mut self, chunk: &Map<String, Value>, samples: &[Sample]) {
        let Some(measurements) = self.optional(chunk, "", "measurements", Value::as_object) else {
            return;
        };
        for (name, value) in measurements {
            let at = format!("measurements.{name}");
            let Some(series) = value.as_object() else {
                self.broken(Rule::Type, at, "not an object");
                continue;
            };
            let (unit, range) = match name.as_str() {
                "cpu_usage" => ("percent", 0.0..=100.0),
                "memory_footprint" => ("byte", 0.0..=f64::MAX),
                _ => {
                    self.warnings.push(format!("an unknown measurement, {name}"));
                    continue;
                }
            };
            if let Some(given) = self.required(series, &at, "unit", Value::as_str)
                && given != unit
            {
                self.broken(Rule::Unit, format!("{at}.unit"), format!("{given:?} is not {unit:?}"));
            }
            let values = self.required(series, &at, "values", Value::as_array).map_or(&[][..], Vec::as_slice);
            if values.is_empty() {
                self.warnings.push(format!("{name} has no values"));
            }
            for (index, point) in values.iter().enumerate() {
                let at = format!("{at}.values[{index}]");
                let Some(point) = point.as_object() else {
                    self.broken(Rule::Type, at, "not an object");
                    continue;
                };
                let time = self.required(point, &at, "timestamp", Value::as_f64);
                let value = self.required(point, &at, "value", Value::as_f64);
                if let Some(value) = value.filter(|value| !range.contains(value)) {
                    self.broken(Rule::Value, format!("{at}.value"), format!("{value} {unit}"));
                }
                if let Some(time) = time
                    && let (Some(first), Some(last)) = (samples.first(), samples.last())
                    && !(first.time - MEASUREMENT_SLACK..=last.time + MEASUREMENT_SLACK).contains(&time)
                {
                    let what = format!("{time} for samples from {} to {}", first.time, last.time);
                    self.broken(Rule::MeasurementTime, format!("{at}.timestamp"), what);
                }
            }
        }
    }

    fn debug_meta(&mut self, chunk: &Map<String, Value>, frames: &[Frame]) {
        let Some(meta) = self.optional(chunk, "", "debug_meta", Value::as_object) else {
            return;
        };
        let files: HashSet<&str> = frames.iter().filter_map(|frame| frame.abs_path.as_deref()).collect();
        let images = self.required(meta, "debug_meta", "images", Value::as_array).map_or(&[][..], Vec::as_slice);
        for (at, image) in images.iter().enumerate() {
            let at = format!("debug_meta.images[{at}]");
            let Some(image) = image.as_object() else {
                self.broken(Rule::Type, at, "not an object");
                continue;
            };
            if let Some(kind) = self.required(image, &at, "type", Value::as_str)
                && kind != "sourcemap"
            {
                self.broken(Rule::ImageType, format!("{at}.type"), format!("{kind:?} is not \"sourcemap\""));
            }
            self.required(image, &at, "debug_id", Value::as_str);
            if let Some(file) = self.required(image, &at, "code_file", Value::as_str)
                && !files.contains(file)
            {
                self.broken(Rule::CodeFile, format!("{at}.code_file"), format!("no frame is in {file:?}"));
            }
        }
    }

    /// Gaps that count for a stack, and data that nothing refers to.
    fn waste(&mut self, chunk: &Map<String, Value>, frames: &[Frame], stacks: &[Vec<usize>], samples: &[Sample]) {
        for (sample, seconds) in durations(samples) {
            let idle =
                stacks.get(sample.stack).and_then(|stack| stack.first()).is_none_or(|&leaf| frames[leaf].is_idle());
            if seconds > MAX_GAP && !idle {
                let what = format!("{seconds:.3} s after the sample at {:.6}, without an idle sample", sample.time);
                self.broken(Rule::Gap, "profile.samples", what);
            }
        }
        let used_stacks: HashSet<usize> = samples.iter().map(|sample| sample.stack).collect();
        let used_frames: HashSet<usize> = stacks.iter().flatten().copied().collect();
        let distinct_frames: HashSet<String> = self.list(chunk, "frames").iter().map(Value::to_string).collect();
        let distinct_stacks: HashSet<&[usize]> = stacks.iter().map(Vec::as_slice).collect();
        for (what, count) in [
            ("stacks without a sample", stacks.len().saturating_sub(used_stacks.len())),
            ("frames in no stack", frames.len().saturating_sub(used_frames.len())),
            ("duplicate frames", frames.len().saturating_sub(distinct_frames.len())),
            ("duplicate stacks", stacks.len() - distinct_stacks.len()),
        ] {
            if count > 0 {
                self.warnings.push(format!("{count} {what}"));
            }
        }
    }
}

fn is_empty(stacks: &[Vec<usize>], sample: &Sample) -> bool {
    stacks.get(sample.stack).is_some_and(Vec::is_empty)
}

/// How long each sample lasts, seconds: until the next one of its thread; the last has no duration. The samples must
/// be sorted.
fn durations(samples: &[Sample]) -> Vec<(&Sample, f64)> {
    let mut durations: Vec<(&Sample, f64)> = Vec::new();
    let mut latest: HashMap<&str, usize> = HashMap::new();
    for (at, sample) in samples.iter().enumerate() {
        if let Some(before) = latest.insert(&sample.thread, at) {
            durations[before].1 = sample.time - samples[before].time;
        }
        durations.push((sample, 0.0));
    }
    durations
}

fn summary(
    chunk: &Map<String, Value>,
    bytes: usize,
    frames: &[Frame],
    stacks: &[Vec<usize>],
    samples: &[Sample],
    warnings: Vec<String>,
) -> ChunkSummary {
    let text = |key: &str| chunk[key].as_str().unwrap_or_default().to_owned();
    let mut threads: BTreeMap<String, ThreadSummary> = BTreeMap::new();
    // By function rather than by frame, because some profilers repeat frames.
    let mut functions: HashMap<(&str, Option<&str>, Option<u64>), HotFunction> = HashMap::new();
    let mut idle = 0;
    for (sample, seconds) in durations(samples) {
        let thread = threads.entry(sample.thread.clone()).or_default();
        thread.samples += 1;
        let stack = &stacks[sample.stack];
        if stack.is_empty() {
            thread.idle += 1;
            idle += 1;
        }
        let mut seen = HashSet::new();
        for (depth, frame) in stack.iter().map(|&frame| &frames[frame]).enumerate() {
            let key = (&*frame.function, frame.abs_path.as_deref(), frame.line);
            let first = seen.insert(key);
            let function = functions.entry(key).or_insert_with(|| HotFunction {
                function: frame.function.clone(),
                file: frame.abs_path.clone().unwrap_or_default(),
                line: frame.line,
                in_app: frame.in_app,
                self_ms: 0.0,
                total_ms: 0.0,
            });
            if depth == 0 {
                function.self_ms += seconds * 1e3;
            }
            if first {
                function.total_ms += seconds * 1e3;
            }
        }
    }
    for (id, thread) in &mut threads {
        thread.name = chunk["profile"]["thread_metadata"][id]["name"].as_str().unwrap_or_default().to_owned();
    }
    let mut hottest: Vec<HotFunction> = functions.into_values().collect();
    hottest.sort_by(|a, b| {
        let by_time = b.self_ms.total_cmp(&a.self_ms).then(b.total_ms.total_cmp(&a.total_ms));
        by_time.then_with(|| (&a.function, &a.file, a.line).cmp(&(&b.function, &b.file, b.line)))
    });
    hottest.truncate(HOTTEST);
    ChunkSummary {
        chunk_id: text("chunk_id"),
        profiler_id: text("profiler_id"),
        bytes,
        samples: samples.len(),
        idle,
        stacks: stacks.len(),
        frames: frames.len(),
        start: samples.first().map_or(0.0, |sample| sample.time),
        end: samples.last().map_or(0.0, |sample| sample.time),
        threads,
        hottest,
        warnings,
    }
}
