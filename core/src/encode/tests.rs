//! Tests of every encoder: snapshots of a small handmade profile, properties of arbitrary ones.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use sentry_profiler_ingest::{ChunkSummary, parse_envelope, validate_chunk};
use serde_json::{Value, json};

use super::{Format, RawOptions, cpuprofile, encode, folded, sample_v1, sample_v2};
use crate::profile::{in_app, plain_path};
use crate::sentry::envelope::{EnvelopeHeader, envelope};
use crate::sentry::{Metadata, Thread};
use crate::time::Unix;
use crate::{Frame, FrameId, FrameKind, Point, Profile, ProfileBuilder, StackId};

pub(super) const START: Unix = Unix::from_us(1_700_000_000_000_123);

pub(super) fn frame(function: &str, file: &str, line: u32, column: u32, kind: FrameKind) -> Frame {
    // A frame without a file is compiled code, which has lines, or not the user's.
    let in_app = in_app(kind, function, file, Some(line > 0));
    Frame { function: function.into(), file: file.into(), line, column, kind, in_app }
}

/// A main function that reads a file twice, idle in between. One stack and one frame are not sampled.
pub(super) fn small() -> Profile {
    let mut builder = ProfileBuilder::new();
    let main = builder.frame(&frame("main", "/srv/shop app/main.mjs", 3, 14, FrameKind::Script));
    builder.frame(&frame("never", "/srv/never.js", 1, 1, FrameKind::Script));
    let query = builder.frame(&frame("", "/srv/node_modules/@acme/db/index.js", 0, 0, FrameKind::Script));
    let read = builder.frame(&frame("readFileSync", "node:fs", 440, 22, FrameKind::Script));
    let write = builder.frame(&frame("writeString", "", 0, 0, FrameKind::Callback));
    let collector = builder.frame(&frame("(garbage collector)", "", 0, 0, FrameKind::Internal));
    let main = builder.stack(None, main);
    let query = builder.stack(Some(main), query);
    builder.stack(Some(query), write);
    let read = builder.stack(Some(query), read);
    let collector = builder.stack(None, collector);
    for (after_us, stack) in [
        (1_000, Some((main, 5))),
        (11_101, Some((read, 447))),
        (21_202, None),
        (2_000_000, Some((read, 442))),
        (2_010_101, Some((collector, 0))),
        (2_020_000, None),
    ] {
        match stack {
            Some((stack, line)) => builder.sample_in_line(START + after_us, stack, line),
            None => builder.sample(START + after_us, None),
        }
    }
    builder.measurements_mut().cpu_usage =
        vec![Point { time: START + 100_000, value: 12.5 }, Point { time: START + 200_000, value: f64::NAN }];
    builder.measurements_mut().memory_footprint = vec![Point { time: START + 100_000, value: 4_194_304.0 }];
    builder.finish(START, START + 2_020_000, 10_101)
}

fn meta() -> Metadata {
    Metadata {
        chunk_id: "0123456789abcdef0123456789abcdef".parse().expect("an id"),
        profiler_id: "fedcba9876543210fedcba9876543210".parse().expect("an id"),
        platform: "node".to_owned(),
        sdk_name: "sentry.javascript.node".to_owned(),
        sdk_version: "11.1.0".to_owned(),
        release: Some("shop@1.0.0".to_owned()),
        environment: Some("production".to_owned()),
        thread: Thread::default(),
        debug_ids: Arc::new(
            ["/srv/shop app/main.mjs", "/srv/never.js"]
                .map(|file| (file.to_owned(), "6e9e8b40-21c1-4f6c-9e9c-7c6f2b7d0a11".to_owned()))
                .into(),
        ),
        logging_mode: "eager",
    }
}

const OPTIONS: RawOptions<'_> = RawOptions { thread_id: "7", collect_resources: true, logging_mode: "eager" };

fn parse(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("JSON")
}

fn validate(payload: &[u8]) -> ChunkSummary {
    validate_chunk(&json!({"type": "profile_chunk", "platform": "node"}), payload).expect("a valid chunk")
}

mod snapshots {
    use super::*;

    #[test]
    fn chunk() {
        let payload = sample_v2::chunk(&small(), &meta());
        assert_eq!(validate(&payload).warnings, [""; 0]);
        insta::assert_json_snapshot!(parse(&payload));
    }

    #[test]
    fn raw_v2() {
        insta::assert_json_snapshot!(parse(&sample_v2::raw(&small(), OPTIONS)));
    }

    #[test]
    fn raw_v1() {
        insta::assert_json_snapshot!(parse(&sample_v1::raw(&small(), OPTIONS)));
    }

    #[test]
    fn cpuprofile() {
        insta::assert_json_snapshot!(parse(&cpuprofile::encode(&small())));
    }

    #[test]
    fn folded() {
        insta::assert_snapshot!(String::from_utf8(folded::encode(&small())).expect("text"));
    }

    #[cfg(feature = "pprof")]
    #[test]
    fn pprof() {
        insta::assert_debug_snapshot!(decode_pprof(&super::super::pprof::encode(&small())));
    }

    #[test]
    fn flamegraph() {
        let svg = String::from_utf8(super::super::flamegraph::encode(&small())).expect("text");
        // Style and script are the same in every picture.
        let own = svg.split_once("</style>").and_then(|(_, rest)| rest.split_once("<script>"));
        insta::assert_snapshot!(own.expect("a style and a script").0);
    }

    #[test]
    fn envelope_with_and_without_dsn() {
        let header = EnvelopeHeader {
            event_id: "00000000000000000000000000000001",
            sent_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
            sdk_name: "sentry.native.v8",
            sdk_version: "0.1.0",
            dsn: None,
        };
        let with_dsn = EnvelopeHeader { dsn: Some("https://public@sentry.example/1"), ..header };
        let text = [header, with_dsn]
            .map(|header| String::from_utf8(envelope(&header, "node", b"{\"version\":\"2\"}")).expect("text"));
        insta::assert_snapshot!(text.concat());
    }
}

#[test]
fn a_format_is_what_its_file_writes() {
    let (profile, metadata) = (small(), meta());
    for (number, format) in Format::ALL.iter().enumerate() {
        assert_eq!(Format::of_number(*format as u32), Some(*format));
        assert!(!encode(&profile, *format, &metadata).is_empty(), "{number}");
    }
    assert_eq!(Format::of_number(u32::MAX), None);
    assert_eq!(encode(&profile, Format::SampleV2, &metadata), sample_v2::chunk(&profile, &metadata));
    assert_eq!(encode(&profile, Format::Cpuprofile, &metadata), cpuprofile::encode(&profile));
    assert_eq!(encode(&profile, Format::Folded, &metadata), folded::encode(&profile));
    let read = parse_envelope(&encode(&profile, Format::Envelope, &metadata)).expect("an envelope");
    assert_eq!(read.items[0].payload, sample_v2::chunk(&profile, &metadata));
    let v1 = parse(&encode(&profile, Format::SampleV1, &metadata));
    assert_eq!(v1["samples"][0]["thread_id"], "0");
    assert_eq!(v1["resources"], json!([]));
    assert_eq!(v1["profiler_logging_mode"], "eager");
}

#[test]
fn what_is_unset_is_left_out() {
    let bare = Metadata { release: None, environment: Some(String::new()), debug_ids: Arc::default(), ..meta() };
    let mut builder = ProfileBuilder::new();
    let main = builder.frame(&frame("main", "/srv/main.js", 1, 1, FrameKind::Script));
    let main = builder.stack(None, main);
    builder.sample(START, Some(main));
    builder.sample(START + 10_000, Some(main));
    let profile = builder.finish(START, START + 20_000, 10_000);
    let payload = sample_v2::chunk(&profile, &bare);
    validate(&payload);
    let keys: HashSet<String> = parse(&payload).as_object().expect("an object").keys().cloned().collect();
    let expected = ["chunk_id", "profiler_id", "client_sdk", "platform", "version", "profile"];
    assert_eq!(keys, expected.map(str::to_owned).into());
    let raw = sample_v2::raw(&profile, RawOptions { collect_resources: false, ..OPTIONS });
    assert_eq!(parse(&raw)["resources"], json!([]));
    assert_eq!(parse(&raw)["measurements"], json!({}));
}

#[test]
fn an_empty_profile_can_be_encoded() {
    let profile = ProfileBuilder::new().finish(START, START, 10_101);
    let raw = parse(&sample_v2::raw(&profile, OPTIONS));
    assert_eq!((&raw["samples"], &raw["stacks"], &raw["frames"]), (&json!([]), &json!([]), &json!([])));
    assert_eq!(parse(&sample_v1::raw(&profile, OPTIONS))["samples"], json!([]));
    assert_eq!(parse(&cpuprofile::encode(&profile))["nodes"].as_array().map(Vec::len), Some(2));
    assert!(folded::encode(&profile).is_empty());
    #[cfg(feature = "pprof")]
    assert!(decode_pprof(&super::pprof::encode(&profile)).sample.is_empty());
    assert!(String::from_utf8(super::flamegraph::encode(&profile)).expect("text").trim_end().ends_with("</svg>"));
}

#[test]
fn v8s_idle_state_and_idle_samples_are_one_node() {
    let mut builder = ProfileBuilder::new();
    let idle = builder.frame(&frame("(idle)", "", 0, 0, FrameKind::Internal));
    let idle = builder.stack(None, idle);
    builder.sample(START, Some(idle));
    builder.sample(START + 10_000, None);
    let profile = builder.finish(START, START + 20_000, 10_000);
    let document = parse(&cpuprofile::encode(&profile));
    assert_eq!(document["nodes"].as_array().map(Vec::len), Some(2));
    assert_eq!(document["nodes"][1]["hitCount"], 2);
    assert_eq!(document["samples"], json!([2, 2]));
    assert!(folded::encode(&profile).is_empty());
}

/// A very deep program's minute, the shape on which peers send 18 MB.
#[test]
fn a_deep_chunk_stays_small() {
    let mut builder = ProfileBuilder::new();
    let functions: Vec<FrameId> = (0..1000)
        .map(|n| {
            let file = format!("/srv/app/src/components/module{}.js", n % 50);
            builder.frame(&frame(&format!("renderComponent{n}"), &file, n + 1, 17, FrameKind::Script))
        })
        .collect();
    let stacks: Vec<StackId> = (0..2000_usize)
        .map(|path| {
            let depth = 100 + path % 21;
            let call = |parent, level: usize| Some(builder.stack(parent, functions[(path * 31 + level * 7) % 1000]));
            (0..depth).fold(None, call).expect("a depth")
        })
        .collect();
    for n in 0..5_800 {
        builder.sample(START + n as i64 * 10_101, Some(stacks[n % stacks.len()]));
    }
    let payload = sample_v2::chunk(&builder.finish(START, START + 60_000_000, 10_101), &meta());
    assert_eq!(validate(&payload).stacks, 2000);
    // An eighth of what the peer sends for it.
    assert!(payload.len() < 18_200_000 / 8, "{} bytes", payload.len());
}

#[cfg(feature = "pprof")]
fn decode_pprof(gzipped: &[u8]) -> super::pprof::proto::Profile {
    use prost::Message;
    use std::io::Read;

    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(gzipped).read_to_end(&mut bytes).expect("gzip");
    super::pprof::proto::Profile::decode(&*bytes).expect("a profile")
}

/// Names that programs have, and unusual ones.
fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z_.$ ]{0,12}",
        1 => "\\PC{0,8}",
        1 => any::<String>(),
        1 => Just("\"\\\u{0}\n\r\t;\u{7f}\u{2028}</svg>&".to_owned()),
        1 => Just("é漢𝒳".repeat(200)),
        // Followed by a space, a comment in folded stacks.
        1 => Just("#".to_owned()),
    ]
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let file = prop_oneof![
        1 => Just(String::new()),
        4 => any_name().prop_map(|name| format!("/srv/{name}.js")),
        1 => any_name().prop_map(|name| format!("/srv/node_modules/{name}")),
        1 => "node:[a-z]{1,6}",
        1 => any_name(),
    ];
    let kind = prop_oneof![
        4 => Just(FrameKind::Script),
        1 => Just(FrameKind::Builtin),
        1 => Just(FrameKind::Callback),
        1 => Just(FrameKind::Unresolved),
    ];
    let position = || prop_oneof![Just(0), Just(1), Just(u32::MAX), any::<u32>()];
    let code = (any_name(), file, position(), position(), kind).prop_map(|(function, file, line, column, kind)| {
        // A profile's files are plain.
        frame(&function, plain_path(&file).trim_start_matches("file:"), line, column, kind)
    });
    let state = prop_oneof![Just("(program)"), Just("(garbage collector)"), Just("(idle)")]
        .prop_map(|name| frame(name, "", 0, 0, FrameKind::Internal));
    prop_oneof![8 => code, 1 => state]
}

/// Up to a minute of samples at most a second apart, in any order of arrival.
pub(crate) fn any_profile() -> impl Strategy<Value = Profile> {
    let frames = prop::collection::vec(any_frame(), 1..12);
    let stacks =
        prop::collection::vec((any::<prop::sample::Index>(), prop::option::of(any::<prop::sample::Index>())), 1..40);
    let samples = prop::collection::vec(
        (0..1_000_000_i64, prop::option::weighted(0.8, any::<prop::sample::Index>()), 0..4_u32),
        0..60,
    );
    let value = || prop_oneof![8 => 0.0..=100.0, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => Just(0.0)];
    let readings = prop::collection::vec((any::<prop::sample::Index>(), value(), value()), 0..8);
    (frames, stacks, samples, readings).prop_map(|(mut frames, stacks, samples, readings)| {
        let mut builder = ProfileBuilder::new();
        // In V8 one function at one place is of one kind.
        let mut places = HashSet::new();
        frames.retain(|frame| {
            let name = if frame.function.is_empty() { "<anonymous>" } else { &frame.function };
            places.insert((name.to_owned(), frame.file.clone(), frame.line, frame.column))
        });
        let frames: Vec<(FrameId, bool)> = frames.iter().map(|frame| (builder.frame(frame), frame.is_idle())).collect();
        let mut stack_ids: Vec<StackId> = Vec::new();
        let mut callers: Vec<StackId> = Vec::new();
        for (frame, parent) in stacks {
            let (frame, is_idle) = *frame.get(&frames);
            // The idle state neither calls nor is called.
            let parent = parent.filter(|_| !callers.is_empty() && !is_idle).map(|parent| *parent.get(&callers));
            let stack = builder.stack(parent, frame);
            stack_ids.push(stack);
            callers.extend((!is_idle).then_some(stack));
        }
        let mut time = START;
        let mut timed: Vec<_> = samples
            .into_iter()
            .map(|(delta, stack, line)| {
                time = time + delta;
                (time, stack.map(|stack| *stack.get(&stack_ids)), line)
            })
            .collect();
        if !timed.is_empty() {
            for (at, cpu, memory) in readings {
                let time = at.get(&timed).0;
                builder.measurements_mut().cpu_usage.push(Point { time, value: cpu });
                builder.measurements_mut().memory_footprint.push(Point { time, value: memory * 1e7 });
            }
        }
        timed.reverse();
        for (time, stack, line) in timed {
            match stack {
                Some(stack) => builder.sample_in_line(time, stack, line),
                None => builder.sample(time, None),
            }
        }
        builder.finish(START, time + 10_000, 10_101)
    })
}

fn array<'a>(document: &'a Value, key: &str) -> &'a [Value] {
    document[key].as_array().expect("an array")
}

/// A sample's functions, leaf first, as the profile has them and as a document of samples, stacks and frames says.
fn functions_of(profile: &Profile, stack: Option<StackId>) -> Vec<&str> {
    let frames = stack.into_iter().flat_map(|stack| profile.frames_of(stack));
    frames.map(|frame| &*profile.frames()[frame.index()].function).collect()
}

fn written_functions<'a>(document: &'a Value, sample: &Value) -> Vec<&'a str> {
    let index = |value: &Value| value.as_u64().expect("an index") as usize;
    let stack = array(document, "stacks")[index(&sample["stack_id"])].as_array().expect("a stack");
    stack.iter().map(|frame| array(document, "frames")[index(frame)]["function"].as_str().expect("a name")).collect()
}

/// Asserts that indices are in range, each frame and stack is unique and used, positions are u32 or absent, and the
/// samples are those of the profile.
fn assert_sample_format(profile: &Profile, document: &Value) {
    let (samples, stacks, frames) = (array(document, "samples"), array(document, "stacks"), array(document, "frames"));
    assert_eq!(samples.len(), profile.samples().len());
    for (sample, written) in profile.samples().iter().zip(samples) {
        assert_eq!(functions_of(profile, sample.stack), written_functions(document, written));
    }
    let texts = |values: &[Value]| values.iter().map(Value::to_string).collect::<HashSet<_>>();
    assert_eq!(texts(stacks).len(), stacks.len());
    assert_eq!(texts(frames).len(), frames.len());
    let used: HashSet<u64> = samples.iter().filter_map(|sample| sample["stack_id"].as_u64()).collect();
    assert_eq!(used, (0..stacks.len() as u64).collect());
    let used: HashSet<u64> =
        stacks.iter().flat_map(|s| s.as_array().expect("a stack")).filter_map(Value::as_u64).collect();
    assert_eq!(used, (0..frames.len() as u64).collect());
    for frame in frames {
        assert!(frame["function"].as_str().is_some_and(|name| !name.is_empty()));
        assert!(frame["in_app"].is_boolean());
        assert_eq!(frame.get("abs_path"), frame.get("filename"));
        assert_ne!(frame.get("abs_path"), Some(&json!("")));
        for position in ["lineno", "colno"] {
            let given = frame.get(position);
            assert!(given.is_none_or(|line| line.as_u64().is_some_and(|line| (1..=u32::MAX.into()).contains(&line))));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_chunk_with_two_active_samples_is_valid(profile in any_profile()) {
        let payload = sample_v2::chunk(&profile, &meta());
        let document = parse(&payload);
        assert_sample_format(&profile, &document["profile"]);
        for (sample, written) in profile.samples().iter().zip(array(&document["profile"], "samples")) {
            let seconds = written["timestamp"].as_f64().expect("seconds");
            prop_assert_eq!((seconds * 1e6).round() as i64, sample.time.us());
        }
        let verdict = validate_chunk(&json!({"type": "profile_chunk", "platform": "node"}), &payload);
        if profile.active_samples() >= 2 {
            let summary = verdict.expect("a valid chunk");
            prop_assert_eq!(summary.samples, profile.samples().len());
            prop_assert_eq!(summary.idle, profile.samples().len() - profile.active_samples());
            prop_assert_eq!(summary.warnings, [""; 0]);
        } else {
            verdict.expect_err("too few samples");
        }
    }

    #[test]
    fn raw_profiles_hold_the_samples(profile in any_profile()) {
        let v2 = parse(&sample_v2::raw(&profile, OPTIONS));
        let v1 = parse(&sample_v1::raw(&profile, OPTIONS));
        assert_sample_format(&profile, &v2);
        assert_sample_format(&profile, &v1);
        prop_assert_eq!(&v1["frames"], &v2["frames"]);
        for (sample, written) in profile.samples().iter().zip(array(&v1, "samples")) {
            let nanoseconds: i64 = written["elapsed_since_start_ns"].as_str().expect("a string").parse().expect("a number");
            prop_assert_eq!(nanoseconds, (sample.time - START) * 1000);
            prop_assert_eq!(&written["thread_id"], "7");
        }
        let files: HashSet<&str> = array(&v2, "frames").iter().filter_map(|frame| frame["abs_path"].as_str()).collect();
        let resources: Vec<&str> = array(&v2, "resources").iter().filter_map(Value::as_str).collect();
        prop_assert_eq!(resources.len(), files.len());
        prop_assert_eq!(resources.into_iter().collect::<HashSet<_>>(), files);
    }

    #[test]
    fn an_envelope_holds_its_payload(profile in any_profile(), dsn in prop::option::of(any_name())) {
        let payload = sample_v2::chunk(&profile, &meta());
        let header = EnvelopeHeader {
            event_id: "00000000000000000000000000000001",
            sent_at: SystemTime::UNIX_EPOCH,
            sdk_name: "sentry.native.v8",
            sdk_version: "0.1.0",
            dsn: dsn.as_deref(),
        };
        let read = parse_envelope(&envelope(&header, "node", &payload)).expect("an envelope");
        prop_assert_eq!(read.header["dsn"].as_str(), dsn.as_deref());
        prop_assert_eq!(read.items.len(), 1);
        prop_assert_eq!(&read.items[0].payload, &payload);
        prop_assert_eq!(&read.items[0].header, &json!({"type": "profile_chunk", "platform": "node", "length": payload.len()}));
    }

    #[test]
    fn a_cpuprofile_holds_the_samples(profile in any_profile()) {
        let document = parse(&cpuprofile::encode(&profile));
        let nodes = array(&document, "nodes");
        let mut parents = vec![None; nodes.len() + 1];
        for (index, node) in nodes.iter().enumerate() {
            prop_assert_eq!(&node["id"], index + 1);
            for child in node["children"].as_array().into_iter().flatten() {
                let child = child.as_u64().expect("an id") as usize;
                prop_assert!(parents[child].replace(index + 1).is_none(), "two parents");
            }
        }
        let samples = array(&document, "samples");
        let deltas = array(&document, "timeDeltas");
        prop_assert_eq!(samples.len(), profile.samples().len());
        prop_assert_eq!(deltas.len(), samples.len());
        let mut time_us = document["startTime"].as_i64().expect("a start");
        let mut hits = vec![0; nodes.len() + 1];
        let mut lines = vec![BTreeMap::new(); nodes.len() + 1];
        let mut idle_us = profile.samples().first().map_or(0, |sample| sample.time - profile.start());
        let next = profile.samples().iter().skip(1).map(Some).chain([None]);
        for (((sample, after), node), delta) in profile.samples().iter().zip(next).zip(samples).zip(deltas) {
            time_us += delta.as_i64().expect("a delta");
            prop_assert_eq!(time_us, sample.time.us());
            let node = node.as_u64().expect("an id") as usize;
            if profile.is_idle(sample.stack) {
                idle_us += after.map_or(profile.end(), |after| after.time) - sample.time;
            } else {
                hits[node] += 1;
                if sample.line > 0 {
                    *lines[node].entry(sample.line).or_insert(0) += 1;
                }
            }
            let names = std::iter::successors(Some(node), |&node| parents[node])
                .map(|node| nodes[node - 1]["callFrame"]["functionName"].as_str().expect("a name"));
            let mut expected = functions_of(&profile, sample.stack);
            if profile.is_idle(sample.stack) {
                expected = vec!["(idle)"];
            }
            expected.push("(root)");
            prop_assert_eq!(names.collect::<Vec<_>>(), expected);
        }
        prop_assert!(document["endTime"].as_i64().expect("an end") >= time_us);
        for (node, lines) in nodes.iter().zip(&lines[1..]) {
            let expected: Vec<_> = lines.iter().map(|(line, ticks)| json!({"line": line, "ticks": ticks})).collect();
            let expected = (!expected.is_empty()).then(|| Value::from(expected));
            prop_assert_eq!(node.get("positionTicks"), expected.as_ref());
        }
        for (node, &hits) in nodes.iter().zip(&hits[1..]) {
            if node["id"] == 2 {
                // Readers assume that all hits have the same duration.
                let idle_hits = node["hitCount"].as_f64().expect("a number");
                prop_assert!((idle_hits - idle_us.max(0) as f64 / 10_101.0).abs() <= 0.51, "{idle_hits} of {idle_us} µs");
            } else {
                prop_assert_eq!(&node["hitCount"], hits);
            }
        }
    }

    #[test]
    fn folded_lines_hold_the_samples(profile in any_profile()) {
        let text = String::from_utf8(folded::encode(&profile)).expect("text");
        let mut us = 0;
        let mut totals = profile.stack_totals();
        totals.retain(|total| total.time_us > 0);
        prop_assert_eq!(text.matches('\n').count(), totals.len());
        for (line, total) in text.split('\n').zip(&totals) {
            let (stack, time) = line.rsplit_once(' ').expect("a time");
            prop_assert_eq!(stack.split(';').count(), profile.frames_of(total.stack).count());
            prop_assert!(!stack.trim_start().starts_with("# "), "a comment: {stack}");
            us += time.parse::<u64>().expect("a number");
        }
        prop_assert_eq!(us, profile.hottest(usize::MAX).iter().map(|spot| spot.self_us).sum::<u64>());
    }

    #[cfg(feature = "pprof")]
    #[test]
    fn pprof_holds_the_samples(profile in any_profile()) {
        let decoded = decode_pprof(&super::pprof::encode(&profile));
        let text = |id: i64| &*decoded.string_table[id as usize];
        prop_assert_eq!(text(0), "");
        let (mut samples, mut nanoseconds) = (0, 0);
        let totals = profile.line_totals();
        prop_assert_eq!(decoded.sample.len(), totals.len());
        for (sample, total) in decoded.sample.iter().zip(&totals) {
            samples += sample.value[0];
            nanoseconds += sample.value[1];
            let leaf = decoded.location.iter().find(|location| location.id == sample.location_id[0]).expect("a location");
            let definition = profile.frames_of(total.stack).next().expect("a leaf");
            let definition = profile.frames()[definition.index()].line;
            prop_assert_eq!(leaf.line[0].line, i64::from(if total.line > 0 { total.line } else { definition }));
            let names = sample.location_id.iter().map(|&id| {
                let location = decoded.location.iter().find(|location| location.id == id).expect("a location");
                let function = location.line[0].function_id;
                text(decoded.function.iter().find(|known| known.id == function).expect("a function").name)
            });
            prop_assert_eq!(names.collect::<Vec<_>>(), functions_of(&profile, Some(total.stack)));
        }
        let active: Vec<_> = profile.samples().iter().filter(|sample| !profile.is_idle(sample.stack)).collect();
        prop_assert_eq!(samples as usize, active.len());
        let self_us: u64 = profile.hottest(usize::MAX).iter().map(|spot| spot.self_us).sum();
        prop_assert_eq!(nanoseconds as u64, self_us * 1000);
    }

    #[test]
    fn hot_functions_are_those_the_ingest_finds(profile in any_profile()) {
        prop_assume!(profile.active_samples() >= 2);
        let summary = validate(&sample_v2::chunk(&profile, &meta()));
        let ours = profile.hottest(usize::MAX);
        for theirs in summary.hottest.iter().filter(|theirs| theirs.total_ms > 0.0 && theirs.function != "(idle)") {
            // The ingest cannot distinguish functions on the same line.
            let same = ours.iter().filter(|ours| {
                (&*ours.frame.function, &*ours.frame.file) == (&*theirs.function, &*theirs.file)
                    && u64::from(ours.frame.line) == theirs.line.unwrap_or(0)
            });
            let (self_us, spots) = same.fold((0, 0), |(us, spots), ours| (us + ours.self_us, spots + 1));
            prop_assert!(spots > 0, "{} is missing", theirs.function);
            prop_assert!((theirs.self_ms * 1e3 - self_us as f64).abs() < 100.0, "{self_us} µs, but {theirs:?}");
        }
    }
}
