//! Reports, and what is in them as `.cpuprofile`, to compare.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use sentry_profiler::encode::cpuprofile;
use sentry_profiler::profile::in_app;
use sentry_profiler::report::{Exit, Process, Report, Sources, Span, Thread, html, html_diff};
use sentry_profiler::{Frame, FrameKind, Profile, ProfileBuilder, StackId};

use super::profiles::{Call, LONG, RECORDED, Ran, START, profile, recorded};
use crate::received_profile;

pub fn write(dir: &Path, compiler: &serde_json::Value) -> Result<()> {
    let shop = profile(&SHOP);
    write_one(dir, "shop", &shop)?;
    write_one(dir, "names", &profile(&NAMES))?;
    write_one(dir, "hostile", &hostile())?;
    write_one(dir, "many", &many())?;
    write_one(dir, "compiler", &received_profile::profile([compiler])?)?;
    for name in RECORDED {
        write_one(dir, name, &recorded(name)?)?;
    }
    let empty = ProfileBuilder::new().finish(START, START + 1_000_000, 10_000);
    put(dir, "empty", &html(&Report::of(&empty)))?;
    put(dir, "nothing", &html(&Report { unrecorded: vec![LOST.into()], ..Report::new("node a.js", START, START) }))?;
    let slower = profile(&SLOWER);
    put(dir, "diff", &html_diff(&titled("before", &shop), &titled("after", &slower)))?;
    put(dir, "threads", &html(&threads(&shop, &slower, &empty)))
}

const LOST: &str = "The last 0.2 s are not recorded: the program was killed.";

/// Lines of code that are shown as text, whatever is in them.
const CODE: [(&str, u32, &str); 3] = [
    ("/srv/shop/src/price.mjs", 5, "for (const item of cart) sum += item.price * rates.get(item.currency);"),
    ("/srv/shop/src/price.mjs", 7, "return Math.round(sum * 100) / 100;"),
    ("/srv/a.js", 7, "document.write('</script><img src=x onerror=\"window.broken = 3\">');"),
];

fn titled<'a>(title: &str, profile: &'a Profile) -> Report<'a> {
    let mut sources = Sources::new();
    for (file, line, text) in CODE {
        sources.entry(file.into()).or_default().insert(line, text.into());
    }
    Report { title: title.into(), sources, ..Report::of(profile) }
}

fn put(dir: &Path, name: &str, page: &[u8]) -> Result<()> {
    let file = dir.join(name).with_extension("html");
    fs::write(&file, page).with_context(|| format!("writing {}", file.display()))
}

fn write_one(dir: &Path, name: &str, profile: &Profile) -> Result<()> {
    put(dir, name, &html(&titled(&format!("node {name}.js"), profile)))?;
    let file = dir.join(name).with_extension("cpuprofile");
    fs::write(&file, cpuprofile::encode(profile)).with_context(|| format!("writing {}", file.display()))
}

/// Two processes, one of which has a worker, spans and no sample in its last thread.
fn threads<'a>(shop: &'a Profile, slower: &'a Profile, empty: &'a Profile) -> Report<'a> {
    let mut main = Thread::new("main", shop);
    main.cpu = Some(Duration::from_millis(1_050));
    main.spans = (0..8)
        .map(|at| Span {
            name: ["GET /price", "GET /search", "POST /order"][at as usize % 3].into(),
            start: shop.start() + at * 110_000,
            end: shop.start() + at * 110_000 + 160_000 + at * 9_000,
        })
        .collect();
    let mut worker = Thread::new("worker 1", slower);
    worker.cpu = Some(Duration::from_millis(1_500));
    let mut idle = Thread::new("worker 2", empty);
    idle.cpu = Some(Duration::ZERO);
    let mut report = Report::new("node --import ./instrument.mjs server.mjs --port 8080", START, slower.end());
    report.exit = Some(Exit::Signal("SIGTERM".into()));
    report.unrecorded.push(LOST.into());
    report.processes.push(Process::new("server.mjs (pid 4711)", vec![main, worker]));
    report.processes.push(Process::new("build.mjs (pid 4712)", vec![idle]));
    report
}

const RUN: Call = ("<anonymous>", "node:internal/main/run_main_module", 1);
const LOAD: Call = ("executeUserEntryPoint", "node:internal/modules/run_main", 140);
const MAIN: Call = ("main", "/srv/shop/src/main.mjs", 3);
const EMIT: Call = ("emit", "node:events", 456);
const HANDLE: Call = ("handle", "/srv/shop/node_modules/express/lib/router.js", 12);
const NEXT: Call = ("next", "/srv/shop/node_modules/express/lib/router.js", 48);
const SERVE: Call = ("serve", "/srv/shop/src/main.mjs", 12);
const PRICE: Call = ("calculatePrice", "/srv/shop/src/price.mjs", 4);
const RENDER: Call = ("renderPage", "/srv/shop/src/page.mjs", 20);
const MAP: Call = ("map", "/srv/shop/node_modules/lodash/map.js", 48);
const READ: Call = ("readFileSync", "node:fs", 440);
const OPEN: Call = ("open", "", 0);
const GC: Call = ("(garbage collector)", "", 0);

/// All kinds of code, and idle time.
const SHOP: [Ran; 11] = [
    (100, &[RUN, LOAD, MAIN]),
    (30, &[RUN, LOAD, MAIN, READ, OPEN]),
    (150, &[]),
    (250, &[EMIT, HANDLE, NEXT, SERVE, PRICE]),
    (40, &[GC]),
    (80, &[EMIT, HANDLE, NEXT, SERVE, MAP]),
    (100, &[EMIT, HANDLE, NEXT, SERVE, MAP, ("<anonymous>", "/srv/shop/src/price.mjs", 9)]),
    (60, &[]),
    (50, &[EMIT, HANDLE, NEXT, SERVE, RENDER]),
    (90, &[EMIT, HANDLE, NEXT, SERVE, RENDER, READ, OPEN]),
    (50, &[("(program)", "", 0)]),
];

/// The same program later: prices take longer, pages less, and something is new.
const SLOWER: [Ran; 7] = [
    (100, &[RUN, LOAD, MAIN]),
    (150, &[]),
    (600, &[EMIT, HANDLE, NEXT, SERVE, ("calculatePrice", "/srv/shop/src/price.mjs", 6)]),
    (100, &[EMIT, HANDLE, NEXT, SERVE, MAP]),
    (200, &[EMIT, HANDLE, NEXT, SERVE, ("convertCurrency", "/srv/shop/src/price.mjs", 31)]),
    (20, &[EMIT, HANDLE, NEXT, SERVE, RENDER]),
    (60, &[GC]),
];

/// Names as they should not be.
const NAMES: [Ran; 7] = [
    (300, &[("</script><script>window.broken = 1</script>", "/srv/a.js", 1), ("&lt;<b>\"'", "/srv/<&>.js", 2)]),
    (200, &[("<img src=x onerror='window.broken = 2'>", "/srv/<!--.js", 3)]),
    (200, &[("\u{0}\u{1b}\n\r\t\u{7f}\u{85}\u{fffe}\u{ffff}", "/srv/a.js", 4)]),
    (100, &[("𝒳漢字é\u{202e}abc\u{2028}", "/srv/ä b?#.js", 5)]),
    (100, &[("", "/srv/a.js", 6)]),
    (100, &[(LONG, "/srv/a.js", 7)]),
    (100, &[("constructor", "/srv/__proto__.js", 8), ("__proto__", "/srv/__proto__.js", 9)]),
];
/// Numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Functions whose names and files are made of what ends text where text is code.
fn hostile() -> Profile {
    const PARTS: [&str; 32] = [
        "<script>",
        "</script>",
        "<!--",
        "-->",
        "--!>",
        "]]>",
        "<![CDATA[",
        "<img src=x onerror=",
        "<svg/onload=",
        "<",
        ">",
        "&",
        "&lt;",
        "&#x3c;",
        "\"",
        "'",
        "`",
        "${",
        "}",
        "\\",
        "\\u003c",
        "window.broken=1",
        "javascript:",
        "__proto__",
        "constructor",
        "\0",
        "\n",
        "\u{2028}",
        "\u{202e}",
        "\u{feff}",
        "%3C",
        "/",
    ];
    let mut random = Random(3);
    let mut text = || (0..=random.below(5)).map(|_| PARTS[random.below(32) as usize]).collect::<String>();
    let mut builder = ProfileBuilder::new();
    for at in 0..400 {
        let (function, file) = (text(), format!("/srv/{}", text()));
        let kind = FrameKind::Script;
        let in_app = in_app(kind, &function, &file, None);
        let frame = Frame { function: function.into(), file: file.into(), line: at, column: 1, kind, in_app };
        let frame = builder.frame(&frame);
        let stack = builder.stack(None, frame);
        builder.sample(START + i64::from(at) * 10_000, Some(stack));
    }
    builder.sample(START + 4_000_000, None);
    builder.finish(START, START + 4_000_000, 10_000)
}

/// 100,000 samples of a program with 2,000 functions and some 20,000 call paths, up to 60 calls deep.
fn many() -> Profile {
    let mut numbers = Random(7);
    let mut random = |end| numbers.below(end);
    let mut builder = ProfileBuilder::new();
    let frames: Vec<_> = (0..2_000_u32)
        .map(|at| {
            let file = match at % 4 {
                0 => format!("/srv/app/src/part{}.js", at % 40),
                1 | 2 => format!("/srv/app/node_modules/pack{}/index.js", at % 60),
                _ => format!("node:internal/part{}", at % 30),
            };
            let (kind, function) = (FrameKind::Script, format!("function{at}"));
            let in_app = in_app(kind, &function, &file, None);
            builder.frame(&Frame { function: function.into(), file: file.into(), line: at, column: 1, kind, in_app })
        })
        .collect();
    // Each path leaves another one at some depth.
    let mut paths: Vec<Vec<StackId>> = vec![vec![]];
    for _ in 0..2_000 {
        let from = &paths[random(paths.len() as u64) as usize];
        let mut path = from[..random(from.len() as u64 + 1) as usize].to_vec();
        for _ in 0..random(60 - path.len().min(59) as u64) + 1 {
            path.push(builder.stack(path.last().copied(), frames[random(2_000) as usize]));
        }
        paths.push(path);
    }
    for at in 0..100_000_i64 {
        let path = &paths[(random(2_000) * random(2_000) / 2_000) as usize];
        let depth = path.len() - path.len().min(random(4) as usize);
        builder.sample(START + at * 10_000 + random(300) as i64, depth.checked_sub(1).map(|at| path[at]));
    }
    builder.finish(START, START + 1_000_000_000, 10_000)
}
