//! `cargo xtask v8-abi`.

use std::process::Command;

use anyhow::Result;

use crate::{clang, nodes, process, tree};

/// The majors whose headers are compared: every one with long-term support, oldest to newest.
const MAJORS: [&str; 5] = ["18", "20", "22", "24", "26"];

pub fn run() -> Result<()> {
    let libclang = clang::libclang()?;
    let nodes = MAJORS.iter().map(|major| nodes::fetch(major)).collect::<Result<Vec<_>>>()?;
    // A program of its own: bindgen takes longer to build than everything else here together.
    process::run(tree::cargo().args(["build", "--quiet", "--package", "sentry-profiler-v8-abi"]))?;
    // Not `cargo run`: cargo builds bindgen again whenever LIBCLANG_PATH is another one than last time.
    let mut command = Command::new(tree::target()?.join("debug/sentry-profiler-v8-abi"));
    command.args(nodes.iter().map(|node| format!("{}={}", node.version, node.include().display())));
    process::run(command.env("LIBCLANG_PATH", libclang))
}
