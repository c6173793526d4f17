//! `cargo xtask v8-abi`.

use std::process::Command;

use anyhow::Result;

use crate::{libclang, node_exports, node_releases, process, workspace};

pub fn run() -> Result<()> {
    let libclang = libclang::libclang()?;
    // One release of each major with long-term support.
    let releases = node_releases::RELEASES.iter().filter(|release| !release.between);
    let nodes = releases.map(|release| node_releases::fetch(release.version)).collect::<Result<Vec<_>>>()?;
    // A separate program, because bindgen takes longer to build than the rest of xtask.
    process::run(workspace::cargo().args(["build", "--quiet", "--package", "sentry-profiler-v8-abi"]))?;
    // Not `cargo run`, which would rebuild bindgen whenever LIBCLANG_PATH changes.
    let mut command = Command::new(workspace::target()?.join("debug/sentry-profiler-v8-abi"));
    command.args(nodes.iter().map(|node| format!("{}={}", node.version, node.include().display())));
    process::run(command.env("LIBCLANG_PATH", libclang))?;
    node_exports::compare()
}
