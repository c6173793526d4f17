//! Merging slices and writing each format, on recorded profiles: `cargo bench -p sentry-profiler`. `cargo xtask bench
//! --instructions` counts instructions instead, for machines that are busy.

use std::fs::File;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use flate2::read::GzDecoder;
use sentry_profiler::encode::{RawOptions, cpuprofile, flamegraph, folded, pprof, sample_v1, sample_v2};
use sentry_profiler::sentry::Metadata;
use sentry_profiler::{Frame, FrameKind, Profile, ProfileBuilder};
use serde::Deserialize;

/// Chunks that sessions sent of the benchmark's programs (bench/programs/shapes.cjs), without measurements.
const RECORDED: [&str; 2] = ["deep", "very-deep"];

/// As long as slices are in deep programs, µs.
const SLICE_US: i64 = 500_000;

#[derive(Deserialize)]
struct Chunk {
    profile: Body,
}

#[derive(Deserialize)]
struct Body {
    samples: Vec<SampleBody>,
    stacks: Vec<Vec<u32>>,
    frames: Vec<FrameBody>,
}

#[derive(Deserialize)]
struct SampleBody {
    timestamp: f64,
    stack_id: usize,
}

#[derive(Deserialize)]
struct FrameBody {
    function: String,
    #[serde(default)]
    abs_path: String,
    #[serde(default)]
    lineno: u32,
    #[serde(default)]
    colno: u32,
    #[serde(default)]
    in_app: bool,
}

/// A recorded chunk, its frames ready to be merged.
struct Recorded {
    frames: Vec<Frame>,
    /// Frames, root first.
    stacks: Vec<Vec<u32>>,
    /// Unix µs, stack.
    samples: Vec<(i64, usize)>,
}

impl Recorded {
    fn read(name: &str) -> Self {
        let path = format!("{}/benches/recorded/{name}.json.gz", env!("CARGO_MANIFEST_DIR"));
        let file = GzDecoder::new(File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}")));
        let Body { samples, mut stacks, frames } =
            serde_json::from_reader::<_, Chunk>(file).unwrap_or_else(|error| panic!("{path}: {error}")).profile;
        stacks.iter_mut().for_each(|stack| stack.reverse());
        let frame = |frame: FrameBody| Frame {
            kind: if frame.abs_path.is_empty() { FrameKind::Internal } else { FrameKind::Script },
            function: frame.function.into(),
            file: frame.abs_path.into(),
            line: frame.lineno,
            column: frame.colno,
            in_app: frame.in_app,
        };
        Self {
            frames: frames.into_iter().map(frame).collect(),
            stacks,
            samples: samples.into_iter().map(|s| ((s.timestamp * 1e6).round() as i64, s.stack_id)).collect(),
        }
    }

    /// As a session does it: slice after slice, each with indices of its own.
    fn merge(&self) -> Profile {
        let mut builder = ProfileBuilder::new();
        let start_us = self.samples[0].0;
        for slice in self.samples.chunk_by(|a, b| (a.0 - start_us) / SLICE_US == (b.0 - start_us) / SLICE_US) {
            let mut frames = vec![None; self.frames.len()];
            let mut stacks = vec![None; self.stacks.len()];
            for &(time_us, stack) in slice {
                let merged = *stacks[stack].get_or_insert_with(|| {
                    self.stacks[stack].iter().fold(None, |parent, &frame| {
                        let merged =
                            frames[frame as usize].get_or_insert_with(|| builder.frame(&self.frames[frame as usize]));
                        Some(builder.stack(parent, *merged))
                    })
                });
                builder.sample(time_us, merged);
            }
        }
        let end_us = self.samples.last().map_or(start_us, |sample| sample.0);
        builder.finish(start_us, end_us, 10_101)
    }
}

/// What is measured is called here and nowhere else: callgrind counts by this function's name.
#[inline(never)]
fn measured<T>(work: &mut dyn FnMut() -> T) -> T {
    black_box(work())
}

fn formats(criterion: &mut Criterion) {
    for name in RECORDED {
        let recorded = Recorded::read(name);
        let profile = recorded.merge();
        let metadata = Metadata::default();
        let options = RawOptions { thread_id: "0", collect_resources: false, logging_mode: "eager" };
        let mut bench = |part: &str, work: &mut dyn FnMut() -> usize| {
            criterion.bench_function(&format!("{name}/{part}"), |bencher| bencher.iter(|| measured(work)));
        };
        bench("merge", &mut || recorded.merge().samples().len());
        bench("chunk", &mut || sample_v2::chunk(&profile, &metadata).len());
        bench("raw v2", &mut || sample_v2::raw(&profile, options).len());
        bench("raw v1", &mut || sample_v1::raw(&profile, options).len());
        bench("cpuprofile", &mut || cpuprofile::encode(&profile).len());
        bench("pprof", &mut || pprof::encode(&profile).len());
        bench("folded", &mut || folded::encode(&profile).len());
        bench("flamegraph", &mut || flamegraph::encode(&profile).len());
    }
}

criterion_group!(benches, formats);
criterion_main!(benches);
