//! Chrome DevTools' `.cpuprofile`: the type `Profile` of the DevTools protocol's `Profiler` domain.

use std::borrow::Cow;
use std::fmt::Write;

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::sample::{Seq, to_json};
use crate::{Frame, Profile};

/// JSON that opens in Chrome DevTools and VS Code. Times are Unix microseconds; files are URLs, so that they can be opened.
pub fn encode(profile: &Profile) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<N, S, D> {
        nodes: N,
        start_time: i64,
        end_time: i64,
        samples: S,
        time_deltas: D,
    }

    let tree = Tree::new(profile);
    let samples = profile.samples();
    let first = samples.first().map_or(profile.start_us(), |sample| sample.time_us);
    let last = samples.last().map_or(profile.end_us(), |sample| sample.time_us);
    // DevTools wants every sample between start and end.
    let start = profile.start_us().min(first);
    to_json(&Document {
        nodes: Seq(|| tree.nodes()),
        start_time: start,
        end_time: profile.end_us().max(last),
        samples: Seq(|| samples.iter().map(|sample| tree.node_of(sample.stack))),
        time_deltas: Seq(|| {
            let before = std::iter::once(start).chain(samples.iter().map(|sample| sample.time_us));
            samples.iter().zip(before).map(|(sample, before)| sample.time_us - before)
        }),
    })
}

const ROOT: u32 = 1;
const IDLE: u32 = 2;
/// The id of the first node that stands for a stack.
const FIRST: u32 = 3;

/// The call tree of the sampled stacks: a root, an idle node, then a node for each stack that was sampled or called one that was.
struct Tree<'a> {
    profile: &'a Profile,
    /// The stacks that have nodes, in order of their ids.
    stacks: Vec<u32>,
    /// By stack; `None` when it has no node.
    ids: Vec<Option<u32>>,
    /// By stack, then the idle node's.
    hits: Vec<u32>,
    children: FxHashMap<u32, Vec<u32>>,
    scripts: FxHashMap<&'a str, u32>,
}

impl<'a> Tree<'a> {
    fn new(profile: &'a Profile) -> Self {
        let count = profile.stacks().len();
        let mut hits = vec![0; count + 1];
        let mut used = vec![false; count];
        for sample in profile.samples() {
            match sample.stack {
                Some(stack) if !profile.is_idle(sample.stack) => {
                    hits[stack as usize] += 1;
                    used[stack as usize] = true;
                }
                _ => hits[count] += 1,
            }
        }
        // Parents stand before their children: one pass from the end reaches every ancestor.
        for (at, stack) in profile.stacks().iter().enumerate().rev() {
            if let Some(parent) = stack.parent {
                used[parent as usize] |= used[at];
            }
        }
        let stacks: Vec<u32> = (0..count as u32).filter(|&stack| used[stack as usize]).collect();
        let mut ids = vec![None; count];
        let mut children: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        let mut scripts = FxHashMap::default();
        children.insert(ROOT, vec![IDLE]);
        for (id, &at) in (FIRST..).zip(&stacks) {
            let stack = profile.stacks()[at as usize];
            ids[at as usize] = Some(id);
            let parent = stack.parent.map_or(Some(ROOT), |parent| ids[parent as usize]);
            children.entry(parent.expect("ancestors of nodes are nodes")).or_default().push(id);
            let file = &*profile.frames()[stack.frame as usize].file;
            let next = scripts.len() as u32 + 1;
            if !file.is_empty() {
                scripts.entry(file).or_insert(next);
            }
        }
        Self { profile, stacks, ids, hits, children, scripts }
    }

    fn node_of(&self, stack: Option<u32>) -> u32 {
        stack.filter(|_| !self.profile.is_idle(stack)).and_then(|stack| self.ids[stack as usize]).unwrap_or(IDLE)
    }

    fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        let idle_hits = self.hits[self.profile.stacks().len()];
        let own = [(ROOT, CallFrame::named("(root)"), 0), (IDLE, CallFrame::named("(idle)"), idle_hits)];
        let sampled = (FIRST..).zip(&self.stacks).map(|(id, &at)| {
            let frame = &self.profile.frames()[self.profile.stacks()[at as usize].frame as usize];
            let script = self.scripts.get(&*frame.file).copied().unwrap_or(0);
            (id, CallFrame::of(frame, script), self.hits[at as usize])
        });
        own.into_iter().chain(sampled).map(|(id, call_frame, hit_count)| Node {
            id,
            call_frame,
            hit_count,
            children: self.children.get(&id).map_or(&[], Vec::as_slice),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Node<'a> {
    id: u32,
    call_frame: CallFrame<'a>,
    hit_count: u32,
    #[serde(skip_serializing_if = "<[u32]>::is_empty")]
    children: &'a [u32],
}

/// Lines and columns from 0, -1 when unknown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallFrame<'a> {
    function_name: &'a str,
    script_id: String,
    url: Cow<'a, str>,
    line_number: i64,
    column_number: i64,
}

impl<'a> CallFrame<'a> {
    fn named(function_name: &'a str) -> Self {
        Self { function_name, script_id: "0".into(), url: "".into(), line_number: -1, column_number: -1 }
    }

    fn of(frame: &'a Frame, script: u32) -> Self {
        Self {
            function_name: &frame.function,
            script_id: script.to_string(),
            url: url_of(&frame.file),
            line_number: i64::from(frame.line) - 1,
            column_number: i64::from(frame.column) - 1,
        }
    }
}

/// The `file://` URL of an absolute path; anything else (`node:fs`, `evalmachine.<anonymous>`) as it is.
fn url_of(file: &str) -> Cow<'_, str> {
    let bytes = file.as_bytes();
    let windows = matches!(bytes, [drive, b':', b'/' | b'\\', ..] if drive.is_ascii_alphabetic());
    if !windows && bytes.first() != Some(&b'/') {
        return file.into();
    }
    let mut url = String::with_capacity(file.len() + 8);
    url.push_str(if windows { "file:///" } else { "file://" });
    for &byte in bytes {
        match byte {
            b'\\' if windows => url.push('/'),
            // What RFC 3986 allows in a path.
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => url.push(byte.into()),
            b'/' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';'
            | b'=' | b':' | b'@' => url.push(byte.into()),
            _ => write!(url, "%{byte:02X}").expect("writing to a string cannot fail"),
        }
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::plain_path;

    #[test]
    fn paths_become_urls_that_lead_back() {
        for (file, url) in [
            ("", ""),
            ("node:fs", "node:fs"),
            ("evalmachine.<anonymous>", "evalmachine.<anonymous>"),
            ("/a/b.js", "file:///a/b.js"),
            ("/a/ä %#?.mjs", "file:///a/%C3%A4%20%25%23%3F.mjs"),
            ("C:/a b.js", "file:///C:/a%20b.js"),
        ] {
            assert_eq!(url_of(file), url);
            assert_eq!(plain_path(url), file);
        }
        assert_eq!(url_of(r"C:\a\b.js"), "file:///C:/a/b.js");
    }
}
