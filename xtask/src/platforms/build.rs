//! The add-on and the C library for a platform.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::targets::Target;
use super::toolchain;
use crate::{process, workspace};

/// How well the files are optimized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// As they are published.
    Release,
    /// As they behave, in a third of the time.
    Tested,
}

impl Profile {
    /// As cargo calls it, and the folder that it fills.
    pub fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Tested => "platforms",
        }
    }
}

/// The files of a platform.
#[derive(Clone, Debug)]
pub struct Built {
    pub addon: PathBuf,
    /// The C library that programs load.
    pub shared: PathBuf,
    /// The one that becomes a part of them.
    pub archive: PathBuf,
    /// What programs for Windows link in place of the shared one.
    pub import_library: Option<PathBuf>,
}

/// Builds a platform's files, below a folder of the target folder that its processor has: two platforms can be built at
/// once, and what runs while building is compiled twice and not seven times.
pub fn build(target: &Target, profile: Profile) -> Result<Built> {
    let folder = workspace::target()?.join("platforms").join(target.processor());
    // One after the other: built together they would have each other's features.
    for package in ["sentry-profiler-node", "sentry-profiler-c"] {
        let mut cargo = toolchain::cargo_build(target, profile)?;
        cargo.args(["--quiet", "--locked", "--package", package, "--target-dir"]);
        process::output(cargo.arg(&folder)).with_context(|| format!("building {package} for {}", target.name))?;
    }
    let system = target.system;
    let made = folder.join(target.triple).join(profile.name());
    let (node, c) = ("sentry_profiler_node", "sentry_profiler_c");
    let built = Built {
        addon: made.join(system.cdylib(node)),
        shared: made.join(system.cdylib(c)),
        archive: made.join(system.staticlib(c)),
        import_library: system.import_library(c).map(|library| made.join(library)),
    };
    for file in [&built.addon, &built.shared, &built.archive].into_iter().chain(&built.import_library) {
        ensure!(file.is_file(), "cargo left no {}", file.display());
    }
    Ok(built)
}
