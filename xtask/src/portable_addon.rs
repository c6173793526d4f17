//! A build for old systems: the add-on linked against the oldest glibc that Node 18 and Rust support.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::linkage::Linkage;
use crate::{process, python, workspace};

/// Loads on Amazon Linux 2, CentOS 7 and anything newer.
const GLIBC: [u32; 2] = [2, 17];
/// Zig has the symbol tables of every glibc, and a linker that uses them. Both are Python packages.
const TOOLS: [&str; 2] = ["ziglang==0.13.0", "cargo-zigbuild==0.24.0"];

/// Builds the add-on for [`GLIBC`].
pub fn build() -> Result<PathBuf> {
    let triple = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let bin = python::installed("zig", &TOOLS)?;
    let path =
        env::join_paths([bin.clone()].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())))?;
    let target = format!("{triple}.{}.{}", GLIBC[0], GLIBC[1]);
    process::run(
        Command::new(bin.join("cargo-zigbuild"))
            .args(["zigbuild", "--release", "--package", "sentry-profiler-node", "--target", &target])
            .current_dir(workspace::root())
            .env("PATH", path),
    )?;
    Ok(workspace::target()?.join(triple).join("release/libsentry_profiler_node.so"))
}

/// Fails if the file needs a newer glibc than it was built for.
pub fn check(linkage: &Linkage) -> Result<()> {
    let newest = linkage.glibc.as_ref().map(ToString::to_string).unwrap_or_default();
    let numbers: Vec<u32> = newest.split('.').filter_map(|number| number.parse().ok()).collect();
    ensure!(numbers.as_slice() <= &GLIBC[..], "the portable add-on needs glibc {newest}");
    Ok(())
}
