//! The npm client with the user's settings.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{process, workspace};

/// npm in a folder, without progress and notices.
pub fn npm(dir: &Path) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.current_dir(dir).args(["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]);
    command
}

/// Installs the packages of a folder's package-lock.json.
pub fn ci(dir: &Path) -> Result<()> {
    process::output(npm(dir).args(["ci", "--ignore-scripts"]))
        .map(drop)
        .with_context(|| format!("installing the packages of {}", dir.display()))
}

/// Copies package.json and package-lock.json to another folder and installs their packages there, unless that was done
/// before.
pub fn installed(name: &str, sources: &Path, dir: &Path) -> Result<()> {
    let files = ["package.json", "package-lock.json"].map(|file| sources.join(file));
    workspace::when_changed(name, &files, &dir.join("node_modules"), || {
        eprintln!("installing {name}");
        fs::create_dir_all(dir)?;
        for file in &files {
            fs::copy(file, dir.join(file.file_name().expect("a file has a name")))?;
        }
        ci(dir)
    })
}

/// Adds a package file (`.tgz`) as a user would, under each of these names, and leaves package.json and
/// package-lock.json alone.
///
/// npm checks its peer dependencies on the way.
pub fn add(dir: &Path, tarball: &Path, names: &[&str]) -> Result<()> {
    let packages = names.iter().map(|name| format!("{name}@file:{}", tarball.display()));
    process::output(npm(dir).args(["install", "--no-save", "--ignore-scripts", "--prefer-offline"]).args(packages))
        .map(drop)
        .with_context(|| format!("installing {} in {}", tarball.display(), dir.display()))
}
