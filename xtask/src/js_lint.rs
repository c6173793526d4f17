//! Biome over JavaScript and TypeScript, as biome.json at the top of the repository sets it up.

use std::process::Command;

use anyhow::Result;

use crate::{npm, process, tree};

pub fn run() -> Result<()> {
    let dir = tree::target()?.join("js-lint");
    npm::installed("js-lint", &tree::root().join("tests/js-lint"), &dir)?;
    let mut biome = Command::new(dir.join("node_modules/.bin/biome"));
    process::run(biome.current_dir(tree::root()).args(["check", "--error-on-warnings"]))
}
