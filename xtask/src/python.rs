//! Tools that are Python packages.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{process, workspace};

/// The folder with the programs of these packages (`name==version`), installed once in a virtual environment.
pub fn installed(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let home = workspace::target()?.join(name);
    let bin = home.join("bin");
    let stamp = home.join("installed");
    let wanted = packages.join(" ");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(bin);
    }
    eprintln!("installing {wanted}");
    workspace::remove(&home)?;
    process::run(Command::new("python3").args(["-m", "venv"]).arg(&home))
        .with_context(|| format!("{wanted} needs Python 3 with its venv module"))?;
    process::run(
        Command::new(bin.join("pip")).args(["install", "--quiet", "--disable-pip-version-check"]).args(packages),
    )?;
    fs::write(&stamp, wanted)?;
    Ok(bin)
}
