//! Profile chunks, as Sentry takes them: the payload of a `profile_chunk` in sample format V2, and that without its
//! envelope, as `{"samples", "stacks", "frames"}`.

use std::borrow::Cow;

use rustc_hash::FxHashMap;
use serde::Deserialize;

use super::DecodeError;
use crate::profile::{Frame, FrameKind, Point, Profile, ProfileBuilder};
use crate::time::Unix;

/// What consecutive chunks have of a thread.
#[derive(Clone, Debug)]
pub struct Thread {
    /// The number that the chunks call it by.
    pub id: String,
    /// Its name, where they have one.
    pub name: Option<String>,
    /// Its samples in all of them. A chunk's last sample has no duration, as in Sentry's processor: what ran until the
    /// next chunk is unknown.
    pub profile: Profile,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    profile: Samples<'a>,
    #[serde(default)]
    measurements: FxHashMap<String, Measurement>,
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
struct Samples<'a> {
    #[serde(borrow)]
    samples: Vec<Sample<'a>>,
    stacks: Vec<Vec<usize>>,
    #[serde(borrow)]
    frames: Vec<ChunkFrame<'a>>,
    #[serde(default)]
    thread_metadata: FxHashMap<String, Metadata>,
}

#[derive(Deserialize)]
struct Sample<'a> {
    timestamp: f64,
    stack_id: usize,
    #[serde(borrow)]
    thread_id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Metadata {
    name: Option<String>,
}

#[derive(Deserialize)]
struct ChunkFrame<'a> {
    #[serde(borrow, default)]
    function: Cow<'a, str>,
    #[serde(borrow)]
    abs_path: Option<Cow<'a, str>>,
    #[serde(borrow)]
    filename: Option<Cow<'a, str>>,
    #[serde(default)]
    lineno: u32,
    #[serde(default)]
    colno: u32,
    #[serde(default)]
    in_app: bool,
}

impl ChunkFrame<'_> {
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
            function: (&*self.function).into(),
            file: file.into(),
            line: self.lineno,
            column: self.colno,
            kind,
            in_app: self.in_app,
        }
    }
}

/// Reads chunks of one profiler, in any order: the threads that have samples, in the order in which those come.
///
/// # Errors
/// Where one is no such chunk, or refers to what it does not have.
pub fn decode<B: AsRef<[u8]>>(chunks: impl IntoIterator<Item = B>) -> Result<Vec<Thread>, DecodeError> {
    let mut threads: Vec<(String, Option<String>, ProfileBuilder)> = vec![];
    for chunk in chunks {
        add(chunk.as_ref(), &mut threads)?;
    }
    Ok(threads.into_iter().map(|(id, name, builder)| Thread { id, name, profile: finish(builder) }).collect())
}

fn add(json: &[u8], threads: &mut Vec<(String, Option<String>, ProfileBuilder)>) -> Result<(), DecodeError> {
    let chunk = serde_json::from_slice(json);
    // The error is about the usual kind if it is neither.
    let Chunk { profile, measurements } = chunk.or_else(|error| {
        let profile = serde_json::from_slice(json).map_err(|_| DecodeError::Json(error.to_string()))?;
        Ok(Chunk { profile, measurements: FxHashMap::default() })
    })?;
    let Samples { samples, stacks, frames, mut thread_metadata } = profile;
    let missing = |what: &str, at: usize| DecodeError::Senseless(format!("there is no {what} {at}"));
    let (mut measurements, mut last, mut known) = (Some(measurements), FxHashMap::default(), FxHashMap::default());
    for Sample { timestamp, stack_id, thread_id } in samples {
        let at = threads.iter().position(|(id, ..)| *id == thread_id).unwrap_or_else(|| {
            let name = thread_metadata.remove(&*thread_id).and_then(|metadata| metadata.name);
            threads.push((thread_id.into_owned(), name, ProfileBuilder::new()));
            threads.len() - 1
        });
        let builder = &mut threads[at].2;
        // They are of the process; a report shows those of its first thread.
        if let Some(mut measurements) = measurements.take() {
            let mut points = |name| {
                let values = measurements.remove(name).map_or(vec![], |measurement: Measurement| measurement.values);
                values.into_iter().map(|Reading { timestamp, value }| Point { time: unix(timestamp), value })
            };
            let readings = builder.measurements_mut();
            readings.cpu_usage.extend(points("cpu_usage"));
            readings.memory_footprint.extend(points("memory_footprint"));
        }
        let stack = match known.get(&(at, stack_id)) {
            Some(stack) => *stack,
            None => {
                let mut stack = None;
                // A chunk's stacks start at the leaf, the builder's at the root.
                for &frame in stacks.get(stack_id).ok_or_else(|| missing("stack", stack_id))?.iter().rev() {
                    let frame = frames.get(frame).ok_or_else(|| missing("frame", frame))?;
                    let frame = builder.frame(&frame.to_frame());
                    stack = Some(builder.stack(stack, frame));
                }
                known.insert((at, stack_id), stack);
                stack
            }
        };
        let time = unix(timestamp);
        let latest = last.entry(at).or_insert(time);
        *latest = time.max(*latest);
        builder.sample(time, stack);
    }
    for (at, time) in last {
        threads[at].2.idle(time);
    }
    Ok(())
}

fn finish(builder: ProfileBuilder) -> Profile {
    let mut times: Vec<_> = builder.samples().iter().map(|sample| sample.time).collect();
    times.sort_unstable();
    let bound = |time: Option<&Unix>| time.copied().unwrap_or(Unix::from_us(0));
    let (start, end) = (bound(times.first()), bound(times.last()));
    // A chunk does not say its interval. Only pauses are longer, so the median distance is the interval.
    let mut distances: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    distances.sort_unstable();
    let interval = distances.get(distances.len() / 2).copied().unwrap_or_default();
    builder.finish(start, end, interval.clamp(1, u32::MAX.into()) as u32)
}

fn unix(seconds: f64) -> Unix {
    Unix::from_us((seconds * 1e6).round() as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn chunks_become_one_profile_of_each_thread() {
        let chunk = |at: f64, leaf: usize| {
            json!({"measurements": {"cpu_usage": {"unit": "percent", "values": [{"timestamp": at, "value": 50.0}]}},
                "profile": {
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
                    "thread_metadata": {"0": {"name": "main"}, "7": {}},
                }
            })
            .to_string()
        };
        let threads = decode([chunk(10.0, 1), chunk(20.0, 2)]).unwrap();
        let named: Vec<_> = threads.iter().map(|thread| (&*thread.id, thread.name.as_deref())).collect();
        assert_eq!(named, [("0", Some("main")), ("7", None)]);
        let profile = &threads[0].profile;
        assert_eq!(profile.active_samples(), 4, "the other thread's samples are not in it");
        assert_eq!((profile.start().us(), profile.end().us()), (10_000_000, 20_250_000));
        assert_eq!(profile.measurements().cpu_usage.len(), 2);
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
    fn what_makes_no_sense_is_said() {
        let told = |document: serde_json::Value| decode([document.to_string()]).unwrap_err().to_string();
        let sample = json!([{"timestamp": 1.0, "stack_id": 0, "thread_id": "0"}]);
        let samples = |stacks| json!({"frames": [], "stacks": stacks, "samples": sample});
        assert_eq!(told(json!({"profile": samples(json!([]))})), "it makes no sense: there is no stack 0");
        assert_eq!(told(samples(json!([[3]]))), "it makes no sense: there is no frame 3");
        assert!(told(json!({})).contains("missing field `profile`"));
    }

    proptest::proptest! {
        #[test]
        fn what_this_crate_writes_comes_back(profile in crate::encode::tests::any_profile()) {
            let raw = crate::encode::RawOptions { thread_id: "3", collect_resources: false, logging_mode: "eager" };
            let threads = decode([crate::encode::sample_v2::raw(&profile, raw)]).expect("it is read");
            proptest::prop_assert_eq!(threads.len(), usize::from(!profile.samples().is_empty()));
            let active: usize = threads.iter().map(|thread| thread.profile.active_samples()).sum();
            proptest::prop_assert_eq!(active, profile.active_samples());
        }
    }
}
