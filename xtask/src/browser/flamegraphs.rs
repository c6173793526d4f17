//! Flame graphs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sentry_profiler::ProfileBuilder;
use sentry_profiler::encode::flamegraph::{Direction, draw};

use super::profiles::{Call, LONG, RECORDED, Ran, START, profile, recorded};

pub fn write(dir: &Path) -> Result<()> {
    let shop = profile(&SHOP);
    let empty = ProfileBuilder::new().finish(START, START + 1_000_000, 10_000);
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

const MAIN: Call = ("main", "/srv/shop/src/main.mjs", 3);
const SERVE: Call = ("serve", "/srv/shop/src/main.mjs", 12);
const PRICE: Call = ("calculatePrice", "/srv/shop/src/price.mjs", 4);
const MAP: Call = ("map", "/srv/shop/node_modules/lodash/map.js", 48);
const READ: Call = ("readFileSync", "node:fs", 440);

/// All kinds of code, then nothing for as long.
const SHOP: [Ran; 8] = [
    (450, &[MAIN, SERVE, PRICE]),
    (100, &[MAIN, SERVE, MAP]),
    (100, &[MAIN, SERVE, MAP, ("<anonymous>", "/srv/shop/src/price.mjs", 9)]),
    (50, &[MAIN, SERVE, READ]),
    (150, &[MAIN, SERVE, READ, ("open", "", 0)]),
    (100, &[("(garbage collector)", "", 0)]),
    (50, &[("(program)", "", 0)]),
    (1_000, &[]),
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
