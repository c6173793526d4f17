//! The measured values.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::machine;
use super::package_size::{Size, manifest};
use crate::node_releases::Node;

/// Node version, scenario, profiler, figure.
type Key = (String, String, String, String);

pub struct Results {
    pub quick: bool,
    pub nodes: Vec<String>,
    pub versions: Vec<(String, String)>,
    values: BTreeMap<Key, Vec<f64>>,
    pub sizes: Vec<(&'static str, Size)>,
    /// Measurements that stayed disturbed on every try: the host took much of the cores' time.
    pub disturbed: usize,
    pub load: String,
}

impl Results {
    /// The peers are in `dir`'s node_modules.
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

    /// The median of the measured values.
    pub fn median(&self, node: &str, scenario: &str, profiler: &str, figure: &str) -> Option<f64> {
        median(self.values_of(node, scenario, profiler, figure)?.clone())
    }

    fn values_of(&self, node: &str, scenario: &str, profiler: &str, figure: &str) -> Option<&Vec<f64>> {
        self.values.get(&(node.to_owned(), scenario.to_owned(), profiler.to_owned(), figure.to_owned()))
    }

    /// The median of the ratios to the same program without a profiler in the same round.
    pub fn over_none(&self, node: &str, scenario: &str, profiler: &str, figure: &str) -> Option<f64> {
        let values = |profiler| self.values_of(node, scenario, profiler, figure);
        median(values(profiler)?.iter().zip(values("none")?).map(|(value, none)| value / none).collect())
    }

    /// Our figure divided by the peer's.
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

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => Some((values.get(middle.checked_sub(1)?)? + values[middle]) / 2.0),
        _ => Some(values[middle]),
    }
}
