//! What was measured, and how it is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::{Scenario, machine, targets};
use crate::nodes::Node;

/// The figures that programs print, in the order in which they are shown: key, text, decimals.
const FIGURES: &[(&str, &str, usize)] = &[
    ("firstStart", "first start, ms", 2),
    ("start", "start, ms", 2),
    ("startQuartile", "start, lower quartile, ms", 3),
    ("startShare", "start, lower quartile, of the peer's in the same process", 3),
    ("stop", "stop, ms", 2),
    ("deliver", "serialize, ms", 2),
    ("longest", "longest block of the thread, ms", 2),
    ("blockMedian", "median block, ms", 3),
    ("blockP99", "99th percentile of blocks, ms", 2),
    ("total", "all blocks together, ms", 1),
    ("deleting", "V8's Delete of them, ms", 1),
    ("stopMedian", "stop, ms", 2),
    ("stopP99", "stop, 99th percentile, ms", 2),
    ("cpu", "CPU time from stop to bytes, ms", 1),
    ("ownThreads", "CPU time of the profiler's threads, all along, ms", 1),
    ("rss", "peak RSS above the start, MB", 1),
    ("bytes", "bytes", 0),
    ("gzip", "bytes, gzip", 0),
    ("require", "require, ms", 2),
    ("ready", "require and first call, ms", 1),
    ("added", "added to a request, its work aside, ms", 3),
    ("addedToWhole", "added to a request and its work, ms", 3),
    ("hooks", "the profiler's hooks in a request, ms", 3),
    ("beyondWork", "a request that is not profiled, its work aside, ms", 3),
    ("throughput", "requests, of the twin's", 3),
    ("requests", "requests a CPU second", 0),
    ("onThread", "the profiler on the service's thread, ms a second", 3),
    ("ownThreadsPerSecond", "the profiler's own threads, ms a second", 3),
    ("numbers", "numbers, of the twin's rounds", 3),
    ("numbersPerSecond", "numbers, rounds a CPU second", 0),
    ("objects", "objects, of the twin's rounds", 3),
    ("objectsPerSecond", "objects, rounds a CPU second", 0),
    ("json", "JSON, of the twin's rounds", 3),
    ("jsonPerSecond", "JSON, rounds a CPU second", 0),
    ("calls", "calls, of the twin's rounds", 3),
    ("callsPerSecond", "calls, rounds a CPU second", 0),
];

/// Node's version, scenario, profiler, figure.
type Key = (String, String, String, String);

/// Bytes and files of a package with what it brings along.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub bytes: u64,
    pub files: u64,
}

pub struct Results {
    quick: bool,
    pub nodes: Vec<String>,
    versions: Vec<(String, String)>,
    values: BTreeMap<Key, Vec<f64>>,
    pub sizes: Vec<(&'static str, Size)>,
    /// Measurements while the machine gave much of its time to others, each time that they were tried.
    pub disturbed: usize,
    load: String,
}

impl Results {
    /// `dir` has the peers in its node_modules.
    pub fn new(quick: bool, nodes: &[Node], dir: &Path) -> Result<Self> {
        let packages = [
            "sentry-profiler-node",
            "@sentry/node",
            "@sentry/profiling-node",
            "@sentry/node-cpu-profiler",
            "@datadog/pprof",
        ];
        let version = |package: &str| -> Result<(String, String)> {
            let version = manifest(&dir.join("node_modules").join(package))?["version"].as_str().map(str::to_owned);
            Ok((package.to_owned(), version.context("a package has no version")?))
        };
        Ok(Self {
            quick,
            nodes: nodes.iter().map(|node| node.version.clone()).collect(),
            versions: packages.iter().map(|package| version(package)).collect::<Result<_>>()?,
            values: BTreeMap::new(),
            sizes: Vec::new(),
            disturbed: 0,
            load: machine::load(),
        })
    }

    pub fn add(&mut self, node: &str, scenario: &str, profiler: &str, figures: &Map<String, Value>) {
        for (figure, value) in figures {
            let key = (node.to_owned(), scenario.to_owned(), profiler.to_owned(), figure.clone());
            self.values.entry(key).or_default().extend(value.as_f64());
        }
    }

    /// The median of what was measured.
    pub fn median(&self, node: &str, scenario: &str, profiler: &str, figure: &str) -> Option<f64> {
        let key = (node.to_owned(), scenario.to_owned(), profiler.to_owned(), figure.to_owned());
        let mut values = self.values.get(&key)?.clone();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() % 2 {
            0 => Some((values.get(middle.checked_sub(1)?)? + values[middle]) / 2.0),
            _ => Some(values[middle]),
        }
    }

    /// When and where this was measured, of which versions; Markdown.
    fn circumstances(&self) -> String {
        let versions: Vec<_> = self.versions.iter().map(|(package, version)| format!("{package} {version}")).collect();
        let mut text = format!(
            "{}, {}, load {} when it began; Node {}; {}.\n",
            machine::today(),
            machine::describe(),
            self.load,
            self.nodes.join(", "),
            versions.join(", "),
        );
        if self.disturbed > 0 {
            text += &format!(
                "\n{} measurements were made while the machine gave much of its time to others.\n",
                self.disturbed
            );
        }
        if self.quick {
            text += "\nA quick run: short recordings, few repetitions. Its ratios are rougher, and those of long recordings larger, \
                       than a full run's.\n";
        }
        text
    }

    /// The targets, Markdown.
    pub fn summary(&self) -> String {
        format!("{}\n{}", self.circumstances(), targets::table(self))
    }

    /// Everything, Markdown.
    pub fn report(&self, scenarios: &[Scenario]) -> String {
        let mut report = format!("# Results\n\n{}", self.circumstances());
        report += "\n`ours` is the integration's path, `ours, native` the functions of @sentry/node-cpu-profiler on our add-on, `peer` that \
                   package itself with what its SDK does to a chunk. Medians.\n\n## Targets\n\n";
        report += &targets::table(self);
        report += "\n## Package\n\n";
        let mut rows = vec![["", "MiB", "files"].map(str::to_owned).to_vec()];
        for (name, size) in &self.sizes {
            let mib = format!("{:.2}", size.bytes as f64 / f64::from(1 << 20));
            rows.push(vec![(*name).to_owned(), mib, size.files.to_string()]);
        }
        report += &table(&rows);
        report += "\nWhat the package adds to a service that has @sentry/node.\n";
        for scenario in scenarios {
            report += &format!("\n## {}\n\n{}.\n", capitalized(scenario.name), capitalized(&scenario.about));
            for node in &self.nodes {
                report += &format!("\n{}", self.scenario_table(node, scenario));
            }
        }
        report
    }

    fn scenario_table(&self, node: &str, scenario: &Scenario) -> String {
        let mut rows = vec![vec![format!("Node {node}")]];
        rows[0].extend(scenario.profilers.iter().map(|&profiler| profiler.to_owned()));
        rows[0].push("ours / peer".to_owned());
        for &(figure, text, decimals) in FIGURES {
            let values: Vec<_> =
                scenario.profilers.iter().map(|profiler| self.median(node, scenario.name, profiler, figure)).collect();
            if values.iter().all(Option::is_none) {
                continue;
            }
            let mut row = vec![text.to_owned()];
            row.extend(values.iter().map(|value| value.map_or(String::new(), |value| format!("{value:.decimals$}"))));
            row.push(self.ratio(node, scenario.name, figure).map_or(String::new(), |ratio| format!("{ratio:.3}")));
            rows.push(row);
        }
        table(&rows)
    }

    /// Ours over the peer's.
    pub fn ratio(&self, node: &str, scenario: &str, figure: &str) -> Option<f64> {
        Some(self.median(node, scenario, "ours", figure)? / self.median(node, scenario, "peer", figure)?)
    }

    /// Every value.
    pub fn json(&self) -> Value {
        let values = self.values.iter().map(|((node, scenario, profiler, figure), values)| {
            json!({"node": node, "scenario": scenario, "profiler": profiler, "figure": figure, "values": values})
        });
        let sizes =
            self.sizes.iter().map(|(name, size)| json!({"package": name, "bytes": size.bytes, "files": size.files}));
        json!({
            "date": machine::today(),
            "machine": machine::describe(),
            "load": self.load,
            "disturbed": self.disturbed,
            "quick": self.quick,
            "versions": self.versions.iter().cloned().collect::<BTreeMap<_, _>>(),
            "measurements": values.collect::<Vec<_>>(),
            "sizes": sizes.collect::<Vec<_>>(),
        })
    }
}

/// A table that is readable as text, and Markdown. The first row is its head; all but the first column are numbers.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0).max(3)).collect();
    let line = |row: &[String]| {
        let cells = widths.iter().enumerate().map(|(at, &width)| {
            let cell = row.get(at).map_or("", String::as_str);
            if at == 0 { format!("{cell:width$}") } else { format!("{cell:>width$}") }
        });
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = widths.iter().enumerate().map(|(at, &width)| match at {
        0 => "-".repeat(width),
        _ => "-".repeat(width - 1) + ":",
    });
    let rule = format!("| {} |\n", rule.collect::<Vec<_>>().join(" | "));
    rows.iter().enumerate().map(|(at, row)| if at == 0 { line(row) + &rule } else { line(row) }).collect()
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// A package in `dir`'s node_modules and all that it depends on, without what another package brings anyway.
pub fn size_of(dir: &Path, package: &str, without: Option<&str>) -> Result<Size> {
    let modules = dir.join("node_modules");
    let mut folders = closure(&modules, package)?;
    if let Some(without) = without {
        let others = closure(&modules, without)?;
        folders.retain(|folder| !others.contains(folder));
    }
    let mut size = Size { bytes: 0, files: 0 };
    folders.iter().try_for_each(|folder| add(folder, &mut size))?;
    Ok(size)
}

fn closure(modules: &Path, package: &str) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut open = vec![package.to_owned()];
    while let Some(package) = open.pop() {
        let folder = modules.join(package);
        // One of another platform is not installed; one of a version of its own lies inside of who needs it.
        if !folder.is_dir() || !found.insert(folder.clone()) {
            continue;
        }
        let manifest = manifest(&folder)?;
        open.extend(manifest["dependencies"].as_object().into_iter().flat_map(|map| map.keys().cloned()));
        open.extend(manifest["optionalDependencies"].as_object().into_iter().flat_map(|map| map.keys().cloned()));
    }
    Ok(found)
}

fn manifest(folder: &Path) -> Result<Value> {
    let file = folder.join("package.json");
    Ok(serde_json::from_slice(&fs::read(&file).with_context(|| format!("reading {}", file.display()))?)?)
}

fn add(folder: &Path, size: &mut Size) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            add(&entry.path(), size)?;
        } else {
            size.bytes += entry.metadata()?.len();
            size.files += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn a_table_is_aligned() {
        let rows = [["", "a"], ["longer", "10"], ["µs", "1000"]].map(|row| row.map(str::to_owned).to_vec());
        let expected = "|        |    a |\n| ------ | ---: |\n| longer |   10 |\n| µs     | 1000 |\n";
        assert_eq!(table(&rows), expected);
    }
}
