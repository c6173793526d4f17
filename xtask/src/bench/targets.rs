//! The performance targets, and whether they are met.

use super::markdown;
use super::results::Results;

enum Goal {
    AtMost(f64),
    AtLeast(f64),
}
use Goal::{AtLeast, AtMost};

struct Target {
    text: &'static str,
    goal: Goal,
    /// The value on one version of Node; `None` if it was not measured.
    measured: fn(&Results, &str) -> Option<f64>,
}

const fn target(text: &'static str, goal: Goal, measured: fn(&Results, &str) -> Option<f64>) -> Target {
    Target { text, goal, measured }
}

/// The figure of one profiler divided by that of another.
fn share(results: &Results, node: &str, scenario: &str, figure: &str, ours: &str, other: &str) -> Option<f64> {
    Some(results.median(node, scenario, ours, figure)? / results.median(node, scenario, other, figure)?)
}

/// The same ratio after subtracting the figure without a profiler from both.
fn added(results: &Results, node: &str, scenario: &str, figure: &str) -> Option<f64> {
    let of = |profiler| results.median(node, scenario, profiler, figure);
    let none = of("none")?;
    Some((of("ours")? - none) / (of("peer")? - none))
}

/// What one more idle worker takes, ms per second, by the two largest numbers of workers that are measured.
fn each_idle_worker(results: &Results, node: &str) -> Option<f64> {
    let cpu = |scenario| results.median(node, scenario, "ours", "idleCpu");
    let slope = |few: Option<f64>, many: Option<f64>, workers: f64| Some((many? - few?) / workers);
    let [one, sixteen, sixty_four] = ["idle workers 1", "idle workers 16", "idle workers 64"].map(cpu);
    slope(sixteen, sixty_four, 48.0).or_else(|| slope(one, sixteen, 15.0))
}

/// What a process takes after a span that one without a profiler does not take. The reading of it, by a thread of its
/// own, takes as much in both.
fn added_after(results: &Results, node: &str, figure: &str) -> Option<f64> {
    let of = |profiler| results.median(node, "after a span", profiler, figure);
    Some(of("ours")? - of("none")?)
}

const MIB: f64 = (1 << 20) as f64;

const TARGETS: &[Target] = &[
    target("longest block, deep, × the peer's", AtMost(0.01), |r, node| r.ratio(node, "deep", "longest")),
    target("longest block, very deep, × the peer's", AtMost(0.01), |r, node| r.ratio(node, "very-deep", "longest")),
    target("median block, very deep, ms", AtMost(0.5), |r, node| r.median(node, "very-deep", "ours", "blockMedian")),
    target("99th percentile of blocks, very deep, ms", AtMost(2.0), |r, node| {
        r.median(node, "very-deep", "ours", "blockP99")
    }),
    target("all blocks of a very deep chunk, × the peer's", AtMost(0.2), |r, node| {
        r.ratio(node, "very-deep", "total")
    }),
    target("last stop, 99th percentile, ms", AtMost(3.0), |r, node| {
        r.median(node, "small application", "ours", "stopP99")
    }),
    target("native stop, deep, × the peer's", AtMost(0.125), |r, node| {
        share(r, node, "deep", "stop", "ours, native", "peer")
    }),
    target("native stop, very deep, × the peer's", AtMost(0.125), |r, node| {
        share(r, node, "very-deep", "stop", "ours, native", "peer")
    }),
    target("start, small application, × the peer's", AtMost(1.0), |r, node| {
        r.median(node, "small application", "ours", "startShare")
    }),
    target("start, large application, × the peer's", AtMost(1.0), |r, node| {
        r.median(node, "large application", "ours", "startShare")
    }),
    target("added to a 5 ms request, × the peer's", AtMost(0.1), |r, node| r.ratio(node, "requests", "added")),
    target("chunk bytes, deep, × the peer's", AtMost(0.125), |r, node| r.ratio(node, "deep", "bytes")),
    target("chunk bytes, very deep, × the peer's", AtMost(0.125), |r, node| r.ratio(node, "very-deep", "bytes")),
    target("chunk bytes, gzip, deep, × the peer's", AtMost(0.5), |r, node| r.ratio(node, "deep", "gzip")),
    target("chunk bytes, gzip, very deep, × the peer's", AtMost(0.5), |r, node| r.ratio(node, "very-deep", "gzip")),
    target("CPU from stop to bytes, deep, × the peer's", AtMost(1.0 / 3.0), |r, node| r.ratio(node, "deep", "cpu")),
    target("peak RSS added, deep, × the peer's", AtMost(1.0 / 3.0), |r, node| added(r, node, "deep", "rss")),
    target("peak RSS added, very deep, × the peer's", AtMost(1.0 / 3.0), |r, node| added(r, node, "very-deep", "rss")),
    target("require, × the peer's", AtMost(0.1), |r, node| r.ratio(node, "require", "require")),
    target("package, MiB", AtMost(1.5), |r, _| Some(r.sizes.first()?.1.bytes as f64 / MIB)),
    target("package, files", AtMost(19.0), |r, _| Some(r.sizes.first()?.1.files as f64)),
    target("throughput while profiling, × the peer's", AtLeast(1.0), |r, node| r.ratio(node, "service", "throughput")),
    target("throughput while profiling, × without a profiler", AtLeast(0.98), |r, node| {
        r.median(node, "service", "ours", "throughput")
    }),
    target("throughput while idle, × without a profiler", AtLeast(0.99), |r, node| {
        r.median(node, "service", "ours, idle", "throughput")
    }),
    target("record: first line later by, ms", AtMost(60.0), |r, node| r.median(node, "record", "ours", "firstLine")),
    target("record: CPU added, %", AtMost(1.5), |r, node| r.median(node, "record", "ours", "cpuAdded")),
    target("record: page about the TypeScript compiler, kB", AtMost(100.0), |r, node| {
        Some(r.median(node, "record", "ours", "page")? / 1e3)
    }),
    target("record: lost at SIGKILL, ms", AtMost(1000.0), |r, node| r.median(node, "record", "ours", "lostKill")),
    target("record: lost at Ctrl-C, ms", AtMost(300.0), |r, node| r.median(node, "record", "ours", "lostInt")),
    target("convert: a file of 100 MB, s", AtMost(1.5), |r, node| r.median(node, "record", "ours", "convert")),
    target("convert: peak memory, × the file", AtMost(3.0), |r, node| {
        r.median(node, "record", "ours", "convertMemory")
    }),
    target("idle: CPU of the process, ms per second", AtMost(0.8), |r, node| r.median(node, "idle", "ours", "idleCpu")),
    target("idle: context switches per second", AtMost(10.0), |r, node| r.median(node, "idle", "ours", "switches")),
    target("idle: each further worker, ms per second", AtMost(0.3), each_idle_worker),
    target("idle: 64 workers, ms per second", AtMost(20.0), |r, node| {
        r.median(node, "idle workers 64", "ours", "idleCpu")
    }),
    target("0.2 to 1 s after a span, added ms per second", AtMost(1.25), |r, node| added_after(r, node, "soonAfter")),
    target("1 to 3 s after a span, added ms per second", AtMost(1.25), |r, node| added_after(r, node, "laterAfter")),
    target("cold start, small, early, × without a profiler", AtMost(1.1), |r, node| {
        r.over_none(node, "cold start small", "ours, early", "coldCpu")
    }),
    target("cold start, heavy, early, × without a profiler", AtMost(1.06), |r, node| {
        r.over_none(node, "cold start heavy", "ours, early", "coldCpu")
    }),
    target("cold start, small, lazy, × without a profiler", AtMost(1.1), |r, node| {
        r.over_none(node, "cold start small", "ours, lazy", "coldCpu")
    }),
    target("cold start, heavy, lazy, × without a profiler", AtMost(1.06), |r, node| {
        r.over_none(node, "cold start heavy", "ours, lazy", "coldCpu")
    }),
    target("compiling, lazy, × without a profiler", AtLeast(0.98), |r, node| {
        r.median(node, "compiling", "ours, lazy", "compiling")
    }),
    // The speed, so this is 1.02 times the CPU time.
    target("compiling while idle, × without a profiler", AtLeast(0.98), |r, node| {
        r.median(node, "compiling", "ours, idle", "compiling")
    }),
];

/// Each target with what was measured on each version of Node.
pub fn table(results: &Results) -> String {
    let mut rows = vec![vec![String::new(), "target".to_owned()]];
    rows[0].extend(results.nodes.iter().map(|node| format!("Node {node}")));
    rows[0].push(String::new());
    for target in TARGETS {
        let measured: Vec<_> = results.nodes.iter().map(|node| (target.measured)(results, node)).collect();
        if measured.iter().all(Option::is_none) {
            continue;
        }
        let met = measured.iter().flatten().all(|&value| match target.goal {
            AtMost(most) => value <= most,
            AtLeast(least) => value >= least,
        });
        let goal = match target.goal {
            AtMost(most) => format!("≤ {}", short(most)),
            AtLeast(least) => format!("≥ {}", short(least)),
        };
        let mut row = vec![target.text.to_owned(), goal];
        row.extend(measured.iter().map(|value| value.map_or(String::new(), short)));
        row.push(if met { "met" } else { "missed" }.to_owned());
        rows.push(row);
    }
    markdown::table(&rows)
}

/// Fewer decimals for larger values, no trailing zeros.
fn short(value: f64) -> String {
    let decimals = if value.abs() >= 10.0 {
        0
    } else if value.abs() >= 1.0 {
        2
    } else {
        4
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
