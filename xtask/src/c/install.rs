//! The C library, installed: where compilers, pkg-config and CMake look for it.

use std::env;
use std::path::PathBuf;

use anyhow::Result;

use super::layout::{Folders, lay_out};
use crate::platforms::targets::System;
use crate::{process, workspace};

/// Build the C library and install it: headers, both libraries, pkg-config and CMake files
///
/// With the environment variable DESTDIR everything is written below that folder, and no file names it: for packages.
#[derive(clap::Args)]
pub struct Arguments {
    /// Where to: include and lib are made below it
    #[arg(long, value_name = "FOLDER")]
    prefix: PathBuf,
    /// Where libraries, pkg-config and CMake files go: below the prefix, such as lib64 or lib/x86_64-linux-gnu, or an
    /// absolute path
    #[arg(long, value_name = "FOLDER", default_value = "lib")]
    libdir: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let destdir = env::var_os("DESTDIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let folders = Folders::new(&arguments.prefix, &arguments.libdir, destdir.as_deref())?;
    install(&folders)?;
    println!("installed in {}", workspace::show(&folders.written(folders.prefix())));
    Ok(())
}

/// `cargo xtask build`: the tree of an installation, in target/dist/c.
pub fn build() -> Result<PathBuf> {
    let dist = workspace::target()?.join("dist/c");
    workspace::remove(&dist)?;
    install(&Folders::below(&dist)?)?;
    println!("C library: {}", workspace::show(&dist));
    Ok(dist)
}

/// Builds the library and installs it.
pub fn install(folders: &Folders) -> Result<()> {
    process::run(workspace::cargo().args(["build", "--release", "--package", "sentry-profiler-c"]))?;
    from("release", folders)
}

/// The library as the tests link it: checked arithmetic, and a function that panics.
pub fn test_library() -> Result<PathBuf> {
    let features = ["build", "--package", "sentry-profiler-c", "--features", "test-panic"];
    process::run(workspace::cargo().args(features))?;
    let prefix = workspace::target()?.join("c/library");
    from("debug", &Folders::below(&prefix)?)?;
    Ok(prefix.join("lib"))
}

/// Installs what cargo left in a folder of the target folder.
fn from(profile: &str, folders: &Folders) -> Result<()> {
    let built = workspace::target()?.join(profile);
    let [shared, archive] = [System::HOST.cdylib("sentry_profiler_c"), System::HOST.staticlib("sentry_profiler_c")];
    lay_out(&built.join(shared), &built.join(archive), System::HOST, folders)
}
