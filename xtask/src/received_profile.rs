//! Turns received profile chunks back into a profile.

use std::collections::HashMap;

use anyhow::{Context, Result};
use sentry_profiler::{Frame, FrameKind, Point, Profile, ProfileBuilder, Unix};
use serde::Deserialize;

/// The part of a `profile_chunk` (sample format V2) that says what ran, and what was measured.
#[derive(Deserialize)]
struct Chunk {
    profile: Samples,
    #[serde(default)]
    measurements: HashMap<String, Measurement>,
}

#[derive(Deserialize)]
struct Measurement {
    values: Vec<Reading>,
}

#[derive(Deserialize)]
struct Reading {
    timestamp: f64,
    value: f64,
}

#[derive(Deserialize)]
struct Samples {
    samples: Vec<Sample>,
    stacks: Vec<Vec<usize>>,
    frames: Vec<ChunkFrame>,
}

#[derive(Deserialize)]
struct Sample {
    timestamp: f64,
    stack_id: usize,
    thread_id: String,
}

#[derive(Deserialize)]
struct ChunkFrame {
    #[serde(default)]
    function: String,
    abs_path: Option<String>,
    filename: Option<String>,
    #[serde(default)]
    lineno: u32,
    #[serde(default)]
    colno: u32,
    #[serde(default)]
    in_app: bool,
}

impl ChunkFrame {
    /// The format does not say what kind of code a frame is. A frame with a file or a line is a script's, a name like
    /// `(idle)` is a state of V8.
    fn to_frame(&self) -> Frame {
        let file = self.abs_path.as_deref().or(self.filename.as_deref()).unwrap_or_default();
        let kind = match file {
            "" if self.function.starts_with('(') => FrameKind::Internal,
            "" if self.lineno == 0 => FrameKind::Builtin,
            _ => FrameKind::Script,
        };
        Frame {
            function: self.function.as_str().into(),
            file: file.into(),
            line: self.lineno,
            column: self.colno,
            kind,
            in_app: self.in_app,
        }
    }
}

/// One profile of all the chunks' samples of one thread.
///
/// A chunk's last sample has no duration, as in Sentry's processor: what ran until the next chunk is unknown.
pub fn profile<'a>(payloads: impl IntoIterator<Item = &'a serde_json::Value>, thread: &str) -> Result<Profile> {
    let mut builder = ProfileBuilder::new();
    for payload in payloads {
        let Chunk { profile, mut measurements } = Chunk::deserialize(payload).context("not a profile chunk")?;
        let Samples { samples, stacks, frames } = profile;
        let mut points = |name| {
            let values = measurements.remove(name).map_or(vec![], |measurement| measurement.values);
            values.into_iter().map(|Reading { timestamp, value }| Point { time: unix(timestamp), value })
        };
        let readings = builder.measurements_mut();
        readings.cpu_usage.extend(points("cpu_usage"));
        readings.memory_footprint.extend(points("memory_footprint"));
        let frames: Vec<_> = frames.iter().map(|frame| builder.frame(&frame.to_frame())).collect();
        let mut ids = HashMap::new();
        let mut last = None;
        for Sample { timestamp, stack_id, thread_id } in samples {
            if thread_id != thread {
                continue;
            }
            let stack = match ids.get(&stack_id) {
                Some(stack) => *stack,
                None => {
                    let mut stack = None;
                    // A chunk's stacks start at the leaf, the builder's at the root.
                    for &frame in stacks.get(stack_id).context("a stack out of range")?.iter().rev() {
                        stack = Some(builder.stack(stack, *frames.get(frame).context("a frame out of range")?));
                    }
                    ids.insert(stack_id, stack);
                    stack
                }
            };
            let time = unix(timestamp);
            last = last.max(Some(time));
            builder.sample(time, stack);
        }
        if let Some(time) = last {
            builder.sample(time, None);
        }
    }
    let mut times: Vec<_> = builder.samples().iter().map(|sample| sample.time).collect();
    times.sort_unstable();
    let bound = |time: Option<&Unix>| time.copied().unwrap_or(Unix::from_us(0));
    let (start, end) = (bound(times.first()), bound(times.last()));
    // A chunk does not say its interval. Only pauses are longer, so the median distance is the interval.
    let mut distances: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    distances.sort_unstable();
    let interval = distances.get(distances.len() / 2).copied().unwrap_or_default();
    Ok(builder.finish(start, end, interval.clamp(1, u32::MAX.into()) as u32))
}

fn unix(seconds: f64) -> Unix {
    Unix::from_us((seconds * 1e6).round() as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn chunks_become_one_profile() {
        let chunk = |at: f64, leaf: usize| {
            json!({"profile": {
                "frames": [
                    {"function": "main", "abs_path": "/app/a.js", "lineno": 1, "colno": 2, "in_app": true},
                    {"function": "work", "abs_path": "/app/b.js", "lineno": 3, "colno": 4, "in_app": true},
                    {"function": "(garbage collector)", "in_app": false},
                ],
                "stacks": [[0], [leaf, 0]],
                "samples": [
                    {"timestamp": at, "stack_id": 1, "thread_id": "0"},
                    {"timestamp": at, "stack_id": 1, "thread_id": "7"},
                    {"timestamp": at + 0.25, "stack_id": 1, "thread_id": "0"},
                ],
            }})
        };
        let profile = profile(&[chunk(10.0, 1), chunk(20.0, 2)], "0").unwrap();
        assert_eq!(profile.active_samples(), 4, "the other thread's samples are not in it");
        assert_eq!((profile.start().us(), profile.end().us()), (10_000_000, 20_250_000));
        let hottest: Vec<_> = profile
            .hottest(9)
            .iter()
            .map(|spot| (spot.frame.function.to_string(), spot.self_us, spot.total_us))
            .collect();
        assert_eq!(
            hottest,
            [
                ("work".into(), 250_000, 250_000),
                ("(garbage collector)".into(), 250_000, 250_000),
                ("main".into(), 0, 500_000)
            ]
        );
    }

    #[test]
    fn indices_are_checked() {
        let sample = json!([{"timestamp": 1.0, "stack_id": 0, "thread_id": "0"}]);
        for stacks in [json!([]), json!([[3]])] {
            let chunk = json!({"profile": {"frames": [], "stacks": stacks, "samples": sample}});
            assert!(profile([&chunk], "0").is_err());
        }
    }
}
