//! Runs Biome on JavaScript and TypeScript with the repository's biome.json.

use std::process::Command;

use anyhow::Result;

use crate::{npm, process, workspace};

pub fn run() -> Result<()> {
    let dir = workspace::target()?.join("js-lint");
    npm::installed("js-lint", &workspace::root().join("tests/js-lint"), &dir)?;
    let mut biome = Command::new(dir.join("node_modules/.bin/biome"));
    process::run(biome.current_dir(workspace::root()).args(["check", "--error-on-warnings"]))
}
