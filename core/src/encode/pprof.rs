//! pprof's `profile.proto`, gzipped as its tools expect it.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::{Frame, FrameId, LineTotal, Profile};

/// A profile with two values per stack, `samples/count` and `cpu/nanoseconds`, without idle samples. Each sample
/// stands for one period, the sampling interval.
///
/// The format has no timeline: samples with the same stack are added up.
pub fn encode(profile: &Profile) -> Vec<u8> {
    let message = proto(profile).encode_to_vec();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&message).and_then(|()| gzip.finish()).expect("compressing into memory cannot fail")
}

fn proto(profile: &Profile) -> proto::Profile {
    let totals = profile.line_totals();
    let sampled: FxHashSet<FrameId> = totals.iter().flat_map(|total| profile.frames_of(total.stack)).collect();
    let mut locations = Locations::default();
    let frames = || (0..).map(FrameId::at).zip(profile.frames()).filter(|(frame, _)| sampled.contains(frame));
    let mut strings = Strings::default();
    let samples = proto::ValueType { r#type: strings.id("samples"), unit: strings.id("count") };
    let cpu = proto::ValueType { r#type: strings.id("cpu"), unit: strings.id("nanoseconds") };
    let function = |(frame_id, frame): (FrameId, &Frame)| proto::Function {
        id: id(frame_id),
        name: strings.id(&frame.function),
        system_name: strings.id(&frame.function),
        filename: strings.id(&frame.file),
        start_line: frame.line.into(),
    };
    let functions = frames().map(function).collect();
    let sample = |total: &LineTotal| {
        // Where a caller called from is not known.
        let lines = std::iter::once(total.line).chain(std::iter::repeat(0));
        proto::Sample {
            location_id: std::iter::zip(profile.frames_of(total.stack), lines)
                .map(|(frame, line)| locations.id(profile, frame, line))
                .collect(),
            value: vec![total.samples as i64, nanoseconds(total.time_us as i64)],
        }
    };
    proto::Profile {
        sample_type: vec![samples, cpu],
        sample: totals.iter().map(sample).collect(),
        location: locations.table,
        function: functions,
        time_nanos: nanoseconds(profile.start().us()),
        duration_nanos: nanoseconds(profile.end() - profile.start()),
        period_type: Some(cpu),
        period: nanoseconds(profile.interval_us().into()),
        default_sample_type: cpu.r#type,
        string_table: strings.table,
    }
}

/// The lines of functions that were sampled, and the definitions of those of which no line is known.
#[derive(Default)]
struct Locations {
    table: Vec<proto::Location>,
    ids: FxHashMap<(FrameId, u32), u64>,
}

impl Locations {
    /// 0 would mean none.
    fn id(&mut self, profile: &Profile, frame_id: FrameId, line: u32) -> u64 {
        *self.ids.entry((frame_id, line)).or_insert_with(|| {
            let next = self.table.len() as u64 + 1;
            let frame = &profile.frames()[frame_id.index()];
            let (line, column) = if line > 0 { (line, 0) } else { (frame.line, frame.column) };
            let line = proto::Line { function_id: id(frame_id), line: line.into(), column: column.into() };
            self.table.push(proto::Location { id: next, line: vec![line] });
            next
        })
    }
}

/// The id of a function. 0 would mean none.
fn id(frame: FrameId) -> u64 {
    frame.index() as u64 + 1
}

fn nanoseconds(us: i64) -> i64 {
    us.saturating_mul(1000)
}

/// The table of strings; the first must be empty.
struct Strings {
    table: Vec<String>,
    ids: FxHashMap<String, i64>,
}

impl Default for Strings {
    fn default() -> Self {
        Self { table: vec![String::new()], ids: FxHashMap::from_iter([(String::new(), 0)]) }
    }
}

impl Strings {
    fn id(&mut self, text: &str) -> i64 {
        if let Some(&id) = self.ids.get(text) {
            return id;
        }
        let id = self.table.len() as i64;
        self.table.push(text.to_owned());
        self.ids.insert(text.to_owned(), id);
        id
    }
}

/// The part of `profile.proto` that a V8 profile needs, with numbers and names as in
/// `github.com/google/pprof/proto/profile.proto`.
pub(super) mod proto {
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    pub struct Profile {
        #[prost(message, repeated, tag = "1")]
        pub sample_type: Vec<ValueType>,
        #[prost(message, repeated, tag = "2")]
        pub sample: Vec<Sample>,
        #[prost(message, repeated, tag = "4")]
        pub location: Vec<Location>,
        #[prost(message, repeated, tag = "5")]
        pub function: Vec<Function>,
        #[prost(string, repeated, tag = "6")]
        pub string_table: Vec<String>,
        #[prost(int64, tag = "9")]
        pub time_nanos: i64,
        #[prost(int64, tag = "10")]
        pub duration_nanos: i64,
        #[prost(message, optional, tag = "11")]
        pub period_type: Option<ValueType>,
        #[prost(int64, tag = "12")]
        pub period: i64,
        #[prost(int64, tag = "14")]
        pub default_sample_type: i64,
    }

    #[derive(Clone, Copy, PartialEq, Message)]
    pub struct ValueType {
        #[prost(int64, tag = "1")]
        pub r#type: i64,
        #[prost(int64, tag = "2")]
        pub unit: i64,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct Sample {
        /// Leaf first.
        #[prost(uint64, repeated, tag = "1")]
        pub location_id: Vec<u64>,
        #[prost(int64, repeated, tag = "2")]
        pub value: Vec<i64>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct Location {
        #[prost(uint64, tag = "1")]
        pub id: u64,
        #[prost(message, repeated, tag = "4")]
        pub line: Vec<Line>,
    }

    #[derive(Clone, Copy, PartialEq, Message)]
    pub struct Line {
        #[prost(uint64, tag = "1")]
        pub function_id: u64,
        #[prost(int64, tag = "2")]
        pub line: i64,
        #[prost(int64, tag = "3")]
        pub column: i64,
    }

    #[derive(Clone, Copy, PartialEq, Message)]
    pub struct Function {
        #[prost(uint64, tag = "1")]
        pub id: u64,
        #[prost(int64, tag = "2")]
        pub name: i64,
        #[prost(int64, tag = "3")]
        pub system_name: i64,
        #[prost(int64, tag = "4")]
        pub filename: i64,
        #[prost(int64, tag = "5")]
        pub start_line: i64,
    }
}
