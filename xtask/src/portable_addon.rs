//! A build that old systems load: the add-on linked against the oldest glibc that Node 18 and Rust still know.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::linkage::Linkage;
use crate::{process, python, workspace};

/// Serves Amazon Linux 2, CentOS 7 and whatever is younger.
const GLIBC: [u32; 2] = [2, 17];
/// Zig brings the symbol tables of every glibc, and the linker that uses them. Both come as packages of Python.
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

/// Fails when the file asks for a younger glibc than it was built for.
pub fn check(linkage: &Linkage) -> Result<()> {
    let newest = linkage.glibc.as_ref().map(ToString::to_string).unwrap_or_default();
    let numbers: Vec<u32> = newest.split('.').filter_map(|number| number.parse().ok()).collect();
    ensure!(numbers.as_slice() <= &GLIBC[..], "the portable add-on needs glibc {newest}");
    Ok(())
}
