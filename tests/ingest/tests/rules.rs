//! Each rule refuses the chunk that breaks it and nothing else.

use std::collections::HashSet;

use sentry_profiler_ingest::{ChunkSummary, Rule, Violation, validate_chunk};
use serde_json::{Value, json};

const START: f64 = 1_700_000_000.000_123;

/// A valid chunk: a fifth of a second of `hot`, called by `main`, then idle samples.
fn chunk() -> Value {
    let sample = |index: usize| {
        let stack_id = if index == 20 { 2 } else { usize::from(index > 10) };
        json!({"timestamp": START + index as f64 * 0.01, "stack_id": stack_id, "thread_id": "0"})
    };
    json!({
        "chunk_id": "0123456789abcdef0123456789abcdef",
        "profiler_id": "fedcba9876543210fedcba9876543210",
        "client_sdk": {"name": "sentry.javascript.node", "version": "11.1.0"},
        "platform": "node",
        "version": "2",
        "release": "shop@1.0.0",
        "environment": "production",
        "debug_meta": {"images": [
            {"type": "sourcemap", "code_file": "/app/main.mjs", "debug_id": "6e9e8b40-21c1-4f6c-9e9c-7c6f2b7d0a11"}
        ]},
        "measurements": {
            "cpu_usage": {"unit": "percent", "values": [{"timestamp": START, "value": 99.5}]},
            "memory_footprint": {"unit": "byte", "values": [{"timestamp": START + 0.2, "value": 4_000_000}]}
        },
        "profile": {
            "samples": (0..=20).map(sample).collect::<Vec<_>>(),
            "stacks": [[0, 1], [2, 0, 0, 1], []],
            "frames": [
                {"function": "hot", "module": "app:main", "filename": "/app/main.mjs", "abs_path": "/app/main.mjs",
                 "lineno": 3, "colno": 14, "in_app": true},
                {"function": "main", "filename": "/app/main.mjs", "abs_path": "/app/main.mjs"},
                {"function": "readFileSync", "module": "node:fs", "abs_path": "node:fs", "lineno": 440},
                {"function": "(idle)", "in_app": false}
            ],
            "thread_metadata": {"0": {"name": "main"}}
        }
    })
}

fn header() -> Value {
    json!({"type": "profile_chunk", "platform": "node"})
}

fn validate(header: &Value, chunk: &Value) -> Result<ChunkSummary, Vec<Violation>> {
    validate_chunk(header, &serde_json::to_vec(chunk).expect("JSON"))
}

/// The value at a JSON pointer, created if only its parent exists.
fn at<'a>(chunk: &'a mut Value, pointer: &str) -> &'a mut Value {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = chunk.pointer_mut(parent).unwrap_or_else(|| panic!("nothing at {parent}"));
    match key.parse::<usize>() {
        Ok(index) if parent.is_array() => &mut parent[index],
        _ => &mut parent[key],
    }
}

fn remove(chunk: &mut Value, pointer: &str) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = chunk.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
    parent.remove(key).unwrap_or_else(|| panic!("nothing at {pointer}"));
}

fn each_sample(chunk: &mut Value, change: impl Fn(usize, &mut Value)) {
    let samples = chunk["profile"]["samples"].as_array_mut().expect("samples");
    samples.iter_mut().enumerate().for_each(|(index, sample)| change(index, sample));
}

/// Asserts that this rule is broken and no other.
fn assert_refused(rule: Rule, case: &str, header: &Value, payload: &[u8]) {
    let violations = validate_chunk(header, payload).expect_err(case);
    let rules: HashSet<Rule> = violations.iter().map(|violation| violation.rule).collect();
    assert_eq!(rules, HashSet::from([rule]), "{case}: {violations:?}");
}

#[test]
fn a_good_chunk_is_valid_and_summed_up() {
    let summary = validate(&header(), &chunk()).expect("valid");
    assert_eq!((summary.samples, summary.idle, summary.stacks, summary.frames), (21, 1, 3, 4));
    assert_eq!(summary.chunk_id, "0123456789abcdef0123456789abcdef");
    assert_eq!(summary.start, START);
    assert!((summary.end - START - 0.2).abs() < 1e-6);
    let thread = &summary.threads["0"];
    assert_eq!((&*thread.name, thread.samples, thread.idle), ("main", 21, 1));
    let hottest: Vec<_> = summary
        .hottest
        .iter()
        .map(|hot| (&*hot.function, hot.in_app, hot.self_ms.round(), hot.total_ms.round()))
        .collect();
    // `hot` calls itself below `readFileSync`: once in the total.
    let expected = [("hot", true, 110.0, 200.0), ("readFileSync", false, 90.0, 90.0), ("main", true, 0.0, 200.0)];
    assert_eq!(hottest, expected);
    assert_eq!(summary.warnings, ["1 frames in no stack"]);
}

#[test]
fn every_optional_part_may_be_missing() {
    let mut chunk = chunk();
    for pointer in ["/release", "/environment", "/debug_meta", "/measurements"] {
        remove(&mut chunk, pointer);
    }
    validate(&header(), &chunk).expect("valid");
}

/// A rule, a place in the chunk, and a value that breaks the rule there.
fn broken_values() -> Vec<(Rule, &'static str, Value)> {
    vec![
        (Rule::Empty, "/chunk_id", json!("")),
        (Rule::Empty, "/platform", json!("")),
        (Rule::Empty, "/release", json!("")),
        (Rule::Empty, "/environment", json!("")),
        (Rule::Empty, "/client_sdk/name", json!("")),
        (Rule::Empty, "/profile/frames/0/function", json!("")),
        (Rule::Empty, "/profile/frames/0/module", json!("")),
        (Rule::Empty, "/profile/thread_metadata/0/name", json!("")),
        (Rule::Empty, "/debug_meta/images/0/debug_id", json!("")),
        (Rule::Type, "/chunk_id", json!(7)),
        (Rule::Type, "/version", json!(2)),
        (Rule::Type, "/client_sdk", json!("sentry.javascript.node")),
        (Rule::Type, "/release", json!(null)),
        (Rule::Type, "/environment", json!(1)),
        (Rule::Type, "/debug_meta", json!([])),
        (Rule::Type, "/debug_meta/images/0", json!("a")),
        (Rule::Type, "/measurements", json!([])),
        (Rule::Type, "/measurements/cpu_usage", json!([])),
        (Rule::Type, "/measurements/cpu_usage/values/0", json!(1)),
        (Rule::Type, "/measurements/cpu_usage/values/0/value", json!("1")),
        (Rule::Type, "/measurements/cpu_usage/values/0/timestamp", json!("1")),
        (Rule::Type, "/profile/frames/3", json!("a")),
        (Rule::Type, "/profile/frames/1/in_app", json!(1)),
        (Rule::Type, "/profile/frames/0/function", json!(1)),
        (Rule::Type, "/profile/stacks/1/0", json!(-1)),
        (Rule::Type, "/profile/stacks/1/0", json!(0.5)),
        (Rule::Type, "/profile/stacks/0", json!(0)),
        (Rule::Type, "/profile/samples/0", json!(0)),
        (Rule::Type, "/profile/samples/0/timestamp", json!("1700000000")),
        (Rule::Type, "/profile/samples/0/timestamp", json!(null)),
        (Rule::Type, "/profile/samples/0/stack_id", json!(-1)),
        (Rule::Type, "/profile/samples/0/stack_id", json!(1.5)),
        (Rule::Type, "/profile/samples/0/thread_id", json!(0)),
        (Rule::Type, "/profile/thread_metadata/0", json!("main")),
        (Rule::Id, "/chunk_id", json!("0123456789ABCDEF0123456789abcdef")),
        (Rule::Id, "/chunk_id", json!("01234567-89ab-cdef-0123-456789abcdef")),
        (Rule::Id, "/profiler_id", json!("0123456789abcdef")),
        (Rule::Version, "/version", json!("1")),
        (Rule::Platform, "/platform", json!("javascript")),
        (Rule::StackRange, "/profile/samples/0/stack_id", json!(3)),
        (Rule::FrameRange, "/profile/stacks/0/1", json!(4)),
        (Rule::Position, "/profile/frames/0/lineno", json!(-1)),
        (Rule::Position, "/profile/frames/0/lineno", json!(0)),
        (Rule::Position, "/profile/frames/0/lineno", json!(1.5)),
        (Rule::Position, "/profile/frames/0/colno", json!(4_294_967_296_u64)),
        (Rule::Position, "/profile/frames/0/colno", json!("1")),
        (Rule::InApp, "/profile/frames/3/in_app", json!(true)),
        (Rule::InApp, "/profile/frames/2/in_app", json!(true)),
        (Rule::FileUrl, "/profile/frames/1/filename", json!("file:///app/main.mjs")),
        (Rule::FileUrl, "/profile/frames/1/abs_path", json!("file:///app/main.mjs")),
        (Rule::FileUrl, "/profile/frames/1/module", json!("file:...app:main.mjs")),
        (Rule::Module, "/profile/frames/2/module", json!("fs")),
        (Rule::ImageType, "/debug_meta/images/0/type", json!("elf")),
        (Rule::CodeFile, "/debug_meta/images/0/code_file", json!("file:///app/main.mjs")),
        (Rule::Unit, "/measurements/cpu_usage/unit", json!("ratio")),
        (Rule::Unit, "/measurements/memory_footprint/unit", json!("megabyte")),
        (Rule::Value, "/measurements/cpu_usage/values/0/value", json!(100.1)),
        (Rule::Value, "/measurements/cpu_usage/values/0/value", json!(-1)),
        (Rule::Value, "/measurements/memory_footprint/values/0/value", json!(-1)),
        (Rule::MeasurementTime, "/measurements/cpu_usage/values/0/timestamp", json!(START - 1.1)),
        (Rule::MeasurementTime, "/measurements/cpu_usage/values/0/timestamp", json!(START + 1.3)),
        (Rule::MeasurementTime, "/measurements/cpu_usage/values/0/timestamp", json!(START * 1e3)),
        (Rule::ThreadMetadata, "/profile/thread_metadata", json!({})),
    ]
}

const REQUIRED: [&str; 23] = [
    "/chunk_id",
    "/profiler_id",
    "/client_sdk",
    "/client_sdk/name",
    "/client_sdk/version",
    "/platform",
    "/version",
    "/profile",
    "/profile/samples",
    "/profile/stacks",
    "/profile/frames",
    "/profile/samples/3/timestamp",
    "/profile/samples/3/stack_id",
    "/profile/samples/3/thread_id",
    "/profile/thread_metadata/0/name",
    "/debug_meta/images",
    "/debug_meta/images/0/type",
    "/debug_meta/images/0/code_file",
    "/debug_meta/images/0/debug_id",
    "/measurements/cpu_usage/unit",
    "/measurements/cpu_usage/values",
    "/measurements/cpu_usage/values/0/value",
    "/measurements/cpu_usage/values/0/timestamp",
];

/// A rule, its name, and a change of more than one value that breaks it.
type Change = (Rule, &'static str, fn(&mut Value));

const BROKEN_CHUNKS: [Change; 12] = [
    (Rule::NoSamples, "no sample", |chunk| chunk["profile"]["samples"] = json!([])),
    (Rule::NoSamples, "one active sample", |chunk| {
        each_sample(chunk, |index, sample| sample["stack_id"] = json!(if index == 0 { 0 } else { 2 }));
    }),
    (Rule::NoSamples, "one active sample in each thread", |chunk| {
        chunk["profile"]["samples"].as_array_mut().expect("samples").truncate(2);
        chunk["profile"]["samples"][1]["thread_id"] = json!("1");
        chunk["profile"]["thread_metadata"]["1"] = json!({"name": "worker"});
        remove(chunk, "/measurements");
    }),
    (Rule::Duration, "66.1 s, closed by idle samples", |chunk| {
        chunk["profile"]["samples"][0]["stack_id"] = json!(2);
        each_sample(chunk, |index, sample| {
            if index > 0 {
                sample["timestamp"] = json!(START + 66.0 + index as f64 * 0.01);
            }
        });
    }),
    (Rule::Time, "milliseconds", |chunk| {
        remove(chunk, "/measurements");
        each_sample(chunk, |index, sample| sample["timestamp"] = json!((START + index as f64 * 1e-4) * 1e3));
    }),
    (Rule::Time, "time since boot", |chunk| {
        remove(chunk, "/measurements");
        each_sample(chunk, |index, sample| sample["timestamp"] = json!(12_345.000_1 + index as f64 * 0.01));
    }),
    (Rule::Precision, "whole milliseconds", |chunk| {
        each_sample(chunk, |index, sample| {
            sample["timestamp"] = json!((START * 1e3).floor() / 1e3 + index as f64 * 0.01);
        });
    }),
    (Rule::Gap, "a pause after an active sample", |chunk| {
        each_sample(chunk, |index, sample| {
            if index > 10 {
                sample["timestamp"] = json!(START + 1.1 + index as f64 * 0.01);
            }
        });
    }),
    (Rule::Order, "root first", |chunk| {
        chunk["profile"]["frames"][3] = json!({"function": "(root)", "in_app": false});
        chunk["profile"]["stacks"][0] = json!([3, 1, 0]);
    }),
    (Rule::Nameless, "only a module", |chunk| {
        chunk["profile"]["frames"][3] = json!({"module": "a", "in_app": false});
    }),
    (Rule::InApp, "a dependency", |chunk| {
        let path = "/app/node_modules/a/index.js";
        chunk["profile"]["frames"][3] = json!({"function": "a", "abs_path": path, "in_app": true});
    }),
    (Rule::InApp, "WebAssembly", |chunk| {
        let path = "wasm://wasm/00034eea";
        chunk["profile"]["frames"][3] = json!({"function": "a", "abs_path": path, "in_app": true});
    }),
];

#[test]
fn each_rule_refuses_what_breaks_it() {
    let mut tested = HashSet::new();
    let mut refuse = |rule: Rule, case: &str, header: &Value, payload: &[u8]| {
        assert_refused(rule, case, header, payload);
        tested.insert(rule);
    };
    for (rule, pointer, value) in broken_values() {
        let mut chunk = chunk();
        *at(&mut chunk, pointer) = value.clone();
        refuse(rule, &format!("{pointer} = {value}"), &header(), chunk.to_string().as_bytes());
    }
    for (rule, case, change) in BROKEN_CHUNKS {
        let mut chunk = chunk();
        change(&mut chunk);
        refuse(rule, case, &header(), chunk.to_string().as_bytes());
    }
    let good = chunk().to_string();
    refuse(Rule::Json, "cut off", &header(), &good.as_bytes()[..good.len() - 1]);
    refuse(Rule::Json, "an array", &header(), b"[]");
    refuse(Rule::Json, "infinite", &header(), good.replace("4000000", "1e999").as_bytes());
    refuse(Rule::Json, "not UTF-8", &header(), &[b"{\"a\":\"", &b"\xff\"}"[..]].concat());
    let mut large = chunk();
    large["release"] = json!("x".repeat(10 << 20));
    refuse(Rule::Size, "large", &header(), large.to_string().as_bytes());
    for (rule, header) in [
        (Rule::Header, json!({"type": "profile", "platform": "node"})),
        (Rule::Header, json!({"type": "profile_chunk", "platform": "node", "length": good.len() + 1})),
        (Rule::Platform, json!({"type": "profile_chunk"})),
    ] {
        refuse(rule, &header.to_string(), &header, good.as_bytes());
    }
    for pointer in REQUIRED {
        let mut chunk = chunk();
        remove(&mut chunk, pointer);
        // A missing profile also breaks other rules, so only check that the field is reported.
        let violations = validate(&header(), &chunk).expect_err(pointer);
        let name = pointer.rsplit('/').next().expect("a name");
        assert!(
            violations.iter().any(|broken| broken.rule == Rule::Missing && broken.at.ends_with(name)),
            "{pointer}: {violations:?}"
        );
        tested.insert(Rule::Missing);
    }
    let untested: Vec<_> = Rule::ALL.iter().filter(|rule| !tested.contains(rule)).collect();
    assert!(untested.is_empty(), "{untested:?}");
}

#[test]
fn a_pause_may_follow_idle_samples_and_idle_frames() {
    for stack in [2, 3] {
        let mut chunk = chunk();
        chunk["profile"]["stacks"] = json!([[0, 1], [2, 0, 0, 1], [], [3]]);
        each_sample(&mut chunk, |index, sample| {
            if index == 10 {
                sample["stack_id"] = json!(stack);
            } else if index > 10 {
                sample["timestamp"] = json!(START + 9.0 + index as f64 * 0.01);
            }
        });
        let summary = validate(&header(), &chunk).expect("valid");
        let hot = summary.hottest.iter().find(|hot| hot.function == "hot").expect("hot");
        assert!(hot.total_ms < 201.0, "{hot:?}");
    }
}

#[test]
fn threads_are_judged_and_weighed_apart() {
    let mut chunk = chunk();
    each_sample(&mut chunk, |index, sample| sample["thread_id"] = json!((index % 2).to_string()));
    chunk["profile"]["thread_metadata"]["1"] = json!({"name": "worker"});
    let summary = validate(&header(), &chunk).expect("valid");
    assert_eq!(summary.threads.values().map(|thread| thread.samples).collect::<Vec<_>>(), [11, 10]);
    let readers: Vec<_> = summary.hottest.iter().filter(|hot| hot.function == "readFileSync").collect();
    // Samples 12 to 20 in one thread; 11 to 19 in the other, where the last has no duration.
    assert_eq!(readers[0].self_ms.round(), 160.0);
}

#[test]
fn wasted_bytes_are_valid_with_a_warning() {
    type Wasteful = (&'static str, fn(&mut Value));
    let cases: [Wasteful; 7] = [
        ("samples are not in time order", |chunk| {
            chunk["profile"]["samples"].as_array_mut().expect("samples").swap(3, 4);
        }),
        ("threads with one sample, which is dropped: {\"1\"}", |chunk| {
            chunk["profile"]["samples"][3]["thread_id"] = json!("1");
            chunk["profile"]["thread_metadata"]["1"] = json!({"name": "worker"});
        }),
        ("metadata of thread \"1\", which has no sample", |chunk| {
            chunk["profile"]["thread_metadata"]["1"] = json!({"name": "worker"});
        }),
        ("1 stacks without a sample", |chunk| {
            chunk["profile"]["stacks"].as_array_mut().expect("stacks").push(json!([1]));
        }),
        ("1 duplicate stacks", |chunk| {
            chunk["profile"]["stacks"].as_array_mut().expect("stacks").push(json!([0, 1]));
        }),
        ("1 duplicate frames", |chunk| {
            let frame = chunk["profile"]["frames"][0].clone();
            chunk["profile"]["frames"].as_array_mut().expect("frames").push(frame);
        }),
        ("cpu_usage has no values", |chunk| chunk["measurements"]["cpu_usage"]["values"] = json!([])),
    ];
    for (warning, change) in cases {
        let mut chunk = chunk();
        change(&mut chunk);
        let summary = validate(&header(), &chunk).expect(warning);
        assert!(summary.warnings.iter().any(|given| given == warning), "{warning}: {:?}", summary.warnings);
    }
}

#[test]
fn a_rule_broken_often_is_listed_a_few_times() {
    let mut chunk = chunk();
    each_sample(&mut chunk, |_, sample| sample["stack_id"] = json!(9));
    let violations = validate(&header(), &chunk).expect_err("broken");
    let lines: Vec<_> = violations.iter().map(Violation::to_string).collect();
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[0], "stack-range: profile.samples[0].stack_id: 9 of 3 stacks");
    assert_eq!(lines[5], "stack-range: payload: 16 more");
}
