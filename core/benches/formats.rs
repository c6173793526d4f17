//! Merging slices and writing each format, on recorded profiles: `cargo bench -p sentry-profiler`. On a busy machine,
//! `cargo xtask bench --instructions` counts instructions instead.

use std::collections::HashMap;
use std::fs::File;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use flate2::read::GzDecoder;
use sentry_profiler::encode::{RawOptions, cpuprofile, flamegraph, folded, pprof, sample_v1, sample_v2};
use sentry_profiler::report::{Report, html};
use sentry_profiler::sentry::Metadata;
use sentry_profiler::{Frame, FrameId, FrameKind, Slice, Stack, StackId};
use serde::Deserialize;

/// Chunks of the benchmark's programs (bench/programs/shapes.cjs), without measurements.
const RECORDED: [&str; 2] = ["deep", "very-deep"];

/// The length of slices in deep programs, µs.
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

/// The slices of a recorded chunk, each with its own frames and stacks, as they come from V8.
fn recorded(name: &str) -> Vec<Slice> {
    let path = format!("{}/benches/recorded/{name}.json.gz", env!("CARGO_MANIFEST_DIR"));
    let file = GzDecoder::new(File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}")));
    let Body { samples, stacks, frames } =
        serde_json::from_reader::<_, Chunk>(file).unwrap_or_else(|error| panic!("{path}: {error}")).profile;
    let frames: Vec<_> = frames.into_iter().map(frame).collect();
    let samples: Vec<_> = samples.into_iter().map(|s| ((s.timestamp * 1e6).round() as i64, s.stack_id)).collect();
    let start_us = samples[0].0;
    samples
        .chunk_by(|a, b| (a.0 - start_us) / SLICE_US == (b.0 - start_us) / SLICE_US)
        .map(|samples| slice(&frames, &stacks, samples))
        .collect()
}

fn frame(frame: FrameBody) -> Frame {
    Frame {
        kind: if frame.abs_path.is_empty() { FrameKind::Internal } else { FrameKind::Script },
        function: frame.function.into(),
        file: frame.abs_path.into(),
        line: frame.lineno,
        column: frame.colno,
        in_app: frame.in_app,
    }
}

/// Converts stacks from lists of frames, leaf first, to a slice's tree.
fn slice(frames: &[Frame], stacks: &[Vec<u32>], samples: &[(i64, usize)]) -> Slice {
    let mut used = vec![];
    let mut frame_ids = HashMap::new();
    let mut tree: Vec<Stack> = vec![];
    let mut stack_ids = HashMap::new();
    let mut ticks = vec![];
    for &(time_us, stack) in samples {
        let mut parent = None;
        for &frame in stacks[stack].iter().rev() {
            let frame = *frame_ids.entry(frame).or_insert_with(|| {
                used.push(frames[frame as usize].clone());
                FrameId::at(used.len() - 1)
            });
            parent = Some(*stack_ids.entry((parent, frame)).or_insert_with(|| {
                tree.push(Stack { parent, frame });
                StackId::at(tree.len() - 1)
            }));
        }
        // Idle samples at the end of work have no stack and are not in slices.
        ticks.extend(parent.map(|stack| (time_us, stack)));
    }
    Slice::new(used, tree, ticks)
}

/// Runs the measured work. Nothing else may call it, because callgrind counts by this function's name.
#[inline(never)]
fn measured<T>(work: &mut dyn FnMut() -> T) -> T {
    black_box(work())
}

fn formats(criterion: &mut Criterion) {
    for name in RECORDED {
        let slices = recorded(name);
        let profile = Slice::merge(&slices);
        let metadata = Metadata::default();
        let options = RawOptions { thread_id: "0", collect_resources: false, logging_mode: "eager" };
        let mut bench = |part: &str, work: &mut dyn FnMut() -> usize| {
            criterion.bench_function(&format!("{name}/{part}"), |bencher| bencher.iter(|| measured(work)));
        };
        bench("merge", &mut || Slice::merge(&slices).samples().len());
        bench("chunk", &mut || sample_v2::chunk(&profile, &metadata).len());
        bench("raw v2", &mut || sample_v2::raw(&profile, options).len());
        bench("raw v1", &mut || sample_v1::raw(&profile, options).len());
        bench("cpuprofile", &mut || cpuprofile::encode(&profile).len());
        bench("pprof", &mut || pprof::encode(&profile).len());
        bench("folded", &mut || folded::encode(&profile).len());
        bench("html", &mut || html(&Report::of(&profile)).len());
        bench("flamegraph", &mut || flamegraph::encode(&profile).len());
    }
}

criterion_group!(benches, formats);
criterion_main!(benches);
