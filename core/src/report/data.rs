//! What the viewer reads: a JSON document that says how much there is of what, then columns of numbers.
//!
//! Everything that repeats is written once: strings, files and frames for all threads, stacks as a tree in the order
//! of a walk through it, so that most of its numbers are 0. `viewer/data.js` reads this.

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::{Report, Sources, Thread};
use crate::columns::{Columns, zigzag};
use crate::profile::origin::{Origin, Places};
use crate::{Frame, Profile, Sample, StackId};

#[derive(Serialize)]
struct Document<'a> {
    reports: Vec<ReportHead<'a>>,
    strings: Vec<String>,
    files: usize,
    frames: usize,
}

#[derive(Serialize)]
struct ReportHead<'a> {
    title: &'a str,
    start: i64,
    end: i64,
    exit: Option<String>,
    unrecorded: &'a [String],
    sources: &'a Sources,
    processes: Vec<ProcessHead<'a>>,
}

#[derive(Serialize)]
struct ProcessHead<'a> {
    name: &'a str,
    threads: Vec<ThreadHead<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ThreadHead<'a> {
    name: &'a str,
    cpu: Option<u64>,
    start: i64,
    end: i64,
    interval: u32,
    grain: i64,
    dropped: u64,
    merged_calls: usize,
    nodes: usize,
    samples: usize,
    cpu_readings: usize,
    heap_readings: usize,
    spans: usize,
}

/// What is left out of a page that would be too large.
#[derive(Clone, Copy)]
pub struct Detail {
    /// Calls that have fewer samples are merged.
    pub least: u32,
    /// Whether times are rounded, to a 64th of a sampling interval.
    pub rounded: bool,
}

/// The bytes of reports.
pub fn of(reports: &[&Report<'_>], detail: Detail) -> Vec<u8> {
    let mut tables = Tables::default();
    let mut columns = Columns::default();
    let heads = reports.iter().map(|report| {
        let places = Places::of(report.processes.iter().flat_map(|p| &p.threads).flat_map(|t| t.profile.frames()));
        let processes = report.processes.iter().map(|process| {
            let threads =
                process.threads.iter().map(|thread| put_thread(thread, detail, &places, &mut tables, &mut columns));
            ProcessHead { name: &process.name, threads: threads.collect() }
        });
        ReportHead {
            title: &report.title,
            start: report.start.us(),
            end: report.end.us(),
            exit: report.exit.as_ref().map(ToString::to_string),
            unrecorded: &report.unrecorded,
            sources: &report.sources,
            processes: processes.collect(),
        }
    });
    let reports: Vec<_> = heads.collect();
    let Tables { strings, files, frames, .. } = tables;
    let document = Document { reports, strings: strings.list, files: files.list.len(), frames: frames.list.len() };
    let json = serde_json::to_vec(&document).expect("string keys into memory cannot fail");
    let mut shared = Columns::default();
    put_table(&mut shared, &files.list);
    put_table(&mut shared, &frames.list);
    let length = (json.len() as u32).to_le_bytes();
    [&length[..], &json, &shared.into_bytes(), &columns.into_bytes()].concat()
}

fn put_table<const N: usize>(columns: &mut Columns, rows: &[[u32; N]]) {
    for column in 0..N {
        columns.put_all(rows.iter().map(|row| u64::from(row[column])));
    }
}

/// Things in the order in which they came first.
struct Numbered<T> {
    list: Vec<T>,
    numbers: FxHashMap<T, u32>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { list: vec![], numbers: FxHashMap::default() }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Numbered<T> {
    fn number<Q: ?Sized + Eq + std::hash::Hash + ToOwned<Owned = T>>(&mut self, thing: &Q) -> u32
    where
        T: std::borrow::Borrow<Q>,
    {
        if let Some(&number) = self.numbers.get(thing) {
            return number;
        }
        let number = self.list.len() as u32;
        self.list.push(thing.to_owned());
        self.numbers.insert(thing.to_owned(), number);
        number
    }
}

/// What all threads share.
#[derive(Default)]
struct Tables {
    strings: Numbered<String>,
    /// Path, package, and how much of the path is not shown, in UTF-16 units.
    files: Numbered<[u32; 3]>,
    /// Name, file, line, column, and whose it is.
    frames: Numbered<[u32; 5]>,
}

impl Tables {
    fn frame(&mut self, frame: &Frame, places: &Places<'_>) -> u32 {
        let origin = Origin::of(frame);
        let shown = places.path(frame);
        let hidden = frame.file[..frame.file.len() - shown.len()].encode_utf16().count() as u32;
        let path = self.strings.number(&*frame.file);
        let package = self.strings.number(package_of(origin, shown, hidden > 0));
        let file = self.files.number(&[path, package, hidden]);
        let name = self.strings.number(&*frame.function);
        self.frames.number(&[name, file, frame.line, frame.column, origin as u32])
    }

    /// Stands for calls that are merged.
    fn merged(&mut self, origin: Origin) -> u32 {
        let nothing = self.strings.number("");
        let file = self.files.number(&[nothing, nothing, 0]);
        let name = self.strings.number("(smaller calls)");
        self.frames.number(&[name, file, 0, 0, origin as u32])
    }
}

/// The package that a file belongs to, empty where there is none.
pub fn package_of(origin: Origin, shown: &str, in_packages: bool) -> &str {
    match origin {
        Origin::Node => "node",
        Origin::Dependency if in_packages => {
            let scope = if shown.starts_with('@') { 1 } else { 0 };
            let end = shown.match_indices(['/', '\\']).nth(scope).map_or(shown.len(), |(at, _)| at);
            &shown[..end]
        }
        Origin::Dependency if shown.starts_with("wasm:") => "wasm",
        _ => "",
    }
}

fn put_thread<'a>(
    thread: &'a Thread<'_>,
    detail: Detail,
    places: &Places<'_>,
    tables: &mut Tables,
    columns: &mut Columns,
) -> ThreadHead<'a> {
    let profile = thread.profile;
    let tree = Tree::new(profile, detail.least);
    let frames: Vec<u32> = tree
        .nodes
        .iter()
        .map(|node| match node.frame {
            NodeFrame::Of(stack) => {
                tables.frame(&profile.frames()[profile.stacks()[stack.index()].frame.index()], places)
            }
            NodeFrame::Merged(origin) => tables.merged(origin),
        })
        .collect();
    // How far up from the node before it: 0 is its child.
    let depths = || tree.nodes.iter().map(|node| u64::from(node.depth));
    let before = std::iter::once(0).chain(depths().map(|depth| depth + 1));
    columns.put_all(before.zip(depths()).map(|(deepest, depth)| deepest - depth));
    columns.put_steps(0, frames.into_iter().map(i64::from));

    let start = profile.start().us();
    let samples = profile.samples();
    let grain = if detail.rounded { i64::from(profile.interval_us() / 64).max(1) } else { 1 };
    columns.put_steps(0, samples.iter().map(|sample| (sample.time.us() - start + grain / 2).div_euclid(grain)));
    columns.put_steps(
        0,
        samples.iter().map(|sample| {
            sample
                .stack
                .filter(|_| !profile.is_idle(sample.stack))
                .map_or(0, |stack| i64::from(tree.node_of[stack.index()]))
        }),
    );
    for sample in samples {
        columns.put(line_of(profile, sample, &tree));
    }
    let readings = profile.measurements();
    columns.put_steps(start, readings.cpu_usage.iter().map(|point| point.time.us()));
    // Hundredths of a percent.
    columns.put_steps(0, readings.cpu_usage.iter().map(|point| (point.value * 100.0).round() as i64));
    columns.put_steps(start, readings.memory_footprint.iter().map(|point| point.time.us()));
    // Kibibytes.
    columns.put_steps(0, readings.memory_footprint.iter().map(|point| (point.value / 1024.0).round() as i64));
    let mut spans: Vec<_> = thread.spans.iter().collect();
    spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    columns.put_steps(start, spans.iter().map(|span| span.start.us()));
    columns.put_all(spans.iter().map(|span| (span.end - span.start).max(0) as u64));
    columns.put_all(spans.iter().map(|span| u64::from(tables.strings.number(&*span.name))));

    ThreadHead {
        name: &thread.name,
        cpu: thread.cpu.map(|cpu| cpu.as_micros() as u64),
        start,
        end: profile.end().us(),
        interval: profile.interval_us(),
        grain,
        dropped: profile.dropped_samples(),
        merged_calls: tree.merged,
        nodes: tree.nodes.len(),
        samples: samples.len(),
        cpu_readings: readings.cpu_usage.len(),
        heap_readings: readings.memory_footprint.len(),
        spans: spans.len(),
    }
}

/// The line of a sample, 0 when unknown, else one more than how far it is from its function's first, of either sign.
fn line_of(profile: &Profile, sample: &Sample, tree: &Tree) -> u64 {
    let Some(stack) = sample.stack.filter(|_| sample.line > 0) else { return 0 };
    let node = tree.node_of[stack.index()] as usize;
    if !matches!(node.checked_sub(1).map(|at| &tree.nodes[at].frame), Some(NodeFrame::Of(_))) {
        return 0;
    }
    let first = profile.frames()[profile.stacks()[stack.index()].frame.index()].line;
    1 + zigzag(i64::from(sample.line) - i64::from(first))
}

/// The sampled stacks in the order of a walk through them.
struct Tree {
    nodes: Vec<Node>,
    /// By stack: its node, from 1; 0 where it was not sampled.
    node_of: Vec<u32>,
    /// How many stacks have no node of their own.
    merged: usize,
}

struct Node {
    depth: u32,
    frame: NodeFrame,
}

enum NodeFrame {
    Of(StackId),
    Merged(Origin),
}

impl Tree {
    fn new(profile: &Profile, least: u32) -> Self {
        let stacks = profile.stacks();
        let mut own = vec![0_u32; stacks.len()];
        for stack in profile.samples().iter().filter_map(|sample| sample.stack) {
            if !profile.is_idle(Some(stack)) {
                own[stack.index()] += 1;
            }
        }
        // Parents stand before their children: one pass from the end reaches every ancestor.
        let mut all = own.clone();
        let mut children: Vec<Vec<u32>> = vec![vec![]; stacks.len()];
        let mut roots = vec![];
        for (at, stack) in stacks.iter().enumerate().rev() {
            if all[at] > 0 {
                match stack.parent {
                    Some(parent) => {
                        all[parent.index()] += all[at];
                        children[parent.index()].push(at as u32);
                    }
                    None => roots.push(at as u32),
                }
            }
        }
        let mut tree = Self { nodes: vec![], node_of: vec![0; stacks.len()], merged: 0 };
        // Lists were filled from the end, so what was called first comes off first.
        let mut walk: Vec<(u32, u32)> = roots.into_iter().map(|root| (root, 0)).collect();
        while let Some((at, depth)) = walk.pop() {
            let stack = StackId::at(at as usize);
            tree.add(Node { depth, frame: NodeFrame::Of(stack) });
            tree.node_of[at as usize] = tree.nodes.len() as u32;
            let (small, large): (Vec<u32>, Vec<u32>) =
                std::mem::take(&mut children[at as usize]).into_iter().partition(|&child| all[child as usize] < least);
            tree.merge(profile, &own, &mut children, small, depth + 1);
            walk.extend(large.into_iter().map(|child| (child, depth + 1)));
        }
        tree
    }

    fn add(&mut self, node: Node) {
        self.nodes.push(node);
    }

    /// Puts small calls and all that they call into one node for each kind of code that ran in them.
    fn merge(&mut self, profile: &Profile, own: &[u32], children: &mut [Vec<u32>], small: Vec<u32>, depth: u32) {
        let mut nodes = [0; Origin::ALL.len()];
        let mut rest = small;
        while let Some(at) = rest.pop() {
            self.merged += 1;
            rest.append(&mut children[at as usize]);
            if own[at as usize] == 0 {
                continue;
            }
            let frame = &profile.frames()[profile.stacks()[at as usize].frame.index()];
            let origin = Origin::of(frame);
            if nodes[origin as usize] == 0 {
                self.add(Node { depth, frame: NodeFrame::Merged(origin) });
                nodes[origin as usize] = self.nodes.len() as u32;
            }
            self.node_of[at as usize] = nodes[origin as usize];
        }
    }
}
