//! The C library, installed: where compilers, pkg-config and CMake look for it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{process, workspace};

/// The number in the shared library's name: `SENTRY_PROFILER_ABI_VERSION`.
pub const ABI: &str = "1";

/// What the static library needs of the system, as `rustc --print native-static-libs` says.
pub const PRIVATE_LIBS: [&str; 7] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"];

/// Install the C library: headers, both libraries, pkg-config and CMake files
#[derive(clap::Args)]
pub struct Arguments {
    /// Where to: include, lib, lib/pkgconfig and lib/cmake are made below it
    #[arg(long, value_name = "FOLDER")]
    prefix: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    install(&arguments.prefix)?;
    println!("installed in {}", workspace::show(&arguments.prefix));
    Ok(())
}

/// `cargo xtask build`: the tree of an installation, in target/dist/c.
pub fn build() -> Result<PathBuf> {
    let dist = workspace::target()?.join("dist/c");
    workspace::remove(&dist)?;
    install(&dist)?;
    println!("C library: {}", workspace::show(&dist));
    Ok(dist)
}

/// Builds the library and installs it.
pub fn install(prefix: &Path) -> Result<()> {
    process::run(workspace::cargo().args(["build", "--release", "--package", "sentry-profiler-c"]))?;
    lay_out(&workspace::target()?.join("release"), prefix)
}

/// The library as the tests link it: checked arithmetic, and a function that panics.
pub fn test_library() -> Result<PathBuf> {
    let features = ["build", "--package", "sentry-profiler-c", "--features", "test-panic"];
    process::run(workspace::cargo().args(features))?;
    let prefix = workspace::target()?.join("c/library");
    lay_out(&workspace::target()?.join("debug"), &prefix)?;
    Ok(prefix.join("lib"))
}

/// Puts what cargo built where compilers look for it.
fn lay_out(built: &Path, prefix: &Path) -> Result<()> {
    let (include, lib) = (prefix.join("include"), prefix.join("lib"));
    let (pkgconfig, cmake) = (lib.join("pkgconfig"), lib.join("cmake/sentry_profiler"));
    for folder in [&include, &pkgconfig, &cmake] {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    for header in ["sentry_profiler.h", "sentry_profiler.hpp"] {
        copy(&workspace::root().join("include").join(header), &include.join(header))?;
    }
    let version = env!("CARGO_PKG_VERSION");
    let soname = format!("libsentry_profiler.so.{ABI}");
    copy(&built.join("libsentry_profiler_c.a"), &lib.join("libsentry_profiler.a"))?;
    copy(&built.join("libsentry_profiler_c.so"), &lib.join(format!("libsentry_profiler.so.{version}")))?;
    link(&format!("libsentry_profiler.so.{version}"), &lib.join(&soname))?;
    link(&soname, &lib.join("libsentry_profiler.so"))?;

    let templates = workspace::root().join("bindings-c/install");
    for (template, folder) in [
        ("sentry_profiler.pc", &pkgconfig),
        ("sentry_profiler-config.cmake", &cmake),
        ("sentry_profiler-config-version.cmake", &cmake),
    ] {
        // CMake wants a list, pkg-config a line.
        let separator = if template.ends_with(".pc") { " " } else { ";" };
        let text = fs::read_to_string(templates.join(template)).with_context(|| format!("reading {template}"))?;
        let text = text
            .replace("@VERSION@", version)
            .replace("@ABI@", ABI)
            .replace("@URL@", env!("CARGO_PKG_REPOSITORY"))
            .replace("@PRIVATE_LIBS@", &PRIVATE_LIBS.join(separator));
        fs::write(folder.join(template), text).with_context(|| format!("writing {template}"))?;
    }
    Ok(())
}

pub fn copy(from: &Path, to: &Path) -> Result<()> {
    // Not over the old one: a program may have it open.
    workspace::remove(to)?;
    fs::copy(from, to).with_context(|| format!("copying {} to {}", from.display(), to.display())).map(drop)
}

fn link(target: &str, at: &Path) -> Result<()> {
    workspace::remove(at)?;
    std::os::unix::fs::symlink(target, at).with_context(|| format!("linking {}", at.display()))
}
