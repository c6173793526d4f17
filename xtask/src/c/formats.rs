//! In every format, every function gets the time that it took; on Node.

use anyhow::{Context, Result};

use super::compile::{compiler, scratch};
use super::install::test_library;
use crate::{node_releases, npm, process, workspace};

pub fn formats(name: Option<&str>) -> Result<String> {
    let lib = test_library()?;
    let sources = workspace::root().join("tests/formats");
    let modules = workspace::target()?.join("formats");
    npm::installed("formats", &sources, &modules)?;
    let mut remarks = Vec::new();
    let releases = node_releases::RELEASES.iter().filter(|release| !release.between && release.unavailable().is_none());
    // The oldest has the V8 of libnode, and samples as the next one does.
    for release in releases.skip(1) {
        let node = node_releases::fetch(release.version)?;
        let file = scratch(&format!("formats-{}", node.version))?.join("addon.node");
        let mut command = compiler("g++", "c++20");
        command.args(["-O1", "-fno-rtti", "-fPIC", "-shared", "-isystem"]).arg(node.include());
        command.arg(sources.join("addon.cc")).arg("-o").arg(&file);
        command.arg(format!("-L{}", lib.display())).arg(format!("-Wl,-rpath,{}", lib.display()));
        process::output(command.arg("-lsentry_profiler"))?;

        let mut command = node.command();
        command.args(["--test", "--test-reporter=spec"]);
        command.args(name.map(|name| format!("--test-name-pattern={name}"))).arg(sources.join("formats.test.mjs"));
        command.env("SENTRY_PROFILER_TEST_FORMATS_ADDON", &file).env_remove("NODE_OPTIONS");
        command.env("SENTRY_PROFILER_TEST_FORMATS_MODULES", modules.join("node_modules"));
        process::run(&mut command).with_context(|| format!("Node {}", node.version))?;
        remarks.push(node.version);
    }
    Ok(format!("Node {}", remarks.join(", ")))
}
