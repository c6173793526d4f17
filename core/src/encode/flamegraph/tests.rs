//! Pictures, read with a reader of XML that others wrote.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use roxmltree::{Document, Node};

use super::*;
use crate::encode::folded;
use crate::encode::tests::{START, any_profile, frame, small};
use crate::{FrameKind, ProfileBuilder};

const UNLIMITED: Limits = Limits { parts: u64::MAX, most: usize::MAX };

fn picture(profile: &Profile, limits: Limits, direction: Direction) -> String {
    Picture::of(profile, limits, direction).svg()
}

/// A box as the picture has it.
#[derive(Debug)]
struct Seen {
    class: String,
    left_us: u64,
    row: u64,
    width_us: u64,
    name: String,
    /// The place and whose code it is.
    about: String,
    /// None where it is no call.
    self_us: Option<u64>,
    total_us: u64,
}

fn by_id<'a>(document: &'a Document<'_>, id: &str) -> Node<'a, 'a> {
    document.descendants().find(|node| node.attribute("id") == Some(id)).unwrap_or_else(|| panic!("no {id}"))
}

fn seen(svg: &str) -> Vec<Seen> {
    let document = Document::parse(svg).unwrap_or_else(|error| panic!("{error}: {svg}"));
    let rects = by_id(&document, "boxes").children().filter(Node::is_element);
    rects
        .map(|rect| {
            let number = |name| rect.attribute(name).expect(name).parse().expect("a number");
            let title = rect.first_element_child().expect("a title").text().expect("text");
            let [name, about, times] = title.split('\n').collect::<Vec<_>>()[..] else { panic!("{title}") };
            Seen {
                class: rect.attribute("class").expect("a class").to_owned(),
                left_us: number("x"),
                row: number("y"),
                width_us: number("width"),
                name: name.to_owned(),
                about: about.to_owned(),
                self_us: times.contains("self").then(|| us_after(times, "self ")),
                total_us: us_after(times, "total "),
            }
        })
        .collect()
}

/// The milliseconds behind a word.
fn us_after(times: &str, word: &str) -> u64 {
    let (ms, _) = times.split_once(word).and_then(|(_, rest)| rest.split_once(" ms (")).expect("a time");
    let (whole, thousandths) = ms.split_once('.').expect("three places");
    assert_eq!(thousandths.len(), 3);
    whole.parse::<u64>().expect("a number") * 1000 + thousandths.parse::<u64>().expect("a number")
}

fn head(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).expect("XML");
    let texts = by_id(&document, "head").descendants().filter(|node| node.has_tag_name("text"));
    texts.map(|text| text.text().unwrap_or_default().to_owned()).collect()
}

/// Self and total time of the functions of each name; recursion counts once.
fn expected(profile: &Profile) -> BTreeMap<String, (u64, u64)> {
    let mut times: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for total in profile.stack_totals().iter().filter(|total| total.time_us > 0) {
        let mut names = profile.frames_of(total.stack).map(|frame| cut(&profile.frames()[frame.index()].function));
        let leaf = names.next().expect("a leaf");
        times.entry(leaf.clone()).or_default().0 += total.time_us;
        for name in names.chain([leaf]).collect::<BTreeSet<_>>() {
            times.entry(name).or_default().1 += total.time_us;
        }
    }
    times
}

/// The same from the picture: boxes stand before what they call.
fn drawn(boxes: &[Seen]) -> BTreeMap<String, (u64, u64)> {
    let mut times: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    // By name, up to where its outermost box reaches.
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    for seen in boxes.iter().filter(|seen| seen.self_us.is_some()) {
        let time = times.entry(seen.name.clone()).or_default();
        time.0 += seen.self_us.unwrap_or(0);
        let end = ends.entry(&seen.name).or_default();
        if seen.left_us >= *end {
            time.1 += seen.total_us;
            *end = seen.left_us + seen.width_us;
        }
    }
    times
}

/// Each box lies within its caller's, next to those before it; what a caller has beyond them is its own time, or that
/// of calls without a box.
fn assert_nested(boxes: &[Seen], is_whole: bool) {
    let mut open: Vec<(&Seen, u64)> = Vec::new();
    let close = |(caller, free_us): (&Seen, u64)| {
        let left_us = caller.left_us + caller.width_us - free_us;
        let own_us = caller.self_us.unwrap_or(0);
        // A box of merged calls has nothing in it.
        if is_whole {
            assert_eq!(left_us, own_us, "{caller:?}");
        } else if caller.class != "m" {
            assert!(left_us >= own_us, "{caller:?}");
        }
    };
    for seen in boxes {
        assert_eq!(seen.width_us, seen.total_us);
        assert!(seen.width_us > 0);
        while open.len() as u64 > seen.row {
            close(open.pop().expect("a caller"));
        }
        assert_eq!(open.len() as u64, seen.row, "a row is left out");
        if let Some((caller, free_us)) = open.last_mut() {
            assert_eq!(seen.left_us, *free_us);
            *free_us += seen.width_us;
            assert!(*free_us <= caller.left_us + caller.width_us);
        }
        open.push((seen, seen.left_us));
    }
    open.into_iter().for_each(close);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_function_has_its_time_whatever_its_name(profile in any_profile()) {
        let boxes = seen(&picture(&profile, UNLIMITED, Direction::Icicle));
        assert_nested(&boxes, true);
        prop_assert_eq!(drawn(&boxes), expected(&profile));
        let flames = seen(&picture(&profile, UNLIMITED, Direction::Flame));
        prop_assert_eq!(drawn(&flames), expected(&profile));
        let rows = boxes.iter().map(|seen| seen.row + 1).max().unwrap_or(0);
        for (icicle, flame) in boxes.iter().zip(&flames) {
            prop_assert_eq!((icicle.left_us, icicle.row), (flame.left_us, rows - 1 - flame.row));
        }
    }

    #[test]
    fn a_small_picture_makes_nothing_up(profile in any_profile(), parts in 1_u64..100, most in 1_usize..20) {
        let svg = picture(&profile, Limits { parts, most }, Direction::Icicle);
        let boxes = seen(&svg);
        assert_nested(&boxes, false);
        let whole = expected(&profile);
        let mut calls_us = 0;
        for (name, (self_us, total_us)) in drawn(&boxes) {
            let (most_self_us, most_total_us) = whole[&name];
            prop_assert!(self_us <= most_self_us && total_us <= most_total_us);
            calls_us += self_us;
        }
        prop_assert!(boxes.len() <= 1 + 2 * most + 1);
        prop_assert!(boxes.iter().all(|seen| seen.class == "a" || seen.width_us * parts >= boxes[0].width_us));
        let whole_us: u64 = whole.values().map(|(self_us, _)| self_us).sum();
        prop_assert_eq!(boxes.first().map_or(0, |all| all.width_us), whole_us);
        let says_so = head(&svg).iter().any(|line| line.contains("have no box of their own"));
        prop_assert_eq!(says_so, calls_us < whole_us);
    }
}

/// Names that folded stacks have as they are.
fn deep() -> Profile {
    let mut builder = ProfileBuilder::new();
    let functions: Vec<_> = (0..300)
        .map(|n| {
            let (file, kind) = match n % 3 {
                0 => (format!("/srv/app/src/part{}.js", n % 7), FrameKind::Script),
                1 => (format!("/srv/app/node_modules/dep{}/index.js", n % 5), FrameKind::Script),
                _ => (String::new(), FrameKind::Builtin),
            };
            builder.frame(&frame(&format!("function{n}"), &file, if n % 3 == 2 { 0 } else { n + 1 }, 1, kind))
        })
        .collect();
    let mut time = START;
    for n in 0..20_000_usize {
        let calls = (0..20 + n % 40).map(|level| functions[(n % 397 * level + level) % functions.len()]);
        let stack = calls.fold(None, |caller, function| Some(builder.stack(caller, function)));
        builder.sample(time, stack);
        time = time + 1_000 + (n % 13) as i64;
    }
    builder.sample(time, None);
    builder.finish(START, time, 1_000)
}

#[test]
fn times_are_those_of_folded_stacks() {
    let profile = deep();
    let mut folded_us: BTreeMap<String, u64> = BTreeMap::new();
    for line in String::from_utf8(folded::encode(&profile)).expect("text").lines() {
        let (stack, us) = line.rsplit_once(' ').expect("a time");
        let leaf = stack.rsplit(';').next().expect("a leaf");
        *folded_us.entry(leaf.to_owned()).or_default() += us.parse::<u64>().expect("a number");
    }
    let mut drawn_us: BTreeMap<String, u64> = BTreeMap::new();
    for seen in seen(&picture(&profile, UNLIMITED, Direction::Icicle)) {
        let (place, origin) = seen.about.rsplit_once(", ").unwrap_or(("", &seen.about));
        let label = match origin {
            "own code" => format!("{} (/srv/app/src/{place})", seen.name),
            "dependency" => format!("{} (/srv/app/node_modules/{place})", seen.name),
            _ => format!("{} (builtin)", seen.name),
        };
        if let Some(us) = seen.self_us.filter(|us| *us > 0) {
            *drawn_us.entry(label).or_default() += us;
        }
    }
    assert_eq!(drawn_us, folded_us);
}

#[test]
fn a_large_profile_has_a_small_picture() {
    let profile = deep();
    assert!(profile.stacks().len() > 2 * Limits::USUAL.most, "{} stacks", profile.stacks().len());
    let svg = String::from_utf8(encode(&profile)).expect("text");
    let boxes = seen(&svg);
    let calls = boxes.iter().filter(|seen| seen.self_us.is_some()).count();
    assert!(calls <= Limits::USUAL.most, "{calls} calls");
    assert!(svg.len() < 2_000_000, "{} bytes", svg.len());
    assert!(boxes.iter().any(|seen| seen.class == "m" && seen.name.ends_with(" shorter calls")));
}

#[test]
fn names_and_paths_are_bounded() {
    let mut builder = ProfileBuilder::new();
    let url = format!("data:text/javascript,{}", "x".repeat(1 << 20));
    let long = builder.frame(&frame(&"漢".repeat(1 << 20), &url, 7, 1, FrameKind::Script));
    let long = builder.stack(None, long);
    builder.sample(START, Some(long));
    builder.sample(START + 1_000, None);
    let svg = String::from_utf8(encode(&builder.finish(START, START + 1_000, 1_000))).expect("text");
    assert!(svg.len() < 20_000, "{} bytes", svg.len());
    let boxes = seen(&svg);
    assert_eq!(boxes[1].name, format!("{}…", "漢".repeat(LONGEST - 1)));
    assert!(boxes[1].about.ends_with("xxx…:7, dependency"), "{}", boxes[1].about);
}

#[test]
fn the_head_says_what_it_is() {
    let svg = String::from_utf8(encode(&small())).expect("text");
    assert_eq!(
        head(&svg),
        [
            "Flame graph: 40.2 ms sampled in 2.02 s",
            "4 samples, one every 10.101 ms; own files are in /srv/",
            "own code 25.1 %",
            "dependency 0.0 %",
            "Node 50.3 %",
            "native 0.0 %",
            "GC 24.6 %",
            "A box is a call, what it calls is below. Click or Enter zooms, arrows move, Esc ends.",
            "Every call has a box.",
        ]
    );
    let nothing = ProfileBuilder::new().finish(START, START + 500, 10_000);
    let svg = String::from_utf8(draw(&nothing, Direction::Flame)).expect("text");
    assert_eq!(seen(&svg).len(), 0);
    let head = head(&svg);
    assert_eq!(head[0], "Flame graph: 0 µs sampled in 500 µs");
    assert_eq!(head[1], "0 samples, one every 10 ms");
    assert!(head[7].contains("what it calls is above"));
    assert_eq!(head[8], "Nothing ran.");
}

/// Each picture carries them.
#[test]
fn style_and_script_are_small() {
    let (mut style, mut script) = (String::new(), String::new());
    put_lines(&mut style, STYLE);
    put_lines(&mut script, SCRIPT);
    assert!(style.len() < 1_600, "{} bytes of style", style.len());
    assert!(script.len() < 8_000, "{} bytes of script", script.len());
    assert!(!script.contains("]]>") && !style.contains(['<', '&']));
    for outside in ["http:", "https:", "url(", "import", "fetch", "eval"] {
        let allowed = script.matches("http://www.w3.org/").count();
        let found = script.matches(outside).count() + style.matches(outside).count();
        assert_eq!(found, if outside == "http:" { allowed } else { 0 }, "{outside}");
    }
}

#[test]
fn labels_fit_their_boxes() {
    let fit = |room| fitting("main\u{2002}src/main.mjs:3", room);
    assert_eq!(fit(15.0), None);
    assert_eq!(fit(24.0), None, "a letter or none says nothing");
    assert_eq!(fit(40.0).as_deref(), Some("mai…"));
    assert_eq!(fit(1000.0).as_deref(), Some("main\u{2002}src/main.mjs:3"));
    assert_eq!(fitting("漢漢漢漢", 38.0).as_deref(), Some("漢漢…"));
}
