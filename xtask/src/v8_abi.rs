//! `cargo xtask v8-abi`.

use std::process::Command;

use anyhow::Result;

use crate::{libclang, node_releases, process, workspace};

pub fn run() -> Result<()> {
    let libclang = libclang::libclang()?;
    // One of each major with long-term support.
    let releases = node_releases::RELEASES.iter().filter(|release| !release.between);
    let nodes = releases.map(|release| node_releases::fetch(release.version)).collect::<Result<Vec<_>>>()?;
    // A program of its own: bindgen takes longer to build than everything else here together.
    process::run(workspace::cargo().args(["build", "--quiet", "--package", "sentry-profiler-v8-abi"]))?;
    // Not `cargo run`: cargo builds bindgen again whenever LIBCLANG_PATH is another one than last time.
    let mut command = Command::new(workspace::target()?.join("debug/sentry-profiler-v8-abi"));
    command.args(nodes.iter().map(|node| format!("{}={}", node.version, node.include().display())));
    process::run(command.env("LIBCLANG_PATH", libclang))
}
