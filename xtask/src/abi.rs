//! `cargo xtask v8-abi`.

use anyhow::Result;

use crate::{clang, nodes, process, tree};

/// The majors whose headers are compared: every one with long-term support, oldest to newest.
const MAJORS: [&str; 5] = ["18", "20", "22", "24", "26"];

pub fn run() -> Result<()> {
    let libclang = clang::libclang()?;
    let nodes = MAJORS.iter().map(|major| nodes::fetch(major)).collect::<Result<Vec<_>>>()?;
    // A program of its own: bindgen takes longer to build than everything else here together.
    let mut command = tree::cargo();
    command.args(["run", "--quiet", "--package", "sentry-profiler-v8-abi", "--"]).env("LIBCLANG_PATH", libclang);
    command.args(nodes.iter().map(|node| format!("{}={}", node.version, node.include().display())));
    process::run(&mut command)
}
