//! The page: a shell of text, and in it, compressed, the viewer and what it shows.
//!
//! No name gets into the markup: all that comes from a report is in the compressed data, and the viewer puts it on the
//! page as text. The page's policy allows the two scripts and the style that are written here, by their hashes, and
//! nothing else: no request either.

use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;

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

pub(super) fn around(data: &[u8]) -> Vec<u8> {
    // Made when this crate is compiled.
    let [before, after] = [
        include_str!(concat!(env!("OUT_DIR"), "/viewer-before.html")),
        include_str!(concat!(env!("OUT_DIR"), "/viewer-after.html")),
    ];
    [before, &packed(data), after].concat().into_bytes()
}

fn packed(bytes: &[u8]) -> String {
    let mut encoder = DeflateEncoder::new(vec![], Compression::best());
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    BASE64_STANDARD.encode(packed.expect("writing to memory cannot fail"))
}
