//! The npm client, as the user has set it up.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// npm in a folder, without the chatter that is meant for people.
pub fn npm(dir: &Path) -> Command {
    let mut command = Command::new("npm");
    command.current_dir(dir).args(["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]);
    command
}

/// Installs what a folder's package-lock.json says.
pub fn ci(dir: &Path) -> Result<()> {
    process::output(npm(dir).args(["ci", "--ignore-scripts"]))
        .map(drop)
        .with_context(|| format!("installing the packages of {}", dir.display()))
}

/// Adds a package file (`.tgz`) as a user would, and leaves package.json and package-lock.json alone.
///
/// npm checks its peer dependencies on the way.
pub fn add(dir: &Path, tarball: &Path) -> Result<()> {
    process::output(npm(dir).args(["install", "--no-save", "--ignore-scripts", "--prefer-offline"]).arg(tarball))
        .map(drop)
        .with_context(|| format!("installing {} in {}", tarball.display(), dir.display()))
}
