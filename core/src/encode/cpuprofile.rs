//! Chrome DevTools' `.cpuprofile`: the type `Profile` of the DevTools protocol's `Profiler` domain.

use std::borrow::Cow;
use std::fmt::Write;

use rustc_hash::FxHashMap;
use serde::{Serialize, Serializer};

use super::to_json;
use crate::{Frame, LineTotal, Profile, StackId};

/// JSON that opens in Chrome DevTools and VS Code. Times are Unix microseconds; files are URLs, so that they can be
/// opened.
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
    let first = samples.first().map_or(profile.start(), |sample| sample.time);
    let last = samples.last().map_or(profile.end(), |sample| sample.time);
    // DevTools requires every sample to be between start and end.
    let start = profile.start().min(first);
    to_json(&Document {
        nodes: Seq(|| tree.nodes()),
        start_time: start.us(),
        end_time: profile.end().max(last).us(),
        samples: Seq(|| samples.iter().map(|sample| tree.node_of(sample.stack))),
        time_deltas: Seq(|| {
            let before = std::iter::once(start).chain(samples.iter().map(|sample| sample.time));
            samples.iter().zip(before).map(|(sample, before)| sample.time - before)
        }),
    })
}

/// A JSON array written straight from an iterator.
struct Seq<F>(F);

impl<F, I> Serialize for Seq<F>
where
    F: Fn() -> I,
    I: IntoIterator<Item: Serialize>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

const ROOT: u32 = 1;
const IDLE: u32 = 2;
/// The id of the first node that stands for a stack.
const FIRST: u32 = 3;

/// The call tree of the sampled stacks: a root, an idle node, then a node for each sampled stack and for its callers.
struct Tree<'a> {
    profile: &'a Profile,
    call_frames: Vec<CallFrame<'a>>,
    /// The stacks that have nodes, in order of their ids.
    stacks: Vec<StackId>,
    /// By stack; `None` if it has no node.
    ids: Vec<Option<u32>>,
    /// By stack, with the idle node's at the end. Readers multiply hits by one time per hit for all nodes, so idle
    /// time has as many hits as samples would fit into it.
    hits: Vec<u32>,
    /// At known lines, by stack and line.
    lines: Vec<LineTotal>,
    /// By node id; [`NONE`] ends a list.
    first_child: Vec<u32>,
    next_sibling: Vec<u32>,
}

/// No node has this id.
const NONE: u32 = 0;

impl<'a> Tree<'a> {
    fn new(profile: &'a Profile) -> Self {
        let count = profile.stacks().len();
        let mut hits = vec![0; count + 1];
        let mut used = vec![false; count];
        // Time before the first sample belongs to no node.
        let first = profile.samples().first().map_or(profile.start(), |sample| sample.time);
        let mut idle_us = u64::try_from(first - profile.start()).unwrap_or(0);
        let ends = profile.samples().iter().skip(1).map(|sample| sample.time).chain([profile.end()]);
        for (sample, end) in profile.samples().iter().zip(ends) {
            match sample.stack {
                Some(stack) if !profile.is_idle(sample.stack) => {
                    hits[stack.index()] += 1;
                    used[stack.index()] = true;
                }
                _ => idle_us += u64::try_from(end - sample.time).unwrap_or(0),
            }
        }
        let interval_us = u64::from(profile.interval_us().max(1));
        hits[count] = ((idle_us + interval_us / 2) / interval_us) as u32;
        // Parents come before their children, so one pass from the end reaches every ancestor.
        for (at, stack) in profile.stacks().iter().enumerate().rev() {
            if let Some(parent) = stack.parent {
                used[parent.index()] |= used[at];
            }
        }
        let stacks: Vec<StackId> = (0..count).map(StackId::at).filter(|&stack| used[stack.index()]).collect();
        let mut ids = vec![None; count];
        for (id, &stack) in (FIRST..).zip(&stacks) {
            ids[stack.index()] = Some(id);
        }
        let nodes = FIRST as usize + stacks.len();
        let (mut first_child, mut next_sibling) = (vec![NONE; nodes], vec![NONE; nodes]);
        // From the end, because each child is inserted before the parent's other children.
        for &stack in stacks.iter().rev() {
            let id = ids[stack.index()].expect("it has a node");
            let parent = profile.stacks()[stack.index()].parent;
            let parent = parent.map_or(ROOT, |parent| ids[parent.index()].expect("ancestors of nodes are nodes"));
            next_sibling[id as usize] = first_child[parent as usize];
            first_child[parent as usize] = id;
        }
        next_sibling[IDLE as usize] = first_child[ROOT as usize];
        first_child[ROOT as usize] = IDLE;
        let mut scripts = FxHashMap::default();
        let call_frames = profile.frames().iter().map(|frame| {
            let next = scripts.len() + 1;
            let script = if frame.file.is_empty() { 0 } else { *scripts.entry(&*frame.file).or_insert(next) };
            CallFrame::of(frame, script)
        });
        let call_frames = call_frames.collect();
        let mut lines = profile.line_totals();
        lines.retain(|total| total.line > 0);
        lines.sort_unstable_by_key(|total| (total.stack, total.line));
        Self { profile, call_frames, stacks, ids, hits, lines, first_child, next_sibling }
    }

    fn node_of(&self, stack: Option<StackId>) -> u32 {
        stack.filter(|_| !self.profile.is_idle(stack)).and_then(|stack| self.ids[stack.index()]).unwrap_or(IDLE)
    }

    fn children(&self, id: u32) -> impl Iterator<Item = u32> {
        let listed = |id: u32| (id != NONE).then_some(id);
        std::iter::successors(listed(self.first_child[id as usize]), move |&id| listed(self.next_sibling[id as usize]))
    }

    fn lines_of(&self, stack: StackId) -> PositionTicks<'_> {
        let begin = self.lines.partition_point(|total| total.stack < stack);
        let count = self.lines[begin..].partition_point(|total| total.stack == stack);
        PositionTicks(&self.lines[begin..begin + count])
    }

    fn nodes(&self) -> impl Iterator<Item = impl Serialize> {
        static ROOT_FRAME: CallFrame<'_> = CallFrame::named("(root)");
        static IDLE_FRAME: CallFrame<'_> = CallFrame::named("(idle)");

        let idle_hits = self.hits[self.profile.stacks().len()];
        let nowhere = || PositionTicks(&[]);
        let own = [(ROOT, &ROOT_FRAME, 0, nowhere()), (IDLE, &IDLE_FRAME, idle_hits, nowhere())];
        let sampled = (FIRST..).zip(&self.stacks).map(|(id, &stack)| {
            let frame = self.profile.stacks()[stack.index()].frame;
            (id, &self.call_frames[frame.index()], self.hits[stack.index()], self.lines_of(stack))
        });
        own.into_iter().chain(sampled).map(move |(id, call_frame, hit_count, position_ticks)| Node {
            id,
            call_frame,
            hit_count,
            position_ticks,
            children: self.children(id).next().map(|_| Seq(move || self.children(id))),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Node<'a, C> {
    id: u32,
    call_frame: &'a CallFrame<'a>,
    hit_count: u32,
    #[serde(skip_serializing_if = "PositionTicks::is_empty")]
    position_ticks: PositionTicks<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    children: Option<C>,
}

/// How many of a node's hits were at each line, from 1.
struct PositionTicks<'a>(&'a [LineTotal]);

impl PositionTicks<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for PositionTicks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct PositionTick {
            line: u32,
            ticks: u64,
        }
        serializer.collect_seq(self.0.iter().map(|total| PositionTick { line: total.line, ticks: total.samples }))
    }
}

/// Lines and columns from 0, -1 when unknown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallFrame<'a> {
    function_name: &'a str,
    script_id: Cow<'a, str>,
    url: Cow<'a, str>,
    line_number: i64,
    column_number: i64,
}

impl<'a> CallFrame<'a> {
    const fn named(function_name: &'a str) -> Self {
        Self {
            function_name,
            script_id: Cow::Borrowed("0"),
            url: Cow::Borrowed(""),
            line_number: -1,
            column_number: -1,
        }
    }

    fn of(frame: &'a Frame, script: usize) -> Self {
        Self {
            function_name: &frame.function,
            script_id: script.to_string().into(),
            url: url_of(&frame.file),
            line_number: i64::from(frame.line) - 1,
            column_number: i64::from(frame.column) - 1,
        }
    }
}

/// The `file://` URL of an absolute path; anything else (`node:fs`, `evalmachine.<anonymous>`) unchanged.
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
