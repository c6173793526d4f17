//! The results as Markdown.

use super::results::Results;
use super::scenarios::Scenario;
use super::{machine, markdown, targets};

/// The figures that programs print, in the order in which they are shown: key, text, decimals.
const FIGURES: &[(&str, &str, usize)] = &[
    ("firstStart", "first start, ms", 2),
    ("start", "start, ms", 2),
    ("startQuartile", "start, lower quartile, ms", 3),
    ("startShare", "start, lower quartile, × the peer's in the same process", 3),
    ("stop", "stop, ms", 2),
    ("deliver", "serialize, ms", 2),
    ("longest", "longest block of the thread, ms", 2),
    ("blockMedian", "median block, ms", 3),
    ("blockP99", "99th percentile of blocks, ms", 2),
    ("total", "sum of all blocks, ms", 1),
    ("deleting", "of that, V8's Delete, ms", 1),
    ("stopMedian", "stop, ms", 2),
    ("stopP99", "stop, 99th percentile, ms", 2),
    ("cpu", "CPU time from stop to bytes, ms", 1),
    ("ownThreads", "CPU time of the profiler's threads, whole run, ms", 1),
    ("rss", "peak RSS above the start, MB", 1),
    ("bytes", "bytes", 0),
    ("gzip", "bytes, gzip", 0),
    ("require", "require, ms", 2),
    ("ready", "require and first call, ms", 1),
    ("added", "added to a request outside its work, ms", 3),
    ("addedToWhole", "added to a request with its work, ms", 3),
    ("hooks", "the profiler's hooks in a request, ms", 3),
    ("beyondWork", "an unprofiled request outside its work, ms", 3),
    ("throughput", "requests, × the twin's", 3),
    ("requests", "requests per CPU second", 0),
    ("onThread", "the profiler on the service's thread, ms per second", 3),
    ("ownThreadsPerSecond", "the profiler's own threads, ms per second", 3),
    ("numbers", "numbers, × the twin's rounds", 3),
    ("numbersPerSecond", "numbers, rounds per CPU second", 0),
    ("objects", "objects, × the twin's rounds", 3),
    ("objectsPerSecond", "objects, rounds per CPU second", 0),
    ("json", "JSON, × the twin's rounds", 3),
    ("jsonPerSecond", "JSON, rounds per CPU second", 0),
    ("calls", "calls, × the twin's rounds", 3),
    ("callsPerSecond", "calls, rounds per CPU second", 0),
    ("firstLine", "the program's first line is later by, ms", 0),
    ("cpuAdded", "CPU added to a run, with the report, %", 2),
    ("page", "page about the compiler, bytes", 0),
    ("lostKill", "lost of an endless loop at SIGKILL, ms", 0),
    ("lostInt", "lost of an endless loop at Ctrl-C, ms", 0),
    ("convert", "converting the file, s", 2),
    ("convertMemory", "peak memory of that, × the file", 2),
    ("idleCpu", "CPU of the process, ms per second", 2),
    ("switches", "context switches per second", 1),
    ("soonAfter", "CPU 0.2 to 1 s after a span, ms per second", 2),
    ("laterAfter", "CPU 1 to 3 s after a span, ms per second", 2),
    ("coldCpu", "CPU of the process, ms", 0),
    ("compiling", "functions compiled, × the twin's", 3),
    ("compilingPerSecond", "functions compiled per CPU second", 0),
    ("load", "load of the core", 2),
    ("requestCpu", "CPU of a request, × the twin's", 3),
    ("latencyMedian", "median latency, ms", 2),
    ("latencyP99", "latency, 99th percentile, ms", 2),
];

/// Figures that are also shown relative to those without a profiler in the same round.
const PAIRED: &[&str] = &["coldCpu"];

/// When, where and with which versions this was measured, as Markdown.
fn circumstances(results: &Results) -> String {
    let versions: Vec<_> = results.versions.iter().map(|(package, version)| format!("{package} {version}")).collect();
    let mut text = format!(
        "{}, {}, load {} when it began; Node {}; {}.\n",
        machine::today(),
        machine::describe(),
        results.load,
        results.nodes.join(", "),
        versions.join(", "),
    );
    if results.disturbed > 0 {
        text +=
            &format!("\n{} measurements were made while the host took much of the cores' time.\n", results.disturbed);
    }
    if results.quick {
        text += "\nA quick run: short recordings, few repetitions. Its ratios are rougher, and those of long recordings \
                 larger, than a full run's.\n";
    }
    text
}

/// The targets, as Markdown.
pub fn summary(results: &Results) -> String {
    format!("{}\n{}", circumstances(results), targets::table(results))
}

/// The whole report, as Markdown.
pub fn report(results: &Results, scenarios: &[Scenario]) -> String {
    let mut report = format!("# Results\n\n{}", circumstances(results));
    report += "\n`ours` is the integration, `ours, native` the functions of @sentry/node-cpu-profiler on our \
               add-on, `peer` that package itself and what its SDK does to a chunk. Medians.\n\n## Targets\n\n";
    report += &targets::table(results);
    report += "\n## Package\n\n";
    let mut rows = vec![["", "MiB", "files"].map(str::to_owned).to_vec()];
    for (name, size) in &results.sizes {
        let mib = format!("{:.2}", size.bytes as f64 / f64::from(1 << 20));
        rows.push(vec![(*name).to_owned(), mib, size.files.to_string()]);
    }
    report += &markdown::table(&rows);
    report += "\nWhat the package adds to a service that has @sentry/node.\n";
    for scenario in scenarios {
        report +=
            &format!("\n## {}\n\n{}.\n", markdown::capitalized(scenario.name), markdown::capitalized(&scenario.about));
        for node in &results.nodes {
            report += &format!("\n{}", scenario_table(results, node, scenario));
        }
    }
    report
}

fn scenario_table(results: &Results, node: &str, scenario: &Scenario) -> String {
    let mut rows = vec![vec![format!("Node {node}")]];
    rows[0].extend(scenario.profilers.iter().map(|&profiler| profiler.to_owned()));
    rows[0].push("ours / peer".to_owned());
    for &(figure, text, decimals) in FIGURES {
        let values: Vec<_> =
            scenario.profilers.iter().map(|profiler| results.median(node, scenario.name, profiler, figure)).collect();
        if values.iter().all(Option::is_none) {
            continue;
        }
        let mut row = vec![text.to_owned()];
        row.extend(values.iter().map(|value| value.map_or(String::new(), |value| format!("{value:.decimals$}"))));
        row.push(results.ratio(node, scenario.name, figure).map_or(String::new(), |ratio| format!("{ratio:.3}")));
        rows.push(row);
        if PAIRED.contains(&figure) {
            let ratios = scenario.profilers.iter().map(|p| results.over_none(node, scenario.name, p, figure));
            let mut row = vec!["the same, × without a profiler".to_owned()];
            row.extend(ratios.map(|ratio| ratio.map_or(String::new(), |ratio| format!("{ratio:.3}"))));
            rows.push(row);
        }
    }
    markdown::table(&rows)
}
