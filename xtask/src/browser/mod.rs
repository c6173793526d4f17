//! What people open in a browser: reports and flame graphs are made, and tests open them in one.

mod flamegraphs;
mod profiles;
mod reports;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::npm_package::Package;
use crate::platforms::fetch;
use crate::{node_releases, npm, process, workspace};

/// The browser, of Debian.
pub const PACKAGES: &[&str] = &["chromium"];

/// Opens all of them in a browser; what it shows stays next to them. Returns where.
pub fn test(package: &Package, name: Option<&str>) -> Result<String> {
    let sources = workspace::root().join("tests/browser");
    let dir = workspace::target()?.join("browser");
    npm::installed("browser", &sources, &dir)?;
    let [of_reports, of_flamegraphs] = ["reports", "flamegraphs"].map(|name| dir.join(name));
    fs::create_dir_all(&of_reports)?;
    fs::create_dir_all(&of_flamegraphs)?;
    reports::write(&of_reports, &recorded_compiler(package, &sources, &dir)?)?;
    flamegraphs::write(&of_flamegraphs)?;
    record_known(package, &sources, &dir.join("known"))?;
    let node = node_releases::fetch(node_releases::USUAL)?;
    let mut command = node.command();
    command.args(["--test", "--test-reporter=spec"]).args(name.map(|name| format!("--test-name-pattern={name}")));
    let files = ["report.test.mjs", "report-data.test.mjs", "flamegraph.test.mjs", "readers.test.mjs"];
    command.args(files.map(|file| sources.join(file)));
    command.env("SENTRY_PROFILER_TEST_GO_PPROF", go_pprof()?);
    // Not at once: what an action takes is measured.
    command.arg("--test-concurrency=1").env("SENTRY_PROFILER_TEST_BROWSER", &dir);
    process::run(command.env_remove("NODE_OPTIONS"))?;
    Ok(format!("what it showed is in {}", workspace::show(&dir)))
}

/// `go tool pprof`.
fn go_pprof() -> Result<PathBuf> {
    let folder = fetch::debian("bookworm", "amd64", &["golang-1.19-go"])?;
    Ok(folder.join("usr/lib/go-1.19/pkg/tool/linux_amd64/pprof"))
}

/// Records a program that knows its own times, in the formats that others read. `known.json` has the times.
fn record_known(package: &Package, sources: &Path, dir: &Path) -> Result<()> {
    workspace::remove(dir)?;
    fs::create_dir_all(dir)?;
    let node = node_releases::fetch(node_releases::USUAL)?;
    let mut command = node.command();
    command.arg(package.dir.join("dist/cli.js")).args(["record", "-q", "-f", "cpuprofile,pprof,folded", "-o"]).arg(dir);
    command.arg(sources.join("record-known.cjs"));
    let known =
        process::output(command.env_remove("NODE_OPTIONS")).context("recording a program that knows its times")?;
    fs::write(dir.join("known.json"), known).context("writing its times")
}

/// What the TypeScript compiler does for two seconds or so: the payload of a chunk.
fn recorded_compiler(package: &Package, sources: &Path, dir: &Path) -> Result<serde_json::Value> {
    let file = dir.join("compiler.json");
    let node = node_releases::fetch(node_releases::USUAL)?;
    let mut command = node.command();
    command.arg(sources.join("record-compiler.cjs")).arg(package.addon()).arg(dir).arg(&file);
    process::output(command.env_remove("NODE_OPTIONS")).context("recording the TypeScript compiler")?;
    serde_json::from_reader(fs::File::open(&file)?).with_context(|| format!("reading {}", file.display()))
}
