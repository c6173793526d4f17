use std::collections::BTreeMap;
use std::io::Read;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::DeflateDecoder;
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::*;
use crate::profile::in_app;
use crate::{Frame, FrameKind, ProfileBuilder, StackId};

const START: Unix = Unix::from_us(1_700_000_000_000_123);

fn frame(function: &str, file: &str, kind: FrameKind) -> Frame {
    let in_app = in_app(kind, function, file, Some(false));
    Frame { function: function.into(), file: file.into(), line: 7, column: 9, kind, in_app }
}

/// `</script>` in names and files, idle stretches, merged stacks, readings.
fn profile(choices: &[(u8, u8)]) -> Profile {
    let mut builder = ProfileBuilder::new();
    let frames: Vec<_> = [
        ("main", "/srv/app/main.mjs", FrameKind::Script),
        ("</script><script>broken()</script>", "/srv/app/<!--.mjs", FrameKind::Script),
        ("get", "/srv/app/node_modules/@scope/pack/index.js", FrameKind::Script),
        ("readSync", "node:fs", FrameKind::Script),
        ("read", "", FrameKind::Callback),
        ("(garbage collector)", "", FrameKind::Internal),
        ("(idle)", "", FrameKind::Internal),
    ]
    .into_iter()
    .map(|(function, file, kind)| builder.frame(&frame(function, file, kind)))
    .collect();
    let mut stacks: Vec<Option<StackId>> = vec![None];
    for (at, &(parent, own)) in choices.iter().enumerate() {
        let parent = stacks[usize::from(parent) % stacks.len()];
        let stack = builder.stack(parent, frames[usize::from(own) % frames.len()]);
        stacks.push(Some(stack));
        let time = START + at as i64 * 1_000 + i64::from(own);
        builder.sample(time, (own % 9 > 0).then_some(stack));
        builder.measurements_mut().memory_footprint.push(crate::Point { time, value: f64::from(own) * 1e6 });
    }
    builder.finish(START, START + choices.len() as i64 * 1_000 + 500, 1_000)
}

fn text_of<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = page.split_once(before).unwrap_or_else(|| panic!("no {before}"));
    rest.split_once(after).unwrap_or_else(|| panic!("no {after}")).0
}

fn unpacked(page: &str, id: &str) -> Vec<u8> {
    let packed = BASE64_STANDARD.decode(text_of(page, &format!("id=\"{id}\">"), "<")).expect("base64");
    let mut bytes = vec![];
    DeflateDecoder::new(&packed[..]).read_to_end(&mut bytes).expect("deflated");
    bytes
}

/// What a reader of the first thread makes of a page: the document, and the self time of each function's name.
fn read(page: &[u8]) -> (Value, BTreeMap<String, i64>) {
    let bytes = unpacked(std::str::from_utf8(page).expect("text"), "data");
    let length = u32::from_le_bytes(bytes[..4].try_into().expect("four bytes")) as usize;
    let document: Value = serde_json::from_slice(&bytes[4..4 + length]).expect("JSON");
    let mut rest = bytes[4 + length..].iter();
    let mut number = || {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = rest.next().expect("a number");
            value |= u64::from(byte & 127) << shift;
            if *byte < 128 {
                break;
            }
        }
        value
    };
    let count = |value: &Value| value.as_u64().expect("a number") as usize;
    let mut column = |length| (0..length).map(|_| number()).collect::<Vec<_>>();
    let steps = |column: Vec<u64>| {
        let step = |number: u64| (number >> 1) as i64 ^ -((number & 1) as i64);
        column
            .into_iter()
            .scan(0, move |sum, number| {
                *sum += step(number);
                Some(*sum)
            })
            .collect::<Vec<_>>()
    };
    column(3 * count(&document["files"]));
    let names = column(count(&document["frames"]));
    column(4 * count(&document["frames"]));
    let thread = &document["reports"][0]["processes"][0]["threads"][0];
    column(count(&thread["nodes"]));
    let frames = steps(column(count(&thread["nodes"])));
    let grain = thread["grain"].as_i64().expect("a number");
    let times: Vec<_> = steps(column(count(&thread["samples"]))).iter().map(|time| time * grain).collect();
    let nodes = steps(column(count(&thread["samples"])));
    let mut sums = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate().filter(|(_, node)| **node > 0) {
        let name = &document["strings"][names[frames[*node as usize - 1] as usize] as usize];
        let end = times.get(at + 1).unwrap_or(&times[at]);
        *sums.entry(name.as_str().expect("a name").to_owned()).or_default() += end - times[at];
    }
    sums.retain(|_, time| *time > 0);
    (document, sums)
}

fn hottest(profile: &Profile) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for spot in profile.hottest(usize::MAX).iter().filter(|spot| spot.self_us > 0) {
        *sums.entry(spot.frame.function.to_string()).or_default() += spot.self_us as i64;
    }
    sums
}

proptest! {
    #[test]
    fn a_page_has_the_times_of_its_profile(choices in prop::collection::vec(any::<(u8, u8)>(), 0..80)) {
        let profile = profile(&choices);
        let page = html(&Report::of(&profile));
        prop_assert_eq!(read(&page).1, hottest(&profile));
    }

    #[test]
    fn merged_calls_keep_their_time(choices in prop::collection::vec(any::<(u8, u8)>(), 0..80)) {
        let profile = profile(&choices);
        let page = page::around(&data::of(&[&Report::of(&profile)], data::Detail { least: u32::MAX, rounded: false }));
        let (document, sums) = read(&page);
        prop_assert_eq!(sums.values().sum::<i64>(), hottest(&profile).values().sum::<i64>());
        let thread = &document["reports"][0]["processes"][0]["threads"][0];
        let merged = thread["mergedCalls"].as_u64().expect("a number");
        prop_assert_eq!(merged > 0, sums.contains_key("(smaller calls)") || merged > 0);
        // All but the outermost are merged, so no more than those and one of each kind below them are left.
        prop_assert!(thread["nodes"].as_u64().expect("a number") <= 6 * 6);
    }
}

#[test]
fn a_page_says_what_was_run() {
    let profile = profile(&[(0, 1), (1, 2), (2, 4)]);
    let mut report = Report::new("node a.js", START, START + 5_000);
    report.exit = Some(Exit::Signal("SIGTERM".into()));
    report.unrecorded.push("The last 0.2 s are not recorded.".into());
    let mut worker = Thread::new("worker 1", &profile);
    worker.cpu = Some(Duration::from_millis(3));
    worker.spans.push(Span { name: "GET /".into(), start: START, end: START + 100 });
    report.processes.push(Process::new("node", vec![Thread::new("main", &profile), worker]));
    let (document, _) = read(&html(&report));
    let head = &document["reports"][0];
    assert_eq!((&head["title"], &head["exit"]), (&"node a.js".into(), &"ended by SIGTERM".into()));
    assert_eq!(head["unrecorded"][0], "The last 0.2 s are not recorded.");
    let threads = &head["processes"][0]["threads"];
    assert_eq!((&threads[0]["cpu"], &threads[1]["cpu"]), (&Value::Null, &3_000.into()));
    assert_eq!((&threads[1]["name"], &threads[1]["spans"]), (&"worker 1".into(), &1.into()));
    // A diff has two reports, and what they share once.
    let (diff, _) = read(&html_diff(&report, &report));
    assert_eq!(diff["reports"].as_array().map(Vec::len), Some(2));
    assert_eq!(diff["frames"], document["frames"]);
}

#[test]
fn files_belong_to_packages() {
    let profile = profile(&[(0, 2), (1, 1), (2, 3), (3, 4)]);
    let (document, _) = read(&html(&Report::of(&profile)));
    let strings: Vec<_> = document["strings"].as_array().expect("strings").iter().filter_map(Value::as_str).collect();
    for expected in ["@scope/pack", "node", "/srv/app/<!--.mjs", "/srv/app/node_modules/@scope/pack/index.js"] {
        assert!(strings.contains(&expected), "{expected} is not in {strings:?}");
    }
}

#[test]
fn nothing_of_a_report_is_markup_and_only_our_scripts_run() {
    let profile = profile(&[(0, 1), (1, 2), (2, 1), (3, 1)]);
    let bytes = html(&Report { title: "</title><script>x</script>".into(), ..Report::of(&profile) });
    let page = std::str::from_utf8(&bytes).expect("text");
    assert!(!page.contains("broken()") && !page.contains("<!--") && !page.contains(".mjs") && !page.contains("x</s"));
    let policy = text_of(page, "Content-Security-Policy\" content=\"", "\">");
    let loader = text_of(page, "<script>", "</script>").as_bytes();
    for script in [loader, &unpacked(page, "style"), &unpacked(page, "viewer")] {
        let hash = format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(script)));
        assert!(policy.contains(&hash), "{hash} is not in {policy}");
    }
    assert_eq!(policy.matches("sha256-").count(), 3);
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"));
}

#[test]
fn the_viewer_is_small() {
    let profile = profile(&[]);
    let empty = html(&Report::of(&profile)).len();
    assert!(empty < 50_000, "{empty} bytes");
}

#[test]
fn large_profiles_give_small_pages() {
    // 10,000 stacks, none like another: every one is 20 deep.
    let mut builder = ProfileBuilder::new();
    let frames: Vec<_> = (0..2_000)
        .map(|at| {
            builder.frame(&frame(&format!("function{at}"), &format!("/srv/app/{}.js", at % 50), FrameKind::Script))
        })
        .collect();
    let mut seed = 1_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for at in 0..10_000_i64 {
        let mut stack = None;
        for _ in 0..20 {
            // Some are called often.
            let frame = frames[(random(2_000) * random(2_000) / 2_000) as usize];
            stack = Some(builder.stack(stack, frame));
        }
        builder.sample(START + at * 10_000 + random(100) as i64, stack);
    }
    let profile = builder.finish(START, START + 100_000_000, 10_000);
    let page = page::within(&[&Report::of(&profile)], 200_000);
    assert!(page.len() < 200_000, "{} bytes", page.len());
    let (document, sums) = read(&page);
    assert!(document["reports"][0]["processes"][0]["threads"][0]["mergedCalls"].as_u64() > Some(50_000));
    // Times are rounded to 156 µs.
    let difference = sums.values().sum::<i64>() - hottest(&profile).values().sum::<i64>();
    assert!(difference.abs() <= 156, "{difference} µs");
}
