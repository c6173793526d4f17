//! Flame graphs in a browser: pictures are drawn, and tests open them.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use sentry_profiler::encode::flamegraph::{Direction, draw};
use sentry_profiler::profile::in_app;
use sentry_profiler::{Frame, FrameKind, Profile, ProfileBuilder, Unix};

use crate::{node_releases, npm, process, received_profile, workspace};

/// The browser, of Debian.
pub const PACKAGES: &[&str] = &["chromium"];

/// Chunks of the benchmark's programs.
const RECORDED: [&str; 2] = ["deep", "very-deep"];

/// Opens pictures in a browser; those that it shows stay next to them. Returns where.
pub fn test(name: Option<&str>) -> Result<String> {
    let sources = workspace::root().join("tests/flamegraph");
    let dir = workspace::target()?.join("flamegraph");
    npm::installed("flamegraph", &sources, &dir)?;
    draw_all(&dir)?;
    let node = node_releases::fetch(node_releases::USUAL)?;
    let mut command = node.command();
    command.args(["--test", "--test-reporter=spec"]).args(name.map(|name| format!("--test-name-pattern={name}")));
    command.arg(sources.join("flamegraph.test.mjs")).env("SENTRY_PROFILER_TEST_FLAMEGRAPHS", &dir);
    process::run(command.env_remove("NODE_OPTIONS"))?;
    Ok(format!("its pictures are in {}", workspace::show(&dir)))
}

fn draw_all(dir: &Path) -> Result<()> {
    let shop = profile(&SHOP);
    let empty = ProfileBuilder::new().finish(Unix::from_us(0), Unix::from_us(1_000_000), 10_000);
    let mut pictures = vec![
        ("shop", shop.clone(), Direction::Icicle),
        ("flame", shop, Direction::Flame),
        ("names", profile(&NAMES), Direction::Icicle),
        ("empty", empty, Direction::Icicle),
    ];
    for name in RECORDED {
        pictures.push((name, recorded(name)?, Direction::Icicle));
    }
    pictures.push(("deep-flame", recorded(RECORDED[0])?, Direction::Flame));
    for (name, profile, direction) in pictures {
        let file = dir.join(name).with_extension("svg");
        fs::write(&file, draw(&profile, direction)).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

fn recorded(name: &str) -> Result<Profile> {
    let file = workspace::root().join(format!("core/benches/recorded/{name}.json.gz"));
    let reader = GzDecoder::new(File::open(&file).with_context(|| format!("opening {}", file.display()))?);
    received_profile::profile([&serde_json::from_reader(reader)?], "0")
}

/// A function, its file and line.
type Call = (&'static str, &'static str, u32);

/// What ran for how many milliseconds, outermost first.
type Ran = (u32, &'static [Call]);

const MAIN: Call = ("main", "/srv/shop/src/main.mjs", 3);
const SERVE: Call = ("serve", "/srv/shop/src/main.mjs", 12);
const PRICE: Call = ("calculatePrice", "/srv/shop/src/price.mjs", 4);
const MAP: Call = ("map", "/srv/shop/node_modules/lodash/map.js", 48);
const READ: Call = ("readFileSync", "node:fs", 440);

/// All kinds of code.
const SHOP: [Ran; 7] = [
    (450, &[MAIN, SERVE, PRICE]),
    (100, &[MAIN, SERVE, MAP]),
    (100, &[MAIN, SERVE, MAP, ("<anonymous>", "/srv/shop/src/price.mjs", 9)]),
    (50, &[MAIN, SERVE, READ]),
    (150, &[MAIN, SERVE, READ, ("open", "", 0)]),
    (100, &[("(garbage collector)", "", 0)]),
    (50, &[("(program)", "", 0)]),
];

/// Names as they should not be.
const NAMES: [Ran; 6] = [
    (300, &[("]]></script><script>window.broken = 1</script>", "/srv/a.js", 1), ("&lt;<b>\"'", "/srv/<&>.js", 2)]),
    (200, &[("</title><script xmlns=\"http://www.w3.org/1999/xhtml\">window.broken = 2</script>", "/srv/a.js", 3)]),
    (200, &[("\u{0}\u{1b}\n\r\t\u{7f}\u{85}\u{fffe}\u{ffff}", "/srv/a.js", 4)]),
    (100, &[("𝒳漢字é\u{202e}abc\u{2028}", "/srv/ä b.js", 5)]),
    (100, &[("", "/srv/a.js", 6)]),
    (100, &[(LONG, "/srv/a.js", 7)]),
];
const LONG: &str = concat!(
    "anExceedinglyLongNameThatGoesOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOn",
    "AndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOnAndOn",
);

fn profile(ran: &[Ran]) -> Profile {
    let mut builder = ProfileBuilder::new();
    let mut time = Unix::from_us(1_700_000_000_000_000);
    let start = time;
    for &(ms, calls) in ran {
        let mut stack = None;
        for &(function, file, line) in calls {
            let kind = match (function, file) {
                ("(garbage collector)" | "(program)", _) => FrameKind::Internal,
                (_, "") => FrameKind::Callback,
                _ => FrameKind::Script,
            };
            let in_app = in_app(kind, function, file, None);
            let frame = Frame { function: function.into(), file: file.into(), line, column: 1, kind, in_app };
            let frame = builder.frame(&frame);
            stack = Some(builder.stack(stack, frame));
        }
        for _ in 0..ms / 10 {
            builder.sample(time, stack);
            time = time + 10_000;
        }
    }
    builder.sample(time, None);
    // Idle for as long as it ran.
    let end = time + (time - start);
    builder.finish(start, end, 10_000)
}
