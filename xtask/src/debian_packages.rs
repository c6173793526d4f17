//! Debian packages with tools and headers that some checks need beyond Rust, Node and a C++ compiler.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::{process, system};

/// The packages that are not installed, without duplicates.
///
/// Empty on a system without Debian's package manager; there a missing tool fails where it is used.
pub fn missing<'a>(packages: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    if !Path::new("/usr/bin/dpkg-query").exists() {
        return Vec::new();
    }
    let packages: BTreeSet<_> = packages.into_iter().collect();
    packages.into_iter().filter(|package| !is_installed(package)).collect()
}

/// Fails if one of these packages is missing, and says how to install it. Installs nothing itself.
pub fn need(packages: &[&str]) -> Result<()> {
    let missing = missing(packages.iter().copied());
    ensure!(missing.is_empty(), "packages are missing: {}. {}", missing.join(", "), how_to_install(&missing));
    Ok(())
}

/// Whether this process may install packages.
pub fn can_install() -> bool {
    system::is_root()
}

/// Installs packages, as root.
pub fn install(packages: &[&str]) -> Result<()> {
    ensure!(can_install(), "packages are missing: {}. {}", packages.join(", "), how_to_install(packages));
    eprintln!("installing {}", packages.join(" "));
    update()?;
    apt_get(&[&["install", "-q", "-y", "--no-install-recommends"], packages].concat())
}

fn how_to_install(packages: &[&str]) -> String {
    match can_install() {
        true => "`cargo xtask setup` installs them".to_owned(),
        false => format!("`sudo apt-get install {}` installs them", packages.join(" ")),
    }
}

/// Updates the package lists, without which nothing can be fetched.
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
