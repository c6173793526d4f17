//! The page: a shell of text, and in it, compressed, the viewer and what it shows.
//!
//! No name gets into the markup: all that comes from a report is in the compressed data, and the viewer puts it on the
//! page as text. The page's policy allows the two scripts and the style that are written here, by their hashes, and
//! nothing else: no request either.

use std::io::Write;
use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use sha2::{Digest, Sha256};

use super::Report;
use super::data::{self, Detail};

/// How large a page may be before the smallest calls are merged.
const LIMIT: usize = 300_000;

/// The least number of samples of a call that stays, at most.
const COARSEST: u32 = 1 << 12;

pub fn of(reports: &[&Report<'_>]) -> Vec<u8> {
    within(reports, LIMIT)
}

/// A page that is not larger than the limit, where leaving out detail can achieve that: first times are rounded, then
/// calls are merged. Where samples alone take more than half of it, calls may take as much as these.
pub(super) fn within(reports: &[&Report<'_>], limit: usize) -> Vec<u8> {
    let page = |least, rounded| around(&data::of(reports, Detail { least, rounded }));
    for rounded in [false, true] {
        let whole = page(1, rounded);
        if whole.len() <= limit {
            return whole;
        }
    }
    let limit = limit.max(2 * page(COARSEST, true).len());
    let steps: Vec<u32> = std::iter::successors(Some(2_u32), |least| Some(least + least.div_ceil(3)))
        .take_while(|&least| least < COARSEST)
        .collect();
    let enough = steps.partition_point(|&least| page(least, true).len() > limit);
    page(steps.get(enough).copied().unwrap_or(COARSEST), true)
}

struct Viewer {
    /// Up to where the data belongs.
    before: String,
    after: String,
}

static VIEWER: LazyLock<Viewer> = LazyLock::new(Viewer::new);

impl Viewer {
    fn new() -> Self {
        let (style, loader, script) = (STYLE, joined(&[LOADER]), joined(SCRIPTS));
        let policy = format!(
            "default-src 'none'; style-src '{}'; script-src '{}' '{}'; base-uri 'none'; form-action 'none'",
            hash(style),
            hash(&loader),
            hash(&script)
        );
        let page = PAGE
            .replace("{policy}", &policy)
            .replace("{style}", &packed(style.as_bytes()))
            .replace("{loader}", &loader)
            .replace("{viewer}", &packed(script.as_bytes()));
        let (before, after) = page.split_once("{data}").expect("the page has a place for the data");
        Self { before: before.to_owned(), after: after.to_owned() }
    }
}

pub(super) fn around(data: &[u8]) -> Vec<u8> {
    let Viewer { before, after } = &*VIEWER;
    [&**before, &*packed(data), after].concat().into_bytes()
}

const PAGE: &str = include_str!("viewer/page.html");
const STYLE: &str = include_str!("viewer/style.css");
const LOADER: &str = include_str!("viewer/loader.js");

/// Modules, those first that others import.
const SCRIPTS: &[&str] = &[
    include_str!("viewer/dom.js"),
    include_str!("viewer/data.js"),
    include_str!("viewer/times.js"),
    include_str!("viewer/folding.js"),
    include_str!("viewer/tree.js"),
    include_str!("viewer/cpuprofile.js"),
    include_str!("viewer/state.js"),
    include_str!("viewer/header.js"),
    include_str!("viewer/axis.js"),
    include_str!("viewer/timeline.js"),
    include_str!("viewer/chart.js"),
    include_str!("viewer/flame.js"),
    include_str!("viewer/tables.js"),
    include_str!("viewer/keys.js"),
    include_str!("viewer/main.js"),
];

/// Modules as one script, without imports, indentation and comments that fill lines: they share one scope, so names
/// are unique in all of them.
fn joined(modules: &[&str]) -> String {
    let mut script = String::from("'use strict';");
    for module in modules {
        let (mut in_import, mut in_comment) = (false, false);
        for line in module.lines().map(str::trim) {
            in_import |= line.starts_with("import ");
            in_comment |= line.starts_with("/**");
            if !in_import && !in_comment && !line.is_empty() && !line.starts_with("//") {
                script.push('\n');
                script.push_str(line.strip_prefix("export ").unwrap_or(line));
            }
            in_import &= !line.ends_with("';");
            in_comment &= !line.ends_with("*/");
        }
    }
    script
}

fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

fn packed(bytes: &[u8]) -> String {
    let mut encoder = DeflateEncoder::new(vec![], Compression::best());
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    BASE64_STANDARD.encode(packed.expect("writing to memory cannot fail"))
}
