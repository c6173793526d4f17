//! What Debian brings: tools and headers that some checks need beyond Rust, Node and a C++ compiler.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

/// Sees to it that these packages are there: installs what is missing where that can be done without asking, else says how.
///
/// On a system without Debian's package manager nothing is known; what is missing there shows where it is used.
pub fn need(packages: &[&str]) -> Result<()> {
    if !Path::new("/usr/bin/dpkg-query").exists() {
        return Ok(());
    }
    let missing: Vec<_> = packages.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if !rustix::process::geteuid().is_root() {
        bail!("packages are missing: `sudo apt-get install {names}` brings them");
    }
    eprintln!("installing {names}");
    update()?;
    apt_get(&[&["install", "-q", "-y", "--no-install-recommends"], missing.as_slice()].concat())
}

/// Brings the lists of packages up to date, without which nothing can be fetched.
pub fn update() -> Result<()> {
    apt_get(&["update", "-q"])
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    process::output(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(arguments)).map(drop)
}

fn is_installed(package: &str) -> bool {
    let status = Command::new("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", package]).output();
    status.is_ok_and(|output| output.status.success() && output.stdout == b"installed")
}
