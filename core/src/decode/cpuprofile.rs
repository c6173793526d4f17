//! `.cpuprofile`, whatever wrote it: Chrome DevTools, `node --cpu-prof`, this crate.

use std::borrow::Cow;

use rustc_hash::FxHashMap;
use serde::Deserialize;

use super::DecodeError;
use crate::lines::{LineTicks, Lines};
use crate::profile::{Frame, FrameKind, Profile, ProfileBuilder, StackId, in_app, plain_path};
use crate::time::Unix;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(borrow)]
    nodes: Vec<Node<'a>>,
    #[serde(default)]
    start_time: f64,
    #[serde(default)]
    end_time: f64,
    #[serde(default)]
    samples: Vec<u32>,
    /// In microseconds. Exact up to 16 s, and there is one for each sample of a large file.
    #[serde(default)]
    time_deltas: Vec<f32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node<'a> {
    id: u32,
    #[serde(borrow)]
    call_frame: CallFrame<'a>,
    #[serde(default)]
    hit_count: u32,
    #[serde(default)]
    children: Vec<u32>,
    /// Instead of children.
    parent: Option<u32>,
    #[serde(default)]
    position_ticks: Vec<PositionTick>,
}

/// Lines and columns from 0, -1 when unknown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallFrame<'a> {
    #[serde(borrow, default)]
    function_name: Cow<'a, str>,
    #[serde(borrow, default)]
    url: Cow<'a, str>,
    #[serde(default = "unknown")]
    line_number: i64,
    #[serde(default = "unknown")]
    column_number: i64,
}

fn unknown() -> i64 {
    -1
}

#[derive(Deserialize)]
struct PositionTick {
    line: u32,
    ticks: u32,
}

/// Reads it. Times are those of the file, which are Unix times only where its writer says so. It takes the bytes, which
/// are needed no longer once the functions are read: the samples of a large file take as much again.
///
/// # Errors
/// Where it is no such file, or refers to nodes that it does not have.
pub fn decode(json: Vec<u8>) -> Result<Profile, DecodeError> {
    let Document { nodes, start_time, end_time, samples, time_deltas } =
        serde_json::from_slice(&json).map_err(|error| DecodeError::Json(error.to_string()))?;
    if samples.len() != time_deltas.len() {
        return Err(DecodeError::Senseless(format!("{} samples and {} times", samples.len(), time_deltas.len())));
    }
    let by_id: FxHashMap<u32, usize> = nodes.iter().enumerate().map(|(at, node)| (node.id, at)).collect();
    let index =
        |id: u32| by_id.get(&id).copied().ok_or_else(|| DecodeError::Senseless(format!("there is no node {id}")));
    let mut parents = vec![None; nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        for &child in &node.children {
            parents[index(child)?] = Some(at);
        }
        if let Some(parent) = node.parent {
            parents[at] = Some(index(parent)?);
        }
    }
    let mut builder = ProfileBuilder::new();
    let stacks = stacks(&nodes, &parents, &mut builder)?;
    let mut lines: Vec<Lines> = nodes.iter().map(lines_of).collect();
    drop(nodes);
    drop(json);
    let mut time_us = start_time;
    for (&id, &delta) in samples.iter().zip(&time_deltas) {
        let at = index(id)?;
        time_us += f64::from(delta);
        let time = Unix::from_us(time_us as i64);
        match stacks[at] {
            Some(stack) => builder.sample_in_line(time, stack, lines[at].next()),
            None => builder.idle(time),
        }
    }
    drop(samples);
    let (start, end) = (Unix::from_us(start_time as i64), Unix::from_us(end_time.max(time_us) as i64));
    // The last sample lasts until the end.
    builder.idle(end);
    Ok(builder.finish(start, end, interval_us(time_deltas)))
}

/// The stack of each node; `None` for the root, and where nothing runs.
fn stacks(
    nodes: &[Node<'_>],
    parents: &[Option<usize>],
    builder: &mut ProfileBuilder,
) -> Result<Vec<Option<StackId>>, DecodeError> {
    #[derive(Clone, Copy)]
    struct Met {
        stack: Option<StackId>,
        in_app: Option<bool>,
    }
    let mut met: Vec<Option<Met>> = vec![None; nodes.len()];
    let mut pending = vec![];
    for first in 0..nodes.len() {
        let mut at = Some(first);
        while let Some(node) = at.filter(|&node| met[node].is_none()) {
            if pending.len() > nodes.len() {
                return Err(DecodeError::Senseless("a node is below itself".to_owned()));
            }
            pending.push(node);
            at = parents[node];
        }
        while let Some(node) = pending.pop() {
            let caller = parents[node].and_then(|parent| met[parent]);
            let (frame, is_root) = frame(&nodes[node].call_frame, caller.and_then(|caller| caller.in_app));
            let nothing = Met { stack: None, in_app: None };
            met[node] = Some(if is_root && caller.is_none() || frame.is_idle() {
                nothing
            } else {
                let id = builder.frame(&frame);
                let stack = builder.stack(caller.and_then(|caller| caller.stack), id);
                Met { stack: Some(stack), in_app: Some(frame.in_app) }
            });
        }
    }
    Ok(met.into_iter().map(|met| met.and_then(|met| met.stack)).collect())
}

/// A frame, and whether it is the root of all.
fn frame(call_frame: &CallFrame<'_>, caller: Option<bool>) -> (Frame, bool) {
    const STATES: [&str; 4] = ["(idle)", "(program)", "(garbage collector)", "(root)"];
    let CallFrame { function_name, url, line_number, column_number } = call_frame;
    let file = plain_path(url);
    let kind = match (&**function_name, &*file) {
        (name, "") if STATES.contains(&name) => FrameKind::Internal,
        (_, "") if *line_number < 0 => FrameKind::Callback,
        _ => FrameKind::Script,
    };
    let function = if function_name.is_empty() { "<anonymous>" } else { function_name };
    let position = |number: i64| u32::try_from(number + 1).unwrap_or(0);
    let frame = Frame {
        function: function.into(),
        file: (&*file).into(),
        line: position(*line_number),
        column: position(*column_number),
        kind,
        in_app: in_app(kind, function, &file, caller),
    };
    (frame, function == "(root)")
}

fn lines_of(node: &Node<'_>) -> Lines {
    let mut lines: Vec<_> =
        node.position_ticks.iter().map(|&PositionTick { line, ticks }| LineTicks { line, ticks }).collect();
    lines.sort_by_key(|line| line.line);
    Lines::new(lines, node.hit_count)
}

/// The file does not say it. Only pauses are longer, so the median distance is the interval.
fn interval_us(mut deltas: Vec<f32>) -> u32 {
    if deltas.is_empty() {
        return 1;
    }
    let middle = deltas.len() / 2;
    let (_, median, _) = deltas.select_nth_unstable_by(middle, f32::total_cmp);
    // Out of range it is cut.
    (*median as u32).max(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::encode::cpuprofile;

    fn read(document: &serde_json::Value) -> Result<Profile, DecodeError> {
        decode(document.to_string().into_bytes())
    }

    #[test]
    fn a_file_of_devtools() {
        let call_frame = |name: &str, url: &str, line: i64| json!({"functionName": name, "scriptId": "7", "url": url, "lineNumber": line, "columnNumber": 3});
        let profile = read(&json!({
            "nodes": [
                {"id": 1, "callFrame": call_frame("(root)", "", -1), "hitCount": 0, "children": [2, 3, 5]},
                {"id": 2, "callFrame": call_frame("(idle)", "", -1), "hitCount": 1},
                {"id": 3, "callFrame": call_frame("", "file:///app/ma%20in.js", 0), "children": [4]},
                {"id": 4, "callFrame": call_frame("work", "file:///app/node_modules/a/b.js", 8), "hitCount": 4,
                 "positionTicks": [{"line": 12, "ticks": 1}, {"line": 10, "ticks": 3}]},
                {"id": 5, "callFrame": call_frame("open", "", -1), "hitCount": 1},
            ],
            "startTime": 1_000, "endTime": 61_000,
            "samples": [4, 4, 2, 4, 4, 5],
            "timeDeltas": [1_000, 10_000, 10_000, 10_000, 10_000, 10_000],
        }))
        .unwrap();
        let hottest: Vec<_> = profile
            .hottest(9)
            .iter()
            .map(|spot| (spot.frame.function.to_string(), spot.frame.file.to_string(), spot.self_us, spot.total_us))
            .collect();
        assert_eq!(
            hottest,
            [
                ("work".into(), "/app/node_modules/a/b.js".into(), 40_000, 40_000),
                ("open".into(), String::new(), 9_000, 9_000),
                ("<anonymous>".into(), "/app/ma in.js".into(), 0, 40_000),
            ]
        );
        let in_app: Vec<_> =
            profile.frames().iter().map(|frame| (&*frame.function, frame.in_app, frame.line)).collect();
        assert_eq!(in_app, [("<anonymous>", true, 1), ("work", false, 9), ("open", false, 0)]);
        assert_eq!(profile.samples().iter().filter(|sample| sample.line == 10).count(), 3);
        assert_eq!((profile.start().us(), profile.end().us(), profile.interval_us()), (1_000, 61_000, 10_000));
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let node =
            |id: u32, children: &[u32]| json!({"id": id, "callFrame": {"functionName": "f"}, "children": children});
        let told = |document| read(&document).unwrap_err().to_string();
        assert!(told(json!({"nodes": 5})).contains("invalid type"), "{}", told(json!({"nodes": 5})));
        assert!(told(json!({"nodes": [node(1, &[9])]})).contains("no node 9"));
        assert!(told(json!({"nodes": [node(1, &[])], "samples": [3], "timeDeltas": [1]})).contains("no node 3"));
        assert!(told(json!({"nodes": [node(1, &[])], "samples": [1], "timeDeltas": []})).contains("1 samples and 0"));
        assert!(told(json!({"nodes": [node(1, &[2]), node(2, &[1])]})).contains("below itself"));
        assert_eq!(read(&json!({"nodes": []})).unwrap().active_samples(), 0);
    }

    proptest::proptest! {
        #[test]
        fn what_this_crate_writes_comes_back(profile in crate::encode::tests::any_profile()) {
            let read = decode(cpuprofile::encode(&profile)).expect("it is read");
            let times = |profile: &Profile| {
                let mut times: Vec<_> = profile
                    .hottest(usize::MAX)
                    .iter()
                    .filter(|spot| spot.self_us > 0)
                    .map(|spot| (spot.frame.function.to_string(), spot.self_us))
                    .collect();
                times.sort();
                times
            };
            // Frames that differ only in what the format does not have are one.
            let sum = |times: Vec<(String, u64)>| times.iter().map(|(_, us)| us).sum::<u64>();
            // In the file the last sample lasts until the end.
            let last = profile.samples().last().filter(|last| !profile.is_idle(last.stack));
            let rest_us = last.map_or(0, |last| (profile.end() - last.time) as u64);
            proptest::prop_assert_eq!(sum(times(&read)), sum(times(&profile)) + rest_us);
            let lines = |profile: &Profile| {
                let mut lines = std::collections::BTreeMap::new();
                for total in profile.line_totals() {
                    *lines.entry(total.line).or_insert(0) += total.samples;
                }
                lines
            };
            proptest::prop_assert_eq!(lines(&read), lines(&profile));
        }
    }
}
